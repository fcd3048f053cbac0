//! The way of the engine's children into the cgroup that containers live below.

use serde_json::Value;

use super::Engine;
use super::error::Fault;
use crate::kernel::cgroup::Layout;

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
}
