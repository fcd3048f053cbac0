//! While a command runs: the person's terminal and the shell's are one.
//!
//! Keys go through as they are, so that Ctrl-C, Ctrl-Z and full-screen programs find what they expect: it is the shell's own terminal that
//! turns Ctrl-C into a signal. A change of the window's size goes through too. One key is ours: Ctrl-] calls the prompt for one course
//! command while the program goes on (twice, it goes to the program).
//!
//! Lines that are typed ahead wait in the keyboard's queue until a program waits for keys. If none does, they are for the prompt, as course
//! commands may be; a shell that found them in its terminal would run them unseen.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::keyboard::{Keyboard, Terminal};
use super::{Event, Ready, Shell};
use crate::kernel::{self, poll, pty};

/// Ctrl-].
pub const CALL: u8 = 0x1d;
/// The first pause before a look at whether the program waits for keys; it doubles until [`SELDOM`].
const OFTEN: Duration = Duration::from_millis(5);
const SELDOM: Duration = Duration::from_secs(1);
/// The longest pause while keys wait for somebody.
const AHEAD: Duration = Duration::from_millis(40);
/// Ctrl-C, Ctrl-\, Ctrl-Z, Ctrl-Q, Ctrl-S: what a terminal obeys at once, whoever reads it.
const OBEYED: [u8; 5] = [0x03, 0x1c, 0x1a, 0x11, 0x13];

/// The terminal of a person, given to the programs in the shell while this lives.
#[derive(Debug)]
pub struct Person {
    keyboard: Keyboard,
    _raw: pty::Changed<Terminal>,
    resizes: pty::Resizes,
}

impl Person {
    /// Takes the keyboard for raw keys.
    ///
    /// # Errors
    /// It is no terminal any more.
    pub fn take(keyboard: &Keyboard) -> kernel::Result<Self> {
        Ok(Person { resizes: pty::Resizes::listen()?, _raw: keyboard.raw()?, keyboard: keyboard.clone() })
    }
}

/// The size of our own terminal, if there is one.
pub fn size() -> Option<pty::Size> {
    pty::size(std::io::stdout().as_fd()).or_else(|| pty::size(std::io::stdin().as_fd()))
}

/// When something is over that may take `patience` on a machine of usual speed.
pub fn deadline(patience: Duration) -> Instant {
    Instant::now() + poll::stretched(patience)
}

/// Waits so long: the pause of a hand between two keys, or between two looks at what no descriptor tells.
pub fn pause(pause: Duration) {
    // poll(2) on nothing is the clock; that it fails makes the pause shorter.
    let _ = poll::readable(&[], Some(pause));
}

/// Something else to read from while a command runs: the tracer's pipe.
pub trait Side {
    /// What to poll on; none once it has ended.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
    /// It can be read.
    fn read(&mut self);
}

/// Why following ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The shell waits for a command.
    Ready(Ready),
    /// It waits for the rest of a command.
    More,
    /// The first shell has ended.
    Gone,
    /// The person wants the course (Ctrl-]); the program runs on.
    Called,
    /// The program in the foreground waits for keys.
    Reads,
    /// It took too long.
    Late,
}

/// Follows a shell from one wait to the next.
pub struct Follow<'a> {
    /// The shell.
    pub shell: &'a mut Shell,
    /// Who types; nobody in a script.
    pub person: Option<&'a Person>,
    /// What else is to be read.
    pub side: Option<&'a mut dyn Side>,
    /// Whether to stop, once, when the program in the foreground waits for keys.
    pub watch: bool,
    /// Whether to watch again after each key.
    pub again: bool,
    /// Until when it may take.
    pub until: Option<Instant>,
}

impl Follow<'_> {
    /// Shows what comes with `show` until there is a reason to stop.
    ///
    /// # Errors
    /// The terminal of the shell failed.
    pub fn run(mut self, show: &mut dyn FnMut(&[u8])) -> kernel::Result<Stop> {
        let mut pause = OFTEN;
        loop {
            if let Some(stop) = self.events(show, &mut pause)? {
                return Ok(stop);
            }
            self.hand_over()?;
            let ahead = self.person.is_some_and(|person| person.keyboard.waits());
            let looks = if ahead { Some(pause.min(AHEAD)) } else { self.watch.then_some(pause) };
            let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Stop::Late);
            }
            let looks = self.shell.pause().or(looks);
            match self.wait(looks.map_or(left, |looks| Some(left.map_or(looks, |left| looks.min(left)))))? {
                Woken::Keys => {
                    if let Some(stop) = self.keys()? {
                        return Ok(stop);
                    }
                    pause = OFTEN;
                    self.watch |= self.again;
                }
                Woken::Nothing if self.shell.pause().is_none() => {
                    if self.watch && !ahead && self.shell.reads_keys() {
                        return Ok(Stop::Reads);
                    }
                    pause = (pause * 2).min(SELDOM);
                }
                _ => {}
            }
        }
    }

    fn events(&mut self, show: &mut dyn FnMut(&[u8]), pause: &mut Duration) -> kernel::Result<Option<Stop>> {
        while let Some(event) = self.shell.try_next()? {
            *pause = OFTEN;
            let stop = match event {
                Event::Output(bytes) => {
                    show(&bytes);
                    continue;
                }
                Event::Started => continue,
                Event::Ready(ready) => Stop::Ready(ready),
                Event::More => Stop::More,
                Event::Gone => Stop::Gone,
            };
            let behind = self.shell.said_behind();
            if !behind.is_empty() {
                show(&behind);
            }
            // What the tracer said about the line was written before the shell could go on.
            self.drain()?;
            return Ok(Some(stop));
        }
        Ok(None)
    }

    fn drain(&mut self) -> kernel::Result<()> {
        let Some(side) = self.side.as_deref_mut() else { return Ok(()) };
        while let Some(descriptor) = side.descriptor() {
            if poll::readable(&[descriptor], Some(Duration::ZERO))?.is_empty() {
                break;
            }
            side.read();
        }
        Ok(())
    }

    /// Waits for the shell, a key, a new size, or the side.
    fn wait(&mut self, patience: Option<Duration>) -> kernel::Result<Woken> {
        let [tty, ended] = self.shell.descriptors();
        let mut descriptors = vec![tty, ended];
        let person_at = descriptors.len();
        if let Some(person) = self.person {
            descriptors.extend([person.keyboard.terminal(), person.resizes.as_fd()]);
        }
        let side_at = descriptors.len();
        descriptors.extend(self.side.as_deref().and_then(Side::descriptor));
        let readable = poll::readable(&descriptors, patience)?;
        if readable.contains(&side_at)
            && let Some(side) = self.side.as_deref_mut()
        {
            side.read();
        }
        if let Some(person) = self.person {
            if readable.contains(&(person_at + 1)) {
                person.resizes.seen();
                if let Some(size) = size() {
                    self.shell.resize(size)?;
                }
            }
            if readable.contains(&person_at) {
                return Ok(Woken::Keys);
            }
        }
        Ok(if readable.is_empty() { Woken::Nothing } else { Woken::Other })
    }

    fn keys(&mut self) -> kernel::Result<Option<Stop>> {
        let Some(person) = self.person else { return Ok(None) };
        // A terminal that has gone away will end us by SIGHUP; until then there are no more keys.
        let Some(keys) = poll::read_some(person.keyboard.terminal())? else { return Ok(Some(Stop::Gone)) };
        match keys.as_slice() {
            [CALL] => return Ok(Some(Stop::Called)),
            [CALL, CALL] => person.keyboard.push(&[CALL]),
            keys => person.keyboard.push(keys),
        }
        Ok(None)
    }

    /// Gives keys from the queue to the program in the foreground, as far as it is for them.
    fn hand_over(&mut self) -> kernel::Result<()> {
        let Some(person) = self.person.filter(|person| person.keyboard.waits()) else { return Ok(()) };
        let line_mode = pty::line_mode(self.shell.descriptors()[0]);
        let reads = || self.shell.pause().is_none() && self.shell.reads_keys();
        let keys = person.keyboard.shift(|keys| match keys.iter().rposition(|key| OBEYED.contains(key)) {
            _ if !line_mode => keys.len(),
            Some(obeyed) => obeyed + 1,
            None if reads() => keys.iter().position(|key| matches!(key, b'\r' | b'\n' | 0x04)).map_or(keys.len(), |end| end + 1),
            None => 0,
        });
        if keys.is_empty() { Ok(()) } else { self.shell.keys(&keys) }
    }
}

/// What a wait brought.
enum Woken {
    Keys,
    Other,
    Nothing,
}
