//! One request: which server, which location, what is answered, what is logged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::VERSION;
use super::model::{Location, Model, Server, Settings};
use crate::toolbox::http::files::{self, Found};
use crate::toolbox::http::{Handler, Request, Response, client, phrase};

/// Redirects inside of one request (error pages, tried files): more is a circle.
const DEEPEST: u32 = 10;

/// What a worker answers at one address and port.
pub struct Port {
    model: Arc<Model>,
    at: SocketAddr,
    logs: Arc<Logs>,
}

/// The open logs of a worker.
#[derive(Default)]
pub struct Logs {
    files: BTreeMap<String, File>,
    error: Option<File>,
    next: AtomicUsize,
}

impl Logs {
    /// Opens all logs that the model names. A worker does it before it stops being root.
    pub fn open(model: &Model) -> Logs {
        let settings = model
            .servers
            .iter()
            .flat_map(|server| std::iter::once(&server.settings).chain(server.locations.iter().map(|location| &location.settings)));
        let named = settings.filter_map(|settings| settings.access_log.as_ref()).map(|(file, _)| file.clone());
        let names = named.filter(|file| !file.is_empty()).chain([USUAL_LOG.to_owned()]);
        Logs {
            files: names.filter_map(|name| Some((name.clone(), append(&name)?))).collect(),
            error: append(&model.error_log),
            next: AtomicUsize::new(0),
        }
    }

    fn access(&self, file: &str, line: &str) {
        self.files.get(file).map(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }

    /// A line of the error log: time, level, process.
    pub fn error(&self, level: &str, text: &str) {
        self.error.as_ref().map(|mut file| file.write_all(super::log_line(level, text).as_bytes()));
    }
}

/// The access log if nobody says otherwise.
const USUAL_LOG: &str = "/var/log/nginx/access.log";

/// Opens a log for writing at its end.
pub fn append(path: &str) -> Option<File> {
    let path = if path == "stderr" { "/dev/stderr" } else { path };
    std::fs::OpenOptions::new().append(true).create(true).open(path).ok()
}

impl Port {
    /// What answers at `at`.
    pub fn new(model: Arc<Model>, at: SocketAddr, logs: Arc<Logs>) -> Self {
        Port { model, at, logs }
    }

    /// The server for the request's host; the default there otherwise.
    fn server(&self, request: &Request) -> Option<&Server> {
        let here: Vec<&Server> = self.model.servers.iter().filter(|server| server.listen.iter().any(|one| one.at == self.at)).collect();
        let host = request.header("host").unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let named = |server: &&&Server| server.names.iter().any(|name| matches(name, host));
        let default = |server: &&&Server| server.listen.iter().any(|one| one.at == self.at && one.is_default);
        here.iter().find(named).or_else(|| here.iter().find(default)).or(here.first()).copied()
    }

    fn serve(&self, server: &Server, request: &Request, path: &str, depth: u32) -> Response {
        if depth > DEEPEST {
            return self.failed(server, &server.settings, request, 500, depth);
        }
        let location = choose(&server.locations, path);
        let settings = location.map_or(&server.settings, |location| &location.settings);
        if let Some((status, text)) = server.settings.answer.as_ref().or(settings.answer.as_ref()) {
            let text = expand(text, request, server, *status, 0);
            return match status {
                301 | 302 | 303 | 307 | 308 => plain(*status).with("Location", absolute(&text, request)),
                _ if text.is_empty() => self.failed(server, settings, request, *status, depth),
                _ => Response::new(*status, "text/plain", text),
            };
        }
        if let Some(address) = &settings.proxy {
            return self.passed(server, location, settings, request, address, depth);
        }
        if let Some(tried) = &settings.try_files {
            return self.tried(server, location, settings, request, path, tried, depth);
        }
        if request.method != "GET" && request.method != "HEAD" {
            return self.failed(server, settings, request, 405, depth);
        }
        match self.look(location, settings, request, path) {
            Found::File(response) => response,
            Found::Folder => plain(301).with("Location", absolute(&format!("{path}/"), request)),
            found => {
                let status = if matches!(found, Found::Missing) { 404 } else { 403 };
                self.complain(&found, server, location, settings, request, path);
                self.failed(server, settings, request, status, depth)
            }
        }
    }

    fn look(&self, location: Option<&Location>, settings: &Settings, request: &Request, path: &str) -> Found {
        let usual = ["index.html".to_owned()];
        let index = settings.index.as_deref().unwrap_or(&usual);
        let (folder, inner) = place(location, settings, path);
        files::find(&folder, &inner, index, request)
    }

    fn complain(&self, found: &Found, server: &Server, location: Option<&Location>, settings: &Settings, request: &Request, path: &str) {
        let (folder, inner) = place(location, settings, path);
        let shown = format!("{}/{}", folder.display(), inner.trim_start_matches('/'));
        let what = match found {
            Found::NoIndex => format!("directory index of \"{shown}\" is forbidden"),
            Found::Forbidden => format!("open() \"{shown}\" failed (13: Permission denied)"),
            _ => format!("open() \"{shown}\" failed (2: No such file or directory)"),
        };
        let number = self.logs.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.logs.error("error", &format!("*{number} {what}, {}", about(server, request)));
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    fn tried(
        &self,
        server: &Server,
        location: Option<&Location>,
        settings: &Settings,
        request: &Request,
        path: &str,
        tried: &[String],
        depth: u32,
    ) -> Response {
        let Some((last, candidates)) = tried.split_last() else { return self.failed(server, settings, request, 500, depth) };
        for candidate in candidates {
            let candidate = expand(candidate, request, server, 200, 0).replace("//", "/");
            if let Found::File(response) = self.look(location, settings, request, &candidate) {
                return response;
            }
        }
        match last.strip_prefix('=').and_then(|code| code.parse().ok()) {
            Some(code) => self.failed(server, settings, request, code, depth),
            None => {
                let target = expand(last, request, server, 200, 0);
                let target = target.split('?').next().unwrap_or_default();
                if target == path {
                    self.failed(server, settings, request, 500, depth)
                } else {
                    self.serve(server, request, target, depth + 1)
                }
            }
        }
    }

    fn passed(
        &self,
        server: &Server,
        location: Option<&Location>,
        settings: &Settings,
        request: &Request,
        address: &str,
        depth: u32,
    ) -> Response {
        let address = expand(address, request, server, 200, 0);
        let rest = address.strip_prefix("http://").unwrap_or(&address);
        let (host, path) = rest.find('/').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
        let mut passed = request.clone();
        // A path in the address takes the place of the location's own.
        if let (Some(path), Some(location)) = (path, location) {
            passed.target = format!("{path}{}", request.target.strip_prefix(location.pattern.as_str()).unwrap_or_default());
        }
        passed.headers.retain(|(name, _)| {
            !["connection", "host", "content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str())
        });
        let own = settings.proxy_headers.iter().map(|(name, value)| (name.clone(), expand(value, request, server, 200, 0)));
        for (name, value) in std::iter::once(("Host".to_owned(), host.to_owned())).chain(own) {
            passed.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            // An empty value takes a field away; how long connections live is between us and the other server.
            if !value.is_empty() && !["connection", "upgrade"].contains(&name.to_ascii_lowercase().as_str()) {
                passed.headers.push((name, value));
            }
        }
        let turn = self.logs.next.fetch_add(1, Ordering::Relaxed);
        let group = self.model.upstreams.get(host).filter(|group| !group.is_empty());
        let targets: Vec<&str> = match group {
            // Each request begins with the next server of the group; one that does not answer is passed over.
            Some(group) => (0..group.len()).map(|at| group[(turn + at) % group.len()].as_str()).collect(),
            None => vec![host],
        };
        for target in targets {
            match client::exchange(target, &passed, Duration::from_secs(60)) {
                Ok(mut answer) => {
                    answer.headers.retain(|(name, _)| {
                        !["connection", "content-length", "transfer-encoding", "server", "date"]
                            .contains(&name.to_ascii_lowercase().as_str())
                    });
                    return answer;
                }
                Err(error) => {
                    let why = crate::toolbox::failure::reason(&error);
                    self.logs.error(
                        "error",
                        &format!(
                            "*{} connect() failed ({why}) while connecting to upstream, {}, upstream: \"http://{target}{}\"",
                            turn + 1,
                            about(server, request),
                            passed.target
                        ),
                    );
                }
            }
        }
        self.failed(server, settings, request, 502, depth)
    }

    /// The page of an error: the configured one, or nginx's own shape.
    fn failed(&self, server: &Server, settings: &Settings, request: &Request, status: u16, depth: u32) -> Response {
        let page = settings.error_pages.iter().find(|(code, _)| *code == status).map(|(_, page)| page.clone());
        if let Some(page) = page.filter(|_| depth <= DEEPEST) {
            if page.starts_with("http") {
                return plain(302).with("Location", page);
            }
            let asked = Request { method: "GET".to_owned(), headers: Vec::new(), ..request.clone() };
            let inner = self.serve(server, &asked, &page, depth + DEEPEST);
            if inner.status == 200 {
                return Response { status, ..inner };
            }
        }
        plain(status)
    }
}

impl Handler for Port {
    fn answer(&self, request: &Request) -> Response {
        let Some(server) = self.server(request) else { return plain(404) };
        let path = request.path();
        let response = if path.starts_with('/') { self.serve(server, request, &path, 0) } else { plain(400) };
        let settings = choose(&server.locations, &path).map_or(&server.settings, |location| &location.settings);
        let response =
            Response { headers: [vec![("Server".to_owned(), format!("nginx/{}", version()))], response.headers].concat(), ..response };
        settings.headers.iter().fold(response, |response, (name, value)| {
            let value = expand(value, request, server, response.status, 0);
            response.with(name, value)
        })
    }

    fn note(&self, request: &Request, response: &Response, sent: usize) {
        let Some(server) = self.server(request) else { return };
        let settings = choose(&server.locations, &request.path()).map_or(&server.settings, |location| &location.settings);
        let usual = (USUAL_LOG.to_owned(), "combined".to_owned());
        let (file, format) = settings.access_log.as_ref().unwrap_or(&usual);
        if let (false, Some(format)) = (file.is_empty(), self.model.formats.get(format)) {
            self.logs.access(file, &expand(format, request, server, response.status, sent));
        }
    }
}

/// The version of the image; a server outside of one has our own.
pub fn version() -> String {
    std::env::var("NGINX_VERSION").unwrap_or_else(|_| VERSION.to_owned())
}

fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(end) => host.len() > end.len() && host.to_ascii_lowercase().ends_with(&format!(".{end}")),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

/// nginx's order: `=`, the longest prefix if it is `^~`, the first expression, the longest prefix.
fn choose<'a>(locations: &'a [Location], path: &str) -> Option<&'a Location> {
    let of = |modifier: &'static str| locations.iter().filter(move |location| location.modifier == modifier);
    if let Some(exact) = of("=").find(|location| location.pattern == path) {
        return Some(exact);
    }
    let prefixes =
        locations.iter().filter(|location| ["", "^~"].contains(&location.modifier.as_str()) && path.starts_with(&location.pattern));
    let longest = prefixes.max_by_key(|location| location.pattern.len());
    if longest.is_some_and(|location| location.modifier == "^~") {
        return longest;
    }
    let fits = |location: &&Location| {
        let pattern = if location.modifier == "~*" { format!("(?i){}", location.pattern) } else { location.pattern.clone() };
        location.modifier.starts_with('~') && regex_lite::Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(path))
    };
    locations.iter().find(fits).or(longest)
}

/// The folder and the path in it.
fn place(location: Option<&Location>, settings: &Settings, path: &str) -> (PathBuf, String) {
    match (&settings.alias, location) {
        (Some(alias), Some(location)) => {
            (alias.clone(), format!("/{}", path.strip_prefix(location.pattern.as_str()).unwrap_or(path).trim_start_matches('/')))
        }
        _ => (settings.root.clone().unwrap_or_else(|| "/etc/nginx/html".into()), path.to_owned()),
    }
}

fn absolute(target: &str, request: &Request) -> String {
    match (target.starts_with('/'), request.header("host")) {
        (true, Some(host)) => format!("http://{host}{target}"),
        _ => target.to_owned(),
    }
}

/// The short page that says a status.
fn plain(status: u16) -> Response {
    let title = format!("{status} {}", phrase(status));
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx/{}</center>\r\n</body>\r\n</html>\r\n",
        version()
    );
    Response::new(status, "text/html", page)
}

fn about(server: &Server, request: &Request) -> String {
    let name = server.names.first().map_or("", String::as_str);
    let host = request.header("host").unwrap_or_default();
    format!("client: {}, server: {name}, request: \"{}\", host: \"{host}\"", request.peer.ip(), request.line())
}

/// Puts the values of variables into a text.
fn expand(text: &str, request: &Request, server: &Server, status: u16, sent: usize) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        told.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, behind) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, behind)) => (name, behind),
            None => after.split_at(after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(after.len())),
        };
        told.push_str(&variable(name, request, server, status, sent));
        rest = behind;
    }
    told + rest
}

fn variable(name: &str, request: &Request, server: &Server, status: u16, sent: usize) -> String {
    let field = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let peer = request.peer.ip().to_string();
    let dash = |value: String| if value.is_empty() { "-".to_owned() } else { value };
    match name {
        "remote_addr" => peer,
        "remote_port" => request.peer.port().to_string(),
        "remote_user" => "-".to_owned(),
        "time_local" => jiff::Zoned::now().strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
        "request" => request.line(),
        "request_method" => request.method.clone(),
        "request_uri" => request.target.clone(),
        "uri" | "document_uri" => request.path(),
        "args" | "query_string" => request.target.split_once('?').map(|(_, args)| args.to_owned()).unwrap_or_default(),
        "is_args" => if request.target.contains('?') { "?" } else { "" }.to_owned(),
        "status" => status.to_string(),
        "body_bytes_sent" => sent.to_string(),
        "scheme" => "http".to_owned(),
        "server_protocol" => request.version.clone(),
        "server_name" => server.names.first().cloned().unwrap_or_default(),
        "server_port" => server.listen.first().map(|one| one.at.port().to_string()).unwrap_or_default(),
        "hostname" => hostname(),
        "nginx_version" => version(),
        "http_host" => field("host"),
        "host" => {
            let host = field("host");
            host.rsplit_once(':').map_or(host.clone(), |(name, _)| name.to_owned())
        }
        "proxy_add_x_forwarded_for" => match field("x-forwarded-for") {
            known if known.is_empty() => peer,
            known => format!("{known}, {peer}"),
        },
        _ => match name.strip_prefix("http_") {
            Some(name) => dash(field(&name.replace('_', "-"))),
            None => String::new(),
        },
    }
}

/// The name of this host, as the kernel has it.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}
