//! Files on paths that are *ours*: the state folder, `/proc` and cgroup files of our own choosing.
//!
//! Paths that a container, an image or a learner can influence go through [`super::root::Root`] instead.

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::xray;

/// Reads a whole file as text; bytes that are not UTF-8 become U+FFFD.
///
/// # Errors
/// open(2) or read(2) refused.
pub fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| Error::from_io("read", path.display(), &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes `text` in a single write(2), as kernel files (`cgroup.procs`, `uid_map`) demand. The file must exist.
///
/// # Errors
/// open(2) or write(2) refused; the errno of a kernel file is its answer (EBUSY, EINVAL).
pub fn write_once(path: &Path, text: &str) -> Result<()> {
    xray::call("write", &path.display(), format_args!("{} <- {}", path.display(), text.trim_end()), || {
        let mut file = fs::OpenOptions::new().write(true).open(path).map_err(|error| super::error::errno_of(&error))?;
        file.write_all(text.as_bytes()).map_err(|error| super::error::errno_of(&error))
    })
}

/// Replaces a file of ours so that a crash leaves the old or the new content, never a mixture.
///
/// # Errors
/// Any step of write, fsync and rename refused; the old content is then still there.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let temporary = path.with_extension(format!("new.{}", std::process::id()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::from_io("replace", path.display(), &error)
    })
}

/// As [`replace`], for what does not outlive the machine's uptime: nothing waits for the disk, so a power cut may lose it.
///
/// # Errors
/// Any step of write and rename refused; the old content is then still there.
pub fn put(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let temporary = path.with_extension(format!("new.{}", std::process::id()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::from_io("write", path.display(), &error)
    })
}

/// Has the disk keep `bytes` more for a file than it is long, so that it can go on growing when the disk is full. The file's length stays.
///
/// # Errors
/// ENOSPC when that much is not free, EOPNOTSUPP where the file system has no such thing.
pub fn reserve(file: &fs::File, bytes: u64) -> Result<()> {
    let length = file.metadata().map_err(|error| Error::from_io("stat", "a file to reserve for", &error))?.len();
    rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, length, bytes)
        .map_err(|errno| Error::new("fallocate", "a file to reserve for", super::root::from_rustix(errno)))
}

/// Reads a whole file as bytes.
///
/// # Errors
/// open(2) or read(2) refused.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::from_io("read", path.display(), &error))
}

/// Creates one folder; an existing one is EEXIST. `mode` holds whatever the umask.
///
/// # Errors
/// mkdir(2) or chmod(2) refused.
pub fn create_dir(path: &Path, mode: u32) -> Result<()> {
    fs::create_dir(path).map_err(|error| Error::from_io("mkdir", path.display(), &error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| Error::from_io("chmod", path.display(), &error))
}

/// Takes the lock on a folder, waiting for whoever has it (flock(2)). Closing the descriptor gives it back.
///
/// # Errors
/// There is no such folder.
pub fn lock(folder: &Path) -> Result<OwnedFd> {
    let file = fs::File::open(folder).map_err(|error| Error::from_io("open", folder.display(), &error))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|errno| Error::new("flock", folder.display(), super::root::from_rustix(errno)))?;
    Ok(file.into())
}

/// Gives a lock back, whoever else holds a copy of the descriptor.
pub fn unlock(lock: &OwnedFd) {
    // Only a descriptor that is none fails.
    let _ = rustix::fs::flock(lock, rustix::fs::FlockOperation::Unlock);
}

/// Removes a folder of ours with all in it; links are not followed.
///
/// # Errors
/// rmdir(2) or unlink(2) refused.
pub fn remove_dir_all(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|error| Error::from_io("remove", folder.display(), &error))
}

/// Removes a file of ours.
///
/// # Errors
/// Those of unlink(2).
pub fn remove_file(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| Error::from_io("unlink", path.display(), &error))
}

/// The absolute path of an existing file, without links.
///
/// # Errors
/// It does not exist.
#[expect(clippy::disallowed_methods, reason = "a path of our own, given on the command line")]
pub fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| Error::from_io("realpath", path.display(), &error))
}

/// Creates a folder and its parents; an existing one is fine. `mode` holds whatever the umask.
///
/// # Errors
/// mkdir(2) or chmod(2) refused.
pub fn create_dir_all(path: &Path, mode: u32) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|error| Error::from_io("mkdir", path.display(), &error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| Error::from_io("chmod", path.display(), &error))
}

/// The names in a folder, sorted; those that are not UTF-8 are left out.
///
/// # Errors
/// opendir(3) refused.
pub fn list(path: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(path).map_err(|error| Error::from_io("opendir", path.display(), &error))?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
