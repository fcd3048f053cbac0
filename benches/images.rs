//! Images beside their peers: `cargo bench --bench images [-- RUNS] [unpack] [registry] [many] [pull]`. Without a name: all of them. Quote the minima, and
//! the ratios of one run. Nothing here fails a build.
//!
//! - unpack: 300 MB in 30,000 files, by us, by `umoci unpack --rootless`, by `tar -xz`
//! - registry: 100 MB in five layers pushed and pulled by skopeo, through our registry and through Debian's docker-registry
//! - many: a store with 200 images: list, name, look one up, verify, remove what nobody needs
//! - pull: a course image in a bottle that has never pulled, and once more

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");

/// The runs of one thing.
struct Times(Vec<Duration>);

impl Times {
    fn min(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }

    fn line(&self, name: &str, ours: Option<&Times>) {
        let mut sorted = self.0.clone();
        sorted.sort();
        let ratio = ours.map_or(String::new(), |ours| format!(", ours to it {:.2}", ours.min().as_secs_f64() / self.min().as_secs_f64()));
        println!("  {name}: min {:?}, median {:?}{ratio}", sorted[0], sorted[sorted.len() / 2]);
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let runs = words.iter().find_map(|word| word.parse().ok()).unwrap_or(5);
    let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| word.parse::<usize>().is_err()).collect();
    let base = if Path::new("/var/tmp").is_dir() { "/var/tmp" } else { "/tmp" };
    for (name, bench) in [("unpack", unpack as fn(&Path, usize)), ("registry", registry), ("many", many), ("pull", pull)] {
        if names.is_empty() || names.contains(&name) {
            println!("{name}, {runs} runs");
            let place = tempfile::tempdir_in(base).expect("a folder");
            bench(place.path(), runs);
        }
    }
    ExitCode::SUCCESS
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        println!("  {program} is not installed: left out");
    }
    found
}

/// Runs a command that must succeed, and says how long it took. What was written before is on the disk first, so that nobody pays for another.
fn timed(command: &mut Command) -> Duration {
    Command::new("sync").status().expect("sync");
    let began = Instant::now();
    let output = command.output().expect("run it");
    let took = began.elapsed();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    took
}

fn done(command: &mut Command) {
    let output = command.output().expect("run it");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn ship(place: &Path, store: &str) -> Command {
    let mut command = Command::new(BOTTLESHIP);
    command.env("BOTTLESHIP_STATE", place.join("state")).arg("images").arg("--store").arg(place.join(store));
    command
}

/// Bytes that no packing makes small.
fn noise(state: &mut u64, count: usize) -> Vec<u8> {
    let next = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*state >> 56) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn unpack(place: &Path, runs: usize) {
    let (tree, mut state) = (place.join("tree"), 1);
    for folder in 0..300 {
        let folder = tree.join(format!("d{folder}"));
        fs::create_dir_all(&folder).expect("a folder");
        for file in 0..100 {
            // Half noise, half text: as compressible as programs are.
            let content = [noise(&mut state, 5_000), vec![b'a' + (file % 26) as u8; 5_000]].concat();
            fs::write(folder.join(format!("f{file}")), content).expect("a file");
        }
    }
    let tar = place.join("tree.tar");
    done(Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&tar).args(["--owner=0", "--group=0", "."]));
    fs::remove_dir_all(&tree).expect("remove the tree");
    done(ship(place, "store").arg("import").arg(&tar).arg("many:1"));
    let store = place.join("store");
    let blob = largest(&store.join("blobs/sha256"));
    let (mut ours, mut umoci, mut plain) = (Times(Vec::new()), Times(Vec::new()), Times(Vec::new()));
    let with_umoci = has("umoci");
    for _ in 0..runs {
        fs::remove_dir_all(store.join("layers")).expect("forget what was unpacked");
        ours.0.push(timed(ship(place, "store").args(["layers", "many:1"])));
        if with_umoci {
            let bundle = place.join("bundle");
            let image = format!("{}:docker.io/library/many:1", store.display());
            umoci.0.push(timed(Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle)));
            fs::remove_dir_all(&bundle).expect("remove the bundle");
        }
        let folder = place.join("plain");
        fs::create_dir(&folder).expect("a folder");
        plain.0.push(timed(Command::new("tar").arg("-xzf").arg(&blob).arg("-C").arg(&folder)));
        fs::remove_dir_all(&folder).expect("remove the tree");
    }
    ours.line("bottleship", None);
    if with_umoci {
        umoci.line("umoci unpack", Some(&ours));
    }
    plain.line("tar -xz", Some(&ours));
}

fn largest(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).expect("read it").map(|entry| entry.expect("an entry").path());
    files.max_by_key(|path| path.metadata().map_or(0, |data| data.len())).expect("a blob")
}

/// A registry of somebody, as long as this lives.
struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("and ends");
    }
}

fn our_registry(place: &Path) -> Server {
    let mut command = Command::new(BOTTLESHIP);
    command
        .env("BOTTLESHIP_STATE", place.join("state"))
        .args(["registry", "serve", "--listen", "127.0.0.1:0", "--root"])
        .arg(place.join("ours"));
    let mut process = command.stdout(Stdio::piped()).spawn().expect("start it");
    let mut told = String::new();
    BufReader::new(process.stdout.take().expect("its output")).read_line(&mut told).expect("its address");
    Server { address: told.trim().rsplit(' ').next().expect("an address").to_owned(), process }
}

fn their_registry(place: &Path) -> Server {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let address = format!("127.0.0.1:{port}");
    let config = place.join("theirs.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
        place.join("theirs").display()
    );
    fs::write(&config, text).expect("its settings");
    let process =
        Command::new("docker-registry").arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start it");
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < deadline, "docker-registry does not answer");
    }
    Server { process, address }
}

fn registry(place: &Path, runs: usize) {
    if !has("skopeo") || !has("docker-registry") {
        return;
    }
    let mut state = 7;
    for layer in 0..5 {
        let folder = place.join(format!("tree{layer}"));
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join(format!("file{layer}")), noise(&mut state, 20 << 20)).expect("a file");
    }
    // Five layers: an image of one, then four commits.
    let tar = place.join("one.tar");
    done(Command::new("tar").arg("-C").arg(place.join("tree0")).arg("-cf").arg(&tar).arg("."));
    done(ship(place, "store").arg("import").arg(&tar).arg("big:0"));
    for layer in 1..5 {
        done(
            ship(place, "store")
                .args(["commit", &format!("big:{}", layer - 1)])
                .arg(place.join(format!("tree{layer}")))
                .arg(format!("big:{layer}")),
        );
    }
    let from = format!("oci:{}:docker.io/library/big:4", place.join("store").display());
    let (ours, theirs) = (our_registry(place), their_registry(place));
    let (mut mine, mut other) = ([Times(Vec::new()), Times(Vec::new())], [Times(Vec::new()), Times(Vec::new())]);
    for run in 0..runs {
        for (server, folder, times) in [(&ours, "ours", &mut mine), (&theirs, "theirs", &mut other)] {
            // Nothing of an earlier push is there.
            if folder == "ours" {
                fs::remove_dir_all(place.join("ours/blobs/sha256")).expect("empty it");
                fs::create_dir(place.join("ours/blobs/sha256")).expect("empty it");
                let _ = fs::remove_dir_all(place.join("ours/repositories"));
                fs::create_dir(place.join("ours/repositories")).expect("empty it");
            } else {
                let _ = fs::remove_dir_all(place.join("theirs/docker"));
            }
            let name = format!("docker://{}/big{run}:1", server.address);
            let skopeo = |words: &[&str]| {
                timed(
                    Command::new("skopeo")
                        .args(["copy", "--quiet", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"])
                        .args(words),
                )
            };
            times[0].0.push(skopeo(&[&from, &name]));
            let to = place.join("copy");
            times[1].0.push(skopeo(&[&name, &format!("dir:{}", to.display())]));
            fs::remove_dir_all(&to).expect("remove the copy");
        }
    }
    let both = |times: &[Times; 2]| Times(times[0].0.iter().zip(&times[1].0).map(|(push, pull)| *push + *pull).collect());
    let (our_sum, their_sum) = (both(&mine), both(&other));
    mine[0].line("bottleship, push", None);
    other[0].line("docker-registry, push", Some(&mine[0]));
    mine[1].line("bottleship, pull", None);
    other[1].line("docker-registry, pull", Some(&mine[1]));
    our_sum.line("bottleship, both", None);
    their_sum.line("docker-registry, both", Some(&our_sum));
}

fn many(place: &Path, runs: usize) {
    let tree = place.join("tree");
    for number in 0..200 {
        fs::create_dir_all(&tree).expect("a folder");
        fs::write(tree.join("number"), number.to_string()).expect("a file");
        let tar = place.join("one.tar");
        done(Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&tar).arg("."));
        done(ship(place, "store").arg("import").arg(&tar).arg(format!("image{number}:1")));
    }
    let words: [(&str, &[&str]); 5] = [
        ("ls", &["ls"]),
        ("layers of one", &["layers", "image7:1"]),
        ("tag", &["tag", "image9:1", "again:1"]),
        ("df", &["df"]),
        ("fsck", &["fsck"]),
    ];
    for (name, words) in words {
        let times = Times((0..runs).map(|_| timed(ship(place, "store").args(words))).collect());
        times.line(name, None);
    }
    // Each run has something to remove: an image whose name goes just before.
    let pruned = (0..runs).map(|run| {
        done(ship(place, "store").args(["rm", &format!("image{}:1", 100 + run)]));
        timed(ship(place, "store").arg("prune"))
    });
    Times(pruned.collect()).line("prune", None);
}

/// The lines are typed at the prompt of a bottle; bash says how long each took.
fn pull(place: &Path, runs: usize) {
    let (mut cold, mut other) = (Times(Vec::new()), Times(Vec::new()));
    for run in 0..runs {
        let script = place.join("script");
        let mut file = fs::File::create(&script).expect("a script");
        let line = |image: &str| {
            format!("s=$(date +%s%N); bottleship images pull -q {image} > /dev/null && echo took $(( ($(date +%s%N) - s) / 1000 ))\n")
        };
        write!(file, "bottleship images ls > /dev/null\n{}{}", line("alpine"), line("debian")).expect("a script");
        let mut command = Command::new(BOTTLESHIP);
        command.env("BOTTLESHIP_STATE", place.join(format!("state{run}"))).args(["run", "--plain"]).arg(&script);
        let output = command.output().expect("run it");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let took: Vec<Duration> =
            text.lines().filter_map(|line| line.strip_prefix("took ")?.trim().parse().ok()).map(Duration::from_micros).collect();
        let [first, second] = took[..] else { panic!("{text}{}", String::from_utf8_lossy(&output.stderr)) };
        cold.0.push(first);
        other.0.push(second);
    }
    cold.line("alpine, in a bottle that never pulled", None);
    other.line("debian after it: the toolbox is there", None);
}
