//! What a host has written over the machine's files, seen from outside: its upper layers, and its folders on the disk of the state.
//!
//! An upper layer holds more than what is new (the kernel's page on overlayfs): the folders above each new file, a whiteout (a device 0:0) for each
//! file of the machine that was removed, an opaque folder for one that was removed and made again. So each thing says in `was` what the machine has
//! in its place, and folders that only lead to others are left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::seed;
use super::super::world::Layer;
use super::world::{add, describe, is_volatile};
use super::{files, images};
use crate::kernel::look::Look;
use crate::kernel::root::Root;
use crate::kernel::{Result, fs};

/// The kind of a thing of the machine's that was removed in the host.
pub const REMOVED: &str = "removed";

/// Where the folders of a host that lie on the disk of the state appear in the host.
const ON_DISK: [(&str, &str); 3] = [("root", "/root"), ("tmp", "/tmp"), ("var-tmp", "/var/tmp")];
/// The same for the data of the engine, which is told of by what it holds.
const ENGINE: &str = "docker";

/// What a host has written, as things of a snapshot. `folder` is the host's folder in the state of the bottle, looked at from outside.
///
/// # Errors
/// The folder cannot be read.
pub fn written(folder: &Path) -> Result<Map<String, Value>> {
    let mut things = Map::new();
    // Where folders are overlaid one by one there is no id map, and files of the machine belong to nobody.
    let owners = !folder.join(seed::DISK).join("frame").exists();
    for key in fs::list(&folder.join(seed::UPPER))? {
        let shown = Layer::path_of(&key);
        // A layer whose machine's side cannot be looked at has nothing below it.
        let machine = Root::open(&shown).ok();
        let base = ids(&folder.join(seed::WORK).join(&key))?;
        Upper { root: Root::open(&folder.join(seed::UPPER).join(key))?, machine, shown, base, owners, opaque: BTreeSet::new() }
            .add_to(&mut things)?;
    }
    for (name, shown) in ON_DISK {
        let part = folder.join(seed::DISK).join(name);
        if part.is_dir() {
            let base = ids(&part)?;
            Upper { root: Root::open(&part)?, machine: None, shown: shown.into(), base, owners, opaque: BTreeSet::new() }
                .add_to(&mut things)?;
        }
    }
    let engine = folder.join(seed::DISK).join(ENGINE);
    if engine.is_dir() {
        images::add_to(&mut things, &Root::open(&engine)?, Path::new("/"));
    }
    Ok(things)
}

/// The owner of a folder that belongs to the bottle's root: each bottle has a range of ids of its own.
fn ids(folder: &Path) -> Result<(u32, u32)> {
    let look = Root::open(folder)?.look(Path::new("/"))?;
    Ok((look.uid, look.gid))
}

/// One folder in which a host's writes lie.
struct Upper {
    root: Root,
    /// What the machine has there.
    machine: Option<Root>,
    /// Where both are in the host.
    shown: PathBuf,
    base: (u32, u32),
    /// Whether owners can be compared with the machine's.
    owners: bool,
    /// Folders below which nothing of the machine is seen.
    opaque: BTreeSet<PathBuf>,
}

impl Upper {
    fn add_to(mut self, things: &mut Map<String, Value>) -> Result<()> {
        let top = self.root.look(Path::new("/"))?;
        let mut found = vec![(PathBuf::from("/"), top.clone())];
        files::walk(&self.root, Path::new("/"), &top, &mut |path, look| found.push((path.to_owned(), look.clone())));
        for (path, look) in found {
            let inner = path.strip_prefix("/").unwrap_or(&path);
            // Joined to nothing a path would end in a slash.
            let name = if inner.as_os_str().is_empty() { self.shown.clone() } else { self.shown.join(inner) };
            if !is_volatile(&name)
                && let Some(thing) = self.thing(&path, &look)
            {
                add(things, format!("file/{}", name.display()), thing);
            }
        }
        Ok(())
    }

    /// The file as it is in the host, and what it was on the machine. `None` for a folder that is just as it was.
    fn thing(&mut self, path: &Path, look: &Look) -> Option<Value> {
        let below = self.below(path);
        if look.device == Some((0, 0)) {
            return below.map(|_| json!({ "kind": REMOVED }));
        }
        let opaque = look.sort == "dir" && below.is_some() && self.root.is_opaque(path);
        if opaque {
            self.opaque.insert(path.to_owned());
        }
        let mut thing = describe(&self.root, path, look, self.base);
        let Some(below) = below else { return Some(thing) };
        let was = self.was(&below);
        // A rootless bottle's root may enter and change all folders that are its own (`seed::take_over`).
        let same = |field: &str| was.get(field).is_none_or(|was| *was == thing[field]);
        let mode = below.mode == look.mode || !self.owners && below.mode | 0o700 == look.mode;
        if !opaque && look.sort == "dir" && below.sort == "dir" && mode && same("owner") {
            return None;
        }
        thing["was"] = was;
        Some(thing)
    }

    /// What the machine has there, and the host would show.
    fn below(&self, path: &Path) -> Option<Look> {
        if path.ancestors().skip(1).any(|above| self.opaque.contains(above)) {
            return None;
        }
        self.machine.as_ref()?.look(path).ok()
    }

    fn was(&self, below: &Look) -> Value {
        let mut was = json!({ "kind": below.sort, "mode": format!("{:04o}", below.mode) });
        if self.owners {
            was["owner"] = format!("{}:{}", below.uid, below.gid).into();
        }
        was
    }
}
