//! The process that builds: in a pid and a mount namespace of its own, and without root's rights in a user namespace too.
//!
//! It is process 1 of its pid namespace. When it ends, however it ends, the kernel ends every container of the build with it, and its mounts are gone; and it
//! ends when the one who started it does. So a build that is killed leaves files in its workshop and the cgroup of a step, which the next one removes, and nothing
//! else; one that is interrupted removes them itself, after its end.

use std::os::fd::AsFd as _;
use std::path::Path;

use super::error::{During as _, Error, Result};
use crate::kernel::idmap::{self, Extent};
use crate::kernel::ids::{self, Kind};
use crate::kernel::mount::{self, MsFlags};
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::{self, Process, Signal};
use crate::kernel::signals::{self, Signals};
use crate::kernel::{fs, poll, socket};

/// The signals with which a person, a terminal or a machine that goes down asks for the end.
const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// How the work in a sandbox ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code; 128 and the signal where it was killed.
    Code(i32),
    /// This signal came for the one who waited. Everything in the sandbox is gone.
    Interrupted(i32),
}

/// Runs `work` in the sandbox. `work` is told if the sandbox could not be made. The caller has one thread; from here on it holds back the signals that
/// ask for the end: one of them ends the sandbox, and the caller has a last word.
///
/// # Errors
/// The machine has no such namespaces for us.
pub fn run(work: impl FnOnce(Result<()>) -> i32) -> Result<Ended> {
    let mut asked = Signals::block(&ENDING)?;
    let root = ids::effective().0 == 0;
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    flags.set(CloneFlags::CLONE_NEWUSER, !root);
    let (ours, theirs) = socket::pair()?;
    let child = process::clone3(flags, None, || work(signals::unblock(&ENDING).map_err(Error::from).and_then(|()| enter(&theirs, root))))?;
    drop(theirs);
    if !root && let Err(error) = map(&child) {
        process::end(child.fd.as_fd());
        return Err(error);
    }
    socket::send(ours.as_fd(), b"go", &[])?;
    poll::readable(&[child.fd.as_fd(), asked.as_fd()], None)?;
    if let Some(signal) = asked.next()? {
        process::end(child.fd.as_fd());
        return Ok(Ended::Interrupted(signal));
    }
    Ok(Ended::Code(process::wait(child.fd.as_fd())?.shell_code()))
}

fn enter(parent: &std::os::fd::OwnedFd, root: bool) -> Result<()> {
    process::die_with_parent(Signal::SIGKILL)?;
    socket::receive(parent.as_fd())?;
    if !root {
        idmap::become_root()?;
        // The change of ids took it back.
        process::die_with_parent(Signal::SIGKILL)?;
    }
    mount::propagation(Path::new("/"), MsFlags::MS_SLAVE | MsFlags::MS_REC)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount::mount("proc", Path::new("/proc"), "proc", flags, None).during(|| "show the build its own processes")
}

/// The ids that this user has on the machine: their own as root, and those of `/etc/subuid` and `/etc/subgid` above it. Without these, one id.
fn map(child: &Process) -> Result<()> {
    let (uid, gid) = ids::effective();
    let name = user_name(uid);
    let range = |file: &str| range(file, name.as_deref(), uid);
    if let (Some(users), Some(groups)) = (range("/etc/subuid"), range("/etc/subgid")) {
        let own = |id: u32, above: Extent| vec![Extent { inside: 0, outside: id, count: 1 }, above];
        let written = ids::write_map_with_helper(child.pid, Kind::User, &own(uid, users))
            .and_then(|()| ids::write_map_with_helper(child.pid, Kind::Group, &own(gid, groups)));
        return written.map_err(|error| Error::from(error).hint("install newuidmap and newgidmap (Debian: the package uidmap)"));
    }
    let only = |id: u32| [Extent { inside: 0, outside: id, count: 1 }];
    idmap::deny_setgroups(child.pid)?;
    idmap::write_users(child.pid, &only(uid))?;
    Ok(idmap::write_groups(child.pid, &only(gid))?)
}

fn user_name(uid: u32) -> Option<String> {
    let passwd = fs::read(Path::new("/etc/passwd")).ok()?;
    let found = passwd.lines().find(|line| line.split(':').nth(2) == Some(uid.to_string().as_str()))?;
    found.split(':').next().map(str::to_owned)
}

/// The first range of a user, by name or number, as ids from 1 on.
fn range(file: &str, name: Option<&str>, uid: u32) -> Option<Extent> {
    let text = fs::read(Path::new(file)).ok()?;
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        (Some(owner) == name || owner == number).then_some(Extent { inside: 1, outside: first, count })
    })
}
