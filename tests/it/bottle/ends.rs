//! However a bottle ends, nothing of it is left on the machine, and the next one starts.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::root;
use crate::chaos::{family, script_runs, start, start_script};
use crate::support::{Output, Sandbox, eventually, skip, wait};

const PATIENCE: Duration = Duration::from_secs(60);

/// Kills the first process of a bottle that is called `comm`, and waits until the prompt has ended.
fn killed(comm: &str, sandbox: &Sandbox) {
    let mut prompt = start(sandbox);
    let members = eventually("the script", PATIENCE, || Some(family(prompt.id())).filter(|members| script_runs(members)));
    let named = |pid: &&u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == comm);
    let victim = *members.iter().find(named).unwrap_or_else(|| panic!("no process `{comm}` in the bottle"));
    kill_process(Pid::from_raw(victim as i32).unwrap(), Signal::KILL).unwrap();
    assert!(wait(&mut prompt, PATIENCE).is_some(), "the prompt hangs after `{comm}` was killed");
    eventually("the end of the bottle", PATIENCE, || {
        let listed = sandbox.bottleship(["ls"]).output();
        (!listed.stdout.contains("running")).then_some(())
    });
}

fn next_start_works(sandbox: &Sandbox) {
    let next = sandbox.bottleship(["--plain"]).input("echo once more\n").succeeds();
    assert!(next.stdout.contains("once more"), "{next}");
    sandbox.bottleship(["doctor", "--left"]).succeeds();
}

#[test]
fn a_killed_keeper() {
    let sandbox = Sandbox::new();
    killed("keeper", &sandbox);
    // The prompt has seen it and has taken away what the keeper could not.
    sandbox.bottleship(["doctor", "--left"]).succeeds();
    next_start_works(&sandbox);
}

/// PID 1 outlives its keeper by as long as it has to do: with many containers, and more of them being made, that is a while.
#[test]
fn a_killed_keeper_of_many_containers() {
    if !root("a_killed_keeper_of_many_containers") {
        return;
    }
    let sandbox = Sandbox::new();
    let lines = "docker pull -q busybox > /dev/null\nwhile :; do docker run -d --network none busybox sleep 10000 > /dev/null; done\n";
    let mut prompt = start_script(&sandbox, lines);
    let sleeps = |pid: &u32| script_runs(&[*pid]);
    let members = eventually("twenty containers", Duration::from_secs(120), || {
        let members = family(prompt.id());
        (members.iter().filter(|pid| sleeps(pid)).count() >= 20).then_some(members)
    });
    let keeper = members.iter().find(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "keeper"));
    kill_process(Pid::from_raw(*keeper.expect("a keeper") as i32).unwrap(), Signal::KILL).unwrap();
    assert!(wait(&mut prompt, PATIENCE).is_some(), "the prompt hangs after the keeper was killed");
    // The prompt has waited for the end of all, and has taken away what was left.
    sandbox.bottleship(["doctor", "--left"]).succeeds();
    next_start_works(&sandbox);
}

/// On cgroup v1 a frozen process dies of no signal: it has to be thawed, or the bottle never ends.
#[test]
fn a_bottle_with_a_frozen_process_ends() {
    let frozen = "/sys/fs/cgroup/freezer/frozen";
    if !root("a_bottle_with_a_frozen_process_ends") {
        return;
    }
    let sandbox = Sandbox::new();
    let lines = format!(
        "[ -d /sys/fs/cgroup/freezer ] || frozen=none\n[ \"$frozen\" = none ] || mkdir {frozen}\nsleep 1000 &\n\
         [ \"$frozen\" = none ] || {{ echo $! > {frozen}/cgroup.procs; echo FROZEN > {frozen}/freezer.state; }}\n\
         [ \"$frozen\" = none ] || {{ until grep -q FROZEN {frozen}/freezer.state; do :; done; frozen=yes; }}\necho frozen: $frozen\n"
    );
    let output = sandbox.bottleship(["--plain"]).input(&lines).patience(PATIENCE).succeeds();
    if output.stdout.contains("frozen: none") {
        skip("a_bottle_with_a_frozen_process_ends", "the machine has no freezer of cgroup v1");
    } else {
        assert!(output.stdout.contains("frozen: yes"), "{output}");
    }
    sandbox.bottleship(["doctor", "--left"]).succeeds();
    // Nor is it in the way of who cleans up after a killed keeper.
    let mut prompt = start_script(&sandbox, &format!("{lines}sleep 2000\n"));
    let named =
        |pid: &u32, word: &str| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == format!("sleep\0{word}\0").as_bytes());
    let members =
        eventually("the script", PATIENCE, || Some(family(prompt.id())).filter(|members| members.iter().any(|pid| named(pid, "2000"))));
    let keeper = members.iter().find(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "keeper"));
    kill_process(Pid::from_raw(*keeper.expect("a keeper") as i32).unwrap(), Signal::KILL).unwrap();
    assert!(wait(&mut prompt, PATIENCE).is_some(), "the prompt hangs after the keeper was killed");
    sandbox.bottleship(["doctor", "--left"]).succeeds();
}

#[test]
fn a_killed_pid_1() {
    let sandbox = Sandbox::new();
    killed("bottle", &sandbox);
    sandbox.bottleship(["doctor", "--left"]).succeeds();
    next_start_works(&sandbox);
}

#[test]
fn a_killed_init_of_the_bench() {
    let sandbox = Sandbox::new();
    killed("host-init", &sandbox);
    sandbox.bottleship(["doctor", "--left"]).succeeds();
    next_start_works(&sandbox);
}

#[test]
fn a_killed_prompt() {
    let sandbox = Sandbox::new();
    let mut prompt = start(&sandbox);
    let members = eventually("the script", PATIENCE, || Some(family(prompt.id())).filter(|members| script_runs(members)));
    prompt.kill().unwrap();
    prompt.wait().unwrap();
    eventually("the end of the bottle", PATIENCE, || sandbox.bottleship(["ls"]).output().stdout.contains("stopped").then_some(()));
    assert!(!script_runs(&members));
    sandbox.bottleship(["doctor", "--left"]).succeeds();
    next_start_works(&sandbox);
}

/// Runs a script where the state folder lies on a file system of its own, of `size`.
fn on_small_disk(sandbox: &Sandbox, size: &str, script: &str) -> Output {
    fs::create_dir_all(sandbox.state()).unwrap();
    let binary = crate::support::binary().display();
    let script = format!("S=$BOTTLESHIP_STATE; B={binary}\nmount -t tmpfs -o size={size},mode=0700 tmpfs $S || exit 99\n{script}");
    sandbox.program("unshare").args(["--mount", "--", "sh", "-c", &script]).patience(Duration::from_secs(180)).output()
}

#[test]
fn a_disk_that_fills_up_while_the_learner_types() {
    if !root("full_disk_typing") {
        return;
    }
    let sandbox = Sandbox::new();
    let output = on_small_disk(
        &sandbox,
        "16m",
        "printf '%s\\n' ':lesson' 'head -c 64M /dev/zero > /root/fill; echo filled' 'echo still $((40+2))' ':list' 'rm /root/fill' 'echo freed > /root/f && cat /root/f' | $B --plain
echo code $?
echo 'echo next start' | $B --plain; echo code $?; $B doctor --left && echo clean",
    );
    for words in ["No space left on device", "still 42", "freed", "next start", "clean"] {
        assert!(output.stdout.contains(words) || output.stderr.contains(words), "{words:?} is missing: {output}");
    }
    assert!(!output.stderr.contains("panicked"), "{output}");
}

#[test]
fn a_start_on_a_full_disk_names_the_file_and_the_way_out_and_progress_is_kept() {
    if !root("full_disk_start") {
        return;
    }
    let sandbox = Sandbox::new();
    let output = on_small_disk(
        &sandbox,
        "16m",
        "echo ':list' | $B --plain > $S/../first; ls $S/progress > $S/../progress-before; cat $S/progress/*.json > $S/../before
head -c 64M /dev/zero > $S/fill 2>/dev/null; mkdir -p $S/x; i=0; while echo $i > $S/x/$i; do i=$((i+1)); done 2>/dev/null
echo 'echo started' | $B --plain; echo code $?
cmp $S/../before $S/progress/*.json && echo progress kept
rm -r $S/fill $S/x; echo 'echo next start' | $B --plain; $B doctor --left && echo clean",
    );
    for words in ["progress kept", "next start", "clean"] {
        assert!(output.stdout.contains(words), "{words:?} is missing: {output}");
    }
    assert!(output.stderr.contains("ENOSPC") && output.stderr.contains(&sandbox.state().display().to_string()), "{output}");
    assert!(output.stderr.contains("hint:"), "{output}");
    assert!(!output.stderr.contains("panicked"), "{output}");
}
