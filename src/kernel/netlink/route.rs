//! Links, addresses and routes: what `ip link`, `ip address` and `ip route` do (rtnetlink(7)).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{Message, attributes, find};
use super::socket::Socket;
use crate::kernel::error::{Errno, Error, Result};

const ACK: u16 = libc::NLM_F_ACK as u16;
const CREATE: u16 = ACK | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;
/// `IFLA_LINKINFO` holds the kind of a link and the data that belong to the kind.
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name: `eth0`, `lo`.
    pub name: String,
    /// `veth`, `bridge`, ...; empty for a device without a kind, such as `lo`.
    pub kind: String,
    /// Whether it is switched on (IFF_UP).
    pub up: bool,
    /// The hardware address.
    pub mac: Vec<u8>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// The bridge it belongs to, by index; 0 is none.
    pub master: u32,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface, by index.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// How many of its bits name the network.
    pub prefix: u8,
}

/// A way to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; `None` is everywhere (the default route).
    pub destination: Option<(IpAddr, u8)>,
    /// The next router, where there is one.
    pub gateway: Option<IpAddr>,
    /// The interface, by index.
    pub index: u32,
}

impl Socket {
    /// Makes a bridge, a switch in software.
    ///
    /// # Errors
    /// EEXIST when the name is taken, EPERM without CAP_NET_ADMIN.
    pub fn create_bridge(&mut self, name: &str) -> Result<()> {
        let message = Message::new(libc::RTM_NEWLINK, CREATE)
            .fixed(&link_head(0, 0, 0))
            .text(libc::IFLA_IFNAME, name)
            .nested(libc::IFLA_LINKINFO, |info| info.text(INFO_KIND, "bridge"));
        self.request(message, format_args!("RTM_NEWLINK bridge {name}"))
    }

    /// Makes a veth pair, a cable with two ends: `name` here and `peer` in `peer_namespace` (here, when `None`).
    ///
    /// # Errors
    /// As [`Socket::create_bridge`].
    pub fn create_veth(&mut self, name: &str, peer: &str, peer_namespace: Option<BorrowedFd<'_>>) -> Result<()> {
        let message = Message::new(libc::RTM_NEWLINK, CREATE).fixed(&link_head(0, 0, 0)).text(libc::IFLA_IFNAME, name).nested(
            libc::IFLA_LINKINFO,
            |info| {
                info.text(INFO_KIND, "veth").nested(INFO_DATA, |data| {
                    data.nested(VETH_INFO_PEER, |end| {
                        let end = end.fixed(&link_head(0, 0, 0)).text(libc::IFLA_IFNAME, peer);
                        match peer_namespace {
                            Some(namespace) => end.number(libc::IFLA_NET_NS_FD, namespace.as_raw_fd() as u32),
                            None => end,
                        }
                    })
                })
            },
        );
        self.request(message, format_args!("RTM_NEWLINK veth {name} <-> {peer}"))
    }

    /// Removes a link; a veth's other end goes with it.
    ///
    /// # Errors
    /// ENODEV when there is none.
    pub fn delete_link(&mut self, index: u32) -> Result<()> {
        self.request(Message::new(libc::RTM_DELLINK, ACK).fixed(&link_head(index, 0, 0)), format_args!("RTM_DELLINK {index}"))
    }

    /// Switches a link on or off.
    ///
    /// # Errors
    /// ENODEV when there is none.
    pub fn set_up(&mut self, index: u32, up: bool) -> Result<()> {
        let on = libc::IFF_UP as u32;
        let message = Message::new(libc::RTM_NEWLINK, ACK).fixed(&link_head(index, if up { on } else { 0 }, on));
        self.request(message, format_args!("RTM_NEWLINK {index} {}", if up { "up" } else { "down" }))
    }

    /// Plugs a link into a bridge; 0 takes it out.
    ///
    /// # Errors
    /// ENODEV when one of the two is missing, EBUSY when it is in another bridge.
    pub fn set_master(&mut self, index: u32, bridge: u32) -> Result<()> {
        let message = Message::new(libc::RTM_NEWLINK, ACK).fixed(&link_head(index, 0, 0)).number(libc::IFLA_MASTER, bridge);
        self.request(message, format_args!("RTM_NEWLINK {index} master {bridge}"))
    }

    /// Gives a link another name. It must be switched off.
    ///
    /// # Errors
    /// EBUSY when it is up, EEXIST when the name is taken.
    pub fn rename(&mut self, index: u32, name: &str) -> Result<()> {
        let message = Message::new(libc::RTM_NEWLINK, ACK).fixed(&link_head(index, 0, 0)).text(libc::IFLA_IFNAME, name);
        self.request(message, format_args!("RTM_NEWLINK {index} name {name}"))
    }

    /// Moves a link into another network namespace, where it is off and has no addresses.
    ///
    /// # Errors
    /// EINVAL for links that may not move, such as `lo`.
    pub fn move_link(&mut self, index: u32, namespace: BorrowedFd<'_>) -> Result<()> {
        let message =
            Message::new(libc::RTM_NEWLINK, ACK).fixed(&link_head(index, 0, 0)).number(libc::IFLA_NET_NS_FD, namespace.as_raw_fd() as u32);
        self.request(message, format_args!("RTM_NEWLINK {index} netns fd {}", namespace.as_raw_fd()))
    }

    /// All links of the namespace.
    ///
    /// # Errors
    /// The kernel refused the listing.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let message = Message::new(libc::RTM_GETLINK, DUMP).fixed(&link_head(0, 0, 0));
        Ok(self.dump(message, format_args!("RTM_GETLINK"))?.iter().filter_map(|(_, body)| read_link(body)).collect())
    }

    /// The number of the link called `name`.
    ///
    /// # Errors
    /// ENODEV when there is none.
    pub fn index_of(&mut self, name: &str) -> Result<u32> {
        let links = self.links()?;
        links.iter().find(|link| link.name == name).map(|link| link.index).ok_or_else(|| Error::new("find link", name, Errno::ENODEV))
    }

    /// Gives a link an address.
    ///
    /// # Errors
    /// EEXIST when it has it already.
    pub fn add_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<()> {
        let bytes = octets(address);
        let message = Message::new(libc::RTM_NEWADDR, CREATE)
            .fixed(&address_head(address, prefix, index))
            .attribute(libc::IFA_LOCAL, &bytes)
            .attribute(libc::IFA_ADDRESS, &bytes);
        self.request(message, format_args!("RTM_NEWADDR {address}/{prefix} on {index}"))
    }

    /// All addresses of the namespace.
    ///
    /// # Errors
    /// The kernel refused the listing.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        let message = Message::new(libc::RTM_GETADDR, DUMP).fixed(&[0; 8]);
        Ok(self.dump(message, format_args!("RTM_GETADDR"))?.iter().filter_map(|(_, body)| read_address(body)).collect())
    }

    /// Adds a route of the main table.
    ///
    /// # Errors
    /// ENETUNREACH when the gateway is on no network of ours, EEXIST when the route is there.
    pub fn add_route(&mut self, route: &Route) -> Result<()> {
        let sample = route.destination.map(|(network, _)| network).or(route.gateway).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let mut message = Message::new(libc::RTM_NEWROUTE, CREATE).fixed(&route_head(sample, route));
        if let Some((network, _)) = route.destination {
            message = message.attribute(libc::RTA_DST, &octets(network));
        }
        if let Some(gateway) = route.gateway {
            message = message.attribute(libc::RTA_GATEWAY, &octets(gateway));
        }
        if route.index != 0 {
            message = message.number(libc::RTA_OIF, route.index);
        }
        self.request(message, format_args!("RTM_NEWROUTE {route}"))
    }

    /// All routes of the main table, IPv4 and IPv6.
    ///
    /// # Errors
    /// The kernel refused the listing.
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        let message = Message::new(libc::RTM_GETROUTE, DUMP).fixed(&[0; 12]);
        Ok(self.dump(message, format_args!("RTM_GETROUTE"))?.iter().filter_map(|(_, body)| read_route(body)).collect())
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.destination {
            Some((network, prefix)) => write!(f, "{network}/{prefix}")?,
            None => f.write_str("default")?,
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if self.index == 0 { Ok(()) } else { write!(f, " dev {}", self.index) }
    }
}

/// `struct ifinfomsg`.
fn link_head(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut head = [0; 16];
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..12].copy_from_slice(&flags.to_ne_bytes());
    head[12..16].copy_from_slice(&change.to_ne_bytes());
    head
}

/// `struct ifaddrmsg`.
fn address_head(address: IpAddr, prefix: u8, index: u32) -> [u8; 8] {
    let mut head = [0; 8];
    head[0] = family(address);
    head[1] = prefix;
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head
}

/// `struct rtmsg`: a unicast route of the main table, as an administrator makes it.
fn route_head(sample: IpAddr, route: &Route) -> [u8; 12] {
    let mut head = [0; 12];
    head[0] = family(sample);
    head[1] = route.destination.map_or(0, |(_, prefix)| prefix);
    head[4] = libc::RT_TABLE_MAIN;
    head[5] = libc::RTPROT_BOOT;
    head[6] = if route.gateway.is_some() { libc::RT_SCOPE_UNIVERSE } else { libc::RT_SCOPE_LINK };
    head[7] = libc::RTN_UNICAST;
    head
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { libc::AF_INET as u8 } else { libc::AF_INET6 as u8 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn read_link(body: &[u8]) -> Option<Link> {
    let parts = attributes(body.get(16..)?);
    let info = find(&parts, libc::IFLA_LINKINFO).map(attributes).unwrap_or_default();
    Some(Link {
        index: word(body, 4)?,
        name: text(find(&parts, libc::IFLA_IFNAME)?),
        kind: find(&info, INFO_KIND).map(text).unwrap_or_default(),
        up: word(body, 8)? & libc::IFF_UP as u32 != 0,
        mac: find(&parts, libc::IFLA_ADDRESS).unwrap_or_default().to_vec(),
        mtu: find(&parts, libc::IFLA_MTU).and_then(|value| word(value, 0)).unwrap_or(0),
        master: find(&parts, libc::IFLA_MASTER).and_then(|value| word(value, 0)).unwrap_or(0),
    })
}

fn read_address(body: &[u8]) -> Option<Address> {
    let parts = attributes(body.get(8..)?);
    // On a link with a far end, IFA_ADDRESS is the far end and IFA_LOCAL is ours.
    let value = find(&parts, libc::IFA_LOCAL).or_else(|| find(&parts, libc::IFA_ADDRESS))?;
    Some(Address { index: word(body, 4)?, address: address(value)?, prefix: *body.get(1)? })
}

fn read_route(body: &[u8]) -> Option<Route> {
    let parts = attributes(body.get(12..)?);
    if *body.get(4)? != libc::RT_TABLE_MAIN {
        return None;
    }
    let prefix = *body.get(1)?;
    Some(Route {
        destination: find(&parts, libc::RTA_DST).and_then(address).map(|network| (network, prefix)),
        gateway: find(&parts, libc::RTA_GATEWAY).and_then(address),
        index: find(&parts, libc::RTA_OIF).and_then(|value| word(value, 0)).unwrap_or(0),
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        16 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use nix::sched::CloneFlags;

    use super::*;
    use crate::kernel::{ns, process};

    /// Runs `check` in a child with a network namespace of its own (and a user namespace, so that no root is needed).
    fn in_new_network(check: impl FnOnce() -> Result<()>) {
        let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
        let child = process::clone3(flags, None, || match check() {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("{error}");
                1
            }
        });
        let child = child.expect("user and network namespaces");
        assert_eq!(process::wait(child.fd.as_fd()).unwrap(), process::Exit::Code(0));
    }

    #[test]
    fn a_bridge_with_a_cable_to_another_namespace() {
        in_new_network(|| {
            let here = ns::open(0, "net")?;
            ns::unshare(CloneFlags::CLONE_NEWNET)?;
            let mut there = Socket::route()?;
            let there_namespace = ns::open(0, "net")?;
            ns::enter(here.as_fd(), CloneFlags::CLONE_NEWNET)?;
            let mut socket = Socket::route()?;
            socket.create_bridge("br0")?;
            socket.create_veth("v0", "eth0", Some(there_namespace.as_fd()))?;
            let (bridge, port) = (socket.index_of("br0")?, socket.index_of("v0")?);
            socket.set_master(port, bridge)?;
            socket.set_up(bridge, true)?;
            socket.add_address(bridge, "10.9.0.1".parse().unwrap(), 24)?;
            let far = there.index_of("eth0")?;
            there.add_address(far, "10.9.0.2".parse().unwrap(), 24)?;
            there.set_up(far, true)?;
            there.add_route(&Route { destination: None, gateway: Some("10.9.0.1".parse().unwrap()), index: far })?;
            let link = socket.links()?.into_iter().find(|link| link.name == "v0").unwrap();
            assert_eq!((link.kind.as_str(), link.master), ("veth", bridge));
            assert!(there.routes()?.iter().any(|route| route.destination.is_none() && route.gateway == Some("10.9.0.1".parse().unwrap())));
            assert!(there.addresses()?.iter().any(|found| found.address.to_string() == "10.9.0.2" && found.prefix == 24));
            let refused = socket.create_bridge("br0").unwrap_err();
            assert_eq!(refused.to_string(), "sendmsg `RTM_NEWLINK bridge br0`: EEXIST (File exists)");
            socket.delete_link(port)?;
            assert_eq!(there.index_of("eth0").unwrap_err().errno, Errno::ENODEV);
            Ok(())
        });
    }
}
