//! What a learner has done outlives restarts, updates and renames of the course, files cut anywhere, and a full disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::{bottleship, typed};
use crate::support::{Sandbox, rights};

const LAB: &str = r#"id: test/word
title: Two files
steps:
  - id: one
    goal: Make one.
    points: 2
    facts: [{id: f, kind: file, path: /srv/one, exists: true, not_yet: "{got}."}]
  - id: two
    goal: Make two.
    facts: [{id: f, kind: file, path: /srv/two, exists: true, not_yet: "{got}."}]
"#;

fn write_lab(folder: &Path, id: &str, text: &str) {
    let lab = folder.join("labs").join(id);
    fs::create_dir_all(&lab).expect("make the lab");
    fs::write(lab.join("lab.yaml"), text).expect("write the lab");
}

/// A learner who has done the first step.
fn one_done(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("course");
    write_lab(&folder, "test/word", LAB);
    let said = typed(sandbox, &folder, "touch /srv/one\n:check\n");
    assert!(said.contains("one: pass"), "{said}");
    folder
}

/// The standing of the steps as `:map` shows it.
fn map(sandbox: &Sandbox, course: &Path) -> String {
    typed(sandbox, course, ":map\nls /srv\n")
}

#[test]
fn an_update_of_the_course_keeps_what_was_done() {
    let sandbox = Sandbox::new();
    let course = one_done(&sandbox);
    let updated = LAB.replace("Make one.", "Make the file one.").replace("points: 2", "points: 5").replace("/srv/two", "/srv/zwei");
    write_lab(
        &course,
        "test/word",
        &format!("{updated}  - {{id: three, goal: G, facts: [{{id: f, kind: exists, of: file//x, fail: f}}]}}\n"),
    );
    let said = map(&sandbox, &course);
    assert!(said.contains("step 2 of 3") || said.contains("three"), "{said}");
    assert!(said.lines().any(|line| line.contains("one") && line.contains("done")), "{said}");
}

#[test]
fn a_renamed_lab_and_a_renamed_step_keep_what_was_done() {
    let sandbox = Sandbox::new();
    let course = one_done(&sandbox);
    fs::remove_dir_all(course.join("labs")).expect("remove the lab");
    write_lab(&course, "test/renamed", &LAB.replace("test/word", "test/renamed"));
    let said = map(&sandbox, &course);
    assert!(said.lines().any(|line| line.contains("one") && line.contains("done")), "{said}");
    write_lab(
        &course,
        "test/renamed",
        &LAB.replace("test/word", "test/renamed").replace("id: one", "id: first").replace("title: Two", "title: 2"),
    );
    let said = map(&sandbox, &course);
    assert!(said.lines().any(|line| line.contains("first") && line.contains("done")), "{said}");
    // The lines of the step are its lines under the new name: going on from it replays them.
    let said = typed(&sandbox, &course, ":goto two\nls /srv\n");
    assert!(said.contains("replayed: touch /srv/one"), "{said}");
}

#[test]
fn a_cut_progress_file_costs_nothing_that_was_there_at_the_last_start() {
    let sandbox = Sandbox::new();
    let course = one_done(&sandbox);
    map(&sandbox, &course);
    let file = sandbox.state().join("progress/ada.json");
    let whole = fs::read(&file).expect("the progress");
    for cut in [0, 1, whole.len() / 2, whole.len() - 2] {
        fs::write(&file, &whole[..cut]).expect("cut it");
        let said = map(&sandbox, &course);
        assert!(said.lines().any(|line| line.contains("one") && line.contains("done")), "cut at {cut}:\n{said}");
    }
    assert!(sandbox.state().join("progress/ada.json.unreadable").exists(), "what could not be read is kept for a person");
}

#[test]
fn a_cut_or_garbled_journal_keeps_nobody_from_starting() {
    let sandbox = Sandbox::new();
    let course = one_done(&sandbox);
    let journal = sandbox.state().join("bottles/main/journal.jsonl");
    for garbage in [b"".as_slice(), b"{\"seq\":1,\"ki", b"\xff\xfe\n[1]\n{}\n", b"{\"seq\":18446744073709551615,\"kind\":\"line\"}\n"] {
        if let Some(folder) = journal.parent() {
            fs::create_dir_all(folder).expect("make the folder");
        }
        fs::write(&journal, garbage).expect("write the journal");
        let said = map(&sandbox, &course);
        assert!(said.lines().any(|line| line.contains("one") && line.contains("done")), "{garbage:?}:\n{said}");
    }
}

/// A full disk: what cannot be kept is not done, and said so; nothing that was there is lost; with room again it goes on.
#[test]
fn a_full_disk_loses_nothing() {
    if rights() != crate::support::Rights::Root {
        return crate::support::skip("a_full_disk_loses_nothing", "a small file system can only be mounted by root");
    }
    let sandbox = Sandbox::new();
    let course = one_done(&sandbox);
    let progress = sandbox.state().join("progress");
    // The progress lies on a file system of its own that is full: in a mount namespace of the test's, so nothing stays mounted.
    let script = format!(
        r#"set -e
cp -r {0} {0}.kept; mount -t tmpfs -o size=64k none {0}; cp {0}.kept/* {0}
dd if=/dev/zero of={0}/filler bs=1k 2>/dev/null || true
set +e
long=$(head -c 9000 /dev/zero | tr '\0' x)
printf 'touch /srv/two # %s\nls /srv\n' $long | {1} --plain --course {2} 2>&1; echo "ended: $?"
rm {0}/filler
printf ':map\ntouch /srv/two\n:check\n' | {1} --plain --course {2} 2>&1; echo "room: $?"
"#,
        progress.display(),
        crate::support::binary().display(),
        course.display()
    );
    let output = sandbox.program("sh").args(["-c", &script]).env("USER", "ada").private_mounts().patience(super::PATIENCE).output();
    let said = format!("{}{}", output.stdout, output.stderr);
    let (full, room) = said.split_once("ended: ").unwrap_or_else(|| panic!("it did not come to its end:\n{said}"));
    assert!(full.contains("ENOSPC") && full.contains("ada"), "it names the file and the reason:\n{said}");
    // The last page of the history has room for a short line, not for this one: it is refused as a whole and not typed.
    assert!(room.starts_with('1') && !full.contains("two\n"), "it does not do what it cannot keep:\n{said}");
    assert!(room.lines().any(|line| line.contains("one") && line.contains("done")), "{said}");
    assert!(room.contains("two: pass") && room.contains("room: 0"), "{said}");
}

#[test]
fn two_learners_on_one_machine_have_a_progress_each() {
    let sandbox = Sandbox::new();
    let course = one_done(&sandbox);
    let bo = bottleship(&sandbox, &course, &["--plain"]).env("USER", "bo").input(":map\n").output();
    assert!(!bo.stdout.lines().any(|line| line.contains("done")), "{bo}");
}
