//! The documents of an image: descriptors, manifests, indexes, configurations.
//!
//! OCI image specification 1.1 and the Docker schema 2 documents that it grew out of: the same fields under other media types. Both are read; what we
//! make is OCI unless somebody asks for Docker's. A document that came from outside is kept as the bytes that it was, so its digest stays true.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
pub use super::platform::Platform;
use crate::oci::digest::Digest;

/// Media types: what the bytes behind a descriptor are.
pub mod media {
    /// OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// OCI layer: a tar.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// OCI layer: a tar in gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// OCI layer: a tar in zstd.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker's index ("manifest list").
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's manifest, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's first manifest, which named no configuration. Refused, as all engines do by now.
    pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

    /// Whether it is an index, of either kind.
    pub fn is_index(media_type: &str) -> bool {
        [INDEX, DOCKER_LIST].contains(&media_type)
    }

    /// Whether it is an image's manifest, of either kind.
    pub fn is_manifest(media_type: &str) -> bool {
        [MANIFEST, DOCKER_MANIFEST].contains(&media_type)
    }
}

/// The annotation of a layout's index that carries an image's name.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The largest manifest or index that is read from outside, in bytes: what the distribution specification asks registries to take at least.
pub const LARGEST_MANIFEST: u64 = 4 << 20;
/// The largest configuration that is read from outside, in bytes.
pub const LARGEST_CONFIG: u64 = 8 << 20;

/// Where some content is, how long it is, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is, see [`media`].
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Places to fetch it from besides the registry (foreign layers).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free key and value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// In an index: what the image runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact a manifest describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content itself in base64, if it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// A descriptor of `content`.
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Descriptor::new(media_type, Digest::of(content), content.len() as u64)
    }

    /// A descriptor from its three required parts.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            data: None,
        }
    }
}

/// An image's manifest: its configuration and its layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// What the document says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is, where it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about (a signature, a bill of materials).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free key and value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// An OCI manifest.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        let media_type = Some(media::MANIFEST.to_owned());
        Manifest { schema_version: 2, media_type, artifact_type: None, config, layers, subject: None, annotations: BTreeMap::new() }
    }
}

/// An index: manifests for several platforms, or all images of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// What the document says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is, where it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free key and value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index of `manifests`.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        let media_type = Some(media::INDEX.to_owned());
        Index { schema_version: 2, media_type, artifact_type: None, manifests, subject: None, annotations: BTreeMap::new() }
    }

    /// The manifest for `machine`: the first that says it runs there. Attestations (platform `unknown/unknown`) never do.
    pub fn choose(&self, machine: &Platform) -> Option<&Descriptor> {
        let fits = |one: &&Descriptor| one.platform.as_ref().is_some_and(|platform| platform.runs_on(machine));
        let exact = |one: &&Descriptor| one.platform.as_ref().is_some_and(|platform| platform.variant == machine.variant);
        let fitting: Vec<&Descriptor> = self.manifests.iter().filter(fits).collect();
        fitting.iter().copied().find(exact).or_else(|| fitting.first().copied())
    }
}

/// What a manifest's bytes turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

impl Document {
    /// Reads a manifest or an index. The media type that the transport gave and the one in the document must agree, so that one text cannot be read in
    /// two ways (CVE-2021-41190).
    ///
    /// # Errors
    /// It is no JSON, of another version, or of an unknown or doubtful type.
    pub fn read(media_type: Option<&str>, content: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Look {
            schema_version: Option<u32>,
            media_type: Option<String>,
            config: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let invalid = |why: String| Error::invalid("manifest", why);
        let look: Look = serde_json::from_slice(content).map_err(|error| invalid(error.to_string()))?;
        if look.schema_version == Some(1) || media_type == Some(media::DOCKER_SCHEMA1) {
            return Err(invalid("schema version 1 is no longer read by any engine: have the image pushed again".to_owned()));
        }
        if look.schema_version != Some(2) {
            return Err(invalid("`schemaVersion` is not 2".to_owned()));
        }
        if look.manifests.is_some() && (look.layers.is_some() || look.config.is_some()) {
            return Err(invalid("it is a manifest and an index at once".to_owned()));
        }
        // Docker and registries send `application/json` or nothing for files of unknown kind.
        let given = media_type.filter(|one| media::is_index(one) || media::is_manifest(one));
        if let (Some(given), Some(own)) = (given, &look.media_type)
            && given != own
        {
            return Err(invalid(format!("it came as `{given}` and calls itself `{own}`")));
        }
        let kind = given.or(look.media_type.as_deref()).unwrap_or(if look.manifests.is_some() { media::INDEX } else { media::MANIFEST });
        let broken = |error: serde_json::Error| invalid(error.to_string());
        match kind {
            kind if media::is_index(kind) => serde_json::from_slice(content).map(Document::Index).map_err(broken),
            kind if media::is_manifest(kind) => serde_json::from_slice(content).map(Document::Manifest).map_err(broken),
            other => Err(invalid(format!("unknown media type `{other}`"))),
        }
    }
}

/// An image's configuration: how to run it, and what it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it runs on.
    #[serde(flatten)]
    pub platform: Platform,
    /// How to run it.
    #[serde(default)]
    pub config: RunConfig,
    /// The layers as they are unpacked.
    pub rootfs: RootFs,
    /// One entry per instruction, oldest first.
    #[serde(default)]
    pub history: Vec<History>,
    /// What others put there and we hand on.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// The layers of an image by their diff ids: the digests of the uncompressed tars, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The diff ids.
    #[serde(default)]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

/// One instruction that made an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A remark: `buildkit.dockerfile.v0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// It changed no file, so no layer belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// How a container of an image runs, as far as the image says. The keys are Docker's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// `user[:group]`, names or numbers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `port/protocol` that a server in it listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    /// `NAME=value` lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The command's fixed beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command, or its arguments if there is an entrypoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The test of a container's health.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Paths that get a volume of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, serde_json::Value>>,
    /// The current directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The signal that asks it to end: `SIGTERM`, `9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Instructions for whoever builds on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// The shell of the shell forms, where it is not `/bin/sh -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// What others put there and we hand on.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// A test of health, see Docker's `HEALTHCHECK`. Durations are in nanoseconds; 0 means the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", text]`.
    pub test: Vec<String>,
    /// The time between two tests.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// The time after which a test has failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// The time in which failures do not count yet.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// The time between two tests in the start period.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// So many failures in a row make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// It is no JSON, or lacks what is required.
    pub fn read(content: &[u8]) -> Result<Self> {
        serde_json::from_slice(content).map_err(|error| Error::invalid("image configuration", error))
    }

    /// The chain ids of the layers, lowest first: each names a layer together with all below it.
    pub fn chain_ids(&self) -> Vec<Digest> {
        let mut chain: Vec<Digest> = Vec::new();
        for diff_id in &self.rootfs.diff_ids {
            let next = chain.last().map_or_else(|| diff_id.clone(), |parent| chain_id(parent, diff_id));
            chain.push(next);
        }
        chain
    }
}

/// The name of a layer on top of the layers `parent`, see "Layer ChainID" in the specification.
pub fn chain_id(parent: &Digest, diff_id: &Digest) -> Digest {
    Digest::of(format!("{parent} {diff_id}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_could_be_read_in_two_ways_is_refused() {
        let both = br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        assert!(Document::read(None, both).unwrap_err().to_string().contains("at once"));
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media::INDEX);
        assert!(Document::read(Some(media::MANIFEST), index.as_bytes()).unwrap_err().to_string().contains("calls itself"));
        assert!(matches!(Document::read(Some(media::INDEX), index.as_bytes()), Ok(Document::Index(_))));
    }

    #[test]
    fn what_others_put_into_a_configuration_is_handed_on() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["sh"],"ArgsEscaped":true},"rootfs":{"type":"layers","diff_ids":[]},"docker_version":"1"}"#;
        let again = serde_json::to_value(ImageConfig::read(text.as_bytes()).unwrap()).unwrap();
        assert_eq!((&again["docker_version"], &again["config"]["ArgsEscaped"], &again["os"]), (&"1".into(), &true.into(), &"linux".into()));
    }

    #[test]
    fn platforms_choose_the_image_that_runs_here() {
        let of = |text: &str, content: &[u8]| Descriptor { platform: Platform::read(text), ..Descriptor::of(media::MANIFEST, content) };
        let index =
            Index::new(vec![of("linux/arm/v6", b"6"), of("linux/arm/v7", b"7"), of("linux/arm64/v8", b"8"), of("unknown/unknown", b"a")]);
        let chosen = |text: &str| index.choose(&Platform::read(text).unwrap()).map(|one| one.digest.clone());
        assert_eq!(chosen("linux/arm/v7"), Some(Digest::of(b"7")));
        assert_eq!(chosen("linux/aarch64"), Some(Digest::of(b"8")));
        assert_eq!(chosen("linux/amd64"), None);
    }

    #[test]
    fn a_chain_of_one_is_the_layer_itself() {
        let one = Digest::of(b"1");
        let config =
            ImageConfig { rootfs: RootFs { diff_ids: vec![one.clone(), one.clone()], ..RootFs::default() }, ..ImageConfig::default() };
        assert_eq!(config.chain_ids(), [one.clone(), chain_id(&one, &one)]);
    }
}
