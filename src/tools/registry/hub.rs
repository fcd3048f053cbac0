//! The Docker Hub of a bottle: our registry with accounts, tokens, search, a pull rate limit, and the course images as `library/...`.
//!
//! The host `internet` starts it when somebody connects for the first time, and hands it the listeners. For other registries of the simulated internet it
//! answers too: without accounts and without pushes, with what the catalog has of theirs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use tokio_rustls::rustls::ServerConfig;

use crate::catalog;
use crate::kernel::exec;
use crate::oci::digest::Digest;
use crate::oci::distribution::access::Guard;
use crate::oci::distribution::answer::{Code, Fault};
use crate::oci::distribution::depot::Depot;
use crate::oci::distribution::hub::{Hub, HubPages, REALM, SERVICE};
use crate::oci::distribution::options::{Bringing, Options, Source};
use crate::oci::distribution::route::Target;
use crate::oci::distribution::server::Server;
use crate::oci::distribution::tls;
use crate::oci::distribution::tokens::Issuer;
use crate::oci::reference::{HUB, Reference};
use crate::tools::fail;

pub fn command() -> Command {
    Command::new("hub")
        .about("Be the Docker Hub of a bottle")
        .hide(true)
        .arg(Arg::new("certificate").long("certificate").value_name("FILE").help("Its certificate; without one there is no TLS"))
        .arg(Arg::new("key").long("key").value_name("FILE").requires("certificate").help("The certificate's key"))
        .arg(Arg::new("listen").long("listen").value_name("ADDRESS:PORT").help("Where to listen"))
        .arg(
            Arg::new("inherited")
                .long("inherited")
                .value_name("COUNT")
                .value_parser(value_parser!(i32))
                .default_value("0")
                .help("So many listeners are open already, from descriptor 3 on"),
        )
        .arg(
            Arg::new("other")
                .long("other")
                .value_name("HOST")
                .action(ArgAction::Append)
                .help("Answer for this registry too, on one of the last listeners: they are in the order of these"),
        )
        .arg(Arg::new("realm").long("realm").value_name("URL").default_value(REALM).help("Where its tokens are had"))
}

/// The course images of one registry, made when they are asked for.
struct Course {
    host: String,
}

impl Course {
    fn of(host: &str) -> Self {
        Course { host: host.to_owned() }
    }

    fn reference(&self, name: &str, tag: &str) -> Option<Reference> {
        Reference::new(&self.host, name, Some(tag), None).ok()
    }
}

impl Source for Course {
    fn bring<'a>(&'a self, depot: &'a Depot, name: &'a str, target: &'a Target) -> Bringing<'a> {
        Box::pin(async move {
            let Target::Tag(tag) = target else { return Ok(()) };
            let Some(reference) = self.reference(name, tag) else { return Ok(()) };
            if catalog::find(&reference).is_none() {
                // What the course speaks of and nobody has: whoever asks is told why, and what to do.
                let why = catalog::built::told(&reference).filter(|_| matches!(depot.tag(name, tag), Ok(None)));
                return why.map_or(Ok(()), |why| Err(Fault::new(Code::ManifestUnknown, name).saying(why)));
            }
            if depot.tag(name, tag)?.is_some() {
                return Ok(());
            }
            let (depot, name, tag) = (depot.clone(), name.to_owned(), tag.clone());
            let made = tokio::task::spawn_blocking(move || {
                let _lease = depot.store().lease()?;
                match catalog::image(depot.store(), &reference)? {
                    Some(made) => depot.adopt(&name, &made, Some(&tag)),
                    None => Ok(()),
                }
            });
            Ok(made.await.map_err(|error| Fault::new(Code::Unknown, error.to_string()))??)
        })
    }

    fn bring_blob<'a>(&'a self, _: &'a Depot, _: &'a str, _: &'a Digest) -> Bringing<'a> {
        // All blobs of an image are made with it.
        Box::pin(async { Ok(()) })
    }

    fn tags(&self, name: &str) -> Vec<String> {
        let Some(reference) = self.reference(name, "latest") else { return Vec::new() };
        let made = catalog::named(&reference).filter(|recipe| recipe.fidelity != catalog::Fidelity::Built);
        made.flat_map(|recipe| recipe.tags.iter().map(|tag| (*tag).to_owned())).collect()
    }

    fn takes_pushes(&self) -> bool {
        self.host == HUB
    }
}

pub fn run(root: PathBuf, arguments: &ArgMatches) -> ExitCode {
    match serve(root, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, None),
    }
}

fn serve(root: PathBuf, arguments: &ArgMatches) -> Result<(), String> {
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    let depot = Depot::open(&root).map_err(|error| error.to_string())?;
    let known = depot.clone();
    let there = move |name: &str| !Course::of(HUB).tags(name).is_empty() || known.tags(name).is_ok_and(|tags| tags.is_some());
    let hub = Hub::open(&root.join("hub"), Box::new(there))?;
    let issuer = Arc::new(Issuer::new(&text("realm").unwrap_or_default(), SERVICE, hub.clone()));
    let tls = match (text("certificate"), text("key")) {
        (Some(certificate), Some(key)) => Some(tls::config(certificate.as_ref(), key.as_ref())?),
        _ => None,
    };
    let rates = hub.clone();
    let options = Options {
        guard: Guard::Tokens(issuer.clone()),
        rate: Some(Arc::new(move |logged_in| rates.rate(logged_in))),
        source: Some(Arc::new(Course::of(HUB))),
        pages: Some(Arc::new(HubPages::new(hub, issuer, official()))),
        tls: tls.clone(),
        ..Options::default()
    };
    let mut listeners = Vec::new();
    for number in 0..arguments.get_one::<i32>("inherited").copied().unwrap_or(0) {
        let listener = exec::inherited(3 + number).map_err(|error| error.to_string())?;
        listeners.push(std::net::TcpListener::from(listener));
    }
    if let Some(address) = text("listen") {
        let listener = std::net::TcpListener::bind(&address).map_err(|error| format!("listen on {address}: {error}"))?;
        println!("listening on {}", listener.local_addr().map_err(|error| error.to_string())?);
        listeners.push(listener);
    }
    prepare(&depot);
    let others = others(&root, &arguments.get_many("other").into_iter().flatten().collect::<Vec<&String>>(), tls.as_ref())?;
    let first_other = listeners.len().saturating_sub(others.len());
    super::block_on(async {
        let server = Server::new(depot, options);
        let mut serving = tokio::task::JoinSet::new();
        for (number, listener) in listeners.into_iter().enumerate() {
            listener.set_nonblocking(true)?;
            let server = number.checked_sub(first_other).and_then(|number| others.get(number)).unwrap_or(&server);
            serving.spawn(server.clone().listen(tokio::net::TcpListener::from_std(listener)?));
        }
        match serving.join_next().await {
            Some(Ok(ended)) => ended,
            _ => Ok(()),
        }
    })
}

/// Makes what all course images share while the one who came first is still being greeted. It is made again, and complained about, when it is asked for.
fn prepare(depot: &Depot) {
    let depot = depot.clone();
    std::thread::spawn(move || {
        let _lease = depot.store().lease();
        drop(catalog::prepare(depot.store()));
    });
}

/// What is found on the Hub of the course images: name and description.
fn official() -> Vec<(String, String)> {
    let named = catalog::recipes().filter_map(|recipe| Some((recipe.repository()?, recipe.about)));
    named.filter(|(name, _)| name.host() == HUB).map(|(name, about)| (name.familiar_repository(), about.to_owned())).collect()
}

/// The servers of the other registries.
fn others(root: &Path, hosts: &[&String], tls: Option<&Arc<ServerConfig>>) -> Result<Vec<Arc<Server>>, String> {
    let server = |host: &&String| -> Result<Arc<Server>, String> {
        let depot = Depot::open(&root.join("others").join(host)).map_err(|error| error.to_string())?;
        let options = Options { source: Some(Arc::new(Course::of(host))), tls: tls.cloned(), ..Options::default() };
        Ok(Server::new(depot, options))
    };
    hosts.iter().map(server).collect()
}
