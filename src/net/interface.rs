//! The link of a container, as it is set up in the container's own network namespace: its addresses, and the way out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::subnet::Placed;
use crate::kernel::error::Errno;
use crate::kernel::netlink::Socket;
use crate::kernel::{Result, loopback};

/// A link that is there and is to be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `eth0`.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<Placed>,
    /// The hardware address that it is to have; without one it keeps what it has.
    pub mac: Option<[u8; 6]>,
}

/// How packets leave that are for nobody near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By this neighbour.
    By(IpAddr),
    /// By the link itself: somebody behind it knows.
    Straight {
        /// Those of IPv6, or those of IPv4.
        ipv6: bool,
    },
}

/// Whether the kernel speaks IPv6 at all: one that was started with `ipv6.disable=1` does not.
pub fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6/conf").exists()
}

/// Takes what is there already for done.
pub(super) fn unless(errno: Errno, done: Result<()>) -> Result<()> {
    match done {
        Err(error) if error.errno == errno => Ok(()),
        other => other,
    }
}

/// As Docker does: who gets an address that another container had is found under it at once, since neighbours remember the pair.
pub fn usual_hardware(addresses: &[Placed]) -> Option<[u8; 6]> {
    let four = addresses.iter().find_map(|one| if let IpAddr::V4(four) = one.address { Some(four.octets()) } else { None });
    four.map(|[a, b, c, d]| [0x02, 0x42, a, b, c, d])
}

impl Interface {
    /// Sets it up, and leads out by `ways`. The calling thread must be in the network namespace. Gives the link's hardware address.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn configure(&self, ways: &[Way]) -> Result<String> {
        loopback::up()?;
        let mut route = Socket::route()?;
        if let Some(mac) = self.mac {
            route.set_hardware(&self.name, mac)?;
        }
        for one in &self.addresses {
            let added = route.add_address(&self.name, one.address, one.prefix);
            // EACCES: the container was made with IPv6 switched off (`--sysctl net.ipv6.conf.all.disable_ipv6=1`).
            if one.address.is_ipv6() { unless(Errno::EACCES, added)? } else { added? }
        }
        route.set_up(&self.name, true)?;
        lead_out(&self.name, ways)?;
        let links = route.links()?;
        Ok(links.into_iter().find(|link| link.name == self.name).map_or_else(String::new, |link| link.mac))
    }
}

/// Makes these the ways out of the network namespace of the calling thread, by its link `name`, where it has none.
///
/// # Errors
/// The kernel refused.
pub fn lead_out(name: &str, ways: &[Way]) -> Result<()> {
    let mut route = Socket::route()?;
    for way in ways {
        let ipv6 = matches!(way, Way::By(IpAddr::V6(_)) | Way::Straight { ipv6: true });
        let everywhere: IpAddr = if ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let added = match way {
            Way::By(gateway) => route.add_route(everywhere, 0, *gateway),
            Way::Straight { .. } => route.add_link_route(everywhere, 0, name),
        };
        let added = unless(Errno::EEXIST, added);
        // As in `configure`: where IPv6 is switched off nothing of it is near.
        if ipv6 { unless(Errno::EHOSTUNREACH, unless(Errno::EACCES, added))? } else { added? }
    }
    Ok(())
}

/// The link of the network namespace of the calling thread that has one of these addresses.
///
/// # Errors
/// The kernel refused.
pub fn holding(addresses: &[Placed]) -> Result<Option<String>> {
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let links = Socket::route()?.links()?;
    Ok(links.into_iter().find(|link| link.addresses.iter().any(|one| shown.contains(one))).map(|link| link.name))
}

/// Takes away the link of the network namespace of the calling thread that has one of these addresses, if there is one.
///
/// # Errors
/// The kernel refused.
pub fn remove(addresses: &[Placed]) -> Result<()> {
    match holding(addresses)? {
        Some(name) => unless(Errno::ENODEV, Socket::route()?.delete_link(&name)),
        None => Ok(()),
    }
}

/// The first of `eth0`, `eth1` and so on that is free in the network namespace of the calling thread.
///
/// # Errors
/// The kernel refused.
pub fn free_name() -> Result<String> {
    let links = Socket::route()?.links()?;
    let free = (0..).map(|number| format!("eth{number}")).find(|name| links.iter().all(|link| link.name != *name));
    Ok(free.unwrap_or_default())
}
