//! `:zoom on`: the kernel calls of the learner's shell and of all that it starts, by the ptrace tracer running beside it on the host.
//!
//! The tracer writes each call before the program that made it goes on. So when the shell is at its prompt again, all calls of the line are
//! in the pipe, and nothing has to be waited for.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd};

use crate::bottle::shell::console::Side;
use crate::bottle::{Bottle, Error, Host, Run, Running};
use crate::journal::{self, Event};

/// A tracer at work.
pub struct Tracer {
    running: Running,
    pipe: Option<File>,
    unread: Vec<u8>,
    /// Events of the current line.
    pub events: Vec<Event>,
}

impl Tracer {
    /// Attaches to the process `pid` of a host; returns when it is attached.
    ///
    /// # Errors
    /// The tracer could not be started or attached; the error says what it said.
    pub fn attach(host: &Host, pid: i32) -> Result<Self, Error> {
        let argv = ["bottleship", "xray-attach", &pid.to_string()].map(str::to_owned).into();
        let mut running = host.spawn(&Run { argv, service: true, ..Run::default() })?;
        let pipe = running.stdout.take().map(File::from);
        let mut tracer = Tracer { running, pipe, unread: Vec::new(), events: Vec::new() };
        while !tracer.unread.contains(&b'\n') {
            if tracer.pipe.is_none() {
                let said = tracer.complaint();
                let why = said.lines().find_map(|line| line.strip_prefix("cause: ")).unwrap_or("it ended at once").to_owned();
                return Err(Error::Refused { doing: format!("trace your shell (process {pid})"), why, errno: None, hint: None });
            }
            tracer.fill();
        }
        let first = tracer.unread.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        tracer.unread.drain(..=first);
        Ok(tracer)
    }

    /// Hands the line's calls to the journal, caused by the line.
    pub fn hand_over(&mut self, bottle: &Bottle, line: u64, host: &str) {
        for mut event in self.events.drain(..) {
            event.cause = line;
            event.host = host.to_owned();
            // A journal that is gone takes no more events; the shell that goes with it says so.
            let _ = bottle.emit(&event);
        }
    }

    /// Reads once; nothing more comes after the end.
    fn fill(&mut self) {
        let mut bytes = [0; 16 * 1024];
        match self.pipe.as_mut().map(|pipe| pipe.read(&mut bytes)) {
            Some(Ok(read @ 1..)) => self.unread.extend_from_slice(&bytes[..read]),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => self.pipe = None,
        }
    }

    /// What it said when it ended at once.
    fn complaint(&mut self) -> String {
        let mut said = String::new();
        if let Some(pipe) = self.running.stderr.take() {
            // What could be read is what there is to say.
            let _ = File::from(pipe).read_to_string(&mut said);
        }
        said
    }
}

impl Side for Tracer {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(|pipe| pipe.as_fd())
    }

    fn read(&mut self) {
        self.fill();
        let parsed = journal::reader::parse(&self.unread);
        self.unread.drain(..parsed.used);
        self.events.extend(parsed.events);
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // SIGTERM: the kernel lets the followed programs go when their tracer ends.
        let _ = self.running.kill(15);
    }
}
