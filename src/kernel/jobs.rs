//! The programs that a shell has left in the background, seen from outside through proc(5): have they really begun?
//!
//! A shell goes on as soon as it has forked. The child is the shell's own image until it reaches execve(2), and a program such as unshare(1)
//! has still to fork the one that counts. A person is never fast enough to see that; a typist that is a program is. Nothing announces that a
//! program has begun, so it is looked at: a process that sleeps, or is stopped or dead, has come to where it waits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::foreground::numbers_in;
use super::{Result, poll, pty};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);
/// How long a new program that uses the CPU all the time is looked at before it counts as begun.
const BUSY: Duration = Duration::from_millis(150);
/// How long a child that is still the shell's own image is waited for: a loop of the shell itself never becomes another program.
const FORKED: Duration = Duration::from_secs(1);

/// The processes of a terminal's session that are known to have begun.
#[derive(Debug, Default)]
pub struct Jobs {
    known: BTreeSet<i32>,
}

/// A process, as `/proc/PID/stat` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    parent: i32,
    session: i32,
    /// Whether it waits for something, or is stopped or dead. In the state D it will go on by itself in a moment.
    rests: bool,
}

impl Jobs {
    /// Waits until all that the session of the terminal behind `master` has started since the last time has begun: it rests, or it is a program
    /// of its own that computes.
    ///
    /// # Errors
    /// poll(2) failed.
    pub fn await_begun(&mut self, master: BorrowedFd<'_>) -> Result<()> {
        let Some(leader) = pty::session(master) else { return Ok(()) };
        let began = Instant::now();
        // Twice the same: a process that rests for an instant only, on its way, is not where it waits.
        let mut before = None;
        loop {
            let all = below(leader, &every());
            let new: Vec<(i32, Seen)> = all.iter().filter(|(pid, _)| !self.known.contains(pid)).map(|(pid, seen)| (*pid, *seen)).collect();
            let waited = began.elapsed();
            let begun = new.iter().all(|(pid, seen)| seen.rests || waited > allowed(*pid, leader));
            let numbers: Option<Vec<i32>> = begun.then(|| new.iter().map(|(pid, _)| *pid).collect());
            // A job that starts one short program after the other is never seen twice the same.
            if new.is_empty() || begun && before == numbers || waited > poll::stretched(2 * FORKED) {
                self.known = all.into_keys().collect();
                return Ok(());
            }
            before = numbers;
            poll::readable(&[], Some(LOOK))?;
        }
    }
}

/// How long to wait for a process that does not rest.
fn allowed(pid: i32, leader: i32) -> Duration {
    let words = |pid: i32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    poll::stretched(if words(pid) == words(leader) { FORKED } else { BUSY })
}

/// All processes that we can see.
fn every() -> BTreeMap<i32, Seen> {
    numbers_in("/proc").filter_map(|pid| Some((pid, parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// The fields 3, 4 and 6. The second is a name in brackets that may hold anything, so it is counted from the last bracket.
fn parse(stat: &str) -> Option<Seen> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let (state, parent, session) = (fields.next()?, fields.next()?, fields.nth(1)?);
    Some(Seen { parent: parent.parse().ok()?, session: session.parse().ok()?, rests: matches!(state, "S" | "T" | "t" | "Z" | "X" | "I") })
}

/// The processes of the leader's session, and those that descend from it in sessions of their own; not the leader.
fn below(leader: i32, all: &BTreeMap<i32, Seen>) -> BTreeMap<i32, Seen> {
    let descends = |pid: i32| {
        let mut at = pid;
        // A chain of parents is no longer than there are processes; one that was seen half-way may seem to turn round.
        for _ in 0..all.len() {
            match all.get(&at) {
                Some(seen) if seen.parent == leader => return true,
                Some(seen) => at = seen.parent,
                None => return false,
            }
        }
        false
    };
    let ours = |pid: &i32, seen: &Seen| *pid != leader && (seen.session == leader || descends(*pid));
    all.iter().filter(|(pid, seen)| ours(pid, seen)).map(|(pid, seen)| (*pid, *seen)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let seen = parse("17 (a) R (b) S 4 17 3 34817 17 0").unwrap();
        assert_eq!(seen, Seen { parent: 4, session: 3, rests: true });
        assert!(!parse("17 (yes) R 4 17 3 0 0").unwrap().rests);
        assert!(!parse("17 (dd) D 4 17 3 0 0").unwrap().rests);
        assert_eq!(parse("17 (cut"), None);
    }

    #[test]
    fn what_was_left_to_another_parent_is_still_of_the_session() {
        let seen = |parent, session| Seen { parent, session, rests: true };
        let all = BTreeMap::from([
            (1, seen(0, 1)),
            (10, seen(5, 10)),
            (11, seen(10, 10)),
            (12, seen(11, 12)),
            (13, seen(1, 10)),
            (14, seen(1, 1)),
        ]);
        assert_eq!(below(10, &all).into_keys().collect::<Vec<_>>(), [11, 12, 13]);
    }
}
