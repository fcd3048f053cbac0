//! Grading a class: several submissions in one run, broken ones among them, in four formats, twice with the same result.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{LAB, bottleship, course, typed};
use crate::support::Sandbox;

/// A submission of `learner`, who types `lines`.
fn submission(sandbox: &Sandbox, course: &Path, learner: &str, lines: &str, more: &[&str]) -> PathBuf {
    bottleship(sandbox, course, &["--plain"]).env("USER", learner).input(lines).output();
    let file = sandbox.path().join(format!("{learner}.submission"));
    let mut args = vec!["submit", "word", "-o", file.to_str().expect("text")];
    args.extend(more);
    bottleship(sandbox, course, &args).env("USER", learner).succeeds();
    file
}

#[test]
fn a_class_is_graded_in_one_run() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, str::to_owned);
    let all = "cat /srv/given > /srv/kept\n:check\nchmod 0444 /srv/kept\n:check\n";
    let ana = submission(&sandbox, &course, "ana", all, &["--name", "Ana, the 1st"]);
    let bo = submission(&sandbox, &course, "bo", "cat /srv/given > /srv/kept\n:check\n:check\n", &[]);
    let copied = sandbox.path().join("copied.submission");
    fs::copy(&ana, &copied).expect("copy");
    let broken = sandbox.path().join("broken.submission");
    fs::write(&broken, "{").expect("write");
    let missing = sandbox.path().join("missing.submission");
    let files: Vec<&str> = [&ana, &bo, &broken, &missing].map(|path| path.to_str().expect("text")).to_vec();
    let graded = |format: &str, files: &[&str]| {
        let mut args = vec!["grade", "--format", format];
        args.extend(files);
        bottleship(&sandbox, &course, &args).output()
    };

    let json = graded("json", &files);
    assert_eq!(json.code(), 2, "{json}");
    let grades: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let told: Vec<(&str, u64)> = grades
        .as_array()
        .expect("a list")
        .iter()
        .map(|grade| (grade["result"].as_str().expect("a result"), grade["points"].as_u64().expect("points")))
        .collect();
    assert_eq!(told, [("pass", 3), ("pass", 2), ("rejected", 0), ("rejected", 0)], "{json}");
    assert_eq!(grades[0]["name"], "Ana, the 1st");
    assert!(grades[1]["name"].is_null(), "no name unless it is given");
    assert!(grades[3]["why"].as_str().is_some_and(|why| why.contains("ENOENT")), "{json}");

    let csv = graded("csv", &files[..1]);
    assert_eq!(csv.code(), 0, "{csv}");
    assert!(csv.stdout.contains("\"Ana, the 1st\""), "{csv}");
    assert_eq!(csv.stdout, graded("csv", &files[..1]).stdout, "grading twice gives the same bytes");
    let table = graded("table", &files[1..2]);
    assert_eq!(table.code(), 1, "points are missing: {table}");
    assert!(table.stdout.contains("2/3") && table.stdout.contains("step sealed: mode is fail"), "{table}");
    let copies = graded("json", &[files[0], copied.to_str().expect("text")]);
    assert_eq!(copies.code(), 1, "{copies}");
    assert!(copies.stdout.contains("one of them is a copy"), "{copies}");

    let left: Vec<String> = fs::read_dir(sandbox.state().join("bottles"))
        .expect("bottles")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("grade"))
        .collect();
    assert!(left.is_empty(), "worlds of the grader are left: {left:?}");
}

#[test]
fn a_claim_that_does_not_come_true_is_rejected() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, str::to_owned);
    typed(&sandbox, &course, "true\n:check\n");
    // The learner's own progress says more than was done.
    let file = sandbox.state().join("progress/ada.json");
    let text = fs::read_to_string(&file).expect("the progress");
    let mut progress: Value = serde_json::from_str(&text).expect("JSON");
    progress["units"]["test/word"]["steps"]["kept"]["state"] = "done".into();
    progress["units"]["test/word"]["steps"]["kept"]["points"] = 2.into();
    fs::write(&file, progress.to_string()).expect("write");
    let out = sandbox.path().join("claim");
    bottleship(&sandbox, &course, &["submit", "word", "-o", out.to_str().expect("text")]).succeeds();
    let graded = bottleship(&sandbox, &course, &["grade", out.to_str().expect("text")]).exits(2);
    assert!(graded.stdout.contains("is said to pass, and does not"), "{graded}");
}

#[test]
fn a_submission_of_another_version_of_the_lab_says_so() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, str::to_owned);
    let file = submission(&sandbox, &course, "ada", "true\n", &[]);
    fs::write(course.join("labs/test/word/lab.yaml"), LAB.replace("points: 2", "points: 3")).expect("write");
    let graded = bottleship(&sandbox, &course, &["grade", file.to_str().expect("text")]).exits(2);
    assert!(graded.stdout.contains("another version"), "{graded}");
    fs::write(course.join("labs/test/word/lab.yaml"), LAB.replace("    goal: Nobody", "    gaol: Nobody")).expect("write");
    let graded = bottleship(&sandbox, &course, &["grade", file.to_str().expect("text")]).exits(3);
    assert!(graded.stdout.contains("error") && !graded.stdout.contains("rejected"), "the lab is broken, not what was done in it: {graded}");
    assert!(graded.stdout.contains("labs/test/word/lab.yaml:15") && graded.stdout.contains("gaol"), "{graded}");
    let nothing = bottleship(&sandbox, &course, &["submit", "nowhere"]).exits(3);
    assert!(nothing.stderr.contains("there is no lesson or lab"), "{nothing}");
}
