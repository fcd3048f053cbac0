//! `bottleship`: a container world in a bottle, and a course that explains it.
//!
//! One binary, many names: called as `ping` or `jq` it is that tool (see [`toolbox`]), called as `bottleship oci` it is a container
//! runtime, called with no argument it opens the prompt. This file only dispatches.

use std::process::ExitCode;

mod bottle;
mod course;
#[cfg(test)]
#[path = "../tests/fuzz/lanes.rs"]
mod fuzz;
mod journal;
mod kernel;
mod net;
mod oci;
mod repl;
mod toolbox;
mod tools;
mod ui;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().map(std::path::PathBuf::from).unwrap_or_default();
    let name = name.file_name().and_then(|name| name.to_str()).unwrap_or("bottleship").to_owned();
    if let Some(applet) = toolbox::find(&name) {
        return toolbox::run(applet, args);
    }
    // The runtime starts thousands of containers: it does not pay for the tree of all commands.
    if std::env::args_os().nth(1).is_some_and(|first| first == "oci") {
        return tools::oci::main(std::env::args_os().skip(2));
    }
    tools::main()
}
