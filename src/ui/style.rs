//! How to render: width, colour, plainness.

use std::io::IsTerminal;

/// The narrowest text that is made, whatever the terminal says; below it the terminal itself folds lines.
const NARROWEST: usize = 20;
/// Prose wider than this is tiring to read.
const WIDEST: usize = 100;

/// How text is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// The width of the text, in columns.
    pub columns: usize,
    /// Lines of box characters, bullets; else only what any printer has.
    pub rich: bool,
    /// Colour and weight, by escape sequences.
    pub colour: bool,
}

impl Style {
    /// Rich text, in colour.
    pub fn rich(columns: usize) -> Self {
        Style { columns: columns.clamp(NARROWEST, WIDEST), rich: true, colour: true }
    }

    /// Plain lines.
    pub fn plain(columns: usize) -> Self {
        Style { columns: columns.clamp(NARROWEST, WIDEST), rich: false, colour: false }
    }

    /// What standard output can show: plain if asked for (`--plain`), if it is no terminal, or one without abilities (`TERM=dumb`); without
    /// colour under `NO_COLOR` (<https://no-color.org>). `columns` is the terminal's width, if it has one.
    pub fn detect(plain: bool, columns: Option<usize>) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        let columns = columns.unwrap_or(80);
        if plain || dumb || set("ACCESSIBLE") || set("NO_COLOR") || !std::io::stdout().is_terminal() {
            return Style::plain(columns);
        }
        Style::rich(columns)
    }

    /// The same, narrower.
    pub(super) fn narrower(self, by: usize) -> Self {
        Style { columns: self.columns.saturating_sub(by).max(10), ..self }
    }
}
