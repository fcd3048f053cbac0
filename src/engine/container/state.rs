//! What a container is doing, and what may be done to it in which state: a table without the world in it.
//!
//! ```text
//!  created ── start ──> running <── unpause ── paused
//!     │                  │   ^ ── pause ─────────┘
//!     │                 die  └─ restart policy ── restarting
//!     │                  v                            │
//!     └──── remove ─── exited ────── remove ──────────┘──> removing, gone
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::health::LastHealth;
use crate::engine::error::Fault;

/// How Go writes a moment that never was.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// Docker's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Made, never started.
    #[default]
    Created,
    /// Its program runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its program has ended and will be started again.
    Restarting,
    /// It is being removed.
    Removing,
    /// Its program has ended.
    Exited,
    /// It could not be removed.
    Dead,
}

/// The state of a container, as it lies on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// What it is doing.
    pub status: Status,
    /// Its first process; 0 if there is none.
    pub pid: i32,
    /// How the program ended last.
    pub exit_code: i32,
    /// Why it could not be started.
    pub error: String,
    /// Whether the kernel killed it for its memory.
    pub oom_killed: bool,
    /// When it was started last, RFC 3339.
    pub started_at: Option<String>,
    /// When it ended last.
    pub finished_at: Option<String>,
    /// A person stopped it: `unless-stopped` and `always` let it rest.
    pub stopped_by_hand: bool,
    /// How it was when it ended last, where it is tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<LastHealth>,
}

impl State {
    /// Whether it has processes.
    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }

    /// Whether it may be started; `Ok(false)` if it runs already.
    ///
    /// # Errors
    /// It is paused, or is going.
    pub fn may_start(&self) -> Result<bool, Fault> {
        match self.status {
            Status::Running => Ok(false),
            Status::Paused => Err(Fault::conflict("cannot start a paused container, try unpause instead")),
            Status::Removing => Err(Fault::conflict("container is marked for removal and cannot be started")),
            Status::Dead => Err(Fault::conflict("container is marked for removal and cannot be started")),
            Status::Created | Status::Exited | Status::Restarting => Ok(true),
        }
    }

    /// Whether it may be removed without force.
    ///
    /// # Errors
    /// It has processes.
    pub fn may_remove(&self, name: &str) -> Result<(), Fault> {
        let why = match self.status {
            Status::Running => "container is running: stop the container before removing or force remove",
            Status::Restarting => "container is restarting: stop the container before removing or force remove",
            Status::Paused => "container is paused and must be unpaused first",
            _ => return Ok(()),
        };
        Err(Fault::conflict(format!("cannot remove container \"/{name}\": {why}")))
    }

    /// The state for `inspect`.
    pub fn json(&self) -> Value {
        json!({
            "Status": self.status, "Running": self.is_running() || self.status == Status::Restarting, "Paused": self.status == Status::Paused,
            "Restarting": self.status == Status::Restarting, "OOMKilled": self.oom_killed, "Dead": self.status == Status::Dead,
            "Pid": self.pid, "ExitCode": self.exit_code, "Error": self.error,
            "StartedAt": self.started_at.as_deref().unwrap_or(NEVER), "FinishedAt": self.finished_at.as_deref().unwrap_or(NEVER),
        })
    }

    /// The sentence of `docker ps`: `Up 5 minutes (Paused)`.
    pub fn sentence(&self, now: Timestamp, health: Option<&str>) -> String {
        let since = |moment: &Option<String>| {
            let then = moment.as_deref().and_then(|text| text.parse::<Timestamp>().ok()).unwrap_or(now);
            duration(now.as_second() - then.as_second())
        };
        match self.status {
            Status::Running => match health {
                Some("starting") => format!("Up {} (health: starting)", since(&self.started_at)),
                Some(health) => format!("Up {} ({health})", since(&self.started_at)),
                None => format!("Up {}", since(&self.started_at)),
            },
            Status::Paused => format!("Up {} (Paused)", since(&self.started_at)),
            Status::Restarting => format!("Restarting ({}) {} ago", self.exit_code, since(&self.finished_at)),
            Status::Removing => "Removal In Progress".to_owned(),
            Status::Dead => "Dead".to_owned(),
            Status::Created => "Created".to_owned(),
            Status::Exited => format!("Exited ({}) {} ago", self.exit_code, since(&self.finished_at)),
        }
    }
}

/// A length of time as Docker says it: about, and in one unit.
pub fn duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// How long a container rests before it is started again: twice as long each time, as dockerd does, up to a minute.
pub fn rest_before_restart(last: Option<std::time::Duration>, ran: std::time::Duration) -> std::time::Duration {
    const FIRST: std::time::Duration = std::time::Duration::from_millis(100);
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(60);
    // One that ran for ten seconds is taken for healthy again.
    let healthy = ran >= std::time::Duration::from_secs(10);
    last.filter(|_| !healthy).map_or(FIRST, |last| (last * 2).min(LONGEST))
}

/// Whether a policy wants a program that ended to be started again.
pub fn wants_restart(policy: &super::config::RestartPolicy, state: &State, restarts: i64) -> bool {
    if state.stopped_by_hand {
        return false;
    }
    match policy.name.as_str() {
        "always" | "unless-stopped" => true,
        "on-failure" => state.exit_code != 0 && (policy.maximum_retry_count == 0 || restarts < policy.maximum_retry_count),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::container::config::RestartPolicy;

    #[test]
    fn sentences_are_dockers() {
        let now: Timestamp = "2024-01-01T10:00:00Z".parse().unwrap();
        let state = |status, at: &str| State {
            status,
            exit_code: 3,
            started_at: Some(at.to_owned()),
            finished_at: Some(at.to_owned()),
            ..State::default()
        };
        let at = "2024-01-01T09:55:00Z";
        assert_eq!(state(Status::Running, at).sentence(now, None), "Up 5 minutes");
        assert_eq!(state(Status::Running, at).sentence(now, Some("starting")), "Up 5 minutes (health: starting)");
        assert_eq!(state(Status::Running, at).sentence(now, Some("healthy")), "Up 5 minutes (healthy)");
        assert_eq!(state(Status::Paused, at).sentence(now, None), "Up 5 minutes (Paused)");
        assert_eq!(state(Status::Exited, "2024-01-01T09:00:00Z").sentence(now, None), "Exited (3) About an hour ago");
        assert_eq!(state(Status::Created, at).sentence(now, None), "Created");
    }

    #[test]
    fn durations_are_dockers() {
        let table = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (90, "About a minute"),
            (125, "2 minutes"),
            (4000, "About an hour"),
            (7200, "2 hours"),
            (3600 * 49, "2 days"),
            (3600 * 24 * 20, "2 weeks"),
            (3600 * 24 * 90, "3 months"),
            (3600 * 24 * 800, "2 years"),
        ];
        for (seconds, text) in table {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn what_may_be_done_depends_on_the_state() {
        let state = |status| State { status, ..State::default() };
        assert_eq!(state(Status::Running).may_start(), Ok(false));
        assert_eq!(state(Status::Exited).may_start(), Ok(true));
        assert!(state(Status::Paused).may_start().is_err() && state(Status::Removing).may_start().is_err());
        assert!(state(Status::Exited).may_remove("web").is_ok());
        assert_eq!(
            state(Status::Running).may_remove("web").unwrap_err().message,
            "cannot remove container \"/web\": container is running: stop the container before removing or force remove"
        );
    }

    #[test]
    fn policies_want_what_their_names_say() {
        let ended = |code, by_hand| State { exit_code: code, stopped_by_hand: by_hand, ..State::default() };
        let policy = |name: &str, most| RestartPolicy { name: name.to_owned(), maximum_retry_count: most };
        assert!(wants_restart(&policy("always", 0), &ended(0, false), 99));
        assert!(!wants_restart(&policy("always", 0), &ended(0, true), 0));
        assert!(wants_restart(&policy("on-failure", 2), &ended(1, false), 1));
        assert!(!wants_restart(&policy("on-failure", 2), &ended(1, false), 2));
        assert!(!wants_restart(&policy("on-failure", 0), &ended(0, false), 0));
        assert!(!wants_restart(&policy("no", 0), &ended(1, false), 0));
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(11));
        assert_eq!(rest_before_restart(None, short), Duration::from_millis(100));
        assert_eq!(rest_before_restart(Some(Duration::from_secs(50)), short), Duration::from_secs(60));
        assert_eq!(rest_before_restart(Some(Duration::from_secs(50)), long), Duration::from_millis(100));
    }
}
