//! `HEALTHCHECK`: a program that is run in the container from time to time, and what its last results say.
//!
//! ```text
//!  start ── starting ── ok ──> healthy ── `retries` failures in a row ──> unhealthy ── ok ──> healthy
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::exec::{Exec, Wish};
use super::state::Status;
use super::{Container, now};
use crate::engine::Engine;
use crate::kernel::process;
use crate::oci::image::spec::Healthcheck;
use crate::oci::runtime::hold::{Frame, Wants};

/// So many results are remembered.
const REMEMBERED: usize = 5;
/// So much of what a test says is kept.
const LONGEST: usize = 4096;
/// The word of a container that has a test and does not run.
const ENDED: &str = "unhealthy";
/// Docker's defaults.
const INTERVAL: Duration = Duration::from_secs(30);
const RETRIES: i64 = 3;
const START_INTERVAL: Duration = Duration::from_secs(5);

/// How a container is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: &'static str,
    /// How many tests in a row have failed.
    pub failing: i64,
    log: VecDeque<Value>,
}

/// How a container was when it ended, as it lies on the disk: nobody tests it any more, and its last results are what tells why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastHealth {
    failing: i64,
    log: VecDeque<Value>,
}

impl LastHealth {
    /// For `inspect`. What has ended is unhealthy, as with dockerd.
    fn json(&self) -> Value {
        json!({"Status": ENDED, "FailingStreak": self.failing, "Log": self.log})
    }
}

/// One test.
struct Outcome {
    began: String,
    code: i32,
    output: String,
}

impl Health {
    /// At a start, with the results of the run before: they go one by one as new ones come.
    fn starting(before: Option<LastHealth>) -> Self {
        Health { status: "starting", failing: 0, log: before.unwrap_or_default().log }
    }

    /// What is kept when the container ends.
    pub fn ended(self) -> LastHealth {
        LastHealth { failing: self.failing, log: self.log }
    }

    /// Takes a result in: pure, so that it can be tested. In the start period failures do not count, unless it has been healthy.
    fn take(&mut self, code: i32, retries: i64, starting: bool) {
        if code == 0 {
            (self.status, self.failing) = ("healthy", 0);
            return;
        }
        if starting && self.status == "starting" {
            return;
        }
        self.failing += 1;
        if self.failing >= retries {
            self.status = "unhealthy";
        }
    }

    fn remember(&mut self, outcome: Outcome) {
        if self.log.len() == REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(json!({"Start": outcome.began, "End": now(), "ExitCode": outcome.code, "Output": outcome.output}));
    }
}

/// The program of a test; `None` where there is none.
fn words(check: &Healthcheck, shell: Option<&Vec<String>>) -> Option<Vec<String>> {
    match check.test.split_first()? {
        (kind, rest) if kind == "CMD" && !rest.is_empty() => Some(rest.to_vec()),
        (kind, [text, ..]) if kind == "CMD-SHELL" => {
            let mut words = shell.cloned().unwrap_or_else(|| ["/bin/sh", "-c"].map(str::to_owned).to_vec());
            words.push(text.clone());
            Some(words)
        }
        _ => None,
    }
}

fn nanoseconds(value: i64, usual: Duration) -> Duration {
    u64::try_from(value).ok().filter(|value| *value > 0).map_or(usual, Duration::from_nanos)
}

impl Engine {
    /// The word of a container that has a test and was started.
    pub fn health_word(&self, container: &Container) -> Option<String> {
        let live = container.live().health.as_ref().map(|health| health.status.to_owned());
        live.or_else(|| container.state().health.map(|_| ENDED.to_owned()))
    }

    /// For `inspect`.
    pub fn health_json(&self, container: &Container) -> Option<Value> {
        let shown = |health: &Health| json!({"Status": health.status, "FailingStreak": health.failing, "Log": health.log});
        let live = container.live().health.as_ref().map(shown);
        live.or_else(|| Some(container.state().health?.json()))
    }

    /// Tests a container that has just been started, or found, until it ends.
    pub fn watch_health(self: &Arc<Self>, container: &Arc<Container>) {
        let record = container.record();
        let Some(check) = record.config.healthcheck else { return };
        let Some(words) = words(&check, record.config.shell.as_ref()) else { return };
        container.live().health = Some(Health::starting(record.state.health));
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        // Asked here, while nobody changes it: in the task it may have ended and be another one by then.
        let ends = container.live().ends;
        tokio::spawn(async move { engine.test_until_the_end(&container, &check, words, ends).await });
    }

    async fn test_until_the_end(self: &Arc<Self>, container: &Arc<Container>, check: &Healthcheck, words: Vec<String>, ends: u64) {
        let began = std::time::Instant::now();
        let (interval, period) = (nanoseconds(check.interval, INTERVAL), nanoseconds(check.start_period, Duration::ZERO));
        let mut changed = container.changed.subscribe();
        loop {
            let starting = began.elapsed() < period;
            let fresh = starting && self.health_word(container).as_deref() == Some("starting");
            let rest = if fresh { nanoseconds(check.start_interval, START_INTERVAL) } else { interval };
            let over = |_: &u64| container.live().ends > ends || container.live().removed;
            if tokio::time::timeout(rest, changed.wait_for(over)).await.is_ok() {
                return;
            }
            if container.state().status != Status::Running {
                continue;
            }
            let outcome = self.test(container, &words, nanoseconds(check.timeout, INTERVAL)).await;
            // One that went down with its container says nothing about it.
            if outcome.code != 0 && process::is_ending(container.state().pid) {
                continue;
            }
            let starting = began.elapsed() < period;
            self.judge(container, outcome, if check.retries > 0 { check.retries } else { RETRIES }, starting);
        }
    }

    fn judge(&self, container: &Container, outcome: Outcome, retries: i64, starting: bool) {
        let changed = {
            let mut live = container.live();
            let Some(health) = &mut live.health else { return };
            let before = health.status;
            health.take(outcome.code, retries, starting);
            health.remember(outcome);
            (health.status != before).then_some(health.status)
        };
        if let Some(status) = changed {
            container.tell();
            self.tell(container, &format!("health_status: {status}"), &[]);
        }
    }

    async fn test(self: &Arc<Self>, container: &Arc<Container>, words: &[String], patience: Duration) -> Outcome {
        let wish = Wish { cmd: words.to_vec(), attach_stdout: true, attach_stderr: true, ..Wish::default() };
        match self.make_exec(container, wish).and_then(|id| self.execs.find(&id)) {
            Ok(exec) => {
                let outcome = self.test_by(&exec, patience).await;
                // Nobody else knows of it, and one a second would be many.
                self.execs.leave(&exec.id);
                outcome
            }
            Err(fault) => Outcome { began: now(), code: -1, output: fault.message },
        }
    }

    async fn test_by(self: &Arc<Self>, exec: &Exec, patience: Duration) -> Outcome {
        let began = now();
        let failed = |output: String| Outcome { began: began.clone(), code: -1, output };
        let wants = Wants { stdout: true, stderr: true, ..Wants::default() };
        let mut connection = match self.begin_exec(exec, wants, None).await {
            Ok(connection) => connection,
            Err(fault) => return failed(fault.message),
        };
        let mut output = Vec::new();
        let mut code = -1;
        let listen = async {
            while let Ok(Some(frame)) = connection.next().await {
                match frame {
                    // What is more is read, so that the program can go on, and not kept.
                    Frame::Stdout(bytes) | Frame::Stderr(bytes) => {
                        let room = LONGEST.saturating_sub(output.len());
                        output.extend(bytes.into_iter().take(room));
                    }
                    Frame::Ended(ended) => {
                        code = ended;
                        return;
                    }
                    _ => {}
                }
            }
        };
        if tokio::time::timeout(patience, listen).await.is_err() {
            if let Ok(exec) = self.execs.find(&exec.id) {
                // It may have ended just now.
                let _ = process::kill(exec.pid, Duration::ZERO);
            }
            return failed(format!("Health check exceeded timeout ({}s)", patience.as_secs()));
        }
        Outcome { began, code, output: String::from_utf8_lossy(&output).into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_after_the_start_period_and_in_a_row() {
        let mut health = Health::starting(None);
        health.take(1, 2, true);
        assert_eq!((health.status, health.failing), ("starting", 0));
        health.take(1, 2, false);
        assert_eq!((health.status, health.failing), ("starting", 1));
        health.take(0, 2, false);
        assert_eq!((health.status, health.failing), ("healthy", 0));
        health.take(1, 2, true);
        health.take(1, 2, true);
        assert_eq!(health.status, "unhealthy");
        health.take(0, 2, false);
        assert_eq!(health.status, "healthy");
    }

    #[test]
    fn the_results_of_the_run_before_are_kept_until_new_ones_come() {
        let outcome = |output: &str| Outcome { began: String::new(), code: 1, output: output.to_owned() };
        let mut health = Health::starting(None);
        ["1", "2", "3", "4", "5", "6"].iter().for_each(|output| health.remember(outcome(output)));
        health.take(1, 1, false);
        let ended = health.ended();
        assert_eq!((&ended.json()["Status"], &ended.json()["FailingStreak"]), (&json!("unhealthy"), &json!(1)));
        let again: LastHealth = serde_json::from_str(&serde_json::to_string(&ended).unwrap()).unwrap();
        let mut health = Health::starting(Some(again));
        assert_eq!((health.status, health.failing), ("starting", 0));
        health.remember(outcome("7"));
        let said: Vec<&str> = health.log.iter().map(|one| one["Output"].as_str().unwrap()).collect();
        assert_eq!(said, ["3", "4", "5", "6", "7"]);
    }

    #[test]
    fn tests_are_programs_or_lines_of_a_shell() {
        let check = |test: &[&str]| Healthcheck { test: test.iter().map(|word| (*word).to_owned()).collect(), ..Healthcheck::default() };
        assert_eq!(words(&check(&["CMD", "true"]), None).unwrap(), ["true"]);
        assert_eq!(words(&check(&["CMD-SHELL", "exit 1"]), None).unwrap(), ["/bin/sh", "-c", "exit 1"]);
        assert_eq!(words(&check(&["NONE"]), None), None);
        assert_eq!(words(&check(&[]), None), None);
    }
}
