//! `down`, `stop`, `restart`, `kill`, `rm`, `pause`, `unpause`: what is there stops, goes on, or goes away.
//!
//! None of them needs the file: who depends on whom is in the containers' labels too.

use std::collections::BTreeSet;

use super::apply::{before_stop, remove as remove_one, stop as stop_container};
use super::make::image_of;
use super::observed::{self, Container, Thing, label};
use super::progress::State;
use super::scene::{self, Scene};
use super::{plan, work};
use crate::compose::types::Project;
use crate::tools::docker::api::Ask;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::images::in_path;
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, confirmed, say, warn};

/// For each container those that come before it when all stop: whoever needs it.
fn backwards(found: &[Container], project: Option<&Project>) -> Vec<Vec<usize>> {
    let services: BTreeSet<String> = found.iter().map(|one| one.service.clone()).collect();
    let needs = |name: &str| -> Vec<String> {
        let of_file = project.and_then(|project| project.service(name)).map(|service| service.depends_on.keys().cloned().collect());
        of_file.unwrap_or_else(|| found.iter().find(|one| one.service == name).map_or_else(Vec::new, Container::needs))
    };
    let before = plan::backwards(&services, &needs);
    let of = |services: &[String]| (0..found.len()).filter(|at| services.contains(&found[*at].service)).collect();
    found.iter().map(|one| before.get(&one.service).map_or_else(Vec::new, |before| of(before))).collect()
}

fn stop_one(scene: &Scene<'_>, session: &Session, one: &Container, project: Option<&Project>, timeout: Option<i64>) -> Result {
    stop_container(scene, session, (&one.id, &one.name), before_stop(project, &one.service), timeout)
}

/// Stops the containers of services, those that need others first.
///
/// # Errors
/// The engine says no.
pub fn stop_all(scene: &Scene<'_>, project: &Project, services: &BTreeSet<String>, timeout: Option<i64>) -> Result {
    // Called from a thread of its own: it needs a client of its own.
    let session = scene.session_again()?;
    let mut found = observed::containers(session.api()?, &project.name)?;
    found.retain(|one| !one.oneoff && services.contains(&one.service));
    let after = backwards(&found, Some(project));
    scene.progress.during("Stopping", || {
        work::run(&session, scene.parallel, &after, &|session, at, _| stop_one(scene, session, &found[at], Some(project), timeout))
    })
}

/// Kills the containers of services that run.
///
/// # Errors
/// The engine says no.
pub fn kill_all(scene: &Scene<'_>, project: &str, services: &BTreeSet<String>, signal: &str) -> Result {
    let session = scene.session_again()?;
    let mut found = observed::containers(session.api()?, project)?;
    found.retain(|one| !one.oneoff && services.contains(&one.service) && one.is_running());
    killed(scene, &session, &found, signal)
}

fn killed(scene: &Scene<'_>, session: &Session, found: &[Container], signal: &str) -> Result {
    work::each(session, scene.parallel, found, &|session, one| {
        asked(scene, session, one, ("Killing", "Killed"), |path| Ask::post(path).with("signal", signal), "kill")
    })
}

/// Asks one thing of a container, and tells it.
fn asked(
    scene: &Scene<'_>,
    session: &Session,
    one: &Container,
    (now, then): (&str, &str),
    ask: impl for<'p> FnOnce(&'p str) -> Ask<'p>,
    verb: &str,
) -> Result {
    let line = format!("Container {}", one.name);
    scene.progress.working(&line, now);
    if !scene.is_dry() {
        let path = format!("/containers/{}/{verb}", one.id);
        let done = session.api()?.ask(ask(&path)).map(drop);
        done.inspect_err(|failure| scene.progress.failed(&line, &failure.message))?;
    }
    scene.progress.done(&line, then);
    Ok(())
}

/// The command's project and containers.
struct Meant {
    project: Option<Project>,
    name: String,
    found: Vec<Container>,
}

fn meant(scene: &Scene<'_>, given: &Given) -> Result<Meant> {
    let (project, name) = scene.project_or_name()?;
    let found = scene::containers(scene.api()?, &name, project.as_ref(), &given.words)?;
    Ok(Meant { project, name, found })
}

/// `compose stop`.
pub fn stop(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let Meant { project, found, .. } = meant(&scene, given)?;
    let after = backwards(&found, project.as_ref());
    scene.progress.during("Stopping", || {
        work::run(session, scene.parallel, &after, &|session, at, _| {
            stop_one(&scene, session, &found[at], project.as_ref(), given.number("timeout"))
        })
    })
}

/// `compose restart`.
pub fn restart(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let Meant { project, found, name } = meant(&scene, given)?;
    if found.is_empty() {
        return Err(Failure::new(format!("no container found for project {name:?}: not found")));
    }
    // Who wants to be started again with them comes along.
    let mut found = found;
    if let Some(project) = project.as_ref().filter(|_| !given.on("no-deps") && !given.words.is_empty()) {
        let wants = |service: &&crate::compose::types::Service| {
            given.words.iter().any(|word| service.depends_on.get(word).is_some_and(|one| one.restart))
        };
        let more: Vec<String> = project.services.values().filter(wants).map(|service| service.name.clone()).collect();
        let all = scene::containers(scene.api()?, &name, Some(project), &[])?;
        found.extend(all.into_iter().filter(|one| more.contains(&one.service) && !given.words.contains(&one.service)));
    }
    let forwards = turned(&backwards(&found, project.as_ref()));
    scene.progress.during("Restarting", || {
        work::run(session, scene.parallel, &forwards, &|session, at, _| {
            let seconds = given.number("timeout").map(|seconds| seconds.to_string());
            asked(&scene, session, &found[at], ("Restarting", "Started"), |path| Ask::post(path).maybe("t", seconds), "restart")
        })
    })
}

/// The same order the other way round.
fn turned(after: &[Vec<usize>]) -> Vec<Vec<usize>> {
    (0..after.len()).map(|at| (0..after.len()).filter(|other| after[*other].contains(&at)).collect()).collect()
}

/// `compose kill`.
pub fn kill(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let Meant { mut found, name, project } = meant(&scene, given)?;
    if let Some(project) = project.as_ref().filter(|_| !given.on("remove-orphans")) {
        let known = scene::all_names(project);
        found.retain(|one| known.contains(&one.service));
    }
    found.retain(Container::is_running);
    if found.is_empty() {
        return Err(Failure::new(format!("no container to kill: project {name:?} has none that runs")));
    }
    let signal = given.text("signal").filter(|signal| !signal.is_empty()).unwrap_or("SIGKILL");
    scene.progress.during("Killing", || killed(&scene, session, &found, signal))
}

/// `compose pause`.
pub fn pause(session: &Session, given: &Given) -> Result {
    both(session, given, "pause", ("Pausing", "Paused"), "running")
}

/// `compose unpause`.
pub fn unpause(session: &Session, given: &Given) -> Result {
    both(session, given, "unpause", ("Unpausing", "Unpaused"), "paused")
}

fn both(session: &Session, given: &Given, verb: &str, words: (&str, &str), state: &str) -> Result {
    let scene = Scene::new(session)?;
    let Meant { mut found, .. } = meant(&scene, given)?;
    found.retain(|one| one.state == state);
    let head = if verb == "pause" { "Pausing" } else { "Unpausing" };
    scene.progress.during(head, || {
        work::each(session, scene.parallel, &found, &|session, one| asked(&scene, session, one, words, |path| Ask::post(path), verb))
    })
}

/// `compose rm`.
pub fn remove(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let Meant { mut found, project, .. } = meant(&scene, given)?;
    if given.on("stop") {
        let after = backwards(&found, project.as_ref());
        scene.progress.during("Stopping", || {
            work::run(session, scene.parallel, &after, &|session, at, _| {
                if !found[at].is_running() {
                    return Ok(());
                }
                stop_one(&scene, session, &found[at], project.as_ref(), None)
            })
        })?;
    } else {
        found.retain(|one| !["running", "paused", "restarting"].contains(&one.state.as_str()));
    }
    if found.is_empty() {
        warn("No stopped containers\n");
        return Ok(());
    }
    let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    let question = format!("Going to remove {}", names.join(", "));
    if given.on("force") {
        say(&format!("{question}\n"));
    } else if !confirmed(&format!("? {question}")) {
        return Ok(());
    }
    let volumes = given.on("volumes");
    scene.progress.during("Removing", || {
        work::each(session, scene.parallel, &found, &|session, one| remove_one(&scene, session, &one.id, &one.name, volumes))
    })
}

/// `compose down`.
pub fn down(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let rmi = given.text("rmi");
    if let Some(other) = rmi.filter(|how| !["all", "local"].contains(how)) {
        return Err(Failure::new(format!("invalid value for --rmi: {other:?}")));
    }
    let (api, (project, name)) = (scene.api()?, scene.project_or_name()?);
    if let Some(project) = &project {
        scene::known(project, &given.words)?;
    }
    let all = observed::containers(api, &name)?;
    let known = project.as_ref().map(scene::all_names);
    let orphans =
        given.on("remove-orphans") || std::env::var("COMPOSE_REMOVE_ORPHANS").is_ok_and(|value| crate::tools::docker::line::truth(&value));
    let belongs = |one: &Container| {
        let of_file = known.as_ref().is_none_or(|known| known.contains(&one.service));
        if one.oneoff || !of_file {
            orphans && given.words.is_empty()
        } else {
            given.words.is_empty() || given.words.contains(&one.service)
        }
    };
    let found: Vec<Container> = all.into_iter().filter(belongs).collect();
    let filters = [format!("label={}={name}", label::PROJECT)];
    let (networks, volumes) = if given.words.is_empty() {
        (
            networks(&scene, project.as_ref(), &filters)?,
            if given.on("volumes") { volumes(&scene, project.as_ref(), &filters)? } else { Vec::new() },
        )
    } else {
        (Vec::new(), Vec::new())
    };
    let images = rmi.map_or_else(Vec::new, |how| match &project {
        Some(project) => images(&scene, project, how, &given.words),
        None => images_of(&found, &name, how),
    });
    if found.is_empty() && networks.is_empty() && volumes.is_empty() && images.is_empty() {
        warn(&format!("Warning: No resource found to remove for project {name:?}.\n"));
        return Ok(());
    }
    let after = backwards(&found, project.as_ref());
    scene.progress.during("Running", || {
        work::run(session, scene.parallel, &after, &|session, at, _| {
            let one = &found[at];
            stop_one(&scene, session, one, project.as_ref(), given.number("timeout"))?;
            remove_one(&scene, session, &one.id, &one.name, given.on("volumes"))
        })?;
        let things: Vec<(&str, String, String)> =
            (networks.iter().map(|one| ("Network", one.name.clone(), format!("/networks/{}", one.id))))
                .chain(images.iter().map(|image| ("Image", image.clone(), format!("/images/{}", in_path(image)))))
                .chain(volumes.iter().map(|one| ("Volume", one.name.clone(), format!("/volumes/{}", in_path(&one.name)))))
                .collect();
        work::each(session, scene.parallel, &things, &|session, (kind, name, path)| gone(&scene, session, kind, name, path))
    })
}

/// Removes a network, an image or a volume; one that is in use stays, and that is told.
fn gone(scene: &Scene<'_>, session: &Session, kind: &str, name: &str, path: &str) -> Result {
    let line = format!("{kind} {name}");
    scene.progress.working(&line, "Removing");
    if scene.is_dry() {
        scene.progress.done(&line, "Removed");
        return Ok(());
    }
    match session.api()?.ask(Ask::delete(path).switch("force", kind == "Volume")).map(drop) {
        Ok(()) => scene.progress.done(&line, "Removed"),
        // Docker's answer about a network with endpoints is 403.
        Err(failure) if matches!(failure.status, Some(409 | 403)) => scene.progress.tell(&line, State::Warning, "Resource is still in use"),
        Err(failure) if failure.is_absent() => scene.progress.tell(&line, State::Warning, "No resource found to remove"),
        Err(failure) => {
            scene.progress.failed(&line, &failure.message);
            return Err(Failure { message: format!("failed to remove {} {name}: {}", kind.to_lowercase(), failure.message), ..failure });
        }
    }
    Ok(())
}

/// The networks that go: those of the file that are there, or all of the project.
fn networks(scene: &Scene<'_>, project: Option<&Project>, filters: &[String]) -> Result<Vec<Thing>> {
    let mut found = observed::networks(scene.api()?, filters)?;
    if let Some(project) = project {
        found.retain(|one| project.networks.values().any(|network| !network.external && network.name == one.name));
    }
    Ok(found)
}

/// The same for volumes.
fn volumes(scene: &Scene<'_>, project: Option<&Project>, filters: &[String]) -> Result<Vec<Thing>> {
    let Some(project) = project else { return observed::volumes(scene.api()?, filters) };
    let mut found = observed::volumes(scene.api()?, &[])?;
    found.retain(|one| project.volumes.values().any(|volume| !volume.external && volume.name == one.name));
    Ok(found)
}

/// The images that go: all of the services, or only those that have no name of their own.
fn images(scene: &Scene<'_>, project: &Project, how: &str, named: &[String]) -> Vec<String> {
    let meant = project
        .services
        .values()
        .filter(|service| (named.is_empty() || named.contains(&service.name)) && (how == "all" || service.image.is_empty()));
    let names: BTreeSet<String> = meant.map(|service| image_of(project, service, scene.separator)).collect();
    names.into_iter().collect()
}

/// The same where there is no file: those that the containers were made of.
fn images_of(found: &[Container], project: &str, how: &str) -> Vec<String> {
    let own = |one: &Container| ['-', '_'].iter().any(|separator| one.image == format!("{project}{separator}{}", one.service));
    let names: BTreeSet<&String> = found.iter().filter(|one| how == "all" || own(one)).map(|one| &one.image).collect();
    names.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(service: &str, needs: &str) -> Container {
        let labels = [(label::DEPENDS.to_owned(), needs.to_owned())].into();
        Container { service: service.to_owned(), name: service.to_owned(), labels, ..Container::default() }
    }

    #[test]
    fn whoever_needs_another_stops_first() {
        let found = [container("db", ""), container("web", "db:service_started:false,cache"), container("cache", "db")];
        assert_eq!(backwards(&found, None), [vec![1, 2], vec![], vec![1]]);
        assert_eq!(turned(&backwards(&found, None)), [vec![], vec![0, 2], vec![0]]);
    }
}
