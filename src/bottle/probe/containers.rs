//! The containers, volumes and networks that the engine of a host has: things of the world by their names. The engine's records are read, as files; how it
//! keeps them is its own matter, so only what people know of them is told: what runs, of which image, where.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::images::DATA;
use super::world::add;
use crate::kernel::root::Root;

/// The longest record that is read.
const LONGEST: u64 = 4 << 20;
/// So many digits of an id are shown where people read it.
const SHORT: usize = 12;

/// A folder of the engine's data, and the file in each of its entries that makes it one: `None` where the entry itself is the file.
const CONTAINERS: (&str, Option<&str>) = ("containers", Some("container.json"));
const VOLUMES: (&str, Option<&str>) = ("volumes", Some("volume.json"));
const NETWORKS: (&str, Option<&str>) = ("networks", None);

/// The records in one of the folders. What is being made or removed just now has none.
fn records(root: &Root, data: &Path, (folder, file): (&str, Option<&str>)) -> Vec<Value> {
    let folder = data.join(folder);
    let path = |name: String| -> PathBuf { file.map_or_else(|| folder.join(&name), |file| folder.join(&name).join(file)) };
    let names = root.names(&folder).unwrap_or_default();
    let read = |name: String| serde_json::from_slice(&root.read_some(&path(name), LONGEST).ok()?).ok();
    names.into_iter().filter_map(read).collect()
}

/// How many containers, volumes and networks there are; those networks that every engine has do not count.
pub(super) fn count() -> [usize; 3] {
    let Ok(root) = Root::open(Path::new("/")) else { return [0; 3] };
    [CONTAINERS, VOLUMES, NETWORKS].map(|folder| records(&root, Path::new(DATA), folder).len())
}

/// What each container does, by its name: what the line after a command tells where no number changed.
pub(super) fn states() -> Value {
    let Ok(root) = Root::open(Path::new("/")) else { return json!({}) };
    let state = |record: &Value| Some((record["name"].as_str()?.to_owned(), record["state"]["status"].clone()));
    Value::Object(records(&root, Path::new(DATA), CONTAINERS).iter().filter_map(state).collect())
}

/// All of them as things of a snapshot. Ids that the engine has drawn by chance give way to names in everything that is there already, and the
/// links of containers are left out: the kernel's own things bear them.
pub(super) fn add_to(things: &mut Map<String, Value>) {
    if let Ok(root) = Root::open(Path::new("/")) {
        add_all(things, &root, Path::new(DATA));
    }
}

fn add_all(things: &mut Map<String, Value>, root: &Root, data: &Path) {
    let [containers, volumes, networks] = [CONTAINERS, VOLUMES, NETWORKS].map(|folder| records(root, data, folder));
    if !(containers.is_empty() && networks.is_empty()) {
        let ids: Vec<(&str, &str)> =
            containers.iter().chain(&networks).filter_map(|record| Some((record["id"].as_str()?, record["name"].as_str()?))).collect();
        *things = renamed(std::mem::take(things), &ids);
    }
    let name = |record: &Value| record["name"].as_str().unwrap_or_default().to_owned();
    for record in &containers {
        add(things, format!("container/{}", name(record)), container(record));
    }
    for record in &volumes {
        // One without a name of its own has a number that nobody knows.
        let shown = if record["anonymous"] == true { "<anonymous>".to_owned() } else { name(record) };
        add(things, format!("volume/{shown}"), json!({ "labels": record["labels"] }));
    }
    for record in &networks {
        let network = json!({ "driver": record["driver"], "subnet": record["subnet"], "internal": record["internal"] });
        add(things, format!("network/{}", name(record)), network);
    }
}

fn container(record: &Value) -> Value {
    let state = &record["state"];
    let networks: Vec<&String> = record["networks"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
    let mut document = json!({ "image": record["config"]["Image"], "status": state["status"], "networks": networks });
    if state["status"] == "exited" {
        document["exit_code"] = state["exit_code"].clone();
    }
    document
}

/// The same things, with names for ids.
fn renamed(things: Map<String, Value>, ids: &[(&str, &str)]) -> Map<String, Value> {
    let named = |text: &str| {
        ids.iter().fold(text.to_owned(), |text, (id, name)| {
            let short = id.get(..SHORT).filter(|short| !short.is_empty());
            short.map_or_else(|| text.clone(), |short| text.replace(*id, name).replace(short, name))
        })
    };
    let is_link = |name: &str, thing: &Value| {
        let is_cable = thing["kind"] == "veth" && thing["master"].is_string();
        let along_one = thing["link"].as_str().is_some_and(|link| link.starts_with("veth"));
        name.starts_with("link/") && is_cable || name.starts_with("route/") && along_one
    };
    let kept = things.into_iter().filter(|(name, thing)| !is_link(name, thing));
    let mut kept: Vec<(String, Value)> = kept
        .map(|(name, thing)| {
            let mut thing = serde_json::from_str(&named(&thing.to_string())).unwrap_or(thing);
            for option in thing["options"].as_array_mut().into_iter().flatten() {
                without_layer(option);
            }
            (named(without_number(&name)), thing)
        })
        .collect();
    // Processes of one name were numbered in an order that ids had a part in. Mounts on one place keep theirs: the last one hides the others.
    kept.sort_by_cached_key(|(name, thing)| (name.clone(), name.starts_with("process/").then(|| thing.to_string())));
    let mut all = Map::new();
    for (name, thing) in kept {
        add(&mut all, name, thing);
    }
    all
}

/// The digest of a layer that was built here tells when that was, for files bear times: in the options of a container's root any layer will do.
fn without_layer(option: &mut Value) {
    let layer = |option: &str| option.starts_with("lowerdir") && option.contains(&format!("={DATA}/images/layers/"));
    if let Some(kind) = option.as_str().filter(|option| layer(option)).and_then(|option| option.split('=').next()) {
        *option = format!("{kind}=<layer>").into();
    }
}

/// The name of a thing without the number that [`add`] put behind it.
fn without_number(name: &str) -> &str {
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|digit| digit.is_ascii_digit());
    name.rsplit_once(" #").filter(|(_, rest)| is_number(rest)).map_or(name, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_of_the_engine_are_told_by_their_names() {
        let place = tempfile::tempdir().unwrap();
        let (id, net) = ("ab".repeat(32), "cd".repeat(32));
        let put = |path: &str, record: Value| {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, record.to_string()).unwrap();
        };
        put(
            &format!("containers/{id}/container.json"),
            json!({"id": id, "name": "web", "config": {"Image": "nginx"}, "state": {"status": "exited", "exit_code": 3}, "networks": {"front": {}}}),
        );
        std::fs::create_dir_all(place.path().join("containers/begun")).unwrap();
        put("volumes/data/volume.json", json!({"name": "data", "labels": {}}));
        put("volumes/x/volume.json", json!({"name": "x", "anonymous": true, "labels": {}}));
        put(
            &format!("networks/{net}.json"),
            json!({"id": net, "name": "front", "driver": "bridge", "subnet": "10.0.0.0/8", "internal": false}),
        );
        let mut things = Map::new();
        add(&mut things, format!("cgroup//docker/{id}"), json!({ "members": 1 }));
        add(&mut things, format!("link/br-{}", &net[..SHORT]), json!({ "kind": "bridge" }));
        add(&mut things, "link/veth7".to_owned(), json!({ "kind": "veth", "master": "docker0" }));
        add_all(&mut things, &Root::open(place.path()).unwrap(), Path::new("/"));
        let mut names: Vec<&String> = things.keys().collect();
        names.sort();
        let wanted = ["cgroup//docker/web", "container/web", "link/br-front", "network/front", "volume/<anonymous>", "volume/data"];
        assert_eq!(names, wanted);
        assert_eq!(things["container/web"], json!({"image": "nginx", "status": "exited", "networks": ["front"], "exit_code": 3}));
    }
    #[test]
    fn processes_of_one_name_are_ordered_by_what_stays_and_not_by_ids() {
        let (low, high) = ("1".repeat(64), "e".repeat(64));
        let world = |left: &str, right: &str| {
            let mut things = Map::new();
            for id in [&low, &high] {
                add(&mut things, "process/sleep".to_owned(), json!({ "cgroup": format!("/docker/{id}") }));
            }
            add(&mut things, "file//tmp/a #x".to_owned(), json!({}));
            let layer = format!("lowerdir+={DATA}/images/layers/{}/diff", left.repeat(9));
            add(&mut things, "mount//merged".to_owned(), json!({ "options": ["rw", layer] }));
            renamed(things, &[(&low, left), (&high, right)])
        };
        let one = world("shop", "stock");
        assert_eq!(Value::from(one.clone()), Value::from(world("stock", "shop")));
        assert_eq!(one["process/sleep"]["cgroup"], "/docker/shop");
        assert_eq!(one["process/sleep #2"]["cgroup"], "/docker/stock");
        assert!(one.contains_key("file//tmp/a #x"));
        assert_eq!(one["mount//merged"]["options"], json!(["rw", "lowerdir+=<layer>"]));
    }
}
