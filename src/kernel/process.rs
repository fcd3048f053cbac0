//! Processes: clone3(2), process descriptors, waiting, signals.
//!
//! A process is held by its descriptor (pidfd_open(2)), never by its number alone: a number can be used again between a look and a kill.

use std::ffi::CStr;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::sched::CloneFlags;
pub use nix::sys::signal::Signal;

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
    // A child that gets our parent also gets our exit signal; clone3(2) refuses another.
    args.exit_signal = if flags.contains(CloneFlags::CLONE_PARENT) { 0 } else { libc::SIGCHLD as u64 };
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

/// Ends a child of ours and reaps it, however far it has come.
pub fn end(process: BorrowedFd<'_>) {
    // One that has ended already takes no signal, and one that was reaped already is not to be waited for: both are what was wanted.
    let _ = signal(process, Signal::SIGKILL as i32);
    let _ = wait(process);
}

/// Kills a process that need not be a child of ours, and waits until it is gone, at most `patience` long.
///
/// # Errors
/// ESRCH: there is none; EPERM: it is not ours.
pub fn kill(pid: i32, patience: Duration) -> Result<()> {
    let process = open(pid)?;
    signal(process.as_fd(), Signal::SIGKILL as i32)?;
    super::poll::readable(&[process.as_fd()], Some(patience)).map(drop)
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

/// Begins a new session and process group without a terminal (setsid(2)).
///
/// # Errors
/// EPERM when we lead a process group already.
pub fn begin_session() -> Result<()> {
    xray::call("setsid", &"", format_args!(""), || nix::unistd::setsid().map(drop))
}

/// sethostname(2), for the uts namespace that we are in.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN over the namespace, EINVAL for more than 64 bytes.
pub fn set_hostname(name: &str) -> Result<()> {
    xray::call("sethostname", &name, format_args!("{name}"), || nix::unistd::sethostname(name))
}

/// setdomainname(2), the NIS domain name of the uts namespace.
///
/// # Errors
/// As [`set_hostname`].
pub fn set_domainname(name: &str) -> Result<()> {
    xray::call("setdomainname", &name, format_args!("{name}"), || {
        // SAFETY: the pointer and the length are those of a string.
        Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
    })
}

/// Blocks the signals that a foreground process forwards or waits for; [`wait_for_signal`] takes them.
///
/// # Errors
/// None in practice.
pub fn block_signals() -> Result<()> {
    nix::sys::signal::SigSet::all().thread_block().map_err(|errno| Error::new("sigprocmask", "", errno))
}

/// Gives a program the signals as every program expects them: none blocked, none ignored (execve(2) keeps both; Rust ignores SIGPIPE).
///
/// # Errors
/// None in practice.
pub fn restore_signals() -> Result<()> {
    // SAFETY: the default action runs no handler of ours.
    unsafe { nix::sys::signal::signal(Signal::SIGPIPE, nix::sys::signal::SigHandler::SigDfl) }
        .map_err(|errno| Error::new("signal", "SIGPIPE", errno))?;
    nix::sys::signal::SigSet::empty().thread_set_mask().map_err(|errno| Error::new("sigprocmask", "", errno))
}

/// Names this thread for those who look at processes (`/proc/PID/comm`, of which ps and top show 15 bytes).
pub fn set_name(name: &CStr) {
    // Every name is taken, a long one cut.
    let _ = rustix::thread::set_name(name);
}

/// From here on nobody waits for children of ours: the kernel forgets each as it ends (SIGCHLD ignored, which clones inherit).
///
/// # Errors
/// None in practice.
pub fn leave_children() -> Result<()> {
    children(nix::sys::signal::SigHandler::SigIgn)
}

/// From here on children of ours stay until somebody has waited for them, as is usual.
///
/// # Errors
/// None in practice.
pub fn mind_children() -> Result<()> {
    children(nix::sys::signal::SigHandler::SigDfl)
}

fn children(handler: nix::sys::signal::SigHandler) -> Result<()> {
    // SAFETY: neither the default action nor ignoring runs a handler of ours.
    unsafe { nix::sys::signal::signal(Signal::SIGCHLD, handler) }.map(drop).map_err(|errno| Error::new("signal", "SIGCHLD", errno))
}

/// From here on a print that nobody reads any more (`bottleship oci state | grep -q`) ends this process by SIGPIPE, as it ends other programs
/// (signal(7)). Rust ignores the signal, so that a server outlives its clients, and panics in `println!` instead.
pub fn end_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<String>().is_some_and(|text| is_unread_print(text)) {
            // Neither can fail with these arguments, and the end is below all the same.
            let _ = restore_signals();
            let _ = nix::sys::signal::raise(Signal::SIGPIPE);
            // Process 1 of a PID namespace is not ended by its own signals (pid_namespaces(7)).
            // SAFETY: it does not come back, and nothing of ours is left to be done: the signal would have done the same.
            unsafe { libc::_exit(128 + Signal::SIGPIPE as i32) };
        }
        usual(panic);
    }));
}

/// Whether a panic has the text of the standard library for a print into a closed pipe.
fn is_unread_print(text: &str) -> bool {
    text.starts_with("failed printing to std") && text.ends_with(&format!("(os error {})", Errno::EPIPE as i32))
}

/// Waits for the next of the blocked signals and takes it.
///
/// # Errors
/// None in practice.
pub fn wait_for_signal() -> Result<i32> {
    loop {
        match nix::sys::signal::SigSet::all().wait() {
            Err(Errno::EINTR) => {}
            Ok(signal) => return Ok(signal as i32),
            Err(errno) => return Err(Error::new("sigwait", "", errno)),
        }
    }
}

/// A descriptor that becomes readable when one of the blocked signals is there (signalfd(2)).
///
/// # Errors
/// EMFILE.
pub fn signal_descriptor() -> Result<nix::sys::signalfd::SignalFd> {
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    SignalFd::with_flags(&nix::sys::signal::SigSet::all(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(|errno| Error::new("signalfd", "", errno))
}

/// Looks whether the process behind the descriptor, a child of ours, has ended, and reaps it if so.
///
/// # Errors
/// ECHILD when it is not our child or was reaped already.
pub fn try_wait(process: BorrowedFd<'_>) -> Result<Option<Exit>> {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    match waitid(Id::PIDFd(process), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
        Ok(WaitStatus::Exited(_, code)) => Ok(Some(Exit::Code(code))),
        Ok(WaitStatus::Signaled(_, signal, _)) => Ok(Some(Exit::Signal(signal as i32))),
        Ok(_) => Ok(None),
        Err(errno) => Err(Error::new("waitid", "", errno)),
    }
}

/// The number of the calling thread.
pub fn thread_id() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// State and start time of a process: the fields 3 and 22 of `/proc/PID/stat`. `None` when it is gone. With the start time a number that was
/// used again is told from the process that was meant.
pub fn look(pid: i32) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets that may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Whether a process has become another program since it was cloned: `PF_FORKNOEXEC` of the kernel's include/linux/sched.h, in field 9 of
/// `/proc/PID/stat`. The flag stays readable while the process waits to be reaped; `None` when it is gone.
pub fn has_executed(pid: i32) -> Option<bool> {
    const FORKED_NOT_EXECUTED: u64 = 0x40;
    Some(flags(pid)? & FORKED_NOT_EXECUTED == 0)
}

/// Whether a process is about to end, or gone: `PF_EXITING` of the same file. The first process of a pid namespace has the flag before the others in it are
/// killed, and is the last to end.
pub fn is_ending(pid: i32) -> bool {
    const EXITING: u64 = 0x4;
    flags(pid).is_none_or(|flags| flags & EXITING != 0)
}

fn flags(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(6)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_runs_and_its_code_comes_back() {
        let child = clone3(CloneFlags::empty(), None, || 7).unwrap();
        assert_eq!(wait(child.fd.as_fd()).unwrap(), Exit::Code(7));
    }

    #[test]
    fn a_clone_is_told_from_a_program() {
        let clone = clone3(CloneFlags::empty(), None, || 0).unwrap();
        let program = std::process::Command::new("true").spawn().unwrap();
        assert_eq!((has_executed(clone.pid), has_executed(program.id() as i32)), (Some(false), Some(true)));
        wait(clone.fd.as_fd()).unwrap();
        assert_eq!((has_executed(clone.pid), is_ending(clone.pid)), (None, true));
        assert!(!is_ending(std::process::id() as i32));
        let mut program = program;
        program.wait().unwrap();
    }
}
