//! What is wrong with a Compose file, and where.

use std::fmt;
use std::sync::Arc;

/// A place in a file: line and column from 1; line 0 is the file as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spot {
    pub file: Arc<str>,
    pub line: usize,
    pub column: usize,
}

impl Spot {
    /// The file as a whole.
    pub fn whole(file: &str) -> Self {
        Spot { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// Why there is no project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where; nowhere if no file is to blame.
    pub spot: Option<Spot>,
    /// The key that it is about: `services.web.ports`. Empty when it is about none.
    pub key: String,
    /// What is wrong, in the words of docker compose.
    pub what: String,
}

impl Error {
    /// About no place in particular.
    pub fn plain(what: impl Into<String>) -> Self {
        Error { spot: None, key: String::new(), what: what.into() }
    }

    /// About a place in a file.
    pub fn at(spot: &Spot, key: impl ToString, what: impl Into<String>) -> Self {
        Error { spot: Some(spot.clone()), key: key.to_string(), what: what.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(spot) = &self.spot {
            write!(f, "{spot}: ")?;
        }
        if !self.key.is_empty() && !self.what.contains(&self.key) {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}
