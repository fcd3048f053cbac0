//! `docker-buildx`: the plugin by which the machine's own `docker` reaches our builder.
//!
//! A Docker client builds through a plugin named buildx, which speaks BuildKit's own protocol with the engine; without one it falls back to the builder
//! of before 2023. On a host of the bottle this program is the plugin, so `docker build` has today's flags and today's output, and
//! `DOCKER_BUILDKIT=0 docker build` the old ones through the engine.
//!
//! ```text
//!  docker build -t app .  ──  docker-buildx buildx build -t app .  ──  `bottleship build` on the engine's store
//! ```

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::build::{BUILD, ON_A_HOST};
use super::{docker, images};

/// What a plugin answers when the client asks who it is.
const METADATA: &str =
    r#"{"SchemaVersion":"0.1.0","Vendor":"Bottleship","Version":"v0.1.0","ShortDescription":"Docker Buildx (Bottleship's builder)"}"#;
/// The engine that this host's store belongs to.
const ENGINE: [&str; 2] = ["unix:///var/run/docker.sock", "unix:///run/docker.sock"];

/// The plugin's `main`: the arguments after the program's name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut line: Vec<String> = arguments.map(|one| one.to_string_lossy().into_owned()).collect();
    if line.first().is_some_and(|word| word == "docker-cli-plugin-metadata") {
        println!("{METADATA}");
        return ExitCode::SUCCESS;
    }
    if line.first().is_some_and(|word| word == "buildx") {
        line.remove(0);
    }
    let verb = if line.is_empty() { String::new() } else { line.remove(0) };
    match verb.as_str() {
        "build" | "b" => build(line),
        "prune" => prune(&line),
        "version" => {
            println!("Bottleship's builder {}, as a plugin of docker", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        // These ask the engine or a registry: they are our client's.
        "imagetools" | "ls" => docker::main(["buildx".to_owned(), verb].into_iter().chain(line).map(OsString::from)),
        "" | "help" | "--help" | "-h" => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        other => {
            eprintln!("ERROR: unknown command: docker buildx {other}\nhint: this builder has build, imagetools, ls, prune and version");
            ExitCode::FAILURE
        }
    }
}

const HELP: &str = "Usage:  docker buildx COMMAND

Commands:
  build       Start a build
  imagetools  Look at images in registries, and join them
  ls          List builders
  prune       Remove build cache
  version     Show buildx version information
";
const SEE: &str = "Usage:  docker buildx build [OPTIONS] PATH | URL | -\n\nRun 'docker buildx build --help' for more information";

/// The flags of `docker build` that have nothing to do here: the result is in the engine's store in any case, and no container is left over.
fn command() -> Command {
    let switches = ["load", "rm", "force-rm", "compress"].map(|name| Arg::new(name).long(name).action(ArgAction::SetTrue).hide(true));
    let values = ["builder", "provenance", "sbom"].map(|name| Arg::new(name).long(name).action(ArgAction::Set).hide(true));
    (BUILD.command)().name("docker buildx build").about("Start a build").no_binary_name(true).args(switches).args(values)
}

fn build(line: Vec<String>) -> ExitCode {
    if let Some(other) = elsewhere() {
        eprintln!("ERROR: the engine is {other}, but this builder works for the engine of its own host");
        eprintln!("hint: `DOCKER_BUILDKIT=0 docker build` sends the context there");
        return ExitCode::FAILURE;
    }
    match command().try_get_matches_from(line) {
        Ok(arguments) => (BUILD.run)(&arguments),
        Err(error) => complain(&error),
    }
}

/// Where the client was told to find another engine.
fn elsewhere() -> Option<String> {
    std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty() && !ENGINE.contains(&host.as_str()))
}

/// In the words of docker's own plugin, with its exit codes.
fn complain(error: &clap::Error) -> ExitCode {
    let given = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.split(['=', ' ']).next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print!("{error}");
            ExitCode::SUCCESS
        }
        ErrorKind::UnknownArgument => {
            eprintln!("{}\n\n{SEE}", unknown(&given(ContextKind::InvalidArg)));
            ExitCode::from(125)
        }
        ErrorKind::MissingRequiredArgument => {
            eprintln!("ERROR: docker: 'docker buildx build' requires 1 argument\n\n{SEE}");
            ExitCode::FAILURE
        }
        _ => {
            eprint!("{error}");
            ExitCode::from(125)
        }
    }
}

/// A flag that is none, or a second folder.
fn unknown(word: &str) -> String {
    match word.strip_prefix('-') {
        Some(long) if long.starts_with('-') => format!("unknown flag: {word}"),
        Some(short) => format!("unknown shorthand flag: '{}' in {word}", short.chars().next().unwrap_or('-')),
        None => "ERROR: docker: 'docker buildx build' requires 1 argument".to_owned(),
    }
}

/// `docker builder prune`: the cache alone; images stay.
fn prune(line: &[String]) -> ExitCode {
    let known = |word: &&String| !["-f", "--force", "-a", "--all", "-af", "-fa"].contains(&word.as_str());
    if let Some(word) = line.iter().find(known) {
        eprintln!("{}\n\nUsage:  docker buildx prune\n\nRun 'docker buildx prune --help' for more information", unknown(word));
        return ExitCode::from(125);
    }
    let forced = line.iter().any(|word| word.contains('f'));
    if !forced && !agreed() {
        return ExitCode::SUCCESS;
    }
    images::forget_builds(std::path::Path::new(ON_A_HOST))
}

fn agreed() -> bool {
    eprint!("WARNING! This will remove all dangling build cache. Are you sure you want to continue? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("y")
}
