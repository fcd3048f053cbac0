//! Readers of a journal: all of it, from a number on, as it grows, and along its causes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::Event;
use crate::kernel::{Error, Result};

/// What [`parse`] made of some bytes of a journal.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The events, in file order.
    pub events: Vec<Event>,
    /// How many bytes are finished lines; the rest is a line that is still being written.
    pub used: usize,
    /// Finished lines that are no events.
    pub garbage: usize,
}

/// Reads journal lines from bytes. Never fails: what is no event is counted and passed over.
pub fn parse(bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed { used: bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1), ..Parsed::default() };
    for line in bytes[..parsed.used].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<Event>(line) {
            Ok(event) => parsed.events.push(event),
            Err(_) => parsed.garbage += 1,
        }
    }
    parsed
}

/// All events of the journal at `path`.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    Reader::open(path).and_then(|mut reader| reader.more())
}

/// Follows a journal as it grows.
#[derive(Debug)]
pub struct Reader {
    file: File,
    path: PathBuf,
    /// Where the first byte that was not yet read as a whole line stands.
    offset: u64,
}

impl Reader {
    /// Opens a journal at its beginning.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::from_io("open the journal", path.display(), &error))?;
        Ok(Reader { file, path: path.to_owned(), offset: 0 })
    }

    /// The events that were finished since the last call (at first: all).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn more(&mut self) -> Result<Vec<Event>> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(self.offset))
            .and_then(|_| self.file.read_to_end(&mut bytes))
            .map_err(|error| Error::from_io("read the journal", self.path.display(), &error))?;
        let parsed = parse(&bytes);
        self.offset += parsed.used as u64;
        Ok(parsed.events)
    }
}

/// Events in memory, with their causes as a tree.
#[derive(Debug, Default)]
pub struct Log {
    events: Vec<Event>,
    place: HashMap<u64, usize>,
}

impl Log {
    /// Takes more events in, in the order of the journal.
    pub fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.place.insert(event.seq, self.events.len());
            self.events.push(event);
        }
    }

    /// The event with this number.
    pub fn get(&self, seq: u64) -> Option<&Event> {
        self.place.get(&seq).map(|at| &self.events[*at])
    }

    /// The number of the latest event; 0 in an empty journal.
    pub fn last(&self) -> u64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    /// The events with a number above `seq`.
    pub fn after(&self, seq: u64) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().filter(move |event| event.seq > seq)
    }

    /// The chain of causes of an event, from itself back to the beginning. A cause is always older than its effect; a journal that
    /// says otherwise ends the chain.
    pub fn causes(&self, seq: u64) -> Vec<&Event> {
        let mut chain: Vec<&Event> = Vec::new();
        let mut next = self.get(seq);
        while let Some(event) = next {
            chain.push(event);
            next = (event.cause < event.seq).then(|| self.get(event.cause)).flatten();
        }
        chain
    }

    /// The direct effects of an event.
    pub fn effects(&self, seq: u64) -> impl Iterator<Item = &Event> {
        self.after(seq).filter(move |event| event.cause == seq)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recorder;
    use super::*;

    #[test]
    fn a_reader_gets_each_event_once_and_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut recorder = Recorder::open(&path).unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert!(reader.more().unwrap().is_empty());
        recorder.append(Event::new("you", "line", "true")).unwrap();
        assert_eq!(reader.more().unwrap()[0].subject, "true");
        assert!(reader.more().unwrap().is_empty());
        let half = br#"{"seq":2,"kind":"#;
        std::io::Write::write_all(&mut std::fs::OpenOptions::new().append(true).open(&path).unwrap(), half).unwrap();
        assert!(reader.more().unwrap().is_empty());
        std::io::Write::write_all(&mut std::fs::OpenOptions::new().append(true).open(&path).unwrap(), b"\"oom\"}\n").unwrap();
        assert_eq!(reader.more().unwrap()[0].kind, "oom");
    }

    #[test]
    fn causes_lead_back_and_a_circle_ends() {
        let event = |seq, cause| Event { seq, cause, ..Event::new("you", "line", "") };
        let mut log = Log::default();
        log.extend([event(1, 0), event(2, 1), event(3, 2), event(4, 9), event(5, 5)]);
        let chain = |seq| log.causes(seq).iter().map(|event| event.seq).collect::<Vec<_>>();
        assert_eq!((chain(3), chain(4), chain(5)), (vec![3, 2, 1], vec![4], vec![5]));
        assert_eq!(log.effects(2).map(|event| event.seq).collect::<Vec<_>>(), [3]);
        assert_eq!((log.last(), log.after(3).count()), (5, 2));
    }
}
