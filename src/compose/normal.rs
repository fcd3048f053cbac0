//! What follows from what is written: the default network, dependencies that links and shared namespaces imply, names.

use super::types::Mapping;
use super::yaml::{Map, Node, Value};

/// Completes a tree. `environment` gives the values of variables that are named without one.
pub fn normalize(root: &mut Node, project: &str, environment: &Mapping) {
    let Value::Map(top) = &mut root.value else { return };
    networks(top);
    if let Some(Value::Map(services)) = top.get_mut("services").map(|node| &mut node.value) {
        for service in services.values_mut() {
            if let Value::Map(service) = &mut service.value {
                complete(service, environment);
            }
        }
    }
    names(top, project);
}

/// Services that say nothing of networks are on `default`, and so it is there.
fn networks(top: &mut Map) {
    let mut used = None;
    if let Some(Value::Map(services)) = top.get_mut("services").map(|node| &mut node.value) {
        for service in services.values_mut() {
            let spot = service.spot.clone();
            let Value::Map(service) = &mut service.value else { continue };
            if service.contains_key("provider") || service.contains_key("network_mode") {
                continue;
            }
            let listed = service.get("networks").and_then(Node::map);
            if listed.is_none_or(Map::is_empty) {
                service.insert("networks".to_owned(), Node::map_at(&spot, [("default", Value::Null)]));
                used = Some(spot);
            } else if listed.is_some_and(|networks| networks.contains_key("default")) {
                used = Some(spot);
            }
        }
    }
    let Some(spot) = used else { return };
    let networks = top.entry("networks".to_owned()).or_insert_with(|| Node::made(&spot, Value::Map(Map::new())));
    if networks.is_null() {
        networks.value = Value::Map(Map::new());
    }
    if let Value::Map(networks) = &mut networks.value {
        networks.entry("default".to_owned()).or_insert_with(|| Node::made(&spot, Value::Null));
    }
}

fn complete(service: &mut Map, environment: &Mapping) {
    if let Some(policy) = service.get_mut("pull_policy").filter(|policy| policy.text() == Some("if_not_present")) {
        policy.value = Value::Text("missing".to_owned());
    }
    if let Some(build) = service.get_mut("build") {
        let spot = build.spot.clone();
        if let Value::Map(build) = &mut build.value {
            build.entry("context".to_owned()).or_insert_with(|| Node::text_at(&spot, "."));
            if !build.contains_key("dockerfile_inline") {
                build.entry("dockerfile".to_owned()).or_insert_with(|| Node::text_at(&spot, "Dockerfile"));
            }
            if let Some(args) = build.get_mut("args") {
                take_over(args, environment, false);
            }
        }
    }
    if let Some(variables) = service.get_mut("environment") {
        take_over(variables, environment, true);
    }
    implied(service);
    clean_targets(service);
    hook_images(service);
}

/// Variables without a value take that of the shell; without one there, they stay or go.
fn take_over(node: &mut Node, environment: &Mapping, keep: bool) {
    match &mut node.value {
        Value::List(list) => list.retain_mut(|one| {
            let Some(name) = one.text().filter(|text| !text.contains('=')).map(str::to_owned) else { return true };
            if let Some(value) = environment.get(&name) {
                one.value = Value::Text(format!("{name}={value}"));
            }
            keep || environment.contains_key(&name)
        }),
        Value::Map(map) => map.retain(|name, one| {
            if one.is_null()
                && let Some(value) = environment.get(name)
            {
                one.value = Value::Text(value.clone());
            }
            keep || !one.is_null()
        }),
        _ => {}
    }
}

/// Links, `service:x` namespaces and `volumes_from` need the other service first.
fn implied(service: &mut Map) {
    let mut needs: Vec<(String, bool, Node)> = Vec::new();
    let texts = |key: &str| service.get(key).and_then(Node::list).unwrap_or_default();
    for link in texts("links") {
        let text = link.text().unwrap_or_default();
        let parts: Vec<&str> = text.split(':').collect();
        let name = if parts.len() == 2 { parts[0] } else { text };
        needs.push((name.to_owned(), true, link.clone()));
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        if let Some((node, name)) = service.get(key).and_then(|node| Some((node, node.text()?.strip_prefix("service:")?))) {
            needs.push((name.to_owned(), true, node.clone()));
        }
    }
    for from in texts("volumes_from") {
        let text = from.text().unwrap_or_default();
        if !text.starts_with("container:") {
            needs.push((text.split(':').next().unwrap_or_default().to_owned(), false, from.clone()));
        }
    }
    for (name, restart, why) in needs {
        let started = Value::Text("service_started".to_owned());
        let mut entry = Node::map_at(&why.spot, [("condition", started), ("required", Value::Bool(true))]);
        if let Some(map) = entry.map_mut() {
            map.insert("restart".to_owned(), Node::made(&why.spot, Value::Bool(restart)));
        }
        let known = service.entry("depends_on".to_owned()).or_insert_with(|| Node::made(&why.spot, Value::Map(Map::new())));
        if let Value::Map(known) = &mut known.value {
            known.entry(name).or_insert(entry);
        }
    }
}

fn clean_targets(service: &mut Map) {
    let Some(Value::List(volumes)) = service.get_mut("volumes").map(|node| &mut node.value) else { return };
    for volume in volumes {
        if let Some(target) = volume.map_mut().and_then(|map| map.get_mut("target"))
            && let Value::Text(text) = &target.value
        {
            target.value = Value::Text(super::place::clean(text));
        }
    }
}

/// What runs before the start runs in the service's own image, unless it names one.
fn hook_images(service: &mut Map) {
    let Some(image) = service.get("image").filter(|image| image.text().is_some_and(|text| !text.is_empty())).cloned() else { return };
    let Some(Value::List(hooks)) = service.get_mut("pre_start").map(|node| &mut node.value) else { return };
    for hook in hooks.iter_mut().filter_map(Node::map_mut) {
        hook.entry("image".to_owned()).or_insert_with(|| image.clone());
    }
}

/// What has no name is called by its key, with the project's name before it unless it is somebody else's.
fn names(top: &mut Map, project: &str) {
    for kind in ["networks", "volumes", "configs", "secrets"] {
        let Some(Value::Map(resources)) = top.get_mut(kind).map(|node| &mut node.value) else { continue };
        for (key, resource) in resources {
            let spot = resource.spot.clone();
            if resource.is_null() {
                resource.value = Value::Map(Map::new());
            }
            let Value::Map(resource) = &mut resource.value else { continue };
            if resource.get("name").is_some_and(|name| !name.is_null()) {
                continue;
            }
            let external = resource.get("external").is_some_and(|external| external.value == Value::Bool(true));
            let name = if external { key.clone() } else { format!("{project}_{key}") };
            resource.insert("name".to_owned(), Node::text_at(&spot, name));
        }
    }
}
