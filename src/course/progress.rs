//! What a learner has done: a readable file in the state root that survives crashes, updates and renames.
//!
//! Two files per learner: `progress/NAME.json`, replaced atomically, holds where things stand; `progress/NAME.history.jsonl`, only appended
//! to, holds every line ever typed, so that nothing a person wrote is ever lost. Units are found by id, and after a rename by the digest of their
//! content.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::library::Course;
use super::view::StepState;
use crate::kernel;

/// Where a learner stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The unit and the step that were open last.
    #[serde(default)]
    pub unit: String,
    #[serde(default)]
    pub step: String,
    /// By unit id.
    #[serde(default)]
    pub units: BTreeMap<String, UnitStanding>,
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Where a learner stands in one unit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UnitStanding {
    /// The digest of the unit's content when it was opened last.
    pub digest: String,
    /// How often it was started anew; parameters depend on it.
    #[serde(default)]
    pub attempt: u32,
    /// By step id.
    #[serde(default)]
    pub steps: BTreeMap<String, StepStanding>,
}

/// Where a learner stands in one step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StepStanding {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StepState>,
    #[serde(default)]
    pub points: u32,
    #[serde(default)]
    pub hints: usize,
    #[serde(default)]
    pub checks: u32,
    /// What was answered, by question.
    #[serde(default)]
    pub questions: BTreeMap<String, Given>,
    /// What `:answer` gave last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// An answer to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub choices: Vec<usize>,
    pub right: Option<bool>,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    pub unit: String,
    pub attempt: u32,
    pub step: String,
    pub host: String,
    pub line: String,
    /// Set on a line that is no input but says that the step (and what follows it) began anew: `:reset`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
    /// Set on a course command that grading needs: `:check`, `:answer`. A shell line may begin with a colon too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verb: bool,
}

/// A learner's progress on disk.
#[derive(Debug)]
pub struct Progress {
    path: PathBuf,
    /// What is in that file.
    saved: RefCell<Vec<u8>>,
    history: PathBuf,
    pub learner: String,
    pub standing: Standing,
    pub typed: Vec<Typed>,
}

impl Progress {
    /// Opens the progress of `learner` below the state root; a missing or unreadable file is an empty one, and the unreadable one is kept beside it.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(state: &Path, learner: &str) -> Result<Progress, Error> {
        let folder = state.join("progress");
        kernel::fs::create_dir_all(&folder, 0o700)?;
        let name: String =
            learner.chars().map(|letter| if letter.is_alphanumeric() || "-_.@".contains(letter) { letter } else { '_' }).collect();
        let name = if name.trim_matches('.').is_empty() { "learner".to_owned() } else { name };
        let path = folder.join(format!("{name}.json"));
        let history = folder.join(format!("{name}.history.jsonl"));
        let saved = std::fs::read(&path);
        let standing = match &saved {
            Ok(bytes) => serde_json::from_slice(bytes).unwrap_or_else(|_| {
                // Not ours to throw away: a person may repair it.
                let _ = std::fs::rename(&path, folder.join(format!("{name}.json.unreadable")));
                Standing::default()
            }),
            Err(_) => Standing::default(),
        };
        let typed = std::fs::read(&history).map(|bytes| parse_history(&bytes)).unwrap_or_default();
        let saved = RefCell::new(saved.unwrap_or_default());
        Ok(Progress { path, saved, history, learner: learner.to_owned(), standing, typed })
    }

    /// Writes where things stand.
    ///
    /// # Errors
    /// The file could not be replaced; the old one is still there.
    pub fn save(&self) -> Result<(), Error> {
        let mut text =
            serde_json::to_vec_pretty(&self.standing).map_err(|error| Error::File { path: self.path.clone(), why: error.to_string() })?;
        text.push(b'\n');
        // Waiting for the disk takes as long as all else at a start, where nothing has changed yet.
        if *self.saved.borrow() == text {
            return Ok(());
        }
        kernel::fs::replace(&self.path, &text, 0o600)?;
        self.saved.replace(text);
        Ok(())
    }

    /// Appends a line to the history.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn typed(&mut self, typed: Typed) -> Result<(), Error> {
        let fail = |error: std::io::Error| kernel::Error::from_io("append to", self.history.display(), &error);
        let mut line = serde_json::to_vec(&typed).map_err(|error| Error::File { path: self.history.clone(), why: error.to_string() })?;
        line.push(b'\n');
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.history).map_err(fail)?;
        file.write_all(&line).map_err(fail)?;
        self.typed.push(typed);
        Ok(())
    }

    /// The standing in a unit. After a rename it is found by its content; the digest is brought up to date.
    pub fn unit(&mut self, course: &Course, id: &str) -> &mut UnitStanding {
        let digest = course.entry(id).map(|entry| course.digest(entry)).unwrap_or_default();
        if !self.standing.units.contains_key(id) {
            let known = |other: &str| course.units().iter().any(|entry| entry.example.id == other);
            let old =
                self.standing.units.iter().find(|(other, unit)| unit.digest == digest && !known(other)).map(|(other, _)| other.clone());
            if let Some(old) = old {
                let unit = self.standing.units.remove(&old).unwrap_or_default();
                self.standing.units.insert(id.to_owned(), unit);
                for typed in self.typed.iter_mut().filter(|typed| typed.unit == old) {
                    id.clone_into(&mut typed.unit);
                }
            }
        }
        let unit = self.standing.units.entry(id.to_owned()).or_default();
        unit.digest = digest;
        unit
    }

    /// The standing in a unit that may not have been opened.
    pub fn seen(&self, id: &str) -> Option<&UnitStanding> {
        self.standing.units.get(id)
    }

    /// The lines typed in the steps `steps` of an attempt that still count: those before a `:reset` of their step do not.
    pub fn replay(&self, unit: &str, attempt: u32, steps: &[&str]) -> Vec<Typed> {
        let mut lines: Vec<Typed> = Vec::new();
        let place = |step: &str| steps.iter().position(|other| *other == step);
        for typed in self.typed.iter().filter(|typed| typed.unit == unit && typed.attempt == attempt) {
            if typed.anew {
                // What was typed in that step and in later ones was taken back.
                let from = place(&typed.step).unwrap_or(usize::MAX);
                lines.retain(|line| place(&line.step).is_some_and(|at| at < from));
            } else if place(&typed.step).is_some() {
                lines.push(typed.clone());
            }
        }
        lines
    }
}

/// Reads a history; lines that are none (a cut end) are passed over.
pub fn parse_history(bytes: &[u8]) -> Vec<Typed> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::library::CourseFile;
    use super::*;

    fn course(id: &str) -> Course {
        let text = format!("id: {id}\ntitle: T\nsteps: [{{id: s, goal: g, facts: [{{id: f, kind: exists, of: file//x, fail: f}}]}}]\n");
        let path = PathBuf::from(format!("labs/{id}/lab.yaml"));
        Course::from_files(BTreeMap::from([(path, CourseFile { content: text.into_bytes(), executable: false })])).unwrap()
    }

    fn typed(step: &str, line: &str, anew: bool) -> Typed {
        Typed { unit: "p/old".into(), attempt: 0, step: step.into(), host: "bench".into(), line: line.into(), anew, verb: false }
    }

    #[test]
    fn progress_survives_a_restart_and_a_rename() {
        let state = tempfile::tempdir().unwrap();
        let mut progress = Progress::open(state.path(), "ada").unwrap();
        progress.unit(&course("p/old"), "p/old").steps.entry("s".into()).or_default().state = Some(StepState::Done);
        progress.typed(typed("s", "ls", false)).unwrap();
        progress.save().unwrap();
        let mut again = Progress::open(state.path(), "ada").unwrap();
        assert_eq!(again.unit(&course("p/new"), "p/new").steps["s"].state, Some(StepState::Done));
        assert_eq!(again.replay("p/new", 0, &["s"]).len(), 1);
        assert!(Progress::open(state.path(), "bo").unwrap().typed.is_empty());
    }

    #[test]
    fn an_unreadable_file_is_kept_and_a_cut_history_is_read_as_far_as_it_goes() {
        let state = tempfile::tempdir().unwrap();
        let mut progress = Progress::open(state.path(), "../ada").unwrap();
        progress.typed(typed("s", "ls", false)).unwrap();
        let folder = state.path().join("progress");
        let history = folder.join(".._ada.history.jsonl");
        let mut bytes = std::fs::read(&history).unwrap();
        bytes.extend(b"{\"unit\":\"p");
        std::fs::write(&history, &bytes).unwrap();
        std::fs::write(folder.join(".._ada.json"), "{half").unwrap();
        let progress = Progress::open(state.path(), "../ada").unwrap();
        assert_eq!((progress.typed.len(), progress.standing.units.len()), (1, 0));
        assert_eq!(std::fs::read(folder.join(".._ada.json.unreadable")).unwrap(), b"{half");
    }

    #[test]
    fn a_reset_takes_back_its_step_and_the_later_ones_and_the_file_keeps_all() {
        let state = tempfile::tempdir().unwrap();
        let mut progress = Progress::open(state.path(), "ada").unwrap();
        for one in [typed("a", "1", false), typed("b", "2", false), typed("b", "", true), typed("b", "3", false)] {
            progress.typed(one).unwrap();
        }
        let lines: Vec<String> = progress.replay("p/old", 0, &["a", "b"]).into_iter().map(|typed| typed.line).collect();
        assert_eq!(lines, ["1", "3"]);
        assert_eq!(progress.typed.len(), 4);
    }
}
