//! Typing a transcript into the real prompt on a real terminal: this binary, started as a learner starts it, with marks that say when it waits.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::course::console::Console;
use crate::course::prove::{CheckRecord, Typist, checks};
use crate::journal::reader;
use crate::kernel::{poll, pty};

/// How long the prompt may take to come, and a line to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the marks of the prompt begin with.
const MARK: &str = "\x1b]7791;repl;";
const BOTTLE: &str = "prove";
/// How long a program that seems to wait for keys is given to end instead.
const SETTLED: Duration = Duration::from_millis(150);
/// Ctrl-]: a course command while a program reads the terminal.
const CALL: &[u8] = b"\x1d";

/// Types into prompts, each in a state folder of its own.
pub struct Terminal {
    state: PathBuf,
    course: Option<PathBuf>,
    rootless: bool,
    counter: u32,
}

impl Terminal {
    /// A person who types at prompts with this state folder and course.
    pub fn new(state: PathBuf, course: Option<PathBuf>, rootless: bool) -> Self {
        Terminal { state, course, rootless, counter: 0 }
    }
}

impl Typist for Terminal {
    fn type_all(&mut self, unit: &str, seed: &str, console: &Console) -> Result<Vec<CheckRecord>, String> {
        self.counter += 1;
        let state = self.state.join(format!("{}-{}", std::process::id(), self.counter));
        let mut prompt = Prompt::start(unit, seed, &state, self.course.as_ref(), self.rootless)?;
        for line in &console.lines {
            prompt.line(&line.text).map_err(|why| format!("line {}: `{}`: {why}", line.number, line.text))?;
        }
        let journal = state.join("bottles").join(BOTTLE).join("journal.jsonl");
        // A program that seemed to wait may have let the prompt fall a line behind: the last check counts when the journal has it.
        let typed = console.lines.iter().filter(|line| line.text.trim() == ":check").count();
        // One that does not come is seen in the journal below.
        let _ = poll::until("the last check", poll::stretched(PATIENCE) / 4, || Ok(checks(&reader::read(&journal)?).len() >= typed));
        let events = reader::read(&journal).map_err(|error| error.to_string())?;
        prompt.quit()?;
        Ok(checks(&events))
    }
}

/// A prompt that runs.
struct Prompt {
    child: Child,
    master: std::fs::File,
    seen: String,
    /// The last mark: `ready;0`, `more`, `raw`, `verb`.
    waits: String,
}

impl Prompt {
    fn start(unit: &str, seed: &str, state: &PathBuf, course: Option<&PathBuf>, rootless: bool) -> Result<Prompt, String> {
        let told = |what: &'static str| move |error: &dyn std::fmt::Display| format!("{what}: {error}");
        let binary = std::env::current_exe().map_err(|error| told("find this program")(&error))?;
        let (master, slave) = pty::pair(std::path::Path::new("/dev/ptmx")).map_err(|error| told("open a terminal")(&error))?;
        pty::set_size(master.as_fd(), pty::Size { columns: 100, rows: 40 }).map_err(|error| told("size the terminal")(&error))?;
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(binary).args(["--name", BOTTLE, "--lesson", unit]);
        if let Some(course) = course {
            command.arg("--course").arg(course);
        }
        if rootless {
            command.arg("--rootless");
        }
        command
            .env("BOTTLESHIP_STATE", state)
            .env("BOTTLESHIP_SEED", seed)
            .env("BOTTLESHIP_PTY_MARKS", "1")
            .env("TERM", "xterm")
            .env("USER", "prover");
        let end = |slave: &OwnedFd| slave.try_clone().map(Stdio::from).map_err(|error| told("share the terminal")(&error));
        command.stdin(end(&slave)?).stdout(end(&slave)?).stderr(end(&slave)?);
        let child = command.spawn().map_err(|error| told("start `setsid` (util-linux)")(&error))?;
        // While we hold the other end of the terminal, the end of a program that cannot start would never be read.
        drop((command, slave));
        let mut prompt = Prompt { child, master: master.into(), seen: String::new(), waits: String::new() };
        prompt.wait()?;
        Ok(prompt)
    }

    /// Types a line as the prompt, or the program in it, waits for one.
    fn line(&mut self, text: &str) -> Result<(), String> {
        if self.waits == "raw" {
            self.settle()?;
        }
        if self.waits == "raw" && text.starts_with(':') {
            self.keys(CALL)?;
            self.wait()?;
            if self.waits != "verb" {
                // The program had just ended: the key stands in the prompt's line now. Ctrl-U takes it back.
                self.keys(b"\x15")?;
            }
        }
        self.keys(format!("{text}\r").as_bytes())?;
        self.wait()
    }

    /// A program that seemed to wait may have been about to end: the prompt's own mark, if it comes at once, is the newer truth.
    fn settle(&mut self) -> Result<(), String> {
        while self.seen.contains(MARK) || self.more_within(poll::stretched(SETTLED))? {
            if self.seen.contains(MARK) {
                self.wait()?;
            }
            if self.waits != "raw" {
                break;
            }
        }
        Ok(())
    }

    /// Reads what comes within `patience`; false when nothing does.
    fn more_within(&mut self, patience: Duration) -> Result<bool, String> {
        if poll::readable(&[self.master.as_fd()], Some(patience)).map_err(|error| error.to_string())?.is_empty() {
            return Ok(false);
        }
        match poll::read_some(self.master.as_fd()).map_err(|error| error.to_string())? {
            Some(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
            None => return Err(format!("the prompt has ended; on the screen: {}", self.screen())),
        }
        Ok(true)
    }

    fn keys(&mut self, keys: &[u8]) -> Result<(), String> {
        self.master.write_all(keys).map_err(|error| format!("the terminal is gone: {error}"))
    }

    /// Reads until the next mark.
    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + poll::stretched(PATIENCE);
        loop {
            if let Some((mark, rest)) = self.seen.split_once(MARK).and_then(|(_, after)| after.split_once('\x07')) {
                self.waits = mark.split(';').next().unwrap_or_default().to_owned();
                self.seen = rest.to_owned();
                return Ok(());
            }
            if !self.more_within(deadline.saturating_duration_since(Instant::now()))? {
                return Err(format!("nothing within {} s; on the screen: {}", poll::stretched(PATIENCE).as_secs(), self.screen()));
            }
        }
    }

    /// The end of what was printed since the last mark, without control sequences, on one line.
    fn screen(&self) -> String {
        let mut text = String::new();
        let mut letters = self.seen.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\x1b' => drop(letters.by_ref().find(|letter| letter.is_ascii_alphabetic() || *letter == '\x07')),
                letter if letter.is_whitespace() => text.push(' '),
                letter if !letter.is_control() => text.push(letter),
                _ => {}
            }
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        words[words.len().saturating_sub(60)..].join(" ")
    }

    fn quit(mut self) -> Result<(), String> {
        if self.waits == "raw" {
            self.keys(CALL)?;
            self.wait()?;
        }
        self.keys(b":quit\r")?;
        // The prompt ends its bottle and closes the terminal: reading fails then. A program that reads the terminal may have got the line instead.
        let deadline = Instant::now() + poll::stretched(PATIENCE);
        while let Ok(more) = self.more_within(deadline.saturating_duration_since(Instant::now())) {
            if !more {
                return Err(format!("the prompt did not end at `:quit`; on the screen: {}", self.screen()));
            }
        }
        self.child.wait().map(drop).map_err(|error| format!("wait for the prompt: {error}"))
    }
}

impl Drop for Prompt {
    /// A prompt that was given up loses its terminal and ends its bottle; it must not stay behind as a zombie.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may end at this moment, and is then reaped.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
