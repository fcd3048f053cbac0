//! Start, kill, delete: what can be done to a container that exists.

use std::os::fd::AsFd as _;
use std::time::Duration;

use super::error::{During as _, Error, Result};
use super::hooks;
use super::messages::{self, ToParent};
use super::store::{Entry, State, Status};
use crate::kernel::error::Errno;
use crate::kernel::process::Signal;
use crate::kernel::{fs, poll, process, socket};

/// How long a killed process may take to go; one in the kernel's hands can take a while.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the program of a created container, and waits until it runs or has failed to.
///
/// # Errors
/// The container is not waiting; its program cannot be run.
pub fn start(entry: &Entry, state: &State) -> Result<()> {
    let status = entry.status(state);
    if status != Status::Created {
        return Err(Error::new(format!("container `{}` is {}: only a created one can be started", state.id, status.word())));
    }
    let init = socket::connect(&entry.start_socket()).during(|| format!("start container `{}`", state.id))?;
    // The name goes before the answer: from here on the container is no longer one that waits.
    fs::remove_file(&entry.start_socket())?;
    match messages::next(&init) {
        Ok(None) => messages::ran(state.pid).during(|| format!("start container `{}`", state.id))?,
        Ok(Some((ToParent::Failed(error), _))) => return Err(error.during(format!("start container `{}`", state.id))),
        // The kernel resets the connection when the program runs before it was ever accepted: never, but then it runs.
        Ok(Some(_)) => {}
        Err(error) => return Err(error),
    }
    let hooks = entry.config()?.hooks.poststart;
    hooks::run_all("poststart", &hooks, &state.document("running").to_string())
}

/// Sends a signal to the container's first process, or with `all` to every process of its cgroup.
///
/// # Errors
/// The container does not run.
pub fn kill(entry: &Entry, state: &State, signal: i32, all: bool) -> Result<()> {
    let not_running = || Error::new(format!("container `{}` is not running", state.id));
    if all {
        let cgroup = state.cgroup().ok_or_else(not_running)?;
        if signal == Signal::SIGKILL as i32 {
            return Ok(cgroup.kill()?);
        }
        for pid in cgroup.all_processes()? {
            match process::open(pid).and_then(|process| process::signal(process.as_fd(), signal)) {
                Err(error) if error.errno == Errno::ESRCH => {}
                other => other?,
            }
        }
        return Ok(());
    }
    if entry.status(state) == Status::Stopped {
        return Err(not_running());
    }
    let process = state.process().ok_or_else(not_running)?;
    process::signal(process.as_fd(), signal).during(|| format!("kill container `{}`", state.id))?;
    if signal == Signal::SIGKILL as i32 && entry.status(state) == Status::Paused {
        // On v1 a frozen process takes its signals when it is thawed.
        if let Some(cgroup) = state.cgroup() {
            cgroup.thaw()?;
        }
    }
    Ok(())
}

/// Deletes a stopped container, or one that never started; with `force` any.
///
/// # Errors
/// It runs; its cgroup has processes that do not die.
pub fn delete(entry: Entry, force: bool) -> Result<()> {
    let Ok(state) = entry.load() else {
        return if force { forget_half_made(entry) } else { entry.load().map(drop) };
    };
    match entry.status(&state) {
        Status::Stopped => {}
        Status::Created => end(&state)?,
        _ if force => end(&state)?,
        status => {
            return Err(Error::new(format!("container `{}` is {}: it must be stopped first", state.id, status.word()))
                .hint(format!("`bottleship oci kill {0} KILL`, or `bottleship oci delete --force {0}`", state.id)));
        }
    }
    discard(entry, &state)
}

/// Takes away what a create left that was cut short before its state was written: a cgroup, with a process in it that waits for its maker, if that has
/// not been noticed yet.
fn forget_half_made(entry: Entry) -> Result<()> {
    if let Some(cgroup) = entry.planned().and_then(|state| state.cgroup()) {
        cgroup.kill().and_then(|()| cgroup.remove()).during(|| "remove the cgroup of a container that is half made")?;
    }
    entry.remove()
}

fn end(state: &State) -> Result<()> {
    let Some(process) = state.process() else { return Ok(()) };
    process::signal(process.as_fd(), Signal::SIGKILL as i32)?;
    if let Some(cgroup) = state.cgroup() {
        // On v1 a frozen process takes its signals when it is thawed.
        cgroup.thaw()?;
    }
    if poll::readable(&[process.as_fd()], Some(PATIENCE))?.is_empty() {
        return Err(Error::new(format!("container `{}`: its first process does not die", state.id))
            .hint("`ps -o pid,stat,wchan` says what it waits for"));
    }
    Ok(())
}

/// Takes away what is left of a container whose first process has ended: processes that outlived it (without a pid namespace they may),
/// the cgroup, the folder. Then the `poststop` hooks.
///
/// # Errors
/// The cgroup cannot be emptied. A failed hook is reported, after everything is gone.
pub fn discard(entry: Entry, state: &State) -> Result<()> {
    let hooks = entry.config().map(|spec| spec.hooks.poststop).unwrap_or_default();
    if let Some(cgroup) = state.cgroup() {
        cgroup.kill().and_then(|()| cgroup.remove()).during(|| format!("remove the cgroup of `{}`", state.id))?;
    }
    entry.remove()?;
    hooks::run_all("poststop", &hooks, &state.document("stopped").to_string()).map_err(Error::warning)
}

/// The number of a signal given as `9`, `KILL` or `SIGKILL`, in any case.
///
/// # Errors
/// It is none.
pub fn signal_number(text: &str) -> Result<i32> {
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = match bare.parse::<i32>() {
        Ok(number) => Some(number).filter(|number| (0..=64).contains(number)),
        Err(_) => format!("SIG{bare}").parse::<Signal>().ok().map(|signal| signal as i32).or_else(|| realtime(bare)),
    };
    number.ok_or_else(|| Error::new(format!("unknown signal `{text}`")).hint("a number from 1 to 64 or a name like TERM, see signal(7)"))
}

/// `RTMIN+3` and `RTMAX-1`, counted as C programs see them (34 to 64).
fn realtime(text: &str) -> Option<i32> {
    let number = if let Some(above) = text.strip_prefix("RTMIN") {
        34 + if above.is_empty() { 0 } else { above.strip_prefix('+')?.parse::<i32>().ok()? }
    } else {
        let below = text.strip_prefix("RTMAX")?;
        64 - if below.is_empty() { 0 } else { below.strip_prefix('-')?.parse::<i32>().ok()? }
    };
    (34..=64).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_by_number_and_name() {
        for (text, number) in [("9", 9), ("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("RTMIN+3", 37), ("SIGRTMAX", 64), ("0", 0)] {
            assert_eq!(signal_number(text).unwrap(), number, "{text}");
        }
        for text in ["", "SIG", "65", "-1", "NOPE", "RTMIN+99", "9x"] {
            assert!(signal_number(text).is_err(), "{text}");
        }
    }
}
