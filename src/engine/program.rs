//! What the engine starts as container runtime: its own program, sealed once for all starts.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;

use crate::kernel::{ids, program};

/// Our own program, as a runtime may be run from it. A runtime that is not started from a sealed file seals it and executes itself once more, at every start
/// (see [`program::sealed`]).
#[derive(Debug, Default)]
pub struct Program(Option<OwnedFd>);

impl Program {
    /// Seals our own program, where it is not sealed already and we may. Elsewhere each runtime sees to that itself, and tells why it cannot.
    pub fn seal() -> Self {
        let open = ids::effective().0 == 0 && !program::runs_sealed();
        Program(open.then(program::sealed).and_then(Result::ok))
    }

    /// Its path for a child of ours: the kernel opens it behind the child's own descriptor.
    pub fn path(&self) -> PathBuf {
        self.0.as_ref().map_or_else(|| PathBuf::from("/proc/self/exe"), |sealed| format!("/proc/self/fd/{}", sealed.as_raw_fd()).into())
    }
}
