//! The rules that there are: what the kernel answers, said as `nft list ruleset` says it. Only looks.
//!
//! The kernel keeps a rule as a row of expressions that load, mask and compare registers. They are read back one after the other, and what came into a
//! register is remembered until something is done with it. An expression that is not known here is named in brackets, never left out: `[lookup]`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::super::error::Result;
use super::super::super::xray;
use super::super::{Answer, Request, Socket, attributes, look};
use super::rule::attr;
use super::{PART, SUBSYSTEM, comment, part};

/// A table with its chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `ip`, `ip6`, `inet`, ...
    pub family: String,
    /// Its name.
    pub name: String,
    /// What its maker has noted on it; may be empty.
    pub comment: String,
    /// Its chains, in the order in which they were made.
    pub chains: Vec<Chain>,
}

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// `type nat hook prerouting priority dstnat; policy accept;`; empty for one that others jump to.
    pub hook: String,
    /// Its rules, from the first to the last.
    pub rules: Vec<String>,
}

/// Attributes of expressions that are only read.
mod more {
    pub const COUNTER_BYTES: u16 = 1;
    pub const COUNTER_PACKETS: u16 = 2;
}

const VERDICT_REGISTER: u32 = libc::NFT_REG_VERDICT as u32;

impl Socket {
    /// All tables of all families in the current network namespace.
    ///
    /// # Errors
    /// EPERM for an ordinary user, EOPNOTSUPP on a kernel without nftables.
    pub fn ruleset(&mut self) -> Result<Vec<Table>> {
        let mut tables: Vec<Table> = self.listed(libc::NFT_MSG_GETTABLE)?.iter().filter_map(|(_, body)| table(body)).collect();
        for (_, body) in self.listed(libc::NFT_MSG_GETCHAIN)? {
            let Some((owner, chain)) = chain(&body) else { continue };
            tables.iter_mut().filter(|table| table.is(&owner)).for_each(|table| table.chains.push(chain.clone()));
        }
        for (_, body) in self.listed(libc::NFT_MSG_GETRULE)? {
            let Some((owner, name, text)) = rule(&body) else { continue };
            let chains = tables.iter_mut().filter(|table| table.is(&owner)).flat_map(|table| &mut table.chains);
            chains.filter(|chain| chain.name == name).for_each(|chain| chain.rules.push(text.clone()));
        }
        Ok(tables)
    }

    fn listed(&mut self, kind: i32) -> Result<Vec<Answer>> {
        let request = Request::new(SUBSYSTEM | kind as u16, libc::NLM_F_DUMP, &part(0, 0));
        xray::call("nft list", &"ruleset", format_args!("ruleset, message {kind}"), || self.ask(request))
    }
}

impl Table {
    fn is(&self, owner: &(String, String)) -> bool {
        (&self.family, &self.name) == (&owner.0, &owner.1)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "table {} {} {{", self.family, self.name)?;
        if !self.comment.is_empty() {
            writeln!(out, "    comment \"{}\"", self.comment)?;
        }
        for chain in &self.chains {
            writeln!(out, "    chain {} {{", chain.name)?;
            for line in Some(&chain.hook).filter(|hook| !hook.is_empty()).into_iter().chain(&chain.rules) {
                writeln!(out, "        {line}")?;
            }
            writeln!(out, "    }}")?;
        }
        write!(out, "}}")
    }
}

/// The attributes of an answer, by number, and the family that it is of.
fn parts(body: &[u8]) -> Option<(String, BTreeMap<u16, &[u8]>)> {
    let family = match i32::from(*body.first()?) {
        libc::NFPROTO_INET => "inet",
        libc::NFPROTO_IPV4 => "ip",
        libc::NFPROTO_IPV6 => "ip6",
        libc::NFPROTO_ARP => "arp",
        libc::NFPROTO_NETDEV => "netdev",
        libc::NFPROTO_BRIDGE => "bridge",
        _ => return None,
    };
    Some((family.to_owned(), attributes(body.get(PART..)?).into_iter().collect()))
}

fn table(body: &[u8]) -> Option<Table> {
    let (family, all) = parts(body)?;
    let name = look::text(all.get(&super::attr::TABLE_NAME)?);
    let comment = all.get(&super::attr::TABLE_USERDATA).map(|data| comment(data)).unwrap_or_default();
    Some(Table { family, name, comment, chains: Vec::new() })
}

/// A chain, and which table's it is.
fn chain(body: &[u8]) -> Option<((String, String), Chain)> {
    let (family, all) = parts(body)?;
    let text = |kind: u16| all.get(&kind).map(|value| look::text(value));
    let hook = all.get(&attr::CHAIN_HOOK).and_then(|hook| {
        let hook = nest(hook);
        let (number, priority) = (big(hook.get(&attr::HOOK_HOOKNUM)?), big(hook.get(&attr::HOOK_PRIORITY)?) as i32);
        let kind = text(attr::CHAIN_TYPE).unwrap_or_default();
        let policy = all.get(&attr::CHAIN_POLICY).map_or(libc::NF_ACCEPT, |policy| big(policy) as i32);
        let policy = if policy == libc::NF_DROP { "drop" } else { "accept" };
        let number = i32::try_from(number).ok()?;
        Some(format!("type {kind} hook {} priority {}; policy {policy};", hook_name(number), named_priority(number, priority)))
    });
    let chain = Chain { name: text(attr::CHAIN_NAME)?, hook: hook.unwrap_or_default(), rules: Vec::new() };
    Some(((family, text(attr::CHAIN_TABLE)?), chain))
}

fn hook_name(number: i32) -> &'static str {
    match number {
        libc::NF_INET_PRE_ROUTING => "prerouting",
        libc::NF_INET_LOCAL_IN => "input",
        libc::NF_INET_FORWARD => "forward",
        libc::NF_INET_LOCAL_OUT => "output",
        libc::NF_INET_POST_ROUTING => "postrouting",
        _ => "ingress",
    }
}

/// A priority by its name, where it has one at that hook (nft(8), "Standard priority names").
fn named_priority(hook: i32, priority: i32) -> String {
    let name = match priority {
        -300 => "raw",
        -150 => "mangle",
        -100 if hook == libc::NF_INET_PRE_ROUTING => "dstnat",
        0 => "filter",
        50 => "security",
        100 if hook == libc::NF_INET_POST_ROUTING => "srcnat",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// A rule: its table, its chain, and what it says.
fn rule(body: &[u8]) -> Option<((String, String), String, String)> {
    let (family, all) = parts(body)?;
    let text = |kind: u16| all.get(&kind).map(|value| look::text(value));
    let mut said = Said { ipv6: family == "ip6", ..Said::default() };
    for (_, element) in attributes(all.get(&attr::RULE_EXPRESSIONS).copied().unwrap_or_default()) {
        let element = nest(element);
        let name = element.get(&attr::EXPR_NAME).map(|name| look::text(name)).unwrap_or_default();
        let data = element.get(&attr::EXPR_DATA).map(|data| nest(data)).unwrap_or_default();
        if said.expression(&name, &data).is_none() {
            said.say(format!("[{name}]"));
        }
    }
    said.protocol_alone();
    let noted = all.get(&attr::RULE_USERDATA).map(|data| comment(data)).filter(|comment| !comment.is_empty());
    said.words.extend(noted.map(|comment| format!("comment \"{comment}\"")));
    Some(((family, text(attr::RULE_TABLE)?), text(attr::RULE_CHAIN)?, said.words.join(" ")))
}

fn nest(value: &[u8]) -> BTreeMap<u16, &[u8]> {
    attributes(value).into_iter().collect()
}

/// A number, as netfilter sends it: in network order.
fn big(value: &&[u8]) -> u32 {
    (*value).try_into().map_or(0, u32::from_be_bytes)
}

/// What a register holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    /// `iifname`, `oifname`, `meta mark`, ...
    Meta(u32),
    /// Bytes of a header: base, offset, length.
    Header(u32, u32, u32),
    /// `ct state`, `ct status`, ...
    Tracked(u32),
    /// `fib daddr type`.
    AddressType(&'static str),
    /// A constant.
    Bytes(Vec<u8>),
}

/// The words of a rule so far, and the state of the registers.
#[derive(Debug, Default)]
struct Said {
    ipv6: bool,
    words: Vec<String>,
    held: BTreeMap<u32, (Held, Option<Vec<u8>>)>,
    /// The protocol that was asked for, and not yet said: `tcp dport 80` says it together with the port.
    protocol: Option<u8>,
}

impl Said {
    /// Takes in an expression; `None` for what is not known here.
    fn expression(&mut self, name: &str, data: &BTreeMap<u16, &[u8]>) -> Option<()> {
        let number = |kind: u16| data.get(&kind).map(big);
        match name {
            "meta" => self.hold(number(attr::META_DREG)?, Held::Meta(number(attr::META_KEY)?)),
            "ct" => self.hold(number(attr::CT_DREG)?, Held::Tracked(number(attr::CT_KEY)?)),
            "payload" => {
                let header = Held::Header(number(attr::PAYLOAD_BASE)?, number(attr::PAYLOAD_OFFSET)?, number(attr::PAYLOAD_LEN)?);
                self.hold(number(attr::PAYLOAD_DREG)?, header);
            }
            "fib" => {
                // Only the type of an address is known here, not the link that leads to it.
                let side = match (number(attr::FIB_RESULT)?, number(attr::FIB_FLAGS)?) {
                    (3, 1) => "fib saddr type",
                    (3, 2) => "fib daddr type",
                    _ => return None,
                };
                self.hold(number(attr::FIB_DREG)?, Held::AddressType(side));
            }
            "bitwise" => {
                let (held, _) = self.held.get(&number(attr::BITWISE_SREG)?)?.clone();
                let mask = nest(data.get(&attr::BITWISE_MASK)?).get(&attr::DATA_VALUE)?.to_vec();
                self.held.insert(number(attr::BITWISE_DREG)?, (held, Some(mask)));
            }
            "cmp" => {
                let (held, mask) = self.held.get(&number(attr::CMP_SREG)?)?.clone();
                let value = nest(data.get(&attr::CMP_DATA)?).get(&attr::DATA_VALUE)?.to_vec();
                let operator = i32::try_from(number(attr::CMP_OP)?).ok()?;
                self.compared(&held, mask.as_deref(), operator, &value)?;
            }
            "immediate" => {
                let (register, value) = (number(attr::IMMEDIATE_DREG)?, nest(data.get(&attr::IMMEDIATE_DATA)?));
                if register == VERDICT_REGISTER {
                    let verdict = nest(value.get(&attr::DATA_VERDICT)?);
                    let chain = verdict.get(&attr::VERDICT_CHAIN).map(|chain| look::text(chain));
                    let words = fate(big(verdict.get(&attr::VERDICT_CODE)?) as i32, chain)?;
                    self.say(words);
                } else {
                    let value = value.get(&attr::DATA_VALUE)?.to_vec();
                    self.hold(register, Held::Bytes(value));
                }
            }
            "nat" => {
                let kind = if number(attr::NAT_TYPE)? == libc::NFT_NAT_DNAT as u32 { "dnat" } else { "snat" };
                let bytes = |register: Option<u32>| match self.held.get(&register?) {
                    Some((Held::Bytes(bytes), _)) => Some(bytes.clone()),
                    _ => None,
                };
                let address = bytes(number(attr::NAT_ADDRESS_REG)).and_then(|bytes| address(&bytes)).unwrap_or_default();
                let port = bytes(number(attr::NAT_PORT_REG)).and_then(|bytes| Some(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?)));
                let address = if address.contains(':') && port.is_some() { format!("[{address}]") } else { address };
                self.say(format!("{kind} to {address}{}", port.map_or(String::new(), |port| format!(":{port}"))));
            }
            "masq" => self.say("masquerade".to_owned()),
            "counter" => {
                let count = |kind: u16| data.get(&kind).and_then(|value| Some(u64::from_be_bytes((*value).try_into().ok()?)));
                self.say(format!("counter packets {} bytes {}", count(more::COUNTER_PACKETS)?, count(more::COUNTER_BYTES)?));
            }
            _ => return None,
        }
        Some(())
    }

    fn hold(&mut self, register: u32, held: Held) {
        self.held.insert(register, (held, None));
    }

    fn say(&mut self, words: String) {
        self.protocol_alone();
        self.words.push(words);
    }

    /// Says the protocol that no port came behind.
    fn protocol_alone(&mut self) {
        if let Some(protocol) = self.protocol.take() {
            self.words.push(format!("meta l4proto {}", protocol_name(protocol)));
        }
    }

    fn compared(&mut self, held: &Held, mask: Option<&[u8]>, operator: i32, value: &[u8]) -> Option<()> {
        if mask.is_some() && !matches!(held, Held::Tracked(_) | Held::Header(..)) {
            return None;
        }
        let different = match operator {
            libc::NFT_CMP_EQ => "",
            libc::NFT_CMP_NEQ => "!= ",
            libc::NFT_CMP_LT => "< ",
            libc::NFT_CMP_LTE => "<= ",
            libc::NFT_CMP_GT => "> ",
            libc::NFT_CMP_GTE => ">= ",
            _ => return None,
        };
        let words = match held {
            Held::Meta(key) => match (i32::try_from(*key).ok()?, value) {
                (libc::NFT_META_IIFNAME, name) => format!("iifname {different}\"{}\"", look::text(name)),
                (libc::NFT_META_OIFNAME, name) => format!("oifname {different}\"{}\"", look::text(name)),
                (libc::NFT_META_L4PROTO, [protocol]) if different.is_empty() => {
                    self.protocol_alone();
                    self.protocol = Some(*protocol);
                    return Some(());
                }
                (libc::NFT_META_L4PROTO, [protocol]) => format!("meta l4proto {different}{}", protocol_name(*protocol)),
                (libc::NFT_META_MARK, mark) => format!("meta mark {different}0x{:08x}", native(mark)?),
                _ => return None,
            },
            Held::AddressType(side) => format!("{side} {different}{}", address_type(native(value)?)?),
            // `ct state a,b` is: of these bits one at least.
            Held::Tracked(key) => {
                let names: &[(u32, &str)] = match i32::try_from(*key).ok()? {
                    libc::NFT_CT_STATE => &[(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")],
                    libc::NFT_CT_STATUS => {
                        &[(1, "expected"), (2, "seen-reply"), (4, "assured"), (8, "confirmed"), (16, "snat"), (32, "dnat")]
                    }
                    _ => return None,
                };
                let bits = match (mask, operator) {
                    (Some(mask), libc::NFT_CMP_NEQ) if native(value)? == 0 => native(mask)?,
                    (None, libc::NFT_CMP_EQ) => native(value)?,
                    _ => return None,
                };
                let names: Vec<&str> = names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
                let word = if *key == libc::NFT_CT_STATE as u32 { "state" } else { "status" };
                format!("ct {word} {}", names.join(","))
            }
            Held::Header(base, offset, length) => return self.header((*base, *offset, *length), mask, different, value),
            Held::Bytes(_) => return None,
        };
        self.say(words);
        Some(())
    }

    /// A comparison with bytes of a header: an address, or a port.
    fn header(&mut self, (base, offset, length): (u32, u32, u32), mask: Option<&[u8]>, different: &str, value: &[u8]) -> Option<()> {
        if base == libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32 {
            let protocol = self.protocol.filter(|protocol| mask.is_none() && [6, 17].contains(protocol))?;
            let side = match (offset, length) {
                (0, 2) => "sport",
                (2, 2) => "dport",
                _ => return None,
            };
            let port = u16::from_be_bytes(value.try_into().ok()?);
            self.protocol = None;
            self.words.push(format!("{} {side} {different}{port}", protocol_name(protocol)));
            return Some(());
        }
        if base != libc::NFT_PAYLOAD_NETWORK_HEADER as u32 {
            return None;
        }
        let (width, family) = if self.ipv6 { (16, "ip6") } else { (4, "ip") };
        let side = match (self.ipv6, offset) {
            (false, 12) | (true, 8) => "saddr",
            (false, 16) | (true, 24) => "daddr",
            _ => return None,
        };
        // Two addresses that stand side by side may be compared at once.
        if value.len() > width {
            return None;
        }
        // A prefix of whole bytes may be compared by these bytes alone.
        let prefix = match mask {
            Some(mask) => prefix_of(mask)?,
            None => u32::try_from(value.len()).ok()? * 8,
        };
        let mut bytes = value.to_vec();
        bytes.resize(width, 0);
        let prefix = if prefix == width as u32 * 8 { String::new() } else { format!("/{prefix}") };
        self.say(format!("{family} {side} {different}{}{prefix}", address(&bytes)?));
        Some(())
    }
}

/// The length of the prefix that a mask stands for; none if it has holes.
fn prefix_of(mask: &[u8]) -> Option<u32> {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let whole = mask.iter().take_while(|byte| **byte == u8::MAX).count();
    let leading = whole as u32 * 8 + mask.get(whole).map_or(0, |byte| byte.leading_ones());
    (ones == leading).then_some(ones)
}

/// A number in the machine's own byte order, as registers have them.
fn native(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
        _ => None,
    }
}

fn protocol_name(protocol: u8) -> String {
    match i32::from(protocol) {
        libc::IPPROTO_TCP => "tcp".to_owned(),
        libc::IPPROTO_UDP => "udp".to_owned(),
        libc::IPPROTO_ICMP => "icmp".to_owned(),
        libc::IPPROTO_ICMPV6 => "ipv6-icmp".to_owned(),
        other => other.to_string(),
    }
}

fn address_type(number: u32) -> Option<&'static str> {
    Some(match u8::try_from(number).ok()? {
        libc::RTN_UNICAST => "unicast",
        libc::RTN_LOCAL => "local",
        libc::RTN_BROADCAST => "broadcast",
        libc::RTN_MULTICAST => "multicast",
        _ => return None,
    })
}

fn fate(code: i32, chain: Option<String>) -> Option<String> {
    Some(match (code, chain) {
        (libc::NF_ACCEPT, _) => "accept".to_owned(),
        (libc::NF_DROP, _) => "drop".to_owned(),
        (libc::NFT_RETURN, _) => "return".to_owned(),
        (libc::NFT_CONTINUE, _) => "continue".to_owned(),
        (libc::NFT_JUMP, Some(chain)) => format!("jump {chain}"),
        (libc::NFT_GOTO, Some(chain)) => format!("goto {chain}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
