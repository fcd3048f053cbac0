//! Breaking text into lines of a width, by what a terminal shows and not by bytes.

use unicode_width::UnicodeWidthStr as _;

use super::view::{Face, Span, Text};

/// Breaks `text` into lines at most `columns` wide. Words stay whole unless one alone is wider than a line; code spans are broken at
/// their blanks like prose.
pub fn lines(text: &Text, columns: usize) -> Vec<Vec<Span>> {
    let mut filler = Filler { columns: columns.max(1), lines: vec![Vec::new()], width: 0, gap: None };
    for span in &text.0 {
        let shown = if span.face == Face::Code { format!("`{}`", span.text) } else { span.text.clone() };
        for (index, part) in shown.split('\n').enumerate() {
            if index > 0 {
                filler.new_line();
            }
            filler.add(part, span.face);
        }
    }
    filler.lines
}

struct Filler {
    columns: usize,
    lines: Vec<Vec<Span>>,
    width: usize,
    /// A blank that is due before the next word, unless that begins a new line; with the face it had.
    gap: Option<Face>,
}

impl Filler {
    fn add(&mut self, text: &str, face: Face) {
        for (index, word) in text.split(' ').enumerate() {
            if index > 0 && self.width > 0 {
                self.gap = Some(face);
            }
            if !word.is_empty() {
                self.word(word, face);
            }
        }
    }

    /// Places a word; one that touches the word before (another face, no blank between) stays on its line.
    fn word(&mut self, word: &str, face: Face) {
        let width = word.width();
        let gap = usize::from(self.gap.is_some());
        if self.width > 0 && self.gap.is_some() && self.width + gap + width > self.columns {
            self.new_line();
        }
        if let Some(gap_face) = self.gap.take() {
            self.push(" ", if gap_face == face { face } else { Face::Plain });
        }
        if self.width + width <= self.columns {
            return self.push(word, face);
        }
        for character in word.chars() {
            let mut buffer = [0; 4];
            let character = character.encode_utf8(&mut buffer);
            if self.width > 0 && self.width + character.width() > self.columns {
                self.new_line();
            }
            self.push(character, face);
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
        self.lines.push(Vec::new());
        self.width = 0;
        self.gap = None;
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
