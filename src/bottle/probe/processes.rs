//! Processes as `/proc` shows them (proc(5)): namespaces, credentials, capabilities, cgroups; and their mounts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::kernel::{Result, caps, fs, look};

/// The sets in `/proc/PID/status`, and our names for them.
const SETS: [(&str, &str); 5] =
    [("CapEff", "effective"), ("CapPrm", "permitted"), ("CapInh", "inheritable"), ("CapBnd", "bounding"), ("CapAmb", "ambient")];
/// The namespaces that a process is in.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// All processes of the host, by pid: its PID 1, but not the one that looks, and not the host's own services, which are outside the host's cgroup.
pub(super) fn all() -> Vec<Value> {
    let own = std::process::id();
    let mut pids: Vec<u32> = fs::list(Path::new("/proc")).unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    let first = one(1).unwrap_or_default();
    let seen = |process: &Value| process["pid"] == 1 || !(is_service(process) || is_look(process, &first) || is_buried(process));
    pids.into_iter().filter(|pid| *pid != own).filter_map(one).filter(seen).collect()
}

/// How the tracer of a shell is called, and the engine.
const SERVICES: [&str; 2] = ["bottleship xray-attach ", "bottleship engine -H fd://"];

/// Another look, a file being written for somebody outside, the tracer or the engine: a child of PID 1 that is, or still is, its program. Where no cgroup tells services apart
/// (an ordinary user's bottle without delegation) this is how they are told.
fn is_look(process: &Value, first: &Value) -> bool {
    let ours = process["ppid"] == 1 && process["exe"] == first["exe"] && first["exe"] != "";
    let service = process["args"].as_str().is_some_and(|args| SERVICES.iter().any(|service| args.starts_with(service)));
    ours && (service || process["args"] == first["args"])
}

/// A child of PID 1 that has given up its program and will be reaped at once. On cgroup v1 a process that ends shows `/` as its group
/// (cgroup_exit in the kernel), so that a service in its last moment would be taken for the learner's.
fn is_buried(process: &Value) -> bool {
    process["ppid"] == 1 && ["exe", "args"].iter().all(|key| process[*key] == "")
}

/// A service of the host lies beside the host's own cgroup: seen from there its path begins with `/../`. A kernel thread has no program.
fn is_service(process: &Value) -> bool {
    let beside = |paths: &Value| {
        paths.as_object().is_some_and(|paths| paths.values().any(|path| path.as_str().is_some_and(|path| path.starts_with("/../"))))
    };
    beside(&process["cgroups"])
}

/// One process; `None` when it ended meanwhile.
pub(super) fn one(pid: u32) -> Option<Value> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let status = fs::read(&folder.join("status")).ok()?;
    let status: BTreeMap<&str, &str> =
        status.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key, value.trim())).collect();
    let field = |key: &str| status.get(key).copied().unwrap_or_default();
    let numbers = |key: &str| field(key).split_whitespace().filter_map(|number| number.parse::<u64>().ok()).collect::<Vec<_>>();
    let link = |name: &str| look::link(&folder.join(name)).unwrap_or_default();
    let args = fs::read(&folder.join("cmdline")).unwrap_or_default();
    let args: Vec<&str> = args.trim_end_matches('\0').split('\0').filter(|_| !args.is_empty()).collect();
    let root_id = look::identity(&folder.join("root/.")).map(|(device, number)| format!("{device}:{number}")).unwrap_or_default();
    let groups = cgroups(&fs::read(&folder.join("cgroup")).unwrap_or_default());
    Some(json!({
        "pid": pid,
        "ppid": numbers("PPid").first(),
        "comm": field("Name"),
        "args": args.join(" "),
        "exe": link("exe"),
        "cwd": link("cwd"),
        "root": link("root"),
        "root_id": root_id,
        "uid": numbers("Uid").get(1),
        "gid": numbers("Gid").get(1),
        "state": state(field("State")),
        "nspid": numbers("NSpid"),
        "ns": namespaces(&folder),
        "uid_map": map_of(&folder.join("uid_map")),
        "gid_map": map_of(&folder.join("gid_map")),
        "caps": SETS.iter().map(|(key, name)| ((*name).to_owned(), capabilities(field(key)))).collect::<Map<_, _>>(),
        "seccomp": match field("Seccomp") { "0" => "disabled", "1" => "strict", "2" => "filter", _ => "" },
        "no_new_privs": field("NoNewPrivs") == "1",
        "cgroup": groups.values().max_by_key(|path| path.len()).cloned().unwrap_or_default(),
        "cgroups": groups,
        "rss": numbers("VmRSS").first().map(|kib| kib * 1024),
    }))
}

fn state(text: &str) -> &'static str {
    match text.chars().next() {
        Some('R') => "running",
        Some('S' | 'I') => "sleeping",
        Some('T' | 't') => "stopped",
        Some('Z' | 'X') => "zombie",
        _ => "blocked",
    }
}

fn namespaces(folder: &Path) -> Map<String, Value> {
    let number = |text: String| text.trim_end_matches(']').rsplit('[').next().and_then(|number| number.parse::<u64>().ok());
    let found =
        NAMESPACES.iter().filter_map(|kind| Some(((*kind).to_owned(), number(look::link(&folder.join("ns").join(kind)).ok()?)?.into())));
    found.collect()
}

/// `0 1500 1` lines of a uid_map, blanks made single.
fn map_of(path: &Path) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn capabilities(hexadecimal: &str) -> Value {
    let bits = u64::from_str_radix(hexadecimal, 16).unwrap_or(0);
    let name = |bit: usize| caps::NAMES.get(bit).map_or_else(|| format!("CAP_{bit}"), |name| format!("CAP_{name}"));
    (0..64).filter(|bit| bits & (1 << bit) != 0).map(name).collect()
}

/// `/proc/PID/cgroup`: the path by controller; the unified tree is `unified`. Named v1 trees are nobody's limit and are left out.
fn cgroups(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        if controllers.starts_with("name=") {
            continue;
        }
        for controller in controllers.split(',') {
            let name = if controller.is_empty() { "unified" } else { controller };
            found.insert(name.to_owned(), path.to_owned());
        }
    }
    found
}

/// The mounts that a process sees, in the order in which they were made.
pub(super) fn mounts(process: Option<i32>) -> Result<Value> {
    // PID 1, not the caller: the host's own view.
    let text = fs::read(Path::new(&format!("/proc/{}/mountinfo", process.unwrap_or(1))))?;
    Ok(json!({ "mounts": text.lines().filter_map(mount).collect::<Vec<_>>() }))
}

/// One line of mountinfo (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<Value> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.splitn(3, ' ').collect();
    let mut options: Vec<&str> = left.get(5)?.split(',').chain(right.get(2).unwrap_or(&"").split(',')).collect();
    options.sort_unstable();
    options.dedup();
    let tags = left.get(6..).unwrap_or_default();
    let propagation = match () {
        () if tags.iter().any(|tag| tag.starts_with("shared")) => "shared",
        () if tags.iter().any(|tag| tag.starts_with("master")) => "slave",
        () if tags.contains(&"unbindable") => "unbindable",
        () => "private",
    };
    Some(json!({
        "target": unescape(left.get(4)?),
        "root": unescape(left.get(3)?),
        "fstype": right.first()?,
        "source": unescape(right.get(1)?),
        "options": options,
        "propagation": propagation,
    }))
}

/// mountinfo writes blanks and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = (*first == b'\\').then(|| more.get(..3)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_as_it_is() {
        let process = one(std::process::id()).unwrap();
        assert!(["running", "sleeping"].contains(&process["state"].as_str().unwrap()));
        assert_eq!(
            process["ns"]["pid"].as_u64(),
            Some(std::fs::metadata("/proc/self/ns/pid").map(|data| std::os::unix::fs::MetadataExt::ino(&data)).unwrap())
        );
        assert!(process["caps"]["effective"].is_array());
        assert!(all().iter().all(|other| other["pid"] != process["pid"]));
    }

    #[test]
    fn mount_lines_with_odd_names_are_read() {
        let mount = mount(r"36 35 98:0 /mnt1 /a\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue").unwrap();
        assert_eq!(mount["target"], "/a b");
        assert_eq!((mount["propagation"].as_str(), mount["options"][0].as_str()), (Some("slave"), Some("errors=continue")));
        assert!(super::mount("garbage").is_none());
        assert_eq!(unescape("\\04"), "\\04");
    }

    #[test]
    fn capability_sets_have_names() {
        assert_eq!(capabilities("0000000000000401"), json!(["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]));
        assert_eq!(capabilities("0"), json!([]));
    }
}
