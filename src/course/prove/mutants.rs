//! P8: is every fact there for something? One field at a time of what was seen in the solved world is changed, and the step judged again.
//!
//! A mutant is **killed** when the step no longer passes. Mutated are the documents that the facts of the step looked at, in the fields that tell things of
//! their kind apart ([`TELLING`]); a field counts once, killed if any of its changes is noticed. A fact that no mutant can shake proves nothing:
//! that fails the proof. Fields that nothing notices are listed with the score, unless the lab masks them with a reason.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::fact::{Fact, Kind, Pattern};
use super::super::session::Session;
use super::super::view::Verdict;
use super::super::world::Recorded;
use super::{Outcome, Prover, Row, exempt};

/// Fields that say what a thing is. Numbers that the kernel hands out anew each time, and paths and names that only select, are not among them.
const TELLING: [&str; 38] = [
    "exists",
    "kind",
    "mode",
    "owner",
    "content",
    "links_to",
    "executable",
    "text",
    "code",
    "answers",
    "body",
    "root_id",
    "uid",
    "gid",
    "state",
    "seccomp",
    "no_new_privs",
    "uid_map",
    "effective",
    "permitted",
    "bounding",
    "inheritable",
    "ambient",
    "fstype",
    "options",
    "propagation",
    "up",
    "master",
    "addresses",
    "procs",
    "status",
    "bytes",
    "via",
    "memory.max",
    "pids.max",
    "cpu.max",
    "oom_kill",
    "comm",
];
/// Namespace numbers are telling too: a process in another namespace is another world.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// A changed document: which, where in it, and what it says now.
struct Mutant {
    key: String,
    pointer: String,
    field: String,
    document: Value,
}

/// Tries all mutants of a solved step.
pub(super) fn prove(prover: &mut Prover<'_>, session: &Session, step: usize, solved: &Recorded, rows: &mut Vec<Row>) {
    let unit = session.unit().id.clone();
    let current = &session.unit().steps[step];
    let subject = current.id.clone();
    if let Some(reason) = exempt(current, "P8") {
        return prover.row(rows, &unit, "P8", subject, Outcome::Exempt(reason));
    }
    let masks: Vec<&(String, String)> = current.facts.iter().flat_map(|fact| &fact.mask).collect();
    let (mut killed, mut masked, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut shaken: BTreeSet<String> = BTreeSet::new();
    let mut world = solved.clone();
    let planted = current.facts.iter().flat_map(|fact| planted(fact, solved));
    for mutant in all(solved).into_iter().chain(planted) {
        let place = format!("{} {}", mutant.key, mutant.pointer);
        let original = world.documents.insert(mutant.key.clone(), Ok(mutant.document));
        let facts = session.judge_at(step, &mut world);
        if let Some(original) = original {
            world.documents.insert(mutant.key, original);
        }
        let fails: Vec<String> =
            facts.iter().filter(|fact| fact.not_here.is_none() && fact.verdict != Verdict::Pass).map(|fact| fact.id.clone()).collect();
        if !fails.is_empty() {
            killed.insert(place.clone());
            shaken.extend(fails);
        } else if masks.iter().any(|(field, _)| *field == mutant.field) {
            masked.insert(place.clone());
        }
        seen.insert((place, mutant.field));
    }
    let survived: Vec<&str> =
        seen.iter().filter(|(place, _)| !killed.contains(place) && !masked.contains(place)).map(|(_, field)| field.as_str()).collect();
    let firm: Vec<&str> = current
        .facts
        .iter()
        .filter(|fact| {
            !fact.kind.is_history() && session.missing(&fact.needs).is_none() && !shaken.contains(&fact.id) && fact.given_alone().is_none()
        })
        .map(|fact| fact.id.as_str())
        .collect();
    let total = seen.len();
    let names: BTreeSet<&str> = survived.iter().copied().collect();
    let score = format!(
        "{total} fields: {} killed, {} masked, {} not noticed{}",
        killed.len(),
        masked.difference(&killed).count(),
        survived.len(),
        if names.is_empty() { String::new() } else { format!(" ({})", names.into_iter().collect::<Vec<_>>().join(", ")) }
    );
    let outcome =
        if firm.is_empty() { Outcome::Proved(score) } else { Outcome::Failed(format!("nothing shakes {}; {score}", firm.join(", "))) };
    prover.row(rows, &unit, "P8", subject, outcome);
}

impl super::super::fact::Fact {
    /// A fact about nothing but the learner's answer has no world to change.
    fn given_alone(&self) -> Option<()> {
        matches!(self.kind, super::super::fact::Kind::Answer { given: true, run: None, .. }).then_some(())
    }
}

/// Every mutant of every document.
fn all(solved: &Recorded) -> Vec<Mutant> {
    let mut found = Vec::new();
    for (key, document) in &solved.documents {
        let Ok(document) = document else { continue };
        let mut leaves = Vec::new();
        collect(document, "", "", &mut leaves);
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
    let Some((list, thing)) = unwanted(fact) else { return Vec::new() };
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
    let telling = TELLING.contains(&field) || pointer.contains("/ns/") && NAMESPACES.contains(&field);
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
}
