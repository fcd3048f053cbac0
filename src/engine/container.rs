//! Containers: what they are asked to be, what they are doing, and everything that is done to them.
//!
//! ```text
//!  containers/ID/container.json   the record: replaced as a whole, so that a crash leaves the old one or the new one
//!  containers/ID/ID-json.log      what it said
//!  containers/ID/hosts, ...       files that are bound into it
//!  containers/ID/bundle/          config.json for the runtime
//!  overlay2/ID/{diff,work,merged} its changes, and its tree while it runs
//!  run/oci/ID/                    the runtime's folder, as long as there is a process
//! ```
//! An engine holds no process itself: a shim (`bottleship oci create --shim --hold`) does, and tells the engine through a socket. So an engine may be
//! killed: the next one reads the records, connects to the shims that still live, and reads how the others ended.
//!
//! Invariants: who changes a container holds its turn; the record on the disk is written before anybody is told; a name belongs to one container.

pub mod attach;
pub mod changed;
pub mod checks;
pub mod config;
pub mod copying;
pub mod create;
pub mod end;
pub mod exec;
pub mod files;
pub mod health;
pub mod inspect;
pub mod life;
pub mod links;
pub mod list;
pub mod logging;
pub mod logs;
pub mod mounts;
pub mod names;
pub mod network;
pub mod ports;
pub mod record;
pub mod recovery;
pub mod registry;
pub mod removal;
pub mod resolver;
pub mod resources;
pub mod rewire;
pub mod spec;
pub mod start;
pub mod state;
pub mod stats;
pub mod top;
pub mod wait;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::error::Fault;
use crate::kernel::fs;
use record::Record;
use state::State;

/// A container of this engine.
pub struct Container {
    /// Its 64 digits.
    pub id: String,
    /// `containers/ID`.
    pub folder: PathBuf,
    record: Mutex<Kept>,
    live: Mutex<Live>,
    /// Whoever changes what it is doing holds this.
    pub turn: tokio::sync::Mutex<()>,
    /// Goes up with every change.
    pub changed: watch::Sender<u64>,
    /// Goes up when its log has grown, and when it has ended.
    pub logged: watch::Sender<u64>,
}

/// The record, and whether the disk has it too.
struct Kept {
    record: Record,
    written: bool,
}

/// What is not worth the disk.
#[derive(Default)]
pub struct Live {
    /// Who attached before it was started.
    pub pending: Vec<attach::Pending>,
    /// How often it has ended.
    pub ends: u64,
    /// It is no more.
    pub removed: bool,
    /// How often its shim has been listened to: an end is that of the last of them, or has been dealt with.
    pub watches: u64,
    /// So many restarts by hand are under way: `--rm` does not remove what is to be started again at once.
    pub kept: u32,
    /// How long it rested before its last restart.
    pub rest: Option<Duration>,
    /// Its further processes.
    pub execs: Vec<String>,
    /// How it is, if it runs and has a test for that.
    pub health: Option<health::Health>,
    /// Its address in each network, and whatever must go when it ends.
    pub plugged: network::Plugged,
}

impl Container {
    /// A container with its record.
    pub fn new(folder: PathBuf, record: Record) -> Self {
        let (changed, logged) = (watch::Sender::new(0), watch::Sender::new(0));
        Container {
            id: record.id.clone(),
            folder,
            record: Mutex::new(Kept { record, written: false }),
            live: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            changed,
            logged,
        }
    }

    /// The record as it is now.
    pub fn record(&self) -> Record {
        self.lock().record.clone()
    }

    /// What it is doing now.
    pub fn state(&self) -> State {
        self.lock().record.state.clone()
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.lock().record.name.clone()
    }

    /// The first digits of its id, as people see it.
    pub fn short(&self) -> &str {
        &self.id[..12]
    }

    /// Changes the record, here and on the disk, and tells those who wait for changes.
    ///
    /// # Errors
    /// The disk is full: nothing has changed then.
    pub fn change<T>(&self, change: impl FnOnce(&mut Record) -> T) -> Result<T, Fault> {
        let value = {
            let mut kept = self.lock();
            let mut new = kept.record.clone();
            let value = change(&mut new);
            if new != kept.record || !kept.written {
                self.write(&new, fs::replace)?;
                *kept = Kept { record: new, written: true };
            }
            value
        };
        self.tell();
        Ok(value)
    }

    /// The same where a full disk must not stop the world: it is changed here at least.
    pub fn change_anyway(&self, change: impl FnOnce(&mut Record)) {
        self.note(change);
        self.tell();
    }

    /// The same, and nobody is told yet.
    ///
    /// The disk is not waited for where the container goes with its end (`--rm`) and it has ended: whatever of that a power cut takes away, the next engine
    /// finds a container that is to be removed.
    pub fn note(&self, change: impl FnOnce(&mut Record)) {
        let mut kept = self.lock();
        change(&mut kept.record);
        let ends = kept.record.host.auto_remove && !kept.record.state.is_running();
        // The next change writes all of it again.
        kept.written = self.write(&kept.record, if ends { fs::put } else { fs::replace }).is_ok();
    }

    /// Changes the record here alone: what holds for one run of the container is written with the next change, and found out anew by an engine that
    /// comes before that.
    pub fn remember(&self, change: impl FnOnce(&mut Record)) {
        let mut kept = self.lock();
        change(&mut kept.record);
        kept.written = false;
    }

    /// Tells those who wait that something has changed.
    pub fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// What is not on the disk.
    pub fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its log is.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join(format!("{}-json.log", self.id))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, record: &Record, write: fn(&Path, &[u8], u32) -> crate::kernel::Result<()>) -> Result<(), Fault> {
        let json = serde_json::to_vec(record).map_err(|error| Fault::internal(error.to_string()))?;
        Ok(write(&record_file(&self.folder), &json, 0o600)?)
    }
}

/// Where the record of the container of this folder is.
pub fn record_file(folder: &Path) -> PathBuf {
    folder.join("container.json")
}

/// Now, as the API writes moments.
pub fn now() -> String {
    crate::oci::runtime::timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_has_what_was_changed_and_is_not_asked_again_for_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = record_file(folder.path());
        let on_disk = || serde_json::from_str::<Record>(&fs::read(&file).unwrap()).unwrap();
        let container = Container::new(folder.path().to_owned(), Record { id: "x".repeat(64), ..Record::default() });
        container.change(|_| ()).unwrap();
        assert_eq!(on_disk(), container.record(), "a new one is written whatever is changed");
        fs::remove_file(&file).unwrap();
        container.change(|record| record.restarts = 0).unwrap();
        assert!(!file.exists(), "nothing has changed");
        container.remember(|record| record.created = "now".to_owned());
        assert!(!file.exists(), "it waits for the next change");
        container.change(|_| ()).unwrap();
        assert_eq!((on_disk().created.as_str(), on_disk()), ("now", container.record()));
        container.note(|record| record.restarts = 1);
        assert_eq!(on_disk().restarts, 1);
    }
}
