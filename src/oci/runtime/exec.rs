//! A further process in a running container: joined, never cloned anew, and careful of those who live there already.
//!
//! They may try to look into us while we hold descriptors of the machine (CVE-2016-9962): we hide before we join, and the pid namespace is
//! entered by the clone itself.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use super::error::{During as _, Error, Result};
use super::id::ContainerId;
use super::messages::{self, ToParent};
use super::namespaces::Target;
use super::plan::{Credentials, NAMESPACES, Plan};
use super::seccomp;
use super::spawn::{Place, spawn};
use super::spec::{Process as SpecProcess, Spec};
use super::steps::{EXEC, Init, Start, drive};
use super::store::{Entry, Status, read_config};
use crate::kernel::cgroup::Cgroup;
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::{self, Process};
use crate::kernel::seccomp::{Profile, Program};
use crate::kernel::{fs, program, schedule, socket};

/// What is to run.
pub struct ExecRequest<'a> {
    /// The process, complete.
    pub process: SpecProcess,
    /// Also in a paused container, where it waits until that is resumed.
    pub ignore_paused: bool,
    /// Where its pid is written.
    pub pid_file: Option<&'a Path>,
    /// How many descriptors from 3 on it gets.
    pub preserve: u32,
    /// A cgroup below the container's.
    pub sub_cgroup: Option<&'a str>,
}

/// What a further process in a container needs of its configuration, so that somebody may keep it for the next one: to read it and to compile its filter
/// takes longer than to join the container.
#[derive(Debug)]
pub struct Known {
    file: fs::Identity,
    /// Without its filter.
    spec: Spec,
    filter: Option<Program>,
    /// Of a filter that asks an agent.
    watched: Option<Profile>,
}

impl Known {
    /// Reads the configuration that a container was made by.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn read(path: &Path) -> Result<Known> {
        // Looked at before it is read: what is put in its place between does not pass for it.
        let file = fs::identity(path)?;
        let mut spec = read_config(path)?;
        let profile = spec.linux.seccomp.take();
        let filter = profile.as_ref().map(seccomp::compile).transpose()?;
        let watched = profile.filter(|_| filter.as_ref().is_some_and(Program::listens));
        Ok(Known { file, spec, filter, watched })
    }

    /// Whether that file is still the one that was read.
    pub fn holds(&self, path: &Path) -> bool {
        fs::identity(path).is_ok_and(|file| file == self.file)
    }
}

/// A process that has joined.
pub struct Joined {
    /// Our child.
    pub process: Process,
    /// The master of its terminal.
    pub console: Option<OwnedFd>,
    /// The processors it first ran on, if they were chosen.
    pub affinity: Option<u64>,
}

/// Runs a process in the container. In a paused one it waits in the frozen cgroup until somebody resumes the container, and so do we. What is `known` of its
/// configuration is not read again, if it holds.
///
/// # Errors
/// The container does not run; the program cannot be run in it.
pub fn exec(entry: Entry, id: &ContainerId, request: &ExecRequest<'_>, known: Option<Known>) -> Result<Joined> {
    let state = entry.load()?;
    let found = state.cgroup();
    let status = entry.status_in(&state, || found.clone());
    joinable(status, id, request.ignore_paused)?;
    let target = state.process().ok_or_else(|| Error::new(format!("container `{id}` is not running")))?;
    let file = entry.config_file();
    let known = known.filter(|known| known.holds(&file)).map_or_else(|| Known::read(&file), Ok)?;
    let Known { spec, filter, watched, .. } = known;
    let kinds = kinds(&spec.linux.namespaces);
    let plan = Plan::joining(id.clone(), &state.bundle, spec);
    let credentials = Credentials::new(&request.process, "process.")?;
    let cgroup = found.map(|cgroup| place_in(cgroup, state.pid, request.sub_cgroup)).transpose()?;
    let direct = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUSER;
    let start = Start {
        wait_for_parent: true,
        preserve: request.preserve,
        seccomp: filter,
        terminal: credentials.terminal,
        entrances: cgroup.as_ref().map(Cgroup::entrances).transpose()?.unwrap_or_default(),
        user_namespace: kinds.contains(CloneFlags::CLONE_NEWUSER),
        join: Some(Target { process: target, kinds: kinds - direct }),
        ..Start::default()
    };
    let affinity = credentials.affinity.0.as_deref().map(affinity).transpose()?;
    let directory = cgroup.as_ref().map(Cgroup::v2_directory).transpose()?.flatten();
    let (ours, theirs) = socket::pair()?;
    let target = start.join.as_ref().map(|target| target.process.as_fd());
    let place = Place {
        new: CloneFlags::empty(),
        user: target.filter(|_| kinds.contains(CloneFlags::CLONE_NEWUSER)),
        pid: target.filter(|_| kinds.contains(CloneFlags::CLONE_NEWPID)),
        cgroup: directory.as_ref().map(|directory| directory.as_fd()),
        hide: true,
    };
    let process = spawn(&place, || {
        program::close(&ours);
        drive(EXEC, &mut Init::new(&plan, &credentials, &theirs, &start))
    })
    .during(|| format!("join container `{id}`"))?;
    drop(theirs);
    // Held until the program runs, so that nobody freezes or deletes the container between. One that is frozen already is thawed only by somebody
    // who gets the lock: then it is given back at once.
    let held = (status != Status::Paused).then_some(entry);
    let joined: Result<Option<OwnedFd>> = (|| {
        // From a process between, which enters a user namespace, there is no clone into a cgroup.
        if let Some(cgroup) = cgroup.as_ref().filter(|_| kinds.contains(CloneFlags::CLONE_NEWUSER)) {
            cgroup.add_unified(process.pid).during(|| "join the container's cgroup")?;
        }
        messages::go(&ours)?;
        let document = || state.document("running");
        let console = serve(&ours, process.pid, |listener| match &watched {
            Some(profile) => seccomp::hand_over(profile, listener, process.pid, document()),
            None => Ok(()),
        })?;
        if let Some(file) = request.pid_file {
            fs::put(file, process.pid.to_string().as_bytes(), 0o644).during(|| "write the pid file")?;
        }
        Ok(console)
    })();
    drop(held);
    match joined {
        Ok(console) => Ok(Joined { process, console, affinity }),
        Err(error) => {
            process::end(process.fd.as_fd());
            Err(error.during(format!("exec in container `{id}`")))
        }
    }
}

/// Whether a container of this status takes one more process.
fn joinable(status: Status, id: &ContainerId, ignore_paused: bool) -> Result<()> {
    match status {
        Status::Stopped => Err(Error::new(format!("container `{id}` is not running"))),
        Status::Paused if !ignore_paused => {
            Err(Error::new(format!("container `{id}` is paused")).hint(format!("`bottleship oci resume {id}` first, or --ignore-paused")))
        }
        _ => Ok(()),
    }
}

/// The container's namespaces that differ from ours: entering one's own user namespace is an error.
fn kinds(namespaces: &[super::spec::linux::Namespace]) -> CloneFlags {
    let named = |word: &str| namespaces.iter().any(|namespace| namespace.kind == word);
    NAMESPACES.iter().filter(|(word, ..)| named(word)).fold(CloneFlags::empty(), |all, (_, _, flag)| all | *flag)
}

/// Where in the container's cgroup the process goes: where it was told to, else to the container's first process, `first`.
fn place_in(cgroup: Cgroup, first: i32, below: Option<&str>) -> Result<Cgroup> {
    let Some(below) = below.filter(|below| !below.is_empty()) else {
        return cgroup.beside(first).during(|| "look for the cgroup of the container's first process");
    };
    if below.split('/').any(|part| part == "..") {
        return Err(Error::new(format!("--cgroup: `{below}` leads out of the container's cgroup")));
    }
    let path = cgroup.path().join(below.trim_start_matches('/'));
    let layout = crate::kernel::cgroup::Layout::detect()?;
    Cgroup::open(&layout, &path).during(|| format!("--cgroup `{below}`"))
}

/// Binds ourselves to the processors that the child shall begin on; it inherits them.
fn affinity(processors: &[usize]) -> Result<u64> {
    schedule::set_affinity(processors)?;
    Ok(schedule::affinity_mask()?)
}

fn serve(child: &OwnedFd, pid: i32, listener: impl Fn(&OwnedFd) -> Result<()>) -> Result<Option<OwnedFd>> {
    let mut console = None;
    while let Some((message, descriptors)) = messages::next(child)? {
        match message {
            ToParent::Console => console = descriptors.into_iter().next(),
            ToParent::Listener => {
                if let Some(descriptor) = descriptors.first() {
                    listener(descriptor)?;
                }
                messages::go(child)?;
            }
            ToParent::Failed(error) => return Err(error),
            ToParent::Hooks | ToParent::Ready => {}
        }
    }
    messages::ran(pid).map(|()| console)
}

/// A process like the container's own with other arguments: what `exec ID COMMAND` means without `--process`.
pub fn like(own: Option<&SpecProcess>, arguments: &[String]) -> SpecProcess {
    let mut process = own.cloned().unwrap_or_default();
    process.args = arguments.to_vec();
    process.terminal = false;
    process.console_size = None;
    process
}

/// Parses `--user UID[:GID]`: decimal numbers and nothing else, so that a typing error never becomes root (CVE-2026-30892).
///
/// # Errors
/// It is anything else.
pub fn parse_user(text: &str) -> Result<(u32, Option<u32>)> {
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>().ok().filter(|number| digits && *number != u32::MAX)
    };
    let wrong = || Error::new(format!("--user `{}`: it must be UID or UID:GID, in numbers", text.escape_debug()));
    let (uid, gid) = match text.split_once(':') {
        None => (number(text), None),
        Some((uid, gid)) => (number(uid), Some(number(gid).ok_or_else(wrong)?)),
    };
    Ok((uid.ok_or_else(wrong)?, gid))
}

/// The capabilities of `--cap`, added to a process: to all sets but the inheritable and ambient ones (CVE-2022-29162).
///
/// # Errors
/// An unknown name.
pub fn add_capabilities(process: &mut SpecProcess, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    if let Some(unknown) = names.iter().find(|name| crate::kernel::caps::Set::named(name).is_none()) {
        return Err(Error::new(format!("--cap `{unknown}` is no capability, see capabilities(7)")));
    }
    let sets = process.capabilities.get_or_insert_with(Default::default);
    for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
        set.extend(names.iter().cloned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_configuration_holds_until_another_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let seccomp = r#""seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#;
        let text = |hostname: &str| format!(r#"{{"ociVersion": "1.0.2", "hostname": "{hostname}", "linux": {{{seccomp}}}}}"#);
        fs::put(&path, text("one").as_bytes(), 0o600).unwrap();
        let known = Known::read(&path).unwrap();
        assert!(known.holds(&path) && known.filter.is_some() && known.watched.is_none());
        assert_eq!((known.spec.hostname.as_deref(), known.spec.linux.seccomp.is_some()), (Some("one"), false));
        // The same length, as of the next container of this id.
        fs::put(&path, text("two").as_bytes(), 0o600).unwrap();
        assert!(!known.holds(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(!known.holds(&path));
        assert!(Known::read(&path).is_err());
    }

    #[test]
    fn users_are_numbers_or_refused() {
        assert_eq!(parse_user("1000").unwrap(), (1000, None));
        assert_eq!(parse_user("0:5").unwrap(), (0, Some(5)));
        for bad in ["", ":", ":5", "5:", "root", "4294967296", "4294967295", "-1", "+1", "0x0", "1:2:3", "1 ", "１"] {
            assert!(parse_user(bad).is_err(), "{bad:?}");
        }
    }
}
