//! Volumes with options: a file system that is mounted at the volume's place as long as a container uses it.
//!
//! ```text
//!  docker volume create -o type=tmpfs -o device=tmpfs -o o=size=100m,uid=1000 fast
//!  docker volume create -o type=none  -o device=/srv/data -o o=bind,ro         data
//! ```
//!
//! As with dockerd, a volume is only words until its first user starts, and a device that is not there is missed then. The last user's end takes the mount away,
//! and with it what a tmpfs held. File systems of other machines (`nfs`, `cifs`) and of block devices are refused: a teaching engine mounts only what it can
//! undo without waiting for anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use crate::engine::Engine;
use crate::engine::container::config::Texts;
use crate::engine::container::record::{MountPoint, Record};
use crate::engine::error::Fault;
use crate::kernel;
use crate::kernel::mount::{self, MntFlags, MsFlags};

/// dockerd's options of the driver `local`.
const KNOWN: [&str; 4] = ["type", "o", "device", "size"];
/// What an option needs beside it.
const NEEDS: [(&str, &[&str]); 3] = [("device", &["type"]), ("type", &["device"]), ("o", &["device", "type"])];
/// Words of mount(8) that are switches of the call and no data of the file system: what they set, and what they take away.
const SWITCHES: [(&str, MsFlags, MsFlags); 14] = [
    ("ro", MsFlags::MS_RDONLY, MsFlags::empty()),
    ("rw", MsFlags::empty(), MsFlags::MS_RDONLY),
    ("nosuid", MsFlags::MS_NOSUID, MsFlags::empty()),
    ("suid", MsFlags::empty(), MsFlags::MS_NOSUID),
    ("nodev", MsFlags::MS_NODEV, MsFlags::empty()),
    ("dev", MsFlags::empty(), MsFlags::MS_NODEV),
    ("noexec", MsFlags::MS_NOEXEC, MsFlags::empty()),
    ("exec", MsFlags::empty(), MsFlags::MS_NOEXEC),
    ("noatime", MsFlags::MS_NOATIME, MsFlags::empty()),
    ("atime", MsFlags::empty(), MsFlags::MS_NOATIME),
    ("nodiratime", MsFlags::MS_NODIRATIME, MsFlags::empty()),
    ("relatime", MsFlags::MS_RELATIME, MsFlags::empty()),
    ("bind", MsFlags::MS_BIND, MsFlags::empty()),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC), MsFlags::empty()),
];

/// What is mounted at a volume's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    source: String,
    flags: MsFlags,
    data: String,
}

impl Device {
    /// What options ask for; `None` where there are none: a plain folder.
    ///
    /// # Errors
    /// In words, without the volume's name: an option is not known, one is missing, or the file system is none of ours.
    pub fn read(options: &Texts) -> Result<Option<Self>, String> {
        if let Some(key) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(format!("invalid option: {key:?}"));
        }
        for (_, needed) in NEEDS.iter().filter(|(key, _)| options.contains_key(*key)) {
            if let Some(missing) = needed.iter().find(|key| !options.contains_key(**key)) {
                return Err(format!("missing required option: {missing:?}"));
            }
        }
        if options.contains_key("size") {
            return Err("quota size requested but no quota support".to_owned());
        }
        let Some((kind, source)) = options.get("type").zip(options.get("device")) else { return Ok(None) };
        let (mut flags, mut data) = (MsFlags::empty(), Vec::new());
        for word in options.get("o").map_or("", String::as_str).split(',').filter(|word| !word.is_empty()) {
            match SWITCHES.iter().find(|(name, ..)| *name == word) {
                Some((_, set, cleared)) => flags = (flags | *set) - *cleared,
                None => data.push(word),
            }
        }
        let binds = flags.contains(MsFlags::MS_BIND);
        match kind.as_str() {
            "tmpfs" if !binds => {}
            // The type of a bind says nothing, as in mount(8).
            _ if binds && source.starts_with('/') => {}
            _ if binds => return Err(format!("the device of a bind is an absolute path, not `{source}`")),
            "none" | "" => return Err("a volume of type none needs o=bind, and the folder as its device".to_owned()),
            other => {
                return Err(format!(
                    "volumes of type {other:?} are not mounted by this engine: mount it on the machine itself, and give its folder with \
                     type=none, o=bind, device=FOLDER"
                ));
            }
        }
        Ok(Some(Device { source: source.clone(), flags, data: data.join(",") }))
    }

    fn mount(&self, place: &Path) -> kernel::Result<()> {
        if !self.flags.contains(MsFlags::MS_BIND) {
            return mount::mount(&self.source, place, "tmpfs", self.flags, Some(self.data.as_str()));
        }
        mount::bind(Path::new(&self.source), place, self.flags.contains(MsFlags::MS_REC))?;
        let more = self.flags - MsFlags::MS_BIND - MsFlags::MS_REC;
        if more.is_empty() {
            return Ok(());
        }
        // The call that binds looks at no other switch: they are set by a second one.
        mount::mount("", place, "", MsFlags::MS_REMOUNT | MsFlags::MS_BIND | more, None).inspect_err(|_| unmount(place))
    }
}

/// Takes away all that is mounted at a place. What was not mounted is as it should be.
pub fn unmount(place: &Path) {
    while mount::unmount(place, MntFlags::MNT_DETACH).is_ok() {}
}

/// The volumes with options that a container has.
fn volumes_of(record: &Record) -> impl Iterator<Item = &MountPoint> {
    record.mounts.iter().filter(|point| point.device)
}

impl Engine {
    fn mounted_volumes(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.mounted_volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mounts the volumes with options that a container has, where no other one has done it. Those of other drivers' kinds are folders and need nothing.
    ///
    /// # Errors
    /// The kernel refuses: what was mounted for this container is gone again.
    pub fn mount_volumes(&self, record: &Record) -> Result<(), Fault> {
        for point in volumes_of(record) {
            let place = self.volume_data(&point.name);
            let options = self.volume(&point.name)?.options;
            let mut mounted = self.mounted_volumes();
            let users = mounted.entry(point.name.clone()).or_default();
            if users.is_empty()
                && let Ok(Some(device)) = Device::read(&options)
            {
                // What an engine that was killed has left may hold other files than those that are asked for.
                unmount(&place);
                if let Err(error) = device.mount(&place) {
                    drop(mounted);
                    self.unmount_volumes(&record.id);
                    let (place, why) = (place.display(), error.errno.desc().to_lowercase());
                    return Err(Fault::internal(format!(
                        "error while mounting volume '{place}': failed to mount local volume: mount {}:{place}, data: {}: {why}",
                        device.source, device.data
                    )));
                }
            }
            users.insert(record.id.clone());
        }
        Ok(())
    }

    /// Says that a container which runs already uses its volumes: after a restart of the engine.
    pub fn keep_volumes(&self, record: &Record) {
        let mut mounted = self.mounted_volumes();
        for point in volumes_of(record) {
            mounted.entry(point.name.clone()).or_default().insert(record.id.clone());
        }
    }

    /// A container uses its volumes no more: those that nobody else uses are unmounted.
    pub fn unmount_volumes(&self, id: &str) {
        let mut mounted = self.mounted_volumes();
        mounted.retain(|name, users| {
            users.remove(id);
            if users.is_empty() {
                unmount(&self.volume_data(name));
            }
            !users.is_empty()
        });
    }

    /// After a restart of the engine, when those that run have said what they use: what is still mounted for others goes.
    pub fn sweep_volumes(&self) {
        let mounted = self.mounted_volumes();
        for container in self.containers.all() {
            let record = container.record();
            volumes_of(&record)
                .filter(|point| !mounted.contains_key(&point.name))
                .for_each(|point| unmount(&self.volume_data(&point.name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<Option<Device>, String> {
        Device::read(&options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn options_become_a_mount() {
        assert_eq!(read(&[]).unwrap(), None);
        let tmpfs = read(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,noexec,uid=5")]).unwrap().unwrap();
        assert_eq!((tmpfs.flags, tmpfs.data.as_str()), (MsFlags::MS_NOEXEC, "size=1m,uid=5"));
        let bind = read(&[("type", "none"), ("device", "/srv"), ("o", "rbind,ro,rw")]).unwrap().unwrap();
        assert_eq!((bind.flags, bind.source.as_str()), (MsFlags::MS_BIND | MsFlags::MS_REC, "/srv"));
    }

    #[test]
    fn what_cannot_be_mounted_is_refused() {
        let table: [(&[(&str, &str)], &str); 7] = [
            (&[("x", "y")], "invalid option: \"x\""),
            (&[("device", "/srv")], "missing required option: \"type\""),
            (&[("o", "bind")], "missing required option: \"device\""),
            (&[("size", "1g")], "quota size requested but no quota support"),
            (&[("type", "none"), ("device", "srv"), ("o", "bind")], "the device of a bind is an absolute path, not `srv`"),
            (&[("type", "none"), ("device", "/srv")], "a volume of type none needs o=bind, and the folder as its device"),
            (&[("type", "nfs"), ("device", ":/x"), ("o", "addr=10.0.0.1")], "volumes of type \"nfs\" are not mounted by this engine"),
        ];
        for (options, said) in table {
            let told = read(options).unwrap_err();
            assert!(told.starts_with(said), "{options:?}: {told}");
        }
    }
}
