//! `POST /containers/create`: a request and an image become a record.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::config::{Config, HostConfig, read};
use super::network::{asked, hardware};
use super::record::{Endpoint, Record};
use super::{Container, checks, mounts, names, now, resources, spec};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::kernel::fs;
use crate::oci::image::Image;
use crate::oci::image::spec::{Platform, RunConfig};

/// How often a random name may be taken before we give up.
const ATTEMPTS: u32 = 10;

/// A container that was made, and what should be said about it.
pub struct Made {
    /// It.
    pub container: Arc<Container>,
    /// For the person.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Makes a container, which does not run yet; of an image for `platform`, if one is named.
    ///
    /// # Errors
    /// There is no such image, or none for the platform; the name is taken, or the request makes no sense.
    pub fn create(&self, name: Option<&str>, platform: Option<&Platform>, request: &Value) -> Result<Made, Fault> {
        let (config, host): (Config, HostConfig) = (read::<Config>(request)?.without_empty(), host_config(request)?.without_empty());
        let wanted = name.filter(|name| !name.is_empty()).map(names::check).transpose()?;
        checks::request(&config, &host)?;
        // Whoever brings an image in or removes one waits until the record protects ours.
        let _lease = self.store.lease()?;
        let image = self.image_of(&config.image, platform)?;
        let config = complete(merged(config, &image.config.config))?;
        let mut host = self.usual_host(host);
        let mut warnings = if self.is_unified { resources::without_what_v2_lacks(&mut host) } else { Vec::new() };
        warnings.extend(resources::check(&host, self.machine_processors())?);
        if !self.has_cgroups() {
            warnings.extend(resources::discard(&mut host)?);
        }
        warnings.extend(platform.is_none().then(|| foreign(&image.config.platform)).flatten());
        spec::check(&host)?;
        self.linked(host.links.as_deref())?;
        self.check_joined(&host)?;
        let mut record = Record {
            id: names::random_id(),
            created: now(),
            image: image.id().to_string(),
            layers: image.config.chain_ids().iter().map(ToString::to_string).collect(),
            config,
            host,
            ..Record::default()
        };
        record.networks = self.endpoints(&record, request)?;
        if record.config.hostname.is_empty() {
            record.config.hostname = self.usual_hostname(&record);
        }
        let container = self.keep(record, wanted)?;
        Ok(Made { container, warnings })
    }

    /// The image of that name. One for another platform than the one that is asked for is not found, as with dockerd: then a client pulls the right one.
    fn image_of(&self, name: &str, platform: Option<&Platform>) -> Result<Image, Fault> {
        if name.is_empty() {
            return Err(Fault::bad("config cannot be empty in order to create a container"));
        }
        let Some(wanted) = platform else { return Ok(self.store.find(name, &self.platform)?) };
        // Of an index without the platform there may be the image for this machine.
        let found = self.store.find(name, wanted).or_else(|absent| self.store.find(name, &self.platform).map_err(|_| absent))?;
        if found.is_for(wanted) { Ok(found) } else { Err(Fault::not_found(found.other_platform(name, wanted))) }
    }

    /// What an engine fills in where a request is silent.
    fn usual_host(&self, mut host: HostConfig) -> HostConfig {
        let put = |text: &mut String, usual: &str| {
            if text.is_empty() {
                usual.clone_into(text);
            }
        };
        put(&mut host.network_mode, "bridge");
        if host.network_mode == "default" {
            "bridge".clone_into(&mut host.network_mode);
        }
        put(&mut host.ipc_mode, "private");
        put(&mut host.cgroupns_mode, if self.is_unified { "private" } else { "host" });
        let driver = self.config.log_driver.as_deref().unwrap_or("json-file");
        put(&mut host.log_config.kind, driver);
        // The options are those of the driver that is usual here: another has others.
        for (key, value) in self.config.log_opts.iter().filter(|_| host.log_config.kind == driver) {
            host.log_config.config.entry(key.clone()).or_insert_with(|| value.clone());
        }
        put(&mut host.restart_policy.name, "no");
        put(&mut host.runtime, "runc");
        if host.shm_size == 0 {
            host.shm_size = 64 << 20;
        }
        // Memory and swap together: as much swap as memory, where only that was said.
        if host.memory > 0 && host.memory_swap == 0 {
            host.memory_swap = host.memory.saturating_mul(2);
        }
        // So does a client say that it wants nothing.
        host.memory_swappiness = host.memory_swappiness.filter(|value| *value != -1);
        // Version 2 of cgroups has no such switch.
        if !self.is_unified {
            host.oom_kill_disable.get_or_insert(false);
        }
        if host.privileged {
            host.masked_paths = None;
            host.readonly_paths = None;
        } else {
            host.masked_paths.get_or_insert_with(|| spec::usual_paths("maskedPaths"));
            host.readonly_paths.get_or_insert_with(|| spec::usual_paths("readonlyPaths"));
        }
        host
    }

    fn usual_hostname(&self, record: &Record) -> String {
        if record.host.network_mode == "host" || record.host.uts_mode == "host" {
            return self.machine.name.clone();
        }
        match Record::joins(&record.host.network_mode).and_then(|other| self.containers.find(other).ok()) {
            Some(other) => other.record().config.hostname,
            None => record.id[..12].to_owned(),
        }
    }

    /// The networks that the request names, or the one of its mode.
    fn endpoints(&self, record: &Record, request: &Value) -> Result<BTreeMap<String, Endpoint>, Fault> {
        let mode = record.host.network_mode.as_str();
        if Record::joins(mode).is_some() || record.config.network_disabled == Some(true) {
            return Ok(BTreeMap::new());
        }
        let mut networks = BTreeMap::new();
        for (name, wanted) in request["NetworkingConfig"]["EndpointsConfig"].as_object().into_iter().flatten() {
            let name = if name == "default" { "bridge" } else { name };
            networks.insert(name.to_owned(), asked(wanted)?);
        }
        let first = networks.entry(mode.to_owned()).or_insert_with(Endpoint::default);
        // Where clients of API 1.43 and older say it.
        if let Some(mac) = request["MacAddress"].as_str().filter(|mac| !mac.is_empty() && first.wanted_mac.is_empty()) {
            hardware(mac)?;
            mac.clone_into(&mut first.wanted_mac);
        }
        let mut known = BTreeMap::new();
        for (name, mut endpoint) in networks {
            // One that is not there is missed at the start, as with dockerd: a client takes "not found" here for a missing image, and pulls it.
            match self.networks.find(&name) {
                Ok(network) => {
                    endpoint.network_id.clone_from(&network.id);
                    known.insert(network.name, endpoint);
                }
                Err(_) => drop(known.insert(name, endpoint)),
            }
        }
        Ok(known)
    }

    /// Writes the record, under the wanted name or a random one.
    fn keep(&self, mut record: Record, wanted: Option<String>) -> Result<Arc<Container>, Fault> {
        let folder = self.root.join("containers").join(&record.id);
        for attempt in 0..ATTEMPTS {
            record.name = wanted.clone().unwrap_or_else(|| names::random_name(attempt));
            let container = Arc::new(Container::new(folder.clone(), record.clone()));
            match self.containers.add(&container) {
                Ok(()) => {}
                Err(fault) if wanted.is_some() => return Err(fault),
                Err(_) => continue,
            }
            let written = self.write(&container);
            if let Err(fault) = written {
                self.containers.remove(&container.id);
                self.forget_files(&container.id);
                return Err(fault);
            }
            return Ok(container);
        }
        Err(Fault::internal("no free name was found for the container: give one with --name"))
    }

    /// Makes the container's files and volumes, and writes its first record.
    fn write(&self, container: &Container) -> Result<(), Fault> {
        // A volume that is there must not be removed before the record says whose it is.
        let _one = self.using_volumes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mounts = self.make_files(container)?;
        container.change(|record| record.mounts = mounts)
    }

    fn make_files(&self, container: &Container) -> Result<Vec<super::record::MountPoint>, Fault> {
        fs::create_dir_all(&container.folder, 0o710)?;
        for part in ["diff", "work", "merged"] {
            fs::create_dir_all(&self.overlay_folder(&container.id).join(part), if part == "work" { 0o700 } else { 0o755 })?;
        }
        mounts::points(self, &container.record())
    }
}

/// What dockerd says of an image for another machine that nobody has asked for.
fn foreign(image: &Platform) -> Option<String> {
    let host = Platform::detected();
    (!image.is_native_to(&host)).then(|| {
        format!("The requested image's platform ({image}) does not match the detected host platform ({host}) and no specific platform was requested")
    })
}

fn host_config(request: &Value) -> Result<HostConfig, Fault> {
    match request.get("HostConfig") {
        None | Some(Value::Null) => Ok(HostConfig::default()),
        Some(given) => read(given),
    }
}

/// The request, with what the image says where it is silent.
fn merged(mut config: Config, image: &RunConfig) -> Config {
    if config.user.is_empty() {
        config.user.clone_from(&image.user);
    }
    if config.working_dir.is_empty() {
        config.working_dir.clone_from(&image.working_dir);
    }
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd.clone_from(&image.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&image.entrypoint);
        }
    }
    let key = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    for line in image.env.iter().flatten() {
        if !config.env.iter().any(|own| key(own) == key(line)) {
            config.env.push(line.clone());
        }
    }
    for (name, value) in image.labels.iter().flatten() {
        config.labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    for (port, value) in image.exposed_ports.iter().flatten() {
        config.exposed_ports.get_or_insert_default().entry(port.clone()).or_insert_with(|| value.clone());
    }
    for (path, value) in image.volumes.iter().flatten() {
        config.volumes.get_or_insert_default().entry(path.clone()).or_insert_with(|| value.clone());
    }
    if config.stop_signal.as_ref().is_none_or(String::is_empty) {
        config.stop_signal.clone_from(&image.stop_signal);
    }
    config.healthcheck = match (config.healthcheck, &image.healthcheck) {
        (None, image) => image.clone(),
        (Some(own), Some(image)) => Some(merged_health(own, image)),
        (own, None) => own,
    };
    if config.shell.is_none() {
        config.shell.clone_from(&image.shell);
    }
    config
}

/// Parts of a health check that the request leaves out are the image's.
fn merged_health(
    mut own: crate::oci::image::spec::Healthcheck,
    image: &crate::oci::image::spec::Healthcheck,
) -> crate::oci::image::spec::Healthcheck {
    if own.test.is_empty() {
        own.test.clone_from(&image.test);
    }
    let fill = |own: &mut i64, image: i64| {
        if *own == 0 {
            *own = image;
        }
    };
    fill(&mut own.interval, image.interval);
    fill(&mut own.timeout, image.timeout);
    fill(&mut own.start_period, image.start_period);
    fill(&mut own.start_interval, image.start_interval);
    fill(&mut own.retries, image.retries);
    own
}

/// Judges what has become of it.
fn complete(mut config: Config) -> Result<Config, Fault> {
    // `--entrypoint ""` takes the image's away.
    if config.entrypoint.as_ref().is_some_and(|words| words.len() == 1 && words[0].is_empty()) {
        config.entrypoint = None;
    }
    let empty = |words: &Option<Vec<String>>| words.as_ref().is_none_or(Vec::is_empty);
    if empty(&config.entrypoint) && empty(&config.cmd) {
        return Err(Fault::bad("no command specified"));
    }
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return Err(Fault::bad(format!("the working directory '{}' is invalid, it needs to be an absolute path", config.working_dir)));
    }
    if let Some(signal) = config.stop_signal.as_deref().filter(|signal| !signal.is_empty()) {
        crate::oci::runtime::signal_number(signal).map_err(|_| Fault::bad(format!("invalid signal: {signal}")))?;
    }
    for line in &config.env {
        if line.starts_with('=') || line.is_empty() {
            return Err(Fault::bad(format!("invalid environment variable: {line}")));
        }
    }
    if config.hostname.len() > 64 {
        return Err(Fault::bad(format!("invalid hostname format: {}", config.hostname)));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Vec<String>> {
        Some(text.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn a_request_wins_over_the_image() {
        let image = RunConfig {
            user: "node".into(),
            env: words("PATH=/bin A=1"),
            entrypoint: words("/entry"),
            cmd: words("run it"),
            working_dir: "/srv".into(),
            labels: Some(BTreeMap::from([("a".into(), "image".into()), ("b".into(), "image".into())])),
            ..RunConfig::default()
        };
        let plain = merged(Config::default(), &image);
        assert_eq!((plain.entrypoint.clone(), plain.cmd.clone()), (words("/entry"), words("run it")));
        assert_eq!((plain.user.as_str(), plain.working_dir.as_str()), ("node", "/srv"));
        let own = Config {
            env: words("A=2").unwrap(),
            cmd: words("other"),
            labels: BTreeMap::from([("a".into(), "own".into())]),
            ..Config::default()
        };
        let own = merged(own, &image);
        assert_eq!((own.entrypoint, own.cmd), (words("/entry"), words("other")));
        assert_eq!(own.env, ["A=2", "PATH=/bin"]);
        assert_eq!((own.labels["a"].as_str(), own.labels["b"].as_str()), ("own", "image"));
        // An entrypoint of one's own forgets the image's command.
        let entry = merged(Config { entrypoint: words("sh"), ..Config::default() }, &image);
        assert_eq!((entry.entrypoint, entry.cmd), (words("sh"), None));
        // An empty one takes the image's away, and then there is nothing to run.
        let none = merged(Config { entrypoint: Some(vec![String::new()]), ..Config::default() }, &image);
        assert_eq!(complete(none).unwrap_err().message, "no command specified");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let config = |change: fn(&mut Config)| {
            let mut config = Config { cmd: words("sh"), ..Config::default() };
            change(&mut config);
            complete(config).unwrap_err().message
        };
        assert!(config(|config| config.working_dir = "srv".into()).starts_with("the working directory 'srv' is invalid"));
        assert_eq!(config(|config| config.stop_signal = Some("NOPE".into())), "invalid signal: NOPE");
        assert_eq!(config(|config| config.env = vec!["=x".into()]), "invalid environment variable: =x");
    }
}
