//! The engine where cgroup v2 is all there is: the same commands, the files of the one tree, and what that version has not.
//!
//! They run in the virtual machine of `./test vm`; on a machine whose controllers are on v1 they are skipped.

use std::fs;

use serde_json::Value;

use super::PATIENCE;
use super::containers::{Confined, cgroups};
use crate::support::{Output, Rights, eventually, rights, skip, unified_cgroups};

/// An engine with containers on cgroup v2, if that can be here.
fn unified(test: &str) -> Option<Confined> {
    if !unified_cgroups() {
        skip(test, "the controllers of this machine are on cgroup v1 (or hybrid): `./test vm` runs it");
        return None;
    }
    if rights() != Rights::Root {
        skip(test, "needs root: nobody has delegated a cgroup to this user");
        return None;
    }
    Some(Confined::start())
}

impl Confined {
    /// What our client says.
    fn ours(&self, words: &[&str]) -> String {
        self.engine.ours(words).succeeds().stdout
    }

    /// A container called `held` that stays, with what else the words say; its id.
    fn held(&self, more: &[&str]) -> String {
        let words = [&["run", "-d", "--network", "none", "--name", "held"], more, &["base:1", "sleep", "1000"]].concat();
        self.ours(&words).trim().to_owned()
    }

    /// A line of the shell in it.
    fn inside(&self, line: &str) -> Output {
        self.engine.ours(&["exec", "held", "sh", "-c", line]).output()
    }
}

/// What these files of a container's cgroup say, as the machine sees them.
fn files(id: &str, names: &[&str]) -> Vec<String> {
    let group = cgroups(&format!("/docker/{id}")).pop().expect("the container's cgroup");
    names.iter().map(|name| fs::read_to_string(group.join(name)).expect(name).trim().to_owned()).collect()
}

const LIMITS: [&str; 8] =
    ["memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpu.weight", "pids.max", "cpuset.cpus", "cpuset.cpus.effective"];

#[test]
fn limits_are_files_of_the_one_tree_and_are_changed_there() {
    let Some(here) = unified("limits_are_files_of_the_one_tree_and_are_changed_there") else { return };
    let memory = ["--memory", "64m", "--memory-reservation", "32m", "--pids-limit", "20"];
    let id = here.held(&[&memory[..], &["--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0"]].concat());
    assert_eq!(files(&id, &LIMITS), ["67108864", "67108864", "33554432", "50000 100000", "59", "20", "0", "0"]);
    // The container sees its own cgroup as the whole tree, and cannot change it.
    let inside = here.inside("cat /proc/1/cgroup /proc/self/cgroup; cd /sys/fs/cgroup; cat memory.max pids.max; echo 1 > pids.max");
    assert_eq!(inside.stdout, "0::/\n0::/\n67108864\n20\n");
    assert!(inside.stderr.contains("Read-only file system"), "{inside}");
    here.ours(&[
        "update",
        "--memory",
        "128m",
        "--memory-swap",
        "192m",
        "--cpus",
        "0.75",
        "--cpu-shares",
        "2048",
        "--pids-limit",
        "33",
        "held",
    ]);
    assert_eq!(files(&id, &LIMITS), ["134217728", "67108864", "33554432", "75000 100000", "174", "33", "0", "0"]);
    here.ours(&["rm", "-f", "held"]);
    assert!(cgroups(&format!("/docker/{id}")).is_empty(), "its cgroup goes with it");
}

#[test]
fn what_version_2_has_not_is_told_and_left_out() {
    let Some(here) = unified("what_version_2_has_not_is_told_and_left_out") else { return };
    let info = here.ours(&["info", "-f", "{{.CgroupVersion}} {{.CgroupDriver}} {{.OomKillDisable}} {{.MemoryLimit}} {{.PidsLimit}}"]);
    assert_eq!(info, "2 cgroupfs false true true\n");
    let words = ["create", "--network", "none", "--name", "odd", "--memory-swappiness", "10", "--oom-kill-disable", "base:1", "true"];
    let made = here.engine.ours(&words).succeeds();
    for warning in
        ["memory swappiness capabilities or the cgroup is not mounted", "does not support OomKillDisable. OomKillDisable discarded."]
    {
        assert!(made.stderr.contains(warning), "{made}");
    }
    here.ours(&["start", "odd"]);
    let inspected = here.engine.json("/containers/odd/json");
    let host = &inspected["HostConfig"];
    assert_eq!(
        (&host["CgroupnsMode"], &host["MemorySwappiness"], &host["OomKillDisable"]),
        (&"private".into(), &Value::Null, &Value::Null)
    );
    here.held(&["--memory", "64m"]);
    let used = here.engine.json("/containers/held/stats?stream=false");
    assert_eq!((&used["memory_stats"]["limit"], &used["pids_stats"]["current"]), (&(64 << 20).into(), &1.into()), "{used}");
    assert_eq!((&used["memory_stats"]["failcnt"], &used["memory_stats"]["max_usage"]), (&0.into(), &Value::Null), "{used}");
    for number in [&used["memory_stats"]["usage"], &used["cpu_stats"]["cpu_usage"]["total_usage"]] {
        assert!(number.as_u64().is_some_and(|number| number > 0), "{used}");
    }
    assert!(used["memory_stats"]["stats"]["inactive_file"].is_u64() && used["blkio_stats"]["io_serviced_recursive"].is_null(), "{used}");
    // On the host's cgroup namespace it sees where it really is.
    let words = ["run", "--rm", "--network", "none", "--cgroupns", "host", "base:1", "cat", "/proc/self/cgroup"];
    let placed = here.ours(&words);
    assert!(placed.starts_with("0::/docker/") && placed.trim().len() == "0::/docker/".len() + 64, "{placed}");
}

/// What an init does that has cgroups of its own: it leaves the container's top cgroup, and hands controllers down. Nobody may come to that cgroup any more.
#[test]
fn a_further_process_joins_a_container_that_hands_its_controllers_down() {
    let Some(here) = unified("a_further_process_joins_a_container_that_hands_its_controllers_down") else { return };
    let id = here.held(&["--privileged", "--memory", "64m"]);
    let handed = here.inside("cd /sys/fs/cgroup; mkdir init kid; for p in $(cat cgroup.procs); do echo $p > init/cgroup.procs; done; echo '+memory +pids' > cgroup.subtree_control");
    assert_eq!(handed.code(), 0, "{handed}");
    assert_eq!(files(&id, &["cgroup.subtree_control", "cgroup.procs"]), ["memory pids", ""]);
    let joined = here.inside("cat /proc/1/cgroup /proc/self/cgroup");
    assert_eq!(joined.stdout, "0::/init\n0::/init\n", "{joined}");
    // All the rest goes on as well: it is one container with whatever is below.
    assert!(here.ours(&["top", "held"]).contains("sleep 1000"));
    assert_eq!(here.engine.json("/containers/held/stats?stream=false&one-shot=1")["pids_stats"]["current"], 1);
    here.ours(&["update", "--memory", "96m", "--memory-swap", "96m", "held"]);
    here.ours(&["pause", "held"]);
    assert_eq!(files(&id, &["cgroup.freeze", "memory.max", "init/memory.max"]), ["1", "100663296", "max"]);
    here.ours(&["unpause", "held"]);
    here.ours(&["rm", "-f", "held"]);
    assert!(cgroups(&format!("/docker/{id}")).is_empty(), "its cgroups go with it");
}

#[test]
fn a_paused_container_is_frozen_as_a_whole_and_may_be_killed() {
    let Some(here) = unified("a_paused_container_is_frozen_as_a_whole_and_may_be_killed") else { return };
    let id = here.held(&[]);
    here.ours(&["pause", "held"]);
    assert_eq!(files(&id, &["cgroup.freeze", "cgroup.events"]), ["1", "populated 1\nfrozen 1"]);
    assert_eq!(here.ours(&["inspect", "-f", "{{.State.Status}}", "held"]), "paused\n");
    let refused = here.inside("true");
    assert!(refused.code() != 0 && refused.stderr.contains("is paused, unpause the container before exec"), "{refused}");
    here.ours(&["unpause", "held"]);
    assert_eq!(here.inside("echo goes on").stdout, "goes on\n");
    here.ours(&["pause", "held"]);
    here.ours(&["kill", "held"]);
    assert_eq!(here.ours(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "held"]), "exited 137\n");
    eventually("the end of its cgroup", PATIENCE, || cgroups(&format!("/docker/{id}")).is_empty().then_some(()));
}

#[test]
fn whoever_has_no_memory_left_is_killed_and_that_is_told() {
    let Some(here) = unified("whoever_has_no_memory_left_is_killed_and_that_is_told") else { return };
    let grow = "x=a; while :; do x=$x$x; done";
    let limited = ["--network", "none", "--memory", "20m", "--memory-swap", "20m"];
    let words = [&["run", "--name", "first"], &limited[..], &["base:1", "sh", "-c", grow]].concat();
    here.engine.ours(&words).exits(137);
    // The first process lives on where another one was killed.
    let child = format!("sh -c '{grow}'; echo child $?; exit 4");
    let words = [&["run", "--name", "parent"], &limited[..], &["base:1", "sh", "-c", &child]].concat();
    let ended = here.engine.ours(&words).exits(4);
    assert!(ended.stdout.contains("child 137"), "{ended}");
    for (name, code) in [("first", 137), ("parent", 4)] {
        let state = here.ours(&["inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", name]);
        assert_eq!(state, format!("true {code}\n"), "{name}");
    }
    let told =
        here.ours(&["events", "--since", "1", "--until", &later(), "--filter", "event=oom", "--format", "{{.Actor.Attributes.name}}"]);
    assert_eq!(told, "first\nparent\n");
}

/// Seconds since 1970, one from now: what has happened is before it.
fn later() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock that goes forward");
    (now.as_secs() + 1).to_string()
}
