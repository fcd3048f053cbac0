//! The person's keyboard: one queue of keys, and three that may get them.
//!
//! ```text
//!                        ┌─ the line editor, through a gate: up to one Enter at a time
//!  terminal ── queue ────┤
//!                        └─ the program in the foreground (see `console`): once it waits for keys
//! ```
//!
//! A line editor reads as much as is there, and forgets what came after the Enter. On a terminal of its own it cannot: the gate is a pty that is
//! our standard input, and what is typed goes through it only up to the next Enter; more only when the editor is seen to wait for more. So
//! keys that were typed ahead are never lost, and they go to whoever asks for keys next: a program, the next line, the rest of a command.
//!
//! Invariants: nobody but this reads the terminal; the queue has one owner at a time (the gate's thread while a line is edited, else the
//! thread that follows the shell); the gate holds at most one line that the editor has not read.

use std::io::PipeReader;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::kernel::{self, foreground, poll, pty};

/// Most bytes that are in the gate: a pty's buffer has 4095, and who holds the queue must not wait for it to empty.
const MOST: usize = 512;
/// Between two looks at an editor that has not yet read what it was given.
const LOOK: Duration = Duration::from_millis(1);
/// Ctrl-D, which an editor takes for the end.
const END: u8 = 0x04;
/// Ctrl-C.
const INTERRUPT: u8 = 0x03;

/// What was typed ahead.
#[derive(Debug, PartialEq, Eq)]
pub enum Ahead {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D at the beginning of a line.
    End,
}

/// The keyboard of a person, taken for as long as the prompt lives: Ctrl-C ends nobody, and between two readers no key is lost.
#[derive(Debug, Clone)]
pub struct Keyboard(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    terminal: Arc<OwnedFd>,
    /// None where whole lines are read, by no editor.
    gate: Option<Gate>,
    queue: Arc<Mutex<Queue>>,
    _mode: Option<pty::Changed<Terminal>>,
}

/// The terminal's descriptor, shared with the mode that it is to go back to.
#[derive(Debug)]
pub(super) struct Terminal(Arc<OwnedFd>);

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[derive(Debug)]
struct Gate {
    master: Arc<OwnedFd>,
    slave: Arc<OwnedFd>,
    /// An editor that puts the mode back puts this one back: a key is never a signal, and Ctrl-Z is no suspension.
    _mode: pty::Changed<Terminal>,
}

#[derive(Debug, Default)]
struct Queue {
    keys: Vec<u8>,
    /// The number of the gate's thread that owns the queue; none while no line is edited.
    lent: Option<u64>,
    /// How many such threads there were.
    threads: u64,
}

impl Keyboard {
    /// Takes our standard input, a terminal. `edits`: a line editor will read it, through a gate.
    ///
    /// # Errors
    /// It is no terminal, or there is no pty for the gate.
    pub fn take(edits: bool) -> kernel::Result<Self> {
        let stdin = std::io::stdin();
        let terminal = stdin.as_fd().try_clone_to_owned().map_err(|error| kernel::Error::from_io("dup", "standard input", &error))?;
        let terminal = Arc::new(terminal);
        let ours = Terminal(Arc::clone(&terminal));
        let mode = if edits { pty::keys(ours) } else { pty::lines_without_signals(ours) }?;
        let gate = if edits { Some(Gate::open()?) } else { None };
        Ok(Keyboard(Rc::new(Inner { terminal, gate, queue: Arc::default(), _mode: Some(mode) })))
    }

    /// The terminal.
    pub(super) fn terminal(&self) -> BorrowedFd<'_> {
        self.0.terminal.as_fd()
    }

    /// Gives all keys from the terminal for raw use while the guard lives: Enter, Ctrl-C and the rest are keys like others.
    ///
    /// # Errors
    /// It is no terminal any more.
    pub(super) fn raw(&self) -> kernel::Result<pty::Changed<Terminal>> {
        pty::raw(Terminal(Arc::clone(&self.0.terminal)))
    }

    /// Runs a line editor, which reads standard input and returns after a line.
    pub fn lend<T>(&self, edit: impl FnOnce() -> T) -> T {
        let _pump = self.0.gate.as_ref().and_then(|gate| Pump::start(&self.0, gate));
        edit()
    }

    /// What was typed ahead as far as it is whole: the first line, Ctrl-C or Ctrl-D; taken from the queue. For a reader of whole lines.
    ///
    /// Keys that came while the terminal was raw, and were not read, have been handed on as they were (n_tty makes them readable when line mode
    /// comes back, but gives their Enter no line end): so the terminal is asked first.
    pub fn ahead(&self) -> Option<Ahead> {
        // A terminal that is gone gives an end to the one who reads it next.
        while let Ok([_]) = poll::readable(&[self.terminal()], Some(Duration::ZERO)).as_deref() {
            match poll::read_some(self.terminal()) {
                Ok(Some(keys)) => self.push(&keys),
                Ok(None) => {
                    self.push(&[END]);
                    break;
                }
                Err(_) => break,
            }
        }
        let mut queue = lock(&self.0.queue);
        let end = queue.keys.iter().position(|key| matches!(*key, b'\r' | b'\n' | INTERRUPT | END))?;
        let mut taken: Vec<u8> = queue.keys.drain(..=end).collect();
        match taken.pop() {
            Some(INTERRUPT) => Some(Ahead::Interrupt),
            // In line mode it ends the input at the beginning of a line only.
            Some(END) if taken.is_empty() => Some(Ahead::End),
            Some(END) => {
                queue.keys.splice(0..0, taken);
                None
            }
            _ => Some(Ahead::Line(String::from_utf8_lossy(&taken).into_owned())),
        }
    }

    /// The next keys, waiting for them at most `patience` long (for ever without one): for who obeys single keys. None if none came; no keys if the
    /// terminal is gone.
    ///
    /// # Errors
    /// poll(2) or read(2) on the terminal failed.
    pub fn next(&self, patience: Option<Duration>) -> kernel::Result<Option<Vec<u8>>> {
        if self.waits() {
            return Ok(Some(self.shift(<[u8]>::len)));
        }
        // Where whole lines are read: keys all the same.
        let _raw = if self.0.gate.is_none() { Some(self.raw()?) } else { None };
        if poll::readable(&[self.terminal()], patience)?.is_empty() {
            return Ok(None);
        }
        Ok(Some(poll::read_some(self.terminal())?.unwrap_or_default()))
    }

    /// What was typed and has no end yet; it is taken from the queue.
    pub fn begun(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut lock(&self.0.queue).keys)).into_owned()
    }

    /// Adds keys to the queue.
    pub(super) fn push(&self, keys: &[u8]) {
        lock(&self.0.queue).keys.extend(keys);
    }

    /// Whether keys wait in the queue.
    pub(super) fn waits(&self) -> bool {
        !lock(&self.0.queue).keys.is_empty()
    }

    /// Takes the first keys of the queue: as many as `fit` says.
    pub(super) fn shift(&self, fit: impl FnOnce(&[u8]) -> usize) -> Vec<u8> {
        let keys = &mut lock(&self.0.queue).keys;
        let length = fit(keys);
        keys.drain(..length).collect()
    }
}

fn lock(queue: &Mutex<Queue>) -> std::sync::MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    fn open() -> kernel::Result<Self> {
        let (master, slave) = pty::pair(Path::new("/dev/ptmx"))?;
        let slave = Arc::new(slave);
        let mode = pty::keys(Terminal(Arc::clone(&slave)))?;
        pty::become_stdin(slave.as_fd())?;
        Ok(Gate { master: Arc::new(master), slave, _mode: mode })
    }
}

/// The thread that lets keys through the gate while a line is edited.
struct Pump {
    queue: Arc<Mutex<Queue>>,
    slave: Arc<OwnedFd>,
    /// Dropped to end the thread.
    _stop: std::io::PipeWriter,
}

impl Pump {
    fn start(inner: &Inner, gate: &Gate) -> Option<Self> {
        let (stopped, stop) = std::io::pipe().ok()?;
        let number = {
            let mut queue = lock(&inner.queue);
            queue.threads += 1;
            queue.lent = Some(queue.threads);
            queue.threads
        };
        let pumped = Pumped {
            number,
            terminal: Arc::clone(&inner.terminal),
            master: Arc::clone(&gate.master),
            slave: Arc::clone(&gate.slave),
            queue: Arc::clone(&inner.queue),
            stopped,
            editor: kernel::process::thread_id(),
            paste: Paste::default(),
            after_line: false,
        };
        std::thread::Builder::new().name("keyboard".to_owned()).spawn(|| pumped.run()).ok()?;
        Some(Pump { queue: Arc::clone(&inner.queue), slave: Arc::clone(&gate.slave), _stop: stop })
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.lent = None;
        // An editor that ended at a key in the middle (a Ctrl-C) has left the rest of it.
        if let Ok(1..) = pty::waiting(self.slave.as_fd())
            && let Ok(Some(left)) = poll::read_some(self.slave.as_fd())
        {
            queue.keys.splice(0..0, left);
        }
    }
}

struct Pumped {
    number: u64,
    terminal: Arc<OwnedFd>,
    master: Arc<OwnedFd>,
    slave: Arc<OwnedFd>,
    queue: Arc<Mutex<Queue>>,
    stopped: PipeReader,
    /// The editor's thread.
    editor: i32,
    paste: Paste,
    /// Whether the last key that went through may have ended the line.
    after_line: bool,
}

impl Pumped {
    /// Ends when the editor has returned. An error is one of our own descriptors being gone: then there is nothing to pump.
    fn run(mut self) {
        // Changes of the window's size are for the thread that edits.
        pty::leave_resizes_to_others();
        while let Ok(true) = self.step() {}
    }

    fn step(&mut self) -> kernel::Result<bool> {
        let mut queue = lock(&self.queue);
        if queue.lent != Some(self.number) {
            return Ok(false);
        }
        if !queue.keys.is_empty() && pty::waiting(self.slave.as_fd())? == 0 && (!self.after_line || foreground::awaits_stdin(self.editor)) {
            let (length, ends) = self.paste.one_line(&queue.keys[..queue.keys.len().min(MOST)]);
            let keys: Vec<u8> = queue.keys.drain(..length).collect();
            self.after_line = ends;
            poll::write_all(self.master.as_fd(), &keys)?;
        }
        let patience = (!queue.keys.is_empty()).then_some(LOOK);
        drop(queue);
        let readable = poll::readable(&[self.stopped.as_fd(), self.terminal.as_fd()], patience)?;
        Ok(!readable.contains(&0) && (!readable.contains(&1) || self.read()?))
    }

    fn read(&self) -> kernel::Result<bool> {
        let mut queue = lock(&self.queue);
        // While this waited for the lock, the editor may have returned, and the terminal is another's.
        if queue.lent != Some(self.number) {
            return Ok(false);
        }
        // Under the lock, so that nobody else reads what poll(2) has promised us.
        match poll::read_some(self.terminal.as_fd())? {
            Some(keys) => queue.keys.extend(keys),
            None => {
                poll::write_all(self.master.as_fd(), &[END])?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Finds the keys that end a line. A pasted text may have line ends that end nothing: a terminal puts it between two sequences.
#[derive(Debug, Default)]
struct Paste {
    inside: bool,
    /// How much of the sequence that comes next has been seen.
    matched: usize,
}

impl Paste {
    /// The length of what goes up to the first key that may end a line, with it; and whether there is such a key.
    fn one_line(&mut self, keys: &[u8]) -> (usize, bool) {
        for (at, key) in keys.iter().enumerate() {
            let sequence: &[u8; 6] = if self.inside { b"\x1b[201~" } else { b"\x1b[200~" };
            self.matched = if *key == sequence[self.matched] { self.matched + 1 } else { usize::from(*key == sequence[0]) };
            if self.matched == sequence.len() {
                *self = Paste { inside: !self.inside, matched: 0 };
            }
            // Enter, Ctrl-J, Ctrl-C, Ctrl-D, Ctrl-\.
            if !self.inside && matches!(*key, b'\r' | b'\n' | INTERRUPT | END | 0x1c) {
                return (at + 1, true);
            }
        }
        (keys.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_came_while_the_terminal_was_raw_are_there_when_lines_are_read_again() {
        let (master, terminal) = pty::pair(Path::new("/dev/ptmx")).unwrap();
        let terminal = Arc::new(terminal);
        let mode = pty::lines_without_signals(Terminal(Arc::clone(&terminal))).unwrap();
        let keyboard = Keyboard(Rc::new(Inner { terminal, gate: None, queue: Arc::default(), _mode: Some(mode) }));
        let raw = keyboard.raw().unwrap();
        poll::write_all(master.as_fd(), b":quit\r:li").unwrap();
        poll::readable(&[keyboard.terminal()], None).unwrap();
        drop(raw);
        assert_eq!(keyboard.ahead(), Some(Ahead::Line(":quit".to_owned())));
        assert_eq!(keyboard.ahead(), None);
        poll::write_all(master.as_fd(), b"st\r").unwrap();
        poll::readable(&[keyboard.terminal()], None).unwrap();
        assert_eq!(keyboard.ahead(), Some(Ahead::Line(":list".to_owned())));
        poll::write_all(master.as_fd(), b"\x04").unwrap();
        poll::readable(&[keyboard.terminal()], None).unwrap();
        assert_eq!(keyboard.ahead(), Some(Ahead::End));
    }

    #[test]
    fn a_line_ends_at_enter_but_not_in_a_paste() {
        assert_eq!(Paste::default().one_line(b"ls\recho"), (3, true));
        assert_eq!(Paste::default().one_line(b"ls"), (2, false));
        assert_eq!(Paste::default().one_line(b"\x1b[200~a\rb\r\x1b[201~c\rd"), (18, true));
        assert_eq!(Paste::default().one_line(b"\x1b\x1b[200~a\r"), (9, false));
        assert_eq!(Paste::default().one_line(b"\x03ls"), (1, true));
    }

    #[test]
    fn sequences_may_come_in_pieces() {
        for cut in 1..18 {
            let text = b"\x1b[200~a\rb\r\x1b[201~c\rd";
            let mut paste = Paste::default();
            let (first, ends) = paste.one_line(&text[..cut]);
            assert_eq!((first, ends), (cut, cut == 18), "cut at {cut}");
            assert_eq!(paste.one_line(&text[cut..]), (18 - cut, true), "cut at {cut}");
        }
    }
}
