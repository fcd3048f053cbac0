//! Commands on containers that are there: run, exec, cp, logs, ps, top, port, kill, pause, rm, ls, images, events, wait, config.

use super::{Project, QUICK, in_order};
use crate::engine::containers::{limits, users};

#[test]
fn run_makes_a_container_of_its_own_with_what_the_line_says() {
    let project = Project::new(&format!(
        "services:\n  db: {{{QUICK}}}\n  web: {{{QUICK}, depends_on: [db], environment: {{A: file}}, ports: ['8080:80']}}\n"
    ));
    let told = project.compose(&["run", "--rm", "-T", "-e", "B=line", "-w", "/bin", "web", "sh", "-c", "echo $A $B; pwd; exit 7"]).exits(7);
    assert_eq!(told.stdout, "file line\n/bin\n");
    in_order(&told, &["Container x-db-1  Started"]);
    assert_eq!(project.names(), ["x-db-1"], "--rm removes it, and what it needs stays");
    let name = project.compose(&["run", "-d", "web"]).succeeds().stdout;
    assert!(name.starts_with("x-web-run-") && name.trim().len() == "x-web-run-".len() + 12, "{name}");
    let shown = project.inspect(&["inspect", name.trim()]);
    assert_eq!(shown["Config"]["Labels"]["com.docker.compose.oneoff"], "True");
    assert_eq!(shown["HostConfig"]["PortBindings"], serde_json::json!({}), "ports only on wish");
    project.compose(&["run", "--no-deps", "--name", "mine", "--entrypoint", "echo", "-T", "web", "words"]).succeeds();
    assert_eq!(project.docker(&["logs", "mine"]), "words\n");
    // They are none of the service's containers.
    assert_eq!(project.compose(&["ps", "-q", "web"]).succeeds().stdout, "");
    project.compose(&["down", "--remove-orphans"]).succeeds();
    assert!(project.names().is_empty());
}

#[test]
fn commands_and_files_go_into_containers_and_come_out() {
    let project = Project::new(&format!("services:\n  web: {{{QUICK}, scale: 2}}\n"));
    project.up(&[]);
    assert_eq!(project.compose(&["exec", "-T", "-e", "A=b", "web", "sh", "-c", "echo $A; exit 4"]).exits(4).stdout, "b\n");
    project.write("note", "text\n");
    project.compose(&["cp", "note", "web:/note"]).succeeds();
    for index in ["1", "2"] {
        assert_eq!(project.compose(&["exec", "-T", "--index", index, "web", "cat", "/note"]).succeeds().stdout, "text\n");
    }
    project.compose(&["cp", "web:/note", "back"]).succeeds();
    assert_eq!(super::text(&project.path("app/back")), "text\n");
    let refused = project.compose(&["exec", "-T", "nosuch", "true"]).exits(1);
    assert_eq!(refused.stderr, "service \"nosuch\" is not running\n");
}

#[test]
fn what_is_there_is_listed() {
    let project = Project::new(&format!(
        "services:\n  web: {{{QUICK}, ports: ['127.0.0.1:18080:80']}}\n  init: {{image: base:1, command: 'true'}}\n"
    ));
    project.up(&["--wait", "web"]);
    project.up(&[]);
    project.compose(&["wait", "init"]).succeeds();
    let said = |words: &[&str]| project.compose(words).succeeds().stdout;
    let table = said(&["ps", "-a"]);
    assert!(
        table
            .lines()
            .next()
            .is_some_and(|head| head.split_whitespace().eq(["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"])),
        "{table}"
    );
    assert!(table.contains("x-web-1") && table.contains("127.0.0.1:18080->80/tcp") && table.contains("x-init-1"), "{table}");
    assert!(!said(&["ps"]).contains("x-init-1"), "what has ended is not listed");
    assert_eq!(said(&["ps", "-a", "--services"]), "init\nweb\n");
    assert_eq!(said(&["ps", "--filter", "status=exited", "--format", "{{.Name}} {{.ExitCode}}"]), "x-init-1 0\n");
    let one: serde_json::Value = serde_json::from_str(said(&["ps", "--format", "json"]).trim()).expect("a document");
    assert_eq!((&one["Service"], &one["State"], &one["Publishers"][0]["PublishedPort"]), (&"web".into(), &"running".into(), &18080.into()));
    assert_eq!(said(&["port", "web", "80"]), "127.0.0.1:18080\n");
    assert!(project.compose(&["port", "web", "81"]).exits(1).stderr.starts_with("no port 81/tcp for container x-web-1"));
    let listed = said(&["ls", "-a"]);
    assert!(listed.starts_with("NAME                STATUS") && listed.contains("exited(1), running(1)"), "{listed}");
    assert!(said(&["images"]).contains(&format!("{:<20}1 ", "base")), "{}", said(&["images"]));
    assert!(said(&["top"]).contains("sleep 600"), "{}", said(&["top"]));
    assert_eq!(said(&["config", "--services"]), "init\nweb\n");
    assert!(said(&["config"]).contains("published: \"18080\""), "{}", said(&["config"]));
    assert!(said(&["version"]).starts_with("Docker Compose version v2."));
}

#[test]
fn logs_are_prefixed_and_cut_as_wanted() {
    let project = Project::new(
        "services:\n  web: {image: base:1, command: [sh, -c, 'echo one; echo two; echo three >&2']}\n  worker: {image: base:1, command: [echo, work]}\n",
    );
    project.up(&[]);
    project.compose(&["wait", "web", "worker"]).succeeds();
    let told = project.compose(&["logs"]).succeeds();
    // Two streams of a program keep their own order, and nobody knows that between them.
    let mut of_web: Vec<&str> = told.stdout.lines().take(3).collect();
    of_web.sort_unstable();
    assert_eq!((of_web, told.stderr.as_str()), (vec!["web-1     | one", "web-1     | three", "web-1     | two"], ""), "{told}");
    assert!(told.stdout.ends_with("\nworker-1  | work\n"), "{told}");
    assert_eq!(project.compose(&["logs", "--tail", "1", "--no-log-prefix", "worker"]).succeeds().stdout, "work\n");
    let followed = project.compose(&["--ansi", "always", "logs", "-f", "worker"]).succeeds();
    assert_eq!(followed.stdout, "\x1b[36mworker-1  | \x1b[0mwork\n", "it ends with the container");
    let missing = project.compose(&["logs", "nosuch"]).exits(1);
    assert_eq!(missing.stderr, "no such service: nosuch\n");
}

#[test]
fn services_are_paused_killed_restarted_and_removed() {
    if !limits("services_are_paused_killed_restarted_and_removed") {
        return;
    }
    let project = Project::new(&format!("services:\n  web: {{{QUICK}}}\n  db: {{{QUICK}}}\n"));
    project.up(&[]);
    let state = |name: &str| project.docker(&["inspect", "-f", "{{.State.Status}}", name]);
    in_order(&project.compose(&["pause", "web"]).succeeds(), &["Container x-web-1  Pausing", "Container x-web-1  Paused"]);
    assert_eq!((state("x-web-1").as_str(), state("x-db-1").as_str()), ("paused\n", "running\n"));
    project.compose(&["unpause"]).succeeds();
    let before = project.docker(&["inspect", "-f", "{{.State.StartedAt}}", "x-web-1"]);
    in_order(&project.compose(&["restart", "web"]).succeeds(), &["Container x-web-1  Restarting", "Container x-web-1  Started"]);
    assert_ne!(project.docker(&["inspect", "-f", "{{.State.StartedAt}}", "x-web-1"]), before);
    in_order(&project.compose(&["kill", "web"]).succeeds(), &["Container x-web-1  Killing", "Container x-web-1  Killed"]);
    assert_eq!(project.compose(&["wait", "web"]).output().code(), 137);
    let asked = project.compose(&["rm"]).input("n\n").succeeds();
    assert!(asked.stdout.contains("Going to remove x-web-1") && project.names() == ["x-db-1", "x-web-1"], "{asked}");
    project.compose(&["rm", "-f"]).succeeds();
    assert_eq!(project.names(), ["x-db-1"], "only what has stopped");
    project.compose(&["rm", "-fs"]).succeeds();
    assert_eq!(project.compose(&["rm", "-f"]).succeeds().stderr, "No stopped containers\n");
}

#[test]
fn create_and_start_are_the_two_halves_of_up() {
    let project = Project::new(&format!("services:\n  web: {{{QUICK}}}\n"));
    let told = project.compose(&["create"]).succeeds();
    in_order(&told, &["Container x-web-1  Created"]);
    assert_eq!(project.docker(&["inspect", "-f", "{{.State.Status}}", "x-web-1"]), "created\n");
    in_order(&project.compose(&["start"]).succeeds(), &["Container x-web-1  Started"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs() + 1;
    let events = project.compose(&["events", "--json", "--since", "0", "--until", &now.to_string()]).succeeds().stdout;
    let actions: Vec<String> = events
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("a document a line")["action"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    assert!(actions.contains(&"create".to_owned()) && actions.contains(&"start".to_owned()), "{events}");
}

#[test]
fn lines_that_cannot_be_understood_end_with_one() {
    let project = Project::new(&format!("services:\n  web: {{{QUICK}}}\n"));
    let unknown = project.compose(&["up", "--frob"]).exits(1);
    assert!(unknown.stderr.starts_with("unknown flag: --frob\n"), "{unknown}");
    let unknown = project.compose(&["frob"]).exits(1);
    assert!(unknown.stderr.ends_with("unknown docker command: \"compose frob\"\n"), "{unknown}");
    let help = project.compose(&["up", "--help"]).succeeds();
    assert!(help.stdout.starts_with("Usage:  docker compose up [OPTIONS] [SERVICE...]\n"), "{help}");
    assert!(project.compose(&["--help"]).succeeds().stdout.contains("--project-directory"));
    let offers = project.confined.engine.ours(&["__complete", "compose", "-p", "x", "up", "--det"]).succeeds().stdout;
    assert_eq!(offers, "--detach\n");
    project.write("compose.yaml", "services:\n  web: {imago: base:1}\n");
    let wrong = project.compose(&["up", "-d"]).exits(1);
    assert!(wrong.stderr.contains("compose.yaml:2") && wrong.stderr.contains("imago"), "{wrong}");
}

#[test]
fn hooks_run_in_a_container_after_its_start_and_before_its_stop() {
    if !users("hooks_run_in_a_container_after_its_start_and_before_its_stop") {
        return;
    }
    let project = Project::new(
        "services:\n  web:\n    image: base:1\n    stop_signal: KILL\n    command: sleep 600\n    volumes: ['./told:/told']\n    post_start: [{command: [sh, -c, 'echo started as $$(id -u) >> /told/hooks'], user: '7'}]\n    \
         pre_stop: [{command: [sh, -c, 'echo $$WORD >> /told/hooks'], environment: {WORD: stops}}]\n",
    );
    std::fs::create_dir(project.path("app/told")).unwrap();
    std::fs::set_permissions(project.path("app/told"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    project.write("told/hooks", "");
    std::fs::set_permissions(project.path("app/told/hooks"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let told = || super::text(&project.path("app/told/hooks"));
    project.up(&[]);
    assert_eq!(told(), "started as 7\n");
    project.compose(&["-f", "compose.yaml", "stop"]).succeeds();
    assert_eq!(told(), "started as 7\nstops\n");
    // It does not run: nothing can be done in it, and it goes all the same.
    project.compose(&["-f", "compose.yaml", "down"]).succeeds();
    assert_eq!(told(), "started as 7\nstops\n");
    assert!(project.names().is_empty());
    project.up(&[]);
    project.compose(&["-f", "compose.yaml", "down"]).succeeds();
    assert_eq!(told(), "started as 7\nstops\nstarted as 7\nstops\n");
    // A hook that fails is told, and the container is not stopped.
    project.write("compose.yaml", "services:\n  web:\n    image: base:1\n    stop_signal: KILL\n    command: sleep 600\n    pre_stop: [{command: [sh, -c, 'exit 3']}]\n");
    project.up(&[]);
    let refused = project.compose(&["-f", "compose.yaml", "stop"]).exits(1);
    assert!(refused.stderr.contains("hook exited with status code 3"), "{refused}");
    assert_eq!(project.inspect(&["inspect", "x-web-1"])["State"]["Running"], true);
    project.write("compose.yaml", "services:\n  web:\n    image: base:1\n    stop_signal: KILL\n    command: sleep 600\n");
    project.compose(&["-f", "compose.yaml", "down"]).succeeds();
}

#[test]
fn the_engine_may_be_named_behind_compose() {
    let project = Project::new(&format!("services:\n  web: {{{QUICK}}}\n"));
    let refused = project.compose(&["-H", "unix:///nowhere/docker.sock", "up", "-d"]).exits(1);
    assert!(refused.stderr.contains("unix:///nowhere/docker.sock"), "{refused}");
}

#[test]
fn what_is_no_container_is_refused_with_the_way_out() {
    let project = Project::new(&format!(
        "services:\n  web: {{{QUICK}}}\n  db: {{provider: {{type: cloud}}}}\n  ai: {{{QUICK}, models: [small]}}\nmodels: {{small: {{model: ai/small}}}}\n"
    ));
    for (service, key) in [("db", "provider"), ("ai", "models")] {
        let refused = project.compose(&["up", "-d", service]).exits(1);
        assert!(refused.stderr.contains(&format!("service {service:?}: {key}: ")) && refused.stderr.contains("hint: "), "{refused}");
    }
    project.up(&["web"]);
    assert_eq!(project.names(), ["x-web-1"]);
}
