//! One request and its response over a new connection.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::request::Request;
use super::response::{self, Response};
use super::url::Url;
use crate::toolbox::Failure;
use crate::toolbox::failure::reason;
use crate::toolbox::options::Given;
use crate::toolbox::resolver::Resolver;

/// A connection whose reads and writes end at a deadline.
trait Stream: Read + Write {
    fn patience(&self, time: Option<Duration>) -> std::io::Result<()>;
}

impl Stream for TcpStream {
    fn patience(&self, time: Option<Duration>) -> std::io::Result<()> {
        self.set_read_timeout(time).and_then(|()| self.set_write_timeout(time))
    }
}

impl Stream for UnixStream {
    fn patience(&self, time: Option<Duration>) -> std::io::Result<()> {
        self.set_read_timeout(time).and_then(|()| self.set_write_timeout(time))
    }
}

/// Sends the request and reads the whole response.
///
/// # Errors
/// With curl's codes: 6, 7, 28, 52, 56.
pub fn exchange(request: &Request, given: &Given, deadline: Option<Instant>) -> Result<Response, Failure> {
    let (mut stream, peer) = connect(request, given, deadline)?;
    let head = request.head();
    let tell = |mark: &str, lines: &str| {
        if given.has("verbose") {
            lines.lines().for_each(|line| eprintln!("{mark} {line}"));
        }
    };
    tell(">", &head);
    let lost = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => timed_out(),
        _ => Failure::new(56, format_args!("Recv failure: {}", reason(error))),
    };
    let sent = [head.as_bytes(), request.body.as_deref().unwrap_or_default()].concat();
    stream.patience(left(deadline)?).and_then(|()| stream.write_all(&sent)).map_err(|error| lost(&error))?;
    let mut received = Vec::new();
    let mut buffer = vec![0; 65_536];
    let broken = loop {
        if response::is_complete(&received, &request.method) {
            break None;
        }
        let read = match left(deadline) {
            Ok(patience) => stream.patience(patience).and_then(|()| stream.read(&mut buffer)).map_err(|error| lost(&error)),
            Err(late) => Err(late),
        };
        match read {
            Ok(0) => break None,
            Ok(read) => received.extend_from_slice(&buffer[..read]),
            Err(failure) => break Some(failure),
        }
    };
    let mut response = match (Response::parse(&received, &request.method), broken) {
        (_, Some(failure)) if received.is_empty() => return Err(failure),
        (None, _) if received.is_empty() => return Err(Failure::new(52, "Empty reply from server")),
        (None, Some(failure)) => return Err(failure),
        (None, None) => return Err(Failure::new(1, "Received HTTP/0.9 when not allowed")),
        (Some(response), broken) => Response { cut: broken.or(response.cut), ..response },
    };
    response.peer = peer;
    tell("<", &response.head);
    tell("*", "Closing connection 0");
    Ok(response)
}

/// A connection that is being made: what is said about it, and how it fails.
struct Attempt<'a> {
    request: &'a Request,
    verbose: bool,
    began: Instant,
}

impl Attempt<'_> {
    fn tell(&self, what: std::fmt::Arguments<'_>) {
        if self.verbose {
            eprintln!("* {what}");
        }
    }

    fn refused(&self, error: &std::io::Error, by: std::fmt::Arguments<'_>) -> Failure {
        self.tell(format_args!("connect to {by} failed: {}", reason(error)));
        let Url { host, port, .. } = &self.request.url;
        match error.kind() {
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
                Failure::new(28, format_args!("Connection to {host} port {port} timed out"))
            }
            _ => {
                let took = self.began.elapsed().as_millis();
                Failure::new(7, format_args!("Failed to connect to {host} port {port} after {took} ms: Couldn't connect to server"))
            }
        }
    }

    fn by_path(&self, path: &str) -> Result<UnixStream, Failure> {
        self.tell(format_args!("  Trying {path}..."));
        let stream = UnixStream::connect(path).map_err(|error| self.refused(&error, format_args!("{path}")))?;
        self.tell(format_args!("Connected to {} ({path}) port {} (#0)", self.request.url.host, self.request.url.port));
        Ok(stream)
    }

    fn by_address(&self, address: SocketAddr, patience: Duration) -> Result<TcpStream, Failure> {
        self.tell(format_args!("  Trying {address}..."));
        let (ip, port) = (address.ip(), address.port());
        let stream = TcpStream::connect_timeout(&address, patience);
        let stream = stream.map_err(|error| self.refused(&error, format_args!("{ip} port {port}")))?;
        self.tell(format_args!("Connected to {} ({ip}) port {port} (#0)", self.request.url.host));
        Ok(stream)
    }
}

fn connect(request: &Request, given: &Given, deadline: Option<Instant>) -> Result<(Box<dyn Stream>, Option<SocketAddr>), Failure> {
    let attempt = Attempt { request, verbose: given.has("verbose"), began: Instant::now() };
    if let Some(path) = given.value("unix-socket") {
        return Ok((Box::new(attempt.by_path(path)?), None));
    }
    let Url { host, port, .. } = &request.url;
    let unknown = || Failure::new(6, format_args!("Could not resolve host: {host}"));
    let addresses = match told(given, host, *port) {
        Some(address) => vec![address],
        None => Resolver::system().addresses(host).map_err(|_| unknown())?,
    };
    let limit =
        given.number::<f64>("connect-timeout")?.and_then(|time| Duration::try_from_secs_f64(time).ok()).unwrap_or(Duration::from_secs(300));
    let mut last = unknown();
    for address in addresses {
        let patience = left(deadline)?.unwrap_or(limit).min(limit);
        match attempt.by_address(SocketAddr::new(address, *port), patience) {
            Ok(stream) => {
                let peer = stream.peer_addr().ok();
                return Ok((Box::new(stream), peer));
            }
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// The address that `--resolve HOST:PORT:ADDRESS` has for a host.
fn told(given: &Given, host: &str, port: u16) -> Option<IpAddr> {
    let one = |rule: &str| {
        let mut parts = rule.trim_start_matches('+').splitn(3, ':');
        let same = parts.next()?.eq_ignore_ascii_case(host) && parts.next()?.parse() == Ok(port);
        let address = parts.next()?.split(',').next()?.trim_matches(['[', ']']).parse().ok()?;
        same.then_some(address)
    };
    given.values("resolve").find_map(one)
}

/// The time until the deadline; an error when it is over.
fn left(deadline: Option<Instant>) -> Result<Option<Duration>, Failure> {
    let Some(deadline) = deadline else { return Ok(None) };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(timed_out()) } else { Ok(Some(left)) }
}

fn timed_out() -> Failure {
    Failure::new(28, "Operation timed out")
}
