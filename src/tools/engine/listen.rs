//! Where the engine answers: sockets of its own, those that it was handed, and TCP with TLS.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::oci::distribution::tls;

/// So many connections may have begun TLS and not be answered yet.
const GREETED: usize = 64;

/// The pause after a connection could not be accepted.
const BREATH: std::time::Duration = std::time::Duration::from_secs(1);

/// An open place to answer at.
pub enum Listener {
    /// A socket in the file system.
    Unix(UnixListener),
    /// TCP without TLS.
    Tcp(TcpListener),
    /// TCP with it.
    Secure(Secure),
}

/// How TCP is listened on.
#[derive(Clone)]
pub struct Transport {
    /// With TLS, if there is any.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether any address may be listened on without it: in a bottle only the bottle can reach it.
    pub anywhere: bool,
}

impl Listener {
    /// Answers with `application` until told to stop; then the requests that are being answered may end.
    pub async fn answer(self, application: Router, mut stopped: watch::Receiver<bool>) -> io::Result<()> {
        let end = async move {
            // An engine that is gone stops too.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        match self {
            Listener::Unix(listener) => axum::serve(listener, application).with_graceful_shutdown(end).await,
            Listener::Tcp(listener) => axum::serve(listener, application).with_graceful_shutdown(end).await,
            Listener::Secure(listener) => axum::serve(listener, application).with_graceful_shutdown(end).await,
        }
    }
}

/// Opens what `host` names; a socket that is to be removed at the end comes with its path.
///
/// # Errors
/// It cannot be listened on.
pub async fn open(host: &str, transport: &Transport) -> io::Result<(Listener, Option<PathBuf>)> {
    if let Some(path) = host.strip_prefix("unix://") {
        return Ok((Listener::Unix(unix(Path::new(path)).await?), Some(PathBuf::from(path))));
    }
    if let Some(address) = host.strip_prefix("tcp://") {
        return Ok((tcp(address, transport).await?, None));
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("`{host}` is no address to listen on: unix://PATH, tcp://ADDRESS:PORT or fd://"),
    ))
}

/// A socket that only we and our group may use: who may talk to an engine rules the host. One that nobody answers on any more is replaced.
pub async fn unix(path: &Path) -> io::Result<UnixListener> {
    if path.exists() {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "an engine answers there already"));
        }
        std::fs::remove_file(path)?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// A socket that whoever started us listens on already. It stays there when we end.
///
/// # Errors
/// It is none.
pub fn inherited(listener: OwnedFd) -> io::Result<Listener> {
    let listener = std::os::unix::net::UnixListener::from(listener);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener).map(Listener::Unix)
}

/// Without TLS whoever reaches the port rules the host: then only on loopback, unless nobody outside can reach it.
async fn tcp(address: &str, transport: &Transport) -> io::Result<Listener> {
    let listener = TcpListener::bind(address).await?;
    if let Some(config) = &transport.tls {
        return Ok(Listener::Secure(Secure::new(listener, Arc::clone(config))?));
    }
    if !transport.anywhere && !listener.local_addr()?.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "without TLS only addresses of this host (127.0.0.1) are listened on: see --tlsverify",
        ));
    }
    Ok(Listener::Tcp(listener))
}

/// TCP on which TLS is begun before a request is read, with many clients at a time: a slow one keeps nobody waiting.
pub struct Secure {
    address: SocketAddr,
    greeted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Secure {
    fn new(listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (tell, greeted) = mpsc::channel(GREETED);
        tokio::spawn(greet(listener, config, tell));
        Ok(Secure { address, greeted })
    }
}

/// Begins TLS with whoever connects, until nobody wants to know.
async fn greet(listener: TcpListener, config: Arc<ServerConfig>, tell: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    while let Ok(slot) = tell.clone().reserve_owned().await {
        let Ok((stream, from)) = listener.accept().await else {
            // Mostly no descriptors are left; nothing tells when there are again.
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            if let Some(stream) = tls::accept(config, stream).await {
                slot.send((stream, from));
            }
        });
    }
}

impl axum::serve::Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.greeted.recv().await {
            Some(greeted) => greeted,
            // The listener's task lives as long as this does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
