//! `bottleship oci`: the runtime's command line, with runc's commands and flags.
//!
//! It is dispatched before the tree of all other commands is built, and reads its own small table instead: a container start takes about as
//! long as that tree.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use clap::Command;

use super::Tool;
use crate::kernel::ids;
use crate::oci::runtime::{Error, Result, Store};

mod arguments;
mod commands;
mod document;
mod exec;
mod foreground;
mod lifecycle;
mod log;
mod look;
mod outline;
mod seal;
mod serve;
mod shim;
mod terminal;
mod xray;

use arguments::{Arguments, Flag};
pub use commands::COMMANDS;

/// The row in the table of all sub-commands: for `bottleship help`. The work is done by [`main`].
pub const OCI: Tool = Tool {
    command: || {
        Command::new("oci")
            .about("Run OCI bundles: a container runtime with runc's commands (see `bottleship oci help`)")
            .disable_help_flag(true)
            .arg(clap::Arg::new("arguments").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true))
    },
    run: |matches| main(matches.get_many::<String>("arguments").into_iter().flatten().map(OsString::from)),
};

/// A command of the runtime.
pub struct Verb {
    /// Its name.
    pub name: &'static str,
    /// What stands after it in the usage line.
    pub operands: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// Its flags.
    pub flags: &'static [Flag],
    /// Everything after the first operand belongs to it, flags or not: the command of `exec`.
    pub trailing: bool,
    /// It puts a process of ours into a container, so it runs from a sealed executable (CVE-2019-5736).
    pub sealed: bool,
    /// It changes a container, so it is worth an X-ray.
    pub changes: bool,
    /// Does it.
    pub run: fn(&Context) -> Result<ExitCode>,
}

/// Flags that stand before the command.
const GLOBAL: &[Flag] = &[
    Flag::value("root", None, "DIR", "where containers are remembered"),
    Flag::value("log", None, "FILE", "append errors and warnings to this file"),
    Flag::value("log-format", None, "text|json", "how they are written there"),
    Flag::value("xray", None, "FILE", "append every kernel operation to this file, as JSON lines"),
    Flag::switch("debug", None, "say more in the log"),
    Flag::switch("systemd-cgroup", None, "refused: cgroups are made directly"),
    Flag::value("rootless", None, "auto|true|false", "accepted for compatibility: rights are found out"),
    Flag::switch("help", Some('h'), "show this help"),
    Flag::switch("version", Some('v'), "show the version"),
];

/// A parsed command line.
pub struct Context {
    /// The containers.
    pub store: Store,
    /// Flags before the command.
    pub global: Arguments,
    /// Flags and operands after it.
    pub arguments: Arguments,
    /// Who is told of the kernel operations.
    pub xray: xray::Xray,
    /// The engine that has ordered this, if one has.
    served: Option<Rc<serve::Served>>,
}

/// Parses and runs `bottleship oci ARGUMENTS`.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let mut log = log::Log::default();
    match dispatch(&arguments, &mut log, None) {
        Ok(code) => code,
        Err((error, code)) => {
            log.report(&error);
            ExitCode::from(code)
        }
    }
}

/// runc's exit codes: 1 for a failure, 255 for `exec`, whose other codes are those of the program.
fn failure_code(command: &str) -> u8 {
    if command == "exec" { 255 } else { 1 }
}

fn dispatch(given: &[OsString], log: &mut log::Log, served: Option<Rc<serve::Served>>) -> std::result::Result<ExitCode, (Error, u8)> {
    let usage = |error: Error| (error, 1);
    let words = arguments::texts(given).map_err(usage)?;
    let global = Arguments::parse(&words, GLOBAL, true).map_err(usage)?;
    log.configure(&global).map_err(usage)?;
    let Some((name, rest)) = global.operands().split_first().filter(|(name, _)| !global.has("help") && *name != "help") else {
        if global.has("version") {
            document::version();
        } else {
            document::help();
        }
        return Ok(ExitCode::SUCCESS);
    };
    if global.has("systemd-cgroup") {
        return Err(usage(
            Error::new("--systemd-cgroup is not supported: this runtime makes cgroups directly")
                .hint("set the cgroupfs driver in your engine"),
        ));
    }
    let verb = COMMANDS.iter().find(|verb| verb.name == *name).ok_or_else(|| usage(unknown(name)))?;
    let failed = |error: Error| (error, failure_code(verb.name));
    let arguments = Arguments::parse(rest, verb.flags, verb.trailing).map_err(failed)?;
    if arguments.has("help") {
        document::help_of(verb);
        return Ok(ExitCode::SUCCESS);
    }
    if verb.sealed {
        seal::ensure(given).map_err(failed)?;
    }
    // Whole at once: what is remembered outlives this working directory.
    let root = global
        .value("root")
        .map_or_else(|| Ok(default_root()), std::path::absolute)
        .map_err(|error| usage(Error::new(format!("--root `{}`: {error}", global.value("root").unwrap_or_default()))))?;
    let mut context = Context { store: Store::new(root), global, arguments, xray: xray::Xray::default(), served };
    if verb.changes {
        // Before anything is opened here: a descriptor of ours must not pass for one that the caller promised.
        lifecycle::preserve(&context, 0).map_err(failed)?;
        context.xray = xray::Xray::open(&context, verb.name).map_err(failed)?;
    }
    let done = (verb.run)(&context);
    context.xray.flush();
    match done {
        Err(error) if error.only_warning => {
            log.warn(&error);
            Ok(ExitCode::SUCCESS)
        }
        other => other.map_err(failed),
    }
}

fn unknown(name: &str) -> Error {
    let near = COMMANDS.iter().map(|verb| verb.name).find(|known| known.starts_with(name) || name.starts_with(known));
    let error = Error::new(format!("unknown command `{name}`"));
    error.hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`bottleship oci help` lists the commands".to_owned(),
    })
}

/// `/run/bottleship/oci` for root, the user's own run folder otherwise.
fn default_root() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if ids::effective().0 != 0 => PathBuf::from(folder).join("bottleship/oci"),
        _ if ids::effective().0 != 0 => PathBuf::from(format!("/tmp/bottleship-{}/oci", ids::effective().0)),
        _ => PathBuf::from("/run/bottleship/oci"),
    }
}
