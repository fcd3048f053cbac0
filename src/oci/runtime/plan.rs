//! The plan of a container: `config.json` turned into what the steps need, before anything is made.
//!
//! Names become numbers, paths become whole, namespaces to join become descriptors, texts become C strings: all that can be judged without
//! doing it is judged here, in the parent, so that the container's first process allocates little and a mistake leaves nothing behind.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::error::{During as _, Error, Result};
use super::id::ContainerId;
use super::network_devices::{self, NetworkDevice};
use super::options::{self, Options};
use super::spec::{self, Spec, linux};
use crate::kernel::device::{Kind, Node};
use crate::kernel::idmap::Extent;
use crate::kernel::mount::MsFlags;
use crate::kernel::ns::CloneFlags;
use crate::kernel::{ids, ns};

mod credentials;

pub use credentials::Credentials;

/// Everything that is decided before the clone.
pub struct Plan {
    /// The container's name.
    pub id: ContainerId,
    /// The bundle's folder, absolute.
    pub bundle: PathBuf,
    /// The root file system, absolute.
    pub rootfs: PathBuf,
    /// What was asked for.
    pub spec: Spec,
    /// Namespaces to make.
    pub new: CloneFlags,
    /// Namespaces to join, in the order in which they must be joined.
    pub join: Vec<Join>,
    /// File systems, in order.
    pub mounts: Vec<Mount>,
    /// Device nodes: where and what.
    pub devices: Vec<(PathBuf, Node)>,
    /// Whether nodes are bound from the machine because mknod(2) is impossible here: in a user namespace.
    pub bind_devices: bool,
    /// How mounts propagate between the root and the machine.
    pub propagation: Option<MsFlags>,
    /// What runs; `None` only when `config.json` has no process.
    pub credentials: Option<Credentials>,
    /// Ids of a new user namespace.
    pub users: Vec<Extent>,
    /// Groups of a new user namespace.
    pub groups: Vec<Extent>,
    /// Network devices that move into the container.
    pub network_devices: Vec<NetworkDevice>,
}

/// A namespace to join.
pub struct Join {
    /// Its kind in the specification's words.
    pub kind: String,
    /// The flag that the kernel checks it against.
    pub flag: CloneFlags,
    /// It.
    pub namespace: OwnedFd,
}

/// A mount to make.
pub struct Mount {
    /// Where, inside.
    pub destination: PathBuf,
    /// What, outside; for file systems only a name.
    pub source: String,
    /// How.
    pub kind: MountKind,
    /// Its options.
    pub options: Options,
    /// For an id-mapped mount with maps of its own.
    pub users: Vec<Extent>,
    /// As `users`.
    pub groups: Vec<Extent>,
}

/// The ways to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A part of the machine's tree.
    Bind {
        /// With what is mounted below it.
        recursive: bool,
    },
    /// The container's view of the control groups.
    Cgroup,
    /// A new instance of a file system.
    New(String),
    /// New attributes for what is there.
    Remount,
}

/// The kinds of namespaces: the specification's word, the kernel's flag. User first: the right to enter the others may come from it.
/// Mount last: the paths of the others are the machine's.
pub const NAMESPACES: [(&str, &str, CloneFlags); 8] = [
    ("user", "user", CloneFlags::CLONE_NEWUSER),
    ("pid", "pid", CloneFlags::CLONE_NEWPID),
    ("network", "net", CloneFlags::CLONE_NEWNET),
    ("ipc", "ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", "uts", CloneFlags::CLONE_NEWUTS),
    ("cgroup", "cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("time", "time", ns::CLONE_NEWTIME),
    ("mount", "mnt", CloneFlags::CLONE_NEWNS),
];

impl Plan {
    /// Plans the container `id` of `bundle`.
    ///
    /// # Errors
    /// A namespace to join that is none, a network device that is not there.
    pub fn new(id: ContainerId, bundle: &Path, spec: Spec) -> Result<Plan> {
        let root = spec.root.as_ref().map(|root| root.path.clone()).unwrap_or_default();
        let rootfs = bundle.join(&root);
        let (new, join) = namespaces(&spec.linux.namespaces)?;
        let in_user_namespace = new.contains(CloneFlags::CLONE_NEWUSER)
            || join.iter().any(|join| join.flag == CloneFlags::CLONE_NEWUSER)
            || !ids::in_first_user_namespace();
        Ok(Plan {
            id,
            bundle: bundle.to_owned(),
            rootfs,
            new,
            join,
            mounts: spec.mounts.iter().map(mount).collect(),
            devices: devices(&spec)?,
            bind_devices: in_user_namespace,
            propagation: propagation(&spec),
            credentials: spec.process.as_ref().map(|process| Credentials::new(process, "process.")).transpose()?,
            users: extents(&spec.linux.uid_mappings),
            groups: extents(&spec.linux.gid_mappings),
            network_devices: network_devices::plan(&spec)?,
            spec,
        })
    }

    /// The plan for a further process in a container that was made by `spec`: nothing is to be made or joined by path.
    pub fn joining(id: ContainerId, bundle: &Path, spec: Spec) -> Plan {
        Plan {
            id,
            bundle: bundle.to_owned(),
            rootfs: PathBuf::new(),
            new: CloneFlags::empty(),
            join: Vec::new(),
            mounts: Vec::new(),
            devices: Vec::new(),
            bind_devices: !ids::in_first_user_namespace() || !spec.linux.uid_mappings.is_empty(),
            propagation: None,
            credentials: None,
            users: extents(&spec.linux.uid_mappings),
            groups: extents(&spec.linux.gid_mappings),
            network_devices: Vec::new(),
            spec,
        }
    }

    /// Whether the container has a namespace of that kind which is not the caller's.
    pub fn has(&self, flag: CloneFlags) -> bool {
        self.new.contains(flag) || self.join.iter().any(|join| join.flag == flag)
    }

    /// The descriptor of the namespace of that kind that is to be joined.
    pub fn joined(&self, flag: CloneFlags) -> Option<&Join> {
        self.join.iter().find(|join| join.flag == flag)
    }

    /// The process and its rights.
    ///
    /// # Errors
    /// The spec has none.
    pub fn credentials(&self) -> Result<&Credentials> {
        self.credentials
            .as_ref()
            .ok_or_else(|| Error::new("`process` is missing in config.json").hint("a container without a process cannot be started"))
    }
}

fn namespaces(wanted: &[linux::Namespace]) -> Result<(CloneFlags, Vec<Join>)> {
    let (mut new, mut join) = (CloneFlags::empty(), Vec::new());
    for (kind, _, flag) in NAMESPACES {
        let Some(namespace) = wanted.iter().find(|namespace| namespace.kind == kind) else { continue };
        match namespace.path.as_deref().filter(|path| !path.is_empty()) {
            None => new |= flag,
            Some(path) => {
                let namespace = open_namespace(Path::new(path), flag).during(|| format!("join the {kind} namespace `{path}`"))?;
                join.push(Join { kind: kind.to_owned(), flag, namespace });
            }
        }
    }
    Ok((new, join))
}

/// A namespace file of the right kind (`NS_GET_NSTYPE`): a wrong one would only be noticed in the middle of the start.
fn open_namespace(path: &Path, flag: CloneFlags) -> Result<OwnedFd> {
    let namespace = ns::open_path(path)?;
    if ns::kind(&namespace)? != flag {
        return Err(Error::new(format!("`{}` is a namespace of another kind", path.display())));
    }
    Ok(namespace)
}

fn mount(mount: &spec::Mount) -> Mount {
    let options = Options::parse(&mount.options);
    let named = mount.kind.as_deref().unwrap_or("");
    let kind = match (options.bind, named) {
        (_, "cgroup" | "cgroup2") if options.bind.is_none() => MountKind::Cgroup,
        _ if options.remount => MountKind::Remount,
        (Some(recursive), _) => MountKind::Bind { recursive },
        (None, "bind") => MountKind::Bind { recursive: false },
        (None, "rbind") => MountKind::Bind { recursive: true },
        (None, fstype) => MountKind::New(fstype.to_owned()),
    };
    Mount {
        // Relative destinations are deprecated by the specification, and mean: relative to `/`.
        destination: Path::new("/").join(&mount.destination),
        source: mount.source.clone().unwrap_or_default(),
        kind,
        options,
        users: extents(&mount.uid_mappings),
        groups: extents(&mount.gid_mappings),
    }
}

fn extents(mappings: &[linux::IdMapping]) -> Vec<Extent> {
    mappings.iter().map(|mapping| Extent { inside: mapping.container_id, outside: mapping.host_id, count: mapping.size }).collect()
}

/// An unknown name was refused with the rest of the text.
fn propagation(spec: &Spec) -> Option<MsFlags> {
    spec.linux.rootfs_propagation.as_deref().and_then(options::propagation)
}

/// The nodes that every container gets (config-linux.md, "Default Devices").
const DEFAULT_DEVICES: [(&str, u64, u64); 6] =
    [("/dev/null", 1, 3), ("/dev/zero", 1, 5), ("/dev/full", 1, 7), ("/dev/random", 1, 8), ("/dev/urandom", 1, 9), ("/dev/tty", 5, 0)];

/// The default devices and those of the spec, which may override them; each path once, parents before children.
fn devices(spec: &Spec) -> Result<Vec<(PathBuf, Node)>> {
    let default = |(path, major, minor): &(&str, u64, u64)| {
        (PathBuf::from(path), Node { kind: Kind::Character, major: *major, minor: *minor, mode: 0o666, uid: 0, gid: 0 })
    };
    let mut nodes: BTreeMap<PathBuf, Node> = DEFAULT_DEVICES.iter().map(default).collect();
    for device in &spec.linux.devices {
        let kind = match device.kind.as_str() {
            "b" => Kind::Block,
            "p" => Kind::Fifo,
            _ => Kind::Character,
        };
        let mode = device.file_mode.unwrap_or(0o666);
        nodes.insert(
            PathBuf::from(&device.path),
            Node { kind, major: device.major, minor: device.minor, mode, uid: device.uid, gid: device.gid },
        );
    }
    Ok(nodes.into_iter().collect())
}
