//! From the parser's events to a tree with tags and anchors, as the file has it.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::DEPTH;
use crate::compose::error::{Error, Spot};

/// A node as the file has it.
#[derive(Debug, Clone)]
pub struct Raw {
    pub spot: Spot,
    /// `!reset`, `!!str`, or nothing.
    pub tag: String,
    pub kind: Kind,
}

/// What a raw node holds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A text, and whether it stood there without quotes.
    Scalar(String, bool),
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
    Alias(Rc<Raw>),
}

impl Raw {
    /// Whether this key is `<<`.
    pub fn is_merge(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, true) if text == "<<" && self.tag.is_empty())
    }
}

/// A list or a mapping that is not closed yet.
struct Open {
    spot: Spot,
    tag: String,
    anchor: usize,
    is_map: bool,
    /// The items; of a mapping, keys and values in turn.
    items: Vec<Raw>,
}

/// The documents of a text.
pub fn parse(file: &str, text: &str) -> Result<Vec<Raw>, Error> {
    let name: Arc<str> = file.into();
    // The parser counts lines from 1 and columns from 0.
    let place = |marker: &Marker| Spot { file: name.clone(), line: marker.line(), column: marker.col() + 1 };
    let mut stack = Stack { open: Vec::new(), anchors: HashMap::new(), documents: Vec::new() };
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| Error::at(&place(error.marker()), "", format!("failed to parse {file}: yaml: {}", error.info())))?;
        stack.take(event, place(&span.start))?;
    }
    Ok(stack.documents)
}

struct Stack {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Raw>>,
    documents: Vec<Raw>,
}

impl Stack {
    fn take(&mut self, event: Event<'_>, spot: Spot) -> Result<(), Error> {
        let named = |tag: Option<std::borrow::Cow<'_, saphyr_parser::Tag>>| tag.map(|tag| tag_name(&tag.handle, &tag.suffix));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar(text.into_owned(), style == ScalarStyle::Plain);
                self.place(Raw { spot, tag: named(tag).unwrap_or_default(), kind }, anchor);
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).cloned();
                let target = target.ok_or_else(|| Error::at(&spot, "", "cycle detected: an anchor's value contains itself"))?;
                self.place(Raw { spot, tag: String::new(), kind: Kind::Alias(target) }, 0);
            }
            Event::SequenceStart(anchor, tag) => self.begin(spot, named(tag), anchor, false)?,
            Event::MappingStart(anchor, tag) => self.begin(spot, named(tag), anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let anchor = open.anchor;
                    self.place(open.close(), anchor);
                }
            }
            Event::DocumentStart(_) => self.anchors.clear(),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, spot: Spot, tag: Option<String>, anchor: usize, is_map: bool) -> Result<(), Error> {
        if self.open.len() >= DEPTH {
            return Err(Error::at(&spot, "", format!("lists and mappings lie more than {DEPTH} deep in each other")));
        }
        self.open.push(Open { spot, tag: tag.unwrap_or_default(), anchor, is_map, items: Vec::new() });
        Ok(())
    }

    fn place(&mut self, raw: Raw, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::new(raw.clone()));
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(raw),
            None => self.documents.push(raw),
        }
    }
}

impl Open {
    fn close(self) -> Raw {
        let kind = if self.is_map {
            let mut items = self.items.into_iter();
            let mut entries = Vec::new();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                entries.push((key, value));
            }
            Kind::Map(entries)
        } else {
            Kind::List(self.items)
        };
        Raw { spot: self.spot, tag: self.tag, kind }
    }
}

/// `!reset` of Compose, `!!str` of YAML.
fn tag_name(handle: &str, suffix: &str) -> String {
    match handle {
        "tag:yaml.org,2002:" | "!!" => format!("!!{suffix}"),
        "!" | "" => format!("!{}", suffix.trim_start_matches('!')),
        handle => format!("{handle}{suffix}"),
    }
}
