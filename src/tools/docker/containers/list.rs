//! `docker ps`.

use serde_json::{Value, json};

use crate::tools::docker::Session;
use crate::tools::docker::api::Ask;
use crate::tools::docker::contexts;
use crate::tools::docker::failure::Result;
use crate::tools::docker::images::{ellipsis, short_id};
use crate::tools::docker::line::Given;
use crate::tools::docker::system::moment;
use crate::tools::docker::table::{self, Row};
use crate::ui::units;

/// As much of a command line is shown, with its quotes.
const COMMAND: usize = 20;
/// As much of a source of a mount.
const MOUNT: usize = 15;

/// Containers in a list.
pub const KIND: table::Kind = table::Kind {
    name: "*formatter.ContainerContext",
    heads: &[
        ("ID", "CONTAINER ID"),
        ("Names", "NAMES"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Status", "STATUS"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
        ("Platform", "PLATFORM"),
    ],
};

/// Lists.
pub fn run(session: &Session, given: &Given) -> Result {
    let format = match given.text("format") {
        Some(format) => format.to_owned(),
        None if given.on("quiet") => "{{.ID}}".to_owned(),
        None => contexts::config()?["psFormat"].as_str().unwrap_or("table").to_owned(),
    };
    let last = if given.on("latest") { Some(1) } else { given.number("last").filter(|last| *last != -1) };
    let size = given.on("size") || format.contains(".Size");
    let ask = Ask::get("/containers/json")
        .switch("all", given.on("all"))
        .maybe("limit", last.map(|last| last.to_string()))
        .switch("size", size)
        .filters(given.all("filter"));
    let listed = session.api()?.json(ask)?;
    let rows: Vec<Row> = listed.as_array().into_iter().flatten().map(|one| row(one, !given.on("no-trunc"))).collect();
    let format = if format == "table" { usual(given.on("size")) } else { format };
    let labels: Vec<Value> = listed.as_array().into_iter().flatten().map(|one| one["Labels"].clone()).collect();
    let label = |row: &Value, name: &str, arguments: &[Value]| {
        let at = rows.iter().position(|one| Some(one) == row.as_object())?;
        let wanted = arguments.first()?.as_str()?;
        (name == "Label").then(|| labels[at][wanted].as_str().unwrap_or_default().into())
    };
    table::print_with(&KIND, &format, &rows, &label)
}

fn usual(size: bool) -> String {
    let size = if size { "\t{{.Size}}" } else { "" };
    format!(
        "table {{{{.ID}}}}\t{{{{.Image}}}}\t{{{{.Command}}}}\t{{{{.RunningFor}}}}\t{{{{.Status}}}}\t{{{{.Ports}}}}\t{{{{.Names}}}}{size}"
    )
}

/// A container's row.
pub fn row(one: &Value, cut: bool) -> Row {
    let text = |key: &str| one[key].as_str().unwrap_or_default();
    let command = if cut { ellipsis(text("Command"), COMMAND) } else { text("Command").to_owned() };
    let made = one["Created"].as_i64().unwrap_or(0);
    let mounts = one["Mounts"].as_array().map_or(&[][..], Vec::as_slice);
    let fields = json!({
        "Command": format!("{command:?}"),
        "CreatedAt": moment::local(made),
        "ID": if cut { short_id(text("Id")) } else { text("Id") },
        "Image": image(one, cut),
        "Labels": labels(&one["Labels"]),
        "LocalVolumes": mounts.iter().filter(|mount| mount["Driver"] == "local").count().to_string(),
        "Mounts": mounts.iter().map(|mount| mount_name(mount, cut)).collect::<Vec<_>>().join(","),
        "Names": names(one, cut).join(","),
        "Networks": one["NetworkSettings"]["Networks"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(","),
        "Platform": null,
        "Ports": ports(one["Ports"].as_array().map_or(&[], Vec::as_slice)),
        "RunningFor": moment::ago(made),
        "Size": size(one),
        "State": text("State"),
        "Status": text("Status"),
    });
    match fields {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

fn image(one: &Value, cut: bool) -> String {
    let (name, id) = (one["Image"].as_str().unwrap_or_default(), one["ImageID"].as_str().unwrap_or_default());
    if name.is_empty() {
        return "<no image>".to_owned();
    }
    if !cut {
        return name.to_owned();
    }
    // An image that was taken by its id, or whose name went elsewhere, is shown by the cut id.
    let hex = |text: &str| text.strip_prefix("sha256:").unwrap_or(text).to_owned();
    if hex(name) == hex(id) { short_id(id).to_owned() } else { name.split('@').next().unwrap_or(name).to_owned() }
}

/// The names; cut, without those that links gave (`/other/name`).
fn names(one: &Value, cut: bool) -> Vec<String> {
    let all = one["Names"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|name| name.trim_start_matches('/').to_owned());
    all.filter(|name| !cut || !name.contains('/')).collect()
}

fn labels(labels: &Value) -> String {
    let mut pairs: Vec<String> =
        labels.as_object().into_iter().flatten().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    pairs.sort();
    pairs.join(",")
}

fn mount_name(mount: &Value, cut: bool) -> String {
    let text = |key: &str| mount[key].as_str().unwrap_or_default();
    let name = if text("Name").is_empty() { text("Source") } else { text("Name") };
    if cut { ellipsis(name, MOUNT) } else { name.to_owned() }
}

/// What it has written, and with its image.
fn size(one: &Value) -> String {
    let bytes = |key: &str| one[key].as_u64().unwrap_or(0);
    let own = units::size(bytes("SizeRw"));
    if bytes("SizeRootFs") > 0 { format!("{own} (virtual {})", units::size(bytes("SizeRootFs"))) } else { own }
}

/// One port: where it is published, or only its number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    private: u64,
    address: String,
    public: u64,
    kind: String,
}

/// `0.0.0.0:8080->80/tcp, 443/tcp`; neighbours become a range.
pub fn ports(list: &[Value]) -> String {
    let mut ports: Vec<Port> = list
        .iter()
        .map(|port| Port {
            private: port["PrivatePort"].as_u64().unwrap_or(0),
            address: port["IP"].as_str().unwrap_or_default().to_owned(),
            public: port["PublicPort"].as_u64().unwrap_or(0),
            kind: port["Type"].as_str().unwrap_or("tcp").to_owned(),
        })
        .collect();
    ports.sort();
    let (mut groups, mut fixed): (Vec<(Port, u64)>, Vec<String>) = (Vec::new(), Vec::new());
    for port in ports {
        // Another number outside than inside is never part of a range.
        if port.public > 0 && port.public != port.private {
            fixed.push(format!("{}->{}/{}", outside(&port.address, port.public, port.public), port.private, port.kind));
            continue;
        }
        let next = |(first, last): &(Port, u64)| {
            first.address == port.address && first.kind == port.kind && (first.public > 0) == (port.public > 0) && *last + 1 == port.private
        };
        match groups.iter_mut().find(|group| next(group)) {
            Some((_, last)) => *last = port.private,
            None => groups.push((port.clone(), port.private)),
        }
    }
    let group = |(first, last): &(Port, u64)| {
        let inside = if first.private == *last { last.to_string() } else { format!("{}-{last}", first.private) };
        match first.public {
            0 => format!("{inside}/{}", first.kind),
            _ => format!("{}->{inside}/{}", outside(&first.address, first.public, *last), first.kind),
        }
    };
    groups.iter().map(group).chain(fixed).collect::<Vec<_>>().join(", ")
}

fn outside(address: &str, from: u64, to: u64) -> String {
    let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let numbers = if from == to { from.to_string() } else { format!("{from}-{to}") };
    if address.is_empty() { numbers } else { format!("{address}:{numbers}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_grouped_as_docker_groups_them() {
        let port = |ip: &str, private: u64, public: u64| json!({"IP": ip, "PrivatePort": private, "PublicPort": public, "Type": "tcp"});
        assert_eq!(ports(&[port("0.0.0.0", 80, 8080), port("::", 80, 8080)]), "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
        let open = |private: u64| json!({"PrivatePort": private, "Type": "tcp"});
        assert_eq!(ports(&[open(443), open(80), open(81)]), "80-81/tcp, 443/tcp");
        assert_eq!(ports(&[port("0.0.0.0", 80, 80), port("0.0.0.0", 81, 81)]), "0.0.0.0:80-81->80-81/tcp");
        assert_eq!(ports(&[]), "");
    }

    #[test]
    fn a_container_in_a_list() {
        let one = json!({
            "Id": "a".repeat(64), "Names": ["/web", "/other/web"], "Image": "nginx:1@sha256:0", "ImageID": "sha256:1", "Created": 0,
            "Command": "nginx -g 'daemon off;' and more", "Labels": {"b": "2", "a": "1"}, "SizeRw": 5, "Mounts": [{"Source": "/a/very/long/path/here"}],
        });
        let row = row(&one, true);
        assert_eq!((row["Names"].as_str(), row["Image"].as_str()), (Some("web"), Some("nginx:1")));
        assert_eq!((row["Command"].as_str(), row["Labels"].as_str()), (Some("\"nginx -g 'daemon of…\""), Some("a=1,b=2")));
        assert_eq!((row["Size"].as_str(), row["Mounts"].as_str()), (Some("5B"), Some("/a/very/long/p…")));
    }
}
