//! `docker wait`: until a container has ended or is gone.

use std::sync::Arc;

use super::Container;
use super::state::Status;
use crate::engine::error::Fault;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It does not run; at once if it does not now.
    NotRunning,
    /// It has ended once more.
    NextExit,
    /// It is gone.
    Removed,
}

impl Until {
    /// Reads `condition=`.
    ///
    /// # Errors
    /// It is none of the three.
    pub fn read(text: Option<&str>) -> Result<Self, Fault> {
        match text.unwrap_or_default() {
            "" | "not-running" => Ok(Until::NotRunning),
            "next-exit" => Ok(Until::NextExit),
            "removed" => Ok(Until::Removed),
            other => Err(Fault::bad(format!("invalid condition: \"{other}\""))),
        }
    }
}

/// A wait that has begun: what happens from now on is not missed, also when it is polled later.
pub struct Waiting {
    container: Arc<Container>,
    until: Until,
    ends: u64,
    /// It was at rest when the wait began.
    rested: bool,
    changed: tokio::sync::watch::Receiver<u64>,
}

impl Waiting {
    /// Begins to wait.
    pub fn begin(container: &Arc<Container>, until: Until) -> Self {
        let (changed, ends) = (container.changed.subscribe(), container.live().ends);
        let state = container.state();
        let rested = !(state.is_running() || state.status == Status::Restarting);
        Waiting { container: Arc::clone(container), until, ends, rested, changed }
    }

    /// Waits, and gives the exit code.
    pub async fn end(mut self) -> i32 {
        let (container, until, ends, rested) = (Arc::clone(&self.container), self.until, self.ends, self.rested);
        let over = move |_: &u64| {
            let live = container.live();
            let ended = live.ends > ends || live.removed;
            match until {
                Until::NotRunning => ended || rested,
                Until::NextExit => ended,
                Until::Removed => live.removed,
            }
        };
        // The container, which we hold, holds the sender.
        let _ = self.changed.wait_for(over).await;
        self.container.state().exit_code
    }
}
