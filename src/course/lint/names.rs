//! Names that must lead somewhere: units, hosts, abilities, kinds of events, parameters, files.

use super::super::error::{Problem, Spot};
use super::super::fact::{EventPattern, Fact, Kind};
use super::super::fields::did_you_mean;
use super::super::library::Course;
use super::super::unit::Block;
use super::super::yaml::spot_near;
use super::Finds;
use crate::bottle::abilities;

/// What the journal has (see the reference); families stand for all that begins with them.
const EVENTS: &[&str] = &[
    "line",
    "line.end",
    "answer",
    "unit",
    "step",
    "check",
    "look",
    "hint",
    "question",
    "xray",
    "oom",
    "pids.max",
    "host.ready",
    "host.gone",
    "container.create",
    "container.start",
    "container.exec",
    "container.kill",
    "container.exit",
    "container.delete",
    "api",
    "docker.container.create",
    "docker.container.start",
    "docker.container.die",
    "docker.container.oom",
    "docker.container.kill",
    "docker.container.stop",
    "docker.container.restart",
    "docker.container.pause",
    "docker.container.unpause",
    "docker.container.rename",
    "docker.container.update",
    "docker.container.destroy",
    "docker.container.exec_start",
    "docker.container.health_status",
    "docker.volume.create",
    "docker.volume.destroy",
    "docker.network.create",
    "docker.network.connect",
    "docker.network.disconnect",
    "docker.network.destroy",
    "docker.image.pull",
    "docker.image.tag",
    "docker.image.untag",
    "docker.image.delete",
];

/// Rows of the concept list.
pub(super) fn rows(found: &mut Finds<'_>) {
    let is_row = |row: &str| {
        let number = row.strip_prefix(['C', 'X']).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entry = found.entry;
    for (at, row) in entry.example.teaches.iter().enumerate().filter(|(_, row)| !is_row(row)) {
        found.add(&format!("teaches[{at}]"), format!("`{row}` is no row of the concept list"), "write C-001 or X-001");
    }
}

/// Units to do before, hosts, and abilities.
pub(super) fn needs(course: &Course, found: &mut Finds<'_>) {
    let unit = &found.entry.example;
    // A unit that cannot be read is complained about itself; that others need it is no slip of theirs.
    let ids: Vec<&str> = course.ids().collect();
    for (at, need) in unit.needs.iter().enumerate() {
        let key = format!("needs[{at}]");
        if *need == unit.id {
            found.add(&key, "names this unit itself".to_owned(), "take it out");
        } else if !ids.contains(&need.as_str()) {
            let hint = did_you_mean(need, &ids).unwrap_or_else(|| "the id of a lesson or lab, as `:list` shows it".to_owned());
            found.add(&key, format!("there is no unit `{need}`"), hint);
        }
    }
    abilities(&unit.world.needs, "world.needs", found);
    for (at, step) in unit.steps.iter().enumerate() {
        abilities(&step.needs, &format!("steps[{at}].needs"), found);
        for block in &step.blocks {
            if let Block::Run { needs, line, .. } = block {
                let before = found.list.len();
                abilities(needs, "run", found);
                found.list[before..].iter_mut().for_each(|problem| problem.spot = Spot::from(line.saturating_sub(1)));
            }
        }
    }
}

fn abilities(needs: &[String], key: &str, found: &mut Finds<'_>) {
    for need in needs.iter().filter(|need| !need.starts_with("tool:") && !abilities::NAMES.contains(&need.as_str())) {
        let hint = did_you_mean(need, abilities::NAMES).unwrap_or_else(|| format!("one of: {}, tool:NAME", abilities::NAMES.join(", ")));
        found.add(key, format!("`{need}` is no ability"), hint);
    }
}

/// Hosts and events that facts speak of.
pub(super) fn facts(found: &mut Finds<'_>) {
    let unit = &found.entry.example;
    let mut hosts: Vec<&str> = unit.world.hosts.iter().map(String::as_str).collect();
    hosts.extend(["bench", "internet"]);
    for (at, step) in unit.steps.iter().enumerate() {
        for (number, fact) in step.facts.iter().enumerate() {
            one_fact(fact, &format!("steps[{at}].facts[{number}]"), &hosts, found);
        }
        for (number, mistake) in step.mistakes.iter().enumerate() {
            one_fact(&mistake.when, &format!("steps[{at}].mistakes[{number}].when"), &hosts, found);
        }
        let strange = step.commands().filter(|command| !hosts.contains(&command.host.as_str()));
        for command in strange {
            let hint = did_you_mean(&command.host, &hosts).unwrap_or_else(|| "add it to `world: {hosts: [...]}`".to_owned());
            found.add(&format!("steps[{at}]"), format!("`@{}` is no host of this world", command.host), hint);
        }
    }
}

fn one_fact(fact: &Fact, key: &str, hosts: &[&str], found: &mut Finds<'_>) {
    if !hosts.contains(&fact.host.as_str()) {
        let hint = did_you_mean(&fact.host, hosts).unwrap_or_else(|| "add it to `world: {hosts: [...]}`".to_owned());
        found.add(&format!("{key}.host"), format!("`{}` is no host of this world", fact.host), hint);
    }
    abilities(&fact.needs, &format!("{key}.needs"), found);
    match &fact.kind {
        Kind::History(events) => {
            for (at, event) in events.iter().enumerate() {
                one_event(event, &format!("{key}.events[{at}].kind"), found);
            }
        }
        Kind::Never { event, .. } => one_event(event, &format!("{key}.event.kind"), found),
        _ => {}
    }
}

fn one_event(event: &EventPattern, key: &str, found: &mut Finds<'_>) {
    let family = event.kind.strip_suffix(".*");
    let known = match family {
        Some(family) => EVENTS.iter().any(|kind| kind.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))),
        None => EVENTS.contains(&event.kind.as_str()),
    };
    if !known {
        let hint = did_you_mean(&event.kind, EVENTS).unwrap_or_else(|| format!("one of: {}", EVENTS.join(", ")));
        found.add(key, format!("the journal has no events of the kind `{}`", event.kind), hint);
    }
}

/// Parameters that nothing uses.
pub(super) fn params(course: &Course, found: &mut Finds<'_>) {
    let entry = found.entry;
    let folder = if entry.example.lab { entry.file.parent() } else { Some(entry.file.as_path()) };
    let texts: Vec<&[u8]> = course
        .files()
        .iter()
        .filter(|(path, _)| folder.is_some_and(|folder| path.starts_with(folder)))
        .map(|(_, file)| file.content.as_slice())
        .collect();
    for param in &entry.example.params {
        let hole = format!("{{{}}}", param.name);
        if !texts.iter().any(|text| text.windows(hole.len()).any(|part| part == hole.as_bytes())) {
            let what = "is drawn and never used".to_owned();
            found.add(&format!("params.{}", param.name), what, format!("write `{hole}` where it belongs, or take it out"));
        }
    }
}

/// Where files go, and files that go nowhere.
pub(super) fn places(course: &Course, found: &mut Finds<'_>) {
    let entry = found.entry;
    for (name, target) in &entry.example.place {
        if !target.starts_with('/') || target.ends_with('/') {
            let what = format!("`{target}` is no path of a file");
            found.add(&format!("place.{name}"), what, "write the whole path, from `/` to the file's name");
        }
    }
    let Some(folder) = entry.file.parent().filter(|_| entry.example.lab) else { return };
    for path in course.files().keys().filter(|path| path.starts_with(folder.join("files"))) {
        let below = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        if !entry.example.place.iter().any(|(name, _)| *name == below) {
            let hint = format!("add `place: {{{below}: /where/to}}`, or remove the file");
            found.add("place", format!("the file `{below}` is copied nowhere"), hint);
        }
    }
}

/// Units that need each other in a circle: nobody could begin.
pub(super) fn circles(course: &Course) -> Vec<Problem> {
    let mut problems = Vec::new();
    for entry in course.units() {
        let mut reached: Vec<&str> = entry.example.needs.iter().map(String::as_str).filter(|need| *need != entry.example.id).collect();
        let mut at = 0;
        while at < reached.len() {
            let next = course.units().iter().find(|other| other.example.id == reached[at]);
            for need in next.into_iter().flat_map(|next| &next.example.needs) {
                if !reached.contains(&need.as_str()) {
                    reached.push(need);
                }
            }
            at += 1;
        }
        if reached.contains(&entry.example.id.as_str()) {
            problems.push(Problem {
                file: entry.file.clone(),
                spot: spot_near(&entry.example.spots, "needs"),
                key: "needs".to_owned(),
                what: "leads back to this unit".to_owned(),
                hint: "take one of the needs out: nobody could begin".to_owned(),
            });
        }
    }
    problems
}
