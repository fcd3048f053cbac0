//! Cgroups below the host's own, with v2's names on every machine.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::kernel::cgroup::{self, Cgroup, Layout};
use crate::kernel::error::Errno;
use crate::kernel::{Error, Result, fs};

/// The knobs of every look; others on request.
const KNOBS: [&str; 12] = [
    "memory.max",
    "memory.high",
    "memory.current",
    "memory.peak",
    "memory.swap.max",
    "pids.max",
    "pids.current",
    "cpu.max",
    "cpu.weight",
    "cpuset.cpus",
    "cgroup.freeze",
    "cgroup.subtree_control",
];

/// One cgroup: whether it is there, who is in it, its knobs and events.
pub(super) fn one(path: &str, knobs: &[String]) -> Result<Value> {
    let layout = match Layout::detect() {
        Err(cgroup::Error::NotMounted) => return Ok(none()),
        found => understood(found)?,
    };
    let Ok(cgroup) = Cgroup::open(&layout, Path::new(&absolute(path))) else {
        return Ok(json!({ "exists": false }));
    };
    let mut document = Map::new();
    document.insert("exists".to_owned(), true.into());
    document.insert("procs".to_owned(), json!(procs(&cgroup)));
    for knob in KNOBS.into_iter().chain(knobs.iter().map(String::as_str)) {
        if let Some(value) = read(&cgroup, knob) {
            document.insert(knob.to_owned(), value.into());
        }
    }
    document.insert("controllers".to_owned(), cgroup.controllers().into_iter().map(|(name, _)| name).collect());
    document.insert("events".to_owned(), events(&cgroup));
    Ok(document.into())
}

/// A knob, by the translation of `kernel::cgroup`; a name that has none is the name of a file in one of the folders of the cgroup.
fn read(cgroup: &Cgroup, knob: &str) -> Option<String> {
    if knob.contains('/') {
        return None;
    }
    let translated = cgroup.read_knob(knob).ok();
    translated.or_else(|| cgroup.directories().find_map(|folder| fs::read(&folder.join(knob)).ok()).map(|text| text.trim_end().to_owned()))
}

/// The processes in it, in whichever tree: on v1 a process may be in the memory tree's cgroup and nowhere else.
fn procs(cgroup: &Cgroup) -> Vec<u64> {
    let mut found: Vec<u64> = cgroup
        .directories()
        .filter_map(|folder| fs::read(&folder.join("cgroup.procs")).ok())
        .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// `oom_kill` and `max` of the memory, `pids.max` of the pids, `throttled` of the cpu: how often a limit was met.
fn events(cgroup: &Cgroup) -> Value {
    let mut found = Map::new();
    for (file, key, name) in [
        ("memory.events", "oom_kill", "oom_kill"),
        ("memory.events", "max", "max"),
        ("pids.events", "max", "pids.max"),
        ("cpu.stat", "nr_throttled", "throttled"),
    ] {
        let text = read(cgroup, file).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse::<u64>().ok());
        if let Some(count) = count {
            found.insert(name.to_owned(), count.into());
        }
    }
    // v1 counts the failed charges of memory in a file of its own.
    let failed = read(cgroup, "memory.failcnt").and_then(|text| text.parse::<u64>().ok());
    if let (Some(count), false) = (failed, found.contains_key("max")) {
        found.insert("max".to_owned(), count.into());
    }
    found.into()
}

/// All cgroups: their paths, in the order of names.
pub(super) fn all() -> Result<Value> {
    let layout = match Layout::detect() {
        Err(cgroup::Error::NotMounted) => return Ok(none()),
        found => understood(found)?,
    };
    let mut paths: Vec<String> = layout.hierarchies.iter().flat_map(|hierarchy| below(&hierarchy.mount)).collect();
    paths.sort();
    paths.dedup();
    Ok(json!({ "cgroups": paths.iter().map(|path| json!({ "path": path })).collect::<Vec<_>>() }))
}

/// How often limits of memory and of processes were met: each cgroup that counted any, the host's own (`/`) among them.
pub(super) fn limits() -> Result<Value> {
    let layout = understood(Layout::detect())?;
    let mut found = Map::new();
    let mut paths = all()?["cgroups"].as_array().cloned().unwrap_or_default();
    paths.push(json!({ "path": "/" }));
    for path in paths.iter().filter_map(|cgroup| cgroup["path"].as_str()) {
        let Ok(cgroup) = Cgroup::open(&layout, Path::new(path)) else { continue };
        let mut counted = events(&cgroup);
        if let Some(counters) = counted.as_object_mut() {
            counters.retain(|name, count| ["oom_kill", "pids.max"].contains(&name.as_str()) && *count != 0);
        }
        if counted.as_object().is_some_and(|counters| !counters.is_empty()) {
            found.insert(path.to_owned(), counted);
        }
    }
    Ok(found.into())
}

fn below(mount: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for name in fs::list(&mount.join(&folder)).unwrap_or_default() {
            let path = folder.join(&name);
            if mount.join(&path).is_dir() {
                found.push(format!("/{}", path.display()));
                folders.push(path);
            }
        }
    }
    found
}

/// The answer of a host without cgroups, as an ordinary user's is where none are delegated: nothing can be said about them, which is neither a
/// thing that is not there yet nor one that is wrong. Units that need them say so before they begin.
fn none() -> Value {
    json!({ "error": "this host has no cgroups: none of the machine's is given to this bottle (`bottleship doctor` says why)" })
}

fn understood(layout: cgroup::Result<Layout>) -> Result<Layout> {
    layout.map_err(|error| Error::new("find the cgroups of", error.to_string(), Errno::ENOENT))
}

fn absolute(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/'))
}
