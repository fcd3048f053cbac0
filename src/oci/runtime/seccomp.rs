//! The system call filter, in the child: loaded as late as the rights allow.
//!
//! With `no_new_privs` anybody may load a filter, so it comes last. Without it CAP_SYS_ADMIN is needed, so it comes just before the
//! capabilities are cut to what was asked for.

use super::error::Result;
use super::steps::{Init, Start};

/// A compiled filter.
pub struct Filter {}

impl Start {
    /// Whether the filter hands calls to an agent; it must then exist before `start`.
    pub fn seccomp_is_watched(&self) -> bool {
        false
    }
}

/// Loads the filter where the process may still gain rights.
pub fn privileged(init: &mut Init<'_>) -> Result<()> {
    if init.credentials.no_new_privileges { Ok(()) } else { load(init) }
}

/// Loads the filter where it may not.
pub fn unprivileged(init: &mut Init<'_>) -> Result<()> {
    if init.credentials.no_new_privileges { load(init) } else { Ok(()) }
}

fn load(_: &mut Init<'_>) -> Result<()> {
    Ok(())
}
