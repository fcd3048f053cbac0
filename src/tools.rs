//! The command line of `bottleship` itself, as a table.
//!
//! Every sub-command is one [`Tool`]: its clap description (which also feeds help, completion and the reference in the book) and the
//! function that runs it. Only `tools`, `repl` and `ui` print or end the process.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

mod bench_security;
mod book;
mod bottle;
mod build;
pub mod buildx;
mod check;
mod class;
pub mod compose;
mod course;
pub mod daemons;
mod demo;
pub mod distribution;
mod dive;
pub mod docker;
mod dockerfile;
mod doctor;
mod engine;
mod grade;
mod images;
mod lab;
mod listing;
mod look;
pub mod oci;
mod ports;
mod prompt;
mod prove;
mod registry;
mod toolbox;
mod web;
mod xray;

/// A sub-command of `bottleship`.
pub struct Tool {
    /// Its clap description; the name in it is the sub-command's.
    pub command: fn() -> Command,
    /// Runs it.
    pub run: fn(&ArgMatches) -> ExitCode,
}

/// All sub-commands, in the order of the help text.
// One a line, so that rows added at the same time do not collide.
#[rustfmt::skip]
pub const TOOLS: &[Tool] = &[
    prompt::RUN,
    lab::LAB,
    check::CHECK,
    prove::PROVE,
    course::COURSE,
    demo::DEMO,
    grade::SUBMIT,
    grade::GRADE,
    class::CLASS,
    book::BOOK,
    oci::OCI,
    images::IMAGES,
    build::BUILD,
    dive::DIVE,
    engine::ENGINE,
    docker::DOCKER,
    bench_security::BENCH,
    registry::REGISTRY,
    dockerfile::DOCKERFILE,
    toolbox::TOOLBOX,
    bottle::LS,
    bottle::RM,
    doctor::DOCTOR,
    ports::HOSTS,
    ports::PORTS,
    web::WEB,
    bottle::KEEPER,
    bottle::HOST_INIT,
    xray::ATTACH,
    look::LOOK,
];

/// Parses the command line and runs what it names. Without a sub-command: the prompt.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// The same for a line of arguments, the program's name first.
fn run(line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>) -> ExitCode {
    if in_a_bottle() {
        crate::kernel::fs::nothing_lasts();
    }
    let matches = command().get_matches_from(line);
    let Some((name, arguments)) = matches.subcommand() else {
        return prompt::open(&matches);
    };
    match TOOLS.iter().find(|tool| (tool.command)().get_name() == name) {
        Some(tool) => (tool.run)(arguments),
        None => ExitCode::from(2),
    }
}

/// The whole command line.
pub fn command() -> Command {
    Command::new("bottleship")
        .about("A container world in a bottle, and a course that explains it")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(prompt::AFTER_HELP)
        .args(prompt::arguments())
        .subcommands(TOOLS.iter().map(|tool| (tool.command)()))
}

/// `--course DIR`, which most commands about lessons and labs have.
fn course_argument() -> Arg {
    Arg::new("course")
        .long("course")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("A course folder instead of the course in the binary")
}

/// Says what went wrong and what to do, and gives the exit code for it.
fn fail(error: &dyn std::fmt::Display, hint: Option<&str>) -> ExitCode {
    eprintln!("error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::FAILURE
}

/// Whether this program runs on a host of a bottle.
fn in_a_bottle() -> bool {
    Path::new("/run/bottleship/tools").exists()
}

/// Where images and registries lie if nobody names a folder: on a host of a bottle where an engine keeps them, outside one in our own state.
fn usual_folder(on_a_host: &str, outside: &str) -> PathBuf {
    if in_a_bottle() { PathBuf::from(on_a_host) } else { crate::bottle::state_root().join(outside) }
}

/// Removes what the bottles of this program with names that begin with `prefix` have left in the state folder.
fn forget_worlds(prefix: &str) {
    for known in crate::bottle::doctor::bottles().into_iter().filter(|known| !known.running && known.name.starts_with(prefix)) {
        // What cannot be removed is still listed by `bottleship ls`.
        let _ = crate::bottle::doctor::forget(&known.name);
    }
}
