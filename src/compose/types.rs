//! A project in its canonical form: every field of the Compose specification, each in its long form only.
//!
//! The order of the fields is the order in which `docker compose config` prints them. [`Project::value`] gives that print as a value;
//! YAML and JSON differ a little (see [`Form`]), as they do in the original.

pub mod build;
pub mod deploy;
pub mod part;
pub mod resource;
pub mod scalar;
pub mod service;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

pub use build::{Build, SshKey};
pub use deploy::{Deploy, DeviceRequest, Resource};
pub use part::{Form, Part};
pub use resource::{FileObject, Model, Network, Volume};
pub use scalar::{Bytes, Command, Duration, ExtraHosts, FileMode, On, Ulimit};
pub use service::{Dependency, FileReference, Healthcheck, Hook, Port, Service, ServiceVolume, Trigger, VolumeOptions};

/// Texts by name: labels, options, sysctls.
pub type Mapping = BTreeMap<String, String>;
/// Texts by name, where a name may stand without a value: `environment: [A]` takes A from outside.
pub type Environment = BTreeMap<String, Option<String>>;
/// The keys that begin with `x-`, with whatever they hold.
pub type Extensions = BTreeMap<String, Value>;

part::part! {
    /// Everything that a set of Compose files describes.
    pub struct Project {
        /// The project's name: the prefix of containers, networks and volumes.
        "name" name: String,
        /// The services that are on: those without a profile and those of an active one.
        "services" services: part::Always<BTreeMap<String, Service>>,
        "networks" networks: BTreeMap<String, Network>,
        "volumes" volumes: BTreeMap<String, Volume>,
        "secrets" secrets: BTreeMap<String, FileObject>,
        "configs" configs: BTreeMap<String, FileObject>,
        "models" models: BTreeMap<String, Model>,
    }
    + extensions
    unwritten {
        /// Where relative paths begin.
        working_dir: PathBuf,
        /// The files that were read, in the order in which they were merged.
        files: Vec<PathBuf>,
        /// The variables that the files were filled in with: the shell's and those of `.env`.
        environment: Mapping,
        /// The profiles that were asked for.
        profiles: Vec<String>,
        /// The services that are off because none of their profiles is active.
        disabled: BTreeMap<String, Service>,
    }
}

impl Project {
    /// The whole model as `docker compose config` prints it.
    pub fn written(&self, form: Form) -> Value {
        let value = self.value(form);
        let (Form::Json, Value::Object(mut map)) = (form, value.clone()) else { return value };
        // At the top, JSON has the `x-` keys too, knows no models, and is sorted by key.
        map.remove("models");
        map.extend(self.extensions.clone());
        let sorted: BTreeMap<String, Value> = map.into_iter().collect();
        Value::Object(sorted.into_iter().collect())
    }

    /// A service that is on.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.0.get(name)
    }
}
