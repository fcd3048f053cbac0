//! A learner at a unit: the current step, the world, and the verbs.

use std::path::PathBuf;

use super::error::Error;
use super::view::{AnswerView, CheckView, DiffLine, Effect, HintView, MapLine, ReportView, StepView, UnitLine, WhyLine};
use crate::bottle::Bottle;
use crate::bottle::shell::{Ready, Shell, Size};

/// How a session is to start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The state root; progress lies in `progress/` below it.
    pub state: PathBuf,
    /// A course folder instead of the one in the binary.
    pub course: Option<PathBuf>,
    /// The unit to open, `ID` or `ID#STEP`; the last one if not given.
    pub unit: Option<String>,
    /// Who learns; parameters depend on it. The user's name if not given.
    pub learner: Option<String>,
    /// What the bottle is to be; its hosts come from the unit.
    pub bottle: crate::bottle::Spec,
    /// The size of the terminal.
    pub size: Option<Size>,
}

/// A learner at a unit.
pub struct Session {
    shell: Shell,
    bottle: Bottle,
}

fn later<T>() -> Result<T, Error> {
    Err(Error::NotNow { why: "this verb is not built yet".to_owned(), hint: String::new() })
}

impl Session {
    /// Opens the course and the learner's progress, boots the world of the current unit and sets it up.
    pub fn start(_options: Options) -> Result<Session, Error> {
        later()
    }
    /// The learner's shell on bench. After a verb that returns `fresh = true` it is a new one, waiting at its prompt (its last Ready: [`Session::ready`]).
    pub fn shell(&mut self) -> &mut Shell {
        &mut self.shell
    }
    /// How the shell waited when this session's world was made: what the prompt shows first.
    pub fn ready(&self) -> Ready {
        Ready::default()
    }
    pub fn bottle(&self) -> &Bottle {
        &self.bottle
    }
    /// A line is about to be typed (any host): journals it, keeps it in the learner's history. Returns the number of its event.
    pub fn line(&mut self, _host: &str, _line: &str) -> Result<u64, Error> {
        later()
    }
    /// The line has ended: journals it and tells what it changed in the world.
    pub fn line_end(&mut self, _seq: u64, _status: i32) -> Result<Effect, Error> {
        later()
    }
    pub fn view(&self) -> StepView {
        unimplemented!()
    }
    /// `:next`: the next step (or the next unit after the last). A step with facts that is not done is checked first and refuses, with the check.
    pub fn next(&mut self) -> Result<Moved, Error> {
        later()
    }
    pub fn back(&mut self) -> Result<Moved, Error> {
        later()
    }
    /// `:goto STEP`, `:goto UNIT`, `:goto UNIT#STEP`: a fresh world with the lines of the steps before replayed.
    pub fn goto(&mut self, _to: &str) -> Result<Moved, Error> {
        later()
    }
    pub fn check(&mut self) -> Result<CheckView, Error> {
        later()
    }
    pub fn hint(&mut self) -> Result<HintView, Error> {
        later()
    }
    /// `:why [SEQ|FACT|WORD]`: the causes of the latest event that fits; without a subject, of the last thing a check rested on.
    pub fn why(&mut self, _of: &str) -> Result<Vec<WhyLine>, Error> {
        later()
    }
    /// `:reset`: the current step as it began, in a fresh world.
    pub fn reset(&mut self) -> Result<Moved, Error> {
        later()
    }
    /// `:play`: a second world like this one's step; the graded one is untouched until `:done`.
    pub fn play(&mut self) -> Result<Moved, Error> {
        later()
    }
    /// `:done`: leaves the copy.
    pub fn done(&mut self) -> Result<Moved, Error> {
        later()
    }
    pub fn skip(&mut self) -> Result<Moved, Error> {
        later()
    }
    /// `:reveal`: the step's part of the solution, as lines to type.
    pub fn reveal(&mut self) -> Result<Vec<String>, Error> {
        later()
    }
    pub fn list(&self) -> Vec<UnitLine> {
        Vec::new()
    }
    pub fn map(&self) -> Vec<MapLine> {
        Vec::new()
    }
    /// `:answer TEXT`
    pub fn answer(&mut self, _text: &str) -> Result<(), Error> {
        later()
    }
    /// `:predict N`
    pub fn predict(&mut self, _choice: &str) -> Result<AnswerView, Error> {
        later()
    }
    /// `:quiz N`, `:quiz ID N`, `:quiz 1,3`
    pub fn quiz(&mut self, _answer: &str) -> Result<AnswerView, Error> {
        later()
    }
    pub fn note(&mut self, _text: &str) -> Result<(), Error> {
        later()
    }
    pub fn report(&self) -> ReportView {
        unimplemented!()
    }
    /// `:diff`: what differs now from the world as the step began.
    pub fn diff(&mut self) -> Result<Vec<DiffLine>, Error> {
        later()
    }
    /// Ends the world; progress is on the disk already.
    pub fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// The result of a verb that moves.
#[derive(Debug)]
pub struct Moved {
    /// Where the learner is now.
    pub view: StepView,
    /// The world and its shell are new: take [`Session::shell`] again.
    pub fresh: bool,
    /// Lines of earlier steps that were replayed; with the status each ended with.
    pub replayed: Vec<(String, i32)>,
    /// `:next` was refused: the check that says why.
    pub refused: Option<CheckView>,
}
