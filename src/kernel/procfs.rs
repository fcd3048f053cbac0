//! `/proc`, held by a descriptor that is known to be the real thing.
//!
//! A container, or a volume that it brings, can put anything on the path `/proc`: a plain directory, a symbolic link, a bind mount of
//! another procfs file. What is written there would land elsewhere (CVE-2019-16884, CVE-2025-52881). So every write goes through a
//! descriptor whose file system says that it is procfs, below which no link and no mount is crossed.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::error::{Errno, Error, Result};
use super::root::from_rustix;
use super::{mount, xray};

/// `PROC_SUPER_MAGIC` of linux/magic.h.
const PROC: i64 = 0x9fa0;

/// A verified procfs.
#[derive(Debug)]
pub struct Procfs {
    directory: OwnedFd,
}

impl Procfs {
    /// A new instance for our pid namespace, attached nowhere: nobody can mount over parts of it.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN, or in a user namespace whose own `/proc` is partly covered.
    pub fn private() -> Result<Procfs> {
        mount::detached("proc", &[], (libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC) as u32)
            .map(|directory| Procfs { directory })
    }

    /// The one at `/proc`, after a look at what it is.
    ///
    /// # Errors
    /// EXDEV when `/proc` is something else.
    pub fn mounted() -> Result<Procfs> {
        let directory = rustix::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Error::new("open", "/proc", from_rustix(errno)))?;
        verify(&directory, Path::new("/proc"))?;
        Ok(Procfs { directory })
    }

    /// Writes `text` to a file below it in one write(2).
    ///
    /// # Errors
    /// ELOOP or EXDEV when the path leads through a link or a mount; else what the file answers.
    pub fn write(&self, path: &Path, text: &str) -> Result<()> {
        let file = self.open(path, OFlags::WRONLY)?;
        xray::call("write", &format_args!("/proc/{}", path.display()), format_args!("/proc/{} <- {text}", path.display()), || {
            nix::unistd::write(&file, text.as_bytes()).and_then(|written| if written == text.len() { Ok(()) } else { Err(Errno::EIO) })
        })
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        let file = xray::call_value(
            "openat2",
            &format_args!("/proc/{}", path.display()),
            format_args!("{} below a verified procfs", path.display()),
            |file: &OwnedFd| i64::from(file.as_raw_fd()),
            || rustix::fs::openat2(&self.directory, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).map_err(from_rustix),
        )?;
        verify(&file, path)?;
        Ok(file)
    }
}

fn verify(file: &OwnedFd, shown: &Path) -> Result<()> {
    match rustix::fs::fstatfs(file.as_fd()) {
        Ok(stat) if stat.f_type == PROC => Ok(()),
        Ok(_) => Err(Error::new("expect procfs at", shown.display(), Errno::EXDEV)),
        Err(errno) => Err(Error::new("fstatfs", shown.display(), from_rustix(errno))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_procfs_are_refused() {
        let procfs = Procfs::mounted().unwrap();
        assert_eq!(procfs.write(Path::new("self/root/etc/hostname"), "x").unwrap_err().errno, Errno::ELOOP);
        assert_eq!(procfs.write(Path::new("../etc/hostname"), "x").unwrap_err().errno, Errno::EXDEV);
    }
}
