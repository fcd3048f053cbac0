//! Who else talks to the engine, and what it was told: docker-compose of the older kind, and daemon.json.

use super::containers::{Confined, docker, run};
use super::{PATIENCE, text};
use crate::support::{eventually, has_program, skip, wait};

/// Two services, one after the other.
const PROJECT: &str = r#"
version: "2.4"
services:
  web:
    image: base:1
    command: sh -c "echo web is up; sleep 1000"
    depends_on: [db]
  db:
    image: base:1
    command: sh -c "echo db is up; sleep 1000"
    volumes: ["data:/data"]
volumes:
  data: {}
"#;

#[test]
fn the_older_docker_compose_runs_a_project_of_two_services() {
    if !has_program("docker-compose") || !docker("the_older_docker_compose_runs_a_project_of_two_services") {
        return skip("the_older_docker_compose_runs_a_project_of_two_services", "docker-compose is not installed");
    }
    let here = Confined::start();
    let file = here.engine.path("project.yml");
    std::fs::write(&file, PROJECT).expect("write a project");
    let compose = |words: &[&str]| {
        let call = here.engine.sandbox.program("docker-compose").args(["-p", "two", "-f", &text(&file)]).args(words);
        here.engine.client(call)
    };
    let version = compose(&["version", "--short"]).succeeds().stdout;
    if !version.starts_with("1.") {
        return skip("the_older_docker_compose_runs_a_project_of_two_services", "this docker-compose is a newer one");
    }
    compose(&["up", "-d"]).succeeds();
    assert_eq!(here.said(&["ps", "--format", "{{.Names}} {{.State}}"]), "two_web_1 running\ntwo_db_1 running\n");
    let listed = compose(&["ps"]).succeeds().stdout;
    assert!(listed.contains("two_db_1") && listed.contains("two_web_1") && listed.matches(" Up ").count() == 2, "{listed}");
    // `up -d` waits until they run, and not until they have said so.
    let logs = || Some(compose(&["logs", "--no-color"]).succeeds().stdout);
    eventually("both in the logs", PATIENCE, || logs().filter(|logs| logs.contains("| web is up") && logs.contains("| db is up")));
    // A service is found by its name.
    let pinged = compose(&["exec", "-T", "web", "ping", "-c", "1", "-W", "5", "db"]).succeeds().stdout;
    assert!(pinged.contains("1 packets received"), "{pinged}");
    compose(&["exec", "-T", "web", "sh", "-c", "exit 5"]).exits(5);
    assert_eq!(compose(&["run", "--rm", "db", "echo", "by the way"]).succeeds().stdout, "by the way\n");
    // Nothing has changed, so nothing is made anew.
    let before = here.said(&["ps", "-q"]);
    compose(&["up", "-d"]).succeeds();
    assert_eq!(here.said(&["ps", "-q"]), before);
    compose(&["down", "-v", "-t", "1"]).succeeds();
    assert_eq!(here.said(&["ps", "-aq"]) + &here.said(&["volume", "ls", "-q"]), "");
    assert!(!here.said(&["network", "ls"]).contains("two_default"));
}

#[test]
fn what_daemon_json_says_holds_where_a_container_says_nothing() {
    if !docker("what_daemon_json_says_holds_where_a_container_says_nothing") {
        return;
    }
    let here = Confined::told(
        r#"{"log-opts": {"max-size": "4k", "max-file": "2"}, "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128}},
            "bip": "172.29.3.1/24", "dns": ["192.0.2.53"], "no-new-privileges": true, "live-restore": false}"#,
    );
    let config = here.said(&["create", "--name", "rests", "base:1", "true"]);
    assert_eq!(
        here.said(&["inspect", "-f", "{{json .HostConfig.LogConfig}}", config.trim()]),
        "{\"Type\":\"json-file\",\"Config\":{\"max-file\":\"2\",\"max-size\":\"4k\"}}\n"
    );
    let seen = here.said(&["run", "--rm", "base:1", "sh", "-c", "ulimit -Sn; ulimit -Hn; cat /etc/resolv.conf; ip -4 addr show eth0"]);
    assert!(seen.starts_with("64\n128\nnameserver 192.0.2.53\n") && seen.contains("172.29.3.2/24"), "{seen}");
    let own =
        here.said(&run(&["--ulimit", "nofile=70:70", "--dns", "192.0.2.54", "base:1", "sh", "-c", "ulimit -n; cat /etc/resolv.conf"]));
    assert!(own.starts_with("70\nnameserver 192.0.2.54\n"), "{own}");
    let rights = ["sh", "-c", "while read -r name value; do [ $name = NoNewPrivs: ] && echo $value; done < /proc/self/status; true"];
    assert_eq!(here.said(&run(&[&["base:1"][..], &rights].concat())), "1\n");
    let without = ["--security-opt", "no-new-privileges=false", "base:1"];
    assert_eq!(here.said(&run(&[&without[..], &rights].concat())), "0\n");
    assert_eq!(here.said(&["info", "-f", "{{json .SecurityOptions}}"]), "[\"name=seccomp,profile=builtin\",\"name=no-new-privileges\"]\n");
    let refused = here.fails(&["create", "--log-opt", "max-siz=1", "base:1", "true"], 1);
    assert!(refused.contains("unknown log opt 'max-siz' for json-file log driver"), "{refused}");
    // Two files of four thousand bytes: of a thousand lines some of the last are left, and no first.
    let talks = "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo line $i; done";
    here.said(&["run", "--name", "talks", "--network", "none", "base:1", "sh", "-c", talks]);
    let left = here.said(&["logs", "talks"]);
    assert!(left.ends_with("line 1000\n") && !left.contains("line 1\n") && (20..200).contains(&left.lines().count()), "{left}");
    // Told not to leave them running, it ends them before it ends itself.
    here.said(&[
        "run",
        "-d",
        "--name",
        "ends",
        "--network",
        "none",
        "-t",
        "base:1",
        "sh",
        "-c",
        "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done",
    ]);
    eventually("its trap", PATIENCE, || here.said(&["logs", "ends"]).contains("ready").then_some(()));
    assert_eq!(here.said(&["info", "-f", "{{.LiveRestoreEnabled}}"]), "false\n");
    let mut here = here;
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", here.engine.process.id())).expect("the engine");
    here.engine.sandbox.program("kill").args([children.trim()]).succeeds();
    assert!(wait(&mut here.engine.process, PATIENCE).is_some(), "it ends by itself");
    let id = here.engine.path("data/containers");
    let records: Vec<String> = std::fs::read_dir(&id)
        .expect("the containers")
        .map(|folder| std::fs::read_to_string(folder.expect("a folder").path().join("container.json")).expect("a record"))
        .filter(|record| record.contains("\"name\":\"ends\""))
        .collect();
    assert!(records.len() == 1 && records[0].contains("\"status\":\"exited\"") && records[0].contains("\"exit_code\":7"), "{records:?}");
}

#[test]
fn who_copies_into_a_container_or_out_of_it_is_told_as_an_event() {
    if !docker("who_copies_into_a_container_or_out_of_it_is_told_as_an_event") {
        return;
    }
    let here = Confined::start();
    let (file, back) = (here.engine.path("file"), here.engine.path("back"));
    std::fs::write(&file, "a line").expect("write a file");
    here.said(&["create", "--name", "box", "base:1", "true"]);
    here.said(&["cp", &text(&file), "box:/file"]);
    here.said(&["cp", "box:/file", &text(&back)]);
    assert_eq!(std::fs::read_to_string(&back).expect("read it again"), "a line");
    // A duration would be counted in whole seconds, and leave out what has just happened.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time after 1970");
    let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
    let told = here.said(&["events", "--since", "10m", "--until", &until, "--filter", "container=box", "--format", "{{.Action}}"]);
    assert_eq!(told, "create\nextract-to-dir\narchive-path\n");
}

#[test]
fn the_bench_of_security_tells_what_is_so() {
    if !docker("the_bench_of_security_tells_what_is_so") {
        return;
    }
    let here = Confined::told(r#"{"no-new-privileges": true, "userns-remap": "default", "live-restore": true}"#);
    let (host, file) = (format!("unix://{}", text(&here.engine.path("docker.sock"))), text(&here.engine.path("daemon.json")));
    let bench = |more: &[&str]| {
        let words = ["bench-security", "-H", host.as_str(), "--config-file", file.as_str()];
        here.engine.client(here.engine.sandbox.bottleship(words).args(more))
    };
    here.said(&["run", "-d", "--name", "all", "--network", "none", "--privileged", "base:1", "sleep", "1000"]);
    let report = bench(&[]).exits(1).stdout;
    for line in [
        "[PASS] 2.8 ",
        "[PASS] 2.9 ",
        "[WARN] 2.7 ",
        "userns-remap is set, and changes nothing",
        "[WARN] 5.4 ",
        "[PASS] 5.6 ",
        "[PASS] 5.9 ",
    ] {
        assert!(report.contains(line), "{line}: {report}");
    }
    let one = bench(&["--check", "5.4", "--format", "json"]).exits(1).stdout;
    let one: serde_json::Value = serde_json::from_str(&one).expect("a document");
    assert_eq!((&one["checks"][0]["found"][0], &one["sums"]["warn"]), (&serde_json::json!("all"), &serde_json::json!(1)));
    here.said(&["rm", "-f", "all"]);
    assert!(bench(&["--check", "5"]).succeeds().stdout.contains("no container runs"));
    assert!(bench(&["--check", "9"]).exits(2).stderr.contains("there is no check `9`"));
    std::fs::write(here.engine.path("daemon.json"), "{").expect("write what is wrong");
    assert!(bench(&[]).exits(2).stderr.contains("daemon.json"));
}
