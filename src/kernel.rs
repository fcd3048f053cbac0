//! The only place that talks to the kernel.
//!
//! Everything that Bottleship does to the machine goes through a function of this module: one wrapper
//! per system call, named after it, that returns [`Error`] with the call, the object and the errno, and that
//! leaves an X-ray record (see [`xray`]) behind. The rest of the program decides *what* to do; `kernel` has no policy and no
//! silent fallback: where an old kernel needs another way, that way is a second function that the caller chooses, and the
//! journal shows which one ran.
//!
//! ```text
//!  caller ── kernel::mount::bind(..) ── xray::call("mount", ..) ── the system call
//!                                          └── one record in the ring (if the X-ray is on)
//! ```
//!
//! Invariants: `unsafe`, `libc` and raw descriptors stay below here; every descriptor is close-on-exec; a path that a
//! container or a learner can influence is opened only through [`root::Root`].

pub mod caps;
pub mod cgroup;
pub mod command;
pub mod device;
pub mod error;
pub mod exec;
pub mod folder;
pub mod foreground;
pub mod fs;
pub mod icmp;
pub mod idmap;
pub mod ids;
pub mod inode;
pub mod interrupt;
pub mod jobs;
pub mod lock;
pub mod look;
pub mod loopback;
pub mod mount;
pub mod mountinfo;
pub mod netlink;
pub mod ns;
pub mod poll;
pub mod process;
pub mod procfs;
pub mod program;
pub mod pty;
pub mod random;
pub mod reaper;
pub mod release;
pub mod rlimit;
pub mod root;
pub mod schedule;
pub mod seccomp;
pub mod signals;
pub mod socket;
pub mod trace;
pub mod tree;
pub mod watch;
pub mod xray;

pub use error::{Error, Result};
