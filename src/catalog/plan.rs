//! A course image as a list of instructions, as a Dockerfile would have them, and how it becomes blobs.

use std::collections::BTreeMap;

use super::layer::{self, Made};
use super::recipe::Recipe;
use super::tree::{CREATED, Tree};
use crate::oci::image::Store;
use crate::oci::image::error::{Error, Result};
use crate::oci::image::spec::{Descriptor, Healthcheck, History, ImageConfig, Platform, RootFs, RunConfig};

/// The `PATH` of every image that has programs.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The remark in the history of what we made.
const COMMENT: &str = "bottleship course image";

enum Files {
    /// The layer that all images share.
    Toolbox,
    /// A layer of its own.
    Tree(Tree),
    /// The instruction changed the configuration only.
    None,
}

/// The instructions of an image.
#[must_use]
pub struct Plan {
    steps: Vec<(String, Files)>,
    config: RunConfig,
    refused: Option<String>,
}

impl Plan {
    /// An image without files.
    pub fn scratch() -> Self {
        Plan { steps: Vec::new(), config: RunConfig::default(), refused: None }
    }

    /// No image: it cannot be made here, and this is why.
    pub fn refused(why: String) -> Self {
        Plan { refused: Some(why), ..Plan::scratch() }
    }

    /// An image on top of the toolbox.
    pub fn toolbox() -> Self {
        let mut plan = Plan::scratch().env("PATH", PATH);
        plan.steps.insert(0, ("COPY --from=bottleship /usr/lib/bottleship /usr/lib/bottleship".to_owned(), Files::Toolbox));
        plan
    }

    /// A layer; `instruction` is its line in the history.
    pub fn layer(self, instruction: &str, tree: Tree) -> Self {
        self.step(instruction.to_owned(), Files::Tree(tree))
    }

    /// `CMD [...]`.
    pub fn cmd(mut self, command: &[&str]) -> Self {
        self.config.cmd = Some(owned(command));
        self.noted("CMD", command)
    }

    /// `ENTRYPOINT [...]`; it takes an inherited `CMD` away.
    pub fn entrypoint(mut self, command: &[&str]) -> Self {
        self.config.entrypoint = Some(owned(command));
        self.config.cmd = None;
        self.noted("ENTRYPOINT", command)
    }

    /// `ENV NAME=value`, in the place of an inherited one of that name.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let all = self.config.env.get_or_insert_default();
        let line = format!("{name}={value}");
        match all.iter_mut().find(|one| one.split('=').next() == Some(name)) {
            Some(old) => *old = line,
            None => all.push(line),
        }
        self.step(format!("ENV {name}={value}"), Files::None)
    }

    /// `EXPOSE port/tcp`.
    pub fn expose(mut self, ports: &[u16]) -> Self {
        let all = self.config.exposed_ports.get_or_insert_default();
        ports.iter().for_each(|port| drop(all.insert(format!("{port}/tcp"), serde_json::json!({}))));
        let shown: Vec<String> = ports.iter().map(|port| format!("{port}/tcp")).collect();
        self.step(format!("EXPOSE map[{}:{{}}]", shown.join(":{} ")), Files::None)
    }

    /// `VOLUME [path]`.
    pub fn volume(mut self, path: &str) -> Self {
        self.config.volumes.get_or_insert_default().insert(path.to_owned(), serde_json::json!({}));
        self.step(format!("VOLUME [{path}]"), Files::None)
    }

    /// `WORKDIR path`; the folder is made by a layer of the plan.
    pub fn workdir(mut self, path: &str) -> Self {
        path.clone_into(&mut self.config.working_dir);
        self.step(format!("WORKDIR {path}"), Files::None)
    }

    /// `USER name`.
    pub fn user(mut self, name: &str) -> Self {
        name.clone_into(&mut self.config.user);
        self.step(format!("USER {name}"), Files::None)
    }

    /// `STOPSIGNAL name`.
    pub fn stop_signal(mut self, signal: &str) -> Self {
        self.config.stop_signal = Some(signal.to_owned());
        self.step(format!("STOPSIGNAL {signal}"), Files::None)
    }

    /// `HEALTHCHECK CMD line`, with the usual times.
    pub fn healthcheck(mut self, line: &str) -> Self {
        self.config.healthcheck = Some(Healthcheck { test: owned(&["CMD-SHELL", line]), ..Healthcheck::default() });
        self.step(format!("HEALTHCHECK &{{[\"CMD-SHELL\" \"{line}\"]}}"), Files::None)
    }

    /// The labels that say what this image is.
    pub fn labelled(mut self, recipe: &Recipe, tag: &str) -> Self {
        let stands_for = recipe.repository().map(|name| format!("{}:{tag}", name.repository())).unwrap_or_default();
        let title = format!("{} of the Bottleship course", recipe.name);
        let labels: [(&str, &str); 6] = [
            ("org.opencontainers.image.title", &title),
            ("org.opencontainers.image.description", recipe.about),
            ("org.opencontainers.image.version", tag),
            ("org.opencontainers.image.vendor", "Bottleship"),
            ("bottleship.stands-for", &stands_for),
            ("bottleship.fidelity", recipe.fidelity.name()),
        ];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.config.labels.get_or_insert_default().extend(BTreeMap::from(labels));
        self.step(format!("LABEL bottleship.stands-for={stands_for} bottleship.fidelity={}", recipe.fidelity.name()), Files::None)
    }

    /// Writes the blobs of the image for one platform, and gives its manifest's descriptor.
    ///
    /// # Errors
    /// The plan was refused, the toolbox cannot be made here, or the store cannot be written.
    pub fn write(self, store: &Store, platform: &Platform) -> Result<Descriptor> {
        if let Some(why) = self.refused {
            return Err(Error::invalid("course image", why));
        }
        let mut layers = Vec::new();
        let mut config = ImageConfig {
            created: Some(CREATED.to_owned()),
            platform: platform.clone(),
            config: self.config,
            rootfs: RootFs::default(),
            ..ImageConfig::default()
        };
        for (instruction, files) in self.steps {
            let made: Option<Made> = match &files {
                Files::Toolbox => Some(layer::toolbox(store)?),
                Files::Tree(tree) => Some(layer::of_tree(store, tree)?),
                Files::None => None,
            };
            config.history.push(History {
                created: Some(CREATED.to_owned()),
                created_by: Some(instruction),
                comment: Some(COMMENT.to_owned()),
                empty_layer: made.is_none(),
                ..History::default()
            });
            if let Some(made) = made {
                config.rootfs.diff_ids.push(made.diff_id);
                layers.push(made.descriptor);
            }
        }
        store.put_image(&config, layers)
    }

    fn noted(self, instruction: &str, words: &[&str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        self.step(format!("{instruction} [{}]", words.join(" ")), Files::None)
    }

    fn step(mut self, instruction: String, files: Files) -> Self {
        self.steps.push((instruction, files));
        self
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
