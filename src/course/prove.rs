//! The prover: labs and lessons are tested as programs are.
//!
//! A lab that passes untouched, or refuses a right answer, is a defect. Fifteen obligations, P1 to P15 (the table [`PROOFS`]), are tried in real
//! bottles on several seeds; each gives one line. What the transcripts hold is typed by a [`Typist`] (the real prompt on a real terminal, see
//! `tools::prove`); what must look into the world, or change what is seen of it, runs on a [`super::Session`] in this process.

mod down;
pub mod lab;
pub mod lesson;
mod mutants;
mod offline;
pub mod output;
pub mod planted;
mod solved;
mod still;
mod transcripts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::console::Console;
use super::error::Error;
use super::library::Course;
use super::session::{Options, Session};
use super::view::Verdict;
use crate::bottle::{Abilities, Spec};
use crate::journal::Event;
use crate::kernel;

/// The proofs: name, and what it says.
pub const PROOFS: [(&str, &str); 15] = [
    ("P1", "the untouched world passes no step, for the declared reason"),
    ("P2", "every solution passes, twice"),
    ("P3", "solving a step does not solve the next"),
    ("P4", "every wrong answer gives its own fact or mistake and no other"),
    ("P5", "the answers of one seed fail on another"),
    ("P6", "with the world down every verdict is `error`"),
    ("P7", "twenty checks change nothing"),
    ("P8", "one-field mutants of the solved world are killed"),
    ("P9", "reset and goto give the world that walking there gives"),
    ("P10", "a flapping world does not pass"),
    ("P11", "hints hold no token of the solution"),
    ("P12", "every run and output block replays"),
    ("P13", "all of it without a network outside"),
    ("P14", "set-up under 2 s, a check under 200 ms"),
    ("P15", "the prover catches what is planted: a vacuous lab, an impure check, a leaking hint, and more"),
];

/// How one proof came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result", content = "why")]
pub enum Outcome {
    Proved(String),
    Failed(String),
    /// It needs what this machine lacks, or there is nothing to prove.
    NotHere(String),
    /// Exempt, with the author's reason.
    Exempt(String),
    /// It failed so, and did not when the unit was proved once more.
    Flaky(String),
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub unit: String,
    pub proof: &'static str,
    /// What exactly: a step, a transcript, a seed.
    pub subject: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Row {
    /// Whether the obligation was not met.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}

/// What one check in a transcript gave, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRecord {
    pub step: String,
    pub verdict: Verdict,
    pub mistake: Option<String>,
    /// Fact id, verdict, value observed.
    pub facts: Vec<(String, Verdict, String)>,
    pub took: Duration,
}

/// Reads the checks out of a journal.
pub fn checks(events: &[Event]) -> Vec<CheckRecord> {
    events.iter().filter(|event| event.kind == "check").filter_map(check).collect()
}

fn check(event: &Event) -> Option<CheckRecord> {
    let verdict = |value: &Value| serde_json::from_value::<Verdict>(value.clone()).ok();
    let facts = event.data["facts"].as_array()?.iter().filter(|fact| fact["not_here"].is_null());
    Some(CheckRecord {
        step: event.subject.split_once('#')?.1.to_owned(),
        verdict: verdict(&event.data["verdict"])?,
        mistake: event.data["mistake"].as_str().map(str::to_owned),
        facts: facts
            .filter_map(|fact| Some((fact["id"].as_str()?.to_owned(), verdict(&fact["verdict"])?, fact["got"].as_str()?.to_owned())))
            .collect(),
        took: Duration::from_micros(event.data["took_us"].as_u64()?),
    })
}

/// Types a transcript into a fresh world of a unit, and gives the checks in it.
pub trait Typist {
    /// # Errors
    /// The world did not start, or the transcript could not be typed to its end.
    fn type_all(&mut self, unit: &str, seed: &str, console: &Console) -> Result<Vec<CheckRecord>, String>;
}

/// What the prover works with.
pub struct Prover<'p> {
    pub course: Course,
    /// Where the course was read from, for sessions and prompts that read it again.
    pub folder: Option<PathBuf>,
    pub seeds: Vec<String>,
    pub bottle: Spec,
    /// Of a lab only these proofs; all if there are none here.
    pub only: Vec<String>,
    /// A folder of its own for progress and bottles; emptied by whoever made it.
    pub state: PathBuf,
    pub typist: &'p mut dyn Typist,
    /// Called with each row as it comes.
    pub tell: &'p mut dyn FnMut(&Row),
    counter: u32,
    /// What the bottles of this machine can do, once one has run.
    abilities: Abilities,
}

impl<'p> Prover<'p> {
    /// A prover of `course` on these seeds, whose bottles are like `bottle` and lie below `state`.
    pub fn new(
        course: Course,
        folder: Option<PathBuf>,
        seeds: Vec<String>,
        bottle: Spec,
        state: PathBuf,
        typist: &'p mut dyn Typist,
        tell: &'p mut dyn FnMut(&Row),
    ) -> Self {
        Prover { course, folder, seeds, bottle, only: Vec::new(), state, typist, tell, counter: 0, abilities: Abilities::default() }
    }

    /// Proves one unit; gives its rows.
    ///
    /// # Errors
    /// There is no such unit.
    pub fn unit(&mut self, id: &str) -> Result<Vec<Row>, Error> {
        let entry = self.course.entry(id)?.clone();
        let mut rows = Vec::new();
        offline::prove(self, &entry.example, &mut rows);
        rows.extend(if entry.example.lab { lab::prove(self, &entry) } else { lesson::prove(self, &entry) });
        Ok(rows)
    }

    /// Whether one of `proofs` was asked for.
    fn wants(&self, proofs: &[&str]) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| proofs.contains(&only.as_str()))
    }

    fn row(&mut self, rows: &mut Vec<Row>, unit: &str, proof: &'static str, subject: impl Into<String>, outcome: Outcome) {
        let row = Row { unit: unit.to_owned(), proof, subject: subject.into(), outcome };
        (self.tell)(&row);
        rows.push(row);
    }

    /// A session at a unit in a fresh world, with progress of its own.
    fn session(&mut self, unit: &str, seed: &str) -> Result<Session, Error> {
        self.counter += 1;
        let state = self.state.join(format!("session-{}", self.counter));
        // The same unit may have had it before, in a try that failed: `:goto` would type again what was typed then.
        forget(&state)?;
        let session = Session::start(Options {
            state,
            course: self.folder.clone(),
            unit: Some(unit.to_owned()),
            learner: Some("prover".to_owned()),
            seed: Some(seed.to_owned()),
            bottle: Spec { name: format!("prove-{}-{}", std::process::id(), self.counter), ..self.bottle.clone() },
            ..Options::default()
        })?;
        // The prover judges before it types.
        session.bottle().await_hosts()?;
        self.abilities = session.bottle().abilities().clone();
        Ok(session)
    }

    /// Why a transcript does not apply on this machine.
    fn not_here(&self, console: &Console) -> Option<String> {
        self.abilities.missing(&console.needs).first().map(|(_, reason)| reason.clone())
    }
}

/// Removes a folder of progress, if it is there.
///
/// # Errors
/// It cannot be removed.
pub fn forget(folder: &Path) -> kernel::Result<()> {
    if folder.exists() { kernel::fs::remove_dir_all(folder) } else { Ok(()) }
}

/// How many programs want each cpu: limits of time are those of a machine that has nothing else to do.
pub fn load() -> f64 {
    let text = crate::kernel::fs::read(std::path::Path::new("/proc/loadavg")).unwrap_or_default();
    let wanting: f64 = text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(1.0);
    wanting / std::thread::available_parallelism().map_or(1, usize::from) as f64
}

/// The reason for which a step is exempt from a proof.
fn exempt(step: &super::unit::Step, proof: &str) -> Option<String> {
    step.exempt.iter().find(|(name, _)| name == proof).map(|(_, reason)| reason.clone())
}

/// Types a transcript on a session in this process.
fn type_on(session: &mut Session, console: &Console) -> Result<Vec<super::view::CheckView>, Error> {
    let mut views = Vec::new();
    for line in &console.lines {
        views.extend(session.type_line(&line.text)?);
    }
    Ok(views)
}
