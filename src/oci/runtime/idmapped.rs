//! Id-mapped bind mounts: files keep their owners as the container counts them, without any chown(2) (mount_setattr(2)).

use std::os::fd::{AsFd as _, OwnedFd};

use super::error::{Error, Result};
use super::plan::Mount;
use super::steps::Init;
use crate::kernel::ns::CloneFlags;
use crate::kernel::{mount, ns};

/// Gives a detached tree the mapping of the mount, or that of the container's user namespace.
pub fn apply(init: &Init<'_>, tree: &OwnedFd, wanted: &Mount) -> Result<()> {
    let recursive = wanted.options.id_map == Some(true);
    if wanted.users.is_empty() {
        if !init.plan.has(CloneFlags::CLONE_NEWUSER) {
            return Err(Error::new("an id-mapped mount needs `uidMappings` and `gidMappings`, or a user namespace to take them from"));
        }
        let own = ns::open(0, "user")?;
        return Ok(mount::id_map_tree(tree.as_fd(), own.as_fd(), recursive)?);
    }
    let namespace = ns::user_with_maps(&wanted.users, &wanted.groups)?;
    Ok(mount::id_map_tree(tree.as_fd(), namespace.as_fd(), recursive)?)
}
