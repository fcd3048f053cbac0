//! What several files become.

use serde_json::json;

use super::{case, one};

fn merged(first: &str, second: &str) -> super::Case {
    let wrap = |text: &str| format!("services:\n  s:\n    image: a\n{text}");
    case(&[("1.yaml", &wrap(first)), ("2.yaml", &wrap(second))]).file("1.yaml").file("2.yaml")
}

#[test]
fn every_kind_of_value_is_merged_by_its_rule() {
    for (first, second, key, wanted) in [
        ("    command: [a]\n", "    command: b c\n", "command", json!(["b", "c"])),
        ("    environment: [A=1, B=1]\n", "    environment: {B: 2, C: 3}\n", "environment", json!({"A": "1", "B": "2", "C": "3"})),
        ("    dns: 1.1.1.1\n", "    dns: [2.2.2.2]\n", "dns", json!(["1.1.1.1", "2.2.2.2"])),
        ("    cap_add: [A]\n", "    cap_add: [A, B]\n", "cap_add", json!(["A", "B"])),
        ("    security_opt: [a]\n", "    security_opt: [b]\n", "security_opt", json!(["a", "b"])),
        ("    hostname: a\n", "    hostname: b\n", "hostname", json!("b")),
        ("    hostname: a\n", "    hostname:\n", "hostname", json!("a")),
        ("    networks: [default]\n", "    networks: {default: {aliases: [x]}}\n", "networks", json!({"default": {"aliases": ["x"]}})),
        (
            "    healthcheck: {test: a, retries: 1}\n",
            "    healthcheck: {test: [CMD, b]}\n",
            "healthcheck",
            json!({"test": ["CMD", "b"], "retries": 1}),
        ),
        (
            "    logging: {driver: a, options: {x: 1}}\n",
            "    logging: {driver: b, options: {y: 2}}\n",
            "logging",
            json!({"driver": "b", "options": {"y": "2"}}),
        ),
        ("    build: .\n", "    build: {target: t}\n", "build", json!({"context": "/p", "dockerfile": "Dockerfile", "target": "t"})),
        ("    tmpfs: [/a]\n", "    tmpfs: /b\n", "tmpfs", json!(["/a", "/b"])),
        ("    expose: [1]\n", "    expose: [\"1\", 2]\n", "expose", json!(["1", "2"])),
    ] {
        assert_eq!(merged(first, second).at(&format!("services.s.{key}")), wanted, "{first}{second}");
    }
}

#[test]
fn ports_and_mounts_are_told_apart_by_what_they_are() {
    let case = merged(
        "    ports: [\"80:80\", \"81:81\"]\n    volumes: [./a:/x, ./b:/y]\n",
        "    ports: [\"80:80\", \"82:81\"]\n    volumes: [./c:/x]\n",
    );
    let ports = case.at("services.s.ports");
    let published: Vec<&str> = ports.as_array().unwrap().iter().map(|port| port["published"].as_str().unwrap()).collect();
    assert_eq!(published, ["80", "81", "82"]);
    let volumes = case.at("services.s.volumes");
    let sources: Vec<&str> = volumes.as_array().unwrap().iter().map(|volume| volume["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["/p/c", "/p/b"]);
}

#[test]
fn tags_take_away_and_put_in_place() {
    let case = merged(
        "    ports: [\"80:80\"]\n    labels: {a: b}\n    hostname: h\n",
        "    ports: !override [\"81:81\"]\n    labels: !reset {}\n    hostname: !reset null\n",
    );
    assert_eq!(case.at("services.s.ports.0.published"), json!("81"));
    assert!(case.at("services.s").get("labels").is_none());
    assert!(case.at("services.s").get("hostname").is_none());
}

#[test]
fn documents_of_one_file_are_merged_like_files() {
    let case = one("services: {s: {image: a, hostname: h}}\n---\nservices: {s: {image: b}}\n");
    assert_eq!(case.at("services.s.image"), json!("b"));
    assert_eq!(case.at("services.s.hostname"), json!("h"));
}

#[test]
fn a_service_extends_another_of_its_file_and_of_others() {
    let base = "services:\n  base:\n    extends: root\n    build: ./src\n    volumes: [./data:/data]\n    env_file: e.env\n  root: {image: root, labels: [a=1]}\n";
    let files = [
        ("sub/base.yaml", base),
        ("sub/e.env", "E=1\n"),
        (
            "compose.yaml",
            "services:\n  s:\n    extends: {file: sub/base.yaml, service: base}\n    labels: {b: 2}\n  t:\n    extends: s\n    image: t\n",
        ),
    ];
    let case = case(&files);
    assert_eq!(case.at("services.s.build.context"), json!("/p/sub/src"));
    assert_eq!(case.at("services.s.volumes.0.source"), json!("/p/sub/data"));
    assert_eq!(case.at("services.s.environment"), json!({"E": "1"}));
    assert_eq!(case.at("services.t.labels"), json!({"a": "1", "b": "2"}));
    assert_eq!(case.at("services.t.image"), json!("t"));
    assert!(case.at("services.t").get("extends").is_none());
}

#[test]
fn included_projects_bring_their_folder_and_variables() {
    let files = [
        ("sub/compose.yaml", "services:\n  db: {image: \"db:$TAG\", volumes: [./d:/d], networks: [n]}\nnetworks: {n: }\n"),
        ("sub/.env", "TAG=9\n"),
        ("sub/over.yaml", "services: {db: {hostname: h}}\n"),
        ("compose.yaml", "include:\n  - path: [sub/compose.yaml, sub/over.yaml]\nservices:\n  web: {image: web, depends_on: [db]}\n"),
    ];
    let case = case(&files);
    assert_eq!(case.at("services.db.image"), json!("db:9"));
    assert_eq!(case.at("services.db.volumes.0.source"), json!("/p/sub/d"));
    assert_eq!(case.at("services.db.hostname"), json!("h"));
    assert_eq!(case.at("networks.n"), json!({"name": "p_n"}));
}
