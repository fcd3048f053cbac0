//! Where the X-ray of a runtime command goes: to `--xray FILE`, and inside a bottle always to its journal, where `:zoom` finds it.
//!
//! ```text
//!  line `bottleship oci run web` ── container.run container/web ─┬─ xray mkdir      step outside
//!                                                                ├─ xray clone3     step outside
//!                                                                ├─ xray move_mount step rootfs
//!                                                                ├─ ...
//!                                                                └─ container.exit  data.status 0
//! ```
//! A container that was made by `create` records on after `create` has ended, in a file in its folder; `start` brings that home.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Context, outline};
use crate::journal::{Client, Event, NOTE};
use crate::kernel::xray::{self, Record};
use crate::oci::runtime::{EXEC, Error, INIT, Result, Step};

/// Where the journal of a bottle listens in its hosts; elsewhere there is nothing.
const JOURNAL: &str = "/run/bottleship/journal.sock";

/// What the runtime does outside of the container: before and after the clone, and what only somebody outside can do.
const OUTSIDE: Step =
    Step { name: "outside", sees: "prepare and take back what only somebody outside can", page: "clone(2)", run: |_| Ok(()) };

/// Most events of one message to the journal: a message must fit into a socket's buffer.
const BATCH: usize = 100;

/// A line of the file. Written as it is, without a tree of values in between: that was most of what an X-ray cost.
#[derive(Serialize)]
struct Line<'a> {
    step: &'a str,
    sees: &'a str,
    page: &'a str,
    pid: u32,
    args: &'a str,
    result: i64,
    took_ns: u64,
    seq: u64,
    at: u64,
    call: &'a str,
}

/// The X-ray of one command.
#[derive(Default)]
pub struct Xray {
    file: Option<RefCell<File>>,
    /// The journal, and the event that all others come from.
    journal: Option<(Client, u64)>,
    steps: &'static [Step],
}

impl Xray {
    /// Switches the X-ray on where somebody wants to see it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(context: &Context, command: &str) -> Result<Xray> {
        let file = context.global.value("xray").map(|path| {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
            file.map(RefCell::new).map_err(|error| Error::new(format!("--xray {path}: {error}")))
        });
        let (file, journal) = (file.transpose()?, journal(context, command));
        if file.is_some() || journal.is_some() {
            xray::enable()?;
        }
        Ok(Xray { file, journal, steps: if command == "exec" { EXEC } else { INIT } })
    }

    /// Hands on what was recorded since the last time.
    pub fn flush(&self) {
        if self.file.is_some() || self.journal.is_some() {
            self.write(&xray::take());
        }
    }

    /// Hands on what a container has recorded by itself, if it was created under an X-ray.
    pub fn flush_from(&self, ring: &Path) {
        self.flush();
        if self.file.is_some() || self.journal.is_some() {
            // Without the file it was created without an X-ray.
            self.write(&xray::take_from(ring).unwrap_or_default());
        }
    }

    /// Tells the journal how the process that was waited for has ended.
    pub fn exit(&self, subject: &str, status: i32) {
        self.flush();
        if let Some((client, cause)) = &self.journal {
            // As in `write`: a help for learners, and no reason to fail.
            let _ =
                client.emit(&Event { cause: *cause, data: json!({"status": status}), ..Event::new("runtime", "container.exit", subject) });
        }
    }

    /// Where it goes is a help for learners: when the disk is full or the bottle ends, the container goes on all the same.
    fn write(&self, records: &[Record]) {
        if let Some(file) = &self.file {
            let mut lines = Vec::with_capacity(records.len() * 256);
            for record in records {
                // Strings and numbers always have a text, and memory takes it.
                let _ = serde_json::to_writer(&mut lines, &self.line(record));
                lines.push(b'\n');
            }
            // See above: no reason to fail.
            let _ = file.borrow_mut().write_all(&lines);
        }
        if let Some((client, cause)) = &self.journal {
            let events: Vec<Event> = records.iter().map(|record| self.event(record, *cause)).collect();
            // See above: no reason to fail.
            let _ = events.chunks(BATCH).try_for_each(|batch| client.emit_all(batch).map(drop));
        }
    }

    fn step(&self, record: &Record) -> &Step {
        (record.step as usize).checked_sub(1).and_then(|index| self.steps.get(index)).unwrap_or(&OUTSIDE)
    }

    fn line<'a>(&'a self, record: &'a Record) -> Line<'a> {
        let step = self.step(record);
        Line {
            step: step.name,
            sees: step.sees,
            page: step.page,
            pid: record.pid,
            args: &record.args,
            result: record.result,
            took_ns: record.took.as_nanos() as u64,
            seq: record.seq,
            at: record.started,
            call: &record.call,
        }
    }

    fn event(&self, record: &Record, cause: u64) -> Event {
        let subject = if record.call == xray::NOTE { NOTE } else { &record.call };
        Event { at: record.started, cause, data: self.data(record), ..Event::new("runtime", "xray", subject) }
    }

    fn data(&self, record: &Record) -> Value {
        let step = self.step(record);
        json!({
            "step": step.name, "sees": step.sees, "page": step.page, "pid": record.pid,
            "args": record.args, "result": record.result, "took_ns": record.took.as_nanos() as u64,
        })
    }
}

/// The journal of the bottle that we are in, with an event for this command; it is caused by the line that was typed last.
fn journal(context: &Context, command: &str) -> Option<(Client, u64)> {
    let client = Client::connect(Path::new(JOURNAL)).ok()?;
    let id = context.arguments.operands().first().map_or("", String::as_str);
    let mut event = Event::new("runtime", &format!("container.{command}"), format!("container/{id}"));
    if let Some(spec) = outline::of(context, command) {
        event.data = json!({ "spec": spec });
    }
    let seq = client.emit(&event).ok()?;
    Some((client, seq))
}
