//! `run`, `exec`, `attach`, `cp`: what is done with one container of a service. The streams and copies are docker's own commands.

use std::io::IsTerminal as _;

use serde_json::json;

use super::apply;
use super::make::{self, With};
use super::observed::{self, label};
use super::plan::Spot;
use super::scene::{self, Scene};
use super::up::{self, Wanted};
use crate::compose::types::{Hook, Port, Project, Service, ServiceVolume};
use crate::oci::digest::Digest;
use crate::tools::docker::api::Ask;
use crate::tools::docker::containers::{copy as copying, exec as executing, options, run as running};
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::Given;
use crate::tools::docker::{Session, say};

/// What tells one container of `run` from all others: twelve digits.
fn slug() -> String {
    let now = jiff::Timestamp::now().as_nanosecond();
    Digest::of(format!("{now} {}", std::process::id()).as_bytes()).hex()[..12].to_owned()
}

/// `compose run`.
pub fn run(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let scene = if given.on("quiet") { scene.quiet() } else { scene };
    let api = scene.api()?;
    let name = given.word(0).to_owned();
    let mut whole = scene.project()?;
    scene::enable(&mut whole, std::slice::from_ref(&name))?;
    prepared(&scene, &whole, &name, given)?;
    let mut service = whole.service(&name).cloned().ok_or_else(|| Failure::new(format!("no such service: {name}")))?;
    changed(&mut service, given)?;
    let detached = given.on("detach");
    let typed = given.still_on("interactive") && !detached;
    service.tty =
        !given.on("no-tty") && given.still_on("tty") && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !detached;
    service.stdin_open = typed;
    let slug = slug();
    let own = given.text("name").filter(|name| !name.is_empty()).map(str::to_owned);
    let container = own.unwrap_or_else(|| format!("{}{sep}{name}{sep}run{sep}{slug}", whole.name, sep = scene.separator));
    let spot = Spot { service: name.clone(), number: 1, name: container.clone() };
    let image = make::image_of(&whole, &service, scene.separator);
    let hash = crate::compose::hash::service(&service);
    let mut labels = make::labels(&whole, &service, &spot, &hash, true);
    labels.insert(label::SLUG.to_owned(), slug);
    let with = With {
        labels,
        others: observed::by_service(&observed::containers(api, &whole.name)?),
        separator: scene.separator,
        auto_remove: given.on("rm"),
        attach_stdin: typed,
        no_aliases: !given.on("use-aliases"),
        ..With::default()
    };
    let mut body = make::body(&whole, &service, &spot, &image, &with).map_err(Failure::new)?;
    if given.on("rm") {
        body["HostConfig"]["RestartPolicy"] = json!({"Name": "no", "MaximumRetryCount": 0});
    }
    if scene.is_dry() {
        scene.progress.working(&format!("Container {container}"), "Creating");
        scene.progress.done(&format!("Container {container}"), "Created");
        return Ok(());
    }
    let id = apply::made(session, &whole, &service, &container, body)?;
    let path = format!("/containers/{id}");
    if detached {
        api.ask(Ask::post(&format!("{path}/start")))?;
        say(&format!("{container}\n"));
        return Ok(());
    }
    let keys = running::let_go(&Given::default())?;
    let condition = if given.on("rm") { "removed" } else { "next-exit" };
    running::ended(running::through(api, &path, [typed, true, true], service.tty, keys, true, Some(condition))?)
}

/// Makes ready what the service needs: its image, networks and volumes, and the services that it depends on.
fn prepared(scene: &Scene<'_>, whole: &Project, name: &str, given: &Given) -> Result {
    let mut project = scene::selected(whole.clone(), &[name.to_owned()], true)?;
    if given.on("no-deps") {
        project = scene::selected(project, &[name.to_owned()], false)?;
    }
    let wanted = Wanted {
        start: true,
        ignore_orphans: !given.on("remove-orphans"),
        remove_orphans: given.on("remove-orphans"),
        policy: super::images::Policy {
            pull: given.text_or_empty("pull").to_owned(),
            build: given.on("build"),
            quiet_build: given.on("quiet-build"),
            quiet_pull: given.on("quiet-pull"),
            ..Default::default()
        },
        untouched: Some(name.to_owned()),
        ..Wanted::default()
    };
    project.disabled = whole
        .services
        .iter()
        .filter(|(other, _)| !project.services.contains_key(*other))
        .map(|(other, service)| (other.clone(), service.clone()))
        .collect();
    let planned = up::planned(scene, project, &wanted)?;
    up::done(scene, &planned, &wanted).map(drop)
}

/// What the line says instead of the file.
fn changed(service: &mut Service, given: &Given) -> Result {
    if given.words.len() > 1 {
        service.command.0 = Some(given.words[1..].to_vec());
    }
    if let Some(entrypoint) = given.text("entrypoint") {
        let words =
            shlex::split(entrypoint).ok_or_else(|| Failure::new(format!("invalid --entrypoint {entrypoint:?}: a quote is not closed")))?;
        service.entrypoint.0 = Some(words);
        if given.words.len() < 2 {
            service.command.0 = Some(Vec::new());
        }
    }
    for (option, field) in [("user", &mut service.user), ("workdir", &mut service.working_dir)] {
        if let Some(text) = given.text(option) {
            text.clone_into(field);
        }
    }
    let mut line = Given::default();
    for file in given.all("env-from-file") {
        line = line.with("env-file", file.as_str());
    }
    for one in given.all("env") {
        line = line.with("env", one.as_str());
    }
    for one in options::environment(&line).map_err(Failure::new)? {
        let (name, value) = one.split_once('=').unwrap_or((&one, ""));
        service.environment.insert(name.to_owned(), Some(value.to_owned()));
    }
    for one in given.all("label") {
        let (name, value) = one.split_once('=').unwrap_or((one, ""));
        service.labels.insert(name.to_owned(), value.to_owned());
    }
    service.cap_add.extend(given.all("cap-add").iter().cloned());
    service.cap_drop.extend(given.all("cap-drop").iter().cloned());
    for text in given.all("volume") {
        service.volumes.retain(|known| !text.split(':').any(|part| part == known.target));
        service.volumes.push(volume(text)?);
    }
    if given.on("service-ports") && !given.all("publish").is_empty() {
        return Err(Failure::new("--service-ports and --publish are incompatible"));
    }
    if !given.on("service-ports") {
        service.ports = given.all("publish").iter().map(|text| port(text)).collect::<Result<_>>()?;
    }
    service.container_name.clear();
    // A health check belongs to what runs on; a command that runs once is not judged by it.
    service.depends_on.retain(|_, _| !given.on("no-deps"));
    Ok(())
}

/// `[SOURCE:]TARGET[:ro]`.
fn volume(text: &str) -> Result<ServiceVolume> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, how) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, how] => (source, target, how),
        _ => return Err(Failure::new(format!("invalid volume specification: '{text}'"))),
    };
    if !target.starts_with('/') {
        return Err(Failure::new(format!(
            "invalid volume specification: '{text}': invalid mount config: mount path must be absolute: {target}"
        )));
    }
    let is_path = source.starts_with(['/', '.', '~']);
    let source = match source.strip_prefix('~') {
        _ if !is_path => source.to_owned(),
        Some(rest) => format!("{}{rest}", std::env::var("HOME").unwrap_or_default()),
        None => std::path::absolute(source)?.display().to_string(),
    };
    let kind = if is_path { "bind" } else { "volume" };
    Ok(ServiceVolume {
        kind: kind.to_owned(),
        source,
        target: target.to_owned(),
        read_only: how.split(',').any(|one| one == "ro"),
        ..ServiceVolume::default()
    })
}

/// `[ADDRESS:][OUTSIDE:]INSIDE[/PROTOCOL]`.
fn port(text: &str) -> Result<Port> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (outside, inside) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (address, published) = outside.rsplit_once(':').unwrap_or(("", outside));
    let target = inside.parse().map_err(|_| Failure::new(format!("invalid publish {text:?}: the container's port is a number")))?;
    Ok(Port {
        host_ip: address.trim_matches(['[', ']']).to_owned(),
        target,
        published: published.to_owned(),
        protocol: protocol.to_owned(),
        mode: "ingress".to_owned(),
        ..Port::default()
    })
}

/// `compose exec`.
pub fn exec(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (_, name)) = (scene.api()?, scene.project_or_name()?);
    let one = scene::one_of(api, &name, given.word(0), given.number("index"))?;
    let mut words = vec![one.id.as_str()];
    words.extend(given.words[1..].iter().map(String::as_str));
    let mut line = Given::of(&words);
    let detached = given.on("detach");
    let tty =
        !given.on("no-tty") && given.still_on("tty") && !detached && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    for (option, on) in [
        ("detach", detached),
        ("tty", tty),
        ("interactive", given.still_on("interactive") && !detached),
        ("privileged", given.on("privileged")),
    ] {
        if on {
            line = line.with(option, "true");
        }
    }
    for option in ["user", "workdir"] {
        if let Some(text) = given.text(option) {
            line = line.with(option, text);
        }
    }
    for one in given.all("env") {
        line = line.with("env", one.as_str());
    }
    executing::run(session, &line)
}

/// A command of the file that runs in a container after it has started.
///
/// # Errors
/// It cannot be run, or ends with an error.
pub fn hook(session: &Session, id: &str, hook: &Hook) -> Result {
    let mut words = vec![id];
    words.extend(hook.command.0.iter().flatten().map(String::as_str));
    let mut line = Given::of(&words);
    for (option, text) in [("user", &hook.user), ("workdir", &hook.working_dir)] {
        if !text.is_empty() {
            line = line.with(option, text.as_str());
        }
    }
    if hook.privileged {
        line = line.with("privileged", "true");
    }
    for (name, value) in &hook.environment {
        line = line.with("env", value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}")));
    }
    executing::run(session, &line).map_err(|failure| {
        let why = if failure.message.is_empty() { String::new() } else { format!(": {}", failure.message) };
        Failure { status: failure.status, ..Failure::new(format!("hook exited with status code {}{why}", failure.code)) }
    })
}

/// `compose attach`.
pub fn attach(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (_, name)) = (scene.api()?, scene.project_or_name()?);
    let one = scene::one_of(api, &name, given.word(0), given.number("index"))?;
    let mut line = Given::of(&[one.id.as_str()]);
    for option in ["detach-keys", "no-stdin", "sig-proxy"] {
        if let Some(text) = given.text(option) {
            line = line.with(option, text);
        }
    }
    running::attach(session, &line)
}

/// `compose cp`.
pub fn copy(session: &Session, given: &Given) -> Result {
    let scene = Scene::new(session)?;
    let (api, (project, name)) = (scene.api()?, scene.project_or_name()?);
    let service = |text: &str| match text.split_once(':') {
        Some((service, path)) if !service.is_empty() && !text.starts_with(['/', '.']) => Some((service.to_owned(), path.to_owned())),
        _ => None,
    };
    let (from, to) = (service(given.word(0)), service(given.word(1)));
    let wanted = match (&from, &to) {
        (Some(_), Some(_)) => return Err(Failure::new("copying between services is not supported")),
        (None, None) => return Err(Failure::new("unknown copy direction")),
        (Some((service, _)), None) | (None, Some((service, _))) => service.clone(),
    };
    let mut found = observed::containers(api, &name)?;
    let index = given.number("index").filter(|index| *index > 0);
    found.retain(|one| {
        one.service == wanted && (given.on("all") || !one.oneoff) && index.is_none_or(|index| i64::from(one.number) == index)
    });
    // Out of one; into all that it has.
    if from.is_some() {
        found.truncate(1);
    }
    if found.is_empty() {
        if let Some(project) = &project {
            scene::known(project, std::slice::from_ref(&wanted))?;
        }
        return Err(Failure::new(format!("no container found for service {wanted:?}")));
    }
    for one in &found {
        let (here, there) = match (&from, &to) {
            (Some((_, path)), _) => (format!("{}:{path}", one.id), given.word(1).to_owned()),
            (_, Some((_, path))) => (given.word(0).to_owned(), format!("{}:{path}", one.id)),
            _ => continue,
        };
        let mut line = Given::of(&[&here, &there]).with("quiet", "true");
        for option in ["archive", "follow-link"] {
            if given.on(option) {
                line = line.with(option, "true");
            }
        }
        let told = format!("{} copy", one.name);
        let shown = |text: &str| text.replace(&one.id, &one.name);
        scene.progress.working(&told, &format!("Copying {} to {}", shown(&here), shown(&there)));
        if !scene.is_dry() {
            copying::run(session, &line)?;
        }
        scene.progress.done(&told, &format!("Copied {} to {}", shown(&here), shown(&there)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_and_ports_of_a_line_are_read() {
        let read = volume("data:/srv:ro").unwrap();
        assert_eq!((read.kind.as_str(), read.source.as_str(), read.target.as_str(), read.read_only), ("volume", "data", "/srv", true));
        let read = volume("/a:/b").unwrap();
        assert_eq!((read.kind.as_str(), read.source.as_str(), read.read_only), ("bind", "/a", false));
        assert!(volume("a:b").is_err() && volume("a:/b:c:d").is_err());
        let read = port("127.0.0.1:8080:80/udp").unwrap();
        assert_eq!((read.host_ip.as_str(), read.published.as_str(), read.target, read.protocol.as_str()), ("127.0.0.1", "8080", 80, "udp"));
        assert_eq!(port("80").unwrap().published, "");
        assert!(port("a").is_err());
    }
}
