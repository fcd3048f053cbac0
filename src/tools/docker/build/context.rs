//! The context of a build as an archive: what `.dockerignore` leaves of a folder, or what comes in.
//!
//! Owners and times of access say something of this machine and nothing of the image: they are not sent. A Dockerfile from elsewhere goes along under a name that
//! nobody has, and is left out of the context again.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use crate::build::context::named::{self, IN_ARCHIVE, SENT};
use crate::build::context::remote::Remote;
use crate::build::ignore::Ignore;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;

/// A context, ready to be sent.
pub struct Context {
    /// The archive.
    pub archive: Box<dyn Read + Send>,
    /// Its length, if it is a folder's.
    pub size: Option<u64>,
    /// The Dockerfile's name in it.
    pub dockerfile: String,
    /// Where the engine is to fetch it instead.
    pub remote: Option<String>,
    /// Further contexts by their names, and where the engine finds them: folders are in the archive.
    pub others: Vec<(String, String)>,
}

/// Makes the context that a command line asks for.
///
/// # Errors
/// There is no such folder or file.
pub fn prepare(given: &Given) -> Result<Context> {
    let (place, file) = (given.word(0), given.text("file").filter(|file| !file.is_empty()));
    let (others, folders) = others(given.all("build-context"))?;
    if let Some((name, _)) = folders.first().filter(|_| place == "-" || Remote::read(place).is_some()) {
        let why = format!("the context {name:?} is a folder, and goes along with a context that is one too: {place:?} is none");
        return Err(Failure::new(format!("{why}\nhint: get it into a folder first")));
    }
    if place == "-" {
        if file == Some("-") {
            return Err(Failure::new("invalid argument: can't use stdin for both build context and dockerfile"));
        }
        let dockerfile = file.unwrap_or("Dockerfile").to_owned();
        return Ok(Context { archive: Box::new(io::stdin()), size: None, dockerfile, remote: None, others });
    }
    if Remote::read(place).is_some() {
        if file == Some("-") {
            return Err(Failure::new("invalid argument: the Dockerfile of a context from elsewhere is in it: name its path there"));
        }
        let dockerfile = file.unwrap_or("Dockerfile").to_owned();
        return Ok(Context { archive: Box::new(io::empty()), size: None, dockerfile, remote: Some(place.to_owned()), others });
    }
    let folder = Path::new(place);
    if !folder.is_dir() {
        return Err(Failure::new(format!("unable to prepare context: path {place:?} not found")));
    }
    let definition = definition(folder, file)?;
    let mut archive = tempfile::tempfile()?;
    pack(folder, &definition, &folders, &mut archive)
        .map_err(|error| Failure::new(format!("error building at step of sending the context: {error}")))?;
    let size = archive.stream_position()?;
    archive.rewind()?;
    let dockerfile = match &definition {
        Definition::Inside(name) => name.clone(),
        Definition::Outside(name, _) => name.clone(),
    };
    Ok(Context { archive: Box::new(archive), size: Some(size), dockerfile, remote: None, others })
}

/// Further contexts, each with the place that the engine is told, and those that are folders of this machine.
type Others = (Vec<(String, String)>, Vec<(String, PathBuf)>);

fn others(texts: &[String]) -> Result<Others> {
    let (mut all, mut folders) = (Vec::new(), Vec::new());
    for text in texts {
        let (name, place) = named::pair(text).map_err(|error| Failure::new(format!("ERROR: {error}")))?;
        if named::is_everywhere(&place) {
            all.push((name, place));
            continue;
        }
        let folder = PathBuf::from(&place);
        if !folder.is_dir() {
            return Err(Failure::new(format!("ERROR: failed to get build context {name}: stat {place}: no such file or directory")));
        }
        all.push((name.clone(), format!("{IN_ARCHIVE}{}", folders.len())));
        folders.push((name, folder));
    }
    Ok((all, folders))
}

/// Where the Dockerfile is.
enum Definition {
    /// In the context, at this path.
    Inside(String),
    /// Elsewhere: the name that it gets, and its text.
    Outside(String, Vec<u8>),
}

fn definition(folder: &Path, file: Option<&str>) -> Result<Definition> {
    let outside = |text: Vec<u8>| {
        let name = crate::oci::digest::Digest::of(&text).hex()[..20].to_owned();
        Definition::Outside(format!(".dockerfile.{name}"), text)
    };
    let Some(file) = file else {
        // What is missing is for the builder to say.
        let name = if folder.join("Dockerfile").exists() || !folder.join("dockerfile").exists() { "Dockerfile" } else { "dockerfile" };
        let path = absolute(folder).join(name);
        return match fs::symlink_metadata(&path) {
            Ok(_) => Ok(Definition::Inside(name.to_owned())),
            Err(_) => Err(missing(&path)),
        };
    };
    if file == "-" {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text)?;
        return Ok(outside(text));
    }
    // Relative to where we are, as BuildKit's client has it; else to the context, as the classic one.
    let candidates = [PathBuf::from(file), folder.join(file)];
    let Some(path) = candidates.iter().find(|path| path.is_file()) else { return Err(missing(&absolute(Path::new(file)))) };
    let (top, whole) = (folder.canonicalize()?, path.canonicalize()?);
    Ok(match whole.strip_prefix(&top) {
        Ok(inner) => Definition::Inside(inner.display().to_string()),
        Err(_) => outside(fs::read(path)?),
    })
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

fn missing(path: &Path) -> Failure {
    Failure::new(format!(
        "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat {}: no such file or directory",
        path.display()
    ))
}

fn rules(text: &str) -> io::Result<Ignore> {
    Ignore::read(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("failed to read .dockerignore: {}", error.0)))
}

fn pack(folder: &Path, definition: &Definition, others: &[(String, PathBuf)], to: &mut File) -> io::Result<()> {
    let ignored = own_ignore(folder, definition)?;
    let ignore = rules(&ignored)?;
    let mut builder = tar::Builder::new(io::BufWriter::new(to));
    let keep = match definition {
        Definition::Inside(name) => name.as_str(),
        Definition::Outside(..) => "",
    };
    folder_entries(&mut builder, (folder, ""), "", &ignore, keep)?;
    for (number, (_, other)) in others.iter().enumerate() {
        let under = format!("{SENT}/{number}/");
        entry_of(&mut builder, other, under.trim_end_matches('/'))?;
        let own = Definition::Outside(String::new(), Vec::new());
        folder_entries(&mut builder, (other, &under), "", &rules(&own_ignore(other, &own)?)?, "")?;
    }
    if let Definition::Outside(name, text) = definition {
        text_entry(&mut builder, name, text)?;
        text_entry(&mut builder, ".dockerignore", format!("{}\n.dockerignore\n{name}\n", ignored.trim_end()).as_bytes())?;
    }
    builder.into_inner()?.flush()
}

/// The file that says what does not belong to the context: one beside the Dockerfile comes before that of the folder.
fn own_ignore(folder: &Path, definition: &Definition) -> io::Result<String> {
    let own = match definition {
        Definition::Inside(name) => folder.join(format!("{name}.dockerignore")),
        Definition::Outside(..) => folder.join(".dockerignore"),
    };
    for path in [own, folder.join(".dockerignore")] {
        match fs::read_to_string(path) {
            Ok(text) => return Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::new())
}

/// What is in a folder below `prefix`, in the archive `under` a path that is empty or ends with a slash.
fn folder_entries(
    builder: &mut tar::Builder<impl Write>,
    (folder, under): (&Path, &str),
    prefix: &str,
    ignore: &Ignore,
    keep: &str,
) -> io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder.join(prefix))?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        // The builder needs both files, whatever the rules say of them; it leaves them out by itself.
        let needed = path == keep || path == ".dockerignore" || path == format!("{keep}.dockerignore");
        let excluded = ignore.excludes(&path).is_some() && !needed;
        if kind.is_dir() {
            if !excluded {
                entry_of(builder, &entry.path(), &format!("{under}{path}"))?;
            }
            if !excluded || ignore.takes_back() || keep.starts_with(&format!("{path}/")) {
                folder_entries(builder, (folder, under), &path, ignore, keep)?;
            }
        } else if !excluded {
            entry_of(builder, &entry.path(), &format!("{under}{path}"))?;
        }
    }
    Ok(())
}

fn entry_of(builder: &mut tar::Builder<impl Write>, from: &Path, path: &str) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::symlink_metadata(from)?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
    if meta.file_type().is_symlink() {
        header.set_size(0);
        return builder.append_link(&mut header, path, fs::read_link(from)?);
    }
    if meta.is_dir() {
        header.set_size(0);
        return builder.append_data(&mut header, format!("{path}/"), io::empty());
    }
    if !meta.is_file() {
        // Sockets and pipes are no content.
        return Ok(());
    }
    // A file that grows meanwhile is sent as long as it was.
    header.set_size(meta.len());
    builder.append_data(&mut header, path, File::open(from)?.take(meta.len()))
}

fn text_entry(builder: &mut tar::Builder<impl Write>, path: &str, text: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(text.len() as u64);
    builder.append_data(&mut header, path, text)
}

/// `id=ID,src=FILE` or `id=ID,env=NAME`: the id, and the content in base64.
///
/// # Errors
/// It has no id, or its file cannot be read.
pub fn secret(text: &str) -> Result<(String, String)> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let part = |wanted: &[&str]| {
        text.split(',').filter_map(|part| part.split_once('=')).find(|(key, _)| wanted.contains(key)).map(|(_, value)| value)
    };
    let Some(id) = part(&["id"]) else { return Err(Failure::new(format!("ERROR: invalid secret {text:?}: it has no id"))) };
    let content = match (part(&["src", "source"]), part(&["env"])) {
        (Some(file), _) => fs::read(file).map_err(|_| Failure::new(format!("ERROR: failed to stat {file}: no such file or directory")))?,
        (None, Some(name)) => std::env::var(name).unwrap_or_default().into_bytes(),
        (None, None) => match std::env::var(id) {
            Ok(value) => value.into_bytes(),
            Err(_) => fs::read(id).map_err(|_| Failure::new(format!("ERROR: failed to stat {id}: no such file or directory")))?,
        },
    };
    Ok((id.to_owned(), STANDARD.encode(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path, definition: &Definition, others: &[(String, PathBuf)]) -> Vec<String> {
        let mut file = tempfile::tempfile().unwrap();
        pack(folder, definition, others, &mut file).unwrap();
        file.rewind().unwrap();
        let mut archive = tar::Archive::new(file);
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    #[test]
    fn what_the_rules_leave_out_is_not_sent_but_the_builder_gets_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            fs::write(folder.path().join(name), text).unwrap();
        };
        write(".dockerignore", "secret\nlogs\n!logs/kept\nDockerfile\n.dockerignore\n");
        for name in ["Dockerfile", "a", "secret", "logs/kept", "logs/gone", "src/b"] {
            write(name, "x");
        }
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        let inside = names(folder.path(), &Definition::Inside("Dockerfile".to_owned()), &[]);
        assert_eq!(inside, [".dockerignore", "Dockerfile", "a", "link", "logs/kept", "src/", "src/b"]);
        let outside = names(folder.path(), &Definition::Outside(".dockerfile.1".to_owned(), b"FROM scratch".to_vec()), &[]);
        assert_eq!(outside[outside.len() - 2..], [".dockerfile.1", ".dockerignore"]);
        assert!(!outside.contains(&"Dockerfile".to_owned()));
        let other = tempfile::tempdir().unwrap();
        for (name, text) in [(".dockerignore", "no\n"), ("no", ""), ("yes", "")] {
            fs::write(other.path().join(name), text).unwrap();
        }
        let more = names(folder.path(), &Definition::Inside("Dockerfile".to_owned()), &[("lib".to_owned(), other.path().to_owned())]);
        let more = &more[inside.len()..];
        assert_eq!(more, [".bottleship-contexts/0/", ".bottleship-contexts/0/.dockerignore", ".bottleship-contexts/0/yes"]);
    }

    #[test]
    fn secrets_come_from_files_and_variables() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "top").unwrap();
        assert_eq!(secret(&format!("id=a,src={}", file.path().display())).unwrap(), ("a".to_owned(), "dG9w".to_owned()));
        assert!(secret("src=x").is_err() && secret("id=a,src=/no/such/file").is_err());
    }
}
