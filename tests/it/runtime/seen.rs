//! The X-ray: what the runtime says that it asked of the kernel is what strace saw of the same start, and `:zoom` shows it in a bottle.

use serde_json::{Value, json};

use super::{Place, World};
use crate::support::{Call, Sandbox, bundle, has_program, skip};

/// The calls that change something about a process or its world: all of them that both sides can name. What is left out only looks (read, stat,
/// open for reading), manages memory, or is how parent and child talk.
const COMPARED: &[&str] = &[
    "clone3",
    "unshare",
    "setns",
    "setsid",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_tree",
    "move_mount",
    "mount_setattr",
    "fsopen",
    "fsconfig",
    "fsmount",
    "openat2",
    "mkdirat",
    "mknodat",
    "symlinkat",
    "unlinkat",
    "umask",
    "fchdir",
    "chdir",
    "sethostname",
    "setdomainname",
    "prctl",
    "setgroups",
    "setresgid",
    "setresuid",
    "capset",
    "seccomp",
    "close_range",
    "execve",
];

/// Name, and whether it was granted.
type Seen = Vec<(String, bool)>;

/// What strace wrote of the container's first process: everything of the process that execve(2)d `/bin/true`, up to that.
fn by_strace(trace: &str) -> Seen {
    let pid_of = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let last = trace.lines().find(|line| line.contains("execve(\"/bin/sh\"")).and_then(pid_of).expect("the program was executed");
    let (mut seen, mut looks) = (Vec::new(), false);
    for line in trace.lines().filter(|line| pid_of(line).as_ref() == Some(&last)) {
        let Some((_, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        let rest = rest.strip_prefix("<... ").map_or(rest, |resumed| resumed);
        let Some(end) = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') else { continue };
        // prctl(2) is also how a process looks at what it may. The second half of an interrupted line does not have the arguments.
        looks =
            rest.contains("PR_CAPBSET_READ") || rest.contains("PR_CAP_AMBIENT_IS_SET") || (looks && rest[end..].starts_with(" resumed"));
        if rest.ends_with("<unfinished ...>") {
            continue;
        }
        if COMPARED.contains(&&rest[..end]) && !looks {
            seen.push((rest[..end].to_owned(), !rest.contains(" = -1 ")));
        }
        if rest.starts_with("execve") {
            break;
        }
    }
    seen
}

/// What the X-ray wrote of the same process, which is the first of its pid namespace.
fn by_xray(lines: &str) -> Seen {
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let of_child = records.filter(|record| record["pid"] == 1 && record["step"] != "outside");
    let seen =
        of_child.map(|record| (record["call"].as_str().expect("a name").to_owned(), record["result"].as_i64().expect("a result") >= 0));
    seen.filter(|(name, _)| COMPARED.contains(&name.as_str())).collect()
}

fn traced(world: &World, args: &[&str], name: &str) -> String {
    let trace = world.work().join(name);
    let xray = world.work().join("xray");
    let words = [&["--xray", xray.to_str().expect("text")], args].concat();
    let call = world.oci(&words);
    let command = call.command();
    let strace = Call::new("strace").args(["-f", "-s", "64", "-o"]).args([&trace]).args([command.get_program()]).args(command.get_args());
    strace.folder(world.work().join("bundle")).succeeds();
    std::fs::read_to_string(trace).expect("a trace")
}

#[test]
fn a_start_is_what_strace_sees() {
    if !has_program("strace") {
        return skip("a_start_is_what_strace_sees", "strace is not installed");
    }
    let Ok(mut world) = World::new(Place::Machine) else { return skip("a_start_is_what_strace_sees", "needs root") };
    world.runs("exit 0");
    bundle::push(&mut world.config, "/linux/namespaces", json!({"type": "cgroup"}));
    world.config["linux"]["seccomp"] =
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]});
    world.config["root"]["readonly"] = json!(true);
    world.prepare();
    let trace = traced(&world, &["run", &world.id()], "trace");
    let xray = std::fs::read_to_string(world.work().join("xray")).expect("an X-ray");
    let (ours, theirs) = (by_xray(&xray), by_strace(&trace));
    assert_eq!(ours, theirs);
    // The comparison of two empty lists would be one, too.
    for expected in ["unshare", "fsmount", "move_mount", "pivot_root", "sethostname", "capset", "seccomp", "execve"] {
        assert!(ours.contains(&(expected.to_owned(), true)), "{expected} is not in {ours:?}");
    }
    // One clone, by the parent, with what was asked for.
    let clones: Vec<&str> = trace.lines().filter(|line| line.contains("clone3(")).collect();
    assert_eq!(clones.len(), 1, "{clones:?}");
    assert_eq!(xray.lines().filter(|line| line.contains("\"call\":\"clone3\"")).count(), 1);
}

/// A container that waits records on; `start` brings that home.
#[test]
fn what_happens_after_start_is_seen_too() {
    let Ok(mut world) = World::new(Place::Machine) else { return skip("what_happens_after_start", "needs root") };
    world.runs("exit 0");
    world.prepare();
    let (created, started) = (world.work().join("created"), world.work().join("started"));
    let id = world.id();
    world.oci(&["--xray", created.to_str().expect("text"), "create", &id]).succeeds();
    world.oci(&["--xray", started.to_str().expect("text"), "start", &id]).succeeds();
    let calls = |path| by_xray(&std::fs::read_to_string(path).expect("an X-ray")).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let (created, started) = (calls(created), calls(started));
    assert!(created.contains(&"pivot_root".to_owned()) && !created.contains(&"execve".to_owned()), "{created:?}");
    assert!(started.contains(&"capset".to_owned()) && started.last().is_some_and(|name| name == "execve"), "{started:?}");
    world.oci(&["delete", "--force", &id]).succeeds();
}

#[test]
fn zoom_shows_the_steps_of_a_runtime_in_a_bottle() {
    let Ok(mut world) = World::new(Place::Bench) else { return skip("zoom_shows_the_steps", "the bottle of this test is started by root") };
    world.runs("exit 0");
    world.prepare();
    let sandbox = Sandbox::new();
    let work = world.work().display().to_string();
    let lines = format!(
        "cp -r {work}/bundle /root/b && cd /root/b\nbottleship oci run one\n:zoom\nbottleship oci create two < /dev/null > /dev/null\n\
         bottleship oci start two\n:zoom\nbottleship oci delete -f two\n:zoom\n"
    );
    let output = sandbox.bottleship(["--plain", "--share", &work]).input(lines).output();
    let mut rest = output.stdout.as_str();
    let expected = [
        "container.run container/one",
        "step outside",
        "clone3",
        "step rootfs",
        "step mounts",
        "step pivot-root",
        "pivot_root",
        "step exec",
        "execve",
        "container.exit",
        "container.start container/two",
        "step capabilities",
        "step exec",
        "container.delete container/two",
        "rmdir",
    ];
    for part in expected {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is missing or out of order: {output}"));
        rest = &rest[at + part.len()..];
    }
}
