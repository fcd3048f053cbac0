//! `docker container`: what runs and what ran.

pub(in crate::tools) mod copy;
pub(in crate::tools) mod exec;
pub mod list;
mod logs;
pub(in crate::tools) mod options;
pub(in crate::tools) mod run;
pub(in crate::tools) mod simple;
pub(in crate::tools) mod stats;
pub(in crate::tools) mod streams;
mod table;

pub use table::VERBS;
