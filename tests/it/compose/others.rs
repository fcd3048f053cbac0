//! Beside Debian's docker-compose 1.29: the same project gives the same things, and either goes on where the other stopped.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Project;
use crate::engine::containers::users;
use crate::support::{has_program, skip};

const FILE: &str = "version: '3'
services:
  db:
    image: base:1
    command: sleep 600
    stop_signal: KILL
    environment: {NAME: value}
    volumes: ['data:/srv', './conf:/conf:ro']
    networks: [back]
    restart: unless-stopped
  web:
    image: base:1
    command: [sh, -c, 'sleep 600']
    stop_signal: KILL
    working_dir: /bin
    hostname: front
    user: '1000'
    depends_on: [db]
    ports: ['18081:80', '127.0.0.1:18082:81/udp']
    expose: ['9000']
    cap_add: [NET_ADMIN]
    read_only: true
    tmpfs: [/tmp]
    labels: {kind: test}
    healthcheck: {test: [CMD, 'true'], interval: 5s}
    networks: {back: {aliases: [face]}, front: {}}
    extra_hosts: ['far:10.1.2.3']
    ulimits: {nofile: 1000}
volumes:
  data: {labels: {who: me}}
networks:
  back: {internal: true}
  front:
";

/// What two ways of the same project must agree in.
fn world(project: &Project) -> BTreeMap<String, Value> {
    let mut world = BTreeMap::new();
    for name in project.names() {
        world.insert(format!("container {name}"), container(&project.inspect(&["inspect", &name])));
    }
    for name in ["x_back", "x_front"] {
        let shown = project.inspect(&["network", "inspect", name]);
        // Not `Attachable`: the first Compose sets it always, the second when the file says so. It means something for a cluster's networks only.
        let kept = ["Name", "Driver", "Internal", "EnableIPv6", "Options"].map(|key| (key.to_owned(), shown[key].clone()));
        let mut kept: serde_json::Map<String, Value> = kept.into_iter().collect();
        kept.insert("Labels".to_owned(), labels(&shown["Labels"]));
        world.insert(format!("network {name}"), Value::Object(kept));
    }
    let shown = project.inspect(&["volume", "inspect", "x_data"]);
    world.insert("volume x_data".to_owned(), serde_json::json!({"Driver": shown["Driver"], "Labels": labels(&shown["Labels"])}));
    world
}

/// Without what is each one's own: who it is, its hash, and labels that the first Compose did not have.
fn labels(labels: &Value) -> Value {
    // The first Compose names files as they were typed, the second by their whole paths.
    let own = ["version", "config-hash", "depends_on", "image", "project.config_files"];
    let mut kept = labels.clone();
    if let Some(kept) = kept.as_object_mut() {
        kept.retain(|name, _| name.strip_prefix("com.docker.compose.").is_none_or(|rest| !own.contains(&rest)));
        kept.sort_keys();
    }
    kept
}

fn sorted(list: &Value) -> Value {
    let mut items: Vec<Value> = list.as_array().cloned().unwrap_or_default();
    items.sort_by_key(Value::to_string);
    items.into()
}

fn container(shown: &Value) -> Value {
    let (config, host) = (&shown["Config"], &shown["HostConfig"]);
    let of = |from: &Value, keys: &[&str]| -> serde_json::Map<String, Value> {
        keys.iter().map(|key| ((*key).to_owned(), from[*key].clone())).collect()
    };
    let mut all = of(
        config,
        &[
            "User",
            "Cmd",
            "Entrypoint",
            "WorkingDir",
            "Image",
            "Tty",
            "OpenStdin",
            "StopSignal",
            "Healthcheck",
            "ExposedPorts",
            "AttachStdin",
        ],
    );
    all.insert("Labels".to_owned(), labels(&config["Labels"]));
    all.insert("Env".to_owned(), sorted(&config["Env"]));
    all.insert("Binds".to_owned(), sorted(&host["Binds"]));
    all.extend(of(
        host,
        &["NetworkMode", "PortBindings", "RestartPolicy", "ReadonlyRootfs", "Tmpfs", "ExtraHosts", "Ulimits", "Privileged", "AutoRemove"],
    ));
    all.insert("CapAdd".to_owned(), sorted(&host["CapAdd"]));
    let networks = shown["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    // The names that the file gives; beside them each has its own: the first Compose the id, ours the container's name.
    let aliases = |endpoint: &Value| {
        let id = shown["Id"].as_str().unwrap_or_default();
        let name = shown["Name"].as_str().unwrap_or_default().trim_start_matches('/');
        let all = endpoint["Aliases"].as_array().cloned().unwrap_or_default();
        sorted(&all.into_iter().filter(|alias| alias.as_str().is_some_and(|alias| alias != name && !id.starts_with(alias))).collect())
    };
    all.insert(
        "Networks".to_owned(),
        networks.iter().map(|(name, endpoint)| (name.clone(), aliases(endpoint))).collect::<serde_json::Map<String, Value>>().into(),
    );
    // An empty list is as good as none.
    for value in all.values_mut() {
        if value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty) {
            *value = Value::Null;
        }
    }
    if config["Hostname"] == "front" {
        all.insert("Hostname".to_owned(), "front".into());
    }
    Value::Object(all)
}

#[test]
fn the_same_project_is_the_same_by_debians_docker_compose() {
    if !has_program("docker-compose") {
        skip("the_same_project_is_the_same_by_debians_docker_compose", "docker-compose is not installed");
        return;
    }
    if !users("the_same_project_is_the_same_by_debians_docker_compose") {
        return;
    }
    let project = Project::new(FILE);
    project.write("conf/file", "text\n");
    let debians = |words: &[&str]| {
        let call = project.confined.engine.sandbox.program("/usr/bin/docker-compose").args(["-p", "x"]).args(words);
        project.confined.engine.client(call).folder(project.path("app")).succeeds()
    };
    debians(&["-f", "compose.yaml", "up", "-d"]);
    let theirs = world(&project);
    debians(&["-f", "compose.yaml", "down", "-v"]);
    assert!(project.names().is_empty());
    project.standalone(&["-f", "compose.yaml", "up", "-d"]).succeeds();
    let ours = world(&project);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, thing) in &theirs {
        let ours: BTreeMap<&String, &Value> = ours[name].as_object().expect("an object").iter().collect();
        let theirs: BTreeMap<&String, &Value> = thing.as_object().expect("an object").iter().collect();
        for (key, value) in theirs {
            assert_eq!(ours[key], value, "{name}: {key}");
        }
    }
    // It knows ours for its own.
    assert_eq!(debians(&["-f", "compose.yaml", "ps", "-q"]).stdout.lines().count(), 2);
    debians(&["-f", "compose.yaml", "down", "-v"]);
    assert!(project.names().is_empty() && !project.docker(&["network", "ls"]).contains("x_"));
}

#[test]
fn the_other_name_has_the_other_separator_and_docker_finds_a_plugin() {
    let project = Project::new("services:\n  web: {image: base:1, stop_signal: KILL, command: sleep 600}\n");
    project.standalone(&["up", "-d"]).succeeds();
    assert_eq!(project.names(), ["x_web_1"]);
    assert_eq!(project.standalone(&["ps", "--format", "{{.Name}}"]).succeeds().stdout, "x_web_1\n");
    project.standalone(&["down"]).succeeds();
    let program = project.path("docker-compose");
    let asked = project.confined.engine.sandbox.program(&program).args(["docker-cli-plugin-metadata"]).succeeds();
    let told: Value = serde_json::from_str(&asked.stdout).expect("a document");
    assert_eq!((&told["SchemaVersion"], &told["Vendor"]), (&"0.1.0".into(), &"Bottleship".into()));
    let plugin = project.confined.engine.sandbox.program(&program).args(["compose", "-p", "x", "up", "-d"]);
    project.confined.engine.client(plugin).folder(project.path("app")).succeeds();
    assert_eq!(project.names(), ["x-web-1"]);
    if !has_program("docker") {
        skip(
            "the_other_name_has_the_other_separator_and_docker_finds_a_plugin",
            "docker is not installed: only the plugin itself was called",
        );
        return;
    }
    let plugins = project.path("home/.docker/cli-plugins");
    std::fs::create_dir_all(&plugins).expect("a folder for plugins");
    std::os::unix::fs::symlink(crate::support::binary(), plugins.join("docker-compose")).expect("a link");
    let real = project.confined.engine.client(project.confined.engine.sandbox.program("docker").args(["compose", "-p", "x", "down"]));
    real.folder(project.path("app")).succeeds();
    assert!(project.names().is_empty());
}
