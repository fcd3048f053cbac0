//! Locks on files of ours, flock(2).
//!
//! A lock belongs to the *open file description*: it lasts as long as any copy of the descriptor is open, in this process or in a child that
//! inherited it. That is what makes a lock tell whether a whole process tree is alive.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use super::error::{Error, Result};
use super::root::from_rustix;

/// Takes the lock on a folder, waiting for whoever has it. Closing the descriptor gives it back.
///
/// # Errors
/// There is no such folder.
pub fn wait_for(folder: &Path) -> Result<OwnedFd> {
    let file = File::open(folder).map_err(|error| Error::from_io("open", folder.display(), &error))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|errno| Error::new("flock", folder.display(), from_rustix(errno)))?;
    Ok(file.into())
}

/// Takes the lock on a folder together with others who share it, and waits for one who has it alone.
///
/// # Errors
/// There is no such folder.
pub fn share_folder(folder: &Path) -> Result<OwnedFd> {
    let file = File::open(folder).map_err(|error| Error::from_io("open", folder.display(), &error))?.into();
    wait(&file, folder, FlockOperation::LockShared)?;
    Ok(file)
}

/// Takes the lock on a file, which is made if it is missing, for its owner alone; `None` when somebody has it.
///
/// # Errors
/// open(2) refused (ELOOP: it is a symbolic link, which nobody of ours has made), or the file system knows no locks.
pub fn try_take(path: &Path) -> Result<Option<OwnedFd>> {
    let file = open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(Error::new("flock", path.display(), from_rustix(errno))),
    }
}

/// Takes the lock on a file together with others who share it, and waits for one who has it alone. The file is made if it is missing.
///
/// # Errors
/// As [`try_take`].
pub fn share(path: &Path) -> Result<OwnedFd> {
    let file = open(path)?;
    wait(&file, path, FlockOperation::LockShared)?;
    Ok(file)
}

/// Takes the lock on a file alone, and waits for those who have it. The file, made if it is missing, is open to read and write.
///
/// # Errors
/// As [`try_take`].
pub fn take(path: &Path) -> Result<File> {
    let file = open(path)?;
    wait(&file, path, FlockOperation::LockExclusive)?;
    Ok(file.into())
}

fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).map_err(|errno| Error::new("open", path.display(), from_rustix(errno)))
}

fn wait(file: &OwnedFd, path: &Path, operation: FlockOperation) -> Result<()> {
    loop {
        match flock(file, operation) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map_err(|errno| Error::new("flock", path.display(), from_rustix(errno))),
        }
    }
}

/// Whether somebody holds the lock on this file. One that is there and that we cannot open is taken for held: it is another user's, or there are no
/// descriptors left.
pub fn held(path: &Path) -> bool {
    match rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(file) => flock(&file, FlockOperation::NonBlockingLockExclusive).is_err(),
        Err(errno) => ![rustix::io::Errno::NOENT, rustix::io::Errno::NOTDIR, rustix::io::Errno::LOOP].contains(&errno),
    }
}

/// Gives a lock back, whoever else holds a copy of the descriptor.
pub fn give_back(lock: &OwnedFd) {
    // Only a descriptor that is none fails, and an owned one is one.
    let _ = flock(lock, FlockOperation::Unlock);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_the_last_copy_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!held(&path), "no file, no holder");
        let lock = try_take(&path).unwrap().expect("free");
        let copy = lock.try_clone().unwrap();
        assert!(held(&path) && try_take(&path).unwrap().is_none());
        drop(lock);
        assert!(held(&path), "a copy holds it");
        drop(copy);
        assert!(!held(&path) && try_take(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_that_is_given_back_is_free_for_all_copies() {
        let folder = tempfile::tempdir().unwrap();
        let lock = wait_for(folder.path()).unwrap();
        let _copy = lock.try_clone().unwrap();
        assert!(held(folder.path()));
        give_back(&lock);
        assert!(!held(folder.path()));
    }

    #[test]
    fn no_lock_is_made_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("victim"), folder.path().join("lock"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(try_take(&link).unwrap_err().errno, super::super::error::Errno::ELOOP);
        assert!(!target.exists());
    }
}
