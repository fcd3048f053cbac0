//! Submissions: what a learner typed, sealed; and grades by replay.
//!
//! A submission is not a result but a history: the seed, the digest of the unit, every line. Grading types it again in a fresh bottle and computes the
//! verdicts anew, then once more on another seed, with the learner's own parameters translated. So an edited file changes what is replayed, not the
//! grade, and what was copied from another learner holds on neither.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::library::Course;
use super::progress::{Progress, Typed};
use super::room;
use super::session::Session;
use super::text::Params;
use super::view::{StepState, Verdict};

#[cfg(test)]
pub mod fuzzed;
#[cfg(test)]
mod tests;

/// The version of the format.
const VERSION: u32 = 1;
/// Of what a submission or its world says, so many characters are shown.
const TEXT: usize = 1000;

/// One unit of one learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Format version.
    pub bottleship: u32,
    pub unit: String,
    /// Of the unit's content.
    pub digest: String,
    pub seed: String,
    /// A name, if the learner or the instructor gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub lines: Vec<Line>,
    pub verdicts: Vec<Claim>,
    /// Of the lines, as they were journalled.
    pub journal: String,
    /// Of everything above.
    pub seal: String,
}

/// A line that was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub step: String,
    pub host: String,
    pub line: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verb: bool,
    /// Keys were typed while it ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steered: bool,
}

/// What the learner's own checks gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub step: String,
    /// How the step stands with the learner: done, skipped, revealed.
    pub state: StepState,
    pub points: u32,
    /// How many hints were taken.
    pub hints: usize,
}

/// How a submission was graded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grade {
    /// The file.
    pub file: String,
    pub name: Option<String>,
    pub unit: String,
    /// What the parameters were drawn from; two submissions of one seed were not made by two learners.
    pub seed: String,
    pub result: Standing,
    pub points: u32,
    pub of: u32,
    /// The same lines on a second seed.
    pub second: Option<u32>,
    pub steps: Vec<StepGrade>,
    pub why: String,
}

/// The result in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It replays; points say how far it goes.
    Pass,
    /// It replays, but not on another seed: an instructor should look.
    Review,
    /// It is no submission, was changed, or does not replay.
    Rejected,
    /// It could not be graded, which is not the learner's doing: the lab's file is broken, or its world cannot be had here.
    Error,
}

impl Standing {
    /// What it is called in tables and files.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Pass => "pass",
            Standing::Review => "review",
            Standing::Rejected => "rejected",
            Standing::Error => "error",
        }
    }

    /// Whether the lines were replayed to the end.
    pub fn is_graded(self) -> bool {
        matches!(self, Standing::Pass | Standing::Review)
    }
}

/// Why there are no points: whose doing it is, and the reason.
struct Stopped {
    result: Standing,
    why: String,
}

impl From<String> for Stopped {
    /// The submission's.
    fn from(why: String) -> Self {
        Stopped { result: Standing::Rejected, why }
    }
}

impl Stopped {
    /// The grader's: its course, or its machine.
    fn of_grader(error: &Error) -> Self {
        Stopped { result: Standing::Error, why: error.to_string().replace('\n', "; ") }
    }

    /// A unit that is not there is what a submission asks for wrongly; one whose file has mistakes is the grader's.
    fn of_course(error: &Error) -> Self {
        if matches!(error, Error::Unknown { .. }) { error.to_string().into() } else { Stopped::of_grader(error) }
    }
}

/// One step of a grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepGrade {
    pub step: String,
    pub verdict: Option<Verdict>,
    /// How it stands with the learner, if it was touched.
    pub claimed: Option<StepState>,
    pub points: u32,
    pub of: u32,
    /// The facts that do not hold, with what was seen.
    pub wrong: Vec<String>,
    /// Their ids.
    pub failed: Vec<String>,
    /// The mistakes that were recognised on the way, each once.
    pub mistakes: Vec<String>,
}

impl Submission {
    /// What a learner has done in a unit.
    ///
    /// # Errors
    /// There is no such unit, or nothing was typed in it.
    pub fn of(course: &Course, progress: &Progress, id: &str, name: Option<String>) -> Result<Submission, Error> {
        let entry = course.entry(id)?;
        let unit = &entry.example;
        let standing = progress.seen(&unit.id);
        let attempt = standing.map_or(0, |standing| standing.attempt);
        let steps: Vec<&str> = unit.steps.iter().map(|step| step.id.as_str()).collect();
        let lines: Vec<Line> = progress.replay(&unit.id, attempt, &steps).into_iter().map(line_of).collect();
        let Some(standing) = standing.filter(|_| !lines.is_empty()) else {
            return Err(Error::NotNow {
                why: format!("nothing was typed in `{}` yet", unit.id),
                hint: format!("`bottleship --lesson {}` opens it", unit.id),
            });
        };
        let verdicts = unit.steps.iter().filter_map(|step| {
            let done = standing.steps.get(&step.id)?;
            Some(Claim { step: step.id.clone(), state: done.state.unwrap_or(StepState::Open), points: done.points, hints: done.hints })
        });
        let submission = Submission {
            bottleship: VERSION,
            unit: unit.id.clone(),
            digest: course.digest(entry),
            seed: super::params::seed_of(&progress.learner, attempt),
            name,
            journal: digest(&serde_json::to_vec(&lines).unwrap_or_default()),
            verdicts: verdicts.collect(),
            lines,
            seal: String::new(),
        };
        Ok(submission.sealed())
    }

    fn sealed(mut self) -> Submission {
        self.seal.clear();
        self.seal = digest(&serde_json::to_vec(&self).unwrap_or_default());
        self
    }

    /// Reads a submission. Never panics, whatever the bytes are.
    ///
    /// # Errors
    /// Why it is none, or was changed.
    pub fn parse(bytes: &[u8]) -> Result<Submission, String> {
        let submission: Submission = serde_json::from_slice(bytes).map_err(|error| format!("is no submission: {error}"))?;
        if submission.bottleship != VERSION {
            return Err(format!("is of version {}; this program reads version {VERSION}", submission.bottleship));
        }
        let journal = digest(&serde_json::to_vec(&submission.lines).unwrap_or_default());
        if journal != submission.journal {
            return Err("the lines are not those that were journalled: it was changed".to_owned());
        }
        if submission.clone().sealed().seal != submission.seal {
            return Err("the seal does not fit: it was changed".to_owned());
        }
        Ok(submission)
    }

    /// What was typed, with `{name}` where the learner's own parameters stand: of two learners who typed the same it is the same.
    ///
    /// # Errors
    /// The course has no such unit.
    pub fn without_parameters(&self, course: &Course) -> Result<Vec<String>, Error> {
        let mine = course.unit(&self.unit, &self.seed)?.1;
        let names = mine.keys().map(|name| (name.clone(), format!("{{{name}}}"))).collect();
        Ok(self.lines.iter().map(|line| translate(&line.line, &mine, &names)).collect())
    }

    /// As text, for a file.
    pub fn text(&self) -> String {
        format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default())
    }
}

fn line_of(typed: Typed) -> Line {
    Line { step: typed.step, host: typed.host, line: typed.line, verb: typed.verb, steered: typed.steered }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens a session for a unit on a seed, in a world of its own.
pub type Opener<'o> = &'o mut dyn FnMut(&str, &str) -> Result<Session, Error>;

/// A file that cannot even be read.
pub fn unreadable(file: &Path, why: &dyn std::fmt::Display) -> Grade {
    Grade { why: why.to_string(), ..blank(file) }
}

fn blank(file: &Path) -> Grade {
    Grade {
        file: file.display().to_string(),
        name: None,
        unit: String::new(),
        seed: String::new(),
        result: Standing::Rejected,
        points: 0,
        of: 0,
        second: None,
        steps: Vec::new(),
        why: String::new(),
    }
}

/// Grades the submission in `bytes`.
pub fn grade(file: &Path, bytes: &[u8], course: &Course, open: Opener<'_>) -> Grade {
    let mut grade = blank(file);
    if let Err(stopped) = try_grade(&mut grade, bytes, course, open) {
        grade.result = stopped.result;
        grade.points = 0;
        grade.why = stopped.why;
    }
    presentable(grade)
}

/// What a submission or its world has said, fit for the terminal of who reads it.
fn presentable(mut grade: Grade) -> Grade {
    grade.name = grade.name.as_deref().and_then(room::name_of);
    for text in
        [&mut grade.unit, &mut grade.seed, &mut grade.why].into_iter().chain(grade.steps.iter_mut().flat_map(|step| &mut step.wrong))
    {
        *text = room::clean(text, TEXT);
    }
    grade
}

fn try_grade(grade: &mut Grade, bytes: &[u8], course: &Course, open: Opener<'_>) -> Result<(), Stopped> {
    let submission = Submission::parse(bytes)?;
    (grade.name, grade.unit, grade.seed) = (submission.name.clone(), submission.unit.clone(), submission.seed.clone());
    let entry = course.entry(&submission.unit).map_err(|error| Stopped::of_course(&error))?;
    if course.digest(entry) != submission.digest {
        return Err("it was made with another version of this unit".to_owned().into());
    }
    grade.of = entry.example.points();
    let lines: Vec<String> = submission.lines.iter().map(|line| line.line.clone()).collect();
    grade.steps = replay(&submission, &lines, &submission.seed, open)?;
    for step in &mut grade.steps {
        step.claimed = submission.verdicts.iter().find(|claim| claim.step == step.step).map(|claim| claim.state);
    }
    grade.points = grade.steps.iter().map(|step| step.points).sum();
    if let Some(claim) =
        submission.verdicts.iter().find(|claim| claim.state == StepState::Done && claim.points > 0 && !passed(&grade.steps, &claim.step))
    {
        return Err(format!("the step `{}` is said to pass, and does not when its lines are typed again", claim.step).into());
    }
    let other = format!("second-{}", submission.seed);
    let parameters = |seed: &str| course.unit(&submission.unit, seed).map(|(_, params)| params).map_err(|error| Stopped::of_course(&error));
    let (mine, theirs) = (parameters(&submission.seed)?, parameters(&other)?);
    let translated: Vec<String> = lines.iter().map(|line| translate(line, &mine, &theirs)).collect();
    let second: u32 = replay(&submission, &translated, &other, open)?.iter().map(|step| step.points).sum();
    grade.second = Some(second);
    grade.result = if second < grade.points { Standing::Review } else { Standing::Pass };
    if grade.result == Standing::Review {
        grade.why = "on a second seed the same lines reach fewer points: they hold something that belongs to one seed".to_owned();
    }
    Ok(())
}

fn passed(steps: &[StepGrade], id: &str) -> bool {
    steps.iter().any(|step| step.step == id && step.verdict == Some(Verdict::Pass))
}

/// Types the lines in a fresh world; gives each step the best that a check of it found.
fn replay(submission: &Submission, lines: &[String], seed: &str, open: Opener<'_>) -> Result<Vec<StepGrade>, Stopped> {
    let mut session = open(&submission.unit, seed).map_err(|error| Stopped::of_grader(&error))?;
    let mut steps: Vec<StepGrade> = session
        .unit()
        .steps
        .iter()
        .map(|step| StepGrade {
            step: step.id.clone(),
            verdict: None,
            claimed: None,
            points: 0,
            of: step.points,
            wrong: Vec::new(),
            failed: Vec::new(),
            mistakes: Vec::new(),
        })
        .collect();
    let mut failed = None;
    for (line, text) in submission.lines.iter().zip(lines) {
        let typed = if line.verb { session.type_line(text) } else { session.type_on_host(&line.host, text, line.steered).map(|()| None) };
        match typed {
            Ok(Some(check)) => keep_best(&mut steps, &check),
            Ok(None) => {}
            // What a learner's shell refused then it may refuse now; a session that is gone cannot go on.
            Err(error @ (Error::Bottle(_) | Error::Kernel(_))) => {
                failed = Some(format!("`{text}` cannot be typed again: {error}"));
                break;
            }
            Err(_) => {}
        }
    }
    session.end().map_err(|error| Stopped::of_grader(&error))?;
    failed.map_or(Ok(steps), |why: String| Err(why.into()))
}

fn keep_best(steps: &mut [StepGrade], check: &super::view::CheckView) {
    let Some(step) = steps.iter_mut().find(|step| step.step == check.step) else { return };
    if let Some(mistake) = check.mistake.as_ref().filter(|mistake| !step.mistakes.contains(&mistake.id)) {
        step.mistakes.push(mistake.id.clone());
    }
    if step.verdict.is_none_or(|verdict| check.verdict < verdict || check.points > step.points) {
        step.verdict = Some(check.verdict);
        step.points = step.points.max(check.points);
        let wrong = || check.facts.iter().filter(|fact| fact.verdict != Verdict::Pass);
        step.failed = wrong().map(|fact| fact.id.clone()).collect();
        step.wrong = wrong().map(|fact| format!("{} is {}: {}", fact.id, fact.verdict.word(), fact.got)).collect();
    }
}

/// Replaces the learner's own parameters, where they stand as whole words, by those of another seed.
fn translate(line: &str, mine: &Params, theirs: &Params) -> String {
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut pairs: Vec<(&str, &str)> = mine.iter().filter_map(|(name, value)| Some((value.as_str(), theirs.get(name)?.as_str()))).collect();
    // The longest first: one value may be part of another.
    pairs.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    let mut translated = String::new();
    let mut rest = line;
    'letters: while let Some(letter) = rest.chars().next() {
        for (value, other) in &pairs {
            let bounded = |text: &str| !text.chars().next().is_some_and(word);
            if !value.is_empty() && rest.starts_with(value) && !translated.ends_with(word) && bounded(&rest[value.len()..]) {
                translated.push_str(other);
                rest = &rest[value.len()..];
                continue 'letters;
            }
        }
        translated.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    translated
}
