//! Looking at files inside a [`Root`]: what they are, without following a last symbolic link, and without changing anything.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::error::{Error, Result};
use super::root::{Root, from_rustix};

/// What lstat(2) and readlink(2) tell of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// `file`, `dir`, `link`, `fifo`, `char`, `block`, `socket`.
    pub sort: &'static str,
    /// Permission bits with set-id and sticky bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// Device and number of the file: the same pair is the same file.
    pub id: (u64, u64),
    /// Of a device node: major and minor.
    pub device: Option<(u32, u32)>,
    /// Of a symbolic link: where it leads.
    pub links_to: Option<String>,
}

impl Root {
    /// Looks at `inner`; a symbolic link at its end is looked at, not followed.
    ///
    /// # Errors
    /// Those of openat2(2): ENOENT, ENOTDIR, ELOOP for a magic link on the way.
    pub fn look(&self, inner: &Path) -> Result<Look> {
        let handle = self.open_at(inner, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        let links_to = rustix::fs::readlinkat(&handle, "", Vec::new()).ok().map(|target| target.to_string_lossy().into_owned());
        let data = std::fs::File::from(handle).metadata().map_err(|error| Error::from_io("fstat", inner.display(), &error))?;
        let sort = data.file_type();
        let sort = match () {
            () if sort.is_symlink() => "link",
            () if sort.is_dir() => "dir",
            () if sort.is_fifo() => "fifo",
            () if sort.is_char_device() => "char",
            () if sort.is_block_device() => "block",
            () if sort.is_socket() => "socket",
            () => "file",
        };
        let device = matches!(sort, "char" | "block").then(|| (rustix::fs::major(data.rdev()), rustix::fs::minor(data.rdev())));
        Ok(Look {
            sort,
            mode: data.permissions().mode() & 0o7777,
            uid: data.uid(),
            gid: data.gid(),
            size: data.size(),
            id: (data.dev(), data.ino()),
            device,
            links_to: links_to.filter(|_| sort == "link"),
        })
    }

    /// Whether the folder `inner` of an overlay's upper layer hides what the layers below have there (`userxattr`, see the kernel's overlayfs page).
    pub fn is_opaque(&self, inner: &Path) -> bool {
        let Ok(handle) = self.open_at(inner, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) else { return false };
        let mut value = [0; 1];
        rustix::fs::fgetxattr(&handle, c"user.overlay.opaque", &mut value[..]).is_ok_and(|length| value[..length] == *b"y")
    }

    /// The names in the folder `inner`, sorted; those that are not UTF-8 are left out.
    ///
    /// # Errors
    /// It is no folder, or cannot be read.
    pub fn names(&self, inner: &Path) -> Result<Vec<String>> {
        let folder = self.open_at(inner, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        super::fs::list(Path::new(&format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd())))
    }

    /// The first `limit` bytes of the regular file `inner`.
    ///
    /// # Errors
    /// As [`Root::read`].
    pub fn read_some(&self, inner: &Path, limit: u64) -> Result<Vec<u8>> {
        let descriptor = self.open_at(inner, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOATIME, Mode::empty());
        // O_NOATIME is for owners; a file of somebody else is read without it.
        let descriptor = descriptor.or_else(|_| self.open_at(inner, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()))?;
        let mut content = Vec::new();
        let file = std::fs::File::from(descriptor);
        let read = std::io::Read::read_to_end(&mut std::io::Read::take(file, limit), &mut content);
        read.map_err(|error| Error::from_io("read", inner.display(), &error))?;
        Ok(content)
    }
}

/// The device and number of what a path of ours leads to, links followed: `/proc/7/root`, say.
///
/// # Errors
/// stat(2) refused.
pub fn identity(path: &Path) -> Result<(u64, u64)> {
    let stat = rustix::fs::stat(path).map_err(|errno| Error::new("stat", path.display(), from_rustix(errno)))?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Where a link of `/proc` leads, as text: `pid:[4026531836]`, `/bin/bash`.
///
/// # Errors
/// readlink(2) refused: the process is gone, or not ours to look at.
pub fn link(path: &Path) -> Result<String> {
    let target = std::fs::read_link(path).map_err(|error| Error::from_io("readlink", path.display(), &error))?;
    Ok(target.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_looked_at_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        std::fs::write(folder.path().join("file"), "abc").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let link = root.look(Path::new("/link")).unwrap();
        assert_eq!((link.sort, link.links_to.as_deref()), ("link", Some("/etc/passwd")));
        let file = root.look(Path::new("/file")).unwrap();
        assert_eq!((file.sort, file.size), ("file", 3));
        assert_eq!(root.names(Path::new("/")).unwrap(), ["file", "link"]);
        assert_eq!(root.read_some(Path::new("file"), 2).unwrap(), b"ab");
        assert!(root.names(Path::new("/link")).is_err());
    }
}
