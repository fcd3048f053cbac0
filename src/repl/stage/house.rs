//! The house: who types, who looks on, who presses keys. With a presenter it is a terminal; without one lines are typed all the same, and shown or not.

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::super::desk::Answer;
use super::super::interactive::Seat;
use super::super::typist::{Fed, Typist};
use super::Rhythm;
use super::controls::{Control, Controls};
use crate::bottle::shell::console::{self, Person};
use crate::course::Error;
use crate::ui::{Doc, Style};

/// How long a line may take where nobody can press Ctrl-C.
pub const LONGEST: Duration = Duration::from_secs(120);
/// How often a program is told that there is no more input before it is interrupted, and how often it is interrupted before it is killed.
const TRIES: u32 = 3;

/// Who is there.
pub struct House {
    /// The presenter's place; none in a rehearsal and where a demo runs by itself.
    pub seat: Option<Seat>,
    rhythm: Rhythm,
    /// Whether anything is shown.
    shows: bool,
    /// Whether it is shown on a terminal.
    screen: bool,
    /// What programs have printed since it was last taken.
    pub heard: Vec<u8>,
    /// The lines of the block that were not typed yet: a program that waits for keys gets them.
    pub queue: VecDeque<String>,
    /// A line took too long and was ended.
    pub late: bool,
    ends: u32,
    /// Whether the last thing shown ended its line.
    line_start: bool,
    /// Whether the last thing shown is a prompt that waits.
    prompted: bool,
}

impl House {
    /// A house with a presenter, or without. A rehearsal has neither presenter nor screen: see [`House::dark`].
    pub fn new(seat: Option<Seat>, rhythm: Rhythm, style: Style) -> Self {
        // What types whole lines to a screen reader, or into a file, types no letters.
        let rhythm = if style.rich { rhythm } else { Rhythm::none() };
        House {
            seat,
            rhythm,
            shows: true,
            screen: std::io::stdout().is_terminal(),
            heard: Vec::new(),
            queue: VecDeque::new(),
            late: false,
            ends: 0,
            line_start: true,
            prompted: false,
        }
    }

    /// The same, with nobody to show anything to.
    pub fn dark(mut self) -> Self {
        self.shows = false;
        self
    }

    /// Whether somebody presses keys.
    pub fn has_presenter(&self) -> bool {
        self.seat.is_some()
    }

    fn print(&mut self, bytes: &[u8]) {
        if !self.shows || bytes.is_empty() {
            return;
        }
        let mut out = std::io::stdout().lock();
        // A terminal that is gone ends us by SIGHUP, and a reader that is gone misses nothing.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
        self.line_start = bytes.ends_with(b"\n");
        self.prompted = false;
    }

    /// Begins a new line where none has begun.
    pub fn end_line(&mut self) {
        if !self.line_start {
            self.print(b"\n");
        }
    }

    /// Shows a text on lines of its own.
    pub fn say(&mut self, doc: &Doc, style: &Style) {
        let text = doc.render(style);
        if text.is_empty() {
            return;
        }
        if self.prompted && style.rich {
            // A prompt that nobody typed at makes room.
            self.print(b"\r\x1b[K");
            self.line_start = true;
        }
        self.end_line();
        self.print(text.as_bytes());
    }

    /// A fresh screen, where there is one.
    pub fn clear(&mut self, style: &Style) {
        self.end_line();
        if style.rich {
            self.print(b"\x1b[2J\x1b[H");
            self.line_start = true;
        }
    }

    /// Shows that the shell waits.
    pub fn prompt(&mut self, prompt: &str) {
        if !self.prompted {
            self.end_line();
            self.print(prompt.as_bytes());
            (self.prompted, self.line_start) = (true, false);
        }
    }

    /// Shows a line as it is typed, with Enter. A key of the presenter's hurries it.
    ///
    /// # Errors
    /// The terminal failed.
    pub fn type_line(&mut self, prompt: &str, text: &str) -> Result<(), Error> {
        self.ends = 0;
        self.prompt(prompt);
        let mut hurried = self.rhythm.is_none() || !self.shows;
        for letter in text.chars().chain(['\n']) {
            if !hurried {
                let pause = self.rhythm.after(letter);
                hurried = !self.pause(pause);
            }
            self.print(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    }

    /// Waits so long, or until the presenter presses a key; whether none was pressed.
    pub fn pause(&mut self, pause: Duration) -> bool {
        match self.seat.as_ref().and_then(|seat| seat.keyboard.as_ref()) {
            Some(keyboard) => matches!(keyboard.next(Some(pause)), Ok(None)),
            None => {
                console::pause(pause);
                true
            }
        }
    }

    /// Forgets the keys that were pressed so far: while a cue is shown an impatient thumb wishes for nothing.
    ///
    /// # Errors
    /// The terminal failed.
    pub fn forget_keys(&self) -> Result<(), Error> {
        let Some(keyboard) = self.seat.as_ref().and_then(|seat| seat.keyboard.as_ref()) else { return Ok(()) };
        // A terminal that is gone gives no keys, again and again; whoever waits for one next is told.
        while keyboard.next(Some(Duration::ZERO))?.is_some_and(|keys| !keys.is_empty()) {}
        Ok(())
    }

    /// The presenter's next wish.
    ///
    /// # Errors
    /// The terminal failed.
    pub fn control(&mut self, controls: &mut Controls) -> Result<Control, Error> {
        let Some(keyboard) = self.seat.as_ref().and_then(|seat| seat.keyboard.as_ref()) else { return Ok(Control::Quit) };
        loop {
            let keys = keyboard.next(None)?.unwrap_or_default();
            if let Some(control) = controls.hear(&keys) {
                return Ok(control);
            }
        }
    }
}

impl Typist for House {
    fn person(&mut self) -> Option<Person> {
        self.seat.as_mut().and_then(Typist::person)
    }

    /// Lines of a block wait for the program that reads them, and for what the line before left in the background.
    fn marks(&self) -> bool {
        true
    }

    fn show(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        if self.screen {
            return self.print(bytes);
        }
        // The shell's terminal ends lines with CR LF; a file wants LF.
        let text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
        self.print(&text);
    }

    fn answer(&mut self, answer: &Answer, style: &Style) {
        self.say(&answer.doc, style);
    }

    fn rest(&mut self) -> Option<String> {
        self.queue.pop_front()
    }

    fn feed(&mut self, _shell: bool) -> Fed {
        if let Some(line) = self.queue.pop_front() {
            return Fed::Line(line);
        }
        if self.has_presenter() {
            return Fed::Wait;
        }
        self.ends += 1;
        match self.ends {
            ends if ends <= TRIES => Fed::End,
            ends if ends <= 2 * TRIES => Fed::Interrupt,
            _ => Fed::Kill,
        }
    }

    fn called(&mut self) -> Option<String> {
        self.seat.as_mut().and_then(Typist::called)
    }

    fn patience(&self) -> Option<Duration> {
        (!self.has_presenter()).then_some(LONGEST)
    }

    fn late(&mut self) {
        self.late = true;
    }
}
