//! `up`, `down` and what lies between: what is made, kept, made anew, scaled, removed.

use super::{Project, QUICK, in_order, lines};

fn two() -> String {
    format!("services:\n  db: {{{QUICK}}}\n  web: {{{QUICK}, depends_on: [db]}}\n")
}

#[test]
fn up_makes_what_the_file_says_and_the_second_time_nothing() {
    let project = Project::new(&two());
    let first = project.up(&[]);
    in_order(
        &first,
        &["Network x_default  Creating", "Network x_default  Created", "Container x-db-1  Creating", "Container x-db-1  Created"],
    );
    in_order(
        &first,
        &["Container x-db-1  Starting", "Container x-db-1  Started", "Container x-web-1  Starting", "Container x-web-1  Started"],
    );
    assert_eq!(project.names(), ["x-db-1", "x-web-1"]);
    let shown = project.inspect(&["inspect", "x-web-1"]);
    let labels = &shown["Config"]["Labels"];
    for (name, wanted) in [
        ("project", "x"),
        ("service", "web"),
        ("container-number", "1"),
        ("oneoff", "False"),
        ("depends_on", "db:service_started:false"),
        ("project.working_dir", project.path("app").to_str().expect("text")),
        ("project.config_files", project.path("app/compose.yaml").to_str().expect("text")),
    ] {
        assert_eq!(labels[format!("com.docker.compose.{name}")], wanted, "{name}");
    }
    assert!(labels["com.docker.compose.image"].as_str().is_some_and(|id| id.starts_with("sha256:")), "{labels}");
    let aliases = shown["NetworkSettings"]["Networks"]["x_default"]["Aliases"].to_string();
    assert!(aliases.contains("\"web\"") && aliases.contains("\"x-web-1\""), "{aliases}");
    assert_eq!(project.exec("web", &["ping", "-c", "1", "-W", "5", "db"]).code(), 0, "services find each other by name");
    let ids = [project.id("x-db-1"), project.id("x-web-1")];
    let again = project.up(&[]);
    let mut told = lines(&again);
    told.sort();
    assert_eq!(told, ["Container x-db-1  Running", "Container x-web-1  Running"], "{again}");
    assert_eq!(ids, [project.id("x-db-1"), project.id("x-web-1")]);
}

#[test]
fn only_the_service_that_changed_is_made_anew() {
    let project = Project::new(&two());
    project.up(&[]);
    let (db, web) = (project.id("x-db-1"), project.id("x-web-1"));
    project.write("compose.yaml", &two().replace("depends_on: [db]", "depends_on: [db], environment: {A: b}"));
    let told = project.up(&[]);
    in_order(&told, &["Container x-db-1  Running"]);
    in_order(
        &told,
        &["Container x-web-1  Recreate", "Container x-web-1  Recreated", "Container x-web-1  Starting", "Container x-web-1  Started"],
    );
    assert!(project.id("x-db-1") == db && project.id("x-web-1") != web);
    assert_eq!(project.names(), ["x-db-1", "x-web-1"], "the old one is gone");
    let kept = project.id("x-web-1");
    project.up(&["--force-recreate", "--no-deps", "web"]);
    assert!(project.id("x-web-1") != kept && project.id("x-db-1") == db);
    project.write("compose.yaml", &two());
    let kept = project.id("x-web-1");
    project.up(&["--no-recreate"]);
    assert_eq!(project.id("x-web-1"), kept);
}

#[test]
fn down_removes_containers_networks_and_on_wish_volumes_and_images() {
    let project = Project::new(&format!("services:\n  web: {{{QUICK}, volumes: ['data:/srv']}}\nvolumes:\n  data:\n"));
    project.up(&[]);
    let told = project.compose(&["down"]).succeeds();
    in_order(
        &told,
        &[
            "Container x-web-1  Stopping",
            "Container x-web-1  Stopped",
            "Container x-web-1  Removing",
            "Container x-web-1  Removed",
            "Network x_default  Removing",
            "Network x_default  Removed",
        ],
    );
    assert!(project.names().is_empty() && !project.docker(&["network", "ls"]).contains("x_default"));
    assert!(project.docker(&["volume", "ls", "-q"]).contains("x_data"), "volumes stay");
    project.up(&[]);
    let told = project.compose(&["down", "-v", "--rmi", "all"]).succeeds();
    in_order(&told, &["Volume x_data  Removing"]);
    assert!(!project.docker(&["volume", "ls", "-q"]).contains("x_data"), "{told}");
    assert_eq!(project.docker(&["images", "-q", "base:1"]), "", "{told}");
    let nothing = project.compose(&["down"]).succeeds();
    assert_eq!(nothing.stderr, "Warning: No resource found to remove for project \"x\".\n");
}

#[test]
fn a_project_is_stopped_and_removed_without_its_file() {
    let project = Project::new(&two());
    project.up(&[]);
    std::fs::remove_file(project.path("app/compose.yaml")).expect("remove the file");
    let told = project.compose(&["stop"]).succeeds();
    in_order(&told, &["Container x-web-1  Stopped", "Container x-db-1  Stopping"]);
    project.compose(&["start"]).succeeds();
    in_order(
        &project.compose(&["down"]).succeeds(),
        &["Container x-web-1  Removed", "Container x-db-1  Stopping", "Network x_default  Removed"],
    );
    assert!(project.names().is_empty());
    let nothing = project.confined.engine.ours(&["compose", "up", "-d"]).folder(project.path("app")).exits(1);
    assert_eq!(nothing.stderr, "no configuration file provided: not found\n");
}

#[test]
fn scale_goes_up_and_down_and_orphans_are_told() {
    let project = Project::new(&two());
    project.up(&["--scale", "web=3"]);
    assert_eq!(project.names(), ["x-db-1", "x-web-1", "x-web-2", "x-web-3"]);
    project.compose(&["scale", "web=2"]).succeeds();
    assert_eq!(project.names(), ["x-db-1", "x-web-1", "x-web-2"]);
    project.write("compose.yaml", &format!("services:\n  web: {{{QUICK}}}\n"));
    let told = project.up(&[]);
    assert!(told.stderr.contains("Found orphan containers ([x-db-1]) for this project."), "{told}");
    assert_eq!(project.names(), ["x-db-1", "x-web-1"], "as many as the file says");
    project.up(&["--remove-orphans"]);
    assert_eq!(project.names(), ["x-web-1"]);
    let refused = project.compose(&["up", "-d", "--scale", "nosuch=2"]).exits(1);
    assert_eq!(refused.stderr, "no such service: nosuch\n");
}

#[test]
fn services_start_when_the_conditions_of_others_hold() {
    let file = format!(
        "services:\n  db: {{{QUICK}, healthcheck: {{test: [CMD, cat, /ready], interval: 100ms, retries: 200}}}}\n  \
         init: {{image: base:1, command: 'true'}}\n  \
         web: {{{QUICK}, depends_on: {{db: {{condition: service_healthy}}, init: {{condition: service_completed_successfully}}}}}}\n"
    );
    let file = file.replace("command: sleep 600, healthcheck", "command: [sh, -c, 'touch /ready; sleep 600'], healthcheck");
    let project = Project::new(&file);
    let told = project.up(&[]);
    in_order(
        &told,
        &["Container x-db-1  Waiting", "Container x-db-1  Healthy", "Container x-web-1  Starting", "Container x-web-1  Started"],
    );
    in_order(&told, &["Container x-init-1  Waiting", "Container x-init-1  Exited", "Container x-web-1  Started"]);
    project.compose(&["up", "--wait", "web"]).succeeds();
}

#[test]
fn what_a_service_waits_for_in_vain_is_an_error() {
    let file = format!(
        "services:\n  db: {{{QUICK}, healthcheck: {{test: [CMD, 'false'], interval: 50ms, retries: 1}}}}\n  \
         web: {{{QUICK}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
    );
    let project = Project::new(&file);
    let told = project.compose(&["up", "-d"]).exits(1);
    assert!(told.stderr.ends_with("\ndependency failed to start: container x-db-1 is unhealthy\n"), "{told}");
    assert!(told.stderr.contains(" Container x-db-1  Error"), "{told}");
    assert_eq!(project.docker(&["inspect", "-f", "{{.State.Status}}", "x-web-1"]), "created\n");
    project.write(
        "compose.yaml",
        &format!("services:\n  init: {{image: base:1, command: [sh, -c, 'exit 3']}}\n  web: {{{QUICK}, depends_on: {{init: {{condition: service_completed_successfully}}}}}}\n"),
    );
    let told = project.compose(&["up", "-d", "--remove-orphans"]).exits(1);
    assert!(told.stderr.ends_with("\nservice \"init\" didn't complete successfully: exit 3\n"), "{told}");
}

#[test]
fn a_run_that_does_nothing_says_what_it_would_do() {
    let project = Project::new(&two());
    let told = project.compose(&["--dry-run", "up", "-d"]).succeeds();
    assert!(told.stderr.contains("DRY-RUN MODE -  Container x-web-1  Created"), "{told}");
    assert!(project.names().is_empty() && !project.docker(&["network", "ls"]).contains("x_default"));
    let quiet = project.compose(&["--progress", "quiet", "up", "-d"]).succeeds();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}
