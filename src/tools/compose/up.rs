//! `up`, `create`, `scale`, `start`: what the file describes becomes containers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::apply::Applier;
use super::foreground::{self, Followed};
use super::images::{self, Policy};
use super::observed::{self, Container, Observed, label};
use super::plan::{self, Plan, Strategy, Wishes};
use super::progress::State;
use super::scene::{self, Scene};
use super::wait::{self, Outcome, Until};
use super::work;
use crate::compose::types::{Dependency, Project};
use crate::tools::docker::Session;
use crate::tools::docker::api::{Api, Ask};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::{Given, truth};

/// A project on its way: what there is, and the plan.
pub struct Planned {
    /// The selected project.
    pub project: Project,
    /// The steps.
    pub plan: Plan,
    hashes: BTreeMap<String, String>,
    images: BTreeMap<String, String>,
    /// The containers of services that are not meant: links and the like may lead to them.
    beside: BTreeMap<String, Vec<(String, String)>>,
}

/// How `up` and its like are wanted.
#[derive(Default)]
pub struct Wanted {
    /// The services that were named.
    pub named: Vec<String>,
    /// Whether what they need is left alone.
    pub no_deps: bool,
    /// `--scale`.
    pub scales: Vec<String>,
    /// For the named services.
    pub recreate: Strategy,
    /// For those that they need.
    pub recreate_dependencies: Strategy,
    /// Whether containers are started.
    pub start: bool,
    /// `-V`.
    pub renew_volumes: bool,
    /// `--remove-orphans`.
    pub remove_orphans: bool,
    /// Whether orphans are not even told.
    pub ignore_orphans: bool,
    /// Whether it was said already which containers run.
    pub told: bool,
    /// Seconds before a container that stops is killed.
    pub timeout: Option<i64>,
    /// What is done about images.
    pub policy: Policy,
    /// A service whose containers stay as they are.
    pub untouched: Option<String>,
}

fn wanted(given: &Given, start: bool) -> Result<Wanted> {
    if given.on("force-recreate") && given.on("no-recreate") {
        return Err(Failure::new("--force-recreate and --no-recreate are incompatible"));
    }
    if given.on("always-recreate-deps") && given.on("no-recreate") {
        return Err(Failure::new("--always-recreate-deps and --no-recreate are incompatible"));
    }
    let recreate = match (given.on("force-recreate"), given.on("no-recreate")) {
        (true, _) => Strategy::Force,
        (_, true) => Strategy::Never,
        _ => Strategy::Diverged,
    };
    let recreate_dependencies = match (given.on("always-recreate-deps"), recreate) {
        (true, _) => Strategy::Force,
        (_, Strategy::Never) => Strategy::Never,
        _ => Strategy::Diverged,
    };
    let variable = |name: &str| std::env::var(name).is_ok_and(|value| truth(&value));
    Ok(Wanted {
        named: given.words.clone(),
        no_deps: given.on("no-deps"),
        scales: given.all("scale").to_vec(),
        recreate,
        recreate_dependencies,
        start,
        renew_volumes: given.on("renew-anon-volumes"),
        remove_orphans: given.on("remove-orphans") || (variable("COMPOSE_REMOVE_ORPHANS") && !given.has("remove-orphans")),
        ignore_orphans: variable("COMPOSE_IGNORE_ORPHANS"),
        told: false,
        timeout: given.number("timeout"),
        policy: Policy {
            pull: given.text_or_empty("pull").to_owned(),
            build: given.on("build"),
            no_build: given.on("no-build"),
            quiet_build: given.on("quiet-build"),
            quiet_pull: given.on("quiet-pull"),
        },
        untouched: None,
    })
}

/// Networks and volumes that must be there already are looked for; those with a strange owner are told.
fn checked(api: &Api, project: &Project, observed: &Observed) -> Result {
    for network in project.networks.values() {
        let found = observed.networks.iter().find(|one| one.name == network.name || (network.external && one.id == network.name));
        match found {
            None if network.external => {
                // A network of a cluster shows itself only to who asks for it.
                api.ask(Ask::get(&format!("/networks/{}", in_path(&network.name)))).map_err(|failure| match failure.is_absent() {
                    true => Failure::new(format!("network {} declared as external, but could not be found", network.name)),
                    false => failure,
                })?;
            }
            Some(found) if !network.external && found.label(label::PROJECT) != project.name => {
                let why = if found.label(label::PROJECT).is_empty() {
                    "was not created by compose".to_owned()
                } else {
                    format!("was not created for project {:?}", project.name)
                };
                scene::warning(&format!(
                    "a network with name {} exists but {why}.\nSet `external: true` to use an existing network",
                    network.name
                ));
            }
            _ => {}
        }
    }
    for volume in project.volumes.values() {
        match observed.volumes.iter().find(|one| one.name == volume.name) {
            None if volume.external => return Err(Failure::new(format!("external volume {:?} not found", volume.name))),
            Some(found) if !volume.external && found.label(label::PROJECT) != project.name => {
                let owner = found.label(label::PROJECT);
                let why = if owner.is_empty() {
                    "was not created by Docker Compose".to_owned()
                } else {
                    format!("was created for project {owner:?} (expected {:?})", project.name)
                };
                scene::warning(&format!(
                    "volume {:?} already exists but {why}. Use `external: true` to use an existing volume",
                    volume.name
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What only other programs than an engine could make.
fn possible(project: &Project) -> Result {
    for service in project.services.values() {
        let key = if service.provider.is_some() {
            "provider"
        } else if service.models.is_empty() {
            continue;
        } else {
            "models"
        };
        return Err(Failure::new(format!(
            "service {:?}: {key}: only containers are made here\nhint: give the service an image, or name the other services on the line",
            service.name
        )));
    }
    Ok(())
}

/// Looks at everything and makes the plan. Images are built and pulled on the way.
///
/// # Errors
/// The file or the engine says no.
pub fn planned(scene: &Scene<'_>, whole: Project, wanted: &Wanted) -> Result<Planned> {
    let api = scene.api()?;
    let known = scene::all_names(&whole);
    let mut project = scene::pruned(scene.session, scene::selected(whole, &wanted.named, !wanted.no_deps)?);
    scene::scales(&mut project, &wanted.scales)?;
    if project.services.is_empty() {
        return Err(Failure::new("no service selected"));
    }
    possible(&project)?;
    let images = images::ensured(scene, &project, &wanted.policy)?;
    let observed = observed::everything(api, &project.name)?;
    checked(api, &project, &observed)?;
    let hashes: BTreeMap<String, String> =
        project.services.iter().map(|(name, service)| (name.clone(), crate::compose::hash::service(service))).collect();
    let wishes = Wishes {
        named: wanted.named.clone(),
        recreate: wanted.recreate,
        recreate_dependencies: wanted.recreate_dependencies,
        start: wanted.start,
        remove_orphans: wanted.remove_orphans,
        told: wanted.told,
        untouched: wanted.untouched.clone(),
        separator: scene.separator,
        hashes: hashes.clone(),
        images: images.clone(),
        networks: project.networks.iter().map(|(key, network)| (key.clone(), scene::hash(network))).collect(),
        known: known.clone(),
    };
    let orphans: Vec<&str> = plan::orphans(&observed, &known).into_iter().map(|one| one.name.as_str()).collect();
    if !orphans.is_empty() && !wanted.remove_orphans && !wanted.ignore_orphans {
        scene::warning(&format!(
            "Found orphan containers ([{}]) for this project. If you removed or renamed this service in your compose file, you can run this \
             command with the --remove-orphans flag to clean it up.",
            orphans.join(" ")
        ));
    }
    let plan = plan::up(&project, &observed, &wishes).map_err(Failure::new)?;
    let mut beside = observed::by_service(&observed.containers);
    beside.retain(|service, _| project.service(service).is_none());
    Ok(Planned { project, plan, hashes, images, beside })
}

/// Does the plan, and gives what has done it: it knows the ids.
///
/// # Errors
/// That of the first step that failed.
pub fn done<'a>(scene: &'a Scene<'a>, planned: &'a Planned, wanted: &Wanted) -> Result<Applier<'a>> {
    let applier = Applier {
        scene,
        project: &planned.project,
        hashes: planned.hashes.clone(),
        images: planned.images.clone(),
        timeout: wanted.timeout,
        renew_volumes: wanted.renew_volumes,
        beside: &planned.beside,
        ids: Mutex::new(BTreeMap::new()),
    };
    scene.progress.during("Running", || applier.run(&planned.plan))?;
    Ok(applier)
}

/// `compose up`.
pub fn up(session: &Session, given: &Given) -> Result {
    let waits = given.on("wait");
    let detached = given.on("detach") || waits || given.on("no-start");
    let cascades = given.on("abort-on-container-exit") || given.on("abort-on-container-failure") || given.has("exit-code-from");
    if detached && cascades {
        return Err(Failure::new(
            "--detach/-d and --abort-on-container-exit (or --abort-on-container-failure, --exit-code-from) cannot be combined",
        ));
    }
    if detached && (given.has("attach") || given.on("attach-dependencies")) {
        return Err(Failure::new("--detach cannot be combined with --attach or --attach-dependencies"));
    }
    if detached && given.on("watch") {
        return Err(Failure::new("--watch cannot be combined with --detach"));
    }
    let scene = Scene::new(session)?;
    let whole = scene.project()?;
    if let Some(service) = given.text("exit-code-from") {
        scene::known(&whole, &[service.to_owned()])?;
    }
    let wanted = wanted(given, !given.on("no-start"))?;
    if scene.is_dry() || detached {
        let planned = planned(&scene, whole, &wanted)?;
        let applier = done(&scene, &planned, &wanted)?;
        return if waits && !scene.is_dry() { healthy(&scene, &applier, given.number("wait-timeout")) } else { Ok(()) };
    }
    attached(&scene, whole, wanted, given)
}

/// Everything is made before anything is started: between the two begins the listening.
fn attached(scene: &Scene<'_>, whole: Project, mut wanted: Wanted, given: &Given) -> Result {
    let sources = given.on("watch").then(|| whole.clone());
    wanted.start = false;
    let made = planned(scene, whole.clone(), &wanted)?;
    let applier = done(scene, &made, &wanted)?;
    let shown = shown(&made.project, &wanted.named, given)?;
    let names: BTreeMap<String, String> = made
        .plan
        .spots
        .values()
        .flatten()
        .filter(|spot| shown.contains(&spot.service))
        .map(|spot| (applier.id(spot), spot.name.clone()))
        .collect();
    let followed = Followed {
        project: made.project.clone(),
        services: made.project.services.keys().cloned().collect(),
        shown,
        colours: scene.colours() && !given.on("no-color"),
        prefixes: !given.on("no-log-prefix"),
        timestamps: given.on("timestamps"),
        on_exit: foreground::OnExit {
            any: given.on("abort-on-container-exit") || given.has("exit-code-from"),
            failure: given.on("abort-on-container-failure"),
            code_from: given.text("exit-code-from").map(str::to_owned),
        },
        timeout: wanted.timeout,
    };
    // What is there already is only started now; what was made stays as it is.
    wanted.start = true;
    wanted.recreate = Strategy::Never;
    wanted.recreate_dependencies = Strategy::Never;
    wanted.remove_orphans = false;
    wanted.ignore_orphans = true;
    wanted.told = true;
    wanted.policy = Policy { pull: "never".to_owned(), no_build: true, ..Policy::default() };
    foreground::up(
        scene,
        &followed,
        &names,
        &|scene| {
            let started = planned(scene, whole.clone(), &wanted)?;
            done(scene, &started, &wanted)?;
            Ok(())
        },
        sources.as_ref(),
    )
}

/// The services whose output is shown.
fn shown(project: &Project, named: &[String], given: &Given) -> Result<BTreeSet<String>> {
    let all = || project.services.values().filter(|service| service.attach != Some(false)).map(|service| service.name.clone());
    scene::known(project, given.all("attach"))?;
    let mut shown: BTreeSet<String> = if !given.all("attach").is_empty() {
        given.all("attach").iter().cloned().collect()
    } else if named.is_empty() || given.on("attach-dependencies") {
        all().collect()
    } else {
        named.iter().cloned().collect()
    };
    shown.retain(|name| !given.all("no-attach").contains(name));
    Ok(shown)
}

/// Waits until all containers run and are healthy.
fn healthy(scene: &Scene<'_>, applier: &Applier<'_>, seconds: Option<i64>) -> Result {
    let found: Vec<(String, String, Until)> = applier
        .project
        .services
        .keys()
        .flat_map(|service| applier.of_service(service).into_iter().map(|(id, name)| (id, name, until(Some(applier.project), service))))
        .collect();
    all_healthy(scene, &found, seconds)
}

/// What `--wait` waits for: that it runs and is healthy; of what others need to have ended, that.
fn until(project: Option<&Project>, name: &str) -> Until {
    let ends = |dependency: &Dependency| dependency.condition == "service_completed_successfully";
    let services = project.into_iter().flat_map(|project| project.services.values());
    let ended = services.filter_map(|service| service.depends_on.get(name)).any(ends);
    if ended { Until::Ended } else { Until::RunningOrHealthy }
}

fn all_healthy(scene: &Scene<'_>, found: &[(String, String, Until)], seconds: Option<i64>) -> Result {
    let deadline = seconds.filter(|seconds| *seconds > 0).map(wait::in_seconds);
    let free = vec![Vec::new(); found.len()];
    scene.progress.during("Waiting", || {
        work::run(scene.session, Some(found.len()), &free, &|session, at, stop| {
            let (id, name, until) = &found[at];
            let line = format!("Container {name}");
            scene.progress.working(&line, "Waiting");
            let why = match wait::container(session, id, *until, stop, deadline)? {
                Outcome::Reached(code) if code != 0 => format!("container {name} exited ({code})"),
                Outcome::Reached(_) => {
                    scene.progress.done(&line, if *until == Until::Ended { "Exited" } else { "Healthy" });
                    return Ok(());
                }
                // Another one's failure is told by that one.
                Outcome::Stopped if *stop.borrow() => return Ok(()),
                Outcome::Stopped => return Err(wait::too_late()),
                Outcome::Never(why) => why,
            };
            scene.progress.tell_more(&line, State::Error, "Error", &why);
            Err(Failure::new(why))
        })
    })
}

/// `compose create`.
pub fn create(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let wanted = wanted(given, false)?;
    let planned = planned(&scene, scene.project()?, &wanted)?;
    done(&scene, &planned, &wanted).map(drop)
}

/// `compose scale`.
pub fn scale(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let names: Vec<String> = given.words.iter().map(|word| word.split('=').next().unwrap_or_default().to_owned()).collect();
    let wanted = Wanted { named: names, no_deps: given.on("no-deps"), scales: given.words.clone(), start: true, ..Wanted::default() };
    let planned = planned(&scene, scene.project()?, &wanted)?;
    done(&scene, &planned, &wanted).map(drop)
}

/// `compose start`: what was made and does not run.
pub fn start(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (project, name)) = (scene.api()?, scene.project_or_name()?);
    let found = scene::containers(api, &name, project.as_ref(), &given.words)?;
    if let Some(missing) = given.words.iter().find(|word| !found.iter().any(|one| one.service == **word)) {
        return Err(Failure::new(format!("service {missing:?} has no container to start")));
    }
    if found.is_empty() {
        return Err(Failure::new(match &project {
            Some(project) => format!("service {:?} has no container to start", project.services.keys().next().map_or("", String::as_str)),
            None => format!("no container found for project {name:?}: not found"),
        }));
    }
    let services: BTreeSet<String> = found.iter().map(|one| one.service.clone()).collect();
    let needs = |service: &str| -> Vec<String> {
        let of_file =
            project.as_ref().and_then(|project| project.service(service)).map(|service| service.depends_on.keys().cloned().collect());
        of_file.unwrap_or_else(|| found.iter().find(|one| one.service == service).map_or_else(Vec::new, Container::needs))
    };
    let of = |service: &str| -> Vec<usize> { (0..found.len()).filter(|at| found[*at].service == service).collect() };
    let after: Vec<Vec<usize>> = found
        .iter()
        .map(|one| {
            needs(&one.service).iter().filter(|need| services.contains(*need) && **need != one.service).flat_map(|need| of(need)).collect()
        })
        .collect();
    scene.progress.during("Running", || {
        work::run(session, scene.parallel, &after, &|session, at, stop| {
            let one = &found[at];
            if one.is_running() {
                return Ok(());
            }
            let service = project.as_ref().and_then(|project| project.service(&one.service));
            for (on, dependency) in service.iter().flat_map(|service| &service.depends_on) {
                if !["", "service_started"].contains(&dependency.condition.as_str()) {
                    let others: Vec<(String, String)> =
                        of(on).into_iter().map(|at| (found[at].id.clone(), found[at].name.clone())).collect();
                    super::apply::settle(&scene, session, &others, dependency, on, stop)?;
                }
            }
            let line = format!("Container {}", one.name);
            scene.progress.working(&line, "Starting");
            if !scene.is_dry() {
                let started = session.api()?.ask(Ask::post(&format!("/containers/{}/start", one.id))).map(drop);
                started.inspect_err(|failure| scene.progress.failed(&line, &failure.message))?;
            }
            scene.progress.done(&line, "Started");
            Ok(())
        })
    })?;
    if given.on("wait") && !scene.is_dry() {
        let all: Vec<(String, String, Until)> =
            found.iter().map(|one| (one.id.clone(), one.name.clone(), until(project.as_ref(), &one.service))).collect();
        all_healthy(&scene, &all, given.number("wait-timeout"))?;
    }
    Ok(())
}
