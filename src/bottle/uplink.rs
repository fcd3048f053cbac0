//! The way out of a bottle with `--internet real`, and its end.
//!
//! ```text
//! started by root:   hosts ── switch ── PID 1, masquerades the switch ── uplink ══ veth ══ machine, masquerades the veth ── the world
//! by a user:         hosts ── switch ── PID 1, masquerades the switch ── uplink (tap) ══ slirp4netns or pasta: the user's own sockets
//! ```
//!
//! What root's way adds to the machine: one link, noted (its alias) with the bottle's folder; one nftables table, owned by the keeper's own netlink
//! socket, so that the kernel removes it when the keeper dies, however it dies; and forwarding, where it was off, until the last such bottle
//! ends. The link goes with the bottle's network namespace. A firewall of the machine that drops what it forwards is left as it is.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use super::protocol::ToInit;
use super::world::World;
use super::{Error, Mode, abilities};
use crate::kernel::error::Errno;
use crate::kernel::netlink::Socket;
use crate::kernel::netlink::nft::Family;
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::Signal;
use crate::kernel::process::{self, Process};
use crate::kernel::{self, exec, fs, lock, look, ns, poll, reaper};
use crate::net::address;

/// What the link is called in the bottle.
pub const LINK: &str = "uplink";
/// Where the programs for ordinary users answer DNS.
const PROGRAMS_DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// What begins the names of our links on the machine.
const PREFIX: &str = "btl";
/// What begins the note on a link and in a table; the bottle's folder follows.
pub const NOTE: &str = "bottleship ";
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// The machine's side of the way out. [`Uplink::close`] takes it away.
#[derive(Debug)]
pub enum Uplink {
    /// A veth pair. The table lives as long as its socket.
    Veth { link: String, table: String, nft: Socket },
    /// A program of the user's, and the descriptor whose closing ends it.
    Program { watcher: Process, alive: OwnedFd },
}

/// Whether `mode` can have the real internet on this machine.
///
/// # Errors
/// What is missing, and what to do.
pub fn possible(mode: Mode) -> Result<(), Error> {
    let missing = |why: &str| Err(Error::Unsupported { what: "the real internet", why: why.to_owned() });
    match mode {
        Mode::Root => Socket::netfilter()
            .and_then(|mut nft| nft.tables().map(drop))
            .or_else(|error| missing(&format!("the kernel has no nftables ({error}): try `modprobe nf_tables`"))),
        Mode::Rootless if program(0).is_none() => missing(
            "neither `slirp4netns` nor `pasta` is installed, and an ordinary user needs one of them (Debian: apt-get install slirp4netns); \
             or start the bottle with sudo",
        ),
        Mode::Rootless if !Path::new("/dev/net/tun").exists() => missing("the machine has no /dev/net/tun: try `modprobe tun` as root"),
        // Without a right to the device the program fails later, and says so to nobody but its log.
        Mode::Rootless => match fs::open_to_write(Path::new("/dev/net/tun")) {
            Err(error) if matches!(error.errno, Errno::EACCES | Errno::EPERM) => missing(
                "ordinary users may not open /dev/net/tun on this machine: `chmod 666 /dev/net/tun` as root, as most machines have it; \
                 or start the bottle with sudo",
            ),
            _ => Ok(()),
        },
    }
}

/// The command line of the program that is there.
fn program(pid: i32) -> Option<Vec<String>> {
    let (user, dns) = (format!("--userns-path=/proc/{pid}/ns/user"), PROGRAMS_DNS.to_string());
    let slirp = ["--configure", "--mtu=65520", "--disable-host-loopback", &user, &pid.to_string(), LINK].map(str::to_owned).to_vec();
    let pasta = format!(
        "--config-net --foreground --quiet --no-map-gw --dns-forward {dns} -t none -u none -T none -U none --ns-ifname {LINK} {pid}"
    );
    let pasta = pasta.split(' ').map(str::to_owned).collect();
    let found = |(name, arguments): (&str, Vec<String>)| {
        let path = abilities::find(name)?.to_string_lossy().into_owned();
        Some(std::iter::once(path).chain(arguments).collect())
    };
    [("slirp4netns", slirp), ("pasta", pasta)].into_iter().find_map(found)
}

/// Opens the way out for the bottle whose PID 1 is `pid`. Gives what PID 1 is to be told.
///
/// # Errors
/// The kernel refused, or the program for it is missing.
pub fn open(world: &World, pid: i32) -> Result<(Uplink, ToInit), Error> {
    possible(world.mode)?;
    match world.mode {
        Mode::Root => by_veth(world, pid),
        Mode::Rootless => by_program(pid),
    }
}

fn by_veth(world: &World, pid: i32) -> Result<(Uplink, ToInit), Error> {
    let at = || Error::at("lead the bottle's network out");
    let mut route = Socket::route().map_err(at())?;
    let label = world.state.label();
    let link = link_name(&label);
    let outer = free_network(&mut route, &label)?;
    let inner = Ipv4Addr::from(u32::from(outer) + 1);
    let namespace = ns::open(pid, "net").map_err(at())?;
    // One of a bottle of this name that was killed: the kernel takes it away by itself, but a moment later.
    let _ = route.delete_link(&link);
    route.add_veth(&link, LINK, namespace.as_fd()).map_err(at())?;
    let done = (|| {
        route.set_alias(&link, &format!("{NOTE}{}", world.state.dir().display())).map_err(at())?;
        route.add_address(&link, outer, address::UPLINK_PREFIX).map_err(at())?;
        route.set_up(&link, true).map_err(at())?;
        let mut nft = Socket::netfilter().map_err(at())?;
        masquerade(&mut nft, &label, world.state.dir(), outer, &link)?;
        forward(true).map_err(at())?;
        Ok(nft)
    })();
    match done {
        Ok(nft) => {
            let told = ToInit::Uplink { link: LINK.to_owned(), address: inner, prefix: address::UPLINK_PREFIX, gateway: outer };
            Ok((Uplink::Veth { link, table: label, nft }, told))
        }
        Err(error) => {
            // The first error is the one to tell; what stays is found by `doctor`.
            let _ = route.delete_link(&link);
            let _ = forward(false);
            Err(error)
        }
    }
}

/// The machine's table. Before Linux 5.12 a table has no owner: then it is removed by [`Uplink::close`] only, or by `doctor`.
fn masquerade(nft: &mut Socket, table: &str, folder: &Path, source: Ipv4Addr, link: &str) -> Result<(), Error> {
    let note = format!("{NOTE}{}", folder.display());
    let add = |nft: &mut Socket, owned| nft.add_masquerade(table, Some(&note), owned, (source, address::UPLINK_PREFIX), link);
    let added = match add(nft, true) {
        Err(error) if error.errno == Errno::EEXIST => nft.delete_table((Family::Ip, table)).and_then(|()| add(nft, true)),
        Err(error) if matches!(error.errno, Errno::EINVAL | Errno::EOPNOTSUPP) => add(nft, false),
        other => other,
    };
    added.map_err(|error| Error::Refused {
        doing: "masquerade what leaves the bottle".to_owned(),
        errno: Some(error.errno as i32),
        why: error.to_string(),
        hint: Some("the kernel needs nftables with NAT: try `modprobe nft_masq nft_chain_nat`".to_owned()),
    })
}

/// A link's name has 15 characters, a bottle's up to 32: a digest of the label stands for it.
fn link_name(label: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(label.as_bytes());
    format!("{PREFIX}{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

fn free_network(route: &mut Socket, label: &str) -> Result<Ipv4Addr, Error> {
    let at = || Error::at("choose addresses for the way out");
    let links = route.links().map_err(at())?;
    let routes = route.routes().map_err(at())?;
    let taken: Vec<String> = links.into_iter().flat_map(|link| link.addresses).chain(routes.into_iter().map(|route| route.to)).collect();
    let seed = label.bytes().fold(0, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    address::free_uplink(&taken, seed).ok_or_else(|| Error::Unsupported {
        what: "the real internet",
        why: "the machine's own networks leave none of 10.213.0.0/16 free".to_owned(),
    })
}

/// Where it is noted that forwarding was off before the first bottle came: per network namespace, gone with the machine's reboot as the setting is.
fn noted() -> kernel::Result<PathBuf> {
    let (_, number) = look::identity(Path::new("/proc/self/ns/net"))?;
    Ok(PathBuf::from(format!("/run/bottleship/forwarding-was-off.{number}")))
}

/// Switches forwarding on, and off again after the last bottle if it was off.
fn forward(on: bool) -> kernel::Result<()> {
    let note = noted()?;
    if on {
        if fs::read(Path::new(FORWARDING))?.trim() == "0" {
            fs::create_dir_all(Path::new("/run/bottleship"), 0o755)?;
            fs::replace(&note, b"", 0o600)?;
            fs::write_once(Path::new(FORWARDING), "1")?;
        }
    } else if note.exists() && nobody_needs_it()? {
        fs::write_once(Path::new(FORWARDING), "0")?;
        fs::remove_file(&note)?;
    }
    Ok(())
}

/// Whether no living bottle has a link here. One of a dead bottle may be seen until the kernel has got to it.
fn nobody_needs_it() -> kernel::Result<bool> {
    Ok(!own_links()?.iter().any(|(_, folder)| lock::held(&folder.join("lock"))))
}

/// Our links on the machine, with the folders of their bottles.
///
/// # Errors
/// The kernel refused to list links.
pub fn own_links() -> kernel::Result<Vec<(String, PathBuf)>> {
    let links = Socket::route()?.links()?;
    Ok(links.into_iter().filter_map(|link| Some((link.name, PathBuf::from(link.alias.strip_prefix(NOTE)?)))).collect())
}

/// Whether forwarding is on only because of a bottle that is gone.
pub fn forwarding_is_left() -> bool {
    noted().is_ok_and(|note| note.exists()) && nobody_needs_it().unwrap_or(false)
}

/// Switches forwarding off again, where [`forwarding_is_left`].
///
/// # Errors
/// The setting cannot be written.
pub fn restore_forwarding() -> kernel::Result<()> {
    forward(false)
}

/// The nameservers that hosts are to ask.
pub fn nameservers(mode: Mode) -> Vec<Ipv4Addr> {
    if mode == Mode::Rootless {
        return vec![PROGRAMS_DNS];
    }
    // A resolver of the machine's own loopback cannot be reached from the bottle; systemd-resolved has those that it asks in the second file.
    let files = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
    let found = files.iter().map(|file| reachable(&fs::read(Path::new(file)).unwrap_or_default())).find(|found| !found.is_empty());
    found.unwrap_or_else(|| crate::net::zone::RESOLVERS.to_vec())
}

fn reachable(resolv_conf: &str) -> Vec<Ipv4Addr> {
    let address = |line: &str| line.strip_prefix("nameserver")?.trim().parse::<Ipv4Addr>().ok();
    resolv_conf.lines().filter_map(address).filter(|address| !address.is_loopback()).collect()
}

/// Starts the user's program, below a watcher that ends it when the keeper is gone: the program joins the bottle's user namespace, which
/// clears the kernel's own parent-death signal (prctl(2)).
fn by_program(pid: i32) -> Result<(Uplink, ToInit), Error> {
    let at = || Error::at("start the program that leads the bottle's network out");
    let argv = program(pid).ok_or(Error::Gone { name: "the program that leads the bottle's network out".to_owned() })?;
    let (theirs, alive) = exec::pipe().map_err(at())?;
    let watcher = process::clone3(CloneFlags::empty(), None, || {
        reaper::set_name("uplink");
        watch(&argv, &theirs)
    });
    let watcher = watcher.map_err(at())?;
    // No link: PID 1 waits for the one that the program makes.
    let told = ToInit::Uplink { link: String::new(), address: Ipv4Addr::UNSPECIFIED, prefix: 0, gateway: Ipv4Addr::UNSPECIFIED };
    Ok((Uplink::Program { watcher, alive }, told))
}

/// The life of the watcher. Its pipe's other end is in the keeper alone. Standard error stays: it is the keeper's log.
fn watch(argv: &[String], keeper: &OwnedFd) -> i32 {
    let errors = std::io::stderr();
    if exec::close_all_but(&[keeper.as_fd(), errors.as_fd()]).is_err() {
        return 1;
    }
    let child = process::clone3(CloneFlags::empty(), None, || {
        // Neither is ever refused. pasta ends itself when a signal is ignored at its start, as we ignore SIGPIPE.
        let _ = process::die_with_parent(Signal::SIGKILL);
        let _ = kernel::signals::unblock_all();
        let null = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").map(OwnedFd::from);
        if let (Ok(input), Ok(output), Ok(errors)) = (null(), null(), exec::duplicate(errors.as_fd()))
            && exec::place(vec![input, output, errors]).is_ok()
        {
            let environment = [("PATH".to_owned(), "/usr/sbin:/usr/bin:/sbin:/bin".to_owned())];
            // Its end is what the watcher sees.
            let _ = exec::exec(&argv[0], argv, &environment);
        }
        127
    });
    let Ok(child) = child else { return 1 };
    // Whichever has ended, or if neither can be waited for: the program ends with the watcher.
    let _ = poll::readable(&[keeper.as_fd(), child.fd.as_fd()], None);
    process::end(child.fd.as_fd());
    0
}

impl Uplink {
    /// Takes the machine's side away. That of the bottle goes with its PID 1.
    ///
    /// # Errors
    /// The kernel refused to remove the link or the table, or to restore the setting.
    pub fn close(self) -> kernel::Result<()> {
        match self {
            Uplink::Veth { link, table, mut nft } => {
                // The kernel may have removed it already, with the bottle's network namespace.
                let gone = |error: kernel::Error| if matches!(error.errno, Errno::ENODEV | Errno::ENOENT) { Ok(()) } else { Err(error) };
                Socket::route().and_then(|mut route| route.delete_link(&link)).or_else(gone)?;
                nft.delete_table((Family::Ip, &table)).or_else(gone)?;
                forward(false)
            }
            Uplink::Program { watcher, alive } => {
                drop(alive);
                process::wait(watcher.fd.as_fd()).map(drop)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_that_the_bottle_can_reach() {
        let text = "# made by hand\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\noptions edns0\n";
        assert_eq!(reachable(text), [Ipv4Addr::new(192, 0, 2, 1)]);
    }

    #[test]
    fn a_link_name_fits_whatever_the_bottle_is_called() {
        let name = link_name("bottleship-a-name-of-thirty-two-characters.01020304");
        assert!(name.len() <= 15 && name.starts_with(PREFIX), "{name}");
        assert_ne!(name, link_name("bottleship-main"));
    }
}
