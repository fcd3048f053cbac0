//! The engine itself: is it there, what is it, what happens, what does it take.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::body::{Lines, Teller};
use super::{NEWEST, OLDEST, Version, images, json_lines};
use crate::engine::Engine;
use crate::engine::config::Config;
use crate::engine::container::state::Status;
use crate::engine::error::Fault;
use crate::engine::events::Event;
use crate::engine::filters::Filters;
use crate::oci::digest::Digest;
use crate::oci::image::Image;

type Asked = Query<HashMap<String, String>>;

/// `GET /_ping`. `Builder-Version: 1`: the client sends the context of a build itself.
pub async fn ping() -> Response {
    let headers =
        [("builder-version", "1"), ("cache-control", "no-cache, no-store, must-revalidate"), ("pragma", "no-cache"), ("swarm", "inactive")];
    (headers, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "OK").into_response()
}

/// `GET /version`.
pub async fn version(State(engine): State<Arc<Engine>>) -> Json<Value> {
    let (kernel, machine) = (&engine.machine.kernel, architecture());
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({
        "Platform": {"Name": "Bottleship, a teaching engine"},
        "Components": [{
            "Name": "Engine", "Version": version,
            "Details": {"ApiVersion": NEWEST, "MinAPIVersion": OLDEST, "Arch": machine, "Os": "linux", "KernelVersion": kernel, "Experimental": "false"}
        }],
        "Version": version, "ApiVersion": NEWEST, "MinAPIVersion": OLDEST, "Os": "linux", "Arch": machine, "KernelVersion": kernel,
        // Clients look for them; there is nothing of Go here.
        "GitCommit": "", "GoVersion": "", "BuildTime": "",
    }))
}

/// `GET /info`. Only what is so: an engine without containers has none.
pub async fn info(State(engine): State<Arc<Engine>>) -> Result<Json<Value>, Fault> {
    engine
        .work(|engine| {
            let images = engine.store.images(&engine.platform)?.len();
            let states: Vec<Status> = engine.containers.all().iter().map(|container| container.state().status).collect();
            let count = |wanted: &[Status]| states.iter().filter(|status| wanted.contains(status)).count();
            let (running, paused) = (count(&[Status::Running, Status::Restarting]), count(&[Status::Paused]));
            let mut shown = json!({
                "ID": engine.id, "Name": engine.machine.name,
                "Containers": states.len(), "ContainersRunning": running, "ContainersPaused": paused,
                "ContainersStopped": states.len() - running - paused, "Images": images,
                "Driver": "overlay2", "DriverStatus": [["Supports d_type", "true"], ["userxattr", "true"]],
                "DockerRootDir": engine.root, "SystemTime": Timestamp::now().to_string(),
                "KernelVersion": engine.machine.kernel, "OperatingSystem": "Bottleship", "OSType": "linux", "Architecture": std::env::consts::ARCH,
                "MemTotal": engine.machine.memory,
                "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
                "IndexServerAddress": "https://index.docker.io/v1/", "ServerVersion": env!("CARGO_PKG_VERSION"),
                "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Log": ["json-file", "local", "none"], "Authorization": null},
                "RegistryConfig": registries(engine),
                "Swarm": {"NodeID": "", "NodeAddr": "", "Error": "", "LocalNodeState": "inactive", "ControlAvailable": false, "RemoteManagers": null},
                "Runtimes": {"bottleship": {"path": "bottleship oci"}}, "DefaultRuntime": "bottleship",
                "SecurityOptions": security(&engine.config), "Labels": engine.config.labels, "Warnings": warnings(engine),
                "ExperimentalBuild": false, "LiveRestoreEnabled": engine.config.live_restore != Some(false), "Isolation": "", "InitBinary": "docker-init",
            });
            let limits = engine.has_cgroups();
            let more = json!({
                "LoggingDriver": engine.config.log_driver.as_deref().unwrap_or("json-file"), "CgroupDriver": if limits { "cgroupfs" } else { "none" },
                "CgroupVersion": if engine.is_unified { "2" } else { "1" }, "MemoryLimit": limits, "SwapLimit": limits, "CpuCfsPeriod": limits,
                "CpuCfsQuota": limits, "CPUShares": limits, "CPUSet": limits, "PidsLimit": limits, "OomKillDisable": limits && !engine.is_unified,
                "IPv4Forwarding": true,
                "NEventsListener": 0, "Debug": false,
                "GenericResources": null, "HttpProxy": "", "HttpsProxy": "", "NoProxy": "", "OSVersion": "",
            });
            for (key, value) in more.as_object().into_iter().flatten() {
                shown[key] = value.clone();
            }
            Ok(Json(shown))
        })
        .await
}

/// What is known of registries, as `docker info` shows it. Mirrors are those of the Hub, and end in a slash there.
fn registries(engine: &Engine) -> Value {
    let settings = engine.registries();
    let mirrors: Vec<String> = settings.mirrors.iter().map(|mirror| format!("{}/", mirror.trim_end_matches('/'))).collect();
    let index = |name: &str, mirrors: &[String], secure: bool| json!({"Name": name, "Mirrors": mirrors, "Secure": secure, "Official": name == "docker.io"});
    let mut indexes = serde_json::Map::from_iter([("docker.io".to_owned(), index("docker.io", &mirrors, true))]);
    let (networks, hosts): (Vec<&String>, Vec<&String>) = settings.insecure.iter().partition(|one| one.contains('/'));
    indexes.extend(hosts.into_iter().map(|host| (host.clone(), index(host, &[], false))));
    let networks: Vec<&str> = ["::1/128", "127.0.0.0/8"].into_iter().chain(networks.into_iter().map(String::as_str)).collect();
    json!({"InsecureRegistryCIDRs": networks, "IndexConfigs": indexes, "Mirrors": mirrors})
}

/// What keeps containers apart beside namespaces, as `docker info` shows it.
fn security(config: &Config) -> Vec<&'static str> {
    let also = [(config.no_new_privileges, "name=no-new-privileges"), (config.rootless, "name=rootless")];
    ["name=seccomp,profile=builtin"].into_iter().chain(also.into_iter().filter(|(is, _)| *is).map(|(_, name)| name)).collect()
}

/// What was set and changes nothing, and what is dangerous.
fn warnings(engine: &Engine) -> Value {
    let config = &engine.config;
    let open = config.hosts.iter().filter(|host| host.starts_with("tcp://") && !config.tls.verify);
    let open =
        open.map(|host| format!("WARNING: API is accessible on {} without encryption or client certificates", &host["tcp://".len()..]));
    let idle = config.effectless.iter().map(|key| format!("WARNING: `{key}` of daemon.json changes nothing in this engine"));
    let unlimited = (!engine.has_cgroups()).then(|| {
        "WARNING: Running without cgroups: none was delegated to this engine. Limits of containers are discarded, and none can be paused or measured".to_owned()
    });
    let all: Vec<String> = open.chain(idle).chain(unlimited).collect();
    if all.is_empty() { Value::Null } else { json!(all) }
}

/// The machine's kind as Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `GET /system/df`.
pub async fn usage(State(engine): State<Arc<Engine>>, version: Version) -> Result<Json<Value>, Fault> {
    engine
        .work(move |engine| {
            let images = engine.store.images(&engine.platform)?;
            let usage = engine.store.usage()?.layers;
            let users: Vec<String> = engine.containers.all().iter().map(|container| container.record().image).collect();
            let mut listed: Vec<Value> = images.iter().map(|image| images::summary(engine, image)).collect::<Result<_, _>>()?;
            for (line, shared) in listed.iter_mut().zip(shared_sizes(&images, &usage)) {
                images::with_virtual_size(line, version);
                line["SharedSize"] = json!(shared);
                line["Containers"] = json!(users.iter().filter(|image| line["Id"] == **image).count());
            }
            let layers: u64 = usage.values().sum();
            let containers = engine.list(&Filters::default(), true, None, true)?;
            let volumes: Vec<Value> = engine.volumes().iter().map(|volume| with_usage(engine, volume)).collect();
            Ok(Json(json!({
                "LayersSize": layers, "Images": listed, "Containers": containers, "Volumes": volumes, "BuildCache": [], "BuilderSize": 0,
            })))
        })
        .await
}

/// For each image the bytes of its layers that another image has too.
fn shared_sizes(images: &[Image], usage: &BTreeMap<Digest, u64>) -> Vec<u64> {
    let chains: Vec<Vec<Digest>> = images.iter().map(|image| image.config.chain_ids()).collect();
    let users = |layer: &Digest| chains.iter().filter(|chain| chain.contains(layer)).count();
    let size = |chain: &Vec<Digest>| chain.iter().filter(|layer| users(layer) > 1).filter_map(|layer| usage.get(layer)).sum();
    chains.iter().map(size).collect()
}

fn with_usage(engine: &Engine, volume: &crate::engine::volumes::Volume) -> Value {
    let mut shown = engine.volume_json(volume);
    shown["UsageData"] = json!({"Size": engine.volume_size(&volume.name), "RefCount": engine.users_of_volume(&volume.name).len()});
    shown
}

const EVENT_FILTERS: [&str; 9] = ["type", "event", "image", "container", "label", "scope", "daemon", "volume", "network"];

/// `GET /events`: what happens, until `until` or the client's end.
pub async fn events(State(engine): State<Arc<Engine>>, Query(asked): Asked) -> Result<Response, Fault> {
    let filters = Filters::read(asked.get("filters").map(String::as_str), &EVENT_FILTERS)?;
    let since = asked.get("since").map(|text| moment(text)).transpose()?;
    let until = asked.get("until").map(|text| moment(text)).transpose()?;
    if let (Some(first), Some(last)) = (since, until)
        && first > last
    {
        let given = |key: &str| asked.get(key).map_or("", String::as_str);
        return Err(Fault::bad(format!("`since` time ({}) cannot be after `until` time ({})", given("since"), given("until"))));
    }
    let (past, live) = engine.events.listen();
    let (teller, lines) = Lines::new();
    let past: Vec<Event> = past.into_iter().filter(|event| since.is_some_and(|since| event.nanoseconds >= since)).collect();
    let told = move |event: &Event| fits(&filters, event) && until.is_none_or(|until| event.nanoseconds <= until);
    tokio::spawn(async move {
        // The past first and whole: `until` may have gone by already.
        for event in past.iter().filter(|event| told(event)) {
            if !teller.say(&event.json()).await {
                return;
            }
        }
        let live = follow(&teller, live, told);
        let end = async {
            match until {
                Some(until) => tokio::time::sleep(left(until)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = live => {}
            () = end => {}
            () = teller.gone() => {}
        }
    });
    Ok(json_lines(lines))
}

async fn follow(teller: &Teller, mut live: tokio::sync::broadcast::Receiver<Event>, told: impl Fn(&Event) -> bool) {
    loop {
        match live.recv().await {
            Ok(event) if told(&event) && !teller.say(&event.json()).await => return,
            Ok(_) => {}
            // A client that reads too slowly misses some, as with dockerd.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn left(until: i64) -> std::time::Duration {
    let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
    std::time::Duration::from_nanos(u64::try_from(until.saturating_sub(now)).unwrap_or(0))
}

/// A moment as clients send it: seconds of Unix time with up to nine digits behind the point, or RFC 3339. In nanoseconds.
///
/// # Errors
/// It is none.
pub fn moment(text: &str) -> Result<i64, Fault> {
    let wrong = || Fault::bad(format!("invalid moment `{text}`: Unix seconds or RFC 3339"));
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(i64::try_from(stamp.as_nanosecond()).unwrap_or(i64::MAX));
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().map_err(|_| wrong())?;
    let fraction = if fraction.is_empty() { 0 } else { format!("{fraction:0<9.9}").parse().map_err(|_| wrong())? };
    // A moment beyond the year 2262 is one that nothing of ours reaches.
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(fraction))
}

fn fits(filters: &Filters, event: &Event) -> bool {
    let one_of =
        |key: &str, fit: &dyn Fn(&str) -> bool| filters.values(key).is_empty() || filters.values(key).iter().any(|value| fit(value));
    let named = |value: &str| event.actor.contains(value) || event.attributes.get("name").is_some_and(|name| name.starts_with(value));
    one_of("type", &|kind| kind == event.kind)
        && one_of("event", &|action| event.action == action || event.action.split(':').next() == Some(action))
        && one_of("image", &|value| event.kind == "image" && named(value))
        && one_of("container", &|value| event.kind == "container" && named(value))
        && one_of("network", &|value| event.kind == "network" && named(value))
        && one_of("volume", &|value| event.kind == "volume" && named(value))
        && one_of("scope", &|scope| scope == "local")
        && filters.fits_labels(Some(&event.attributes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_both_spellings() {
        assert_eq!(moment("1700000000").unwrap(), 1_700_000_000_000_000_000);
        assert_eq!(moment("1700000000.5").unwrap(), 1_700_000_000_500_000_000);
        assert_eq!(moment("1700000000.000000001").unwrap(), 1_700_000_000_000_000_001);
        assert_eq!(moment("2023-11-14T22:13:20Z").unwrap(), 1_700_000_000_000_000_000);
        assert!(moment("yesterday").is_err() && moment("99999999999999999999").is_err());
    }

    #[test]
    fn events_are_chosen_by_type_and_action() {
        let event = Event {
            kind: "image",
            action: "tag".into(),
            actor: "sha256:abc".into(),
            attributes: HashMap::from([("name".into(), "app:1".into())]).into_iter().collect(),
            nanoseconds: 0,
        };
        let fits = |text: &str| fits(&Filters::read(Some(text), &EVENT_FILTERS).unwrap(), &event);
        assert!(fits("{}") && fits(r#"{"type":["image"],"event":["tag","pull"]}"#) && fits(r#"{"image":["app"]}"#));
        assert!(!fits(r#"{"type":["container"]}"#) && !fits(r#"{"event":["pull"]}"#) && !fits(r#"{"image":["other"]}"#));
    }
}
