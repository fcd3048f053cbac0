//! What is known of each vertex.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::build::events::Event;

/// As many lines of a vertex' log are kept for the end.
const KEPT: usize = 20;

/// How a vertex is.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// At work.
    Open,
    /// Done, after so long.
    Done(Duration),
    /// It was there.
    Cached,
    /// Failed.
    Failed(String),
    /// Stopped.
    Canceled,
}

/// One vertex.
#[derive(Debug, Clone)]
pub struct One {
    /// Its name.
    pub name: String,
    /// When it began.
    pub began: Instant,
    /// How it is.
    pub end: End,
    /// Pieces of its work that are done.
    pub statuses: Vec<String>,
    /// The last whole lines that it wrote, each with its time.
    pub log: Vec<(Duration, String)>,
    /// A line that is not yet whole.
    partial: Vec<u8>,
    /// Whole lines that were not printed yet.
    fresh: Vec<(Duration, String)>,
}

/// All vertices.
#[derive(Debug, Default)]
pub struct Vertices {
    /// By number.
    pub all: BTreeMap<usize, One>,
}

impl Vertices {
    /// Takes an event.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Begun(id, name) => {
                let one = One {
                    name: name.clone(),
                    began: Instant::now(),
                    end: End::Open,
                    statuses: Vec::new(),
                    log: Vec::new(),
                    partial: Vec::new(),
                    fresh: Vec::new(),
                };
                self.all.insert(*id, one);
            }
            Event::Status(id, text) => self.change(*id, |one| one.statuses.push(text.clone())),
            Event::Log(id, at, bytes) => self.change(*id, |one| one.write(*at, bytes)),
            Event::Cached(id) => self.end(*id, End::Cached),
            Event::Done(id, took) => self.end(*id, End::Done(*took)),
            Event::Failed(id, why) => self.end(*id, End::Failed(why.clone())),
            Event::Canceled(id) => self.end(*id, End::Canceled),
            _ => {}
        }
    }

    fn change(&mut self, id: usize, change: impl FnOnce(&mut One)) {
        if let Some(one) = self.all.get_mut(&id) {
            change(one);
        }
    }

    fn end(&mut self, id: usize, end: End) {
        self.change(id, |one| {
            if !one.partial.is_empty() {
                one.write(one.began.elapsed(), b"\n");
            }
            one.end = end;
        });
    }

    /// The lines of a vertex that were not asked for yet.
    pub fn fresh(&mut self, id: usize) -> Vec<(Duration, String)> {
        self.all.get_mut(&id).map(|one| std::mem::take(&mut one.fresh)).unwrap_or_default()
    }

    /// What a failed vertex said last, in a frame.
    pub fn last_words(&self, id: usize) -> String {
        let Some(one) = self.all.get(&id) else { return String::new() };
        let mut all = format!("------\n > {}:\n", one.name);
        for (at, line) in &one.log {
            // Writing to a String never fails.
            let _ = writeln!(all, "{:.3} {line}", at.as_secs_f64());
        }
        all.push_str("------\n");
        all
    }
}

impl One {
    fn write(&mut self, at: Duration, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            self.fresh.push((at, line.clone()));
            self.log.push((at, line));
            if self.log.len() > KEPT {
                self.log.remove(0);
            }
        }
    }
}
