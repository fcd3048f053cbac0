//! Who types: a person at a terminal, or a script.

use std::time::Duration;

use super::desk::Answer;
use crate::bottle::shell::console::Person;
use crate::ui::Style;

/// What a program that waits for keys gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Fed {
    /// A line.
    Line(String),
    /// The end of input (Ctrl-D): there is nothing more to type.
    End,
    /// Ctrl-C: the end of input did not end it.
    Interrupt,
    /// Neither did that.
    Kill,
    /// Nothing from us; a person will type.
    Wait,
}

/// Who types.
pub trait Typist {
    /// The person, whose keys go straight to the program in the foreground.
    fn person(&mut self) -> Option<Person>;
    /// Whether another program at our terminal wants to know when it may type.
    fn marks(&self) -> bool;
    /// Shows output of the shell, as it came.
    fn show(&mut self, bytes: &[u8]);
    /// Shows the answer to a course command while a program runs.
    fn answer(&mut self, answer: &Answer, style: &Style);
    /// The rest of a command that the shell asks for; none to give it up.
    fn rest(&mut self) -> Option<String>;
    /// What a program that waits for keys gets. `shell`: it is the learner's first shell itself.
    fn feed(&mut self, shell: bool) -> Fed;
    /// The course command after Ctrl-].
    fn called(&mut self) -> Option<String>;
    /// How long a line may take; for ever where a person sits, who has Ctrl-C.
    fn patience(&self) -> Option<Duration> {
        None
    }
    /// It took longer, and is ended.
    fn late(&mut self) {}
}
