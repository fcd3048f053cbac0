//! Facts on documents written by hand: each kind that holds, each that does not, and the verdicts.

use serde_json::{Value, json};

use super::super::error::Problem;
use super::super::fact::{Fact, read};
use super::super::fields::Complaints;
use super::super::world::{Down, Look, World};
use super::super::yaml;
use super::*;
use crate::bottle::Probe;
use crate::journal::Event;

/// A host with a shell, a limited sleeper in namespaces of its own, a cgroup, and a few files.
struct Bench;

impl World for Bench {
    fn look(&mut self, _host: &str, look: &Look) -> Result<Value, String> {
        let process = |pid: u64, comm: &str, ns: u64, caps: Value| {
            json!({"pid": pid, "ppid": 1, "comm": comm, "args": format!("{comm} 60"), "exe": "/bin/x", "uid": 0, "gid": 0, "state": "sleeping",
                "nspid": [pid, 1], "ns": {"pid": ns, "net": 1}, "caps": {"effective": caps, "bounding": ["CAP_CHOWN", "CAP_KILL"]}, "root": "/",
                "root_id": if pid == 7 { "9:9" } else { "1:2" }, "cgroup": "/cage", "cgroups": {"memory": if pid == 7 { "/cage" } else { "/" }},
                "seccomp": "filter", "no_new_privs": true, "uid_map": ["0 1500 1"]})
        };
        Ok(match look {
            Look::Probe(Probe::Processes) => json!({"processes": [
                process(1, "host-init", 1, json!(["CAP_CHOWN", "CAP_KILL"])),
                process(5, "bash", 1, json!([])),
                process(7, "sleeper", 2, json!(["CAP_KILL"])),
            ]}),
            Look::Probe(Probe::File { path, .. }) if path == "/etc/word" => {
                json!({"exists": true, "kind": "file", "mode": "0644", "owner": "0:0", "size": 3, "content": "abc\n", "executable": false, "id": "9:9"})
            }
            Look::Probe(Probe::File { path, .. }) if path == "/pid" => json!({"exists": true, "kind": "file", "content": "7\n"}),
            Look::Probe(Probe::File { .. }) => json!({"exists": false}),
            Look::Probe(Probe::Cgroup { path, .. }) if path == "/cage" => {
                json!({"exists": true, "procs": [7], "memory.max": "67108864", "cpu.max": "50000 100000", "events": {"oom_kill": 2}})
            }
            Look::Probe(Probe::Cgroup { .. }) => json!({"exists": false}),
            Look::Probe(Probe::Mounts { .. }) => json!({"mounts": [
                {"target": "/proc", "fstype": "proc", "source": "proc", "options": ["ro"], "propagation": "private", "root": "/"},
            ]}),
            Look::Probe(Probe::Network { .. }) => {
                json!({"links": [{"name": "br0", "kind": "bridge", "up": true, "addresses": ["10.0.0.1/24"]}]})
            }
            Look::Probe(Probe::NamedNetns) => json!({"netns": [{"name": "red", "ino": 1}]}),
            Look::Probe(Probe::Reach { to, .. }) => match to {
                super::super::fact::Target::Http { .. } => json!({"answers": "yes", "status": 200, "body": "ahoy"}),
                _ => json!({"answers": "refused", "why": "connection refused"}),
            },
            Look::Probe(Probe::Tree { .. }) => {
                json!({"exists": true, "bytes": 5000, "files": [{"path": "/srv/a", "kind": "file"}, {"path": "/srv/b", "kind": "dir"}]})
            }
            Look::Run(command) if command == "late" => json!({"late": true}),
            Look::Run(_) => json!({"code": 3, "text": "one\ntwo\n"}),
            Look::Probe(_) | Look::Ask(_) => json!({}),
        })
    }
}

fn fact(text: &str) -> Fact {
    let file = std::path::Path::new("fact");
    let text = format!("{{id: f, not_yet: \"NOT {{got}}\", fail: \"FAIL {{got}} {{seq}}\", {text}}}");
    let node = yaml::parse(file, &text, 1).unwrap();
    let mut complaints = Complaints::about(file);
    let fact = read(&node, "fact", &mut complaints);
    assert!(complaints.list.is_empty(), "{text}: {:?}", complaints.list.iter().map(Problem::to_string).collect::<Vec<_>>());
    fact.unwrap()
}

/// A fact from its text, and what is said against that.
pub(super) fn complaints_of(text: &str) -> (Option<Fact>, Vec<String>) {
    let file = std::path::Path::new("fact");
    let text = format!("{{id: f, not_yet: \"NOT {{got}}\", fail: \"FAIL {{got}}\", {text}}}");
    let node = yaml::parse(file, &text, 1).unwrap();
    let mut complaints = Complaints::about(file);
    let fact = read(&node, "fact", &mut complaints);
    (fact, complaints.list.iter().map(Problem::to_string).collect())
}

/// A fact from its text, judged where nothing was done before.
pub(super) fn judged_at_once(text: &str, world: &mut dyn World) -> (Fact, Finding) {
    let (fact, complaints) = complaints_of(text);
    assert!(complaints.is_empty(), "{text}: {complaints:?}");
    let (fact, log, baseline) = (fact.unwrap(), Log::default(), std::collections::BTreeMap::new());
    let context =
        Context { log: &log, since_step: 0, since_unit: 0, given: None, shell: None, step: "u/s", baseline: &baseline, facts: &[] };
    let finding = judge(&fact, world, &context);
    (fact, finding)
}

fn judged(fact: &Fact, world: &mut dyn World, log: &Log) -> Finding {
    let baseline = BTreeMap::from([("was".to_owned(), true)]);
    let facts = [Fact { id: "chance".to_owned(), ..self::fact("kind: file, path: /etc/word, exists: true") }];
    let context =
        Context { log, since_step: 2, since_unit: 0, given: Some("pid"), shell: Some(5), step: "u/s", baseline: &baseline, facts: &facts };
    judge(fact, world, &context)
}

/// Facts that hold in the bench, and the same with something changed so that they do not: with the verdict and what was seen.
const TABLE: &[(&str, &str, Verdict, &str)] = &[
    ("kind: exists, of: file//etc/word", "kind: exists, of: file//nope", Verdict::NotYet, "it is not there"),
    ("kind: exists, of: link/br0", "kind: exists, of: link/red/br1", Verdict::NotYet, "it is not there"),
    (
        "kind: field, of: link/br0, path: addresses.0, is: 10.0.0.1/24",
        "kind: field, of: link/br0, path: up, is: \"false\"",
        Verdict::Fail,
        "true",
    ),
    (
        "kind: field, of: cgroup//cage, path: memory_max, at_most: 64M",
        "kind: field, of: cgroup//no, path: memory_max, at_most: 64M",
        Verdict::NotYet,
        "nothing: it is not there",
    ),
    ("kind: count, of: processes, is: 2", "kind: count, of: processes, where: {comm: bash}, is: 0", Verdict::Fail, "1"),
    (
        "kind: count, of: files, under: /srv, where: {kind: dir}, at_least: 1",
        "kind: count, of: files, under: /srv, more_than: 2",
        Verdict::Fail,
        "2",
    ),
    ("kind: file, path: /etc/word, is: abc, mode: \"0644\"", "kind: file, path: /etc/word, is: abd", Verdict::Fail, "abc"),
    ("kind: file, path: /nope, exists: false", "kind: file, path: /etc/word, executable: true", Verdict::Fail, "mode 0644"),
    (
        "kind: process, match: {comm: sleeper}, caps: {effective: [kill]}",
        "kind: process, match: {comm: sleeper}, caps: {effective: none}",
        Verdict::Fail,
        "CAP_KILL",
    ),
    (
        "kind: process, match: {comm: host-init}, caps: {effective: all}",
        "kind: process, match: {comm: bash}, caps: {effective: all}",
        Verdict::Fail,
        "empty",
    ),
    (
        "kind: process, match: {pid_file: /pid}, pid_inside: 1, seccomp: filter",
        "kind: process, match: {pid_file: /pid}, no_new_privs: false",
        Verdict::Fail,
        "no_new_privs true",
    ),
    (
        "kind: process, match: {comm: sleeper}, root_is: /etc/word",
        "kind: process, match: {comm: sleeper}, root_is: host",
        Verdict::Fail,
        "the root /",
    ),
    ("kind: process, match: {comm: ghost}, running: false", "kind: process, match: {comm: ghost}", Verdict::NotYet, "no such process"),
    (
        "kind: process, match: {in_cgroup: /cage}, uid_map: \"0  1500 1\"",
        "kind: process, match: {in_cgroup: /cage}, state: stopped",
        Verdict::Fail,
        "sleeping",
    ),
    (
        "kind: namespace, of: {comm: sleeper}, kinds: [pid], differ_from: host",
        "kind: namespace, of: {comm: sleeper}, kinds: [pid, net], differ_from: shell",
        Verdict::Fail,
        "net",
    ),
    (
        "kind: namespace, of: {comm: sleeper}, kinds: [net], same_as: netns/red",
        "kind: namespace, of: {comm: sleeper}, kinds: [uts], differ_from: host",
        Verdict::Fail,
        "uts",
    ),
    (
        "kind: cgroup, path: /cage, knob: memory.max, at_most: 64M",
        "kind: cgroup, path: /cage, knob: memory.max, at_most: 63M",
        Verdict::Fail,
        "67108864",
    ),
    (
        "kind: cgroup, path: /cage, procs: {comm: sleeper}, events: {oom_kill: 1}",
        "kind: cgroup, path: /cage, procs: {args: bash}",
        Verdict::Fail,
        "process 5",
    ),
    ("kind: cgroup, path: /cage, share_at_most: 50", "kind: cgroup, path: /cage, share_at_most: 49", Verdict::Fail, "50%"),
    ("kind: mount, target: /proc, fstype: proc, options: [ro]", "kind: mount, target: /proc, options: [nosuid]", Verdict::Fail, "ro"),
    ("kind: mount, target: /data, absent: true", "kind: mount, target: /proc, absent: true", Verdict::Fail, "proc"),
    ("kind: reach, to: \"http://10.0.0.1/\", body: ahoy", "kind: reach, to: \"http://10.0.0.1/\", body: no", Verdict::Fail, "ahoy"),
    (
        "kind: reach, to: \"tcp://10.0.0.1:1\", expect: refused",
        "kind: reach, from: netns/red, to: \"tcp://10.0.0.1:1\"",
        Verdict::Fail,
        "connection refused",
    ),
    ("kind: answer, run: x, matches: two", "kind: answer, run: late, is: \"\"", Verdict::NotYet, "nothing within 5 s"),
    ("kind: answer, given: true, is: pid", "kind: answer, given: true, is: net", Verdict::Fail, "pid"),
    ("kind: budget, of: \"bytes:/srv\", at_most: 5K", "kind: budget, of: \"bytes:/srv\", at_most: 4K", Verdict::Fail, "5000"),
    (
        "kind: exec, run: x, exit: 3, reason: only the program knows",
        "kind: exec, run: x, reason: only the program knows",
        Verdict::Fail,
        "exit code 3, two",
    ),
    ("kind: exists, of: file//etc/word, since: lab", "kind: exists, of: file//etc/word, invert: true", Verdict::Fail, "it is there"),
];

#[test]
fn every_kind_holds_and_does_not() {
    for (good, bad, verdict, got) in TABLE {
        let finding = judged(&fact(good), &mut Bench, &Log::default());
        assert_eq!(finding.verdict, Verdict::Pass, "{good}: {finding:?}");
        let finding = judged(&fact(bad), &mut Bench, &Log::default());
        assert_eq!((finding.verdict, finding.got.as_str()), (*verdict, *got), "{bad}");
    }
}

/// P6, for every kind: a world that is down is an error, and never a pass.
#[test]
fn a_world_that_is_down_is_an_error() {
    for (good, bad, ..) in TABLE {
        for text in [good, bad] {
            assert_eq!(judged(&fact(text), &mut Down, &Log::default()).verdict, Verdict::Error, "{text}");
        }
    }
}

fn log() -> Log {
    let event = |seq, kind: &str, subject: &str, data| Event { seq, data, ..Event::new("you", kind, subject) };
    let mut log = Log::default();
    log.extend([
        event(1, "line", "rm -r /", json!(null)),
        event(3, "line", "unshare -p", json!(null)),
        event(4, "look", "u/s#good", json!({"verdict": "pass", "got": "up"})),
        event(5, "line", "hostname x", json!(null)),
        event(6, "look", "u/s#bad", json!({"verdict": "pass", "got": "up"})),
        Event { cause: 5, ..event(7, "look", "u/s#bad", json!({"verdict": "not-yet", "got": "down"})) },
    ]);
    log
}

#[test]
fn history_counts_from_the_step_on() {
    let verdict = |text: &str| {
        let finding = judged(&fact(text), &mut Bench, &log());
        (finding.verdict, finding.events.clone())
    };
    assert_eq!(
        verdict("kind: history, events: [{kind: line, subject: unshare}, {kind: line, subject: hostname}]"),
        (Verdict::Pass, vec![3, 5])
    );
    assert_eq!(verdict("kind: history, events: [{kind: line, subject: hostname}, {kind: line, subject: unshare}]").0, Verdict::Fail);
    assert_eq!(verdict("kind: history, events: [{kind: line, subject: rm}]").0, Verdict::NotYet);
    assert_eq!(verdict("kind: history, since: lab, events: [{kind: line, subject: rm}]"), (Verdict::Pass, vec![1]));
    let never = |event: &str, chance: &str| format!("kind: never, event: {{kind: line, subject: {event}}}, opportunity: {chance}");
    assert_eq!(verdict(&never("rm", "chance")).0, Verdict::Pass);
    assert_eq!(verdict(&never("hostname", "chance")), (Verdict::Fail, vec![5]));
    assert_eq!(verdict("kind: invariant, of: good").0, Verdict::Pass);
    assert_eq!(verdict("kind: invariant, of: bad"), (Verdict::Fail, vec![7, 5]));
    assert_eq!(verdict("kind: invariant, of: other").0, Verdict::Vacuous);
}

#[test]
fn the_word_of_a_process_in_the_bottle_is_taken_only_where_it_is_asked_for() {
    let mut log = Log::default();
    let claim = |seq, kind: &str, subject: &str| Event { seq, inside: true, ..Event::new("runtime", kind, subject) };
    let look = Event { data: json!({"verdict": "pass"}), ..claim(4, "look", "u/s#other") };
    log.extend([claim(3, "container.start", "container/web"), look]);
    let verdict = |text: &str| judged(&fact(text), &mut Bench, &log).verdict;
    assert_eq!(verdict("kind: history, events: [{kind: container.start}]"), Verdict::NotYet);
    assert_eq!(verdict("kind: history, events: [{kind: container.start, actor: runtime}]"), Verdict::Pass);
    assert_eq!(verdict("kind: never, event: {kind: container.start}, opportunity: chance"), Verdict::Pass, "nor can it spoil one");
    assert_eq!(verdict("kind: never, event: {kind: container.start, actor: runtime}, opportunity: chance"), Verdict::Fail);
    assert_eq!(verdict("kind: invariant, of: other"), Verdict::Vacuous);
}

#[test]
fn gone_needs_a_baseline() {
    let gone = fact("kind: gone, of: file//nope");
    assert_eq!(judged(&gone, &mut Bench, &Log::default()).verdict, Verdict::Vacuous);
    let was = Fact { id: "was".to_owned(), ..gone };
    assert_eq!(judged(&was, &mut Bench, &Log::default()).verdict, Verdict::Pass);
    assert_eq!(judged(&was, &mut Down, &Log::default()).verdict, Verdict::Error);
    let there = Fact { id: "was".to_owned(), ..fact("kind: gone, of: file//etc/word") };
    assert_eq!(judged(&there, &mut Bench, &Log::default()).verdict, Verdict::Fail);
}

#[test]
fn words_carry_what_was_seen_and_no_control_characters() {
    let fact = fact("kind: never, event: {kind: line, subject: hostname}, opportunity: chance");
    let finding = judged(&fact, &mut Bench, &log());
    assert_eq!(say(&fact, &finding), "FAIL hostname x 5");
    assert_eq!(one_line("a\n\u{1b}[31mb  c"), "a [31mb c");
    assert!(one_line(&"x".repeat(1000)).len() < 300);
}

#[test]
fn a_fact_that_holds_says_what_was_seen() {
    let log = Log::default();
    let mut said = String::new();
    for (holds, ..) in TABLE {
        let fact = Fact { not_yet: None, fail: None, ..fact(holds) };
        let finding = judged(&fact, &mut Bench, &log);
        said.push_str(&format!("{holds}\n    {}\n", say(&fact, &finding)));
    }
    insta::assert_snapshot!(said);
    let own = fact("kind: file, path: /etc/word, is: abc, pass: \"It says {got}.\"");
    assert_eq!(say(&own, &judged(&own, &mut Bench, &log)), "It says abc.");
}

#[test]
fn what_is_not_there_is_told_in_a_sentence_of_its_own() {
    let log = Log::default();
    let mut said = String::new();
    let absent = [
        "kind: field, of: link/br1, path: kind, is: bridge",
        "kind: field, of: cgroup//no, path: memory_max, at_most: 64M",
        "kind: file, path: /nope, is: abc",
        "kind: file, path: /nope, is: abc, in: {comm: ghost}",
        "kind: process, match: {comm: ghost, args: \"ghost 60\"}, uid: 0",
        "kind: process, match: {comm: ghost, args: \"gh.st\", parent: {comm: bash}}, uid: 0",
        "kind: process, match: {pid_file: /none}, uid: 0",
        "kind: process, match: {in_cgroup: /none}, uid: 0",
        "kind: namespace, of: {comm: ghost}, kinds: [pid], differ_from: host",
        "kind: namespace, of: {comm: sleeper}, kinds: [pid], differ_from: {comm: ghost}",
        "kind: cgroup, path: /hog, knob: memory.max, is: 1M",
        "kind: cgroup, path: /cage, procs: {comm: ghost}",
        "kind: mount, target: /data, fstype: tmpfs",
        "kind: mount, target: /data, fstype: tmpfs, in: {comm: sleeper}",
        "kind: mount, target: /data, fstype: tmpfs, in: {comm: ghost}",
        "kind: budget, of: \"memory:/hog\", at_most: 4K",
    ];
    for text in absent {
        let fact = fact(text);
        let finding = judged(&fact, &mut Bench, &log);
        assert_ne!(finding.verdict, Verdict::Pass, "{text}");
        said.push_str(&format!("{text}\n    {}\n", say(&fact, &finding)));
    }
    insta::assert_snapshot!(said);
    // An author who speaks of no value is not interrupted.
    let own = Fact { not_yet: Some("Make the group first.".to_owned()), ..fact("kind: cgroup, path: /hog, knob: memory.max, is: 1M") };
    assert_eq!(say(&own, &judged(&own, &mut Bench, &log)), "Make the group first.");
}
