//! The multi-container sample: a page that asks for Fibonacci numbers, a server that keeps what was asked, a worker that computes them.
//!
//! ```text
//!  client :3000 ──▶ /api ──▶ server :5000 ──▶ redis: hash `values`, message `insert` ──▶ worker: fib(n) ──▶ redis: hash `values`
//! ```
//!
//! The original keeps the list of all that was asked in PostgreSQL; this one keeps it in Redis too (`asked`), so that it needs no database that is not
//! there. The client passes `/api` on to the server by itself, where the original has an nginx before both.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::{Manner, serve};
use crate::toolbox::failure::{Failure, reason};
use crate::toolbox::http::{Request, Response, client};
use crate::toolbox::redis::client::Client;
use crate::toolbox::redis::{text_of, texts_of};

/// The largest index that is computed: the original's recursion takes seconds there already.
const LARGEST: u64 = 40;

fn setting(name: &str, usual: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| usual.to_owned())
}

fn redis() -> std::io::Result<Client> {
    Client::open(&setting("REDIS_HOST", "redis"), setting("REDIS_PORT", "6379").parse().unwrap_or(6379))
}

/// `multi-worker`: waits for indexes and computes.
pub fn worker(_args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    loop {
        if let Err(error) = work() {
            eprintln!("redis does not answer: {}", reason(&error));
            // As the original's client of redis: once more in a second.
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

fn work() -> std::io::Result<()> {
    let (mut messages, mut values) = (redis()?, redis()?);
    messages.call(&["SUBSCRIBE", "insert"])?;
    loop {
        let Some(index) = text_of(&messages.receive()?) else { continue };
        if let Some(number) = index.parse().ok().filter(|index| *index <= LARGEST) {
            values.call(&["HSET", "values", &index, &fibonacci(number).to_string()])?;
        }
    }
}

/// The original's own, which counts from 1, 1 and takes as long.
fn fibonacci(index: u64) -> u64 {
    if index < 2 { 1 } else { fibonacci(index - 1) + fibonacci(index - 2) }
}

/// `multi-server`: `/`, `/values/all`, `/values/current`, and `POST /values` with `{"index": N}`, on port 5000.
pub fn server(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "Listening")?;
    out.flush()?;
    let answer = |request: &Request| {
        served(request).unwrap_or_else(|error| {
            eprintln!("redis does not answer: {}", reason(&error));
            Response::new(500, "text/plain", "redis does not answer\n")
        })
    };
    serve(5000, Manner::Deaf, Arc::new(answer))
}

fn served(request: &Request) -> std::io::Result<Response> {
    let json = |value: serde_json::Value| Response::new(200, "application/json; charset=utf-8", value.to_string());
    match (request.method.as_str(), request.path().as_str()) {
        ("GET", "/") => Ok(Response::new(200, "text/html; charset=utf-8", "Hi")),
        ("GET", "/values/all") => {
            let asked = texts_of(&redis()?.call(&["LRANGE", "asked", "0", "-1"])?);
            Ok(json(asked.iter().map(|number| serde_json::json!({"number": number.parse::<u64>().unwrap_or(0)})).collect()))
        }
        ("GET", "/values/current") => {
            let all = texts_of(&redis()?.call(&["HGETALL", "values"])?);
            let pairs = all.chunks_exact(2).map(|pair| (pair[0].clone(), serde_json::Value::from(pair[1].clone())));
            Ok(json(serde_json::Value::Object(pairs.collect())))
        }
        ("POST", "/values") => asked(request),
        _ => Ok(Response::new(404, "text/plain", "Not Found\n")),
    }
}

fn asked(request: &Request) -> std::io::Result<Response> {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let index = body["index"].as_u64().or_else(|| body["index"].as_str()?.parse().ok());
    let Some(index) = index else { return Ok(Response::new(422, "text/plain", "An index is a number\n")) };
    if index > LARGEST {
        return Ok(Response::new(422, "text/plain", "Index too high\n"));
    }
    let index = index.to_string();
    let mut redis = redis()?;
    redis.call(&["HSET", "values", &index, "Nothing yet!"])?;
    redis.call(&["RPUSH", "asked", &index])?;
    redis.call(&["PUBLISH", "insert", &index])?;
    Ok(Response::new(200, "application/json; charset=utf-8", "{\"working\":true}"))
}

/// `multi-client`: the page, on port 3000; `/api/...` is passed on to the server (`SERVER`, usually `server:5000`).
pub fn page(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "Listening on port 3000")?;
    out.flush()?;
    let server = setting("SERVER", "server:5000");
    let answer = move |request: &Request| match request.target.strip_prefix("/api") {
        None => Response::new(200, "text/html; charset=utf-8", include_str!("multi.html")),
        Some(rest) => {
            let target = if rest.is_empty() { "/" } else { rest }.to_owned();
            let headers = vec![("Host".to_owned(), server.clone()), ("Content-Type".to_owned(), "application/json".to_owned())];
            let (method, version, body) = (request.method.clone(), request.version.clone(), request.body.clone());
            let passed = Request { method, target, version, headers, body, peer: request.peer };
            client::exchange(&server, &passed, Duration::from_secs(10)).unwrap_or_else(|error| {
                eprintln!("{server}: {}", reason(&error));
                Response::new(502, "text/plain", format!("{server} does not answer\n"))
            })
        }
    };
    serve(3000, Manner::Deaf, Arc::new(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_fibonacci() {
        assert_eq!((0..8).map(fibonacci).collect::<Vec<u64>>(), [1, 1, 2, 3, 5, 8, 13, 21]);
    }
}
