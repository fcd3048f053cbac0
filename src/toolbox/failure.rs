//! Why a tool of the toolbox gives up: its exit code and what it says.

use std::fmt;

/// The end of an applet that did not do what it was asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code, as the tool of that name has it.
    pub code: u8,
    /// What is printed after `NAME: `; nothing is printed when it is empty.
    pub message: String,
}

impl Failure {
    /// Ends with `code`, saying `message`.
    pub fn new(code: u8, message: impl fmt::Display) -> Self {
        Failure { code, message: message.to_string() }
    }

    /// Ends with `code` without a word.
    pub fn silent(code: u8) -> Self {
        Failure { code, message: String::new() }
    }
}

/// A write that failed. Nobody reads a closed pipe: that ends the tool without a word, as SIGPIPE would.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::silent(141),
            _ => Failure::new(1, reason(&error)),
        }
    }
}

impl From<crate::kernel::Error> for Failure {
    fn from(error: crate::kernel::Error) -> Self {
        Failure::new(1, error)
    }
}

/// The reason of a failed call as C programs print it: `Connection refused`, without Rust's `(os error 111)`.
pub fn reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => crate::kernel::error::errno_of(error).desc().to_owned(),
        None => error.to_string(),
    }
}
