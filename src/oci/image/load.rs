//! Images from an archive: what `docker save` writes, in all its shapes, and OCI layouts in a tar.
//!
//! Docker's archive names its files in `manifest.json`: a configuration and layer tars. Since Docker 25 it is an OCI layout too, with an
//! `index.json`; that one is taken where there is one, because it has the manifests with their digests. The archive may come through a pipe, so
//! its files go to the store one after the other, and only then is read what they mean.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::archive::{self, Kind, Limits};
use super::compress::{Compression, decoder};
use super::error::{Error, Result};
use super::spec::{Descriptor, Document, Index, LARGEST_CONFIG, LARGEST_MANIFEST, Manifest, Platform, REF_NAME, media};
use super::store::Store;
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;

/// The annotation by which containerd and Docker give an image's whole name in a layout.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// An image that was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The name that it got, if the archive had one.
    pub name: Option<Reference>,
    /// Its id.
    pub id: Digest,
    /// The id of another image that had the name before.
    pub instead_of: Option<Digest>,
}

impl Loaded {
    /// What is said of a name that another image had.
    pub fn moved(&self) -> Option<String> {
        let (name, old) = (self.name.as_ref()?, self.instead_of.as_ref()?);
        Some(format!("The image {} already exists, renaming the old one with ID {old} to empty string", name.familiar()))
    }
}

/// A line of Docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// The files of an archive, in the store.
struct Files {
    content: HashMap<PathBuf, (Digest, u64)>,
    links: HashMap<PathBuf, PathBuf>,
}

impl Store {
    /// Takes in all images of an archive, compressed or not, and gives them in the archive's order.
    ///
    /// # Errors
    /// It is no archive of images, or one of its documents is broken; no name was changed then.
    pub fn load(&self, reader: impl Read, platform: &Platform) -> Result<Vec<Loaded>> {
        let _lease = self.lease()?;
        let reader = decoder(reader).map_err(Error::reading("read the archive"))?;
        let files = self.take_files(reader)?;
        let (index, manifest) = (Path::new("index.json"), Path::new("manifest.json"));
        if files.get(index).is_some() && files.get(Path::new("oci-layout")).is_some() {
            return self.load_layout(&files, platform);
        }
        match files.get(manifest) {
            Some((digest, _)) => self.load_docker(&files, &digest, platform),
            None => Err(Error::invalid(
                "archive",
                "it has neither `manifest.json` nor `index.json`: `docker save` makes such an archive, `docker import` takes others",
            )),
        }
    }

    fn take_files(&self, reader: impl Read) -> Result<Files> {
        let mut files = Files { content: HashMap::new(), links: HashMap::new() };
        archive::read(reader, Limits::default(), |entry, content| {
            match &entry.kind {
                Kind::File => {
                    let mut ingest = self.ingest_new(entry.size)?;
                    ingest.copy(content, &mut |_| {})?;
                    files.content.insert(entry.path.clone(), ingest.commit()?);
                }
                // Older archives link a layer that they have already written.
                Kind::Link(target) => {
                    let parent = entry.path.parent().unwrap_or(Path::new(""));
                    let target = archive::clean(parent.join(target).as_os_str().as_encoded_bytes(), "link in the archive")?;
                    files.links.insert(entry.path.clone(), target);
                }
                Kind::HardLink(target) => drop(files.links.insert(entry.path.clone(), target.clone())),
                _ => {}
            }
            Ok(())
        })?;
        Ok(files)
    }

    fn load_layout(&self, files: &Files, platform: &Platform) -> Result<Vec<Loaded>> {
        let (digest, _) = files.get(Path::new("index.json")).ok_or_else(|| Error::invalid("archive", "no `index.json`"))?;
        let index: Index =
            serde_json::from_slice(&self.read_blob(&digest, LARGEST_MANIFEST)?).map_err(|error| Error::invalid("`index.json`", error))?;
        let mut images = Vec::new();
        for descriptor in &index.manifests {
            self.complete(descriptor, platform)?;
            // An image for another machine is kept under its name, but there is nothing here to show an id of.
            let id = self.read_image(descriptor, platform).map_or_else(|_| descriptor.digest.clone(), |image| image.id().clone());
            images.push((descriptor.clone(), name_of(descriptor), id));
        }
        let mut loaded = Vec::new();
        for (descriptor, name, id) in images {
            let bare = Descriptor::new(&descriptor.media_type, descriptor.digest.clone(), descriptor.size);
            let bare = self.same_image(&id, platform)?.unwrap_or(bare);
            loaded.push(self.named(name, &bare, &id, platform)?);
        }
        Ok(loaded)
    }

    /// Gives a loaded image its name; the image that had it keeps its content, and whoever loads is told.
    fn named(&self, name: Option<Reference>, target: &Descriptor, id: &Digest, platform: &Platform) -> Result<Loaded> {
        let Some(name) = name else {
            self.keep(target)?;
            return Ok(Loaded { name: None, id: id.clone(), instead_of: None });
        };
        let before = self.find(&name.to_string(), platform).ok().filter(|image| image.id() != id && image.tags.contains(&name));
        self.set_name(&name, target)?;
        Ok(Loaded { name: Some(name), id: id.clone(), instead_of: before.map(|image| image.id().clone()) })
    }

    /// What stands for this image already: the same image that was pulled has an index, or layers packed in another way. One image is listed once.
    fn same_image(&self, id: &Digest, platform: &Platform) -> Result<Option<Descriptor>> {
        Ok(self.images(platform)?.into_iter().find(|image| image.id() == id).map(|image| image.target))
    }

    /// Everything that an image for `platform` needs is in the store.
    fn complete(&self, target: &Descriptor, platform: &Platform) -> Result<()> {
        match Document::read(Some(&target.media_type), &self.read_blob(&target.digest, LARGEST_MANIFEST)?)? {
            Document::Manifest(manifest) => {
                let parts = std::iter::once(&manifest.config).chain(&manifest.layers);
                parts.filter(|part| !self.has(&part.digest)).try_for_each(|part| Err(Error::NoSuchBlob(part.digest.clone())))
            }
            // Archives of one platform may still carry the index of all.
            Document::Index(index) => index.choose(platform).map_or(Ok(()), |chosen| self.complete(chosen, platform)),
        }
    }

    fn load_docker(&self, files: &Files, lines: &Digest, platform: &Platform) -> Result<Vec<Loaded>> {
        let lines: Vec<Line> =
            serde_json::from_slice(&self.read_blob(lines, LARGEST_MANIFEST)?).map_err(|error| Error::invalid("`manifest.json`", error))?;
        let mut images = Vec::new();
        for line in &lines {
            let target = self.docker_image(files, line)?;
            let id = self.read_image(&target, platform)?.id().clone();
            let names: Vec<Reference> =
                line.repo_tags.iter().flatten().map(|tag| Ok(tag.parse::<Reference>()?.or_latest())).collect::<Result<_>>()?;
            images.push((target, names, id));
        }
        let mut loaded = Vec::new();
        for (target, names, id) in images {
            let target = self.same_image(&id, platform)?.unwrap_or(target);
            if names.is_empty() {
                loaded.push(self.named(None, &target, &id, platform)?);
            }
            for name in names {
                loaded.push(self.named(Some(name), &target, &id, platform)?);
            }
        }
        Ok(loaded)
    }

    fn docker_image(&self, files: &Files, line: &Line) -> Result<Descriptor> {
        let find = |path: &str| {
            let clean = archive::clean(path.as_bytes(), "`manifest.json`")?;
            files.get(&clean).ok_or_else(|| Error::invalid("archive", format!("`manifest.json` names `{path}`, which is not in it")))
        };
        let (config, size) = find(&line.config)?;
        if size > LARGEST_CONFIG {
            return Err(Error::TooLarge { what: format!("`{}`", line.config), limit: format!("{LARGEST_CONFIG} bytes") });
        }
        let layers = line.layers.iter().map(|path| {
            let (digest, size) = find(path)?;
            Ok(Descriptor::new(self.layer_type(&digest)?, digest, size))
        });
        let manifest = Manifest::new(Descriptor::new(media::CONFIG, config, size), layers.collect::<Result<_>>()?);
        self.put_blob(media::MANIFEST, &serde_json::to_vec(&manifest).map_err(|error| Error::invalid("manifest", error))?)
    }

    /// The media type of a layer by its first bytes.
    ///
    /// # Errors
    /// It is not in the store.
    pub fn layer_type(&self, digest: &Digest) -> Result<&'static str> {
        let mut start = [0; 4];
        let mut blob = self.open_blob(digest)?;
        // A layer of less than four bytes is a plain one, and broken.
        let count = blob.read(&mut start).map_err(Error::reading(format!("read the layer {digest}")))?;
        Ok(match Compression::of(&start[..count]) {
            Compression::None => media::LAYER,
            Compression::Gzip => media::LAYER_GZIP,
            Compression::Zstd => media::LAYER_ZSTD,
        })
    }
}

impl Files {
    /// A file of the archive, through links at most as many as there are.
    fn get(&self, path: &Path) -> Option<(Digest, u64)> {
        let mut at = path;
        for _ in 0..=self.links.len() {
            match self.content.get(at) {
                Some(found) => return Some(found.clone()),
                None => at = self.links.get(at)?,
            }
        }
        None
    }
}

/// The name of an image in a layout. The standard's annotation may be a tag alone, which names nothing.
fn name_of(descriptor: &Descriptor) -> Option<Reference> {
    let whole = descriptor.annotations.get(CONTAINERD_NAME).and_then(|name| name.parse::<Reference>().ok());
    let standard =
        || descriptor.annotations.get(REF_NAME).filter(|name| name.contains(['/', ':'])).and_then(|name| name.parse::<Reference>().ok());
    whole.or_else(standard).map(Reference::or_latest)
}
