//! Where this machine keeps its cgroups, read from `/proc/self/mountinfo` and `/proc/self/cgroup` (cgroups(7)).
//!
//! Three shapes exist. *Unified*: one cgroup2 mount with every controller. *Legacy*: one mount per v1 controller (`cpu` and `cpuacct`
//! often share one). *Hybrid*: legacy plus a cgroup2 mount that has no or few controllers. All three are a list of [`Hierarchy`].

use std::path::{Component, Path, PathBuf};

use super::{Error, Result};
use crate::kernel::fs;

/// Which interface files a hierarchy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `memory.limit_in_bytes`, one tree per controller.
    V1,
    /// `memory.max`, one tree for all.
    V2,
}

/// One mounted cgroup tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// v1 or v2.
    pub version: Version,
    /// What can be limited in it: `memory`, `pids`. A named v1 tree has one entry, `name=systemd`.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Which part of the tree the mount shows: `/`, or a container's own cgroup.
    pub root: PathBuf,
    /// Our own cgroup, relative to `mount`; `None` when the mount shows a part of the tree that we are not in.
    pub own: Option<PathBuf>,
}

impl Hierarchy {
    /// Whether `controller` is managed here.
    #[cfg(test)]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// The directory of the cgroup that a `/proc/PID/cgroup` puts its process in; `None` when the mount does not show it.
    pub fn directory_in(&self, proc_cgroup: &str) -> Option<PathBuf> {
        let path = own_path(proc_cgroup, self.version, &self.controllers)?;
        Some(self.mount.join(below(&path, &self.root)?))
    }

    /// The directory of the cgroup `path`: absolute paths count from the mount, relative ones from our own cgroup.
    /// `None` when a relative path has nothing to be relative to.
    pub fn directory(&self, path: &Path) -> Option<PathBuf> {
        match path.strip_prefix("/") {
            Ok(from_top) => Some(self.mount.join(from_top)),
            Err(_) => Some(self.mount.join(self.own.as_ref()?).join(path)),
        }
    }
}

/// All mounted cgroup trees of this machine, as this process sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// In the order of the mount table.
    pub hierarchies: Vec<Hierarchy>,
}

impl Layout {
    /// Reads the layout as it is now.
    ///
    /// # Errors
    /// `/proc` is not mounted, or no cgroup file system is.
    pub fn detect() -> Result<Layout> {
        let mounts = fs::read(Path::new("/proc/self/mountinfo"))?;
        let own = fs::read(Path::new("/proc/self/cgroup"))?;
        let mounts: String = mounts.lines().filter(|line| is_seen(line)).flat_map(|line| [line, "\n"]).collect();
        let layout = Layout::parse(&mounts, &own, |mount| fs::read(&mount.join("cgroup.controllers")).unwrap_or_default());
        if layout.hierarchies.is_empty() { Err(Error::NotMounted) } else { Ok(layout) }
    }

    /// The pure part of [`Layout::detect`]. `controllers` reads `cgroup.controllers` of a cgroup2 mount.
    pub fn parse(mountinfo: &str, own: &str, controllers: impl Fn(&Path) -> String) -> Layout {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for line in mountinfo.lines() {
            let Some(found) = hierarchy(line, own, &controllers) else { continue };
            // The same tree mounted twice (a bind, a container's view of it): the first one counts.
            let known = hierarchies.iter().any(|known| known.version == found.version && known.controllers == found.controllers);
            if !known {
                hierarchies.push(found);
            }
        }
        Layout { hierarchies }
    }

    /// The hierarchy that manages `controller`.
    #[cfg(test)]
    pub fn of(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.has(controller))
    }

    /// The cgroup2 hierarchy, with or without controllers.
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.version == Version::V2)
    }

    /// Whether cgroup2 is all there is.
    pub fn is_unified(&self) -> bool {
        self.hierarchies.iter().all(|hierarchy| hierarchy.version == Version::V2)
    }

    /// Everything that can be limited, with the version that limits it.
    #[cfg(test)]
    pub fn controllers(&self) -> impl Iterator<Item = (&str, Version)> {
        self.hierarchies.iter().flat_map(|hierarchy| hierarchy.controllers.iter().map(|name| (name.as_str(), hierarchy.version)))
    }
}

/// Whether a line of mountinfo is of a cgroup mount that can be reached by its path: the table also lists what a later mount covers, as when
/// somebody mounts cgroup2 over a hybrid `/sys/fs/cgroup`. Kernels before 5.8 do not tell; there every mount counts.
fn is_seen(line: &str) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let mut fields = line.split(' ');
    let (Some(Ok(id)), Some(mount)) = (fields.next().map(str::parse::<u64>), fields.nth(3).map(unescape)) else { return false };
    if !line.contains(" - cgroup") {
        return false;
    }
    match statx(CWD, &mount, AtFlags::empty(), StatxFlags::MNT_ID) {
        Ok(told) => told.stx_mask & StatxFlags::MNT_ID.bits() == 0 || told.stx_mnt_id == id,
        Err(_) => false,
    }
}

/// A line of mountinfo as a hierarchy, if it is one:
/// `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`.
fn hierarchy(line: &str, own: &str, controllers: &impl Fn(&Path) -> String) -> Option<Hierarchy> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, mount) = (unescape(left.next()?), unescape(left.next()?));
    let mut right = right.split(' ');
    let fstype = right.next()?;
    let options = right.nth(1)?;
    let (version, controllers) = match fstype {
        "cgroup2" => (Version::V2, controllers(&mount).split_whitespace().map(str::to_owned).collect()),
        "cgroup" => (Version::V1, v1_controllers(options, own)),
        _ => return None,
    };
    let own = own_path(own, version, &controllers).and_then(|own| below(&own, &root));
    Some(Hierarchy { version, controllers, mount, root, own })
}

/// The super block options that are controllers are those that `/proc/self/cgroup` names; the others (`rw`, `xattr`) it does not.
fn v1_controllers(options: &str, own: &str) -> Vec<String> {
    let known: Vec<&str> = own.lines().filter_map(|line| line.split(':').nth(1)).flat_map(|names| names.split(',')).collect();
    options.split(',').filter(|option| !option.is_empty() && known.contains(option)).map(str::to_owned).collect()
}

/// The path of our own cgroup in the tree with these controllers, as `/proc/self/cgroup` gives it (`4:memory:/a/b`, `0::/a`).
fn own_path(own: &str, version: Version, controllers: &[String]) -> Option<PathBuf> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        let same = match version {
            Version::V2 => id == "0" && names.is_empty(),
            Version::V1 => names.split(',').any(|name| controllers.iter().any(|known| known == name)),
        };
        same.then(|| PathBuf::from(path))
    })
}

/// `own` relative to the part of the tree that the mount shows. Outside it (a mount made in another cgroup namespace shows `/..`): `None`.
fn below(own: &Path, root: &Path) -> Option<PathBuf> {
    let climbs = |path: &Path| path.components().any(|component| component == Component::ParentDir);
    (!climbs(own) && !climbs(root)).then(|| own.strip_prefix(root).ok().map(Path::to_owned))?
}

/// mountinfo writes blanks, tabs, newlines and backslashes as `\040`, ...
fn unescape(text: &str) -> PathBuf {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        match after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[3..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    PathBuf::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
";
    const HYBRID_OWN: &str = "9:name=systemd:/\n4:memory:/process_api/63cc\n2:cpu,cpuacct:/\n0::/init.scope\n";

    #[test]
    fn a_hybrid_machine_has_v1_trees_and_an_empty_v2() {
        let layout = Layout::parse(HYBRID, HYBRID_OWN, |_| String::new());
        assert!(!layout.is_unified());
        assert_eq!(layout.of("cpuacct"), layout.of("cpu"));
        assert_eq!(layout.of("xattr"), None);
        let memory = layout.of("memory").unwrap();
        assert_eq!(memory.directory(Path::new("box")).unwrap(), Path::new("/sys/fs/cgroup/memory/process_api/63cc/box"));
        assert_eq!(memory.directory(Path::new("/box")).unwrap(), Path::new("/sys/fs/cgroup/memory/box"));
        let unified = layout.unified().unwrap();
        assert_eq!((unified.controllers.len(), unified.own.as_deref()), (0, Some(Path::new("init.scope"))));
        assert_eq!(layout.of("name=systemd").unwrap().mount, Path::new("/sys/fs/cgroup/systemd"));
    }

    #[test]
    fn a_unified_machine_has_one_tree() {
        let mounts = "25 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let layout = Layout::parse(mounts, "0::/user.slice/a\n", |_| "cpu memory pids\n".to_owned());
        assert!(layout.is_unified());
        assert_eq!(layout.controllers().collect::<Vec<_>>(), [("cpu", Version::V2), ("memory", Version::V2), ("pids", Version::V2)]);
    }

    #[test]
    fn a_container_sees_its_own_part_and_not_what_is_above() {
        let docker = "9 8 0:3 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";
        let layout = Layout::parse(docker, "3:pids:/docker/abc/x\n", |_| String::new());
        assert_eq!(layout.of("pids").unwrap().own.as_deref(), Some(Path::new("x")));
        let foreign = "9 8 0:3 /../.. /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";
        let layout = Layout::parse(foreign, "3:pids:/\n", |_| String::new());
        assert_eq!(layout.of("pids").unwrap().own, None);
    }

    #[test]
    fn blanks_in_a_mount_point_are_unescaped() {
        assert_eq!(unescape("/a\\040b\\134c"), Path::new("/a b\\c"));
        assert_eq!(unescape("/a\\9"), Path::new("/a\\9"));
    }
}
