//! P6, for real: PID 1 of the bottle is killed, and then nothing can be said about the world any more. Every verdict must be `error`: never a pass,
//! and never the learner's fault.

use std::os::fd::AsFd as _;
use std::time::Duration;

use super::super::session::Session;
use super::super::view::Verdict;
use super::super::world::Live;
use super::{Outcome, Prover, Row};
use crate::bottle::doctor;
use crate::kernel::process::Signal;
use crate::kernel::{self, poll, process};

/// How long a killed world may take to be gone with all its processes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Kills the world of a session and judges every step of its unit in what is left.
pub(super) fn prove(prover: &mut Prover<'_>, session: Session, seed: &str, rows: &mut Vec<Row>) {
    let id = session.unit().id.clone();
    let subject = format!("PID 1 killed, seed {seed}");
    let outcome = match kill(&session) {
        Ok(()) => verdicts(&session),
        Err(error) => Outcome::Failed(format!("the bottle could not be killed: {error}")),
    };
    let bottle = session.bottle().name().to_owned();
    // The handle removes what a killed bottle leaves.
    drop(session);
    prover.row(rows, &id, "P6", subject, left_of(&bottle).map_or(outcome, Outcome::Failed));
}

/// What is still on the machine of a bottle that is over.
fn left_of(bottle: &str) -> Option<String> {
    match doctor::residue(doctor::Scope::Own) {
        Ok(all) => {
            let ours: Vec<String> = all
                .iter()
                .filter(|thing| thing.bottle.as_deref().is_some_and(|folder| folder.ends_with(bottle)))
                .map(|thing| format!("{} {}", thing.kind, thing.what))
                .collect();
            (!ours.is_empty()).then(|| format!("the killed bottle left {}", ours.join(", ")))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Sends SIGKILL to the bottle's PID 1, and waits until it is gone. It goes last: when its descriptor tells the end, no process of the bottle is left.
fn kill(session: &Session) -> kernel::Result<()> {
    let init = process::open(session.bottle().first_process()?)?;
    process::signal(init.as_fd(), Signal::SIGKILL as i32)?;
    match poll::readable(&[init.as_fd()], Some(PATIENCE))?.is_empty() {
        true => Err(kernel::Error::new("kill", "PID 1 of the bottle", kernel::error::Errno::ETIMEDOUT)),
        false => Ok(()),
    }
}

fn verdicts(session: &Session) -> Outcome {
    let unit = session.unit();
    let (mut facts, mut wrong) = (0, Vec::new());
    for at in 0..unit.steps.len() {
        for fact in session.judge_at(at, &mut Live { bottle: session.bottle() }) {
            facts += 1;
            if fact.not_here.is_none() && fact.verdict != Verdict::Error {
                wrong.push(format!("{}#{} is {}", unit.steps[at].id, fact.id, fact.verdict.word()));
            }
        }
    }
    if wrong.is_empty() { Outcome::Proved(format!("{facts} facts")) } else { Outcome::Failed(wrong.join(", ")) }
}
