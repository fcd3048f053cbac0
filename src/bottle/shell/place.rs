//! Where a shell is, for completing file names: the root of the process in the foreground, through proc(5).
//!
//! So names are those that the shell itself would see, in a chroot or a new mount namespace too. What the learner controls is only
//! ever opened below the root that was taken hold of ([`Root`]), so that no link of theirs leads us elsewhere.

use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::kernel::pty;
use crate::kernel::root::Root;

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Whether it is a folder, or a link to one.
    pub folder: bool,
    /// Whether it is a file that somebody may execute.
    pub program: bool,
}

/// The file system as one process sees it.
#[derive(Debug)]
pub struct Place(Root);

impl Place {
    pub(super) fn of(tty: BorrowedFd<'_>) -> Option<Self> {
        Root::open(Path::new(&format!("/proc/{}/root", pty::foreground(tty)?))).ok().map(Place)
    }

    /// What is in a folder, given by its absolute path there. Nothing for what is no folder, or may not be looked at.
    pub fn list(&self, folder: &Path) -> Vec<Entry> {
        let entries = self.0.entries(folder).unwrap_or_default().into_iter();
        entries.map(|(name, folder, program)| Entry { name, folder, program }).collect()
    }
}
