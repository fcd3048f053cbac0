//! Where containers are remembered: one folder per container below `--root`.
//!
//! ```text
//!  /run/bottleship/oci/web/
//!      state.json    who it is: replaced as a whole, never half written
//!      planned.json  the same before there is a process: what a create that was cut short may have left
//!      config.json   the bundle's, as it was at create; exec and delete go by it
//!      xray.ring     what the kernel was asked for it, if somebody looks: `start` fetches it
//!      log.json      what it said, where a shim stays with it
//!      exit.json     how it ended, likewise; empty until then
//!      start.sock    while it waits for `start`: connecting to it is the start
//! ```
//! Making the folder reserves the id. Whoever changes something holds flock(2) on the folder. What a container *is doing* is not stored: it is
//! asked of the kernel each time, so that it cannot be stale.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{During as _, Error, Result};
use super::id::ContainerId;
use super::spec::{self, Spec};
use crate::kernel::cgroup::{Cgroup, Layout};
use crate::kernel::error::Errno;
use crate::kernel::{fs, lock, process};

/// The configuration as it was at create.
const CONFIG: &str = "config.json";

/// Reads a configuration that was judged when its container was made.
///
/// # Errors
/// It is gone or damaged.
pub fn read_config(path: &Path) -> Result<Spec> {
    let text = fs::read(path)?;
    spec::reparse(text.as_bytes()).map_err(|error| spec::Error { file: path.to_owned(), ..error }.into())
}

/// The folder of all containers of one `--root`.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// What is remembered of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Specification version.
    pub oci_version: String,
    /// Its name.
    pub id: String,
    /// Its first process, as numbered by whoever created it.
    pub pid: i32,
    /// When that process began, in clock ticks since boot: tells it from a later one of the same number.
    pub started: u64,
    /// Absolute.
    pub bundle: PathBuf,
    /// Absolute.
    pub rootfs: PathBuf,
    /// RFC 3339.
    pub created: String,
    /// Who created it, by user id.
    pub owner: u32,
    /// The bundle's notes.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// The cgroup's path in each tree; `None` when it could not have one.
    pub cgroup: Option<PathBuf>,
    /// The cgroup's directories: a relative path counts from the cgroup of the one who made it, not of the one who reads this.
    #[serde(default)]
    pub cgroup_directories: Vec<PathBuf>,
}

/// What a container is doing (runtime.md, "State").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits for `start`.
    Created,
    /// Its program runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its first process has ended.
    Stopped,
}

impl Status {
    /// The specification's word.
    pub fn word(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

/// A container's folder, locked.
#[derive(Debug)]
pub struct Entry {
    folder: PathBuf,
    id: ContainerId,
    lock: OwnedFd,
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Said, not left to close(2): a container that waits for `start` has a copy of the descriptor, and the lock with it.
        lock::give_back(&self.lock);
    }
}

impl Store {
    /// The store below `root`.
    pub fn new(root: PathBuf) -> Self {
        Store { root }
    }

    /// Reserves `id` for a new container.
    ///
    /// # Errors
    /// The id is taken; the folder cannot be made.
    pub fn reserve(&self, id: &ContainerId) -> Result<Entry> {
        fs::create_dir_all(&self.root, 0o700)?;
        let folder = self.root.join(id.as_str());
        fs::create_dir(&folder, 0o711).map_err(|error| match error.errno {
            Errno::EEXIST => Error::new(format!("container with id `{id}` already exists"))
                .hint(format!("`bottleship oci delete --force {id}` removes it")),
            _ => error.into(),
        })?;
        let lock = lock::wait_for(&folder)?;
        Ok(Entry { folder, id: id.clone(), lock })
    }

    /// Opens and locks the folder of `id`.
    ///
    /// # Errors
    /// There is no such container.
    pub fn open(&self, id: &ContainerId) -> Result<Entry> {
        let folder = self.root.join(id.as_str());
        let lock = lock::wait_for(&folder).map_err(|error| match error.errno {
            Errno::ENOENT => Error::new(format!("container `{id}` does not exist"))
                .hint(format!("`bottleship oci list` shows those below `{}`", self.root.display())),
            _ => error.into(),
        })?;
        // Between the open and the lock somebody may have deleted it: the lock is then on a folder without a name.
        if !folder.is_dir() {
            return Err(Error::new(format!("container `{id}` does not exist")));
        }
        Ok(Entry { folder, id: id.clone(), lock })
    }

    /// Where the configuration of `id` is kept, if there is such a container.
    pub fn config_file(&self, id: &ContainerId) -> PathBuf {
        self.root.join(id.as_str()).join(CONFIG)
    }

    /// The names of all containers.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn ids(&self) -> Result<Vec<ContainerId>> {
        match fs::list(&self.root) {
            Ok(names) => Ok(names.iter().filter_map(|name| ContainerId::new(name).ok()).collect()),
            Err(error) if error.errno == Errno::ENOENT => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Entry {
    /// The socket that `start` goes through.
    pub fn start_socket(&self) -> PathBuf {
        self.folder.join("start.sock")
    }

    /// The X-ray of a container that waits for `start`, if there is one.
    pub fn xray(&self) -> PathBuf {
        self.folder.join("xray.ring")
    }

    /// What the container says, a JSON document per line, if a shim stays with it.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.json")
    }

    /// How the container ended, if a shim stayed with it.
    pub fn exit_file(&self) -> PathBuf {
        self.folder.join("exit.json")
    }

    /// `exitCode` and `exitedAt`, when a shim has seen the container's end.
    pub fn exit(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&fs::read(&self.exit_file()).ok()?).ok()
    }

    /// Keeps the bundle's configuration as it is now.
    ///
    /// # Errors
    /// The disk is full.
    pub fn keep_config(&self, config: &[u8]) -> Result<()> {
        Ok(fs::put(&self.config_file(), config, 0o600)?)
    }

    /// The configuration as it was at create.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn config(&self) -> Result<Spec> {
        read_config(&self.config_file())
    }

    /// Where that is kept.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// Writes the state.
    ///
    /// # Errors
    /// The disk is full.
    pub fn save(&self, state: &State) -> Result<()> {
        self.put("state.json", state)
    }

    /// Writes what is about to be made, for whoever has to take it away if we do not come to an end.
    ///
    /// # Errors
    /// The disk is full.
    pub fn save_planned(&self, state: &State) -> Result<()> {
        self.put("planned.json", state)
    }

    /// What a create that was cut short was about to make, as far as it had come.
    pub fn planned(&self) -> Option<State> {
        serde_json::from_str(&fs::read(&self.folder.join("planned.json")).ok()?).ok()
    }

    fn put(&self, name: &str, state: &State) -> Result<()> {
        let json = serde_json::to_vec(state).map_err(|error| Error::new(error.to_string()))?;
        Ok(fs::put(&self.folder.join(name), &json, 0o600)?)
    }

    /// Reads the state.
    ///
    /// # Errors
    /// It is missing (a create that died) or damaged.
    pub fn load(&self) -> Result<State> {
        let path = self.folder.join("state.json");
        let text = fs::read(&path)
            .map_err(|error| {
                Error::from(error).hint(format!("its creation was cut short; `bottleship oci delete --force {}` removes it", self.id))
            })
            .during(|| format!("container `{}` is half made", self.id))?;
        serde_json::from_str(&text).map_err(|error| Error::new(format!("{}: {error}", path.display())))
    }

    /// What the container is doing, by the kernel.
    pub fn status(&self, state: &State) -> Status {
        self.status_in(state, || state.cgroup())
    }

    /// As [`Entry::status`], for whoever knows its cgroup, or needs it afterwards.
    pub fn status_in(&self, state: &State, cgroup: impl FnOnce() -> Option<Cgroup>) -> Status {
        match process::look(state.pid) {
            Some((letter, started)) if started == state.started && !matches!(letter, 'Z' | 'X') => {
                if self.start_socket().exists() {
                    Status::Created
                } else if cgroup().is_some_and(|cgroup| cgroup.frozen().unwrap_or(false)) {
                    Status::Paused
                } else {
                    Status::Running
                }
            }
            _ => Status::Stopped,
        }
    }

    /// Gives the lock back: while a container runs in the foreground, others must be able to kill it.
    pub fn release(self) -> Unlocked {
        Unlocked { folder: self.folder.clone(), id: self.id.clone() }
    }

    /// Forgets the container.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub fn remove(self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.folder)?)
    }
}

/// A container's folder that we do not hold the lock of.
#[derive(Debug)]
pub struct Unlocked {
    folder: PathBuf,
    id: ContainerId,
}

impl Unlocked {
    /// Takes the lock again.
    ///
    /// # Errors
    /// Somebody has deleted the container meanwhile.
    pub fn lock_again(self) -> Result<Entry> {
        let lock = lock::wait_for(&self.folder)?;
        Ok(Entry { folder: self.folder, id: self.id, lock })
    }
}

impl State {
    /// The first process, if it is still the one that was meant: opened first, looked at afterwards, so that the number cannot change hands.
    pub fn process(&self) -> Option<OwnedFd> {
        let opened = process::open(self.pid).ok()?;
        let (letter, started) = process::look(self.pid)?;
        (started == self.started && !matches!(letter, 'Z' | 'X')).then_some(opened)
    }

    /// The container's cgroup; `None` when it has none or it is gone.
    pub fn cgroup(&self) -> Option<Cgroup> {
        Cgroup::open_again(&Layout::detect().ok()?, self.cgroup.as_ref()?, &self.cgroup_directories).ok()
    }

    /// Remembers where its cgroup is.
    pub fn set_cgroup(&mut self, cgroup: Option<&Cgroup>) {
        self.cgroup = cgroup.map(|cgroup| cgroup.path().to_owned());
        self.cgroup_directories = cgroup.map(|cgroup| cgroup.directories().map(Path::to_owned).collect()).unwrap_or_default();
    }

    /// The specification's state, as hooks and `state` get it.
    pub fn document(&self, status: &str) -> serde_json::Value {
        let mut document = serde_json::json!({
            "ociVersion": self.oci_version,
            "id": self.id,
            "status": status,
            "pid": if status == "stopped" { 0 } else { self.pid },
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
            "owner": self.owner,
        });
        if !self.annotations.is_empty() {
            document["annotations"] = serde_json::json!(self.annotations);
        }
        document
    }
}
