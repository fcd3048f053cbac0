//! Processes of a bottle are killed at random; afterwards nothing is left and the next start works.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::support::{Sandbox, binary, eventually, wait};

const PATIENCE: Duration = Duration::from_secs(60);

/// A prompt that waits for lines which never come, in a bottle of its own.
fn start(sandbox: &Sandbox) -> Child {
    let mut command = std::process::Command::new(binary());
    command.env("BOTTLESHIP_STATE", sandbox.state()).arg("--plain").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("start a prompt")
}

/// The process and all below it, oldest first.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", all[next])).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        next += 1;
    }
    all
}

fn shell_runs(family: &[u32]) -> bool {
    family.iter().any(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "bash"))
}

#[test]
fn a_hundred_random_kills_leave_nothing() {
    let sandbox = Sandbox::new();
    let mut random = u64::from(std::process::id()) | 1;
    for round in 0..100 {
        let mut prompt = start(&sandbox);
        let members = eventually("the learner's shell", PATIENCE, || Some(family(prompt.id())).filter(|members| shell_runs(members)));
        // A small generator is enough to choose; the seed is in the failure's message.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let victim = members[(random % members.len() as u64) as usize];
        let pid = Pid::from_raw(victim as i32).expect("a process id");
        let _ = kill_process(pid, Signal::KILL);
        drop(prompt.stdin.take());
        assert!(wait(&mut prompt, PATIENCE).is_some(), "round {round}: the prompt hangs after {victim} of {members:?} was killed");
        eventually("the end of every process of the bottle", PATIENCE, || members.iter().all(|pid| !ours(*pid, &sandbox)).then_some(()));
    }
    // What a killed keeper could not take away, the next start does.
    sandbox.bottleship(["--plain"]).input("true\n").succeeds();
    sandbox.bottleship(["doctor"]).succeeds();
}

/// Whether the process still is one of this bottle's, and not another that got its number.
fn ours(pid: u32, sandbox: &Sandbox) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let state = sandbox.state();
    Path::new(&format!("/proc/{pid}")).exists() && String::from_utf8_lossy(&environment).contains(&*state.to_string_lossy())
}
