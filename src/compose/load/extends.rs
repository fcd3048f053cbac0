//! `extends`: a service that begins as a copy of another one, of this file or of another.

use super::{DEPTH, Notes, Setting, take_away};
use crate::compose::error::Error;
use crate::compose::path::Path;
use crate::compose::place;
use crate::compose::yaml::{Document, Map, Node, Value};
use crate::compose::{canonical, merge};

/// A file's services and what that file resets, while they are being extended.
struct Shelf {
    file: String,
    services: Map,
    resets: Vec<Path>,
}

/// Replaces every service of a document that extends another by the two merged.
///
/// # Errors
/// The other one is not there, or extends this one in turn.
pub fn apply(setting: &Setting<'_>, file: &str, document: &mut Document, notes: &mut Notes) -> Result<(), Error> {
    let Some(node) = document.root.map_mut().and_then(|map| map.get_mut("services")) else { return Ok(()) };
    let Value::Map(services) = &node.value else {
        return Err(Error::at(&node.spot, "services", "services must be a mapping"));
    };
    let mut shelf = Shelf { file: file.to_owned(), services: services.clone(), resets: document.resets.clone() };
    let names: Vec<String> = shelf.services.keys().cloned().collect();
    for name in names {
        let merged = extended(setting, &mut shelf, &name, &[], notes)?;
        shelf.services.insert(name, merged);
    }
    node.value = Value::Map(shelf.services);
    Ok(())
}

/// A service with everything that it extends. `way` is what led here: service and file.
fn extended(setting: &Setting<'_>, shelf: &mut Shelf, name: &str, way: &[(String, String)], notes: &mut Notes) -> Result<Node, Error> {
    let service = shelf.services[name].clone();
    let path = Path::of(&["services", name]);
    let map = match &service.value {
        Value::Null => return Ok(service),
        Value::Map(map) => map,
        _ => return Err(Error::at(&service.spot, &path, format!("{path} must be a mapping"))),
    };
    let Some(extends) = map.get("extends") else { return Ok(service) };
    let (wanted, other) = match &extends.value {
        Value::Text(wanted) => (wanted.clone(), None),
        _ => {
            let text = |key: &str| extends.get(key).and_then(Node::text).map(str::to_owned);
            let missing = || Error::at(&extends.spot, &path, format!("extends.{name}.service is required"));
            (text("service").ok_or_else(missing)?, text("file"))
        }
    };
    let here = other.clone().unwrap_or_else(|| shelf.file.clone());
    let way = further(way, (name.to_owned(), setting.shown(&here)), extends)?;
    let base = match other {
        Some(other) => {
            let mut other = open(setting, name, &wanted, &other, extends, notes)?;
            extended(setting, &mut other, &wanted, &way, notes)?
        }
        None if shelf.services.contains_key(&wanted) => extended(setting, shelf, &wanted, &way, notes)?,
        None => {
            let what = format!("cannot extend service {name:?} in {}: service {wanted:?} not found", setting.shown(&shelf.file));
            return Err(Error::at(&extends.spot, path.key("extends"), what));
        }
    };
    if base.is_null() {
        return Ok(service);
    }
    // What this file resets, it resets in what it extends.
    let spot = base.spot.clone();
    let mut around = Node::made(&spot, Value::Map(Map::from([(name.to_owned(), base)])));
    around = Node::made(&service.spot, Value::Map(Map::from([("services".to_owned(), around)])));
    take_away(&mut around, &shelf.resets);
    let base = around.get("services").and_then(|services| services.get(name)).cloned();
    let mut merged = match base {
        Some(base) => merge::extend(base, service)?,
        None => service,
    };
    if let Value::Map(map) = &mut merged.value {
        map.remove("extends");
    }
    shelf.services.insert(name.to_owned(), merged.clone());
    Ok(merged)
}

/// The way with one more step; refused if it has been there before.
fn further(way: &[(String, String)], step: (String, String), extends: &Node) -> Result<Vec<(String, String)>, Error> {
    let mut longer = way.to_vec();
    longer.push(step.clone());
    // A link to a folder above makes every round another file: the length tells.
    if !way.contains(&step) && way.len() < DEPTH {
        return Ok(longer);
    }
    let mut lines = vec!["Circular reference:".to_owned()];
    for (at, (service, file)) in longer.iter().enumerate() {
        let verb = if at == 0 { "" } else { "extends " };
        lines.push(format!("  {verb}{service} in {file}"));
    }
    Err(Error::at(&extends.spot, format!("services.{}.extends", step.0), lines.join("\n")))
}

/// The services of another file, canonical, with paths from that file's folder.
fn open(setting: &Setting<'_>, name: &str, wanted: &str, file: &str, extends: &Node, notes: &mut Notes) -> Result<Shelf, Error> {
    let path = place::join(if file.starts_with('/') { "" } else { &setting.folder }, file);
    let cannot = |why: String| {
        let key = Path::of(&["services", name, "extends"]);
        Error::at(&extends.spot, key, format!("cannot extend service {name:?} in {}: {why}", extends.spot.file))
    };
    let mut model = Node { spot: extends.spot.clone(), value: Value::Map(Map::new()) };
    let mut resets = Vec::new();
    for document in setting.documents(&path, notes).map_err(|error| if error.spot.is_none() { cannot(error.what) } else { error })? {
        take_away(&mut model, &document.resets);
        resets = document.resets;
        model = merge::merge(model, document.root, &Path::root())?;
        merge::unique::keep_last(&mut model)?;
        canonical::canonical(&mut model, !setting.interpolate, &mut notes.warnings)?;
        merge::unique::keep_last(&mut model)?;
    }
    place::resolve(&mut model, &setting.base(&place::parent(&path)))?;
    let services = model.map_mut().and_then(|map| map.remove("services")).ok_or_else(|| cannot("no services section".to_owned()))?;
    let Value::Map(services) = services.value else { return Err(cannot("services must be a mapping".to_owned())) };
    if !services.contains_key(wanted) {
        return Err(cannot(format!("service {wanted:?} not found in {file}")));
    }
    Ok(Shelf { file: path, services, resets })
}
