//! A container in the foreground: its signals are ours, its terminal is drawn on ours, its exit code becomes ours.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::kernel::process::Signal;
use crate::kernel::process::{self, Exit, Process};
use crate::kernel::{poll, pty};
use crate::oci::runtime::Result;

/// Waits for the process. The signals must have been blocked before it was cloned.
///
/// # Errors
/// Those of waitid(2).
pub fn wait(process: &Process, console: Option<OwnedFd>) -> Result<Exit> {
    match console {
        None => forward_signals(process),
        Some(master) => draw(process, &master),
    }
}

/// Hands every signal on until the process ends.
fn forward_signals(process: &Process) -> Result<Exit> {
    loop {
        if let Some(exit) = process::try_wait(process.fd.as_fd())? {
            return Ok(exit);
        }
        forward(process, process::wait_for_signal()?)?;
    }
}

fn forward(process: &Process, signal: i32) -> Result<()> {
    // SIGCHLD is news for us; the terminal's own signals reach a process in the foreground without our help.
    if [Signal::SIGCHLD, Signal::SIGURG, Signal::SIGWINCH, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGPIPE]
        .iter()
        .any(|own| *own as i32 == signal)
    {
        return Ok(());
    }
    // It may have ended meanwhile: the next look will tell.
    let _ = process::signal(process.fd.as_fd(), signal);
    Ok(())
}

/// How long the last output of a process that has ended may take to come out of its terminal.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Copies between our terminal and the container's until the process ends.
fn draw(process: &Process, master: &OwnedFd) -> Result<Exit> {
    let stdin = std::io::stdin();
    let stdout = std::io::stdout();
    // When our input is no terminal (a pipe) there is no mode to change.
    let _raw = pty::raw(stdin.as_fd()).ok();
    resize(master, stdout.as_fd());
    let signals = process::signal_descriptor()?;
    let mut typing = true;
    loop {
        let mut watched = vec![process.fd.as_fd(), master.as_fd(), signals.as_fd()];
        watched.extend(typing.then(|| stdin.as_fd()));
        let ready = poll::readable(&watched, None)?;
        if ready.contains(&1) {
            copy(master.as_fd(), stdout.as_fd())?;
        }
        if ready.contains(&3) {
            typing = copy(stdin.as_fd(), master.as_fd())?;
        }
        while let Ok(Some(signal)) = signals.read_signal() {
            if signal.ssi_signo as i32 == Signal::SIGWINCH as i32 {
                resize(master, stdout.as_fd());
            } else {
                forward(process, signal.ssi_signo as i32)?;
            }
        }
        if ready.contains(&0) {
            while poll::readable(&[master.as_fd()], Some(LAST_WORDS))?.contains(&0) && copy(master.as_fd(), stdout.as_fd())? {}
            return Ok(process::wait(process.fd.as_fd())?);
        }
    }
}

/// Copies what is there; `false` at the end of the input.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<bool> {
    match poll::read_some(from) {
        Ok(Some(bytes)) => {
            poll::write_all(to, &bytes)?;
            Ok(true)
        }
        // EIO is how a master says that nobody has the slave open.
        Ok(None) | Err(_) => Ok(false),
    }
}

fn resize(master: &OwnedFd, ours: BorrowedFd<'_>) {
    if let Some(size) = pty::size(ours) {
        // A terminal that is gone needs no size.
        let _ = pty::set_size(master.as_fd(), size);
    }
}
