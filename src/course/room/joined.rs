//! Which room a learner has joined: a file in the state folder, which every prompt of theirs reads.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::code::Code;
use crate::kernel::{self, fs, random};

/// The file, in the state folder.
const FILE: &str = "class.json";

/// A room that a learner has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub address: SocketAddr,
    /// The room's code, as it is shown.
    code: String,
    /// What the room is called.
    pub room: String,
    /// By what the room knows this learner again; made up here, and told to nobody else.
    pub id: String,
    /// The number that the room gave.
    pub number: Option<u32>,
    /// The name that the learner gave.
    pub name: Option<String>,
}

impl Joined {
    /// A room to be joined.
    pub fn new(address: SocketAddr, code: &Code, name: Option<String>) -> Joined {
        let id = random::bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        Joined { address, code: code.to_string(), room: String::new(), id, number: None, name }
    }

    /// The room that was joined with this state folder. None if there is none, or the file says nothing that can be understood.
    pub fn read(state: &Path) -> Option<Joined> {
        serde_json::from_slice(&fs::read_bytes(&path(state)).ok()?).ok()
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, state: &Path) -> kernel::Result<()> {
        fs::create_dir_all(state, 0o755)?;
        fs::replace(&path(state), &serde_json::to_vec_pretty(self).unwrap_or_default(), 0o600)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(state: &Path) -> kernel::Result<()> {
        fs::remove_file(&path(state))
    }

    /// The room's code.
    ///
    /// # Errors
    /// Somebody has edited the file.
    pub fn code(&self) -> Result<Code, String> {
        self.code.parse()
    }
}

fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_is_kept_for_the_learner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        assert_eq!(Joined::read(state.path()), None);
        let joined = Joined::new("127.0.0.1:7791".parse().unwrap(), &Code::make(), Some("Ana".into()));
        joined.keep(state.path()).unwrap();
        assert_eq!(Joined::read(state.path()), Some(joined));
        let mode = std::fs::metadata(path(state.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the code is in it");
        Joined::forget(state.path()).unwrap();
        assert_eq!(Joined::read(state.path()), None);
        std::fs::write(path(state.path()), "{").unwrap();
        assert_eq!(Joined::read(state.path()), None);
    }
}
