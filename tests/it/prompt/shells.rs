//! The learner's shell behind the prompt.

use super::{PATIENCE, Prompt, bare};

#[test]
fn state_lives_on_between_lines() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.line("a=7; f() { echo f$a; }; alias g=f; cd /usr");
    let (shown, status) = prompt.line("g; pwd; (exit 3)");
    assert!(shown.contains("f7\r\n/usr\r\n"), "{shown}");
    assert_eq!(status, 3);
    assert!(prompt.line("echo status $?").0.contains("status 3\r\n"));
}

#[test]
fn ctrl_c_and_ctrl_z_reach_the_program() {
    let mut prompt = Prompt::start(&[], 80);
    for (key, status) in [("\x03", 130), ("\x1a", 148)] {
        prompt.terminal.line("sh -c 'echo up; exec sleep 1000'");
        prompt.terminal.expect("up\r\n", PATIENCE);
        prompt.terminal.send(key);
        assert_eq!(prompt.ready().1, status);
    }
    assert!(prompt.line("jobs").0.contains("Stopped"));
    assert_eq!(prompt.line("kill -9 %1; wait; true").1, 0);
}

#[test]
fn the_prompt_goes_on_in_new_namespaces_and_the_course_with_it() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.line("unshare --mount --uts --ipc --net --pid --fork --user --map-root-user bash");
    let (shown, _) = prompt.line("hostname inner; hostname; echo $$");
    assert!(shown.contains("inner\r\n1\r\n"), "{shown}");
    let (shown, status) = prompt.line(":check");
    assert!(bare(&shown).contains("not yet: There is no /srv/made."), "{shown}");
    assert_eq!(status, 1);
    // Ctrl-D leaves the innermost shell, not the course.
    prompt.terminal.send("\x04");
    prompt.ready();
    assert!(prompt.line("hostname").0.contains("bench"));
}

/// On v2 the host's cgroup may then hold no processes: the new shell begins in a leaf of it. On v1 there is nothing to hand down.
#[test]
fn a_shell_comes_back_where_the_cgroup_has_handed_its_controllers_down() {
    let mut prompt = Prompt::start(&[], 80);
    let (shown, status) = prompt.line(
        "cd /sys/fs/cgroup; [ ! -e cgroup.subtree_control ] || { mkdir others && echo $$ > others/cgroup.procs && echo +pids > cgroup.subtree_control && echo handed down; }",
    );
    assert_eq!(status, 0, "{shown}");
    for _ in 0..2 {
        let (shown, _) = prompt.line("gone=1; exit 3");
        assert!(bare(&shown).contains("Your shell has ended; this is a new one."), "{shown}");
        let (shown, status) = prompt.line("echo gone${gone-}; cat /proc/self/cgroup");
        assert!(shown.contains("gone\r\n"), "{shown}");
        assert_eq!(status, 0, "{shown}");
    }
}

#[test]
fn the_shells_end_is_told_and_a_new_one_comes() {
    let mut prompt = Prompt::start(&[], 80);
    for line in ["gone=1; exit 3", "gone=1; kill -9 $$", "gone=1; set -e; false"] {
        let (shown, _) = prompt.line(line);
        assert!(bare(&shown).contains("Your shell has ended; this is a new one."), "{line}: {shown}");
        assert!(prompt.line("echo [$gone]").0.contains("[]\r\n"), "{line}");
    }
}

#[test]
fn a_program_without_marks_has_the_terminal_and_the_course_is_a_key_away() {
    let mut prompt = Prompt::start(&[], 80);
    prompt.raw("sh");
    let shown = prompt.raw("echo in $((1+1)); cd /usr");
    assert!(shown.contains("in 2"), "{shown}");
    prompt.terminal.send("\x1d");
    prompt.terminal.expect("\x1b]7791;repl;verb\x07", PATIENCE);
    let shown = prompt.raw("check");
    assert!(bare(&shown).contains("There is no /srv/made."), "{shown}");
    prompt.terminal.send("\x1d");
    prompt.terminal.expect("\x1b]7791;repl;verb\x07", PATIENCE);
    let shown = prompt.raw(":reset");
    assert!(bare(&shown).contains("would end the program that is running"), "{shown}");
    assert_eq!(prompt.line("exit 5").1, 5);
}

#[test]
fn full_screen_programs_have_the_whole_terminal() {
    if !crate::support::has_program("less") {
        return crate::support::skip("full_screen_programs_have_the_whole_terminal", "less is not installed");
    }
    let mut prompt = Prompt::start(&[], 80);
    prompt.terminal.line("seq 1000 | less");
    prompt.terminal.expect("\x1b]7791;repl;raw\x07", PATIENCE);
    prompt.terminal.send("G");
    prompt.terminal.expect("1000", PATIENCE);
    prompt.terminal.send("q");
    assert_eq!(prompt.ready().1, 0);
    assert!(prompt.line("stty size").0.contains("24 80\r\n"));
}

#[test]
fn a_learners_own_prompt_and_odd_settings_do_not_hang_it() {
    let mut prompt = Prompt::start(&[], 80);
    for line in
        ["exec bash", "PS1='mine> '", "PROMPT_COMMAND=", "unset PROMPT_COMMAND", "set -u", "stty -echo", "stty echo", "set -o posix"]
    {
        prompt.line(line);
        assert!(prompt.line("echo still here").0.contains("still here\r\n"), "{line}");
    }
    // Both at once: no mark can come; the terminal is the shell's, and still the course can be called.
    prompt.raw("PROMPT_COMMAND= PS1='bare> '");
    prompt.terminal.send("\x1d");
    prompt.terminal.expect("\x1b]7791;repl;verb\x07", PATIENCE);
    assert!(bare(&prompt.raw(":map")).contains("Make a folder"));
}

#[test]
fn forged_marks_are_only_output() {
    let mut prompt = Prompt::start(&[], 80);
    let (shown, status) = prompt.line(r"printf '\e]7791;0123;P;9;9;9;#;x;y;z;/\a'; echo after");
    assert!(shown.contains("after\r\n"), "{shown}");
    assert_eq!(status, 0);
}

#[test]
fn lines_for_another_host() {
    let mut prompt = Prompt::start(&[], 80);
    assert!(prompt.line("@internet hostname; cd /usr").0.contains("internet\r\n"));
    assert!(prompt.line("@internet pwd").0.contains("/usr\r\n"), "the shell there lives on too");
    prompt.line(":host internet");
    assert!(prompt.line("hostname").0.contains("internet\r\n"));
    let (shown, status) = prompt.line(":host nowhere");
    assert!(bare(&shown).contains("error: the bottle has no host `nowhere`"), "{shown}");
    assert_eq!(status, 1);
}

#[test]
fn very_long_lines_arrive_whole() {
    let mut prompt = Prompt::start(&["--plain"], 80);
    let long = "y".repeat(9000);
    assert!(prompt.line(&format!("v={long}; echo ${{#v}}")).0.contains("9000\r\n"));
}
