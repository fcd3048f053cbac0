//! Netlink: how the kernel's network is asked and changed without any program (netlink(7), RFC 3549).
//!
//! A request is a header, a fixed part of its family, and attributes (type, length, bytes, padded to four); the kernel answers each with
//! an acknowledgement that carries an errno. [`route`] changes links, addresses and routes, [`look`] lists them; [`nft`] speaks nftables.
//!
//! Lengths are 16 bits wide on the wire. An attribute that does not fit is refused here and never cut (CVE-2021-43784).

pub mod look;
pub mod nft;
pub mod route;

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, setsockopt, socket, sockopt,
};

use super::error::{Errno, Error, Result};

/// `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// The most that the kernel puts into one datagram of a dump.
const DATAGRAM: usize = 64 * 1024;
/// How often a list is asked for again that somebody has changed meanwhile. Each time is another race that was lost; nobody loses so many.
const ATTEMPTS: usize = 100;

/// A request under construction.
#[derive(Debug)]
pub struct Request {
    bytes: Vec<u8>,
    /// Set when something did not fit; the request is then refused as a whole.
    too_long: bool,
}

impl Request {
    /// A request of type `kind` with `flags` (NLM_F_REQUEST is added) and the fixed part of its family.
    pub fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&((flags | libc::NLM_F_REQUEST) as u16).to_ne_bytes());
        bytes.extend_from_slice(fixed);
        pad(&mut bytes);
        Request { bytes, too_long: false }
    }

    /// Adds an attribute with these bytes.
    #[must_use]
    pub fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        let Ok(length) = u16::try_from(value.len() + 4) else {
            self.too_long = true;
            return self;
        };
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        pad(&mut self.bytes);
        self
    }

    /// Adds a text attribute, ended by a NUL as the kernel wants it.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// Adds a number in the machine's byte order.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Adds a number in network byte order, as nftables wants it.
    #[must_use]
    pub fn big(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// Adds an attribute that consists of those that `fill` adds.
    #[must_use]
    pub fn nested(mut self, kind: u16, fill: impl FnOnce(Request) -> Request) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&(kind | libc::NLA_F_NESTED as u16).to_ne_bytes());
        self = fill(self);
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
        self
    }

    /// Adds bytes without an attribute's header: the fixed part of a nested message.
    #[must_use]
    pub fn raw(mut self, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(value);
        pad(&mut self.bytes);
        self
    }

    fn finish(mut self, sequence: u32) -> nix::Result<Vec<u8>> {
        let length = u32::try_from(self.bytes.len()).map_err(|_| Errno::EMSGSIZE)?;
        if self.too_long {
            return Err(Errno::EMSGSIZE);
        }
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(self.bytes)
    }

    /// What comes behind the header: for tests that read back what was asked.
    #[cfg(test)]
    pub fn body(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }

    fn flags(&self) -> i32 {
        i32::from(u16::from_ne_bytes([self.bytes[6], self.bytes[7]]))
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A netlink socket in the network namespace that the process was in when it was opened.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

/// One message of an answer: its type and what follows the header.
pub type Answer = (u16, Vec<u8>);

impl Socket {
    /// Opens one for links, addresses and routes.
    ///
    /// # Errors
    /// socket(2) or bind(2) refused.
    pub fn route() -> Result<Self> {
        Self::open(SockProtocol::NetlinkRoute)
    }

    /// Opens one for nftables.
    ///
    /// # Errors
    /// As [`Socket::route`].
    pub fn netfilter() -> Result<Self> {
        Self::open(SockProtocol::NetlinkNetFilter)
    }

    fn open(protocol: SockProtocol) -> Result<Self> {
        let fail = |call| move |errno| Error::new(call, "netlink", errno);
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).map_err(fail("socket"))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(fail("bind"))?;
        setsockopt(&fd, sockopt::RcvBuf, &(1 << 20)).map_err(fail("setsockopt"))?;
        Ok(Socket { fd, sequence: 0 })
    }

    /// Sends a request and waits for the answer: the messages of a dump, or nothing for an acknowledgement. A dump is whole: one during which something
    /// was changed (NLM_F_DUMP_INTR) may lack what was not, and is asked for again.
    ///
    /// # Errors
    /// The errno that the kernel acknowledged with; EINTR for a list that never stood still.
    pub fn ask(&mut self, request: Request) -> nix::Result<Vec<Answer>> {
        let dumps = request.flags() & libc::NLM_F_DUMP == libc::NLM_F_DUMP;
        self.sequence += 1;
        let (wants_answer, sequence) = (dumps || request.flags() & libc::NLM_F_ACK != 0, self.sequence);
        let datagram = request.finish(sequence)?;
        for _ in 0..ATTEMPTS {
            let waiting = if wants_answer { vec![sequence] } else { Vec::new() };
            let (answers, whole) = self.exchange(&datagram, waiting)?;
            if whole {
                return Ok(answers);
            }
        }
        Err(Errno::EINTR)
    }

    /// Sends several requests in one datagram, as a transaction of nftables needs it, and waits for the acknowledgement of the last that wants one.
    ///
    /// # Errors
    /// The first errno that the kernel acknowledged with.
    pub fn ask_all(&mut self, requests: Vec<Request>) -> nix::Result<Vec<Answer>> {
        let mut datagram = Vec::new();
        let mut waiting = Vec::new();
        for request in requests {
            self.sequence += 1;
            if request.flags() & (libc::NLM_F_ACK | libc::NLM_F_DUMP) != 0 {
                waiting.push(self.sequence);
            }
            datagram.extend(request.finish(self.sequence)?);
        }
        self.exchange(&datagram, waiting).map(|(answers, _)| answers)
    }

    /// Sends a datagram, and waits until all that are waited for have been answered; false beside the answers when they contradict each other.
    fn exchange(&self, datagram: &[u8], mut waiting: Vec<u32>) -> nix::Result<(Vec<Answer>, bool)> {
        sendto(self.fd.as_raw_fd(), datagram, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        let (mut answers, mut whole) = (Vec::new(), true);
        while !waiting.is_empty() {
            whole &= self.receive(&mut waiting, &mut answers)?;
        }
        Ok((answers, whole))
    }

    fn receive(&self, waiting: &mut Vec<u32>, answers: &mut Vec<Answer>) -> nix::Result<bool> {
        let mut buffer = vec![0; DATAGRAM];
        let length = loop {
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                other => break other?,
            }
        };
        let mut whole = true;
        for Message { kind, flags, sequence, body } in messages(&buffer[..length]) {
            whole &= i32::from(flags) & libc::NLM_F_DUMP_INTR == 0;
            match i32::from(kind) {
                libc::NLMSG_ERROR => {
                    let code = body.get(..4).map_or(0, |bytes| i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
                    if code != 0 {
                        return Err(Errno::from_raw(-code));
                    }
                    waiting.retain(|one| *one != sequence);
                }
                libc::NLMSG_DONE => waiting.retain(|one| *one != sequence),
                _ => answers.push((kind, body.to_vec())),
            }
        }
        Ok(whole)
    }
}

/// A message of a datagram: its header's parts, and what follows.
#[derive(Debug, PartialEq, Eq)]
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

/// Splits a datagram into messages.
fn messages(mut bytes: &[u8]) -> Vec<Message<'_>> {
    let mut found = Vec::new();
    while bytes.len() >= HEADER {
        let length = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        if length < HEADER || length > bytes.len() {
            break;
        }
        let sequence = u32::from_ne_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        let (kind, flags) = (u16::from_ne_bytes([bytes[4], bytes[5]]), u16::from_ne_bytes([bytes[6], bytes[7]]));
        found.push(Message { kind, flags, sequence, body: &bytes[HEADER..length] });
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    found
}

/// Splits attributes: type (without the nested flag) and value.
pub fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while bytes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        if length < 4 || length > bytes.len() {
            break;
        }
        found.push((u16::from_ne_bytes([bytes[2], bytes[3]]) & !(libc::NLA_F_NESTED as u16), &bytes[4..length]));
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_2021_43784_an_attribute_that_is_too_long_is_refused_and_not_cut() {
        for length in [65_531, 65_532, 70_000, 1 << 20] {
            let request = Request::new(16, 0, &[0; 16]).attr(1, &vec![0; length]);
            assert_eq!(request.finish(1).is_err(), length + 4 > 65_535, "{length}");
            let nested = Request::new(16, 0, &[0; 16]).nested(2, |inner| inner.attr(1, &vec![0; 60_000]).attr(1, &vec![0; length]));
            assert_eq!(nested.finish(1).unwrap_err(), Errno::EMSGSIZE);
        }
    }

    #[test]
    fn what_is_built_can_be_read_back() {
        let bytes = Request::new(16, libc::NLM_F_ACK, &[7; 5]).text(3, "eth0").nested(18, |inner| inner.number(1, 9)).finish(4).unwrap();
        let all = messages(&bytes);
        assert_eq!((all[0].kind, all[0].sequence), (16, 4));
        let found = attributes(&all[0].body[8..]);
        assert_eq!(found[0], (3, &b"eth0\0"[..]));
        assert_eq!(attributes(found[1].1), [(1, &9u32.to_ne_bytes()[..])]);
    }

    #[test]
    fn cut_answers_do_not_panic() {
        let bytes = Request::new(16, 0, &[0; 16]).text(3, "eth0").finish(1).unwrap();
        for cut in 0..bytes.len() {
            for message in messages(&bytes[..cut]) {
                attributes(message.body);
            }
            attributes(&bytes[cut..]);
        }
    }
}
