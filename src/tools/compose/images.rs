//! The images of services: built, pulled, pushed, and made sure of before containers are made.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde_json::Value;

use super::make::image_of;
use super::observed::label;
use super::progress::{State, Style};
use super::scene::{self, Scene};
use super::work;
use crate::compose::types::{Build, Project, Service};
use crate::oci::reference::Reference;
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::Given;
use crate::tools::docker::registry::{Show, bring_with, taken};
use crate::tools::docker::{Session, build as builder};

/// What is done about images before containers are made.
#[derive(Debug, Default, Clone)]
pub struct Policy {
    /// `--pull`: always, missing, never, build; empty: what the services say.
    pub pull: String,
    /// `--build`.
    pub build: bool,
    /// `--no-build`.
    pub no_build: bool,
    /// `--quiet-build`.
    pub quiet_build: bool,
    /// `--quiet-pull`.
    pub quiet_pull: bool,
}

fn named(image: &str) -> Result<Reference> {
    image.parse::<Reference>().map(Reference::or_latest).map_err(|error| Failure::new(error.to_string()))
}

/// The id of an image that the engine has.
fn id_of(session: &Session, image: &str) -> Result<Option<String>> {
    match session.api()?.json(Ask::get(&format!("/images/{}/json", in_path(image)))) {
        Ok(shown) => Ok(shown["Id"].as_str().map(str::to_owned)),
        Err(failure) if failure.is_absent() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Makes sure that every service has its image, and gives their ids.
///
/// # Errors
/// An image cannot be had.
pub fn ensured(scene: &Scene<'_>, project: &Project, policy: &Policy) -> Result<BTreeMap<String, String>> {
    if policy.build && policy.no_build {
        return Err(Failure::new("--build and --no-build are incompatible"));
    }
    let mut ids: BTreeMap<String, Option<String>> = BTreeMap::new();
    for service in project.services.values() {
        let image = image_of(project, service, scene.separator);
        if !ids.contains_key(&image) {
            ids.insert(image.clone(), id_of(scene.session, &image)?);
        }
    }
    let (mut builds, mut pulls): (Vec<&Service>, Vec<&Service>) = (Vec::new(), Vec::new());
    let mut taken = BTreeSet::new();
    for service in project.services.values() {
        let image = image_of(project, service, scene.separator);
        let here = ids.get(&image).is_some_and(Option::is_some);
        match wanted(service, policy, here)? {
            Wanted::Build => builds.push(service),
            // One image, one pull.
            Wanted::Pull if taken.insert(image) => pulls.push(service),
            Wanted::Pull | Wanted::Nothing => {}
        }
    }
    if !pulls.is_empty() {
        scene.progress.during("Pulling", || {
            work::each(scene.session, scene.parallel, &pulls, &|session, service| {
                pulled(scene, session, project, service, How { may_build: true, quiet: policy.quiet_pull })
            })
        })?;
    }
    if !builds.is_empty() {
        let given = Given::default();
        let given = if policy.quiet_build { given.with("quiet", "true") } else { given };
        built(scene, project, &builds, &given)?;
    }
    for service in pulls.iter().chain(&builds).filter(|_| !scene.is_dry()) {
        let image = image_of(project, service, scene.separator);
        ids.insert(image.clone(), id_of(scene.session, &image)?);
    }
    let id = |service: &Service| ids.get(&image_of(project, service, scene.separator)).cloned().flatten();
    Ok(project.services.iter().filter_map(|(name, service)| Some((name.clone(), id(service)?))).collect())
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Build,
    Pull,
    Nothing,
}

/// What is to be done for a service whose image is here or not.
fn wanted(service: &Service, policy: &Policy, here: bool) -> Result<Wanted> {
    let own = if policy.pull.is_empty() { service.pull_policy.as_str() } else { policy.pull.as_str() };
    let can_build = service.build.is_some();
    if can_build && !policy.no_build && (policy.build || own == "build" || (!here && own != "always")) {
        return Ok(Wanted::Build);
    }
    if can_build && service.image.is_empty() {
        return if here {
            Ok(Wanted::Nothing)
        } else {
            Err(Failure::new(format!("service {:?} has no image and may not be built", service.name)))
        };
    }
    Ok(match own {
        "always" => Wanted::Pull,
        "never" | "build" => Wanted::Nothing,
        "" | "missing" | "if_not_present" if here => Wanted::Nothing,
        "" | "missing" | "if_not_present" => Wanted::Pull,
        // Once a day, once a week: what is here is taken as new enough.
        other if ["daily", "weekly"].contains(&other) || other.starts_with("every_") => {
            if here {
                Wanted::Nothing
            } else {
                Wanted::Pull
            }
        }
        other => return Err(Failure::new(format!("invalid pull policy {other:?} of service {:?}", service.name))),
    })
}

/// How an image is pulled.
#[derive(Debug, Clone, Copy, Default)]
struct How {
    /// One that can be built instead is no failure.
    may_build: bool,
    /// Without its layers.
    quiet: bool,
}

/// Tells how far a layer is, as the engine does: `id`, `status`, and bytes where they count. The other documents have a head or the end.
fn layer(scene: &Scene<'_>, service: &str, document: &Value) {
    let (Some(id), Some(status)) = (document["id"].as_str().filter(|id| !id.is_empty()), document["status"].as_str()) else { return };
    if !document["progressDetail"].is_object() {
        return;
    }
    let bytes = |key: &str| document["progressDetail"][key].as_u64();
    let state = match status {
        "Download complete" | "Already exists" | "Pull complete" => State::Done,
        _ => State::Working,
    };
    scene.progress.part(service, id, state, status, bytes("current").map(|now| (now, bytes("total").unwrap_or(0))));
}

/// Pulls the image of one service.
fn pulled(scene: &Scene<'_>, session: &Session, project: &Project, service: &Service, how: How) -> Result {
    let image = image_of(project, service, scene.separator);
    let progress = &scene.progress;
    progress.working(&service.name, "Pulling");
    if !scene.is_dry() {
        let platform = Some(service.platform.as_str()).filter(|platform| !platform.is_empty());
        let mut told = |document: &Value| {
            if !how.quiet {
                layer(scene, &service.name, document);
            }
        };
        if let Err(failure) = bring_with(session, &named(&image)?, platform, &mut told) {
            if how.may_build && service.build.is_some() {
                progress.tell_more(&service.name, State::Warning, "Warning", &failure.message);
                return Ok(());
            }
            progress.failed(&service.name, &failure.message);
            return Err(failure);
        }
    }
    progress.done(&service.name, "Pulled");
    Ok(())
}

/// A service of the file, whether it is meant or not.
fn of_file<'p>(project: &'p Project, name: &str) -> Option<&'p Service> {
    project.service(name).or_else(|| project.disabled.get(name))
}

/// Builds the services, and those that they are made of, each after these.
fn built(scene: &Scene<'_>, project: &Project, services: &[&Service], given: &Given) -> Result {
    let mut left: Vec<&Service> = services.to_vec();
    let mut at = 0;
    while let Some(service) = left.get(at) {
        let others = scene::made_of(service).into_iter().filter_map(|name| of_file(project, &name));
        let new: Vec<&Service> = others.filter(|other| other.build.is_some() && !left.iter().any(|one| one.name == other.name)).collect();
        left.extend(new);
        at += 1;
    }
    while !left.is_empty() {
        let (later, now): (Vec<&Service>, Vec<&Service>) =
            left.iter().partition(|service| scene::made_of(service).iter().any(|name| left.iter().any(|other| other.name == *name)));
        if now.is_empty() {
            return Err(Failure::new("services are built of each other in a circle"));
        }
        for service in now {
            build_one(scene, project, service, given)?;
        }
        left = later;
    }
    Ok(())
}

/// Builds one image, as `docker build` does.
fn build_one(scene: &Scene<'_>, project: &Project, service: &Service, given: &Given) -> Result {
    let Some(build) = &service.build else { return Ok(()) };
    let image = image_of(project, service, scene.separator);
    scene.progress.working(&service.name, "Building");
    // It lives until the build is over.
    let inline = inline(build)?;
    if !scene.is_dry() {
        let line = line(scene, project, service, build, &image, given, inline.as_ref().map(|file| file.path().display().to_string()))?;
        builder::run(scene.session, &line)
            .map_err(|failure| Failure { message: format!("target {}: failed to solve: {}", service.name, failure.message), ..failure })?;
    }
    scene.progress.done(&service.name, "Built");
    Ok(())
}

/// A Dockerfile that stands in the Compose file.
fn inline(build: &Build) -> Result<Option<tempfile::NamedTempFile>> {
    if build.dockerfile_inline.is_empty() {
        return Ok(None);
    }
    let mut file = tempfile::Builder::new().prefix("Dockerfile.").tempfile()?;
    file.write_all(build.dockerfile_inline.as_bytes())?;
    Ok(Some(file))
}

/// The line of `docker build` that says the same as a service's `build`.
fn line(
    scene: &Scene<'_>,
    project: &Project,
    service: &Service,
    build: &Build,
    image: &str,
    given: &Given,
    inline: Option<String>,
) -> Result<Given> {
    let context = if build.context.is_empty() { "." } else { build.context.as_str() };
    let mut line = Given::of(&[context]).with("tag", image);
    for tag in build.tags.iter().filter(|tag| *tag != image) {
        line = line.with("tag", tag.as_str());
    }
    let dockerfile = inline.or_else(|| {
        let name = Some(build.dockerfile.as_str()).filter(|name| !name.is_empty())?;
        // A path in the file is the context's; an address has its own.
        let is_folder = std::path::Path::new(context).is_dir();
        Some(if is_folder { std::path::Path::new(context).join(name).display().to_string() } else { name.to_owned() })
    });
    if let Some(dockerfile) = dockerfile {
        line = line.with("file", dockerfile);
    }
    for (name, value) in &build.args {
        let value = value.clone().or_else(|| project.environment.get(name).cloned()).or_else(|| std::env::var(name).ok());
        if let Some(value) = value {
            line = line.with("build-arg", format!("{name}={value}"));
        }
    }
    for (name, place) in &build.additional_contexts {
        // What another service is made of was built before.
        let other = place.strip_prefix("service:").and_then(|other| of_file(project, other));
        let place = other.map_or_else(|| place.clone(), |other| format!("docker-image://{}", image_of(project, other, scene.separator)));
        line = line.with("build-context", format!("{name}={place}"));
    }
    for argument in given.all("build-arg") {
        let value =
            if argument.contains('=') { argument.clone() } else { format!("{argument}={}", std::env::var(argument).unwrap_or_default()) };
        line = line.with("build-arg", value);
    }
    let own = [(label::PROJECT, project.name.as_str()), (label::SERVICE, &service.name), (label::VERSION, super::LEVEL)];
    for (name, value) in build.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(own) {
        line = line.with("label", format!("{name}={value}"));
    }
    for (name, values) in [
        ("cache-from", &build.cache_from),
        ("cache-to", &build.cache_to),
        ("no-cache-filter", &build.no_cache_filter),
        ("allow", &build.entitlements),
    ] {
        for value in values {
            line = line.with(name, value.as_str());
        }
    }
    for host in build.extra_hosts.joined(":") {
        line = line.with("add-host", host);
    }
    let platform = build.platforms.first().map_or(service.platform.as_str(), String::as_str);
    for (name, value) in [("target", build.target.as_str()), ("network", &build.network), ("platform", platform)] {
        if !value.is_empty() {
            line = line.with(name, value);
        }
    }
    for secret in &build.secrets {
        let Some(object) = project.secrets.get(&secret.source) else {
            return Err(Failure::new(format!("build of service {:?} refers to undefined secret {}", service.name, secret.source)));
        };
        let id = if secret.target.is_empty() { &secret.source } else { &secret.target };
        let from = if object.file.is_empty() { format!("env={}", object.environment) } else { format!("src={}", object.file) };
        line = line.with("secret", format!("id={id},{from}"));
    }
    for (name, on) in
        [("no-cache", build.no_cache || given.on("no-cache")), ("pull", build.pull || given.on("pull")), ("check", given.on("check"))]
    {
        if on {
            line = line.with(name, "true");
        }
    }
    let quiet = given.on("quiet") || scene.progress.style() == Style::Quiet;
    let style = given.text("progress").map(str::to_owned).unwrap_or_else(|| {
        match scene.progress.style() {
            _ if quiet => "quiet",
            Style::Screen { .. } => "tty",
            Style::Plain => "plain",
            Style::Json => "rawjson",
            Style::Quiet => "quiet",
        }
        .to_owned()
    });
    Ok(line.with("progress", style))
}

/// The services that are meant: those that were named, with what they need if somebody wants that; without a name all.
fn meant(scene: &Scene<'_>, given: &Given, dependencies: bool) -> Result<Project> {
    scene::selected(scene.project()?, &given.words, dependencies || given.words.is_empty())
}

/// `compose build`.
pub fn build(session: &Session, given: &Given) -> Result {
    if given.on("print") {
        return Err(Failure::new("--print: there is no bake file here: each image is built as `docker build` builds it"));
    }
    let scene = Scene::new(session)?;
    scene.api()?;
    let project = meant(&scene, given, given.on("with-dependencies"))?;
    let services: Vec<&Service> = project.services.values().filter(|service| service.build.is_some()).collect();
    if services.is_empty() {
        scene::warning("No services to build");
        return Ok(());
    }
    built(&scene, &project, &services, given)?;
    if !given.on("push") {
        return Ok(());
    }
    let with_names: Vec<&Service> = services.into_iter().filter(|service| !service.image.is_empty()).collect();
    scene.progress.during("Pushing", || pushed(&scene, &project, &with_names, false))
}

/// `compose pull`.
pub fn pull(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let scene = if given.on("quiet") { scene.quiet() } else { scene };
    scene.api()?;
    let project = meant(&scene, given, given.on("include-deps"))?;
    let missing = given.text("policy") == Some("missing");
    let mut services: Vec<&Service> = Vec::new();
    let mut seen = BTreeSet::new();
    for service in project.services.values() {
        let image = image_of(&project, service, scene.separator);
        let skipped = match service.build {
            Some(_) if service.image.is_empty() => Some("No image to be pulled"),
            Some(_) if given.on("ignore-buildable") => Some("Image can be built"),
            _ if ["never", "build"].contains(&service.pull_policy.as_str()) => Some("Image is not to be pulled"),
            _ if missing && id_of(session, &image)?.is_some() => Some("Image is already present locally"),
            _ => None,
        };
        match skipped {
            Some(why) => scene.progress.tell(&service.name, State::Warning, &format!("Skipped: {why}")),
            None if seen.insert(image) => services.push(service),
            None => {}
        }
    }
    let lenient = given.on("ignore-pull-failures");
    scene.progress.during("Pulling", || {
        work::each(session, scene.parallel, &services, &|session, service| {
            let done = pulled(&scene, session, &project, service, How::default());
            if lenient { Ok(()) } else { done }
        })
    })
}

fn pushed(scene: &Scene<'_>, project: &Project, services: &[&Service], lenient: bool) -> Result {
    work::each(scene.session, scene.parallel, services, &|session, service| {
        let line = &service.name;
        scene.progress.working(line, "Pushing");
        let image = image_of(project, service, scene.separator);
        let done = if scene.is_dry() { Ok(()) } else { taken(session, &named(&image)?, None, Show::Nothing) };
        match done {
            Ok(()) => scene.progress.done(line, "Pushed"),
            Err(failure) => {
                scene.progress.failed(line, &failure.message);
                if !lenient {
                    return Err(failure);
                }
            }
        }
        Ok(())
    })
}

/// `compose push`.
pub fn push(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let scene = if given.on("quiet") { scene.quiet() } else { scene };
    scene.api()?;
    let project = meant(&scene, given, given.on("include-deps"))?;
    let services: Vec<&Service> =
        project.services.values().filter(|service| service.build.is_some() && !service.image.is_empty()).collect();
    let lenient = given.on("ignore-push-failures");
    scene.progress.during("Pushing", || pushed(&scene, &project, &services, lenient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_depends_on_what_is_here_and_who_says_what() {
        let service = |image: &str, build: bool, policy: &str| Service {
            name: "web".to_owned(),
            image: image.to_owned(),
            build: build.then(Build::default),
            pull_policy: policy.to_owned(),
            ..Service::default()
        };
        let ask = |service: &Service, policy: &Policy, here: bool| wanted(service, policy, here).unwrap();
        let usual = Policy::default();
        let pull = |how: &str| Policy { pull: how.to_owned(), ..Policy::default() };
        assert_eq!(ask(&service("a", false, ""), &usual, false), Wanted::Pull);
        assert_eq!(ask(&service("a", false, ""), &usual, true), Wanted::Nothing);
        assert_eq!(ask(&service("a", false, "always"), &usual, true), Wanted::Pull);
        assert_eq!(ask(&service("a", false, "always"), &pull("never"), true), Wanted::Nothing);
        assert_eq!(ask(&service("", true, ""), &usual, false), Wanted::Build);
        assert_eq!(ask(&service("", true, ""), &usual, true), Wanted::Nothing);
        assert_eq!(ask(&service("", true, ""), &Policy { build: true, ..Policy::default() }, true), Wanted::Build);
        assert_eq!(ask(&service("", true, "build"), &usual, true), Wanted::Build);
        let not = Policy { no_build: true, ..Policy::default() };
        assert!(wanted(&service("", true, ""), &not, false).is_err());
        assert_eq!(ask(&service("a", true, ""), &not, false), Wanted::Pull);
        assert!(wanted(&service("a", false, "sometimes"), &usual, false).is_err());
    }
}
