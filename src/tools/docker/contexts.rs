//! Contexts: names for engines, kept in docker's own folder (`~/.docker/contexts/meta/SHA256/meta.json`), so that both clients see the same ones.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::failure::{Failure, Result};
use super::line::Given;
use crate::oci::digest::Digest;
use crate::oci::distribution::client::credentials::indented;

/// Docker's folder of settings.
pub fn folder() -> PathBuf {
    match std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into())).join(".docker"),
    }
}

/// `config.json`; an empty document where there is none.
///
/// # Errors
/// It is no JSON.
pub fn config() -> Result<Value> {
    let path = folder().join("config.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| Failure::new(format!("{}: {error}", path.display()))),
        Err(_) => Ok(json!({})),
    }
}

/// Changes `config.json`.
///
/// # Errors
/// It cannot be read or written.
pub fn change_config(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Result {
    let path = folder().join("config.json");
    let Value::Object(mut config) = config()? else { return Err(Failure::new(format!("{}: this is no JSON object", path.display()))) };
    change(&mut config);
    std::fs::create_dir_all(folder())?;
    let text = indented(&config);
    let kept = std::fs::metadata(&path).ok().map(|meta| meta.permissions());
    // Never half a file: it is written beside and renamed.
    let new = tempfile::NamedTempFile::new_in(folder())?;
    std::fs::write(new.path(), text)?;
    if let Some(kept) = kept {
        std::fs::set_permissions(new.path(), kept)?;
    }
    new.persist(&path).map_err(|error| Failure::new(format!("write `{}`: {error}", path.display())))?;
    Ok(())
}

/// The name of the context that counts: `-c`, `DOCKER_HOST` (which means the default one), `DOCKER_CONTEXT`, the settings.
///
/// # Errors
/// Two of them contradict each other, or there is no such context.
pub fn current(globals: &Given) -> Result<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(name) = globals.text("context") {
        if globals.has("host") {
            return Err(Failure::new("conflicting options: either specify --host or --context, not both"));
        }
        return checked(name);
    }
    if globals.has("host") || set("DOCKER_HOST").is_some() {
        return Ok("default".to_owned());
    }
    match set("DOCKER_CONTEXT").or_else(|| config().ok()?["currentContext"].as_str().map(str::to_owned)) {
        Some(name) => checked(&name),
        None => Ok("default".to_owned()),
    }
}

fn checked(name: &str) -> Result<String> {
    if name != "default" {
        read(name)?;
    }
    Ok(name.to_owned())
}

/// The file of a context.
pub fn file(name: &str) -> PathBuf {
    folder().join("contexts/meta").join(Digest::of(name.as_bytes()).hex()).join("meta.json")
}

/// What is kept of a context.
///
/// # Errors
/// There is none of that name.
pub fn read(name: &str) -> Result<Value> {
    let path = file(name);
    let text = std::fs::read_to_string(&path)
        .map_err(|_| Failure::new(format!("context {name:?}: context not found: open {}: no such file or directory", path.display())))?;
    serde_json::from_str(&text).map_err(|error| Failure::new(format!("context {name:?}: {error}")))
}

/// The address of a context's engine.
///
/// # Errors
/// There is no such context.
pub fn host_of(name: &str) -> Result<String> {
    Ok(read(name)?["Endpoints"]["docker"]["Host"].as_str().filter(|host| !host.is_empty()).unwrap_or(super::place::USUAL).to_owned())
}

/// All contexts but the default one, by name.
pub fn all() -> Vec<Value> {
    let entries = std::fs::read_dir(folder().join("contexts/meta")).into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("meta.json")).ok());
    let mut found: Vec<Value> = texts.filter_map(|text| serde_json::from_str(&text).ok()).collect();
    found.sort_by(|one: &Value, other| one["Name"].as_str().cmp(&other["Name"].as_str()));
    found
}
