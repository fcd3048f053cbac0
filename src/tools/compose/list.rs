//! `ps`, `ls`, `images`, `top`, `port`, `volumes`, `stats`: what there is, in tables.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::observed::{self, Container, label};
use super::scene::{self, Scene};
use crate::tools::docker::api::Ask;
use crate::tools::docker::containers::{list, stats as resources};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::{in_path, short_id};
use crate::tools::docker::line::Given;
use crate::tools::docker::system::moment;
use crate::tools::docker::table::{self, Row};
use crate::tools::docker::{Session, say};
use crate::ui::units;

const KIND: table::Kind = table::Kind {
    name: "*formatter.ContainerContext",
    heads: &[
        ("Name", "NAME"),
        ("Names", "NAMES"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("Service", "SERVICE"),
        ("RunningFor", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Status", "STATUS"),
        ("State", "STATE"),
        ("Ports", "PORTS"),
        ("Project", "PROJECT"),
        ("ID", "CONTAINER ID"),
        ("Health", "HEALTH"),
        ("ExitCode", "EXIT CODE"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
    ],
};

/// `compose ps`.
pub fn ps(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (project, name)) = (scene.api()?, scene.project_or_name()?);
    if let Some(project) = &project {
        scene::known(project, &given.words)?;
    }
    let mut states: Vec<String> = given.all("status").to_vec();
    for filter in given.all("filter") {
        match filter.split_once('=') {
            Some(("status", state)) => states.push(state.to_owned()),
            Some(("source", _)) => return Err(Failure::new("ps --filter source: files are not told apart here")),
            _ => return Err(Failure::new(format!("unknown filter {filter}"))),
        }
    }
    let mut found = observed::containers(api, &name)?;
    let known = project.as_ref().map(scene::all_names).filter(|_| !given.still_on("orphans"));
    found.retain(|one| {
        let named = given.words.is_empty() || given.words.contains(&one.service);
        let all = given.on("all") || !states.is_empty();
        let state = if all {
            !one.oneoff || given.on("all")
        } else {
            one.state != "exited" && one.state != "created" && one.state != "dead" && !one.oneoff
        };
        named && state && known.as_ref().is_none_or(|known| known.contains(&one.service))
    });
    found.retain(|one| states.is_empty() || states.contains(&one.state));
    found.sort_by(|one, other| one.name.cmp(&other.name));
    if given.on("quiet") {
        found.iter().for_each(|one| say(&format!("{}\n", one.id)));
        return Ok(());
    }
    if given.on("services") {
        let services: BTreeSet<&str> = found.iter().map(|one| one.service.as_str()).collect();
        services.into_iter().for_each(|service| say(&format!("{service}\n")));
        return Ok(());
    }
    let rows: Vec<Row> = found.iter().map(|one| row(session, one, !given.on("no-trunc"))).collect::<Result<_>>()?;
    let format = match given.text("format") {
        None | Some("" | "table" | "pretty") => {
            "table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}"
        }
        Some(format) => format,
    };
    let labels = |row: &Value, method: &str, arguments: &[Value]| {
        let one = found.iter().find(|one| row["Name"] == one.name.as_str())?;
        let wanted = arguments.first()?.as_str()?;
        (method == "Label").then(|| one.label(wanted).into())
    };
    table::print_with(&KIND, format, &rows, &labels)
}

fn row(session: &Session, one: &Container, cut: bool) -> Result<Row> {
    let mut row = list::row(&one.document, cut);
    let exited = ["exited", "dead"].contains(&one.state.as_str());
    let status = one.document["Status"].as_str().unwrap_or_default();
    let health = ["healthy", "unhealthy", "starting"]
        .into_iter()
        .find(|word| status.ends_with(&format!("({word})")) || status.ends_with(&format!("(health: {word})")));
    let code = if exited {
        let shown = session.api()?.json(Ask::get(&format!("/containers/{}/json", one.id)))?;
        shown["State"]["ExitCode"].as_i64().unwrap_or(0)
    } else {
        0
    };
    let ports = one.document["Ports"].as_array().into_iter().flatten();
    let publishers: Vec<Value> = ports
        .map(|port| {
            json!({
                "URL": port["IP"].as_str().unwrap_or_default(), "TargetPort": port["PrivatePort"].as_u64().unwrap_or(0),
                "PublishedPort": port["PublicPort"].as_u64().unwrap_or(0), "Protocol": port["Type"].as_str().unwrap_or_default(),
            })
        })
        .collect();
    let more = json!({
        "Name": one.name, "Service": one.service, "Project": one.label(label::PROJECT), "ExitCode": code,
        "Health": health.unwrap_or_default(), "Publishers": publishers,
    });
    if let Value::Object(more) = more {
        row.extend(more);
    }
    row.remove("Platform");
    let mut sorted: Vec<(String, Value)> = row.into_iter().collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(sorted.into_iter().collect())
}

/// Cells as columns at least twenty wide, with three blanks between: the real tool's other tables.
fn wide(rows: &[Vec<String>]) -> String {
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count() + 3).max().unwrap_or(0).max(20);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = widths.get(at).copied().unwrap_or(0))).collect();
        format!("{}\n", cells.concat().trim_end())
    };
    rows.iter().map(line).collect()
}

/// `compose ls`.
pub fn ls(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let mut projects: BTreeMap<String, Vec<Container>> = BTreeMap::new();
    for one in observed::labelled(scene.api()?, &[format!("label={}", label::PROJECT), format!("label={}=False", label::ONEOFF)])? {
        projects.entry(one.label(label::PROJECT).to_owned()).or_default().push(one);
    }
    let patterns: Vec<&str> = given.all("filter").iter().filter_map(|filter| filter.strip_prefix("name=")).collect();
    if patterns.len() != given.all("filter").len() {
        return Err(Failure::new("unknown filter: there is name=TEXT"));
    }
    projects.retain(|name, found| {
        let runs = given.on("all") || found.iter().any(|one| one.state != "exited" && one.state != "created" && one.state != "dead");
        runs && (patterns.is_empty() || patterns.iter().any(|pattern| name.contains(pattern)))
    });
    if given.on("quiet") {
        projects.keys().for_each(|name| say(&format!("{name}\n")));
        return Ok(());
    }
    let rows: Vec<(String, String, String)> =
        projects.iter().map(|(name, found)| (name.clone(), states(found), scene::told_files(found))).collect();
    match given.text("format") {
        Some("json") => {
            let all: Vec<Value> =
                rows.iter().map(|(name, status, files)| json!({"Name": name, "Status": status, "ConfigFiles": files})).collect();
            say(&format!("{}\n", Value::from(all)));
        }
        None | Some("" | "table" | "pretty") => {
            let head = ["NAME", "STATUS", "CONFIG FILES"].map(str::to_owned).to_vec();
            let body = rows.into_iter().map(|(name, status, files)| vec![name, status, files]);
            say(&wide(&std::iter::once(head).chain(body).collect::<Vec<_>>()));
        }
        Some(other) => return Err(Failure::new(format!("format value {other:?} could not be parsed"))),
    }
    Ok(())
}

/// `exited(1), running(2)`.
fn states(found: &[Container]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    found.iter().for_each(|one| *counts.entry(one.state.as_str()).or_default() += 1);
    counts.iter().map(|(state, count)| format!("{state}({count})")).collect::<Vec<_>>().join(", ")
}

fn meant(scene: &Scene<'_>, given: &Given) -> Result<Vec<Container>> {
    let (project, name) = scene.project_or_name()?;
    let mut found = scene::containers(scene.api()?, &name, project.as_ref(), &given.words)?;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// `compose images`.
pub fn images(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let mut rows = Vec::new();
    for one in meant(&scene, given)? {
        let id = one.document["ImageID"].as_str().unwrap_or_default().to_owned();
        let shown = scene.api()?.json(Ask::get(&format!("/images/{}/json", in_path(&id))))?;
        let names = scene::texts(&shown["RepoTags"]);
        let name =
            names.iter().find(|name| **name == one.image || name.trim_end_matches(":latest") == one.image).or(names.first()).cloned();
        let name = name.unwrap_or_default();
        let (repository, tag) = name.rsplit_once(':').unwrap_or(("<none>", "<none>"));
        let (repository, tag) = (repository.to_owned(), tag.to_owned());
        let platform = format!("{}/{}", shown["Os"].as_str().unwrap_or_default(), shown["Architecture"].as_str().unwrap_or_default());
        rows.push((
            one.name.clone(),
            repository,
            tag,
            platform,
            id,
            shown["Size"].as_u64().unwrap_or(0),
            shown["Created"].as_str().unwrap_or_default().to_owned(),
        ));
    }
    if given.on("quiet") {
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.4.strip_prefix("sha256:").unwrap_or(&row.4)).collect();
        ids.into_iter().for_each(|id| say(&format!("{id}\n")));
        return Ok(());
    }
    match given.text("format") {
        Some("json") => {
            let all: Vec<Value> = rows
                .iter()
                .map(|(container, repository, tag, platform, id, size, created)| {
                    json!({"ID": id, "ContainerName": container, "Repository": repository, "Tag": tag, "Platform": platform, "Size": size, "Created": created})
                })
                .collect();
            say(&format!("{}\n", Value::from(all)));
        }
        None | Some("" | "table" | "pretty") => {
            let head = ["CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"].map(str::to_owned).to_vec();
            let body = rows.into_iter().map(|(container, repository, tag, platform, id, size, created)| {
                vec![
                    container,
                    repository,
                    tag,
                    platform,
                    short_id(&id).to_owned(),
                    units::precise(size),
                    moment::ago(moment::read(&created)),
                ]
            });
            say(&wide(&std::iter::once(head).chain(body).collect::<Vec<_>>()));
        }
        Some(other) => return Err(Failure::new(format!("unsupported format type: {other:?}"))),
    }
    Ok(())
}

/// `compose top`.
pub fn top(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let mut heads: Vec<String> = Vec::new();
    let mut lines: Vec<(Vec<String>, BTreeMap<String, String>)> = Vec::new();
    for one in meant(&scene, given)?.iter().filter(|one| one.is_running()) {
        let shown = scene.api()?.json(Ask::get(&format!("/containers/{}/top", one.id)))?;
        let titles = scene::texts(&shown["Titles"]);
        for title in &titles {
            if !heads.contains(title) {
                heads.push(title.clone());
            }
        }
        for process in shown["Processes"].as_array().into_iter().flatten() {
            let cells = titles.iter().cloned().zip(scene::texts(process)).collect();
            lines.push((vec![one.service.clone(), one.number.to_string()], cells));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let head: Vec<String> = ["SERVICE", "#"].map(str::to_owned).into_iter().chain(heads.iter().cloned()).collect();
    let body = lines.into_iter().map(|(mut cells, by_title)| {
        cells.extend(heads.iter().map(|title| by_title.get(title).cloned().unwrap_or_else(|| "-".to_owned())));
        cells
    });
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count() + 2).max().unwrap_or(0).max(4);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = widths[at])).collect();
        say(&format!("{}\n", cells.concat().trim_end()));
    }
    Ok(())
}

/// `compose port`.
pub fn port(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (_, name)) = (scene.api()?, scene.project_or_name()?);
    let protocol = given.text("protocol").filter(|text| !text.is_empty()).unwrap_or("tcp").to_lowercase();
    let (wanted, protocol) = match given.word(1).split_once('/') {
        Some((port, protocol)) => (port.to_owned(), protocol.to_owned()),
        None => (given.word(1).to_owned(), protocol),
    };
    let port: u64 = wanted.parse().map_err(|_| Failure::new(format!("invalid port {wanted:?}: a number")))?;
    let one = scene::one_of(api, &name, given.word(0), given.number("index"))?;
    let ports = one.document["Ports"].as_array().map_or(&[][..], Vec::as_slice);
    let fits = |one: &&Value| one["PrivatePort"] == port && one["Type"] == protocol.as_str() && one["PublicPort"].as_u64().is_some();
    match ports.iter().find(fits) {
        Some(found) => {
            let address = found["IP"].as_str().unwrap_or_default();
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            say(&format!("{address}:{}\n", found["PublicPort"]));
            Ok(())
        }
        None => Err(Failure::new(format!("no port {port}/{protocol} for container {}: {}", one.name, list::ports(ports)))),
    }
}

/// `compose volumes`.
pub fn volumes(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (project, name)) = (scene.api()?, scene.project_or_name()?);
    if let Some(project) = &project {
        scene::known(project, &given.words)?;
    }
    let mut found = observed::volumes(api, &[format!("label={}={name}", label::PROJECT)])?;
    if !given.words.is_empty() {
        let used: BTreeSet<String> = meant(&scene, given)?.into_iter().flat_map(|one| one.volumes).collect();
        found.retain(|one| used.contains(&one.name));
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    if given.on("quiet") {
        found.iter().for_each(|one| say(&format!("{}\n", one.name)));
        return Ok(());
    }
    const VOLUME: table::Kind =
        table::Kind { name: "*formatter.volumeContext", heads: &[("Driver", "DRIVER"), ("Name", "VOLUME NAME"), ("Labels", "LABELS")] };
    let rows: Vec<Row> = found
        .iter()
        .map(|one| {
            let labels: Vec<String> = one.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            Row::from_iter([
                ("Driver".to_owned(), "local".into()),
                ("Labels".to_owned(), labels.join(",").into()),
                ("Name".to_owned(), one.name.clone().into()),
            ])
        })
        .collect();
    let format = match given.text("format") {
        None | Some("" | "table") => "table {{.Driver}}\t{{.Name}}",
        Some(format) => format,
    };
    table::print(&VOLUME, format, &rows)
}

/// `compose stats`: docker's, of the project's containers.
pub fn stats(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let found: Vec<String> =
        meant(&scene, given)?.into_iter().filter(|one| given.on("all") || one.is_running()).map(|one| one.id).collect();
    if found.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = found.iter().map(String::as_str).collect();
    let mut line = Given::of(&ids);
    for name in ["all", "no-stream", "no-trunc"] {
        if given.on(name) {
            line = line.with(name, "true");
        }
    }
    if let Some(format) = given.text("format") {
        line = line.with("format", format);
    }
    resources::run(session, &line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_as_wide_as_the_real_tool_has_them() {
        let rows = [vec!["NAME".to_owned(), "STATUS".to_owned()], vec!["x".to_owned(), "running(2)".to_owned()]];
        assert_eq!(wide(&rows), "NAME                STATUS\nx                   running(2)\n");
        let of = |state: &str| Container { state: state.to_owned(), ..Container::default() };
        assert_eq!(states(&[of("running"), of("exited"), of("running")]), "exited(1), running(2)");
    }
}
