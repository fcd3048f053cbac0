//! Echo requests and what comes back, icmp(7): what `ping` is made of.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recvmsg, sendmsg, setsockopt, socket,
    sockopt,
};

use super::error::{Errno, Error, Result};
use super::xray;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// A socket for echo requests to one address.
#[derive(Debug)]
pub struct Echo {
    socket: OwnedFd,
    /// A raw socket hears every ICMP message of the machine, with its IP header; a datagram socket only the answers to its own.
    raw: bool,
    identifier: u16,
    to: Ipv4Addr,
}

/// A message that concerns our requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub from: Ipv4Addr,
    /// The sequence number of the request that it answers.
    pub sequence: u16,
    /// How many hops it had left.
    pub ttl: u8,
    /// The bytes of ICMP, header included.
    pub bytes: usize,
    /// What it says.
    pub what: What,
}

/// What an ICMP message says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It arrived, and this is its echo.
    Reply,
    /// It could not be delivered; the code says why (RFC 792: 0 net, 1 host, 2 protocol, 3 port).
    Unreachable(u8),
    /// It ran out of hops.
    TimeExceeded,
}

impl Echo {
    /// Opens a socket: raw with CAP_NET_RAW, else the datagram kind that `net.ipv4.ping_group_range` allows.
    ///
    /// # Errors
    /// EPERM or EACCES when neither is allowed; ENETUNREACH when there is no way to `to`.
    pub fn open(to: Ipv4Addr, ttl: Option<u8>) -> Result<Echo> {
        let (socket, raw) = match icmp_socket(SockType::Raw) {
            Ok(socket) => (socket, true),
            Err(Errno::EPERM | Errno::EACCES) => {
                (icmp_socket(SockType::Datagram).map_err(|errno| Error::new("socket", "icmp", errno))?, false)
            }
            Err(errno) => return Err(Error::new("socket", "icmp", errno)),
        };
        let refused = |errno| Error::new("setsockopt", "icmp", errno);
        setsockopt(&socket, sockopt::Ipv4RecvTtl, &true).map_err(refused)?;
        if let Some(ttl) = ttl {
            setsockopt(&socket, sockopt::Ipv4Ttl, &i32::from(ttl)).map_err(refused)?;
        }
        let address = SockaddrIn::from(SocketAddrV4::new(to, 0));
        // connect(2) picks the route now, so that "network is unreachable" is said before the first request.
        if !raw {
            nix::sys::socket::connect(socket.as_raw_fd(), &address).map_err(|errno| Error::new("connect", to, errno))?;
        }
        Ok(Echo { socket, raw, identifier: std::process::id() as u16, to })
    }

    /// Sends one request.
    ///
    /// # Errors
    /// ENETUNREACH, EHOSTUNREACH, EPERM of a packet filter.
    pub fn send(&self, sequence: u16, payload: &[u8]) -> Result<()> {
        let packet = request(self.identifier, sequence, payload);
        let address = SockaddrIn::from(SocketAddrV4::new(self.to, 0));
        xray::call("sendto", &self.to, format_args!("icmp echo {} seq {sequence}", self.to), || {
            let address = self.raw.then_some(&address);
            sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(&packet)], &[], MsgFlags::empty(), address).map(drop)
        })
    }

    /// Takes one message off the socket; `None` when it is not about our requests.
    ///
    /// # Errors
    /// recvmsg(2) refused, EHOSTUNREACH on a datagram socket that heard of it.
    pub fn receive(&self) -> Result<Option<Heard>> {
        let mut buffer = [0_u8; 65_536];
        let mut space = nix::cmsg_space!(i32);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg::<SockaddrIn>(self.socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())
            .map_err(|errno| Error::new("recvmsg", self.to, errno))?;
        let from = received.address.map_or(self.to, |address| address.ip());
        let ttl = received.cmsgs().ok().and_then(|mut messages| messages.find_map(|message| ttl_of(&message))).unwrap_or(0);
        let length = received.bytes;
        let bytes = &buffer[..length];
        let message = if self.raw { after_ip_header(bytes) } else { Some(bytes) };
        Ok(message.and_then(|message| self.about_us(message)).map(|(what, sequence, bytes)| Heard { from, sequence, ttl, bytes, what }))
    }

    /// What a message says, and about which of our requests.
    fn about_us(&self, message: &[u8]) -> Option<(What, u16, usize)> {
        let (kind, code) = (*message.first()?, *message.get(1)?);
        let (what, echo) = match kind {
            ECHO_REPLY => (What::Reply, message),
            // An error carries the head of the packet that caused it.
            UNREACHABLE => (What::Unreachable(code), after_ip_header(message.get(HEADER..)?)?),
            TIME_EXCEEDED => (What::TimeExceeded, after_ip_header(message.get(HEADER..)?)?),
            _ => return None,
        };
        let number = |at: usize| Some(u16::from_be_bytes([*echo.get(at)?, *echo.get(at + 1)?]));
        (!self.raw || number(4)? == self.identifier).then_some((what, number(6)?, message.len()))
    }
}

impl AsFd for Echo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn icmp_socket(kind: SockType) -> nix::Result<OwnedFd> {
    socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)
}

fn ttl_of(message: &ControlMessageOwned) -> Option<u8> {
    match message {
        ControlMessageOwned::Ipv4Ttl(ttl) => u8::try_from(*ttl).ok(),
        _ => None,
    }
}

/// The payload of an IPv4 packet; the length of its header is in words in the low half of the first byte.
fn after_ip_header(packet: &[u8]) -> Option<&[u8]> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    packet.get(length..)
}

fn request(identifier: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![ECHO_REQUEST, 0, 0, 0];
    packet.extend(identifier.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(payload);
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_its_checksum_sums_to_zero() {
        for payload in [&b""[..], b"a", b"abcd", &[0xff; 57]] {
            assert_eq!(checksum(&request(7, 300, payload)), 0, "{payload:?}");
        }
    }

    #[test]
    fn an_error_is_traced_to_the_request_that_caused_it() {
        let echo = Echo { socket: std::fs::File::open("/dev/null").unwrap().into(), raw: true, identifier: 7, to: Ipv4Addr::LOCALHOST };
        let mut packet = vec![UNREACHABLE, 1, 0, 0, 0, 0, 0, 0, 0x45];
        packet.extend([0; 19]);
        packet.extend(request(7, 3, b""));
        assert_eq!(echo.about_us(&packet), Some((What::Unreachable(1), 3, packet.len())));
        packet[8 + 20 + 5] = 8;
        assert_eq!(echo.about_us(&packet), None, "another program's request");
        for cut in 0..packet.len() {
            echo.about_us(&packet[..cut]);
        }
    }
}
