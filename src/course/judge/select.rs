//! Picking things, processes and fields out of documents.

use serde_json::Value;

use super::super::fact::{Match, Place, Thing, ThingSort};
use super::super::question::Question;
use super::super::world::{Look, World};
use super::{Context, Unknown, containers};
use crate::bottle::Probe;
use crate::bottle::probe::Netns;

/// A field by its path: dots go deeper, numbers count from 0, `_` stands for a dot inside a name (`memory_max`).
pub(super) fn field<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(document, |value, part| match value {
        Value::Object(map) => map.get(part).or_else(|| map.iter().find(|(key, _)| key.replace('.', "_") == part).map(|(_, value)| value)),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A value as it is compared and shown.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Looks by a probe.
pub(super) fn probe(world: &mut dyn World, host: &str, probe: Probe) -> Result<Value, Unknown> {
    world.look(host, &Look::Probe(probe))
}

/// Asks about images and registries.
pub(super) fn ask(world: &mut dyn World, host: &str, question: Question) -> Result<Value, Unknown> {
    world.look(host, &Look::Ask(question))
}

/// The list under `key` of a document.
pub(super) fn list(document: &Value, key: &str) -> Vec<Value> {
    document[key].as_array().cloned().unwrap_or_default()
}

/// All processes of the host, its own PID 1 included.
pub(super) fn processes(world: &mut dyn World, host: &str) -> Result<Vec<Value>, Unknown> {
    Ok(list(&probe(world, host, Probe::Processes)?, "processes"))
}

/// The processes that fit.
pub(super) fn matching(wanted: &Match, host: &str, world: &mut dyn World) -> Result<Vec<Value>, Unknown> {
    let mut all = processes(world, host)?;
    if let Some(name) = &wanted.container {
        all = containers::processes(name, all, host, world)?;
    }
    let pid_file = match &wanted.pid_file {
        Some(path) => {
            let file = probe(world, host, Probe::File { path: path.clone(), process: None })?;
            // No file, or no number in it: no process fits.
            Some(file["content"].as_str().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0))
        }
        None => None,
    };
    let parents: Option<Vec<Value>> = wanted.parent.as_ref().map(|parent| matching(parent, host, world)).transpose()?;
    let parents: Option<Vec<u64>> = parents.map(|parents| parents.iter().filter_map(|process| process["pid"].as_u64()).collect());
    let fits = |process: &Value| {
        let word = |key: &str| process[key].as_str().unwrap_or_default();
        let number = |key: &str| process[key].as_u64();
        word("state") != "zombie"
            && wanted.comm.as_ref().is_none_or(|comm| word("comm") == comm)
            && wanted.args.as_ref().is_none_or(|args| args.fits(word("args")))
            && wanted.exe.as_ref().is_none_or(|exe| exe.fits(word("exe")))
            && wanted.uid.is_none_or(|uid| number("uid") == Some(uid))
            && wanted.pid.is_none_or(|pid| number("pid") == Some(pid))
            && pid_file.is_none_or(|pid| number("pid") == Some(pid))
            && wanted.in_cgroup.as_ref().is_none_or(|path| in_cgroup(process, path))
            && parents.as_ref().is_none_or(|parents| number("ppid").is_some_and(|parent| parents.contains(&parent)))
    };
    Ok(all.into_iter().filter(fits).collect())
}

/// Whether a process is in a cgroup or below it, in any tree.
pub(super) fn in_cgroup(process: &Value, path: &str) -> bool {
    let path = format!("/{}", path.trim_matches('/'));
    let below = format!("{}/", path.trim_end_matches('/'));
    process["cgroups"]
        .as_object()
        .is_some_and(|groups| groups.values().filter_map(Value::as_str).any(|group| group == path || group.starts_with(&below)))
}

/// The process that stands for a place; `None` for the host itself or a named network namespace.
pub(super) fn process_of(
    place: &Place,
    host: &str,
    world: &mut dyn World,
    context: &Context<'_>,
) -> Result<Option<Option<Value>>, Unknown> {
    match place {
        Place::Host | Place::Netns(_) => Ok(None),
        Place::Shell => {
            let pid = context.shell.ok_or("the learner's shell is not running")?;
            let all = processes(world, host)?;
            Ok(Some(all.into_iter().find(|process| process["pid"].as_i64() == Some(i64::from(pid)))))
        }
        Place::Process(wanted) => Ok(Some(matching(wanted, host, world)?.into_iter().next())),
    }
}

/// The network namespace of a place; `None` when its process is not there.
pub(super) fn netns_of(place: &Place, host: &str, world: &mut dyn World, context: &Context<'_>) -> Result<Option<Netns>, Unknown> {
    if let Place::Netns(name) = place {
        let there = list(&probe(world, host, Probe::NamedNetns)?, "netns").iter().any(|netns| netns["name"].as_str() == Some(name));
        return Ok(there.then(|| Netns::Named(name.clone())));
    }
    Ok(match process_of(place, host, world, context)? {
        None => Some(Netns::Own),
        Some(process) => process.and_then(|process| pid(&process)).map(Netns::Process),
    })
}

/// The number of a process.
pub(super) fn pid(process: &Value) -> Option<i32> {
    process["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
}

/// The document of one thing; `None` when it is not there.
pub(super) fn thing(of: &Thing, host: &str, world: &mut dyn World) -> Result<Option<Value>, Unknown> {
    let named = |document: Value, key: &str, field: &str, name: &str| {
        list(&document, key).into_iter().rfind(|one| one[field].as_str() == Some(name))
    };
    let there = |document: Value| (document["exists"] == true).then_some(document);
    Ok(match of.sort {
        ThingSort::File => there(probe(world, host, Probe::File { path: of.name.clone(), process: None })?),
        ThingSort::Cgroup => there(probe(world, host, Probe::Cgroup { path: of.name.clone(), knobs: Vec::new() })?),
        ThingSort::Process => {
            let wanted = Match { comm: Some(of.name.clone()), ..Match::default() };
            matching(&wanted, host, world)?.into_iter().next()
        }
        ThingSort::Mount => named(probe(world, host, Probe::Mounts { process: None })?, "mounts", "target", &of.name),
        ThingSort::Netns => named(probe(world, host, Probe::NamedNetns)?, "netns", "name", &of.name),
        // One of the engine, else one of `bottleship oci`.
        ThingSort::Container => match containers::named(&of.name, host, world)? {
            None => named(probe(world, host, Probe::Containers)?, "containers", "name", &of.name),
            found => found,
        },
        ThingSort::Volume => containers::one_of(Question::Volumes, "volumes", &of.name, host, world)?,
        ThingSort::Network => containers::one_of(Question::Networks, "networks", &of.name, host, world)?,
        ThingSort::Image => there(ask(world, host, Question::Image { name: of.name.clone() })?),
        ThingSort::User => named(probe(world, host, Probe::Users)?, "users", "name", &of.name),
        ThingSort::Link => {
            let (at, name) = match of.name.split_once('/') {
                Some((netns, name)) => (Netns::Named(netns.to_owned()), name),
                None => (Netns::Own, of.name.as_str()),
            };
            if let Netns::Named(netns) = &at {
                let known = named(probe(world, host, Probe::NamedNetns)?, "netns", "name", netns);
                if known.is_none() {
                    return Ok(None);
                }
            }
            named(probe(world, host, Probe::Network { at })?, "links", "name", name)
        }
    })
}
