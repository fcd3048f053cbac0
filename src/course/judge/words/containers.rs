//! What a learner is told of facts about containers, volumes, networks, published ports and logs that hold.

use super::super::super::fact::containers::Which;
use super::super::super::fact::{Container, Kind, Log, Network, Port, Volume};
use super::{first_upper, listed};

/// What the fact is about.
pub(super) fn subject_of(kind: &Kind) -> String {
    match kind {
        Kind::Container(wanted) => whom(&wanted.which),
        Kind::Volume(wanted) => format!("the volume {}", wanted.name),
        Kind::Network(wanted) => format!("the network {}", wanted.name),
        Kind::Port(wanted) => format!("port {} of {}", short(&wanted.port), wanted.container),
        Kind::Log(wanted) => format!("the log of {}", wanted.container),
        _ => String::new(),
    }
}

/// A sentence about a fact that holds.
pub(super) fn holds(kind: &Kind, got: &str, subject: &str) -> String {
    match kind {
        Kind::Container(wanted) => container(wanted, got, subject),
        Kind::Volume(wanted) => volume(wanted),
        Kind::Network(wanted) => network(wanted),
        Kind::Port(wanted) => port(wanted, got),
        Kind::Log(wanted) => log(wanted, got),
        _ => String::new(),
    }
}

fn whom(which: &Which) -> String {
    match which {
        Which::Name(name) => format!("the container {name}"),
        Which::Label(label) => format!("the container labelled {label}"),
        Which::Image(image) => format!("the container of {image}"),
    }
}

fn short(port: &str) -> &str {
    port.trim_end_matches("/tcp")
}

fn container(wanted: &Container, got: &str, subject: &str) -> String {
    // One that was found by its label or image is called by its name.
    let name = if subject.is_empty() { whom(&wanted.which) } else { format!("the container {subject}") };
    if wanted.exists == Some(false) {
        return format!("{} is not there.", first_upper(&whom(&wanted.which)));
    }
    let mut said = Vec::new();
    if !wanted.state.is_empty() || !wanted.exit_code.is_empty() {
        said.push(format!("is {got}"));
    }
    said.extend(wanted.error.as_ref().map(|_| "could not be started, for the reason asked for".to_owned()));
    said.extend(wanted.words.iter().map(|(key, value)| word(key, value)));
    said.extend(wanted.truths.iter().map(|(key, truth)| truth_of(key, *truth).to_owned()));
    if !wanted.numbers.is_empty() {
        said.push("keeps within its limits".to_owned());
    }
    said.extend(wanted.entrypoint.as_ref().or(wanted.cmd.as_ref()).map(|_| "runs those words".to_owned()));
    said.extend(wanted.command.as_ref().map(|_| "runs that program".to_owned()));
    let names =
        |pairs: &[(String, super::super::super::fact::Pattern)]| pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    said.extend((!wanted.env.is_empty()).then(|| format!("has {} in its environment", names(&wanted.env))));
    said.extend((!wanted.env_lacks.is_empty()).then(|| format!("has no {} in its environment", wanted.env_lacks.join(", "))));
    said.extend((!wanted.labels.is_empty()).then(|| format!("is labelled with {}", names(&wanted.labels))));
    let list = |what: &str, list: &Vec<String>| {
        if list.is_empty() { format!("{what} no capability") } else { format!("{what} {}", list.join(", ")) }
    };
    said.extend(wanted.cap_add.as_ref().map(|names| list("is given", names)));
    said.extend(wanted.cap_drop.as_ref().map(|names| list("gives up", names)));
    said.extend(wanted.mounts.iter().map(|mount| match &mount.name {
        Some(name) => format!("has {name} at {}", mount.at),
        None => format!("has a mount at {}", mount.at),
    }));
    said.extend((!wanted.mounts_lack.is_empty()).then(|| format!("has no mount of {}", wanted.mounts_lack.join(", "))));
    said.extend((!wanted.networks.is_empty()).then(|| format!("is in {}", wanted.networks.join(", "))));
    said.extend((!wanted.networks_lack.is_empty()).then(|| format!("is not in {}", wanted.networks_lack.join(", "))));
    said.extend(wanted.alias.as_ref().map(|alias| format!("is also called {alias}")));
    said.extend(wanted.made_of.as_ref().map(|image| format!("is made of {image} as it is now")));
    if said.is_empty() {
        said.push("is there".to_owned());
    }
    format!("{} {}.", first_upper(&name), listed(&said))
}

fn word(key: &str, value: &str) -> String {
    match (key, value) {
        ("image", _) => format!("is made of {value}"),
        ("health", "none") => "is not tested for its health".to_owned(),
        ("health", _) => format!("is {value}"),
        ("restart", "no") => "is not started again by itself".to_owned(),
        ("restart", _) => format!("is started again by the policy {value}"),
        (_, "") => format!("names no {}", key.replace('_', " ")),
        _ => format!("has the {} {value}", key.replace('_', " ")),
    }
}

fn truth_of(key: &str, truth: bool) -> &'static str {
    match (key, truth) {
        ("oom_killed", true) => "was killed for its memory",
        ("oom_killed", false) => "was not killed for its memory",
        ("privileged", true) => "is privileged",
        ("privileged", false) => "is not privileged",
        ("read_only", true) => "has a root that cannot be written",
        ("read_only", false) => "has a root that can be written",
        ("init", true) => "has an init",
        ("init", false) => "has no init",
        ("no_new_privs", true) => "can gain no new privileges",
        ("no_new_privs", false) => "can gain new privileges",
        ("auto_remove", true) => "is removed when it ends",
        ("auto_remove", false) => "stays when it ends",
        ("tty", true) => "has a terminal",
        _ => "has no terminal",
    }
}

fn volume(wanted: &Volume) -> String {
    let name = &wanted.name;
    if wanted.exists == Some(false) {
        return format!("The volume {name} is not there.");
    }
    let mut said = Vec::new();
    said.extend(wanted.anonymous.map(|anonymous| if anonymous { "is anonymous" } else { "has a name" }.to_owned()));
    said.extend((!wanted.labels.is_empty()).then(|| "is labelled as it should be".to_owned()));
    said.extend((!wanted.used_by.is_empty()).then(|| format!("is used by {}", wanted.used_by.join(", "))));
    said.extend(wanted.unused.map(|unused| if unused { "is used by nobody" } else { "is used" }.to_owned()));
    said.extend(wanted.holds.as_ref().map(|file| match wanted.content {
        Some(_) => format!("holds {file}, with what belongs there"),
        None => format!("holds {file}"),
    }));
    said.extend(wanted.lacks.as_ref().map(|file| format!("does not hold {file}")));
    if said.is_empty() {
        said.push("is there".to_owned());
    }
    format!("The volume {name} {}.", listed(&said))
}

fn network(wanted: &Network) -> String {
    let name = &wanted.name;
    if wanted.exists == Some(false) {
        return format!("The network {name} is not there.");
    }
    let mut said: Vec<String> = wanted.words.iter().map(|(key, value)| format!("has the {key} {value}")).collect();
    said.extend(wanted.internal.map(|internal| if internal { "is internal" } else { "is open to the outside" }.to_owned()));
    said.extend((!wanted.labels.is_empty()).then(|| "is labelled as it should be".to_owned()));
    said.extend((!wanted.has.is_empty()).then(|| format!("has {} in it", wanted.has.join(", "))));
    said.extend((!wanted.lacks.is_empty()).then(|| format!("does not have {} in it", wanted.lacks.join(", "))));
    said.extend((!wanted.members.is_empty()).then(|| "has as many containers as it should".to_owned()));
    if said.is_empty() {
        said.push("is there".to_owned());
    }
    format!("The network {name} {}.", listed(&said))
}

fn port(wanted: &Port, got: &str) -> String {
    let subject = format!("Port {} of {}", short(&wanted.port), wanted.container);
    if !wanted.published {
        return format!("{subject} is not published.");
    }
    match wanted.answers {
        None if wanted.body.is_none() => format!("{subject} is published at {got}."),
        None | Some("yes") => format!("{subject} is published at {got}, and answers."),
        Some(_) => format!("{subject} is published at {got}, and does not answer."),
    }
}

fn log(wanted: &Log, got: &str) -> String {
    let none = !wanted.count.holds("1") && wanted.count.holds("0");
    match none {
        true => format!("{} has written no such line.", wanted.container),
        false => format!("{} has written: {got}.", wanted.container),
    }
}
