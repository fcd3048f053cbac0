//! Whether a model makes sense: things that the shape of a file alone does not show.

mod services;

use std::net::IpAddr;

use super::error::{Error, Spot};
use super::path::Path;
use super::types::Project;
use super::yaml::{Node, Value};

pub use services::project;

/// Checks single values of a canonical tree.
///
/// # Errors
/// The first that is wrong.
pub fn check(root: &Node) -> Result<(), Error> {
    let mut copy = root.clone();
    copy.walk_known(&mut |node, path| {
        let wrong = |what: String| Err(Error::at(&node.spot, path, format!("{path}: {what}")));
        if path.matches("volumes.*") {
            return external(node, path);
        }
        if path.matches("configs.*") {
            return file_object(node, path, &["file", "environment", "content"]);
        }
        if path.matches("secrets.*") {
            return file_object(node, path, &["file", "environment"]);
        }
        if path.matches("services.*.develop.watch.*.path") && node.text() == Some("") {
            return wrong("value can't be blank".to_owned());
        }
        if path.matches("services.*.ports.*")
            && let Some(address) = node.get("host_ip").and_then(Node::text)
            && address.parse::<IpAddr>().is_err()
        {
            return wrong(format!("invalid ip address: {address}"));
        }
        let request = path.matches("services.*.gpus.*") || path.matches("services.*.deploy.resources.reservations.devices.*");
        if request && node.get("count").is_some() && node.get("device_ids").is_some() {
            return wrong("\"count\" and \"device_ids\" attributes are exclusive".to_owned());
        }
        Ok(())
    })
}

/// What somebody else made is not described here as well.
fn external(node: &Node, path: &Path) -> Result<(), Error> {
    let Some(map) = node.map() else { return Ok(()) };
    if map.get("external").is_none_or(|external| external.value != Value::Bool(true)) {
        return Ok(());
    }
    match map.iter().find(|(key, _)| !["name", "external"].contains(&key.as_str()) && !key.starts_with("x-")) {
        None => Ok(()),
        Some((key, other)) => {
            Err(Error::at(&other.spot, path.key(key), format!("{path}: conflicting parameters \"external\" and {key:?} specified")))
        }
    }
}

fn file_object(node: &Node, path: &Path, keys: &[&str]) -> Result<(), Error> {
    let Some(map) = node.map() else { return Ok(()) };
    let names = keys.join("|");
    match keys.iter().filter(|key| map.contains_key(**key)).count() {
        0 if !map.contains_key("driver") && !map.contains_key("external") => {
            Err(Error::at(&node.spot, path, format!("{path}: one of {names} must be set")))
        }
        0 | 1 => Ok(()),
        _ => Err(Error::at(&node.spot, path, format!("{path}: {names} attributes are mutually exclusive"))),
    }
}

/// Where `path` stands in a tree, or the nearest thing around it.
fn spot_of(tree: &Node, keys: &[&str]) -> Spot {
    let mut node = tree;
    for key in keys {
        let next = match (&node.value, key.parse::<usize>()) {
            (Value::List(list), Ok(at)) => list.get(at),
            _ => node.get(key),
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node.spot.clone()
}

/// A mistake at a place of a tree.
fn mistake(tree: &Node, keys: &[&str], what: impl Into<String>) -> Error {
    Error::at(&spot_of(tree, keys), Path::of(keys), what)
}

/// A way round the dependencies that comes back to where it was.
fn cycle(project: &Project, tree: &Node) -> Result<(), Error> {
    fn search<'p>(project: &'p Project, tree: &Node, way: &mut Vec<&'p str>, done: &mut Vec<&'p str>) -> Result<(), Error> {
        let name = way[way.len() - 1];
        for next in project.services.get(name).map(|service| service.depends_on.keys()).into_iter().flatten() {
            if let Some(at) = way.iter().position(|before| before == next) {
                let what = format!("dependency cycle detected: {} -> {next}", way[at..].join(" -> "));
                return Err(mistake(tree, &["services", name, "depends_on", next], what));
            }
            if project.services.contains_key(next) && !done.contains(&next.as_str()) {
                way.push(next);
                search(project, tree, way, done)?;
                way.pop();
                done.push(next);
            }
        }
        Ok(())
    }
    let mut done = Vec::new();
    project.services.keys().try_for_each(|name| search(project, tree, &mut vec![name], &mut done))
}
