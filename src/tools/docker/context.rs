//! `docker context`: names for engines.

use serde_json::{Value, json};

use super::failure::{Failure, Result, each};
use super::line::Given;
use super::place::{Place, USUAL};
use super::table::{self, Row};
use super::verb::{FORMAT, FORMAT_ONE, Kind, Takes, VERB, Verb, long, short};
use super::{Session, contexts, inspect, say, warn};
use crate::template::{How, Missing, Template};

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "context ls",
        also: &["context list"],
        usage: "[OPTIONS]",
        about: "List the contexts",
        flags: &[FORMAT, short('q', "quiet", Kind::Switch, "Names alone")],
        run: list,
        ..VERB
    },
    Verb {
        path: "context create",
        usage: "[OPTIONS] CONTEXT",
        about: "Give an engine a name",
        takes: Takes::Exactly(1),
        flags: &[
            long("description", Kind::Text, "What it is"),
            long("docker", Kind::Endpoint, "The engine: host=unix://PATH or host=tcp://HOST:PORT, or from=CONTEXT"),
            long("from", Kind::Text, "Begin with what another context says"),
        ],
        run: create,
        ..VERB
    },
    Verb {
        path: "context update",
        usage: "[OPTIONS] CONTEXT",
        about: "Change a context",
        takes: Takes::Exactly(1),
        flags: &[
            long("description", Kind::Text, "What it is"),
            long("docker", Kind::Endpoint, "The engine: host=unix://PATH or host=tcp://HOST:PORT"),
        ],
        run: update,
        ..VERB
    },
    Verb { path: "context use", usage: "CONTEXT", about: "Use a context from now on", takes: Takes::Exactly(1), run: select, ..VERB },
    Verb {
        path: "context show",
        usage: "",
        about: "Print the name of the context in use",
        run: |session, _| {
            say(&format!("{}\n", contexts::current(&session.globals)?));
            Ok(())
        },
        ..VERB
    },
    Verb {
        path: "context inspect",
        usage: "[OPTIONS] [CONTEXT] [CONTEXT...]",
        about: "Show everything that is kept of contexts",
        takes: Takes::Any,
        flags: &[FORMAT_ONE],
        run: show,
        ..VERB
    },
    Verb {
        path: "context rm",
        also: &["context remove"],
        usage: "CONTEXT [CONTEXT...]",
        about: "Forget contexts",
        takes: Takes::AtLeast(1),
        flags: &[short('f', "force", Kind::Switch, "Also the one in use")],
        run: remove,
        ..VERB
    },
];

const KIND: table::Kind = table::Kind {
    name: "*formatter.clientContextContext",
    heads: &[("Name", "NAME"), ("Description", "DESCRIPTION"), ("DockerEndpoint", "DOCKER ENDPOINT"), ("Error", "ERROR"), ("Current", "")],
};

const OVERRIDDEN: &str = "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or \
                          unset DOCKER_HOST environment variable.\n";

fn host_set() -> Option<String> {
    std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty())
}

fn list(session: &Session, given: &Given) -> Result {
    let current = contexts::current(&session.globals)?;
    let row = |name: &str, about: &str, host: &str| {
        Row::from_iter([
            ("Current".to_owned(), (name == current).into()),
            ("Description".to_owned(), about.into()),
            ("DockerEndpoint".to_owned(), host.into()),
            ("Error".to_owned(), "".into()),
            ("Name".to_owned(), name.into()),
        ])
    };
    let usual = host_set().unwrap_or_else(|| USUAL.to_owned());
    let mut rows = vec![row("default", "Current DOCKER_HOST based configuration", &usual)];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.extend(
        contexts::all()
            .iter()
            .map(|one| row(&text(&one["Name"]), &text(&one["Metadata"]["Description"]), &text(&one["Endpoints"]["docker"]["Host"]))),
    );
    rows.sort_by_key(|row| row["Name"].to_string());
    let format = match given.text("format") {
        _ if given.on("quiet") => "{{.Name}}",
        None | Some("table") => "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
        Some(format) => format,
    };
    table::print(&KIND, format, &rows)?;
    if host_set().is_some() && !session.globals.has("context") {
        warn(OVERRIDDEN);
    }
    Ok(())
}

/// Names are letters, digits and `_.+-`, at least two, the first a letter or a digit.
fn checked(name: &str) -> Result<&str> {
    let first = name.starts_with(|one: char| one.is_ascii_alphanumeric());
    if name == "default" {
        return Err(Failure::new("\"default\" is a reserved context name"));
    }
    if !first || name.len() < 2 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte)) {
        return Err(Failure::new(format!(
            "context name {name:?} is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\""
        )));
    }
    Ok(name)
}

/// The endpoint that `--docker` means.
fn endpoint(text: &str) -> Result<Value> {
    let mut host = None;
    for (key, value) in text.split(',').filter_map(|part| part.split_once('=')) {
        match key {
            "host" => host = Some(Place::read(value, "")?.host),
            "from" => {
                host = Some(if value == "default" { host_set().unwrap_or_else(|| USUAL.to_owned()) } else { contexts::host_of(value)? })
            }
            "ca" | "cert" | "key" | "skip-tls-verify" => {
                return Err(Failure::new(format!("--docker {key}=...: this client speaks to engines without TLS only")));
            }
            other => return Err(Failure::new(format!("unrecognized config key: {other}"))),
        }
    }
    Ok(json!({"Host": host.unwrap_or_default(), "SkipTLSVerify": false}))
}

fn write(name: &str, document: &Value) -> Result {
    let file = contexts::file(name);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(&file, document.to_string())?)
}

fn create(_: &Session, given: &Given) -> Result {
    let name = checked(given.word(0))?;
    if contexts::file(name).exists() {
        return Err(Failure::new(format!("context {name:?} already exists")));
    }
    let mut document = match given.text("from") {
        Some("default") => json!({"Metadata": {}, "Endpoints": {"docker": endpoint("from=default")?}}),
        Some(other) => contexts::read(other)?,
        None => json!({"Metadata": {}, "Endpoints": {"docker": endpoint(given.text("docker").unwrap_or("from=default"))?}}),
    };
    document["Name"] = name.into();
    if let Some(about) = given.text("description").filter(|about| !about.is_empty()) {
        document["Metadata"]["Description"] = about.into();
    }
    write(name, &document)?;
    say(&format!("{name}\n"));
    warn(&format!("Successfully created context \"{name}\"\n"));
    Ok(())
}

fn update(_: &Session, given: &Given) -> Result {
    let name = checked(given.word(0))?;
    let mut document = contexts::read(name)?;
    if let Some(about) = given.text("description") {
        document["Metadata"]["Description"] = about.into();
    }
    if let Some(text) = given.text("docker") {
        document["Endpoints"]["docker"] = endpoint(text)?;
    }
    write(name, &document)?;
    say(&format!("{name}\n"));
    warn(&format!("Successfully updated context \"{name}\"\n"));
    Ok(())
}

fn select(_: &Session, given: &Given) -> Result {
    let name = given.word(0);
    if name != "default" {
        contexts::read(checked(name)?)?;
    }
    contexts::change_config(|config| {
        if name == "default" {
            config.remove("currentContext");
        } else {
            config.insert("currentContext".to_owned(), name.into());
        }
    })?;
    say(&format!("{name}\n"));
    warn(&format!("Current context is now \"{name}\"\n"));
    if host_set().is_some() && name != "default" {
        warn(&format!(
            "Warning: DOCKER_HOST environment variable overrides the active context. To use \"{name}\", either set the global --context flag, or unset DOCKER_HOST environment variable.\n"
        ));
    }
    Ok(())
}

fn show(session: &Session, given: &Given) -> Result {
    let names = if given.words.is_empty() { vec![contexts::current(&session.globals)?] } else { given.words.clone() };
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for name in &names {
        match document(name) {
            Ok(document) => found.push(document),
            Err(failure) => wrong.push(failure.message),
        }
    }
    match given.text("format").filter(|format| !format.is_empty()) {
        Some("json") => say(&format!("{}\n", Value::Array(found))),
        None => say(&format!("{}\n", inspect::indented(&Value::Array(found).to_string().replace('<', "\\u003c").replace('>', "\\u003e")))),
        Some(format) => {
            let template = Template::read(format).map_err(|error| Failure::new(format!("template parsing error: {error}")).code(64))?;
            for one in &found {
                match template.render(one, How::plain(Missing::Key)) {
                    Ok(text) => say(&(text + "\n")),
                    Err((_, error)) => wrong.push(format!("template parsing error: {error}")),
                }
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("\n"))) }
}

fn document(name: &str) -> Result<Value> {
    if name == "default" {
        let host = host_set().unwrap_or_else(|| USUAL.to_owned());
        return Ok(json!({
            "Name": "default", "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": false}}, "TLSMaterial": {},
            "Storage": {"MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>"},
        }));
    }
    let kept = contexts::read(name)?;
    let folder = contexts::file(name).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let tls = folder.replace("/contexts/meta/", "/contexts/tls/");
    Ok(json!({
        "Name": name, "Metadata": kept["Metadata"], "Endpoints": kept["Endpoints"], "TLSMaterial": {},
        "Storage": {"MetadataPath": folder, "TLSPath": tls},
    }))
}

fn remove(session: &Session, given: &Given) -> Result {
    let current = contexts::current(&session.globals).unwrap_or_default();
    each(&given.words, |name| {
        if name == "default" {
            return Err(Failure::new("context \"default\" cannot be removed"));
        }
        if !given.on("force") && contexts::read(name).is_err() {
            return Err(Failure::new(format!("context {name:?} does not exist")));
        }
        if name == current && !given.on("force") {
            return Err(Failure::new(format!("context {name:?} is in use, set -f flag to force remove")));
        }
        if let Some(folder) = contexts::file(name).parent().filter(|folder| folder.exists()) {
            std::fs::remove_dir_all(folder)?;
        }
        if name == current {
            contexts::change_config(|config| drop(config.remove("currentContext")))?;
        }
        say(&format!("{name}\n"));
        Ok(())
    })
}
