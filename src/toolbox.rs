//! Everyday tools for a bare machine: this binary by another name.
//!
//! A lesson types `ping`, `jq` or `ps`; a fresh Debian has not all of them. The machine's own tools always come first on the PATH, these
//! stand in where it has none, with the flags that people use and output in the shape that they know. Where a tool of that name does more,
//! ours says that it does not know the flag; it never does something else instead.
//!
//! ```text
//!  argv[0] = ping, or `bottleship toolbox ping`  ──  find(name)  ──  applet.run(args, stdout)  ──  exit code
//! ```
//!
//! Names are resolved by [`resolver`], not by getaddrinfo(3): a static executable cannot load the C library's name services.

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

mod accounts;
mod apache;
mod curl;
mod failure;
mod http;
mod httpd;
mod init;
mod jq;
mod nc;
mod nginx;
mod nslookup;
mod options;
mod packages;
mod ping;
mod ps;
mod redis;
pub mod resolver;
mod samples;
mod tree;
mod watch;

pub use failure::Failure;

/// A tool that this binary can be called as.
pub struct Applet {
    /// The name it answers to, as argv[0].
    pub name: &'static str,
    /// One line for `bottleship toolbox`.
    pub about: &'static str,
    /// Runs it with the arguments after the name; what it prints goes to the writer. Gives the exit code.
    pub run: fn(&[String], &mut dyn Write) -> Result<u8, Failure>,
}

/// All applets, by name.
pub const APPLETS: &[Applet] = &[
    Applet { name: "curl", about: "talk to an HTTP server", run: curl::run },
    Applet { name: "httpd", about: "serve the files of a folder over HTTP", run: httpd::run },
    Applet { name: "jq", about: "query and change JSON", run: jq::run },
    Applet { name: "nc", about: "connect to a port, or listen on one", run: nc::run },
    Applet { name: "nslookup", about: "ask a name server", run: nslookup::run },
    Applet { name: "ping", about: "see whether an address answers", run: ping::run },
    Applet { name: "ps", about: "list processes", run: ps::run },
    Applet { name: "tree", about: "draw a folder", run: tree::run },
    Applet { name: "watch", about: "repeat a command and show what it prints", run: watch::run },
];

/// The programs of the course images, by name: servers and what installs and starts them. They are no tools of the bench.
pub const IMAGE_PROGRAMS: &[Applet] = &[
    Applet { name: "addgroup", about: "make a group", run: accounts::addgroup },
    Applet { name: "adduser", about: "make a user", run: accounts::adduser },
    Applet { name: "apk", about: "install packages of the toolbox, as Alpine does", run: packages::apk },
    Applet { name: "apt", about: "install packages of the toolbox, as Debian does", run: packages::apt },
    Applet { name: "apt-get", about: "install packages of the toolbox, as Debian does", run: packages::apt },
    Applet { name: "coin-hasher", about: "DockerCoins: hash", run: samples::dockercoins::hasher },
    Applet { name: "coin-rng", about: "DockerCoins: random bytes", run: samples::dockercoins::rng },
    Applet { name: "coin-webui", about: "DockerCoins: the graph", run: samples::dockercoins::webui },
    Applet { name: "coin-worker", about: "DockerCoins: work", run: samples::dockercoins::worker },
    Applet { name: "dnf", about: "install packages of the toolbox, as Fedora does", run: packages::yum },
    Applet { name: "dumb-init", about: "start a program, hand signals on, reap", run: init::tini },
    Applet { name: "gosu", about: "run a program as another user", run: init::su_exec },
    Applet { name: "groupadd", about: "make a group", run: accounts::addgroup },
    Applet { name: "hollywood", about: "look busy", run: samples::hollywood::run },
    Applet { name: "httpenv", about: "the environment as JSON", run: samples::httpenv },
    Applet { name: "incrementor", about: "add one to the number in a file", run: samples::incrementor },
    Applet { name: "jekyll", about: "serve a site of Markdown files", run: samples::jekyll::run },
    Applet { name: "kiada", about: "say who answers", run: samples::kiada },
    Applet { name: "multi-client", about: "the multi-container sample: the page", run: samples::multi::page },
    Applet { name: "multi-server", about: "the multi-container sample: keep what was asked", run: samples::multi::server },
    Applet { name: "multi-worker", about: "the multi-container sample: compute", run: samples::multi::worker },
    Applet { name: "my-node-app", about: "answer requests, handle no signal", run: samples::node_app },
    Applet { name: "my-flask-app", about: "greet", run: samples::flask },
    Applet { name: "nginx", about: "serve files and pass requests on, as nginx does", run: nginx::run },
    Applet { name: "redis-cli", about: "talk to a Redis server", run: redis::redis_cli },
    Applet { name: "redis-server", about: "keep data structures, as Redis does", run: redis::redis_server },
    Applet { name: "simpleweb", about: "greet", run: samples::simpleweb },
    Applet { name: "su-exec", about: "run a program as another user", run: init::su_exec },
    Applet { name: "timeserver", about: "tell the time", run: samples::timeserver },
    Applet { name: "tini", about: "start a program, hand signals on, reap", run: init::tini },
    Applet { name: "useradd", about: "make a user", run: accounts::useradd },
    Applet { name: "visits", about: "count visitors in Redis", run: samples::visits },
    Applet { name: "visualizer", about: "draw the nodes of a swarm", run: samples::visualizer::run },
    Applet { name: "vote", about: "the voting app: take votes", run: samples::voting::vote },
    Applet { name: "vote-result", about: "the voting app: show the sum", run: samples::voting::result },
    Applet { name: "vote-worker", about: "the voting app: carry votes", run: samples::voting::worker },
    Applet { name: "yum", about: "install packages of the toolbox, as CentOS does", run: packages::yum },
];

/// The name that a program was called by, from its argv[0]. nginx's processes carry a title in its place: `nginx: worker process`.
pub fn called_as(argv0: &std::ffi::OsStr) -> String {
    let text = argv0.to_string_lossy();
    let text = text.split(": ").next().unwrap_or_default();
    text.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("bottleship").to_owned()
}

/// The applet called `name`. The init of `docker run --init` bears Docker's name for it.
pub fn find(name: &str) -> Option<&'static Applet> {
    let name = if name == "docker-init" { "tini" } else { name };
    APPLETS.iter().chain(IMAGE_PROGRAMS).find(|applet| applet.name == name)
}

/// Runs an applet as a program: its output to standard output, its complaint to standard error.
pub fn run(applet: &Applet, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    // Not locked for good: a server's threads print, too.
    let mut out = BufWriter::new(std::io::stdout());
    let done = (applet.run)(&args, &mut out);
    let flushed = out.flush().map_err(Failure::from);
    match done.and_then(|code| flushed.map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.message.is_empty() {
                // In one piece: others may write to the same place. Where that is gone, nobody is left to be told.
                let _ = std::io::stderr().write_all(format!("{}: {}\n", applet.name, failure.message).as_bytes());
            }
            ExitCode::from(failure.code)
        }
    }
}

/// The parsers of the toolbox that read what others wrote, for the fuzzing lanes.
#[cfg(test)]
pub mod fuzzed {
    use super::{curl, resolver};

    /// `/etc/hosts` and `/etc/resolv.conf`, both from the same text.
    pub fn resolver(text: &str) -> usize {
        resolver::Resolver::from_text(text, text).servers().len()
    }

    /// A name server's answer.
    pub fn dns_answer(bytes: &[u8]) {
        drop(resolver::read_answer(bytes, simple_dns::TYPE::A));
    }

    /// A web server's answer.
    pub fn http_response(bytes: &[u8]) {
        curl::read_response(bytes);
    }
}
