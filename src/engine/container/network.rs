//! A container's network: an address before it starts, a cable when it has a network namespace, and the end of both.

use std::net::IpAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::{AbortHandle, JoinHandle};

use super::config::read;
use super::record::{Endpoint, Record};
use super::{Container, names};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::networks::{Network, Pool};
use crate::kernel;
use crate::kernel::error::Errno;
use crate::kernel::ns::{self, CloneFlags};
use crate::net::bridge::Bridge;
use crate::net::interface::{self, Interface, usual_hardware};

/// What must go when a container ends.
#[derive(Default)]
pub struct Plugged {
    /// Our ends of its cables.
    pub cables: Vec<String>,
    /// Its network namespace, where it has links without an end of ours: branches of a parent. Nothing else says when they are gone.
    pub namespace: Option<OwnedFd>,
    /// The tasks of its published ports.
    pub proxies: Vec<JoinHandle<()>>,
    /// The task of its resolver.
    pub resolver: Option<AbortHandle>,
}

/// Does something in a network namespace: in a thread that ends with it, since the namespace is the thread's.
pub fn inside<T: Send>(namespace: BorrowedFd<'_>, deed: impl FnOnce() -> kernel::Result<T> + Send) -> Result<kernel::Result<T>, Fault> {
    std::thread::scope(|scope| {
        let there = scope.spawn(|| ns::enter(namespace, CloneFlags::CLONE_NEWNET).and_then(|()| deed()));
        there.join().map_err(|_| Fault::internal("the thread that configures the network has ended"))
    })
}

impl Engine {
    /// Gives a container its addresses, before its files are written.
    ///
    /// # Errors
    /// A network is gone or full.
    pub async fn address(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), Fault> {
        let one = Arc::clone(container);
        self.work(move |engine| {
            // Two starts at once must not choose the same address.
            let _one = engine.addressing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut networks = one.record().networks;
            for (name, endpoint) in &mut networks {
                let missing =
                    |fault: Fault| Fault { message: format!("failed to set up container networking: {}", fault.message), ..fault };
                let network = engine.networks.find(name).map_err(missing)?;
                endpoint.network_id.clone_from(&network.id);
                endpoint.endpoint_id = names::random_id();
                engine.choose_addresses(&one, &network, endpoint)?;
            }
            one.remember(|record| record.networks = networks);
            Ok(())
        })
        .await
    }

    /// The addresses that were asked for, or the lowest that are free: one of each pool of the network.
    ///
    /// # Errors
    /// A pool is full, or what was asked for is no address of the network's, or another container's.
    pub fn choose_addresses(&self, container: &Container, network: &Network, endpoint: &mut Endpoint) -> Result<(), Fault> {
        let pools = network.pools();
        let mut taken: Vec<IpAddr> = pools.iter().filter_map(|pool| pool.gateway).collect();
        for other in self.containers.all().into_iter().filter(|other| other.id != container.id) {
            let record = other.record();
            taken.extend(record.networks.get(&network.name).into_iter().flat_map(Endpoint::placed).map(|placed| placed.address));
        }
        let wanted = wanted(network, endpoint)?;
        // Kept addresses are given to who asks for them.
        let kept: Vec<IpAddr> = network.kept.values().filter_map(|one| one.parse().ok()).chain(taken.iter().copied()).collect();
        for pool in pools {
            let ipv6 = pool.subnet.start().is_ipv6();
            let address = match wanted.iter().find(|one| one.is_ipv6() == ipv6) {
                Some(one) if taken.contains(one) => {
                    return Err(Fault { status: axum::http::StatusCode::FORBIDDEN, message: "Address already in use".to_owned() });
                }
                Some(one) => *one,
                None => free(&pool, &kept).ok_or_else(|| {
                    let version = if ipv6 { 6 } else { 4 };
                    Fault::internal(format!("no available IPv{version} addresses on this network's address pools"))
                })?,
            };
            let gateway = pool.gateway.filter(|_| !network.is_internal() && !network.routes_itself());
            let gateway = gateway.map_or_else(String::new, |gateway| gateway.to_string());
            if ipv6 {
                (endpoint.address6, endpoint.prefix6, endpoint.gateway6) = (address.to_string(), pool.subnet.prefix(), gateway);
            } else {
                (endpoint.address, endpoint.prefix, endpoint.gateway) = (address.to_string(), pool.subnet.prefix(), gateway);
            }
        }
        Ok(())
    }

    /// Lays the cables of a container whose first process waits for its start.
    ///
    /// # Errors
    /// The kernel refused, or a port is taken.
    pub async fn plug_in(self: &Arc<Self>, container: &Arc<Container>, pid: i32) -> Result<(), Fault> {
        let one = Arc::clone(container);
        self.work(move |engine| {
            let record = one.record();
            for (number, (name, endpoint)) in record.networks.iter().enumerate() {
                let network = engine.networks.find(name)?;
                if !network.pools().is_empty() {
                    engine.plug(&one, &network, endpoint, (Some(number), pid))?;
                }
            }
            engine.open_links()
        })
        .await?;
        for (name, endpoint) in container.record().networks {
            self.tell_network("connect", &name, &endpoint, container);
        }
        self.serve_names(container, pid).await?;
        self.publish(container).await
    }

    /// Tells everybody of a network and a container.
    pub fn tell_network(&self, action: &str, name: &str, endpoint: &Endpoint, container: &Container) {
        let kind = self.networks.find(name).map_or_else(|_| String::new(), |network| network.driver);
        self.events.tell("network", action, &endpoint.network_id, &[("container", &container.id), ("name", name), ("type", &kind)]);
    }

    /// Lays one cable. `number` is which of the container's networks it is; without it, its link gets the first name that is free.
    pub fn plug(
        &self,
        container: &Container,
        network: &Network,
        endpoint: &Endpoint,
        (number, pid): (Option<usize>, i32),
    ) -> Result<(), Fault> {
        let refused =
            |error: kernel::Error| Fault::internal(format!("failed to set up container networking: network {}: {error}", network.name));
        let namespace = ns::open(pid, "net").map_err(refused)?;
        let name = match number {
            Some(number) => format!("eth{number}"),
            None => inside(namespace.as_fd(), interface::free_name)?.map_err(refused)?,
        };
        let addresses = endpoint.placed();
        let usual = if network.keeps_hardware() { None } else { usual_hardware(&addresses) };
        let inner = Interface { name, addresses, mac: hardware(&endpoint.wanted_mac)?.or(usual) };
        if let Some(bridge) = network.bridge() {
            let outer = format!("veth{}", &endpoint.endpoint_id[..7]);
            bridge
                .make()
                .map_err(|error| Fault::internal(format!("failed to set up container networking: {}", network.not_made(&error))))?;
            bridge.plug(&outer, &inner.name, namespace.as_fd()).map_err(refused)?;
            container.live().plugged.cables.push(outer);
        } else {
            self.branch_off(network, &inner.name, endpoint, namespace.as_fd())?;
        }
        let mac = inside(namespace.as_fd(), || inner.configure(&network.ways_out()))?.map_err(refused)?;
        if network.bridge().is_none() {
            container.live().plugged.namespace = Some(namespace);
        }
        let note = |record: &mut Record| {
            if let Some(endpoint) = record.networks.get_mut(&network.name) {
                endpoint.mac_address = mac;
            }
        };
        // A start writes all of it when it has succeeded.
        if number.is_some() {
            container.remember(note);
            return Ok(());
        }
        container.change(note)
    }

    /// Makes a container's link as a branch of the network's parent.
    fn branch_off(&self, network: &Network, name: &str, endpoint: &Endpoint, namespace: BorrowedFd<'_>) -> Result<(), Fault> {
        let failed = |why: String| Fault::internal(format!("failed to set up container networking: {why}"));
        let parent = network.parent().ok_or_else(|| failed(format!("network {} has no parent interface", network.name)))?;
        let kind = parent.branch.kind();
        if kind == "ipvlan" && !endpoint.wanted_mac.is_empty() {
            return Err(failed("ipvlan interfaces do not support custom mac address assignment".to_owned()));
        }
        self.make_parent(network)?;
        parent.plug(name, namespace).map_err(|error| match error.errno {
            Errno::ENODEV => failed(format!("the requested parent interface {} was not found on the Docker host", parent.link)),
            Errno::EBUSY => {
                failed(format!("failed to create the {kind} port: {} is in use by branches of another kind: {error}", parent.link))
            }
            _ => failed(format!("failed to create the {kind} port: {error}")),
        })
    }

    /// Pulls all cables and closes all ports of a container.
    pub fn unplug(&self, container: &Container) {
        let plugged = std::mem::take(&mut container.live().plugged);
        plugged.resolver.iter().for_each(AbortHandle::abort);
        self.close_ports(container, plugged.proxies);
        for cable in &plugged.cables {
            // It is gone with the container's network namespace, or going.
            let _ = Bridge::unplug(cable);
        }
        let record = container.record();
        if let Some(namespace) = &plugged.namespace {
            // By itself the namespace ends some time after its last process. Until then a parent lets nobody have the hardware address of a branch in it, and
            // at the next start that is this container.
            for endpoint in record.networks.values() {
                // A link of a bridge went with its other end.
                let _ = inside(namespace.as_fd(), || interface::remove(&endpoint.placed()));
            }
        }
        if record.networks.values().any(|endpoint| endpoint.is_placed()) {
            for (name, endpoint) in &record.networks {
                self.tell_network("disconnect", name, endpoint, container);
            }
            // Whoever waits is told when all of it is gone; an engine that finds them on the disk forgets them too.
            container.remember(|record| {
                // A port that nobody has chosen is another one at the next start: this one may be somebody else's by then.
                record.ports.clear();
                record.networks.values_mut().for_each(Endpoint::clear);
            });
        }
    }

    /// After a restart of the engine: the bridges are as they were, what this process held itself is opened again.
    pub async fn resume_network(self: &Arc<Self>, container: &Arc<Container>) {
        let record = container.record();
        let cables = record.networks.values().filter(|endpoint| endpoint.is_placed());
        container.live().plugged.cables = cables.map(|endpoint| format!("veth{}", &endpoint.endpoint_id[..7])).collect();
        let branches = |name: &String| self.networks.find(name).is_ok_and(|network| network.parent().is_some());
        if record.networks.keys().any(branches) {
            // A container that has just ended has none any more.
            container.live().plugged.namespace = ns::open(record.state.pid, "net").ok();
        }
        // What somebody else has taken meanwhile is lost, and the container runs on; here and below.
        let _ = self.serve_names(container, record.state.pid).await;
        let _ = self.publish(container).await;
    }

    /// The address that stands for the host in a container's network.
    pub fn gateway_of(&self, record: &Record) -> String {
        let gateway = record.networks.values().map(|endpoint| endpoint.gateway.clone()).find(|gateway| !gateway.is_empty());
        gateway.or_else(|| Some(self.networks.find("bridge").ok()?.gateway)).unwrap_or_default()
    }
}

/// The lowest address of a pool's range that nobody has.
fn free(pool: &Pool, taken: &[IpAddr]) -> Option<IpAddr> {
    if pool.range == pool.subnet {
        return pool.subnet.free(taken);
    }
    // The first and the last of a part of a subnet are addresses like others, unless it lies at the subnet's own end.
    pool.range.all().find(|one| !taken.contains(one) && pool.subnet.is_for_hosts(*one))
}

/// The addresses that were asked for in a network: at most one of IPv4 and one of IPv6.
fn wanted(network: &Network, endpoint: &Endpoint) -> Result<Vec<IpAddr>, Fault> {
    let mut all = Vec::new();
    for version in ["IPv4", "IPv6"] {
        let asked = endpoint.wanted.as_ref().and_then(|wanted| wanted[format!("{version}Address")].as_str());
        let Some(text) = asked.filter(|text| !text.is_empty()) else { continue };
        let wrong = |why: String| Fault::bad(format!("invalid config for network {}: invalid endpoint settings:\n{why}", network.name));
        if network.is_predefined() {
            return Err(Fault::bad("invalid endpoint settings:\nuser specified IP address is supported on user defined networks only"));
        }
        let address: IpAddr = text.parse().map_err(|_| wrong(format!("invalid {version} address: {text}")))?;
        if address.is_ipv6() != (version == "IPv6") {
            return Err(wrong(format!("invalid {version} address: {text}")));
        }
        if !network.pools().iter().any(|pool| pool.subnet.contains(address)) {
            return Err(wrong(format!("no configured subnet contains IP address {text}")));
        }
        all.push(address);
    }
    Ok(all)
}

/// The endpoint that a client asks for.
///
/// # Errors
/// Its document makes no sense, or its hardware address is none.
pub fn asked(wanted: &Value) -> Result<Endpoint, Fault> {
    if wanted.is_null() {
        return Ok(Endpoint::default());
    }
    let endpoint: Endpoint = read(wanted)?;
    hardware(&endpoint.mac_address)?;
    for version in ["IPv4", "IPv6"] {
        let text = endpoint.wanted.as_ref().and_then(|wanted| wanted[format!("{version}Address")].as_str()).unwrap_or_default();
        if !text.is_empty() && !text.parse::<IpAddr>().is_ok_and(|one| one.is_ipv6() == (version == "IPv6")) {
            return Err(Fault::bad(format!("invalid endpoint settings:\ninvalid {version} address: {text}")));
        }
    }
    Ok(Endpoint { wanted_mac: endpoint.mac_address.clone(), mac_address: String::new(), ..endpoint })
}

/// A hardware address: six bytes in hexadecimal digits with colons or dashes between them. None of an empty text.
///
/// # Errors
/// It is none, or one of a group.
pub fn hardware(text: &str) -> Result<Option<[u8; 6]>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes: Option<Vec<u8>> = text.split([':', '-']).map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)).collect();
    let six = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    // The lowest bit of the first byte says that it is a group's: no link may have it (IEEE 802).
    six.filter(|six| six[0] & 1 == 0)
        .map(Some)
        .ok_or_else(|| Fault::bad(format!("invalid MAC address: {text}: it must be that of one link, like 02:42:ac:11:00:02")))
}
