//! Hooks: programs of the bundle's author that run at stations of a container's life (config.md, "POSIX-platform Hooks").

use std::time::Duration;

use super::error::{During as _, Error, Result};
use super::spec::Hook;
use crate::kernel::command::{self, Ended};
use crate::kernel::process::Exit;

/// Runs the hooks of one station in order, each with the container's state on its standard input.
///
/// # Errors
/// The first that cannot be run, exits with another code than 0, or takes too long.
pub fn run_all(station: &str, hooks: &[Hook], state: &str) -> Result<()> {
    let own: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    run_with(station, hooks, state, &own)
}

/// The same for hooks that run inside the container, whose environment is that of its program.
///
/// # Errors
/// As [`run_all`].
pub fn run_with(station: &str, hooks: &[Hook], state: &str, environment: &[String]) -> Result<()> {
    for (index, hook) in hooks.iter().enumerate() {
        run(hook, state, environment).during(|| format!("{station} hook #{index} `{}`", hook.path))?;
    }
    Ok(())
}

fn run(hook: &Hook, state: &str, inherited: &[String]) -> Result<()> {
    let environment = hook.env.as_deref().unwrap_or(inherited).iter().filter_map(|entry| entry.split_once('='));
    let timeout = hook.timeout.map(Duration::from_secs);
    let ended = command::run(hook.path.as_ref(), &hook.args, environment, state.as_bytes(), timeout)?;
    match ended {
        Ended { exit: Some(Exit::Code(0)), .. } => Ok(()),
        Ended { exit: Some(Exit::Code(code)), errors } => Err(with_output(format!("it ended with exit code {code}"), &errors)),
        Ended { exit: Some(Exit::Signal(signal)), errors } => Err(with_output(format!("signal {signal} ended it"), &errors)),
        Ended { exit: None, errors } => {
            Err(with_output(format!("it took longer than {} s and was killed", hook.timeout.unwrap_or(0)), &errors))
        }
    }
}

fn with_output(what: String, errors: &str) -> Error {
    let mut error = Error::new(what);
    if !errors.trim().is_empty() {
        error.causes.push(format!("it wrote: {}", errors.trim()));
    }
    error
}
