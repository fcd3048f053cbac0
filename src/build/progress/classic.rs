//! The words of the builder before BuildKit: a step, its container, its image.

use std::io::{self, Write as _};

use super::Inner;
use crate::build::events::Event;

/// What a failure is called there: that of a program and of a missing file had other words.
pub fn failure(why: &str) -> String {
    let program = |text: &str| {
        let (line, code) = text.strip_prefix("process \"")?.split_once("\" did not complete successfully: exit code: ")?;
        Some(format!("The command '{line}' returned a non-zero code: {code}"))
    };
    let file = |text: &str| {
        let path = text.strip_prefix("failed to compute cache key: failed to calculate checksum of \"/")?.strip_suffix("\": not found")?;
        Some(format!("COPY failed: file not found in build context or excluded by .dockerignore: stat {path}: file does not exist"))
    };
    program(why).or_else(|| file(why)).unwrap_or_else(|| why.to_owned())
}

/// Prints what an event adds.
pub fn print(inner: &mut Inner, event: &Event) -> io::Result<()> {
    match event {
        Event::Context(bytes) => writeln!(inner.out, "Sending build context to Docker daemon  {}", super::size(*bytes)),
        Event::Instruction(number, total, text) => writeln!(inner.out, "Step {number}/{total} : {text}"),
        Event::Unused(name) => writeln!(inner.out, "[Warning] One or more build-args [{name}] were not consumed"),
        Event::UsingCache => writeln!(inner.out, " ---> Using cache"),
        Event::Running(id) => writeln!(inner.out, " ---> Running in {id}"),
        Event::Removed(id) => writeln!(inner.out, " ---> Removed intermediate container {id}"),
        Event::Image(id) => writeln!(inner.out, " ---> {id}"),
        Event::Log(_, _, bytes) => inner.out.write_all(bytes).and_then(|()| inner.out.flush()),
        Event::Built(id) => writeln!(inner.out, "Successfully built {}", short(id)),
        Event::Tagged(name) => writeln!(inner.out, "Successfully tagged {name}"),
        _ => Ok(()),
    }
}

fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}
