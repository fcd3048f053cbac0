//! Facts about containers, volumes, networks, published ports and logs.

use serde_json::Value;

use super::super::fact::containers::Which;
use super::super::fact::{Compare, Container, Log, Match, Network, Pattern, Port, Target, Volume};
use super::super::question::Question;
use super::super::world::World;
use super::images::{Tests, exec_form, of_tests};
use super::select::{ask, list, matching, probe, text};
use super::state::shown;
use super::{State, Unknown};
use crate::bottle::Probe;
use crate::bottle::probe::Netns;

/// All containers of the host's engine, the newest first.
pub(super) fn all(host: &str, world: &mut dyn World) -> Result<Vec<Value>, Unknown> {
    Ok(list(&ask(world, host, Question::Containers)?, "containers"))
}

/// The container of this name; or the one whose id begins so, as docker finds it.
pub(super) fn named(name: &str, host: &str, world: &mut dyn World) -> Result<Option<Value>, Unknown> {
    let all = all(host, world)?;
    let found = all.iter().find(|one| text(&one["name"]) == name);
    let by_id = || all.iter().find(|one| name.len() >= 4 && text(&one["id"]).starts_with(name));
    Ok(found.or_else(by_id).cloned())
}

/// The one of a list that has this name.
pub(super) fn one_of(question: Question, key: &str, name: &str, host: &str, world: &mut dyn World) -> Result<Option<Value>, Unknown> {
    Ok(list(&ask(world, host, question)?, key).into_iter().find(|one| text(&one["name"]) == name))
}

pub(super) fn container(wanted: &Container, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let found = match &wanted.which {
        Which::Name(name) => named(name, host, world)?.into_iter().collect(),
        Which::Label(label) => all(host, world)?.into_iter().filter(|one| is_labelled(one, label)).collect(),
        Which::Image(image) => all(host, world)?.into_iter().filter(|one| same_image(&text(&one["image"]), image)).collect::<Vec<_>>(),
    };
    let subject = subject_of(&wanted.which);
    if wanted.exists == Some(false) {
        return Ok(State::of(found.is_empty(), if found.is_empty() { "it is not there" } else { "it is there" }).on(subject));
    }
    let mut states = Vec::new();
    for one in &found {
        states.push(of_tests(tests(wanted, one, host, world)?, &format!("it is {}", text(&one["status"]))).on(text(&one["name"])));
    }
    // Of several one that fits is enough; else the newest is told of.
    let at = states.iter().position(|state| state.holds).unwrap_or(0);
    Ok(states.into_iter().nth(at).unwrap_or_else(|| State::absent("no such container").on(subject).missing(none(&wanted.which))))
}

fn is_labelled(one: &Value, label: &str) -> bool {
    let (name, value) = label.split_once('=').map_or((label, None), |(name, value)| (name, Some(value)));
    one["labels"].get(name).is_some_and(|has| value.is_none_or(|value| text(has) == value))
}

/// `nginx` and `nginx:latest` are the same.
fn same_image(one: &str, other: &str) -> bool {
    let whole = |name: &str| {
        let short = name.strip_prefix("docker.io/library/").or_else(|| name.strip_prefix("docker.io/")).unwrap_or(name);
        let tagged = short.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        if tagged { short.to_owned() } else { format!("{short}:latest") }
    };
    whole(one) == whole(other)
}

/// What stands for a container in sentences.
pub(super) fn subject_of(which: &Which) -> &str {
    let (Which::Name(subject) | Which::Label(subject) | Which::Image(subject)) = which;
    subject
}

/// That a container is not there.
fn none(which: &Which) -> String {
    match which {
        Which::Name(name) => no_container(name),
        Which::Label(label) => format!("No container is labelled {label}."),
        Which::Image(image) => format!("No container is made of {image}."),
    }
}

pub(super) fn no_container(name: &str) -> String {
    format!("There is no container {name}.")
}

fn tests(wanted: &Container, one: &Value, host: &str, world: &mut dyn World) -> Result<Tests, Unknown> {
    let mut tests = of_its_state(wanted, one);
    tests.extend(of_its_words(wanted, one));
    tests.extend(of_its_surroundings(wanted, one));
    if let Some(name) = &wanted.made_of {
        let image = ask(world, host, Question::Image { name: name.clone() })?;
        let same = image["exists"] == true && image["image_id"] == one["image_id"];
        tests.push((same, format!("{}, which is not what {name} is now", text(&one["image"]))));
    }
    Ok(tests)
}

/// What it does, or how it ended.
fn of_its_state(wanted: &Container, one: &Value) -> Tests {
    let status = text(&one["status"]);
    let code = one["exit_code"].as_i64().unwrap_or(0);
    let told = match status.as_str() {
        "exited" | "dead" | "restarting" => format!("{status} with {code}"),
        _ => status.clone(),
    };
    let mut tests = Tests::new();
    if !wanted.state.is_empty() {
        tests.push((wanted.state.contains(&status.as_str()), told.clone()));
    }
    if !wanted.exit_code.is_empty() {
        let ended = ["exited", "dead", "restarting"].contains(&status.as_str());
        tests.push((ended && wanted.exit_code.contains(&code), told));
    }
    let error = text(&one["error"]);
    tests.extend(wanted.error.as_ref().map(|pattern| (pattern.fits(&error), shown(&error))));
    tests
}

fn of_its_words(wanted: &Container, one: &Value) -> Tests {
    let words = |key: &str| list(one, key).iter().map(text).collect::<Vec<_>>();
    let mut tests = Tests::new();
    for (key, exactly) in &wanted.words {
        let value = text(&one[*key]);
        let fits = if *key == "image" { same_image(&value, exactly) } else { value == *exactly };
        // A test that answers for the health of a container says why it failed.
        let said = text(&one["health_said"]);
        let got = if *key == "health" && !fits && !said.trim().is_empty() { format!("{value}: {}", said.trim()) } else { shown(&value) };
        tests.push((fits, got));
    }
    tests.extend(wanted.truths.iter().map(|(key, truth)| (one[*key] == *truth, format!("{} {}", key.replace('_', " "), text(&one[*key])))));
    for (key, limit) in &wanted.numbers {
        let value = text(&one[*key]);
        tests.push((limit.holds(&value), if value == "max" { "no limit".to_owned() } else { value }));
    }
    for (key, exactly) in [("entrypoint", &wanted.entrypoint), ("cmd", &wanted.cmd)] {
        tests.extend(exactly.as_ref().map(|exactly| (words(key) == *exactly, exec_form(&words(key)))));
    }
    let command = [words("entrypoint"), words("cmd")].concat().join(" ");
    tests.extend(wanted.command.as_ref().map(|pattern| (pattern.fits(&command), shown(&command))));
    for (key, exactly) in [("cap_add", &wanted.cap_add), ("cap_drop", &wanted.cap_drop)] {
        tests.extend(exactly.as_ref().map(|exactly| (words(key) == *exactly, shown(&words(key).join(", ")))));
    }
    let variables = words("env");
    let value = |name: &str| {
        variables.iter().find_map(|line| line.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()))
    };
    tests.extend(wanted.env.iter().map(|(name, pattern)| of_pattern(pattern, value(name), name)));
    tests.extend(
        wanted
            .env_lacks
            .iter()
            .map(|name| (value(name).is_none(), value(name).map_or_else(String::new, |value| format!("{name}={value}")))),
    );
    tests.extend(wanted.labels.iter().map(|(name, pattern)| of_pattern(pattern, one["labels"].get(name).map(text), name)));
    tests
}

fn of_pattern(pattern: &Pattern, value: Option<String>, name: &str) -> (bool, String) {
    (value.as_ref().is_some_and(|value| pattern.fits(value)), value.unwrap_or_else(|| format!("no {name}")))
}

/// Mounts and networks.
fn of_its_surroundings(wanted: &Container, one: &Value) -> Tests {
    let mut tests = Tests::new();
    let mounts = list(one, "mounts");
    for wanted in &wanted.mounts {
        let Some(mount) = mounts.iter().find(|mount| text(&mount["at"]) == wanted.at) else {
            tests.push((false, format!("nothing at {}", wanted.at)));
            continue;
        };
        let at = &wanted.at;
        let fits = wanted.sort.is_none_or(|sort| text(&mount["type"]) == sort)
            && wanted.name.as_ref().is_none_or(|name| text(&mount["name"]) == *name)
            && wanted.source.as_ref().is_none_or(|source| source.fits(&text(&mount["source"])))
            && wanted.read_only.is_none_or(|read_only| mount["writable"] == !read_only);
        let whose = [text(&mount["name"]), text(&mount["source"])].into_iter().find(|whose| !whose.is_empty()).unwrap_or_default();
        let how = if mount["writable"] == true { "" } else { ", read-only" };
        tests.push((fits, format!("{} {whose} at {at}{how}", text(&mount["type"])).replace("  ", " ")));
    }
    for place in &wanted.mounts_lack {
        let found =
            mounts.iter().find(|mount| text(&mount["at"]) == *place || text(&mount["source"]) == *place || text(&mount["name"]) == *place);
        tests.push((
            found.is_none(),
            found.map_or_else(|| format!("no {place}"), |mount| format!("{} at {}", text(&mount["source"]), text(&mount["at"]))),
        ));
    }
    let networks: Vec<String> = one["networks"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let told = || shown(&networks.join(", "));
    tests.extend(wanted.networks.iter().map(|name| (networks.contains(name), told())));
    tests.extend(wanted.networks_lack.iter().map(|name| (!networks.contains(name), told())));
    if let Some(alias) = &wanted.alias {
        let endpoints = one["networks"].as_object().into_iter().flatten();
        let aliases: Vec<String> = endpoints.flat_map(|(_, endpoint)| list(endpoint, "aliases")).map(|alias| text(&alias)).collect();
        tests.push((aliases.contains(alias), shown(&aliases.join(", "))));
    }
    tests
}

pub(super) fn volume(wanted: &Volume, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let found = one_of(Question::Volumes, "volumes", &wanted.name, host, world)?;
    if wanted.exists == Some(false) {
        return Ok(State::of(found.is_none(), if found.is_none() { "it is not there" } else { "it is there" }).on(&wanted.name));
    }
    let Some(one) = found else {
        return Ok(State::absent("no such volume").on(&wanted.name).missing(format!("There is no volume {}.", wanted.name)));
    };
    let mut tests = Tests::new();
    tests.extend(wanted.anonymous.map(|anonymous| {
        (one["anonymous"] == anonymous, if one["anonymous"] == true { "no name of its own" } else { "a name" }.to_owned())
    }));
    tests.extend(wanted.labels.iter().map(|(name, pattern)| of_pattern(pattern, one["labels"].get(name).map(text), name)));
    let users: Vec<String> = list(&one, "used_by").iter().map(text).collect();
    let told = || if users.is_empty() { "no container".to_owned() } else { users.join(", ") };
    tests.extend(wanted.used_by.iter().map(|name| (users.contains(name), told())));
    tests.extend(wanted.unused.map(|unused| (users.is_empty() == unused, told())));
    let mut file = |name: &str| {
        let path = format!("{}/{}", text(&one["files"]), name.trim_start_matches('/'));
        probe(world, host, Probe::File { path, process: None })
    };
    if let Some(name) = &wanted.holds {
        let file = file(name)?;
        if file["exists"] != true {
            return Ok(State::of(false, format!("no {name}")).on(&wanted.name));
        }
        let content = text(&file["content"]);
        tests.push((wanted.content.as_ref().is_none_or(|compare| compare.holds(&content)), shown(&content)));
    }
    if let Some(name) = &wanted.lacks {
        tests.push((file(name)?["exists"] != true, name.clone()));
    }
    Ok(of_tests(tests, "it is there").on(&wanted.name))
}

pub(super) fn network(wanted: &Network, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let found = one_of(Question::Networks, "networks", &wanted.name, host, world)?;
    if wanted.exists == Some(false) {
        return Ok(State::of(found.is_none(), if found.is_none() { "it is not there" } else { "it is there" }).on(&wanted.name));
    }
    let Some(one) = found else {
        return Ok(State::absent("no such network").on(&wanted.name).missing(format!("There is no network {}.", wanted.name)));
    };
    let mut tests = Tests::new();
    tests.extend(wanted.words.iter().map(|(key, exactly)| (text(&one[*key]) == *exactly, shown(&text(&one[*key])))));
    tests.extend(wanted.internal.map(|internal| {
        (one["internal"] == internal, if one["internal"] == true { "internal" } else { "open to the outside" }.to_owned())
    }));
    tests.extend(wanted.labels.iter().map(|(name, pattern)| of_pattern(pattern, one["labels"].get(name).map(text), name)));
    let members: Vec<String> = list(&one, "members").iter().map(text).collect();
    let told = || if members.is_empty() { "nobody".to_owned() } else { members.join(", ") };
    tests.extend(wanted.has.iter().map(|name| (members.contains(name), told())));
    tests.extend(wanted.lacks.iter().map(|name| (!members.contains(name), told())));
    tests.extend(wanted.members.iter().map(|compare| (compare.holds(&members.len().to_string()), told())));
    Ok(of_tests(tests, "it is there").on(&wanted.name))
}

pub(super) fn port(wanted: &Port, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let subject = format!("port {} of {}", wanted.port.trim_end_matches("/tcp"), wanted.container);
    let Some(one) = named(&wanted.container, host, world)? else {
        return Ok(State::absent("no such container").on(subject).missing(no_container(&wanted.container)));
    };
    let ports: Vec<Value> = list(&one, "ports").into_iter().filter(|port| text(&port["port"]) == wanted.port).collect();
    let place = |port: &Value| format!("{}:{}", text(&port["address"]), text(&port["host_port"]));
    let Some(first) = ports.first() else {
        let state = State::of(!wanted.published, "not published");
        return Ok(State { absent: wanted.published, ..state }.on(subject).missing(unpublished(wanted, &one)));
    };
    let told = ports.iter().map(place).collect::<Vec<_>>().join(", ");
    if !wanted.published {
        return Ok(State::of(false, told).on(subject));
    }
    let fits = |port: &&Value| {
        wanted.host_port.is_none_or(|number| port["host_port"] == number)
            && wanted.address.as_ref().is_none_or(|address| text(&port["address"]) == *address)
    };
    let fitting = ports.iter().find(fits);
    let mut tests = vec![(fitting.is_some(), told)];
    if (wanted.answers.is_some() || wanted.body.is_some()) && fitting.is_some() {
        tests.extend(knocked(wanted, fitting.unwrap_or(first), &one, host, world)?);
    }
    Ok(of_tests(tests, "published").on(subject))
}

/// The sentence about a port that is not published; where another one is, that is the usual mistake.
fn unpublished(wanted: &Port, one: &Value) -> String {
    if !wanted.published {
        return String::new();
    }
    let others: Vec<String> = list(one, "ports").iter().map(|port| text(&port["port"])).collect();
    let but = if others.is_empty() { String::new() } else { format!(", only {}", others.join(", ")) };
    format!("{} publishes no {}{but}.", wanted.container, wanted.port)
}

/// Whether somebody answers at the port of the host.
fn knocked(wanted: &Port, port: &Value, one: &Value, host: &str, world: &mut dyn World) -> Result<Tests, Unknown> {
    if one["running"] != true {
        return Ok(vec![(
            wanted.answers.is_some_and(|answer| answer != "yes"),
            format!("nobody: the container is {}", text(&one["status"])),
        )]);
    }
    let address = match text(&port["address"]).as_str() {
        "" | "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
        address => address.to_owned(),
    };
    let number = port["host_port"].as_u64().and_then(|number| u16::try_from(number).ok()).ok_or("the port has no number on the host")?;
    let to = match &wanted.body {
        Some(_) => Target::Http { host: address, port: number, path: wanted.path.clone(), name: None },
        None => Target::Service(address, number),
    };
    let document = probe(world, host, Probe::Reach { from: Netns::Own, to })?;
    let (answers, why) = (text(&document["answers"]), text(&document["why"]));
    let got = if why.is_empty() { "it answers".to_owned() } else { why };
    let mut tests = vec![(answers == wanted.answers.unwrap_or("yes"), got)];
    let body = text(&document["body"]);
    tests.extend(wanted.body.as_ref().filter(|_| answers == "yes").map(|pattern| (pattern.fits(&body), shown(&body))));
    Ok(tests)
}

pub(super) fn log(wanted: &Log, host: &str, world: &mut dyn World) -> Result<State, Unknown> {
    let name = &wanted.container;
    let Some(one) = named(name, host, world)? else {
        return Ok(State::absent("no such container").on(name).missing(no_container(name)));
    };
    let lines = list(&ask(world, host, Question::Log { id: text(&one["id"]) })?, "lines");
    let fits = |line: &&Value| {
        wanted.stream.is_none_or(|stream| text(&line["stream"]) == stream)
            && wanted.line.as_ref().is_none_or(|compare| compare.holds(&text(&line["text"])))
    };
    let found: Vec<&Value> = lines.iter().filter(fits).collect();
    let holds = wanted.count.holds(&found.len().to_string());
    // Of what must not be there one line is told; of what is missing, what it said last.
    let got = match (found.last(), lines.last()) {
        (Some(line), _) if !matches!(wanted.count, Compare::Is(_)) || !holds => text(&line["text"]),
        (_, Some(last)) if !holds => format!("last: {}", shown(&text(&last["text"]))),
        (_, None) if !holds => "nothing at all".to_owned(),
        _ => found.len().to_string(),
    };
    Ok(State { absent: lines.is_empty(), ..State::of(holds, got) }.on(name))
}

/// The processes of a container, its first process first.
pub(super) fn processes(name: &str, all: Vec<Value>, host: &str, world: &mut dyn World) -> Result<Vec<Value>, Unknown> {
    let pid = named(name, host, world)?.and_then(|one| one["pid"].as_u64()).filter(|pid| *pid > 0);
    let Some(first) = all.iter().find(|process| pid.is_some() && process["pid"].as_u64() == pid).cloned() else { return Ok(Vec::new()) };
    // Its cgroup tells them from others even where it has no pid namespace of its own.
    let (group, space) = (text(&first["cgroup"]), &first["ns"]["pid"]);
    let inside = |process: &Value| {
        if group.is_empty() || group == "/" { process["ns"]["pid"] == *space } else { text(&process["cgroup"]).starts_with(&group) }
    };
    let others = all.into_iter().filter(|process| process["pid"] != first["pid"] && inside(process)).collect::<Vec<_>>();
    Ok(std::iter::once(first).chain(others).collect())
}

/// The address of a name as the container of `from` knows it: the name itself where it is one, or where nobody is asked.
pub(super) fn resolved(from: Option<&Match>, name: &str, host: &str, world: &mut dyn World) -> Result<Result<String, String>, Unknown> {
    let Some(from) = from.filter(|_| name.parse::<std::net::IpAddr>().is_err()) else { return Ok(Ok(name.to_owned())) };
    let pid = matching(from, host, world)?.first().and_then(super::select::pid).ok_or("there is nothing to try it from")?;
    let document = ask(world, host, Question::Resolve { pid, name: name.to_owned() })?;
    Ok(list(&document, "addresses").first().map(text).ok_or_else(|| text(&document["why"])))
}

#[cfg(test)]
mod tests;
