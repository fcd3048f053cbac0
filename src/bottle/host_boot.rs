//! From a clone of PID 1 to a running host: cgroup, root, name, network, and then the program `host-init` in this place.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use super::protocol::{self, FromInit, HostPlan, ToInit, place};
use super::world::World;
use super::{Error, host_root, init};
use crate::kernel::netlink::Socket;
use crate::kernel::{self, exec, fs, ns, reaper};
use crate::net::address;

/// The life of a host until it becomes `host-init`. Gives an exit code only when that did not work.
pub fn main(world: &World, plan: &HostPlan, init: OwnedFd, descriptors: Vec<OwnedFd>, service: &[OwnedFd]) -> i32 {
    if let Err(error) = boot(world, plan, &init, descriptors, service) {
        // If PID 1 is gone so are we.
        let _ = protocol::send(init.as_fd(), &FromInit::Failed((&error).into()), &[]);
    }
    1
}

fn boot(world: &World, plan: &HostPlan, init: &OwnedFd, mut descriptors: Vec<OwnedFd>, service: &[OwnedFd]) -> Result<(), Error> {
    let doing = || format!("boot the host `{}`", plan.name);
    if descriptors.is_empty() {
        return Err(Error::Gone { name: plan.name.clone() });
    }
    let mut doors = descriptors.split_off(1);
    let service_doors = doors.split_off(doors.len() / 2);
    // The cgroup namespace's root is the cgroup that its maker is in at that moment.
    init::enter(&doors).map_err(Error::at(doing()))?;
    ns::unshare(crate::kernel::ns::CloneFlags::CLONE_NEWCGROUP).map_err(Error::at(doing()))?;
    init::enter(service).map_err(Error::at(doing()))?;
    reaper::set_host_name(&plan.name).map_err(Error::at(doing()))?;
    let notes = host_root::build(world, plan)?;
    let Some((ToInit::Go, _)) = protocol::receive(init.as_fd()).map_err(Error::at(doing()))? else { return Ok(()) };
    network(plan).map_err(Error::at(format!("connect the host `{}` to the switch", plan.name)))?;
    let count = doors.len();
    descriptors.extend(doors.into_iter().chain(service_doors));
    become_init(plan, init, descriptors, count, &notes)
}

fn network(plan: &HostPlan) -> kernel::Result<()> {
    let mut socket = Socket::route()?;
    socket.set_up("lo", true)?;
    socket.set_up("eth0", true)?;
    socket.add_address("eth0", plan.address, address::PREFIX)?;
    if !plan.others.is_empty() {
        socket.add_addresses("lo", &plan.others, 32)?;
    }
    if let Some(gateway) = plan.gateway {
        socket.add_route(std::net::Ipv4Addr::UNSPECIFIED, 0, gateway)?;
    }
    if plan.internet {
        // Routes for the others, so that what is not simulated is answered with "unreachable" at once.
        fs::write_once(Path::new("/proc/sys/net/ipv4/ip_forward"), "1")?;
        socket.add_unreachable(std::net::Ipv4Addr::UNSPECIFIED, 0)?;
    }
    // Anybody may ping, as on most machines; the default of a new network namespace is nobody.
    fs::write_once(Path::new("/proc/sys/net/ipv4/ping_group_range"), "0 2147483647")
        .or_else(|_| fs::write_once(Path::new("/proc/sys/net/ipv4/ping_group_range"), "0 0"))
}

/// Descriptors 0 to 2 are `/dev/null`, 3 is PID 1, 4 the control listener, from 5 on the doors of the host's cgroup, and as many for its daemons.
fn become_init(plan: &HostPlan, init: &OwnedFd, descriptors: Vec<OwnedFd>, count: usize, notes: &[String]) -> Result<(), Error> {
    let doing = || format!("start the init of the host `{}`", plan.name);
    let null = || {
        let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
        file.map(OwnedFd::from).map_err(|error| kernel::Error::from_io("open", "/dev/null", &error))
    };
    let mut places = vec![];
    for _ in 0..3 {
        places.push(null().map_err(Error::at(doing()))?);
    }
    places.push(exec::duplicate(init.as_fd()).map_err(Error::at(doing()))?);
    places.extend(descriptors);
    exec::place(places).map_err(Error::at(doing()))?;
    let program = format!("{}/bin/bottleship", place::IN_HOST);
    let argv = ["bottleship", "host-init", &plan.name].map(str::to_owned);
    let role = if plan.internet { "internet" } else { "host" };
    let env = [("BOTTLESHIP_DOORS", count.to_string()), ("BOTTLESHIP_ROLE", role.to_owned()), ("BOTTLESHIP_NOTES", notes.join("\n"))];
    let env: Vec<(String, String)> = env.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let error = Error::Kernel { doing: doing(), source: exec::exec(&program, &argv, &env) };
    // The descriptors have been moved: `init` itself may be another file by now.
    let init = exec::inherited(3).map_err(Error::at(doing()))?;
    // If PID 1 is gone so are we.
    let _ = protocol::send(init.as_fd(), &FromInit::Failed((&error).into()), &[]);
    Err(error)
}
