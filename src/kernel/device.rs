//! Device nodes, mknod(2), always relative to an open directory, and checked by number, never by name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknodat};
use nix::unistd::{Gid, Uid, fchownat};

use super::error::{Errno, Error, Result};
use super::xray;

/// A device or a fifo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Character device, block device or fifo.
    pub kind: Kind,
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `c` or `u`.
    Character,
    /// `b`.
    Block,
    /// `p`.
    Fifo,
}

impl Kind {
    /// The kind's letter in `config.json` and in device rules.
    pub fn letter(self) -> char {
        match self {
            Kind::Character => 'c',
            Kind::Block => 'b',
            Kind::Fifo => 'p',
        }
    }
}

/// Makes a node called `name` in a directory. An equal one that is there is left as it is.
///
/// # Errors
/// EPERM without CAP_MKNOD in the first user namespace; EEXIST when something else has the name.
pub fn make(directory: BorrowedFd<'_>, name: &Path, node: &Node) -> Result<()> {
    let kind = match node.kind {
        Kind::Character => SFlag::S_IFCHR,
        Kind::Block => SFlag::S_IFBLK,
        Kind::Fifo => SFlag::S_IFIFO,
    };
    let number = if node.kind == Kind::Fifo { 0 } else { makedev(node.major, node.minor) };
    let shown = format_args!("{} {} {}:{} mode {:o}", name.display(), node.kind.letter(), node.major, node.minor, node.mode);
    let mode = Mode::from_bits_truncate(node.mode);
    match xray::call("mknodat", &name.display(), shown, || mknodat(directory, name, kind, mode, number)) {
        Err(Error { errno: Errno::EEXIST, .. }) if same(directory, name, kind, number) => return Ok(()),
        other => other?,
    }
    if (node.uid, node.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
        xray::call("fchownat", &name.display(), format_args!("{} {uid}:{gid}", name.display()), || {
            fchownat(directory, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
        })?;
    }
    Ok(())
}

fn same(directory: BorrowedFd<'_>, name: &Path, kind: SFlag, number: u64) -> bool {
    nix::sys::stat::fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind && stat.st_rdev == number)
}

/// Makes a symbolic link called `name` in a directory; one that is there already is left as it is.
///
/// # Errors
/// Those of symlinkat(2) except EEXIST.
pub fn link(directory: BorrowedFd<'_>, name: &Path, target: &Path) -> Result<()> {
    let made = xray::call("symlinkat", &name.display(), format_args!("{} -> {}", name.display(), target.display()), || {
        nix::unistd::symlinkat(target, directory, name)
    });
    match made {
        Err(Error { errno: Errno::EEXIST, .. }) => Ok(()),
        other => other,
    }
}

/// Removes `name`, no directory, from a directory; nothing there is fine.
///
/// # Errors
/// Those of unlinkat(2) except ENOENT.
pub fn unlink(directory: BorrowedFd<'_>, name: &Path) -> Result<()> {
    let gone = xray::call("unlinkat", &name.display(), format_args!("{}", name.display()), || {
        nix::unistd::unlinkat(directory, name, nix::unistd::UnlinkatFlags::NoRemoveDir)
    });
    match gone {
        Err(Error { errno: Errno::ENOENT, .. }) => Ok(()),
        other => other,
    }
}

/// The numbers behind an open file, if it is a device of that kind.
///
/// # Errors
/// EINVAL when it is something else.
pub fn expect(file: &OwnedFd, kind: Kind, major: u64, minor: u64, shown: &Path) -> Result<()> {
    let stat = nix::sys::stat::fstat(file.as_fd()).map_err(|errno| Error::new("fstat", shown.display(), errno))?;
    let wanted = if kind == Kind::Block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
    let is = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == wanted && stat.st_rdev == makedev(major, minor);
    if is { Ok(()) } else { Err(Error::new("expect a device at", shown.display(), Errno::EINVAL)) }
}

/// Whether an open handle stands for a directory.
///
/// # Errors
/// Those of fstat(2).
pub fn is_directory(file: BorrowedFd<'_>) -> Result<bool> {
    let stat = nix::sys::stat::fstat(file).map_err(|errno| Error::new("fstat", "handle", errno))?;
    Ok(SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

/// The file mode creation mask; nodes and mount points must get the bits that were asked for.
pub fn umask(mask: u32) {
    // umask(2) always succeeds.
    let _ = xray::call("umask", &"", format_args!("{mask:03o}"), || {
        nix::sys::stat::umask(Mode::from_bits_truncate(mask));
        Ok(())
    });
}

/// What a device file on this machine stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `c` or `b`, as config.json has it.
    pub kind: &'static str,
    /// Its driver.
    pub major: u64,
    /// Which of the driver's.
    pub minor: u64,
    /// Its permission bits.
    pub mode: u32,
}

/// Looks at a device file.
///
/// # Errors
/// ENOENT when there is none, ENODEV when it is no device.
pub fn look(path: &Path) -> Result<Found> {
    let status = rustix::fs::stat(path).map_err(|errno| Error::new("stat", path.display(), super::root::from_rustix(errno)))?;
    let kind = match rustix::fs::FileType::from_raw_mode(status.st_mode) {
        rustix::fs::FileType::CharacterDevice => "c",
        rustix::fs::FileType::BlockDevice => "b",
        _ => return Err(Error::new("stat", path.display(), Errno::ENODEV)),
    };
    let (major, minor) = (rustix::fs::major(status.st_rdev), rustix::fs::minor(status.st_rdev));
    Ok(Found { kind, major: major.into(), minor: minor.into(), mode: status.st_mode & 0o777 })
}
