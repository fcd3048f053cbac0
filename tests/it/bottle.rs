//! A bottle, as a learner who is root in it can try to break out of it or break it. Whatever is typed, the machine stays as it was.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::support::{Output, Rights, Sandbox, rights, skip};

mod doctor;
mod ends;
mod engine;
mod escape;
mod hub;
mod internet;
pub mod rootless;
mod share;

/// Types lines at the prompt of a fresh bottle, without a terminal.
fn typed(sandbox: &Sandbox, lines: &str) -> Output {
    typed_with(sandbox, &[], lines)
}

/// What a lesson teaches, for cgroup v2: everybody leaves the top group, then it hands its controllers down. On v1 nothing is to be done.
const MAKE_ROOM: &str = "if [ -e /sys/fs/cgroup/cgroup.subtree_control ]; then mkdir /sys/fs/cgroup/others; \
    for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p > /sys/fs/cgroup/others/cgroup.procs; done 2> /dev/null; \
    echo \"+pids +memory\" > /sys/fs/cgroup/cgroup.subtree_control && echo handed down; fi\n";

/// The same, with options.
fn typed_with(sandbox: &Sandbox, options: &[&str], lines: &str) -> Output {
    sandbox.bottleship(["--plain"]).args(options).input(lines).patience(Duration::from_secs(120)).output()
}

/// Nothing of a bottle of this sandbox is left on the machine.
fn clean(sandbox: &Sandbox) {
    let doctor = sandbox.bottleship(["doctor", "--left"]).output();
    assert_eq!(doctor.code(), 0, "residue: {doctor}");
    let state = sandbox.state().display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&state), "a mount of the bottle is seen outside");
}

fn root(test: &str) -> bool {
    if rights() == Rights::Root {
        return true;
    }
    skip(test, "needs a bottle that was started by root");
    false
}

#[test]
fn a_host_looks_like_the_machine_and_writes_do_not_touch_it() {
    let sandbox = Sandbox::new();
    let marker = format!("/etc/bottleship-marker-{}", std::process::id());
    let machine = fs::read_to_string("/etc/os-release").unwrap();
    let output =
        typed(&sandbox, &format!("hostname\ncat /etc/os-release\ntouch {marker} && echo written\nrm -f /etc/passwd && echo removed\n"));
    assert!(output.stdout.contains("bench") && output.stdout.contains(machine.lines().next().unwrap()), "{output}");
    assert!(output.stdout.contains("written"), "{output}");
    assert!(!Path::new(&marker).exists(), "the write came through");
    assert!(Path::new("/etc/passwd").exists(), "the removal came through");
    clean(&sandbox);
}

#[test]
fn private_places_of_the_machine_are_hidden() {
    if !root("private_places") {
        return;
    }
    let sandbox = Sandbox::new();
    let output =
        typed(&sandbox, "ls -A /root | grep -v bash_history\nls -A /etc/ssh\ncat /etc/shadow\nfor h in /home/*; do ls -A $h; done\n");
    let hashes = fs::read_to_string("/etc/shadow").unwrap_or_default();
    let secret = hashes.lines().filter_map(|line| line.split(':').nth(1)).find(|hash| hash.len() > 3);
    assert!(secret.is_none_or(|hash| !output.stdout.contains(hash)), "a password's hash is seen");
    for name in [".ssh", ".cargo", "ssh_host", ".bash_profile"] {
        assert!(!output.stdout.contains(name), "{name} is seen: {output}");
    }
}

#[test]
fn kernel_settings_of_the_machine_cannot_be_written() {
    if !root("kernel_settings") {
        return;
    }
    let sandbox = Sandbox::new();
    let paths = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/sysrq"];
    let before: Vec<_> = paths.iter().map(|path| fs::read(path).ok()).collect();
    let mut lines = String::new();
    for path in paths.iter().chain(&["/proc/sysrq-trigger", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled"]) {
        lines += &format!("echo escape > {path} && echo WROTE {path}\n");
    }
    let output = typed(&sandbox, &lines);
    let after: Vec<_> = paths.iter().map(|path| fs::read(path).ok()).collect();
    assert_eq!(before, after);
    assert!(!output.stdout.contains("WROTE"), "{output}");
}

#[test]
fn devices_and_disks_of_the_machine_are_out_of_reach() {
    if !root("devices") {
        return;
    }
    let sandbox = Sandbox::new();
    let lines = "mknod /tmp/disk b 254 0 && echo MADE\nmknod /tmp/mem c 1 1 && echo MADE\nls /dev | grep -E '^(vd|sd|nvme|mem|kmsg|port)' && echo SEEN\n\
                 mount -t ext4 /dev/vda /mnt && echo MOUNTED\nmount -t debugfs none /mnt && echo MOUNTED\n";
    let output = typed(&sandbox, lines);
    for word in ["MADE", "SEEN", "MOUNTED"] {
        assert!(!output.stdout.lines().any(|line| line == word), "{word}: {output}");
    }
}

#[test]
fn a_fork_bomb_and_a_memory_hog_end_inside() {
    if !root("bomb_and_hog") {
        return;
    }
    let sandbox = Sandbox::new();
    // The bomb of the course, and then a command: the bottle must still answer, after the bomb's processes were ended.
    let bomb = "ulimit -u unlimited; mkdir -p /sys/fs/cgroup/pids/fence /sys/fs/cgroup/fence 2>/dev/null\n\
                 (for g in /sys/fs/cgroup/pids/fence /sys/fs/cgroup/fence; do [ -e $g/pids.max ] && echo 50 > $g/pids.max && echo $BASHPID > $g/cgroup.procs; done; \
                 i=0; while [ $i -lt 400 ]; do sleep 5 & i=$((i+1)); done; echo ALL) 2>&1 | grep -c 'Resource temporarily unavailable'\n\
                 echo still here\n";
    let output = typed(&sandbox, &format!("{MAKE_ROOM}{bomb}"));
    assert!(output.stdout.contains("still here"), "{output}");
    let refused = output.stdout.lines().find_map(|line| line.trim().parse::<u32>().ok());
    assert!(refused.is_some_and(|refused| refused > 0), "nothing was refused: {output}");
    clean(&sandbox);
}

#[test]
fn kill_all_as_root_of_the_bench_ends_only_what_is_in_the_bottle() {
    let sandbox = Sandbox::new();
    let mut canary = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let output = typed(&sandbox, "sleep 500 &\nkill -9 -1\necho after\n");
    let alive = canary.try_wait().unwrap().is_none();
    let _ = canary.kill();
    let _ = canary.wait();
    assert!(alive, "a process of the machine was killed: {output}");
    clean(&sandbox);
}

#[test]
fn the_simulated_internet_answers_and_nothing_else_does() {
    let sandbox = Sandbox::new();
    let lines = "ping -c 1 -W 2 8.8.8.8 | grep -c ' 0% packet loss'\nping -c 1 -W 2 example.com | grep -c ' 0% packet loss'\n\
                 getent hosts no-such-name.example.com || echo unknown\nip route get 9.9.9.9 | head -1\nping -c 1 -W 2 9.9.9.9 | grep -c 'Unreachable'\n";
    let output = typed(&sandbox, lines);
    assert!(output.stdout.contains("unknown"), "{output}");
    assert!(output.stdout.lines().filter(|line| line.trim() == "1").count() >= 2, "{output}");
    clean(&sandbox);
}

#[test]
fn two_bottles_live_side_by_side() {
    let sandbox = Sandbox::new();
    let inner = "echo inner-here\n";
    let first = sandbox.bottleship(["--plain", "--name", "one"]).input("sleep 0\necho first-here\n").output();
    let second = sandbox.bottleship(["--plain", "--name", "two"]).input(inner).output();
    assert!(first.stdout.contains("first-here") && second.stdout.contains("inner-here"), "{first}\n{second}");
    let listed = sandbox.bottleship(["ls"]).succeeds();
    assert!(listed.stdout.contains("one") && listed.stdout.contains("two"), "{listed}");
    sandbox.bottleship(["rm", "one", "two"]).succeeds();
    let listed = sandbox.bottleship(["ls"]).succeeds();
    assert!(!listed.stdout.contains("one"), "{listed}");
    clean(&sandbox);
}

#[test]
fn a_name_that_is_a_path_is_refused() {
    let sandbox = Sandbox::new();
    for name in ["../x", ".", "a/b", "", "x y", "-x"] {
        let output = sandbox.bottleship([format!("--name={name}")]).input("echo started\n").output();
        assert!(output.code() != 0 && !output.stdout.contains("started"), "{name:?}: {output}");
    }
    assert!(!sandbox.path().join("x").exists());
}
