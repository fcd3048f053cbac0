//! What goes wrong with a container, as a person reads it: what was tried, why not, what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::spec;
use crate::kernel;

/// A failure. `causes` go from the outer to the inner; it crosses from the container's first process to us as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What was tried, on what: ``create container `web` ``.
    pub what: String,
    /// Why it failed, from the outer reason to the inner.
    pub causes: Vec<String>,
    /// What a person can do.
    pub hint: Option<String>,
    /// The work was done all the same: a hook failed whose failure the specification only wants logged.
    #[serde(default)]
    pub only_warning: bool,
}

/// The result of everything in [`super`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure without a deeper reason.
    pub fn new(what: impl Into<String>) -> Self {
        Error { what: what.into(), causes: Vec::new(), hint: None, only_warning: false }
    }

    /// The same with advice.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Error { hint: Some(hint.into()), ..self }
    }

    /// Marks it as one that only wants to be told.
    pub fn warning(self) -> Self {
        Error { only_warning: true, ..self }
    }

    /// Puts a wider `what` around it; what it said becomes the first cause.
    pub fn during(self, what: impl Into<String>) -> Self {
        let mut causes = vec![self.what];
        causes.extend(self.causes);
        Error { what: what.into(), causes, hint: self.hint, only_warning: self.only_warning }
    }

    /// All in one line, for logs.
    pub fn line(&self) -> String {
        let parts: Vec<&str> = std::iter::once(self.what.as_str()).chain(self.causes.iter().map(String::as_str)).collect();
        parts.join(": ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

impl std::error::Error for Error {}

impl From<kernel::Error> for Error {
    fn from(error: kernel::Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        Error { hint, ..Error::new(error.to_string()) }
    }
}

impl From<spec::Error> for Error {
    fn from(error: spec::Error) -> Self {
        Error::new(error.to_string())
    }
}

/// Adds what was being done to the error of a result.
pub trait During<T> {
    /// As [`Error::during`]; `what` is only made when needed.
    fn during<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Error>> During<T> for std::result::Result<T, E> {
    fn during<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| error.into().during(what()))
    }
}
