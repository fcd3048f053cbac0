//! `bottleship check --target docker`: labs of the course on an engine that is asked over its socket, in right and in wrong states.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::PATIENCE;
use crate::engine::containers::{Confined, docker};
use crate::support::{Output, Sandbox};

/// A document that `check --format json` has printed, and its facts by name: the verdict, or `not here`.
struct Told(Value);

impl Told {
    fn fact(&self, name: &str) -> &str {
        let mut facts = self.0["checks"].as_array().expect("checks").iter().flat_map(|check| check["facts"].as_array().expect("facts"));
        let fact = facts.find(|fact| fact["id"] == name).unwrap_or_else(|| panic!("no fact {name}: {}", self.0));
        if fact["not_here"].is_string() { "not here" } else { fact["verdict"].as_str().expect("a verdict") }
    }

    fn facts(&self, names: &[&str]) -> Vec<&str> {
        names.iter().map(|name| self.fact(name)).collect()
    }
}

fn told(output: &str) -> Vec<Told> {
    output
        .lines()
        .filter(|line| line.starts_with("{\"") && line.contains("\"checks\""))
        .map(|line| Told(serde_json::from_str(line).expect("JSON")))
        .collect()
}

/// A shipped lab, untouched and solved, in a bottle whose engine is asked as a stranger's is: by its socket.
fn walked(lab: &str, solution: &str) -> (Vec<Told>, Output) {
    let sandbox = Sandbox::new();
    let check = format!("/run/bottleship/bin/bottleship check {lab} --target docker --seed 7 --format json; echo ended with $?\n");
    let output = sandbox
        .bottleship(["--plain", "--lesson", lab])
        .env("BOTTLESHIP_SEED", "7")
        .input(format!("{check}{solution}{check}:check\n"))
        .patience(PATIENCE)
        .output();
    (told(&output.stdout), output)
}

#[test]
fn a_lab_of_networks_is_judged_by_the_socket_as_it_is_in_the_bottle() {
    let solution = "docker network create street; docker network create vault\n\
                    docker network connect street web; docker network connect street shop\n\
                    docker network connect vault shop; docker network connect vault till\n\
                    for name in web shop till; do docker network disconnect bridge $name; done\n";
    let (told, output) = walked("networks/apart", solution);
    let [before, after] = &told[..] else { panic!("{output}") };
    let names = ["front", "back", "street", "vault", "old-way", "shut"];
    assert_eq!(before.facts(&names), ["not-yet"; 6], "{output}");
    assert_eq!(after.facts(&names), ["pass"; 6], "{output}");
    assert!(output.stdout.contains("ended with 1") && output.stdout.contains("ended with 0"), "{output}");
    assert!(output.stdout.contains("apart: pass"), "and the bottle says so too: {output}");
}

#[test]
fn a_lab_of_data_is_judged_by_the_socket_as_it_is_in_the_bottle() {
    let solution = "docker cp book:/book/guests /root/guests\ndocker rm -f book\ndocker run -d --name book -v guests:/book book:2\n\
                    docker cp /root/guests book:/book/guests\n";
    let (told, output) = walked("data/lost", solution);
    let [before, after] = &told[..] else { panic!("{output}") };
    let names = ["version", "place", "guests", "first"];
    assert_eq!(before.facts(&names[..2]), ["not-yet"; 2], "{output}");
    assert_eq!(after.facts(&names), ["pass"; 4], "{output}");
    assert!(output.stdout.contains("kept: pass"), "{output}");
}

/// Facts that an engine shows, and facts that it does not.
const LAB: &str = r#"id: test/outside
title: Seen from outside
params: {word: {hex: 6}}
setup: ["docker run -d --name box --label tier=back -v rows:/rows base:1 sleep 1000"]
steps:
  - id: all
    goal: Everything is as it should be.
    facts:
      - {id: runs, kind: container, name: box, state: running, env: {WORD: "^{word}$"}, not_yet: "box: {got}."}
      - {id: kept, kind: volume, name: rows, used_by: [box], holds: word, contains: "{word}", not_yet: "rows has: {got}."}
      - {id: file, kind: file, in: {container: box}, path: /rows/word, mode: "0400", not_yet: "It is: {got}."}
      - {id: said, kind: log, container: box, stream: stderr, contains: "begun {word}", not_yet: "box says: {got}."}
      - {id: made, kind: image, name: "base:1", not_yet: "{got}."}
      - {id: nets, kind: count, of: networks, is: 3, not_yet: "{got} networks."}
      - {id: heard, kind: answer, run: "docker exec box cat /rows/word", is: "{word}", not_yet: "It has {got}."}
      - {id: gone, kind: gone, of: container/old, not_yet: "It is still there."}
      - {id: shell, kind: answer, run: "docker logs box 2>&1 | tail -n 1", contains: "{word}", not_yet: "{got}"}
      - {id: kernel, kind: cgroup, path: /docker, exists: true, not_yet: "{got}"}
"#;
const SEEN: [&str; 8] = ["runs", "kept", "file", "said", "made", "nets", "heard", "gone"];

fn course(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("course");
    fs::create_dir_all(folder.join("labs/test/outside")).expect("make the lab");
    fs::write(folder.join("labs/test/outside/lab.yaml"), LAB).expect("write the lab");
    folder
}

/// `bottleship check` as somebody with an engine on their own machine types it.
fn check(engine: &Confined, more: &[&str]) -> crate::support::Call {
    let course = course(&engine.engine.sandbox);
    let args = ["check", "outside", "--target", "docker", "--seed", "7", "--course", course.to_str().expect("text")];
    engine.engine.client(engine.engine.sandbox.bottleship(args).args(more))
}

#[test]
fn an_engine_is_asked_from_outside_and_what_it_does_not_show_is_counted_apart() {
    if !docker("an_engine_is_asked_from_outside_and_what_it_does_not_show_is_counted_apart") {
        return;
    }
    let engine = Confined::start();
    let setup = check(&engine, &["--setup"]).succeeds().stdout;
    assert!(setup.contains("docker run -d --name box --label tier=back"), "{setup}");

    let empty = check(&engine, &["--plain"]).exits(1).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(empty.contains("There is no container box.") && empty.contains("2 facts can be judged in a bottle only"), "{empty}");
    let before = &told(&check(&engine, &["--format", "json"]).exits(1).stdout)[0];
    assert_eq!(before.facts(&SEEN), ["not-yet", "not-yet", "not-yet", "not-yet", "pass", "pass", "not-yet", "vacuous"]);
    assert_eq!(before.facts(&["shell", "kernel"]), ["not here"; 2]);

    let word = parameter(&engine);
    engine.said(&["run", "-d", "--name", "old", "base:1", "sleep", "1000"]);
    engine.said(&["rm", "-f", "old"]);
    let begun = format!("echo begun {word} >&2; umask 277; echo {word} > /rows/word; exec sleep 1000");
    engine.said(&["run", "-d", "--name", "box", "-e", &format!("WORD={word}"), "-v", "rows:/rows", "base:1", "sh", "-c", &begun]);
    engine.said(&["exec", "box", "sh", "-c", "while ! cat /rows/word; do sleep 0.01; done"]);
    let after = check(&engine, &["--format", "json", "--run-commands"]).exits(0).stdout;
    assert_eq!(told(&after)[0].facts(&SEEN), ["pass"; 8], "{after}");
    assert_eq!(told(&after)[0].facts(&["shell", "kernel"]), ["pass", "not here"], "{after}");
    assert_eq!(told(&after)[0].0["sums"]["not here"], 1, "{after}");

    engine.said(&["kill", "box"]);
    engine.said(&["wait", "box"]);
    let killed = check(&engine, &["--plain"]).exits(1).stdout;
    assert!(killed.contains("box: exited with 137."), "{killed}");
}

/// The word that seed 7 draws.
fn parameter(engine: &Confined) -> String {
    let lab = engine.engine.path("course/labs/test/outside/lab.yaml");
    fs::write(&lab, LAB.replace("--label tier=back", "--label word={word}")).expect("write the lab");
    let args = ["check", "outside", "--target", "docker", "--seed", "7", "--setup", "--course"];
    let script = engine.engine.sandbox.bottleship(args).args([engine.engine.path("course")]).succeeds().stdout;
    fs::write(&lab, LAB).expect("write the lab");
    let word = script.split("--label word=").nth(1).and_then(|rest| rest.split_whitespace().next());
    word.expect("the word").to_owned()
}

/// Nobody there is an error of the world, never a verdict about the learner.
#[test]
fn without_an_engine_every_verdict_is_error() {
    let sandbox = Sandbox::new();
    let course = course(&sandbox);
    let nowhere = format!("unix://{}", sandbox.path().join("nobody.sock").display());
    let args = ["check", "outside", "--target", "docker", "--format", "json", "--course", course.to_str().expect("text")];
    let output = sandbox.bottleship(args).env("DOCKER_HOST", &nowhere).exits(1);
    assert_eq!(told(&output.stdout)[0].facts(&SEEN), ["error"; 8], "{output}");
    let wrong = sandbox.bottleship(args).env("DOCKER_HOST", "frob://x").exits(2).stderr;
    assert!(wrong.contains("invalid bind address format") && wrong.contains("hint: DOCKER_HOST="), "{wrong}");
}
