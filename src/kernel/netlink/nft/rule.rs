//! Chains and rules of nftables, said as `nft` says them and compiled to the kernel's expressions.
//!
//! ```text
//!  iifname != "docker0" tcp dport 8080 dnat to 172.17.0.2:80
//!  └ meta iifname, cmp  └ meta l4proto, cmp, payload, cmp   └ immediate, immediate, nat
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::super::Request;
use super::{CREATE, Family, SUBSYSTEM, part, userdata};

/// Attribute numbers of linux/netfilter/nf_tables.h, which libc does not have. The same number means another thing in another nest.
pub(super) mod attr {
    pub const CHAIN_TABLE: u16 = 1;
    pub const CHAIN_NAME: u16 = 3;
    pub const CHAIN_HOOK: u16 = 4;
    pub const CHAIN_POLICY: u16 = 5;
    pub const CHAIN_TYPE: u16 = 7;
    pub const HOOK_HOOKNUM: u16 = 1;
    pub const HOOK_PRIORITY: u16 = 2;
    pub const RULE_TABLE: u16 = 1;
    pub const RULE_CHAIN: u16 = 2;
    pub const RULE_EXPRESSIONS: u16 = 4;
    pub const RULE_USERDATA: u16 = 7;
    pub const PAYLOAD_DREG: u16 = 1;
    pub const PAYLOAD_BASE: u16 = 2;
    pub const PAYLOAD_OFFSET: u16 = 3;
    pub const PAYLOAD_LEN: u16 = 4;
    pub const BITWISE_SREG: u16 = 1;
    pub const BITWISE_DREG: u16 = 2;
    pub const BITWISE_LEN: u16 = 3;
    pub const BITWISE_MASK: u16 = 4;
    pub const BITWISE_XOR: u16 = 5;
    pub const DATA_VALUE: u16 = 1;
    pub const DATA_VERDICT: u16 = 2;
    pub const VERDICT_CODE: u16 = 1;
    pub const VERDICT_CHAIN: u16 = 2;
    pub const META_DREG: u16 = 1;
    pub const META_KEY: u16 = 2;
    pub const CT_DREG: u16 = 1;
    pub const CT_KEY: u16 = 2;
    pub const FIB_DREG: u16 = 1;
    pub const FIB_RESULT: u16 = 2;
    pub const FIB_FLAGS: u16 = 3;
    pub const IMMEDIATE_DREG: u16 = 1;
    pub const IMMEDIATE_DATA: u16 = 2;
    pub const NAT_TYPE: u16 = 1;
    pub const NAT_FAMILY: u16 = 2;
    pub const NAT_ADDRESS_REG: u16 = 3;
    pub const NAT_PORT_REG: u16 = 5;
    pub const CMP_SREG: u16 = 1;
    pub const CMP_OP: u16 = 2;
    pub const CMP_DATA: u16 = 3;
    pub const LIST_ELEM: u16 = 1;
    pub const EXPR_NAME: u16 = 1;
    pub const EXPR_DATA: u16 = 2;
}

const REGISTER: u32 = libc::NFT_REG_1 as u32;
const SECOND_REGISTER: u32 = libc::NFT_REG_2 as u32;
/// `NFT_FIB_RESULT_ADDRTYPE`, and `NFTA_FIB_F_DADDR`.
const FIB_ADDRESS_TYPE: u32 = 3;
const FIB_DESTINATION: u32 = 2;
/// Bits of `ct state` (`NF_CT_STATE_BIT`) and of `ct status` (`IPS_DST_NAT`), in the machine's byte order as the kernel compares them.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
const DESTINATION_TRANSLATED: u32 = 1 << 5;

/// Where a chain is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `type nat hook prerouting priority dstnat`.
    Prerouting,
    /// `type nat hook output priority dstnat`: what the host's own programs send.
    Output,
    /// `type nat hook postrouting priority srcnat`.
    Postrouting,
    /// `type filter hook forward priority filter`.
    Forward,
}

impl Hook {
    /// Its type, its number and its priority.
    fn wire(self) -> (&'static str, i32, i32) {
        match self {
            Hook::Prerouting => ("nat", libc::NF_INET_PRE_ROUTING, -100),
            Hook::Output => ("nat", libc::NF_INET_LOCAL_OUT, -100),
            Hook::Postrouting => ("nat", libc::NF_INET_POST_ROUTING, 100),
            Hook::Forward => ("filter", libc::NF_INET_FORWARD, 0),
        }
    }
}

/// What a packet must be for a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// `iifname "LINK"`.
    From(String),
    /// `iifname != "LINK"`.
    NotFrom(String),
    /// `oifname "LINK"`.
    To(String),
    /// `oifname != "LINK"`.
    NotTo(String),
    /// `ip saddr ADDRESS/PREFIX`, or `ip6`.
    Source(IpAddr, u8),
    /// `ip daddr ADDRESS/PREFIX`.
    Destination(IpAddr, u8),
    /// `ip daddr != ADDRESS/PREFIX`.
    NotDestination(IpAddr, u8),
    /// `fib daddr type local`: an address of this host.
    ToThisHost,
    /// `ct state established,related`.
    Established,
    /// `ct status dnat`.
    Translated,
    /// `tcp dport PORT`, or `udp`.
    Port(Protocol, u16),
}

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if *self == Protocol::Tcp { "tcp" } else { "udp" })
    }
}

/// What becomes of such a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// `accept`: this chain has nothing against it.
    Accept,
    /// `drop`.
    Drop,
    /// `jump CHAIN`.
    Jump(&'static str),
    /// `masquerade`: its source becomes the address of the link by which it leaves.
    Masquerade,
    /// `dnat to ADDRESS:PORT`.
    Translate(SocketAddr),
}

/// A rule of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The chain.
    pub chain: &'static str,
    /// All of these.
    pub when: Vec<Match>,
    /// Then this.
    pub then: Verdict,
    /// Shown by `nft list ruleset`; by this it is found again.
    pub comment: Option<String>,
}

impl fmt::Display for Match {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Match::From(link) => write!(out, "iifname \"{link}\""),
            Match::NotFrom(link) => write!(out, "iifname != \"{link}\""),
            Match::To(link) => write!(out, "oifname \"{link}\""),
            Match::NotTo(link) => write!(out, "oifname != \"{link}\""),
            Match::Source(address, prefix) => write!(out, "{} saddr {address}/{prefix}", family(*address)),
            Match::Destination(address, prefix) => write!(out, "{} daddr {address}/{prefix}", family(*address)),
            Match::NotDestination(address, prefix) => write!(out, "{} daddr != {address}/{prefix}", family(*address)),
            Match::ToThisHost => out.write_str("fib daddr type local"),
            Match::Established => out.write_str("ct state established,related"),
            Match::Translated => out.write_str("ct status dnat"),
            Match::Port(protocol, port) => write!(out, "{protocol} dport {port}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Accept => out.write_str("accept"),
            Verdict::Drop => out.write_str("drop"),
            Verdict::Jump(chain) => write!(out, "jump {chain}"),
            Verdict::Masquerade => out.write_str("masquerade"),
            Verdict::Translate(target) => write!(out, "dnat to {target}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.when.iter().try_for_each(|one| write!(out, "{one} "))?;
        write!(out, "{}", self.then)
    }
}

/// The request for a chain; without a hook it is one that others jump to.
pub(super) fn new_chain(family: Family, table: &str, name: &str, hook: Option<Hook>) -> Request {
    let request = Request::new(SUBSYSTEM | libc::NFT_MSG_NEWCHAIN as u16, CREATE, &part(family.number(), 0))
        .text(attr::CHAIN_TABLE, table)
        .text(attr::CHAIN_NAME, name);
    let Some(hook) = hook else { return request };
    let (kind, number, priority) = hook.wire();
    request
        .nested(attr::CHAIN_HOOK, |hook| hook.big(attr::HOOK_HOOKNUM, number as u32).big(attr::HOOK_PRIORITY, priority as u32))
        .text(attr::CHAIN_TYPE, kind)
}

/// The request for a rule, at the end of its chain.
pub(super) fn new_rule(family: Family, table: &str, rule: &Rule) -> Request {
    let request = Request::new(SUBSYSTEM | libc::NFT_MSG_NEWRULE as u16, CREATE | libc::NLM_F_APPEND, &part(family.number(), 0))
        .text(attr::RULE_TABLE, table)
        .text(attr::RULE_CHAIN, rule.chain)
        .nested(attr::RULE_EXPRESSIONS, |list| verdict(rule.when.iter().fold(list, matching), &rule.then));
    match rule.comment.as_deref().and_then(userdata) {
        Some(data) => request.attr(attr::RULE_USERDATA, &data),
        None => request,
    }
}

fn matching(list: Request, one: &Match) -> Request {
    const EQUAL: i32 = libc::NFT_CMP_EQ;
    const DIFFERENT: i32 = libc::NFT_CMP_NEQ;
    match one {
        Match::From(link) => link_name(list, libc::NFT_META_IIFNAME, EQUAL, link),
        Match::NotFrom(link) => link_name(list, libc::NFT_META_IIFNAME, DIFFERENT, link),
        Match::To(link) => link_name(list, libc::NFT_META_OIFNAME, EQUAL, link),
        Match::NotTo(link) => link_name(list, libc::NFT_META_OIFNAME, DIFFERENT, link),
        Match::Source(address, prefix) => network(list, Side::Source, EQUAL, *address, *prefix),
        Match::Destination(address, prefix) => network(list, Side::Destination, EQUAL, *address, *prefix),
        Match::NotDestination(address, prefix) => network(list, Side::Destination, DIFFERENT, *address, *prefix),
        Match::ToThisHost => {
            let list = expression(list, "fib", |data| {
                data.big(attr::FIB_DREG, REGISTER).big(attr::FIB_RESULT, FIB_ADDRESS_TYPE).big(attr::FIB_FLAGS, FIB_DESTINATION)
            });
            compare(list, EQUAL, &u32::from(libc::RTN_LOCAL).to_ne_bytes())
        }
        Match::Established => flags(list, libc::NFT_CT_STATE, ESTABLISHED_OR_RELATED),
        Match::Translated => flags(list, libc::NFT_CT_STATUS, DESTINATION_TRANSLATED),
        Match::Port(protocol, port) => {
            let number = if *protocol == Protocol::Tcp { libc::IPPROTO_TCP } else { libc::IPPROTO_UDP };
            let list = compare(meta(list, libc::NFT_META_L4PROTO), EQUAL, &[number as u8]);
            compare(payload(list, libc::NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2), EQUAL, &port.to_be_bytes())
        }
    }
}

fn verdict(list: Request, verdict: &Verdict) -> Request {
    match verdict {
        Verdict::Accept => fate(list, libc::NF_ACCEPT, None),
        Verdict::Drop => fate(list, libc::NF_DROP, None),
        Verdict::Jump(chain) => fate(list, libc::NFT_JUMP, Some(chain)),
        Verdict::Masquerade => expression(list, "masq", |data| data),
        Verdict::Translate(target) => {
            let list = load(list, REGISTER, &octets(target.ip()));
            let list = load(list, SECOND_REGISTER, &target.port().to_be_bytes());
            expression(list, "nat", |data| {
                data.big(attr::NAT_TYPE, libc::NFT_NAT_DNAT as u32)
                    .big(attr::NAT_FAMILY, u32::from(family(target.ip()).number()))
                    .big(attr::NAT_ADDRESS_REG, REGISTER)
                    .big(attr::NAT_PORT_REG, SECOND_REGISTER)
            })
        }
    }
}

fn fate(list: Request, code: i32, chain: Option<&str>) -> Request {
    expression(list, "immediate", |data| {
        data.big(attr::IMMEDIATE_DREG, libc::NFT_REG_VERDICT as u32).nested(attr::IMMEDIATE_DATA, |value| {
            value.nested(attr::DATA_VERDICT, |verdict| {
                let verdict = verdict.big(attr::VERDICT_CODE, code as u32);
                match chain {
                    Some(chain) => verdict.text(attr::VERDICT_CHAIN, chain),
                    None => verdict,
                }
            })
        })
    })
}

fn load(list: Request, register: u32, value: &[u8]) -> Request {
    expression(list, "immediate", |data| {
        data.big(attr::IMMEDIATE_DREG, register).nested(attr::IMMEDIATE_DATA, |data| data.attr(attr::DATA_VALUE, value))
    })
}

fn link_name(list: Request, key: i32, operator: i32, link: &str) -> Request {
    let mut name = [0; libc::IFNAMSIZ];
    let length = link.len().min(libc::IFNAMSIZ - 1);
    name[..length].copy_from_slice(&link.as_bytes()[..length]);
    compare(meta(list, key), operator, &name)
}

/// Which of the two addresses of a packet.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Destination,
}

fn network(list: Request, side: Side, operator: i32, address: IpAddr, prefix: u8) -> Request {
    let bytes = octets(address);
    // Where the addresses are in the headers of IPv4 and of IPv6.
    let offset = match (side, address) {
        (Side::Source, IpAddr::V4(_)) => 12,
        (Side::Destination, IpAddr::V4(_)) => 16,
        (Side::Source, IpAddr::V6(_)) => 8,
        (Side::Destination, IpAddr::V6(_)) => 24,
    };
    let left = |index: usize| usize::from(prefix).saturating_sub(index * 8).min(8);
    let mask: Vec<u8> = (0..bytes.len()).map(|index| !(0xffu16 >> left(index)) as u8).collect();
    let network: Vec<u8> = bytes.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    let list = payload(list, libc::NFT_PAYLOAD_NETWORK_HEADER, offset, bytes.len() as u32);
    let list = if mask.iter().any(|byte| *byte != 0xff) { masked(list, &mask) } else { list };
    compare(list, operator, &network)
}

fn family(address: IpAddr) -> Family {
    if address.is_ipv6() { Family::Ip6 } else { Family::Ip }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    }
}

fn flags(list: Request, key: i32, wanted: u32) -> Request {
    let list = expression(list, "ct", |data| data.big(attr::CT_KEY, key as u32).big(attr::CT_DREG, REGISTER));
    compare(masked(list, &wanted.to_ne_bytes()), libc::NFT_CMP_NEQ, &[0; 4])
}

fn meta(list: Request, key: i32) -> Request {
    expression(list, "meta", |data| data.big(attr::META_KEY, key as u32).big(attr::META_DREG, REGISTER))
}

fn payload(list: Request, base: i32, offset: u32, length: u32) -> Request {
    expression(list, "payload", |data| {
        data.big(attr::PAYLOAD_DREG, REGISTER)
            .big(attr::PAYLOAD_BASE, base as u32)
            .big(attr::PAYLOAD_OFFSET, offset)
            .big(attr::PAYLOAD_LEN, length)
    })
}

fn masked(list: Request, mask: &[u8]) -> Request {
    expression(list, "bitwise", |data| {
        data.big(attr::BITWISE_SREG, REGISTER)
            .big(attr::BITWISE_DREG, REGISTER)
            .big(attr::BITWISE_LEN, mask.len() as u32)
            .nested(attr::BITWISE_MASK, |value| value.attr(attr::DATA_VALUE, mask))
            .nested(attr::BITWISE_XOR, |value| value.attr(attr::DATA_VALUE, &vec![0; mask.len()]))
    })
}

fn compare(list: Request, operator: i32, value: &[u8]) -> Request {
    expression(list, "cmp", |data| {
        data.big(attr::CMP_SREG, REGISTER)
            .big(attr::CMP_OP, operator as u32)
            .nested(attr::CMP_DATA, |data| data.attr(attr::DATA_VALUE, value))
    })
}

fn expression(list: Request, name: &str, fill: impl FnOnce(Request) -> Request) -> Request {
    list.nested(attr::LIST_ELEM, |element| element.text(attr::EXPR_NAME, name).nested(attr::EXPR_DATA, fill))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_said_as_nft_says_them() {
        let rule = Rule {
            chain: "ports",
            when: vec![
                Match::NotFrom("docker0".into()),
                Match::Destination("10.0.0.1".parse().unwrap(), 32),
                Match::Port(Protocol::Tcp, 8080),
            ],
            then: Verdict::Translate("172.17.0.2:80".parse().unwrap()),
            comment: None,
        };
        assert_eq!(rule.to_string(), "iifname != \"docker0\" ip daddr 10.0.0.1/32 tcp dport 8080 dnat to 172.17.0.2:80");
        let six = Rule {
            when: vec![Match::Source("fd00::".parse().unwrap(), 64)],
            then: Verdict::Translate("[fd00::2]:80".parse().unwrap()),
            ..rule
        };
        assert_eq!(six.to_string(), "ip6 saddr fd00::/64 dnat to [fd00::2]:80");
    }
}
