//! Control groups: which processes belong together, and what they may use together (cgroups(7)).
//!
//! A cgroup is a directory. Processes are put into it by writing their number into `cgroup.procs`, limits are set by writing other
//! files, and it ends with rmdir(2) when nobody is in it. cgroup v2 has one tree; v1 has one tree per controller; most machines of today
//! have one or the other, many have both. [`Cgroup`] is one type over all of them: the same relative path in every tree that this
//! machine has ([`Layout`]).
//!
//! ```text
//!   Layout::detect ──> hierarchies: cpu(v1) memory(v1) pids(v1) ... unified(v2)
//!   Cgroup::create("web") ──> cpu/web  memory/web  pids/web  ...  unified/web
//!         .apply(&Resources) ──> pure plan of writes (v1.rs, v2.rs) ──> one write(2) per file
//!         .entrances()  .kill()  .freeze()  .stats()  .remove()
//! ```
//!
//! Invariants: every wait here ends on an event of the kernel (`cgroup.events`, a pidfd) or at a deadline, never on a guess.
//! An empty v2 tree beside the v1 ones is used all the same: it brings `cgroup.kill`, `cgroup.freeze` and `cgroup.events`,
//! which v1 does not have. Left out: the realtime knobs of v2 (there are none), and moving processes back on failure.

mod devices;
mod error;
mod events;
mod knobs;
mod layout;
mod lifecycle;
mod resources;
mod stats;
mod v1;
mod v2;
mod write;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

pub use error::{Error, Result};
pub use events::OomWatch;
pub use layout::{Hierarchy, Layout, Version};
#[cfg(test)]
pub use resources::Memory;
pub use resources::{DeviceRule, Resources};
#[cfg(test)]
pub use v2::shares_of_weight;
pub use v2::weight_of_shares;

use super::error::Errno;
use super::root::from_rustix;
use super::{fs, xray};

/// One cgroup: the same path in every hierarchy of the machine.
#[derive(Debug, Clone)]
pub struct Cgroup {
    path: PathBuf,
    trees: Vec<Tree>,
}

/// The way into a v1 cgroup: its `tasks`, open.
///
/// Whoever moves *another* process, or all threads of one, waits until no process of the machine is within fork(2) or exit(2), which takes the kernel a
/// grace period of RCU: some ten milliseconds. A thread that moves itself waits for nobody (since Linux 5.5).
#[derive(Debug)]
pub struct Entrance {
    file: OwnedFd,
    path: PathBuf,
}

impl Entrance {
    /// Moves the calling thread there. A process of one thread is there as a whole then.
    ///
    /// # Errors
    /// ENOSPC for an empty cpuset; EACCES where a process of this user may not go.
    pub fn enter(&self) -> Result<()> {
        let shown = self.path.display();
        let entered =
            xray::call("write", &shown, format_args!("{shown} <- 0"), || rustix::io::write(&self.file, b"0").map_err(from_rustix));
        Ok(entered.map(drop)?)
    }
}

/// The directory of a cgroup in one hierarchy.
#[derive(Debug, Clone)]
struct Tree {
    version: Version,
    controllers: Vec<String>,
    /// The mount point, above which nothing is touched.
    mount: PathBuf,
    directory: PathBuf,
}

impl Tree {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Cgroup {
    /// Makes the cgroup `path` in every hierarchy that lets us, with its parents; an existing one is taken as it is. An absolute path
    /// counts from the mount points, a relative one from our own cgroups. On a unified machine all controllers are enabled on the way down, as far
    /// as the no-internal-process rule permits; what is then missing shows when a limit needs it.
    ///
    /// # Errors
    /// [`Error::NotDelegated`] when no hierarchy lets us; [`Error::Kernel`] for anything but a refusal.
    pub fn create(layout: &Layout, path: &Path) -> Result<Cgroup> {
        let planned = Cgroup::at(layout, path);
        let mut made = Cgroup { path: planned.path.clone(), trees: Vec::new() };
        for tree in planned.trees {
            match tree.create(layout.is_unified()) {
                Ok(()) => made.trees.push(tree),
                Err(Error::Kernel(error)) if matches!(error.errno, Errno::EACCES | Errno::EPERM | Errno::EROFS) => {}
                Err(error) => {
                    // Half a cgroup is none: what was made goes, unless it is in use by somebody.
                    let _ = made.remove_once();
                    return Err(error);
                }
            }
        }
        if made.trees.is_empty() { Err(Error::NotDelegated { path: made.path }) } else { Ok(made) }
    }

    /// The existing cgroup that had these directories when it was made by `path`. A relative path counts from the cgroup of whoever made it, and that
    /// need not be ours.
    ///
    /// # Errors
    /// As [`Cgroup::open`].
    pub fn open_again(layout: &Layout, path: &Path, directories: &[PathBuf]) -> Result<Cgroup> {
        let mut found = Cgroup::at(layout, path);
        for tree in &mut found.trees {
            if let Some(directory) = directories.iter().find(|directory| directory.starts_with(&tree.mount)) {
                tree.directory.clone_from(directory);
            }
        }
        found.existing()
    }

    /// The existing cgroup `path`, in those hierarchies that have it.
    ///
    /// # Errors
    /// ENOENT when none has it.
    pub fn open(layout: &Layout, path: &Path) -> Result<Cgroup> {
        Cgroup::at(layout, path).existing()
    }

    fn existing(mut self) -> Result<Cgroup> {
        self.trees.retain(|tree| tree.directory.is_dir());
        if self.trees.is_empty() {
            return Err(super::Error::new("open cgroup", self.path.display(), Errno::ENOENT).into());
        }
        Ok(self)
    }

    /// The cgroups that process `pid` is in. In trees where they differ, so do the paths.
    ///
    /// # Errors
    /// There is no such process.
    #[cfg(test)]
    pub fn of(layout: &Layout, pid: i32) -> Result<Cgroup> {
        let text = fs::read(&PathBuf::from(format!("/proc/{pid}/cgroup")))?;
        let trees = layout.hierarchies.iter().filter_map(|hierarchy| Some(tree(hierarchy, hierarchy.directory_in(&text)?))).collect();
        Ok(Cgroup { path: PathBuf::from(format!("/proc/{pid}/cgroup")), trees })
    }

    /// The cgroup `path`, whether it is there or not.
    pub fn at(layout: &Layout, path: &Path) -> Cgroup {
        let trees = layout.hierarchies.iter().filter_map(|hierarchy| Some(tree(hierarchy, hierarchy.directory(path)?))).collect();
        Cgroup { path: path.to_owned(), trees }
    }

    /// The cgroup for one more process beside `pid`, which lives in this one. A cgroup of v2 that hands controllers down takes no process of its own
    /// (clone3(2): EBUSY); whoever did that has gone to a child of it, as an init inside a container does, and there it is.
    ///
    /// # Errors
    /// The cgroup or the process is gone.
    pub fn beside(mut self, pid: i32) -> Result<Cgroup> {
        let Some(tree) = self.trees.iter_mut().find(|tree| tree.version == Version::V2) else { return Ok(self) };
        if fs::read(&tree.file("cgroup.subtree_control"))?.trim().is_empty() {
            return Ok(self);
        }
        let placed = fs::read(&PathBuf::from(format!("/proc/{pid}/cgroup")))?;
        let lived_in = Layout::detect()?.unified().and_then(|hierarchy| hierarchy.directory_in(&placed));
        // One that has left the cgroup altogether is not followed: its limits would not hold there.
        if let Some(directory) = lived_in.filter(|directory| directory.starts_with(&tree.directory)) {
            tree.directory = directory;
        }
        Ok(self)
    }

    /// The path it was made or opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its directory for `controller` (`""` for the cgroup2 tree): `/sys/fs/cgroup/memory/web`.
    pub fn directory(&self, controller: &str) -> Option<&Path> {
        let tree = if controller.is_empty() { self.unified() } else { self.of_controller(controller) };
        tree.map(|tree| tree.directory.as_path())
    }

    /// All its directories.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.trees.iter().map(|tree| tree.directory.as_path())
    }

    /// The controllers that this cgroup has, with their versions. On v2 only those that are enabled for it.
    pub fn controllers(&self) -> Vec<(String, Version)> {
        let own = |tree: &Tree| match tree.version {
            Version::V1 => tree.controllers.clone(),
            Version::V2 => words(&fs::read(&tree.file("cgroup.controllers")).unwrap_or_default()),
        };
        self.trees.iter().flat_map(|tree| own(tree).into_iter().map(|name| (name, tree.version))).collect()
    }

    fn unified(&self) -> Option<&Tree> {
        self.trees.iter().find(|tree| tree.version == Version::V2)
    }

    fn of_controller(&self, controller: &str) -> Option<&Tree> {
        self.trees.iter().find(|tree| tree.has(controller))
    }

    /// The v2 directory as a descriptor, for `CLONE_INTO_CGROUP`; `None` without a v2 tree.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn v2_directory(&self) -> Result<Option<OwnedFd>> {
        let Some(tree) = self.unified() else { return Ok(None) };
        let opened = xray::call("open", &tree.directory.display(), format_args!("{} O_DIRECTORY", tree.directory.display()), || {
            rustix::fs::open(&tree.directory, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(from_rustix)
        })?;
        Ok(Some(opened))
    }

    /// Moves a process (all its threads) into the v2 cgroup, if there is one: for a process that could not be cloned into it.
    ///
    /// # Errors
    /// ESRCH for a process that is gone, EBUSY when the cgroup hands controllers to children.
    pub fn add_unified(&self, pid: i32) -> Result<()> {
        self.unified().map_or(Ok(()), |tree| Ok(fs::write_once(&tree.file("cgroup.procs"), &pid.to_string())?))
    }

    /// The ways into the v1 hierarchies, for a process that goes by itself; into the v2 one it is cloned.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn entrances(&self) -> Result<Vec<Entrance>> {
        let open = |tree: &Tree| Ok(Entrance { file: fs::open_to_write(&tree.file("tasks"))?, path: tree.file("tasks") });
        self.trees.iter().filter(|tree| tree.version == Version::V1).map(open).collect()
    }

    /// The processes in it, not those of its children; each once, in order.
    ///
    /// # Errors
    /// The cgroup is gone.
    pub fn processes(&self) -> Result<Vec<i32>> {
        self.processes_below(false)
    }

    /// The processes in it and in all cgroups below it.
    ///
    /// # Errors
    /// The cgroup is gone.
    pub fn all_processes(&self) -> Result<Vec<i32>> {
        self.processes_below(true)
    }

    fn processes_below(&self, recursive: bool) -> Result<Vec<i32>> {
        let mut found = Vec::new();
        for tree in &self.trees {
            collect_processes(&tree.directory, recursive, &mut found)?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Makes the limits of `resources` true. Device rules are separate ([`Cgroup::set_devices`]): a user namespace cannot set them.
    ///
    /// # Errors
    /// [`Error::NoController`], [`Error::NoFile`], [`Error::InternalProcesses`], or the kernel's answer to one file, which it names.
    pub fn apply(&self, resources: &Resources) -> Result<()> {
        let limit = self.of_controller("memory").and_then(|tree| number(&tree.file("memory.limit_in_bytes")));
        self.refuse_shrinking_below_use(resources)?;
        let v1 = v1::writes(resources, v1::MemoryNow { limit: limit.unwrap_or(u64::MAX) });
        let has_v1 = self.trees.iter().any(|tree| tree.version == Version::V1);
        // A controller that is nowhere is complained about once, in the words of the version that the machine mostly has.
        v1.iter().try_for_each(|write| self.carry_out(write, Version::V1, has_v1))?;
        v2::writes(resources).iter().try_for_each(|write| self.carry_out(write, Version::V2, !has_v1))?;
        v2::only_writes(resources).iter().try_for_each(|write| self.carry_out(write, Version::V2, true))
    }

    /// `memory.checkBeforeUpdate`: a limit below what is used now would call the OOM killer at once.
    fn refuse_shrinking_below_use(&self, resources: &Resources) -> Result<()> {
        let Some(memory) = resources.memory.as_ref().filter(|memory| memory.check_before_update == Some(true)) else { return Ok(()) };
        let used = self.read_knob("memory.current").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        match memory.limit {
            Some(limit) if limit > 0 && limit < used => Err(super::Error::new("set memory limit", limit, Errno::EBUSY).into()),
            _ => Ok(()),
        }
    }

    /// `complain`: whether a missing controller is an error here or is left to the plan of the other version.
    fn carry_out(&self, write: &write::Write, version: Version, complain: bool) -> Result<()> {
        let tree = if write.controller.is_empty() { self.unified() } else { self.of_controller(&write.controller) };
        let Some(tree) = tree.filter(|tree| tree.version == version) else {
            let elsewhere = tree.is_some() && !write.verbatim;
            return if write.optional || elsewhere || !complain { Ok(()) } else { Err(no_controller(write)) };
        };
        let path = tree.file(&write.file);
        if version == Version::V2 && !write.controller.is_empty() && !path.exists() {
            tree.enable_down(&write.controller)?;
        }
        if path.exists() {
            return Ok(fs::write_once(&path, &write.value)?);
        }
        match &write.otherwise {
            Some((file, value)) if tree.file(file).exists() => Ok(fs::write_once(&tree.file(file), value)?),
            _ if write.optional => Ok(()),
            _ => Err(tree.why_no_file(&write.controller, path)),
        }
    }
}

impl Tree {
    /// Why a file of a controller that the machine has is not in this cgroup.
    fn why_no_file(&self, controller: &str, path: PathBuf) -> Error {
        let enabled = words(&fs::read(&self.file("cgroup.controllers")).unwrap_or_default()).iter().any(|name| name == controller);
        if self.version == Version::V1 || controller.is_empty() || enabled {
            return Error::NoFile { path };
        }
        Error::NoController { controller: controller.to_owned(), file: path.display().to_string() }
    }
}

fn tree(hierarchy: &Hierarchy, directory: PathBuf) -> Tree {
    Tree { version: hierarchy.version, controllers: hierarchy.controllers.clone(), mount: hierarchy.mount.clone(), directory }
}

fn no_controller(write: &write::Write) -> Error {
    Error::NoController { controller: write.controller.clone(), file: write.file.clone() }
}

/// Adds the processes of `directory` (and of all below it) to `found`. A directory that vanished meanwhile has none.
fn collect_processes(directory: &Path, recursive: bool, found: &mut Vec<i32>) -> Result<()> {
    match fs::read(&directory.join("cgroup.procs")) {
        Ok(text) => found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok())),
        // EOPNOTSUPP: a threaded cgroup of v2 lists its processes only at the root of its domain.
        Err(error) if recursive && matches!(error.errno, Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    if recursive {
        for child in children(directory) {
            collect_processes(&child, true, found)?;
        }
    }
    Ok(())
}

/// The child cgroups of a directory; none if it is gone.
fn children(directory: &Path) -> Vec<PathBuf> {
    fs::folders(directory).unwrap_or_default().into_iter().map(|name| directory.join(name)).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn number(path: &Path) -> Option<u64> {
    fs::read(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
