//! `docker save`, `load`, `import`.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::Path;

use crate::oci::reference::Reference;
use crate::tools::docker::Session;
use crate::tools::docker::api::{Ask, feed};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::registry::platform;
use crate::tools::docker::stream;

/// Writes an archive.
pub fn save(session: &Session, given: &Given) -> Result {
    let place = given.text("output").filter(|path| !path.is_empty());
    if place.is_none() && std::io::stdout().is_terminal() {
        return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
    }
    if let Some(path) = place {
        writable(path).map_err(|why| Failure::new(format!("failed to save image: {why}")))?;
    }
    let mut ask = Ask::get("/images/get");
    for name in &given.words {
        ask = ask.with("names", name.as_str());
    }
    if let Some(wanted) = given.text("platform") {
        ask = ask.with("platform", platform(wanted)?);
    }
    let mut answer = session.api()?.ask(ask)?;
    match place {
        Some(path) => whole(path, &mut |to| answer.copy(to)),
        None => answer.copy(&mut std::io::stdout().lock()),
    }
}

/// Whether a file can be made at a path, before anything is asked of the engine.
///
/// # Errors
/// Its folder is not there, or it is one itself.
pub fn writable(path: &str) -> std::result::Result<(), String> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        return Err(format!("invalid output path: stat {}: no such file or directory", folder.display()));
    }
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(format!("invalid output path: {path:?} must be a regular file")),
        _ => Ok(()),
    }
}

/// Writes a file as a whole: a broken answer leaves none.
///
/// # Errors
/// Those of `work`, and of the file.
pub fn whole(path: &str, work: &mut dyn FnMut(&mut dyn std::io::Write) -> Result) -> Result {
    // A device or a pipe is written as it is.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return work(&mut File::create(path)?);
    }
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".docker_temp_").tempfile_in(folder)?;
    work(new.as_file_mut())?;
    new.persist(path).map_err(|error| Failure::new(format!("write `{path}`: {}", error.error)))?;
    Ok(())
}

fn opened(path: &str) -> Result<File> {
    File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(format!("open {path}: no such file or directory")),
        std::io::ErrorKind::PermissionDenied => Failure::new(format!("open {path}: permission denied")),
        _ => Failure::new(format!("open {path}: {error}")),
    })
}

/// Takes an archive in.
pub fn load(session: &Session, given: &Given) -> Result {
    let source: Box<dyn Read + Send> = match given.text("input").filter(|path| !path.is_empty()) {
        Some(path) => Box::new(opened(path)?),
        None if std::io::stdin().is_terminal() => return Err(Failure::new("requested load from stdin, but stdin is empty")),
        None => Box::new(std::io::stdin()),
    };
    let quiet = given.on("quiet") || !std::io::stdout().is_terminal();
    let mut ask = Ask::post("/images/load").with("quiet", if quiet { "1" } else { "0" });
    if let Some(wanted) = given.text("platform") {
        ask = ask.with("platform", platform(wanted)?);
    }
    let mut answer = session.api()?.ask(ask.body(feed(source), "application/x-tar"))?;
    stream::show(&mut answer, false)
}

/// Makes an image of a tree.
pub fn import(session: &Session, given: &Given) -> Result {
    let source = given.word(0);
    let mut ask = Ask::post("/images/create");
    if let Some(name) = given.words.get(1) {
        // The engine parses it too; here it fails before a long upload.
        name.parse::<Reference>().map_err(|error| Failure::new(error.to_string()))?;
        ask = ask.with("repo", name.as_str());
    }
    ask = ask.with("message", given.text_or_empty("message"));
    for change in given.all("change") {
        ask = ask.with("changes", change.as_str());
    }
    if let Some(wanted) = given.text("platform") {
        // A plain word here, and JSON elsewhere: so is the API.
        platform(wanted)?;
        ask = ask.with("platform", wanted.to_ascii_lowercase());
    }
    let ask = match source {
        "-" => ask.with("fromSrc", "-").body(feed(std::io::stdin()), "application/x-tar"),
        url if url.contains("://") => ask.with("fromSrc", url),
        path => ask.with("fromSrc", "-").body(feed(opened(path)?), "application/x-tar"),
    };
    stream::show(&mut session.api()?.ask(ask)?, false)
}
