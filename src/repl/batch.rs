//! Without a person: lines from a pipe or a script, one after the other, as a person would type them.
//!
//! As bash does with a script, a line that fails does not stop the rest (`--stop-on-error` does). The exit code is that of the last line that
//! failed, and 0 when none did: a shell line counts with its own exit code, `:check` with 1 unless it passes, what is not understood with 2.
//! A program that waits for input gets the lines that follow, and the end of input after the last one.
//!
//! A line is read when it is needed and not before: what comes through a pipe is answered line by line, so another program can look at an answer
//! before it types the next line.

use std::io::{BufRead, Write as _};

use super::desk::{self, Answer, Desk};
use super::lexer;
use super::typist::{Fed, Typist};
use crate::bottle::shell::console::Person;
use crate::ui::Style;

/// How often a program is told that there is no more input before it is interrupted, and how often it is interrupted before it is killed.
const PATIENCE: u32 = 3;

/// Runs all lines of a script; gives the exit code.
pub fn run(desk: &mut Desk, lines: Box<dyn BufRead>, stop_on_error: bool) -> i32 {
    let mut typist = Script { lines, ends: 0, line_start: true };
    let mut status = 0;
    while let Some(line) = typist.next_command() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        typist.ends = 0;
        let answer = desk.enter(&line, &mut typist);
        desk.attend();
        typist.answer(&answer, &desk.style);
        if answer.status != 0 {
            status = answer.status;
        }
        if answer.quit || (stop_on_error && status != 0) {
            break;
        }
    }
    status
}

struct Script {
    lines: Box<dyn BufRead>,
    /// How often the program in the foreground was told that there is no more.
    ends: u32,
    /// Whether the last thing shown ended its line.
    line_start: bool,
}

impl Script {
    /// The next command with all lines that belong to it.
    fn next_command(&mut self) -> Option<String> {
        let mut command = self.next_line()?;
        while !desk::is_verb(&command) && lexer::goes_on(&command) {
            let Some(line) = self.next_line() else { break };
            command = format!("{command}\n{line}");
        }
        Some(command)
    }

    /// The next line without its end, as [`str::lines`] has them; bytes that are no UTF-8 are replaced. Input that cannot be read ends.
    fn next_line(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        match self.lines.read_until(b'\n', &mut bytes) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => {
                eprintln!("error: read the next line of the script: {error}");
                return None;
            }
        }
        let line = bytes.strip_suffix(b"\n").map_or(&bytes[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
        Some(String::from_utf8_lossy(line).into_owned())
    }

    fn print(&mut self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        // A reader that has gone away ends us by SIGPIPE or makes this fail; either way nobody misses the text.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
        if let Some(last) = bytes.last() {
            self.line_start = *last == b'\n';
        }
    }
}

impl Typist for Script {
    fn person(&mut self) -> Option<Person> {
        None
    }

    fn marks(&self) -> bool {
        false
    }

    /// The shell's terminal ends lines with CR LF; a file wants LF.
    fn show(&mut self, bytes: &[u8]) {
        let text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
        self.print(&text);
    }

    fn answer(&mut self, answer: &Answer, style: &Style) {
        let text = answer.doc.render(style);
        if !text.is_empty() {
            let newline = if self.line_start { "" } else { "\n" };
            self.print(format!("{newline}{text}").as_bytes());
        }
    }

    fn rest(&mut self) -> Option<String> {
        self.next_line()
    }

    fn feed(&mut self, _shell: bool) -> Fed {
        if let Some(line) = self.next_line() {
            return Fed::Line(line);
        }
        self.ends += 1;
        match self.ends {
            ends if ends <= PATIENCE => Fed::End,
            ends if ends <= 2 * PATIENCE => Fed::Interrupt,
            _ => Fed::Kill,
        }
    }

    fn called(&mut self) -> Option<String> {
        None
    }
}
