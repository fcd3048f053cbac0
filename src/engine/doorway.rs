//! The way of the engine's children into the cgroup that containers live below.

use serde_json::Value;

use super::Engine;
use super::error::Fault;
use crate::kernel::cgroup::Layout;
use crate::kernel::inode;

/// Where the processes of a host go on v2 when containers get limits. Others find it by this name too: `docker:dind` calls it so.
const ASIDE: &str = "init";

impl Engine {
    /// Whether containers can be limited: a cgroup file system is mounted here that this engine may write to. Asked each time, since whoever is root on its
    /// host may mount one.
    pub fn has_cgroups(&self) -> bool {
        Layout::detect().is_ok_and(|layout| layout.hierarchies.iter().any(|tree| inode::may_write(&tree.mount)))
    }

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
