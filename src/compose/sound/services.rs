//! What services refer to, and what of theirs contradicts itself.

use super::{cycle, mistake};
use crate::compose::error::Error;
use crate::compose::types::{Project, Service};
use crate::compose::yaml::Node;

/// Checks a whole project. `tree` is what it was read from, for the places.
///
/// # Errors
/// The first mistake, services in the order of their names.
pub fn project(project: &Project, tree: &Node) -> Result<(), Error> {
    let looking = Looking { project, tree };
    for service in project.services.values() {
        looking.build(service)?;
        looking.networks(service)?;
        looking.health(service)?;
        looking.dependencies(service)?;
        looking.references(service)?;
        looking.scale(service)?;
        looking.limits(service)?;
        looking.watch(service)?;
        looking.mounts(service)?;
    }
    for (name, secret) in &project.secrets {
        if !secret.external && secret.file.is_empty() && secret.environment.is_empty() {
            return Err(mistake(tree, &["secrets", name], format!("secret {name:?} must declare either `file` or `environment`{INVALID}")));
        }
    }
    cycle(project, tree)
}

/// What docker compose adds when a model contradicts itself.
const INVALID: &str = ": invalid compose project";

struct Looking<'p> {
    project: &'p Project,
    tree: &'p Node,
}

impl Looking<'_> {
    /// A mistake of a service at one of its keys; said with what docker compose adds to such.
    fn wrong(&self, service: &Service, key: &str, what: String) -> Result<(), Error> {
        self.bare(service, key, format!("{what}{INVALID}"))
    }

    /// A mistake to which it adds nothing.
    fn bare(&self, service: &Service, key: &str, what: String) -> Result<(), Error> {
        let keys = ["services", service.name.as_str(), key];
        Err(mistake(self.tree, if key.is_empty() { &keys[..2] } else { &keys }, what))
    }

    fn build(&self, service: &Service) -> Result<(), Error> {
        let name = &service.name;
        let Some(build) = &service.build else {
            let made = !service.image.is_empty() || service.provider.is_some();
            let what = format!("service {name:?} has neither an image nor a build context specified");
            return if made { Ok(()) } else { self.wrong(service, "", what) };
        };
        if !build.dockerfile_inline.is_empty() && !build.dockerfile.is_empty() {
            return self.wrong(service, "build", format!("service {name:?} declares mutualy exclusive dockerfile and dockerfile_inline"));
        }
        for (context, place) in &build.additional_contexts {
            let Some(other) = place.strip_prefix("service:") else { continue };
            match self.project.service(other) {
                None => {
                    let what = format!("service {name:?} declares unknown service {other:?} as additional contexts {context}");
                    return self.bare(service, "build", what);
                }
                Some(found) if found.build.is_none() => {
                    let what = format!("service {name:?} declares non-buildable service {other:?} as additional contexts {context}");
                    return self.bare(service, "build", what);
                }
                Some(_) => {}
            }
        }
        if !build.platforms.is_empty() && !service.platform.is_empty() && !build.platforms.contains(&service.platform) {
            let what = format!("service.build.platforms MUST include service.platform {:?}", service.platform);
            return self.wrong(service, "platform", what);
        }
        Ok(())
    }

    fn networks(&self, service: &Service) -> Result<(), Error> {
        let name = &service.name;
        if !service.network_mode.is_empty() && !service.networks.is_empty() {
            let what = format!("service {name} declares mutually exclusive `network_mode` and `networks`");
            return self.wrong(service, "network_mode", what);
        }
        match service.networks.keys().find(|network| !self.project.networks.contains_key(*network)) {
            None => Ok(()),
            Some(network) => {
                let what = format!("service {name:?} refers to undefined network {network}{INVALID}");
                Err(mistake(self.tree, &["services", name, "networks", network], what))
            }
        }
    }

    fn health(&self, service: &Service) -> Result<(), Error> {
        match service.healthcheck.as_ref().and_then(|check| check.test.first()) {
            Some(first) if !["CMD", "CMD-SHELL", "NONE"].contains(&first.as_str()) => {
                let what = "healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"";
                Err(mistake(self.tree, &["services", &service.name, "healthcheck", "test"], what))
            }
            _ => Ok(()),
        }
    }

    fn dependencies(&self, service: &Service) -> Result<(), Error> {
        let name = &service.name;
        for (other, dependency) in &service.depends_on {
            let off = self.project.disabled.contains_key(other);
            if self.project.service(other).is_some() || (off && !*dependency.required) {
                continue;
            }
            let what = format!("service {name:?} depends on undefined service {other:?}{INVALID}");
            return Err(mistake(self.tree, &["services", name, "depends_on", other], what));
        }
        match service.network_mode.strip_prefix("service:") {
            Some(other) if self.project.service(other).is_none() => {
                self.bare(service, "network_mode", format!("service {other:?} not found for network_mode 'service:{other}'"))
            }
            _ => Ok(()),
        }
    }

    fn references(&self, service: &Service) -> Result<(), Error> {
        let (project, name) = (self.project, &service.name);
        for volume in &service.volumes {
            if volume.kind == "volume" && !volume.source.is_empty() && !project.volumes.contains_key(&volume.source) {
                let at = service.volumes.iter().position(|one| one == volume).unwrap_or_default().to_string();
                let what = format!("service {name:?} refers to undefined volume {}{INVALID}", volume.source);
                return Err(mistake(self.tree, &["services", name, "volumes", &at], what));
            }
        }
        let build_secrets = service.build.iter().flat_map(|build| &build.secrets);
        if let Some(secret) = build_secrets.into_iter().find(|secret| !project.secrets.contains_key(&secret.source)) {
            return self.wrong(service, "build", format!("service {name:?} refers to undefined build secret {}", secret.source));
        }
        if let Some(config) = service.configs.iter().find(|config| !project.configs.contains_key(&config.source)) {
            return self.wrong(service, "configs", format!("service {name:?} refers to undefined config {}", config.source));
        }
        if let Some(model) = service.models.keys().find(|model| !project.models.contains_key(*model)) {
            return self.wrong(service, "models", format!("service {name:?} refers to undefined model {model}"));
        }
        if let Some(secret) = service.secrets.iter().find(|secret| !project.secrets.contains_key(&secret.source)) {
            return self.wrong(service, "secrets", format!("service {name:?} refers to undefined secret {}", secret.source));
        }
        Ok(())
    }

    fn scale(&self, service: &Service) -> Result<(), Error> {
        let name = &service.name;
        // A service with both has the same in both from here on.
        let replicas = service.deploy.as_ref().and_then(|deploy| deploy.replicas);
        if let (Some(scale), Some(replicas)) = (service.scale, replicas)
            && scale != replicas
        {
            return self.wrong(service, "scale", format!("services.{name}: can't set distinct values on 'scale' and 'deploy.replicas'"));
        }
        if service.scale.is_some_and(|scale| scale < 0) {
            return self.bare(service, "scale", format!("services.{name}.scale: must be greater than or equal to 0"));
        }
        if replicas.is_some_and(|replicas| replicas < 0) {
            return self.bare(service, "deploy", format!("services.{name}.deploy.replicas: must be greater than or equal to 0"));
        }
        if service.replicas() > 1 && !service.container_name.is_empty() {
            let key = if service.scale.is_some() { "scale" } else { "deploy.replicas" };
            // The two names stand in this order in the original as well.
            let what = format!("services.{key}: can't set container_name and {name} as container name must be unique");
            return self.wrong(service, "container_name", what);
        }
        Ok(())
    }

    fn limits(&self, service: &Service) -> Result<(), Error> {
        let Some(deploy) = &service.deploy else { return Ok(()) };
        let name = &service.name;
        let distinct = |one: &str, other: &str| {
            self.wrong(service, one, format!("services.{name}: can't set distinct values on '{one}' and 'deploy.resources.{other}'"))
        };
        if let Some(limits) = &deploy.resources.limits {
            if service.cpus != 0.0 && limits.cpus != service.cpus {
                return distinct("cpus", "limits.cpus");
            }
            if service.mem_limit.0 != 0 && limits.memory != service.mem_limit {
                return distinct("mem_limit", "limits.memory");
            }
            if service.pids_limit != 0 && limits.pids != service.pids_limit {
                return distinct("pids_limit", "limits.pids");
            }
        }
        if let Some(kept) = &deploy.resources.reservations
            && service.mem_reservation.0 != 0
            && kept.memory != service.mem_reservation
        {
            return distinct("mem_reservation", "reservations.memory");
        }
        Ok(())
    }

    fn watch(&self, service: &Service) -> Result<(), Error> {
        let triggers = service.develop.iter().flat_map(|develop| &develop.watch);
        let needs_target = |action: &str| !["rebuild", "restart"].contains(&action);
        match triggers.into_iter().find(|trigger| trigger.target.is_empty() && needs_target(&trigger.action)) {
            None => Ok(()),
            Some(_) => {
                let what = format!("services.{}.develop.watch: target is required for non-rebuild actions", service.name);
                self.wrong(service, "develop", what)
            }
        }
    }

    fn mounts(&self, service: &Service) -> Result<(), Error> {
        let name = &service.name;
        let tmpfs = service.tmpfs.iter().enumerate().map(|(at, one)| (at, "tmpfs", one.split(':').next().unwrap_or_default()));
        let volumes = service.volumes.iter().enumerate().map(|(at, one)| (at, "volumes", one.target.as_str()));
        let mut seen: Vec<(&str, String)> = Vec::new();
        for (at, key, target) in tmpfs.chain(volumes) {
            let place = format!("services.{name}.{key}[{at}]");
            if let Some((_, before)) = seen.iter().find(|(known, _)| *known == target) {
                let what = format!("{place}: target {target} already mounted as {before}");
                return Err(mistake(self.tree, &["services", name, key, &at.to_string()], what));
            }
            seen.push((target, place));
        }
        Ok(())
    }
}
