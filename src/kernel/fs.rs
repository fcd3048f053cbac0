//! Files on paths that are *ours*: the state folder, `/proc` and cgroup files of our own choosing.
//!
//! Paths that a container, an image or a learner can influence go through [`super::root::Root`] instead.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

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
