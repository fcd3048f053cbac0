//! `httpd`: the files of a folder over HTTP, for labs that need a server and nothing else. BusyBox's flags.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::{Failure, reason};
use super::options::{self, Known};
use crate::kernel::root::Root;

const KNOWN: &[Known] = &[('f', "foreground", false), ('h', "home", true), ('p', "port", true), ('v', "verbose", false)];

/// The longest head of a request that is read.
const HEAD: u64 = 16 * 1024;

/// Runs `httpd` in the foreground, until it is killed.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    // In the image of that name `httpd` is Apache's.
    if Path::new(super::apache::CONFIGURATION).exists() {
        return super::apache::run(args, out);
    }
    let given = options::parse(args, KNOWN, false)?;
    if !given.rest.is_empty() {
        return Err(Failure::new(1, "usage: httpd -f [-v] [-p [ADDRESS:]PORT] [-h FOLDER]"));
    }
    let address = address(given.value("port").unwrap_or("80"))?;
    let home = PathBuf::from(given.value("home").unwrap_or("."));
    let listener = TcpListener::bind(address).map_err(|error| Failure::new(1, format_args!("bind: {}", reason(&error))))?;
    let verbose = given.has("verbose");
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let home = home.clone();
        std::thread::spawn(move || {
            let peer = stream.peer_addr();
            let answered = answer(stream, &home);
            if verbose {
                eprintln!("{peer:?}: {answered:?}");
            }
        });
    }
    Ok(0)
}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    let bad = || Failure::new(1, format_args!("bad address `{text}`: give PORT or ADDRESS:PORT"));
    match text.rsplit_once(':') {
        Some((address, port)) => Ok(SocketAddr::new(address.parse().map_err(|_| bad())?, port.parse().map_err(|_| bad())?)),
        None => Ok(([0, 0, 0, 0], text.parse().map_err(|_| bad())?).into()),
    }
}

fn answer(mut stream: TcpStream, home: &Path) -> std::io::Result<u16> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = BufReader::new(stream.try_clone()?.take(HEAD));
    let mut request = String::new();
    head.read_line(&mut request)?;
    let mut line = String::new();
    while head.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = request.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, kind, body) = match method {
        "GET" | "HEAD" => file(home, target),
        _ => (501, "text/plain", b"Not Implemented\n".to_vec()),
    };
    let phrase = match status {
        200 => "OK",
        404 => "Not Found",
        _ => "Not Implemented",
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    if method != "HEAD" {
        stream.write_all(&body)?;
    }
    Ok(status)
}

/// The file that a request's target names. The path is resolved inside the folder by the kernel (openat2), so no `..` and no link leads out.
fn file(home: &Path, target: &str) -> (u16, &'static str, Vec<u8>) {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = path.trim_start_matches('/');
    let path = if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    match Root::open(home).and_then(|root| root.read(Path::new(&path))) {
        Ok(content) => (200, kind(&path), content),
        Err(_) => (404, "text/plain", b"Not Found\n".to_vec()),
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("tar" | "gz" | "tgz") => "application/octet-stream",
        _ => "text/plain",
    }
}
