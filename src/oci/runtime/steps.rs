//! The steps from a clone to a container, in the child, as a table.
//!
//! [`INIT`] is the start of a container, [`EXEC`] that of a further process in it. One loop drives both. The names are the headings of the
//! X-ray, the prefix of errors (``step `pivot-root` ``) and the chapters of the book. The order is the design; what it must keep:
//!
//! ```text
//!  cgroup ─ identity ─ mounts ─ pivot-root ─ masked ─ limits ─ user ─ [start] ─ seccomp ─ execve
//!     │          │                    │                  │        │                │
//!     │          │                    │                  │        │                └ after the last call that it might forbid
//!     │          │                    │                  │        └ a filter needs no_new_privs or CAP_SYS_ADMIN
//!     │          │                    │                  └ before the user changes: raising a hard limit needs CAP_SYS_RESOURCE
//!     │          │                    └ before anything of the image runs
//!     │          └ root of the new user namespace, before it mounts
//!     └ before any file of the image is touched, so that memory and processes are counted
//! ```

use std::os::fd::{AsFd as _, OwnedFd};

use super::error::{During as _, Result};
use super::messages::ToParent;
use super::plan::{Credentials, Plan};
use super::store::State;
use super::{cgroup, console, cover, devices, identity, kernel_parameters, launch, mounts, namespaces, rootfs, seccomp};
use crate::kernel::cgroup::Entrance;
use crate::kernel::root::Root;
use crate::kernel::seccomp::Program;
use crate::kernel::{socket, xray};

/// A step of the child.
pub struct Step {
    /// Its name: lower case, hyphens.
    pub name: &'static str,
    /// What a learner sees happening.
    pub sees: &'static str,
    /// The page to read.
    pub page: &'static str,
    /// Does it, or does nothing where the plan has no use for it.
    pub run: fn(&mut Init<'_>) -> Result<()>,
}

/// What the child carries from step to step.
pub struct Init<'a> {
    /// What was decided before the clone.
    pub plan: &'a Plan,
    /// What runs in the end: the plan's own process, or that of `exec`.
    pub credentials: &'a Credentials,
    /// The parent's ear.
    pub parent: &'a OwnedFd,
    /// What was decided about this start beside the plan.
    pub start: &'a Start,
    /// The root file system, once it is a mount.
    pub root: Option<Root>,
    /// The program's file, once it was found.
    pub program: Option<std::ffi::CString>,
    /// `HOME=`, if it had to be found out here.
    pub home: Option<std::ffi::CString>,
    /// Whoever said `start`, and now wants to know whether it worked.
    pub starter: Option<OwnedFd>,
}

impl<'a> Init<'a> {
    /// What a child begins with.
    pub fn new(plan: &'a Plan, credentials: &'a Credentials, parent: &'a OwnedFd, start: &'a Start) -> Self {
        Init { plan, credentials, parent, start, root: None, program: None, home: None, starter: None }
    }

    /// The root file system.
    ///
    /// # Errors
    /// No step has made it yet: a mistake in the table.
    pub fn root(&self) -> Result<&Root> {
        self.root.as_ref().ok_or_else(|| super::error::Error::new("the root file system is not mounted yet"))
    }

    /// Who is told about a failure: whoever said `start`, before that the parent.
    fn listener(&self) -> &OwnedFd {
        self.starter.as_ref().unwrap_or(self.parent)
    }
}

/// How this start differs from others of the same plan.
#[derive(Default)]
pub struct Start {
    /// The child waits for its parent (ids, cgroup, network devices) before anything else.
    pub wait_for_parent: bool,
    /// The ways into the v1 hierarchies of the container's cgroup, which the child goes itself: see [`crate::kernel::cgroup::Entrance`].
    pub entrances: Vec<Entrance>,
    /// A new cgroup namespace must be made by the child, when it is in its cgroup.
    pub cgroup_namespace: bool,
    /// The container's cgroup as the `cgroup` mounts need it.
    pub cgroup: Option<super::cgroup::View>,
    /// `start` will come through this socket; without it the program runs at once.
    pub start_socket: Option<OwnedFd>,
    /// Descriptors from 3 on that the program gets.
    pub preserve: u32,
    /// The root is moved, not pivoted: for roots on a ramfs.
    pub no_pivot: bool,
    /// The loaded-once system call filter.
    pub seccomp: Option<Program>,
    /// The child is in another user namespace than its parent.
    pub user_namespace: bool,
    /// A terminal is made and sent to the parent.
    pub terminal: bool,
    /// The process of an `exec`: joined through this pidfd.
    pub join: Option<namespaces::Target>,
    /// What hooks that run here get on their standard input: the pid is then added as the container sees it.
    pub state: Option<State>,
}

/// A container's first process.
pub const INIT: &[Step] = &[
    step("parent", "wait until the parent has given ids, limits and devices", "user_namespaces(7)", namespaces::wait_for_parent),
    step("cgroup", "go into the cgroup, to be counted and limited from here on", "cgroups(7)", cgroup::enter),
    step("join", "enter the namespaces that exist already", "setns(2)", namespaces::join),
    step("time", "set the clocks of the new time namespace", "time_namespaces(7)", namespaces::time),
    step("identity", "become root of the new user namespace", "user_namespaces(7)", identity::become_root),
    step("cgroup-namespace", "see our own cgroup as the top", "cgroup_namespaces(7)", namespaces::cgroup),
    step("session", "begin a session of our own", "setsid(2)", launch::session),
    step("network", "bring the loopback device up, and those that were handed over", "netdevice(7)", namespaces::network_up),
    step("propagation", "cut our mounts off from the machine's", "mount_namespaces(7)", rootfs::propagation),
    step("rootfs", "make the root file system a mount", "open_tree(2)", rootfs::bind),
    step("mounts", "mount proc, dev, sys and what the bundle asks for", "fsmount(2)", mounts::all),
    step("devices", "make the device nodes and links in /dev", "mknod(2)", devices::all),
    step("hooks", "run the hooks that want the namespaces and the machine's files", "namespaces(7)", launch::create_hooks),
    step("pivot-root", "swap the root and drop the old one", "pivot_root(2)", rootfs::pivot),
    step("console", "make a terminal and make it ours", "pty(7)", console::open),
    step("hostname", "name the machine that the container is", "sethostname(2)", kernel_parameters::hostname),
    step("sysctl", "set the kernel parameters of our namespaces", "sysctl(8)", kernel_parameters::sysctl),
    step("masked-paths", "cover what tells too much about the machine", "mount(8)", cover::masked),
    step("readonly-paths", "make read-only what would change the machine", "mount_setattr(2)", cover::read_only),
    step("readonly-root", "make the root read-only", "mount_setattr(2)", rootfs::read_only),
    step("scheduling", "set scheduling, input and output priority, memory policy", "sched(7)", kernel_parameters::scheduling),
    step("limits", "set the resource limits", "getrlimit(2)", identity::limits),
    step("bounding", "drop capabilities for ever", "capabilities(7)", identity::bounding),
    step("user", "become the user", "credentials(7)", identity::user),
    step("working-directory", "go to the working directory", "chdir(2)", launch::working_directory),
    step("program", "look for the program", "execve(2)", launch::find),
    step("start", "wait for `start`", "unix(7)", launch::wait_for_start),
    step("start-hooks", "run the hooks that want the container", "namespaces(7)", launch::start_hooks),
    step("no-new-privileges", "give up gaining rights by execve", "prctl(2)", identity::no_new_privileges),
    step("hide", "hide from those who share our process ids, who could do as much as we soon", "prctl(2)", identity::hide),
    step("seccomp-privileged", "load the system call filter while we may", "seccomp(2)", seccomp::privileged),
    step("capabilities", "keep the capabilities that were asked for", "capabilities(7)", identity::capabilities),
    step("seccomp", "load the system call filter", "seccomp(2)", seccomp::unprivileged),
    step("start-filtered", "wait for `start` behind a filter that somebody watches", "seccomp_unotify(2)", launch::wait_for_start_filtered),
    step("descriptors", "keep no descriptor of ours", "close_range(2)", launch::descriptors),
    step("exec", "become the program", "execve(2)", launch::exec),
];

/// A further process in a running container.
pub const EXEC: &[Step] = &[
    step("hide", "hide from those inside while we join", "prctl(2)", identity::hide),
    step("parent", "wait until the parent is ready for us", "unix(7)", namespaces::wait_for_parent),
    step("cgroup", "go into the container's cgroup", "cgroups(7)", cgroup::enter),
    step("join", "enter the container's namespaces", "setns(2)", namespaces::join_target),
    step("identity", "become root of the container's user namespace", "user_namespaces(7)", identity::become_root),
    step("session", "begin a session of our own", "setsid(2)", launch::session),
    step("console", "make a terminal and make it ours", "pty(7)", console::open),
    step("scheduling", "set scheduling, input and output priority", "sched(7)", kernel_parameters::scheduling),
    step("limits", "set the resource limits", "getrlimit(2)", identity::limits),
    step("bounding", "drop capabilities for ever", "capabilities(7)", identity::bounding),
    step("user", "become the user", "credentials(7)", identity::user),
    step("working-directory", "go to the working directory", "chdir(2)", launch::working_directory),
    step("program", "look for the program", "execve(2)", launch::find),
    step("no-new-privileges", "give up gaining rights by execve", "prctl(2)", identity::no_new_privileges),
    step("seccomp-privileged", "load the system call filter while we may", "seccomp(2)", seccomp::privileged),
    step("capabilities", "keep the capabilities that were asked for", "capabilities(7)", identity::capabilities),
    step("seccomp", "load the system call filter", "seccomp(2)", seccomp::unprivileged),
    step("descriptors", "keep no descriptor of ours", "close_range(2)", launch::descriptors),
    step("exec", "become the program", "execve(2)", launch::exec),
];

const fn step(name: &'static str, sees: &'static str, page: &'static str, run: fn(&mut Init<'_>) -> Result<()>) -> Step {
    Step { name, sees, page, run }
}

/// Takes the steps. Returns only when one failed: the last becomes the program. The parent has been told; the value is the exit code.
pub fn drive(steps: &[Step], init: &mut Init<'_>) -> i32 {
    for (index, step) in steps.iter().enumerate() {
        xray::set_step(index as u32 + 1);
        if let Err(error) = (step.run)(init).during(|| format!("step `{}` ({})", step.name, step.sees)) {
            let message = ToParent::Failed(error).encode();
            // The parent is gone or listens; either way this process ends.
            let _ = socket::send(init.listener().as_fd(), &message, &[]);
            return 1;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(steps: &[Step], name: &str) -> usize {
        steps.iter().position(|step| step.name == name).unwrap_or_else(|| panic!("no step `{name}`"))
    }

    fn in_order(steps: &[Step], names: &[&str]) {
        let positions: Vec<usize> = names.iter().map(|name| position(steps, name)).collect();
        assert!(positions.is_sorted(), "{names:?} stand at {positions:?}");
    }

    #[test]
    fn the_order_keeps_what_the_essay_promises() {
        in_order(
            INIT,
            &[
                "parent",
                "cgroup",
                "join",
                "time",
                "identity",
                "cgroup-namespace",
                "propagation",
                "rootfs",
                "mounts",
                "devices",
                "hooks",
                "pivot-root",
            ],
        );
        in_order(INIT, &["pivot-root", "sysctl", "masked-paths", "readonly-paths", "limits", "bounding", "user", "program", "start"]);
        in_order(
            INIT,
            &["start", "start-hooks", "no-new-privileges", "seccomp-privileged", "capabilities", "seccomp", "descriptors", "exec"],
        );
        in_order(
            EXEC,
            &["hide", "cgroup", "join", "identity", "limits", "bounding", "user", "no-new-privileges", "capabilities", "seccomp", "exec"],
        );
    }

    #[test]
    fn nothing_comes_after_the_filter_but_the_program() {
        for steps in [INIT, EXEC] {
            let after: Vec<&str> = steps[position(steps, "seccomp") + 1..].iter().map(|step| step.name).collect();
            assert!(after.iter().all(|name| ["start-filtered", "descriptors", "exec"].contains(name)), "{after:?}");
            assert_eq!(steps.last().map(|step| step.name), Some("exec"));
        }
    }

    #[test]
    fn names_are_unique_and_pages_have_sections() {
        for steps in [INIT, EXEC] {
            for (index, step) in steps.iter().enumerate() {
                assert!(steps[..index].iter().all(|before| before.name != step.name), "{} twice", step.name);
                assert!(step.page.ends_with(')') && step.page.contains('('), "{}", step.page);
                assert!(step.name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'), "{}", step.name);
            }
        }
    }
}
