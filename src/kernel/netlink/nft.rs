//! nftables: tables, chains and the few rules that a bottle needs (libnftnl's wire format; `nft --debug=netlink` shows the same).
//!
//! Every change is a transaction: a datagram that begins with NFNL_MSG_BATCH_BEGIN and ends with NFNL_MSG_BATCH_END takes effect as a
//! whole or not at all. A table is removed with everything in it, so what a bottle adds to a machine is one table of its own.

use std::net::Ipv4Addr;

use super::super::error::Result;
use super::super::xray;
use super::{Request, Socket, attributes, look};

const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8;
const IPV4: u8 = libc::NFPROTO_IPV4 as u8;
const CREATE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE;

/// Attribute numbers of linux/netfilter/nf_tables.h, which libc does not have. The same number means another thing in another nest.
mod attr {
    pub const TABLE_NAME: u16 = 1;
    pub const TABLE_FLAGS: u16 = 2;
    pub const TABLE_USERDATA: u16 = 6;
    pub const CHAIN_TABLE: u16 = 1;
    pub const CHAIN_NAME: u16 = 3;
    pub const CHAIN_HOOK: u16 = 4;
    pub const CHAIN_TYPE: u16 = 7;
    pub const HOOK_HOOKNUM: u16 = 1;
    pub const HOOK_PRIORITY: u16 = 2;
    pub const RULE_TABLE: u16 = 1;
    pub const RULE_CHAIN: u16 = 2;
    pub const RULE_EXPRESSIONS: u16 = 4;
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
    pub const META_DREG: u16 = 1;
    pub const META_KEY: u16 = 2;
    pub const CMP_SREG: u16 = 1;
    pub const CMP_OP: u16 = 2;
    pub const CMP_DATA: u16 = 3;
    pub const LIST_ELEM: u16 = 1;
    pub const EXPR_NAME: u16 = 1;
    pub const EXPR_DATA: u16 = 2;
}

/// `struct nfgenmsg`: family, version, resource id (big endian).
fn part(family: u8, resource: u16) -> Vec<u8> {
    let id = resource.to_be_bytes();
    vec![family, 0, id[0], id[1]]
}

fn batch(requests: Vec<Request>) -> Vec<Request> {
    let edge = |kind: i32| Request::new(kind as u16, 0, &part(0, libc::NFNL_SUBSYS_NFTABLES as u16));
    let mut all = vec![edge(libc::NFNL_MSG_BATCH_BEGIN)];
    all.extend(requests);
    all.push(edge(libc::NFNL_MSG_BATCH_END));
    all
}

/// `NFT_TABLE_F_OWNER`: the table belongs to the socket that made it, and goes with it. Since Linux 5.12.
const OWNED: u32 = 2;
/// The type of a comment among a table's user data (`NFTNL_UDATA_TABLE_COMMENT`), and the most that user data may hold.
const COMMENT: u8 = 0;
const USERDATA: usize = 256;
/// `struct nfgenmsg` before the attributes of an answer.
const PART: usize = 4;

impl Socket {
    /// Adds the IPv4 table `table` that masquerades what comes from the network `source` and leaves by another link than `inside`.
    /// `comment` is shown by `nft list tables`; an `owned` table goes with this socket, and nobody else can change it.
    ///
    /// # Errors
    /// EEXIST when the table is there, EOPNOTSUPP on a kernel without nftables or NAT, EINVAL or EOPNOTSUPP for `owned` before Linux 5.12.
    pub fn add_masquerade(&mut self, table: &str, comment: Option<&str>, owned: bool, source: (Ipv4Addr, u8), inside: &str) -> Result<()> {
        let (network, prefix) = source;
        let new = new_table(table, comment, owned);
        let requests = batch(vec![new, new_postrouting(table), new_masquerade(table, network, prefix, inside)]);
        xray::call("nft add", &table, format_args!("table ip {table}: {network}/{prefix} oifname != {inside} masquerade"), || {
            self.ask_all(requests).map(drop)
        })
    }

    /// Removes the IPv4 table `table` with everything in it.
    ///
    /// # Errors
    /// ENOENT when there is none, EPERM when it belongs to another socket.
    pub fn delete_table(&mut self, table: &str) -> Result<()> {
        let kind = SUBSYSTEM | libc::NFT_MSG_DELTABLE as u16;
        let request = Request::new(kind, libc::NLM_F_ACK, &part(IPV4, 0)).text(attr::TABLE_NAME, table);
        xray::call("nft delete", &table, format_args!("table ip {table}"), || self.ask_all(batch(vec![request])).map(drop))
    }

    /// The names and comments of the IPv4 tables.
    ///
    /// # Errors
    /// EPERM for an ordinary user, EOPNOTSUPP on a kernel without nftables.
    pub fn tables(&mut self) -> Result<Vec<(String, String)>> {
        let kind = SUBSYSTEM | libc::NFT_MSG_GETTABLE as u16;
        let request = Request::new(kind, libc::NLM_F_DUMP, &part(IPV4, 0));
        let answers = xray::call("nft list", &"tables", format_args!("tables"), || self.ask(request))?;
        Ok(answers.iter().filter_map(|(_, body)| table(body)).collect())
    }
}

fn table(body: &[u8]) -> Option<(String, String)> {
    let all = attributes(body.get(PART..)?);
    let found = |wanted| all.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
    Some((look::text(found(attr::TABLE_NAME)?), comment(found(attr::TABLE_USERDATA).unwrap_or_default())))
}

/// User data are entries of one byte of type, one of length, and the bytes.
fn comment(mut data: &[u8]) -> String {
    while let [kind, length, rest @ ..] = data {
        let Some((value, after)) = rest.split_at_checked(usize::from(*length)) else { break };
        if *kind == COMMENT {
            return look::text(value);
        }
        data = after;
    }
    String::new()
}

fn new_table(table: &str, comment: Option<&str>, owned: bool) -> Request {
    let kind = SUBSYSTEM | libc::NFT_MSG_NEWTABLE as u16;
    let mut request = Request::new(kind, CREATE | libc::NLM_F_EXCL, &part(IPV4, 0)).text(attr::TABLE_NAME, table);
    if owned {
        request = request.big(attr::TABLE_FLAGS, OWNED);
    }
    if let Some(comment) = comment
        && comment.len() + 3 < USERDATA
    {
        let mut data = vec![COMMENT, comment.len() as u8 + 1];
        data.extend_from_slice(comment.as_bytes());
        data.push(0);
        request = request.attr(attr::TABLE_USERDATA, &data);
    }
    request
}

/// `type nat hook postrouting priority srcnat`.
fn new_postrouting(table: &str) -> Request {
    Request::new(SUBSYSTEM | libc::NFT_MSG_NEWCHAIN as u16, CREATE, &part(IPV4, 0))
        .text(attr::CHAIN_TABLE, table)
        .text(attr::CHAIN_NAME, "postrouting")
        .nested(attr::CHAIN_HOOK, |hook| hook.big(attr::HOOK_HOOKNUM, libc::NF_INET_POST_ROUTING as u32).big(attr::HOOK_PRIORITY, 100))
        .text(attr::CHAIN_TYPE, "nat")
}

/// `ip saddr SOURCE/PREFIX oifname != INSIDE masquerade`, as the five expressions that it is compiled to.
fn new_masquerade(table: &str, source: Ipv4Addr, prefix: u8, inside: &str) -> Request {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0).to_be_bytes();
    let network = (u32::from(source) & u32::from_be_bytes(mask)).to_be_bytes();
    let mut name = [0; libc::IFNAMSIZ];
    name[..inside.len().min(libc::IFNAMSIZ - 1)].copy_from_slice(&inside.as_bytes()[..inside.len().min(libc::IFNAMSIZ - 1)]);
    Request::new(SUBSYSTEM | libc::NFT_MSG_NEWRULE as u16, CREATE | libc::NLM_F_APPEND, &part(IPV4, 0))
        .text(attr::RULE_TABLE, table)
        .text(attr::RULE_CHAIN, "postrouting")
        .nested(attr::RULE_EXPRESSIONS, |list| {
            let list = expression(list, "payload", |data| {
                // The source address: four bytes at offset 12 of the network header, into register 1.
                data.big(attr::PAYLOAD_DREG, libc::NFT_REG_1 as u32)
                    .big(attr::PAYLOAD_BASE, libc::NFT_PAYLOAD_NETWORK_HEADER as u32)
                    .big(attr::PAYLOAD_OFFSET, 12)
                    .big(attr::PAYLOAD_LEN, 4)
            });
            let list = expression(list, "bitwise", |data| {
                data.big(attr::BITWISE_SREG, libc::NFT_REG_1 as u32)
                    .big(attr::BITWISE_DREG, libc::NFT_REG_1 as u32)
                    .big(attr::BITWISE_LEN, 4)
                    .nested(attr::BITWISE_MASK, |value| value.attr(attr::DATA_VALUE, &mask))
                    .nested(attr::BITWISE_XOR, |value| value.attr(attr::DATA_VALUE, &[0; 4]))
            });
            let list = compare(list, libc::NFT_CMP_EQ as u32, &network);
            let list = expression(list, "meta", |data| {
                data.big(attr::META_KEY, libc::NFT_META_OIFNAME as u32).big(attr::META_DREG, libc::NFT_REG_1 as u32)
            });
            let list = compare(list, libc::NFT_CMP_NEQ as u32, &name);
            expression(list, "masq", |data| data)
        })
}

fn compare(list: Request, operator: u32, value: &[u8]) -> Request {
    expression(list, "cmp", |data| {
        data.big(attr::CMP_SREG, libc::NFT_REG_1 as u32)
            .big(attr::CMP_OP, operator)
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
    fn a_comment_is_found_among_other_user_data_and_cut_data_are_survived() {
        let data = [7, 2, 1, 1, COMMENT, 3, b'h', b'i', 0];
        assert_eq!(comment(&data), "hi");
        for cut in 0..data.len() {
            let _ = (comment(&data[..cut]), table(&data[..cut]));
        }
    }
}
