//! What goes wrong with a build: why, and at which lines of which file.

use std::fmt;

use super::dockerfile;
use super::pattern::NoPattern;
use crate::kernel;
use crate::oci::{image, runtime};

/// A build that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Why, in BuildKit's words where it has some.
    pub why: String,
    /// The first and the last line of the instruction in the Dockerfile, from 1.
    pub lines: Option<(usize, usize)>,
    /// What a person can do.
    pub hint: Option<String>,
    /// Another stage failed, and this one only stopped because of it.
    pub canceled: bool,
    /// The vertex that failed, where there is one: what it wrote is shown again.
    pub vertex: Option<usize>,
}

/// The result of everything in [`super`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure without a place.
    pub fn new(why: impl Into<String>) -> Self {
        Error { why: why.into(), lines: None, hint: None, canceled: false, vertex: None }
    }

    /// The same with advice.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Error { hint: Some(hint.into()), ..self }
    }

    /// Says at which lines, unless that is known already.
    pub fn at(self, lines: (usize, usize)) -> Self {
        Error { lines: self.lines.or(Some(lines)), ..self }
    }

    /// A stage that stops because another failed.
    pub fn canceled() -> Self {
        Error { canceled: true, ..Error::new("context canceled") }
    }

    /// Says what was being done.
    pub fn during(self, what: impl fmt::Display) -> Self {
        Error { why: format!("{what}: {}", self.why), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Error {}

impl From<kernel::Error> for Error {
    fn from(error: kernel::Error) -> Self {
        Error { hint: error.hint().map(str::to_owned), ..Error::new(error.to_string()) }
    }
}

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        Error { hint: error.hint(), ..Error::new(error.to_string()) }
    }
}

impl From<runtime::Error> for Error {
    fn from(error: runtime::Error) -> Self {
        Error { hint: error.hint.clone(), ..Error::new(error.line()) }
    }
}

impl From<dockerfile::Error> for Error {
    fn from(error: dockerfile::Error) -> Self {
        let lines = (error.line > 0).then_some((error.line, error.line));
        Error { lines, ..Error::new(error.to_string()) }
    }
}

impl From<NoPattern> for Error {
    fn from(error: NoPattern) -> Self {
        Error::new(error.to_string())
    }
}

/// Adds what was being done to the error of a result.
pub trait During<T> {
    /// As [`Error::during`]; `what` is only made when needed.
    fn during<S: fmt::Display>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Error>> During<T> for std::result::Result<T, E> {
    fn during<S: fmt::Display>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| error.into().during(what()))
    }
}
