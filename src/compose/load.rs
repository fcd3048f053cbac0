//! From files to a tree: reading, filling in, including, extending, merging, checking, in the order in which docker compose does it.

mod extends;
mod include;

use std::io;

use super::error::{Error, Spot};
use super::path::Path;
use super::place::{self, Base};
use super::template::Variables;
use super::types::Mapping;
use super::yaml::{self, Document, Map, Node, Value};
use super::{canonical, interpolate, merge, schema, sound};

/// Where texts of files come from. `-` is the standard input.
pub trait Source {
    /// The text of a file.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    fn text(&self, path: &str) -> io::Result<String>;

    /// Whether there is a file (and no folder) of that name.
    fn is_file(&self, path: &str) -> bool;
}

/// How many files may lie between one and the one that it includes or extends in the end.
const DEPTH: usize = 32;

/// What one set of files is read with.
#[derive(Clone)]
pub struct Setting<'s> {
    pub source: &'s dyn Source,
    pub environment: Mapping,
    /// Absolute: where relative paths of this set begin.
    pub folder: String,
    /// Paths below it are shown without it in messages.
    pub shown_from: String,
    pub interpolate: bool,
    pub resolve_paths: bool,
}

/// What is told besides the result.
#[derive(Debug, Default)]
pub struct Notes {
    pub warnings: Vec<String>,
}

impl Setting<'_> {
    /// How a file is called in messages.
    pub fn shown(&self, path: &str) -> String {
        let below = path.strip_prefix(&self.shown_from).and_then(|rest| rest.strip_prefix('/'));
        below.filter(|rest| !rest.is_empty()).unwrap_or(path).to_owned()
    }

    fn base(&self, folder: &str) -> Base {
        Base { folder: folder.to_owned(), home: self.environment.get("HOME").cloned() }
    }

    /// The documents of a file, filled in.
    fn documents(&self, file: &str, notes: &mut Notes) -> Result<Vec<Document>, Error> {
        let shown = self.shown(file);
        let text = self.source.text(file).map_err(|why| Error::plain(unreadable(file, &why)))?;
        let mut documents = yaml::parse(&shown, &text)?;
        for document in &mut documents {
            if document.root.map().is_none() {
                return Err(Error::at(&document.root.spot, "", "top-level object must be a mapping"));
            }
            if self.interpolate {
                let look_up = |name: &str| self.environment.get(name).cloned();
                interpolate::interpolate(&mut document.root, &mut Variables { look_up: &look_up, warnings: &mut notes.warnings })?;
            }
        }
        Ok(documents)
    }

    /// All files of a set in one canonical tree, with what is missing put in and every path absolute.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn model(&self, files: &[String], included: &[String], notes: &mut Notes) -> Result<Node, Error> {
        let mut model = Node { spot: Spot::whole(""), value: Value::Map(Map::new()) };
        for file in files {
            let included = [included, std::slice::from_ref(file)].concat();
            for mut document in self.documents(file, notes)? {
                include::apply(self, &mut document, &included, notes)?;
                take_away(&mut model, &document.resets);
                extends::apply(self, file, &mut document, notes)?;
                model = merge::merge(model, document.root, &Path::root())?;
                merge::unique::keep_last(&mut model)?;
                schema::validate(&model)?;
                self.drop_version(file, &mut model, notes);
                self.canonical(&mut model, notes)?;
            }
        }
        canonical::defaults(&mut model)?;
        sound::check(&model)?;
        if self.resolve_paths {
            place::resolve(&mut model, &self.base(&self.folder))?;
        }
        take_environment(&mut model, &self.environment);
        Ok(model)
    }

    fn canonical(&self, model: &mut Node, notes: &mut Notes) -> Result<(), Error> {
        canonical::canonical(model, !self.interpolate, &mut notes.warnings)?;
        // Ranges of ports are single ports now: one of them may be another's.
        merge::unique::keep_last(model)
    }

    fn drop_version(&self, file: &str, model: &mut Node, notes: &mut Notes) {
        if model.map_mut().and_then(|map| map.remove("version")).is_some() {
            let warning =
                format!("{file}: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion");
            if !notes.warnings.contains(&warning) {
                notes.warnings.push(warning);
            }
        }
    }
}

/// What a person reads when a file cannot be read.
pub fn unreadable(file: &str, why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::NotFound => format!("open {file}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("open {file}: permission denied"),
        io::ErrorKind::IsADirectory => format!("read {file}: is a directory"),
        _ => format!("read {file}: {why}"),
    }
}

/// Removes from a tree what a later document resets or overrides.
pub fn take_away(tree: &mut Node, resets: &[Path]) {
    fn below(node: &mut Node, path: &Path, resets: &[Path]) {
        if let Value::Map(map) = &mut node.value {
            map.retain(|key, _| !resets.contains(&path.key(key)));
            map.iter_mut().for_each(|(key, node)| below(node, &path.key(key), resets));
        }
    }
    if !resets.is_empty() {
        below(tree, &Path::root(), resets);
    }
}

/// `environment: [NAME]` takes its value from the environment of its own set of files.
fn take_environment(model: &mut Node, environment: &Mapping) {
    let Some(Value::Map(services)) = model.map_mut().and_then(|map| map.get_mut("services")).map(|node| &mut node.value) else { return };
    for service in services.values_mut().filter_map(Node::map_mut) {
        let Some(Value::List(lines)) = service.get_mut("environment").map(|node| &mut node.value) else { continue };
        for line in lines {
            if let Some(value) = line.text().and_then(|name| environment.get(name)) {
                line.value = Value::Text(format!("{}={value}", line.text().unwrap_or_default()));
            }
        }
    }
}
