//! The proofs of a lesson: its commands do what the text shows (P12), its checks pass after them and not before (P1, P2), its questions have the
//! answers it says, and its checks change nothing (P7).

use std::time::{Duration, Instant};

use super::super::error::Error;
use super::super::library::Entry;
use super::super::session::Session;
use super::super::text::Params;
use super::super::unit::{Block, Question, RightAnswer, Step};
use super::super::view::{CheckView, Verdict};
use super::super::world::{Down, Live};
use super::{Outcome, Prover, Row, exempt, output};
use crate::kernel::poll;

/// How long a step may be `not yet` after its last command, and how often it is looked at.
const SETTLED: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(50);

/// All proofs of one lesson, on the first seed (the others too, when it has parameters).
pub(super) fn prove(prover: &mut Prover<'_>, entry: &Entry) -> Vec<Row> {
    let mut rows = Vec::new();
    let id = entry.example.id.clone();
    let seeds = if entry.example.params.is_empty() { prover.seeds[..1].to_vec() } else { prover.seeds.clone() };
    for seed in seeds {
        let session = match prover.session(&id, &seed) {
            Ok(session) => session,
            Err(error) => {
                prover.row(&mut rows, &id, "P12", format!("seed {seed}"), Outcome::Failed(error.to_string()));
                continue;
            }
        };
        if let Some(missing) = session.missing(&session.unit().world.needs) {
            prover.row(&mut rows, &id, "P12", "all proofs", Outcome::NotHere(missing));
        } else {
            walk(prover, session, &mut rows);
            continue;
        }
        drop(session.end());
    }
    rows
}

fn walk(prover: &mut Prover<'_>, mut session: Session, rows: &mut Vec<Row>) {
    let unit = session.unit().clone();
    for (at, step) in unit.steps.iter().enumerate() {
        if let Some(missing) = session.missing(&step.needs) {
            prover.row(rows, &unit.id, "P12", &step.id, Outcome::NotHere(missing));
        } else if let Err(error) = prove_step(prover, &mut session, at, step, rows) {
            prover.row(rows, &unit.id, "P12", &step.id, Outcome::Failed(error.to_string()));
            break;
        }
        if at + 1 < unit.steps.len()
            && let Err(error) = session.prover_goes_on()
        {
            prover.row(rows, &unit.id, "P12", &step.id, Outcome::Failed(error.to_string()));
            break;
        }
    }
    if let Err(error) = session.end() {
        prover.row(rows, &unit.id, "P12", "the end", Outcome::Failed(error.to_string()));
    }
}

fn prove_step(prover: &mut Prover<'_>, session: &mut Session, at: usize, step: &Step, rows: &mut Vec<Row>) -> Result<(), Error> {
    let id = session.unit().id.clone();
    if !step.facts.is_empty() {
        before(prover, session, at, step, rows);
    }
    let replayed = replay(session, step)?;
    let (mut blocks, mut not_here) = (0, 0);
    for (line, result) in replayed {
        match result {
            Replay::Fits => blocks += 1,
            Replay::NotHere(reason) => {
                not_here += 1;
                prover.row(rows, &id, "P12", format!("{} (line {line})", step.id), Outcome::NotHere(reason));
            }
            Replay::Differs(why) => prover.row(rows, &id, "P12", format!("{} (line {line})", step.id), Outcome::Failed(why)),
        }
    }
    if blocks > 0 {
        prover.row(rows, &id, "P12", &step.id, Outcome::Proved(format!("{blocks} blocks replay, {not_here} not here")));
    }
    questions(prover, session, step, rows)?;
    if step.facts.is_empty() {
        return Ok(());
    }
    let check = settled_check(session)?;
    let wrong: Vec<String> = check
        .facts
        .iter()
        .filter(|fact| fact.verdict != Verdict::Pass)
        .map(|fact| format!("{} is {}: {}", fact.id, fact.verdict.word(), fact.got))
        .collect();
    let outcome = match check.verdict {
        Verdict::Pass => Outcome::Proved(format!("{} ms", check.took.as_millis())),
        _ if check.facts.iter().all(|fact| fact.not_here.is_some()) => Outcome::NotHere("no fact applies here".to_owned()),
        // Where the commands do not apply, what they would have made is not there.
        _ if not_here > 0 && blocks == 0 => Outcome::NotHere("its commands do not apply here".to_owned()),
        _ => Outcome::Failed(wrong.join("; ")),
    };
    prover.row(rows, &id, "P2", &step.id, outcome);
    Ok(())
}

/// A check as soon as the step passes: what a command left in the background may need a moment to get there.
fn settled_check(session: &mut Session) -> Result<CheckView, Error> {
    let began = Instant::now();
    loop {
        let check = session.check()?;
        if check.verdict != Verdict::NotYet || began.elapsed() > poll::stretched(SETTLED) {
            return Ok(check);
        }
        // Nothing announces that a program has become what it is to be; poll(2) on nothing is the clock.
        poll::readable(&[], Some(AGAIN))?;
    }
}

/// P1 and P6 before the commands are typed.
fn before(prover: &mut Prover<'_>, session: &Session, at: usize, step: &Step, rows: &mut Vec<Row>) {
    let id = session.unit().id.clone();
    let facts = session.judge_at(at, &mut Live { bottle: session.bottle() });
    let outcome = match (exempt(step, "P1"), facts.iter().find(|fact| fact.not_here.is_none() && fact.verdict != Verdict::Pass)) {
        (Some(reason), _) => Outcome::Exempt(reason),
        (None, Some(fact)) if fact.verdict == Verdict::Error => Outcome::Failed(format!("{}: {}", fact.id, fact.got)),
        (None, Some(fact)) => Outcome::Proved(format!("{} is {}", fact.id, fact.verdict.word())),
        (None, None) if facts.iter().all(|fact| fact.not_here.is_some()) => Outcome::NotHere("no fact applies here".to_owned()),
        (None, None) => Outcome::Failed("the step passes before anything was typed".to_owned()),
    };
    prover.row(rows, &id, "P1", &step.id, outcome);
    let wrong = session.judge_at(at, &mut Down).into_iter().find(|fact| fact.not_here.is_none() && fact.verdict != Verdict::Error);
    let outcome = wrong
        .map_or_else(|| Outcome::Proved("all facts".to_owned()), |fact| Outcome::Failed(format!("{} is {}", fact.id, fact.verdict.word())));
    prover.row(rows, &id, "P6", &step.id, outcome);
}

enum Replay {
    Fits,
    NotHere(String),
    Differs(String),
}

/// Types the commands of a step and compares what each block prints; gives the line of each block and how it went.
fn replay(session: &mut Session, step: &Step) -> Result<Vec<(usize, Replay)>, Error> {
    let mut results = Vec::new();
    let mut bound = Params::new();
    // What the last `run` block printed, how it ended, and whether it applied.
    let mut last: Option<Result<(String, i32), String>> = None;
    for block in &step.blocks {
        match block {
            Block::Run { commands, needs, nested, line } => {
                if let Some(reason) = session.missing(needs) {
                    results.push((*line, Replay::NotHere(reason.clone())));
                    last = Some(Err(reason));
                    continue;
                }
                if !nested {
                    session.prover_awaits_shell()?;
                }
                let (mut printed, mut status) = (String::new(), 0);
                // Course commands belong to the prompt; its own tests say them.
                let typed = commands.iter().filter(|command| !command.is_verb());
                for command in typed {
                    let (bytes, code) = session.prover_types(&command.host, &command.text)?;
                    printed.push_str(&String::from_utf8_lossy(&bytes));
                    status = code;
                }
                results.push((*line, Replay::Fits));
                last = Some(Ok((printed, status)));
            }
            Block::Output { text, exit, line } => match &mut last {
                Some(Ok((printed, status))) => {
                    let mut compare = |printed: &str, status: i32| {
                        let mut names = bound.clone();
                        output::matches(text, printed, &mut names).map_err(|differs| differs.to_string())?;
                        if let Some(wanted) = exit.filter(|wanted| *wanted != status) {
                            return Err(format!("ended with {status}, not {wanted}"));
                        }
                        bound = names;
                        Ok(())
                    };
                    let mut fits = compare(printed, *status);
                    let began = Instant::now();
                    // A client that reads the terminal while it waits for its engine looks like a program that waits for keys.
                    while fits.is_err()
                        && began.elapsed() < poll::stretched(SETTLED)
                        && let Some(heard) = session.prover_hears(AGAIN)?
                    {
                        printed.push_str(&String::from_utf8_lossy(&heard.said));
                        *status = heard.status.unwrap_or(*status);
                        fits = compare(printed, *status);
                    }
                    results.push((*line, fits.map_or_else(Replay::Differs, |()| Replay::Fits)));
                }
                Some(Err(reason)) => results.push((*line, Replay::NotHere(reason.clone()))),
                None => results.push((*line, Replay::Differs("follows no run block".to_owned()))),
            },
            _ => {}
        }
    }
    Ok(results)
}

/// Answers that come from the world must be one of the choices.
fn questions(prover: &mut Prover<'_>, session: &mut Session, step: &Step, rows: &mut Vec<Row>) -> Result<(), Error> {
    let id = session.unit().id.clone();
    let asked: Vec<Question> = step
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Predict(question) | Block::Quiz(question) => Some(question.clone()),
            _ => None,
        })
        .collect();
    for question in asked {
        if matches!(question.answer, RightAnswer::Run(_)) {
            let outcome = match session.right_choices(&question) {
                Ok(right) => Outcome::Proved(format!("{}: choice {}", question.id, right.first().copied().unwrap_or(0))),
                Err(error) => Outcome::Failed(error.to_string()),
            };
            prover.row(rows, &id, "P12", format!("{} {}", step.id, question.id), outcome);
        }
    }
    Ok(())
}
