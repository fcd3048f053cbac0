//! With a presenter: keys say what comes next.

use clap::Command;

use super::controls::{self, Control, Controls};
use super::{Stage, terminal};
use crate::course::Error;
use crate::course::text::Params;
use crate::repl::interactive::{flush, mark, prompt_text};
use crate::repl::typist::Typist as _;
use crate::ui::{Doc, Face, Text};

impl Stage {
    pub(super) fn present(&mut self, tools: &Command) -> Result<i32, Error> {
        let mut controls = Controls::default();
        let cue = self.cue().clone();
        self.tell(&cue)?;
        loop {
            self.house.forget_keys()?;
            self.wait_here();
            match self.house.control(&mut controls)? {
                Control::Next if !self.shown => self.show()?,
                Control::Next if self.at() + 1 < self.cues() => {
                    self.forward()?;
                    self.show()?;
                }
                Control::Next => self.aside("That was the last cue. q ends the demo, PageUp goes back."),
                Control::Back => self.back()?,
                Control::Jump(cue) => self.jump(cue)?,
                Control::Keyboard => self.hand_over(tools)?,
                Control::Help => self.aside(controls::HELP),
                Control::Quit => {
                    self.house.end_line();
                    return Ok(0);
                }
            }
        }
    }

    /// The prompt of the shell, as if somebody sat before it; and a mark for a program that presses the keys.
    fn wait_here(&mut self) {
        let ready = self.desk.ready().clone();
        let prompt = prompt_text(&self.desk, &ready);
        self.house.prompt(if self.desk.style.colour { &prompt.1 } else { &prompt.0 });
        if self.house.seat.as_ref().is_some_and(|seat| seat.marks) {
            mark(&format!("cue;{};{}", self.at() + 1, if self.shown { "shown" } else { "begin" }));
        }
    }

    /// The world as the last cue that was shown began; a second time, as the one before it did.
    fn back(&mut self) -> Result<(), Error> {
        match (self.shown, self.at()) {
            (true, at) => self.jump(at + 1),
            (false, 0) => {
                self.aside("This is the first cue.");
                Ok(())
            }
            (false, at) => self.jump(at),
        }
    }

    /// A fresh world in which the cue with this number (from 1) begins.
    pub(super) fn jump(&mut self, cue: usize) -> Result<(), Error> {
        if !(1..=self.cues()).contains(&cue) {
            self.aside(&format!("There is no cue {cue}: there are {}.", self.cues()));
            return Ok(());
        }
        let answer = self.desk.verb(&format!("goto {cue}"), false);
        let style = self.desk.style;
        if answer.status != 0 {
            self.house.answer(&answer, &style);
            return Ok(());
        }
        (self.shown, self.bound) = (false, Params::new());
        self.house.clear(&style);
        let cue = self.cue().clone();
        self.tell(&cue)
    }

    /// A live prompt in the same world, until Ctrl-D or `:quit`.
    fn hand_over(&mut self, tools: &Command) -> Result<(), Error> {
        self.aside("The keyboard is yours. Ctrl-D at the prompt gives it back.");
        let Some(seat) = &mut self.house.seat else { return Ok(()) };
        seat.line_start = true;
        seat.converse(&mut self.desk, tools, true).map_err(|error| terminal("read", &error))?;
        seat.line_start = false;
        flush();
        self.house.end_line();
        Ok(())
    }

    fn aside(&mut self, text: &str) {
        let style = self.desk.style;
        self.house.end_line();
        self.house.say(&Doc::new().line(Text::of(Face::Dim, text)), &style);
    }
}
