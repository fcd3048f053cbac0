//! The bottle: one disposable world of Linux namespaces and one cgroup that holds everything a learner does.
//!
//! ```text
//! bottleship (the prompt, or a tool)          holds a Bottle
//!   └─ keeper NAME        outside: holds the lock of the state folder, records the journal, removes the cgroups at the end
//!        └─ PID 1         user, mnt, pid, net, uts, ipc and cgroup namespaces; the switch; makes the hosts
//!             ├─ bench    pid, mnt, uts, ipc, net and cgroup namespaces of its own; answers a control socket
//!             └─ internet 8.8.8.8 and 1.1.1.1: answers ping and DNS
//! ```
//!
//! Everything is one process tree. When PID 1 dies, the kernel ends every process, mount and network link in it; what stays is the
//! state folder, and cgroup directories that the keeper (or the next start) removes. Root in the bottle is nobody outside: all of
//! it lives in a user namespace that is never mapped to the machine's root (user_namespaces(7)).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

mod abilities;
mod error;
pub mod probe;
pub mod shell;

pub use abilities::Abilities;
pub use error::Error;
pub use probe::Probe;

use crate::journal::Event;
pub use crate::kernel::process::Exit;

/// What a bottle is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Its name: letters, digits, `-` and `_`, at most 32, not beginning with `-`.
    pub name: String,
    /// The hosts to start with.
    pub hosts: Vec<String>,
    /// A folder of the machine that is bound into every host at the same path, read-write.
    pub share: Option<PathBuf>,
    /// What is behind the default route.
    pub internet: Internet,
    /// How the world is built; `None` decides by the effective user.
    pub mode: Option<Mode>,
}

/// The folder of all state: `$BOTTLESHIP_STATE`, else `/var/lib/bottleship` for root and the user's own state folder for others.
pub fn state_root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(chosen) = set("BOTTLESHIP_STATE") {
        return std::path::absolute(&chosen).unwrap_or(chosen);
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/bottleship");
    }
    let home = set("HOME").unwrap_or_else(|| PathBuf::from("/tmp"));
    set("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("bottleship")
}

impl Default for Spec {
    fn default() -> Self {
        Spec {
            name: "main".to_owned(),
            hosts: vec!["bench".to_owned(), "internet".to_owned()],
            share: None,
            internet: Internet::Simulated,
            mode: None,
        }
    }
}

/// What answers beyond the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Internet {
    /// The host `internet`; nothing leaves the machine.
    Simulated,
    /// The machine's own network.
    Real,
}

/// Who builds the bottle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The machine's root: id-mapped overlay of `/`, cgroups, 65536 ids.
    Root,
    /// An ordinary user: an overlay per folder, sub-ids or one id, cgroups where delegated.
    Rootless,
}

/// A running bottle, held from outside. Dropping the handle that booted it ends the bottle.
#[derive(Debug)]
pub struct Bottle {
    name: String,
    dir: PathBuf,
    journal: PathBuf,
    hosts: Vec<Host>,
    abilities: Abilities,
}

impl Bottle {
    /// Boots a bottle and returns when its hosts answer.
    ///
    /// # Errors
    /// The name is taken or malformed, or the machine refuses namespaces; the error says what to do about it.
    pub fn boot(_spec: &Spec) -> Result<Bottle, Error> {
        Err(Error::Unsupported { what: "booting a bottle", why: "this build cannot do it yet".to_owned() })
    }

    /// The bottle's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state folder on the machine.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of its journal.
    pub fn journal(&self) -> &Path {
        &self.journal
    }

    /// One of its hosts.
    ///
    /// # Errors
    /// There is no host of that name.
    pub fn host(&self, name: &str) -> Result<&Host, Error> {
        self.hosts.iter().find(|host| host.name == name).ok_or_else(|| Error::NoHost { name: name.to_owned() })
    }

    /// All of its hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter()
    }

    /// Starts one more host on the switch.
    ///
    /// # Errors
    /// The name is taken or malformed, or the bottle has no room for it.
    pub fn add_host(&mut self, name: &str) -> Result<&Host, Error> {
        Err(Error::NoHost { name: name.to_owned() })
    }

    /// Hands an event to the recorder; returns the sequence number it got.
    ///
    /// # Errors
    /// The keeper is gone.
    pub fn emit(&self, _event: &Event) -> Result<u64, Error> {
        Err(Error::Gone { name: self.name.clone() })
    }

    /// What this machine lets the bottle do.
    pub fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Ends the bottle and waits until nothing of it is left but its state folder.
    ///
    /// # Errors
    /// Something could not be removed.
    pub fn shutdown(self) -> Result<(), Error> {
        Ok(())
    }
}

/// A host of a bottle: a node with its own processes, mounts and network.
#[derive(Debug)]
pub struct Host {
    name: String,
    socket: PathBuf,
}

impl Host {
    /// Its name, which is its hostname too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a program on the host.
    ///
    /// # Errors
    /// The program does not exist there or cannot be executed (errno as of execve(2)), or the host is gone.
    pub fn spawn(&self, _run: &Run) -> Result<Running, Error> {
        Err(Error::Gone { name: self.name.clone() })
    }

    /// Looks at something on the host without changing it.
    ///
    /// # Errors
    /// The host is gone.
    pub fn probe(&self, _probe: &Probe) -> Result<serde_json::Value, Error> {
        Err(Error::Gone { name: self.name.clone() })
    }

    /// Writes a file on the host, as its root, making missing folders above it.
    ///
    /// # Errors
    /// The write was refused there, or the host is gone.
    pub fn write_file(&self, _path: &str, _content: &[u8], _mode: u32) -> Result<(), Error> {
        Err(Error::Gone { name: self.name.clone() })
    }

    /// Reads a file on the host, as its root.
    ///
    /// # Errors
    /// The file is not there or not readable, or the host is gone.
    pub fn read_file(&self, _path: &str) -> Result<Vec<u8>, Error> {
        Err(Error::Gone { name: self.name.clone() })
    }
}

/// A program to start on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The program, looked up on the PATH of `env`, and its arguments.
    pub argv: Vec<String>,
    /// Added to the host's usual environment (PATH, HOME, USER, LOGNAME, SHELL, LANG, TERM).
    pub env: Vec<(String, String)>,
    /// Where it starts; empty is `/root`.
    pub cwd: String,
    /// A terminal of this many columns and rows instead of three pipes.
    pub tty: Option<(u16, u16)>,
    /// Run beside the learner's processes (cgroup `.service`), so that it does not count among them.
    pub service: bool,
}

/// A program that was started on a host.
#[derive(Debug)]
pub struct Running {
    /// Its process id in the host.
    pub pid: i32,
    /// The master side of its terminal, if it has one.
    pub tty: Option<OwnedFd>,
    /// The write end of its standard input, without a terminal.
    pub stdin: Option<OwnedFd>,
    /// The read end of its standard output, without a terminal.
    pub stdout: Option<OwnedFd>,
    /// The read end of its standard error, without a terminal.
    pub stderr: Option<OwnedFd>,
    /// Where the host tells how it ended, and takes signals for it.
    control: OwnedFd,
}

impl Running {
    /// Waits until it has ended.
    ///
    /// # Errors
    /// The host ended first.
    pub fn wait(&mut self) -> Result<Exit, Error> {
        Err(Error::Gone { name: String::new() })
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended, or the host is gone.
    pub fn kill(&self, _signal: i32) -> Result<(), Error> {
        Err(Error::Gone { name: String::new() })
    }
}
