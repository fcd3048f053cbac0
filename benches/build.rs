//! How long does a build of twenty steps take that all come from the cache? `cargo bench --bench build [-- RUNS]`. The goal is below 100 ms.
//!
//! Ten files that are copied and ten programs that are run, on a base of busybox. Quote the minimum.
//! Nothing here fails a build.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");

fn main() -> ExitCode {
    let runs = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(20);
    let base = if Path::new("/var/tmp").is_dir() { "/var/tmp" } else { "/tmp" };
    let place = tempfile::tempdir_in(base).expect("a folder");
    let path = |name: &str| place.path().join(name);
    let Some(busybox) = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file()) else {
        eprintln!("bench build: needs a static busybox (Debian: apt-get install busybox-static)");
        return ExitCode::FAILURE;
    };
    fs::create_dir_all(path("root/bin")).expect("a root");
    fs::copy(busybox, path("root/bin/busybox")).expect("busybox");
    std::os::unix::fs::symlink("busybox", path("root/bin/sh")).expect("sh");
    fs::create_dir(path("context")).expect("a context");
    let mut dockerfile = String::from("FROM base\n");
    for number in 0..10 {
        fs::write(path("context").join(format!("f{number}")), number.to_string()).expect("a file");
        dockerfile.push_str(&format!("COPY f{number} /f/\nRUN echo {number} > /r{number}\n"));
    }
    fs::write(path("context/Dockerfile"), dockerfile).expect("a Dockerfile");
    let run = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words).env("BOTTLESHIP_STATE", path("state")).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let ended = command.status().expect("run it");
        assert!(ended.success(), "{program} {words:?}");
        began.elapsed()
    };
    let (tar, context) = (path("root.tar"), path("context"));
    let (tar, context) = (tar.to_str().expect("UTF-8"), context.to_str().expect("UTF-8"));
    run("tar", &["-C", path("root").to_str().expect("UTF-8"), "-cf", tar, "."]);
    run(BOTTLESHIP, &["images", "import", tar, "base"]);
    let build = ["build", "-q", "-t", "twenty", context];
    println!("nothing cached: {:?}", run(BOTTLESHIP, &build));
    let mut times: Vec<Duration> = (0..runs).map(|_| run(BOTTLESHIP, &build)).collect();
    times.sort();
    println!("all cached, {runs} runs: min {:?}, median {:?}", times[0], times[times.len() / 2]);
    ExitCode::SUCCESS
}
