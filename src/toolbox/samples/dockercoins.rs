//! DockerCoins: rng makes random bytes, hasher hashes them, worker does both and counts in Redis, webui draws how fast it goes.
//!
//! The times are those of the original, since what the course shows with them (how adding workers helps until rng is the bottleneck; the steps of the
//! graph) comes from nothing else: a tenth of a second in rng, which serves one request at a time, a tenth in hasher, a tenth in the worker, and a worker
//! that counts what it did when at least a second has gone by. One worker thus counts four units every 1.2 seconds and something, and who looks once
//! a second sees 4, 4, 4, 0.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::Digest as _;

use super::{Flask, Manner, hostname, serve};
use crate::toolbox::failure::{Failure, reason};
use crate::toolbox::http::client::fetch;
use crate::toolbox::http::{Request, Response};
use crate::toolbox::redis::client::Client;
use crate::toolbox::redis::number_of;

/// How long each part of a unit of work takes.
const WORK: Duration = Duration::from_millis(100);
/// How often a worker counts.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest answer of rng, in bytes.
const MOST: usize = 1 << 20;

/// `rng`: `/` says who it is, `/32` gives so many random bytes after a tenth of a second, one request at a time.
pub fn rng(_args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    eprintln!(" * Running on http://0.0.0.0:80/ (Press CTRL+C to quit)");
    let one_at_a_time = Mutex::new(());
    let answer = move |request: &Request| {
        let _turn = one_at_a_time.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match request.path().trim_start_matches('/') {
            "" => Response::new(200, "text/html; charset=utf-8", format!("RNG running on {}\n", hostname())),
            path => match path.parse::<usize>().ok().filter(|count| *count <= MOST) {
                Some(count) => {
                    std::thread::sleep(WORK);
                    Response::new(200, "application/octet-stream", random(count))
                }
                None => Response::new(404, "text/plain", "Not Found\n"),
            },
        }
    };
    serve(80, Manner::OnInterrupt, Arc::new(Flask(answer)))
}

fn random(count: usize) -> Vec<u8> {
    std::iter::repeat_with(crate::kernel::random::bytes::<64>).flatten().take(count).collect()
}

/// `hasher`: `GET /` says who it is, `POST /` gives the SHA-256 of the body after a tenth of a second.
pub fn hasher(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "== hasher has taken the stage on 80")?;
    out.flush()?;
    let answer = |request: &Request| {
        if request.method == "POST" {
            std::thread::sleep(WORK);
            return Response::new(200, "text/plain", hash(&request.body));
        }
        Response::new(200, "text/plain", format!("HASHER running on {}\n", hostname()))
    };
    serve(80, Manner::Ends(0), Arc::new(answer))
}

fn hash(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `worker`: works for ever; when something fails it says so, waits ten seconds and begins again.
pub fn worker(_args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    loop {
        let Err(error) = work();
        eprintln!("ERROR:__main__:In work loop: {}\nERROR:__main__:Waiting 10s and restarting.", reason(&error));
        std::thread::sleep(Duration::from_secs(10));
    }
}

fn work() -> std::io::Result<std::convert::Infallible> {
    let mut redis = Client::open("redis", 6379)?;
    let (mut done, mut deadline) = (0_u64, Instant::now());
    loop {
        if Instant::now() > deadline {
            eprintln!("INFO:__main__:{done} units of work done, updating hash counter");
            redis.call(&["INCRBY", "hashes", &done.to_string()])?;
            (done, deadline) = (0, Instant::now() + INTERVAL);
        }
        unit(&mut redis)?;
        done += 1;
    }
}

fn unit(redis: &mut Client) -> std::io::Result<()> {
    std::thread::sleep(WORK);
    let bytes = fetch("GET", "rng", "/32", &[])?;
    let hash = String::from_utf8_lossy(&fetch("POST", "hasher", "/", &bytes)?).into_owned();
    // One hash of sixteen is a coin.
    if hash.starts_with('0') {
        eprintln!("INFO:__main__:Coin found: {}...", hash.get(..8).unwrap_or(&hash));
        redis.call(&[b"HSET".as_slice(), b"wallet", hash.as_bytes(), &bytes])?;
    }
    Ok(())
}

/// `webui`: a page that draws the speed, and `/json` with the figures behind it.
pub fn webui(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "WEBUI running on port 80")?;
    out.flush()?;
    let answer = |request: &Request| match request.path().as_str() {
        "/" => Response::new(302, "text/plain", "Found. Redirecting to /index.html\n").with("Location", "/index.html"),
        "/index.html" => Response::new(200, "text/html; charset=utf-8", include_str!("dockercoins.html")),
        "/json" => match figures() {
            Ok(text) => Response::new(200, "application/json; charset=utf-8", text),
            Err(error) => {
                eprintln!("Redis error {}", reason(&error));
                Response::new(500, "text/plain", "redis does not answer\n")
            }
        },
        _ => Response::new(404, "text/plain", "Cannot GET this\n"),
    };
    serve(80, Manner::Deaf, Arc::new(answer))
}

fn figures() -> std::io::Result<String> {
    let mut redis = Client::open("redis", 6379)?;
    let coins = number_of(&redis.call(&["HLEN", "wallet"])?);
    let hashes = number_of(&redis.call(&["GET", "hashes"])?);
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
    Ok(serde_json::json!({"coins": coins, "hashes": hashes, "now": now}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_random_bytes() {
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((random(100).len(), random(0).len()), (100, 0));
        assert_ne!(random(32), random(32));
    }
}
