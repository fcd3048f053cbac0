//! Merging files: what a later file says about what an earlier one said.
//!
//! Mappings are merged key by key, lists are put behind each other, single values are replaced. Some keys have rules of their own; after
//! merging, lists whose items have an identity (a port, a mount, a variable) keep the last word on each: see [`unique`].

pub mod unique;

use super::error::Error;
use super::path::Path;
use super::yaml::{Map, Node, Value};

/// A rule for one place: earlier, later, where.
type Rule = fn(Node, Node, &Path) -> Result<Node, Error>;

/// The places with a rule of their own.
const RULES: &[(&str, Rule)] = &[
    ("networks.*.ipam.config", address_pools),
    ("networks.*.labels", as_list),
    ("volumes.*.labels", as_list),
    ("services.*.annotations", as_list),
    ("services.*.build", build),
    ("services.*.build.args", as_list),
    ("services.*.build.additional_contexts", as_list),
    ("services.*.build.extra_hosts", hosts),
    ("services.*.build.labels", as_list),
    ("services.*.command", replace),
    ("services.*.depends_on", dependencies),
    ("services.*.deploy.labels", as_list),
    ("services.*.dns", as_list),
    ("services.*.dns_opt", as_list),
    ("services.*.dns_search", as_list),
    ("services.*.entrypoint", replace),
    ("services.*.env_file", as_list),
    ("services.*.label_file", as_list),
    ("services.*.environment", as_list),
    ("services.*.extra_hosts", hosts),
    ("services.*.healthcheck.test", replace),
    ("services.*.labels", as_list),
    ("services.*.volumes.*.volume.labels", as_list),
    ("services.*.logging", logging),
    ("services.*.models", as_map),
    ("services.*.networks", as_map),
    ("services.*.sysctls", as_list),
    ("services.*.tmpfs", as_list),
    ("services.*.ulimits.*", replace),
];

/// `later` merged into `earlier`.
///
/// # Errors
/// One has a list or a mapping where the other has something else.
pub fn merge(earlier: Node, later: Node, path: &Path) -> Result<Node, Error> {
    if let Some((_, rule)) = RULES.iter().find(|(place, _)| path.matches(place)) {
        return rule(earlier, later, path);
    }
    if later.is_null() {
        return Ok(earlier);
    }
    let cannot = Error::at(&later.spot, path, format!("cannot override {path}"));
    let spot = later.spot.clone();
    match (earlier.value, later.value) {
        (Value::Map(one), Value::Map(other)) => Ok(Node { spot, value: Value::Map(maps(one, other, path)?) }),
        (Value::List(one), Value::List(other)) => Ok(Node { spot, value: Value::List([one, other].concat()) }),
        (Value::Map(_) | Value::List(_), _) => Err(cannot),
        (_, value) => Ok(Node { spot, value }),
    }
}

/// Two mappings, key by key.
///
/// # Errors
/// As [`merge`].
pub fn maps(mut earlier: Map, later: Map, path: &Path) -> Result<Map, Error> {
    for (key, node) in later {
        let merged = match earlier.remove(&key) {
            Some(before) => merge(before, node, &path.key(&key))?,
            None => node,
        };
        earlier.insert(key, merged);
    }
    Ok(earlier)
}

/// A service that extends another: as if its own text were in a later file.
///
/// # Errors
/// As [`merge`].
pub fn extend(base: Node, service: Node) -> Result<Node, Error> {
    merge(base, service, &Path::of(&["services", "x"]))
}

#[allow(clippy::unnecessary_wraps, reason = "a rule among others")]
fn replace(_: Node, later: Node, _: &Path) -> Result<Node, Error> {
    Ok(later)
}

/// Mappings of texts become `key=value` lines, so that both ways of writing them mix.
#[allow(clippy::unnecessary_wraps, reason = "a rule among others")]
fn as_list(earlier: Node, later: Node, _: &Path) -> Result<Node, Error> {
    let spot = later.spot.clone();
    Ok(Node { spot, value: Value::List([lines(earlier), lines(later)].concat()) })
}

/// As [`as_list`], but the same line is not put twice.
#[allow(clippy::unnecessary_wraps, reason = "a rule among others")]
fn hosts(earlier: Node, later: Node, _: &Path) -> Result<Node, Error> {
    let spot = later.spot.clone();
    let mut all = lines(earlier);
    for line in lines(later) {
        if !all.iter().any(|known| known.value == line.value) {
            all.push(line);
        }
    }
    Ok(Node { spot, value: Value::List(all) })
}

fn lines(node: Node) -> Vec<Node> {
    let mut lines = Vec::new();
    match node.value {
        Value::List(list) => lines = list,
        Value::Text(text) => lines.push(Node::text_at(&node.spot, text)),
        Value::Map(map) => {
            for (key, node) in map {
                match &node.value {
                    Value::Null => lines.push(Node::text_at(&node.spot, key)),
                    Value::List(list) => {
                        lines.extend(list.iter().map(|one| Node::text_at(&one.spot, format!("{key}={}", one.shown().unwrap_or_default()))));
                    }
                    _ => lines.push(Node::text_at(&node.spot, format!("{key}={}", node.shown().unwrap_or_default()))),
                }
            }
            lines.sort_by(|one, other| one.text().cmp(&other.text()));
        }
        _ => {}
    }
    lines
}

/// `build: folder` is `build: {context: folder}`.
fn build(earlier: Node, later: Node, path: &Path) -> Result<Node, Error> {
    let long = |node: Node| match node.value {
        Value::Text(_) => Map::from([("context".to_owned(), node)]),
        Value::Map(map) => map,
        _ => Map::new(),
    };
    let spot = later.spot.clone();
    Ok(Node { spot, value: Value::Map(maps(long(earlier), long(later), path)?) })
}

/// A list of names is a mapping of names, each with `value`.
fn named(node: Node, value: &Value) -> Map {
    match node.value {
        Value::Map(map) => map,
        Value::List(list) => {
            list.into_iter().filter_map(|one| Some((one.text()?.to_owned(), Node::made(&one.spot, value.clone())))).collect()
        }
        _ => Map::new(),
    }
}

fn as_map(earlier: Node, later: Node, path: &Path) -> Result<Node, Error> {
    let spot = later.spot.clone();
    Ok(Node { spot, value: Value::Map(maps(named(earlier, &Value::Null), named(later, &Value::Null), path)?) })
}

fn dependencies(earlier: Node, later: Node, path: &Path) -> Result<Node, Error> {
    let spot = later.spot.clone();
    let started = Node::map_at(&spot, [("condition", Value::Text("service_started".into())), ("required", Value::Bool(true))]).value;
    Ok(Node { spot, value: Value::Map(maps(named(earlier, &started), named(later, &started), path)?) })
}

/// Options belong to their driver: another driver begins anew.
fn logging(earlier: Node, later: Node, path: &Path) -> Result<Node, Error> {
    let driver = |node: &Node| node.get("driver").map(|driver| driver.value.clone());
    let (one, other) = (driver(&earlier), driver(&later));
    let spot = later.spot.clone();
    match (earlier.value, later.value) {
        (Value::Map(before), Value::Map(after)) if one == other || one.is_none() || other.is_none() => {
            Ok(Node { spot, value: Value::Map(maps(before, after, path)?) })
        }
        (_, value) => Ok(Node { spot, value }),
    }
}

/// Pools of addresses are merged by their subnet.
fn address_pools(earlier: Node, later: Node, path: &Path) -> Result<Node, Error> {
    let subnet = |map: &Map| map.get("subnet").map(|node| node.value.clone());
    let wrong = |node: &Node| Error::at(&node.spot, path, format!("{path}: unexpected type"));
    let spot = later.spot.clone();
    let (originals, overrides) = (earlier.list().ok_or_else(|| wrong(&earlier))?, later.list().ok_or_else(|| wrong(&later))?);
    let mut pools: Vec<Map> = Vec::new();
    for original in originals {
        let mut before = named(original.clone(), &Value::Null);
        for over in overrides {
            let after = named(over.clone(), &Value::Null);
            if subnet(&after) != subnet(&before) && !pools.iter().any(|pool| subnet(pool) == subnet(&after)) {
                pools.push(after);
                continue;
            }
            before = maps(before, after, path)?;
            match pools.iter_mut().find(|pool| subnet(pool) == subnet(&before)) {
                Some(pool) => *pool = before.clone(),
                None => pools.push(before.clone()),
            }
        }
    }
    let pools = pools.into_iter().map(|pool| Node::made(&spot, Value::Map(pool))).collect();
    Ok(Node { spot, value: Value::List(pools) })
}
