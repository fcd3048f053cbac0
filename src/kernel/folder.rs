//! An open folder, and what can be done to the names in it.
//!
//! Archives and layers are written by names that strangers chose. The folder is opened once, inside its [`super::root::Root`]; from then on
//! every call takes the descriptor and *one* name, and none follows a link in that name. So nothing that is swapped meanwhile leads outside.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub use rustix::fs::FileType;
use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};

use super::error::{Errno, Error, Result};
use super::root::{Root, from_rustix};
use super::xray;

/// A folder that is open.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
}

/// What a name in a folder is, see inode(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// File, folder, link, device, fifo or socket.
    pub kind: FileType,
    /// The permission bits, with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// The owner, as this user namespace sees it.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The length in bytes.
    pub size: u64,
    /// The device number, of a device node.
    pub rdev: u64,
    /// Device and number of the inode: equal for two names of one file.
    pub inode: (u64, u64),
    /// How many names it has.
    pub links: u64,
    /// When its content changed: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// When its inode changed.
    pub changed: (i64, u32),
    /// Its blocks on the disk, of 512 bytes.
    pub blocks: u64,
}

impl Status {
    fn of(stat: &Stat) -> Self {
        Status {
            kind: FileType::from_raw_mode(stat.st_mode),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u64,
            rdev: stat.st_rdev,
            inode: (stat.st_dev, stat.st_ino),
            links: stat.st_nlink,
            modified: (stat.st_mtime, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime, stat.st_ctime_nsec as u32),
            blocks: stat.st_blocks as u64,
        }
    }

    /// Whether it is overlayfs' mark of a removed name: a character device 0:0.
    pub fn is_whiteout(&self) -> bool {
        self.kind == FileType::CharacterDevice && self.rdev == 0
    }
}

impl Folder {
    /// Takes an open directory (`O_PATH` will do).
    pub fn from_fd(fd: OwnedFd) -> Self {
        Folder { fd }
    }

    /// Opens a folder of ours.
    ///
    /// # Errors
    /// It is no folder, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        xray::call("open", &path.display(), format_args!("{} O_DIRECTORY", path.display()), || {
            rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(from_rustix)
        })
        .map(|fd| Folder { fd })
    }

    /// Opens the folder `inner` below a root. Links are followed, inside the root only.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn within(root: &Root, inner: &Path) -> Result<Self> {
        root.open_at(inner, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).map(|fd| Folder { fd })
    }

    /// The same folder once more.
    ///
    /// # Errors
    /// EMFILE: too many files are open.
    pub fn again(&self) -> Result<Self> {
        self.fd.try_clone().map(|fd| Folder { fd }).map_err(|error| Error::from_io("dup", "folder", &error))
    }

    /// Opens the folder `name` in it. A link is ELOOP or ENOTDIR.
    ///
    /// # Errors
    /// Those of openat(2).
    pub fn enter(&self, name: &OsStr) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.do_at("openat", name, || rustix::fs::openat(&self.fd, name, flags, Mode::empty())).map(|fd| Folder { fd })
    }

    /// Makes a folder. `mode` is cut by the umask, see [`Folder::set_mode`].
    ///
    /// # Errors
    /// Those of mkdirat(2): EEXIST.
    pub fn make_folder(&self, name: &OsStr, mode: u32) -> Result<()> {
        self.do_at("mkdirat", name, || rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode)))
    }

    /// Makes a file, open for writing. EEXIST if the name is taken, by a link too.
    ///
    /// # Errors
    /// Those of openat(2).
    pub fn make_file(&self, name: &OsStr, mode: u32) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.do_at("openat", name, || rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(mode))).map(File::from)
    }

    /// Opens a regular file for reading. What is no regular file is EINVAL, a link ELOOP, and a fifo is not waited for.
    ///
    /// # Errors
    /// Those of openat(2).
    pub fn open_file(&self, name: &OsStr) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        self.do_at("openat", name, || {
            let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?;
            let regular = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) == FileType::RegularFile;
            if regular { Ok(File::from(fd)) } else { Err(rustix::io::Errno::INVAL) }
        })
    }

    /// Makes a symbolic link to `target`, whatever that is.
    ///
    /// # Errors
    /// Those of symlinkat(2).
    pub fn make_link(&self, name: &OsStr, target: &OsStr) -> Result<()> {
        self.do_at("symlinkat", name, || rustix::fs::symlinkat(target, &self.fd, name))
    }

    /// Gives the file `old` in `folder` a second name. A link itself gets the name, not what it points to.
    ///
    /// # Errors
    /// Those of linkat(2).
    pub fn make_hard_link(&self, name: &OsStr, folder: &Folder, old: &OsStr) -> Result<()> {
        self.do_at("linkat", name, || rustix::fs::linkat(&folder.fd, old, &self.fd, name, AtFlags::empty()))
    }

    /// Makes a fifo, a socket or a device node. Devices need CAP_MKNOD in the first user namespace, but for the whiteout 0:0.
    ///
    /// # Errors
    /// Those of mknodat(2).
    pub fn make_node(&self, name: &OsStr, kind: FileType, mode: u32, device: u64) -> Result<()> {
        self.do_at("mknodat", name, || rustix::fs::mknodat(&self.fd, name, kind, Mode::from_raw_mode(mode), device))
    }

    /// Removes a name with all below it. What is not there is fine.
    ///
    /// # Errors
    /// Those of unlinkat(2).
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        match self.do_at("unlinkat", name, || rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())) {
            Err(Error { errno: Errno::ENOENT, .. }) => return Ok(()),
            // Linux says EISDIR for a folder, POSIX EPERM.
            Err(Error { errno: Errno::EISDIR | Errno::EPERM, .. }) => {}
            other => return other,
        }
        self.clear(name)?;
        self.do_at("unlinkat", name, || rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR))
    }

    /// Empties the folder `name`. Open folders wait on a list and not on the stack: an image may nest as deep as it likes.
    fn clear(&self, name: &OsStr) -> Result<()> {
        let mut open: Vec<(Folder, OsString)> = vec![(self.enter(name)?, name.to_owned())];
        while let Some((folder, own_name)) = open.pop() {
            match folder.clear_files()? {
                Some(deeper) => {
                    let next = folder.enter(&deeper)?;
                    open.push((folder, own_name));
                    open.push((next, deeper));
                }
                None => {
                    let Some((parent, _)) = open.last() else { break };
                    parent.do_at("unlinkat", &own_name, || rustix::fs::unlinkat(&parent.fd, &own_name, AtFlags::REMOVEDIR))?;
                }
            }
        }
        Ok(())
    }

    /// Removes all that is no folder; gives a folder that is left, if one is.
    fn clear_files(&self) -> Result<Option<OsString>> {
        let mut folder = None;
        for (name, kind) in self.names()? {
            if kind == FileType::Directory {
                folder = Some(name);
            } else {
                self.do_at("unlinkat", &name, || rustix::fs::unlinkat(&self.fd, &name, AtFlags::empty()))?;
            }
        }
        Ok(folder)
    }

    /// What `name` is, without following it. `None` if it is not there.
    ///
    /// # Errors
    /// Those of fstatat(2) but ENOENT.
    pub fn status(&self, name: &OsStr) -> Result<Option<Status>> {
        match self.do_at("fstatat", name, || rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)) {
            Ok(stat) => Ok(Some(Status::of(&stat))),
            Err(Error { errno: Errno::ENOENT, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the link `name` points to.
    ///
    /// # Errors
    /// Those of readlinkat(2).
    pub fn read_link(&self, name: &OsStr) -> Result<OsString> {
        let target = self.do_at("readlinkat", name, || rustix::fs::readlinkat(&self.fd, name, Vec::new()))?;
        Ok(OsStr::from_bytes(target.as_bytes()).to_owned())
    }

    /// The names in the folder with their kinds, sorted by their bytes.
    ///
    /// # Errors
    /// Those of getdents(2).
    pub fn names(&self) -> Result<Vec<(OsString, FileType)>> {
        let failed = |errno| Error::new("getdents", "folder", from_rustix(errno));
        // A descriptor with O_PATH cannot be listed, and the position of ours is not to move.
        let again =
            rustix::fs::openat(&self.fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let mut names = Vec::new();
        for entry in Dir::new(again).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match self.status(name)? {
                    Some(status) => status.kind,
                    None => continue,
                },
                kind => kind,
            };
            names.push((name.to_owned(), kind));
        }
        names.sort_by(|one: &(OsString, FileType), other| one.0.cmp(&other.0));
        Ok(names)
    }

    /// Gives `name` to an owner and a group. A link itself is given. The kernel takes set-user-id bits away.
    ///
    /// # Errors
    /// Those of fchownat(2): EINVAL for an id that this user namespace does not have.
    pub fn set_owner(&self, name: &OsStr, uid: u32, gid: u32) -> Result<()> {
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        self.do_at("fchownat", name, || rustix::fs::chownat(&self.fd, name, owner, group, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Sets the permission bits of what is no link, whatever the umask.
    ///
    /// # Errors
    /// Those of fchmodat(2).
    pub fn set_mode(&self, name: &OsStr, mode: u32) -> Result<()> {
        self.do_at("fchmodat", name, || rustix::fs::chmodat(&self.fd, name, Mode::from_raw_mode(mode & 0o7777), AtFlags::empty()))
    }

    /// Sets the time of the last change, and that of the last access to the same.
    ///
    /// # Errors
    /// Those of utimensat(2).
    pub fn set_modified(&self, name: &OsStr, (seconds, nanoseconds): (i64, u32)) -> Result<()> {
        let time = Timespec { tv_sec: seconds, tv_nsec: i64::from(nanoseconds) };
        let times = Timestamps { last_access: time, last_modification: time };
        self.do_at("utimensat", name, || rustix::fs::utimensat(&self.fd, name, &times, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Sets an extended attribute, of a link itself too.
    ///
    /// # Errors
    /// Those of setxattr(2): EPERM for `security.*` without the right, EOPNOTSUPP where the file system has none.
    pub fn set_attribute(&self, name: &OsStr, attribute: &str, value: &[u8]) -> Result<()> {
        let path = self.way_to(name);
        self.do_at("lsetxattr", name, || rustix::fs::lsetxattr(&path, attribute, value, XattrFlags::empty()))
    }

    /// The extended attributes of `name` that we may see, sorted. A file system that has none gives none.
    ///
    /// # Errors
    /// Those of llistxattr(2) and lgetxattr(2).
    pub fn attributes(&self, name: &OsStr) -> Result<Vec<(String, Vec<u8>)>> {
        let path = self.way_to(name);
        let mut list = vec![0; 1024];
        let length = loop {
            match self.do_at("llistxattr", name, || rustix::fs::llistxattr(&path, &mut list)) {
                Ok(length) => break length,
                Err(Error { errno: Errno::ERANGE, .. }) if list.len() < 65536 => list.resize(list.len() * 4, 0),
                Err(Error { errno: Errno::EOPNOTSUPP, .. }) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        };
        let mut found = Vec::new();
        for attribute in list[..length].split(|byte| *byte == 0).filter(|part| !part.is_empty()) {
            let Ok(attribute) = std::str::from_utf8(attribute) else { continue };
            if let Some(value) = self.attribute(name, attribute)? {
                found.push((attribute.to_owned(), value));
            }
        }
        found.sort();
        Ok(found)
    }

    /// One extended attribute; `None` if it is not set.
    ///
    /// # Errors
    /// Those of lgetxattr(2).
    pub fn attribute(&self, name: &OsStr, attribute: &str) -> Result<Option<Vec<u8>>> {
        let path = self.way_to(name);
        // 64 KiB is the kernel's limit of a value.
        let mut value = vec![0; 256];
        loop {
            match self.do_at("lgetxattr", name, || rustix::fs::lgetxattr(&path, attribute, &mut value)) {
                Ok(length) => {
                    value.truncate(length);
                    return Ok(Some(value));
                }
                Err(Error { errno: Errno::ERANGE, .. }) if value.len() < 65536 => value.resize(65536, 0),
                Err(Error { errno: Errno::ENODATA | Errno::EOPNOTSUPP, .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The system calls for extended attributes know no descriptor of the folder (setxattrat(2) is of Linux 6.13), so the way is our own
    /// `/proc/self/fd`, which nobody else can change.
    fn way_to(&self, name: &OsStr) -> CString {
        let mut path = format!("/proc/self/fd/{}/", self.fd.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.as_bytes());
        // A name with a NUL cannot come from the kernel, and one from an archive was refused before.
        CString::new(path).unwrap_or_default()
    }

    fn do_at<T>(&self, call: &'static str, name: &OsStr, work: impl FnOnce() -> rustix::io::Result<T>) -> Result<T> {
        xray::call(call, &name.display(), format_args!("{}", name.display()), || work().map_err(from_rustix))
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn a_deep_tree_goes_without_recursion_and_links_are_not_followed() {
        let (place, canary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(canary.path().join("kept"), "").unwrap();
        let top = Folder::open(place.path()).unwrap();
        top.make_folder(name("deep"), 0o755).unwrap();
        let mut at = top.enter(name("deep")).unwrap();
        for _ in 0..300 {
            at.make_folder(name("d"), 0o755).unwrap();
            at.make_link(name("out"), canary.path().as_os_str()).unwrap();
            at = at.enter(name("d")).unwrap();
        }
        top.remove(name("deep")).unwrap();
        top.remove(name("deep")).unwrap();
        assert!(top.names().unwrap().is_empty());
        assert!(canary.path().join("kept").exists());
    }

    #[test]
    fn nothing_goes_through_a_link_in_the_name() {
        let (place, canary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(canary.path().join("kept"), "x").unwrap();
        let top = Folder::open(place.path()).unwrap();
        top.make_link(name("folder"), canary.path().as_os_str()).unwrap();
        top.make_link(name("file"), canary.path().join("kept").as_os_str()).unwrap();
        assert!(top.enter(name("folder")).is_err());
        assert_eq!(top.open_file(name("file")).unwrap_err().errno, Errno::ELOOP);
        assert_eq!(top.make_file(name("file"), 0o644).unwrap_err().errno, Errno::EEXIST);
        top.set_modified(name("file"), (1, 0)).unwrap();
        assert_eq!(top.status(name("file")).unwrap().unwrap().modified, (1, 0));
        assert!(std::fs::metadata(canary.path().join("kept")).unwrap().modified().unwrap().elapsed().unwrap().as_secs() < 3600);
    }

    #[test]
    fn attributes_are_read_as_they_were_set() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let top = Folder::open(place.path()).unwrap();
        drop(top.make_file(name("file"), 0o644).unwrap());
        let long = vec![7; 2000];
        top.set_attribute(name("file"), "user.one", b"1").unwrap();
        top.set_attribute(name("file"), "user.long", &long).unwrap();
        let user = |(key, _): &(String, Vec<u8>)| key.starts_with("user.");
        let found: Vec<_> = top.attributes(name("file")).unwrap().into_iter().filter(user).collect();
        assert_eq!(found, [("user.long".to_owned(), long), ("user.one".to_owned(), b"1".to_vec())]);
        assert_eq!(top.attribute(name("file"), "user.two").unwrap(), None);
    }
}
