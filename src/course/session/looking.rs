//! `:why`, `:diff`, and the line that says what a command changed.

use serde_json::Value;

use super::super::error::Error;
use super::super::place::BENCH;
use super::super::view::{DiffLine, Effect, WhyLine};
use super::super::world::{Live, Look, World as _};
use super::Session;
use crate::bottle::Probe;
use crate::journal::Event;

impl Session {
    /// `:why [SEQ|WORD]`: the causes of the latest event that fits; without a subject, of what the last check rested on.
    ///
    /// # Errors
    /// No event fits, or the journal cannot be read.
    pub fn why(&mut self, of: &str) -> Result<Vec<WhyLine>, Error> {
        self.follow_journal()?;
        let log = &self.moment.log;
        let of = of.trim();
        let ours = |event: &&Event| !["look", "check", "step", "unit", "hint"].contains(&event.kind.as_str());
        let fits = |event: &&Event| event.kind.contains(of) || event.subject.contains(of);
        let found = match of.trim_start_matches('#').parse::<u64>() {
            Ok(seq) => log.get(seq).map(|event| event.seq),
            Err(_) if of.is_empty() => self.evidence.last().copied().or_else(|| log.after(0).rfind(ours).map(|event| event.seq)),
            Err(_) => log.after(0).filter(ours).rfind(fits).map(|event| event.seq),
        };
        let chain = found.map(|seq| log.causes(seq)).unwrap_or_default();
        if chain.is_empty() {
            let why = if of.is_empty() { "nothing has happened yet".to_owned() } else { format!("no event is about `{of}`") };
            return Err(Error::NotNow { why, hint: "type something first, or name an event by its number or a word of it".to_owned() });
        }
        Ok(chain.into_iter().map(why_line).collect())
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

    pub(super) fn effect(&mut self) -> Result<Effect, Error> {
        let now = self.place.bottle.host(BENCH)?.probe(&Probe::Census)?;
        let count = |census: &Value, what: &str| census[what].as_i64().unwrap_or(0);
        let changes =
            now.as_object().into_iter().flatten().map(|(what, _)| (what.clone(), count(&now, what) - count(&self.moment.census, what)));
        let effect = Effect { changes: changes.filter(|(_, change)| *change != 0).collect() };
        self.moment.census = now;
        Ok(effect)
    }
}

fn why_line(event: &Event) -> WhyLine {
    WhyLine { seq: event.seq, actor: event.actor.clone(), kind: event.kind.clone(), subject: event.subject.clone() }
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
    use serde_json::json;

    #[test]
    fn a_diff_names_what_came_went_and_changed() {
        let before = json!({"file//a": {"mode": "0644"}, "mount//x": {}});
        let after = json!({"file//a": {"mode": "0600"}, "process/sleep": {}});
        let lines: Vec<String> = diff(&before, &after).iter().map(|line| format!("{} {} {}", line.sign, line.what, line.detail)).collect();
        assert_eq!(lines, ["~ file//a mode: 0644 -> 0600", "- mount//x ", "+ process/sleep "]);
        assert!(diff(&before, &before).is_empty());
    }
}
