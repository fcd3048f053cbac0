//! Facts about what is.

use serde_json::Value;

use super::super::fact::{Cgroup, Compare, Count, Expect, Fact, File, Kind, Measure, Mount, Place, Target, Thing, ThingSort};
use super::super::fields::parse_size;
use super::super::question::Question;
use super::super::world::{Look, World};
use super::select::{ask, field, list, matching, netns_of, pid, probe, process_of, processes, text, thing};
use super::{Context, State, Unknown, containers, images, process, words};
use crate::bottle::Probe;

/// Looks at a fact about what is.
pub(super) fn look(fact: &Fact, world: &mut dyn World, context: &Context<'_>) -> Result<State, Unknown> {
    let host = fact.host.as_str();
    match &fact.kind {
        Kind::Exists(of) => exists(of, host, world),
        Kind::Field { of, path, compare } => one_field(of, path, compare, host, world),
        Kind::Count(count) => counted(count, host, world, context),
        Kind::File(file) => look_file(file, host, world),
        Kind::Process(wanted) => process::look(wanted, host, world),
        Kind::Namespace { of, kinds, differ, other } => process::namespaces(of, kinds, *differ, other, host, world, context),
        Kind::Cgroup(cgroup) => look_cgroup(cgroup, host, world),
        Kind::Mount(mount) => look_mount(mount, host, world, context),
        Kind::Image(wanted) => images::image(wanted, host, world),
        Kind::Layer(wanted) => images::layer(wanted, host, world),
        Kind::Registry(wanted) => images::registry(wanted, host, world),
        Kind::Container(wanted) => containers::container(wanted, host, world),
        Kind::Volume(wanted) => containers::volume(wanted, host, world),
        Kind::Network(wanted) => containers::network(wanted, host, world),
        Kind::Port(wanted) => containers::port(wanted, host, world),
        Kind::Log(wanted) => containers::log(wanted, host, world),
        Kind::Reach { from, to, expect, body } => {
            let state = reach(from, to, *expect, host, world, context)?;
            match body.as_ref().filter(|_| state.0.holds) {
                Some(body) if !body.fits(&state.1) => Ok(State::of(false, state.1)),
                _ => Ok(state.0),
            }
        }
        Kind::Answer { given, run, compare } => answer(*given, run.as_deref(), compare.as_ref(), host, world, context),
        Kind::Budget { of, at_most } => budget(of, *at_most, host, world),
        Kind::Exec { run, exit } => exec(run, *exit, host, world),
        Kind::Gone(_) | Kind::History(_) | Kind::Never { .. } | Kind::Invariant { .. } => Err("is no fact about what is".to_owned()),
    }
}

/// Whether a thing is there.
pub(super) fn exists(of: &Thing, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let found = thing(of, host, world)?;
    Ok(State {
        holds: found.is_some(),
        absent: found.is_none(),
        got: if found.is_some() { "it is there" } else { "it is not there" }.to_owned(),
        subject: of.name.clone(),
        sort: found.as_ref().filter(|_| of.sort == ThingSort::File).map(|document| text(&document["kind"])).unwrap_or_default(),
        who: found.iter().filter(|_| of.sort == ThingSort::Process).filter_map(|process| process["pid"].as_u64()).collect(),
        ..State::default()
    })
}

fn one_field(of: &Thing, path: &str, compare: &Compare, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let Some(document) = thing(of, host, world)? else {
        return Ok(State::absent("nothing: it is not there").on(&of.name).missing(words::no_thing(of)));
    };
    let value = text(field(&document, path).unwrap_or(&Value::Null));
    let state = State::of(compare.holds(&value), shown(&value)).on(&of.name);
    Ok(if of.sort == ThingSort::Process { state.by(&[document]) } else { state })
}

pub(super) fn shown(value: &str) -> String {
    if value.trim().is_empty() { "nothing".to_owned() } else { value.to_owned() }
}

fn counted(count: &Count, host: &str, world: &mut dyn World, context: &Context<'_>) -> Result<State, Unknown> {
    let things = match count.of {
        "processes" => match &count.matching {
            Some(wanted) => matching(wanted, host, world)?,
            // The host's own PID 1 is none of the learner's. The dead count only where somebody asks for a state.
            None => {
                let dead_too = count.filter.iter().any(|(path, _)| path == "state");
                let counts = |process: &Value| process["pid"] != 1 && (dead_too || process["state"] != "zombie");
                processes(world, host)?.into_iter().filter(counts).collect()
            }
        },
        "mounts" => match process_of(&count.within, host, world, context)? {
            Some(None) => return Ok(State::absent("0")),
            process => list(&probe(world, host, Probe::Mounts { process: process.flatten().as_ref().and_then(pid) })?, "mounts"),
        },
        "links" => match netns_of(&count.within, host, world, context)? {
            None => return Ok(State::absent("0")),
            Some(at) => list(&probe(world, host, Probe::Network { at })?, "links"),
        },
        "netns" => list(&probe(world, host, Probe::NamedNetns)?, "netns"),
        "cgroups" => {
            let below = count.under.as_ref().map(|path| format!("{}/", path.trim_end_matches('/')));
            let all = list(&probe(world, host, Probe::Cgroups)?, "cgroups");
            let inside = |one: &Value| below.as_ref().is_none_or(|below| text(&one["path"]).starts_with(below.as_str()));
            all.into_iter().filter(inside).collect()
        }
        "containers" => [containers::all(host, world)?, list(&probe(world, host, Probe::Containers)?, "containers")].concat(),
        "volumes" => list(&ask(world, host, Question::Volumes)?, "volumes"),
        "networks" => list(&ask(world, host, Question::Networks)?, "networks"),
        "images" => list(&ask(world, host, Question::Images)?, "images"),
        "files" => list(&probe(world, host, Probe::Tree { path: count.under.clone().unwrap_or_default() })?, "files"),
        _ => list(&probe(world, host, Probe::Users)?, "users"),
    };
    let fits = |one: &&Value| count.filter.iter().all(|(path, wanted)| wanted.fits(&text(field(one, path).unwrap_or(&Value::Null))));
    let number = things.iter().filter(fits).count().to_string();
    Ok(State { holds: count.compare.holds(&number), absent: number == "0", got: number, ..State::default() })
}

fn look_file(file: &File, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let process = match &file.within {
        None => None,
        Some(wanted) => match matching(wanted, host, world)?.first().and_then(pid) {
            None => return Ok(State::absent("no such process").on(&file.path).missing(words::no_process(wanted))),
            found => found,
        },
    };
    let document = probe(world, host, Probe::File { path: file.path.clone(), process })?;
    let there = document["exists"] == true;
    if file.exists == Some(false) {
        return Ok(State::of(!there, if there { "it is there" } else { "it is not there" }).on(&file.path));
    }
    if !there {
        return Ok(State::absent("no such file").on(&file.path).missing(format!("There is no {}.", file.path)));
    }
    let content = document["content"].as_str().unwrap_or_default();
    let value = |key: &str| text(&document[key]);
    let mut tests: Vec<(bool, String)> = Vec::new();
    tests.extend(file.sort.map(|sort| (value("kind") == sort, format!("a {}", value("kind")))));
    tests.extend(file.links_to.as_ref().map(|target| (value("links_to") == *target, shown(&value("links_to")))));
    tests.extend(file.mode.map(|mode| (value("mode") == format!("{mode:04o}"), format!("mode {}", value("mode")))));
    tests.extend(file.owner.as_ref().map(|owner| (value("owner") == *owner, format!("owner {}", value("owner")))));
    tests.extend(file.executable.map(|wanted| (document["executable"] == wanted, format!("mode {}", value("mode")))));
    tests.extend(file.content.iter().map(|compare| (compare.holds(content), shown(content))));
    let wrong = tests.into_iter().find(|(fits, _)| !fits);
    let state = wrong.map_or_else(|| State::of(true, shown(content)), |(_, got)| State::of(false, got));
    Ok(state.on(&file.path).sort(value("kind")))
}

fn look_cgroup(cgroup: &Cgroup, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let mut knobs: Vec<String> = cgroup.knob.iter().map(|(name, _)| name.clone()).collect();
    knobs.extend(cgroup.share.iter().map(|_| "cpu.max".to_owned()));
    let document = probe(world, host, Probe::Cgroup { path: cgroup.path.clone(), knobs })?;
    let there = document["exists"] == true;
    if cgroup.exists == Some(false) {
        return Ok(State::of(!there, if there { "it is there" } else { "it is not there" }).on(&cgroup.path));
    }
    if !there {
        return Ok(State::absent("no such cgroup").on(&cgroup.path).missing(words::no_group(&cgroup.path)));
    }
    let members: Vec<u64> = list(&document, "procs").iter().filter_map(Value::as_u64).collect();
    let mut tests: Vec<(bool, String)> = Vec::new();
    tests.extend(cgroup.knob.as_ref().map(|(name, compare)| {
        let value = document.get(name).map(text).unwrap_or_default();
        (compare.holds(&value), shown(&value))
    }));
    tests.extend(cgroup.share.as_ref().map(|compare| {
        let share = share(document["cpu.max"].as_str().unwrap_or_default());
        let value = share.map_or_else(|| "max".to_owned(), |percent| format!("{percent}"));
        (compare.holds(&value), if value == "max" { "no limit".to_owned() } else { format!("{value}%") })
    }));
    tests.extend(
        cgroup
            .empty
            .map(|empty| (members.is_empty() == empty, format!("{} process{}", members.len(), if members.len() == 1 { "" } else { "es" }))),
    );
    for (name, at_least) in &cgroup.events {
        let count = document["events"][name.as_str()].as_u64().unwrap_or(0);
        // One counter alone is known by the author's own words.
        let got = if cgroup.events.len() == 1 { count.to_string() } else { format!("{name} {count}") };
        tests.push((count >= *at_least, got));
    }
    let mut inside = Vec::new();
    let mut nobody = String::new();
    if let Some(wanted) = &cgroup.procs {
        let found = matching(wanted, host, world)?;
        let outside: Vec<String> = found
            .iter()
            .filter(|process| process["pid"].as_u64().is_none_or(|pid| !members.contains(&pid)))
            .map(|process| text(&process["pid"]))
            .collect();
        let got = if found.is_empty() { "no such process".to_owned() } else { format!("process {}", outside.join(", ")) };
        // Where another test comes first, its value is told.
        if found.is_empty() && tests.iter().all(|(fits, _)| *fits) {
            nobody = words::no_process(wanted);
        }
        tests.push((!found.is_empty() && outside.is_empty(), got));
        inside = found;
    }
    let wrong = tests.iter().find(|(fits, _)| !fits);
    let got = tests.first().map_or_else(|| "it is there".to_owned(), |(_, got)| got.clone());
    Ok(wrong.map_or_else(|| State::of(true, got), |(_, got)| State::of(false, got).missing(nobody)).on(&cgroup.path).by(&inside))
}

/// `QUOTA PERIOD` as a percentage; `None` without a quota.
fn share(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period) = (parse_size(quota)?, parse_size(period)?);
    (quota.is_finite() && period > 0.0).then(|| (quota / period * 1000.0).round() / 10.0)
}

fn look_mount(mount: &Mount, host: &str, world: &mut dyn World, context: &Context<'_>) -> Result<State, Unknown> {
    let process = match process_of(&mount.within, host, world, context)? {
        Some(None) => return Ok(State::absent("no such process").on(&mount.target).missing(words::nobody_at(&mount.within))),
        process => process.flatten().as_ref().and_then(pid),
    };
    let mounts = list(&probe(world, host, Probe::Mounts { process })?, "mounts");
    // The last one made is the one on top.
    let found = mounts.iter().rfind(|one| one["target"].as_str() == Some(&mount.target));
    if mount.absent {
        return Ok(State::of(found.is_none(), found.map_or_else(|| "nothing".to_owned(), |one| text(&one["fstype"]))).on(&mount.target));
    }
    let Some(one) = found else {
        return Ok(State::absent("not mounted").on(&mount.target).missing(words::not_mounted(mount)));
    };
    let value = |key: &str| text(&one[key]);
    let mut tests: Vec<(bool, String)> = Vec::new();
    tests.extend(mount.fstype.as_ref().map(|fstype| (value("fstype") == *fstype, value("fstype"))));
    tests.extend(mount.source.as_ref().map(|source| (source.fits(&value("source")), value("source"))));
    tests.extend(mount.root.as_ref().map(|root| (root.fits(&value("root")), value("root"))));
    tests.extend(mount.propagation.map(|wanted| (value("propagation") == wanted, value("propagation"))));
    for option in &mount.options {
        let has = one["options"].as_array().is_some_and(|options| options.iter().any(|other| other.as_str() == Some(option)));
        tests.push((has, value("options")));
    }
    let wrong = tests.into_iter().find(|(fits, _)| !fits);
    Ok(wrong.map_or_else(|| State::of(true, value("fstype")), |(_, got)| State::of(false, got)).on(&mount.target))
}

/// The state, and the body of an HTTP answer.
fn reach(
    from: &Place,
    to: &Target,
    expect: Expect,
    host: &str,
    world: &mut dyn World,
    context: &Context<'_>,
) -> Result<(State, String), Unknown> {
    let who = if let Place::Process(of) = from { Some(of) } else { None };
    let Some(netns) = netns_of(from, host, world, context)? else {
        let nobody = State::absent("there is nothing to try it from").missing(words::nobody_at(from));
        return Ok((nobody, String::new()));
    };
    let to = match to.host() {
        None => to.clone(),
        Some(name) => match containers::resolved(who, name, host, world)? {
            Ok(address) => to.clone().at(address),
            Err(why) => return Ok((State::of(expect == Expect::No, why), String::new())),
        },
    };
    let document = probe(world, host, Probe::Reach { from: netns, to })?;
    let answers = document["answers"].as_str().unwrap_or_default();
    let wanted = match expect {
        Expect::Yes => "yes",
        Expect::No => "no",
        Expect::Refused => "refused",
    };
    let got = document["why"].as_str().unwrap_or(if answers == "yes" { "it answers" } else { answers });
    Ok((State::of(answers == wanted, got), text(&document["body"])))
}

fn answer(
    given: bool,
    run: Option<&str>,
    compare: Option<&Compare>,
    host: &str,
    world: &mut dyn World,
    context: &Context<'_>,
) -> Result<State, Unknown> {
    let printed = run.map(|command| printed(command, host, world)).transpose()?;
    let (got, wanted) = if given {
        let Some(answer) = context.given else {
            return Ok(State::absent("no answer").missing("You have given no answer yet: `:answer WORDS`."));
        };
        let wanted = printed.map(|(_, text)| text.trim().to_owned());
        (answer.trim().to_owned(), wanted)
    } else {
        let (late, text) = printed.unwrap_or_default();
        if late {
            return Ok(State::absent("nothing within 5 s"));
        }
        (text.trim_end().to_owned(), None)
    };
    let holds = match (&wanted, compare) {
        (Some(wanted), _) => Compare::Is(wanted.clone()).holds(&got),
        (None, Some(compare)) => compare.holds(&got),
        (None, None) => false,
    };
    Ok(State { holds, absent: got.is_empty(), got: shown(&got), ..State::default() })
}

/// Whether the command was too late, and what it printed.
fn printed(command: &str, host: &str, world: &mut dyn World) -> Result<(bool, String), Unknown> {
    let document = world.look(host, &Look::Run(command.to_owned()))?;
    Ok((document["late"] == true, text(&document["text"])))
}

fn budget(of: &Measure, at_most: f64, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let used = match of {
        Measure::Bytes(path) => text(&probe(world, host, Probe::Tree { path: path.clone() })?["bytes"]),
        Measure::Files(path) => list(&probe(world, host, Probe::Tree { path: path.clone() })?, "files").len().to_string(),
        Measure::Processes => processes(world, host)?.iter().filter(|process| process["pid"] != 1).count().to_string(),
        Measure::Mounts => list(&probe(world, host, Probe::Mounts { process: None })?, "mounts").len().to_string(),
        Measure::Memory(path) | Measure::Pids(path) => {
            let document = probe(world, host, Probe::Cgroup { path: path.clone(), knobs: Vec::new() })?;
            if document["exists"] != true {
                return Ok(State::absent("no such cgroup").missing(words::no_group(path)));
            }
            let keys: &[&str] = if matches!(of, Measure::Pids(_)) { &["pids.current"] } else { &["memory.peak", "memory.current"] };
            keys.iter().find_map(|key| document.get(*key)).map(text).unwrap_or_default()
        }
    };
    Ok(State::of(Compare::AtMost(at_most).holds(&used), shown(&used)))
}

fn exec(command: &str, exit: i64, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let document = world.look(host, &Look::Run(command.to_owned()))?;
    if document["late"] == true {
        return Ok(State::of(false, "nothing within 5 s"));
    }
    let code = document["code"].as_i64().ok_or("the command gave no exit code")?;
    let last = text(&document["text"]).trim_end().lines().last().unwrap_or_default().to_owned();
    Ok(State::of(code == exit, format!("exit code {code}, {}", shown(&last))))
}
