//! What is promised about speed and size, in measures that a busy machine does not change: calls of the kernel, processor time, memory. The
//! times that a person sees are measured by `cargo bench` (see the book, "Performance").
//!
//! The bounds are up to twice what was measured when they were set, so that they catch a wait for the disk, a second parse or a probe that has
//! crept into the way to the prompt, and not the next feature.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::chaos::family;
use super::engine::containers::{Confined, standing_by};
use super::support::{Call, Rights, Sandbox, binary, bundle, has_program, rights, skip};

/// How often each call of the kernel was made, by the program and all that it started.
fn calls(sandbox: &Sandbox, call: &Call) -> BTreeMap<String, u64> {
    let trace = sandbox.path().join("calls");
    let line = call.command();
    let words = std::iter::once(line.get_program()).chain(line.get_args()).map(std::ffi::OsStr::to_owned);
    let mut strace = sandbox.program("strace").args(["-f", "-c", "-qq", "-o"]).args([&trace]).args(words);
    strace = strace.input(call.given());
    strace.succeeds();
    count(&fs::read_to_string(trace).expect("strace's table"))
}

/// The table of `strace -c`: the fourth column is the number of calls, the last one the name.
fn count(table: &str) -> BTreeMap<String, u64> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(((*words.last()?).to_owned(), words.get(3)?.parse().ok()?))
    };
    table.lines().filter_map(row).filter(|(name, _)| name != "total").collect()
}

fn of(calls: &BTreeMap<String, u64>, names: &[&str]) -> u64 {
    names.iter().filter_map(|name| calls.get(*name)).sum()
}

/// A bundle whose container runs a static `true`, with the default filter.
fn quick_bundle(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("bundle");
    bundle::rootfs(&folder.join("rootfs"), &["true"]);
    Call::new(binary()).args(["oci", "spec"]).folder(&folder).succeeds();
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("config.json")).expect("config.json")).expect("JSON");
    let filter = Call::new(binary()).args(["oci", "seccomp-profile"]).succeeds().stdout;
    config["linux"]["seccomp"] = serde_json::from_str(&filter).expect("the default profile");
    config["process"]["args"] = serde_json::json!(["/bin/true"]);
    config["process"]["terminal"] = false.into();
    fs::write(folder.join("config.json"), config.to_string()).expect("write config.json");
    folder
}

/// A state folder and a bundle for a test of the runtime, or nothing (and a line that says why) where it cannot run.
fn ready(test: &str, programs: &[&str]) -> Option<(Sandbox, PathBuf)> {
    possible(test, programs).then(|| {
        let sandbox = Sandbox::new();
        let bundle = quick_bundle(&sandbox);
        (sandbox, bundle)
    })
}

fn run(sandbox: &Sandbox, bundle: &Path, id: &str) -> Call {
    let root = sandbox.path().join("containers");
    sandbox.bottleship(["oci", "--root"]).args([&root]).args(["run", "--bundle"]).args([bundle]).args([id])
}

/// Whether a test of the runtime can run; says why not.
fn possible(test: &str, programs: &[&str]) -> bool {
    let missing = programs.iter().find(|name| !has_program(name));
    match (rights(), missing) {
        (Rights::Root, None) => true,
        (Rights::UserNamespaces, _) => {
            skip(test, "only root makes a container with all namespaces and a cgroup");
            false
        }
        (_, Some(program)) => {
            skip(test, &format!("{program} is not installed"));
            false
        }
    }
}

/// A container's whole life in at most as many calls as crun needs with its libraries twice over; runc needs 2500.
#[test]
fn a_container_costs_few_calls_of_the_kernel() {
    let test = "a_container_costs_few_calls_of_the_kernel";
    let Some((sandbox, bundle)) = ready(test, &["strace", "busybox"]) else { return };
    let calls = calls(&sandbox, &run(&sandbox, &bundle, "counted"));
    let all: u64 = calls.values().sum();
    assert!(all < 1400, "{all} calls: {calls:#?}");
    assert!(of(&calls, &["clone", "clone3", "fork", "vfork"]) <= 2, "{calls:#?}");
    // Once more for the sealed executable, once for the program.
    assert!(of(&calls, &["execve", "execveat"]) <= 3, "{calls:#?}");
    assert_eq!(of(&calls, &["fsync", "fdatasync", "sync", "nanosleep", "clock_nanosleep"]), 0, "nothing waits: {calls:#?}");
}

/// Processor time, which other programs on the machine stretch but a little: the least of ten.
#[test]
fn a_container_costs_little_processor_time() {
    use nix::sys::resource::{UsageWho, getrusage};
    let test = "a_container_costs_little_processor_time";
    let Some((sandbox, bundle)) = ready(test, &["busybox"]) else { return };
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
        let (user, system) = (usage.user_time(), usage.system_time());
        (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec()
    };
    let least = (0..10).map(|number| {
        let before = spent();
        run(&sandbox, &bundle, &format!("timed{number}")).succeeds();
        spent() - before
    });
    let least = least.min().unwrap_or(0);
    assert!(least < 80_000, "{least} microseconds of processor time for one container");
}

/// A container that waits for `start` keeps little memory of its own: it is a clone that has touched few pages.
#[test]
fn a_waiting_container_is_small() {
    let test = "a_waiting_container_is_small";
    let Some((sandbox, bundle)) = ready(test, &["busybox"]) else { return };
    let root = sandbox.path().join("containers");
    let oci = |words: &[&str]| sandbox.bottleship(["oci", "--root"]).args([&root]).args(words.iter().copied());
    oci(&["create", "--bundle"]).args([&bundle]).args(["waits"]).succeeds();
    let state: serde_json::Value = serde_json::from_str(&oci(&["state", "waits"]).succeeds().stdout).expect("a state");
    let pages = fs::read_to_string(format!("/proc/{}/smaps_rollup", state["pid"])).expect("smaps_rollup");
    // Clean pages are the executable's: the kernel's cache of a file, of which there is one however many containers wait.
    let dirty = pages.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kilobytes: u64 = dirty.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).expect("a number of KiB");
    oci(&["delete", "--force", "waits"]).succeeds();
    assert!(kilobytes > 0 && kilobytes < 2048, "{kilobytes} KiB of its own");
}

/// What `docker exec` costs behind the API: nothing of ours is started anew, and nothing waits for the disk.
#[test]
fn an_exec_costs_two_clones_and_one_program() {
    const EXECS: u64 = 10;
    let test = "an_exec_costs_two_clones_and_one_program";
    if !possible(test, &["strace", "busybox", "curl", "unshare"]) {
        return;
    }
    let here = Confined::start();
    here.engine.ours(&["run", "-d", "--network", "none", "--name", "web", "base:1", "sleep", "1000"]).succeeds();
    let exec = || here.engine.ours(&["exec", "web", "true"]).succeeds();
    // The first has the runtime stand by.
    exec();
    let unshare = here.engine.process().id();
    let words = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let engine = family(unshare).into_iter().find(|pid| words(*pid).split('\0').nth(1) == Some("engine")).expect("the engine");
    let pids = [engine, standing_by(unshare).expect("its runtime")];
    let trace = here.engine.path("calls");
    let mut command = here.engine.sandbox.program("strace").args(["-f", "-c", "-o"]).args([&trace]).command();
    command.args(pids.iter().flat_map(|pid| ["-p".to_owned(), pid.to_string()])).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut strace = command.spawn().expect("start strace");
    let mut told = BufReader::new(strace.stderr.take().expect("what it tells"));
    let mut line = String::new();
    for _ in &pids {
        line.clear();
        told.read_line(&mut line).expect("a line");
        assert!(line.contains("attached"), "{line}");
    }
    // What it tells of further processes must not fill the pipe.
    let rest = std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    (0..EXECS).for_each(|_| drop(exec()));
    here.engine.sandbox.program("kill").args(["-INT", &strace.id().to_string()]).succeeds();
    strace.wait().expect("it ends");
    rest.join().expect("no panic").expect("its words");
    let calls = count(&fs::read_to_string(&trace).expect("strace's table"));
    let all: u64 = calls.values().sum();
    // Now and then the engine takes one thread more.
    assert!(of(&calls, &["clone", "clone3", "fork", "vfork"]) <= 2 * EXECS + 5, "{calls:#?}");
    assert_eq!(of(&calls, &["execve", "execveat"]), EXECS, "{calls:#?}");
    assert_eq!(of(&calls, &["fsync", "fdatasync", "sync", "syncfs", "nanosleep", "clock_nanosleep"]), 0, "nothing waits: {calls:#?}");
    assert!(all < 1_000 * EXECS, "{} calls each: {calls:#?}", all / EXECS);
}

/// A bottle from nothing to nothing: how often the kernel, the disk and the network's lock are asked.
#[test]
fn a_bottle_boots_in_few_round_trips() {
    let test = "a_bottle_boots_in_few_round_trips";
    if !possible(test, &["strace"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let line = || sandbox.bottleship(["--plain"]).input("true\n");
    // The first start makes the progress file; a start is what comes after.
    line().succeeds();
    let calls = calls(&sandbox, &line());
    let all: u64 = calls.values().sum();
    assert!(all < 12_000, "{all} calls: {calls:#?}");
    // What was typed is kept, and so is waited for; booting waits for no disk.
    assert!(of(&calls, &["fsync", "fdatasync", "sync", "syncfs"]) <= 2, "{calls:#?}");
    assert!(of(&calls, &["sendto"]) <= 60, "netlink: {calls:#?}");
    // The keeper, PID 1, two hosts, two name servers, bash; the looks; what empties the bin; what `true` and bash's rc files start.
    assert!(of(&calls, &["clone", "clone3", "fork", "vfork"]) <= 30, "{calls:#?}");
    assert!(of(&calls, &["execve"]) <= 20, "{calls:#?}");
}

/// The file that tells bash how to mark its prompts is a secret of that shell: it does not stay.
#[test]
fn the_rc_file_of_the_shell_does_not_stay() {
    let sandbox = Sandbox::new();
    // Whoever removes it is not waited for, so the shell looks until it is gone; the test's patience ends that if it never is.
    let script = "while ls /run/bottleship | grep -q bashrc; do read -t 0.01 < /dev/zero; done; echo none left\n";
    let output = sandbox.bottleship(["--plain"]).input(script).succeeds();
    assert!(output.stdout.contains("none left"), "{output}");
}
