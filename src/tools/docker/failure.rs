//! What goes wrong, as docker says it.

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What stands on standard error; empty: it was said already.
    pub message: String,
    /// The exit code.
    pub code: u8,
    /// The status of the engine's answer, if it was that.
    pub status: Option<u16>,
}

/// What a command gives.
pub type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    /// Exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), code: 1, status: None }
    }

    /// The engine said no.
    pub fn daemon(status: u16, message: &str) -> Self {
        Failure { message: format!("Error response from daemon: {message}"), code: 1, status: Some(status) }
    }

    /// The exit code alone: what is to be said was said.
    pub fn silent(code: u8) -> Self {
        Failure { message: String::new(), code, status: None }
    }

    /// With another exit code.
    pub fn code(self, code: u8) -> Self {
        Failure { code, ..self }
    }

    /// Whether the engine has no such thing.
    pub fn is_absent(&self) -> bool {
        self.status == Some(404)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::new(error.to_string())
    }
}

/// Does something with each word; every failure is said, and the last word decides nothing: one failure is enough for exit code 1.
pub fn each<'a>(words: impl IntoIterator<Item = &'a String>, mut work: impl FnMut(&'a str) -> Result) -> Result {
    let wrong: Vec<String> = words.into_iter().filter_map(|word| work(word).err()).map(|failure| failure.message).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("\n"))) }
}
