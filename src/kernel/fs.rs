//! Files on paths that are *ours*: the state folder, `/proc` and cgroup files of our own choosing.
//!
//! Paths that a container, an image or a learner can influence go through [`super::root::Root`] instead.

use std::fs;
pub use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Which file it is, and as of when: another one has another identity, and so has this one once somebody has written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

/// The identity of a file of ours.
///
/// # Errors
/// stat(2) refused.
pub fn identity(path: &Path) -> Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let told = fs::metadata(path).map_err(|error| Error::from_io("stat", path.display(), &error))?;
    Ok(Identity { device: told.dev(), inode: told.ino(), length: told.len(), changed: (told.ctime(), told.ctime_nsec()) })
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
    write_aside(path, content, mode, settle).map_err(|error| Error::from_io("replace", path.display(), &error))
}

/// As [`replace`], for what does not outlive the machine's uptime: nothing waits for the disk, so a power cut may lose it.
///
/// # Errors
/// Any step of write and rename refused; the old content is then still there.
pub fn put(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    write_aside(path, content, mode, |_| Ok(())).map_err(|error| Error::from_io("write", path.display(), &error))
}

/// Whether what is written shall be there after a power cut.
static LASTING: AtomicBool = AtomicBool::new(true);

/// From now on nothing that this process writes waits for the disk: for programs in a bottle, whose files are made anew at each start. What
/// is written is whole all the same, whenever a process is killed.
pub fn nothing_lasts() {
    LASTING.store(false, Ordering::Relaxed);
}

/// Has the disk know a file, where anything shall last.
fn settle(file: &fs::File) -> std::io::Result<()> {
    if LASTING.load(Ordering::Relaxed) { file.sync_all() } else { Ok(()) }
}

/// Writes a file of another name, settles it on the disk, and gives it its name.
fn write_aside(path: &Path, content: &[u8], mode: u32, settle: impl FnOnce(&fs::File) -> std::io::Result<()>) -> std::io::Result<()> {
    let temporary = beside(path);
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        settle(&file)?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
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

/// Removes an empty folder of ours; a missing one is fine.
///
/// # Errors
/// EBUSY, ENOTEMPTY and the others of rmdir(2).
pub fn remove_dir(folder: &Path) -> Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::from_io("rmdir", folder.display(), &error)),
        _ => Ok(()),
    }
}

/// Opens a file of ours for writing alone; it must exist.
///
/// # Errors
/// Those of open(2).
pub fn open_to_write(path: &Path) -> Result<OwnedFd> {
    let file = fs::OpenOptions::new().write(true).open(path).map_err(|error| Error::from_io("open", path.display(), &error))?;
    Ok(file.into())
}

/// Whether `path` is still the name of the open file: while we waited for its lock it may have been renamed or removed.
///
/// # Errors
/// stat(2) refused.
pub fn is_at(file: &fs::File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let own = file.metadata().map_err(|error| Error::from_io("fstat", path.display(), &error))?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::from_io("stat", path.display(), &error)),
    }
}

/// Gives a file that is complete its final name: content to the disk, rename, the folder's new entry to the disk. The file can be read only afterwards.
///
/// # Errors
/// fsync(2), fchmod(2) or rename(2) refused.
pub fn publish(file: &fs::File, path: &Path, target: &Path) -> Result<()> {
    let failed = |call: &'static str| move |error: std::io::Error| Error::from_io(call, target.display(), &error);
    settle(file).map_err(failed("fsync"))?;
    fs::rename(path, target).map_err(failed("rename"))?;
    // Only now: an ordinary user could not open what they find under its first name, to wait for us or to go on after a crash.
    file.set_permissions(fs::Permissions::from_mode(0o400)).map_err(failed("chmod"))?;
    match target.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Has the disk know the names in a folder.
///
/// # Errors
/// fsync(2) refused.
pub fn sync_folder(folder: &Path) -> Result<()> {
    fs::File::open(folder).and_then(|folder| settle(&folder)).map_err(|error| Error::from_io("fsync", folder.display(), &error))
}

/// A name in `folder` that nothing has: `prefix`, this process and a number.
///
/// # Errors
/// The folder cannot be read.
pub fn unique(folder: &Path, prefix: &str) -> Result<PathBuf> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.join(format!("{prefix}{}-{number}", std::process::id()));
        // Processes of two pid namespaces may share the folder and the number.
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::from_io("create", path.display(), &error)),
        }
    }
}

/// Opens a file of ours for reading.
///
/// # Errors
/// Those of open(2).
pub fn open_read(path: &Path) -> Result<fs::File> {
    fs::File::open(path).map_err(|error| Error::from_io("open", path.display(), &error))
}

/// The first bytes of a file of ours, at most so many.
///
/// # Errors
/// Those of open(2) and read(2).
pub fn read_start(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    let read = open_read(path)?.take(most).read_to_end(&mut start);
    read.map(|_| start).map_err(|error| Error::from_io("read", path.display(), &error))
}

/// The length of a file of ours in bytes.
///
/// # Errors
/// Those of stat(2).
pub fn length(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|data| data.len()).map_err(|error| Error::from_io("stat", path.display(), &error))
}

/// Renames a file or folder of ours.
///
/// # Errors
/// Those of rename(2).
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| Error::from_io("rename", from.display(), &error))
}

/// A name for a file that will replace `path`: in the same folder, hidden, and guessed by nobody. A process id would not do: processes of two
/// pid namespaces may write to one folder.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new.{:016x}", u64::from_ne_bytes(super::random::bytes())))
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

/// The names of the folders in a folder, sorted. The kernel tells what a name is together with the name, so nothing is asked about the others: a cgroup
/// has some forty files.
///
/// # Errors
/// opendir(3) refused.
pub fn folders(path: &Path) -> Result<Vec<String>> {
    names(path, |entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

/// The names in a folder, sorted; those that are not UTF-8 are left out.
///
/// # Errors
/// opendir(3) refused.
pub fn list(path: &Path) -> Result<Vec<String>> {
    names(path, |_| true)
}

fn names(path: &Path, wanted: impl Fn(&fs::DirEntry) -> bool) -> Result<Vec<String>> {
    let entries = fs::read_dir(path).map_err(|error| Error::from_io("opendir", path.display(), &error))?;
    let mut names: Vec<String> = entries.flatten().filter(wanted).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
