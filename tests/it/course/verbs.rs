//! Every course command, through the real prompt: as a script, and on a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::{PATIENCE, bottleship, typed};
use crate::support::{Rights, Sandbox, rights};
use crate::terminal::Terminal;

const LESSON: &str = r#"---
id: test/first
title: A first lesson
---
What this is about.

## Make {#make}

```predict
ask: How many files will /srv/made hold?
choices: [none, "1", "2"]
answer: {run: "ls /srv/made | wc -l"}
why: One was made.
```

```run
mkdir /srv/made
touch /srv/made/one
```

```check
facts: [{id: made, kind: exists, of: file//srv/made, not_yet: "There is no /srv/made."}]
hints: ["It is a folder.", "A program makes folders.", "Its name begins with mk."]
debrief: A folder is a file with names in it.
```

## Read {#read}

```quiz
ask: What is a folder?
choices: [a file, a disk]
answer: 1
why: A file with names in it.
```

## Last {#last}

Nothing more.
"#;

const LAB: &str = r#"id: test/lab
title: A lab
params: {word: {hex: 8}}
setup: ["echo {word} > /srv/given"]
steps:
  - id: kept
    goal: Keep the word.
    points: 4
    facts:
      - {id: kept, kind: file, path: /srv/kept, is: "{word}", points: 3, not_yet: "kept: {got}."}
      - {id: safe, kind: file, path: /srv/given, exists: true, points: 1, lasting: true, fail: "The given word: {got}."}
      - {id: always, kind: invariant, of: safe, points: 0, lasting: true, fail: "It was away after `{subject}`."}
    mistakes: [{id: moved, when: {kind: file, path: /srv/given, exists: false}, say: "The given word is gone: {got}.", hint: 2}]
    hints: [one, two, three]
  - id: sealed
    goal: Seal it.
    facts: [{id: mode, kind: file, path: /srv/kept, mode: "0444", fail: "It has {got}."}]
  - id: said
    goal: Say it.
    facts: [{id: said, kind: answer, given: true, is: "{word}", not_yet: "You said {got}."}]
"#;

fn course(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("course");
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
        fs::write(path, text).expect("write the file");
    };
    write("lessons/01-test/01-first.md", LESSON);
    write("labs/test/lab/lab.yaml", LAB);
    write(
        "solutions/test/lab/solve.console",
        "$ cp /srv/given /srv/kept\n$ :check\n$ chmod 0444 /srv/kept\n$ :check\n$ :answer {word}\n$ :check\n",
    );
    folder
}

/// Types the lines one after the other; after each of them stands what must come up, in this order.
fn script(lines: &[(&str, &str)]) -> String {
    let sandbox = Sandbox::new();
    let course = course(&sandbox);
    let input: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let said = typed(&sandbox, &course, &input);
    let mut rest = said.as_str();
    for (line, wanted) in lines.iter().filter(|(_, wanted)| !wanted.is_empty()) {
        let at = rest.find(wanted).unwrap_or_else(|| panic!("after `{line}`: no `{wanted}` in:\n{rest}\n--- all:\n{said}"));
        rest = &rest[at + wanted.len()..];
    }
    said
}

#[test]
fn the_verbs_of_a_lesson() {
    script(&[
        (":list", "test/first"),
        (":map", "make"),
        (":hint", "Hint 1 of 3"),
        (":hint", "Hint 2 of 3"),
        (":hint", "Its name begins with mk."),
        (":hint", "Hint 3 of 3"),
        (":check", "There is no /srv/made."),
        (":next", "There is no /srv/made."),
        (":predict 3", "Noted"),
        (":reveal", "mkdir /srv/made"),
        ("mkdir /srv/made", ""),
        ("touch /srv/made/one", ""),
        ("", ""),
        (":diff", "/srv/made"),
        (":check", "make: pass"),
        (":check", "/srv/made is a folder."),
        (":why mkdir", "mkdir /srv/made"),
        (":zoom", "touch /srv/made/one"),
        (":next", "step 2 of 3"),
        (":quiz 2", "not right"),
        (":quiz 1", "right"),
        (":next", "step 3 of 3"),
        (":back", "step 2 of 3"),
        (":goto make", "step 1 of 3"),
        ("ls /srv/made", "cannot access"),
        (":skip", "step 2 of 3"),
        ("ls /srv/made", "one"),
        (":reset", "A fresh world, as the step began."),
        ("ls /srv/made", "one"),
        (":play", "Nothing in it counts"),
        ("rm -r /srv/made", ""),
        (":done", "Back in your own world."),
        ("ls /srv/made", "one"),
        (":note folders are files", "Kept."),
        (":report", "folders are files"),
        (":fidelity", "real"),
        (":help", ":check"),
        (":help hint", ":hint"),
        (":goto nowhere", "there is no"),
        (":chek", "did you mean `:check`?"),
        (":quit", ""),
    ]);
}

#[test]
fn what_belongs_to_later_parts_says_what_it_needs() {
    let said = script(&[
        (":clock pause", "`:clock` turns the clock of control loops"),
        (":pause scheduler", "`:pause` stops a control loop"),
        (":resume", "`:resume` lets a control loop"),
        (":step", "`:step` lets a paused control loop"),
        (":fault kill node1", "`:fault` breaks one thing of a cluster"),
        (":heal", "`:heal` takes back"),
        (":rosetta web", "`:rosetta` compares"),
        (":demo talk", "`:demo` plays the cues"),
    ]);
    assert!(!said.contains("there is no course command"), "{said}");
    assert_eq!(said.matches("it comes with a later part of the course").count(), 8, "{said}");
}

#[test]
fn a_step_that_was_revealed_gives_no_points() {
    script(&[
        (":goto test/lab", "Keep the word."),
        (":reveal", "cp /srv/given /srv/kept"),
        ("cp /srv/given /srv/kept", ""),
        ("chmod 0444 /srv/kept", ""),
        (":check", "kept: pass, 0 of 4 points"),
        (":report", "0 of"),
        (":quit", ""),
    ]);
}

#[test]
fn a_lab_counts_partial_points_knows_mistakes_and_what_must_last() {
    script(&[
        (":goto test/lab", "Keep the word."),
        (":check", "kept: vacuous, 1 of 4 points"),
        ("true", ""),
        (":check", "kept: not yet, 1 of 4 points"),
        ("mv /srv/given /srv/other", ""),
        (":check", "The given word is gone: it is not there."),
        ("", ""),
        (":reset", "A fresh world"),
        ("cp /srv/given /srv/kept", ""),
        (":check", "kept: pass, 4 of 4 points"),
        (":check", "sealed: fail"),
        // A pass once earned stays: what is not lasting may go.
        ("chmod 0444 /srv/kept", ""),
        (":check", "sealed: pass"),
        ("rm -f /srv/kept", ""),
        (":answer wrong", "Noted."),
        (":check", "You said wrong."),
        // What is lasting may not, and an invariant remembers.
        ("mv /srv/given /srv/elsewhere", ""),
        ("mv /srv/elsewhere /srv/given", ""),
    ]);
}

/// The whole lab, once as it should be, once with what must last taken away before the last check, once with it back again.
#[test]
fn the_last_check_looks_again_at_what_must_last() {
    let end = |between: &str| {
        let sandbox = Sandbox::new();
        let course = course(&sandbox);
        let lines = format!(
            ":goto test/lab\ncp /srv/given /srv/kept\n:check\nchmod 0444 /srv/kept\n:check\nword=$(cat /srv/given)\n{between}\necho :answer $word > /srv/line\n"
        );
        // The word is the learner's own: asked for first, given then.
        let word = typed(&sandbox, &course, ":goto test/lab\ncat /srv/given\n");
        let word =
            word.lines().find(|line| line.len() == 8 && line.bytes().all(|byte| byte.is_ascii_hexdigit())).expect("the word").to_owned();
        typed(&sandbox, &course, &format!("{lines}:answer {word}\n:check\n"))
    };
    let good = end("true");
    assert!(good.contains("said: pass") && good.contains("Done."), "{good}");
    let gone = end("rm /srv/given");
    assert!(gone.contains("There is no /srv/given."), "{gone}");
    assert!(!gone.contains("Done."), "{gone}");
    let back = end("mv /srv/given /srv/x\nmv /srv/x /srv/given");
    assert!(back.contains("It was away after `mv /srv/given /srv/x`."), "{back}");
    assert!(!back.contains("Done."), "{back}");
    let other = end("rm -f /srv/kept");
    assert!(other.contains("Done."), "what need not last may go:\n{other}");
}

#[test]
fn the_exit_code_of_a_script_is_that_of_its_checks() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox);
    for (lines, code) in [
        (":list\n", 0),
        (":check\n", 1),
        ("mkdir /srv/made\n:check\n", 0),
        (":nonsense\n", 2),
        (":predict\n", 2),
        (":done\n", 1),
        (":clock\n", 1),
        ("exit 7\n", 0),
        ("(exit 7)\n", 7),
    ] {
        let output = bottleship(&sandbox, &course, &["--plain", "--lesson", "test/first#make"]).input(lines).output();
        assert_eq!(output.code(), code, "{lines}{output}");
    }
}

#[test]
fn the_verbs_work_on_a_terminal() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox);
    let call = bottleship(&sandbox, &course, &[]).env("TERM", "xterm").env("NO_COLOR", "1");
    let mut prompt = Terminal::start(&call, 100, 40);
    prompt.expect("step 1 of 3", PATIENCE);
    for (line, wanted) in [
        (":hint", "Hint 1 of 3"),
        ("mkdir /srv/made", "bench"),
        ("touch /srv/made/one", "bench"),
        (":check", "make: pass"),
        (":next", "step 2 of 3"),
        (":map", "read"),
        (":back", "step 1 of 3"),
        (":reset", "A fresh world"),
        (":play", "Nothing in it counts"),
        // Hints in the copy go on from where they were, and are not counted.
        (":hint", "Hint 2 of 3"),
        (":hint", "Hint 3 of 3"),
        (":done", "Back in your own world."),
        (":hint", "Hint 2 of 3"),
        (":pause", "`:pause` stops"),
    ] {
        prompt.line(line);
        prompt.expect(wanted, PATIENCE);
    }
    prompt.line(":quit");
    assert!(prompt.ends(PATIENCE).success(), "{}", prompt.seen());
}

/// A folder that only leads to something new is not new, and what the machine had is changed or gone.
#[test]
fn a_diff_tells_what_came_what_changed_and_what_went() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox);
    let before = fs::metadata("/srv").expect("the machine has /srv").permissions().mode() & 0o7777;
    let lines = "mkdir -p /opt/new/deep\nchmod 0711 /srv\nrm /etc/passwd\necho 'crew:x:4711:' >> /etc/group\n:diff\n";
    let said = typed(&sandbox, &course, lines);
    let names = |line: &&str| line.get(1..).is_some_and(|rest| rest.starts_with(" file /") || rest.starts_with(" folder /"));
    let told: Vec<&str> = said.lines().filter(names).collect();
    let mut wanted = vec!["- file /etc/passwd".to_owned(), "+ folder /opt/new".into(), "+ folder /opt/new/deep".into()];
    wanted.push(format!("~ folder /srv mode: {before:04o} -> 0711"));
    if rights() == Rights::Root {
        // An ordinary user's bottle cannot write to files of the machine's root.
        wanted.push("~ file /etc/group".to_owned());
    }
    // In the order of their names.
    wanted.sort_by(|one, other| one.split(' ').nth(2).cmp(&other.split(' ').nth(2)));
    assert_eq!(told, wanted, "{said}");
}

/// Nobody is kept by what their machine cannot do: the step, the whole lab, the only commands of a step, or all facts of it.
#[test]
fn what_does_not_apply_here_keeps_nobody() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("course");
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
        fs::write(path, text).expect("write the file");
    };
    let fact = |more: &str| format!("[{{id: f, kind: exists, of: file//srv/x, not_yet: \"No x.\"{more}}}]");
    let lesson = format!(
        "---\nid: test/first\ntitle: L\n---\n## A {{#a needs=tool:no-such}}\n\n```check\n{}\n```\n\n## B {{#b}}\n\n```run needs=tool:no-such\ntouch /srv/x\n```\n\n\
         ```check\n{}\n```\n\n## C {{#c}}\n\n```check\n{}\n```\n",
        fact(""),
        fact(""),
        fact(", needs: [\"tool:no-such\"]")
    );
    write("lessons/01-test/01-first.md", &lesson);
    let step = |id: &str| format!("  - {{id: {id}, goal: G, facts: {}}}\n", fact(""));
    write(
        "labs/test/lab/lab.yaml",
        &format!("id: test/lab\ntitle: B\nworld: {{hosts: [bench], needs: [\"tool:no-such\"]}}\nsteps:\n{}{}", step("one"), step("two")),
    );
    let said = typed(&sandbox, &folder, &(":next\n".repeat(5) + ":report\n"));
    for place in [
        "test/first, step 2 of 3",
        "test/first, step 3 of 3",
        "test/lab, step 1 of 2",
        "test/lab, step 2 of 2",
        "the last step of the course",
    ] {
        assert!(said.contains(place), "no `{place}` in:\n{said}");
    }
    assert!(said.contains("3 not here") && said.contains("2 not here") && !said.contains("No x."), "{said}");
    assert!(said.contains("0 of 0 steps of the course are done"), "what is not here is not to be done:\n{said}");
}
