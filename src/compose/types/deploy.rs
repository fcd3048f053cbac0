//! `deploy`: how many, where, with which limits.

use super::part::{Always, part};
use super::{Bytes, Duration, Mapping};

part! {
    /// How a service is deployed.
    pub struct Deploy {
        "mode" mode: String,
        "replicas" replicas: Option<i64>,
        "labels" labels: Mapping,
        "update_config" update_config: Option<UpdateConfig>,
        "rollback_config" rollback_config: Option<UpdateConfig>,
        "resources" resources: Resources,
        "restart_policy" restart_policy: Option<RestartPolicy>,
        "placement" placement: Placement,
        "endpoint_mode" endpoint_mode: String,
    } + extensions

    /// How a service is updated or rolled back.
    pub struct UpdateConfig {
        "parallelism" parallelism: Option<i64>,
        "delay" delay: Duration,
        "failure_action" failure_action: String,
        "monitor" monitor: Duration,
        "max_failure_ratio" max_failure_ratio: f32,
        "order" order: String,
    } + extensions

    /// What a service may use at most, and what is kept for it.
    pub struct Resources {
        "limits" limits: Option<Resource>,
        "reservations" reservations: Option<Resource>,
    } + extensions

    /// Amounts of what a machine has.
    pub struct Resource {
        "cpus" cpus: f32,
        "memory" memory: Bytes,
        "pids" pids: i64,
        "devices" devices: Vec<DeviceRequest>,
        "generic_resources" generic_resources: Vec<GenericResource>,
    } + extensions

    /// Devices by what they can do.
    pub struct DeviceRequest {
        "capabilities" capabilities: Vec<String>,
        "driver" driver: String,
        /// How many; -1 for all.
        "count" count: i64,
        "device_ids" device_ids: Vec<String>,
        "options" options: Mapping,
    }

    /// A resource that the cluster's owner has named.
    pub struct GenericResource {
        "discrete_resource_spec" discrete: Option<DiscreteResource>,
    } + extensions

    /// So many of a kind.
    pub struct DiscreteResource {
        "kind" kind: Always<String>,
        "value" value: Always<i64>,
    } + extensions

    /// When a task of a service is started again.
    pub struct RestartPolicy {
        "condition" condition: String,
        "delay" delay: Option<Duration>,
        "max_attempts" max_attempts: Option<i64>,
        "window" window: Option<Duration>,
    } + extensions

    /// On which nodes tasks may run.
    pub struct Placement {
        "constraints" constraints: Vec<String>,
        "preferences" preferences: Vec<PlacementPreference>,
        "max_replicas_per_node" max_replicas_per_node: i64,
    } + extensions

    /// Over what tasks are spread.
    pub struct PlacementPreference {
        "spread" spread: String,
    } + extensions
}
