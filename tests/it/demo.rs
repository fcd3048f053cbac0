//! Demos as a presenter meets them: the real binary on a real pty, with a demo of its own that needs no engine.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::course::facts::no_cgroups;
use crate::support::{Call, Sandbox, skip};
use crate::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(30);

const DEMO: &str = r#"---
id: demos/folders
title: Folders
minutes: 1
---
What this is about.

## Make one {#one}

Every folder begins empty.

```notes
Speak slowly.
```

```run
mkdir /srv/one
ls -A /srv/one | wc -l
```

```output
0
```

```check
- {id: made, kind: exists, of: file//srv/one, not_yet: "There is no /srv/one."}
```

## It comes by itself {#later}

```run
(until [ -e /srv/one/go ]; do read -t 0.05 < <(:); done; mkdir /srv/two) & disown
touch /srv/one/go
```

```check
- {id: two, kind: exists, of: file//srv/two, not_yet: "There is no /srv/two."}
```

## The end {#end}

```run
rmdir /srv/one/nothing
```

```output exit=1
rmdir: [..]
```
"#;

/// A demo in a file.
fn file(sandbox: &Sandbox, text: &str) -> PathBuf {
    let path = sandbox.path().join("folders.md");
    fs::write(&path, text).expect("write the demo");
    path
}

fn demo(sandbox: &Sandbox, args: &[&str]) -> Call {
    sandbox.bottleship(["demo"]).args(args).env("TERM", "xterm").env("NO_COLOR", "")
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("a path of text")
}

/// A presenter before the demo.
struct Show {
    terminal: Terminal,
    sandbox: Sandbox,
}

impl Show {
    fn start(args: &[&str]) -> Show {
        let sandbox = Sandbox::new();
        let path = file(&sandbox, DEMO);
        let call = demo(&sandbox, &[&[text(&path)], args].concat()).env("BOTTLESHIP_PTY_MARKS", "1");
        let mut show = Show { terminal: Terminal::start(&call, 100, 30), sandbox };
        assert_eq!(show.waits(), ("1;begin".to_owned(), String::new()));
        show
    }

    /// Until a key is waited for: at which cue, and what was shown until then.
    fn waits(&mut self) -> (String, String) {
        let mark = "\x1b]7791;repl;cue;";
        let shown = self.terminal.expect(mark, PATIENCE);
        let at = self.terminal.expect("\x07", PATIENCE);
        let shown = shown.trim_end_matches(mark).replace("bench:~# ", "");
        let shown = shown.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\r\x1b[K", "").replace("\x1b[2J\x1b[H", "<fresh>");
        (at.trim_end_matches('\x07').to_owned(), shown.trim().to_owned())
    }

    /// Presses keys; at which cue the presenter is then, and what was shown.
    fn press(&mut self, keys: &str) -> (String, String) {
        self.terminal.send(keys);
        self.waits()
    }

    fn ends(mut self) -> Sandbox {
        self.terminal.send("q");
        assert_eq!(self.terminal.ends(PATIENCE).code(), Some(0));
        let listed = self.sandbox.bottleship(["ls"]).succeeds().stdout;
        assert_eq!(listed.lines().count(), 1, "nothing of its world is left: {listed}");
        self.sandbox
    }
}

#[test]
fn each_key_of_a_clicker_shows_one_cue_which_waits_for_its_facts() {
    let mut show = Show::start(&["--fast"]);
    let (at, shown) = show.press("\x1b[6~");
    assert_eq!(at, "1;shown");
    for words in ["What this is about.", "Make one", "Every folder begins empty.", "mkdir /srv/one\r\n", "ls -A /srv/one | wc -l\r\n0"] {
        assert!(shown.contains(words), "{words:?} is not in {shown:?}");
    }
    assert!(!shown.contains("cue 1 of") && !shown.contains("Speak slowly"), "the room reads no notes: {shown}");
    // The folder is made in the background after the line has ended; the cue ends when it is there.
    assert_eq!(show.press(" ").0, "2;shown");
    let (at, shown) = show.press("\r");
    assert_eq!(at, "3;shown");
    assert!(shown.contains("rmdir:") && !shown.contains("Not as rehearsed"), "{shown}");
    assert!(show.press("\r").1.contains("That was the last cue"));
    show.ends();
}

#[test]
fn going_back_and_jumping_make_the_world_as_it_was_then() {
    let mut show = Show::start(&["--fast"]);
    show.press("\r");
    assert_eq!(show.press("\r").0, "2;shown");
    // Something that the demo does not do.
    show.terminal.send("k");
    show.terminal.expect("\x1b]7791;repl;ready;0\x07", PATIENCE);
    show.terminal.line("touch /srv/by-hand; ls /srv | tr '\\n' ,");
    let shown = show.terminal.expect("\x1b]7791;repl;ready;0\x07", PATIENCE);
    assert!(shown.contains("by-hand,one,two,"), "the keyboard is in the same world: {shown}");
    assert_eq!(show.press("\x04").0, "2;shown");
    let (at, shown) = show.press("\x1b[5~");
    assert_eq!(at, "2;begin");
    assert!(shown.contains("<fresh>") || !shown.contains("It comes by itself"), "{shown}");
    show.terminal.send("k");
    show.terminal.expect("\x1b]7791;repl;ready;0\x07", PATIENCE);
    show.terminal.line("ls /srv | tr '\\n' ,");
    let shown = show.terminal.expect("\x1b]7791;repl;ready;0\x07", PATIENCE);
    assert!(shown.contains("one,") && !shown.contains("two,") && !shown.contains("by-hand,"), "as cue 2 began: {shown}");
    show.press("\x04");
    assert_eq!(show.press("3\r").0, "3;begin");
    assert_eq!(show.press("\x7f").0, "2;begin");
    assert!(show.press("17\r").1.contains("There is no cue 17: there are 3."));
    assert_eq!(show.press("1\r").0, "1;begin");
    assert!(show.press("b").1.contains("This is the first cue."));
    assert_eq!(show.press("n").0, "1;shown");
    show.ends();
}

#[test]
fn notes_go_where_only_the_presenter_reads() {
    let sandbox = Sandbox::new();
    let notes = sandbox.path().join("notes");
    let mut show = Show::start(&["--fast", "--notes", text(&notes)]);
    let (_, shown) = show.press("\r");
    assert!(!shown.contains("Speak slowly"), "{shown}");
    let written = fs::read_to_string(&notes).expect("the notes are written");
    assert!(written.contains("cue 1 of 3: Make one\nSpeak slowly.\nnext: It comes by itself\n"), "{written}");
    show.ends();
}

#[test]
fn lines_are_typed_key_by_key_and_a_key_hurries_them() {
    let mut show = Show::start(&[]);
    show.terminal.send("\r");
    // The echo of one letter, long before the line ends.
    show.terminal.expect("mkd", PATIENCE);
    assert!(!show.terminal.seen().contains("mkdir /srv/one\r\n"), "it comes letter by letter");
    show.terminal.send("\r");
    assert_eq!(show.waits().0, "1;shown");
    show.ends();
}

#[test]
fn a_rehearsal_names_cue_file_line_expected_and_seen() {
    let sandbox = Sandbox::new();
    let path = file(&sandbox, DEMO);
    let said = demo(&sandbox, &["rehearse", text(&path), "--times", "2"]).succeeds().stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("ok: folders, 1 of 2: 3 cues, 9 expectations, 0 missed, "), "{said}");
    assert!(lines[1].starts_with("ok: folders, 2 of 2: ") && lines.len() == 2, "{said}");
    let broken = DEMO
        .replace("```output\n0\n", "```output\n1\n")
        .replace("mkdir /srv/two", "true")
        .replace("```output exit=1\nrmdir: [..]\n```\n", "");
    let path = file(&sandbox, &broken);
    let run = demo(&sandbox, &["rehearse", text(&path), "--patience", "1"]).output();
    assert_eq!(run.status.code(), Some(1), "{}{}", run.stdout, run.stderr);
    let place = |line: &str| format!("  {}:{line}", path.display());
    for words in [
        "FAILED: folders: 3 cues, 8 expectations, 3 missed, ".to_owned(),
        format!("{}: cue 1 of 3 (`one`)\n    expected: no line fits `1`\n    seen:     it prints: 0\n", place("22")),
        format!("{}: cue 2 of 3 (`later`)\n    expected: - {{id: two, kind: exists,", place("37")),
        "    seen:     not yet: There is no /srv/two.".to_owned(),
        format!(
            "{}: cue 3 of 3 (`end`)\n    expected: `rmdir /srv/one/nothing` ends with 0\n    seen:     it ended with 1: rmdir:",
            place("43")
        ),
    ] {
        assert!(run.stdout.contains(&words), "{words:?} is not in:\n{}", run.stdout);
    }
    let listed = sandbox.bottleship(["ls"]).succeeds().stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn a_recording_is_an_asciicast_of_what_was_shown() {
    let sandbox = Sandbox::new();
    let path = file(&sandbox, DEMO);
    let cast = sandbox.path().join("folders.cast");
    demo(&sandbox, &["record", text(&path), text(&cast), "--seed", "3"]).succeeds();
    let recorded = fs::read_to_string(&cast).expect("the recording");
    let lines: Vec<serde_json::Value> = recorded.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(
        (lines[0]["version"].as_u64(), lines[0]["width"].as_u64(), lines[0]["title"].as_str()),
        (Some(2), Some(100), Some("Folders"))
    );
    let times: Vec<f64> = lines[1..].iter().map(|event| event[0].as_f64().expect("a time")).collect();
    assert!(times.is_sorted(), "time goes on: {times:?}");
    let shown: String = lines[1..].iter().map(|event| event[2].as_str().expect("a text")).collect();
    assert!(shown.contains("ls -A /srv/one | wc -l") && shown.contains("It comes by itself"), "{shown}");
    assert!(lines.len() > 40, "key by key: {} events", lines.len());
    // With a presenter: the keys go through, and what is shown is on the screen too.
    let call = demo(&sandbox, &[text(&path), "--fast", "--record", text(&cast)]).env("BOTTLESHIP_PTY_MARKS", "1");
    let mut terminal = Terminal::start(&call, 90, 25);
    terminal.expect("cue;1;begin", PATIENCE);
    terminal.send("\r");
    terminal.expect("cue;1;shown", PATIENCE);
    terminal.send("q");
    assert_eq!(terminal.ends(PATIENCE).code(), Some(0));
    let recorded = fs::read_to_string(&cast).expect("the recording");
    assert!(recorded.starts_with("{\"version\":2,\"width\":90,\"height\":25,"), "{recorded}");
    assert!(recorded.contains("Every folder begins empty."), "{recorded}");
}

#[test]
fn plain_and_without_a_terminal_a_demo_is_lines() {
    let sandbox = Sandbox::new();
    let path = file(&sandbox, DEMO);
    let run = demo(&sandbox, &[text(&path), "--auto", "--plain"]).succeeds();
    assert!(!run.stdout.contains('\x1b'), "{:?}", run.stdout);
    assert!(run.stdout.contains("# mkdir /srv/one\n") && run.stdout.contains("# ls -A /srv/one | wc -l\n0\n"), "{}", run.stdout);
    let refused = demo(&sandbox, &[text(&path)]).output();
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("standard input is no terminal") && refused.stderr.contains("--auto"), "{}", refused.stderr);
    let unknown = demo(&sandbox, &["rehearse", "nothing"]).output();
    assert!(unknown.stderr.contains("there is no demo `nothing`") && unknown.stderr.contains("build-cache"), "{}", unknown.stderr);
}

/// What a presenter relies on before a talk; here once, and ten times in a row with `bottleship demo rehearse NAME --times 10`.
fn rehearses_green(name: &str) {
    let sandbox = Sandbox::new();
    let run = demo(&sandbox, &["rehearse", name]).patience(Duration::from_secs(300)).output();
    if run.stderr.contains("cannot be shown on this machine: no cgroup of this machine is delegated") {
        assert!(no_cgroups(), "{name}:\n{}", run.stderr);
        skip(&format!("the demo {name} rehearses green"), "no cgroup of this machine is delegated to this user");
        return;
    }
    assert!(run.status.success(), "{name}:\n{}{}", run.stdout, run.stderr);
}

#[test]
fn the_demo_of_the_container_rehearses_green() {
    rehearses_green("container");
}

#[test]
fn the_demo_of_the_build_cache_rehearses_green() {
    rehearses_green("build-cache");
}

#[test]
fn the_demo_of_dockercoins_rehearses_green() {
    rehearses_green("dockercoins");
}
