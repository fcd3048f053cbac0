//! The journal, `:diff`, and the line that says what a command changed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::error::Error;
use super::super::place::BENCH;
use super::super::view::{DiffLine, Effect};
use super::super::world::{Live, Look, World as _};
use super::Session;
use crate::bottle::{self, Probe};
use crate::journal::{Event, Log};

impl Session {
    /// The journal so far: what `:why` reads.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn log(&mut self) -> Result<&Log, Error> {
        self.follow_journal()?;
        Ok(&self.moment.log)
    }

    /// `:diff`: what differs now from the world as the step began.
    ///
    /// # Errors
    /// The world is gone.
    pub fn diff(&mut self) -> Result<Vec<DiffLine>, Error> {
        self.moment.settle(&self.place)?;
        let look = Look::Probe(Probe::Snapshot);
        let now = Live { bottle: &self.place.bottle }
            .look(BENCH, &look)
            .map_err(|why| Error::NotNow { why, hint: "`:reset` makes a fresh world".to_owned() })?;
        Ok(diff(&self.moment.snapshot, &now))
    }

    /// What a line changed, in numbers; limits that were met meanwhile become events that the line `cause` led to.
    pub(super) fn effect(&mut self, cause: u64) -> Result<Effect, Error> {
        let now = self.place.bottle.host(BENCH)?.probe(&Probe::Census)?;
        for (kind, cgroup, times) in met(&self.moment.census["limits"], &now["limits"]) {
            let event = Event { cause, host: BENCH.to_owned(), ..Event::new("kernel", kind, format!("cgroup/{cgroup}")) };
            self.place.bottle.emit(&Event { data: json!({ "times": times }), ..event })?;
        }
        let count = |census: &Value, what: &str| census[what].as_i64().unwrap_or(0);
        let changes =
            now.as_object().into_iter().flatten().map(|(what, _)| (what.clone(), count(&now, what) - count(&self.moment.census, what)));
        let turned = turned(&self.moment.census["states"], &now["states"]);
        let effect = Effect { changes: changes.filter(|(_, change)| *change != 0).collect(), turned };
        self.moment.census = now;
        Ok(effect)
    }
}

/// Events of the kernel's counters: the counter, and the kind of the event.
const LIMITS: [(&str, &str); 2] = [("oom_kill", "oom"), ("pids.max", "pids.max")];

/// Which limits were met between two censuses: kind of event, cgroup, how often. A cgroup that is gone took its counters along.
fn met(before: &Value, after: &Value) -> Vec<(&'static str, String, u64)> {
    let count = |census: &Value, cgroup: &str, counter: &str| census[cgroup][counter].as_u64().unwrap_or(0);
    let cgroups = after.as_object().into_iter().flatten().map(|(cgroup, _)| cgroup);
    let both = cgroups.flat_map(|cgroup| LIMITS.map(|(counter, kind)| (cgroup, counter, kind)));
    both.map(|(cgroup, counter, kind)| (kind, cgroup.clone(), count(after, cgroup, counter).saturating_sub(count(before, cgroup, counter))))
        .filter(|(_, _, times)| *times > 0)
        .collect()
}

/// Which containers of two censuses have changed their state; those that came or went are counted already.
fn turned(before: &Value, after: &Value) -> Vec<(String, String, String)> {
    let word = |state: &Value| state.as_str().unwrap_or_default().to_owned();
    let both = before.as_object().into_iter().flatten().filter_map(|(name, old)| Some((name, old, after.get(name)?)));
    both.filter(|(_, old, new)| old != new).map(|(name, old, new)| (name.clone(), word(old), word(new))).collect()
}

/// What differs between two snapshots, sorted by name.
pub(in crate::course) fn diff(before: &Value, after: &Value) -> Vec<DiffLine> {
    let empty = serde_json::Map::new();
    let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let told = all.into_iter().filter_map(|what| {
        let (old, new) = (before.get(what), after.get(what));
        let (sign, detail) = match (there(old, new), there(new, old)) {
            _ if old == new => return None,
            (None, None) => return None,
            (None, Some(_)) => ('+', String::new()),
            (Some(_), None) => ('-', String::new()),
            (Some(old), Some(new)) => ('~', changes(old, new)),
        };
        let thing = there(new, old).or(there(old, new)).filter(|_| what.starts_with("file/"));
        let sort = thing.and_then(|thing| thing["kind"].as_str()).filter(|sort| *sort != bottle::probe::REMOVED);
        Some(DiffLine { sign, what: what.clone(), sort: sort.map(str::to_owned), detail })
    });
    told.collect()
}

/// What a thing is in one of two snapshots. A file of the machine's stands in a snapshot only where it was changed or removed; where it stands in the
/// other only, it is here what the machine has.
fn there<'s>(own: Option<&'s Value>, other: Option<&'s Value>) -> Option<&'s Value> {
    let removed = |thing: &Value| thing["kind"] == bottle::probe::REMOVED;
    match (own, other) {
        (Some(own), _) => Some(own).filter(|own| !removed(own)),
        (None, Some(other)) if removed(other) => Some(other),
        (None, other) => other?.get("was"),
    }
}

fn changes(old: &Value, new: &Value) -> String {
    let plain = super::super::judge::plain;
    let fields = new.as_object().into_iter().flatten().filter_map(|(field, value)| Some((field, old.get(field)?, value)));
    let fields = fields.filter(|(field, old, new)| *field != "was" && old != new);
    fields.map(|(field, old, new)| format!("{field}: {} -> {}", plain(old), plain(new))).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_met_when_its_counter_grew() {
        let before = json!({"/cage": {"oom_kill": 1, "pids.max": 7}});
        let after = json!({"/cage": {"oom_kill": 3, "pids.max": 7}, "/new": {"pids.max": 1}});
        assert_eq!(met(&before, &after), [("oom", "/cage".to_owned(), 2), ("pids.max", "/new".to_owned(), 1)]);
        assert!(met(&after, &json!({"/other": {}})).is_empty());
    }

    #[test]
    fn a_container_that_came_or_went_has_not_turned() {
        let before = json!({"web": "running", "old": "exited", "same": "running"});
        let after = json!({"web": "paused", "new": "running", "same": "running"});
        assert_eq!(turned(&before, &after), [("web".to_owned(), "running".to_owned(), "paused".to_owned())]);
        assert!(turned(&Value::Null, &after).is_empty());
    }

    #[test]
    fn a_diff_names_what_came_went_and_changed() {
        let before = json!({"file//a": {"mode": "0644"}, "mount//x": {}});
        let after = json!({"file//a": {"mode": "0600"}, "process/sleep": {}});
        let lines: Vec<String> = diff(&before, &after).iter().map(|line| format!("{} {} {}", line.sign, line.what, line.detail)).collect();
        assert_eq!(lines, ["~ file//a mode: 0644 -> 0600", "- mount//x ", "+ process/sleep "]);
        assert!(diff(&before, &before).is_empty());
    }

    #[test]
    fn what_was_on_the_machine_is_not_new() {
        let machine = json!({"kind": "dir", "mode": "0755", "owner": "0:0"});
        let changed = json!({"kind": "dir", "mode": "0700", "owner": "0:0", "was": machine});
        let removed = json!({"kind": "removed"});
        let told = |before: Value, after: Value| {
            diff(&before, &after).iter().map(|line| format!("{} {} {}", line.sign, line.what, line.detail)).collect::<Vec<_>>()
        };
        let (with, without) = (|thing: &Value| json!({"file//srv": thing}), json!({}));
        assert_eq!(told(without.clone(), with(&changed)), ["~ file//srv mode: 0755 -> 0700"]);
        assert_eq!(told(with(&changed), without.clone()), ["~ file//srv mode: 0700 -> 0755"]);
        assert_eq!(told(without.clone(), with(&removed)), ["- file//srv "]);
        assert_eq!(told(with(&removed), with(&changed)), ["+ file//srv "]);
        assert_eq!(told(with(&removed), without), ["+ file//srv "]);
    }
}
