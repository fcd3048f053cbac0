//! One request and its response over a new connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::response::{self, Response};
use super::url::Url;
use crate::toolbox::Failure;
use crate::toolbox::failure::reason;
use crate::toolbox::options::Given;
use crate::toolbox::resolver::Resolver;

/// What is asked for.
pub struct Request {
    /// Of whom, and what.
    pub url: Url,
    /// GET, HEAD, POST or another.
    pub method: String,
    /// Header lines besides Host and Content-Length.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

impl Request {
    /// Goes where a redirect points. After 301, 302 and 303 a POST becomes a GET without a body (RFC 9110, 15.4), unless -X says otherwise.
    ///
    /// # Errors
    /// The place is no URL that we can speak to.
    pub fn follow(&mut self, place: &str, status: u16, fixed_method: bool) -> Result<(), Failure> {
        let there = self.url.join(place)?;
        if (there.host.as_str(), there.port) != (self.url.host.as_str(), self.url.port) {
            // A password for one host is not for another.
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization") && !name.eq_ignore_ascii_case("cookie"));
        }
        self.url = there;
        if matches!(status, 301..=303) && self.method != "HEAD" && !fixed_method {
            self.method = "GET".to_owned();
            self.body.clear();
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        }
        Ok(())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.url.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text += &format!("Host: {}\r\n", self.url.authority());
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() || self.method == "POST" || self.method == "PUT" {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        text += "Connection: close\r\n\r\n";
        [text.as_bytes(), &self.body].concat()
    }
}

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
    if given.has("verbose") {
        String::from_utf8_lossy(&request.bytes()).lines().take_while(|line| !line.is_empty()).for_each(|line| eprintln!("> {line}"));
    }
    let lost = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => timed_out(),
        _ => Failure::new(56, format_args!("Recv failure: {}", reason(error))),
    };
    stream.patience(left(deadline)?).and_then(|()| stream.write_all(&request.bytes())).map_err(|error| lost(&error))?;
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
    if given.has("verbose") {
        response.head.lines().for_each(|line| eprintln!("< {line}"));
    }
    Ok(response)
}

fn connect(request: &Request, given: &Given, deadline: Option<Instant>) -> Result<(Box<dyn Stream>, Option<SocketAddr>), Failure> {
    let Url { host, port, .. } = &request.url;
    let refused = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
            Failure::new(28, format_args!("Connection to {host} port {port} timed out"))
        }
        _ => Failure::new(7, format_args!("Failed to connect to {host} port {port}: {}", reason(error))),
    };
    if let Some(path) = given.value("unix-socket") {
        let stream =
            UnixStream::connect(path).map_err(|error| Failure::new(7, format_args!("Failed to connect to {path}: {}", reason(&error))))?;
        return Ok((Box::new(stream), None));
    }
    let addresses = Resolver::system().addresses(host).map_err(|_| Failure::new(6, format_args!("Could not resolve host: {host}")))?;
    let limit =
        given.number::<f64>("connect-timeout")?.and_then(|time| Duration::try_from_secs_f64(time).ok()).unwrap_or(Duration::from_secs(300));
    let mut last = Failure::new(6, format_args!("Could not resolve host: {host}"));
    for address in addresses {
        let patience = left(deadline)?.unwrap_or(limit).min(limit);
        match TcpStream::connect_timeout(&SocketAddr::new(address, *port), patience) {
            Ok(stream) => {
                let peer = stream.peer_addr().ok();
                return Ok((Box::new(stream), peer));
            }
            Err(error) => last = refused(&error),
        }
    }
    Err(last)
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
