//! `linux`: namespaces, ids, devices, limits (config-linux.md).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::kernel::cgroup::Resources;
use crate::kernel::seccomp::Profile;

/// `linux`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Linux {
    /// New namespaces, or existing ones to join.
    pub namespaces: Vec<Namespace>,
    /// User ids of a new user namespace.
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of a new user namespace.
    pub gid_mappings: Vec<IdMapping>,
    /// Offsets of the clocks in a new time namespace, by `monotonic` and `boottime`.
    pub time_offsets: BTreeMap<String, TimeOffset>,
    /// Device nodes beyond the default ones.
    pub devices: Vec<Device>,
    /// Network devices moved into the container, by name.
    pub net_devices: BTreeMap<String, NetDevice>,
    /// Where the container's cgroup is.
    pub cgroups_path: Option<String>,
    /// Limits of the cgroup.
    pub resources: Option<Resources>,
    /// `shared`, `slave`, `private`, `unbindable`, with `r` in front for the whole tree.
    pub rootfs_propagation: Option<String>,
    /// System call filter.
    pub seccomp: Option<Profile>,
    /// Kernel parameters of the container's namespaces.
    pub sysctl: BTreeMap<String, String>,
    /// Paths that nobody in the container can read.
    pub masked_paths: Vec<String>,
    /// Paths that nobody in the container can write.
    pub readonly_paths: Vec<String>,
    /// An SELinux label for mounts: refused.
    pub mount_label: Option<String>,
    /// Cache and memory bandwidth of Intel processors: refused.
    pub intel_rdt: Option<Value>,
    /// Execution domain.
    pub personality: Option<Personality>,
    /// NUMA memory policy.
    pub memory_policy: Option<MemoryPolicy>,
}

/// One of `linux.namespaces`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Namespace {
    /// `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup`, `time`.
    #[serde(rename = "type")]
    pub kind: String,
    /// An existing one to join; a new one without it.
    pub path: Option<String>,
}

/// One of `linux.uidMappings`, `gidMappings`, and of a mount's.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IdMapping {
    /// First id in the container.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// The same id outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// One of `linux.timeOffsets`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct TimeOffset {
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds.
    pub nanosecs: u32,
}

/// One of `linux.devices`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Device {
    /// `c`, `u`, `b` or `p`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where, absolute in the container.
    pub path: String,
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// Permission bits, 0666 by default.
    pub file_mode: Option<u32>,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// One of `linux.netDevices`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NetDevice {
    /// Its name in the container; the same without it.
    pub name: Option<String>,
}

/// `linux.personality`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Personality {
    /// `LINUX` or `LINUX32`.
    pub domain: String,
    /// None are defined.
    pub flags: Vec<String>,
}

/// `linux.memoryPolicy`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct MemoryPolicy {
    /// `MPOL_INTERLEAVE`.
    pub mode: String,
    /// `0-1`.
    pub nodes: String,
    /// `MPOL_F_STATIC_NODES`.
    pub flags: Vec<String>,
}
