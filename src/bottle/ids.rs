//! The ids that a bottle's users have outside.
//!
//! Started by root, each bottle gets a range of 65536 high ids of its own, kept in its state folder because its files belong to them.
//! Bottles do not share a range: a process that got out of one would still be a stranger to the next. Ranges that
//! `/etc/subuid` and `/etc/subgid` give to root are taken first, then those from 524288 on that these files give to nobody.
//! An ordinary user has the ranges that those files give them (set by newuidmap(1), which is set-user-id), or one id: their own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::state::{self, State};
use super::{Error, Mode};
use crate::kernel::fs;
use crate::kernel::idmap::{self, Extent};

const RANGE: u32 = 65536;
/// Where systemd's and others' allocations for containers begin; the last 2^31 ids are no good (some file systems have 31 bits).
const FIRST: u32 = 524_288;

/// The map of a bottle's user namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// Extents as (inside, outside, count), for users.
    pub users: Vec<(u32, u32, u32)>,
    /// The same for groups.
    pub groups: Vec<(u32, u32, u32)>,
    /// Whether newuidmap(1) and newgidmap(1) must write the maps.
    pub by_program: bool,
}

impl Ids {
    /// The outside id of the bottle's root.
    pub fn root(&self) -> (u32, u32) {
        let outside = |extents: &[(u32, u32, u32)]| extents.iter().find(|(inside, ..)| *inside == 0).map_or(0, |(_, outside, _)| *outside);
        (outside(&self.users), outside(&self.groups))
    }

    /// Whether the bottle has only one user.
    pub fn single(&self) -> bool {
        self.users.iter().map(|(_, _, count)| *count).sum::<u32>() == 1
    }

    /// Writes the maps of the user namespace of `pid`.
    ///
    /// # Errors
    /// The kernel or newuidmap(1) refused.
    pub fn write(&self, pid: i32) -> Result<(), Error> {
        let extents = |list: &[(u32, u32, u32)]| -> Vec<Extent> {
            list.iter().map(|(inside, outside, count)| Extent { inside: *inside, outside: *outside, count: *count }).collect()
        };
        if self.by_program {
            by_program("newuidmap", pid, &extents(&self.users))?;
            return by_program("newgidmap", pid, &extents(&self.groups));
        }
        if self.single() {
            idmap::deny_setgroups(pid).map_err(Error::at("map the bottle's groups"))?;
        }
        idmap::write_users(pid, &extents(&self.users)).map_err(Error::at("map the bottle's users"))?;
        idmap::write_groups(pid, &extents(&self.groups)).map_err(Error::at("map the bottle's groups"))
    }
}

fn by_program(program: &str, pid: i32, extents: &[Extent]) -> Result<(), Error> {
    let numbers = extents.iter().flat_map(|extent| [extent.inside, extent.outside, extent.count]).map(|number| number.to_string());
    let output = Command::new(program).arg(pid.to_string()).args(numbers).stdin(Stdio::null()).output();
    let why = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::Refused {
        doing: format!("map the bottle's ids with `{program}`"),
        why,
        errno: None,
        hint: Some(
            "the ranges are in /etc/subuid and /etc/subgid; without an entry for you there, one id is used and no program".to_owned(),
        ),
    })
}

/// The ids of this bottle: those of its last boot, or new ones.
///
/// # Errors
/// The file of the ids cannot be read or written.
pub fn of(bottle: &State, mode: Mode) -> Result<Ids, Error> {
    let path = bottle.path("ids");
    if let Some(kept) = read(&path) {
        return Ok(kept);
    }
    let ids = match mode {
        Mode::Root => {
            let start = free_range(bottle);
            let extents = vec![(0, start, RANGE)];
            Ids { users: extents.clone(), groups: extents, by_program: false }
        }
        Mode::Rootless => of_user(),
    };
    let text = serde_json::to_vec(&ids).unwrap_or_default();
    // Not flushed: a power cut may take them along with the files that belong to them, and a bottle that boots need not wait for the disk.
    fs::put(&path, &text, 0o600).map_err(Error::at("keep the bottle's ids"))?;
    Ok(ids)
}

/// The ids that the bottle in `folder` was last booted with.
pub fn kept(folder: &Path) -> Option<Ids> {
    read(&folder.join("ids"))
}

fn read(path: &Path) -> Option<Ids> {
    serde_json::from_str(&fs::read(path).ok()?).ok()
}

fn free_range(bottle: &State) -> u32 {
    let taken: Vec<u32> = state::all()
        .iter()
        .filter(|other| other.name() != bottle.name())
        .filter_map(|other| Some(read(&other.path("ids"))?.root().0))
        .collect();
    let text = |path| fs::read(Path::new(path)).unwrap_or_default();
    choose(&taken, &text("/etc/subuid"), &text("/etc/subgid"))
}

/// The first range that is neither `taken` by another bottle nor given to another user.
fn choose(taken: &[u32], subuid: &str, subgid: &str) -> u32 {
    let free = |start: u32| taken.iter().all(|other| other.abs_diff(start) >= RANGE);
    let groups = entries(subgid);
    let own = entries(subuid).into_iter().filter(|entry| entry.0 == "root" && groups.contains(entry));
    let mut candidates = own.flat_map(|(_, start, count)| (0..count / RANGE).map(move |step| start + step * RANGE));
    if let Some(start) = candidates.find(|start| *start > 0 && free(*start)) {
        return start;
    }
    let given: Vec<_> = entries(subuid).into_iter().chain(entries(subgid)).collect();
    let unowned = |start: u32| given.iter().all(|(_, first, count)| start >= first.saturating_add(*count) || start + RANGE <= *first);
    (FIRST..0x7fff_0000).step_by(RANGE as usize).find(|start| free(*start) && unowned(*start)).unwrap_or(FIRST)
}

/// The entries of a file like subuid(5): name, first id, count.
fn entries(text: &str) -> Vec<(String, u32, u32)> {
    let parse = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?))
    };
    text.lines().filter_map(parse).collect()
}

pub(super) fn of_user() -> Ids {
    let (uid, gid) = crate::kernel::ids::effective();
    let name = name_of(uid, &fs::read(Path::new("/etc/passwd")).unwrap_or_default());
    let range = |file: &str| {
        let text = fs::read(Path::new(file)).unwrap_or_default();
        entries(&text)
            .into_iter()
            .find(|(owner, _, count)| (Some(owner) == name.as_ref() || *owner == uid.to_string()) && *count >= RANGE - 1)
    };
    let programs = ["newuidmap", "newgidmap"].iter().all(|program| super::abilities::on_path(program));
    match (range("/etc/subuid"), range("/etc/subgid")) {
        (Some((_, users, _)), Some((_, groups, _))) if programs => {
            Ids { users: vec![(0, uid, 1), (1, users, RANGE - 1)], groups: vec![(0, gid, 1), (1, groups, RANGE - 1)], by_program: true }
        }
        _ => Ids { users: vec![(0, uid, 1)], groups: vec![(0, gid, 1)], by_program: false },
    }
}

/// The name of a user, read from passwd(5) itself: a static program cannot load the C library's name services (getpwuid would crash in it). A user
/// whom only such a service knows has their sub-ids by number.
fn name_of(uid: u32, passwd: &str) -> Option<String> {
    let named = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    };
    passwd.lines().find_map(named)
}

/// Whether this process is the root of the machine, and not of a user namespace in which root is somebody else: only the first namespace maps all
/// ids to themselves.
pub fn machine_root() -> bool {
    let map = fs::read(Path::new("/proc/self/uid_map")).unwrap_or_default();
    crate::kernel::ids::effective().0 == 0 && whole(&map)
}

fn whole(map: &str) -> bool {
    let numbers: Vec<u32> = map.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    matches!(numbers.as_slice(), [0, 0, count] if *count > 0x7fff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_of_a_user_namespace_is_not_the_machines() {
        assert!(whole("         0          0 4294967295\n"));
        for other in ["0 1000 1", "0 100000 65536", "0 0 1", "", "0 0 1\n1 100000 65536"] {
            assert!(!whole(other), "{other:?}");
        }
    }

    #[test]
    fn a_users_name_is_read_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name_of(1000, passwd).as_deref(), Some("ann"));
        assert_eq!(name_of(1001, passwd), None);
    }

    #[test]
    fn ranges_of_root_come_first_and_nobody_elses_is_taken() {
        let files = "root:100000:131072\nann:524288:65536\n";
        assert_eq!(choose(&[], files, files), 100_000);
        assert_eq!(choose(&[100_000], files, files), 165_536);
        assert_eq!(choose(&[100_000, 165_536], files, files), 589_824);
        assert_eq!(choose(&[], "", ""), FIRST);
        assert_eq!(choose(&[], "root:100000:65536\n", ""), FIRST, "a range must be in both files");
    }
}
