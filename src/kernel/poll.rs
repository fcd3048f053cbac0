//! Waiting for descriptors, poll(2): the one way in which anything here waits.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::error::{Errno, Error, Result};
use super::root::from_rustix;

/// A patience as this machine needs it: BOTTLESHIP_SLOW says how many times slower than a real machine it is (an emulated one says 10).
pub fn stretched(patience: Duration) -> Duration {
    let factor = std::env::var("BOTTLESHIP_SLOW").ok().and_then(|factor| factor.parse().ok());
    patience.mul_f64(factor.filter(|factor| (1.0..=1000.0).contains(factor)).unwrap_or(1.0))
}

/// Waits until one of `descriptors` can be read, or its other side is gone, at most `patience` long (for ever without one).
/// Gives the positions of those that can; none when the time is over.
///
/// # Errors
/// poll(2) refused (EINVAL, ENOMEM); a signal only makes it begin again.
pub fn readable(descriptors: &[BorrowedFd<'_>], patience: Option<Duration>) -> Result<Vec<usize>> {
    let mut polled: Vec<PollFd<'_>> = descriptors.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    wait(&mut polled, patience)?;
    Ok(polled.iter().enumerate().filter(|(_, polled)| !polled.revents().is_empty()).map(|(index, _)| index).collect())
}

/// Whether the other side of a connection has closed it, or its half of it, as it is now.
///
/// # Errors
/// As [`readable`].
pub fn is_left(descriptor: BorrowedFd<'_>) -> Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(descriptor, PollFlags::RDHUP)];
    wait(&mut polled, Some(Duration::ZERO))?;
    Ok(!polled[0].revents().is_empty())
}

fn wait(polled: &mut [PollFd<'_>], patience: Option<Duration>) -> Result<()> {
    let deadline = patience.map(|patience| Instant::now() + patience);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }));
        match poll(polled, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::new("poll", "", from_rustix(error))),
            Ok(_) => return Ok(()),
        }
    }
}

/// Reads what is there, at most 64 KiB; `None` at the end. A pty whose other side nobody has open any more says EIO: that is its end.
///
/// # Errors
/// read(2) refused.
pub fn read_some(descriptor: BorrowedFd<'_>) -> Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match rustix::io::read(descriptor, &mut buffer[..]) {
            Ok(0) | Err(rustix::io::Errno::IO) => return Ok(None),
            Ok(read) => {
                buffer.truncate(read);
                return Ok(Some(buffer));
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::new("read", "terminal", from_rustix(error))),
        }
    }
}

/// Writes all of `bytes`, waiting where the other side is full.
///
/// # Errors
/// write(2) refused: EIO or EPIPE when the other side is gone.
pub fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(descriptor, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => wait(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)], None)?,
            Err(error) => return Err(Error::new("write", "terminal", from_rustix(error))),
        }
    }
    Ok(())
}

/// What is waited for on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// Something can be read, or the other side is gone.
    pub read: bool,
    /// Something can be written.
    pub write: bool,
}

/// As [`readable`], for descriptors that are written to as well: whether each can be read and written. An end or an error counts as both.
///
/// # Errors
/// As [`readable`].
pub fn ready(descriptors: &[(BorrowedFd<'_>, Interest)], patience: Option<Duration>) -> Result<Vec<Interest>> {
    let flags = |interest: Interest| {
        let read = if interest.read { PollFlags::IN } else { PollFlags::empty() };
        let write = if interest.write { PollFlags::OUT } else { PollFlags::empty() };
        read | write
    };
    let mut polled: Vec<PollFd<'_>> = descriptors.iter().map(|(fd, interest)| PollFd::from_borrowed_fd(*fd, flags(*interest))).collect();
    wait(&mut polled, patience)?;
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    let seen = |polled: &PollFd<'_>| {
        let (events, over) = (polled.revents(), polled.revents().intersects(gone));
        Interest { read: over || events.contains(PollFlags::IN), write: over || events.contains(PollFlags::OUT) }
    };
    Ok(polled.iter().map(seen).collect())
}

/// What reading without waiting has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    /// So much.
    Bytes(Vec<u8>),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    End,
}

/// Reads what is there, at most 64 KiB, from a descriptor that [`never_block`]s. An error is an end: nothing more will come.
pub fn read_now(descriptor: BorrowedFd<'_>) -> Got {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match rustix::io::read(descriptor, &mut buffer[..]) {
            Ok(0) => return Got::End,
            Ok(read) => {
                buffer.truncate(read);
                return Got::Bytes(buffer);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Got::Nothing,
            Err(_) => return Got::End,
        }
    }
}

/// Writes as much as goes without waiting, and says how much that was. SIGPIPE must be ignored, as Rust programs do.
///
/// # Errors
/// write(2) refused: EIO or EPIPE when the other side is gone.
pub fn write_now(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
    loop {
        match rustix::io::write(descriptor, bytes) {
            Ok(written) => return Ok(written),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(0),
            Err(error) => return Err(Error::new("write", "stream", from_rustix(error))),
        }
    }
}

/// From now on reading from and writing to what this descriptor stands for never waits (O_NONBLOCK); it holds for all copies of it.
///
/// # Errors
/// fcntl(2) refused.
pub fn never_block(descriptor: BorrowedFd<'_>) -> Result<()> {
    let set =
        rustix::fs::fcntl_getfl(descriptor).and_then(|flags| rustix::fs::fcntl_setfl(descriptor, flags | rustix::fs::OFlags::NONBLOCK));
    set.map_err(|error| Error::new("fcntl", "O_NONBLOCK", from_rustix(error)))
}

/// Looks at `condition` until it holds. For the few facts of the kernel that no descriptor announces; the pause between two looks is 1 ms.
///
/// # Errors
/// What `condition` fails with; ETIMEDOUT, naming `what`, when it does not hold in time.
pub fn until(what: &'static str, patience: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !condition()? {
        if Instant::now() > deadline {
            return Err(Error::new("wait for", what, Errno::ETIMEDOUT));
        }
        wait(&mut [], Some(Duration::from_millis(1)))?;
    }
    Ok(())
}
