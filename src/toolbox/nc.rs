//! `nc`: standard input and output on a socket, as a client or as a server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::failure::{Failure, reason};
use super::options::{self, Given, Known};
use super::resolver::Resolver;
use crate::kernel::poll;

const KNOWN: &[Known] = &[
    ('e', "exec", true),
    ('k', "keep", false),
    ('l', "listen", false),
    ('n', "numeric", false),
    ('N', "shutdown", false),
    ('p', "port", true),
    ('q', "quit", true),
    ('s', "source", true),
    ('U', "unix", false),
    ('v', "verbose", false),
    ('w', "wait", true),
    ('z', "zero", false),
];

/// A connection of either kind.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A listening socket of either kind.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Runs `nc`. Exit code 1 when there was no connection.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, false)?;
    if given.has("listen") { serve(&given, out) } else { connect(&given, out) }
}

fn serve(given: &Given, out: &mut dyn Write) -> Result<u8, Failure> {
    let listener = listen(given)?;
    if given.has("verbose") {
        eprintln!("Listening on {}", listener.name());
    }
    let mut input = given.has("keep").then(read_all_input).transpose()?;
    loop {
        let stream = listener.accept().map_err(|error| Failure::new(1, format_args!("accept: {}", reason(&error))))?;
        if given.has("verbose") {
            eprintln!("Connection received on {}", stream.name());
        }
        match given.value("exec") {
            Some(program) => execute(program, &stream)?,
            None => pump(&stream, input.as_deref_mut(), given, out)?,
        }
        if !given.has("keep") {
            return Ok(0);
        }
    }
}

/// What every one of several connections gets: standard input, unless that is a terminal.
fn read_all_input() -> Result<Vec<u8>, Failure> {
    let mut input = Vec::new();
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        std::io::stdin().read_to_end(&mut input)?;
    }
    Ok(input)
}

fn listen(given: &Given) -> Result<Listener, Failure> {
    if given.has("unix") {
        let [path] = &given.rest[..] else { return Err(usage()) };
        let bound = UnixListener::bind(path);
        return bound.map(Listener::Unix).map_err(|error| Failure::new(1, format_args!("{path}: {}", reason(&error))));
    }
    // `nc -l PORT`, `nc -l ADDRESS PORT` (OpenBSD's) and `nc -l -p PORT` (traditional, BusyBox).
    let (address, port) = match (&given.rest[..], given.value("port")) {
        ([], Some(port)) => (None, port.to_owned()),
        ([port], None) => (None, port.clone()),
        ([address], Some(port)) => (Some(address.as_str()), port.to_owned()),
        ([address, port], None) => (Some(address.as_str()), port.clone()),
        _ => return Err(usage()),
    };
    let address = address.or(given.value("source")).unwrap_or("0.0.0.0");
    let address = SocketAddr::new(resolve(address)?, number(&port)?);
    TcpListener::bind(address).map(Listener::Tcp).map_err(|error| Failure::new(1, reason(&error)))
}

fn connect(given: &Given, out: &mut dyn Write) -> Result<u8, Failure> {
    let patience = given.number("wait")?.map(Duration::from_secs);
    if given.has("unix") {
        let [path] = &given.rest[..] else { return Err(usage()) };
        let stream = UnixStream::connect(path).map_err(|error| Failure::new(1, format_args!("{path}: {}", reason(&error))))?;
        pump(&Stream::Unix(stream), None, given, out)?;
        return Ok(0);
    }
    let [host, ports] = &given.rest[..] else { return Err(usage()) };
    let address = resolve(host)?;
    let (first, last) = match ports.split_once('-') {
        Some((first, last)) if given.has("zero") => (number(first)?, number(last)?),
        _ => (number(ports)?, number(ports)?),
    };
    let mut open = 0;
    for port in first..=last {
        match TcpStream::connect_timeout(&SocketAddr::new(address, port), patience.unwrap_or(Duration::from_secs(120))) {
            Ok(stream) => {
                open += 1;
                if given.has("verbose") {
                    eprintln!("Connection to {host} ({address}) {port} port [tcp/*] succeeded!");
                }
                if !given.has("zero") {
                    pump(&Stream::Tcp(stream), None, given, out)?;
                }
            }
            Err(error) if given.has("verbose") => {
                eprintln!("nc: connect to {host} ({address}) port {port} (tcp) failed: {}", reason(&error))
            }
            Err(_) => {}
        }
    }
    Ok(u8::from(open == 0))
}

/// Both directions until the other side has closed. With `canned`, that text is sent instead of standard input, and then our side closes.
fn pump(stream: &Stream, canned: Option<&mut [u8]>, given: &Given, out: &mut dyn Write) -> Result<(), Failure> {
    let mut other = stream;
    let mut reading_input = canned.is_none();
    if let Some(text) = canned {
        // A client that does not want the text may close; its end is seen below.
        let _ = other.write_all(text).and_then(|()| stream.close_writing());
    }
    let patience = given.number("wait")?.map(Duration::from_secs);
    let (input, mut buffer) = (std::io::stdin(), vec![0; 65_536]);
    loop {
        let descriptors = if reading_input { vec![stream.as_fd(), input.as_fd()] } else { vec![stream.as_fd()] };
        let ready = poll::readable(&descriptors, patience)?;
        if ready.is_empty() {
            return Ok(());
        }
        if ready.contains(&1) {
            let read = input.lock().read(&mut buffer)?;
            if read == 0 {
                reading_input = false;
                if given.has("shutdown") || given.has("quit") {
                    stream.close_writing()?;
                }
            } else if other.write_all(&buffer[..read]).is_err() {
                return Ok(());
            }
        }
        if ready.contains(&0) {
            match other.read(&mut buffer) {
                Ok(0) | Err(_) => return Ok(()),
                Ok(read) => out.write_all(&buffer[..read]).and_then(|()| out.flush())?,
            }
        }
    }
}

/// `-e PROGRAM`: the program's input and output are the connection.
fn execute(program: &str, stream: &Stream) -> Result<(), Failure> {
    let side = || stream.descriptor().map(Stdio::from);
    let mut words = program.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("sh"));
    command.args(words).stdin(side()?).stdout(side()?);
    let mut child = command.spawn().map_err(|error| Failure::new(1, format_args!("{program}: {}", reason(&error))))?;
    child.wait()?;
    Ok(())
}

fn resolve(name: &str) -> Result<std::net::IpAddr, Failure> {
    if name.is_empty() {
        return Ok(Ipv4Addr::UNSPECIFIED.into());
    }
    let found = Resolver::system().addresses(name);
    found.map(|found| found[0]).map_err(|_| Failure::new(1, format_args!("getaddrinfo for host \"{name}\": Name or service not known")))
}

fn number(text: &str) -> Result<u16, Failure> {
    text.parse().map_err(|_| Failure::new(1, format_args!("port number invalid: {text}")))
}

fn usage() -> Failure {
    Failure::new(1, "usage: nc [-vzNU] [-w SECONDS] HOST PORT | nc -l [-kvU] [-s ADDRESS] [-e PROGRAM] [-p] PORT")
}

impl Listener {
    fn accept(&self) -> std::io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Listener::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    fn name(&self) -> String {
        match self {
            Listener::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "?".into(), |address| format!("{} {}", address.ip(), address.port()))
            }
            Listener::Unix(listener) => format!("{:?}", listener.local_addr().ok()),
        }
    }
}

impl Stream {
    fn close_writing(&self) -> std::io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    fn name(&self) -> String {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().map_or_else(|_| "?".into(), |address| format!("{} {}", address.ip(), address.port())),
            Stream::Unix(_) => "a unix socket".to_owned(),
        }
    }

    fn descriptor(&self) -> std::io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }
}

impl std::os::fd::AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).read(buffer),
            Stream::Unix(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write(bytes),
            Stream::Unix(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
