//! What the directives mean: servers, their locations, where they log. A directive that is not known here is an error, as with nginx; one that only
//! tunes speed is taken and does nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::config::{Directive, Mistake};

/// A whole configuration.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Who the workers are.
    pub user: String,
    /// How many workers.
    pub workers: usize,
    /// Whether the master goes to the background.
    pub daemon: bool,
    /// Where its number is noted.
    pub pid: PathBuf,
    /// The file of the error log.
    pub error_log: String,
    /// The formats of access logs.
    pub formats: BTreeMap<String, String>,
    /// Groups of servers behind one name.
    pub upstreams: BTreeMap<String, Vec<String>>,
    /// The servers.
    pub servers: Vec<Server>,
}

/// A `server` block.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Its names.
    pub names: Vec<String>,
    /// What holds in it and in its locations unless they say otherwise.
    pub settings: Settings,
    /// The locations.
    pub locations: Vec<Location>,
}

/// A `listen` directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The address and the port.
    pub at: SocketAddr,
    /// Who asks for no name that is known there is answered by this server.
    pub is_default: bool,
    /// An address of IPv6 that takes connections of IPv4 too (`ipv6only=off`).
    pub both: bool,
}

impl Model {
    /// The addresses to bind: one that lies in another (127.0.0.1:80 in *:80) needs no socket of its own, as with nginx.
    pub fn sockets(&self) -> Vec<Listen> {
        let all: Vec<Listen> = self.servers.iter().flat_map(|server| server.listen.iter().copied()).collect();
        let mut own: Vec<Listen> = Vec::new();
        for one in &all {
            let within = |other: &&Listen| {
                let all_of_its_kind = other.at.ip().is_unspecified() && other.at.is_ipv6() == one.at.is_ipv6();
                other.at != one.at && other.at.port() == one.at.port() && (all_of_its_kind || other.both && one.at.is_ipv4())
            };
            if !all.iter().any(|other| within(&other)) && own.iter().all(|other| other.at != one.at) {
                own.push(*one);
            }
        }
        own
    }
}

/// A `location` block.
#[derive(Debug, Clone)]
pub struct Location {
    /// `=`, `^~`, `~`, `~*`, or nothing.
    pub modifier: String,
    /// The path or the expression.
    pub pattern: String,
    /// What holds in it.
    pub settings: Settings,
}

/// What can be said on every level and is inherited.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where files lie.
    pub root: Option<PathBuf>,
    /// As `root`, with the location's own path cut off.
    pub alias: Option<PathBuf>,
    /// The files of a folder.
    pub index: Option<Vec<String>>,
    /// `return`: the status, and a text or an address.
    pub answer: Option<(u16, String)>,
    /// Where requests are passed to: `http://name:port/path`.
    pub proxy: Option<String>,
    /// The fields that are passed on in place of others.
    pub proxy_headers: Vec<(String, String)>,
    /// Statuses and the page for them.
    pub error_pages: Vec<(u16, String)>,
    /// Fields that are added.
    pub headers: Vec<(String, String)>,
    /// `try_files`.
    pub try_files: Option<Vec<String>>,
    /// File and format of the access log; an empty file is `off`.
    pub access_log: Option<(String, String)>,
}

/// Where a directive may stand.
const MAIN: u8 = 1;
const HTTP: u8 = 2;
const SERVER: u8 = 4;
const LOCATION: u8 = 8;
const EVENTS: u8 = 16;
const UPSTREAM: u8 = 32;
const ANY: u8 = HTTP | SERVER | LOCATION;

/// Name, places, fewest and most arguments.
type Known = (&'static str, u8, usize, usize);

#[rustfmt::skip]
const KNOWN: &[Known] = &[
    ("user", MAIN, 1, 2), ("worker_processes", MAIN, 1, 1), ("daemon", MAIN, 1, 1), ("pid", MAIN, 1, 1), ("error_log", MAIN | ANY, 1, 2),
    ("events", MAIN, 0, 0), ("http", MAIN, 0, 0), ("worker_rlimit_nofile", MAIN, 1, 1), ("master_process", MAIN, 1, 1),
    ("worker_connections", EVENTS, 1, 1), ("multi_accept", EVENTS, 1, 1), ("use", EVENTS, 1, 1),
    ("server", HTTP, 0, 0), ("upstream", HTTP, 1, 1), ("location", SERVER | LOCATION, 1, 2), ("types", ANY, 0, 0),
    ("listen", SERVER, 1, 9), ("server_name", SERVER, 1, 99), ("root", ANY, 1, 1), ("alias", LOCATION, 1, 1), ("index", ANY, 1, 99),
    ("return", SERVER | LOCATION, 1, 2), ("proxy_pass", LOCATION, 1, 1), ("proxy_set_header", ANY, 2, 2), ("error_page", ANY, 2, 99),
    ("add_header", ANY, 2, 3), ("try_files", SERVER | LOCATION, 2, 99), ("access_log", ANY, 1, 5), ("log_format", HTTP, 2, 99),
    // Taken, and without an effect here.
    ("default_type", ANY, 1, 1), ("sendfile", ANY, 1, 1), ("tcp_nopush", ANY, 1, 1), ("tcp_nodelay", ANY, 1, 1), ("keepalive_timeout", ANY, 1, 2),
    ("types_hash_max_size", ANY, 1, 1), ("server_tokens", ANY, 1, 1), ("gzip", ANY, 1, 1), ("gzip_types", ANY, 1, 99), ("charset", ANY, 1, 1),
    ("client_max_body_size", ANY, 1, 1), ("proxy_http_version", ANY, 1, 1), ("proxy_buffering", ANY, 1, 1), ("proxy_read_timeout", ANY, 1, 1),
    ("proxy_connect_timeout", ANY, 1, 1), ("proxy_send_timeout", ANY, 1, 1), ("proxy_redirect", ANY, 1, 2), ("proxy_cache_bypass", ANY, 1, 9),
    ("server_names_hash_bucket_size", HTTP, 1, 1), ("expires", ANY, 1, 2), ("keepalive", UPSTREAM, 1, 1),
];

/// Reads a configuration's directives; `more` are those of `-g`.
///
/// # Errors
/// The first mistake in nginx's words.
pub fn model(directives: &[Directive], more: &[Directive]) -> Result<Model, Mistake> {
    let mut model =
        Model { workers: 1, daemon: true, pid: "/run/nginx.pid".into(), error_log: "/var/log/nginx/error.log".into(), ..Model::default() };
    model.user.push_str("nobody");
    model.formats.insert("combined".to_owned(), COMBINED.to_owned());
    for directive in more.iter().chain(directives) {
        check(directive, MAIN)?;
        match directive.name.as_str() {
            "user" => directive.first().clone_into(&mut model.user),
            // `auto` means one for each processor; a teaching server has enough of two.
            "worker_processes" => model.workers = directive.first().parse().unwrap_or(2).clamp(1, 8),
            "daemon" => model.daemon = directive.first() != "off",
            "pid" => model.pid = directive.first().into(),
            "error_log" => directive.first().clone_into(&mut model.error_log),
            "events" => block(directive).iter().try_for_each(|inner| check(inner, EVENTS))?,
            "http" => http(&mut model, block(directive))?,
            _ => {}
        }
    }
    Ok(model)
}

/// The format that access logs have if nobody says otherwise.
const COMBINED: &str =
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

fn block(directive: &Directive) -> &[Directive] {
    directive.block.as_deref().unwrap_or_default()
}

/// Whether the directive exists, may stand here, and has as many arguments as it needs.
fn check(directive: &Directive, here: u8) -> Result<(), Mistake> {
    let (name, place) = (&directive.name, &directive.place);
    // `server` means another thing in an upstream.
    if name == "server" && here == UPSTREAM {
        return Ok(());
    }
    let (_, places, fewest, most) = KNOWN.iter().find(|known| known.0 == name).ok_or(format!("unknown directive \"{name}\" in {place}"))?;
    if places & here == 0 {
        return Err(format!("\"{name}\" directive is not allowed here in {place}"));
    }
    if !(*fewest..=*most).contains(&directive.arguments.len()) {
        return Err(format!("invalid number of arguments in \"{name}\" directive in {place}"));
    }
    let opens = ["events", "http", "server", "upstream", "location", "types"].contains(&name.as_str());
    match (opens, directive.block.is_some()) {
        (true, false) => Err(format!("directive \"{name}\" has no opening \"{{\" in {place}")),
        (false, true) => Err(format!("directive \"{name}\" is not terminated by \";\" in {place}")),
        _ => Ok(()),
    }
}

fn http(model: &mut Model, directives: &[Directive]) -> Result<(), Mistake> {
    let mut settings = Settings::default();
    // nginx reads settings of the http block for all servers, wherever they stand in it.
    for directive in directives {
        check(directive, HTTP)?;
        match directive.name.as_str() {
            "log_format" => {
                model.formats.insert(directive.first().to_owned(), directive.arguments[1..].concat());
            }
            "upstream" => {
                block(directive).iter().try_for_each(|inner| check(inner, UPSTREAM))?;
                let servers = block(directive).iter().filter(|inner| inner.name == "server").map(|inner| inner.first().to_owned());
                model.upstreams.insert(directive.first().to_owned(), servers.collect());
            }
            _ => set(&mut settings, directive)?,
        }
    }
    for directive in directives.iter().filter(|directive| directive.name == "server") {
        let server = server(directive, &settings, model)?;
        model.servers.push(server);
    }
    Ok(())
}

fn server(directive: &Directive, inherited: &Settings, model: &Model) -> Result<Server, Mistake> {
    let mut server = Server { settings: inherited.clone(), ..Server::default() };
    for inner in block(directive) {
        check(inner, SERVER)?;
        match inner.name.as_str() {
            "listen" => server.listen.extend(listen(inner)?),
            "server_name" => server.names.extend(inner.arguments.iter().cloned()),
            _ => set(&mut server.settings, inner)?,
        }
    }
    if server.listen.is_empty() {
        server.listen.push(Listen { at: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80)), is_default: false, both: false });
    }
    let settings = server.settings.clone();
    for inner in block(directive).iter().filter(|inner| inner.name == "location") {
        location(inner, &settings, model, &mut server.locations)?;
    }
    Ok(server)
}

/// `80`, `*:80`, `127.0.0.1:80`, `localhost:80`, `[::]:80`; without a port it is 80.
fn listen(directive: &Directive) -> Result<Vec<Listen>, Mistake> {
    let text = directive.first();
    let is_default = directive.arguments.iter().any(|word| word == "default_server");
    if directive.arguments.iter().any(|word| word == "ssl" || word == "quic") {
        return Err(format!("the \"ssl\" parameter requires TLS, which this stand-in of nginx does not have in {}", directive.place));
    }
    let both = directive.arguments.iter().any(|word| word == "ipv6only=off");
    let place = &directive.place;
    if let Ok(port) = text.parse::<u16>() {
        return Ok(vec![Listen { at: SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), is_default, both: false }]);
    }
    // The colons of an address of IPv6 stand in brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse().map_err(|_| format!("invalid port in \"{text}\" of the \"listen\" directive in {place}"))?)
        }
        _ => (text, 80),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let addresses: Vec<IpAddr> = match inner {
        Some(six) => six.parse::<std::net::Ipv6Addr>().map(|six| vec![six.into()]).unwrap_or_default(),
        None if host == "*" => vec![Ipv4Addr::UNSPECIFIED.into()],
        None => match host.parse::<Ipv4Addr>() {
            Ok(four) => vec![four.into()],
            Err(_) => crate::toolbox::resolver::Resolver::system().addresses(host).unwrap_or_default(),
        },
    };
    if addresses.is_empty() {
        return Err(format!("host not found in \"{text}\" of the \"listen\" directive in {place}"));
    }
    Ok(addresses.into_iter().map(|address| Listen { at: SocketAddr::new(address, port), is_default, both }).collect())
}

fn location(directive: &Directive, inherited: &Settings, model: &Model, all: &mut Vec<Location>) -> Result<(), Mistake> {
    let (modifier, pattern) = match directive.arguments.as_slice() {
        [pattern] => (String::new(), pattern.clone()),
        [modifier, pattern] if ["=", "^~", "~", "~*"].contains(&modifier.as_str()) => (modifier.clone(), pattern.clone()),
        _ => return Err(format!("invalid location modifier \"{}\" in {}", directive.first(), directive.place)),
    };
    if modifier.starts_with('~') && regex_lite::Regex::new(&pattern).is_err() {
        return Err(format!("regular expression \"{pattern}\" failed in {}", directive.place));
    }
    // What a request is answered with is said for one place; it is not handed down.
    let mut settings = Settings { answer: None, proxy: None, alias: None, try_files: None, ..inherited.clone() };
    for inner in block(directive) {
        check(inner, LOCATION)?;
        if inner.name == "proxy_pass" {
            upstream_exists(inner, model)?;
        }
        if inner.name != "location" {
            set(&mut settings, inner)?;
        }
    }
    for inner in block(directive).iter().filter(|inner| inner.name == "location") {
        location(inner, &settings, model, all)?;
    }
    all.push(Location { modifier, pattern, settings });
    Ok(())
}

/// nginx looks names up when it starts, and does not start if one is not there.
fn upstream_exists(directive: &Directive, model: &Model) -> Result<(), Mistake> {
    let address = directive.first();
    let Some(rest) = address.strip_prefix("http://") else { return Err(format!("invalid URL prefix in {}", directive.place)) };
    let host = rest.split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if host.contains('$') || model.upstreams.contains_key(host) {
        return Ok(());
    }
    let known = crate::toolbox::resolver::Resolver::system().addresses(name);
    known.map(drop).map_err(|_| format!("host not found in upstream \"{name}\" in {}", directive.place))
}

fn set(settings: &mut Settings, directive: &Directive) -> Result<(), Mistake> {
    let pair = || (directive.first().to_owned(), directive.arguments.get(1).cloned().unwrap_or_default());
    match directive.name.as_str() {
        "root" => settings.root = Some(directive.first().into()),
        "alias" => settings.alias = Some(directive.first().into()),
        "index" => settings.index = Some(directive.arguments.clone()),
        "return" => settings.answer = Some(answer(directive)?),
        "proxy_pass" => settings.proxy = Some(directive.first().to_owned()),
        "proxy_set_header" => settings.proxy_headers.push(pair()),
        "add_header" => settings.headers.push(pair()),
        "try_files" => settings.try_files = Some(directive.arguments.clone()),
        "access_log" => {
            let (file, format) = pair();
            let format = if format.is_empty() || format.contains('=') { "combined".to_owned() } else { format };
            settings.access_log = Some((if file == "off" { String::new() } else { file }, format));
        }
        "error_page" => {
            let (page, codes) = directive.arguments.split_last().map_or((String::new(), &[][..]), |(page, codes)| (page.clone(), codes));
            for code in codes.iter().filter(|code| !code.starts_with('=')) {
                let code = code.parse().map_err(|_| format!("invalid value \"{code}\" in {}", directive.place))?;
                settings.error_pages.retain(|(known, _)| *known != code);
                settings.error_pages.push((code, page.clone()));
            }
        }
        _ => {}
    }
    Ok(())
}

fn answer(directive: &Directive) -> Result<(u16, String), Mistake> {
    let text = directive.arguments.get(1).cloned().unwrap_or_default();
    match directive.first().parse() {
        Ok(status) => Ok((status, text)),
        Err(_) if directive.first().starts_with("http") && text.is_empty() => Ok((302, directive.first().to_owned())),
        Err(_) => Err(format!("invalid return code \"{}\" in {}", directive.first(), directive.place)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::config;
    use super::*;

    fn read(text: &str) -> Result<Model, Mistake> {
        model(&config::parse(text, std::path::Path::new("/n"), 0)?, &config::parse("daemon off;", std::path::Path::new("-g"), 0)?)
    }

    #[test]
    fn settings_are_inherited_and_answers_are_not() {
        let text = "http { root /a; server { listen 8080 default_server; server_name x y; return 204; location / { index i; } location = /b { root /b; return 301 /c; } } }";
        let model = read(text).unwrap();
        let server = &model.servers[0];
        let everywhere = Listen { at: "0.0.0.0:8080".parse().unwrap(), is_default: true, both: false };
        assert!(!model.daemon && server.listen == [everywhere] && server.names == ["x", "y"]);
        assert_eq!(server.locations[0].settings.root, Some("/a".into()));
        assert_eq!(server.locations[0].settings.answer, None);
        assert_eq!(server.locations[1].settings.answer, Some((301, "/c".to_owned())));
    }

    #[test]
    fn a_server_listens_where_it_is_told_to() {
        let shown = |listen: &str| {
            let model = read(&format!("http {{ server {{ {listen} }} }}")).unwrap();
            let sockets: Vec<String> = model.sockets().iter().map(|one| one.at.to_string()).collect();
            sockets.join(" ")
        };
        for (listen, wanted) in [
            ("", "0.0.0.0:80"),
            ("listen 8080;", "0.0.0.0:8080"),
            ("listen *:8080;", "0.0.0.0:8080"),
            ("listen 127.0.0.1;", "127.0.0.1:80"),
            ("listen 127.0.0.1:8080;", "127.0.0.1:8080"),
            ("listen [::1];", "[::1]:80"),
            ("listen [::]:80; listen 80;", "[::]:80 0.0.0.0:80"),
            // What is in another one needs no socket.
            ("listen 127.0.0.1:80; listen 80; listen 127.0.0.1:81;", "0.0.0.0:80 127.0.0.1:81"),
            ("listen [::]:80 ipv6only=off; listen 80;", "[::]:80"),
        ] {
            assert_eq!(shown(listen), wanted, "{listen}");
        }
    }

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        for (text, mistake) in [
            ("http {\n foo;\n}", "unknown directive \"foo\" in /n:2"),
            ("listen 80;", "\"listen\" directive is not allowed here in /n:1"),
            ("http { server { listen; } }", "invalid number of arguments in \"listen\" directive in /n:1"),
            ("http { server { listen [x]; } }", "host not found in \"[x]\" of the \"listen\" directive in /n:1"),
            ("http { server { listen 127.0.0.1:x; } }", "invalid port in \"127.0.0.1:x\" of the \"listen\" directive in /n:1"),
            ("http;", "directive \"http\" has no opening \"{\" in /n:1"),
            ("http { server { return abc; } }", "invalid return code \"abc\" in /n:1"),
            ("http { server { location / { proxy_pass backend; } } }", "invalid URL prefix in /n:1"),
            ("http { server { location ~ ( { } } }", "regular expression \"(\" failed in /n:1"),
        ] {
            assert_eq!(read(text).unwrap_err(), mistake, "{text}");
        }
    }
}
