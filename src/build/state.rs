//! An image in the making: its configuration, its layers, its variables.

use super::scope::{Globals, Scope};
use crate::oci::digest::Digest;
use crate::oci::image::Image;
use crate::oci::image::spec::{Descriptor, History, ImageConfig, Platform, RunConfig, chain_id};

/// What BuildKit leaves in every line of the history that it writes.
pub const COMMENT: &str = "buildkit.dockerfile.v0";
/// Where programs are, if nobody says otherwise: BuildKit puts it into every image that has no `PATH`.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A layer of the image, as it is packed and as it is stacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The packed layer.
    pub descriptor: Descriptor,
    /// The digest of its tar.
    pub diff_id: Digest,
    /// The layer with all below it.
    pub chain_id: Digest,
    /// The key of the step that made it, if this build did.
    pub key: Option<Digest>,
}

/// The state of a stage behind one of its instructions.
#[derive(Debug, Clone)]
pub struct State {
    /// The configuration so far; its diff ids are written when the image is made.
    pub config: ImageConfig,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// Its variables.
    pub scope: Scope,
    /// This stage has a `CMD` of its own.
    pub own_command: bool,
    /// When its newest layer was made.
    pub time: Option<String>,
}

impl State {
    /// `FROM scratch`.
    pub fn scratch(platform: &Platform, globals: &Globals) -> Self {
        let config = ImageConfig { platform: platform.clone(), ..ImageConfig::default() };
        let mut state = State { config, layers: Vec::new(), scope: Scope::new(globals, &[]), own_command: false, time: None };
        state.ensure_path();
        state
    }

    /// `FROM` an image.
    pub fn image(image: &Image, globals: &Globals) -> Self {
        let mut config = image.config.clone();
        // These say how an older image was made by an older engine, and would be wrong of the new one.
        ["container", "container_config", "docker_version", "id", "parent"].iter().for_each(|key| drop(config.other.remove(*key)));
        config.config.on_build = None;
        let mut layers: Vec<Layer> = Vec::new();
        for (descriptor, diff_id) in image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids) {
            layers.push(Layer::above(layers.last(), descriptor.clone(), diff_id.clone()));
        }
        let scope = Scope::new(globals, config.config.env.as_deref().unwrap_or_default());
        let time = config.created.clone();
        let mut state = State { config, layers, scope, own_command: false, time };
        state.ensure_path();
        state
    }

    /// `FROM` another stage.
    pub fn inherited(&self) -> Self {
        State { scope: self.scope.inherited(), own_command: false, ..self.clone() }
    }

    fn ensure_path(&mut self) {
        if self.scope.value("PATH").is_none() {
            self.scope.set("PATH", DEFAULT_PATH);
        }
        self.config.config.env = Some(self.scope.lines());
    }

    /// How a container of it runs.
    pub fn run(&mut self) -> &mut RunConfig {
        &mut self.config.config
    }

    /// The shell of shell forms.
    pub fn shell(&self) -> Vec<String> {
        let default = || ["/bin/sh", "-c"].map(str::to_owned).to_vec();
        self.config.config.shell.clone().unwrap_or_else(default)
    }

    /// The current directory, absolute.
    pub fn directory(&self) -> &str {
        match self.config.config.working_dir.as_str() {
            "" => "/",
            directory => directory,
        }
    }

    /// What is below the next layer: the empty text for nothing.
    pub fn parent(&self) -> String {
        self.layers.last().map(|layer| layer.chain_id.to_string()).unwrap_or_default()
    }

    /// A line of the history without a layer.
    pub fn note(&mut self, created_by: String) {
        self.push(created_by, true);
    }

    /// A new layer and its line.
    pub fn add(&mut self, descriptor: Descriptor, diff_id: Digest, created: String, created_by: String) {
        self.layers.push(Layer::above(self.layers.last(), descriptor, diff_id));
        self.time = Some(created);
        self.push(created_by, false);
    }

    fn push(&mut self, created_by: String, empty_layer: bool) {
        let (created, comment) = (self.time.clone(), Some(COMMENT.to_owned()));
        self.config.history.push(History { created, created_by: Some(created_by), comment, empty_layer, ..History::default() });
    }
}

impl Layer {
    /// The layer on top of `below`.
    pub fn above(below: Option<&Layer>, descriptor: Descriptor, diff_id: Digest) -> Self {
        let chain_id = below.map_or_else(|| diff_id.clone(), |below| chain_id(&below.chain_id, &diff_id));
        Layer { descriptor, diff_id, chain_id, key: None }
    }
}
