//! What is mounted into a container, and its devices.

use serde_json::{Map, Value, json};

/// `-v`: what is bound, and volumes without a name.
pub struct Volumes {
    /// `SOURCE:TARGET[:MODE]`.
    pub binds: Vec<String>,
    /// Targets alone.
    pub anonymous: Value,
}

/// Reads `-v`.
///
/// # Errors
/// One is none.
pub fn volumes(all: &[String]) -> Result<Volumes, String> {
    let (mut binds, mut anonymous) = (Vec::new(), Map::new());
    for text in all {
        let mut parts = text.splitn(2, ':');
        let (source, rest) = (parts.next().unwrap_or_default(), parts.next());
        match rest {
            None if source.is_empty() => return Err("invalid empty volume spec".to_owned()),
            None => drop(anonymous.insert(source.to_owned(), json!({}))),
            Some(rest) if source.starts_with('.') || source.starts_with('~') => {
                // Relative to where we are; the engine may be anywhere.
                let path = std::path::absolute(source).map_err(|error| format!("{source}: {error}"))?;
                binds.push(format!("{}:{rest}", clean(&path)));
            }
            Some(_) => binds.push(text.clone()),
        }
    }
    Ok(Volumes { binds, anonymous: Value::Object(anonymous) })
}

/// A path without `.` and `..`.
fn clean(path: &std::path::Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(parts.pop()),
            std::path::Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    format!("/{}", parts.join("/"))
}

/// `--mount type=bind,source=/a,target=/b,readonly`.
///
/// # Errors
/// It is none.
pub fn mount(text: &str) -> Result<Value, String> {
    let wrong = |why: String| format!("invalid argument {text:?} for \"--mount\" flag: {why}");
    let mut mount = json!({"Type": "volume"});
    let flag = |value: Option<&str>| match value {
        None => Ok(true),
        Some(value) => {
            ["1", "true"].contains(&value).then_some(true).or_else(|| ["0", "false"].contains(&value).then_some(false)).ok_or(())
        }
    };
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').map_or((part, None), |(key, value)| (key, Some(value)));
        let key = key.to_lowercase();
        match (key.as_str(), value) {
            ("readonly" | "ro" | "volume-nocopy" | "bind-nonrecursive", value) => {
                let on = flag(value).map_err(|()| wrong(format!("invalid value for {key}: {}", value.unwrap_or_default())))?;
                match key.as_str() {
                    "readonly" | "ro" => mount["ReadOnly"] = on.into(),
                    "volume-nocopy" => mount["VolumeOptions"]["NoCopy"] = on.into(),
                    _ => mount["BindOptions"]["NonRecursive"] = on.into(),
                }
            }
            (_, None) => return Err(wrong(format!("invalid field '{part}' must be a key=value pair"))),
            ("type", Some(value)) => mount["Type"] = value.to_lowercase().into(),
            ("source" | "src", Some(value)) => {
                let relative = value == "." || value.starts_with("./") || value.starts_with("../");
                let path = if relative {
                    std::path::absolute(value).map(|path| clean(&path)).unwrap_or_else(|_| value.to_owned())
                } else {
                    value.to_owned()
                };
                mount["Source"] = path.into();
            }
            ("target" | "dst" | "destination", Some(value)) => mount["Target"] = value.into(),
            ("consistency", Some(value)) => mount["Consistency"] = value.into(),
            ("bind-propagation", Some(value)) => mount["BindOptions"]["Propagation"] = value.into(),
            ("volume-subpath", Some(value)) => mount["VolumeOptions"]["Subpath"] = value.into(),
            ("volume-driver", Some(value)) => mount["VolumeOptions"]["DriverConfig"]["Name"] = value.into(),
            ("volume-label" | "volume-opt", Some(value)) => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                if key == "volume-label" {
                    mount["VolumeOptions"]["Labels"][name] = value.into();
                } else {
                    mount["VolumeOptions"]["DriverConfig"]["Options"][name] = value.into();
                }
            }
            ("tmpfs-size", Some(value)) => {
                let bytes = crate::tools::docker::quantity::bytes(value).map_err(|_| wrong(format!("invalid value for {key}: {value}")))?;
                mount["TmpfsOptions"]["SizeBytes"] = bytes.into();
            }
            ("tmpfs-mode", Some(value)) => {
                let mode = u32::from_str_radix(value, 8).map_err(|_| wrong(format!("invalid value for {key}: {value}")))?;
                mount["TmpfsOptions"]["Mode"] = mode.into();
            }
            _ => return Err(wrong(format!("unexpected key '{key}' in '{part}'"))),
        }
    }
    match (mount["Type"].as_str(), mount["Target"].as_str()) {
        (_, None | Some("")) => Err(wrong("target is required".to_owned())),
        (Some(kind), _) if !["bind", "volume", "tmpfs", "image", "npipe", "cluster"].contains(&kind) => {
            // The engine has the last word; a word that nobody knows is told at once.
            Err(wrong(format!("invalid mount type {kind:?}")))
        }
        _ => Ok(mount),
    }
}

/// `/dev/x[:/dev/y[:rwm]]`.
///
/// # Errors
/// It is none.
pub fn device(text: &str) -> Result<Value, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_rights = |text: &str| !text.is_empty() && text.bytes().all(|byte| b"rwm".contains(&byte));
    let (inside, rights) = match parts[..] {
        [_] => (parts[0], "rwm"),
        [_, second] if is_rights(second) => (parts[0], second),
        [_, second] => (second, "rwm"),
        [_, second, third] if is_rights(third) => (second, third),
        _ => return Err(format!("bad format for path: {text}")),
    };
    Ok(json!({"PathOnHost": parts[0], "PathInContainer": inside, "CgroupPermissions": rights}))
}

/// `seccomp=FILE` sends what is in the file.
///
/// # Errors
/// The file cannot be read.
pub fn security(text: &str) -> Result<String, String> {
    match text.split_once('=').or_else(|| text.split_once(':')) {
        Some(("seccomp", file)) if !["unconfined", "builtin"].contains(&file) => {
            let profile = std::fs::read_to_string(file)
                .map_err(|_| format!("opening seccomp profile ({file}) failed: open {file}: no such file or directory"))?;
            let profile: Value =
                serde_json::from_str(&profile).map_err(|error| format!("compacting json for seccomp profile ({file}) failed: {error}"))?;
            Ok(format!("seccomp={profile}"))
        }
        None if text != "no-new-privileges" => Err(format!("Invalid --security-opt: {text:?}")),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_bound_by_whole_paths() {
        let read = volumes(&["/data".to_owned(), "name:/x:ro".to_owned(), "./here/../there:/y".to_owned()]).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(read.anonymous, json!({"/data": {}}));
        assert_eq!(read.binds, ["name:/x:ro".to_owned(), format!("{}/there:/y", here.display())]);
        assert!(volumes(&[String::new()]).is_err());
    }

    #[test]
    fn mounts_and_devices_are_read() {
        let read = mount("type=bind,source=/a,target=/b,readonly,bind-propagation=rslave").unwrap();
        assert_eq!(
            read,
            json!({"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true, "BindOptions": {"Propagation": "rslave"}})
        );
        assert!(mount("type=bind,source=/a").unwrap_err().ends_with("target is required"));
        assert!(mount("type=bind,frob,target=/x").unwrap_err().contains("invalid field 'frob' must be a key=value pair"));
        assert!(mount("frob=1,target=/x").unwrap_err().contains("unexpected key 'frob' in 'frob=1'"));
        assert_eq!(
            mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777").unwrap()["TmpfsOptions"],
            json!({"SizeBytes": 1 << 20, "Mode": 0o1777})
        );
        assert_eq!(
            device("/dev/a:/dev/b:r").unwrap(),
            json!({"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"})
        );
        assert_eq!(device("/dev/a").unwrap()["PathInContainer"], "/dev/a");
        assert!(device("a:b:c:d").is_err());
        assert!(security("frob").is_err() && security("seccomp=/no/such/file").is_err());
        assert_eq!(security("seccomp=unconfined").unwrap(), "seccomp=unconfined");
    }
}
