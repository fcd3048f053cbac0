//! `bottleship toolbox`: the applets by their full name, and what there are.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::Tool;
use crate::toolbox::{self, APPLETS};

/// `bottleship toolbox [NAME ARGS...]`.
pub const TOOLBOX: Tool = Tool { command, run };

fn command() -> Command {
    Command::new("toolbox")
        .about("Run one of the small tools that stand in where the machine has none")
        .after_help("Without a name: list them. Each one also answers to its own name, as a link to this program.")
        .disable_help_flag(true)
        .arg(
            Arg::new("line")
                .value_name("NAME ARGS")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString)),
        )
}

fn run(matches: &ArgMatches) -> ExitCode {
    let mut line = matches.get_many::<OsString>("line").into_iter().flatten().cloned();
    let Some(name) = line.next() else {
        APPLETS.iter().for_each(|applet| println!("{:<10} {}", applet.name, applet.about));
        return ExitCode::SUCCESS;
    };
    match name.to_str().and_then(toolbox::find) {
        Some(applet) => toolbox::run(applet, line),
        None => {
            let names: Vec<&str> = APPLETS.iter().map(|applet| applet.name).collect();
            eprintln!("error: there is no tool `{}` in the toolbox\nhint: there are {}", name.to_string_lossy(), names.join(", "));
            ExitCode::from(2)
        }
    }
}
