//! Which keys a Compose file may have, and what may stand behind each: the shape of the specification as a table.
//!
//! The table is in [`keys`]; this file walks a tree along it. Of several things that are wrong, the one that lies deepest is told, since
//! a value that may be written in two ways fails both, and the closer miss is what its author meant.

mod keys;

use super::error::{Error, Spot};
use super::path::Path;
use super::yaml::{Map, Node, Value};

/// What may stand at a place.
pub enum Shape {
    /// Scalars, lists or mappings of these types, by their names in JSON.
    Is(&'static [&'static str]),
    /// One of these words.
    OneWord(&'static [&'static str]),
    /// A whole number within bounds.
    Within(i64, i64),
    /// A text that a test accepts; with the pattern that it stands for.
    Matching(fn(&str) -> bool, &'static str),
    /// A list; if its flag is set, without equal items.
    List(&'static Shape, bool),
    Keys(&'static Keys),
    OneOf(&'static [&'static Shape]),
}

/// A mapping.
pub struct Keys {
    pub known: &'static [(&'static str, &'static Shape)],
    /// Names that its author chooses.
    pub free: Option<(Names, &'static Shape)>,
    /// Whether other keys are let pass.
    pub open: bool,
    /// Whether `x-` keys are let pass.
    pub extensions: bool,
    pub required: &'static [&'static str],
    /// Whether nothing may stand instead.
    pub nullable: bool,
}

/// Which names an author may choose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Letters, digits, dots, underscores, hyphens.
    Identifiers,
    /// Small letters.
    Lower,
    Any,
}

impl Keys {
    /// A mapping with known keys, and `x-` keys.
    pub const fn known(known: &'static [(&'static str, &'static Shape)]) -> Self {
        Keys { known, free: None, open: false, extensions: true, required: &[], nullable: false }
    }

    /// A mapping with names of the author's choice.
    pub const fn named(names: Names, shape: &'static Shape) -> Self {
        Keys { known: &[], free: Some((names, shape)), open: false, extensions: false, required: &[], nullable: false }
    }

    /// With keys that must be there.
    pub const fn needs(mut self, required: &'static [&'static str]) -> Self {
        self.required = required;
        self
    }

    /// Without `x-` keys.
    pub const fn strict(mut self) -> Self {
        self.extensions = false;
        self
    }

    /// With any other key, too.
    pub const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Or nothing.
    pub const fn or_nothing(mut self) -> Self {
        self.nullable = true;
        self
    }
}

/// Refuses what the specification has no place for.
///
/// # Errors
/// The deepest of the mistakes, in the words of docker compose.
pub fn validate(root: &Node) -> Result<(), Error> {
    let mut failures = Vec::new();
    check(&keys::FILE, root, &Path::root(), &mut failures);
    let mut deepest: Option<Failure> = None;
    for failure in failures {
        if deepest.as_ref().is_none_or(|known| failure.depth > known.depth) {
            deepest = Some(failure);
        }
    }
    match deepest {
        None => Ok(()),
        Some(Failure { spot, path, what, .. }) => Err(Error::at(&spot, &path, format!("{} {what}", path.dotted()).trim_start())),
    }
}

struct Failure {
    depth: usize,
    spot: Spot,
    path: Path,
    what: String,
}

fn fail(node: &Node, path: &Path, what: String, failures: &mut Vec<Failure>) {
    failures.push(Failure { depth: path.depth(), spot: node.spot.clone(), path: path.clone(), what });
}

fn check(shape: &Shape, node: &Node, path: &Path, failures: &mut Vec<Failure>) {
    match shape {
        Shape::Is(types) => {
            if !types.iter().any(|wanted| is(node, wanted)) {
                fail(node, path, format!("must be a {}", readable(types)), failures);
            }
        }
        Shape::OneWord(words) => match node.text() {
            Some(word) if words.contains(&word) => {}
            Some(_) => {
                let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                fail(node, path, format!("value must be one of {}", words.join(", ")), failures);
            }
            None => fail(node, path, "must be a string".to_owned(), failures),
        },
        Shape::Within(least, most) => match node.value {
            Value::Int(number) if number < *least => fail(node, path, format!("must be greater than or equal to {least}"), failures),
            Value::Int(number) if number > *most => fail(node, path, format!("must be less than or equal to {most}"), failures),
            _ if is(node, "integer") => {}
            _ => fail(node, path, "must be a integer".to_owned(), failures),
        },
        Shape::Matching(fits, pattern) => match node.text() {
            Some(text) if fits(text) => {}
            Some(text) => fail(node, path, format!("'{text}' does not match pattern '{pattern}'"), failures),
            None => fail(node, path, "must be a string".to_owned(), failures),
        },
        Shape::List(inner, unique) => match node.list() {
            None => fail(node, path, "must be a array".to_owned(), failures),
            Some(list) => {
                list.iter().enumerate().for_each(|(at, one)| check(inner, one, &path.item(at), failures));
                if *unique {
                    equal_items(node, list, path, failures);
                }
            }
        },
        Shape::Keys(keys) => match &node.value {
            Value::Map(map) => mapping(keys, node, map, path, failures),
            Value::Null if keys.nullable => {}
            _ if keys.nullable => fail(node, path, "must be a mapping or null".to_owned(), failures),
            _ => fail(node, path, "must be a mapping".to_owned(), failures),
        },
        Shape::OneOf(shapes) => {
            let mut all = Vec::new();
            for shape in *shapes {
                let before = all.len();
                check(shape, node, path, &mut all);
                if all.len() == before {
                    return;
                }
            }
            failures.append(&mut all);
        }
    }
}

fn mapping(keys: &Keys, node: &Node, map: &Map, path: &Path, failures: &mut Vec<Failure>) {
    let missing: Vec<String> = keys.required.iter().filter(|key| !map.contains_key(**key)).map(|key| format!("'{key}'")).collect();
    match missing.as_slice() {
        [] => {}
        [one] => fail(node, path, format!("missing property {one}"), failures),
        more => fail(node, path, format!("missing properties {}", more.join(", ")), failures),
    }
    let mut unknown: Vec<(&String, &Node)> = Vec::new();
    for (key, value) in map {
        let known = keys.known.iter().find(|(name, _)| name == key).map(|(_, shape)| *shape);
        let free = keys.free.filter(|(names, _)| names.allow(key)).map(|(_, shape)| shape);
        match known.or(free) {
            Some(shape) => check(shape, value, &path.key(key), failures),
            None if keys.open || (keys.extensions && key.starts_with("x-")) => {}
            None => unknown.push((key, value)),
        }
    }
    if let Some((_, first)) = unknown.first() {
        let names: Vec<String> = unknown.iter().map(|(key, _)| format!("'{key}'")).collect();
        let what = format!("additional properties {} not allowed", names.join(", "));
        failures.push(Failure { depth: path.depth() + 1, spot: first.spot.clone(), path: path.clone(), what });
    }
}

impl Names {
    fn allow(self, name: &str) -> bool {
        match self {
            Names::Identifiers => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
            Names::Lower => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()),
            Names::Any => !name.is_empty(),
        }
    }
}

fn equal_items(node: &Node, list: &[Node], path: &Path, failures: &mut Vec<Failure>) {
    // Equal by what they hold; where they stand differs always.
    let bare: Vec<String> = list.iter().map(|one| super::read::json(one).to_string()).collect();
    let mut seen = std::collections::HashMap::new();
    for (at, one) in bare.iter().enumerate() {
        if let Some(before) = seen.insert(one, at) {
            fail(node, path, format!("items at {before} and {at} are equal"), failures);
            return;
        }
    }
}

fn is(node: &Node, wanted: &str) -> bool {
    match &node.value {
        Value::Null => wanted == "null",
        Value::Bool(_) => wanted == "boolean",
        Value::Int(_) => wanted == "integer" || wanted == "number",
        Value::Float(number) => wanted == "number" || (wanted == "integer" && number.fract() == 0.0),
        Value::Text(_) => wanted == "string",
        Value::List(_) => wanted == "array",
        Value::Map(_) => wanted == "object",
    }
}

fn readable(types: &[&str]) -> String {
    let mut names: Vec<&str> = types.iter().map(|name| if *name == "object" { "mapping" } else { name }).collect();
    names.sort_unstable();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}
