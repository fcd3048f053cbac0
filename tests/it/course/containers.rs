//! Facts about containers, volumes, networks, ports and logs in a real bottle with a real engine: one world, one check, one table; and what is told of
//! the lines that made it.

use super::facts::{checked, course, no_cgroups};
use super::{bottleship, typed};
use crate::support::{Rights, Sandbox, rights};

/// What the world is before the check.
const SETUP: &str = r#"setup:
  - "docker network create front && docker network create --internal back"
  - "docker volume create rows && docker run --rm -v rows:/rows alpine sh -c 'echo ahoy > /rows/word'"
  - "docker run -d --name web --network front --network-alias www -p 127.0.0.1:8080:80 -p 8081:9 -e TOKEN=s3 --memory 64m --label tier=front nginx"
  - "docker run -d --name db --network back -v rows:/data:ro --cap-drop ALL --user 33 --read-only alpine sleep 1000"
  - "docker run --name job alpine sh -c 'echo begun; echo wrong >&2; exit 3'; true"
  - "docker run -d --name well --health-cmd true --health-interval 100ms alpine sleep 1000"
  - "until docker inspect -f '{{.State.Health.Status}}' well | grep -qx healthy; do :; done"
"#;

/// The fact, and the verdict that it must have. `NY` is a text for not yet, `F` one for fail.
const TABLE: &[(&str, &str)] = &[
    ("kind: container, name: web, state: running, image: \"nginx:latest\", env: {TOKEN: ^s3$}, memory_at_most: 64M, NY", "pass"),
    ("kind: container, label: tier=front, networks: [front], networks_lack: [back], alias: www, NY", "pass"),
    ("kind: container, name: job, exit_code: 3, oom_killed: false, NY", "pass"),
    ("kind: container, name: job, exit_code: 0, NY, F", "fail"),
    ("kind: container, name: nobody, state: running, NY, F", "not-yet"),
    (
        "kind: container, name: db, cap_drop: [ALL], user: \"33\", read_only: true, mounts: [{at: /data, name: rows, read_only: true}], NY",
        "pass",
    ),
    ("kind: container, name: db, privileged: true, NY, F", "fail"),
    ("kind: container, name: well, health: healthy, NY", "pass"),
    ("kind: container, name: well, health: unhealthy, F", "fail"),
    ("kind: container, name: web, made_of: nginx, NY", "pass"),
    ("kind: container, name: web, host: nowhere, NY", "error"),
    ("kind: field, of: container/job, path: inspect.State.ExitCode, is: \"3\", NY", "pass"),
    ("kind: count, of: containers, where: {status: running}, is: 3, NY", "pass"),
    ("kind: exists, of: network/front, NY", "pass"),
    ("kind: gone, of: container/web, NY", "not-yet"),
    ("kind: volume, name: rows, used_by: [db], holds: word, is: ahoy, anonymous: false, NY", "pass"),
    ("kind: volume, name: rows, unused: true, F", "fail"),
    ("kind: volume, name: rows, host: nowhere, NY", "error"),
    ("kind: network, name: back, internal: true, has: [db], lacks: [web], NY", "pass"),
    ("kind: network, name: back, has: [web], F", "fail"),
    ("kind: network, name: back, host: nowhere, NY", "error"),
    ("kind: port, container: web, port: 80, address: 127.0.0.1, host_port: 8080, answers: yes, NY", "pass"),
    ("kind: port, container: web, port: 80, body: nginx, NY", "pass"),
    ("kind: port, container: web, port: 9, answers: refused, NY", "pass"),
    ("kind: port, container: web, port: 9, answers: yes, F", "fail"),
    ("kind: port, container: db, port: 80, published: false, NY", "pass"),
    ("kind: port, container: db, port: 80, host: nowhere, NY", "error"),
    ("kind: log, container: job, stream: stderr, contains: wrong, count: 1, NY", "pass"),
    ("kind: log, container: job, stream: stdout, contains: wrong, NY, F", "fail"),
    ("kind: log, container: job, contains: wrong, host: nowhere, NY", "error"),
    ("kind: reach, from: container/web, to: \"http://www:80/\", body: nginx, NY", "pass"),
    ("kind: reach, from: container/db, to: \"tcp://web:80\", expect: no, NY", "pass"),
    ("kind: reach, from: container/job, to: \"tcp://web:80\", NY, F", "not-yet"),
    ("kind: process, match: {container: db, comm: sleep}, uid: 33, caps: {effective: none}, NY", "pass"),
    ("kind: namespace, of: container/db, kinds: [pid, net], differ_from: host, NY", "pass"),
    ("kind: mount, in: container/db, target: /data, options: [ro], NY", "pass"),
    ("kind: file, in: container/db, path: /data/word, is: ahoy, NY", "pass"),
];

#[test]
fn facts_about_containers_have_their_verdicts_in_a_real_bottle() {
    let sandbox = Sandbox::new();
    // Where there are no cgroups a limit is discarded: then there is none to look at.
    let (limit, asked) = if no_cgroups() { (" --memory 64m", ", memory_at_most: 64M") } else { ("", "") };
    let without = |text: &str, part: &str| if part.is_empty() { text.to_owned() } else { text.replace(part, "") };
    let table: Vec<(String, &str)> = TABLE.iter().map(|(fact, wanted)| (without(fact, asked), *wanted)).collect();
    let table: Vec<(&str, &str)> = table.iter().map(|(fact, wanted)| (fact.as_str(), *wanted)).collect();
    let said = typed(&sandbox, &course(&sandbox, &without(SETUP, limit), &table), ":check\n");
    let found = checked(&sandbox);
    let verdict = |at: usize| found.get(&format!("f{at}")).cloned().unwrap_or_default();
    let wrong = |(at, (fact, wanted)): (usize, &(&str, &str))| {
        let (verdict, say) = verdict(at);
        (verdict != *wanted || say.is_empty()).then(|| format!("f{at} {fact}: {verdict} ({say}), not {wanted}"))
    };
    let wrong: Vec<String> = TABLE.iter().enumerate().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}\n{said}", wrong.join("\n"));
}

/// Looking at an engine that nobody has woken leaves it asleep, and finds nothing in it.
#[test]
fn facts_wake_no_engine() {
    let sandbox = Sandbox::new();
    let said = typed(&sandbox, &course(&sandbox, "", TABLE), ":check\necho engines: $(pgrep -fc '^bottleship engine')\n");
    assert!(said.contains("engines: 0") && said.contains("There is no container web."), "{said}");
}

#[test]
fn a_line_tells_what_it_changed_in_the_engine() {
    let sandbox = Sandbox::new();
    let lines = "docker volume create rows\ndocker network create front\ndocker create --name web --network front -v rows:/rows alpine sleep 1000\n\
                 docker start web\ndocker pause web\ndocker unpause web\ndocker kill web && docker wait web\n:diff\ndocker rm web\ndocker network rm front\ndocker volume rm rows\n";
    let output = bottleship(&sandbox, &course(&sandbox, "", TABLE), &["--plain"]).input(lines).output();
    let said = format!("{}{}", output.stdout, output.stderr);
    let words = [
        "+1 volume",
        "+1 network",
        "+1 container",
        "web: created -> running",
        "web: running -> paused",
        "web: paused -> running",
        "web: running -> exited",
        "+ container web",
        "+ network front",
        "+ volume rows",
        "-1 container",
        "-1 network",
        "-1 volume",
    ];
    // Without a cgroup nothing is frozen, and that is told.
    let frozen = !said.contains("the container has no cgroup");
    assert!(frozen || rights() != Rights::Root, "{said}");
    let expected = words.iter().filter(|word| frozen || !word.contains("paused"));
    let missing: Vec<&&str> = expected.filter(|word| !said.contains(**word)).collect();
    assert!(missing.is_empty(), "missing {missing:?} in:\n{said}");
}

#[test]
fn zoom_goes_from_docker_run_through_the_specification_to_the_kernel() {
    let sandbox = Sandbox::new();
    let lines = "docker run -d --name web -m 64m --pids-limit 50 --cap-drop ALL --cap-add CHOWN --read-only --user 33 -v rows:/rows:ro alpine sleep 1000\n:zoom\n";
    let said = typed(&sandbox, &course(&sandbox, "", TABLE), lines);
    let zoomed = said.rsplit_once("you $ docker run").expect("the line").1;
    // Without a cgroup the engine has discarded them.
    let limits = if no_cgroups() { ["", ""] } else { ["`linux.resources`: memory 64MiB", "50 processes"] };
    let chain = [
        "POST /containers/create",
        "/start (event",
        "runtime container.create container/",
        "OCI config.json",
        "`process.args`: sleep 1000",
        "as 33:33 in /, without a terminal",
        ", read-only",
        "`linux.namespaces`: new ",
        limits[0],
        limits[1],
        "`process.capabilities`: 1: chown",
        "`linux.seccomp`: SCMP_ACT_ERRNO, but for ",
        "`mounts`: ",
        "kernel step ",
        "/proc of this host says now",
    ];
    // Where its lines break is not what is tested here.
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let mut rest = bare(zoomed);
    for layer in chain {
        let (_, after) = rest.split_once(&bare(layer)).unwrap_or_else(|| panic!("`{layer}` is not there, or not in its place:\n{zoomed}"));
        rest = after.to_owned();
    }
}
