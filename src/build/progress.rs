//! Printers of a build's events: BuildKit's plain lines, its screen, its JSON, and the classic builder's words.
//!
//! A printer writes to whatever it is given, so that a command line and an engine can use the same.

use std::io::Write;
use std::sync::Mutex;

use super::error::Error;
use super::events::{Event, Listener};

mod classic;
mod json;
mod plain;
mod screen;
mod vertices;

pub use vertices::Vertices;

/// How a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `#5 [2/4] RUN ...`.
    Plain,
    /// Lines that change in place, as wide as the terminal.
    Screen(usize),
    /// One JSON document a line.
    Json,
    /// Nothing but errors.
    Quiet,
    /// `Step 1/4 : FROM alpine`.
    Classic,
}

/// A printer.
pub struct Printer {
    style: Style,
    inner: Mutex<Inner>,
}

struct Inner {
    out: Box<dyn Write + Send>,
    vertices: Vertices,
    /// The vertex whose lines come now.
    current: Option<usize>,
    /// How many lines the screen has, to be drawn over.
    drawn: usize,
}

impl Printer {
    /// A printer of a style that writes to `out`.
    pub fn new(style: Style, out: Box<dyn Write + Send>) -> Self {
        let inner = Inner { out, vertices: Vertices::default(), current: None, drawn: 0 };
        Printer { style, inner: Mutex::new(inner) }
    }

    /// What a failed build says at its end: the last words of what failed, the lines of the Dockerfile, why.
    pub fn failure(&self, error: &Error, name: &str, text: &str) -> String {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.style == Style::Classic {
            return format!("{}\n", classic::failure(&error.to_string()));
        }
        let mut all = String::new();
        if let Some(vertex) = error.vertex {
            all.push_str(&inner.vertices.last_words(vertex));
        }
        if let Some(lines) = error.lines {
            all.push_str(&excerpt(name, text, lines));
        }
        all.push_str(&format!("ERROR: failed to build: failed to solve: {error}\n"));
        all
    }

    /// A number that no vertex has.
    pub fn next_vertex(&self) -> usize {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.vertices.all.keys().next_back().map_or(1, |last| last + 1)
    }

    /// Ends the drawing: what follows stands below.
    pub fn finish(&self, failed: bool) {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Style::Screen(columns) = self.style {
            screen::draw(&mut inner, columns, Some(failed));
        }
        // Nobody reads any more: then nobody misses it.
        let _ = inner.out.flush();
    }
}

impl Listener for Printer {
    fn tell(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.vertices.take(&event);
        let written = match self.style {
            Style::Plain => plain::print(&mut inner, &event),
            Style::Screen(columns) => {
                screen::draw(&mut inner, columns, None);
                Ok(())
            }
            Style::Json => json::print(&mut inner, &event),
            Style::Classic => classic::print(&mut inner, &event),
            Style::Quiet => Ok(()),
        };
        // A reader that has gone does not stop a build.
        let _ = written;
    }
}

/// The lines around an instruction, with a mark at its own, as BuildKit shows them.
pub fn excerpt(name: &str, text: &str, (first, last): (usize, usize)) -> String {
    const AROUND: usize = 2;
    let mut all = format!("{name}:{first}\n--------------------\n");
    // A long instruction is shown whole, and with its surroundings at least four lines.
    let (from, to) = (first.saturating_sub(AROUND).max(1), last + AROUND);
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(number, _)| (from..=to).contains(number)) {
        let mark = if (first..=last).contains(&number) { ">>>" } else { "   " };
        all.push_str(format!("{number:>4} | {mark} {line}").trim_end());
        all.push('\n');
    }
    all.push_str("--------------------\n");
    all
}

/// A length as BuildKit shows it: `120B`, `3.20kB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes}B") } else { format!("{value:.2}{}", UNITS[unit]) }
}

#[cfg(test)]
mod tests;
