//! Compose: `cargo bench --bench compose [-- RUNS]`, as root: a project of ten services by our client and by Debian's `docker-compose` 1.29.
//!
//! Ours is started in network and mount namespaces of its own. `DOCKERD_SOCKET=PATH` names the socket of a `dockerd` that runs in a network namespace of its
//! own too; without it there is no ratio to it. All get the same image and take turns, so that a change of the machine's speed meets all alike. Quote the
//! minima. At the end stand the goals, and whether they are met; nothing here fails a build.
//!
//! - up: `up -d` of a project that is not there, until the client is back
//! - again: `up -d` with nothing to do

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

mod shared;

use shared::{BOTTLESHIP, Ours, image};

const IMAGE: &str = "bench-compose:1";
const SERVICES: usize = 10;

/// A client at an engine.
struct Pair {
    name: &'static str,
    /// Our client under its name, or the one of the machine.
    client: PathBuf,
    socket: PathBuf,
}

impl Pair {
    fn command(&self, program: &Path, words: &[&str], folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(folder).env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }

    /// How long `docker-compose WORDS` takes, which must succeed.
    fn timed(&self, words: &[&str], folder: &Path) -> Duration {
        let mut command = self.command(&self.client, words, folder);
        if self.client.as_path() == Path::new(BOTTLESHIP) {
            command.arg0("docker-compose");
        }
        let began = Instant::now();
        let output = command.stdin(Stdio::null()).output().expect("run a client");
        let took = began.elapsed();
        assert!(output.status.success(), "{}: {words:?}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        took
    }
}

fn main() -> ExitCode {
    let runs = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(10);
    if !nix::unistd::geteuid().is_root() {
        eprintln!("bench compose: needs root: both engines are measured as root");
        return ExitCode::FAILURE;
    }
    let theirs = Path::new("/usr/bin/docker-compose");
    for program in [theirs, Path::new("/bin/busybox"), Path::new("/usr/bin/docker")] {
        if !program.exists() {
            eprintln!("bench compose: needs {}", program.display());
            return ExitCode::FAILURE;
        }
    }
    let base = if Path::new("/var/tmp").is_dir() { "/var/tmp" } else { "/tmp" };
    let place = tempfile::tempdir_in(base).expect("a folder");
    let (tar, project) = (image(place.path()), project(place.path()));
    let socket = place.path().join("docker.sock");
    let _ours = Ours::start(place.path(), &socket);
    let mut pairs = vec![
        Pair { name: "ours on bottleship", client: BOTTLESHIP.into(), socket: socket.clone() },
        Pair { name: "docker-compose on bottleship", client: theirs.into(), socket },
    ];
    match std::env::var_os("DOCKERD_SOCKET") {
        Some(socket) => pairs.push(Pair { name: "docker-compose on dockerd", client: theirs.into(), socket: socket.into() }),
        None => println!("DOCKERD_SOCKET is not set: no dockerd is measured"),
    }
    for pair in &pairs {
        let words = ["import", tar.to_str().expect("a path of text"), IMAGE];
        let made = pair.command(Path::new("/usr/bin/docker"), &words, place.path()).output().expect("run docker");
        assert!(made.status.success(), "{}: {}", pair.name, String::from_utf8_lossy(&made.stderr));
        // The first makes what the others find.
        pair.timed(&["up", "-d"], &project);
        pair.timed(&["down", "-t", "0"], &project);
    }
    let (mut up, mut again) = (vec![Vec::new(); pairs.len()], vec![Vec::new(); pairs.len()]);
    for _ in 0..runs {
        for (at, pair) in pairs.iter().enumerate() {
            up[at].push(pair.timed(&["up", "-d"], &project));
            again[at].push(pair.timed(&["up", "-d"], &project));
            pair.timed(&["down", "-t", "0"], &project);
        }
    }
    let up = told("up", &pairs, up);
    let again = told("up with nothing to do", &pairs, again);
    println!("\ngoals");
    for (at, most) in [(1, 0.6), (2, 0.4)] {
        if let Some(pair) = pairs.get(at) {
            let ratio = up[0] / up[at];
            println!("  up, ours to {}: {ratio:.2}x of at most {most}x: {}", pair.name, if ratio <= most { "met" } else { "missed" });
        }
    }
    println!("  up with nothing to do: {:.0} ms of at most 100 ms: {}", again[0], if again[0] < 100.0 { "met" } else { "missed" });
    ExitCode::SUCCESS
}

/// Prints what one thing took on all; gives the minima in milliseconds.
fn told(what: &str, pairs: &[Pair], times: Vec<Vec<Duration>>) -> Vec<f64> {
    let minima = pairs.iter().zip(times).map(|(pair, mut times)| {
        times.sort();
        let of = |at: usize| times[at].as_secs_f64() * 1000.0;
        println!("{what}, {}: {} runs, min {:.0} ms, median {:.0} ms", pair.name, times.len(), of(0), of(times.len() / 2));
        of(0)
    });
    minima.collect()
}

/// The folder of the project.
fn project(place: &Path) -> PathBuf {
    let folder = place.join("ten");
    fs::create_dir(&folder).expect("a folder");
    let service = |number: usize| format!("  s{number}:\n    image: {IMAGE}\n    command: /bin/sleep 1000\n");
    let text = format!("version: '3'\nservices:\n{}", (0..SERVICES).map(service).collect::<String>());
    fs::write(folder.join("docker-compose.yml"), text).expect("the project's file");
    folder
}
