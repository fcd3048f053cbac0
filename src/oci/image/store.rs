//! The store of images: a folder that is an OCI image layout, with the unpacked layers beside it.
//!
//! ```text
//! oci-layout             {"imageLayoutVersion":"1.0.0"}
//! index.json             the images: descriptors of manifests, each with a name in an annotation; one without is dangling
//! blobs/sha256/HEX       manifests, configurations, layers: content under its digest, written once, never changed
//! ingest/sha256-HEX      content that is still arriving; whoever holds the lock on the file writes it
//! layers/HEX/            an unpacked layer under its chain id: `diff/` for the overlay, `layer.json` with what it is made of
//! lock                   held (shared) while content arrives that no name protects yet; alone by whoever removes content
//! ```
//!
//! Any tool that reads layouts (`skopeo copy oci:...`) reads this one. Several processes may use it at once: files are only renamed into place when
//! they are whole, names change under a lock, and what is being used is not removed. A crash leaves at most something in `ingest/` or
//! an unfinished layer `layers/.HEX`, which the next user of that content takes over or removes.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use crate::kernel::{fs, lock};

/// The version of the layout that we write and read.
const LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";

/// An open store.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// A promise that no content goes while it is held. Whoever brings content in holds one until a name protects the content.
#[derive(Debug)]
#[must_use = "content may be removed as soon as the lease is dropped"]
pub struct Lease {
    _lock: OwnedFd,
}

/// The right to remove content: nobody holds a [`Lease`].
#[derive(Debug)]
pub struct Broom {
    _lock: OwnedFd,
}

impl Store {
    /// Opens the store in `folder`, and makes it if there is none. Its folders can be entered by their owner only: the unpacked layers hold
    /// set-user-id programs of strangers (CVE-2021-41091).
    ///
    /// # Errors
    /// The folder cannot be made, or holds a layout of a version that we do not know.
    pub fn open(folder: &Path) -> Result<Self> {
        let at = || Error::at(format!("open the image store `{}`", folder.display()));
        for part in ["", "blobs", "blobs/sha256", "blobs/sha512", "ingest", "layers"] {
            fs::create_dir_all(&folder.join(part), 0o700).map_err(at())?;
        }
        let store = Store { folder: folder.to_owned() };
        let layout = folder.join("oci-layout");
        if layout.exists() {
            let text = fs::read(&layout).map_err(at())?;
            let version = serde_json::from_str(&text)
                .ok()
                .and_then(|layout: serde_json::Value| layout["imageLayoutVersion"].as_str().map(str::to_owned));
            if version.as_deref() != Some("1.0.0") {
                return Err(Error::invalid(format!("layout `{}`", layout.display()), "its version is not 1.0.0"));
            }
        } else {
            fs::replace(&layout, LAYOUT.as_bytes(), 0o600).map_err(at())?;
        }
        Ok(store)
    }

    /// The store's own folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps content from being removed as long as the lease lives. Waits for a removal that is under way.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn lease(&self) -> Result<Lease> {
        let lock = lock::share(&self.folder.join("lock")).map_err(Error::at("lock the image store"))?;
        Ok(Lease { _lock: lock })
    }

    /// The right to remove content, or `None` while somebody brings content in: then it is for the next one to remove.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn broom(&self) -> Result<Option<Broom>> {
        let lock = lock::try_take(&self.folder.join("lock")).map_err(Error::at("lock the image store"))?;
        Ok(lock.map(|lock| Broom { _lock: lock }))
    }

    pub(super) fn path(&self, part: &str) -> PathBuf {
        self.folder.join(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn strangers_cannot_enter_and_a_strange_version_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("store");
        Store::open(&folder).unwrap();
        Store::open(&folder).unwrap();
        for part in ["", "layers", "blobs/sha256"] {
            assert_eq!(std::fs::metadata(folder.join(part)).unwrap().permissions().mode() & 0o077, 0, "{part}");
        }
        std::fs::write(folder.join("oci-layout"), "{\"imageLayoutVersion\":\"9\"}").unwrap();
        assert!(Store::open(&folder).unwrap_err().to_string().contains("version is not 1.0.0"));
    }

    #[test]
    fn nothing_is_removed_while_content_arrives() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let (one, other) = (store.lease().unwrap(), store.lease().unwrap());
        assert!(store.broom().unwrap().is_none());
        drop(one);
        assert!(store.broom().unwrap().is_none());
        drop(other);
        assert!(store.broom().unwrap().is_some());
    }
}
