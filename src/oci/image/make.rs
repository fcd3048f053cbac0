//! Images that are made here: of the tar of a tree, of the changes to another image.

use std::io::Read;

use super::archive::{self, Limits};
use super::compress::{Compression, Encoder};
use super::error::{Error, Result};
use super::names::Image;
use super::pack::{Source, pack};
use super::spec::{Descriptor, History, ImageConfig, Manifest, media};
use super::store::Store;
use super::unpack::Unpacked;
use crate::kernel::folder::Folder;
use crate::oci::digest::{Algorithm, Digest, HashedWriter};

/// A folder that was packed as a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The layer as it lies in the store.
    pub descriptor: Descriptor,
    /// The digest of its tar.
    pub diff_id: Digest,
    /// What is in it.
    pub content: Unpacked,
}

impl Store {
    /// Makes an image of one layer from the tar of a whole tree, as `docker import` does, and keeps it without a name.
    ///
    /// # Errors
    /// It is no tar, or breaks a rule of archives.
    pub fn import(&self, reader: impl Read + Send, config: ImageConfig) -> Result<Image> {
        let _lease = self.lease()?;
        let mut ingest = self.ingest_new(Limits::default().bytes)?;
        let limits = Limits::default();
        let ((), diff_id) = super::layers::stream(reader, limits, |pieces| {
            let mut encoder = Encoder::new(Compression::Gzip, &mut ingest).map_err(Error::reading("compress the layer"))?;
            // Read as a tar while it passes, so that what is none never becomes a layer.
            archive::read(Tee { inner: pieces, other: &mut encoder }, limits, |_, _| Ok(()))?;
            std::io::copy(pieces, &mut encoder).map_err(Error::reading("compress the layer"))?;
            encoder.finish().map(drop).map_err(Error::reading("compress the layer"))
        })?;
        let (digest, size) = ingest.commit()?;
        let layer = Descriptor::new(media::LAYER_GZIP, digest, size);
        let mut config = config;
        config.rootfs.diff_ids = vec![diff_id];
        if config.history.is_empty() {
            // Other builders count: a line for each layer.
            let comment = Some("Imported from -".to_owned());
            config.history.push(History { created: config.created.clone(), comment, ..History::default() });
        }
        let target = self.put_image(&config, vec![layer])?;
        self.keep(&target)?;
        self.read_image(&target, &config.platform)
    }

    /// Makes an image of `base` and of what the upper folder of an overlay over it holds. The folder stays as it is.
    ///
    /// # Errors
    /// A file cannot be read, or the store cannot be written.
    pub fn commit(&self, base: &Image, upper: &Folder, created: &str, created_by: &str, comment: &str) -> Result<Image> {
        let _lease = self.lease()?;
        let packed = self.pack_layer(upper, Source::Upper)?;
        let mut config = base.config.clone();
        config.created = Some(created.to_owned());
        config.rootfs.diff_ids.push(packed.diff_id);
        let comment = Some(comment.to_owned()).filter(|comment| !comment.is_empty());
        let (created, created_by) = (config.created.clone(), Some(created_by.to_owned()));
        config.history.push(History { created, created_by, comment, ..History::default() });
        let layers = base.manifest.layers.iter().cloned().chain([packed.descriptor]).collect();
        let target = self.put_image(&config, layers)?;
        self.keep(&target)?;
        self.read_image(&target, &config.platform)
    }

    /// Packs a folder as a layer into the store. Nothing protects it yet: the caller holds a lease.
    ///
    /// # Errors
    /// A file cannot be read, or the store cannot be written.
    pub fn pack_layer(&self, folder: &Folder, source: Source) -> Result<Packed> {
        let mut ingest = self.ingest_new(Limits::default().bytes)?;
        let encoder = Encoder::new(Compression::Gzip, &mut ingest).map_err(Error::reading("compress the layer"))?;
        let mut hashed = HashedWriter::new(encoder, Algorithm::Sha256);
        let content = pack(folder, source, &mut hashed)?;
        let (encoder, diff_id) = hashed.finish();
        encoder.finish().map_err(Error::reading("compress the layer"))?;
        let (digest, size) = ingest.commit()?;
        Ok(Packed { descriptor: Descriptor::new(media::LAYER_GZIP, digest, size), diff_id, content })
    }

    /// Writes configuration and manifest of an image whose layers are in the store, and gives the manifest's descriptor.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_image(&self, config: &ImageConfig, layers: Vec<Descriptor>) -> Result<Descriptor> {
        let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| Error::invalid("image", error));
        let config = self.put_blob(media::CONFIG, &json(serde_json::to_vec(config))?)?;
        self.put_blob(media::MANIFEST, &json(serde_json::to_vec(&Manifest::new(config, layers)))?)
    }
}

/// Writes what is read to another place too.
struct Tee<'a, R, W> {
    inner: &'a mut R,
    other: &'a mut W,
}

impl<R: Read, W: std::io::Write> Read for Tee<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.other.write_all(&buffer[..count])?;
        Ok(count)
    }
}
