//! Without a terminal: pipes and scripts, and their exit codes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use super::bottleship;
use crate::support::{Rights, Sandbox, has_program, rights, skip};

#[test]
fn a_pipe_is_typed_line_by_line() {
    let sandbox = Sandbox::new();
    let output = bottleship(&sandbox, &[]).input("cd /usr\npwd\n:list\ncat <<END\nof $PWD\nEND\n").succeeds();
    for expected in ["/usr\n", "test/first", "of /usr\n"] {
        assert!(output.stdout.contains(expected), "{expected} is missing in {output}");
    }
    assert!(!output.stdout.contains('\x1b') && !output.stdout.contains('\r'), "{output}");
}

#[test]
fn a_line_is_answered_before_the_next_is_typed() {
    let sandbox = Sandbox::new();
    let mut command = bottleship(&sandbox, &[]).command();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start bottleship");
    let mut pipe = child.stdin.take().expect("its input");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    for number in [2, 3, 4] {
        writeln!(pipe, "echo $(({number} * {number}))").expect("type a line");
        // Were the whole input read first, this would wait for ever: the input is still open. (The runner ends a test that hangs.)
        let said = lines.next().expect("an answer").expect("a line of text");
        assert_eq!(said, (number * number).to_string());
    }
    drop(pipe);
    assert!(child.wait().expect("its end").success());
}

#[test]
fn the_exit_code_is_that_of_the_last_line_that_failed() {
    let sandbox = Sandbox::new();
    for (script, code) in [("true\n", 0), ("(exit 7)\ntrue\n", 7), (":check\n", 1), (":chek\n", 2), ("mkdir /srv/made\n:check\n", 0)] {
        bottleship(&sandbox, &[]).input(script).exits(code);
    }
}

#[test]
fn a_script_can_stop_at_the_first_failure() {
    let sandbox = Sandbox::new();
    let script = sandbox.path().join("script");
    fs::write(&script, "# a comment\n(exit 4)\necho reached\n").expect("write the script");
    let script = script.to_str().expect("a path of text");
    let output = bottleship(&sandbox, &["run", script]).exits(4);
    assert!(output.stdout.contains("reached"));
    let output = bottleship(&sandbox, &["run", "--stop-on-error", script]).exits(4);
    assert!(!output.stdout.contains("reached"));
}

#[test]
fn programs_that_read_get_the_lines_that_follow() {
    let sandbox = Sandbox::new();
    let output =
        bottleship(&sandbox, &[]).input("sh\necho nested $((2+3))\n:map\nexit\nread x\nword\necho got $x\ncat\nto the end\n").succeeds();
    for expected in ["nested 5\n", "Make a folder", "got word\n", "to the end\n"] {
        assert!(output.stdout.contains(expected), "{expected} is missing in {output}");
    }
}

#[test]
fn a_script_that_ends_within_a_command_ends() {
    let sandbox = Sandbox::new();
    bottleship(&sandbox, &[]).input("echo 'open\n").exits(130);
}

#[test]
fn an_unknown_command_says_what_was_meant() {
    let sandbox = Sandbox::new();
    let output = bottleship(&sandbox, &[]).input(":hnit\n").exits(2);
    assert!(output.stdout.contains("error: there is no course command `:hnit`\nhint: did you mean `:hint`?"), "{output}");
}

#[test]
fn a_course_that_is_not_there_is_an_error_with_a_cause() {
    let sandbox = Sandbox::new();
    let output = sandbox.bottleship(["--course", "/nowhere"]).input("true\n").exits(125);
    assert!(output.stderr.starts_with("error: "), "{output}");
    let output = sandbox.bottleship(["run", "/nowhere"]).exits(125);
    assert!(output.stderr.contains("error: read the script `/nowhere`"), "{output}");
}

#[test]
fn a_course_command_ends_with_its_line_whatever_quotes_it_has() {
    let sandbox = Sandbox::new();
    let output = bottleship(&sandbox, &[]).input(":note it's here\necho after $((1+1))\n").succeeds();
    assert!(output.stdout.contains("after 2\n"), "{output}");
}

#[test]
fn a_world_that_cannot_be_says_why_and_what_to_do() {
    if rights() != Rights::Root {
        return crate::support::skip("a_world_that_cannot_be_says_why_and_what_to_do", "an ordinary user's bottle is always rootless");
    }
    let sandbox = Sandbox::new();
    let output = bottleship(&sandbox, &["--rootless"]).input("true\n").exits(125);
    assert!(output.stderr.starts_with("error: a rootless bottle of root"), "{output}");
}

#[test]
fn the_network_of_a_host_is_opened_down_to_its_rules() {
    let sandbox = Sandbox::new();
    let script = sandbox.path().join("script");
    let lines = [
        "docker network create front",
        "docker run -d --name web -p 8080:80 --network front --network-alias www alpine sleep 1000",
        "docker run -d --name own --network host alpine sleep 1000",
        ":zoom net",
        "echo between",
        "nft list ruleset",
    ];
    fs::write(&script, lines.join("\n")).expect("write the script");
    let script = script.to_str().expect("a path of text");
    let output = sandbox.bottleship(["run", "--plain", "--lesson", "containers/run", script]).output();
    let (opened, listed) = output.stdout.split_once("\nbetween\n").unwrap_or_else(|| panic!("{output}"));
    let opened = opened.split_once("bench, its links").unwrap_or_else(|| panic!("{output}")).1;
    // How lines are broken is not what is tested here.
    let words = opened.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "bridge 172.18.0.1/16, docker's network front",
        "eth0 172.18.0.2/16 in container web, found as web, www",
        "0.0.0.0:8080 web 80/tcp",
        "default via",
        "(`--network host`): own",
        "tcp dport 8080 dnat to 172.18.0.2:80",
    ] {
        assert!(words.contains(expected), "{expected} is missing in {output}");
    }
    if !has_program("nft") {
        return skip("the rules are those of `nft list ruleset`", "nft is not installed");
    }
    let rules: Vec<&str> =
        listed.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "}" && !line.contains("comment")).collect();
    assert!(rules.len() > 10, "{output}");
    for rule in rules {
        assert!(opened.lines().any(|line| line.trim() == rule), "`{rule}` is missing in {output}");
    }
}
