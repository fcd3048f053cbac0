//! What the Open Container Initiative specifies, made real.

pub mod seccomp;
