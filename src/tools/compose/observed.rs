//! What an engine has of a project, found by its labels.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::tools::docker::api::{Api, Ask};
use crate::tools::docker::failure::Result;

/// Labels of everything that belongs to a project.
pub mod label {
    /// The project.
    pub const PROJECT: &str = "com.docker.compose.project";
    /// The service of a container, or of an image that was built for it.
    pub const SERVICE: &str = "com.docker.compose.service";
    /// Which of the service's containers it is.
    pub const NUMBER: &str = "com.docker.compose.container-number";
    /// The hash of the service as the file had it.
    pub const HASH: &str = "com.docker.compose.config-hash";
    /// `True`: made by `run`.
    pub const ONEOFF: &str = "com.docker.compose.oneoff";
    /// What tells containers of `run` apart.
    pub const SLUG: &str = "com.docker.compose.slug";
    /// The project's folder.
    pub const FOLDER: &str = "com.docker.compose.project.working_dir";
    /// The project's files.
    pub const FILES: &str = "com.docker.compose.project.config_files";
    /// `db:service_healthy:false,...`.
    pub const DEPENDS: &str = "com.docker.compose.depends_on";
    /// The image's id when the container was made.
    pub const IMAGE: &str = "com.docker.compose.image";
    /// Who has made it.
    pub const VERSION: &str = "com.docker.compose.version";
    /// The container whose place it takes.
    pub const REPLACE: &str = "com.docker.compose.replace";
    /// A network's name in the file.
    pub const NETWORK: &str = "com.docker.compose.network";
    /// A volume's name in the file.
    pub const VOLUME: &str = "com.docker.compose.volume";
}

/// A container of the project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name of its image.
    pub image: String,
    /// The service that it belongs to.
    pub service: String,
    /// Which of the service's containers it is.
    pub number: u32,
    /// `running`, `exited`, ...
    pub state: String,
    /// Whether `run` has made it.
    pub oneoff: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The ids of its networks.
    pub networks: BTreeSet<String>,
    /// The names of its volumes.
    pub volumes: BTreeSet<String>,
    /// The whole document of the list.
    pub document: Value,
}

impl Container {
    /// Reads one of the list of containers.
    pub fn read(document: &Value) -> Self {
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        let labels: BTreeMap<String, String> = strings(&document["Labels"]);
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let names = document["Names"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|name| name.trim_start_matches('/'));
        // Names with a slash within are those that links gave.
        let name = names.clone().find(|name| !name.contains('/')).or(names.clone().next()).unwrap_or_default().to_owned();
        let ids = document["NetworkSettings"]["Networks"].as_object().into_iter().flatten();
        let mounts = document["Mounts"].as_array().into_iter().flatten().filter(|mount| mount["Type"] == "volume");
        Container {
            id: text("Id"),
            name,
            image: text("Image"),
            service: label(label::SERVICE),
            number: label(label::NUMBER).parse().unwrap_or(0),
            state: text("State"),
            oneoff: label(label::ONEOFF).eq_ignore_ascii_case("true"),
            networks: ids.filter_map(|(_, network)| network["NetworkID"].as_str()).map(str::to_owned).collect(),
            volumes: mounts.filter_map(|mount| mount["Name"].as_str()).map(str::to_owned).collect(),
            labels,
            document: document.clone(),
        }
    }

    /// A label, empty without it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }

    /// Its name in front of what it writes: `web-1`, or the whole name that the file gives it.
    pub fn short_name(&self) -> &str {
        let project = self.label(label::PROJECT);
        let rest = self.name.strip_prefix(project).and_then(|rest| rest.strip_prefix(['-', '_']));
        rest.filter(|rest| rest.starts_with(&self.service)).unwrap_or(&self.name)
    }

    /// The services that it needed when it was made.
    pub fn needs(&self) -> Vec<String> {
        let one = |part: &str| part.split(':').next().unwrap_or_default().to_owned();
        self.label(label::DEPENDS).split(',').filter(|part| !part.is_empty()).map(one).collect()
    }
}

/// A network or a volume.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thing {
    /// A network's id; a volume's name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Thing {
    /// A label, empty without it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

fn strings(document: &Value) -> BTreeMap<String, String> {
    let pairs = document.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// All of a project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Its containers, those that do not run too, by service and number.
    pub containers: Vec<Container>,
    /// All networks of the engine.
    pub networks: Vec<Thing>,
    /// All volumes of the engine.
    pub volumes: Vec<Thing>,
}

/// The containers of a project, in the order of their services and numbers.
///
/// # Errors
/// The engine cannot be asked.
pub fn containers(api: &Api, project: &str) -> Result<Vec<Container>> {
    let mut found = labelled(api, &[format!("label={}={project}", label::PROJECT)])?;
    // What a broken run has left belongs to no service.
    found.retain(|one| !one.service.is_empty());
    Ok(found)
}

/// The containers of each service, id and name, the first one first; without those of `run`.
pub fn by_service(found: &[Container]) -> BTreeMap<String, Vec<(String, String)>> {
    let mut own: Vec<&Container> = found.iter().filter(|one| !one.oneoff).collect();
    own.sort_by_key(|one| one.number);
    let mut all: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for one in own {
        all.entry(one.service.clone()).or_default().push((one.id.clone(), one.name.clone()));
    }
    all
}

/// The containers that pass filters.
///
/// # Errors
/// The engine cannot be asked.
pub fn labelled(api: &Api, filters: &[String]) -> Result<Vec<Container>> {
    let listed = api.json(Ask::get("/containers/json").with("all", "1").filters(filters))?;
    let mut found: Vec<Container> = listed.as_array().into_iter().flatten().map(Container::read).collect();
    found.sort_by(|one, other| (&one.service, one.number, &one.name).cmp(&(&other.service, other.number, &other.name)));
    Ok(found)
}

/// The engine's networks.
///
/// # Errors
/// The engine cannot be asked.
pub fn networks(api: &Api, filters: &[String]) -> Result<Vec<Thing>> {
    let listed = api.json(Ask::get("/networks").filters(filters))?;
    Ok(listed.as_array().into_iter().flatten().map(|one| thing(one, "Id")).collect())
}

/// The engine's volumes.
///
/// # Errors
/// The engine cannot be asked.
pub fn volumes(api: &Api, filters: &[String]) -> Result<Vec<Thing>> {
    let listed = api.json(Ask::get("/volumes").filters(filters))?;
    Ok(listed["Volumes"].as_array().into_iter().flatten().map(|one| thing(one, "Name")).collect())
}

fn thing(document: &Value, id: &str) -> Thing {
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    Thing { id: text(id), name: text("Name"), labels: strings(&document["Labels"]) }
}

/// Everything that a plan is made from.
///
/// # Errors
/// The engine cannot be asked.
pub fn everything(api: &Api, project: &str) -> Result<Observed> {
    Ok(Observed { containers: containers(api, project)?, networks: networks(api, &[])?, volumes: volumes(api, &[])? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_is_known_by_its_labels() {
        let container = Container::read(&json!({
            "Id": "1", "Names": ["/other/web", "/x-web-2"], "Image": "nginx", "State": "running",
            "Labels": {label::PROJECT: "x", label::SERVICE: "web", label::NUMBER: "2", label::ONEOFF: "False", label::DEPENDS: "db:service_healthy:false,cache"},
            "NetworkSettings": {"Networks": {"x_default": {"NetworkID": "n1"}}},
            "Mounts": [{"Type": "volume", "Name": "x_data"}, {"Type": "bind", "Source": "/y"}],
        }));
        assert_eq!((container.name.as_str(), container.number, container.oneoff), ("x-web-2", 2, false));
        assert_eq!((container.short_name(), container.needs()), ("web-2", vec!["db".to_owned(), "cache".to_owned()]));
        assert!(container.networks.contains("n1") && container.volumes.contains("x_data") && container.volumes.len() == 1);
        let named = Container { name: "mine".to_owned(), ..container };
        assert_eq!(named.short_name(), "mine");
    }
}
