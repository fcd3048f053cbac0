//! Mutants of facts about containers: what must not be there is put there, and a field that a fact names is changed whatever it is called.

use serde_json::{Value, json};

use super::super::super::fact::containers::Which;
use super::super::super::fact::{Compare, Container, Fact, Kind, Log};
use super::super::super::world::Recorded;
use super::{Mutant, changed, sample};

/// The lists of things that have names.
const LISTS: [&str; 3] = ["containers", "volumes", "networks"];

pub(super) fn planted(fact: &Fact, solved: &Recorded) -> Vec<Mutant> {
    let mut found = Vec::new();
    for (key, document) in &solved.documents {
        let Ok(document) = document else { continue };
        let changes = match &fact.kind {
            Kind::Field { of, path, .. } => of_field(document, &of.name, path),
            Kind::Container(wanted) if fact.invert => told_otherwise(document, wanted),
            Kind::Container(wanted) => of_container(document, wanted),
            Kind::Volume(wanted) if wanted.exists == Some(false) => new_in(document, "volumes", json!({ "name": wanted.name })),
            Kind::Network(wanted) if wanted.exists == Some(false) => new_in(document, "networks", json!({ "name": wanted.name })),
            Kind::Network(wanted) => {
                wanted.lacks.iter().flat_map(|name| more_in(document, "networks", &wanted.name, "members", &json!(name))).collect()
            }
            Kind::Port(wanted) if !wanted.published => {
                let port = json!({ "port": wanted.port, "address": "0.0.0.0", "host_port": 8080 });
                more_in(document, "containers", &wanted.container, "ports", &port)
            }
            Kind::Log(wanted) if wanted.count.holds("0") => line(wanted).map(|line| new_in(document, "lines", line)).unwrap_or_default(),
            _ => return found,
        };
        let mutant = |(pointer, field, document): (String, String, Value)| Mutant { key: key.clone(), pointer, field, document };
        found.extend(changes.into_iter().map(mutant));
    }
    found
}

/// Where, which field, and the changed document.
type Change = (String, String, Value);

/// The field that a fact names, in the entry of that name.
fn of_field(document: &Value, name: &str, path: &str) -> Vec<Change> {
    let mut found = Vec::new();
    for pointer in entries(document, name) {
        let pointer = format!("{pointer}/{}", path.replace('.', "/"));
        let Some(old) = document.pointer(&pointer) else { continue };
        found.extend(changed(old).into_iter().map(|new| (pointer.clone(), path.to_owned(), with(document, &pointer, new))));
    }
    found
}

fn of_container(document: &Value, wanted: &Container) -> Vec<Change> {
    let Which::Name(name) = &wanted.which else { return Vec::new() };
    if wanted.exists == Some(false) {
        return new_in(document, "containers", json!({ "name": name, "status": "running" }));
    }
    let mut found = Vec::new();
    for variable in &wanted.env_lacks {
        found.extend(more_in(document, "containers", name, "env", &json!(format!("{variable}=x"))));
    }
    for place in &wanted.mounts_lack {
        found.extend(more_in(document, "containers", name, "mounts", &json!({ "at": place, "type": "bind", "source": place })));
    }
    for pointer in entries(document, name) {
        for network in &wanted.networks_lack {
            let pointer = format!("{pointer}/networks");
            let Some(Value::Object(mut networks)) = document.pointer(&pointer).cloned() else { continue };
            networks.insert(network.clone(), json!({}));
            found.push((pointer.clone(), "networks".to_owned(), with(document, &pointer, networks.into())));
        }
        for network in &wanted.networks {
            let pointer = format!("{pointer}/networks");
            let Some(Value::Object(mut networks)) = document.pointer(&pointer).cloned() else { continue };
            networks.remove(network);
            found.push((format!("{pointer}/{network}"), "networks".to_owned(), with(document, &pointer, networks.into())));
        }
    }
    found
}

/// What the container must not run, run.
fn told_otherwise(document: &Value, wanted: &Container) -> Vec<Change> {
    let Which::Name(name) = &wanted.which else { return Vec::new() };
    let Some(command) = wanted.command.as_ref().and_then(sample) else { return Vec::new() };
    let changed = |pointer: String| {
        let pointer = format!("{pointer}/cmd");
        (pointer.clone(), "cmd".to_owned(), with(document, &pointer, json!([command])))
    };
    entries(document, name).into_iter().map(changed).collect()
}

/// A line that the log must not have.
fn line(wanted: &Log) -> Option<Value> {
    let text = match &wanted.line {
        Some(Compare::Contains(text)) => text.clone(),
        Some(Compare::Matches(pattern)) => sample(pattern)?,
        _ => "planted".to_owned(),
    };
    Some(json!({ "stream": wanted.stream.unwrap_or("stdout"), "text": text }))
}

/// The pointers of the entries of that name.
fn entries(document: &Value, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for list in LISTS {
        let things = document[list].as_array().into_iter().flatten().enumerate();
        found.extend(things.filter(|(_, thing)| thing["name"] == name).map(|(at, _)| format!("/{list}/{at}")));
    }
    found
}

/// One more thing in a list of the document.
fn new_in(document: &Value, list: &str, thing: Value) -> Vec<Change> {
    let Some(things) = document[list].as_array() else { return Vec::new() };
    let more = things.iter().cloned().chain([thing]).collect::<Vec<_>>();
    vec![(format!("/{list}/{}", things.len()), list.to_owned(), with(document, &format!("/{list}"), more.into()))]
}

/// One more thing in a list of the entry of that name.
fn more_in(document: &Value, list: &str, name: &str, field: &str, thing: &Value) -> Vec<Change> {
    let places = entries(document, name).into_iter().filter(|pointer| pointer.starts_with(&format!("/{list}/")));
    let mut found = Vec::new();
    for pointer in places {
        let pointer = format!("{pointer}/{field}");
        let Some(things) = document.pointer(&pointer).and_then(Value::as_array) else { continue };
        let more = things.iter().cloned().chain([thing.clone()]).collect::<Vec<_>>();
        found.push((format!("{pointer}/{}", things.len()), field.to_owned(), with(document, &pointer, more.into())));
    }
    found
}

fn with(document: &Value, pointer: &str, new: Value) -> Value {
    let mut mutant = document.clone();
    if let Some(place) = mutant.pointer_mut(pointer) {
        *place = new;
    }
    mutant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_field_is_changed_and_what_must_not_be_is_put_there() {
        let document =
            json!({ "containers": [{ "name": "a" }, { "name": "web", "inspect": { "State": { "Pid": 7 } }, "env": [], "networks": {} }] });
        let changes = of_field(&document, "web", "inspect.State.Pid");
        assert!(changes.iter().all(|(pointer, _, _)| pointer == "/containers/1/inspect/State/Pid") && changes.len() == 4);
        let wanted = Container {
            which: Which::Name("web".to_owned()),
            env_lacks: vec!["KEY".to_owned()],
            networks_lack: vec!["back".to_owned()],
            ..Container::default()
        };
        let changes = of_container(&document, &wanted);
        assert_eq!(changes[0].2["containers"][1]["env"], json!(["KEY=x"]));
        assert_eq!(changes[1].2["containers"][1]["networks"], json!({ "back": {} }));
    }
}
