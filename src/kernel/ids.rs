//! User and group ids: through the map of a user namespace (user_namespaces(7)), and the change of a process's own ids (credentials(7)).

use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid};

use super::error::{Errno, Result};
use super::idmap::Extent;
use super::{fs, xray};

/// Which of the two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `uid_map`.
    User,
    /// `gid_map`.
    Group,
}

impl Kind {
    fn helper(self) -> &'static str {
        match self {
            Kind::User => "newuidmap",
            Kind::Group => "newgidmap",
        }
    }
}

/// Writes a map of the user namespace of process `pid` through the set-user-id programs newuidmap(1) and newgidmap(1), which know the sub-ids of `/etc/subuid` and `/etc/subgid`.
///
/// # Errors
/// ENOENT when the program is missing, EPERM when it refuses the ranges.
pub fn write_map_with_helper(pid: i32, kind: Kind, map: &[Extent]) -> Result<()> {
    let program = kind.helper();
    let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]).map(|number| number.to_string());
    xray::call("execve", &program, format_args!("{program} {pid} {map:?}"), || {
        let output = Command::new(program).arg(pid.to_string()).args(numbers).output();
        let output = output.map_err(|error| super::error::errno_of(&error))?;
        if output.status.success() { Ok(()) } else { Err(Errno::EPERM) }
    })
}

/// Whether setgroups(2) may be called in our user namespace.
pub fn setgroups_allowed() -> bool {
    fs::read(Path::new("/proc/self/setgroups")).map_or(true, |text| text.trim() != "deny")
}

/// Who calls: effective user and group.
pub fn effective() -> (u32, u32) {
    (Uid::effective().as_raw(), Gid::effective().as_raw())
}

/// Whether this process lives in the machine's first user namespace, where all ids stand for themselves.
pub fn in_first_user_namespace() -> bool {
    // PROC_USER_INIT_INO of the kernel's include/linux/proc_ns.h: the inode of the first user namespace never differs.
    const FIRST: u64 = 0xEFFF_FFFD;
    rustix::fs::stat("/proc/self/ns/user").is_ok_and(|stat| stat.st_ino == FIRST)
}

/// Sets the supplementary groups (setgroups(2)).
///
/// # Errors
/// EPERM without CAP_SETGID or where it is denied, EINVAL for a group that is not mapped.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    xray::call("setgroups", &"", format_args!("{groups:?}"), || {
        // SAFETY: the pointer and the length are those of a slice of gid_t (u32).
        Errno::result(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) }).map(drop)
    })
}

/// Sets the real, effective and saved group and then user: in that order, for the user's right to change groups goes with it.
///
/// # Errors
/// EINVAL for an id that is not mapped, EPERM without the capability.
pub fn become_user(uid: u32, gid: u32) -> Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    xray::call("setresgid", &gid, format_args!("{gid} {gid} {gid}"), || nix::unistd::setresgid(group, group, group))?;
    xray::call("setresuid", &uid, format_args!("{uid} {uid} {uid}"), || nix::unistd::setresuid(user, user, user))
}

/// Whether our user namespace has a single id, so that nothing can be given to anybody else (`/proc/self/uid_map`, user_namespaces(7)).
pub fn single() -> bool {
    let map = super::fs::read(std::path::Path::new("/proc/self/uid_map")).unwrap_or_default();
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() == 1
}

/// The id as seen inside of `outside`, by the maps given.
#[cfg(test)]
pub fn inside(map: &[Extent], outside: u32) -> Option<u32> {
    map.iter().find(|range| outside.wrapping_sub(range.outside) < range.count).map(|range| range.inside + (outside - range.outside))
}

/// The id outside of `inside`, by the maps given.
pub fn outside(map: &[Extent], inside: u32) -> Option<u32> {
    map.iter().find(|range| inside.wrapping_sub(range.inside) < range.count).map(|range| range.outside + (inside - range.inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_both_ways_through_a_map() {
        let map = [Extent { inside: 0, outside: 1000, count: 1 }, Extent { inside: 1, outside: 100_000, count: 65536 }];
        assert_eq!(outside(&map, 0), Some(1000));
        assert_eq!(outside(&map, 65536), Some(165_535));
        assert_eq!(outside(&map, 65537), None);
        assert_eq!(inside(&map, 1000), Some(0));
        assert_eq!(inside(&map, 100_000), Some(1));
        assert_eq!(inside(&map, 999), None);
        let all = [Extent { inside: 0, outside: 0, count: u32::MAX }];
        assert_eq!(outside(&all, 4_294_967_294), Some(4_294_967_294));
        assert_eq!(outside(&all, u32::MAX), None);
    }
}
