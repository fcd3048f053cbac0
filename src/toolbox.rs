//! Everyday tools for a bare machine, and later the userland of the course images: this binary by another name.
//!
//! The machine's own tools always come first on the PATH; these stand in where it has none.

use std::ffi::OsString;
use std::process::ExitCode;

/// A tool that this binary can be called as.
pub struct Applet {
    /// The name it answers to, as argv[0].
    pub name: &'static str,
    /// One line for `bottleship toolbox`.
    pub about: &'static str,
    /// Runs it with the arguments after the name.
    pub run: fn(&[OsString]) -> ExitCode,
}

/// All applets, by name.
pub const APPLETS: &[Applet] = &[];

/// The applet called `name`.
pub fn find(name: &str) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name == name)
}
