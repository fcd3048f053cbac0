//! Every kind of fact with each of its verdicts, in a real bottle: one world, one check, one table.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{bottleship, typed};
use crate::support::{Rights, Sandbox, rights, skip};

/// What the world is before the check.
const SETUP: &str = r#"setup:
  - "mkdir -p /srv/d && printf 'one\n' > /srv/one && chmod 0640 /srv/one && ln -s one /srv/l && touch /srv/gone /srv/stays"
  - "mkdir /srv/m && mount -t tmpfs -o nosuid none /srv/m"
  - "ip netns add red && ip link add br7 type bridge && ip link set br7 up && ip addr add 10.7.7.1/24 dev br7"
start:
  - {name: sleeper, run: "exec -a sleeper sleep 1000", ready: "pgrep -f '^sleeper'"}
  - {name: apart, run: "exec unshare --uts --ipc sleep 2000", ready: "pgrep -f 'sleep 2000'"}
"#;

/// Typed before the check.
const TYPED: &str = "rm /srv/gone\nexport HERE=1\n";

/// The fact, and the verdict that it must have: one row for each kind and each verdict that the kind can have.
/// `NY` is a text for not yet, `F` one for fail.
const TABLE: &[(&str, &str)] = &[
    ("kind: exists, of: file//srv/one, NY", "pass"),
    ("kind: exists, of: file//srv/none, NY", "not-yet"),
    ("kind: exists, of: process/nobody, F", "fail"),
    ("kind: exists, of: netns/red, NY", "pass"),
    ("kind: exists, of: link/br7, host: nowhere, NY", "error"),
    ("kind: gone, of: file//srv/gone, NY", "pass"),
    ("kind: gone, of: file//srv/stays, NY", "not-yet"),
    ("kind: gone, of: file//srv/stays, F", "fail"),
    ("kind: gone, of: file//srv/never, NY", "vacuous"),
    ("kind: gone, of: file//srv/gone, host: nowhere, NY", "error"),
    ("kind: field, of: file//srv/one, path: mode, is: \"0640\", NY", "pass"),
    ("kind: field, of: link/br7, path: up, is: \"true\", NY", "pass"),
    ("kind: field, of: link/br7, path: addresses.0, is: 10.7.7.1/24, NY", "pass"),
    ("kind: field, of: user/root, path: uid, is: 0, NY", "pass"),
    ("kind: field, of: mount//srv/m, path: fstype, is: tmpfs, NY", "pass"),
    ("kind: field, of: file//srv/none, path: mode, is: \"0640\", NY, F", "not-yet"),
    ("kind: field, of: file//srv/one, path: mode, is: \"0600\", NY, F", "fail"),
    ("kind: field, of: file//srv/one, path: mode, is: \"0640\", host: nowhere, NY", "error"),
    ("kind: count, of: files, under: /srv, where: {path: stays}, is: 1, NY", "pass"),
    ("kind: count, of: processes, match: {args: \"sleep 1000|sleeper 1000\"}, is: 2, NY", "not-yet"),
    ("kind: count, of: netns, is: 0, F", "fail"),
    ("kind: count, of: mounts, at_least: 1, host: nowhere, NY", "error"),
    ("kind: file, path: /srv/one, is: one, mode: \"0640\", type: file, owner: \"0:0\", NY", "pass"),
    ("kind: file, path: /srv/l, type: link, links_to: one, NY", "pass"),
    ("kind: file, path: /srv/none, contains: x, NY, F", "not-yet"),
    ("kind: file, path: /srv/one, contains: x, NY, F", "fail"),
    ("kind: file, path: /srv/one, exists: true, host: nowhere, NY", "error"),
    ("kind: process, match: {args: \"^sleeper\"}, uid: 0, state: sleeping, NY", "pass"),
    ("kind: process, match: {args: \"^nobody$\"}, uid: 0, NY, F", "not-yet"),
    ("kind: process, match: {args: \"^sleeper\"}, uid: 5, NY, F", "fail"),
    ("kind: process, match: {args: \"^sleeper\"}, host: nowhere, NY", "error"),
    ("kind: namespace, of: {args: \"sleep 2000\"}, kinds: [uts, ipc], differ_from: host, NY", "pass"),
    ("kind: namespace, of: {args: nobody-of-that-name}, kinds: [uts], differ_from: host, NY, F", "not-yet"),
    ("kind: namespace, of: {args: \"sleep 2000\"}, kinds: [uts, net], differ_from: shell, NY, F", "fail"),
    ("kind: namespace, of: {args: sleep}, kinds: [uts], differ_from: host, host: nowhere, NY", "error"),
    ("kind: cgroup, path: /none, exists: true, NY", "not-yet"),
    ("kind: cgroup, path: /, empty: true, F", "fail"),
    ("kind: cgroup, path: /, exists: true, NY", "pass"),
    ("kind: cgroup, path: /, exists: true, host: nowhere, NY", "error"),
    ("kind: mount, target: /srv/m, fstype: tmpfs, options: [nosuid], NY", "pass"),
    ("kind: mount, target: /srv/d, fstype: tmpfs, NY, F", "not-yet"),
    ("kind: mount, target: /srv/m, options: [ro], NY, F", "fail"),
    ("kind: mount, target: /srv/m, host: nowhere, NY", "error"),
    ("kind: reach, to: \"ping://10.7.7.1\", NY", "pass"),
    ("kind: reach, from: netns/blue, to: \"ping://10.7.7.1\", NY, F", "not-yet"),
    ("kind: reach, to: \"tcp://10.7.7.1:9\", NY, F", "fail"),
    ("kind: reach, to: \"tcp://10.7.7.1:9\", expect: refused, NY", "pass"),
    ("kind: reach, to: \"ping://10.7.7.1\", host: nowhere, NY", "error"),
    ("kind: answer, run: \"cat /srv/one\", is: one, NY", "pass"),
    ("kind: answer, given: true, is: one, NY, F", "not-yet"),
    ("kind: answer, run: \"cat /srv/one\", is: two, NY, F", "fail"),
    ("kind: answer, run: \"true\", is: two, host: nowhere, NY", "error"),
    ("kind: history, events: [{kind: line, subject: \"^rm\"}, {kind: line, subject: HERE}], NY", "pass"),
    ("kind: history, events: [{kind: line, subject: \"^never typed$\"}], NY, F", "not-yet"),
    ("kind: history, events: [{kind: line, subject: HERE}, {kind: line, subject: \"^rm\"}], NY, F", "fail"),
    ("kind: history, events: [{kind: line}], host: nowhere, NY", "error"),
    ("kind: never, event: {kind: line, subject: kill}, opportunity: f0, F", "pass"),
    ("kind: never, event: {kind: line, subject: \"^rm\"}, opportunity: f0, F", "fail"),
    ("kind: never, event: {kind: line, subject: kill}, opportunity: f1, F", "vacuous"),
    ("kind: never, event: {kind: line, subject: kill}, opportunity: f4, F", "error"),
    ("kind: invariant, of: f0, F", "pass"),
    ("kind: invariant, of: f1, F", "fail"),
    ("kind: invariant, of: f4, F", "error"),
    ("kind: budget, of: \"bytes:/srv/one\", at_most: 4, NY", "pass"),
    ("kind: budget, of: \"pids:/none\", at_most: 4, NY, F", "not-yet"),
    ("kind: budget, of: mounts, at_most: 1, F", "fail"),
    ("kind: budget, of: mounts, at_most: 1, host: nowhere, F", "error"),
    ("kind: exec, run: \"exit 3\", exit: 3, reason: to test this kind, NY", "pass"),
    ("kind: exec, run: \"exit 3\", reason: to test this kind, NY", "not-yet"),
    ("kind: exec, run: \"exit 3\", reason: to test this kind, F", "fail"),
    ("kind: exec, run: \"exit 0\", reason: to test this kind, host: nowhere, F", "error"),
];

/// A course with one lab of one step that asks all facts of a table, in the short form in which they stand there.
pub(super) fn course(sandbox: &Sandbox, setup: &str, table: &[(&str, &str)]) -> PathBuf {
    let text = |fact: &str| fact.replace(", NY", ", not_yet: \"NY {got}\"").replace(", F", ", fail: \"F {got}\"");
    let facts: String = table.iter().enumerate().map(|(at, (fact, _))| format!("      - {{id: f{at}, {}}}\n", text(fact))).collect();
    let lab = format!("id: test/word\ntitle: All kinds\n{setup}steps:\n  - id: all\n    goal: All kinds.\n    facts:\n{facts}");
    let folder = sandbox.path().join("course");
    fs::create_dir_all(folder.join("labs/test/word")).expect("make the lab");
    fs::write(folder.join("labs/test/word/lab.yaml"), lab).expect("write the lab");
    folder
}

/// Id, verdict and what was seen of the facts in the last check of the journal.
pub(super) fn checked(sandbox: &Sandbox) -> BTreeMap<String, (String, String)> {
    let text = fs::read_to_string(sandbox.state().join("bottles/main/journal.jsonl")).expect("a journal");
    let mut events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let check = events.rfind(|event| event["kind"] == "check").expect("a check");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let facts = check["data"]["facts"].as_array().expect("facts");
    facts.iter().map(|fact| (text(&fact["id"]), (text(&fact["verdict"]), text(&fact["say"])))).collect()
}

/// Whether a bottle has no cgroups here: of all users, those to whom none are delegated. `doctor` says it, by another way than facts look.
pub(crate) fn no_cgroups() -> bool {
    let told = Sandbox::new().bottleship(["doctor"]).output().stdout;
    let lacks = |ability: &str| told.lines().any(|line| line.split_whitespace().take(2).eq([ability, "no"]));
    rights() != Rights::Root && lacks("cgroup1") && lacks("cgroup2")
}

#[test]
fn every_kind_has_each_of_its_verdicts_in_a_real_bottle() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox, SETUP, TABLE);
    let said = typed(&sandbox, &course, &format!("{TYPED}:check\n"));
    assert!(said.contains("all: error"), "the worst verdict is the step's:\n{said}");
    let found = checked(&sandbox);
    let mut wrong = Vec::new();
    let without = no_cgroups();
    for (at, (fact, wanted)) in TABLE.iter().enumerate() {
        let (verdict, say) = &found[&format!("f{at}")];
        let about_cgroups = fact.starts_with("kind: cgroup,") || fact.contains("of: \"pids:");
        if without && about_cgroups {
            // Nothing can be said there, and that is said.
            let told = *verdict == "error" && (say.contains("this host has no cgroups") || fact.contains("host: nowhere"));
            assert!(told, "f{at} {fact}: {verdict} ({say})");
            skip(&format!("facts: {fact}"), "no cgroup of this machine is delegated to this user, so the verdict is `error`");
        } else if verdict != wanted {
            wrong.push(format!("f{at} {fact}: {verdict} ({say}), not {wanted}"));
        }
        assert!(!say.is_empty(), "f{at} says nothing: {fact}");
    }
    assert!(wrong.is_empty(), "{}\n{said}", wrong.join("\n"));
}

#[test]
fn the_table_has_every_kind_with_at_least_two_verdicts_and_error() {
    const KINDS: [&str; 16] = [
        "exists",
        "gone",
        "field",
        "count",
        "file",
        "process",
        "namespace",
        "cgroup",
        "mount",
        "reach",
        "answer",
        "history",
        "never",
        "invariant",
        "budget",
        "exec",
    ];
    for kind in KINDS {
        let verdicts: Vec<&str> =
            TABLE.iter().filter(|(fact, _)| fact.starts_with(&format!("kind: {kind},"))).map(|(_, verdict)| *verdict).collect();
        assert!(verdicts.contains(&"pass") && verdicts.contains(&"error"), "{kind}: {verdicts:?}");
        assert!(verdicts.contains(&"fail"), "{kind}: {verdicts:?}");
    }
}

/// A lab whose one fact must hold for a while, and a program of the learner's that makes it come and go.
fn flapping(fact: &str, flap: &str) -> String {
    let sandbox = Sandbox::new();
    let lab = format!(
        "id: test/word\ntitle: T\nsteps:\n  - id: s\n    goal: G.\n    facts:\n      - {{id: f, {fact}, hold: 800ms, not_yet: \"{{got}}.\"}}\n"
    );
    let folder = sandbox.path().join("course");
    fs::create_dir_all(folder.join("labs/test/word")).expect("make the lab");
    fs::write(folder.join("labs/test/word/lab.yaml"), lab).expect("write the lab");
    // The check begins in a moment in which the fact holds: until it does, it is asked again.
    let checks = ":check\n".repeat(6);
    let output = bottleship(&sandbox, &folder, &["--plain"]).input(format!("{flap} &\nsleep 0.3\n{checks}kill %1\n")).output();
    output.stdout + &output.stderr
}

#[test]
fn a_world_that_comes_and_goes_does_not_pass() {
    for (fact, flap) in [
        ("kind: file, path: /srv/x, exists: true", "(while :; do touch /srv/x; sleep 0.03; rm -f /srv/x; sleep 0.03; done)"),
        ("kind: file, path: /srv/x, is: up", "(while :; do echo up > /srv/x; sleep 0.05; echo down > /srv/x; sleep 0.01; done)"),
        // It is there at nearly every moment, and never for long: a crash loop.
        ("kind: process, match: {args: \"^beacon\"}", "(while :; do (exec -a beacon sleep 0.2); done)"),
        ("kind: exists, of: process/sleep", "(while :; do sleep 0.2; done)"),
    ] {
        let said = flapping(fact, flap);
        assert!(said.contains("s: not yet"), "{fact}: never checked:\n{said}");
        assert!(!said.contains("s: pass"), "{fact}: fooled:\n{said}");
    }
}

#[test]
fn what_holds_passes_and_says_for_how_long() {
    let said = flapping("kind: process, match: {args: \"^beacon\"}", "(exec -a beacon sleep 100)");
    assert!(said.contains("s: pass") && said.contains("(held for 0.8 s)"), "{said}");
}
