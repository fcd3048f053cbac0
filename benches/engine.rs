//! The engine beside `dockerd`, with the same client: `cargo bench --bench engine [-- RUNS] [run] [exec] [create] [memory] [port] [name]`, as root.
//!
//! Without a name: all of them. Ours is started in network and mount namespaces of its own. `DOCKERD_SOCKET=PATH` names the socket of a `dockerd` that runs in
//! a network namespace of its own too; without it there are no ratios. Both get the same image, and take turns in one run, so that a change of the machine's
//! speed meets both alike. Quote the minima. At the end stand the goals, and whether they are met; nothing here fails a build.
//!
//! - run: `docker run --rm` of `true`, with a network and without
//! - exec: `docker exec` of `true`
//! - create: 100 containers, one after the other
//! - memory: what the engine and its shims hold while 50 containers sleep (proportional set size of all processes in its network namespace)
//! - port: from the connection to the first byte, through a published port
//! - name: one question for a container's name, asked in another container
//!
//! The first three are done by three clients: by `docker`, by the client of this program, and by bare requests over one connection. Each talks to both engines
//! alike. A goal counts for `docker`. What that client needs itself is in all its figures and hides what an engine does in less: of exec and create it is
//! measured in the same turns, with a server that has the answers ready, and the ratio without it stands beside.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

#[path = "shared/floor.rs"]
mod floor;
mod shared;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde_json::Value;
use shared::{BOTTLESHIP, Ours, find, image};

const IMAGE: &str = "bench-engine:1";
/// A port of the engine's own network namespace.
const PORT: u16 = 18_080;
/// Lists the containers of this bench, and nobody else's.
const OWN: [&str; 4] = ["ps", "-aq", "--filter", "ancestor=bench-engine:1"];
/// The name of what is no engine.
const FLOOR: &str = "nobody";
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures one thing on all engines, so often.
type Bench = fn(&[Engine], &Engine, usize) -> Vec<Compared>;

/// What came of ours and of the other, and what was to be reached.
struct Compared {
    what: String,
    /// The most that ours may be of the other's.
    goal: Option<f64>,
    /// Ours and the other's: minimum and median.
    figures: Vec<(f64, f64)>,
    /// What the client needs itself, where that was measured.
    floor: Option<(f64, f64)>,
    unit: &'static str,
}

impl Compared {
    fn goal(mut self, goal: f64) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Ours to the other's, by minima and by medians.
    fn ratios(&self) -> Option<(f64, f64)> {
        let [ours, theirs] = self.figures.as_slice() else { return None };
        Some((ours.0 / theirs.0, ours.1 / theirs.1))
    }

    /// The same without what the client needs itself.
    fn ratios_of_engines(&self) -> Option<(f64, f64)> {
        let ([ours, theirs], Some(floor)) = (self.figures.as_slice(), self.floor) else { return None };
        Some(((ours.0 - floor.0) / (theirs.0 - floor.0), (ours.1 - floor.1) / (theirs.1 - floor.1)))
    }
}

/// A program that is called as `docker`.
#[derive(Clone, Copy)]
enum Client {
    /// The one of this machine.
    Docker,
    /// This program.
    Ours,
}

impl Client {
    const BOTH: [Client; 2] = [Client::Docker, Client::Ours];

    fn by(self) -> &'static str {
        match self {
            Client::Docker => "by docker",
            Client::Ours => "by our client",
        }
    }

    /// The goals are those of the client that people have.
    fn goal(self, goal: f64, compared: Compared) -> Compared {
        match self {
            Client::Docker => compared.goal(goal),
            Client::Ours => compared,
        }
    }
}

/// Requests of our own, one after the other over one connection.
struct Requests<'a> {
    engine: &'a Engine,
    stream: BufReader<UnixStream>,
}

impl<'a> Requests<'a> {
    fn to(engine: &'a Engine) -> Self {
        Requests { engine, stream: BufReader::new(UnixStream::connect(&engine.socket).expect("its socket")) }
    }

    fn send(&mut self, line: &str, more: &str, body: &str) {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let head = format!("{method} /v1.41{path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n{more}");
        let sent = self.stream.get_mut().write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        sent.expect("send a request");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        line.trim_end().to_owned()
    }

    /// The head of an answer: how long its body is; nothing for one in chunks or without an end.
    fn head(&mut self) -> Option<usize> {
        let status = self.line();
        assert!(status.starts_with("HTTP/1.1 2") || status.starts_with("HTTP/1.1 101"), "{}: {status}", self.engine.name);
        let mut length = status.contains(" 204 ").then_some(0);
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                return length;
            }
            length = line.strip_prefix("content-length: ").map_or(length, |length| length.parse().ok());
        }
    }

    fn body(&mut self, length: Option<usize>) -> Value {
        let mut bytes = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut bytes).expect("a body");
        while length.is_none() {
            let size = usize::from_str_radix(&self.line(), 16).expect("the size of a chunk");
            let begin = bytes.len();
            bytes.resize(begin + size, 0);
            self.stream.read_exact(&mut bytes[begin..]).expect("a chunk");
            self.line();
            if size == 0 {
                break;
            }
        }
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn ask(&mut self, line: &str, body: &str) -> Value {
        self.send(line, "", body);
        let length = self.head();
        self.body(length)
    }

    /// Asks for a stream: the connection is one from here on.
    fn attach(mut self, line: &str, body: &str) -> BufReader<UnixStream> {
        self.send(line, "Connection: Upgrade\r\nUpgrade: tcp\r\n", body);
        self.head();
        self.stream
    }

    fn create(&mut self, host: &str) -> String {
        let made = self.ask("POST /containers/create", &format!(r#"{{"Image":"{IMAGE}","Cmd":["/bin/true"],"HostConfig":{{{host}}}}}"#));
        made["Id"].as_str().expect("an id").to_owned()
    }

    /// What `docker run --rm` asks for.
    fn run(&mut self, network: &str) {
        let id = self.create(&format!(r#""AutoRemove":true,"NetworkMode":"{network}""#));
        let attach = format!("POST /containers/{id}/attach?stream=1&stdout=1&stderr=1");
        let mut output = Requests::to(self.engine).attach(&attach, "");
        let mut wait = Requests::to(self.engine);
        wait.send(&format!("POST /containers/{id}/wait?condition=removed"), "", "");
        let length = wait.head();
        self.ask(&format!("POST /containers/{id}/start"), "");
        output.read_to_end(&mut Vec::new()).expect("its output");
        assert_eq!(wait.body(length)["StatusCode"], 0, "{}", self.engine.name);
    }

    /// What `docker exec` asks for.
    fn exec(&mut self, container: &str) {
        let wish = r#"{"AttachStdout":true,"AttachStderr":true,"Cmd":["/bin/true"]}"#;
        let made = self.ask(&format!("POST /containers/{container}/exec"), wish);
        let id = made["Id"].as_str().expect("an id");
        let mut output = Requests::to(self.engine).attach(&format!("POST /exec/{id}/start"), "{}");
        output.read_to_end(&mut Vec::new()).expect("its output");
        assert_eq!(self.ask(&format!("GET /exec/{id}/json"), "")["ExitCode"], 0, "{}", self.engine.name);
    }
}

/// An engine to be measured.
struct Engine {
    name: &'static str,
    socket: PathBuf,
    /// Ours, which ends with this.
    process: Option<Ours>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.name == FLOOR {
            return;
        }
        let left = self.docker(&OWN).output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for id in left.lines() {
            // What cannot be removed is seen by whoever looks after the bench; here and below.
            let _ = self.docker(&["rm", "-f", id]).output();
        }
        let _ = self.docker(&["network", "rm", "bench"]).output();
        let _ = self.docker(&["rmi", IMAGE]).output();
        // Last: what was asked above it has to answer.
        drop(self.process.take());
    }
}

impl Engine {
    fn ours(place: &Path) -> Self {
        let socket = place.join("docker.sock");
        let process = Ours::start(place, &socket);
        Engine { name: "bottleship", socket, process: Some(process) }
    }

    fn theirs() -> Option<Self> {
        let socket = PathBuf::from(std::env::var_os("DOCKERD_SOCKET")?);
        Some(Engine { name: "dockerd", socket, process: None })
    }

    /// What is no engine, and has the answers ready.
    fn floor(place: &Path, inspected: &Value) -> Self {
        let socket = place.join("floor.sock");
        floor::serve(&socket, inspected.to_string());
        Engine { name: FLOOR, socket, process: None }
    }

    fn docker(&self, words: &[&str]) -> Command {
        self.client(Client::Docker, words)
    }

    fn client(&self, client: Client, words: &[&str]) -> Command {
        let mut command = match client {
            Client::Docker => Command::new("docker"),
            Client::Ours => Command::new(BOTTLESHIP),
        };
        command.arg0("docker").env("DOCKER_HOST", format!("unix://{}", self.socket.display())).args(words).stdin(Stdio::null());
        command
    }

    /// What a command that must succeed says.
    fn said(&self, words: &[&str]) -> String {
        let output = self.docker(words).output().expect("run docker");
        assert!(output.status.success(), "{}: docker {words:?}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn timed(&self, client: Client, words: &[&str]) -> Duration {
        let began = Instant::now();
        let output = self.client(client, words).output().expect("run a client");
        let took = began.elapsed();
        assert!(output.status.success(), "{}: {} {words:?}: {}", self.name, client.by(), String::from_utf8_lossy(&output.stderr));
        took
    }

    /// The engine's own process: whoever listens on the socket.
    fn pid(&self) -> i32 {
        let stream = UnixStream::connect(&self.socket).expect("its socket");
        getsockopt(&stream, PeerCredentials).expect("who listens").pid()
    }

    /// The proportional set size of everything in the engine's network namespace, in KiB, and how many processes that are. Containers have their own.
    fn memory(&self) -> (u64, usize) {
        let namespace = |pid: i32| fs::metadata(format!("/proc/{pid}/ns/net")).map(|data| data.ino()).ok();
        let own = namespace(self.pid());
        let all = fs::read_dir("/proc").expect("read /proc").flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(|pid| namespace(*pid) == own);
        let size = |pid: i32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<u64>().ok())
        };
        let sizes: Vec<u64> = pids.filter_map(size).collect();
        (sizes.iter().sum(), sizes.len())
    }
}

/// Does something in the network namespace of a process, in a thread that ends with it.
fn inside<T: Send>(pid: i32, deed: impl FnOnce() -> T + Send) -> T {
    let namespace = fs::File::open(format!("/proc/{pid}/ns/net")).expect("its network namespace");
    std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter a network namespace");
            deed()
        });
        there.join().expect("the thread ends well")
    })
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let runs = words.iter().find_map(|word| word.parse().ok()).unwrap_or(20);
    let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| word.parse::<usize>().is_err()).collect();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("bench engine: needs root: both engines are measured as root");
        return ExitCode::FAILURE;
    }
    for program in ["docker", "busybox", "unshare", "ip", "tar"] {
        if find(program).is_none() {
            eprintln!("bench engine: needs {program}");
            return ExitCode::FAILURE;
        }
    }
    let base = if Path::new("/var/tmp").is_dir() { "/var/tmp" } else { "/tmp" };
    let place = tempfile::tempdir_in(base).expect("a folder");
    let tar = image(place.path());
    let mut engines = vec![Engine::ours(place.path())];
    match Engine::theirs() {
        Some(theirs) => engines.push(theirs),
        None => println!("DOCKERD_SOCKET is not set: no dockerd is measured, and there are no ratios"),
    }
    for engine in &engines {
        engine.said(&["import", tar.to_str().expect("a path of text"), IMAGE]);
        // The first container makes what the others find.
        engine.said(&["run", "--rm", IMAGE, "/bin/true"]);
    }
    let sample = engines[0].said(&["run", "-d", IMAGE, "/bin/sleep", "1000"]);
    let inspected = Requests::to(&engines[0]).ask(&format!("GET /containers/{sample}/json"), "");
    engines[0].said(&["rm", "-f", &sample]);
    let floor = Engine::floor(place.path(), &inspected);
    let benches: [(&str, Bench); 6] =
        [("run", run), ("exec", exec), ("create", create), ("memory", memory), ("port", port), ("name", name)];
    let mut all = Vec::new();
    for (name, bench) in benches {
        if names.is_empty() || names.contains(&name) {
            println!("\n{name}");
            all.extend(bench(&engines, &floor, runs));
        }
    }
    println!("\ngoals");
    for compared in &all {
        let (Some(goal), Some((by_minima, by_medians))) = (compared.goal, compared.ratios()) else { continue };
        let met = if by_minima <= goal { "met" } else { "missed" };
        println!("  {}: {by_minima:.2}x (medians {by_medians:.2}x) of at most {goal}x: {met}", compared.what);
        if let Some((by_minima, by_medians)) = compared.ratios_of_engines() {
            println!("    without what the client needs itself: {by_minima:.2}x (medians {by_medians:.2}x)");
        }
    }
    ExitCode::SUCCESS
}

/// Runs something on all engines in turn, and prints each with the ratio of ours to it.
fn compare(what: &str, engines: &[Engine], runs: usize, once: impl FnMut(&Engine) -> Duration) -> Compared {
    compare_with(what, engines, None, runs, once)
}

/// As [`compare`], with the server in turn that shows what the client needs itself.
fn compare_with(
    what: &str,
    engines: &[Engine],
    floor: Option<&Engine>,
    runs: usize,
    mut once: impl FnMut(&Engine) -> Duration,
) -> Compared {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); engines.len() + usize::from(floor.is_some())];
    for _ in 0..runs {
        for (engine, times) in engines.iter().chain(floor).zip(&mut times) {
            times.push(once(engine).as_secs_f64() * 1000.0);
        }
    }
    let of = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        (times[0], times[times.len() / 2])
    };
    let mut figures: Vec<(f64, f64)> = times.into_iter().map(of).collect();
    let floor = floor.and_then(|_| figures.pop());
    let compared = Compared { what: what.to_owned(), goal: None, figures, floor, unit: "ms" };
    told(engines, runs, &compared);
    compared
}

fn told(engines: &[Engine], runs: usize, compared: &Compared) {
    let Compared { what, figures, unit, .. } = compared;
    for (engine, (min, median)) in engines.iter().zip(figures) {
        println!("  {what}, {}: {runs} runs, min {min:.2} {unit}, median {median:.2} {unit}", engine.name);
    }
    if let Some((min, median)) = compared.floor {
        println!("  {what}, the client by itself: {runs} runs, min {min:.2} {unit}, median {median:.2} {unit}");
    }
    if let Some((by_minima, by_medians)) = compared.ratios() {
        println!("  {what}: ours to the other {by_minima:.2}x (medians {by_medians:.2}x)");
    }
}

fn run(engines: &[Engine], _: &Engine, runs: usize) -> Vec<Compared> {
    let mut all = Vec::new();
    for (network, name, goal) in [("bridge", "run --rm", 0.35), ("none", "run --rm --network none", 0.2)] {
        let words = ["run", "--rm", "--network", network, IMAGE, "/bin/true"];
        for client in Client::BOTH {
            let compared = compare(&format!("{name} {}", client.by()), engines, runs, |engine| engine.timed(client, &words));
            all.push(client.goal(goal, compared));
        }
        all.push(compare(&format!("{name} by requests"), engines, runs, |engine| timed(|| Requests::to(engine).run(network))));
    }
    all
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn exec(engines: &[Engine], floor: &Engine, runs: usize) -> Vec<Compared> {
    for engine in engines {
        engine.said(&["run", "-d", "--name", "bench-exec", IMAGE, "/bin/sleep", "1000"]);
    }
    let mut all = Vec::new();
    for client in Client::BOTH {
        let own = ["version", "--format", "{{.Server.Version}}"];
        all.push(compare(&format!("a question {}", client.by()), engines, runs, |engine| engine.timed(client, &own)));
        let words = ["exec", "bench-exec", "/bin/true"];
        let compared = compare_with(&format!("exec {}", client.by()), engines, Some(floor), runs, |engine| engine.timed(client, &words));
        all.push(client.goal(0.3, compared));
    }
    all.push(compare("exec by requests", engines, runs, |engine| timed(|| Requests::to(engine).exec("bench-exec"))));
    for engine in engines {
        engine.said(&["rm", "-f", "bench-exec"]);
    }
    all
}

fn create(engines: &[Engine], floor: &Engine, runs: usize) -> Vec<Compared> {
    // Those that were made go before the next are.
    let hundred = |engine: &Engine, work: &dyn Fn()| {
        let took = timed(work);
        if engine.name == FLOOR {
            return took;
        }
        let ids = engine.said(&OWN);
        let words: Vec<&str> = ["rm"].into_iter().chain(ids.lines()).collect();
        engine.said(&words);
        took
    };
    let runs = runs.div_ceil(10).max(2);
    let mut all = Vec::new();
    for client in Client::BOTH {
        let once = |engine: &Engine| {
            engine.timed(client, &["create", IMAGE, "/bin/true"]);
        };
        let compared = compare_with(&format!("100 creates {}", client.by()), engines, Some(floor), runs, |engine| {
            hundred(engine, &|| (0..100).for_each(|_| once(engine)))
        });
        all.push(client.goal(0.3, compared));
    }
    let compared = compare("100 creates by requests over one connection", engines, runs, |engine| {
        hundred(engine, &|| {
            let mut requests = Requests::to(engine);
            (0..100).for_each(|_| drop(requests.create("")));
        })
    });
    all.push(compared.goal(0.3));
    all
}

fn memory(engines: &[Engine], _: &Engine, _: usize) -> Vec<Compared> {
    let mut figures = Vec::new();
    for engine in engines {
        let idle = engine.memory();
        for _ in 0..50 {
            engine.said(&["run", "-d", "--network", "none", IMAGE, "/bin/sleep", "1000"]);
        }
        let (held, processes) = engine.memory();
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!("  {}: {processes} processes with 50 containers; {:.1} MiB in {} without", engine.name, mib(idle.0), idle.1);
        figures.push((mib(held), mib(held)));
        let ids = engine.said(&OWN);
        let words: Vec<&str> = ["rm", "-f"].into_iter().chain(ids.lines()).collect();
        engine.said(&words);
    }
    let compared = Compared { what: "memory with 50 containers".to_owned(), goal: Some(0.3), figures, floor: None, unit: "MiB" };
    told(engines, 1, &compared);
    vec![compared]
}

/// From the connection to the first byte, where somebody answers.
fn first_byte(address: SocketAddr) -> Option<Duration> {
    let began = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.read_exact(&mut [0]).ok()?;
    Some(began.elapsed())
}

fn port(engines: &[Engine], _: &Engine, runs: usize) -> Vec<Compared> {
    let published = format!("{PORT}:80");
    let targets: Vec<SocketAddr> = engines
        .iter()
        .map(|engine| {
            let serve =
                ["run", "-d", "--name", "bench-port", "-p", &published, IMAGE, "/bin/nc", "-ll", "-p", "80", "-e", "/bin/echo", "hi"];
            engine.said(&serve);
            let address = engine.said(&["inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "bench-port"]);
            let target = SocketAddr::new(address.parse().expect("its address"), 80);
            let deadline = Instant::now() + PATIENCE;
            while inside(engine.pid(), || first_byte(target)).is_none() {
                assert!(Instant::now() < deadline, "{}: the server does not answer", engine.name);
            }
            target
        })
        .collect();
    let mut all = Vec::new();
    // The gateway is one of the host's addresses as seen from outside the loopback; both ways into the port are taken.
    for (what, of) in [("first byte, published on 127.0.0.1", "127.0.0.1"), ("first byte, published on the bridge's address", "172.17.0.1")]
    {
        let address = SocketAddr::new(of.parse().expect("an address"), PORT);
        let answer = |engine: &Engine| inside(engine.pid(), || first_byte(address)).expect("the published port answers");
        all.push(compare(what, engines, runs * 5, answer).goal(1.1));
    }
    let mut at = targets.iter().cycle();
    all.push(compare("first byte, straight to the container", engines, runs * 5, |engine| {
        let target = *at.next().expect("it is a cycle");
        inside(engine.pid(), || first_byte(target)).expect("the server answers")
    }));
    for engine in engines {
        engine.said(&["rm", "-f", "bench-port"]);
    }
    all
}

/// A question for the IPv4 address of a name, as RFC 1035 has it.
fn question(name: &str) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() as u8];
    bytes.extend(name.as_bytes());
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

fn name(engines: &[Engine], _: &Engine, runs: usize) -> Vec<Compared> {
    let pids: Vec<i32> = engines
        .iter()
        .map(|engine| {
            engine.said(&["network", "create", "bench"]);
            for name in ["bench-asks", "bench-named"] {
                engine.said(&["run", "-d", "--name", name, "--network", "bench", IMAGE, "/bin/sleep", "1000"]);
            }
            engine.said(&["inspect", "-f", "{{.State.Pid}}", "bench-asks"]).parse().expect("a number")
        })
        .collect();
    let mut at = pids.iter().cycle();
    let compared = compare("name (less than a millisecond is the goal)", engines, runs * 5, |_| {
        inside(*at.next().expect("it is a cycle"), || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
            let began = Instant::now();
            socket.send_to(&question("bench-named"), "127.0.0.11:53").expect("ask");
            let mut answer = [0; 512];
            let (count, _) = socket.recv_from(&mut answer).expect("an answer");
            let took = began.elapsed();
            assert!(count > 12 && answer[7] > 0, "no address in the answer");
            took
        })
    });
    for engine in engines {
        engine.said(&["rm", "-f", "bench-asks", "bench-named"]);
        engine.said(&["network", "rm", "bench"]);
    }
    vec![compared]
}
