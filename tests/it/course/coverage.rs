//! `bottleship course coverage` on a small course, and on the one in the program.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{bottleship, course};
use crate::support::{Call, Sandbox, binary};

const LIST: &str = "covered: [C-001]\nopen: [C-003]\nareas:\n  - title: Words\n    rows:\n      C-001: A word is kept\n      C-002: A word is sealed\n      C-003: Words on \
                    several machines\n";

/// A course whose only lab teaches the row C-001.
fn listed(sandbox: &Sandbox) -> PathBuf {
    let course = course(sandbox, |lab| lab.replace("title: Keep a word\n", "title: Keep a word\nteaches: [C-001]\n"));
    fs::create_dir_all(course.join("lessons")).expect("make a folder");
    fs::write(course.join("lessons/concepts.yaml"), LIST).expect("write the list");
    course
}

#[test]
fn every_row_is_told_with_who_teaches_it_and_what_runs_it() {
    let sandbox = Sandbox::new();
    let course = listed(&sandbox);
    let told = bottleship(&sandbox, &course, &["course", "coverage"]).succeeds().stdout;
    let wanted = "Words\ncovered  C-001  A word is kept\n               lab test/word (2 solutions, 3 wrong answers): #kept P1 P2 P4; #sealed P1 P2 P4\n\
                  MISSING  C-002  A word is sealed\nopen     C-003  Words on several machines\n\n3 rows: 1 covered, 1 open, 1 missing, 0 lost\n";
    assert_eq!(told, wanted);
    let missing = bottleship(&sandbox, &course, &["course", "coverage", "missing", "--json"]).succeeds().stdout;
    let missing: Value = serde_json::from_str(&missing).expect("JSON");
    assert_eq!((&missing["rows"][0]["id"], &missing["rows"][1]), (&Value::from("C-002"), &Value::Null));
    assert_eq!(missing["summary"], serde_json::json!({ "covered": 1, "open": 1, "missing": 1, "lost": 0 }));
}

#[test]
fn a_row_that_lost_its_lab_or_its_test_is_a_failure() {
    let sandbox = Sandbox::new();
    let course = listed(&sandbox);
    for name in ["solve.console", "solve-typed.console"] {
        fs::remove_file(course.join("solutions/test/word").join(name)).expect("remove");
    }
    let told = bottleship(&sandbox, &course, &["course", "coverage", "lost"]).exits(1).stdout;
    assert!(told.contains("LOST     C-001") && told.contains("nothing of test/word is run by a test any more"), "{told}");
    fs::write(course.join("labs/test/word/lab.yaml"), super::LAB).expect("write");
    let told = bottleship(&sandbox, &course, &["course", "coverage", "lost"]).exits(1).stdout;
    assert!(told.contains("no lesson and no lab has it"), "{told}");
    fs::remove_file(course.join("lessons/concepts.yaml")).expect("remove");
    let told = bottleship(&sandbox, &course, &["course", "coverage"]).exits(2);
    assert!(told.stderr.contains("lessons/concepts.yaml"), "{told}");
}

#[test]
fn the_course_in_the_program_has_lost_nothing() {
    let told = Call::new(binary()).args(["course", "coverage", "lost"]).succeeds().stdout;
    assert!(told.contains("539 rows: ") && told.contains(", 0 lost"), "{told}");
}
