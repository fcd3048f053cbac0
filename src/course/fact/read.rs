//! Reading facts from YAML: the keys that every fact has, and the patterns that several kinds share.

use std::time::Duration;

use super::super::fields::{Complaints, Fields};
use super::super::yaml::{Node, Value};
use super::{EventPattern, Fact, KINDS, Match, Pattern, Place, Since, THINGS, Target, Thing, read_kind};

/// Reads a fact of a step.
pub fn read(node: &Node, path: &str, complaints: &mut Complaints) -> Option<Fact> {
    let mut fields = Fields::open(node, path, complaints)?;
    let id = fields.needed("id", complaints);
    let not_yet = fields.text("not_yet", complaints);
    let fail = fields.text("fail", complaints);
    let pass = fields.text("pass", complaints);
    if not_yet.is_none() && fail.is_none() {
        complaints.add(fields.spot, path, "says nothing when it does not hold", "add `not_yet: \"...\"` or `fail: \"...\"`");
    }
    let fact = rest(fields, complaints)?;
    Some(Fact { id: id?, pass, not_yet, fail, ..fact })
}

/// Reads the condition of a mistake: a fact without name and words.
pub fn read_when(node: &Node, path: &str, complaints: &mut Complaints) -> Option<Fact> {
    rest(Fields::open(node, path, complaints)?, complaints)
}

fn rest(mut fields: Fields<'_>, complaints: &mut Complaints) -> Option<Fact> {
    let host = fields.text("host", complaints).unwrap_or_else(|| "bench".to_owned());
    let hold = fields.duration("hold", complaints).unwrap_or(Duration::ZERO);
    let points = fields.number("points", complaints).unwrap_or(1).min(1000) as u32;
    let since = fields.word("since", &["step", "lab"], complaints);
    let invert = fields.truth("invert", complaints).unwrap_or(false);
    let needs = fields.texts("needs", complaints);
    let lasting = fields.truth("lasting", complaints).unwrap_or(false);
    let mask = fields.pairs("mask", complaints);
    let known = fields.needed("kind", complaints).is_some();
    let word = if known { fields.word("kind", &KINDS, complaints) } else { None };
    // Without a kind nobody knows which keys belong here: one complaint is enough.
    let word = word?;
    let kind = read_kind::read(word, &mut fields, complaints);
    let (spot, path) = (fields.spot_of("invert"), fields.path.clone());
    fields.finish(complaints);
    let kind = kind?;
    if invert && kind.is_history() {
        complaints.add(spot, &format!("{path}.invert"), "does not go with facts about history", "use `never` or `history`");
    }
    let since = if since == Some("lab") { Since::Unit } else { Since::Step };
    Some(Fact { id: String::new(), host, kind, pass: None, not_yet: None, fail: None, hold, points, since, invert, needs, lasting, mask })
}

/// `TYPE/NAME`.
pub(super) fn thing(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Thing> {
    let spot = fields.spot_of("of");
    let text = fields.needed("of", complaints)?;
    let (sort, name) = text.split_once('/').unwrap_or((&text, ""));
    let found = THINGS.iter().find(|(word, _)| *word == sort);
    if let (Some((_, sort)), false) = (found, name.is_empty()) {
        return Some(Thing { sort: *sort, name: name.to_owned() });
    }
    let words: Vec<&str> = THINGS.iter().map(|(word, _)| *word).collect();
    let hint = super::super::fields::nearest(sort, words.iter().copied()).filter(|_| found.is_none());
    let hint =
        hint.map_or_else(|| format!("TYPE/NAME, where TYPE is one of: {}", words.join(", ")), |word| format!("did you mean `{word}/...`?"));
    complaints.add(spot, &fields.at("of"), format!("`{text}` names no thing"), hint);
    None
}

/// A process match; `container/NAME` stands for the processes of that container.
pub(super) fn matching(node: &Node, path: &str, complaints: &mut Complaints) -> Option<Match> {
    if let Some(name) = node.text().and_then(|text| text.strip_prefix("container/")).filter(|name| !name.is_empty()) {
        return Some(Match { container: Some(name.to_owned()), ..Match::default() });
    }
    let mut fields = Fields::open(node, path, complaints)?;
    let found = Match {
        comm: fields.text("comm", complaints),
        args: Pattern::read(&mut fields, "args", complaints),
        exe: Pattern::read(&mut fields, "exe", complaints),
        uid: fields.number("uid", complaints),
        pid: fields.number("pid", complaints),
        pid_file: fields.text("pid_file", complaints),
        in_cgroup: fields.text("in_cgroup", complaints),
        container: fields.text("container", complaints),
        parent: fields.get("parent").and_then(|node| matching(node, &format!("{path}.parent"), complaints)).map(Box::new),
    };
    if matches!(&node.value, Value::Map(map) if map.is_empty()) {
        complaints.add(node.spot, path, "fits every process", "say which: `comm`, `args`, `pid_file`, ...");
    }
    fields.finish(complaints);
    Some(found)
}

/// A process match under a key.
pub(super) fn match_at(key: &'static str, fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Match> {
    let path = fields.at(key);
    matching(fields.get(key)?, &path, complaints)
}

/// `host`, `shell`, `netns/NAME`, `container/NAME` or a process match.
pub(super) fn place(key: &'static str, fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Place> {
    let path = fields.at(key);
    let node = fields.get(key)?;
    match node.text() {
        None => matching(node, &path, complaints).map(Place::Process),
        Some("host") => Some(Place::Host),
        Some("shell") => Some(Place::Shell),
        Some(text) if text.len() > "container/".len() && text.starts_with("container/") => {
            matching(node, &path, complaints).map(Place::Process)
        }
        Some(text) => match text.strip_prefix("netns/") {
            Some(name) if !name.is_empty() => Some(Place::Netns(name.to_owned())),
            _ => {
                let hint = "`host`, `shell`, `netns/NAME`, `container/NAME` or a process match";
                complaints.add(node.spot, &path, format!("`{text}` is no place"), hint);
                None
            }
        },
    }
}

/// An event pattern.
pub(super) fn event(node: &Node, path: &str, complaints: &mut Complaints) -> Option<EventPattern> {
    let mut fields = Fields::open(node, path, complaints)?;
    let kind = fields.needed("kind", complaints);
    let subject = Pattern::read(&mut fields, "subject", complaints);
    let host = fields.text("host", complaints);
    let actor = fields.text("actor", complaints);
    let data = patterns("data", &mut fields, complaints);
    fields.finish(complaints);
    Some(EventPattern { kind: kind?, subject, host, actor, data })
}

/// A mapping of fields to patterns.
pub(super) fn patterns(key: &'static str, fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<(String, Pattern)> {
    let spot = fields.spot_of(key);
    let pairs = fields.pairs(key, complaints);
    let mut found = Vec::new();
    for (name, text) in pairs {
        match Pattern::new(&text) {
            Ok(pattern) => found.push((name, pattern)),
            Err(why) => complaints.add(
                spot,
                &format!("{}.{name}", fields.at(key)),
                format!("no valid pattern: {why}"),
                super::compare::PATTERN_HINT,
            ),
        }
    }
    found
}

/// `ping://`, `tcp://`, `http://`, `unix:`.
pub(super) fn target(text: &str) -> Option<Target> {
    let host_port = |text: &str, default: Option<u16>| match text.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((text.to_owned(), default?)),
    };
    if let Some(host) = text.strip_prefix("ping://") {
        return (!host.is_empty()).then(|| Target::Ping(host.to_owned()));
    }
    if let Some(rest) = text.strip_prefix("tcp://") {
        return host_port(rest, None).map(|(host, port)| Target::Tcp(host, port));
    }
    if let Some(rest) = text.strip_prefix("http://") {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        return host_port(authority, Some(80)).map(|(host, port)| Target::Http { host, port, path: path.to_owned(), name: None });
    }
    text.strip_prefix("unix:").filter(|path| path.starts_with('/')).map(|path| Target::Unix(path.to_owned()))
}
