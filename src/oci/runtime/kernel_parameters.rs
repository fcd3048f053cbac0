//! What the kernel is told about the container's namespaces and its first process: names, sysctls, scheduling.

use std::path::PathBuf;

use super::error::{During as _, Error, Result};
use super::steps::Init;
use crate::kernel::procfs::Procfs;
use crate::kernel::{process, schedule};

/// Host name and NIS domain name of the uts namespace.
pub fn hostname(init: &mut Init<'_>) -> Result<()> {
    if let Some(name) = init.plan.spec.hostname.as_deref().filter(|name| !name.is_empty()) {
        process::set_hostname(name)?;
    }
    if let Some(name) = init.plan.spec.domainname.as_deref().filter(|name| !name.is_empty()) {
        process::set_domainname(name)?;
    }
    Ok(())
}

/// Writes the parameters through a procfs that nobody can have tampered with.
pub fn sysctl(init: &mut Init<'_>) -> Result<()> {
    let wanted = &init.plan.spec.linux.sysctl;
    if wanted.is_empty() {
        return Ok(());
    }
    let procfs = Procfs::private()?;
    for (name, value) in wanted {
        procfs.write(&file(name), value).during(|| format!("set `{name}` to `{value}`"))?;
    }
    Ok(())
}

/// `net.ipv4.ip_forward` is `sys/net/ipv4/ip_forward`. In the form with slashes a dot belongs to the name (`net/ipv4/conf/eth0.1/...`).
fn file(name: &str) -> PathBuf {
    let first = name.find(['.', '/']).and_then(|at| name[at..].chars().next());
    let path = if first == Some('/') { name.to_owned() } else { name.replace('.', "/") };
    PathBuf::from("sys").join(path)
}

/// Scheduling policy, priority of input and output, memory policy, personality.
pub fn scheduling(init: &mut Init<'_>) -> Result<()> {
    if let Some(scheduler) = &init.credentials.scheduler {
        schedule::set_attributes(scheduler)?;
    }
    if let Some((class, priority)) = init.credentials.io_priority {
        schedule::set_io_priority(class, priority)?;
    }
    if let (Some(_), Some(processors)) = (&init.start.join, &init.credentials.affinity.1) {
        schedule::set_affinity(processors)?;
    }
    if let Some(policy) = &init.plan.spec.linux.memory_policy {
        memory_policy(policy)?;
    }
    if let Some(personality) = &init.plan.spec.linux.personality {
        schedule::set_personality(domain(&personality.domain)?)?;
    }
    Ok(())
}

/// `PER_LINUX` and `PER_LINUX32` of personality(2).
fn domain(name: &str) -> Result<u32> {
    match name {
        "LINUX" => Ok(0),
        "LINUX32" => Ok(8),
        other => Err(Error::new(format!("`linux.personality.domain`: `{other}` is not LINUX or LINUX32"))),
    }
}

fn memory_policy(policy: &super::spec::linux::MemoryPolicy) -> Result<()> {
    let modes = ["DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL", "PREFERRED_MANY", "WEIGHTED_INTERLEAVE"];
    let flags = [("MPOL_F_STATIC_NODES", 1 << 15), ("MPOL_F_RELATIVE_NODES", 1 << 14), ("MPOL_F_NUMA_BALANCING", 1 << 13)];
    let unknown = |key: &str, name: &str| Error::new(format!("`linux.memoryPolicy.{key}`: `{name}` is unknown, see set_mempolicy(2)"));
    let bare = policy.mode.strip_prefix("MPOL_").unwrap_or(&policy.mode);
    let mut mode = modes.iter().position(|known| *known == bare).ok_or_else(|| unknown("mode", &policy.mode))? as u32;
    for name in &policy.flags {
        mode |= flags.iter().find(|(known, _)| known == name).ok_or_else(|| unknown("flags", name))?.1;
    }
    let nodes = match policy.nodes.trim() {
        "" => Vec::new(),
        list => schedule::processors(list).ok_or_else(|| unknown("nodes", list))?,
    };
    Ok(schedule::set_memory_policy(mode, &nodes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_parameter() {
        assert_eq!(file("net.ipv4.ip_forward"), PathBuf::from("sys/net/ipv4/ip_forward"));
        assert_eq!(file("net/ipv4/conf/eth0.1/forwarding"), PathBuf::from("sys/net/ipv4/conf/eth0.1/forwarding"));
    }
}
