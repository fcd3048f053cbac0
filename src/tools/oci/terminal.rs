//! The master of a container's terminal goes to whoever will draw it, over a unix socket (runc's `--console-socket`).

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use super::Context;
use crate::kernel::socket;
use crate::oci::runtime::{During as _, Error, Result};

/// Sends it to `--console-socket`.
///
/// # Errors
/// None was given, or nobody listens there.
pub fn send(context: &Context, console: &OwnedFd) -> Result<()> {
    let path = context.arguments.value("console-socket").ok_or_else(|| {
        Error::new("the container has a terminal, and nobody is there to take it")
            .hint("give --console-socket, use `run` without --detach, or set `process.terminal` to false")
    })?;
    let socket = socket::connect_stream(Path::new(path)).during(|| format!("reach the console socket `{path}`"))?;
    // The name tells the receiver what it got.
    Ok(socket::send(socket.as_fd(), b"/dev/ptmx", &[console.as_raw_fd()])?)
}
