//! The fields that things of the world have: what `where` of `count`, and `path` of `field`, may ask for.
//!
//! A field that a thing does not have is empty, so a name that is misspelt would fit nothing, or everything. The lists are compared with what the looks
//! really answer by tests here and in `tools::look`.

use super::super::error::Spot;
use super::super::fields::{Complaints, nearest};

/// In a field's name: any name (of a label, a network) stands here.
const NAME: &str = "NAME";
/// In a field's name: a number stands here, the first entry of a list being 0.
const NUMBER: &str = "N";
/// In a field's name: whatever follows is as the engine tells it.
const REST: &str = "*";

/// The fields of things that are counted, by the word for them in `of`.
const FIELDS: [(&str, &[&str]); 11] = [
    (
        "processes",
        &[
            "pid",
            "ppid",
            "comm",
            "args",
            "exe",
            "cwd",
            "root",
            "root_id",
            "uid",
            "gid",
            "state",
            "nspid.N",
            "ns.cgroup",
            "ns.ipc",
            "ns.mnt",
            "ns.net",
            "ns.pid",
            "ns.time",
            "ns.user",
            "ns.uts",
            "uid_map.N",
            "gid_map.N",
            "caps.ambient.N",
            "caps.bounding.N",
            "caps.effective.N",
            "caps.inheritable.N",
            "caps.permitted.N",
            "seccomp",
            "no_new_privs",
            "cgroup",
            "cgroups.NAME",
            "rss",
        ],
    ),
    ("mounts", &["target", "root", "fstype", "source", "options.N", "propagation"]),
    ("links", &["name", "kind", "up", "master", "mac", "mtu", "addresses.N"]),
    ("netns", &["name", "ino"]),
    ("cgroups", &["path"]),
    (
        "containers",
        &[
            "exists",
            "name",
            "id",
            "image",
            "image_id",
            "created",
            "status",
            "running",
            "pid",
            "exit_code",
            "error",
            "oom_killed",
            "started",
            "finished",
            "health",
            "health_failing",
            "health_said",
            "restarts",
            "restart",
            "entrypoint.N",
            "cmd.N",
            "user",
            "env.N",
            "labels.NAME",
            "workdir",
            "hostname",
            "tty",
            "stop_signal",
            "stop_timeout",
            "healthcheck",
            "exposed.N",
            "cap_add.N",
            "cap_drop.N",
            "privileged",
            "read_only",
            "no_new_privs",
            "security.N",
            "init",
            "auto_remove",
            "memory",
            "memory_swap",
            "cpus",
            "cpu_shares",
            "pids_limit",
            "network_mode",
            "pid_mode",
            "ipc_mode",
            "log_driver",
            "mounts.N.anonymous",
            "mounts.N.at",
            "mounts.N.name",
            "mounts.N.source",
            "mounts.N.type",
            "mounts.N.writable",
            "networks.NAME.address",
            "networks.NAME.aliases.N",
            "networks.NAME.gateway",
            "ports.N.address",
            "ports.N.host_port",
            "ports.N.port",
            "inspect.*",
            // Those of `bottleship oci state`.
            "ociVersion",
            "bundle",
            "annotations.NAME",
        ],
    ),
    ("volumes", &["exists", "name", "driver", "created", "labels.NAME", "options.NAME", "anonymous", "used_by.N", "files"]),
    ("networks", &["exists", "name", "id", "driver", "subnet", "gateway", "internal", "predefined", "members.N", "labels.NAME"]),
    (
        "images",
        &[
            "exists",
            "names.N",
            "digests.N",
            "dangling",
            "image_id",
            "digest",
            "platform",
            "created",
            "author",
            "image_size",
            "layers",
            "diff_ids.N",
            "history.N",
            "entrypoint.N",
            "cmd.N",
            "user",
            "env.N",
            "labels.NAME",
            "workdir",
            "ports.N",
            "volumes.N",
            "healthcheck.N",
            "stop_signal",
            "shell.N",
            "onbuild.N",
        ],
    ),
    ("files", &["path", "kind", "mode"]),
    ("users", &["name", "uid", "gid", "home", "shell"]),
];

/// What a look at one file, of which `count` tells less, knows.
const OF_A_FILE: &[&str] = &["exists", "kind", "mode", "owner", "size", "executable", "id", "links_to", "content", "device"];

/// The fields of what `of` (as `count` calls it) counts.
pub fn fields_of(of: &str) -> &'static [&'static str] {
    FIELDS.iter().find(|(word, _)| *word == of).map_or(&[], |(_, fields)| fields)
}

/// Whether `path` leads to a field of these.
pub fn knows(fields: &[&str], path: &str) -> bool {
    fields.iter().any(|field| leads(field, path))
}

/// A field, or a part of the way to it: `mounts` is a list, which is compared as a whole.
fn leads(field: &str, path: &str) -> bool {
    let mut parts = field.split('.');
    for step in path.split('.') {
        match parts.next() {
            Some(REST) => return true,
            Some(NAME) if !step.is_empty() => {}
            Some(NUMBER) if step.parse::<usize>().is_ok() => {}
            Some(part) if part == step => {}
            _ => return false,
        }
    }
    true
}

/// Complains about `path`, written at `spot` under `key`, if what `of` counts has no such field.
pub(super) fn counted(of: &str, path: &str, spot: Spot, key: &str, complaints: &mut Complaints) {
    complain(fields_of(of), &format!("of {of}"), path, spot, key, complaints);
}

/// The same for the field of one thing: `sort` is the word before the slash. A cgroup has the knobs that its kernel gives it.
pub(super) fn of_one(sort: &str, path: &str, spot: Spot, key: &str, complaints: &mut Complaints) {
    let fields = match sort {
        "cgroup" => return,
        "file" => OF_A_FILE,
        "process" => fields_of("processes"),
        "netns" => fields_of("netns"),
        other => fields_of(&format!("{other}s")),
    };
    complain(fields, &format!("of a thing `{sort}/...`"), path, spot, key, complaints);
}

fn complain(fields: &[&str], whose: &str, path: &str, spot: Spot, key: &str, complaints: &mut Complaints) {
    if knows(fields, path) {
        return;
    }
    let hint = match nearest(path, fields.iter().copied()) {
        Some(field) => format!("did you mean `{field}`?"),
        None => format!("there are: {}", fields.join(", ")),
    };
    complaints.add(spot, key, format!("`{path}` is no field {whose}"), hint);
}

/// The fields of a document that are not in the list, for the tests of those who make documents.
#[cfg(test)]
pub fn unknown_in(fields: &[&str], document: &serde_json::Value) -> Vec<String> {
    fn walk(fields: &[&str], path: &str, value: &serde_json::Value, found: &mut Vec<String>) {
        let inner: Vec<(String, &serde_json::Value)> = match value {
            serde_json::Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), value)).collect(),
            serde_json::Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (name, value) in inner {
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            if knows(fields, &path) {
                walk(fields, &path, value, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(fields, "", document, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bottle::probe::{Netns, Probe, answer};

    #[test]
    fn the_way_to_a_field_may_be_shorter_and_must_not_be_another() {
        let containers = fields_of("containers");
        for path in
            ["name", "mounts", "mounts.0", "mounts.0.at", "networks.press.aliases", "labels.com_example_tier", "inspect.HostConfig.ShmSize"]
        {
            assert!(knows(containers, path), "{path}");
        }
        for path in ["nmae", "mounts.at", "mounts.0.att", "networks.press.alias", "name.0", "", "Config.Image"] {
            assert!(!knows(containers, path), "{path}");
        }
    }

    /// What a look at the machine itself answers is in the list, and the list promises nothing that no look answers.
    #[test]
    fn the_lists_are_what_the_looks_answer() {
        let looks = [
            ("processes", "processes", Probe::Processes),
            ("mounts", "mounts", Probe::Mounts { process: None }),
            ("links", "links", Probe::Network { at: Netns::Own }),
            ("files", "files", Probe::Tree { path: env!("CARGO_MANIFEST_DIR").to_owned() + "/src/course" }),
            ("users", "users", Probe::Users),
        ];
        for (of, key, probe) in looks {
            let answered = answer(&probe);
            let first = answered[key].as_array().and_then(|all| all.first()).unwrap_or_else(|| panic!("{of}: {answered}"));
            assert_eq!(unknown_in(fields_of(of), first), [""; 0], "{of}: told, and not in the list");
            for field in fields_of(of) {
                let top = field.split('.').next().unwrap_or_default();
                assert!(first.get(top).is_some(), "{of}: `{field}` is in the list and never told");
            }
        }
        let file = answer(&Probe::File { path: env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml", process: None });
        assert_eq!(unknown_in(OF_A_FILE, &file), [""; 0]);
    }
}
