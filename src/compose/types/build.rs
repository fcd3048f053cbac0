//! `build`: how the image of a service is made.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::part::{Form, Part, part};
use super::{Bytes, Environment, ExtraHosts, FileReference, Mapping, Ulimit};

part! {
    /// How an image is built.
    pub struct Build {
        /// A folder (absolute) or an address.
        "context" context: String,
        "dockerfile" dockerfile: String,
        "dockerfile_inline" dockerfile_inline: String,
        "entitlements" entitlements: Vec<String>,
        "args" args: Environment,
        "provenance" provenance: String,
        "sbom" sbom: String,
        "ssh" ssh: Vec<SshKey>,
        "labels" labels: Mapping,
        "cache_from" cache_from: Vec<String>,
        "cache_to" cache_to: Vec<String>,
        "no_cache" no_cache: bool,
        "no_cache_filter" no_cache_filter: Vec<String>,
        "additional_contexts" additional_contexts: Mapping,
        "pull" pull: bool,
        "extra_hosts" extra_hosts: ExtraHosts,
        "isolation" isolation: String,
        "network" network: String,
        "target" target: String,
        "secrets" secrets: Vec<FileReference>,
        "shm_size" shm_size: Bytes,
        "tags" tags: Vec<String>,
        "ulimits" ulimits: BTreeMap<String, Ulimit>,
        "platforms" platforms: Vec<String>,
        "privileged" privileged: bool,
    } + extensions
}

/// An agent or a key that a build may use; without a path, the agent of that name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshKey {
    pub id: String,
    pub path: String,
}

impl Part for SshKey {
    fn value(&self, _: Form) -> Value {
        if self.path.is_empty() { json!(self.id) } else { json!(format!("{}: {}", self.id, self.path)) }
    }
    fn is_left_out(&self, _: Form) -> bool {
        false
    }
}
