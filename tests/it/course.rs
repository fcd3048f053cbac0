//! The course as a learner and an instructor meet it: checks, fresh worlds, progress, submissions, grades, and the prover on good and bad labs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Call, Sandbox};

mod author;
mod class;
mod containers;
mod coverage;
pub(crate) mod facts;
mod grading;
mod journal;
mod outside;
mod progress;
mod room;
mod verbs;

const PATIENCE: Duration = Duration::from_secs(120);

const LAB: &str = r#"id: test/word
title: Keep a word
params: {word: {hex: 8}}
setup: ["echo {word} > /srv/given"]
steps:
  - id: kept
    goal: The word in `/srv/given` stands in `/srv/kept`.
    points: 2
    facts:
      - {id: kept, kind: file, path: /srv/kept, is: "{word}", hold: 200ms, not_yet: "/srv/kept has: {got}."}
    mistakes:
      - {id: moved, when: {kind: file, path: /srv/given, exists: false}, say: "The given word is gone.", hint: 1}
    hints: ["Copies leave what they copy."]
  - id: sealed
    goal: Nobody may write it.
    facts:
      - {id: mode, kind: file, path: /srv/kept, mode: "0444", hold: 300ms, fail: "It has {got}."}
"#;
const SOLUTION: &str = "$ cat /srv/given > /srv/kept\n$ :check\n$ chmod 0444 /srv/kept\n$ :check\n";
const TYPED: &str = "$ echo {word} > /srv/kept\n$ :check\n$ chmod a=r /srv/kept\n$ :check\n";
const WRONG: [(&str, &str); 3] = [
    ("moved", "# expect: step=kept mistake=moved\n$ mv /srv/given /srv/other\n$ :check\n"),
    ("empty", "# expect: step=kept verdict=not-yet fact=kept\n$ touch /srv/kept\n$ :check\n"),
    ("open", "# expect: step=sealed verdict=fail fact=mode\n$ cat /srv/given > /srv/kept\n$ :check\n$ chmod 0666 /srv/kept\n$ :check\n"),
];

/// A course of one lab, with `change` applied to its file.
fn course(sandbox: &Sandbox, change: impl Fn(&str) -> String) -> PathBuf {
    let folder = sandbox.path().join("course");
    let solutions = folder.join("solutions/test/word");
    fs::create_dir_all(folder.join("labs/test/word")).expect("make the lab");
    fs::create_dir_all(solutions.join("wrong")).expect("make the solutions");
    fs::write(folder.join("labs/test/word/lab.yaml"), change(LAB)).expect("write the lab");
    fs::write(solutions.join("solve.console"), SOLUTION).expect("write the solution");
    fs::write(solutions.join("solve-typed.console"), TYPED).expect("write the other solution");
    for (name, text) in WRONG {
        fs::write(solutions.join(format!("wrong/{name}.console")), text).expect("write a wrong answer");
    }
    folder
}

/// `bottleship` as the learner `ada`, with the course.
fn bottleship(sandbox: &Sandbox, course: &Path, args: &[&str]) -> Call {
    sandbox
        .bottleship(args.iter().copied().chain(["--course", course.to_str().expect("a path of text")]))
        .env("USER", "ada")
        .patience(PATIENCE)
}

/// The prompt's answers to lines.
fn typed(sandbox: &Sandbox, course: &Path, lines: &str) -> String {
    let output = bottleship(sandbox, course, &["--plain"]).input(lines).output();
    output.stdout + &output.stderr
}

#[test]
fn a_reset_is_a_fresh_world_and_progress_survives_a_restart() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, str::to_owned);
    let said = typed(&sandbox, &course, "cat /srv/given > /srv/kept\n:check\ntouch /srv/extra\n:reset\nls /srv\n");
    assert!(said.contains("kept: pass, 2 of 2 points"), "{said}");
    let after = said.rsplit("A fresh world").next().expect("a reset");
    assert!(
        after.contains("kept") && !after.contains("extra"),
        "the line of the step before is replayed, that of this step is not:\n{said}"
    );
    let again = typed(&sandbox, &course, ":map\nls -l /srv/kept\n:report\n");
    assert!(again.contains("/srv/kept"), "the next start replays what led here:\n{again}");
    let file = fs::read_to_string(sandbox.state().join("progress/ada.json")).expect("a progress file");
    assert!(file.contains(r#""state": "done""#), "{file}");
    let history = fs::read_to_string(sandbox.state().join("progress/ada.history.jsonl")).expect("a history");
    assert!(history.contains("touch /srv/extra"), "nothing typed is lost:\n{history}");
}

#[test]
fn a_copy_counts_for_nothing() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, str::to_owned);
    let said = typed(&sandbox, &course, ":play\ncat /srv/given > /srv/kept\n:check\n:done\nls /srv/kept\n:check\n");
    assert!(said.contains("kept: pass"), "{said}");
    assert!(said.contains("kept: not yet"), "{said}");
    assert!(said.contains("cannot access '/srv/kept'"), "{said}");
}

#[test]
fn a_submission_is_graded_by_replay_and_a_changed_one_is_rejected() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, str::to_owned);
    typed(&sandbox, &course, "read -r word < /srv/given\necho $word > /srv/kept\n:check\nchmod 0444 /srv/kept\n:check\n");
    let good = sandbox.path().join("good");
    bottleship(&sandbox, &course, &["submit", "word", "-o", good.to_str().expect("text")]).succeeds();
    let text = fs::read_to_string(&good).expect("the submission");
    assert!(!text.contains("ada"), "no name unless it is given:\n{text}");
    let bad = sandbox.path().join("bad");
    fs::write(&bad, text.replace("0444", "0400")).expect("write");
    let cut = sandbox.path().join("cut");
    fs::write(&cut, &text[..text.len() / 2]).expect("write");
    let files = [&good, &bad, &cut].map(|path| path.to_str().expect("text"));
    bottleship(&sandbox, &course, &["grade", files[0]]).exits(0);
    let graded = bottleship(&sandbox, &course, &["grade", "--format", "csv", files[0], files[1], files[2]]).exits(2);
    let results: Vec<&str> = graded.stdout.lines().skip(1).filter_map(|line| line.split(',').nth(3)).collect();
    assert_eq!(results, ["pass", "rejected", "rejected"], "{}", graded.stdout);
}

#[test]
fn what_belongs_to_one_seed_is_for_review() {
    let sandbox = Sandbox::new();
    // The kernel's boot id stands for anything that a learner computed once and typed in by hand.
    let course = course(&sandbox, |lab| lab.replace("echo {word}", "echo {word}-x").replace("is: \"{word}\"", "is: \"{word}-x\""));
    typed(&sandbox, &course, "tr -d '\\n' < /srv/given | sha256sum > /srv/sum\n");
    let seed = typed(&sandbox, &course, "cat /srv/given\n");
    let word = seed.lines().rfind(|line| line.ends_with("-x")).expect("the word").to_owned();
    // Half of the word: no parameter as a whole word, so it is not translated.
    let (one, other) = word.split_at(4);
    typed(&sandbox, &course, &format!("printf '%s%s\\n' {one} {other} > /srv/kept\n:check\n"));
    let file = sandbox.path().join("pasted");
    bottleship(&sandbox, &course, &["submit", "word", "-o", file.to_str().expect("text")]).succeeds();
    let graded = bottleship(&sandbox, &course, &["grade", file.to_str().expect("text")]).exits(1);
    assert!(graded.stdout.contains("review"), "{}", graded.stdout);
}

#[test]
fn a_good_lab_is_proved() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, str::to_owned);
    let proved = bottleship(&sandbox, &course, &["prove", "word", "--seeds", "2"]).output();
    assert_eq!(proved.code(), 0, "{}{}", proved.stdout, proved.stderr);
    for proof in ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P14"] {
        let found = proved.stdout.lines().any(|line| line.starts_with("proved") && line.split_whitespace().nth(1) == Some(proof));
        assert!(found, "{proof} was not proved:\n{}", proved.stdout);
    }
}

/// P15: what is planted is caught, each by its own proof.
#[test]
fn bad_labs_are_caught() {
    let plants: [(&str, &str, &str); 4] = [
        ("P1", "is: \"{word}\", hold", "exists: false, invert: false, hold"),
        (
            "P7",
            "hold: 300ms, fail",
            "fail: \"It has {got}.\"}\n      - {id: impure, kind: exec, run: \"date +%N >> /srv/log\", reason: planted for the test, fail",
        ),
        ("P11", "Copies leave what they copy.", "Try /srv/kept-too."),
        ("P4", "exists: false}, say", "exists: true}, say"),
    ];
    for (proof, from, to) in plants {
        let sandbox = Sandbox::new();
        let course = course(&sandbox, |lab| lab.replace(from, to));
        if proof == "P11" {
            let solution = format!("$ touch /srv/kept-too\n{SOLUTION}");
            fs::write(course.join("solutions/test/word/solve.console"), &solution).expect("write");
            fs::remove_file(course.join("solutions/test/word/solve-typed.console")).expect("remove");
        }
        let proved = bottleship(&sandbox, &course, &["prove", "word", "--seeds", "1", "--only-failures"]).output();
        assert_eq!(proved.code(), 1, "{proof}: {}{}", proved.stdout, proved.stderr);
        let caught = proved.stdout.lines().any(|line| line.starts_with("FAILED") && line.split_whitespace().nth(1) == Some(proof));
        assert!(caught, "{proof} did not catch it:\n{}", proved.stdout);
    }
}

/// Its set-up may need what this machine lacks.
#[test]
fn a_lab_that_cannot_be_done_here_is_not_set_up() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, |lab| {
        lab.replace("setup: [", "world: {hosts: [bench], needs: [\"tool:no-such-program\"]}\nsetup: [\"no-such-program\", ")
    });
    let proved = bottleship(&sandbox, &course, &["prove", "word", "--seeds", "1"]).succeeds();
    assert!(proved.stdout.contains("not here") && proved.stdout.contains("no-such-program"), "{}", proved.stdout);
    let said = typed(&sandbox, &course, "echo goes on\n");
    assert!(said.contains("goes on") && !said.contains("setting up"), "{said}");
}

#[test]
fn lint_names_file_line_and_key() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, |lab| lab.replace("hints:", "hits:"));
    let said = sandbox.bottleship(["lab", "lint", course.to_str().expect("text")]).exits(1).stdout;
    assert!(
        said.contains("labs/test/word/lab.yaml:13:5: `steps[0].hits`: is no key that this place knows (did you mean `hints`?)"),
        "{said}"
    );
}

/// A course of which one lab and one lesson have mistakes, and another lab and another lesson have none.
fn with_broken(sandbox: &Sandbox) -> PathBuf {
    let course = course(sandbox, str::to_owned);
    for folder in ["lessons/01-test", "labs/test/torn"] {
        fs::create_dir_all(course.join(folder)).expect("make a folder");
    }
    let torn = LAB.replace("test/word", "test/torn").replace("hold: 200ms", "hold: [");
    fs::write(course.join("labs/test/torn/lab.yaml"), torn).expect("write the torn lab");
    let lesson =
        |id: &str, title: &str| format!("---\nid: test/{id}\ntitle: {title}\nminutes: 1\n---\nHello.\n\n## Look {{#look}}\n\nWords.\n");
    fs::write(course.join("lessons/01-test/01-first.md"), lesson("first", "One: two")).expect("write the torn lesson");
    fs::write(course.join("lessons/01-test/02-second.md"), lesson("second", "Two")).expect("write the lesson");
    course
}

#[test]
fn a_broken_lab_or_lesson_is_named_and_stops_nothing_else() {
    let sandbox = Sandbox::new();
    let course = with_broken(&sandbox);
    let lesson = "left out: test/first: lessons/01-test/01-first.md:3:11: no valid YAML";
    let lab = "left out: test/torn: labs/test/torn/lab.yaml:";
    let output =
        bottleship(&sandbox, &course, &["--plain"]).input(":list\n:next\ncat /srv/given > /srv/kept\n:check\n:goto torn\n").output();
    for said in [&output.stderr, &output.stdout] {
        assert_eq!((said.matches(lesson).count(), said.matches(lab).count()), (1, 1), "named once at the start, and in the list:\n{said}");
    }
    assert!(output.stdout.contains("test/second") && output.stdout.contains("kept: pass, 2 of 2 points"), "{}", output.stdout);
    let asked = output.stdout.rsplit("kept: pass").next().expect("the rest");
    assert!(asked.contains("error: labs/test/torn/lab.yaml:") && asked.contains("hint: mend the file"), "{}", output.stdout);

    let lint = sandbox.bottleship(["lab", "lint", course.to_str().expect("text")]).exits(1).stdout;
    for file in ["lessons/01-test/01-first.md:3:11: no valid YAML", "labs/test/torn/lab.yaml:"] {
        assert!(lint.contains(file), "{file}:\n{lint}");
    }
    assert!(!lint.contains("there is no unit"), "{lint}");
}

#[test]
fn a_broken_lab_fails_its_proof_and_the_others_are_proved() {
    let sandbox = Sandbox::new();
    let course = with_broken(&sandbox);
    let proved = bottleship(&sandbox, &course, &["prove", "torn", "word", "--seeds", "1", "--proofs", "P1"]).exits(1).stdout;
    let row = |word: &str, proof: &str, unit: &str| proved.lines().any(|line| line.split_whitespace().take(3).eq([word, proof, unit]));
    assert!(row("FAILED", "read", "test/torn") && row("proved", "P1", "test/word"), "{proved}");
    assert!(proved.contains("labs/test/torn/lab.yaml:") && proved.contains("2 units: "), "{proved}");
    let all = bottleship(&sandbox, &course, &["prove", "--lessons", "--seeds", "1"]).exits(1).stdout;
    assert!(all.contains("test/first") && all.contains("test/second") && !all.contains("test/torn"), "{all}");
    bottleship(&sandbox, &course, &["submit", "torn"]).exits(3);
}
