//! `bottleship lab new | dev | lint`: the author's tools.

mod dev;
mod new;
mod place;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::Tool;
use crate::course::error::Problem;
use crate::course::{Course, Error, lint};
use place::Place;

/// The sub-command.
pub const LAB: Tool = Tool { command, run };

fn command() -> Command {
    let path = |name: &'static str, help: &'static str| Arg::new(name).value_parser(value_parser!(PathBuf)).help(help);
    let new = path("PATH", "PART/SLUG for a lab in this folder, or [DIR/]labs/PART/SLUG").required(true);
    let dev = path("PATH", "The folder of the lab ([DIR/]labs/PART/SLUG), or the file of a lesson").required(true);
    let lint = path(
        "DIR",
        "The course folder, with lessons/, labs/ and solutions/ in it, or one lab in it; the course in the program if not given",
    );
    Command::new("lab")
        .about("Write lessons and labs")
        .subcommand_required(true)
        .subcommand(Command::new("new").about("Begin a lab: one that lints and proves as it stands, to be changed bit by bit").arg(new))
        .subcommand(
            Command::new("dev")
                .about("Open a lab or a lesson and load it again whenever one of its files is saved")
                .long_about(
                    "Shows the task, lints, boots a bottle and looks at every step; then again whenever a file is saved. What only changes facts and texts is \
                     looked at in the world that is there; what changes the world (set-up, files, parameters) makes a fresh one.\n\
                     Lines that you type go to the learner's shell on bench, `:check`, `:next`, `:goto STEP`, `:reset` and the other verbs of transcripts to the \
                     course; `:solve` types the solution of the step. Nothing of it touches your own progress. Ctrl-C ends it.",
                )
                .arg(dev)
                .arg(Arg::new("plain").long("plain").action(ArgAction::SetTrue).help("Plain lines: no colour, no box characters"))
                .arg(Arg::new("rootless").long("rootless").action(ArgAction::SetTrue).help("In a bottle as an ordinary user makes it")),
        )
        .subcommand(Command::new("lint").about("Check lessons, labs and solutions without a bottle").arg(lint))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let done = match arguments.subcommand() {
        Some(("new", arguments)) => new::run(path_of(arguments, "PATH")),
        Some(("dev", arguments)) => {
            let mode = arguments.get_flag("rootless").then_some(crate::bottle::Mode::Rootless);
            dev::run(path_of(arguments, "PATH"), arguments.get_flag("plain"), mode)
        }
        Some(("lint", arguments)) => lint_course(arguments.get_one::<PathBuf>("DIR").map(PathBuf::as_path)),
        _ => return ExitCode::from(2),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(2)
        }
    }
}

fn path_of<'a>(arguments: &'a ArgMatches, name: &str) -> &'a Path {
    arguments.get_one::<PathBuf>(name).map_or(Path::new(""), PathBuf::as_path)
}

/// The course in a folder, in the folder around one of its labs, or in the program; and which unit is meant.
fn lint_course(folder: Option<&Path>) -> Result<ExitCode, Error> {
    let place = folder.and_then(Place::of_unit);
    let files = match place.as_ref().map(|place| place.course.as_path()).or(folder) {
        Some(folder) => Course::read_folder(folder)?,
        None => Course::embedded_files(),
    };
    let (course, mut problems) = Course::tolerant(files);
    problems.extend(lint::course(&course));
    let problems: Vec<Problem> =
        lint::sorted(problems).into_iter().filter(|problem| place.as_ref().is_none_or(|place| place.owns(&problem.file))).collect();
    for problem in &problems {
        println!("{problem}");
    }
    let units = course.units().iter().filter(|entry| place.as_ref().is_none_or(|place| place.file == entry.file));
    let (labs, lessons): (Vec<_>, Vec<_>) = units.partition(|entry| entry.example.lab);
    println!("{} lessons, {} labs, {} problems", lessons.len(), labs.len(), problems.len());
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
