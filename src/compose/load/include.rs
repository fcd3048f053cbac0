//! `include`: other projects' files, each with its own folder and `.env`, whose resources become this project's.

use super::{DEPTH, Notes, Setting, take_away};
use crate::compose::discover;
use crate::compose::error::Error;
use crate::compose::merge;
use crate::compose::path::Path;
use crate::compose::place;
use crate::compose::yaml::{Document, Map, Node, Value};

/// One entry of the list.
struct Include {
    /// The file, and those that are merged over it.
    paths: Vec<String>,
    folder: Option<String>,
    env_files: Vec<String>,
}

/// Puts the resources of included files into a document.
///
/// # Errors
/// A file that is not there, includes itself, or holds what is wrong.
pub fn apply(setting: &Setting<'_>, document: &mut Document, included: &[String], notes: &mut Notes) -> Result<(), Error> {
    let Some(list) = document.root.map_mut().and_then(|map| map.remove("include")) else { return Ok(()) };
    let entries = match &list.value {
        Value::Null => return Ok(()),
        Value::List(entries) => entries,
        _ => return Err(Error::at(&list.spot, "include", "`include` must be a list")),
    };
    for (at, entry) in entries.iter().enumerate() {
        let include = read(entry, &Path::of(&["include"]).item(at))?;
        let model = load(setting, &include, entry, included, notes)?;
        import(model, document)?;
    }
    Ok(())
}

fn read(entry: &Node, path: &Path) -> Result<Include, Error> {
    let texts = |key: &str| match entry.get(key).map(|node| &node.value) {
        Some(Value::Text(text)) => vec![text.clone()],
        Some(Value::List(list)) => list.iter().filter_map(|one| one.text().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let paths = entry.text().map_or_else(|| texts("path"), |text| vec![text.to_owned()]);
    if paths.is_empty() {
        return Err(Error::at(&entry.spot, path, format!("{path} must be a string or a mapping with a `path`")));
    }
    Ok(Include { paths, folder: entry.get("project_directory").and_then(Node::text).map(str::to_owned), env_files: texts("env_file") })
}

fn load(setting: &Setting<'_>, include: &Include, entry: &Node, included: &[String], notes: &mut Notes) -> Result<Node, Error> {
    let absolute = |path: &str| setting.base(&setting.folder).absolute(path);
    let files: Vec<String> = include.paths.iter().map(|path| absolute(path)).collect();
    if included.contains(&files[0]) || included.len() > DEPTH {
        let what =
            format!("include cycle detected:\n{}\n include {}", included[0], [&included[1..], &files[..1]].concat().join("\n include "));
        return Err(Error::at(&entry.spot, "include", what));
    }
    let folder = include.folder.as_deref().map_or_else(|| place::parent(&files[0]), absolute);
    let mut env_files: Vec<String> = include.env_files.iter().filter(|file| *file != "/dev/null").map(|file| absolute(file)).collect();
    let own = place::join(&folder, ".env");
    if include.env_files.is_empty() && setting.source.is_file(&own) {
        env_files.push(own);
    }
    let mut within = setting.clone();
    let variables = discover::variables(&env_files, &setting.environment, setting.source, notes)
        .map_err(|error| Error::at(&entry.spot, "include", error.what))?;
    for (name, value) in variables {
        within.environment.entry(name).or_insert(value);
    }
    within.folder = folder;
    within.resolve_paths = true;
    within.model(&files, included, notes).map_err(|error| match error.spot {
        None => Error::at(&entry.spot, "include", error.what),
        Some(_) => error,
    })
}

/// Adds what was included; what both have is merged, the including file's word being the last.
fn import(mut model: Node, document: &mut Document) -> Result<(), Error> {
    let resets = document.resets.clone();
    let Value::Map(target) = &mut document.root.value else { return Ok(()) };
    for kind in ["services", "volumes", "networks", "secrets", "configs", "models"] {
        let Some(from) = model.map_mut().and_then(|map| map.remove(kind)) else { continue };
        let into = target.entry(kind.to_owned()).or_insert_with(|| Node::made(&from.spot, Value::Map(Map::new())));
        if into.is_null() {
            into.value = Value::Map(Map::new());
        }
        let (Value::Map(from), Value::Map(into)) = (from.value, &mut into.value) else { continue };
        for (name, node) in from {
            let Some(own) = into.remove(&name) else {
                into.insert(name, node);
                continue;
            };
            let spot = node.spot.clone();
            let mut around = Node::made(&spot, Value::Map(Map::from([(name.clone(), node)])));
            around = Node::made(&own.spot, Value::Map(Map::from([(kind.to_owned(), around)])));
            take_away(&mut around, &resets);
            let merged = match around.get(kind).and_then(|map| map.get(&name)).cloned() {
                Some(node) => merge::merge(node, own, &Path::of(&[kind, &name]))?,
                None => own,
            };
            into.insert(name, merged);
        }
    }
    Ok(())
}
