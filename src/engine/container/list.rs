//! `docker ps`: which containers, in which order, in one row each.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::record::Record;
use super::state::Status;
use super::{Container, inspect, ports};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::filters::Filters;

/// What may be asked for.
pub const FILTERS: [&str; 17] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "isolation",
    "is-task",
    "label",
    "label!",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
    "until",
];

impl Engine {
    /// `GET /containers/json`.
    ///
    /// # Errors
    /// A filter makes no sense.
    pub fn list(&self, filters: &Filters, all: bool, limit: Option<usize>, size: bool) -> Result<Vec<Value>, Fault> {
        let mut rows = Vec::new();
        // Whoever asks for a state, or for the last few, means those that do not run too.
        let all = all || limit.is_some() || !filters.values("status").is_empty() || !filters.values("exited").is_empty();
        let bounds = self.bounds(filters)?;
        judged(filters)?;
        for container in self.containers.all() {
            let record = container.record();
            let shown = all || record.state.is_running() || record.state.status == Status::Restarting;
            if shown && self.is_wanted(&container, &record, filters, &bounds)? {
                rows.push(self.row(&container, &record, size));
            }
        }
        rows.truncate(limit.unwrap_or(usize::MAX));
        Ok(rows)
    }

    /// The moments that `before` and `since` name by containers.
    fn bounds(&self, filters: &Filters) -> Result<(Option<String>, Option<String>), Fault> {
        let moment =
            |key: &str| filters.values(key).first().map(|name| Ok::<_, Fault>(self.containers.find(name)?.record().created)).transpose();
        Ok((moment("before")?, moment("since")?))
    }

    /// Whether a container fits the filters.
    ///
    /// # Errors
    /// A filter makes no sense.
    pub fn is_wanted(
        &self,
        container: &Arc<Container>,
        record: &Record,
        filters: &Filters,
        (before, since): &(Option<String>, Option<String>),
    ) -> Result<bool, Fault> {
        let status = json!(record.state.status);
        for wanted in filters.values("status") {
            if !["created", "restarting", "running", "removing", "paused", "exited", "dead"].contains(&wanted.as_str()) {
                return Err(Fault::bad(format!("invalid filter 'status={wanted}'")));
            }
        }
        let health = self.health_word(container);
        let any =
            |key: &str, fits: &dyn Fn(&str) -> bool| filters.values(key).is_empty() || filters.values(key).iter().any(|value| fits(value));
        let exited = |value: &str| record.state.status == Status::Exited && value.parse() == Ok(record.state.exit_code);
        // What the row shows: nothing is published by what does not run, and one of the two is enough, as with dockerd.
        let shown = shown_ports(record);
        let port = |value: &str, side: &str| {
            let (numbers, kind) = value.split_once('/').unwrap_or((value, "tcp"));
            let Some((first, last)) = ports::range(numbers).filter(|(first, _)| *first > 0) else { return false };
            let within = |port: &Value| port[side].as_u64().is_some_and(|number| (u64::from(first)..=u64::from(last)).contains(&number));
            shown.iter().any(|port| port["Type"] == kind && within(port))
        };
        let sides = [("publish", "PublicPort"), ("expose", "PrivatePort")];
        let reached = sides.iter().any(|(key, side)| filters.values(key).iter().any(|value| port(value, side)));
        let ports_fit = reached || sides.iter().all(|(key, _)| filters.values(key).is_empty());
        Ok(any("status", &|value| status == value)
            && any("name", &|value| named(&record.name, value))
            && any("id", &|value| record.id.starts_with(value))
            && any("exited", &exited)
            && any("health", &|value| health.as_deref().unwrap_or("none") == value)
            && any("network", &|value| {
                record.networks.iter().any(|(name, endpoint)| name == value || endpoint.network_id.starts_with(value))
            })
            && any("volume", &|value| {
                record.mounts.iter().any(|mount| mount.name == value || mount.destination == value || mount.source == value)
            })
            && any("ancestor", &|value| self.descends(record, value))
            && ports_fit
            && any("is-task", &|value| value == "false")
            && before.as_ref().is_none_or(|before| record.created < *before)
            && since.as_ref().is_none_or(|since| record.created > *since)
            && filters.fits_labels(Some(&record.config.labels)))
    }

    /// Whether a container's image is, or is made of, the one that is meant.
    fn descends(&self, record: &Record, name: &str) -> bool {
        if record.config.image == name
            || record.image == name
            || record.image.strip_prefix("sha256:").is_some_and(|id| id.starts_with(name) && name.len() >= 4)
        {
            return true;
        }
        let Ok(image) = self.store.find(name, &self.platform) else { return false };
        let chain: Vec<String> = image.config.chain_ids().iter().map(ToString::to_string).collect();
        record.image == image.id().to_string() || (!chain.is_empty() && record.layers.starts_with(&chain))
    }

    fn row(&self, container: &Arc<Container>, record: &Record, size: bool) -> Value {
        let health = self.health_word(container);
        let networks: serde_json::Map<String, Value> =
            record.networks.iter().map(|(name, endpoint)| (name.clone(), inspect::endpoint(endpoint, &Value::Null))).collect();
        let mut row = json!({
            "Id": record.id, "Names": [format!("/{}", record.name)], "Image": self.image_name(record), "ImageID": record.image,
            "Command": command(record), "Created": record.created.parse::<Timestamp>().map_or(0, Timestamp::as_second),
            "Ports": shown_ports(record), "Labels": record.config.labels,
            "State": record.state.status, "Status": record.state.sentence(Timestamp::now(), health.as_deref()),
            "HostConfig": {"NetworkMode": record.host.network_mode}, "NetworkSettings": {"Networks": networks},
            "Mounts": record.mounts.iter().map(inspect::mount).collect::<Vec<Value>>(),
        });
        if size {
            let own = self.own_size(&record.id);
            row["SizeRw"] = json!(own);
            row["SizeRootFs"] = json!(own + self.image_bytes(record));
        }
        row
    }

    /// The name that the container was made by, as long as it still stands for its image; then the image's id.
    fn image_name(&self, record: &Record) -> String {
        let same = self.store.find(&record.config.image, &self.platform).is_ok_and(|image| image.id().to_string() == record.image);
        if same {
            record.config.image.clone()
        } else {
            record.image.strip_prefix("sha256:").unwrap_or(&record.image).chars().take(12).collect()
        }
    }
}

/// Judges values that are one of a few words, or numbers.
fn judged(filters: &Filters) -> Result<(), Fault> {
    if let Some(wrong) = filters.values("health").iter().find(|word| !["none", "starting", "healthy", "unhealthy"].contains(&word.as_str()))
    {
        return Err(Fault::bad(format!("unrecognized filter value for health: {wrong}")));
    }
    if let Some(wrong) = filters.values("exited").iter().find(|code| code.parse::<i32>().is_err()) {
        return Err(Fault::bad(format!("invalid filter 'exited={wrong}'")));
    }
    for key in ["publish", "expose"] {
        let numbers = |value: &str| value.split_once('/').map_or(value, |(numbers, _)| numbers).to_owned();
        let wrong = filters.values(key).iter().find(|value| ports::range(&numbers(value)).is_none_or(|(first, _)| first == 0));
        if let Some(wrong) = wrong {
            return Err(Fault::bad(format!("invalid filter '{key}={wrong}'")));
        }
    }
    filters.flag("is-task").map(drop)
}

/// A `name` filter is a piece of the name, or a pattern with `^`, `$` and `.*`.
fn named(name: &str, wanted: &str) -> bool {
    let fits = |text: &str| regex_lite::Regex::new(wanted).map_or_else(|_| text.contains(wanted), |pattern| pattern.is_match(text));
    fits(name) || fits(&format!("/{name}"))
}

fn command(record: &Record) -> String {
    let words = record.words();
    let quoted = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
    words.iter().map(quoted).collect::<Vec<String>>().join(" ")
}

fn shown_ports(record: &Record) -> Vec<Value> {
    if !record.state.is_running() {
        return Vec::new();
    }
    let mut all = Vec::new();
    let exposed = record.config.exposed_ports.iter().flatten().map(|(port, _)| port);
    for port in exposed.filter(|port| record.ports.get(*port).is_none_or(Vec::is_empty)) {
        if let Ok((number, udp)) = ports::number(port) {
            all.push(json!({"PrivatePort": number, "Type": if udp { "udp" } else { "tcp" }}));
        }
    }
    for (port, bindings) in &record.ports {
        let Ok((number, udp)) = ports::number(port) else { continue };
        for binding in bindings {
            let outer: u16 = binding.host_port.parse().unwrap_or(0);
            all.push(json!({"IP": binding.host_ip, "PrivatePort": number, "PublicPort": outer, "Type": if udp { "udp" } else { "tcp" }}));
        }
    }
    all
}
