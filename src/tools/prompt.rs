//! `bottleship` without a sub-command: the prompt, or a batch of lines on standard input; and `bottleship run SCRIPT`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::Tool;
use crate::bottle::{self, Internet, Mode, Spec};
use crate::repl::{self, Input, Options};

/// The sub-command `run`.
pub const RUN: Tool = Tool { command: run_command, run: run_script };

/// What follows the list of sub-commands in `--help`.
pub const AFTER_HELP: &str = "Without a command: boots a bottle and opens the prompt at the current lesson. When standard input is no terminal, its lines are run \
    instead, as `bottleship run` does with a file: echo ':list' | bottleship";

/// The options of the prompt, shared by `bottleship` and `bottleship run`.
pub fn arguments() -> Vec<Arg> {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let value = |name: &'static str, value: &'static str, help: &'static str| Arg::new(name).long(name).value_name(value).help(help);
    vec![
        flag("plain", "Plain lines: no colour, no box characters, no repainting"),
        flag("rootless", "Build the bottle as an ordinary user would, even when started by root"),
        value("share", "DIR", "Bind one folder of this machine into the hosts, read-write").value_parser(value_parser!(PathBuf)),
        value("internet", "KIND", "What is behind the default route").value_parser(["simulated", "real"]).default_value("simulated"),
        value("course", "DIR", "A course folder instead of the course in the binary").value_parser(value_parser!(PathBuf)),
        value("name", "NAME", "The bottle's name; several run side by side").default_value("main"),
        value("lesson", "ID", "The lesson or lab to open, or a step of it: ID#STEP"),
        flag("stop-on-error", "In a script: stop at the first line that fails").short('e'),
    ]
}

/// The prompt, or the lines of standard input.
pub fn open(arguments: &ArgMatches) -> ExitCode {
    repl::run(&options(arguments), &Input::Standard, super::command())
}

fn run_command() -> Command {
    Command::new("run")
        .about("Run the lines of a script as if typed at the prompt")
        .long_about(
            "Runs the lines of a script as if typed at the prompt: shell lines, course commands (`:check`), lines for another host (`@internet ...`).\n\
             As with bash, a line that fails does not stop the rest, unless --stop-on-error is given. The exit code is that of the last line that failed, and 0 \
             when none did: a shell line has its own exit code, a check that does not pass has 1, a line that is not understood has 2. 125: the bottle did not start.\n\
             A program that waits for input gets the lines that follow it.",
        )
        .arg(Arg::new("SCRIPT").required(true).value_parser(value_parser!(PathBuf)).help("The file"))
        .args(self::arguments())
}

fn run_script(arguments: &ArgMatches) -> ExitCode {
    let Some(script) = arguments.get_one::<PathBuf>("SCRIPT") else { return ExitCode::from(2) };
    repl::run(&options(arguments), &Input::File(script.clone()), super::command())
}

fn options(arguments: &ArgMatches) -> Options {
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    let path = |name: &str| arguments.get_one::<PathBuf>(name).map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let internet = if text("internet").as_deref() == Some("real") { Internet::Real } else { Internet::Simulated };
    let bottle = Spec {
        name: text("name").unwrap_or_default(),
        share: path("share"),
        internet,
        mode: arguments.get_flag("rootless").then_some(Mode::Rootless),
        ..Spec::default()
    };
    Options {
        state: bottle::state_root(),
        plain: arguments.get_flag("plain"),
        bottle,
        course: path("course"),
        unit: text("lesson"),
        stop_on_error: arguments.get_flag("stop-on-error"),
    }
}
