//! What a file of ours carries besides its content: owner, mode, extended attributes; and where a path leads.
//!
//! As in [`super::fs`], the paths are our own choice.

use std::ffi::OsString;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, XattrFlags};

use super::error::{Error, Result};
use super::root::{self, from_rustix};

/// Gives the file to a user and a group, lchown(2): a symbolic link itself, never what it leads to.
///
/// # Errors
/// EPERM without CAP_CHOWN; EINVAL for an id that our user namespace does not have.
pub fn give(path: &Path, (user, group): (u32, u32)) -> Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(group)).map_err(|error| Error::from_io("chown", path.display(), &error))
}

/// Sets the permission bits with the set-id and sticky bits, chmod(2).
///
/// # Errors
/// EPERM: it is not ours.
pub fn set_mode(path: &Path, bits: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).map_err(|error| Error::from_io("chmod", path.display(), &error))
}

/// Whether we may write to the file, or make files in the folder, as access(2) has it.
pub fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK).is_ok()
}

/// Notes `value` on the file as the extended attribute `name` (xattr(7)).
///
/// # Errors
/// EOPNOTSUPP where the file system has none, EPERM for `trusted.` without CAP_SYS_ADMIN on the machine.
pub fn note(path: &Path, name: &str, value: &[u8]) -> Result<()> {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty())
        .map_err(|errno| Error::new("setxattr", format_args!("{name} on {}", path.display()), from_rustix(errno)))
}

/// The extended attribute `name` as a path; `None` where it is not set or not to be read.
pub fn noted_path(path: &Path, name: &str) -> Option<PathBuf> {
    // PATH_MAX with room to spare; a longer one is none of ours.
    let mut value = vec![0; 8192];
    let length = rustix::fs::getxattr(path, name, &mut value).ok()?;
    value.truncate(length);
    Some(PathBuf::from(OsString::from_vec(value)))
}

/// Where a path leads once all links on it are followed; `None` where it leads nowhere.
pub fn resolved(path: &Path) -> Option<PathBuf> {
    let handle = root::open_path(path).ok()?;
    std::fs::read_link(format!("/proc/self/fd/{}", handle.as_raw_fd())).ok()
}

/// Makes a symbolic link at `path` that leads to `target`.
///
/// # Errors
/// EEXIST, and those of symlink(2).
pub fn link(target: impl AsRef<Path>, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path).map_err(|error| Error::from_io("symlink", path.display(), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_where_the_file_system_has_them() {
        let file = tempfile::NamedTempFile::new_in("/var/tmp").unwrap();
        assert_eq!(noted_path(file.path(), "user.bottleship-test"), None);
        match note(file.path(), "user.bottleship-test", b"/a b/c") {
            Ok(()) => assert_eq!(noted_path(file.path(), "user.bottleship-test"), Some("/a b/c".into())),
            Err(error) => assert_eq!(error.errno, super::super::error::Errno::EOPNOTSUPP),
        }
    }

    #[test]
    fn links_are_followed_to_the_end_and_given_away_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let (real, first, second) = (folder.path().join("real"), folder.path().join("first"), folder.path().join("second"));
        std::fs::create_dir(&real).unwrap();
        link("real", &first).unwrap();
        link("first", &second).unwrap();
        let real = resolved(&real).unwrap();
        assert_eq!(resolved(&second), Some(real));
        assert_eq!(resolved(&folder.path().join("nothing")), None);
        let dangling = folder.path().join("dangling");
        link("nothing", &dangling).unwrap();
        give(&dangling, super::super::ids::effective()).unwrap();
    }
}
