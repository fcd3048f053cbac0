//! `:zoom net`: the network of a host as the kernel has it now: bridges, what hangs on them, routes, and the rules of nftables.
//!
//! ```text
//!  docker0 172.17.0.1/16          a bridge of the host
//!  └ vethf2a8494                  its port: one end of a veth
//!    └ eth0 172.17.0.2/16         the other end, in the network namespace of a container
//! ```
//!
//! Which end belongs to which is asked of the kernel: a veth knows the number of its peer. Of the engine come only the names of containers and networks.

use serde_json::Value;

use super::desk::Answer;
use super::spec;
use crate::bottle::probe::Netns;
use crate::bottle::{Bottle, Probe};
use crate::course::question::Question;
use crate::course::world::{Live, Look, World as _};
use crate::ui::{Block, Doc, Face, Node, Table, Text, fault, markdown};

/// What is asked of a host.
pub(super) struct Seen {
    pub host: String,
    /// The host's links, routes and tables.
    pub own: Value,
    /// The containers that run, each with what its network namespace has.
    pub containers: Vec<(Value, Value)>,
    pub networks: Vec<Value>,
}

/// The network of `host`.
pub fn answer(bottle: &Bottle, host: &str) -> Answer {
    let mut world = Live { bottle };
    let mut probe = |at| world.look(host, &Look::Probe(Probe::Wiring { at }));
    let own = match probe(Netns::Own) {
        Ok(own) => own,
        Err(error) => return Answer::with(fault::words(&format!("the network of {host} cannot be read: {error}"), None), 1),
    };
    // A host without an engine has no containers of one.
    let asked = |question, key: &str| {
        let answer = Live { bottle }.look(host, &Look::Ask(question)).unwrap_or_default();
        answer[key].as_array().cloned().unwrap_or_default()
    };
    let running = asked(Question::Containers, "containers").into_iter().filter(|one| one["running"] == true);
    let containers = running.filter_map(|one| {
        let pid = one["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
        // One that ends at this moment has no network any more, and is left out.
        let inside = probe(Netns::Process(pid?)).ok()?;
        Some((one, inside))
    });
    let containers = containers.collect();
    Answer::of(doc(&Seen { host: host.to_owned(), own, containers, networks: asked(Question::Networks, "networks") }))
}

/// The tree of links, the routes, the ports and the rules.
pub(super) fn doc(seen: &Seen) -> Doc {
    let links = list(&seen.own["links"]);
    let below = links.iter().filter(|link| link["master"].is_null()).map(|link| node(seen, link, links)).collect();
    let host =
        Text::of(Face::Strong, seen.host.clone()).and(Face::Plain, ", its links (but for addresses `fe80::`, which every link has):");
    let doc = Doc::new().with(Block::Tree(vec![Node { text: host, below }]));
    rules(apart(routes(ports(doc, seen), seen), seen), seen)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// A link, and what hangs on it: the ports of a bridge, the other end of a veth that is in a container.
fn node(seen: &Seen, link: &Value, links: &[Value]) -> Node {
    let ports = links.iter().filter(|port| !port["master"].is_null() && port["master"] == link["name"]).map(|port| node(seen, port, links));
    let inside = seen.containers.iter().flat_map(|(container, inside)| {
        let ends = list(&inside["links"]).iter().filter(|end| text(end, "kind") == "veth" && meet(end, link));
        ends.map(move |end| other_end(container, end))
    });
    let network = seen.networks.iter().find(|network| belongs(link, network)).map(|network| text(network, "name"));
    Node { text: line(link, network), below: ports.chain(inside).collect() }
}

/// Whether two veths are the ends of one.
fn meet(inner: &Value, outer: &Value) -> bool {
    text(outer, "kind") == "veth" && !inner["peer"].is_null() && inner["peer"] == outer["index"] && outer["peer"] == inner["index"]
}

/// Its addresses but for those that reach no further than the link itself (RFC 4291, 2.5.6).
fn addresses(link: &Value) -> Vec<&str> {
    list(&link["addresses"]).iter().filter_map(Value::as_str).filter(|address| !address.starts_with("fe80:")).collect()
}

/// `docker0` is the network `bridge`; of others the link is named after the network's id.
fn belongs(link: &Value, network: &Value) -> bool {
    let id = text(network, "id");
    let name = text(link, "name");
    text(link, "kind") == "bridge"
        && (name == "docker0" && text(network, "name") == "bridge"
            || name.strip_prefix("br-").is_some_and(|start| !start.is_empty() && id.starts_with(start)))
}

fn line(link: &Value, network: Option<&str>) -> Text {
    let mut words = Vec::new();
    words.extend(Some(text(link, "kind")).filter(|kind| !kind.is_empty()).map(str::to_owned));
    words.extend(addresses(link).into_iter().map(str::to_owned));
    words.extend((link["up"] != true).then(|| "down".to_owned()));
    let text = Text::of(Face::Strong, text(link, "name")).and(Face::Plain, format!(" {}", words.join(" ")).trim_end().to_owned());
    match network {
        Some(network) => text.and(Face::Dim, format!(", docker's network {network}")),
        None => text,
    }
}

/// The end that is in a container, the container, and the names under which the others of its network find it.
fn other_end(container: &Value, end: &Value) -> Node {
    let name = text(container, "name");
    let addresses = addresses(end);
    let joined = container["networks"].as_object().into_iter().flatten();
    let of_this = |(network, endpoint): (&String, &Value)| {
        let address = text(endpoint, "address").to_owned();
        let is_this = !address.is_empty() && addresses.iter().any(|other| other.split('/').next() == Some(address.as_str()));
        // Nobody answers for names on the default network.
        (is_this && network != "bridge").then(|| {
            let aliases = list(&endpoint["aliases"]).iter().filter_map(Value::as_str).filter(|alias| *alias != name);
            Some(name).into_iter().chain(aliases).map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let names = joined.filter_map(of_this).next();
    let place = Text::of(Face::Strong, text(end, "name"))
        .and(Face::Plain, format!(" {} in container ", addresses.join(" ")))
        .and(Face::Strong, name.to_owned());
    Node::leaf(match names {
        Some(names) => place.and(Face::Dim, format!(", found as {}", names.join(", "))),
        None => place,
    })
}

/// Which ports of the host lead where.
fn ports(doc: Doc, seen: &Seen) -> Doc {
    let mut rows = Vec::new();
    for (container, _) in &seen.containers {
        for place in list(&container["ports"]) {
            let address = text(place, "address");
            let outer = if address.contains(':') {
                format!("[{address}]:{}", place["host_port"])
            } else {
                format!("{address}:{}", place["host_port"])
            };
            rows.push(vec![outer.into(), Text::of(Face::Strong, text(container, "name")), text(place, "port").to_owned().into()]);
        }
    }
    if rows.is_empty() {
        return doc;
    }
    let heads = ["published at", "container", "its port"].map(str::to_owned).into();
    doc.with(Block::Table(Table { heads, rows }))
}

fn routes(doc: Doc, seen: &Seen) -> Doc {
    let row = |route: &Value| {
        let way = [("via", text(route, "via")), ("dev", text(route, "link"))];
        let way: Vec<String> = way.iter().filter(|(_, value)| !value.is_empty()).map(|(word, value)| format!("{word} {value}")).collect();
        vec![Text::from(text(route, "to").to_owned()), way.join(" ").into()]
    };
    let rows: Vec<Vec<Text>> = list(&seen.own["routes"]).iter().filter(|route| !text(route, "to").starts_with("fe80:")).map(row).collect();
    if rows.is_empty() {
        return doc.line("It has no routes.");
    }
    doc.with(Block::Table(Table { heads: ["route to", "goes"].map(str::to_owned).into(), rows }))
}

/// Containers that no veth leads to: those of the host's own network, of another's, and of none.
fn apart(doc: Doc, seen: &Seen) -> Doc {
    let alone = seen
        .containers
        .iter()
        .filter(|(_, inside)| !list(&inside["links"]).iter().any(|link| text(link, "name") != "lo" && !link["peer"].is_null()));
    let without: Vec<&str> =
        alone.filter(|(_, inside)| !is_of_host(inside, &seen.own)).map(|(container, _)| text(container, "name")).collect();
    let host: Vec<&str> =
        seen.containers.iter().filter(|(_, inside)| is_of_host(inside, &seen.own)).map(|(container, _)| text(container, "name")).collect();
    let told =
        |doc: Doc, names: &[&str], what: &str| if names.is_empty() { doc } else { doc.line(format!("{what}: {}", names.join(", "))) };
    told(told(doc, &host, "In the host's own network (`--network host`)"), &without, "With nothing but a loopback (`--network none`)")
}

fn is_of_host(inside: &Value, own: &Value) -> bool {
    !list(&inside["links"]).is_empty() && inside["links"] == own["links"]
}

/// What `nft list ruleset` shows.
fn rules(doc: Doc, seen: &Seen) -> Doc {
    let tables = &seen.own["tables"];
    let shown: Vec<String> = list(tables).iter().filter_map(Value::as_str).map(spec::shortened).collect();
    if !tables.is_array() {
        return doc.paragraph(format!("Its rules cannot be read: {}", text(tables, "error")));
    }
    if shown.is_empty() {
        return doc.paragraph("No packet is filtered or translated: nftables has no table here.");
    }
    let said = "Its rules, as `nft list ruleset` shows them (ids of containers are cut):";
    doc.paragraph(markdown::inline(said)).with(Block::Code(shown.join("\n")))
}

#[cfg(test)]
pub(super) fn sample() -> Doc {
    use serde_json::json;

    let (web, mate) = ("a".repeat(64), "b".repeat(64));
    let link = |index: u32, peer: Option<u32>, name: &str, kind: &str, master: Option<&str>, addresses: &[&str]| json!({"index": index, "peer": peer, "name": name, "kind": kind, "master": master, "addresses": addresses, "up": name != "down0"});
    let host = vec![
        link(1, None, "lo", "", None, &["127.0.0.1/8"]),
        link(2, Some(9), "eth0", "veth", None, &["192.168.99.100/24", "fe80::1/64"]),
        link(3, None, "docker0", "bridge", None, &["172.17.0.1/16"]),
        link(4, None, "br-0123456789ab", "bridge", None, &["172.18.0.1/16"]),
        // Both containers have a link of the number 2: which is whose is decided by both ends.
        link(5, Some(2), "veth1", "veth", Some("br-0123456789ab"), &[]),
        link(6, Some(3), "veth2", "veth", Some("docker0"), &["fe80::2/64"]),
        link(7, None, "down0", "dummy", None, &[]),
    ];
    let container = |name: &str, id: &str, networks: serde_json::Value, ports: serde_json::Value| json!({"name": name, "id": id, "networks": networks, "ports": ports});
    let one = container(
        "web",
        &web,
        json!({"front": {"address": "172.18.0.2", "aliases": ["www", "web"]}}),
        json!([{"port": "80/tcp", "address": "0.0.0.0", "host_port": 8080}, {"port": "80/tcp", "address": "::", "host_port": 8080}]),
    );
    let table = format!(
        "table ip bottleship-docker0 {{\n    chain ports {{\n        iifname != \"docker0\" tcp dport 8080 dnat to 172.18.0.2:80 comment \"{web}\"\n    }}\n}}"
    );
    doc(&Seen {
        host: "bench".into(),
        containers: vec![
            (one, json!({"links": [link(1, None, "lo", "", None, &[]), link(2, Some(5), "eth0", "veth", None, &["172.18.0.2/16"])]})),
            (
                container("db", &mate, json!({"bridge": {"address": "172.17.0.2"}}), json!([])),
                json!({"links": [link(1, None, "lo", "", None, &[]), link(3, Some(6), "eth0", "veth", None, &["172.17.0.2/16"])]}),
            ),
            (container("own", &mate, json!({"host": {}}), json!([])), json!({"links": host.clone()})),
            (container("mute", &mate, json!({"none": {}}), json!([])), json!({"links": [link(1, None, "lo", "", None, &["127.0.0.1/8"])]})),
        ],
        own: json!({
            "links": host, "tables": [table],
            "routes": [
                {"to": "default", "via": "192.168.99.1", "link": "eth0"}, {"to": "172.17.0.0/16", "via": null, "link": "docker0"},
                {"to": "fe80::/64", "via": null, "link": "eth0"},
            ],
        }),
        networks: vec![json!({"name": "bridge", "id": mate}), json!({"name": "front", "id": format!("0123456789ab{}", "0".repeat(52))})],
    })
}
