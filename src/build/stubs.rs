//! The empty files and folders that a container's mounts need in its tree, and that do not belong to the layer.
//!
//! They are looked for before the container runs, and what was made is removed from the upper folder afterwards: by open folders without a link on the
//! way, and only what is still an empty file or folder. A program that put a link in their place gets nothing removed (CVE-2024-23652).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::Result;
use super::tree::{resolve, status};
use crate::kernel::folder::{FileType, Folder};
use crate::kernel::root::Root;
use crate::oci::image::unpack::OVERLAY_OPAQUE;

/// The paths that were not there before, without links, each after those inside it.
pub struct Stubs {
    made: Vec<PathBuf>,
    /// The folders above them that were there, as they were: mode and owner.
    above: BTreeMap<PathBuf, (u32, u32, u32)>,
}

impl Stubs {
    /// Looks which of `points` and the folders above them are missing in the tree.
    ///
    /// # Errors
    /// The tree cannot be read.
    pub fn missing(root: &Root, points: &[PathBuf]) -> Result<Self> {
        let (mut made, mut above) = (Vec::new(), BTreeMap::new());
        for point in points {
            let real = resolve(root, point, true)?;
            for path in real.ancestors().filter(|path| !path.as_os_str().is_empty()) {
                match status(root, path)? {
                    Some(found) => drop(above.insert(path.to_owned(), (found.mode, found.uid, found.gid))),
                    None => made.push(path.to_owned()),
                }
            }
        }
        made.sort();
        made.dedup();
        // What is inside comes before what it is in.
        made.reverse();
        Ok(Stubs { made, above })
    }

    /// Removes from the upper folder what is there for the mounts alone, and the folders that were copied up only for that.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn remove(&self, upper: &Path) -> Result<()> {
        let root = Root::open(upper)?;
        for path in &self.made {
            remove_empty(&root, path)?;
            // `etc` itself was copied up if `etc/hosts` was made in it.
            for folder in path.ancestors().skip(1).filter(|folder| self.above.contains_key(*folder)) {
                if !self.unchanged(&root, folder) || !remove_empty(&root, folder)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether a folder of the upper layer says nothing that the layers below do not say.
    fn unchanged(&self, upper: &Root, path: &Path) -> bool {
        let Ok(folder) = upper.plain_directory(path.parent().unwrap_or(Path::new(""))).map(Folder::from_fd) else { return false };
        let name = path.file_name().unwrap_or_default();
        let hides = folder.attribute(name, OVERLAY_OPAQUE).ok().flatten().is_some();
        let found = folder.status(name).ok().flatten().map(|found| (found.mode, found.uid, found.gid));
        !hides && found.is_some() && found.as_ref() == self.above.get(path)
    }
}

/// Removes an empty file or folder that no link leads to. Gives whether it is gone.
fn remove_empty(root: &Root, path: &Path) -> Result<bool> {
    let parent = path.parent().unwrap_or(Path::new(""));
    let Ok(folder) = root.plain_directory(parent).map(Folder::from_fd) else { return Ok(false) };
    let name = path.file_name().unwrap_or_default();
    let Some(found) = folder.status(name)? else { return Ok(false) };
    let empty = match found.kind {
        FileType::RegularFile => found.size == 0,
        FileType::Directory => folder.enter(name)?.names()?.is_empty(),
        _ => false,
    };
    if empty {
        folder.remove(name)?;
    }
    Ok(empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_is_empty_and_was_made_for_mounts_goes() {
        let (place, canary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (below, upper) = (place.path().join("below"), place.path().join("upper"));
        fs::create_dir_all(below.join("etc")).unwrap();
        fs::create_dir_all(upper.join("run/secrets")).unwrap();
        fs::create_dir_all(upper.join("etc")).unwrap();
        let tree = Root::open(&below).unwrap();
        let points: Vec<PathBuf> = ["etc/hosts", "run/secrets/key", "proc", "mnt/link/file", "kept"].map(PathBuf::from).to_vec();
        let stubs = Stubs::missing(&tree, &points).unwrap();
        for name in ["etc/hosts", "run/secrets/key"] {
            fs::write(upper.join(name), "").unwrap();
        }
        fs::create_dir(upper.join("proc")).unwrap();
        fs::write(upper.join("kept"), "content").unwrap();
        // A program swapped its mount point for a link to the outside.
        fs::create_dir(upper.join("mnt")).unwrap();
        fs::write(canary.path().join("file"), "").unwrap();
        symlink(canary.path(), upper.join("mnt/link")).unwrap();
        stubs.remove(&upper).unwrap();
        let mut left: Vec<String> = fs::read_dir(&upper).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["kept", "mnt"]);
        assert!(canary.path().join("file").exists());
    }
}
