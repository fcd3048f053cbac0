//! Who the process is and what it may do: user, groups, capabilities, limits.
//!
//! ```text
//!  bounding ─ user (permitted set kept) ─ [seccomp if privileged] ─ capabilities ─ [seccomp] ─ execve
//! ```
//! The permitted set is kept over the change of the user until the final `capset`, because loading a filter without `no_new_privs`
//! needs CAP_SYS_ADMIN.

use super::error::{During as _, Result};
use super::steps::Init;
use crate::kernel::{caps, device, ids, program};

/// Hides us from the processes of the container that we are about to join (CVE-2016-9962).
pub fn hide(_: &mut Init<'_>) -> Result<()> {
    Ok(program::hide()?)
}

/// In a user namespace that we came into from outside we are still the ids of outside, which are mostly nobody there.
pub fn become_root(init: &mut Init<'_>) -> Result<()> {
    if !init.start.user_namespace {
        return Ok(());
    }
    // Group 0 may be unmapped; then mounts fail later with a better reason.
    if init.plan.groups.is_empty() || ids::outside(&init.plan.groups, 0).is_some() {
        ids::become_user(0, 0).during(|| "become root in the user namespace")?;
    }
    Ok(())
}

/// Sets the resource limits. Afterwards nothing may be allocated without thought: RLIMIT_AS may be small.
pub fn limits(init: &mut Init<'_>) -> Result<()> {
    for limit in &init.credentials.limits {
        limit.set().map_err(|error| {
            let hint = "raising a hard limit needs CAP_SYS_RESOURCE: lower `hard` in config.json, or run as root";
            super::error::Error::from(error).hint(hint)
        })?;
    }
    Ok(())
}

/// Drops everything outside the bounding set.
pub fn bounding(init: &mut Init<'_>) -> Result<()> {
    Ok(caps::bound(init.credentials.capabilities.bounding)?)
}

/// Becomes the user, with all capabilities kept for the steps that follow.
pub fn user(init: &mut Init<'_>) -> Result<()> {
    let wanted = init.credentials;
    caps::keep_over_user_change()?;
    set_groups(init, &wanted.groups)?;
    ids::become_user(wanted.uid, wanted.gid)?;
    device::umask(wanted.umask);
    if wanted.uid != 0 {
        // The change of the user has cleared the effective set; the permitted one was kept.
        let (_, permitted, _) = caps::current()?;
        caps::set(permitted, permitted, caps::Set::default())?;
    }
    Ok(())
}

/// Without a list of groups the caller's must not leak in. Where setgroups(2) is denied (rootless with one's own id only), they are those
/// of whoever started us, and that can be lived with only if none were asked for.
fn set_groups(init: &Init<'_>, groups: &[u32]) -> Result<()> {
    if groups.is_empty() && init.plan.bind_devices && !ids::setgroups_allowed() {
        return Ok(());
    }
    ids::set_groups(groups).during(|| "set the supplementary groups")
}

/// Gives up gaining rights by execve(2).
pub fn no_new_privileges(init: &mut Init<'_>) -> Result<()> {
    if init.credentials.no_new_privileges { Ok(program::no_new_privileges()?) } else { Ok(()) }
}

/// The final three sets and the ambient one. Capabilities that we do not hold ourselves cannot be given.
pub fn capabilities(init: &mut Init<'_>) -> Result<()> {
    let wanted = init.credentials.capabilities;
    let (_, held, _) = caps::current()?;
    let permitted = wanted.permitted.and(held);
    caps::set(wanted.effective.and(permitted), permitted, wanted.inheritable.and(held.with(permitted)))?;
    if wanted.ambient == caps::Set::default() && init.credentials.uid == 0 {
        return Ok(());
    }
    Ok(caps::set_ambient(wanted.ambient.and(permitted))?)
}
