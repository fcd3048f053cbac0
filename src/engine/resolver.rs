//! A resolver in a network namespace: it answers from a [`Zone`] that may be another at each question, and asks servers outside for what is not in it.
//! Over UDP and over TCP (RFC 7766), since an answer with many addresses does not fit a datagram.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::kernel::ns::{self, CloneFlags};
use crate::kernel::{self, fs};
use crate::net::{Zone, dns};

/// The port of names.
const PORT: u16 = 53;
/// How long a resolver outside may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client of TCP may say nothing.
const SILENT: Duration = Duration::from_secs(10);
/// How many clients of TCP are served at once; others wait.
const CLIENTS: usize = 32;
/// How many datagrams are answered at once; others are lost, as datagrams may be. Each may hold a socket of ours until a server outside answers.
const QUESTIONS: usize = 64;
/// How long nobody is taken when nobody can be: there are no descriptors left.
const REST: Duration = Duration::from_millis(100);
/// The largest datagram that is taken.
const DATAGRAM: usize = 4096;
/// "There is no such name", in the fourth byte of an answer.
const NO_SUCH_NAME: u8 = 3;
/// "I could not find out", in the same place.
const FAILED: u8 = 2;
/// "I must know", in the third byte.
const AUTHORITY: u8 = 0x04;

/// What a resolver knows when it is asked.
#[derive(Debug, Default)]
pub struct Knowledge {
    /// The names that it answers itself.
    pub zone: Zone,
    /// Who is asked for others, one after the other.
    pub servers: Vec<SocketAddr>,
}

/// Where a resolver is asked: both at the same address.
#[derive(Debug)]
pub struct Sockets {
    datagrams: UdpSocket,
    streams: TcpListener,
}

impl Sockets {
    /// Opens them at an address of the network namespace of a process, by a thread that ends with it. May wait for the kernel.
    ///
    /// # Errors
    /// There is no such process, or the address is taken.
    pub fn open(pid: i32, address: IpAddr) -> std::io::Result<Sockets> {
        let broken = |error: kernel::Error| std::io::Error::other(error.to_string());
        let namespace = ns::open(pid, "net").map_err(broken)?;
        let (datagrams, streams) = std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                ns::enter(namespace.as_fd(), CloneFlags::CLONE_NEWNET).map_err(broken)?;
                Ok((std::net::UdpSocket::bind((address, PORT))?, std::net::TcpListener::bind((address, PORT))?))
            });
            there.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that opens it has ended")))
        })?;
        datagrams.set_nonblocking(true)?;
        streams.set_nonblocking(true)?;
        Ok(Sockets { datagrams: UdpSocket::from_std(datagrams)?, streams: TcpListener::from_std(streams)? })
    }

    /// Answers until it is aborted, or its network namespace is gone.
    pub async fn serve(self, knows: impl Fn() -> Knowledge + Send + Sync + 'static) {
        let knows = Arc::new(knows);
        tokio::join!(datagrams(Arc::new(self.datagrams), Arc::clone(&knows)), streams(self.streams, knows));
    }
}

async fn datagrams(socket: Arc<UdpSocket>, knows: Arc<impl Fn() -> Knowledge>) {
    let mut buffer = vec![0; DATAGRAM];
    let places = Arc::new(Semaphore::new(QUESTIONS));
    let mut answering = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            asked = socket.recv_from(&mut buffer) => {
                let Ok((count, client)) = asked else { return };
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let (query, knowledge, socket) = (buffer[..count].to_vec(), knows(), Arc::clone(&socket));
                answering.spawn(async move {
                    if let Some(answer) = answer(&knowledge, &query, true).await {
                        // Who asked may have gone.
                        let _ = socket.send_to(&answer, client).await;
                    }
                    drop(place);
                });
            }
            Some(_) = answering.join_next() => {}
        }
    }
}

async fn streams(listener: TcpListener, knows: Arc<impl Fn() -> Knowledge + Send + Sync + 'static>) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    let mut clients = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(REST).await;
                    continue;
                };
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let knows = Arc::clone(&knows);
                clients.spawn(async move {
                    conversation(stream, &*knows).await;
                    drop(place);
                });
            }
            Some(_) = clients.join_next() => {}
        }
    }
}

/// Questions and answers on one connection, until the client has no more.
async fn conversation(mut stream: TcpStream, knows: &(impl Fn() -> Knowledge + Sync)) {
    while let Ok(Some(query)) = timeout(SILENT, framed(&mut stream)).await {
        let Some(answer) = answer(&knows(), &query, false).await else { return };
        if !matches!(timeout(SILENT, send(&mut stream, &answer)).await, Ok(Some(()))) {
            return;
        }
    }
}

async fn answer(knowledge: &Knowledge, query: &[u8], over_udp: bool) -> Option<Vec<u8>> {
    let mut own = dns::answer(&knowledge.zone, query, over_udp)?;
    let known = own.get(3).is_some_and(|flags| flags & 0x0f != NO_SUCH_NAME);
    if known {
        return Some(own);
    }
    for server in &knowledge.servers {
        let asked = async { if over_udp { by_datagram(query, *server).await } else { by_stream(query, *server).await } };
        if let Ok(Some(answer)) = timeout(PATIENCE, asked).await {
            return Some(answer);
        }
    }
    if !knowledge.servers.is_empty() {
        // Nobody who might know has said that there is no such name.
        own[2] &= !AUTHORITY;
        own[3] = own[3] & 0xf0 | FAILED;
    }
    Some(own)
}

async fn by_datagram(query: &[u8], server: SocketAddr) -> Option<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.send(query).await.ok()?;
    let mut buffer = vec![0; DATAGRAM];
    let count = socket.recv(&mut buffer).await.ok()?;
    buffer.truncate(count);
    Some(buffer)
}

async fn by_stream(query: &[u8], server: SocketAddr) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    send(&mut stream, query).await?;
    framed(&mut stream).await
}

/// A message with its length before it, as TCP carries them.
async fn framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

async fn send(stream: &mut TcpStream, message: &[u8]) -> Option<()> {
    let length = u16::try_from(message.len()).ok()?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await.ok()
}

/// The resolvers outside: those that were named, or the host's own (resolv.conf(5)).
pub fn servers(named: &[String]) -> Vec<SocketAddr> {
    let text = fs::read(Path::new("/etc/resolv.conf")).unwrap_or_default();
    let hosts = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver ")).map(|server| server.trim().to_owned());
    let all: Vec<String> = if named.is_empty() { hosts.collect() } else { named.to_vec() };
    all.iter().filter_map(|server| Some(SocketAddr::new(server.parse().ok()?, PORT))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, TYPE};

    fn question(name: &str) -> Vec<u8> {
        let mut packet = Packet::new_query(7);
        let name = Name::new_unchecked(name).into_owned();
        packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false));
        packet.build_bytes_vec().unwrap()
    }

    #[tokio::test]
    async fn that_nobody_could_be_asked_is_no_answer_about_the_name() {
        let code = |answer: Vec<u8>| (answer[3] & 0x0f, answer[2] & AUTHORITY != 0);
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let asked = |servers: Vec<SocketAddr>| async move {
            answer(&Knowledge { zone: Zone::default(), servers }, &question("no.such"), true).await.unwrap()
        };
        assert_eq!(code(asked(Vec::new()).await).0, NO_SUCH_NAME);
        assert_eq!(code(asked(vec![nobody]).await), (FAILED, false));
    }

    /// What a resolver says over TCP, and a stranger says to it, on loopback: nothing needs a namespace for that.
    #[tokio::test]
    async fn an_answer_that_fits_no_datagram_comes_over_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let many = || {
            let mut zone = Zone::default();
            (1..=60).for_each(|last| zone.insert("web", IpAddr::from([10, 0, 0, last])));
            Knowledge { zone, servers: Vec::new() }
        };
        let cut = answer(&many(), &question("web"), true).await.unwrap();
        assert!(Packet::parse(&cut).unwrap().has_flags(PacketFlag::TRUNCATION), "60 addresses fit a datagram");
        let serving = tokio::spawn(streams(listener, Arc::new(many)));
        let whole = by_stream(&question("web"), at).await.unwrap();
        assert_eq!(Packet::parse(&whole).unwrap().answers.len(), 60);
        // Who sends no question gets none answered, and others go on.
        let mut stranger = TcpStream::connect(at).await.unwrap();
        stranger.write_all(b"\0\x01x").await.unwrap();
        assert_eq!(framed(&mut stranger).await, None);
        assert!(by_stream(&question("web"), at).await.is_some());
        serving.abort();
    }
}
