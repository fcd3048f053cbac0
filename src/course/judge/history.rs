//! Facts about what happened: read from the journal, judged by pure code.

use serde_json::Value;

use super::super::fact::EventPattern;
use super::super::view::Verdict;
use super::{State, select};
use crate::journal::{Event, Log};

/// Whether an event fits a pattern.
pub(in crate::course) fn fits(event: &Event, pattern: &EventPattern) -> bool {
    let kind = match pattern.kind.strip_suffix(".*") {
        Some(family) => event.kind == family || event.kind.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')),
        None => event.kind == pattern.kind,
    };
    // What a process in the bottle says of itself counts only where the author names it as the one whose word is taken.
    let trusted = !event.inside || pattern.actor.is_some();
    kind && trusted
        && pattern.subject.as_ref().is_none_or(|subject| subject.fits(&event.subject))
        && pattern.host.as_ref().is_none_or(|host| *host == event.host)
        && pattern.actor.as_ref().is_none_or(|actor| *actor == event.actor)
        && pattern.data.iter().all(|(path, wanted)| wanted.fits(&select::text(select::field(&event.data, path).unwrap_or(&Value::Null))))
}

/// The events in their order, others may lie between.
pub(super) fn sequence(patterns: &[EventPattern], log: &Log, since: u64) -> State {
    let mut found = Vec::new();
    let mut wanted = patterns.iter().peekable();
    for event in log.after(since) {
        if wanted.peek().is_some_and(|pattern| fits(event, pattern)) {
            found.push(event.seq);
            wanted.next();
        }
    }
    let missing = wanted.peek().map(|pattern| describe(pattern));
    let got = missing.as_ref().map_or_else(|| "all of it happened".to_owned(), |what| format!("no {what} yet"));
    State { holds: missing.is_none(), absent: found.is_empty(), got, events: found, ..State::default() }
}

pub(super) fn describe(pattern: &EventPattern) -> String {
    match &pattern.subject {
        Some(subject) => format!("{} with `{}`", pattern.kind, subject.text()),
        None => pattern.kind.clone(),
    }
}

/// The first event that fits.
pub(super) fn first(pattern: &EventPattern, log: &Log, since: u64) -> Option<State> {
    let event = log.after(since).find(|event| fits(event, pattern))?;
    Some(State { got: event.subject.clone(), subject: event.subject.clone(), events: vec![event.seq], ..State::default() })
}

/// Every look at another fact since then: all passed, one did not, or there was none. Looks that could not be made do not count.
pub(super) fn invariant(subject: &str, log: &Log, since: u64) -> (Verdict, State) {
    let looks: Vec<&Event> = log
        .after(since)
        .filter(|event| event.kind == "look" && !event.inside && event.subject == subject && event.data["verdict"] != "error")
        .collect();
    if let Some(broken) = looks.iter().find(|event| event.data["verdict"] != "pass") {
        let got = select::text(&broken.data["got"]);
        // The cause of a look is the line that was typed before it: that is what a learner can do something about.
        let line = log.get(broken.cause).map(|line| line.subject.clone()).unwrap_or_default();
        let events = if broken.cause > 0 { vec![broken.seq, broken.cause] } else { vec![broken.seq] };
        return (Verdict::Fail, State { got, subject: line, events, ..State::default() });
    }
    match looks.last() {
        Some(last) => {
            (Verdict::Pass, State { holds: true, got: format!("{} looks", looks.len()), events: vec![last.seq], ..State::default() })
        }
        None => (Verdict::Vacuous, State::of(false, "nobody has looked yet")),
    }
}
