//! `bottleship`: a container world in a bottle, and a course that explains it.
//!
//! One binary, many names: called as `ping` or `jq` it is that tool (see [`toolbox`]), called as `bottleship oci` it is a container
//! runtime, called with no argument it opens the prompt. This file only dispatches.

use std::process::ExitCode;

mod advisories;
mod bottle;
mod build;
mod catalog;
mod compose;
mod course;
mod engine;
#[cfg(test)]
#[path = "../tests/fuzz/lanes.rs"]
mod fuzz;
mod journal;
mod kernel;
mod net;
mod oci;
mod repl;
mod template;
mod toolbox;
mod tools;
mod ui;

fn main() -> ExitCode {
    kernel::process::end_when_nobody_reads();
    let mut args = std::env::args_os();
    let name = toolbox::called_as(&args.next().unwrap_or_default());
    if let Some(applet) = toolbox::find(&name) {
        return toolbox::run(applet, args);
    }
    // systemctl and its like, on the hosts of a bottle.
    if let Some(tool) = tools::daemons::find(&name) {
        return tool(args);
    }
    // In the image of a registry this program is the registry.
    if name == "registry" {
        return tools::distribution::main(args);
    }
    // On a host of a bottle, the machine's docker builds with us.
    if name == "docker-buildx" {
        return tools::buildx::main(args);
    }
    if let Some(plugin) = ["docker-scout", "docker-scan"].into_iter().find(|plugin| name == *plugin) {
        return tools::docker::scout::plugin(plugin, args);
    }
    // On a machine without a docker of its own, and in the image `docker:cli`.
    if name == "docker" {
        return tools::docker::main(args);
    }
    if name == "docker-compose" {
        return tools::compose::main(args);
    }
    // The runtime starts thousands of containers: it does not pay for the tree of all commands.
    if std::env::args_os().nth(1).is_some_and(|first| first == "oci") {
        return tools::oci::main(std::env::args_os().skip(2));
    }
    tools::main()
}
