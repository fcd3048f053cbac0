//! Facts: what must hold in the world, as typed data. The list of kinds is closed.
//!
//! A fact never runs code of its author's except in `answer` and `exec`. It names a *look* (see [`super::world`]) and what must hold of the
//! document that comes back, so it can be evaluated again, evaluated on a changed document (the prover's mutants), and inverted.
//! The reference for authors is `book/src/reference/facts.md`.

pub mod compare;
pub mod containers;
pub mod images;
pub mod known;
mod read;
mod read_kind;

use std::time::Duration;

pub use crate::bottle::probe::Target;
pub use compare::{Compare, Pattern};
pub use containers::{Container, Log, Network, Port, Volume};
pub use images::{Image, Layer, Registry, Which};
pub use read::{read, read_when};

/// A fact of a step.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Its name in the step.
    pub id: String,
    /// The host it is about.
    pub host: String,
    /// What must hold.
    pub kind: Kind,
    /// Said when it holds; made from its kind and keys if not given.
    pub pass: Option<String>,
    /// Said while it is not there yet.
    pub not_yet: Option<String>,
    /// Said when it is there and wrong.
    pub fail: Option<String>,
    /// How long it must hold.
    pub hold: Duration,
    /// Its points.
    pub points: u32,
    /// From where on events count.
    pub since: Since,
    /// Whether the opposite must hold.
    pub invert: bool,
    /// Abilities without which it does not apply.
    pub needs: Vec<String>,
    /// Whether it must still hold when the whole lab is checked at its end.
    pub lasting: bool,
    /// Fields of the world that the lab does not care about, each with the reason.
    pub mask: Vec<(String, String)>,
}

/// From where on events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Step,
    Unit,
}

/// The kinds, with what belongs to each.
#[derive(Debug, Clone)]
pub enum Kind {
    Exists(Thing),
    Gone(Thing),
    Field { of: Thing, path: String, compare: Compare },
    Count(Count),
    File(File),
    Process(Process),
    Namespace { of: Match, kinds: Vec<String>, differ: bool, other: Place },
    Cgroup(Cgroup),
    Mount(Mount),
    // These are many keys long, and rare.
    Image(Box<Image>),
    Layer(Box<Layer>),
    Registry(Box<Registry>),
    Container(Box<Container>),
    Volume(Box<Volume>),
    Network(Box<Network>),
    Port(Box<Port>),
    Log(Box<Log>),
    Reach { from: Place, to: Target, expect: Expect, body: Option<Pattern> },
    Answer { given: bool, run: Option<String>, compare: Option<Compare> },
    History(Vec<EventPattern>),
    Never { event: EventPattern, opportunity: String },
    Invariant { of: String },
    Budget { of: Measure, at_most: f64 },
    Exec { run: String, exit: i64 },
}

/// The names of the kinds, as authors write them.
pub const KINDS: [&str; 24] = [
    "exists",
    "gone",
    "field",
    "count",
    "file",
    "process",
    "namespace",
    "cgroup",
    "mount",
    "image",
    "layer",
    "registry",
    "container",
    "volume",
    "network",
    "port",
    "log",
    "reach",
    "answer",
    "history",
    "never",
    "invariant",
    "budget",
    "exec",
];

impl Kind {
    /// Whether it speaks of what happened, not of what is.
    pub fn is_history(&self) -> bool {
        matches!(self, Kind::History(_) | Kind::Never { .. } | Kind::Invariant { .. })
    }
}

/// One thing of the world: `TYPE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    pub sort: ThingSort,
    pub name: String,
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThingSort {
    File,
    Process,
    Cgroup,
    Mount,
    Link,
    Netns,
    Container,
    Volume,
    Network,
    Image,
    User,
}

/// Their names, as authors write them.
pub const THINGS: [(&str, ThingSort); 11] = [
    ("file", ThingSort::File),
    ("process", ThingSort::Process),
    ("cgroup", ThingSort::Cgroup),
    ("mount", ThingSort::Mount),
    ("link", ThingSort::Link),
    ("netns", ThingSort::Netns),
    ("container", ThingSort::Container),
    ("volume", ThingSort::Volume),
    ("network", ThingSort::Network),
    ("image", ThingSort::Image),
    ("user", ThingSort::User),
];

/// Which processes are meant: all that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct Match {
    pub comm: Option<String>,
    pub args: Option<Pattern>,
    pub exe: Option<Pattern>,
    pub uid: Option<u64>,
    pub pid: Option<u64>,
    pub pid_file: Option<String>,
    pub in_cgroup: Option<String>,
    /// The processes of this container of the host's engine, its first process first.
    pub container: Option<String>,
    pub parent: Option<Box<Match>>,
}

/// A process or a place that namespaces belong to.
#[derive(Debug, Clone)]
pub enum Place {
    Host,
    Shell,
    Netns(String),
    Process(Match),
}

/// How many of something.
#[derive(Debug, Clone)]
pub struct Count {
    pub of: &'static str,
    pub filter: Vec<(String, Pattern)>,
    pub matching: Option<Match>,
    pub within: Place,
    pub under: Option<String>,
    pub compare: Compare,
}

/// What a file must be.
#[derive(Debug, Clone, Default)]
pub struct File {
    pub path: String,
    pub within: Option<Match>,
    pub exists: Option<bool>,
    pub content: Vec<Compare>,
    pub mode: Option<u32>,
    pub owner: Option<String>,
    pub sort: Option<&'static str>,
    pub executable: Option<bool>,
    pub links_to: Option<String>,
}

/// What a process must be.
#[derive(Debug, Clone)]
pub struct Process {
    pub matching: Match,
    pub running: bool,
    pub root_is: Option<String>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    /// Set and the names that it must hold, exactly; `None` is all.
    pub caps: Vec<(&'static str, Option<Vec<String>>)>,
    pub seccomp: Option<&'static str>,
    pub no_new_privs: Option<bool>,
    pub cgroup: Option<String>,
    pub state: Vec<&'static str>,
    pub pid_inside: Option<u64>,
    /// Lines of its uid_map, as the host sees them.
    pub uid_map: Vec<String>,
}

/// What a cgroup must be.
#[derive(Debug, Clone)]
pub struct Cgroup {
    pub path: String,
    pub exists: Option<bool>,
    pub knob: Option<(String, Compare)>,
    /// Of `cpu.max`: the quota as a percentage of the period.
    pub share: Option<Compare>,
    pub procs: Option<Match>,
    pub empty: Option<bool>,
    pub events: Vec<(String, u64)>,
}

/// What a mount must be.
#[derive(Debug, Clone)]
pub struct Mount {
    pub within: Place,
    pub target: String,
    pub fstype: Option<String>,
    pub source: Option<Pattern>,
    pub root: Option<Pattern>,
    pub options: Vec<String>,
    pub propagation: Option<&'static str>,
    pub absent: bool,
}

/// What is to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Yes,
    No,
    Refused,
}

/// An event to look for.
#[derive(Debug, Clone)]
pub struct EventPattern {
    pub kind: String,
    pub subject: Option<Pattern>,
    pub host: Option<String>,
    pub actor: Option<String>,
    pub data: Vec<(String, Pattern)>,
}

/// What a budget measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    Bytes(String),
    Files(String),
    Memory(String),
    Pids(String),
    Processes,
    Mounts,
}
