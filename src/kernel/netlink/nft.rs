//! nftables: tables, chains and the few kinds of [rules](rule) that bottles and networks of containers need (libnftnl's wire format;
//! `nft --debug=netlink` shows the same).
//!
//! Every change is a transaction: a datagram that begins with NFNL_MSG_BATCH_BEGIN and ends with NFNL_MSG_BATCH_END takes effect as a
//! whole or not at all. A table is removed with everything in it, so what a bottle adds to a machine is one table of its own.

pub mod listing;
pub mod rule;

use std::fmt;
use std::net::Ipv4Addr;

use rule::{Hook, Match, Rule, Verdict};

use super::super::error::Result;
use super::super::xray;
use super::{Request, Socket, attributes, look};

const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8;
const CREATE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE;

/// Attribute numbers of linux/netfilter/nf_tables.h, which libc does not have. The same number means another thing in another nest.
mod attr {
    pub const TABLE_NAME: u16 = 1;
    pub const TABLE_FLAGS: u16 = 2;
    pub const TABLE_USERDATA: u16 = 6;
    pub const RULE_TABLE: u16 = 1;
    pub const RULE_CHAIN: u16 = 2;
    pub const RULE_HANDLE: u16 = 3;
    pub const RULE_USERDATA: u16 = 7;
}

/// Which packets a table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `ip`: IPv4.
    Ip,
    /// `ip6`: IPv6.
    Ip6,
}

impl Family {
    fn number(self) -> u8 {
        (if self == Family::Ip { libc::NFPROTO_IPV4 } else { libc::NFPROTO_IPV6 }) as u8
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if *self == Family::Ip { "ip" } else { "ip6" })
    }
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
/// The type of a comment among the user data of a table (`NFTNL_UDATA_TABLE_COMMENT`) and of a rule (`NFTNL_UDATA_RULE_COMMENT`), and the most that
/// user data may hold.
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
        let rule = Rule {
            chain: "postrouting",
            when: vec![Match::Source(source.0.into(), source.1), Match::NotTo(inside.to_owned())],
            then: Verdict::Masquerade,
            comment: None,
        };
        self.add_table((Family::Ip, table), comment, owned, &[("postrouting", Some(Hook::Postrouting))], &[rule])
    }

    /// Adds the table `table` with these chains and rules, as a whole or not at all. A chain without a hook is one that rules jump to.
    ///
    /// # Errors
    /// As [`Socket::add_masquerade`].
    pub fn add_table(
        &mut self,
        (family, table): (Family, &str),
        comment: Option<&str>,
        owned: bool,
        chains: &[(&str, Option<Hook>)],
        rules: &[Rule],
    ) -> Result<()> {
        let mut requests = vec![new_table(family, table, comment, owned)];
        requests.extend(chains.iter().map(|(name, hook)| rule::new_chain(family, table, name, *hook)));
        requests.extend(rules.iter().map(|one| rule::new_rule(family, table, one)));
        let said = rules.iter().map(Rule::to_string).collect::<Vec<_>>().join("; ");
        xray::call("nft add", &table, format_args!("table {family} {table}: {said}"), || self.ask_all(batch(requests)).map(drop))
    }

    /// Adds a rule to the end of its chain.
    ///
    /// # Errors
    /// ENOENT without the table or the chain, EOPNOTSUPP for what the kernel was built without.
    pub fn add_rule(&mut self, (family, table): (Family, &str), rule: &Rule) -> Result<()> {
        let request = rule::new_rule(family, table, rule);
        xray::call("nft add", &table, format_args!("rule {family} {table} {}: {rule}", rule.chain), || {
            self.ask_all(batch(vec![request])).map(drop)
        })
    }

    /// Removes the rules of a chain whose comment is one of those that `chosen` says yes to.
    ///
    /// # Errors
    /// ENOENT without the table or the chain.
    pub fn delete_rules(&mut self, (family, table): (Family, &str), chain: &str, chosen: impl Fn(&str) -> bool) -> Result<()> {
        let about = |kind: i32, flags| {
            let request = Request::new(SUBSYSTEM | kind as u16, flags, &part(family.number(), 0));
            request.text(attr::RULE_TABLE, table).text(attr::RULE_CHAIN, chain)
        };
        let list = about(libc::NFT_MSG_GETRULE, libc::NLM_F_DUMP);
        let answers = xray::call("nft list", &table, format_args!("chain {family} {table} {chain}"), || self.ask(list))?;
        let handles = answers.iter().filter_map(|(_, body)| handle(body)).filter(|(_, comment)| chosen(comment));
        let requests: Vec<Request> =
            handles.map(|(handle, _)| about(libc::NFT_MSG_DELRULE, libc::NLM_F_ACK).attr(attr::RULE_HANDLE, &handle)).collect();
        if requests.is_empty() {
            return Ok(());
        }
        let count = requests.len();
        xray::call("nft delete", &table, format_args!("{count} rules of chain {family} {table} {chain}"), || {
            self.ask_all(batch(requests)).map(drop)
        })
    }

    /// Removes the table `table` with everything in it.
    ///
    /// # Errors
    /// ENOENT when there is none, EPERM when it belongs to another socket.
    pub fn delete_table(&mut self, (family, table): (Family, &str)) -> Result<()> {
        let kind = SUBSYSTEM | libc::NFT_MSG_DELTABLE as u16;
        let request = Request::new(kind, libc::NLM_F_ACK, &part(family.number(), 0)).text(attr::TABLE_NAME, table);
        xray::call("nft delete", &table, format_args!("table {family} {table}"), || self.ask_all(batch(vec![request])).map(drop))
    }

    /// The names and comments of the IPv4 tables.
    ///
    /// # Errors
    /// EPERM for an ordinary user, EOPNOTSUPP on a kernel without nftables.
    pub fn tables(&mut self) -> Result<Vec<(String, String)>> {
        let kind = SUBSYSTEM | libc::NFT_MSG_GETTABLE as u16;
        let request = Request::new(kind, libc::NLM_F_DUMP, &part(Family::Ip.number(), 0));
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

fn new_table(family: Family, table: &str, comment: Option<&str>, owned: bool) -> Request {
    let kind = SUBSYSTEM | libc::NFT_MSG_NEWTABLE as u16;
    let mut request = Request::new(kind, CREATE | libc::NLM_F_EXCL, &part(family.number(), 0)).text(attr::TABLE_NAME, table);
    if owned {
        request = request.big(attr::TABLE_FLAGS, OWNED);
    }
    if let Some(data) = comment.and_then(userdata) {
        request = request.attr(attr::TABLE_USERDATA, &data);
    }
    request
}

/// The handle of a rule of an answer, as the kernel wants it back, and the rule's comment.
fn handle(body: &[u8]) -> Option<(Vec<u8>, String)> {
    let all = attributes(body.get(PART..)?);
    let found = |wanted| all.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
    Some((found(attr::RULE_HANDLE)?.to_vec(), comment(found(attr::RULE_USERDATA).unwrap_or_default())))
}

/// User data with one entry, a comment; `None` when it is too long.
fn userdata(comment: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(comment.len() + 1).ok().filter(|length| usize::from(*length) + 2 < USERDATA)?;
    let mut data = vec![COMMENT, length];
    data.extend_from_slice(comment.as_bytes());
    data.push(0);
    Some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_found_among_other_user_data_and_cut_data_are_survived() {
        let data = [7, 2, 1, 1, COMMENT, 3, b'h', b'i', 0];
        assert_eq!(comment(&data), "hi");
        for cut in 0..data.len() {
            let _ = (comment(&data[..cut]), table(&data[..cut]), handle(&data[..cut]));
        }
    }
}
