//! Signals as something to poll: blocked for the process and read from a descriptor (signalfd(2)).

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::error::{Error, Result};

/// Blocked signals, waiting in a descriptor.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks `signals` for this process and opens the descriptor. A program that is executed inherits the block: see [`unblock_all`].
    ///
    /// # Errors
    /// sigprocmask(2) or signalfd4(2) refused.
    pub fn block(signals: &[Signal]) -> Result<Self> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block().map_err(|errno| Error::new("sigprocmask", "", errno))?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        fd.map(|fd| Signals { fd }).map_err(|errno| Error::new("signalfd4", "", errno))
    }

    /// The next signal that is waiting, if any. Several of the same kind may have become one.
    ///
    /// # Errors
    /// read(2) refused.
    pub fn next(&mut self) -> Result<Option<i32>> {
        let read = self.fd.read_signal().map_err(|errno| Error::new("read", "signalfd", errno))?;
        Ok(read.map(|info| info.ssi_signo as i32))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Lets signals that [`Signals::block`] holds back end this process again: in a child that has inherited the block.
///
/// # Errors
/// sigprocmask(2) refused.
pub fn unblock(signals: &[Signal]) -> Result<()> {
    let set: SigSet = signals.iter().copied().collect();
    set.thread_unblock().map_err(|errno| Error::new("sigprocmask", "", errno))
}

/// Unblocks every signal and gives each its default action, as a program expects it at its start.
///
/// # Errors
/// sigprocmask(2) refused.
pub fn unblock_all() -> Result<()> {
    for signal in Signal::iterator() {
        if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            // SAFETY: SIG_DFL installs no code of ours.
            unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigDfl) }
                .map_err(|errno| Error::new("sigaction", signal, errno))?;
        }
    }
    SigSet::all().thread_unblock().map_err(|errno| Error::new("sigprocmask", "", errno))
}
