//! What the runtime says about a config.json that is wrong: the file, the line, the key, the reason, what to do.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Place, World};

/// What is bent, and to what.
fn slips() -> Vec<(&'static str, Value)> {
    vec![
        ("/ociVersion", json!("2.0.0")),
        ("/process/args", json!([])),
        ("/process/args", json!("sleep")),
        ("/process/cwd", json!("tmp")),
        ("/process/env", json!(["PATH"])),
        ("/process/user/uid", json!(-1)),
        ("/process/rlimits", json!([{"type": "RLIMIT_SPEED", "hard": 1, "soft": 1}])),
        ("/process/apparmorProfile", json!("docker-default")),
        ("/process/oomScoreAdj", json!(2000)),
        ("/root/path", json!("nowhere")),
        ("/mounts/0/destination", json!("")),
        ("/mounts/1/type", json!("nosuchfs")),
        ("/linux/namespaces", json!([{"type": "pod"}])),
        ("/linux/namespaces", json!([{"type": "mount"}])),
        ("/linux/sysctl", json!({"kernel.core_pattern": "|/bin/evil"})),
        ("/linux/devices", json!([{"type": "x", "path": "/dev/x"}])),
        ("/linux/netDevices", json!({"a/b": {}})),
        ("/linux/timeOffsets", json!({"boottime": {"secs": 1}})),
        ("/linux/rootfsPropagation", json!("sideways")),
        ("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_PANIC"})),
        ("/hooks", json!({"prestart": [{"path": "bin/hook"}]})),
    ]
}

/// The text of the line that a complaint points to, for its number: a config for an ordinary user has more lines before it.
fn with_lines(said: &str, config: &str) -> String {
    let Some((before, rest)) = said.split_once("config.json:") else { return said.to_owned() };
    let (number, after) = rest.split_once(':').expect("a number and a colon");
    let line = number.parse::<usize>().ok().and_then(|number| config.lines().nth(number - 1)).expect("a line of the file");
    format!("{before}config.json, at {}:{after}", line.trim().trim_end_matches(','))
}

#[test]
fn complaints_about_config_json() {
    let place = if rustix::process::geteuid().is_root() { Place::Machine } else { Place::Ordinary };
    let mut all = String::new();
    for (pointer, value) in slips() {
        let mut world = World::new(place).expect("a place");
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        match world.config.pointer_mut(parent).expect("the parent exists") {
            Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value.clone(),
            parent => parent[key] = value.clone(),
        }
        let config = format!("{:#}", world.config);
        std::fs::write(world.work().join("bundle/config.json"), &config).expect("write");
        let output = world.oci(&["run", &world.id()]).exits(1);
        let said = with_lines(&output.stderr, &config).replace(&world.work().display().to_string(), "WORK").replace(&world.id(), "ID");
        writeln!(all, "## {pointer} = {value}\n{said}").expect("a string takes everything");
        assert_eq!(world.oci(&["list", "-q"]).succeeds().stdout, "", "a container that was refused left something: {output}");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn complaints_about_the_command_line() {
    let place = if rustix::process::geteuid().is_root() { Place::Machine } else { Place::Ordinary };
    let world = World::new(place).expect("a place");
    world.prepare();
    let lines: &[&[&str]] = &[
        &["craete", "x"],
        &["run"],
        &["run", "../x"],
        &["run", "--bundel", "x", "id"],
        &["run", "--bundle", "/nowhere", "id"],
        &["state", "none"],
        &["kill", "none", "NOPE"],
        &["list", "--format", "yaml"],
        &["--systemd-cgroup", "list"],
        &["events", "--interval", "soon", "none"],
    ];
    let mut all = String::new();
    for line in lines {
        let output = world.oci(line).exits(1);
        let said = output.stderr.replace(&world.work().display().to_string(), "WORK");
        writeln!(all, "$ {}\n{said}", line.join(" ")).expect("a string takes everything");
    }
    insta::assert_snapshot!(all);
}
