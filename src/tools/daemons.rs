//! `systemctl`, `service` and `journalctl` of a host, as far as its one service goes: the engine, which people call docker.
//!
//! A host's PID 1 is ours and not systemd, so the machine's own programs of these names have nobody to talk to. These ask that PID 1, answer in the words that
//! people know, and say of everything else that it is not here.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::fail;
use crate::bottle::daemon::{self, Verb};
use crate::kernel::fs;

/// The service that there is.
const SERVICE: &str = "docker";
/// What systemctl says with: not there, and not running.
const NOT_THERE: u8 = 4;
const NOT_RUNNING: u8 = 3;
/// What systemctl and LSB say with where a unit is not known to a verb that changes something.
const NO_SUCH_UNIT: u8 = 5;

/// A program of this module.
pub type Program = fn(std::env::ArgsOs) -> ExitCode;

/// The program called `name`.
pub fn find(name: &str) -> Option<Program> {
    match name {
        "systemctl" => Some(|arguments| systemctl(&words(arguments))),
        "service" => Some(|arguments| service(&words(arguments))),
        "journalctl" => Some(|arguments| journalctl(&words(arguments))),
        _ => None,
    }
}

fn words(arguments: std::env::ArgsOs) -> Vec<String> {
    arguments.map(|word: OsString| word.to_string_lossy().into_owned()).collect()
}

/// Whether a unit's name means the engine, and whether it is its socket.
fn unit(name: &str) -> Option<bool> {
    match name {
        "docker" | "docker.service" => Some(false),
        "docker.socket" => Some(true),
        _ => None,
    }
}

fn systemctl(words: &[String]) -> ExitCode {
    let mut plain = words.iter().filter(|word| !word.starts_with('-')).map(String::as_str);
    let Some(verb) = plain.next() else { return list() };
    let units: Vec<&str> = plain.collect();
    match verb {
        // Files of units are not read here, so there are none to read anew.
        "daemon-reload" | "daemon-reexec" | "reset-failed" => return ExitCode::SUCCESS,
        "list-units" | "list-sockets" => return list(),
        _ if units.is_empty() => {
            eprintln!("Too few arguments.");
            return ExitCode::FAILURE;
        }
        _ => {}
    }
    let codes = units.iter().map(|name| one(verb, name));
    let worst = codes.max().unwrap_or(0);
    ExitCode::from(worst)
}

/// One verb on one unit; gives the exit code.
fn one(verb: &str, name: &str) -> u8 {
    let Some(socket) = unit(name) else { return unknown(verb, name) };
    let answered = match verb {
        "start" => daemon::ask(SERVICE, if socket { Verb::Status } else { Verb::Start }),
        "stop" | "kill" => daemon::ask(SERVICE, Verb::Stop),
        "restart" | "reload-or-restart" | "try-restart" | "force-reload" => daemon::ask(SERVICE, Verb::Restart),
        "reload" => daemon::ask(SERVICE, Verb::Reload),
        "status" | "is-active" | "is-failed" | "show" => daemon::ask(SERVICE, Verb::Status),
        // It is started by the first connection, in every bottle.
        "enable" | "unmask" => return 0,
        "is-enabled" => return say("enabled", 0),
        "disable" | "mask" => {
            eprintln!(
                "This host's engine is started by its socket and cannot be disabled; `systemctl stop docker` ends it until somebody connects."
            );
            return 1;
        }
        _ => {
            eprintln!(
                "Unknown command verb '{verb}' (this is a bottle's systemctl: start, stop, restart, reload, status, is-active, is-enabled)."
            );
            return 1;
        }
    };
    match answered {
        Ok(state) => told(verb, socket, &state),
        Err(error) => {
            eprintln!("error: {error}\nhint: this systemctl works on the hosts of a bottle");
            1
        }
    }
}

fn say(line: &str, code: u8) -> u8 {
    println!("{line}");
    code
}

/// What there is to say when the verb was carried out, and the exit code.
fn told(verb: &str, socket: bool, state: &Value) -> u8 {
    let active = if socket && state["state"] != "failed" { "active" } else { active(state) };
    match verb {
        "is-active" => say(active, if active == "active" { 0 } else { NOT_RUNNING }),
        "is-failed" => say(active, u8::from(active != "failed")),
        "status" => status(state, socket),
        "show" => say(&format!("ActiveState={active}\nMainPID={}", state["pid"].as_i64().unwrap_or(0)), 0),
        "stop" | "kill" => {
            if !socket {
                eprintln!("Stopping 'docker.service', but its triggering units are still active:\ndocker.socket");
            }
            0
        }
        _ if state["state"] == "failed" => {
            eprintln!(
                "Job for docker.service failed because the control process exited with error code.\n\
                 See \"systemctl status docker.service\" and \"journalctl -xeu docker.service\" for details."
            );
            1
        }
        "reload" if state["state"] != "running" => {
            eprintln!("docker.service is not active, cannot reload.");
            1
        }
        _ => 0,
    }
}

fn active(state: &Value) -> &'static str {
    match state["state"].as_str() {
        Some("running") => "active",
        Some("failed") => "failed",
        _ => "inactive",
    }
}

fn unknown(verb: &str, name: &str) -> u8 {
    let full = if name.contains('.') { name.to_owned() } else { format!("{name}.service") };
    match verb {
        "is-active" => say("inactive", NOT_THERE),
        "status" | "show" => {
            eprintln!("Unit {full} could not be found.");
            NOT_THERE
        }
        "is-enabled" => {
            eprintln!("Failed to get unit file state for {full}: No such file or directory");
            1
        }
        _ => {
            eprintln!("Failed to {verb} {full}: Unit {full} not found. (A host of a bottle has one unit: docker.)");
            NO_SUCH_UNIT
        }
    }
}

/// `systemctl status docker`: how it is, and the last of what it said.
fn status(state: &Value, socket: bool) -> u8 {
    let active = active(state);
    if socket {
        println!(
            "* docker.socket - Docker Socket for the API\n     Active: {} (/run/docker.sock)",
            if active == "failed" { "failed" } else { "active" }
        );
        return if active == "failed" { NOT_RUNNING } else { 0 };
    }
    let more = match active {
        "active" => "active (running)",
        "failed" => "failed (Result: exit-code)",
        _ => "inactive (dead)",
    };
    println!(
        "* docker.service - Docker Application Container Engine\n     Loaded: loaded (bottleship engine -H fd://; enabled)\n     Active: {more}"
    );
    println!("TriggeredBy: * docker.socket");
    if let Some(pid) = state["pid"].as_i64() {
        println!("   Main PID: {pid} (bottleship)");
    }
    let log = said(state);
    let lines: Vec<&str> = log.lines().collect();
    if !lines.is_empty() {
        println!();
        lines[lines.len().saturating_sub(10)..].iter().for_each(|line| println!("{line}"));
    }
    if active == "active" { 0 } else { NOT_RUNNING }
}

/// All that the daemon has said. One that has said nothing has no file.
fn said(state: &Value) -> String {
    state["log"].as_str().map(|log| fs::read(Path::new(log)).unwrap_or_default()).unwrap_or_default()
}

fn list() -> ExitCode {
    match daemon::ask(SERVICE, Verb::Status) {
        Ok(state) => {
            println!("UNIT            ACTIVE    DESCRIPTION");
            println!("docker.service  {:<8}  Docker Application Container Engine", active(&state));
            println!("docker.socket   {:<8}  Docker Socket for the API", if active(&state) == "failed" { "failed" } else { "active" });
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, Some("this systemctl works on the hosts of a bottle")),
    }
}

/// `service NAME VERB`.
fn service(words: &[String]) -> ExitCode {
    match words {
        [all] if all == "--status-all" => match daemon::ask(SERVICE, Verb::Status) {
            Ok(state) => {
                println!(" [ {} ]  docker", if active(&state) == "active" { "+" } else { "-" });
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error, Some("this `service` works on the hosts of a bottle")),
        },
        [name, verb, ..] if unit(name) == Some(false) => ExitCode::from(one(verb, name)),
        [name, _, ..] => {
            eprintln!("{name}: unrecognized service");
            ExitCode::FAILURE
        }
        _ => {
            eprintln!("Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]");
            ExitCode::FAILURE
        }
    }
}

/// `journalctl -u docker [-n LINES]`: what the engine said.
fn journalctl(words: &[String]) -> ExitCode {
    let asked = match Journal::read(words) {
        Ok(asked) => asked,
        Err(wrong) => {
            eprintln!("journalctl: {wrong} (this is a bottle's journalctl: -u docker, -n LINES)");
            return ExitCode::FAILURE;
        }
    };
    if asked.units.iter().any(|name| unit(name).is_none()) {
        println!("-- No entries --");
        return ExitCode::SUCCESS;
    }
    match daemon::ask(SERVICE, Verb::Status) {
        Ok(state) => {
            let log = said(&state);
            let lines: Vec<&str> = log.lines().collect();
            if lines.is_empty() {
                println!("-- No entries --");
            }
            lines[lines.len().saturating_sub(asked.lines)..].iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, Some("this journalctl works on the hosts of a bottle")),
    }
}

/// What is asked of the journal.
#[derive(Debug, PartialEq, Eq)]
struct Journal {
    units: Vec<String>,
    lines: usize,
}

impl Journal {
    fn read(words: &[String]) -> Result<Self, String> {
        let mut asked = Journal { units: Vec::new(), lines: usize::MAX };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
                _ => (word, None),
            };
            // `-xeu docker`: letters may stand together, and the last may take the next word.
            let letters = flag.strip_prefix('-').filter(|letters| !letters.starts_with('-')).unwrap_or_default();
            let takes = |letter: char, name: &str| flag == name || letters.ends_with(letter);
            if takes('u', "--unit") {
                asked.units.push(value.or_else(|| words.next()).ok_or("option requires an argument -- 'u'")?.to_owned());
            } else if takes('n', "--lines") {
                let text = value.or_else(|| words.next()).ok_or("option requires an argument -- 'n'")?;
                asked.lines = text.parse().map_err(|_| format!("failed to parse lines '{text}'"))?;
            } else if !(flag == "--no-pager" || (!letters.is_empty() && letters.chars().all(|letter| "xeqa".contains(letter)))) {
                return Err(format!("unrecognized option '{word}'"));
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_asked_as_people_ask_it() {
        let read = |line: &str| Journal::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let docker = |name: &str, lines| Journal { units: vec![name.to_owned()], lines };
        assert_eq!(read("-xeu docker.service").unwrap(), docker("docker.service", usize::MAX));
        assert_eq!(read("--unit=docker -n 5 --no-pager").unwrap(), docker("docker", 5));
        for wrong in ["-u", "-n x", "-f", "--since=today"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_engine_is_a_unit() {
        assert_eq!((unit("docker"), unit("docker.socket"), unit("nginx")), (Some(false), Some(true), None));
        assert!(find("systemctl").is_some() && find("service").is_some() && find("ls").is_none());
    }
}
