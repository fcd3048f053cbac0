//! Files of a host, as its root reads and writes them.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::Error;
use crate::kernel::root::Root;
use crate::kernel::{self, fs};

/// Writes what `content` holds to `path`, making missing folders. An old file goes; a link is not written through.
///
/// # Errors
/// The path leads nowhere, or the write was refused.
pub fn write(path: &str, mode: u32, content: Option<OwnedFd>) -> Result<(), Error> {
    let at = || Error::at(format!("write `{path}` on the host"));
    let root = Root::open(Path::new("/")).map_err(at())?;
    let mut target = File::from(root.anew(Path::new(path), mode).map_err(at())?);
    if let Some(content) = content {
        io::copy(&mut File::from(content), &mut target).map_err(|error| kernel::Error::from_io("write", path, &error)).map_err(at())?;
    }
    Ok(())
}

/// A descriptor to read `path` with.
///
/// # Errors
/// It is not there, or not readable.
pub fn open(path: &str) -> Result<OwnedFd, Error> {
    let at = || Error::at(format!("read `{path}` on the host"));
    Root::open(Path::new("/")).and_then(|root| root.to_read(Path::new(path))).map_err(at())
}

/// The names in `/etc/hosts` with their IPv4 addresses.
pub fn hosts() -> Vec<(Ipv4Addr, String)> {
    let text = fs::read(Path::new("/etc/hosts")).unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let address: Ipv4Addr = words.next()?.parse().ok()?;
        Some(words.map(move |name| (address, name.to_owned())).collect::<Vec<_>>())
    };
    text.lines().filter_map(line).flatten().filter(|(address, _)| !address.is_loopback()).collect()
}

/// Adds a name to `/etc/hosts`, unless it is there.
///
/// # Errors
/// The learner has made the file unwritable.
pub fn know(address: Ipv4Addr, name: &str) -> Result<(), Error> {
    let at = || Error::at("tell the host of its new neighbour");
    if hosts().iter().any(|(_, known)| known == name) {
        return Ok(());
    }
    let root = Root::open(Path::new("/")).map_err(at())?;
    let mut file = File::from(root.to_append(Path::new("/etc/hosts"), 0o644).map_err(at())?);
    writeln!(file, "{address} {name}").map_err(|error| kernel::Error::from_io("write", "/etc/hosts", &error)).map_err(at())
}

/// The TCP ports that programs listen on, from `tcp` and `tcp6` of a `/proc/net`, without those on loopback addresses only.
pub fn listening_ports(net: &Path) -> Vec<u16> {
    let mut ports: Vec<u16> = ["tcp", "tcp6"].iter().flat_map(|table| listening(&fs::read(&net.join(table)).unwrap_or_default())).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn listening(table: &str) -> Vec<u16> {
    const LISTEN: &str = "0A";
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        // 127.x.x.x and ::1, in the kernel's byte order.
        let loopback = (address.len() == 8 && address.ends_with("7F")) || address == "00000000000000000000000001000000";
        (*fields.get(3)? == LISTEN && !loopback).then(|| u16::from_str_radix(port, 16).ok()).flatten()
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_beyond_loopback_counts() {
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A\n   1: 00000000:0050 00000000:0000 0A\n   2: 6463A8C0:0016 0100007F:9999 01\nbroken\n";
        assert_eq!(listening(table), [80]);
    }
}
