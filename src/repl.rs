//! The prompt: where a learner sits.
//!
//! ```text
//!  keyboard ─ editor ─┐                        ┌─ ":verb"     course::Session ─ view models ─ views ─┐
//!                     ├─ Typist ─ Desk::enter ─┤  "@host .."  a shell on another host                ├─ ui::Doc ─ terminal
//!  script, pipe ──────┘                        └─ anything    bottle::shell, the learner's bash ─────┘
//! ```
//!
//! A person ([`interactive`]) and a script ([`batch`]) differ only in who types; the [`desk`] does the rest. While a command runs, the
//! person's terminal is the shell's (see `bottle::shell::console`), so everything works that works in a terminal.
//!
//! Invariants: a verb begins with a colon, so that no program is ever shadowed; nothing advances by itself; what is shown is one model in two
//! renderings (see [`crate::ui`]); nothing here waits but in poll(2).
//!
//! What is left out: `:clock`, `:fault` and the verbs of later parts are not listed before they exist.

mod attend;
mod batch;
mod complete;
mod containers;
mod course_verbs;
mod desk;
mod editor;
pub mod explain;
mod fidelity;
mod help;
mod interactive;
mod layers;
mod lexer;
mod report;
mod spec;
pub mod stage;
mod tracer;
mod typist;
mod verbs;
pub mod views;
mod why;
mod wiring;
mod zoom;

use std::io::{BufRead, Cursor, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;

use crate::bottle::shell::{Size, console};
use crate::bottle::{self, Spec};
use crate::course::{self, Session};
use crate::ui::{Doc, Style, fault};
use desk::Desk;

/// How the prompt is to start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The state root: progress, history, bottles.
    pub state: PathBuf,
    /// Plain lines, whatever the terminal can do.
    pub plain: bool,
    /// The world.
    pub bottle: Spec,
    /// A course folder instead of the course in the binary.
    pub course: Option<PathBuf>,
    /// The lesson or lab to open, `ID` or `ID#STEP`.
    pub unit: Option<String>,
    /// In a script: stop at the first line that fails.
    pub stop_on_error: bool,
}

/// What is typed.
#[derive(Debug, Clone)]
pub enum Input {
    /// By a person at our terminal; lines of standard input where that is none.
    Standard,
    /// The lines of a file.
    File(PathBuf),
}

/// Boots the world and runs the prompt until it is left. `tools` is our own command line, for completion.
pub fn run(options: &Options, input: &Input, tools: Command) -> ExitCode {
    let size = console::size();
    let style = Style::detect(options.plain, size.map(|size| size.columns.into()));
    match started(options, input, tools, style, size.unwrap_or(Size { columns: 80, rows: 24 })) {
        Ok(status) => ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1)),
        Err(doc) => {
            eprint!("{}", doc.render(&style));
            ExitCode::from(125)
        }
    }
}

fn started(options: &Options, input: &Input, tools: Command, style: Style, size: Size) -> Result<i32, Doc> {
    let script = script(input)?;
    let session = Session::start(course::Options {
        state: options.state.clone(),
        course: options.course.clone(),
        unit: options.unit.clone(),
        learner: None,
        bottle: options.bottle.clone(),
        size: Some(size),
        // Proofs and grading draw the parameters of labs from this.
        seed: std::env::var("BOTTLESHIP_SEED").ok(),
        stop: None,
        as_written: false,
    })
    .map_err(|error| fault::doc(&error, error.hint().as_deref()))?;
    eprint!("{}", views::left_out_shortly(session.broken()).render(&style));
    let mut desk = Desk::new(session, options.bottle.internet == bottle::Internet::Real, style, size);
    desk.attend_from(&options.state);
    eprint!("{}", desk.attendance().unwrap_or_default().render(&style));
    let status = match script {
        Some(script) => Ok(batch::run(&mut desk, script, options.stop_on_error)),
        None => interactive::run(&mut desk, history(options), tools).map_err(|error| fault::doc(&error, None)),
    };
    let ended = desk.end().map_err(|error| fault::doc(&error, error.hint().as_deref()));
    status.and_then(|status| ended.map(|()| status))
}

/// The lines of a script; none where a person types.
fn script(input: &Input) -> Result<Option<Box<dyn BufRead>>, Doc> {
    match input {
        Input::File(path) => match std::fs::read(path) {
            Ok(bytes) => Ok(Some(Box::new(Cursor::new(bytes)))),
            Err(error) => Err(fault::words(&format!("read the script `{}`: {error}", path.display()), None)),
        },
        Input::Standard if std::io::stdin().is_terminal() => Ok(None),
        Input::Standard => Ok(Some(Box::new(std::io::stdin().lock()))),
    }
}

/// The history is kept per course: what one types in one is noise in another.
fn history(options: &Options) -> PathBuf {
    let course = options.course.as_ref().and_then(|course| course.file_name()).map_or("bottleship".into(), |name| name.to_string_lossy());
    options.state.join(format!("history-{course}"))
}

#[cfg(test)]
mod tests;
