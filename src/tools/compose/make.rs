//! A container of a service as the document that the engine makes it of.
//!
//! Nothing here asks anybody: what must be known of the engine (ids of other containers, what the image has, what an older container had) is handed in.

mod mounts;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::observed::label;
use super::plan::Spot;
use crate::compose::types::{DeviceRequest, FileObject, FileReference, Healthcheck, Port, Project, Resource, Service};
use crate::tools::docker::containers::options;
use mounts::storage;

/// What a container is made with besides the file.
#[derive(Default)]
pub struct With<'a> {
    /// The labels that Compose gives.
    pub labels: BTreeMap<String, String>,
    /// The containers of services that are referred to, by service: id and name, the first one first.
    pub others: BTreeMap<String, Vec<(String, String)>>,
    /// What stands between the parts of names.
    pub separator: char,
    /// The mounts of the container whose place it takes, as `inspect` shows them.
    pub inherited: &'a [Value],
    /// The paths that the image makes volumes of.
    pub image_volumes: BTreeSet<String>,
    /// Whether it goes when it has ended.
    pub auto_remove: bool,
    /// Whether what is typed goes in.
    pub attach_stdin: bool,
    /// Without the service's names in networks.
    pub no_aliases: bool,
}

impl With<'_> {
    /// The first container of a service.
    fn first(&self, service: &str) -> Option<&(String, String)> {
        self.others.get(service)?.first()
    }
}

/// The image of a service: its own, or that which is built for it.
pub fn image_of(project: &Project, service: &Service, separator: char) -> String {
    if service.image.is_empty() { format!("{}{separator}{}", project.name, service.name) } else { service.image.clone() }
}

/// The labels of everything that is made for a service's container.
pub fn labels(project: &Project, service: &Service, spot: &Spot, hash: &str, oneoff: bool) -> BTreeMap<String, String> {
    let files: Vec<String> = project.files.iter().map(|file| file.display().to_string()).collect();
    let needs: Vec<String> = service
        .depends_on
        .iter()
        .map(|(name, dependency)| {
            let condition = if dependency.condition.is_empty() { "service_started" } else { &dependency.condition };
            format!("{name}:{condition}:{}", dependency.restart)
        })
        .collect();
    let mut labels: BTreeMap<String, String> = service.labels.clone();
    labels.extend(
        [
            (label::PROJECT, project.name.clone()),
            (label::SERVICE, service.name.clone()),
            (label::VERSION, super::LEVEL.to_owned()),
            (label::NUMBER, spot.number.to_string()),
            (label::ONEOFF, if oneoff { "True" } else { "False" }.to_owned()),
            (label::HASH, hash.to_owned()),
            (label::FOLDER, project.working_dir.display().to_string()),
            (label::FILES, files.join(",")),
            (label::DEPENDS, needs.join(",")),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    labels
}

/// `"NAME=VALUE"`, sorted; a name alone takes the variable away from the image's.
fn environment(service: &Service) -> Vec<String> {
    service.environment.iter().map(|(name, value)| value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}"))).collect()
}

/// Nothing where there is nothing: the engine then takes its own.
fn some(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn number(number: i64) -> Value {
    if number == 0 { Value::Null } else { number.into() }
}

/// The document.
///
/// # Errors
/// A service is referred to that has no container, or a file of rules cannot be read, in words.
pub fn body(project: &Project, service: &Service, spot: &Spot, image: &str, with: &With<'_>) -> Result<Value, String> {
    let exposed: Map<String, Value> = service
        .expose
        .iter()
        .map(|port| if port.contains('/') { port.clone() } else { format!("{port}/tcp") })
        .chain(service.ports.iter().map(inside))
        .map(|port| (port, json!({})))
        .collect();
    let exposed = if exposed.is_empty() { Value::Null } else { exposed.into() };
    let (binds, mounts) = storage(project, service, with);
    let mut config = json!({
        "Hostname": service.hostname, "Domainname": service.domainname, "User": service.user, "WorkingDir": service.working_dir,
        "ExposedPorts": exposed, "Tty": service.tty, "OpenStdin": service.stdin_open, "StdinOnce": with.attach_stdin && service.stdin_open,
        "AttachStdin": with.attach_stdin, "AttachStdout": true, "AttachStderr": true,
        "Image": image, "Env": environment(service), "Labels": with.labels,
        "Cmd": service.command.0, "Entrypoint": service.entrypoint.0,
    });
    let mut add = |key: &str, value: Value| {
        if !value.is_null() {
            config[key] = value;
        }
    };
    add("StopSignal", some(&service.stop_signal));
    add("StopTimeout", service.stop_grace_period.map_or(Value::Null, |time| time.std().as_secs().into()));
    add("MacAddress", some(&service.mac_address));
    add("Healthcheck", service.healthcheck.as_ref().map_or(Value::Null, health));
    let links = links(project, service, spot, with)?;
    let mut host = host(project, service, with, &binds, &mounts)?;
    if !links.is_empty() {
        host["Links"] = json!(links);
    }
    add("HostConfig", host);
    add("NetworkingConfig", json!({"EndpointsConfig": endpoints(project, service, spot, with, &links)?}));
    Ok(config)
}

/// `80/tcp`.
fn inside(port: &Port) -> String {
    format!("{}/{}", port.target, if port.protocol.is_empty() { "tcp" } else { &port.protocol })
}

fn health(check: &Healthcheck) -> Value {
    if check.disable {
        return json!({"Test": ["NONE"]});
    }
    let mut document = json!({});
    if !check.test.is_empty() {
        document["Test"] = json!(check.test);
    }
    let times = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ];
    for (key, time) in times {
        if let Some(time) = time {
            document[key] = time.0.into();
        }
    }
    if let Some(retries) = check.retries {
        document["Retries"] = retries.into();
    }
    document
}

/// The namespace that a mode names: `service:x` is that of its first container.
fn mode(text: &str, what: &str, with: &With<'_>) -> Result<String, String> {
    let Some(service) = text.strip_prefix("service:") else { return Ok(text.to_owned()) };
    let (id, _) = with.first(service).ok_or_else(|| format!("cannot share {what} namespace with service {service}: container missing"))?;
    Ok(format!("container:{id}"))
}

fn host(project: &Project, service: &Service, with: &With<'_>, binds: &[String], mounts: &[Value]) -> Result<Value, String> {
    let networks = service.networks_by_priority();
    let first = networks.first().and_then(|key| project.networks.get(*key)).map(|network| network.name.clone());
    let network = match (service.network_mode.as_str(), first) {
        ("", Some(first)) => first,
        ("", None) => "none".to_owned(),
        (text, _) => mode(text, "network", with)?,
    };
    let security = service.security_opt.iter().map(|text| options::security(text)).collect::<Result<Vec<String>, String>>()?;
    let volumes_from = service
        .volumes_from
        .iter()
        .map(|from| match from.strip_prefix("container:") {
            Some(container) => Ok(container.to_owned()),
            None => {
                let (name, how) = from.split_once(':').map_or((from.as_str(), ""), |(name, how)| (name, how));
                let (id, _) = with.first(name).ok_or_else(|| format!("cannot share volume with service {name}: container missing"))?;
                Ok(if how.is_empty() { id.clone() } else { format!("{id}:{how}") })
            }
        })
        .collect::<Result<Vec<String>, String>>()?;
    let mut bindings = Map::new();
    for port in &service.ports {
        let list = bindings.entry(inside(port)).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({"HostIp": port.host_ip, "HostPort": port.published}));
        }
    }
    let tmpfs: Map<String, Value> = service
        .tmpfs
        .iter()
        .map(|text| text.split_once(':').map_or((text.clone(), "".into()), |(path, how)| (path.to_owned(), how.into())))
        .collect();
    let mut host = resources(service);
    let Value::Object(more) = json!({
        "Binds": binds, "Mounts": mounts, "AutoRemove": with.auto_remove, "NetworkMode": network, "PortBindings": bindings,
        "IpcMode": mode(&service.ipc, "IPC", with)?, "PidMode": mode(&service.pid, "PID", with)?, "UTSMode": service.uts,
        "UsernsMode": service.userns_mode, "CgroupnsMode": service.cgroup, "CgroupParent": service.cgroup_parent,
        "RestartPolicy": restart(service), "CapAdd": service.cap_add, "CapDrop": service.cap_drop, "Privileged": service.privileged,
        "ReadonlyRootfs": service.read_only, "SecurityOpt": security, "Dns": service.dns, "DnsSearch": service.dns_search,
        "DnsOptions": service.dns_opt, "ExtraHosts": service.extra_hosts.joined(":"), "GroupAdd": service.group_add,
        "VolumesFrom": volumes_from, "VolumeDriver": service.volume_driver, "Runtime": service.runtime, "Isolation": service.isolation,
        "OomScoreAdj": service.oom_score_adj, "LogConfig": log(service),
    }) else {
        return Ok(host);
    };
    if let Some(host) = host.as_object_mut() {
        host.extend(more);
    }
    for (key, value) in [
        ("Init", service.init.map_or(Value::Null, Value::from)),
        ("ShmSize", number(service.shm_size.0)),
        ("Tmpfs", if tmpfs.is_empty() { Value::Null } else { tmpfs.into() }),
        ("Sysctls", map(&service.sysctls)),
        ("StorageOpt", map(&service.storage_opt)),
        ("Annotations", map(&service.annotations)),
    ] {
        if !value.is_null() {
            host[key] = value;
        }
    }
    Ok(host)
}

fn map(pairs: &BTreeMap<String, String>) -> Value {
    if pairs.is_empty() { Value::Null } else { json!(pairs) }
}

fn log(service: &Service) -> Value {
    match &service.logging {
        Some(logging) => json!({"Type": logging.driver, "Config": logging.options}),
        None => json!({"Type": service.log_driver, "Config": service.log_opt}),
    }
}

fn restart(service: &Service) -> Value {
    if let Some(policy) = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref()).filter(|_| service.restart.is_empty()) {
        let name = match policy.condition.as_str() {
            "none" | "no" => "no",
            "on-failure" => "on-failure",
            "unless-stopped" => "unless-stopped",
            _ => "always",
        };
        return json!({"Name": name, "MaximumRetryCount": policy.max_attempts.unwrap_or(0)});
    }
    let (name, times) = service.restart.split_once(':').unwrap_or((&service.restart, "0"));
    json!({"Name": name, "MaximumRetryCount": times.parse::<i64>().unwrap_or(0)})
}

/// A number of processors in billionths, as near as the file's own text has it.
fn billionths(cpus: f32) -> i64 {
    let wide: f64 = cpus.to_string().parse().unwrap_or_default();
    (wide * 1e9).round() as i64
}

/// Limits: the service's own, and over them those of `deploy`.
fn resources(service: &Service) -> Value {
    let mut all: Vec<(&str, Value)> = vec![
        ("CpuPeriod", number(service.cpu_period)),
        ("CpuQuota", number(service.cpu_quota)),
        ("CpuRealtimePeriod", number(service.cpu_rt_period)),
        ("CpuRealtimeRuntime", number(service.cpu_rt_runtime)),
        ("CpuShares", number(service.cpu_shares)),
        ("NanoCpus", number(billionths(service.cpus))),
        ("CpusetCpus", some(&service.cpuset)),
        ("Memory", number(service.mem_limit.0)),
        ("MemoryReservation", number(service.mem_reservation.0)),
        ("MemorySwap", number(service.memswap_limit.0)),
        ("MemorySwappiness", number(service.mem_swappiness.0)),
        ("PidsLimit", number(service.pids_limit)),
        ("OomKillDisable", if service.oom_kill_disable { true.into() } else { Value::Null }),
        ("DeviceCgroupRules", if service.device_cgroup_rules.is_empty() { Value::Null } else { json!(service.device_cgroup_rules) }),
    ];
    let given = service.deploy.as_ref().map(|deploy| &deploy.resources);
    if let Some(limits) = given.and_then(|resources| resources.limits.as_ref()) {
        all.extend([
            ("NanoCpus", number(billionths(limits.cpus))),
            ("Memory", number(limits.memory.0)),
            ("PidsLimit", number(limits.pids)),
        ]);
    }
    let reserved: Option<&Resource> = given.and_then(|resources| resources.reservations.as_ref());
    all.push(("MemoryReservation", reserved.map_or(Value::Null, |reserved| number(reserved.memory.0))));
    let devices: Vec<Value> = service
        .devices
        .iter()
        .map(|device| {
            let permissions = if device.permissions.is_empty() { "rwm" } else { &device.permissions };
            json!({"PathOnHost": device.source, "PathInContainer": device.target, "CgroupPermissions": permissions})
        })
        .collect();
    let requests: Vec<Value> = reserved.into_iter().flat_map(|reserved| &reserved.devices).map(|request| asked(request, "")).collect();
    let requests: Vec<Value> = requests.into_iter().chain(service.gpus.iter().map(|request| asked(request, "gpu"))).collect();
    let ulimits: Vec<Value> = service
        .ulimits
        .iter()
        .map(|(name, limit)| {
            let (soft, hard) = if limit.single != 0 { (limit.single, limit.single) } else { (limit.soft, limit.hard) };
            json!({"Name": name, "Soft": soft, "Hard": hard})
        })
        .collect();
    for (key, list) in [("Devices", devices), ("DeviceRequests", requests), ("Ulimits", ulimits)] {
        all.push((key, if list.is_empty() { Value::Null } else { list.into() }));
    }
    if let Some(blkio) = &service.blkio_config {
        let weights: Vec<Value> = blkio.weight_device.iter().map(|one| json!({"Path": *one.path, "Weight": *one.weight})).collect();
        all.extend([("BlkioWeight", number(blkio.weight)), ("BlkioWeightDevice", weights.into())]);
        for (key, list) in [
            ("BlkioDeviceReadBps", &blkio.device_read_bps),
            ("BlkioDeviceReadIOps", &blkio.device_read_iops),
            ("BlkioDeviceWriteBps", &blkio.device_write_bps),
            ("BlkioDeviceWriteIOps", &blkio.device_write_iops),
        ] {
            all.push((key, list.iter().map(|one| json!({"Path": *one.path, "Rate": one.rate.0.0})).collect()));
        }
    }
    Value::Object(all.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)).collect())
}

fn asked(request: &DeviceRequest, least: &str) -> Value {
    let mut abilities = request.capabilities.clone();
    if !least.is_empty() && !abilities.iter().any(|ability| ability == least) {
        abilities.push(least.to_owned());
    }
    let count = if request.count == 0 && request.device_ids.is_empty() { -1 } else { request.count };
    json!({"Driver": request.driver, "Count": count, "DeviceIDs": request.device_ids, "Capabilities": [abilities], "Options": request.options})
}

/// `CONTAINER:NAME` for every name by which a link makes another container known: the link's own, and those that the first Compose gave. The numbers in these are
/// those of the container that is made, whatever the other's number is: the real tool has it so.
fn links(project: &Project, service: &Service, spot: &Spot, with: &With<'_>) -> Result<Vec<String>, String> {
    let mut links = Vec::new();
    for link in &service.links {
        let (other, alias) = link.split_once(':').unwrap_or((link, link));
        let short = format!("{other}{}{}", with.separator, spot.number);
        // One without a container is passed over.
        for (_, name) in with.others.get(other).into_iter().flatten() {
            links.extend([
                format!("{name}:{alias}"),
                format!("{name}:{short}"),
                format!("{name}:{}{}{short}", project.name, with.separator),
            ]);
        }
    }
    // One of `run` knows those of its own service.
    if with.labels.get(label::ONEOFF).is_some_and(|text| text == "True") {
        let before = format!("{}{}", project.name, with.separator);
        for (_, name) in with.others.get(&service.name).into_iter().flatten() {
            let short = name.strip_prefix(&before).unwrap_or(name);
            links.extend([format!("{name}:{}", service.name), format!("{name}:{short}"), format!("{name}:{name}")]);
        }
    }
    let external = service.external_links.iter();
    links.extend(external.map(|link| if link.contains(':') { link.clone() } else { format!("{link}:{link}") }));
    Ok(links)
}

/// How it is on each of its networks.
fn endpoints(project: &Project, service: &Service, spot: &Spot, with: &With<'_>, links: &[String]) -> Result<Map<String, Value>, String> {
    let mut all = Map::new();
    if !service.network_mode.is_empty() {
        return Ok(all);
    }
    for key in service.networks_by_priority() {
        let Some(network) = project.networks.get(key) else {
            return Err(format!("service {:?} refers to undefined network {key}", service.name));
        };
        let settings = service.networks.get(key).cloned().flatten().unwrap_or_default();
        let mut aliases = vec![spot.name.clone()];
        if !with.no_aliases {
            aliases.push(service.name.clone());
            aliases.extend(settings.aliases.iter().cloned());
        }
        let mut endpoint = json!({"Aliases": aliases});
        if !links.is_empty() {
            endpoint["Links"] = json!(links);
        }
        if !settings.ipv4_address.is_empty() || !settings.ipv6_address.is_empty() || !settings.link_local_ips.is_empty() {
            endpoint["IPAMConfig"] = json!({
                "IPv4Address": settings.ipv4_address, "IPv6Address": settings.ipv6_address, "LinkLocalIPs": settings.link_local_ips,
            });
        }
        for (name, value) in [
            ("MacAddress", some(&settings.mac_address)),
            ("DriverOpts", map(&settings.driver_opts)),
            ("GwPriority", number(settings.gw_priority)),
        ] {
            if !value.is_null() {
                endpoint[name] = value;
            }
        }
        all.insert(network.name.clone(), endpoint);
    }
    Ok(all)
}

/// Where a secret or a config stands in the container.
pub fn target(reference: &FileReference, folder: &str) -> String {
    let name = if reference.target.is_empty() { &reference.source } else { &reference.target };
    if name.starts_with('/') { name.clone() } else { format!("{}/{name}", folder.trim_end_matches('/')) }
}

/// Secrets and configs of a service: where they stand, and what they are.
pub fn files<'a>(project: &'a Project, service: &'a Service) -> Vec<(String, &'a FileReference, &'a FileObject)> {
    let secrets = service.secrets.iter().filter_map(|one| Some((target(one, "/run/secrets"), one, project.secrets.get(&one.source)?)));
    let configs = service.configs.iter().filter_map(|one| Some((target(one, "/"), one, project.configs.get(&one.source)?)));
    secrets.chain(configs).collect()
}
