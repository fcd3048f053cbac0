//! What one file becomes.

use serde_json::json;

use super::super::types::Form;
use super::{case, emit, one};

#[test]
fn a_small_project_is_printed_as_docker_compose_config_does() {
    let text = "services:\n  web:\n    image: nginx\n    ports: [\"8080:80\"]\n    environment: [A=1]\n    volumes: [data:/d, ./x:/x:ro]\nvolumes:\n  data:\n";
    let printed = emit::emit(&one(text).loaded().project.written(Form::Yaml));
    let wanted = "name: p
services:
  web:
    environment:
      A: \"1\"
    image: nginx
    networks:
      default: null
    ports:
      - mode: ingress
        target: 80
        published: \"8080\"
        protocol: tcp
    volumes:
      - type: volume
        source: data
        target: /d
        volume: {}
      - type: bind
        source: /p/x
        target: /x
        read_only: true
        bind: {}
networks:
  default:
    name: p_default
volumes:
  data:
    name: p_data
";
    assert_eq!(printed, wanted);
}

#[test]
fn short_forms_become_long_ones() {
    let case = one(
        "services:\n  a:\n    build: ./src\n    depends_on: [b]\n    command: echo 'x y'\n    env_file: a.env\n    healthcheck: {test: curl x, interval: 90s}\n    devices: [/dev/x]\n    mem_limit: 1g\n    ulimits: {nofile: 5}\n    extra_hosts: [\"h:1.2.3.4\"]\n    configs: [c]\n  b: {image: b}\nconfigs: {c: {content: hi}}\n",
    );
    let mut case = case;
    case.shelf.0.insert("/p/a.env".into(), "X=1\n".into());
    assert_eq!(case.at("services.a.build"), json!({"context": "/p/src", "dockerfile": "Dockerfile"}));
    assert_eq!(case.at("services.a.depends_on"), json!({"b": {"condition": "service_started", "required": true}}));
    assert_eq!(case.at("services.a.command"), json!(["echo", "x y"]));
    assert_eq!(case.at("services.a.environment"), json!({"X": "1"}));
    assert_eq!(case.at("services.a.env_file"), json!([{"path": "/p/a.env"}]));
    assert_eq!(case.at("services.a.healthcheck"), json!({"test": ["CMD-SHELL", "curl x"], "interval": "1m30s"}));
    assert_eq!(case.at("services.a.devices"), json!([{"source": "/dev/x", "target": "/dev/x", "permissions": "rwm"}]));
    assert_eq!(case.at("services.a.mem_limit"), json!("1073741824"));
    assert_eq!(case.at("services.a.ulimits"), json!({"nofile": 5}));
    assert_eq!(case.at("services.a.extra_hosts"), json!(["h=1.2.3.4"]));
    assert_eq!(case.at("services.a.configs"), json!([{"source": "c"}]));
    assert_eq!(case.at("configs.c"), json!({"name": "p_c", "content": "hi"}));
}

#[test]
fn anchors_and_merge_keys_are_followed_and_own_keys_win() {
    let case = one(
        "x-base: &base\n  image: a\n  environment: {A: 1}\nx-more: &more {hostname: h}\nservices:\n  s:\n    <<: [*base, *more]\n    image: b\n",
    );
    assert_eq!(case.at("services.s.image"), json!("b"));
    assert_eq!(case.at("services.s.hostname"), json!("h"));
    assert_eq!(case.at("services.s.environment"), json!({"A": "1"}));
    assert_eq!(case.at("x-more"), json!({"hostname": "h"}));
}

#[test]
fn json_has_no_extensions_but_those_at_the_top() {
    let case = one("x-a: 1\nservices:\n  s: {image: a, x-b: 2}\n");
    let json = case.loaded().project.written(Form::Json);
    assert_eq!(json["x-a"], json!(1));
    assert_eq!(json["services"]["s"], json!({"command": null, "entrypoint": null, "image": "a", "networks": {"default": null}}));
    assert_eq!(case.at("services.s.x-b"), json!(2));
}

#[test]
fn variables_come_from_the_shell_before_the_files() {
    let case = case(&[(".env", "A=file\nB=${A}b\nN=2\n"), ("compose.yaml", "services:\n  s:\n    image: $A-$B-${C:-c}\n    scale: $N\n")]);
    assert_eq!(case.at("services.s.image"), json!("file-fileb-c"));
    assert_eq!(case.at("services.s.scale"), json!(2));
    let case = case.variable("A", "shell");
    assert_eq!(case.at("services.s.image"), json!("shell-shellb-c"));
    let loaded = one("services: {s: {image: \"a$NONE\"}}").loaded();
    assert_eq!(loaded.warnings, ["The \"NONE\" variable is not set. Defaulting to a blank string."]);
}

#[test]
fn variables_without_a_value_take_that_of_the_shell_and_files_come_first() {
    let files = [
        ("a.env", "A=1\nB=1\nC=${OUT}\n"),
        (
            "compose.yaml",
            "services:\n  s:\n    image: a\n    env_file: [a.env, {path: none.env, required: false}, {path: r.env, format: raw}]\n    environment: {B: 2, OUT: , NONE: }\n",
        ),
        ("r.env", "R=\"$OUT\"\n"),
    ];
    let case = case(&files).variable("OUT", "side");
    assert_eq!(case.at("services.s.environment"), json!({"A": "1", "B": "2", "C": "side", "NONE": null, "OUT": "side", "R": "\"$OUT\""}));
}

#[test]
fn profiles_choose_services() {
    let text = "services:\n  a: {image: a}\n  b: {image: b, profiles: [x]}\n  c: {image: c, profiles: [y], depends_on: {b: {condition: service_started, required: false}}}\n";
    let names = |case: &super::Case| case.loaded().project.services.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one(text)), ["a"]);
    assert_eq!(names(&one(text).variable("COMPOSE_PROFILES", "x, z")), ["a", "b"]);
    assert_eq!(names(&one(text).variable("COMPOSE_PROFILES", "*")), ["a", "b", "c"]);
    assert_eq!(one(text).loaded().project.disabled.len(), 2);
}

#[test]
fn what_is_implied_is_completed() {
    let text = "services:\n  a: {image: a, links: [\"b:x\"], network_mode: \"service:c\", volumes_from: [d], pre_start: [{command: x}]}\n  b: {image: b, networks: [n]}\n  c: {image: c, pull_policy: if_not_present}\n  d: {image: d, network_mode: none}\nnetworks: {n: {external: true}, m: {name: other}}\n";
    let case = one(text);
    let needs = case.at("services.a.depends_on");
    assert_eq!(needs["b"], json!({"condition": "service_started", "restart": true, "required": true}));
    assert_eq!(needs["d"], json!({"condition": "service_started", "required": true}));
    assert_eq!(needs["c"]["restart"], json!(true));
    assert_eq!(case.at("services.a.pre_start.0.image"), json!("a"));
    assert_eq!(case.at("services.c.pull_policy"), json!("missing"));
    assert_eq!(
        case.at("networks"),
        json!({"default": {"name": "p_default"}, "m": {"name": "other"}, "n": {"name": "n", "external": true}})
    );
}

#[test]
fn the_hash_changes_with_the_container_and_with_nothing_else() {
    let hash = |extra: &str| {
        let text = format!("services:\n  s: {{image: a{extra}}}\n  t: {{image: t}}\n");
        super::super::hash::service(&one(&text).loaded().project.services["s"])
    };
    let plain = hash("");
    assert_eq!(plain.len(), 64);
    for same in [", scale: 3", ", depends_on: [t]", ", pull_policy: always", ", build: ."] {
        assert_eq!(hash(same), plain, "{same}");
    }
    for other in [", hostname: h", ", environment: [A=1]", ", ports: [\"80\"]", ", labels: {a: b}"] {
        assert_ne!(hash(other), plain, "{other}");
    }
}
