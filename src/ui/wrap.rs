//! Breaking text into lines of a width, by what a terminal shows and not by bytes.

use unicode_width::UnicodeWidthStr as _;

use super::view::{Face, Span, Text};

/// Breaks `text` into lines at most `columns` wide. Words stay whole, with what touches them in another face, unless one alone is wider than a
/// line; code spans are broken at their blanks like prose.
pub fn lines(text: &Text, columns: usize) -> Vec<Vec<Span>> {
    let mut filler = Filler { columns: columns.max(1), lines: vec![Vec::new()], width: 0, word: Vec::new(), gap: None };
    for span in &text.0 {
        let shown = if span.face == Face::Code { format!("`{}`", span.text) } else { span.text.clone() };
        for (row, part) in shown.split('\n').enumerate() {
            if row > 0 {
                filler.new_line();
            }
            for (index, piece) in part.split(' ').enumerate() {
                if index > 0 {
                    filler.end_word();
                    filler.gap = Some(span.face);
                }
                filler.word.extend((!piece.is_empty()).then(|| Span { text: piece.to_owned(), face: span.face }));
            }
        }
    }
    filler.end_word();
    filler.lines
}

struct Filler {
    columns: usize,
    lines: Vec<Vec<Span>>,
    width: usize,
    /// The word that is being collected: what touches each other.
    word: Vec<Span>,
    /// A blank that is due before it, unless it begins a line; with the face it had.
    gap: Option<Face>,
}

impl Filler {
    /// Places the word that was collected.
    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        let width: usize = word.iter().map(|span| span.text.width()).sum();
        let Some(first) = word.first() else { return };
        if self.width > 0
            && let Some(face) = self.gap.take()
        {
            if self.width + 1 + width > self.columns {
                self.break_line();
            } else {
                self.push(" ", if face == first.face { face } else { Face::Plain });
            }
        }
        for span in word {
            if self.width + span.text.width() <= self.columns {
                self.push(&span.text, span.face);
            } else {
                self.split(&span);
            }
        }
    }

    /// A word that is wider than a line is broken where the line ends.
    fn split(&mut self, span: &Span) {
        for character in span.text.chars() {
            let mut buffer = [0; 4];
            let character = character.encode_utf8(&mut buffer);
            if self.width > 0 && self.width + character.width() > self.columns {
                self.break_line();
            }
            self.push(character, span.face);
        }
    }

    fn push(&mut self, text: &str, face: Face) {
        self.width += text.width();
        let Some(line) = self.lines.last_mut() else { return };
        match line.last_mut() {
            Some(last) if last.face == face => last.text.push_str(text),
            _ => line.push(Span { text: text.to_owned(), face }),
        }
    }

    fn new_line(&mut self) {
        self.end_word();
        self.break_line();
        self.gap = None;
    }

    fn break_line(&mut self) {
        self.lines.push(Vec::new());
        self.width = 0;
    }
}

/// The columns that a text takes on one line.
pub fn width(text: &Text) -> usize {
    text.words().width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &Text, columns: usize) -> Vec<String> {
        lines(text, columns).into_iter().map(|line| line.into_iter().map(|span| span.text).collect()).collect()
    }

    #[test]
    fn words_stay_whole_and_wide_characters_count_twice() {
        assert_eq!(wrapped(&"the quick brown fox".into(), 10), ["the quick", "brown fox"]);
        assert_eq!(wrapped(&"容器 容器 x".into(), 6), ["容器", "容器 x"]);
        assert_eq!(wrapped(&"abcdefgh".into(), 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped(&"a\nb".into(), 10), ["a", "b"]);
    }

    #[test]
    fn punctuation_stays_with_the_code_before_it() {
        let text = Text::plain("type ").and(Face::Code, "ls").and(Face::Plain, ", then");
        assert_eq!(wrapped(&text, 11), ["type `ls`,", "then"]);
        assert_eq!(wrapped(&text, 80), ["type `ls`, then"]);
        let bracket = Text::plain("itself (").and(Face::Code, "ls -l").and(Face::Plain, ") is");
        assert_eq!(wrapped(&bracket, 11), ["itself (`ls", "-l`) is"]);
        assert_eq!(wrapped(&bracket, 10), ["itself", "(`ls -l`)", "is"]);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let text = Text::plain("some words and ").and(Face::Code, "unshare --mount --uts --ipc").and(Face::Strong, "averyveryverylongword");
        for columns in 1..60 {
            for line in wrapped(&text, columns) {
                assert!(line.width() <= columns, "`{line}` in {columns}");
            }
        }
    }
}
