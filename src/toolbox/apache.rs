//! `httpd` of the `httpd` image: a web server that serves files and logs as Apache's does.
//!
//! One process with a thread for each connection, where Apache has several; a few directives of its configuration, and an error with file and
//! line for all others. TERM ends at once, WINCH lets requests end first, HUP and USR1 read the configuration anew.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::failure::{Failure, reason};
use super::http::files::{self, Found};
use super::http::{self, Connections, Handler, Request, Response, phrase};
use super::options::{self, Known};
use crate::kernel::{poll, process, reaper, signals};

/// The configuration that tells that we are in such an image.
pub const CONFIGURATION: &str = "/usr/local/apache2/conf/httpd.conf";

const KNOWN: &[Known] = &[
    ('D', "define", true),
    ('f', "file", true),
    ('t', "test", false),
    ('v', "version", false),
    ('V', "build", false),
    ('S', "servers", false),
    ('k', "command", true),
];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    ports: Vec<u16>,
    root: PathBuf,
    index: Vec<String>,
    name: Option<String>,
    access: PathBuf,
    error: PathBuf,
}

/// Runs `httpd -DFOREGROUND`, `-t`, `-v`.
pub fn run(args: &[String], out: &mut dyn std::io::Write) -> Result<u8, Failure> {
    let given = options::parse(args, KNOWN, false)?;
    if given.has("version") || given.has("build") {
        writeln!(out, "Server version: {} (a stand-in by Bottleship {})", server(), env!("CARGO_PKG_VERSION"))?;
        return Ok(0);
    }
    let file = PathBuf::from(given.value("file").unwrap_or(CONFIGURATION));
    let model = read(&file)?;
    if given.has("test") || given.has("servers") {
        eprintln!("Syntax OK");
        return Ok(0);
    }
    if !given.values("define").any(|word| word == "FOREGROUND") {
        return Err(Failure::new(1, "this stand-in runs in the foreground only: httpd -DFOREGROUND"));
    }
    serve(model, &file, &format!("httpd {}", args.join(" ")))
}

fn server() -> String {
    format!("Apache/{} (Unix)", std::env::var("HTTPD_VERSION").unwrap_or_else(|_| "2.4.65".to_owned()))
}

fn read(file: &Path) -> Result<Model, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(1, format_args!("Could not open configuration file {}: {}", file.display(), reason(&error))))?;
    parse(&text).map_err(|(line, why)| Failure::new(1, format_args!("AH00526: Syntax error on line {line} of {}:\n{why}", file.display())))
}

fn parse(text: &str) -> Result<Model, (usize, String)> {
    let usual = "/usr/local/apache2";
    let mut model = Model {
        ports: Vec::new(),
        root: format!("{usual}/htdocs").into(),
        index: vec!["index.html".to_owned()],
        name: None,
        access: "/proc/self/fd/1".into(),
        error: "/proc/self/fd/2".into(),
    };
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words = shlex::split(line).ok_or((at, "unbalanced quotes".to_owned()))?;
        let value = words.get(1).ok_or((at, format!("{} takes one argument", words[0])))?;
        match words[0].to_ascii_lowercase().as_str() {
            "listen" => {
                let port = value.rsplit(':').next().and_then(|port| port.parse().ok());
                model.ports.push(port.ok_or((at, format!("Port must be specified: {value}")))?);
            }
            "documentroot" if Path::new(value).is_dir() || cfg!(test) => model.root = value.into(),
            "documentroot" => return Err((at, format!("DocumentRoot '{value}' is not a directory, or is not readable"))),
            "directoryindex" => model.index = words[1..].to_vec(),
            "servername" => model.name = Some(value.clone()),
            "errorlog" => model.error = value.into(),
            "customlog" => model.access = value.into(),
            "serverroot" | "serveradmin" | "user" | "group" => {}
            _ => {
                return Err((
                    at,
                    format!(
                        "Invalid command '{}', perhaps misspelled or defined by a module not included in the server configuration",
                        words[0]
                    ),
                ));
            }
        }
    }
    if model.ports.is_empty() {
        Err((text.lines().count(), "no listening sockets available: there is no Listen".to_owned()))
    } else {
        Ok(model)
    }
}

struct Site {
    model: Model,
    access: Option<std::fs::File>,
}

fn append(path: &Path) -> Option<std::fs::File> {
    std::fs::OpenOptions::new().append(true).create(true).open(path).ok()
}

fn note(model: &Model, module: &str, text: &str) {
    let time = jiff::Zoned::now().strftime("%a %b %d %H:%M:%S%.6f %Y");
    let pid = std::process::id();
    append(&model.error).map(|mut file| file.write_all(format!("[{time}] [{module}] [pid {pid}:tid {pid}] {text}\n").as_bytes()));
}

fn serve(mut model: Model, file: &Path, line: &str) -> Result<u8, Failure> {
    let asked = [
        process::Signal::SIGTERM,
        process::Signal::SIGINT,
        process::Signal::SIGWINCH,
        process::Signal::SIGHUP,
        process::Signal::SIGUSR1,
        process::Signal::SIGCHLD,
    ];
    let mut waiting = signals::Signals::block(&asked)?;
    if model.name.is_none() {
        eprintln!(
            "AH00558: httpd: Could not reliably determine the server's fully qualified domain name. Set the 'ServerName' directive globally to suppress this message"
        );
    }
    let ports = model.ports.iter().map(|port| bind(*port)).collect::<Result<Vec<TcpListener>, Failure>>()?;
    let connections = Arc::new(Connections::default());
    let mut handler = handler(&model);
    note(&model, "mpm_event:notice", &format!("AH00489: {} (a stand-in by Bottleship) configured -- resuming normal operations", server()));
    note(&model, "core:notice", &format!("AH00094: Command line: '{line}'"));
    loop {
        let watched = std::iter::once(waiting.as_fd()).chain(ports.iter().map(|port| port.as_fd())).collect::<Vec<_>>();
        let ready = poll::readable(&watched, None)?;
        while let Some(signal) = waiting.next()? {
            if signal == process::Signal::SIGCHLD as i32 {
                while reaper::reap()?.is_some() {}
            } else if signal == process::Signal::SIGWINCH as i32 {
                note(&model, "mpm_event:notice", "AH00492: caught SIGWINCH, shutting down gracefully");
                drop(ports);
                connections.close(Duration::from_secs(600));
                return Ok(0);
            } else if signal == process::Signal::SIGTERM as i32 || signal == process::Signal::SIGINT as i32 {
                note(&model, "mpm_event:notice", "AH00491: caught SIGTERM, shutting down");
                return Ok(0);
            } else {
                match read(file) {
                    Ok(new) => model = Model { ports: model.ports.clone(), ..new },
                    Err(failure) => note(&model, "core:error", &failure.message),
                }
                handler = self::handler(&model);
                note(&model, "mpm_event:notice", "AH00493: SIGUSR1 received. Doing graceful restart");
            }
        }
        for at in ready.into_iter().filter(|at| *at > 0) {
            if let Ok((stream, _)) = ports[at - 1].accept() {
                http::begin(stream, &handler, &connections);
            }
        }
    }
}

fn bind(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind(("0.0.0.0", port)).map_err(|error| {
        let why = reason(&error);
        Failure::new(
            1,
            format_args!("({}){why}: AH00072: make_sock: could not bind to address 0.0.0.0:{port}", error.raw_os_error().unwrap_or(0)),
        )
    })
}

fn handler(model: &Model) -> Arc<dyn Handler> {
    Arc::new(Site { access: append(&model.access), model: model.clone() })
}

impl Handler for Site {
    fn answer(&self, request: &Request) -> Response {
        let path = request.path();
        let response = match files::find(&self.model.root, &path, &self.model.index, request) {
            _ if !["GET", "HEAD", "POST"].contains(&request.method.as_str()) => page(405),
            Found::File(response) => response,
            Found::Folder => page(301).with("Location", format!("http://{}{path}/", request.header("host").unwrap_or("localhost"))),
            Found::NoIndex | Found::Forbidden => page(403),
            Found::Missing => page(404),
        };
        response.with("Server", server())
    }

    fn note(&self, request: &Request, response: &Response, sent: usize) {
        let time = jiff::Zoned::now().strftime("%d/%b/%Y:%H:%M:%S %z");
        let sent = if sent == 0 { "-".to_owned() } else { sent.to_string() };
        let line = format!("{} - - [{time}] \"{}\" {} {sent}\n", request.peer.ip(), request.line(), response.status);
        self.access.as_ref().map(|mut file| file.write_all(line.as_bytes()));
    }
}

fn page(status: u16) -> Response {
    let title = phrase(status);
    Response::new(
        status,
        "text/html; charset=iso-8859-1",
        format!("<html><head>\n<title>{status} {title}</title>\n</head><body>\n<h1>{title}</h1>\n</body></html>\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_that_is_not_known_is_an_error_with_its_line() {
        let model = parse("# c\nListen 8080\nDocumentRoot \"/srv/a b\"\nServerName x\n").unwrap();
        assert_eq!((model.ports, model.root, model.name), (vec![8080], PathBuf::from("/srv/a b"), Some("x".to_owned())));
        assert_eq!(parse("Listen 80\nLoadModule x y\n").unwrap_err().0, 2);
        assert_eq!(parse("Listen x\n").unwrap_err(), (1, "Port must be specified: x".to_owned()));
        assert!(parse("").is_err());
    }
}
