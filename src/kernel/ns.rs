//! Namespaces: leaving one's own (unshare(2)), entering another's (setns(2)), holding one by a descriptor (namespaces(7)).

use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd};
use std::path::Path;

pub use nix::sched::CloneFlags;
use rustix::fs::{Mode, OFlags};

use super::error::{Errno, Error, Result};
use super::foreground::numbers_in;
use super::idmap::Extent;
use super::root::from_rustix;
use super::xray;

/// A new time namespace. The value is the smallest signal bits of clone(2), so it works with unshare(2), setns(2) and clone3(2) only.
pub const CLONE_NEWTIME: CloneFlags = CloneFlags::from_bits_retain(libc::CLONE_NEWTIME);

/// Moves the calling process into new namespaces. A new pid namespace is for its children only.
///
/// # Errors
/// EPERM without the right to make them, ENOSPC above a limit of `user.max_*_namespaces`.
pub fn unshare(flags: CloneFlags) -> Result<()> {
    xray::call("unshare", &format_args!("{flags:?}"), format_args!("{flags:?}"), || nix::sched::unshare(flags))
}

/// Moves the calling process into the namespace behind a descriptor; `kind` makes the kernel check what it is (empty: any).
/// With the pidfd of a process, `kind` may name several kinds at once, which are then entered together.
///
/// # Errors
/// EINVAL for another kind, for one's own user namespace, or a user or mount namespace with several threads; EPERM without CAP_SYS_ADMIN in it.
pub fn enter(namespace: BorrowedFd<'_>, kind: CloneFlags) -> Result<()> {
    let number = namespace.as_raw_fd();
    xray::call("setns", &format_args!("{kind:?}"), format_args!("fd {number} {kind:?}"), || nix::sched::setns(namespace, kind))
}

/// A descriptor that keeps the namespace `kind` (a name of [`KINDS`]) of process `pid` alive.
///
/// # Errors
/// ENOENT when the process is gone, EACCES when we may not look.
pub fn open(pid: i32, kind: &str) -> Result<OwnedFd> {
    let path = if pid == 0 { format!("/proc/self/ns/{kind}") } else { format!("/proc/{pid}/ns/{kind}") };
    open_path(Path::new(&path))
}

/// As [`open`], by a path: of `/proc/PID/ns`, or a file that a namespace was bind-mounted on.
///
/// # Errors
/// Those of open(2).
pub fn open_path(path: &Path) -> Result<OwnedFd> {
    xray::call("open", &path.display(), format_args!("{}", path.display()), || {
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(from_rustix)
    })
}

/// Every process that we see in the pid namespace of `pid`, where that is not our own: there it is `pid` alone. Those of namespaces below are not told.
pub fn processes_beside(pid: i32) -> Vec<i32> {
    let namespace = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/pid")).ok();
    let Some(its) = namespace(&pid.to_string()).filter(|its| namespace("self").is_some_and(|ours| ours != *its)) else { return vec![pid] };
    let mut pids: Vec<i32> = numbers_in("/proc").filter(|number| namespace(&number.to_string()).as_ref() == Some(&its)).collect();
    pids.sort_unstable();
    pids
}

/// What kind of namespace a descriptor stands for (`NS_GET_NSTYPE`, ioctl_ns(2)).
///
/// # Errors
/// ENOTTY when it is no namespace.
pub fn kind(namespace: &OwnedFd) -> Result<CloneFlags> {
    /// `_IO(NSIO, 3)` of linux/nsfs.h.
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    // SAFETY: the request takes no argument and returns a flag.
    Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE) })
        .map(CloneFlags::from_bits_retain)
        .map_err(|errno| Error::new("ioctl NS_GET_NSTYPE", "namespace", errno))
}

/// Whether who has left `namespace` may enter it again: its owner is our user namespace or one below (`NS_GET_USERNS`, ioctl_ns(2)).
///
/// # Errors
/// ENOTTY when it is no namespace.
pub fn may_return(namespace: &OwnedFd) -> Result<bool> {
    /// `_IO(NSIO, 1)` of linux/nsfs.h.
    const NS_GET_USERNS: libc::c_ulong = 0xb701;
    // SAFETY: the request takes no argument and returns a new descriptor.
    match Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS) }) {
        Ok(owner) => {
            // SAFETY: the descriptor is new, and nobody else has it.
            drop(unsafe { OwnedFd::from_raw_fd(owner) });
            Ok(true)
        }
        Err(Errno::EPERM) => Ok(false),
        Err(errno) => Err(Error::new("ioctl NS_GET_USERNS", "namespace", errno)),
    }
}

/// A user namespace with the maps given and nobody in it, for id-mapped mounts: a child is cloned into it, mapped, and ended.
///
/// # Errors
/// Those of clone3(2) and of writing the maps.
pub fn user_with_maps(users: &[Extent], groups: &[Extent]) -> Result<OwnedFd> {
    let child = super::process::clone3(CloneFlags::CLONE_NEWUSER, None, || {
        // Lives until the maker ends it: a socket would not do, for this child holds a copy of both ends.
        let _ = super::process::die_with_parent(nix::sys::signal::Signal::SIGKILL);
        nix::unistd::pause();
        0
    })?;
    let made = (|| {
        super::idmap::write_users(child.pid, users)?;
        super::idmap::write_groups(child.pid, groups)?;
        open(child.pid, "user")
    })();
    super::process::signal(child.fd.as_fd(), libc::SIGKILL)?;
    super::process::wait(child.fd.as_fd())?;
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_checked_by_the_kernel() {
        let own = open(0, "uts").unwrap();
        assert_eq!(enter(own.as_fd(), CloneFlags::CLONE_NEWNET).unwrap_err().errno, Errno::EINVAL);
    }
}
