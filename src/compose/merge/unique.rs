//! Lists whose items have an identity: the later of two with the same one takes the place of the earlier.

use std::collections::HashMap;

use crate::compose::error::Error;
use crate::compose::path::Path;
use crate::compose::short;
use crate::compose::yaml::{Node, Value};

/// What makes two items the same.
type Identity = fn(&Node, &Path) -> Result<String, Error>;

const UNIQUE: &[(&str, Identity)] = &[
    ("networks.*.labels", before_equals),
    ("networks.*.ipam.options", before_equals),
    ("services.*.annotations", before_equals),
    ("services.*.build.args", before_equals),
    ("services.*.build.additional_contexts", before_equals),
    ("services.*.build.platform", before_equals),
    ("services.*.build.tags", before_equals),
    ("services.*.build.labels", before_equals),
    ("services.*.cap_add", before_equals),
    ("services.*.cap_drop", before_equals),
    ("services.*.configs", config),
    ("services.*.deploy.labels", before_equals),
    ("services.*.devices", device),
    ("services.*.dns", before_equals),
    ("services.*.dns_opt", before_equals),
    ("services.*.dns_search", before_equals),
    ("services.*.environment", before_equals),
    ("services.*.env_file", env_file),
    ("services.*.expose", exposed),
    ("services.*.labels", before_equals),
    ("services.*.links", before_equals),
    ("services.*.networks.*.aliases", before_equals),
    ("services.*.networks.*.link_local_ips", before_equals),
    ("services.*.ports", port),
    ("services.*.profiles", before_equals),
    ("services.*.secrets", secret),
    ("services.*.sysctls", before_equals),
    ("services.*.tmpfs", before_equals),
    ("services.*.volumes", mount),
];

/// Leaves one item of each identity in every list that has such.
///
/// # Errors
/// An item without what would identify it.
pub fn keep_last(root: &mut Node) -> Result<(), Error> {
    root.walk_known(&mut |node, path| {
        let Value::List(list) = &mut node.value else { return Ok(()) };
        let Some((_, identity)) = UNIQUE.iter().find(|(place, _)| path.matches(place)) else { return Ok(()) };
        let mut kept: Vec<Node> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (at, item) in std::mem::take(list).into_iter().enumerate() {
            let key = identity(&item, &path.item(at))?;
            match seen.get(&key) {
                Some(place) => kept[*place] = item,
                None => {
                    seen.insert(key, kept.len());
                    kept.push(item);
                }
            }
        }
        *list = kept;
        Ok(())
    })
}

fn lacks(node: &Node, path: &Path, what: String) -> Error {
    Error::at(&node.spot, path, what)
}

fn before_equals(node: &Node, path: &Path) -> Result<String, Error> {
    let text = node.text().ok_or_else(|| lacks(node, path, format!("{path}: unexpected type, must be a string")))?;
    Ok(text.split('=').next().unwrap_or_default().to_owned())
}

fn exposed(node: &Node, path: &Path) -> Result<String, Error> {
    match node.value {
        Value::Text(_) | Value::Int(_) => Ok(node.shown().unwrap_or_default()),
        _ => Err(lacks(node, path, format!("{path}: unsupported expose value"))),
    }
}

fn env_file(node: &Node, path: &Path) -> Result<String, Error> {
    let file = node.text().or_else(|| node.get("path")?.text());
    file.map(str::to_owned).ok_or_else(|| lacks(node, path, format!("environment path attribute {path} is missing")))
}

fn config(node: &Node, path: &Path) -> Result<String, Error> {
    mounted_file("", node, path)
}

fn secret(node: &Node, path: &Path) -> Result<String, Error> {
    mounted_file("/run/secrets", node, path)
}

fn mounted_file(folder: &str, node: &Node, path: &Path) -> Result<String, Error> {
    if let Some(target) = node.get("target").and_then(Node::text) {
        return Ok(target.to_owned());
    }
    let source = node.text().or_else(|| node.get("source")?.text());
    let source = source.ok_or_else(|| lacks(node, path, format!("{path}: unsupported value, must be a string or a mapping")))?;
    Ok(format!("{folder}/{source}"))
}

fn mount(node: &Node, path: &Path) -> Result<String, Error> {
    if let Some(text) = node.text() {
        let volume = short::volume(text).map_err(|why| lacks(node, path, why))?;
        return Ok(volume.target);
    }
    let target = node.get("target").and_then(Node::text);
    target.map(str::to_owned).ok_or_else(|| lacks(node, path, format!("service volume {path} is missing a mount target")))
}

fn device(node: &Node, path: &Path) -> Result<String, Error> {
    if let Some(text) = node.text() {
        let parts: Vec<&str> = text.split(':').collect();
        return Ok(parts.get(1).unwrap_or(&parts[0]).to_string());
    }
    let target = node.get("target").and_then(Node::text);
    target.map(str::to_owned).ok_or_else(|| lacks(node, path, format!("service device {path} is missing a mount target")))
}

fn port(node: &Node, path: &Path) -> Result<String, Error> {
    let Some(map) = node.map() else { return Ok(node.shown().unwrap_or_default()) };
    let shown = |key: &str| map.get(key).and_then(Node::shown);
    let target = shown("target").ok_or_else(|| lacks(node, path, format!("service ports {path} is missing a target port")))?;
    let host = shown("host_ip").unwrap_or_else(|| "0.0.0.0".into());
    let protocol = shown("protocol").unwrap_or_else(|| "tcp".into());
    Ok(format!("{host}:{}:{target}/{protocol}", shown("published").unwrap_or_default()))
}
