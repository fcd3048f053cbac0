//! The place where layers are made: overlays over the store's layers, each with an upper folder that becomes the next layer.
//!
//! ```text
//!  build/work/NAME/lock        held as long as the build lives: a folder whose lock is free was left by one that was killed
//!  build/work/NAME/N/upper     what a step changes; renamed into `layers/` when the step is done
//!  build/work/NAME/N/merged    the tree that the step sees
//! ```
//!
//! Overlays are mounted in the build's own mount namespace, and containers live in its own pid namespace (see [`super::sandbox`]): whatever happens to the
//! build, no mount and no process stays.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{During as _, Error, Result};
use super::state::Layer;
use crate::kernel::folder::{FileType, Folder};
use crate::kernel::mount::{self, MntFlags};
use crate::kernel::root::Root;
use crate::kernel::{fs, ids, lock, random};
use crate::oci::digest::Digest;
use crate::oci::image::archive::Limits;
use crate::oci::image::overlay::{self, Lasting};
use crate::oci::image::pack::Source;
use crate::oci::image::spec::{Descriptor, ImageConfig, Manifest, RootFs};
use crate::oci::image::{Image, Store, layers};

/// A folder of one build.
pub struct Workshop<'a> {
    /// The store whose layers are used and made.
    pub store: &'a Store,
    folder: PathBuf,
    lock: OwnedFd,
    next: AtomicU64,
    /// This user namespace has a single id.
    pub single: bool,
    /// `SOURCE_DATE_EPOCH`: no file of a new layer is younger.
    pub epoch: Option<i64>,
}

/// A tree that a step sees. It is unmounted when it is dropped.
pub struct Mounted {
    /// The step's folder.
    pub folder: PathBuf,
    /// The tree.
    pub merged: PathBuf,
    /// Where changes go; `None` for one that is only read.
    pub upper: Option<PathBuf>,
    overlay: bool,
}

/// A layer that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The packed layer.
    pub descriptor: Descriptor,
    /// The digest of its tar.
    pub diff_id: Digest,
    /// The bytes of the files in it.
    pub bytes: u64,
}

impl<'a> Workshop<'a> {
    /// Makes a workshop, and removes those of builds that were killed.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn open(store: &'a Store, epoch: Option<i64>) -> Result<Self> {
        let all = store.folder().join("build/work");
        fs::create_dir_all(&all, 0o700)?;
        // One at a time: a workshop that is made and not yet locked would be swept away by another build as one whose owner was killed.
        let _turn = lock::wait_for(&all)?;
        sweep(&all)?;
        let name: String = random::bytes::<8>().iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = all.join(name);
        fs::create_dir(&folder, 0o700)?;
        let lock = lock::try_take(&folder.join("lock"))?.ok_or_else(|| Error::new("the new workshop has an owner already"))?;
        Ok(Workshop { store, folder, lock, next: AtomicU64::new(0), single: ids::single(), epoch })
    }

    /// A new empty folder for a step.
    ///
    /// # Errors
    /// The disk is full.
    pub fn step(&self) -> Result<PathBuf> {
        let folder = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&folder, 0o700)?;
        Ok(folder)
    }

    /// Where the containers of this build are remembered.
    pub fn containers(&self) -> PathBuf {
        self.folder.join("oci")
    }

    /// Mounts layers as a tree. With `writable`, changes go to a new upper folder.
    ///
    /// # Errors
    /// A layer cannot be unpacked; the kernel has no overlay for us.
    pub fn mount(&self, layers: &[Layer], writable: bool) -> Result<Mounted> {
        let folder = self.step()?;
        let (merged, upper) = (folder.join("merged"), folder.join("upper"));
        fs::create_dir(&upper, 0o755)?;
        if layers.is_empty() {
            // Nothing is below: the upper folder is the tree.
            return Ok(Mounted { folder, merged: upper.clone(), upper: Some(upper), overlay: false });
        }
        fs::create_dir(&merged, 0o755)?;
        fs::create_dir(&folder.join("work"), 0o700)?;
        let unpacked = self.unpacked(layers)?;
        let mut lower: Vec<PathBuf> = layers::lower_folders(&unpacked).into_iter().map(Path::to_owned).collect();
        if !writable {
            // Overlayfs wants two lower folders where nothing is above.
            lower.push(upper.clone());
        }
        let changes = writable.then(|| (upper.clone(), folder.join("work")));
        overlay::mount(&lower, changes.as_ref(), Lasting::No, &merged).during(|| "mount the layers")?;
        Ok(Mounted { folder, merged, upper: writable.then_some(upper), overlay: true })
    }

    /// The layers as folders. What is not unpacked yet is now.
    fn unpacked(&self, layers: &[Layer]) -> Result<Vec<layers::Layer>> {
        let known: Option<Vec<layers::Layer>> = layers.iter().map(|layer| self.store.layer(&layer.chain_id).ok().flatten()).collect();
        if let Some(known) = known {
            return Ok(known);
        }
        let rootfs = RootFs { diff_ids: layers.iter().map(|layer| layer.diff_id.clone()).collect(), ..RootFs::default() };
        let config = ImageConfig { rootfs, ..ImageConfig::default() };
        let nothing = Descriptor::of("", b"");
        let manifest = Manifest::new(nothing.clone(), layers.iter().map(|layer| layer.descriptor.clone()).collect());
        let image = Image { target: nothing.clone(), descriptor: nothing, manifest, config, tags: Vec::new(), digests: Vec::new() };
        Ok(self.store.unpack_image(&image, Limits::default(), &mut |_, _| {})?)
    }

    /// Makes a layer of what a step changed, on top of `below`.
    ///
    /// # Errors
    /// A file cannot be read; the disk is full.
    pub fn finish(&self, mut mounted: Mounted, below: &[Layer]) -> Result<Made> {
        mounted.unmount()?;
        let Some(upper) = mounted.upper.take() else { return Err(Error::new("a tree that is only read makes no layer")) };
        let folder = Folder::open(&upper)?;
        if let Some(epoch) = self.epoch {
            clamp(&folder, epoch)?;
        }
        let packed = self.store.pack_layer(&folder, Source::Upper)?;
        let layer = Layer::above(below.last(), packed.descriptor.clone(), packed.diff_id.clone());
        let parent = below.last().map(|below| &below.chain_id);
        self.store.adopt_layer(parent, &packed.diff_id, layer.chain_id, &upper, packed.content)?;
        discard(&mounted.folder)?;
        Ok(Made { descriptor: packed.descriptor, diff_id: packed.diff_id, bytes: packed.content.bytes })
    }
}

impl Drop for Workshop<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next build, which finds the lock free.
        let _ = discard(&self.folder);
        lock::give_back(&self.lock);
    }
}

impl Mounted {
    /// The tree as a root.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn root(&self) -> Result<Root> {
        Ok(Root::open(&self.merged)?)
    }

    fn unmount(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.overlay) {
            return Ok(());
        }
        Ok(mount::unmount(&self.merged, MntFlags::MNT_DETACH)?)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The mount goes with the build's mount namespace at the latest.
        let _ = self.unmount();
    }
}

/// Removes a folder of ours with strangers' files in it.
pub fn discard(folder: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return Ok(()) };
    Folder::open(parent).and_then(|parent| parent.remove(name)).during(|| format!("remove `{}`", folder.display()))
}

/// Removes what builds in the store of this folder left that ended without doing so: their workshops, and their steps' cgroups.
///
/// # Errors
/// The folder of workshops cannot be read.
pub fn sweep_store(store: &Path) -> Result<()> {
    let all = store.join("build/work");
    if !all.is_dir() {
        return Ok(());
    }
    let _turn = lock::wait_for(&all)?;
    sweep(&all)
}

/// Removes the workshops of builds that ended without doing so.
fn sweep(all: &Path) -> Result<()> {
    for name in fs::list(all)? {
        let folder = all.join(name);
        // Without the folder there is no lock: somebody else has just removed it.
        let Ok(lock) = lock::try_take(&folder.join("lock")) else { continue };
        if lock.is_some() {
            super::container::forget_all(&folder.join("oci"));
            // A second build may be at it too: what is left is for the next.
            let _ = discard(&folder);
        }
    }
    Ok(())
}

/// Makes nothing in the folder younger than `epoch`.
fn clamp(top: &Folder, epoch: i64) -> Result<()> {
    let mut waiting = vec![top.again()?];
    while let Some(folder) = waiting.pop() {
        for (name, kind) in folder.names()? {
            let Some(status) = folder.status(&name)? else { continue };
            if status.modified.0 >= epoch && !status.is_whiteout() {
                folder.set_modified(&name, (epoch, 0))?;
            }
            if kind == FileType::Directory {
                waiting.push(folder.enter(&name)?);
            }
        }
    }
    Ok(())
}
