//! `docker inspect` and its kin: the document that the engine has of a thing, whole or by a template.

use serde_json::{Value, json};

use super::api::Ask;
use super::failure::{Failure, Result};
use super::images::in_path;
use super::line::Given;
use super::verb::{FORMAT_ONE, Kind, Takes, VERB, Verb, long, short};
use super::{Session, say, warn};
use crate::template::{How, Missing, Template, Zero};

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "inspect",
        usage: "[OPTIONS] NAME|ID [NAME|ID...]",
        about: "Show everything that the engine knows of something",
        takes: Takes::AtLeast(1),
        flags: &[
            FORMAT_ONE,
            short('s', "size", Kind::Switch, "With the size of what a container has written"),
            long("type", Kind::Text, "Only a thing of this kind: container, image, network, volume, ..."),
        ],
        run: any,
        ..VERB
    },
    Verb {
        path: "image inspect",
        usage: "[OPTIONS] IMAGE [IMAGE...]",
        about: "Show everything that the engine knows of an image",
        takes: Takes::AtLeast(1),
        flags: &[FORMAT_ONE, long("platform", Kind::Text, "Of the image for this platform: os/arch[/variant]")],
        run: |session, given| {
            let wanted = given.text("platform").map(super::registry::platform).transpose()?;
            all(given, &|name| one(session, "images", name, &[("platform", wanted.clone())]))
        },
        ..VERB
    },
    Verb {
        path: "container inspect",
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        about: "Show everything that the engine knows of a container",
        takes: Takes::AtLeast(1),
        flags: &[FORMAT_ONE, short('s', "size", Kind::Switch, "With the size of what it has written")],
        run: |session, given| all(given, &|name| one(session, "containers", name, &[("size", given.on("size").then(|| "1".to_owned()))])),
        ..VERB
    },
    Verb {
        path: "volume inspect",
        usage: "[OPTIONS] VOLUME [VOLUME...]",
        about: "Show everything that the engine knows of a volume",
        takes: Takes::AtLeast(1),
        flags: &[FORMAT_ONE],
        run: |session, given| all(given, &|name| one(session, "volumes", name, &[])),
        ..VERB
    },
    Verb {
        path: "network inspect",
        usage: "[OPTIONS] NETWORK [NETWORK...]",
        about: "Show everything that the engine knows of a network",
        takes: Takes::AtLeast(1),
        flags: &[FORMAT_ONE, short('v', "verbose", Kind::Switch, "With what helps to find faults")],
        run: |session, given| {
            all(given, &|name| one(session, "networks", name, &[("verbose", given.on("verbose").then(|| "true".to_owned()))]))
        },
        ..VERB
    },
    Verb {
        path: "plugin inspect",
        usage: "[OPTIONS] PLUGIN [PLUGIN...]",
        about: "Show everything that the engine knows of a plugin",
        takes: Takes::AtLeast(1),
        flags: &[FORMAT_ONE],
        run: |session, given| all(given, &|name| one(session, "plugins", name, &[])),
        ..VERB
    },
];

/// The kinds that are tried one after the other, with the paths that they have in the API. None: only a manager of a swarm has them.
const KINDS: &[(&str, Option<&str>)] = &[
    ("container", Some("containers")),
    ("image", Some("images")),
    ("network", Some("networks")),
    ("volume", Some("volumes")),
    ("service", None),
    ("task", None),
    ("node", None),
    ("plugin", Some("plugins")),
    ("secret", None),
    ("config", None),
];

/// A document as the engine sent it, and what was to be said about it.
struct Found {
    text: String,
    warning: Option<String>,
}

fn one(session: &Session, kind: &str, name: &str, query: &[(&'static str, Option<String>)]) -> Result<Found> {
    if name.is_empty() {
        let kind = kind.trim_end_matches('s');
        return Err(Failure::new(format!("invalid {kind} name or ID: value is empty")));
    }
    let last = if ["networks", "volumes"].contains(&kind) { "" } else { "/json" };
    let path = format!("/{kind}/{}{last}", in_path(name));
    let ask = query.iter().fold(Ask::get(&path), |ask, (key, value)| ask.maybe(key, value.clone()));
    Ok(Found { text: session.api()?.ask(ask)?.text()?, warning: None })
}

fn any(session: &Session, given: &Given) -> Result {
    let Some(kind) = given.text("type").filter(|kind| !kind.is_empty()) else {
        return all(given, &|name| first(session, given, name));
    };
    match KINDS.iter().find(|(known, _)| *known == kind) {
        Some((_, Some(path))) => all(given, &|name| one(session, path, name, &sized(given, path))),
        Some(_) => Err(Failure::new(format!("--type {kind}: Swarm is not in this version of Bottleship yet"))),
        None => {
            let mut names: Vec<String> = KINDS.iter().map(|(name, _)| format!("{name:?}")).collect();
            names.sort();
            Err(Failure::new(format!("unknown type: {kind:?}: must be one of {}", names.join(", "))))
        }
    }
}

fn sized(given: &Given, path: &str) -> Vec<(&'static str, Option<String>)> {
    vec![("size", (path == "containers" && given.on("size")).then(|| "1".to_owned()))]
}

/// Whatever has that name.
fn first(session: &Session, given: &Given, name: &str) -> Result<Found> {
    for (kind, path) in KINDS.iter().filter_map(|(kind, path)| Some((kind, (*path)?))) {
        match one(session, path, name, &sized(given, path)) {
            Ok(found) if given.on("size") && *kind != "container" => {
                return Ok(Found { warning: Some(format!("WARNING: --size ignored for {kind}\n")), ..found });
            }
            Err(failure) if failure.is_absent() || failure.status == Some(501) => {}
            other => return other,
        }
    }
    Err(Failure::new(format!("Error: No such object: {name}")))
}

/// Looks at every name, prints what was found, and then fails with what was not.
fn all(given: &Given, look: &dyn Fn(&str) -> Result<Found>) -> Result {
    let format = given.text("format").filter(|format| !format.is_empty());
    let template = format.filter(|format| *format != "json").map(Template::read).transpose();
    let template = template.map_err(|error| Failure::new(format!("template parsing error: {error}")).code(64))?;
    let (mut found, mut wrong, mut out) = (Vec::new(), Vec::new(), String::new());
    for name in &given.words {
        let document = match look(name) {
            Ok(document) => document,
            Err(failure) => {
                wrong.push(failure.message);
                continue;
            }
        };
        document.warning.iter().for_each(|warning| warn(warning));
        match &template {
            Some(template) => {
                let value = serde_json::from_str(&document.text).unwrap_or(Value::Null);
                match template.render(&value, How { zero, ..How::plain(Missing::Key) }) {
                    Ok(text) => out += &text,
                    Err((_, error)) => wrong.push(format!("template parsing error: {error}")),
                }
                out.push('\n');
            }
            None => found.push(document.text.trim().to_owned()),
        }
    }
    match (&template, format) {
        // As the real one: a line without text where nothing was found.
        (Some(_), _) if out.is_empty() => say("\n"),
        (Some(_), _) => say(&out),
        (None, Some(_)) => say(&format!("[{}]\n", found.join(","))),
        (None, None) => say(&format!("{}\n", indented(&format!("[{}]", found.join(","))))),
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("\n"))) }
}

/// JSON with four blanks a level and everything else as it was sent: no number and no letter is read and written again.
pub fn indented(text: &str) -> String {
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0_usize, false, false);
    let mut letters = text.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"    ".repeat(depth));
    };
    while let Some(letter) = letters.next() {
        if quoted {
            out.push(letter);
            quoted = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '"' => {
                quoted = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                while letters.next_if(|next| next.is_whitespace()).is_some() {}
                match letters.next_if(|next| ['}', ']'].contains(next)) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            blank if blank.is_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// What Docker's own types have in fields that engines leave out of their documents.
fn zero(holder: &str, name: &str) -> Option<Zero> {
    let (value, shown) = match (holder, name) {
        ("Config", "Cmd" | "Entrypoint" | "Env" | "OnBuild" | "Shell")
        | ("", "RepoTags" | "RepoDigests" | "Args" | "ExecIDs" | "Mounts") => (Value::Null, "[]"),
        ("Config", "Labels" | "Volumes" | "ExposedPorts") | ("", "Labels" | "Options") | ("NetworkSettings", "Ports" | "Networks") => {
            (Value::Null, "map[]")
        }
        (
            "HostConfig",
            "Binds" | "CapAdd" | "CapDrop" | "Dns" | "ExtraHosts" | "GroupAdd" | "Links" | "SecurityOpt" | "VolumesFrom" | "Devices"
            | "Ulimits",
        ) => (Value::Null, "[]"),
        ("HostConfig", "PortBindings" | "Tmpfs" | "Sysctls" | "StorageOpt" | "Annotations") => (Value::Null, "map[]"),
        ("HostConfig", "OomKillDisable" | "PidsLimit" | "Init" | "MemorySwappiness")
        | ("Config", "Healthcheck" | "StopTimeout")
        | ("State", "Health") => (Value::Null, "<nil>"),
        ("Config", "User" | "WorkingDir" | "StopSignal" | "Hostname" | "Domainname" | "Image")
        | ("", "Variant" | "OsVersion" | "Parent" | "Author" | "Comment") => (json!(""), ""),
        ("Config", "ArgsEscaped" | "Tty" | "OpenStdin" | "StdinOnce" | "AttachStdin" | "AttachStdout" | "AttachStderr") => {
            (json!(false), "false")
        }
        _ => return None,
    };
    Some(Zero { value, shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_indented_and_not_changed() {
        let text = r#"[{"a":1.50,"b":[],"c":{ },"d":"x,\"{:","e":[1,2]}]"#;
        let wanted = "[\n    {\n        \"a\": 1.50,\n        \"b\": [],\n        \"c\": {},\n        \"d\": \"x,\\\"{:\",\n        \"e\": [\n            1,\n            2\n        ]\n    }\n]";
        assert_eq!(indented(text), wanted);
        assert_eq!(indented("[]"), "[]");
    }

    #[test]
    fn what_an_image_leaves_out_is_as_go_has_it() {
        let shown = |source: &str| {
            Template::read(source).unwrap().render(&json!({"Config": {}, "State": {}}), How { zero, ..How::plain(Missing::Key) })
        };
        assert_eq!(
            shown("{{.Config.Labels}} {{.Config.Cmd}} {{.Config.Healthcheck}} {{.Config.Tty}}[{{.Config.User}}]").unwrap(),
            "map[] [] <nil> false[]"
        );
        assert_eq!(shown("{{json .Config.Cmd}} {{range .Config.Env}}x{{end}}{{len .RepoTags}}").unwrap(), "null 0");
        assert_eq!(shown("{{json .State.Health}} {{.State.Health}} {{if .State.Health}}x{{end}}").unwrap(), "null <nil> ");
        assert!(shown("{{.Config.Frob}}").is_err());
    }
}
