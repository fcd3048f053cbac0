//! HTTP/1.1 for the servers of the toolbox (RFC 9112): one thread per connection, connections that stay open, bounded requests.
//!
//! The servers of the course images differ in what they answer and how they log it; how a request is read and a response written is here.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

pub mod client;
pub mod files;

/// The longest head of a request that is read, in bytes.
const HEAD: u64 = 32 * 1024;
/// The longest body, in bytes: what nginx allows if nobody says otherwise.
const BODY: usize = 1 << 20;
/// More connections at once are closed without an answer.
const CONNECTIONS: usize = 1024;
/// How long a connection may be idle between two requests, as nginx's `keepalive_timeout`.
const IDLE: Duration = Duration::from_secs(65);

/// A request that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// What stands behind the method: `/path?query`.
    pub target: String,
    /// `HTTP/1.1`.
    pub version: String,
    /// The fields, in their order, names as they were sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Who sent it.
    pub peer: SocketAddr,
}

/// What is answered. Length, date and connection are added when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200.
    pub status: u16,
    /// The fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a field, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The path with its `%XX` resolved.
    pub fn path(&self) -> String {
        decoded(self.target.split(['?', '#']).next().unwrap_or_default())
    }

    /// The first line, as logs show it.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.method, self.target, self.version)
    }

    /// A value of the form that was posted (`a=b&c=d`).
    pub fn form(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        let value =
            text.split('&').find_map(|pair| pair.split_once('=').filter(|(own, _)| *own == name).map(|(_, value)| value.to_owned()));
        value.map(|value| decoded(&value.replace('+', " ")))
    }

    /// A cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.header("cookie")?.split(';').map(str::trim);
        all.filter_map(|pair| pair.split_once('=')).find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    fn wants_more(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default().to_ascii_lowercase();
        if self.version == "HTTP/1.0" { connection.contains("keep-alive") } else { !connection.contains("close") }
    }
}

impl Response {
    /// A response with a body of some type.
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Response { status, headers: vec![("Content-Type".to_owned(), kind.to_owned())], body: body.into() }
    }

    /// The same with one more field.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What answers.
pub trait Handler: Send + Sync + 'static {
    /// The answer to a request.
    fn answer(&self, request: &Request) -> Response;

    /// What is noted once the answer is out; `sent` is the length of the body in bytes.
    fn note(&self, _request: &Request, _response: &Response, _sent: usize) {}
}

impl<F: Fn(&Request) -> Response + Send + Sync + 'static> Handler for F {
    fn answer(&self, request: &Request) -> Response {
        self(request)
    }
}

/// The connections that are being served: whoever ends gracefully waits until there are none.
#[derive(Default)]
pub struct Connections {
    open: Mutex<BTreeMap<u64, Place>>,
    changed: Condvar,
    next: AtomicU64,
    closing: AtomicBool,
}

/// Where a connection is: between two requests, or in one.
struct Place {
    stream: TcpStream,
    idle: bool,
}

impl Connections {
    /// Ends the idle ones, lets the others finish their request, and waits for them, at most `patience` long.
    pub fn close(&self, patience: Duration) {
        self.closing.store(true, Ordering::SeqCst);
        let open = lock(&self.open);
        for place in open.values().filter(|place| place.idle) {
            // It may be closed by the other side already.
            let _ = place.stream.shutdown(std::net::Shutdown::Read);
        }
        drop(self.changed.wait_timeout_while(open, patience, |open| !open.is_empty()));
    }

    fn enter(&self, stream: &TcpStream) -> io::Result<Option<u64>> {
        let mut open = lock(&self.open);
        if open.len() >= CONNECTIONS {
            return Ok(None);
        }
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        open.insert(number, Place { stream: stream.try_clone()?, idle: true });
        Ok(Some(number))
    }

    /// Whether the connection may go on: an idle one may not when all are being closed.
    fn mark(&self, number: u64, idle: bool) -> bool {
        let mut open = lock(&self.open);
        if let Some(place) = open.get_mut(&number) {
            place.idle = idle;
        }
        !(idle && self.closing.load(Ordering::SeqCst))
    }

    fn leave(&self, number: u64) {
        lock(&self.open).remove(&number);
        self.changed.notify_all();
    }
}

/// A panic of another thread leaves a table that is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Serves everybody who connects, until the listener fails.
pub fn serve(listener: &TcpListener, handler: &Arc<dyn Handler>, connections: &Arc<Connections>) {
    for stream in listener.incoming() {
        // A client that went away before it was accepted is no reason to stop.
        let Ok(stream) = stream else { continue };
        begin(stream, handler, connections);
    }
}

/// Serves one connection in a thread of its own. Too many are closed without an answer.
pub fn begin(stream: TcpStream, handler: &Arc<dyn Handler>, connections: &Arc<Connections>) {
    let Ok(Some(number)) = connections.enter(&stream) else { return };
    let (handler, all) = (handler.clone(), connections.clone());
    let thread = std::thread::Builder::new().spawn(move || {
        // What goes wrong on a connection ends it; the client sees that.
        let _ = connection(&stream, handler.as_ref(), &|idle| all.mark(number, idle));
        all.leave(number);
    });
    if thread.is_err() {
        connections.leave(number);
    }
}

fn connection(stream: &TcpStream, handler: &dyn Handler, mark: &dyn Fn(bool) -> bool) -> io::Result<()> {
    let peer = stream.peer_addr()?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        if !mark(true) || reader.fill_buf()?.is_empty() {
            return Ok(());
        }
        mark(false);
        let request = match read(&mut reader, peer) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let refused = Response::new(400, "text/plain", format!("{error}\n"));
                return write(&mut &*stream, &refused, false, false);
            }
            Err(error) => return Err(error),
        };
        let response = handler.answer(&request);
        let more = request.wants_more();
        let body = request.method != "HEAD";
        write(&mut &*stream, &response, body, more)?;
        handler.note(&request, &response, if body { response.body.len() } else { 0 });
        if !more {
            return Ok(());
        }
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Reads one request; `None` if the other side is done.
///
/// # Errors
/// `InvalidData` for what is no request or too long; else those of the stream.
pub fn read(reader: &mut impl BufRead, peer: SocketAddr) -> io::Result<Option<Request>> {
    let mut head = reader.take(HEAD);
    let mut line = String::new();
    if read_line(&mut head, &mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(invalid("no request line"));
    };
    if !version.starts_with("HTTP/1.") || !method.bytes().all(|byte| byte.is_ascii_uppercase()) || method.is_empty() {
        return Err(invalid("no HTTP/1 request"));
    }
    let (method, target, version) = (method.to_owned(), target.to_owned(), version.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        if read_line(&mut head, &mut line)? == 0 {
            return Err(invalid("the head of the request is too long, or cut"));
        }
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("a field without a colon"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method, target, version, headers, body: Vec::new(), peer };
    request.body = read_body(reader, &request)?;
    Ok(Some(request))
}

/// A line without its end. Gives 0 at the end of the stream.
fn read_line(reader: &mut impl BufRead, line: &mut String) -> io::Result<usize> {
    let count = reader.read_line(line)?;
    if count > 0 && !line.ends_with('\n') {
        return Err(invalid("the head of the request is too long, or cut"));
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(count)
}

fn read_body(reader: &mut impl BufRead, request: &Request) -> io::Result<Vec<u8>> {
    // Both at once is how requests are smuggled (RFC 9112, 6.1).
    match (request.header("transfer-encoding"), request.header("content-length")) {
        (Some(_), Some(_)) => Err(invalid("a body with two lengths")),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => chunks(reader),
        (Some(_), None) => Err(invalid("an unknown transfer coding")),
        (None, None) => Ok(Vec::new()),
        (None, Some(length)) => {
            let length: usize = length.parse().ok().filter(|length| *length <= BODY).ok_or_else(|| invalid("a body that is too large"))?;
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            Ok(body)
        }
    }
}

fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        read_line(&mut reader.take(1024), &mut line)?;
        let size = line.split(';').next().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let size = size.filter(|size| body.len() + size <= BODY).ok_or_else(|| invalid("a chunk that is too large, or has no size"))?;
        let at = body.len();
        body.resize(at + size, 0);
        reader.read_exact(&mut body[at..])?;
        line.clear();
        read_line(&mut reader.take(1024), &mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Writes a response.
///
/// # Errors
/// Those of the stream.
pub fn write(stream: &mut impl Write, response: &Response, body: bool, more: bool) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {} {}\r\n", response.status, phrase(response.status));
    for (name, value) in &response.headers {
        text += &format!("{name}: {value}\r\n");
    }
    if response.header("date").is_none() {
        text += &format!("Date: {}\r\n", date(SystemTime::now()));
    }
    if response.status != 304 && response.status != 204 {
        text += &format!("Content-Length: {}\r\n", response.body.len());
    }
    text += if more { "Connection: keep-alive\r\n\r\n" } else { "Connection: close\r\n\r\n" };
    let mut bytes = text.into_bytes();
    if body {
        bytes.extend_from_slice(&response.body);
    }
    stream.write_all(&bytes)
}

/// What a status is called.
pub fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        413 => "Request Entity Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

/// A time as fields have it: `Sat, 21 Nov 2026 14:04:47 GMT`.
pub fn date(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Text with its `%XX` resolved; what is no such pair stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| bytes[at] == b'%');
        plain.push(pair.unwrap_or(bytes[at]));
        at += if pair.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> io::Result<Option<Request>> {
        read(&mut text.as_bytes(), ([127, 0, 0, 1], 1).into())
    }

    #[test]
    fn requests_are_read_whole() {
        let request = parse("POST /a%20b?x=1 HTTP/1.1\r\nHost: here\r\nCookie: a=1; voter=xyz\r\ncontent-length: 11\r\n\r\nvote=a+%26+b")
            .unwrap()
            .unwrap();
        assert_eq!((request.path().as_str(), request.header("HOST"), request.cookie("voter")), ("/a b", Some("here"), Some("xyz")));
        assert_eq!(request.form("vote").as_deref(), Some("a & "), "as long as its length says");
        let chunked = parse("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").unwrap().unwrap();
        assert_eq!(chunked.body, b"abcde");
        assert_eq!(parse("").unwrap(), None);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "hello\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "get / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: cut",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        ] {
            assert_eq!(parse(text).unwrap_err().kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(40_000));
        assert_eq!(parse(&long).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_connection_stays_open_and_answers_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let handler: Arc<dyn Handler> = Arc::new(|request: &Request| Response::new(200, "text/plain", request.path()));
        std::thread::spawn(move || serve(&listener, &handler, &Arc::default()));
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /one HTTP/1.1\r\n\r\nHEAD /two HTTP/1.1\r\n\r\nGET /three HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        let bodies: Vec<&str> = told.split("HTTP/1.1 200 OK").skip(1).map(|part| part.rsplit("\r\n\r\n").next().unwrap()).collect();
        assert_eq!(bodies, ["/one", "", "/three"]);
        assert_eq!(told.matches("Connection: keep-alive").count(), 2);
    }
}
