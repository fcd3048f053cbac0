//! Containers by both clients: the same lines, the same words, the same exit codes.

use std::time::Duration;

use crate::engine::Engine;
use crate::engine::containers::Confined;
use crate::support::{eventually, has_program, skip};

/// What is typed: lines that prepare it, the line, its standard input.
type Step = (&'static [&'static [&'static str]], &'static [&'static str], &'static str);

const GONE: &[&str] = &["rm", "-f", "c1"];
const RUNS: &[&str] = &["run", "-d", "-i", "--network", "none", "--name", "c1", "base:1", "sh"];
const WROTE: &[&str] = &["run", "--network", "none", "--name", "c1", "base:1", "sh", "-c", "echo one; echo two >&2; echo three; exit 3"];

const STEPS: &[Step] = &[
    (&[], &["run", "--rm", "--network", "none", "base:1", "echo", "hi"], ""),
    (&[], &["run", "--rm", "--network", "none", "base:1", "sh", "-c", "echo out; echo err >&2; exit 3"], ""),
    (&[], &["run", "--rm", "-i", "--network", "none", "base:1", "sh", "-c", "read a; read b; echo $b $a"], "first\nsecond\n"),
    (&[], &["run", "--rm", "--network", "none", "-e", "A=1", "-w", "/tmp", "--entrypoint", "sh", "base:1", "-c", "echo $A"], ""),
    (&[], &["run", "--rm", "--network", "none", "base:1", "nosuchprogram"], ""),
    (&[GONE], &["create", "--name", "UPPER CASE", "base:1"], ""),
    (&[GONE, WROTE], &["logs", "c1"], ""),
    (&[], &["logs", "--tail", "1", "c1"], ""),
    (&[], &["wait", "c1"], ""),
    (&[], &["ps", "-a", "--format", "{{.Names}} {{.Image}} {{.Command}} {{.State}} {{.Ports}}"], ""),
    (&[], &["inspect", "-f", "{{.Name}} {{.State.ExitCode}} {{.State.Status}} {{.Config.Image}} {{.HostConfig.NetworkMode}}", "c1"], ""),
    (&[], &["exec", "c1", "echo", "x"], ""),
    (&[], &["attach", "c1"], ""),
    (&[], &["kill", "c1"], ""),
    (&[], &["start", "-a", "c1"], ""),
    (&[], &["run", "--name", "c1", "base:1"], ""),
    (&[GONE, RUNS], &["exec", "c1", "sh", "-c", "echo in; exit 4"], ""),
    (&[], &["exec", "-i", "c1", "sh", "-c", "read a; echo got $a"], "words\n"),
    (&[], &["exec", "c1", "nosuchprogram"], ""),
    (&[], &["exec", "-it", "c1", "sh"], ""),
    (&[], &["rm", "c1"], ""),
    (&[&["unpause", "c1"]], &["pause", "c1"], ""),
    (&[&["pause", "c1"]], &["unpause", "c1"], ""),
    (&[], &["port", "c1"], ""),
    (&[], &["port", "c1", "80"], ""),
    (&[&["exec", "c1", "sh", "-c", "echo x > /new"]], &["diff", "c1"], ""),
    (&[], &["cp", "c1:/new", "-"], ""),
    (&[], &["cp", "c1:/nosuch", "."], ""),
    (&[], &["cp", "c1:/new", "."], ""),
    (&[], &["cp", "nosuch", "c1:/"], ""),
    (&[], &["cp", "root.tar", "c1:/tmp/"], ""),
    (&[&["rename", "d1", "c1"]], &["rename", "c1", "d1"], ""),
    (&[&["rename", "d1", "c1"]], &["kill", "-s", "FROB", "c1"], ""),
    (&[], &["update", "-m", "64m", "--memory-swap", "64m", "c1"], ""),
    (&[GONE, RUNS], &["kill", "c1"], ""),
    (&[GONE, WROTE], &["rm", "c1"], ""),
    (&[GONE, RUNS], &["rm", "-f", "c1"], ""),
    (&[GONE], &["container", "prune", "-f"], ""),
];

/// Ids and times are different each time.
fn plain(text: &str) -> String {
    let ids = regex_lite::Regex::new("[0-9a-f]{64}|\\b[0-9a-f]{12}\\b").expect("a pattern");
    ids.replace_all(text, "ID").into_owned()
}

#[test]
fn containers_are_run_in_the_same_words() {
    if !has_program("docker") {
        return skip("containers_are_run_in_the_same_words", "docker is not installed");
    }
    let engine = Engine::with_image();
    let mut different = Vec::new();
    for (before, line, input) in STEPS {
        let mut said = [String::new(), String::new()];
        let mut prepared = String::new();
        for (real, said) in [false, true].into_iter().zip(&mut said) {
            for words in *before {
                let output = engine.ours(words).output();
                prepared += &format!("{}: {}{} ({})\n", words.join(" "), output.stdout, output.stderr, output.code());
            }
            let call = if real { engine.client(engine.sandbox.program("docker").args(*line)) } else { engine.ours(line) };
            let output = call.input(*input).output();
            *said = plain(&format!("{}--\n{}(exit {})\n", output.stdout, output.stderr, output.code()));
        }
        if said[0] != said[1] {
            let state = engine.ours(&["inspect", "-f", "{{json .State}}", "c1"]).output().stdout;
            different.push(format!("{prepared}$ docker {}\n--- real\n{}--- ours\n{}state: {state}", line.join(" "), said[1], said[0]));
        }
    }
    engine.ours(&["rm", "-f", "c1", "d1"]).output();
    assert!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn what_was_killed_can_be_removed_at_once() {
    let here = Confined::start();
    let engine = &here.engine;
    for _ in 0..5 {
        engine.ours(GONE).output();
        engine.ours(RUNS).succeeds();
        engine.ours(&["kill", "c1"]).succeeds();
        engine.ours(&["rm", "c1"]).succeeds();
    }
}

#[test]
fn what_its_policy_starts_again_and_again_can_be_removed_and_stopped_at_any_moment() {
    let here = Confined::start();
    let engine = &here.engine;
    let run = ["run", "-d", "--network", "none", "--name", "c1", "--restart", "always", "base:1", "sh", "-c", "exit 1"];
    engine.ours(&run).succeeds();
    for moment in 0..6 {
        // Each turn at another moment of start, end and rest: one more line between is some milliseconds more.
        (0..moment).for_each(|_| drop(engine.ours(&["ps"]).output()));
        let removed = engine.ours(&["rm", "-f", "c1"]).output();
        assert_eq!((removed.code(), removed.stderr.as_str()), (0, ""));
        engine.ours(&run).succeeds();
    }
    engine.ours(&["stop", "-t", "0", "c1"]).succeeds();
    let state = || engine.ours(&["inspect", "-f", "{{.State.Status}} {{.RestartCount}}", "c1"]).output().stdout;
    let stopped = state();
    assert!(stopped.starts_with("exited "), "{stopped}");
    // What a person starts begins a new count, and gives up when that is over.
    engine.ours(&["update", "--restart", "on-failure:1", "c1"]).succeeds();
    engine.ours(&["start", "c1"]).succeeds();
    eventually("an end of the tries", Duration::from_secs(30), || (state() == "exited 1\n").then_some(()));
    engine.ours(&["rm", "c1"]).succeeds();
}
