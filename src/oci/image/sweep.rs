//! What nobody needs any more, and what everything takes.
//!
//! Content is needed if a name leads to it: through indexes, manifests and configurations down to layers, compressed and unpacked. Everything else may go,
//! unless somebody is just bringing something in (see [`super::store::Lease`]); then it is left for the next time.

use std::collections::{BTreeMap, HashSet};

use super::error::{Error, Result};
use super::spec::{Document, ImageConfig, LARGEST_CONFIG, LARGEST_MANIFEST};
use super::store::Store;
use crate::kernel::fs;
use crate::oci::digest::Digest;

/// What is needed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Blobs by their digests.
    pub blobs: HashSet<Digest>,
    /// Unpacked layers by their chain ids.
    pub layers: HashSet<Digest>,
}

/// What was removed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Swept {
    /// The blobs.
    pub blobs: Vec<Digest>,
    /// The unpacked layers.
    pub layers: Vec<Digest>,
    /// The bytes that are free again.
    pub bytes: u64,
}

impl Store {
    /// Everything that a name leads to, besides what `also` holds: layers of containers, results of builds.
    ///
    /// # Errors
    /// The index is damaged. A damaged image needs what can still be read of it.
    pub fn needed(&self, also: &Needed) -> Result<Needed> {
        let mut needed = also.clone();
        let mut waiting: Vec<Digest> = self.entries()?.into_iter().map(|entry| entry.target.digest).collect();
        while let Some(digest) = waiting.pop() {
            if !needed.blobs.insert(digest.clone()) {
                continue;
            }
            let document = self.read_blob(&digest, LARGEST_MANIFEST).ok().and_then(|content| Document::read(None, &content).ok());
            match document {
                // Of an index only the images that were asked for are here.
                Some(Document::Index(index)) => {
                    waiting.extend(index.manifests.into_iter().map(|one| one.digest).filter(|digest| self.has(digest)))
                }
                Some(Document::Manifest(manifest)) => {
                    needed.blobs.extend(manifest.layers.into_iter().map(|layer| layer.digest));
                    needed.blobs.insert(manifest.config.digest.clone());
                    let config =
                        self.read_blob(&manifest.config.digest, LARGEST_CONFIG).ok().and_then(|content| ImageConfig::read(&content).ok());
                    needed.layers.extend(config.iter().flat_map(ImageConfig::chain_ids));
                }
                None => {}
            }
        }
        Ok(needed)
    }

    /// Removes what is not needed. Does nothing, and gives `None`, while somebody brings content in.
    ///
    /// # Errors
    /// The index is damaged, or the kernel refuses to remove.
    pub fn sweep(&self, also: &Needed) -> Result<Option<Swept>> {
        let Some(_broom) = self.broom()? else { return Ok(None) };
        let needed = self.needed(also)?;
        let mut swept = Swept::default();
        for digest in self.blobs()?.into_iter().filter(|digest| !needed.blobs.contains(digest)) {
            swept.bytes += self.blob_size(&digest)?;
            fs::remove_file(&self.blob_path(&digest)).map_err(Error::at(format!("remove the blob {digest}")))?;
            swept.blobs.push(digest);
        }
        for chain_id in self.layers()?.into_iter().filter(|chain_id| !needed.layers.contains(chain_id)) {
            swept.bytes += self.layer(&chain_id).ok().flatten().map_or(0, |layer| layer.content.bytes);
            self.discard_layer(&chain_id)?;
            swept.layers.push(chain_id);
        }
        self.sweep_leftovers()?;
        Ok(Some(swept))
    }

    /// With the broom in hand nobody is at work: what is unfinished was left by a crash.
    fn sweep_leftovers(&self) -> Result<()> {
        for folder in ["ingest", "layers"] {
            let path = self.path(folder);
            for name in fs::list(&path).map_err(Error::at(format!("list `{}`", path.display())))? {
                if folder == "ingest" || name.starts_with('.') {
                    self.discard(&path.join(name))?;
                }
            }
        }
        Ok(())
    }

    /// How many bytes the store takes: blobs as they are, layers by the length of their files.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for digest in self.blobs()? {
            usage.blobs += self.blob_size(&digest)?;
        }
        for chain_id in self.layers()? {
            let Some(layer) = self.layer(&chain_id)? else { continue };
            usage.layers.insert(chain_id, layer.content.bytes);
        }
        Ok(usage)
    }

    /// Looks at everything that is there: content against its digest, images against their parts.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn check(&self) -> Result<Vec<Damage>> {
        let mut found = Vec::new();
        for digest in self.blobs()? {
            let size = self.blob_size(&digest)?;
            let mut content = crate::oci::digest::Hashed::new(self.open_blob(&digest)?, digest.algorithm());
            let read = std::io::copy(&mut content, &mut std::io::sink());
            match (read, content.finish().0) {
                (Ok(_), right) if right == digest => {}
                (Ok(_), wrong) => found.push(Damage::Blob { digest, why: format!("its content has the digest {wrong} ({size} bytes)") }),
                (Err(error), _) => found.push(Damage::Blob { digest, why: error.to_string() }),
            }
        }
        for digest in self.needed(&Needed::default())?.blobs {
            if !self.has(&digest) {
                found.push(Damage::Missing { digest });
            }
        }
        for chain_id in self.layers()? {
            if !matches!(self.layer(&chain_id), Ok(Some(_))) {
                found.push(Damage::Layer { chain_id, why: "it has no record: it was never finished".to_owned() });
            }
        }
        found.sort();
        Ok(found)
    }

    /// Removes what [`Store::check`] found damaged, so that it can be pulled or unpacked again.
    ///
    /// # Errors
    /// The kernel refuses to remove.
    pub fn repair(&self, damage: &[Damage]) -> Result<()> {
        for one in damage {
            match one {
                Damage::Blob { digest, .. } => {
                    fs::remove_file(&self.blob_path(digest)).map_err(Error::at(format!("remove the blob {digest}")))?
                }
                Damage::Layer { chain_id, .. } => self.discard(&self.layer_folder(chain_id))?,
                Damage::Missing { .. } => {}
            }
        }
        Ok(())
    }

    /// The length of all files of an image's layers, each once, in bytes: what `docker images` calls its size.
    ///
    /// # Errors
    /// A layer's record is damaged.
    pub fn image_size(&self, config: &ImageConfig) -> Result<u64> {
        config.chain_ids().iter().map(|chain_id| Ok(self.layer(chain_id)?.map_or(0, |layer| layer.content.bytes))).sum()
    }
}

/// What the store takes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Usage {
    /// All blobs together, in bytes.
    pub blobs: u64,
    /// Each unpacked layer, in bytes.
    pub layers: BTreeMap<Digest, u64>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// Content that is not what its name says.
    Blob {
        /// Its name.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
    /// An image needs it and it is not there.
    Missing {
        /// Its name.
        digest: Digest,
    },
    /// An unpacked layer that was never finished.
    Layer {
        /// Its name.
        chain_id: Digest,
        /// What is wrong.
        why: String,
    },
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damage::Blob { digest, why } => write!(f, "blob {digest}: {why}"),
            Damage::Missing { digest } => write!(f, "blob {digest}: an image needs it and it is not there"),
            Damage::Layer { chain_id, why } => write!(f, "layer {chain_id}: {why}"),
        }
    }
}
