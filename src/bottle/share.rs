//! The one folder of the machine that a bottle may write to: which can be, and in which its owner is the bottle's root.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Error, state};
use crate::kernel::idmap::Extent;
use crate::kernel::{self, mount, ns};

/// Folders of the system: whoever shares one gives the machine away, for the bottle's root writes there as their owner.
const SYSTEM: &[&str] = &["bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr", "var"];
/// Folders in which everybody's things are.
const EVERYBODYS: &[&str] = &["/", "/home", "/root", "/tmp", "/var/tmp", "/mnt", "/media", "/opt", "/srv", "/run/user"];
/// Where folders of system folders may be shared after all: things of people, and of ours.
const PEOPLES: &[&str] = &["/var/tmp", "/var/lib", "/run/user", "/run/media", "/usr/local/src", "/usr/src", "/var/www"];

/// The folder that is meant, without links on the way.
///
/// # Errors
/// It is no folder, or one that nobody should give away.
pub fn check(path: &Path) -> Result<PathBuf, Error> {
    let refused = |why: &str| Error::Refused {
        doing: format!("share `{}`", path.display()),
        why: why.to_owned(),
        errno: None,
        hint: Some("share a folder made for it, as in `mkdir ~/shared`, `bottleship --share ~/shared`".to_owned()),
    };
    let real = kernel::fs::absolute(path).map_err(|error| refused(&error.to_string()))?;
    if !real.is_dir() {
        return Err(refused("it is no folder"));
    }
    if EVERYBODYS.iter().any(|folder| real == Path::new(folder)) {
        return Err(refused("too much would be in the bottle's reach: everybody's files are in it"));
    }
    let within = |top: &str| real.starts_with(Path::new("/").join(top));
    if SYSTEM.iter().any(|top| within(top)) && !PEOPLES.iter().any(|place| real.starts_with(place) && real != Path::new(place)) {
        return Err(refused("it belongs to the machine's system, and root in the bottle could change it"));
    }
    if std::env::var_os("HOME").is_some_and(|home| Path::new(&home) == real) {
        return Err(refused("your whole home would be in the bottle's reach, with your keys and settings"));
    }
    let state = kernel::fs::absolute(&state::root()).unwrap_or_else(|_| state::root());
    if real.starts_with(&state) || state.starts_with(&real) {
        return Err(refused("the bottle's own state lies there"));
    }
    Ok(real)
}

/// Gives the detached mount `tree` of the folder `path` a map in which the folder's owner is the bottle's root, `root` outside.
///
/// # Errors
/// The file system has no id-mapped mounts.
pub fn map(tree: &OwnedFd, path: &Path, root: (u32, u32)) -> Result<(), Error> {
    let at = || Error::at(format!("share `{}`", path.display()));
    let data = std::fs::metadata(path).map_err(|error| kernel::Error::from_io("stat", path.display(), &error)).map_err(at())?;
    let one = |inside, outside| [Extent { inside, outside, count: 1 }];
    let namespace = ns::user_with_maps(&one(data.uid(), root.0), &one(data.gid(), root.1)).map_err(at())?;
    mount::id_map(tree.as_fd(), namespace.as_fd()).map_err(|error| Error::Refused {
        doing: format!("share `{}`", path.display()),
        errno: Some(error.errno as i32),
        why: error.to_string(),
        hint: Some("the file system there may have no id-mapped mounts: share a folder on another (ext4, xfs, btrfs, tmpfs)".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_give_the_machine_away_is_refused() {
        for bad in [
            "/",
            "/etc",
            "/proc",
            "/proc/1",
            "/sys/fs/cgroup",
            "/usr/bin",
            "/home",
            "/root",
            "/tmp",
            "/no/such/folder",
            "/etc/passwd",
            "/..",
        ] {
            assert!(check(Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_link_to_a_refused_folder_is_refused_and_one_to_a_good_one_is_followed() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let (bad, good, real) = (folder.path().join("bad"), folder.path().join("good"), folder.path().join("real"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink("/etc", &bad).unwrap();
        std::os::unix::fs::symlink(&real, &good).unwrap();
        assert!(check(&bad).is_err());
        assert_eq!(check(&good).unwrap(), real);
    }
}
