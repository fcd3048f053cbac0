//! What the line editor and the screen do.

use super::{PATIENCE, Prompt, bare};

#[test]
fn the_suggestion_is_taken_with_the_right_arrow_and_leads_to_a_pass() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.terminal.send("\x1b[C\r");
    prompt.ready();
    let (shown, status) = prompt.line(":check");
    assert!(bare(&shown).contains("one: pass"), "{shown}");
    assert_eq!(status, 0);
    let (shown, _) = prompt.line(":next");
    assert!(bare(&shown).contains("Nothing to do here."), "{shown}");
}

#[test]
fn an_empty_line_shows_the_step_and_next_does_not_skip_what_is_not_done() {
    let mut prompt = Prompt::start(&[], 80);
    assert!(bare(&prompt.line("").0).contains("Make the folder `/srv/made`."));
    let (shown, status) = prompt.line(":next");
    assert!(bare(&shown).contains("There is no /srv/made."), "{shown}");
    assert_eq!(status, 1);
}

#[test]
fn lines_that_belong_together_are_one() {
    let mut prompt = Prompt::start(&["--plain"], 80);
    prompt.terminal.line("cat <<END");
    prompt.terminal.line("of two");
    assert!(prompt.line("END").0.contains("of two\r\n"));
    // Here only bash sees that the command goes on.
    prompt.terminal.line("(echo a;");
    prompt.terminal.expect("\x1b]7791;repl;more\x07", PATIENCE);
    assert!(prompt.line("echo b)").0.contains("a\r\nb\r\n"));
    prompt.terminal.line("(echo a;");
    prompt.terminal.expect("\x1b]7791;repl;more\x07", PATIENCE);
    prompt.terminal.send("\x03");
    assert_eq!(prompt.ready().1, 130);
}

#[test]
fn ctrl_c_clears_the_line_and_ctrl_z_does_not_stop_the_prompt() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.terminal.send("rm -rf /nothing\x03");
    prompt.ready();
    prompt.terminal.send("\x1a");
    assert!(prompt.line("echo alive").0.contains("alive\r\n"));
}

#[test]
fn background_output_comes_while_a_line_is_edited() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.line("mkfifo /tmp/go; (read x < /tmp/go; echo from the background) & sleep 0");
    prompt.terminal.send("echo half");
    prompt.terminal.expect("half", PATIENCE);
    // The other host's root folder is another one; the job is let go through the world outside of this shell.
    prompt.terminal.send("\x03");
    prompt.ready();
    prompt.line("(sleep 0.2; echo > /tmp/go) &");
    prompt.terminal.expect("from the background", PATIENCE);
    prompt.terminal.send("echo edited on\r");
    assert!(prompt.ready().0.contains("edited on"));
}

#[test]
fn leaving_asks_when_jobs_run() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.line("sleep 1000 &");
    prompt.terminal.send("\x04");
    prompt.terminal.expect("of your jobs run in the background", PATIENCE);
    prompt.ready();
    prompt.terminal.send("\x04");
    assert_eq!(prompt.terminal.ends(PATIENCE).code(), Some(0));
}

#[test]
fn plain_at_forty_columns_draws_nothing_over() {
    let mut prompt = Prompt::start(&["--plain"], 40);
    for line in ["", ":list", ":map", ":help", ":check", ":fidelity", ":nonsense", "ls /"] {
        prompt.line(line);
    }
    let seen = prompt.terminal.seen().to_owned();
    for forbidden in ["\x1b[?1049h", "\x1b[?47h", "\x1b[2J", "\x1b[1m", "\x1b[3", "\x1b[H", "─", "│"] {
        assert!(!seen.contains(forbidden), "plain mode wrote {forbidden:?}");
    }
}

#[test]
fn a_dumb_terminal_is_enough() {
    let sandbox = crate::support::Sandbox::new();
    let call = super::bottleship(&sandbox, &[]).env("BOTTLESHIP_PTY_MARKS", "1").env("TERM", "dumb");
    let mut prompt = Prompt { terminal: crate::terminal::Terminal::start(&call, 40, 24), _sandbox: sandbox };
    prompt.ready();
    assert!(prompt.line("echo works").0.contains("works\r\n"));
    assert!(!prompt.terminal.seen().contains("\x1b["), "{:?}", prompt.terminal.seen());
}

#[test]
fn an_effect_line_tells_what_changed() {
    let mut prompt = Prompt::start(&[], 80);
    assert!(bare(&prompt.line("sleep 1000 &").0).contains("+1 process"));
    let (shown, _) = prompt.line("ls / > /dev/null");
    assert!(!bare(&shown).contains('+'), "{shown}");
}

#[test]
fn the_history_outlives_the_session() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.line("echo first session");
    prompt.terminal.send("\x04");
    assert_eq!(prompt.terminal.ends(PATIENCE).code(), Some(0));
    let Prompt { _sandbox: sandbox, terminal } = prompt;
    drop(terminal);
    let call = super::bottleship(&sandbox, &[]).env("BOTTLESHIP_PTY_MARKS", "1");
    let mut again = Prompt { terminal: crate::terminal::Terminal::start(&call, 80, 24), _sandbox: sandbox };
    again.ready();
    again.terminal.send("\x1b[A\r");
    assert!(again.ready().0.contains("first session\r\n"));
}

#[test]
fn zoom_shows_the_calls_of_any_program() {
    let mut prompt = Prompt::start(&[], 80);
    let (shown, status) = prompt.line(":zoom on");
    assert_eq!(status, 0, "{shown}");
    prompt.line("unshare --uts hostname inner");
    let (shown, _) = prompt.line(":zoom");
    let shown = bare(&shown);
    for expected in ["unshare --uts hostname inner", "`unshare", "`sethostname", "leaves a namespace for a new one of its own"] {
        assert!(shown.contains(expected), "{expected} is missing in {shown}");
    }
    prompt.line(":zoom off");
    prompt.line("true");
    assert!(bare(&prompt.line(":zoom").0).contains("No kernel call was recorded"));
}

#[test]
fn a_closed_terminal_ends_the_world() {
    let Prompt { terminal, _sandbox: sandbox } = Prompt::start(&[], 80);
    drop(terminal);
    crate::support::eventually("the bottle to stop", PATIENCE, || {
        let listed = sandbox.bottleship(["ls"]).succeeds().stdout;
        listed.lines().any(|line| line.starts_with("main") && line.contains("stopped")).then_some(())
    });
}
