//! `docker compose` and `docker-compose`: applications of several containers, described by a file.
//!
//! It is a client of the engine's HTTP API and nothing more, as the real tool is: the model of the files is [`crate::compose`]'s, requests are those of
//! [`super::docker`]. What belongs to a project is known by labels, which are the real tool's, so that either can go on where the other stopped.
//!
//! ```text
//!  files ── scene ──> Project ─┐
//!  engine ── observed ─────────┴─ plan ──> steps with an order ── apply ──> requests, several at a time (work)
//!                                                                   └── progress: a line for each thing
//! ```
//!
//! Called as `docker-compose` it is the same with `_` between the parts of names. The machine's own `docker` calls it as its plugin.
//! What is not here: Swarm's part of `deploy`, providers and models (`docker model`), publishing of projects, SSH agents in builds.

mod apply;
mod config;
mod down;
mod events;
mod follow;
mod foreground;
mod images;
mod list;
mod logs;
mod make;
mod observed;
mod oneoff;
mod plan;
mod progress;
mod scene;
mod table;
mod up;
mod wait;
mod watch;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use super::docker::failure::{Failure, Result};
use super::docker::line::{self, Given, Read};
use super::docker::{self, Session, help, words};
pub use table::{GLOBALS, VERBS};

/// What the group of commands is for.
pub const ABOUT: &str = "Applications of several containers, described by a file";
/// The release of Docker's Compose whose flags, files and words these are.
pub const LEVEL: &str = "2.40.3";
/// What a plugin answers when the client asks who it is.
const METADATA: &str = r#"{"SchemaVersion":"0.1.0","Vendor":"Bottleship","Version":"v2.40.3","ShortDescription":"Docker Compose"}"#;
/// Set by the machine's docker when it calls a plugin.
const BY_DOCKER: &str = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND";

/// `docker-compose`, or the plugin of docker: the arguments behind the program's name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let line: Vec<String> = arguments.map(|one| one.to_string_lossy().into_owned()).collect();
    let first = line.first().map_or("", String::as_str);
    if first == "docker-cli-plugin-metadata" {
        docker::say(&format!("{METADATA}\n"));
        return ExitCode::SUCCESS;
    }
    if first == "compose" || std::env::var_os(BY_DOCKER).is_some() {
        return docker::main(line.into_iter().map(OsString::from));
    }
    docker::ended(read(None, &line))
}

/// `docker compose ...`: `globals` are docker's own options, `line` is what stands behind `compose`.
///
/// # Errors
/// What goes wrong.
pub fn dispatch(globals: Given, line: &[String]) -> Result {
    read(Some(globals), line)
}

/// Flags that cannot be understood end with 1 here, and not with docker's 125.
fn misread(failure: Failure) -> Failure {
    failure.code(1)
}

fn read(globals: Option<Given>, line: &[String]) -> Result {
    let own = match line::globals(table::GLOBALS, line).map_err(misread)? {
        Read::Help => return docker::show(&page()),
        Read::Given(own) => own,
    };
    let mut words = own.words.clone();
    if own.on("version") {
        words = vec!["version".to_owned()];
    }
    if words.first().is_some_and(|word| word == "help") {
        words.remove(0);
        words.push("--help".to_owned());
    }
    if words.is_empty() || words == ["--help"] {
        return docker::show(&page());
    }
    words.insert(0, "compose".to_owned());
    let Some((verb, called)) = words::find(&words).filter(|(verb, _)| verb.path.starts_with("compose ")) else {
        docker::say(&page());
        return Err(Failure::new(format!("unknown docker command: \"compose {}\"", words[1])));
    };
    let given = match line::read(verb, &called, &words[2..]).map_err(misread)? {
        Read::Help => return docker::show(&help::page(verb, &called)),
        Read::Given(given) => given,
    };
    // Everywhere `--dry-run` may stand it means the same.
    let own = if given.on("dry-run") { own.with("dry-run", "true") } else { own };
    // Alone it has names as the first Compose gave them; below docker it is told which engine.
    let (globals, own) = match globals {
        Some(globals) => (engine_of(globals, &own), own),
        None => (own.clone(), own.with("compatibility", "true")),
    };
    (verb.run)(&Session::of_compose(globals, own), &given)
}

/// docker's own options, with the engine that stands behind `compose` before those that stand in front of it.
fn engine_of(globals: Given, own: &Given) -> Given {
    ["host", "context"].into_iter().fold(globals, |globals, option| match own.text(option) {
        Some(value) => globals.with_only(option, value),
        None => globals,
    })
}

/// The page of help.
fn page() -> String {
    help::group("compose", ABOUT) + &help::options("Options", table::GLOBALS)
}
