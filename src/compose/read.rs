//! From a canonical tree to the types of the model.

use std::collections::BTreeMap;

use super::error::Error;
use super::path::Path;
use super::short;
use super::types::part::Always;
use super::types::{Bytes, Command, Duration, Extensions, ExtraHosts, FileMode, On, SshKey, Ulimit};
use super::yaml::{Map, Node, Value};

/// What can be read from a node.
pub trait Read: Sized + Default {
    /// The value of a node.
    ///
    /// # Errors
    /// The node holds nothing of the kind.
    fn read(node: &Node, path: &Path) -> Result<Self, Error>;

    /// The value of a line `key=value` or `key` of a list that stands for a mapping; none if there can be no such line.
    fn of_line(_: Option<&str>) -> Option<Self> {
        None
    }
}

fn refused(node: &Node, path: &Path, wanted: &str) -> Error {
    let shown = node.shown().map_or_else(|| "a list or a mapping".to_owned(), |shown| format!("{shown:?}"));
    Error::at(&node.spot, path, format!("{path}: must be {wanted}, is {shown}"))
}

/// The node as a mapping.
///
/// # Errors
/// It is none.
pub fn mapping<'n>(node: &'n Node, path: &Path) -> Result<&'n Map, Error> {
    node.map().ok_or_else(|| refused(node, path, "a mapping"))
}

/// The keys of a mapping that begin with `x-`.
pub fn extensions(map: &Map) -> Extensions {
    map.iter().filter(|(key, _)| key.starts_with("x-")).map(|(key, node)| (key.clone(), json(node))).collect()
}

/// A tree without its places.
pub fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        Value::List(list) => list.iter().map(json).collect(),
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|one, other| super::types::scalar::natural(one.0, other.0));
            serde_json::Value::Object(entries.into_iter().map(|(key, node)| (key.clone(), json(node))).collect())
        }
    }
}

impl Read for String {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        node.shown().ok_or_else(|| refused(node, path, "a string"))
    }
    fn of_line(value: Option<&str>) -> Option<Self> {
        Some(value.unwrap_or_default().to_owned())
    }
}

impl Read for bool {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        match &node.value {
            Value::Bool(truth) => Ok(*truth),
            Value::Null => Ok(false),
            Value::Text(text) => match text.to_lowercase().as_str() {
                "true" | "y" | "yes" | "on" => Ok(true),
                "false" | "n" | "no" | "off" => Ok(false),
                _ => Err(Error::at(&node.spot, path, format!("invalid boolean: {text}"))),
            },
            _ => Err(refused(node, path, "a boolean")),
        }
    }
}

impl Read for i64 {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        match &node.value {
            Value::Int(number) => Ok(*number),
            Value::Float(number) => Ok(*number as i64),
            Value::Null => Ok(0),
            // So many devices as there are.
            Value::Text(text) if path.last() == "count" && text.to_lowercase() == "all" => Ok(-1),
            Value::Text(text) => text.parse().map_err(|_| refused(node, path, "a number")),
            _ => Err(refused(node, path, "a number")),
        }
    }
}

impl Read for f32 {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        match &node.value {
            Value::Int(number) => Ok(*number as f32),
            Value::Float(number) => Ok(*number as f32),
            Value::Null => Ok(0.0),
            Value::Text(text) => text.parse().map_err(|_| refused(node, path, "a number")),
            _ => Err(refused(node, path, "a number")),
        }
    }
}

impl Read for Bytes {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        match &node.value {
            Value::Text(text) => short::bytes(text).map_err(|why| Error::at(&node.spot, path, format!("{path}: {why}"))),
            _ => i64::read(node, path).map(Bytes),
        }
    }
}

impl Read for Duration {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        let text = node.shown().ok_or_else(|| refused(node, path, "a duration"))?;
        short::duration(&text).map_err(|why| Error::at(&node.spot, path, format!("{path}: {why}")))
    }
}

impl Read for FileMode {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        let mode = match &node.value {
            Value::Text(text) => u32::from_str_radix(text, 8).ok(),
            Value::Int(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        mode.map(FileMode).ok_or_else(|| refused(node, path, "a file mode such as 0440"))
    }
}

impl Read for On {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        bool::read(node, path).map(On)
    }
}

impl Read for Command {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        match &node.value {
            Value::Null => Ok(Command(None)),
            Value::Text(line) => {
                let words = short::words(line).map_err(|why| Error::at(&node.spot, path, format!("{path}: {why}")))?;
                Ok(Command(Some(words)))
            }
            _ => Vec::read(node, path).map(|words| Command(Some(words))),
        }
    }
}

impl Read for Ulimit {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        let Some(map) = node.map() else { return Ok(Ulimit { single: i64::read(node, path)?, ..Ulimit::default() }) };
        let limit = |key: &str| map.get(key).map_or(Ok(0), |node| i64::read(node, &path.key(key)));
        Ok(Ulimit { single: 0, soft: limit("soft")?, hard: limit("hard")? })
    }
}

impl Read for ExtraHosts {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        match &node.value {
            Value::Map(map) => {
                for (host, node) in map {
                    hosts.insert(host.clone(), Vec::read(node, &path.key(host))?);
                }
            }
            _ => {
                for line in Vec::<String>::read(node, path)? {
                    let (host, addresses) = line
                        .split_once('=')
                        .or_else(|| line.split_once(':'))
                        .ok_or_else(|| Error::at(&node.spot, path, format!("{path}: invalid additional host, missing IP: {line}")))?;
                    hosts.entry(host.to_owned()).or_default().extend(addresses.split(',').map(str::to_owned));
                }
            }
        }
        for (host, addresses) in &mut hosts {
            if host.is_empty() || host.contains([':', '=']) {
                return Err(Error::at(&node.spot, path, format!("{path}: bad host name '{host}'")));
            }
            for address in addresses {
                if let Some(bare) = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|bare| !bare.is_empty()) {
                    *address = bare.to_owned();
                }
            }
        }
        Ok(ExtraHosts(hosts))
    }
}

/// Keys by id: a mapping in files, a list in the model.
impl Read for SshKey {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        Ok(SshKey { id: path.last(), path: String::read(node, path)? })
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        if node.is_null() { Ok(None) } else { T::read(node, path).map(Some) }
    }
    fn of_line(value: Option<&str>) -> Option<Self> {
        match value {
            None => Some(None),
            value => T::of_line(value).map(Some),
        }
    }
}

impl<T: Read> Read for Always<T> {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        T::read(node, path).map(Always)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        match &node.value {
            Value::Null => Ok(Vec::new()),
            Value::List(list) => list.iter().enumerate().map(|(at, one)| T::read(one, &path.item(at))).collect(),
            Value::Map(map) => map.iter().map(|(key, one)| T::read(one, &path.key(key))).collect(),
            _ => Ok(vec![T::read(node, path)?]),
        }
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(node: &Node, path: &Path) -> Result<Self, Error> {
        match &node.value {
            Value::Null => Ok(BTreeMap::new()),
            Value::Map(map) => map.iter().map(|(key, one)| Ok((key.clone(), T::read(one, &path.key(key))?))).collect(),
            Value::List(list) => list.iter().enumerate().map(|(at, one)| line(one, &path.item(at))).collect(),
            _ => Err(refused(node, path, "a mapping or a list")),
        }
    }
}

fn line<T: Read>(node: &Node, path: &Path) -> Result<(String, T), Error> {
    let text = node.shown().ok_or_else(|| refused(node, path, "`key=value`"))?;
    let (key, value) = text.split_once('=').map_or((text.as_str(), None), |(key, value)| (key, Some(value)));
    if key.ends_with(char::is_whitespace) && path.to_string().contains(".environment[") {
        return Err(Error::at(&node.spot, path, format!("environment variable {key} is declared with a trailing space")));
    }
    T::of_line(value).map(|value| (key.to_owned(), value)).ok_or_else(|| refused(node, path, "a mapping"))
}
