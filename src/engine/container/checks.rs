//! What is judged of a request before a container is made, in dockerd's words: what contradicts itself, and what no start could make sense of.
//!
//! What only a start can know (a user of the image, a port that is taken) is judged there.

use std::net::IpAddr;

use super::config::{Config, HostConfig};
use super::mounts::cleaned;
use super::ports;
use super::record::Record;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::oci::image::spec::Healthcheck;

/// The names under which our runtime is known: its own, and those that scripts for dockerd ask for.
const RUNTIMES: [&str; 4] = ["", "bottleship", "runc", "io.containerd.runc.v2"];
/// A millisecond in nanoseconds: the least time between two tests.
const LEAST_TIME: i64 = 1_000_000;

/// Judges the request as it came, before the image has filled in what it is silent about.
///
/// # Errors
/// It contradicts itself.
pub fn request(config: &Config, host: &HostConfig) -> Result<(), Fault> {
    config.healthcheck.as_ref().map_or(Ok(()), health)?;
    modes(config, host)?;
    shared_network(config, host)?;
    addresses(host)?;
    for path in host.tmpfs.iter().flatten().map(|(path, _)| path) {
        match cleaned(path).as_deref() {
            None => return Err(Fault::bad(format!("invalid mount path: '{path}' mount path must be absolute"))),
            Some("/") => return Err(Fault::bad("invalid specification: destination can't be '/'")),
            Some(_) => {}
        }
    }
    if host.storage_opt.as_ref().is_some_and(|options| !options.is_empty()) {
        return Err(Fault::bad("--storage-opt is supported only for overlay over xfs with 'pquota' mount option"));
    }
    Ok(())
}

fn health(check: &Healthcheck) -> Result<(), Fault> {
    let times = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ];
    // Zero is what the image or the engine says.
    if let Some((name, _)) = times.iter().find(|(_, time)| *time != 0 && *time < LEAST_TIME) {
        return Err(Fault::bad(format!("{name} in Healthcheck cannot be less than 1ms")));
    }
    if check.retries < 0 { Err(Fault::bad("Retries in Healthcheck cannot be negative")) } else { Ok(()) }
}

fn modes(config: &Config, host: &HostConfig) -> Result<(), Fault> {
    if !["", "private", "host"].contains(&host.cgroupns_mode.as_str()) {
        return Err(Fault::bad(format!("invalid cgroup namespace mode: {}", host.cgroupns_mode)));
    }
    if !["", "default"].contains(&host.isolation.as_str()) {
        return Err(Fault::bad(format!("invalid isolation: {:?} - linux only supports 'default'", host.isolation)));
    }
    if !RUNTIMES.contains(&host.runtime.as_str()) {
        return Err(Fault::bad(format!("unknown or invalid runtime name: {}", host.runtime)));
    }
    if host.uts_mode == "host" && !config.hostname.is_empty() {
        return Err(Fault::bad("conflicting options: hostname and the UTS mode"));
    }
    Ok(())
}

/// Whoever shares another's network has no say in it.
fn shared_network(config: &Config, host: &HostConfig) -> Result<(), Fault> {
    let Some(other) = Record::joins(&host.network_mode) else { return Ok(()) };
    if other.is_empty() {
        return Err(Fault::bad("invalid network mode: invalid container format container:<name|id>"));
    }
    let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let conflicts = [
        (!config.hostname.is_empty(), "hostname and the network mode"),
        (some(&host.links), "container type network can't be used with links. This would result in undefined behavior"),
        (some(&host.dns), "dns and the network mode"),
        (some(&host.extra_hosts), "custom host-to-IP mapping and the network mode"),
        (
            host.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty()) || host.publish_all_ports,
            "port publishing and the container type network mode",
        ),
        (config.exposed_ports.as_ref().is_some_and(|ports| !ports.is_empty()), "port exposing and the container type network mode"),
    ];
    match conflicts.iter().find(|(is, _)| *is) {
        Some((_, what)) => Err(Fault::bad(format!("conflicting options: {what}"))),
        None => Ok(()),
    }
}

/// Links, further hosts and published ports.
fn addresses(host: &HostConfig) -> Result<(), Fault> {
    if let Some(link) = host.links.iter().flatten().find(|link| link.is_empty() || link.split(':').count() > 2) {
        return Err(Fault::bad(format!("bad format for links: {link}")));
    }
    for entry in host.extra_hosts.iter().flatten() {
        let pair = entry.split_once([':', '=']).filter(|(name, _)| !name.is_empty());
        let (_, address) = pair.ok_or_else(|| Fault::bad(format!("bad format for add-host: {entry:?}")))?;
        // `host-gateway` is the address by which the host is reached.
        if address != "host-gateway" && address.trim_matches(['[', ']']).parse::<IpAddr>().is_err() {
            return Err(Fault::bad(format!("invalid IP address in add-host: {address:?}")));
        }
    }
    for (port, bindings) in host.port_bindings.iter().flatten() {
        ports::number(port)?;
        if let Some(wrong) = bindings.iter().flatten().find(|binding| ports::range(&binding.host_port).is_none()) {
            return Err(Fault::bad(format!("invalid port specification: {:?}", wrong.host_port)));
        }
    }
    Ok(())
}

impl Engine {
    /// Judges what a request says of other containers, whose namespaces it is to share.
    ///
    /// # Errors
    /// There is none of that name. It is no "not found": a client takes that for a missing image, and pulls it.
    pub fn check_joined(&self, host: &HostConfig) -> Result<(), Fault> {
        let others = [&host.ipc_mode, &host.pid_mode].into_iter().filter_map(|mode| Record::joins(mode));
        others.into_iter().try_for_each(|other| match self.containers.find(other) {
            Ok(_) => Ok(()),
            Err(fault) => Err(Fault::bad(fault.message)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    use crate::engine::container::config::read;

    fn refused(config: Value, host: Value) -> Option<String> {
        request(&read(&config).unwrap(), &read(&host).unwrap()).err().map(|fault| fault.message)
    }

    #[test]
    fn what_contradicts_itself_is_refused_in_dockers_words() {
        let table = [
            (json!({"Healthcheck": {"Interval": 5}}), json!({}), "Interval in Healthcheck cannot be less than 1ms"),
            (json!({"Healthcheck": {"Retries": -1}}), json!({}), "Retries in Healthcheck cannot be negative"),
            (json!({}), json!({"CgroupnsMode": "x"}), "invalid cgroup namespace mode: x"),
            (json!({}), json!({"Runtime": "nosuch"}), "unknown or invalid runtime name: nosuch"),
            (json!({"Hostname": "h"}), json!({"UTSMode": "host"}), "conflicting options: hostname and the UTS mode"),
            (json!({"Hostname": "h"}), json!({"NetworkMode": "container:a"}), "conflicting options: hostname and the network mode"),
            (
                json!({}),
                json!({"NetworkMode": "container:a", "PortBindings": {"80/tcp": null}}),
                "conflicting options: port publishing and the container type network mode",
            ),
            (json!({}), json!({"NetworkMode": "container:"}), "invalid network mode: invalid container format container:<name|id>"),
            (json!({}), json!({"Links": ["a:b:c"]}), "bad format for links: a:b:c"),
            (json!({}), json!({"ExtraHosts": ["x"]}), "bad format for add-host: \"x\""),
            (json!({}), json!({"ExtraHosts": ["x:y"]}), "invalid IP address in add-host: \"y\""),
            (json!({}), json!({"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}), "invalid port specification: \"99999\""),
            (json!({}), json!({"PortBindings": {"x": []}}), "invalid port specification: \"x\""),
            (json!({}), json!({"Tmpfs": {"rel": ""}}), "invalid mount path: 'rel' mount path must be absolute"),
            (json!({}), json!({"Tmpfs": {"/..": ""}}), "invalid specification: destination can't be '/'"),
        ];
        for (config, host, message) in table {
            assert_eq!(refused(config.clone(), host.clone()).as_deref(), Some(message), "{config} {host}");
        }
    }

    #[test]
    fn what_people_ask_for_passes() {
        let host = json!({
            "ExtraHosts": ["a:1.2.3.4", "b=::1", "c:[::1]", "d:host-gateway"], "PortBindings": {"80/tcp": [{"HostPort": "8000-8010"}, {}], "53/udp": null},
            "Links": ["db", "db:alias"], "Tmpfs": {"/run": "size=1m"}, "Runtime": "runc",
        });
        assert_eq!(refused(json!({"Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000}, "Hostname": "h"}), host), None);
    }
}
