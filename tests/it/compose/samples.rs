//! The sample projects by Debian's docker-compose 1.29 and by ours under its name, on the same engine: everything that `inspect` shows is compared, but for what
//! [`OWN`] names with its reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::Project;
use crate::engine::containers::users;
use crate::support::{Output, has_program, skip};

/// What two runs of one project cannot agree in, or what the two programs are known to do differently; `*` is any one name.
const OWN: &[(&str, &str)] = &[
    ("container.Id", "each container has its own"),
    ("container.Created", "the time"),
    ("container.State.Pid", "each process has its own"),
    ("container.State.StartedAt", "the time"),
    ("container.State.FinishedAt", "the time"),
    ("container.State.Health", "checks go on while one looks"),
    ("container.Image", "the second gives images that it builds labels; the image's name is compared, and what of it is in the container"),
    ("container.ResolvConfPath", "has the id in it"),
    ("container.HostnamePath", "has the id in it"),
    ("container.HostsPath", "has the id in it"),
    ("container.LogPath", "has the id in it"),
    ("container.GraphDriver", "has folders of the container"),
    ("container.NetworkSettings.SandboxID", "each network namespace has its own"),
    ("container.NetworkSettings.SandboxKey", "each network namespace has its own"),
    ("container.NetworkSettings.Networks.*.EndpointID", "each endpoint has its own"),
    ("container.NetworkSettings.Networks.*.NetworkID", "each network has its own"),
    ("container.NetworkSettings.Networks.*.MacAddress", "follows from the address"),
    (
        "container.NetworkSettings.Networks.*.IPAddress",
        "addresses are given in the order in which containers start, and those start side by side",
    ),
    ("container.NetworkSettings.Networks.*.Gateway", "the engine takes the next free subnet"),
    ("container.Config.Labels.com.docker.compose.version", "each program writes its own"),
    ("container.Config.Labels.com.docker.compose.config-hash", "a hash of each program's own model"),
    ("container.Config.Labels.com.docker.compose.depends_on", "the second Compose only"),
    ("container.Config.Labels.com.docker.compose.image", "the second Compose only"),
    ("container.Config.Labels.com.docker.compose.project.config_files", "the first has files as they were typed, the second whole paths"),
    ("network.Id", "each network has its own"),
    ("network.Created", "the time"),
    ("container.ExecIDs", "checks go on while one looks"),
    (
        "container.Config.AttachStdout",
        "the second says of all that somebody listens; it is a word of who makes the container, and changes nothing",
    ),
    (
        "container.Config.AttachStderr",
        "the second says of all that somebody listens; it is a word of who makes the container, and changes nothing",
    ),
    (
        "container.Mounts[].Mode",
        "what stood behind the second colon, in the form that has colons; whether it can be written to is compared",
    ),
    ("network.Labels.com.docker.compose.network", "of a network with a name of its own the first has that name, the second the file's key"),
    ("volume.Labels.com.docker.compose.volume", "of a volume with a name of its own the first has that name, the second the file's key"),
    ("network.Attachable", "the first sets it always, the second if the file says so; it means something for a cluster's networks only"),
    ("network.Containers", "has ids and addresses; which containers are in it is compared from their side"),
    ("network.Labels.com.docker.compose.version", "each program writes its own"),
    ("network.Labels.com.docker.compose.config-hash", "the second Compose only"),
    ("volume.CreatedAt", "the time"),
    ("volume.Labels.com.docker.compose.version", "each program writes its own"),
    ("volume.Labels.com.docker.compose.config-hash", "the second Compose only"),
];

/// Lists whose order means nothing.
const SETS: &[&str] =
    &["Env", "Binds", "CapAdd", "CapDrop", "ExtraHosts", "Links", "Aliases", "DNSNames", "Mounts", "Ulimits", "VolumesFrom"];

fn is_own(path: &str) -> bool {
    // Whichever item of a list.
    let path: String = path.split_inclusive('[').map(|part| part.trim_start_matches(|one: char| one.is_ascii_digit())).collect();
    let fits = |pattern: &str| match pattern.split_once(".*.") {
        None => path == *pattern,
        Some((before, after)) => {
            let inner = path.strip_prefix(before).and_then(|rest| rest.strip_prefix('.')).and_then(|rest| rest.strip_suffix(after));
            inner.is_some_and(|inner| inner.ends_with('.') && !inner[..inner.len() - 1].contains('.'))
        }
    };
    OWN.iter().any(|(pattern, _)| fits(pattern))
}

/// A document as lines: where a value stands, and the value. What is empty is as good as not there.
fn flat(path: &str, value: &Value, ids: &[(String, String)], lines: &mut BTreeMap<String, String>) {
    if is_own(path) {
        return;
    }
    match value {
        Value::Object(inner) => inner.iter().for_each(|(key, value)| flat(&format!("{path}.{key}"), value, ids, lines)),
        Value::Array(inner) => {
            let mut items: Vec<Value> = inner.clone();
            if SETS.contains(&path.rsplit('.').next().unwrap_or_default()) {
                items.sort_by_key(|item| (item["Destination"].to_string(), named(&item.to_string(), ids)));
            }
            // Beside the names that the file gives, the first Compose gives each container its short id in networks, and the second its name.
            let given = |item: &Value| !ids.iter().any(|(id, name)| item.as_str() == id.get(..12) || item == name);
            items.retain(|item| !path.ends_with(".Aliases") || given(item));
            items.iter().enumerate().for_each(|(at, item)| flat(&format!("{path}[{at}]"), item, ids, lines));
        }
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        other => {
            lines.insert(path.to_owned(), named(&other.to_string(), ids));
        }
    }
}

/// Names in the place of what has none: ids of containers, and volumes without a name.
fn named(text: &str, ids: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (id, name) in ids {
        text = text.replace(id, &format!("<{name}>")).replace(&id[..12], &format!("<{name}>"));
    }
    // A volume without a name has one of 64 digits.
    let is_name = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words: Vec<String> = text.split(|one: char| !one.is_ascii_alphanumeric()).filter(is_name).map(str::to_owned).collect();
    words.iter().fold(text, |text, word| if text.contains(&format!("sha256:{word}")) { text } else { text.replace(word, "<nameless>") })
}

/// All that there is of a project.
fn world(project: &Project) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let names = project.names();
    let ids: Vec<(String, String)> = names.iter().map(|name| (project.id(name), name.clone())).collect();
    for name in &names {
        let mut one = BTreeMap::new();
        let mut shown = project.inspect(&["inspect", name]);
        let host = &mut shown["HostConfig"];
        // The first Compose has the form with colons where the file has it, the second wherever that can say it.
        host["Storage"] = storage(&host["Binds"], &host["Mounts"]);
        host["Binds"] = Value::Null;
        host["Mounts"] = Value::Null;
        free_ports(&mut shown);
        flat("container", &shown, &ids, &mut one);
        lines.extend(one.into_iter().map(|(path, value)| (format!("{name}: {path}"), value)));
    }
    let listed = |kind: &str| project.docker(&[kind, "ls", "--format", "{{.Name}}"]).lines().map(str::to_owned).collect::<Vec<_>>();
    for name in listed("network").into_iter().filter(|name| !["bridge", "host", "none"].contains(&name.as_str())) {
        let mut shown = project.inspect(&["network", "inspect", &name]);
        // Without one in the file the engine takes the next that is free.
        if !shown["IPAM"]["Config"][0]["Subnet"].as_str().is_some_and(|subnet| subnet.starts_with("10.")) {
            shown["IPAM"]["Config"] = Value::Null;
        }
        let mut one = BTreeMap::new();
        flat("network", &shown, &ids, &mut one);
        lines.extend(one.into_iter().map(|(path, value)| (format!("{name}: {path}"), value)));
    }
    for name in listed("volume") {
        let nameless = name.len() == 64;
        let mut one = BTreeMap::new();
        flat("volume", &project.inspect(&["volume", "inspect", &name]), &ids, &mut one);
        // Several without a name are counted by the mounts of their containers.
        let name = if nameless { "nameless" } else { &name };
        lines.extend(one.into_iter().map(|(path, value)| (format!("{name}: {path}"), value)));
    }
    lines
}

/// What is mounted, in one form: kind, source, target, whether it is read only and whether the image's files stay out. What has no source is seen in the
/// container's own list of mounts.
fn storage(binds: &Value, mounts: &Value) -> Value {
    let mut all: Vec<String> = Vec::new();
    for bind in binds.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let parts: Vec<&str> = bind.split(':').collect();
        let kind = if parts[0].starts_with('/') { "bind" } else { "volume" };
        let says = |word: &str| parts.get(2).is_some_and(|how| how.split(',').any(|one| one == word));
        all.push(format!("{kind} {} {} ro={} nocopy={}", parts[0], parts[1], says("ro"), says("nocopy")));
    }
    for mount in mounts.as_array().into_iter().flatten().filter(|mount| mount["Source"].as_str().is_some_and(|text| !text.is_empty())) {
        let text = |key: &str| mount[key].as_str().unwrap_or_default().to_owned();
        let is = |value: &Value| value.as_bool().unwrap_or(false);
        let (read_only, nocopy) = (is(&mount["ReadOnly"]), is(&mount["VolumeOptions"]["NoCopy"]));
        all.push(format!("{} {} {} ro={read_only} nocopy={nocopy}", text("Type"), text("Source"), text("Target")));
    }
    all.sort();
    all.into()
}

/// A port that the engine may choose is a free one, which is another each time.
fn free_ports(shown: &mut Value) {
    let asked = shown["HostConfig"]["PortBindings"].clone();
    for (port, bindings) in shown["NetworkSettings"]["Ports"].as_object_mut().into_iter().flatten() {
        let free = asked[port][0]["HostPort"].as_str().is_none_or(|text| text.is_empty() || text == "0");
        for binding in bindings.as_array_mut().into_iter().flatten().filter(|_| free) {
            binding["HostPort"] = "free".into();
        }
    }
}

/// A sample: what it is called, its file, and what else it needs.
struct Sample {
    name: &'static str,
    file: String,
    more: &'static [(&'static str, &'static str)],
}

fn sample(name: &'static str, file: impl Into<String>, more: &'static [(&'static str, &'static str)]) -> Sample {
    Sample { name, file: file.into(), more }
}

/// The Compose file that a lesson writes in `folder`.
pub fn of_lesson(lesson: &str, folder: &str) -> String {
    let (_, behind) = lesson.split_once(&format!("cd {folder}\n")).expect("the project of the lesson");
    let mut lines = behind.lines().skip_while(|line| !(line.starts_with("cat > ") && line.contains(".y")));
    assert!(lines.next().is_some_and(|line| line.ends_with("<<'END'")), "the lesson writes the file of {folder}");
    lines.take_while(|line| *line != "END").map(|line| format!("{line}\n")).collect()
}

/// The lesson of whole applications: what is tested is what is read.
pub const APPS: &str = include_str!("../../../lessons/09-compose/09-apps.md");
const FILES: &str = include_str!("../../../lessons/09-compose/10-samples.md");

/// Images of these names are all the same one: it waits until it is killed, and has a place for data.
const IMAGES: &[&str] = &[
    "dockercoins/rng:v0.1",
    "dockercoins/hasher:v0.1",
    "dockercoins/worker:v0.1",
    "dockercoins/webui:v0.1",
    "redis:latest",
    "redis:alpine",
    "nginx:latest",
    "httpd:latest",
    "drupal:latest",
    "postgres:latest",
    "mongo:7",
    "mysql:8.0",
    "wordpress:latest",
    "bretfisher/examplevotingapp_vote:latest",
    "bretfisher/examplevotingapp_worker:latest",
    "bretfisher/examplevotingapp_result:latest",
    "visits:latest",
];

/// An engine with those images.
fn engine() -> Project {
    let project = Project::new("services: {}\n");
    let root = project.path("root");
    std::fs::write(root.join("bin/redis-cli"), "#!/bin/sh\necho PONG\n").expect("write a program");
    std::fs::set_permissions(root.join("bin/redis-cli"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("make it one");
    let tar = project.path("all.tar");
    let (root, tar) = (root.to_str().expect("a text"), tar.to_str().expect("a text"));
    project.confined.engine.sandbox.program("tar").args(["-C", root, "-cf", tar, "."]).succeeds();
    let changes = ["--change", "CMD [\"sleep\", \"600\"]", "--change", "STOPSIGNAL KILL", "--change", "VOLUME /data"];
    project.docker(&[&["import"], &changes[..], &[tar, IMAGES[0]]].concat());
    for name in &IMAGES[1..] {
        project.docker(&["tag", IMAGES[0], name]);
    }
    project
}

/// Brings each sample up by the one and by the other, and tells every difference of all of them.
fn compared(test: &str, samples: &[Sample]) {
    if !has_program("docker-compose") {
        skip(test, "docker-compose is not installed");
        return;
    }
    if !users(test) {
        return;
    }
    let project = engine();
    let mut told = String::new();
    for sample in samples {
        project.write("compose.yaml", &sample.file);
        sample.more.iter().for_each(|(name, text)| project.write(name, text));
        let debians = |words: &[&str]| -> Output {
            let call =
                project.confined.engine.sandbox.program("/usr/bin/docker-compose").args(["-p", "x", "-f", "compose.yaml"]).args(words);
            project.confined.engine.client(call).folder(project.path("app")).succeeds()
        };
        let ours = |words: &[&str]| project.standalone(&[&["-f", "compose.yaml"], words].concat()).succeeds();
        debians(&["up", "-d"]);
        let theirs = world(&project);
        assert!(theirs.keys().any(|path| path.ends_with(": container.Name")), "{}: {theirs:?}", sample.name);
        debians(&["down", "-v", "--rmi", "local"]);
        assert!(project.names().is_empty(), "{}", sample.name);
        ours(&["up", "-d"]);
        let own = world(&project);
        for path in theirs.keys().chain(own.keys().filter(|path| !theirs.contains_key(*path))) {
            if theirs.get(path) != own.get(path) {
                writeln!(told, "{}: {path}: 1.29 {:?}, ours {:?}", sample.name, theirs.get(path), own.get(path))
                    .expect("a String takes it");
            }
        }
        // Each takes the other's for its own.
        let count = |output: Output| output.stdout.lines().count();
        assert_eq!(count(debians(&["ps", "-q"])), project.names().len(), "{}", sample.name);
        debians(&["down", "-v", "--rmi", "local"]);
        assert!(project.names().is_empty(), "{}", sample.name);
        assert!(!project.docker(&["network", "ls"]).contains("x_"), "{}", sample.name);
    }
    assert!(told.is_empty(), "{told}");
}

#[test]
fn the_applications_of_the_course_are_the_same_by_debians_docker_compose() {
    compared(
        "the_applications_of_the_course_are_the_same_by_debians_docker_compose",
        &[
            sample("dockercoins", of_lesson(APPS, "/srv/coins"), &[]),
            sample("voting app", of_lesson(APPS, "/srv/vote"), &[("password.txt", "of nobody\n")]),
            sample("proxy", of_lesson(APPS, "/srv/proxy"), &[("nginx.conf", "events {}\n")]),
            sample("redis", include_str!("../../../lessons/09-compose/files/sample/docker-compose.yml"), &[("Dockerfile", "FROM httpd\n")]),
            sample(
                "express",
                include_str!("../../../lessons/10-habits/files/express.yml"),
                &[("Dockerfile", "FROM httpd\nWORKDIR /app\n")],
            ),
        ],
    );
}

#[test]
fn the_sample_files_of_the_course_are_the_same_by_debians_docker_compose() {
    // As the lesson mends it.
    let old = of_lesson(FILES, "/srv/old")
        .replace("command: #", "command: sleep 600 #")
        .replace("environment: #", "environment: {} #")
        .replace("    volumes: #", "    volumes: [] #");
    let old = old.replace("\nvolumes: #", "\nvolumes: {} #").replace("\nnetworks: #", "\nnetworks: {} #");
    // What is true is `True` for the first Compose, which Python wrote, and `true` for the second.
    let kube = of_lesson(FILES, "/srv/kube").replace("expose: true", "expose: 'true'");
    compared(
        "the_sample_files_of_the_course_are_the_same_by_debians_docker_compose",
        &[
            sample("old", old, &[]),
            sample("own files", of_lesson(FILES, "/srv/own"), &[("nginx.conf", "server {}\n"), ("nginx.Dockerfile", "FROM nginx\n")]),
            sample("visits", of_lesson(FILES, "/srv/visits"), &[("Dockerfile", "FROM visits\nLABEL of=image\nENV A=b\nEXPOSE 8081\n")]),
            sample("drupal", of_lesson(FILES, "/srv/drupal"), &[]),
            sample("kompose", kube, &[("api/Dockerfile", "FROM httpd\n"), ("web/Dockerfile", "FROM httpd\n")]),
        ],
    );
}

const WORDPRESS: &str = "version: '3.3'
services:
  db:
    image: mysql:8.0
    command: ['sleep', '601']
    volumes: ['db_data:/var/lib/mysql']
    restart: always
    environment: {MYSQL_ROOT_PASSWORD: somewordpress, MYSQL_DATABASE: wordpress, MYSQL_USER: wordpress, MYSQL_PASSWORD: wordpress}
  wordpress:
    depends_on: [db]
    image: wordpress:latest
    volumes: ['wordpress_data:/var/www/html']
    ports: ['8000:80']
    restart: always
    environment: ['WORDPRESS_DB_HOST=db:3306', WORDPRESS_DB_USER=wordpress, WORDPRESS_DB_PASSWORD=wordpress, WORDPRESS_DB_NAME=wordpress]
volumes: {db_data: {}, wordpress_data: {}}
";

const SECOND: &str = "version: '2.4'
services:
  data:
    image: redis
    volumes: ['/srv/kept', './conf:/conf:ro', 'named:/named']
    mem_limit: 64m
    mem_reservation: 32m
    cpu_shares: 200
    cpus: 0.5
    cpuset: '0'
    pids_limit: 100
    shm_size: 32m
    oom_score_adj: 100
    init: true
    privileged: true
    stop_grace_period: 3s
    logging: {driver: json-file, options: {max-size: 1m, max-file: '2'}}
    sysctls: {net.core.somaxconn: 1024}
    networks: {inner: {aliases: [store], ipv4_address: 10.77.0.9}}
    labels: [a=b, c]
  web:
    image: nginx
    entrypoint: [sh, -c]
    command: ['sleep 600']
    links: ['data:db']
    volumes_from: ['data:ro']
    depends_on: {data: {condition: service_started}}
    restart: 'on-failure:3'
    cap_drop: [MKNOD]
    cap_add: [NET_ADMIN, SYS_TIME]
    security_opt: ['no-new-privileges:true']
    group_add: ['44']
    tty: true
    stdin_open: true
    dns: [10.1.1.1, 10.1.1.2]
    dns_search: [ship.example]
    dns_opt: ['ndots:2']
    domainname: example
    hostname: face
    extra_hosts: {far: 10.1.2.3}
    env_file: [one.env]
    environment: {B: two, EMPTY: ''}
    ulimits: {nproc: 600, nofile: {soft: 100, hard: 200}}
    tmpfs: ['/run:size=1m', /cache]
    ports: ['80', '127.0.0.1:8443:443', '9000-9001:9000-9001/udp']
    expose: ['7000']
    healthcheck: {disable: true}
    networks: [inner, default]
  alone:
    image: httpd
    network_mode: none
    scale: 2
    read_only: true
    ipc: shareable
    userns_mode: host
  beside:
    image: httpd
    container_name: by-name
    network_mode: 'service:web'
    pid: 'service:data'
    working_dir: /bin
    user: '7:8'
volumes:
  named: {driver: local, labels: {who: me}}
networks:
  default: {driver_opts: {com.docker.network.bridge.enable_icc: 'true'}}
  inner: {internal: true, labels: [net=inner], ipam: {config: [{subnet: 10.77.0.0/24, gateway: 10.77.0.254}]}}
";

const THIRD: &str = "version: '3.8'
x-usual: &usual {restart: unless-stopped, logging: {driver: local}}
services:
  web:
    <<: *usual
    image: nginx
    ports: [{target: 80, protocol: tcp, mode: host}]
    volumes:
      - {type: volume, source: data, target: /srv, volume: {nocopy: true}}
      - {type: bind, source: ./conf, target: /conf, read_only: true}
      - {type: tmpfs, target: /scratch, tmpfs: {size: 1048576}}
    secrets: [word]
    deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 50M}, reservations: {memory: 20M}}}
    healthcheck: {test: 'true', interval: 1m30s, timeout: 10s, retries: 3, start_period: 40s}
    stop_signal: KILL
  job:
    <<: *usual
    image: httpd
    profiles: [never]
volumes:
  data: {name: own-name}
networks:
  default: {name: own-net, attachable: true}
secrets: {word: {file: ./word}}
";

#[test]
fn files_of_versions_two_and_three_are_the_same_by_debians_docker_compose() {
    compared(
        "files_of_versions_two_and_three_are_the_same_by_debians_docker_compose",
        &[
            sample("wordpress", WORDPRESS, &[]),
            sample("version 2", SECOND, &[("conf/file", "text\n"), ("one.env", "A=one\n# no\nB=not this\n")]),
            sample("version 3", THIRD, &[("conf/site", "text\n"), ("word", "secret\n")]),
        ],
    );
}
