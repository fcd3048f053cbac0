//! Files that change under the hands of somebody else, inotify(7).
//!
//! Editors save in several ways: in place (a write and a close), or by writing a new file and renaming it over the old one. So folders are
//! watched and not files, and what counts is that a file was closed after writing, came, went, or was renamed.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::error::{Errno, Error, Result};

/// Watches folders; readable when something in one of them has changed.
#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// inotify_init1(2) refused: EMFILE when the user has too many of them (fs.inotify.max_user_instances).
    pub fn new() -> Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        inotify.map(|inotify| Watch { inotify }).map_err(|errno| Error::new("inotify_init1", "", errno))
    }

    /// Watches a folder too (not the folders in it). Watching one twice is watching it once.
    ///
    /// # Errors
    /// ENOENT without the folder, ENOSPC when the user watches too many (fs.inotify.max_user_watches).
    pub fn folder(&self, folder: &Path) -> Result<()> {
        let changes = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_ONLYDIR;
        let added = self.inotify.add_watch(folder, changes);
        added.map(drop).map_err(|errno| Error::new("inotify_add_watch", folder.display(), errno))
    }

    /// The names that have changed since the last call, each once, in the order of the first change. Empty when nothing has.
    ///
    /// # Errors
    /// read(2) refused.
    pub fn changed(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    for name in events.into_iter().filter_map(|event| event.name) {
                        let name = name.to_string_lossy().into_owned();
                        if !names.contains(&name) {
                            names.push(name);
                        }
                    }
                }
                Err(Errno::EAGAIN) => return Ok(names),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::new("read", "inotify", errno)),
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_way_of_saving_is_seen_and_reading_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("old"), "1").unwrap();
        let watch = Watch::new().unwrap();
        watch.folder(folder.path()).unwrap();
        watch.folder(folder.path()).unwrap();
        std::fs::read(path("old")).unwrap();
        assert!(watch.changed().unwrap().is_empty());
        std::fs::write(path("old"), "2").unwrap();
        std::fs::write(path(".swap"), "3").unwrap();
        std::fs::rename(path(".swap"), path("new")).unwrap();
        assert!(super::super::poll::readable(&[watch.as_fd()], Some(Duration::from_secs(5))).unwrap().contains(&0));
        assert_eq!(watch.changed().unwrap(), ["old", ".swap", "new"]);
        assert_eq!(watch.folder(&path("none")).unwrap_err().errno, Errno::ENOENT);
    }
}
