//! How the kernel treats a process beyond its ids and limits: scheduling, processors, memory nodes, input and output, personality.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::error::{Errno, Error, Result};
use super::xray;

/// What `sched_setattr(2)` takes (SCHED_ATTR_SIZE_VER1 without the utilisation hints).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes {
    /// Filled in by [`set_attributes`].
    pub size: u32,
    /// `SCHED_*`, see [`policy`].
    pub policy: u32,
    /// `SCHED_FLAG_*`, see [`flag`].
    pub flags: u64,
    /// -20 to 19, for OTHER and BATCH.
    pub nice: i32,
    /// 1 to 99, for FIFO and RR.
    pub priority: u32,
    /// Nanoseconds, for DEADLINE.
    pub runtime: u64,
    /// Nanoseconds, for DEADLINE.
    pub deadline: u64,
    /// Nanoseconds, for DEADLINE.
    pub period: u64,
}

/// The number of a scheduling policy by its name in sched(7).
pub fn policy(name: &str) -> Option<u32> {
    let known = [
        ("SCHED_OTHER", 0),
        ("SCHED_FIFO", 1),
        ("SCHED_RR", 2),
        ("SCHED_BATCH", 3),
        ("SCHED_ISO", 4),
        ("SCHED_IDLE", 5),
        ("SCHED_DEADLINE", 6),
    ];
    known.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The bit of a scheduling flag by its name in sched_setattr(2).
pub fn flag(name: &str) -> Option<u64> {
    let known = [
        ("SCHED_FLAG_RESET_ON_FORK", 0x01),
        ("SCHED_FLAG_RECLAIM", 0x02),
        ("SCHED_FLAG_DL_OVERRUN", 0x04),
        ("SCHED_FLAG_KEEP_POLICY", 0x08),
        ("SCHED_FLAG_KEEP_PARAMS", 0x10),
        ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
        ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
    ];
    known.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit)
}

/// sched_setattr(2) for this process.
///
/// # Errors
/// EPERM without CAP_SYS_NICE, EINVAL for values that do not fit the policy, EBUSY when a deadline cannot be promised.
pub fn set_attributes(attributes: &Attributes) -> Result<()> {
    let sized = Attributes { size: size_of::<Attributes>() as u32, ..*attributes };
    xray::call("sched_setattr", &"", format_args!("{sized:?}"), || {
        // SAFETY: the structure is valid and says its own size.
        Errno::result(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const sized, 0) }).map(drop)
    })
}

/// Class (1 realtime, 2 best effort, 3 idle) and priority (0 to 7) of input and output (ioprio_set(2)).
///
/// # Errors
/// EPERM for realtime without CAP_SYS_NICE, EINVAL outside the ranges.
pub fn set_io_priority(class: u32, priority: u32) -> Result<()> {
    let value = class << 13 | priority;
    xray::call("ioprio_set", &"", format_args!("class {class} priority {priority}"), || {
        // SAFETY: plain integers: IOPRIO_WHO_PROCESS (1), this process (0).
        Errno::result(unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, value) }).map(drop)
    })
}

/// A list of processors as `0-2,7` (cpuset(7), "List format"); `None` when it is none, or empty.
pub fn processors(list: &str) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        if first > last || last >= CpuSet::count() {
            return None;
        }
        found.extend(first..=last);
    }
    (!found.is_empty()).then_some(found)
}

/// Binds this process to processors (sched_setaffinity(2)).
///
/// # Errors
/// EINVAL when none of them exists or the cpuset forbids them all.
pub fn set_affinity(processors: &[usize]) -> Result<()> {
    xray::call("sched_setaffinity", &"", format_args!("{processors:?}"), || {
        let mut set = CpuSet::new();
        for processor in processors {
            set.set(*processor)?;
        }
        sched_setaffinity(Pid::from_raw(0), &set)
    })
}

/// The processors that this process may run on, as a bit mask of the first 64.
///
/// # Errors
/// None in practice.
pub fn affinity_mask() -> Result<u64> {
    let set = nix::sched::sched_getaffinity(Pid::from_raw(0)).map_err(|errno| Error::new("sched_getaffinity", "", errno))?;
    Ok((0..64).filter(|processor| set.is_set(*processor).unwrap_or(false)).fold(0, |mask, processor| mask | 1 << processor))
}

/// Sets the execution domain (personality(2)).
///
/// # Errors
/// EINVAL for an unknown one.
pub fn set_personality(domain: u32) -> Result<()> {
    xray::call("personality", &"", format_args!("{domain:#x}"), || {
        // SAFETY: a plain integer.
        Errno::result(unsafe { libc::personality(libc::c_ulong::from(domain)) }).map(drop)
    })
}

/// Sets the NUMA memory policy (set_mempolicy(2)); `mode` includes its flags.
///
/// # Errors
/// EINVAL for a mode or nodes that do not fit each other or the machine.
pub fn set_memory_policy(mode: u32, nodes: &[usize]) -> Result<()> {
    let mut mask = [0u64; 16];
    for node in nodes {
        let word = mask.get_mut(node / 64).ok_or_else(|| Error::new("set_mempolicy", node, Errno::EINVAL))?;
        *word |= 1 << (node % 64);
    }
    // Without nodes there must be no mask either. With one, the kernel counts one bit less than it is told.
    let (mask, bits) = if nodes.is_empty() { (std::ptr::null(), 0) } else { (mask.as_ptr(), mask.len() * 64 + 1) };
    xray::call("set_mempolicy", &"", format_args!("mode {mode:#x} nodes {nodes:?}"), || {
        // SAFETY: the mask is as long as said; the kernel only reads it.
        Errno::result(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) }).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        assert_eq!(processors("0-2,7"), Some(vec![0, 1, 2, 7]));
        assert_eq!(processors("0, 1"), Some(vec![0, 1]));
        assert_eq!(processors(""), None);
        assert_eq!(processors("2-0"), None);
        assert_eq!(processors("0-99999999999"), None);
        assert_eq!(processors("-1"), None);
    }
}
