//! `bottleship dockerfile`: what a Dockerfile says, read by the builder's own parser, without building anything.

use std::io::Read as _;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

use super::Tool;
use crate::build::dockerfile::instruction::KEYWORDS;
use crate::build::dockerfile::{self, Dockerfile, expand};

/// Reads a Dockerfile and shows its stages.
pub const DOCKERFILE: Tool = Tool { command, run };

fn command() -> Command {
    Command::new("dockerfile")
        .about("Read a Dockerfile and show its stages, or where it is wrong")
        .arg(Arg::new("FILE").default_value("Dockerfile").help("The file; `-` is standard input"))
        .after_help(format!("Instructions: {}", KEYWORDS.join(" ")))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let path = arguments.get_one::<String>("FILE").map_or("Dockerfile", String::as_str);
    let text = match read(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("error: read `{path}`: {error}");
            return ExitCode::FAILURE;
        }
    };
    match dockerfile::read(&text) {
        Ok(file) => {
            show(&file);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {path}: {error}");
            if let Some(line) = error.line.checked_sub(1).and_then(|line| text.lines().nth(line)) {
                eprintln!("{:>5} | {line}", error.line);
            }
            ExitCode::FAILURE
        }
    }
}

fn read(path: &str) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    match path {
        "-" => std::io::stdin().read_to_end(&mut bytes)?,
        path => std::fs::File::open(path)?.read_to_end(&mut bytes)?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn show(file: &Dockerfile) {
    if let Some(syntax) = &file.directives.syntax {
        println!("syntax {syntax}: not fetched; this program reads the language itself");
    }
    for (line, warning) in &file.warnings {
        println!("warning: line {line}: {warning}");
    }
    let defaults = defaults(file);
    let lookup = |name: &str| defaults.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    for (number, stage) in file.stages.iter().enumerate() {
        let base = expand::word(&stage.base, file.escape, &lookup).unwrap_or_else(|error| format!("{} ({})", stage.base, error.0));
        let above = file.stage(&base, number).map(|at| format!(" (stage {at})")).unwrap_or_default();
        let name = stage.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        println!("stage {number}{name}: from {base}{above}");
        for step in &stage.steps {
            let documents = match step.statement.documents.len() {
                0 => String::new(),
                1 => " (with a here-document)".to_owned(),
                several => format!(" (with {several} here-documents)"),
            };
            println!("{:>5}  {} {}{documents}", step.statement.line, step.statement.keyword.to_ascii_uppercase(), step.statement.rest);
        }
    }
}

/// The `ARG`s before the first `FROM` that have a default.
fn defaults(file: &Dockerfile) -> Vec<(String, String)> {
    let mut known: Vec<(String, String)> = Vec::new();
    for step in &file.arguments {
        let dockerfile::Instruction::Arg(pairs) = &step.instruction else { continue };
        for (name, default) in pairs {
            let lookup = |wanted: &str| known.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
            let value = default.as_ref().and_then(|default| expand::word(default, file.escape, &lookup).ok());
            known.extend(value.map(|value| (name.clone(), value)));
        }
    }
    known
}
