//! What a container is asked to be: the documents of `POST /containers/create`, with Docker's keys and Docker's defaults.
//!
//! Go's clients send `null` for what they leave empty, so nulls are taken away before a document is read; what is left must have the right type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::error::Fault;

/// Labels, and everything else that is a map of texts.
pub type Texts = BTreeMap<String, String>;

/// What runs: the part of the request that an image can also say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Config {
    pub hostname: String,
    pub domainname: String,
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Value>>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub env: Vec<String>,
    #[serde(deserialize_with = "words")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<crate::oci::image::spec::Healthcheck>,
    pub image: String,
    pub volumes: Option<BTreeMap<String, Value>>,
    pub working_dir: String,
    #[serde(deserialize_with = "words")]
    pub entrypoint: Option<Vec<String>>,
    // As dockerd: false is left out.
    #[serde(skip_serializing_if = "is_off")]
    pub network_disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    pub on_build: Option<Vec<String>>,
    pub labels: Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

fn is_off(switch: &Option<bool>) -> bool {
    *switch != Some(true)
}

/// `LogConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LogConfig {
    #[serde(rename = "Type")]
    pub kind: String,
    pub config: Texts,
}

/// `RestartPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RestartPolicy {
    pub name: String,
    pub maximum_retry_count: i64,
}

/// One address of `PortBindings`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortBinding {
    pub host_ip: String,
    pub host_port: String,
}

/// One of `Devices`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DeviceMapping {
    pub path_on_host: String,
    pub path_in_container: String,
    pub cgroup_permissions: String,
}

/// One of `Ulimits`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ulimit {
    pub name: String,
    pub hard: i64,
    pub soft: i64,
}

/// One of `Mounts`: the long form of `-v`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Mount {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    pub target: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<Value>,
}

/// What the container may use of the machine. A list is `null` where the request was silent and `[]` where it said so, as dockerd shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HostConfig {
    pub binds: Option<Vec<String>>,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    pub log_config: LogConfig,
    pub network_mode: String,
    pub port_bindings: Option<BTreeMap<String, Option<Vec<PortBinding>>>>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: String,
    pub volumes_from: Option<Vec<String>>,
    pub console_size: [u16; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Texts>,
    pub cap_add: Option<Vec<String>>,
    pub cap_drop: Option<Vec<String>>,
    pub cgroupns_mode: String,
    pub dns: Option<Vec<String>>,
    pub dns_options: Option<Vec<String>>,
    pub dns_search: Option<Vec<String>>,
    pub extra_hosts: Option<Vec<String>>,
    pub group_add: Option<Vec<String>>,
    pub ipc_mode: String,
    pub cgroup: String,
    pub links: Option<Vec<String>>,
    pub oom_score_adj: i32,
    pub pid_mode: String,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    pub security_opt: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_opt: Option<Texts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<Texts>,
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    pub userns_mode: String,
    pub shm_size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctls: Option<Texts>,
    pub runtime: String,
    pub isolation: String,
    pub cpu_shares: i64,
    pub memory: i64,
    pub nano_cpus: i64,
    pub cgroup_parent: String,
    pub blkio_weight: u16,
    pub blkio_weight_device: Option<Vec<Value>>,
    pub blkio_device_read_bps: Option<Vec<Value>>,
    pub blkio_device_write_bps: Option<Vec<Value>>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Option<Vec<Value>>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Option<Vec<Value>>,
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpu_realtime_period: i64,
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub devices: Option<Vec<DeviceMapping>>,
    pub device_cgroup_rules: Option<Vec<String>>,
    pub device_requests: Option<Vec<Value>>,
    pub memory_reservation: i64,
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    pub pids_limit: Option<i64>,
    pub cpu_count: i64,
    pub cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    pub ulimits: Option<Vec<Ulimit>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<Mount>>,
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

impl Config {
    /// Leaves out what dockerd does not show where it is empty.
    pub fn without_empty(mut self) -> Self {
        drop(self.exposed_ports.take_if(|ports| ports.is_empty()));
        drop(self.shell.take_if(|shell| shell.is_empty()));
        self
    }
}

impl HostConfig {
    /// Leaves out what dockerd does not show where it is empty.
    pub fn without_empty(mut self) -> Self {
        for texts in [&mut self.annotations, &mut self.storage_opt, &mut self.tmpfs, &mut self.sysctls] {
            drop(texts.take_if(|texts| texts.is_empty()));
        }
        drop(self.mounts.take_if(|mounts| mounts.is_empty()));
        drop(self.links.take_if(|links| links.is_empty()));
        self
    }
}

/// A command is a list of words, or one text, which is one word.
fn words<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        List(Vec<String>),
        One(String),
    }
    Ok(Option::<Words>::deserialize(from)?.map(|words| match words {
        Words::List(list) => list,
        Words::One(word) => vec![word],
    }))
}

/// Takes all members that are null away, in the whole document.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Reads a document of a request.
///
/// # Errors
/// It is no JSON, or a member has the wrong type.
pub fn read<T: serde::de::DeserializeOwned>(document: &Value) -> Result<T, Fault> {
    // What is bound to a port may be null, and means a port of the engine's choice: the one place where a null says something.
    let mut clean = without_nulls(document.clone());
    if let (Some(ports), Some(given)) = (clean.get_mut("PortBindings"), document.get("PortBindings").and_then(Value::as_object)) {
        for port in given.keys().filter(|port| given[*port].is_null()) {
            ports[port] = Value::Array(Vec::new());
        }
    }
    serde_json::from_value(clean).map_err(|error| Fault::bad(format!("invalid JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nulls_are_what_was_left_out_and_wrong_types_are_refused() {
        let config: Config =
            read(&json!({"Image": "a", "Cmd": null, "Entrypoint": "sh", "Labels": null, "Env": ["A=b"], "Other": 1})).unwrap();
        assert_eq!((config.image.as_str(), config.cmd, config.entrypoint), ("a", None, Some(vec!["sh".to_owned()])));
        assert!(read::<Config>(&json!({"Tty": "yes"})).unwrap_err().message.starts_with("invalid JSON: invalid type: string \"yes\""));
        let host: HostConfig = read(&json!({"PortBindings": {"80/tcp": null, "81/tcp": [{"HostPort": "8081"}]}, "Binds": null})).unwrap();
        assert_eq!(host.port_bindings.unwrap().len(), 2);
        assert_eq!(host.binds, None);
    }

    #[test]
    fn lists_are_shown_as_they_were_asked_for() {
        let shown = |asked: Value| json!(read::<HostConfig>(&asked).unwrap().without_empty());
        let silent = shown(json!({"Dns": null}));
        let lists =
            ["Dns", "DnsOptions", "DnsSearch", "Devices", "Ulimits", "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteIOps"];
        for list in lists.into_iter().chain(["PortBindings", "Links", "CapAdd", "GroupAdd"]) {
            assert_eq!(silent.get(list), Some(&Value::Null), "{list}");
        }
        for list in lists {
            assert_eq!(shown(json!({list: []}))[list], json!([]), "{list}");
        }
        assert_eq!(shown(json!({"PortBindings": {}, "Links": []}))["PortBindings"], json!({}));
        assert_eq!(shown(json!({"Links": []}))["Links"], Value::Null);
        for absent in ["Tmpfs", "Sysctls", "StorageOpt", "Annotations"] {
            assert_eq!(shown(json!({absent: {}})).get(absent), None, "{absent}");
            assert_eq!(shown(json!({absent: {"a": "b"}}))[absent], json!({"a": "b"}));
        }
        assert_eq!(shown(json!({"Mounts": []})).get("Mounts"), None);
        let config = read::<Config>(&json!({"ExposedPorts": {}, "Shell": [], "OnBuild": []})).unwrap().without_empty();
        assert_eq!((config.exposed_ports, config.shell, config.on_build), (None, None, Some(Vec::new())));
    }
}
