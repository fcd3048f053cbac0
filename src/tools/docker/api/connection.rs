//! A connection to an engine, and bodies that come from where reading blocks.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

use super::Sent;
use crate::oci::distribution::client::settings::Names as _;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::place::{Place, Socket};
use crate::tools::images::remote::Machine;

/// How many pieces of a body may wait, and how long one is.
const WAITING: usize = 8;
const PIECE: usize = 64 << 10;

/// Connects and sends.
///
/// # Errors
/// Nobody answers there.
pub async fn send(place: &Place, request: Request<Sent>) -> Result<Response<Incoming>> {
    match &place.socket {
        Socket::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|error| unreachable(place, &error))?;
            over(place, stream, request).await
        }
        Socket::Tcp(address) => {
            let stream = tcp(address).await.map_err(|error| unreachable(place, &error))?;
            over(place, stream, request).await
        }
    }
}

async fn tcp(address: &str) -> io::Result<TcpStream> {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "2375"));
    let port: u16 = port.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("invalid port {port:?}")))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = match host.parse() {
        Ok(address) => vec![address],
        // A static program asks no C library.
        Err(_) => Machine.addresses(host).map_err(|why| io::Error::new(io::ErrorKind::NotFound, format!("lookup {host}: {why}")))?,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("lookup {host}: no such host"));
    for address in addresses {
        match TcpStream::connect((address, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    place: &Place,
    stream: S,
    request: Request<Sent>,
) -> Result<Response<Incoming>> {
    let broken = |error: hyper::Error| Failure::new(format!("error during connect: {}: {error}", place.host));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // What breaks it is seen by whoever waits for the answer.
    tokio::spawn(async move { drop(connection.with_upgrades().await) });
    sender.send_request(request).await.map_err(broken)
}

fn unreachable(place: &Place, error: &io::Error) -> Failure {
    let host = &place.host;
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::new(format!(
            "permission denied while trying to connect to the Docker daemon socket at {host}: connect: permission denied\n\
             hint: who may talk to an engine rules its host; become a member of the socket's group, or root"
        )),
        io::ErrorKind::NotFound if matches!(place.socket, Socket::Tcp(_)) => Failure::new(format!("error during connect: {host}: {error}")),
        _ => Failure::new(format!("Cannot connect to the Docker daemon at {host}. Is the docker daemon running?")),
    }
}

/// A body that a thread reads from `source`.
pub fn feed(mut source: impl Read + Send + 'static) -> Sent {
    let (sender, pieces) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let sent = match source.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => {
                    piece.truncate(count);
                    Ok(Bytes::from(piece))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let last = sent.is_err();
            // Nobody wants more of it.
            if sender.blocking_send(sent).is_err() || last {
                return;
            }
        }
    });
    Pieces(pieces).boxed()
}

struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
