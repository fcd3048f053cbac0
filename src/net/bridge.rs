//! A network of containers on one machine: a bridge with an address, a pair of virtual cables for each container, and a table of rules.
//!
//! ```text
//!  container  eth0 172.17.0.2 ══ veth ══ docker0 172.17.0.1 ── routed, masqueraded ── the host's other links
//!
//!  table ip bottleship-docker0
//!    forward      into the bridge comes only what was asked for from inside, or was sent to a published port
//!    postrouting  what leaves gets the host's address
//!    prerouting, output ── ports   what is for a published port of the host is for the container
//! ```
//! So two networks cannot reach each other, and a port that is not published cannot be reached from outside the host: `nft list ruleset` shows it.
//! Everything is asked of the kernel directly; no program is needed. What is there already is taken as it is, so that an engine that comes back finds its
//! network as it left it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::kernel::error::Errno;
use crate::kernel::netlink::Socket;
use crate::kernel::netlink::nft::rule::{Hook, Match, Protocol, Rule, Verdict};
use crate::kernel::{Result, fs, loopback};

/// The chain of the published ports.
const PORTS: &str = "ports";
/// Forwarding between links, without which a bridge is an island.
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// A bridge and its subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The link: `docker0`.
    pub link: String,
    /// The bridge's own address.
    pub gateway: Ipv4Addr,
    /// The length of the subnet's prefix.
    pub prefix: u8,
    /// Nothing leaves it.
    pub internal: bool,
}

/// A container's place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The end of the cable on the host.
    pub outer: String,
    /// The name of the link in the container: `eth0`.
    pub inner: String,
    /// The container's address.
    pub address: Ipv4Addr,
    /// The hardware address that was asked for.
    pub mac: Option<[u8; 6]>,
}

/// A port of the host that is a container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Whose it is: by this it is taken back.
    pub owner: String,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The host's address; `None` is every one of its addresses.
    pub address: Option<Ipv4Addr>,
    /// The host's port.
    pub port: u16,
    /// Where in the network it leads.
    pub target: SocketAddrV4,
}

fn unless(errno: Errno, done: Result<()>) -> Result<()> {
    match done {
        Err(error) if error.errno == errno => Ok(()),
        other => other,
    }
}

impl Bridge {
    /// The first address of the subnet: its own name.
    pub fn network(&self) -> Ipv4Addr {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        Ipv4Addr::from(u32::from(self.gateway) & mask)
    }

    /// Makes the bridge and its rules, unless they are there.
    ///
    /// # Errors
    /// The kernel refused: no rights over this network namespace, no bridges, no nftables.
    pub fn make(&self) -> Result<()> {
        let mut route = Socket::route()?;
        unless(Errno::EEXIST, route.add_bridge(&self.link))?;
        unless(Errno::EEXIST, route.add_address(&self.link, self.gateway, self.prefix))?;
        route.set_up(&self.link, true)?;
        let comment = format!("bottleship: containers on {}", self.link);
        let (chains, rules) = self.rules();
        unless(Errno::EEXIST, Socket::netfilter()?.add_table(&self.table(), Some(&comment), false, &chains, &rules))?;
        if self.internal {
            return Ok(());
        }
        if fs::read(Path::new(FORWARDING)).is_ok_and(|text| text.trim() == "0") {
            fs::write_once(Path::new(FORWARDING), "1")?;
        }
        Ok(())
    }

    /// Takes the bridge and its rules away.
    ///
    /// # Errors
    /// The kernel refused; what was not there is fine.
    pub fn remove(&self) -> Result<()> {
        let deleted = Socket::route()?.delete_link(&self.link);
        unless(Errno::ENOENT, Socket::netfilter()?.delete_table(&self.table()))?;
        unless(Errno::ENODEV, deleted)
    }

    /// What keeps this network apart, and what leads out of it and in.
    fn rules(&self) -> (Vec<(&'static str, Option<Hook>)>, Vec<Rule>) {
        let (from, to) = (Match::From(self.link.clone()), Match::To(self.link.clone()));
        let (not_from, not_to) = (Match::NotFrom(self.link.clone()), Match::NotTo(self.link.clone()));
        let rule = |chain, when: &[&Match], then| Rule { chain, when: when.iter().copied().cloned().collect(), then, comment: None };
        if self.internal {
            let rules = [(from, not_to), (not_from, to)].map(|(one, other)| rule("forward", &[&one, &other], Verdict::Drop));
            return (vec![("forward", Some(Hook::Forward))], rules.to_vec());
        }
        let mut chains = vec![(PORTS, None)];
        chains.extend([
            ("prerouting", Some(Hook::Prerouting)),
            ("output", Some(Hook::Output)),
            ("postrouting", Some(Hook::Postrouting)),
            ("forward", Some(Hook::Forward)),
        ]);
        let source = Match::Source(self.network(), self.prefix);
        // What the host sends to its own 127.0.0.1 cannot leave it: that is the proxy's (see the engine).
        let routable = Match::NotDestination(Ipv4Addr::new(127, 0, 0, 0), 8);
        let rules = vec![
            rule("prerouting", &[&Match::ToThisHost], Verdict::Jump(PORTS)),
            rule("output", &[&routable, &Match::ToThisHost], Verdict::Jump(PORTS)),
            rule("postrouting", &[&source, &not_to], Verdict::Masquerade),
            rule("forward", &[&to, &Match::Established], Verdict::Accept),
            rule("forward", &[&to, &Match::Translated], Verdict::Accept),
            rule("forward", &[&not_from, &to], Verdict::Drop),
        ];
        (chains, rules)
    }

    /// Leads a port of the host to a container, for whoever does not sit on the same bridge.
    ///
    /// # Errors
    /// The kernel refused: the bridge has no table, or no NAT.
    pub fn publish(&self, published: &Published) -> Result<()> {
        let mut when = vec![Match::NotFrom(self.link.clone())];
        when.extend(published.address.map(|address| Match::Destination(address, 32)));
        when.push(Match::Port(published.protocol, published.port));
        let then = Verdict::Translate(published.target);
        Socket::netfilter()?.add_rule(&self.table(), &Rule { chain: PORTS, when, then, comment: Some(published.owner.clone()) })
    }

    /// Takes back all ports whose owner `gone` says yes to.
    ///
    /// # Errors
    /// The kernel refused; without a table there is nothing to take back.
    pub fn unpublish(&self, gone: impl Fn(&str) -> bool) -> Result<()> {
        if self.internal {
            return Ok(());
        }
        unless(Errno::ENOENT, Socket::netfilter()?.delete_rules(&self.table(), PORTS, gone))
    }

    /// Takes a bridge of ours away that may have another address than this one; it is made again when it is needed. One of somebody else stays: ours are
    /// known by their rules.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn clear(&self) -> Result<()> {
        match Socket::netfilter()?.delete_table(&self.table()) {
            Ok(()) => unless(Errno::ENODEV, Socket::route()?.delete_link(&self.link)),
            other => unless(Errno::ENOENT, other),
        }
    }

    fn table(&self) -> String {
        format!("bottleship-{}", self.link)
    }

    /// Lays a cable from the bridge to the network namespace of a container.
    ///
    /// # Errors
    /// The kernel refused; nothing of the cable is left.
    pub fn plug(&self, port: &Port, namespace: BorrowedFd<'_>) -> Result<()> {
        let mut route = Socket::route()?;
        // One that a killed engine has left: its other end is gone with its container, or will be.
        unless(Errno::ENODEV, route.delete_link(&port.outer))?;
        // The far end has a name of its own until it is configured: the container may have an eth0.
        route.add_veth(&port.outer, &port.inner, namespace)?;
        let done = route.set_master(&port.outer, &self.link).and_then(|()| route.set_up(&port.outer, true));
        if done.is_err() {
            // The first error is the one to tell.
            let _ = route.delete_link(&port.outer);
        }
        done
    }

    /// Pulls a cable out. One that is gone with its container is as it should be.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn unplug(outer: &str) -> Result<()> {
        unless(Errno::ENODEV, Socket::route()?.delete_link(outer))
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

    /// Makes this network the way out of the network namespace of the calling thread, unless it has one or this network leads nowhere.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn lead_out(&self) -> Result<()> {
        if self.internal {
            return Ok(());
        }
        unless(Errno::EEXIST, Socket::route()?.add_route(Ipv4Addr::UNSPECIFIED, 0, self.gateway))
    }

    /// Configures the container's end. The calling thread must be in its network namespace. Gives the link's hardware address.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn configure(&self, port: &Port) -> Result<String> {
        loopback::up()?;
        let mut route = Socket::route()?;
        // As Docker does: who gets an address that another container had is found under it at once, since neighbours remember the pair.
        let [a, b, c, d] = port.address.octets();
        route.set_hardware(&port.inner, port.mac.unwrap_or([0x02, 0x42, a, b, c, d]))?;
        route.add_address(&port.inner, port.address, self.prefix)?;
        route.set_up(&port.inner, true)?;
        self.lead_out()?;
        let links = route.links()?;
        Ok(links.into_iter().find(|link| link.name == port.inner).map_or_else(String::new, |link| link.mac))
    }
}

/// The lowest address of a subnet that is not among `taken`.
pub fn free_address(network: Ipv4Addr, prefix: u8, taken: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    let size = 1u64.checked_shl(32 - u32::from(prefix.min(32)))?;
    // The first is the network's name, the last its broadcast address.
    (1..size.saturating_sub(1))
        .map(|step| Ipv4Addr::from(u32::from(network).wrapping_add(step as u32)))
        .find(|address| !taken.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_in_order_and_run_out() {
        let network = Ipv4Addr::new(10, 0, 0, 0);
        let gateway = Ipv4Addr::new(10, 0, 0, 1);
        let mut taken = vec![gateway];
        for last in 2..=6 {
            let address = free_address(network, 29, &taken).unwrap();
            assert_eq!(address, Ipv4Addr::new(10, 0, 0, last));
            taken.push(address);
        }
        assert_eq!(free_address(network, 29, &taken), None);
        assert_eq!(free_address(network, 32, &[]), None);
        assert_eq!(free_address(Ipv4Addr::new(0, 0, 0, 0), 0, &[]), Some(Ipv4Addr::new(0, 0, 0, 1)));
    }

    #[test]
    fn the_network_of_a_gateway() {
        let bridge = Bridge { link: "docker0".into(), gateway: Ipv4Addr::new(172, 17, 0, 1), prefix: 16, internal: false };
        assert_eq!(bridge.network(), Ipv4Addr::new(172, 17, 0, 0));
    }
}
