//! Every route of the API with generated nonsense: what is asked is chosen by a seed, so that what fails today fails tomorrow.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::containers::{Confined, docker};
use super::{Engine, PATIENCE, socket};

/// The table of routes as it is written.
const ROUTES: &str = include_str!("../../../src/engine/api.rs");
/// These ask a registry whatever else they are told: what they refuse by themselves is in the list of `nonsense`.
const ELSEWHERE: [&str; 4] = ["/auth", "/images/search", "/images/create", "/distribution/{*rest}"];
/// How many requests a method of a route gets.
const REQUESTS: usize = 14;
/// More than this no answer takes.
const LONGEST: Duration = Duration::from_secs(20);
/// The test ends before it is this old, on a machine that has little time for it too.
const BUDGET: Duration = Duration::from_secs(35);

/// Names of parameters, of queries and of documents.
const KEYS: &[&str] = &[
    "all",
    "size",
    "limit",
    "filters",
    "name",
    "path",
    "tail",
    "since",
    "until",
    "stdout",
    "stderr",
    "h",
    "w",
    "repo",
    "tag",
    "container",
    "changes",
    "pause",
    "signal",
    "ps_args",
    "detachKeys",
    "labels",
    "buildargs",
    "cachefrom",
    "target",
    "dockerfile",
    "t",
    "remote",
    "platform",
    "Image",
    "Cmd",
    "Entrypoint",
    "Env",
    "Labels",
    "HostConfig",
    "NetworkingConfig",
    "EndpointsConfig",
    "IPAMConfig",
    "IPv4Address",
    "Memory",
    "NanoCpus",
    "CpuQuota",
    "CpusetCpus",
    "PidsLimit",
    "OomScoreAdj",
    "ShmSize",
    "Ulimits",
    "Soft",
    "Hard",
    "Name",
    "PortBindings",
    "80/tcp",
    "HostPort",
    "HostIp",
    "ExposedPorts",
    "Mounts",
    "Type",
    "Target",
    "Source",
    "TmpfsOptions",
    "SizeBytes",
    "VolumeOptions",
    "DriverConfig",
    "Options",
    "Driver",
    "DriverOpts",
    "device",
    "o",
    "type",
    "IPAM",
    "Config",
    "Subnet",
    "Gateway",
    "IPRange",
    "AuxiliaryAddresses",
    "EnableIPv6",
    "EnableIPv4",
    "Container",
    "EndpointConfig",
    "Aliases",
    "MacAddress",
    "Healthcheck",
    "Test",
    "Interval",
    "Retries",
    "RestartPolicy",
    "MaximumRetryCount",
    "LogConfig",
    "CapAdd",
    "SecurityOpt",
    "Devices",
    "Sysctls",
    "Tmpfs",
    "ExtraHosts",
    "Dns",
    "Links",
    "StorageOpt",
    "NetworkMode",
    "PidMode",
    "IpcMode",
    "UsernsMode",
    "ConsoleSize",
    "Tty",
    "User",
    "WorkingDir",
    "StopSignal",
    "StopTimeout",
];

/// More than the buffers between a container and a client hold.
const TALK: &str = "i=0; while [ $i -lt 20000 ]; do echo a line to fill what is between us; i=$((i+1)); done; sleep 1000";

/// Values that are texts.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    "..",
    "../../etc",
    "/",
    "//..",
    "-1",
    "0",
    "true",
    "null",
    "é",
    "\u{202e}",
    "%s%n",
    "{{.}}",
    "base:1",
    "stays",
    "victim",
    "none",
    "UPPER",
    ":",
    "a:b:c",
    "=",
    "=x",
    "x=",
    ",",
    "99999999999999999999",
    "-5s",
    "1e400h",
    "sha256:zz",
    "container:",
    "host",
    "0.0.0.0/0",
    "::/0",
    "fd00::/128",
    "10.0.0.0/32",
    "[::1]:80",
    "80/tcp",
    "1-70000/udp",
    "1970-01-01T00:00:00Z",
    "9223372036854775807.999999999",
    "{\"label\":5}",
    "[]",
    "tmpfs",
    "bind",
    "volume",
];

/// A generator of numbers that are as good as random, and the same for the same seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth > 3 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => self.one(&[
                json!(0),
                json!(-1),
                json!(i64::MAX),
                json!(i64::MIN),
                json!(u64::MAX),
                json!(1e308),
                json!(0.5),
                json!(1 << 31),
            ]),
            3..6 => {
                let long = self.below(20) == 0;
                if long { json!("a".repeat(5000)) } else { json!(self.one(TEXTS)) }
            }
            6 => Value::Array((0..self.below(4)).map(|_| self.value(depth + 1)).collect()),
            _ => self.object(depth),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let pairs = (0..self.below(6)).map(|_| (self.one(KEYS).to_owned(), self.value(depth + 1)));
        Value::Object(pairs.collect())
    }

    /// A body: mostly a document in which some of what is right is wrong.
    fn body(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 => self.one(&[&b""[..], b"null", b"{", b"\xff\xfe\0{", b"{}{}", b"\xef\xbb\xbf{}", b"{\"Image\":\"\\ud800\"}"]).to_vec(),
            1 => (0..600).map(|_| self.next() as u8).collect(),
            2 => self.value(0).to_string().into_bytes(),
            3 => {
                let mut right = json!({"Image": "base:1", "Cmd": ["true"], "HostConfig": self.object(1)});
                let key = self.one(KEYS);
                right[key] = self.value(1);
                right.to_string().into_bytes()
            }
            _ => self.object(0).to_string().into_bytes(),
        }
    }

    fn query(&mut self) -> String {
        let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let pairs: Vec<String> = (0..self.below(5))
            .map(|_| {
                let (key, value) = (self.one(KEYS), self.one(TEXTS));
                if self.below(15) == 0 { format!("{key}=%ff%zz") } else { format!("{key}={}", escaped(value)) }
            })
            .collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    /// The head's end and the body, by one of the ways to send one, and whether that lies about its length.
    fn sent(&mut self, body: &[u8]) -> (Vec<u8>, bool) {
        let shown = |head: &str| [head.as_bytes(), b"\r\n\r\n", body].concat();
        match self.below(12) {
            0 => (shown(&format!("Content-Length: {}", body.len() + 9)), true),
            1 => (shown("Transfer-Encoding: chunked"), true),
            2 => (shown(&format!("Content-Length: {}\r\nTransfer-Encoding: chunked", body.len())), true),
            3 => (shown(&format!("Content-Length: {}\r\nContent-Length: {}", body.len(), body.len() + 1)), true),
            4 => (shown(&format!("Content-Encoding: gzip\r\nContent-Length: {}", body.len())), false),
            5 => {
                let chunks = body.chunks(7).flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
                let chunks: Vec<u8> = chunks.chain(*b"0\r\n\r\n").collect();
                ([&b"Transfer-Encoding: chunked\r\n\r\n"[..], &chunks].concat(), false)
            }
            _ => (shown(&format!("Content-Length: {}", body.len())), false),
        }
    }
}

/// The methods and paths of the table.
fn routes() -> Vec<(&'static str, &'static str)> {
    let kinds: [(&str, &[&str]); 5] =
        [("get(", &["GET"]), ("post(", &["POST"]), ("put(", &["PUT"]), ("delete(", &["DELETE"]), ("any(", &["GET", "POST", "DELETE"])];
    let mut all = Vec::new();
    for line in ROUTES.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
        let (path, handlers) = line.split_once('"').expect("a path in quotes");
        for (_, methods) in kinds.iter().filter(|(word, _)| handlers.contains(word)) {
            all.extend(methods.iter().map(|method| (*method, path)));
        }
    }
    all
}

/// The path with names in its places: of things that may be lost, and of none.
fn named(path: &str, numbers: &mut Numbers) -> String {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    // These wait for an end that nobody else brings.
    let waits = ["/stop", "/restart", "/wait"].iter().any(|verb| path.ends_with(verb));
    let mut name = |there: &str| match numbers.below(4) {
        0 => escaped(numbers.one(&["..", "\0", "a b", "é", "-x", "%2f"])),
        1 => "nosuch".to_owned(),
        _ if waits => "nosuch".to_owned(),
        _ => there.to_owned(),
    };
    let thing = match path.split('/').nth(1) {
        Some("networks" | "volumes") => "spare",
        _ => "victim",
    };
    let path = path.replace("{name}", &name(thing)).replace("{id}", &name("nosuch"));
    let rest = ["spare:1/json", "spare:1/history", "spare:1/tag", "spare:1/get", "spare:1", "%00/json", "a/b/c", ""];
    let at = numbers.below(rest.len());
    path.replace("{*rest}", rest[at])
}

/// The status and the body of the answer; of one that is no error the body is left, and the connection with it. `None`: there is no answer in time. One who
/// `lies` has said all when its bytes are over.
fn answer(engine: &Engine, request: &[u8], lies: bool) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(socket(&engine.sandbox)).expect("the engine's socket");
    stream.set_read_timeout(Some(LONGEST)).expect("a limit");
    // One that is refused early need not be taken whole.
    let _ = stream.write_all(request);
    if lies {
        // The engine may have closed it already.
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let (mut told, mut piece) = (Vec::new(), [0; 4096]);
    while !told.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            // Who has said all may be gone before there is something to tell.
            Ok(0) | Err(_) if lies => return Some((400, "{\"message\":\"closed\"}".to_owned())),
            Ok(0) | Err(_) => return None,
            Ok(count) => told.extend(&piece[..count]),
        }
    }
    let status = String::from_utf8_lossy(&told).split(' ').nth(1).and_then(|code| code.parse().ok())?;
    if status >= 400 {
        // What has come is what there is to judge.
        let _ = stream.read_to_end(&mut told);
    }
    let text = String::from_utf8_lossy(&told).into_owned();
    Some((status, text.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())))
}

fn message(body: &str) -> Option<String> {
    // A body in chunks has its length before it.
    let document = body.get(body.find('{')?..=body.rfind('}')?)?;
    let value: Value = serde_json::from_str(document).ok()?;
    Some(value["message"].as_str()?.to_owned()).filter(|message| !message.is_empty())
}

#[test]
fn generated_nonsense_at_every_route_is_answered_with_a_message() {
    if !docker("generated_nonsense_at_every_route_is_answered_with_a_message") {
        return;
    }
    let here = Confined::start();
    let engine = &here.engine;
    here.said(&["run", "-d", "--name", "stays", "--network", "none", "base:1", "sleep", "1000"]);
    let pid = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", engine.process.id())).expect("the engine");
    let before = super::nonsense::descriptors(pid.trim());
    let (began, mut numbers, mut wrong, mut asked) = (Instant::now(), Numbers(2024), Vec::new(), 0);
    let routes = routes();
    assert!(routes.len() > 50, "the table of routes is read: {}", routes.len());
    // Round by round, so that a slow machine has been everywhere too.
    'all: for round in 0..REQUESTS {
        for line in [&["network", "create", "spare"][..], &["volume", "create", "spare"], &["tag", "base:1", "spare:1"]] {
            here.docker(line).output();
        }
        here.docker(&["run", "-d", "--name", "victim", "--network", "none", "-v", "spare:/spare", "base:1", "sleep", "1000"]).output();
        for (method, path) in routes.iter().filter(|(_, path)| !ELSEWHERE.contains(path)) {
            if began.elapsed() > BUDGET {
                assert!(round > 0, "not every route was asked once: {asked} requests in {BUDGET:?}");
                break 'all;
            }
            let body = numbers.body();
            let head =
                format!("{method} {}{} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n", named(path, &mut numbers), numbers.query());
            let (body, lies) = numbers.sent(&body);
            let request = [head.as_bytes(), &body].concat();
            asked += 1;
            let told = answer(engine, &request, lies);
            let fine = match &told {
                None => false,
                Some((101..400, _)) => true,
                // What the kernel or `ps` has refused.
                Some((500, body)) => ["/top", "/start", "/update"].iter().any(|verb| path.ends_with(verb)) && message(body).is_some(),
                // 501: said to be missing; 503: no swarm. A head that contradicts itself is answered before there is a request.
                Some((status, body)) => *status < 504 && (lies || message(body).is_some()),
            };
            if !fine {
                wrong.push(format!("{told:?} to {}", String::from_utf8_lossy(&request[..request.len().min(400)]).escape_debug()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} answers are none, or say nothing:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(here.said(&["ps", "--filter", "name=^stays$", "--format", "{{.Names}} {{.State}}"]), "stays running\n");
    for id in here.said(&["ps", "-aq", "--no-trunc"]).lines() {
        if here.said(&["inspect", "-f", "{{.Name}}", id]) != "/stays\n" {
            here.said(&["rm", "-fv", id]);
        }
    }
    crate::support::eventually("descriptors to be closed", PATIENCE, || (super::nonsense::descriptors(pid.trim()) <= before).then_some(()));
}

#[test]
fn clients_that_do_not_read_and_clients_that_leave_hold_nobody_up() {
    if !docker("clients_that_do_not_read_and_clients_that_leave_hold_nobody_up") {
        return;
    }
    let here = Confined::start();
    let engine = &here.engine;
    here.said(&["run", "-d", "--name", "talks", "--network", "none", "base:1", "sh", "-c", TALK]);
    let pid = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", engine.process.id())).expect("the engine");
    let count = || super::nonsense::descriptors(pid.trim());
    let before = count();
    let heads = [
        "GET /events",
        "GET /containers/talks/logs?stdout=1&follow=1",
        "GET /containers/talks/stats?stream=1",
        "POST /containers/talks/attach?stream=1&stdout=1",
        "GET /containers/talks/export",
        "GET /images/base:1/get",
        "POST /containers/talks/wait",
        "POST /build",
        "POST /images/load",
    ];
    let mut open = Vec::new();
    for head in heads.iter().flat_map(|head| std::iter::repeat_n(head, 6)) {
        let mut stream = UnixStream::connect(socket(&engine.sandbox)).expect("the engine's socket");
        // The last two promise what never comes.
        let length = if head.ends_with("build") || head.ends_with("load") { 100_000 } else { 0 };
        let request = format!("{head} HTTP/1.1\r\nHost: docker\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is taken");
        open.push(stream);
    }
    // None of them reads a word, and everybody else is served.
    let began = Instant::now();
    assert_eq!(here.said(&["ps", "--format", "{{.Names}}"]), "talks\n");
    assert_eq!(here.said(&["exec", "talks", "echo", "heard"]), "heard\n");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    // Half of them read a little and leave in the middle of it, the others leave so.
    for stream in open.iter_mut().step_by(2) {
        stream.set_nonblocking(true).expect("a switch");
        // There may be nothing to read yet.
        let _ = stream.read(&mut [0; 100]);
    }
    drop(open);
    crate::support::eventually("descriptors to be closed", PATIENCE, || (count() <= before).then_some(()));
    // A build whose client has gone is no process any more.
    let children = || std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", pid.trim())).unwrap_or_default();
    crate::support::eventually("builds to end", PATIENCE, || {
        let building =
            |child: &&str| std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.windows(6).any(|word| word == b"\0build"));
        children().split_whitespace().find(building).is_none().then_some(())
    });
    here.said(&["rm", "-f", "talks"]);
}
