//! `-v` and `--mount`: which folders and volumes a container gets, and their entries in `config.json`.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::config::{HostConfig, Mount, Texts};
use super::record::{MountPoint, Record};
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::volumes::Volume;
use crate::kernel::fs;

/// Options behind the second colon of `-v` that say how a bind propagates.
const PROPAGATION: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/// All mount points of a new container; volumes that are missing are made.
///
/// # Errors
/// One makes no sense, or its source is missing.
pub fn points(engine: &Engine, record: &Record) -> Result<Vec<MountPoint>, Fault> {
    let mut points: Vec<MountPoint> = Vec::new();
    let mut add = |point: MountPoint| match points.iter().any(|other| other.destination == point.destination) {
        true => Err(Fault::bad(format!("Duplicate mount point: {}", point.destination))),
        false => {
            points.push(point);
            Ok(())
        }
    };
    for point in inherited(engine, &record.host)? {
        add(point)?;
    }
    for bind in record.host.binds.iter().flatten() {
        add(short(engine, bind, &record.host.volume_driver)?)?;
    }
    for mount in record.host.mounts.iter().flatten() {
        add(long(engine, mount)?)?;
    }
    for path in record.config.volumes.iter().flatten().map(|(path, _)| path) {
        let destination = cleaned(path).ok_or_else(|| Fault::bad(format!("invalid volume specification: '{path}'")))?;
        let tmpfs = record.host.tmpfs.as_ref().is_some_and(|tmpfs| tmpfs.contains_key(&destination));
        if tmpfs || points.iter().any(|point| point.destination == destination) {
            continue;
        }
        let volume = engine.make_volume(None, "local", Texts::new(), Texts::new())?;
        points.push(MountPoint { anonymous: true, ..of_volume(engine, &volume, destination, "") });
    }
    Ok(points)
}

/// `--volumes-from`.
fn inherited(engine: &Engine, host: &HostConfig) -> Result<Vec<MountPoint>, Fault> {
    let mut all = Vec::new();
    for text in host.volumes_from.iter().flatten() {
        let (name, mode) = text.split_once(':').unwrap_or((text, ""));
        // Not as "not found": a client takes that for a missing image, and pulls it.
        let other = engine.containers.find(name).map_err(|fault| Fault::bad(fault.message))?;
        for point in other.record().mounts {
            let writable = point.writable && !mode.split(',').any(|one| one == "ro");
            all.push(MountPoint { writable, anonymous: false, ..point });
        }
    }
    Ok(all)
}

/// `source:destination[:options]`, `name:destination`, `destination`.
fn short(engine: &Engine, text: &str, driver: &str) -> Result<MountPoint, Fault> {
    let wrong = || Fault::bad(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, mode) = match parts[..] {
        [destination] => ("", destination, ""),
        [source, destination] => (source, destination, ""),
        [source, destination, mode] => (source, destination, mode),
        _ => return Err(wrong()),
    };
    let target = cleaned(destination).ok_or_else(|| {
        Fault::bad(format!("invalid volume specification: '{text}': invalid mount config for type \"volume\": invalid mount path: '{destination}' mount path must be absolute"))
    })?;
    if target == "/" {
        return Err(Fault::bad(format!(
            "invalid volume specification: '{text}': invalid mount config for type \"bind\": invalid specification: destination can't be '/'"
        )));
    }
    let modes: Vec<&str> = mode.split(',').filter(|one| !one.is_empty()).collect();
    let known =
        |one: &&str| ["ro", "rw", "z", "Z", "nocopy", "cached", "delegated", "consistent"].contains(one) || PROPAGATION.contains(one);
    // Of each kind one at most: `ro,rw` says nothing.
    let twice = |kind: &[&str]| modes.iter().filter(|one| kind.contains(*one)).count() > 1;
    if modes.iter().any(|one| !known(one)) || twice(&["ro", "rw"]) || twice(&["z", "Z"]) || twice(&PROPAGATION) {
        return Err(Fault::bad(format!("invalid mode: {mode}")));
    }
    let mut point = if source.starts_with('/') {
        // A folder that is missing is made, by the old form of `-v` only.
        if !Path::new(source).exists() {
            fs::create_dir_all(Path::new(source), 0o755)?;
        }
        bind(source, target)
    } else {
        let name = Some(source).filter(|source| !source.is_empty());
        let volume = engine.make_volume(name, driver, Texts::new(), Texts::new())?;
        MountPoint { anonymous: name.is_none(), ..of_volume(engine, &volume, target, if mode.is_empty() { "z" } else { mode }) }
    };
    mode.clone_into(&mut point.mode);
    if point.kind == "volume" && mode.is_empty() {
        "z".clone_into(&mut point.mode);
    }
    point.writable = !modes.contains(&"ro");
    point.no_copy = modes.contains(&"nocopy");
    if let Some(propagation) = modes.iter().find(|one| PROPAGATION.contains(one)) {
        (*propagation).clone_into(&mut point.propagation);
    }
    Ok(point)
}

fn bind(source: &str, destination: String) -> MountPoint {
    MountPoint {
        kind: "bind".to_owned(),
        source: cleaned(source).unwrap_or_default(),
        destination,
        writable: true,
        propagation: "rprivate".to_owned(),
        ..MountPoint::default()
    }
}

fn of_volume(engine: &Engine, volume: &Volume, destination: String, mode: &str) -> MountPoint {
    MountPoint {
        kind: "volume".to_owned(),
        name: volume.name.clone(),
        device: !volume.options.is_empty(),
        source: engine.volume_data(&volume.name).display().to_string(),
        destination,
        driver: "local".to_owned(),
        mode: mode.to_owned(),
        writable: true,
        ..MountPoint::default()
    }
}

/// One of `Mounts`.
fn long(engine: &Engine, mount: &Mount) -> Result<MountPoint, Fault> {
    let wrong = |why: String| Fault::bad(format!("invalid mount config for type \"{}\": {why}", mount.kind));
    if mount.target.is_empty() {
        return Err(wrong("field Target must not be empty".to_owned()));
    }
    let target =
        cleaned(&mount.target).ok_or_else(|| wrong(format!("invalid mount path: '{}' mount path must be absolute", mount.target)))?;
    if target == "/" {
        return Err(wrong("invalid specification: destination can't be '/'".to_owned()));
    }
    let given = [("BindOptions", &mount.bind_options), ("VolumeOptions", &mount.volume_options), ("TmpfsOptions", &mount.tmpfs_options)];
    let own = match mount.kind.as_str() {
        "bind" => "BindOptions",
        "volume" => "VolumeOptions",
        "tmpfs" => "TmpfsOptions",
        _ => return Err(wrong("mount type unknown".to_owned())),
    };
    if let Some((other, _)) = given.iter().find(|(name, options)| *name != own && options.is_some()) {
        return Err(wrong(format!("field {other} must not be specified")));
    }
    let mut point = match mount.kind.as_str() {
        "bind" => {
            if mount.source.is_empty() {
                return Err(wrong("field Source must not be empty".to_owned()));
            }
            if !mount.source.starts_with('/') {
                return Err(wrong(format!("invalid mount path: '{}' mount path must be absolute", mount.source)));
            }
            let make = mount.bind_options.as_ref().is_some_and(|options| options["CreateMountpoint"] == true);
            if make && !Path::new(&mount.source).exists() {
                fs::create_dir_all(Path::new(&mount.source), 0o755)?;
            }
            if !Path::new(&mount.source).exists() {
                return Err(wrong(format!("bind source path does not exist: {}", mount.source)));
            }
            let propagation =
                mount.bind_options.as_ref().and_then(|options| options["Propagation"].as_str()).filter(|word| !word.is_empty());
            if let Some(unknown) = propagation.filter(|word| !PROPAGATION.contains(word)) {
                return Err(wrong(format!("invalid propagation mode: {unknown}")));
            }
            MountPoint { propagation: propagation.unwrap_or("rprivate").to_owned(), ..bind(&mount.source, target) }
        }
        "volume" => {
            let options = mount.volume_options.clone().unwrap_or_default();
            if options["Subpath"].as_str().is_some_and(|path| !path.is_empty()) {
                return Err(Fault::not_here("a mount of a part of a volume (volume-subpath)"));
            }
            let labels: Texts = serde_json::from_value(options["Labels"].clone()).unwrap_or_default();
            let driver: Texts = serde_json::from_value(options["DriverConfig"]["Options"].clone()).unwrap_or_default();
            let name = Some(mount.source.as_str()).filter(|name| !name.is_empty());
            let kind = options["DriverConfig"]["Name"].as_str().unwrap_or("local").to_owned();
            let volume = engine.make_volume(name, &kind, labels, driver)?;
            MountPoint { anonymous: name.is_none(), no_copy: options["NoCopy"] == true, ..of_volume(engine, &volume, target, "z") }
        }
        _ => {
            if !mount.source.is_empty() {
                return Err(wrong("field Source must not be specified".to_owned()));
            }
            let options = mount.tmpfs_options.clone().unwrap_or_default();
            let size = options["SizeBytes"].as_u64().map(|bytes| format!("size={bytes}"));
            let mode = options["Mode"].as_u64().map(|mode| format!("mode={mode:o}"));
            let options = size.into_iter().chain(mode).collect();
            MountPoint { kind: "tmpfs".to_owned(), destination: target, writable: true, options, ..MountPoint::default() }
        }
    };
    point.writable &= !mount.read_only;
    Ok(point)
}

/// An absolute path without `.`, `..` and double slashes; `None` for another.
pub fn cleaned(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    let mut clean = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean.to_str().map(str::to_owned)
}

/// The mounts of a container as `config.json` has them, the outer before those in them.
pub fn entries(record: &Record) -> Vec<Value> {
    let mut all: Vec<(String, Value)> = record.mounts.iter().map(|point| (point.destination.clone(), entry(point))).collect();
    for (path, options) in record.host.tmpfs.iter().flatten() {
        let Some(path) = cleaned(path) else { continue };
        let options: Vec<String> = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
        all.push((path.clone(), tmpfs(&path, &options, true)));
    }
    all.sort_by_key(|(path, _)| path.matches('/').count());
    all.into_iter().map(|(_, entry)| entry).collect()
}

fn entry(point: &MountPoint) -> Value {
    if point.kind == "tmpfs" {
        return tmpfs(&point.destination, &point.options, point.writable);
    }
    let mut options = vec!["rbind"];
    // A device that is mounted read-only stays so: "rw" would undo it.
    if !(point.writable && point.device) {
        options.push(if point.writable { "rw" } else { "ro" });
    }
    options.push(if point.propagation.is_empty() { "rprivate" } else { &point.propagation });
    json!({"destination": point.destination, "type": "bind", "source": point.source, "options": options})
}

fn tmpfs(path: &str, given: &[String], writable: bool) -> Value {
    let mut options: Vec<String> =
        ["noexec", "nosuid", "nodev", if writable { "rw" } else { "ro" }, "rprivate"].map(str::to_owned).to_vec();
    options.extend(given.iter().cloned());
    json!({"destination": path, "type": "tmpfs", "source": "tmpfs", "options": options})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, wanted) in [("/a//b/", "/a/b"), ("/a/../../b", "/b"), ("/", "/"), ("/./x", "/x")] {
            assert_eq!(cleaned(path).as_deref(), Some(wanted));
        }
        assert_eq!(cleaned("a/b"), None);
    }

    #[test]
    fn the_outer_mount_comes_first() {
        let point = |destination: &str| MountPoint { kind: "bind".into(), destination: destination.into(), ..MountPoint::default() };
        let record = Record { mounts: vec![point("/a/b/c"), point("/a"), point("/a/b")], ..Record::default() };
        let order: Vec<Value> = entries(&record).into_iter().map(|entry| entry["destination"].clone()).collect();
        assert_eq!(order, ["/a", "/a/b", "/a/b/c"]);
    }
}
