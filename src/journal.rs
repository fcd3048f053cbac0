//! The journal: everything that happened in a bottle, in one order, each event with its cause.
//!
//! A line typed, a kernel call, a container that ended, a check: each is one [`Event`]. The journal is a file of JSON lines in the bottle's state
//! folder, written by one process (the recorder), and can be cut at any byte without becoming unreadable. Checks, `:why`, `:zoom`,
//! `:diff`, effect lines, grading and demos are all readers of it. Nothing outside this module knows how events are stored.

//!
//! ```text
//!  prompt, host-init, shim ── Client ──(journal.sock)── Recorder in the keeper ── journal.jsonl ── Reader, Log
//! ```

pub mod client;
pub mod event;
pub mod reader;
pub mod recorder;

pub use client::Client;
pub use event::{Event, NOTE};
pub use reader::{Log, Reader};
pub use recorder::Recorder;
