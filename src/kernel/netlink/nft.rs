//! Packet rules: tables, chains and rules of nftables (nft(8)), as far as a bottle's way out needs them.
//!
//! A change is one batch: all of it holds, or none. A table of ours is named after its bottle, so that taking the table away takes
//! everything of it away, and `nft list ruleset` shows a person what is there.

use super::message::Message;
use super::socket::Socket;
use crate::kernel::error::Result;
use attribute::*;

/// Attributes of nftables, from linux/netfilter/nf_tables.h, which libc does not have.
mod attribute {
    pub const NFTA_TABLE_NAME: u16 = 1;
    pub const NFTA_CHAIN_TABLE: u16 = 1;
    pub const NFTA_CHAIN_NAME: u16 = 3;
    pub const NFTA_CHAIN_HOOK: u16 = 4;
    pub const NFTA_CHAIN_TYPE: u16 = 7;
    pub const NFTA_HOOK_HOOKNUM: u16 = 1;
    pub const NFTA_HOOK_PRIORITY: u16 = 2;
    pub const NFTA_RULE_TABLE: u16 = 1;
    pub const NFTA_RULE_CHAIN: u16 = 2;
    pub const NFTA_RULE_EXPRESSIONS: u16 = 4;
    pub const NFTA_META_DREG: u16 = 1;
    pub const NFTA_META_KEY: u16 = 2;
    pub const NFTA_CMP_SREG: u16 = 1;
    pub const NFTA_CMP_OP: u16 = 2;
    pub const NFTA_CMP_DATA: u16 = 3;
    pub const NFTA_DATA_VALUE: u16 = 1;
    pub const NFTA_EXPR_NAME: u16 = 1;
    pub const NFTA_EXPR_DATA: u16 = 2;
    pub const NFTA_LIST_ELEM: u16 = 1;
}

const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8;
const ACK: u16 = libc::NLM_F_ACK as u16;
const CREATE: u16 = ACK | libc::NLM_F_CREATE as u16;
/// Where source translation belongs among the hooks of a packet's way (`NF_IP_PRI_NAT_SRC`).
const PRIORITY_SOURCE_NAT: u32 = 100;
const HOOK_POSTROUTING: u32 = 4;
/// The register that all expressions here load to and compare from.
const REGISTER: u32 = libc::NFT_REG_1 as u32;

impl Socket {
    /// Makes the table `table` with one chain that gives packets that came in by the link `inside` the address of
    /// the link they leave by (masquerading). The socket is one of [`Socket::netfilter`].
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN, EOPNOTSUPP on a kernel without NAT for nftables; nothing is changed then.
    pub fn masquerade(&mut self, table: &str, inside: &str) -> Result<()> {
        let messages = vec![
            batch(libc::NFNL_MSG_BATCH_BEGIN),
            new_table(table),
            new_chain(table),
            new_rule(table, inside),
            batch(libc::NFNL_MSG_BATCH_END),
        ];
        self.batch(messages, 3, format_args!("nft masquerade {table}: all that came in by {inside}"))
    }

    /// Removes the table with all that is in it.
    ///
    /// # Errors
    /// ENOENT when there is none.
    pub fn delete_table(&mut self, table: &str) -> Result<()> {
        let delete = message(libc::NFT_MSG_DELTABLE, ACK, libc::NFPROTO_IPV4).text(NFTA_TABLE_NAME, table);
        let messages = vec![batch(libc::NFNL_MSG_BATCH_BEGIN), delete, batch(libc::NFNL_MSG_BATCH_END)];
        self.batch(messages, 1, format_args!("nft delete table ip {table}"))
    }

    /// The names of all IPv4 tables.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN.
    pub fn tables(&mut self) -> Result<Vec<String>> {
        let ask = message(libc::NFT_MSG_GETTABLE, libc::NLM_F_DUMP as u16, libc::NFPROTO_IPV4);
        let answers = self.dump(ask, format_args!("nft list tables ip"))?;
        let name = |body: &Vec<u8>| {
            let parts = super::message::attributes(body.get(4..)?);
            let name = super::message::find(&parts, NFTA_TABLE_NAME)?;
            Some(String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned())
        };
        Ok(answers.iter().filter_map(|(_, body)| name(body)).collect())
    }
}

/// A message of nftables: `struct nfgenmsg` follows the header.
fn message(kind: i32, flags: u16, family: i32) -> Message {
    Message::new(SUBSYSTEM | kind as u16, flags).fixed(&[family as u8, 0, 0, 0])
}

/// The begin or the end of a batch; its resource id is the subsystem, in network byte order.
fn batch(kind: i32) -> Message {
    Message::new(kind as u16, 0).fixed(&[0, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u8])
}

fn new_table(table: &str) -> Message {
    message(libc::NFT_MSG_NEWTABLE, CREATE, libc::NFPROTO_IPV4).text(NFTA_TABLE_NAME, table)
}

fn new_chain(table: &str) -> Message {
    message(libc::NFT_MSG_NEWCHAIN, CREATE, libc::NFPROTO_IPV4)
        .text(NFTA_CHAIN_TABLE, table)
        .text(NFTA_CHAIN_NAME, "postrouting")
        .nested(NFTA_CHAIN_HOOK, |hook| {
            hook.big_endian(NFTA_HOOK_HOOKNUM, HOOK_POSTROUTING).big_endian(NFTA_HOOK_PRIORITY, PRIORITY_SOURCE_NAT)
        })
        .text(NFTA_CHAIN_TYPE, "nat")
}

/// `iifname INSIDE masquerade`
fn new_rule(table: &str, inside: &str) -> Message {
    message(libc::NFT_MSG_NEWRULE, CREATE | libc::NLM_F_APPEND as u16, libc::NFPROTO_IPV4)
        .text(NFTA_RULE_TABLE, table)
        .text(NFTA_RULE_CHAIN, "postrouting")
        .nested(NFTA_RULE_EXPRESSIONS, |rule| {
            let rule = expression(rule, "meta", |meta| {
                meta.big_endian(NFTA_META_DREG, REGISTER).big_endian(NFTA_META_KEY, libc::NFT_META_IIFNAME as u32)
            });
            let rule = expression(rule, "cmp", |compare| {
                compare
                    .big_endian(NFTA_CMP_SREG, REGISTER)
                    .big_endian(NFTA_CMP_OP, libc::NFT_CMP_EQ as u32)
                    .nested(NFTA_CMP_DATA, |data| data.attribute(NFTA_DATA_VALUE, &interface_name(inside)))
            });
            expression(rule, "masq", |masquerade| masquerade)
        })
}

/// One expression of a rule: a name, and the attributes that belong to it.
fn expression(rule: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    rule.nested(NFTA_LIST_ELEM, |element| element.text(NFTA_EXPR_NAME, name).nested(NFTA_EXPR_DATA, data))
}

/// An interface name as the kernel compares it: 16 bytes, filled with NUL.
fn interface_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use nix::sched::CloneFlags;

    use super::*;
    use crate::kernel::process::{self, Exit};

    #[test]
    fn a_masquerading_table_is_made_listed_and_removed() {
        let child = process::clone3(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET, None, || {
            let worked = (|| {
                let mut socket = Socket::netfilter()?;
                socket.masquerade("bottleship-test", "veth0")?;
                let made = socket.tables()?;
                socket.delete_table("bottleship-test")?;
                Ok::<_, crate::kernel::Error>(made == ["bottleship-test"] && socket.tables()?.is_empty())
            })();
            match worked {
                Ok(right) => i32::from(!right),
                Err(error) => {
                    eprintln!("{error}");
                    2
                }
            }
        });
        assert_eq!(process::wait(child.unwrap().fd.as_fd()).unwrap(), Exit::Code(0));
    }
}
