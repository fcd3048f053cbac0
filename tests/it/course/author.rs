//! What an author of labs has in hand: a beginning that works, a desk that reloads, a lint that names the place.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::Sandbox;
use crate::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(120);

/// A course folder with a new lab in it.
fn new_lab(sandbox: &Sandbox) -> PathBuf {
    let course = sandbox.path().join("course");
    fs::create_dir(&course).expect("make the course");
    sandbox.bottleship(["lab", "new", "demo/word"]).folder(&course).succeeds();
    course
}

#[test]
fn a_new_lab_lints_and_proves_as_it_stands() {
    let sandbox = Sandbox::new();
    let course = new_lab(&sandbox);
    let text = |path: &PathBuf| path.to_str().expect("text").to_owned();
    let linted = sandbox.bottleship(["lab", "lint", &text(&course)]).succeeds();
    assert_eq!(linted.stdout, "0 lessons, 1 labs, 0 problems\n");
    sandbox.bottleship(["lab", "lint", &text(&course.join("labs/demo/word"))]).succeeds();
    let proved = sandbox.bottleship(["prove", "demo/word", "--seeds", "2", "--course", &text(&course)]).patience(PATIENCE).output();
    assert_eq!(proved.code(), 0, "{proved}");
    for word in ["moved", "empty", "open", "solve-typed"] {
        assert!(proved.stdout.contains(word), "`{word}` was not typed:\n{}", proved.stdout);
    }
}

#[test]
fn a_lab_is_never_made_over_another_nor_at_a_path_that_is_none() {
    let sandbox = Sandbox::new();
    let course = new_lab(&sandbox);
    let file = course.join("labs/demo/word/lab.yaml");
    fs::write(&file, "mine").expect("write");
    let refused = sandbox.bottleship(["lab", "new", "labs/demo/word"]).folder(&course).exits(2);
    assert!(refused.stderr.contains("is there already") && refused.stderr.contains("nothing was written"), "{refused}");
    assert_eq!(fs::read_to_string(&file).expect("the file"), "mine");
    for bad in ["word", "demo/Word", "../demo/word", "demo/word/more"] {
        let refused = sandbox.bottleship(["lab", "new", bad]).folder(&course).exits(2);
        assert!(refused.stderr.contains("PART/SLUG"), "{bad}: {refused}");
    }
    let refused = sandbox.bottleship(["lab", "dev", "solutions/demo/word"]).folder(&course).exits(2);
    assert!(refused.stderr.contains("neither the folder of a lab nor the file of a lesson"), "{refused}");
}

#[test]
fn lab_dev_loads_again_on_every_save_and_ends_with_ctrl_c() {
    let sandbox = Sandbox::new();
    let course = new_lab(&sandbox);
    let lab = course.join("labs/demo/word/lab.yaml");
    let whole = fs::read_to_string(&lab).expect("the lab");
    let call = sandbox.bottleship(["lab", "dev", "labs/demo/word", "--plain"]).folder(&course);
    let mut desk = Terminal::start(&call, 300, 40);
    desk.expect("lint: 0 problems", PATIENCE);
    desk.expect("step 1 of 2", PATIENCE);
    desk.expect("kept: not yet, 0 of 2 points", PATIENCE);
    desk.expect("sealed: not yet", PATIENCE);
    desk.line("cp /srv/note /srv/kept");
    desk.expect("kept: pass, 2 of 2 points", PATIENCE);

    // Saved in place: other facts, the same world.
    fs::write(&lab, whole.replace("points: 2", "points: 5")).expect("save");
    desk.expect("changed: lab.yaml", PATIENCE);
    let between = desk.expect("kept: pass, 5 of 5 points", PATIENCE);
    assert!(!between.contains("A fresh world"), "{between}");

    // Saved by renaming a new file over it, with a slip: the place is named, and the desk goes on.
    fs::write(lab.with_extension("new"), whole.replace("kind: file, path: /srv/kept, is", "kind: flie, path: /srv/kept, is"))
        .expect("save");
    fs::rename(lab.with_extension("new"), &lab).expect("rename");
    desk.expect("labs/demo/word/lab.yaml:17:26: `steps[0].facts[0].kind`", PATIENCE);
    desk.expect("(did you mean", PATIENCE);
    desk.expect("`file`?)", PATIENCE);
    desk.expect("the last good version stays open", PATIENCE);

    // Another set-up makes another world: what was typed in the old one is not there.
    fs::write(&lab, whole.replace("steps:", "setup: [\"touch /srv/extra\"]\nsteps:")).expect("save");
    desk.expect("A fresh world.", PATIENCE);
    desk.expect("kept: not yet", PATIENCE);
    desk.line("ls /srv");
    let listed = desk.expect("kept: not yet", PATIENCE);
    assert!(listed.contains("extra") && !listed.contains("kept\r\n"), "{listed}");

    desk.line(":solve");
    desk.expect("kept: pass", PATIENCE);
    desk.send("\u{3}");
    assert!(desk.ends(PATIENCE).success(), "{}", desk.seen());
    let left: Vec<_> = fs::read_dir(sandbox.state().join("bottles")).map(Iterator::collect).unwrap_or_default();
    assert!(left.is_empty(), "bottles are left: {left:?}");
    assert!(!sandbox.state().join("progress").exists(), "an author's trial is no progress");
}

#[test]
fn lab_dev_ends_at_ctrl_c_while_a_line_runs() {
    let sandbox = Sandbox::new();
    let course = new_lab(&sandbox);
    let call = sandbox.bottleship(["lab", "dev", "labs/demo/word", "--plain"]).folder(&course);
    let mut desk = Terminal::start(&call, 300, 40);
    desk.expect("sealed: not yet", PATIENCE);
    desk.line("sleep 1000");
    let bottles = sandbox.state().join("bottles");
    crate::support::eventually("the line to be journalled", PATIENCE, || {
        let journals = fs::read_dir(&bottles).ok()?.flatten().map(|bottle| bottle.path().join("journal.jsonl"));
        let texts = journals.filter_map(|journal| fs::read_to_string(journal).ok());
        texts.into_iter().any(|text| text.contains("sleep 1000")).then_some(())
    });
    desk.send("\u{3}");
    // Half of what a line may take.
    assert!(desk.ends(std::time::Duration::from_secs(30)).success(), "{}", desk.seen());
    let left: Vec<_> = fs::read_dir(&bottles).map(Iterator::collect).unwrap_or_default();
    assert!(left.is_empty(), "bottles are left: {left:?}");
}
