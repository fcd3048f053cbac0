//! Processes: clone3(2), process descriptors, waiting, signals.
//!
//! A process is held by its descriptor (pidfd_open(2)), never by its number alone: a number can be used again between a look and a kill.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sched::CloneFlags;
use nix::sys::signal::Signal;

use super::error::{Errno, Error, Result};
use super::xray;

/// clone3(2): start in the cgroup given by descriptor. 64 bits wide, so not among libc's `c_int` flags.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It called exit(2) with this code.
    Code(i32),
    /// This signal ended it; `true` if it left a core.
    Signal(i32),
}

impl Exit {
    /// The exit code as a shell shows it: 128 and the signal for a killed process.
    pub fn shell_code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// A process that we started and will wait for.
#[derive(Debug)]
pub struct Process {
    /// Its id in our pid namespace.
    pub pid: i32,
    /// The descriptor that stands for it.
    pub fd: OwnedFd,
}

/// Clones the calling process with clone3(2), as fork does, in the namespaces of `flags`; in the child `child` runs and its value is the exit code.
/// `into_cgroup` is a cgroup v2 directory that the child starts in (`CLONE_INTO_CGROUP`).
///
/// The caller must be single-threaded, or `child` must do nothing but system calls: locks held by other threads stay locked in the child.
///
/// # Errors
/// Those of clone3(2): EPERM without the right to make the namespaces, EUSERS or ENOSPC above a limit of namespaces.
pub fn clone3(flags: CloneFlags, into_cgroup: Option<BorrowedFd<'_>>, child: impl FnOnce() -> i32) -> Result<Process> {
    let mut pidfd: i32 = -1;
    // SAFETY: all-zero is a valid `clone_args`.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags.bits() as u32 as u64 | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = into_cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    let pid = xray::call_value(
        "clone3",
        &"",
        format_args!("{flags:?}"),
        |pid: &i64| *pid,
        || {
            // SAFETY: without CLONE_VM the child gets a copy of everything, like fork; args is valid and of the size given.
            let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
            if pid == 0 {
                let code = child();
                // SAFETY: ends the child without running the parent's destructors or flushing its buffers a second time.
                unsafe { libc::_exit(code) }
            }
            Errno::result(pid)
        },
    )?;
    // SAFETY: CLONE_PIDFD made this descriptor for us (close-on-exec by definition).
    Ok(Process { pid: pid as i32, fd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// A descriptor for a running process (pidfd_open(2)).
///
/// # Errors
/// ESRCH when it is gone.
pub fn open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: plain integers; a non-negative answer is a new descriptor, close-on-exec by definition.
    Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
        .map_err(|errno| Error::new("pidfd_open", pid, errno))
}

/// Sends a signal to the process behind a descriptor (pidfd_send_signal(2)).
///
/// # Errors
/// ESRCH when it has ended.
pub fn signal(process: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let name = Signal::try_from(signal).map_or("0", Signal::as_str);
    xray::call("pidfd_send_signal", &name, format_args!("{name}"), || {
        // SAFETY: a null siginfo is allowed, the rest are integers.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
        })
        .map(drop)
    })
}

/// Waits until the process behind the descriptor, a child of ours, has ended; reaps it.
///
/// # Errors
/// ECHILD when it is not our child or was reaped already.
pub fn wait(process: BorrowedFd<'_>) -> Result<Exit> {
    loop {
        // SAFETY: all-zero is a valid `siginfo_t` for waitid to fill.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open, `info` is valid.
        let answer = unsafe { libc::waitid(libc::P_PIDFD, process.as_raw_fd() as libc::id_t, &raw mut info, libc::WEXITED) };
        match Errno::result(answer) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Error::new("waitid", "", errno)),
            Ok(_) => {}
        }
        // SAFETY: waitid has filled the fields of a SIGCHLD siginfo.
        let status = unsafe { info.si_status() };
        return Ok(if info.si_code == libc::CLD_EXITED { Exit::Code(status) } else { Exit::Signal(status) });
    }
}

/// Asks the kernel to send `signal` to this process when the thread that made it ends (prctl(2) PR_SET_PDEATHSIG).
/// The parent may already be gone: compare getppid(2) afterwards.
///
/// # Errors
/// EINVAL for a signal that does not exist.
pub fn die_with_parent(signal: Signal) -> Result<()> {
    xray::call("prctl", &"PR_SET_PDEATHSIG", format_args!("PR_SET_PDEATHSIG {signal}"), || nix::sys::prctl::set_pdeathsig(signal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    #[test]
    fn a_child_runs_and_its_code_comes_back() {
        let child = clone3(CloneFlags::empty(), None, || 7).unwrap();
        assert_eq!(wait(child.fd.as_fd()).unwrap(), Exit::Code(7));
    }
}
