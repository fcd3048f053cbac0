//! What a build says while it works, as values: printers ([`super::progress`]) draw them, an engine sends them.
//!
//! BuildKit's view is of *vertices*: pieces of work with a name, a log and an end. The classic builder's view is of *instructions*, one after the other. Both
//! are told; a printer takes what it shows.

use std::time::Duration;

use super::checks::Warning;
use super::explain::Why;

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A vertex begins: its number, and its name as BuildKit shows it.
    Begun(usize, String),
    /// A piece of a vertex' work is done: `transferring context: 2B`.
    Status(usize, String),
    /// A program of the vertex wrote, so long after it began.
    Log(usize, Duration, Vec<u8>),
    /// The vertex was done before.
    Cached(usize),
    /// The vertex is done, and took so long.
    Done(usize, Duration),
    /// The vertex failed: why.
    Failed(usize, String),
    /// The vertex was stopped because another failed.
    Canceled(usize),
    /// The length of all files of the context, in bytes.
    Context(u64),
    /// An instruction begins: its number, how many there are, and its text.
    Instruction(usize, usize, String),
    /// An instruction's container runs: its id.
    Running(String),
    /// An instruction's container is gone.
    Removed(String),
    /// An instruction was done before.
    UsingCache,
    /// The image behind an instruction: the first digits of its id.
    Image(String),
    /// Why a step was carried out or not: its lines, its text, the reason.
    Explained(usize, String, Why),
    /// A `--build-arg` that no `ARG` asks for.
    Unused(String),
    /// Something that is no error.
    Warning(Warning),
    /// The image is made, and has this id.
    Built(String),
    /// The image has this name, as people write it.
    Tagged(String),
}

/// Whoever is told.
pub trait Listener: Sync {
    /// Takes an event. It may come from any thread.
    fn tell(&self, event: Event);
}
