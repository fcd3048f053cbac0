//! Submissions read back, and what is no submission, or cannot be graded.

use super::super::library::CourseFile;
use super::*;
use std::collections::BTreeMap;

fn submission() -> (Course, Submission) {
    let text =
        "id: p/s\ntitle: T\nparams: {token: {hex: 8}}\nsteps: [{id: s, goal: g, facts: [{id: f, kind: exists, of: file//x, fail: f}]}]\n";
    let file = CourseFile { content: text.as_bytes().to_vec(), executable: false };
    let course = Course::from_files(BTreeMap::from([("labs/p/s/lab.yaml".into(), file)])).unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut progress = Progress::open(state.path(), "ada").unwrap();
    progress.unit(&course, "p/s");
    let typed = |line: &str, verb| Typed {
        unit: "p/s".into(),
        attempt: 0,
        step: "s".into(),
        host: "bench".into(),
        line: line.into(),
        anew: false,
        verb,
        steered: false,
    };
    progress.typed(typed("touch /x", false)).unwrap();
    progress.typed(typed(":check", true)).unwrap();
    let submission = Submission::of(&course, &progress, "s", None).unwrap();
    (course, submission)
}

/// Nobody's world is opened for a file that is no whole, unchanged submission.
fn refused(course: &Course, bytes: &[u8]) -> String {
    let grade = grade(Path::new("x"), bytes, course, &mut |_, _| panic!("a world was opened for it"));
    assert_eq!((grade.result, grade.points), (Standing::Rejected, 0));
    grade.why
}

#[test]
fn a_submission_names_nobody_and_reads_back() {
    let (_, submission) = submission();
    let text = submission.text();
    assert!(!text.contains("ada"), "{text}");
    assert_eq!(Submission::parse(text.as_bytes()).unwrap(), submission);
}

#[test]
fn tampered_truncated_and_cross_seed_files_are_rejected() {
    let (course, submission) = submission();
    let text = submission.text();
    assert!(refused(&course, text.replace("touch", "cat").as_bytes()).contains("changed"));
    assert!(refused(&course, text.replace(&submission.seed, "other").as_bytes()).contains("changed"));
    for cut in [0, 1, text.len() / 2, text.len() - 3] {
        assert!(refused(&course, &text.as_bytes()[..cut]).contains("is no submission"), "cut at {cut}");
    }
    let resealed = Submission { digest: "0".repeat(32), ..submission.clone() }.sealed();
    assert!(refused(&course, resealed.text().as_bytes()).contains("another version"));
    let other = Submission { unit: "p/none".to_owned(), ..submission }.sealed();
    assert!(refused(&course, other.text().as_bytes()).contains("there is no lesson or lab"));
}

/// A terminal does what escapes say, and anybody can seal a submission.
#[test]
fn what_a_submission_says_moves_no_cursor() {
    let (course, submission) = submission();
    let hostile = "Eve\u{1b}[1A\u{1b}[2K\r\u{202e}Ada".to_owned();
    let sealed = Submission { name: Some(hostile.clone()), unit: hostile.clone(), ..submission.clone() }.sealed();
    let told = grade(Path::new("x"), sealed.text().as_bytes(), &course, &mut |_, _| panic!("a world was opened for it"));
    assert_eq!((told.name.as_deref(), told.unit.as_str()), (Some("Eve[1A[2KAda"), "Eve[1A[2KAda"));
    assert!(told.why.contains("Eve") && !told.why.contains(['\u{1b}', '\r', '\u{202e}']), "{:?}", told.why);
}

/// Every field that stands in the file, changed by itself.
#[test]
fn no_field_can_be_changed() {
    use serde_json::{Value, json};
    let (course, submission) = submission();
    let whole: Value = serde_json::from_str(&Submission { name: Some("ada".to_owned()), ..submission }.sealed().text()).unwrap();
    let mut changed = 0;
    let mut refuse = |what: &str, value: &Value| {
        let why = refused(&course, value.to_string().as_bytes());
        let known = ["changed", "is no submission", "is of version"];
        assert!(known.iter().any(|word| why.contains(word)), "{what}: {why}");
        changed += 1;
    };
    for (pointer, value) in [
        ("/bottleship", json!(2)),
        ("/unit", json!("p/other")),
        ("/digest", json!("0")),
        ("/seed", json!("another")),
        ("/name", json!("bo")),
        ("/name", Value::Null),
        ("/lines", json!([])),
        ("/lines/0/line", json!("touch /y")),
        ("/lines/0/host", json!("node1")),
        ("/lines/0/step", json!("t")),
        ("/lines/0/verb", json!(true)),
        ("/lines/1/verb", json!(false)),
        ("/verdicts", json!([{"step": "s", "state": "done", "points": 1, "hints": 0}])),
        ("/journal", json!("0")),
        ("/seal", json!("0")),
    ] {
        let mut value_of = whole.clone();
        match value_of.pointer_mut(pointer) {
            Some(place) => *place = value,
            // A field that is left out when it says nothing.
            None => value_of["lines"][0]["verb"] = value,
        }
        assert_ne!(value_of, whole, "{pointer}");
        refuse(pointer, &value_of);
    }
    let mut more = whole.clone();
    more["points"] = json!(100);
    refuse("a field more", &more);
    for name in ["bottleship", "unit", "digest", "seed", "lines", "verdicts", "journal", "seal"] {
        let mut less = whole.clone();
        less.as_object_mut().unwrap().remove(name);
        refuse(name, &less);
    }
    let mut swapped = whole.clone();
    swapped["lines"].as_array_mut().unwrap().swap(0, 1);
    refuse("the order of the lines", &swapped);
    assert_eq!(changed, 25);
    let as_it_was = whole.to_string();
    assert!(Submission::parse(as_it_was.as_bytes()).is_ok(), "only the change is refused");
}

#[test]
fn own_parameters_are_translated_as_whole_words() {
    let mine = Params::from([("a".to_owned(), "ab12".to_owned()), ("n".to_owned(), "3".to_owned())]);
    let theirs = Params::from([("a".to_owned(), "cd34".to_owned()), ("n".to_owned(), "7".to_owned())]);
    assert_eq!(translate("echo ab12 > /x3/3 xab12 {ab12}", &mine, &theirs), "echo cd34 > /x3/7 xab12 {cd34}");
}

/// What goes wrong at the grader's is no blemish of a submission, and says where to look.
#[test]
fn a_broken_lab_or_world_is_an_error_of_the_grader() {
    let (course, submission) = submission();
    let bytes = submission.text().into_bytes();
    let no_world = grade(Path::new("x"), &bytes, &course, &mut |unit, _| {
        Err(Error::Setup { unit: unit.to_owned(), command: "make it".to_owned(), said: "no".to_owned() })
    });
    assert_eq!((no_world.result, no_world.why.as_str()), (Standing::Error, "setting up `p/s`: `make it`: no"));
    let text = "id: p/s\ntitle: T\nsteps:\n  - {id: s, gaol: g}\n";
    let file = CourseFile { content: text.as_bytes().to_vec(), executable: false };
    let (broken, _) = Course::tolerant(BTreeMap::from([("labs/p/s/lab.yaml".into(), file)]));
    let ungraded = grade(Path::new("x"), &bytes, &broken, &mut |_, _| panic!("a world was opened for it"));
    assert_eq!((ungraded.result, ungraded.points), (Standing::Error, 0));
    assert!(ungraded.why.contains("labs/p/s/lab.yaml:4") && ungraded.why.contains("gaol"), "{}", ungraded.why);
    assert!(!ungraded.why.contains('\n'), "one line of a table: {}", ungraded.why);
}
