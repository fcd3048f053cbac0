//! What the engine has containers made by: its own program, sealed once for all starts, which stands by as a runtime.
//!
//! ```text
//!  engine ── order ──> bottleship oci serve ── clone3 ──> shim ── clone3 ──> the container's process
//!     <───────────────────── made, or why not ─────────────┘
//! ```
//! It is started when the first container is, and again should somebody have ended it. It ends with the engine; shims do not.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixStream;

use crate::kernel::error::Errno;
use crate::kernel::{exec, ids, program, socket};
use crate::oci::runtime::order::{Answer, Made, Order};

/// Our own program, as a runtime may be run from it. A runtime that is not started from a sealed file seals it and executes itself once more (see
/// [`program::sealed`]).
#[derive(Debug, Default)]
pub struct Program {
    sealed: Option<OwnedFd>,
    standing_by: Mutex<Option<StandingBy>>,
}

/// A runtime that stands by.
#[derive(Debug)]
struct StandingBy {
    /// Where it takes orders from; it ends when this is closed.
    orders: Option<OwnedFd>,
    process: Child,
}

impl Drop for StandingBy {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It is our child, so there is no error in it; it is at most cloning itself.
        let _ = self.process.wait();
    }
}

/// An order that was given.
pub struct Ordered(std::os::unix::net::UnixStream);

impl Program {
    /// Seals our own program, where it is not sealed already and we may. Elsewhere the runtime sees to that itself, and tells why it cannot.
    pub fn seal() -> Self {
        let open = ids::effective().0 == 0 && !program::runs_sealed();
        Program { sealed: open.then(program::sealed).and_then(Result::ok), standing_by: Mutex::default() }
    }

    /// Its path for a child of ours: the kernel opens it behind the child's own descriptor.
    fn path(&self) -> PathBuf {
        self.sealed
            .as_ref()
            .map_or_else(|| PathBuf::from("/proc/self/exe"), |sealed| format!("/proc/self/fd/{}", sealed.as_raw_fd()).into())
    }

    /// Gives an order. `lock` is held until it was done or has failed, also when this engine is killed; what does it first goes through the `doors`.
    ///
    /// # Errors
    /// There is no runtime and none can be started.
    pub fn order(&self, order: &Order, lock: &OwnedFd, doors: &[OwnedFd]) -> Result<Ordered, String> {
        let failed = |error: &dyn std::fmt::Display| format!("give the container runtime an order: {error}");
        let text = serde_json::to_vec(order).map_err(|error| failed(&error))?;
        let document = exec::memory_file(&text).map_err(|error| failed(&error))?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(|error| failed(&error))?;
        let theirs = OwnedFd::from(theirs);
        let handed: Vec<i32> = [&document, &theirs, lock].into_iter().chain(doors).map(|one| one.as_raw_fd()).collect();
        let mut standing_by = self.standing_by.lock().unwrap_or_else(PoisonError::into_inner);
        let known = standing_by.is_some();
        loop {
            let one = match &mut *standing_by {
                Some(one) => one,
                none => none.insert(self.stand_by()?),
            };
            let Some(orders) = &one.orders else { return Err(failed(&"it was sent away")) };
            match socket::send(orders.as_fd(), b"order", &handed) {
                Ok(()) => return Ok(Ordered(ours)),
                // Somebody has ended it: then another one takes its place.
                Err(error) if known && error.errno == Errno::EPIPE => *standing_by = None,
                Err(error) => return Err(failed(&error)),
            }
        }
    }

    fn stand_by(&self) -> Result<StandingBy, String> {
        let failed = |error: &dyn std::fmt::Display| format!("run the container runtime: {error}");
        let (ours, theirs) = socket::pair().map_err(|error| failed(&error))?;
        let mut command = Command::new(self.path());
        command.arg0("bottleship").args(["oci", "serve"]);
        // It answers over sockets, and says nothing else.
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| failed(&error))?;
        Ok(StandingBy { orders: Some(ours), process })
    }
}

impl Ordered {
    /// Waits until it was done.
    ///
    /// # Errors
    /// What was in the way, in one line.
    pub async fn done(self) -> Result<Made, String> {
        let failed = |error: &dyn std::fmt::Display| format!("hear from the container runtime: {error}");
        self.0.set_nonblocking(true).map_err(|error| failed(&error))?;
        let mut heard = BufReader::new(UnixStream::from_std(self.0).map_err(|error| failed(&error))?);
        let mut line = String::new();
        heard.read_line(&mut line).await.map_err(|error| failed(&error))?;
        if !line.ends_with('\n') {
            return Err(failed(&"it ended without an answer"));
        }
        let answer: Answer = serde_json::from_str(&line).map_err(|error| failed(&error))?;
        answer.map_err(|error| error.line())
    }
}
