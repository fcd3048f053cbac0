//! `nginx`: a web server as the course sees it, in the place of the real one.
//!
//! A master that stays root reads the configuration, holds the ports and starts workers; each worker becomes another user and serves. The everyday part
//! of nginx's configuration is understood; what is not is an error with file and line. Signals mean what they mean to nginx: TERM and INT end
//! at once, QUIT lets requests end first, HUP reads the configuration anew, USR1 opens the logs anew.
//!
//! ```text
//!  nginx ──exec──▶ master (root, ports) ──spawn──▶ worker (user nginx): poll(signals, ports) ──▶ a thread per connection
//! ```

use std::io::Write;
use std::path::PathBuf;

use super::failure::Failure;
use super::options::{self, Known};
use crate::kernel::process;

mod answer;
mod config;
mod master;
mod model;
mod worker;

use model::Model;

/// The version of nginx whose surface this is, where no image says another.
const VERSION: &str = "1.29.3";

const KNOWN: &[Known] = &[
    ('c', "configuration", true),
    ('e', "error-log", true),
    ('g', "directives", true),
    ('p', "prefix", true),
    ('q', "quiet", false),
    ('s', "signal", true),
    ('t', "test", false),
    ('T', "dump", false),
    ('v', "version", false),
    ('V', "build", false),
    ('h', "help", false),
    ('?', "usage", false),
];

/// What the master and its workers need of the command line.
#[derive(Debug, Clone)]
struct Invocation {
    file: PathBuf,
    directives: String,
    /// The whole line, for the master's title.
    line: String,
}

impl Invocation {
    /// Reads the configuration.
    fn model(&self) -> Result<Model, String> {
        let more = config::parse(&self.directives, std::path::Path::new("command line"), 0)?;
        model::model(&config::read(&self.file)?, &more)
    }
}

/// Runs `nginx`.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    // A master and a worker show a title; their arguments come beside it.
    let handed: Option<Vec<String>> = std::env::var(master::ARGUMENTS).ok().and_then(|text| serde_json::from_str(&text).ok());
    let args = handed.as_deref().unwrap_or(args);
    let given = options::parse(args, KNOWN, false)?;
    let file = PathBuf::from(given.value("configuration").unwrap_or("/etc/nginx/nginx.conf"));
    let directives = given.value("directives").unwrap_or_default().trim();
    let directives = if directives.is_empty() || directives.ends_with(';') { directives.to_owned() } else { format!("{directives};") };
    let line = args.iter().fold("nginx".to_owned(), |line, word| format!("{line} {word}"));
    let invocation = Invocation { file, directives, line };
    match std::env::var(master::ROLE).as_deref() {
        Ok("worker") => return worker::run(&invocation),
        Ok("master") => return master::run(&invocation),
        _ => {}
    }
    if given.has("version") || given.has("build") {
        eprintln!("nginx version: nginx/{} (a stand-in by Bottleship {})", answer::version(), env!("CARGO_PKG_VERSION"));
        return Ok(0);
    }
    if given.has("help") || given.has("usage") {
        writeln!(
            out,
            "Usage: nginx [-?hvVtTq] [-s signal] [-c filename] [-g directives]\n\nSignals: stop, quit, reload, reopen. This is Bottleship's stand-in for nginx."
        )?;
        return Ok(0);
    }
    let model = invocation.model().map_err(|mistake| failed(&invocation, &mistake, given.has("test") || given.has("dump")))?;
    if given.has("test") || given.has("dump") {
        return tested(&invocation, given.has("dump"), given.has("quiet"), out);
    }
    match given.value("signal") {
        Some(word) => signal(&model, word),
        None => master::begin(&invocation, &model, args),
    }
}

/// A line of the error log: time, level, process.
fn log_line(level: &str, text: &str) -> String {
    let pid = std::process::id();
    format!("{} [{level}] {pid}#{pid}: {text}\n", jiff::Zoned::now().strftime("%Y/%m/%d %H:%M:%S"))
}

fn failed(invocation: &Invocation, mistake: &str, test: bool) -> Failure {
    let verdict = if test { format!("\nnginx: configuration file {} test failed", invocation.file.display()) } else { String::new() };
    Failure::new(1, format_args!("[emerg] {mistake}{verdict}"))
}

fn tested(invocation: &Invocation, dump: bool, quiet: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    let file = invocation.file.display();
    if !quiet {
        eprintln!("nginx: the configuration file {file} syntax is ok\nnginx: configuration file {file} test is successful");
    }
    if dump {
        writeln!(out, "# configuration file {file}:\n{}", std::fs::read_to_string(&invocation.file)?)?;
    }
    Ok(0)
}

/// `-s`: sends the running master a signal.
fn signal(model: &Model, word: &str) -> Result<u8, Failure> {
    let signal = match word {
        "stop" => process::Signal::SIGTERM,
        "quit" => process::Signal::SIGQUIT,
        "reload" => process::Signal::SIGHUP,
        "reopen" => process::Signal::SIGUSR1,
        _ => return Err(Failure::new(1, format_args!("invalid option: \"-s {word}\""))),
    };
    let path = model.pid.display();
    let text = std::fs::read_to_string(&model.pid)
        .map_err(|error| Failure::new(1, format_args!("[error] open() \"{path}\" failed ({})", super::failure::reason(&error))))?;
    let pid: i32 =
        text.trim().parse().map_err(|_| Failure::new(1, format_args!("[error] invalid PID number \"{}\" in \"{path}\"", text.trim())))?;
    let handle = process::open(pid)?;
    process::signal(std::os::fd::AsFd::as_fd(&handle), signal as i32)?;
    Ok(0)
}
