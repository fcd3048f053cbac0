//! `hollywood`: a terminal full of windows in which nothing is computed that anybody needs. The original splits a `byobu` session; this is one program.

use std::io::Write;
use std::os::fd::AsFd as _;
use std::time::Duration;

use crate::kernel::{poll, process::Signal, pty, random, signals::Signals};
use crate::toolbox::failure::Failure;

/// The pause between two frames.
const PAUSE: Duration = Duration::from_millis(120);

/// `hollywood [-n FRAMES]`: draws until a key of the terminal's (Ctrl-C) or TERM ends it, or so many frames.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let mut frames = args.iter().position(|arg| arg == "-n").and_then(|at| args.get(at + 1)?.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let mut signals = Signals::block(&[Signal::SIGINT, Signal::SIGTERM])?;
    let mut panes = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    write!(out, "\x1b[?25l\x1b[2J")?;
    while frames > 0 && signals.next()?.is_none() {
        let size = pty::size(std::io::stdout().as_fd());
        let (columns, rows) = size.map_or((80, 24), |size| (usize::from(size.columns), usize::from(size.rows)));
        panes.iter_mut().enumerate().for_each(|(kind, pane)| {
            pane.push(line(kind));
            let surplus = pane.len().saturating_sub((rows / 2).saturating_sub(1));
            pane.drain(..surplus);
        });
        out.write_all(frame(&panes, columns, rows).as_bytes())?;
        out.flush()?;
        poll::readable(&[signals.as_fd()], Some(PAUSE))?;
        frames -= 1;
    }
    write!(out, "\x1b[0m\x1b[?25h\x1b[2J\x1b[H")?;
    Ok(0)
}

/// One more line of a window: a dump, hashes, a log, a progress.
fn line(kind: usize) -> String {
    let bytes = random::bytes::<16>();
    let hex = |part: &[u8]| part.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match kind {
        0 => format!("{:08x}  {}  {}", u32::from(bytes[0]) << 12 | u32::from(bytes[1]) << 4, hex(&bytes[..8]), hex(&bytes[8..])),
        1 => format!("sha256:{}", hex(&bytes)),
        2 => format!(
            "[{:>3}.{:03}] node{}: packet {} from 10.{}.{}.{}",
            bytes[0],
            bytes[1],
            bytes[2] % 8,
            hex(&bytes[3..5]),
            bytes[5],
            bytes[6],
            bytes[7]
        ),
        _ => format!("{:<24} {}", hex(&bytes[..4]), "#".repeat(usize::from(bytes[4] % 30))),
    }
}

/// Two windows above two others, with a border between.
fn frame(panes: &[Vec<String>; 4], columns: usize, rows: usize) -> String {
    const COLOURS: [u8; 4] = [32, 36, 33, 35];
    let (width, height) = (columns.saturating_sub(1) / 2, (rows / 2).saturating_sub(1));
    let mut text = "\x1b[H".to_owned();
    for half in 0..2 {
        for row in 0..height {
            let cell = |pane: usize| {
                let line = panes[pane].get(row).map_or("", String::as_str);
                format!("\x1b[{}m{:<width$.width$}", COLOURS[pane], line)
            };
            text += &format!("{}\x1b[0m|{}\r\n", cell(half * 2), cell(half * 2 + 1));
        }
        text += &format!("\x1b[0m{}\r\n", "-".repeat(columns));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fills_the_screen_and_no_more() {
        let panes = [0, 1, 2, 3].map(|kind| vec![line(kind); 3]);
        for (columns, rows) in [(80, 24), (40, 10), (20, 4)] {
            let text = frame(&panes, columns, rows);
            let plain = regex_lite::Regex::new("\x1b\\[[0-9]*[mH]").unwrap().replace_all(&text, "").into_owned();
            assert!(plain.lines().all(|line| line.chars().count() <= columns), "{columns}: {plain}");
            assert!(plain.lines().count() <= rows, "{rows}");
        }
    }
}
