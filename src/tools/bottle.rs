//! `bottleship ls | rm`, and the hidden commands that are the processes of a bottle.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Tool, listing};
use crate::bottle::{self, doctor};
use crate::toolbox;

/// The process outside of a bottle.
pub const KEEPER: Tool = Tool { command: keeper_command, run: keeper };
/// PID 1 of a host.
pub const HOST_INIT: Tool = Tool { command: host_init_command, run: host_init };
/// The list of bottles.
pub const LS: Tool = Tool { command: ls_command, run: ls };
/// The end of a bottle.
pub const RM: Tool = Tool { command: rm_command, run: rm };

fn name_argument() -> Arg {
    Arg::new("NAME").required(true)
}

fn name_of(arguments: &ArgMatches) -> &str {
    arguments.get_one::<String>("NAME").map_or("", String::as_str)
}

fn keeper_command() -> Command {
    Command::new("keeper").hide(true).about("Keep a bottle: started by `bottleship` itself").arg(name_argument())
}

fn keeper(arguments: &ArgMatches) -> ExitCode {
    // The machine's own docker and docker-compose come first on the PATH; where it has none, ours answers to the name.
    let applets = toolbox::APPLETS.iter().map(|applet| applet.name).chain(["docker", "docker-compose"]).map(str::to_owned).collect();
    ExitCode::from(bottle::keeper::main(name_of(arguments), applets) as u8)
}

fn host_init_command() -> Command {
    Command::new("host-init").hide(true).about("PID 1 of a host: started by `bottleship` itself").arg(name_argument())
}

fn host_init(arguments: &ArgMatches) -> ExitCode {
    match bottle::host_init::main(name_of(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("host-init: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ls_command() -> Command {
    Command::new("ls").about("List the bottles of this machine")
}

fn ls(_: &ArgMatches) -> ExitCode {
    let row = |known: doctor::Known| {
        let status = if known.running { "running" } else { "stopped" };
        vec![known.name, status.to_owned(), known.dir.display().to_string()]
    };
    listing::print(&["NAME", "STATUS", "STATE"], doctor::bottles().into_iter().map(row).collect());
    ExitCode::SUCCESS
}

fn rm_command() -> Command {
    Command::new("rm")
        .about("End a bottle and remove its files")
        .arg(Arg::new("force").short('f').long("force").action(ArgAction::SetTrue).help("End it first if it runs"))
        .arg(Arg::new("NAME").required(true).num_args(1..).help("The bottle, as `bottleship ls` names it"))
}

fn rm(arguments: &ArgMatches) -> ExitCode {
    let force = arguments.get_flag("force");
    let mut code = ExitCode::SUCCESS;
    for name in arguments.get_many::<String>("NAME").into_iter().flatten() {
        let removed = if force { bottle::stop(name).and_then(|()| doctor::forget(name)) } else { doctor::forget(name) };
        if let Err(error) = removed {
            eprintln!("error: remove the bottle `{name}`\ncause: {error}");
            if let Some(hint) = if matches!(error, bottle::Error::Busy { .. }) {
                Some(format!("`bottleship rm --force {name}` ends it first"))
            } else {
                error.hint()
            } {
                eprintln!("hint: {hint}");
            }
            code = ExitCode::FAILURE;
        } else {
            println!("{name}");
        }
    }
    code
}
