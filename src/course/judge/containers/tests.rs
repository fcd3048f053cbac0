//! Facts about containers on documents written by hand: each key that holds, and the same with something changed so that it does not.

use serde_json::{Value, json};

use super::super::super::view::Verdict;
use super::super::super::world::{Down, Look, World};
use super::super::say;
use super::super::tests::{complaints_of, judged_at_once};
use super::*;

/// A host with a web server that runs, a database that was killed for its memory, a volume and two networks.
struct Harbour;

fn containers() -> Value {
    let web = json!({"exists": true, "name": "web", "id": "aaaa1111", "image": "nginx", "image_id": "sha256:aa", "status": "running", "running": true,
        "pid": 40, "exit_code": 0, "error": "", "oom_killed": false, "restarts": 2, "health": "unhealthy", "health_said": "no page\n", "user": "",
        "env": ["PATH=/bin", "TOKEN=s3=x"], "labels": {"tier": "front"}, "entrypoint": ["/e"], "cmd": ["-g", "x"], "cap_add": ["NET_RAW"],
        "cap_drop": ["ALL"], "privileged": false, "read_only": true, "memory": 67_108_864, "cpus": 0.5, "pids_limit": "max",
        "restart": "on-failure:3", "network_mode": "front", "networks": {"front": {"address": "172.18.0.2", "aliases": ["www"]}},
        "mounts": [{"at": "/data", "type": "volume", "name": "data", "source": "/var/lib/docker/volumes/data/_data", "writable": false}],
        "ports": [{"port": "80/tcp", "address": "127.0.0.1", "host_port": 8080}], "inspect": {"State": {"Pid": 40}}});
    let db = json!({"exists": true, "name": "db", "id": "bbbb2222", "image": "redis:6", "image_id": "sha256:bb", "status": "exited", "running": false,
        "pid": 0, "exit_code": 137, "oom_killed": true, "restarts": 0, "health": "none", "labels": {}, "env": [], "mounts": [], "networks": {},
        "ports": [], "memory": "max", "restart": "no"});
    json!({ "containers": [web, db] })
}

impl World for Harbour {
    fn look(&mut self, _: &str, look: &Look) -> Result<Value, String> {
        Ok(match look {
            Look::Ask(Question::Containers) => containers(),
            Look::Ask(Question::Volumes) => {
                json!({"volumes": [{"name": "data", "anonymous": false, "used_by": ["web"], "labels": {}, "files": "/v"}]})
            }
            Look::Ask(Question::Networks) => {
                json!({"networks": [{"name": "front", "driver": "bridge", "internal": false, "subnet": "172.18.0.0/16",
                "labels": {}, "members": ["web"]}, {"name": "back", "driver": "bridge", "internal": true, "members": [], "labels": {}}]})
            }
            Look::Ask(Question::Log { id }) if id == "aaaa1111" => {
                json!({"lines": [{"stream": "stdout", "text": "GET / 200"}, {"stream": "stderr", "text": "warn: x"}, {"stream": "stdout", "text": "GET /a 404"}]})
            }
            Look::Ask(Question::Log { .. }) => json!({"lines": []}),
            Look::Ask(Question::Image { name }) => json!({"exists": name == "nginx", "image_id": "sha256:aa"}),
            Look::Ask(Question::Resolve { name, .. }) if name == "db" => json!({"addresses": ["172.18.0.3"]}),
            Look::Ask(Question::Resolve { name, .. }) => json!({"addresses": [], "why": format!("the name {name} is not known there")}),
            Look::Probe(Probe::Processes) => json!({"processes": [
                {"pid": 1, "comm": "init", "cgroup": "/", "ns": {"pid": 1}}, {"pid": 40, "comm": "nginx", "uid": 0, "cgroup": "/docker/aaaa", "ns": {"pid": 9}},
                {"pid": 41, "comm": "worker", "uid": 33, "cgroup": "/docker/aaaa", "ns": {"pid": 9}}, {"pid": 50, "comm": "worker", "uid": 0, "cgroup": "/x", "ns": {"pid": 1}}]}),
            Look::Probe(Probe::File { path, .. }) if path == "/v/rows" => json!({"exists": true, "content": "ahoy\n"}),
            Look::Probe(Probe::File { .. }) => json!({"exists": false}),
            Look::Probe(Probe::Reach { to: Target::Service(host, 8080), .. }) if host == "127.0.0.1" => json!({"answers": "yes"}),
            Look::Probe(Probe::Reach { from: Netns::Process(40), to: Target::Tcp(host, 6379) }) if host == "172.18.0.3" => {
                json!({"answers": "yes"})
            }
            Look::Probe(Probe::Reach { .. }) => json!({"answers": "refused", "why": "connection refused"}),
            _ => json!({}),
        })
    }
}

/// What holds, what does not, with what verdict, and what was seen.
const TABLE: &[(&str, &str, Verdict, &str)] = &[
    ("kind: exists, of: container/web", "kind: exists, of: container/nope", Verdict::NotYet, "it is not there"),
    ("kind: exists, of: volume/data", "kind: exists, of: volume/nope", Verdict::NotYet, "it is not there"),
    ("kind: exists, of: network/front", "kind: exists, of: network/nope", Verdict::NotYet, "it is not there"),
    (
        "kind: field, of: container/web, path: inspect.State.Pid, is: \"40\"",
        "kind: field, of: container/db, path: exit_code, is: \"0\"",
        Verdict::Fail,
        "137",
    ),
    (
        "kind: field, of: container/web, path: networks.front.address, is: 172.18.0.2",
        "kind: field, of: network/back, path: internal, is: \"false\"",
        Verdict::Fail,
        "true",
    ),
    ("kind: count, of: containers, where: {status: ^exited$}, is: 1", "kind: count, of: containers, is: 1", Verdict::Fail, "2"),
    ("kind: count, of: volumes, is: 1", "kind: count, of: networks, is: 3", Verdict::Fail, "2"),
    ("kind: container, name: web", "kind: container, name: nope", Verdict::NotYet, "no such container"),
    ("kind: container, name: aaaa", "kind: container, name: aaa", Verdict::NotYet, "no such container"),
    (
        "kind: container, label: tier=front, state: running",
        "kind: container, label: tier=back, state: running",
        Verdict::NotYet,
        "no such container",
    ),
    (
        "kind: container, image: \"nginx:latest\", state: running",
        "kind: container, image: redis, state: running",
        Verdict::NotYet,
        "no such container",
    ),
    ("kind: container, name: web, image: \"nginx:latest\"", "kind: container, name: db, image: \"redis:7\"", Verdict::Fail, "redis:6"),
    ("kind: container, name: nope, exists: false", "kind: container, name: web, exists: false", Verdict::Fail, "it is there"),
    (
        "kind: container, name: db, state: exited, exit_code: 137",
        "kind: container, name: db, exit_code: [0, 143]",
        Verdict::Fail,
        "exited with 137",
    ),
    ("kind: container, name: web, state: [running, paused]", "kind: container, name: web, exit_code: 0", Verdict::Fail, "running"),
    ("kind: container, name: db, oom_killed: true", "kind: container, name: db, oom_killed: false", Verdict::Fail, "oom killed true"),
    ("kind: container, name: web, health: unhealthy", "kind: container, name: web, health: healthy", Verdict::Fail, "unhealthy: no page"),
    ("kind: container, name: web, restarts_at_least: 2", "kind: container, name: web, restarts_at_most: 1", Verdict::Fail, "2"),
    ("kind: container, name: web, restart: \"on-failure:3\"", "kind: container, name: db, restart: always", Verdict::Fail, "no"),
    ("kind: container, name: web, env: {TOKEN: ^s3=x$}", "kind: container, name: web, env: {KEY: .}", Verdict::Fail, "no KEY"),
    ("kind: container, name: db, env_lacks: [TOKEN]", "kind: container, name: web, env_lacks: [TOKEN]", Verdict::Fail, "TOKEN=s3=x"),
    ("kind: container, name: web, labels: {tier: ^f}", "kind: container, name: web, labels: {tier: ^b}", Verdict::Fail, "front"),
    (
        "kind: container, name: web, entrypoint: [/e], cmd: [-g, x]",
        "kind: container, name: web, cmd: none",
        Verdict::Fail,
        "[\"-g\", \"x\"]",
    ),
    ("kind: container, name: web, command: ^/e -g", "kind: container, name: web, command: sleep", Verdict::Fail, "/e -g x"),
    (
        "kind: container, name: web, cap_drop: [ALL], cap_add: [CAP_net_raw]",
        "kind: container, name: web, cap_add: none",
        Verdict::Fail,
        "NET_RAW",
    ),
    (
        "kind: container, name: web, privileged: false, read_only: true",
        "kind: container, name: web, privileged: true",
        Verdict::Fail,
        "privileged false",
    ),
    (
        "kind: container, name: web, memory_at_most: 64M, cpus_at_most: 0.5",
        "kind: container, name: db, memory_at_most: 64M",
        Verdict::Fail,
        "no limit",
    ),
    ("kind: container, name: web, user: \"\"", "kind: container, name: web, user: ada", Verdict::Fail, "nothing"),
    (
        "kind: container, name: web, mounts: [{at: /data, type: volume, name: data, read_only: true}]",
        "kind: container, name: web, mounts: [{at: /data, type: bind}]",
        Verdict::Fail,
        "volume data at /data, read-only",
    ),
    ("kind: container, name: web, mounts: [/data]", "kind: container, name: web, mounts: [/x]", Verdict::Fail, "nothing at /x"),
    (
        "kind: container, name: web, mounts_lack: [/var/run/docker.sock]",
        "kind: container, name: web, mounts_lack: [data]",
        Verdict::Fail,
        "/var/lib/docker/volumes/data/_data at /data",
    ),
    (
        "kind: container, name: web, networks: [front], networks_lack: [back]",
        "kind: container, name: web, networks: [back]",
        Verdict::Fail,
        "front",
    ),
    ("kind: container, name: web, alias: www", "kind: container, name: web, alias: api", Verdict::Fail, "www"),
    (
        "kind: container, name: web, made_of: nginx",
        "kind: container, name: db, made_of: nginx",
        Verdict::Fail,
        "redis:6, which is not what nginx is now",
    ),
    ("kind: volume, name: data, used_by: [web]", "kind: volume, name: data, unused: true", Verdict::Fail, "web"),
    ("kind: volume, name: data, holds: rows, is: ahoy", "kind: volume, name: data, holds: rows, is: x", Verdict::Fail, "ahoy"),
    ("kind: volume, name: data, lacks: other", "kind: volume, name: data, holds: other", Verdict::Fail, "no other"),
    ("kind: volume, name: nope, exists: false", "kind: volume, name: data, anonymous: true", Verdict::Fail, "a name"),
    ("kind: network, name: front, has: [web], lacks: [db]", "kind: network, name: front, has: [db]", Verdict::Fail, "web"),
    (
        "kind: network, name: back, internal: true, members_at_most: 0",
        "kind: network, name: front, internal: true",
        Verdict::Fail,
        "open to the outside",
    ),
    ("kind: network, name: front, subnet: 172.18.0.0/16", "kind: network, name: nope, driver: bridge", Verdict::NotYet, "no such network"),
    (
        "kind: port, container: web, port: 80, host_port: 8080, address: 127.0.0.1",
        "kind: port, container: web, port: 80, address: 0.0.0.0",
        Verdict::Fail,
        "127.0.0.1:8080",
    ),
    (
        "kind: port, container: web, port: 80, answers: yes",
        "kind: port, container: web, port: 80, answers: refused",
        Verdict::Fail,
        "it answers",
    ),
    ("kind: port, container: web, port: 81, published: false", "kind: port, container: web, port: 81", Verdict::NotYet, "not published"),
    ("kind: log, container: web, contains: GET", "kind: log, container: web, contains: POST", Verdict::Fail, "last: GET /a 404"),
    (
        "kind: log, container: web, matches: \"4..$\", count: 1",
        "kind: log, container: web, contains: GET, stream: stderr",
        Verdict::Fail,
        "last: GET /a 404",
    ),
    (
        "kind: log, container: web, contains: panic, present: false",
        "kind: log, container: web, contains: warn, present: false",
        Verdict::Fail,
        "warn: x",
    ),
    ("kind: log, container: web, contains: GET, at_least: 2", "kind: log, container: db", Verdict::NotYet, "nothing at all"),
    (
        "kind: reach, from: container/web, to: \"tcp://db:6379\"",
        "kind: reach, from: container/web, to: \"tcp://api:80\"",
        Verdict::Fail,
        "the name api is not known there",
    ),
    (
        "kind: reach, from: container/web, to: \"tcp://api:80\", expect: no",
        "kind: reach, from: container/db, to: \"tcp://web:80\"",
        Verdict::NotYet,
        "there is nothing to try it from",
    ),
    (
        "kind: process, match: {container: web, comm: worker}, uid: 33",
        "kind: process, match: {container: web, comm: worker}, uid: 0",
        Verdict::Fail,
        "uid 33",
    ),
    (
        "kind: count, of: processes, match: container/web, is: 2",
        "kind: count, of: processes, match: container/db, is: 1",
        Verdict::NotYet,
        "0",
    ),
];

#[test]
fn each_key_holds_and_is_noticed() {
    for (holds, not, verdict, got) in TABLE {
        let (fact, finding) = judged_at_once(holds, &mut Harbour);
        assert_eq!(finding.verdict, Verdict::Pass, "{holds}: {}", finding.got);
        let said = say(&fact, &finding);
        assert!(said.ends_with('.') && !said.contains("{") && !said.contains(".."), "{holds}: {said}");
        let (_, finding) = judged_at_once(not, &mut Harbour);
        assert_eq!((finding.verdict, finding.got.as_str()), (*verdict, *got), "{not}");
        for text in [holds, not] {
            assert_eq!(judged_at_once(text, &mut Down).1.verdict, Verdict::Error, "{text} in a world that is down");
        }
    }
}

#[test]
fn what_is_not_there_is_said_in_a_sentence() {
    let told = |text: &str| {
        let (fact, finding) = judged_at_once(text, &mut Harbour);
        say(&fact, &finding)
    };
    assert_eq!(told("kind: container, name: api, state: running"), "There is no container api.");
    assert_eq!(told("kind: container, label: a=b, state: running"), "No container is labelled a=b.");
    assert_eq!(told("kind: port, container: web, port: 8080"), "web publishes no 8080/tcp, only 80/tcp.");
    assert_eq!(told("kind: reach, from: container/db, to: \"ping://10.0.0.1\""), "The container db does not run.");
    assert_eq!(told("kind: container, image: nginx, state: running"), "The container web is running.");
    assert_eq!(told("kind: volume, name: data, used_by: [web]"), "The volume data is used by web.");
    assert_eq!(told("kind: log, container: web, contains: panic, present: false"), "web has written no such line.");
}

#[test]
fn a_fact_that_asks_nothing_sensible_is_refused_with_the_way_out() {
    for (text, what) in [
        ("kind: container, state: running", "say which container"),
        ("kind: container, name: a, label: b", "goes with `label` only one at a time"),
        ("kind: container, name: a, state: up", "`up` is not known here"),
        ("kind: container, name: a, exit_code: bad", "`bad` cannot be read"),
        ("kind: container, name: a, health: good", "`good` is not known here"),
        ("kind: container, name: a, mounts: [{type: bind}]", "is missing"),
        ("kind: volume, name: a, is: x", "name the file whose content is compared"),
        ("kind: port, container: a, port: http", "`http` cannot be read"),
        ("kind: port, container: a, port: 53/udp, answers: yes", "is UDP, which nobody can knock at"),
        ("kind: port, container: a, port: 80, published: false, answers: no", "leaves nothing to ask"),
        ("kind: log, container: a, contains: x, matches: y", "has more than one comparison"),
        ("kind: log, container: a, count: 1, at_least: 2", "counts lines in more than one way"),
        ("kind: reach, from: container/, to: \"ping://10.0.0.1\"", "is no place"),
    ] {
        let (_, complaints) = complaints_of(text);
        assert!(complaints.iter().any(|complaint| complaint.contains(what)), "{text}: {complaints:?}");
    }
}
