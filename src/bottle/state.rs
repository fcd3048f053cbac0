//! Where bottles keep their state on the machine, and who holds one.
//!
//! ```text
//! <root>/bin/                         what was set aside: removed when a bottle has booted
//! <root>/bottles/NAME/lock            held (flock) by the keeper and PID 1: free means that the bottle is dead
//!                    /spec.json       what it was booted as
//!                    /ids             the range of ids that its files belong to
//!                    /journal.jsonl   /journal.sock   /keeper.sock
//!                    /hosts/HOST/{upper,work,disk}    /hosts/HOST/ctl.sock
//! ```

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Error, Mode};
use crate::kernel::{fs, lock};

/// The state of one bottle on disk.
#[derive(Debug, Clone)]
pub struct State {
    name: String,
    dir: PathBuf,
}

/// The folder of all state: `$BOTTLESHIP_STATE`, else `/var/lib/bottleship` for root and the user's own state folder for others.
pub fn root() -> PathBuf {
    let environment: Vec<(String, String)> = std::env::vars().collect();
    root_in(&environment, crate::kernel::ids::effective().0)
}

/// The same for a process of the user `user` with this environment.
pub fn root_in(environment: &[(String, String)], user: u32) -> PathBuf {
    let value = |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let set = |name: &str| value(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(chosen) = set("BOTTLESHIP_STATE") {
        return std::path::absolute(&chosen).unwrap_or(chosen);
    }
    if user == 0 {
        return PathBuf::from("/var/lib/bottleship");
    }
    let home = set("HOME").unwrap_or_else(|| PathBuf::from("/tmp"));
    set("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("bottleship")
}

/// Where the state of worlds that are over waits to be removed.
pub fn bin() -> PathBuf {
    root().join("bin")
}

/// The mode that the effective user has. Root of a user namespace (in a container, say) has an ordinary user's.
pub fn mode() -> Mode {
    if super::ids::machine_root() { Mode::Root } else { Mode::Rootless }
}

/// Checks the name of a bottle or a host: it becomes a folder, a cgroup, a host name and part of a link's name.
///
/// # Errors
/// It is empty, too long, or has other characters than letters, digits, `-` and `_`.
pub fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    let fine = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if name.is_empty() || name.len() > 32 || !fine || !name.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(Error::Name { what, name: name.to_owned() });
    }
    Ok(())
}

/// The names of all bottles that have state, running or not.
pub fn all() -> Vec<State> {
    let folder = root().join("bottles");
    let names = fs::list(&folder).unwrap_or_default();
    names.into_iter().filter_map(|name| State::of(&name).ok()).collect()
}

impl State {
    /// The state of the bottle `name`, there or not.
    ///
    /// # Errors
    /// The name cannot be one.
    pub fn of(name: &str) -> Result<Self, Error> {
        check_name("bottle", name)?;
        Ok(State { name: name.to_owned(), dir: root().join("bottles").join(name) })
    }

    /// The bottle's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder of one of its hosts.
    pub fn host(&self, host: &str) -> PathBuf {
        self.dir.join("hosts").join(host)
    }

    /// Makes the folder, for our eyes only: an upper layer may hold set-user-id programs of the bottle's own making (CVE-2021-41091).
    ///
    /// # Errors
    /// mkdir(2) or chmod(2) refused.
    pub fn create(&self) -> Result<(), Error> {
        for folder in [root(), root().join("bottles"), self.dir.clone()] {
            fs::create_dir_all(&folder, 0o700).map_err(Error::at("make the state folder"))?;
        }
        fs::create_dir_all(&self.dir.join("hosts"), 0o755).map_err(Error::at("make the state folder"))
    }

    /// Takes the lock, which lasts as long as the descriptor or a copy of it is open.
    ///
    /// # Errors
    /// [`Error::Busy`] when somebody holds it.
    pub fn lock(&self) -> Result<OwnedFd, Error> {
        let lock = lock::try_take(&self.path("lock")).map_err(Error::at("lock the bottle"))?;
        lock.ok_or_else(|| Error::Busy { name: self.name.clone() })
    }

    /// Whether a keeper or a PID 1 of this bottle lives.
    pub fn running(&self) -> bool {
        lock::held(&self.path("lock"))
    }

    /// What the bottle is called outside its folder (cgroups, nft tables): its name, and a mark of the state folder unless that is the usual one,
    /// so that bottles of the same name in different state folders live side by side.
    pub fn label(&self) -> String {
        let root = root();
        if root == Path::new("/var/lib/bottleship") {
            return format!("bottleship-{}", self.name);
        }
        let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
        format!("bottleship-{}.{:02x}{:02x}{:02x}{:02x}", self.name, digest[0], digest[1], digest[2], digest[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(33);
        for bad in ["", ".", "..", "a/b", "-x", "_x", "a b", "a\n", "a\0", "é", ".service", long.as_str()] {
            assert!(check_name("host", bad).is_err(), "{bad:?}");
        }
        for good in ["bench", "node-1", "A_2", "0"] {
            check_name("host", good).unwrap();
        }
    }
}
