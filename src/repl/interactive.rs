//! A person at a terminal: the loop of prompt, line, answer.

use std::io::{PipeWriter, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Command;

use super::complete::Offers;
use super::desk::{self, Answer, Desk, HOME};
use super::editor::{self, Above, Knows, LineEditor, Typed};
use super::typist::{Fed, Typist};
use crate::bottle::shell::console::{self, Person};
use crate::bottle::shell::keyboard::{Ahead, Keyboard};
use crate::bottle::shell::{Background, Ready};
use crate::ui::Style;

/// Prints a mark for a program that types at our terminal (the prover, a test) instead of a person.
pub(super) fn flush() {
    // A terminal that is gone ends us by SIGHUP.
    let _ = std::io::stdout().flush();
}

pub(super) fn mark(what: &str) {
    print!("\x1b]7791;repl;{what}\x07");
    flush();
}

/// The person's side: the editor, and what is on the screen.
pub(super) struct Seat {
    pub(super) keyboard: Option<Keyboard>,
    editor: LineEditor,
    pub(super) marks: bool,
    /// Whether the last thing shown ended its line.
    pub(super) line_start: bool,
    /// Whether the learner was told what to do while bash itself reads the keys.
    told: bool,
    history: PathBuf,
}

/// The prompt until the learner leaves it; gives the exit code.
pub fn run(desk: &mut Desk, history: PathBuf, tools: Command) -> rustyline::Result<i32> {
    let mut seat = Seat::take(desk, history)?;
    seat.answer(&Answer::of(desk.step()), &desk.style);
    seat.converse(desk, &tools, false)?;
    Ok(0)
}

impl Seat {
    /// Takes our terminal, for as long as this lives.
    pub(super) fn take(desk: &Desk, history: PathBuf) -> rustyline::Result<Seat> {
        let marks = std::env::var_os("BOTTLESHIP_PTY_MARKS").is_some_and(|value| value == "1");
        // Before the editor looks at standard input. What is no terminal stays as it is.
        let keyboard = Keyboard::take(editor::edits()).ok();
        Ok(Seat { keyboard, editor: LineEditor::new(&history, desk.style.colour)?, marks, line_start: true, told: false, history })
    }

    /// Line by line, until Ctrl-D at the first shell or `:quit`. `lent`: the world goes on afterwards, so nobody is asked about what runs in it.
    pub(super) fn converse(&mut self, desk: &mut Desk, tools: &Command, lent: bool) -> rustyline::Result<()> {
        let mut status = 0;
        let mut asked = lent;
        loop {
            let typed = self.prompt(desk, tools, status);
            // The window may have changed while the line was edited.
            if let Some(size) = console::size() {
                desk.resize(size);
            }
            let was_asked = std::mem::replace(&mut asked, lent);
            let line = match typed {
                Typed::Line(line) => line,
                Typed::Interrupt => continue,
                // As in any terminal, Ctrl-D ends the innermost shell; at the first one, the course.
                Typed::End if desk.ready().depth > 0 => "exit".to_owned(),
                Typed::End if desk.jobs() > 0 && !was_asked => {
                    println!("{} of your jobs run in the background. Ctrl-D again ends them and leaves.", desk.jobs());
                    asked = true;
                    continue;
                }
                Typed::End => return Ok(()),
            };
            if !line.trim().is_empty() {
                self.editor.keep(&line, &self.history);
            }
            for line in desk::parts(&line) {
                let answer = desk.enter(&line, self);
                desk.attend();
                self.answer(&answer, &desk.style);
                if answer.quit {
                    return Ok(());
                }
                status = answer.status;
            }
        }
    }
}

impl Seat {
    /// Lets a line be edited, with the shell's background jobs heard meanwhile.
    fn prompt(&mut self, desk: &mut Desk, tools: &Command, status: i32) -> Typed {
        if !self.line_start {
            println!();
            self.line_start = true;
        }
        let ready = desk.ready().clone();
        let knows = Knows { offers: offers(desk, &ready, tools), suggestion: suggestion(desk), whole: true };
        let prompt = prompt_text(desk, &ready);
        let ear = self.editor.above().unwrap_or_else(|| Box::new(|text: String| print!("{text}")) as Above);
        let ear = desk.shell().background().ok().and_then(|background| Ear::listen(background, ear));
        if self.marks {
            mark(&format!("ready;{status}"));
        }
        let typed = self.edit(&prompt, &ready.typed, knows);
        if let Some(bytes) = ear.map(Ear::end) {
            // If the shell is gone, the next line tells.
            let _ = desk.absorb(&bytes);
        }
        typed
    }
}

impl Seat {
    /// Lets a line be edited, with the keys that were typed ahead.
    fn edit(&mut self, prompt: &(String, String), begun: &str, knows: Knows) -> Typed {
        let editor = &mut self.editor;
        match &self.keyboard {
            None => editor.line(prompt, begun, knows),
            Some(keyboard) if editor::edits() => keyboard.lend(|| editor.line(prompt, begun, knows)),
            Some(keyboard) => {
                match keyboard.ahead() {
                    Some(Ahead::Line(line)) => {
                        println!("{}{line}", prompt.0);
                        return Typed::Line(line);
                    }
                    Some(Ahead::Interrupt) => return Typed::Interrupt,
                    Some(Ahead::End) => return Typed::End,
                    None => {}
                }
                // Where whole lines are read, nothing can be put into one; so what was begun is put in front.
                match (begun.to_owned() + &keyboard.begun(), editor.line(prompt, "", knows)) {
                    (begun, Typed::Line(line)) => Typed::Line(begun + &line),
                    (_, other) => other,
                }
            }
        }
    }

    fn rest_of(&mut self, prompt: &str) -> Option<String> {
        match self.edit(&(prompt.to_owned(), prompt.to_owned()), "", Knows::default()) {
            Typed::Line(line) => Some(line),
            Typed::Interrupt | Typed::End => None,
        }
    }
}

/// `bench:~# `, with what differs from that: another host or user, a nested shell, the last exit code, the copy.
pub(super) fn prompt_text(desk: &Desk, ready: &Ready) -> (String, String) {
    let home = if ready.root { "/root".to_owned() } else { format!("/home/{}", ready.user) };
    let folder = match ready.cwd.strip_prefix(&home) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
        _ => ready.cwd.clone(),
    };
    // Without a passwd file, as in a jail, bash says "I have no name!"; nobody needs to read that before every line.
    let unnamed = ready.user == "root" || ready.user.contains(' ');
    let user = if unnamed { String::new() } else { format!("{}@", ready.user) };
    let depth = if ready.depth > 0 { format!("+{}", ready.depth) } else { String::new() };
    let copy = if desk.session.view().playing { "(copy) " } else { "" };
    // Who is watched sees that before every line.
    let watched = if desk.is_watched() { "(class) " } else { "" };
    let failed = if ready.status == 0 { String::new() } else { format!(" [{}]", ready.status) };
    let end = if ready.root { "#" } else { "$" };
    let plain = format!("{watched}{copy}{user}{}{depth}:{folder}{failed}{end} ", ready.host);
    let styled = if desk.style.colour { format!("\x1b[1m{plain}\x1b[0m") } else { plain.clone() };
    (plain, styled)
}

fn suggestion(desk: &Desk) -> Option<String> {
    let view = desk.session.view();
    let command = view.suggestion()?;
    let there = if command.host.is_empty() { HOME } else { &command.host };
    Some(if there == desk.host { command.line.clone() } else { format!("@{there} {}", command.line) })
}

fn offers(desk: &mut Desk, ready: &Ready, tools: &Command) -> Offers {
    let units = desk.session.list();
    let unit = desk.session.view().unit;
    let steps = desk.session.map();
    let places = units.into_iter().map(|unit| unit.id);
    let places = places.chain(steps.into_iter().flat_map(|step| [format!("{unit}#{}", step.id), step.id])).collect();
    // Of a world that is gone the next line tells.
    let _ = desk.session.learn_hosts();
    let hosts = desk.session.bottle().hosts().map(|host| host.name().to_owned()).collect();
    let files = desk.shell().background().ok().and_then(|background| background.place());
    Offers { places, hosts, files, cwd: PathBuf::from(&ready.cwd), tools: Some(tools.clone()) }
}

impl Typist for Seat {
    fn person(&mut self) -> Option<Person> {
        self.keyboard.as_ref().and_then(|keyboard| Person::take(keyboard).ok())
    }

    fn marks(&self) -> bool {
        self.marks
    }

    fn show(&mut self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        // A terminal that is gone ends us by SIGHUP.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
        if let Some(last) = bytes.last() {
            self.line_start = *last == b'\n';
        }
    }

    fn answer(&mut self, answer: &Answer, style: &Style) {
        let text = answer.doc.render(style);
        if !text.is_empty() {
            let newline = if self.line_start { "" } else { "\n" };
            print!("{newline}{text}");
            flush();
            self.line_start = true;
        }
    }

    fn rest(&mut self) -> Option<String> {
        if self.marks {
            mark("more");
        }
        self.rest_of("> ")
    }

    fn feed(&mut self, shell: bool) -> Fed {
        if self.marks {
            mark("raw");
        } else if shell && !self.told {
            self.told = true;
            print!("\r\n(Your shell itself reads your keys now. Ctrl-] and a course command, such as check, still works.)\r\n");
            flush();
        }
        Fed::Wait
    }

    fn called(&mut self) -> Option<String> {
        println!();
        if self.marks {
            mark("verb");
        }
        self.rest_of("course command (the program runs on): ")
    }
}

/// Hears what background jobs say while a line is edited, and prints it above that line.
struct Ear {
    heard: Arc<Mutex<Heard>>,
    /// Dropped to end the listening.
    _stop: PipeWriter,
}

struct Heard {
    active: bool,
    bytes: Vec<u8>,
}

impl Ear {
    fn listen(mut background: Background, mut above: Above) -> Option<Self> {
        let heard = Arc::new(Mutex::new(Heard { active: true, bytes: Vec::new() }));
        let (stopped, stop) = std::io::pipe().ok()?;
        let shared = Arc::clone(&heard);
        let listen = move || {
            while background.wait(stopped.as_fd()).is_ok() {
                let mut heard = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if !heard.active {
                    return;
                }
                let Ok(Some((bytes, shown))) = background.read() else { return };
                heard.bytes.extend(bytes);
                drop(heard);
                if !shown.is_empty() {
                    above(String::from_utf8_lossy(&shown).into_owned());
                }
            }
        };
        // Never joined: it may be handing a text to an editor that has just returned, and does so when the next line is edited.
        std::thread::Builder::new().name("ear".to_owned()).spawn(listen).ok()?;
        Some(Ear { heard, _stop: stop })
    }

    /// Ends the listening; gives all that was heard.
    fn end(self) -> Vec<u8> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.active = false;
        std::mem::take(&mut heard.bytes)
    }
}
