//! `linux.netDevices`: devices of the machine's network that move into the container's (config-linux.md, "Network Devices").
//!
//! The addresses are looked up before the clone, the parent moves the devices while the child waits, and the child, who is in the
//! new network by then, takes them up and gives them their addresses back. When the last process of the namespace ends, the kernel
//! hands a real device back to the machine and forgets a virtual one; that is not ours to do.

use std::os::fd::{AsFd as _, OwnedFd};

use nix::sched::CloneFlags;

use super::error::{During as _, Error, Result};
use super::plan::Plan;
use super::spec::Spec;
use super::steps::Init;
use crate::kernel::netlink::Socket;
use crate::kernel::netlink::route::Address;
use crate::kernel::ns;

/// A device to move.
pub struct NetworkDevice {
    /// Its name here.
    from: String,
    /// Its name in the container.
    to: String,
    addresses: Vec<Address>,
}

/// Looks the devices of a spec up.
///
/// # Errors
/// There is no such device.
pub fn plan(spec: &Spec) -> Result<Vec<NetworkDevice>> {
    if spec.linux.net_devices.is_empty() {
        return Ok(Vec::new());
    }
    let mut socket = Socket::route()?;
    let mut one = |(from, device): (&String, &super::spec::linux::NetDevice)| {
        let addresses = socket.kept_addresses(from).map_err(|error| {
            let hint = "`ip link` shows the devices of the network namespace that this runtime runs in";
            Error::from(error).during(format!("`linux.netDevices.{from}`")).hint(hint)
        })?;
        let to = device.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| from.clone());
        Ok(NetworkDevice { from: from.clone(), to, addresses })
    };
    spec.linux.net_devices.iter().map(&mut one).collect()
}

/// Moves the devices into the network namespace of the child `pid`, or that which the plan joins.
///
/// # Errors
/// A device cannot leave, or its name is taken there.
pub fn hand_over(plan: &Plan, pid: i32) -> Result<()> {
    if plan.network_devices.is_empty() {
        return Ok(());
    }
    let joined = plan.joined(CloneFlags::CLONE_NEWNET).map(|join| join.namespace.try_clone());
    let namespace: OwnedFd = match joined {
        Some(copy) => copy.map_err(|error| Error::new(format!("hold the network namespace: {error}")))?,
        None => ns::open(pid, "net")?,
    };
    let mut socket = Socket::route()?;
    for device in &plan.network_devices {
        let moved = socket.set_up(&device.from, false).and_then(|()| socket.move_link(&device.from, &device.to, namespace.as_fd()));
        moved.during(|| format!("move the network device `{}` into the container as `{}`", device.from, device.to))?;
    }
    Ok(())
}

/// Takes the devices up and gives them their addresses back, in the child.
///
/// # Errors
/// Those of netlink.
pub fn take_up(init: &Init<'_>) -> Result<()> {
    if init.plan.network_devices.is_empty() {
        return Ok(());
    }
    let mut socket = Socket::route()?;
    for device in &init.plan.network_devices {
        device.addresses.iter().try_for_each(|address| socket.restore_address(&device.to, address))?;
        socket.set_up(&device.to, true)?;
    }
    Ok(())
}
