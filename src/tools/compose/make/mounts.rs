//! What is mounted into a container of a service.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{With, files};
use crate::compose::types::{Project, Service, ServiceVolume};

/// What is mounted: as lines of the older form, and as documents where those cannot say it.
pub fn storage(project: &Project, service: &Service, with: &With<'_>) -> (Vec<String>, Vec<Value>) {
    let (mut binds, mut mounts) = (Vec::new(), Vec::new());
    let named: BTreeSet<&str> = service.volumes.iter().filter(|one| !one.source.is_empty()).map(|one| one.target.as_str()).collect();
    let mut kept = BTreeSet::new();
    for mount in with.inherited.iter().filter(|mount| mount["Type"] == "volume") {
        let target = mount["Destination"].as_str().unwrap_or_default();
        let anonymous = service.volumes.iter().any(|one| one.kind == "volume" && one.source.is_empty() && one.target == target);
        if !named.contains(target) && (anonymous || with.image_volumes.contains(target)) {
            kept.insert(target.to_owned());
            mounts.push(json!({"Type": "volume", "Source": mount["Name"], "Target": target, "ReadOnly": mount["RW"] == false}));
        }
    }
    for volume in service.volumes.iter().filter(|one| !kept.contains(&one.target)) {
        match line_of(project, volume) {
            Some(line) => binds.push(line),
            None => mounts.push(document_of(project, volume)),
        }
    }
    for (target, _, object) in files(project, service) {
        if !object.file.is_empty() {
            mounts.push(json!({"Type": "bind", "Source": object.file, "Target": target, "ReadOnly": true}));
        }
    }
    if service.use_api_socket {
        mounts.push(json!({"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/var/run/docker.sock"}));
    }
    (binds, mounts)
}

/// `source:target:rw`, if that says it all.
fn line_of(project: &Project, volume: &ServiceVolume) -> Option<String> {
    let mut how = vec![if volume.read_only { "ro" } else { "rw" }];
    let source = match volume.kind.as_str() {
        "bind" => {
            let given = volume.bind.clone().unwrap_or_default();
            // A folder that is not there is made for the older form only.
            if !given.create_host_path.0 || !given.recursive.is_empty() {
                return None;
            }
            let extra: Vec<String> = [given.propagation, given.selinux].into_iter().filter(|text| !text.is_empty()).collect();
            return Some(format!(
                "{}:{}:{}",
                volume.source,
                volume.target,
                how.into_iter().map(str::to_owned).chain(extra).collect::<Vec<_>>().join(",")
            ));
        }
        "volume" if !volume.source.is_empty() => {
            let given = volume.volume.clone().unwrap_or_default();
            if !given.labels.is_empty() || !given.subpath.is_empty() {
                return None;
            }
            if given.nocopy {
                how.push("nocopy");
            }
            &project.volumes.get(&volume.source)?.name
        }
        _ => return None,
    };
    Some(format!("{source}:{}:{}", volume.target, how.join(",")))
}

/// A document without what says nothing, as Go's `omitempty` leaves it out.
fn said(document: &Value) -> Value {
    let nothing = |value: &Value| {
        let empty = value.as_str() == Some("") || value.as_object().is_some_and(Map::is_empty);
        empty || value.is_null() || *value == false || value.as_i64() == Some(0)
    };
    let all = document.as_object().into_iter().flatten();
    all.filter(|(_, value)| !nothing(value)).map(|(key, value)| (key.clone(), value.clone())).collect::<Map<String, Value>>().into()
}

fn document_of(project: &Project, volume: &ServiceVolume) -> Value {
    let name = project.volumes.get(&volume.source).map_or(&volume.source, |known| &known.name);
    let source = if volume.kind == "volume" { name } else { &volume.source };
    let mut mount = json!({"Type": volume.kind, "Source": source, "Target": volume.target, "ReadOnly": volume.read_only});
    if let Some(bind) = volume.bind.as_ref().filter(|_| volume.kind == "bind") {
        mount["BindOptions"] = said(&json!({"Propagation": bind.propagation, "CreateMountpoint": bind.create_host_path.0}));
    }
    if let Some(given) = volume.volume.as_ref().filter(|_| volume.kind == "volume") {
        mount["VolumeOptions"] = said(&json!({"NoCopy": given.nocopy, "Labels": given.labels, "Subpath": given.subpath}));
    }
    if let Some(tmpfs) = volume.tmpfs.as_ref().filter(|_| volume.kind == "tmpfs") {
        mount["TmpfsOptions"] = said(&json!({"SizeBytes": tmpfs.size.0, "Mode": tmpfs.mode}));
    }
    if let Some(image) = volume.image.as_ref().filter(|_| volume.kind == "image") {
        mount["ImageOptions"] = said(&json!({"Subpath": image.subpath}));
    }
    mount
}
