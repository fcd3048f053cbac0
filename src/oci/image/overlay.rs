//! Layers as one tree: overlayfs over the unpacked layers of the store, with a folder for changes.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use crate::kernel::error::Errno;
use crate::kernel::mount::{self, MsFlags};
use crate::kernel::root::Root;

/// Whether the changes must survive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// They belong to a container.
    Yes,
    /// What a crash cuts short is thrown away, so nothing need be written to the disk now; the kernel then refuses to use it again.
    No,
}

/// Mounts layers, the highest first, on `target`. Changes go to a pair of folders (`upper` and `work`). `userxattr` is how the store's layers were made.
///
/// # Errors
/// The kernel has no overlays for us, or a path is not text.
pub fn mount(lower: &[PathBuf], changes: Option<&(PathBuf, PathBuf)>, lasting: Lasting, target: &Path) -> Result<()> {
    let at = || Error::at(format!("mount an overlay on `{}`", target.display()));
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| Error::invalid(format!("path `{}`", path.display()), "it is not UTF-8"))
    };
    let lower = lower.iter().map(|path| text(path)).collect::<Result<Vec<String>>>()?;
    let mut others: Vec<(&str, String)> = vec![("userxattr", String::new())];
    if let Some((upper, work)) = changes {
        others.extend([("upperdir", text(upper)?), ("workdir", text(work)?)]);
        others.extend((lasting == Lasting::No).then(|| ("volatile", String::new())));
    }
    let parameters: Vec<(&str, &str)> =
        lower.iter().map(|path| ("lowerdir+", path.as_str())).chain(others.iter().map(|(key, value)| (*key, value.as_str()))).collect();
    match mount::detached("overlay", &parameters, 0) {
        Ok(tree) => {
            let folder = Root::open(target).map_err(at())?;
            mount::attach(tree.as_fd(), folder.as_fd(), target).map_err(at())
        }
        // Before Linux 6.7 the layers are one text, which mount(2) takes up to a page.
        Err(error) if error.errno == Errno::EINVAL => {
            let option = |(key, value): &(&str, String)| if value.is_empty() { (*key).to_owned() } else { format!("{key}={value}") };
            let options: Vec<String> = [format!("lowerdir={}", lower.join(":"))].into_iter().chain(others.iter().map(option)).collect();
            mount::mount("overlay", target, "overlay", MsFlags::empty(), Some(&options.join(","))).map_err(at())
        }
        Err(error) => Err(at()(error)),
    }
}
