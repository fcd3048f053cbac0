//! Pseudo-terminals, pty(7): the pair of a master (the side of whoever draws and types) and a slave (the terminal of the programs), and what
//! can be asked about the programs behind it.
//!
//! The slave is opened from the master's descriptor (`TIOCGPTPEER`), never by its path: `/dev/pts/3` means another terminal in another
//! mount namespace.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::sys::termios::{self, FlushArg, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios};

use super::error::{Errno, Error, Result};
use super::xray;

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// Opens a new pair through a `ptmx` device file (`/dev/ptmx`, or `pts/ptmx` of a container's own devpts). Both sides are close-on-exec and
/// no one's controlling terminal yet.
///
/// # Errors
/// ENOSPC when `kernel.pty.max` is reached; those of open(2) on `ptmx`.
pub fn pair(ptmx: &Path) -> Result<(OwnedFd, OwnedFd)> {
    let master = xray::call("openat", &ptmx.display(), format_args!("{} O_RDWR|O_NOCTTY", ptmx.display()), || {
        open(ptmx, OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty())
    })?;
    let unlock: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    let answer = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) };
    Errno::result(answer).map_err(|errno| Error::new("ioctl TIOCSPTLCK", ptmx.display(), errno))?;
    let slave = peer(master.as_fd())?;
    Ok((master, slave))
}

/// The slave of a master, whatever mount namespace it belongs to.
///
/// # Errors
/// EIO when the pair is not unlocked, ENOTTY when it is no master.
pub fn peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags and returns a new descriptor that nobody else owns.
    Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) })
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
        .map_err(|errno| Error::new("ioctl TIOCGPTPEER", "pty master", errno))
}

/// Begins a session with `slave` as controlling terminal and as descriptors 0, 1 and 2. For a child between clone and exec.
///
/// # Errors
/// EPERM when the caller already leads a process group or the terminal has a session.
pub fn login(slave: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::setsid().map_err(|errno| Error::new("setsid", "", errno))?;
    // SAFETY: TIOCSCTTY takes an integer; 0 does not steal a terminal.
    Errno::result(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) })
        .map_err(|errno| Error::new("ioctl TIOCSCTTY", "pty slave", errno))?;
    for standard in 0..=2 {
        // SAFETY: plain integers. dup3(2) of a descriptor on itself is an error that cannot matter here: it is in place already.
        let answer = unsafe { libc::dup2(slave.as_raw_fd(), standard) };
        Errno::result(answer).map_err(|errno| Error::new("dup2", standard, errno))?;
    }
    Ok(())
}

/// Gives a terminal to the user who will work at it (fchown(2)); the group stays that of the devpts.
///
/// # Errors
/// EINVAL when the user is not mapped here.
pub fn set_owner(slave: BorrowedFd<'_>, uid: u32) -> Result<()> {
    xray::call("fchown", &uid, format_args!("pty slave {uid}"), || {
        match nix::unistd::fchown(slave, Some(nix::unistd::Uid::from_raw(uid)), None) {
            // A file system without owners that can be changed (a read-only bind) says so; the mode bits then decide.
            Err(Errno::EPERM | Errno::EROFS) => Ok(()),
            other => other,
        }
    })
}

/// The size of a terminal; `None` for what is no terminal, or one that does not know (a serial line says 0 by 0).
pub fn size(terminal: BorrowedFd<'_>) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(Size { columns: size.ws_col, rows: size.ws_row })
}

/// Sets the size of a terminal; its foreground processes get SIGWINCH if it differs.
///
/// # Errors
/// ENOTTY when it is no terminal.
pub fn set_size(terminal: BorrowedFd<'_>, size: Size) -> Result<()> {
    let window = rustix::termios::Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, window)
        .map_err(|error| Error::new("ioctl TIOCSWINSZ", "terminal", super::root::from_rustix(error)))
}

/// Makes a process group of our session the terminal's foreground (tcsetpgrp(3)).
///
/// # Errors
/// ENOTTY where there is no terminal, or it is not our session's.
pub fn set_foreground(terminal: BorrowedFd<'_>, group: i32) -> Result<()> {
    nix::unistd::tcsetpgrp(terminal, nix::unistd::Pid::from_raw(group)).map_err(|errno| Error::new("tcsetpgrp", group, errno))
}

/// The process group in the foreground, as numbered here; `None` when there is none (or it lives in a pid namespace that we cannot see).
pub fn foreground(terminal: BorrowedFd<'_>) -> Option<i32> {
    rustix::termios::tcgetpgrp(terminal).ok().map(|group| group.as_raw_nonzero().get())
}

/// The leader of the terminal's session, as numbered here.
pub fn session(terminal: BorrowedFd<'_>) -> Option<i32> {
    rustix::termios::tcgetsid(terminal).ok().map(|leader| leader.as_raw_nonzero().get())
}

/// How many bytes wait to be read (FIONREAD); of a terminal in line mode, only those of complete lines.
///
/// # Errors
/// ENOTTY when it is nothing that is read from.
pub fn waiting(terminal: BorrowedFd<'_>) -> Result<u64> {
    // What is written to the master reaches the slave's queue through a work item of the kernel, later. poll(2) finishes that work first
    // (n_tty_poll); FIONREAD alone does not, and would deny bytes that are on their way.
    super::poll::readable(&[terminal], Some(Duration::ZERO))?;
    rustix::io::ioctl_fionread(terminal).map_err(|error| Error::new("ioctl FIONREAD", "terminal", super::root::from_rustix(error)))
}

/// Throws away what was typed and not yet read, given the master's side.
///
/// # Errors
/// ENOTTY when it is no terminal.
pub fn discard_typed(master: BorrowedFd<'_>) -> Result<()> {
    // Asked of the slave: the master's own TCOFLUSH leaves an unfinished line in the slave's line discipline.
    termios::tcflush(peer(master)?, FlushArg::TCIFLUSH).map_err(|errno| Error::new("tcflush", "pty slave", errno))
}

/// Whether the terminal hands over whole lines (canonical mode), as opposed to single keys as an editor wants them.
pub fn line_mode(terminal: BorrowedFd<'_>) -> bool {
    termios::tcgetattr(terminal).is_ok_and(|mode| mode.local_flags.contains(LocalFlags::ICANON))
}

/// A changed terminal mode that is put back when this is dropped.
#[derive(Debug)]
pub struct Changed<F: AsFd> {
    terminal: F,
    before: Termios,
}

/// Every key goes through untouched, nothing is echoed, Ctrl-C is a byte: for the terminal of a person whose keys another program gets.
///
/// # Errors
/// ENOTTY when it is no terminal.
pub fn raw<F: AsFd>(terminal: F) -> Result<Changed<F>> {
    changed(terminal, termios::cfmakeraw)
}

/// Input goes through byte by byte, obeyed by nobody, and is echoed as it is: for text with control characters, or longer than the 4095 bytes
/// that line mode keeps (N_TTY_BUF_SIZE in n_tty.c). The echo tells the typist what has arrived.
///
/// # Errors
/// ENOTTY when it is no terminal.
pub fn verbatim<F: AsFd>(terminal: F) -> Result<Changed<F>> {
    changed(terminal, |mode| {
        termios::cfmakeraw(mode);
        mode.local_flags.insert(LocalFlags::ECHO);
        mode.local_flags.remove(LocalFlags::ECHOCTL);
        mode.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        mode.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    })
}

fn changed<F: AsFd>(terminal: F, change: impl FnOnce(&mut Termios)) -> Result<Changed<F>> {
    let before = termios::tcgetattr(terminal.as_fd()).map_err(|errno| Error::new("tcgetattr", "terminal", errno))?;
    let mut mode = before.clone();
    change(&mut mode);
    termios::tcsetattr(terminal.as_fd(), SetArg::TCSANOW, &mode).map_err(|errno| Error::new("tcsetattr", "terminal", errno))?;
    Ok(Changed { terminal, before })
}

impl<F: AsFd> Drop for Changed<F> {
    fn drop(&mut self) {
        // A terminal that has gone away needs no mode.
        let _ = termios::tcsetattr(self.terminal.as_fd(), SetArg::TCSANOW, &self.before);
    }
}

/// Keeps SIGWINCH away from the calling thread.
pub fn leave_resizes_to_others() {
    // Refused only for a bad argument.
    let _ = Resizes::set().thread_block();
}

/// Keys one by one, unechoed, none of them a signal; output as usual. For a program that has taken a terminal as its own, between the moments
/// in which an editor or another program has it: no key is lost then, and Ctrl-C ends nobody.
///
/// # Errors
/// ENOTTY when it is no terminal.
pub fn keys<F: AsFd>(terminal: F) -> Result<Changed<F>> {
    changed(terminal, |mode| {
        mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::IEXTEN | LocalFlags::ISIG);
        mode.input_flags.remove(InputFlags::ICRNL | InputFlags::IXON);
        mode.control_chars[SpecialCharacterIndices::VSUSP as usize] = 0;
    })
}

/// Whole lines, and nothing of them is shown: for a password.
///
/// # Errors
/// ENOTTY when it is no terminal.
pub fn unseen<F: AsFd>(terminal: F) -> Result<Changed<F>> {
    changed(terminal, |mode| mode.local_flags.remove(LocalFlags::ECHO))
}

/// Makes a terminal the standard input of this process.
///
/// # Errors
/// dup2(2) refused.
pub fn become_stdin(terminal: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::dup2_stdin(terminal).map_err(|errno| Error::new("dup2", "standard input", errno))
}

/// Whole lines, echoed, as usual; but Ctrl-C and Ctrl-Z are characters of the line and no signals.
///
/// # Errors
/// ENOTTY when it is no terminal.
pub fn lines_without_signals<F: AsFd>(terminal: F) -> Result<Changed<F>> {
    changed(terminal, |mode| mode.local_flags.remove(LocalFlags::ISIG))
}

/// Tells of changes of the size of our own terminal (SIGWINCH) through a descriptor, while it lives.
#[derive(Debug)]
pub struct Resizes(SignalFd);

impl Resizes {
    /// Begins to listen. The calling thread alone must be the one that gets the signal, or all others must have it blocked.
    ///
    /// # Errors
    /// signalfd(2) refused.
    pub fn listen() -> Result<Self> {
        let set = Self::set();
        set.thread_block().map_err(|errno| Error::new("sigprocmask", "SIGWINCH", errno))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&set, flags).map(Resizes).map_err(|errno| Error::new("signalfd", "SIGWINCH", errno))
    }

    /// Forgets the changes so far.
    pub fn seen(&self) {
        while let Ok(Some(_)) = self.0.read_signal() {}
    }

    fn set() -> SigSet {
        let mut set = SigSet::empty();
        set.add(Signal::SIGWINCH);
        set
    }
}

impl AsFd for Resizes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Resizes {
    fn drop(&mut self) {
        // Refused only for a bad argument.
        let _ = Self::set().thread_unblock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    fn a_pair() -> (OwnedFd, OwnedFd) {
        pair(Path::new("/dev/ptmx")).unwrap()
    }

    #[test]
    fn both_sides_share_a_size() {
        let (master, slave) = a_pair();
        assert_eq!(size(slave.as_fd()), None);
        set_size(master.as_fd(), Size { columns: 40, rows: 10 }).unwrap();
        assert_eq!(size(slave.as_fd()), Some(Size { columns: 40, rows: 10 }));
        assert_eq!(size(peer(master.as_fd()).unwrap().as_fd()), Some(Size { columns: 40, rows: 10 }));
    }

    #[test]
    fn a_changed_mode_is_put_back() {
        let (master, slave) = a_pair();
        assert!(line_mode(master.as_fd()));
        let mode = verbatim(master.as_fd()).unwrap();
        assert!(!line_mode(slave.as_fd()));
        drop(mode);
        assert!(line_mode(slave.as_fd()));
    }

    #[test]
    fn what_was_typed_can_be_thrown_away() {
        let (master, slave) = a_pair();
        let (mut typist, mut program) = (std::fs::File::from(master), std::fs::File::from(slave));
        typist.write_all(b"old\nunfinished").unwrap();
        // What is typed reaches the slave through a kernel thread, a moment later.
        nix::poll::poll(&mut [nix::poll::PollFd::new(program.as_fd(), nix::poll::PollFlags::POLLIN)], nix::poll::PollTimeout::NONE)
            .unwrap();
        assert_eq!(waiting(program.as_fd()).unwrap(), 4);
        discard_typed(typist.as_fd()).unwrap();
        typist.write_all(b"new\n").unwrap();
        let mut line = [0; 16];
        let read = program.read(&mut line).unwrap();
        assert_eq!(&line[..read], b"new\n");
    }
}
