//! The command line of `bottleship` itself, as a table.
//!
//! Every sub-command is one [`Tool`]: its clap description (which also feeds help, completion and the reference in the book) and the
//! function that runs it. Only `tools`, `repl` and `ui` print or end the process.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

mod book;
mod bottle;
mod doctor;
mod grade;
mod lab;
pub mod oci;
mod ports;
mod prompt;
mod prove;
mod toolbox;
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
    prove::PROVE,
    grade::SUBMIT,
    grade::GRADE,
    book::BOOK,
    oci::OCI,
    toolbox::TOOLBOX,
    bottle::LS,
    bottle::RM,
    doctor::DOCTOR,
    ports::HOSTS,
    ports::PORTS,
    bottle::KEEPER,
    bottle::HOST_INIT,
    xray::ATTACH,
];

/// Parses the command line and runs what it names. Without a sub-command: the prompt.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
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

/// A folder for bottles that are thrown away: where TMPDIR says, else in /var/tmp. Not in /tmp, which is a tmpfs on many machines, and
/// overlays need extended attributes there that a tmpfs has only since Linux 6.6.
fn scratch(prefix: &str) -> std::io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(prefix);
    let lasting = std::path::Path::new("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && lasting.is_dir() { builder.tempdir_in(lasting) } else { builder.tempdir() }
}

/// Removes what the bottles of this program with names that begin with `prefix` have left in the state folder.
fn forget_worlds(prefix: &str) {
    for known in crate::bottle::doctor::bottles().into_iter().filter(|known| !known.running && known.name.starts_with(prefix)) {
        // What cannot be removed is still listed by `bottleship ls`.
        let _ = crate::bottle::doctor::forget(&known.name);
    }
}
