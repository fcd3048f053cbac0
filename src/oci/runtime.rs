//! The runtime: an OCI bundle (`config.json` and a root file system) becomes a process.
//!
//! Follows the runtime specification, <https://github.com/opencontainers/runtime-spec>, with the commands and flags of runc, so that
//! engines and conformance suites can drive it.
//!
//! ```text
//!  config.json ─ spec ─ plan          judged and resolved; nothing is made yet
//!                        │
//!  parent (create)       │            child (steps)
//!   cgroup, state folder │
//!   clone3 ──────────────┼──────────> waits
//!   id maps, cgroup, oom ┼─── go ───> mounts, devices, pivot_root, masks, limits, user
//!   state.json, pid file │<── ready ─ waits for `start` (or goes on at once: `run`)
//!   ends, or waits       │            capabilities, seccomp, execve: the container
//! ```
//!
//! Invariants: one clone3 and one execve per container; the child is single-threaded, takes no lock, and reports every failure to whoever
//! waits for it; no path of an image is followed by string; a start that failed leaves no process, no cgroup, no folder. Left out:
//! checkpoints, AppArmor and SELinux labels, Intel RDT, the systemd cgroup driver: each is refused with a sentence.

mod cgroup;
mod clock;
mod console;
mod control;
mod copy_up;
mod cover;
mod create;
mod device_rules;
mod devices;
mod error;
mod exec;
pub mod hold;
mod hooks;
mod id;
mod identity;
mod idmapped;
mod kernel_parameters;
mod launch;
mod messages;
mod mounts;
mod namespaces;
mod network_devices;
mod options;
pub mod order;
mod plan;
mod rootfs;
mod seccomp;
mod spawn;
pub mod spec;
mod steps;
mod store;

pub use clock::now as timestamp;
pub use control::{delete, discard, kill, signal_number, start};
pub use create::{Created, Request, create};
pub use error::{During, Error, Result};
pub use exec::{ExecRequest, Joined, Known, add_capabilities, exec, like, parse_user};
pub use hooks::run_all as run_hooks;
pub use id::ContainerId;
pub use options::known as mount_options;
pub use steps::{EXEC, INIT, Step};
pub use store::{Entry, State, Status, Store};
