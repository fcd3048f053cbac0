//! PID 1 of a bottle: a clone of the keeper in new namespaces, which builds the small world that hosts are made in.
//!
//! ```text
//! /layer/N      the machine's file systems (id-mapped)        /state   the hosts' folders        /bottleship   our program
//! /dev/...      the machine's harmless devices                /proc /sys of these namespaces     /root         where hosts' roots are built
//! ```
//!
//! It has the switch (a bridge in its network namespace), makes a host when the keeper says so, reaps, and ends when the keeper does: the
//! socket between them is its lifeline, and the kernel's parent-death signal covers the rest. With it ends everything in the bottle.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::protocol::{self, FromInit, HostPlan, ToInit, place};
use super::world::{Layout, Trees, World};
use super::{Error, Mode, host_boot, uplink};
use crate::kernel::mount::MsFlags;
use crate::kernel::netlink::Socket;
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::Signal;
use crate::kernel::process::{self, Process};
use crate::kernel::signals::Signals;
use crate::kernel::{self, exec, fs, idmap, mount, ns, poll, reaper};

/// The bridge that hosts are plugged into.
pub const SWITCH: &str = "switch";
/// How long the program that leads the bottle's network out may take to make its link.
const PROGRAM: std::time::Duration = std::time::Duration::from_secs(10);
/// The namespaces of the bottle.
pub const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWUSER
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC);
/// The machine's devices that every host has. Those that are not there are left out.
pub const DEVICES: [&str; 8] = ["null", "zero", "full", "random", "urandom", "tty", "net/tun", "fuse"];

/// What PID 1 has besides the plan.
#[derive(Debug)]
pub struct Inheritance {
    /// The lifeline, and the keeper's orders.
    pub keeper: OwnedFd,
    /// The bottle's lock: held until the last of keeper and PID 1 is gone.
    pub lock: OwnedFd,
    /// Into the cgroup `.service`.
    pub service: Vec<OwnedFd>,
    /// Views of the machine's files.
    pub trees: Trees,
}

/// The life of PID 1. Gives the exit code.
pub fn main(world: &World, inheritance: Inheritance) -> i32 {
    reaper::set_name("bottle");
    match run(world, &inheritance) {
        Ok(()) => 0,
        Err(error) => {
            // If the keeper is gone too there is nobody left to tell.
            let _ = protocol::send(inheritance.keeper.as_fd(), &FromInit::Failed((&error).into()), &[]);
            1
        }
    }
}

fn run(world: &World, inheritance: &Inheritance) -> Result<(), Error> {
    let keeper = inheritance.keeper.as_fd();
    close_the_rest(inheritance)?;
    let Some((ToInit::Go, _)) = protocol::receive(keeper).map_err(Error::at("wait for the keeper"))? else { return Ok(()) };
    idmap::become_root().map_err(Error::at("become root in the bottle"))?;
    // The change of ids made our /proc entries unreadable (prctl(2), PR_SET_DUMPABLE), also for ourselves: this program was executed outside.
    reaper::be_visible().map_err(Error::at("become root in the bottle"))?;
    // After the change of ids, which clears it. A keeper that is gone by now has closed the lifeline, which the loop sees.
    process::die_with_parent(Signal::SIGKILL).map_err(Error::at("tie the bottle to its keeper"))?;
    reaper::set_umask(0o022);
    build(world, &inheritance.trees)?;
    let mut network = Socket::route().map_err(Error::at("open the bottle's network"))?;
    let up = network.set_up("lo", true).and_then(|()| network.add_bridge(SWITCH)).and_then(|()| network.set_up(SWITCH, true));
    up.map_err(Error::at("make the switch"))?;
    // Only now: a move between cgroups waits for a grace period of the kernel's (some milliseconds) unless another has just done so, and the
    // hosts' moves follow at once.
    enter(&inheritance.service).map_err(Error::at("enter the bottle's cgroup"))?;
    let signals = Signals::block(&[Signal::SIGCHLD]).map_err(Error::at("watch the hosts"))?;
    protocol::send(keeper, &FromInit::Built, &[]).map_err(Error::at("answer the keeper"))?;
    Init { world, inheritance, network, signals, hosts: Vec::new(), sockets: HashMap::new() }.serve()
}

fn close_the_rest(inheritance: &Inheritance) -> Result<(), Error> {
    let mut keep = vec![inheritance.keeper.as_fd(), inheritance.lock.as_fd()];
    keep.extend(inheritance.service.iter().map(AsFd::as_fd));
    let trees = &inheritance.trees;
    keep.extend(trees.layers.iter().chain(&trees.state).chain(&trees.program).chain(&trees.share).map(AsFd::as_fd));
    exec::close_all_but(&keep).map_err(Error::at("close the keeper's descriptors"))
}

/// Moves the calling process into the cgroups behind `doors` (descriptors of `cgroup.procs`).
pub fn enter(doors: &[OwnedFd]) -> kernel::Result<()> {
    doors.iter().try_for_each(|door| poll::write_all(door.as_fd(), b"0"))
}

/// Builds the small world on a tmpfs and makes it the root. The tmpfs covers `/tmp` of our copy of the machine's mounts meanwhile: any folder
/// would do, this one is there.
fn build(world: &World, trees: &Trees) -> Result<(), Error> {
    let doing = "build the bottle's own small root";
    mount::propagation(Path::new("/"), MsFlags::MS_PRIVATE | MsFlags::MS_REC).map_err(Error::at(doing))?;
    // Taken hold of before the tmpfs covers `/tmp`: they may lie there.
    let state = hold(trees.state.as_ref(), &world.state.path("hosts")).map_err(Error::at(doing))?;
    let program = hold(trees.program.as_ref(), &world.program).map_err(Error::at("bring our own program into the bottle"))?;
    let share = world.spec.share.as_deref().map(|share| hold(trees.share.as_ref(), share)).transpose();
    let share = share.map_err(Error::at("take hold of the shared folder"))?;
    let root = mount::detached("tmpfs", &[("mode", "0755"), ("size", "4m")], 0).map_err(Error::at(doing))?;
    attach(root.as_fd(), Path::new("/tmp")).map_err(Error::at(doing))?;
    let at = Path::new("/tmp");
    let inner = |path: &str| at.join(path.trim_start_matches('/'));
    for folder in [place::LAYERS, place::STATE, place::ROOT, "/proc", "/sys", "/dev/net"] {
        fs::create_dir_all(&inner(folder), 0o755).map_err(Error::at(doing))?;
    }
    attach_layers(world, trees, at)?;
    put(Some(&state), Path::new(""), &inner(place::STATE), true).map_err(Error::at(doing))?;
    put(Some(&program), Path::new(""), &inner(place::PROGRAM), false).map_err(Error::at("bring our own program into the bottle"))?;
    if let Some(share) = &share {
        put(Some(share), Path::new(""), &inner(place::SHARE), true).map_err(Error::at("show the shared folder"))?;
    }
    for device in DEVICES {
        let source = Path::new("/dev").join(device);
        if source.exists() {
            put(None, &source, &at.join("dev").join(device), false).map_err(Error::at("bring the machine's devices into the bottle"))?;
        }
    }
    own_views(at)?;
    reaper::change_dir(at).map_err(Error::at(doing))?;
    mount::pivot_root_here().map_err(Error::at("leave the machine's root"))?;
    reaper::change_dir(Path::new("/")).map_err(Error::at(doing))
}

/// `/proc` and `/sys` of the bottle's own namespaces. The kernel only allows new ones to somebody who sees the old ones whole.
fn own_views(at: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount::mount("proc", &at.join("proc"), "proc", flags, None)
        .and_then(|()| mount::mount("sysfs", &at.join("sys"), "sysfs", flags, None))
        .map_err(Error::at("mount the bottle's own /proc and /sys (a container whose /proc is masked cannot)"))
}

fn attach_layers(world: &World, trees: &Trees, at: &Path) -> Result<(), Error> {
    for (number, layer) in world.layers.iter().enumerate() {
        let target = at.join(place::LAYERS.trim_start_matches('/')).join(number.to_string());
        let doing = || format!("show `{}` of the machine", layer.path.display());
        fs::create_dir_all(&target, 0o755).map_err(Error::at(doing()))?;
        let attached = match trees.layers.get(number) {
            Some(tree) => attach(tree.as_fd(), &target),
            None => mount::bind(&layer.path, &target, true),
        };
        attached.map_err(Error::at(doing()))?;
    }
    debug_assert!(world.layout == Layout::Folders || world.mode == Mode::Root);
    Ok(())
}

/// The tree that the keeper made, or our own copy of the mount at `source`, with all that is mounted below it.
fn hold(tree: Option<&OwnedFd>, source: &Path) -> kernel::Result<OwnedFd> {
    match tree {
        Some(tree) => exec::duplicate(tree.as_fd()),
        None => mount::clone_tree(source, true),
    }
}

/// Attaches a tree, or binds `source` where there is none, on a new folder or file.
fn put(tree: Option<&OwnedFd>, source: &Path, target: &Path, folder: bool) -> kernel::Result<()> {
    if folder {
        fs::create_dir_all(target, 0o755)?;
    } else {
        File::create(target).map_err(|error| kernel::Error::from_io("create", target.display(), &error))?;
    }
    match tree {
        Some(tree) => attach(tree.as_fd(), target),
        None => mount::bind(source, target, false),
    }
}

fn attach(tree: BorrowedFd<'_>, target: &Path) -> kernel::Result<()> {
    let handle = kernel::root::open_path(target)?;
    mount::attach(tree, handle.as_fd(), target)
}

/// Waits until a default route leads over the link that slirp4netns or pasta makes.
fn await_program() -> kernel::Result<()> {
    let mut network = Socket::route()?;
    poll::until("a default route over the uplink", PROGRAM, || {
        let uplink = network.links()?.into_iter().find(|link| link.name == uplink::LINK).map(|link| link.index);
        Ok(uplink.is_some() && network.routes()?.iter().any(|route| route.to == "default" && route.link == uplink))
    })
}

/// PID 1 at work.
struct Init<'a> {
    world: &'a World,
    inheritance: &'a Inheritance,
    network: Socket,
    signals: Signals,
    hosts: Vec<(String, Process)>,
    /// To each host's init: its reports come this way, and its end.
    sockets: HashMap<String, OwnedFd>,
}

impl Init<'_> {
    fn serve(&mut self) -> Result<(), Error> {
        loop {
            let names: Vec<String> = self.sockets.keys().cloned().collect();
            let mut polled = vec![self.inheritance.keeper.as_fd(), self.signals.as_fd()];
            polled.extend(names.iter().filter_map(|name| Some(self.sockets.get(name)?.as_fd())));
            let ready = poll::readable(&polled, None).map_err(Error::at("wait for orders"))?;
            drop(polled);
            for index in ready {
                match index {
                    0 if !self.order()? => return Ok(()),
                    0 => {}
                    1 => self.reap()?,
                    _ => self.report(&names[index - 2])?,
                }
            }
        }
    }

    /// Carries out one order. False when the keeper is gone.
    fn order(&mut self) -> Result<bool, Error> {
        let keeper = self.inheritance.keeper.as_fd();
        let Some((order, descriptors)) = protocol::receive::<ToInit>(keeper).map_err(Error::at("read an order"))? else {
            return Ok(false);
        };
        let done = match order {
            ToInit::Go => Ok(()),
            ToInit::Host(plan) => self.make_host(&plan, descriptors),
            ToInit::Uplink { link, address, prefix, gateway } => self.uplink(&link, address, prefix, gateway),
        };
        match done {
            Ok(()) => Ok(true),
            Err(error) => self.tell(&FromInit::Failed((&error).into())).map(|()| true),
        }
    }

    fn tell(&self, what: &FromInit) -> Result<(), Error> {
        protocol::send(self.inheritance.keeper.as_fd(), what, &[]).map_err(Error::at("answer the keeper"))
    }

    /// Clones a host, plugs it into the switch, and lets it go on. It reports itself when it answers.
    fn make_host(&mut self, plan: &HostPlan, descriptors: Vec<OwnedFd>) -> Result<(), Error> {
        let doing = || format!("make the host `{}`", plan.name);
        let (ours, theirs) = kernel::socket::pair().map_err(Error::at(doing()))?;
        let flags = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC;
        let child = process::clone3(flags, None, || host_boot::main(self.world, plan, theirs, descriptors, &self.inheritance.service));
        let child = child.map_err(Error::at(doing()))?;
        let plugged = self.plug(plan, child.pid).map_err(Error::at(doing()));
        self.hosts.push((plan.name.clone(), child));
        plugged?;
        // The network is there; a host that has failed meanwhile has reported that.
        let _ = protocol::send(ours.as_fd(), &ToInit::Go, &[]);
        self.sockets.insert(plan.name.clone(), ours);
        Ok(())
    }

    fn plug(&mut self, plan: &HostPlan, pid: i32) -> kernel::Result<()> {
        let port = format!("port{}", plan.port);
        let namespace = ns::open(pid, "net")?;
        self.network.add_veth(&port, "eth0", namespace.as_fd())?;
        self.network.set_master(&port, SWITCH)?;
        self.network.set_up(&port, true)
    }

    /// The way out of a bottle with the real internet: this namespace routes and masquerades for all hosts.
    fn uplink(&mut self, link: &str, own: std::net::Ipv4Addr, prefix: u8, gateway: std::net::Ipv4Addr) -> Result<(), Error> {
        use crate::net::address;
        let doing = "lead the bottle's network out";
        self.network.add_address(SWITCH, address::GATEWAY, address::PREFIX).map_err(Error::at(doing))?;
        if link.is_empty() {
            await_program()
                .map_err(Error::at("wait for the program that leads the bottle's network out (its words are in `keeper.log`)"))?;
        } else {
            self.network.add_address(link, own, prefix).map_err(Error::at(doing))?;
            self.network.set_up(link, true).map_err(Error::at(doing))?;
            self.network.add_route(std::net::Ipv4Addr::UNSPECIFIED, 0, gateway).map_err(Error::at(doing))?;
        }
        fs::write_once(Path::new("/proc/sys/net/ipv4/ip_forward"), "1").map_err(Error::at(doing))?;
        let mut nft = Socket::netfilter().map_err(Error::at(doing))?;
        nft.add_masquerade("bottleship", None, false, (address::NETWORK, address::PREFIX), SWITCH).map_err(Error::at(doing))?;
        self.tell(&FromInit::UplinkReady)
    }

    fn reap(&mut self) -> Result<(), Error> {
        while self.signals.next().map_err(Error::at("watch the hosts"))?.is_some() {}
        while let Some((pid, exit)) = reaper::reap().map_err(Error::at("reap"))? {
            if let Some(index) = self.hosts.iter().position(|(_, process)| process.pid == pid) {
                let (name, _) = self.hosts.remove(index);
                // What it said last comes before the news of its end.
                self.report(&name)?;
                self.sockets.remove(&name);
                self.tell(&FromInit::HostGone { name, how: format!("{exit:?}") })?;
            }
        }
        Ok(())
    }

    /// Passes on what a host reports.
    fn report(&mut self, name: &str) -> Result<(), Error> {
        let Some(socket) = self.sockets.get(name) else { return Ok(()) };
        if poll::readable(&[socket.as_fd()], Some(std::time::Duration::ZERO)).is_ok_and(|ready| ready.is_empty()) {
            return Ok(());
        }
        match protocol::receive::<FromInit>(socket.as_fd()) {
            Ok(Some((report, _))) => self.tell(&report),
            // It has closed its end; that it has ended comes as a signal.
            _ => {
                self.sockets.remove(name);
                Ok(())
            }
        }
    }
}
