//! Links, addresses and routes: what `ip link`, `ip address` and `ip route` do (rtnetlink(7)).

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::super::error::{Errno, Result};
use super::super::xray;
use super::{Request, Socket, attributes, look};

/// `VETH_INFO_PEER` of linux/veth.h.
const VETH_PEER: u16 = 1;
/// `IFLA_MACVLAN_MODE`, `IFLA_IPVLAN_MODE`, `IFLA_IPVLAN_FLAGS` and `IFLA_VLAN_ID` of linux/if_link.h.
const MACVLAN_MODE: u16 = 1;
const IPVLAN_MODE: u16 = 1;
const IPVLAN_FLAGS: u16 = 2;
const VLAN_ID: u16 = 1;
const CREATE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// A link that is a part of another one, and what its packets may do (ip-link(8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// With a hardware address of its own; the number is a `MACVLAN_MODE_*`: 1 private, 2 vepa, 4 bridge, 8 passthru.
    Macvlan(u32),
    /// With the hardware address of the other one: an `IPVLAN_MODE_*` (0 l2, 1 l3, 2 l3s) and flags (1 private, 2 vepa).
    Ipvlan(u16, u16),
}

impl Branch {
    /// What the kernel calls it.
    pub fn kind(self) -> &'static str {
        if matches!(self, Branch::Macvlan(_)) { "macvlan" } else { "ipvlan" }
    }
}

/// `struct ifinfomsg`: family, pad, type, index, flags, change.
fn link_part(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut part = vec![0; 4];
    part.extend_from_slice(&index.to_ne_bytes());
    part.extend_from_slice(&flags.to_ne_bytes());
    part.extend_from_slice(&change.to_ne_bytes());
    part
}

impl Socket {
    /// Adds a bridge: a switch inside the kernel.
    ///
    /// # Errors
    /// EEXIST when the name is taken, EPERM without CAP_NET_ADMIN over the network namespace.
    pub fn add_bridge(&mut self, name: &str) -> Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_part(0, 0, 0))
            .text(libc::IFLA_IFNAME, name)
            .nested(libc::IFLA_LINKINFO, |info| info.text(libc::IFLA_INFO_KIND, "bridge"));
        self.done("link add", name, format_args!("{name} type bridge"), request)
    }

    /// Adds a pair of virtual Ethernet devices: `name` here, `peer` in the network namespace behind `namespace`.
    ///
    /// # Errors
    /// As [`Socket::add_bridge`].
    pub fn add_veth(&mut self, name: &str, peer: &str, namespace: BorrowedFd<'_>) -> Result<()> {
        let target = namespace.as_raw_fd() as u32;
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_part(0, 0, 0)).text(libc::IFLA_IFNAME, name).nested(
            libc::IFLA_LINKINFO,
            |info| {
                info.text(libc::IFLA_INFO_KIND, "veth").nested(libc::IFLA_INFO_DATA, |data| {
                    data.nested(VETH_PEER, |other| {
                        other.raw(&link_part(0, 0, 0)).text(libc::IFLA_IFNAME, peer).number(libc::IFLA_NET_NS_FD, target)
                    })
                })
            },
        );
        self.done("link add", name, format_args!("{name} type veth peer {peer}"), request)
    }

    /// Adds a branch of `parent`, called `name` in the network namespace behind `namespace`.
    ///
    /// # Errors
    /// ENODEV without the parent, EEXIST when the name is taken there, EBUSY when the parent has branches of another kind, EOPNOTSUPP for what the kernel
    /// was built without.
    pub fn add_branch(&mut self, parent: &str, branch: Branch, name: &str, namespace: BorrowedFd<'_>) -> Result<()> {
        let index = self.index(parent)?;
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_part(0, 0, 0))
            .text(libc::IFLA_IFNAME, name)
            .number(libc::IFLA_LINK, index)
            .number(libc::IFLA_NET_NS_FD, namespace.as_raw_fd() as u32)
            .nested(libc::IFLA_LINKINFO, |info| {
                info.text(libc::IFLA_INFO_KIND, branch.kind()).nested(libc::IFLA_INFO_DATA, |data| match branch {
                    Branch::Macvlan(mode) => data.number(MACVLAN_MODE, mode),
                    Branch::Ipvlan(mode, flags) => data.attr(IPVLAN_MODE, &mode.to_ne_bytes()).attr(IPVLAN_FLAGS, &flags.to_ne_bytes()),
                })
            });
        self.done("link add", name, format_args!("{name} link {parent} type {}", branch.kind()), request)
    }

    /// Asks for a branch of nothing, which is never made: the errno tells whether the kernel knows the kind.
    ///
    /// # Errors
    /// EINVAL when it does, EOPNOTSUPP when it does not.
    pub fn add_orphan(&mut self, kind: &str) -> Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_part(0, 0, 0))
            .nested(libc::IFLA_LINKINFO, |info| info.text(libc::IFLA_INFO_KIND, kind));
        self.done("link add", kind, format_args!("type {kind}"), request)
    }

    /// Adds a link that drops what it is given.
    ///
    /// # Errors
    /// As [`Socket::add_bridge`]; EOPNOTSUPP on a kernel without them.
    pub fn add_dummy(&mut self, name: &str) -> Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_part(0, 0, 0))
            .text(libc::IFLA_IFNAME, name)
            .nested(libc::IFLA_LINKINFO, |info| info.text(libc::IFLA_INFO_KIND, "dummy"));
        self.done("link add", name, format_args!("{name} type dummy"), request)
    }

    /// Adds a link whose packets go by `below` with the tag `id` (IEEE 802.1Q).
    ///
    /// # Errors
    /// ENODEV without `below`, EEXIST when the tag or the name is taken, EOPNOTSUPP on a kernel without VLANs.
    pub fn add_vlan(&mut self, name: &str, below: &str, id: u16) -> Result<()> {
        let index = self.index(below)?;
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_part(0, 0, 0))
            .text(libc::IFLA_IFNAME, name)
            .number(libc::IFLA_LINK, index)
            .nested(libc::IFLA_LINKINFO, |info| {
                let info = info.text(libc::IFLA_INFO_KIND, "vlan");
                info.nested(libc::IFLA_INFO_DATA, |data| data.attr(VLAN_ID, &id.to_ne_bytes()))
            });
        self.done("link add", name, format_args!("{name} link {below} type vlan id {id}"), request)
    }

    /// Takes a link up or down.
    ///
    /// # Errors
    /// ENODEV when there is none.
    pub fn set_up(&mut self, name: &str, up: bool) -> Result<()> {
        let flag = libc::IFF_UP as u32;
        let request =
            Request::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &link_part(0, if up { flag } else { 0 }, flag)).text(libc::IFLA_IFNAME, name);
        self.done("link set", name, format_args!("{name} {}", if up { "up" } else { "down" }), request)
    }

    /// Notes something on a link, at most 255 bytes (`ip link set NAME alias NOTE`).
    ///
    /// # Errors
    /// ENODEV when there is none, EINVAL when the note is too long.
    pub fn set_alias(&mut self, name: &str, note: &str) -> Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &link_part(0, 0, 0))
            .text(libc::IFLA_IFNAME, name)
            .attr(libc::IFLA_IFALIAS, note.as_bytes());
        self.done("link set", name, format_args!("{name} alias {note}"), request)
    }

    /// Gives an Ethernet link another hardware address.
    ///
    /// # Errors
    /// ENODEV when there is none, EBUSY where it must be down for that.
    pub fn set_hardware(&mut self, name: &str, mac: [u8; 6]) -> Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &link_part(0, 0, 0))
            .text(libc::IFLA_IFNAME, name)
            .attr(libc::IFLA_ADDRESS, &mac);
        let shown = mac.map(|byte| format!("{byte:02x}")).join(":");
        self.done("link set", name, format_args!("{name} address {shown}"), request)
    }

    /// Removes a link, and with a veth its peer.
    ///
    /// # Errors
    /// ENODEV when there is none.
    pub fn delete_link(&mut self, name: &str) -> Result<()> {
        let request = Request::new(libc::RTM_DELLINK, libc::NLM_F_ACK, &link_part(0, 0, 0)).text(libc::IFLA_IFNAME, name);
        self.done("link delete", name, format_args!("{name}"), request)
    }

    /// Plugs a link into a bridge.
    ///
    /// # Errors
    /// ENODEV when one of them is not there.
    pub fn set_master(&mut self, name: &str, bridge: &str) -> Result<()> {
        let master = self.index(bridge)?;
        let request = Request::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &link_part(0, 0, 0))
            .text(libc::IFLA_IFNAME, name)
            .number(libc::IFLA_MASTER, master);
        self.done("link set", name, format_args!("{name} master {bridge}"), request)
    }

    /// Gives a link an address. One of IPv6 holds at once: the neighbours are not asked before whether one of them has it (IFA_F_NODAD).
    ///
    /// # Errors
    /// EEXIST when it has it, ENODEV without the link, EACCES where the link may have no address of IPv6 (its sysctl `disable_ipv6`).
    pub fn add_address(&mut self, name: &str, address: impl Into<IpAddr>, prefix: u8) -> Result<()> {
        let address = address.into();
        let request = address_request(self.index(name)?, address, prefix);
        self.done("address add", name, format_args!("{address}/{prefix} dev {name}"), request)
    }

    /// Gives a link several IPv4 addresses in one message: each message is a round trip, and takes the network's lock.
    ///
    /// # Errors
    /// As [`Socket::add_address`]; then some of them may be there.
    pub fn add_addresses(&mut self, name: &str, addresses: &[Ipv4Addr], prefix: u8) -> Result<()> {
        let index = self.index(name)?;
        let requests = addresses.iter().map(|address| address_request(index, (*address).into(), prefix)).collect();
        let count = addresses.len();
        xray::call("netlink address add", &name, format_args!("{count} addresses /{prefix} dev {name}"), || {
            self.ask_all(requests).map(drop)
        })
    }

    /// Sends what goes to `target`/`prefix` to the neighbour `gateway`.
    ///
    /// # Errors
    /// ENETUNREACH when the gateway is no neighbour, EEXIST when there is such a route.
    pub fn add_route(&mut self, target: impl Into<IpAddr>, prefix: u8, gateway: impl Into<IpAddr>) -> Result<()> {
        let (target, gateway) = (target.into(), gateway.into());
        let request = route_request(target, prefix, libc::RTN_UNICAST).attr(libc::RTA_GATEWAY, &octets(gateway));
        self.done("route add", &format!("{target}/{prefix}"), format_args!("{target}/{prefix} via {gateway}"), request)
    }

    /// Sends what goes to `target`/`prefix` by a link, to whoever listens there.
    ///
    /// # Errors
    /// ENODEV without the link, ENETDOWN when it is down, EEXIST when there is such a route.
    pub fn add_link_route(&mut self, target: impl Into<IpAddr>, prefix: u8, link: &str) -> Result<()> {
        let target = target.into();
        let request = route_request(target, prefix, libc::RTN_UNICAST).number(libc::RTA_OIF, self.index(link)?);
        self.done("route add", &format!("{target}/{prefix}"), format_args!("{target}/{prefix} dev {link}"), request)
    }

    /// Answers what goes to `target`/`prefix` with "host unreachable" instead of silence.
    ///
    /// # Errors
    /// EEXIST when there is such a route.
    pub fn add_unreachable(&mut self, target: Ipv4Addr, prefix: u8) -> Result<()> {
        let request = route_request(target.into(), prefix, libc::RTN_UNREACHABLE);
        self.done("route add", &format!("{target}/{prefix}"), format_args!("unreachable {target}/{prefix}"), request)
    }

    /// The number of a link.
    ///
    /// # Errors
    /// ENODEV when there is none of that name.
    pub fn index(&mut self, name: &str) -> Result<u32> {
        let request = Request::new(libc::RTM_GETLINK, libc::NLM_F_ACK, &link_part(0, 0, 0)).text(libc::IFLA_IFNAME, name);
        let answers = xray::call("netlink link get", &name, format_args!("link get {name}"), || self.ask(request))?;
        let found = answers.iter().find_map(|(_, body)| look::link(body));
        found.map(|link| link.index).ok_or_else(|| super::super::Error::new("netlink link get", name, Errno::ENODEV))
    }

    /// Moves a link into the network namespace behind `namespace`, there called `new_name`. It must be down for that.
    ///
    /// # Errors
    /// ENODEV without the link, EEXIST when the name is taken there, EINVAL for one that cannot leave its namespace (loopback, a bridge).
    pub fn move_link(&mut self, name: &str, new_name: &str, namespace: BorrowedFd<'_>) -> Result<()> {
        let index = self.index(name)?;
        let request = Request::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &link_part(index, 0, 0))
            .number(libc::IFLA_NET_NS_FD, namespace.as_raw_fd() as u32)
            .text(libc::IFLA_IFNAME, new_name);
        self.done("link set", name, format_args!("{name} netns fd {} name {new_name}", namespace.as_raw_fd()), request)
    }

    /// The addresses of a link that somebody gave to it and that are valid everywhere: those that are lost when it moves to another namespace
    /// and that [`Socket::restore_address`] gives back.
    ///
    /// # Errors
    /// ENODEV without the link.
    pub fn kept_addresses(&mut self, name: &str) -> Result<Vec<Address>> {
        let index = self.index(name)?;
        let request = Request::new(libc::RTM_GETADDR, libc::NLM_F_DUMP, &[0; 8]);
        let answers = xray::call("netlink address get", &name, format_args!("address get dev {name}"), || self.ask(request))?;
        Ok(answers.iter().filter_map(|(_, body)| kept(body, index)).collect())
    }

    /// Gives a link an address that [`Socket::kept_addresses`] told of.
    ///
    /// # Errors
    /// EEXIST when it has it, ENODEV without the link.
    pub fn restore_address(&mut self, name: &str, address: &Address) -> Result<()> {
        let index = self.index(name)?;
        let mut part = vec![address.family, address.prefix, 0, 0];
        part.extend_from_slice(&index.to_ne_bytes());
        let mut request = Request::new(libc::RTM_NEWADDR, CREATE, &part);
        for (kind, value) in &address.parts {
            request = request.attr(*kind, value);
        }
        self.done("address add", name, format_args!("{}/{} dev {name}", address.shown(), address.prefix), request)
    }

    fn done(&mut self, what: &'static str, object: &str, args: std::fmt::Arguments<'_>, request: Request) -> Result<()> {
        let call = match what {
            "link add" => "netlink link add",
            "link delete" => "netlink link delete",
            "link set" => "netlink link set",
            "address add" => "netlink address add",
            _ => "netlink route add",
        };
        xray::call(call, &object, args, || self.ask(request).map(drop))
    }
}

/// An address of a link, as the kernel told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    family: u8,
    prefix: u8,
    /// The attributes that make up the address: local, of the network, broadcast.
    parts: Vec<(u16, Vec<u8>)>,
}

impl Address {
    fn shown(&self) -> String {
        let local = self.parts.first().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        let four = <[u8; 4]>::try_from(local).map(|bytes| Ipv4Addr::from(bytes).to_string());
        let six = || <[u8; 16]>::try_from(local).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string());
        four.or_else(|_| six()).unwrap_or_default()
    }
}

/// The address in a `struct ifaddrmsg` and its attributes, if it is one of `index` that lasts (`IFA_F_PERMANENT`) and is valid everywhere.
fn kept(body: &[u8], index: u32) -> Option<Address> {
    let [family, prefix, flags, scope, a, b, c, d] = *body.first_chunk::<8>()?;
    if u32::from_ne_bytes([a, b, c, d]) != index || scope != libc::RT_SCOPE_UNIVERSE || u32::from(flags) & libc::IFA_F_PERMANENT == 0 {
        return None;
    }
    let wanted = [libc::IFA_LOCAL, libc::IFA_ADDRESS, libc::IFA_BROADCAST];
    let parts =
        attributes(body.get(8..)?).into_iter().filter(|(kind, _)| wanted.contains(kind)).map(|(kind, value)| (kind, value.to_vec()));
    Some(Address { family, prefix, parts: parts.collect() })
}

/// `struct ifaddrmsg` (family, prefix length, flags, scope, index) and the address.
fn address_request(index: u32, address: IpAddr, prefix: u8) -> Request {
    let flags = if address.is_ipv6() { libc::IFA_F_NODAD as u8 } else { 0 };
    let mut part = vec![family(address), prefix, flags, 0];
    part.extend_from_slice(&index.to_ne_bytes());
    Request::new(libc::RTM_NEWADDR, CREATE, &part).attr(libc::IFA_LOCAL, &octets(address)).attr(libc::IFA_ADDRESS, &octets(address))
}

/// `struct rtmsg` (family, prefix lengths, tos, table, protocol, scope, type, flags) and where the route leads to.
fn route_request(target: IpAddr, prefix: u8, kind: u8) -> Request {
    let (main, boot, everywhere) = (libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE);
    let part = [family(target), prefix, 0, 0, main, boot, everywhere, kind, 0, 0, 0, 0];
    let request = Request::new(libc::RTM_NEWROUTE, CREATE, &part);
    if prefix == 0 { request } else { request.attr(libc::RTA_DST, &octets(target)) }
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET }) as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    }
}
