//! Small servers of the course, written after the description of those that the course used: each answers as its model does.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use super::failure::{Failure, reason};
use super::http::{self, Connections, Handler, Request, Response};
use crate::kernel::{process, reaper, signals};

pub mod dockercoins;
pub mod hollywood;
pub mod jekyll;
pub mod multi;
pub mod visualizer;
pub mod voting;

/// What a program does with signals that ask it to end. As PID 1 it matters: the kernel drops a signal that PID 1 has no handler for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It handles TERM and INT and ends with this code.
    Ends(u8),
    /// It handles INT alone, as Python does.
    OnInterrupt,
    /// It handles none, as Node.js does: without an init it must be killed.
    Deaf,
}

/// The name of this host, as the kernel has it: in a container its id.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// Listens on all addresses.
///
/// # Errors
/// The port is taken.
pub fn listen(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind(("0.0.0.0", port)).map_err(|error| Failure::new(1, format_args!("listen on port {port}: {}", reason(&error))))
}

/// Serves until a signal ends it, in the manner of the program that it stands for.
///
/// # Errors
/// The signals cannot be waited for.
pub fn serve(port: u16, manner: Manner, handler: Arc<dyn Handler>) -> Result<u8, Failure> {
    let listener = listen(port)?;
    let handled: &[process::Signal] = match manner {
        Manner::Ends(_) => &[process::Signal::SIGTERM, process::Signal::SIGINT],
        Manner::OnInterrupt => &[process::Signal::SIGINT],
        Manner::Deaf => &[],
    };
    let mut waiting = signals::Signals::block(&[handled, &[process::Signal::SIGCHLD]].concat())?;
    let connections = Arc::new(Connections::default());
    std::thread::spawn(move || http::serve(&listener, &handler, &connections));
    loop {
        crate::kernel::poll::readable(&[waiting.as_fd()], None)?;
        while let Some(signal) = waiting.next()? {
            if signal == process::Signal::SIGCHLD as i32 {
                while reaper::reap()?.is_some() {}
            } else {
                return Ok(if let Manner::Ends(code) = manner { code } else { 130 });
            }
        }
    }
}

/// `httpenv`: the environment as JSON, on port 8888.
pub fn httpenv(_args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    let answer = |_: &Request| {
        let all: serde_json::Map<String, serde_json::Value> = std::env::vars().map(|(name, value)| (name, value.into())).collect();
        Response::new(200, "application/json", serde_json::Value::Object(all).to_string())
    };
    // A program in Go ends with 2 when a signal that it does not handle reaches it as PID 1.
    serve(8888, Manner::Ends(2), Arc::new(answer))
}

/// `my-node-app`: says `request received` for each request and answers `omg hi`, on port 3000. It handles no signal.
pub fn node_app(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "server started")?;
    out.flush()?;
    let answer = |_: &Request| {
        println!("request received");
        Response::new(200, "text/plain", "omg hi")
    };
    serve(3000, Manner::Deaf, Arc::new(answer))
}

/// `simpleweb`: greets on port 8080.
pub fn simpleweb(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "Listening on port 8080")?;
    out.flush()?;
    serve(8080, Manner::Deaf, Arc::new(|_: &Request| Response::new(200, "text/html; charset=utf-8", "Hi there")))
}

/// `visits`: counts its visitors in the Redis server called `redis-server`, on port 8081.
pub fn visits(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "Listening on port 8081")?;
    out.flush()?;
    let answer = |_: &Request| {
        let counted = super::redis::client::Client::open("redis-server", 6379).and_then(|mut client| client.call(&["INCR", "visits"]));
        match counted {
            Ok(reply) => {
                Response::new(200, "text/html; charset=utf-8", format!("Number of visits is {}", super::redis::number_of(&reply) - 1))
            }
            Err(error) => {
                eprintln!("Error: connect redis-server:6379: {}", reason(&error));
                Response::new(500, "text/plain", "redis-server does not answer\n")
            }
        }
    };
    serve(8081, Manner::Deaf, Arc::new(answer))
}

/// `timeserver`: tells the time on port 80.
pub fn timeserver(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(out, "Listening on 0.0.0.0:80")?;
    out.flush()?;
    let version = std::env::var("TIMESERVER_VERSION").unwrap_or_default();
    let answer = move |_: &Request| {
        let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        let text = if version == "2" { format!("The time is {time} UTC\n") } else { format!("{time}\n") };
        Response::new(200, "text/plain", text)
    };
    serve(80, Manner::OnInterrupt, Arc::new(answer))
}

/// `kiada`: says who it is, on port 8080.
pub fn kiada(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(
        out,
        "Kiada - Kubernetes in Action Demo Application (a sample of Bottleship)\n---\nLocal hostname is {}\nListening on port 8080",
        hostname()
    )?;
    out.flush()?;
    let answer = |request: &Request| {
        println!("Received request for {} from {}", request.target, request.peer.ip());
        let text = format!("Kiada version 0.1. Request processed by \"{}\". Client IP: {}\n", hostname(), request.peer.ip());
        Response::new(200, "text/plain", text)
    };
    serve(8080, Manner::Deaf, Arc::new(answer))
}

/// `docker-flask`: greets on port 5000, and says who asked.
pub fn flask(_args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    eprintln!(" * Running on http://0.0.0.0:5000/ (Press CTRL+C to quit)");
    serve(5000, Manner::OnInterrupt, Arc::new(Flask(|_: &Request| Response::new(200, "text/html; charset=utf-8", "Hello World!"))))
}

/// `incrementor`: adds one to the number in the file `DATA_PATH` and says it.
pub fn incrementor(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let path = std::env::var("DATA_PATH").unwrap_or_else(|_| "./num.txt".to_owned());
    let number: u64 = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0) + 1;
    std::fs::write(&path, number.to_string()).map_err(|error| Failure::new(1, format_args!("write {path}: {}", reason(&error))))?;
    writeln!(out, "new number: {number}")?;
    Ok(0)
}

/// Answers as a function does, and logs as Flask's own server.
pub struct Flask<F>(pub F);

impl<F: Fn(&Request) -> Response + Send + Sync + 'static> Handler for Flask<F> {
    fn answer(&self, request: &Request) -> Response {
        (self.0)(request)
    }

    fn note(&self, request: &Request, response: &Response, _sent: usize) {
        let time = jiff::Zoned::now().strftime("%d/%b/%Y %H:%M:%S");
        eprintln!("{} - - [{time}] \"{}\" {} -", request.peer.ip(), request.line(), response.status);
    }
}
