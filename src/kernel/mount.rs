//! Mounts: the classic call and the descriptor-based ones (mount(2), open_tree(2), mount_setattr(2), move_mount(2)).
//!
//! The new calls are used wherever a path could be swapped under us: a mount made by descriptor lands on the file that was checked.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

pub use nix::mount::{MntFlags, MsFlags};
use rustix::mount::{MoveMountFlags, OpenTreeFlags};

use super::error::{Errno, Result};
use super::root::from_rustix;
use super::xray;

/// mount(2): `source` of type `fstype` on `target`. `data` holds the file system's own options; `None` is cheaper than an empty text.
///
/// # Errors
/// Those of mount(2).
pub fn mount(source: &str, target: &Path, fstype: &str, flags: MsFlags, data: Option<&str>) -> Result<()> {
    let shown = target.display();
    xray::call("mount", &shown, format_args!("{fstype} {source} -> {shown} {flags:?} {}", data.unwrap_or("")), || {
        let fstype = (!fstype.is_empty()).then_some(fstype);
        nix::mount::mount(Some(source), target, fstype, flags, data)
    })
}

/// Bind-mounts `source` on `target`; `recursive` takes the mounts below it along.
///
/// # Errors
/// Those of mount(2).
pub fn bind(source: &Path, target: &Path, recursive: bool) -> Result<()> {
    let flags = if recursive { MsFlags::MS_BIND | MsFlags::MS_REC } else { MsFlags::MS_BIND };
    let shown = target.display();
    xray::call("mount", &shown, format_args!("bind {} -> {shown} {flags:?}", source.display()), || {
        nix::mount::mount(Some(source), target, None::<&str>, flags, None::<&str>)
    })
}

/// Changes how mounts at `target` propagate (`MS_PRIVATE`, `MS_SLAVE`, ... with `MS_REC`), see mount_namespaces(7).
///
/// # Errors
/// Those of mount(2).
pub fn propagation(target: &Path, flags: MsFlags) -> Result<()> {
    let shown = target.display();
    xray::call("mount", &shown, format_args!("{shown} {flags:?}"), || {
        nix::mount::mount(None::<&str>, target, None::<&str>, flags, None::<&str>)
    })
}

/// umount2(2).
///
/// # Errors
/// Those of umount2(2).
pub fn unmount(target: &Path, flags: MntFlags) -> Result<()> {
    let shown = target.display();
    xray::call("umount2", &shown, format_args!("{shown} {flags:?}"), || nix::mount::umount2(target, flags))
}

/// Clones the mount at `path` into a detached one (open_tree(2) with OPEN_TREE_CLONE).
///
/// # Errors
/// EINVAL when `recursive` is false and locked mounts lie below; otherwise those of open_tree(2).
pub fn clone_tree(path: &Path, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    xray::call("open_tree", &path.display(), format_args!("{} {flags:?}", path.display()), || {
        rustix::mount::open_tree(rustix::fs::CWD, path, flags).map_err(from_rustix)
    })
}

/// As [`clone_tree`], of what an open handle stands for.
///
/// # Errors
/// Those of open_tree(2).
pub fn clone_tree_fd(handle: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let number = handle.as_raw_fd();
    xray::call("open_tree", &number, format_args!("fd {number} {flags:?}"), || {
        rustix::mount::open_tree(handle, "", flags).map_err(from_rustix)
    })
}

/// Attaches a detached mount on what `target` stands for (move_mount(2)).
///
/// # Errors
/// Those of move_mount(2).
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>, shown: &Path) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    xray::call("move_mount", &shown.display(), format_args!("fd {} -> {}", tree.as_raw_fd(), shown.display()), || {
        rustix::mount::move_mount(tree, "", target, "", flags).map_err(from_rustix)
    })
}

/// For [`set_attributes`]: nothing below the mount can be written.
pub const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// For [`set_attributes`]: set-user-id bits below the mount do nothing.
pub const NO_SETUID: u64 = libc::MOUNT_ATTR_NOSUID;

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Default)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Sets and clears attributes (`libc::MOUNT_ATTR_*`) of a mount, atomically; `recursive` for the whole tree.
///
/// # Errors
/// Those of mount_setattr(2).
pub fn set_attributes(tree: BorrowedFd<'_>, set: u64, clear: u64, recursive: bool) -> Result<()> {
    let attributes = MountAttributes { set, clear, ..Default::default() };
    setattr(tree, &attributes, recursive, format_args!("fd {} set {set:#x} clear {clear:#x}", tree.as_raw_fd()))
}

/// Gives a detached mount the id mapping of a user namespace (`MOUNT_ATTR_IDMAP`): files keep their owners as seen from inside.
///
/// # Errors
/// EINVAL where the file system has no id-mapped mounts; EPERM without CAP_SYS_ADMIN over the file system.
pub fn id_map(tree: BorrowedFd<'_>, user_namespace: BorrowedFd<'_>) -> Result<()> {
    let attributes = MountAttributes { set: libc::MOUNT_ATTR_IDMAP, userns: user_namespace.as_raw_fd() as u64, ..Default::default() };
    setattr(tree, &attributes, false, format_args!("fd {} MOUNT_ATTR_IDMAP", tree.as_raw_fd()))
}

/// As [`id_map`], for the whole tree when `recursive`.
///
/// # Errors
/// As [`id_map`].
pub fn id_map_tree(tree: BorrowedFd<'_>, user_namespace: BorrowedFd<'_>, recursive: bool) -> Result<()> {
    let attributes = MountAttributes { set: libc::MOUNT_ATTR_IDMAP, userns: user_namespace.as_raw_fd() as u64, ..Default::default() };
    setattr(tree, &attributes, recursive, format_args!("fd {} MOUNT_ATTR_IDMAP", tree.as_raw_fd()))
}

/// Changes how the mount behind a descriptor propagates, with `MS_REC` all below it too (mount_setattr(2)).
///
/// # Errors
/// Those of mount_setattr(2).
pub fn set_propagation(tree: BorrowedFd<'_>, flags: MsFlags) -> Result<()> {
    let kind = flags - MsFlags::MS_REC;
    let attributes = MountAttributes { propagation: kind.bits(), ..Default::default() };
    setattr(tree, &attributes, flags.contains(MsFlags::MS_REC), format_args!("fd {} {flags:?}", tree.as_raw_fd()))
}

/// chroot(2) into the current directory: this process's view of paths changes, the mounts stay. For containers without a mount namespace.
///
/// # Errors
/// EPERM without CAP_SYS_CHROOT.
pub fn change_root_here() -> Result<()> {
    xray::call("chroot", &".", format_args!("."), || nix::unistd::chroot("."))
}

/// Moves the mount that is the current directory over `/` and changes the root to it: for a machine whose root is a ramfs, which
/// pivot_root(2) refuses.
///
/// # Errors
/// EINVAL when the current directory is no mount point.
pub fn move_root_here() -> Result<()> {
    xray::call("mount", &"/", format_args!(". -> / MS_MOVE"), || {
        nix::mount::mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
    })?;
    change_root_here()
}

fn setattr(tree: BorrowedFd<'_>, attributes: &MountAttributes, recursive: bool, args: std::fmt::Arguments<'_>) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let number = tree.as_raw_fd();
    xray::call("mount_setattr", &number, args, || {
        // SAFETY: the path is an empty C string, the structure is as large as said, both live through the call.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                number,
                c"".as_ptr(),
                flags,
                std::ptr::from_ref(attributes),
                size_of::<MountAttributes>(),
            )
        };
        Errno::result(answer).map(drop)
    })
}

/// Mounts a new instance of a file system without attaching it (fsopen(2), fsconfig(2), fsmount(2)).
/// `options` are keys with their values; a key with an empty value is a flag.
///
/// # Errors
/// Those of the three calls, named.
pub fn detached(fstype: &str, options: &[(&str, &str)], attributes: u32) -> Result<OwnedFd> {
    let context = xray::call("fsopen", &fstype, format_args!("{fstype}"), || {
        rustix::mount::fsopen(fstype, rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC).map_err(from_rustix)
    })?;
    for (key, value) in options {
        xray::call("fsconfig", &key, format_args!("{key}={value}"), || {
            let set = if value.is_empty() {
                rustix::mount::fsconfig_set_flag(context.as_fd(), *key)
            } else {
                rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)
            };
            set.map_err(from_rustix)
        })?;
    }
    xray::call("fsconfig", &fstype, format_args!("create"), || rustix::mount::fsconfig_create(context.as_fd()).map_err(from_rustix))?;
    xray::call_value(
        "fsmount",
        &fstype,
        format_args!("{fstype} attributes {attributes:#x}"),
        |fd: &OwnedFd| i64::from(fd.as_raw_fd()),
        || {
            // SAFETY: plain integers; the descriptor that comes back is ours.
            let fd = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1, attributes) };
            // SAFETY: a non-negative answer is a new descriptor.
            Errno::result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
        },
    )
}

/// pivot_root(2) into the current directory and out of the old root: the old one is stacked on top of the new (`pivot_root(".", ".")`) and
/// detached, so no put-old directory is needed in an image that may be read-only.
///
/// # Errors
/// EINVAL when the current directory is no mount point, or propagation is shared.
pub fn pivot_root_here() -> Result<()> {
    xray::call("pivot_root", &".", format_args!(". ."), || nix::unistd::pivot_root(".", "."))?;
    unmount(Path::new("."), MntFlags::MNT_DETACH)
}
