//! What a registry keeps: a store's blobs, and per repository which of them belong to it, its manifests and its tags.
//!
//! ```text
//! blobs/sha256/HEX                          content, shared by all repositories
//! repositories/NAME/_blobs/sha256-HEX       an empty file: this repository has that blob
//! repositories/NAME/_manifests/sha256-HEX   the media type that it was pushed with
//! repositories/NAME/_tags/TAG               the digest
//! ```
//! A blob can be read in a repository only if it was pushed or mounted there: whoever may read one repository learns nothing of another.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::kernel::error::Errno;
use crate::kernel::fs;
use crate::oci::digest::Digest;
use crate::oci::image::spec::{Descriptor, Document, Index, LARGEST_MANIFEST};
use crate::oci::image::sweep::{Needed, Swept};
use crate::oci::image::{Error, Result, Store};

/// The content of a registry.
#[derive(Debug, Clone)]
pub struct Depot {
    store: Store,
}

/// A manifest as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl Depot {
    /// Opens the registry in `folder`, and makes it if there is none.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        let store = Store::open(folder)?;
        fs::create_dir_all(&folder.join("repositories"), 0o700).map_err(Error::at("open the registry"))?;
        Ok(Depot { store })
    }

    /// The blobs.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the repository has the blob.
    pub fn has_blob(&self, name: &str, digest: &Digest) -> bool {
        self.blob_mark(name, digest).exists() && self.store.has(digest)
    }

    /// Says that the repository has a blob that is in the store.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn add_blob(&self, name: &str, digest: &Digest) -> Result<()> {
        self.write(&self.blob_mark(name, digest), b"")
    }

    /// Takes a blob out of the repository. Its content goes when nobody has it any more, see [`Depot::collect`].
    ///
    /// # Errors
    /// The repository does not have it.
    pub fn remove_blob(&self, name: &str, digest: &Digest) -> Result<()> {
        fs::remove_file(&self.blob_mark(name, digest)).map_err(|_| Error::NoSuchBlob(digest.clone()))
    }

    /// The manifest that a tag or a digest means.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn manifest(&self, name: &str, digest: &Digest) -> Result<Option<Pushed>> {
        let mark = self.manifest_mark(name, digest);
        if !mark.exists() {
            return Ok(None);
        }
        let media_type = fs::read(&mark).map_err(Error::at("read a manifest's mark"))?;
        Ok(Some(Pushed { digest: digest.clone(), media_type, content: self.store.read_blob(digest, LARGEST_MANIFEST)? }))
    }

    /// The digest behind a tag.
    ///
    /// # Errors
    /// The tag's file is damaged.
    pub fn tag(&self, name: &str, tag: &str) -> Result<Option<Digest>> {
        match fs::read(&self.folder(name).join("_tags").join(tag)) {
            Ok(text) => text.trim().parse().map(Some).map_err(|error| Error::invalid(format!("tag `{tag}`"), error)),
            Err(error) if error.errno == Errno::ENOENT => Ok(None),
            Err(error) => Err(Error::at(format!("read the tag `{tag}`"))(error)),
        }
    }

    /// Takes in a manifest, if everything that it names is there, and points a tag to it.
    ///
    /// # Errors
    /// It is no manifest, or names content that the repository does not have.
    pub fn push(&self, name: &str, media_type: &str, content: &[u8], tag: Option<&str>) -> Result<(Digest, Option<Digest>)> {
        let document = Document::read(Some(media_type), content)?;
        let subject = match &document {
            Document::Manifest(manifest) => {
                for part in std::iter::once(&manifest.config).chain(&manifest.layers) {
                    // What lies somewhere else by declaration is not pushed.
                    if !self.has_blob(name, &part.digest) && part.urls.is_empty() {
                        return Err(Error::NoSuchBlob(part.digest.clone()));
                    }
                }
                manifest.subject.clone()
            }
            Document::Index(index) => {
                if let Some(missing) = index.manifests.iter().find(|part| !self.manifest_mark(name, &part.digest).exists()) {
                    return Err(Error::NoSuchBlob(missing.digest.clone()));
                }
                index.subject.clone()
            }
        };
        let descriptor = self.store.put_blob(media_type, content)?;
        self.write(&self.manifest_mark(name, &descriptor.digest), media_type.as_bytes())?;
        if let Some(tag) = tag {
            self.write(&self.folder(name).join("_tags").join(tag), descriptor.digest.to_string().as_bytes())?;
        }
        Ok((descriptor.digest, subject.map(|subject| subject.digest)))
    }

    /// Takes in a manifest of another registry, whose parts come when they are asked for.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn cache(&self, name: &str, descriptor: &Descriptor, content: &[u8], tag: Option<&str>) -> Result<()> {
        if let Some(mut ingest) = self.store.ingest(descriptor)? {
            ingest.restart()?;
            ingest.write(content)?;
            ingest.commit()?;
        }
        self.write(&self.manifest_mark(name, &descriptor.digest), descriptor.media_type.as_bytes())?;
        tag.map_or(Ok(()), |tag| self.write(&self.folder(name).join("_tags").join(tag), descriptor.digest.to_string().as_bytes()))
    }

    /// Takes in an image that is in the store already, with all below it, and points a tag to it.
    ///
    /// # Errors
    /// The store is damaged, or lacks a part.
    pub fn adopt(&self, name: &str, target: &Descriptor, tag: Option<&str>) -> Result<()> {
        let content = self.store.read_blob(&target.digest, LARGEST_MANIFEST)?;
        match Document::read(Some(&target.media_type), &content)? {
            Document::Index(index) => index.manifests.iter().try_for_each(|child| self.adopt(name, child, None))?,
            Document::Manifest(manifest) => {
                manifest.layers.iter().chain([&manifest.config]).try_for_each(|part| self.add_blob(name, &part.digest))?;
            }
        }
        self.push(name, &target.media_type, &content, tag).map(drop)
    }

    /// Takes a tag away.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_tag(&self, name: &str, tag: &str) -> Result<()> {
        fs::remove_file(&self.folder(name).join("_tags").join(tag)).map_err(|_| Error::NoSuchImage(format!("{name}:{tag}")))
    }

    /// Takes a manifest away, with all tags that point to it.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_manifest(&self, name: &str, digest: &Digest) -> Result<()> {
        fs::remove_file(&self.manifest_mark(name, digest)).map_err(|_| Error::NoSuchImage(format!("{name}@{digest}")))?;
        for tag in self.tags(name)?.unwrap_or_default() {
            if self.tag(name, &tag)?.as_ref() == Some(digest) {
                self.remove_tag(name, &tag)?;
            }
        }
        Ok(())
    }

    /// The tags of a repository, sorted; `None` if there is no such repository.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn tags(&self, name: &str) -> Result<Option<Vec<String>>> {
        let folder = self.folder(name);
        let known = ["_tags", "_manifests", "_blobs"].iter().any(|part| folder.join(part).is_dir());
        if !known {
            return Ok(None);
        }
        Ok(Some(self.list(&folder.join("_tags"))?))
    }

    /// All repositories, sorted.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn repositories(&self) -> Result<Vec<String>> {
        let top = self.store.folder().join("repositories");
        let (mut found, mut waiting) = (Vec::new(), vec![String::new()]);
        while let Some(name) = waiting.pop() {
            let folder = top.join(&name);
            for part in self.list(&folder)? {
                // A parent that only holds other repositories is none.
                if part == "_manifests" {
                    found.push(name.clone());
                } else if !part.starts_with('_') {
                    waiting.push(if name.is_empty() { part } else { format!("{name}/{part}") });
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The manifests of the repository whose subject is `digest`, as an index.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn referrers(&self, name: &str, digest: &Digest) -> Result<Index> {
        let mut found = Vec::new();
        for pushed in self.manifests(name)? {
            let (subject, artifact_type, config, annotations) = match Document::read(Some(&pushed.media_type), &pushed.content)? {
                Document::Manifest(one) => (one.subject, one.artifact_type, Some(one.config.media_type), one.annotations),
                Document::Index(one) => (one.subject, one.artifact_type, None, one.annotations),
            };
            if subject.is_some_and(|subject| subject.digest == *digest) {
                let mut descriptor = Descriptor::new(&pushed.media_type, pushed.digest.clone(), pushed.content.len() as u64);
                // A manifest that names no type has its configuration's.
                descriptor.artifact_type = artifact_type.or(config);
                descriptor.annotations = annotations;
                found.push(descriptor);
            }
        }
        Ok(Index::new(found))
    }

    /// Garbage collection: removes the content that no manifest of any repository needs, and the marks of it. With `untagged`, also manifests
    /// that no tag leads to. Does nothing, and gives `None`, while somebody pushes.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn collect(&self, untagged: bool) -> Result<Option<Swept>> {
        let mut needed = Needed::default();
        for name in self.repositories()? {
            let tagged = self.tagged(&name)?;
            let mut own: HashSet<Digest> = HashSet::new();
            for pushed in self.manifests(&name)? {
                if untagged && !tagged.contains(&pushed.digest) {
                    self.remove_manifest(&name, &pushed.digest)?;
                    continue;
                }
                own.insert(pushed.digest.clone());
                if let Document::Manifest(manifest) = Document::read(Some(&pushed.media_type), &pushed.content)? {
                    own.extend(manifest.layers.into_iter().chain([manifest.config]).map(|part| part.digest));
                }
            }
            for mark in self.list(&self.folder(&name).join("_blobs"))? {
                match mark.replacen('-', ":", 1).parse::<Digest>() {
                    Ok(digest) if own.contains(&digest) => {}
                    _ => fs::remove_file(&self.folder(&name).join("_blobs").join(&mark)).map_err(Error::at("remove the mark of a blob"))?,
                }
            }
            needed.blobs.extend(own);
        }
        self.store.sweep(&needed)
    }

    /// The manifests that a tag leads to, through indexes too.
    fn tagged(&self, name: &str) -> Result<HashSet<Digest>> {
        let mut found = HashSet::new();
        let mut waiting = Vec::new();
        for tag in self.tags(name)?.unwrap_or_default() {
            waiting.extend(self.tag(name, &tag)?);
        }
        while let Some(digest) = waiting.pop() {
            if !found.insert(digest.clone()) {
                continue;
            }
            let Some(pushed) = self.manifest(name, &digest)? else { continue };
            if let Document::Index(index) = Document::read(Some(&pushed.media_type), &pushed.content)? {
                waiting.extend(index.manifests.into_iter().map(|one| one.digest));
            }
        }
        Ok(found)
    }

    fn manifests(&self, name: &str) -> Result<Vec<Pushed>> {
        let marks = self.list(&self.folder(name).join("_manifests"))?;
        let digests = marks.iter().filter_map(|mark| mark.replacen('-', ":", 1).parse::<Digest>().ok());
        digests.filter_map(|digest| self.manifest(name, &digest).transpose()).collect()
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        match fs::list(folder) {
            Err(error) if error.errno == Errno::ENOENT => Ok(Vec::new()),
            // Hidden names are of files that are being replaced.
            Ok(names) => Ok(names.into_iter().filter(|name| !name.starts_with('.')).collect()),
            Err(error) => Err(Error::at("list a folder of the registry")(error)),
        }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.store.folder().join("repositories").join(name)
    }

    fn blob_mark(&self, name: &str, digest: &Digest) -> PathBuf {
        self.folder(name).join("_blobs").join(file_name(digest))
    }

    fn manifest_mark(&self, name: &str, digest: &Digest) -> PathBuf {
        self.folder(name).join("_manifests").join(file_name(digest))
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let at = || Error::at("write to the registry");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder, 0o700).map_err(at())?;
        }
        fs::replace(path, content, 0o600).map_err(at())
    }
}

fn file_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}
