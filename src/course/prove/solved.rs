//! P7 to P10 in the solved world, on a session in this process: the first solution that applies here is typed step by step.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::console::Console;
use super::super::library::Entry;
use super::super::session::{Past, Session};
use super::super::unit::Unit;
use super::super::view::Verdict;
use super::super::world::{Live, Look, Once, Recorded, World};
use super::still::{self, Looks, differs_now};
use super::{Error, Outcome, Prover, Row, exempt, mutants, type_on};
use crate::bottle::Probe;
use crate::journal::Log;

/// How often a solved world is recorded until it is one that passes: what a lab's programs do by themselves may fall into a recording.
const RECORDINGS: usize = 5;

/// All of it, on one seed.
pub(super) fn prove(prover: &mut Prover<'_>, entry: &Entry, seed: &str, rows: &mut Vec<Row>) {
    let id = entry.example.id.clone();
    if let Err(why) = walk(prover, entry, seed, rows) {
        prover.row(rows, &id, "P9", format!("seed {seed}"), Outcome::Failed(why));
    }
}

/// A step as it was when it began and when it was solved.
pub(super) struct Solved<'s> {
    pub step: usize,
    /// What its facts saw when it began.
    before: Recorded,
    /// What they saw when it was solved.
    pub after: Recorded,
    /// The story until then.
    pub past: Past<'s>,
}

fn walk(prover: &mut Prover<'_>, entry: &Entry, seed: &str, rows: &mut Vec<Row>) -> Result<(), String> {
    let told = |error: Error| error.to_string();
    let id = entry.example.id.clone();
    let (unit, params) = prover.course.unit(&id, seed).map_err(told)?;
    let mut session = prover.session(&id, seed).map_err(told)?;
    let consoles = prover.course.consoles(&id, false, &params).map_err(told)?;
    let Some((_, console)) = consoles.into_iter().find(|(_, console)| session.missing(&console.needs).is_none()) else {
        prover.row(rows, &id, "P8", "solutions", Outcome::NotHere("no solution applies on this machine".to_owned()));
        return session.end().map_err(told);
    };
    let mut begins = vec![Looks::take(&session)?];
    for part in parts(&console) {
        let step = session.position();
        let (since, before) = (session.story().since, record(&session, step));
        let views = type_on(&mut session, &part).map_err(told)?;
        if views.last().is_none_or(|view| view.verdict != Verdict::Pass) {
            break;
        }
        // The session is at the next step already; this one is judged by what it saw.
        let log = copy(session.story().log);
        let past = Past { log: &log, since };
        match solved_world(&session, step, &past) {
            Ok(after) => {
                let solved = Solved { step, before, after, past };
                mutants::prove(prover, &session, &solved, rows);
                flapping(prover, &session, solved, rows);
            }
            Err(why) => prover.row(rows, &id, "P8", &unit.steps[step].id, Outcome::Failed(why)),
        }
        begins.push(Looks::take(&session)?);
    }
    still::prove(prover, &session, &format!("solved, seed {seed}"), rows);
    same_world(prover, &mut session, &unit, &begins, rows)?;
    session.end().map_err(told)
}

/// The transcript cut behind each `:check`.
fn parts(console: &Console) -> Vec<Console> {
    let mut parts: Vec<Console> = Vec::new();
    let mut lines = Vec::new();
    for line in &console.lines {
        lines.push(line.clone());
        if line.text.trim() == ":check" {
            parts.push(Console { lines: std::mem::take(&mut lines), ..Console::default() });
        }
    }
    parts
}

pub(super) fn copy(log: &Log) -> Log {
    let mut other = Log::default();
    other.extend(log.after(0).cloned());
    other
}

/// What the facts of a step see now.
fn record(session: &Session, step: usize) -> Recorded {
    let mut live = Live { bottle: session.bottle() };
    let mut once = Once::new(&mut live);
    session.judge_at(step, &mut once);
    Recorded { documents: std::mem::take(&mut once.seen) }
}

/// A recording in which the step passes: only from there does a changed field prove anything.
fn solved_world(session: &Session, step: usize, past: &Past<'_>) -> Result<Recorded, String> {
    let mut wrong = String::new();
    for _ in 0..RECORDINGS {
        let mut recorded = record(session, step);
        let facts = session.judge_past(step, &mut recorded, past);
        match facts.iter().find(|fact| fact.not_here.is_none() && fact.verdict != Verdict::Pass) {
            None => return Ok(recorded),
            Some(fact) => {
                wrong = format!("the solved world does not pass when looked at again: {} is {}: {}", fact.id, fact.verdict.word(), fact.got)
            }
        }
    }
    Err(wrong)
}

/// P9: going to a step by `:goto` (a fresh world, replayed) gives what was there when the step was reached by walking.
fn same_world(prover: &mut Prover<'_>, session: &mut Session, unit: &Unit, begins: &[Looks], rows: &mut Vec<Row>) -> Result<(), String> {
    for (step, walked) in unit.steps.iter().zip(begins) {
        let subject = format!("goto {}", step.id);
        if let Some(reason) = exempt(step, "P9") {
            prover.row(rows, &unit.id, "P9", subject, Outcome::Exempt(reason));
            continue;
        }
        session.goto(&step.id).map_err(|error| error.to_string())?;
        let (changed, restless) = differs_now(walked, session, Looks::without_digests)?;
        let outcome = match changed.first() {
            None if restless == 0 => Outcome::Proved("the same snapshot".to_owned()),
            None => Outcome::Proved(format!("the same but for {restless} things that change by themselves")),
            Some(line) => Outcome::Failed(format!("{} {} {}", line.sign, line.what, line.detail)),
        };
        prover.row(rows, &unit.id, "P9", subject, outcome);
    }
    Ok(())
}

/// A world that is solved at the first look at anything, and at every later one as it was before.
struct Flapping {
    solved: Recorded,
    before: Recorded,
    seen: BTreeSet<String>,
}

impl World for Flapping {
    fn look(&mut self, host: &str, look: &Look) -> Result<Value, String> {
        match self.seen.insert(look.key(host)) || matches!(look, Look::Probe(Probe::Name)) {
            true => self.solved.look(host, look),
            false => self.before.look(host, look),
        }
    }
}

/// P10: a pass that does not last as long as `hold` says is none, and a step that can be passed by chance has a `hold`.
fn flapping(prover: &mut Prover<'_>, session: &Session, solved: Solved<'_>, rows: &mut Vec<Row>) {
    let Solved { step, mut before, after, past } = solved;
    let current = &session.unit().steps[step];
    let (unit, id) = (session.unit().id.clone(), current.id.clone());
    let unsolved = session.judge_past(step, &mut before, &past);
    let outcome = if let Some(reason) = exempt(current, "P10") {
        Outcome::Exempt(reason)
    } else if unsolved.iter().all(|fact| fact.not_here.is_some() || fact.verdict == Verdict::Pass) {
        Outcome::NotHere("what was answered or typed decides, and that does not flap".to_owned())
    } else {
        match session.judge_holding(step, &mut Flapping { solved: after, before, seen: BTreeSet::new() }, &past) {
            Verdict::Pass => Outcome::Failed("a world that is right for one look passes: give a fact that must change a `hold`".to_owned()),
            verdict => Outcome::Proved(verdict.word().to_owned()),
        }
    };
    prover.row(rows, &unit, "P10", id, outcome);
}
