//! What whoever started the engine has handed over, as descriptors (sd_listen_fds(3), and two of ours behind them).

use std::os::fd::{AsFd as _, OwnedFd};

use crate::kernel::{Result, exec, poll};

/// The first descriptor that a starter hands over.
const FIRST: i32 = 3;

/// What was handed over. Taken before anything else is opened.
#[derive(Default)]
pub struct Handed {
    /// Sockets that are listened on already.
    pub listeners: Vec<OwnedFd>,
    /// Where to say that we answer.
    ready: Option<OwnedFd>,
    /// Into the cgroup that containers are to be in.
    pub doors: Vec<OwnedFd>,
}

impl Handed {
    /// Only what is meant for this process: a child of one that was meant inherits the variables too.
    ///
    /// # Errors
    /// What was promised is not there.
    pub fn take() -> Result<Self> {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
        if number("LISTEN_PID") != Some(std::process::id() as i32) {
            return Ok(Handed::default());
        }
        let count = number("LISTEN_FDS").unwrap_or(0).max(0);
        let listeners = (0..count).map(|at| exec::inherited(FIRST + at)).collect::<Result<Vec<_>>>()?;
        let ready = number("BOTTLESHIP_READY").map(exec::inherited).transpose()?;
        let first = FIRST + count + i32::from(ready.is_some());
        let doors = (0..number("BOTTLESHIP_DOORS").unwrap_or(0)).map(|at| exec::inherited(first + at)).collect::<Result<_>>()?;
        Ok(Handed { listeners, ready, doors })
    }

    /// Says that we answer.
    pub fn tell(&mut self) {
        if let Some(ready) = self.ready.take() {
            // A starter that does not listen any more does not wait for us.
            let _ = poll::write_all(ready.as_fd(), b"ready\n");
        }
    }
}
