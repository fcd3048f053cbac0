//! What the engine was told: by flags, by `daemon.json`, and what holds when nobody says anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};
use tokio_rustls::rustls::ServerConfig;

use crate::engine::config::Config;
use crate::kernel::{fs, ids};
use crate::oci::distribution::client::settings::Settings;
use crate::oci::distribution::tls;
use crate::tools::usual_folder;

/// Where dockerd's file is.
const FILE: &str = "/etc/docker/daemon.json";
/// Where `docker` looks for an engine.
const SOCKET: &str = "unix:///var/run/docker.sock";
/// Where the engine of a host keeps its data.
const ON_A_HOST: &str = "/var/lib/docker";
/// Where `docker` and dockerd look for certificates where nobody names them.
const CERTIFICATES: &str = "/etc/docker";

/// The flags, each with the key of the file that means the same.
pub fn arguments() -> Vec<Arg> {
    let list = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).action(ArgAction::Append).help(help)
    };
    let text = |name: &'static str, value: &'static str, help: &'static str| Arg::new(name).long(name).value_name(value).help(help);
    let switch = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    vec![
        list("host", "ADDRESS", "Where: unix://PATH, tcp://ADDRESS:PORT, or fd:// for a socket that the starter has opened; several times for several [default: unix:///var/run/docker.sock]").short('H'),
        text("config-file", "FILE", "The file of options [default: /etc/docker/daemon.json, on a host of a bottle]"),
        text("data-root", "FOLDER", "Where it keeps images [default: in a bottle /var/lib/docker, outside one in Bottleship's state]"),
        list("insecure-registry", "HOST", "A registry without TLS, or with a certificate that proves nothing"),
        list("registry-mirror", "URL", "A mirror of Docker Hub, asked first"),
        list("label", "NAME=VALUE", "A label of the engine, for `docker info`"),
        text("log-driver", "NAME", "How the output of containers is kept: json-file, local or none"),
        list("log-opt", "NAME=VALUE", "An option of that"),
        list("default-ulimit", "LIMIT", "A limit of the processes of containers: NAME=SOFT[:HARD]"),
        text("bip", "ADDRESS/PREFIX", "The address of the bridge docker0"),
        list("dns", "ADDRESS", "A name server of containers"),
        switch("live-restore", "Containers outlive the engine (the default here)"),
        switch("no-new-privileges", "Containers that say nothing else can never gain rights by starting a program"),
        switch("rootless", "Tell that it runs without the machine's root; refused where it does not"),
        switch("tls", "TLS on TCP; the client's certificate is not asked for"),
        switch("tlsverify", "TLS on TCP, for clients with a certificate of --tlscacert only"),
        text("tlscacert", "FILE", "The authority of the clients' certificates [default: /etc/docker/ca.pem]"),
        text("tlscert", "FILE", "The engine's certificate [default: /etc/docker/cert.pem]"),
        text("tlskey", "FILE", "Its key [default: /etc/docker/key.pem]"),
        switch("validate", "Say whether the file of options is right, and end"),
    ]
}

/// The flags and the keys that mean the same, where these are called otherwise.
const KEYS: &[(&str, &str)] = &[
    ("host", "hosts"),
    ("data-root", "data-root"),
    ("insecure-registry", "insecure-registries"),
    ("registry-mirror", "registry-mirrors"),
    ("label", "labels"),
    ("log-driver", "log-driver"),
    ("log-opt", "log-opts"),
    ("default-ulimit", "default-ulimits"),
    ("bip", "bip"),
    ("dns", "dns"),
    ("live-restore", "live-restore"),
    ("no-new-privileges", "no-new-privileges"),
    ("rootless", "rootless"),
    ("tls", "tls"),
    ("tlsverify", "tlsverify"),
    ("tlscacert", "tlscacert"),
    ("tlscert", "tlscert"),
    ("tlskey", "tlskey"),
];

/// Whether this is a host of a bottle.
pub fn on_a_host() -> bool {
    Path::new("/run/bottleship/tools").exists()
}

/// What holds: the file, and over it the flags.
///
/// # Errors
/// The file is wrong, a flag is, or both say something about the same.
pub fn read(arguments: &ArgMatches) -> Result<Config, String> {
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    let named = text("config-file");
    let path = PathBuf::from(named.as_deref().unwrap_or(FILE));
    let mut config = if named.is_some() || (on_a_host() && path.exists()) { file(&path)? } else { Config::default() };
    let given: Vec<(&str, Vec<String>)> = KEYS
        .iter()
        .filter(|(flag, _)| arguments.value_source(flag) == Some(ValueSource::CommandLine))
        .map(|(flag, key)| {
            (*key, arguments.get_raw(flag).into_iter().flatten().map(|value| value.to_string_lossy().into_owned()).collect())
        })
        .collect();
    config.check_flags(&given).map_err(|what| told(&path, &what))?;
    config.take_flags(&given)?;
    if config.rootless && ids::in_first_user_namespace() {
        return Err("rootless mode needs a user namespace, and this is the machine's own: start it with `unshare --user --map-root-user`"
            .to_owned());
    }
    if config.hosts.is_empty() {
        config.hosts.push(SOCKET.to_owned());
    }
    Ok(config)
}

fn told(path: &Path, what: &str) -> String {
    format!("unable to configure the Docker daemon with file {}: {what}", path.display())
}

/// The file alone.
///
/// # Errors
/// It cannot be read, or is wrong: then with its line.
pub fn file(path: &Path) -> Result<Config, String> {
    let text = fs::read(path).map_err(|error| told(path, &error.to_string()))?;
    Config::read(&text).map_err(|wrong| format!("{} (line {})", told(path, &wrong.what), wrong.line))
}

/// Where the data is.
pub fn root(config: &Config) -> PathBuf {
    config.data_root.as_ref().map_or_else(|| usual_folder(ON_A_HOST, "docker"), PathBuf::from)
}

/// How registries are reached. Names and passwords come with the requests.
pub fn registries(config: &Config) -> Settings {
    let (insecure, mirrors) = (config.insecure_registries.clone(), config.registry_mirrors.clone());
    Settings { credentials: None, insecure, mirrors, ..crate::tools::images::usual_settings() }
}

/// TLS, where it is asked for.
///
/// # Errors
/// A certificate or key is not there or does not fit.
pub fn transport(config: &Config) -> Result<Option<Arc<ServerConfig>>, String> {
    let asked = &config.tls;
    if !asked.on && !asked.verify {
        return Ok(None);
    }
    let place = |given: &Option<String>, usual: &str| given.as_ref().map_or_else(|| Path::new(CERTIFICATES).join(usual), PathBuf::from);
    let authority = place(&asked.authority, "ca.pem");
    let clients = asked.verify.then_some(authority.as_path());
    tls::config_for(&place(&asked.certificate, "cert.pem"), &place(&asked.key, "key.pem"), clients).map(Some)
}
