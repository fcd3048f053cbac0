//! YAML as a tree that knows where each value stands, with anchors, aliases and merge keys already followed.
//!
//! The reading of plain words is that of the YAML library of docker compose: `yes` is a text, `0777` is octal, `1_000` a number. Two tags
//! are Compose's own: `!reset` takes a value away, `!override` puts one in place of what earlier files said; both are remembered by path.

pub mod scalar;
mod stack;

use std::collections::BTreeMap;

use super::error::{Error, Spot};
use super::path::Path;
use stack::{Kind, Raw};

/// A value and where it stands: of a value with a key, where the key is.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub spot: Spot,
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

/// Nodes by key.
pub type Map = BTreeMap<String, Node>;

/// One YAML document.
#[derive(Debug, Clone)]
pub struct Document {
    pub root: Node,
    /// What this document takes away from, or puts in place of, what earlier ones said.
    pub resets: Vec<Path>,
}

/// How many nodes a document may have once its aliases are followed: a small file can name a very large tree.
const NODES: usize = 100_000;

/// How deep lists and mappings may lie in each other.
pub const DEPTH: usize = 64;

impl Node {
    /// A node that no file holds, at the place of another.
    pub fn made(spot: &Spot, value: Value) -> Self {
        Node { spot: spot.clone(), value }
    }

    /// A text that no file holds.
    pub fn text_at(spot: &Spot, text: impl Into<String>) -> Self {
        Node::made(spot, Value::Text(text.into()))
    }

    /// A mapping that no file holds.
    pub fn map_at<const N: usize>(spot: &Spot, entries: [(&str, Value); N]) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), Node::made(spot, value)));
        Node::made(spot, Value::Map(entries.collect()))
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The mapping, if it is one, to change.
    pub fn map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.get(key)
    }

    /// Whether nothing was written.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// A scalar as a text, as Go prints it; nothing for lists and mappings.
    pub fn shown(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(scalar::go_float(*number)),
            Value::Null => Some(String::new()),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Calls `change` for every node below the keys that the specification knows: what lies below `x-` keys at the top has no rules.
    pub fn walk_known(&mut self, change: &mut dyn FnMut(&mut Node, &Path) -> Result<(), Error>) -> Result<(), Error> {
        let Value::Map(map) = &mut self.value else { return Ok(()) };
        map.iter_mut().filter(|(key, _)| !key.starts_with("x-")).try_for_each(|(key, node)| node.walk(&Path::of(&[key]), change))
    }

    /// Calls `change` for every node of the tree, the outer before the inner.
    pub fn walk(&mut self, path: &Path, change: &mut dyn FnMut(&mut Node, &Path) -> Result<(), Error>) -> Result<(), Error> {
        change(self, path)?;
        match &mut self.value {
            Value::List(list) => list.iter_mut().enumerate().try_for_each(|(at, node)| node.walk(&path.item(at), change)),
            Value::Map(map) => map.iter_mut().try_for_each(|(key, node)| node.walk(&path.key(key), change)),
            _ => Ok(()),
        }
    }
}

impl Value {
    /// A list of texts.
    pub fn texts(spot: &Spot, texts: impl IntoIterator<Item = String>) -> Value {
        Value::List(texts.into_iter().map(|text| Node::text_at(spot, text)).collect())
    }
}

/// Reads every document of a file.
///
/// # Errors
/// The text is no YAML, an anchor holds itself, a key stands twice or is no text.
pub fn parse(file: &str, text: &str) -> Result<Vec<Document>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    stack::parse(file, text)?
        .iter()
        .map(|raw| {
            let mut reading = Reading { resets: Vec::new(), nodes: 0 };
            let spot = raw.spot.clone();
            let root = reading.node(raw, &Path::root())?.unwrap_or(Node { spot, value: Value::Null });
            Ok(Document { root, resets: reading.resets })
        })
        .collect()
}

struct Reading {
    resets: Vec<Path>,
    nodes: usize,
}

impl Reading {
    /// The node without aliases and merge keys; none if it is taken away.
    fn node(&mut self, raw: &Raw, path: &Path) -> Result<Option<Node>, Error> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(Error::at(&raw.spot, path, format!("compose file exceeds maximum node visit limit ({NODES})")));
        }
        match raw.tag.as_str() {
            "!reset" => {
                self.resets.push(path.clone());
                return Ok(None);
            }
            "!override" => self.resets.push(path.clone()),
            _ => {}
        }
        let value = match &raw.kind {
            Kind::Scalar(text, plain) => scalar::resolve(text, *plain, &raw.tag),
            Kind::List(list) => Value::List(self.list(list, path)?),
            Kind::Map(entries) => Value::Map(self.map(entries, path)?),
            Kind::Alias(target) => {
                let mut target = target.as_ref().clone();
                target.spot = raw.spot.clone();
                return self.node(&target, path);
            }
        };
        Ok(Some(Node { spot: raw.spot.clone(), value }))
    }

    fn list(&mut self, list: &[Raw], path: &Path) -> Result<Vec<Node>, Error> {
        let mut nodes = Vec::new();
        for (at, raw) in list.iter().enumerate() {
            nodes.extend(self.node(raw, &path.item(at))?);
        }
        Ok(nodes)
    }

    /// Own keys first; a merge key adds what is missing.
    fn map(&mut self, entries: &[(Raw, Raw)], path: &Path) -> Result<Map, Error> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        for (key, value) in entries {
            if key.is_merge() {
                merged.push(value);
                continue;
            }
            let name = key_text(key, path)?;
            if let Some(before) = map.get(&name) {
                let what = format!("mapping key {name:?} already defined at line {}", before.spot.line);
                return Err(Error::at(&key.spot, path.key(&name), what));
            }
            if let Some(mut node) = self.node(value, &path.key(&name))? {
                node.spot = key.spot.clone();
                map.insert(name, node);
            }
        }
        for source in merged {
            self.merge(source, &mut map, path)?;
        }
        Ok(map)
    }

    fn merge(&mut self, source: &Raw, into: &mut Map, path: &Path) -> Result<(), Error> {
        match &source.kind {
            Kind::Alias(target) => self.merge(target, into, path),
            Kind::List(list) => list.iter().try_for_each(|one| self.merge(one, into, path)),
            Kind::Map(entries) => {
                for (key, node) in self.map(entries, path)? {
                    into.entry(key).or_insert(node);
                }
                Ok(())
            }
            Kind::Scalar(..) => Err(Error::at(&source.spot, path, "map merge requires map or sequence of maps as the value")),
        }
    }
}

/// Keys are texts: `80: x` is refused as docker compose refuses it.
fn key_text(key: &Raw, path: &Path) -> Result<String, Error> {
    let place = if path.is_root() { "at top level".to_owned() } else { format!("in {path}") };
    let refused = |what: &str| Error::at(&key.spot, path, format!("non-string key {place}: {what}"));
    match &key.kind {
        Kind::Scalar(text, plain) => match scalar::resolve(text, *plain, &key.tag) {
            Value::Text(text) => Ok(text),
            Value::Null => Err(refused("<nil>")),
            other => Err(refused(&Node::made(&key.spot, other).shown().unwrap_or_default())),
        },
        Kind::Alias(target) => key_text(target, path),
        Kind::List(_) | Kind::Map(_) => Err(refused("a list or a mapping")),
    }
}
