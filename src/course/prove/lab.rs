//! The proofs of a lab.

use std::time::{Duration, Instant};

use super::super::library::Entry;
use super::super::lint;
use super::super::params;
use super::super::session::Session;
use super::super::view::{FactView, Verdict};
use super::super::world::{Down, Live};
use super::{Outcome, Prover, Row, down, exempt, load, solved, still, transcripts};
use crate::kernel::poll;

/// How long a set-up and a check may take.
const SET_UP: Duration = Duration::from_secs(2);
const CHECK: Duration = Duration::from_millis(200);

/// All proofs of one lab.
pub(super) fn prove(prover: &mut Prover<'_>, entry: &Entry) -> Vec<Row> {
    let mut rows = Vec::new();
    let id = entry.example.id.clone();
    static_proofs(prover, entry, &mut rows);
    let seeds = prover.seeds.clone();
    let mut times = transcripts::Times::default();
    for (at, seed) in seeds.iter().enumerate() {
        let began = Instant::now();
        match prover.session(&id, seed) {
            Ok(session) => {
                let set_up = began.elapsed();
                if let Some(missing) = lacks(&session) {
                    prover.row(&mut rows, &id, "P1", "all proofs", Outcome::NotHere(missing));
                    drop(session.end());
                    return rows;
                }
                let slow = set_up > poll::stretched(SET_UP).mul_f64(load().max(1.0));
                let told = format!("{} ms", set_up.as_millis());
                if prover.wants(&["P14"]) {
                    let outcome = if slow { Outcome::Failed(told) } else { Outcome::Proved(told) };
                    prover.row(&mut rows, &id, "P14", format!("set-up, seed {seed}"), outcome);
                }
                untouched(prover, &session, seed, &mut rows);
                // Whether looking changes anything, and what is said of a world that is gone, does not depend on the seed.
                if at == 0 && prover.wants(&["P7"]) {
                    still::prove(prover, &session, &format!("untouched, seed {seed}"), &mut rows);
                }
                if at == 0 && prover.wants(&["P6"]) {
                    down::prove(prover, session, seed, &mut rows);
                } else {
                    drop(session.end());
                }
            }
            Err(error) => {
                prover.row(&mut rows, &id, "P1", format!("seed {seed}"), Outcome::Failed(error.to_string()));
                return rows;
            }
        }
        if prover.wants(&["P2", "P3", "P4"]) {
            transcripts::prove(prover, entry, seed, if at == 0 { 2 } else { 1 }, &mut times, &mut rows);
        }
    }
    if prover.wants(&["P5"]) {
        transcripts::cross(prover, entry, &seeds, &mut rows);
    }
    if let Some(seed) = seeds.first().filter(|_| prover.wants(&["P7", "P8", "P9", "P10"])) {
        solved::prove(prover, entry, seed, &mut rows);
    }
    if let Some((step, verdict, longest)) = times.longest().filter(|_| prover.wants(&["P14"])) {
        let load = load();
        let told = format!("{} ms ({step}, {}; {load:.1} programs per cpu)", longest.as_millis(), verdict.word());
        let outcome = if longest > poll::stretched(CHECK).mul_f64(load.max(1.0)) { Outcome::Failed(told) } else { Outcome::Proved(told) };
        prover.row(&mut rows, &id, "P14", "checks", outcome);
    }
    rows
}

/// Why the whole lab cannot be done on this machine.
fn lacks(session: &Session) -> Option<String> {
    session.missing(&session.unit().world.needs)
}

/// P11, which needs no world.
fn static_proofs(prover: &mut Prover<'_>, entry: &Entry, rows: &mut Vec<Row>) {
    let unit = &entry.example;
    for step in &unit.steps {
        if let Some(reason) = exempt(step, "P11") {
            prover.row(rows, &unit.id, "P11", &step.id, Outcome::Exempt(reason));
        }
    }
    let params = params::draw(&unit.params, "example", &unit.id);
    let outcome = match prover.course.consoles(&unit.id, false, &params) {
        Ok(right) => match lint::leaks(unit, &right).first() {
            Some((step, _, token)) => Outcome::Failed(format!("a hint of {step} holds `{token}`")),
            None => Outcome::Proved(format!("{} hints", unit.steps.iter().map(|step| step.hints.len()).sum::<usize>())),
        },
        Err(error) => Outcome::Failed(error.to_string()),
    };
    prover.row(rows, &unit.id, "P11", "hints", outcome);
}

/// P1 and P6 in the untouched world.
fn untouched(prover: &mut Prover<'_>, session: &Session, seed: &str, rows: &mut Vec<Row>) {
    let unit = session.unit().clone();
    for (at, step) in unit.steps.iter().enumerate() {
        let subject = format!("{}, seed {seed}", step.id);
        if let Some(reason) = exempt(step, "P1") {
            prover.row(rows, &unit.id, "P1", &subject, Outcome::Exempt(reason));
        } else {
            let facts = session.judge_at(at, &mut Live { bottle: session.bottle() });
            prover.row(rows, &unit.id, "P1", &subject, reason_of(step, &facts));
        }
        let down = session.judge_at(at, &mut Down);
        let wrong: Vec<&str> =
            down.iter().filter(|fact| fact.not_here.is_none() && fact.verdict != Verdict::Error).map(|fact| fact.id.as_str()).collect();
        let outcome = if wrong.is_empty() {
            Outcome::Proved(format!("{} facts", down.len()))
        } else {
            Outcome::Failed(format!("no error from {}", wrong.join(", ")))
        };
        prover.row(rows, &unit.id, "P6", &subject, outcome);
    }
}

/// Whether the facts of the untouched world fail as the step declares: the named fact with the named verdict, or else the first fact.
fn reason_of(step: &super::super::unit::Step, facts: &[FactView]) -> Outcome {
    let counted: Vec<&FactView> = facts.iter().filter(|fact| fact.not_here.is_none()).collect();
    let told = |fact: &FactView| format!("{} is {}: {}", fact.id, fact.verdict.word(), fact.got);
    if let Some(fact) = counted.iter().find(|fact| fact.verdict == Verdict::Error) {
        return Outcome::Failed(told(fact));
    }
    let (wanted, verdict) = match &step.untouched {
        Some((fact, verdict)) => (counted.iter().find(|other| other.id == *fact), Some(verdict.replace('-', " "))),
        None => (counted.first(), None),
    };
    let Some(fact) = wanted else { return Outcome::NotHere("no fact of the step applies here".to_owned()) };
    match verdict {
        Some(verdict) if fact.verdict.word() != verdict => Outcome::Failed(format!("declared {verdict}, but {}", told(fact))),
        _ if fact.verdict == Verdict::Pass => Outcome::Failed(format!("{} (say with `untouched:` which fact must not)", told(fact))),
        _ => Outcome::Proved(told(fact)),
    }
}
