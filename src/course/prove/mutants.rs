//! P8: is every fact there for something? One field at a time of what was seen in the solved world is changed, and the step judged again.
//!
//! A mutant is **killed** when the step no longer passes. Facts about what happened (`history`, `never`, `invariant`) are tried with another story
//! instead (see [`retold`]): one event taken out, or the one planted that must not be.
//! Mutated are the documents that the facts of the step looked at, in the fields that tell things of
//! their kind apart ([`telling`]); a field counts once, killed if any of its changes is noticed. Entries of a list (processes, mounts, links) that no
//! fact would miss are not part of what the step is about, and are not counted. A fact that no mutant can shake proves nothing: that fails the proof.
//! Fields that nothing notices are listed with the score, unless the lab masks them with a reason.

mod containers;
mod telling;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::fact::{Compare, EventPattern, Fact, Kind, Layer, Pattern, Which};
use super::super::judge::fits;
use super::super::session::{Past, Session};
use super::super::view::{FactView, Verdict};
use super::super::world::Recorded;
use super::solved::{Solved, copy};
use super::{Outcome, Prover, Row, exempt};
use crate::journal::{Event, Log};
use telling::{NAMESPACES, TELLING};

/// A changed document: which, where in it, and what it says now.
struct Mutant {
    key: String,
    pointer: String,
    field: String,
    document: Value,
}

/// What is found by trying mutants.
#[derive(Default)]
struct Score {
    /// Place and field of everything that was changed.
    seen: BTreeSet<(String, String)>,
    killed: BTreeSet<String>,
    masked: BTreeSet<String>,
    /// Facts that noticed something.
    shaken: BTreeSet<String>,
}

impl Score {
    fn take(&mut self, place: String, field: String, facts: &[FactView], mask: bool) {
        let fails = || facts.iter().filter(|fact| fact.not_here.is_none() && fact.verdict != Verdict::Pass);
        if fails().next().is_some() {
            self.killed.insert(place.clone());
            self.shaken.extend(fails().map(|fact| fact.id.clone()));
        } else if mask {
            self.masked.insert(place.clone());
        }
        self.seen.insert((place, field));
    }

    fn told(&self) -> String {
        let survived =
            || self.seen.iter().filter(|(place, _)| !self.killed.contains(place) && !self.masked.contains(place)).map(|(_, field)| field);
        let names: BTreeSet<&str> = survived().map(String::as_str).collect();
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.into_iter().collect::<Vec<_>>().join(", ")) };
        let (all, killed) = (self.seen.len(), self.killed.len());
        format!(
            "{all} fields: {killed} killed, {} masked, {} not noticed{names}",
            self.masked.difference(&self.killed).count(),
            survived().count()
        )
    }
}

/// Tries all mutants of a solved step.
pub(super) fn prove(prover: &mut Prover<'_>, session: &Session, solved: &Solved<'_>, rows: &mut Vec<Row>) {
    let unit = session.unit().id.clone();
    let current = &session.unit().steps[solved.step];
    let subject = current.id.clone();
    if let Some(reason) = exempt(current, "P8") {
        return prover.row(rows, &unit, "P8", subject, Outcome::Exempt(reason));
    }
    let masks = |field: &str| current.facts.iter().flat_map(|fact| &fact.mask).any(|(name, _)| name == field);
    let mut score = Score::default();
    let mut world = solved.after.clone();
    let planted = current.facts.iter().flat_map(|fact| planted(fact, &solved.after));
    let missed = |key: &str, document: Value| would_be_missed(session, solved, key, document);
    for mutant in all(&solved.after, &missed).into_iter().chain(planted) {
        let original = world.documents.insert(mutant.key.clone(), Ok(mutant.document));
        let facts = session.judge_past(solved.step, &mut world, &solved.past);
        let place = format!("{} {}", mutant.key, mutant.pointer);
        if let Some(original) = original {
            world.documents.insert(mutant.key, original);
        }
        score.take(place, mutant.field.clone(), &facts, masks(&mutant.field));
    }
    let place = format!("{unit}#{subject}");
    for (story, field, log) in current.facts.iter().flat_map(|fact| retold(fact, &solved.past, &place)) {
        let facts = session.judge_past(solved.step, &mut world, &Past { log: &log, since: solved.past.since });
        score.take(story, field.clone(), &facts, masks(&field));
    }
    let applies = |fact: &&Fact| session.missing(&fact.needs).is_none() && fact.given_alone().is_none();
    let firm: Vec<&str> =
        current.facts.iter().filter(applies).map(|fact| fact.id.as_str()).filter(|id| !score.shaken.contains(*id)).collect();
    let outcome = match firm.is_empty() {
        true => Outcome::Proved(score.told()),
        false => Outcome::Failed(format!("nothing shakes {}; {}", firm.join(", "), score.told())),
    };
    prover.row(rows, &unit, "P8", subject, outcome);
}

/// Journals that tell another story than the one a fact rests on: where, what, and the journal.
fn retold(fact: &Fact, past: &Past<'_>, step: &str) -> Vec<(String, String, Log)> {
    let named = |at: usize, what: &str, log: Log| (format!("journal {} {at}", fact.id), format!("event {what}"), log);
    let with = |event: Event| {
        let mut log = copy(past.log);
        log.extend([Event { seq: past.log.last() + 1, ..event }]);
        log
    };
    match &fact.kind {
        Kind::History(patterns) => {
            let without = |pattern: &EventPattern| {
                let mut log = Log::default();
                log.extend(past.log.after(0).filter(|event| !fits(event, pattern)).cloned());
                log
            };
            patterns.iter().enumerate().map(|(at, pattern)| named(at, &pattern.kind, without(pattern))).collect()
        }
        Kind::Never { event, .. } => unwanted_event(event).map(|planted| named(0, &event.kind, with(planted))).into_iter().collect(),
        Kind::Invariant { of } => {
            let mut look = Event::new("check", "look", format!("{step}#{of}"));
            look.data = json!({ "verdict": Verdict::Fail, "got": "planted" });
            vec![named(0, "look", with(look))]
        }
        _ => Vec::new(),
    }
}

/// An event that fits a pattern, if its patterns are simple ones.
fn unwanted_event(pattern: &EventPattern) -> Option<Event> {
    let subject = pattern.subject.as_ref().map_or_else(|| Some(String::new()), sample)?;
    let actor = pattern.actor.as_deref().unwrap_or("you");
    let mut event = Event::new(actor, pattern.kind.trim_end_matches(".*"), subject);
    event.host = pattern.host.clone().unwrap_or_default();
    let mut data = Map::new();
    for (path, pattern) in &pattern.data {
        data.insert(path.clone(), sample(pattern)?.into());
    }
    event.data = data.into();
    fits(&event, pattern).then_some(event)
}

impl Fact {
    /// A fact about nothing but the learner's answer has no world to change.
    fn given_alone(&self) -> Option<()> {
        matches!(self.kind, Kind::Answer { given: true, run: None, .. }).then_some(())
    }
}

/// Whether some fact sees anything else when one of its documents is this one.
fn would_be_missed(session: &Session, solved: &Solved<'_>, key: &str, document: Value) -> bool {
    let seen = |world: &mut Recorded| -> Vec<(Verdict, String)> {
        session.judge_past(solved.step, world, &solved.past).into_iter().map(|fact| (fact.verdict, fact.got)).collect()
    };
    let (mut world, mut other) = (solved.after.clone(), solved.after.clone());
    other.documents.insert(key.to_owned(), Ok(document));
    seen(&mut world) != seen(&mut other)
}

/// The entries of a document's lists that somebody would miss.
fn kept_entries(document: &Value, missed: &dyn Fn(Value) -> bool) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    for (name, list) in document.as_object().into_iter().flatten() {
        for at in 0..list.as_array().filter(|list| list.iter().any(Value::is_object)).map_or(0, Vec::len) {
            let mut without = document.clone();
            if let Some(list) = without[name].as_array_mut() {
                list.remove(at);
            }
            if missed(without) {
                kept.insert(format!("/{name}/{at}"));
            }
        }
    }
    kept
}

/// The entry of a list that a pointer leads into: `/mounts/3` of `/mounts/3/fstype`.
fn entry_of(pointer: &str) -> Option<String> {
    let mut parts = pointer.split('/').skip(1);
    let (list, at) = (parts.next()?, parts.next()?);
    at.parse::<usize>().ok().map(|at| format!("/{list}/{at}"))
}

/// Every mutant of every document.
fn all(solved: &Recorded, missed: &dyn Fn(&str, Value) -> bool) -> Vec<Mutant> {
    let mut found = Vec::new();
    for (key, document) in &solved.documents {
        let Ok(document) = document else { continue };
        let mut leaves = Vec::new();
        collect(document, "", "", &mut leaves);
        let kept = kept_entries(document, &|without| missed(key, without));
        leaves.retain(|(pointer, _)| entry_of(pointer).is_none_or(|entry| kept.contains(&entry)));
        for (pointer, field) in leaves {
            let Some(old) = document.pointer(&pointer) else { continue };
            for new in changed(old) {
                let mut mutant = document.clone();
                if let Some(place) = mutant.pointer_mut(&pointer) {
                    *place = new;
                }
                found.push(Mutant { key: key.clone(), pointer: pointer.clone(), field: field.clone(), document: mutant });
            }
        }
    }
    found
}

/// Worlds in which something is that the fact says is not: in each document that lists things of the sort, one more that fits.
fn planted(fact: &Fact, solved: &Recorded) -> Vec<Mutant> {
    let Some((list, thing)) = unwanted(fact) else {
        return planted_of_images(fact, solved).into_iter().chain(containers::planted(fact, solved)).collect();
    };
    let mut found = Vec::new();
    for (key, document) in &solved.documents {
        let Some(things) = document.as_ref().ok().and_then(|document| document[list].as_array()) else { continue };
        // Like the last of its sort in everything but what makes it fit.
        let mut one = things.last().and_then(Value::as_object).cloned().unwrap_or_default();
        one.extend(thing.clone());
        let (pointer, mut document) = (format!("/{list}/{}", things.len()), document.clone().unwrap_or_default());
        if let Some(things) = document[list].as_array_mut() {
            things.push(one.into());
        }
        found.push(Mutant { key: key.clone(), pointer, field: list.to_owned(), document });
    }
    found
}

/// The same for what must be in no layer, in no line of a history, and under no tag.
fn planted_of_images(fact: &Fact, solved: &Recorded) -> Vec<Mutant> {
    let mut found = Vec::new();
    for (key, document) in &solved.documents {
        let Ok(document) = document else { continue };
        let (list, thing) = match &fact.kind {
            Kind::Layer(layer) if !layer.present => ("files", file_of(layer, document)),
            Kind::Image(image) => ("history", image.history_lacks.as_ref().and_then(sample).map(Value::from)),
            Kind::Registry(registry) => ("tags", registry.lacks_tags.as_ref().and_then(sample).map(Value::from)),
            _ => return found,
        };
        let (Some(thing), Some(things)) = (thing, document[list].as_array()) else { continue };
        let pointer = format!("/{list}/{}", things.len());
        let mut document = document.clone();
        if let Some(things) = document[list].as_array_mut() {
            things.push(thing);
        }
        found.push(Mutant { key: key.clone(), pointer, field: list.to_owned(), document });
    }
    found
}

/// A file that a layer must not have, in the highest layer that counts.
fn file_of(wanted: &Layer, document: &Value) -> Option<Value> {
    let number = match wanted.which {
        Which::Any | Which::Top => document["layers"].as_array()?.len() as u64,
        Which::Bottom => 1,
        Which::Number(number) => number,
    };
    let path = wanted.path.clone().or_else(|| wanted.paths.as_ref().and_then(sample)).unwrap_or_else(|| "/planted".to_owned());
    let content = match &wanted.content {
        Some(Compare::Is(text) | Compare::Contains(text)) => text.clone(),
        Some(Compare::Matches(pattern)) => sample(pattern)?,
        _ => String::new(),
    };
    let mode = wanted.mode.map_or_else(|| "0644".to_owned(), |mode| format!("{mode:04o}"));
    let owner = wanted.owner.as_deref().unwrap_or("0:0");
    Some(json!({
        "layer": number, "path": path, "kind": if wanted.whiteout { "whiteout" } else { "file" }, "whiteout": wanted.whiteout,
        "content": content, "mode": mode, "owner": owner,
    }))
}

/// What must not be there, if the fact is about that: the list it would stand in, and the fields that make it fit.
fn unwanted(fact: &Fact) -> Option<(&'static str, Map<String, Value>)> {
    let mut thing = Map::new();
    match &fact.kind {
        Kind::Count(count) => {
            for (path, pattern) in &count.filter {
                thing.insert(path.clone(), sample(pattern)?.into());
            }
            Some((count.of, thing))
        }
        Kind::Process(process) if !process.running => {
            let wanted = &process.matching;
            thing.insert("pid".to_owned(), 4_000_000.into());
            thing.extend(wanted.comm.as_ref().map(|comm| ("comm".to_owned(), comm.as_str().into())));
            thing.extend(wanted.args.as_ref().and_then(sample).map(|args| ("args".to_owned(), args.into())));
            thing.extend(wanted.in_cgroup.as_ref().map(|path| ("cgroups".to_owned(), json!({ "mutant": path }))));
            Some(("processes", thing))
        }
        Kind::Mount(mount) if mount.absent => {
            thing.insert("target".to_owned(), mount.target.as_str().into());
            Some(("mounts", thing))
        }
        _ => None,
    }
}

/// A text that a simple pattern fits: its plain beginning, or what is left of it without anchors and escapes.
fn sample(pattern: &Pattern) -> Option<String> {
    let text = pattern.text().trim_start_matches('^').trim_end_matches('$').replace('\\', "");
    let beginning = text.split(['(', '[', '|', '*', '+', '?', '.', '{']).next().unwrap_or_default().to_owned();
    [beginning, text].into_iter().find(|text| pattern.fits(text))
}

/// The telling fields of a document: JSON pointer and name. Lists of things are gone into; a list of plain values is one field, and so is each list itself.
fn collect(value: &Value, pointer: &str, field: &str, leaves: &mut Vec<(String, String)>) {
    let namespace = pointer.contains("/ns/") && NAMESPACES.contains(&field);
    let telling = TELLING.contains(&field) || namespace || pointer.contains("/labels/");
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                collect(inner, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), name, leaves);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            leaves.push((pointer.to_owned(), field.to_owned()));
            for (at, inner) in list.iter().enumerate() {
                collect(inner, &format!("{pointer}/{at}"), field, leaves);
            }
        }
        _ if telling => leaves.push((pointer.to_owned(), field.to_owned())),
        _ => {}
    }
}

/// Other values of the same sort.
fn changed(old: &Value) -> Vec<Value> {
    match old {
        Value::Bool(truth) => vec![json!(!truth)],
        Value::Number(number) => {
            let more =
                |number: u64| [number + 1, number.saturating_mul(2) + 7, number.saturating_mul(1000) + 7, 0].map(Value::from).to_vec();
            number.as_u64().map(more).unwrap_or_default()
        }
        Value::String(text) => {
            let mut others = vec![format!("{text}x"), String::new(), "max".to_owned()];
            others.extend(
                text.parse::<u64>()
                    .ok()
                    .into_iter()
                    .flat_map(|number| [number + 1, number.saturating_mul(2) + 7, 0])
                    .map(|number| number.to_string()),
            );
            others.into_iter().filter(|other| other != text).map(Value::String).collect()
        }
        Value::Array(list) => {
            let mut others = vec![Value::Array(Vec::new())];
            if let Some(first) = list.first() {
                others.push(Value::Array(list.iter().cloned().chain([first.clone()]).collect()));
            } else {
                others.push(json!(["CAP_MUTANT"]));
            }
            others.into_iter().filter(|other| other != old).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telling_fields_are_found_and_changed() {
        let document = json!({"processes": [{"pid": 7, "comm": "x", "ns": {"pid": 3}, "caps": {"effective": []}}], "cgroup": "/a"});
        let mut leaves = Vec::new();
        collect(&document, "", "", &mut leaves);
        let names: Vec<&str> = leaves.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(names, ["/processes", "/processes/0/comm", "/processes/0/ns/pid", "/processes/0/caps/effective"]);
        assert_eq!(sample(&Pattern::new("^/srv/jail").unwrap()).as_deref(), Some("/srv/jail"));
        assert_eq!(sample(&Pattern::new("a|b").unwrap()).as_deref(), Some("a"), "its beginning");
        assert_eq!(sample(&Pattern::new("^(a|b)$").unwrap()), None, "no simple pattern");
        assert!(changed(&json!("64")).contains(&json!("65")));
        assert!(changed(&json!([])).contains(&json!(["CAP_MUTANT"])));
    }

    #[test]
    fn entries_that_nobody_would_miss_do_not_count() {
        let document = json!({"mounts": [{"target": "/a"}, {"target": "/b"}], "names": ["x"]});
        let kept = kept_entries(&document, &|without| without["mounts"][0]["target"] == "/b");
        assert_eq!(kept.into_iter().collect::<Vec<_>>(), ["/mounts/0"]);
        assert_eq!(entry_of("/mounts/0/fstype").as_deref(), Some("/mounts/0"));
        assert_eq!(entry_of("/mounts"), None);
        assert_eq!(entry_of("/ns/pid"), None);
    }

    #[test]
    fn a_story_is_retold_without_what_it_needs_or_with_what_must_not_be() {
        let mut log = Log::default();
        log.extend(["unshare -m", "ls"].iter().zip(5..).map(|(line, seq)| Event { seq, ..Event::new("you", "line", *line) }));
        let pattern = |subject: &str| EventPattern {
            kind: "line".to_owned(),
            subject: Some(Pattern::new(subject).unwrap()),
            host: None,
            actor: None,
            data: Vec::new(),
        };
        let planted = unwanted_event(&pattern("^kill -9")).unwrap();
        assert!(fits(&planted, &pattern("^kill")) && planted.subject == "kill -9");
        assert!(unwanted_event(&pattern("^(a|b)$")).is_none(), "no simple pattern");
        assert_eq!(copy(&log).last(), 6);
    }
}
