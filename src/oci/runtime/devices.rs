//! `/dev`: the nodes and links that every program expects (config-linux.md, "Default Devices").

use std::os::fd::AsFd as _;
use std::path::Path;

use super::error::{During as _, Result};
use super::plan::MountKind;
use super::steps::Init;
use crate::kernel::device::{self, Kind, Node};
use crate::kernel::error::Errno;
use crate::kernel::mount;
use crate::kernel::root::Root;

/// Links in `/dev`, for shells (`<(...)`) and for terminals.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    // The multiplexer of the container's own devpts.
    ("ptmx", "pts/ptmx"),
];

/// Makes all nodes and links, unless the bundle brings a whole `/dev` of its own by a bind mount.
pub fn all(init: &mut Init<'_>) -> Result<()> {
    if init.plan.mounts.iter().any(|mount| mount.destination == Path::new("/dev") && matches!(mount.kind, MountKind::Bind { .. })) {
        return Ok(());
    }
    let root = init.root()?;
    device::umask(0);
    for (path, node) in &init.plan.devices {
        one(root, path, node, init.plan.bind_devices).during(|| format!("make the device `{}`", path.display()))?;
    }
    device::umask(init.credentials.umask);
    links(root)
}

fn one(root: &Root, path: &Path, node: &Node, bind: bool) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let directory = root.create_dirs(parent, 0o755)?;
    if bind && node.kind != Kind::Fifo {
        return bound(root, path, node);
    }
    let name = Path::new(name);
    match device::make(directory.as_fd(), name, node) {
        // The image brought something else by that name: a plain file, or a link to be followed by the masks (CVE-2025-31133).
        Err(error) if error.errno == Errno::EEXIST => {
            device::unlink(directory.as_fd(), name)?;
            Ok(device::make(directory.as_fd(), name, node)?)
        }
        other => Ok(other?),
    }
}

/// In a user namespace mknod(2) is forbidden: the machine's node is bound instead, after a look at its number.
fn bound(root: &Root, path: &Path, node: &Node) -> Result<()> {
    let source = mount::clone_tree(path, false)?;
    device::expect(&source, node.kind, node.major, node.minor, path)?;
    let target = root.create_file(path, 0o666)?;
    Ok(mount::attach(source.as_fd(), target.as_fd(), path)?)
}

fn links(root: &Root) -> Result<()> {
    let dev = root.create_dirs(Path::new("/dev"), 0o755)?;
    for (name, target) in LINKS {
        if name == "ptmx" {
            // The image's own node would be the machine's multiplexer.
            device::unlink(dev.as_fd(), Path::new(name))?;
        }
        device::link(dev.as_fd(), Path::new(name), Path::new(target))?;
    }
    Ok(())
}
