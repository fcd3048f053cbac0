//! What the Open Container Initiative specifies, made real.

pub mod runtime;
pub mod seccomp;
