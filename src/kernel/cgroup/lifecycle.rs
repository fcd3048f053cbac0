//! The life of a cgroup: made, filled with controllers, frozen, killed, removed.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::events::{wait_for_exit, wait_for_line};
use super::{Cgroup, Error, Layout, Result, Tree, Version, children, collect_processes, words};
use crate::kernel::error::Errno;
use crate::kernel::{self, fs, process, xray};

/// How often a path is made anew whose upper part somebody else takes away meanwhile. Each time is another race that was lost; nobody loses so many.
const ATTEMPTS: usize = 100;
/// How long a killed or frozen process may take. One that is stuck in the kernel (state D) takes longer than any patience.
const PATIENCE: Duration = Duration::from_secs(5);

impl Tree {
    /// Makes the directory and its parents below the mount.
    ///
    /// An empty parent belongs to nobody: whoever made it for children of its own may remove it between our mkdir of it and of what is to be in it.
    /// Then it is made again.
    pub(super) fn create(&self, enable: bool) -> Result<()> {
        let lost = |made: &Result<()>| matches!(made, Err(Error::Kernel(error)) if matches!(error.errno, Errno::ENOENT | Errno::ENODEV));
        let mut made = self.create_once(enable);
        for _ in 1..ATTEMPTS {
            if !lost(&made) || !self.mount.is_dir() {
                break;
            }
            made = self.create_once(enable);
        }
        made
    }

    fn create_once(&self, enable: bool) -> Result<()> {
        let missing: Vec<&Path> = self.directory.ancestors().take_while(|dir| *dir != self.mount).collect();
        let mut parent = self.mount.as_path();
        for directory in missing.into_iter().rev() {
            if enable {
                // Refused where processes are inside, or where the directory is not ours. Not an error yet: only a limit that needs it makes it one.
                let _ = enable_all(parent);
            }
            make(directory)?;
            if self.has("cpuset") && self.version == Version::V1 {
                inherit_cpuset(parent, directory)?;
            }
            parent = directory;
        }
        Ok(())
    }

    /// v2: hands `controller` down from the mount to this cgroup.
    pub(super) fn enable_down(&self, controller: &str) -> Result<()> {
        let above: Vec<&Path> = self.directory.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.mount)).collect();
        above.into_iter().rev().try_for_each(|directory| enable(directory, &[controller]))
    }
}

fn make(directory: &Path) -> Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let shown = directory.display();
    Ok(xray::call("mkdir", &shown, format_args!("{shown}"), || match std::fs::create_dir(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(kernel::error::errno_of(&error)),
        _ => Ok(()),
    })?)
}

/// A new v1 cpuset is empty, and nothing can run in an empty one.
fn inherit_cpuset(parent: &Path, child: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if fs::read(&child.join(file))?.trim().is_empty() {
            fs::write_once(&child.join(file), fs::read(&parent.join(file))?.trim())?;
        }
    }
    Ok(())
}

/// Hands every controller that a v2 cgroup has to its children.
fn enable_all(directory: &Path) -> Result<()> {
    let available = words(&fs::read(&directory.join("cgroup.controllers"))?);
    let names: Vec<&str> = available.iter().map(String::as_str).collect();
    enable(directory, &names)
}

/// Hands `controllers` to the children of a v2 cgroup, in one write.
///
/// A cgroup with processes gets a plain no, also where the kernel would take the write: `+pids` or `+cpu` alone make such a cgroup the root of a
/// threaded tree, whose children are then "domain invalid" and refuse every process (EOPNOTSUPP, cgroups(7)).
pub(super) fn enable(directory: &Path, controllers: &[&str]) -> Result<()> {
    let control = directory.join("cgroup.subtree_control");
    let enabled = words(&fs::read(&control)?);
    let missing: Vec<String> =
        controllers.iter().filter(|name| !enabled.iter().any(|known| known == *name)).map(|name| format!("+{name}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(processes) = holds_processes(directory) {
        return Err(Error::InternalProcesses { path: directory.to_owned(), processes });
    }
    fs::write_once(&control, &missing.join(" ")).map_err(|error| why_not_enabled(directory, &missing, error))
}

/// How many processes keep a cgroup from handing controllers down. The root of the whole tree is free of the rule; it has no `cgroup.type`.
fn holds_processes(directory: &Path) -> Option<usize> {
    let mut inside = Vec::new();
    let counts = directory.join("cgroup.type").exists() && collect_processes(directory, false, &mut inside).is_ok();
    (counts && !inside.is_empty()).then_some(inside.len())
}

fn why_not_enabled(directory: &Path, missing: &[String], error: kernel::Error) -> Error {
    match (error.errno, holds_processes(directory)) {
        // One that came meanwhile.
        (Errno::EBUSY, Some(processes)) => Error::InternalProcesses { path: directory.to_owned(), processes },
        (Errno::ENOENT | Errno::EINVAL, _) => Error::NoController {
            controller: missing.join(" ").replace('+', ""),
            file: format!("{}/cgroup.subtree_control", directory.display()),
        },
        _ => error.into(),
    }
}

/// How often the processes of a cgroup are moved out of it; some may be born meanwhile.
const MOVES: usize = 16;

impl Layout {
    /// v2: moves the processes of the cgroup that we see as the top into a child of it, so that it can hand controllers down (cgroups(7), "no internal
    /// processes"). The top of the whole tree is free of that rule, and a layout with v1 in it has none.
    ///
    /// # Errors
    /// The child cannot be made, or a process may not be moved.
    pub fn make_room(&self, child: &str) -> Result<()> {
        let Some(tree) = self.unified().filter(|_| self.is_unified()) else { return Ok(()) };
        for _ in 0..MOVES {
            if holds_processes(&tree.mount).is_none() {
                break;
            }
            let leaf = tree.mount.join(child);
            make(&leaf)?;
            let mut inside = Vec::new();
            collect_processes(&tree.mount, false, &mut inside)?;
            // Numbers that we do not see are 0 here, which would be ourselves.
            for pid in inside.into_iter().filter(|pid| *pid > 0) {
                match fs::write_once(&leaf.join("cgroup.procs"), &pid.to_string()) {
                    Err(error) if error.errno == Errno::ESRCH => {}
                    moved => moved?,
                }
            }
        }
        Ok(())
    }
}

impl Cgroup {
    /// Stops every process in it, and below, where it stands. Returns when all have stopped.
    ///
    /// # Errors
    /// [`Error::StillBusy`] when one does not, [`Error::NoController`] on a v1 machine without `freezer`.
    pub fn freeze(&self) -> Result<()> {
        if let Some(tree) = self.core_freezer() {
            fs::write_once(&tree.file("cgroup.freeze"), "1")?;
            return self.in_time(wait_for_line(&tree.file("cgroup.events"), "frozen 1", PATIENCE)?);
        }
        let state = self.v1_freezer()?;
        let deadline = Instant::now() + PATIENCE;
        // v1 has no event: the kernel tries again to freeze new children each time that the state is read or written.
        while Instant::now() < deadline {
            fs::write_once(&state, "FROZEN")?;
            if fs::read(&state)?.trim() == "FROZEN" {
                return Ok(());
            }
            std::thread::yield_now();
        }
        fs::write_once(&state, "THAWED")?;
        self.in_time(false)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// As [`Cgroup::freeze`].
    pub fn thaw(&self) -> Result<()> {
        if let Some(tree) = self.core_freezer() {
            fs::write_once(&tree.file("cgroup.freeze"), "0")?;
            self.in_time(wait_for_line(&tree.file("cgroup.events"), "frozen 0", PATIENCE)?)?;
        }
        // Somebody may have used the v1 freezer by hand.
        match self.v1_freezer() {
            Ok(state) if fs::read(&state)?.trim() != "THAWED" => Ok(fs::write_once(&state, "THAWED")?),
            _ => Ok(()),
        }
    }

    /// Whether it is frozen, by v2's core file or by the v1 controller.
    ///
    /// # Errors
    /// The cgroup is gone.
    pub fn frozen(&self) -> Result<bool> {
        let core = match self.core_freezer() {
            Some(tree) => fs::read(&tree.file("cgroup.freeze"))?.trim() == "1",
            None => false,
        };
        let v1 = match self.v1_freezer() {
            Ok(state) => fs::read(&state)?.trim() != "THAWED",
            Err(_) => false,
        };
        Ok(core || v1)
    }

    fn core_freezer(&self) -> Option<&Tree> {
        self.unified().filter(|tree| tree.file("cgroup.freeze").exists())
    }

    fn v1_freezer(&self) -> Result<PathBuf> {
        let missing = || Error::NoController { controller: "freezer".to_owned(), file: "freezer.state".to_owned() };
        let tree = self.of_controller("freezer").filter(|tree| tree.version == Version::V1).ok_or_else(missing)?;
        Some(tree.file("freezer.state")).filter(|state| state.exists()).ok_or_else(missing)
    }

    /// Kills every process in it and below, also one that forks as fast as it can. Where cgroup2 does it at once
    /// (`cgroup.kill`) the processes may still be ending when this returns; [`Cgroup::remove`] waits for that.
    ///
    /// # Errors
    /// EPERM: a process of another user is inside.
    pub fn kill(&self) -> Result<()> {
        if let Some(tree) = self.unified().filter(|tree| tree.file("cgroup.kill").exists()) {
            fs::write_once(&tree.file("cgroup.kill"), "1")?;
        }
        // v1, and those who left the v2 cgroup: until a look finds nobody. From the second look on frozen first, so that none forks
        // between the look and the kill.
        for attempt in 0..8 {
            let killed = self.kill_round(attempt > 0)?;
            if killed.is_empty() {
                break;
            }
            wait_for_exit(&killed, PATIENCE)?;
        }
        Ok(())
    }

    fn kill_round(&self, freeze: bool) -> Result<Vec<OwnedFd>> {
        let freezer = self.v1_freezer().ok();
        if let Some(state) = freezer.as_ref().filter(|_| freeze) {
            fs::write_once(state, "FROZEN")?;
        }
        let killed = self.handles().and_then(|handles| kill_each(&handles).map(|()| handles));
        // A frozen v1 process takes its SIGKILL when it is thawed, whoever froze it.
        if let Some(state) = freezer
            && fs::read(&state)?.trim() != "THAWED"
        {
            fs::write_once(&state, "THAWED")?;
        }
        killed
    }

    /// A descriptor for every process inside.
    fn handles(&self) -> Result<Vec<OwnedFd>> {
        Ok(self.all_processes()?.into_iter().filter_map(|pid| process::open(pid).ok()).collect())
    }

    /// Removes it and everything below it, once the processes inside have ended. Does not kill them ([`Cgroup::kill`]).
    ///
    /// # Errors
    /// [`Error::StillBusy`] when they have not ended in five seconds.
    pub fn remove(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.remove_once() {
                Err(error) if error.errno == Errno::EBUSY => {}
                other => return Ok(other?),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.in_time(!left.is_zero())?;
            self.wait_empty(left)?;
        }
    }

    /// Waits until nobody is inside: on v2 the kernel says so in `cgroup.events`, on v1 the processes are waited for one by one.
    ///
    /// # Errors
    /// poll(2) or inotify(7) refused. Running out of time is no error here.
    pub fn wait_empty(&self, patience: Duration) -> Result<()> {
        if let Some(tree) = self.unified().filter(|tree| tree.file("cgroup.events").exists()) {
            wait_for_line(&tree.file("cgroup.events"), "populated 0", patience)?;
        }
        let handles = self.handles()?;
        if handles.is_empty() {
            // v1 between the end of a process and the end of its accounting: nothing to wait on, gone within a tick.
            std::thread::yield_now();
            return Ok(());
        }
        wait_for_exit(&handles, patience)
    }

    pub(super) fn remove_once(&self) -> kernel::Result<()> {
        self.trees.iter().try_for_each(|tree| remove_tree(&tree.directory))
    }

    fn in_time(&self, happened: bool) -> Result<()> {
        if happened {
            return Ok(());
        }
        let path = self.directories().next().map(Path::to_owned).unwrap_or_default();
        Err(Error::StillBusy { path, processes: self.all_processes().unwrap_or_default() })
    }
}

fn kill_each(handles: &[OwnedFd]) -> Result<()> {
    for handle in handles {
        match process::signal(handle.as_fd(), libc::SIGKILL) {
            Err(error) if error.errno != Errno::ESRCH => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// rmdir(2) from the leaves up. Gone already is as good.
fn remove_tree(directory: &Path) -> kernel::Result<()> {
    let attempt = || {
        let shown = directory.display();
        xray::call("rmdir", &shown, format_args!("{shown}"), || {
            std::fs::remove_dir(directory).map_err(|error| kernel::error::errno_of(&error))
        })
    };
    // The common case is a leaf: one call, no listing.
    match attempt() {
        Err(error) if error.errno == Errno::EBUSY || error.errno == Errno::ENOTEMPTY => {}
        Err(error) if error.errno == Errno::ENOENT => return Ok(()),
        other => return other,
    }
    children(directory).iter().try_for_each(|child| remove_tree(child))?;
    match attempt() {
        Err(error) if error.errno == Errno::ENOENT => Ok(()),
        other => other,
    }
}
