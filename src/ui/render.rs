//! From blocks to terminal text.

use owo_colors::OwoColorize as _;

use super::style::Style;
use super::view::{Block, Doc, Face, Node, Span, Text};
use super::{table, wrap};

impl Doc {
    /// The text for a terminal. Ends with a line feed unless empty.
    pub fn render(&self, style: &Style) -> String {
        let mut out = String::new();
        for line in lines(self, style) {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// The lines of some blocks, with an empty one between blocks that want it.
pub(super) fn lines(doc: &Doc, style: &Style) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (index, block) in doc.0.iter().enumerate() {
        if index > 0 && !(together(&doc.0[index - 1]) && together(block)) {
            out.push(String::new());
        }
        out.extend(block_lines(block, style));
    }
    out
}

/// Blocks that stand without an empty line between them.
fn together(block: &Block) -> bool {
    matches!(block, Block::Line(_))
}

fn block_lines(block: &Block, style: &Style) -> Vec<String> {
    match block {
        Block::Heading(level, text) => heading(*level, text, style),
        Block::Paragraph(text) => wrap::lines(text, style.columns).iter().map(|line| paint(line, style)).collect(),
        Block::Line(text) => report_line(text, style),
        Block::Code(code) => code.lines().map(|line| format!("    {}", paint_one(Face::Code, line, style))).collect(),
        Block::Verbatim(text) => text.lines().map(str::to_owned).collect(),
        Block::List(first, items) => list(*first, items, style),
        Block::Quote(doc) => {
            let bar = if style.rich { "│ " } else { "| " };
            lines(doc, &style.narrower(2)).into_iter().map(|line| format!("{bar}{line}")).collect()
        }
        Block::Table(table) => table::lines(table, style),
        Block::Tree(nodes) => tree(nodes, style),
    }
}

fn heading(level: u8, text: &Text, style: &Style) -> Vec<String> {
    let strong = Text(text.0.iter().map(|span| Span { face: strengthen(span.face), ..span.clone() }).collect());
    let mut out: Vec<String> = wrap::lines(&strong, style.columns).iter().map(|line| paint(line, style)).collect();
    if level == 1 {
        let width = wrap::width(text).min(style.columns);
        out.push(if style.rich { "─" } else { "-" }.repeat(width));
    }
    out
}

fn strengthen(face: Face) -> Face {
    if face == Face::Plain { Face::Strong } else { face }
}

/// Continuation lines hang two columns below the line's own beginning.
fn report_line(text: &Text, style: &Style) -> Vec<String> {
    let indent = text.words().chars().take_while(|character| *character == ' ').count();
    let mut body = text.clone();
    if let Some(first) = body.0.first_mut() {
        first.text = first.text.trim_start_matches(' ').to_owned();
    }
    let hang = if wrap::width(text) <= style.columns { indent } else { indent + 2 };
    let wrapped = wrap::lines(&body, style.columns.saturating_sub(hang).max(10));
    let painted = wrapped.iter().enumerate();
    painted.map(|(index, line)| format!("{}{}", " ".repeat(if index == 0 { indent } else { hang }), paint(line, style))).collect()
}

fn list(first: Option<u64>, items: &[Doc], style: &Style) -> Vec<String> {
    let mut out = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mark = match first {
            Some(first) => format!("{}. ", first + index as u64),
            None if style.rich => "• ".to_owned(),
            None => "- ".to_owned(),
        };
        let width = mark.chars().count();
        for (row, line) in lines(item, &style.narrower(width)).into_iter().enumerate() {
            out.push(if row == 0 { format!("{mark}{line}") } else { format!("{}{line}", " ".repeat(width)) });
        }
    }
    out
}

fn tree(nodes: &[Node], style: &Style) -> Vec<String> {
    let mut out = Vec::new();
    for node in nodes {
        branch(node, "", "", style, &mut out);
    }
    out
}

/// One node: `own` stands before its first line, `rest` before its other lines and before everything below it.
fn branch(node: &Node, own: &str, rest: &str, style: &Style, out: &mut Vec<String>) {
    let room = style.columns.saturating_sub(own.chars().count()).max(16);
    for (index, line) in wrap::lines(&node.text, room).iter().enumerate() {
        out.push(format!("{}{}", if index == 0 { own } else { rest }, paint(line, style)));
    }
    for (index, below) in node.below.iter().enumerate() {
        let last = index + 1 == node.below.len();
        let (mark, line) = match (style.rich, last) {
            (true, false) => ("├─ ", "│  "),
            (true, true) => ("└─ ", "   "),
            (false, _) => ("  ", "  "),
        };
        branch(below, &format!("{rest}{mark}"), &format!("{rest}{line}"), style, out);
    }
}

/// The spans of one line, painted.
pub(super) fn paint(line: &[Span], style: &Style) -> String {
    line.iter().map(|span| paint_one(span.face, &span.text, style)).collect()
}

pub(super) fn paint_one(face: Face, text: &str, style: &Style) -> String {
    if !style.colour || text.trim().is_empty() {
        return text.to_owned();
    }
    match face {
        Face::Plain => text.to_owned(),
        Face::Strong => text.bold().to_string(),
        Face::Emphasis => text.italic().to_string(),
        Face::Code => text.cyan().to_string(),
        Face::Dim => text.dimmed().to_string(),
        Face::Good => text.green().bold().to_string(),
        Face::Bad => text.red().bold().to_string(),
        Face::Caution => text.magenta().bold().to_string(),
    }
}
