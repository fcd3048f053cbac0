//! What a container has written, seen in three ways: as a list (`docker diff`), with all that is below it (`docker export`), as the layer of a new image
//! (`docker commit`).
//!
//! All of it is in `overlay2/ID/diff`, the upper folder of its tree. It is read as the archive that a layer would be, so that removals, links and folders that were
//! replaced as a whole mean here what they mean in an image.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::config::Config;
use super::record::Record;
use crate::build::changes;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::folder::{Folder, Status};
use crate::kernel::root::Root;
use crate::oci::image::Image;
use crate::oci::image::archive::{self, Entry, Limits};
use crate::oci::image::overlay::Lasting;
use crate::oci::image::pack::{Source, pack};
use crate::oci::image::spec::RunConfig;
use crate::oci::reference::Reference;

/// What the engine itself puts into every container so that something can be bound or mounted there. Docker keeps these in a layer of their own.
const OURS: [&str; 7] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev", "/proc", "/sys", "/.dockerenv"];

/// What became of a path, by Docker's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is in the image, and is another one now.
    Modified = 0,
    /// It is not in the image.
    Added = 1,
    /// It is in the image, and hidden.
    Deleted = 2,
}

/// A new image that is to be made of a container.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Its name, if it gets one.
    pub name: Option<Reference>,
    /// Who made it.
    pub author: String,
    /// What stands beside its line in the history.
    pub comment: String,
    /// Lines of a Dockerfile.
    pub changes: Vec<String>,
}

impl Engine {
    /// What differs from the image, by path.
    ///
    /// # Errors
    /// The container's folder cannot be read.
    pub fn changed(&self, record: &Record) -> Result<BTreeMap<PathBuf, Change>, Fault> {
        let upper = Folder::open(&self.overlay_folder(&record.id).join("diff"))?;
        let below = self.lower(record)?;
        let mut found = BTreeMap::new();
        let broken = |error: std::io::Error| Fault::internal(format!("list what the container has written: {error}"));
        let (mut reader, writer) = std::io::pipe().map_err(broken)?;
        std::thread::scope(|scope| {
            let packing = scope.spawn(move || pack(&upper, Source::Upper, writer));
            let read = archive::read(&mut reader, Limits::default(), |entry, _| {
                note(&mut found, entry, &|path| status_below(&below, path));
                Ok(())
            });
            // The packer ends when it has written all, or when nobody reads any more.
            drop(reader);
            let packed = packing.join().map_err(|_| Fault::internal("list what the container has written: the packer ended"))?;
            read?;
            packed?;
            Ok::<(), Fault>(())
        })?;
        let own: Vec<PathBuf> = record.mounts.iter().map(|point| PathBuf::from(&point.destination)).collect();
        found.retain(|path, change| *change == Change::Deleted || !is_ours(path, &own));
        Ok(without_mere_parents(found))
    }

    /// Writes the container's whole tree as a tar. The caller holds its turn.
    ///
    /// # Errors
    /// A file cannot be read, or nobody takes the archive any more.
    pub fn export(&self, record: &Record, writer: impl Write) -> Result<(), Fault> {
        let running = record.state.is_running();
        let tree = if running { self.merged(&record.id) } else { self.mount(record, Lasting::Yes)? };
        let packed = Folder::open(&tree).map_err(Fault::from).and_then(|folder| Ok(pack(&folder, Source::Tree, writer)?));
        if !running {
            self.unmount(&record.id);
        }
        packed.map(drop)
    }

    /// Makes an image of a container's changes over its image. The caller holds its turn.
    ///
    /// # Errors
    /// Its image is gone, a line of the wish is no change, or the store cannot be written.
    pub fn commit(&self, record: &Record, wish: &Wish) -> Result<Image, Fault> {
        let mut base = self.store.find(&record.image, &self.platform)?;
        let mut config = base.config.clone();
        config.config = run_config(&record.config, &base.config.config);
        config.config = changes::apply(&config, &wish.changes).map_err(|error| Fault::bad(error.to_string()))?;
        config.author = Some(wish.author.clone()).filter(|author| !author.is_empty()).or(config.author);
        base.config = config;
        let upper = Folder::open(&self.overlay_folder(&record.id).join("diff"))?;
        let image = self.store.commit(&base, &upper, &super::now(), &record.words().join(" "), &wish.comment)?;
        if let Some(name) = &wish.name {
            self.store.set_name(name, &image.target)?;
        }
        self.store.unpack_image(&image, Limits::default(), &mut |_, _| {})?;
        Ok(image)
    }
}

/// How containers of the new image run: as this one, which was merged from its image and what `docker run` said.
fn run_config(own: &Config, image: &RunConfig) -> RunConfig {
    RunConfig {
        user: own.user.clone(),
        exposed_ports: own.exposed_ports.clone(),
        env: Some(own.env.clone()),
        entrypoint: own.entrypoint.clone(),
        cmd: own.cmd.clone(),
        healthcheck: own.healthcheck.clone(),
        volumes: own.volumes.clone(),
        working_dir: own.working_dir.clone(),
        labels: Some(own.labels.clone()),
        stop_signal: own.stop_signal.clone(),
        on_build: own.on_build.clone(),
        shell: own.shell.clone(),
        other: image.other.clone(),
    }
}

/// Notes what an entry of the layer says of its path.
fn note(found: &mut BTreeMap<PathBuf, Change>, entry: &Entry, below: &dyn Fn(&Path) -> Option<Status>) {
    let path = Path::new("/").join(&entry.path);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
    match name.as_bytes().strip_prefix(b".wh.") {
        // The mark of a folder that was replaced as a whole: its new content has entries of its own.
        Some(mark) if mark.starts_with(b".wh.") => {}
        Some(hidden) => drop(found.insert(parent.join(OsStr::from_bytes(hidden)), Change::Deleted)),
        None => {
            let relative = path.strip_prefix("/").unwrap_or(&path);
            let change = if below(relative).is_some() { Change::Modified } else { Change::Added };
            found.insert(path, change);
        }
    }
}

/// What a path is in the layers below, the highest first; nothing where it was removed.
fn status_below(below: &[PathBuf], path: &Path) -> Option<Status> {
    let (parent, name) = (path.parent()?, path.file_name()?);
    let of = |layer: &PathBuf| Folder::from_fd(Root::open(layer).ok()?.plain_directory(parent).ok()?).status(name).ok()?;
    below.iter().find_map(of).filter(|status| !status.is_whiteout())
}

fn is_ours(path: &Path, mounts: &[PathBuf]) -> bool {
    OURS.iter().any(|own| path.starts_with(own)) || mounts.iter().any(|own| path == own)
}

/// A folder is in the upper layer as soon as anything in it is. It is told of only for the sake of something that is told of.
fn without_mere_parents(found: BTreeMap<PathBuf, Change>) -> BTreeMap<PathBuf, Change> {
    let paths: Vec<PathBuf> = found.keys().cloned().collect();
    let has_more = |path: &Path| paths.iter().any(|other| other != path && other.starts_with(path));
    let is_folder_of_nothing = |path: &Path, change: Change| {
        change == Change::Modified && !has_more(path) && OURS.iter().any(|own| Path::new(own).parent() == Some(path))
    };
    found.into_iter().filter(|(path, change)| !is_folder_of_nothing(path, *change)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::image::archive::Kind;

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry { path: path.into(), kind, mode: 0o644, uid: 0, gid: 0, size: 0, modified: (0, 0), attributes: Vec::new() }
    }

    #[test]
    fn a_removal_is_told_of_the_file_and_not_of_the_mark() {
        let mut found = BTreeMap::new();
        for (path, kind) in [("etc", Kind::Folder), ("etc/.wh.motd", Kind::File), ("etc/.wh..wh..opq", Kind::File), ("new", Kind::File)] {
            note(&mut found, &entry(path, kind), &|_| None);
        }
        assert_eq!(found.get(Path::new("/etc/motd")), Some(&Change::Deleted));
        assert_eq!(found.get(Path::new("/new")), Some(&Change::Added));
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn what_the_engine_puts_there_is_not_told() {
        assert!(is_ours(Path::new("/etc/hosts"), &[]) && is_ours(Path::new("/dev/console"), &[]));
        assert!(is_ours(Path::new("/data"), &["/data".into()]) && !is_ours(Path::new("/data/x"), &["/data".into()]));
        assert!(!is_ours(Path::new("/etc/passwd"), &[]));
        let only_ours = BTreeMap::from([(PathBuf::from("/etc"), Change::Modified)]);
        assert!(without_mere_parents(only_ours).is_empty());
        let more = BTreeMap::from([(PathBuf::from("/etc"), Change::Modified), (PathBuf::from("/etc/motd"), Change::Added)]);
        assert_eq!(without_mere_parents(more).len(), 2);
    }
}
