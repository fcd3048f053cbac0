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
//! Where containers of one bridge are not to reach each other, what goes from one to another is dropped too, but for what `links` lets through; frames inside
//! a bridge are seen by the rules because of br_netfilter, which such a bridge needs.
//!
//! A bridge with IPv6 has a second table of the same name and the same chains, `table ip6`: a container's address of IPv6 is as private as its other one.
//! So two networks cannot reach each other, and a port that is not published cannot be reached from outside the host: `nft list ruleset` shows it.
//! Everything is asked of the kernel directly; no program is needed. What is there already is taken as it is, so that an engine that comes back finds its
//! network as it left it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::interface::{unless, usual_hardware};
use super::subnet::Placed;
use crate::kernel::error::Errno;
use crate::kernel::netlink::Socket;
use crate::kernel::netlink::nft::Family;
use crate::kernel::netlink::nft::rule::{Hook, Match, Protocol, Rule, Verdict};
use crate::kernel::{Result, fs};

/// The chain of the published ports.
const PORTS: &str = "ports";
/// The chain of what containers of a bridge may send to each other all the same.
const LINKS: &str = "links";

/// A bridge and its subnets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The link: `docker0`.
    pub link: String,
    /// The bridge's own addresses: one of IPv4, and where it was asked for one of IPv6.
    pub gateways: Vec<Placed>,
    /// Nothing leaves it.
    pub internal: bool,
    /// Its containers do not reach each other.
    pub apart: bool,
}

/// What one container may send to another although their bridge keeps them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Who begins.
    pub from: IpAddr,
    /// Whom he may reach.
    pub to: SocketAddr,
    /// By TCP or UDP.
    pub protocol: Protocol,
}

/// A port of the host that is a container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Whose it is: by this it is taken back.
    pub owner: String,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The host's address; `None` is every one of its addresses of the target's family.
    pub address: Option<IpAddr>,
    /// The host's port.
    pub port: u16,
    /// Where in the network it leads.
    pub target: SocketAddr,
}

fn family(address: IpAddr) -> Family {
    if address.is_ipv6() { Family::Ip6 } else { Family::Ip }
}

/// Forwarding between links, without which a bridge is an island.
fn forwarding(family: Family) -> &'static Path {
    Path::new(match family {
        Family::Ip => "/proc/sys/net/ipv4/ip_forward",
        Family::Ip6 => "/proc/sys/net/ipv6/conf/all/forwarding",
    })
}

/// Whether the rules of a family see what goes from one port of a bridge to another (br_netfilter).
fn inside_bridges(family: Family) -> &'static Path {
    Path::new(match family {
        Family::Ip => "/proc/sys/net/bridge/bridge-nf-call-iptables",
        Family::Ip6 => "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
    })
}

fn switch(path: &Path, on: &str) -> Result<()> {
    if fs::read(path)?.trim() == on { Ok(()) } else { fs::write_once(path, on) }
}

impl Bridge {
    /// Makes the bridge and its rules, unless they are there.
    ///
    /// # Errors
    /// The kernel refused: no rights over this network namespace, no bridges, no nftables, no IPv6.
    pub fn make(&self) -> Result<()> {
        let mut route = Socket::route()?;
        unless(Errno::EEXIST, route.add_bridge(&self.link))?;
        // Else it takes the lowest of its ports', so another with each container that comes or goes, and neighbours look for the old one for a while.
        if let Some(mac) = self.hardware() {
            route.set_hardware(&self.link, mac)?;
        }
        for gateway in &self.gateways {
            if gateway.address.is_ipv6() {
                // A host whose links have no addresses of IPv6 by default may have this one that does.
                switch(&Path::new("/proc/sys/net/ipv6/conf").join(&self.link).join("disable_ipv6"), "0")?;
            }
            unless(Errno::EEXIST, route.add_address(&self.link, gateway.address, gateway.prefix))?;
        }
        route.set_up(&self.link, true)?;
        let comment = self.comment();
        for gateway in &self.gateways {
            let family = family(gateway.address);
            let (chains, rules) = self.rules(gateway);
            unless(Errno::EEXIST, Socket::netfilter()?.add_table((family, &self.table()), Some(&comment), false, &chains, &rules))?;
            if !self.internal {
                switch(forwarding(family), "1")?;
            }
            if self.apart {
                switch(inside_bridges(family), "1")?;
            }
        }
        Ok(())
    }

    /// Its own hardware address, by its own first address.
    fn hardware(&self) -> Option<[u8; 6]> {
        usual_hardware(&self.gateways).or_else(|| {
            let IpAddr::V6(six) = self.gateways.first()?.address else { return None };
            let [.., a, b, c, d] = six.octets();
            Some([0x02, 0x42, a, b, c, d])
        })
    }

    /// Takes the bridge and its rules away.
    ///
    /// # Errors
    /// The kernel refused; what was not there is fine.
    pub fn remove(&self) -> Result<()> {
        let deleted = Socket::route()?.delete_link(&self.link);
        for family in self.families() {
            unless(Errno::ENOENT, Socket::netfilter()?.delete_table((family, &self.table())))?;
        }
        unless(Errno::ENODEV, deleted)
    }

    /// What keeps this network apart, and what leads out of it and in.
    fn rules(&self, gateway: &Placed) -> (Vec<(&'static str, Option<Hook>)>, Vec<Rule>) {
        let (from, to) = (Match::From(self.link.clone()), Match::To(self.link.clone()));
        let (not_from, not_to) = (Match::NotFrom(self.link.clone()), Match::NotTo(self.link.clone()));
        let rule = |chain, when: &[&Match], then| Rule { chain, when: when.iter().copied().cloned().collect(), then, comment: None };
        let (mut chains, mut between) = (vec![("forward", Some(Hook::Forward))], Vec::new());
        if self.apart {
            chains.insert(0, (LINKS, None));
            between.push(rule("forward", &[&from, &to, &Match::Established], Verdict::Accept));
            between.push(rule("forward", &[&from, &to], Verdict::Jump(LINKS)));
            between.push(rule("forward", &[&from, &to], Verdict::Drop));
        }
        if self.internal {
            between.push(rule("forward", &[&from, &not_to], Verdict::Drop));
            between.push(rule("forward", &[&not_from, &to], Verdict::Drop));
            return (chains, between);
        }
        chains.insert(0, (PORTS, None));
        chains.extend([("prerouting", Some(Hook::Prerouting)), ("output", Some(Hook::Output)), ("postrouting", Some(Hook::Postrouting))]);
        let source = Match::Source(gateway.subnet().map_or(gateway.address, |subnet| subnet.start()), gateway.prefix);
        // What the host sends to its own 127.0.0.1 cannot leave it: that is the proxy's (see the engine).
        let routable = match gateway.address {
            IpAddr::V4(_) => Match::NotDestination(Ipv4Addr::new(127, 0, 0, 0).into(), 8),
            IpAddr::V6(_) => Match::NotDestination(Ipv6Addr::LOCALHOST.into(), 128),
        };
        let mut rules = between;
        rules.extend([
            rule("prerouting", &[&Match::ToThisHost], Verdict::Jump(PORTS)),
            rule("output", &[&routable, &Match::ToThisHost], Verdict::Jump(PORTS)),
            rule("postrouting", &[&source, &not_to], Verdict::Masquerade),
            rule("forward", &[&to, &Match::Established], Verdict::Accept),
            rule("forward", &[&to, &Match::Translated], Verdict::Accept),
            rule("forward", &[&not_from, &to], Verdict::Drop),
        ]);
        (chains, rules)
    }

    /// Leads a port of the host to a container, for whoever does not sit on the same bridge.
    ///
    /// # Errors
    /// The kernel refused: the bridge has no table, or no NAT.
    pub fn publish(&self, published: &Published) -> Result<()> {
        let mut when = vec![Match::NotFrom(self.link.clone())];
        when.extend(published.address.map(|address| Match::Destination(address, if address.is_ipv6() { 128 } else { 32 })));
        when.push(Match::Port(published.protocol, published.port));
        let then = Verdict::Translate(published.target);
        let table = (family(published.target.ip()), self.table());
        Socket::netfilter()?.add_rule((table.0, &table.1), &Rule { chain: PORTS, when, then, comment: Some(published.owner.clone()) })
    }

    /// Lets this through between containers that are kept apart, and nothing else.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn allow(&self, all: &[Allowed]) -> Result<()> {
        for family in self.families() {
            unless(Errno::ENOENT, Socket::netfilter()?.delete_rules((family, &self.table()), LINKS, |_| true))?;
            for one in all.iter().filter(|one| self::family(one.from) == family && self::family(one.to.ip()) == family) {
                let whole = if one.from.is_ipv6() { 128 } else { 32 };
                let (from, to) = (Match::Source(one.from, whole), Match::Destination(one.to.ip(), whole));
                let when = vec![from, to, Match::Port(one.protocol, one.to.port())];
                let rule = Rule { chain: LINKS, when, then: Verdict::Accept, comment: Some("link".to_owned()) };
                Socket::netfilter()?.add_rule((family, &self.table()), &rule)?;
            }
        }
        Ok(())
    }

    /// Takes back all ports whose owner `gone` says yes to.
    ///
    /// # Errors
    /// The kernel refused; without a table there is nothing to take back.
    pub fn unpublish(&self, gone: impl Fn(&str) -> bool) -> Result<()> {
        if self.internal {
            return Ok(());
        }
        let mut families = self.families().into_iter();
        families.try_for_each(|family| unless(Errno::ENOENT, Socket::netfilter()?.delete_rules((family, &self.table()), PORTS, &gone)))
    }

    /// Takes a bridge of ours away that may have another address than this one, or other rules; it is made again when it is needed. One of somebody else
    /// stays: ours are known by their rules.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn clear(&self) -> Result<()> {
        // One that had addresses of IPv6 may have none now.
        let six = Socket::netfilter()?.delete_table((Family::Ip6, &self.table()));
        match Socket::netfilter()?.delete_table((Family::Ip, &self.table())) {
            Ok(()) => unless(Errno::ENODEV, Socket::route()?.delete_link(&self.link))?,
            other => unless(Errno::ENOENT, other)?,
        }
        unless(Errno::ENOENT, unless(Errno::EOPNOTSUPP, six))
    }

    /// Whether there is a bridge of ours of this name that was made otherwise.
    ///
    /// # Errors
    /// The kernel has no nftables, or we no rights.
    pub fn is_other(&self) -> Result<bool> {
        let (table, comment) = (self.table(), self.comment());
        Ok(Socket::netfilter()?.tables()?.iter().any(|(name, noted)| *name == table && *noted != comment))
    }

    /// What is noted on its table: what it is, and what it was told besides its addresses.
    fn comment(&self) -> String {
        let six = if self.families().contains(&Family::Ip6) { ", with IPv6" } else { "" };
        let apart = if self.apart { ", kept apart" } else { "" };
        format!("bottleship: containers on {}{six}{apart}", self.link)
    }

    fn families(&self) -> Vec<Family> {
        self.gateways.iter().map(|gateway| family(gateway.address)).collect()
    }

    fn table(&self) -> String {
        format!("bottleship-{}", self.link)
    }

    /// Lays a cable from the bridge (its end `outer`) to the network namespace of a container (its end `inner`).
    ///
    /// # Errors
    /// The kernel refused; nothing of the cable is left.
    pub fn plug(&self, outer: &str, inner: &str, namespace: BorrowedFd<'_>) -> Result<()> {
        let mut route = Socket::route()?;
        // One that a killed engine has left: its other end is gone with its container, or will be.
        unless(Errno::ENODEV, route.delete_link(outer))?;
        // The far end has a name of its own until it is configured: the container may have an eth0.
        route.add_veth(outer, inner, namespace)?;
        let done = route.set_master(outer, &self.link).and_then(|()| route.set_up(outer, true));
        if done.is_err() {
            // The first error is the one to tell.
            let _ = route.delete_link(outer);
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
}
