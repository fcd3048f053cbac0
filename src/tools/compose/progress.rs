//! What is going on, one line for each thing: ` Container x-web-1  Started`.
//!
//! To a file every step is a line. On a terminal each thing has one line that changes, below a head that counts: the whole block is written anew whenever
//! something happens, and ten times a second for the clocks.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr as _;

use crate::kernel::pty;
use crate::tools::docker::failure::{Failure, Result};

/// How it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A line for every step.
    Plain,
    /// One block that changes, on a terminal so wide.
    Screen {
        /// Its columns.
        columns: usize,
        /// Whether in colours.
        colours: bool,
    },
    /// A document for every step.
    Json,
    /// Not at all.
    Quiet,
}

impl Style {
    /// What `--progress` and `--ansi` mean here.
    ///
    /// # Errors
    /// They mean nothing.
    pub fn read(progress: &str, ansi: &str) -> Result<Self> {
        let colours = match ansi {
            "never" => false,
            "always" | "auto" | "" => true,
            other => return Err(Failure::new(format!("unknown value for --ansi: {other:?}: use never, always or auto"))),
        };
        let columns = || pty::size(std::io::stderr().as_fd()).map_or(80, |size| usize::from(size.columns));
        Ok(match progress {
            "plain" => Style::Plain,
            "quiet" | "none" => Style::Quiet,
            "json" => Style::Json,
            "tty" => Style::Screen { columns: columns(), colours },
            "auto" | "" if std::io::stderr().is_terminal() && ansi != "never" => Style::Screen { columns: columns(), colours },
            "auto" | "" => Style::Plain,
            other => return Err(Failure::new(format!("unsupported --progress value {other:?}"))),
        })
    }
}

/// How far a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Somebody works on it.
    Working,
    /// It is done.
    Done,
    /// It is done, with a but.
    Warning,
    /// It failed.
    Error,
}

/// One thing of the block.
struct Task {
    id: String,
    text: String,
    details: String,
    state: State,
    began: Instant,
    ended: Option<Instant>,
}

#[derive(Default)]
struct Block {
    /// What the head says: `Running`; empty while nothing goes on.
    operation: &'static str,
    tasks: Vec<Task>,
    /// The lines on the screen.
    lines: usize,
    turns: usize,
    over: bool,
}

struct Shared {
    style: Style,
    dry: bool,
    block: Mutex<Block>,
    ended: Condvar,
}

/// The board; copies are the same board.
#[derive(Clone)]
pub struct Progress(Arc<Shared>);

/// The marks before a line while somebody works on it.
const TURNS: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// How long a block stands still at most.
const TICK: Duration = Duration::from_millis(100);
/// What stands before each line of a run that does nothing.
const DRY: &str = "DRY-RUN MODE - ";

impl Progress {
    /// An empty one. `dry`: nothing of what it tells is done.
    pub fn new(style: Style, dry: bool) -> Self {
        Progress(Arc::new(Shared { style, dry, block: Mutex::default(), ended: Condvar::new() }))
    }

    fn block(&self) -> MutexGuard<'_, Block> {
        // Lines of a thread that died are lines all the same.
        self.0.block.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything is only said.
    pub fn is_dry(&self) -> bool {
        self.0.dry
    }

    /// How it is drawn.
    pub fn style(&self) -> Style {
        self.0.style
    }

    /// Does something under a head; the block is whole when it is over.
    pub fn during<T>(&self, operation: &'static str, work: impl FnOnce() -> T) -> T {
        let Style::Screen { columns, colours } = self.0.style else { return work() };
        {
            let mut block = self.block();
            *block = Block { operation, ..Block::default() };
        }
        let clock = {
            let own = self.clone();
            std::thread::spawn(move || own.ticks(columns, colours))
        };
        let done = work();
        let mut block = self.block();
        block.over = true;
        self.0.ended.notify_all();
        block.draw(columns, colours, self.0.dry);
        block.operation = "";
        drop(block);
        // It draws and nothing else: how it ended says nothing.
        clock.join().ok();
        done
    }

    fn ticks(&self, columns: usize, colours: bool) {
        let mut block = self.block();
        while !block.over {
            block = self.0.ended.wait_timeout(block, TICK).unwrap_or_else(PoisonError::into_inner).0;
            if !block.over {
                block.turns += 1;
                block.draw(columns, colours, self.0.dry);
            }
        }
    }

    /// A thing is at a step now.
    pub fn tell(&self, id: &str, state: State, text: &str) {
        self.tell_more(id, state, text, "");
    }

    /// The same with a reason.
    pub fn tell_more(&self, id: &str, state: State, text: &str, details: &str) {
        let prefix = if self.0.dry { DRY } else { "" };
        match self.0.style {
            Style::Quiet => {}
            Style::Plain => put(&format!("{prefix} {id}  {text} {details}")),
            Style::Json => {
                let word = match state {
                    State::Working => "Working",
                    State::Done => "Done",
                    State::Warning => "Warning",
                    State::Error => "Error",
                };
                put(&serde_json::json!({"dry-run": self.0.dry, "id": id, "status": word, "text": text, "details": details}).to_string());
            }
            Style::Screen { columns, colours } => {
                let mut block = self.block();
                block.set(id, state, text, details);
                block.draw(columns, colours, self.0.dry);
            }
        }
    }

    /// Somebody works on it.
    pub fn working(&self, id: &str, text: &str) {
        self.tell(id, State::Working, text);
    }

    /// It is done.
    pub fn done(&self, id: &str, text: &str) {
        self.tell(id, State::Done, text);
    }

    /// It failed.
    pub fn failed(&self, id: &str, why: &str) {
        self.tell_more(id, State::Error, "Error", why);
    }
}

fn put(line: &str) {
    let line = line.trim_end();
    // Whoever reads may have had enough of it.
    drop(std::io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}

impl Block {
    fn set(&mut self, id: &str, state: State, text: &str, details: &str) {
        let now = Instant::now();
        let at = self.tasks.iter().position(|task| task.id == id).unwrap_or_else(|| {
            let task = Task { id: id.to_owned(), text: String::new(), details: String::new(), state, began: now, ended: None };
            self.tasks.push(task);
            self.tasks.len() - 1
        });
        let task = &mut self.tasks[at];
        text.clone_into(&mut task.text);
        details.clone_into(&mut task.details);
        task.state = state;
        task.ended = if state == State::Working { None } else { Some(now) };
    }

    fn draw(&mut self, columns: usize, colours: bool, dry: bool) {
        if self.tasks.is_empty() || self.operation.is_empty() {
            return;
        }
        let text = self.text(columns, colours, dry);
        // The cursor is below the block: up, and over the old one.
        let up = if self.lines > 0 { format!("\x1b[{}A", self.lines) } else { String::new() };
        self.lines = text.lines().count();
        let lines: String = text.lines().map(|line| format!("\r\x1b[2K{line}\n")).collect();
        // Whoever reads may have had enough of it.
        drop(std::io::stderr().lock().write_all(format!("\x1b[?25l{up}{lines}\x1b[?25h").as_bytes()));
    }

    fn text(&self, columns: usize, colours: bool, dry: bool) -> String {
        let finished = self.tasks.iter().filter(|task| task.state != State::Working).count();
        let mut text = format!("[+] {} {finished}/{}\n", self.operation, self.tasks.len());
        let width = self.tasks.iter().map(|task| task.id.width()).max().unwrap_or(0);
        for task in &self.tasks {
            // Writing to a String never fails.
            let _ = writeln!(text, "{}", self.line(task, width, columns, colours, dry));
        }
        text
    }

    fn line(&self, task: &Task, width: usize, columns: usize, colours: bool, dry: bool) -> String {
        let (mark, code) = match task.state {
            State::Working => (TURNS[self.turns % TURNS.len()], ""),
            State::Done => ("✔", "32"),
            State::Warning => ("!", "33"),
            State::Error => ("✘", "31"),
        };
        let coloured =
            |text: &str, code: &str| if colours && !code.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
        let clock = format!("{:.1}s ", task.ended.unwrap_or_else(Instant::now).duration_since(task.began).as_secs_f64());
        let prefix = if dry { DRY } else { "" };
        let blanks = " ".repeat(width.saturating_sub(task.id.width()));
        let fixed = 5 + prefix.len() + width + task.text.width() + clock.len();
        let details: String = task.details.lines().next().unwrap_or_default().chars().take(columns.saturating_sub(fixed + 2)).collect();
        let gap = columns.saturating_sub(fixed + details.width() + 1);
        let (mark, text, clock) = (coloured(mark, code), coloured(&task.text, code), coloured(&clock, "34"));
        format!(" {mark} {prefix}{}{blanks}  {text} {details}{}{clock}", task.id, " ".repeat(gap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_counts_what_is_done_and_lines_up() {
        let mut block = Block { operation: "Running", ..Block::default() };
        block.set("Network x_default", State::Working, "Creating", "");
        block.set("Container x-web-1", State::Working, "Creating", "");
        block.set("Network x_default", State::Done, "Created", "");
        let text = block.text(60, false, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "[+] Running 1/2");
        assert!(lines[1].starts_with(" ✔ Network x_default  Created ") && lines[1].ends_with("0.0s "), "{text}");
        assert!(lines[2].starts_with(" ⠋ Container x-web-1  Creating ") && lines[2].width() == 60, "{text}");
        assert!(block.text(60, true, false).contains("\x1b[32m✔\x1b[0m"), "colours");
    }

    #[test]
    fn values_of_the_options_are_checked() {
        assert_eq!(Style::read("plain", "auto"), Ok(Style::Plain));
        assert_eq!(Style::read("quiet", ""), Ok(Style::Quiet));
        assert!(Style::read("loud", "").is_err() && Style::read("", "sometimes").is_err());
    }
}
