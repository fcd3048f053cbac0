//! `docker network connect` and `disconnect`: networks of a container that may be running.

use std::os::fd::AsFd as _;
use std::sync::Arc;

use super::network::inside;
use super::record::{Endpoint, Record};
use super::{Container, names};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::ns;
use crate::net::bridge::Bridge;
use crate::net::interface;

impl Engine {
    /// Connects a container to one more network.
    ///
    /// # Errors
    /// It is connected already, shares another's network, or the kernel refused.
    pub async fn connect_network(self: &Arc<Self>, container: &Arc<Container>, name: &str, mut endpoint: Endpoint) -> Result<(), Fault> {
        let network = self.networks.find(name)?;
        let _turn = container.turn.lock().await;
        let record = container.record();
        if record.networks.contains_key(&network.name) {
            return Err(forbidden(format!("endpoint with name {} already exists in network {}", record.name, network.name)));
        }
        if record.host.network_mode == "host" || network.name == "host" {
            return Err(Fault::bad("container cannot be connected to host network or disconnected from it"));
        }
        if Record::joins(&record.host.network_mode).is_some() {
            return Err(Fault::bad(
                "container sharing network namespace with another container or host cannot be connected to any other network",
            ));
        }
        if network.pools().is_empty() {
            return Err(Fault::bad("container cannot be connected to multiple networks with one of the networks in private (none) mode"));
        }
        if network.is_default() && endpoint.aliases.as_ref().is_some_and(|aliases| !aliases.is_empty()) {
            return Err(Fault::bad("invalid endpoint settings:\nnetwork-scoped aliases are only supported for user-defined networks"));
        }
        endpoint.network_id.clone_from(&network.id);
        let one = Arc::clone(container);
        let pid = record.state.pid;
        self.work(move |engine| {
            let running = record.state.is_running();
            if running {
                endpoint.endpoint_id = names::random_id();
                let _one = engine.addressing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                // It may have been removed since.
                engine.networks.find(&network.id)?;
                engine.choose_addresses(&one, &network, &mut endpoint)?;
                one.change(|record| record.networks.insert(network.name.clone(), endpoint.clone()))?;
            } else {
                one.change(|record| record.networks.insert(network.name.clone(), endpoint.clone()))?;
            }
            if running && let Err(fault) = engine.plug(&one, &network, &endpoint, (None, record.state.pid)) {
                one.change(|record| record.networks.remove(&network.name))?;
                return Err(fault);
            }
            engine.tell_network("connect", &network.name, &endpoint, &one);
            // Its own name in this network too.
            if running { engine.network_files(&one, &one.record()).map(drop) } else { Ok(()) }
        })
        .await?;
        if container.state().is_running() { self.serve_names(container, pid).await } else { Ok(()) }
    }

    /// Takes a container out of a network.
    ///
    /// # Errors
    /// It is not in it.
    pub async fn disconnect_network(self: &Arc<Self>, container: &Arc<Container>, name: &str) -> Result<(), Fault> {
        let network = self.networks.find(name)?;
        let _turn = container.turn.lock().await;
        let record = container.record();
        let Some(endpoint) = record.networks.get(&network.name).cloned() else {
            return Err(forbidden(format!("container {} is not connected to network {}", record.id, network.name)));
        };
        let one = Arc::clone(container);
        self.work(move |engine| {
            if !endpoint.endpoint_id.is_empty() && endpoint.is_placed() {
                let cable = format!("veth{}", &endpoint.endpoint_id[..7]);
                let open = std::mem::take(&mut one.live().plugged.proxies);
                engine.close_ports(&one, open);
                if network.bridge().is_some() {
                    Bridge::unplug(&cable)?;
                    one.live().plugged.cables.retain(|other| *other != cable);
                } else {
                    let namespace = ns::open(one.state().pid, "net")?;
                    inside(namespace.as_fd(), || interface::remove(&endpoint.placed()))??;
                }
            }
            one.change(|record| record.networks.remove(&network.name))?;
            engine.lead_out(&one.record())?;
            engine.tell_network("disconnect", &network.name, &endpoint, &one);
            if one.state().is_running() { engine.network_files(&one, &one.record()).map(drop) } else { Ok(()) }
        })
        .await?;
        // Its ports lead to another of its networks now.
        if container.state().is_running() { self.publish(container).await } else { Ok(()) }
    }

    /// Gives a container that runs a way out again, through the first of its networks that has one.
    fn lead_out(&self, record: &Record) -> Result<(), Fault> {
        let placed = record.networks.iter().filter(|(_, endpoint)| endpoint.is_placed() && record.state.is_running());
        let mut known = placed.filter_map(|(name, endpoint)| Some((self.networks.find(name).ok()?.ways_out(), endpoint.placed())));
        let Some((ways, addresses)) = known.find(|(ways, _)| !ways.is_empty()) else { return Ok(()) };
        let namespace = ns::open(record.state.pid, "net")?;
        let lead_out = || interface::holding(&addresses)?.map_or(Ok(()), |name| interface::lead_out(&name, &ways));
        Ok(inside(namespace.as_fd(), lead_out)??)
    }
}

fn forbidden(message: String) -> Fault {
    Fault { status: axum::http::StatusCode::FORBIDDEN, message }
}
