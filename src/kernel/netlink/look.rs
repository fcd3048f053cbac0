//! What there is in the current network namespace: links with their addresses, routes, nftables tables, as dumps tell them. Only looks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::error::Result;
use super::super::xray;
use super::{Answer, Request, Socket, attributes};

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Its number in its network namespace.
    pub index: u32,
    /// Its number on the other side: of a veth its peer, often in another network namespace; of others the link that it hangs on.
    pub peer: Option<u32>,
    /// Its name.
    pub name: String,
    /// `veth`, `bridge`, ...; empty for a device.
    pub kind: String,
    /// Whether it is up.
    pub up: bool,
    /// Number of the bridge that it is a port of.
    pub master: Option<u32>,
    /// Its hardware address.
    pub mac: String,
    /// The largest packet.
    pub mtu: u32,
    /// What its maker has noted on it (`ip link set alias`).
    pub alias: String,
    /// `10.0.0.1/24`.
    pub addresses: Vec<String>,
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `10.0.0.0/24`, or `default`.
    pub to: String,
    /// The neighbour that it goes by.
    pub via: Option<String>,
    /// The number of its link.
    pub link: Option<u32>,
}

/// Sizes of the fixed parts: ifinfomsg, ifaddrmsg, rtmsg.
const IFINFO: usize = 16;
const IFADDR: usize = 8;
const RTMSG: usize = 12;

impl Socket {
    /// All links with their addresses, by number.
    ///
    /// # Errors
    /// The kernel refused a dump.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut links: Vec<Link> = self.dump(libc::RTM_GETLINK, IFINFO)?.iter().filter_map(|(_, body)| link(body)).collect();
        for (_, body) in self.dump(libc::RTM_GETADDR, IFADDR)? {
            let Some((index, address)) = address(&body) else { continue };
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
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        Ok(self.dump(libc::RTM_GETROUTE, RTMSG)?.iter().filter_map(|(_, body)| route(body)).collect())
    }

    fn dump(&mut self, kind: u16, fixed: usize) -> Result<Vec<Answer>> {
        let request = Request::new(kind, libc::NLM_F_DUMP, &vec![0; fixed]);
        xray::call("netlink dump", &kind, format_args!("dump {kind}"), || self.ask(request))
    }
}

/// Reads the answer about one link.
pub(super) fn link(body: &[u8]) -> Option<Link> {
    let mut found = Link { index: word(body.get(4..8)?), up: word(body.get(8..12)?) & libc::IFF_UP as u32 != 0, ..Link::default() };
    for (kind, value) in attributes(body.get(IFINFO..)?) {
        match kind {
            libc::IFLA_IFNAME => found.name = text(value),
            libc::IFLA_IFALIAS => found.alias = text(value),
            libc::IFLA_ADDRESS => found.mac = value.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
            libc::IFLA_MTU => found.mtu = word(value),
            libc::IFLA_LINK => found.peer = Some(word(value)),
            libc::IFLA_MASTER => found.master = Some(word(value)),
            libc::IFLA_LINKINFO => {
                let info = attributes(value);
                found.kind = info.iter().find(|(kind, _)| *kind == libc::IFLA_INFO_KIND).map(|(_, value)| text(value)).unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(found)
}

fn address(body: &[u8]) -> Option<(u32, String)> {
    let (prefix, index) = (*body.get(1)?, word(body.get(4..8)?));
    let all = attributes(body.get(IFADDR..)?);
    let found = |wanted| all.iter().find(|(kind, _)| *kind == wanted).and_then(|(_, value)| ip(value));
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

fn word(bytes: &[u8]) -> u32 {
    bytes.try_into().map(u32::from_ne_bytes).unwrap_or(0)
}

/// A text attribute without the NUL at its end.
pub(super) fn text(bytes: &[u8]) -> String {
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
        let mut socket = Socket::route().unwrap();
        let links = socket.links().unwrap();
        let loopback = links.iter().find(|link| link.name == "lo").expect("every network namespace has one");
        assert!(!loopback.up || loopback.addresses.contains(&"127.0.0.1/8".to_owned()), "{loopback:?}");
        socket.routes().unwrap();
    }

    #[test]
    fn what_is_cut_short_is_passed_over() {
        for length in 0..40 {
            let bytes: Vec<u8> = (0..length).map(|byte: u8| byte.wrapping_mul(7)).collect();
            attributes(&bytes);
            let _ = (link(&bytes), address(&bytes), route(&bytes));
        }
    }
}
