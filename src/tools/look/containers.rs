//! What containers, volumes and networks are, as facts know them: read from the records of the engine.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::course::fact::containers::bare_capability;
use crate::engine;
use crate::engine::container::config::{Config, HostConfig};
use crate::engine::container::record::{MountPoint, Record};
use crate::engine::container::{ports, record_file};
use crate::engine::networks::Networks;
use crate::engine::volumes::Volume;
use crate::kernel::fs;
use crate::tools::docker::health_of;

/// What has no limit.
const NO_LIMIT: &str = "max";
/// Nanoseconds of CPU time in a second of it.
const CPU: f64 = 1e9;

/// All containers below the data folder of an engine, the newest first.
pub(super) fn all(data: &Path) -> Value {
    json!({ "containers": records(data).iter().map(|record| document(record, &health_of)).collect::<Vec<_>>() })
}

/// A record that cannot be read is one of a container that is being made, or removed: it is not there.
fn records(data: &Path) -> Vec<Record> {
    let folder = data.join("containers");
    let read = |id: &String| fs::read(&record_file(&folder.join(id))).ok().and_then(|text| serde_json::from_str(&text).ok());
    let mut all: Vec<Record> = fs::list(&folder).unwrap_or_default().iter().filter_map(read).collect();
    all.sort_by(|one, other| other.created.cmp(&one.created));
    all
}

/// What facts know of a container. `health` is asked for that of one which is tested and runs.
pub(in crate::tools) fn document(record: &Record, health: &dyn Fn(&str) -> Option<Value>) -> Value {
    let mut document = json!({
        "exists": true, "name": record.name, "id": record.id, "image": record.config.image, "image_id": record.image,
        "created": record.created, "restarts": record.restarts, "labels": record.config.labels,
        "mounts": record.mounts.iter().map(mounted).collect::<Vec<_>>(),
        "networks": networks(record), "ports": published(record),
        "inspect": {
            "Id": record.id, "Name": format!("/{}", record.name), "Created": record.created, "Image": record.image, "RestartCount": record.restarts,
            "State": record.state.json(), "Config": record.config, "HostConfig": record.host, "Mounts": record.mounts,
            "NetworkSettings": {"Networks": record.networks, "Ports": record.ports},
        },
    });
    let parts = [state(record, health), running(&record.config), allowed(&record.host)];
    if let Value::Object(things) = &mut document {
        things.extend(parts.into_iter().flatten());
    }
    document
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}

fn state(record: &Record, health: &dyn Fn(&str) -> Option<Value>) -> Map<String, Value> {
    let state = &record.state;
    let tested =
        record.config.healthcheck.as_ref().is_some_and(|check| !["", "NONE"].contains(&check.test.first().map_or("", String::as_str)));
    let health = match (tested, state.is_running()) {
        (false, _) => json!({ "Status": "none" }),
        (true, true) => health(&record.id).unwrap_or_else(|| json!({ "Status": "unknown" })),
        // The last word of an engine about a container that has ended is not kept.
        (true, false) => json!({ "Status": "ended" }),
    };
    object(json!({
        "status": state.status, "running": state.is_running(), "pid": state.pid, "exit_code": state.exit_code, "error": state.error,
        "oom_killed": state.oom_killed, "started": state.started_at, "finished": state.finished_at,
        "health": health["Status"], "health_failing": health["FailingStreak"],
        "health_said": health["Log"].as_array().and_then(|log| log.last()).map(|last| last["Output"].clone()),
    }))
}

/// What runs in it.
fn running(config: &Config) -> Map<String, Value> {
    object(json!({
        "entrypoint": config.entrypoint.clone().unwrap_or_default(), "cmd": config.cmd.clone().unwrap_or_default(),
        "user": config.user, "env": config.env, "workdir": config.working_dir, "hostname": config.hostname, "tty": config.tty,
        "stop_signal": config.stop_signal.clone().unwrap_or_default(), "stop_timeout": config.stop_timeout,
        "healthcheck": config.healthcheck.as_ref().map(|check| check.test.join(" ")).unwrap_or_default(),
        "exposed": config.exposed_ports.iter().flatten().map(|(port, _)| port).collect::<Vec<_>>(),
    }))
}

/// What it may do.
fn allowed(host: &HostConfig) -> Map<String, Value> {
    let limit = |value: i64| if value > 0 { json!(value) } else { json!(NO_LIMIT) };
    let cpus = match (host.nano_cpus, host.cpu_quota, host.cpu_period) {
        (nano, _, _) if nano > 0 => json!(nano as f64 / CPU),
        (_, quota, period) if quota > 0 => json!(quota as f64 / if period > 0 { period as f64 } else { 100_000.0 }),
        _ => json!(NO_LIMIT),
    };
    let policy = &host.restart_policy;
    let restart = match (policy.name.as_str(), policy.maximum_retry_count) {
        ("", _) => "no".to_owned(),
        (name, count) if count > 0 => format!("{name}:{count}"),
        (name, _) => name.to_owned(),
    };
    let options = host.security_opt.clone().unwrap_or_default();
    let no_new_privs =
        options.iter().any(|option| ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"].contains(&option.as_str()));
    let capabilities = |names: &Option<Vec<String>>| {
        let mut names: Vec<String> = names.iter().flatten().map(|name| bare_capability(name)).collect();
        names.sort();
        names
    };
    object(json!({
        "cap_add": capabilities(&host.cap_add), "cap_drop": capabilities(&host.cap_drop), "privileged": host.privileged,
        "read_only": host.readonly_rootfs, "no_new_privs": no_new_privs, "security": options, "init": host.init.unwrap_or(false),
        "auto_remove": host.auto_remove, "memory": limit(host.memory), "memory_swap": limit(host.memory_swap), "cpus": cpus,
        "cpu_shares": host.cpu_shares, "pids_limit": limit(host.pids_limit.unwrap_or(0)), "restart": restart,
        "network_mode": host.network_mode, "pid_mode": host.pid_mode, "ipc_mode": host.ipc_mode, "log_driver": host.log_config.kind,
    }))
}

fn mounted(point: &MountPoint) -> Value {
    json!({
        "at": point.destination, "type": point.kind, "name": point.name, "source": point.source, "writable": point.writable,
        "anonymous": point.anonymous,
    })
}

fn networks(record: &Record) -> Value {
    let one = |(name, endpoint): (&String, &crate::engine::container::record::Endpoint)| {
        let aliases = endpoint.aliases.clone().unwrap_or_default();
        (name.clone(), json!({ "address": endpoint.address, "gateway": endpoint.gateway, "aliases": aliases }))
    };
    Value::Object(record.networks.iter().map(one).collect())
}

/// Where its ports are on the host: those that are open while it runs, else those that it asked for.
fn published(record: &Record) -> Vec<Value> {
    let one = |port: &String, host_ip: &str, host_port: &str| json!({ "port": port, "address": host_ip, "host_port": host_port.parse::<u16>().ok() });
    if record.state.is_running() {
        let open = record.ports.iter().flat_map(|(port, all)| all.iter().map(move |binding| (port, binding)));
        return open.map(|(port, binding)| one(port, &binding.host_ip, &binding.host_port)).collect();
    }
    ports::wanted(record).unwrap_or_default().iter().map(|(port, binding)| one(port, &binding.host_ip, &binding.host_port)).collect()
}

/// All volumes, and which containers have them.
pub(super) fn volumes(data: &Path) -> Value {
    let records = records(data);
    let users = |name: &str| -> BTreeSet<String> {
        let has = |record: &&Record| record.mounts.iter().any(|point| point.kind == "volume" && point.name == name);
        records.iter().filter(has).map(|record| record.name.clone()).collect()
    };
    let read = |name: &String| -> Option<Volume> {
        serde_json::from_str(&fs::read(&data.join("volumes").join(name).join("volume.json")).ok()?).ok()
    };
    let document = |volume: Volume| {
        json!({
            "exists": true, "name": volume.name, "driver": "local", "created": volume.created, "labels": volume.labels, "options": volume.options,
            "anonymous": volume.anonymous, "used_by": users(&volume.name), "files": data.join("volumes").join(&volume.name).join("_data"),
        })
    };
    json!({ "volumes": fs::list(&data.join("volumes")).unwrap_or_default().iter().filter_map(read).map(document).collect::<Vec<_>>() })
}

/// All networks, and which containers run in them.
pub(super) fn all_networks(data: &Path) -> Value {
    let records = records(data);
    let members = |name: &str| -> BTreeSet<String> {
        let inside = |record: &&Record| record.state.is_running() && record.networks.contains_key(name);
        records.iter().filter(inside).map(|record| record.name.clone()).collect()
    };
    let all = Networks::open(data, "", &engine::config::Config::default()).all().into_iter().map(|network| {
        json!({
            "exists": true, "name": network.name, "id": network.id, "driver": network.driver, "subnet": network.subnet, "gateway": network.gateway,
            "internal": network.internal, "predefined": network.is_predefined(), "members": members(&network.name), "labels": network.labels,
        })
    });
    json!({ "networks": all.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::fact::known;

    /// A record as the engine leaves it.
    fn put(data: &Path, id: &str, change: impl FnOnce(&mut Record)) {
        let mut record =
            Record { id: id.repeat(64), name: format!("c{id}"), created: format!("2026-01-0{id}T00:00:00Z"), ..Record::default() };
        change(&mut record);
        let folder = data.join("containers").join(&record.id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(record_file(&folder), serde_json::to_string(&record).unwrap()).unwrap();
    }

    #[test]
    fn a_record_is_told_in_the_words_of_facts() {
        let place = tempfile::tempdir().unwrap();
        put(place.path(), "1", |record| {
            record.config.env = vec!["A=b".to_owned()];
            record.host.cap_drop = Some(vec!["ALL".to_owned()]);
            record.host.cap_add = Some(vec!["CAP_NET_RAW".to_owned(), "chown".to_owned()]);
            record.host.memory = 1 << 20;
            record.host.nano_cpus = 500_000_000;
            record.host.restart_policy.name = "on-failure".to_owned();
            record.host.restart_policy.maximum_retry_count = 3;
            record.state.exit_code = 137;
            record.state.oom_killed = true;
            record.mounts =
                vec![MountPoint { kind: "volume".into(), name: "data".into(), destination: "/data".into(), ..MountPoint::default() }];
        });
        put(place.path(), "2", |_| {});
        // One that is being made.
        std::fs::create_dir_all(place.path().join("containers/x")).unwrap();
        let all = all(place.path());
        assert_eq!(all["containers"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), ["c2", "c1"]);
        let one = &all["containers"][1];
        assert_eq!((&one["cap_add"], &one["cap_drop"]), (&json!(["CHOWN", "NET_RAW"]), &json!(["ALL"])));
        assert_eq!((&one["memory"], &one["cpus"], &one["pids_limit"]), (&json!(1 << 20), &json!(0.5), &json!("max")));
        assert_eq!((&one["restart"], &one["exit_code"], &one["oom_killed"]), (&json!("on-failure:3"), &json!(137), &json!(true)));
        assert_eq!((&one["inspect"]["State"]["ExitCode"], &one["health"]), (&json!(137), &json!("none")));
        let volume = Volume { name: "data".to_owned(), ..Volume::default() };
        std::fs::create_dir_all(place.path().join("volumes/data")).unwrap();
        std::fs::write(place.path().join("volumes/data/volume.json"), serde_json::to_string(&volume).unwrap()).unwrap();
        assert_eq!(volumes(place.path())["volumes"][0]["used_by"], json!(["c1"]));
        let names: Vec<String> =
            all_networks(place.path())["networks"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["bridge", "host", "none"]);
    }

    /// What an author may ask for is what is told, and the other way round.
    #[test]
    fn what_is_told_is_what_facts_may_ask_for() {
        let place = tempfile::tempdir().unwrap();
        put(place.path(), "1", |record| {
            record.mounts =
                vec![MountPoint { kind: "volume".into(), name: "data".into(), destination: "/data".into(), ..MountPoint::default() }];
            record.networks.insert("front".to_owned(), crate::engine::container::record::Endpoint::default());
        });
        let volume = Volume { name: "data".to_owned(), ..Volume::default() };
        std::fs::create_dir_all(place.path().join("volumes/data")).unwrap();
        std::fs::write(place.path().join("volumes/data/volume.json"), serde_json::to_string(&volume).unwrap()).unwrap();
        let documents = [
            ("containers", &all(place.path())["containers"][0]),
            ("volumes", &volumes(place.path())["volumes"][0]),
            ("networks", &all_networks(place.path())["networks"][0]),
        ];
        // What only containers of `bottleship oci` have.
        let of_oci = ["ociVersion", "bundle", "annotations"];
        for (of, document) in documents {
            assert_eq!(known::unknown_in(known::fields_of(of), document), [""; 0], "{of}");
            for field in known::fields_of(of) {
                let top = field.split('.').next().unwrap_or_default();
                assert!(of_oci.contains(&top) || document.get(top).is_some(), "{of}: nobody tells `{field}`");
            }
        }
    }
}
