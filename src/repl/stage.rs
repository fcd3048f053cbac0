//! The stage: a demo, shown to a room by a presenter, or rehearsed without anybody.
//!
//! ```text
//!  demos/X.md ─ Demo ─ Session (a bottle of its own) ─ Desk ─┐
//!                                                            ├─ Stage: one cue after the other ─ what differs: Miss
//!  keys, rhythm, screen ───────────────────────────── House ─┘
//! ```
//!
//! Both types the same lines into the same shell and waits for the same facts; they differ only in the [`House`]: with a presenter there is a rhythm,
//! a screen and a keyboard, in a rehearsal there is nobody, and a line that does not end is ended.
//!
//! Invariants: a cue is over when its facts hold, never after a time; a cue that is shown again begins in a fresh world in which the cues before it were
//! replayed; nothing goes on by itself while a presenter is there.

mod controls;
mod house;
mod present;
mod rhythm;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Command;

use super::desk::{self, Desk};
use super::interactive::{Seat, prompt_text};
use super::typist::Typist as _;
use crate::bottle::Spec;
use crate::bottle::shell::{Size, console};
use crate::course::demo::{Demo, notes_of, without_notes};
use crate::course::prove::output;
use crate::course::text::Params;
use crate::course::unit::{Block, Command as Line, Step};
use crate::course::view::Verdict;
use crate::course::{self, Error, Session};
use crate::ui::{Doc, Face, Style, Text, fault, markdown};
use house::House;
pub use rhythm::Rhythm;

/// How long the facts of a cue are waited for. With a presenter a key ends it sooner.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How a demo is shown.
#[derive(Debug, Clone)]
pub struct Options {
    /// The world.
    pub bottle: Spec,
    /// Where the course keeps what it must: thrown away afterwards.
    pub state: PathBuf,
    /// Plain lines.
    pub plain: bool,
    /// How lines are typed.
    pub rhythm: Rhythm,
    /// Goes on by itself, without a presenter.
    pub auto: bool,
    /// How long the facts of a cue are waited for: [`PATIENCE`], if nobody wants it otherwise.
    pub patience: Duration,
    /// Where the presenter reads: a file, a terminal, or `-` for the room's screen.
    pub notes: Option<PathBuf>,
    /// Whether anything is shown: not in a rehearsal.
    pub shows: bool,
    /// The cue to begin with, from 1.
    pub from: Option<usize>,
}

/// Something that was not as the demo says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// Number and id of the cue.
    pub cue: (usize, String),
    /// The line of the demo's file.
    pub line: usize,
    /// What the file says.
    pub expected: String,
    /// What was there instead.
    pub seen: String,
}

/// What a rehearsal found.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// How many cues were shown.
    pub cues: usize,
    /// How many expectations were looked at.
    pub expectations: usize,
    /// Blocks and facts that do not apply on this machine.
    pub not_here: usize,
    /// What was not as it should be.
    pub misses: Vec<Miss>,
}

/// A demo in its world.
struct Stage {
    demo: Demo,
    desk: Desk,
    house: House,
    found: Rehearsal,
    /// Names that outputs have bound.
    bound: Params,
    /// Whether the current cue was shown.
    shown: bool,
    patience: Duration,
    notes: Option<PathBuf>,
}

/// Shows a demo to a room; gives the exit code. `tools` is our own command line, for completion while the keyboard is handed over.
///
/// # Errors
/// Its world cannot be made, or the terminal failed.
pub fn play(demo: Demo, options: &Options, tools: &Command) -> Result<i32, Error> {
    let mut stage = Stage::open(demo, options)?;
    let done = if options.auto { stage.run_through().map(|()| i32::from(!stage.found.misses.is_empty())) } else { stage.present(tools) };
    let Stage { desk, house, .. } = stage;
    // The terminal is given back before the world ends: a presenter need not look at the pause.
    drop(house);
    let ended = desk.end();
    done.and_then(|status| ended.map(|()| status))
}

/// Shows all cues to nobody, in a fresh bottle, and says what was not as expected.
///
/// # Errors
/// Its world cannot be made, or is gone.
pub fn rehearse(demo: Demo, options: &Options) -> Result<Rehearsal, Error> {
    let mut stage = Stage::open(demo, options)?;
    let done = stage.run_through();
    let Stage { desk, found, .. } = stage;
    let ended = desk.end();
    done.and(ended).map(|()| found)
}

impl Stage {
    fn open(demo: Demo, options: &Options) -> Result<Stage, Error> {
        let size = console::size().unwrap_or(Size { columns: 100, rows: 30 });
        let session = Session::start_in(
            demo.course.clone(),
            course::Options {
                state: options.state.clone(),
                unit: Some(demo.unit.id.clone()),
                learner: Some("presenter".to_owned()),
                // Each time the same parameters: what was rehearsed is what is shown.
                seed: Some("demo".to_owned()),
                bottle: options.bottle.clone(),
                size: Some(size),
                as_written: true,
                ..course::Options::default()
            },
        )?;
        if let Some(missing) = session.missing(&session.unit().world.needs) {
            session.end()?;
            return Err(Error::NotNow {
                why: format!("the demo `{}` cannot be shown on this machine: {missing}", demo.name),
                hint: "`bottleship doctor` says what this machine can do".to_owned(),
            });
        }
        let style = Style::detect(options.plain, Some(usize::from(size.columns)));
        let desk = Desk::new(session, false, style, size);
        let history = options.state.join("history");
        let seat = if options.auto { None } else { Some(Seat::take(&desk, history).map_err(|error| terminal("take", &error))?) };
        let house = House::new(seat, options.rhythm.clone(), style);
        let house = if options.shows { house } else { house.dark() };
        let notes = options.notes.clone();
        let mut stage =
            Stage { demo, desk, house, found: Rehearsal::default(), bound: Params::new(), shown: false, patience: options.patience, notes };
        if let Some(cue) = options.from {
            stage.jump(cue)?;
        }
        Ok(stage)
    }

    fn at(&self) -> usize {
        self.desk.session.position()
    }

    fn cues(&self) -> usize {
        self.desk.session.unit().steps.len()
    }

    fn cue(&self) -> &Step {
        &self.desk.session.unit().steps[self.at()]
    }

    /// All cues from here to the last.
    fn run_through(&mut self) -> Result<(), Error> {
        loop {
            self.show()?;
            if self.at() + 1 == self.cues() {
                self.house.end_line();
                return Ok(());
            }
            self.forward()?;
        }
    }

    fn forward(&mut self) -> Result<(), Error> {
        self.desk.session.prover_goes_on()?;
        self.shown = false;
        Ok(())
    }

    /// Shows the current cue.
    fn show(&mut self) -> Result<(), Error> {
        let (at, cue) = (self.at(), self.cue().clone());
        self.tell(&cue)?;
        self.shown = true;
        self.found.cues += 1;
        let (style, intro) = (self.desk.style, self.demo.unit.intro.clone());
        let mut doc = Doc::new();
        if at == 0 {
            doc = doc.then(markdown::parse(&without_notes(&intro).0));
        }
        self.house.say(&doc.heading(2, markdown::inline(&cue.title)), &style);
        if let Some(why) = self.desk.session.missing(&cue.needs) {
            self.found.not_here += 1;
            self.house.say(&Doc::new().line(Text::of(Face::Caution, "not here:").and(Face::Plain, format!(" {why}"))), &style);
            return Ok(());
        }
        // What the last block printed and how it ended; none where it does not apply.
        let mut last: Option<(String, i32)> = None;
        for (number, block) in cue.blocks.iter().enumerate() {
            match block {
                Block::Prose(prose) => self.house.say(&markdown::parse(&without_notes(prose).0), &style),
                Block::Run { needs, .. } if self.desk.session.missing(needs).is_some() => {
                    self.found.not_here += 1;
                    last = None;
                }
                Block::Run { commands, line, .. } => {
                    let told = exit_told(&cue.blocks[number + 1..]);
                    last = Some(self.type_all(commands, *line, told)?);
                }
                Block::Output { text, exit, line } => {
                    if let Some((printed, status)) = &last {
                        self.compare(text, *exit, *line, printed, *status);
                    }
                }
                Block::Predict(_) | Block::Quiz(_) => {}
            }
        }
        self.await_facts(&cue)
    }

    /// Types the commands of a block; gives what they printed, and how the last one ended. Any other must end well, and the last one too where nothing
    /// is `told` about it.
    fn type_all(&mut self, commands: &[Line], first: usize, told: bool) -> Result<(String, i32), Error> {
        let (mut printed, mut status, mut line) = (String::new(), 0, first);
        self.house.queue = commands.iter().map(|command| command.text.clone()).collect();
        while let Some(text) = self.house.queue.pop_front() {
            let left = self.house.queue.len();
            let ready = self.desk.ready().clone();
            let prompt = prompt_text(&self.desk, &ready);
            let style = self.desk.style;
            self.house.type_line(if style.colour { &prompt.1 } else { &prompt.0 }, &text)?;
            let answer = self.desk.enter(&text, &mut self.house);
            self.house.answer(&answer, &style);
            if desk::is_verb(&text) {
                self.house.heard.extend(answer.doc.render(&Style::plain(style.columns)).into_bytes());
            }
            let said = String::from_utf8_lossy(&std::mem::take(&mut self.house.heard)).into_owned();
            status = answer.status;
            let late = std::mem::take(&mut self.house.late);
            self.found.expectations += 1;
            if late {
                self.miss(line, format!("`{}` ends", first_line(&text)), format!("it did not end in {} s", house::LONGEST.as_secs()));
            } else if status != 0 && !(told && self.house.queue.is_empty()) {
                let seen = format!("it ended with {status}: {}", last_line(&said));
                self.miss(line, format!("`{}` ends with 0", first_line(&text)), seen);
            }
            printed.push_str(&said);
            // Lines that a program has read were typed too.
            line += text.lines().count() + (left - self.house.queue.len());
        }
        Ok((printed, status))
    }

    fn compare(&mut self, text: &str, exit: Option<i32>, line: usize, printed: &str, status: i32) {
        self.found.expectations += 1;
        let mut names = self.bound.clone();
        match output::matches(text, printed, &mut names) {
            Ok(()) => self.bound = names,
            Err(differs) => self.miss(line + differs.line.unwrap_or(0), differs.missing, format!("it prints: {}", differs.seen)),
        }
        if let Some(wanted) = exit.filter(|wanted| *wanted != status) {
            self.miss(line.saturating_sub(1), format!("it ends with {wanted}"), format!("it ended with {status}"));
        }
    }

    /// Waits until what the cue is to bring about is there.
    fn await_facts(&mut self, cue: &Step) -> Result<(), Error> {
        let Stage { desk, house, patience, .. } = self;
        let Some(check) = desk.session.await_facts(*patience, &mut |pause| house.pause(pause))? else { return Ok(()) };
        let at = self.at();
        for fact in &check.facts {
            if fact.not_here.is_some() {
                self.found.not_here += 1;
                continue;
            }
            self.found.expectations += 1;
            if fact.verdict != Verdict::Pass {
                let line = self.demo.line_of_fact(at, &fact.id);
                let expected = self.demo.source(line).to_owned();
                let got = if fact.say.contains(&fact.got) { String::new() } else { format!(" ({})", fact.got) };
                self.miss(line, expected, format!("{}: {}{got}", fact.verdict.word(), fact.say));
            }
        }
        if let Some(debrief) = cue.debrief.clone().filter(|_| check.verdict == Verdict::Pass) {
            let style = self.desk.style;
            self.house.say(&Doc::new().paragraph(markdown::inline(&debrief)), &style);
        }
        Ok(())
    }

    fn miss(&mut self, line: usize, expected: String, seen: String) {
        let cue = (self.at() + 1, self.cue().id.clone());
        let miss = Miss { cue, line, expected, seen };
        if self.house.has_presenter() {
            let style = self.desk.style;
            let note = format!("Not as rehearsed ({}:{}): expected {}; {}", self.demo.file.display(), miss.line, miss.expected, miss.seen);
            // On the room's screen only where the presenter reads nothing else.
            if self.notes.as_deref().is_none_or(|notes| notes == Path::new("-")) || self.note(&note).is_err() {
                self.house.say(&Doc::new().line(Text::of(Face::Dim, note)), &style);
            }
        }
        self.found.misses.push(miss);
    }

    /// What the presenter reads about a cue.
    fn tell(&mut self, cue: &Step) -> Result<(), Error> {
        if self.notes.is_none() {
            return Ok(());
        }
        let (at, steps) = (self.at(), &self.desk.session.unit().steps);
        let mut text = format!("cue {} of {}: {}\n", at + 1, steps.len(), cue.title);
        let notes = notes_of(cue);
        if !notes.is_empty() {
            text.push_str(&format!("{notes}\n"));
        }
        if let Some(next) = steps.get(at + 1) {
            text.push_str(&format!("next: {}\n", next.title));
        }
        self.note(&text)
    }

    fn note(&mut self, text: &str) -> Result<(), Error> {
        let Some(path) = self.notes.clone() else { return Ok(()) };
        if path == Path::new("-") {
            let style = self.desk.style;
            let doc = text.lines().fold(Doc::new(), |doc, line| doc.line(Text::of(Face::Dim, line)));
            self.house.say(&doc, &style);
            return Ok(());
        }
        // A terminal is written to as a file is; a file grows, so that `tail -f` follows it.
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|mut file| writeln!(file, "{text}"))
            .map_err(|error| Error::File { path, why: format!("cannot take the presenter's notes: {error}") })
    }
}

/// Says what a demo failed at, as the rest of the prompt does.
pub fn failure(error: &Error, style: &Style) -> String {
    fault::doc(error, error.hint().as_deref()).render(style)
}

/// Whether an `output` block of this run says how it ends.
fn exit_told(after: &[Block]) -> bool {
    let of_this = after.iter().take_while(|block| !matches!(block, Block::Run { .. }));
    of_this.into_iter().any(|block| matches!(block, Block::Output { exit: Some(_), .. }))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing")
}

fn terminal(doing: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::NotNow {
        why: format!("{doing} the terminal: {error}"),
        hint: "a presenter needs a terminal; `--auto` shows a demo without one, `bottleship demo rehearse` tries it".to_owned(),
    }
}
