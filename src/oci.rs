//! What the Open Container Initiative specifies, made real.

pub mod accounts;
pub mod bundle;
pub mod digest;
pub mod distribution;
pub mod image;
pub mod reference;
pub mod runtime;
pub mod seccomp;
