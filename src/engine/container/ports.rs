//! Published ports: what reaches a port of the host is handed on into the container.
//!
//! What comes from elsewhere is translated by a rule of the bridge ([`Bridge::publish`]), and a server in the container sees its client's own
//! address. Every port is listened on by the engine too, as dockerd's `docker-proxy` does: that keeps the port for us, and serves what no rule reaches, the
//! host's own 127.0.0.1 and containers on the same bridge. For those the client is the bridge.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Container;
use super::config::PortBinding;
use super::record::{Endpoint, Record};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::networks::Network;
use crate::kernel;
use crate::kernel::netlink::nft::rule::Protocol;
use crate::kernel::socket;
use crate::net::bridge::{Bridge, Published};
use crate::net::interface::has_ipv6;

/// How long a silent client of a UDP port is remembered.
const SILENT: Duration = Duration::from_secs(90);
/// The largest datagram.
const DATAGRAM: usize = 65_535;
/// How many ports are tried where any will do, but one that is free in IPv4 and in IPv6.
const ATTEMPTS: usize = 16;

/// The ports that a container wants published: `80/tcp` and where.
///
/// # Errors
/// A port or an address is none.
pub fn wanted(record: &Record) -> Result<Vec<(String, PortBinding)>, Fault> {
    let mut all = Vec::new();
    for (port, bindings) in &record.host.port_bindings {
        number(port)?;
        let bindings = bindings.clone().filter(|bindings| !bindings.is_empty()).unwrap_or_else(|| vec![PortBinding::default()]);
        all.extend(bindings.into_iter().map(|binding| (port.clone(), binding)));
    }
    if record.host.publish_all_ports {
        let exposed = record.config.exposed_ports.iter().flatten().map(|(port, _)| port);
        let missing = exposed.filter(|port| !record.host.port_bindings.contains_key(*port));
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

/// Ends proxies. Their ports are free when this returns: they may be asked for again at once.
async fn closed(proxies: Vec<JoinHandle<()>>) {
    proxies.iter().for_each(JoinHandle::abort);
    for proxy in proxies {
        // That it was ended is its only error.
        let _ = proxy.await;
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

/// A port that is open: where, and the task that hands on.
type Open = (SocketAddr, JoinHandle<()>);

/// The host's addresses that a binding means, each with the container's that it leads to: without an address all of the host's. Those of IPv6 (where the
/// host has it at all: `ipv6`) lead to a container without such an address too, as with dockerd: its clients are served by the proxy.
fn places(address: &str, inside: &[IpAddr], ipv6: bool) -> Result<Vec<(IpAddr, IpAddr)>, String> {
    if address.is_empty() {
        let every = |ipv6| if ipv6 { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
        let four = inside.first().filter(|_| ipv6 && inside.iter().all(IpAddr::is_ipv4));
        let own = inside.iter().map(|inside| (every(inside.is_ipv6()), *inside));
        return Ok(own.chain(four.map(|four| (every(true), *four))).collect());
    }
    let outer: IpAddr = address.parse().map_err(|_| format!("invalid IP address: {address}"))?;
    let target = inside.iter().find(|one| one.is_ipv6() == outer.is_ipv6()).or(inside.first());
    Ok(target.map(|target| (outer, *target)).into_iter().collect())
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
            Err(((outer, inside), error)) => {
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

/// Opens the same port at all places, or at none of them.
async fn open_all(
    places: &[(IpAddr, IpAddr)],
    (outer, inner): (u16, u16),
    udp: bool,
) -> Result<Vec<Open>, ((IpAddr, IpAddr), std::io::Error)> {
    let mut open: Vec<Open> = Vec::new();
    for (at, inside) in places {
        // Where any port will do, the first one chooses for all.
        let port = open.first().map_or(outer, |(address, _)| address.port());
        match listen(SocketAddr::new(*at, port), SocketAddr::new(*inside, inner), udp).await {
            Ok(one) => open.push(one),
            Err(error) => {
                closed(open.into_iter().map(|(_, task)| task).collect()).await;
                return Err(((*at, *inside), error));
            }
        }
    }
    Ok(open)
}

async fn listen(at: SocketAddr, target: SocketAddr, udp: bool) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let broken = |error: kernel::Error| std::io::Error::from_raw_os_error(error.errno as i32);
    if udp {
        let socket = match at {
            SocketAddr::V4(_) => UdpSocket::bind(at).await?,
            SocketAddr::V6(six) => UdpSocket::from_std(socket::bind_ipv6(six).map_err(broken)?)?,
        };
        let address = socket.local_addr()?;
        return Ok((address, tokio::spawn(datagrams(Arc::new(socket), target))));
    }
    let listener = match at {
        SocketAddr::V4(_) => TcpListener::bind(at).await?,
        SocketAddr::V6(six) => TcpListener::from_std(socket::listen_ipv6(six).map_err(broken)?)?,
    };
    let address = listener.local_addr()?;
    Ok((address, tokio::spawn(connections(listener, target))))
}

/// Hands connections on. They end with the listener's task.
async fn connections(listener: TcpListener, target: SocketAddr) {
    let mut open = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((mut outer, _)) = accepted else { continue };
                open.spawn(async move {
                    // Nobody listens in there: the client sees its connection closed, as with any proxy.
                    if let Ok(mut inner) = TcpStream::connect(target).await {
                        // One side that breaks off ends both.
                        let _ = copy_bidirectional(&mut outer, &mut inner).await;
                    }
                });
            }
            Some(_) = open.join_next() => {}
        }
    }
}

/// Hands datagrams on; every client gets a socket of its own inside, by which answers find back.
async fn datagrams(socket: Arc<UdpSocket>, target: SocketAddr) {
    let mut clients: HashMap<SocketAddr, (Arc<UdpSocket>, AbortOnDrop)> = HashMap::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok((count, client)) = socket.recv_from(&mut buffer).await else { continue };
        clients.retain(|_, (_, answers)| !answers.0.is_finished());
        let inner = match clients.entry(client) {
            Entry::Occupied(known) => Arc::clone(&known.get().0),
            Entry::Vacant(new) => {
                let Ok(inner) = inside(target).await.map(Arc::new) else { continue };
                let answers = tokio::spawn(answers(Arc::downgrade(&socket), Arc::clone(&inner), client));
                new.insert((Arc::clone(&inner), AbortOnDrop(answers)));
                inner
            }
        };
        // A datagram may be lost: that is what they are.
        let _ = inner.send(&buffer[..count]).await;
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn inside(target: SocketAddr) -> std::io::Result<UdpSocket> {
    let own = if target.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv4Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind(SocketAddr::new(own, 0)).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// The port is free as soon as its proxy has ended, whoever still answers.
async fn answers(outer: Weak<UdpSocket>, inner: Arc<UdpSocket>, client: SocketAddr) {
    let mut buffer = vec![0; DATAGRAM];
    while let Ok(Ok(count)) = tokio::time::timeout(SILENT, inner.recv(&mut buffer)).await {
        let Some(outer) = outer.upgrade() else { return };
        // As above.
        let _ = outer.send_to(&buffer[..count], client).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_without_an_address_is_open_everywhere_and_leads_to_what_the_container_has() {
        let (four, six): (IpAddr, IpAddr) = ("172.18.0.2".parse().unwrap(), "fd00::2".parse().unwrap());
        let on = |address: &str, inside: &[IpAddr], ipv6| {
            places(address, inside, ipv6)
                .map(|all| all.iter().map(|(outer, inner)| format!("{outer}>{inner}")).collect::<Vec<_>>().join(" "))
        };
        let shown = |address: &str, inside: &[IpAddr]| on(address, inside, true);
        assert_eq!(shown("", &[four]).unwrap(), "0.0.0.0>172.18.0.2 ::>172.18.0.2");
        assert_eq!(on("", &[four], false).unwrap(), "0.0.0.0>172.18.0.2", "a host without IPv6");
        assert_eq!(shown("", &[six]).unwrap(), "::>fd00::2", "IPv4 leads to nothing");
        assert_eq!(shown("0.0.0.0", &[four]).unwrap(), "0.0.0.0>172.18.0.2");
        assert_eq!(shown("", &[four, six]).unwrap(), "0.0.0.0>172.18.0.2 ::>fd00::2");
        assert_eq!(shown("127.0.0.1", &[four, six]).unwrap(), "127.0.0.1>172.18.0.2");
        assert_eq!(shown("::1", &[four, six]).unwrap(), "::1>fd00::2");
        assert_eq!(shown("::1", &[four]).unwrap(), "::1>172.18.0.2");
        assert_eq!(shown("x", &[four]).unwrap_err(), "invalid IP address: x");
    }

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
