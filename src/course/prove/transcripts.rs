//! P2 to P5: transcripts, typed into the real prompt.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::console::Console;
use super::super::library::Entry;
use super::super::unit::Unit;
use super::super::view::Verdict;
use super::{CheckRecord, Outcome, Prover, Row, exempt};

/// How long the checks of each step took that gave the same verdict: the shortest of them, since beside other programs each may have to wait.
#[derive(Default)]
pub(super) struct Times(BTreeMap<(String, Verdict), Duration>);

impl Times {
    fn add(&mut self, checks: &[CheckRecord]) {
        for check in checks {
            let shortest = self.0.entry((check.step.clone(), check.verdict)).or_insert(check.took);
            *shortest = check.took.min(*shortest);
        }
    }

    /// The step and verdict that take longest.
    pub(super) fn longest(&self) -> Option<(&str, Verdict, Duration)> {
        let ((step, verdict), took) = self.0.iter().max_by_key(|(_, took)| **took)?;
        Some((step, *verdict, *took))
    }
}

/// P2, P3 and P4: transcripts, typed into the real prompt.
pub(super) fn prove(prover: &mut Prover<'_>, entry: &Entry, seed: &str, times: u32, took: &mut Times, rows: &mut Vec<Row>) {
    let id = entry.example.id.clone();
    let Ok((unit, params)) = prover.course.unit(&id, seed) else { return };
    let (right, wrong) = match (prover.course.consoles(&id, false, &params), prover.course.consoles(&id, true, &params)) {
        (Ok(right), Ok(wrong)) => (right, wrong),
        (Err(error), _) | (_, Err(error)) => return prover.row(rows, &id, "P2", "solutions", Outcome::Failed(error.to_string())),
    };
    for (name, console) in right {
        for time in 1..=times {
            let subject = if times > 1 { format!("{name}, seed {seed}, time {time}") } else { format!("{name}, seed {seed}") };
            // A second look right after a pass is a look at the next step: P3.
            if let Some(reason) = prover.not_here(&console) {
                prover.row(rows, &id, "P2", subject, Outcome::NotHere(reason));
                continue;
            }
            match prover.typist.type_all(&id, seed, &doubled(&console)) {
                Err(why) => prover.row(rows, &id, "P2", subject, Outcome::Failed(why)),
                Ok(checks) => {
                    took.add(&checks);
                    let (passed, ahead) = walk(&unit, &checks);
                    prover.row(rows, &id, "P2", &subject, passed);
                    prover.row(rows, &id, "P3", &subject, ahead);
                }
            }
        }
    }
    for (name, console) in wrong {
        let subject = format!("{name}, seed {seed}");
        let outcome = match prover.not_here(&console) {
            Some(reason) => Outcome::NotHere(reason),
            None => match prover.typist.type_all(&id, seed, &console) {
                Err(why) => Outcome::Failed(why),
                Ok(checks) => {
                    took.add(&checks);
                    expected(&console, &checks)
                }
            },
        };
        prover.row(rows, &id, "P4", subject, outcome);
    }
}

/// The transcript with every `:check` but the last typed twice.
fn doubled(console: &Console) -> Console {
    let last = console.lines.iter().rposition(|line| line.text.trim() == ":check");
    let mut lines = Vec::new();
    for (at, line) in console.lines.iter().enumerate() {
        lines.push(line.clone());
        if line.text.trim() == ":check" && Some(at) != last {
            lines.push(line.clone());
        }
    }
    Console { lines, ..console.clone() }
}

/// P2 and P3 from the checks of a solution with doubled checks: every step passes in turn, and none passes at once after the one before.
fn walk(unit: &Unit, checks: &[CheckRecord]) -> (Outcome, Outcome) {
    let mut ahead = Vec::new();
    let mut passed = 0;
    let mut at = 0;
    while at < checks.len() {
        let check = &checks[at];
        let Some(step) = unit.steps.get(passed) else { break };
        if check.step != step.id || check.verdict != Verdict::Pass {
            return (Outcome::Failed(failure(check)), Outcome::NotHere("the solution does not pass".to_owned()));
        }
        passed += 1;
        let second = checks.get(at + 1).filter(|_| passed < unit.steps.len());
        if let (Some(second), Some(next)) = (second, unit.steps.get(passed))
            && second.verdict == Verdict::Pass
            && exempt(next, "P3").is_none()
        {
            ahead.push(next.id.clone());
            passed += 1;
        }
        at += 2;
    }
    let solved = match passed == unit.steps.len() {
        true => Outcome::Proved(format!("{passed} steps")),
        false => Outcome::Failed(format!("only {passed} of {} steps passed", unit.steps.len())),
    };
    let reasons: Vec<String> = unit.steps.iter().filter_map(|step| Some(format!("{}: {}", step.id, exempt(step, "P3")?))).collect();
    let ahead = match (ahead.is_empty(), reasons.is_empty()) {
        (false, _) => Outcome::Failed(format!("solved ahead: {}", ahead.join(", "))),
        (true, false) => Outcome::Exempt(reasons.join("; ")),
        (true, true) if unit.steps.len() == 1 => Outcome::NotHere("one step".to_owned()),
        (true, true) => Outcome::Proved(format!("{} steps", unit.steps.len())),
    };
    (solved, ahead)
}

fn failure(check: &CheckRecord) -> String {
    let wrong = check.facts.iter().filter(|(_, verdict, _)| *verdict != Verdict::Pass);
    let told: Vec<String> = wrong.map(|(id, verdict, got)| format!("{id} is {}: {got}", verdict.word())).collect();
    format!("step {} is {} ({})", check.step, check.verdict.word(), told.join("; "))
}

/// P4: the last check is at the step, with the fact or the mistake, and no other mistake.
fn expected(console: &Console, checks: &[CheckRecord]) -> Outcome {
    let Some(expect) = &console.expect else { return Outcome::Failed("it does not say what it must produce".to_owned()) };
    let Some(last) = checks.iter().rfind(|check| check.step == expect.step) else {
        return Outcome::Failed(format!(
            "no check came to the step {}; checks: {}",
            expect.step,
            checks.iter().map(failure).collect::<Vec<_>>().join(", ")
        ));
    };
    if last.verdict == Verdict::Pass {
        return Outcome::Failed("it passes".to_owned());
    }
    if let Some(fact) = &expect.fact {
        let found = last.facts.iter().find(|(id, ..)| id == fact);
        let verdict = found.map(|(_, verdict, _)| *verdict);
        let fits = match (&expect.verdict, verdict) {
            (_, None | Some(Verdict::Pass)) => false,
            (Some(wanted), Some(verdict)) => wanted.replace('-', " ") == verdict.word(),
            (None, Some(_)) => true,
        };
        if !fits {
            return Outcome::Failed(format!("{fact} was to fail, but {}", failure(last)));
        }
    }
    if last.mistake != expect.mistake && (expect.mistake.is_some() || expect.fact.is_none()) {
        return Outcome::Failed(format!("the mistake is {:?}, expected {:?}; {}", last.mistake, expect.mistake, failure(last)));
    }
    if let (Some(other), None) = (&last.mistake, &expect.mistake) {
        return Outcome::Failed(format!("the mistake {other} was recognised too"));
    }
    Outcome::Proved(failure(last))
}

/// So many seeds are looked through, besides those that are proved, for one that draws other parameters: a word of five is often the same on two.
const OTHERS: u32 = 16;

/// P5: the lines of one seed, typed into the world of another in which they would be others.
pub(super) fn cross(prover: &mut Prover<'_>, entry: &Entry, seeds: &[String], rows: &mut Vec<Row>) {
    let id = entry.example.id.clone();
    let Some(one) = seeds.first() else { return };
    let others = seeds.iter().skip(1).cloned().chain((0..OTHERS).map(|number| format!("another-{number}")));
    let here = |seed: &str| -> Vec<(String, Console)> {
        let consoles = prover.course.unit(&id, seed).and_then(|(_, params)| prover.course.consoles(&id, false, &params));
        consoles.unwrap_or_default().into_iter().filter(|(_, console)| prover.not_here(console).is_none()).collect()
    };
    // A solution that types no parameter is the same on every seed, and says nothing about pasted answers.
    let differs = others.into_iter().find_map(|other| {
        let (_, (_, first)) = here(&other).into_iter().zip(here(one)).find(|((_, second), (_, first))| first.lines != second.lines)?;
        Some((first, other))
    });
    let Some((first, other)) = differs else {
        return prover.row(rows, &id, "P5", "seeds", Outcome::NotHere("no parameter occurs in a solution".to_owned()));
    };
    let outcome = match prover.typist.type_all(&id, &other, &first) {
        Err(why) => Outcome::Failed(why),
        Ok(checks) => {
            let passes = entry
                .example
                .steps
                .iter()
                .filter(|step| checks.iter().any(|check| check.step == step.id && check.verdict == Verdict::Pass))
                .count();
            match passes == entry.example.steps.len() {
                true => Outcome::Failed("they pass".to_owned()),
                false => Outcome::Proved(format!("{passes} of {} steps pass", entry.example.steps.len())),
            }
        }
    };
    prover.row(rows, &id, "P5", format!("lines of seed {one} on seed {other}"), outcome);
}
