//! The container's cgroup: made and limited by the parent, seen by the child.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use super::error::{During as _, Error, Result};
use super::options::READ_ONLY;
use super::plan::{Mount, Plan};
use super::steps::Init;
use crate::kernel::cgroup::{self, Cgroup, Entrance, Layout, Resources, Version};
use crate::kernel::error::Errno;
use crate::kernel::ns::CloneFlags;
use crate::kernel::root::Root;
use crate::kernel::{self, device, mount, xray};

/// What the child needs of the cgroup to show it under `/sys/fs/cgroup`.
#[derive(Debug, Default)]
pub struct View {
    trees: Vec<TreeView>,
}

/// One hierarchy.
#[derive(Debug)]
struct TreeView {
    version: Version,
    /// The last part of its mount point: `memory`, `cpu,cpuacct`, `unified`.
    name: String,
    controllers: Vec<String>,
    /// The container's directory in it.
    directory: PathBuf,
}

impl From<cgroup::Error> for Error {
    fn from(error: cgroup::Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        Error { hint, ..Error::new(error.to_string()) }
    }
}

/// The cgroup that [`make`] is going to make.
///
/// # Errors
/// A path that leads out of the tree.
pub fn planned(plan: &Plan, layout: &Layout) -> Result<Cgroup> {
    Ok(Cgroup::at(layout, &path(plan, layout)?))
}

/// Makes the cgroup of the plan and sets its limits. `None` where this user may not make any: then a container runs without limits, unless
/// the bundle asks for some.
///
/// # Errors
/// A limit that cannot be set; a path that leads out of the tree.
pub fn make(plan: &Plan, layout: &Layout) -> Result<Option<Cgroup>> {
    let none = Resources::default();
    let resources = plan.spec.linux.resources.as_ref().unwrap_or(&none);
    let made = match Cgroup::create(layout, &path(plan, layout)?) {
        Ok(made) => made,
        Err(cgroup::Error::NotDelegated { .. } | cgroup::Error::NotMounted) if !limits_something(resources) => return Ok(None),
        Err(error) => return Err(Error::from(error).during("make the cgroup")),
    };
    let limited = made.apply(resources).during(|| "set the limits of the cgroup").and_then(|()| devices(plan, resources, &made));
    match limited {
        Ok(()) => Ok(Some(made)),
        Err(error) => {
            // Nobody is in it yet, so it goes at once; the first error is the one to tell.
            let _ = made.remove();
            Err(error)
        }
    }
}

/// Where no cgroups can be seen: then too a container runs without limits, unless the bundle asks for some.
///
/// # Errors
/// It does; `why` is the reason that it cannot have them.
pub fn without(plan: &Plan, why: cgroup::Error) -> Result<()> {
    let limits = plan.spec.linux.resources.as_ref().is_some_and(limits_something);
    if limits { Err(Error::from(why).during("make the cgroup")) } else { Ok(()) }
}

fn limits_something(resources: &Resources) -> bool {
    *resources != Resources { devices: resources.devices.clone(), ..Default::default() }
}

/// `linux.cgroupsPath`: absolute from the mount point, relative from our own cgroup; without one, the id below our own.
fn path(plan: &Plan, layout: &Layout) -> Result<PathBuf> {
    let wanted = plan.spec.linux.cgroups_path.as_deref().filter(|path| !path.is_empty());
    let path = PathBuf::from(wanted.unwrap_or(plan.id.as_str()));
    if path.components().any(|part| part.as_os_str() == "..") {
        return Err(Error::new(format!("`linux.cgroupsPath`: `{}` leads upwards", path.display())));
    }
    if wanted.is_none() && layout.is_unified() {
        // Our own cgroup has us in it, and v2 forbids it to hand controllers to children (no internal processes): a sibling it is.
        let own = layout.unified().and_then(|tree| tree.own.clone()).unwrap_or_default();
        return Ok(Path::new("/").join(own.parent().unwrap_or(Path::new(""))).join(plan.id.as_str()));
    }
    Ok(path)
}

/// Device rules. A user namespace may not set them, and need not: mknod(2) fails there anyway.
fn devices(plan: &Plan, resources: &Resources, cgroup: &Cgroup) -> Result<()> {
    if plan.bind_devices {
        xray::note(format_args!("device rules: not set, a user namespace may not, and mknod(2) fails in it anyway"));
        return Ok(());
    }
    cgroup.set_devices(&super::device_rules::with_defaults(resources, &plan.devices)).during(|| "set the device rules of the cgroup")
}

/// Goes into the container's cgroup, where it is not one of v2 that we were cloned into.
pub fn enter(init: &mut Init<'_>) -> Result<()> {
    init.start.entrances.iter().try_for_each(Entrance::enter).during(|| "enter the container's cgroup")
}

/// The cgroup as the child shows it.
pub fn view(layout: &Layout, cgroup: &Cgroup) -> View {
    let tree = |hierarchy: &cgroup::Hierarchy| {
        let first = hierarchy.controllers.first().map_or("", String::as_str);
        let key = if hierarchy.version == Version::V2 { "" } else { first };
        Some(TreeView {
            version: hierarchy.version,
            name: hierarchy.mount.file_name()?.to_string_lossy().into_owned(),
            controllers: hierarchy.controllers.clone(),
            directory: cgroup.directory(key)?.to_owned(),
        })
    };
    View { trees: layout.hierarchies.iter().filter_map(tree).collect() }
}

/// Mounts the container's view of the cgroups: with a cgroup namespace new mounts that begin at its own cgroup, without one binds of the
/// container's directories.
pub fn mount(init: &Init<'_>, root: &Root, wanted: &Mount) -> Result<()> {
    let Some(view) = &init.start.cgroup else { return Ok(()) };
    let namespaced = init.plan.has(CloneFlags::CLONE_NEWCGROUP);
    if let [tree] = view.trees.as_slice()
        && tree.version == Version::V2
    {
        return attach(tree, namespaced, root, &wanted.destination, wanted);
    }
    let base = mount::detached("tmpfs", &[("mode", "755")], wanted.options.attributes.set as u32 & !(READ_ONLY.set as u32))?;
    let target = root.create_dirs(&wanted.destination, 0o755)?;
    mount::attach(base.as_fd(), target.as_fd(), &wanted.destination)?;
    for tree in &view.trees {
        attach(tree, namespaced, root, &wanted.destination.join(&tree.name), wanted).during(|| format!("cgroup tree `{}`", tree.name))?;
        // `cpu,cpuacct` is one tree with two names.
        for alias in tree.controllers.iter().filter(|_| tree.name.contains(',')) {
            device::link(base.as_fd(), Path::new(alias), Path::new(&tree.name))?;
        }
    }
    Ok(mount::set_attributes(base.as_fd(), wanted.options.attributes.set & READ_ONLY.set, 0, false)?)
}

fn attach(tree: &TreeView, namespaced: bool, root: &Root, destination: &Path, wanted: &Mount) -> Result<()> {
    let attributes = wanted.options.attributes.set;
    let mounted = match namespaced.then(|| new(tree, attributes as u32)) {
        // A user namespace may mount a v1 tree only where it is mounted already in the same shape. What is seen there is seen through a bind, too.
        Some(Err(error)) if error.errno == Errno::EPERM => bound(tree, attributes)?,
        Some(new) => new?,
        None => bound(tree, attributes)?,
    };
    let target = root.create_dirs(destination, 0o755)?;
    Ok(mount::attach(mounted.as_fd(), target.as_fd(), destination)?)
}

fn bound(tree: &TreeView, attributes: u64) -> kernel::Result<OwnedFd> {
    let bound = mount::clone_tree(&tree.directory, true)?;
    mount::set_attributes(bound.as_fd(), attributes, 0, false)?;
    Ok(bound)
}

fn new(tree: &TreeView, attributes: u32) -> kernel::Result<OwnedFd> {
    if tree.version == Version::V2 {
        return mount::detached("cgroup2", &[], attributes);
    }
    let named = tree.controllers.iter().filter_map(|name| name.strip_prefix("name=")).map(|name| ("name", name));
    let plain = tree.controllers.iter().filter(|name| !name.starts_with("name=")).map(|name| (name.as_str(), ""));
    let mut parameters: Vec<(&str, &str)> = named.chain(plain).collect();
    if parameters.iter().all(|(key, _)| *key == "name") {
        parameters.insert(0, ("none", ""));
    }
    mount::detached("cgroup", &parameters, attributes)
}
