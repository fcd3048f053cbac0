//! `docker inspect`: everything about a container, in the shape that people's templates read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Container;
use super::record::{Endpoint, Record};
use crate::engine::Engine;

impl Engine {
    /// `GET /containers/ID/json`.
    pub fn container_json(&self, container: &Container, size: bool) -> Value {
        let record = container.record();
        let words = record.words();
        let (program, rest) = words.split_first().map_or((String::new(), Vec::new()), |(program, rest)| (program.clone(), rest.to_vec()));
        let file = |name: &str| container.folder.join(name).display().to_string();
        let overlay = self.overlay_folder(&record.id);
        let lower = self.lower(&record).unwrap_or_default().iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
        let execs = container.live().execs.clone();
        let mut state = record.state.json();
        if let Some(health) = self.health_json(container) {
            state["Health"] = health;
        }
        let mut shown = json!({
            "Id": record.id, "Created": record.created, "Path": program, "Args": rest, "State": state, "Image": record.image,
            "ResolvConfPath": file("resolv.conf"), "HostnamePath": file("hostname"), "HostsPath": file("hosts"),
            "LogPath": if record.is_logged() { container.log_path().display().to_string() } else { String::new() },
            "Name": format!("/{}", record.name), "RestartCount": record.restarts, "Driver": "overlay2", "Platform": "linux",
            "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": "",
            "ExecIDs": if execs.is_empty() { Value::Null } else { json!(execs) },
            "HostConfig": record.host,
            "GraphDriver": {"Name": "overlay2", "Data": {
                "ID": record.id, "LowerDir": lower, "MergedDir": overlay.join("merged"), "UpperDir": overlay.join("diff"), "WorkDir": overlay.join("work"),
            }},
            "Mounts": record.mounts.iter().map(mount).collect::<Vec<Value>>(),
            "Config": config(&record),
            "NetworkSettings": network(&record),
        });
        if size {
            let own = self.own_size(&record.id);
            shown["SizeRw"] = json!(own);
            shown["SizeRootFs"] = json!(own + self.image_bytes(&record));
        }
        shown
    }

    /// The bytes that a container has written.
    pub fn own_size(&self, id: &str) -> u64 {
        let diff = crate::kernel::folder::Folder::open(&self.overlay_folder(id).join("diff"));
        diff.map_or(0, |folder| crate::engine::volumes::size_of(&folder))
    }

    /// The bytes of the layers of its image.
    pub fn image_bytes(&self, record: &Record) -> u64 {
        let size = |chain_id: &String| {
            chain_id.parse().ok().and_then(|digest| self.store.layer(&digest).ok().flatten()).map_or(0, |layer| layer.content.bytes)
        };
        record.layers.iter().map(size).sum()
    }
}

fn config(record: &Record) -> Value {
    let mut shown = json!(record.config);
    // dockerd shows no empty lists where Go has nil.
    if shown["Volumes"].as_object().is_some_and(Map::is_empty) {
        shown["Volumes"] = Value::Null;
    }
    shown
}

/// A mount for people: what is ours to know is left out.
pub fn mount(point: &super::record::MountPoint) -> Value {
    let mut shown = json!({"Type": point.kind});
    if !point.name.is_empty() {
        shown["Name"] = json!(point.name);
    }
    shown["Source"] = json!(point.source);
    shown["Destination"] = json!(point.destination);
    if !point.driver.is_empty() {
        shown["Driver"] = json!(point.driver);
    }
    shown["Mode"] = json!(point.mode);
    shown["RW"] = json!(point.writable);
    shown["Propagation"] = json!(point.propagation);
    shown
}

/// An endpoint as the API shows it.
pub fn endpoint(endpoint: &Endpoint, names: &Value) -> Value {
    json!({
        "IPAMConfig": endpoint.wanted, "Links": endpoint.links, "Aliases": endpoint.aliases, "MacAddress": if endpoint.mac_address.is_empty() { &endpoint.wanted_mac } else { &endpoint.mac_address },
        "DriverOpts": endpoint.driver_opts, "GwPriority": 0, "NetworkID": endpoint.network_id, "EndpointID": endpoint.endpoint_id,
        "Gateway": endpoint.gateway, "IPAddress": endpoint.address, "IPPrefixLen": endpoint.prefix,
        "IPv6Gateway": endpoint.gateway6, "GlobalIPv6Address": endpoint.address6, "GlobalIPv6PrefixLen": endpoint.prefix6, "DNSNames": names,
    })
}

/// What a container is called in a network of its own.
pub fn dns_names(record: &Record, network: &str, endpoint: &Endpoint) -> Value {
    if ["bridge", "host", "none"].contains(&network) {
        return Value::Null;
    }
    let mut names: Vec<&str> = vec![&record.name];
    names.extend(endpoint.aliases.iter().flatten().map(String::as_str));
    names.push(&record.id[..12]);
    let mut known = Vec::new();
    for name in names {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    json!(known)
}

fn network(record: &Record) -> Value {
    let networks: BTreeMap<&String, Value> =
        record.networks.iter().map(|(name, one)| (name, endpoint(one, &dns_names(record, name, one)))).collect();
    let default = record.networks.get("bridge").cloned().unwrap_or_default();
    json!({
        "Bridge": "", "SandboxID": if record.state.is_running() { record.id.as_str() } else { "" },
        "SandboxKey": if record.state.is_running() { format!("/proc/{}/ns/net", record.state.pid) } else { String::new() },
        "Ports": ports(record), "HairpinMode": false, "LinkLocalIPv6Address": "", "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": null, "SecondaryIPv6Addresses": null, "EndpointID": default.endpoint_id, "Gateway": default.gateway,
        "GlobalIPv6Address": default.address6, "GlobalIPv6PrefixLen": default.prefix6, "IPAddress": default.address, "IPPrefixLen": default.prefix,
        "IPv6Gateway": default.gateway6,
        "MacAddress": default.mac_address, "Networks": networks,
    })
}

/// The ports of a container that runs: null where one is only exposed.
fn ports(record: &Record) -> Value {
    if !record.state.is_running() {
        return json!({});
    }
    let mut all: Map<String, Value> = Map::new();
    for port in record.config.exposed_ports.iter().flatten().map(|(port, _)| port) {
        all.insert(port.clone(), Value::Null);
    }
    for (port, bindings) in record.ports.iter().filter(|(_, bindings)| !bindings.is_empty()) {
        all.insert(port.clone(), json!(bindings));
    }
    Value::Object(all)
}
