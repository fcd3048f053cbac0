//! A second ear at a shell: while the learner edits a line, jobs in the background may speak.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::Place;
use super::marks::{Piece, Scanner};
use crate::kernel::{self, poll, pty};

/// What the shell has said while nobody waited for it, and the way to hear more of it from another thread.
#[derive(Debug)]
pub struct Background {
    tty: OwnedFd,
    scanner: Scanner,
}

impl Background {
    pub(super) fn new(tty: OwnedFd, scanner: Scanner) -> Self {
        Background { tty, scanner }
    }

    /// Reads what is there, waiting at most `patience`: the bytes as they came, and those of them that are for the terminal. None when the shell
    /// is gone.
    ///
    /// # Errors
    /// poll(2) or read(2) failed.
    pub fn read(&mut self) -> kernel::Result<Option<(Vec<u8>, Vec<u8>)>> {
        if poll::readable(&[self.tty.as_fd()], Some(Duration::ZERO))?.is_empty() {
            return Ok(Some((Vec::new(), Vec::new())));
        }
        let Some(bytes) = poll::read_some(self.tty.as_fd())? else { return Ok(None) };
        let pieces = self.scanner.feed(&bytes).into_iter();
        let shown = pieces.flat_map(|piece| if let Piece::Text(text) = piece { text } else { Vec::new() }).collect();
        Ok(Some((bytes, shown)))
    }

    /// The files as the shell in the foreground sees them.
    pub fn place(&self) -> Option<Place> {
        Place::of(self.tty.as_fd())
    }

    /// Waits until the shell says something, or `other` becomes readable.
    ///
    /// # Errors
    /// poll(2) failed.
    pub fn wait(&self, other: BorrowedFd<'_>) -> kernel::Result<()> {
        // Changes of the window's size are for the thread that edits.
        pty::leave_resizes_to_others();
        poll::readable(&[self.tty.as_fd(), other], None).map(drop)
    }
}
