//! What dead bottles left on the machine, also those of other state folders, and its removal.
//!
//! Everything that a bottle puts on the machine says whose it is, by the path of the bottle's folder: a cgroup in an extended attribute, a link in its
//! alias, a table in its comment, a process in its environment, a mount by where it is. A bottle lives as long as somebody holds the lock in that
//! folder; what belongs to one that nobody holds is left over. So is the empty cgroup of a build's step that is older than a moment: a build on the machine
//! that is killed has no last word (see [`crate::build::sandbox`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::ceiling;
use super::super::state::{self, State};
use super::super::{Error, scratch, uplink};
use crate::kernel::netlink::Socket;
use crate::kernel::netlink::nft::Family;
use crate::kernel::{self, fs, lock, mount, mountinfo, process};

/// A process of a bottle that is booting does not hold the lock yet; after this time it does, or has given up.
const BOOTING: Duration = Duration::from_secs(30);
/// How deep bottles' cgroups are looked for: systemd's and containers' trees are about half of it.
const DEPTH: usize = 8;

/// A thing that should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residue {
    /// What kind of thing: `process`, `cgroup`, `mount`, `link`, `table`, `setting`, `folder`.
    pub kind: &'static str,
    /// Which.
    pub what: String,
    /// The folder of the dead bottle that it belonged to, where that is known.
    pub bottle: Option<PathBuf>,
    remedy: Remedy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Remedy {
    Kill(i32),
    RemoveCgroup(PathBuf),
    Unmount(PathBuf),
    DeleteLink(String),
    DeleteTable(String),
    ForwardNoMore,
    RemoveFolder(PathBuf),
}

impl Residue {
    fn new(what: impl Into<String>, bottle: Option<&Path>, remedy: Remedy) -> Self {
        let kind = match remedy {
            Remedy::Kill(_) => "process",
            Remedy::RemoveCgroup(_) => "cgroup",
            Remedy::Unmount(_) => "mount",
            Remedy::DeleteLink(_) => "link",
            Remedy::DeleteTable(_) => "table",
            Remedy::ForwardNoMore => "setting",
            Remedy::RemoveFolder(_) => "folder",
        };
        Residue { kind, what: what.into(), bottle: bottle.map(Path::to_owned), remedy }
    }

    /// Lets go on what is frozen in it. Before any of it is removed: processes that wait for a frozen one's end do not die either.
    fn thaw(&self) {
        if let Remedy::RemoveCgroup(dir) = &self.remedy {
            ceiling::thaw(dir);
        }
    }

    /// Takes it away.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn remove(&self) -> kernel::Result<()> {
        match &self.remedy {
            Remedy::Kill(pid) => process::kill(*pid, Duration::from_secs(5)),
            Remedy::RemoveCgroup(dir) => ceiling::remove_tree(dir),
            Remedy::Unmount(target) => mount::unmount(target, crate::kernel::mount::MntFlags::MNT_DETACH),
            Remedy::DeleteLink(name) => Socket::route()?.delete_link(name),
            Remedy::DeleteTable(name) => Socket::netfilter()?.delete_table((Family::Ip, name)),
            Remedy::ForwardNoMore => uplink::restore_forwarding(),
            Remedy::RemoveFolder(folder) => scratch::remove(folder),
        }
    }
}

/// Whose things are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of bottles of this state folder.
    Own,
    /// Those of every state folder, also of ones that were deleted.
    Machine,
}

/// What is left on this machine of bottles that do not run.
///
/// # Errors
/// The machine's mounts cannot be read.
pub fn find(scope: Scope) -> Result<Vec<Residue>, Error> {
    let own = state::root().join("bottles");
    let ours = |one: &Residue| one.kind == "setting" || one.bottle.as_deref().is_some_and(|folder| folder.starts_with(&own));
    Ok(everything()?.into_iter().filter(|one| scope == Scope::Machine || ours(one)).collect())
}

fn everything() -> Result<Vec<Residue>, Error> {
    let mut found = processes();
    for one in cgroups().map_err(Error::at("look for cgroups that are left"))? {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found.extend(mounts().map_err(Error::at("look for mounts that are left"))?);
    // An ordinary user may not list tables, and has made none.
    found.extend(links().unwrap_or_default().into_iter().chain(tables().unwrap_or_default()));
    if uplink::forwarding_is_left() {
        let what = "net.ipv4.ip_forward is 1, and was 0 before a bottle came";
        found.push(Residue::new(what, None, Remedy::ForwardNoMore));
    }
    let folder = |folder: PathBuf| Residue::new(folder.display().to_string(), None, Remedy::RemoveFolder(folder));
    found.extend(scratch::left().into_iter().map(folder));
    Ok(found)
}

/// Removes what is left of bottles that do not run. Gives what could not be removed, and why.
///
/// # Errors
/// As [`find`].
pub fn clean_all(scope: Scope) -> Result<Vec<(Residue, kernel::Error)>, Error> {
    let left = find(scope)?;
    left.iter().for_each(Residue::thaw);
    Ok(left.into_iter().filter_map(|one| one.remove().err().map(|error| (one, error))).filter(|(_, error)| !gone(error)).collect())
}

/// Removes what is left of one dead bottle. Whether all of it is gone.
pub fn clean_bottle(folder: &Path) -> bool {
    let ours = |one: &Residue| one.bottle.as_deref() == Some(folder) || one.remedy == Remedy::ForwardNoMore;
    let left: Vec<Residue> = find(Scope::Own).unwrap_or_default().into_iter().filter(ours).collect();
    left.iter().for_each(Residue::thaw);
    // Each is tried; what cannot be removed is found again.
    left.iter().filter(|one| one.remove().is_err_and(|error| !gone(&error))).count() == 0
}

/// What another removal took along is no failure.
fn gone(error: &kernel::Error) -> bool {
    use crate::kernel::error::Errno;
    matches!(error.errno, Errno::ESRCH | Errno::ENOENT | Errno::ENODEV)
}

fn alive(folder: &Path) -> bool {
    lock::held(&folder.join("lock"))
}

/// Keepers and PID 1s: both are `bottleship keeper NAME`, with the state folder in their environment.
fn processes() -> Vec<Residue> {
    let pids = fs::list(Path::new("/proc")).unwrap_or_default();
    pids.iter().filter_map(|pid| pid.parse().ok()).filter_map(orphan).collect()
}

fn orphan(pid: i32) -> Option<Residue> {
    let place = PathBuf::from(format!("/proc/{pid}"));
    let command = fs::read_bytes(&place.join("cmdline")).ok()?;
    let words: Vec<String> = command.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let [program, keeper, name, ..] = words.as_slice() else { return None };
    if program != "bottleship" || keeper != "keeper" {
        return None;
    }
    // What earlier worlds left in the state folder is removed by a child that may outlive its keeper.
    if fs::read(&place.join("comm")).is_ok_and(|name| name.trim() == "empty-the-bin") {
        return None;
    }
    let folder = state::root_in(&environment(&place)?, owner(&place)?).join("bottles").join(name);
    let booting = folder.is_dir() && age(&place)? < BOOTING;
    if alive(&folder) || booting {
        return None;
    }
    Some(Residue::new(format!("{pid} ({program} {keeper} {name})"), Some(&folder), Remedy::Kill(pid)))
}

fn environment(place: &Path) -> Option<Vec<(String, String)>> {
    let bytes = fs::read_bytes(&place.join("environ")).ok()?;
    let text = |line: &[u8]| String::from_utf8_lossy(line).split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(bytes.split(|byte| *byte == 0).filter_map(text).collect())
}

fn owner(place: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(place).ok().map(|data| data.uid())
}

/// How long a process has been running, from its start in ticks since boot (proc_pid_stat(5); a tick is 1/100 s for user space).
fn age(place: &Path) -> Option<Duration> {
    let stat = fs::read(&place.join("stat")).ok()?;
    let started: u64 = stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()?;
    let uptime = fs::read(Path::new("/proc/uptime")).ok()?;
    let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_secs_f64((now - started as f64 / 100.0).max(0.0)))
}

fn cgroups() -> kernel::Result<Vec<Residue>> {
    let mounts = mountinfo::own()?;
    let tops = mounts.iter().filter(|mount| mount.fstype == "cgroup" || mount.fstype == "cgroup2");
    let mut dirs = Vec::new();
    tops.for_each(|mount| below(&mount.target, DEPTH, &mut dirs));
    dirs.sort();
    dirs.dedup();
    let known: Vec<State> = state::all();
    Ok(dirs.iter().flat_map(|dir| of_cgroup(dir, &known)).collect())
}

fn below(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for child in ceiling::children(dir) {
        let ours = child.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bottleship-"));
        if ours {
            found.push(child);
        } else if depth > 0 {
            below(&child, depth - 1, found);
        }
    }
}

fn of_cgroup(dir: &Path, known: &[State]) -> Vec<Residue> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let marked = ceiling::owner(dir).or_else(|| known.iter().find(|state| state.label() == name).map(|state| state.dir().to_owned()));
    let inside = ceiling::processes(dir);
    // One without a mark and with processes is taken for a living bottle of somebody else; an empty one may have been made just now, by a keeper
    // that has not yet come to mark it.
    if marked.as_deref().map_or_else(|| !inside.is_empty() || is_new(dir), alive) {
        return Vec::new();
    }
    let process = |pid: i32| {
        let name = fs::read(Path::new(&format!("/proc/{pid}/comm"))).unwrap_or_default();
        Residue::new(format!("{pid} ({}) in the cgroup of a dead bottle", name.trim()), marked.as_deref(), Remedy::Kill(pid))
    };
    let own = Residue::new(dir.display().to_string(), marked.as_deref(), Remedy::RemoveCgroup(dir.to_owned()));
    inside.into_iter().map(process).chain([own]).collect()
}

fn is_new(dir: &Path) -> bool {
    let made = std::fs::metadata(dir).and_then(|data| data.modified()).ok();
    made.and_then(|made| made.elapsed().ok()).is_none_or(|age| age < BOOTING)
}

/// Mounts that the machine sees below the folder of a dead bottle. Bottles make theirs in namespaces of their own.
fn mounts() -> kernel::Result<Vec<Residue>> {
    let left = |mount: mountinfo::Mount| {
        let folder = mount.target.ancestors().skip(1).find(|dir| is_bottle(dir))?;
        (!alive(folder)).then(|| Residue::new(mount.target.display().to_string(), Some(folder), Remedy::Unmount(mount.target.clone())))
    };
    // The innermost first, as they must be taken away.
    Ok(mountinfo::own()?.into_iter().rev().filter_map(left).collect())
}

fn is_bottle(dir: &Path) -> bool {
    dir.parent().and_then(Path::file_name).is_some_and(|name| name == "bottles") && dir.join("hosts").is_dir()
}

fn links() -> kernel::Result<Vec<Residue>> {
    let dead = uplink::own_links()?.into_iter().filter(|(_, folder)| !alive(folder));
    Ok(dead.map(|(name, folder)| Residue::new(name.clone(), Some(&folder), Remedy::DeleteLink(name))).collect())
}

fn tables() -> kernel::Result<Vec<Residue>> {
    let ours = |(name, comment): (String, String)| Some((name, PathBuf::from(comment.strip_prefix(uplink::NOTE)?)));
    let dead = Socket::netfilter()?.tables()?.into_iter().filter_map(ours).filter(|(_, folder)| !alive(folder));
    Ok(dead.map(|(name, folder)| Residue::new(name.clone(), Some(&folder), Remedy::DeleteTable(name))).collect())
}
