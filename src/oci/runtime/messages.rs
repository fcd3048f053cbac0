//! What parent and child say to each other over their socket pair, in the order in which it can happen.
//!
//! ```text
//!  child                        parent
//!    │  (waits)  <── Go ──────────│  ids mapped, devices moved
//!    │── Hooks ──────────────────>│  prestart, createRuntime
//!    │<── Go ─────────────────────│
//!    │── Console + master ───────>│  to the caller's terminal or the console socket
//!    │── Listener + seccomp fd ──>│  to the agent of `listenerPath`
//!    │<── Go ─────────────────────│
//!    │── Ready ──────────────────>│  only where somebody else will say `start`
//!    │── Failed ─────────────────>│  at any moment, and it is the last
//!    │  (execve closes the socket)│  end of file: the program runs
//! ```

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use super::error::{Error, Result};
use crate::kernel::{process, socket};

/// From the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToParent {
    /// The namespaces exist: run the hooks that wait for that.
    Hooks,
    /// A pty master comes along.
    Console,
    /// A seccomp notification descriptor comes along.
    Listener,
    /// All is set up; `start` may come.
    Ready,
    /// A step failed.
    Failed(Error),
}

/// The parent's only word.
const GO: &[u8] = b"go";

impl ToParent {
    /// As bytes: a letter, and for a failure its JSON.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            ToParent::Hooks => b"h".to_vec(),
            ToParent::Console => b"c".to_vec(),
            ToParent::Listener => b"l".to_vec(),
            ToParent::Ready => b"r".to_vec(),
            ToParent::Failed(error) => {
                let mut bytes = b"f".to_vec();
                bytes.extend(serde_json::to_vec(error).unwrap_or_default());
                bytes
            }
        }
    }

    /// From bytes. What cannot be read is a failure too: the other side may be hostile by then.
    pub fn decode(bytes: &[u8]) -> ToParent {
        let garbled = || Error::new("the container's first process sent what cannot be read");
        match bytes {
            b"h" => ToParent::Hooks,
            b"c" => ToParent::Console,
            b"l" => ToParent::Listener,
            b"r" => ToParent::Ready,
            [b'f', json @ ..] => ToParent::Failed(serde_json::from_slice(json).unwrap_or_else(|_| garbled())),
            _ => ToParent::Failed(garbled()),
        }
    }
}

/// Tells the parent something, with a descriptor.
///
/// # Errors
/// The parent is gone.
pub fn tell(parent: &OwnedFd, message: &ToParent, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    use std::os::fd::AsRawFd as _;
    let descriptors: Vec<_> = descriptor.iter().map(|fd| fd.as_raw_fd()).collect();
    Ok(socket::send(parent.as_fd(), &message.encode(), &descriptors)?)
}

/// Waits for the parent's go.
///
/// # Errors
/// The parent went away: it failed, and nobody wants this container any more.
pub fn wait_for_go(parent: &OwnedFd) -> Result<()> {
    match socket::receive(parent.as_fd())? {
        Some((message, _)) if message == GO => Ok(()),
        _ => Err(Error::new("the runtime that started this container is gone")),
    }
}

/// Gives the child its go.
///
/// # Errors
/// The child is gone.
pub fn go(child: &OwnedFd) -> Result<()> {
    Ok(socket::send(child.as_fd(), GO, &[])?)
}

/// The child's next word; `None` when the socket closed: the program runs, or the child died.
///
/// # Errors
/// Those of recvmsg(2).
pub fn next(child: &OwnedFd) -> Result<Option<(ToParent, Vec<OwnedFd>)>> {
    Ok(socket::receive(child.as_fd())?.map(|(message, descriptors)| (ToParent::decode(&message), descriptors)))
}

/// The child's socket is closed: by execve(2), which is success, or because the child was killed before it.
///
/// # Errors
/// It never became its program.
pub fn ran(pid: i32) -> Result<()> {
    match process::has_executed(pid) {
        Some(false) => Err(Error::new(format!("the first process ({pid}) was killed before it ran the program"))
            .hint("somebody sent it a signal, or its memory limit is too small for a start: see `linux.resources.memory.limit`")),
        // Gone altogether: its parent has reaped it, and the program may have been a short one.
        Some(true) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_way() {
        let failure = Error::new("step `mounts`").hint("do this").during("create container `x`");
        for message in [ToParent::Hooks, ToParent::Console, ToParent::Listener, ToParent::Ready, ToParent::Failed(failure)] {
            assert_eq!(ToParent::decode(&message.encode()), message);
        }
        for garbage in [&b""[..], b"f", b"f{}", b"x", b"hh", b"\xff"] {
            assert!(matches!(ToParent::decode(garbage), ToParent::Failed(_)));
        }
    }
}
