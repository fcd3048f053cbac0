//! YAML as a tree that knows its lines, so that an error in a lesson or a lab can name the place.
//!
//! Course files are written by people and read by strangers: tags, anchors and aliases are refused (nothing here needs them, and they are
//! how small files grow without end), keys are plain texts, a key may stand once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::error::{Problem, Spot};

/// How deep lists and mappings may lie in each other.
const DEPTH: usize = 32;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub spot: Spot,
    /// Where its key stands; of what has no key, where it begins itself.
    pub key: Spot,
    pub value: Value,
}

/// Places by path.
pub type Spots = BTreeMap<String, Spot>;

/// Where `path` stands, or the nearest thing around it that is known.
pub fn spot_near(spots: &Spots, path: &str) -> Spot {
    let mut path = path;
    loop {
        if let Some(spot) = spots.get(path) {
            return *spot;
        }
        match path.rfind(['.', '[']) {
            Some(at) => path = &path[..at],
            None => return spots.get("").copied().unwrap_or_default(),
        }
    }
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

    /// Where each key and each item stands, by its path: `steps[0].facts[2].kind`. Paths are put after `base`.
    pub fn spots(&self, base: &str, into: &mut Spots) {
        let joined = |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") };
        into.insert(base.to_owned(), self.key);
        match &self.value {
            Value::Scalar { .. } => {}
            Value::List(list) => list.iter().enumerate().for_each(|(at, node)| node.spots(&format!("{base}[{at}]"), into)),
            Value::Map(map) => map.iter().for_each(|(name, node)| node.spots(&joined(name), into)),
        }
    }

    /// The same tree with `change` applied to every text.
    pub fn map_texts(&self, change: &dyn Fn(&str) -> String) -> Node {
        let value = match &self.value {
            Value::Scalar { text, plain } => Value::Scalar { text: change(text), plain: *plain },
            Value::List(list) => Value::List(list.iter().map(|node| node.map_texts(change)).collect()),
            Value::Map(map) => Value::Map(map.iter().map(|(key, node)| (change(key), node.map_texts(change))).collect()),
        };
        Node { value, ..*self }
    }
}

/// Parses one document. `first_line` is the line of the file that the text begins on, from 1.
///
/// # Errors
/// The text is no YAML, or more of it than course files may use.
pub fn parse(file: &Path, text: &str, first_line: usize) -> Result<Node, Problem> {
    // The parser counts lines from 1 and columns from 0.
    let place = |marker: &Marker| Spot { line: (first_line + marker.line()).saturating_sub(1), column: marker.col() + 1 };
    let problem =
        |spot: Spot, what: String, hint: &str| Problem { file: file.to_owned(), spot, key: String::new(), what, hint: hint.to_owned() };
    let mut builder = Builder { open: Vec::new(), done: None };
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| problem(place(error.marker()), format!("no valid YAML: {}", error.info()), slip(error.info())))?;
        let spot = place(&span.start);
        builder.take(event, spot).map_err(|(what, hint)| problem(spot, what, hint))?;
    }
    let first = Spot { line: first_line, column: 1 };
    Ok(builder.done.unwrap_or(Node { spot: first, key: first, value: Value::Scalar { text: String::new(), plain: true } }))
}

/// What most likely went wrong where the parser gave up.
fn slip(said: &str) -> &'static str {
    match said {
        said if said.contains("tab") => "indent with spaces",
        said if said.contains("mapping values are not allowed") => {
            "a text with `: ` in it needs quotes; keys of one mapping begin in one column"
        }
        said if said.contains("quoted scalar") || said.contains("end of stream") => "close the quote or the bracket",
        _ => "look at the indentation, at quotes and at brackets; a text that begins with one of `{[&*!|>'\"%@` needs quotes",
    }
}

/// A list or mapping that is not closed yet.
enum Open {
    List(Spot, Vec<Node>),
    /// Where it begins, what it holds, the key that waits for its value.
    Map(Spot, Vec<(String, Node)>, Option<(String, Spot)>),
}

struct Builder {
    open: Vec<Open>,
    done: Option<Node>,
}

type Refusal = (String, &'static str);

impl Builder {
    fn take(&mut self, event: Event<'_>, spot: Spot) -> Result<(), Refusal> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_extras(anchor, tag.is_some())?;
                self.scalar(text, style == ScalarStyle::Plain, spot)
            }
            Event::SequenceStart(anchor, tag) => self.begin(Open::List(spot, Vec::new()), anchor, tag.is_some()),
            Event::MappingStart(anchor, tag) => self.begin(Open::Map(spot, Vec::new(), None), anchor, tag.is_some()),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(spot, list)) => self.place(spot, Value::List(list)),
                Some(Open::Map(spot, map, _)) => self.place(spot, Value::Map(map)),
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

    fn scalar(&mut self, text: Cow<'_, str>, plain: bool, spot: Spot) -> Result<(), Refusal> {
        if let Some(Open::Map(_, map, key @ None)) = self.open.last_mut() {
            if map.iter().any(|(seen, _)| *seen == text) {
                return Err((format!("the key `{text}` stands here twice"), "keep one of them"));
            }
            *key = Some((text.into_owned(), spot));
            return Ok(());
        }
        self.place(spot, Value::Scalar { text: text.into_owned(), plain })
    }

    fn place(&mut self, spot: Spot, value: Value) -> Result<(), Refusal> {
        match self.open.last_mut() {
            Some(Open::List(_, list)) => list.push(Node { spot, key: spot, value }),
            Some(Open::Map(_, map, key)) => {
                let (name, key) = key.take().unwrap_or_default();
                map.push((name, Node { spot, key, value }));
            }
            None => self.done = Some(Node { spot, key: spot, value }),
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
        let one = Node {
            spot: Spot { line: 10, column: 4 },
            key: Spot { line: 10, column: 1 },
            value: Value::Scalar { text: "1".into(), plain: true },
        };
        assert_eq!(map[0].1, one);
        let Value::List(list) = &map[1].1.value else { panic!("a list") };
        assert_eq!(list[0].spot, Spot { line: 12, column: 5 });
        let mut spots = Spots::new();
        node.spots("", &mut spots);
        assert_eq!(spots["b[0].d"], Spot { line: 13, column: 5 });
    }

    #[test]
    fn what_nobody_needs_is_refused_with_its_line() {
        assert_eq!(error("a: 1\na: 2\n"), "lab.yaml:2:1: the key `a` stands here twice (keep one of them)");
        assert!(error("a: &x 1\nb: *x\n").starts_with("lab.yaml:1:4: an anchor"));
        assert!(error("a: {b}: c\n").starts_with("lab.yaml:1:"));
        assert!(error("a: !ruby/object x\n").contains("a tag"));
        assert!(error(&"[".repeat(100)).contains("too deep"));
        assert!(error("a: 1\n---\nb: 2\n").contains("a second YAML document"));
    }
}
