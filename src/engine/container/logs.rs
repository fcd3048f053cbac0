//! `docker logs`: the records of a `json-file` log, chosen by time and number, and followed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Container;
use crate::engine::Engine;
use crate::engine::error::Fault;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// What the program wrote to its standard output.
    pub stdout: bool,
    /// And to its standard error.
    pub stderr: bool,
    /// Nothing older, in nanoseconds of Unix time.
    pub since: Option<i128>,
    /// Nothing newer.
    pub until: Option<i128>,
    /// Only so many of the last; `None` for all.
    pub tail: Option<usize>,
    /// With the moment before each line.
    pub timestamps: bool,
    /// With the labels that were asked for at create.
    pub details: bool,
    /// What comes later too.
    pub follow: bool,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From standard error.
    pub error: bool,
    /// What to send.
    pub text: Vec<u8>,
}

/// A log that is being read.
struct Reader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// A line that is not whole yet.
    begun: Vec<u8>,
}

impl Reader {
    fn open(path: &Path) -> Self {
        Reader { path: path.to_owned(), file: File::open(path).ok().map(BufReader::new), begun: Vec::new() }
    }

    /// The next record that is whole.
    fn next(&mut self) -> Option<Value> {
        loop {
            let file = self.file.as_mut()?;
            match file.read_until(b'\n', &mut self.begun) {
                Ok(count) if count > 0 && self.begun.ends_with(b"\n") => {
                    let line = std::mem::take(&mut self.begun);
                    match serde_json::from_slice(&line) {
                        Ok(record) => return Some(record),
                        // A damaged line is passed over: the others are still worth reading.
                        Err(_) => continue,
                    }
                }
                _ => {}
            }
            if !self.turn() {
                return None;
            }
        }
    }

    /// Goes on with the new file when the log was begun anew meanwhile.
    fn turn(&mut self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let place = |status: std::io::Result<std::fs::Metadata>| status.ok().map(|status| (status.dev(), status.ino()));
        let ours = self.file.as_ref().and_then(|file| place(file.get_ref().metadata()));
        let current = place(std::fs::metadata(&self.path));
        if current.is_none() || ours == current {
            return false;
        }
        self.file = File::open(&self.path).ok().map(BufReader::new);
        self.begun.clear();
        true
    }
}

/// What a record becomes; `None` if it was not asked for.
fn shown(record: &Value, wish: &Wish) -> Option<Line> {
    let error = record["stream"] == "stderr";
    if !(if error { wish.stderr } else { wish.stdout }) {
        return None;
    }
    let (log, time) = (record["log"].as_str()?, record["time"].as_str()?);
    let at = time.parse::<Timestamp>().ok()?.as_nanosecond();
    if wish.since.is_some_and(|since| at < since) || wish.until.is_some_and(|until| at > until) {
        return None;
    }
    let mut text = String::new();
    if wish.timestamps {
        text.push_str(&stamp(time));
        text.push(' ');
    }
    if wish.details {
        let pairs = record["attrs"].as_object().into_iter().flatten();
        let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        text.push_str(&pairs.join(","));
        text.push(' ');
    }
    text.push_str(log);
    Some(Line { error, text: text.into_bytes() })
}

/// A moment with all nine digits, so that columns stay columns.
fn stamp(time: &str) -> String {
    let bare = time.trim_end_matches('Z');
    let (seconds, digits) = bare.split_once('.').unwrap_or((bare, ""));
    format!("{seconds}.{digits:0<9.9}Z")
}

impl Engine {
    /// Reads a container's log, and with `follow` goes on until it has ended or nobody listens any more.
    ///
    /// # Errors
    /// The container keeps no log.
    pub async fn read_log(self: &Arc<Self>, container: &Arc<Container>, wish: Wish, to: mpsc::Sender<Line>) -> Result<(), Fault> {
        let path = container.log_path();
        // Before the first look: what is written between it and the wait is seen.
        let mut grown = container.logged.subscribe();
        grown.mark_unchanged();
        let (first, wanted) = (path.clone(), wish.clone());
        let (lines, mut reader) = self.work(move |_| Ok(begin(&first, &wanted))).await?;
        for line in lines {
            if to.send(line).await.is_err() {
                return Ok(());
            }
        }
        if !wish.follow {
            return Ok(());
        }
        loop {
            // Asked before reading: what it wrote before its end is read then.
            let runs = container.state().is_running() || container.state().status == super::state::Status::Restarting;
            while let Some(record) = reader.next() {
                if let Some(line) = shown(&record, &wish)
                    && to.send(line).await.is_err()
                {
                    return Ok(());
                }
            }
            let over = wish.until.is_some_and(|until| Timestamp::now().as_nanosecond() > until);
            if !runs || over || container.live().removed {
                return Ok(());
            }
            tokio::select! {
                changed = grown.changed() => drop(changed),
                () = to.closed() => return Ok(()),
            }
        }
    }
}

/// The lines that are there: of older files too, the last `tail` of them.
fn begin(path: &Path, wish: &Wish) -> (VecDeque<Line>, Reader) {
    let mut lines = VecDeque::new();
    let mut keep = |record: &Value| {
        if let Some(line) = shown(record, wish) {
            lines.push_back(line);
            if wish.tail.is_some_and(|tail| lines.len() > tail) {
                lines.pop_front();
            }
        }
    };
    let older = (1..).map(|number| PathBuf::from(format!("{}.{number}", path.display()))).take_while(|path| path.exists());
    for path in older.collect::<Vec<PathBuf>>().into_iter().rev() {
        let mut reader = Reader::open(&path);
        while let Some(record) = reader.next() {
            keep(&record);
        }
    }
    let mut reader = Reader::open(path);
    while let Some(record) = reader.next() {
        keep(&record);
    }
    (lines, reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(log: &str, stream: &str, second: u32) -> String {
        format!("{{\"log\":\"{log}\\n\",\"stream\":\"{stream}\",\"time\":\"2024-01-01T00:00:{second:02}.5Z\"}}\n")
    }

    fn read(path: &Path, wish: &Wish) -> Vec<String> {
        begin(path, wish).0.into_iter().map(|line| String::from_utf8(line.text).unwrap()).collect()
    }

    #[test]
    fn lines_are_chosen_by_stream_time_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-json.log");
        std::fs::write(folder.path().join("x-json.log.1"), record("a", "stdout", 1)).unwrap();
        std::fs::write(&path, format!("{}garbage\n{}{{\"log\":\"half", record("b", "stderr", 2), record("c", "stdout", 3))).unwrap();
        let all = Wish { stdout: true, stderr: true, ..Wish::default() };
        assert_eq!(read(&path, &all), ["a\n", "b\n", "c\n"]);
        assert_eq!(read(&path, &Wish { stderr: false, ..all.clone() }), ["a\n", "c\n"]);
        assert_eq!(read(&path, &Wish { tail: Some(2), ..all.clone() }), ["b\n", "c\n"]);
        assert_eq!(read(&path, &Wish { tail: Some(0), ..all.clone() }), [""; 0]);
        let at = "2024-01-01T00:00:02Z".parse::<Timestamp>().unwrap().as_nanosecond();
        assert_eq!(read(&path, &Wish { since: Some(at), ..all.clone() }), ["b\n", "c\n"]);
        assert_eq!(read(&path, &Wish { until: Some(at), timestamps: true, ..all }), ["2024-01-01T00:00:01.500000000Z a\n"]);
    }

    #[test]
    fn a_log_that_was_begun_anew_is_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-json.log");
        std::fs::write(&path, record("a", "stdout", 1)).unwrap();
        let mut reader = Reader::open(&path);
        assert!(reader.next().is_some() && reader.next().is_none());
        std::fs::rename(&path, folder.path().join("x-json.log.1")).unwrap();
        std::fs::write(&path, record("b", "stdout", 2)).unwrap();
        assert_eq!(reader.next().unwrap()["log"], "b\n");
        assert!(reader.next().is_none());
    }
}
