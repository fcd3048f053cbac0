//! How a pull is shown: each service, and the layers of its image.

use std::time::Duration;

use crate::engine::{Engine, Registry};
use crate::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(60);

/// An engine on which a project's image is not, and a registry that has it.
fn away() -> (Engine, Registry) {
    let engine = Engine::with_image();
    let registry = Registry::start(&engine.sandbox);
    let name = format!("{}/me/app:1", registry.address);
    engine.ours(&["tag", "base:1", &name]).succeeds();
    engine.ours(&["push", "-q", &name]).succeeds();
    engine.ours(&["rmi", "-f", "base:1", &name]).succeeds();
    std::fs::write(engine.path("compose.yaml"), format!("services:\n  web: {{image: '{name}', network_mode: none, command: echo}}\n"))
        .expect("write the file");
    (engine, registry)
}

#[test]
fn to_a_file_each_step_of_a_layer_is_a_line() {
    let (engine, _registry) = away();
    let told = engine.ours(&["compose", "-p", "x", "pull"]).succeeds().stderr;
    let lines: Vec<&str> = told.lines().map(str::trim).collect();
    let at = |wanted: &str| lines.iter().position(|line| line.ends_with(wanted)).unwrap_or_else(|| panic!("no {wanted:?} in {told}"));
    let order = [at("web  Pulling"), at("  Pulling fs layer"), at("  Pull complete"), at("web  Pulled")];
    assert!(order.is_sorted(), "{told}");
    let (layer, _) = lines[order[2]].split_once("  ").expect("a layer and its step");
    assert!(layer.len() == 12 && layer.bytes().all(|byte| byte.is_ascii_hexdigit()), "{told}");
    for line in &lines {
        assert_eq!(lines.iter().filter(|other| *other == line).count(), 1, "each step once: {told}");
    }
}

#[test]
fn documents_name_the_layer_and_its_service_and_who_wants_less_gets_less() {
    let (engine, _registry) = away();
    let told = engine.ours(&["compose", "--progress", "json", "-p", "x", "pull"]).succeeds().stderr;
    let layer = told.lines().find(|line| line.contains("Pull complete")).unwrap_or_else(|| panic!("no layer in {told}"));
    let layer: serde_json::Value = serde_json::from_str(layer).expect("a document");
    assert_eq!((&layer["parent_id"], &layer["status"]), (&"web".into(), &"Done".into()));
    let name = engine.ours(&["compose", "-p", "x", "config", "--images"]).succeeds().stdout;
    engine.ours(&["rmi", "-f", name.trim()]).succeeds();
    let told = engine.ours(&["compose", "-p", "x", "create", "--quiet-pull"]).succeeds().stderr;
    assert!(told.contains("web  Pulling") && told.contains("web  Pulled") && !told.contains("Pull complete"), "{told}");
    engine.ours(&["compose", "-p", "x", "down"]).succeeds();
}

#[test]
fn on_a_terminal_layers_stand_below_their_service() {
    let (engine, _registry) = away();
    let mut terminal = Terminal::start(&engine.ours(&["compose", "-p", "x", "pull"]).env("TERM", "xterm"), 100, 30);
    terminal.expect("[+] Pulling 2/2", PATIENCE);
    let block = terminal.expect("Pull complete", PATIENCE);
    assert!(block.contains(" web  ") && block.contains("Pulled"), "{block:?}");
    assert!(terminal.ends(PATIENCE).success());
}
