//! The one writer of a journal file.
//!
//! The keeper of a bottle owns the recorder. It alone numbers events, so their order is one order for all hosts of the bottle. Each event is
//! one line and one write(2) with O_APPEND: a crash leaves at most one unfinished last line, which the next [`Recorder::open`] cuts off.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Event;
use super::reader::parse;
use crate::kernel::{Error, Result, xray};

/// Appends events to a journal file and numbers them.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    path: PathBuf,
    next: u64,
    /// The last `line` event without its `line.end`: the cause of whatever comes without one.
    open_line: u64,
}

impl Recorder {
    /// Opens or creates the journal at `path`, cuts off an unfinished last line, and goes on counting after the highest number in it.
    ///
    /// # Errors
    /// The file cannot be opened, read or repaired.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |call| move |error: std::io::Error| Error::from_io(call, path.display(), &error);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail("open the journal"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail("read the journal"))?;
        let parsed = parse(&bytes);
        if parsed.used < bytes.len() {
            file.set_len(parsed.used as u64).map_err(fail("cut the unfinished line of the journal"))?;
        }
        file.seek(SeekFrom::End(0)).map_err(fail("seek in the journal"))?;
        let mut recorder = Recorder { file, path: path.to_owned(), next: 1, open_line: 0 };
        for event in &parsed.events {
            recorder.follow(event);
        }
        // A line that was running when the last recorder died will never end: it causes nothing from now on.
        recorder.open_line = 0;
        Ok(recorder)
    }

    /// Writes one event; gives it its number, the time if it has none, and the open line as cause if it has none.
    ///
    /// # Errors
    /// The write was refused (a full disk); the event then has no number and is not in the journal.
    pub fn append(&mut self, mut event: Event) -> Result<u64> {
        event.seq = self.next;
        if event.at == 0 {
            event.at = xray::now();
        }
        if event.cause == 0 && event.kind != "line" {
            event.cause = self.open_line;
        }
        let mut line = serde_json::to_vec(&event).map_err(|error| self.refused(&std::io::Error::other(error)))?;
        line.push(b'\n');
        let before = self.file.metadata().map(|data| data.len());
        if let Err(error) = self.file.write_all(&line) {
            // Half a line must not be glued to the next event.
            if let Ok(length) = before {
                let _ = self.file.set_len(length);
            }
            return Err(self.refused(&error));
        }
        self.follow(&event);
        Ok(event.seq)
    }

    /// Answers one message of [`super::Client`]: an event as JSON; the answer is `{"seq": n}` or `{"error": "..."}`.
    pub fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        let appended = serde_json::from_slice::<Event>(message)
            .map_err(|error| format!("not an event: {error}"))
            .and_then(|event| self.append(event).map_err(|error| error.to_string()));
        match appended {
            Ok(seq) => json!({ "seq": seq }),
            Err(error) => json!({ "error": error }),
        }
        .to_string()
        .into_bytes()
    }

    fn follow(&mut self, event: &Event) {
        self.next = self.next.max(event.seq.saturating_add(1));
        match event.kind.as_str() {
            "line" => self.open_line = event.seq,
            "line.end" => self.open_line = 0,
            _ => {}
        }
    }

    fn refused(&self, error: &std::io::Error) -> Error {
        Error::from_io("append to the journal", self.path.display(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader;
    use super::*;

    fn journal() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        (folder, path)
    }

    #[test]
    fn the_open_line_is_the_cause_of_what_has_none() {
        let (_folder, path) = journal();
        let mut recorder = Recorder::open(&path).unwrap();
        recorder.append(Event::new("course", "step", "intro/first")).unwrap();
        let line = recorder.append(Event::new("you", "line", "unshare -p true")).unwrap();
        recorder.append(Event::new("runtime", "xray", "clone3")).unwrap();
        recorder.append(Event { cause: 1, ..Event::new("runtime", "xray", "mount") }).unwrap();
        recorder.append(Event::new("you", "line.end", "unshare -p true")).unwrap();
        recorder.append(Event::new("host-init", "process.exit", "17")).unwrap();
        let causes: Vec<u64> = reader::read(&path).unwrap().iter().map(|event| event.cause).collect();
        assert_eq!(causes, [0, 0, line, 1, line, 0]);
    }

    #[test]
    fn a_journal_cut_at_any_byte_opens_and_goes_on() {
        let (_folder, path) = journal();
        let mut recorder = Recorder::open(&path).unwrap();
        for name in ["one", "zwei", "trois"] {
            recorder.append(Event::new("you", "line", name)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let kept = whole[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
            let seq = Recorder::open(&path).unwrap().append(Event::new("you", "line", "after")).unwrap();
            let events = reader::read(&path).unwrap();
            assert_eq!((seq, events.len() as u64), (kept + 1, kept + 1), "cut at {cut}");
        }
    }

    #[test]
    fn garbage_in_the_middle_is_passed_over_and_numbers_are_not_used_twice() {
        let (_folder, path) = journal();
        std::fs::write(&path, b"{\"seq\":7,\"kind\":\"line\"}\n\xff\xfe garbage\n\n[1]\n").unwrap();
        let mut recorder = Recorder::open(&path).unwrap();
        assert_eq!(recorder.append(Event::new("you", "line", "x")).unwrap(), 8);
        assert_eq!(reader::read(&path).unwrap().len(), 2);
        assert_eq!(recorder.answer(b"{}"), br#"{"error":"not an event: missing field `kind` at line 1 column 2"}"#);
        assert_eq!(recorder.answer(br#"{"kind":"step"}"#), br#"{"seq":9}"#);
    }
}
