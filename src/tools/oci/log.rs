//! How failures reach people and engines: lines on standard error, and a log in runc's two formats.

use std::io::Write as _;
use std::path::PathBuf;

use super::arguments::Arguments;
use crate::oci::runtime::{Error, Result, timestamp};

/// Where errors go besides standard error.
#[derive(Default)]
pub struct Log {
    file: Option<PathBuf>,
    json: bool,
}

impl Log {
    /// Reads `--log` and `--log-format`.
    ///
    /// # Errors
    /// An unknown format.
    pub fn configure(&mut self, global: &Arguments) -> Result<()> {
        let file = global.value("log").filter(|file| !file.is_empty());
        self.file = file.map(std::path::absolute).transpose().map_err(|error| Error::new(format!("--log: {error}")))?;
        self.json = match global.value("log-format") {
            None | Some("text" | "") => false,
            Some("json") => true,
            Some(other) => return Err(Error::new(format!("--log-format `{other}`: it must be text or json"))),
        };
        Ok(())
    }

    /// Tells a person (`error:`, `cause:`, `hint:`) and the log.
    pub fn report(&self, error: &Error) {
        eprintln!("error: {}", error.what);
        error.causes.iter().for_each(|cause| eprintln!("cause: {cause}"));
        error.hint.iter().for_each(|hint| eprintln!("hint: {hint}"));
        self.append("error", &error.line());
    }

    /// The same for what did not stop the work.
    pub fn warn(&self, error: &Error) {
        eprintln!("warning: {}", error.line());
        self.append("warning", &error.line());
    }

    fn append(&self, level: &str, message: &str) {
        let Some(file) = &self.file else { return };
        let time = timestamp();
        let line = if self.json {
            serde_json::json!({"level": level, "msg": message, "time": time}).to_string()
        } else {
            format!("time=\"{time}\" level={level} msg={message:?}")
        };
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
        // A log that cannot be written has been told on standard error already: by the error itself.
        let _ = opened.and_then(|mut file| writeln!(file, "{line}"));
    }
}
