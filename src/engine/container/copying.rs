//! `docker cp`: a path of a container as an archive, and an archive into a container.
//!
//! A container that runs is seen as its own processes see it, with its volumes; one that does not is mounted for the moment, and what lies in a volume is
//! looked for in that.
//! Every path is resolved below the container's root, by the kernel (`openat2`): links of a hostile image lead nowhere else.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::json;

use super::Container;
use super::mounts::cleaned;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::folder::{FileType, Folder, Status};
use crate::kernel::ids;
use crate::kernel::root::Root;
use crate::oci::image::archive::Limits;
use crate::oci::image::overlay::Lasting;
use crate::oci::image::pack::{Source, pack, pack_one};
use crate::oci::image::unpack::{Options, Owners, Whiteouts, unpack};

/// A container's tree, as long as it is needed.
pub struct Tree<'a> {
    /// Its root.
    root: Root,
    /// What is mounted in a container that does not run: where, and from where outside. The longest path first.
    volumes: Vec<(PathBuf, PathBuf)>,
    mounted: Option<(&'a Engine, String)>,
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        if let Some((engine, id)) = &self.mounted {
            engine.unmount(id);
            engine.unmount_volumes(id);
        }
    }
}

impl Tree<'_> {
    /// The root that a path of the container is below, and the path there. A volume as a whole is what it is called in the folder that it lies in outside:
    /// that folder is ours or the administrator's, and never the container's.
    fn at(&self, path: &Path) -> Result<(Root, PathBuf), Fault> {
        let volume = self.volumes.iter().find_map(|(place, source)| Some((source, path.strip_prefix(place).ok()?)));
        let Some((source, rest)) = volume else {
            return Ok((Root::from_fd(self.root.handle(Path::new("/"))?, Path::new("/")), path.to_owned()));
        };
        match (source.parent(), source.file_name()) {
            (Some(parent), Some(name)) if rest.as_os_str().is_empty() => Ok((Root::open(parent)?, Path::new("/").join(name))),
            _ => Ok((Root::open(source)?, Path::new("/").join(rest))),
        }
    }
}

/// What a path in a container stands for.
pub struct Found {
    /// The folder it is in, and its name there; `None` for the root itself.
    place: Option<(Folder, OsString)>,
    /// Its name in the container.
    shown: OsString,
    /// What it is, for the client: `X-Docker-Container-Path-Stat`.
    pub described: String,
}

impl Engine {
    /// The tree of a container. The caller holds the turn of one that does not run.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn tree(&self, container: &Container) -> Result<Tree<'_>, Fault> {
        let record = container.record();
        if record.state.is_running() {
            let root = Root::open(Path::new(&format!("/proc/{}/root", record.state.pid)))?;
            return Ok(Tree { root, volumes: Vec::new(), mounted: None });
        }
        let merged = self.mount(&record, Lasting::Yes)?;
        let mut tree = Tree { root: Root::open(&merged)?, volumes: Vec::new(), mounted: Some((self, record.id.clone())) };
        self.mount_volumes(&record)?;
        // A single file that is bound stays what it is below.
        let folders = record.mounts.iter().filter(|mount| mount.kind != "tmpfs" && Path::new(&mount.source).is_dir());
        for mount in folders {
            tree.volumes.push((PathBuf::from(&mount.destination), PathBuf::from(&mount.source)));
        }
        tree.volumes.sort_by_key(|(place, _)| std::cmp::Reverse(place.components().count()));
        Ok(tree)
    }

    /// What is at `path` in a container.
    ///
    /// # Errors
    /// Nothing is there.
    pub fn look(&self, container: &Container, tree: &Tree<'_>, path: &str) -> Result<Found, Fault> {
        let missing = || Fault::not_found(format!("Could not find the file {path} in container {}", container.name()));
        let clean = cleaned(&format!("/{path}")).ok_or_else(missing)?;
        let clean = Path::new(&clean);
        let (Some(parent), Some(name)) = (clean.parent(), clean.file_name()) else {
            return Ok(Found { place: None, shown: OsString::new(), described: described(OsStr::new("/"), None, "") });
        };
        let (root, inner) = tree.at(clean)?;
        // A slash behind the name means what a link leads to.
        if path.ends_with('/') || path.ends_with("/.") {
            let folder = Folder::within(&root, &inner).map_err(|_| missing())?;
            drop(folder);
        }
        let folder = Folder::within(&root, inner.parent().unwrap_or(Path::new("/"))).map_err(|_| missing())?;
        let there = inner.file_name().unwrap_or(name);
        let status = folder.status(there)?.ok_or_else(missing)?;
        let link = if status.kind == FileType::Symlink { folder.read_link(there)?.to_string_lossy().into_owned() } else { String::new() };
        // Relative to where the link is, as a path from the container's root.
        let link = if link.is_empty() || link.starts_with('/') { link } else { parent.join(link).display().to_string() };
        let link = if link.is_empty() { link } else { cleaned(&link).unwrap_or_default() };
        Ok(Found { described: described(name, Some(&status), &link), place: Some((folder, there.to_owned())), shown: name.to_owned() })
    }

    /// Packs what was found.
    ///
    /// # Errors
    /// A file cannot be read, or nobody listens any more.
    pub fn pack_found(&self, tree: &Tree<'_>, found: &Found, writer: impl Write) -> Result<(), Fault> {
        match &found.place {
            Some((folder, name)) => pack_one(folder, name, Path::new(&found.shown), writer)?,
            None => pack(&Folder::within(&tree.root, Path::new("/"))?, Source::Tree, writer)?,
        };
        Ok(())
    }

    /// Unpacks an archive into a folder of a container. `owners`: files belong to whom the archive says, otherwise to root.
    ///
    /// # Errors
    /// There is no such folder, the root is read-only, or the archive breaks its rules.
    pub fn unpack_into(&self, container: &Container, tree: &Tree<'_>, path: &str, owners: bool, reader: impl Read) -> Result<(), Fault> {
        let missing = || Fault::not_found(format!("Could not find the file {path} in container {}", container.name()));
        let clean = cleaned(&format!("/{path}")).ok_or_else(missing)?;
        let record = container.record();
        let inner = Path::new(&clean);
        let into_volume = record.mounts.iter().any(|mount| mount.writable && inner.starts_with(&mount.destination));
        if record.host.readonly_rootfs && !into_volume {
            return Err(Fault { status: axum::http::StatusCode::FORBIDDEN, message: "container rootfs is marked read-only".to_owned() });
        }
        let (root, place) = tree.at(inner)?;
        let handle = root.handle(&place).map_err(|_| missing())?;
        if Folder::within(&root, &place).is_err() {
            return Err(Fault::bad("extraction point is not a directory"));
        }
        let target = Root::from_fd(handle, inner);
        let owners = if owners && !ids::single() { Owners::Archive } else { Owners::Us };
        unpack(reader, &target, Options { whiteouts: Whiteouts::Keep, owners, limits: Limits::default() }, &|_: &Path| None)?;
        Ok(())
    }
}

/// The description that the client reads, in base64.
fn described(name: &OsStr, status: Option<&Status>, link: &str) -> String {
    let (seconds, nanoseconds) = status.map_or((0, 0), |status| status.modified);
    let moment = Timestamp::new(seconds, i32::try_from(nanoseconds).unwrap_or(0)).unwrap_or_default().to_string();
    let document = json!({
        "name": name.to_string_lossy(), "size": status.map_or(4096, |status| status.size), "mode": status.map_or(GO_FOLDER | 0o755, go_mode),
        "mtime": moment, "linkTarget": link,
    });
    base64::engine::general_purpose::STANDARD.encode(document.to_string())
}

/// `os.ModeDir`.
const GO_FOLDER: u32 = 1 << 31;

/// Mode and kind as Go's `os.FileMode` has them.
fn go_mode(status: &Status) -> u32 {
    let kind = match status.kind {
        FileType::Directory => GO_FOLDER,
        FileType::Symlink => 1 << 27,
        FileType::BlockDevice => 1 << 26,
        FileType::Fifo => 1 << 25,
        FileType::Socket => 1 << 24,
        FileType::CharacterDevice => 1 << 26 | 1 << 21,
        _ => 0,
    };
    let bits = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = bits.into_iter().filter(|(bit, _)| status.mode & bit != 0).fold(0, |all, (_, go)| all | go);
    kind | special | (status.mode & 0o777)
}
