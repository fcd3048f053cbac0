//! Layers that are made here: the small ones of single images, and the toolbox that all of them share.

use std::io::{BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::closure::{self, Closure};
use super::elf::Elf;
use super::tree::{Copied, Tree};
use crate::kernel::{fs, lock};
use crate::oci::digest::{Algorithm, Digest, HashedWriter};
use crate::oci::image::spec::{Descriptor, media};
use crate::oci::image::{Error, Result, Store};

/// Where the toolbox lies in an image.
pub const TOOLBOX: &str = "usr/lib/bottleship";
/// The file in the toolbox that says where bash looks for its libraries: `path<TAB>file` lines. `apk add bash` links them.
pub const LIBRARIES: &str = "libraries";
/// The file of the store that remembers its toolbox layer.
const RECORD: &str = "toolbox-layer.json";
/// No layer that is made here is larger, in bytes.
const LARGEST: u64 = 1 << 30;
/// The size of the pieces in which the toolbox is written, in bytes.
const PIECE: usize = 1 << 20;
/// The headers of a program are within so many bytes.
const HEADERS: u64 = 4096;
/// The lock under which the toolbox layer is made.
const LOCK: &str = "toolbox-layer.lock";
/// The programs that the toolbox takes from the machine with their libraries. Without them `bash` and `sh` are BusyBox's.
pub const SHELLS: [&str; 2] = ["bash", "dash"];

/// A layer in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The compressed blob.
    pub descriptor: Descriptor,
    /// The digest of the tar.
    pub diff_id: Digest,
}

/// What the store remembers: from what the toolbox was made, and the layer.
#[derive(Serialize, Deserialize)]
struct Record {
    made_of: String,
    made: Made,
}

/// Writes a layer of the files of `tree`.
///
/// # Errors
/// The store cannot be written.
pub fn of_tree(store: &Store, tree: &Tree) -> Result<Made> {
    let mut ingest = store.ingest_new(LARGEST)?;
    // Neither a name nor a time in the header: equal files give equal blobs.
    let encoder = flate2::GzBuilder::new().write(&mut ingest, flate2::Compression::new(6));
    let mut hashed = HashedWriter::new(encoder, Algorithm::Sha256);
    tree.write(&mut hashed).map_err(Error::reading("write the layer"))?;
    let (encoder, diff_id) = hashed.finish();
    encoder.finish().map_err(Error::reading("compress the layer"))?;
    let (digest, size) = ingest.commit()?;
    Ok(Made { descriptor: Descriptor::new(media::LAYER_GZIP, digest, size), diff_id })
}

/// The shared layer: this program, BusyBox, and the shells of this machine. Made when the store has none from the same parts.
///
/// # Errors
/// This machine has no static BusyBox; or the store cannot be written.
pub fn toolbox(store: &Store) -> Result<Made> {
    let parts = Parts::find()?;
    // Whoever comes while it is being made waits, and finds it done.
    let _one = lock::take(&store.folder().join(LOCK)).map_err(Error::at("lock the toolbox layer"))?;
    let (made_of, record) = (parts.identity(), store.folder().join(RECORD));
    let known = fs::read(&record).ok().and_then(|text| serde_json::from_str::<Record>(&text).ok());
    if let Some(known) = known.filter(|known| known.made_of == made_of && store.has(&known.made.descriptor.digest)) {
        return Ok(known.made);
    }
    // Not compressed: the first pull waits for it, it goes over no wire but the loopback, and one hash is the blob's digest and the diff id at once.
    let mut ingest = store.ingest_new(LARGEST)?;
    let failed = || Error::reading("write the toolbox layer");
    // The archive comes in small pieces, and each would be a call of the kernel.
    let mut writer = BufWriter::with_capacity(PIECE, &mut ingest);
    parts.tree()?.write(&mut writer).and_then(|()| writer.flush()).map_err(failed())?;
    drop(writer);
    let (digest, size) = ingest.commit()?;
    let made = Made { descriptor: Descriptor::new(media::LAYER, digest.clone(), size), diff_id: digest };
    let text = serde_json::to_vec(&Record { made_of, made: made.clone() }).map_err(|error| Error::invalid("toolbox layer", error))?;
    fs::replace(&record, &text, 0o600).map_err(Error::at("remember the toolbox layer"))?;
    Ok(made)
}

/// The files that the toolbox is made of.
struct Parts {
    program: PathBuf,
    busybox: PathBuf,
}

impl Parts {
    fn find() -> Result<Self> {
        Ok(Parts { program: PathBuf::from("/proc/self/exe"), busybox: busybox()? })
    }

    /// Changes when a part changes: inode, size and time of change of each.
    fn identity(&self) -> String {
        let shells = SHELLS.iter().map(|name| Path::new("/usr/bin").join(name));
        let parts = [self.program.clone(), self.busybox.clone()].into_iter().chain(shells);
        let one = |path: PathBuf| match std::fs::metadata(&path) {
            Ok(data) => format!("{}:{}:{}.{}", data.ino(), data.len(), data.mtime(), data.mtime_nsec()),
            Err(_) => "-".to_owned(),
        };
        parts.map(one).collect::<Vec<String>>().join(" ")
    }

    fn tree(&self) -> Result<Tree> {
        let at = |path: &Path| Error::at(format!("put `{}` into the toolbox", path.display()));
        let program = stripped(&self.program).map_err(at(&self.program))?;
        let busybox = fs::read_bytes(&self.busybox).map_err(at(&self.busybox))?;
        let mut tree = Tree::default().copied(&format!("{TOOLBOX}/toolbox"), program).program(&format!("{TOOLBOX}/busybox"), busybox);
        let mut lines = std::collections::BTreeSet::new();
        for (name, closure) in shells() {
            tree = tree.program(&format!("{TOOLBOX}/{name}"), closure.program);
            for (path, bytes) in closure.libraries {
                let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                tree = tree.program(&format!("{TOOLBOX}/lib/{file}"), bytes);
                lines.insert(format!("{}\t/{TOOLBOX}/lib/{file}\n", path.display()));
            }
        }
        Ok(tree.text(&format!("{TOOLBOX}/{LIBRARIES}"), lines.into_iter().collect::<String>()))
    }
}

/// A program without the tables for debuggers, which are most of one that was built for tests.
fn stripped(path: &Path) -> crate::kernel::Result<Copied> {
    let (head, size) = (fs::read_start(path, HEADERS)?, fs::length(path)?);
    let cut = Elf::read(&head).and_then(|elf| Some((elf.without_sections()?, elf.loaded()?))).filter(|(_, loaded)| *loaded <= size);
    let (head, size) = cut.unwrap_or((Vec::new(), size));
    Ok(Copied { from: path.to_owned(), head, size })
}

/// The shells of this machine that run with the libraries of this machine.
pub fn shells() -> Vec<(&'static str, Closure)> {
    SHELLS.iter().filter_map(|name| Some((*name, closure::of(name)?))).collect()
}

/// The machine's BusyBox; one that needs libraries would not start in an image without them.
pub fn busybox() -> Result<PathBuf> {
    let usual = ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static", "/usr/bin/busybox-static"];
    let is_static = |path: &&Path| {
        let bytes = fs::read_bytes(path).unwrap_or_default();
        Elf::read(&bytes).is_some_and(|elf| elf.interpreter().is_none())
    };
    usual.iter().map(Path::new).find(is_static).map(Path::to_owned).ok_or_else(|| {
        let why = "this machine has no static BusyBox, which is the userland of the course images: install it \
                   (Debian and Ubuntu: apt-get install busybox-static; Alpine: apk add busybox-static)";
        Error::invalid("toolbox", why)
    })
}
