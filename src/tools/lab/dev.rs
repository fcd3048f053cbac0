//! `bottleship lab dev PATH`: a lab or a lesson, open in a living bottle while its author writes it.
//!
//! ```text
//!  inotify ──┐            ┌─ read the folder, lint, reload the session (in place, or in a fresh world), look at every step
//!  stdin  ───┼─ poll(2) ──┼─ a line for bench, or a verb
//!  Ctrl-C ───┘            └─ end the bottle
//! ```
//!
//! A file that cannot be read is said with file, line and key, and the last good version stays open: nothing that an author saves half-way ends it.

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::place::Place;
use crate::bottle::scratch::{Scratch, Use};
use crate::bottle::shell::console;
use crate::bottle::{Mode, Spec};
use crate::course::session::{Options, Session};
use crate::course::{Course, Error, lint};
use crate::kernel::interrupt::Interrupt;
use crate::kernel::watch::Watch;
use crate::kernel::{self, poll};
use crate::repl::views;
use crate::ui::{Doc, Style, fault};

/// Editors write several files for one save: what comes within this time is one change.
const SETTLE: Duration = Duration::from_millis(40);

/// The author's desk.
struct Dev {
    place: Place,
    watch: Watch,
    /// Ctrl-C, as something to read.
    interrupt: Arc<OwnedFd>,
    session: Option<Session>,
    options: Options,
    style: Style,
    /// What was typed and is no whole line yet.
    typed: Vec<u8>,
}

/// Opens the unit at `path` until Ctrl-C.
pub fn run(path: &Path, plain: bool, mode: Option<Mode>) -> Result<ExitCode, Error> {
    let Some(place) = Place::of_unit(path) else {
        return Err(Error::NotNow {
            why: format!("open `{}`: it is neither the folder of a lab nor the file of a lesson", path.display()),
            hint: "write DIR/labs/PART/SLUG or DIR/lessons/NN-part/NN-slug.md; `bottleship lab new PART/SLUG` begins a lab".to_owned(),
        });
    };
    // Before anything is started: what is started must not be what Ctrl-C ends.
    let interrupt = Interrupt::hold()?;
    let interrupt = interrupt.as_fd().try_clone_to_owned().map_err(|error| kernel::Error::from_io("dup", "Ctrl-C", &error))?;
    let interrupt = Arc::new(interrupt);
    let state = Scratch::new(Use::Dev)?;
    let name = format!("dev-{}", std::process::id());
    let size = console::size();
    let options = Options {
        state: state.path().to_owned(),
        learner: Some("author".to_owned()),
        bottle: Spec { name: name.clone(), mode, ..Spec::default() },
        size,
        stop: Some(Arc::clone(&interrupt)),
        ..Options::default()
    };
    let style = Style::detect(plain, size.map(|size| size.columns.into()));
    let mut dev = Dev { place, watch: Watch::new()?, interrupt, session: None, options, style, typed: Vec::new() };
    let done = dev.work();
    let ended = dev.session.take().map_or(Ok(()), Session::end);
    crate::tools::forget_worlds(&name);
    done.and(ended).map(|()| ExitCode::SUCCESS)
}

impl Dev {
    fn work(&mut self) -> Result<(), Error> {
        self.load(&[])?;
        let stdin = std::io::stdin();
        let person = stdin.is_terminal();
        let mut listens = true;
        loop {
            let mut polled = vec![self.interrupt.as_fd(), self.watch.as_fd()];
            polled.extend(listens.then(|| stdin.as_fd()));
            let ready = poll::readable(&polled, None)?;
            if ready.contains(&0) {
                return Ok(());
            }
            if ready.contains(&1) {
                let changed = self.settled()?;
                self.load(&changed)?;
            }
            if ready.contains(&2) {
                match poll::read_some(stdin.as_fd())? {
                    Some(bytes) => self.hear(&bytes)?,
                    // Ctrl-D ends it as it ends a shell; a script that has no more lines leaves us watching.
                    None if person => return Ok(()),
                    None => listens = false,
                }
            }
        }
    }

    /// The names of what has changed, once nothing more comes.
    fn settled(&self) -> Result<Vec<String>, Error> {
        let mut names = self.watch.changed()?;
        while poll::readable(&[self.watch.as_fd()], Some(SETTLE))?.contains(&0) {
            for name in self.watch.changed()? {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// Watches the unit's folders, those in them, and those around them that are not there yet.
    fn watch_all(&self) -> Result<(), Error> {
        let mut folders: Vec<_> = self.place.folders().iter().map(|folder| self.place.course.join(folder)).collect();
        while let Some(folder) = folders.pop() {
            if folder.is_dir() {
                self.watch.folder(&folder)?;
                folders.extend(kernel::fs::list(&folder)?.iter().map(|name| folder.join(name)).filter(|path| path.is_dir()));
            } else if let Some(above) = folder.ancestors().find(|above| above.is_dir()) {
                self.watch.folder(above)?;
            }
        }
        Ok(())
    }

    /// Reads the course again and shows what it is now.
    fn load(&mut self, changed: &[String]) -> Result<(), Error> {
        self.watch_all()?;
        if !changed.is_empty() {
            // Only names that mean something: an editor's swap files come and go.
            let names: Vec<&str> =
                changed.iter().map(String::as_str).filter(|name| !name.starts_with('.') && !name.ends_with('~')).collect();
            if names.is_empty() {
                return Ok(());
            }
            self.say(&Doc::new().line(format!("--- changed: {}", names.join(", "))));
        }
        let (course, problems) = match Course::read_folder(&self.place.course) {
            Ok(files) => Course::tolerant(files),
            Err(error) => return self.complain(&error),
        };
        let (own, others): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| self.place.owns(&problem.file));
        for problem in &own {
            self.say(&Doc::new().line(problem.to_string()));
        }
        let Some(entry) = course.units().iter().find(|entry| entry.file == self.place.file) else {
            let stays = if self.session.is_some() { "the last good version stays open" } else { "it opens when it can be read" };
            self.say(&Doc::new().line(format!("lint: {} problems; {stays}", own.len())));
            return Ok(());
        };
        let found = lint::unit(&course, entry);
        for problem in &found {
            self.say(&Doc::new().line(problem.to_string()));
        }
        let also = if others.is_empty() { String::new() } else { format!(" ({} in other files of the course)", others.len()) };
        self.say(&Doc::new().line(format!("lint: {} problems{also}", own.len() + found.len())));
        let id = entry.example.id.clone();
        self.open(course, &id)
    }

    fn open(&mut self, course: Course, id: &str) -> Result<(), Error> {
        let opened = match &mut self.session {
            Some(session) if session.unit().id == id => session.reload(course).map(|moved| moved.fresh),
            Some(_) => Err(Error::NotNow {
                why: format!("the id has become `{id}`, and the unit that is open has another"),
                hint: "Ctrl-C, and `bottleship lab dev` again".to_owned(),
            }),
            none => Session::start_in(course, Options { unit: Some(id.to_owned()), ..self.options.clone() }).map(|session| {
                *none = Some(session);
                true
            }),
        };
        match opened {
            Ok(fresh) => {
                if fresh {
                    self.say(&Doc::new().line("A fresh world."));
                }
                self.show()
            }
            Err(error) => self.complain(&error),
        }
    }

    /// The task and what a check of each step says now.
    fn show(&self) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        self.say(&views::step(&session.view(), false));
        self.look(session);
        Ok(())
    }

    fn look(&self, session: &Session) {
        for step in 0..session.unit().steps.len() {
            if let Some(check) = session.look_at_step(step) {
                self.say(&views::check(&check));
            }
        }
    }

    /// What was typed: whole lines are entered.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.typed.extend_from_slice(bytes);
        while let Some(end) = self.typed.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.typed.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Err(error) = self.enter(&line) {
                // A line that Ctrl-C has cut short: whoever waits for it next is the loop, which ends.
                if self.interrupted()? {
                    return Ok(());
                }
                self.complain(&error)?;
            }
        }
        Ok(())
    }

    fn interrupted(&self) -> Result<bool, Error> {
        Ok(!poll::readable(&[self.interrupt.as_fd()], Some(Duration::ZERO))?.is_empty())
    }

    fn enter(&mut self, line: &str) -> Result<(), Error> {
        let Some(session) = &mut self.session else {
            return Err(Error::NotNow { why: "nothing is open yet".to_owned(), hint: "mend the file and save it".to_owned() });
        };
        if line.is_empty() {
            return self.show();
        }
        let lines = if line == ":solve" { session.reveal()? } else { vec![line.to_owned()] };
        for line in &lines {
            if line.starts_with(':') {
                let check = session.type_line(line)?;
                let shown = check.map_or_else(|| views::step(&session.view(), false), |check| views::check(&check));
                print(&shown.render(&self.style));
                continue;
            }
            let (output, status) = session.type_shell_line(line)?;
            let shown = String::from_utf8_lossy(&output).replace('\r', "");
            print(&format!("$ {line}\n{shown}"));
            if status != 0 {
                print(&format!("[{status}]\n"));
            }
        }
        if !line.starts_with(':') || line == ":solve" {
            let at = session.position();
            if let Some(check) = session.look_at_step(at) {
                print(&views::check(&check).render(&self.style));
            }
        }
        Ok(())
    }

    fn complain(&self, error: &Error) -> Result<(), Error> {
        self.say(&fault::doc(error, error.hint().as_deref()));
        Ok(())
    }

    fn say(&self, doc: &Doc) {
        print(&doc.render(&self.style));
    }
}

/// At once: a pipe's reader wants to see it now, too.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    // When nobody reads any more, Ctrl-C still ends us.
    let _ = write!(out, "{text}{newline}").and_then(|()| out.flush());
}
