//! A terminal for tests: a program on a real pty, typed at and read as a person would.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::support::{Call, stretched, wait};

/// A program that runs on a pty of its own.
pub struct Terminal {
    master: std::fs::File,
    child: Child,
    seen: String,
    raw: Vec<u8>,
    read_to: usize,
}

impl Terminal {
    /// Starts `call` on a new terminal of that size. It gets a session of its own and the pty as its controlling terminal.
    pub fn start(call: &Call, columns: u16, rows: u16) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("openpty");
        // A program that held the master of its own terminal would never see it hang up.
        for side in [&pair.master, &pair.slave] {
            fcntl_setfd(side, FdFlags::CLOEXEC).expect("set close-on-exec");
        }
        let inner = call.command();
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(inner.get_program()).args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = inner.get_current_dir() {
            command.current_dir(folder);
        }
        let stdio = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("dup the terminal"));
        command.stdin(stdio(&pair.slave)).stdout(stdio(&pair.slave)).stderr(stdio(&pair.slave));
        let child = command.spawn().expect("run setsid");
        Terminal { master: pair.master.into(), child, seen: String::new(), raw: Vec::new(), read_to: 0 }
    }

    /// Types `text`, as it is.
    pub fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("type at the terminal");
    }

    /// Types a line and the Enter key.
    pub fn line(&mut self, text: &str) {
        self.send(&format!("{text}\r"));
    }

    /// Reads until `text` comes up after what the last `expect` found; gives everything in between. Fails the test when it does not
    /// come in time, or the program ends first.
    pub fn expect(&mut self, text: &str, patience: Duration) -> String {
        let deadline = Instant::now() + stretched(patience);
        loop {
            if let Some(at) = self.seen[self.read_to..].find(text) {
                let end = self.read_to + at + text.len();
                let between = self.seen[self.read_to..end].to_owned();
                self.read_to = end;
                return between;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(self.read_more(left), "`{text}` did not come in {patience:?}; the terminal shows:\n{}", self.seen);
        }
    }

    /// Types `keys`, and again every other second, until `text` comes up: for a shell that ignores them until it has handed the terminal over, and
    /// does not say when that is.
    pub fn insist(&mut self, keys: &str, text: &str, patience: Duration) {
        let deadline = Instant::now() + stretched(patience);
        self.send(keys);
        while !self.seen[self.read_to..].contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "`{text}` did not come in {patience:?}; the terminal shows:\n{}", self.seen);
            if !self.read_more(left.min(Duration::from_secs(2))) {
                self.send(keys);
            }
        }
    }

    /// Gives the terminal another size, as a person who drags the window's corner.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.master, size).expect("set the terminal's size");
    }

    /// Everything that has come so far.
    pub fn seen(&self) -> &str {
        &self.seen
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the program to end, reading on. Fails the test when it does not.
    pub fn ends(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + stretched(patience);
        while self.read_more(deadline.saturating_duration_since(Instant::now())) {}
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        wait(&mut self.child, left).unwrap_or_else(|| panic!("the program did not end in {patience:?}; the terminal shows:\n{}", self.seen))
    }

    /// Reads once, waiting at most `left`; false when nothing came or the other side is closed.
    fn read_more(&mut self, left: Duration) -> bool {
        let timeout = Timespec::try_from(left).expect("a patience that fits");
        let ready = poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&timeout)).unwrap_or(0);
        if ready == 0 {
            return false;
        }
        let mut buffer = [0; 8192];
        // EIO is how a pty says that nobody has its other side open any more.
        let Ok(read @ 1..) = self.master.read(&mut buffer) else { return false };
        self.raw.extend_from_slice(&buffer[..read]);
        let valid = match std::str::from_utf8(&self.raw) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.raw.len(),
        };
        let rest = self.raw.split_off(valid);
        self.seen.push_str(&String::from_utf8_lossy(&self.raw));
        self.raw = rest;
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_terminal_has_its_size_and_echoes() {
    let call = Call::new("sh").args(["-c", "stty size; read line; echo got $line"]);
    let mut terminal = Terminal::start(&call, 40, 10);
    terminal.expect("10 40", Duration::from_secs(10));
    terminal.line("ship");
    terminal.expect("got ship", Duration::from_secs(10));
    assert!(terminal.ends(Duration::from_secs(10)).success());
    assert!(terminal.seen().contains("ship"));
    assert!(terminal.pid() > 0);
}
