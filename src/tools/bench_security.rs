//! `bottleship bench-security`: how well an engine, its settings and its running containers are kept apart from the machine.
//!
//! In the manner of Docker Bench for Security, which walks through the CIS benchmark for Docker; the checks, their numbers and their words here are our own.
//!
//! ```text
//!  engine's API ── info, containers, images ─┐
//!  daemon.json ──────────────────────────────┼── World ── a table of checks ── Verdicts ── text or JSON
//!  modes of files on this machine ───────────┘
//! ```
//!
//! A check is a pure function of the [`World`], so each is tested with documents. What it does not see: options that dockerd was given as flags and does not
//! tell, the kernel's configuration, what is inside of images beyond their configuration (`bottleship images scan`).

mod checks;
mod containers;
mod engine;
mod files;
mod images;
mod report;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

use super::docker::{Asked, content_trust};
use super::{Tool, fail};
use checks::{Check, Mark};
use report::Line;
use world::World;

/// The sub-command.
pub const BENCH: Tool = Tool { command, run };

/// Where the engine's settings are.
const SETTINGS: &str = "/etc/docker/daemon.json";
/// The exit code where something should be mended.
const WARNED: u8 = 1;
/// The exit code where the engine or its settings could not be looked at.
const UNSEEN: u8 = 2;

fn command() -> Command {
    Command::new("bench-security")
        .about("Check how safely an engine and its containers are set up")
        .after_help(
            "Looks at the engine's own account of itself, its daemon.json, the files of this machine that belong to it, and the containers that run. \
             PASS: as it should be. WARN: to be mended. NOTE: a person has to decide. INFO: told, not judged. \
             Exit code: 0, or 1 with a WARN, or 2 when the engine cannot be asked.",
        )
        .arg(Arg::new("host").long("host").short('H').value_name("ADDRESS").help("The engine: unix://PATH or tcp://HOST:PORT [default: as docker]"))
        .arg(Arg::new("config-file").long("config-file").value_name("FILE").default_value(SETTINGS).help("The engine's settings"))
        .arg(
            Arg::new("check")
                .long("check")
                .value_name("LIST")
                .value_delimiter(',')
                .help("Only these, by number: 5 for a whole part, 5.4 for one check"),
        )
        .arg(Arg::new("format").long("format").value_parser(["text", "json"]).default_value("text").help("How to report"))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let wanted: Vec<&str> = arguments.get_many::<String>("check").into_iter().flatten().map(String::as_str).collect();
    if let Some(none) = wanted.iter().find(|wanted| !checks::all().any(|check| check.is(wanted))) {
        fail(&format!("there is no check `{none}`"), Some("without --check all are shown, with their numbers"));
        return ExitCode::from(UNSEEN);
    }
    let world = match look(arguments) {
        Ok(world) => world,
        Err((error, hint)) => {
            fail(&error, hint);
            return ExitCode::from(UNSEEN);
        }
    };
    let asked = |check: &&Check| wanted.is_empty() || wanted.iter().any(|wanted| check.is(wanted));
    let lines: Vec<Line> = checks::all().filter(asked).map(|check| Line { check, verdict: (check.judge)(&world) }).collect();
    match arguments.get_one::<String>("format").map(String::as_str) {
        Some("json") => println!("{:#}", report::json(&world, &lines)),
        _ => print!("{}", report::text(&world, &lines)),
    }
    let warned = lines.iter().any(|line| line.verdict.mark == Mark::Warn);
    if warned { ExitCode::from(WARNED) } else { ExitCode::SUCCESS }
}

/// Everything that the checks look at. Else what went wrong, and what to do.
fn look(arguments: &ArgMatches) -> Result<World, (String, Option<&'static str>)> {
    let asked = Asked::find(arguments.get_one::<String>("host").map(String::as_str)).map_err(|error| (error, None))?;
    let file = PathBuf::from(arguments.get_one::<String>("config-file").map_or(SETTINGS, String::as_str));
    let daemon = world::settings(&file)
        .map_err(|error| (error, Some("`bottleship engine --validate --config-file FILE` says where it is wrong")))?;
    let ask = |path: &str| asked.get(path).map_err(|error| (error, Some("is the engine running, and may you talk to it?")));
    let info = ask("/info")?;
    let mut containers = Vec::new();
    for listed in ask("/containers/json")?.as_array().into_iter().flatten() {
        // One that has ended meanwhile runs no more, and is not looked at.
        containers.extend(asked.get(&format!("/containers/{}/json", listed["Id"].as_str().unwrap_or_default())).ok());
    }
    let mut images = Vec::new();
    for id in world::image_ids(&containers) {
        images.extend(asked.get(&format!("/images/{id}/json")).ok());
    }
    let files = files::Files::look(asked.socket(), &file, Path::new(info["DockerRootDir"].as_str().unwrap_or_default()), &daemon);
    Ok(World { info, daemon, containers, images, files, content_trust: content_trust() })
}
