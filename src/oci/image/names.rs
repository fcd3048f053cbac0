//! The images of a store, by name, id and digest.
//!
//! `index.json` lists descriptors of manifests (or indexes), one per name; a name is the annotation `org.opencontainers.image.ref.name`. An entry without
//! a name is an image whose name went to another one: Docker calls it *dangling*. An entry whose name ends in `@sha256:...` records
//! under which digest a registry knows the image. An image's id is the digest of its configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::spec::{Descriptor, Document, ImageConfig, Index, LARGEST_CONFIG, LARGEST_MANIFEST, Manifest, Platform, REF_NAME};
use super::store::Store;
use crate::kernel::{fs, lock};
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;

/// A line of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name; `None` for a dangling image.
    pub name: Option<Reference>,
    /// The manifest, or the index of several.
    pub target: Descriptor,
}

/// An image that can be run here: one platform, all documents read.
#[derive(Debug, Clone)]
pub struct Image {
    /// What the names point to: the manifest, or the index that it was chosen from.
    pub target: Descriptor,
    /// The manifest's own descriptor.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
    /// The configuration.
    pub config: ImageConfig,
    /// `host/path:tag` names, sorted.
    pub tags: Vec<Reference>,
    /// `host/path@digest` names, sorted.
    pub digests: Vec<Reference>,
}

impl Image {
    /// The image's id: the digest of its configuration.
    pub fn id(&self) -> &Digest {
        &self.manifest.config.digest
    }

    /// Whether it is for `platform`. Which image of an index is for it, the index has said already; a single one says so in its configuration.
    pub fn is_for(&self, platform: &Platform) -> bool {
        let listed = self.descriptor.platform.as_ref().unwrap_or(&self.config.platform);
        listed.runs_on(platform)
    }

    /// Docker's words for an image that is not for the platform which was asked for.
    pub fn other_platform(&self, name: &str, wanted: &Platform) -> String {
        format!(
            "image with reference {name} was found but its platform ({}) does not match the specified platform ({wanted})",
            self.config.platform
        )
    }

    /// Whether no tag leads to it.
    pub fn is_dangling(&self) -> bool {
        self.tags.is_empty()
    }
}

impl Store {
    /// All lines of the index.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let index = self.index()?;
        Ok(index.manifests.into_iter().map(Entry::of).collect())
    }

    /// Points `name` to `target`. What it pointed to stays, without a name if that was its last.
    ///
    /// # Errors
    /// The target is not in the store, or the index cannot be written.
    pub fn set_name(&self, name: &Reference, target: &Descriptor) -> Result<()> {
        if !self.has(&target.digest) {
            return Err(Error::NoSuchBlob(target.digest.clone()));
        }
        self.change(|entries| {
            let old = entries.iter().position(|entry| entry.name.as_ref() == Some(name)).map(|at| entries.remove(at).target);
            // A target that gets a name is no longer dangling.
            entries.retain(|entry| !(entry.name.is_none() && entry.target.digest == target.digest));
            entries.push(Entry { name: Some(name.clone()), target: target.clone() });
            if let Some(old) = old {
                leave_dangling(entries, old);
            }
        })
    }

    /// Keeps `target` without a name.
    ///
    /// # Errors
    /// As [`Store::set_name`].
    pub fn keep(&self, target: &Descriptor) -> Result<()> {
        if !self.has(&target.digest) {
            return Err(Error::NoSuchBlob(target.digest.clone()));
        }
        self.change(|entries| leave_dangling(entries, target.clone()))
    }

    /// Takes a name away and gives what it pointed to. If it was the last, the image is out of the index too.
    ///
    /// # Errors
    /// There is no such name.
    pub fn remove_name(&self, name: &Reference) -> Result<Descriptor> {
        let mut found = None;
        self.change(|entries| {
            found = entries.iter().position(|entry| entry.name.as_ref() == Some(name)).map(|at| entries.remove(at).target);
        })?;
        found.ok_or_else(|| Error::NoSuchImage(name.familiar()))
    }

    /// Takes an image out of the index with all its names, and gives them.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn forget(&self, target: &Digest) -> Result<Vec<Reference>> {
        let mut names = Vec::new();
        self.change(|entries| {
            let (gone, kept) = std::mem::take(entries).into_iter().partition(|entry: &Entry| entry.target.digest == *target);
            *entries = kept;
            names = gone.into_iter().filter_map(|entry| entry.name).collect();
        })?;
        Ok(names)
    }

    /// All images that run on `platform`, the newest first. Those for other platforms, and artifacts that are no images, are left out.
    ///
    /// # Errors
    /// The index is damaged. A single damaged image is left out: `fsck` finds it.
    pub fn images(&self, platform: &Platform) -> Result<Vec<Image>> {
        let mut names: BTreeMap<Digest, (Descriptor, Vec<Reference>)> = BTreeMap::new();
        for entry in self.entries()? {
            names.entry(entry.target.digest.clone()).or_insert_with(|| (entry.target.clone(), Vec::new())).1.extend(entry.name);
        }
        let read = |(target, names): (Descriptor, Vec<Reference>)| {
            let mut image = self.read_image(&target, platform).ok()?;
            image.name(names);
            Some(image)
        };
        let mut images: Vec<Image> = names.into_values().filter_map(read).collect();
        images.sort_by(|one, other| other.config.created.cmp(&one.config.created).then_with(|| one.tags.cmp(&other.tags)));
        Ok(images)
    }

    /// Finds an image by what people type: a name, a name at a digest, an id or its first digits, with or without `sha256:`.
    ///
    /// # Errors
    /// There is none, or an id fits several; or the name is broken.
    pub fn find(&self, text: &str, platform: &Platform) -> Result<Image> {
        let images = self.images(platform)?;
        match text.parse::<Reference>() {
            Ok(name) => {
                let name = name.or_latest();
                if let Some(image) = images.iter().find(|image| image.answers_to(&name)) {
                    return Ok(image.clone());
                }
            }
            Err(error) if !is_id(text) => return Err(error.into()),
            Err(_) => {}
        }
        by_id(&images, text)
    }

    /// Reads the documents of an image, choosing the manifest for `platform` where there are several.
    ///
    /// # Errors
    /// A document is missing, damaged, or there is none for the platform.
    pub fn read_image(&self, target: &Descriptor, platform: &Platform) -> Result<Image> {
        let (descriptor, manifest) = self.read_manifest(target, platform)?;
        let config = ImageConfig::read(&self.read_blob(&manifest.config.digest, LARGEST_CONFIG)?)?;
        if manifest.layers.len() != config.rootfs.diff_ids.len() {
            let why = format!("it has {} layers, its configuration {}", manifest.layers.len(), config.rootfs.diff_ids.len());
            return Err(Error::invalid(format!("image `{}`", target.digest), why));
        }
        Ok(Image { target: target.clone(), descriptor, manifest, config, tags: Vec::new(), digests: Vec::new() })
    }

    fn read_manifest(&self, target: &Descriptor, platform: &Platform) -> Result<(Descriptor, Manifest)> {
        let mut at = target.clone();
        // An index may hold indexes; a document cannot hold its own digest, so this ends, but a stranger's chain may be long.
        for _ in 0..4 {
            match Document::read(Some(&at.media_type), &self.read_blob(&at.digest, LARGEST_MANIFEST)?)? {
                Document::Manifest(manifest) => return Ok((at, manifest)),
                Document::Index(index) => {
                    let none =
                        || Error::invalid(format!("image `{}`", target.digest), format!("no match for platform in manifest: {platform}"));
                    at = index.choose(platform).cloned().ok_or_else(none)?;
                }
            }
        }
        Err(Error::invalid(format!("image `{}`", target.digest), "its indexes are nested too deep"))
    }

    fn index_path(&self) -> PathBuf {
        self.path("index.json")
    }

    fn index(&self) -> Result<Index> {
        let path = self.index_path();
        if !path.exists() {
            return Ok(Index::new(Vec::new()));
        }
        let text = fs::read(&path).map_err(Error::at("read the index of images"))?;
        serde_json::from_str(&text).map_err(|error| Error::invalid(format!("index `{}`", path.display()), error))
    }

    /// Changes the index under its lock: whole or not at all.
    fn change(&self, change: impl FnOnce(&mut Vec<Entry>)) -> Result<()> {
        let at = || Error::at("write the index of images");
        let _lock = lock::take(&self.path("index.lock")).map_err(at())?;
        let before: Vec<Entry> = self.index()?.manifests.into_iter().map(Entry::of).collect();
        let mut entries = before.clone();
        change(&mut entries);
        entries.sort_by(|one, other| (&one.name, &one.target.digest).cmp(&(&other.name, &other.target.digest)));
        if entries == before {
            // A build that comes from the cache names what has the name: the disk need not be waited for.
            return Ok(());
        }
        let index = Index::new(entries.into_iter().map(Entry::into_descriptor).collect());
        let text = serde_json::to_vec(&index).map_err(|error| Error::invalid("index of images", error))?;
        fs::replace(&self.index_path(), &text, 0o600).map_err(at())
    }
}

impl Entry {
    fn of(mut descriptor: Descriptor) -> Self {
        // The name is the entry's and not the image's: who saves the image by its id hands no name on.
        let name = descriptor.annotations.remove(REF_NAME).and_then(|name| name.parse().ok());
        Entry { name, target: descriptor }
    }

    fn into_descriptor(self) -> Descriptor {
        let mut descriptor = self.target;
        descriptor.annotations.remove(REF_NAME);
        if let Some(name) = self.name {
            descriptor.annotations.insert(REF_NAME.to_owned(), name.to_string());
        }
        descriptor
    }
}

impl Image {
    fn name(&mut self, mut names: Vec<Reference>) {
        names.sort();
        (self.digests, self.tags) = names.into_iter().partition(|name| name.digest().is_some());
    }

    /// Whether a complete name means this image. A digest decides, whatever the tag says.
    fn answers_to(&self, name: &Reference) -> bool {
        match name.digest() {
            None => self.tags.contains(name),
            Some(digest) => {
                let known = self.digests.iter().chain(&self.tags).any(|one| one.repository() == name.repository());
                known && [&self.target.digest, &self.descriptor.digest].contains(&digest)
            }
        }
    }
}

fn leave_dangling(entries: &mut Vec<Entry>, target: Descriptor) {
    if !entries.iter().any(|entry| entry.target.digest == target.digest) {
        entries.push(Entry { name: None, target });
    }
}

fn is_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    (1..=64).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn by_id(images: &[Image], text: &str) -> Result<Image> {
    if !is_id(text) {
        return Err(Error::NoSuchImage(with_latest(text)));
    }
    let hex = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    let mut fitting = images.iter().filter(|image| image.id().hex().starts_with(&hex));
    let first = fitting.next().ok_or_else(|| Error::NoSuchImage(with_latest(text)))?;
    if fitting.any(|other| other.id() != first.id()) {
        return Err(Error::Ambiguous(text.to_owned()));
    }
    Ok(first.clone())
}

/// What was looked for, in full: `alpine` is told as `alpine:latest`.
fn with_latest(text: &str) -> String {
    text.parse::<Reference>().map_or_else(|_| text.to_owned(), |name| name.or_latest().familiar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::image::spec::{RootFs, media};

    fn image(store: &Store, created: &str) -> Descriptor {
        let config = ImageConfig {
            created: Some(created.to_owned()),
            platform: Platform::here(),
            rootfs: RootFs::default(),
            ..ImageConfig::default()
        };
        let config = store.put_blob(media::CONFIG, &serde_json::to_vec(&config).unwrap()).unwrap();
        store.put_blob(media::MANIFEST, &serde_json::to_vec(&Manifest::new(config, Vec::new())).unwrap()).unwrap()
    }

    fn name(text: &str) -> Reference {
        text.parse::<Reference>().unwrap().or_latest()
    }

    #[test]
    fn a_tag_that_moves_leaves_a_dangling_image() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let (old, new) = (image(&store, "2026-01-01T00:00:00Z"), image(&store, "2026-02-01T00:00:00Z"));
        store.set_name(&name("app"), &old).unwrap();
        store.set_name(&name("app:1"), &old).unwrap();
        store.set_name(&name("app"), &new).unwrap();
        assert!(store.images(&Platform::here()).unwrap().iter().all(|image| !image.is_dangling()), "app:1 still names the old one");
        store.set_name(&name("app:1"), &new).unwrap();
        let images = store.images(&Platform::here()).unwrap();
        let shown: Vec<(usize, bool)> = images.iter().map(|image| (image.tags.len(), image.is_dangling())).collect();
        assert_eq!(shown, [(2, false), (0, true)], "newest first");
        store.set_name(&name("old"), &old).unwrap();
        let images = store.images(&Platform::here()).unwrap();
        assert!(!images.iter().any(Image::is_dangling), "a name again");
        assert!(images.iter().all(|image| image.descriptor.annotations.is_empty()), "a name is no part of what it means");
    }

    #[test]
    fn an_image_is_found_by_name_id_and_digest() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let target = image(&store, "2026-01-01T00:00:00Z");
        store.set_name(&name("localhost:5000/app:2"), &target).unwrap();
        let here = Platform::here();
        let id = store.find("localhost:5000/app:2", &here).unwrap().id().to_string();
        for text in [&id, &id[7..19], &id[..20], &format!("localhost:5000/app@{}", target.digest)] {
            assert_eq!(store.find(text, &here).unwrap().id().to_string(), id, "{text}");
        }
        assert_eq!(store.find("app", &here).unwrap_err().to_string(), "No such image: app:latest");
        assert_eq!(
            store.find("App", &here).unwrap_err().to_string(),
            "invalid reference format: repository name (library/App) must be lowercase"
        );
        assert!(matches!(store.find(&format!("other@{}", target.digest), &here), Err(Error::NoSuchImage(_))));
    }

    #[test]
    fn names_written_by_many_at_once_are_all_there() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let target = image(&store, "2026-01-01T00:00:00Z");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (store, target) = (&store, &target);
                scope.spawn(move || store.set_name(&name(&format!("app:{number}")), target).unwrap());
            }
        });
        assert_eq!(store.images(&Platform::here()).unwrap()[0].tags.len(), 8);
    }
}
