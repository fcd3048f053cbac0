//! The host as a whole: containers, users, counts, and the snapshot that two worlds are compared by.
//!
//! What a snapshot leaves out, and why: numbers that the kernel hands out anew each time (pids, namespace and inode numbers, MAC addresses), time
//! (ages, cpu use, memory in use), what looking itself changes (access times), the host's own services, the terminals, and what programs keep for
//! themselves between runs (`/run/bottleship`, `/tmp/.`-folders, shell histories, `/proc`, `/sys`, `/dev`). Everything else is state: if it differs,
//! the world is another one. What the engine of the host has is told by names, not by the ids that it draws.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::super::hub::TRUST;
use super::{Netns, cgroups, containers as engine, files, images, network, processes};
use crate::kernel::Result;
use crate::kernel::look::Look;
use crate::kernel::netlink::Socket;
use crate::kernel::root::Root;

/// Folders that a snapshot does not look into.
const VOLATILE: [&str; 8] =
    ["/proc", "/sys", "/dev", "/run/bottleship", "/run/netns", "/var/lib/bottleship/oci", "/root/.bash_history", "/tmp/.bottleship"];
/// Where `bottleship oci` keeps what it knows of containers.
const CONTAINERS: &str = "/run/bottleship-oci";
/// Files above this size are told apart by size alone.
const HASHED: u64 = 1 << 20;

/// Containers of `bottleship oci`: the `state.json` of each.
pub(super) fn containers() -> Result<Value> {
    let root = Root::open(Path::new("/"))?;
    let mut found = Vec::new();
    for name in root.names(Path::new(CONTAINERS)).unwrap_or_default() {
        let state = root.read_some(&Path::new(CONTAINERS).join(&name).join("state.json"), 1 << 20);
        let state: Option<Value> = state.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(Value::Object(mut state)) = state else { continue };
        state.insert("name".to_owned(), name.into());
        found.push(Value::Object(state));
    }
    Ok(json!({ "containers": found }))
}

/// `/etc/passwd` as a list.
pub(super) fn users() -> Result<Value> {
    let text = Root::open(Path::new("/"))?.read_some(Path::new("/etc/passwd"), 1 << 20)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let user = |line: &str| {
        let parts: Vec<&str> = line.split(':').collect();
        Some(json!({ "name": parts.first()?, "uid": parts.get(2)?, "gid": parts.get(3)?, "home": parts.get(5)?, "shell": parts.get(6)? }))
    };
    Ok(json!({ "users": text.lines().filter_map(user).collect::<Vec<_>>() }))
}

/// How many of what there are, and how often each cgroup's limits were met.
pub(super) fn census() -> Result<Value> {
    let processes = processes::all();
    let mut kinds: BTreeMap<String, std::collections::BTreeSet<u64>> = BTreeMap::new();
    for process in &processes {
        for (kind, number) in process["ns"].as_object().into_iter().flatten() {
            kinds.entry(kind.clone()).or_default().extend(number.as_u64());
        }
    }
    let namespaces: usize = kinds.values().map(std::collections::BTreeSet::len).sum();
    let made = engine::count();
    let length = |value: Value, key: &str| value[key].as_array().map_or(0, Vec::len);
    Ok(json!({
        "process": processes.len(),
        "namespace": namespaces,
        "mount": length(processes::mounts(None)?, "mounts"),
        "cgroup": length(cgroups::all().unwrap_or_default(), "cgroups"),
        "link": Socket::route()?.links()?.len(),
        "network namespace": length(network::named()?, "netns"),
        "container": length(containers()?, "containers") + made[0],
        "volume": made[1],
        "network": made[2],
        "image": images::count(),
        "states": engine::states(),
        "limits": cgroups::limits().unwrap_or_default(),
    }))
}

/// The state of the host, as a mapping from things to what they are.
pub(super) fn snapshot() -> Result<Value> {
    let mut things = Map::new();
    let name = crate::kernel::fs::read(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
    add(&mut things, "host".to_owned(), json!({ "name": name.trim_end() }));
    let mut processes: Vec<(String, Value)> = processes::all().iter().filter(|process| process["pid"] != 1).map(describe_process).collect();
    // Among processes of one name the order of their numbers says nothing.
    processes.sort_by_key(|(name, document)| (name.clone(), document.to_string()));
    for (name, document) in processes {
        add(&mut things, name, document);
    }
    let mounts = processes::mounts(None)?["mounts"].as_array().cloned().unwrap_or_default();
    for mount in &mounts {
        let target = mount["target"].as_str().unwrap_or_default();
        if !VOLATILE.iter().any(|folder| target.starts_with(folder)) {
            add(
                &mut things,
                format!("mount/{target}"),
                json!({ "fstype": mount["fstype"], "options": lasting_options(&mount["options"]), "propagation": mount["propagation"] }),
            );
        }
    }
    for cgroup in cgroups::all().unwrap_or_default()["cgroups"].as_array().into_iter().flatten() {
        add_cgroup(&mut things, cgroup["path"].as_str().unwrap_or_default());
    }
    let network = network::look(&Netns::Own)?;
    for link in network["links"].as_array().into_iter().flatten() {
        let name = link["name"].as_str().unwrap_or_default();
        // Addresses that the kernel makes from a random MAC address differ each time.
        let addresses: Vec<&str> = link["addresses"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|address| !address.starts_with("fe80"))
            .collect();
        add(
            &mut things,
            format!("link/{name}"),
            json!({ "kind": link["kind"], "up": link["up"], "master": link["master"], "addresses": addresses, "mtu": link["mtu"] }),
        );
    }
    for route in network["routes"].as_array().into_iter().flatten() {
        add(
            &mut things,
            format!("route/{}", route["to"].as_str().unwrap_or_default()),
            json!({ "via": route["via"], "link": route["link"] }),
        );
    }
    for netns in network::named()?["netns"].as_array().into_iter().flatten() {
        add(&mut things, format!("netns/{}", netns["name"].as_str().unwrap_or_default()), json!({}));
    }
    for container in containers()?["containers"].as_array().into_iter().flatten() {
        add(&mut things, format!("container/{}", container["name"].as_str().unwrap_or_default()), json!({ "status": container["status"] }));
    }
    add_files(&mut things, &mounts)?;
    engine::add_to(&mut things);
    Ok(Value::Object(things))
}

/// The options of a mount without the ids of the bottle's range, which differ from bottle to bottle.
fn lasting_options(options: &Value) -> Vec<&str> {
    let ids = |option: &&str| !["uid=", "gid="].iter().any(|id| option.starts_with(id));
    options.as_array().into_iter().flatten().filter_map(Value::as_str).filter(ids).collect()
}

/// Several things of one name are told apart by a number behind it.
pub(super) fn add(things: &mut Map<String, Value>, name: String, value: Value) {
    let mut key = name.clone();
    let mut number = 1;
    while things.contains_key(&key) {
        number += 1;
        key = format!("{name} #{number}");
    }
    things.insert(key, value);
}

fn describe_process(process: &Value) -> (String, Value) {
    let mut document = Map::new();
    for field in ["args", "uid", "gid", "root", "cgroup", "caps", "seccomp", "no_new_privs"] {
        document.insert(field.to_owned(), process[field].clone());
    }
    // The learner's shell reads a file of ours with a new name each time.
    let args = process["args"]
        .as_str()
        .unwrap_or_default()
        .split(' ')
        .map(|word| if word.starts_with("/run/bottleship/") { "/run/bottleship/..." } else { word });
    document.insert("args".to_owned(), args.collect::<Vec<_>>().join(" ").into());
    // Running or sleeping is a matter of the moment; stopped is not.
    document.insert("stopped".to_owned(), (process["state"] == "stopped").into());
    document.insert("depth".to_owned(), process["nspid"].as_array().map_or(1, Vec::len).into());
    (format!("process/{}", process["comm"].as_str().unwrap_or_default()), document.into())
}

fn add_cgroup(things: &mut Map<String, Value>, path: &str) {
    let document = cgroups::one(path, &[]).unwrap_or_default();
    let mut kept = Map::new();
    for (name, value) in document.as_object().into_iter().flatten() {
        let volatile = ["procs", "events", "memory.current", "memory.peak", "pids.current", "exists"];
        if !volatile.contains(&name.as_str()) {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept.insert("members".to_owned(), document["procs"].as_array().map_or(0, Vec::len).into());
    add(things, format!("cgroup/{path}"), kept.into());
}

/// The files of the host's memory file systems. What the host has written over the machine's files lies in its upper layers, which are seen from
/// outside the host only ([`super::written()`]); walking the machine's own files would take seconds and tell nothing.
fn add_files(things: &mut Map<String, Value>, mounts: &[Value]) -> Result<()> {
    let root = Root::open(Path::new("/"))?;
    for mount in mounts.iter().filter(|mount| mount["fstype"] == "tmpfs") {
        let target = Path::new(mount["target"].as_str().unwrap_or_default());
        if is_volatile(target) {
            continue;
        }
        let Ok(top) = root.look(target) else { continue };
        files::walk(&root, target, &top, &mut |path, look| {
            if !is_volatile(path) {
                add(things, format!("file/{}", path.display()), describe(&root, path, look, (0, 0)));
            }
        });
    }
    Ok(())
}

pub(super) fn is_volatile(path: &Path) -> bool {
    VOLATILE.iter().chain(TRUST).any(|folder| path.starts_with(folder))
}

pub(super) fn describe(root: &Root, path: &Path, look: &Look, base: (u32, u32)) -> Value {
    let owner = format!("{}:{}", look.uid.wrapping_sub(base.0), look.gid.wrapping_sub(base.1));
    let mut document = json!({ "kind": look.sort, "mode": format!("{:04o}", look.mode), "owner": owner });
    if let Some(target) = &look.links_to {
        document["links_to"] = target.as_str().into();
    }
    if look.sort == "file" {
        document["content"] = content(root, path, look.size).into();
    }
    document
}

fn content(root: &Root, path: &Path, size: u64) -> String {
    if size > HASHED {
        return format!("{size} bytes");
    }
    let bytes = root.read_some(path, HASHED).unwrap_or_default();
    Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_of_one_name_are_kept_apart() {
        let mut things = Map::new();
        add(&mut things, "process/sleep".to_owned(), json!(1));
        add(&mut things, "process/sleep".to_owned(), json!(2));
        assert_eq!(things["process/sleep #2"], 2);
    }
}
