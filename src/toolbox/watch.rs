//! `watch`: repeat a command and show what it prints, from the top of the screen.

use std::io::Write;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::failure::{Failure, reason};
use super::options::{self, Given, Known};
use crate::kernel::{interrupt::Interrupt, poll, pty};

const KNOWN: &[Known] = &[
    ('b', "beep", false),
    ('c', "color", false),
    ('d', "differences", false),
    ('e', "errexit", false),
    ('g', "chgexit", false),
    ('n', "interval", true),
    ('t', "no-title", false),
    ('x', "exec", false),
];

/// Home, and clear from there: nothing flickers, and the scrollback stays.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Runs `watch` until Ctrl-C (or what -e or -g waits for).
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, true).map_err(|failure| Failure { code: 1, ..failure })?;
    if given.rest.is_empty() {
        return Err(Failure::new(1, "usage: watch [-n SECONDS] [-detx] COMMAND"));
    }
    let seconds: f64 = given.number("interval")?.unwrap_or(2.0);
    let interval = Duration::try_from_secs_f64(seconds.max(0.1)).unwrap_or(Duration::from_secs(2));
    let interrupt = Interrupt::hold()?;
    let mut before: Option<String> = None;
    loop {
        let (shown, succeeded) = once(&given)?;
        draw(&given, interval, &shown, before.as_deref(), out)?;
        if given.has("errexit") && !succeeded {
            return Ok(8);
        }
        if given.has("chgexit") && before.as_ref().is_some_and(|before| *before != shown) {
            return Ok(0);
        }
        before = Some(shown);
        if !poll::readable(&[interrupt.as_fd()], Some(interval))?.is_empty() {
            return Ok(0);
        }
    }
}

/// Runs the command once; gives what it printed and whether it succeeded.
fn once(given: &Given) -> Result<(String, bool), Failure> {
    let mut command = if given.has("exec") {
        let mut command = Command::new(&given.rest[0]);
        command.args(&given.rest[1..]);
        command
    } else {
        let mut command = Command::new("sh");
        command.arg("-c").arg(given.rest.join(" "));
        command
    };
    let done =
        command.stdin(Stdio::null()).output().map_err(|error| Failure::new(4, format_args!("{}: {}", given.rest[0], reason(&error))))?;
    let text = [done.stdout, done.stderr].concat();
    Ok((String::from_utf8_lossy(&text).into_owned(), done.status.success()))
}

fn draw(given: &Given, interval: Duration, shown: &str, before: Option<&str>, out: &mut dyn Write) -> Result<(), Failure> {
    let size = pty::size(std::io::stdout().as_fd());
    let (columns, rows) = size.map_or((80, usize::MAX), |size| (usize::from(size.columns), usize::from(size.rows)));
    if size.is_some() {
        write!(out, "{CLEAR}")?;
    }
    let mut room = rows;
    if !given.has("no-title") {
        let left = format!("Every {:.1}s: {}", interval.as_secs_f64(), given.rest.join(" "));
        writeln!(out, "{}\n", title(&left, columns))?;
        room = room.saturating_sub(2);
    }
    let old: Vec<&str> = before.map(|before| before.lines().collect()).unwrap_or_default();
    for (at, line) in shown.lines().take(room).enumerate() {
        let line: String = line.chars().take(columns).collect();
        let differs = given.has("differences") && before.is_some() && old.get(at).is_none_or(|old| !old.starts_with(line.as_str()));
        let text = if differs && size.is_some() { format!("\x1b[7m{line}\x1b[27m") } else { line };
        // No newline after the last row: it would scroll the title away.
        write!(out, "{}{text}", if at == 0 { "" } else { "\n" })?;
    }
    if size.is_none() {
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

/// The command at the left, the host and the time at the right, as far as there is room.
fn title(left: &str, columns: usize) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let right = format!("{}: {}", host.trim(), jiff::Zoned::now().strftime("%a %b %e %H:%M:%S %Y"));
    let left: String = left.chars().take(columns.saturating_sub(right.len() + 1)).collect();
    let gap = columns.saturating_sub(left.chars().count() + right.len());
    format!("{left}{}{right}", " ".repeat(gap))
}
