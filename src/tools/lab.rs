//! `bottleship lab lint`: the author's tools.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::Tool;
use crate::course::{Course, Error, lint};

/// The sub-command.
pub const LAB: Tool = Tool { command, run };

fn command() -> Command {
    let folder = Arg::new("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("The course folder, with lessons/, labs/ and solutions/ in it; the course in the program if not given");
    Command::new("lab")
        .about("Write lessons and labs")
        .subcommand_required(true)
        .subcommand(Command::new("lint").about("Check lessons, labs and solutions without a bottle").arg(folder))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    match arguments.subcommand() {
        Some(("lint", arguments)) => lint_course(arguments.get_one::<PathBuf>("DIR").map(PathBuf::as_path)),
        _ => ExitCode::from(2),
    }
}

fn lint_course(folder: Option<&Path>) -> ExitCode {
    let problems = match Course::open(folder) {
        Ok(course) => {
            let problems = lint::course(&course);
            let labs = course.units().iter().filter(|entry| entry.example.lab).count();
            println!("{} lessons, {labs} labs, {} problems", course.units().len() - labs, problems.len());
            problems
        }
        Err(Error::Course(problems)) => problems,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
