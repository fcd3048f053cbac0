//! A server that has the answers to `docker exec` and `docker create` ready: what a client takes with it, it takes with every engine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// What every answer begins with.
const HEAD: &str = "Api-Version: 1.50\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker/28.2.2 (linux)\r\n";

/// Serves on `socket` as long as this program runs; `inspected` is the answer to what a container is like.
pub fn serve(socket: &Path, inspected: String) {
    let listener = UnixListener::bind(socket).expect("a socket");
    let inspected: Arc<str> = inspected.into();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, inspected) = (stream.expect("a client"), Arc::clone(&inspected));
            // A client that hangs up has got what it wanted.
            thread::spawn(move || drop(answer(stream, &inspected)));
        }
    });
}

fn answer(stream: UnixStream, inspected: &str) -> std::io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            from.read_line(&mut header)?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            length = header.strip_prefix("content-length: ").and_then(|value| value.parse().ok()).unwrap_or(length);
        }
        from.read_exact(&mut vec![0; length])?;
        let words: Vec<&str> = line.split([' ', '?']).collect();
        let path = words.get(1).copied().unwrap_or_default();
        if path.starts_with("/v") && path.contains("/exec/") && path.ends_with("/start") {
            let stream = "Content-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp";
            to.write_all(format!("HTTP/1.1 101 UPGRADED\r\n{stream}\r\n\r\n").as_bytes())?;
            return to.shutdown(std::net::Shutdown::Write);
        }
        let id = "a".repeat(64);
        let (status, body) = match path {
            "/_ping" => ("200 OK", if words[0] == "HEAD" { String::new() } else { "OK".to_owned() }),
            _ if path.ends_with("/containers/create") => ("201 Created", format!(r#"{{"Id":"{id}","Warnings":[]}}"#)),
            _ if path.ends_with("/exec") => ("201 Created", format!(r#"{{"Id":"{id}"}}"#)),
            _ if path.contains("/exec/") => {
                ("200 OK", format!(r#"{{"ID":"{id}","Running":false,"ExitCode":0,"ContainerID":"{id}","Pid":0}}"#))
            }
            _ if path.contains("/containers/") => ("200 OK", inspected.to_owned()),
            _ => ("404 Not Found", r#"{"message":"page not found"}"#.to_owned()),
        };
        let length = if words[0] == "HEAD" { 2 } else { body.len() };
        let kind = if path == "/_ping" { "text/plain; charset=utf-8" } else { "application/json" };
        to.write_all(format!("HTTP/1.1 {status}\r\n{HEAD}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())?;
    }
}
