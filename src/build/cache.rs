//! What was built before: layers by the key of all that they were made of.
//!
//! ```text
//!  build/cache/KEY.json     the layer that a step made; KEY is the digest of the step's inputs
//!  build/last/NAME.json     the inputs of every step of the last build of one Dockerfile, for explanations
//!  build/locks/NN           who makes a step holds the lock of its key: a second build waits and finds it done
//! ```
//!
//! The key covers the layers below by their content, the instruction with its variables replaced, the environment of `RUN`, and of every file that is copied
//! or mounted a digest. Contents of secrets are in no key. A record whose layer the store has lost is no record.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::workshop::Made;
use crate::kernel::folder::Folder;
use crate::kernel::{fs, lock};
use crate::oci::digest::Digest;
use crate::oci::image::spec::Descriptor;
use crate::oci::image::sweep::Needed;
use crate::oci::image::{self, Store};

/// Steps are locked in so many groups, so that their files do not become many.
const LOCKS: u32 = 4096;

/// What a step is made of, in the order in which it was found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The instruction as it stands in the file, for people.
    pub text: String,
    /// Its first line.
    pub line: usize,
    /// What decides: kind, name, value.
    pub parts: Vec<(Kind, String, String)>,
}

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The layers below.
    Below,
    /// The instruction, with its variables replaced.
    Instruction,
    /// A variable of the environment, with its value.
    Environment,
    /// An argument, with its value.
    Argument,
    /// A file, with its digest.
    File,
    /// Anything else: user, directory, platform.
    Setting,
}

/// A layer that was made before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The packed layer.
    pub descriptor: Descriptor,
    /// The digest of its tar.
    pub diff_id: Digest,
    /// When it was made.
    pub created: String,
    /// The bytes of its files.
    pub bytes: u64,
}

impl Inputs {
    /// Inputs of an instruction.
    pub fn new(text: &str, line: usize) -> Self {
        Inputs { text: text.to_owned(), line, parts: Vec::new() }
    }

    /// One more.
    pub fn add(&mut self, kind: Kind, name: impl Into<String>, value: impl Into<String>) {
        self.parts.push((kind, name.into(), value.into()));
    }

    /// The key. The line and the wording in the file do not count, only what they mean.
    pub fn key(&self) -> Digest {
        // Lengths before the texts: no two lists look alike.
        let mut text = String::from("bottleship build 1\n");
        for (kind, name, value) in &self.parts {
            text.push_str(&format!("{kind:?} {} {name} {} {value}\n", name.len(), value.len()));
        }
        Digest::of(text.as_bytes())
    }
}

/// The cache of a store.
pub struct Cache<'a> {
    store: &'a Store,
}

impl<'a> Cache<'a> {
    /// The cache in a store.
    ///
    /// # Errors
    /// Its folders cannot be made.
    pub fn open(store: &'a Store) -> Result<Self> {
        for part in ["build/cache", "build/last", "build/locks"] {
            fs::create_dir_all(&store.folder().join(part), 0o700)?;
        }
        Ok(Cache { store })
    }

    fn path(&self, key: &Digest) -> PathBuf {
        self.store.folder().join("build/cache").join(format!("{}.json", key.hex()))
    }

    /// What was made of the same inputs, if its layer is still there.
    pub fn get(&self, key: &Digest) -> Found {
        let Some(record) = read(&self.path(key)) else { return Found::Nothing };
        if self.store.has(&record.descriptor.digest) { Found::Record(Box::new(record)) } else { Found::Lost }
    }

    /// Remembers a layer.
    ///
    /// # Errors
    /// The disk is full.
    pub fn put(&self, key: &Digest, made: &Made, created: &str) -> Result<Record> {
        let Made { descriptor, diff_id, bytes } = made.clone();
        let record = Record { descriptor, diff_id, created: created.to_owned(), bytes };
        fs::put(&self.path(key), &serde_json::to_vec(&record).unwrap_or_default(), 0o600)?;
        Ok(record)
    }

    /// Keeps others from making the same at the same time, as long as the file is open.
    ///
    /// # Errors
    /// The file cannot be locked.
    pub fn lock(&self, key: &Digest) -> Result<File> {
        let group = u32::from_str_radix(&key.hex()[..8], 16).unwrap_or(0) % LOCKS;
        Ok(lock::take(&self.store.folder().join("build/locks").join(group.to_string()))?)
    }

    /// The inputs of the last build of a Dockerfile, by step.
    pub fn last(&self, name: &str) -> BTreeMap<String, Inputs> {
        let text = fs::read(&self.last_path(name)).unwrap_or_default();
        // A damaged file explains nothing, and the next build replaces it.
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Remembers the inputs of this build.
    ///
    /// # Errors
    /// The disk is full.
    pub fn set_last(&self, name: &str, steps: &BTreeMap<String, Inputs>) -> Result<()> {
        Ok(fs::put(&self.last_path(name), &serde_json::to_vec(steps).unwrap_or_default(), 0o600)?)
    }

    fn last_path(&self, name: &str) -> PathBuf {
        self.store.folder().join("build/last").join(format!("{}.json", Digest::of(name.as_bytes()).hex()))
    }
}

/// What the cache has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The step's layer.
    Record(Box<Record>),
    /// It was made before, but the store has thrown the layer away.
    Lost,
    /// It was never made.
    Nothing,
}

fn read(path: &std::path::Path) -> Option<Record> {
    serde_json::from_str(&fs::read(path).ok()?).ok()
}

/// The packed layers that the cache of a store refers to: whoever sweeps the store keeps them.
pub fn needed(store: &Store) -> Needed {
    let folder = store.folder().join("build/cache");
    let names = fs::list(&folder).unwrap_or_default();
    let blobs: HashSet<Digest> = names.iter().filter_map(|name| read(&folder.join(name))).map(|record| record.descriptor.digest).collect();
    Needed { blobs, layers: HashSet::new() }
}

/// Forgets everything that was built before, and empties the caches of `RUN --mount=type=cache`. What runs now is not disturbed: its cache is in its
/// workshop or open.
///
/// # Errors
/// The kernel refuses to remove.
pub fn clear(store: &Store) -> image::Result<()> {
    let folder = store.folder().join("build");
    if !folder.exists() {
        return Ok(());
    }
    let at = || image::Error::at("forget what was built before");
    let folder = Folder::open(&folder).map_err(at())?;
    ["cache", "last", "mounts"].iter().try_for_each(|part| folder.remove(OsStr::new(part)).map_err(at()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_of_what_decides() {
        let mut one = Inputs::new("RUN x", 3);
        one.add(Kind::Instruction, "RUN", "x");
        let mut other = Inputs { text: "run  x".to_owned(), line: 9, ..one.clone() };
        assert_eq!(one.key(), other.key());
        other.add(Kind::Environment, "A", "b");
        assert_ne!(one.key(), other.key());
        // Where one ends and the next begins is part of it.
        let (mut left, mut right) = (Inputs::default(), Inputs::default());
        left.add(Kind::File, "ab", "c");
        right.add(Kind::File, "a", "bc");
        assert_ne!(left.key(), right.key());
    }

    #[test]
    fn a_record_without_its_layer_is_lost() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let cache = Cache::open(&store).unwrap();
        let key = Digest::of(b"key");
        assert_eq!(cache.get(&key), Found::Nothing);
        let descriptor = store.put_blob("x", b"layer").unwrap();
        let made = Made { diff_id: Digest::of(b"diff"), bytes: 5, descriptor: descriptor.clone() };
        let record = cache.put(&key, &made, "now").unwrap();
        assert_eq!(cache.get(&key), Found::Record(Box::new(record)));
        assert!(needed(&store).blobs.contains(&descriptor.digest));
        store.sweep(&needed(&store)).unwrap().unwrap();
        assert!(store.has(&descriptor.digest), "a sweep that knows of the cache keeps it");
        store.sweep(&Needed::default()).unwrap().unwrap();
        assert_eq!(cache.get(&key), Found::Lost);
        clear(&store).unwrap();
        assert_eq!(Cache::open(&store).unwrap().get(&key), Found::Nothing);
    }
}
