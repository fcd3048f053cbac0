//! `bottleship course coverage`: which row of the concept list is taught where, and what runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::Tool;
use crate::course::concepts::{Concepts, Coverage, FILE, Row, State, Teacher};
use crate::course::{Course, Error};

/// The sub-command.
pub const COURSE: Tool = Tool { command, run };

fn command() -> Command {
    Command::new("course").about("Look at the course as a whole").subcommand_required(true).subcommand(
        Command::new("coverage")
            .about("Show which lesson, lab or quiz teaches each row of the concept list, and what runs it")
            .after_help(format!(
                "The rows are those of {FILE}; lessons and labs name them in `teaches:`.\n\
                 Behind each step stand the proofs that run it (see `bottleship prove --help`), or `quiz`; a lesson or a lab that nothing runs covers no row.\n\
                 Exit codes: 0 all rows that were covered once still are, 1 one has lost its lesson or its test, 2 the course cannot be read."
            ))
            .arg(Arg::new("ROW").num_args(0..).help("Only these rows (`C-003`), or those in this state (`missing`)"))
            .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"))
            .arg(super::course_argument()),
    )
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let Some(("coverage", arguments)) = arguments.subcommand() else { return ExitCode::from(2) };
    match coverage(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // The messages are those of every command; only the code says that it was no verdict.
            super::fail(&error, error.hint().as_deref());
            ExitCode::from(2)
        }
    }
}

fn coverage(arguments: &ArgMatches) -> Result<bool, Error> {
    let course = Course::open(arguments.get_one::<PathBuf>("course").map(PathBuf::as_path))?;
    let coverage = Coverage::of(&Concepts::of(&course)?, &course);
    let wanted: Vec<&str> = arguments.get_many::<String>("ROW").into_iter().flatten().map(String::as_str).collect();
    let words = State::ALL.map(State::word);
    if let Some(name) = wanted.iter().find(|name| !words.contains(name) && !coverage.rows.iter().any(|row| row.id == **name)) {
        return Err(Error::NotNow {
            why: format!("`{name}` is neither a row of {FILE} nor a state"),
            hint: format!("a row is written `C-001`; the states are {}", words.join(", ")),
        });
    }
    for problem in course.broken().iter().flat_map(|broken| &broken.problems) {
        eprintln!("left out: {problem}");
    }
    if arguments.get_flag("json") {
        let rows: Vec<&Row> = coverage.rows.iter().filter(|row| shown(row, &wanted)).collect();
        let summary: serde_json::Map<String, serde_json::Value> =
            State::ALL.iter().map(|state| (state.word().to_owned(), json!(coverage.count(*state)))).collect();
        println!("{}", json!({ "rows": rows, "unknown": coverage.unknown, "summary": summary }));
    } else {
        print!("{}", text(&coverage, &wanted));
    }
    Ok(coverage.holds())
}

fn shown(row: &Row, wanted: &[&str]) -> bool {
    wanted.is_empty() || wanted.iter().any(|name| *name == row.id || *name == row.state.word())
}

fn text(coverage: &Coverage, wanted: &[&str]) -> String {
    let (mut text, mut area) = (String::new(), "");
    for row in coverage.rows.iter().filter(|row| shown(row, wanted)) {
        if row.area != area {
            area = &row.area;
            text += &format!("{}{area}\n", if text.is_empty() { "" } else { "\n" });
        }
        text += &format!("{:<8} {}  {}\n", told(row.state), row.id, row.title);
        if !row.why.is_empty() {
            text += &format!("{:15}{}\n", "", row.why);
        }
        row.teachers.iter().for_each(|teacher| text += &of_teacher(teacher));
    }
    for (row, unit) in &coverage.unknown {
        text += &format!("UNKNOWN  {row}  {unit} teaches it, and {FILE} does not have it\n");
    }
    let sums: Vec<String> = State::ALL.iter().map(|state| format!("{} {}", coverage.count(*state), state.word())).collect();
    text += &format!("{}{} rows: {}\n", if text.is_empty() { "" } else { "\n" }, coverage.rows.len(), sums.join(", "));
    text
}

/// What somebody has to do something about stands out.
fn told(state: State) -> String {
    if matches!(state, State::Lost | State::Missing) { state.word().to_uppercase() } else { state.word().to_owned() }
}

fn of_teacher(teacher: &Teacher) -> String {
    let steps: Vec<String> = teacher
        .steps
        .iter()
        .map(|step| if step.tests.is_empty() { format!("#{}", step.id) } else { format!("#{} {}", step.id, step.tests.join(" ")) })
        .collect();
    let kind = if teacher.lab { "lab" } else { "lesson" };
    let typed = if teacher.lab {
        format!(" ({}, {})", many(teacher.solutions, "solution"), many(teacher.wrong, "wrong answer"))
    } else {
        String::new()
    };
    format!("{:15}{kind} {}{typed}: {}\n", "", teacher.unit, steps.join("; "))
}

fn many(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
