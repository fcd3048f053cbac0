//! `docker version`.

use serde_json::{Value, json};

use crate::template::{How, Missing, Template};
use crate::tools::docker::api::{Ask, NEWEST};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::table::columns;
use crate::tools::docker::{Session, contexts, say};

/// What the client tells of itself.
pub fn client(session: &Session) -> Result<Value> {
    let spoken = session.api()?.version().unwrap_or_else(|_| NEWEST.to_owned());
    Ok(json!({
        "Platform": {"Name": "Bottleship"},
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": spoken, "DefaultAPIVersion": NEWEST,
        "GitCommit": "bottleship", "GoVersion": "none: it is Rust",
        "Os": std::env::consts::OS, "Arch": crate::oci::image::spec::Platform::here().architecture, "BuildTime": "",
        "Context": contexts::current(&session.globals)?,
    }))
}

/// Shows both versions; without an engine the client's.
pub fn run(session: &Session, given: &Given) -> Result {
    let server = session.api()?.json(Ask::get("/version"));
    let all = json!({"Client": client(session)?, "Server": server.as_ref().cloned().unwrap_or_default()});
    match given.text("format") {
        Some(format) => match shown(format, &with_go_names(all, format), "system.versionInfo") {
            Ok(text) => say(&(text + "\n")),
            Err(failure) => {
                if failure.code == 1 {
                    say("\n");
                }
                // The real one's template has a name.
                let message =
                    failure.message.replace("template: :", "template: version:").replace("executing \"\"", "executing \"version\"");
                return Err(Failure { message, ..failure });
            }
        },
        None => say(&(page(&all))),
    }
    server.map(drop)
}

/// A document by a format: `json`, or a template.
///
/// # Errors
/// It is no template, or asks for what the type `kind` does not have.
pub fn shown(format: &str, document: &Value, kind: &'static str) -> Result<String> {
    let source = if format == "json" { "{{json .}}" } else { format };
    let template = Template::read(source).map_err(|error| Failure::new(format!("template parsing error: {error}")).code(64))?;
    template.render(document, How::plain(Missing::Field(kind))).map_err(|(_, error)| Failure::new(error))
}

/// Templates know some fields by the names that Go has for them.
fn with_go_names(mut all: Value, format: &str) -> Value {
    if !["json", "{{json .}}"].contains(&format.trim()) {
        for side in ["Client", "Server"] {
            if all[side].is_object() {
                all[side]["APIVersion"] = all[side]["ApiVersion"].clone();
            }
        }
    }
    all
}

fn page(all: &Value) -> String {
    let mut text = String::new();
    let client = &all["Client"];
    let line = |name: &str, value: &Value| format!(" {name}:\t{}\n", value.as_str().unwrap_or_default());
    text += "Client: Bottleship\n";
    text += &line("Version", &client["Version"]);
    text += &line("API version", &client["ApiVersion"]);
    text += &format!(" OS/Arch:\t{}/{}\n", client["Os"].as_str().unwrap_or_default(), client["Arch"].as_str().unwrap_or_default());
    text += &line("Context", &client["Context"]);
    let server = &all["Server"];
    if !server.is_null() {
        text += "\n";
        text += &match server["Platform"]["Name"].as_str().filter(|name| !name.is_empty()) {
            Some(name) => format!("Server: {name}\n"),
            None => "Server:\n".to_owned(),
        };
        server["Components"].as_array().into_iter().flatten().for_each(|component| text += &part(component));
    }
    columns_of(&text)
}

fn part(component: &Value) -> String {
    let mut text = format!(
        " {}:\n  Version:\t{}\n",
        component["Name"].as_str().unwrap_or_default(),
        component["Version"].as_str().unwrap_or_default()
    );
    let details = &component["Details"];
    let detail = |key: &str| details[key].as_str().unwrap_or_default();
    if !detail("ApiVersion").is_empty() {
        text += &format!("  API version:\t{} (minimum version {})\n", detail("ApiVersion"), detail("MinAPIVersion"));
    }
    for (key, name) in [("GoVersion", "Go version"), ("GitCommit", "Git commit"), ("BuildTime", "Built")] {
        if component["Name"] == "Engine" || details[key].is_string() {
            text += &format!("  {name}:\t{}\n", detail(key));
        }
    }
    if details["Os"].is_string() {
        text += &format!("  OS/Arch:\t{}/{}\n  Experimental:\t{}\n", detail("Os"), detail("Arch"), detail("Experimental"));
    }
    text
}

/// This page has columns of at least twenty, a blank between.
fn columns_of(text: &str) -> String {
    let line = |line: &str| match line.split_once('\t') {
        Some((name, value)) => format!("{name:<19}{value}\n"),
        None => format!("{line}\n"),
    };
    // The tabs of a value are no columns.
    columns(&text.lines().map(line).collect::<String>())
}
