//! The prover itself: what is wrong with a course must be caught by the proof that is there for it (P15).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::support::Sandbox;

const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn whatever_is_planted_is_caught() {
    let sandbox = Sandbox::new();
    let proved = sandbox.bottleship(["prove", "--itself"]).patience(PATIENCE).output();
    assert_eq!(proved.code(), 0, "{}{}", proved.stdout, proved.stderr);
    let caught = |proof: &str| proved.stdout.contains(&format!("caught by {proof}:"));
    for proof in ["P1", "P2", "P3", "P4", "P5", "P7", "P8", "P9", "P10", "P11", "P12"] {
        assert!(caught(proof), "{proof} caught nothing:\n{}", proved.stdout);
    }
}

#[test]
fn a_killed_bottle_is_nobodys_fault() {
    let sandbox = Sandbox::new();
    let proved = sandbox.bottleship(["prove", "--seeds", "1", "by-hand/one-capability"]).patience(PATIENCE).output();
    let row = proved.stdout.lines().find(|line| line.contains("PID 1 killed"));
    assert!(row.is_some_and(|row| row.starts_with("proved   P6")), "{}{}", proved.stdout, proved.stderr);
}

#[test]
fn a_queue_is_proved_until_it_is_empty() {
    let sandbox = Sandbox::new();
    let (queue, report) = (sandbox.path().join("queue"), sandbox.path().join("report"));
    fs::write(&queue, "by-hand/one-capability\n\nby-hand/old-root\n").expect("write the queue");
    let (queued, reported) = (queue.display().to_string(), report.display().to_string());
    let prove =
        || sandbox.bottleship(["prove", "--proofs", "P11", "--seeds", "1", "--queue", &queued, "--report", &reported]).patience(PATIENCE);
    let proved = prove().exits(0);
    assert!(proved.stdout.contains("\n2 units: "), "{proved}");
    let rows = fs::read_to_string(&report).expect("read the report");
    assert!(rows.contains("\"by-hand/one-capability\"") && rows.contains("\"by-hand/old-root\""), "{rows}");
    assert_eq!(fs::read_to_string(&queue).expect("read the queue"), "");
    fs::write(&queue, "no/such\n").expect("write the queue");
    assert!(prove().exits(2).stderr.contains("no/such"));
}

/// What failed is proved once more, and what was typed in the first try counts no longer: `:goto` would type it twice.
#[test]
fn a_lab_is_proved_again_as_if_for_the_first_time() {
    let sandbox = Sandbox::new();
    let course = sandbox.path().join("course");
    fs::create_dir(&course).expect("make the course");
    sandbox.bottleship(["lab", "new", "demo/word"]).folder(&course).succeeds();
    let solve = course.join("solutions/demo/word/solve.console");
    let typed = fs::read_to_string(&solve).expect("the solution");
    fs::write(&solve, typed.replacen("$ :check", "$ echo once >> /srv/lines\n$ :check", 1)).expect("write the solution");
    let queue = sandbox.path().join("queue");
    fs::write(&queue, "demo/word\ndemo/word\n").expect("write the queue");
    let (queue, course) = (queue.display().to_string(), course.display().to_string());
    let call = sandbox.bottleship(["prove", "--seeds", "1", "--proofs", "P9", "--queue", &queue, "--course", &course]);
    let proved = call.patience(PATIENCE).exits(0);
    let same = |line: &&str| line.starts_with("proved   P9") && line.contains("goto ");
    assert_eq!(proved.stdout.lines().filter(same).count(), 4, "{proved}");
}

/// An ordinary user cannot open all that a bottle leaves: overlays have folders for root alone, and other users of the bottle have files.
#[test]
fn nothing_is_left_of_the_bottles_that_were_proved_in() {
    let sandbox = Sandbox::new();
    let place = sandbox.path().join("place");
    fs::create_dir(&place).expect("make a folder");
    let proved = sandbox.bottleship(["prove", "--seeds", "1", "by-hand/one-capability", "by-hand/welcome"]).env("TMPDIR", &place);
    let proved = proved.patience(PATIENCE).output();
    assert!(proved.stdout.contains("2 units"), "{}{}", proved.stdout, proved.stderr);
    let left: Vec<_> = fs::read_dir(&place).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(left.is_empty(), "{left:?} is left in TMPDIR\n{}", proved.stderr);
}

/// What the prover types into is this program again. Where that cannot start, no transcript waits a minute for it.
#[test]
fn a_prompt_that_cannot_start_is_told_at_once() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("bin");
    let fake = folder.join("setsid");
    fs::create_dir(&folder).expect("make a folder");
    fs::write(&fake, "#!/bin/sh\nPATH=${PATH#*:} exec setsid --ctty --wait /nowhere/bottleship\n").expect("write a setsid");
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).expect("make it a program");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("PATH"));
    let call = sandbox.bottleship(["prove", "--seeds", "1", "by-hand/one-capability"]).env("PATH", path);
    let proved = call.patience(PATIENCE).exits(1);
    assert!(proved.stdout.contains("the prompt has ended"), "{proved}");
    assert!(proved.stdout.contains("/nowhere/bottleship"), "what setsid said is told: {proved}");
    assert!(!proved.stdout.contains("nothing within"), "{proved}");
}
