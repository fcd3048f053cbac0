//! `config` and `version`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::LEVEL;
use super::make::image_of;
use super::scene::{self, Scene};
use crate::compose::types::Project;
use crate::compose::types::part::Form;
use crate::compose::{Steps, emit};
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, say};

/// `compose version`.
pub fn version(_: &Session, given: &Given) -> Result {
    let number = format!("{LEVEL}-bottleship.{}", env!("CARGO_PKG_VERSION"));
    match given.text("format") {
        _ if given.on("short") => say(&format!("{number}\n")),
        Some("json") => say(&format!("{}\n", json!({"version": format!("v{number}")}))),
        _ => say(&format!("Docker Compose version v{number}\n")),
    }
    Ok(())
}

/// `compose config`.
pub fn run(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    if given.on("variables") {
        return Err(Failure::new("--variables: the variables of a file are not listed here; `--no-interpolate` prints it with them"));
    }
    let steps = Steps {
        interpolate: !given.on("no-interpolate"),
        normalize: !given.on("no-normalize"),
        resolve_paths: !given.on("no-path-resolution"),
        check: !given.on("no-consistency"),
        resolve_environment: !given.on("no-env-resolution"),
    };
    let whole = scene::load(session.compose(), steps)?;
    if given.on("profiles") {
        let services = whole.services.values().chain(whole.disabled.values());
        return lines(services.flat_map(|service| service.profiles.iter().cloned()).collect());
    }
    let mut project = scene::pruned(session, scene::selected(whole, &given.words, true)?);
    if given.on("resolve-image-digests") || given.on("lock-image-digests") {
        pin(&scene, &mut project)?;
    }
    if given.on("quiet") {
        return Ok(());
    }
    if given.on("services") {
        return lines(project.services.keys().cloned().collect());
    }
    if given.on("volumes") {
        return lines(project.volumes.keys().cloned().collect());
    }
    if given.on("networks") {
        return lines(project.networks.keys().cloned().collect());
    }
    if given.on("images") {
        return lines(project.services.values().map(|service| image_of(&project, service, scene.separator)).collect());
    }
    if given.on("environment") {
        return lines(project.environment.iter().map(|(name, value)| format!("{name}={value}")).collect());
    }
    if let Some(wanted) = given.text("hash") {
        return hashes(&project, wanted);
    }
    let text = if given.on("lock-image-digests") { locked(&project, given) } else { text(&project, given)? };
    match given.text("output").filter(|file| !file.is_empty()) {
        Some(file) => std::fs::write(file, text).map_err(|error| Failure::new(format!("write `{file}`: {error}"))),
        None => {
            say(&text);
            Ok(())
        }
    }
}

fn lines(all: BTreeSet<String>) -> Result {
    all.iter().for_each(|line| say(&format!("{line}\n")));
    Ok(())
}

fn hashes(project: &Project, wanted: &str) -> Result {
    let names: Vec<&str> = if wanted == "*" { project.services.keys().map(String::as_str).collect() } else { wanted.split(',').collect() };
    for name in names {
        let service = project.service(name).ok_or_else(|| Failure::new(format!("no such service: {name}")))?;
        say(&format!("{name} {}\n", crate::compose::hash::service(service)));
    }
    Ok(())
}

/// The project as it is printed.
fn text(project: &Project, given: &Given) -> Result<String> {
    match given.text("format") {
        Some("json") => {
            let text = serde_json::to_string_pretty(&project.written(Form::Json))
                .map_err(|error| Failure::new(format!("print the project: {error}")))?;
            Ok(format!("{text}\n"))
        }
        None | Some("" | "yaml") => Ok(emit::emit(&project.written(Form::Yaml))),
        Some(other) => Err(Failure::new(format!("unsupported format {other:?}, valid formats are yaml and json"))),
    }
}

/// Images by what they are at their registry today.
fn pin(scene: &Scene<'_>, project: &mut Project) -> Result {
    for service in project.services.values_mut().filter(|service| !service.image.is_empty() && !service.image.contains('@')) {
        let path = format!("/distribution/{}/json", in_path(&service.image));
        let shown = scene.api()?.json(Ask::get(&path))?;
        if let Some(digest) = shown["Descriptor"]["digest"].as_str() {
            service.image = format!("{}@{digest}", service.image);
        }
    }
    Ok(())
}

/// An override that pins the images and says nothing else.
fn locked(project: &Project, given: &Given) -> String {
    let services: BTreeMap<&str, serde_json::Value> = project
        .services
        .iter()
        .filter(|(_, service)| !service.image.is_empty())
        .map(|(name, service)| (name.as_str(), json!({"image": service.image})))
        .collect();
    let document = json!({"services": services});
    match given.text("format") {
        Some("json") => format!("{document}\n"),
        _ => emit::emit(&document),
    }
}
