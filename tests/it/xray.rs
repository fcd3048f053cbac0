//! `:zoom on` of other people's programs: what `bottleship xray-attach` saw is what strace saw.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::{Call, PATIENCE, binary, has_program, skip, wait};

/// A container by hand, in small: the calls that the X-ray is about, one that is refused, and a process that is not the first.
const SCRIPT: &str = "unshare --user --map-root-user --uts --mount sh -c 'hostname inside; mount -t tmpfs none /mnt; umount /mnt; chroot /nowhere true'; true";

/// The calls that are compared. Both see the same ones; strace is told by name, ours by its table.
const COMPARED: &[&str] = &["unshare", "mount", "umount2", "sethostname", "chroot", "execve"];

/// What one program asked of the kernel: names and whether they were granted, in order.
type Seen = Vec<(String, bool)>;

fn by_xray() -> Seen {
    // The shell waits on its input until it is being followed.
    let mut shell =
        Command::new("sh").args(["-c", &format!("read go; {SCRIPT}")]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let pid = shell.id().to_string();
    let mut tracer = Command::new(binary()).args(["xray-attach", &pid]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tracer.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().expect("a first line").unwrap()).unwrap();
    assert_eq!(first["attached"].to_string(), pid, "{first}");
    shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(wait(&mut shell, PATIENCE).is_some_and(|status| status.success()), "the followed shell is as if nobody had looked");
    assert!(wait(&mut tracer, PATIENCE).is_some_and(|status| status.success()), "the tracer ends with the last that it follows");
    let granted = |event: &Value| event["data"]["result"].as_i64().expect("a result") >= 0;
    events
        .iter()
        .map(|event| (event["subject"].as_str().expect("a name").to_owned(), granted(event)))
        .filter(|(name, _)| COMPARED.contains(&name.as_str()))
        .collect()
}

fn by_strace() -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let calls = format!("trace={}", COMPARED.join(","));
    Call::new("strace").args(["-f", "-qq", "-e", &calls, "-e", "signal=none", "-o"]).args([&file]).args(["sh", "-c", SCRIPT]).succeeds();
    let text = std::fs::read_to_string(file).unwrap();
    let line = |line: &str| {
        let (name, rest) = line.split_once(' ')?.1.trim_start().split_once('(')?;
        Some((name.to_owned(), !rest.contains(" = -1 ")))
    };
    // The first execve is strace's own start of the shell, which happens before ours is attached.
    text.lines().filter_map(line).skip(1).collect()
}

#[test]
fn the_xray_of_a_shell_is_what_strace_sees() {
    if !has_program("strace") {
        return skip("the_xray_of_a_shell_is_what_strace_sees", "strace is not installed");
    }
    let (ours, theirs) = (by_xray(), by_strace());
    assert_eq!(ours, theirs);
    // The comparison of two empty lists would be one, too.
    for expected in [("unshare", true), ("mount", true), ("sethostname", true), ("chroot", false)] {
        assert!(ours.contains(&(expected.0.to_owned(), expected.1)), "{expected:?} is not in {ours:?}");
    }
}

#[test]
fn a_process_that_is_gone_is_named() {
    let mut gone = Command::new("true").spawn().unwrap();
    let pid = gone.id().to_string();
    gone.wait().unwrap();
    let output = Call::new(binary()).args(["xray-attach", &pid]).exits(1);
    assert!(output.stderr.contains(&pid) && output.stderr.contains("ESRCH"), "{output}");
}
