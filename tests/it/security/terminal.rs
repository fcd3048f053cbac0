//! Terminals: the container's is its own, and nobody chooses for the runtime which file is one.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use super::Bundle;
use crate::support::{Call, has_program, skip};

/// A bundle whose program has a terminal. `None`, counted, where there is no script(1) to give the runtime one.
fn bundle(test: &str, program: &str) -> Option<Bundle> {
    if !has_program("script") {
        skip(test, "script(1), which gives the runtime a terminal, is not installed (Debian: bsdutils)");
        return None;
    }
    let mut bundle = Bundle::new(test, program)?;
    bundle.config["process"]["terminal"] = true.into();
    Some(bundle)
}

/// `run`, on a terminal of script(1)'s. `before` is a line of shell that runs on the same terminal first.
fn run_on_terminal(bundle: &Bundle, name: &str, before: &str) -> Call {
    let call = bundle.runtime(["run", &bundle.id(name)]);
    let command = call.command();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let quoted: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))).collect();
    let line = format!("{before}; exec {}", quoted.join(" "));
    Call::new("script").args(["-qec", &line, "/dev/null"]).folder(bundle.folder().join("bundle"))
}

/// With a terminal asked for, the program gets one of the container's own devpts. The one that the runtime was started from, into which
/// TIOCSTI could type commands for the shell outside, is not among its descriptors.
#[test]
fn tiocsti_the_terminal_outside_is_not_inherited() {
    let look =
        r#"for fd in /proc/self/fd/*; do busybox stat -L -c 'inside %t %d' $fd; done 2>/dev/null; [ -c /dev/console ] && echo console"#;
    let Some(bundle) = bundle("tiocsti", look) else { return };
    let output = run_on_terminal(&bundle, "tty", "stat -L -c 'outside %t %d' /proc/self/fd/0").succeeds();
    let devices = |side: &str| -> Vec<String> {
        // Not at the start of the line: some runtimes write a byte of their own before.
        let terminal = |line: &str| line.split_once(side).map(|(_, rest)| rest.trim().to_owned()).filter(|rest| rest.starts_with("88 "));
        output.stdout.lines().filter_map(terminal).collect()
    };
    // Major 136 (88 in hexadecimal) are pseudo-terminals; the number after it tells one devpts instance from another.
    let (outside, inside) = (devices("outside"), devices("inside"));
    assert!(outside.len() == 1 && inside.len() >= 2, "{output}");
    assert!(inside.iter().all(|device| *device != outside[0]), "the terminal outside is open inside: {output}");
    assert!(output.stdout.contains("console"), "{output}");
}

/// A neighbour shares the folder that is the container's /dev and swaps `console`, and the names of terminals, with links to the machine.
#[test]
fn cve_2025_52565_a_console_that_is_swapped() {
    let Some(mut bundle) = bundle("cve_2025_52565", "echo spoilt > /dev/console; true") else { return };
    let volume = bundle.folder().join("volume");
    fs::create_dir_all(volume.join("pts")).unwrap();
    fs::write(volume.join("console"), "").unwrap();
    symlink(bundle.canary().join("marker"), volume.join("link")).unwrap();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/dev" && mount["destination"] != "/dev/pts");
    bundle.mount("/dev", "bind", &volume, &["rbind", "rw"]);
    bundle.mount("/dev/pts", "devpts", std::path::Path::new("devpts"), &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
    let before = bundle.canary_state();
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, volume) = (Arc::clone(&stop), volume.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, volume.join("console"), CWD, volume.join("link"), RenameFlags::EXCHANGE);
            }
        })
    };
    for round in 0..60 {
        let _ = run_on_terminal(&bundle, &format!("console{round}"), ":").output();
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert_eq!(bundle.canary_state(), before, "the console was a file of the machine");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), table, "a mount landed on the machine");
}

/// Without a terminal asked for there is none: a program that is a session of its own cannot get the one outside back by /dev/tty.
#[test]
fn tiocsti_no_controlling_terminal_without_one_of_its_own() {
    let Some(mut bundle) = bundle("tiocsti", "(exec 9<>/dev/tty) 2>/dev/null && echo controlled; true") else { return };
    bundle.config["process"]["terminal"] = json!(false);
    let output = run_on_terminal(&bundle, "notty", ":").succeeds();
    assert!(!output.stdout.contains("controlled"), "the terminal outside controls the container: {output}");
}
