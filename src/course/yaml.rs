//! YAML as a tree that knows its lines, so that an error in a lesson or a lab can name the place.
//!
//! Course files are written by people and read by strangers: tags, anchors and aliases are refused (nothing here needs them, and they are
//! how small files grow without end), keys are plain texts, a key may stand once.

use std::borrow::Cow;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::error::Problem;

/// How deep lists and mappings may lie in each other.
const DEPTH: usize = 32;

/// A value and the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub line: usize,
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text; `plain` is false when it was quoted or a block, so that "true" is a word and true is a truth.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// What it is, for messages.
    pub fn sort(&self) -> &'static str {
        match self.value {
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether nothing was written: `key:`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if text.is_empty() || text == "~" || text == "null")
    }

    /// The same tree with `change` applied to every text.
    pub fn map_texts(&self, change: &dyn Fn(&str) -> String) -> Node {
        let value = match &self.value {
            Value::Scalar { text, plain } => Value::Scalar { text: change(text), plain: *plain },
            Value::List(list) => Value::List(list.iter().map(|node| node.map_texts(change)).collect()),
            Value::Map(map) => Value::Map(map.iter().map(|(key, node)| (change(key), node.map_texts(change))).collect()),
        };
        Node { line: self.line, value }
    }
}

/// Parses one document. `first_line` is the line of the file that the text begins on, from 1.
///
/// # Errors
/// The text is no YAML, or more of it than course files may use.
pub fn parse(file: &Path, text: &str, first_line: usize) -> Result<Node, Problem> {
    let problem = |line: usize, what: String, hint: Option<&str>| Problem {
        file: file.to_owned(),
        line: (first_line + line).saturating_sub(1),
        key: String::new(),
        what,
        hint: hint.map(str::to_owned),
    };
    let mut builder = Builder { first_line, open: Vec::new(), done: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| problem(error.marker().line(), format!("no valid YAML: {}", error.info()), None))?;
        let line = span.start.line();
        builder.take(event, line).map_err(|(what, hint)| problem(line, what, Some(hint)))?;
    }
    Ok(builder.done.unwrap_or(Node { line: first_line, value: Value::Scalar { text: String::new(), plain: true } }))
}

/// A list or mapping that is not closed yet.
enum Open {
    List(usize, Vec<Node>),
    Map(usize, Vec<(String, Node)>, Option<String>),
}

struct Builder {
    first_line: usize,
    open: Vec<Open>,
    done: Option<Node>,
}

type Refusal = (String, &'static str);

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Refusal> {
        let line = (self.first_line + line).saturating_sub(1);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_extras(anchor, tag.is_some())?;
                self.scalar(text, style == ScalarStyle::Plain, line)
            }
            Event::SequenceStart(anchor, tag) => self.begin(Open::List(line, Vec::new()), anchor, tag.is_some()),
            Event::MappingStart(anchor, tag) => self.begin(Open::Map(line, Vec::new(), None), anchor, tag.is_some()),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(line, list)) => self.place(Node { line, value: Value::List(list) }),
                Some(Open::Map(line, map, _)) => self.place(Node { line, value: Value::Map(map) }),
                None => Ok(()),
            },
            Event::Alias(_) => Err(("an alias (`*name`)".to_owned(), "write the value out")),
            Event::DocumentStart(_) if self.done.is_some() => Err(("a second YAML document".to_owned(), "one file holds one document")),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, anchor: usize, tagged: bool) -> Result<(), Refusal> {
        refuse_extras(anchor, tagged)?;
        if let Some(Open::Map(_, _, None)) = self.open.last() {
            return Err(("a key that is a list or a mapping".to_owned(), "a text that begins with `{` or `[` needs quotes"));
        }
        if self.open.len() >= DEPTH {
            return Err(("lists and mappings lie too deep in each other".to_owned(), "no course file needs 32 levels"));
        }
        self.open.push(open);
        Ok(())
    }

    fn scalar(&mut self, text: Cow<'_, str>, plain: bool, line: usize) -> Result<(), Refusal> {
        if let Some(Open::Map(_, map, key @ None)) = self.open.last_mut() {
            if map.iter().any(|(seen, _)| *seen == text) {
                return Err((format!("the key `{text}` stands here twice"), "keep one of them"));
            }
            *key = Some(text.into_owned());
            return Ok(());
        }
        self.place(Node { line, value: Value::Scalar { text: text.into_owned(), plain } })
    }

    fn place(&mut self, node: Node) -> Result<(), Refusal> {
        match self.open.last_mut() {
            Some(Open::List(_, list)) => list.push(node),
            Some(Open::Map(_, map, key)) => map.push((key.take().unwrap_or_default(), node)),
            None => self.done = Some(node),
        }
        Ok(())
    }
}

fn refuse_extras(anchor: usize, tagged: bool) -> Result<(), Refusal> {
    if anchor > 0 {
        return Err(("an anchor (`&name`)".to_owned(), "a text that begins with `&` needs quotes"));
    }
    if tagged {
        return Err(("a tag (`!name`)".to_owned(), "a text that begins with `!` needs quotes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(Path::new("lab.yaml"), text, 1).unwrap_err().to_string()
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let node = parse(Path::new("x"), "a: 1\nb:\n  - c: \"true\"\n    d: |\n      x\n", 10).unwrap();
        let Value::Map(map) = &node.value else { panic!("a mapping") };
        assert_eq!(map[0].1, Node { line: 10, value: Value::Scalar { text: "1".into(), plain: true } });
        let Value::List(list) = &map[1].1.value else { panic!("a list") };
        assert_eq!(list[0].line, 12);
    }

    #[test]
    fn what_nobody_needs_is_refused_with_its_line() {
        assert_eq!(error("a: 1\na: 2\n"), "lab.yaml:2: the key `a` stands here twice (keep one of them)");
        assert!(error("a: &x 1\nb: *x\n").starts_with("lab.yaml:1: an anchor"));
        assert!(error("a: {b}: c\n").starts_with("lab.yaml:1: "));
        assert!(error("a: !ruby/object x\n").contains("a tag"));
        assert!(error(&"[".repeat(100)).contains("too deep"));
        assert!(error("a: 1\n---\nb: 2\n").contains("a second YAML document"));
    }
}
