//! Unpacked layers, shared by all images that have them.
//!
//! A layer lies in `layers/CHAIN`, named by its chain id: the hash of it and of all layers below. `diff/` is what overlayfs stacks; `layer.json` is written
//! last, so a folder without it is a crash's leftover. It is made under a lock as `layers/.CHAIN` and renamed when it is whole; a second who
//! wants it waits and finds it done. While it is unpacked the digest of the uncompressed tar, the diff id, is compared with the configuration's.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::{Deserialize, Serialize};

use super::archive::{Bounded, Counted, Limits};
use super::blobs::verify;
use super::compress::decoder;
use super::error::{Error, Result};
use super::names::Image;
use super::store::Store;
use super::unpack::{self, Options, Owners, Unpacked, Whiteouts};
use crate::kernel::error::Errno;
use crate::kernel::folder::{Folder, Status};
use crate::kernel::root::Root;
use crate::kernel::{fs, lock};
use crate::oci::digest::{Algorithm, Digest, Hashed};

/// The size of the pieces that go from the decoder to the files, and how many wait in between.
const PIECE: usize = 256 << 10;
const WAITING: usize = 8;

/// An unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The layer together with all below it.
    pub chain_id: Digest,
    /// Its own tar, uncompressed.
    pub diff_id: Digest,
    /// The folder for the overlay.
    pub diff: PathBuf,
    /// What is in it.
    pub content: Unpacked,
}

/// What `layer.json` says.
#[derive(Serialize, Deserialize)]
struct Record {
    diff_id: Digest,
    parent: Option<Digest>,
    content: Unpacked,
}

impl Store {
    /// The unpacked layer, if it is there.
    ///
    /// # Errors
    /// Its record is damaged.
    pub fn layer(&self, chain_id: &Digest) -> Result<Option<Layer>> {
        let folder = self.layer_folder(chain_id);
        let record = folder.join("layer.json");
        if !record.exists() {
            return Ok(None);
        }
        let text = fs::read(&record).map_err(Error::at(format!("read the layer {chain_id}")))?;
        let record: Record = serde_json::from_str(&text).map_err(|error| Error::invalid(format!("layer {chain_id}"), error))?;
        Ok(Some(Layer { chain_id: chain_id.clone(), diff_id: record.diff_id, diff: folder.join("diff"), content: record.content }))
    }

    /// Unpacks what is not unpacked yet and gives all layers, lowest first. `progress` hears of each layer before and after.
    ///
    /// # Errors
    /// A layer is not in the store, is not what the configuration says, or breaks a rule of archives.
    pub fn unpack_image(&self, image: &Image, limits: Limits, progress: &mut dyn FnMut(&Digest, bool)) -> Result<Vec<Layer>> {
        let _lease = self.lease()?;
        let mut layers: Vec<Layer> = Vec::new();
        let chain = image.config.chain_ids();
        for ((descriptor, diff_id), chain_id) in image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids).zip(chain) {
            progress(&descriptor.digest, false);
            layers.push(self.unpack_layer(&layers, &descriptor.digest, diff_id, chain_id, limits)?);
            progress(&descriptor.digest, true);
        }
        Ok(layers)
    }

    fn unpack_layer(&self, below: &[Layer], blob: &Digest, diff_id: &Digest, chain_id: Digest, limits: Limits) -> Result<Layer> {
        self.make_layer(below.last().map(|layer| &layer.chain_id), diff_id, chain_id, |_, diff| {
            let options = Options { whiteouts: Whiteouts::Overlay, owners: Owners::possible(), limits };
            let lower = |path: &Path| lower_status(below, path);
            let (content, found) = stream(self.open_blob(blob)?, limits, |reader| unpack::unpack(reader, &diff, options, &lower))?;
            verify(&format!("the layer {blob}, uncompressed,"), diff_id, found)?;
            Ok(content)
        })
    }

    /// Makes a layer of a folder that holds its files already: the upper folder of an overlay, on this file system. The folder is gone afterwards, or
    /// is as it was if somebody has made the same layer meanwhile.
    ///
    /// # Errors
    /// The folder cannot be renamed.
    pub fn adopt_layer(
        &self,
        parent: Option<&Digest>,
        diff_id: &Digest,
        chain_id: Digest,
        folder: &Path,
        content: Unpacked,
    ) -> Result<Layer> {
        self.make_layer(parent, diff_id, chain_id, |diff, _| {
            fs::rename(folder, diff).map_err(Error::at(format!("take over `{}`", folder.display())))?;
            Ok(content)
        })
    }

    /// Makes a layer whose files `fill` puts into an empty folder, unless it is there.
    ///
    /// # Errors
    /// Those of `fill`; nothing is left then.
    fn make_layer(
        &self,
        parent: Option<&Digest>,
        diff_id: &Digest,
        chain_id: Digest,
        fill: impl FnOnce(&Path, Root) -> Result<Unpacked>,
    ) -> Result<Layer> {
        let at = || Error::at(format!("unpack the layer {chain_id}"));
        if let Some(layer) = self.layer(&chain_id)? {
            return Ok(layer);
        }
        let _lock = lock::take(&self.path("layers").join(format!(".{}.lock", chain_id.hex()))).map_err(at())?;
        if let Some(layer) = self.layer(&chain_id)? {
            return Ok(layer);
        }
        let unfinished = self.path("layers").join(format!(".{}", chain_id.hex()));
        self.discard(&unfinished)?;
        fs::create_dir(&unfinished, 0o700).map_err(at())?;
        fs::create_dir(&unfinished.join("diff"), 0o755).map_err(at())?;
        let diff = unfinished.join("diff");
        let filled = Root::open(&diff).map_err(at()).and_then(|root| fill(&diff, root));
        let content = match filled {
            Ok(content) => content,
            Err(error) => {
                self.discard(&unfinished)?;
                return Err(error);
            }
        };
        let record = Record { diff_id: diff_id.clone(), parent: parent.cloned(), content };
        let text = serde_json::to_vec(&record).map_err(|error| Error::invalid("layer record", error))?;
        fs::replace(&unfinished.join("layer.json"), &text, 0o600).map_err(at())?;
        // What a crash may leave at the target has no record, so nobody uses it.
        let folder = self.layer_folder(&chain_id);
        self.discard(&folder)?;
        fs::rename(&unfinished, &folder).map_err(at())?;
        self.layer(&chain_id)?.ok_or_else(|| Error::NoSuchBlob(chain_id.clone()))
    }

    /// All unpacked layers by chain id, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn layers(&self) -> Result<Vec<Digest>> {
        let names = fs::list(&self.path("layers")).map_err(Error::at("list the layers"))?;
        Ok(names.iter().filter_map(|name| format!("sha256:{name}").parse().ok()).collect())
    }

    pub(super) fn layer_folder(&self, chain_id: &Digest) -> PathBuf {
        self.path("layers").join(chain_id.hex())
    }

    /// Removes an unpacked layer. It first gets the name of one that is not finished, which nobody uses and the next sweep removes: a kill in the
    /// middle leaves nothing that looks whole.
    pub(super) fn discard_layer(&self, chain_id: &Digest) -> Result<()> {
        let unfinished = self.path("layers").join(format!(".{}", chain_id.hex()));
        self.discard(&unfinished)?;
        match fs::rename(&self.layer_folder(chain_id), &unfinished) {
            Err(error) if error.errno == Errno::ENOENT => return Ok(()),
            renamed => renamed.map_err(Error::at(format!("take away the layer {chain_id}")))?,
        }
        self.discard(&unfinished)
    }

    /// Removes a folder of ours in which strangers' files lie.
    pub(super) fn discard(&self, folder: &Path) -> Result<()> {
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return Ok(()) };
        Folder::open(parent).and_then(|parent| parent.remove(name)).map_err(Error::at(format!("remove `{}`", folder.display())))
    }
}

/// The folders of an overlay's lower layers in the order that overlayfs wants: the highest first.
pub fn lower_folders(layers: &[Layer]) -> Vec<&Path> {
    layers.iter().rev().map(|layer| layer.diff.as_path()).collect()
}

/// What `path` is in the layers below, from the highest that has it.
fn lower_status(below: &[Layer], path: &Path) -> Option<Status> {
    let (parent, name) = (path.parent()?, path.file_name()?);
    below.iter().rev().find_map(|layer| {
        let root = Root::open(&layer.diff).ok()?;
        let folder = Folder::from_fd(root.plain_directory(parent).ok()?);
        folder.status(name).ok()?
    })
}

/// Decompresses and hashes in a thread of its own while `take` writes files, and gives what `take` gave and the digest of all that came out.
pub(super) fn stream<T>(source: impl Read + Send, limits: Limits, take: impl FnOnce(&mut Pieces) -> Result<T>) -> Result<(T, Digest)> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        let decoding = scope.spawn(move || decode(source, limits, &sender));
        let mut pieces = Pieces { receiver, piece: Vec::new(), at: 0 };
        let taken = take(&mut pieces).and_then(|value| {
            // A tar may end before its file does; the digest is of the whole.
            io::copy(&mut pieces, &mut io::sink()).map_err(Error::reading("read the end of the layer"))?;
            Ok(value)
        });
        // The decoder notices that nobody listens any more.
        drop(pieces);
        let digest = decoding.join().map_err(|_| Error::invalid("layer", "the decoder panicked"))?;
        taken.map(|value| (value, digest))
    })
}

fn decode(source: impl Read, limits: Limits, sender: &SyncSender<io::Result<Vec<u8>>>) -> Digest {
    let fed = std::cell::Cell::new(0);
    let mut hashed = match decoder(Counted::new(source, &fed)) {
        Ok(decoder) => Hashed::new(Bounded::new(decoder, &fed, limits), Algorithm::Sha256),
        Err(error) => {
            // Nobody listens: then nobody needs the error.
            let _ = sender.send(Err(error));
            return Digest::of(b"");
        }
    };
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&mut hashed).take(PIECE as u64).read_to_end(&mut piece);
        let end = matches!(read, Ok(0) | Err(_));
        if sender.send(read.map(|_| piece)).is_err() || end {
            return hashed.finish().0;
        }
    }
}

/// The receiving end of a decoder in another thread.
pub(super) struct Pieces {
    receiver: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            // The other end is gone after its last piece, which is empty, or after an error.
            let Ok(next) = self.receiver.recv() else { return Ok(0) };
            (self.piece, self.at) = (next?, 0);
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
