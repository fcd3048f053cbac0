//! From a request to a project: everything in its order.

use std::collections::BTreeMap;

use super::discover::{self, Found, Request};
use super::dotenv;
use super::error::{Error, Spot};
use super::load::{Notes, Setting, Source, unreadable};
use super::path::Path;
use super::read::Read;
use super::types::part::Always;
use super::types::{Mapping, Project, Service};
use super::yaml::Node;
use super::{normal, sound};

/// Which steps are taken; all of them, unless `config` is told otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Fill in variables (`--no-interpolate`).
    pub interpolate: bool,
    /// Complete what is implied (`--no-normalize`).
    pub normalize: bool,
    /// Make paths absolute (`--no-path-resolution`).
    pub resolve_paths: bool,
    /// Check references (`--no-consistency`).
    pub check: bool,
    /// Read `env_file` (`--no-env-resolution`).
    pub resolve_environment: bool,
}

impl Default for Steps {
    fn default() -> Self {
        Steps { interpolate: true, normalize: true, resolve_paths: true, check: true, resolve_environment: true }
    }
}

/// A project, and what a person should be told about its files.
#[derive(Debug)]
pub struct Loaded {
    pub project: Project,
    pub warnings: Vec<String>,
}

/// Loads the project of a request.
///
/// # Errors
/// What is wrong first, with file, line and key.
pub fn load(request: &Request, steps: Steps, source: &dyn Source) -> Result<Loaded, Error> {
    let mut notes = Notes::default();
    let mut found = discover::find(request, source, &mut notes)?;
    let name = discover::project_name(request, &found, source, steps.interpolate, &mut notes)?;
    found.environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
    let setting = Setting {
        source,
        environment: found.environment.clone(),
        folder: found.folder.clone(),
        shown_from: request.folder.clone(),
        interpolate: steps.interpolate,
        resolve_paths: steps.resolve_paths,
    };
    let mut tree = setting.model(&found.files, &[], &mut notes)?;
    if tree.map().is_none_or(BTreeMap::is_empty) {
        return Err(Error::at(&Spot::whole(&setting.shown(&found.files[0])), "", "empty compose file"));
    }
    if steps.normalize {
        normal::normalize(&mut tree, &name, &found.environment);
    }
    let project = bound(&tree, name, &found, steps, source, &mut notes)?;
    Ok(Loaded { project, warnings: notes.warnings })
}

fn bound(tree: &Node, name: String, found: &Found, steps: Steps, source: &dyn Source, notes: &mut Notes) -> Result<Project, Error> {
    let mut project = Project::read(tree, &Path::root())?;
    project.name = name;
    project.working_dir = found.folder.clone().into();
    project.files = found.files.iter().map(Into::into).collect();
    project.environment.clone_from(&found.environment);
    project.profiles.clone_from(&found.profiles);
    for (name, service) in &mut project.services.0 {
        service.name.clone_from(name);
    }
    texts(&mut project);
    choose(&mut project);
    if steps.check {
        sound::project(&project, tree)?;
        // Both ways of saying how many agree now.
        for service in project.services.0.values_mut() {
            if let (Some(scale), Some(deploy)) = (service.scale, &mut service.deploy) {
                deploy.replicas = Some(scale);
            }
        }
    }
    let outside = project.environment.clone();
    for service in project.services.0.values_mut() {
        if steps.resolve_environment {
            environment(service, tree, &outside, source, notes)?;
        }
        labels(service, tree, source, notes)?;
    }
    Ok(project)
}

/// The texts of secrets and configs that come from variables.
fn texts(project: &mut Project) {
    for object in project.secrets.values_mut().chain(project.configs.values_mut()) {
        if !object.environment.is_empty() {
            object.text = project.environment.get(&object.environment).cloned();
        }
    }
}

/// Parts the services that are on from those whose profiles are all off.
fn choose(project: &mut Project) {
    let profiles = project.profiles.clone();
    let is_on = |service: &Service| {
        service.profiles.is_empty() || profiles.iter().any(|profile| profile == "*" || service.profiles.contains(profile))
    };
    let (on, off) = std::mem::take(&mut project.services.0).into_iter().partition(|(_, service)| is_on(service));
    project.services = Always(on);
    project.disabled = off;
}

fn blame(tree: &Node, service: &Service, key: &str, what: String) -> Error {
    let place = tree.get("services").and_then(|services| services.get(&service.name)).and_then(|node| node.get(key));
    Error { spot: place.map(|node| node.spot.clone()), key: format!("services.{}.{key}", service.name), what }
}

/// Variables of `env_file` under those of `environment`; those without a value take the shell's.
fn environment(service: &mut Service, tree: &Node, outside: &Mapping, source: &dyn Source, notes: &mut Notes) -> Result<(), Error> {
    for (name, value) in &mut service.environment {
        if value.is_none() {
            *value = outside.get(name).cloned();
        }
    }
    let own = service.environment.clone();
    let mut all: Mapping = own.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
    for file in &service.env_file {
        if !source.is_file(&file.path) {
            if file.required.0 {
                let what = format!("env file {} not found: stat {}: no such file or directory", file.path, file.path);
                return Err(blame(tree, service, "env_file", what));
            }
            continue;
        }
        let text = source.text(&file.path).map_err(|why| blame(tree, service, "env_file", unreadable(&file.path, &why)))?;
        let look_up = |name: &str| outside.get(name).cloned().or_else(|| own.get(name).cloned().flatten());
        match file.format.as_str() {
            "" | ".env" => dotenv::read(&text, &mut all, &look_up, &mut notes.warnings),
            "raw" => dotenv::read_raw(&text, &mut all, &look_up),
            format => return Err(blame(tree, service, "env_file", format!("unsupported env_file format {format:?}"))),
        }
        .map_err(|why| blame(tree, service, "env_file", format!("failed to read {}: {why}", file.path)))?;
    }
    service.environment = all.into_iter().map(|(name, value)| (name, Some(value))).collect();
    service.environment.extend(own);
    Ok(())
}

/// Labels of `label_file` under those of `labels`.
fn labels(service: &mut Service, tree: &Node, source: &dyn Source, notes: &mut Notes) -> Result<(), Error> {
    let mut all = Mapping::new();
    for file in &service.label_file {
        let missing = || blame(tree, service, "label_file", format!("label file {file} not found: stat {file}: no such file or directory"));
        if !source.is_file(file) {
            return Err(missing());
        }
        let text = source.text(file).map_err(|why| blame(tree, service, "label_file", unreadable(file, &why)))?;
        let known = all.clone();
        dotenv::read(&text, &mut all, &|name| known.get(name).cloned(), &mut notes.warnings)
            .map_err(|why| blame(tree, service, "label_file", format!("failed to read {file}: {why}")))?;
    }
    all.extend(std::mem::take(&mut service.labels));
    service.labels = all;
    Ok(())
}
