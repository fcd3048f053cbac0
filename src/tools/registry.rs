//! `bottleship registry`: a registry of images, as the `registry` image runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Tool, fail, usual_folder};
use crate::oci::distribution::depot::Depot;
use crate::oci::distribution::server::Server;
use crate::ui::units;

mod hub;
mod settings;

use settings::Given;

/// The registry.
pub const REGISTRY: Tool = Tool { command, run };

/// Where the `registry` image keeps its content.
const ON_A_HOST: &str = "/var/lib/registry";

/// The settings that have no flag.
const SETTINGS: &str = "The variables and the configuration file of the `registry` image are read too, flags first: REGISTRY_HTTP_ADDR, \
REGISTRY_HTTP_TLS_CERTIFICATE, REGISTRY_HTTP_TLS_KEY, REGISTRY_AUTH_HTPASSWD_PATH, REGISTRY_AUTH_HTPASSWD_REALM, \
REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY, REGISTRY_STORAGE_DELETE_ENABLED, REGISTRY_PROXY_REMOTEURL, REGISTRY_PROXY_USERNAME, \
REGISTRY_PROXY_PASSWORD.";

fn command() -> Command {
    let text = |id: &'static str, value: &'static str, help: &'static str| Arg::new(id).long(id).value_name(value).help(help);
    Command::new("registry")
        .about("Serve images to docker, skopeo and other clients")
        .subcommand_required(true)
        .arg(
            Arg::new("root")
                .long("root")
                .value_name("FOLDER")
                .global(true)
                .help("Where it keeps images [default: in a bottle /var/lib/registry, outside one in Bottleship's state]"),
        )
        .subcommand(
            Command::new("serve")
                .about("Answer requests until the end")
                .after_help(SETTINGS)
                .arg(Arg::new("CONFIG").help("A configuration file as the `registry` image has it"))
                .arg(text("listen", "ADDRESS:PORT", "Where; port 0 takes any that is free [default: 127.0.0.1:5000]"))
                .arg(text("tls-certificate", "FILE", "Its certificate, with those between it and its authority"))
                .arg(text("tls-key", "FILE", "The certificate's key"))
                .arg(text("htpasswd", "FILE", "Accounts, as `htpasswd -B` writes them; without it everybody may do everything"))
                .arg(text("mirror-of", "URL", "Be a cache of another registry, for pulling only"))
                .arg(text("webhook", "URL", "Tell this address of every push").action(ArgAction::Append))
                .arg(text("pull-limit", "PULLS/SECONDS", "How many manifests an address or an account may pull in a time")),
        )
        .subcommand(hub::command())
        .subcommand(
            Command::new("garbage-collect").about("Remove content that no manifest needs").arg(
                Arg::new("delete-untagged")
                    .short('m')
                    .long("delete-untagged")
                    .action(ArgAction::SetTrue)
                    .help("Remove manifests that no tag leads to first"),
            ),
        )
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let Some((verb, arguments)) = arguments.subcommand() else { return ExitCode::from(2) };
    let given = match Given::read(arguments) {
        Ok(given) => given,
        Err(error) => return fail(&error, None),
    };
    let folder = given.get(&settings::ROOT).map_or_else(|| usual_folder(ON_A_HOST, "registry"), PathBuf::from);
    if verb == "hub" {
        return hub::run(folder, arguments);
    }
    let depot = match Depot::open(&folder) {
        Ok(depot) => depot,
        Err(error) => return fail(&error, error.hint().as_deref()),
    };
    match verb {
        "serve" => serve(depot, &given),
        _ => collect(&depot, arguments.get_flag("delete-untagged")),
    }
}

fn serve(depot: Depot, given: &Given<'_>) -> ExitCode {
    let text = given.get(&settings::ADDRESS).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    // The real one's `:5000` is every address.
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text };
    let Ok(address) = full.parse::<std::net::SocketAddr>() else {
        return fail(&format!("`{full}` is no address with a port"), Some("for example 127.0.0.1:5000, or 0.0.0.0:5000 for everybody"));
    };
    let options = match given.options() {
        Ok(options) => options,
        Err(error) => return fail(&error, None),
    };
    let served = block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        Server::new(depot, options).listen(listener).await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("listen on {address}: {error}"), None),
    }
}

fn block_on(future: impl Future<Output = std::io::Result<()>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.and_then(|runtime| runtime.block_on(future)).map_err(|error| error.to_string())
}

fn collect(depot: &Depot, untagged: bool) -> ExitCode {
    match depot.collect(untagged) {
        Ok(Some(swept)) => {
            swept.blobs.iter().for_each(|digest| println!("blob eligible for deletion: {digest}"));
            println!("{} blobs removed, {} are free again", swept.blobs.len(), units::size(swept.bytes));
            ExitCode::SUCCESS
        }
        Ok(None) => fail(&"somebody is pushing", Some("try again when that is done, or stop the registry first")),
        Err(error) => fail(&error, error.hint().as_deref()),
    }
}
