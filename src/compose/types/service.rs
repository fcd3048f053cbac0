//! `services`: what containers of one kind look like.

use std::collections::BTreeMap;

use super::part::{Always, part};
use super::{Build, Bytes, Command, Deploy, DeviceRequest, Duration, Environment, ExtraHosts, FileMode, Mapping, On, Ulimit};

part! {
    /// One service. Fields that are not explained here are those of `docker run`.
    pub struct Service {
        "profiles" profiles: Vec<String>,
        "annotations" annotations: Mapping,
        /// Whether `up` shows its output; unset is yes.
        "attach" attach: Option<bool>,
        "build" build: Option<Build>,
        "develop" develop: Option<Develop>,
        "blkio_config" blkio_config: Option<BlkioConfig>,
        "cap_add" cap_add: Vec<String>,
        "cap_drop" cap_drop: Vec<String>,
        "cgroup_parent" cgroup_parent: String,
        "cgroup" cgroup: String,
        "cpu_count" cpu_count: i64,
        "cpu_percent" cpu_percent: f32,
        "cpu_period" cpu_period: i64,
        "cpu_quota" cpu_quota: i64,
        "cpu_rt_period" cpu_rt_period: i64,
        "cpu_rt_runtime" cpu_rt_runtime: i64,
        "cpus" cpus: f32,
        "cpuset" cpuset: String,
        "cpu_shares" cpu_shares: i64,
        "command" command: Command,
        "configs" configs: Vec<FileReference>,
        "container_name" container_name: String,
        "credential_spec" credential_spec: Option<CredentialSpec>,
        "depends_on" depends_on: BTreeMap<String, Dependency>,
        "deploy" deploy: Option<Deploy>,
        "device_cgroup_rules" device_cgroup_rules: Vec<String>,
        "devices" devices: Vec<Device>,
        "dns" dns: Vec<String>,
        "dns_opt" dns_opt: Vec<String>,
        "dns_search" dns_search: Vec<String>,
        "dockerfile" dockerfile: String,
        "domainname" domainname: String,
        "entrypoint" entrypoint: Command,
        "provider" provider: Option<Provider>,
        /// The variables, with those of `env_file` and of the shell filled in.
        "environment" environment: Environment,
        "env_file" env_file: Vec<EnvFile>,
        "expose" expose: Vec<String>,
        "external_links" external_links: Vec<String>,
        "extra_hosts" extra_hosts: ExtraHosts,
        "group_add" group_add: Vec<String>,
        "gpus" gpus: Vec<DeviceRequest>,
        "hostname" hostname: String,
        "healthcheck" healthcheck: Option<Healthcheck>,
        "image" image: String,
        "init" init: Option<bool>,
        "ipc" ipc: String,
        "isolation" isolation: String,
        "labels" labels: Mapping,
        "label_file" label_file: Vec<String>,
        "links" links: Vec<String>,
        "logging" logging: Option<Logging>,
        "log_driver" log_driver: String,
        "log_opt" log_opt: Mapping,
        "mem_limit" mem_limit: Bytes,
        "mem_reservation" mem_reservation: Bytes,
        "memswap_limit" memswap_limit: Bytes,
        "mem_swappiness" mem_swappiness: Bytes,
        "mac_address" mac_address: String,
        "models" models: BTreeMap<String, Option<ServiceModel>>,
        "net" net: String,
        "network_mode" network_mode: String,
        /// By the network's key in the project; empty if `network_mode` stands instead.
        "networks" networks: BTreeMap<String, Option<ServiceNetwork>>,
        "oom_kill_disable" oom_kill_disable: bool,
        "oom_score_adj" oom_score_adj: i64,
        "pid" pid: String,
        "pids_limit" pids_limit: i64,
        "platform" platform: String,
        "ports" ports: Vec<Port>,
        "privileged" privileged: bool,
        "pull_policy" pull_policy: String,
        "read_only" read_only: bool,
        "restart" restart: String,
        "runtime" runtime: String,
        "scale" scale: Option<i64>,
        "secrets" secrets: Vec<FileReference>,
        "security_opt" security_opt: Vec<String>,
        "shm_size" shm_size: Bytes,
        "stdin_open" stdin_open: bool,
        "stop_grace_period" stop_grace_period: Option<Duration>,
        "stop_signal" stop_signal: String,
        "storage_opt" storage_opt: Mapping,
        "sysctls" sysctls: Mapping,
        "tmpfs" tmpfs: Vec<String>,
        "tty" tty: bool,
        "ulimits" ulimits: BTreeMap<String, Ulimit>,
        "use_api_socket" use_api_socket: bool,
        "user" user: String,
        "userns_mode" userns_mode: String,
        "uts" uts: String,
        "volume_driver" volume_driver: String,
        "volumes" volumes: Vec<ServiceVolume>,
        "volumes_from" volumes_from: Vec<String>,
        "working_dir" working_dir: String,
        "pre_start" pre_start: Vec<Hook>,
        "post_start" post_start: Vec<Hook>,
        "pre_stop" pre_stop: Vec<Hook>,
    } + extensions
    unwritten {
        /// Its key below `services`.
        name: String,
    }

    /// A program outside that provides what the service stands for.
    pub struct Provider {
        "type" kind: String,
        "options" options: BTreeMap<String, Vec<String>>,
    } + extensions

    /// What `watch` looks at.
    pub struct Develop {
        "watch" watch: Vec<Trigger>,
    } + extensions

    /// A path, and what happens when something below it changes.
    pub struct Trigger {
        "path" path: Always<String>,
        /// sync, rebuild, restart, sync+restart, sync+exec
        "action" action: Always<String>,
        "target" target: String,
        "exec" exec: Hook,
        "include" include: Vec<String>,
        "ignore" ignore: Vec<String>,
        "initial_sync" initial_sync: bool,
    } + extensions

    /// A command that runs in a container after it starts or before it stops.
    pub struct Hook {
        "command" command: Command,
        "image" image: String,
        "user" user: String,
        "privileged" privileged: bool,
        "working_dir" working_dir: String,
        "environment" environment: Environment,
        "per_replica" per_replica: bool,
    } + extensions

    /// Weights and limits of block devices.
    pub struct BlkioConfig {
        "weight" weight: i64,
        "weight_device" weight_device: Vec<WeightDevice>,
        "device_read_bps" device_read_bps: Vec<ThrottleDevice>,
        "device_read_iops" device_read_iops: Vec<ThrottleDevice>,
        "device_write_bps" device_write_bps: Vec<ThrottleDevice>,
        "device_write_iops" device_write_iops: Vec<ThrottleDevice>,
    } + extensions

    /// The weight of one device.
    pub struct WeightDevice {
        "path" path: Always<String>,
        "weight" weight: Always<i64>,
    } + extensions

    /// How much a second may go through one device.
    pub struct ThrottleDevice {
        "path" path: Always<String>,
        "rate" rate: Always<Bytes>,
    } + extensions

    /// A device of the host in the container.
    pub struct Device {
        "source" source: String,
        "target" target: String,
        "permissions" permissions: String,
    } + extensions

    /// Windows credentials: kept, printed, never used here.
    pub struct CredentialSpec {
        "config" config: String,
        "file" file: String,
        "registry" registry: String,
    } + extensions

    /// A service that must be there first.
    pub struct Dependency {
        /// service_started, service_healthy, service_completed_successfully
        "condition" condition: String,
        /// Whether this service is started again when the other one is made anew.
        "restart" restart: bool,
        /// Whether the other one must be there at all.
        "required" required: Always<bool>,
    } + extensions

    /// A file with variables.
    pub struct EnvFile {
        "path" path: String,
        "required" required: On,
        /// `raw` reads every line as it stands.
        "format" format: String,
    }

    /// A secret or a config as a file in the container.
    pub struct FileReference {
        "source" source: String,
        "target" target: String,
        "uid" uid: String,
        "gid" gid: String,
        "mode" mode: Option<FileMode>,
    } + extensions

    /// How one finds out that a container works.
    pub struct Healthcheck {
        /// `NONE`, `CMD ...` or `CMD-SHELL ...`.
        "test" test: Vec<String>,
        "timeout" timeout: Option<Duration>,
        "interval" interval: Option<Duration>,
        "retries" retries: Option<i64>,
        "start_period" start_period: Option<Duration>,
        "start_interval" start_interval: Option<Duration>,
        "disable" disable: bool,
    } + extensions

    /// Where output goes.
    pub struct Logging {
        "driver" driver: String,
        "options" options: Mapping,
    } + extensions

    /// In which variables a model's address and name are told.
    pub struct ServiceModel {
        "endpoint_var" endpoint_var: String,
        "model_var" model_var: String,
    } + extensions

    /// How a service is on a network.
    pub struct ServiceNetwork {
        "aliases" aliases: Vec<String>,
        "driver_opts" driver_opts: Mapping,
        "gw_priority" gw_priority: i64,
        "interface_name" interface_name: String,
        "ipv4_address" ipv4_address: String,
        "ipv6_address" ipv6_address: String,
        "link_local_ips" link_local_ips: Vec<String>,
        "mac_address" mac_address: String,
        /// The network with the highest is connected first.
        "priority" priority: i64,
    } + extensions

    /// A port of the container that is published.
    pub struct Port {
        "name" name: String,
        "mode" mode: String,
        "host_ip" host_ip: String,
        "target" target: i64,
        /// A port of the host or a range of them; empty for any.
        "published" published: String,
        "protocol" protocol: String,
        "app_protocol" app_protocol: String,
    } + extensions

    /// Something mounted into the container.
    pub struct ServiceVolume {
        /// bind, volume, tmpfs, image, npipe, cluster
        "type" kind: String,
        /// A path of the host, the key of a volume of the project, or nothing for an anonymous volume.
        "source" source: String,
        "target" target: String,
        "read_only" read_only: bool,
        "consistency" consistency: String,
        "bind" bind: Option<BindOptions>,
        "volume" volume: Option<VolumeOptions>,
        "tmpfs" tmpfs: Option<TmpfsOptions>,
        "image" image: Option<ImageOptions>,
    } + extensions

    /// How a path of the host is mounted.
    pub struct BindOptions {
        "selinux" selinux: String,
        "propagation" propagation: String,
        /// Whether a folder that is not there is made.
        "create_host_path" create_host_path: On,
        "recursive" recursive: String,
    } + extensions

    /// How a volume is mounted.
    pub struct VolumeOptions {
        "labels" labels: Mapping,
        /// Whether an empty volume stays empty, and is not filled from the image.
        "nocopy" nocopy: bool,
        "subpath" subpath: String,
    } + extensions

    /// A file system in memory.
    pub struct TmpfsOptions {
        "size" size: Bytes,
        "mode" mode: i64,
    } + extensions

    /// How an image is mounted.
    pub struct ImageOptions {
        "subpath" subpath: String,
    } + extensions
}

impl Service {
    /// How many containers it has.
    pub fn replicas(&self) -> i64 {
        self.scale.or(self.deploy.as_ref().and_then(|deploy| deploy.replicas)).unwrap_or(1)
    }

    /// Its networks, the one with the highest priority first.
    pub fn networks_by_priority(&self) -> Vec<&str> {
        let priority = |name: &str| self.networks.get(name).and_then(Option::as_ref).map_or(0, |network| network.priority);
        let mut names: Vec<&str> = self.networks.keys().map(String::as_str).collect();
        names.sort_by_key(|name| -priority(name));
        names
    }
}
