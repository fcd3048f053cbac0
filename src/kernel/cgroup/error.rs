//! What can go wrong with cgroups, beyond a refused system call.

use std::fmt;
use std::path::PathBuf;

use crate::kernel;

/// A cgroup operation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No cgroup file system is mounted.
    NotMounted,
    /// No hierarchy lets us make cgroups: rootless, and nobody delegated one to us. Limits are then impossible; say so once and go on.
    NotDelegated {
        /// Where it was tried.
        path: PathBuf,
    },
    /// A limit needs a controller that this machine (or this cgroup) does not have.
    NoController {
        /// `memory`, `cpuset`.
        controller: String,
        /// The file that was to be written.
        file: String,
    },
    /// The controller exists, the file does not: an older kernel, or a feature that it was built without.
    NoFile {
        /// Its whole path.
        path: PathBuf,
    },
    /// v2: a cgroup that has processes cannot hand controllers to its children (the no-internal-process rule).
    InternalProcesses {
        /// The cgroup with the processes.
        path: PathBuf,
        /// How many.
        processes: usize,
    },
    /// Processes did not end, or did not freeze, in time.
    StillBusy {
        /// The cgroup.
        path: PathBuf,
        /// Those in it, as seen from here.
        processes: Vec<i32>,
    },
    /// The kernel said no.
    Kernel(kernel::Error),
}

/// The result of everything in [`super`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Error::NotMounted => Some("mount one: `mount -t cgroup2 none /sys/fs/cgroup`"),
            Error::NotDelegated { .. } => {
                Some("run as root, or ask systemd for a delegated scope: `systemd-run --user --scope -p Delegate=yes ...`")
            }
            Error::NoController { .. } => {
                Some("`cat /sys/fs/cgroup/cgroup.controllers` and `cat /proc/cgroups` list what this machine has")
            }
            Error::NoFile { .. } => Some("a newer kernel, or one built with this feature, has the file"),
            Error::InternalProcesses { .. } => Some("move its processes into a child cgroup first, then enable the controllers"),
            Error::StillBusy { .. } => Some("a process in state D waits for the kernel and dies when that is done: `ps -o pid,stat,wchan`"),
            Error::Kernel(error) => error.hint(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotMounted => f.write_str("no cgroup file system is mounted"),
            Error::NotDelegated { path } => write!(f, "no cgroup can be made at `{}`: none is delegated to this user", path.display()),
            Error::NoController { controller, file } => write!(f, "cannot set `{file}`: controller `{controller}` is not available"),
            Error::NoFile { path } => write!(f, "cannot set `{}`: this kernel has no such file", path.display()),
            Error::InternalProcesses { path, processes } => {
                write!(f, "cannot enable controllers below `{}`: it has {processes} processes of its own", path.display())
            }
            Error::StillBusy { path, processes } => write!(f, "cgroup `{}` is still busy with processes {processes:?}", path.display()),
            Error::Kernel(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<kernel::Error> for Error {
    fn from(error: kernel::Error) -> Self {
        Error::Kernel(error)
    }
}
