//! Whether something answers: a real packet, a real connection.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kernel::error::Errno;
use crate::kernel::icmp::{Echo, What};
use crate::kernel::{self, poll};

/// How long an answer may take.
fn patience() -> Duration {
    poll::stretched(Duration::from_secs(1))
}
/// How long a connection must last to be one.
const HANG_UP: Duration = Duration::from_millis(100);
/// How much of an HTTP answer is read.
const BODY: u64 = 64 * 1024;

/// Where a packet or a connection goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// One ICMP echo.
    Ping(String),
    /// A TCP connection.
    Tcp(String, u16),
    /// A TCP connection that is not closed at once: whoever listens for somebody else (`docker-proxy`) takes every connection, and closes it if nobody is there.
    Service(String, u16),
    /// A TCP connection and a GET. `name`: whom the request is for, where it goes to an address: a server may have several names.
    Http {
        host: String,
        port: u16,
        path: String,
        #[serde(default)]
        name: Option<String>,
    },
    /// A connection to a unix stream socket.
    Unix(String),
}

impl Target {
    /// The address or name in it.
    pub fn host(&self) -> Option<&str> {
        match self {
            Target::Ping(host) | Target::Tcp(host, _) | Target::Service(host, _) | Target::Http { host, .. } => Some(host),
            Target::Unix(_) => None,
        }
    }

    /// The same at another address.
    #[must_use]
    pub fn at(self, address: String) -> Target {
        match self {
            Target::Ping(_) => Target::Ping(address),
            Target::Tcp(_, port) => Target::Tcp(address, port),
            Target::Service(_, port) => Target::Service(address, port),
            Target::Http { host, port, path, name } => Target::Http { host: address, port, path, name: name.or(Some(host)) },
            unix @ Target::Unix(_) => unix,
        }
    }
}

/// Tries; `answers` is `yes`, `no` or `refused`, `why` says more, `body` is what HTTP gave.
pub(super) fn reach(to: &Target) -> Value {
    match to {
        Target::Ping(host) => match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => answer(ping(address).map_err(|error| (error.errno, error.errno.desc().to_lowercase()))),
            _ => bad_address(host),
        },
        Target::Tcp(host, port) => match socket(host, *port) {
            Some(address) => answer(connect(address).map(drop)),
            None => bad_address(host),
        },
        Target::Service(host, port) => match socket(host, *port) {
            Some(address) => answer(connect(address).and_then(|stream| stays(&stream))),
            None => bad_address(host),
        },
        Target::Http { host, port, path, name } => match socket(host, *port) {
            Some(address) => http(address, name.as_ref().unwrap_or(host), path),
            None => bad_address(host),
        },
        Target::Unix(path) => answer(std::os::unix::net::UnixStream::connect(path).map(drop).map_err(|error| told(&error))),
    }
}

/// One echo request, and its reply in time.
fn ping(address: Ipv4Addr) -> kernel::Result<()> {
    let echo = Echo::open(address, None)?;
    echo.send(1, b"bottleship")?;
    let deadline = Instant::now() + patience();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if poll::readable(&[echo.as_fd()], Some(left))?.is_empty() {
            return Err(kernel::Error::new("ping", address, Errno::ETIMEDOUT));
        }
        match echo.receive()?.map(|heard| heard.what) {
            Some(What::Reply) => return Ok(()),
            Some(What::Unreachable(_) | What::TimeExceeded) => return Err(kernel::Error::new("ping", address, Errno::EHOSTUNREACH)),
            None => {}
        }
    }
}

fn socket(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse().ok().map(|address: IpAddr| SocketAddr::new(address, port))
}

fn bad_address(host: &str) -> Value {
    json!({ "error": format!("`{host}` is no address (names are not resolved by a look)") })
}

fn connect(address: SocketAddr) -> Result<TcpStream, (Errno, String)> {
    TcpStream::connect_timeout(&address, patience()).map_err(|error| told(&error))
}

/// That the other side does not hang up without a word.
fn stays(stream: &TcpStream) -> Result<(), (Errno, String)> {
    let spoken = poll::readable(&[stream.as_fd()], Some(HANG_UP)).map_err(|error| (error.errno, error.errno.desc().to_lowercase()))?;
    let mut byte = [0; 1];
    match spoken.is_empty() || stream.peek(&mut byte).is_ok_and(|length| length > 0) {
        true => Ok(()),
        false => Err((Errno::ECONNREFUSED, "it is closed at once: nobody listens behind it".to_owned())),
    }
}

fn told(error: &std::io::Error) -> (Errno, String) {
    // A connection that took too long carries no errno.
    let errno = if error.kind() == std::io::ErrorKind::TimedOut { Errno::ETIMEDOUT } else { crate::kernel::error::errno_of(error) };
    (errno, errno.desc().to_lowercase())
}

fn answer(tried: Result<(), (Errno, String)>) -> Value {
    match tried {
        Ok(()) => json!({ "answers": "yes" }),
        Err((Errno::ECONNREFUSED, why)) => json!({ "answers": "refused", "why": why }),
        Err((_, why)) => json!({ "answers": "no", "why": why }),
    }
}

fn http(address: SocketAddr, host: &str, path: &str) -> Value {
    let mut stream = match connect(address) {
        Ok(stream) => stream,
        Err(failed) => return answer(Err(failed)),
    };
    let host = if address.port() == 80 { host.to_owned() } else { format!("{host}:{}", address.port()) };
    let asked = stream
        .set_read_timeout(Some(patience()))
        .and_then(|()| stream.set_write_timeout(Some(patience())))
        .and_then(|()| stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()));
    let deadline = Instant::now() + patience();
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while asked.is_ok() && Instant::now() < deadline && (bytes.len() as u64) < BODY {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse::<u16>().ok());
    match status {
        Some(status) => json!({ "answers": "yes", "status": status, "body": body }),
        None => json!({ "answers": "no", "why": "it connects, and speaks no HTTP" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn yes_refused_and_a_body() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 256];
                let length = stream.read(&mut request).unwrap_or(0);
                if length > 0 {
                    let request = String::from_utf8_lossy(&request[..length]);
                    let host = request.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap_or_default();
                    stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\nahoy from {host}").as_bytes()).unwrap();
                }
            }
        });
        let host = "127.0.0.1".to_owned();
        assert_eq!(reach(&Target::Tcp(host.clone(), port)), json!({ "answers": "yes" }));
        let named = Target::Http { host: "web".to_owned(), port, path: "/".to_owned(), name: None }.at(host.clone());
        let got = reach(&named);
        let wanted = format!("ahoy from web:{port}");
        assert_eq!(
            (got["status"].as_u64(), got["body"].as_str()),
            (Some(200), Some(wanted.as_str())),
            "by its name, though at its address"
        );
        server.join().unwrap();
        assert_eq!(reach(&Target::Tcp(host, port))["answers"], "refused");
        assert_eq!(reach(&Target::Unix("/nowhere".to_owned()))["answers"], "no");
        assert!(reach(&Target::Ping("web".to_owned()))["error"].is_string());
    }
}
