//! Recording: the demo runs as this program on a terminal of ours, and what it shows is written down and handed on.
//!
//! ```text
//!  presenter's terminal ─ keys ──▶ pty ─▶ bottleship demo ...
//!                       ◀─ output ─┴─▶ FILE.cast
//! ```
//!
//! So everything is in it that the room sees, also what somebody types to whom the keyboard was handed over.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::ArgMatches;

use super::cast::Cast;
use crate::bottle::shell::console;
use crate::course::Error;
use crate::course::demo::Demo;
use crate::kernel::pty::{self, Size};
use crate::kernel::{self, poll};

/// The size of a recording without a terminal.
const USUAL: Size = Size { columns: 100, rows: 30 };

/// `demo record DEMO FILE.cast`: without a presenter.
pub fn alone(arguments: &ArgMatches) -> Result<ExitCode, Error> {
    let demo = super::asked(arguments)?;
    let file = arguments.get_one::<PathBuf>("FILE.cast").cloned().unwrap_or_default();
    let mut line = vec!["--auto".to_owned(), "--name".to_owned(), format!("record-{}", std::process::id())];
    line.extend(shared(arguments));
    let (status, events, took) = record(&demo, &line, arguments, &file, USUAL, false)?;
    println!("{}: {events} events, {:.1} s", file.display(), took.as_secs_f64());
    Ok(status)
}

/// `demo DEMO --record FILE.cast`: what a presenter does is recorded.
pub fn beside(arguments: &ArgMatches) -> Result<ExitCode, Error> {
    let demo = super::asked(arguments)?;
    let file = arguments.get_one::<PathBuf>("record").cloned().unwrap_or_default();
    let mut line = shared(arguments);
    for flag in ["auto", "plain"] {
        line.extend(arguments.get_flag(flag).then(|| format!("--{flag}")));
    }
    line.extend(arguments.get_one::<String>("name").map(|name| format!("--name={name}")));
    line.extend(arguments.get_one::<usize>("from").map(|from| format!("--from={from}")));
    line.extend(arguments.get_one::<PathBuf>("notes").map(|notes| format!("--notes={}", notes.display())));
    let (status, events, took) = record(&demo, &line, arguments, &file, console::size().unwrap_or(USUAL), true)?;
    eprintln!("{}: {events} events, {:.1} s", file.display(), took.as_secs_f64());
    Ok(status)
}

fn shared(arguments: &ArgMatches) -> Vec<String> {
    let flags = ["fast", "rootless"].into_iter().filter(|flag| arguments.get_flag(flag)).map(|flag| format!("--{flag}"));
    let seed = arguments.get_one::<u64>("seed").map(|seed| format!("--seed={seed}"));
    flags.chain(seed).collect()
}

/// Runs `bottleship demo DEMO LINE` on a terminal of that size; `shown`: on ours too, with our keys. Gives how it ended, how many events were written,
/// and how long it took.
fn record(
    demo: &Demo,
    line: &[String],
    arguments: &ArgMatches,
    file: &Path,
    size: Size,
    shown: bool,
) -> Result<(ExitCode, usize, Duration), Error> {
    let told = |why: std::io::Error| Error::File { path: file.to_owned(), why: format!("cannot be recorded to: {why}") };
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let writer = BufWriter::new(File::create(file).map_err(told)?);
    let mut cast = Cast::begin(writer, size, &demo.unit.title, at).map_err(told)?;
    let (master, slave) = pty::pair(Path::new("/dev/ptmx"))?;
    pty::set_size(master.as_fd(), size)?;
    let asked = arguments.get_one::<String>("DEMO").map_or("", String::as_str);
    let mut child = Ended(begin(asked, line, slave)?);
    let stdin = std::io::stdin();
    // Ctrl-C and the rest are for the demo. What is no terminal gives no keys.
    let raw = if shown { pty::raw(stdin.as_fd()).ok() } else { None };
    let resizes = if shown { Some(pty::Resizes::listen()?) } else { None };
    let began = Instant::now();
    loop {
        let mut polled = vec![master.as_fd()];
        if let (Some(_), Some(resizes)) = (&raw, &resizes) {
            polled.extend([stdin.as_fd(), resizes.as_fd()]);
        }
        let ready = poll::readable(&polled, None)?;
        if ready.contains(&0) {
            // The end of a terminal is that nobody has its other side open.
            let Ok(Some(bytes)) = poll::read_some(master.as_fd()) else { break };
            cast.output(began.elapsed(), &bytes).map_err(told)?;
            if shown {
                let mut out = std::io::stdout().lock();
                // A terminal that is gone ends us by SIGHUP.
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
            }
        }
        if ready.contains(&1) {
            let keys = poll::read_some(stdin.as_fd())?.unwrap_or_else(|| b"q".to_vec());
            let mut keyboard = File::from(master.try_clone().map_err(told)?);
            keyboard.write_all(&keys).map_err(told)?;
        }
        if let (true, Some(resizes), Some(size)) = (ready.contains(&2), &resizes, console::size()) {
            resizes.seen();
            pty::set_size(master.as_fd(), size)?;
            cast.resized(began.elapsed(), size).map_err(told)?;
        }
    }
    drop(raw);
    let status = child.0.wait().map_err(|error| kernel::Error::from_io("wait for", "the demo", &error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok((ExitCode::from(code), cast.events, began.elapsed()))
}

fn begin(demo: &str, line: &[String], slave: OwnedFd) -> Result<Child, Error> {
    let program = std::env::current_exe().map_err(|error| kernel::Error::from_io("readlink", "/proc/self/exe", &error))?;
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(program).args(["demo", demo]).args(line);
    let end = || slave.try_clone().map(Stdio::from).map_err(|error| kernel::Error::from_io("dup", "the terminal", &error));
    command.stdin(end()?).stdout(end()?).stderr(end()?);
    // While we hold the other end of the terminal, its end would never be read: `command` and `slave` go with this function.
    Ok(command.spawn().map_err(|error| kernel::Error::from_io("execve", "setsid (util-linux)", &error))?)
}

/// A demo whose recording was given up loses its terminal, ends its bottle, and is reaped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // It may end at this moment, and is then reaped; here and below.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
