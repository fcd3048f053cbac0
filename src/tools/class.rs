//! `bottleship class`: what an instructor does with a whole class. `class serve`, `join` and `leave` are a room that is watched while people learn (see [`room`]);
//! `class grade` grades all that was handed in, several at once, and sums it up; `class answers` shows
//! the right and the wrong answers of a lab as they look for one learner.
//!
//! ```text
//!  folder ── submissions ──┬── bottleship grade --here FILE ─────────┐
//!                          ├── (one process each, --jobs at a time) ─┼── grades ── copies marked ── report, summary
//!                          └── ends at --limit: rejected ────────────┘
//! ```
//!
//! Each submission is graded by a process of its own: what one learner's lines do to it is no other learner's grade, and one that hangs can be ended.

mod answers;
mod report;
mod room;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::Tool;
use super::grade::{exit_code, finish, grade_all, limit, limit_argument};
use crate::course::submission::Submission;
use crate::course::{Course, Error, class};
use crate::kernel;

/// The sub-command.
pub const CLASS: Tool = Tool { command, run };

/// How the name of a submission ends, as `bottleship submit` calls it.
const ENDING: &str = "bottleship";

fn command() -> Command {
    Command::new("class")
        .about("Watch a room of learners, and grade a whole class")
        .subcommand_required(true)
        .subcommand(grade_command())
        .subcommand(answers::command())
        .subcommand(room::serve_command())
        .subcommand(room::join_command())
        .subcommand(room::leave_command())
}

fn grade_command() -> Command {
    Command::new("grade")
        .about("Grade all submissions of a class in one run, and sum them up")
        .long_about(
            "Grades every file that ends in `.bottleship` in a folder and below it, and every file that is named; then tells, lab by lab, how many passed, which fact \
             fails most, which mistake was made most, and which submissions an instructor should look at.",
        )
        .after_help("Exit codes: 0 all pass with full points, 1 points are missing or one is for review, 2 one was rejected, 3 grading itself failed.")
        .arg(Arg::new("FOLDER").required(true).num_args(1..).value_parser(value_parser!(PathBuf)).help("Folders with submissions, or submissions"))
        .arg(Arg::new("format").long("format").value_parser(["table", "json", "junit", "csv"]).default_value("table").help("How to report"))
        .arg(
            Arg::new("write")
                .long("write")
                .value_name("FILE")
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("Also write a report to this file: .json, .xml (JUnit), .csv or .txt; may be given several times"),
        )
        .arg(
            Arg::new("jobs")
                .long("jobs")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=64))
                .help("How many are graded at once; as many as there are processors, at most 4, if not given"),
        )
        .arg(limit_argument())
        .arg(super::course_argument())
}

fn run(arguments: &ArgMatches) -> ExitCode {
    finish(match arguments.subcommand() {
        Some(("grade", arguments)) => grade(arguments),
        Some(("answers", arguments)) => answers::run(arguments),
        Some(("serve", arguments)) => room::serve(arguments),
        Some(("join", arguments)) => room::join(arguments),
        Some(("leave", _)) => room::leave(),
        _ => Ok(2),
    })
}

fn grade(arguments: &ArgMatches) -> Result<u8, Error> {
    let folder = arguments.get_one::<PathBuf>("course").map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let course = Course::open(folder.as_deref())?;
    let reports: Vec<&PathBuf> = arguments.get_many("write").into_iter().flatten().collect();
    for path in &reports {
        // Before the work, not after it.
        format_of(path)?;
    }
    let files = submissions(arguments.get_many::<PathBuf>("FOLDER").into_iter().flatten())?;
    let jobs = arguments.get_one::<u32>("jobs").map_or_else(usual_jobs, |jobs| *jobs as usize);
    let mut grades = grade_all(&files, folder.as_deref(), jobs, limit(arguments))?;
    class::mark_copies(&mut grades);
    let typed: Vec<Vec<String>> = files.iter().map(|file| typed_in(file, &course).unwrap_or_default()).collect();
    let summary = class::summary(&grades, &typed);
    for path in reports {
        let text = report::shown(&grades, &summary, format_of(path)?);
        kernel::fs::replace(path, text.as_bytes(), 0o644)?;
    }
    print!("{}", report::shown(&grades, &summary, arguments.get_one::<String>("format").map_or("table", String::as_str)));
    Ok(exit_code(&grades))
}

fn usual_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(4))
}

/// The lines of a submission, if it is one.
fn typed_in(file: &Path, course: &Course) -> Option<Vec<String>> {
    Submission::parse(&std::fs::read(file).ok()?).ok()?.without_parameters(course).ok()
}

fn format_of(path: &Path) -> Result<&'static str, Error> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok("json"),
        Some("xml") => Ok("junit"),
        Some("csv") => Ok("csv"),
        Some("txt") => Ok("table"),
        _ => Err(Error::NotNow {
            why: format!("`{}`: no report has this ending", path.display()),
            hint: "end it in .json, .xml (JUnit), .csv or .txt".to_owned(),
        }),
    }
}

/// The files that are named, and those that lie in the folders that are named, in the order of their names.
fn submissions<'p>(named: impl Iterator<Item = &'p PathBuf>) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            // What is named is graded, whatever it is called: if it is not there, its grade says so.
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        below(path, &mut found)?;
        if found.is_empty() {
            return Err(Error::File {
                path: path.clone(),
                why: format!(
                    "has no submission in it: they end in `.{ENDING}`, as `bottleship submit` names them; others can be named one by one"
                ),
            });
        }
        files.extend(found);
    }
    Ok(files)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let mut names = kernel::fs::list(folder)?;
    names.sort();
    for path in names.into_iter().map(|name| folder.join(name)) {
        if path.is_dir() && !path.is_symlink() {
            below(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == ENDING) {
            found.push(path);
        }
    }
    Ok(())
}
