//! What the checks look at: documents of the engine, its settings, modes of files.

use std::path::Path;

use serde_json::{Map, Value};

use super::files::Files;

/// An engine as it was found.
#[derive(Debug, Default)]
pub struct World {
    /// `GET /info`.
    pub info: Value,
    /// `daemon.json`; without one nothing is set.
    pub daemon: Map<String, Value>,
    /// The running containers, as `docker inspect` has them.
    pub containers: Vec<Value>,
    /// The images of these.
    pub images: Vec<Value>,
    /// Files of this machine.
    pub files: Files,
    /// Whether `DOCKER_CONTENT_TRUST` is on for whoever asks.
    pub content_trust: bool,
}

impl World {
    /// A setting of `daemon.json`, if it has an effect: an engine may take one and tell that it changes nothing.
    pub fn set(&self, key: &str) -> Option<&Value> {
        if self.is_idle(key) { None } else { self.daemon.get(key) }
    }

    /// Whether the engine tells that this setting changes nothing.
    pub fn is_idle(&self, key: &str) -> bool {
        self.warnings().any(|warning| warning.contains(&format!("`{key}`")) && warning.contains("changes nothing"))
    }

    /// What the engine warns of.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        texts(&self.info["Warnings"])
    }

    /// Whether `docker info` has this security option.
    pub fn has_option(&self, name: &str) -> bool {
        texts(&self.info["SecurityOptions"]).any(|option| option.split(',').next() == Some(&format!("name={name}")))
    }
}

/// The texts of a list.
pub fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A container's name without the slash that the API puts before it.
pub fn name(container: &Value) -> &str {
    container["Name"].as_str().unwrap_or_default().trim_start_matches('/')
}

/// The images of containers, each once.
pub fn image_ids(containers: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = containers.iter().filter_map(|container| container["Image"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Reads `daemon.json`; a file that is not there sets nothing.
///
/// # Errors
/// It cannot be read, or is no JSON object.
pub fn settings(file: &Path) -> Result<Map<String, Value>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(format!("read `{}`: {error}", file.display())),
    };
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&text).map_err(|error| format!("read `{}`: {error}", file.display()))
}
