//! Processes of a bottle are killed at random; afterwards nothing is left and the next start works.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::support::{Sandbox, binary, eventually, wait};

const PATIENCE: Duration = Duration::from_secs(60);

/// A prompt that runs a script which does not end, in a bottle of its own.
pub fn start(sandbox: &Sandbox) -> Child {
    start_script(sandbox, "sleep 600\n")
}

/// A prompt that runs a script in a bottle of its own.
pub fn start_script(sandbox: &Sandbox, lines: &str) -> Child {
    let script = sandbox.path().join("script");
    fs::write(&script, lines).expect("write the script");
    let mut command = std::process::Command::new(binary());
    command.env("BOTTLESHIP_STATE", sandbox.state()).args(["run", "--plain"]).arg(script);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("start a prompt")
}

/// The process and all below it, oldest first.
pub fn family(pid: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").expect("read /proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        parents.extend(parent(pid).map(|parent| (pid, parent)));
    }
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        let parent = all[next];
        all.extend(parents.iter().filter(|(_, other)| *other == parent).map(|(child, _)| *child));
        next += 1;
    }
    all
}

fn parent(pid: u32) -> Option<u32> {
    // The name in brackets may hold anything; the parent is the second word after it.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// The script's process and those above it: without one of these the script ends.
fn way_to_script(members: &[u32]) -> Vec<u32> {
    let script = members.iter().copied().find(|pid| script_runs(&[*pid]));
    std::iter::successors(script, |pid| parent(*pid).filter(|parent| members.contains(parent))).collect()
}

pub fn script_runs(family: &[u32]) -> bool {
    family.iter().any(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep"))
}

#[test]
fn a_hundred_random_kills_leave_nothing() {
    let sandbox = Sandbox::new();
    let mut random = u64::from(std::process::id()) | 1;
    for round in 0..100 {
        let mut prompt = start(&sandbox);
        let members = eventually("the script", PATIENCE, || Some(family(prompt.id())).filter(|members| script_runs(members)));
        // A small generator is enough to choose; the seed is in the failure's message.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let victim = members[(random % members.len() as u64) as usize];
        let way = way_to_script(&members);
        let pid = Pid::from_raw(victim as i32).expect("a process id");
        let _ = kill_process(pid, Signal::KILL);
        let name = fs::read_to_string(format!("/proc/{victim}/comm")).unwrap_or_default();
        if way.contains(&victim) {
            assert!(
                wait(&mut prompt, PATIENCE).is_some(),
                "round {round}: the prompt hangs after {victim} ({name}) of {members:?} was killed"
            );
        } else {
            // The script can go on without it (the internet's host, say): then the prompt itself is killed.
            let _ = prompt.kill();
            let _ = prompt.wait();
        }
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
