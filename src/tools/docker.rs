//! `docker`: our own command line for Docker's Engine API.
//!
//! It is a client and nothing more: everything that it shows comes from an engine over a socket, ours or any other. A bottle has it under the name `docker` where
//! the machine has no docker; everywhere it is `bottleship docker`. What it says is what the real one says, because people know and search for that; its pages of
//! help are our own.
//!
//! ```text
//!  line ── line::read (tables of verb.rs) ── Given ── a command ── Api ── HTTP on a socket
//!                                                        └── table, template, stream: what is printed
//! ```
//!
//! `name.rs` says for each command what it asks; the tables say what may be typed. Contexts and passwords are docker's own files, so that both clients can be used
//! by turns. `docker compose` is in a module of its own beside this one. What is not here: Swarm's commands (they come with Swarm), `docker trust`,
//! `docker checkpoint`, plugins of the command line.

pub(in crate::tools) mod api;
mod asked;
pub(in crate::tools) mod build;
mod buildx;
pub(in crate::tools) mod completion;
pub(in crate::tools) mod containers;
mod context;
mod contexts;
pub(in crate::tools) mod failure;
pub(in crate::tools) mod help;
pub(in crate::tools) mod images;
mod imagetools;
mod inspect;
pub(in crate::tools) mod line;
mod manifest;
mod networks;
pub(in crate::tools) mod place;
mod quantity;
pub(in crate::tools) mod registry;
pub mod scout;
pub(in crate::tools) mod stream;
mod swarm;
pub(in crate::tools) mod system;
pub(in crate::tools) mod table;
pub(in crate::tools) mod verb;
mod volumes;
pub(in crate::tools) mod words;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::Tool;
use api::Api;
pub use asked::Asked;
use failure::{Failure, Result};
use line::{Given, Read};
use verb::{Flag, Kind, Verb, long, short};

/// `bottleship docker ...`.
pub const DOCKER: Tool = Tool { command, run };

/// Groups of commands, with what they are for.
const GROUPS: &[(&str, &str)] = &[
    ("builder", "What builds have left"),
    ("buildx", "Builds and what is at registries, by the names of BuildKit's client"),
    ("compose", super::compose::ABOUT),
    ("container", "Containers"),
    ("context", "Names for engines"),
    ("image", "Images"),
    ("manifest", "Manifests at registries, and lists of them"),
    ("network", "Networks of containers"),
    ("plugin", "Plugins of the engine"),
    ("scout", "Known faults of images, by the course's advisories"),
    ("service", "Services of a swarm"),
    ("system", "The engine"),
    ("volume", "Volumes"),
];

/// Options before the command.
const GLOBALS: &[Flag] = &[
    long("config", Kind::Text, "The folder of settings, contexts and passwords"),
    short('c', "context", Kind::Text, "The context to use, whatever DOCKER_HOST and `docker context use` say"),
    short('D', "debug", Kind::Switch, "Accepted; changes nothing here"),
    short('H', "host", Kind::List, "The engine: unix://PATH or tcp://HOST:PORT"),
    short('l', "log-level", Kind::Text, "Accepted; changes nothing here"),
    long("tls", Kind::Switch, "Refused: engines with TLS are not spoken to yet"),
    long("tlscacert", Kind::Text, "Accepted; changes nothing here"),
    long("tlscert", Kind::Text, "Accepted; changes nothing here"),
    long("tlskey", Kind::Text, "Accepted; changes nothing here"),
    long("tlsverify", Kind::Switch, "Refused: engines with TLS are not spoken to yet"),
    short('v', "version", Kind::Switch, "Print the version and end"),
];

/// Commands of docker that are not here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("swarm", "Swarm is not in this version of Bottleship yet"),
    ("trust", "signatures of images (Notary) are not checked by Bottleship"),
    ("checkpoint", "Bottleship's runtime freezes containers (`docker pause`) but saves none to disk"),
];

/// Groups that only the manager of a swarm answers: the engine says so itself, by these paths.
const SWARM: &[(&str, &str)] =
    &[("node", "/nodes"), ("service", "/services"), ("stack", "/services"), ("secret", "/secrets"), ("config", "/configs")];

/// All commands.
fn verbs() -> impl Iterator<Item = &'static Verb> {
    let tables: [&[Verb]; 16] = [
        images::VERBS,
        registry::VERBS,
        build::VERBS,
        buildx::VERBS,
        imagetools::VERBS,
        scout::VERBS,
        manifest::VERBS,
        containers::VERBS,
        system::VERBS,
        inspect::VERBS,
        volumes::VERBS,
        networks::VERBS,
        context::VERBS,
        completion::VERBS,
        swarm::VERBS,
        super::compose::VERBS,
    ];
    tables.into_iter().flatten()
}

/// One run of the command line.
#[derive(Default)]
pub struct Session {
    globals: Given,
    api: OnceLock<Api>,
    /// What stands between `compose` and its command.
    compose: Given,
}

impl Session {
    /// The client of the engine that is meant.
    ///
    /// # Errors
    /// The address is none, or there is no such context.
    pub fn api(&self) -> Result<&Api> {
        if let Some(api) = self.api.get() {
            return Ok(api);
        }
        let api = Api::new(place::Place::find(&self.globals)?)?;
        Ok(self.api.get_or_init(|| api))
    }

    /// One of `compose`: `globals` are docker's options, `compose` its own.
    pub(in crate::tools) fn of_compose(globals: Given, compose: Given) -> Self {
        Session { globals, api: OnceLock::new(), compose }
    }

    /// What stands between `compose` and its command.
    pub(in crate::tools) fn compose(&self) -> &Given {
        &self.compose
    }

    /// One more for the same engine, for another thread.
    ///
    /// # Errors
    /// The kernel gives no more descriptors.
    pub(in crate::tools) fn another(&self) -> Result<Self> {
        let api = self.api.get().map(Api::again).transpose()?;
        Ok(Session { globals: self.globals.clone(), api: api.map(OnceLock::from).unwrap_or_default(), compose: self.compose.clone() })
    }
}

/// How healthy the engine of this host says that a container is; `None` where no engine answers.
pub fn health_of(id: &str) -> Option<serde_json::Value> {
    let api = Api::new(place::Place::read(place::USUAL, "default").ok()?).ok()?;
    let document = api.json(api::Ask::get(&format!("/containers/{id}/json"))).ok()?;
    document["State"].get("Health").cloned()
}

fn command() -> Command {
    Command::new("docker").about("Docker's command line, as a client of any Docker engine").disable_help_flag(true).arg(
        Arg::new("line")
            .value_name("COMMAND")
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true)
            .action(ArgAction::Append)
            .value_parser(value_parser!(OsString)),
    )
}

fn run(matches: &ArgMatches) -> ExitCode {
    main(matches.get_many::<OsString>("line").into_iter().flatten().cloned())
}

/// Runs a command line, the program's name left out.
pub fn main(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line: Vec<String> = line.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    ended(dispatch(&line))
}

/// Says how it went wrong, if it did, and gives the exit code.
pub(in crate::tools) fn ended(outcome: Result) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("{}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(line: &[String]) -> Result {
    let globals = match line::globals(GLOBALS, line)? {
        Read::Help => return show(&help::everything()),
        Read::Given(globals) => globals,
    };
    if globals.on("version") {
        say(&format!("Docker version {}, build bottleship\n", env!("CARGO_PKG_VERSION")));
        return Ok(());
    }
    let words = globals.words.clone();
    if words.first().is_some_and(|word| word == "help") {
        return help_on(&words[1..]);
    }
    if words.first().is_some_and(|word| word == "compose") {
        return super::compose::dispatch(globals, &words[1..]);
    }
    if let Some((verb, called)) = words::find(&words) {
        let rest = &words[called.split(' ').count()..];
        return match line::read(verb, &called, rest)? {
            Read::Help => show(&help::page(verb, &called)),
            Read::Given(given) => trusted(verb, &given).and_then(|()| (verb.run)(&Session { globals, ..Session::default() }, &given)),
        };
    }
    if let Some((_, path)) = SWARM.iter().find(|(name, _)| words.first().is_some_and(|word| word == name)) {
        Session { globals, ..Session::default() }.api()?.ask(api::Ask::get(path))?;
        return Err(Failure::new(format!(
            "docker: `docker {}` is not here: Swarm is not in this version of Bottleship yet",
            words.join(" ")
        )));
    }
    words::no_verb(&words)
}

/// Whether `DOCKER_CONTENT_TRUST` asks for signed images only.
pub fn content_trust() -> bool {
    std::env::var("DOCKER_CONTENT_TRUST").is_ok_and(|value| line::truth(&value))
}

/// Content trust: whoever asks for signed images only must not get others. There is no notary here to ask, and a digest needs none.
fn trusted(verb: &Verb, given: &Given) -> Result {
    let wanted = match given.text("disable-content-trust") {
        Some(_) => !given.still_on("disable-content-trust"),
        None => content_trust(),
    };
    if !wanted || !verb.signed || given.word(0).contains('@') {
        return Ok(());
    }
    let why = "error contacting notary server: this client knows none, and checks no signatures (DOCKER_CONTENT_TRUST asks for that)";
    if verb.path.starts_with("image") {
        return Err(Failure::new(format!("Error: {why}")));
    }
    let name = verb.path.trim_start_matches("container ");
    Err(Failure::new(format!("docker: Error: {why}\n\nRun 'docker {name} --help' for more information")).code(125))
}

fn help_on(words: &[String]) -> Result {
    if words.is_empty() {
        return show(&help::everything());
    }
    if let Some((verb, called)) = words::find(words) {
        return show(&help::page(verb, &called));
    }
    match GROUPS.iter().find(|(name, _)| words.first().is_some_and(|word| word == name)) {
        Some((name, about)) => show(&help::group(name, about)),
        None => Err(Failure::new(format!("unknown help topic: {}", words.join(" ")))),
    }
}

pub(in crate::tools) fn show(text: &str) -> Result {
    say(text);
    Ok(())
}

/// Prints; whoever reads may have had enough of it (`| head`).
pub(in crate::tools) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// The same on standard error.
pub(in crate::tools) fn warn(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}

/// Asks a person; anything but yes, and nobody there, is no.
pub(in crate::tools) fn confirmed(question: &str) -> bool {
    say(&format!("{question} [y/N] "));
    let mut answer = String::new();
    // Who cannot answer does not agree.
    let read = std::io::stdin().read_line(&mut answer).unwrap_or(0);
    read > 0 && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}
