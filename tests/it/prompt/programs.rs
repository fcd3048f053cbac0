//! Programs that have the terminal for themselves, jobs, and the keys that end things: as in any terminal.

use super::{PATIENCE, Prompt, bare};
use crate::support::{has_program, skip};

/// Types a line and waits until the program that it starts has shown `shown`.
fn open(prompt: &mut Prompt, line: &str, shown: &str) {
    prompt.terminal.line(line);
    prompt.terminal.expect(shown, PATIENCE);
}

/// The prompt is in order after a program that had the whole screen: the shell is where it was, and lines are edited and echoed as before.
fn in_order(prompt: &mut Prompt) {
    let (shown, status) = prompt.line("echo in $((20+2)) order");
    assert!(bare(&shown).contains("in 22 order\r\n"), "{shown}");
    assert_eq!(status, 0);
    assert!(prompt.line("stty -a").0.contains(" icanon "), "the shell's terminal is in line mode");
}

#[test]
fn less_and_man_are_left_with_q() {
    if !has_program("less") {
        return skip("less_and_man_are_left_with_q", "less is not installed");
    }
    let mut prompt = Prompt::start(&[], 80);
    open(&mut prompt, "seq 1000 | less", "23\r\n");
    prompt.terminal.send("G");
    prompt.terminal.expect("1000", PATIENCE);
    prompt.terminal.send("?777\r");
    prompt.terminal.expect("777", PATIENCE);
    prompt.terminal.send("q");
    assert_eq!(prompt.ready().1, 0);
    in_order(&mut prompt);
    if !has_program("man") {
        return skip("man is left with q", "man is not installed");
    }
    // Where the pages are not installed man says so and ends.
    prompt.terminal.line("printf '.TH A 1\\n.SH NAME\\npage of ours\\n' > /tmp/a.1; man -l /tmp/a.1");
    prompt.terminal.expect("page of ours", PATIENCE);
    prompt.terminal.send("q");
    prompt.ready();
    in_order(&mut prompt);
}

#[test]
fn vi_edits_a_file() {
    let Some(editor) = ["vim", "vi"].into_iter().find(|name| has_program(name)) else {
        return skip("vi_edits_a_file", "neither vim nor vi is installed");
    };
    let mut prompt = Prompt::start(&[], 80);
    open(&mut prompt, &format!("{editor} /tmp/text"), "/tmp/text");
    prompt.terminal.send("ihello\x1b:wq\r");
    assert_eq!(prompt.ready().1, 0);
    assert!(prompt.line("cat /tmp/text").0.contains("hello\r\n"));
    in_order(&mut prompt);
}

#[test]
fn nano_edits_a_file() {
    if !has_program("nano") {
        return skip("nano_edits_a_file", "nano is not installed");
    }
    let mut prompt = Prompt::start(&[], 80);
    open(&mut prompt, "nano /tmp/text", "GNU nano");
    prompt.terminal.send("hello\x0f\r");
    prompt.terminal.expect("Wrote 1 line", PATIENCE);
    prompt.terminal.send("\x18");
    assert_eq!(prompt.ready().1, 0);
    assert!(prompt.line("cat /tmp/text").0.contains("hello\r\n"));
}

#[test]
fn top_redraws_until_q() {
    if !has_program("top") {
        return skip("top_redraws_until_q", "top is not installed");
    }
    let mut prompt = Prompt::start(&[], 80);
    open(&mut prompt, "top", "PID");
    prompt.terminal.send(" ");
    prompt.terminal.expect("PID", PATIENCE);
    prompt.terminal.send("q");
    assert_eq!(prompt.ready().1, 0);
    in_order(&mut prompt);
}

#[test]
fn python_has_a_prompt_of_its_own() {
    if !has_program("python3") {
        return skip("python_has_a_prompt_of_its_own", "python3 is not installed");
    }
    let mut prompt = Prompt::start(&[], 80);
    open(&mut prompt, "python3 -q", ">>> ");
    // Ctrl-C is python's, and ends nothing. It comes while a line runs: at its own prompt python sees a signal only once it waits for keys. The line counts
    // on and on, and does not sleep: a signal that came between the print and the sleep would be seen only at the sleep's end.
    prompt.terminal.line("print(6 * 7); any(n for n in iter(int, 1))");
    prompt.terminal.expect("42\r\n", PATIENCE);
    prompt.terminal.send("\x03");
    prompt.terminal.expect("KeyboardInterrupt", PATIENCE);
    // Python goes on. (It would end with 130 if the interrupted line were its last.)
    prompt.terminal.line("print(7 * 7)");
    prompt.terminal.expect("49\r\n>>> ", PATIENCE);
    prompt.terminal.send("\x04");
    assert_eq!(prompt.ready().1, 0);
    in_order(&mut prompt);
}

/// A full-screen program made of what every machine has: raw keys, the alternate screen, and an answer to SIGWINCH.
const SCREEN: &str = r#"stty raw -echo; printf '\e[?1049hup'; trap 'stty size' WINCH; until [ "$k" = q ]; do k=$(dd bs=1 count=1 2>&-); printf '<%s>' "$k"; done; stty sane; printf '\e[?1049l'"#;

#[test]
fn raw_keys_and_a_new_size_reach_the_program() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.line(&format!("cat > /tmp/screen <<'END'\n{SCREEN}\nEND"));
    open(&mut prompt, "bash /tmp/screen", "\x1b[?1049hup");
    prompt.terminal.send("x");
    prompt.terminal.expect("<x>", PATIENCE);
    // Ctrl-C and Ctrl-Z are keys like others here.
    prompt.terminal.send("\x03");
    prompt.terminal.expect("<\x03>", PATIENCE);
    prompt.terminal.resize(61, 17);
    prompt.terminal.send("y");
    let shown = prompt.terminal.expect("<y>", PATIENCE);
    let shown = if shown.contains("17 61") { shown } else { prompt.terminal.expect("17 61", PATIENCE) };
    assert!(shown.contains("17 61"));
    prompt.terminal.send("q");
    assert_eq!(prompt.ready().1, 0);
    assert!(prompt.line("stty size").0.contains("17 61\r\n"));
}

#[test]
fn a_new_size_at_the_prompt_is_the_shells_too() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.terminal.resize(50, 20);
    assert!(prompt.line("stty size").0.contains("20 50\r\n"));
    prompt.terminal.resize(132, 40);
    assert!(prompt.line("stty size").0.contains("40 132\r\n"));
    // A program that runs while the size changes is told.
    open(&mut prompt, "bash -c 'trap \"stty size; exit 3\" WINCH; echo up; while :; do read -t 0.05 < /dev/zero; done'", "up\r\n");
    prompt.terminal.resize(70, 30);
    let (shown, status) = prompt.ready();
    assert!(shown.contains("30 70"), "{shown}");
    assert_eq!(status, 3);
}

#[test]
fn jobs_are_stopped_listed_and_brought_back() {
    let mut prompt = Prompt::start(&[], 80);
    open(&mut prompt, "sh -c 'echo up; exec sleep 1000'", "up\r\n");
    prompt.terminal.send("\x1a");
    assert_eq!(prompt.ready().1, 148);
    assert!(prompt.line("jobs").0.contains("Stopped"));
    assert!(prompt.line("bg").0.contains("[1]+ "));
    assert!(prompt.line("jobs").0.contains("Running"));
    prompt.terminal.line("fg");
    prompt.terminal.expect("exec sleep 1000'\r\n", PATIENCE);
    prompt.terminal.insist("\x03", "\x1b]7791;repl;ready;", PATIENCE);
    assert_eq!(prompt.ready().1, 130);
    assert!(!prompt.line("jobs").0.contains("sleep"));
    assert!(prompt.line("false; true & wait $!; echo done $?").0.contains("done 0\r\n"));
}

#[test]
fn ctrl_backslash_quits_a_program() {
    let mut prompt = Prompt::start(&[], 80);
    open(&mut prompt, "ulimit -c 0; sh -c 'echo up; exec sleep 1000'", "up\r\n");
    prompt.terminal.send("\x1c");
    assert_eq!(prompt.ready().1, 131);
    // At the prompt it clears the line, as Ctrl-C does.
    prompt.terminal.send("half\x1c");
    prompt.ready();
    in_order(&mut prompt);
}

#[test]
fn ctrl_d_ends_what_is_innermost() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.line("bash --norc");
    prompt.line("bash --norc");
    assert!(prompt.line("echo level $SHLVL").0.contains("level 3\r\n"));
    for level in [2, 1] {
        prompt.terminal.send("\x04");
        prompt.ready();
        assert!(prompt.line("echo level $SHLVL").0.contains(&format!("level {level}\r\n")));
    }
    prompt.raw("cat");
    prompt.terminal.send("\x04");
    assert_eq!(prompt.ready().1, 0);
    // In a line that has something in it, Ctrl-D deletes the key under the cursor and leaves nothing.
    prompt.terminal.send("echo xyz\x1b[D\x1b[D\x04\r");
    assert!(prompt.ready().0.contains("xz\r\n"));
    prompt.terminal.send("\x04");
    assert_eq!(prompt.terminal.ends(PATIENCE).code(), Some(0));
}

#[test]
fn what_bash_can_is_all_there() {
    let mut prompt = Prompt::start(&[], 80);
    let lines = [
        ("alias ll='ls -d'; shopt -s nullglob", ""),
        ("ll /usr", "/usr\r\n"),
        ("echo $(seq 3 | wc -l) ${HOME:+home} *nothing* [x]", "3 home"),
        ("a=(1 2 3); echo ${#a[@]} ${a[-1]}", "3 3\r\n"),
        ("for i in 1 2\ndo echo i$i\ndone", "i1\r\ni2\r\n"),
        ("cat <<'END'\n$HOME stays\nEND", "$HOME stays\r\n"),
        ("f() {\n  echo f$1\n  return 4\n}\nf 7", "f7\r\n"),
        ("echo said $?", "said 4\r\n"),
        ("!!", "said 0\r\n"),
        ("!ec:s/said/told/", "told 0\r\n"),
        ("cd /usr/bin; cd - > /dev/null; cd ~-; pwd", "/usr/bin\r\n"),
        ("diff <(echo a) <(echo a) && echo same", "same\r\n"),
        ("trap 'echo caught' USR1; kill -USR1 $$; sleep 0", "caught\r\n"),
        ("echo é ü 日本", "é ü 日本\r\n"),
        (": ${unset:=value}; echo $unset", "value\r\n"),
        (":> /tmp/empty; wc -c < /tmp/empty", "0\r\n"),
    ];
    for (line, expected) in lines {
        // As a paste, so that a line end within is not Enter.
        prompt.terminal.send(&format!("\x1b[200~{line}\x1b[201~\r"));
        let (shown, _) = prompt.ready();
        assert!(shown.contains(expected), "`{line}` shows {shown:?}");
    }
}
