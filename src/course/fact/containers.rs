//! Facts about containers, volumes, networks, published ports and logs: what they may ask, and how that is read.

use super::super::fields::{Complaints, Fields, parse_size};
use super::images::{limits, list};
use super::read::patterns;
use super::{Compare, Kind, Pattern};

/// What a container must be. One that fits [`Container::which`] must have all of it.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Which one is meant.
    pub which: Which,
    pub exists: Option<bool>,
    /// One of these.
    pub state: Vec<&'static str>,
    pub exit_code: Vec<i64>,
    /// Exactly this, by the names of the document's fields.
    pub words: Vec<(&'static str, String)>,
    pub truths: Vec<(&'static str, bool)>,
    /// Limits on numbers; what has no limit is `max`.
    pub numbers: Vec<(&'static str, Compare)>,
    /// Exactly these words; empty means that it has none.
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    /// Found in what it runs, entrypoint and command in one line; in why it could not be started.
    pub command: Option<Pattern>,
    pub error: Option<Pattern>,
    /// Names with the patterns that their values fit; names that are not set.
    pub env: Vec<(String, Pattern)>,
    pub env_lacks: Vec<String>,
    pub labels: Vec<(String, Pattern)>,
    /// Exactly these, in any order.
    pub cap_add: Option<Vec<String>>,
    pub cap_drop: Option<Vec<String>>,
    pub mounts: Vec<Mounted>,
    /// No mount has this target or source.
    pub mounts_lack: Vec<String>,
    pub networks: Vec<String>,
    pub networks_lack: Vec<String>,
    /// One of its names in some network.
    pub alias: Option<String>,
    /// The name of an image that it was made of.
    pub made_of: Option<String>,
}

/// Which container is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By its name, its id or the beginning of that.
    Name(String),
    /// By a label: `tier`, `tier=web`.
    Label(String),
    /// By the name of its image, as it was typed.
    Image(String),
}

impl Default for Which {
    fn default() -> Self {
        Which::Name(String::new())
    }
}

/// A mount of a container.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// Where.
    pub at: String,
    pub sort: Option<&'static str>,
    /// The volume.
    pub name: Option<String>,
    pub source: Option<Pattern>,
    pub read_only: Option<bool>,
}

/// What a volume must be.
#[derive(Debug, Clone, Default)]
pub struct Volume {
    pub name: String,
    pub exists: Option<bool>,
    pub anonymous: Option<bool>,
    pub labels: Vec<(String, Pattern)>,
    /// All of these have it, running or not.
    pub used_by: Vec<String>,
    pub unused: Option<bool>,
    /// A file in it, and what it holds; a file that is not in it.
    pub holds: Option<String>,
    pub content: Option<Compare>,
    pub lacks: Option<String>,
}

/// What a network must be.
#[derive(Debug, Clone, Default)]
pub struct Network {
    pub name: String,
    pub exists: Option<bool>,
    pub words: Vec<(&'static str, String)>,
    pub internal: Option<bool>,
    pub labels: Vec<(String, Pattern)>,
    /// Containers that run in it; that do not.
    pub has: Vec<String>,
    pub lacks: Vec<String>,
    pub members: Vec<Compare>,
}

/// What a port of a container must be.
#[derive(Debug, Clone)]
pub struct Port {
    pub container: String,
    /// `80/tcp`.
    pub port: String,
    pub published: bool,
    pub host_port: Option<u64>,
    pub address: Option<String>,
    pub answers: Option<&'static str>,
    /// What an HTTP server there must say, and to which path.
    pub body: Option<Pattern>,
    pub path: String,
}

/// What a container must have written.
#[derive(Debug, Clone)]
pub struct Log {
    pub container: String,
    /// Found in a line; any line if not given.
    pub line: Option<Compare>,
    pub stream: Option<&'static str>,
    pub count: Compare,
}

const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
/// Keys whose value is compared as a whole.
const WORDS: [&str; 11] = [
    "user",
    "workdir",
    "hostname",
    "health",
    "restart",
    "network_mode",
    "pid_mode",
    "ipc_mode",
    "stop_signal",
    "log_driver",
    "healthcheck",
];
const TRUTHS: [&str; 7] = ["oom_killed", "privileged", "read_only", "init", "no_new_privs", "auto_remove", "tty"];
const HEALTH: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];
const NUMBERS: [(&str, &str, &str); 4] = [
    ("restarts", "restarts_at_least", "restarts_at_most"),
    ("memory", "memory_at_least", "memory_at_most"),
    ("cpus", "cpus_at_least", "cpus_at_most"),
    ("pids_limit", "pids_at_least", "pids_at_most"),
];

pub(super) fn container(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let which = which(fields, complaints);
    let image = fields.text("image", complaints);
    let mut words: Vec<(&str, String)> = Vec::new();
    // Beside a name, the image is something that it must have.
    words.extend(image.filter(|_| !matches!(which, Some(Which::Image(_)))).map(|image| ("image", image)));
    for word in WORDS {
        let value =
            if word == "health" { fields.word(word, &HEALTH, complaints).map(str::to_owned) } else { fields.text(word, complaints) };
        words.extend(value.map(|value| (word, value)));
    }
    let numbers = NUMBERS
        .into_iter()
        .flat_map(|(name, least, most)| limits(least, most, fields, complaints).into_iter().map(|limit| (name, limit)).collect::<Vec<_>>());
    let numbers = numbers.collect();
    let found = Container {
        exists: fields.truth("exists", complaints),
        state: states(fields, complaints),
        exit_code: exit_codes(fields, complaints),
        words,
        truths: TRUTHS.into_iter().filter_map(|word| Some((word, fields.truth(word, complaints)?))).collect(),
        numbers,
        entrypoint: list("entrypoint", fields, complaints),
        cmd: list("cmd", fields, complaints),
        command: Pattern::read(fields, "command", complaints),
        error: Pattern::read(fields, "error", complaints),
        env: patterns("env", fields, complaints),
        env_lacks: fields.texts("env_lacks", complaints),
        labels: patterns("labels", fields, complaints),
        cap_add: capabilities("cap_add", fields, complaints),
        cap_drop: capabilities("cap_drop", fields, complaints),
        mounts: mounts(fields, complaints),
        mounts_lack: fields.texts("mounts_lack", complaints),
        networks: fields.texts("networks", complaints),
        networks_lack: fields.texts("networks_lack", complaints),
        alias: fields.text("alias", complaints),
        made_of: fields.text("made_of", complaints),
        which: Which::default(),
    };
    Some(Kind::Container(Box::new(Container { which: which?, ..found })))
}

fn which(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Which> {
    let name = fields.text("name", complaints).map(Which::Name);
    let label = fields.text("label", complaints).map(Which::Label);
    let (spot, path) = (fields.spot, fields.at("name"));
    if name.is_some() && label.is_some() {
        complaints.add(
            spot,
            &path,
            "goes with `label` only one at a time",
            "what it must be labelled with beside its name is `labels: {...}`",
        );
        return None;
    }
    let which = name.or(label).or_else(|| fields.text("image", complaints).map(Which::Image));
    if which.is_none() {
        complaints.add(spot, &path, "is missing", "say which container: `name: ...`, `label: ...` or `image: ...`");
    }
    which
}

fn states(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<&'static str> {
    let spot = fields.spot_of("state");
    let mut found = Vec::new();
    for word in fields.texts("state", complaints) {
        match STATES.into_iter().find(|known| *known == word) {
            Some(known) => found.push(known),
            None => {
                complaints.add(spot, &fields.at("state"), format!("`{word}` is not known here"), format!("one of: {}", STATES.join(", ")))
            }
        }
    }
    found
}

fn exit_codes(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<i64> {
    let spot = fields.spot_of("exit_code");
    let mut found = Vec::new();
    for word in fields.texts("exit_code", complaints) {
        match word.parse() {
            Ok(code) => found.push(code),
            Err(_) => {
                complaints.add(spot, &fields.at("exit_code"), format!("`{word}` cannot be read"), "write an exit code, or a list of them")
            }
        }
    }
    found
}

/// Capabilities as the kernel calls them, sorted; `none` alone is none.
fn capabilities(key: &'static str, fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Vec<String>> {
    let mut names: Vec<String> = list(key, fields, complaints)?.iter().map(|name| bare_capability(name)).collect();
    names.sort();
    Some(names)
}

/// `net_raw` and `CAP_NET_RAW` are the same: `NET_RAW`.
pub fn bare_capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").map_or(upper.clone(), str::to_owned)
}

fn mounts(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<Mounted> {
    let path = fields.at("mounts");
    let nodes = fields.list("mounts");
    let mut found = Vec::new();
    for (at, node) in nodes.into_iter().enumerate() {
        if let Some(text) = node.text() {
            found.push(Mounted { at: text.to_owned(), sort: None, name: None, source: None, read_only: None });
            continue;
        }
        let Some(mut one) = Fields::open(node, &format!("{path}[{at}]"), complaints) else { continue };
        let target = one.needed("at", complaints);
        let mount = Mounted {
            at: target.unwrap_or_default(),
            sort: one.word("type", &["volume", "bind", "tmpfs"], complaints),
            name: one.text("name", complaints),
            source: Pattern::read(&mut one, "source", complaints),
            read_only: one.truth("read_only", complaints),
        };
        one.finish(complaints);
        found.push(mount);
    }
    found
}

pub(super) fn volume(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let name = fields.needed("name", complaints);
    let found = Volume {
        name: name.unwrap_or_default(),
        exists: fields.truth("exists", complaints),
        anonymous: fields.truth("anonymous", complaints),
        labels: patterns("labels", fields, complaints),
        used_by: fields.texts("used_by", complaints),
        unused: fields.truth("unused", complaints),
        holds: fields.text("holds", complaints),
        lacks: fields.text("lacks", complaints),
        content: at_most_one(fields, complaints),
    };
    if found.content.is_some() && found.holds.is_none() {
        complaints.add(
            fields.spot,
            &fields.at("holds"),
            "is missing",
            "name the file whose content is compared: `holds: FILE`, as it is called in the volume",
        );
    }
    (!found.name.is_empty()).then(|| Kind::Volume(Box::new(found)))
}

fn at_most_one(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Compare> {
    let mut found = Compare::read_all(fields, complaints);
    let one = found.pop();
    if !found.is_empty() {
        complaints.add(
            fields.spot,
            &fields.path,
            "has more than one comparison",
            format!("one of: {}", super::compare::COMPARISONS.join(", ")),
        );
    }
    one
}

pub(super) fn network(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let name = fields.needed("name", complaints);
    let found = Network {
        name: name.unwrap_or_default(),
        exists: fields.truth("exists", complaints),
        words: ["driver", "subnet", "gateway"].into_iter().filter_map(|word| Some((word, fields.text(word, complaints)?))).collect(),
        internal: fields.truth("internal", complaints),
        labels: patterns("labels", fields, complaints),
        has: fields.texts("has", complaints),
        lacks: fields.texts("lacks", complaints),
        members: limits("members_at_least", "members_at_most", fields, complaints),
    };
    (!found.name.is_empty()).then(|| Kind::Network(Box::new(found)))
}

pub(super) fn port(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let container = fields.needed("container", complaints);
    fields.needed("port", complaints);
    let port = fields.parsed("port", "a port of the container such as `80` or `53/udp`", whole_port, complaints);
    let found = Port {
        container: container?,
        port: port?,
        published: fields.truth("published", complaints).unwrap_or(true),
        host_port: fields.number("host_port", complaints),
        address: fields.text("address", complaints),
        answers: fields.word("answers", &["yes", "no", "refused"], complaints),
        body: Pattern::read(fields, "body", complaints),
        path: fields.text("path", complaints).unwrap_or_else(|| "/".to_owned()),
    };
    let asks = found.host_port.is_some() || found.address.is_some() || found.answers.is_some() || found.body.is_some();
    if !found.published && asks {
        complaints.add(
            fields.spot_of("published"),
            &fields.at("published"),
            "leaves nothing to ask",
            "a port that is not published has no place on the host",
        );
    }
    if found.port.ends_with("/udp") && (found.answers.is_some() || found.body.is_some()) {
        let hint = "whether a UDP server answers only its own protocol says: use `answer` with a program that speaks it";
        complaints.add(fields.spot_of("port"), &fields.at("port"), "is UDP, which nobody can knock at", hint);
    }
    Some(Kind::Port(Box::new(found)))
}

fn whole_port(text: &str) -> Option<String> {
    let (number, kind) = text.split_once('/').unwrap_or((text, "tcp"));
    let number: u16 = number.parse().ok().filter(|number| *number > 0)?;
    ["tcp", "udp"].contains(&kind).then(|| format!("{number}/{kind}"))
}

pub(super) fn log(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let container = fields.needed("container", complaints);
    let contains = fields.text("contains", complaints).map(Compare::Contains);
    let matches = Pattern::read(fields, "matches", complaints).map(Compare::Matches);
    if contains.is_some() && matches.is_some() {
        complaints.add(fields.spot, &fields.path, "has more than one comparison", "one of `contains` and `matches`");
    }
    let stream = fields.word("stream", &["stdout", "stderr"], complaints);
    let present = fields.truth("present", complaints);
    let mut counts = Vec::new();
    counts.extend(fields.parsed("count", "a number", parse_size, complaints).map(|number| Compare::Is(number.to_string())));
    counts.extend(limits("at_least", "at_most", fields, complaints));
    counts.extend(present.map(|present| if present { Compare::AtLeast(1.0) } else { Compare::Is("0".to_owned()) }));
    let count = counts.pop().unwrap_or(Compare::AtLeast(1.0));
    if !counts.is_empty() {
        complaints.add(
            fields.spot,
            &fields.path,
            "counts lines in more than one way",
            "one of `count`, `at_least`, `at_most` and `present`",
        );
    }
    Some(Kind::Log(Box::new(Log { container: container?, line: contains.or(matches), stream, count })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_capabilities_have_one_way_to_be_written() {
        assert_eq!(whole_port("80").as_deref(), Some("80/tcp"));
        assert_eq!(whole_port("53/udp").as_deref(), Some("53/udp"));
        assert_eq!((whole_port("0"), whole_port("x"), whole_port("80/sctp"), whole_port("65536")), (None, None, None, None));
        assert_eq!((bare_capability("cap_net_raw"), bare_capability("ALL")), ("NET_RAW".to_owned(), "ALL".to_owned()));
    }
}
