//! What the processes of a bottle say to each other: one JSON text per message of a SOCK_SEQPACKET socket, descriptors beside it.
//!
//! ```text
//! a tool or the prompt ── ToKeeper ──> keeper ── ToInit ──> PID 1
//!         └────────────── ToHost ──────────────────────────────> host-init (one request per connection)
//! ```

use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Abilities, Error, Probe, Run, Spec};
use crate::kernel::{self, exec, socket};

/// Answers longer than this go through a nameless file: a socket's buffer has an end.
const INLINE: usize = 64 * 1024;

/// What the keeper is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToKeeper {
    /// The first message on the lifeline: boot this.
    Boot(Spec),
    /// Start one more host.
    AddHost(String),
    /// Nothing can be started in this host's cgroup any more, since it has handed controllers down: have programs start in a leaf of it.
    MakeLeaf(String),
    /// Answer when all hosts do.
    Await,
    /// Who is there.
    Show,
    /// End the bottle.
    Stop,
}

/// What the keeper answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromKeeper {
    /// The bottle as it is.
    World(Overview),
    /// It did not work.
    Failed(Failure),
}

/// A bottle as its keeper sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overview {
    /// What it was booted as.
    pub spec: Spec,
    /// Its hosts, in the order of their start.
    pub hosts: Vec<HostOverview>,
    /// What it can do.
    pub abilities: Abilities,
    /// The keeper's process id, and that of PID 1 outside.
    pub keeper: i32,
    pub init: i32,
    /// Nanoseconds of CLOCK_MONOTONIC at its boot.
    pub since: u64,
}

/// A host as the keeper sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostOverview {
    /// Its name.
    pub name: String,
    /// Its address on the switch.
    pub address: Ipv4Addr,
    /// Whether its PID 1 lives.
    pub up: bool,
}

/// What PID 1 is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToInit {
    /// The maps are written and the trees are ready: build the world.
    Go,
    /// Make a host. Descriptors: its control listener, the doors of its cgroup.
    Host(HostPlan),
    /// The device that leads to the machine's network is there: give it this address and route through the other.
    Uplink { link: String, address: Ipv4Addr, prefix: u8, gateway: Ipv4Addr },
}

/// What PID 1 tells.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromInit {
    /// The world is built.
    Built,
    /// A host answers. What it had to do without, in words.
    HostReady { name: String, notes: Vec<String> },
    /// A host's PID 1 has ended.
    HostGone { name: String, how: String },
    /// The uplink is configured.
    UplinkReady,
    /// Building the world, or a host, did not work.
    Failed(Failure),
}

/// A host to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostPlan {
    /// Its name.
    pub name: String,
    /// The number of its port on the switch.
    pub port: u32,
    /// Its address on the switch.
    pub address: Ipv4Addr,
    /// Its other addresses: those of the simulated internet.
    pub others: Vec<Ipv4Addr>,
    /// Where everything else goes.
    pub gateway: Option<Ipv4Addr>,
    /// Whether it answers for the internet: DNS, and "unreachable" for what is not simulated.
    pub internet: bool,
    /// Whom its programs trust besides; only with the simulated internet.
    pub authority: Option<super::hub::Authority>,
    /// Text of `/etc/hosts` and `/etc/resolv.conf`.
    pub hosts_file: String,
    pub resolv_conf: String,
}

/// What a host's PID 1 is asked. One request per connection.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToHost {
    /// Start a program.
    Spawn(Run),
    /// Start programs in another cgroup from now on; its doors are the descriptors.
    Doors,
    /// Look at something.
    Probe(Probe),
    /// Write a file; its content is in the descriptor.
    Write { path: String, mode: u32 },
    /// Another host has come: its name is to be known here.
    Know { address: Ipv4Addr, name: String },
    /// Open a file and send its descriptor.
    Read { path: String },
    /// Remove a file of ours.
    Remove { path: String },
    /// Connect to a TCP port of the host and send the socket.
    Connect { port: u16 },
    /// Which TCP ports programs on the host listen on, beyond the host's own loopback.
    Listening,
    /// Connect to a stream socket of the host by its path and send the connection.
    Reach { path: String },
    /// Do something with a daemon, and tell when it is done.
    Daemon { name: String, verb: Verb },
}

/// What can be asked of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// Tell how it is.
    Status,
    /// Start it, unless it runs.
    Start,
    /// End it. Its socket stays: the next one who connects starts it.
    Stop,
    /// End it, if it runs, and start it.
    Restart,
    /// Have it read its files anew.
    Reload,
}

/// What a host's PID 1 answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromHost {
    /// Started. Descriptors: control, errors of execve(2), and the terminal or the three pipes.
    Started { pid: i32 },
    /// Done, with what was found.
    Value(serde_json::Value),
    /// Done; the value is in the descriptor.
    InFile,
    /// It did not work.
    Failed(Failure),
}

/// Why something did not work, as it crosses a socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// What was being done.
    pub doing: String,
    /// Why it did not work.
    pub why: String,
    /// The errno, where the kernel had the last word.
    pub errno: Option<i32>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Where the bottle's own world inside PID 1 has its parts. Hosts build their roots from these.
pub mod place {
    /// The machine's file systems, numbered.
    pub const LAYERS: &str = "/layer";
    /// The hosts' folders in the bottle's state.
    pub const STATE: &str = "/state";
    /// Our own program, read-only.
    pub const PROGRAM: &str = "/bottleship";
    /// The shared folder of the machine.
    pub const SHARE: &str = "/share";
    /// Where a host's root is put together.
    pub const ROOT: &str = "/root";
    /// The folder of Bottleship's own things in a host.
    pub const IN_HOST: &str = "/run/bottleship";
}

/// A path inside the small world of PID 1.
pub fn layer(number: usize) -> PathBuf {
    PathBuf::from(place::LAYERS).join(number.to_string())
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let (doing, why) = match error {
            Error::Kernel { doing, source } => (doing.clone(), source.to_string()),
            Error::Refused { doing, why, .. } => (doing.clone(), why.clone()),
            other => (String::new(), other.to_string()),
        };
        Failure { doing, why, errno: error.errno(), hint: error.hint() }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Refused { doing: failure.doing, why: failure.why, errno: failure.errno, hint: failure.hint }
    }
}

/// Sends a message.
///
/// # Errors
/// The other side is gone.
pub fn send(to: BorrowedFd<'_>, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> kernel::Result<()> {
    let text = serde_json::to_vec(message).unwrap_or_default();
    let numbers: Vec<RawFd> = descriptors.iter().map(|fd| fd.as_raw_fd()).collect();
    socket::send(to, &text, &numbers)
}

/// Receives a message; `None` when the other side has closed. A message that cannot be read counts as such too.
///
/// # Errors
/// recvmsg(2) failed.
pub fn receive<T: DeserializeOwned>(from: BorrowedFd<'_>) -> kernel::Result<Option<(T, Vec<OwnedFd>)>> {
    let Some((text, descriptors)) = socket::receive(from)? else { return Ok(None) };
    Ok(serde_json::from_slice(&text).ok().map(|message| (message, descriptors)))
}

/// Sends the answer of a host, a long value through a nameless file.
///
/// # Errors
/// The asker is gone, or there is no memory for the file.
pub fn answer(to: BorrowedFd<'_>, value: serde_json::Value, descriptors: &[BorrowedFd<'_>]) -> kernel::Result<()> {
    let text = value.to_string();
    if text.len() <= INLINE {
        return send(to, &FromHost::Value(value), descriptors);
    }
    let file = exec::memory_file(text.as_bytes())?;
    send(to, &FromHost::InFile, &[file.as_fd()])
}
