//! `--progress=plain`: every vertex with its number, one line after the other.

use std::io::{self, Write as _};

use super::Inner;
use super::vertices::End;
use crate::build::events::Event;

/// Prints what an event adds.
pub fn print(inner: &mut Inner, event: &Event) -> io::Result<()> {
    match event {
        Event::Begun(id, _) => head(inner, *id),
        Event::Status(id, text) => {
            head(inner, *id)?;
            writeln!(inner.out, "#{id} {text} done")
        }
        Event::Log(id, ..) => log(inner, *id),
        Event::Cached(id) | Event::Done(id, _) | Event::Failed(id, _) | Event::Canceled(id) => {
            log(inner, *id)?;
            end(inner, *id)
        }
        Event::Unused(name) => writeln!(inner.out, "[Warning] The build-arg {name} was not consumed"),
        _ => Ok(()),
    }
}

/// Says whose lines follow, if others came before.
fn head(inner: &mut Inner, id: usize) -> io::Result<()> {
    if inner.current == Some(id) {
        return Ok(());
    }
    if let Some(other) = inner.current.replace(id) {
        writeln!(inner.out, "#{other} ...\n")?;
    }
    let name = inner.vertices.all.get(&id).map(|one| one.name.clone()).unwrap_or_default();
    writeln!(inner.out, "#{id} {name}")
}

fn log(inner: &mut Inner, id: usize) -> io::Result<()> {
    for (at, line) in inner.vertices.fresh(id) {
        head(inner, id)?;
        writeln!(inner.out, "#{id} {:.3} {line}", at.as_secs_f64())?;
    }
    Ok(())
}

fn end(inner: &mut Inner, id: usize) -> io::Result<()> {
    head(inner, id)?;
    let text = match inner.vertices.all.get(&id).map(|one| &one.end) {
        Some(End::Done(took)) => format!("DONE {:.1}s", took.as_secs_f64()),
        Some(End::Cached) => "CACHED".to_owned(),
        Some(End::Failed(why)) => format!("ERROR: {why}"),
        Some(End::Canceled) => "CANCELED".to_owned(),
        _ => return Ok(()),
    };
    inner.current = None;
    writeln!(inner.out, "#{id} {text}\n")
}
