//! What a refused system call looks like: the call, the object, the errno.

use std::fmt;

pub use nix::errno::Errno;

/// A system call that failed. Prints as ``mount overlay on `/run/x/rootfs`: EINVAL (Invalid argument)``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was tried, in the words of the manual: `mount overlay on`, `openat2`, `write`.
    pub call: &'static str,
    /// What it was tried on: a path, a process id, a namespace. Empty when the call has no object.
    pub object: String,
    /// Why the kernel said no, see errno(3).
    pub errno: Errno,
}

/// The result of every function in [`crate::kernel`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `call` on `object`.
    pub fn new(call: &'static str, object: impl fmt::Display, errno: Errno) -> Self {
        Error { call, object: object.to_string(), errno }
    }

    /// The same for a failed standard library call, whose error carries an errno (EIO where it carries none).
    pub fn from_io(call: &'static str, object: impl fmt::Display, error: &std::io::Error) -> Self {
        Error::new(call, object, errno_of(error))
    }

    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match (self.call, self.errno) {
            ("unshare" | "clone3", Errno::ENOSPC | Errno::EUSERS) => {
                Some("a limit of namespaces is reached: see `sysctl user`, and raise `user.max_user_namespaces` as root")
            }
            (_, Errno::ENOSPC | Errno::EDQUOT) => {
                Some("the disk is full: `df` and `du` show where; make room, or choose another folder with BOTTLESHIP_STATE")
            }
            (_, Errno::EMFILE | Errno::ENFILE) => Some("too many open files: see `ulimit -n`"),
            ("unshare" | "clone3", Errno::EPERM) => Some(
                "this machine forbids new user namespaces: run with sudo, or allow them with `sysctl kernel.unprivileged_userns_clone=1` (Debian) or `sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu)",
            ),
            ("mount" | "fsmount" | "move_mount", Errno::EPERM) => {
                Some("mounting needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)?;
        if !self.object.is_empty() {
            write!(f, " `{}`", self.object)?;
        }
        write!(f, ": {:?} ({})", self.errno, self.errno.desc())
    }
}

impl std::error::Error for Error {}

/// The errno inside a standard library error; EIO when there is none (a short read, say).
pub fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_call_object_and_reason() {
        let error = Error::new("mount overlay on", "/run/x/rootfs", Errno::EINVAL);
        assert_eq!(error.to_string(), "mount overlay on `/run/x/rootfs`: EINVAL (Invalid argument)");
        assert_eq!(Error::new("fork", "", Errno::EAGAIN).to_string(), "fork: EAGAIN (Try again)");
    }
}
