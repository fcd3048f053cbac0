//! One request to another server: for what passes requests on, and for programs that ask each other.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Request, Response};
use crate::toolbox::resolver::Resolver;

/// The longest answer that is taken, in bytes.
const LONGEST: u64 = 64 << 20;

/// Connects to the first address of `host` that answers.
///
/// # Errors
/// The name is not known, or nobody answers.
pub fn connect(host: &str, port: u16, patience: Duration) -> io::Result<TcpStream> {
    let addresses = Resolver::system().addresses(host);
    let addresses = addresses.map_err(|_| io::Error::new(io::ErrorKind::NotFound, format!("could not be resolved: {host}")))?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("no address for {host}"));
    for address in addresses {
        match TcpStream::connect_timeout(&SocketAddr::new(address, port), patience) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Sends a request with its fields as they are and reads the answer. `host` may be followed by `:port`.
///
/// # Errors
/// Nobody answers there, or what comes is no answer.
pub fn exchange(authority: &str, request: &Request, patience: Duration) -> io::Result<Response> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no port"))?),
        None => (authority, 80),
    };
    let mut stream = connect(host, port, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let mut text = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", request.body.len());
    stream.write_all(text.as_bytes())?;
    stream.write_all(&request.body)?;
    read(&mut BufReader::new(stream.take(LONGEST)), &request.method)
}

/// The body of a page, or of what a server answers to `body`.
///
/// # Errors
/// As [`exchange`]; or the status is no success.
pub fn fetch(method: &str, host: &str, target: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let headers = vec![("Host".to_owned(), host.to_owned()), ("Content-Type".to_owned(), "application/octet-stream".to_owned())];
    let peer = ([127, 0, 0, 1], 0).into();
    let (method, target, version) = (method.to_owned(), target.to_owned(), "HTTP/1.1".to_owned());
    let request = Request { method, target, version, headers, body: body.to_vec(), peer };
    let answer = exchange(host, &request, Duration::from_secs(30))?;
    if answer.status >= 300 {
        return Err(io::Error::other(format!("{host} answered {}", answer.status)));
    }
    Ok(answer.body)
}

/// Reads the answer to a request of that method.
///
/// # Errors
/// The connection is gone, or what comes is no answer.
pub fn read(reader: &mut impl BufRead, method: &str) -> io::Result<Response> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer");
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.trim().parse().ok()).ok_or_else(broken)?;
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(broken());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut response = Response { status, headers, body: Vec::new() };
    if method == "HEAD" || status == 204 || status == 304 {
        return Ok(response);
    }
    match (response.header("transfer-encoding"), response.header("content-length").and_then(|text| text.parse::<usize>().ok())) {
        (Some(_), _) => response.body = super::chunks(reader)?,
        (None, Some(length)) => drop(reader.take(length as u64).read_to_end(&mut response.body)?),
        (None, None) => drop(reader.read_to_end(&mut response.body)?),
    }
    Ok(response)
}
