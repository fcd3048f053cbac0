//! Nothing that is typed is lost, whenever it is typed and whoever is to read it.

use super::{PATIENCE, Prompt, bare};

/// Types everything at once and waits for the lines of `expected`, in that order.
fn burst(prompt: &mut Prompt, typed: &str, expected: &[&str]) {
    prompt.terminal.send(typed);
    for line in expected {
        prompt.terminal.expect(line, PATIENCE);
    }
}

#[test]
fn lines_typed_at_once_run_one_after_the_other() {
    let mut prompt = Prompt::start(&[], 80);
    burst(&mut prompt, "echo a$((1+1))\r:map\recho b$((1+2))\r", &["a2\r\n", "Make a folder", "b3\r\n"]);
    let many: String = (0..80).map(|number| format!("echo n$((1000+{number}))\r")).collect();
    prompt.terminal.send(&many);
    for number in 0..80 {
        prompt.terminal.expect(&format!("\nn{}\r\n", 1000 + number), PATIENCE);
    }
}

#[test]
fn each_line_goes_to_whoever_reads() {
    let mut prompt = Prompt::start(&[], 80);
    burst(&mut prompt, "read x\rhello\recho got $x\r", &["\ngot hello\r\n"]);
    burst(&mut prompt, "cat\rone\rtwo\r\x04echo af$((1+1))\r", &["one\r\none\r\n", "two\r\ntwo\r\n", "\naf2\r\n"]);
    burst(&mut prompt, "cat <<END\rl$((1+5))\rEND\recho z$((1+1))\r", &["\nl6\r\n", "\nz2\r\n"]);
    // A program that waits in poll(2) for more than the keyboard, and one that reads in raw mode.
    burst(&mut prompt, "sh\recho in $((1+1))\rexit\r:map\r", &["in 2\r\n", "Make a folder"]);
}

#[test]
fn what_is_typed_while_a_program_runs_is_for_the_prompt() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.terminal.line("echo up$((1+1)); sleep 0.3");
    prompt.terminal.expect("up2\r\n", PATIENCE);
    prompt.terminal.send(":check\recho a$((1+1))\rhal");
    assert!(bare(&prompt.ready().0).is_empty(), "nothing is echoed before the prompt comes");
    let (shown, status) = prompt.ready();
    assert!(bare(&shown).contains("There is no /srv/made."), "{shown}");
    assert_eq!(status, 1);
    assert!(prompt.ready().0.contains("a2\r\n"));
    // The begun line is in the editor, and can be edited on.
    prompt.terminal.send("f\x7f\x7f\x7f\x7fecho whole\r");
    assert!(prompt.ready().0.contains("whole\r\n"));
}

#[test]
fn a_key_that_interrupts_takes_what_was_typed_before_with_it() {
    let mut prompt = Prompt::start(&[], 80);
    // A process of its own: a Ctrl-C that reaches bash between two commands of a line interrupts neither, on any terminal.
    prompt.terminal.line("sh -c 'echo up$((1+1)); exec sleep 1000'");
    prompt.terminal.expect("up2\r\n", PATIENCE);
    prompt.terminal.send("echo never\r\x03echo on$((1+1))\r");
    prompt.ready();
    let (shown, _) = prompt.ready();
    assert!(shown.contains("on2\r\n") && !shown.contains("never"), "{shown}");
}

#[test]
fn pasted_lines_run_in_order_with_the_course_commands_among_them() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.terminal.send("\x1b[200~echo p$((1+1))\n:check\nfor i in 1 2; do\n  echo q$i\ndone\n\x1b[201~");
    prompt.terminal.send("\r");
    let (shown, _) = prompt.ready();
    let shown = bare(&shown);
    let positions: Vec<usize> = ["p2\r\n", "There is no /srv/made.", "q1\r\nq2\r\n"]
        .iter()
        .map(|expected| shown.rfind(expected).unwrap_or_else(|| panic!("{expected:?} is missing in {shown}")))
        .collect();
    assert!(positions.is_sorted(), "{shown}");
}

/// The line before a check ends with a job in the background that speaks: once the check was typed and did not run.
#[test]
fn a_check_after_a_background_job_always_runs() {
    let mut prompt = Prompt::start(&[], 80);
    for round in 0..20 {
        prompt.terminal.send(&format!("(echo {round}; echo more) & :\r:check\r"));
        prompt.ready();
        let (shown, status) = prompt.ready();
        assert!(bare(&shown).contains("There is no /srv/made."), "round {round}: {shown}");
        assert_eq!(status, 1);
        let (shown, _) = prompt.line("sleep 1000 & kill $!; echo next");
        assert!(shown.contains("next\r\n"), "round {round}: {shown}");
        assert_eq!(prompt.line(":check").1, 1, "round {round}");
    }
}

#[test]
fn plain_lines_on_a_dumb_terminal_are_not_lost_either() {
    let sandbox = crate::support::Sandbox::new();
    let call = super::bottleship(&sandbox, &[]).env("BOTTLESHIP_PTY_MARKS", "1").env("TERM", "dumb");
    let mut prompt = Prompt { terminal: crate::terminal::Terminal::start(&call, 80, 24), _sandbox: sandbox };
    prompt.ready();
    burst(&mut prompt, "read x\rhello\recho got $x\r:map\recho a$((1+1))\r", &["\ngot hello\r\n", "Make a folder", "\na2\r\n"]);
}
