//! Capabilities, capabilities(7): the pieces that the power of root is cut into, and the five sets that a process holds of them.
//!
//! ```text
//!  bounding     the most that an execve(2) may ever give           dropped one by one, never regained
//!  permitted    what may be made effective
//!  effective    what the kernel checks
//!  inheritable  what a marked file may hand on through execve(2)   must stay empty unless asked for (CVE-2022-24769)
//!  ambient      what an unmarked file hands on through execve(2)   a subset of permitted and inheritable
//! ```

use super::error::{Errno, Error, Result};
use super::xray;

/// The names of capabilities without `CAP_`, in the order of their numbers (capabilities(7)).
pub const NAMES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// A set of capabilities, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Set(pub u64);

impl Set {
    /// The capability called `name`, with or without `CAP_`, in any case; `None` for an unknown one.
    pub fn named(name: &str) -> Option<Set> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        NAMES.iter().position(|known| *known == bare).map(|number| Set(1 << number))
    }

    /// Both sets together.
    pub fn with(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }

    /// What both sets have.
    pub fn and(self, other: Set) -> Set {
        Set(self.0 & other.0)
    }

    /// The names in the set, as the field writes them: `CAP_KILL`.
    pub fn names(self) -> Vec<String> {
        NAMES.iter().enumerate().filter(|(number, _)| self.0 & 1 << number != 0).map(|(_, name)| format!("CAP_{name}")).collect()
    }
}

/// All names that are known, as the field writes them.
pub fn known() -> Vec<String> {
    Set(u64::MAX).names()
}

#[cfg(test)]
const SYS_ADMIN: Set = Set(1 << 21);

/// Header of capget(2) and capset(2).
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// One half (32 capabilities) of the three sets.
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two halves, 64 bits.
const VERSION: u32 = 0x2008_0522;

/// The effective, permitted and inheritable sets of this process.
///
/// # Errors
/// Those of capget(2).
pub fn current() -> Result<(Set, Set, Set)> {
    let mut header = Header { version: VERSION, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: both structures are valid and as large as version 3 says.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
    Errno::result(answer).map_err(|errno| Error::new("capget", "", errno))?;
    let join = |low: u32, high: u32| Set(u64::from(low) | u64::from(high) << 32);
    Ok((
        join(halves[0].effective, halves[1].effective),
        join(halves[0].permitted, halves[1].permitted),
        join(halves[0].inheritable, halves[1].inheritable),
    ))
}

/// Sets the effective, permitted and inheritable sets (capset(2)).
///
/// # Errors
/// EPERM for a permitted capability that we do not hold, or an effective one that is not permitted.
pub fn set(effective: Set, permitted: Set, inheritable: Set) -> Result<()> {
    let header = Header { version: VERSION, pid: 0 };
    let half = |shift: u32| Half {
        effective: (effective.0 >> shift) as u32,
        permitted: (permitted.0 >> shift) as u32,
        inheritable: (inheritable.0 >> shift) as u32,
    };
    let halves = [half(0), half(32)];
    let shown = format_args!("effective {:#x} permitted {:#x} inheritable {:#x}", effective.0, permitted.0, inheritable.0);
    xray::call("capset", &"", shown, || {
        // SAFETY: both structures are valid and as large as version 3 says; the kernel only reads them.
        Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) }).map(drop)
    })
}

/// Takes everything outside `keep` from the bounding set. Reads the set first, so that a capability which is gone already costs no call.
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn bound(keep: Set) -> Result<()> {
    for number in 0..64 {
        if keep.0 & 1 << number != 0 {
            continue;
        }
        // SAFETY: plain integers. EINVAL says that the kernel knows no capability of that number, nor any after it.
        match unsafe { libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) } {
            0 => continue,
            1 => drop_one(number)?,
            _ => break,
        }
    }
    Ok(())
}

fn drop_one(number: libc::c_ulong) -> Result<()> {
    let name = NAMES.get(number as usize).copied().unwrap_or("?");
    xray::call("prctl", &"PR_CAPBSET_DROP", format_args!("PR_CAPBSET_DROP CAP_{name}"), || {
        // SAFETY: plain integers.
        Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) }).map(drop)
    })
}

/// Makes the ambient set exactly `wanted`; each must be permitted and inheritable.
///
/// # Errors
/// EPERM when one is not permitted and inheritable.
pub fn set_ambient(wanted: Set) -> Result<()> {
    let ambient = |action: libc::c_int, number: libc::c_ulong, shown: &str| {
        xray::call("prctl", &"PR_CAP_AMBIENT", format_args!("PR_CAP_AMBIENT {shown}"), || {
            // SAFETY: plain integers.
            Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, action, number, 0, 0) }).map(drop)
        })
    };
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, "clear all")?;
    for (number, name) in NAMES.iter().enumerate().filter(|(number, _)| wanted.0 & 1 << number != 0) {
        ambient(libc::PR_CAP_AMBIENT_RAISE, number as libc::c_ulong, name)?;
    }
    Ok(())
}

/// Keeps the permitted set when the user changes from 0 to another (PR_SET_KEEPCAPS); execve(2) ends it.
///
/// # Errors
/// EPERM when the bit is locked.
pub fn keep_over_user_change() -> Result<()> {
    xray::call("prctl", &"PR_SET_KEEPCAPS", format_args!("PR_SET_KEEPCAPS 1"), || nix::sys::prctl::set_keepcaps(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_spelling_and_nothing_else() {
        assert_eq!(Set::named("CAP_SYS_ADMIN"), Some(SYS_ADMIN));
        assert_eq!(Set::named("sys_admin"), Some(SYS_ADMIN));
        assert_eq!(Set::named("CAP_CHECKPOINT_RESTORE"), Some(Set(1 << 40)));
        assert_eq!(Set::named("CAP_TEST"), None);
        assert_eq!(Set::named(""), None);
        assert_eq!(Set(0b100001).names(), ["CAP_CHOWN", "CAP_KILL"]);
    }
}
