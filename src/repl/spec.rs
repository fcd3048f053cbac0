//! The layer of `:zoom` between the engine and the kernel: the `config.json` that the runtime got, <https://github.com/opencontainers/runtime-spec>.
//!
//! What is shown is what decides: the program and its rights, the root, the mounts, the namespaces, the limits. Keys are those of the file, so that it can be
//! read beside it.

use serde_json::Value;

use crate::ui::{Face, Node, Text, units};

/// All namespaces that a process has, as the specification calls them.
const NAMESPACES: [&str; 8] = ["pid", "network", "mount", "ipc", "uts", "cgroup", "user", "time"];
/// Mounts that are shown.
const MOST: usize = 20;
/// Digits of an id, and those of them that docker shows.
const ID: usize = 64;
const SHORT: usize = 12;
/// A limit that is none.
const UNLIMITED: i64 = -1;

/// The excerpt of a `config.json` as the journal has it.
pub fn node(spec: &Value) -> Node {
    let text = Text::of(Face::Strong, "OCI").and(Face::Plain, " config.json").and(Face::Dim, ": what the runtime was asked for");
    let (process, linux) = (&spec["process"], &spec["linux"]);
    let below = [
        Some(program(process)),
        Some(root(&spec["root"])),
        Some(namespaces(&linux["namespaces"])),
        Some(resources(&linux["resources"])),
        group(linux),
        Some(capabilities(process)),
        seccomp(&linux["seccomp"]),
        hidden(linux),
        mounts(&spec["mounts"]),
    ];
    Node { text, below: below.into_iter().flatten().collect() }
}

fn key(name: &str, value: impl AsRef<str>) -> Text {
    Text::of(Face::Code, name).and(Face::Plain, format!(": {}", shortened(value.as_ref())))
}

/// A text in which ids of 64 digits have their first twelve, as docker shows them, and dots for the rest.
pub(super) fn shortened(text: &str) -> String {
    let mut short = String::new();
    for word in text.split_inclusive(|letter: char| !letter.is_ascii_hexdigit()) {
        let digits = word.trim_end_matches(|letter: char| !letter.is_ascii_hexdigit());
        match digits.len() {
            ID => short += &format!("{}...{}", &digits[..SHORT], &word[ID..]),
            _ => short += word,
        }
    }
    short
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn program(process: &Value) -> Node {
    let user = &process["user"];
    let (uid, gid) = (user["uid"].as_u64().unwrap_or(0), user["gid"].as_u64().unwrap_or(0));
    let terminal = if process["terminal"] == true { "with a terminal" } else { "without a terminal" };
    let how = format!("as {uid}:{gid} in {}, {terminal}", text(&process["cwd"]));
    Node { text: key("process.args", words(&process["args"]).join(" ")), below: vec![Node::leaf(how)] }
}

fn root(root: &Value) -> Node {
    let how = if root["readonly"] == true { "read-only" } else { "writable" };
    Node::leaf(key("root", format!("{}, {how}", text(&root["path"]))))
}

/// Which it gets anew, which it joins, and which it has in common with the host.
fn namespaces(list: &Value) -> Node {
    let given: Vec<&Value> = list.as_array().into_iter().flatten().collect();
    let joined = |one: &&&Value| !text(&one["path"]).is_empty();
    let own: Vec<&str> = given.iter().filter(|one| !joined(one)).map(|one| text(&one["type"])).collect();
    let mut below: Vec<Node> =
        given.iter().filter(joined).map(|one| Node::leaf(format!("{}: that at {}", text(&one["type"]), text(&one["path"])))).collect();
    let shared: Vec<&str> = NAMESPACES.into_iter().filter(|kind| given.iter().all(|one| one["type"] != *kind)).collect();
    if !shared.is_empty() {
        below.push(Node::leaf(Text::of(Face::Dim, format!("of the host: {}", shared.join(", ")))));
    }
    let own = if own.is_empty() { "none of its own".to_owned() } else { format!("new {}", own.join(", ")) };
    Node { text: key("linux.namespaces", own), below }
}

fn resources(resources: &Value) -> Node {
    let number = |part: &str, name: &str| resources[part][name].as_i64().filter(|number| *number > 0);
    let bytes = |number: i64| units::binary(u64::try_from(number).unwrap_or(0));
    let mut limits = Vec::new();
    limits.extend(number("memory", "limit").map(|limit| format!("memory {}", bytes(limit))));
    limits.extend(number("memory", "reservation").map(|limit| format!("memory kept {}", bytes(limit))));
    match (number("memory", "limit"), resources["memory"]["swap"].as_i64()) {
        (_, Some(UNLIMITED)) => limits.push("swap without a limit".to_owned()),
        (limit, Some(all)) if all > 0 => limits.push(format!("swap {}", bytes((all - limit.unwrap_or(0)).max(0)))),
        _ => {}
    }
    if let Some(quota) = number("cpu", "quota") {
        let share = quota as f64 / number("cpu", "period").unwrap_or(100_000) as f64;
        limits.push(format!("{share} CPUs"));
    }
    limits.extend(number("cpu", "shares").map(|shares| format!("CPU shares {shares}")));
    let cpus = text(&resources["cpu"]["cpus"]);
    limits.extend((!cpus.is_empty()).then(|| format!("on the CPUs {cpus}")));
    limits.extend(number("pids", "limit").map(|limit| format!("{limit} processes")));
    Node::leaf(key("linux.resources", if limits.is_empty() { "no limits".to_owned() } else { limits.join(", ") }))
}

fn group(linux: &Value) -> Option<Node> {
    let path = text(&linux["cgroupsPath"]);
    (!path.is_empty()).then(|| Node::leaf(key("linux.cgroupsPath", path)))
}

fn capabilities(process: &Value) -> Node {
    let names: Vec<String> =
        words(&process["capabilities"]["bounding"]).iter().map(|name| name.trim_start_matches("CAP_").to_lowercase()).collect();
    let all = if names.is_empty() { "none".to_owned() } else { format!("{}: {}", names.len(), names.join(", ")) };
    let new = if process["noNewPrivileges"] == true { "it can gain no others" } else { "set-user-id programs may gain others of these" };
    Node { text: key("process.capabilities", all), below: vec![Node::leaf(Text::of(Face::Dim, new))] }
}

fn seccomp(seccomp: &Value) -> Option<Node> {
    let action = seccomp["defaultAction"].as_str()?;
    let allowed = seccomp["allowed"].as_u64().unwrap_or(0);
    Some(Node::leaf(key("linux.seccomp", format!("{action}, but for {allowed} system calls"))))
}

/// What of /proc and /sys it may not see or write.
fn hidden(linux: &Value) -> Option<Node> {
    let (masked, fixed) = (words(&linux["maskedPaths"]), words(&linux["readonlyPaths"]));
    let mut below = Vec::new();
    below.extend((!masked.is_empty()).then(|| Node::leaf(key("linux.maskedPaths", masked.join(" ")))));
    below.extend((!fixed.is_empty()).then(|| Node::leaf(key("linux.readonlyPaths", fixed.join(" ")))));
    let count = |count: usize| if count == 1 { "1 path".to_owned() } else { format!("{count} paths") };
    let text = Text::plain(format!("{} hidden, {} read-only", count(masked.len()), count(fixed.len())));
    (!below.is_empty()).then_some(Node { text, below })
}

fn mounts(list: &Value) -> Option<Node> {
    let all: Vec<&Value> = list.as_array()?.iter().collect();
    let mut below: Vec<Node> = all.iter().take(MOST).map(|mount| Node::leaf(mounted(mount))).collect();
    if let Some(more) = all.len().checked_sub(MOST).filter(|more| *more > 0) {
        below.push(Node::leaf(Text::of(Face::Dim, format!("and {more} more"))));
    }
    Some(Node { text: key("mounts", all.len().to_string()), below })
}

/// `/proc: proc`, `/data: bind of /srv/data (rw, rprivate)`.
fn mounted(mount: &Value) -> Text {
    let options = words(&mount["options"]);
    let (kind, source) = (text(&mount["type"]), text(&mount["source"]));
    let bind = kind == "bind" || options.iter().any(|option| ["bind", "rbind"].contains(option));
    let what = if bind { format!("bind of {}", shortened(source)) } else { kind.to_owned() };
    let rest: Vec<&str> = options.into_iter().filter(|option| !["bind", "rbind"].contains(option)).collect();
    let how = if rest.is_empty() { String::new() } else { format!(" ({})", rest.join(", ")) };
    Text::of(Face::Code, text(&mount["destination"])).and(Face::Plain, format!(": {what}")).and(Face::Dim, how)
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn ids_are_shortened_and_nothing_else() {
        let id = "3f".repeat(32);
        assert_eq!(shortened(&format!("POST /containers/{id}/start")), "POST /containers/3f3f3f3f3f3f.../start");
        assert_eq!(shortened(&id), "3f3f3f3f3f3f...");
        for other in ["deadbeef", "/docker/web", "", &"a".repeat(63), &"a".repeat(65)] {
            assert_eq!(shortened(other), other);
        }
    }
}
