//! Names to addresses without the C library: `/etc/hosts`, then the name servers of `/etc/resolv.conf` (hosts(5), resolv.conf(5), RFC 1035).

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

/// The two files that name resolution reads.
#[derive(Debug, Default)]
pub struct Resolver {
    hosts: Vec<(IpAddr, String)>,
    servers: Vec<IpAddr>,
    search: Vec<String>,
    /// A name with fewer dots than this is tried with the search domains first.
    ndots: usize,
}

/// Why a name has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// A server said so, with this code of RFC 1035: `NXDOMAIN`, `SERVFAIL`, `REFUSED`; `NODATA` when the name has no such record.
    Said(&'static str),
    /// No server answered.
    Silence,
    /// It is no domain name.
    NoName,
}

/// One record of an answer, in text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name that it belongs to.
    pub name: String,
    /// `A`, `CNAME`, ...
    pub kind: String,
    /// Its data in the usual notation.
    pub data: String,
}

impl Resolver {
    /// Reads the machine's two files. Without a name server, the one on loopback is asked, as the C library does.
    pub fn system() -> Resolver {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Resolver::from_text(&read("/etc/hosts"), &read("/etc/resolv.conf"))
    }

    /// The same from the text of the files.
    pub fn from_text(hosts: &str, resolv: &str) -> Resolver {
        let mut resolver = Resolver { ndots: 1, ..Resolver::default() };
        for words in lines(hosts) {
            let Ok(address) = words[0].parse() else { continue };
            resolver.hosts.extend(words[1..].iter().map(|name| (address, name.to_ascii_lowercase())));
        }
        for words in lines(resolv) {
            match words[0] {
                "nameserver" => resolver.servers.extend(words.get(1).and_then(|word| word.parse::<IpAddr>().ok())),
                "search" | "domain" => resolver.search = words[1..].iter().map(|word| (*word).to_owned()).collect(),
                "options" => {
                    let ndots = words.iter().find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    resolver.ndots = ndots.unwrap_or(resolver.ndots);
                }
                _ => {}
            }
        }
        if resolver.servers.is_empty() {
            resolver.servers.push(Ipv4Addr::LOCALHOST.into());
        }
        resolver
    }

    /// The name servers, in their order.
    pub fn servers(&self) -> &[IpAddr] {
        &self.servers
    }

    /// The addresses of a name or of an address in text, IPv4 first.
    ///
    /// # Errors
    /// Nobody knows it.
    pub fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![address]);
        }
        let wanted = name.trim_end_matches('.').to_ascii_lowercase();
        let mut known: Vec<IpAddr> = self.hosts.iter().filter(|(_, host)| *host == wanted).map(|(address, _)| *address).collect();
        if known.is_empty() && (wanted == "localhost" || wanted.ends_with(".localhost")) {
            known.push(Ipv4Addr::LOCALHOST.into());
        }
        if known.is_empty() {
            known = self.ask_for_addresses(name)?;
        }
        known.sort_by_key(IpAddr::is_ipv6);
        Ok(known)
    }

    fn ask_for_addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let mut last = Unresolved::Silence;
        for kind in [TYPE::A, TYPE::AAAA] {
            match self.query(name, kind) {
                Ok(records) => {
                    let found: Vec<IpAddr> = records.iter().filter_map(|record| record.data.parse().ok()).collect();
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                Err(Unresolved::Silence) => return Err(Unresolved::Silence),
                Err(other) => last = other,
            }
        }
        Err(last)
    }

    /// What an address is called: by the hosts file, else by the name servers.
    pub fn name_of(&self, address: IpAddr) -> Option<String> {
        let known = self.hosts.iter().find(|(known, _)| *known == address).map(|(_, name)| name.clone());
        known.or_else(|| {
            let records = self.query(&format!("{}.", reverse_name(address)), TYPE::PTR).ok()?;
            records.into_iter().find(|record| record.kind == "PTR").map(|record| record.data.trim_end_matches('.').to_owned())
        })
    }

    /// Asks the name servers for records of a kind, with the search domains where they apply.
    ///
    /// # Errors
    /// The last server's refusal, or that none answered.
    pub fn query(&self, name: &str, kind: TYPE) -> Result<Vec<Record>, Unresolved> {
        let mut last = Unresolved::Silence;
        for candidate in self.candidates(name) {
            for server in &self.servers {
                match ask(SocketAddr::new(*server, 53), &candidate, kind, Duration::from_secs(2)) {
                    Ok(records) => return Ok(records),
                    Err(Unresolved::Silence) => {}
                    Err(said) => {
                        last = said;
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    /// The full names to try for a name, in order (resolv.conf(5), ndots).
    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.trim_end_matches('.').to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        if name.matches('.').count() >= self.ndots {
            std::iter::once(name.to_owned()).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(name.to_owned())).collect()
        }
    }
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let content = text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default());
    content.map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|words| !words.is_empty())
}

/// 10.0.0.7 is asked for as 7.0.0.10.in-addr.arpa (RFC 1035, 3.5); IPv6 by its half bytes under ip6.arpa (RFC 3596).
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(six) => {
            let halves = six.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            halves.map(|half| format!("{half:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

/// Asks one server one question, twice if need be; over TCP when the answer was too long for a datagram.
///
/// # Errors
/// What the server said, or its silence.
pub fn ask(server: SocketAddr, name: &str, kind: TYPE, patience: Duration) -> Result<Vec<Record>, Unresolved> {
    let id = std::process::id() as u16
        ^ (std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos() as u16));
    let question = question(id, name, kind)?;
    let mut answer = (0..2).find_map(|_| over_udp(server, &question, id, patience)).ok_or(Unresolved::Silence)?;
    if Packet::parse(&answer).is_ok_and(|packet| packet.has_flags(PacketFlag::TRUNCATION)) {
        answer = over_tcp(server, &question, patience).map_err(|_| Unresolved::Silence)?;
    }
    read_answer(&answer, kind)
}

fn question(id: u16, name: &str, kind: TYPE) -> Result<Vec<u8>, Unresolved> {
    if name.split('.').any(str::is_empty) {
        return Err(Unresolved::NoName);
    }
    let name = Name::new(name).map_err(|_| Unresolved::NoName)?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(|_| Unresolved::NoName)
}

fn over_udp(server: SocketAddr, question: &[u8], id: u16, patience: Duration) -> Option<Vec<u8>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(server).ok()?;
    socket.send(question).ok()?;
    let deadline = Instant::now() + patience;
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        socket.set_read_timeout(Some(left)).ok()?;
        let length = socket.recv(&mut buffer).ok()?;
        // An answer to another question (an old one, or a forged one) is passed over.
        if buffer[..length].starts_with(&id.to_be_bytes()) {
            return Some(buffer[..length].to_vec());
        }
    }
}

fn over_tcp(server: SocketAddr, question: &[u8], patience: Duration) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes()[..], question].concat())?;
    let mut size = [0; 2];
    stream.read_exact(&mut size)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(size))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// What an answer says: its records, or the refusal.
pub(super) fn read_answer(bytes: &[u8], kind: TYPE) -> Result<Vec<Record>, Unresolved> {
    let packet = Packet::parse(bytes).map_err(|_| Unresolved::Said("FORMERR"))?;
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Err(Unresolved::Said("NXDOMAIN")),
        RCODE::Refused => return Err(Unresolved::Said("REFUSED")),
        RCODE::NotImplemented => return Err(Unresolved::Said("NOTIMP")),
        RCODE::FormatError => return Err(Unresolved::Said("FORMERR")),
        _ => return Err(Unresolved::Said("SERVFAIL")),
    }
    let records: Vec<Record> = packet
        .answers
        .iter()
        .filter_map(|answer| {
            let (kind, data) = in_text(&answer.rdata)?;
            Some(Record { name: answer.name.to_string(), kind: kind.to_owned(), data })
        })
        .collect();
    let wanted = format!("{kind:?}");
    if records.iter().any(|record| record.kind == wanted) { Ok(records) } else { Err(Unresolved::Said("NODATA")) }
}

fn in_text(data: &RData<'_>) -> Option<(&'static str, String)> {
    Some(match data {
        RData::A(a) => ("A", Ipv4Addr::from(a.address).to_string()),
        RData::AAAA(aaaa) => ("AAAA", std::net::Ipv6Addr::from(aaaa.address).to_string()),
        RData::CNAME(name) => ("CNAME", format!("{}.", name.0)),
        RData::PTR(name) => ("PTR", format!("{}.", name.0)),
        RData::NS(name) => ("NS", format!("{}.", name.0)),
        RData::MX(mx) => ("MX", format!("{} {}.", mx.preference, mx.exchange)),
        RData::SRV(srv) => ("SRV", format!("{} {} {} {}.", srv.priority, srv.weight, srv.port, srv.target)),
        RData::TXT(txt) => ("TXT", format!("\"{}\"", String::try_from(txt.clone()).unwrap_or_default())),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::A;

    #[test]
    fn addresses_are_asked_for_backwards() {
        assert_eq!(reverse_name("10.0.0.7".parse().unwrap()), "7.0.0.10.in-addr.arpa");
        assert!(reverse_name("::1".parse().unwrap()).starts_with("1.0.0.0."));
        assert_eq!(reverse_name("::1".parse().unwrap()).len(), 64 + "ip6.arpa".len());
        let resolver = Resolver::from_text("10.0.0.7 web.fleet web\n", "");
        assert_eq!(resolver.name_of("10.0.0.7".parse().unwrap()).as_deref(), Some("web.fleet"));
    }

    #[test]
    fn the_hosts_file_comes_first_and_comments_do_not_count() {
        let resolver = Resolver::from_text("# ours\n10.0.0.7 Web web.local # the web\nnonsense x\n::1 six\n10.0.0.8 six", "");
        assert_eq!(resolver.addresses("WEB").unwrap(), [IpAddr::from([10, 0, 0, 7])]);
        assert!(resolver.addresses("six").unwrap()[0].is_ipv4(), "IPv4 first");
        assert_eq!(resolver.addresses("127.0.0.1").unwrap(), [IpAddr::from([127, 0, 0, 1])]);
        assert_eq!(resolver.servers(), [IpAddr::from([127, 0, 0, 1])]);
    }

    #[test]
    fn search_domains_apply_as_resolv_conf_says() {
        let resolver = Resolver::from_text("", "nameserver 9.9.9.9\nsearch a.example b.example\noptions ndots:2 timeout:1\n");
        assert_eq!(resolver.candidates("db"), ["db.a.example", "db.b.example", "db"]);
        assert_eq!(resolver.candidates("x.y.z")[0], "x.y.z");
        assert_eq!(resolver.candidates("db."), ["db"]);
    }

    #[test]
    fn a_real_server_on_loopback_is_asked() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            for _ in 0..2 {
                let (length, from) = server.recv_from(&mut buffer).unwrap();
                let query = Packet::parse(&buffer[..length]).unwrap();
                let mut reply = Packet::new_reply(query.id());
                let asked = query.questions[0].qname.clone();
                if asked.to_string() == "ship.example" {
                    reply.answers.push(ResourceRecord::new(asked, CLASS::IN, 60, RData::A(A::from(Ipv4Addr::new(10, 1, 2, 3)))));
                } else {
                    *reply.rcode_mut() = RCODE::NameError;
                }
                server.send_to(&reply.build_bytes_vec().unwrap(), from).unwrap();
            }
        });
        let records = ask(address, "ship.example", TYPE::A, Duration::from_secs(5)).unwrap();
        assert_eq!(records, [Record { name: "ship.example".into(), kind: "A".into(), data: "10.1.2.3".into() }]);
        assert_eq!(ask(address, "no.example", TYPE::A, Duration::from_secs(5)), Err(Unresolved::Said("NXDOMAIN")));
        answering.join().unwrap();
        assert_eq!(ask(address, "bad..name", TYPE::A, Duration::from_millis(50)), Err(Unresolved::NoName));
    }
}
