//! Looks at a host from inside: each [`Probe`] is a question, answered by a forked child of the host's PID 1.
//!
//! A look changes nothing: it opens for reading, it makes no file, and what it must enter (a network namespace, to try a connection from
//! there) only the child enters, which then ends. Paths that a learner can influence are resolved by [`crate::kernel::root::Root`]. The answer is a
//! document (JSON), so that facts can be judged later, elsewhere, and on a document with one field changed.
//!
//! What is not there is part of the answer (`exists: false`); only what could not be looked at is an `error`.

mod cgroups;
mod containers;
mod files;
mod images;
mod network;
mod processes;
mod reach;
mod world;
mod written;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use reach::Target;
pub use written::{REMOVED, written};

/// A question about a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// The host's name, as uname(2) tells it.
    Name,
    /// One file; in the root of a process, if one is given.
    File { path: String, process: Option<i32> },
    /// All files below a folder, without leaving its file system.
    Tree { path: String },
    /// All processes of the host but its own services.
    Processes,
    /// The mounts that a process sees; without one: the host's.
    Mounts { process: Option<i32> },
    /// One cgroup below the host's own, with these knobs (v2 names).
    Cgroup { path: String, knobs: Vec<String> },
    /// All cgroups below the host's own.
    Cgroups,
    /// Links, addresses and routes.
    Network { at: Netns },
    /// What [`Probe::Network`] tells, and how it hangs together: of links their numbers and those of their other ends, and the rules of nftables.
    Wiring { at: Netns },
    /// The names in `/run/netns`.
    NamedNetns,
    /// Whether something answers.
    Reach { from: Netns, to: Target },
    /// Containers of `bottleship oci`.
    Containers,
    /// Users and groups of the host.
    Users,
    /// How many of what there are: for the line that says what a command changed.
    Census,
    /// The whole state of the host that two moments, or two worlds, can be compared by.
    Snapshot,
}

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Netns {
    /// The host's.
    Own,
    /// That of a process.
    Process(i32),
    /// One with a name in `/run/netns`.
    Named(String),
}

/// Answers a probe in the host that the calling process is in. May move the calling process into another network namespace: call it in a child.
/// Never changes anything else.
pub fn answer(probe: &Probe) -> Value {
    let answered = match probe {
        Probe::Name => crate::kernel::fs::read(std::path::Path::new("/proc/sys/kernel/hostname")).map(|name| name.trim_end().into()),
        Probe::File { path, process } => files::file(path, *process),
        Probe::Tree { path } => files::tree(path),
        Probe::Processes => Ok(json!({ "processes": processes::all() })),
        Probe::Mounts { process } => processes::mounts(*process),
        Probe::Cgroup { path, knobs } => cgroups::one(path, knobs),
        Probe::Cgroups => cgroups::all(),
        Probe::Network { at } => network::look(at),
        Probe::Wiring { at } => network::wiring(at),
        Probe::NamedNetns => network::named(),
        Probe::Reach { from, to } => network::enter(from).map(|()| reach::reach(to)),
        Probe::Containers => world::containers(),
        Probe::Users => world::users(),
        Probe::Census => world::census(),
        Probe::Snapshot => world::snapshot(),
    };
    answered.unwrap_or_else(|error| json!({ "error": error.to_string() }))
}
