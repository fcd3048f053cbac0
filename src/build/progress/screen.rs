//! `--progress=tty`: all vertices, drawn again in place with every event.

use std::fmt::Write as _;
use std::io::Write as _;

use super::Inner;
use super::vertices::{End, One};

/// As many lines of a running vertex' log are shown.
const LOG: usize = 6;

/// Draws everything. At the end (`Some`: has it failed?) the head line says so.
pub fn draw(inner: &mut Inner, columns: usize, end: Option<bool>) {
    let vertices = &inner.vertices.all;
    let done = vertices.values().filter(|one| one.end != End::Open).count();
    let began = vertices.values().map(|one| one.began).min();
    let took = began.map_or(0.0, |began| began.elapsed().as_secs_f64());
    let word = match end {
        Some(false) => " FINISHED",
        Some(true) => " ERROR",
        None => "",
    };
    let mut lines = vec![format!("[+] Building {took:.1}s ({done}/{}){word}", vertices.len())];
    vertices.values().for_each(|one| vertex(one, columns, &mut lines));
    let mut text = String::new();
    if inner.drawn > 0 {
        // To the first line of the last drawing, and everything below it away. Writing to a String never fails, here and below.
        let _ = write!(text, "\x1b[{}A\x1b[0J", inner.drawn);
    }
    for line in &lines {
        let _ = writeln!(text, "{line}");
    }
    inner.drawn = lines.len();
    // A terminal that is gone needs no drawing.
    let _ = inner.out.write_all(text.as_bytes()).and_then(|()| inner.out.flush());
}

fn vertex(one: &One, columns: usize, lines: &mut Vec<String>) {
    let (mark, took) = match &one.end {
        End::Open => ("", one.began.elapsed()),
        End::Done(took) => ("", *took),
        End::Cached => ("CACHED ", std::time::Duration::ZERO),
        End::Failed(_) => ("ERROR ", one.began.elapsed()),
        End::Canceled => ("CANCELED ", std::time::Duration::ZERO),
    };
    lines.push(row(&format!(" => {mark}{}", one.name), &format!("{:.1}s", took.as_secs_f64()), columns));
    for status in &one.statuses {
        lines.push(row(&format!(" => => {status}"), "0.0s", columns));
    }
    if one.end == End::Open {
        let first = one.log.len().saturating_sub(LOG);
        lines.extend(one.log[first..].iter().map(|(_, line)| row(&format!(" => => # {line}"), "", columns)));
    }
}

/// A text on the left, cut to the width, and one on the right.
fn row(left: &str, right: &str, columns: usize) -> String {
    let space = columns.saturating_sub(right.len() + 2);
    // What moves the cursor would break the drawing.
    let plain = left.chars().map(|one| if one.is_control() { ' ' } else { one });
    let left: String = plain.take(space).collect();
    let gap = columns.saturating_sub(left.chars().count() + right.len() + 1);
    format!("{left}{}{right}", " ".repeat(gap)).trim_end().to_owned()
}
