//! `docker volume`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api::Ask;
use super::failure::{Failure, Result, each};
use super::images::in_path;
use super::line::Given;
use super::table::{self, Row};
use super::verb::{FORMAT, Kind, Takes, VERB, Verb, long, short};
use super::{Session, confirmed, say, system, warn};
use crate::ui::units;

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "volume ls",
        also: &["volume list"],
        usage: "[OPTIONS]",
        about: "List volumes",
        flags: &[
            long("cluster", Kind::Switch, "Refused: there are no volumes of a cluster"),
            short('f', "filter", Kind::Filter, "Only some: dangling=true, name=TEXT, label=NAME, driver=NAME"),
            FORMAT,
            short('q', "quiet", Kind::Switch, "Names alone"),
        ],
        run: list,
        ..VERB
    },
    Verb {
        path: "volume create",
        usage: "[OPTIONS] [VOLUME]",
        about: "Make a volume",
        takes: Takes::AtMost(1),
        flags: &[
            long("availability", Kind::Text, "For volumes of a cluster"),
            short('d', "driver", Kind::Text, "The driver: local"),
            long("group", Kind::Text, "For volumes of a cluster"),
            long("label", Kind::List, "A label: NAME=VALUE"),
            long("limit-bytes", Kind::Bytes, "For volumes of a cluster"),
            short('o', "opt", Kind::Map, "An option of the driver: NAME=VALUE"),
            long("required-bytes", Kind::Bytes, "For volumes of a cluster"),
            long("scope", Kind::Text, "For volumes of a cluster"),
            long("secret", Kind::Map, "For volumes of a cluster"),
            long("sharing", Kind::Text, "For volumes of a cluster"),
            long("topology-preferred", Kind::List, "For volumes of a cluster"),
            long("topology-required", Kind::List, "For volumes of a cluster"),
            long("type", Kind::Text, "For volumes of a cluster"),
        ],
        run: create,
        ..VERB
    },
    Verb {
        path: "volume rm",
        also: &["volume remove"],
        usage: "[OPTIONS] VOLUME [VOLUME...]",
        about: "Remove volumes that no container uses",
        takes: Takes::AtLeast(1),
        flags: &[short('f', "force", Kind::Switch, "One that is not there is no error")],
        run: |session, given| {
            each(&given.words, |name| {
                session.api()?.ask(Ask::delete(&format!("/volumes/{}", in_path(name))).switch("force", given.on("force")))?;
                say(&format!("{name}\n"));
                Ok(())
            })
        },
        ..VERB
    },
    Verb {
        path: "volume prune",
        usage: "[OPTIONS]",
        about: "Remove anonymous volumes that no container uses",
        flags: &[
            short('a', "all", Kind::Switch, "Also those with a name"),
            long("filter", Kind::Filter, "Only some: label=NAME"),
            short('f', "force", Kind::Switch, "Do not ask"),
        ],
        run: prune,
        ..VERB
    },
];

const KIND: table::Kind = table::Kind {
    name: "*formatter.volumeContext",
    heads: &[
        ("Name", "VOLUME NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Size", "SIZE"),
        ("Availability", "AVAILABILITY"),
        ("Group", "GROUP"),
        ("Status", "STATUS"),
    ],
};

/// `NAME=VALUE` pairs of a document, sorted.
pub fn pairs(labels: &Value) -> String {
    let mut all: Vec<String> =
        labels.as_object().into_iter().flatten().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    all.sort();
    all.join(",")
}

/// `NAME=VALUE` options as a document.
pub fn map(values: &[String]) -> Value {
    let pairs: BTreeMap<&str, &str> = values.iter().map(|text| text.split_once('=').unwrap_or((text, ""))).collect();
    json!(pairs)
}

fn list(session: &Session, given: &Given) -> Result {
    if given.on("cluster") {
        return Err(Failure::new("--cluster: there are no volumes of a cluster without Swarm, which is not in this version of Bottleship"));
    }
    let answer = session.api()?.json(Ask::get("/volumes").filters(given.all("filter")))?;
    let mut volumes = answer["Volumes"].as_array().cloned().unwrap_or_default();
    volumes.sort_by(|one, other| one["Name"].as_str().cmp(&other["Name"].as_str()));
    let row = |one: &Value| {
        let usage = &one["UsageData"];
        let known = |key: &str| usage[key].as_u64();
        Row::from_iter([
            ("Availability".to_owned(), "N/A".into()),
            ("Driver".to_owned(), one["Driver"].clone()),
            ("Group".to_owned(), "N/A".into()),
            ("Labels".to_owned(), pairs(&one["Labels"]).into()),
            ("Links".to_owned(), known("RefCount").map_or_else(|| "N/A".to_owned(), |count| count.to_string()).into()),
            ("Mountpoint".to_owned(), one["Mountpoint"].clone()),
            ("Name".to_owned(), one["Name"].clone()),
            ("Scope".to_owned(), one["Scope"].clone()),
            ("Size".to_owned(), known("Size").map_or_else(|| "N/A".to_owned(), units::precise).into()),
            ("Status".to_owned(), "N/A".into()),
        ])
    };
    let rows: Vec<Row> = volumes.iter().map(row).collect();
    let settings = super::contexts::config()?;
    let format = match given.text("format").or_else(|| settings["volumesFormat"].as_str()) {
        None if given.on("quiet") => "{{.Name}}",
        None | Some("table") => "table {{.Driver}}\t{{.Name}}",
        Some(format) => format,
    };
    let label = |row: &Value, name: &str, arguments: &[Value]| {
        let at = rows.iter().position(|one| Some(one) == row.as_object())?;
        let wanted = arguments.first()?.as_str()?;
        (name == "Label").then(|| volumes[at]["Labels"][wanted].as_str().unwrap_or_default().into())
    };
    table::print_with(&KIND, format, &rows, &label)
}

fn create(session: &Session, given: &Given) -> Result {
    let body = json!({
        "Name": given.word(0), "Driver": given.text("driver").unwrap_or("local"), "DriverOpts": map(given.all("opt")), "Labels": map(given.all("label")),
    });
    let made = session.api()?.json(Ask::post("/volumes/create").json(&body))?;
    say(&format!("{}\n", made["Name"].as_str().unwrap_or_default()));
    Ok(())
}

fn prune(session: &Session, given: &Given) -> Result {
    let mut filters = given.all("filter").to_vec();
    if given.on("all") {
        if filters.iter().any(|filter| filter.starts_with("all=")) {
            return Err(Failure::new("conflicting options: cannot specify both --all and --filter all=1"));
        }
        filters.push("all=true".to_owned());
    }
    let what = if given.on("all") {
        "WARNING! This will remove all local volumes not used by at least one container."
    } else {
        "WARNING! This will remove anonymous local volumes not used by at least one container."
    };
    if !given.on("force") && !confirmed(&format!("{what}\nAre you sure you want to continue?")) {
        return Ok(());
    }
    let bytes = system::prune_things(session, "/volumes/prune", &filters, "VolumesDeleted", "Deleted Volumes")?;
    say(&format!("Total reclaimed space: {}\n", units::precise(bytes)));
    Ok(())
}

/// Says what an engine warns of.
pub fn warned(answer: &Value) {
    if let Some(warning) = answer["Warning"].as_str().filter(|warning| !warning.is_empty()) {
        warn(&format!("WARNING: {warning}\n"));
    }
}
