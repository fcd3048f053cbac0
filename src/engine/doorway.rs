//! The way of the engine's children into the cgroup that containers live below.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::Engine;
use super::error::Fault;
use crate::kernel::cgroup::Layout;
use crate::kernel::socket;

/// Where the processes of a host go on v2 when containers get limits. Others find it by this name too: `docker:dind` calls it so.
const ASIDE: &str = "init";

impl Engine {
    /// Sees to it that containers can be limited. On v2 a cgroup with processes hands no controllers down, and the host's has the learner's shell in it:
    /// its processes are moved aside. An engine without doors has containers where its administrator said, and moves nobody.
    ///
    /// # Errors
    /// A process may not be moved.
    pub fn make_room(&self, limits: &Value) -> Result<(), Fault> {
        let limited = limits.as_object().is_some_and(|limits| !limits.is_empty());
        if self.machine.doors.is_empty() || !limited {
            return Ok(());
        }
        let made = Layout::detect().and_then(|layout| layout.make_room(ASIDE));
        made.map_err(|error| Fault::internal(format!("make room for limits in the cgroups of this host: {error}")))
    }

    /// The standard input of a runtime's process: the doors, if there are any, which it goes through first (`--doors`). What comes with it is to be
    /// kept until the process has ended.
    ///
    /// # Errors
    /// A socket pair cannot be made.
    pub fn doorway(&self, command: &mut Command) -> Result<(Stdio, Option<OwnedFd>), String> {
        if self.machine.doors.is_empty() {
            return Ok((Stdio::null(), None));
        }
        let failed = |error: crate::kernel::Error| format!("lead the runtime into its cgroup: {error}");
        let (ours, theirs) = socket::pair().map_err(failed)?;
        let doors: Vec<i32> = self.machine.doors.iter().map(|door| door.as_raw_fd()).collect();
        socket::send(ours.as_fd(), b"doors", &doors).map_err(failed)?;
        command.arg("--doors");
        Ok((Stdio::from(theirs), Some(ours)))
    }
}
