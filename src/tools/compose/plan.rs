//! From what there is and what the file wants to the steps between: the reconciliation, without an engine.
//!
//! ```text
//!  Project + Observed + Wishes ── up() ──> Plan: steps, and for each those that come before it
//! ```
//!
//! A container stays if the hash of its service, its image and its networks and volumes are what they would be today; else it is made anew in its place. First
//! everything is made, then started: a service after those that it depends on, when their conditions hold. What does not depend on each other has no order.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::{Container, Observed, Thing, label};
use crate::compose::types::{Dependency, Project, Service};

/// When a container is made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// When something has changed.
    #[default]
    Diverged,
    /// Always.
    Force,
    /// Never.
    Never,
}

/// What is wanted besides the file.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The services that were named; none: all.
    pub named: Vec<String>,
    /// For those.
    pub recreate: Strategy,
    /// For the others, which those depend on.
    pub recreate_dependencies: Strategy,
    /// Whether containers are started.
    pub start: bool,
    /// Whether orphans are removed.
    pub remove_orphans: bool,
    /// Whether it was said already which containers run.
    pub told: bool,
    /// A service whose containers stay as they are: only what it needs is made ready.
    pub untouched: Option<String>,
    /// What stands between the parts of names.
    pub separator: char,
    /// The hashes of services as they are in the file.
    pub hashes: BTreeMap<String, String>,
    /// The ids of the services' images.
    pub images: BTreeMap<String, String>,
    /// The hashes of networks by key.
    pub networks: BTreeMap<String, String>,
    /// All services of the file, those of profiles that are off too.
    pub known: BTreeSet<String>,
}

/// A container's place in a project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The service.
    pub service: String,
    /// Which of its containers.
    pub number: u32,
    /// The container's name.
    pub name: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make a network, by its key; `old` is the one in its place, which is no longer what the file says.
    Network {
        /// Its key.
        key: String,
        /// The id of the one that goes.
        old: Option<String>,
    },
    /// Make a volume, by its key.
    Volume(String),
    /// Make a container.
    Create(Spot),
    /// Make a container in the place of another, which goes.
    Recreate {
        /// The place.
        spot: Spot,
        /// The container that goes.
        old: String,
    },
    /// Stop a container.
    Stop {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// The service that it belongs to.
        service: String,
    },
    /// Remove a container.
    Remove {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// Wait until a service is as far as another one wants it.
    Wait {
        /// Who waits.
        service: String,
        /// For whom.
        on: String,
        /// Until when.
        dependency: Dependency,
    },
    /// Start a container.
    Start(Spot),
    /// Nothing: say how a container is.
    Tell {
        /// Its name.
        name: String,
        /// `Running`.
        text: &'static str,
    },
}

/// Steps, and the order between them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// For each step those that come before it.
    pub after: Vec<Vec<usize>>,
    /// The places of all containers when it is done, by service.
    pub spots: BTreeMap<String, Vec<Spot>>,
    /// The containers that stay, by place.
    pub stays: BTreeMap<Spot, String>,
}

impl Plan {
    fn push(&mut self, step: Step, after: Vec<usize>) -> usize {
        self.steps.push(step);
        self.after.push(after);
        self.steps.len() - 1
    }
}

/// Containers that no service of the file stands for.
pub fn orphans<'a>(observed: &'a Observed, known: &BTreeSet<String>) -> Vec<&'a Container> {
    observed.containers.iter().filter(|one| !one.oneoff && !known.contains(&one.service)).collect()
}

/// The services in whose namespaces and with whose volumes another one's containers live.
fn lives_in(service: &Service) -> BTreeSet<String> {
    let shared = [&service.network_mode, &service.ipc, &service.pid].into_iter().filter_map(|mode| mode.strip_prefix("service:"));
    let volumes = service.volumes_from.iter().filter(|from| !from.starts_with("container:"));
    shared.map(str::to_owned).chain(volumes.map(|from| first(from))).collect()
}

/// The services whose containers must be there when another one's are made: those, and whoever is linked.
fn made_with(service: &Service) -> BTreeSet<String> {
    lives_in(service).into_iter().chain(service.links.iter().map(|link| first(link))).collect()
}

/// What stands before the first colon.
fn first(text: &str) -> String {
    text.split(':').next().unwrap_or_default().to_owned()
}

/// The services in an order in which each comes after those that it depends on.
///
/// # Errors
/// They depend on each other in a circle, in words.
pub fn ordered(project: &Project) -> Result<Vec<&str>, String> {
    let mut order: Vec<&str> = Vec::new();
    let mut left: Vec<&str> = project.services.keys().map(String::as_str).collect();
    while !left.is_empty() {
        let waits = |name: &str| {
            let service = project.service(name);
            service.is_some_and(|service| {
                let made = made_with(service);
                service.depends_on.keys().chain(&made).any(|other| other != name && left.contains(&other.as_str()))
            })
        };
        let (later, now): (Vec<&str>, Vec<&str>) = left.iter().partition(|name| waits(name));
        if now.is_empty() {
            return Err(format!("dependency cycle detected: {}", later.join(" -> ")));
        }
        order.extend(now);
        left = later;
    }
    Ok(order)
}

/// The name of a service's container.
pub fn name_of(project: &str, service: &Service, number: u32, separator: char) -> String {
    if service.container_name.is_empty() {
        format!("{project}{separator}{}{separator}{number}", service.name)
    } else {
        service.container_name.clone()
    }
}

/// Makes the plan of `up`.
///
/// # Errors
/// The file cannot be fulfilled, in words.
pub fn up(project: &Project, observed: &Observed, wishes: &Wishes) -> Result<Plan, String> {
    let mut maker = Maker {
        project,
        observed,
        wishes,
        plan: Plan::default(),
        made: BTreeMap::new(),
        stopped: BTreeMap::new(),
        replaced: BTreeSet::new(),
    };
    maker.resources();
    let before = maker.plan.steps.len();
    for name in ordered(project)? {
        if let Some(service) = project.service(name) {
            maker.converge(service, before)?;
        }
    }
    if wishes.remove_orphans {
        for orphan in orphans(observed, &wishes.known) {
            maker.remove(orphan, Vec::new());
        }
    }
    if wishes.start {
        maker.starts()?;
    }
    Ok(maker.plan)
}

struct Maker<'a> {
    project: &'a Project,
    observed: &'a Observed,
    wishes: &'a Wishes,
    plan: Plan,
    /// The steps that make or remake containers of a service.
    made: BTreeMap<String, Vec<usize>>,
    /// Containers that are stopped on the way, by id, and the step that does it.
    stopped: BTreeMap<String, usize>,
    /// Ids of networks that go.
    replaced: BTreeSet<String>,
}

impl<'a> Maker<'a> {
    fn containers(&self, service: &str) -> Vec<&'a Container> {
        self.observed.containers.iter().filter(|one| one.service == service && !one.oneoff).collect()
    }

    /// Networks and volumes that are missing, and networks that are no longer what the file says.
    fn resources(&mut self) {
        let (project, observed) = (self.project, self.observed);
        for (key, network) in project.networks.iter().filter(|(_, network)| !network.external) {
            let Some(found) = observed.networks.iter().find(|one| one.name == network.name) else {
                self.plan.push(Step::Network { key: key.clone(), old: None }, Vec::new());
                continue;
            };
            if self.has_changed(key, found) {
                self.replaced.insert(found.id.clone());
                let users: Vec<&Container> =
                    observed.containers.iter().filter(|one| one.networks.contains(&found.id) && one.is_running()).collect();
                let stops = users.into_iter().map(|user| self.stop(user, Vec::new())).collect();
                self.plan.push(Step::Network { key: key.clone(), old: Some(found.id.clone()) }, stops);
            }
        }
        for (key, volume) in project.volumes.iter().filter(|(_, volume)| !volume.external) {
            if !observed.volumes.iter().any(|one| one.name == volume.name) {
                self.plan.push(Step::Volume(key.clone()), Vec::new());
            }
        }
    }

    /// One that another program has made says nothing of what it was made from.
    fn has_changed(&self, key: &str, found: &Thing) -> bool {
        let (own, hash) = (found.label(label::PROJECT) == self.project.name, found.label(label::HASH));
        own && !hash.is_empty() && self.wishes.networks.get(key).is_some_and(|wanted| wanted != hash)
    }

    fn stop(&mut self, container: &Container, after: Vec<usize>) -> usize {
        if let Some(at) = self.stopped.get(&container.id) {
            return *at;
        }
        let step = Step::Stop { id: container.id.clone(), name: container.name.clone(), service: container.service.clone() };
        let at = self.plan.push(step, after);
        self.stopped.insert(container.id.clone(), at);
        at
    }

    fn remove(&mut self, container: &Container, after: Vec<usize>) -> usize {
        let stopped = self.stop(container, after);
        self.plan.push(Step::Remove { id: container.id.clone(), name: container.name.clone() }, vec![stopped])
    }

    /// Whether a container is no longer what the file says.
    fn is_obsolete(&self, service: &Service, container: &Container) -> bool {
        let named = self.wishes.named.is_empty() || self.wishes.named.contains(&service.name);
        match if named { self.wishes.recreate } else { self.wishes.recreate_dependencies } {
            Strategy::Never => return false,
            Strategy::Force => return true,
            Strategy::Diverged => {}
        }
        let differs =
            |name: &str, wanted: &BTreeMap<String, String>| wanted.get(&service.name).is_some_and(|wanted| container.label(name) != wanted);
        let network = |key: &String| {
            let id = self.project.networks.get(key).and_then(|network| self.observed.networks.iter().find(|one| one.name == network.name));
            id.is_none_or(|found| !container.networks.contains(&found.id) || self.replaced.contains(&found.id))
        };
        let volume = |source: &str| {
            let name = self.project.volumes.get(source).map_or(source, |volume| volume.name.as_str());
            !container.volumes.contains(name)
        };
        differs(label::HASH, &self.wishes.hashes)
            || differs(label::IMAGE, &self.wishes.images)
            || (container.is_running() && service.networks.keys().any(network))
            || service.volumes.iter().filter(|one| one.kind == "volume" && !one.source.is_empty()).any(|one| volume(&one.source))
            // Who lives in another one's namespaces goes with it.
            || lives_in(service).iter().any(|other| self.made.get(other).is_some_and(|made| !made.is_empty()))
    }

    /// The containers of one service: kept, made anew, made, removed. `first` steps make what they need.
    fn converge(&mut self, service: &Service, first: usize) -> Result<(), String> {
        if self.wishes.untouched.as_ref() == Some(&service.name) {
            return Ok(());
        }
        let (name, wanted) = (service.name.clone(), usize::try_from(service.replicas()).unwrap_or(0));
        if wanted > 1 && !service.container_name.is_empty() {
            return Err(format!(
                "WARNING: The {name:?} service is using the custom container name {:?}. Docker requires each container to have a unique name. \
                 Remove the custom name to scale the service.",
                service.container_name
            ));
        }
        let resources: Vec<usize> =
            (0..first).filter(|at| matches!(self.plan.steps[*at], Step::Network { .. } | Step::Volume(_))).collect();
        let needs = made_with(service);
        let mut after = resources;
        after.extend(needs.iter().filter_map(|other| self.made.get(other)).flatten().copied());
        let mut existing: Vec<(bool, &Container)> =
            self.containers(&name).into_iter().map(|container| (self.is_obsolete(service, container), container)).collect();
        // What goes is what is obsolete, and then what has the highest number.
        existing.sort_by_key(|(obsolete, container)| (*obsolete, container.number));
        let next = existing.iter().map(|(_, container)| container.number).max().unwrap_or(0) + 1;
        let (kept, surplus) = existing.split_at(wanted.min(existing.len()));
        for (_, container) in surplus {
            self.remove(container, Vec::new());
        }
        let (mut spots, mut made) = (Vec::new(), Vec::new());
        for (obsolete, container) in kept {
            let mut spot = Spot { service: name.clone(), number: container.number, name: container.name.clone() };
            if *obsolete {
                spot.name = name_of(&self.project.name, service, container.number, self.wishes.separator);
                let mut before = after.clone();
                before.extend(self.stop_dependents(&name));
                before.extend(service.depends_on.keys().filter_map(|other| self.made.get(other)).flatten());
                made.push(self.plan.push(Step::Recreate { spot: spot.clone(), old: container.id.clone() }, before));
            } else {
                if container.is_running() && !self.wishes.told && !self.stopped.contains_key(&container.id) {
                    self.plan.push(Step::Tell { name: container.name.clone(), text: "Running" }, Vec::new());
                }
                self.plan.stays.insert(spot.clone(), container.id.clone());
            }
            spots.push(spot);
        }
        for number in (next..).take(wanted - kept.len()) {
            let spot = Spot { service: name.clone(), number, name: name_of(&self.project.name, service, number, self.wishes.separator) };
            made.push(self.plan.push(Step::Create(spot.clone()), after.clone()));
            spots.push(spot);
        }
        self.made.insert(name.clone(), made);
        self.plan.spots.insert(name, spots);
        Ok(())
    }

    /// Stops who wants to be started again with this service (`restart: true`).
    fn stop_dependents(&mut self, name: &str) -> Vec<usize> {
        let wants = |service: &&Service| service.depends_on.get(name).is_some_and(|dependency| dependency.restart);
        let dependents: Vec<&str> = self.project.services.values().filter(wants).map(|service| service.name.as_str()).collect();
        let running: Vec<&Container> =
            dependents.into_iter().flat_map(|dependent| self.containers(dependent)).filter(|one| one.is_running()).collect();
        running.into_iter().map(|container| self.stop(container, Vec::new())).collect()
    }

    /// Starts what does not run, when everything is made.
    fn starts(&mut self) -> Result<(), String> {
        let all: Vec<usize> = (0..self.plan.steps.len()).filter(|at| !matches!(self.plan.steps[*at], Step::Tell { .. })).collect();
        let mut started: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for name in ordered(self.project)? {
            let Some(service) = self.project.service(name) else { continue };
            let mut before = all.clone();
            for (on, dependency) in &service.depends_on {
                let Some(other) = self.project.service(on) else {
                    if *dependency.required {
                        return Err(format!("{name} is missing dependency {on}"));
                    }
                    continue;
                };
                let after = started.get(on).cloned().unwrap_or_default();
                if dependency.condition == "service_started" || dependency.condition.is_empty() || other.replicas() == 0 {
                    before.extend(after);
                    continue;
                }
                let mut after = after;
                after.extend(&all);
                let step = Step::Wait { service: name.to_owned(), on: on.clone(), dependency: dependency.clone() };
                before.push(self.plan.push(step, after));
            }
            let spots = self.plan.spots.get(name).cloned().unwrap_or_default();
            let idle: Vec<Spot> = spots.into_iter().filter(|spot| !self.runs(spot)).collect();
            let starts = idle.into_iter().map(|spot| self.plan.push(Step::Start(spot), before.clone())).collect();
            started.insert(name.to_owned(), starts);
        }
        Ok(())
    }

    /// Whether the container of a place stays and runs.
    fn runs(&self, spot: &Spot) -> bool {
        let Some(id) = self.plan.stays.get(spot) else { return false };
        let found = self.observed.containers.iter().find(|one| one.id == *id);
        found.is_some_and(|one| ["running", "paused", "restarting"].contains(&one.state.as_str())) && !self.stopped.contains_key(id)
    }
}

/// The order in which containers are stopped: each after those that need it. By services: for each the services that come before it.
pub fn backwards(services: &BTreeSet<String>, needs: &dyn Fn(&str) -> Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut before: BTreeMap<String, Vec<String>> = services.iter().map(|name| (name.clone(), Vec::new())).collect();
    for name in services {
        for needed in needs(name).into_iter().filter(|needed| needed != name) {
            if let Some(dependents) = before.get_mut(&needed) {
                dependents.push(name.clone());
            }
        }
    }
    before
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
