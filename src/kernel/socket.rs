//! Unix sockets that carry descriptors: how hosts, shims and the prompt hand each other ptys, pipes and namespaces (unix(7), SCM_RIGHTS).

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, recvmsg, sendmsg, socketpair,
};

use super::error::{Errno, Error, Result};

/// The largest message of our protocols, in bytes. Larger answers are sent through a descriptor.
pub const MESSAGE: usize = 1 << 20;

/// A connected pair that keeps message boundaries (SOCK_SEQPACKET), close-on-exec.
///
/// # Errors
/// socketpair(2) refused.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).map_err(|errno| Error::new("socketpair", "", errno))
}

/// Sends one message with descriptors. SIGPIPE is not raised.
///
/// # Errors
/// The other side is gone (EPIPE), or the message is too long (EMSGSIZE).
pub fn send(socket: BorrowedFd<'_>, message: &[u8], descriptors: &[RawFd]) -> Result<()> {
    let rights = [ControlMessage::ScmRights(descriptors)];
    let control: &[ControlMessage<'_>] = if descriptors.is_empty() { &[] } else { &rights };
    loop {
        match sendmsg::<UnixAddr>(socket.as_raw_fd(), &[IoSlice::new(message)], control, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("sendmsg", "", errno)),
        }
    }
}

/// Receives one message with its descriptors (at most 16, all close-on-exec); `None` when the other side has closed.
///
/// # Errors
/// recvmsg(2) failed, or the message was cut (EMSGSIZE).
pub fn receive(socket: BorrowedFd<'_>) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; MESSAGE];
    let mut space = nix::cmsg_space!([RawFd; 16]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let received = loop {
        match recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            other => break other.map_err(|errno| Error::new("recvmsg", "", errno))?,
        }
    };
    let mut descriptors = Vec::new();
    for message in received.cmsgs().map_err(|errno| Error::new("recvmsg", "control data", errno))? {
        if let ControlMessageOwned::ScmRights(fds) = message {
            // SAFETY: the kernel has just made these descriptors for us; nobody else owns them.
            descriptors.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    if received.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(Error::new("recvmsg", "", Errno::EMSGSIZE));
    }
    let length = received.bytes;
    if length == 0 && descriptors.is_empty() {
        return Ok(None);
    }
    buffer.truncate(length);
    Ok(Some((buffer, descriptors)))
}
