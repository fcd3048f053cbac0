//! The loopback device, which every new network namespace has, and has down (netdevice(7)).

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::error::{Errno, Error, Result};
use super::xray;

/// Switches `lo` on in the network namespace that we are in; 127.0.0.1 and ::1 come with it.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN over the namespace.
pub fn up() -> Result<()> {
    let socket: OwnedFd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|errno| Error::new("socket", "AF_INET", errno))?;
    // SAFETY: all-zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    xray::call("ioctl", &"SIOCSIFFLAGS lo", format_args!("SIOCSIFFLAGS lo IFF_UP"), || {
        // SAFETY: the request names a device and its flags, as SIOCSIFFLAGS reads them.
        Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }).map(drop)
    })
}
