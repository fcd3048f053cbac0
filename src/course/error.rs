//! Why the course could not do what was asked.

use std::fmt;
use std::path::PathBuf;

use crate::{bottle, kernel};

/// One thing that is wrong with a course file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, below the course folder.
    pub file: PathBuf,
    /// The line and the column; line 0 when it is about the whole file.
    pub spot: Spot,
    /// The key it is about, as a path: `steps[0].facts[2].kind`. Empty when it is about none.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// The way out.
    pub hint: String,
}

/// A place in a file: line and column, both from 1. Line 0 is no place; column 0 is the whole line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    pub line: usize,
    pub column: usize,
}

impl From<usize> for Spot {
    fn from(line: usize) -> Self {
        Spot { line, column: 0 }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.spot.line > 0 {
            write!(f, ":{}", self.spot.line)?;
        }
        if self.spot.line > 0 && self.spot.column > 0 {
            write!(f, ":{}", self.spot.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": `{}`", self.key)?;
        }
        write!(f, ": {} ({})", self.what, self.hint)
    }
}

/// What the course refuses or fails at.
#[derive(Debug)]
pub enum Error {
    /// Course files with mistakes in them.
    Course(Vec<Problem>),
    /// No unit or step of that name; with the nearest name that exists.
    Unknown { what: &'static str, name: String, nearest: Option<String> },
    /// The verb makes no sense now, and what to do instead.
    NotNow { why: String, hint: String },
    /// There is nothing behind the last step.
    End,
    /// The bottle failed.
    Bottle(bottle::Error),
    /// The kernel refused something outside a bottle: the progress file, a terminal.
    Kernel(kernel::Error),
    /// Setting up the world of a unit failed: which command, and what it said.
    Setup { unit: String, command: String, said: String },
    /// A file that is not what it should be: a submission, a console transcript.
    File { path: PathBuf, why: String },
}

impl Error {
    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Unknown { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Error::Unknown { .. } => Some("`:list` shows what there is".to_owned()),
            Error::NotNow { hint, .. } => Some(hint.clone()),
            Error::Bottle(error) => error.hint(),
            Error::Kernel(error) => error.hint().map(str::to_owned),
            Error::Setup { .. } => {
                Some("this is a defect of the course or a lack of this machine, not yours; `bottleship doctor` may tell more".to_owned())
            }
            Error::End => Some("`:list` shows everything, `:report` where you stand".to_owned()),
            Error::Course(_) => Some("mend the file; `bottleship lab lint DIR` looks at a whole course".to_owned()),
            Error::File { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Course(problems) => {
                let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Error::Unknown { what, name, .. } => write!(f, "there is no {what} `{name}`"),
            Error::End => f.write_str("this was the last step of the course"),
            Error::NotNow { why, .. } => f.write_str(why),
            Error::Bottle(error) => error.fmt(f),
            Error::Kernel(error) => error.fmt(f),
            Error::Setup { unit, command, said } => write!(f, "setting up `{unit}`: `{command}`: {said}"),
            Error::File { path, why } => write!(f, "{}: {why}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

impl From<bottle::Error> for Error {
    fn from(error: bottle::Error) -> Self {
        Error::Bottle(error)
    }
}

impl From<kernel::Error> for Error {
    fn from(error: kernel::Error) -> Self {
        Error::Kernel(error)
    }
}
