//! What a learner reads, as it comes: a walk through a lesson and a lab, at 80 and 40 columns, in colour and plain, and through a pipe.
//!
//! The single views are snapshot-tested from their models (`src/repl/tests.rs`); here are the whole answers, with what the session says.

use std::fs;
use std::path::PathBuf;

use super::Prompt;
use crate::support::{Call, Sandbox};
use crate::terminal::Terminal;

const LESSON: &str = r#"---
id: walk/lesson
title: Folders
minutes: 1
needs: []
world: {hosts: [bench]}
teaches: []
---
# Folders

What a *folder* is. **Everything** below is made up for a test.

## Make one {#make}

Make the folder `/srv/made`.

```predict
id: many
ask: "How many folders will there be?"
choices: ["none", "one", "many"]
answer: 2
why: "`mkdir` makes one."
```

```run
mkdir /srv/made
```

```check
facts:
  - {id: made, kind: exists, of: file//srv/made, not_yet: "There is no /srv/made."}
hints: ["A command makes folders.", "It begins with mk."]
debrief: "A folder is a list of names."
```

## Think {#think}

```quiz
id: what
ask: "What is in a folder?"
choices: ["names", "files", "bytes on a long line that has to be broken on a terminal of forty columns"]
answer: 1
why: "A folder is a list of *names*."
```
"#;

const LAB: &str = r#"id: walk/lab
title: A tidy harbour
minutes: 2
needs: [walk/lesson]
teaches: []
world: {hosts: [bench]}
steps:
  - id: tidy
    goal: There is a folder `/srv/harbour`, and nobody removed `/srv/quay`.
    points: 2
    facts:
      - {id: harbour, kind: exists, of: file//srv/harbour, not_yet: "There is no /srv/harbour."}
      - {id: quay, kind: exists, of: file//srv/quay, not_yet: "The quay is gone."}
    mistakes:
      - {id: dock, when: {kind: exists, of: file//srv/dock}, say: "A dock is not a harbour.", hint: 1}
    hints: ["Look at /srv.", "mkdir is the word."]
    debrief: "Tidy."
setup: ["mkdir /srv/quay"]
"#;

/// Each line, in order: what it shows is one part of the snapshot.
const WALK: &[&str] = &[
    "",
    ":list",
    ":map",
    ":check",
    ":next",
    ":hint",
    ":hint",
    ":hint",
    ":predict",
    ":predict 9",
    ":predict 3",
    ":reveal",
    "mkdir /srv/made",
    ":diff",
    ":check",
    ":diff",
    ":next",
    ":quiz",
    ":quiz 2",
    ":quiz 1",
    ":answer 4",
    ":note folders are lists",
    ":note",
    ":back",
    ":reset",
    ":play",
    "touch /srv/only-here",
    ":done",
    "ls /srv",
    ":host",
    ":host nowhere",
    "@nowhere ls",
    "@internet",
    ":zoom sideways",
    ":zoom off",
    ":goto",
    ":goto nowhere",
    ":goto walk/lab",
    "mkdir /srv/dock",
    ":check",
    ":skip",
    ":goto walk/lab#tidy",
    "mkdir /srv/harbour",
    ":check",
    ":next",
    ":report",
    "exit 3",
    ":chek",
];

fn course(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("course");
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
        fs::write(path, text).expect("write a file of the course");
    };
    write("lessons/01-walk/01-lesson.md", LESSON);
    write("labs/walk/lab/lab.yaml", LAB);
    write("labs/walk/lab/task.md", "Tidy the harbour up.\n");
    write("solutions/walk/lab/solve.console", "$ mkdir /srv/harbour\n");
    folder
}

fn call(sandbox: &Sandbox, plain: bool) -> Call {
    let course = course(sandbox);
    let call = sandbox.bottleship(["--course", course.to_str().expect("a path of text")]).env("BOTTLESHIP_SEED", "walk");
    if plain { call.args(["--plain"]) } else { call }
}

/// What came after the line that was typed, with nothing in it that is different on every machine.
fn answer(shown: &str) -> String {
    let after = shown.find("\x1b[?2004l").map_or(shown, |at| &shown[at + "\x1b[?2004l".len()..]);
    let after = after.split_once('\n').map_or("", |(_, after)| after);
    steady(&after.replace("\r\n", "\n").replace('\r', "").replace('\x1b', "␛"))
}

/// Numbers of events are as many as the machine has tools and hosts.
fn steady(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for character in text.chars().chain(['\0']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        let event = out.ends_with("event ") || out.ends_with("events ");
        out.push_str(if event && !digits.is_empty() { "N" } else { &digits });
        digits.clear();
        out.push(character);
    }
    out.trim_end_matches('\0').to_owned()
}

fn walk(columns: u16, plain: bool) -> String {
    let sandbox = Sandbox::new();
    let call = call(&sandbox, plain).env("BOTTLESHIP_PTY_MARKS", "1").env("TERM", "xterm-256color").env("NO_COLOR", "");
    let mut prompt = Prompt { terminal: Terminal::start(&call, columns, 24), _sandbox: sandbox };
    let first = prompt.ready().0;
    let mut text = format!("{}\n", steady(&first.replace("\r\n", "\n").replace('\x1b', "␛")));
    for line in WALK {
        let (shown, status) = prompt.line(line);
        text.push_str(&format!("=== {line} [{status}]\n{}", answer(&shown)));
    }
    text
}

#[test]
fn plain_at_80_columns() {
    insta::assert_snapshot!("walk-plain-80", walk(80, true));
}

#[test]
fn plain_at_40_columns() {
    insta::assert_snapshot!("walk-plain-40", walk(40, true));
}

#[test]
fn colour_at_80_columns() {
    insta::assert_snapshot!("walk-colour-80", walk(80, false));
}

#[test]
fn colour_at_40_columns() {
    insta::assert_snapshot!("walk-colour-40", walk(40, false));
}

/// The same walk without a terminal: plain lines on standard output, and nothing else.
#[test]
fn through_a_pipe() {
    let sandbox = Sandbox::new();
    let script = WALK.iter().map(|line| format!("{line}\n")).collect::<String>();
    let output = call(&sandbox, false).input(script).exits(2);
    assert_eq!(output.stderr, "");
    insta::assert_snapshot!("walk-pipe", steady(&output.stdout));
}
