//! What decides in a `config.json`: an excerpt for the journal, with the specification's own names, for `:zoom` to show between the engine and the kernel.
//!
//! A whole one is some 60 KiB, most of it names of system calls; of those only how many there are is told.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Context;

/// So many entries of a list are told, and so many letters of a text.
const MOST: usize = 40;
const LONGEST: usize = 400;
/// Parts of `process`, of `linux`, and of the document itself that are told as they are.
const PROCESS: [&str; 7] = ["args", "cwd", "user", "terminal", "noNewPrivileges", "apparmorProfile", "oomScoreAdj"];
const LINUX: [&str; 6] = ["namespaces", "cgroupsPath", "sysctl", "maskedPaths", "readonlyPaths", "uidMappings"];
const DOCUMENT: [&str; 4] = ["root", "hostname", "mounts", "ociVersion"];

/// The excerpt of the bundle that a command makes a container of; `None` for a command that makes none. What is wrong with a bundle the command itself says.
pub fn of(context: &Context, command: &str) -> Option<Value> {
    if !["create", "run"].contains(&command) {
        return None;
    }
    let bundle = Path::new(context.arguments.value("bundle").unwrap_or("."));
    let bytes = crate::kernel::fs::read_bytes(&bundle.join("config.json")).ok()?;
    Some(excerpt(&serde_json::from_slice(&bytes).ok()?))
}

fn excerpt(config: &Value) -> Value {
    let (process, linux) = (&config["process"], &config["linux"]);
    let mut told = picked(config, &DOCUMENT);
    let mut of_process = picked(process, &PROCESS);
    if let Some(bounding) = process["capabilities"].get("bounding") {
        of_process.insert("capabilities".to_owned(), json!({ "bounding": short(bounding) }));
    }
    let mut of_linux = picked(linux, &LINUX);
    if let Value::Object(resources) = &linux["resources"] {
        // Rules about devices are the same in nearly every container, and long.
        let limits = resources.iter().filter(|(name, _)| *name != "devices").map(|(name, limit)| (name.clone(), short(limit)));
        of_linux.insert("resources".to_owned(), Value::Object(limits.collect()));
    }
    if let Value::Object(seccomp) = &linux["seccomp"] {
        of_linux.insert("seccomp".to_owned(), json!({ "defaultAction": seccomp.get("defaultAction"), "allowed": allowed(seccomp) }));
    }
    told.insert("process".to_owned(), Value::Object(of_process));
    told.insert("linux".to_owned(), Value::Object(of_linux));
    Value::Object(told)
}

fn picked(from: &Value, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), short(from.get(*key)?)))).collect()
}

/// How many system calls are let through, whatever their arguments.
fn allowed(seccomp: &Map<String, Value>) -> usize {
    let rules = seccomp.get("syscalls").and_then(Value::as_array).into_iter().flatten();
    let free = rules.filter(|rule| rule["action"] == "SCMP_ACT_ALLOW" && rule["args"].as_array().is_none_or(Vec::is_empty));
    let mut names: Vec<&str> = free.flat_map(|rule| rule["names"].as_array().into_iter().flatten()).filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

/// The same, with what is too long for a message cut.
fn short(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > LONGEST => text.chars().take(LONGEST).chain("...".chars()).collect::<String>().into(),
        Value::Array(list) => list.iter().take(MOST).map(short).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), short(value))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_is_kept_and_what_is_long_is_counted() {
        let rule = |names: &[&str], action: &str, args: Value| json!({ "names": names, "action": action, "args": args });
        let config = json!({
            "ociVersion": "1.2.0", "root": {"path": "/m", "readonly": true}, "hooks": {"prestart": []},
            "process": {"args": ["sleep", "x".repeat(9000)], "cwd": "/", "env": ["SECRET=1"], "capabilities": {"bounding": ["CAP_CHOWN"], "effective": []}},
            "mounts": vec![json!({"destination": "/proc"}); 300],
            "linux": {"namespaces": [{"type": "pid"}], "resources": {"devices": [{"allow": false}], "memory": {"limit": 64}},
                "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                    rule(&["read", "write"], "SCMP_ACT_ALLOW", Value::Null), rule(&["read"], "SCMP_ACT_ALLOW", json!([])),
                    rule(&["clone"], "SCMP_ACT_ALLOW", json!([{"index": 0}])), rule(&["bpf"], "SCMP_ACT_ERRNO", Value::Null)]}},
        });
        let told = excerpt(&config);
        assert_eq!(told["linux"]["resources"], json!({"memory": {"limit": 64}}));
        assert_eq!(told["linux"]["seccomp"], json!({"defaultAction": "SCMP_ACT_ERRNO", "allowed": 2}));
        assert_eq!(told["process"]["capabilities"], json!({"bounding": ["CAP_CHOWN"]}));
        assert_eq!((told["mounts"].as_array().unwrap().len(), told.get("hooks")), (MOST, None));
        assert!(!told.to_string().contains("SECRET"), "what may be secret does not go into the journal");
        assert!(told.to_string().len() < 16_000, "a message holds it");
        assert_eq!(excerpt(&json!([])), json!({"process": {}, "linux": {}}), "whatever it is");
    }
}
