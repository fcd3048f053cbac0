//! The engine: Docker's API over our images.
//!
//! ```text
//!  docker, docker-py, curl ── HTTP on a socket ── api ── Engine ── oci::image (store), build, oci::distribution
//! ```
//! The judges are the programs that people use: what the API's description leaves open is done as the unmodified `docker` client expects it.
//!
//! Invariants: a request changes nothing before it is understood; everything that changes is told to [`events::Events`]; an error is
//! `{"message": ...}` with the status that Docker gives it.
//!
//! What is left out: swarms (their paths answer as an engine that is in none), plugins, the log drivers that need a server.

pub mod api;
pub mod config;
pub mod container;
mod doorway;
pub mod error;
pub mod events;
mod filters;
mod keys;

pub mod networks;
mod parents;
mod program;
mod proxy;
pub mod quantity;
mod removal;
mod resolver;
pub mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::kernel::cgroup::Layout;
use crate::oci::distribution::client::settings::Settings;
use crate::oci::image::Store;
use crate::oci::image::spec::Platform;
use config::Config;
use container::exec::Execs;
use container::registry::Containers;
use error::Fault;
use events::Events;
use networks::Networks;
use program::Program;

/// One engine: what a host's `docker` commands act on.
pub struct Engine {
    store: Store,
    platform: Platform,
    /// What happens here, for whoever listens.
    pub events: Events,
    id: String,
    root: PathBuf,
    machine: Machine,
    settings: RwLock<Settings>,
    config: Config,
    containers: Containers,
    execs: Execs,
    networks: Networks,
    /// What runs containers.
    program: Program,
    /// Held by whoever chooses an address.
    addressing: Mutex<()>,
    /// Held by whoever opens published ports until they are written down: who is refused one then knows by whom.
    opening_ports: tokio::sync::Mutex<()>,
    /// Held by whoever makes a volume a container's, or removes one that is nobody's.
    using_volumes: Mutex<()>,
    /// The volumes that something is mounted at, each with the containers that use it.
    mounted_volumes: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// This machine has cgroup v2 alone.
    is_unified: bool,
}

/// What the engine tells of the machine that it runs on.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Its host name.
    pub name: String,
    /// The kernel's release: `6.18.0`.
    pub kernel: String,
    /// Its memory in bytes.
    pub memory: u64,
    /// Into the cgroup below which containers are to be (open `cgroup.procs` of each hierarchy): an engine that runs beside it, as on a host of a bottle,
    /// has what it starts for a container write `0` to each before anything else. Without any, containers are made below our own cgroup.
    pub doors: Arc<Vec<std::os::fd::OwnedFd>>,
}

impl Engine {
    /// An engine whose data is in `root`, as `dockerd --data-root` has it, which reaches registries as `settings` say; `config` is what it was told besides.
    ///
    /// # Errors
    /// The folder cannot be made or its store is damaged.
    pub fn open(root: &Path, machine: Machine, settings: Settings, config: Config) -> Result<Arc<Self>, crate::oci::image::Error> {
        let store = Store::open(&root.join("images"))?;
        let id = events::identity(root);
        let networks = Networks::open(root, &format!("{id} {}", machine.name), &config);
        let engine = Engine {
            store,
            platform: Platform::here(),
            events: Events::default(),
            id,
            root: root.to_owned(),
            machine,
            settings: RwLock::new(settings),
            config,
            containers: Containers::default(),
            execs: Execs::default(),
            networks,
            program: Program::seal(),
            addressing: Mutex::default(),
            using_volumes: Mutex::default(),
            mounted_volumes: Mutex::default(),
            opening_ports: tokio::sync::Mutex::default(),
            is_unified: Layout::detect().is_ok_and(|layout| layout.is_unified()),
        };
        engine.read_containers();
        Ok(Arc::new(engine))
    }

    /// What it was told, by flags and `daemon.json`.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How registries are reached, from the next request on.
    pub fn reach_registries_as(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// How registries are reached.
    fn registries(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many processors containers may share.
    fn machine_processors(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Runs what reads and writes files beside the requests that wait for the network.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Engine) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let engine = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&engine)).await {
            Ok(done) => done,
            Err(error) => Err(Fault::internal(format!("the work ended without a result: {error}"))),
        }
    }
}
