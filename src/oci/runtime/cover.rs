//! Masked and read-only paths: what of `/proc` and `/sys` tells too much about the machine, or changes it.
//!
//! Every path is resolved once, inside the root, and the cover lands on that descriptor. The cover for files is `/dev/null`, whose number is
//! checked: if it were a link of the image to `/proc/sys/kernel/core_pattern`, that file would be *opened up* instead (CVE-2025-31133).

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use super::error::{During as _, Error, Result};
use super::options::READ_ONLY;
use super::steps::Init;
use crate::kernel::device::{self, Kind};
use crate::kernel::error::Errno;
use crate::kernel::mount;
use crate::kernel::root::Root;

/// Covers every masked path that exists: a file with `/dev/null`, a directory with an empty read-only tmpfs.
pub fn masked(init: &mut Init<'_>) -> Result<()> {
    let root = init.root()?;
    let mut null = None;
    for path in &init.plan.spec.linux.masked_paths {
        let Some(target) = existing(root, path)? else { continue };
        cover(root, &target, Path::new(path), &mut null).during(|| format!("mask `{path}`"))?;
    }
    Ok(())
}

fn cover(root: &Root, target: &OwnedFd, path: &Path, null: &mut Option<OwnedFd>) -> Result<()> {
    let tree = if device::is_directory(target.as_fd())? {
        mount::detached("tmpfs", &[("mode", "755"), ("nr_blocks", "1"), ("nr_inodes", "1")], READ_ONLY.set as u32)?
    } else {
        let null = match null {
            Some(known) => known,
            None => null.insert(verified_null(root)?),
        };
        mount::clone_tree_fd(null.as_fd(), false)?
    };
    Ok(mount::attach(tree.as_fd(), target.as_fd(), path)?)
}

fn verified_null(root: &Root) -> Result<OwnedFd> {
    let path = Path::new("/dev/null");
    let null = root.handle(path)?;
    device::expect(&null, Kind::Character, 1, 3, path)
        .map_err(|error| Error::from(error).hint("masked paths need a real /dev/null in the container: mount a tmpfs on /dev"))?;
    Ok(null)
}

/// Makes every read-only path that exists a read-only mount of itself.
pub fn read_only(init: &mut Init<'_>) -> Result<()> {
    let root = init.root()?;
    for path in &init.plan.spec.linux.readonly_paths {
        let Some(target) = existing(root, path)? else { continue };
        protect(&target, Path::new(path)).during(|| format!("make `{path}` read-only"))?;
    }
    Ok(())
}

fn protect(target: &OwnedFd, path: &Path) -> Result<()> {
    let tree = mount::clone_tree_fd(target.as_fd(), true)?;
    mount::set_attributes(tree.as_fd(), READ_ONLY.set, 0, true)?;
    Ok(mount::attach(tree.as_fd(), target.as_fd(), path)?)
}

/// A handle on a path of the container; `None` when nothing is there to protect.
fn existing(root: &Root, path: &str) -> Result<Option<OwnedFd>> {
    match root.handle(Path::new(path)) {
        Ok(target) => Ok(Some(target)),
        Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
