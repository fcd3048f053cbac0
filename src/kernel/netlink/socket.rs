//! A netlink socket: requests out, answers in.

use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::message::{HEADER, Message};
use crate::kernel::error::{Errno, Error, Result};
use crate::kernel::xray;

/// A socket to one of the kernel's netlink families, bound to the network namespace it was opened in.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

/// One message of an answer: its type and what follows the header.
pub type Answer = (u16, Vec<u8>);

impl Socket {
    /// Opens a socket for links, addresses and routes.
    ///
    /// # Errors
    /// socket(2) refused.
    pub fn route() -> Result<Self> {
        Socket::open(SockProtocol::NetlinkRoute)
    }

    /// Opens a socket for packet rules.
    ///
    /// # Errors
    /// EPROTONOSUPPORT on a kernel without nftables.
    pub fn netfilter() -> Result<Self> {
        Socket::open(SockProtocol::NetlinkNetFilter)
    }

    fn open(protocol: SockProtocol) -> Result<Self> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .map_err(|errno| Error::new("socket", format!("{protocol:?}"), errno))?;
        Ok(Socket { fd, sequence: 0 })
    }

    /// Sends one message and waits for the kernel's word on it. `shown` is what it does, for the X-ray and for errors.
    ///
    /// # Errors
    /// The errno that the kernel acknowledged with.
    pub fn request(&mut self, message: Message, shown: fmt::Arguments<'_>) -> Result<()> {
        self.transact(vec![message], 1, shown).map(drop)
    }

    /// Sends messages as one unit and waits for `acknowledgements` of them.
    ///
    /// # Errors
    /// The first errno that the kernel acknowledged with.
    pub fn batch(&mut self, messages: Vec<Message>, acknowledgements: usize, shown: fmt::Arguments<'_>) -> Result<()> {
        self.transact(messages, acknowledgements, shown).map(drop)
    }

    /// Sends a request for a listing and returns its entries.
    ///
    /// # Errors
    /// As [`Socket::request`].
    pub fn dump(&mut self, message: Message, shown: fmt::Arguments<'_>) -> Result<Vec<Answer>> {
        self.transact(vec![message], 1, shown)
    }

    fn transact(&mut self, messages: Vec<Message>, acknowledgements: usize, shown: fmt::Arguments<'_>) -> Result<Vec<Answer>> {
        let first = self.sequence + 1;
        let mut bytes = Vec::new();
        for message in messages {
            self.sequence += 1;
            bytes.extend(message.finish(self.sequence)?);
        }
        xray::call("sendmsg", &shown, format_args!("netlink {shown}"), || {
            send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
            self.collect(first, acknowledgements)
        })
    }

    /// Reads until all acknowledgements, or the end of a listing, have come.
    fn collect(&self, first: u32, mut acknowledgements: usize) -> nix::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            for (kind, sequence, body) in split(&buffer[..length]) {
                // An answer to an earlier request that failed half-way.
                if sequence < first {
                    continue;
                }
                match i32::from(kind) {
                    libc::NLMSG_ERROR => {
                        let code = body.get(0..4).and_then(|code| code.try_into().ok()).map_or(-libc::EIO, i32::from_ne_bytes);
                        if code != 0 {
                            return Err(Errno::from_raw(-code));
                        }
                        acknowledgements -= 1;
                        if acknowledgements == 0 {
                            return Ok(answers);
                        }
                    }
                    libc::NLMSG_DONE => return Ok(answers),
                    _ => answers.push((kind, body.to_vec())),
                }
            }
        }
    }
}

/// The messages in what one recv(2) brought: type, sequence, body.
fn split(mut bytes: &[u8]) -> Vec<(u16, u32, &[u8])> {
    let mut messages = Vec::new();
    while bytes.len() >= HEADER {
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let length = word(0) as usize;
        let Some(body) = bytes.get(HEADER..length) else { break };
        messages.push((u16::from_ne_bytes([bytes[4], bytes[5]]), word(8), body));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}
