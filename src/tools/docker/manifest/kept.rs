//! Lists of manifests in the making: `manifests/LIST/MANIFEST` in docker's folder of settings, a JSON document for each.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::oci::reference::Reference;
use crate::tools::docker::contexts;
use crate::tools::docker::failure::Result;

/// A list.
pub struct Kept(PathBuf);

/// A name that is a file's too.
fn safe(name: &Reference) -> String {
    name.to_string().replace(':', "-").replace('/', "_")
}

impl Kept {
    /// The list of that name, begun or not.
    pub fn of(name: &Reference) -> Self {
        Kept(contexts::folder().join("manifests").join(safe(name)))
    }

    /// Whether it was begun.
    pub fn exists(&self) -> bool {
        self.0.is_dir()
    }

    /// Forgets it; whether it was there.
    pub fn forget(&self) -> bool {
        std::fs::remove_dir_all(&self.0).is_ok()
    }

    /// One of its manifests.
    pub fn read(&self, name: &Reference) -> Option<Value> {
        serde_json::from_str(&std::fs::read_to_string(self.0.join(safe(name))).ok()?).ok()
    }

    /// Keeps a manifest.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, name: &Reference, entry: &Value) -> Result {
        std::fs::create_dir_all(&self.0)?;
        Ok(std::fs::write(self.0.join(safe(name)), entry.to_string())?)
    }

    /// All of them, by name.
    pub fn entries(&self) -> Vec<Value> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.0).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.iter().filter_map(|file| serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()).collect()
    }

    /// The index that they make.
    pub fn index(&self, media_type: &str) -> Value {
        let manifests: Vec<Value> = self.entries().into_iter().map(|mut entry| entry["Descriptor"].take()).collect();
        json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests})
    }
}
