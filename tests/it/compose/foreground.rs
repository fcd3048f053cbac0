//! `up` in the foreground: lines with names, ends, Ctrl-C; and `watch`.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Project, text};
use crate::support::{Call, eventually, wait};

const PATIENCE: Duration = Duration::from_secs(60);

/// A command that runs on, with what it says in files.
struct Running {
    child: Child,
    out: std::path::PathBuf,
    err: std::path::PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is gone already.
        self.child.kill().ok();
        self.child.wait().expect("it is ours");
    }
}

impl Running {
    fn start(project: &Project, call: &Call) -> Self {
        let (out, err) = (project.path("out"), project.path("err"));
        let child = call
            .command()
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"))
            .spawn()
            .expect("start it");
        Running { child, out, err }
    }

    /// Waits until it has said something.
    fn says(&self, wanted: &str) {
        eventually(&format!("{wanted:?}"), PATIENCE, || (text(&self.out) + &text(&self.err)).contains(wanted).then_some(()));
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    fn code(&mut self) -> Option<i32> {
        wait(&mut self.child, PATIENCE).and_then(|status| status.code())
    }
}

#[test]
fn what_services_write_is_shown_with_their_names_until_all_have_ended() {
    let project = Project::new(
        "services:\n  web: {image: base:1, command: [sh, -c, 'echo hello; exit 3']}\n  worker: {image: base:1, command: [echo, work]}\n",
    );
    let told = project.compose(&["up"]).succeeds();
    assert!(told.stdout.starts_with("Attaching to web-1, worker-1\n"), "{told}");
    for line in ["web-1     | hello\n", "worker-1  | work\n", "web-1 exited with code 3\n", "worker-1 exited with code 0\n"] {
        assert!(told.stdout.contains(line), "{line:?} in {told}");
    }
    let at = |line: &str| told.stdout.find(line).expect("it is there");
    assert!(at("web-1     | hello") < at("web-1 exited"), "all lines before the end: {told}");
    // The second time only what is new is shown.
    let again = project.compose(&["up", "--no-log-prefix", "web"]).succeeds();
    assert_eq!(again.stdout, "Attaching to web-1\nhello\nweb-1 exited with code 3\n", "{again}");
}

#[test]
fn the_end_of_one_may_be_the_end_of_all() {
    let project = Project::new(
        "services:\n  web: {image: base:1, stop_signal: KILL, command: sleep 600}\n  tests: {image: base:1, command: [sh, -c, 'exit 5']}\n",
    );
    let told = project.compose(&["up", "--abort-on-container-exit"]).exits(5);
    assert!(told.stdout.contains("tests-1 exited with code 5\nAborting on container exit...\n"), "{told}");
    assert_eq!(project.docker(&["ps", "-q"]), "", "all have stopped");
    project.compose(&["up", "--exit-code-from", "web"]).exits(137);
    let refused = project.compose(&["up", "-d", "--exit-code-from", "web"]).exits(1);
    assert!(refused.stderr.contains("cannot be combined"), "{refused}");
}

#[test]
fn ctrl_c_stops_and_twice_kills() {
    let patient = "image: base:1, command: [sh, -c, 'trap \"\" TERM; echo ready; while :; do sleep 1; done']";
    let project = Project::new(&format!("services:\n  web: {{{patient}, stop_grace_period: 300s}}\n"));
    let mut up = Running::start(&project, &project.compose(&["up"]));
    up.says("web-1  | ready");
    up.interrupt();
    up.says("Gracefully stopping... (press Ctrl+C again to force)");
    up.says("Container x-web-1  Stopping");
    up.interrupt();
    assert_eq!(up.code(), Some(130), "{}{}", text(&up.out), text(&up.err));
    assert_eq!(project.docker(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "x-web-1"]), "exited 137\n");
    project.write("compose.yaml", &format!("services:\n  web: {{{patient}, stop_signal: KILL}}\n"));
    let mut up = Running::start(&project, &project.compose(&["up"]));
    up.says("web-1  | ready");
    up.interrupt();
    assert_eq!(up.code(), Some(130));
    assert!(text(&up.err).contains("Container x-web-1  Stopped"), "{}", text(&up.err));
    assert_eq!(project.names(), ["x-web-1"], "stopped and not removed");
}

#[test]
fn a_service_that_is_restarted_is_followed_on() {
    let project = Project::new("services:\n  web: {image: base:1, restart: 'on-failure:2', command: [sh, -c, 'echo turn; exit 1']}\n");
    let told = project.compose(&["up"]).succeeds();
    assert_eq!(told.stdout.matches("web-1  | turn\n").count(), 3, "{told}");
    assert!(told.stdout.ends_with("web-1 exited with code 1\n"), "{told}");
}

#[test]
fn changed_sources_come_into_the_container() {
    let project = Project::new(
        "services:\n  web: {build: ., stop_signal: KILL, develop: {watch: [{path: src, action: sync, target: /srv}, {path: Dockerfile, action: rebuild}]}}\n",
    );
    project.write("Dockerfile", "FROM base:1\nCOPY src /srv\nCMD [\"sleep\", \"600\"]\n");
    project.write("src/page", "first\n");
    let watch = Running::start(&project, &project.compose(&["watch"]));
    watch.says("Watch enabled");
    let id = project.id("x-web-1");
    project.write("src/page", "second\n");
    project.write("src/new/page", "new\n");
    let said = || project.exec("web", &["cat", "/srv/page", "/srv/new/page"]).stdout;
    eventually("the change in the container", PATIENCE, || (said() == "second\nnew\n").then_some(()));
    assert_eq!(project.id("x-web-1"), id, "it is the same container");
    project.write("Dockerfile", "FROM base:1\nCOPY src /srv\nENV A=b\nCMD [\"sleep\", \"600\"]\n");
    watch.says("successfully built");
    assert_ne!(project.id("x-web-1"), id);
    assert_eq!(project.exec("web", &["sh", "-c", "echo $A"]).stdout, "b\n");
    fs::remove_file(project.path("app/Dockerfile")).expect("remove the Dockerfile");
    watch.says("Failed to rebuild");
}
