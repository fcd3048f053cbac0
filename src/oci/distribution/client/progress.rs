//! What happens during a transfer, told to whoever draws it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::oci::digest::Digest;

/// Somebody who wants to know. Called from several tasks at once, and must not wait.
pub trait Progress: Send + Sync {
    /// Something has happened.
    fn event(&self, event: Event);
}

/// Nobody wants to know.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event) {}
}

/// The layers that were here before. Docker says no more of them, whoever draws the progress.
#[derive(Debug, Default)]
pub struct There(Mutex<HashSet<Digest>>);

impl There {
    /// Whether a step of a layer is to be shown.
    pub fn shows(&self, layer: &Digest, step: &Step) -> bool {
        let mut there = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *step == Step::Exists {
            there.insert(layer.clone());
            return true;
        }
        !there.contains(layer)
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pull begins: of this tag or digest, from this repository path.
    Pulling {
        /// The tag, or the digest.
        target: String,
        /// The path at the registry: `library/alpine`.
        path: String,
    },
    /// A push begins, to this repository in full.
    Pushing(String),
    /// A layer has come a step further. The digest is that of the blob on pull, and of the unpacked layer on push, as docker shows them.
    Layer(Digest, Step),
    /// Something is tried again: what went wrong, and in how many milliseconds.
    Again(String, u64),
    /// A mirror did not help, and why; the next one or the registry itself is asked.
    Mirror(String, String),
}

/// Where a layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It was named, and waits for its turn.
    Waiting,
    /// So many bytes of so many are here.
    Downloading(u64, u64),
    /// It is here and is what it should be.
    Downloaded,
    /// It was here before.
    Exists,
    /// Its files are being written.
    Extracting,
    /// Its files are there.
    Extracted,
    /// It is looked for at the registry.
    Preparing,
    /// So many bytes of so many were sent.
    Uploading(u64, u64),
    /// The registry has it now.
    Pushed,
    /// The registry had it before.
    Known,
    /// The registry took it from another repository.
    Mounted(String),
}

impl Step {
    /// How docker says it, and the bytes that its bar shows.
    pub fn words(&self) -> (String, Option<(u64, u64)>) {
        let plain = |text: &str| (text.to_owned(), None);
        match self {
            Step::Waiting => plain("Pulling fs layer"),
            Step::Downloading(now, all) => ("Downloading".to_owned(), Some((*now, *all))),
            Step::Downloaded => plain("Download complete"),
            Step::Exists => plain("Already exists"),
            Step::Extracting => plain("Extracting"),
            Step::Extracted => plain("Pull complete"),
            Step::Preparing => plain("Preparing"),
            Step::Uploading(now, all) => ("Pushing".to_owned(), Some((*now, *all))),
            Step::Pushed => plain("Pushed"),
            Step::Known => plain("Layer already exists"),
            Step::Mounted(from) => (format!("Mounted from {from}"), None),
        }
    }
}
