//! The userland proxy of published ports: a task for each port that hands connections and datagrams on to a container's address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use crate::kernel::{self, socket};

/// How long a silent client of a UDP port is remembered.
const SILENT: Duration = Duration::from_secs(90);
/// How long nobody is taken when nobody can be.
const REST: Duration = Duration::from_millis(100);
/// The largest datagram.
const DATAGRAM: usize = 65_535;
/// A port that is open: where, and the task that hands on.
pub type Open = (SocketAddr, JoinHandle<()>);

/// Where a port is open on the host, and whom it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The host's address.
    pub outer: IpAddr,
    /// The container's.
    pub inside: IpAddr,
}

/// The host's addresses that a binding means, each with the container's that it leads to: without an address all of the host's. Those of IPv6 (where the
/// host has it at all: `ipv6`) lead to a container without such an address too, as with dockerd: its clients are served by the proxy.
///
/// # Errors
/// The address is none.
pub fn places(address: &str, inside: &[IpAddr], ipv6: bool) -> Result<Vec<Pair>, String> {
    if address.is_empty() {
        let every = |ipv6| if ipv6 { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
        let four = inside.first().filter(|_| ipv6 && inside.iter().all(IpAddr::is_ipv4));
        let own = inside.iter().map(|inside| Pair { outer: every(inside.is_ipv6()), inside: *inside });
        return Ok(own.chain(four.map(|four| Pair { outer: every(true), inside: *four })).collect());
    }
    let outer: IpAddr = address.parse().map_err(|_| format!("invalid IP address: {address}"))?;
    let target = inside.iter().find(|one| one.is_ipv6() == outer.is_ipv6()).or(inside.first());
    Ok(target.map(|target| Pair { outer, inside: *target }).into_iter().collect())
}

/// Ends proxies. Their ports are free when this returns: they may be asked for again at once.
pub async fn closed(proxies: Vec<JoinHandle<()>>) {
    proxies.iter().for_each(JoinHandle::abort);
    for proxy in proxies {
        // That it was ended is its only error.
        let _ = proxy.await;
    }
}

/// Opens the same port, `outer` on the host and `inner` in the container, at all places, or at none of them. Where `outer` is 0, any port does.
///
/// # Errors
/// The place that could not be opened, and why.
pub async fn open_all(places: &[Pair], (outer, inner): (u16, u16), udp: bool) -> Result<Vec<Open>, (Pair, std::io::Error)> {
    let mut open: Vec<Open> = Vec::new();
    for pair in places {
        // Where any port will do, the first one chooses for all.
        let port = open.first().map_or(outer, |(address, _)| address.port());
        match listen(SocketAddr::new(pair.outer, port), SocketAddr::new(pair.inside, inner), udp).await {
            Ok(one) => open.push(one),
            Err(error) => {
                closed(open.into_iter().map(|(_, task)| task).collect()).await;
                return Err((*pair, error));
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
                let Ok((mut outer, _)) = accepted else {
                    // There are no descriptors left; asked again at once it would say the same.
                    tokio::time::sleep(REST).await;
                    continue;
                };
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
                .map(|all| all.iter().map(|Pair { outer, inside }| format!("{outer}>{inside}")).collect::<Vec<_>>().join(" "))
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
}
