//! Namespaces, in the child: joining those that exist, and what a new one needs before it is of use.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use super::error::{During as _, Result};
use super::messages;
use super::network_devices;
use super::steps::Init;
use crate::kernel::ns::CloneFlags;
use crate::kernel::{loopback, ns, procfs};

/// A running container that a further process joins.
pub struct Target {
    /// Its first process.
    pub process: OwnedFd,
    /// The namespaces to enter, without that of process ids: the clone has put us there.
    pub kinds: CloneFlags,
}

/// Waits until the parent has written the id maps and moved the network devices.
pub fn wait_for_parent(init: &mut Init<'_>) -> Result<()> {
    if init.start.wait_for_parent { messages::wait_for_go(init.parent) } else { Ok(()) }
}

/// Enters the namespaces that the spec names by path, except the pid namespace, which the clone chose, and a user namespace, which was
/// entered before the clone.
pub fn join(init: &mut Init<'_>) -> Result<()> {
    let cloned = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUSER;
    for join in init.plan.join.iter().filter(|join| !cloned.contains(join.flag)) {
        ns::enter(join.namespace.as_fd(), join.flag).during(|| format!("join the {} namespace", join.kind))?;
    }
    Ok(())
}

/// Enters all namespaces of a running container in one call, so that there is no moment in half of them.
pub fn join_target(init: &mut Init<'_>) -> Result<()> {
    match &init.start.join {
        Some(target) if !target.kinds.is_empty() => Ok(ns::enter(target.process.as_fd(), target.kinds)?),
        _ => Ok(()),
    }
}

/// A cgroup namespace shows as `/` the cgroup that its maker is in at that moment: so it is made here, where we are in ours, and not by the
/// clone.
pub fn cgroup(init: &mut Init<'_>) -> Result<()> {
    if init.start.cgroup_namespace { Ok(ns::unshare(CloneFlags::CLONE_NEWCGROUP)?) } else { Ok(()) }
}

/// The clocks of a time namespace can be set only while nobody lives in it: unshare(2) makes one for the children, the offsets are
/// written, then we enter. Before the change of identity, which hides our files in /proc from ourselves until execve(2); and through the
/// machine's procfs, for a new one would have owners that a new user namespace does not know.
pub fn time(init: &mut Init<'_>) -> Result<()> {
    if !init.plan.new.contains(ns::CLONE_NEWTIME) {
        return Ok(());
    }
    ns::unshare(ns::CLONE_NEWTIME)?;
    let procfs = procfs::Procfs::mounted()?;
    for (clock, offset) in &init.plan.spec.linux.time_offsets {
        procfs.write(Path::new("self/timens_offsets"), &format!("{clock} {} {}\n", offset.secs, offset.nanosecs))?;
    }
    let made = ns::open(0, "time_for_children")?;
    Ok(ns::enter(made.as_fd(), ns::CLONE_NEWTIME)?)
}

/// A new network namespace has only a loopback device, and that is down; so are the devices that the parent has moved here.
pub fn network_up(init: &mut Init<'_>) -> Result<()> {
    if init.plan.new.contains(CloneFlags::CLONE_NEWNET) {
        loopback::up()?;
    }
    network_devices::take_up(init)
}
