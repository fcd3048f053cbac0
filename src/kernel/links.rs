//! Links, addresses and routes of the current network namespace, as three netlink dumps tell them (rtnetlink(7)). Only looks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

use super::error::{Errno, Result};
use super::xray;

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `veth`, `bridge`, ...; empty for a device.
    pub kind: String,
    pub up: bool,
    /// Number of the bridge that it is a port of.
    pub master: Option<u32>,
    pub mac: String,
    pub mtu: u32,
    /// `10.0.0.1/24`.
    pub addresses: Vec<String>,
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `10.0.0.0/24`, or `default`.
    pub to: String,
    pub via: Option<String>,
    pub link: Option<u32>,
}

const LINK: u16 = libc::RTM_NEWLINK;
const ADDRESS: u16 = libc::RTM_NEWADDR;
const ROUTE: u16 = libc::RTM_NEWROUTE;
/// Sizes of the fixed parts: nlmsghdr, ifinfomsg, ifaddrmsg, rtmsg.
const HEADER: usize = 16;
const IFINFO: usize = 16;
const IFADDR: usize = 8;
const RTMSG: usize = 12;

/// All links with their addresses, by number.
///
/// # Errors
/// The kernel refused a dump.
pub fn links() -> Result<Vec<Link>> {
    let mut links: Vec<Link> =
        dump(libc::RTM_GETLINK, IFINFO)?.iter().filter_map(|(kind, body)| (*kind == LINK).then(|| link(body))?).collect();
    for (kind, body) in dump(libc::RTM_GETADDR, IFADDR)? {
        let Some((index, address)) = (kind == ADDRESS).then(|| address(&body)).flatten() else { continue };
        if let Some(link) = links.iter_mut().find(|link| link.index == index) {
            link.addresses.push(address);
        }
    }
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// The routes of the main table.
///
/// # Errors
/// The kernel refused the dump.
pub fn routes() -> Result<Vec<Route>> {
    Ok(dump(libc::RTM_GETROUTE, RTMSG)?.iter().filter_map(|(kind, body)| (*kind == ROUTE).then(|| route(body))?).collect())
}

fn link(body: &[u8]) -> Option<Link> {
    let mut found = Link { index: word(body.get(4..8)?), up: word(body.get(8..12)?) & libc::IFF_UP as u32 != 0, ..Link::default() };
    for (kind, value) in attributes(body.get(IFINFO..)?) {
        match kind {
            libc::IFLA_IFNAME => found.name = text(value),
            libc::IFLA_ADDRESS => found.mac = value.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
            libc::IFLA_MTU => found.mtu = word(value),
            libc::IFLA_MASTER => found.master = Some(word(value)),
            libc::IFLA_LINKINFO => {
                found.kind =
                    attributes(value).find(|(kind, _)| *kind == libc::IFLA_INFO_KIND).map(|(_, value)| text(value)).unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(found)
}

fn address(body: &[u8]) -> Option<(u32, String)> {
    let (prefix, index) = (*body.get(1)?, word(body.get(4..8)?));
    let found =
        |wanted| attributes(body.get(IFADDR..).unwrap_or_default()).find(|(kind, _)| *kind == wanted).and_then(|(_, value)| ip(value));
    let address = found(libc::IFA_LOCAL).or_else(|| found(libc::IFA_ADDRESS))?;
    Some((index, format!("{address}/{prefix}")))
}

fn route(body: &[u8]) -> Option<Route> {
    let (prefix, table) = (*body.get(1)?, *body.get(4)?);
    if table != libc::RT_TABLE_MAIN {
        return None;
    }
    let mut found = Route { to: "default".to_owned(), via: None, link: None };
    for (kind, value) in attributes(body.get(RTMSG..)?) {
        match kind {
            libc::RTA_DST => found.to = format!("{}/{prefix}", ip(value)?),
            libc::RTA_GATEWAY => found.via = ip(value).map(|address| address.to_string()),
            libc::RTA_OIF => found.link = Some(word(value)),
            _ => {}
        }
    }
    Some(found)
}

/// Asks for a dump; gives kind and body of every answer.
fn dump(request: u16, fixed: usize) -> Result<Vec<(u16, Vec<u8>)>> {
    xray::call("netlink dump", &request, format_args!("dump {request}"), || {
        let socket = open()?;
        let mut message = Vec::with_capacity(HEADER + fixed);
        message.extend(((HEADER + fixed) as u32).to_ne_bytes());
        message.extend(request.to_ne_bytes());
        message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
        message.extend([0; 8]);
        message.resize(HEADER + fixed, 0);
        sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        let mut found = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            if !take(&buffer[..length], &mut found)? {
                return Ok(found);
            }
        }
    })
}

fn open() -> nix::Result<OwnedFd> {
    socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
}

/// Takes the messages of one datagram; false when the dump is over.
fn take(mut bytes: &[u8], found: &mut Vec<(u16, Vec<u8>)>) -> nix::Result<bool> {
    while bytes.len() >= HEADER {
        let length = (word(&bytes[..4]) as usize).clamp(HEADER, bytes.len());
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        let body = &bytes[HEADER..length];
        match i32::from(kind) {
            libc::NLMSG_DONE => return Ok(false),
            libc::NLMSG_ERROR => return Err(Errno::from_raw(-(word(body.get(..4).unwrap_or(&[0; 4])) as i32))),
            _ => found.push((kind, body.to_vec())),
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    Ok(true)
}

/// The attributes of a message: kind and value.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
        Some((kind, value))
    })
}

fn word(bytes: &[u8]) -> u32 {
    bytes.try_into().map(u32::from_ne_bytes).unwrap_or(0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let links = links().unwrap();
        let loopback = links.iter().find(|link| link.name == "lo").expect("every network namespace has one");
        assert!(!loopback.up || loopback.addresses.contains(&"127.0.0.1/8".to_owned()), "{loopback:?}");
        routes().unwrap();
    }

    #[test]
    fn what_is_cut_short_is_passed_over() {
        for length in 0..40 {
            let bytes: Vec<u8> = (0..length).map(|byte: u8| byte.wrapping_mul(7)).collect();
            attributes(&bytes).for_each(drop);
            let _ = (link(&bytes), address(&bytes), route(&bytes), take(&bytes, &mut Vec::new()));
        }
    }
}
