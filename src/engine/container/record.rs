//! What is remembered of a container on the disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::{Config, HostConfig, PortBinding};
use super::state::State;
use crate::net::subnet::Placed;

/// A container's record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// 64 digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The id of its image.
    pub image: String,
    /// The layers of its image, lowest first, by chain id: they must stay as long as it does.
    pub layers: Vec<String>,
    /// What runs in it, merged with the image's.
    pub config: Config,
    /// What it may use.
    pub host: HostConfig,
    /// What it is doing.
    pub state: State,
    /// How often its policy has started it again.
    pub restarts: i64,
    /// Volumes and folders in it.
    pub mounts: Vec<MountPoint>,
    /// Its published ports, as long as it runs: `80/tcp` and where.
    pub ports: BTreeMap<String, Vec<PortBinding>>,
    /// Its networks by name.
    pub networks: BTreeMap<String, Endpoint>,
    /// Once it is being removed: the volumes that were made for it go too.
    pub with_volumes: bool,
}

/// A folder or volume in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MountPoint {
    /// `bind`, `volume` or `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The volume's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The path outside.
    pub source: String,
    /// The path in the container.
    pub destination: String,
    /// `local` for volumes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// What stood behind the second colon.
    pub mode: String,
    /// Whether it can be written.
    #[serde(rename = "RW")]
    pub writable: bool,
    /// `rprivate` and the like.
    pub propagation: String,
    /// The volume goes with the container (`--rm`, `rm -v`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// The image's files are not copied into the new volume.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_copy: bool,
    /// Something is mounted at the volume as long as it is used.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub device: bool,
    /// Options of a tmpfs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// A container's place in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Endpoint {
    /// `IPAMConfig`: the address that was asked for.
    #[serde(rename = "IPAMConfig")]
    pub wanted: Option<serde_json::Value>,
    pub links: Option<Vec<String>>,
    pub aliases: Option<Vec<String>>,
    pub driver_opts: Option<BTreeMap<String, String>>,
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub gateway: String,
    #[serde(rename = "IPAddress")]
    pub address: String,
    #[serde(rename = "IPPrefixLen")]
    pub prefix: u8,
    #[serde(rename = "IPv6Gateway")]
    pub gateway6: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub address6: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub prefix6: u8,
    pub mac_address: String,
    /// The hardware address that was asked for; empty: one that follows from the address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wanted_mac: String,
}

impl Endpoint {
    /// Its addresses while it is plugged in, that of IPv4 first.
    pub fn placed(&self) -> Vec<Placed> {
        let both = [(&self.address, self.prefix), (&self.address6, self.prefix6)];
        both.into_iter().filter_map(|(address, prefix)| Some(Placed { address: address.parse().ok()?, prefix })).collect()
    }

    /// Whether it has an address now.
    pub fn is_placed(&self) -> bool {
        !self.address.is_empty() || !self.address6.is_empty()
    }

    /// Forgets what held while it was plugged in.
    pub fn clear(&mut self) {
        for text in
            [&mut self.address, &mut self.gateway, &mut self.address6, &mut self.gateway6, &mut self.mac_address, &mut self.endpoint_id]
        {
            text.clear();
        }
        (self.prefix, self.prefix6) = (0, 0);
    }
}

impl Record {
    /// The program and its arguments.
    pub fn words(&self) -> Vec<String> {
        let parts = [&self.config.entrypoint, &self.config.cmd];
        parts.into_iter().flatten().flatten().cloned().collect()
    }

    /// Whether it has no log to read.
    pub fn is_logged(&self) -> bool {
        self.host.log_config.kind != "none"
    }

    /// The folders `--network container:x` and `--pid container:x` stand for: the word behind the colon.
    pub fn joins(mode: &str) -> Option<&str> {
        mode.strip_prefix("container:")
    }
}
