//! The learner's own shell: the machine's bash on a pty of a host, driven line by line.
//!
//! The person edits lines in our prompt; the finished line is typed into the shell's terminal. The shell lives on between lines, so
//! variables, functions, aliases, the working directory, jobs and `$?` do too. Three marks in the shell's output (see [`marks`]) tell
//! where a line ends, so nothing here guesses from prompts or sleeps:
//!
//! ```text
//!   we type     ls -l⏎
//!   comes back  ls -l⏎   the echo, taken out (see [`echo`])
//!               C        bash has read the line and runs it
//!               ...      output; keys go straight to the program in the foreground
//!               P        bash waits again: status, folder, depth        (M: it waits for the rest of the command)
//! ```
//!
//! A shell inside the shell (in a chroot, in new namespaces) inherits the marks by its environment, so the prompt goes on there. A program
//! that makes no marks (python, sh, ssh, vim) simply has the terminal until the next P comes.
//!
//! Invariants: one line is typed at a time; between P and the next line nothing is typed. What is left in the terminal's queue when P comes
//! is either a whole line, which bash takes, or the beginning of one, which is handed to the editor.

mod background;
pub mod console;
pub mod echo;
mod event;
pub mod keyboard;
pub mod marks;
mod place;

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use echo::Echo;
use marks::{Mark, Piece, Scanner};

use super::{Error, Host, Run, Running};
use crate::kernel::{self, foreground, jobs::Jobs, poll, pty};

pub use crate::kernel::pty::Size;
pub use background::Background;
pub use event::{Event, Ready};
pub use place::{Entry, Place};

/// Where rc files lie on a host; each shell has its own, for its own nonce.
const RC_FILES: &str = "/run/bottleship/bashrc";
/// How long bash may take to its first prompt; a learner's own `.bashrc` may be slow, or wait for ever.
const START: Duration = Duration::from_secs(20);

/// The longest line that goes through the terminal's line mode, in bytes. The kernel keeps 4095 and drops the rest without a word.
const LONGEST_LINE: usize = 4000;
/// The number of the signal that no program can refuse, on every architecture.
const SIGKILL: i32 = 9;
/// How long a shell may take to read a line that it was given in pieces. It is blocked in read(2) then; this is for one that was stopped.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at a shell that may or may not wait.
const LOOK: Duration = Duration::from_millis(1);
/// After this a shell that we may not look at counts as waiting.
const SETTLED: Duration = Duration::from_millis(100);

/// The result of talking to a shell: it fails when its terminal does.
pub type Talk<T> = kernel::Result<T>;

/// The driver of one shell.
pub struct Shell {
    tty: OwnedFd,
    /// Becomes readable when the first shell has ended.
    ended: OwnedFd,
    scanner: Scanner,
    echo: Echo,
    events: VecDeque<Event>,
    /// SHLVL of the first shell, once it has said it.
    top: Option<u32>,
    /// While bash is being told not to edit lines itself: the prompt that will be reported then.
    quieting: Option<marks::Prompt>,
    /// Whether bash has read that line.
    quieted: bool,
    /// A prompt that came after keys were typed ahead: it is true once bash is seen to wait.
    settling: Option<(marks::Prompt, Instant)>,
    /// What was typed in line mode since the last Enter, while a command ran.
    tail: Vec<u8>,
    /// Whether anything was typed since the last line was sent.
    typed: bool,
    /// As `typed`, until somebody asks.
    steered: bool,
    /// What was left in the background and has begun.
    jobs: Jobs,
    running: Option<Running>,
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("tty", &self.tty).finish_non_exhaustive()
    }
}

impl Shell {
    /// Starts bash on a host, as its root, and waits until it is at its prompt.
    ///
    /// # Errors
    /// The host has no bash, or is gone; or bash ended instead of waiting.
    pub fn start(host: &Host, size: Size) -> Result<(Shell, Ready), Error> {
        let nonce = format!("{:08x}{:08x}", std::process::id(), kernel::xray::now() as u32);
        let rc_file = format!("{RC_FILES}-{nonce}");
        host.write_file(&rc_file, marks::rc_file(&nonce).as_bytes(), 0o644)?;
        let run = Run {
            argv: ["bash", "--noediting", "--rcfile", &rc_file, "-i"].map(str::to_owned).into(),
            tty: Some((size.columns, size.rows)),
            ..Run::default()
        };
        let mut running = host.spawn(&run)?;
        let gone = || Error::Gone { name: host.name().to_owned() };
        let tty = running.tty.take().ok_or_else(gone)?;
        let mut shell = Shell::over(tty, clone(&running.control).map_err(Error::at("watch bash"))?, &nonce);
        shell.running = Some(running);
        let mut said = Vec::new();
        loop {
            match shell.next(Some(poll::stretched(START))).map_err(Error::at("start bash"))? {
                Some(Event::Ready(ready)) => {
                    // Not by the shell: a program started before the first prompt is a program waited for.
                    host.remove_file(&rc_file)?;
                    return Ok((shell, ready));
                }
                Some(Event::Output(bytes)) => said.extend(bytes),
                Some(Event::Started | Event::More) => {}
                ended => {
                    let what = if ended.is_some() { "it ended at once" } else { "it does not come to its prompt" };
                    let why = format!("{what}: {}", String::from_utf8_lossy(&said).trim());
                    let hint = Some("a line in ~/.bashrc on that host may be the reason".to_owned());
                    return Err(Error::Refused { doing: format!("start bash on `{}`", host.name()), why, errno: None, hint });
                }
            }
        }
    }

    /// The shell's process id in its host; unknown for one that was started elsewhere.
    pub fn pid(&self) -> Option<i32> {
        self.running.as_ref().map(|running| running.pid)
    }

    /// A second ear at the shell, for while it waits and background jobs may speak.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn background(&self) -> kernel::Result<Background> {
        Ok(Background::new(clone(&self.tty)?, self.scanner.clone()))
    }

    /// Takes in what a [`Background`] has read and shown.
    ///
    /// # Errors
    /// As [`Shell::next`].
    pub fn absorb(&mut self, bytes: &[u8]) -> kernel::Result<()> {
        for piece in self.scanner.feed(bytes) {
            if let Piece::Mark(_) = piece {
                self.take(piece)?;
            }
        }
        Ok(())
    }

    /// Drives a bash that was started with the rc file [`marks::rc_file`] of the same nonce, without line editing. `tty` is the master of its
    /// terminal; `ended` becomes readable when it has ended (a pidfd).
    pub fn over(tty: OwnedFd, ended: OwnedFd, nonce: &str) -> Self {
        Shell {
            tty,
            ended,
            scanner: Scanner::new(nonce),
            echo: Echo::default(),
            events: VecDeque::new(),
            top: None,
            quieting: None,
            quieted: false,
            settling: None,
            tail: Vec::new(),
            typed: false,
            steered: false,
            jobs: Jobs::default(),
            running: None,
        }
    }

    /// Types `line` (without its end) and Enter. The shell must be waiting: after [`Event::Ready`] or [`Event::More`].
    ///
    /// # Errors
    /// The terminal is gone, or the shell does not read it.
    pub fn send(&mut self, line: &str) -> kernel::Result<()> {
        self.tail.clear();
        self.typed = false;
        self.steered = false;
        if line.len() > LONGEST_LINE || line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return self.send_verbatim(line);
        }
        self.echo = Echo::of(line);
        self.write(format!("{line}\n").as_bytes())
    }

    /// Line mode keeps 4095 bytes and obeys control characters. So the text goes in with line mode off, and once bash has read it
    /// all, line mode comes back and Enter is typed: programs never see the changed terminal.
    fn send_verbatim(&mut self, line: &str) -> kernel::Result<()> {
        let slave = pty::peer(self.tty.as_fd())?;
        let mode = pty::verbatim(slave.as_fd())?;
        for chunk in line.as_bytes().chunks(1024) {
            self.echo = Echo::exactly(chunk);
            self.write(chunk)?;
            self.await_echo()?;
            poll::until("the shell to read a long line", PATIENCE, || Ok(pty::waiting(slave.as_fd())? == 0))?;
        }
        drop(mode);
        self.echo = Echo::of("");
        self.write(b"\n")
    }

    /// Until the terminal has taken what was typed. The shell waits meanwhile, so no mark can come.
    fn await_echo(&mut self) -> kernel::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.echo.pending() {
            let left = deadline.saturating_duration_since(Instant::now());
            if poll::readable(&[self.tty.as_fd()], Some(left))?.is_empty() {
                return Err(kernel::Error::new("wait for the echo on", "the shell's terminal", kernel::error::Errno::ETIMEDOUT));
            }
            let Some(bytes) = poll::read_some(self.tty.as_fd())? else { return Ok(()) };
            let shown = self.echo.strip(&bytes);
            self.show(shown);
        }
        Ok(())
    }

    /// Passes keys on to the program in the foreground.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn keys(&mut self, keys: &[u8]) -> kernel::Result<()> {
        self.typed = true;
        self.steered = true;
        if pty::line_mode(self.tty.as_fd()) {
            self.remember(keys);
        } else {
            self.tail.clear();
        }
        self.write(keys)
    }

    /// Whether keys were typed while the last line ran (a Ctrl-C, an answer, the q of a pager). Says so once.
    pub fn steered(&mut self) -> bool {
        std::mem::take(&mut self.steered)
    }

    fn remember(&mut self, keys: &[u8]) {
        for key in keys {
            match key {
                b'\r' | b'\n' | 0x03 | 0x04 | 0x15 | 0x1a | 0x1c => self.tail.clear(),
                0x7f | 0x08 => drop(self.tail.pop()),
                _ => self.tail.push(*key),
            }
        }
    }

    /// Ends the program in the foreground (the leader of its group), whatever it thinks of it. For a script that has nothing more to type.
    pub fn kill_foreground(&self) {
        let Some(group) = pty::foreground(self.tty.as_fd()) else { return };
        // Gone already is as good.
        let _ = kernel::process::open(group).and_then(|process| kernel::process::signal(process.as_fd(), SIGKILL));
    }

    /// The size of the person's terminal is now the shell's.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn resize(&self, size: Size) -> kernel::Result<()> {
        if pty::size(self.tty.as_fd()) == Some(size) { Ok(()) } else { pty::set_size(self.tty.as_fd(), size) }
    }

    /// What to poll(2) on: the terminal, and the end of the shell.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.tty.as_fd(), self.ended.as_fd()]
    }

    /// How long to wait at most before asking for the next event again, while the shell is being looked at.
    pub fn pause(&self) -> Option<Duration> {
        self.settling.as_ref().map(|_| LOOK)
    }

    /// Whether the program in the foreground waits for a key and makes no marks: a typist may go on.
    pub fn reads_keys(&self) -> bool {
        // A shell that is being told not to edit is one that makes marks: its next one will come.
        self.quieting.is_none() && !self.echo.pending() && self.idle(foreground::reads_terminal)
    }

    /// Whether `reads` says that somebody is blocked reading the terminal, and all that was typed has been read, and all that was said has been
    /// heard: the shell says that it waits before it does.
    fn idle(&self, reads: impl FnOnce(BorrowedFd<'_>) -> bool) -> bool {
        let unheard = || poll::readable(&[self.tty.as_fd()], Some(Duration::ZERO));
        self.nothing_waits() && reads(self.tty.as_fd()) && unheard().is_ok_and(|readable| readable.is_empty())
    }

    /// Whether all whole lines that were typed have been read. To be asked *before* whether somebody is blocked reading: a program that has not
    /// yet woken up for the line that waits for it is blocked too.
    fn nothing_waits(&self) -> bool {
        pty::peer(self.tty.as_fd()).and_then(|slave| pty::waiting(slave.as_fd())).is_ok_and(|bytes| bytes == 0)
    }

    /// Whether the first shell itself reads the terminal: it runs `read`, or it is at a prompt whose marks were taken away.
    pub fn reads_itself(&self) -> bool {
        !self.echo.pending() && self.idle(foreground::leader_reads_terminal)
    }

    /// The next event, waiting for it at most `patience` long (for ever without one).
    ///
    /// # Errors
    /// poll(2) or read(2) on the terminal failed.
    pub fn next(&mut self, patience: Option<Duration>) -> kernel::Result<Option<Event>> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let pause = self.pause().map(|pause| left.unwrap_or(pause).min(pause)).or(left);
            let readable = poll::readable(&self.descriptors(), pause)?;
            match readable.first() {
                Some(0) => self.read()?,
                // The shell has ended and has left nothing more to read, whoever may still hold its terminal.
                Some(_) => self.end(),
                None if self.settle()? => {}
                None if left.is_some_and(|left| left.is_zero()) => return Ok(None),
                None => {}
            }
        }
    }

    /// The next event that is there already.
    ///
    /// # Errors
    /// As [`Shell::next`].
    pub fn try_next(&mut self) -> kernel::Result<Option<Event>> {
        self.next(Some(Duration::ZERO))
    }

    /// What was said after the last event, if it is there already: a job in the background may speak right behind the mark of a prompt.
    pub fn said_behind(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while let Some(Event::Output(_)) = self.events.front() {
            if let Some(Event::Output(bytes)) = self.events.pop_front() {
                said.extend(bytes);
            }
        }
        said
    }

    /// Waits until what the last line has left in the background has really begun: see [`crate::kernel::jobs`]. For a typist that is a program.
    ///
    /// # Errors
    /// poll(2) failed.
    pub fn await_jobs(&mut self) -> kernel::Result<()> {
        self.jobs.await_begun(self.tty.as_fd())
    }

    fn read(&mut self) -> kernel::Result<()> {
        match poll::read_some(self.tty.as_fd())? {
            Some(bytes) => self.scanner.feed(&bytes).into_iter().try_for_each(|piece| self.take(piece)),
            None => {
                // The last descriptor of the slave is closed a moment before the process can be waited for.
                poll::readable(&[self.ended.as_fd()], Some(PATIENCE))?;
                self.end();
                Ok(())
            }
        }
    }

    fn end(&mut self) {
        let rest = self.scanner.finish();
        let mut shown = self.echo.strip(&rest);
        shown.extend(self.echo.finish());
        self.show(shown);
        self.events.push_back(Event::Gone);
    }

    fn take(&mut self, piece: Piece) -> kernel::Result<()> {
        match piece {
            Piece::Text(text) => {
                let shown = self.echo.strip(&text);
                self.show(shown);
            }
            Piece::Mark(mark) => {
                let shown = self.echo.finish();
                self.show(shown);
                match mark {
                    Mark::Command if self.quieting.is_none() => {
                        self.settling = None;
                        self.events.push_back(Event::Started);
                    }
                    Mark::More if self.quieting.is_none() => self.events.push_back(Event::More),
                    Mark::Command => self.quieted = true,
                    Mark::More => {}
                    Mark::Prompt(prompt) => self.prompt(prompt)?,
                }
            }
        }
        Ok(())
    }

    fn show(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() && self.quieting.is_none() {
            self.events.push_back(Event::Output(bytes));
        }
    }

    /// bash waits for a command. If it edits lines itself (a nested bash does), it is first told not to: its editor would draw our line again.
    fn prompt(&mut self, prompt: marks::Prompt) -> kernel::Result<()> {
        if let Some(first) = self.quieting.take() {
            // Where its terminal is not described (in a jail), an editor draws its prompt anew with every key: that is no new prompt.
            if prompt.edits && !self.quieted {
                self.quieting = Some(first);
            } else {
                self.ready(first);
            }
            return Ok(());
        }
        if self.typed {
            self.settling = Some((prompt, Instant::now()));
            return Ok(());
        }
        self.quiet(prompt)
    }

    fn quiet(&mut self, prompt: marks::Prompt) -> kernel::Result<()> {
        if !prompt.edits {
            self.ready(prompt);
            return Ok(());
        }
        // The deletion keeps it out of the learner's own history. No blank in front: where lines with one are not remembered, the deletion would
        // take the learner's last. No /dev/null: a jail has none.
        self.write(b"set +o emacs +o vi; history -d -1 2>&-\n")?;
        self.quieted = false;
        self.quieting = Some(prompt);
        Ok(())
    }

    /// Something was typed while the last command ran. If it was a whole line, bash takes it now, as on any terminal, and this prompt is already
    /// history. So a prompt counts once bash is seen to be blocked in read(2) with nothing to read. True if that is so.
    fn settle(&mut self) -> kernel::Result<bool> {
        let Some((_, since)) = &self.settling else { return Ok(false) };
        if !self.idle(foreground::reads_terminal) && since.elapsed() < poll::stretched(SETTLED) {
            return Ok(false);
        }
        let Some((prompt, _)) = self.settling.take() else { return Ok(false) };
        self.quiet(prompt)?;
        Ok(true)
    }

    fn ready(&mut self, prompt: marks::Prompt) {
        let top = *self.top.get_or_insert(prompt.level);
        let typed = String::from_utf8_lossy(&std::mem::take(&mut self.tail)).into_owned();
        if self.typed {
            // The beginning of a line moves from the terminal's queue to the editor. A terminal that is gone says so at the next read.
            let _ = pty::discard_typed(self.tty.as_fd());
        }
        self.typed = false;
        self.events.push_back(Event::Ready(Ready {
            status: prompt.status,
            depth: prompt.level.saturating_sub(top),
            jobs: prompt.jobs,
            root: prompt.root,
            user: prompt.user,
            host: prompt.host,
            cwd: prompt.cwd,
            typed,
        }));
    }

    fn write(&self, bytes: &[u8]) -> kernel::Result<()> {
        poll::write_all(self.tty.as_fd(), bytes)
    }
}

fn clone(descriptor: &OwnedFd) -> kernel::Result<OwnedFd> {
    descriptor.try_clone().map_err(|error| kernel::Error::from_io("dup", "descriptor", &error))
}

#[cfg(test)]
mod tests;
