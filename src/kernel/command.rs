//! Other people's programs that we run and wait for: hooks. Their end is a pidfd that becomes readable, their time is bounded.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::error::{Error, Result};
use super::process::{self, Exit};
use super::{poll, xray};

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` when its time was over and it was killed.
    pub exit: Option<Exit>,
    /// The last it wrote to its standard error.
    pub errors: String,
}

/// The most that is kept of a program's standard error.
const KEPT: u64 = 4096;

/// Runs `path` with `arguments` (argv, with argv[0]; empty: the path), only the environment given, and `input` on its standard input.
///
/// # Errors
/// It cannot be run.
pub fn run<'a>(
    path: &OsStr,
    arguments: &[String],
    environment: impl Iterator<Item = (&'a str, &'a str)>,
    input: &[u8],
    timeout: Option<Duration>,
) -> Result<Ended> {
    let shown = path.to_string_lossy();
    let mut command = Command::new(path);
    if let Some((name, rest)) = arguments.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear().envs(environment).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = xray::call("execve", &shown, format_args!("{shown} {arguments:?}"), || {
        command.spawn().map_err(|error| super::error::errno_of(&error))
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input closes the pipe; that is its right.
        let _ = stdin.write_all(input);
    }
    let pidfd = process::open(child.id() as i32)?;
    let ended = !poll::readable(&[pidfd.as_fd()], timeout)?.is_empty();
    if !ended {
        process::signal(pidfd.as_fd(), libc::SIGKILL)?;
    }
    let exit = process::wait(pidfd.as_fd())?;
    let mut errors = Vec::new();
    if let Some(stderr) = child.stderr.take().filter(|_| ended) {
        let waiting = rustix::io::ioctl_fionread(&stderr).unwrap_or(0);
        stderr.take(waiting.min(KEPT)).read_to_end(&mut errors).map_err(|error| Error::from_io("read", "standard error", &error))?;
    }
    Ok(Ended { exit: ended.then_some(exit), errors: String::from_utf8_lossy(&errors).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Option<Duration>) -> Ended {
        let arguments = ["sh", "-c", script].map(str::to_owned);
        run("/bin/sh".as_ref(), &arguments, [("A", "b")].into_iter(), b"input", timeout).unwrap()
    }

    #[test]
    fn input_environment_code_and_errors() {
        let ended = shell("read line; echo \"$line $A\" >&2; exit 3", None);
        assert_eq!(ended.exit, Some(Exit::Code(3)));
        assert_eq!(ended.errors, "input b\n");
    }

    #[test]
    fn time_is_bounded() {
        assert_eq!(shell("exec sleep 1000", Some(Duration::from_millis(50))).exit, None);
    }
}
