//! What an engine has a runtime do that stands by for it (`bottleship oci serve`), and what it hears of it.
//!
//! ```text
//!  engine                                 oci serve              a copy of it
//!    │── document, answer, lock, doors ─────>│── clone3 ────────────>│ stays as the shim
//!    │<── the answer: made, or why not ──────┼───────────────────────┤ gives the lock back
//! ```
//! A message without content carries the descriptors, in this order: a file with the order as JSON, one end of a stream socket for the answer (a line of JSON), a lock that is held
//! until the answer is there, and the open `cgroup.procs` of the cgroups that the copy enters before anything else.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::hold::Hold;

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// As after `bottleship oci`.
    pub arguments: Vec<String>,
    /// How the process is kept.
    pub hold: Hold,
    /// For `exec`: the text of what would be a process.json.
    pub process: Option<String>,
}

/// What came of it.
pub type Answer = Result<Made, Error>;

/// It is made, and a shim holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The number of the process.
    pub pid: i32,
    /// What did not hinder.
    pub warnings: Vec<Error>,
}
