//! What the verbs of the course give back: plain data for the prompt, the web page and the tools to show. No words are added by the reader's side
//! except headings; every sentence of a check is an attribute of a fact.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The five verdicts, the best first. The verdict of a step is the worst of its facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds, and held as long as it had to.
    Pass,
    /// It is not there yet.
    NotYet,
    /// The property was never exercised, so nothing was proved.
    Vacuous,
    /// It is there, and wrong.
    Fail,
    /// It could not be evaluated. Never a pass, never the learner's fault.
    Error,
}

impl Verdict {
    /// As it is shown: `pass`, `not yet`, `vacuous`, `fail`, `error`.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::NotYet => "not yet",
            Verdict::Vacuous => "vacuous",
            Verdict::Fail => "fail",
            Verdict::Error => "error",
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Not done.
    Open,
    /// Its check passed, or it has none and was read.
    Done,
    /// Passed over with `:skip`.
    Skipped,
    /// Its solution was shown.
    Revealed,
    /// It needs what this machine lacks.
    NotHere,
}

/// A block of a step, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockView {
    /// Prose, as Markdown (with code blocks of other languages in it).
    Prose(String),
    /// Commands to type. `not_here` says why they do not apply on this machine.
    Run { commands: Vec<CommandView>, not_here: Option<String> },
    /// What they print.
    Output { text: String },
    /// A question to answer before the commands are run: `:predict N`.
    Predict(QuestionView),
    /// A question of theory: `:quiz N` or `:quiz ID N`.
    Quiz(QuestionView),
}

/// One command of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandView {
    /// The line, parameters filled in; may have several lines.
    pub line: String,
    /// The host it is typed on.
    pub host: String,
    /// Whether it goes into the nested program that the line before opened.
    pub nested: bool,
    /// Whether it was typed already in this step.
    pub typed: bool,
}

/// A question with its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionView {
    /// Its name in the step.
    pub id: String,
    /// The question.
    pub ask: String,
    /// The choices; their numbers begin at 1.
    pub choices: Vec<String>,
    /// What was chosen.
    pub given: Vec<usize>,
    /// Whether that was right, once known.
    pub right: Option<bool>,
}

/// One step as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// Unit id and title.
    pub unit: String,
    pub unit_title: String,
    /// Whether the unit is a lab.
    pub lab: bool,
    /// Step id and title (of a lab step: its goal).
    pub id: String,
    pub title: String,
    /// Its number, from 1, and how many there are.
    pub number: usize,
    pub of: usize,
    /// The introduction of the unit; given with its first step only.
    pub intro: Option<String>,
    /// What to read and do.
    pub blocks: Vec<BlockView>,
    /// What it is worth; 0 when nothing is checked.
    pub points: u32,
    /// Whether it has facts to check.
    pub checked: bool,
    pub state: StepState,
    /// Abilities that this machine lacks, each with the reason.
    pub missing: Vec<(String, String)>,
    /// How many hints there are, and how many were shown.
    pub hints: usize,
    pub hints_shown: usize,
    /// Whether this is the copy made by `:play`.
    pub playing: bool,
}

impl StepView {
    /// The first command that was not typed yet and applies here: the grey suggestion.
    pub fn suggestion(&self) -> Option<&CommandView> {
        self.blocks.iter().find_map(|block| match block {
            BlockView::Run { commands, not_here: None } => commands.iter().find(|command| !command.typed),
            _ => None,
        })
    }
}

/// One fact of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FactView {
    pub id: String,
    pub verdict: Verdict,
    /// What to say: the fact's own text with what was observed; for a pass the goal in short.
    pub say: String,
    /// The value observed.
    pub got: String,
    pub points: u32,
    /// Journal events that it rests on.
    pub events: Vec<u64>,
    /// How long it held, where it had to hold.
    pub held: Option<Duration>,
    /// Why it does not apply on this machine; then its verdict does not count.
    pub not_here: Option<String>,
}

/// The result of `:check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckView {
    pub unit: String,
    pub step: String,
    pub verdict: Verdict,
    pub facts: Vec<FactView>,
    /// Points reached, and possible.
    pub points: u32,
    pub of: u32,
    /// A known mistake that was recognised: id, what to say, the hint to look at.
    pub mistake: Option<MistakeView>,
    /// Shown when the step passes.
    pub debrief: Option<String>,
    /// How long the looking took, without the time that facts had to hold.
    pub took: Duration,
    /// Whether this finished the unit.
    pub unit_done: bool,
    /// The goal of the next step of a lab, which is active from now on.
    pub next: Option<String>,
}

/// A recognised mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MistakeView {
    pub id: String,
    pub say: String,
    /// The number of the hint that helps, from 1.
    pub hint: Option<usize>,
}

/// The result of `:hint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintView {
    /// Its level, from 1, and how many there are.
    pub level: usize,
    pub of: usize,
    pub text: String,
    /// It was shown before, and there are no more.
    pub again: bool,
}

/// The result of `:predict` and `:quiz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerView {
    pub question: QuestionView,
    /// The right choices, once they may be known.
    pub right: Vec<usize>,
    /// Why; given together with `right`.
    pub why: Option<String>,
}

/// One line of `:list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitLine {
    pub id: String,
    pub title: String,
    pub lab: bool,
    pub minutes: u32,
    /// Steps done, skipped or revealed, and all.
    pub done: usize,
    pub of: usize,
    pub current: bool,
    /// Units of `needs` that are not done.
    pub needs: Vec<String>,
    /// Abilities that this machine lacks, with reasons.
    pub missing: Vec<(String, String)>,
}

/// `:map`: the steps of the current unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapLine {
    pub id: String,
    pub title: String,
    pub state: StepState,
    pub current: bool,
    pub points: u32,
}

/// `:diff`: what differs in the world, one line a thing, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// `+` added, `-` gone, `~` changed.
    pub sign: char,
    /// `process/4711 sleep`, `mount//proc`, `file//etc/x`.
    pub what: String,
    /// For what is in the file tree: what it is now, or was before it went: `file`, `dir`, `link`..., as a fact's `kind`.
    pub sort: Option<String>,
    /// For a change: the field, before and after.
    pub detail: String,
}

/// The effect line after a command: `+1 process`, `+2 mounts`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effect {
    /// Kind of thing in the singular, and by how much its number changed.
    pub changes: Vec<(String, i64)>,
    /// Containers that do something else than before: name, what they did, what they do.
    pub turned: Vec<(String, String, String)>,
}

/// What a learner has done in all units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    pub points: u32,
    /// Hints that were shown.
    pub hints: usize,
    /// Steps that are done.
    pub done: usize,
}

/// `:report`: where the learner stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportView {
    pub units: Vec<ReportLine>,
    /// Steps of the whole course that are done, and all that this machine has, as far as that is known.
    pub done: usize,
    pub steps: usize,
    pub points: u32,
    pub of: u32,
    pub notes: Vec<String>,
}

/// One unit of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportLine {
    pub id: String,
    pub title: String,
    pub done: usize,
    pub skipped: usize,
    pub revealed: usize,
    pub not_here: usize,
    pub of: usize,
    pub points: u32,
    pub points_of: u32,
    pub hints: usize,
    pub quiz_right: usize,
    pub quiz_of: usize,
}
