//! Waiting for facts: what a demo does where a person would guess seconds.

use std::time::{Duration, Instant};

use super::super::error::Error;
use super::super::view::{CheckView, Verdict};
use super::Session;
use crate::kernel::poll;

/// How often they are looked at.
const AGAIN: Duration = Duration::from_millis(25);

impl Session {
    /// Looks at the facts of the current step until all hold, `patience` is over, or `pause` says that nobody waits any more; `pause` waits as long as it
    /// is told, or less. Gives the last look, none where the step has no facts. Nothing of it counts in the progress.
    ///
    /// # Errors
    /// The journal cannot be read, or the world is gone.
    pub fn await_facts(&mut self, patience: Duration, pause: &mut dyn FnMut(Duration) -> bool) -> Result<Option<CheckView>, Error> {
        if self.current().facts.is_empty() {
            return Ok(None);
        }
        self.moment.settle(&self.place)?;
        let deadline = Instant::now() + poll::stretched(patience);
        loop {
            self.follow_journal()?;
            let view = self.judge_current();
            // What could not be looked at is asked once more too: an engine that is just starting answers in a moment.
            let over = view.verdict == Verdict::Pass || view.facts.iter().all(|fact| fact.not_here.is_some());
            if over || Instant::now() >= deadline || !pause(AGAIN) {
                return Ok(Some(view));
            }
        }
    }
}
