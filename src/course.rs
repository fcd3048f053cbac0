//! The course: lessons, labs, facts, verdicts, progress, proof and grades.
//!
//! A **unit** is a lesson or a lab: steps in an order, each with **facts** that make it done. A fact is typed data, never a script: it
//! names what to look at in the bottle and what must hold there, and carries the words a learner reads when it does not. Checks look
//! (through [`crate::bottle::probe`], which changes nothing) and judge (pure code); history comes from the journal.
//!
//! ```text
//!  lessons/*.md, labs/*/lab.yaml ── load ── Course ─┐
//!                                                   ├─ Session ── verbs ── view models ── repl, prover, grader
//!  progress file ── Progress ───────────────────────┘     │
//!                                        Bottle + Shell ──┘  looks: World;  judging: Fact + documents -> Finding
//! ```
//!
//! Invariants: nothing here prints; a broken course file is an error with file, line and key, never a panic; an error of the world is the verdict
//! `error`, never a pass and never the learner's fault; what a learner typed is never lost.

#[cfg(test)]
mod coverage;

pub mod class;
pub mod concepts;
pub mod console;
pub mod demo;
pub mod error;
pub mod fact;
pub mod fields;
pub mod head;
pub mod judge;
pub mod lab;
pub mod lesson;
pub mod library;
pub mod lint;
pub mod outside;
pub mod params;
pub mod place;
pub mod progress;
pub mod prove;
pub mod question;
pub mod room;
pub mod session;
pub mod submission;
pub mod text;
pub mod typing;
pub mod unit;
pub mod view;
pub mod world;
pub mod yaml;

pub use error::Error;
pub use library::Course;
pub use session::{Options, Session};
