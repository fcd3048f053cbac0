//! asciicast v2 (docs.asciinema.org/manual/asciicast/v2): a header and one event a line, each a JSON array of time, kind and text.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use crate::kernel::pty::Size;

/// A recording that grows.
pub struct Cast<W> {
    file: W,
    /// The beginning of a character whose rest has not come yet.
    begun: Vec<u8>,
    /// How many events it has.
    pub events: usize,
}

impl<W: Write> Cast<W> {
    /// Begins one. `at`: the time of day, in seconds since 1970.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(mut file: W, size: Size, title: &str, at: u64) -> io::Result<Self> {
        let term = std::env::var("TERM").unwrap_or_else(|_| "xterm-256color".to_owned());
        let header =
            json!({ "version": 2, "width": size.columns, "height": size.rows, "timestamp": at, "title": title, "env": { "TERM": term } });
        writeln!(file, "{header}")?;
        Ok(Cast { file, begun: Vec::new(), events: 0 })
    }

    /// What the terminal showed, so long after the beginning.
    ///
    /// # Errors
    /// As [`Cast::begin`].
    pub fn output(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        self.begun.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.begun) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.begun.len(),
        };
        let rest = self.begun.split_off(whole);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut self.begun, rest)).into_owned();
        if text.is_empty() { Ok(()) } else { self.event(at, "o", &text) }
    }

    /// The terminal has another size.
    ///
    /// # Errors
    /// As [`Cast::begin`].
    pub fn resized(&mut self, at: Duration, size: Size) -> io::Result<()> {
        self.event(at, "r", &format!("{}x{}", size.columns, size.rows))
    }

    fn event(&mut self, at: Duration, kind: &str, text: &str) -> io::Result<()> {
        self.events += 1;
        // Microseconds are what a player can use.
        let seconds = (at.as_secs_f64() * 1e6).round() / 1e6;
        writeln!(self.file, "{}", json!([seconds, kind, text]))?;
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_in_two_pieces_is_one_event() {
        let mut file = Vec::new();
        let mut cast = Cast::begin(&mut file, Size { columns: 80, rows: 24 }, "x", 7).unwrap();
        let arrow = "→".as_bytes();
        cast.output(Duration::from_millis(1500), &[b"a", &arrow[..1]].concat()).unwrap();
        cast.output(Duration::from_secs(2), &arrow[1..]).unwrap();
        cast.output(Duration::from_secs(2), b"\xff\x1b[K").unwrap();
        cast.resized(Duration::from_secs(3), Size { columns: 100, rows: 30 }).unwrap();
        assert_eq!(cast.events, 4);
        let text = String::from_utf8(file).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines[0]["version"].as_u64(), lines[0]["width"].as_u64(), lines[0]["height"].as_u64()), (Some(2), Some(80), Some(24)));
        assert_eq!(lines[1], json!([1.5, "o", "a"]));
        assert_eq!(lines[2], json!([2.0, "o", "→"]));
        assert_eq!(lines[3], json!([2.0, "o", "\u{fffd}\u{1b}[K"]));
        assert_eq!(lines[4], json!([3.0, "r", "100x30"]));
    }
}
