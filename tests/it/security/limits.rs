//! Limits hold from before the first instruction of the image.

use std::fs;

use serde_json::json;

use super::Bundle;

/// A bomb in the container ends at its pids limit and takes nothing else along.
#[test]
fn a_fork_bomb_ends_at_the_limit_of_the_container() {
    let script = "i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i+1)); done; echo all";
    let Some(mut bundle) = Bundle::new("fork_bomb", script) else { return };
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 8}});
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", bundle.id("bomb")).into();
    let output = bundle.run();
    assert!(!output.stdout.contains("all"), "forty processes under a limit of eight: {output}");
    assert!(output.stderr.contains("fork"), "{output}");
}

/// A hook that runs in the container's start counts against the container, and so does the program from its first instruction on.
#[test]
fn the_program_is_in_its_cgroup_from_the_start() {
    let Some(mut bundle) = Bundle::new("cgroup_first", "cat /proc/self/cgroup") else { return };
    let group = bundle.id("first");
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 20}});
    bundle.config["linux"]["cgroupsPath"] = format!("/{group}").into();
    let output = bundle.run();
    let pids = output.stdout.lines().find(|line| line.contains(":pids:") || line.starts_with("0::")).unwrap_or_default();
    assert!(pids.contains(&group), "{output}");
}

/// Nothing of a finished container stays among the machine's cgroups.
#[test]
fn a_finished_container_leaves_no_cgroup() {
    let Some(mut bundle) = Bundle::new("cgroup_last", "true") else { return };
    let group = bundle.id("last");
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 20}, "memory": {"limit": 67_108_864}});
    bundle.config["linux"]["cgroupsPath"] = format!("/{group}").into();
    assert_eq!(bundle.run().code(), 0);
    let left: Vec<_> =
        fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path().join(&group)).filter(|path| path.exists()).collect();
    assert!(left.is_empty() && !std::path::Path::new("/sys/fs/cgroup").join(&group).exists(), "{left:?}");
}

/// A program of the image that runs as a hook, before the container's own program, is inside the limits as well.
#[test]
fn hooks_of_the_image_are_limited_too() {
    let Some(mut bundle) = Bundle::new("hook_limits", "cat /tmp/hook") else { return };
    let group = bundle.id("hook");
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 20}});
    bundle.config["linux"]["cgroupsPath"] = format!("/{group}").into();
    let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "cat /proc/self/cgroup > /tmp/hook"], "env": ["PATH=/bin"]}]);
    bundle.config["hooks"] = json!({"startContainer": hook});
    let output = bundle.run();
    let pids = output.stdout.lines().find(|line| line.contains(":pids:") || line.starts_with("0::")).unwrap_or_default();
    assert!(pids.contains(&group), "{output}");
}
