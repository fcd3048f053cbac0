//! The log of a container: one JSON document a line, as Docker's `json-file` driver writes it, begun anew when it has become too large.
//!
//! `x-json.log` is the newest; older ones are `x-json.log.1`, `.2` and so on.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::oci::runtime::hold::Hold;
use crate::oci::runtime::{self, Error, Result};

/// An open log.
pub struct Record {
    file: File,
    path: PathBuf,
    size: u64,
    largest: u64,
    files: u32,
    attributes: Map<String, Value>,
}

impl Record {
    /// Opens a log, to add to it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: &Path, hold: &Hold) -> Result<Self> {
        let file = append(path).map_err(|error| Error::new(format!("make `{}`: {error}", path.display())))?;
        let size = file.metadata().map_or(0, |status| status.len());
        let attributes = hold.log_attributes.clone();
        Ok(Record { file, path: path.to_owned(), size, largest: hold.log_size, files: hold.log_files.max(1), attributes })
    }

    /// Adds a piece of a line, with its end if it has one. A full disk loses output, not the container.
    pub fn add(&mut self, stream: &str, piece: &[u8]) {
        let mut record = json!({ "log": String::from_utf8_lossy(piece), "stream": stream });
        if !self.attributes.is_empty() {
            record["attrs"] = self.attributes.clone().into();
        }
        record["time"] = runtime::timestamp().into();
        let line = format!("{record}\n");
        if self.largest > 0 && self.size > 0 && self.size + line.len() as u64 > self.largest {
            self.begin_anew();
        }
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.size += line.len() as u64;
        }
    }

    /// The oldest goes, each other becomes one older. What cannot be renamed is written on: a long log is better than none.
    fn begin_anew(&mut self) {
        let older = |number: u32| PathBuf::from(format!("{}.{number}", self.path.display()));
        for number in (1..self.files.saturating_sub(1)).rev() {
            // Most of them are not there yet.
            let _ = std::fs::rename(older(number), older(number + 1));
        }
        let gone = if self.files > 1 { std::fs::rename(&self.path, older(1)) } else { std::fs::remove_file(&self.path) };
        if let (Ok(()), Ok(file)) = (gone, append(&self.path)) {
            self.file = file;
            self.size = 0;
        }
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_too_large_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-json.log");
        let hold = Hold { log_size: 200, log_files: 3, ..Hold::default() };
        let mut log = Record::open(&path, &hold).unwrap();
        for number in 0..20 {
            log.add("stdout", format!("line {number}\n").as_bytes());
        }
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text("x-json.log").contains("line 19") && text("x-json.log").len() <= 200);
        assert!(text("x-json.log.1").contains("line 17") && !folder.path().join("x-json.log.3").exists());
        assert!(text("x-json.log.2").starts_with("{\"log\":\"line 14\\n\",\"stream\":\"stdout\",\"time\":\""), "{}", text("x-json.log.2"));
    }
}
