//! Every kind of slip that an author can make is named with file, line, key and the way out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::library::CourseFile;
use super::*;

/// The lab of `bottleship lab new`, as it is written.
const LAB: &str = include_str!("../../tools/lab/scaffold/lab.yaml");

const LESSON: &str = "---
id: by-hand/x
title: X
minutes: 5
words: {jail: A folder that a process takes for the root.}
---
Hello.

## First {#first}

```run
echo hello
```

```output
hello
```

```check
- {id: a, kind: file, path: /f, exists: true, not_yet: \"no {got}\"}
```

```quiz
ask: Which?
choices: [a, b]
answer: 2
why: Because.
```
";

/// A course of one lab and one lesson, both without a fault.
fn whole() -> BTreeMap<PathBuf, CourseFile> {
    let scaffold = [
        ("labs/by-hand/word/lab.yaml", LAB),
        ("labs/by-hand/word/task.md", include_str!("../../tools/lab/scaffold/task.md")),
        ("labs/by-hand/word/files/note", include_str!("../../tools/lab/scaffold/note")),
        ("solutions/by-hand/word/solve.console", include_str!("../../tools/lab/scaffold/solve.console")),
        ("solutions/by-hand/word/wrong/moved.console", include_str!("../../tools/lab/scaffold/wrong/moved.console")),
        ("solutions/by-hand/word/wrong/empty.console", include_str!("../../tools/lab/scaffold/wrong/empty.console")),
        ("solutions/by-hand/word/wrong/open.console", include_str!("../../tools/lab/scaffold/wrong/open.console")),
        ("lessons/01-by-hand/01-x.md", LESSON),
    ];
    let file = |text: &str| CourseFile { content: text.replace("PART/SLUG", "by-hand/word").into_bytes(), executable: false };
    scaffold.into_iter().map(|(path, text)| (PathBuf::from(path), file(text))).collect()
}

/// What lint says of these files.
fn said(files: BTreeMap<PathBuf, CourseFile>) -> Vec<String> {
    let (read, mut problems) = Course::tolerant(files);
    problems.extend(course(&read));
    sorted(problems).iter().map(ToString::to_string).collect()
}

/// The lab as it is made has no fault, so every fault below is the planted one.
#[test]
fn the_scaffold_is_without_a_fault() {
    assert!(said(whole()).is_empty(), "{:#?}", said(whole()));
}

/// What is broken, in which file (by its end), what is replaced, by what. An empty text to replace: the file becomes the new text; an empty new text
/// with it: the file goes.
const BREAKAGES: &[(&str, &str, &str, &str)] = &[
    ("no YAML: a quote is never closed", "lab.yaml", "title: Keep a word", "title: \"Keep a word"),
    ("no YAML: a colon in a text", "lab.yaml", "title: Keep a word", "title: Keep: a word"),
    ("no YAML: a tab", "lab.yaml", "  word: {hex", "\tword: {hex"),
    ("an anchor", "lab.yaml", "minutes: 5", "minutes: &m 5"),
    ("a key twice", "lab.yaml", "minutes: 5", "minutes: 5\nminutes: 6"),
    ("a misspelt key at the top", "lab.yaml", "minutes: 5", "minuets: 5"),
    ("a key of nowhere", "lab.yaml", "minutes: 5", "colour: red"),
    ("no id", "lab.yaml", "id: by-hand/word", ""),
    ("an id that is not the folder", "lab.yaml", "id: by-hand/word", "id: by-hand/wrod"),
    ("a text for a number", "lab.yaml", "minutes: 5", "minutes: five"),
    ("a list for a mapping", "lab.yaml", "  word: {hex: 8} ", "  [word] "),
    ("a parameter of no kind", "lab.yaml", "{hex: 8}", "{hax: 8}"),
    ("a parameter with a taken name", "lab.yaml", "  word: {hex: 8}", "  word: {hex: 8}\n  got: {hex: 8}"),
    ("a parameter that nothing uses", "lab.yaml", "  word: {hex: 8}", "  word: {hex: 8}\n  other: {port: true}"),
    ("a file that is not there", "lab.yaml", "files/note: /srv/note", "files/nte: /srv/note"),
    ("a file that goes to no path", "lab.yaml", "files/note: /srv/note", "files/note: srv/note"),
    ("no steps", "lab.yaml", "steps:", "stops:"),
    ("two steps of one name", "lab.yaml", "- id: sealed", "- id: kept"),
    (
        "two facts of one name",
        "lab.yaml",
        "      - {id: word,",
        "      - {id: word, kind: exists, of: file//x, fail: f}\n      - {id: word,",
    ),
    ("a kind that is none", "lab.yaml", "kind: file, path: /srv/kept, is", "kind: flie, path: /srv/kept, is"),
    ("a misspelt key of a fact", "lab.yaml", "mode: \"0444\"", "moed: \"0444\""),
    ("a fact without words", "lab.yaml", ", not_yet: \"`/srv/kept`: {got}.\"", ""),
    ("a hole that nothing fills", "lab.yaml", "`/srv/kept`: {got}", "`/srv/kept`: {gto}"),
    ("what was seen, in a goal", "lab.yaml", "and the note stays", "and {got} stays"),
    ("a mode that is none", "lab.yaml", "mode: \"0444\"", "mode: \"rw-\""),
    ("a span of time without a unit", "lab.yaml", "hold: 300ms", "hold: 300"),
    (
        "two comparisons where one belongs",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: count, of: processes, is: 1, at_most: 2",
    ),
    (
        "a pattern that is none",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: file, path: /srv/kept, matches: \"(\"",
    ),
    (
        "a field that what is counted has not",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: count, of: containers, where: {name: web, state: running}, is: 1",
    ),
    (
        "a field that a thing has not",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: field, of: container/web, path: exitcode, is: 0",
    ),
    ("a thing that is none", "lab.yaml", "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"", "{id: mode, kind: exists, of: proces/x"),
    (
        "a target that is none",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: reach, to: \"htp://x\"",
    ),
    (
        "a namespace that is none",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: namespace, of: {comm: x}, kinds: [nett], differ_from: host",
    ),
    (
        "an exec without a reason",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: exec, run: \"true\"",
    ),
    (
        "a never without its opportunity",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: never, event: {kind: line}, opportunity: moed",
    ),
    (
        "an event that is never journalled",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, kind: history, events: [{kind: lien}]",
    ),
    ("a host that is not in the world", "lab.yaml", "{id: mode, kind: file", "{id: mode, host: bemch, kind: file"),
    ("an ability that is none", "lab.yaml", "{id: mode, kind: file", "{id: mode, needs: [cgroups2], kind: file"),
    (
        "an inverted history",
        "lab.yaml",
        "{id: mode, kind: file, path: /srv/kept, mode: \"0444\"",
        "{id: mode, invert: true, kind: history, events: [{kind: line}]",
    ),
    ("a hint that is not there", "lab.yaml", "hint: 2}", "hint: 4}"),
    ("four hints", "lab.yaml", "      - What does the note say?", "      - What does the note say?\n      - Look."),
    (
        "a hint twice",
        "lab.yaml",
        "Three digits say it, for the owner, the group and all others.",
        "Who may do what with a file is part of the file.",
    ),
    (
        "two mistakes of one name",
        "lab.yaml",
        "    mistakes:",
        "    mistakes:\n      - {id: moved, when: {kind: file, path: /srv/x, exists: true}, say: \"{got}\"}",
    ),
    (
        "a mistake that no wrong answer makes",
        "lab.yaml",
        "    mistakes:",
        "    mistakes:\n      - {id: burnt, when: {kind: file, path: /srv/x, exists: true}, say: \"{got}\"}",
    ),
    ("a mistake without a when", "lab.yaml", "when: {kind: file, path: /srv/note, exists: false}, ", ""),
    ("an exemption without a reason", "lab.yaml", "    untouched:", "    exempt: {P8: no}\n    untouched:"),
    ("an exemption from no proof", "lab.yaml", "    untouched:", "    exempt: {P99: it is not proved here}\n    untouched:"),
    ("an untouched fact that is not there", "lab.yaml", "untouched: {fact: word,", "untouched: {fact: wrod,"),
    ("needs that lead nowhere", "lab.yaml", "minutes: 5", "minutes: 5\nneeds: [by-hand/y]"),
    ("needs that lead back", "lab.yaml", "minutes: 5", "minutes: 5\nneeds: [by-hand/word]"),
    ("a row that is none", "lab.yaml", "minutes: 5", "minutes: 5\nteaches: [C-1]"),
    ("an empty file", "lab.yaml", "", "\n"),
    ("no task", "task.md", "", ""),
    ("a hole in the task", "task.md", "Somebody", "{somebdy}"),
    ("no solution", "solve.console", "", ""),
    ("a solution that checks too seldom", "solve.console", "$ :check\n$ chmod", "$ chmod"),
    ("a line that is neither typed nor a comment", "solve.console", "$ chmod 0444", "chmod 0444"),
    ("a wrong answer that expects nothing", "wrong/moved.console", "# expect: step=kept mistake=moved\n", ""),
    ("a wrong answer of no step", "wrong/open.console", "step=sealed", "step=seald"),
    ("a wrong answer of no fact", "wrong/open.console", "fact=mode", "fact=moed"),
    ("a wrong answer that is never checked", "wrong/moved.console", "$ :check\n", ""),
    ("too few wrong answers", "wrong/open.console", "", ""),
    ("a file that is copied nowhere", "lab.yaml", "  files/note: /srv/note           # below", "  # files/note: /srv/note below"),
    ("a lesson without front matter", "01-x.md", "---\nid", "id"),
    ("a misspelt key of a lesson", "01-x.md", "title: X", "titel: X"),
    ("a step without an id", "01-x.md", "{#first}", "{needs=pids}"),
    ("an attribute that is none", "01-x.md", "```run", "```run need=pids"),
    ("an ability of a block that is none", "01-x.md", "```run", "```run needs=pid"),
    ("a host that is not there", "01-x.md", "echo hello", "@node2 echo hello"),
    ("a block that is never closed", "01-x.md", "why: Because.\n```\n", "why: Because.\n"),
    ("an output of nothing", "01-x.md", "```run\necho hello\n```\n\n", ""),
    ("an empty run", "01-x.md", "echo hello\n", ""),
    ("a second check", "01-x.md", "```quiz", "```check\n- {id: b, kind: exists, of: file//x, fail: f}\n```\n\n```quiz"),
    ("a misspelt fact in a lesson", "01-x.md", "kind: file", "kind: fiel"),
    ("an answer that is no choice", "01-x.md", "answer: 2", "answer: 3"),
    ("a question with one choice", "01-x.md", "choices: [a, b]", "choices: [a]"),
];

fn broken(file: &str, from: &str, to: &str) -> Vec<String> {
    let mut files = whole();
    let path = files.keys().find(|path| path.ends_with(file)).expect("the file is in the course").clone();
    if from.is_empty() && to.is_empty() {
        files.remove(&path);
        return said(files);
    }
    let text = String::from_utf8(files[&path].content.clone()).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    let text = if from.is_empty() { to.to_owned() } else { text.replacen(from, to, 1) };
    files.insert(path, CourseFile { content: text.into_bytes(), executable: false });
    said(files)
}

#[test]
fn every_breakage_is_named_with_its_place_and_the_way_out() {
    assert!(BREAKAGES.len() >= 30);
    // FILE, then a line (and mostly a column) unless the file as a whole is meant, the key, what is wrong, and the way out in brackets.
    let form = regex_lite::Regex::new(r"^[a-z0-9/.-]+(:[1-9][0-9]*(:[1-9][0-9]*)?)?: (`[^`]+`: )?.+ \(.+\)$").unwrap();
    let mut all = String::new();
    for (what, file, from, to) in BREAKAGES {
        let found = broken(file, from, to);
        assert!(!found.is_empty(), "nobody noticed: {what}");
        for line in &found {
            assert!(form.is_match(line), "{what}: {line}");
        }
        all.push_str(&format!("## {what}\n{}\n\n", found.join("\n")));
    }
    insta::assert_snapshot!(all);
}

/// Only these are about a file as a whole; everything else has a line.
#[test]
fn nearly_every_problem_has_a_line() {
    let wholes = ["no task", "no solution", "too few wrong answers"];
    for (what, file, from, to) in BREAKAGES.iter().filter(|(what, ..)| !wholes.contains(what)) {
        for line in broken(file, from, to) {
            let place = line.split(": ").next().unwrap_or_default();
            assert!(place.contains(':') || line.contains("belongs to no lab"), "{what}: {line}");
        }
    }
}
