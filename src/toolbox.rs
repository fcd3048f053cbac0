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

mod curl;
mod failure;
mod httpd;
mod jq;
mod nc;
mod nslookup;
mod options;
mod ping;
mod ps;
mod resolver;
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

/// The applet called `name`.
pub fn find(name: &str) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name == name)
}

/// Runs an applet as a program: its output to standard output, its complaint to standard error.
pub fn run(applet: &Applet, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = (applet.run)(&args, &mut out);
    let flushed = out.flush().map_err(Failure::from);
    match done.and_then(|code| flushed.map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("{}: {}", applet.name, failure.message);
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
