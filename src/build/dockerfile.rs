//! Dockerfiles: from text to stages of instructions.
//!
//! The language is what BuildKit's front end reads (Dockerfile reference, syntax 1): continuations, comments between them, parser directives,
//! here-documents, `ARG` before the first `FROM`, several stages, flags, exec and shell forms. Reading needs nothing but the text: variables are replaced
//! later, when the stage's environment is known (see [`expand`]). Errors name the line.
//!
//! ```text
//!  text ── lines::read ──▶ statements ── instruction::read ──▶ instructions ── read ──▶ arguments, stages
//! ```

use std::fmt;

pub mod expand;
pub mod instruction;
pub mod lines;
pub mod words;

pub use instruction::Instruction;
use lines::{Directives, Statement};

/// What is wrong with a Dockerfile, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The line, from 1; 0 if it is about the whole file.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// The result of reading.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of a line.
    pub fn at(line: usize, why: impl Into<String>) -> Self {
        Error { line, why: why.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.why),
            line => write!(f, "dockerfile parse error on line {line}: {}", self.why),
        }
    }
}

impl std::error::Error for Error {}

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// What its first lines tell the parser.
    pub directives: Directives,
    /// The escape character that holds in it.
    pub escape: char,
    /// The `ARG`s before the first `FROM`.
    pub arguments: Vec<Step>,
    /// The stages in their order; at least one.
    pub stages: Vec<Stage>,
    /// Remarks: line and text.
    pub warnings: Vec<(usize, String)>,
}

/// A stage: a `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The image or stage that it builds on, as written.
    pub base: String,
    /// Its name in lower case, if it has one.
    pub name: Option<String>,
    /// `--platform`, as written.
    pub platform: Option<String>,
    /// The `FROM` line.
    pub from: Statement,
    /// The instructions after it.
    pub steps: Vec<Step>,
}

/// An instruction where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The text.
    pub statement: Statement,
    /// The meaning.
    pub instruction: Instruction,
}

/// Reads a Dockerfile.
///
/// # Errors
/// With the line, in the words that BuildKit has for it where it has some.
pub fn read(text: &str) -> Result<Dockerfile> {
    let lines = lines::read(text)?;
    if lines.statements.is_empty() {
        return Err(Error::at(0, "the Dockerfile cannot be empty"));
    }
    let mut file = Dockerfile {
        directives: lines.directives,
        escape: lines.escape,
        arguments: Vec::new(),
        stages: Vec::new(),
        warnings: lines.warnings,
    };
    for statement in lines.statements {
        let instruction = instruction::read(&statement, lines.escape)?;
        match (instruction, file.stages.last_mut()) {
            (Instruction::From { image, name, platform }, _) => {
                if let Some(twice) = file.stages.iter().find(|stage| name.is_some() && stage.name == name) {
                    let (name, line) = (name.unwrap_or_default(), twice.from.line);
                    return Err(Error::at(statement.line, format!("duplicate name {name}: a stage of line {line} has it")));
                }
                file.stages.push(Stage { base: image, name, platform, from: statement, steps: Vec::new() });
            }
            (instruction, Some(stage)) => stage.steps.push(Step { statement, instruction }),
            (instruction @ Instruction::Arg(_), None) => file.arguments.push(Step { statement, instruction }),
            (_, None) => {
                return Err(Error::at(
                    statement.line,
                    "no build stage in current context: the first instruction must be FROM (only ARG may come before)",
                ));
            }
        }
    }
    if file.stages.is_empty() {
        return Err(Error::at(0, "no build stage in current context: there is no FROM"));
    }
    Ok(file)
}

impl Dockerfile {
    /// The stage that a name or a number means: of several with that name the last before `before`.
    pub fn stage(&self, name: &str, before: usize) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        let named = self.stages[..before].iter().rposition(|stage| stage.name.as_deref() == Some(name.as_str()));
        named.or_else(|| name.parse::<usize>().ok().filter(|number| *number < before))
    }
}

#[cfg(test)]
mod tests;
