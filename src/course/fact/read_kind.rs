//! Reading what belongs to one kind of fact.

use super::super::error::Spot;
use super::super::fields::{Complaints, Fields, did_you_mean, parse_size};
use super::super::yaml::Value;
use super::read::{event, match_at, patterns, place, target, thing};
use super::{Cgroup, Compare, Count, Expect, File, Kind, Measure, Mount, Pattern, Place, Process, containers, images, known};

const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
const STATES: [&str; 5] = ["running", "sleeping", "stopped", "zombie", "blocked"];
const COUNTED: [&str; 11] =
    ["processes", "mounts", "links", "netns", "cgroups", "containers", "volumes", "networks", "images", "files", "users"];
const FILE_SORTS: [&str; 7] = ["file", "dir", "link", "fifo", "char", "block", "socket"];
const SETS: [&str; 5] = ["effective", "permitted", "inheritable", "bounding", "ambient"];

/// Reads the keys of `word`, one of [`super::KINDS`].
pub(super) fn read(word: &str, fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    match word {
        "exists" => thing(fields, complaints).map(Kind::Exists),
        "gone" => thing(fields, complaints).map(Kind::Gone),
        "field" => field(fields, complaints),
        "count" => count(fields, complaints),
        "file" => file(fields, complaints),
        "process" => process(fields, complaints),
        "namespace" => namespace(fields, complaints),
        "cgroup" => cgroup(fields, complaints),
        "mount" => mount(fields, complaints),
        "image" => images::image(fields, complaints),
        "layer" => images::layer(fields, complaints),
        "registry" => images::registry(fields, complaints),
        "container" => containers::container(fields, complaints),
        "volume" => containers::volume(fields, complaints),
        "network" => containers::network(fields, complaints),
        "port" => containers::port(fields, complaints),
        "log" => containers::log(fields, complaints),
        "reach" => reach(fields, complaints),
        "answer" => answer(fields, complaints),
        "history" => history(fields, complaints),
        "never" => never(fields, complaints),
        "invariant" => Some(Kind::Invariant { of: fields.needed("of", complaints)? }),
        "budget" => budget(fields, complaints),
        "exec" => exec(fields, complaints),
        _ => None,
    }
}

fn field(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let of = thing(fields, complaints);
    let (spot, key) = (fields.spot_of("path"), fields.at("path"));
    let path = fields.needed("path", complaints);
    let sort = fields.text("of", complaints);
    if let (Some(_), Some(sort), Some(path)) = (&of, sort.as_deref().and_then(|text| text.split('/').next()), &path) {
        known::of_one(sort, path, spot, &key, complaints);
    }
    let compare = Compare::read_one(fields, complaints);
    Some(Kind::Field { of: of?, path: path?, compare: compare? })
}

fn count(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let of = if fields.needed("of", complaints).is_some() { fields.word("of", &COUNTED, complaints) } else { None };
    let filter = patterns("where", fields, complaints);
    if let (Some(of), Some(Value::Map(asked))) = (of, fields.get("where").map(|node| &node.value)) {
        for (name, node) in asked {
            known::counted(of, name, node.key, &format!("{}.{name}", fields.at("where")), complaints);
        }
    }
    let matching = match_at("match", fields, complaints);
    let within = place("in", fields, complaints);
    let netns = fields.text("netns", complaints).map(Place::Netns);
    let under = fields.text("under", complaints);
    if of == Some("files") && under.is_none() {
        complaints.add(fields.spot, &fields.at("under"), "is missing", "`count` of files needs `under: /path`");
    }
    let compare = Compare::read_one(fields, complaints);
    Some(Kind::Count(Count { of: of?, filter, matching, within: within.or(netns).unwrap_or(Place::Host), under, compare: compare? }))
}

fn file(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let path = fields.needed("path", complaints);
    let found = File {
        path: path.unwrap_or_default(),
        within: match_at("in", fields, complaints),
        exists: fields.truth("exists", complaints),
        content: Compare::read_all(fields, complaints),
        mode: fields.parsed("mode", "an octal mode such as \"0644\"", |text| u32::from_str_radix(text, 8).ok(), complaints),
        owner: fields.text("owner", complaints),
        sort: fields.word("type", &FILE_SORTS, complaints),
        executable: fields.truth("executable", complaints),
        links_to: fields.text("links_to", complaints),
    };
    let File { exists, content, mode, owner, sort, executable, links_to, .. } = &found;
    let any = exists.is_some() || !content.is_empty() || mode.is_some() || owner.is_some() || sort.is_some() || executable.is_some();
    if !any && links_to.is_none() {
        let hint = "add `exists: true`, `is`, `contains`, `matches`, `mode`, `owner`, `type`, `executable` or `links_to`";
        complaints.add(fields.spot, &fields.path, "asks nothing of the file", hint);
    }
    (!found.path.is_empty()).then_some(Kind::File(found))
}

fn process(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    fields.needed_node("match", complaints);
    let matching = match_at("match", fields, complaints);
    let running = fields.truth("running", complaints).unwrap_or(true);
    let root_is = fields.text("root_is", complaints);
    let (uid, gid) = (fields.number("uid", complaints), fields.number("gid", complaints));
    let caps = caps(fields, complaints);
    let seccomp = fields.word("seccomp", &["disabled", "strict", "filter"], complaints);
    let no_new_privs = fields.truth("no_new_privs", complaints);
    let cgroup = fields.text("cgroup", complaints);
    let spot = fields.spot_of("state");
    let state = fields.texts("state", complaints);
    let state = state.iter().filter_map(|word| known_word("state", word, &STATES, spot, fields, complaints)).collect();
    let pid_inside = fields.number("pid_inside", complaints);
    let uid_map = fields.texts("uid_map", complaints);
    Some(Kind::Process(Process {
        matching: matching?,
        running,
        root_is,
        uid,
        gid,
        caps,
        seccomp,
        no_new_privs,
        cgroup,
        state,
        pid_inside,
        uid_map,
    }))
}

fn known_word(
    key: &'static str,
    word: &str,
    words: &[&'static str],
    spot: Spot,
    fields: &Fields<'_>,
    complaints: &mut Complaints,
) -> Option<&'static str> {
    let found = words.iter().find(|known| **known == word).copied();
    if found.is_none() {
        let hint = did_you_mean(word, words).unwrap_or_else(|| format!("one of: {}", words.join(", ")));
        complaints.add(spot, &fields.at(key), format!("`{word}` is not known here"), hint);
    }
    found
}

/// `caps: {effective: [CAP_KILL], bounding: none}`.
fn caps(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<(&'static str, Option<Vec<String>>)> {
    let path = fields.at("caps");
    let Some(node) = fields.get("caps") else { return Vec::new() };
    let Some(mut sets) = Fields::open(node, &path, complaints) else { return Vec::new() };
    let mut found = Vec::new();
    for set in SETS {
        let names = sets.texts(set, complaints);
        if !sets.has(set) {
            continue;
        }
        let names: Vec<String> = names.iter().map(|name| name.to_ascii_uppercase()).collect();
        match names.as_slice() {
            [one] if one == "ALL" => found.push((set, None)),
            [one] if one == "NONE" => found.push((set, Some(Vec::new()))),
            _ => found.push((set, Some(names.iter().map(|name| format!("CAP_{}", name.trim_start_matches("CAP_"))).collect()))),
        }
    }
    sets.finish(complaints);
    found
}

fn namespace(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    fields.needed_node("of", complaints);
    let of = match_at("of", fields, complaints);
    let spot = fields.spot_of("kinds");
    let kinds: Vec<String> = fields
        .texts("kinds", complaints)
        .iter()
        .filter_map(|word| known_word("kinds", word, &NAMESPACES, spot, fields, complaints))
        .map(str::to_owned)
        .collect();
    if kinds.is_empty() {
        complaints.add(spot, &fields.at("kinds"), "names no namespace", format!("some of: {}", NAMESPACES.join(", ")));
    }
    let (differ, same) = (place("differ_from", fields, complaints), place("same_as", fields, complaints));
    let (differ, other) = match (differ, same) {
        (Some(other), None) => (true, other),
        (None, Some(other)) => (false, other),
        _ => {
            complaints.add(
                fields.spot,
                &fields.path,
                "has nothing to compare with",
                "add `differ_from: host` or `same_as: host`, one of both",
            );
            return None;
        }
    };
    Some(Kind::Namespace { of: of?, kinds, differ, other })
}

fn cgroup(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let path = fields.needed("path", complaints);
    let knob = fields.text("knob", complaints);
    let knob = knob.and_then(|knob| Some((knob, Compare::read_one(fields, complaints)?)));
    let percent = "a percentage of one cpu, such as 50";
    let read_number = |text: &str| text.trim_end_matches('%').parse::<f64>().ok();
    let most = fields.parsed("share_at_most", percent, read_number, complaints).map(Compare::AtMost);
    let share = fields.parsed("share_at_least", percent, read_number, complaints).map(Compare::AtLeast).or(most);
    let spot = fields.spot_of("events");
    let mut events = Vec::new();
    for (name, count) in fields.pairs("events", complaints) {
        match count.parse() {
            Ok(count) => events.push((name, count)),
            Err(_) => complaints.add(
                spot,
                &format!("{}.{name}", fields.at("events")),
                format!("`{count}` cannot be read"),
                "write how often at least, a whole number",
            ),
        }
    }
    let exists = fields.truth("exists", complaints);
    let procs = match_at("procs", fields, complaints);
    let empty = fields.truth("empty", complaints);
    if knob.is_none() && exists.is_none() && procs.is_none() && empty.is_none() && events.is_empty() && share.is_none() {
        let hint = "add `exists`, `knob` with a comparison, `procs`, `empty` or `events`";
        complaints.add(fields.spot, &fields.path, "asks nothing of the cgroup", hint);
    }
    Some(Kind::Cgroup(Cgroup { path: path?, exists, knob, share, procs, empty, events }))
}

fn mount(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let within = place("in", fields, complaints).unwrap_or(Place::Host);
    let target = fields.needed("target", complaints);
    Some(Kind::Mount(Mount {
        within,
        target: target?,
        fstype: fields.text("fstype", complaints),
        source: Pattern::read(fields, "source", complaints),
        root: Pattern::read(fields, "root", complaints),
        options: fields.texts("options", complaints),
        propagation: fields.word("propagation", &["private", "shared", "slave", "unbindable"], complaints),
        absent: fields.truth("absent", complaints).unwrap_or(false),
    }))
}

fn reach(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let from = place("from", fields, complaints).unwrap_or(Place::Host);
    let spot = fields.spot_of("to");
    let text = fields.needed("to", complaints);
    let to = text.as_deref().and_then(target);
    if let (Some(text), None) = (&text, &to) {
        let hint = "`ping://ADDRESS`, `tcp://ADDRESS:PORT`, `http://ADDRESS:PORT/PATH` or `unix:/PATH`";
        complaints.add(spot, &fields.at("to"), format!("`{text}` is no target"), hint);
    }
    let expect = match fields.word("expect", &["yes", "no", "refused"], complaints) {
        Some("no") => Expect::No,
        Some("refused") => Expect::Refused,
        _ => Expect::Yes,
    };
    let body = Pattern::read(fields, "body", complaints);
    Some(Kind::Reach { from, to: to?, expect, body })
}

fn answer(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let given = fields.truth("given", complaints).unwrap_or(false);
    let run = fields.text("run", complaints);
    let compares = if given && run.is_some() { None } else { Compare::read_one(fields, complaints) };
    if !given && run.is_none() {
        let hint = "`run: COMMAND`, or `given: true` for what `:answer` gave";
        complaints.add(fields.spot, &fields.path, "has nothing to compare", hint);
        return None;
    }
    (compares.is_some() || (given && run.is_some())).then_some(Kind::Answer { given, run, compare: compares })
}

fn history(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    fields.needed_node("events", complaints);
    let path = fields.at("events");
    let nodes = fields.list("events");
    let events = nodes.iter().enumerate().filter_map(|(at, node)| event(node, &format!("{path}[{at}]"), complaints)).collect();
    Some(Kind::History(events))
}

fn never(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let path = fields.at("event");
    fields.needed_node("event", complaints);
    let event = fields.get("event").and_then(|node| event(node, &path, complaints));
    let opportunity = fields.needed("opportunity", complaints);
    Some(Kind::Never { event: event?, opportunity: opportunity? })
}

fn budget(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let spot = fields.spot_of("of");
    let text = fields.needed("of", complaints);
    let of = text.as_deref().and_then(|text| match text.split_once(':').unwrap_or((text, "")) {
        ("bytes", path) if path.starts_with('/') => Some(Measure::Bytes(path.to_owned())),
        ("files", path) if path.starts_with('/') => Some(Measure::Files(path.to_owned())),
        ("memory", path) if path.starts_with('/') => Some(Measure::Memory(path.to_owned())),
        ("pids", path) if path.starts_with('/') => Some(Measure::Pids(path.to_owned())),
        ("processes", "") => Some(Measure::Processes),
        ("mounts", "") => Some(Measure::Mounts),
        _ => None,
    });
    if let (Some(text), None) = (&text, &of) {
        let hint = "`bytes:/PATH`, `files:/PATH`, `memory:/CGROUP`, `pids:/CGROUP`, `processes` or `mounts`";
        complaints.add(spot, &fields.at("of"), format!("`{text}` is no budget"), hint);
    }
    fields.needed_node("at_most", complaints);
    let at_most = fields.parsed("at_most", "a number or a size such as `64M`", parse_size, complaints);
    Some(Kind::Budget { of: of?, at_most: at_most? })
}

fn exec(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Kind> {
    let run = fields.needed("run", complaints);
    let exit = fields.parsed("exit", "an exit code", |text| text.parse().ok(), complaints).unwrap_or(0);
    let reason = fields.text("reason", complaints);
    if reason.as_deref().is_none_or(|reason| reason.split_whitespace().count() < 3) {
        let hint = "say in a sentence why no other kind of fact can say it";
        complaints.add(fields.spot, &fields.at("reason"), "`exec` costs a reason", hint);
    }
    Some(Kind::Exec { run: run?, exit })
}

impl Fields<'_> {
    /// Complains when `key`, a list or mapping, is missing.
    fn needed_node(&mut self, key: &'static str, complaints: &mut Complaints) {
        if self.get(key).is_none_or(|node| matches!(&node.value, Value::List(list) if list.is_empty())) {
            complaints.add(self.spot, &self.at(key), "is missing", format!("add `{key}: ...`"));
        }
    }
}
