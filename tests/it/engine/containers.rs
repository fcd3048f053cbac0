//! Containers of the engine, by the unmodified `docker` client: what people type first, and what they are told.
//!
//! The engine runs in mount, network and pid namespaces of its own, so that whatever a test does nothing of it stays on the machine.

use std::io::{BufRead as _, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};

use super::{Engine, PATIENCE, socket, text};
use crate::chaos::family;
use crate::support::{Call, Output, Rights, Sandbox, binary, bundle, eventually, has_program, many_ids, rights, skip, wait};

/// An engine that is confined, with the image `base:1`.
pub struct Confined {
    pub engine: Engine,
    /// The cgroups that containers are to lie below, if they are the test's own: they go with it, however it ends.
    pub parents: Mutex<Vec<String>>,
}

impl Drop for Confined {
    fn drop(&mut self) {
        // What is left goes with the namespaces; a cgroup would stay, so containers are removed by name first. An engine that does not answer, which may be
        // why the test has failed, must not end this here.
        let removed = || {
            let all = self.engine.ours(&["ps", "-aq"]).output().stdout;
            for id in all.lines() {
                self.engine.ours(&["rm", "-fv", id]).output();
            }
        };
        catch_unwind(AssertUnwindSafe(removed)).ok();
        self.remove_parents();
        // The cgroup above those of containers stays, as dockerd's does; with namespaces of its own it is the machine's all the same.
        for tree in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            std::fs::remove_dir(tree.path().join("docker")).ok();
        }
        std::fs::remove_dir("/sys/fs/cgroup/docker").ok();
        if rights() != Rights::Root && many_ids() {
            // What belongs to the sub-ids of this user only they can remove.
            self.engine.process.kill().ok();
            self.engine.process.wait().ok();
            let remove = ["--map-root-user", "--map-auto", "rm", "-rf", &text(&self.engine.path("data"))];
            self.engine.sandbox.program("unshare").args(remove).output();
        }
    }
}

/// A cgroup of the machine in every hierarchy that has it.
pub fn cgroups(name: &str) -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(top).into_iter().flatten().flatten().map(|entry| entry.path());
    let name = name.trim_start_matches('/');
    hierarchies.chain([top.to_owned()]).map(|tree| tree.join(name)).filter(|tree| tree.is_dir()).collect()
}

/// Removes a cgroup and those below it, unless there is somebody in one.
fn remove_cgroup(tree: &Path) -> bool {
    let inner = std::fs::read_dir(tree).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    for path in inner {
        remove_cgroup(&path);
    }
    std::fs::remove_dir(tree).is_ok() || !tree.exists()
}

/// The engine as process 1 of namespaces of its own; a killed one takes all with it, unless `keeper` holds them. `told` is its `daemon.json`, `before` is done
/// in the namespaces before it starts.
fn start(sandbox: &Sandbox, keeper: bool, told: &str, before: &str) -> Child {
    let mut words = vec!["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"];
    if rights() != Rights::Root {
        words.insert(0, "--map-root-user");
        if many_ids() {
            words.insert(0, "--map-auto");
        }
    }
    let (host, root) = (format!("unix://{}", text(&socket(sandbox))), text(&sandbox.path().join("data")));
    let file = sandbox.path().join("daemon.json");
    std::fs::write(&file, told).expect("write daemon.json");
    let engine = format!("{} engine -H {host} --data-root {root} --config-file {}", text(binary()), text(&file));
    // The keeper starts another engine when one has been killed, as the host's PID 1 does in a bottle.
    let script = if keeper { format!("while :; do {engine}; done") } else { format!("{before}\nexec {engine}") };
    let call = sandbox.program("unshare").args(words).args(["sh", "-c", &script]);
    let mut process = call.command().stdout(Stdio::piped()).spawn().expect("start the engine");
    let mut told = String::new();
    BufReader::new(process.stdout.take().expect("its output")).read_line(&mut told).expect("its address");
    assert!(told.starts_with("API listen on unix://"), "{told:?}");
    process
}

impl Confined {
    pub fn start() -> Self {
        Confined::with(false, "", "")
    }

    pub fn told(daemon_json: &str) -> Self {
        Confined::with(false, daemon_json, "")
    }

    /// An engine after which another one starts when it has been killed; containers live on.
    pub fn kept() -> Self {
        Confined::with(true, "", "")
    }

    /// One whose machine was changed before: `before` is a line of the shell.
    pub fn after(before: &str) -> Self {
        Confined::with(false, "", before)
    }

    fn with(keeper: bool, told: &str, before: &str) -> Self {
        let sandbox = Sandbox::new();
        let process = start(&sandbox, keeper, told, before);
        let engine = Engine { sandbox, process };
        let root = engine.path("root");
        bundle::rootfs(
            &root,
            &[
                "sh", "echo", "sleep", "cat", "true", "false", "id", "env", "pwd", "hostname", "ls", "kill", "touch", "ps", "stty", "ip",
                "mkdir", "ping", "httpd", "nc", "tail", "grep",
            ],
        );
        let (root, tar) = (text(&root), engine.path("root.tar"));
        engine.sandbox.program("tar").args(["-C", &root, "-cf", &text(&tar), "."]).succeeds();
        let answer = engine.sent("POST", "/images/create?fromSrc=-&repo=base&tag=1&message=by+hand", &tar);
        assert!(answer.1.contains("sha256:"), "{}", answer.1);
        Confined { engine, parents: Mutex::default() }
    }

    /// Ends all that is confined, and takes away the cgroups of the test.
    fn remove_parents(&mut self) {
        let parents = std::mem::take(&mut *self.parents.lock().unwrap_or_else(PoisonError::into_inner));
        if parents.is_empty() {
            return;
        }
        // `unshare` takes its child along, and that, the first process of its namespace, all others.
        self.engine.process.kill().ok();
        for tree in parents.iter().flat_map(|parent| cgroups(parent)) {
            // A test that has failed says why; this one more failure would hide it.
            catch_unwind(|| eventually("the end of a cgroup", PATIENCE, || remove_cgroup(&tree).then_some(()))).ok();
        }
    }

    pub fn docker(&self, args: &[&str]) -> Call {
        self.engine.docker(args)
    }

    /// What a command that succeeds says.
    pub fn said(&self, args: &[&str]) -> String {
        self.docker(args).succeeds().stdout
    }

    fn entered(&self, words: &[&str]) -> Call {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.engine.process.id())).expect("its children");
        // With the processes: what is started there and goes on has to go with them.
        let mut there = vec!["-t", children.trim(), "-n", "-p", "-m"];
        if rights() != Rights::Root {
            there.extend(["-U", "--preserve-credentials"]);
        }
        self.engine.sandbox.program("nsenter").args(there).args(["sh", "-c"]).args(words)
    }

    /// What a line of the shell says on the engine's host, as far as the network goes.
    pub fn host(&self, line: &str) -> Output {
        self.entered(&[line]).output()
    }

    /// What a line of the shell says on a machine beside the engine's host, which is 10.9.9.2 and fd99::2 there, by the host's link `beside`.
    pub fn neighbour(&self, line: &str) -> Output {
        self.entered(&[NEIGHBOUR, &text(&self.engine.path("neighbour")), line]).output()
    }

    /// What a command that fails with this code says.
    pub fn fails(&self, args: &[&str], code: i32) -> String {
        self.docker(args).exits(code).stderr
    }
}

/// Whether an engine of [`Confined`] can limit and freeze containers: root's has a cgroup for each. Says why not.
pub fn limits(test: &str) -> bool {
    if rights() != Rights::Root {
        skip(test, "no cgroup of this machine is delegated to an engine of this user");
    }
    rights() == Rights::Root
}

/// Whether a container of [`Confined`] can have other users than root. Says why not.
pub fn users(test: &str) -> bool {
    if !many_ids() {
        skip(test, "this user has a single id: no sub-ids, or newuidmap is not installed");
    }
    many_ids()
}

pub fn docker(test: &str) -> bool {
    if !has_program("docker") {
        skip(test, "docker is not installed");
    }
    has_program("docker")
}

/// `docker run` without a network, the fastest there is.
pub fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--rm", "--network", "none"], more].concat()
}

#[test]
fn a_program_runs_and_its_words_and_its_code_come_back() {
    if !docker("a_program_runs_and_its_words_and_its_code_come_back") {
        return;
    }
    let engine = Confined::start();
    assert_eq!(engine.said(&run(&["base:1", "echo", "hi"])), "hi\n");
    let both = engine.docker(&run(&["base:1", "sh", "-c", "echo out; echo err >&2; exit 7"])).exits(7);
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    let piped = engine.docker(&run(&["-i", "base:1", "cat"])).input("one\ntwo\n").succeeds();
    assert_eq!(piped.stdout, "one\ntwo\n");
    let large = engine.docker(&run(&["-i", "base:1", "cat"])).input(vec![b'x'; 3 << 20]).succeeds();
    assert_eq!(large.stdout.len(), 3 << 20);
    assert_eq!(
        engine.said(&run(&["-e", "A=b", "-w", "/deep/er", "-h", "boat", "base:1", "sh", "-c", "echo $A $(pwd) $(hostname) $HOME"])),
        "b /deep/er boat /\n"
    );
    assert_eq!(engine.said(&run(&["--entrypoint", "echo", "base:1", "entry"])), "entry\n");
    engine.docker(&run(&["base:1", "sh", "-c", "kill -9 $$; sleep 1"])).output();
    assert_eq!(engine.said(&["ps", "-aq"]), "", "--rm leaves nothing");
}

#[test]
fn a_program_that_cannot_be_run_is_told_as_docker_tells_it() {
    if !docker("a_program_that_cannot_be_run_is_told_as_docker_tells_it") {
        return;
    }
    let engine = Confined::start();
    let missing = engine.fails(&run(&["base:1", "nosuch"]), 127);
    assert!(missing.contains("exec: \"nosuch\": executable file not found in $PATH"), "{missing}");
    let folder = engine.fails(&run(&["base:1", "/bin"]), 126);
    assert!(folder.contains("exec: \"/bin\": permission denied"), "{folder}");
    assert!(
        engine
            .fails(&run(&["--user", "nobody", "base:1", "id"]), 125)
            .contains("unable to find user nobody: no matching entries in passwd file")
    );
    assert!(
        engine.fails(&run(&["--cap-add", "nosuch", "base:1", "id"]), 125).contains("invalid CapAdd: unknown capability: \"CAP_NOSUCH\"")
    );
    assert!(
        engine
            .fails(&run(&["--name", "-", "base:1", "id"]), 125)
            .contains("Invalid container name (-), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    );
    assert!(engine.fails(&run(&["-m", "1m", "base:1", "id"]), 125).contains("Minimum memory limit allowed is 6MB"));
    assert!(engine.fails(&["run", "--rm", "--network", "nosuch", "base:1", "id"], 125).contains("network nosuch not found"));
    assert_eq!(engine.said(&["ps", "-aq"]), "");
}

#[test]
fn a_container_lives_is_seen_and_goes() {
    if !docker("a_container_lives_is_seen_and_goes") {
        return;
    }
    let engine = Confined::start();
    let id = engine.said(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        "-l",
        "tier=front",
        "base:1",
        "sh",
        "-c",
        "echo up; trap 'exit 3' TERM; while :; do sleep 0.1; done",
    ]);
    let id = id.trim();
    let row = engine.said(&["ps", "--format", "{{.ID}} {{.Names}} {{.Image}} {{.State}} {{.Status}}"]);
    assert!(row.starts_with(&format!("{} web base:1 running Up ", &id[..12])), "{row}");
    let conflict = engine.fails(&["run", "--name", "web", "base:1", "id"], 125);
    assert!(
        conflict.contains(&format!(
            "Conflict. The container name \"/web\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse \
             that name."
        )),
        "{conflict}"
    );
    assert!(engine.fails(&["rmi", "base:1"], 1).contains("(must force) - container"));
    assert!(
        engine
            .fails(&["rm", "web"], 1)
            .contains("cannot remove container \"/web\": container is running: stop the container before removing or force remove")
    );
    assert_eq!(engine.said(&["exec", "-e", "X=y", "web", "sh", "-c", "echo $X; exit 0"]), "y\n");
    assert_eq!(engine.docker(&["exec", "web", "sh", "-c", "exit 5"]).exits(5).stdout, "");
    let missing = engine.docker(&["exec", "web", "nosuch"]).exits(127);
    assert!(format!("{missing}").contains("executable file not found in $PATH"), "{missing}");
    assert_eq!(engine.docker(&["exec", "-i", "web", "cat"]).input("typed").succeeds().stdout, "typed");
    assert!(engine.said(&["top", "web"]).contains("sleep 0.1"));
    engine.said(&["rename", "web", "site"]);
    assert_eq!(
        engine.said(&["inspect", "-f", "{{.Name}} {{.State.Running}} {{.Config.Labels.tier}} {{.HostConfig.NetworkMode}}", "site"]),
        "/site true front none\n"
    );
    assert_eq!(engine.said(&["stop", "site"]), "site\n");
    assert_eq!(engine.said(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}", "site"]), "exited 3 0\n");
    assert_eq!(engine.said(&["logs", "site"]), "up\n");
    assert_eq!(engine.said(&["start", "site"]), "site\n");
    engine.said(&["kill", "site"]);
    assert_eq!(engine.said(&["wait", "site"]), "137\n");
    assert!(engine.fails(&["kill", "site"], 1).contains(&format!("cannot kill container: site: container {id} is not running")));
    assert_eq!(engine.said(&["logs", "--tail", "1", "site"]), "up\n");
    assert_eq!(engine.said(&["rm", "site"]), "site\n");
    assert!(engine.fails(&["inspect", "site"], 1).contains("No such object: site"));
    assert_eq!(engine.said(&["ps", "-aq"]), "");
    let data = engine.engine.path("data");
    for folder in ["containers", "overlay2", "run/oci", "run/hold"] {
        let left: Vec<_> = std::fs::read_dir(data.join(folder)).expect(folder).flatten().collect();
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}

#[test]
fn a_size_that_comes_before_its_program_waits_for_it() {
    if !docker("a_size_that_comes_before_its_program_waits_for_it") {
        return;
    }
    let here = Confined::start();
    here.said(&["run", "-d", "--network", "none", "--name", "held", "base:1", "sleep", "1000"]);
    let made = |script: &str| {
        let wish = serde_json::json!({"Tty": true, "AttachStdout": true, "Cmd": ["sh", "-c", script]});
        std::fs::write(here.engine.path("wish"), wish.to_string()).expect("write a request");
        let (status, answer) = here.engine.sent("POST", "/containers/held/exec", &here.engine.path("wish"));
        assert_eq!(status, 201, "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("a document");
        answer["Id"].as_str().expect("an id").to_owned()
    };
    std::fs::write(here.engine.path("begin"), r#"{"Detach": false, "Tty": true}"#).expect("write a request");
    let begin = |id: &str| here.engine.sent("POST", &format!("/exec/{id}/start"), &here.engine.path("begin"));
    // Nobody else sets the size: without the one that came first this would never end.
    let id = made("until [ \"$(stty size 2>/dev/null)\" = \"33 99\" ]; do sleep 0.05; done; echo sized; exit 6");
    let resize = |id: &str| format!("/exec/{id}/resize?h=33&w=99");
    let mut sized = here.engine.curl("POST", &resize(&id)).command().stdout(Stdio::piped()).spawn().expect("start curl");
    assert_eq!(begin(&id), (200, "sized\r\n".to_owned()));
    assert!(sized.wait().expect("curl ends").success());
    assert_eq!(here.engine.json(&format!("/exec/{id}/json"))["ExitCode"], 6);
    assert!(here.engine.refused("POST", &resize(&id), 409).ends_with("is not running"));
    // One that ends at once is heard by who began it, whoever else talks to it.
    for _ in 0..10 {
        let id = made("echo short; exit 6");
        let mut sized = here.engine.curl("POST", &resize(&id)).command().stdout(Stdio::null()).spawn().expect("start curl");
        assert_eq!(begin(&id), (200, "short\r\n".to_owned()));
        assert_eq!(here.engine.json(&format!("/exec/{id}/json"))["ExitCode"], 6);
        sized.wait().expect("curl ends");
    }
}

#[test]
fn logs_are_chosen_and_followed() {
    if !docker("logs_are_chosen_and_followed") {
        return;
    }
    let engine = Confined::start();
    engine.said(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "talker",
        "base:1",
        "sh",
        "-c",
        "echo one; echo two >&2; read x; echo three",
    ]);
    // It waits for input that never comes: nothing is attached to it, so it reads the end at once and goes on.
    let followed = engine.docker(&["logs", "-f", "talker"]).succeeds();
    assert_eq!((followed.stdout.as_str(), followed.stderr.as_str()), ("one\nthree\n", "two\n"));
    assert_eq!(engine.said(&["logs", "--tail", "1", "talker"]), "three\n");
    let stamped = engine.said(&["logs", "-t", "--tail", "1", "talker"]);
    assert!(stamped.starts_with("20") && stamped.ends_with("Z three\n"), "{stamped}");
    assert_eq!(engine.said(&["logs", "--until", "2001-01-01T00:00:00Z", "talker"]), "");
    engine.said(&["run", "--network", "none", "--name", "quiet", "--log-driver", "none", "base:1", "echo", "x"]);
    assert!(engine.fails(&["logs", "quiet"], 1).contains("configured logging driver does not support reading"));
}

#[test]
fn limits_rights_and_volumes_are_what_was_asked_for() {
    if !docker("limits_rights_and_volumes_are_what_was_asked_for") {
        return;
    }
    let engine = Confined::start();
    assert_eq!(
        engine.said(&run(&[
            "--cap-drop",
            "ALL",
            "base:1",
            "sh",
            "-c",
            "cat /proc/self/status | while read k v; do [ $k = CapEff: ] && echo $v; done; true"
        ])),
        "0000000000000000\n"
    );
    assert!(engine.docker(&run(&["--read-only", "base:1", "touch", "/x"])).exits(1).stderr.contains("Read-only file system"));
    engine.said(&run(&["--read-only", "--tmpfs", "/tmp", "base:1", "touch", "/tmp/x"]));
    engine.said(&run(&["-v", "data:/data", "base:1", "sh", "-c", "echo kept > /data/file"]));
    assert_eq!(engine.said(&run(&["-v", "data:/data:ro", "base:1", "cat", "/data/file"])), "kept\n");
    assert_eq!(engine.said(&["volume", "ls", "-q"]), "data\n");
    // A new volume gets what the image has at its place.
    assert!(engine.said(&run(&["-v", "filled:/bin", "base:1", "/bin/ls", "/bin"])).contains("busybox"));
    let place = engine.engine.path("bound");
    std::fs::create_dir(&place).expect("make a folder");
    std::fs::write(place.join("from-outside"), "seen").expect("write a file");
    assert_eq!(engine.said(&run(&["-v", &format!("{}:/in", text(&place)), "base:1", "cat", "/in/from-outside"])), "seen");
    assert!(
        engine
            .fails(&run(&["--mount", "type=bind,src=/no/such,dst=/x", "base:1", "id"]), 125)
            .contains("bind source path does not exist: /no/such")
    );
    engine.said(&run(&["-v", "/anonymous", "base:1", "true"]));
    assert_eq!(engine.said(&["volume", "ls", "-q"]), "data\nfilled\n", "--rm takes the anonymous volume along");
    engine.said(&["volume", "rm", "data", "filled"]);
    // An empty folder of the image has an owner and a mode to give, and gives them once.
    engine.said(&["run", "--name", "maker", "--network", "none", "base:1", "sh", "-c", "mkdir -m 1750 /mine; chown 7:8 /mine"]);
    engine.said(&["commit", "maker", "mine:1"]);
    let show = "stat -c '%u:%g %a' /mine; chmod 700 /mine";
    let first = ["run", "-v", "fresh:/mine", "--network", "none", "--name", "shows", "mine:1", "sh", "-c", show];
    assert_eq!(engine.said(&first), "7:8 1750\n");
    assert_eq!(engine.said(&["start", "-a", "shows"]), "7:8 700\n");
    assert_eq!(engine.said(&run(&["--init", "base:1", "sh", "-c", "read name < /proc/1/comm; echo $name"])), "docker-init\n");
}

#[test]
fn a_container_that_goes_with_its_end_may_be_copied_into_and_restarted() {
    if !docker("a_container_that_goes_with_its_end_may_be_copied_into_and_restarted") {
        return;
    }
    let engine = Confined::start();
    let script = "cat /word; echo more >> /word; echo said; exec sleep 1000";
    engine.said(&["create", "--rm", "--network", "none", "--name", "passing", "base:1", "sh", "-c", script]);
    let word = engine.engine.path("word");
    std::fs::write(&word, "word\n").expect("write a file");
    // Its tree is mounted for the copy, and once more for each start; only from the start on nothing of it is to last.
    engine.said(&["cp", &text(&word), "passing:/word"]);
    engine.said(&["start", "passing"]);
    let said = |lines: usize| {
        crate::support::eventually("what it says", PATIENCE, || {
            Some(engine.said(&["logs", "passing"])).filter(|said| said.lines().count() == lines)
        })
    };
    said(2);
    let root = engine.said(&["exec", "passing", "grep", " / / ", "/proc/self/mountinfo"]);
    assert!(root.contains("volatile"), "{root}");
    engine.said(&["restart", "-t", "0", "passing"]);
    assert_eq!(said(5), "word\nsaid\nword\nmore\nsaid\n");
    engine.said(&["stop", "-t", "0", "passing"]);
    crate::support::eventually("its removal", PATIENCE, || engine.said(&["ps", "-aq"]).is_empty().then_some(()));
}

#[test]
fn a_further_process_is_in_the_cgroups_of_its_container() {
    if !docker("a_further_process_is_in_the_cgroups_of_its_container") {
        return;
    }
    let engine = Confined::start();
    let words = ["run", "-d", "--network", "none", "--cgroupns", "host", "--name", "first", "base:1", "sleep", "1000"];
    let id = engine.said(&words);
    let first = engine.said(&["exec", "first", "cat", "/proc/1/cgroup"]);
    assert_eq!(engine.said(&["exec", "first", "cat", "/proc/self/cgroup"]), first);
    let placed = first.lines().filter(|line| line.ends_with(&format!("/docker/{}", id.trim()))).count();
    // Every line is a hierarchy; that of version 2 may be mounted nowhere.
    assert!(rights() != Rights::Root || placed >= first.lines().count().saturating_sub(1).max(1), "{first}");
}

/// A block device that has a node, and its numbers.
fn block_device() -> Option<(String, String)> {
    let names = std::fs::read_dir("/sys/block").ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let found = |name: String| {
        let numbers = std::fs::read_to_string(format!("/sys/block/{name}/dev")).ok()?;
        let node = format!("/dev/{name}");
        Path::new(&node).exists().then(|| (node, numbers.trim().to_owned()))
    };
    names.into_iter().find_map(found)
}

#[test]
fn the_traffic_of_a_block_device_is_limited_in_the_cgroup() {
    const TEST: &str = "the_traffic_of_a_block_device_is_limited_in_the_cgroup";
    let Some((node, numbers)) = block_device().filter(|_| rights() == Rights::Root) else {
        return skip(TEST, "needs root and a block device");
    };
    let here = Confined::start();
    let (bytes, requests) = (format!("{node}:1mb"), format!("{node}:100"));
    let words =
        ["run", "-d", "--network", "none", "--device-read-bps", &bytes, "--device-write-iops", &requests, "base:1", "sleep", "1000"];
    let id = here.engine.ours(&words).succeeds().stdout;
    let files = ["io.max", "blkio.throttle.read_bps_device", "blkio.throttle.write_iops_device"];
    let groups = cgroups(&format!("/docker/{}", id.trim()));
    let said: String =
        groups.iter().flat_map(|group| files.map(|file| std::fs::read_to_string(group.join(file)).unwrap_or_default())).collect();
    let (unified, each) = (format!("{numbers} rbps=1048576 wbps=max riops=max wiops=100\n"), format!("{numbers} 1048576\n{numbers} 100\n"));
    assert!(said == unified || said == each, "{said:?}");
    let wrong = here.engine.ours(&run(&["--device-read-bps", "sda:1mb", "base:1", "true"])).exits(125);
    assert!(wrong.stderr.contains("bad format for device path: sda:1mb"), "{wrong}");
    let missing = here.engine.ours(&run(&["--device-read-bps", "/dev/nosuch:1mb", "base:1", "true"])).output();
    assert!(missing.code() != 0 && missing.stderr.contains("/dev/nosuch"), "{missing}");
}

#[test]
fn a_killed_engine_finds_its_containers_again() {
    if !docker("a_killed_engine_finds_its_containers_again") {
        return;
    }
    let engine = Confined::kept();
    engine.said(&["run", "-d", "--network", "none", "--name", "lives", "base:1", "sh", "-c", "echo before; while :; do sleep 0.1; done"]);
    engine.said(&["run", "-d", "--network", "none", "--name", "ends", "base:1", "sh", "-c", "sleep 1; exit 9"]);
    let pid = engine.said(&["inspect", "-f", "{{.State.Pid}}", "lives"]);
    let before = engine.said(&["info", "-f", "{{.ID}}"]);
    let children = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default().trim().to_owned();
    let first = |pids: &str| pids.split(' ').next().and_then(|pid| pid.parse::<u32>().ok()).expect("a child");
    // unshare -> the keeper -> the engine -> the runtime that stands by -> shims.
    let keeper = first(&children(engine.engine.process.id()));
    let killed = first(&children(keeper));
    engine.engine.sandbox.program("kill").args(["-9", &killed.to_string()]).succeeds();
    crate::support::eventually("another engine", PATIENCE, || {
        engine.docker(&["info", "-f", "{{.ID}}"]).output().stdout.starts_with(before.trim()).then_some(())
    });
    assert_eq!(engine.said(&["wait", "ends"]), "9\n");
    assert_eq!(engine.said(&["inspect", "-f", "{{.State.Running}} {{.State.Pid}}", "lives"]), format!("true {pid}"));
    assert_eq!(engine.said(&["exec", "lives", "echo", "still here"]), "still here\n");
    assert_eq!(engine.said(&["logs", "lives"]), "before\n");
    assert_eq!(engine.said(&["rm", "-f", "lives", "ends"]), "lives\nends\n");
}

#[test]
fn containers_on_the_bridge_have_addresses_and_reach_each_other() {
    if !docker("containers_on_the_bridge_have_addresses_and_reach_each_other") {
        return;
    }
    let engine = Confined::start();
    engine.said(&["run", "-d", "--name", "one", "base:1", "sleep", "1000"]);
    assert_eq!(
        engine.said(&["inspect", "-f", "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}}", "one"]),
        "172.17.0.2 172.17.0.1\n"
    );
    let seen = engine.said(&["run", "--rm", "base:1", "sh", "-c", "ip -4 addr show eth0; ip route; cat /etc/hosts"]);
    assert!(seen.contains("172.17.0.3/16") && seen.contains("default via 172.17.0.1") && seen.contains("172.17.0.3\t"), "{seen}");
    engine.said(&["network", "create", "own"]);
    assert_eq!(
        engine.said(&[
            "run",
            "--rm",
            "--network",
            "own",
            "base:1",
            "sh",
            "-c",
            "ip route | while read a b c d; do [ $a = default ] && echo $c; done; true"
        ]),
        "172.18.0.1\n"
    );
    engine.said(&["network", "connect", "own", "one"]);
    assert!(engine.said(&["exec", "one", "ip", "-4", "addr"]).contains("172.18.0.2/16"));
    assert!(engine.fails(&["network", "rm", "own"], 1).contains("has active endpoints"));
    assert!(
        engine.said(&["run", "--rm", "--network", "own", "base:1", "ping", "-c", "1", "-W", "5", "one"]).contains("1 packets received")
    );
    engine.said(&["rm", "-f", "one"]);
    assert_eq!(engine.said(&["network", "rm", "own"]), "own\n");
}

/// A machine beside the engine's host: `$1` is run there. The engine's host is 10.9.9.1 and fd99::1, and the way to everything else.
const NEIGHBOUR: &str = r#"
set -e
if ! ip link show beside > /dev/null 2>&1; then
    unshare -n sleep 1000 > /dev/null 2>&1 &
    until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do kill -0 $!; done
    echo $! > "$0"
    ip link add beside type veth peer name eth0 netns $!
    ip address add 10.9.9.1/24 dev beside
    ip -6 address add fd99::1/64 dev beside nodad
    ip link set beside up
    nsenter -t $! -n sh -c '
        ip address add 10.9.9.2/24 dev eth0; ip -6 address add fd99::2/64 dev eth0 nodad; ip link set eth0 up
        ip route add default via 10.9.9.1; ip -6 route add default via fd99::1'
fi
exec nsenter -t "$(cat "$0")" -n sh -c "$1"
"#;

#[test]
fn networks_are_kept_apart_and_only_published_ports_lead_in() {
    if !docker("networks_are_kept_apart_and_only_published_ports_lead_in") {
        return;
    }
    let engine = Confined::start();
    let serve = "mkdir /www; echo hello > /www/index.html; exec httpd -f -vv -h /www -p 80";
    engine.said(&["network", "create", "own"]);
    engine.said(&["network", "create", "--internal", "closed"]);
    engine.said(&["run", "-d", "--name", "server", "-p", "8080:80", "base:1", "sh", "-c", serve]);
    let curl = format!("{} toolbox curl -s -m 3", text(binary()));
    let host = |line: &str| engine.host(line).stdout;
    let from_outside = |url: &str| engine.neighbour(&format!("{curl} {url}; echo $?")).stdout;
    let from_inside = |network: &str, address: &str| {
        let line = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} | tail -n 1");
        engine.said(&["run", "--rm", "--network", network, "base:1", "sh", "-c", &line])
    };

    host("ip link set lo up");
    // The host itself by the proxy, others by the rule: the server sees who they are.
    crate::support::eventually("an answer", PATIENCE, || (host(&format!("{curl} http://127.0.0.1:8080/")) == "hello\n").then_some(()));
    assert_eq!(from_outside("http://10.9.9.1:8080/"), "hello\n0\n");
    // It writes its log when it has answered.
    let seen = || engine.docker(&["logs", "server"]).output().stderr;
    let both = || Some(seen()).filter(|seen| seen.contains("172.17.0.1") && seen.contains("10.9.9.2"));
    crate::support::eventually("both clients in the server's log", PATIENCE, both);
    // What is not published is not reached, though the way there is known.
    assert_eq!(from_outside("http://172.17.0.2/"), "28\n");
    // Networks do not reach each other, but what is published is for all that have a way out.
    assert_eq!(from_inside("own", "172.17.0.2 80"), "");
    assert_eq!(from_inside("own", "172.18.0.1 8080"), "hello\n");
    assert_eq!(from_inside("bridge", "172.17.0.2 80"), "hello\n");
    assert_eq!(from_inside("closed", "10.9.9.1 8080"), "");
    // The port goes with the container when it moves.
    engine.said(&["network", "connect", "own", "server"]);
    engine.said(&["network", "disconnect", "bridge", "server"]);
    assert_eq!(from_outside("http://10.9.9.1:8080/"), "hello\n0\n");
    engine.said(&["network", "connect", "bridge", "server"]);
    assert!(engine.said(&["exec", "server", "ip", "-4", "addr"]).contains("172.17.0.2/16"));
    engine.said(&["rm", "-f", "server"]);
    assert_eq!(from_outside("http://10.9.9.1:8080/"), "7\n");
}

#[test]
fn an_engine_waits_for_nobody_when_it_ends() {
    if !docker("an_engine_waits_for_nobody_when_it_ends") {
        return;
    }
    let mut engine = Confined::start();
    engine.said(&["run", "-d", "--network", "none", "--name", "stays", "base:1", "sleep", "1000"]);
    let keeper = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", engine.engine.process.id())).expect("the engine");
    engine.said(&["rm", "-f", "stays"]);
    engine.engine.sandbox.program("kill").args([keeper.trim()]).succeeds();
    assert!(wait(&mut engine.engine.process, PATIENCE).is_some(), "it ends by itself");
}

#[test]
fn what_a_container_has_written_is_listed_exported_and_committed() {
    if !docker("what_a_container_has_written_is_listed_exported_and_committed") {
        return;
    }
    let here = Confined::start();
    here.said(&["run", "--name", "wrote", "--network", "none", "base:1", "sh", "-c", "echo word > /new; mkdir /made; touch /made/file"]);
    assert_eq!(here.said(&["diff", "wrote"]), "A /made\nA /made/file\nA /new\n", "and nothing that the engine put there");
    let tar = text(&here.engine.path("w.tar"));
    here.said(&["export", "-o", &tar, "wrote"]);
    let listed = here.engine.sandbox.program("tar").args(["-tf", &tar]).succeeds().stdout;
    assert!(listed.lines().any(|line| line == "made/file") && listed.contains("bin/sh"), "{listed}");
    here.said(&["commit", "-c", "CMD [\"cat\", \"/new\"]", "-m", "why", "-a", "me", "wrote", "kept:1"]);
    assert_eq!(here.said(&["run", "--rm", "--network", "none", "kept:1"]), "word\n");
    let line = here.said(&["history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}", "kept:1"]);
    assert_eq!(line.lines().next(), Some("sh -c echo word > /new; mkdir /made; touch /made/file|why"));
    assert_eq!(here.said(&["image", "inspect", "-f", "{{.Author}}", "kept:1"]), "me\n");
    let refused = here.fails(&["commit", "-c", "RUN x", "wrote"], 1);
    assert!(refused.contains("run is not a valid change command"), "{refused}");
    assert!(here.fails(&["diff", "nobody"], 1).contains("No such container: nobody"));
}

/// The runtime that stands by for an engine below `process`.
pub fn standing_by(process: u32) -> Option<u32> {
    let name = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    family(process).into_iter().find(|pid| name(pid) == "oci-serve\n")
}

#[test]
fn a_runtime_that_stands_by_may_be_killed() {
    if !docker("a_runtime_that_stands_by_may_be_killed") {
        return;
    }
    let here = Confined::start();
    assert_eq!(standing_by(here.engine.process.id()), None, "nobody has needed it yet");
    here.said(&["run", "-d", "--network", "none", "--name", "stays", "base:1", "sleep", "1000"]);
    let first = standing_by(here.engine.process.id()).expect("a runtime");
    here.engine.sandbox.program("kill").args(["-9", &first.to_string()]).succeeds();
    // Until its end of the socket is closed, an order could still be sent to it.
    eventually("its end", PATIENCE, || {
        let stat = std::fs::read_to_string(format!("/proc/{first}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')).then_some(())
    });
    assert_eq!(here.said(&["exec", "stays", "echo", "still here"]), "still here\n");
    assert_eq!(here.said(&run(&["base:1", "echo", "another"])), "another\n");
    let second = standing_by(here.engine.process.id()).expect("another runtime");
    assert_ne!(first, second);
    here.said(&["rm", "-f", "stays"]);
}

/// An environment may be longer than what a socket takes at once.
#[test]
fn an_exec_may_have_a_long_environment() {
    if !docker("an_exec_may_have_a_long_environment") {
        return;
    }
    let here = Confined::start();
    here.said(&["run", "-d", "--network", "none", "--name", "web", "base:1", "sleep", "1000"]);
    let variables: Vec<String> = (0..10).map(|number| format!("LONG{number}={}", "x".repeat(100_000))).collect();
    let mut words = vec!["exec"];
    words.extend(variables.iter().flat_map(|variable| ["-e", variable.as_str()]));
    words.extend(["web", "sh", "-c", "echo ${#LONG0} ${#LONG9}"]);
    assert_eq!(here.said(&words), "100000 100000\n");
}
