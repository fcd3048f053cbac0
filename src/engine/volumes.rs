//! Volumes: folders that outlive containers; those with options have something mounted there as long as a container uses them.
//!
//! ```text
//!  volumes/NAME/_data         what containers see
//!  volumes/NAME/volume.json   labels and options
//! ```

mod device;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::device::Device;
use super::Engine;
use super::container::config::Texts;
use super::container::names;
use super::error::Fault;
use crate::kernel::folder::Folder;
use crate::kernel::fs;

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: String,
    /// Labels.
    pub labels: Texts,
    /// Options of the driver.
    pub options: Texts,
    /// It was made for a container that named none.
    pub anonymous: bool,
}

/// The label that Docker puts on volumes without a name.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

impl Engine {
    fn volume_folder(&self, name: &str) -> PathBuf {
        self.root.join("volumes").join(name)
    }

    /// Where the files of a volume are.
    pub fn volume_data(&self, name: &str) -> PathBuf {
        self.volume_folder(name).join("_data")
    }

    /// The volume of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn volume(&self, name: &str) -> Result<Volume, Fault> {
        let missing = || Fault::not_found(format!("get {name}: no such volume"));
        if check(name).is_err() {
            return Err(missing());
        }
        let text = fs::read(&self.volume_folder(name).join("volume.json")).map_err(|_| missing())?;
        serde_json::from_str(&text).map_err(|error| Fault::internal(format!("volume {name}: {error}")))
    }

    /// All volumes, sorted by name.
    pub fn volumes(&self) -> Vec<Volume> {
        let names = fs::list(&self.root.join("volumes")).unwrap_or_default();
        let mut all: Vec<Volume> = names.iter().filter_map(|name| self.volume(name).ok()).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Makes a volume, unless there is one of this name.
    ///
    /// # Errors
    /// The name or the driver cannot be had.
    pub fn make_volume(&self, name: Option<&str>, driver: &str, labels: Texts, options: Texts) -> Result<Volume, Fault> {
        if !["", "local", "default"].contains(&driver) {
            let name = name.unwrap_or_default();
            return Err(Fault::not_found(format!("create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found")));
        }
        Device::read(&options).map_err(|why| Fault::bad(format!("create {}: {why}", name.unwrap_or_default())))?;
        let named = name.filter(|name| !name.is_empty());
        if let Some(name) = named {
            check(name)?;
            if let Ok(there) = self.volume(name) {
                return Ok(there);
            }
        }
        let mut labels = labels;
        if named.is_none() {
            labels.insert(ANONYMOUS.to_owned(), String::new());
        }
        let name = named.map_or_else(names::random_id, str::to_owned);
        let volume = Volume { name: name.clone(), created: super::container::now(), labels, options, anonymous: named.is_none() };
        fs::create_dir_all(&self.volume_data(&name), 0o755)?;
        crate::kernel::inode::set_mode(&self.volume_data(&name), 0o755)?;
        let text = serde_json::to_vec(&volume).map_err(|error| Fault::internal(error.to_string()))?;
        fs::replace(&self.volume_folder(&name).join("volume.json"), &text, 0o600)?;
        self.events.tell("volume", "create", &name, &[("driver", "local")]);
        Ok(volume)
    }

    /// The names of the containers that use a volume.
    pub fn users_of_volume(&self, name: &str) -> Vec<String> {
        let uses = |container: &std::sync::Arc<super::container::Container>| {
            container.record().mounts.iter().any(|mount| mount.kind == "volume" && mount.name == name)
        };
        self.containers.all().iter().filter(|container| uses(container)).map(|container| container.id.clone()).collect()
    }

    /// Removes a volume that nobody uses.
    ///
    /// # Errors
    /// It is used; there is none.
    pub fn remove_volume(&self, name: &str, force: bool) -> Result<(), Fault> {
        let _one = self.using_volumes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let volume = match self.volume(name) {
            Err(fault) if force && fault.status == axum::http::StatusCode::NOT_FOUND => return Ok(()),
            other => other?,
        };
        let users = self.users_of_volume(name);
        if !users.is_empty() {
            return Err(Fault::conflict(format!("remove {name}: volume is in use - [{}]", users.join(", "))));
        }
        if !volume.options.is_empty() {
            // Nothing of its device may be in the folder when that is removed: it is somebody else's.
            device::unmount(&self.volume_data(name));
        }
        let all = Folder::open(&self.root.join("volumes"))?;
        all.remove(name.as_ref())?;
        self.events.tell("volume", "destroy", name, &[("driver", "local")]);
        Ok(())
    }

    /// The bytes of the files in a volume.
    pub fn volume_size(&self, name: &str) -> u64 {
        Folder::open(&self.volume_data(name)).map_or(0, |folder| size_of(&folder))
    }

    /// A volume as the API shows it.
    pub fn volume_json(&self, volume: &Volume) -> Value {
        let empty_as_null = |texts: &BTreeMap<String, String>| if texts.is_empty() { Value::Null } else { json!(texts) };
        json!({
            "CreatedAt": volume.created.parse::<Timestamp>().map_or_else(|_| volume.created.clone(), |moment| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            "Driver": "local", "Labels": empty_as_null(&volume.labels), "Mountpoint": self.volume_data(&volume.name),
            "Name": volume.name, "Options": empty_as_null(&volume.options), "Scope": "local",
        })
    }
}

/// The bytes of all files below a folder. What goes away meanwhile does not count.
pub fn size_of(top: &Folder) -> u64 {
    let (mut bytes, mut waiting) = (0, Vec::new());
    waiting.extend(top.again().ok());
    while let Some(folder) = waiting.pop() {
        for (name, kind) in folder.names().unwrap_or_default() {
            if kind == crate::kernel::folder::FileType::Directory {
                waiting.extend(folder.enter(&name).ok());
            } else if let Ok(Some(status)) = folder.status(&name) {
                bytes += status.size;
            }
        }
    }
    bytes
}

/// Judges the name of a volume.
///
/// # Errors
/// It has other letters than a name may have.
pub fn check(name: &str) -> Result<(), Fault> {
    if names::check(name).is_ok() && !name.starts_with('/') {
        return Ok(());
    }
    if name.chars().count() == 1 && name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return Err(Fault::bad(format!("create {name}: volume name is too short, names should be at least two alphanumeric characters")));
    }
    Err(Fault::bad(format!(
        "create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to \
         pass a host directory, use absolute path"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_volumes() {
        assert!(check("data").is_ok() && check("a.b_c-d").is_ok());
        assert!(check("a").unwrap_err().message.contains("too short"));
        for bad in ["../x", "/abs", "a/b", "", ".x"] {
            assert!(check(bad).unwrap_err().message.contains("invalid characters for a local volume name"), "{bad}");
        }
    }
}
