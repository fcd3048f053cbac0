//! Typing lines into a shell without a person: for replays and for the prover.

use std::time::{Duration, Instant};

use super::error::Error;
use crate::bottle::shell::{Event, Ready, Shell};
use crate::kernel::{self, poll};

/// How long a line may run.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether a program waits for keys; no descriptor announces that.
const LOOK: Duration = Duration::from_millis(20);

/// How long a program must wait for keys in silence until it counts as one that makes no marks.
const SILENCE: Duration = Duration::from_millis(250);

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The shell waits again.
    Ready(Ready),
    /// A program that line started waits for input: the next line goes to it.
    Program,
    /// The shell has ended.
    Gone,
}

/// Types lines into a shell.
pub struct Typing<'s> {
    shell: &'s mut Shell,
    in_program: bool,
    /// What the last line printed.
    pub output: Vec<u8>,
}

impl<'s> Typing<'s> {
    pub fn new(shell: &'s mut Shell) -> Self {
        Typing { shell, in_program: false, output: Vec::new() }
    }

    /// As [`Typing::new`], where an earlier line may have left a program that takes the next one.
    pub fn resume(shell: &'s mut Shell, in_program: bool) -> Self {
        Typing { shell, in_program, output: Vec::new() }
    }

    /// Types one line, which may have several lines, and follows it to its end.
    ///
    /// # Errors
    /// The terminal failed, or the line did not end in time.
    pub fn line(&mut self, text: &str) -> Result<Outcome, Error> {
        self.output.clear();
        let mut rest = text.split('\n');
        let first = rest.next().unwrap_or_default();
        if self.in_program {
            self.shell.keys(format!("{first}\n").as_bytes())?;
        } else {
            self.shell.send(first)?;
        }
        let mut rest: Vec<&str> = rest.rev().collect();
        let deadline = Instant::now() + poll::stretched(PATIENCE);
        let silence = poll::stretched(SILENCE);
        let mut quiet_since = Instant::now();
        loop {
            let event = self.shell.next(Some(poll::stretched(LOOK)))?;
            if event.is_some() {
                quiet_since = Instant::now();
            }
            match event {
                Some(Event::Output(bytes)) => self.output.extend(bytes),
                Some(Event::Started) => {}
                Some(Event::Ready(ready)) => {
                    self.in_program = false;
                    match rest.pop() {
                        Some(line) => self.shell.send(line)?,
                        None => return Ok(Outcome::Ready(ready)),
                    }
                }
                Some(Event::More) => match rest.pop() {
                    Some(line) => self.shell.send(line)?,
                    // An open quote that nobody closes is given up, as a person would with Ctrl-C.
                    None => self.shell.keys(b"\x03")?,
                },
                Some(Event::Gone) => return Ok(Outcome::Gone),
                // A nested shell is silent for a moment before its first mark comes; a program without marks stays silent.
                None if quiet_since.elapsed() > silence && self.shell.reads_keys() => match rest.pop() {
                    Some(line) => self.shell.keys(format!("{line}\n").as_bytes())?,
                    None => {
                        self.in_program = true;
                        return Ok(Outcome::Program);
                    }
                },
                None if Instant::now() > deadline => {
                    self.shell.keys(b"\x03")?;
                    return Err(kernel::Error::new("wait for the end of", first, kernel::error::Errno::ETIMEDOUT).into());
                }
                None => {}
            }
        }
    }
}
