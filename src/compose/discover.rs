//! Which files make a project, which variables they are filled in with, and what it is called.

use std::collections::BTreeMap;

use super::dotenv;
use super::error::Error;
use super::load::{Notes, Source, unreadable};
use super::place::{join, parent};
use super::template::Variables;
use super::types::Mapping;
use super::yaml;

/// The names that are looked for, best first.
pub const FILES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// The names of files that are merged over the one that was found.
pub const OVERRIDES: &[&str] =
    &["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// What a person said on the command line and in the environment.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--file`, in order; `-` is the standard input.
    pub files: Vec<String>,
    /// `--project-directory`.
    pub project_directory: Option<String>,
    /// `--project-name`.
    pub project_name: Option<String>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// `--env-file`, in order.
    pub env_files: Vec<String>,
    /// The variables of the shell.
    pub environment: Mapping,
    /// The current folder, absolute.
    pub folder: String,
}

/// What was found for a request.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Absolute; `-` is the standard input.
    pub files: Vec<String>,
    /// The project's folder, absolute.
    pub folder: String,
    /// The shell's variables and those of `.env`.
    pub environment: Mapping,
    /// The profiles that are on.
    pub profiles: Vec<String>,
}

/// Looks for the files and variables of a request.
///
/// # Errors
/// A file that is named and not there, a `.env` that cannot be read, no file at all.
pub fn find(request: &Request, source: &dyn Source, notes: &mut Notes) -> Result<Found, Error> {
    let absolute = |path: &str| if path == "-" { path.to_owned() } else { place(&request.folder, path) };
    let mut found = Found {
        files: request.files.iter().map(|file| absolute(file)).collect(),
        environment: request.environment.clone(),
        ..Found::default()
    };
    // The folder's .env may name the files, and then their folder's .env counts as well.
    add_variables(request, &mut found, source, notes)?;
    if found.files.is_empty() {
        found.files = named(&found.environment, &request.folder, source)?;
    }
    if found.files.is_empty() {
        found.files = searched(&project_folder(request, &found.files), source, notes);
    }
    add_variables(request, &mut found, source, notes)?;
    if found.files.is_empty() {
        return Err(Error::plain("no configuration file provided: not found"));
    }
    found.folder = project_folder(request, &found.files);
    found.profiles.clone_from(&request.profiles);
    if found.profiles.is_empty() {
        let listed = found.environment.get("COMPOSE_PROFILES").map(String::as_str).unwrap_or_default();
        found.profiles = listed.split(',').map(|profile| profile.trim().to_owned()).filter(|profile| !profile.is_empty()).collect();
    }
    Ok(found)
}

fn place(folder: &str, path: &str) -> String {
    join(if path.starts_with('/') { "" } else { folder }, path)
}

/// The folder that was said, else that of the first file, else the current one.
fn project_folder(request: &Request, files: &[String]) -> String {
    match (&request.project_directory, files.iter().find(|file| *file != "-")) {
        (Some(folder), _) => place(&request.folder, folder),
        (None, Some(file)) => parent(file),
        (None, None) => request.folder.clone(),
    }
}

/// `COMPOSE_FILE`.
fn named(environment: &Mapping, folder: &str, source: &dyn Source) -> Result<Vec<String>, Error> {
    let Some(list) = environment.get("COMPOSE_FILE") else { return Ok(Vec::new()) };
    let separator = environment.get("COMPOSE_PATH_SEPARATOR").filter(|separator| !separator.is_empty()).map_or(":", String::as_str);
    list.split(separator)
        .map(|file| match file {
            "-" => Ok(file.to_owned()),
            file if source.is_file(&place(folder, file)) => Ok(place(folder, file)),
            file => Err(Error::plain(format!("stat {}: no such file or directory (COMPOSE_FILE names it)", place(folder, file)))),
        })
        .collect()
}

/// The first folder upwards that has a file of a known name, with its override.
fn searched(folder: &str, source: &dyn Source, notes: &mut Notes) -> Vec<String> {
    let mut folder = folder.to_owned();
    loop {
        let here =
            |names: &[&str]| -> Vec<String> { names.iter().map(|name| join(&folder, name)).filter(|file| source.is_file(file)).collect() };
        let files = here(FILES);
        if let Some(file) = files.first() {
            several("", &files, notes);
            let overrides = here(OVERRIDES);
            several("override ", &overrides, notes);
            return std::iter::once(file.clone()).chain(overrides.into_iter().take(1)).collect();
        }
        let above = parent(&folder);
        if above == folder {
            return Vec::new();
        }
        folder = above;
    }
}

fn several(kind: &str, files: &[String], notes: &mut Notes) {
    if files.len() > 1 {
        let kind = if kind.is_empty() { "config" } else { kind.trim_end() };
        notes.warnings.push(format!("Found multiple {kind} files with supported names: {}", files.join(", ")));
        notes.warnings.push(format!("Using {}", files[0]));
    }
}

fn add_variables(request: &Request, found: &mut Found, source: &dyn Source, notes: &mut Notes) -> Result<(), Error> {
    let said = request.env_files.clone();
    let listed = found.environment.get("COMPOSE_ENV_FILES").filter(|list| !list.is_empty());
    let off = request
        .environment
        .get("COMPOSE_DISABLE_ENV_FILE")
        .is_some_and(|value| ["1", "t", "T", "true", "TRUE", "True"].contains(&value.as_str()));
    let files = match (said.is_empty(), listed) {
        (false, _) => said,
        (true, Some(list)) => list.split(',').map(str::to_owned).collect(),
        (true, None) => {
            let own = join(&project_folder(request, &found.files), ".env");
            if !off && source.is_file(&own) { vec![own] } else { Vec::new() }
        }
    };
    let files: Vec<String> = files.iter().map(|file| place(&request.folder, file)).collect();
    for (name, value) in variables(&files, &found.environment, source, notes)? {
        found.environment.entry(name).or_insert(value);
    }
    Ok(())
}

/// The variables of `.env` files, the later file's word being the last. `outside` is asked before them for references.
///
/// # Errors
/// A file that is not there or cannot be read.
pub fn variables(files: &[String], outside: &Mapping, source: &dyn Source, notes: &mut Notes) -> Result<Mapping, Error> {
    let mut variables = BTreeMap::new();
    for file in files {
        if !source.is_file(file) {
            return Err(Error::plain(format!("couldn't find env file: {file}")));
        }
        let text = source.text(file).map_err(|why| Error::plain(unreadable(file, &why)))?;
        dotenv::read(&text, &mut variables, &|name| outside.get(name).cloned(), &mut notes.warnings)
            .map_err(|why| Error::plain(format!("failed to read {file}: {why}")))?;
    }
    Ok(variables)
}

/// The project's name: what was said, `COMPOSE_PROJECT_NAME`, `name:` of the last file that has one, the folder.
///
/// # Errors
/// A name that was said and may not be; no letter left of any.
pub fn project_name(request: &Request, found: &Found, source: &dyn Source, interpolate: bool, notes: &mut Notes) -> Result<String, Error> {
    let said = request.project_name.clone().filter(|name| !name.is_empty());
    let said = said.or_else(|| found.environment.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty()).cloned());
    if let Some(name) = said {
        if normalized(&name) == name {
            return Ok(name);
        }
        let rule =
            "must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number";
        return Err(Error::plain(format!("invalid project name {name:?}: {rule}")));
    }
    let mut written = None;
    for file in &found.files {
        let text = source.text(file).map_err(|why| Error::plain(unreadable(file, &why)))?;
        // What is wrong with the file is told when it is loaded.
        for document in yaml::parse(file, &text).unwrap_or_default() {
            let name = document.root.get("name").and_then(yaml::Node::shown).filter(|name| !name.is_empty());
            written = name.or(written);
        }
    }
    let name = match written {
        Some(name) if interpolate => {
            let look_up = |name: &str| found.environment.get(name).cloned();
            let filled = Variables { look_up: &look_up, warnings: &mut notes.warnings }.fill_in(&name);
            normalized(&filled.map_err(|fault| Error::plain(format!("error while interpolating name: {fault}")))?)
        }
        Some(name) => normalized(&name),
        None => normalized(found.folder.rsplit('/').next().unwrap_or_default()),
    };
    if name.is_empty() { Err(Error::plain("project name must not be empty")) } else { Ok(name) }
}

/// A name with what project names may have: small letters, digits, `-` and `_`, the first a letter or digit.
pub fn normalized(name: &str) -> String {
    let kept: String = name.to_lowercase().chars().filter(|letter| letter.is_ascii_alphanumeric() || "_-".contains(*letter)).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_projects_lose_what_they_may_not_have() {
        for (name, wanted) in [("My App", "myapp"), ("_x.Y-z_", "xy-z_"), ("--", ""), ("Ünïx1", "nx1")] {
            assert_eq!(normalized(name), wanted, "{name}");
        }
    }
}
