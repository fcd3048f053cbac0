//! The bottle's cgroups: where they are, what they may use, how they go away.
//!
//! ```text
//! <where we are>/bottleship-NAME          the ceiling: pids, memory, weight. Belongs to the machine's root: not to be raised from inside
//!                  /bench                 root of the host's cgroup namespace; belongs to the bottle's root; the learner's processes
//!                  /bench/docker.service  on v2: the shims of the host's engine
//!                  /internet
//!                  /.service              PID 1, the hosts' init, checks: never counted among a host's own processes
//! ```
//!
//! The same on every hierarchy: cgroup v1 has one per controller, v2 has one for all (cgroups(7)). The directory carries the state folder's path
//! as an extended attribute, so that whoever finds it later knows whose it was.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Abilities, Error, Mode};
use crate::kernel::error::Errno;
use crate::kernel::{self, fs, inode, mountinfo, poll, process};

/// The processes of one host, at most.
pub const HOST_PIDS: u64 = 3000;
/// The processes of a whole bottle, at most. More than a host's, so that a fork bomb in one leaves room for the checks.
pub const PIDS: u64 = 6000;
/// The extended attributes that name the bottle's folder: root's, and an ordinary user's.
const OWNERS: [&str; 2] = ["trusted.bottleship", "user.bottleship"];
/// The cgroup of PID 1, of the hosts' init and of checks.
pub const SERVICE: &str = ".service";
/// The cgroup of what the daemons of a host start for others, where it needs one of its own.
const DAEMONS: &str = "docker.service";
/// The v2 controllers that a bottle wants.
const WANTED: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// One cgroup hierarchy of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// Where it is mounted on the machine.
    pub mount: PathBuf,
    /// Whether it is cgroup v2.
    pub v2: bool,
    /// The v1 controllers (or `name=systemd`) as mount options; empty for v2.
    pub controllers: String,
    /// The directory in which the bottle's is made; `None` where we may not make one.
    pub place: Option<PathBuf>,
}

/// All hierarchies of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchies {
    pub list: Vec<Hierarchy>,
    /// What the bottle's directory is called on each.
    pub label: String,
}

impl Hierarchies {
    /// Looks at the machine.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of_machine(mode: Mode, label: &str) -> Result<Self, Error> {
        let mounts = mountinfo::own().map_err(Error::at("look at the machine's mounts"))?;
        let own = fs::read(Path::new("/proc/self/cgroup")).map_err(Error::at("look at our cgroup"))?;
        let mut list: Vec<Hierarchy> = Vec::new();
        for mount in mounts.iter().filter(|mount| mount.fstype == "cgroup" || mount.fstype == "cgroup2") {
            let v2 = mount.fstype == "cgroup2";
            let controllers = if v2 { String::new() } else { named(&mount.super_options) };
            if list.iter().any(|other| other.controllers == controllers && other.v2 == v2) {
                continue;
            }
            let here = current(&own, v2, &controllers).and_then(|path| below_mount(&path, mount));
            let place = here.and_then(|here| place(mode, v2, &mount.target, &here));
            list.push(Hierarchy { mount: mount.target.clone(), v2, controllers, place });
        }
        Ok(Hierarchies { list, label: label.to_owned() })
    }

    /// The bottle's directories, one per hierarchy that has a place.
    pub fn directories(&self) -> impl Iterator<Item = (&Hierarchy, PathBuf)> {
        self.list.iter().filter_map(|one| Some((one, one.place.as_ref()?.join(&self.label))))
    }

    /// Makes the bottle's directories with their ceilings, and `.service` in them. `owner` is the bottle's root outside.
    ///
    /// # Errors
    /// mkdir(2) refused. A ceiling that cannot be set is no error: [`Hierarchies::note`] tells.
    pub fn create(&self, state: &Path) -> Result<(), Error> {
        for (hierarchy, dir) in self.directories() {
            make(hierarchy, &dir)?;
            mark(&dir, state);
            limit(hierarchy, &dir, PIDS, memory_ceiling());
            delegate_controllers(hierarchy, &dir);
            make(hierarchy, &dir.join(SERVICE))?;
        }
        Ok(())
    }

    /// Makes the directories of one host and gives them to the bottle's root.
    ///
    /// # Errors
    /// mkdir(2) or chown(2) refused.
    pub fn create_host(&self, host: &str, owner: (u32, u32)) -> Result<(), Error> {
        for (hierarchy, dir) in self.directories() {
            let dir = dir.join(host);
            make(hierarchy, &dir)?;
            // A little below the bottle's, so that the kernel looks for its victim in this host and not in the checks.
            limit(hierarchy, &dir, HOST_PIDS, memory_ceiling() / 16 * 15);
            if owner != crate::kernel::ids::effective() {
                give(&dir, owner).map_err(Error::at("give the host its cgroup"))?;
            }
        }
        Ok(())
    }

    /// Makes a leaf below a host's cgroup where that may hold no processes any more (on v2, once it has handed controllers down:
    /// cgroups(7), "no internal processes"), and opens the doors to it.
    ///
    /// # Errors
    /// mkdir(2), chown(2) or open(2) refused.
    pub fn make_leaf(&self, host: &str, owner: (u32, u32)) -> Result<Vec<OwnedFd>, Error> {
        let door = |(hierarchy, dir): (&Hierarchy, PathBuf)| {
            let top = dir.join(host);
            let leaf = if hierarchy.v2 { new_leaf(&top, owner).map_err(Error::at("make a leaf in the host's cgroup"))? } else { top };
            fs::open_to_write(&leaf.join("cgroup.procs")).map_err(Error::at("open the host's cgroup"))
        };
        self.directories().map(door).collect()
    }

    /// Opens the doors that a host's daemons have for what they start: on v2 to a leaf of its own, as a service manager would make one, so that it is in
    /// nobody's way when the host's cgroup hands controllers down, and is not kept out of it afterwards.
    ///
    /// # Errors
    /// mkdir(2), chown(2) or open(2) refused.
    pub fn service_doors(&self, host: &str, owner: (u32, u32)) -> Result<Vec<OwnedFd>, Error> {
        let door = |(hierarchy, dir): (&Hierarchy, PathBuf)| {
            let top = dir.join(host);
            // A v2 tree without controllers, as beside v1, has none to hand down.
            let apart = hierarchy.v2 && controllers_of(&top).iter().any(|name| WANTED.contains(&name.as_str()));
            let place = if apart { top.join(DAEMONS) } else { top };
            if apart {
                fs::create_dir(&place, 0o755)
                    .and_then(|()| give(&place, owner))
                    .map_err(Error::at("make a leaf for the host's daemons"))?;
            }
            fs::open_to_write(&place.join("cgroup.procs")).map_err(Error::at("open the host's cgroup"))
        };
        self.directories().map(door).collect()
    }

    /// Opens `cgroup.procs` of a cgroup of the bottle on every hierarchy: what writes `0` to all of them is in it.
    ///
    /// # Errors
    /// open(2) refused.
    pub fn doors(&self, cgroup: &str) -> Result<Vec<OwnedFd>, Error> {
        self.directories()
            .map(|(_, dir)| fs::open_to_write(&dir.join(cgroup).join("cgroup.procs")).map_err(Error::at("open the bottle's cgroup")))
            .collect()
    }

    /// Lets go on what was frozen in the bottle's cgroups: see [`thaw`].
    pub fn thaw(&self) {
        self.directories().for_each(|(_, dir)| thaw(&dir));
    }

    /// Ends whatever is still in the bottle's cgroups and removes them. The hierarchies that could not be cleaned come back.
    pub fn remove(&self) -> Vec<kernel::Error> {
        self.directories().filter_map(|(_, dir)| remove_tree(&dir).err()).collect()
    }

    /// Notes the controllers that hosts can use, and why not the others.
    pub fn note(&self, abilities: &mut Abilities) {
        let v2: Vec<String> = self.directories().filter(|(one, _)| one.v2).flat_map(|(_, dir)| controllers_of(&dir)).collect();
        let v1: Vec<&str> = self.directories().filter(|(one, _)| !one.v2).flat_map(|(one, _)| one.controllers.split(',')).collect();
        for (name, old) in
            [("memory", "memory"), ("cpu", "cpu"), ("cpuset", "cpuset"), ("pids", "pids"), ("io", "blkio"), ("freezer", "freezer")]
        {
            let has_v2 = if name == "freezer" { v2_freezer(self) } else { v2.iter().any(|one| one == name) };
            match has_v2 || v1.contains(&old) {
                true => abilities.grant(name),
                false => abilities.refuse(name, self.why_not(name)),
            }
        }
        match v2.iter().any(|name| WANTED.contains(&name.as_str())) {
            true => abilities.grant("cgroup2"),
            false => abilities.refuse("cgroup2", self.why_not_version(true)),
        }
        match v1.iter().any(|name| ["memory", "cpu", "pids"].contains(name)) {
            true => abilities.grant("cgroup1"),
            false => abilities.refuse("cgroup1", self.why_not_version(false)),
        }
    }

    fn why_not(&self, controller: &str) -> String {
        if self.list.iter().any(|one| one.place.is_some()) {
            return format!("this machine gives no `{controller}` controller to the bottle's cgroup");
        }
        "no cgroup of this machine is delegated to you: run with sudo, or inside `systemd-run --user --scope -p Delegate=yes bash`"
            .to_owned()
    }

    fn why_not_version(&self, v2: bool) -> String {
        let other = if v2 { "v1 (or hybrid)" } else { "v2" };
        if self.list.iter().any(|one| one.place.is_some()) {
            return format!("the controllers of this machine are on cgroup {other}");
        }
        self.why_not("memory")
    }
}

/// Notes on a cgroup whose it is, for the next cleaning. A kernel without extended attributes on cgroups goes by the name.
fn mark(dir: &Path, bottle: &Path) {
    // The first that is accepted will do; where none is, `owner` finds none and the cleaning goes by the name.
    let _ = OWNERS.iter().find(|name| inode::note(dir, name, bottle.as_os_str().as_encoded_bytes()).is_ok());
}

/// The folder of the bottle that a cgroup belongs to, as [`mark`] has noted it.
pub fn owner(dir: &Path) -> Option<PathBuf> {
    OWNERS.iter().find_map(|name| inode::noted_path(dir, name))
}

fn v2_freezer(hierarchies: &Hierarchies) -> bool {
    hierarchies.directories().any(|(one, dir)| one.v2 && dir.join("cgroup.freeze").exists())
}

/// The controllers among the options of a v1 mount.
fn named(options: &str) -> String {
    let plain = ["rw", "ro", "xattr", "clone_children", "noprefix", "none"];
    let keep = |option: &&str| !plain.contains(option) && !option.starts_with("release_agent") && !option.starts_with("cpuset_v2");
    options.split(',').filter(keep).collect::<Vec<_>>().join(",")
}

/// Our path in the hierarchy, from `/proc/self/cgroup`.
fn current(own: &str, v2: bool, controllers: &str) -> Option<PathBuf> {
    let wanted = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (number, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        let same = if v2 { number == "0" && names.is_empty() } else { same_controllers(names, controllers) };
        same.then(|| PathBuf::from(path))
    };
    own.lines().find_map(wanted)
}

fn same_controllers(left: &str, right: &str) -> bool {
    let sorted = |names: &str| {
        let mut names: Vec<String> = names.split(',').map(str::to_owned).collect();
        names.sort();
        names
    };
    sorted(left) == sorted(right)
}

/// The directory of our cgroup, which a container may have mounted from its own cgroup on.
fn below_mount(path: &Path, mount: &mountinfo::Mount) -> Option<PathBuf> {
    let inside = path.strip_prefix(&mount.root).or_else(|_| path.strip_prefix("/")).ok()?;
    let dir = mount.target.join(inside);
    dir.is_dir().then_some(dir)
}

/// Where the bottle's directory goes. Root: below our own cgroup, on v2 at the top (a cgroup with processes cannot hand out controllers).
/// Others: the nearest cgroup above us that was delegated to us.
fn place(mode: Mode, v2: bool, top: &Path, here: &Path) -> Option<PathBuf> {
    match mode {
        Mode::Root if v2 => Some(top.to_owned()),
        Mode::Root => Some(here.to_owned()),
        Mode::Rootless => {
            let writable = |dir: &Path| inode::may_write(dir) && inode::may_write(&dir.join("cgroup.procs"));
            let above = here.ancestors().skip(1).take_while(|dir| dir.starts_with(top));
            above.into_iter().find(|dir| writable(dir)).map(Path::to_owned)
        }
    }
}

fn make(hierarchy: &Hierarchy, dir: &Path) -> Result<(), Error> {
    match fs::create_dir(dir, 0o755) {
        Err(error) if error.errno != Errno::EEXIST => return Err(Error::at("make the bottle's cgroup")(error)),
        _ => {}
    }
    if !hierarchy.v2 && same_controllers_any(&hierarchy.controllers, "cpuset") {
        // A new v1 cpuset is empty, and a task cannot be put into an empty one.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let inherited = dir.parent().and_then(|parent| fs::read(&parent.join(file)).ok()).unwrap_or_default();
            fs::write_once(&dir.join(file), inherited.trim()).map_err(Error::at("fill the bottle's cpuset"))?;
        }
    }
    Ok(())
}

/// A new cgroup named `shell`, or `shell-2` and so on where the learner has made that one.
fn new_leaf(top: &Path, owner: (u32, u32)) -> kernel::Result<PathBuf> {
    let mut number = 1;
    loop {
        let leaf = top.join(if number == 1 { "shell".to_owned() } else { format!("shell-{number}") });
        match fs::create_dir(&leaf, 0o755) {
            Err(error) if error.errno == Errno::EEXIST => number += 1,
            made => return made.and_then(|()| give(&leaf, owner)).map(|()| leaf),
        }
    }
}

fn same_controllers_any(list: &str, name: &str) -> bool {
    list.split(',').any(|one| one == name)
}

/// Sets the ceilings that the hierarchy has files for.
fn limit(hierarchy: &Hierarchy, dir: &Path, pids: u64, memory: u64) {
    let files: &[(&str, u64)] = if hierarchy.v2 {
        &[("pids.max", pids), ("memory.max", memory), ("memory.swap.max", 0), ("cpu.weight", 50), ("memory.oom.group", 0)]
    } else {
        // memsw (memory and swap) can only be set once the plain limit is.
        &[("pids.max", pids), ("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory), ("cpu.shares", 512)]
    };
    for (file, value) in files {
        let path = dir.join(file);
        if path.exists() {
            // A machine that refuses one of them still gives the others; `doctor` shows what is set.
            let _ = fs::write_once(&path, &value.to_string());
        }
    }
}

/// Three quarters of the machine's memory.
fn memory_ceiling() -> u64 {
    static CEILING: OnceLock<u64> = OnceLock::new();
    *CEILING.get_or_init(read_memory_ceiling)
}

fn read_memory_ceiling() -> u64 {
    let text = fs::read(Path::new("/proc/meminfo")).unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    total.unwrap_or(1 << 20) * 1024 / 4 * 3
}

/// Lets the children of `dir` have the controllers, from the place of the bottle down.
fn delegate_controllers(hierarchy: &Hierarchy, dir: &Path) {
    if !hierarchy.v2 {
        return;
    }
    if let Some(place) = &hierarchy.place {
        enable(place);
    }
    enable(dir);
    limit(hierarchy, dir, PIDS, memory_ceiling());
}

fn enable(dir: &Path) {
    let on = fs::read(&dir.join("cgroup.subtree_control")).unwrap_or_default();
    for name in controllers_of(dir).iter().filter(|name| WANTED.contains(&name.as_str())) {
        if !on.split_whitespace().any(|one| one == name) {
            // One by one: a controller that is refused (EBUSY: v1 has it) must not keep the others away.
            let _ = fs::write_once(&dir.join("cgroup.subtree_control"), &format!("+{name}"));
        }
    }
}

fn controllers_of(dir: &Path) -> Vec<String> {
    let text = fs::read(&dir.join("cgroup.controllers")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Gives a directory to the bottle's root: the files that delegation is about, and never the limits (cgroups(7), "Cgroup delegation").
fn give(dir: &Path, owner: (u32, u32)) -> kernel::Result<()> {
    for file in ["", "cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control", "cgroup.clone_children"] {
        let path = if file.is_empty() { dir.to_owned() } else { dir.join(file) };
        match inode::give(&path, owner) {
            Err(error) if error.errno == Errno::ENOENT => {}
            other => other?,
        }
    }
    Ok(())
}

/// The processes in a cgroup and all below it.
pub fn processes(dir: &Path) -> Vec<i32> {
    let mut found: Vec<i32> =
        fs::read(&dir.join("cgroup.procs")).unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect();
    for child in children(dir) {
        found.extend(processes(&child));
    }
    found
}

/// The cgroups directly below one. The folder itself says which of its entries are folders: to ask each would be most of what a boot asks the kernel.
pub fn children(dir: &Path) -> Vec<PathBuf> {
    fs::folders(dir).unwrap_or_default().into_iter().map(|name| dir.join(name)).collect()
}

/// How long what is in a cgroup may take to die and to leave it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills what is in a cgroup and removes it with all below it.
///
/// # Errors
/// ETIMEDOUT when something in it does not die (a process in uninterruptible sleep).
pub fn remove_tree(dir: &Path) -> kernel::Result<()> {
    // Not once: who was about to make one more process or cgroup when we looked has made it now. And a process that has just been reaped leaves its
    // cgroup a moment later.
    poll::until("a cgroup to be empty", PATIENCE, || {
        thaw(dir);
        for pid in processes(dir) {
            // One that has ended meanwhile is as good; one that stays makes the removal fail, and that is told.
            let _ = process::kill(pid, PATIENCE);
        }
        match remove_empty(dir) {
            Ok(()) => Ok(true),
            Err(error) if error.errno == Errno::EBUSY => Ok(false),
            Err(error) => Err(error),
        }
    })
}

fn remove_empty(dir: &Path) -> kernel::Result<()> {
    children(dir).iter().try_for_each(|child| remove_empty(child))?;
    fs::remove_dir(dir)
}

/// Lets go on what is frozen in a cgroup of v1 and below it: a process that is frozen there dies of no signal, and who waits for its end waits for ever.
/// On v2 the kernel takes care of that.
pub fn thaw(dir: &Path) {
    let state = dir.join("freezer.state");
    if fs::read(&state).is_ok_and(|now| now.trim() != "THAWED") {
        // Where it is refused, the removal fails and says so.
        let _ = fs::write_once(&state, "THAWED");
    }
    children(dir).iter().for_each(|child| thaw(child));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_place_is_found_on_v1_and_v2() {
        let own = "4:memory:/a/b\n1:cpu,cpuacct:/\n9:name=systemd:/x\n0::/user.slice\n";
        assert_eq!(current(own, true, ""), Some(PathBuf::from("/user.slice")));
        assert_eq!(current(own, false, "cpuacct,cpu"), Some(PathBuf::from("/")));
        assert_eq!(current(own, false, "name=systemd"), Some(PathBuf::from("/x")));
        assert_eq!(current(own, false, "pids"), None);
        assert_eq!(named("rw,xattr,name=systemd"), "name=systemd");
        assert_eq!(named("rw,cpu,cpuacct"), "cpu,cpuacct");
    }

    #[test]
    fn the_memory_ceiling_is_below_the_machine() {
        assert!(memory_ceiling() > 0);
    }
}
