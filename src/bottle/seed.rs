//! What a host's folder on disk holds before its first boot: empty layers to write to, and covers over what is private on the machine.
//!
//! ```text
//! hosts/HOST/upper/LAYER    what the host has written over a file system of the machine; covers lie here too
//!           /work/LAYER     overlayfs's own
//!           /disk/NAME      folders that are not overlays, so that overlays can be made in them
//! ```
//!
//! A cover is an opaque folder (`user.overlay.opaque`, see the kernel's overlayfs page) or a file of our own in the upper layer. Root in
//! the bottle can delete it, and then finds nothing: the lower layer's entry stays hidden by a whiteout.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::world::{Layout, World};
use super::{Error, Mode, machine, state};
use crate::kernel::{self, fs, inode};

/// The folder of upper layers.
pub const UPPER: &str = "upper";
/// The folder of work folders.
pub const WORK: &str = "work";
/// The folder of folders that are not overlays.
pub const DISK: &str = "disk";
/// The recorder's socket: in the state folder for the outside, and beside the hosts' folders, where PID 1 sees it too, for the processes in
/// the bottle. Who comes through the second is not trusted.
pub const JOURNAL_SOCKET: &str = "journal.sock";

/// A folder of a host that lies on the state's own disk.
pub struct DiskFolder {
    /// What it is called in the host's `disk`.
    pub name: &'static str,
    /// Where it is in the host.
    pub target: &'static str,
    mode: u32,
}

const fn folder(name: &'static str, target: &'static str, mode: u32) -> DiskFolder {
    DiskFolder { name, target, mode }
}

/// All of them.
pub const DISK_FOLDERS: &[DiskFolder] = &[
    folder("root", "/root", 0o700),
    folder("tmp", "/tmp", 0o1777),
    folder("var-tmp", "/var/tmp", 0o1777),
    folder("lib", "/var/lib/bottleship", 0o755),
    folder("docker", "/var/lib/docker", 0o710),
];

/// Makes the folder of a host, or completes the one of its last boot.
///
/// # Errors
/// A folder or a cover cannot be made: no space, or a file system without user xattrs.
pub fn host(world: &World, name: &str) -> Result<(), Error> {
    let place = world.state.host(name);
    let done = place.join("seeded");
    if done.exists() {
        return Ok(());
    }
    let seeded = folders(world, &place).and_then(|()| copies(world, &place)).and_then(|()| covers(world, &place));
    seeded.map_err(Error::at(format!("prepare the files of the host `{name}`")))?;
    // Nothing here waits for the disk: a file system that keeps a journal keeps its order too, so after a power cut the note is there only with all
    // that was made before it (a cover may have lost its text, and still covers).
    fs::put(&done, b"", 0o600).map_err(Error::at("note that the host is prepared"))
}

fn folders(world: &World, place: &Path) -> kernel::Result<()> {
    fs::create_dir_all(place, 0o755)?;
    for layer in &world.layers {
        for part in [UPPER, WORK] {
            let made = place.join(part).join(layer.key());
            fs::create_dir_all(&made, 0o755)?;
            own(world, &made, (0, 0))?;
        }
        // The upper folder's own mode and owner are what the host sees as those of the layer's root.
        like(world, &layer.path, &place.join(UPPER).join(layer.key()))?;
    }
    for one in DISK_FOLDERS {
        let made = place.join(DISK).join(one.name);
        fs::create_dir_all(&made, 0o755)?;
        inode::set_mode(&made, one.mode)?;
        own(world, &made, (0, 0))?;
    }
    if world.layout == Layout::Whole {
        return Ok(());
    }
    for layer in world.layers.iter().filter(|layer| !layer.copied) {
        take_over(&layer.path, &place.join(UPPER).join(layer.key()), depth(&layer.path))?;
    }
    frame(world, &place.join(DISK).join("frame"))
}

/// How deep the folders of a layer are taken over: all of `/etc`, and of the others, which may be large, what a learner changes. Each folder
/// costs every boot: a toolchain in `/opt`, taken over whole, made it 5 s.
fn depth(layer: &Path) -> usize {
    match layer.to_str() {
        Some("/etc") => 8,
        Some("/var" | "/srv") => 3,
        _ => 2,
    }
}

/// Gives the upper layer a folder for each of the lower one. Without an id map the machine's folders belong to nobody in the bottle, and not even
/// its root may remove `/bin/ls` from one of those; those of the upper layer are the bottle's own.
fn take_over(lower: &Path, upper: &Path, depth: usize) -> kernel::Result<()> {
    // What is hidden shall not even show the names of its folders.
    if depth == 0 || machine::HIDDEN_FOLDERS.iter().any(|hidden| lower == Path::new(hidden)) {
        return Ok(());
    }
    for name in fs::list(lower).unwrap_or_default() {
        let (below, above) = (lower.join(&name), upper.join(&name));
        if let Ok(data) = std::fs::symlink_metadata(&below)
            && data.is_dir()
        {
            fs::create_dir_all(&above, 0o755)?;
            // Ours to write in, whatever the machine's is: the next ones are made in it.
            inode::set_mode(&above, data.mode() & 0o7777 | 0o700)?;
            take_over(&below, &above, depth - 1)?;
        }
    }
    Ok(())
}

/// The folders that a host has a copy of. Files that we may not read are not in it, and no devices or sockets.
fn copies(world: &World, place: &Path) -> kernel::Result<()> {
    let copied = world.layers.iter().filter(|layer| layer.copied);
    copied.into_iter().try_for_each(|layer| copy(&layer.path, &place.join(UPPER).join(layer.key())))
}

fn copy(from: &Path, to: &Path) -> kernel::Result<()> {
    fs::create_dir_all(to, 0o755)?;
    if machine::HIDDEN_FOLDERS.iter().any(|hidden| from == Path::new(hidden)) {
        return Ok(());
    }
    for name in fs::list(from).unwrap_or_default() {
        let (source, target) = (from.join(&name), to.join(&name));
        let Ok(data) = std::fs::symlink_metadata(&source) else { continue };
        if data.is_dir() {
            copy(&source, &target)?;
        } else if let Ok(leads_to) = std::fs::read_link(&source) {
            inode::link(leads_to, &target)?;
        } else if data.is_file()
            && let Ok(content) = fs::read_bytes(&source)
        {
            fs::put(&target, &content, data.mode() & 0o777)?;
        }
    }
    Ok(())
}

/// The root folder of a host whose top-level folders are overlaid one by one: empty folders, and the machine's links.
fn frame(world: &World, frame: &Path) -> kernel::Result<()> {
    fs::create_dir_all(frame, 0o755)?;
    own(world, frame, (0, 0))?;
    for name in fs::list(Path::new("/"))? {
        let (source, target) = (Path::new("/").join(&name), frame.join(&name));
        if let Ok(leads_to) = std::fs::read_link(&source) {
            // Of an earlier boot; mostly there is none, and one that stays makes symlink(2) say so.
            let _ = std::fs::remove_file(&target);
            inode::link(leads_to, &target)?;
        } else if source.is_dir() {
            fs::create_dir_all(&target, 0o755)?;
            own(world, &target, (0, 0))?;
        }
    }
    Ok(())
}

fn covers(world: &World, place: &Path) -> kernel::Result<()> {
    for folder in machine::hidden_folders(&state::root()) {
        let is_folder = std::fs::symlink_metadata(&folder).is_ok_and(|data| data.is_dir());
        if is_folder && let Some(cover) = parents(world, place, &folder)? {
            fs::create_dir_all(&cover, 0o755)?;
            like(world, &folder, &cover)?;
            inode::note(&cover, "user.overlay.opaque", b"y")?;
        }
    }
    for (file, content, bits) in machine::HIDDEN_FILES {
        let file = Path::new(file);
        let data = std::fs::symlink_metadata(file);
        if data.as_ref().is_ok_and(std::fs::Metadata::is_file)
            && let Some(cover) = parents(world, place, file)?
        {
            fs::put(&cover, content.as_bytes(), *bits)?;
            inode::set_mode(&cover, *bits)?;
            own(world, &cover, (0, data.map_or(0, |data| data.gid())))?;
        }
    }
    Ok(())
}

/// Where the upper layer has `path`, with the folders above it made like those of the machine. `None` where no layer shows it.
fn parents(world: &World, place: &Path, path: &Path) -> kernel::Result<Option<PathBuf>> {
    let Some((layer, rest)) = world.layer_of(path) else { return Ok(None) };
    if rest.as_os_str().is_empty() {
        return Ok(None);
    }
    let (mut below, mut above) = (layer.path.clone(), place.join(UPPER).join(layer.key()));
    for part in rest.parent().into_iter().flat_map(Path::components) {
        below.push(part);
        above.push(part);
        // A link on the way would be replaced by a folder of ours: what it leads to is in the list of folders by its own name.
        if std::fs::symlink_metadata(&below).is_ok_and(|data| data.is_symlink()) {
            return Ok(None);
        }
        if !above.exists() {
            fs::create_dir_all(&above, 0o755)?;
            like(world, &below, &above)?;
        }
    }
    Ok(Some(above.join(rest.file_name().unwrap_or_default())))
}

/// Gives `copy` the mode and the owner that `original` has on the machine.
fn like(world: &World, original: &Path, copy: &Path) -> kernel::Result<()> {
    let data = std::fs::metadata(original).map_err(|error| kernel::Error::from_io("stat", original.display(), &error))?;
    inode::set_mode(copy, data.mode() & 0o7777)?;
    own(world, copy, (data.uid(), data.gid()))
}

/// Gives `path` to the user and group that these are inside. An ordinary user owns all files: they are the bottle's root inside.
fn own(world: &World, path: &Path, (user, group): (u32, u32)) -> kernel::Result<()> {
    if world.mode == Mode::Rootless {
        return Ok(());
    }
    let (first_user, first_group) = world.ids.root();
    let inside = |id: u32| if id < 65_536 { id } else { 65_534 };
    inode::give(path, (first_user + inside(user), first_group + inside(group)))
}
