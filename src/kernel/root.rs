//! A root directory, and paths that cannot leave it.
//!
//! A container image, a bundle or a learner can plant symbolic links and swap them while we look. So every path below a
//! rootfs is resolved by the kernel in one step, openat2(2) with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`, and from then on the descriptor
//! is used, never the string (CVE-2021-30465, CVE-2024-45310, CVE-2025-31133).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::error::{Errno, Error, Result};
use super::xray;

/// A directory that all further paths are resolved in, as if by chroot(2), without the chroot.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens `path`, a path of ours, as a root.
    ///
    /// # Errors
    /// It is no directory, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let fd = xray::call("open", &path.display(), format_args!("{} O_PATH|O_DIRECTORY", path.display()), || {
            rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(from_rustix)
        })?;
        Ok(Root { fd, path: path.to_owned() })
    }

    /// Takes an open directory as a root; `path` is only for messages.
    pub fn from_fd(fd: OwnedFd, path: &Path) -> Self {
        Root { fd, path: path.to_owned() }
    }

    /// Opens `inner` below the root. `..` and symbolic links stay inside; `/proc`'s magic links are refused (ELOOP).
    ///
    /// # Errors
    /// Those of openat2(2).
    pub(in crate::kernel) fn open_at(&self, inner: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let inner = relative(inner);
        xray::call("openat2", &self.shown(&inner), format_args!("{} in root {}", inner.display(), self.path.display()), || {
            // EAGAIN: a rename raced with the resolution and the kernel could not tell whether we stayed inside. Trying again is what
            // openat2(2) asks for; a hostile renamer must not keep us here, hence the bound.
            for _ in 0..256 {
                match rustix::fs::openat2(&self.fd, &inner, flags | OFlags::CLOEXEC, mode, resolve) {
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                    other => return other.map_err(from_rustix),
                }
            }
            Err(Errno::EAGAIN)
        })
    }

    /// Reads a regular file below the root. A fifo or a device there is refused (EINVAL) and never waited for.
    ///
    /// # Errors
    /// Those of openat2(2) and read(2).
    pub fn read(&self, inner: &Path) -> Result<Vec<u8>> {
        let descriptor = self.open_at(inner, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
        let mut file = std::fs::File::from(descriptor);
        let mut content = Vec::new();
        let read = file.metadata().and_then(|metadata| {
            if !metadata.is_file() {
                return Err(std::io::Error::from_raw_os_error(Errno::EINVAL as i32));
            }
            std::io::Read::read_to_end(&mut file, &mut content)
        });
        read.map_err(|error| Error::from_io("read", self.path.join(inner).display(), &error))?;
        Ok(content)
    }

    /// Opens `inner` for reading. What it is, is the caller's affair: opening a fifo waits for its writer.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn to_read(&self, inner: &Path) -> Result<OwnedFd> {
        self.open_at(inner, OFlags::RDONLY, Mode::empty())
    }

    /// Opens `inner` for writing at its end; `mode` is that of a file which is not there yet.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn to_append(&self, inner: &Path, mode: u32) -> Result<OwnedFd> {
        self.open_at(inner, OFlags::CREATE | OFlags::WRONLY | OFlags::APPEND, Mode::from_raw_mode(mode))
    }

    /// Opens `inner` as an empty file for writing, with missing folders made. A symbolic link in its place goes away and is never written
    /// through. `mode` holds whatever the umask.
    ///
    /// # Errors
    /// A part of the path is no folder, or `inner` is one.
    pub fn anew(&self, inner: &Path, mode: u32) -> Result<OwnedFd> {
        let bits = Mode::from_raw_mode(mode);
        let parent = self.create_dirs(relative(inner).parent().unwrap_or(Path::new("")), 0o755)?;
        let open = || self.open_at(inner, OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW, bits);
        let file = match open() {
            // NOFOLLOW's word for a link in the last place: unlinkat takes the link, which need not be there any more.
            Err(Error { errno: Errno::ELOOP, .. }) => {
                let name = inner.file_name().unwrap_or_default();
                let unlinked = rustix::fs::unlinkat(&parent, name, rustix::fs::AtFlags::empty());
                unlinked.map_err(|errno| Error::new("unlink", self.shown(inner), from_rustix(errno)))?;
                open()?
            }
            other => other?,
        };
        rustix::fs::fchmod(&file, bits).map_err(|errno| Error::new("fchmod", self.shown(inner), from_rustix(errno)))?;
        Ok(file)
    }

    /// A handle (`O_PATH`) on `inner`, for mounts and `*at` calls.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn handle(&self, inner: &Path) -> Result<OwnedFd> {
        self.open_at(inner, OFlags::PATH, Mode::empty())
    }

    /// A handle on the directory `inner` that no symbolic link leads to, not even inside the root.
    ///
    /// # Errors
    /// ELOOP for a link on the way, ENOTDIR for what is no directory, ENOENT.
    pub fn plain_directory(&self, inner: &Path) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let inner = relative(inner);
        xray::call(
            "openat2",
            &self.shown(&inner),
            format_args!("{} RESOLVE_NO_SYMLINKS in root {}", inner.display(), self.path.display()),
            || {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                rustix::fs::openat2(&self.fd, &inner, flags, Mode::empty(), resolve).map_err(from_rustix)
            },
        )
    }

    /// Makes every missing directory of `inner` and returns a handle on the last, always inside the root.
    ///
    /// # Errors
    /// A component exists and is no directory, or mkdirat(2) refused.
    pub fn create_dirs(&self, inner: &Path, mode: u32) -> Result<OwnedFd> {
        let mut reached = PathBuf::new();
        let mut at = self.handle(Path::new("."))?;
        for component in relative(inner).components() {
            let Component::Normal(name) = component else { continue };
            reached.push(name);
            at = match self.open_at(&reached, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
                Ok(next) => next,
                Err(Error { errno: Errno::ENOENT, .. }) => {
                    // The parent handle is inside the root, and mkdirat does not follow a link in the last component.
                    xray::call("mkdirat", &self.shown(&reached), format_args!("{}", reached.display()), || {
                        match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(mode)) {
                            Err(rustix::io::Errno::EXIST) => Ok(()),
                            other => other.map_err(from_rustix),
                        }
                    })?;
                    self.open_at(&reached, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?
                }
                Err(error) => return Err(error),
            };
        }
        Ok(at)
    }

    /// Makes an empty file at `inner` (with its parents) if nothing is there, and returns a handle on what is there.
    ///
    /// # Errors
    /// As [`Root::create_dirs`].
    pub fn create_file(&self, inner: &Path, mode: u32) -> Result<OwnedFd> {
        match self.handle(inner) {
            Err(Error { errno: Errno::ENOENT, .. }) => {}
            other => return other,
        }
        if let Some(parent) = relative(inner).parent() {
            self.create_dirs(parent, 0o755)?;
        }
        self.open_at(inner, OFlags::CREATE | OFlags::RDONLY | OFlags::NOFOLLOW, Mode::from_raw_mode(mode))?;
        self.handle(inner)
    }

    /// The names in the folder `inner`: each with whether it leads to a folder, and whether to a file that somebody may execute. Links are
    /// followed inside the root. At most 10,000, so that a hostile folder cannot keep us here.
    ///
    /// # Errors
    /// Those of openat2(2); ENOTDIR when it is no folder.
    pub fn entries(&self, inner: &Path) -> Result<Vec<(String, bool, bool)>> {
        let fd = self.open_at(inner, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let folder = rustix::fs::Dir::new(fd).map_err(|error| Error::new("getdents", self.shown(inner), from_rustix(error)))?;
        let names = folder.take(10_000).filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned));
        let names = names.filter(|name| name != "." && name != "..");
        Ok(names
            .map(|name| self.kind_of(inner.join(&name)).map_or((name.clone(), false, false), |(folder, program)| (name, folder, program)))
            .collect())
    }

    fn kind_of(&self, inner: PathBuf) -> Option<(bool, bool)> {
        let stat = rustix::fs::fstat(self.handle(&inner).ok()?).ok()?;
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        Some((kind.is_dir(), kind.is_file() && stat.st_mode & 0o111 != 0))
    }

    /// The path this root was opened by, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn shown(&self, inner: &Path) -> String {
        self.path.join(inner).display().to_string()
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A handle (`O_PATH`) on `path`, a path of ours, whatever it is.
///
/// # Errors
/// Those of open(2).
pub fn open_path(path: &Path) -> Result<OwnedFd> {
    xray::call("open", &path.display(), format_args!("{} O_PATH", path.display()), || {
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(from_rustix)
    })
}

/// openat2 with RESOLVE_IN_ROOT takes absolute paths too, but `.` is needed for the root itself.
fn relative(path: &Path) -> PathBuf {
    let stripped = path.strip_prefix("/").unwrap_or(path);
    if stripped.as_os_str().is_empty() { PathBuf::from(".") } else { stripped.to_owned() }
}

/// The errno of a rustix error in the type that the rest of `kernel` uses.
pub fn from_rustix(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_to_the_outside_stays_inside() {
        let folder = tempfile::tempdir().unwrap();
        let canary = tempfile::tempdir().unwrap();
        symlink(canary.path(), folder.path().join("escape")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        // The absolute target is looked up inside the root, where it does not exist.
        assert_eq!(root.handle(Path::new("escape/x")).unwrap_err().errno, Errno::ENOENT);
        assert!(root.create_dirs(Path::new("escape/x"), 0o755).is_err());
        assert_eq!(std::fs::read_dir(canary.path()).unwrap().count(), 0);
        root.create_dirs(Path::new("../../a/b"), 0o755).unwrap();
        assert!(folder.path().join("a/b").is_dir());
    }

    #[test]
    fn a_file_made_anew_replaces_a_link_and_not_what_it_leads_to() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(folder.path().join("victim"), "old").unwrap();
        symlink("../victim", folder.path().join("etc/resolv.conf")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        drop(root.anew(Path::new("/etc/resolv.conf"), 0o666).unwrap());
        let made = folder.path().join("etc/resolv.conf").symlink_metadata().unwrap();
        assert!(made.is_file() && made.len() == 0);
        assert_eq!(made.permissions().mode() & 0o777, 0o666, "whatever the umask");
        assert_eq!(std::fs::read_to_string(folder.path().join("victim")).unwrap(), "old");
        drop(root.anew(Path::new("new/folder/file"), 0o600).unwrap());
        assert!(folder.path().join("new/folder/file").is_file());
        assert_eq!(root.anew(Path::new("new/folder"), 0o600).unwrap_err().errno, Errno::EISDIR);
    }

    #[test]
    fn magic_links_are_refused() {
        let root = Root::open(Path::new("/")).unwrap();
        assert_eq!(root.handle(Path::new("/proc/self/cwd")).unwrap_err().errno, Errno::ELOOP);
    }
}
