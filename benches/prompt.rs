//! How long does a learner wait? The prompt from nothing to ready, a check, a reset; and a whole bottle from boot to gone.
//!
//! `cargo bench --bench prompt [-- RUNS]`. Each figure is taken RUNS times on a warm cache; quote the minimum and the median. The targets
//! are those of the project: prompt 150 ms, check 200 ms, reset 1 s, boot 100 ms. Nothing here fails a build.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");

/// What the prompt writes before it reads a line, when BOTTLESHIP_PTY_MARKS is set.
const READY: &[u8] = b"\x1b]7791;repl;ready;";

fn main() -> ExitCode {
    let runs = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(20);
    let state = tempfile::Builder::new().prefix("bottleship-bench-").tempdir_in("/var/tmp").expect("a state folder");
    let mut table = Table::default();
    for run in 0..=runs {
        // The first run fills the caches and does not count.
        let warm = run > 0;
        let began = Instant::now();
        let mut prompt = Prompt::start(state.path());
        prompt.ready();
        table.add("prompt ready", began.elapsed(), warm);
        table.add(":check", prompt.line(":check"), warm);
        table.add("true", prompt.line("true"), warm);
        table.add(":reset", prompt.line(":reset"), warm);
        prompt.quit();
        let began = Instant::now();
        batch(state.path());
        table.add("boot, true, gone", began.elapsed(), warm);
        table.add("boot, first answer", first_answer(state.path()), warm);
    }
    table.print(runs);
    ExitCode::SUCCESS
}

/// `echo true | bottleship`: a bottle from nothing to nothing.
fn batch(state: &Path) {
    let mut child = Command::new(BOTTLESHIP)
        .env("BOTTLESHIP_STATE", state)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("run bottleship");
    child.stdin.take().expect("its input").write_all(b"true\n").expect("write a line");
    assert!(child.wait().expect("wait").success(), "`echo true | bottleship` failed");
}

/// From exec until the first line has been answered: the program's start, the boot of all hosts, a shell, and the line. The boot alone is less.
fn first_answer(state: &Path) -> Duration {
    let began = Instant::now();
    let mut child = Command::new(BOTTLESHIP)
        .env("BOTTLESHIP_STATE", state)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run bottleship");
    let (mut input, mut output) = (child.stdin.take().expect("its input"), child.stdout.take().expect("its output"));
    input.write_all(b"echo ready for you\n").expect("write a line");
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&seen).contains("ready for you") {
        let read = output.read(&mut buffer).expect("read its output");
        assert!(read > 0, "`bottleship` ended; it printed:\n{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..read]);
    }
    let took = began.elapsed();
    drop(input);
    assert!(child.wait().expect("wait").success(), "`echo | bottleship` failed");
    took
}

/// A prompt on a terminal of its own.
struct Prompt {
    child: Child,
    terminal: File,
}

impl Prompt {
    fn start(state: &Path) -> Prompt {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("openpty");
        let side = || Stdio::from(pair.slave.try_clone().expect("dup"));
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", BOTTLESHIP])
            .envs([("BOTTLESHIP_PTY_MARKS", "1"), ("TERM", "xterm")])
            .env("BOTTLESHIP_STATE", state)
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("run setsid bottleship");
        Prompt { child, terminal: pair.master.into() }
    }

    /// Reads until the prompt waits for a line.
    fn ready(&mut self) {
        let mut seen = Vec::new();
        let mut buffer = [0; 8192];
        while !seen.windows(READY.len()).any(|window| window == READY) {
            let read = self.terminal.read(&mut buffer).unwrap_or(0);
            assert!(read > 0, "the prompt ended; it showed:\n{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..read]);
        }
    }

    /// Types a line; the time until the next prompt.
    fn line(&mut self, text: &str) -> Duration {
        let began = Instant::now();
        self.terminal.write_all(format!("{text}\r").as_bytes()).expect("type");
        self.ready();
        began.elapsed()
    }

    fn quit(mut self) {
        self.terminal.write_all(b":quit\r").expect("type");
        while self.terminal.read(&mut [0; 8192]).unwrap_or(0) > 0 {}
        self.child.wait().expect("wait");
    }
}

/// All times of each figure.
#[derive(Default)]
struct Table {
    rows: Vec<(&'static str, Vec<Duration>)>,
}

impl Table {
    fn add(&mut self, name: &'static str, time: Duration, counts: bool) {
        if !self.rows.iter().any(|(known, _)| *known == name) {
            self.rows.push((name, Vec::new()));
        }
        let row = self.rows.iter_mut().find(|(known, _)| *known == name);
        row.into_iter().filter(|_| counts).for_each(|(_, times)| times.push(time));
    }

    fn print(&mut self, runs: u32) {
        println!("{:<20} {:>10} {:>10} {:>10}   ({runs} runs)", "milliseconds", "min", "median", "max");
        for (name, times) in &mut self.rows {
            times.sort();
            let cell = |time: Option<&Duration>| time.map_or_else(|| "-".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1000.0));
            println!("{name:<20} {:>10} {:>10} {:>10}", cell(times.first()), cell(times.get(times.len() / 2)), cell(times.last()));
        }
    }
}
