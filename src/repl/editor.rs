//! The line editor: rustyline with our offers, suggestions and colours.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;

use owo_colors::OwoColorize as _;
use rustyline::completion::{Completer, Pair};
use rustyline::config::{Builder, CompletionType, Configurer as _};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, SearchDirection};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, Context, Editor, Helper};

use super::complete::Offers;
use super::lexer::{self, Kind};
use super::{desk, verbs};

/// Lines of history that are kept per course.
const HISTORY: usize = 5000;

/// Terminals that rustyline reads whole lines from, by their names in TERM.
const UNABLE: [&str; 3] = ["dumb", "cons25", "emacs"];

/// What came from the keyboard.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, or several that belong together.
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D at an empty line, or the terminal is gone.
    End,
}

/// What the editor knows while a line is edited.
#[derive(Default)]
pub struct Knows {
    /// What can be completed.
    pub offers: Offers,
    /// The step's next command.
    pub suggestion: Option<String>,
    /// Whether lines may go on in the next: not for the rest of a command, which the shell judges.
    pub whole: bool,
}

/// The line editor.
pub struct LineEditor {
    editor: Editor<Knowing, FileHistory>,
    edits: bool,
}

/// A printer that draws above the line that is being edited.
pub type Above = Box<dyn FnMut(String) + Send>;

impl LineEditor {
    /// An editor, with the history in a file (made when the first line is kept).
    ///
    /// # Errors
    /// The terminal cannot be used.
    pub fn new(history: &Path, rich: bool) -> rustyline::Result<Self> {
        let config = Builder::new()
            .max_history_size(HISTORY)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .color_mode(if rich { ColorMode::Enabled } else { ColorMode::Disabled })
            .bracketed_paste(rich)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.enable_synchronized_output(rich);
        editor.set_helper(Some(Knowing { knows: RefCell::default(), rich }));
        // None yet at the first start.
        let _ = editor.load_history(history);
        Ok(LineEditor { editor, edits: edits() })
    }

    /// A way to print while a line is edited; none on a terminal that cannot move its cursor.
    pub fn above(&mut self) -> Option<Above> {
        use rustyline::ExternalPrinter as _;
        let mut printer = self.editor.create_external_printer().ok()?;
        Some(Box::new(move |text| {
            // Fails only when the editor is gone, and with it the line to print above.
            let _ = printer.print(text);
        }))
    }

    /// Edits a line, beginning with `begun`. `prompt` is plain and in colour. The rest of a command is a line of which nothing is known.
    pub fn line(&mut self, prompt: &(String, String), begun: &str, knows: Knows) -> Typed {
        self.know(knows);
        self.read(prompt, begun)
    }

    /// Adds a line to the history, and to its file.
    pub fn keep(&mut self, line: &str, history: &Path) {
        if self.editor.add_history_entry(line).unwrap_or(false) {
            // A full disk costs the history, not the line.
            let _ = self.editor.append_history(history);
        }
    }

    fn know(&mut self, knows: Knows) {
        if let Some(helper) = self.editor.helper_mut() {
            *helper.knows.get_mut() = knows;
        }
    }

    fn read(&mut self, prompt: &(String, String), begun: &str) -> Typed {
        match self.editor.readline_with_initial(prompt, (begun, "")) {
            // Where whole lines are read, Ctrl-C is a character of the line.
            Ok(line) if !self.edits && line.contains('\x03') => Typed::Interrupt,
            Ok(line) => Typed::Line(line),
            Err(ReadlineError::Interrupted) => Typed::Interrupt,
            Err(_) => Typed::End,
        }
    }
}

/// Whether keys are read one by one; a terminal that cannot move its cursor gives whole lines.
pub fn edits() -> bool {
    std::env::var_os("TERM").is_none_or(|term| !UNABLE.iter().any(|unable| term.eq_ignore_ascii_case(unable)))
}

struct Knowing {
    knows: RefCell<Knows>,
    /// Whether suggestions and colours are shown.
    rich: bool,
}

impl Helper for Knowing {}

impl Completer for Knowing {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, offers) = self.knows.borrow().offers.complete(line, pos);
        Ok((start, offers.into_iter().map(|offer| Pair { display: offer.shown, replacement: offer.put }).collect()))
    }
}

impl Hinter for Knowing {
    type Hint = String;

    /// The step's command while it fits what is typed, else the latest line of the history that begins so.
    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<String> {
        let knows = self.knows.borrow();
        if !self.rich || pos < line.len() {
            return None;
        }
        let suggested = knows.suggestion.as_ref().and_then(|suggestion| suggestion.strip_prefix(line)).filter(|rest| !rest.is_empty());
        if let Some(rest) = suggested {
            return Some(rest.to_owned());
        }
        let newest = context.history().len().checked_sub(1).filter(|_| !line.is_empty())?;
        let found = context.history().starts_with(line, newest, SearchDirection::Reverse).ok()??;
        found.entry.get(pos..).filter(|rest| !rest.is_empty()).map(str::to_owned)
    }
}

impl Validator for Knowing {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let goes_on = self.knows.borrow().whole && !desk::is_verb(text) && lexer::goes_on(text);
        Ok(if goes_on { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Highlighter for Knowing {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.rich { Cow::Borrowed(line) } else { Cow::Owned(coloured(line)) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(hint.dimmed().to_string())
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.rich
    }
}

/// A line in colour: commands bold, quotes green, the rest of the grammar dim. A course command that does not exist is underlined.
fn coloured(line: &str) -> String {
    if let Some(verb) = line.trim_start().strip_prefix(':') {
        let name = verb.split_whitespace().next().unwrap_or("");
        let known = verbs::VERBS.iter().any(|verb| verb.name.starts_with(name));
        return if known { line.bold().to_string() } else { line.underline().to_string() };
    }
    let mut out = String::new();
    let mut at = 0;
    for token in lexer::tokens(line) {
        out.push_str(&line[at..token.range.start]);
        let text = &line[token.range.clone()];
        out.push_str(&match token.kind {
            Kind::Command => text.bold().to_string(),
            Kind::Keyword => text.magenta().to_string(),
            Kind::Quoted => text.green().to_string(),
            Kind::Comment => text.dimmed().to_string(),
            Kind::Word | Kind::Operator => text.to_owned(),
        });
        at = token.range.end;
    }
    out.push_str(&line[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_never_change_the_words() {
        for line in ["ls -l | grep 'a b' # x", ":check", ":nonsense", "if true; then echo é; fi", "echo \"$(ls)\"\n\tx"] {
            let plain: String = strip(&coloured(line));
            assert_eq!(plain, line);
        }
    }

    fn strip(text: &str) -> String {
        let mut out = String::new();
        let mut escape = false;
        for character in text.chars() {
            match character {
                '\x1b' => escape = true,
                'm' if escape => escape = false,
                _ if escape => {}
                other => out.push(other),
            }
        }
        out
    }
}
