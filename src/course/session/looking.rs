//! The journal, `:diff`, and the line that says what a command changed.

use serde_json::{Value, json};

use super::super::error::Error;
use super::super::place::BENCH;
use super::super::view::{DiffLine, Effect};
use super::super::world::{Live, Look, World as _};
use super::Session;
use crate::bottle::Probe;
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
        let effect = Effect { changes: changes.filter(|(_, change)| *change != 0).collect() };
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

/// What differs between two snapshots, sorted by name.
pub(in crate::course) fn diff(before: &Value, after: &Value) -> Vec<DiffLine> {
    let empty = serde_json::Map::new();
    let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let mut lines = Vec::new();
    for (what, old) in before {
        match after.get(what) {
            None => lines.push(DiffLine { sign: '-', what: what.clone(), detail: String::new() }),
            Some(new) if new != old => lines.push(DiffLine { sign: '~', what: what.clone(), detail: changes(old, new) }),
            Some(_) => {}
        }
    }
    for what in after.keys().filter(|what| !before.contains_key(*what)) {
        lines.push(DiffLine { sign: '+', what: what.clone(), detail: String::new() });
    }
    lines.sort_by(|one, other| one.what.cmp(&other.what));
    lines
}

fn changes(old: &Value, new: &Value) -> String {
    let fields = new.as_object().into_iter().flatten().filter(|(field, value)| old[field.as_str()] != **value);
    let told = fields.map(|(field, value)| {
        format!("{field}: {} -> {}", super::super::judge::plain(&old[field.as_str()]), super::super::judge::plain(value))
    });
    told.collect::<Vec<_>>().join("; ")
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
    fn a_diff_names_what_came_went_and_changed() {
        let before = json!({"file//a": {"mode": "0644"}, "mount//x": {}});
        let after = json!({"file//a": {"mode": "0600"}, "process/sleep": {}});
        let lines: Vec<String> = diff(&before, &after).iter().map(|line| format!("{} {} {}", line.sign, line.what, line.detail)).collect();
        assert_eq!(lines, ["~ file//a mode: 0644 -> 0600", "- mount//x ", "+ process/sleep "]);
        assert!(diff(&before, &before).is_empty());
    }
}
