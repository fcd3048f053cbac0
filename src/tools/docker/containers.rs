//! `docker container`: what runs and what ran.

mod copy;
mod exec;
pub mod list;
mod logs;
mod options;
mod run;
mod simple;
mod stats;
pub(super) mod streams;
mod table;

pub use table::VERBS;
