//! The duties of a PID 1: reaping whatever ends in its pid namespace (pid_namespaces(7)), and the small calls of a process that is being set up.

use std::path::Path;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::error::{Errno, Error, Result};
use super::process::Exit;
use super::xray;

/// Reaps one child, our own or one that was left to us, if any has ended.
///
/// # Errors
/// None that a caller could act on; ECHILD is "no child".
pub fn reap() -> Result<Option<(i32, Exit)>> {
    loop {
        return match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => Ok(Some((pid.as_raw(), Exit::Code(code)))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => Ok(Some((pid.as_raw(), Exit::Signal(signal as i32)))),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => Ok(None),
            Ok(_) | Err(Errno::EINTR) => continue,
            // A real-time signal has no name in nix: the process is reaped, its number is lost.
            Err(Errno::EINVAL) => continue,
            Err(errno) => Err(Error::new("waitpid", -1, errno)),
        };
    }
}

/// Sets the host name of the uts namespace.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN over it.
pub fn set_host_name(name: &str) -> Result<()> {
    xray::call("sethostname", &name, format_args!("{name}"), || nix::unistd::sethostname(name))
}

/// Lets processes with the right to it look at this one's entries in /proc again, after a change of ids (PR_SET_DUMPABLE).
///
/// # Errors
/// None that occurs.
pub fn be_visible() -> Result<()> {
    xray::call("prctl", &"PR_SET_DUMPABLE", format_args!("PR_SET_DUMPABLE 1"), || nix::sys::prctl::set_dumpable(true))
}

/// Makes the process the leader of a new session, away from any terminal.
///
/// # Errors
/// EPERM for a process group leader.
pub fn new_session() -> Result<()> {
    nix::unistd::setsid().map(drop).map_err(|errno| Error::new("setsid", "", errno))
}

/// Changes the working directory.
///
/// # Errors
/// Those of chdir(2).
pub fn change_dir(path: &Path) -> Result<()> {
    nix::unistd::chdir(path).map_err(|errno| Error::new("chdir", path.display(), errno))
}

/// Sets the process's name as `ps` and `top` show it (at most 15 bytes).
pub fn set_name(name: &str) {
    if let Ok(name) = std::ffi::CString::new(name) {
        // A wrong name is no reason to stop.
        let _ = nix::sys::prctl::set_name(&name);
    }
}

/// Sets the bits that new files do not get.
pub fn set_umask(bits: u32) {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(bits));
}
