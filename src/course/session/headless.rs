//! A session without a prompt: lines typed by the prover and the grader, shell lines and the few verbs of transcripts.

use std::time::Duration;

use super::super::error::Error;
use super::super::typing::{Outcome, Typing};
use super::super::view::CheckView;
use super::Session;
use crate::kernel;

/// Whether the shell of a session is inside a program that takes the next line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InProgram(pub bool);

impl Session {
    /// Types one line of a transcript. `:check` gives its view.
    ///
    /// # Errors
    /// The verb refused, the shell has ended, or the line did not end in time.
    pub fn type_line(&mut self, line: &str) -> Result<Option<CheckView>, Error> {
        let Some(verb) = line.strip_prefix(':') else {
            self.type_shell_line(line)?;
            return Ok(None);
        };
        let (verb, rest) = verb.split_once(' ').map_or((verb, ""), |(verb, rest)| (verb, rest.trim()));
        match verb {
            "check" => return self.check().map(Some),
            "answer" => self.answer(rest)?,
            "next" => drop(self.next()?),
            "back" => drop(self.back()?),
            "goto" => drop(self.goto(rest)?),
            "reset" => drop(self.reset()?),
            "hint" => drop(self.hint()?),
            "predict" => drop(self.predict(rest)?),
            "quiz" => drop(self.quiz(rest)?),
            _ => {
                return Err(Error::NotNow {
                    why: format!("`:{verb}` is no verb of a transcript"),
                    hint: "`:check`, `:answer`, `:goto`, `:next`".to_owned(),
                });
            }
        }
        Ok(None)
    }

    /// Types a shell line of a submission on the host that it was typed on. `steered`: as for [`Typing::again`].
    ///
    /// # Errors
    /// As [`Session::type_line`].
    pub fn type_on_host(&mut self, host: &str, line: &str, steered: bool) -> Result<(), Error> {
        match host == super::BENCH {
            true => self.follow(line, |typing| typing.again(line, steered)).map(drop),
            false => self.prover_types(host, line).map(drop),
        }
    }

    /// Types a line into the shell on bench; gives what it printed and its status.
    ///
    /// # Errors
    /// As [`Session::type_line`].
    pub fn type_shell_line(&mut self, line: &str) -> Result<(Vec<u8>, i32), Error> {
        self.follow(line, |typing| typing.line(line))
    }

    fn follow(&mut self, line: &str, types: impl FnOnce(&mut Typing<'_>) -> Result<Outcome, Error>) -> Result<(Vec<u8>, i32), Error> {
        let seq = self.line(super::BENCH, line)?;
        let mut typing = Typing::resume(&mut self.place.shell, self.in_program.0).until(&self.options.stop);
        let outcome = types(&mut typing)?;
        let output = std::mem::take(&mut typing.output);
        // The keys were ours, and the lines that they were are kept.
        self.place.shell.steered();
        let status = match outcome {
            Outcome::Ready(ready) => {
                self.in_program = InProgram(false);
                self.place.ready = ready;
                self.place.ready.status
            }
            Outcome::Program => {
                self.in_program = InProgram(true);
                0
            }
            Outcome::Gone => return Err(kernel::Error::new("type into", "the shell, which has ended", kernel::error::Errno::EIO).into()),
        };
        self.line_end(seq, status)?;
        Ok((output, status))
    }
}

/// What the prover hears of a program that holds the terminal.
pub(in crate::course) struct Heard {
    pub said: Vec<u8>,
    /// Its exit code, once it has ended.
    pub status: Option<i32>,
}

impl Session {
    /// Types a command of a lesson: on bench into the learner's shell, on another host as a command of its own.
    ///
    /// # Errors
    /// As [`Session::type_line`].
    pub(in crate::course) fn prover_types(&mut self, host: &str, text: &str) -> Result<(Vec<u8>, i32), Error> {
        if host == super::BENCH {
            return self.type_shell_line(text);
        }
        let seq = self.line(host, text)?;
        let answer = super::super::world::run(self.place.bottle.host(host)?, text)?;
        let status = answer["code"].as_i64().unwrap_or(124) as i32;
        self.line_end(seq, status)?;
        Ok((answer["text"].as_str().unwrap_or_default().as_bytes().to_vec(), status))
    }

    /// Before a block that is for the shell: a program that the block before has told to end may need a moment for it.
    ///
    /// # Errors
    /// The terminal failed.
    pub(in crate::course) fn prover_awaits_shell(&mut self) -> Result<(), Error> {
        let mut typing = Typing::resume(&mut self.place.shell, self.in_program.0).until(&self.options.stop);
        if let Some(ready) = typing.shell_again()? {
            self.in_program = InProgram(false);
            self.place.ready = ready;
        }
        Ok(())
    }

    /// What a program that seemed to wait for keys says within `patience` all the same. None if none holds the terminal.
    ///
    /// # Errors
    /// The terminal failed.
    pub(in crate::course) fn prover_hears(&mut self, patience: Duration) -> Result<Option<Heard>, Error> {
        if !self.in_program.0 {
            return Ok(None);
        }
        let mut typing = Typing::resume(&mut self.place.shell, true).until(&self.options.stop);
        let ready = typing.hear(patience)?;
        let said = std::mem::take(&mut typing.output);
        let status = ready.as_ref().map(|ready| ready.status);
        if let Some(ready) = ready {
            self.in_program = InProgram(false);
            self.place.ready = ready;
        }
        Ok(Some(Heard { said, status }))
    }

    /// The next step in the same world, whatever the state of this one: for the prover and for demos.
    ///
    /// # Errors
    /// The world is gone, or this was the last step of all.
    pub fn prover_goes_on(&mut self) -> Result<(), Error> {
        self.forward().map(drop)
    }
}
