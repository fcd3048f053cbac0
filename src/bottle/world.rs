//! Everything about a bottle that PID 1 and the hosts need to know. Made by the keeper before PID 1 is cloned, which has it by inheritance.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use super::ceiling::Hierarchies;
use super::ids::Ids;
use super::state::State;
use super::{Error, Mode, Spec, machine, share};
use crate::kernel::mount::MsFlags;
use crate::kernel::{self, mount, ns, release};

/// How a host's root is made of the machine's file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One overlay of `/`, whose lower layer is id-mapped: files keep their owners. Linux 5.19 or newer, started by root.
    Whole,
    /// An overlay for each top-level folder; files of the machine's users belong to nobody.
    Folders,
}

/// A file system of the machine that hosts show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Where it is on the machine, and in a host.
    pub path: PathBuf,
    /// Whether a host has a copy of it. An ordinary user cannot overlay what has other mounts in it, as `/etc` has in a container, and without an
    /// `/etc` of its own no host can have a name.
    pub copied: bool,
}

impl Layer {
    /// The name of its upper folder.
    pub fn key(&self) -> String {
        if self.path == Path::new("/") {
            return "root".to_owned();
        }
        // What stands for a slash, and what stands for that, is told apart from the path's own; `root` is taken.
        let text = self.path.to_string_lossy().trim_matches('/').replace('%', "%25").replace('+', "%2b").replace('/', "+");
        if text == "root" { "%72oot".to_owned() } else { text }
    }

    /// The path of the layer whose upper folder has this name.
    pub fn path_of(key: &str) -> PathBuf {
        match key {
            "root" => PathBuf::from("/"),
            "%72oot" => PathBuf::from("/root"),
            _ => Path::new("/").join(key.replace('+', "/").replace("%2b", "+").replace("%25", "%")),
        }
    }
}

/// The plan of a bottle.
#[derive(Debug)]
pub struct World {
    /// What was asked for.
    pub spec: Spec,
    /// Its state on disk.
    pub state: State,
    /// Who builds it.
    pub mode: Mode,
    /// The ids of its user namespace.
    pub ids: Ids,
    /// How roots are made.
    pub layout: Layout,
    /// Of what.
    pub layers: Vec<Layer>,
    /// The machine's cgroup hierarchies.
    pub hierarchies: Hierarchies,
    /// Our own program.
    pub program: PathBuf,
    /// The names that it answers to in a host.
    pub applets: Vec<String>,
}

/// Detached copies of the machine's mounts, made where the machine's root may make them. An ordinary user has none: PID 1 makes its own.
#[derive(Debug, Default)]
pub struct Trees {
    /// One per layer, id-mapped.
    pub layers: Vec<OwnedFd>,
    /// The hosts' folders of the state.
    pub state: Option<OwnedFd>,
    /// Our own program.
    pub program: Option<OwnedFd>,
    /// The shared folder.
    pub share: Option<OwnedFd>,
}

impl World {
    /// The layers for a layout.
    pub fn layers_of(layout: Layout) -> Vec<Layer> {
        match layout {
            Layout::Whole => machine::layers().into_iter().map(|path| Layer { path, copied: false }).collect(),
            Layout::Folders => folders().into_iter().map(|path| Layer { copied: machine::is_divided_etc(&path), path }).collect(),
        }
    }

    /// The layer that shows `path`, and the rest of the path in it.
    pub fn layer_of<'a>(&'a self, path: &'a Path) -> Option<(&'a Layer, &'a Path)> {
        let under = |layer: &'a Layer| Some((layer, path.strip_prefix(&layer.path).ok()?));
        self.layers.iter().filter_map(under).max_by_key(|(layer, _)| layer.path.components().count())
    }
}

/// The top-level folders that are overlaid one by one.
fn folders() -> Vec<PathBuf> {
    let names = kernel::fs::list(Path::new("/")).unwrap_or_default();
    let hidden = |path: &Path| machine::HIDDEN_FOLDERS.iter().any(|hidden| path == Path::new(hidden));
    let kept = names.into_iter().filter(|name| !machine::OWN.contains(&name.as_str())).map(|name| Path::new("/").join(name));
    kept.filter(|path| std::fs::symlink_metadata(path).is_ok_and(|data| data.is_dir()) && !hidden(path)).collect()
}

impl Trees {
    /// Clones the machine's mounts for a bottle that is started by root. Those that cannot have an id map come out without:
    /// `map` then refuses them.
    ///
    /// A clone of a shared mount is in the same peer group (mount_namespaces(7)), and systemd shares `/`: each is made private, or what is
    /// mounted in the bottle would be mounted on the machine too, and stay there when the bottle is gone.
    ///
    /// # Errors
    /// open_tree(2) or mount_setattr(2) refused.
    pub fn of_machine(world: &World) -> Result<Trees, Error> {
        if world.mode == Mode::Rootless {
            return Ok(Trees::default());
        }
        let clone = |path: &Path| {
            let tree = mount::clone_tree(path, false)?;
            mount::set_propagation(tree.as_fd(), MsFlags::MS_PRIVATE).map(|()| tree)
        };
        let clone = |path: &Path| clone(path).map_err(Error::at("take a view of the machine's files"));
        let layers = match world.layout {
            Layout::Whole => world.layers.iter().map(|layer| clone(&layer.path)).collect::<Result<_, _>>()?,
            Layout::Folders => Vec::new(),
        };
        let share = world.spec.share.as_deref().map(clone).transpose()?;
        Ok(Trees { layers, state: Some(clone(&world.state.path("hosts"))?), program: Some(clone(&world.program)?), share })
    }

    /// Gives the layers the map of the user namespace of `pid`, and the shared folder one in which its owner is the bottle's root.
    ///
    /// # Errors
    /// EINVAL where the file system has no id-mapped mounts.
    pub fn map(&self, world: &World, pid: i32) -> Result<(), Error> {
        if self.layers.is_empty() && self.program.is_none() {
            return Ok(());
        }
        let namespace = ns::open(pid, "user").map_err(Error::at("hold the bottle's user namespace"))?;
        for tree in &self.layers {
            mount::id_map(tree.as_fd(), namespace.as_fd()).map_err(Error::at("map the owners of the machine's files"))?;
        }
        if let (Some(tree), Some(path)) = (&self.share, &world.spec.share) {
            share::map(tree, path, world.ids.root())?;
        }
        Ok(())
    }
}

/// Whether `/` of this machine can be the id-mapped lower layer of an overlay: tried on a detached copy that nobody sees.
///
/// # Errors
/// The kernel's refusal, to be told to the learner.
pub fn can_map_root() -> kernel::Result<()> {
    // Before 5.19 overlayfs refuses id-mapped layers.
    if release::version() < (5, 19) {
        return Err(kernel::Error::new("mount overlay on an id-mapped lower layer", release::name(), kernel::error::Errno::EOPNOTSUPP));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_upper_folder_tells_its_layer() {
        for path in ["/", "/root", "/srv", "/var/lib", "/mnt/a+b", "/mnt/50%/%2b", "/mnt/%25"] {
            let layer = Layer { path: path.into(), copied: false };
            assert_eq!(Layer::path_of(&layer.key()), Path::new(path), "{}", layer.key());
            assert!(!layer.key().contains('/'));
        }
    }
}
