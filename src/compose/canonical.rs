//! From every short way of writing to the one long way: what the rest of the module reads.

use super::error::Error;
use super::path::Path;
use super::short;
use super::types::{Form, Part};
use super::yaml::{Map, Node, Value};

/// What one place becomes. The flag says that texts may hold variables still, so that what cannot be read is left alone.
type Rule = fn(&mut Node, &Path, bool) -> Result<(), Error>;

const RULES: &[(&str, Rule)] = &[
    ("services.*.build", build),
    ("services.*.build.secrets.*", file_reference),
    ("services.*.build.provenance", text),
    ("services.*.build.sbom", text),
    ("services.*.build.additional_contexts", key_values),
    ("services.*.build.ssh", ssh),
    ("services.*.depends_on", depends_on),
    ("services.*.env_file", env_file),
    ("services.*.label_file", list),
    ("services.*.extends", extends),
    ("services.*.gpus", gpus),
    ("services.*.networks", names),
    ("services.*.models", names),
    ("services.*.volumes.*", volume),
    ("services.*.dns", list),
    ("services.*.devices.*", device),
    ("services.*.healthcheck.test", test),
    ("services.*.secrets.*", file_reference),
    ("services.*.configs.*", file_reference),
    ("services.*.ports", ports),
    ("services.*.develop.watch.*.ignore", list),
    ("services.*.develop.watch.*.include", list),
];

/// Brings a whole tree into its long form.
///
/// # Errors
/// A short form that cannot be read.
pub fn canonical(root: &mut Node, raw: bool, warnings: &mut Vec<String>) -> Result<(), Error> {
    root.walk_known(&mut |node, path| {
        match RULES.iter().find(|(place, _)| path.matches(place)) {
            Some((_, rule)) => rule(node, path, raw),
            None if path.depth() == 2 => external(node, path, warnings),
            None => Ok(()),
        }?;
        // A list of name servers may have holes where variables are empty.
        if let (true, Value::List(list)) = (path.matches("services.*.dns"), &mut node.value) {
            list.retain(|one| !one.is_null() && one.text() != Some(""));
        }
        Ok(())
    })
}

/// Puts in what is meant when nothing is said.
///
/// # Errors
/// A device request that is no mapping.
pub fn defaults(root: &mut Node) -> Result<(), Error> {
    root.walk_known(&mut |node, path| {
        let spot = node.spot.clone();
        let Value::Map(map) = &mut node.value else { return Ok(()) };
        let mut missing = |key: &str, value: Value| {
            map.entry(key.to_owned()).or_insert_with(|| Node::made(&spot, value));
        };
        let word = |word: &str| Value::Text(word.to_owned());
        if path.matches("services.*.build") {
            missing("context", word("."));
        } else if path.matches("services.*.ports.*") {
            missing("protocol", word("tcp"));
            missing("mode", word("ingress"));
        } else if path.matches("services.*.volumes.*.bind") {
            missing("create_host_path", Value::Bool(true));
        } else if path.matches("services.*.secrets.*") {
            let source = map.get("source").and_then(Node::text).unwrap_or_default().to_owned();
            map.entry("target".to_owned()).or_insert_with(|| Node::text_at(&spot, format!("/run/secrets/{source}")));
        } else if (path.matches("services.*.deploy.resources.reservations.devices.*") || path.matches("services.*.gpus.*"))
            && !map.contains_key("count")
            && !map.contains_key("device_ids")
        {
            map.insert("count".to_owned(), Node::text_at(&spot, "all"));
        }
        Ok(())
    })
}

fn put(node: &mut Node, entries: Vec<(&str, Value)>) {
    let spot = node.spot.clone();
    node.value = Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), Node::made(&spot, value))).collect());
}

fn refused(node: &Node, path: &Path, what: &str) -> Error {
    Error::at(&node.spot, path, format!("{path}: {what}"))
}

fn build(node: &mut Node, path: &Path, _: bool) -> Result<(), Error> {
    match &node.value {
        Value::Text(context) => {
            let context = Value::Text(context.clone());
            put(node, vec![("context", context)]);
            Ok(())
        }
        Value::Map(_) => Ok(()),
        _ => Err(refused(node, path, "invalid type for build")),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "a rule among others")]
fn text(node: &mut Node, _: &Path, _: bool) -> Result<(), Error> {
    if let Some(shown) = node.shown() {
        node.value = Value::Text(shown);
    }
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "a rule among others")]
fn list(node: &mut Node, _: &Path, _: bool) -> Result<(), Error> {
    if let Value::Text(text) = &node.value {
        node.value = Value::texts(&node.spot, [text.clone()]);
    }
    Ok(())
}

#[allow(clippy::unnecessary_wraps, reason = "a rule among others")]
fn names(node: &mut Node, _: &Path, _: bool) -> Result<(), Error> {
    if let Value::List(list) = &node.value {
        let map: Map = list.iter().filter_map(|one| Some((one.text()?.to_owned(), Node::made(&one.spot, Value::Null)))).collect();
        node.value = Value::Map(map);
    }
    Ok(())
}

fn file_reference(node: &mut Node, path: &Path, _: bool) -> Result<(), Error> {
    match &node.value {
        Value::Map(_) => Ok(()),
        Value::Text(source) => {
            let source = Value::Text(source.clone());
            put(node, vec![("source", source)]);
            Ok(())
        }
        _ => Err(refused(node, path, "unsupported type")),
    }
}

fn key_values(node: &mut Node, path: &Path, raw: bool) -> Result<(), Error> {
    let Value::List(list) = &node.value else { return Ok(()) };
    let mut map = Map::new();
    for one in list {
        let text = one.shown().unwrap_or_default();
        match text.split_once('=') {
            Some((key, value)) => {
                map.insert(key.to_owned(), Node::text_at(&one.spot, value));
            }
            None if raw => return Ok(()),
            None => return Err(refused(one, path, &format!("invalid value {text}, expected key=value"))),
        }
    }
    node.value = Value::Map(map);
    Ok(())
}

fn ssh(node: &mut Node, path: &Path, _: bool) -> Result<(), Error> {
    let Value::List(list) = &node.value else { return Ok(()) };
    let mut map = Map::new();
    for one in list {
        let text = one.text().ok_or_else(|| refused(one, path, "invalid ssh key type"))?;
        let (id, value) = match text.split_once('=') {
            Some((id, key)) => (id, Value::Text(key.to_owned())),
            None if text == "default" => (text, Value::Null),
            None => return Err(Error::at(&one.spot, path, format!("invalid ssh key {text:?}"))),
        };
        map.insert(id.to_owned(), Node::made(&one.spot, value));
    }
    node.value = Value::Map(map);
    Ok(())
}

fn depends_on(node: &mut Node, path: &Path, _: bool) -> Result<(), Error> {
    let started = || Value::Text("service_started".to_owned());
    match &mut node.value {
        Value::List(list) => {
            let entry = |one: &Node| {
                let condition = Node::map_at(&one.spot, [("condition", started()), ("required", Value::Bool(true))]);
                Some((one.text()?.to_owned(), condition))
            };
            node.value = Value::Map(list.iter().filter_map(entry).collect());
            Ok(())
        }
        Value::Map(map) => {
            for (name, one) in map {
                let spot = one.spot.clone();
                let Value::Map(dependency) = &mut one.value else {
                    return Err(Error::at(&spot, path.key(name), format!("{path}.{name}: unsupported value, must be a mapping")));
                };
                dependency.entry("condition".to_owned()).or_insert_with(|| Node::made(&spot, started()));
                dependency.entry("required".to_owned()).or_insert_with(|| Node::made(&spot, Value::Bool(true)));
            }
            Ok(())
        }
        _ => Err(refused(node, path, "invalid type for depend_on")),
    }
}

fn env_file(node: &mut Node, path: &Path, _: bool) -> Result<(), Error> {
    list(node, path, false)?;
    let Value::List(files) = &mut node.value else { return Err(refused(node, path, "invalid type for env_file")) };
    for file in files {
        let spot = file.spot.clone();
        if let Value::Text(name) = &file.value {
            let name = Value::Text(name.clone());
            put(file, vec![("path", name)]);
        }
        if let Value::Map(map) = &mut file.value {
            map.entry("required".to_owned()).or_insert_with(|| Node::made(&spot, Value::Bool(true)));
        }
    }
    Ok(())
}

/// A test that is one text is run by a shell.
#[allow(clippy::unnecessary_wraps, reason = "a rule among others")]
fn test(node: &mut Node, _: &Path, _: bool) -> Result<(), Error> {
    if let Value::Text(text) = &node.value {
        node.value = Value::texts(&node.spot, ["CMD-SHELL".to_owned(), text.clone()]);
    }
    Ok(())
}

fn extends(node: &mut Node, path: &Path, _: bool) -> Result<(), Error> {
    match &node.value {
        Value::Map(_) => Ok(()),
        Value::Text(service) => {
            let service = Value::Text(service.clone());
            put(node, vec![("service", service)]);
            Ok(())
        }
        _ => Err(refused(node, path, "invalid type for extends")),
    }
}

fn gpus(node: &mut Node, path: &Path, _: bool) -> Result<(), Error> {
    match &node.value {
        Value::List(_) => Ok(()),
        Value::Text(_) => {
            let all = Node::map_at(&node.spot, [("count", Value::Text("all".to_owned()))]);
            node.value = Value::List(vec![all]);
            Ok(())
        }
        _ => Err(refused(node, path, "invalid type for gpus")),
    }
}

fn device(node: &mut Node, path: &Path, raw: bool) -> Result<(), Error> {
    let Value::Text(text) = &node.value else {
        return if node.map().is_some() { Ok(()) } else { Err(refused(node, path, "invalid type for device mapping")) };
    };
    let parts: Vec<String> = text.split(':').map(str::to_owned).collect();
    if parts.len() > 3 {
        let what = format!("confusing device mapping, please use long syntax: {text}");
        return if raw { Ok(()) } else { Err(Error::at(&node.spot, path, what)) };
    }
    let target = parts.get(1).filter(|target| !target.is_empty()).unwrap_or(&parts[0]).clone();
    let permissions = parts.get(2).cloned().unwrap_or_else(|| "rwm".to_owned());
    let source = parts[0].clone();
    put(node, vec![("source", Value::Text(source)), ("target", Value::Text(target)), ("permissions", Value::Text(permissions))]);
    Ok(())
}

fn volume(node: &mut Node, path: &Path, raw: bool) -> Result<(), Error> {
    let Value::Text(text) = &node.value else {
        return if node.map().is_some() { Ok(()) } else { Err(refused(node, path, "invalid type for service volume mount")) };
    };
    let mut volume = match short::volume(text) {
        Ok(volume) => volume,
        Err(_) if raw => return Ok(()),
        Err(why) => return Err(Error::at(&node.spot, path, why)),
    };
    volume.target = super::place::clean(&volume.target);
    *node = of_json(&node.spot.clone(), &volume.value(Form::Yaml));
    Ok(())
}

fn ports(node: &mut Node, path: &Path, raw: bool) -> Result<(), Error> {
    let Value::List(list) = &node.value else { return Err(refused(node, path, "invalid type for port")) };
    let mut long = Vec::new();
    for (at, one) in list.iter().enumerate() {
        let text = match &one.value {
            Value::Map(_) => {
                long.push(one.clone());
                continue;
            }
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            _ => return Err(refused(one, &path.item(at), "invalid type for port")),
        };
        match short::ports(&text) {
            Ok(ports) => long.extend(ports.iter().map(|port| of_json(&one.spot, &port.value(Form::Yaml)))),
            Err(_) if raw => return Ok(()),
            Err(why) => return Err(Error::at(&one.spot, path.item(at), why)),
        }
    }
    node.value = Value::List(long);
    Ok(())
}

/// `external: {name: x}` of old files.
fn external(node: &mut Node, path: &Path, warnings: &mut Vec<String>) -> Result<(), Error> {
    if !["volumes.*", "networks.*", "secrets.*", "configs.*"].iter().any(|place| path.matches(place)) {
        return Ok(());
    }
    let Value::Map(map) = &mut node.value else { return Ok(()) };
    let Some(Value::Map(old)) = map.get("external").map(|node| node.value.clone()) else { return Ok(()) };
    let spot = node.spot.clone();
    map.insert("external".to_owned(), Node::made(&spot, Value::Bool(true)));
    let Some(name) = old.get("name") else { return Ok(()) };
    warnings.push(format!("{path}: external.name is deprecated. Please set name and external: true"));
    match map.get("name") {
        Some(before) if before.value != name.value => {
            Err(Error::at(&name.spot, path, format!("{path}: name and external.name conflict; only use name")))
        }
        _ => {
            map.insert("name".to_owned(), name.clone());
            Ok(())
        }
    }
}

/// A part of the model as a tree, all of it at one place.
fn of_json(spot: &super::error::Spot, value: &serde_json::Value) -> Node {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int),
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(list) => Value::List(list.iter().map(|one| of_json(spot, one)).collect()),
        serde_json::Value::Object(map) => Value::Map(map.iter().map(|(key, one)| (key.clone(), of_json(spot, one))).collect()),
    };
    Node::made(spot, value)
}
