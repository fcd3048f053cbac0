//! What the command line itself says, as a learner reads it: every help page at 80 and at 40 columns, and every complaint about a line that
//! makes no sense. The prompt's own views are in `prompt/views.rs` and `src/repl/tests.rs`; the runtime's complaints in `runtime/complaints.rs`.

use std::fmt::Write as _;

use crate::support::{Call, Sandbox, binary};

/// The commands that have a page of their own; `oci` has runc's.
const PAGES: &[&[&str]] = &[
    &[],
    &["run"],
    &["lab"],
    &["lab", "new"],
    &["lab", "dev"],
    &["lab", "lint"],
    &["check"],
    &["prove"],
    &["demo"],
    &["demo", "list"],
    &["demo", "rehearse"],
    &["demo", "record"],
    &["submit"],
    &["grade"],
    &["class"],
    &["class", "grade"],
    &["class", "answers"],
    &["course"],
    &["course", "coverage"],
    &["book"],
    &["ls"],
    &["rm"],
    &["doctor"],
    &["hosts"],
    &["ports"],
    &["web"],
    &["engine"],
    &["bench-security"],
    &["images"],
    &["registry"],
    &["registry", "serve"],
    &["images", "load"],
    &["images", "commit"],
    &["images", "pull"],
    &["images", "push"],
    &["images", "login"],
    &["images", "tags"],
    &["images", "build"],
    &["images", "scan"],
    &["build"],
    &["dive"],
    &["dockerfile"],
];

/// All pages below each other; none may have a line that is wider than the terminal.
fn pages(columns: usize) -> String {
    let mut all = String::new();
    for page in PAGES {
        let call = Call::new(binary()).args(*page).args(["--help"]).env("COLUMNS", columns.to_string());
        let text = call.succeeds().stdout;
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > columns && line.trim().contains(' ')).collect();
        // A word that is longer than the line cannot be broken; the usage line is never.
        let wide: Vec<&&str> = wide.iter().filter(|line| !line.starts_with("Usage:")).collect();
        assert!(wide.is_empty(), "{page:?} at {columns} columns: {wide:#?}");
        writeln!(all, "## {}\n{text}", [&["bottleship"][..], *page].concat().join(" ")).expect("a String takes everything");
    }
    all
}

#[test]
fn every_page_says_what_its_command_is_for() {
    let all = Call::new(binary()).args(["--help"]).succeeds().stdout;
    let listed = all.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("a list of commands");
    let names = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    for name in names.filter(|name| !["help", "oci", "toolbox", "docker"].contains(name)) {
        assert!(PAGES.iter().any(|page| page.first() == Some(&name)), "`{name}` has no snapshot of its page");
    }
}

#[test]
fn help_pages_at_80_columns() {
    insta::assert_snapshot!("help-80", pages(80));
}

#[test]
fn help_pages_at_40_columns() {
    insta::assert_snapshot!("help-40", pages(40));
}

#[test]
fn complaints_about_lines_that_make_no_sense() {
    let lines: &[&[&str]] = &[
        &["frobnicate"],
        &["--frobnicate"],
        &["prov"],
        &["run"],
        &["run", "/no/such/script"],
        &["rm"],
        &["rm", "nobody"],
        &["rm", "../etc"],
        &["hosts"],
        &["hosts", "--bottle", "nobody"],
        &["ports"],
        &["engine", "-H", "npipe://x"],
        &["images"],
        &["images", "load"],
        &["images", "commit"],
        &["build"],
        &["build", "/no/such/folder"],
        &["build", "-t", "A", "."],
        &["build", "--output", "type=x,dest=y", "."],
        &["dockerfile"],
        &["ports", "http"],
        &["ports", "70000"],
        &["grade"],
        &["grade", "/no/such/file"],
        &["grade", "--format", "pdf", "x"],
        &["class"],
        &["class", "grade"],
        &["class", "grade", "."],
        &["class", "grade", "--write", "grades.doc", "x"],
        &["class", "answers", "broken-jail"],
        &["class", "answers", "by-hand/chroot", "--seed", "1"],
        &["class", "answers", "--of", "/no/such/file"],
        &["course"],
        &["course", "coverage", "C-999"],
        &["course", "coverage", "--course", "/no/such/course"],
        &["submit"],
        &["submit", "no-such-lab"],
        &["prove", "no/such-unit"],
        &["prove", "--seeds", "0"],
        &["lab"],
        &["lab", "lint", "/no/such/course"],
        &["lab", "new"],
        &["lab", "new", "../x"],
        &["--share", "/no/such/folder"],
        &["--internet", "maybe"],
        &["--name", "a/b"],
        &["--course", "/no/such/course"],
        &["doctor", "--frob"],
        &["toolbox", "frob"],
        &["oci", "frob"],
        &["oci", "state"],
        &["book", "/no/such/book"],
    ];
    let sandbox = Sandbox::new();
    let mut all = String::new();
    for line in lines {
        let output = sandbox.bottleship(*line).folder(sandbox.path()).output();
        let text = format!("{}{}", output.stdout, output.stderr).replace(&sandbox.path().display().to_string(), "SANDBOX");
        assert!(output.code() != 0, "it is taken: {output}");
        assert!(!text.contains("panicked") && !text.trim().is_empty(), "{output}");
        writeln!(all, "$ bottleship {}\n{text}(exit {})\n", line.join(" "), output.code()).expect("a String takes everything");
    }
    insta::assert_snapshot!("complaints", all);
}

#[test]
fn the_list_of_bottles() {
    let sandbox = Sandbox::new();
    let list = || sandbox.bottleship(["ls"]).succeeds().stdout.replace(&sandbox.path().display().to_string(), "SANDBOX");
    assert_eq!(list(), "NAME  STATUS  STATE\n");
    sandbox.bottleship(["--plain", "--name", "second-ship"]).input("true\n").succeeds();
    assert_eq!(list(), "NAME         STATUS   STATE\nsecond-ship  stopped  SANDBOX/state/bottles/second-ship\n");
    assert_eq!(sandbox.bottleship(["rm", "second-ship"]).succeeds().stdout, "second-ship\n");
    assert_eq!(list(), "NAME  STATUS  STATE\n");
}

#[test]
fn a_reader_that_goes_away_ends_a_command_without_a_word() {
    use std::os::unix::process::ExitStatusExt as _;
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    let ended = std::process::Command::new(binary()).arg("toolbox").stdout(writer).output().expect("it starts");
    assert_eq!((ended.status.signal(), &*String::from_utf8_lossy(&ended.stderr)), (Some(13), ""));
}
