//! The bottle: one disposable world of Linux namespaces and one cgroup that holds everything a learner does.
//!
//! ```text
//! bottleship (the prompt, or a tool)          holds a Bottle
//!   └─ keeper NAME        outside: holds the lock of the state folder, records the journal, removes the cgroups at the end
//!        └─ PID 1         user, mnt, pid, net, uts, ipc and cgroup namespaces; the switch; makes the hosts
//!             ├─ bench    pid, mnt, uts, ipc, net and cgroup namespaces of its own; answers a control socket
//!             └─ internet 8.8.8.8 and 1.1.1.1: answers ping and DNS; the Docker Hub
//! ```
//!
//! Everything is one process tree. When PID 1 dies, the kernel ends every process, mount and network link in it; what stays is the
//! state folder, and cgroup directories that the keeper (or the next start) removes. Root in the bottle is nobody outside: all of
//! it lives in a user namespace that is never mapped to the machine's root (user_namespaces(7)).

use std::cell::Cell;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub mod abilities;
pub mod attach;
mod ceiling;
pub mod daemon;
pub mod doctor;
mod error;
mod host;
mod host_boot;
mod host_files;
pub mod host_init;
mod host_root;
mod hub;
mod ids;
mod init;
pub mod keeper;
mod machine;
pub mod probe;
mod protocol;
pub mod scratch;
mod seed;
mod share;
pub mod shell;
mod start;
mod state;
mod uplink;
mod world;

pub use abilities::Abilities;
pub use error::Error;
pub use host::{Host, Looking, Run, Running};
pub use probe::Probe;
pub use state::root as state_root;

use crate::journal::{self, Event};
pub use crate::kernel::process::Exit;
use crate::kernel::process::{self, Process};
use crate::kernel::{self, exec, socket};
use protocol::{FromKeeper, Overview, ToKeeper};
use state::State;

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
    /// The socket to the keeper: while it is open, the bottle lives.
    lifeline: Option<OwnedFd>,
    keeper: Process,
    recorder: journal::Client,
    /// Whether all hosts are known to answer.
    all_up: Cell<bool>,
}

impl Bottle {
    /// Boots a bottle and returns when its first host answers. The others come up meanwhile: what they are asked waits for them, and
    /// [`Bottle::await_hosts`] waits for all.
    ///
    /// # Errors
    /// The name is taken or malformed, or the machine refuses namespaces; the error says what to do about it.
    pub fn boot(spec: &Spec) -> Result<Bottle, Error> {
        let state = State::of(&spec.name)?;
        let (lifeline, theirs) = socket::pair().map_err(Error::at("make the lifeline"))?;
        let keeper = start_keeper(&spec.name, theirs)?;
        protocol::send(lifeline.as_fd(), &ToKeeper::Boot(spec.clone()), &[]).map_err(Error::at("order a bottle"))?;
        let overview = match answer(&lifeline, &spec.name) {
            Ok(overview) => overview,
            Err(error) => {
                drop(lifeline);
                // It was told to end by the closed lifeline; how it ends adds nothing to the error.
                let _ = process::wait(keeper.fd.as_fd());
                return Err(error);
            }
        };
        let recorder = journal::Client::connect(&state.path(seed::JOURNAL_SOCKET)).map_err(Error::at("reach the journal"))?;
        let journal = state.path("journal.jsonl");
        let mut bottle = Bottle {
            name: spec.name.clone(),
            dir: state.dir().to_owned(),
            journal,
            hosts: Vec::new(),
            abilities: Abilities::default(),
            lifeline: Some(lifeline),
            keeper,
            recorder,
            all_up: Cell::new(false),
        };
        bottle.take(&overview);
        Ok(bottle)
    }

    /// Waits until all hosts that were ordered answer. Nothing to wait for is nothing to pay: one message there and back, once.
    ///
    /// # Errors
    /// One of them did not come up: the error says why.
    pub fn await_hosts(&self) -> Result<(), Error> {
        if self.all_up.get() {
            return Ok(());
        }
        let gone = || Error::Gone { name: self.name.clone() };
        let lifeline = self.lifeline.as_ref().ok_or_else(gone)?;
        protocol::send(lifeline.as_fd(), &ToKeeper::Await, &[]).map_err(|_| gone())?;
        answer(lifeline, &self.name)?;
        self.all_up.set(true);
        Ok(())
    }

    fn take(&mut self, overview: &Overview) {
        self.take_hosts(overview);
        self.abilities = overview.abilities.clone();
    }

    fn take_hosts(&mut self, overview: &Overview) {
        let dir = self.dir.clone();
        self.hosts = overview.hosts.iter().map(|one| Host::new(&one.name, host::control_socket(&dir, &one.name))).collect();
    }

    /// Asks the keeper anew which hosts there are: others may have added some, and some may have ended.
    ///
    /// # Errors
    /// The bottle is gone.
    pub fn learn_hosts(&mut self) -> Result<(), Error> {
        let gone = || Error::Gone { name: self.name.clone() };
        let lifeline = self.lifeline.as_ref().ok_or_else(gone)?;
        protocol::send(lifeline.as_fd(), &ToKeeper::Show, &[]).map_err(|_| gone())?;
        let overview = answer(lifeline, &self.name)?;
        self.take_hosts(&overview);
        Ok(())
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
        self.hosts.iter().find(|host| host.name() == name).ok_or_else(|| Error::NoHost { name: name.to_owned() })
    }

    /// All of its hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter()
    }

    /// Hands an event to the recorder; returns the sequence number it got.
    ///
    /// # Errors
    /// The keeper is gone.
    pub fn emit(&self, event: &Event) -> Result<u64, Error> {
        self.recorder.emit(event).map_err(Error::at("write the journal"))
    }

    /// What this machine lets the bottle do.
    pub fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// The bottle's PID 1, by its number outside: the only child of the keeper.
    ///
    /// # Errors
    /// The keeper is gone, or it has no child any more.
    pub fn first_process(&self) -> kernel::Result<i32> {
        let path = format!("/proc/{0}/task/{0}/children", self.keeper.pid);
        let children = kernel::fs::read(Path::new(&path))?;
        let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        first.ok_or_else(|| kernel::Error::new("read", path, kernel::error::Errno::ESRCH))
    }

    /// Ends the bottle and waits until nothing of it is left but its state folder.
    ///
    /// # Errors
    /// Something could not be removed.
    pub fn shutdown(mut self) -> Result<(), Error> {
        if self.end() {
            return Ok(());
        }
        Err(Error::Refused {
            doing: format!("end the bottle `{}`", self.name),
            why: "something of it is left on the machine".to_owned(),
            errno: None,
            hint: Some("`bottleship doctor` shows what, `bottleship doctor --fix` removes it".to_owned()),
        })
    }

    /// Closes the lifeline and waits for the keeper. Whether nothing of the bottle is left.
    fn end(&mut self) -> bool {
        let Some(lifeline) = self.lifeline.take() else { return true };
        drop(lifeline);
        let exit = process::wait(self.keeper.fd.as_fd()).ok();
        // The keeper was killed: PID 1 dies with it, and only we are left to take the cgroups away.
        exit == Some(Exit::Code(0)) || doctor::clean(&self.name)
    }
}

impl Drop for Bottle {
    fn drop(&mut self) {
        // Nobody is left to tell; what stays is found by `doctor` and at the next start.
        let _ = self.end();
    }
}

/// Starts this program again as the keeper, with the other end of the lifeline on descriptor 3 and its words in the state folder.
fn start_keeper(name: &str, theirs: OwnedFd) -> Result<Process, Error> {
    let doing = || "start the bottle's keeper";
    State::of(name)?.create()?;
    let null = || std::fs::File::open("/dev/null").map(OwnedFd::from);
    let log = std::fs::File::create(State::of(name)?.path("keeper.log")).map(OwnedFd::from);
    let files = null().and_then(|input| Ok((input, std::fs::OpenOptions::new().write(true).open("/dev/null")?.into(), log?)));
    let (input, output, errors) = files.map_err(|error| kernel::Error::from_io("open", "/dev/null", &error)).map_err(Error::at(doing()))?;
    let program = std::env::current_exe()
        .map_err(|error| kernel::Error::from_io("readlink", "/proc/self/exe", &error))
        .map_err(Error::at(doing()))?;
    let environment: Vec<(String, String)> = std::env::vars().collect();
    let argv = ["bottleship", "keeper", name].map(str::to_owned);
    let mut descriptors = Some(vec![input, output, errors, theirs]);
    let child = process::clone3(crate::kernel::ns::CloneFlags::empty(), None, || {
        // Refused only for a bad argument.
        let _ = kernel::signals::unblock_all();
        let placed = exec::place(descriptors.take().unwrap_or_default());
        if placed.is_ok() {
            exec::exec(&program.to_string_lossy(), &argv, &environment);
        }
        127
    });
    child.map_err(Error::at(doing()))
}

/// Ends a running bottle that somebody else booted, and waits until it has ended. One that does not run is no error.
///
/// # Errors
/// It does not end.
pub fn stop(name: &str) -> Result<(), Error> {
    let state = State::of(name)?;
    let Ok(keeper) = socket::connect(&state.path("keeper.sock")) else { return Ok(()) };
    // A keeper that is ending already does not listen; the lock below tells.
    let _ = protocol::send(keeper.as_fd(), &ToKeeper::Stop, &[]);
    kernel::poll::until("the bottle's end", std::time::Duration::from_secs(30), || Ok(!state.running()))
        .map_err(Error::at(format!("end the bottle `{name}`")))
}

/// The keeper's answer to an order.
fn answer(lifeline: &OwnedFd, name: &str) -> Result<Overview, Error> {
    match protocol::receive::<FromKeeper>(lifeline.as_fd()) {
        Ok(Some((FromKeeper::World(overview), _))) => Ok(overview),
        Ok(Some((FromKeeper::Failed(failure), _))) if failure.doing.is_empty() && failure.why.contains("open already") => {
            Err(Error::Busy { name: name.to_owned() })
        }
        Ok(Some((FromKeeper::Failed(failure), _))) => Err(failure.into()),
        _ => Err(Error::Gone { name: name.to_owned() }),
    }
}
