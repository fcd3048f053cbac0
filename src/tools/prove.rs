//! `bottleship prove [LAB|LESSON...]`: proves labs and lessons, and says for each obligation how it came out.

mod terminal;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::Tool;
use crate::bottle::scratch::{self, Scratch, Use};
use crate::bottle::{Mode, Spec};
use crate::course::library::Broken;
use crate::course::prove::{Outcome, PROOFS, Prover, Row, planted};
use crate::course::{Course, Error};
use crate::kernel;
use crate::kernel::ns::CloneFlags;
use terminal::Terminal;
use walk::Walk;

/// The sub-command.
pub const PROVE: Tool = Tool { command, run };

fn command() -> Command {
    let proofs: Vec<String> = PROOFS.iter().map(|(name, says)| format!("  {name:<4} {says}")).collect();
    Command::new("prove")
        .about("Prove labs and lessons in real bottles")
        .after_help(format!("Proofs:\n{}", proofs.join("\n")))
        .arg(Arg::new("UNIT").num_args(0..).help("Labs and lessons by id, or by the end of it; all if none is given"))
        .arg(
            Arg::new("seeds")
                .long("seeds")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=20))
                .default_value("3")
                .help("On how many seeds"),
        )
        .arg(super::course_argument())
        .arg(Arg::new("lessons").long("lessons").action(ArgAction::SetTrue).help("Only the lessons"))
        .arg(Arg::new("labs").long("labs").action(ArgAction::SetTrue).conflicts_with("lessons").help("Only the labs"))
        .arg(
            Arg::new("queue")
                .long("queue")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with_all(["lessons", "labs", "UNIT"])
                .help("Take the units off FILE, one from each line, until it is empty: provers that are given one FILE share what is in it"),
        )
        .arg(
            Arg::new("itself")
                .long("itself")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["lessons", "labs", "queue", "UNIT"])
                .help("Only the prover itself: what is planted in a course must be caught (P15)"),
        )
        .arg(
            Arg::new("walk")
                .long("walk")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["lessons", "labs", "itself", "queue", "UNIT", "proofs"])
                .help("One learner's whole way at one prompt after the other: every lesson and lab in turn, progress at 100 %, the doctor content"),
        )
        .arg(Arg::new("format").long("format").value_parser(["text", "json"]).default_value("text").help("How to report"))
        .arg(Arg::new("only-failures").long("only-failures").action(ArgAction::SetTrue).help("Show what failed, and the sums"))
        .arg(
            Arg::new("proofs")
                .long("proofs")
                .value_name("P1,P2,...")
                .value_delimiter(',')
                .value_parser(PROOFS.map(|(name, _)| name))
                .help("Of a lab only these proofs; lessons are proved whole"),
        )
        .arg(
            Arg::new("retries")
                .long("retries")
                .value_name("N")
                .value_parser(value_parser!(u32).range(0..=5))
                .default_value("0")
                .help("How often a unit that failed is proved once more at the end; what passes then is told as flaky"),
        )
        .arg(
            Arg::new("report")
                .long("report")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Also write every row to FILE, as --format json shows it"),
        )
        .arg(Arg::new("rootless").long("rootless").action(ArgAction::SetTrue).help("In bottles as an ordinary user makes them"))
}

/// Set for the process that proves: its state root is a temporary folder.
const INSIDE: &str = "BOTTLESHIP_PROVING";

fn run(arguments: &ArgMatches) -> ExitCode {
    let Some(state) = std::env::var_os(INSIDE) else { return again() };
    // Whoever made the folder may be killed before this.
    let _held = scratch::hold(Path::new(&state));
    match prove(arguments, Path::new(&state)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(2)
        }
    }
}

/// Runs this program once more with a state root of its own, so that proofs leave the learner's bottles and progress alone and nothing behind.
fn again() -> ExitCode {
    let state = Scratch::new(Use::Prove);
    let status = state.as_ref().map_err(ToString::to_string).and_then(|state| {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = std::process::Command::new(program);
        command.args(std::env::args_os().skip(1)).env("BOTTLESHIP_STATE", state.path()).env(INSIDE, state.path());
        command.status().map_err(|error| error.to_string())
    });
    match status {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("error: prove in a folder of its own: {error}");
            ExitCode::from(2)
        }
    }
}

fn prove(arguments: &ArgMatches, state: &Path) -> Result<bool, Error> {
    let folder = arguments.get_one::<PathBuf>("course").map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let course = Course::open(folder.as_deref())?;
    let asked: Vec<String> = arguments.get_many::<String>("UNIT").into_iter().flatten().cloned().collect();
    let itself = arguments.get_flag("itself");
    let queue = arguments.get_one::<PathBuf>("queue");
    let all = asked.is_empty() && !itself && queue.is_none();
    let wanted = |lab: bool| if lab { !arguments.get_flag("lessons") } else { !arguments.get_flag("labs") };
    let every = course.units().iter().filter(|entry| wanted(entry.example.lab)).map(|entry| entry.example.id.clone());
    let (mut units, unreadable) = if all {
        (every.collect(), course.broken().iter().filter(|broken| wanted(broken.lab)).collect())
    } else {
        readable(&course, asked)?
    };
    let how = How {
        seeds: (1..=arguments.get_one::<u32>("seeds").copied().unwrap_or(3)).map(|seed| seed.to_string()).collect(),
        only: arguments.get_many::<String>("proofs").into_iter().flatten().cloned().collect(),
    };
    let bottle = Spec { mode: arguments.get_flag("rootless").then_some(Mode::Rootless), ..Spec::default() };
    let report = Report {
        json: arguments.get_one::<String>("format").is_some_and(|format| format == "json"),
        only_failures: arguments.get_flag("only-failures"),
    };
    let retries = arguments.get_one::<u32>("retries").copied().unwrap_or(0);
    let mut rows = vec![offline()];
    if arguments.get_flag("walk") {
        let mut tell = |row: &Row| report.tell(row);
        let state = state.join("learner");
        report.tell(&rows[0]);
        rows.extend(Walk { course: &course, folder: folder.as_deref(), state, bottle: &bottle, retries, tell: &mut tell }.run()?);
        return conclude(&rows, course.units().len(), &report, arguments);
    }
    rows.extend(unreadable.into_iter().map(not_read));
    let mut unreadable = rows.len() - 1;
    rows.iter().for_each(|row| report.tell(row));
    let once = |unit: &str| prove_one(&course, folder.clone(), unit, &how, &bottle, state, &report);
    for unit in &units {
        rows.extend(once(unit)?);
    }
    while let Some(name) = queue.map(|queue| take(queue)).transpose()?.flatten() {
        let (one, broken) = readable(&course, vec![name])?;
        for row in broken.into_iter().map(not_read) {
            report.tell(&row);
            rows.push(row);
            unreadable += 1;
        }
        for unit in one {
            rows.extend(once(&unit)?);
            units.push(unit);
        }
    }
    for _ in 0..retries {
        rows = once_more(&units, rows, once)?;
    }
    if itself || all && how.only.is_empty() && !arguments.get_flag("lessons") {
        for row in prove_the_prover(&bottle, state)? {
            report.tell(&row);
            rows.push(row);
        }
    }
    conclude(&rows, units.len() + unreadable, &report, arguments)
}

/// The sums, and the file of all rows where one was asked for; whether nothing failed.
fn conclude(rows: &[Row], units: usize, report: &Report, arguments: &ArgMatches) -> Result<bool, Error> {
    report.sums(rows, units);
    if let Some(path) = arguments.get_one::<PathBuf>("report") {
        write_report(path, rows)?;
    }
    Ok(!rows.iter().any(Row::failed))
}

/// Takes the first line off a file that several provers share; `None` when nothing is left in it. Lines without a word are passed over.
fn take(queue: &Path) -> Result<Option<String>, Error> {
    let _one_at_a_time = kernel::lock::wait_for(queue)?;
    let text = kernel::fs::read(queue)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().map(str::to_owned);
    let rest: String = lines.map(|line| format!("{line}\n")).collect();
    // Written in place, not replaced: who waits for the lock has this file open.
    std::fs::write(queue, rest).map_err(|error| kernel::Error::from_io("write", queue.display(), &error))?;
    Ok(first)
}

/// The units of that name that can be proved, and those whose files have mistakes.
fn readable(course: &Course, asked: Vec<String>) -> Result<(Vec<String>, Vec<&Broken>), Error> {
    let (mut units, mut unreadable) = (Vec::new(), Vec::new());
    for name in asked {
        match course.entry(&name) {
            Ok(_) => units.push(name),
            Err(Error::Course(problems)) => {
                unreadable.extend(course.broken().iter().find(|broken| broken.problems == problems));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((units, unreadable))
}

/// A unit that cannot be read is not proved: that is a failure of its own, before all proofs.
fn not_read(broken: &Broken) -> Row {
    let problems: Vec<String> = broken.problems.iter().map(ToString::to_string).collect();
    Row { unit: broken.id.clone(), proof: "read", subject: "file".to_owned(), outcome: Outcome::Failed(problems.join("; ")) }
}

/// Proves the units that failed once more, and gives all rows.
fn once_more(units: &[String], mut rows: Vec<Row>, prove: impl Fn(&str) -> Result<Vec<Row>, Error>) -> Result<Vec<Row>, Error> {
    for unit in units {
        let (earlier, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.unit == *unit);
        rows = others;
        if !earlier.iter().any(Row::failed) {
            rows.extend(earlier);
            continue;
        }
        println!("once more: {unit}");
        rows.extend(with_flaky(earlier, prove(unit)?));
    }
    Ok(rows)
}

/// The rows of a unit that was proved once more. If nothing failed this time, what failed before is flaky.
fn with_flaky(earlier: Vec<Row>, mut later: Vec<Row>) -> Vec<Row> {
    if !later.iter().any(Row::failed) {
        later.extend(earlier.into_iter().filter_map(|row| match row.outcome {
            Outcome::Failed(why) | Outcome::Flaky(why) => Some(Row { outcome: Outcome::Flaky(why), ..row }),
            _ => None,
        }));
    }
    later
}

/// How much is proved.
struct How {
    seeds: Vec<String>,
    /// Of a lab; all proofs if there are none.
    only: Vec<String>,
}

fn prove_one(
    course: &Course,
    folder: Option<PathBuf>,
    unit: &str,
    how: &How,
    bottle: &Spec,
    state: &Path,
    report: &Report,
) -> Result<Vec<Row>, Error> {
    let mut typist = Terminal::new(state.join("prompts"), folder.clone(), bottle.mode == Some(Mode::Rootless));
    let mut tell = |row: &Row| report.tell(row);
    let seeds = how.seeds.clone();
    let mut prover = Prover::new(course.clone(), folder, seeds, bottle.clone(), state.join("sessions"), &mut typist, &mut tell);
    prover.only.clone_from(&how.only);
    prover.unit(unit)
}

/// Every row as a line of JSON.
fn write_report(path: &Path, rows: &[Row]) -> Result<(), Error> {
    let lines: String = rows.iter().map(|row| serde_json::to_string(row).unwrap_or_default() + "\n").collect();
    Ok(std::fs::write(path, lines).map_err(|error| kernel::Error::from_io("write", path.display(), &error))?)
}

/// P13: from here on there is no network but a loopback that is down, for the bottles too.
fn offline() -> Row {
    let outcome = match kernel::ns::unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => Outcome::Proved("the prover and its bottles run in an empty network namespace".to_owned()),
        Err(error) => Outcome::NotHere(error.to_string()),
    };
    Row { unit: "all".to_owned(), proof: "P13", subject: "network".to_owned(), outcome }
}

/// P15, on a course with something wrong for every proof. Two seeds: an answer that is right on both is one of the plants.
fn prove_the_prover(bottle: &Spec, state: &Path) -> Result<Vec<Row>, Error> {
    let folder = state.join("planted");
    for (path, file) in planted::files() {
        let path = folder.join(path);
        kernel::fs::create_dir_all(path.parent().unwrap_or(&folder), 0o755)?;
        std::fs::write(&path, &file.content).map_err(|error| kernel::Error::from_io("write", path.display(), &error))?;
    }
    let mut typist = Terminal::new(state.join("prompts"), Some(folder.clone()), bottle.mode == Some(Mode::Rootless));
    let mut tell = |_: &Row| {};
    let seeds = ["1", "2"].map(str::to_owned).to_vec();
    let sessions = state.join("planted-sessions");
    let mut prover = Prover::new(planted::course()?, Some(folder), seeds, bottle.clone(), sessions, &mut typist, &mut tell);
    let mut rows = Vec::new();
    for unit in planted::units() {
        rows.extend(prover.unit(unit)?);
    }
    Ok(planted::verdicts(&rows))
}

/// How rows are shown.
struct Report {
    json: bool,
    only_failures: bool,
}

impl Report {
    fn tell(&self, row: &Row) {
        if self.json {
            println!("{}", serde_json::to_string(row).unwrap_or_default());
        } else if row.failed() || !self.only_failures {
            let (word, why) = words(&row.outcome);
            println!("{word:<8} {:<4} {:<28} {:<32} {why}", row.proof, row.unit, row.subject);
        }
    }

    fn sums(&self, rows: &[Row], units: usize) {
        let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rows {
            *sums.entry(words(&row.outcome).0).or_default() += 1;
        }
        if self.json {
            println!("{}", serde_json::json!({ "units": units, "sums": sums }));
            return;
        }
        for row in rows.iter().filter(|row| matches!(row.outcome, Outcome::Exempt(_) | Outcome::Flaky(_))) {
            let (word, why) = words(&row.outcome);
            println!("{word:<8} {:<4} {} {}: {why}", row.proof, row.unit, row.subject);
        }
        if self.only_failures {
            not_here(rows);
        }
        let told: Vec<String> = sums.iter().map(|(word, count)| format!("{count} {word}")).collect();
        println!("{units} units: {}", told.join(", "));
    }
}

/// Why something was not proved here, and how often: said even where only failures are shown.
fn not_here(rows: &[Row]) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| matches!(row.outcome, Outcome::NotHere(_))) {
        *reasons.entry(words(&row.outcome).1).or_default() += 1;
    }
    reasons.iter().for_each(|(reason, count)| println!("not here {count:>4} times: {reason}"));
}

fn words(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Proved(why) => ("proved", why),
        Outcome::Failed(why) => ("FAILED", why),
        Outcome::NotHere(why) => ("not here", why),
        Outcome::Exempt(why) => ("exempt", why),
        Outcome::Flaky(why) => ("flaky", why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_once_and_passes_then_is_flaky_and_what_fails_twice_fails() {
        let row = |outcome| Row { unit: "u".to_owned(), proof: "P7", subject: "s".to_owned(), outcome };
        let (failed, proved) = (|| row(Outcome::Failed("2 -> 3".to_owned())), || row(Outcome::Proved(String::new())));
        assert_eq!(with_flaky(vec![proved(), failed()], vec![proved(), proved()])[2].outcome, Outcome::Flaky("2 -> 3".to_owned()));
        assert_eq!(with_flaky(vec![failed()], vec![failed()]), [failed()]);
    }

    #[test]
    fn provers_that_share_a_queue_take_each_line_of_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("queue");
        let all: Vec<String> = (0..200).map(|number| format!("lab/{number}")).collect();
        std::fs::write(&queue, all.join("\n\n")).unwrap();
        let prover = || std::iter::from_fn(|| take(&queue).unwrap()).collect::<Vec<String>>();
        let mut taken: Vec<String> = std::thread::scope(|scope| {
            let provers: Vec<_> = (0..4).map(|_| scope.spawn(prover)).collect();
            provers.into_iter().flat_map(|prover| prover.join().unwrap()).collect()
        });
        taken.sort_by_key(|name| name[4..].parse::<u32>().unwrap());
        assert_eq!(taken, all);
        assert_eq!(take(&queue).unwrap(), None);
        assert!(take(&folder.path().join("other")).unwrap_err().to_string().contains("other"), "a queue that is not there is no empty one");
    }

    #[test]
    fn only_what_failed_is_proved_once_more() {
        let row = |unit: &str, outcome| Row { unit: unit.to_owned(), proof: "P7", subject: "s".to_owned(), outcome };
        let good = |unit: &str| row(unit, Outcome::Proved(String::new()));
        let bad = |unit: &str| row(unit, Outcome::Failed("2 -> 3".to_owned()));
        let asked = std::cell::RefCell::new(Vec::new());
        let units = ["a", "b", "c"].map(str::to_owned);
        let rows = once_more(&units, vec![bad("all"), good("a"), bad("b"), bad("c")], |unit| {
            asked.borrow_mut().push(unit.to_owned());
            Ok(vec![if unit == "b" { good(unit) } else { bad(unit) }])
        });
        let flaky = row("b", Outcome::Flaky("2 -> 3".to_owned()));
        assert_eq!(rows.unwrap(), [bad("all"), good("a"), good("b"), flaky, bad("c")]);
        assert_eq!(asked.into_inner(), ["b", "c"]);
    }
}
