//! From the documents of the Docker API to those that facts know: the same that `bottleship look` makes of an engine's records.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::engine::container::config::{self, Config, HostConfig, PortBinding};
use crate::engine::container::record::{Endpoint, MountPoint, Record};
use crate::engine::container::state::State;
use crate::oci::image::spec::RunConfig;
use crate::tools::look;

/// Digits of a name that an engine has drawn for a volume.
const DRAWN: usize = 64;

/// A container, of what `docker inspect` shows.
///
/// # Errors
/// The document is not what the API says that it is.
pub fn container(shown: &Value) -> Result<Value, String> {
    let health = shown["State"].get("Health").filter(|health| !health.is_null()).cloned();
    let mut document = look::containers::document(&record(shown)?, &|_| health.clone());
    // Fields that facts name below `inspect` are those of the engine itself.
    document["inspect"] = shown.clone();
    Ok(document)
}

fn record(shown: &Value) -> Result<Record, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let networks: BTreeMap<String, Endpoint> = each(&shown["NetworkSettings"]["Networks"])?;
    let mounts = shown["Mounts"].as_array().into_iter().flatten().map(|mount| {
        let mount: MountPoint = read(mount)?;
        Ok(MountPoint { anonymous: is_drawn(&mount.name), ..mount })
    });
    Ok(Record {
        id: text(&shown["Id"]),
        name: text(&shown["Name"]).trim_start_matches('/').to_owned(),
        created: text(&shown["Created"]),
        image: text(&shown["Image"]),
        config: read::<Config>(&shown["Config"])?,
        host: read::<HostConfig>(&shown["HostConfig"])?,
        state: state(&shown["State"])?,
        restarts: shown["RestartCount"].as_i64().unwrap_or(0),
        mounts: mounts.collect::<Result<_, String>>()?,
        ports: each::<Vec<PortBinding>>(&shown["NetworkSettings"]["Ports"])?,
        networks,
        ..Record::default()
    })
}

fn state(shown: &Value) -> Result<State, String> {
    let number = |key: &str| shown[key].as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(0);
    let moment = |key: &str| shown[key].as_str().map(str::to_owned);
    Ok(State {
        status: read(&shown["Status"])?,
        pid: number("Pid"),
        exit_code: number("ExitCode"),
        error: shown["Error"].as_str().unwrap_or_default().to_owned(),
        oom_killed: shown["OOMKilled"] == true,
        started_at: moment("StartedAt"),
        finished_at: moment("FinishedAt"),
        stopped_by_hand: false,
        health: None,
    })
}

fn read<T: serde::de::DeserializeOwned>(shown: &Value) -> Result<T, String> {
    config::read(shown).map_err(|fault| format!("the engine's answer is not what the API says: {}", fault.message))
}

/// The entries of a mapping; what is null has none.
fn each<T: serde::de::DeserializeOwned>(shown: &Value) -> Result<BTreeMap<String, T>, String> {
    let entries = shown.as_object().into_iter().flatten().filter(|(_, one)| !one.is_null());
    entries.map(|(name, one)| Ok((name.clone(), read(one)?))).collect()
}

fn is_drawn(name: &str) -> bool {
    name.len() == DRAWN && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// An image, of what `docker inspect` shows and, where it is wanted, `docker history`.
///
/// # Errors
/// The document is not what the API says that it is.
pub fn image(shown: &Value, history: &Value) -> Result<Value, String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (names, digests, layers) = (list(&shown["RepoTags"]), list(&shown["RepoDigests"]), list(&shown["RootFS"]["Layers"]));
    // The API tells the last instruction first.
    let history: Vec<Value> = list(history).iter().rev().map(|entry| entry["CreatedBy"].clone()).collect();
    let digest = shown["Descriptor"]["digest"].as_str().map(str::to_owned);
    let from_name = || digests.first().and_then(Value::as_str).and_then(|name| name.split_once('@')).map(|(_, digest)| digest.to_owned());
    let text = |key: &str| shown[key].as_str().unwrap_or_default();
    let variant = if text("Variant").is_empty() { String::new() } else { format!("/{}", text("Variant")) };
    let mut document = json!({
        "exists": true, "names": names, "digests": digests, "dangling": names.is_empty(), "image_id": shown["Id"],
        "digest": digest.or_else(from_name).unwrap_or_default(), "platform": format!("{}/{}{variant}", text("Os"), text("Architecture")),
        "created": shown["Created"], "author": shown["Author"], "image_size": shown["Size"], "layers": layers.len(), "diff_ids": layers,
        "history": history,
    });
    if let Value::Object(things) = &mut document {
        // An image of something else than programs has none.
        let config = if shown["Config"].is_null() { RunConfig::default() } else { read(&shown["Config"])? };
        things.extend(look::images::running(&config));
    }
    Ok(document)
}

/// All volumes, of `docker volume ls` and the containers that have them.
pub fn volumes(listed: &Value, containers: &[Value]) -> Value {
    let one = |volume: &Value| {
        let name = volume["Name"].as_str().unwrap_or_default();
        let has = |container: &&Value| container["mounts"].as_array().into_iter().flatten().any(|mount| mount["name"] == name);
        let users: Vec<&Value> = containers.iter().filter(has).map(|container| &container["name"]).collect();
        json!({
            "exists": true, "name": name, "driver": volume["Driver"], "created": volume["CreatedAt"], "labels": mapping(&volume["Labels"]),
            "options": mapping(&volume["Options"]), "anonymous": is_drawn(name), "used_by": users, "files": volume_files(name),
        })
    };
    json!({ "volumes": listed["Volumes"].as_array().into_iter().flatten().map(one).collect::<Vec<_>>() })
}

/// Where the files of a volume are said to be: a place that only [`super::engine`] knows.
pub fn volume_files(name: &str) -> String {
    format!("volume:{name}")
}

/// All networks, of `docker network ls` and the containers that run in them.
pub fn networks(listed: &Value, containers: &[Value]) -> Value {
    let one = |network: &Value| {
        let name = network["Name"].as_str().unwrap_or_default();
        let inside = |container: &&Value| container["running"] == true && container["networks"].get(name).is_some();
        let members: Vec<&Value> = containers.iter().filter(inside).map(|container| &container["name"]).collect();
        let range = &network["IPAM"]["Config"][0];
        let predefined = ["bridge", "host", "none"].contains(&name);
        json!({
            "exists": true, "name": name, "id": network["Id"], "driver": network["Driver"], "subnet": range["Subnet"], "gateway": range["Gateway"],
            "internal": network["Internal"], "predefined": predefined, "members": members,
            "labels": mapping(&network["Labels"]),
        })
    };
    json!({ "networks": listed.as_array().into_iter().flatten().map(one).collect::<Vec<_>>() })
}

fn mapping(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { Value::Object(Map::new()) }
}

/// The processes that stand for containers: the first one of each that runs, by its number at the engine.
pub fn processes(containers: &[Value]) -> Value {
    let running = containers.iter().filter(|container| container["pid"].as_i64().is_some_and(|pid| pid > 0));
    let one =
        |container: &Value| json!({ "pid": container["pid"], "cgroup": format!("/{}", container["id"].as_str().unwrap_or_default()) });
    json!({ "processes": running.map(one).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As dockerd 26 shows it, as far as facts look.
    fn shown() -> Value {
        json!({
            "Id": "ab".repeat(32), "Name": "/web", "Created": "2026-01-01T00:00:00Z", "Image": "sha256:1", "RestartCount": 2,
            "State": {"Status": "running", "Running": true, "Pid": 42, "ExitCode": 0, "Error": "", "OOMKilled": false,
                "StartedAt": "2026-01-01T00:00:01Z", "FinishedAt": "0001-01-01T00:00:00Z",
                "Health": {"Status": "unhealthy", "FailingStreak": 3, "Log": [{"Output": "no page"}]}},
            "Config": {"Image": "nginx", "Env": ["A=b"], "Cmd": ["nginx"], "Entrypoint": null, "Labels": {"tier": "front"}, "OnBuild": null,
                "Volumes": null, "Healthcheck": {"Test": ["CMD", "true"]}},
            "HostConfig": {"Binds": null, "Memory": 67108864, "CapDrop": ["ALL"], "CapAdd": null, "NetworkMode": "front", "ConsoleSize": [0, 0],
                "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
                "PidsLimit": null, "Ulimits": null, "BlkioDeviceReadBps": null, "LogConfig": {"Type": "json-file", "Config": {}}},
            "Mounts": [{"Type": "volume", "Name": "rows", "Source": "/x", "Destination": "/rows", "Driver": "local", "Mode": "z", "RW": false,
                "Propagation": ""}],
            "NetworkSettings": {
                "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": null},
                "Networks": {"front": {"IPAMConfig": null, "Aliases": ["www"], "IPAddress": "172.18.0.2", "IPPrefixLen": 16, "DNSNames": ["web"]}}},
        })
    }

    #[test]
    fn what_dockerd_shows_is_told_in_the_words_of_facts() {
        let one = container(&shown()).unwrap();
        assert_eq!(
            (&one["name"], &one["status"], &one["pid"], &one["restart"]),
            (&json!("web"), &json!("running"), &json!(42), &json!("on-failure:3"))
        );
        assert_eq!((&one["health"], &one["health_said"], &one["memory"]), (&json!("unhealthy"), &json!("no page"), &json!(64 << 20)));
        assert_eq!(one["ports"], json!([{"port": "80/tcp", "address": "0.0.0.0", "host_port": 8080}]));
        assert_eq!(one["networks"]["front"]["aliases"], json!(["www"]));
        assert_eq!(
            one["mounts"][0],
            json!({"at": "/rows", "type": "volume", "name": "rows", "source": "/x", "writable": false, "anonymous": false})
        );
        assert_eq!(one["inspect"]["State"]["Health"]["FailingStreak"], 3);
        let all = [one];
        assert_eq!(volumes(&json!({"Volumes": [{"Name": "rows", "Labels": null}]}), &all)["volumes"][0]["used_by"], json!(["web"]));
        let network = json!([{"Name": "front", "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}, "Internal": true}]);
        assert_eq!(networks(&network, &all)["networks"][0]["members"], json!(["web"]));
        assert_eq!(processes(&all)["processes"][0]["pid"], 42);
        assert!(container(&json!({"State": {"Status": "dancing"}})).unwrap_err().contains("not what the API says"));
    }

    #[test]
    fn an_image_is_told_with_its_history_in_order() {
        let shown = json!({"Id": "sha256:1", "RepoTags": ["app:1"], "RepoDigests": null, "Os": "linux", "Architecture": "amd64", "Size": 7,
            "RootFS": {"Layers": ["a", "b"]}, "Config": {"User": "ada", "Cmd": null, "Env": ["A=b"], "Labels": null}});
        let one = image(&shown, &json!([{"CreatedBy": "second"}, {"CreatedBy": "first"}])).unwrap();
        assert_eq!((&one["layers"], &one["user"], &one["platform"]), (&json!(2), &json!("ada"), &json!("linux/amd64")));
        assert_eq!((&one["history"], &one["dangling"]), (&json!(["first", "second"]), &json!(false)));
    }
}
