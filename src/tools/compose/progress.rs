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
use crate::ui::{transfer, units};

/// How it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A line for every step.
    Plain,
    /// One block that changes, on a terminal so wide.
    Screen {
        /// Its columns.
        columns: usize,
        /// Its rows: a block that is higher could not be written over.
        rows: usize,
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
        let screen = || {
            let size = pty::size(std::io::stderr().as_fd());
            let (columns, rows) = size.map_or((80, 24), |size| (usize::from(size.columns), usize::from(size.rows)));
            Style::Screen { columns, rows, colours }
        };
        Ok(match progress {
            "plain" => Style::Plain,
            "quiet" | "none" => Style::Quiet,
            "json" => Style::Json,
            "tty" => screen(),
            "auto" | "" if std::io::stderr().is_terminal() && ansi != "never" => screen(),
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

impl State {
    /// What documents call it.
    fn word(self) -> &'static str {
        match self {
            State::Working => "Working",
            State::Done => "Done",
            State::Warning => "Warning",
            State::Error => "Error",
        }
    }
}

/// Where a block is drawn, and how.
#[derive(Debug, Clone, Copy)]
struct Area {
    columns: usize,
    rows: usize,
    colours: bool,
    dry: bool,
}

/// One thing of the block.
struct Task {
    id: String,
    /// What it is a part of, as a layer is of a service's image; empty for what stands by itself.
    of: String,
    /// So many of so many bytes.
    bytes: Option<(u64, u64)>,
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
/// How much of a part is there, in the line of the whole.
const PORTIONS: [&str; 9] = ["⠀", "⡀", "⣀", "⣄", "⣤", "⣦", "⣶", "⣷", "⣿"];
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
        let Style::Screen { columns, rows, colours } = self.0.style else { return work() };
        let screen = Area { columns, rows, colours, dry: self.0.dry };
        {
            let mut block = self.block();
            *block = Block { operation, ..Block::default() };
        }
        let clock = {
            let own = self.clone();
            std::thread::spawn(move || own.ticks(screen))
        };
        let done = work();
        let mut block = self.block();
        block.over = true;
        self.0.ended.notify_all();
        block.draw(screen);
        block.operation = "";
        drop(block);
        // It draws and nothing else: how it ended says nothing.
        clock.join().ok();
        done
    }

    fn ticks(&self, screen: Area) {
        let mut block = self.block();
        while !block.over {
            block = self.0.ended.wait_timeout(block, TICK).unwrap_or_else(PoisonError::into_inner).0;
            if !block.over {
                block.turns += 1;
                block.draw(screen);
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
                let word = state.word();
                put(&serde_json::json!({"dry-run": self.0.dry, "id": id, "status": word, "text": text, "details": details}).to_string());
            }
            Style::Screen { columns, rows, colours } => {
                let mut block = self.block();
                block.set(("", id), state, text, details);
                block.draw(Area { columns, rows, colours, dry: self.0.dry });
            }
        }
    }

    /// A part of a thing is at a step now, with so many of so many bytes if they count. A file gets a line for each step, and none for mere bytes.
    pub fn part(&self, of: &str, id: &str, state: State, text: &str, bytes: Option<(u64, u64)>) {
        let mut block = self.block();
        let news = block.set((of, id), state, text, "");
        if let Some(task) = block.tasks.iter_mut().find(|task| task.of == of && task.id == id) {
            task.bytes = bytes.or_else(|| task.bytes.map(|(_, all)| (if state == State::Done { all } else { 0 }, all)));
        }
        match self.0.style {
            Style::Quiet => {}
            Style::Plain if news => put(&format!(" {id}  {text}")),
            Style::Plain => {}
            Style::Json => {
                let (now, all) = bytes.unwrap_or_default();
                let mut told = serde_json::json!({"id": id, "parent_id": of, "status": state.word(), "text": text});
                if all > 0 {
                    told["current"] = now.into();
                    told["total"] = all.into();
                    told["percent"] = (now.min(all) * 100 / all).into();
                }
                put(&told.to_string());
            }
            // It changes many times a second: the clock draws it.
            Style::Screen { .. } => {}
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
    /// Sets how far a thing is (what it is a part of, and its id); whether that is another step than before.
    fn set(&mut self, (of, id): (&str, &str), state: State, text: &str, details: &str) -> bool {
        let now = Instant::now();
        let at = self.tasks.iter().position(|task| task.id == id && task.of == of).unwrap_or_else(|| {
            let (id, of) = (id.to_owned(), of.to_owned());
            self.tasks.push(Task { id, of, bytes: None, text: String::new(), details: String::new(), state, began: now, ended: None });
            self.tasks.len() - 1
        });
        let task = &mut self.tasks[at];
        let news = task.text != text || task.state != state;
        text.clone_into(&mut task.text);
        details.clone_into(&mut task.details);
        task.state = state;
        task.ended = if state == State::Working { None } else { Some(now) };
        news
    }

    fn draw(&mut self, area: Area) {
        if self.tasks.is_empty() || self.operation.is_empty() {
            return;
        }
        let text = self.text(area);
        // The cursor is below the block: up, and over the old one.
        let up = if self.lines > 0 { format!("\x1b[{}A", self.lines) } else { String::new() };
        self.lines = text.lines().count();
        let lines: String = text.lines().map(|line| format!("\r\x1b[2K{line}\n")).collect();
        // Whoever reads may have had enough of it.
        drop(std::io::stderr().lock().write_all(format!("\x1b[?25l{up}{lines}\x1b[?25h").as_bytes()));
    }

    fn text(&self, area: Area) -> String {
        let finished = self.tasks.iter().filter(|task| task.state != State::Working).count();
        let mut text = format!("[+] {} {finished}/{}\n", self.operation, self.tasks.len());
        // Beside it: blanks and a mark, the longest step of a part, a clock.
        let fits = |name: &str| 6 + name.width() + "Verifying Checksum".len() + "100.0s ".len() <= area.columns;
        let head =
            |task: &Task| Some(format!("{}{}", task.id, self.portions(task))).filter(|name| fits(name)).unwrap_or_else(|| task.id.clone());
        let heads: Vec<(&Task, String)> = self.tasks.iter().filter(|task| task.of.is_empty()).map(|task| (task, head(task))).collect();
        let width = heads.iter().map(|(_, name)| name.width()).max().unwrap_or(0);
        // What does not fit would be written below itself again and again.
        let parts = self.tasks.len() + 2 < area.rows;
        for (task, name) in heads {
            // Writing to a String never fails, here and below.
            let _ = writeln!(text, "{}", self.line(task, ("", &name), width, area));
            for part in self.tasks.iter().filter(|part| parts && part.of == task.id && !part.of.is_empty()) {
                let _ = writeln!(text, "{}", self.line(part, ("  ", &part.id), width, area));
            }
        }
        text
    }

    /// ` [⣿⣤⠀]   1.2MB / 3.4MB`: how much of each part is there, while somebody works on the whole.
    fn portions(&self, task: &Task) -> String {
        let parts: Vec<&Task> = self.tasks.iter().filter(|part| !part.of.is_empty() && part.of == task.id).collect();
        if parts.is_empty() || task.state != State::Working {
            return String::new();
        }
        let most = PORTIONS.len() as u64 - 1;
        let portion = |part: &&Task| match part.bytes {
            _ if part.state == State::Done => PORTIONS[PORTIONS.len() - 1],
            Some((now, all)) if all > 0 => PORTIONS[usize::try_from(now.min(all) * most / all).unwrap_or(0)],
            _ => PORTIONS[0],
        };
        let portions: String = parts.iter().map(portion).collect();
        let (now, all) = parts.iter().filter_map(|part| part.bytes).fold((0, 0), |(now, all), (one, of)| (now + one.min(of), all + of));
        let sizes = if all > 0 { format!(" {:>7} / {:<7}", units::precise(now), units::precise(all)) } else { String::new() };
        format!(" [{portions}]{sizes}")
    }

    fn line(&self, task: &Task, (indent, name): (&str, &str), width: usize, area: Area) -> String {
        let Area { columns, colours, dry, .. } = area;
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
        let blanks = " ".repeat(width.saturating_sub(indent.len() + name.width()));
        let fixed = 5 + prefix.len() + indent.len() + name.width() + blanks.len() + task.text.width() + clock.len();
        let bar = task.bytes.filter(|_| task.state == State::Working).map(|(now, all)| transfer::bar(now, all, columns));
        let details = bar.unwrap_or_else(|| task.details.clone());
        let details: String = details.lines().next().unwrap_or_default().chars().take(columns.saturating_sub(fixed + 2)).collect();
        let gap = columns.saturating_sub(fixed + details.width() + 1);
        let (mark, text, clock) = (coloured(mark, code), coloured(&task.text, code), coloured(&clock, "34"));
        format!(" {indent}{mark} {prefix}{name}{blanks}  {text} {details}{}{clock}", " ".repeat(gap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_counts_what_is_done_and_lines_up() {
        let mut block = Block { operation: "Running", ..Block::default() };
        block.set(("", "Network x_default"), State::Working, "Creating", "");
        block.set(("", "Container x-web-1"), State::Working, "Creating", "");
        block.set(("", "Network x_default"), State::Done, "Created", "");
        let area = Area { columns: 60, rows: 24, colours: false, dry: false };
        let text = block.text(area);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "[+] Running 1/2");
        assert!(lines[1].starts_with(" ✔ Network x_default  Created ") && lines[1].ends_with("0.0s "), "{text}");
        assert!(lines[2].starts_with(" ⠋ Container x-web-1  Creating ") && lines[2].width() == 60, "{text}");
        assert!(block.text(Area { colours: true, ..area }).contains("\x1b[32m✔\x1b[0m"), "colours");
    }

    #[test]
    fn layers_stand_below_their_service_and_are_summed_up_in_its_line() {
        let mut block = Block { operation: "Pulling", ..Block::default() };
        block.set(("", "web"), State::Working, "Pulling", "");
        block.set(("", "db"), State::Working, "Pulling", "");
        assert!(block.set(("web", "a1"), State::Working, "Downloading", ""));
        assert!(!block.set(("web", "a1"), State::Working, "Downloading", ""), "the same step is no news");
        block.tasks[2].bytes = Some((500, 1000));
        block.set(("web", "b2"), State::Done, "Already exists", "");
        let area = Area { columns: 100, rows: 24, colours: false, dry: false };
        let text = block.text(area);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "[+] Pulling 1/4");
        assert!(lines[1].starts_with(" ⠋ web [⣤⣿]    500B / 1kB      Pulling "), "{text}");
        assert!(lines[2].starts_with("   ⠋ a1 ") && lines[2].contains("Downloading [=========================>"), "{text}");
        assert!(lines[3].starts_with("   ✔ b2 ") && lines[3].contains("Already exists"), "{text}");
        assert!(lines[4].starts_with(" ⠋ db ") && lines.len() == 5, "{text}");
        assert!(lines[1..].iter().all(|line| line.width() <= 100), "{text}");
        assert_eq!(block.text(Area { rows: 6, ..area }).lines().count(), 3, "a low screen has the services only");
        block.set(("", "web"), State::Done, "Pulled", "");
        assert!(block.text(area).contains(" ✔ web  Pulled "), "{}", block.text(area));
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let mut block = Block { operation: "Pulling", ..Block::default() };
        let service = "a-service-of-a-long-name";
        block.set(("", service), State::Working, "Pulling", "");
        for layer in 0..12 {
            block.set((service, &format!("{layer:012}")), State::Working, "Verifying Checksum", "");
            block.tasks[layer + 1].bytes = Some((500_000, 1_000_000));
        }
        for columns in [60, 80, 100, 140] {
            let text = block.text(Area { columns, rows: 24, colours: false, dry: false });
            assert!(text.lines().all(|line| line.width() <= columns), "{columns}:\n{text}");
            assert_eq!(text.contains("MB / "), columns >= 100, "{columns}:\n{text}");
        }
    }

    #[test]
    fn values_of_the_options_are_checked() {
        assert_eq!(Style::read("plain", "auto"), Ok(Style::Plain));
        assert_eq!(Style::read("quiet", ""), Ok(Style::Quiet));
        assert!(Style::read("loud", "").is_err() && Style::read("", "sometimes").is_err());
    }
}
