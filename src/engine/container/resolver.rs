//! Names in networks that people make: the resolver at 127.0.0.11 of every container there.
//!
//! ```text
//!  container: nameserver 127.0.0.11 ── socket in its network namespace, held by the engine ── names of its networks, else the host's resolver
//! ```
//! The default bridge has no names, as with dockerd. Questions over TCP are not answered; answers this small need none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::Container;
use super::record::Record;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::ns::{self, CloneFlags};
use crate::kernel::{fs, random};
use crate::net::{Zone, dns};

/// Where containers ask.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// The port of names.
const PORT: u16 = 53;
/// How long a resolver outside may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest datagram that is taken.
const DATAGRAM: usize = 4096;
/// "There is no such name", in the fourth byte of an answer.
const NO_SUCH_NAME: u8 = 3;

impl Engine {
    /// The name servers that a container was given, or that all are given. None: those of the host.
    pub fn name_servers(&self, record: &Record) -> Vec<String> {
        if record.host.dns.is_empty() { self.config.dns.clone() } else { record.host.dns.clone() }
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
        let bound = self.work(move |_| Ok(bind(pid))).await?;
        let socket = bound.map_err(|error| refused(error.to_string()))?;
        socket.set_nonblocking(true).and_then(|()| UdpSocket::from_std(socket)).map_err(|error| refused(error.to_string())).map(|socket| {
            let (engine, one) = (Arc::clone(self), Arc::clone(container));
            let serving = tokio::spawn(async move { engine.answer_names(&one, Arc::new(socket)).await }).abort_handle();
            container.live().plugged.resolver = Some(serving);
        })
    }

    async fn answer_names(self: &Arc<Self>, container: &Arc<Container>, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; DATAGRAM];
        // Ended with the container: its task is aborted.
        while let Ok((count, client)) = socket.recv_from(&mut buffer).await {
            let query = buffer[..count].to_vec();
            let record = container.record();
            let Some(own) = dns::answer(&self.zone_of(&record), &query, true) else { continue };
            let known = own.get(3).is_some_and(|flags| flags & 0x0f != NO_SUCH_NAME);
            let servers = servers(&self.name_servers(&record));
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                let answer = if known { own } else { forwarded(&query, &servers).await.unwrap_or(own) };
                // Who asked may have gone.
                let _ = socket.send_to(&answer, client).await;
            });
        }
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

/// A socket in the network namespace of a process, made by a thread that ends with it.
fn bind(pid: i32) -> std::io::Result<std::net::UdpSocket> {
    let broken = |error: crate::kernel::Error| std::io::Error::other(error.to_string());
    let namespace = ns::open(pid, "net").map_err(broken)?;
    std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            ns::enter(namespace.as_fd(), CloneFlags::CLONE_NEWNET).map_err(broken)?;
            std::net::UdpSocket::bind((ADDRESS, PORT))
        });
        there.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that opens it has ended")))
    })
}

/// The resolvers outside: those that were named, or the host's.
fn servers(named: &[String]) -> Vec<SocketAddr> {
    let text = fs::read(Path::new("/etc/resolv.conf")).unwrap_or_default();
    let hosts = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver ")).map(|server| server.trim().to_owned());
    let all: Vec<String> = if named.is_empty() { hosts.collect() } else { named.to_vec() };
    all.iter().filter_map(|server| Some(SocketAddr::new(server.parse().ok()?, PORT))).collect()
}

async fn forwarded(query: &[u8], servers: &[SocketAddr]) -> Option<Vec<u8>> {
    for server in servers {
        let asked = async {
            let own: SocketAddr =
                if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
            let socket = UdpSocket::bind(own).await.ok()?;
            socket.connect(server).await.ok()?;
            socket.send(query).await.ok()?;
            let mut buffer = vec![0; DATAGRAM];
            let count = socket.recv(&mut buffer).await.ok()?;
            buffer.truncate(count);
            Some(buffer)
        };
        if let Ok(Some(answer)) = tokio::time::timeout(PATIENCE, asked).await {
            return Some(answer);
        }
    }
    None
}
