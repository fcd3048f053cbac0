//! Requests that make no sense, at every endpoint: each gets an answer that says so, in time, and the engine is as it was.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use super::containers::{Confined, docker};
use super::{Engine, PATIENCE, socket};

/// What clients may ask for, with the names of a container and an image that are there.
const ENDPOINTS: &[(&str, &str)] = &[
    ("GET", "/info"),
    ("GET", "/system/df"),
    ("GET", "/images/json"),
    ("POST", "/images/create"),
    ("POST", "/images/load"),
    ("GET", "/images/get"),
    ("GET", "/images/search"),
    ("POST", "/images/base:1/tag"),
    ("POST", "/images/UPPER/push"),
    ("GET", "/images/base:1/json"),
    ("GET", "/images/base:1/history"),
    ("POST", "/build"),
    ("POST", "/auth"),
    ("GET", "/distribution/UPPER/json"),
    ("GET", "/containers/json"),
    ("POST", "/containers/create"),
    ("GET", "/containers/stays/json"),
    ("POST", "/containers/stays/start"),
    ("POST", "/containers/stays/rename"),
    ("GET", "/containers/stays/top"),
    ("GET", "/containers/stays/changes"),
    ("POST", "/containers/stays/resize"),
    ("GET", "/containers/stays/archive"),
    ("PUT", "/containers/stays/archive"),
    ("HEAD", "/containers/stays/archive"),
    ("POST", "/containers/stays/update"),
    ("GET", "/containers/stays/logs"),
    ("POST", "/containers/stays/exec"),
    ("POST", "/commit"),
    ("POST", "/exec/none/start"),
    ("POST", "/exec/none/resize"),
    ("GET", "/exec/none/json"),
    ("GET", "/volumes"),
    ("POST", "/volumes/create"),
    ("GET", "/volumes/none"),
    ("GET", "/networks"),
    ("POST", "/networks/create"),
    ("POST", "/networks/none/connect"),
    ("POST", "/networks/bridge/disconnect"),
    ("GET", "/plugins"),
    ("POST", "/swarm/init"),
    ("GET", "/services"),
];

/// Queries with values of the wrong type, size and encoding. All ask for nothing that goes on for ever.
const QUERIES: &[&str] = &[
    "",
    "?filters=%7B",
    "?filters=%5B%5D",
    "?filters=%7B%22label%22%3A5%7D",
    "?filters=%7B%22nonsense%22%3A%5B%22x%22%5D%7D",
    "?filters=%ff%fe&names=%00&name=%00&path=%00&repo=%0a&tag=%20",
    "?limit=-1&since=yesterday&until=0x10&tail=-5&h=-1&w=99999999999&t=never&size=maybe",
    "?name=..%2F..%2Fetc&path=..%2F..%2F..&repo=UPPER&tag=a:b&container=stays&changes=RUN%20x&ps_args=%00",
    "?%",
];

/// Bodies that are no document, the wrong one, or one with wrong types.
fn bodies() -> Vec<Vec<u8>> {
    let texts = [
        "",
        "null",
        "[]",
        "5",
        "\"text\"",
        "{",
        "{\"Image\":5}",
        "{\"Image\":\"base:1\",\"Cmd\":{\"a\":1},\"Env\":7,\"HostConfig\":[]}",
        "{\"Image\":\"base:1\",\"HostConfig\":{\"Memory\":\"much\",\"Binds\":[5],\"PortBindings\":{\"x\":1},\"Ulimits\":[null]}}",
        "{\"Name\":\"../..\",\"Driver\":7,\"IPAM\":{\"Config\":[{\"Subnet\":\"10.0.0.0/99\"}]},\"Container\":[],\"Options\":[],\"Labels\":5}",
        "{\"Cmd\":[],\"Tty\":\"yes\",\"DetachKeys\":5,\"User\":{}}",
        "{\"Memory\":-1,\"CpuShares\":1e99,\"RestartPolicy\":{\"Name\":\"sometimes\",\"MaximumRetryCount\":\"x\"}}",
    ];
    let deep = "[".repeat(20_000);
    let large = format!("{{\"Image\":\"{}\"}}", "a".repeat(1 << 20));
    texts
        .map(|text| text.as_bytes().to_vec())
        .into_iter()
        .chain([deep.into_bytes(), large.into_bytes(), vec![0xff, 0xfe, 0x00, b'{']])
        .collect()
}

/// The first line of the answer to raw bytes, all of them sent.
fn told(engine: &Engine, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(&engine.sandbox)).expect("the engine's socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream.write_all(bytes).expect("what is sent is taken");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    assert!(read.is_ok() || !line.is_empty(), "no answer in time: {:?}: {read:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
    line
}

pub fn descriptors(pid: &str) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

#[test]
fn nonsense_at_every_endpoint_is_answered_and_changes_nothing() {
    if !docker("nonsense_at_every_endpoint_is_answered_and_changes_nothing") {
        return;
    }
    let here = Confined::start();
    let engine = &here.engine;
    here.said(&["run", "-d", "--name", "stays", "--network", "none", "base:1", "sleep", "1000"]);
    let pid = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", engine.process.id())).expect("the engine");
    let before = descriptors(pid.trim());
    let mut wrong = Vec::new();
    for (method, path) in ENDPOINTS {
        // A query that is wrong with no body, and bodies that are wrong with no query.
        // Who only asks has no body: two are enough to see that it is passed over.
        let bodies = bodies().into_iter().skip(1).take(if *method == "GET" || *method == "HEAD" { 2 } else { usize::MAX });
        let asked = QUERIES.iter().map(|query| (*query, Vec::new())).chain(bodies.map(|body| ("", body)));
        for (query, body) in asked {
            let mut request = format!(
                "{method} {path}{query} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
            .into_bytes();
            request.extend(&body);
            let line = told(engine, &request);
            let status = line.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
            // 501: said to be missing; 503: no swarm. 500 would be the engine's own fault.
            if !status.is_some_and(|status| (200..500).contains(&status) || status == 501 || status == 503) {
                wrong.push(format!("{method} {path}{query} {:?}: {line:?}", String::from_utf8_lossy(&body[..body.len().min(80)])));
            }
        }
    }
    // Heads that are none, and clients that leave in the middle.
    for bytes in [
        "",
        "GET",
        "\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /\u{0} HTTP/1.1\r\n\r\n",
        "POST /containers/create HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ] {
        let mut stream = UnixStream::connect(socket(&engine.sandbox)).expect("the engine's socket");
        stream.write_all(bytes.as_bytes()).expect("it is taken");
    }
    for _ in 0..20 {
        let mut stream = UnixStream::connect(socket(&engine.sandbox)).expect("the engine's socket");
        stream.write_all(b"POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 100000\r\n\r\nhalf").expect("it is taken");
    }
    assert!(wrong.is_empty(), "{} answers are none or the engine's fault:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(here.said(&["ps", "--format", "{{.Names}} {{.State}}"]), "stays running\n");
    // What they held is let go.
    crate::support::eventually("descriptors to be closed", PATIENCE, || (descriptors(pid.trim()) <= before).then_some(()));
}
