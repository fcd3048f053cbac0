//! The system call filter, in the child: loaded as late as the rights allow.
//!
//! With `no_new_privs` anybody may load a filter, so it comes last. Without it CAP_SYS_ADMIN is needed, so it comes just before the
//! capabilities are cut to what was asked for. It is compiled by the parent: the child only hands it to the kernel.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use super::error::{During as _, Error, Result};
use super::messages::{self, ToParent};
use super::steps::{Init, Start};
use crate::kernel::seccomp::{Profile, Program};
use crate::kernel::socket;

impl Start {
    /// Whether the filter hands calls to an agent; it must then exist before `start`.
    pub fn seccomp_is_watched(&self) -> bool {
        self.seccomp.as_ref().is_some_and(Program::listens)
    }
}

/// Compiles the profile of a spec.
///
/// # Errors
/// The profile is none; it notifies an agent and does not say which.
pub fn compile(profile: &Profile) -> Result<Program> {
    let program = Program::compile(profile).map_err(|invalid| Error::new(format!("`linux.seccomp`: {invalid}")))?;
    if program.listens() && profile.listener_path.is_none() {
        return Err(Error::new("`linux.seccomp.listenerPath` is missing: SCMP_ACT_NOTIFY needs somebody who answers"));
    }
    Ok(program)
}

/// Loads the filter where the process may still gain rights.
pub fn privileged(init: &mut Init<'_>) -> Result<()> {
    if init.credentials.no_new_privileges { Ok(()) } else { load(init) }
}

/// Loads the filter where it may not.
pub fn unprivileged(init: &mut Init<'_>) -> Result<()> {
    if init.credentials.no_new_privileges { load(init) } else { Ok(()) }
}

fn load(init: &mut Init<'_>) -> Result<()> {
    let Some(program) = &init.start.seccomp else { return Ok(()) };
    let Some(listener) = program.load()? else { return Ok(()) };
    messages::tell(init.parent, &ToParent::Listener, Some(listener.as_fd()))?;
    messages::wait_for_go(init.parent)
}

/// Hands the listener to the agent, with the container's state (config-linux.md, "The Container Process State").
///
/// # Errors
/// Nobody listens at the profile's `listenerPath`.
pub fn hand_over(profile: &Profile, listener: &OwnedFd, pid: i32, state: serde_json::Value) -> Result<()> {
    let path = profile.listener_path.as_deref().unwrap_or_default();
    let agent = socket::connect_stream(Path::new(path)).during(|| format!("reach the seccomp agent at `{path}`"))?;
    let message = serde_json::json!({
        "ociVersion": super::spec::VERSION,
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": profile.listener_metadata.clone().unwrap_or_default(),
        "state": state,
    });
    Ok(socket::send(agent.as_fd(), message.to_string().as_bytes(), &[listener.as_raw_fd()])?)
}
