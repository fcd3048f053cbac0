//! A profile as a function: for each system call number of one architecture, what happens.

use super::profile::{Action, Condition, Profile, Rule};
use super::table::{Arch, Numbers, numbers};

/// What happens to one system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Always this return code.
    Always(u32),
    /// The code of the first alternative whose conditions all hold, else the last code.
    Depends(Vec<(Vec<Condition>, u32)>, u32),
}

impl Outcome {
    /// The code for these arguments.
    #[cfg(test)]
    pub fn decide(&self, arguments: &[u64; 6]) -> u32 {
        match self {
            Outcome::Always(code) => *code,
            Outcome::Depends(alternatives, otherwise) => {
                let holds = |conditions: &Vec<Condition>| conditions.iter().all(|one| one.holds(arguments[one.index as usize]));
                alternatives.iter().find(|(conditions, _)| holds(conditions)).map_or(*otherwise, |(_, code)| *code)
            }
        }
    }
}

/// The outcomes of one architecture as ranges that begin at the given numbers and go on to the next; the first begins at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which.
    pub arch: Arch,
    /// `(first number, outcome)`, sorted; neighbours differ.
    pub ranges: Vec<(u32, Outcome)>,
}

impl Plan {
    /// What `profile` says for each of `arches`. A name is looked up once for all of them: of compiling a profile that is most.
    pub fn all(profile: &Profile, arches: &[Arch]) -> Vec<Plan> {
        let found = |rule: &Rule| rule.names.iter().filter_map(|name| numbers(name)).collect();
        let calls: Vec<Vec<&Numbers>> = profile.syscalls.iter().map(found).collect();
        arches.iter().map(|arch| Plan::new(profile, &calls, *arch)).collect()
    }

    fn new(profile: &Profile, calls: &[Vec<&Numbers>], arch: Arch) -> Plan {
        let default = profile.default_action.code(profile.default_errno_ret);
        let named = named(profile, calls, arch, default);
        let mut ranges = Vec::new();
        let count = named.len() as u32;
        for (number, outcome) in named.into_iter().enumerate() {
            begin(&mut ranges, number as u32, outcome.unwrap_or(Outcome::Always(default)));
        }
        begin(&mut ranges, count, Outcome::Always(unknown(profile, default)));
        Plan { arch, ranges }
    }

    /// The outcome of a number.
    #[cfg(test)]
    pub fn outcome(&self, number: u32) -> &Outcome {
        let after = self.ranges.partition_point(|(first, _)| *first <= number);
        &self.ranges[after - 1].1
    }
}

/// Starts a range, or goes on with the one before if it says the same.
fn begin(ranges: &mut Vec<(u32, Outcome)>, first: u32, outcome: Outcome) {
    match ranges.last_mut() {
        Some((_, last)) if *last == outcome => {}
        _ => ranges.push((first, outcome)),
    }
}

/// Calls that are newer than everything the profile knows. A C library tries the new call first and goes on with the old one on ENOSYS, but gives
/// up on EPERM: so a profile that forbids what it does not name must say "no such call" to what its author could not know (as runc does).
fn unknown(profile: &Profile, default: u32) -> u32 {
    let lets_through = matches!(profile.default_action, Action::Allow | Action::Log | Action::Trace | Action::Notify);
    if lets_through || profile.syscalls.is_empty() { default } else { Action::Errno.code(Some(libc::ENOSYS as u32)) }
}

/// The named calls by number, up to the highest. Meaning, as in libseccomp: a rule with the default's action says nothing; a rule without conditions decides alone; the
/// conditions of the others are tried in order.
fn named(profile: &Profile, calls: &[Vec<&Numbers>], arch: Arch, default: u32) -> Vec<Option<Outcome>> {
    let mut found: Vec<Option<Outcome>> = Vec::with_capacity(512);
    for (rule, calls) in profile.syscalls.iter().zip(calls) {
        let code = rule.action.code(rule.errno_ret.or(profile.default_errno_ret));
        for number in calls.iter().filter_map(|columns| usize::try_from(columns[arch.column()]).ok()) {
            if found.len() <= number {
                found.resize(number + 1, None);
            }
            let outcome = found[number].get_or_insert_with(|| Outcome::Depends(Vec::new(), default));
            if let Outcome::Depends(alternatives, _) = outcome {
                if rule.args.is_empty() {
                    *outcome = Outcome::Always(code);
                } else {
                    alternatives.extend(alternatives_of(rule).into_iter().map(|conditions| (conditions, code)));
                }
            }
        }
    }
    found
}

/// Conditions on different arguments must all hold. With several on one argument each condition is an alternative of its own.
fn alternatives_of(rule: &Rule) -> Vec<Vec<Condition>> {
    let repeated = rule.args.iter().enumerate().any(|(at, one)| rule.args[..at].iter().any(|other| other.index == one.index));
    if repeated { rule.args.iter().map(|one| vec![one.clone()]).collect() } else { vec![rule.args.clone()] }
}
