//! Typing lines into a shell without a person: for replays and for the prover.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
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

/// How long a line that keys had ended is given to end without them, or to wait for them.
const STEERED: Duration = Duration::from_secs(1);
/// How long a program that was told to end may still hold the terminal: a client waits for its engine.
const LEAVING: Duration = Duration::from_secs(3);
/// How long a program may take to end after Ctrl-C.
const ENDING: Duration = Duration::from_secs(2);

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

/// Types lines into a shell, each once the one before has ended and what it left in the background has begun.
pub struct Typing<'s> {
    shell: &'s mut Shell,
    in_program: bool,
    /// What the last line printed.
    pub output: Vec<u8>,
    /// Becomes readable when the typing is to be given up.
    stop: Option<Arc<OwnedFd>>,
}

impl<'s> Typing<'s> {
    /// Types at a shell that is ready for a line.
    pub fn new(shell: &'s mut Shell) -> Self {
        Typing { shell, in_program: false, output: Vec::new(), stop: None }
    }

    /// As [`Typing::new`], where an earlier line may have left a program that takes the next one.
    pub fn resume(shell: &'s mut Shell, in_program: bool) -> Self {
        Typing { shell, in_program, output: Vec::new(), stop: None }
    }

    /// Gives the typing up once `stop` can be read.
    pub fn until(mut self, stop: &Option<Arc<OwnedFd>>) -> Self {
        self.stop.clone_from(stop);
        self
    }

    fn stopped(&self) -> Result<bool, Error> {
        let Some(stop) = &self.stop else { return Ok(false) };
        Ok(!poll::readable(&[stop.as_fd()], Some(Duration::ZERO))?.is_empty())
    }

    /// Types one line, which may have several lines, and follows it to its end.
    ///
    /// # Errors
    /// The terminal failed, or the line did not end in time.
    pub fn line(&mut self, text: &str) -> Result<Outcome, Error> {
        match self.within(text, poll::stretched(PATIENCE))? {
            Some(outcome) => Ok(outcome),
            None => {
                self.shell.keys(b"\x03")?;
                let first = text.lines().next().unwrap_or_default();
                Err(kernel::Error::new("wait for the end of", first, kernel::error::Errno::ETIMEDOUT).into())
            }
        }
    }

    /// Types a line of a person's again. `steered`: keys were typed while it ran, and are not known any more: a program that waits for them, or for a
    /// Ctrl-C, is ended. A line that does not end in time is ended as well: what comes after it was typed too.
    ///
    /// # Errors
    /// The terminal failed, or a program in it cannot even be killed.
    pub fn again(&mut self, text: &str, steered: bool) -> Result<Outcome, Error> {
        let patience = poll::stretched(if steered { STEERED } else { PATIENCE });
        match self.within(text, patience)? {
            Some(Outcome::Program) if steered => self.end_program(text),
            None => self.end_program(text),
            Some(outcome) => Ok(outcome),
        }
    }

    /// Where the next line is for the shell and a program still holds the terminal: waits for its end, and gives how the shell waits then. None if
    /// there is no program, or it stays.
    ///
    /// # Errors
    /// The terminal failed.
    pub fn shell_again(&mut self) -> Result<Option<Ready>, Error> {
        if !self.in_program {
            return Ok(None);
        }
        self.hear(poll::stretched(LEAVING))
    }

    /// Where a program holds the terminal: what it says next goes to the output. Gives how the shell waits once it does again; none after `patience`.
    ///
    /// # Errors
    /// The terminal failed.
    pub fn hear(&mut self, patience: Duration) -> Result<Option<Ready>, Error> {
        let deadline = Instant::now() + patience;
        while let Some(event) = self.shell.next(Some(deadline.saturating_duration_since(Instant::now())))? {
            match event {
                Event::Output(bytes) => self.output.extend(bytes),
                Event::Ready(ready) => {
                    self.in_program = false;
                    return Ok(Some(ready));
                }
                Event::Gone => return Ok(None),
                Event::Started | Event::More => {}
            }
        }
        Ok(None)
    }

    /// Ctrl-C, and for a program that does not mind it, the end.
    fn end_program(&mut self, text: &str) -> Result<Outcome, Error> {
        self.in_program = false;
        for kill in [false, true, true] {
            if kill {
                self.shell.kill_foreground();
            } else {
                self.shell.keys(b"\x03")?;
            }
            let deadline = Instant::now() + poll::stretched(ENDING);
            while let Some(event) = self.shell.next(Some(deadline.saturating_duration_since(Instant::now())))? {
                match event {
                    Event::Ready(ready) => return Ok(Outcome::Ready(ready)),
                    Event::Gone => return Ok(Outcome::Gone),
                    Event::Output(bytes) => self.output.extend(bytes),
                    Event::Started | Event::More => {}
                }
            }
        }
        Err(kernel::Error::new("end", text.lines().next().unwrap_or_default(), kernel::error::Errno::ETIMEDOUT).into())
    }

    /// What became of a line; none when that is not known in time.
    fn within(&mut self, text: &str, patience: Duration) -> Result<Option<Outcome>, Error> {
        self.output.clear();
        let mut rest = text.split('\n');
        let first = rest.next().unwrap_or_default();
        if self.in_program {
            self.shell.keys(format!("{first}\n").as_bytes())?;
        } else {
            self.shell.send(first)?;
        }
        let mut rest: Vec<&str> = rest.rev().collect();
        let deadline = Instant::now() + patience;
        let silence = poll::stretched(SILENCE);
        let mut quiet_since = Instant::now();
        loop {
            let event = self.shell.next(Some(poll::stretched(LOOK)))?;
            if self.stopped()? {
                return Err(kernel::Error::new("wait for the end of", first, kernel::error::Errno::EINTR).into());
            }
            if event.is_some() {
                quiet_since = Instant::now();
            }
            match event {
                Some(Event::Output(bytes)) => self.output.extend(bytes),
                Some(Event::Started) => {}
                Some(Event::Ready(ready)) => {
                    self.in_program = false;
                    self.output.extend(self.shell.said_behind());
                    self.shell.await_jobs()?;
                    match rest.pop() {
                        Some(line) => self.shell.send(line)?,
                        None => return Ok(Some(Outcome::Ready(ready))),
                    }
                }
                Some(Event::More) => match rest.pop() {
                    Some(line) => self.shell.send(line)?,
                    // An open quote that nobody closes is given up, as a person would with Ctrl-C.
                    None => self.shell.keys(b"\x03")?,
                },
                Some(Event::Gone) => return Ok(Some(Outcome::Gone)),
                // A nested shell is silent for a moment before its first mark comes; a program without marks stays silent.
                None if quiet_since.elapsed() > silence && self.shell.reads_keys() => match rest.pop() {
                    Some(line) => self.shell.keys(format!("{line}\n").as_bytes())?,
                    None => {
                        self.in_program = true;
                        return Ok(Some(Outcome::Program));
                    }
                },
                None if Instant::now() > deadline => return Ok(None),
                None => {}
            }
        }
    }
}
