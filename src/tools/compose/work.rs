//! Does the steps of a plan: each as soon as those before it are done, several at a time.
//!
//! Every worker has a client of the engine of its own. The first step that fails is the answer: what runs then is finished (what only waits
//! is told to stop), and nothing new is begun.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

use tokio::sync::watch;

use crate::tools::docker::Session;
use crate::tools::docker::failure::{Failure, Result};

/// As many steps at a time, unless somebody says otherwise. They wait for the engine most of the time.
const AT_ONCE: usize = 16;

/// What is done for a step: the worker's client, the step's number, and what says that it is no longer wanted.
pub type Task<'a> = dyn Fn(&Session, usize, &watch::Receiver<bool>) -> Result + Sync + 'a;

struct Queue {
    /// How many steps each one still waits for.
    waits: Vec<usize>,
    ready: VecDeque<usize>,
    /// Steps that are neither done nor given up.
    left: usize,
    running: usize,
    failed: Option<Failure>,
}

impl Queue {
    fn is_over(&self) -> bool {
        self.left == 0 || (self.failed.is_some() && self.running == 0)
    }
}

/// Runs as many steps as `after` has rows; `after[n]` are the steps before step `n`.
///
/// # Errors
/// That of the first step that failed.
pub fn run(session: &Session, limit: Option<usize>, after: &[Vec<usize>], step: &Task<'_>) -> Result {
    let waits: Vec<usize> = after.iter().map(Vec::len).collect();
    let ready: VecDeque<usize> = (0..after.len()).filter(|at| waits[*at] == 0).collect();
    if after.is_empty() {
        return Ok(());
    }
    let workers = limit.unwrap_or(AT_ONCE).max(1).min(after.len());
    let sessions: Vec<Session> = (0..workers).map(|_| session.another()).collect::<Result<_>>()?;
    let queue = Mutex::new(Queue { waits, ready, left: after.len(), running: 0, failed: None });
    let changed = Condvar::new();
    let (stop, stopped) = watch::channel(false);
    std::thread::scope(|scope| {
        for session in sessions {
            let (queue, changed, stop, stopped) = (&queue, &changed, &stop, stopped.clone());
            scope.spawn(move || {
                worker(&session, after, queue, changed, &|session, at| {
                    let done = step(session, at, &stopped);
                    if done.is_err() {
                        stop.send_replace(true);
                    }
                    done
                });
            });
        }
    });
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    match queue.failed {
        Some(failure) => Err(failure),
        None if queue.left > 0 => Err(Failure::new("the steps of this plan wait for each other: this is a defect of Bottleship")),
        None => Ok(()),
    }
}

fn worker(
    session: &Session,
    after: &[Vec<usize>],
    queue: &Mutex<Queue>,
    changed: &Condvar,
    step: &(dyn Fn(&Session, usize) -> Result + Sync),
) {
    let mut held = queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let next = if held.failed.is_some() { None } else { held.ready.pop_front() };
        let Some(at) = next else {
            // Nothing is ready and nobody makes anything ready: over, or a circle.
            if held.is_over() || held.running == 0 {
                changed.notify_all();
                return;
            }
            held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        held.running += 1;
        drop(held);
        let done = step(session, at);
        held = queue.lock().unwrap_or_else(PoisonError::into_inner);
        held.running -= 1;
        match done {
            Ok(()) => held.finish(at, after),
            Err(failure) => {
                held.failed.get_or_insert(failure);
            }
        }
        changed.notify_all();
    }
}

impl Queue {
    fn finish(&mut self, done: usize, after: &[Vec<usize>]) {
        self.left -= 1;
        for (at, before) in after.iter().enumerate() {
            let times = before.iter().filter(|one| **one == done).count();
            self.waits[at] -= times;
            if times > 0 && self.waits[at] == 0 {
                self.ready.push_back(at);
            }
        }
    }
}

/// Does the same with each of some things, several at a time.
///
/// # Errors
/// That of the first one that failed.
pub fn each<T: Sync>(session: &Session, limit: Option<usize>, things: &[T], work: &(dyn Fn(&Session, &T) -> Result + Sync)) -> Result {
    let free = vec![Vec::new(); things.len()];
    run(session, limit, &free, &|session, at, _| work(session, &things[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps in the order in which they were done.
    fn done(after: &[Vec<usize>], fails: Option<usize>) -> (Vec<usize>, Result) {
        let order = Mutex::new(Vec::new());
        let outcome = run(&Session::default(), Some(3), after, &|_, at, _| {
            if fails == Some(at) {
                return Err(Failure::new(format!("step {at}")));
            }
            order.lock().unwrap().push(at);
            Ok(())
        });
        (order.into_inner().unwrap(), outcome)
    }

    #[test]
    fn steps_come_after_those_that_they_wait_for() {
        let after = vec![vec![2], vec![0, 2], vec![], vec![1], vec![]];
        let (order, outcome) = done(&after, None);
        assert_eq!(outcome, Ok(()));
        for (at, before) in after.iter().enumerate() {
            let place = |wanted: usize| order.iter().position(|one| *one == wanted).unwrap();
            assert!(before.iter().all(|one| place(*one) < place(at)), "{order:?}");
        }
    }

    #[test]
    fn what_waits_for_a_failure_is_not_begun() {
        let (order, outcome) = done(&[vec![], vec![0], vec![1]], Some(1));
        assert_eq!((order, outcome.unwrap_err().message.as_str()), (vec![0], "step 1"));
    }

    #[test]
    fn a_circle_is_an_error_and_no_wait() {
        let (order, outcome) = done(&[vec![1], vec![0], vec![]], None);
        assert!(order == [2] && outcome.unwrap_err().message.contains("wait for each other"));
    }
}
