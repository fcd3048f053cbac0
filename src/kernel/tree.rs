//! Copies of directory trees between two open directories, without following a single link.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid};

use super::error::{Errno, Error, Result};
use super::root::from_rustix;

/// Copies files, directories, links and nodes below `from` into `to`, with modes and owners.
///
/// # Errors
/// The first call that is refused, with the name it was refused for.
pub fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    // A stack instead of recursion: an image may nest as deep as it likes.
    let mut open = vec![(reopen(from)?, to.try_clone_to_owned().map_err(|error| Error::from_io("dup", "directory", &error))?)];
    while let Some((from, to)) = open.pop() {
        let entries = Dir::read_from(&from).map_err(|errno| failed("readdir", "directory", errno))?;
        for entry in entries {
            let entry = entry.map_err(|errno| failed("readdir", "directory", errno))?;
            let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            if let Some(pair) = one(&from, &to, name)? {
                open.push(pair);
            }
        }
    }
    Ok(())
}

/// Copies one entry; a directory comes back as a pair to go on with.
fn one(from: &OwnedFd, to: &OwnedFd, name: &std::ffi::OsStr) -> Result<Option<(OwnedFd, OwnedFd)>> {
    let shown = name.to_string_lossy();
    let refused = |call: &'static str| {
        let shown = shown.clone();
        move |errno| failed(call, &shown, errno)
    };
    let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).map_err(refused("fstatat"))?;
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    let mut deeper = None;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            rustix::fs::mkdirat(to, name, mode).map_err(refused("mkdirat"))?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let source = rustix::fs::openat(from, name, flags, Mode::empty()).map_err(refused("openat"))?;
            let target = rustix::fs::openat(to, name, flags, Mode::empty()).map_err(refused("openat"))?;
            deeper = Some((source, target));
        }
        FileType::RegularFile => {
            let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let source = rustix::fs::openat(from, name, flags | OFlags::RDONLY, Mode::empty()).map_err(refused("openat"))?;
            let target =
                rustix::fs::openat(to, name, flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode).map_err(refused("openat"))?;
            std::io::copy(&mut std::fs::File::from(source), &mut std::fs::File::from(target))
                .map_err(|error| Error::from_io("copy", &shown, &error))?;
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from, name, Vec::new()).map_err(refused("readlinkat"))?;
            rustix::fs::symlinkat(target, to, name).map_err(refused("symlinkat"))?;
        }
        kind => rustix::fs::mknodat(to, name, kind, mode, stat.st_rdev).map_err(refused("mknodat"))?,
    }
    let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(to, name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW).map_err(refused("fchownat"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        // chown(2) takes set-user-id bits away, and the umask took others.
        rustix::fs::chmodat(to, name, mode, AtFlags::empty()).map_err(refused("fchmodat"))?;
    }
    Ok(deeper)
}

/// The directory again, for reading: handles with O_PATH cannot be listed.
fn reopen(directory: BorrowedFd<'_>) -> Result<OwnedFd> {
    rustix::fs::openat(directory, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failed("openat", "directory", errno))
}

fn failed(call: &'static str, object: &str, errno: rustix::io::Errno) -> Error {
    Error::new(call, object, Errno::from_raw(from_rustix(errno) as i32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_tree_with_links_and_modes() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("a/b")).unwrap();
        fs::write(from.path().join("a/b/file"), "text").unwrap();
        fs::set_permissions(from.path().join("a/b/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        symlink("/etc/passwd", from.path().join("a/link")).unwrap();
        let open = |path| OwnedFd::from(fs::File::open(path).unwrap());
        copy(open(from.path()).as_fd(), open(to.path()).as_fd()).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("a/b/file")).unwrap(), "text");
        assert_eq!(fs::metadata(to.path().join("a/b/file")).unwrap().permissions().mode() & 0o7777, 0o4751);
        assert_eq!(fs::read_link(to.path().join("a/link")).unwrap().to_str(), Some("/etc/passwd"));
    }
}
