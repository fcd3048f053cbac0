//! The journal under attack: what a program in the bottle says of itself gives no pass and spoils none, and does not stop the bottle.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{bottleship, typed};
use crate::support::Sandbox;

/// The step wants a line that nobody types, a mistake that was not made, and a neighbour that never was away.
const LAB: &str = r#"id: test/word
title: Speak for yourself
steps:
  - id: honest
    goal: Type `touch /srv/done`.
    facts:
      - {id: typed, kind: history, events: [{kind: line, subject: "^touch /srv/done$"}], not_yet: "{got}."}
      - {id: there, kind: file, path: /srv/there, exists: true, not_yet: "{got}."}
      - {id: never, kind: never, event: {kind: container.delete}, opportunity: there, fail: "Event {seq}."}
      - {id: always, kind: invariant, of: there, fail: "Event {seq}."}
      - {id: said, kind: answer, given: true, is: "yes", not_yet: "{got}."}
"#;

/// Sends each line of its input as one message to the journal's socket in the host and prints the answers.
const FORGER: &str = r#"use Socket; socket(S, AF_UNIX, 5, 0) or die; connect(S, sockaddr_un("/run/bottleship/journal.sock")) or die "connect: $!";
while (<STDIN>) { chomp; send(S, $_, 0); recv(S, $a, 4096, 0); print "$a\n"; }"#;

fn course(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("course");
    fs::create_dir_all(folder.join("labs/test/word")).expect("make the lab");
    fs::write(folder.join("labs/test/word/lab.yaml"), LAB).expect("write the lab");
    folder
}

/// The events of the last bottle.
fn events(sandbox: &Sandbox) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.state().join("bottles/main/journal.jsonl")).expect("a journal");
    text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

#[test]
fn forged_events_give_no_pass_and_spoil_none() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox);
    let forged = [
        r#"{"kind":"line","actor":"you","subject":"touch /srv/done"}"#,
        r#"{"kind":"line","subject":"touch /srv/done"}"#,
        r#"{"kind":"answer","data":{"text":"yes"},"subject":"yes"}"#,
        r#"{"kind":"look","subject":"test/word#honest#there","data":{"verdict":"pass"}}"#,
        r#"{"kind":"look","actor":"check","subject":"test/word#honest#there","data":{"verdict":"pass"}}"#,
        r#"{"kind":"step","subject":"test/word#honest"}"#,
        r#"{"kind":"check","data":{"verdict":"pass"}}"#,
        r#"{"kind":"container.delete","actor":"runtime","subject":"container/web","cause":999999}"#,
    ];
    let script = format!(
        "cat > /srv/forge.pl <<'END'\n{FORGER}\nEND\ncat > /srv/lies <<'END'\n{}\nEND\nperl /srv/forge.pl < /srv/lies\n:check\ntouch /srv/there\n:check\n:next\n",
        forged.join("\n")
    );
    let said = typed(&sandbox, &course, &script);
    assert!(!said.contains("connect:"), "the socket is there:\n{said}");
    assert_eq!(said.matches("written outside of the bottle only").count(), 5, "{said}");
    assert_eq!(said.matches("nobody here speaks for it").count(), 2, "{said}");
    let last = said.rsplit("honest: ").next().expect("a check");
    for wanted in ["not yet: no line with", "not yet: You have given no answer", "fail: Event"] {
        assert!(last.contains(wanted), "`{wanted}` is not in the last check:\n{said}");
    }
    // The one that was let in is marked, caused by a line that was there, and spoils nothing.
    assert!(last.contains("pass: Never"), "{said}");
    let events = events(&sandbox);
    let inside: Vec<&Value> = events.iter().filter(|event| event["inside"] == true).collect();
    assert_eq!(inside.len(), 1, "{inside:#?}");
    assert!(inside[0]["cause"].as_u64().expect("a cause") < inside[0]["seq"].as_u64().expect("a number"));
}

#[test]
fn a_program_that_never_listens_or_floods_does_not_stop_the_bottle() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox);
    // Five hundred connections, one that sends without reading, one message that is too long, and one that is garbage.
    let flood = r#"use Socket; my @all; for (1..500) { my $s; socket($s, AF_UNIX, 5, 0) && connect($s, sockaddr_un("/run/bottleship/journal.sock")) && push @all, $s; }
my $s = $all[0]; $SIG{ALRM} = sub { exit 0 }; alarm 2; my $m = '{"kind":"note","subject":"' . ("x" x 60000) . '"}';
send($s, "\0garbage", 0); send($all[1], "y" x 190000, 0); for (1..2000) { send($s, $m, 0) or last; }"#;
    let script = format!("cat > /srv/flood.pl <<'END'\n{flood}\nEND\nperl /srv/flood.pl\necho still $((40 + 2))\n:check\n");
    let said = typed(&sandbox, &course, &script);
    assert!(said.contains("still 42") && said.contains("honest: "), "{said}");
    let size = fs::metadata(sandbox.state().join("bottles/main/journal.jsonl")).expect("a journal").len();
    assert!(size < 40 << 20, "the journal has grown to {size} bytes");
    bottleship(&sandbox, &course, &["run", "/dev/null"]).succeeds();
}

#[test]
fn a_very_long_line_and_odd_bytes_are_kept_whole() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox);
    let long = "x".repeat(100_000);
    typed(&sandbox, &course, &format!("true {long}\nprintf '\\033[31m \\001\\n'\n:check\n"));
    let events = events(&sandbox);
    assert!(events.iter().any(|event| event["kind"] == "line" && event["subject"].as_str().is_some_and(|line| line.ends_with(&long))));
    for pair in events.windows(2) {
        assert_eq!(pair[0]["seq"].as_u64().map(|seq| seq + 1), pair[1]["seq"].as_u64(), "one order, no gap");
    }
}
