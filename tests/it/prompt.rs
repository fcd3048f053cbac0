//! The prompt as a person or a script meets it: the real binary, on a real pty or behind a pipe, with a small course of its own.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::{Call, Sandbox};
use crate::terminal::Terminal;

mod ahead;
mod batch;
mod editing;
mod keys;
mod programs;
mod shells;
mod views;
mod worlds;

/// How long a single answer may take: generous, since the machine may be building.
const PATIENCE: Duration = Duration::from_secs(30);

const LESSON: &str = r#"---
id: test/first
title: A first lesson
minutes: 1
needs: []
world: {hosts: [bench]}
teaches: []
---
# A first lesson

What this is about.

## Make a folder {#one}

Make the folder `/srv/made`.

```run
mkdir /srv/made
```

```check
- {id: made, kind: exists, of: file//srv/made, not_yet: "There is no /srv/made."}
```

## Read {#two}

Nothing to do here.
"#;

/// A course of one lesson.
fn course(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("course");
    fs::create_dir_all(folder.join("lessons/01-test")).expect("make the course");
    fs::write(folder.join("lessons/01-test/01-first.md"), LESSON).expect("write the lesson");
    folder
}

/// `bottleship` with that course.
fn bottleship(sandbox: &Sandbox, args: &[&str]) -> Call {
    let course = course(sandbox);
    let mut all = vec!["--course", course.to_str().expect("a path of text")];
    all.splice(0..0, args.first().filter(|first| **first == "run").copied());
    all.extend(args.iter().filter(|arg| **arg != "run"));
    sandbox.bottleship(all).env("TERM", "xterm").env("NO_COLOR", "")
}

/// The prompt on a pty.
struct Prompt {
    terminal: Terminal,
    _sandbox: Sandbox,
}

impl Prompt {
    /// Starts it and waits until it does.
    fn start(args: &[&str], columns: u16) -> Self {
        let sandbox = Sandbox::new();
        let call = bottleship(&sandbox, args).env("BOTTLESHIP_PTY_MARKS", "1");
        let mut prompt = Prompt { terminal: Terminal::start(&call, columns, 24), _sandbox: sandbox };
        prompt.ready();
        prompt
    }

    /// Waits until the prompt waits for a line; gives what was shown until then, and the last line's exit code.
    fn ready(&mut self) -> (String, i32) {
        let mut shown = self.terminal.expect("\x1b]7791;repl;ready;", PATIENCE);
        shown.truncate(shown.len() - "\x1b]7791;repl;ready;".len());
        let status = self.terminal.expect("\x07", PATIENCE);
        (shown, status.trim_end_matches('\x07').parse().expect("an exit code"))
    }

    /// Types a line; gives what it showed, and its exit code.
    fn line(&mut self, line: &str) -> (String, i32) {
        self.terminal.line(line);
        self.ready()
    }

    /// Types a line that leads to a program without marks, and waits until that reads.
    fn raw(&mut self, line: &str) -> String {
        self.terminal.line(line);
        self.terminal.expect("\x1b]7791;repl;raw\x07", PATIENCE)
    }
}

/// Text without escape sequences, for looking at words.
fn bare(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\x1b', Some('[')) => {
                let _ = characters.by_ref().skip(1).find(|character| ('@'..='~').contains(character));
            }
            ('\x1b', Some(']')) => {
                let _ = characters.by_ref().find(|character| *character == '\x07');
            }
            _ => out.push(character),
        }
    }
    out
}
