//! The engine from the outside: the unmodified `docker` client, and requests as other programs send them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

mod asked;
pub mod containers;
mod generated;
mod hostile;
mod judged;
mod load;
mod networks;
mod nonsense;
mod remote;
mod told;
mod unified;
mod volumes;

use crate::support::{Call, Sandbox, bundle, has_program, skip, wait};

/// More than an engine needs to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine that runs as long as this lives.
pub struct Engine {
    pub sandbox: Sandbox,
    process: Child,
}

impl Drop for Engine {
    fn drop(&mut self) {
        // One that a test has ended is gone already.
        self.process.kill().ok();
        self.process.wait().expect("it is ours");
    }
}

impl Engine {
    pub fn start() -> Self {
        let sandbox = Sandbox::new();
        let process = serve(&sandbox);
        Engine { sandbox, process }
    }

    /// An engine with the image `base:1`: a busybox.
    pub fn with_image() -> Self {
        let engine = Engine::start();
        let root = engine.path("root");
        bundle::rootfs(&root, &["sh", "echo"]);
        let (root, tar) = (text(&root), engine.path("root.tar"));
        engine.sandbox.program("tar").args(["-C", &root, "-cf", &text(&tar), "."]).succeeds();
        let answer = engine.sent("POST", "/images/create?fromSrc=-&repo=base&tag=1&message=by+hand", &tar);
        assert!(answer.1.contains("sha256:"), "{}", answer.1);
        engine
    }

    /// Its process, or the one that has started it.
    pub fn process(&self) -> &Child {
        &self.process
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    fn curl(&self, method: &str, path: &str) -> Call {
        let socket = text(&socket(&self.sandbox));
        let url = format!("http://localhost{path}");
        self.sandbox.program("curl").args(["-sS", "--unix-socket", &socket, "-X", method, "-w", "\n%{http_code}", &url])
    }

    /// The status and the body of the answer to a request.
    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        split(&self.curl(method, path).succeeds().stdout)
    }

    fn sent(&self, method: &str, path: &str, body: &Path) -> (u16, String) {
        split(&self.curl(method, path).args(["--data-binary", &format!("@{}", text(body))]).succeeds().stdout)
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// The message of a failed request.
    fn refused(&self, method: &str, path: &str, status: u16) -> String {
        let (found, body) = self.ask(method, path);
        assert_eq!(found, status, "{method} {path}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"));
        body["message"].as_str().expect("a message").to_owned()
    }

    /// The machine's own docker.
    fn docker(&self, args: &[&str]) -> Call {
        self.client(self.sandbox.program("docker").args(args))
    }

    /// Our docker.
    pub fn ours(&self, args: &[&str]) -> Call {
        self.client(self.sandbox.bottleship(["docker"]).args(args))
    }

    /// A client of this engine, with a home of its own.
    pub fn client(&self, call: Call) -> Call {
        let home = self.path("home");
        fs::create_dir_all(&home).expect("make a home");
        call.env("DOCKER_HOST", format!("unix://{}", text(&socket(&self.sandbox))))
            .env("HOME", home)
            .env("TZ", "UTC")
            .folder(self.sandbox.path())
    }
}

fn socket(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().join("docker.sock")
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of text").to_owned()
}

fn split(said: &str) -> (u16, String) {
    let (body, status) = said.rsplit_once('\n').expect("the status behind the body");
    (status.parse().expect("a status"), body.to_owned())
}

fn call(sandbox: &Sandbox) -> Call {
    let (host, root) = (format!("unix://{}", text(&socket(sandbox))), text(&sandbox.path().join("data")));
    sandbox.bottleship(["engine", "-H", &host, "--data-root", &root])
}

/// Starts an engine, and waits until it listens.
fn serve(sandbox: &Sandbox) -> Child {
    let mut process = call(sandbox).command().stdout(Stdio::piped()).spawn().expect("start the engine");
    let mut told = String::new();
    BufReader::new(process.stdout.take().expect("its output")).read_line(&mut told).expect("its address");
    assert!(told.starts_with("API listen on unix://"), "{told:?}");
    process
}

#[test]
fn every_answer_has_the_headers_that_clients_look_for() {
    let engine = Engine::start();
    for path in ["/_ping", "/v1.43/_ping", "/images/json", "/nowhere"] {
        let head = engine.curl("GET", path).args(["-D", "-"]).succeeds().stdout.to_lowercase();
        for header in ["api-version: 1.50", "ostype: linux", "server: docker/", "docker-experimental: false"] {
            assert!(head.contains(header), "{path}: {header} is missing in {head}");
        }
    }
    assert_eq!(engine.ask("GET", "/_ping"), (200, "OK".to_owned()));
    assert!(engine.curl("HEAD", "/_ping").args(["-I"]).succeeds().stdout.to_lowercase().contains("builder-version: 1"));
}

#[test]
fn what_cannot_be_answered_is_refused_as_dockerd_does() {
    let engine = Engine::with_image();
    let table = [
        (
            "GET",
            "/v1.12/images/json",
            400,
            "client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
        ),
        ("GET", "/v1.99/images/json", 400, "client version 1.99 is too new. Maximum supported API version is 1.50"),
        ("GET", "/nowhere", 404, "page not found"),
        ("GET", "/images/nosuch/json", 404, "No such image: nosuch:latest"),
        ("GET", "/images/me/nosuch:2/history", 404, "No such image: me/nosuch:2"),
        ("DELETE", "/images/nosuch", 404, "No such image: nosuch:latest"),
        ("POST", "/images/base:1/tag?repo=UPPER", 400, "invalid reference format: repository name (library/UPPER) must be lowercase"),
        ("GET", "/images/json?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D", 400, "invalid filter 'colour'"),
        ("GET", "/images/json?filters=no", 400, "invalid filter"),
        (
            "GET",
            "/images/json?filters=%7B%22reference%22%3A%5B%22%5B%22%5D%7D",
            400,
            "invalid filter 'reference=[': syntax error in pattern `[`",
        ),
        ("GET", "/events?since=yesterday", 400, "invalid moment `yesterday`: Unix seconds or RFC 3339"),
        ("GET", "/containers/nosuch/json", 404, "No such container: nosuch"),
        ("GET", "/volumes/nosuch", 404, "get nosuch: no such volume"),
        ("POST", "/containers/create", 400, "config cannot be empty in order to create a container"),
        ("DELETE", "/containers/nosuch", 404, "No such container: nosuch"),
        ("GET", "/networks/nosuch", 404, "network nosuch not found"),
        ("POST", "/exec/nosuch/resize?w=80&h=24", 404, "No such exec instance: nosuch"),
        ("GET", "/plugins/nosuch/json", 404, "plugin \"nosuch\" not found"),
    ];
    for (method, path, status, message) in table {
        assert_eq!(engine.refused(method, path, status), message, "{method} {path}");
    }
    assert!(engine.refused("GET", "/nodes", 503).starts_with("This node is not a swarm manager."));
    // Whoever is told to say `docker swarm init` and does so is not told it again.
    assert!(engine.refused("POST", "/swarm/init", 501).starts_with("swarm mode is not part of this engine"));
    assert_eq!(engine.refused("POST", "/swarm/leave", 503), "This node is not part of a swarm");
}

#[test]
fn an_image_with_names_in_two_repositories_is_not_removed_by_its_id() {
    let engine = Engine::with_image();
    assert_eq!(engine.ask("POST", "/v1.43/images/base:1/tag?repo=me/app&tag=2").0, 201);
    let id = engine.json("/images/base:1/json")["Id"].as_str().expect("an id").to_owned();
    let said = engine.refused("DELETE", &format!("/images/{id}"), 409);
    assert!(said.contains("(must be forced) - image is referenced in multiple repositories"), "{said}");
    // By its name only that goes; the last name takes the image and its layers along.
    let (_, body) = engine.ask("DELETE", "/images/base:1");
    assert_eq!(body, r#"[{"Untagged":"base:1"}]"#);
    let (_, body) = engine.ask("DELETE", "/images/me/app:2");
    assert!(body.starts_with(&format!(r#"[{{"Untagged":"me/app:2"}},{{"Deleted":"{id}"}},{{"Deleted":"sha256:"#)), "{body}");
    assert_eq!(engine.json("/images/json"), Value::Array(Vec::new()));
    assert_eq!(engine.json("/system/df")["LayersSize"], 0);
}

#[test]
fn lists_are_filtered() {
    let engine = Engine::with_image();
    engine.ask("POST", "/images/base:1/tag?repo=me/app");
    let names = |filters: &str| {
        let list = engine.json(&format!("/images/json?filters={filters}"));
        list.as_array().expect("a list").iter().flat_map(|image| image["RepoTags"].as_array().expect("names").clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("%7B%7D"), ["base:1", "me/app:latest"]);
    assert_eq!(names("%7B%22reference%22%3A%5B%22me/*%22%5D%7D"), ["me/app:latest"]);
    assert_eq!(names("%7B%22reference%22%3A%7B%22base%22%3Atrue%7D%7D"), ["base:1"]);
    assert!(names("%7B%22dangling%22%3A%5B%22true%22%5D%7D").is_empty());
    assert!(names("%7B%22label%22%3A%5B%22a=b%22%5D%7D").is_empty());
}

#[test]
fn what_happens_is_told() {
    let engine = Engine::with_image();
    engine.ask("POST", "/images/base:1/tag?repo=other");
    engine.ask("DELETE", "/images/other:latest");
    // Until a moment that has passed: the answer ends by itself.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs() + 1;
    let (_, told) = engine.ask("GET", &format!("/events?since=0&until={now}"));
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect();
    let actions: Vec<&str> = told.iter().map(|event| event["Action"].as_str().expect("an action")).collect();
    assert_eq!(actions, ["import", "tag", "untag"]);
    assert_eq!((&told[1]["Type"], &told[1]["Actor"]["Attributes"]["name"]), (&"image".into(), &"other:latest".into()));
    let (_, told) = engine.ask("GET", &format!("/events?since=0&until={now}&filters=%7B%22event%22%3A%5B%22tag%22%5D%7D"));
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_broken_archive_changes_nothing() {
    let engine = Engine::start();
    let broken = engine.path("broken.tar");
    fs::write(&broken, vec![7; 5000]).expect("write a broken archive");
    let (status, said) = engine.sent("POST", "/images/load", &broken);
    assert!(status == 200 && said.contains("errorDetail"), "{status} {said}");
    let (_, said) = engine.sent("POST", "/images/create?fromSrc=-&repo=x", &broken);
    assert!(said.contains("errorDetail"), "{said}");
    assert_eq!(engine.json("/images/json"), Value::Array(Vec::new()));
}

#[test]
fn who_sends_more_than_is_wanted_still_gets_the_answer() {
    let engine = Engine::start();
    // Far more than the socket holds, and refused before any of it is read.
    let piece = vec![0; 1 << 20];
    for (path, status) in [
        ("/containers/nobody/archive?path=/", "404"),
        ("/images/load", "200"),
        ("/build?remote=nonsense", "400"),
        ("/images/json", "404"),
        ("/v9.99/x", "400"),
    ] {
        let method = if path.starts_with("/containers") { "PUT" } else { "POST" };
        let mut stream = UnixStream::connect(socket(&engine.sandbox)).expect("the engine's socket");
        let head = format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", 8 * piece.len());
        stream.write_all(head.as_bytes()).expect("the head");
        for at in 0..8 {
            stream.write_all(&piece).unwrap_or_else(|error| panic!("{path}, {at} MiB: {error}"));
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
}

#[test]
fn an_engine_ends_when_asked_and_another_takes_its_place() {
    let mut engine = Engine::start();
    let second = call(&engine.sandbox).exits(1);
    assert!(second.stderr.contains("an engine answers there already"), "{second}");
    engine.sandbox.program("kill").args([engine.process.id().to_string()]).succeeds();
    assert!(wait(&mut engine.process, PATIENCE).expect("it ends").success());
    assert!(!socket(&engine.sandbox).exists(), "its socket goes with it");
    // One that was killed leaves its socket; nobody answers there, so the next one may have the place.
    engine.process = serve(&engine.sandbox);
    engine.process.kill().expect("it is ours");
    engine.process.wait().expect("it ends");
    assert!(socket(&engine.sandbox).exists());
    engine.process = serve(&engine.sandbox);
    assert_eq!(engine.ask("GET", "/_ping").0, 200);
}

#[test]
fn only_loopback_is_listened_on_without_tls() {
    let sandbox = Sandbox::new();
    let said = sandbox.bottleship(["engine", "-H", "tcp://0.0.0.0:0", "--data-root"]).args([sandbox.path().join("data")]).exits(1);
    assert!(said.stderr.contains("without TLS only addresses of this host"), "{said}");
    let said = sandbox.bottleship(["engine", "-H", "npipe://x", "--data-root"]).args([sandbox.path().join("data")]).exits(1);
    assert!(said.stderr.contains("`npipe://x` is no address to listen on"), "{said}");
}

#[test]
fn the_unmodified_docker_client_keeps_images() {
    if !has_program("docker") {
        return skip("the_unmodified_docker_client_keeps_images", "docker is not installed");
    }
    let engine = Engine::with_image();
    let said = |args: &[&str]| engine.docker(args).succeeds().stdout;
    let id = said(&["images", "-q", "--no-trunc"]).trim().to_owned();
    assert!(said(&["images"]).lines().nth(1).is_some_and(|line| line.starts_with("base         1")), "{}", said(&["images"]));
    assert!(said(&["history", "base:1"]).contains("by hand"));
    assert_eq!(said(&["image", "inspect", "-f", "{{.Id}} {{.Os}}", "base:1"]).trim(), format!("{id} linux"));
    let tar = text(&engine.path("root.tar"));
    said(&["import", "-c", "CMD [\"a\"]", "-c", "ENV B=1", "--platform", "linux/s390x", &tar, "other:1"]);
    let other = said(&["image", "inspect", "-f", "{{.Architecture}} {{.Config.Cmd}} {{.Config.Env}}", "other:1"]);
    assert_eq!(other.trim(), "s390x [a] [B=1]");
    let refused = engine.docker(&["import", "-c", "RUN rm -rf /", &tar]).exits(1);
    assert!(refused.stderr.contains("run is not a valid change command"), "{refused}");
    said(&["rmi", "other:1"]);
    said(&["tag", "base:1", "me/app:2"]);
    let archive = text(&engine.path("saved.tar"));
    said(&["save", "-o", &archive, "base:1", "me/app:2"]);
    let removed = said(&["rmi", "base:1", "me/app:2"]);
    assert!(removed.starts_with(&format!("Untagged: base:1\nUntagged: me/app:2\nDeleted: {id}\nDeleted: sha256:")), "{removed}");
    assert_eq!(said(&["load", "-i", &archive]), "Loaded image: base:1\nLoaded image: me/app:2\n");
    assert_eq!(said(&["images", "-q", "--no-trunc", "base"]).trim(), id);
    assert!(said(&["system", "df"]).contains("Images          1         0"), "{}", said(&["system", "df"]));
    assert!(said(&["version"]).contains("Server: Bottleship, a teaching engine"));
    assert!(said(&["info"]).contains("Images: 1"));
    let absent = engine.docker(&["inspect", "nosuch"]).exits(1);
    assert!(absent.stderr.contains("No such object: nosuch"), "{absent}");
    let refused = engine.docker(&["run", "base:1"]).exits(125);
    assert!(refused.stderr.contains("no command specified"), "{refused}");
    assert!(said(&["image", "prune", "-af"]).contains(&format!("deleted: {id}")));
    assert_eq!(said(&["ps", "-aq"]), "");
}

/// A registry on loopback that runs as long as this lives.
pub struct Registry {
    process: Child,
    pub address: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().expect("the registry is ours");
        self.process.wait().expect("and ends");
    }
}

impl Registry {
    pub fn start(sandbox: &Sandbox) -> Self {
        let call = sandbox.bottleship(["registry", "serve", "--listen", "127.0.0.1:0", "--root"]).args([sandbox.path().join("registry")]);
        let mut process = call.command().stdout(Stdio::piped()).spawn().expect("start a registry");
        let mut told = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut told).expect("its address");
        let address = told.trim().rsplit(' ').next().expect("an address").to_owned();
        Registry { process, address }
    }
}

#[test]
fn images_go_to_a_registry_and_come_back() {
    let engine = Engine::with_image();
    let registry = Registry::start(&engine.sandbox);
    let name = format!("{}/me/app", registry.address);
    assert_eq!(engine.ask("POST", &format!("/images/base:1/tag?repo={name}&tag=2")).0, 201);
    let (status, told) = engine.ask("POST", &format!("/images/{name}/push?tag=2"));
    assert_eq!(status, 200, "{told}");
    assert!(
        told.contains(&format!("The push refers to repository [{name}]")) && told.contains(r#""aux":{"Tag":"2","Digest":"sha256:"#),
        "{told}"
    );
    let id = engine.json("/images/base:1/json")["Id"].clone();
    assert_eq!(engine.ask("DELETE", &format!("/images/{id}?force=1", id = id.as_str().expect("an id"))).0, 200);
    let (status, told) = engine.ask("POST", &format!("/images/create?fromImage={name}&tag=2"));
    assert_eq!(status, 200, "{told}");
    for wanted in
        ["\"status\":\"Pulling from me/app\",\"id\":\"2\"", "Pull complete", &format!("Status: Downloaded newer image for {name}:2")]
    {
        assert!(told.contains(wanted), "{wanted} is missing in {told}");
    }
    assert_eq!(engine.json(&format!("/images/{name}:2/json"))["Id"], id);
    let looked = engine.json(&format!("/distribution/{name}:2/json"));
    assert!(looked["Descriptor"]["digest"].as_str().is_some_and(|digest| told.contains(digest)), "{looked}");
    // Before anything was told, a refusal is the answer's status.
    let said = engine.refused("POST", &format!("/images/create?fromImage={name}&tag=nosuch"), 404);
    assert!(said.contains("manifest unknown"), "{said}");
    let said = engine.refused("POST", "/images/nosuch/push?tag=1", 404);
    assert_eq!(said, "An image does not exist locally with the tag: nosuch");
}

#[test]
fn a_build_answers_in_the_lines_of_the_classic_builder() {
    let engine = Engine::with_image();
    let context = engine.path("context");
    fs::create_dir_all(&context).expect("make a context");
    fs::write(context.join("Dockerfile"), "FROM base:1\nARG WHO=nobody\nRUN echo made for $WHO\nCMD [\"sh\"]\n")
        .expect("write a Dockerfile");
    let tar = engine.path("context.tar");
    engine.sandbox.program("tar").args(["-C", &text(&context), "-cf", &text(&tar), "."]).succeeds();
    let (status, told) = engine.sent("POST", "/build?t=app:1&buildargs=%7B%22WHO%22%3A%22you%22%7D", &tar);
    assert_eq!(status, 200, "{told}");
    for wanted in ["Step 1/4 : FROM base:1", "made for you", "Successfully built", "Successfully tagged app:1", r#"{"aux":{"ID":"sha256:"#]
    {
        assert!(told.contains(wanted), "{wanted} is missing in {told}");
    }
    assert_eq!(engine.json("/images/app:1/json")["Config"]["Cmd"], serde_json::json!(["sh"]));
    fs::write(context.join("Dockerfile"), "FROM base:1\nRUN exit 3\n").expect("write a Dockerfile");
    engine.sandbox.program("tar").args(["-C", &text(&context), "-cf", &text(&tar), "."]).succeeds();
    let (_, told) = engine.sent("POST", "/build?t=app:2", &tar);
    assert!(told.contains("errorDetail") && told.contains('3'), "{told}");
    // What fails before the first step is the answer's own status, as with dockerd.
    for (query, said) in [
        ("?dockerfile=other", "Cannot locate specified Dockerfile: other"),
        ("?t=UPPER", "repository name (library/UPPER) must be lowercase"),
        ("?buildargs=x", "error reading build args: "),
        ("?target=nosuch", "target stage \"nosuch\" could not be found"),
        ("?t=a%00b", "error reading t: no value has a byte of zero in it"),
    ] {
        let (status, told) = engine.sent("POST", &format!("/build{query}"), &tar);
        assert!(
            status == 400 && told.contains(&serde_json::json!(said).to_string().trim_matches('"').to_owned()),
            "{query}: {status} {told}"
        );
    }
    engine.refused("GET", "/images/app:2/json", 404);
}

#[test]
fn the_unmodified_docker_client_builds_pushes_and_pulls() {
    if !has_program("docker") {
        return skip("the_unmodified_docker_client_builds_pushes_and_pulls", "docker is not installed");
    }
    let engine = Engine::with_image();
    let registry = Registry::start(&engine.sandbox);
    let name = format!("{}/me/app:1", registry.address);
    let context = engine.path("context");
    fs::create_dir_all(&context).expect("make a context");
    fs::write(context.join("Dockerfile"), "FROM base:1\nCOPY word /word\nCMD [\"cat\", \"/word\"]\n").expect("write a Dockerfile");
    fs::write(context.join("word"), "hello\n").expect("write a file");
    let built = engine.docker(&["build", "-t", &name, &text(&context)]).env("DOCKER_BUILDKIT", "0").succeeds();
    assert!(
        built.stdout.contains("Step 2/3 : COPY word /word") && built.stdout.contains(&format!("Successfully tagged {name}")),
        "{built}"
    );
    let pushed = engine.docker(&["push", &name]).succeeds();
    assert!(pushed.stdout.contains("1: digest: sha256:"), "{pushed}");
    let known = engine.docker(&["image", "inspect", "-f", "{{.RepoDigests}}", &name]).succeeds().stdout;
    assert!(known.starts_with(&format!("[{}/me/app@sha256:", registry.address)), "what was pushed has a digest: {known}");
    engine.docker(&["rmi", "-f", &name]).succeeds();
    let pulled = engine.docker(&["pull", &name]).succeeds();
    assert!(pulled.stdout.contains(&format!("Status: Downloaded newer image for {name}")), "{pulled}");
    let again = engine.docker(&["pull", &name]).succeeds();
    assert!(again.stdout.contains(&format!("Status: Image is up to date for {name}")), "{again}");
    assert!(!again.stdout.contains("Pull complete") && !again.stdout.contains("Already exists"), "no layer is spoken of: {again}");
    // The same image from a file is the same image, and not a second one.
    let saved = text(&engine.path("app.tar"));
    engine.docker(&["save", "-o", &saved, &name]).succeeds();
    engine.docker(&["load", "-i", &saved]).succeeds();
    assert_eq!(engine.docker(&["images", "-q", &name]).succeeds().stdout.lines().count(), 1);
    assert_eq!(engine.docker(&["images", "-q", "-f", "dangling=true"]).succeeds().stdout, "");
    let usage = engine.docker(&["system", "df", "-v"]).succeeds().stdout;
    assert!(!usage.contains("N/A"), "shared sizes are known: {usage}");
    let absent = engine.docker(&["pull", &format!("{}/me/nosuch", registry.address)]).exits(1);
    assert!(absent.stderr.starts_with("Error response from daemon: "), "{absent}");
}
