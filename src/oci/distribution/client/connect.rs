//! Connections to registries: TCP, and TLS over it; those that are idle are used again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};

use super::error::Why;
use super::settings::{Settings, host_of};
use super::trust;

/// The body of a request.
pub type Body = BoxBody<Bytes, std::io::Error>;
type Sender = SendRequest<Body>;

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// So many idle connections are kept per registry.
const IDLE: usize = 8;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections, and keeps them.
pub struct Connector {
    settings: Settings,
    tls: Mutex<HashMap<(String, bool), Arc<ClientConfig>>>,
    idle: Mutex<HashMap<String, Vec<Sender>>>,
}

impl Connector {
    /// Without any connection yet.
    pub fn new(settings: Settings) -> Self {
        Connector { settings, tls: Mutex::default(), idle: Mutex::default() }
    }

    /// What the client was told.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request and gives the head of the answer. `make` is called again where a connection that was kept turns out to be dead.
    ///
    /// # Errors
    /// Nobody was reached, or the connection broke.
    pub async fn send(
        &self,
        uri: &Uri,
        silence: Duration,
        make: &(dyn Fn() -> Result<Request<Body>, Why> + Sync),
    ) -> Result<Response<Incoming>, Why> {
        let origin = format!("{}://{}", uri.scheme_str().unwrap_or("https"), uri.authority().map_or("", |authority| authority.as_str()));
        while let Some(mut sender) = self.take(&origin) {
            // The other end may have closed it in this moment.
            if let Ok(Ok(response)) = tokio::time::timeout(silence, sender.send_request(make()?)).await {
                self.keep(&origin, sender);
                return Ok(response);
            }
        }
        let mut sender = self.connect(uri).await?;
        let sent = tokio::time::timeout(silence, sender.send_request(make()?)).await;
        let response = match sent {
            Err(_) => return Err(Why::Unreachable(format!("no answer within {} seconds", silence.as_secs()))),
            Ok(Err(error)) => return Err(Why::Unreachable(format!("the connection broke: {}", chain(&error)))),
            Ok(Ok(response)) => response,
        };
        self.keep(&origin, sender);
        Ok(response)
    }

    /// An idle connection. One whose last answer is still being read is not.
    fn take(&self, origin: &str) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = idle.get_mut(origin)?;
        list.retain(|sender| !sender.is_closed());
        let at = list.iter().position(SendRequest::is_ready)?;
        Some(list.swap_remove(at))
    }

    fn keep(&self, origin: &str, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = idle.entry(origin.to_owned()).or_default();
        if list.len() < IDLE {
            list.push(sender);
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<Sender, Why> {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let secure = uri.scheme_str() != Some("http");
        let stream = self.tcp(host_of(authority), uri.port_u16().unwrap_or(if secure { 443 } else { 80 })).await?;
        let stream: Box<dyn Stream> = if secure { Box::new(self.tls(authority, stream).await?) } else { Box::new(stream) };
        let made = hyper::client::conn::http1::Builder::new().handshake::<_, Body>(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|error| Why::Unreachable(error.to_string()))?;
        // What breaks it is told to whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, Why> {
        let (names, wanted) = (Arc::clone(&self.settings.names), host.to_owned());
        let found = tokio::task::spawn_blocking(move || names.addresses(&wanted)).await;
        let addresses = found
            .map_err(|error| Why::Unreachable(error.to_string()))?
            .map_err(|why| Why::Unreachable(format!("dial tcp: lookup {host}: {why}")))?;
        let mut last = format!("dial tcp: lookup {host}: no such host");
        for address in addresses.into_iter().map(|address| SocketAddr::new(address, port)) {
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are small and waited for. A kernel that refuses only makes it slower.
                    drop(stream.set_nodelay(true));
                    return Ok(stream);
                }
                Ok(Err(error)) => last = format!("dial tcp {address}: connect: {}", words(&error)),
                Err(_) => last = format!("dial tcp {address}: i/o timeout"),
            }
        }
        Err(Why::Unreachable(last))
    }

    async fn tls(&self, authority: &str, stream: TcpStream) -> Result<impl Stream + use<>, Why> {
        let config = self.config(authority)?;
        let name =
            ServerName::try_from(host_of(authority).to_owned()).map_err(|error| Why::Unreachable(format!("`{authority}`: {error}")))?;
        match tokio::time::timeout(CONNECT, TlsConnector::from(config).connect(name, stream)).await {
            Err(_) => Err(Why::Unreachable("net/http: TLS handshake timeout".to_owned())),
            Ok(Err(error)) => Err(refused(&error)),
            Ok(Ok(stream)) => Ok(stream),
        }
    }

    fn config(&self, authority: &str) -> Result<Arc<ClientConfig>, Why> {
        let key = (authority.to_owned(), self.settings.is_insecure(authority));
        let mut known = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.get(&key) {
            return Ok(Arc::clone(config));
        }
        let config = trust::config(&self.settings, &key.0, key.1).map_err(Why::Config)?;
        known.insert(key, Arc::clone(&config));
        Ok(config)
    }
}

/// Why TLS did not come about.
fn refused(error: &std::io::Error) -> Why {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(_)) => Why::PlainHttp,
        Some(rustls::Error::InvalidCertificate(wrong)) => Why::Certificate(trust::in_go_words(wrong)),
        Some(other) => Why::Unreachable(format!("tls: {other}")),
        // Some servers without TLS close at the first byte that they do not understand.
        None => Why::Unreachable(format!("tls: handshake: {}", words(error))),
    }
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        _ => error.to_string(),
    }
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
