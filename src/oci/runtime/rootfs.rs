//! The root file system: from a directory of the machine to `/` of the container.

use std::os::fd::AsFd as _;
use std::path::Path;

use super::error::{During as _, Error, Result};
use super::options;
use super::steps::Init;
use crate::kernel::mount::MsFlags;
use crate::kernel::ns::CloneFlags;
use crate::kernel::root::Root;
use crate::kernel::{mount, program};

/// Decides what goes over between our copy of the mounts and the machine's. Without a wish: what is mounted outside later arrives here
/// (slave), and nothing goes back.
pub fn propagation(init: &mut Init<'_>) -> Result<()> {
    if !init.plan.has(CloneFlags::CLONE_NEWNS) {
        return Ok(());
    }
    let wish = init.plan.propagation.unwrap_or(MsFlags::MS_SLAVE | MsFlags::MS_REC);
    // An unbindable root could not be cloned by the next step; it becomes so at the end.
    let now = if wish.contains(MsFlags::MS_UNBINDABLE) { MsFlags::MS_PRIVATE | MsFlags::MS_REC } else { wish | MsFlags::MS_REC };
    Ok(mount::propagation(Path::new("/"), now)?)
}

/// Clones the root file system's tree and mounts the clone on top of itself: pivot_root(2) wants a mount point whose parent is private.
pub fn bind(init: &mut Init<'_>) -> Result<()> {
    let rootfs = &init.plan.rootfs;
    if init.plan.has(CloneFlags::CLONE_NEWNS) && init.plan.propagation.is_some_and(|wish| wish.contains(MsFlags::MS_SHARED)) {
        // pivot_root(2) refuses a shared parent, and a shared one would carry our root out to the machine. Before the clone is mounted on
        // it: afterwards the path means the clone.
        private_parent(rootfs)?;
    }
    let tree = mount::clone_tree(rootfs, true)?;
    let below = Root::open(rootfs)?;
    mount::attach(tree.as_fd(), below.as_fd(), rootfs)?;
    let root = Root::from_fd(tree, rootfs);
    if !init.credentials.cwd.as_os_str().is_empty() {
        // A working directory that the image lacks is made, as everybody expects of `WORKDIR`; a read-only image says so later.
        let _ = root.create_dirs(&init.credentials.cwd, 0o755);
    }
    init.root = Some(root);
    Ok(())
}

/// Makes the mount that `path` lies on private, whichever of its parents that is.
fn private_parent(path: &Path) -> Result<()> {
    for parent in path.ancestors() {
        if mount::propagation(parent, MsFlags::MS_PRIVATE).is_ok() {
            return Ok(());
        }
    }
    Err(Error::new(format!("find the mount that `{}` lies on", path.display())))
}

/// Swaps the root. With a mount namespace of our own the old root is gone afterwards; without one only this process's view changes.
pub fn pivot(init: &mut Init<'_>) -> Result<()> {
    let root = init.root()?;
    program::enter_directory(root.as_fd(), root.path())?;
    if init.plan.has(CloneFlags::CLONE_NEWNS) {
        // pivot_root(2) stacks the old root on the new one, and refuses to do so on a shared mount. The wish comes true afterwards.
        mount::propagation(Path::new("."), MsFlags::MS_PRIVATE)?;
    }
    if !init.plan.has(CloneFlags::CLONE_NEWNS) {
        mount::change_root_here()?;
    } else if init.start.no_pivot {
        mount::move_root_here()?;
    } else {
        mount::pivot_root_here().during(|| "swap the root")?;
    }
    program::enter_directory_path(Path::new("/"))?;
    if let Some(wish) = init.plan.propagation.filter(|_| init.plan.has(CloneFlags::CLONE_NEWNS)) {
        mount::propagation(Path::new("/"), wish)?;
    }
    init.root = Some(Root::open(Path::new("/"))?);
    Ok(())
}

/// Makes the root itself read-only; file systems mounted below it keep their own mode.
pub fn read_only(init: &mut Init<'_>) -> Result<()> {
    if !init.plan.spec.root.as_ref().is_some_and(|root| root.readonly) {
        return Ok(());
    }
    Ok(mount::set_attributes(init.root()?.as_fd(), options::READ_ONLY.set, 0, false)?)
}
