//! Facts about processes and their namespaces.

use serde_json::Value;

use super::super::fact::{Match, Place, Process};
use super::super::world::World;
use super::select::{in_cgroup, matching, pid, probe, process_of, processes, text};
use super::{Context, State, Unknown, words};
use crate::bottle::Probe;

/// A `process` fact: one process that fits must have everything.
pub(super) fn look(fact: &Process, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let found = matching(&fact.matching, host, world)?;
    if !fact.running {
        let names: Vec<String> = found.iter().map(|process| format!("process {}", text(&process["pid"]))).collect();
        return Ok(State::of(found.is_empty(), if names.is_empty() { "no such process".to_owned() } else { names.join(", ") }));
    }
    if found.is_empty() {
        return Ok(State::absent("no such process").missing(words::no_process(&fact.matching)));
    }
    let wanted_root = match fact.root_is.as_deref() {
        Some("host") => processes(world, host)?.iter().find(|process| process["pid"] == 1).map(|host| text(&host["root_id"])),
        Some(path) => Some(text(&probe(world, host, Probe::File { path: path.to_owned(), process: None })?["id"])),
        None => None,
    };
    let all_caps = processes(world, host)?.iter().find(|process| process["pid"] == 1).map(|host| host["caps"]["bounding"].clone());
    let mut first = None;
    let (fitting, _): (Vec<Value>, Vec<Value>) =
        found.iter().cloned().partition(|process| first_wrong(fact, process, wanted_root.as_deref(), all_caps.as_ref()).is_none());
    for process in &found {
        let subject = format!("process {}", text(&process["pid"]));
        match first_wrong(fact, process, wanted_root.as_deref(), all_caps.as_ref()) {
            None => return Ok(State::of(true, describe(fact, process)).on(subject).by(&fitting)),
            Some(got) => first = first.or(Some(State::of(false, got).on(subject))),
        }
    }
    Ok(first.unwrap_or_else(|| State::absent("no such process")))
}

/// What of a process does not fit: the value observed.
fn first_wrong(fact: &Process, process: &Value, root: Option<&str>, all_caps: Option<&Value>) -> Option<String> {
    let mut tests: Vec<(bool, String)> = Vec::new();
    let number = |key: &str| process[key].as_u64();
    tests.extend(root.map(|root| (text(&process["root_id"]) == root && !root.is_empty(), format!("the root {}", text(&process["root"])))));
    tests.extend(fact.uid.map(|uid| (number("uid") == Some(uid), format!("uid {}", text(&process["uid"])))));
    tests.extend(fact.gid.map(|gid| (number("gid") == Some(gid), format!("gid {}", text(&process["gid"])))));
    tests.extend(fact.caps.iter().map(|(set, wanted)| {
        let has = names(&process["caps"][*set]);
        let wanted = wanted.clone().unwrap_or_else(|| all_caps.map(names).unwrap_or_default());
        (same(&has, &wanted), if has.is_empty() { "empty".to_owned() } else { has.join(", ") })
    }));
    tests.extend(fact.seccomp.map(|seccomp| (process["seccomp"] == seccomp, format!("seccomp {}", text(&process["seccomp"])))));
    tests.extend(
        fact.no_new_privs.map(|wanted| (process["no_new_privs"] == wanted, format!("no_new_privs {}", text(&process["no_new_privs"])))),
    );
    tests.extend(fact.cgroup.as_ref().map(|path| {
        let at = process["cgroups"].as_object().is_some_and(|groups| groups.values().any(|group| group.as_str() == Some(path)));
        (at || in_cgroup(process, path) && path != "/", format!("the cgroup {}", text(&process["cgroup"])))
    }));
    tests.extend((!fact.state.is_empty()).then(|| (fact.state.iter().any(|state| process["state"] == *state), text(&process["state"]))));
    tests.extend(fact.pid_inside.map(|wanted| {
        let inside = process["nspid"].as_array().and_then(|numbers| numbers.last()).and_then(Value::as_u64);
        (inside == Some(wanted), format!("number {}", inside.unwrap_or(0)))
    }));
    tests.extend(fact.uid_map.iter().map(|line| {
        let wanted = line.split_whitespace().collect::<Vec<_>>().join(" ");
        (
            process["uid_map"].as_array().is_some_and(|lines| lines.iter().any(|line| line.as_str() == Some(&wanted))),
            text(&process["uid_map"]),
        )
    }));
    tests.into_iter().find(|(fits, _)| !fits).map(|(_, got)| got)
}

fn describe(fact: &Process, process: &Value) -> String {
    match fact.caps.first() {
        Some((set, _)) => names(&process["caps"][*set]).join(", "),
        None if !fact.state.is_empty() => text(&process["state"]),
        None => format!("process {}", text(&process["pid"])),
    }
}

fn names(set: &Value) -> Vec<String> {
    set.as_array().into_iter().flatten().map(text).collect()
}

fn same(one: &[String], other: &[String]) -> bool {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list.dedup();
        list
    };
    sorted(one) == sorted(other)
}

/// A `namespace` fact: every process that fits, every kind.
pub(super) fn namespaces(
    of: &Match,
    kinds: &[String],
    differ: bool,
    other: &Place,
    host: &str,
    world: &mut dyn World,
    context: &Context<'_>,
) -> Result<State, Unknown> {
    let found = matching(of, host, world)?;
    if found.is_empty() {
        return Ok(State::absent("no such process").missing(words::no_process(of)));
    }
    let Some(reference) = reference(other, host, world, context)? else {
        return Ok(State::absent("nothing to compare with is there").missing(words::nobody_at(other)));
    };
    for process in &found {
        let wrong: Vec<&str> = kinds
            .iter()
            .filter(|kind| match (process["ns"][kind.as_str()].as_u64(), reference[kind.as_str()].as_u64()) {
                (Some(one), Some(two)) => (one == two) == differ,
                // A namespace that cannot be seen is not known to differ.
                _ => true,
            })
            .map(String::as_str)
            .collect();
        if !wrong.is_empty() {
            return Ok(State::of(false, wrong.join(", ")).on(format!("process {}", pid(process).unwrap_or(0))));
        }
    }
    Ok(State::of(true, kinds.join(", ")).by(&found))
}

fn reference(other: &Place, host: &str, world: &mut dyn World, context: &Context<'_>) -> Result<Option<Value>, Unknown> {
    if let Place::Netns(name) = other {
        let named = probe(world, host, Probe::NamedNetns)?;
        let number = named["netns"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|netns| netns["name"].as_str() == Some(name))
            .map(|netns| netns["ino"].clone());
        return Ok(number.map(|number| serde_json::json!({ "net": number })));
    }
    match process_of(other, host, world, context)? {
        Some(process) => Ok(process.map(|process| process["ns"].clone())),
        None => Ok(processes(world, host)?.iter().find(|process| process["pid"] == 1).map(|process| process["ns"].clone())),
    }
}
