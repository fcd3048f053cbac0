//! The board of a pull or push: one line per layer, as docker draws it.
//!
//! On a terminal the lines stay where they are and change; elsewhere a line is written when a layer comes a step further, and never for mere bytes.

use std::fmt::Write as _;

use super::units;

/// The width of a bar between its brackets.
const BAR: usize = 50;

/// The lines that were drawn.
#[derive(Debug, Default)]
pub struct Board {
    /// The terminal's width; without one every change is a line of its own.
    columns: Option<usize>,
    lines: Vec<(String, String)>,
}

impl Board {
    /// An empty board, for a terminal so wide, or for a file.
    pub fn new(columns: Option<usize>) -> Self {
        Board { columns, lines: Vec::new() }
    }

    /// A text that stays above the lines to come.
    pub fn say(&mut self, text: &str) -> String {
        self.lines.clear();
        format!("{text}\n")
    }

    /// What to write when the layer `id` is at `status` now, with so many of so many bytes if they count.
    pub fn set(&mut self, id: &str, status: &str, bytes: Option<(u64, u64)>) -> String {
        let Some(columns) = self.columns else {
            let known = self.lines.iter_mut().find(|(known, _)| known == id);
            return match known {
                Some((_, old)) if old == status => String::new(),
                // Bytes alone are no news for a file.
                _ if bytes.is_some() => String::new(),
                Some((_, old)) => {
                    *old = status.to_owned();
                    format!("{id}: {status}\n")
                }
                None => {
                    self.lines.push((id.to_owned(), status.to_owned()));
                    format!("{id}: {status}\n")
                }
            };
        };
        let line = cut(&format!("{id}: {status} {}", bytes.map_or_else(String::new, |(now, all)| bar(now, all, columns))), columns);
        let Some(at) = self.lines.iter().position(|(known, _)| known == id) else {
            self.lines.push((id.to_owned(), line.clone()));
            return format!("{line}\n");
        };
        if self.lines[at].1 == line {
            return String::new();
        }
        self.lines[at].1.clone_from(&line);
        let up = self.lines.len() - at;
        let mut text = String::new();
        // Up, clear the line, write, and back down: the cursor is always below the last line.
        write!(text, "\x1b[{up}A\r\x1b[2K{line}\x1b[{up}B\r").ok();
        text
    }
}

/// `[=====>     ]  1.2MB/3.4MB`, as long as it fits into so many columns.
pub fn bar(now: u64, all: u64, columns: usize) -> String {
    let sizes = format!("{:>8}/{}", units::precise(now), units::precise(all));
    if columns < 90 || all == 0 {
        return sizes;
    }
    let done = usize::try_from(now.min(all) * BAR as u64 / all).unwrap_or(BAR);
    let (full, head) = if done == BAR { ("=".repeat(BAR), "") } else { ("=".repeat(done), ">") };
    format!("[{:<BAR$}]  {sizes}", format!("{full}{head}"))
}

fn cut(text: &str, columns: usize) -> String {
    text.trim_end().chars().take(columns.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_one_line_a_step() {
        let mut board = Board::new(None);
        let mut text = board.say("latest: Pulling from library/alpine");
        for (id, status, bytes) in [
            ("a1", "Pulling fs layer", None),
            ("a1", "Downloading", Some((1, 2))),
            ("a1", "Download complete", None),
            ("a1", "Download complete", None),
            ("b2", "Already exists", None),
        ] {
            text += &board.set(id, status, bytes);
        }
        assert_eq!(text, "latest: Pulling from library/alpine\na1: Pulling fs layer\na1: Download complete\nb2: Already exists\n");
    }

    #[test]
    fn a_terminal_keeps_its_lines() {
        let mut board = Board::new(Some(100));
        assert_eq!(board.set("a1", "Waiting", None), "a1: Waiting\n");
        board.set("b2", "Waiting", None);
        let drawn = board.set("a1", "Downloading", Some((500, 1000)));
        assert!(
            drawn.starts_with("\x1b[2A\r\x1b[2Ka1: Downloading [=========================>") && drawn.ends_with("500B/1kB\x1b[2B\r"),
            "{drawn:?}"
        );
        assert_eq!(board.set("a1", "Downloading", Some((500, 1000))), "", "no change, no bytes");
        let mut narrow = Board::new(Some(40));
        assert!(narrow.set("a1b2c3d4e5f6", "Downloading", Some((5, 10))).trim_end().len() < 40);
    }
}
