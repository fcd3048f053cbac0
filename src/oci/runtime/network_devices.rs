//! `linux.netDevices`: devices of the machine's network that move into the container's (config-linux.md, "Network Devices").
//!
//! The addresses are looked up before the clone, the parent moves the devices while the child waits, and the child, who is in the
//! new network by then, takes them up and gives them their addresses back. A start that fails moves them home again, as they were but for
//! routes over them, which the kernel drops with the move. When the last process of the namespace ends, the kernel
//! hands a real device back to the machine and forgets a virtual one; that is not ours to do.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use super::error::{During as _, Error, Result};
use super::plan::Plan;
use super::spec::Spec;
use super::steps::Init;
use crate::kernel::netlink::Socket;
use crate::kernel::netlink::route::Address;
use crate::kernel::ns;
use crate::kernel::ns::CloneFlags;

/// A device to move.
pub struct NetworkDevice {
    /// Its name here.
    from: String,
    /// Its name in the container.
    to: String,
    addresses: Vec<Address>,
    /// Whether it is up here.
    up: bool,
}

/// Devices that have left, and where they are.
pub struct Moved<'p> {
    namespace: OwnedFd,
    devices: Vec<&'p NetworkDevice>,
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
    let links = socket.links()?;
    let mut one = |(from, device): (&String, &super::spec::linux::NetDevice)| {
        let addresses = socket.kept_addresses(from).map_err(|error| {
            let hint = "`ip link` shows the devices of the network namespace that this runtime runs in";
            Error::from(error).during(format!("`linux.netDevices.{from}`")).hint(hint)
        })?;
        let to = device.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| from.clone());
        let up = links.iter().any(|link| link.name == *from && link.up);
        Ok(NetworkDevice { from: from.clone(), to, addresses, up })
    };
    spec.linux.net_devices.iter().map(&mut one).collect()
}

/// Moves the devices into the network namespace of the child `pid`, or that which the plan joins; `moved` is what to take back.
///
/// # Errors
/// A device cannot leave, or its name is taken there.
pub fn hand_over<'p>(plan: &'p Plan, pid: i32, moved: &mut Option<Moved<'p>>) -> Result<()> {
    if plan.network_devices.is_empty() {
        return Ok(());
    }
    let joined = plan.joined(CloneFlags::CLONE_NEWNET).map(|join| join.namespace.try_clone());
    let namespace: OwnedFd = match joined {
        Some(copy) => copy.map_err(|error| Error::new(format!("hold the network namespace: {error}")))?,
        None => ns::open(pid, "net")?,
    };
    let moved = moved.insert(Moved { namespace, devices: Vec::new() });
    let mut socket = Socket::route()?;
    for device in &plan.network_devices {
        let left = socket.set_up(&device.from, false).and_then(|()| socket.move_link(&device.from, &device.to, moved.namespace.as_fd()));
        if left.is_err() {
            // It is still here; what it was refused for is the error to tell.
            let _ = restore(&mut socket, &device.from, device, device.up);
        }
        left.during(|| format!("move the network device `{}` into the container as `{}`", device.from, device.to))?;
        moved.devices.push(device);
    }
    Ok(())
}

impl Moved<'_> {
    /// Moves the devices home again, under their old names, with their addresses.
    ///
    /// # Errors
    /// One of them cannot be moved; the others are.
    pub fn take_back(&self) -> Result<()> {
        let home = ns::open(0, "net")?;
        let mut there = socket_in(self.namespace.as_fd(), home.as_fd())?;
        let mut here = Socket::route()?;
        let mut back = |device: &NetworkDevice| -> crate::kernel::Result<()> {
            there.set_up(&device.to, false)?;
            there.move_link(&device.to, &device.from, home.as_fd())?;
            restore(&mut here, &device.from, device, device.up)
        };
        let tried: Vec<Result<()>> = self
            .devices
            .iter()
            .map(|device| back(device).during(|| format!("move the network device `{}` back as `{}`", device.to, device.from)))
            .collect();
        tried.into_iter().collect()
    }
}

/// A socket in another network namespace: it stays where it was made, and we, who have one thread, come back at once.
fn socket_in(namespace: BorrowedFd<'_>, home: BorrowedFd<'_>) -> Result<Socket> {
    ns::enter(namespace, CloneFlags::CLONE_NEWNET)?;
    let socket = Socket::route();
    ns::enter(home, CloneFlags::CLONE_NEWNET)?;
    Ok(socket?)
}

/// Gives a device, here called `name`, its addresses again, and takes it up.
fn restore(socket: &mut Socket, name: &str, device: &NetworkDevice, up: bool) -> crate::kernel::Result<()> {
    device.addresses.iter().try_for_each(|address| socket.restore_address(name, address))?;
    socket.set_up(name, up)
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
        restore(&mut socket, &device.to, device, true)?;
    }
    Ok(())
}
