//! Published ports: what reaches a port of the host is handed on into the container.
//!
//! What comes from elsewhere is translated by a rule of the bridge ([`Bridge::publish`]), and a server in the container sees its client's own
//! address. Every port is listened on by the engine too, as dockerd's `docker-proxy` does: that keeps the port for us, and serves what no rule reaches, the
//! host's own 127.0.0.1 and containers on the same bridge. For those the client is the bridge.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Container;
use super::config::PortBinding;
use super::record::{Endpoint, Record};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::networks::Network;
use crate::engine::proxy::{Open, Pair, closed, open_all, places};
use crate::kernel::netlink::nft::rule::Protocol;
use crate::net::bridge::{Bridge, Published};
use crate::net::interface::has_ipv6;

/// How many ports are tried where any will do, but one that is free in IPv4 and in IPv6.
const ATTEMPTS: usize = 16;

/// The ports that a container wants published: `80/tcp` and where.
///
/// # Errors
/// A port or an address is none.
pub fn wanted(record: &Record) -> Result<Vec<(String, PortBinding)>, Fault> {
    let mut all = Vec::new();
    for (port, bindings) in record.host.port_bindings.iter().flatten() {
        number(port)?;
        let bindings = bindings.clone().filter(|bindings| !bindings.is_empty()).unwrap_or_else(|| vec![PortBinding::default()]);
        all.extend(bindings.into_iter().map(|binding| (port.clone(), binding)));
    }
    if record.host.publish_all_ports {
        let exposed = record.config.exposed_ports.iter().flatten().map(|(port, _)| port);
        let missing = exposed.filter(|port| !record.host.port_bindings.as_ref().is_some_and(|ports| ports.contains_key(*port)));
        all.extend(missing.map(|port| (port.clone(), PortBinding::default())));
    }
    Ok(all)
}

/// 80 of `80/tcp`, and whether it is UDP.
///
/// # Errors
/// It is none.
pub fn number(port: &str) -> Result<(u16, bool), Fault> {
    let wrong = || Fault::bad(format!("invalid port specification: \"{port}\""));
    let (number, kind) = port.split_once('/').unwrap_or((port, "tcp"));
    let udp = match kind {
        "tcp" => false,
        "udp" => true,
        "sctp" => return Err(Fault::not_here("a published port of SCTP")),
        _ => return Err(wrong()),
    };
    Ok((number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?, udp))
}

/// The first and the last port of `8080`, `8000-8010`, or nothing: any.
pub fn range(text: &str) -> Option<(u16, u16)> {
    match text.split_once('-') {
        _ if text.is_empty() => Some((0, 0)),
        None => text.parse().ok().map(|port| (port, port)),
        Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)).filter(|(first, last)| first <= last),
    }
}

impl Engine {
    /// Opens a container's published ports.
    ///
    /// # Errors
    /// One is taken: none is open then.
    pub async fn publish(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), Fault> {
        let record = container.record();
        let Some((bridge, endpoint)) = self.leads_in(&record) else { return Ok(()) };
        let inside: Vec<IpAddr> = endpoint.placed().iter().map(|placed| placed.address).collect();
        let mut ports: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
        let mut opened: Vec<JoinHandle<()>> = Vec::new();
        let opening = self.opening_ports.lock().await;
        for (port, binding) in wanted(&record)? {
            // After a restart of the engine the port that was chosen is asked for again.
            let place = ports.get(&port).map_or(0, Vec::len);
            let before = record.ports.get(&port).and_then(|all| all.get(place)).filter(|_| binding.host_port.is_empty());
            let host_port = before.map_or(binding.host_port.clone(), |before| before.host_port.clone());
            match open((&binding.host_ip, &host_port), &port, &inside).await {
                Ok(open) => {
                    for (address, handle) in open {
                        opened.push(handle);
                        let told = PortBinding { host_ip: address.ip().to_string(), host_port: address.port().to_string() };
                        ports.entry(port.clone()).or_default().push(told);
                    }
                }
                Err(why) => {
                    closed(opened).await;
                    return Err(Fault::internal(format!(
                        "failed to set up container networking: driver failed programming external connectivity on endpoint {} ({}): {}",
                        record.name,
                        endpoint.endpoint_id,
                        self.port_taken(container, &why)
                    )));
                }
            }
        }
        for port in record.config.exposed_ports.iter().flatten().map(|(port, _)| port) {
            ports.entry(port.clone()).or_default();
        }
        container.live().plugged.proxies.extend(opened);
        let rules = rules(&container.id, &ports, &inside);
        if ports != record.ports {
            container.change(|record| record.ports = ports)?;
        }
        drop(opening);
        let owner = container.id.clone();
        self.work(move |_| {
            // What an engine that was killed has left.
            bridge.unpublish(|other| other == owner)?;
            rules.iter().try_for_each(|rule| bridge.publish(rule)).map_err(|error| {
                let said = "failed to set up container networking: driver failed programming external connectivity";
                Fault::internal(format!("{said}: {error}"))
            })
        })
        .await
    }

    /// The bridge by which a container is reached, and its place there.
    fn leads_in<'a>(&self, record: &'a Record) -> Option<(Bridge, &'a Endpoint)> {
        let placed = record.networks.iter().filter(|(_, endpoint)| endpoint.is_placed());
        let bridges = placed.filter_map(|(name, endpoint)| Some((self.networks.find(name).ok()?.bridge()?, endpoint)));
        bridges.into_iter().find(|(bridge, _)| !bridge.internal)
    }

    /// Closes a container's ports: its proxies, and the rules of all its networks. The caller may wait, as in [`Engine::work`].
    pub fn close_ports(&self, container: &Container, proxies: Vec<JoinHandle<()>>) {
        if !proxies.is_empty() {
            Handle::current().block_on(closed(proxies));
        }
        let record = container.record();
        if record.ports.values().all(Vec::is_empty) {
            return;
        }
        for bridge in record.networks.keys().filter_map(|name| self.networks.find(name).ok()?.bridge()) {
            // A rule to a container that is gone harms nobody, and goes with the next that is published.
            let _ = bridge.unpublish(|owner| owner == container.id);
        }
    }

    /// After a restart of the engine: takes away the rules of containers that have ended meanwhile.
    pub fn sweep_ports(&self) {
        let running: Vec<String> = self.containers.all().iter().filter(|one| one.state().is_running()).map(|one| one.id.clone()).collect();
        for bridge in self.networks.all().iter().filter_map(Network::bridge) {
            // As above.
            let _ = bridge.unpublish(|owner| !running.iter().any(|id| id == owner));
        }
    }

    /// Another container's port is told in other words than a stranger's.
    fn port_taken(&self, container: &Container, why: &NotOpen) -> String {
        let ours = self
            .containers
            .all()
            .iter()
            .filter(|other| other.id != container.id && !other.live().plugged.proxies.is_empty())
            .any(|other| other.record().ports.values().flatten().any(|binding| binding.host_port == why.port));
        if ours && why.taken {
            format!("Bind for {}:{} failed: port is already allocated", why.address, why.port)
        } else {
            why.message.clone()
        }
    }
}

/// The rules for ports that are open. An address of IPv6 has none where the container has no such address: only the proxy serves it.
fn rules(owner: &str, ports: &BTreeMap<String, Vec<PortBinding>>, inside: &[IpAddr]) -> Vec<Published> {
    let all = ports.iter().flat_map(|(port, bindings)| bindings.iter().map(move |binding| (port, binding)));
    let rule = |(port, binding): (&String, &PortBinding)| {
        let (inner, udp) = number(port).ok()?;
        let address: IpAddr = binding.host_ip.parse().ok()?;
        let target = inside.iter().find(|one| one.is_ipv6() == address.is_ipv6())?;
        Some(Published {
            owner: owner.to_owned(),
            protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
            address: Some(address).filter(|address| !address.is_unspecified()),
            port: binding.host_port.parse().ok()?,
            target: SocketAddr::new(*target, inner),
        })
    };
    all.filter_map(rule).collect()
}

/// Why a port could not be opened.
struct NotOpen {
    address: String,
    port: String,
    taken: bool,
    message: String,
}

async fn open((address, host_port): (&str, &str), port: &str, inside: &[IpAddr]) -> Result<Vec<Open>, NotOpen> {
    let shown = if address.is_empty() { "0.0.0.0" } else { address };
    let not_open = |message: String, taken| NotOpen { address: shown.to_owned(), port: host_port.to_owned(), taken, message };
    let (inner, udp) = number(port).map_err(|fault| not_open(fault.message, false))?;
    let places = places(address, inside, has_ipv6()).map_err(|wrong| not_open(wrong, false))?;
    let (first, last) = range(host_port).ok_or_else(|| not_open(format!("invalid port specification: \"{host_port}\""), false))?;
    let mut message = (String::new(), false);
    let attempts = if first == 0 { ATTEMPTS } else { 1 };
    for outer in (first..=last).flat_map(|outer| std::iter::repeat_n(outer, attempts)) {
        match open_all(&places, (outer, inner), udp).await {
            Ok(open) => return Ok(open),
            Err((Pair { outer, inside }, error)) => {
                let taken = error.kind() == std::io::ErrorKind::AddrInUse;
                let reason = if taken { "address already in use".to_owned() } else { error.to_string() };
                let (outer, kind) =
                    (if outer.is_ipv6() { format!("[{outer}]") } else { outer.to_string() }, if udp { "udp" } else { "tcp" });
                let inside = SocketAddr::new(inside, inner);
                message = (format!("failed to bind host port for {outer}:{host_port}:{inside}/{kind}: {reason}"), taken);
                if !taken && first == 0 {
                    break;
                }
            }
        }
    }
    Err(not_open(message.0, message.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        assert_eq!(number("80/tcp").unwrap(), (80, false));
        assert_eq!(number("53/udp").unwrap(), (53, true));
        assert_eq!(number("80").unwrap(), (80, false));
        for bad in ["0/tcp", "x", "80/xyz", "70000/tcp", ""] {
            assert!(number(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (range(""), range("8080"), range("1-3"), range("3-1"), range("x")),
            (Some((0, 0)), Some((8080, 8080)), Some((1, 3)), None, None)
        );
    }
}
