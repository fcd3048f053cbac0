//! `--link CONTAINER:ALIAS`: a name for another container that only this one knows, and on the default bridge variables that tell of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Container;
use super::record::{Endpoint, Record};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::netlink::nft::rule::Protocol;
use crate::net::bridge::Allowed;

/// Where containers are linked in the old way: by `/etc/hosts` and variables, because there is no resolver.
const BRIDGE: &str = "bridge";

impl Engine {
    /// The containers that links name, each with its alias.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn linked(&self, links: Option<&[String]>) -> Result<Vec<(String, Record)>, Fault> {
        let one = |link: &String| {
            let (other, alias) = link.split_once(':').unwrap_or((link, link));
            let other = other.trim_start_matches('/');
            // Not "not found": a client would take that for a missing image.
            let found = self.containers.find(other);
            let found = found.map_err(|fault| Fault::bad(format!("could not get container for {other}: {}", fault.message)))?;
            Ok((alias.rsplit('/').next().unwrap_or(alias).to_owned(), found.record()))
        };
        links.unwrap_or_default().iter().map(one).collect()
    }

    /// Has a container forget the link of this alias. What its program knows of it already, it keeps. The caller holds its turn.
    ///
    /// # Errors
    /// There is no such link.
    pub fn unlink(&self, container: &Container, alias: &str) -> Result<(), Fault> {
        let record = container.record();
        let is_it = |link: &String| link.rsplit([':', '/']).next() == Some(alias);
        if !record.host.links.iter().flatten().any(is_it) {
            return Err(Fault::not_found(format!("No such link: /{}/{alias}", record.name)));
        }
        container.change(|record| record.host.links.iter_mut().for_each(|links| links.retain(|link| !is_it(link))))?;
        self.open_links()?;
        let record = container.record();
        if record.state.is_running() { self.network_files(container, &record).map(drop) } else { Ok(()) }
    }

    /// The names that links give in one network. A container that does not run has none.
    pub fn linked_names(&self, network: &str, links: Option<&[String]>) -> Vec<(String, IpAddr)> {
        let linked = self.linked(links).unwrap_or_default();
        let places = |other: &Record| other.networks.get(network).map(Endpoint::placed).unwrap_or_default();
        let named = |(alias, other): (String, Record)| places(&other).into_iter().map(move |placed| (alias.clone(), placed.address));
        linked.into_iter().flat_map(named).collect()
    }

    /// The lines of `/etc/hosts` for links on the default bridge.
    ///
    /// # Errors
    /// As [`Engine::linked`].
    pub fn linked_hosts(&self, record: &Record) -> Result<String, Fault> {
        let line = |(alias, other): (String, Record)| {
            let mut names = vec![alias, other.config.hostname.clone(), other.name.clone()];
            names.dedup();
            address(&other, BRIDGE).map(|address| format!("{address}\t{}\n", names.join(" ")))
        };
        Ok(self.linked(record.host.links.as_deref())?.into_iter().filter_map(line).collect())
    }

    /// Lets containers that are linked on the default bridge reach the exposed ports of those that they are linked to, where others do not reach each other.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn open_links(&self) -> Result<(), Fault> {
        let Some(bridge) = self.networks.find(BRIDGE)?.bridge().filter(|bridge| bridge.apart) else { return Ok(()) };
        // Of two that start at once the second sees the first one's addresses.
        let _one = self.addressing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let places = |record: &Record| record.networks.get(BRIDGE).map(Endpoint::placed).unwrap_or_default();
        let mut all = Vec::new();
        for record in self.containers.all().iter().map(|container| container.record()) {
            // One that is gone has no ports to reach.
            for (_, other) in self.linked(record.host.links.as_deref()).unwrap_or_default() {
                let ports: Vec<&str> = other.config.exposed_ports.iter().flatten().map(|(port, _)| port.as_str()).collect();
                for (from, to) in places(&record).into_iter().flat_map(|from| places(&other).into_iter().map(move |to| (from, to))) {
                    let allowed = |(port, protocol): (u16, &str)| Allowed {
                        from: from.address,
                        to: SocketAddr::new(to.address, port),
                        protocol: if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp },
                    };
                    all.extend(ports.iter().filter_map(|port| parted(port)).map(allowed));
                }
            }
        }
        Ok(bridge.allow(&all)?)
    }

    /// The variables that tell a container of those that it is linked to on the default bridge.
    ///
    /// # Errors
    /// As [`Engine::linked`].
    pub fn linked_environment(&self, record: &Record) -> Result<Vec<String>, Fault> {
        let linked = self.linked(record.host.links.as_deref())?;
        let with_address = linked.iter().filter_map(|(alias, other)| Some((alias, other, address(other, BRIDGE)?)));
        Ok(with_address.flat_map(|(alias, other, address)| variables(&record.name, alias, other, address)).collect())
    }
}

fn address(record: &Record, network: &str) -> Option<Ipv4Addr> {
    record.networks.get(network)?.address.parse().ok()
}

fn variables(own: &str, alias: &str, other: &Record, address: Ipv4Addr) -> Vec<String> {
    let prefix = alias.to_uppercase().replace('-', "_");
    let mut all = vec![format!("{prefix}_NAME=/{own}/{alias}")];
    let mut ports: Vec<(u16, &str)> = other.config.exposed_ports.iter().flatten().filter_map(|(port, _)| parted(port)).collect();
    ports.sort_unstable();
    all.extend(ports.first().map(|(port, protocol)| format!("{prefix}_PORT={protocol}://{address}:{port}")));
    for (port, protocol) in ports {
        let name = format!("{prefix}_PORT_{port}_{}", protocol.to_uppercase());
        all.push(format!("{name}={protocol}://{address}:{port}"));
        all.extend([format!("{name}_ADDR={address}"), format!("{name}_PORT={port}"), format!("{name}_PROTO={protocol}")]);
    }
    let told = other.config.env.iter().filter(|line| !line.starts_with("HOME=") && !line.starts_with("PATH=") && line.contains('='));
    all.extend(told.map(|line| format!("{prefix}_ENV_{line}")));
    all
}

/// `80/tcp`.
fn parted(port: &str) -> Option<(u16, &str)> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    Some((number.parse().ok()?, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_link_tells_what_dockerd_tells() {
        let mut other = Record::default();
        other.config.env = vec!["PATH=/bin".to_owned(), "A=b".to_owned()];
        other.config.exposed_ports = serde_json::from_value(json!({"443/tcp": {}, "80/tcp": {}})).unwrap();
        let all = variables("web", "my-db", &other, Ipv4Addr::new(172, 17, 0, 2));
        assert_eq!(all[..2], ["MY_DB_NAME=/web/my-db".to_owned(), "MY_DB_PORT=tcp://172.17.0.2:80".to_owned()]);
        assert!(all.contains(&"MY_DB_PORT_443_TCP_ADDR=172.17.0.2".to_owned()) && all.contains(&"MY_DB_PORT_80_TCP_PROTO=tcp".to_owned()));
        assert_eq!(all.last().unwrap(), "MY_DB_ENV_A=b");
        assert_eq!(all.len(), 11);
    }
}
