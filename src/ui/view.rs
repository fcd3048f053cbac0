//! The model of what is shown: blocks of text whose spans carry a meaning, not a colour.

/// What a span is. Every meaning is also in the words or the characters, see the module above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Face {
    /// Prose.
    #[default]
    Plain,
    /// What matters most.
    Strong,
    /// A term where it is introduced.
    Emphasis,
    /// What is typed or printed; shown between backticks.
    Code,
    /// Of less interest.
    Dim,
    /// A good end.
    Good,
    /// A bad end.
    Bad,
    /// Neither: not yet, or not exercised.
    Caution,
}

/// Some words of one face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The words. A line feed in them is a forced line break.
    pub text: String,
    /// What they are.
    pub face: Face,
}

/// A line of text, before wrapping.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub Vec<Span>);

impl Text {
    /// Plain words.
    pub fn plain(text: impl Into<String>) -> Self {
        Text::of(Face::Plain, text)
    }

    /// Words of one face.
    pub fn of(face: Face, text: impl Into<String>) -> Self {
        Text(Vec::new()).and(face, text)
    }

    /// This text, and more words.
    #[must_use]
    pub fn and(mut self, face: Face, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.push(Span { text, face });
        }
        self
    }

    /// This text, and another one behind it.
    pub fn joined(mut self, other: Text) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Its words alone.
    pub fn words(&self) -> String {
        self.0.iter().map(|span| if span.face == Face::Code { format!("`{}`", span.text) } else { span.text.clone() }).collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::plain(text)
    }
}

/// A table. Where the terminal is too narrow for it, every row is shown as lines of `head: cell`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// The heads of the columns.
    pub heads: Vec<String>,
    /// The rows, each with one cell per head.
    pub rows: Vec<Vec<Text>>,
}

/// A line with lines that belong below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// The line.
    pub text: Text,
    /// What belongs to it.
    pub below: Vec<Node>,
}

impl Node {
    /// A line with nothing below.
    pub fn leaf(text: impl Into<Text>) -> Self {
        Node { text: text.into(), below: Vec::new() }
    }
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading: 1 for the page's, more for smaller ones.
    Heading(u8, Text),
    /// Prose, wrapped.
    Paragraph(Text),
    /// One line of a report, wrapped below its own beginning; no empty line after it.
    Line(Text),
    /// Lines to be typed or read as they are; never wrapped, so that they can be copied.
    Code(String),
    /// Lines that a program prints, as they are.
    Verbatim(String),
    /// A list; numbered from the number, or with bullets.
    List(Option<u64>, Vec<Doc>),
    /// Words of someone else, or an aside.
    Quote(Doc),
    /// A table.
    Table(Table),
    /// Lines that hang on each other.
    Tree(Vec<Node>),
}

/// Some blocks, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doc(pub Vec<Block>);

impl Doc {
    /// Nothing yet.
    pub fn new() -> Self {
        Doc::default()
    }

    /// This, and one more block.
    #[must_use]
    pub fn with(mut self, block: Block) -> Self {
        self.0.push(block);
        self
    }

    /// This, and one more line.
    #[must_use]
    pub fn line(self, text: impl Into<Text>) -> Self {
        self.with(Block::Line(text.into()))
    }

    /// This, and one more paragraph.
    #[must_use]
    pub fn paragraph(self, text: impl Into<Text>) -> Self {
        self.with(Block::Paragraph(text.into()))
    }

    /// This, and one more heading.
    #[must_use]
    pub fn heading(self, level: u8, text: impl Into<Text>) -> Self {
        self.with(Block::Heading(level, text.into()))
    }

    /// This, and all of `other`.
    #[must_use]
    pub fn then(mut self, other: Doc) -> Self {
        self.0.extend(other.0);
        self
    }
}
