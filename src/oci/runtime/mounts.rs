//! The mounts of `config.json`, each by descriptor: the file system or the cloned tree is made detached, gets its attributes, and only then
//! is it moved onto a target that the kernel resolved inside the root. No path of the image is ever followed out of it
//! (CVE-2021-30465), and there is no moment in which a read-only mount can be written.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use super::error::{During as _, Error, Result};
use super::options::Attributes;
use super::plan::{Mount, MountKind};
use super::steps::Init;
use super::{cgroup, copy_up, idmapped};
use crate::kernel::error::Errno;
use crate::kernel::mount::{MntFlags, MsFlags};
use crate::kernel::root::Root;
use crate::kernel::{device, fs, mount};

/// Makes all mounts in the order of the spec.
pub fn all(init: &mut Init<'_>) -> Result<()> {
    let root = init.root()?;
    for wanted in &init.plan.mounts {
        one(init, root, wanted).during(|| format!("mount `{}`", wanted.destination.display()))?;
    }
    Ok(())
}

fn one(init: &Init<'_>, root: &Root, wanted: &Mount) -> Result<()> {
    match &wanted.kind {
        MountKind::Bind { recursive } => bind(init, root, wanted, *recursive),
        MountKind::Cgroup => cgroup::mount(init, root, wanted),
        MountKind::New(fstype) => new(root, wanted, fstype),
        MountKind::Remount => {
            let target = root.handle(&wanted.destination)?;
            finish(target.as_fd(), wanted)
        }
    }
}

/// A part of the machine's tree.
fn bind(init: &Init<'_>, root: &Root, wanted: &Mount, recursive: bool) -> Result<()> {
    let source = init.plan.bundle.join(&wanted.source);
    let tree = mount::clone_tree(&source, recursive).map_err(|error| missing_source(error, &source))?;
    if wanted.options.id_map.is_some() || !wanted.users.is_empty() {
        idmapped::apply(init, &tree, wanted)?;
    }
    let target = if device::is_directory(tree.as_fd())? {
        root.create_dirs(&wanted.destination, 0o755)?
    } else {
        root.create_file(&wanted.destination, 0o644)?
    };
    attributes(tree.as_fd(), wanted)?;
    mount::attach(tree.as_fd(), target.as_fd(), &wanted.destination)?;
    propagation(tree.as_fd(), wanted)
}

fn missing_source(error: crate::kernel::Error, source: &Path) -> Error {
    let missing = error.errno == Errno::ENOENT;
    let error = Error::from(error);
    if missing { error.hint(format!("make `{}` first: a bind mount needs its source", source.display())) } else { error }
}

/// A new instance of a file system.
fn new(root: &Root, wanted: &Mount, fstype: &str) -> Result<()> {
    let target = target(root, &wanted.destination, fstype)?;
    let set = wanted.options.attributes.set as u32;
    let tree = detached(wanted, fstype, set, target.as_fd())?;
    if fstype == "tmpfs" && wanted.options.copy_up {
        copy_up::copy(target.as_fd(), tree.as_fd(), &wanted.destination)?;
    }
    if !wanted.options.recursive.is_empty() {
        set_attributes(tree.as_fd(), wanted.options.recursive, true)?;
    }
    mount::attach(tree.as_fd(), target.as_fd(), &wanted.destination)?;
    propagation(tree.as_fd(), wanted)
}

/// The mount point, made if it is missing. That of proc and sysfs must not lie behind a symbolic link: what the runtime and the program
/// then take for the kernel's would be the image's (CVE-2019-19921, CVE-2023-27561).
fn target(root: &Root, destination: &Path, fstype: &str) -> Result<OwnedFd> {
    if !matches!(fstype, "proc" | "sysfs") {
        return Ok(root.create_dirs(destination, 0o755)?);
    }
    match root.plain_directory(destination) {
        Err(error) if error.errno == Errno::ENOENT => Ok(root.create_dirs(destination, 0o755)?),
        Err(error) if matches!(error.errno, Errno::ELOOP | Errno::ENOTDIR) => Err(Error::from(error)
            .during(format!("{fstype} must be mounted on ordinary directory"))
            .hint("the image has a symbolic link there, which would lead the runtime astray")),
        other => Ok(other?),
    }
}

/// fsconfig(2) takes values up to 255 bytes.
const LONGEST_VALUE: usize = 255;
/// mount(2) takes options up to a page, with the zero at its end.
const LONGEST_DATA: usize = 4095;

fn detached(wanted: &Mount, fstype: &str, attributes: u32, target: BorrowedFd<'_>) -> Result<OwnedFd> {
    let long = |(key, value): &&(String, String)| fstype == "overlay" && key == "lowerdir" && value.len() > LONGEST_VALUE;
    let split: Vec<(&str, String)> = wanted.options.data.iter().find(long).map(|(_, list)| layers(list)).unwrap_or_default();
    let source = (!wanted.source.is_empty()).then_some(("source", wanted.source.as_str()));
    let others = wanted.options.data.iter().filter(|option| !long(option)).map(|(key, value)| (key.as_str(), value.as_str()));
    let parameters: Vec<(&str, &str)> =
        source.into_iter().chain(split.iter().map(|(key, layer)| (*key, layer.as_str()))).chain(others).collect();
    if let Some((key, value)) = parameters.iter().find(|(_, value)| value.len() > LONGEST_VALUE) {
        return Err(Error::new(format!("option `{key}`: {} characters, the kernel takes {LONGEST_VALUE}", value.len()))
            .hint("mount it before the container starts, and bind it"));
    }
    match mount::detached(fstype, &parameters, attributes) {
        // A kernel that does not know the key: the list goes to mount(2) as it stands.
        Err(error) if error.errno == Errno::EINVAL && !split.is_empty() => old_way(wanted, fstype, attributes, target),
        Err(error) if error.errno == Errno::ENODEV => {
            Err(Error::from(error).hint(format!("this kernel has no file system `{fstype}`: see /proc/filesystems")))
        }
        other => Ok(other?),
    }
}

/// By mount(2), whose options are one text of up to a page: before Linux 6.7 the only way for many layers. It takes a path and no descriptor, so it
/// mounts where no image can reach: in a tmpfs of our own that covers the target, and goes when its content is cloned.
fn old_way(wanted: &Mount, fstype: &str, attributes: u32, target: BorrowedFd<'_>) -> Result<OwnedFd> {
    let option = |(key, value): &(String, String)| if value.is_empty() { key.clone() } else { format!("{key}={value}") };
    let data = wanted.options.data.iter().map(option).collect::<Vec<_>>().join(",");
    if data.len() > LONGEST_DATA {
        return Err(Error::new(format!("options of {} characters, this kernel takes {LONGEST_DATA}", data.len()))
            .hint("mount it before the container starts, and bind it; from Linux 6.7 on there is no such limit"));
    }
    let cover = mount::detached("tmpfs", &[], 0)?;
    mount::attach(cover.as_fd(), target, &wanted.destination)?;
    let place = Path::new("/proc/self/fd").join(cover.as_raw_fd().to_string());
    let tree = old_mount(wanted, fstype, &place.join("new"), &data);
    mount::unmount(&place, MntFlags::MNT_DETACH)?;
    let tree = tree?;
    mount::set_attributes(tree.as_fd(), attributes.into(), 0, false)?;
    Ok(tree)
}

fn old_mount(wanted: &Mount, fstype: &str, place: &Path, data: &str) -> Result<OwnedFd> {
    fs::create_dir_all(place, 0o700)?;
    mount::mount(&wanted.source, place, fstype, MsFlags::empty(), Some(data))?;
    Ok(mount::clone_tree(place, false)?)
}

/// Adds one layer below those that were named so far (overlayfs, Linux 6.7).
const APPEND: &str = "lowerdir+";
/// As [`APPEND`], for a layer that only holds file contents (after `::`).
const APPEND_DATA: &str = "datadir+";

/// The layers of a `lowerdir` that is too long for one value, each as a value of its own. In the list `\:` is a colon of a path and `\\` a
/// backslash; a value of one layer is taken as it stands.
fn layers(list: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let (mut layer, mut key) = (String::new(), APPEND);
    let mut letters = list.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => layer.extend(letters.next()),
            ':' if layer.is_empty() => key = APPEND_DATA,
            ':' => found.push((key, std::mem::take(&mut layer))),
            other => layer.push(other),
        }
    }
    found.push((key, layer));
    found
}

/// Attributes and propagation of a mount that is in place.
fn finish(tree: BorrowedFd<'_>, wanted: &Mount) -> Result<()> {
    attributes(tree, wanted)?;
    propagation(tree, wanted)
}

fn attributes(tree: BorrowedFd<'_>, wanted: &Mount) -> Result<()> {
    set_attributes(tree, wanted.options.attributes, false)?;
    set_attributes(tree, wanted.options.recursive, true)
}

fn set_attributes(tree: BorrowedFd<'_>, attributes: Attributes, recursive: bool) -> Result<()> {
    if attributes.is_empty() {
        return Ok(());
    }
    Ok(mount::set_attributes(tree, attributes.set, attributes.clear, recursive)?)
}

fn propagation(tree: BorrowedFd<'_>, wanted: &Mount) -> Result<()> {
    for flags in &wanted.options.propagation {
        mount::set_propagation(tree, *flags)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_layers_becomes_one_value_each() {
        let of = |list| layers(list).iter().map(|(key, layer)| format!("{key} {layer}")).collect::<Vec<_>>();
        assert_eq!(of("/a:/b"), ["lowerdir+ /a", "lowerdir+ /b"]);
        assert_eq!(of("/a::/d1::/d2"), ["lowerdir+ /a", "datadir+ /d1", "datadir+ /d2"]);
        assert_eq!(of(r"/a\:b:/c\\"), ["lowerdir+ /a:b", r"lowerdir+ /c\"]);
    }
}
