//! Units: lessons and labs, as data. A unit is read with a learner's parameters filled in.

use super::fact::Fact;
use super::params::Param;
use super::text::Params;
use super::yaml::Spots;

/// A lesson or a lab.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    pub id: String,
    pub title: String,
    pub lab: bool,
    pub minutes: u32,
    /// Units to do before.
    pub needs: Vec<String>,
    /// Rows of the concept list.
    pub teaches: Vec<String>,
    /// Terms introduced, each with a sentence.
    pub words: Vec<(String, String)>,
    pub world: WorldNeeds,
    pub params: Vec<Param>,
    /// The values that they have in this reading.
    pub drawn: Params,
    /// Files to copy before the set-up: below the unit's folder, on the host.
    pub place: Vec<(String, String)>,
    /// Commands of the set-up.
    pub setup: Vec<String>,
    /// Programs that the set-up leaves running.
    pub start: Vec<Start>,
    /// What comes before the first step, in Markdown.
    pub intro: String,
    pub steps: Vec<Step>,
    /// Where things stand in its file, for messages: `steps[0].facts[1]`.
    pub spots: Spots,
}

/// A program that the set-up leaves running, in the host's own cgroup, where the learner finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub name: String,
    pub run: String,
    /// Ends with 0 once the program may be relied on.
    pub ready: Option<String>,
}

/// What a unit wants of the bottle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorldNeeds {
    pub hosts: Vec<String>,
    /// Abilities.
    pub needs: Vec<String>,
}

/// A step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    pub id: String,
    /// The heading of a lesson's step, the goal of a lab's.
    pub title: String,
    /// Abilities of this step.
    pub needs: Vec<String>,
    pub blocks: Vec<Block>,
    /// Points, shared out to the facts by their own points.
    pub points: u32,
    pub facts: Vec<Fact>,
    pub mistakes: Vec<Mistake>,
    pub hints: Vec<String>,
    pub debrief: Option<String>,
    /// What the untouched world must give: fact and verdict.
    pub untouched: Option<(String, String)>,
    /// Proofs that do not apply, each with the reason.
    pub exempt: Vec<(String, String)>,
}

/// A piece of a lesson's step, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Prose(String),
    Run { commands: Vec<Command>, needs: Vec<String>, nested: bool, line: usize },
    Output { text: String, exit: Option<i32>, line: usize },
    Predict(Question),
    Quiz(Question),
}

/// A command of a `run` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub text: String,
    pub host: String,
}

impl Command {
    /// Whether it is a course command (`:zoom on`), which the prompt takes and not the shell.
    pub fn is_verb(&self) -> bool {
        self.text.strip_prefix(':').is_some_and(|rest| rest.starts_with(char::is_alphabetic))
    }
}

/// A question of a `predict` or `quiz` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub id: String,
    pub ask: String,
    pub choices: Vec<String>,
    pub answer: RightAnswer,
    pub why: String,
}

/// Where the right answer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RightAnswer {
    /// Numbers of choices, from 1.
    Choices(Vec<usize>),
    /// The choice that this command prints.
    Run(String),
}

/// A mistake that is recognised by what it does to the world.
#[derive(Debug, Clone)]
pub struct Mistake {
    pub id: String,
    pub when: Fact,
    pub say: String,
    /// The hint that helps, from 1.
    pub hint: Option<usize>,
}

impl Unit {
    /// The position of a step.
    pub fn step(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }

    /// All points of the unit.
    pub fn points(&self) -> u32 {
        self.steps.iter().map(|step| step.points).sum()
    }
}

impl Step {
    /// All commands of its `run` blocks.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.blocks.iter().flat_map(|block| match block {
            Block::Run { commands, .. } => commands.as_slice(),
            _ => &[],
        })
    }
}
