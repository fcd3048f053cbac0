//! Typing into the real prompt on a real terminal: this binary, started as a learner starts it, with marks that say when it waits.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::course::console::Console;
use crate::course::prove::{CheckRecord, Typist, checks, forget};
use crate::journal::reader;
use crate::kernel::{poll, pty};

/// How long the prompt may take to come, and a line to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the marks of the prompt begin with.
const MARK: &str = "\x1b]7791;repl;";
const BOTTLE: &str = "prove";
/// The name of whoever learns.
pub(super) const LEARNER: &str = "prover";
/// How long a program that seems to wait for keys is given to end instead.
const SETTLED: Duration = Duration::from_millis(150);
/// Ctrl-]: a course command while a program reads the terminal.
const CALL: &[u8] = b"\x1d";
/// How long a program may hold the terminal when the next line is for the shell: a client waits for its engine.
const LEAVING: Duration = Duration::from_secs(20);

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
        // Who typed there before was another.
        forget(&state.join("progress")).map_err(|error| error.to_string())?;
        let start = Start {
            name: BOTTLE,
            state: &state,
            course: self.course.as_deref(),
            rootless: self.rootless,
            unit: Some(unit),
            seed: Some(seed),
        };
        let mut prompt = start.prompt()?;
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

/// How a prompt is started.
pub(super) struct Start<'s> {
    /// The bottle's name.
    pub name: &'s str,
    pub state: &'s Path,
    pub course: Option<&'s Path>,
    pub rootless: bool,
    /// The unit to open; the one where the learner was if none is given.
    pub unit: Option<&'s str>,
    /// What parameters are drawn from; the learner's own if none is given.
    pub seed: Option<&'s str>,
}

impl Start<'_> {
    /// Starts it, and waits until it waits for a line.
    ///
    /// # Errors
    /// There is no terminal, or no prompt came.
    pub fn prompt(&self) -> Result<Prompt, String> {
        let told = |what: &'static str| move |error: &dyn std::fmt::Display| format!("{what}: {error}");
        let binary = std::env::current_exe().map_err(|error| told("find this program")(&error))?;
        let (master, slave) = pty::pair(Path::new("/dev/ptmx")).map_err(|error| told("open a terminal")(&error))?;
        pty::set_size(master.as_fd(), pty::Size { columns: 100, rows: 40 }).map_err(|error| told("size the terminal")(&error))?;
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(binary).args(["--name", self.name]);
        for (option, value) in [("--lesson", self.unit.map(Path::new)), ("--course", self.course)] {
            command.args(value.map(|_| option)).args(value);
        }
        if self.rootless {
            command.arg("--rootless");
        }
        command.env("BOTTLESHIP_STATE", self.state).env("BOTTLESHIP_PTY_MARKS", "1").env("TERM", "xterm").env("USER", LEARNER);
        match self.seed {
            Some(seed) => command.env("BOTTLESHIP_SEED", seed),
            None => command.env_remove("BOTTLESHIP_SEED"),
        };
        let end = |slave: &OwnedFd| slave.try_clone().map(Stdio::from).map_err(|error| told("share the terminal")(&error));
        command.stdin(end(&slave)?).stdout(end(&slave)?).stderr(end(&slave)?);
        let child = command.spawn().map_err(|error| told("start `setsid` (util-linux)")(&error))?;
        // While we hold the other end of the terminal, the end of a program that cannot start would never be read.
        drop((command, slave));
        let mut prompt =
            Prompt { child, master: master.into(), seen: String::new(), shown: String::new(), waits: String::new(), status: 0 };
        prompt.wait()?;
        Ok(prompt)
    }
}

/// A prompt that runs.
pub(super) struct Prompt {
    child: Child,
    master: std::fs::File,
    seen: String,
    /// What was printed between the last two marks.
    shown: String,
    /// The last mark: `ready`, `more`, `raw`, `verb`.
    waits: String,
    /// How the last line ended, as the last `ready` says.
    status: i32,
}

impl Prompt {
    /// Types a line as a lesson shows it: `nested` ones go to the program that a line before has started, the others wait for the shell. Gives its status.
    ///
    /// # Errors
    /// A program keeps the terminal, the line did not end, or the prompt has.
    pub fn lesson_line(&mut self, text: &str, nested: bool) -> Result<i32, String> {
        if !nested && !self.await_shell()? {
            return Err(format!("a program still reads the terminal; on the screen: {}", self.screen()));
        }
        if nested && self.waits == "raw" {
            // Programs that edit lines throw away what was typed before they asked (TCSAFLUSH).
            self.settle()?;
        }
        // Several lines are pasted, as a learner would: one by one each would be completed and indented.
        let keys = if text.contains('\n') { format!("\x1b[200~{}\x1b[201~\r", text.replace('\n', "\r")) } else { format!("{text}\r") };
        self.keys(keys.as_bytes())?;
        self.wait()?;
        Ok(self.status)
    }

    /// Waits until the shell waits for a line. False if a program keeps the terminal.
    fn await_shell(&mut self) -> Result<bool, String> {
        let deadline = Instant::now() + poll::stretched(LEAVING);
        while self.waits == "raw" {
            if self.seen.contains(MARK) {
                self.wait()?;
            } else if !self.more_within(deadline.saturating_duration_since(Instant::now()))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How the last line ended, if the shell waits again.
    pub fn status(&self) -> i32 {
        self.status
    }

    /// What the last line showed, without control sequences, on one line.
    pub fn shown(&self) -> String {
        bare(&self.shown)
    }

    /// Types a line as the prompt, or the program in it, waits for one.
    ///
    /// # Errors
    /// The line did not end, or the prompt has.
    pub fn line(&mut self, text: &str) -> Result<(), String> {
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
                let (waits, status) = mark.split_once(';').unwrap_or((mark, "0"));
                (self.waits, self.status) = (waits.to_owned(), status.parse().unwrap_or(-1));
                let rest = rest.to_owned();
                self.seen.truncate(self.seen.find(MARK).unwrap_or_default());
                self.shown = std::mem::replace(&mut self.seen, rest);
                return Ok(());
            }
            if !self.more_within(deadline.saturating_duration_since(Instant::now()))? {
                return Err(format!("nothing within {} s; on the screen: {}", poll::stretched(PATIENCE).as_secs(), self.screen()));
            }
        }
    }

    /// The end of what was printed since the last mark, without control sequences, on one line.
    fn screen(&self) -> String {
        let text = bare(&self.seen);
        let words: Vec<&str> = text.split(' ').collect();
        words[words.len().saturating_sub(60)..].join(" ")
    }

    /// Leaves the prompt.
    ///
    /// # Errors
    /// It does not end.
    pub fn quit(mut self) -> Result<(), String> {
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

/// A text without control sequences, on one line.
fn bare(text: &str) -> String {
    let mut words = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\x1b' => drop(letters.by_ref().find(|letter| letter.is_ascii_alphabetic() || *letter == '\x07')),
            letter if letter.is_whitespace() => words.push(' '),
            letter if !letter.is_control() => words.push(letter),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
