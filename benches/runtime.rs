//! How long does a container that runs `true` take, from nothing to nothing? Ours beside `runc` and `crun`, in turn, in one run.
//!
//! `cargo bench --bench runtime [-- RUNS]`, as root. Two conditions, because no one setting suits all three on a machine with version 1
//! controllers: (1) the machine as it is, all namespaces and limits, against runc; (2) a private mount namespace where cgroup2 alone is
//! mounted, without resources and cgroup namespace, against crun (which refuses version 1 otherwise). Both with a seccomp profile.
//! The same bundle, the same root file system, one after the other, so that a change of the machine's speed meets all alike.
//! Quote the minimum and the CPU seconds; the ratios are ours divided by theirs. Between the two, our own runtime with the X-ray switched on
//! and off. Nothing here fails a build.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::{Value, json};

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");

fn main() -> ExitCode {
    // `cargo bench` adds `--bench`; a number is how often each runtime runs.
    let runs = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(100);
    if !nix::unistd::geteuid().is_root() {
        eprintln!("bench runtime: needs root: runc and crun are measured as root");
        return ExitCode::FAILURE;
    }
    let Some(busybox) = find("busybox") else {
        eprintln!("bench runtime: needs a static busybox (Debian: apt-get install busybox-static)");
        return ExitCode::FAILURE;
    };
    let work = tempfile::tempdir().expect("a temporary folder");
    let limits = bundle(&work.path().join("limits"), &busybox, true);
    compare("machine as it is, with limits", &limits, with_peers(&["runc"]), runs);
    // The same program, the same container, once with every kernel operation written down.
    let xray = |name, words| Series::new(name, BOTTLESHIP.into(), words);
    let both = vec![xray("xray-on", &["oci", "--xray", "/dev/null"]), xray("xray-off", &["oci"])];
    compare("X-ray on and off (goal: 1.05x)", &limits, both, runs);
    only_cgroup2();
    compare("cgroup2 alone, no limits", &bundle(&work.path().join("plain"), &busybox, false), with_peers(&["crun", "runc"]), runs);
    ExitCode::SUCCESS
}

/// From here on this process and its children see cgroup2 alone on /sys/fs/cgroup. The machine's mounts stay as they are.
fn only_cgroup2() {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace of our own");
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).expect("private mounts");
    mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), None::<&str>).expect("cgroup2 on /sys/fs/cgroup");
}

/// One runtime's runs.
struct Series {
    name: &'static str,
    program: PathBuf,
    /// Arguments before the runtime's own.
    first: &'static [&'static str],
    wall: Vec<Duration>,
    cpu: Duration,
}

impl Series {
    fn new(name: &'static str, program: PathBuf, first: &'static [&'static str]) -> Self {
        Series { name, program, first, wall: Vec::new(), cpu: Duration::ZERO }
    }
}

/// Ours, and those of the other runtimes that are installed.
fn with_peers(peers: &[&'static str]) -> Vec<Series> {
    let mut all = vec![Series::new("bottleship", BOTTLESHIP.into(), &["oci"])];
    for peer in peers {
        match find(peer) {
            Some(program) => all.push(Series::new(peer, program, &[])),
            None => println!("{peer}: not installed, not compared"),
        }
    }
    all
}

/// Runs all in turn and prints them, each with the ratio of the first one to it.
fn compare(title: &str, bundle: &Path, mut all: Vec<Series>, runs: usize) {
    let first = all[0].name;
    // A runtime that cannot run here is left out, with its own words, rather than timed while it fails.
    all.retain(|series| match once(series, bundle, "warm") {
        Ok(_) => true,
        Err(message) => {
            println!("{}: cannot run here: {message}", series.name);
            false
        }
    });
    for run in 0..runs {
        for series in &mut all {
            if let Ok((wall, cpu)) = once(series, bundle, &run.to_string()) {
                series.wall.push(wall);
                series.cpu += cpu;
            }
        }
    }
    print(title, first, &all);
}

fn once(series: &Series, bundle: &Path, run: &str) -> Result<(Duration, Duration), String> {
    let before = cpu_of_children();
    let begun = Instant::now();
    let output = Command::new(&series.program)
        .args(series.first)
        .args(["run", "--bundle"])
        .arg(bundle)
        .arg(format!("bench-{}-{run}-{}", series.name, std::process::id()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .output()
        .map_err(|error| error.to_string())?;
    let wall = begun.elapsed();
    if output.status.success() {
        Ok((wall, cpu_of_children().saturating_sub(before)))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn cpu_of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage cannot fail for RUSAGE_CHILDREN");
    Duration::from_micros((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as u64)
}

fn print(title: &str, first: &str, all: &[Series]) {
    println!("\n{title}");
    println!(
        "{:<12} {:>6} {:>10} {:>10} {:>12} {:>11} {:>13} {:>11}",
        "runtime", "runs", "min ms", "median ms", "cpu ms/run", "min ratio", "median ratio", "cpu ratio"
    );
    let ours = all.first().filter(|series| series.name == first).map(figures);
    for series in all {
        let (min, median, cpu) = figures(series);
        let ratio = |ours: f64, theirs: f64| if theirs > 0.0 { format!("{:.2}x", ours / theirs) } else { "-".into() };
        let [by_min, by_median, by_cpu] = match ours {
            Some(ours) => [ratio(ours.0, min), ratio(ours.1, median), ratio(ours.2, cpu)],
            None => std::array::from_fn(|_| "-".to_owned()),
        };
        println!(
            "{:<12} {:>6} {min:>10.2} {median:>10.2} {cpu:>12.2} {by_min:>11} {by_median:>13} {by_cpu:>11}",
            series.name,
            series.wall.len()
        );
    }
}

/// Minimum and median wall milliseconds, CPU milliseconds a run.
fn figures(series: &Series) -> (f64, f64, f64) {
    let mut wall = series.wall.clone();
    wall.sort();
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let at = |index: usize| wall.get(index).copied().map_or(0.0, ms);
    (at(0), at(wall.len() / 2), ms(series.cpu) / wall.len().max(1) as f64)
}

/// A bundle whose container runs a static `true`.
fn bundle(folder: &Path, busybox: &Path, limits: bool) -> PathBuf {
    let root = folder.join("rootfs");
    for inner in ["bin", "proc", "dev", "sys", "tmp", "etc"] {
        fs::create_dir_all(root.join(inner)).expect("a root file system");
    }
    fs::copy(busybox, root.join("bin/busybox")).expect("busybox in the root file system");
    symlink("busybox", root.join("bin/true")).expect("true is an applet of busybox");
    fs::write(folder.join("config.json"), config(limits).to_string()).expect("config.json");
    folder.to_owned()
}

fn config(limits: bool) -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mut namespaces: Vec<Value> = ["pid", "network", "ipc", "uts", "mount"].iter().map(|kind| json!({ "type": kind })).collect();
    if limits {
        namespaces.push(json!({ "type": "cgroup" }));
    }
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false, "user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "env": ["PATH=/bin"], "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "bench",
        "mounts": mounts(),
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                            "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "seccomp": seccomp(),
        },
    });
    if limits {
        config["linux"]["resources"] = json!({
            "devices": [{"allow": false, "access": "rwm"}],
            "memory": {"limit": 268_435_456},
            "cpu": {"shares": 512},
            "pids": {"limit": 100},
        });
    }
    config
}

fn mounts() -> Value {
    json!([
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    ])
}

/// The profile that a container gets by default, as our runtime prints it.
fn seccomp() -> Value {
    let output = Command::new(BOTTLESHIP).args(["oci", "seccomp-profile"]).output().expect("our own binary runs");
    serde_json::from_slice(&output.stdout).expect("the default profile is JSON")
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}
