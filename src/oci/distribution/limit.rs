//! The pull rate limit, as Docker Hub has it: so many manifests in so long a time, per account or per address. Looking (HEAD) is free.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{HeaderName, RETRY_AFTER};

use super::answer::{Answer, Code, Fault};
use super::wire::header;

/// The most askers that are remembered.
const MOST: usize = 10_000;

/// How many pulls, in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub pulls: usize,
    /// In so long a time.
    pub window: Duration,
}

/// What one asker has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    rate: Rate,
    left: usize,
    source: String,
}

/// Counts pulls.
#[derive(Default)]
pub struct Counter {
    seen: Mutex<HashMap<String, VecDeque<Instant>>>,
}

impl Counter {
    /// Counts a pull of `who` (or only looks, when it does not `count`) at the time `now`.
    ///
    /// # Errors
    /// There is nothing left: 429.
    pub fn pull(&self, who: &str, rate: Rate, count: bool, now: Instant) -> Result<Left, Fault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, pulls| pulls.back().is_some_and(|last| now.duration_since(*last) < rate.window));
        }
        let pulls = seen.entry(who.to_owned()).or_default();
        while pulls.front().is_some_and(|first| now.duration_since(*first) >= rate.window) {
            pulls.pop_front();
        }
        if count && pulls.len() >= rate.pulls {
            let wait = pulls.front().map_or(rate.window, |first| rate.window.saturating_sub(now.duration_since(*first)));
            let fault = Fault::new(Code::TooMany, format!("{} pulls in {} seconds for {who}", rate.pulls, rate.window.as_secs()));
            return Err(fault.with_header(RETRY_AFTER, wait.as_secs().max(1).to_string()));
        }
        if count {
            pulls.push_back(now);
        }
        Ok(Left { rate, left: rate.pulls.saturating_sub(pulls.len()), source: who.to_owned() })
    }
}

impl Left {
    /// The headers by which people look at their limit.
    pub fn tell(&self, answer: &mut Answer) {
        let window = self.rate.window.as_secs();
        header(answer, HeaderName::from_static("ratelimit-limit"), &format!("{};w={window}", self.rate.pulls));
        header(answer, HeaderName::from_static("ratelimit-remaining"), &format!("{};w={window}", self.left));
        header(answer, HeaderName::from_static("docker-ratelimit-source"), &self.source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pulled_counts_until_its_window_ends() {
        let (counter, start) = (Counter::default(), Instant::now());
        let rate = Rate { pulls: 2, window: Duration::from_secs(60) };
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(counter.pull("ann", rate, true, at(0)).unwrap().left, 1);
        assert_eq!(counter.pull("ann", rate, false, at(1)).unwrap().left, 1);
        assert_eq!(counter.pull("ann", rate, true, at(10)).unwrap().left, 0);
        assert!(counter.pull("ann", rate, true, at(59)).is_err());
        assert!(counter.pull("bob", rate, true, at(59)).is_ok());
        assert!(counter.pull("ann", rate, true, at(60)).is_ok());
        assert!(counter.pull("ann", rate, true, at(61)).is_err());
    }
}
