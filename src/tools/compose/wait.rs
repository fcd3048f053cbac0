//! Waits until a container is as far as somebody wants it: the engine's events say when to look again.

use serde_json::Value;
use tokio::sync::watch;

use crate::tools::docker::Session;
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result};

/// Until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its health check says so.
    Healthy,
    /// The same; without a check it is enough that it runs.
    RunningOrHealthy,
    /// It has ended.
    Ended,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As wanted; of one that has ended, its code.
    Reached(i64),
    /// It will not come to that, and why.
    Never(String),
    /// Nobody waits any more, or the time is over.
    Stopped,
}

/// What a look at a container says; nothing: look again when something happens.
fn judged(shown: &Value, until: Until) -> Option<Outcome> {
    let (state, name) = (&shown["State"], shown["Name"].as_str().unwrap_or_default().trim_start_matches('/'));
    let (status, code) = (state["Status"].as_str().unwrap_or_default(), state["ExitCode"].as_i64().unwrap_or(0));
    let ended = status == "exited" || status == "dead";
    if until == Until::Ended {
        return ended.then_some(Outcome::Reached(code));
    }
    if ended {
        return Some(Outcome::Never(format!("container {name} exited ({code})")));
    }
    let health = state["Health"]["Status"].as_str().unwrap_or("none");
    match health {
        "none" | "" if until == Until::RunningOrHealthy => (status == "running").then_some(Outcome::Reached(0)),
        "none" | "" => Some(Outcome::Never(format!("container {name} has no healthcheck configured"))),
        "healthy" => Some(Outcome::Reached(0)),
        "unhealthy" => Some(Outcome::Never(format!("container {name} is unhealthy"))),
        _ => None,
    }
}

/// Waits for a container: until it is as wanted, never will be, `stop` says so, or the moment `deadline` (in seconds of Unix time) has passed.
///
/// # Errors
/// The engine cannot be asked.
pub fn container(session: &Session, id: &str, until: Until, stop: &watch::Receiver<bool>, deadline: Option<i64>) -> Result<Outcome> {
    let api = session.api()?;
    let path = format!("/containers/{id}/json");
    // Listening begins before the first look: nothing that happens in between is missed.
    let filters = [format!("container={id}"), "type=container".to_owned()];
    let ask = Ask::get("/events").filters(&filters).maybe("until", deadline.map(|deadline| deadline.to_string()));
    let mut events = api.ask(ask)?.until(stop.clone());
    loop {
        let shown = match api.json(Ask::get(&path)) {
            Err(failure) if failure.is_absent() => return Ok(Outcome::Never(format!("container {id} is gone"))),
            other => other?,
        };
        if let Some(outcome) = judged(&shown, until) {
            return Ok(outcome);
        }
        if events.document()?.is_none() {
            return Ok(Outcome::Stopped);
        }
    }
}

/// The moment so many seconds from now, in Unix time.
pub fn in_seconds(seconds: i64) -> i64 {
    jiff::Timestamp::now().as_second().saturating_add(seconds)
}

/// What is said when the time of `--wait-timeout` is over.
pub fn too_late() -> Failure {
    Failure::new("application not healthy after waiting as long as --wait-timeout says")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_look_says_whether_it_goes_on() {
        let look = |status: &str, health: Value, until: Until| {
            judged(&json!({"Name": "/x-db-1", "State": {"Status": status, "ExitCode": 3, "Health": health}}), until)
        };
        let health = |status: &str| json!({"Status": status});
        let never = |why: &str| Some(Outcome::Never(why.to_owned()));
        assert_eq!(look("running", health("starting"), Until::Healthy), None);
        assert_eq!(look("running", health("healthy"), Until::Healthy), Some(Outcome::Reached(0)));
        assert_eq!(look("running", health("unhealthy"), Until::Healthy), never("container x-db-1 is unhealthy"));
        assert_eq!(look("running", Value::Null, Until::Healthy), never("container x-db-1 has no healthcheck configured"));
        assert_eq!(look("running", Value::Null, Until::RunningOrHealthy), Some(Outcome::Reached(0)));
        assert_eq!(look("exited", Value::Null, Until::RunningOrHealthy), never("container x-db-1 exited (3)"));
        assert_eq!(look("exited", Value::Null, Until::Ended), Some(Outcome::Reached(3)));
        assert_eq!(look("running", Value::Null, Until::Ended), None);
    }
}
