//! What every command begins with: how it was called, and the project that is meant.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::observed::{self, Container, label};
use super::progress::{Progress, Style};
use crate::compose::types::part::{Form, Part};
use crate::compose::types::{Project, Service};
use crate::compose::{Request, Source, Steps};
use crate::oci::digest::Digest;
use crate::tools::docker::api::Api;
use crate::tools::docker::failure::{Failure, Result};
use crate::tools::docker::line::{Given, truth};
use crate::tools::docker::{Session, warn};

/// How compose was called, whatever the project.
pub struct Scene<'s> {
    /// The run of the command line.
    pub session: &'s Session,
    /// Where it is told what happens.
    pub progress: Progress,
    /// What stands between the parts of names.
    pub separator: char,
    /// As many things at a time.
    pub parallel: Option<usize>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl<'s> Scene<'s> {
    /// Reads it off the command line and the environment.
    ///
    /// # Errors
    /// An option means nothing.
    pub fn new(session: &'s Session) -> Result<Self> {
        let own = session.compose();
        let text = |option: &str, name: &str| own.text(option).map(str::to_owned).or_else(|| variable(name)).unwrap_or_default();
        let ansi = if own.on("no-ansi") { "never".to_owned() } else { text("ansi", "COMPOSE_ANSI") };
        let style = Style::read(&text("progress", "COMPOSE_PROGRESS"), &ansi)?;
        let compatible = own.on("compatibility") || variable("COMPOSE_COMPATIBILITY").is_some_and(|value| truth(&value));
        let parallel = text("parallel", "COMPOSE_PARALLEL_LIMIT").parse::<usize>().ok().filter(|limit| *limit > 0);
        let separator = if compatible { '_' } else { '-' };
        Ok(Scene { session, progress: Progress::new(style, own.on("dry-run")), separator, parallel })
    }

    /// The engine's client. It has said hello: others that are made of it need not.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn api(&self) -> Result<&'s Api> {
        let api = self.session.api()?;
        api.hello()?;
        Ok(api)
    }

    /// A run of its own, for a thread that is none of a plan's workers.
    ///
    /// # Errors
    /// The kernel gives no more descriptors.
    pub fn session_again(&self) -> Result<Session> {
        self.session.another()
    }

    /// Whether nothing is done.
    pub fn is_dry(&self) -> bool {
        self.progress.is_dry()
    }

    /// The same without a word.
    pub fn quiet(self) -> Self {
        let dry = self.is_dry();
        Scene { progress: Progress::new(Style::Quiet, dry), ..self }
    }

    /// Whether lines may be coloured.
    pub fn colours(&self) -> bool {
        let own = self.session.compose();
        let ansi = own.text("ansi").map(str::to_owned).or_else(|| variable("COMPOSE_ANSI")).unwrap_or_default();
        match ansi.as_str() {
            _ if own.on("no-ansi") => false,
            "never" => false,
            "always" => true,
            _ => std::io::IsTerminal::is_terminal(&std::io::stdout()),
        }
    }

    /// The project of the files.
    ///
    /// # Errors
    /// There is none, or it is wrong.
    pub fn project(&self) -> Result<Project> {
        load(self.session.compose(), Steps::default())
    }

    /// The project if there are files or they were named, and its name in any case.
    ///
    /// # Errors
    /// There are no files and no name, or the files are wrong.
    pub fn project_or_name(&self) -> Result<(Option<Project>, String)> {
        let own = self.session.compose();
        let named = own.text("project-name").filter(|name| !name.is_empty());
        if let Some(name) = named.filter(|_| own.all("file").is_empty() && variable("COMPOSE_FILE").is_none()) {
            return Ok((None, name.to_owned()));
        }
        match self.project() {
            Ok(project) => {
                let name = project.name.clone();
                Ok((Some(project), name))
            }
            Err(failure) => match variable("COMPOSE_PROJECT_NAME") {
                Some(name) if own.all("file").is_empty() => Ok((None, name)),
                _ => Err(failure),
            },
        }
    }
}

/// The machine's files.
struct Files;

impl Source for Files {
    fn text(&self, path: &str) -> std::io::Result<String> {
        if path == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) }
    }

    fn is_file(&self, path: &str) -> bool {
        std::path::Path::new(path).is_file()
    }
}

/// What the line and the environment ask for, as the model's loader wants it.
fn request(own: &Given) -> Result<Request> {
    let text = |name: &str| own.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let variables = std::env::vars_os();
    Ok(Request {
        files: own.all("file").to_vec(),
        project_directory: text("project-directory").or_else(|| text("workdir")),
        project_name: text("project-name"),
        profiles: own.all("profile").to_vec(),
        env_files: own.all("env-file").to_vec(),
        environment: variables.map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())).collect(),
        folder: std::env::current_dir()?.display().to_string(),
    })
}

/// Loads the project, with some steps left out.
///
/// # Errors
/// There is none, or it is wrong.
pub fn load(own: &Given, steps: Steps) -> Result<Project> {
    let loaded = crate::compose::load(&request(own)?, steps, &Files).map_err(|error| Failure::new(error.to_string()))?;
    loaded.warnings.iter().for_each(|text| warning(text));
    Ok(loaded.project)
}

/// Turns a service of a profile that is off on, because somebody names it.
pub fn enable(project: &mut Project, names: &[String]) -> Result {
    for name in names {
        if project.services.contains_key(name) {
            continue;
        }
        let Some(service) = project.disabled.remove(name) else {
            return Err(Failure::new(format!("no such service: {name}")));
        };
        let needs: Vec<String> = service.depends_on.keys().cloned().collect();
        project.services.insert(name.clone(), service);
        // What it needs must be on already, or is turned on with it.
        for need in needs {
            if project.disabled.contains_key(&need) {
                enable(project, &[need])?;
            }
        }
    }
    Ok(())
}

/// The project with these services and, if `dependencies`, those that they need; without a name all.
///
/// # Errors
/// A name is no service's.
pub fn selected(mut project: Project, names: &[String], dependencies: bool) -> Result<Project> {
    enable(&mut project, names)?;
    if names.is_empty() {
        return Ok(project);
    }
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut left: Vec<String> = names.to_vec();
    while let Some(name) = left.pop() {
        let Some(service) = project.service(&name) else { continue };
        if dependencies {
            left.extend(service.depends_on.keys().filter(|need| !wanted.contains(*need)).cloned());
        }
        wanted.insert(name);
    }
    // What an image is made of is built for it, and nobody starts it: it is there, and off.
    let mut made_of: Vec<String> = wanted.iter().flat_map(|name| project.service(name)).flat_map(made_of).collect();
    while let Some(name) = made_of.pop() {
        if let Some(service) = project.services.get(&name).filter(|_| !wanted.contains(&name) && !project.disabled.contains_key(&name)) {
            made_of.extend(self::made_of(service));
            project.disabled.insert(name, service.clone());
        }
    }
    project.services.retain(|name, _| wanted.contains(name));
    if !dependencies {
        for service in project.services.values_mut() {
            service.depends_on.retain(|name, _| wanted.contains(name));
        }
    }
    Ok(project)
}

/// The services whose images a service's build takes as contexts.
pub fn made_of(service: &Service) -> BTreeSet<String> {
    let contexts = service.build.iter().flat_map(|build| build.additional_contexts.values());
    contexts.filter_map(|context| context.strip_prefix("service:")).map(str::to_owned).collect()
}

/// The project without networks and volumes that no service uses, unless somebody wants all.
pub fn pruned(session: &Session, mut project: Project) -> Project {
    if session.compose().on("all-resources") {
        return project;
    }
    let networks: BTreeSet<String> = project.services.values().flat_map(|service| service.networks.keys().cloned()).collect();
    let volumes: BTreeSet<String> =
        project.services.values().flat_map(|service| service.volumes.iter().map(|volume| volume.source.clone())).collect();
    project.networks.retain(|key, _| networks.contains(key));
    project.volumes.retain(|key, _| volumes.contains(key));
    project
}

/// The names of all services of a file, those that are off too.
pub fn all_names(project: &Project) -> BTreeSet<String> {
    project.services.keys().chain(project.disabled.keys()).cloned().collect()
}

/// The hash of a part of the model.
pub fn hash(part: &dyn Part) -> String {
    Digest::of(part.value(Form::Json).to_string().as_bytes()).hex().to_owned()
}

/// The containers of a project that are meant: of these services, or all; without those of `run`.
///
/// # Errors
/// The engine cannot be asked, or a name is no service's.
pub fn containers(api: &Api, project: &str, known: Option<&Project>, services: &[String]) -> Result<Vec<Container>> {
    let mut all = observed::containers(api, project)?;
    all.retain(|one| !one.oneoff);
    for name in services {
        let in_file = known.is_some_and(|known| known.service(name).is_some() || known.disabled.contains_key(name));
        if !in_file && !all.iter().any(|one| one.service == *name) {
            return Err(Failure::new(format!("no such service: {name}")));
        }
    }
    all.retain(|one| services.is_empty() || services.contains(&one.service));
    Ok(all)
}

/// The container of a service that `--index` means; without it the first that runs.
///
/// # Errors
/// There is none.
pub fn one_of(api: &Api, project: &str, service: &str, index: Option<i64>) -> Result<Container> {
    let own: Vec<Container> = containers(api, project, None, &[])?.into_iter().filter(|one| one.service == service).collect();
    let found = match index.filter(|index| *index > 0) {
        Some(index) => own.into_iter().find(|one| i64::from(one.number) == index),
        None => {
            let at = own.iter().position(Container::is_running);
            own.into_iter().nth(at.unwrap_or(0))
        }
    };
    found.ok_or_else(|| match index.filter(|index| *index > 0) {
        Some(index) => Failure::new(format!("service {service:?} is not running container #{index}")),
        None => Failure::new(format!("service {service:?} is not running")),
    })
}

/// Whether somebody means one of these services: a message like the real tool's if not.
pub fn known(project: &Project, names: &[String]) -> Result {
    match names.iter().find(|name| project.service(name).is_none() && !project.disabled.contains_key(*name)) {
        Some(name) => Err(Failure::new(format!("no such service: {name}"))),
        None => Ok(()),
    }
}

/// A warning as the real tool's log writes it.
pub fn warning(text: &str) {
    let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z");
    warn(&format!("time=\"{now}\" level=warning msg={text:?}\n"));
}

/// The project's files, as its containers tell them.
pub fn told_files(containers: &[Container]) -> String {
    containers.first().map_or("", |one| one.label(label::FILES)).to_owned()
}

/// The texts of a document's list.
pub fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `NAME=NUMBER` of `--scale` and `scale`.
///
/// # Errors
/// It is none, or there is no such service.
pub fn scales(project: &mut Project, given: &[String]) -> Result {
    let mut wanted = BTreeMap::new();
    for text in given {
        let wrong = || Failure::new(format!("invalid --scale option {text:?}. Should be SERVICE=NUM"));
        let (name, count) = text.split_once('=').ok_or_else(wrong)?;
        wanted.insert(name.to_owned(), count.parse::<i64>().map_err(|_| wrong())?.max(0));
    }
    for (name, count) in wanted {
        let Some(service) = project.services.get_mut(&name) else {
            return Err(Failure::new(format!("no such service: {name}")));
        };
        service.scale = Some(count);
        if let Some(deploy) = &mut service.deploy {
            deploy.replicas = Some(count);
        }
    }
    Ok(())
}
