//! One clone for a container: all its new namespaces, its v2 cgroup and its descriptor in a single clone3(2).
//!
//! Joining is different per kind. A pid namespace is chosen by the *parent*, before the clone (setns(2) there is for children only), and the
//! parent goes back to its own afterwards, where it may. A user namespace must be entered before the others are made, and cannot be left again. Both
//! that and a pid namespace without a way back take a middle process, which clones with CLONE_PARENT so that the container's first process is still our child.

use std::os::fd::{AsFd as _, BorrowedFd};

use super::error::{Error, Result};
use crate::kernel::ns::CloneFlags;
use crate::kernel::process::{self, Process};
use crate::kernel::{ns, program, socket};

/// Where a clone happens.
pub struct Place<'a> {
    /// Namespaces to make.
    pub new: CloneFlags,
    /// A user namespace to enter first.
    pub user: Option<BorrowedFd<'a>>,
    /// A pid namespace for the child.
    pub pid: Option<BorrowedFd<'a>>,
    /// A v2 cgroup to start in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Others live in the namespaces already: hide from them on the way.
    pub hide: bool,
}

/// Clones a child in `place` that runs `child` and ends with its value as exit code.
///
/// # Errors
/// Those of clone3(2) and setns(2).
pub fn spawn(place: &Place<'_>, child: impl FnOnce() -> i32) -> Result<Process> {
    match (place.user, place.pid) {
        (Some(_), _) => through_middle(place, child),
        (None, Some(pid)) => {
            let own = ns::open(0, "pid")?;
            // An engine of an ordinary user, in a user namespace of its own: the pid namespace belongs to the host, and there is no way back into it.
            if !ns::may_return(&own)? {
                return through_middle(place, child);
            }
            ns::enter(pid, CloneFlags::CLONE_NEWPID)?;
            let cloned = process::clone3(place.new, place.cgroup, child);
            ns::enter(own.as_fd(), CloneFlags::CLONE_NEWPID)?;
            Ok(cloned?)
        }
        (None, None) => Ok(process::clone3(place.new, place.cgroup, child)?),
    }
}

fn through_middle(place: &Place<'_>, child: impl FnOnce() -> i32) -> Result<Process> {
    let (ours, theirs) = socket::pair()?;
    let middle = process::clone3(CloneFlags::empty(), None, || {
        let answer = match in_middle(place, child) {
            Ok(pid) => pid.to_string(),
            Err(error) => error.line(),
        };
        i32::from(socket::send(theirs.as_fd(), answer.as_bytes(), &[]).is_err())
    })?;
    drop(theirs);
    let answer = socket::receive(ours.as_fd())?;
    process::wait(middle.fd.as_fd())?;
    let text = answer.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    match text.parse() {
        Ok(pid) => Ok(Process { pid, fd: process::open(pid)? }),
        Err(_) => Err(Error::new(text).during("enter the namespaces from a process between")),
    }
}

fn in_middle(place: &Place<'_>, child: impl FnOnce() -> i32) -> Result<i32> {
    if place.hide {
        program::hide()?;
    }
    if let Some(user) = place.user {
        ns::enter(user, CloneFlags::CLONE_NEWUSER)?;
    }
    if let Some(pid) = place.pid {
        ns::enter(pid, CloneFlags::CLONE_NEWPID)?;
    }
    // The number is that of our pid namespace, which is also the parent's.
    let cgroup = place.cgroup.filter(|_| place.user.is_none());
    Ok(process::clone3(place.new | CloneFlags::CLONE_PARENT, cgroup, child)?.pid)
}
