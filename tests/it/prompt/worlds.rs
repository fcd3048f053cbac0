//! The worlds behind the prompt: a shared folder, an ordinary user's, hosts that come later, and worlds that are made again.

use std::fs;
use std::time::Duration;

use super::{PATIENCE, Prompt, bare, bottleship};
use crate::bottle::rootless::{User, possible};
use crate::support::{Rights, Sandbox, rights};
use crate::terminal::Terminal;

#[test]
fn a_shared_folder_is_there_and_stays_when_the_world_is_made_again() {
    let sandbox = Sandbox::new();
    let shared = sandbox.path().join("shared");
    fs::create_dir(&shared).expect("make the folder");
    let at = shared.display().to_string();
    let call = bottleship(&sandbox, &["--share", &at]).env("BOTTLESHIP_PTY_MARKS", "1");
    let mut prompt = Prompt { terminal: Terminal::start(&call, 80, 24), _sandbox: sandbox };
    prompt.ready();
    prompt.line(&format!("cd {at} && echo written inside > letter"));
    assert_eq!(fs::read_to_string(shared.join("letter")).expect("the letter"), "written inside\n");
    assert_eq!(prompt.line(":reset").1, 0);
    assert!(prompt.line(&format!("cat {at}/letter")).0.contains("written inside\r\n"));
}

#[test]
fn an_ordinary_user_sits_at_the_same_prompt() {
    if rights() == Rights::Root && !possible("prompt_rootless") {
        return;
    }
    let sandbox = Sandbox::new();
    let call = match rights() {
        Rights::Root => User::plain(&sandbox).prompt("", ""),
        Rights::UserNamespaces => bottleship(&sandbox, &["--plain", "--rootless"]),
    };
    let mut terminal = Terminal::start(&call, 80, 24);
    terminal.expect("bench:~# ", Duration::from_secs(60));
    terminal.line("whoami; sleep 1000");
    terminal.expect("root\r\n", PATIENCE);
    terminal.insist("\x03", "bench:~ [130]# ", PATIENCE);
    terminal.line(":fidelity");
    terminal.expect("real kernel", PATIENCE);
    terminal.expect("bench:~", PATIENCE);
    terminal.line("@internet hostname");
    terminal.expect("internet\r\n", PATIENCE);
    terminal.line(":quit");
    assert_eq!(terminal.ends(PATIENCE).code(), Some(0), "{}", terminal.seen());
}

#[test]
fn a_host_that_was_added_elsewhere_is_known_at_once() {
    let mut prompt = Prompt::start(&[], 80);
    let (shown, status) = prompt.line("@later hostname");
    assert!(bare(&shown).contains("no host `later`"), "{shown}");
    assert_eq!(status, 1);
    prompt._sandbox.bottleship(["hosts", "--add", "later"]).succeeds();
    assert!(prompt.line("@later hostname").0.contains("later\r\n"));
    assert!(bare(&prompt.line(":host").0).contains("later"));
    prompt.terminal.send("@lat\thostname");
    assert!(prompt.line("").0.contains("later\r\n"), "and Tab knows it");
}

/// Lines that ended only because of keys (a Ctrl-C, the end of an input) are typed again when a world is made again, and must not hold it up.
#[test]
fn what_ctrl_c_ended_ends_when_it_is_typed_again() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.terminal.line("sleep 1000");
    prompt.terminal.insist("\x03", "\x1b]7791;repl;ready;130", PATIENCE);
    prompt.ready();
    prompt.raw("cat > /srv/notes");
    prompt.terminal.send("\x03");
    assert_eq!(prompt.ready().1, 130);
    prompt.line("mkdir /srv/made");
    assert_eq!(prompt.line(":next").1, 0);
    let (shown, status) = prompt.line(":reset");
    let shown = bare(&shown);
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains("replayed: sleep 1000 [130]") && shown.contains("replayed: mkdir /srv/made"), "{shown}");
    assert!(prompt.line("ls -d /srv/made").0.contains("/srv/made\r\n"));
    // Nor may it spoil a grade.
    prompt.line(":check");
    prompt.terminal.send("\x04");
    assert_eq!(prompt.terminal.ends(PATIENCE).code(), Some(0));
    let sandbox = prompt._sandbox;
    let (course, file) = (sandbox.path().join("course").display().to_string(), sandbox.path().join("work").display().to_string());
    sandbox.bottleship(["submit", "test/first", "--course", &course, "-o", &file]).succeeds();
    let graded = sandbox.bottleship(["grade", "--course", &course, "--format", "json", &file]).output();
    assert!(graded.stdout.contains("\"pass\"") && !graded.stdout.contains("rejected"), "{graded}");
}

#[test]
fn a_new_host_name_is_a_difference() {
    let sandbox = Sandbox::new();
    let shown = bottleship(&sandbox, &["--plain"]).input("hostname harbour\n:diff\n").succeeds().stdout;
    assert!(shown.contains("host name: bench -> harbour"), "{shown}");
}

/// A script types faster than any person: what it starts with `&` has begun before its next line.
#[test]
fn a_script_finds_what_it_has_started() {
    let sandbox = Sandbox::new();
    let pair = "unshare --uts --fork sleep 1000 &\npgrep -x sleep | wc -l | sed s/^/found:/\npkill -x sleep; wait\n";
    let output = bottleship(&sandbox, &["--plain"]).input(pair.repeat(25)).output();
    let found: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("found:")).collect();
    assert_eq!(found, ["found:1"; 25], "{output}");
}

#[test]
fn a_hint_after_the_last_one_says_what_else_helps() {
    let sandbox = Sandbox::new();
    let course = super::course(&sandbox);
    let file = course.join("lessons/01-test/01-first.md");
    let facts = "- {id: made, kind: exists, of: file//srv/made, not_yet: \"There is no /srv/made.\"}\n";
    let text = fs::read_to_string(&file).expect("the lesson").replace(facts, &format!("facts:\n{facts}hints: [one, \"two\", \"three\"]\n"));
    fs::write(&file, text).expect("write the lesson");
    let lines = ":hint\n:hint\n:hint\n:hint\n";
    let call = sandbox.bottleship(["--plain", "--course", course.to_str().expect("a path of text")]);
    let shown = call.input(lines).succeeds().stdout;
    assert_eq!(shown.matches("Hint 3 of 3").count(), 2, "{shown}");
    assert_eq!(shown.matches("there are no others").count(), 1, "{shown}");
    let last = shown.rsplit("there are no others").next().unwrap_or_default();
    assert!(last.contains(":reveal") && last.contains(":skip"), "{shown}");
}
