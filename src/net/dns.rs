//! A DNS server (RFC 1035) for a [`Zone`]: A, AAAA (RFC 3596) and PTR records, an empty answer for other types of a known name, NXDOMAIN for unknown names.
//!
//! [`answer`] is the whole of it: bytes in, bytes out, no clock, no socket. [`serve`] carries bytes between it and the sockets.
//! Leaves out: zone transfers, updates, recursion to other servers. The world of a bottle ends here.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use simple_dns::rdata::{A, AAAA, PTR, RData};
use simple_dns::{CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE};

use super::Zone;
use crate::kernel::poll;

/// Seconds that a resolver may keep an answer. Short: learners change the world.
const TTL: u32 = 30;
/// The largest answer over UDP without EDNS.
const UDP: usize = 512;
/// How long a TCP client may take to send a question; the server answers one client at a time.
const PATIENCE: Duration = Duration::from_millis(500);

/// The answer to a query; `None` for bytes that are no query at all (an answer, or too short to have an id).
/// Over UDP an answer that does not fit is cut and marked so that the client asks again over TCP.
pub fn answer(zone: &Zone, query: &[u8], over_udp: bool) -> Option<Vec<u8>> {
    let Ok(packet) = Packet::parse(query) else {
        return malformed(query);
    };
    if packet.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    let mut reply = Packet::new_reply(packet.id());
    reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER | PacketFlag::RECURSION_AVAILABLE);
    if packet.has_flags(PacketFlag::RECURSION_DESIRED) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    *reply.opcode_mut() = packet.opcode();
    *reply.rcode_mut() = match (packet.opcode(), packet.questions.as_slice()) {
        (OPCODE::StandardQuery, [question]) => look_up(zone, question, &mut reply),
        (OPCODE::StandardQuery, _) => RCODE::FormatError,
        _ => RCODE::NotImplemented,
    };
    reply.questions = packet.questions;
    let bytes = reply.build_bytes_vec_compressed().ok()?;
    if over_udp && bytes.len() > UDP {
        reply.answers.clear();
        reply.set_flags(PacketFlag::TRUNCATION);
        return reply.build_bytes_vec_compressed().ok();
    }
    Some(bytes)
}

/// FORMERR for something with at least a header that asks; silence for the rest, lest two servers talk to each other for ever.
fn malformed(query: &[u8]) -> Option<Vec<u8>> {
    let asks = query.len() >= 12 && query[2] & 0x80 == 0;
    let mut reply = Packet::new_reply(u16::from_be_bytes([*query.first()?, *query.get(1)?]));
    *reply.rcode_mut() = RCODE::FormatError;
    if asks { reply.build_bytes_vec().ok() } else { None }
}

fn look_up(zone: &Zone, question: &Question<'_>, reply: &mut Packet<'_>) -> RCODE {
    if !matches!(question.qclass, QCLASS::CLASS(CLASS::IN) | QCLASS::ANY) {
        return RCODE::Refused;
    }
    let name = question.qname.to_string();
    let owner = question.qname.clone().into_owned();
    if let Some(address) = reverse(&name) {
        let Some(target) = zone.name_of(address) else { return RCODE::NameError };
        if wants(question, TYPE::PTR)
            && let Ok(target) = Name::new(target)
        {
            reply.answers.push(ResourceRecord::new(owner, CLASS::IN, TTL, RData::PTR(PTR(target.into_owned()))));
        }
        return RCODE::NoError;
    }
    let Some(addresses) = zone.addresses(&name) else { return RCODE::NameError };
    for address in addresses {
        let (kind, data) = match *address {
            IpAddr::V4(four) => (TYPE::A, RData::A(A { address: u32::from(four) })),
            IpAddr::V6(six) => (TYPE::AAAA, RData::AAAA(AAAA { address: u128::from(six) })),
        };
        if wants(question, kind) {
            reply.answers.push(ResourceRecord::new(owner.clone(), CLASS::IN, TTL, data));
        }
    }
    RCODE::NoError
}

fn wants(question: &Question<'_>, kind: TYPE) -> bool {
    question.qtype == QTYPE::ANY || question.qtype == QTYPE::TYPE(kind)
}

/// The address in a name such as `8.8.4.4.in-addr.arpa`, or of IPv6 by its half bytes under `ip6.arpa` (its parts stand backwards).
fn reverse(name: &str) -> Option<IpAddr> {
    let parts = name.to_ascii_lowercase();
    let parts = parts.trim_end_matches('.');
    if let Some(halves) = parts.strip_suffix(".ip6.arpa") {
        let half = |text: &str| u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 1);
        let halves: Vec<u128> = halves.rsplit('.').map(half).collect::<Option<_>>()?;
        let number = halves.iter().fold(0, |number, half| number << 4 | half);
        return Some(Ipv6Addr::from(number).into()).filter(|_| halves.len() == 32);
    }
    let backwards: Ipv4Addr = parts.strip_suffix(".in-addr.arpa")?.parse().ok()?;
    let [a, b, c, d] = backwards.octets();
    Some(Ipv4Addr::new(d, c, b, a).into())
}

/// Answers on both sockets until one of them fails. Never returns otherwise; made to be the last thing that a process does.
/// `zone` is asked for anew with every question: the world changes while the server runs.
///
/// # Errors
/// poll(2) or the receiving of a socket failed. What a single client does wrong ends only its own connection.
pub fn serve(zone: impl Fn() -> Zone, udp: &UdpSocket, tcp: &TcpListener) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let ready = poll::readable(&[udp.as_fd(), tcp.as_fd()], None);
        let ready = ready.map_err(|error| io::Error::from_raw_os_error(error.errno as i32))?;
        if ready.contains(&0) {
            let (length, client) = udp.recv_from(&mut buffer)?;
            if let Some(reply) = answer(&zone(), &buffer[..length], true) {
                // The client may be gone; that is its own affair.
                let _ = udp.send_to(&reply, client);
            }
        }
        if ready.contains(&1)
            && let Ok((client, _)) = tcp.accept()
        {
            // What one client does wrong ends its connection and is not ours to report.
            let _ = converse(&zone(), client);
        }
    }
}

/// Answers the questions of one TCP client; each is preceded by its length.
fn converse(zone: &Zone, mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    loop {
        let mut length = [0; 2];
        client.read_exact(&mut length)?;
        let mut query = vec![0; u16::from_be_bytes(length) as usize];
        client.read_exact(&mut query)?;
        let Some(reply) = answer(zone, &query, false) else { return Ok(()) };
        client.write_all(&(reply.len() as u16).to_be_bytes())?;
        client.write_all(&reply)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, kind: TYPE) -> Vec<u8> {
        let mut packet = Packet::new_query(7);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(Question::new(Name::new(name).unwrap(), QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
        packet.build_bytes_vec().unwrap()
    }

    fn reply(zone: &Zone, query: &[u8]) -> (RCODE, Vec<RData<'static>>) {
        let bytes = answer(zone, query, true).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.id(), 7);
        (packet.rcode(), packet.answers.into_iter().map(|record| record.rdata.into_owned()).collect())
    }

    #[test]
    fn known_names_unknown_names_and_reverse() {
        let zone = Zone::internet();
        let (code, records) = reply(&zone, &ask("Dns.Google", TYPE::A));
        assert_eq!((code, records), (RCODE::NoError, vec![RData::A(A { address: 0x0808_0808 })]));
        assert_eq!(reply(&zone, &ask("example.com", TYPE::AAAA)), (RCODE::NoError, vec![]));
        assert_eq!(reply(&zone, &ask("nothing.invalid", TYPE::A)), (RCODE::NameError, vec![]));
        let (_, records) = reply(&zone, &ask("1.1.1.1.in-addr.arpa", TYPE::PTR));
        assert!(matches!(&records[..], [RData::PTR(PTR(name))] if name.to_string() == "one.one.one.one"));
    }

    #[test]
    fn a_name_has_addresses_of_both_kinds_and_each_leads_back() {
        let mut zone = Zone::default();
        zone.insert("web", Ipv4Addr::new(172, 18, 0, 2));
        zone.insert("web", "fd00::2".parse::<Ipv6Addr>().unwrap());
        let address = u128::from("fd00::2".parse::<Ipv6Addr>().unwrap());
        assert_eq!(reply(&zone, &ask("web", TYPE::AAAA)), (RCODE::NoError, vec![RData::AAAA(AAAA { address })]));
        assert_eq!(reply(&zone, &ask("web", TYPE::A)), (RCODE::NoError, vec![RData::A(A { address: 0xac12_0002 })]));
        let backwards = format!("2.{}d.f.ip6.arpa", "0.".repeat(29));
        let (_, records) = reply(&zone, &ask(&backwards, TYPE::PTR));
        assert!(matches!(&records[..], [RData::PTR(PTR(name))] if name.to_string() == "web"), "{backwards}");
        for wrong in ["f.ip6.arpa", "g.ip6.arpa", &"00.".repeat(32)] {
            assert_eq!(reply(&zone, &ask(wrong, TYPE::PTR)).0, RCODE::NameError, "{wrong}");
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_says_so() {
        let mut zone = Zone::default();
        (0..200).for_each(|last| zone.insert("many", Ipv4Addr::new(10, 0, 0, last)));
        let cut = answer(&zone, &ask("many", TYPE::A), true).unwrap();
        assert!(Packet::parse(&cut).unwrap().has_flags(PacketFlag::TRUNCATION) && cut.len() <= UDP);
        let whole = answer(&zone, &ask("many", TYPE::A), false).unwrap();
        assert_eq!(Packet::parse(&whole).unwrap().answers.len(), 200);
    }

    #[test]
    fn every_beginning_and_every_flipped_byte_of_a_query_is_survived() {
        let zone = Zone::internet();
        let query = ask("www.example.com", TYPE::A);
        for length in 0..query.len() {
            let _ = answer(&zone, &query[..length], true);
            for byte in [0, 1, 0x7f, 0x80, 0xc0, 0xff] {
                let mut changed = query.clone();
                changed[length] = byte;
                let _ = answer(&zone, &changed, false);
            }
        }
        let mut response = query;
        response[2] |= 0x80;
        assert_eq!(answer(&zone, &response, true), None);
    }
}
