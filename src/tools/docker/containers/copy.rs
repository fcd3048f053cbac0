//! `docker cp`: files into a container, or out of one.
//!
//! Both ways it is a tar archive whose top entry has the name of what is copied. Where that is to be called otherwise at its destination, the names in the archive
//! are changed on the way. What comes out of a container is a stranger's: it is unpacked beneath its folder, and nothing in it leads out.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::kernel::root::Root;
use crate::oci::image::archive::Limits;
use crate::oci::image::unpack::{Options, Owners, Whiteouts, unpack};
use crate::tools::docker::api::{Ask, feed};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, warn};
use crate::ui::units;

/// Go's bits for what a file is.
const DIRECTORY: u64 = 1 << 31;
const LINK: u64 = 1 << 27;

/// A place to copy to or from.
enum Place<'a> {
    Container(&'a str, &'a str),
    Here(&'a str),
}

/// `NAME:PATH` is in a container; `-`, `./a:b` and `/a:b` are here.
fn place(text: &str) -> Place<'_> {
    match text.split_once(':') {
        Some((name, path)) if !name.is_empty() && !text.starts_with(['/', '.']) => Place::Container(name, path),
        _ => Place::Here(text),
    }
}

/// Copies.
pub fn run(session: &Session, given: &Given) -> Result {
    let loud = !given.on("quiet") && std::io::stdout().is_terminal();
    match (place(given.word(0)), place(given.word(1))) {
        (Place::Container(..), Place::Container(..)) => Err(Failure::new("copying between containers is not supported")),
        (Place::Here(_), Place::Here(_)) => Err(Failure::new("must specify at least one container source")),
        (Place::Container(name, path), Place::Here(to)) => {
            let bytes = out(session, given, name, path, to)?;
            said(loud && to != "-", bytes, to);
            Ok(())
        }
        (Place::Here(from), Place::Container(name, path)) => {
            let bytes = into(session, given, from, name, path)?;
            said(loud, bytes, &format!("{name}:{path}"));
            Ok(())
        }
    }
}

fn said(loud: bool, bytes: u64, to: &str) {
    if loud {
        warn(&format!("Successfully copied {} to {to}\n", units::size(bytes)));
    }
}

/// What the engine says of a path.
struct Stat {
    mode: u64,
    link: String,
}

impl Stat {
    fn read(header: Option<&str>) -> Result<Self> {
        let wrong = || Failure::new("unable to decode container path stat header");
        let bytes = STANDARD.decode(header.unwrap_or_default()).map_err(|_| wrong())?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        Ok(Stat { mode: value["mode"].as_u64().unwrap_or(0), link: value["linkTarget"].as_str().unwrap_or_default().to_owned() })
    }

    fn is_folder(&self) -> bool {
        self.mode & DIRECTORY != 0
    }
}

fn stat(session: &Session, name: &str, path: &str) -> Result<Stat> {
    let asked = format!("/containers/{}/archive", in_path(name));
    let answer = session.api()?.ask(Ask::head(&asked).with("path", path))?;
    Stat::read(answer.header("x-docker-container-path-stat"))
}

/// The last name of a path; `.` and `..` are names of contents.
fn base(path: &str) -> &str {
    if path.ends_with("/.") || path == "." {
        return ".";
    }
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn joined(folder: &str, link: &str) -> String {
    if link.starts_with('/') { link.to_owned() } else { format!("{}/{link}", folder.trim_end_matches('/')) }
}

fn parent(path: &str) -> &str {
    path.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| if parent.is_empty() { "/" } else { parent })
}

/// Out of a container. Gives the bytes.
fn out(session: &Session, given: &Given, name: &str, path: &str, to: &str) -> Result<u64> {
    let mut path = path.to_owned();
    if given.on("follow-link") {
        let found = stat(session, name, &path)?;
        if found.mode & LINK != 0 {
            path = joined(parent(&path), &found.link);
        }
    }
    let asked = format!("/containers/{}/archive", in_path(name));
    let mut answer = session.api()?.ask(Ask::get(&asked).with("path", path.as_str()))?;
    if to == "-" {
        answer.copy(&mut io::stdout().lock())?;
        return Ok(0);
    }
    let found = Stat::read(answer.header("x-docker-container-path-stat"))?;
    let (folder, new) = destination(found.is_folder(), to)?;
    let mut archive = tempfile::tempfile()?;
    let old = base(&path).to_owned();
    let bytes = renamed(&mut answer, &mut archive, &old, new.as_deref())?;
    archive.rewind()?;
    let root = Root::open(&folder).map_err(|error| Failure::new(error.to_string()))?;
    let owners = if given.on("archive") { Owners::Archive } else { Owners::Us };
    let options = Options { whiteouts: Whiteouts::Keep, owners, limits: Limits::default() };
    unpack(archive, &root, options, &|_| None).map_err(|error| Failure::new(error.to_string()))?;
    Ok(bytes)
}

/// The folder that is written to, and the name there if it is another.
fn destination(source_is_folder: bool, to: &str) -> Result<(PathBuf, Option<String>)> {
    let path = Path::new(to);
    let above = || path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let new = || path.file_name().map(|name| name.to_string_lossy().into_owned());
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok((path.to_owned(), None)),
        Ok(_) if source_is_folder => Err(Failure::new("cannot copy directory")),
        Ok(_) => Ok((above(), new())),
        Err(_) if !above().is_dir() => {
            let folder = std::path::absolute(above()).unwrap_or_else(|_| above());
            Err(Failure::new(format!("invalid output path: directory {:?} does not exist", folder.display().to_string())))
        }
        Err(_) if to.ends_with('/') && !source_is_folder => Err(Failure::new("no such directory")),
        Err(_) => Ok((above(), new())),
    }
}

/// Writes an archive again, its top entry called `new` instead of `old`. Gives the length of its files.
fn renamed(from: &mut dyn Read, to: &mut dyn Write, old: &str, new: Option<&str>) -> io::Result<u64> {
    let mut archive = tar::Archive::new(from);
    let mut builder = tar::Builder::new(to);
    let mut bytes = 0;
    let change = |path: &Path| -> PathBuf {
        let text = path.to_string_lossy();
        match new {
            Some(new) if old == "." => Path::new(new).join(text.trim_start_matches("./")),
            Some(new) => match text.strip_prefix(old) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => PathBuf::from(format!("{new}{rest}")),
                _ => path.to_owned(),
            },
            None => path.to_owned(),
        }
    };
    for entry in archive.entries()? {
        let mut entry = entry?;
        let mut header = entry.header().clone();
        let path = change(&entry.path()?);
        bytes += entry.size();
        let kind = header.entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name()?.map(|target| target.into_owned()).unwrap_or_default();
            // A hard link names another entry of the same archive.
            let target = if kind.is_hard_link() { change(&target) } else { target };
            builder.append_link(&mut header, path, target)?;
        } else {
            builder.append_data(&mut header, path, &mut entry)?;
        }
    }
    builder.finish()?;
    Ok(bytes)
}

/// Into a container. Gives the bytes.
fn into(session: &Session, given: &Given, from: &str, name: &str, path: &str) -> Result<u64> {
    let mut path = path.to_owned();
    let mut found = match stat(session, name, &path) {
        Ok(found) => Some(found),
        Err(failure) if failure.is_absent() => None,
        Err(failure) => return Err(failure),
    };
    if let Some(link) = found.as_ref().filter(|found| found.mode & LINK != 0) {
        path = joined(parent(&path), &link.link);
        found = stat(session, name, &path).ok();
    }
    let exists_as_folder = found.as_ref().is_some_and(Stat::is_folder);
    if from == "-" {
        if !exists_as_folder {
            return Err(Failure::new(format!("destination \"{name}:{path}\" must be a directory")));
        }
        send(session, given, name, &path, Box::new(io::stdin()))?;
        return Ok(0);
    }
    let meta = if given.on("follow-link") { fs::metadata(from) } else { fs::symlink_metadata(from) };
    let absolute = std::path::absolute(from).unwrap_or_else(|_| from.into());
    let meta = meta.map_err(|_| Failure::new(format!("lstat {}: no such file or directory", absolute.display())))?;
    let (folder, new) = match &found {
        _ if exists_as_folder => (path.clone(), None),
        Some(_) if meta.is_dir() => return Err(Failure::new("cannot copy directory")),
        None if path.ends_with('/') && !meta.is_dir() => return Err(Failure::new("no such directory")),
        _ => (parent(&path).to_owned(), Some(base(&path).to_owned())),
    };
    let mut archive = tempfile::tempfile()?;
    let top = new.unwrap_or_else(|| if base(from) == "." { ".".to_owned() } else { base(from).to_owned() });
    let bytes = {
        let mut builder = tar::Builder::new(&mut archive);
        builder.follow_symlinks(false);
        let bytes = packed(&mut builder, Path::new(from), Path::new(&top), given.on("follow-link"), given.on("archive"))?;
        builder.finish()?;
        bytes
    };
    archive.rewind()?;
    let folder = if folder.is_empty() { "/".to_owned() } else { folder };
    send(session, given, name, &folder, Box::new(archive))?;
    Ok(bytes)
}

fn send(session: &Session, given: &Given, name: &str, folder: &str, archive: Box<dyn Read + Send>) -> Result {
    let asked = format!("/containers/{}/archive", in_path(name));
    let ask = Ask::put(&asked).with("path", folder).with("noOverwriteDirNonDir", "true").switch("copyUIDGID", given.on("archive"));
    session.api()?.ask(ask.body(feed(archive), "application/x-tar")).map(drop)
}

/// A file or a folder with all in it, under a name. A link at the top is followed if somebody wants that.
fn packed(builder: &mut tar::Builder<&mut File>, from: &Path, name: &Path, follow: bool, owners: bool) -> io::Result<u64> {
    let meta = if follow { fs::metadata(from)? } else { fs::symlink_metadata(from)? };
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
    if !owners {
        header.set_uid(0);
        header.set_gid(0);
    }
    if meta.is_dir() {
        header.set_size(0);
        builder.append_data(&mut header, format!("{}/", name.display()), io::empty())?;
        let mut entries: Vec<fs::DirEntry> = fs::read_dir(from)?.collect::<io::Result<_>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        return entries
            .iter()
            .try_fold(0, |bytes, entry| Ok(bytes + packed(builder, &entry.path(), &name.join(entry.file_name()), false, owners)?));
    }
    if meta.file_type().is_symlink() {
        header.set_size(0);
        builder.append_link(&mut header, name, fs::read_link(from)?)?;
        return Ok(0);
    }
    if !meta.is_file() {
        return Ok(0);
    }
    header.set_size(meta.len());
    builder.append_data(&mut header, name, File::open(from)?.take(meta.len()))?;
    Ok(meta.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_names() {
        assert!(matches!(place("web:/etc"), Place::Container("web", "/etc")));
        for here in ["-", "./a:b", "/a:b", "a"] {
            assert!(matches!(place(here), Place::Here(_)), "{here}");
        }
        assert_eq!((base("/a/b/"), base("/a/."), base("/"), parent("/a"), parent("a"), parent("/a/b/")), ("b", ".", "", "/", "", "/a"));
    }

    #[test]
    fn a_top_entry_gets_its_new_name_and_links_go_along() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/f"), "12345").unwrap();
        std::os::unix::fs::symlink("f", folder.path().join("a/l")).unwrap();
        let mut archive = tempfile::tempfile().unwrap();
        assert_eq!(packed(&mut tar::Builder::new(&mut archive), &folder.path().join("a"), Path::new("a"), false, false).unwrap(), 5);
        archive.rewind().unwrap();
        let mut again = Vec::new();
        assert_eq!(renamed(&mut archive, &mut again, "a", Some("b")).unwrap(), 5);
        let mut read = tar::Archive::new(again.as_slice());
        let names: Vec<String> = read.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, ["b/", "b/f", "b/l"]);
    }

    #[test]
    fn where_it_goes_depends_on_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("file"), "").unwrap();
        assert_eq!(destination(false, &path("")).unwrap().1, None);
        assert_eq!(destination(false, &path("file")).unwrap().1.as_deref(), Some("file"));
        assert_eq!(destination(true, &path("new")).unwrap().1.as_deref(), Some("new"));
        assert!(
            destination(true, &path("file")).is_err()
                && destination(false, &path("new/")).is_err()
                && destination(false, &path("no/new")).is_err()
        );
    }
}
