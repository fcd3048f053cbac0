//! What containers write, line by line with their names in front.
//!
//! Threads read and one place writes: a follower for each container that runs and a listener for the engine's events send messages; who receives them knows who is
//! alive (`logs`, and [`super::foreground`]).

use std::io::{Read as _, Write as _};
use std::sync::mpsc::{Sender, channel};

use serde_json::Value;

use super::observed::label;
use crate::tools::docker::Session;
use crate::tools::docker::api::Ask;
use crate::tools::docker::containers::streams::Frames;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::say;

/// The colours of names, in the order in which they are given out.
const COLOURS: [&str; 10] = ["36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1"];

/// Writes lines with names in front.
pub struct Printer {
    colours: bool,
    prefixes: bool,
    names: Vec<String>,
}

impl Printer {
    /// One for these names; more may come.
    pub fn new(colours: bool, prefixes: bool, names: &[String]) -> Self {
        Printer { colours, prefixes, names: names.to_vec() }
    }

    fn colour(&mut self, name: &str) -> &'static str {
        let at = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        COLOURS[at % COLOURS.len()]
    }

    fn coloured(&mut self, name: &str, text: &str) -> String {
        let code = self.colour(name);
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn prefixed(&mut self, name: &str, line: &str) -> String {
        if !self.prefixes {
            return format!("{line}\n");
        }
        // A new name may be the longest.
        self.colour(name);
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + 1;
        let prefix = self.coloured(name, &format!("{name:<width$} | "));
        format!("{prefix}{line}\n")
    }

    /// A line of a container, to standard output or error as it was written.
    pub fn line(&mut self, name: &str, stream: u8, line: &str) {
        let text = self.prefixed(name, line);
        if stream == 2 {
            // Whoever reads may have had enough of it.
            drop(std::io::stderr().write_all(text.as_bytes()));
        } else {
            say(&text);
        }
    }

    /// A line about a container.
    pub fn status(&mut self, name: &str, text: &str) {
        let text = self.coloured(name, &format!("{name} {text}"));
        say(&format!("{text}\n"));
    }
}

/// What the loop hears.
pub enum Message {
    /// A container has written a line.
    Line(String, u8, String),
    /// All that a container has written until it ended was read.
    Drained(String),
    /// A container has started.
    Started(String),
    /// A container has ended, with this code.
    Died(String, i64),
    /// Ctrl-C, or another program's wish to end.
    Interrupt,
    /// Everything was started, or not.
    Begun(Result),
    /// Everything was stopped.
    Stopped(Result),
    /// The engine tells nothing any more.
    Deaf,
}

/// Cuts what comes in pieces into lines.
#[derive(Default)]
struct Lines {
    left: [Vec<u8>; 3],
}

impl Lines {
    fn take(&mut self, stream: u8, bytes: &[u8], put: &mut dyn FnMut(u8, String)) {
        let left = &mut self.left[usize::from(stream).min(2)];
        left.extend_from_slice(bytes);
        while let Some(end) = left.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = left.drain(..=end).collect();
            put(stream, text(&line));
        }
    }

    fn rest(&mut self, put: &mut dyn FnMut(u8, String)) {
        for stream in [1, 2] {
            let left = std::mem::take(&mut self.left[usize::from(stream)]);
            if !left.is_empty() {
                put(stream, text(&left));
            }
        }
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned()
}

/// What is read of a container's log.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Whether it goes on until the container ends.
    pub follow: bool,
    /// So many lines; empty: all.
    pub tail: String,
    /// From this moment on, as the API has it.
    pub since: Option<String>,
    /// Up to this one.
    pub until: Option<String>,
    /// With times.
    pub timestamps: bool,
}

/// Reads a container's log and hands its lines on.
///
/// # Errors
/// The engine says no.
pub fn read(session: &Session, id: &str, reading: &Reading, put: &mut dyn FnMut(u8, String)) -> Result {
    let api = session.api()?;
    let shown = api.json(Ask::get(&format!("/containers/{id}/json")))?;
    let tty = shown["Config"]["Tty"] == true;
    let path = format!("/containers/{id}/logs");
    let ask = Ask::get(&path)
        .with("stdout", "1")
        .with("stderr", "1")
        .switch("follow", reading.follow)
        .switch("timestamps", reading.timestamps)
        .maybe("since", reading.since.clone())
        .maybe("until", reading.until.clone())
        .with("tail", if reading.tail.is_empty() { "all" } else { &reading.tail });
    let mut answer = api.ask(ask)?;
    let (mut frames, mut lines, mut buffer) = (Frames::default(), Lines::default(), vec![0; 32 << 10]);
    loop {
        let count = answer.read(&mut buffer)?;
        if count == 0 {
            lines.rest(put);
            return Ok(());
        }
        if tty {
            lines.take(1, &buffer[..count], put);
        } else {
            frames.take(&buffer[..count], &mut |stream, bytes| lines.take(stream, bytes, put));
        }
    }
}

/// Follows a container in a thread.
///
/// # Errors
/// The kernel gives no more descriptors.
pub fn spawn(session: &Session, id: &str, reading: Reading, to: &Sender<Message>) -> Result {
    let (session, id, to) = (session.another()?, id.to_owned(), to.clone());
    std::thread::spawn(move || {
        // Nobody may listen any more, here and below; a log that cannot be read has no lines.
        let _ = read(&session, &id, &reading, &mut |stream, line| drop(to.send(Message::Line(id.clone(), stream, line))));
        let _ = to.send(Message::Drained(id.clone()));
    });
    Ok(())
}

/// Listens in a thread to what happens to the containers of a project. From when this returns on nothing is missed.
///
/// # Errors
/// The engine says no.
pub fn listen(session: &Session, project: &str, to: &Sender<Message>) -> Result {
    let (own, to, project) = (session.another()?, to.clone(), project.to_owned());
    let (ready, is_ready) = channel::<Result>();
    std::thread::spawn(move || {
        let filters = [format!("label={}={project}", label::PROJECT), "type=container".to_owned()];
        let asked = own.api().and_then(|api| api.ask(Ask::get("/events").filters(&filters)));
        let mut events = match asked {
            Ok(events) => {
                ready.send(Ok(())).ok();
                events
            }
            Err(failure) => {
                ready.send(Err(failure)).ok();
                return;
            }
        };
        while let Ok(Some(event)) = events.document() {
            let Some(message) = heard(&event) else { continue };
            if to.send(message).is_err() {
                return;
            }
        }
        // Nobody may listen any more.
        let _ = to.send(Message::Deaf);
    });
    is_ready.recv().map_err(|_| Failure::new("the listener for the engine's events ended before it began"))?
}

fn heard(event: &Value) -> Option<Message> {
    let attributes = &event["Actor"]["Attributes"];
    let id = event["Actor"]["ID"].as_str()?.to_owned();
    if attributes[label::ONEOFF].as_str() == Some("True") {
        return None;
    }
    match event["Action"].as_str()? {
        "start" => Some(Message::Started(id)),
        "die" => {
            let code = attributes["exitCode"].as_str().and_then(|code| code.parse().ok()).unwrap_or(0);
            Some(Message::Died(id, code))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines_by_stream() {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        let mut put = |stream: u8, line: String| all.push((stream, line));
        lines.take(1, b"one\ntw", &mut put);
        lines.take(2, b"err\r\n", &mut put);
        lines.take(1, b"o\nrest", &mut put);
        lines.rest(&mut put);
        let told: Vec<(u8, &str)> = all.iter().map(|(stream, line)| (*stream, line.as_str())).collect();
        assert_eq!(told, [(1, "one"), (2, "err"), (1, "two"), (1, "rest")]);
    }

    #[test]
    fn names_stand_in_front_as_wide_as_the_longest() {
        let mut printer = Printer::new(false, true, &["db-1".to_owned(), "worker-1".to_owned()]);
        assert_eq!(printer.prefixed("db-1", "hello"), "db-1      | hello\n");
        assert_eq!(printer.prefixed("worker-1", "hello"), "worker-1  | hello\n");
        let mut coloured = Printer::new(true, true, &["db-1".to_owned()]);
        assert_eq!(coloured.prefixed("db-1", "x"), "\x1b[36mdb-1  | \x1b[0mx\n");
        assert_eq!(coloured.prefixed("web-1", "x"), "\x1b[33mweb-1  | \x1b[0mx\n");
        assert_eq!(Printer::new(true, false, &[]).prefixed("web-1", "x"), "x\n");
    }
}
