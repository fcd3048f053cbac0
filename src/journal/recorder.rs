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
use crate::kernel::{Error, Result, fs, xray};

/// What the disk keeps for the journal: with a full disk the learner can still type, so that they can make room.
const RESERVE: u64 = 512 * 1024;

/// Who outside of the bottle speaks: nobody in it may use these names.
const OUTSIDE: &[&str] = &["you", "course", "check", "keeper", "kernel"];
/// Kinds that only the outside writes: what was typed, checked, reached. An end in `.` stands for all that begins with it.
const RESERVED: &[&str] = &["line", "line.", "answer", "check", "look", "step", "unit", "hint", "question", "host.", "journal."];
/// How many bytes the processes in a bottle may write into its journal, all together: a loop must not fill the machine's disk.
const ALLOWANCE: u64 = 32 << 20;

/// Appends events to a journal file and numbers them.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    path: PathBuf,
    next: u64,
    /// How many bytes more were reserved, and how many of them may be used up by now.
    reserved: u64,
    /// The last `line` event without its `line.end`: the cause of whatever comes without one.
    open_line: u64,
    /// What is left to the processes in the bottle.
    allowance: u64,
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
        let mut recorder = Recorder { file, path: path.to_owned(), next: 1, reserved: 0, open_line: 0, allowance: ALLOWANCE };
        recorder.reserve(0);
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
            if let Ok(length) = before {
                // Half a line must not be glued to the next event; if it cannot be cut off, readers pass over it.
                let _ = self.file.set_len(length);
            }
            return Err(self.refused(&error));
        }
        self.reserve(line.len() as u64);
        self.follow(&event);
        Ok(event.seq)
    }

    /// Counts what was written against the reserve, and renews it when half of it is gone. Without room for one the journal lives from hand to mouth.
    fn reserve(&mut self, written: u64) {
        self.reserved = self.reserved.saturating_sub(written);
        if self.reserved < RESERVE / 2 && fs::reserve(&self.file, RESERVE).is_ok() {
            self.reserved = RESERVE;
        }
    }

    /// Answers one message of [`super::Client`]: an event as JSON, or a list of them; the answer is `{"seq": n}` (of the last) or
    /// `{"error": "..."}`.
    pub fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        let appended = events(message)
            .and_then(|events| events.into_iter().try_fold(0, |_, event| self.append(event)).map_err(|error| error.to_string()));
        said(appended)
    }

    /// As [`Recorder::answer`], for a process in the bottle. It is not trusted: its event is marked, and may not speak for the learner, for the course or
    /// for the keeper, nor of the past or the future.
    pub fn answer_inside(&mut self, message: &[u8]) -> Vec<u8> {
        // The whole message is paid for with its first event.
        let mut size = message.len() as u64;
        let appended = events(message).and_then(|events| {
            events.into_iter().try_fold(0, |_, event| {
                let event = self.inside(event, std::mem::take(&mut size))?;
                self.append(event).map_err(|error| error.to_string())
            })
        });
        said(appended)
    }

    fn inside(&mut self, mut event: Event, size: u64) -> std::result::Result<Event, String> {
        let reserved = |kind: &&&str| if kind.ends_with('.') { event.kind.starts_with(**kind) } else { event.kind == **kind };
        if OUTSIDE.contains(&event.actor.as_str()) {
            return Err(format!("`{}` is not in the bottle: nobody here speaks for it", event.actor));
        }
        if RESERVED.iter().find(reserved).is_some() {
            return Err(format!("events of the kind `{}` are written outside of the bottle only", event.kind));
        }
        self.allowance = self.allowance.checked_sub(size).ok_or("the processes in this bottle have written too much into its journal")?;
        (event.inside, event.at, event.clock) = (true, 0, None);
        if event.cause >= self.next {
            event.cause = 0;
        }
        Ok(event)
    }

    fn follow(&mut self, event: &Event) {
        self.next = self.next.max(event.seq.saturating_add(1));
        match event.kind.as_str() {
            _ if event.inside => {}
            "line" => self.open_line = event.seq,
            "line.end" => self.open_line = 0,
            _ => {}
        }
    }

    fn refused(&self, error: &std::io::Error) -> Error {
        Error::from_io("append to the journal", self.path.display(), error)
    }
}

/// The events of a message: one, or a list.
fn events(message: &[u8]) -> std::result::Result<Vec<Event>, String> {
    let many = message.first() == Some(&b'[');
    let events = if many { serde_json::from_slice(message) } else { serde_json::from_slice(message).map(|event| vec![event]) };
    events.map_err(|error| format!("not an event: {error}"))
}

fn said(appended: std::result::Result<u64, String>) -> Vec<u8> {
    match appended {
        Ok(seq) => json!({ "seq": seq }),
        Err(error) => json!({ "error": error }),
    }
    .to_string()
    .into_bytes()
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

    fn said(answer: &[u8]) -> String {
        String::from_utf8_lossy(answer).into_owned()
    }

    #[test]
    fn a_process_in_the_bottle_speaks_for_itself_only() {
        let (_folder, path) = journal();
        let mut recorder = Recorder::open(&path).unwrap();
        let line = recorder.append(Event::new("you", "line", "make")).unwrap();
        for (forged, why) in [
            (r#"{"kind":"line","actor":"you","subject":"solve"}"#, "nobody here speaks for it"),
            (r#"{"kind":"x","actor":"course"}"#, "nobody here speaks for it"),
            (r#"{"kind":"x","actor":"check"}"#, "nobody here speaks for it"),
            (r#"{"kind":"line"}"#, "outside of the bottle only"),
            (r#"{"kind":"line.end"}"#, "outside of the bottle only"),
            (r#"{"kind":"look","subject":"u#s#f","data":{"verdict":"pass"}}"#, "outside of the bottle only"),
            (r#"{"kind":"check"}"#, "outside of the bottle only"),
            (r#"{"kind":"step"}"#, "outside of the bottle only"),
            (r#"{"kind":"answer"}"#, "outside of the bottle only"),
            (r#"{"kind":"host.gone"}"#, "outside of the bottle only"),
            ("[", "not an event"),
        ] {
            let answer = said(&recorder.answer_inside(forged.as_bytes()));
            assert!(answer.contains(why), "{forged}: {answer}");
        }
        // Its time, its number and its mark are not its own to give, and a cause that is still to come is none.
        let claim = r#"{"kind":"container.start","actor":"runtime","seq":900,"at":5,"cause":77,"inside":false,"data":{"x":1}}"#;
        assert_eq!(said(&recorder.answer_inside(claim.as_bytes())), r#"{"seq":2}"#);
        let events = reader::read(&path).unwrap();
        let event = events.last().unwrap();
        assert_eq!((events.len(), event.seq, event.inside, event.cause), (2, 2, true, line));
        assert!(event.at > 5);
        assert_eq!(recorder.append(Event::new("you", "line.end", "")).unwrap(), 3);
    }

    #[test]
    fn the_processes_in_a_bottle_cannot_fill_the_disk_and_the_outside_goes_on() {
        let (_folder, path) = journal();
        let mut recorder = Recorder { allowance: 1000, ..Recorder::open(&path).unwrap() };
        let long = serde_json::to_vec(&Event::new("runtime", "note", "x".repeat(300))).unwrap();
        let answers: Vec<String> = (0..10).map(|_| said(&recorder.answer_inside(&long))).collect();
        assert!(answers[0].contains("seq") && answers[9].contains("too much"), "{answers:?}");
        assert!(std::fs::metadata(&path).unwrap().len() < 3000);
        assert!(recorder.append(Event::new("you", "line", "y".repeat(1 << 20))).is_ok(), "a very long line of the learner's");
        assert_eq!(reader::read(&path).unwrap().last().unwrap().subject.len(), 1 << 20);
    }
}
