//! Images to an archive, as `docker save` of version 25 and later writes it: an OCI layout and Docker's `manifest.json` in one tar.
//!
//! Every reader finds its own: `docker load` of any age, `skopeo copy docker-archive:` and `oci-archive:`. Times are zero and names sorted, so that saving
//! the same images twice gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use serde_json::json;

use super::error::{Error, Result};
use super::names::Image;
use super::spec::{Descriptor, Index, REF_NAME};
use super::store::Store;
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;

/// An image to save, and the names to save it under. None: it goes without.
#[derive(Debug, Clone)]
pub struct ToSave {
    /// The image.
    pub image: Image,
    /// The names.
    pub names: Vec<Reference>,
}

impl Store {
    /// Writes images to a tar.
    ///
    /// # Errors
    /// Content is missing, or the writer failed.
    pub fn save(&self, images: &[ToSave], writer: impl Write) -> Result<()> {
        let _lease = self.lease()?;
        let mut archive = Archive { builder: tar::Builder::new(writer) };
        let blobs: BTreeSet<&Digest> = images.iter().flat_map(|one| parts(&one.image)).collect();
        archive.folder("blobs/")?;
        archive.folder("blobs/sha256/")?;
        for digest in blobs {
            archive.file(&path_of(digest), self.blob_size(digest)?, &mut self.open_blob(digest)?)?;
        }
        let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| Error::invalid("archive", error));
        let index = Index::new(images.iter().flat_map(descriptors).collect());
        archive.text("index.json", &json(serde_json::to_vec(&index))?)?;
        let lines: Vec<serde_json::Value> = images.iter().map(line).collect();
        archive.text("manifest.json", &json(serde_json::to_vec(&lines))?)?;
        archive.text("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        archive.text("repositories", &json(serde_json::to_vec(&repositories(images)))?)?;
        archive.builder.into_inner().and_then(|mut writer| writer.flush()).map_err(Error::reading("write the archive"))
    }
}

struct Archive<W: Write> {
    builder: tar::Builder<W>,
}

impl<W: Write> Archive<W> {
    fn folder(&mut self, name: &str) -> Result<()> {
        self.entry(name, tar::EntryType::Directory, 0o755, 0, &mut std::io::empty())
    }

    fn text(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.file(name, content.len() as u64, &mut &*content)
    }

    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<()> {
        self.entry(name, tar::EntryType::Regular, 0o644, size, content)
    }

    fn entry(&mut self, name: &str, kind: tar::EntryType, mode: u32, size: u64, content: &mut dyn Read) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.builder.append_data(&mut header, name, content).map_err(Error::reading(format!("write `{name}` to the archive")))
    }
}

fn parts(image: &Image) -> impl Iterator<Item = &Digest> {
    let layers = image.manifest.layers.iter().map(|layer| &layer.digest);
    [&image.descriptor.digest, &image.manifest.config.digest].into_iter().chain(layers)
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// One descriptor for each name, as a layout's index has it.
fn descriptors(one: &ToSave) -> Vec<Descriptor> {
    let named = |name: &Reference| {
        let mut descriptor = one.image.descriptor.clone();
        descriptor.annotations = BTreeMap::from([("io.containerd.image.name".to_owned(), name.to_string())]);
        descriptor.annotations.extend(name.tag().map(|tag| (REF_NAME.to_owned(), tag.to_owned())));
        descriptor
    };
    if one.names.is_empty() { vec![one.image.descriptor.clone()] } else { one.names.iter().map(named).collect() }
}

fn line(one: &ToSave) -> serde_json::Value {
    let tags: Vec<String> = one.names.iter().map(Reference::familiar).collect();
    json!({
        "Config": path_of(one.image.id()),
        "RepoTags": if tags.is_empty() { serde_json::Value::Null } else { json!(tags) },
        "Layers": one.image.manifest.layers.iter().map(|layer| path_of(&layer.digest)).collect::<Vec<_>>(),
    })
}

/// The oldest of Docker's formats: name, tag, id of the highest layer.
fn repositories(images: &[ToSave]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for one in images {
        let Some(top) = one.image.manifest.layers.last() else { continue };
        for name in &one.names {
            let Some(tag) = name.tag() else { continue };
            all.entry(name.familiar_repository()).or_default().insert(tag.to_owned(), top.digest.hex().to_owned());
        }
    }
    all
}
