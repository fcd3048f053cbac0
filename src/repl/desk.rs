//! The learner's desk: the session, the shells on other hosts, and what a line typed at the prompt leads to.
//!
//! A line is nothing (the step again), a course command (`:`), a line for another host (`@`), or a line for the shell. Who types, a person or a
//! script, is a [`Typist`]; everything else is the same for both.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::attend::Attendance;
use super::lexer;
use super::typist::{Fed, Typist};
use super::verbs::{self, Verb};
use super::{tracer::Tracer, views};
use crate::bottle::shell::console::{self, Follow, Side, Stop};
use crate::bottle::shell::{Ready, Shell, Size, Talk};
use crate::course::{self, Session};
use crate::ui::{Doc, Face, Style, Text, fault, markdown};
use crate::{bottle, ui};

/// The host where a learner begins.
pub const HOME: &str = "bench";

/// How long a program that took too long is given to end.
const LEAVING: Duration = Duration::from_secs(2);

/// What a line led to.
#[derive(Debug, Default)]
pub struct Answer {
    /// What to show.
    pub doc: Doc,
    /// As an exit code: 0 well, 1 not so, 2 not understood.
    pub status: i32,
    /// The prompt is to end.
    pub quit: bool,
    /// The world, and so its shells, are new ones.
    pub fresh: bool,
}

impl Answer {
    /// It went well.
    pub fn of(doc: Doc) -> Self {
        Answer { doc, ..Answer::default() }
    }

    /// It went as `status` says.
    pub fn with(doc: Doc, status: i32) -> Self {
        Answer { doc, status, ..Answer::default() }
    }
}

impl From<course::Error> for Answer {
    fn from(error: course::Error) -> Self {
        Answer::with(fault::doc(&error, error.hint().as_deref()), 1)
    }
}

impl From<bottle::Error> for Answer {
    fn from(error: bottle::Error) -> Self {
        Answer::with(fault::doc(&error, error.hint().as_deref()), 1)
    }
}

/// The desk.
pub struct Desk {
    pub(super) session: Session,
    /// Shells on other hosts than bench, and how each waited last.
    others: BTreeMap<String, (Shell, Ready)>,
    /// How the shell on bench waited last.
    ready: Ready,
    /// The host that lines go to.
    pub(super) host: String,
    /// The number of the last line's event.
    pub(super) last_line: u64,
    pub(super) tracer: Option<Tracer>,
    /// Whether the machine's own network is behind the default route.
    pub(super) internet_real: bool,
    /// The size of the terminal.
    size: Size,
    /// The room that is told where the learner is, if they have joined one.
    pub(super) attendance: Attendance,
    /// How text is rendered.
    pub style: Style,
}

impl Desk {
    /// A desk for a session that has just started.
    pub fn new(session: Session, internet_real: bool, style: Style, size: Size) -> Self {
        let ready = session.ready();
        Desk {
            session,
            others: BTreeMap::new(),
            ready,
            host: HOME.to_owned(),
            last_line: 0,
            tracer: None,
            internet_real,
            size,
            attendance: Attendance::default(),
            style,
        }
    }

    /// The shell that lines go to.
    pub fn shell(&mut self) -> &mut Shell {
        match self.others.get_mut(&self.host) {
            Some((shell, _)) => shell,
            None => self.session.shell(),
        }
    }

    /// How it waited last.
    pub fn ready(&self) -> &Ready {
        self.others.get(&self.host).map_or(&self.ready, |(_, ready)| ready)
    }

    /// Background jobs in any shell of the desk.
    pub fn jobs(&self) -> u32 {
        self.others.values().map(|(_, ready)| ready.jobs).sum::<u32>() + self.ready.jobs
    }

    /// Ends the world.
    ///
    /// # Errors
    /// Something of it could not be removed.
    pub fn end(self) -> Result<(), course::Error> {
        // The tracer and the other shells end before the world that they run in.
        drop((self.tracer, self.others));
        self.session.end()
    }

    /// A new size of the terminal.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.style = Style { columns: Style::rich(size.columns.into()).columns, ..self.style };
        let shells = self.others.values_mut().map(|(shell, _)| shell).chain([self.session.shell()]);
        for shell in shells {
            // A shell that is gone says so when it is used next.
            let _ = shell.resize(size);
        }
    }

    /// The step, as it is shown.
    pub fn step(&self) -> Doc {
        views::step(&self.session.view(), self.style.colour)
    }

    /// Does what `line` says.
    pub fn enter(&mut self, line: &str, typist: &mut dyn Typist) -> Answer {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            return Answer::of(self.step());
        }
        if is_verb(trimmed) {
            let answer = self.verb(&trimmed[1..], false);
            // In a new world, or at another step, it is not the step's command any more.
            let said = if answer.fresh || answer.status != 0 { Ok(()) } else { self.session.said(trimmed) };
            return said.map_or_else(Answer::from, |()| answer);
        }
        match trimmed.strip_prefix('@').and_then(|rest| rest.split_once(char::is_whitespace)) {
            Some((host, line)) => self.on_host(host, line.trim_start(), typist),
            None if trimmed.starts_with('@') => {
                Answer::with(fault::words("`@HOST` needs a line to type there", Some("`@internet ip addr`; `:host NAME` to stay there")), 2)
            }
            None => self.line(line, typist),
        }
    }

    /// A course command, without its colon. `running`: a program of the learner's is in the foreground.
    pub fn verb(&mut self, text: &str, running: bool) -> Answer {
        let (name, words) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match verbs::find(name) {
            Some(verb) if verb.moves && running => {
                let hint = "end the program first (Ctrl-C), or type the command at the prompt";
                Answer::with(fault::words(&format!("`:{name}` would end the program that is running"), Some(hint)), 1)
            }
            Some(verb) => self.run_verb(verb, words.trim()),
            None => unknown(name),
        }
    }

    fn run_verb(&mut self, verb: &Verb, words: &str) -> Answer {
        let answer = (verb.run)(self, words);
        if answer.fresh {
            self.others.clear();
            self.tracer = None;
            self.host = HOME.to_owned();
            self.ready = self.session.ready();
            let size = self.size;
            self.resize(size);
        }
        answer
    }

    fn on_host(&mut self, host: &str, line: &str, typist: &mut dyn Typist) -> Answer {
        let before = std::mem::replace(&mut self.host, host.to_owned());
        let answer = match self.open_host() {
            Ok(()) => self.line(line, typist),
            Err(answer) => answer,
        };
        self.host = before;
        answer
    }

    /// Sees to it that there is a shell on the current host.
    pub(super) fn open_host(&mut self) -> Result<(), Answer> {
        if self.host == HOME || self.others.contains_key(&self.host) {
            return Ok(());
        }
        // Another terminal may have added it.
        self.session.learn_hosts()?;
        let host = self.session.bottle().host(&self.host).map_err(|error| {
            let names: Vec<&str> = self.session.bottle().hosts().map(bottle::Host::name).collect();
            Answer::with(fault::words(&error.to_string(), Some(&format!("its hosts: {}", names.join(", ")))), 1)
        })?;
        let opened = Shell::start(host, self.size)?;
        self.others.insert(self.host.clone(), opened);
        Ok(())
    }

    /// Types a line into the shell and follows it to its end.
    fn line(&mut self, line: &str, typist: &mut dyn Typist) -> Answer {
        let host = self.host.clone();
        let seq = match self.session.line(&host, line) {
            Ok(seq) => seq,
            Err(error) => return error.into(),
        };
        self.last_line = seq;
        let gone = match self.drive(line, typist) {
            Ok(gone) => gone,
            Err(error) => return bottle::Error::Kernel { doing: format!("talk to the shell on `{host}`"), source: error }.into(),
        };
        if let Some(tracer) = &mut self.tracer {
            tracer.hand_over(self.session.bottle(), seq, &host);
        }
        let doc = if gone { self.restart() } else { Ok(Doc::new()) };
        let status = self.ready().status;
        let effect = self.session.line_end(seq, status);
        match (doc, effect) {
            (Err(answer), _) => answer,
            (_, Err(error)) => error.into(),
            (Ok(doc), Ok(effect)) => {
                let doc = doc.then(views::effect(&effect).unwrap_or_default());
                Answer::with(self.session.scored().iter().map(views::predicted).fold(doc, Doc::then), status)
            }
        }
    }

    /// Types the lines of `text` one by one, each when the shell waits for it. True when the shell has ended over it.
    fn drive(&mut self, text: &str, typist: &mut dyn Typist) -> Talk<bool> {
        let mut lines: VecDeque<String> = text.split('\n').map(str::to_owned).collect();
        let mut more = false;
        loop {
            let line = match lines.pop_front() {
                Some(line) => line,
                None if !more => return Ok(false),
                None => match typist.rest() {
                    Some(line) => line,
                    None => {
                        self.shell().keys(b"\x03")?;
                        match self.follow(&mut lines, typist)? {
                            Stop::Gone => return Ok(true),
                            _ => return Ok(false),
                        }
                    }
                },
            };
            self.shell().send(&line)?;
            match self.follow(&mut lines, typist)? {
                Stop::Gone => return Ok(true),
                stop => more = stop == Stop::More,
            }
        }
    }

    /// Follows the shell until it waits for a line or is gone.
    fn follow(&mut self, lines: &mut VecDeque<String>, typist: &mut dyn Typist) -> Talk<Stop> {
        let mut watch = true;
        let mut until = typist.patience().map(console::deadline);
        let mut late = false;
        loop {
            let person = typist.person();
            let host = self.host.clone();
            let shell = match self.others.get_mut(&host) {
                Some((shell, _)) => shell,
                None => self.session.shell(),
            };
            let side = self.tracer.as_mut().map(|tracer| tracer as &mut dyn Side);
            let follow = Follow { shell, person: person.as_ref(), side, watch, again: typist.marks(), until };
            let stop = follow.run(&mut |bytes| typist.show(bytes))?;
            match stop {
                Stop::Ready(ready) => {
                    if typist.marks() || person.is_none() {
                        self.shell().await_jobs()?;
                    }
                    self.waits(ready.clone());
                    return Ok(Stop::Ready(ready));
                }
                Stop::Reads => {
                    drop(person);
                    watch = self.feed(lines, typist)?;
                }
                Stop::Called => {
                    drop(person);
                    self.called(typist)?;
                    watch = typist.marks();
                }
                // First as a person would end it, then whatever it thinks of that.
                Stop::Late => {
                    typist.late();
                    match std::mem::replace(&mut late, true) {
                        false => self.shell().keys(b"\x03")?,
                        true => self.shell().kill_foreground(),
                    }
                    until = Some(console::deadline(LEAVING));
                }
                stop => return Ok(stop),
            }
        }
    }

    /// The program in the foreground waits for keys: it gets the next line. False when there is no line for it and a person will type.
    fn feed(&mut self, lines: &mut VecDeque<String>, typist: &mut dyn Typist) -> Talk<bool> {
        let itself = self.shell().reads_itself();
        let fed = lines.pop_front().map_or_else(|| typist.feed(itself), Fed::Line);
        match fed {
            Fed::Line(line) => {
                match line.trim().strip_prefix(':').filter(|verb| verbs::find(verb.split_whitespace().next().unwrap_or("")).is_some()) {
                    Some(verb) => {
                        let answer = self.verb(verb, true);
                        typist.answer(&answer, &self.style);
                        Ok(true)
                    }
                    None => self.shell().keys(format!("{line}\r").as_bytes()).map(|()| true),
                }
            }
            Fed::End => self.shell().keys(b"\x04").map(|()| true),
            Fed::Interrupt => self.shell().keys(b"\x03").map(|()| true),
            Fed::Kill => {
                self.shell().kill_foreground();
                Ok(true)
            }
            Fed::Wait => Ok(false),
        }
    }

    /// Ctrl-]: one course command while the program runs on.
    fn called(&mut self, typist: &mut dyn Typist) -> Talk<()> {
        match typist.called() {
            Some(line) if line == "\x1d" => self.shell().keys(b"\x1d"),
            Some(line) if !line.trim().is_empty() => {
                let answer = self.verb(line.trim().trim_start_matches(':'), true);
                typist.answer(&answer, &self.style);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn waits(&mut self, ready: Ready) {
        match self.others.get_mut(&self.host) {
            Some((_, last)) => *last = ready,
            None => self.ready = ready,
        }
    }

    /// Takes note of what the shell said while the prompt was open.
    ///
    /// # Errors
    /// Its terminal failed.
    pub fn absorb(&mut self, bytes: &[u8]) -> Talk<()> {
        self.shell().absorb(bytes)?;
        while let Some(event) = self.shell().try_next()? {
            if let bottle::shell::Event::Ready(ready) = event {
                self.waits(ready);
            }
        }
        Ok(())
    }

    /// The shell has ended: a new one, and a word about it.
    fn restart(&mut self) -> Result<Doc, Answer> {
        let (shell, mut ready) = Shell::start(self.session.bottle().host(&self.host)?, self.size)?;
        // How the old one ended is not told here; that the line ended it is.
        ready.status = 0;
        self.tracer = None;
        match self.others.get_mut(&self.host) {
            Some(other) => *other = (shell, ready),
            None => {
                *self.session.shell() = shell;
                self.ready = ready;
            }
        }
        let note = "Your shell has ended; this is a new one. Files, mounts, processes and cgroups are as you left them; variables, functions and the working directory are not. `:quit` leaves the course.";
        Ok(Doc::new().paragraph(markdown::inline(note)))
    }
}

/// Whether a line is a course command, complete as it is, whatever quotes it has.
pub fn is_verb(line: &str) -> bool {
    line.trim_start().strip_prefix(':').is_some_and(|after| !is_shell_colon(after))
}

/// A text of several lines that was pasted: one by one where some are course commands or for another host; else whole, as one entry of the shell.
pub fn parts(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in text.split('\n') {
        match commands.last_mut() {
            Some(last) if !is_verb(last) && lexer::goes_on(last) => *last = format!("{last}\n{line}"),
            _ => commands.push(line.to_owned()),
        }
    }
    commands.retain(|command| !command.trim().is_empty());
    let ours = commands.iter().any(|command| is_verb(command) || command.trim_start().starts_with('@'));
    if ours { commands } else { vec![text.to_owned()] }
}

/// `: ${x:=1}` and `:>file` are the shell's own colon; verbs are words.
fn is_shell_colon(after: &str) -> bool {
    !after.starts_with(|first: char| first.is_alphabetic())
}

fn unknown(name: &str) -> Answer {
    if let Some((does, needs)) = verbs::later(name) {
        let what = format!("`:{name}` {does}: it needs {needs}, and this world has none yet");
        let hint = "it comes with a later part of the course; `:help` lists what there is";
        return Answer::with(ui::fault::words(&what, Some(hint)), 1);
    }
    let hint = match verbs::nearest(name) {
        Some(verb) => format!("did you mean `:{}`? `:help` lists all", verb.name),
        None => "`:help` lists the course commands; a line for your shell has no colon in front".to_owned(),
    };
    Answer::with(ui::fault::words(&format!("there is no course command `:{name}`"), Some(&hint)), 2)
}

/// A line about the state of things, less important than what it stands beside.
pub(super) fn aside(text: impl Into<String>) -> Doc {
    Doc::new().line(Text::of(Face::Dim, text))
}
