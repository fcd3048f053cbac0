//! Names in networks that people make: the resolver at 127.0.0.11 of every container there.
//!
//! ```text
//!  container: nameserver 127.0.0.11 ── socket in its network namespace, held by the engine ── names of its networks, else the host's resolver
//! ```
//! The default bridge has no names, as with dockerd.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::Container;
use super::record::Record;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::resolver::{Knowledge, Sockets, servers};
use crate::kernel::random;
use crate::net::Zone;

/// Where containers ask.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

impl Engine {
    /// The name servers that a container was given, or that all are given. None: those of the host.
    pub fn name_servers(&self, record: &Record) -> Vec<String> {
        record.host.dns.clone().filter(|dns| !dns.is_empty()).unwrap_or_else(|| self.config.dns.clone())
    }

    /// The resolver that a container asks; `None` where the host's own is asked.
    pub fn internal_resolver(&self, record: &Record) -> Option<Ipv4Addr> {
        let named = |name: &String| self.networks.find(name).is_ok_and(|network| !network.is_predefined());
        record.networks.keys().any(named).then_some(ADDRESS)
    }

    /// Answers a container's questions from now on, if its networks have names.
    ///
    /// # Errors
    /// The socket cannot be opened in its network namespace.
    pub async fn serve_names(self: &Arc<Self>, container: &Arc<Container>, pid: i32) -> Result<(), Fault> {
        if self.internal_resolver(&container.record()).is_none() || container.live().plugged.resolver.is_some() {
            return Ok(());
        }
        let refused =
            |why: String| Fault::internal(format!("failed to set up container networking: the resolver of {}: {why}", container.name()));
        // The sockets want the runtime that will serve them, which those who wait have too.
        let bound = self.work(move |_| Ok(Sockets::open(pid, ADDRESS.into()))).await?;
        let sockets = bound.map_err(|error| refused(error.to_string()))?;
        let (engine, one) = (Arc::clone(self), Arc::clone(container));
        let knows = move || {
            let record = one.record();
            Knowledge { zone: engine.zone_of(&record), servers: servers(&engine.name_servers(&record)) }
        };
        // Ended with the container: its task is aborted.
        container.live().plugged.resolver = Some(tokio::spawn(sockets.serve(knows)).abort_handle());
        Ok(())
    }

    /// The names that a container knows: of all that run in its networks. Several of one name take turns.
    fn zone_of(&self, record: &Record) -> Zone {
        let mut pairs: Vec<(String, IpAddr)> = Vec::new();
        let named = |name: &String| self.networks.find(name).is_ok_and(|network| !network.is_predefined());
        for network in record.networks.keys().filter(|name| named(name)) {
            for other in self.containers.all().into_iter().map(|container| container.record()).filter(|other| other.state.is_running()) {
                let Some(endpoint) = other.networks.get(network) else { continue };
                let mut names = vec![other.name.clone(), other.id[..12].to_owned(), other.config.hostname.clone()];
                names.extend(endpoint.aliases.iter().flatten().cloned());
                names.sort();
                names.dedup();
                names.retain(|name| !name.is_empty());
                // With the network's name behind it, which is what a reverse question is answered with first.
                names.insert(0, format!("{}.{network}", other.name));
                pairs.extend(endpoint.placed().into_iter().flat_map(|placed| names.iter().map(move |name| (name.clone(), placed.address))));
            }
        }
        pairs.extend(record.networks.iter().flat_map(|(network, endpoint)| self.linked_names(network, endpoint.links.as_deref())));
        if !pairs.is_empty() {
            let turn = usize::from(random::bytes::<1>()[0]) % pairs.len();
            pairs.rotate_left(turn);
        }
        let mut zone = Zone::default();
        pairs.iter().for_each(|(name, address)| zone.insert(name, *address));
        zone
    }
}
