//! How facts look at the world: questions and documents, live, remembered, changed, or not at all.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::question::Question;
use crate::bottle::{self, Bottle, Probe, Run};
use crate::kernel::poll;

/// How long a command of a fact may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of its output counts.
const OUTPUT: usize = 64 * 1024;
/// How long an answer about images may be.
const ANSWER: usize = 16 << 20;
/// How a world begins the error of a look that it has no way to answer: the fact does not apply there, and is counted apart.
pub const UNSEEN: &str = "cannot be seen here: ";
/// This program, as a host knows it.
const OWN: &str = "/run/bottleship/bin/bottleship";

/// A question about one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// A look that runs nothing of the author's.
    Probe(Probe),
    /// A question about images or registries, which `bottleship look` answers on the host.
    Ask(Question),
    /// A command; the document is `{"code": 0, "text": "..."}`, or `{"late": true}` when it did not end in time.
    Run(String),
}

impl Look {
    /// A name for it: equal looks have equal names.
    pub fn key(&self, host: &str) -> String {
        match self {
            Look::Probe(probe) => format!("{host} {}", serde_json::to_string(probe).unwrap_or_default()),
            Look::Ask(question) => format!("{host} ? {}", serde_json::to_string(question).unwrap_or_default()),
            Look::Run(command) => format!("{host} $ {command}"),
        }
    }
}

/// Something that can be looked at.
pub trait World {
    /// The document that answers a look.
    ///
    /// # Errors
    /// Why it could not be looked at: that is the verdict `error`.
    fn look(&mut self, host: &str, look: &Look) -> Result<Value, String>;
}

/// The bottle itself.
pub struct Live<'b> {
    pub bottle: &'b Bottle,
}

impl World for Live<'_> {
    fn look(&mut self, host: &str, look: &Look) -> Result<Value, String> {
        let host = self.bottle.host(host).map_err(|error| error.to_string())?;
        match look {
            Look::Probe(Probe::Snapshot) => {
                let looking = host.begin_probe(&Probe::Snapshot).map_err(|error| error.to_string())?;
                self.snapshot(host, &looking)
            }
            Look::Probe(probe) => answered(host.probe(probe)),
            Look::Ask(question) => answered(ask(host, question)),
            Look::Run(command) => run(host, command).map_err(|error| error.to_string()),
        }
    }
}

impl Live<'_> {
    /// The snapshot that `looking` was begun for.
    ///
    /// # Errors
    /// Why there is none.
    pub fn snapshot(&self, host: &bottle::Host, looking: &bottle::Looking) -> Result<Value, String> {
        let mut document = answered(host.end_probe(looking))?;
        if let Value::Object(things) = &mut document {
            // What the host has written is seen from outside only, in its layers.
            let folder = self.bottle.dir().join("hosts").join(host.name());
            things.extend(bottle::probe::written(&folder).map_err(|error| error.to_string())?);
        }
        Ok(document)
    }
}

fn answered(document: Result<Value, bottle::Error>) -> Result<Value, String> {
    let document = document.map_err(|error| error.to_string())?;
    match document.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None => Ok(document),
    }
}

/// Runs a command as a service of the host, its output and errors together.
///
/// # Errors
/// It could not be started, or the host is gone.
pub fn run(host: &bottle::Host, command: &str) -> Result<Value, bottle::Error> {
    run_for(host, command, poll::stretched(PATIENCE))
}

/// As [`run`], with another patience.
///
/// # Errors
/// As [`run`].
pub fn run_for(host: &bottle::Host, command: &str, patience: Duration) -> Result<Value, bottle::Error> {
    let argv = ["bash", "-c", &format!("exec 2>&1 </dev/null\n{command}")];
    Ok(match output_of(host, &argv, patience, OUTPUT)? {
        None => json!({ "late": true }),
        Some((code, output)) => json!({ "code": code, "text": String::from_utf8_lossy(&output) }),
    })
}

/// Has this program answer a question on the host.
fn ask(host: &bottle::Host, question: &Question) -> Result<Value, bottle::Error> {
    let asked = serde_json::to_string(question).unwrap_or_default();
    let output = output_of(host, &[OWN, "look", &asked], poll::stretched(PATIENCE), ANSWER)?;
    let Some((code, output)) = output else { return Ok(json!({ "error": "no answer within 5 s" })) };
    Ok(serde_json::from_slice(&output).unwrap_or_else(|_| json!({ "error": format!("the look ended with {code} and no answer") })))
}

/// The exit code and the output of a service of the host, of which no more than about `most` bytes are kept; `None` if it took too long.
fn output_of(host: &bottle::Host, argv: &[&str], patience: Duration, most: usize) -> Result<Option<(i32, Vec<u8>)>, bottle::Error> {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    let run = Run { argv, cwd: "/root".to_owned(), service: true, ..Run::default() };
    let mut running = host.spawn(&run)?;
    drop(running.stdin.take());
    drop(running.stderr.take());
    let deadline = Instant::now() + patience;
    let mut output = Vec::new();
    if let Some(stdout) = running.stdout.take() {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let there = poll::readable(&[stdout.as_fd()], Some(left)).is_ok_and(|ready| !ready.is_empty());
            if !there {
                running.kill(9)?;
                running.wait()?;
                return Ok(None);
            }
            match poll::read_some(stdout.as_fd()) {
                Ok(Some(bytes)) if output.len() < most => output.extend(bytes),
                Ok(Some(_)) => {}
                _ => break,
            }
        }
    }
    Ok(Some((running.wait()?.shell_code(), output)))
}

/// Looks at most once at everything: the facts of one check see one moment, and quickly.
pub struct Once<'w> {
    world: &'w mut dyn World,
    /// What was seen, by [`Look::key`].
    pub seen: BTreeMap<String, Result<Value, String>>,
}

impl<'w> Once<'w> {
    /// A view of `world` in which each thing is looked at once.
    pub fn new(world: &'w mut dyn World) -> Self {
        Once { world, seen: BTreeMap::new() }
    }
}

impl World for Once<'_> {
    fn look(&mut self, host: &str, look: &Look) -> Result<Value, String> {
        let key = look.key(host);
        if let Some(document) = self.seen.get(&key) {
            return document.clone();
        }
        let document = self.world.look(host, look);
        self.seen.insert(key, document.clone());
        document
    }
}

/// Documents from an earlier look. What was not seen then is an error.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    pub documents: BTreeMap<String, Result<Value, String>>,
}

impl World for Recorded {
    fn look(&mut self, host: &str, look: &Look) -> Result<Value, String> {
        self.documents.get(&look.key(host)).cloned().unwrap_or_else(|| Err("was not looked at".to_owned()))
    }
}

/// A world that is down: every look fails.
pub struct Down;

impl World for Down {
    fn look(&mut self, _host: &str, _look: &Look) -> Result<Value, String> {
        Err("the world is down".to_owned())
    }
}
