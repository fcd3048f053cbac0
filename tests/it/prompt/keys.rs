//! Keys of the line editor: Tab, grey text, colours, the history and its search; at 40 columns too.

use std::fs;

use super::{PATIENCE, Prompt, bare, bottleship};
use crate::support::Sandbox;
use crate::terminal::Terminal;

const TAB: &str = "\t";

/// A prompt on a sandbox that is kept, with another course folder of the same lesson.
fn start(sandbox: Sandbox, folder: &str, columns: u16) -> Prompt {
    let mut call = bottleship(&sandbox, &[]).env("BOTTLESHIP_PTY_MARKS", "1");
    if folder != "course" {
        let (from, to) = (sandbox.path().join("course"), sandbox.path().join(folder));
        let lessons = to.join("lessons/01-test");
        fs::create_dir_all(&lessons).expect("make the course");
        fs::copy(from.join("lessons/01-test/01-first.md"), lessons.join("01-first.md")).expect("write the lesson");
        call = sandbox.bottleship(["--course", to.to_str().expect("a path of text")]).env("TERM", "xterm").env("NO_COLOR", "");
        call = call.env("BOTTLESHIP_PTY_MARKS", "1");
    }
    let mut prompt = Prompt { terminal: Terminal::start(&call, columns, 24), _sandbox: sandbox };
    prompt.ready();
    prompt
}

/// Leaves the prompt; gives its sandbox back.
fn leave(mut prompt: Prompt) -> Sandbox {
    prompt.terminal.send("\x04");
    assert_eq!(prompt.terminal.ends(PATIENCE).code(), Some(0));
    let Prompt { _sandbox: sandbox, terminal } = prompt;
    drop(terminal);
    sandbox
}

#[test]
fn tab_completes_verbs_places_hosts_files_and_programs() {
    let mut prompt = Prompt::start(&[], 80);
    // Each is completed to the end, so that Enter does it.
    for (typed, shown) in [
        (":goto tw\t", "Nothing to do here."),
        (":fid\t", "real kernel"),
        ("@inter\thostname", "internet\r\n"),
        ("cat /etc/os-rel\t", "NAME="),
        ("whoam\t", "root\r\n"),
    ] {
        prompt.terminal.send(typed);
        let (answer, status) = prompt.line("");
        assert!(bare(&answer).contains(shown), "{typed:?}: {answer}");
        assert_eq!(status, 0, "{typed:?}");
    }
    prompt.line("mkdir -p '/srv/two words/deep' && cd /srv");
    prompt.terminal.send(&format!("ls -d two{TAB}de{TAB}"));
    assert!(bare(&prompt.line("").0).contains("two words/deep"), "a name with a blank is one word");
    // What fits several is listed.
    prompt.terminal.send(&format!(":re{TAB}"));
    let listed = prompt.terminal.expect(":reveal", PATIENCE);
    assert!(listed.contains(":report") && listed.contains(":reset"), "{listed}");
}

#[test]
fn tab_sees_the_files_that_the_inner_shell_sees() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.line("unshare --mount bash");
    prompt.line("mount -t tmpfs none /mnt && touch /mnt/only-inside");
    prompt.terminal.send(&format!("echo /mnt/on{TAB}"));
    assert!(bare(&prompt.line("").0).contains("/mnt/only-inside"));
}

#[test]
fn what_is_typed_is_coloured_and_the_next_command_is_grey() {
    let mut prompt = Prompt::start(&[], 80);
    // The step's own command waits in grey, behind the prompt.
    prompt.terminal.expect("\x1b[2mmkdir /srv/made\x1b[0m", PATIENCE);
    prompt.terminal.send("echo 'in quotes'");
    prompt.terminal.expect("\x1b[1mecho\x1b[0m", PATIENCE);
    prompt.terminal.expect("\x1b[32m'in quotes'\x1b[39m", PATIENCE);
    prompt.line("");
    prompt.terminal.send(":nonsense");
    prompt.terminal.expect("\x1b[4m:nonsense\x1b[0m", PATIENCE);
    prompt.line("");
    // A line of the history comes back in grey while its beginning is typed.
    prompt.terminal.send("echo 'i");
    prompt.terminal.expect("\x1b[2mn quotes'\x1b[0m", PATIENCE);
    prompt.terminal.send("\x1b[C");
    assert!(prompt.line("").0.contains("in quotes\r\n"));
}

#[test]
fn ctrl_r_searches_the_history() {
    let mut prompt = Prompt::start(&[], 80);
    for line in ["echo the first", "echo the second", "true"] {
        prompt.line(line);
    }
    prompt.terminal.send("\x12first");
    prompt.terminal.expect("the first", PATIENCE);
    assert!(prompt.line("").0.contains("the first\r\n"));
}

#[test]
fn each_course_has_a_history_of_its_own() {
    let mut prompt = start(Sandbox::new(), "course", 80);
    prompt.line("echo of the first course");
    let mut prompt = start(leave(prompt), "another", 80);
    prompt.terminal.send("\x1b[A");
    let (shown, _) = prompt.line("");
    assert!(!shown.contains("of the first course"), "{shown}");
    prompt.line("echo of another course");
    let mut prompt = start(leave(prompt), "course", 80);
    prompt.terminal.send("\x1b[A");
    assert!(prompt.line("").0.contains("of the first course\r\n"));
}

#[test]
fn a_line_of_several_lines_is_one_entry() {
    let mut prompt = Prompt::start(&[], 80);
    for line in ["for i in 1 2; do", "echo number $i"] {
        prompt.terminal.line(line);
    }
    assert!(prompt.line("done").0.contains("number 1\r\nnumber 2\r\n"));
    prompt.terminal.send("\x1b[A");
    assert!(prompt.line("").0.contains("number 1\r\nnumber 2\r\n"), "it comes back whole");
}

#[test]
fn forty_columns_are_enough() {
    let mut prompt = Prompt::start(&[], 40);
    let long = "echo a line that is longer than the window is wide; echo and it goes on here";
    assert!(prompt.line(long).0.contains("and it goes on here\r\n"));
    prompt.terminal.send("\x1b[A\x01\x1b[Cx\x7f\x05; echo edited");
    assert!(prompt.line("").0.contains("edited\r\n"), "it can be edited where it wraps");
    prompt.terminal.send("cat /etc/os-rel\t");
    assert!(prompt.line("").0.contains("NAME="));
}
