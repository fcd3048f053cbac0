//! Ctrl-C as something to read, signalfd(2): for programs that have a last word to say.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::error::{Error, Result};

/// SIGINT and SIGTERM of this thread, held back and readable. A thread that starts later inherits that they are held back.
#[derive(Debug)]
pub struct Interrupt {
    descriptor: SignalFd,
}

impl Interrupt {
    /// From now on the two signals end nothing; they make the descriptor readable.
    ///
    /// # Errors
    /// signalfd(2) refused: EMFILE.
    pub fn hold() -> Result<Interrupt> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().map_err(|errno| Error::new("sigprocmask", "SIGINT SIGTERM", errno))?;
        let descriptor =
            SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).map_err(|errno| Error::new("signalfd", "SIGINT SIGTERM", errno))?;
        Ok(Interrupt { descriptor })
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
