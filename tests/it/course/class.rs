//! A class of thirty, made here and graded in one command: right answers and wrong ones as the labs' own transcripts type them, and files that were tampered with.
//! Nothing of it is stored: each run plays, forges and grades it anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::bottleship;
use crate::chaos::family;
use crate::support::{Call, Sandbox, eventually};

const PATIENCE: Duration = Duration::from_secs(240);
const JAIL: &str = "by-hand/broken-jail";
const SYS: &str = "by-hand/writable-sys";

/// Who types which transcript of which lab.
const PLAYED: [(&str, &str, &str); 16] = [
    ("ana", JAIL, "right"),
    ("ben", JAIL, "right"),
    ("cleo", JAIL, "other right"),
    ("dan", JAIL, "other right"),
    ("eve", JAIL, "bash-again"),
    ("finn", JAIL, "borrowed"),
    ("gus", JAIL, "everything"),
    ("hana", JAIL, "links"),
    ("ida", JAIL, "shortcut"),
    ("jon", JAIL, "wrong-root"),
    ("kai", SYS, "right"),
    ("lea", SYS, "right"),
    ("mia", SYS, "bundle-only"),
    ("nils", SYS, "masked"),
    ("ola", SYS, "mode-bits"),
    ("pia", SYS, "stopped"),
];

/// A submission, field by field in the order in which it is sealed: what a learner has who knows how it is made.
#[derive(Clone, Serialize, Deserialize)]
struct Forged {
    bottleship: u32,
    unit: String,
    digest: String,
    seed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    lines: Vec<Line>,
    verdicts: Vec<Claim>,
    journal: String,
    seal: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    step: String,
    host: String,
    line: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    verb: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    steered: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Claim {
    step: String,
    state: String,
    points: u32,
    hints: usize,
}

impl Forged {
    fn read(file: &Path) -> Forged {
        serde_json::from_slice(&fs::read(file).expect("a submission")).expect("a submission's fields")
    }

    /// With digests that fit: the seal is no secret.
    fn sealed(mut self) -> String {
        let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.journal = digest(&serde_json::to_vec(&self.lines).expect("JSON"));
        self.seal.clear();
        self.seal = digest(&serde_json::to_vec(&self).expect("JSON"));
        serde_json::to_string_pretty(&self).expect("JSON")
    }
}

/// One transcript of a lab, with a learner's parameters: its lines, and what a wrong one must be told.
fn transcript(sandbox: &Sandbox, learner: &str, lab: &str, which: &str) -> (Vec<String>, Value, Value) {
    let told = sandbox.bottleship(["class", "answers", lab, "--learner", learner, "--json"]).succeeds().stdout;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let answers = told["answers"].as_array().expect("a list");
    let wanted = |answer: &&Value| match which {
        "right" => answer["name"] == "solve",
        "other right" => answer["right"] == true && answer["name"] != "solve",
        name => answer["name"] == name,
    };
    let answer = answers.iter().find(wanted).unwrap_or_else(|| panic!("{lab} has no transcript `{which}`: {told}"));
    let lines = answer["lines"].as_array().expect("lines").iter().map(|line| line.as_str().expect("a text").to_owned());
    (lines.collect(), answer["expect"].clone(), told["seed"].clone())
}

/// Plays and hands in; gives what a wrong answer must be told.
fn hand_in(sandbox: &Sandbox, folder: &Path, (learner, lab, which): (&str, &str, &str)) -> Value {
    let (lines, expect, seed) = transcript(sandbox, learner, lab, which);
    let played = ["--plain", "--name", learner, "--lesson", lab];
    sandbox.bottleship(played).env("USER", learner).patience(PATIENCE).input(lines.join("\n") + "\n").output();
    let file = folder.join(format!("{learner}.bottleship"));
    let handed_in = ["submit", lab, "--name", learner, "-o", file.to_str().expect("text")];
    sandbox.bottleship(handed_in).env("USER", learner).succeeds();
    assert_eq!(Forged::read(&file).seed, seed.as_str().expect("a seed"), "the answers shown are those of this learner");
    expect
}

/// Fourteen files that are not what they say; each with what its grade must say.
fn tampered(folder: &Path) -> Vec<(&'static str, &'static str, String)> {
    let path = |learner: &str| folder.join(format!("{learner}.bottleship"));
    let text = |learner: &str| fs::read_to_string(path(learner)).expect("a submission");
    let of = |learner: &str| Forged::read(&path(learner));
    let replaced = |from: &str, to: &str| {
        let text = text("ana");
        assert!(text.contains(from), "{from}:\n{text}");
        text.replacen(from, to, 1)
    };
    let unsealed = |change: &dyn Fn(&mut Forged)| {
        let mut forged = of("ana");
        change(&mut forged);
        serde_json::to_string(&forged).expect("JSON")
    };
    let whole = text("ana");
    let done = |step: &str| Claim { step: step.to_owned(), state: "done".to_owned(), points: 2, hints: 0 };
    let seed = of("ana").seed;
    let (changed, broken, untrue) = ("it was changed", "is no submission", "is said to pass, and does not");
    vec![
        ("edited-line", changed, replaced("ldd /bin/bash", "ldd /bin/sh")),
        ("edited-seed", changed, replaced(&seed, "0123456789abcdef-0")),
        ("edited-name", changed, replaced("\"ana\"", "\"quin\"")),
        ("swapped-lines", changed, unsealed(&|forged| forged.lines.reverse())),
        ("dropped-line", changed, unsealed(&|forged| drop(forged.lines.remove(0)))),
        ("more-points", changed, unsealed(&|forged| forged.verdicts[0].points += 1)),
        ("cut", broken, whole[..whole.len() / 2].to_owned()),
        ("empty", broken, String::new()),
        ("letter", broken, "Dear teacher, my dog ate it.\n".to_owned()),
        ("other-format", "is of version 2", replaced("\"bottleship\": 1", "\"bottleship\": 2")),
        ("other-course", "another version of this unit", Forged { digest: "0".repeat(32), ..of("ana") }.sealed()),
        ("untrue", untrue, Forged { verdicts: vec![done("starts")], ..of("eve") }.sealed()),
        // Ben's work with a seed of one's own: the words in it are still Ben's.
        ("relabelled", untrue, Forged { seed: "fedcba9876543210-0".to_owned(), name: Some("rob".to_owned()), ..of("ben") }.sealed()),
        ("copied", "was made with the seed of", Forged { name: Some("sue".to_owned()), ..of("dan") }.sealed()),
    ]
}

#[test]
fn a_class_of_thirty_is_graded_in_one_command_each_for_the_right_reason() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("handed-in");
    // As learning platforms give them out: a folder for each learner, or all in one.
    let late = folder.join("late");
    fs::create_dir_all(&late).expect("make the folders");
    let expected: Mutex<Vec<(&str, Value)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (sandbox, folder, expected) = (&sandbox, &folder, &expected);
            scope.spawn(move || {
                for played in PLAYED.into_iter().skip(half).step_by(2) {
                    let expect = hand_in(sandbox, folder, played);
                    expected.lock().expect("no other thread failed").push((played.0, expect));
                }
            });
        }
    });
    let forged = tampered(&folder);
    forged.iter().for_each(|(name, _, text)| fs::write(late.join(format!("{name}.bottleship")), text).expect("write"));
    fs::write(folder.join("notes.txt"), "no submission").expect("write");

    let reports = ["csv", "xml", "txt"].map(|ending| sandbox.path().join(format!("grades.{ending}")));
    let mut args: Vec<&str> = vec!["class", "grade", folder.to_str().expect("text"), "--jobs", "2", "--format", "json"];
    reports.iter().for_each(|report| args.extend(["--write", report.to_str().expect("text")]));
    let graded = sandbox.bottleship(&args).patience(PATIENCE).exits(2);
    let told: Value = serde_json::from_str(&graded.stdout).unwrap_or_else(|error| panic!("{error}: {graded}"));
    let grade = |name: &str| {
        let grades = told["grades"].as_array().expect("a list");
        let file = format!("/{name}.bottleship");
        grades
            .iter()
            .find(|grade| grade["file"].as_str().is_some_and(|path| path.ends_with(&file)))
            .unwrap_or_else(|| panic!("{name}: {graded}"))
    };

    // Everyone who played, for what was typed ...
    for (learner, _, which) in PLAYED.iter().filter(|(learner, ..)| *learner != "dan") {
        let grade = grade(learner);
        let whole = which.contains("right");
        assert_eq!((&grade["result"], grade["points"] == grade["of"]), (&Value::from("pass"), whole), "{learner}: {grade:#}");
        assert_eq!(grade["second"], grade["points"], "{learner}: the same on another seed: {grade:#}");
    }
    // ... with the fact or the mistake that the transcript is there for ...
    for (learner, expect) in expected.into_inner().expect("no thread failed").iter().filter(|(_, expect)| !expect.is_null()) {
        let steps = grade(learner)["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["step"] == expect["step"]).expect("its step");
        let has = |list: &str, id: &Value| step[list].as_array().is_some_and(|ids| ids.contains(id));
        let seen = if expect["mistake"].is_null() { has("failed", &expect["fact"]) } else { has("mistakes", &expect["mistake"]) };
        assert!(seen, "{learner}: expected {expect}, and it is {step:#}");
    }
    // ... and every file that was tampered with, for its own reason.
    for (name, why, _) in &forged {
        let result = if *name == "copied" { "review" } else { "rejected" };
        let grade = grade(name);
        assert_eq!(grade["result"], result, "{name}: {grade:#}");
        assert!(grade["why"].as_str().is_some_and(|told| told.contains(why)), "{name}: {why}: {grade:#}");
        assert!(result == "review" || grade["points"] == 0, "{name}: {grade:#}");
    }
    assert_eq!(grade("dan")["result"], "review", "who was copied from is looked at too");

    let summary = &told["summary"];
    let counts = ["submissions", "pass", "review", "rejected"].map(|key| summary[key].as_u64().expect("a number"));
    assert_eq!(counts, [30, 15, 2, 13], "{summary:#}");
    let of_unit = |name: &str| {
        let unit = summary["units"].as_array().expect("units").iter().find(|unit| unit["unit"] == name).expect("the unit");
        ["submissions", "passed", "review", "rejected"].map(|key| unit[key].as_u64().expect("a number"))
    };
    assert_eq!((of_unit(JAIL), of_unit(SYS), of_unit("")), ([14, 3, 2, 3], [6, 2, 0, 0], [10, 0, 0, 10]), "{summary:#}");
    let jail = summary["units"].as_array().expect("units").iter().find(|unit| unit["unit"] == JAIL).expect("the unit");
    assert!(
        jail["mistakes"].to_string().contains("starts/dangling") && jail["mistakes"].to_string().contains("reports/outside"),
        "{jail:#}"
    );
    assert_eq!(summary["suspicions"].as_array().map(Vec::len), Some(15), "{summary:#}");

    let [csv, junit, table] = reports.map(|report| fs::read_to_string(report).expect("a report"));
    assert_eq!(csv.lines().count(), 31, "{csv}");
    assert_eq!(junit.matches("<testsuite ").count(), 30, "{junit}");
    assert!(table.ends_with("30 submissions: 15 pass, 2 review, 13 rejected\n"), "{table}");
    assert!(
        table.contains("by-hand/broken-jail: 14 handed in, 3 with all points") && table.contains("(no submission): 10 handed in"),
        "{table}"
    );
    nothing_is_left(&sandbox);
}

/// No world of a grader is left, whatever it graded.
fn nothing_is_left(sandbox: &Sandbox) {
    let bottles = fs::read_dir(sandbox.state().join("bottles")).into_iter().flatten().flatten();
    let left: Vec<String> =
        bottles.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| name.starts_with("grade")).collect();
    assert!(left.is_empty(), "worlds of the graders are left: {left:?}");
}

/// A submission of the small lab, with these lines instead.
fn forged(sandbox: &Sandbox, course: &Path, name: &str, lines: &[&str]) -> PathBuf {
    bottleship(sandbox, course, &["--plain"]).input("true\n:check\n").output();
    let file = sandbox.path().join(format!("{name}.bottleship"));
    bottleship(sandbox, course, &["submit", "word", "-o", file.to_str().expect("text")]).succeeds();
    let mut forged = Forged::read(&file);
    let typed = |line: &&str| Line { line: (*line).to_owned(), verb: line.starts_with(':'), ..forged.lines[0].clone() };
    forged.lines = lines.iter().map(typed).collect();
    fs::write(&file, forged.sealed()).expect("write");
    file
}

#[test]
fn a_submission_that_never_ends_is_rejected_and_holds_up_nobody() {
    let sandbox = Sandbox::new();
    let course = super::course(&sandbox, str::to_owned);
    let file = forged(&sandbox, &course, "endless", &["sleep 100000", ":check"]);
    for command in [&["class", "grade"][..], &["grade"]] {
        let words = [command, &["--limit", "5", file.to_str().expect("text")]].concat();
        let graded = bottleship(&sandbox, &course, &words).exits(2);
        assert!(graded.stdout.contains("could not be graded within 5 s") && graded.stdout.contains("--limit"), "{graded}");
        nothing_is_left(&sandbox);
    }
}

/// Only who grades watches the limit: without them nobody would end what does not end.
#[test]
fn a_grader_that_is_killed_takes_what_it_grades_along() {
    let sandbox = Sandbox::new();
    let course = super::course(&sandbox, str::to_owned);
    let file = forged(&sandbox, &course, "endless", &["sleep 100000", ":check"]);
    let call = bottleship(&sandbox, &course, &["grade", file.to_str().expect("text")]);
    let quiet = || std::process::Stdio::null();
    let mut grader = call.command().stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().expect("grade");
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let endless =
        eventually("the line that does not end", PATIENCE, || family(grader.id()).into_iter().find(|pid| name(*pid) == "sleep\n"));
    let whole = family(grader.id());
    grader.kill().expect("kill the grader");
    grader.wait().expect("wait for it");
    eventually("the end of the line", PATIENCE, || (name(endless) != "sleep\n").then_some(()));
    let ours = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/environ")).is_ok_and(|text| text.contains(&sandbox.state().display().to_string()))
    };
    eventually("the end of its world", PATIENCE, || whole.iter().all(|pid| !ours(pid)).then_some(()));
}

#[test]
fn a_folder_without_submissions_is_no_class_and_a_missing_file_is_one_grade() {
    let sandbox = Sandbox::new();
    let course = super::course(&sandbox, str::to_owned);
    let empty = sandbox.path().join("empty");
    fs::create_dir(&empty).expect("make a folder");
    let told = bottleship(&sandbox, &course, &["class", "grade", empty.to_str().expect("text")]).exits(3);
    assert!(told.stderr.contains("has no submission in it") && told.stdout.is_empty(), "{told}");
    let missing = empty.join("nobody.bottleship");
    let told: Call = bottleship(&sandbox, &course, &["class", "grade", missing.to_str().expect("text")]);
    let told = told.exits(2);
    assert!(told.stdout.contains("ENOENT") && told.stdout.contains("1 submission: 0 pass, 0 review, 1 rejected"), "{told}");
}
