//! What asks a registry through the engine: pull, push, login, logout, search.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use super::api::Ask;
use super::failure::{Failure, Result};
use super::images::in_path;
use super::line::Given;
use super::stream::{self, interactive};
use super::table::{self, Row};
use super::verb::{FORMAT, Kind, Takes, VERB, Verb, long, short};
use super::{Session, say, warn};
use crate::kernel::pty;
use crate::oci::distribution::client::credentials::{Credentials, HUB_KEY, Login};
use crate::oci::image::spec::Platform;
use crate::oci::reference::{HUB, Reference};

/// Its commands.
pub const VERBS: &[Verb] = &[
    Verb {
        path: "image pull",
        signed: true,
        also: &["pull"],
        usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
        about: "Bring an image from a registry",
        takes: Takes::Exactly(1),
        flags: &[
            short('a', "all-tags", Kind::Switch, "All tags of the repository"),
            long("disable-content-trust", Kind::On, "Pull without asking for signatures, whatever DOCKER_CONTENT_TRUST says"),
            long("platform", Kind::Text, "The image for this platform: os/arch[/variant]"),
            short('q', "quiet", Kind::Switch, "Print the full name and nothing else"),
        ],
        run: pull,
        ..VERB
    },
    Verb {
        path: "image push",
        signed: true,
        also: &["push"],
        usage: "[OPTIONS] NAME[:TAG]",
        about: "Send an image to a registry",
        takes: Takes::Exactly(1),
        flags: &[
            short('a', "all-tags", Kind::Switch, "All tags of the repository that are here"),
            long("disable-content-trust", Kind::On, "Push without signing, whatever DOCKER_CONTENT_TRUST says"),
            long("platform", Kind::Text, "Only the image for this platform: os/arch[/variant]"),
            short('q', "quiet", Kind::Switch, "Print the full name and nothing else"),
        ],
        run: push,
        ..VERB
    },
    Verb {
        path: "login",
        usage: "[OPTIONS] [SERVER]",
        about: "Keep a name and password for a registry, if it takes them",
        more: "Without a server it is Docker Hub.",
        takes: Takes::AtMost(1),
        flags: &[
            short('p', "password", Kind::Text, "The password; others can see it on the command line"),
            long("password-stdin", Kind::Switch, "Read the password from standard input"),
            short('u', "username", Kind::Text, "The name"),
        ],
        run: login,
        ..VERB
    },
    Verb {
        path: "logout",
        usage: "[SERVER]",
        about: "Forget the password for a registry",
        more: "Without a server it is Docker Hub.",
        takes: Takes::AtMost(1),
        run: logout,
        ..VERB
    },
    Verb {
        path: "search",
        usage: "[OPTIONS] TERM",
        about: "Look for repositories at Docker Hub",
        takes: Takes::Exactly(1),
        flags: &[
            short('f', "filter", Kind::Filter, "Only some: is-official=true, stars=NUMBER"),
            FORMAT,
            long("limit", Kind::Int, "As many at most"),
            long("no-trunc", Kind::Switch, "Descriptions in full"),
        ],
        run: search,
        ..VERB
    },
];

/// A platform as the API takes it: JSON.
///
/// # Errors
/// It is none.
pub fn platform(text: &str) -> Result<String> {
    let platform = Platform::read(text).ok_or_else(|| Failure::new(format!("{text:?}: use os/arch[/variant]")))?;
    Ok(json!(platform).to_string())
}

/// Who we are at a registry, for the header of a request; none: nobody in particular.
pub fn account(host: &str) -> Option<String> {
    // Settings that cannot be read are said where they matter: at login.
    let login = Credentials::usual()?.get(host).ok()??;
    let server = if host == HUB { HUB_KEY } else { host };
    Some(encoded(&json!({"username": login.name, "password": login.password, "serveraddress": server})))
}

fn encoded(document: &Value) -> String {
    URL_SAFE.encode(document.to_string())
}

fn named(text: &str) -> Result<Reference> {
    text.parse().map_err(|error: crate::oci::reference::NoReference| Failure::new(error.to_string()))
}

/// Brings an image, and draws it on standard output or on standard error.
///
/// # Errors
/// The engine or the registry says no.
pub fn bring(session: &Session, name: &Reference, wanted: Option<&str>, show: Show) -> Result {
    let mut answer = session.api()?.ask(brought(name, wanted))?;
    match show {
        Show::Out => stream::show(&mut answer, false),
        Show::Error => stream::show(&mut answer, true),
        Show::Nothing => stream::drain(&mut answer),
    }
}

/// Brings an image, and hands on what the engine tells of its layers.
///
/// # Errors
/// The engine or the registry says no.
pub fn bring_with(session: &Session, name: &Reference, wanted: Option<&str>, told: &mut dyn FnMut(&Value)) -> Result {
    stream::each(&mut session.api()?.ask(brought(name, wanted))?, told)
}

fn brought<'a>(name: &'a Reference, wanted: Option<&'a str>) -> Ask<'a> {
    let target = name.digest().map(ToString::to_string).or_else(|| name.tag().map(str::to_owned));
    let ask = Ask::post("/images/create").with("fromImage", name.familiar_repository()).maybe("tag", target).maybe("platform", wanted);
    match account(name.host()) {
        Some(account) => ask.header("x-registry-auth", account),
        None => ask,
    }
}

/// Where progress is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// On standard output.
    Out,
    /// On standard error.
    Error,
    /// Nowhere.
    Nothing,
}

fn pull(session: &Session, given: &Given) -> Result {
    let (name, quiet) = (named(given.word(0))?, given.on("quiet"));
    let bare = name.tag().is_none() && name.digest().is_none();
    if given.on("all-tags") && !bare {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    let name = if given.on("all-tags") { name } else { name.or_latest() };
    if bare && !given.on("all-tags") && !quiet {
        say(&format!("Using default tag: {}\n", name.tag().unwrap_or_default()));
    }
    bring(session, &name, given.text("platform"), if quiet { Show::Nothing } else { Show::Out })?;
    say(&format!("{name}\n"));
    Ok(())
}

fn push(session: &Session, given: &Given) -> Result {
    let (name, quiet, all) = (named(given.word(0))?, given.on("quiet"), given.on("all-tags"));
    let bare = name.tag().is_none() && name.digest().is_none();
    if all && !bare {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    if bare && !all && !quiet {
        say("Using default tag: latest\n");
    }
    let name = if all { name } else { name.or_latest() };
    let wanted = given.text("platform").map(platform).transpose()?;
    if !quiet {
        return taken(session, &name, wanted, Show::Out);
    }
    taken(session, &name, wanted, Show::Nothing)?;
    say(&format!("{name}\n"));
    Ok(())
}

/// Takes an image to its registry; without a tag all of its repository.
///
/// # Errors
/// The engine or the registry says no.
pub fn taken(session: &Session, name: &Reference, wanted: Option<String>, show: Show) -> Result {
    let path = format!("/images/{}/push", in_path(&name.familiar_repository()));
    let nobody = || encoded(&json!({}));
    let ask = Ask::post(&path)
        .maybe("tag", name.tag())
        .maybe("platform", wanted)
        .header("x-registry-auth", account(name.host()).unwrap_or_else(nobody));
    let mut answer = session.api()?.ask(ask)?;
    match show {
        Show::Out => stream::show(&mut answer, false),
        Show::Error => stream::show(&mut answer, true),
        Show::Nothing => stream::drain(&mut answer),
    }
}

/// Sends an image by its name, as `docker build --push` does behind a build.
///
/// # Errors
/// The engine or the registry says no.
pub fn send(session: &Session, name: &str) -> Result {
    push(session, &Given::of(&[name]))
}

/// The registry that a login is for, as the file of passwords names it.
fn server(given: &Given) -> String {
    match given.words.first() {
        None => HUB_KEY.to_owned(),
        Some(text) if ["docker.io", "index.docker.io", "registry-1.docker.io", HUB_KEY].contains(&text.as_str()) => HUB_KEY.to_owned(),
        Some(text) => {
            let plain = text.trim_start_matches("https://").trim_start_matches("http://");
            plain.split('/').next().unwrap_or(plain).to_owned()
        }
    }
}

fn host(server: &str) -> &str {
    if server == HUB_KEY { HUB } else { server }
}

fn kept() -> Result<Credentials> {
    Credentials::usual().ok_or_else(|| Failure::new("there is no home folder to keep the password in: set HOME or DOCKER_CONFIG"))
}

fn login(session: &Session, given: &Given) -> Result {
    if given.has("password") {
        warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
        if given.on("password-stdin") {
            return Err(Failure::new("--password and --password-stdin are mutually exclusive"));
        }
    }
    if given.on("password-stdin") && !given.has("username") {
        return Err(Failure::new("the --password-stdin option requires --username to be set"));
    }
    let (server, credentials) = (server(given), kept()?);
    let known = credentials.get(host(&server)).map_err(Failure::new)?;
    if let Some(known) = known.as_ref().filter(|_| !given.has("username") && !given.has("password")) {
        say("Authenticating with existing credentials...\n");
        match tried(session, &server, known) {
            Ok(status) => return said(&status),
            Err(failure) => warn(&format!("Login did not succeed, error: {}\n", failure.message)),
        }
    }
    let login = Login { name: name(given, known.as_ref())?, password: password(given)? };
    let status = tried(session, &server, &login)?;
    credentials.set(host(&server), &login).map_err(Failure::new)?;
    warn(&format!(
        "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n",
        credentials.path().display()
    ));
    said(&status)
}

fn said(status: &str) -> Result {
    if !status.is_empty() {
        say(&format!("{status}\n"));
    }
    Ok(())
}

/// Whether the registry takes them, as the engine finds out.
fn tried(session: &Session, server: &str, login: &Login) -> Result<String> {
    let document = json!({"username": login.name, "password": login.password, "serveraddress": server});
    let answer = session.api()?.json(Ask::post("/auth").json(&document))?;
    Ok(answer["Status"].as_str().unwrap_or_default().to_owned())
}

fn name(given: &Given, known: Option<&Login>) -> Result<String> {
    if let Some(name) = given.text("username").filter(|name| !name.is_empty()) {
        return Ok(name.to_owned());
    }
    at_terminal()?;
    let usual = known.map(|login| format!(" ({})", login.name)).unwrap_or_default();
    let typed = asked(&format!("Username{usual}: "))?;
    match (typed.is_empty(), known) {
        (true, Some(known)) => Ok(known.name.clone()),
        (true, None) => Err(Failure::new("Error: Non-null Username Required")),
        _ => Ok(typed),
    }
}

fn password(given: &Given) -> Result<String> {
    if let Some(password) = given.text("password").filter(|password| !password.is_empty()) {
        return Ok(password.to_owned());
    }
    if given.on("password-stdin") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    at_terminal()?;
    let stdin = std::io::stdin();
    let seen = pty::unseen(stdin.as_fd()).map_err(|error| Failure::new(error.to_string()))?;
    let typed = asked("Password: ");
    drop(seen);
    say("\n");
    typed.and_then(|typed| if typed.is_empty() { Err(Failure::new("Error: Password Required")) } else { Ok(typed) })
}

fn at_terminal() -> Result {
    if interactive() { Ok(()) } else { Err(Failure::new("Error: Cannot perform an interactive login from a non TTY device")) }
}

fn asked(question: &str) -> Result<String> {
    say(question);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn logout(_: &Session, given: &Given) -> Result {
    let server = server(given);
    say(&format!("Removing login credentials for {server}\n"));
    if let Err(why) = kept()?.remove(host(&server)) {
        // It is said and is no failure: there may have been nothing to forget.
        drop(writeln!(std::io::stderr(), "WARNING: could not erase credentials: {why}"));
    }
    Ok(())
}

const FOUND: table::Kind = table::Kind {
    name: "*formatter.searchContext",
    heads: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("StarCount", "STARS"),
        ("IsOfficial", "OFFICIAL"),
        ("IsAutomated", "AUTOMATED"),
    ],
};

/// As much of a description is shown.
const DESCRIBED: usize = 45;

fn search(session: &Session, given: &Given) -> Result {
    let mut ask = Ask::get("/images/search").with("term", given.word(0)).filters(given.all("filter"));
    if let Some(limit) = given.number("limit").filter(|limit| *limit != 0) {
        ask = ask.with("limit", limit.to_string());
    }
    if let Some(account) = account(HUB) {
        ask = ask.header("x-registry-auth", account);
    }
    let found = session.api()?.json(ask)?;
    let row = |one: &Value| {
        let about = one["description"].as_str().unwrap_or_default().replace(['\n', '\r'], " ");
        let about = if given.on("no-trunc") { about } else { super::images::ellipsis(&about, DESCRIBED) };
        let mark = |key: &str| if one[key].as_bool() == Some(true) { "[OK]" } else { "" };
        Row::from_iter([
            ("Description".to_owned(), about.into()),
            ("IsAutomated".to_owned(), mark("is_automated").into()),
            ("IsOfficial".to_owned(), mark("is_official").into()),
            ("Name".to_owned(), one["name"].clone()),
            ("StarCount".to_owned(), one["star_count"].as_i64().unwrap_or(0).to_string().into()),
        ])
    };
    let rows: Vec<Row> = found.as_array().into_iter().flatten().map(row).collect();
    let format = match given.text("format") {
        None | Some("table") => "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
        Some(format) => format,
    };
    table::print(&FOUND, format, &rows)
}
