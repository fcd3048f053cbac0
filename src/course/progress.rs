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
use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::library::Course;
use super::unit::Step;
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
    /// Units and steps that have got other names, in this order; the history keeps the old ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Renamed>,
}

impl Standing {
    /// How many steps of the course are done (not: passed over, or shown), and how many there are on this machine.
    pub fn steps(&self, course: &Course) -> (usize, usize) {
        let (mut done, mut of) = (0, 0);
        for entry in course.units() {
            let unit = self.units.get(&entry.example.id);
            for step in &entry.example.steps {
                let state = unit.and_then(|unit| unit.steps.get(&step.id)).and_then(|step| step.state);
                done += usize::from(state == Some(StepState::Done));
                of += usize::from(state != Some(StepState::NotHere));
            }
        }
        (done, of)
    }
}

/// A unit or a step that has got another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// The unit; before, if it is the unit that was renamed.
    pub unit: String,
    /// The step's old name; empty if it is the unit that was renamed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// The new name.
    pub to: String,
    /// How many lines the history had: later lines with the old name mean something else.
    pub until: usize,
}

impl Renamed {
    fn apply(&self, typed: &mut [Typed]) {
        let until = self.until.min(typed.len());
        for line in typed[..until].iter_mut().filter(|line| line.unit == self.unit) {
            if self.step.is_empty() {
                self.to.clone_into(&mut line.unit);
            } else if line.step == self.step {
                self.to.clone_into(&mut line.step);
            }
        }
    }
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

impl UnitStanding {
    /// Finds steps again that have got another name, by their content, and remembers the content of all. Gives old and new names.
    fn follow(&mut self, steps: &[Step]) -> Vec<(String, String)> {
        let mut renamed = Vec::new();
        for step in steps {
            let content = content_of(step);
            let is_now = |name: &String| steps.iter().any(|step| step.id == *name);
            if !self.steps.contains_key(&step.id) {
                let old =
                    self.steps.iter().find(|(name, standing)| standing.content == content && !is_now(name)).map(|(name, _)| name.clone());
                if let Some(old) = old {
                    let standing = self.steps.remove(&old).unwrap_or_default();
                    self.steps.insert(step.id.clone(), standing);
                    renamed.push((old, step.id.clone()));
                }
            }
            if let Some(standing) = self.steps.get_mut(&step.id) {
                standing.content = content;
            }
        }
        renamed
    }
}

/// Where a learner stands in one step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StepStanding {
    /// A digest of the step's content: a step that gets another name is found again by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
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
    /// Set on a line that is no input but says that keys were typed while the line before ran: a Ctrl-C, an answer. The keys are not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steered: bool,
}

/// What the disk keeps for the history, beyond its end.
const RESERVE: u64 = 128 * 1024;

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
    /// Whether the history ends in the middle of a line.
    ragged: bool,
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
        let (standing, saved) =
            read_standing(&path, &folder.join(format!("{name}.json.backup")), &folder.join(format!("{name}.json.unreadable")));
        let bytes = std::fs::read(&history).unwrap_or_default();
        let ragged = bytes.last().is_some_and(|last| *last != b'\n');
        let mut typed = parse_history(&bytes);
        standing.renamed.iter().for_each(|renamed| renamed.apply(&mut typed));
        Ok(Progress { path, saved: RefCell::new(saved), history, learner: learner.to_owned(), standing, typed, ragged })
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
        if self.ragged {
            // What was cut off stays cut off, and does not take this line with it.
            line.insert(0, b'\n');
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.history).map_err(fail)?;
        let before = file.metadata().map_err(fail)?.len();
        if let Err(error) = file.write_all(&line) {
            // A full disk may have taken half of it: half a line must not be glued to the next.
            self.ragged = file.set_len(before).is_err() || self.ragged;
            return Err(fail(error).into());
        }
        self.ragged = false;
        // With a full disk the learner can still type, so that they can make room. A file system without this does without.
        let _ = kernel::fs::reserve(&file, RESERVE);
        self.typed.push(typed);
        Ok(())
    }

    /// The standing in a unit. After a rename it is found by its content; the digest is brought up to date.
    pub fn unit(&mut self, course: &Course, id: &str) -> &mut UnitStanding {
        let digest = course.entry(id).map(|entry| course.digest(entry)).unwrap_or_default();
        if !self.standing.units.contains_key(id) {
            // What was done in a unit whose file cannot be read just now stays that unit's.
            let known = |other: &str| course.ids().any(|id| id == other);
            let old =
                self.standing.units.iter().find(|(other, unit)| unit.digest == digest && !known(other)).map(|(other, _)| other.clone());
            if let Some(old) = old {
                let unit = self.standing.units.remove(&old).unwrap_or_default();
                self.standing.units.insert(id.to_owned(), unit);
                self.rename(Renamed { unit: old.clone(), step: String::new(), to: id.to_owned(), until: self.typed.len() });
            }
        }
        let steps: &[Step] = course.entry(id).map_or(&[], |entry| &entry.example.steps);
        let unit = self.standing.units.entry(id.to_owned()).or_default();
        unit.digest = digest;
        for (old, new) in unit.follow(steps) {
            if self.standing.unit == id && self.standing.step == old {
                new.clone_into(&mut self.standing.step);
            }
            self.rename(Renamed { unit: id.to_owned(), step: old, to: new, until: self.typed.len() });
        }
        self.standing.units.entry(id.to_owned()).or_default()
    }

    fn rename(&mut self, renamed: Renamed) {
        renamed.apply(&mut self.typed);
        self.standing.renamed.push(renamed);
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
            } else if typed.steered {
                // The line itself may have been taken back.
                if let Some(line) = lines.iter_mut().rfind(|line| line.line == typed.line && !line.verb) {
                    line.steered = true;
                }
            } else if place(&typed.step).is_some() {
                lines.push(typed.clone());
            }
        }
        lines
    }
}

/// Where things stand, as the file says, or its copy from the last start when that cannot be read.
///
/// Gives the bytes of the file too, where they are what it says.
fn read_standing(path: &Path, backup: &Path, unreadable: &Path) -> (Standing, Vec<u8>) {
    let Ok(bytes) = std::fs::read(path) else { return Default::default() };
    if let Ok(standing) = serde_json::from_slice(&bytes) {
        // Without the copy only the second chance is missing: a full disk must not keep anybody from starting.
        let _ = kernel::fs::replace(backup, &bytes, 0o600);
        return (standing, bytes);
    }
    // Not ours to throw away: a person may repair it.
    let _ = std::fs::rename(path, unreadable);
    let backup = std::fs::read(backup).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    (backup.unwrap_or_default(), Vec::new())
}

/// What a step is, apart from its name.
fn content_of(step: &Step) -> String {
    let nameless = Step { id: String::new(), ..step.clone() };
    let digest = Sha256::digest(format!("{nameless:?}"));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
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
        Typed {
            unit: "p/old".into(),
            attempt: 0,
            step: step.into(),
            host: "bench".into(),
            line: line.into(),
            anew,
            verb: false,
            steered: false,
        }
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
    fn a_step_that_is_renamed_keeps_its_standing_and_its_lines() {
        let state = tempfile::tempdir().unwrap();
        let mut progress = Progress::open(state.path(), "ada").unwrap();
        progress.unit(&course("p/old"), "p/old").steps.entry("s".into()).or_default().state = Some(StepState::Done);
        progress.typed(typed("s", "ls", false)).unwrap();
        // The next time that the unit is opened the content of its steps is taken down.
        progress.unit(&course("p/old"), "p/old");
        progress.save().unwrap();
        let text = "id: p/old\ntitle: Another title\nsteps: [{id: new, goal: g, facts: [{id: f, kind: exists, of: file//x, fail: f}]}]\n";
        let file = CourseFile { content: text.as_bytes().to_vec(), executable: false };
        let renamed = Course::from_files(BTreeMap::from([("labs/p/old/lab.yaml".into(), file)])).unwrap();
        let mut again = Progress::open(state.path(), "ada").unwrap();
        let unit = again.unit(&renamed, "p/old");
        assert_eq!((unit.steps["new"].state, unit.steps.len()), (Some(StepState::Done), 1));
        assert_eq!(again.replay("p/old", 0, &["new"])[0].line, "ls");
        // And in the sessions after it, although the history still has the old name; a new step of the old name has lines of its own.
        again.typed(typed("s", "later", false)).unwrap();
        again.save().unwrap();
        let later = Progress::open(state.path(), "ada").unwrap();
        let lines = |step: &str| later.replay("p/old", 0, &[step]).into_iter().map(|typed| typed.line).collect::<Vec<_>>();
        assert_eq!((lines("new"), lines("s")), (vec!["ls".to_owned()], vec!["later".to_owned()]));
    }

    #[test]
    fn a_progress_file_cut_at_any_byte_costs_at_most_what_came_since_the_last_start() {
        let state = tempfile::tempdir().unwrap();
        let mut progress = Progress::open(state.path(), "ada").unwrap();
        progress.unit(&course("p/old"), "p/old").steps.entry("s".into()).or_default().state = Some(StepState::Done);
        progress.save().unwrap();
        let path = state.path().join("progress/ada.json");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() - 1 {
            std::fs::write(&path, &whole).unwrap();
            assert!(Progress::open(state.path(), "ada").unwrap().seen("p/old").is_some());
            std::fs::write(&path, &whole[..cut]).unwrap();
            let after = Progress::open(state.path(), "ada").unwrap();
            assert_eq!(after.seen("p/old").map(|unit| unit.steps["s"].state), Some(Some(StepState::Done)), "cut at {cut}");
        }
    }

    #[test]
    fn a_history_cut_at_any_byte_loses_one_line_at_most_and_goes_on() {
        let state = tempfile::tempdir().unwrap();
        let mut progress = Progress::open(state.path(), "ada").unwrap();
        for line in ["one", "zwei", "trois"] {
            progress.typed(typed("s", line, false)).unwrap();
        }
        let path = state.path().join("progress/ada.history.jsonl");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let kept = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let mut after = Progress::open(state.path(), "ada").unwrap();
            // The last line may be whole but for its end.
            assert!(after.typed.len() == kept || after.typed.len() == kept + 1, "cut at {cut}");
            let before = after.typed.len();
            after.typed(typed("s", "after", false)).unwrap();
            let again = Progress::open(state.path(), "ada").unwrap();
            assert_eq!((again.typed.len(), again.typed.last().map(|last| last.line.as_str())), (before + 1, Some("after")), "cut at {cut}");
        }
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
