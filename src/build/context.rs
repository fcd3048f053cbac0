//! The context: what is built from.
//!
//! A folder is read where it is; what is [elsewhere](remote) is fetched first; an archive, from standard input or from a server, is unpacked into the workshop first, by the same rules as a layer. What
//! `.dockerignore` leaves out is not there for any instruction. The Dockerfile itself may be elsewhere, and need not be part of the context.

pub mod named;
pub mod remote;
mod tail;

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::error::{During as _, Error, Result};
use super::ignore::{Ignore, cleaned};
use super::tree::Tree;
use crate::kernel::fs;
use crate::kernel::root::Root;
use crate::oci::image::archive::Limits;
use crate::oci::image::compress::{Compression, decoder};
use crate::oci::image::unpack::{self, Owners, Whiteouts};
use tail::Tail;

/// The largest Dockerfile, in bytes.
const LARGEST: u64 = 4 << 20;

/// A context.
#[derive(Debug, Clone)]
pub struct Context {
    /// Its folder.
    pub folder: PathBuf,
    /// What of it does not count.
    pub ignore: Ignore,
    /// The length of the file that says so, in bytes.
    pub ignored: u64,
    /// The Dockerfile's name, for messages.
    pub name: String,
    /// Its text.
    pub definition: String,
}

impl Context {
    /// A folder, with the Dockerfile in it (`None`: `Dockerfile`), at a path of its own, or as text.
    ///
    /// # Errors
    /// There is no such folder or file.
    pub fn folder(folder: &Path, file: Option<&str>, text: Option<String>) -> Result<Self> {
        if !folder.is_dir() {
            let why = format!("unable to prepare context: path \"{}\" not found", folder.display());
            return Err(Error::new(why).hint("the context is a folder: `bottleship build .`"));
        }
        let root = Root::open(folder)?;
        let (name, definition) = match (file, text) {
            (_, Some(text)) => ("Dockerfile".to_owned(), text),
            (None, None) => ("Dockerfile".to_owned(), default_file(&root)?),
            (Some(path), None) => (base_name(path), given_file(&root, folder, path, Here::First)?),
        };
        let (ignore, ignored) = ignore_of(&root, file)?;
        Ok(Context { folder: folder.to_owned(), ignore, ignored, name, definition })
    }

    /// A folder that came from elsewhere: its Dockerfile is in it, and only if not, a path of this machine.
    ///
    /// # Errors
    /// As [`Context::folder`].
    fn unpacked(folder: &Path, file: Option<&str>) -> Result<Self> {
        let root = Root::open(folder)?;
        let text = file.map(|path| given_file(&root, folder, path, Here::Last)).transpose()?;
        let name = file.map_or_else(|| "Dockerfile".to_owned(), base_name);
        let context = match text {
            Some(text) => {
                let (ignore, ignored) = ignore_of(&root, file)?;
                Context { folder: folder.to_owned(), ignore, ignored, name, definition: text }
            }
            None => Context::folder(folder, None, None)?,
        };
        Ok(context)
    }

    /// An archive, or a Dockerfile alone: whichever `input` turns out to be. An archive goes to `place`, an empty folder.
    ///
    /// # Errors
    /// It is neither; the archive is hostile.
    pub fn stream(input: impl Read, place: &Path, file: Option<&str>) -> Result<Self> {
        match unpack_archive(input, place)? {
            None => Context::unpacked(place, file),
            Some(definition) => {
                Ok(Context { folder: place.to_owned(), ignore: Ignore::default(), ignored: 0, name: "Dockerfile".to_owned(), definition })
            }
        }
    }
}

/// Unpacks an archive into `place`, an empty folder. What is none is given back as a text.
///
/// # Errors
/// It is empty, or the archive is hostile.
pub fn unpack_archive(input: impl Read, place: &Path) -> Result<Option<String>> {
    let failed = |error: std::io::Error| Error::new(format!("unable to prepare context: read the archive: {error}"));
    let mut start = Vec::new();
    let mut input = input;
    input.by_ref().take(512).read_to_end(&mut start).map_err(failed)?;
    if start.is_empty() {
        return Err(Error::new("unable to prepare context: the input is empty").hint("pipe a Dockerfile or a tar archive into it"));
    }
    let packed = Compression::of(&start) != Compression::None;
    if !packed && !is_tar(&start) {
        let mut text = start;
        input.take(LARGEST).read_to_end(&mut text).map_err(failed)?;
        return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
    }
    let root = Root::open(place)?;
    let options = unpack::Options { whiteouts: Whiteouts::Keep, owners: Owners::possible(), limits: Limits::default() };
    let decoded = decoder(Cursor::new(start).chain(input)).map_err(failed)?;
    unpack::unpack(Tail::new(decoded), &root, options, &|_| None).during(|| "unable to prepare context")?;
    Ok(None)
}

/// The tree of a further context: a folder, without what its own `.dockerignore` leaves out.
///
/// # Errors
/// It cannot be opened, or that file is broken.
pub fn tree(folder: &Path) -> Result<Tree> {
    let root = Root::open(folder)?;
    let (ignore, _) = ignore_of(&root, None)?;
    Ok(Tree { root, ignore, owned_by_root: true })
}

/// When a path of this machine is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    /// Before the context.
    First,
    /// Only where the context has none: it is somebody else's.
    Last,
}

/// Whether the first block of a file is a tar's: the sum of its bytes is in it.
pub fn is_tar(block: &[u8]) -> bool {
    let Some(header) = block.get(..512) else { return false };
    let text = String::from_utf8_lossy(&header[148..156]).into_owned();
    let told = u32::from_str_radix(text.trim_matches(['\0', ' ']), 8);
    let sum: u32 = header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    told == Ok(sum) && header.iter().any(|byte| *byte != 0)
}

fn base_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn text_of(bytes: Vec<u8>, name: &str) -> Result<String> {
    if bytes.len() as u64 > LARGEST {
        return Err(Error::new(format!("the Dockerfile `{name}` is larger than {LARGEST} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `Dockerfile`, or `dockerfile`, which BuildKit takes too.
fn default_file(root: &Root) -> Result<String> {
    for name in ["Dockerfile", "dockerfile"] {
        if let Ok(bytes) = root.read(Path::new(name)) {
            return text_of(bytes, name);
        }
    }
    Err(Error::new("failed to read dockerfile: open Dockerfile: no such file or directory")
        .hint(format!("there is no Dockerfile in `{}`: name the context's folder, or another file with -f", root.path().display())))
}

/// `-f`: a path on the machine, or if there is none, one in the context.
fn given_file(root: &Root, folder: &Path, path: &str, here: Here) -> Result<String> {
    let (ours, inside) = (|| fs::read_bytes(Path::new(path)), || root.read(Path::new(&cleaned(path))));
    let read = match here {
        Here::First => ours().or_else(|error| inside().map_err(|_| error)),
        Here::Last => inside().or_else(|_| ours()),
    };
    let bytes = read.map_err(|error| {
        Error::new(format!("failed to read dockerfile: open {path}: {}", error.errno.desc().to_lowercase()))
            .hint(format!("neither `{path}` nor `{}` can be read", folder.join(path).display()))
    })?;
    text_of(bytes, path)
}

/// `NAME.dockerignore` beside the Dockerfile, else the context's `.dockerignore`.
fn ignore_of(root: &Root, file: Option<&str>) -> Result<(Ignore, u64)> {
    let own = file.map(|file| format!("{file}.dockerignore"));
    let beside = own.as_ref().and_then(|own| fs::read_bytes(Path::new(own)).ok().or_else(|| root.read(Path::new(own)).ok()));
    let beside = beside.or_else(|| root.read(Path::new("Dockerfile.dockerignore")).ok().filter(|_| file.is_none()));
    let Some(bytes) = beside.or_else(|| root.read(Path::new(".dockerignore")).ok()) else { return Ok((Ignore::default(), 0)) };
    let ignore = Ignore::read(&String::from_utf8_lossy(&bytes)).during(|| "error reading .dockerignore")?;
    Ok((ignore, bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_dockerfile_and_its_ignore_file_are_found() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let open = |file: Option<&str>| Context::folder(place.path(), file, None);
        assert!(open(None).unwrap_err().why.starts_with("failed to read dockerfile: open Dockerfile: no such file"));
        fs::write(at("Dockerfile"), "FROM a").unwrap();
        fs::write(at(".dockerignore"), "x").unwrap();
        fs::create_dir(at("docker")).unwrap();
        fs::write(at("docker/prod"), "FROM b").unwrap();
        fs::write(at("docker/prod.dockerignore"), "y").unwrap();
        let usual = open(None).unwrap();
        assert_eq!((usual.definition.as_str(), usual.ignore.excludes("x"), usual.ignore.excludes("y")), ("FROM a", Some("x"), None));
        let other = open(Some("docker/prod")).unwrap();
        assert_eq!((other.definition.as_str(), other.name.as_str(), other.ignore.excludes("y")), ("FROM b", "prod", Some("y")));
        assert!(open(Some("none")).unwrap_err().why.contains("open none: no such file or directory"));
        assert!(Context::folder(&at("nowhere"), None, None).unwrap_err().why.contains("not found"));
        fs::write(at(".dockerignore"), "[").unwrap();
        assert_eq!(open(None).unwrap_err().why, "error reading .dockerignore: syntax error in pattern `[`");
    }

    #[test]
    fn a_dockerfile_cannot_be_a_link_to_the_outside() {
        let (place, canary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(canary.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(canary.path().join("secret"), place.path().join("Dockerfile")).unwrap();
        assert!(Context::folder(place.path(), None, None).is_err());
    }

    #[test]
    fn a_stream_is_an_archive_or_a_dockerfile() {
        let place = tempfile::tempdir().unwrap();
        let alone = Context::stream(&b"FROM scratch\n"[..], place.path(), None).unwrap();
        assert_eq!(alone.definition, "FROM scratch\n");
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in [("Dockerfile", "FROM a"), ("dir/file", "x")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        let plain = builder.into_inner().unwrap();
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zipped, &plain).unwrap();
        for bytes in [plain.clone(), zipped.finish().unwrap(), zstd::encode_all(&plain[..], 1).unwrap()] {
            let place = tempfile::tempdir().unwrap();
            let context = Context::stream(&bytes[..], place.path(), None).unwrap();
            assert_eq!(context.definition, "FROM a");
            assert_eq!(fs::read_to_string(place.path().join("dir/file")).unwrap(), "x");
        }
        assert!(Context::stream(&b""[..], place.path(), None).unwrap_err().why.contains("empty"));
        assert!(Context::stream(&plain[..600], place.path(), None).is_err());
    }
}
