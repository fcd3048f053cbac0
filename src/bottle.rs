//! The bottle.

pub mod shell;
