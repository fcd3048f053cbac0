//! Unix sockets that carry descriptors: how hosts, shims and the prompt hand each other ptys, pipes and namespaces (unix(7), SCM_RIGHTS); and sockets of
//! IPv6 alone.

use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use std::path::{Path, PathBuf};

use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn6, UnixAddr, recvmsg, sendmsg,
    setsockopt, socketpair, sockopt,
};
use rustix::fs::{Mode, OFlags};

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

/// Listens on a new SOCK_SEQPACKET socket at `path`; a stale socket of that name is replaced. Only our user may connect.
///
/// # Errors
/// The folder does not exist or is not writable.
pub fn listen(path: &Path) -> Result<OwnedFd> {
    let fail = |call| move |errno| Error::new(call, path.display(), errno);
    let socket =
        nix::sys::socket::socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).map_err(fail("socket"))?;
    let (_folder, short) = short_path(path)?;
    // One of an earlier start; mostly there is none, and one that stays makes bind(2) say so.
    let _ = std::fs::remove_file(path);
    let address = UnixAddr::new(&short).map_err(fail("bind"))?;
    nix::sys::socket::bind(socket.as_raw_fd(), &address).map_err(fail("bind"))?;
    nix::sys::socket::listen(&socket, Backlog::MAXCONN).map_err(fail("listen"))?;
    Ok(socket)
}

/// Connects to the SOCK_SEQPACKET socket at `path`.
///
/// # Errors
/// ENOENT without a socket, ECONNREFUSED when nobody listens any more.
pub fn connect(path: &Path) -> Result<OwnedFd> {
    let fail = |call| move |errno| Error::new(call, path.display(), errno);
    let socket =
        nix::sys::socket::socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).map_err(fail("socket"))?;
    let (_folder, short) = short_path(path)?;
    let address = UnixAddr::new(&short).map_err(fail("connect"))?;
    nix::sys::socket::connect(socket.as_raw_fd(), &address).map_err(fail("connect"))?;
    Ok(socket)
}

/// Connects to the stream socket at `path`: the console sockets and seccomp agents of the field.
///
/// # Errors
/// As [`connect`].
pub fn connect_stream(path: &Path) -> Result<OwnedFd> {
    let fail = |call| move |errno| Error::new(call, path.display(), errno);
    let socket = nix::sys::socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(fail("socket"))?;
    let (_folder, short) = short_path(path)?;
    let address = UnixAddr::new(&short).map_err(fail("connect"))?;
    nix::sys::socket::connect(socket.as_raw_fd(), &address).map_err(fail("connect"))?;
    Ok(socket)
}

/// Listens on a new stream socket at `path`, as servers do that people's programs talk to; what lies there is replaced. `mode` says who may connect.
///
/// # Errors
/// The folder does not exist or is not writable.
pub fn listen_stream(path: &Path, mode: u32) -> Result<OwnedFd> {
    use std::os::unix::fs::PermissionsExt as _;
    let fail = |call| move |error: std::io::Error| Error::from_io(call, path.display(), &error);
    let (_folder, short) = short_path(path)?;
    // One of an earlier start; mostly there is none, and one that stays makes bind(2) say so.
    let _ = std::fs::remove_file(path);
    let listener = std::os::unix::net::UnixListener::bind(&short).map_err(fail("bind"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(fail("chmod"))?;
    Ok(listener.into())
}

/// Listens on a TCP port of IPv6 alone: the same port of IPv4 may be somebody else's. It does not block.
///
/// # Errors
/// EADDRINUSE, EADDRNOTAVAIL, EACCES, or EAFNOSUPPORT on a kernel without IPv6.
pub fn listen_ipv6(address: SocketAddrV6) -> Result<TcpListener> {
    let socket = bound_ipv6(address, SockType::Stream)?;
    nix::sys::socket::listen(&socket, Backlog::MAXCONN).map_err(|errno| Error::new("listen", address, errno))?;
    Ok(socket.into())
}

/// Binds a UDP port of IPv6 alone, as [`listen_ipv6`].
///
/// # Errors
/// As [`listen_ipv6`].
pub fn bind_ipv6(address: SocketAddrV6) -> Result<UdpSocket> {
    bound_ipv6(address, SockType::Datagram).map(UdpSocket::from)
}

fn bound_ipv6(address: SocketAddrV6, kind: SockType) -> Result<OwnedFd> {
    let fail = |call| move |errno| Error::new(call, address, errno);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = nix::sys::socket::socket(AddressFamily::Inet6, kind, flags, None).map_err(fail("socket"))?;
    setsockopt(&socket, sockopt::Ipv6V6Only, &true).map_err(fail("setsockopt"))?;
    if kind == SockType::Stream {
        // As the standard library's listener: connections of an earlier one that linger do not keep the port.
        setsockopt(&socket, sockopt::ReuseAddr, &true).map_err(fail("setsockopt"))?;
    }
    nix::sys::socket::bind(socket.as_raw_fd(), &SockaddrIn6::from(address)).map_err(fail("bind"))?;
    Ok(socket)
}

/// Accepts one connection, close-on-exec.
///
/// # Errors
/// Those of accept4(2); EAGAIN on a non-blocking listener without a caller.
pub fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    loop {
        match nix::sys::socket::accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            // SAFETY: accept4 has just made this descriptor for us.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("accept4", "", errno)),
        }
    }
}

/// A name for `path` that fits into the 108 bytes of sun_path: by its folder's descriptor in `/proc/self/fd`, which must stay open meanwhile.
fn short_path(path: &Path) -> Result<(Option<OwnedFd>, PathBuf)> {
    if path.as_os_str().len() < 100 {
        return Ok((None, path.to_owned()));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::new("connect", path.display(), Errno::EINVAL));
    };
    let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::new("open", folder.display(), super::root::from_rustix(errno)))?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((Some(folder), short))
}

/// Sends one message with descriptors. SIGPIPE is not raised.
///
/// # Errors
/// The other side is gone (EPIPE), or the message is too long (EMSGSIZE).
pub fn send(socket: BorrowedFd<'_>, message: &[u8], descriptors: &[RawFd]) -> Result<()> {
    send_with(socket, message, descriptors, MsgFlags::MSG_NOSIGNAL)
}

/// As [`send`], to somebody who may not read: it is sent at once or not at all.
///
/// # Errors
/// As [`send`]; EAGAIN when the other side has let its messages pile up.
pub fn send_now(socket: BorrowedFd<'_>, message: &[u8]) -> Result<()> {
    send_with(socket, message, &[], MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT)
}

fn send_with(socket: BorrowedFd<'_>, message: &[u8], descriptors: &[RawFd], flags: MsgFlags) -> Result<()> {
    let rights = [ControlMessage::ScmRights(descriptors)];
    let control: &[ControlMessage<'_>] = if descriptors.is_empty() { &[] } else { &rights };
    loop {
        match sendmsg::<UnixAddr>(socket.as_raw_fd(), &[IoSlice::new(message)], control, flags, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("sendmsg", "", errno)),
        }
    }
}

/// Receives one message with its descriptors (at most 64, all close-on-exec); `None` when the other side has closed.
///
/// # Errors
/// recvmsg(2) failed, or the message was cut (EMSGSIZE).
pub fn receive(socket: BorrowedFd<'_>) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    BUFFER.with_borrow_mut(|buffer| receive_into(buffer, socket))
}

thread_local! {
    /// Room for the longest message. Of fresh memory the kernel gives only the pages that are written to; memory that was in use before would be filled with
    /// zeroes for each message, and that is most of what a short message costs in a clone of this process.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MESSAGE]);
}

fn receive_into(buffer: &mut [u8], socket: BorrowedFd<'_>) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut space = nix::cmsg_space!([RawFd; 64]);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = loop {
        match recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            // One that ends without having read everything resets us, once; what it said before is still there, and then the end.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
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
    Ok(Some((buffer[..length].to_vec(), descriptors)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    #[test]
    fn a_port_of_ipv6_is_not_that_of_ipv4() {
        if !Path::new("/proc/sys/net/ipv6/conf").exists() {
            return;
        }
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = |port| SocketAddrV6::new(std::net::Ipv6Addr::UNSPECIFIED, port, 0, 0);
        let same = at(four.local_addr().unwrap().port());
        // Somebody else may have that port of IPv6: then there is nothing to see.
        let Ok(six) = listen_ipv6(same) else { return };
        assert_eq!(listen_ipv6(same).unwrap_err().errno, Errno::EADDRINUSE);
        assert_eq!(six.local_addr().unwrap().port(), same.port());
        let datagrams = bind_ipv6(at(0)).unwrap();
        assert_eq!(bind_ipv6(at(datagrams.local_addr().unwrap().port())).unwrap_err().errno, Errno::EADDRINUSE);
    }

    #[test]
    fn the_last_words_of_one_who_did_not_listen_are_heard() {
        let (ours, theirs) = pair().unwrap();
        send(ours.as_fd(), b"an order that is never read", &[]).unwrap();
        send(theirs.as_fd(), b"why it failed", &[]).unwrap();
        drop(theirs);
        assert_eq!(receive(ours.as_fd()).unwrap().unwrap().0, b"why it failed");
        assert!(receive(ours.as_fd()).unwrap().is_none());
    }
}
