//! The engine beside `dockerd`, with the same client: `cargo bench --bench engine [-- RUNS] [run] [exec] [create] [memory] [port] [name]`, as root.
//!
//! Without a name: all of them. Ours is started in network and mount namespaces of its own. `DOCKERD_SOCKET=PATH` names the socket of a `dockerd` that runs in
//! a network namespace of its own too; without it there are no ratios. Both get the same image, and take turns in one run, so that a change of the machine's
//! speed meets both alike. Quote the minima. Nothing here fails a build.
//!
//! - run: `docker run --rm` of `true`, with a network and without
//! - exec: `docker exec` of `true`
//! - create: 100 containers, one after the other: by `docker create`, and by bare requests, without the time of a client
//! - memory: what the engine and its shims hold while 50 containers sleep (proportional set size of all processes in its network namespace)
//! - port: from the connection to the first byte, through a published port
//! - name: one question for a container's name, asked in another container

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");
const IMAGE: &str = "bench-engine:1";
/// A port of the engine's own network namespace.
const PORT: u16 = 18_080;
/// Lists the containers of this bench, and nobody else's.
const OWN: [&str; 4] = ["ps", "-aq", "--filter", "ancestor=bench-engine:1"];
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures one thing on all engines, so often.
type Bench = fn(&[Engine], usize);

/// An engine to be measured.
struct Engine {
    name: &'static str,
    socket: PathBuf,
    /// Ours, which ends with this.
    process: Option<Child>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let left = self.docker(&OWN).output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for id in left.lines() {
            // What cannot be removed is seen by whoever looks after the bench; here and below.
            let _ = self.docker(&["rm", "-f", id]).output();
        }
        let _ = self.docker(&["network", "rm", "bench"]).output();
        let _ = self.docker(&["rmi", IMAGE]).output();
        if let Some(process) = &mut self.process {
            process.kill().expect("it is ours");
            process.wait().expect("and ends");
            for tree in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
                // The cgroup above those of containers stays behind.
                let _ = fs::remove_dir(tree.path().join("docker"));
            }
        }
    }
}

impl Engine {
    fn ours(place: &Path) -> Self {
        let socket = place.join("docker.sock");
        let script = "mount --make-rprivate / && ip link set lo up && exec \"$0\" engine -H \"unix://$1\" --data-root \"$2\"";
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c", script, BOTTLESHIP]).arg(&socket).arg(place.join("data"));
        let mut process = command.stdout(Stdio::piped()).spawn().expect("start our engine");
        let mut told = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut told).expect("its address");
        assert!(told.starts_with("API listen on"), "{told:?}");
        Engine { name: "bottleship", socket, process: Some(process) }
    }

    fn theirs() -> Option<Self> {
        let socket = PathBuf::from(std::env::var_os("DOCKERD_SOCKET")?);
        Some(Engine { name: "dockerd", socket, process: None })
    }

    fn docker(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display())).args(words).stdin(Stdio::null());
        command
    }

    /// What a command that must succeed says.
    fn said(&self, words: &[&str]) -> String {
        let output = self.docker(words).output().expect("run docker");
        assert!(output.status.success(), "{}: docker {words:?}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn timed(&self, words: &[&str]) -> Duration {
        let began = Instant::now();
        self.said(words);
        began.elapsed()
    }

    /// Makes a container by a request of our own.
    fn create(&self) {
        let body = format!(r#"{{"Image":"{IMAGE}","Cmd":["/bin/true"]}}"#);
        let head = "POST /v1.41/containers/create HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\n";
        let mut stream = UnixStream::connect(&self.socket).expect("its socket");
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).expect("send a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 201"), "{}: {answer}", self.name);
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
    let benches: [(&str, Bench); 6] =
        [("run", run), ("exec", exec), ("create", create), ("memory", memory), ("port", port), ("name", name)];
    for (name, bench) in benches {
        if names.is_empty() || names.contains(&name) {
            println!("\n{name}");
            bench(&engines, runs);
        }
    }
    ExitCode::SUCCESS
}

/// The tar of a root with a busybox.
fn image(place: &Path) -> PathBuf {
    let root = place.join("root");
    fs::create_dir_all(root.join("bin")).expect("a root file system");
    fs::copy(find("busybox").expect("it was there"), root.join("bin/busybox")).expect("busybox in the root file system");
    for applet in ["sh", "true", "sleep", "nc", "echo"] {
        symlink("busybox", root.join("bin").join(applet)).expect("an applet of busybox");
    }
    let tar = place.join("root.tar");
    let packed = Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").status().expect("run tar");
    assert!(packed.success(), "pack the root file system");
    tar
}

/// Runs something on all engines in turn, and prints each with the ratio of ours to it.
fn compare(what: &str, engines: &[Engine], runs: usize, mut once: impl FnMut(&Engine) -> Duration) {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); engines.len()];
    for _ in 0..runs {
        for (engine, times) in engines.iter().zip(&mut times) {
            times.push(once(engine));
        }
    }
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let mut ours = None;
    for (engine, times) in engines.iter().zip(&mut times) {
        times.sort();
        let (min, median) = (millis(times[0]), millis(times[times.len() / 2]));
        let (our_min, our_median) = *ours.get_or_insert((min, median));
        let ratio = if engine.process.is_some() {
            String::new()
        } else {
            format!(", ours to it {:.2}x (median {:.2}x)", our_min / min, our_median / median)
        };
        println!("  {what}, {}: {runs} runs, min {min:.2} ms, median {median:.2} ms{ratio}", engine.name);
    }
}

fn run(engines: &[Engine], runs: usize) {
    compare("run --rm", engines, runs, |engine| engine.timed(&["run", "--rm", IMAGE, "/bin/true"]));
    compare("run --rm --network none", engines, runs, |engine| engine.timed(&["run", "--rm", "--network", "none", IMAGE, "/bin/true"]));
}

fn exec(engines: &[Engine], runs: usize) {
    for engine in engines {
        engine.said(&["run", "-d", "--name", "bench-exec", IMAGE, "/bin/sleep", "1000"]);
    }
    compare("exec", engines, runs, |engine| engine.timed(&["exec", "bench-exec", "/bin/true"]));
    for engine in engines {
        engine.said(&["rm", "-f", "bench-exec"]);
    }
}

fn create(engines: &[Engine], _: usize) {
    let timed = |engine: &Engine, once: &dyn Fn(&Engine)| {
        let began = Instant::now();
        (0..100).for_each(|_| once(engine));
        let took = began.elapsed();
        let ids = engine.said(&OWN);
        let words: Vec<&str> = ["rm"].into_iter().chain(ids.lines()).collect();
        engine.said(&words);
        took
    };
    compare("100 creates", engines, 2, |engine| timed(engine, &|engine| drop(engine.said(&["create", IMAGE, "/bin/true"]))));
    compare("100 bare requests", engines, 2, |engine| timed(engine, &|engine| engine.create()));
}

fn memory(engines: &[Engine], _: usize) {
    let mut ours = None;
    for engine in engines {
        let idle = engine.memory();
        for _ in 0..50 {
            engine.said(&["run", "-d", "--network", "none", IMAGE, "/bin/sleep", "1000"]);
        }
        let (held, processes) = engine.memory();
        let first = *ours.get_or_insert(held);
        let ratio = if engine.process.is_some() { String::new() } else { format!(", ours to it {:.2}x", first as f64 / held as f64) };
        println!(
            "  {}: {:.1} MiB in {processes} processes with 50 containers, {:.1} MiB in {} without{ratio}",
            engine.name,
            held as f64 / 1024.0,
            idle.0 as f64 / 1024.0,
            idle.1
        );
        let ids = engine.said(&OWN);
        let words: Vec<&str> = ["rm", "-f"].into_iter().chain(ids.lines()).collect();
        engine.said(&words);
    }
}

/// From the connection to the first byte, where somebody answers.
fn first_byte(address: SocketAddr) -> Option<Duration> {
    let began = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.read_exact(&mut [0]).ok()?;
    Some(began.elapsed())
}

fn port(engines: &[Engine], runs: usize) {
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
    // The gateway is one of the host's addresses as seen from outside the loopback; both ways into the port are taken.
    for (what, of) in [("first byte, published on 127.0.0.1", "127.0.0.1"), ("first byte, published on the bridge's address", "172.17.0.1")]
    {
        let address = SocketAddr::new(of.parse().expect("an address"), PORT);
        compare(what, engines, runs * 5, |engine| inside(engine.pid(), || first_byte(address)).expect("the published port answers"));
    }
    let mut at = targets.iter().cycle();
    compare("first byte, straight to the container", engines, runs * 5, |engine| {
        let target = *at.next().expect("it is a cycle");
        inside(engine.pid(), || first_byte(target)).expect("the server answers")
    });
    for engine in engines {
        engine.said(&["rm", "-f", "bench-port"]);
    }
}

/// A question for the IPv4 address of a name, as RFC 1035 has it.
fn question(name: &str) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() as u8];
    bytes.extend(name.as_bytes());
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

fn name(engines: &[Engine], runs: usize) {
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
    compare("name", engines, runs * 5, |_| {
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
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}
