//! What happens in the engine, told to everybody who listens: `docker events`.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::oci::digest::Digest;

/// How many events are remembered for `--since`. Docker remembers as many.
const REMEMBERED: usize = 256;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `image`, `builder`, ...
    pub kind: &'static str,
    /// `pull`, `tag`, `delete`, ...
    pub action: String,
    /// What it happened to: its id or name.
    pub actor: String,
    /// More about that: `name`, labels.
    pub attributes: BTreeMap<String, String>,
    /// When, in nanoseconds of Unix time.
    pub nanoseconds: i64,
}

impl Event {
    /// The event as the API shows it. `status`, `id` and `from` are what clients before API 1.22 read.
    pub fn json(&self) -> Value {
        json!({
            "status": self.action, "id": self.actor,
            "Type": self.kind, "Action": self.action,
            "Actor": {"ID": self.actor, "Attributes": self.attributes},
            "scope": "local",
            "time": self.nanoseconds.div_euclid(1_000_000_000), "timeNano": self.nanoseconds,
        })
    }
}

/// Who tells and who listens.
#[derive(Debug)]
pub struct Events {
    past: Mutex<VecDeque<Event>>,
    live: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Events { past: Mutex::default(), live: broadcast::channel(REMEMBERED).0 }
    }
}

impl Events {
    /// Tells of an image: `name` is what it was called in the request.
    pub fn image(&self, action: &str, actor: &str, name: &str) {
        self.tell("image", action, actor, &[("name", name)]);
    }

    /// Tells everybody.
    pub fn tell(&self, kind: &'static str, action: &str, actor: &str, attributes: &[(&str, &str)]) {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let nanoseconds = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let event = Event { kind, action: action.to_owned(), actor: actor.to_owned(), attributes, nanoseconds };
        let mut past = self.past();
        if past.len() == REMEMBERED {
            past.pop_front();
        }
        past.push_back(event.clone());
        // Nobody listens: nobody misses it.
        let _ = self.live.send(event);
    }

    /// What is remembered, and everything from now on: none is told twice, none is lost in between.
    pub fn listen(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let past = self.past();
        (past.iter().cloned().collect(), self.live.subscribe())
    }

    fn past(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's own id: the same as long as its data folder is the same, as dockerd's `engine-id` is.
pub fn identity(root: &Path) -> String {
    let digest = Digest::of(root.as_os_str().as_encoded_bytes());
    let hex = digest.hex();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_get_the_past_and_the_future_once() {
        let events = Events::default();
        events.image("pull", "sha256:1", "one");
        let (past, mut live) = events.listen();
        events.image("tag", "sha256:2", "two");
        assert_eq!(past.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["pull"]);
        assert_eq!(live.try_recv().map(|event| event.action).as_deref(), Ok("tag"));
        assert!(live.try_recv().is_err());
    }

    #[test]
    fn only_so_many_are_remembered() {
        let events = Events::default();
        (0..REMEMBERED + 5).for_each(|number| events.image("tag", "x", &number.to_string()));
        let (past, _) = events.listen();
        assert_eq!((past.len(), past[0].attributes["name"].as_str()), (REMEMBERED, "5"));
    }
}
