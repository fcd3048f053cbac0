//! One event of the journal.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The subject of an `xray` event that is no call, but a word on why one was left out.
pub const NOTE: &str = "note";

/// Something that happened. `cause` makes a tree of them: a kernel call points to the container start, that to the typed line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the one order of the bottle, from 1. The recorder gives it; 0 before that.
    #[serde(default)]
    pub seq: u64,
    /// Nanoseconds of CLOCK_MONOTONIC when it happened.
    #[serde(default)]
    pub at: u64,
    /// Nanoseconds on the control loops' clock; equal to `at` until a learner turns that clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<u64>,
    /// The host of the bottle it happened on: `bench`, `internet`, `node1`; empty for the bottle itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Who did it: `you`, `runtime`, `host-init`, `check`, `course`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// What kind of thing: `line`, `line.end`, `xray`, `container.start`, `oom`, `check`, `step`. Dotted, lower case.
    pub kind: String,
    /// What it happened to: `container/web`, `cgroup/sandbox`, a command line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The `seq` of the event that led to this one; 0 for a beginning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cause: u64,
    /// Set by the recorder on what a process in the bottle said of itself: its actor is a claim, and anybody in the bottle could have made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inside: bool,
    /// Whatever else belongs to this kind.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl Event {
    /// An event of `kind` by `actor` on `subject`, to be completed with the other fields.
    pub fn new(actor: &str, kind: &str, subject: impl Into<String>) -> Self {
        Event {
            seq: 0,
            at: 0,
            clock: None,
            host: String::new(),
            actor: actor.to_owned(),
            kind: kind.to_owned(),
            subject: subject.into(),
            cause: 0,
            inside: false,
            data: Value::Null,
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
