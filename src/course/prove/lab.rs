//! The proofs of a lab.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::super::console::Console;
use super::super::library::Entry;
use super::super::lint;
use super::super::params;
use super::super::session::{Session, diff};
use super::super::view::{DiffLine, FactView, Verdict};
use super::super::world::{Down, Live, Look, Once, Recorded, World};
use super::{CheckRecord, Outcome, Prover, Row, exempt, mutants, type_on};
use crate::bottle::Probe;
use crate::kernel::{self, poll};

/// How long a set-up and a check may take.
const SET_UP: Duration = Duration::from_secs(2);
const CHECK: Duration = Duration::from_millis(200);

/// How long it takes to see what is restless in a world.
const SETTLE: Duration = Duration::from_millis(900);

/// How many times slower than a real machine this one is, by its own word (BOTTLESHIP_SLOW, for emulated machines): the limits of P14 stretch.
fn slowness() -> f64 {
    std::env::var("BOTTLESHIP_SLOW").ok().and_then(|factor| factor.parse().ok()).filter(|factor: &f64| *factor >= 1.0).unwrap_or(1.0)
}

/// All proofs of one lab.
pub(super) fn prove(prover: &mut Prover<'_>, entry: &Entry) -> Vec<Row> {
    let mut rows = Vec::new();
    let id = entry.example.id.clone();
    static_proofs(prover, entry, &mut rows);
    let seeds = prover.seeds.clone();
    let mut times = Vec::new();
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
                let slow = set_up > SET_UP.mul_f64(load().max(1.0) * slowness());
                let told = format!("{} ms", set_up.as_millis());
                prover.row(
                    &mut rows,
                    &id,
                    "P14",
                    format!("set-up, seed {seed}"),
                    if slow { Outcome::Failed(told) } else { Outcome::Proved(told) },
                );
                untouched(prover, &session, seed, &mut rows);
                if let Err(error) = session.end() {
                    prover.row(&mut rows, &id, "P1", format!("seed {seed}"), Outcome::Failed(error.to_string()));
                }
            }
            Err(error) => {
                prover.row(&mut rows, &id, "P1", format!("seed {seed}"), Outcome::Failed(error.to_string()));
                return rows;
            }
        }
        transcripts(prover, entry, seed, if at == 0 { 2 } else { 1 }, &mut times, &mut rows);
    }
    cross(prover, entry, &seeds, &mut rows);
    if let Some(seed) = seeds.first() {
        solved(prover, entry, seed, &mut rows);
    }
    times.sort();
    if let Some(slowest) = times.get(times.len().saturating_sub(1) * 95 / 100) {
        let load = load();
        let told = format!("{} ms (95th of {}; {load:.1} programs per cpu)", slowest.as_millis(), times.len());
        let outcome = if *slowest > CHECK.mul_f64(load.max(1.0) * slowness()) { Outcome::Failed(told) } else { Outcome::Proved(told) };
        prover.row(&mut rows, &id, "P14", "checks", outcome);
    }
    rows
}

/// How many programs want each cpu: limits of time are those of a machine that has nothing else to do.
fn load() -> f64 {
    let text = kernel::fs::read(std::path::Path::new("/proc/loadavg")).unwrap_or_default();
    let wanting: f64 = text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(1.0);
    wanting / std::thread::available_parallelism().map_or(1, usize::from) as f64
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

/// P1 and P6 and P7 in the untouched world.
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
    pure(prover, session, &format!("untouched, seed {seed}"), rows);
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

/// P7: twenty looks leave the snapshot as it was, but for what changes without anybody looking.
fn pure(prover: &mut Prover<'_>, session: &Session, subject: &str, rows: &mut Vec<Row>) {
    let unit = session.unit().clone();
    let outcome = match changed_by_checks(session, &unit) {
        Ok((None, 0)) => Outcome::Proved("20 checks, the same snapshot".to_owned()),
        Ok((None, restless)) => Outcome::Proved(format!("20 checks; {restless} things change by themselves")),
        Ok((Some(line), _)) => match unit.steps.iter().find_map(|step| exempt(step, "P7")) {
            Some(reason) => Outcome::Exempt(reason),
            None => Outcome::Failed(format!("{} {} {}", line.sign, line.what, line.detail)),
        },
        Err(error) => Outcome::Failed(error),
    };
    prover.row(rows, &unit.id, "P7", subject, outcome);
}

/// The first thing that twenty checks changed, and how many things changed in as long a time without checks.
fn changed_by_checks(session: &Session, unit: &super::super::unit::Unit) -> Result<(Option<DiffLine>, usize), String> {
    let before = snapshot(session)?;
    let began = Instant::now();
    for _ in 0..20 {
        for at in 0..unit.steps.len() {
            session.judge_at(at, &mut Live { bottle: session.bottle() });
        }
    }
    let took = began.elapsed();
    let after = snapshot(session)?;
    let changed = diff(&before, &after);
    if changed.is_empty() {
        return Ok((None, 0));
    }
    let restless = restless(session, took.max(SETTLE))?;
    Ok((changed.into_iter().find(|line| !restless.contains(&line.what)), restless.len()))
}

fn snapshot(session: &Session) -> Result<serde_json::Value, String> {
    Live { bottle: session.bottle() }.look("bench", &Look::Probe(Probe::Snapshot))
}

/// The things that change in `time` while nobody does anything: programs of the set-up live their own lives.
fn restless(session: &Session, time: Duration) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    let mut last = snapshot(session)?;
    for _ in 0..3 {
        // poll(2) on nothing is the clock.
        poll::readable(&[], Some(time / 3)).map_err(|error| error.to_string())?;
        let now = snapshot(session)?;
        found.extend(diff(&last, &now).into_iter().map(|line| line.what));
        last = now;
    }
    Ok(found)
}

/// P2, P3 and P4: transcripts, typed into the real prompt.
fn transcripts(prover: &mut Prover<'_>, entry: &Entry, seed: &str, times: u32, took: &mut Vec<Duration>, rows: &mut Vec<Row>) {
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
                    took.extend(checks.iter().map(|check| check.took));
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
                    took.extend(checks.iter().map(|check| check.took));
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
fn walk(unit: &super::super::unit::Unit, checks: &[CheckRecord]) -> (Outcome, Outcome) {
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

/// P5: the lines of one seed, typed into the world of another.
fn cross(prover: &mut Prover<'_>, entry: &Entry, seeds: &[String], rows: &mut Vec<Row>) {
    let id = entry.example.id.clone();
    let [one, other, ..] = seeds else {
        return prover.row(rows, &id, "P5", "seeds", Outcome::NotHere("needs two seeds".to_owned()));
    };
    let here = |seed: &str| -> Vec<(String, Console)> {
        let consoles = prover.course.unit(&id, seed).and_then(|(_, params)| prover.course.consoles(&id, false, &params));
        consoles.unwrap_or_default().into_iter().filter(|(_, console)| prover.not_here(console).is_none()).collect()
    };
    // A solution that types no parameter is the same on every seed, and says nothing about pasted answers.
    let differs = here(one).into_iter().zip(here(other)).find(|((_, first), (_, second))| first.lines != second.lines);
    let Some(((_, first), _)) = differs else {
        return prover.row(rows, &id, "P5", "seeds", Outcome::NotHere("no parameter occurs in a solution".to_owned()));
    };
    let outcome = match prover.typist.type_all(&id, other, &first) {
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

/// P7, P8, P9 and P10 in the solved world, in this process.
fn solved(prover: &mut Prover<'_>, entry: &Entry, seed: &str, rows: &mut Vec<Row>) {
    let id = entry.example.id.clone();
    if let Err(error) = try_solved(prover, entry, seed, rows) {
        prover.row(rows, &id, "P9", format!("seed {seed}"), Outcome::Failed(error.to_string()));
    }
}

fn try_solved(prover: &mut Prover<'_>, entry: &Entry, seed: &str, rows: &mut Vec<Row>) -> Result<(), super::Error> {
    let id = entry.example.id.clone();
    let (unit, params) = prover.course.unit(&id, seed)?;
    let mut session = prover.session(&id, seed)?;
    let consoles = prover.course.consoles(&id, false, &params)?;
    let Some((_, console)) = consoles.into_iter().find(|(_, console)| session.missing(&console.needs).is_none()) else {
        prover.row(rows, &id, "P8", "solutions", Outcome::NotHere("no solution applies on this machine".to_owned()));
        return session.end();
    };
    let start = session.began()?.clone();
    let mut begins = vec![start];
    for part in parts(&console) {
        let step = session.position();
        let views = type_on(&mut session, &part)?;
        if views.last().is_none_or(|view| view.verdict != Verdict::Pass) {
            break;
        }
        let mut live = Live { bottle: session.bottle() };
        let mut once = Once::new(&mut live);
        session.judge_at(step, &mut once);
        let recorded = Recorded { documents: std::mem::take(&mut once.seen) };
        mutants::prove(prover, &session, step, &recorded, rows);
        flapping(prover, &session, step, recorded, rows);
        begins.push(session.began()?.clone());
    }
    pure(prover, &session, &format!("solved, seed {seed}"), rows);
    same_world(prover, &mut session, &unit, &begins, rows)?;
    session.end()
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

/// P9: going to a step by `:goto` (a fresh world, replayed) gives what was there when the step was reached by walking.
fn same_world(
    prover: &mut Prover<'_>,
    session: &mut Session,
    unit: &super::super::unit::Unit,
    begins: &[serde_json::Value],
    rows: &mut Vec<Row>,
) -> Result<(), super::Error> {
    for (at, step) in unit.steps.iter().enumerate() {
        let Some(walked) = begins.get(at) else { break };
        let subject = format!("goto {}", step.id);
        if let Some(reason) = exempt(step, "P9") {
            prover.row(rows, &unit.id, "P9", subject, Outcome::Exempt(reason));
            continue;
        }
        session.goto(&step.id)?;
        let mut changed = diff(walked, session.began()?);
        if !changed.is_empty() {
            let restless = restless(session, SETTLE).unwrap_or_default();
            changed.retain(|line| !restless.contains(&line.what));
        }
        let outcome = match changed.first() {
            None => Outcome::Proved("the same snapshot".to_owned()),
            Some(line) => Outcome::Failed(format!("{} {} {}", line.sign, line.what, line.detail)),
        };
        prover.row(rows, &unit.id, "P9", subject, outcome);
    }
    Ok(())
}

/// A world that is solved at the first look at anything and not there at every later one.
struct Flapping {
    solved: Recorded,
    seen: BTreeSet<String>,
}

impl World for Flapping {
    fn look(&mut self, host: &str, look: &Look) -> Result<serde_json::Value, String> {
        if self.seen.insert(look.key(host)) || matches!(look, Look::Probe(Probe::Name)) {
            self.solved.look(host, look)
        } else {
            Err("it is gone again".to_owned())
        }
    }
}

/// P10: a pass that does not last as long as `hold` says is none.
fn flapping(prover: &mut Prover<'_>, session: &Session, step: usize, solved: Recorded, rows: &mut Vec<Row>) {
    let current = &session.unit().steps[step];
    let (unit, id) = (session.unit().id.clone(), current.id.clone());
    if current.facts.iter().all(|fact| fact.hold.is_zero()) {
        return prover.row(rows, &unit, "P10", id, Outcome::NotHere("no fact has to hold for a while".to_owned()));
    }
    let verdict = session.judge_holding(step, &mut Flapping { solved, seen: BTreeSet::new() });
    let told = verdict.word().to_owned();
    prover.row(rows, &unit, "P10", id, if verdict == Verdict::Pass { Outcome::Failed(told) } else { Outcome::Proved(told) });
}
