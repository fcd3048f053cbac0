//! Does what a plan says, by requests to the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::make::{self, With};
use super::observed::label;
use super::plan::{Plan, Spot, Step};
use super::scene::{self, Scene};
use super::wait::{self, Outcome, Until};
use super::work;
use crate::compose::types::{Dependency, Hook, Network, Project, Service};
use crate::tools::docker::Session;
use crate::tools::docker::api::{Ask, feed};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::in_path;

/// Since this version of the API a container is made with all its networks; before it had one and was connected to the others.
const ALL_NETWORKS: [u32; 2] = [1, 44];

/// What does it, for one project.
pub struct Applier<'a> {
    /// How compose was called.
    pub scene: &'a Scene<'a>,
    /// What is wanted.
    pub project: &'a Project,
    /// The hashes of the services as the file has them.
    pub hashes: BTreeMap<String, String>,
    /// The ids of the services' images.
    pub images: BTreeMap<String, String>,
    /// Seconds before a container that stops is killed.
    pub timeout: Option<i64>,
    /// Whether containers that are made anew begin with new anonymous volumes.
    pub renew_volumes: bool,
    /// The containers of services that are not meant, by service: id and name.
    pub beside: &'a BTreeMap<String, Vec<(String, String)>>,
    /// The ids of the containers that are there by now.
    pub ids: Mutex<BTreeMap<Spot, String>>,
}

/// What a service wants done in its containers before they are stopped.
pub fn before_stop<'p>(project: Option<&'p Project>, service: &str) -> &'p [Hook] {
    project.and_then(|project| project.service(service)).map_or(&[], |service| &service.pre_stop)
}

/// Stops a container, after its `hooks` have been run in it.
///
/// # Errors
/// The engine says no, or a hook fails.
pub fn stop(scene: &Scene<'_>, session: &Session, (id, name): (&str, &str), hooks: &[Hook], timeout: Option<i64>) -> Result {
    let line = format!("Container {name}");
    scene.progress.working(&line, "Stopping");
    if !scene.is_dry() {
        for hook in hooks {
            match super::oneoff::hook(session, id, hook) {
                // It does not run (any more): there is nothing to be done in it.
                Err(failure) if failure.is_absent() || failure.status == Some(409) => break,
                Err(failure) => {
                    scene.progress.failed(&line, "Error while Stopping");
                    return Err(failure);
                }
                Ok(()) => {}
            }
        }
        let path = format!("/containers/{id}/stop");
        let asked = session.api()?.ask(Ask::post(&path).maybe("t", timeout.map(|seconds| seconds.to_string())));
        match asked.map(drop) {
            Err(failure) if !failure.is_absent() => {
                scene.progress.failed(&line, "Error while Stopping");
                return Err(failure);
            }
            _ => {}
        }
    }
    scene.progress.done(&line, "Stopped");
    Ok(())
}

/// Removes a container.
///
/// # Errors
/// The engine says no.
pub fn remove(scene: &Scene<'_>, session: &Session, id: &str, name: &str, volumes: bool) -> Result {
    let line = format!("Container {name}");
    scene.progress.working(&line, "Removing");
    if !scene.is_dry() {
        let path = format!("/containers/{id}");
        match session.api()?.ask(Ask::delete(&path).switch("force", true).switch("v", volumes)).map(drop) {
            // Somebody else is at it, or was: it goes in any case.
            Err(failure) if failure.is_absent() || failure.status == Some(409) => {}
            Err(failure) => {
                scene.progress.failed(&line, "Error while Removing");
                return Err(failure);
            }
            Ok(()) => {}
        }
    }
    scene.progress.done(&line, "Removed");
    Ok(())
}

/// Waits until the containers of a service are as far as a condition says, and tells it line by line. `on` is what they are to the one who waits.
///
/// # Errors
/// They will never be.
pub fn settle(
    scene: &Scene<'_>,
    session: &Session,
    found: &[(String, String)],
    dependency: &Dependency,
    on: &str,
    stop: &watch::Receiver<bool>,
) -> Result {
    let completes = dependency.condition == "service_completed_successfully";
    let until = if completes { Until::Ended } else { Until::Healthy };
    for (_, name) in found {
        scene.progress.working(&format!("Container {name}"), "Waiting");
    }
    if scene.is_dry() {
        return Ok(());
    }
    for (id, name) in found {
        let line = format!("Container {name}");
        let why = match wait::container(session, id, until, stop, None)? {
            Outcome::Reached(code) if completes && code != 0 => format!("service {on:?} didn't complete successfully: exit {code}"),
            Outcome::Reached(_) => {
                scene.progress.done(&line, if completes { "Exited" } else { "Healthy" });
                continue;
            }
            Outcome::Stopped => return Ok(()),
            Outcome::Never(why) => why,
        };
        if !*dependency.required {
            let what = if completes { "didn't complete successfully" } else { "is not running or is unhealthy" };
            scene.progress.tell(&line, super::progress::State::Warning, &format!("Skipped: optional dependency {on:?} {what}"));
            scene::warning(&format!("optional dependency {on:?} {what}: {why}"));
            return Ok(());
        }
        scene.progress.failed(&line, &why);
        return Err(Failure::new(if completes { why } else { format!("dependency failed to start: {why}") }));
    }
    Ok(())
}

impl Applier<'_> {
    /// Does all of it.
    ///
    /// # Errors
    /// That of the first step that failed.
    pub fn run(&self, plan: &Plan) -> Result {
        self.held().extend(plan.stays.iter().map(|(spot, id)| (spot.clone(), id.clone())));
        let session = self.scene.session;
        work::run(session, self.scene.parallel, &plan.after, &|session, at, stop| self.step(session, &plan.steps[at], stop))
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<Spot, String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the container in a place.
    pub fn id(&self, spot: &Spot) -> String {
        self.held().get(spot).cloned().unwrap_or_default()
    }

    /// The containers of a service that are there by now: id and name.
    pub fn of_service(&self, service: &str) -> Vec<(String, String)> {
        self.held().iter().filter(|(spot, _)| spot.service == service).map(|(spot, id)| (id.clone(), spot.name.clone())).collect()
    }

    fn service(&self, name: &str) -> Result<&Service> {
        self.project.service(name).ok_or_else(|| Failure::new(format!("no such service: {name}")))
    }

    fn step(&self, session: &Session, step: &Step, stop_waiting: &watch::Receiver<bool>) -> Result {
        let progress = &self.scene.progress;
        match step {
            Step::Network { key, old } => self.network(session, key, old.as_deref()),
            Step::Volume(key) => self.volume(session, key),
            Step::Create(spot) => {
                let line = format!("Container {}", spot.name);
                progress.working(&line, "Creating");
                let id =
                    self.create(session, spot, &spot.name, &[], None).inspect_err(|failure| progress.failed(&line, &failure.message))?;
                self.held().insert(spot.clone(), id);
                progress.done(&line, "Created");
                Ok(())
            }
            Step::Recreate { spot, old } => {
                let line = format!("Container {}", spot.name);
                progress.working(&line, "Recreate");
                let id = self.recreate(session, spot, old).inspect_err(|failure| progress.failed(&line, &failure.message))?;
                self.held().insert(spot.clone(), id);
                progress.done(&line, "Recreated");
                Ok(())
            }
            Step::Stop { id, name, service } => {
                stop(self.scene, session, (id, name), before_stop(Some(self.project), service), self.timeout)
            }
            Step::Remove { id, name } => remove(self.scene, session, id, name, false),
            Step::Wait { on, dependency, .. } => settle(self.scene, session, &self.of_service(on), dependency, on, stop_waiting),
            Step::Start(spot) => {
                let line = format!("Container {}", spot.name);
                progress.working(&line, "Starting");
                self.start(session, spot).inspect_err(|failure| progress.failed(&line, &failure.message))?;
                progress.done(&line, "Started");
                Ok(())
            }
            Step::Tell { name, text } => {
                progress.done(&format!("Container {name}"), text);
                Ok(())
            }
        }
    }

    fn start(&self, session: &Session, spot: &Spot) -> Result {
        if self.scene.is_dry() {
            return Ok(());
        }
        let id = self.id(spot);
        let service = self.service(&spot.service)?;
        session.api()?.ask(Ask::post(&format!("/containers/{id}/start")))?;
        for hook in &service.post_start {
            super::oneoff::hook(session, &id, hook)?;
        }
        Ok(())
    }

    fn network(&self, session: &Session, key: &str, old: Option<&str>) -> Result {
        let Some(network) = self.project.networks.get(key) else { return Ok(()) };
        let (api, line) = (session.api()?, format!("Network {}", network.name));
        if let Some(old) = old {
            self.scene.progress.working(&line, "Removing");
            if !self.scene.is_dry() {
                let shown = api.json(Ask::get(&format!("/networks/{old}")))?;
                for id in shown["Containers"].as_object().into_iter().flatten().map(|(id, _)| id) {
                    let body = json!({"Container": id, "Force": true});
                    api.ask(Ask::post(&format!("/networks/{old}/disconnect")).json(&body))?;
                }
                api.ask(Ask::delete(&format!("/networks/{old}")))?;
            }
            self.scene.progress.done(&line, "Removed");
        }
        self.scene.progress.working(&line, "Creating");
        if !self.scene.is_dry() {
            let made = api.ask(Ask::post("/networks/create").json(&network_body(self.project, key, network))).map(drop);
            made.map_err(|failure| {
                let failure = Failure { message: format!("failed to create network {}: {}", network.name, failure.message), ..failure };
                self.scene.progress.failed(&line, &failure.message);
                failure
            })?;
        }
        self.scene.progress.done(&line, "Created");
        Ok(())
    }

    fn volume(&self, session: &Session, key: &str) -> Result {
        let Some(volume) = self.project.volumes.get(key) else { return Ok(()) };
        let line = format!("Volume {}", volume.name);
        self.scene.progress.working(&line, "Creating");
        if !self.scene.is_dry() {
            let mut labels = volume.labels.clone();
            labels.extend(own_labels(self.project, label::VOLUME, key, &scene::hash(volume)));
            let driver = if volume.driver.is_empty() { "local" } else { &volume.driver };
            let body = json!({"Name": volume.name, "Driver": driver, "DriverOpts": volume.driver_opts, "Labels": labels});
            let made = session.api()?.ask(Ask::post("/volumes/create").json(&body)).map(drop);
            made.inspect_err(|failure| self.scene.progress.failed(&line, &failure.message))?;
        }
        self.scene.progress.done(&line, "Created");
        Ok(())
    }

    /// Makes a container under a name and gives its id.
    fn create(&self, session: &Session, spot: &Spot, name: &str, inherited: &[Value], replaces: Option<&str>) -> Result<String> {
        if self.scene.is_dry() {
            return Ok(format!("dry-{name}"));
        }
        let service = self.service(&spot.service)?;
        let mut labels = make::labels(self.project, service, spot, self.hashes.get(&service.name).map_or("", String::as_str), false);
        labels.extend(self.images.get(&service.name).map(|id| (label::IMAGE.to_owned(), id.clone())));
        labels.extend(replaces.map(|old| (label::REPLACE.to_owned(), old.to_owned())));
        let image = make::image_of(self.project, service, self.scene.separator);
        let image_volumes = if inherited.is_empty() { BTreeSet::new() } else { image_volumes(session, &image)? };
        let separator = self.scene.separator;
        let with = With { labels, others: self.others(), separator, inherited, image_volumes, ..With::default() };
        let body = make::body(self.project, service, spot, &image, &with).map_err(Failure::new)?;
        made(session, self.project, service, name, body)
    }

    /// The containers of each service that are there by now.
    fn others(&self) -> BTreeMap<String, Vec<(String, String)>> {
        let mut all = self.beside.clone();
        for (spot, id) in self.held().iter() {
            all.entry(spot.service.clone()).or_default().push((id.clone(), spot.name.clone()));
        }
        all
    }

    /// A new container in the place of an old one: made under another name first, so that the old one is there until then.
    fn recreate(&self, session: &Session, spot: &Spot, old: &str) -> Result<String> {
        if self.scene.is_dry() {
            return Ok(old.to_owned());
        }
        let api = session.api()?;
        let shown = api.json(Ask::get(&format!("/containers/{old}/json")))?;
        let inherited = if self.renew_volumes { Vec::new() } else { shown["Mounts"].as_array().cloned().unwrap_or_default() };
        let short = old.get(..12).unwrap_or(old);
        let id = self.create(session, spot, &format!("{short}_{}", spot.name), &inherited, Some(old))?;
        let stop = format!("/containers/{old}/stop");
        api.ask(Ask::post(&stop).maybe("t", self.timeout.map(|seconds| seconds.to_string())))?;
        api.ask(Ask::delete(&format!("/containers/{old}")).switch("force", true))?;
        api.ask(Ask::post(&format!("/containers/{id}/rename")).with("name", spot.name.as_str()))?;
        Ok(id)
    }
}

/// The labels of a network or a volume.
fn own_labels(project: &Project, kind: &str, key: &str, hash: &str) -> [(String, String); 4] {
    [(label::PROJECT, project.name.as_str()), (kind, key), (label::VERSION, super::LEVEL), (label::HASH, hash)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// A network as the document that the engine makes it of.
fn network_body(project: &Project, key: &str, network: &Network) -> Value {
    let mut labels = network.labels.clone();
    labels.extend(own_labels(project, label::NETWORK, key, &scene::hash(network)));
    let mut body = json!({
        "Name": network.name, "CheckDuplicate": true, "Driver": if network.driver.is_empty() { "bridge" } else { &network.driver },
        "Options": network.driver_opts, "Internal": network.internal, "Attachable": network.attachable, "Labels": labels,
    });
    for (name, value) in [("EnableIPv4", network.enable_ipv4), ("EnableIPv6", network.enable_ipv6)] {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    let ipam = &network.ipam;
    if !ipam.driver.is_empty() || !ipam.config.is_empty() || !ipam.options.is_empty() {
        let pools: Vec<Value> = ipam
            .config
            .iter()
            .map(|pool| {
                let mut one = json!({});
                for (name, value) in [("Subnet", &pool.subnet), ("Gateway", &pool.gateway), ("IPRange", &pool.ip_range)] {
                    if !value.is_empty() {
                        one[name] = value.as_str().into();
                    }
                }
                if !pool.aux_addresses.is_empty() {
                    one["AuxiliaryAddresses"] = json!(pool.aux_addresses);
                }
                one
            })
            .collect();
        body["IPAM"] = json!({"Driver": ipam.driver, "Config": pools, "Options": ipam.options});
    }
    body
}

/// The paths that an image makes volumes of.
fn image_volumes(session: &Session, image: &str) -> Result<BTreeSet<String>> {
    let shown = session.api()?.json(Ask::get(&format!("/images/{}/json", in_path(image))))?;
    Ok(shown["Config"]["Volumes"].as_object().into_iter().flatten().map(|(path, _)| path.clone()).collect())
}

/// Makes a container, connects it to what an older engine takes later, and puts secrets and configs in that are no files here. Gives its id.
///
/// # Errors
/// The engine says no.
pub fn made(session: &Session, project: &Project, service: &Service, name: &str, mut body: Value) -> Result<String> {
    let api = session.api()?;
    let version: Vec<u32> = api.version()?.split('.').filter_map(|part| part.parse().ok()).collect();
    let mut later = serde_json::Map::new();
    if version.as_slice() < ALL_NETWORKS.as_slice() {
        let first = body["HostConfig"]["NetworkMode"].as_str().unwrap_or_default().to_owned();
        if let Some(endpoints) = body["NetworkingConfig"]["EndpointsConfig"].as_object_mut() {
            let (now, rest) = std::mem::take(endpoints).into_iter().partition(|(name, _)| *name == first);
            (*endpoints, later) = (now, rest);
        }
    }
    let platform = Some(service.platform.as_str()).filter(|platform| !platform.is_empty());
    let answer = api.json(Ask::post("/containers/create").with("name", name).maybe("platform", platform).json(&body))?;
    for text in answer["Warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        scene::warning(text);
    }
    let id = answer["Id"].as_str().unwrap_or_default().to_owned();
    for (network, endpoint) in later {
        let body = json!({"Container": id, "EndpointConfig": endpoint});
        api.ask(Ask::post(&format!("/networks/{}/connect", in_path(&network))).json(&body))?;
    }
    if let Some(archive) = texts(project, service)? {
        let path = format!("/containers/{id}/archive");
        let source = std::io::Cursor::new(archive);
        api.ask(Ask::put(&path).with("path", "/").switch("copyUIDGID", true).body(feed(source), "application/x-tar"))?;
    }
    Ok(id)
}

/// An archive of the secrets and configs that come from variables or stand in the file itself.
fn texts(project: &Project, service: &Service) -> Result<Option<Vec<u8>>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut any = false;
    for (target, reference, object) in make::files(project, service) {
        if object.external {
            return Err(Failure::new(format!("unsupported external secret or config {}", object.name)));
        }
        if !object.file.is_empty() {
            continue;
        }
        let text = match (&object.text, object.content.is_empty()) {
            (Some(text), _) => text.clone(),
            (None, false) => object.content.clone(),
            (None, true) => match project.environment.get(&object.environment).cloned().or_else(|| std::env::var(&object.environment).ok())
            {
                Some(text) => text,
                None => {
                    return Err(Failure::new(format!(
                        "environment variable {:?} required by {:?} is not set",
                        object.environment, object.name
                    )));
                }
            },
        };
        let mut header = tar::Header::new_gnu();
        header.set_mode(reference.mode.map_or(0o444, |mode| mode.0));
        header.set_uid(reference.uid.parse().unwrap_or(0));
        header.set_gid(reference.gid.parse().unwrap_or(0));
        header.set_mtime(0);
        header.set_size(text.len() as u64);
        builder.append_data(&mut header, target.trim_start_matches('/'), text.as_bytes())?;
        any = true;
    }
    Ok(if any { Some(builder.into_inner()?) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::types::resource::{Ipam, IpamPool};
    use crate::compose::types::{FileObject, FileReference};

    #[test]
    fn a_network_says_what_the_file_says_and_whose_it_is() {
        let project = Project { name: "x".to_owned(), ..Project::default() };
        let pool = IpamPool { subnet: "10.9.0.0/24".to_owned(), ..IpamPool::default() };
        let ipam = Ipam { config: vec![pool], ..Ipam::default() };
        let network = Network { name: "x_back".to_owned(), internal: true, ipam, ..Network::default() };
        let body = network_body(&project, "back", &network);
        assert_eq!((&body["Name"], &body["Internal"]), (&"x_back".into(), &true.into()));
        assert_eq!(body["IPAM"]["Config"], json!([{"Subnet": "10.9.0.0/24"}]));
        assert_eq!((&body["Labels"][label::NETWORK], &body["Labels"][label::PROJECT]), (&"back".into(), &"x".into()));
    }

    #[test]
    fn texts_that_are_no_files_go_along_as_an_archive() {
        let mut project = Project::default();
        project.configs.insert("page".to_owned(), FileObject { content: "hello".to_owned(), ..FileObject::default() });
        let reference = FileReference { source: "page".to_owned(), target: "/srv/page".to_owned(), ..FileReference::default() };
        let service = Service { configs: vec![reference], ..Service::default() };
        let archive = texts(&project, &service).unwrap().unwrap();
        let mut read = tar::Archive::new(archive.as_slice());
        let paths: Vec<String> = read.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(paths, ["srv/page"]);
        assert!(texts(&project, &Service::default()).unwrap().is_none());
    }
}
