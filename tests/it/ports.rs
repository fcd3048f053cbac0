//! Ports of a host on the machine's own loopback, the list of hosts, and hosts that come later.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::support::{self, Sandbox};

const PATIENCE: Duration = Duration::from_secs(60);

/// A bottle that runs `first`, then waits for the file `go` in the folder that it shares with the machine, runs `then`, and goes on
/// until its prompt is killed.
fn booted(sandbox: &Sandbox, first: &str, then: &str) -> Child {
    let shared = shared(sandbox);
    fs::create_dir(&shared).unwrap();
    let script = sandbox.path().join("script");
    let go = shared.join("go").display().to_string();
    fs::write(&script, format!("{first}\nuntil [ -e {go} ]; do sleep 0.05; done; {then}\nsleep 600\n")).unwrap();
    let mut prompt = sandbox.bottleship(["run", "--plain", "--share"]).args([&shared, &script]).command();
    let child = prompt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    support::eventually("the bottle to run", PATIENCE, || (sandbox.bottleship(["hosts"]).output().code() == 0).then_some(()));
    child
}

fn shared(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().join("shared")
}

fn go(sandbox: &Sandbox) {
    fs::write(shared(sandbox).join("go"), "").unwrap();
}

/// The shell line that starts a web server in the background.
fn serve(port: u16) -> String {
    format!("mkdir -p /srv/www && echo from the bottle > /srv/www/index.html && (bottleship toolbox httpd -p {port} -h /srv/www &)")
}

/// Starts a forwarder and reads its first line, which names the port outside.
fn forwarder(sandbox: &Sandbox, args: &[&str]) -> (Child, u16) {
    let mut forwarder = sandbox.bottleship(["ports"]).args(args).command().stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(forwarder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|port| port.parse().ok());
    (forwarder, port.unwrap_or_else(|| panic!("no port in {line:?}")))
}

fn fetch(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ends(mut bottle: Child, mut forwarder: Child) {
    bottle.kill().unwrap();
    bottle.wait().unwrap();
    assert!(support::wait(&mut forwarder, PATIENCE).is_some(), "the forwarder ends with the bottle");
}

#[test]
fn a_port_of_a_host_answers_on_loopback_and_nowhere_else() {
    let sandbox = Sandbox::new();
    let bottle = booted(&sandbox, &serve(8321), "true");
    support::eventually("the server to listen", PATIENCE, || {
        let listed = sandbox.bottleship(["ports"]).output().stdout;
        listed.lines().any(|line| line == "8321").then_some(())
    });
    let hosts = sandbox.bottleship(["hosts"]).succeeds();
    assert!(hosts.stdout.contains("bench") && hosts.stdout.contains("192.168.99.100"), "{hosts}");
    let (forwarder, port) = forwarder(&sandbox, &["0:8321"]);
    assert!(fetch(port).contains("from the bottle"));
    assert!(TcpStream::connect(("127.0.0.2", port)).is_err(), "only 127.0.0.1 is listened on");
    ends(bottle, forwarder);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens after the end");
    sandbox.bottleship(["doctor"]).succeeds();
}

#[test]
fn with_all_a_port_is_forwarded_as_soon_as_a_host_listens_on_it() {
    let sandbox = Sandbox::new();
    let bottle = booted(&sandbox, "true", &serve(8322));
    let mut follower = sandbox.bottleship(["ports", "--all"]).command().stdout(Stdio::piped()).spawn().unwrap();
    // Only now: the forwarder has to notice.
    go(&sandbox);
    let mut line = String::new();
    BufReader::new(follower.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.trim().ends_with("bench:8322"), "{line:?}");
    let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    assert!(fetch(port).contains("from the bottle"));
    ends(bottle, follower);
}

#[test]
fn a_host_that_comes_later_reaches_the_others_and_is_reached_by_name() {
    let sandbox = Sandbox::new();
    // node1 is older than node2: the older knows the younger too. The answers come back over the bench's web server.
    let ask = "mkdir -p /srv/www; { for h in node1 node2; do ping -c 1 -W 5 $h >/dev/null && echo reached $h; done; \
               nslookup node2 8.8.8.8 | grep -c 192.168.99.102; } > /srv/www/index.html; (bottleship toolbox httpd -p 8323 -h /srv/www &)";
    let bottle = booted(&sandbox, "true", ask);
    let hosts = sandbox.bottleship(["hosts", "--add", "node1", "--add", "node2"]).succeeds();
    assert!(hosts.stdout.contains("node2") && hosts.stdout.contains("192.168.99.102"), "{hosts}");
    sandbox.bottleship(["hosts", "--add", "node1"]).exits(1);
    sandbox.bottleship(["hosts", "--add", "../x"]).exits(1);
    go(&sandbox);
    support::eventually("the answers", PATIENCE, || {
        let listed = sandbox.bottleship(["ports"]).output().stdout;
        listed.lines().any(|line| line == "8323").then_some(())
    });
    let (forwarder, port) = forwarder(&sandbox, &["0:8323"]);
    let answers = fetch(port);
    for expected in ["reached node1", "reached node2", "\n1"] {
        assert!(answers.contains(expected), "{expected:?} is not in {answers}");
    }
    ends(bottle, forwarder);
    sandbox.bottleship(["doctor"]).succeeds();
}

#[test]
fn a_bottle_that_does_not_run_has_no_hosts_and_no_ports() {
    let sandbox = Sandbox::new();
    for tool in ["hosts", "ports"] {
        let output = sandbox.bottleship([tool, "--bottle", "nobody"]).exits(1);
        assert!(output.stderr.contains("`nobody` is not running"), "{output}");
    }
    sandbox.bottleship(["ports", "70000"]).exits(2);
}
