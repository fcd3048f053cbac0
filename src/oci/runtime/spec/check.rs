//! What `config.json` must fulfil beyond its shape, judged before anything is made.

use std::path::PathBuf;

use super::super::options;
use super::process::Process;
use super::{Error, Hook, Mount, Spec, locate};
use crate::kernel::caps;

/// A complaint about a key, not yet tied to a text.
#[derive(Debug)]
pub struct Complaint {
    key: String,
    problem: String,
}

impl Complaint {
    /// With the line in the text that it was found in.
    pub fn at(self, bytes: &[u8]) -> Error {
        let text = String::from_utf8_lossy(bytes);
        Error { file: PathBuf::new(), line: locate::line_of(&text, &self.key), key: self.key, problem: self.problem }
    }
}

/// A complaint about what a key names on this machine, with the line in the text.
pub fn refused(bytes: &[u8], key: &str, problem: impl Into<String>) -> Error {
    Complaint { key: key.to_owned(), problem: problem.into() }.at(bytes)
}

type Judged = Result<(), Complaint>;

fn complain(key: impl Into<String>, problem: impl Into<String>) -> Judged {
    Err(Complaint { key: key.into(), problem: problem.into() })
}

/// Judges a whole spec.
///
/// # Errors
/// The first complaint.
pub fn check(spec: &Spec) -> Judged {
    version(&spec.oci_version)?;
    match &spec.root {
        None => complain("root", "it is missing: a container needs a root file system")?,
        Some(root) if root.path.is_empty() => complain("root.path", "it is empty")?,
        Some(_) => {}
    }
    if let Some(given) = &spec.process {
        process(given, "process.")?;
    }
    for (index, mount) in spec.mounts.iter().enumerate() {
        one_mount(mount, &format!("mounts[{index}]"))?;
    }
    hooks(spec)?;
    namespaces(spec)?;
    no_nul(spec.hostname.as_deref().unwrap_or(""), "hostname")?;
    linux(spec)
}

/// 1.0.0 up to any 1.x: minor versions only add.
fn version(text: &str) -> Judged {
    if text.is_empty() {
        return complain("ociVersion", format!("it is missing; this runtime follows 1.0.0 to {}", super::VERSION));
    }
    let mut numbers = text.split(['.', '-', '+']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(1)), Some(Ok(_)), Some(Ok(_))) => Ok(()),
        _ => complain("ociVersion", format!("`{text}` is not supported; this runtime follows 1.0.0 to {}", super::VERSION)),
    }
}

/// Judges a process; `prefix` is what stands before its keys.
///
/// # Errors
/// The first complaint.
pub fn process(process: &Process, prefix: &str) -> Judged {
    if process.args.first().is_none_or(String::is_empty) {
        return complain(format!("{prefix}args"), "it is empty: there is no program to run");
    }
    if !process.cwd.starts_with('/') {
        return complain(format!("{prefix}cwd"), format!("`{}` is not an absolute path", process.cwd));
    }
    no_nul(&process.cwd, &format!("{prefix}cwd"))?;
    for (index, text) in process.args.iter().enumerate() {
        no_nul(text, &format!("{prefix}args[{index}]"))?;
    }
    for (index, text) in process.env.iter().enumerate() {
        no_nul(text, &format!("{prefix}env[{index}]"))?;
        if !text.contains('=') {
            return complain(format!("{prefix}env[{index}]"), format!("`{text}` is not of the form KEY=value"));
        }
    }
    for (index, limit) in process.rlimits.iter().enumerate() {
        let key = format!("{prefix}rlimits[{index}]");
        if crate::kernel::rlimit::Limit::named(&limit.name, 0, 0).is_none() {
            return complain(format!("{key}.type"), format!("`{}` is no limit of Linux, see getrlimit(2)", limit.name));
        }
        if process.rlimits[..index].iter().any(|before| before.name == limit.name) {
            return complain(format!("{key}.type"), format!("`{}` is given twice", limit.name));
        }
    }
    let outside = |adjustment: &i32| !(-1000..=1000).contains(adjustment);
    if let Some(adjustment) = process.oom_score_adj.filter(outside) {
        return complain(format!("{prefix}oomScoreAdj"), format!("{adjustment} is outside -1000 to 1000"));
    }
    if process.apparmor_profile.as_deref().is_some_and(|profile| !profile.is_empty()) {
        return complain(format!("{prefix}apparmorProfile"), "AppArmor profiles are not supported by this runtime");
    }
    if process.selinux_label.as_deref().is_some_and(|label| !label.is_empty()) {
        return complain(format!("{prefix}selinuxLabel"), "SELinux labels are not supported by this runtime");
    }
    capabilities(process, prefix)
}

/// Names that no kernel of ours knows are no error: config.md wants a warning and the container without them.
pub fn unknown_capabilities(process: &Process) -> Vec<&str> {
    let Some(sets) = &process.capabilities else { return Vec::new() };
    let all = [&sets.bounding, &sets.effective, &sets.inheritable, &sets.permitted, &sets.ambient];
    let mut unknown: Vec<&str> = all.into_iter().flatten().map(String::as_str).filter(|name| caps::Set::named(name).is_none()).collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

/// The warning that an error would hide.
fn also_unknown(process: &Process) -> String {
    let unknown = unknown_capabilities(process);
    if unknown.is_empty() { String::new() } else { format!("; {}", ignoring(&unknown)) }
}

/// The field's words, which engines know.
pub fn ignoring(unknown: &[&str]) -> String {
    format!("ignoring unknown or unavailable capabilities: [{}]", unknown.join(" "))
}

/// capset(2) refuses to make a capability inheritable that is not in the bounding set; said here, before anything was made.
fn capabilities(process: &Process, prefix: &str) -> Judged {
    let Some(sets) = &process.capabilities else { return Ok(()) };
    match sets.inheritable.iter().find(|name| !sets.bounding.contains(name)) {
        Some(name) => complain(
            format!("{prefix}capabilities.inheritable"),
            format!("`{name}` is not in the bounding set: capset(2) answers EPERM (Operation not permitted){}", also_unknown(process)),
        ),
        None => Ok(()),
    }
}

fn one_mount(mount: &Mount, key: &str) -> Judged {
    if mount.destination.is_empty() {
        return complain(format!("{key}.destination"), "it is missing");
    }
    no_nul(&mount.destination, &format!("{key}.destination"))?;
    no_nul(mount.source.as_deref().unwrap_or(""), &format!("{key}.source"))?;
    no_nul(mount.kind.as_deref().unwrap_or(""), &format!("{key}.type"))?;
    for (index, option) in mount.options.iter().enumerate() {
        no_nul(option, &format!("{key}.options[{index}]"))?;
    }
    Ok(())
}

fn hooks(spec: &Spec) -> Judged {
    let all: [(&str, &[Hook]); 6] = [
        ("prestart", &spec.hooks.prestart),
        ("createRuntime", &spec.hooks.create_runtime),
        ("createContainer", &spec.hooks.create_container),
        ("startContainer", &spec.hooks.start_container),
        ("poststart", &spec.hooks.poststart),
        ("poststop", &spec.hooks.poststop),
    ];
    for (name, hooks) in all {
        for (index, hook) in hooks.iter().enumerate() {
            let key = format!("hooks.{name}[{index}]");
            if !hook.path.starts_with('/') {
                return complain(format!("{key}.path"), format!("`{}` is not an absolute path", hook.path));
            }
            if hook.timeout == Some(0) {
                return complain(format!("{key}.timeout"), "it must be greater than zero");
            }
        }
    }
    Ok(())
}

/// The kinds of namespaces by the specification's names, which differ from those in `/proc/PID/ns`.
pub const KINDS: &[&str] = &["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];

fn namespaces(spec: &Spec) -> Judged {
    let all = &spec.linux.namespaces;
    for (index, namespace) in all.iter().enumerate() {
        let key = format!("linux.namespaces[{index}].type");
        if !KINDS.contains(&namespace.kind.as_str()) {
            return complain(key, format!("`{}` is no kind of namespace: {}", namespace.kind, KINDS.join(", ")));
        }
        if all[..index].iter().any(|before| before.kind == namespace.kind) {
            return complain(key, format!("`{}` is given twice", namespace.kind));
        }
        if namespace.path.as_deref().is_some_and(|path| !path.starts_with('/') && !path.is_empty()) {
            return complain(format!("linux.namespaces[{index}].path"), "it is not an absolute path");
        }
    }
    let new = |kind: &str| all.iter().any(|namespace| namespace.kind == kind && namespace.path.as_deref().unwrap_or("").is_empty());
    if spec.hostname.as_deref().is_some_and(|name| !name.is_empty()) && !all.iter().any(|namespace| namespace.kind == "uts") {
        return complain("hostname", "it needs a uts namespace in `linux.namespaces`, or it would rename the machine");
    }
    if spec.domainname.as_deref().is_some_and(|name| !name.is_empty()) && !all.iter().any(|namespace| namespace.kind == "uts") {
        return complain("domainname", "it needs a uts namespace in `linux.namespaces`, or it would rename the machine");
    }
    if new("user") && (spec.linux.uid_mappings.is_empty() || spec.linux.gid_mappings.is_empty()) {
        return complain("linux.uidMappings", "a new user namespace needs `uidMappings` and `gidMappings`");
    }
    if !spec.linux.time_offsets.is_empty() && !new("time") {
        return complain("linux.timeOffsets", "they need a new time namespace in `linux.namespaces`");
    }
    if !spec.linux.net_devices.is_empty() && !all.iter().any(|namespace| namespace.kind == "network") {
        return complain("linux.netDevices", "they need a network namespace in `linux.namespaces`");
    }
    Ok(())
}

fn linux(spec: &Spec) -> Judged {
    let linux = &spec.linux;
    if let Some(name) = linux.rootfs_propagation.as_deref().filter(|name| !name.is_empty() && options::propagation(name).is_none()) {
        let problem = format!("`{name}` is not one of shared, slave, private, unbindable, or those with `r`");
        return complain("linux.rootfsPropagation", problem);
    }
    for (index, device) in linux.devices.iter().enumerate() {
        let key = format!("linux.devices[{index}]");
        if !["c", "u", "b", "p"].contains(&device.kind.as_str()) {
            return complain(format!("{key}.type"), format!("`{}` is not one of c, u, b, p", device.kind));
        }
        if !device.path.starts_with('/') {
            return complain(format!("{key}.path"), format!("`{}` is not an absolute path", device.path));
        }
    }
    for (name, device) in &linux.net_devices {
        device_name(name, name)?;
        device_name(device.name.as_deref().filter(|to| !to.is_empty()).unwrap_or(name), &format!("{name}.name"))?;
    }
    for clock in linux.time_offsets.keys() {
        if clock != "monotonic" && clock != "boottime" {
            return complain(format!("linux.timeOffsets.{clock}"), "a time namespace moves only `monotonic` and `boottime`");
        }
    }
    if linux.mount_label.as_deref().is_some_and(|label| !label.is_empty()) {
        return complain("linux.mountLabel", "SELinux labels are not supported by this runtime");
    }
    if linux.intel_rdt.is_some() {
        return complain("linux.intelRdt", "cache and bandwidth allocation (resctrl) is not supported by this runtime");
    }
    sysctls(spec)
}

/// dev_valid_name() of the kernel: 1 to 15 bytes, no slash, colon or white space.
fn device_name(name: &str, key: &str) -> Judged {
    let bad = |letter: char| letter == '/' || letter == ':' || letter == '\0' || letter.is_whitespace();
    if name.is_empty() || name.len() > 15 || name == "." || name == ".." || name.contains(bad) {
        let name = name.escape_debug();
        return complain(
            format!("linux.netDevices.{key}"),
            format!("`{name}` is no name of a network device: 1 to 15 bytes without slash, colon or space"),
        );
    }
    Ok(())
}

/// Only parameters that belong to a namespace of the container; all others would change the machine.
fn sysctls(spec: &Spec) -> Judged {
    let has = |kind: &str| spec.linux.namespaces.iter().any(|namespace| namespace.kind == kind);
    let ipc = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    for name in spec.linux.sysctl.keys() {
        let key = format!("linux.sysctl.{name}");
        // `net/ipv4/conf/eth0.100/...` is the other spelling, for names with dots in them.
        let dotted = name.replace('/', ".");
        let needs = match dotted.as_str() {
            "kernel.hostname" | "kernel.domainname" => "uts",
            other if other.starts_with("net.") => "network",
            other if other.starts_with("fs.mqueue.") || ipc.contains(&other) => "ipc",
            other if other.starts_with("user.") => "user",
            _ => return complain(key, "it does not belong to a namespace: setting it would change the machine"),
        };
        if !has(needs) {
            return complain(key, format!("it needs a {needs} namespace in `linux.namespaces`, or it would change the machine"));
        }
        if dotted.split('.').any(|part| part.is_empty() || part == "..") {
            return complain(key, "it is not the name of a kernel parameter");
        }
    }
    Ok(())
}

fn no_nul(text: &str, key: &str) -> Judged {
    if text.contains('\0') { complain(key, "it contains a NUL character") } else { Ok(()) }
}
