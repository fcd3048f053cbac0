//! Markdown (CommonMark with tables, <https://spec.commonmark.org>) to blocks: the lessons' prose.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::view::{Block, Doc, Face, Span, Table, Text};

/// The blocks of a Markdown text. Comments, pictures and raw HTML are left out; a link shows its address if that is one.
pub fn parse(source: &str) -> Doc {
    let mut builder = Builder { docs: vec![Doc::new()], ..Builder::default() };
    for event in Parser::new_ext(source, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_HEADING_ATTRIBUTES) {
        builder.event(event);
    }
    builder.flush();
    builder.docs.swap_remove(0)
}

/// One line of Markdown, without blocks: for hints and goals.
pub fn inline(source: &str) -> Text {
    let texts = parse(source).0.into_iter().filter_map(|block| match block {
        Block::Paragraph(text) | Block::Line(text) | Block::Heading(_, text) => Some(text),
        _ => None,
    });
    texts
        .reduce(|first, next| Text(first.0.into_iter().chain([Span { text: "\n".into(), face: Face::Plain }]).chain(next.0).collect()))
        .unwrap_or_default()
}

#[derive(Default)]
struct Builder {
    /// The document, and the items and quotes that are open in it.
    docs: Vec<Doc>,
    /// The lists that are open: first number, items so far.
    lists: Vec<(Option<u64>, Vec<Doc>)>,
    text: Text,
    faces: Vec<Face>,
    code: Option<String>,
    table: Option<Table>,
    row: Vec<Text>,
    link: String,
    /// The level of the heading that is being collected.
    heading: u8,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.words(&text),
            Event::Code(code) => self.push(Face::Code, &code),
            Event::SoftBreak => self.words(" "),
            Event::HardBreak => self.words("\n"),
            Event::Rule => self.flush(),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.flush(),
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = level as u8;
            }
            Tag::BlockQuote(_) => self.open(),
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push((first, Vec::new()));
            }
            Tag::Item => self.open(),
            Tag::Emphasis => self.faces.push(Face::Emphasis),
            Tag::Strong => self.faces.push(Face::Strong),
            Tag::Link { dest_url, .. } => self.link = dest_url.into_string(),
            Tag::Table(_) => {
                self.flush();
                self.table = Some(Table::default());
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.flush(),
            TagEnd::Heading(_) => {
                let text = std::mem::take(&mut self.text);
                let level = std::mem::take(&mut self.heading);
                self.block(Block::Heading(level, text));
            }
            TagEnd::BlockQuote(_) => {
                if let Some(doc) = self.close() {
                    self.block(Block::Quote(doc));
                }
            }
            TagEnd::CodeBlock => {
                if let Some(code) = self.code.take() {
                    self.block(Block::Code(code));
                }
            }
            TagEnd::Item => {
                if let (Some(doc), Some((_, items))) = (self.close(), self.lists.last_mut()) {
                    items.push(doc);
                }
            }
            TagEnd::List(_) => {
                if let Some((first, items)) = self.lists.pop() {
                    self.block(Block::List(first, items));
                }
            }
            TagEnd::Emphasis | TagEnd::Strong => drop(self.faces.pop()),
            TagEnd::Link => {
                let link = std::mem::take(&mut self.link);
                if link.contains("://") && !self.text.words().ends_with(&link) {
                    self.push(Face::Dim, &format!(" ({link})"));
                }
            }
            TagEnd::TableCell => self.row.push(std::mem::take(&mut self.text)),
            TagEnd::TableHead => {
                let heads = std::mem::take(&mut self.row).iter().map(Text::words).collect();
                self.table.get_or_insert_default().heads = heads;
            }
            TagEnd::TableRow => {
                let row = std::mem::take(&mut self.row);
                self.table.get_or_insert_default().rows.push(row);
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.block(Block::Table(table));
                }
            }
            _ => {}
        }
    }

    fn words(&mut self, text: &str) {
        match &mut self.code {
            Some(code) => code.push_str(text),
            None => self.push(self.faces.last().copied().unwrap_or_default(), text),
        }
    }

    fn push(&mut self, face: Face, text: &str) {
        match self.text.0.last_mut() {
            Some(last) if last.face == face && face != Face::Code => last.text.push_str(text),
            _ => self.text.0.push(Span { text: text.to_owned(), face }),
        }
    }

    fn open(&mut self) {
        self.flush();
        self.docs.push(Doc::new());
    }

    fn close(&mut self) -> Option<Doc> {
        self.flush();
        if self.docs.len() > 1 { self.docs.pop() } else { None }
    }

    /// Ends the paragraph that is being collected.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.0.is_empty() {
            self.block(Block::Paragraph(text));
        }
    }

    fn block(&mut self, block: Block) {
        if let Some(doc) = self.docs.last_mut() {
            doc.0.push(block);
        }
    }
}
