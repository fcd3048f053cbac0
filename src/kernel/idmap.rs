//! Which ids of a user namespace are which ids outside: `/proc/PID/uid_map`, `gid_map`, `setgroups` (user_namespaces(7)).

use std::fmt;
use std::path::Path;

use super::error::{Errno, Error, Result};
use super::{fs, xray};

/// One line of a map: `count` ids from `inside` on are those from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first id in the namespace.
    pub inside: u32,
    /// The first id in the parent namespace.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inside, self.outside, self.count)
    }
}

/// Writes the user map of the process `pid`, once and for all: a second write is refused.
///
/// # Errors
/// EPERM without CAP_SETUID over the parent namespace, unless the one line maps one's own id. EINVAL for extents that overlap.
pub fn write_users(pid: i32, extents: &[Extent]) -> Result<()> {
    write(pid, "uid_map", extents)
}

/// Writes the group map of the process `pid`.
///
/// # Errors
/// As [`write_users`]; without CAP_SETGID, setgroups(2) must have been denied before ([`deny_setgroups`]).
pub fn write_groups(pid: i32, extents: &[Extent]) -> Result<()> {
    write(pid, "gid_map", extents)
}

/// Forbids setgroups(2) in the namespace of `pid`: the price of writing `gid_map` without CAP_SETGID (CVE-2014-8989).
///
/// # Errors
/// EPERM once the group map is written.
pub fn deny_setgroups(pid: i32) -> Result<()> {
    fs::write_once(Path::new(&format!("/proc/{pid}/setgroups")), "deny")
}

fn write(pid: i32, file: &str, extents: &[Extent]) -> Result<()> {
    // The kernel takes a map in a single write(2).
    let lines: Vec<String> = extents.iter().map(Extent::to_string).collect();
    fs::write_once(Path::new(&format!("/proc/{pid}/{file}")), &lines.join("\n"))
}

/// Becomes user and group 0 of the user namespace, with no other groups. Where setgroups(2) was denied, the other groups stay.
///
/// # Errors
/// EINVAL before the maps are written.
pub fn become_root() -> Result<()> {
    use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
    match setgroups(&[]) {
        Ok(()) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(Error::new("setgroups", "", errno)),
    }
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    xray::call("setresgid", &0, format_args!("0 0 0"), || setresgid(group, group, group))?;
    xray::call("setresuid", &0, format_args!("0 0 0"), || setresuid(user, user, user))
}
