//! The course images: a catalog of images that are made on the spot, from this program and this machine, and need nothing from anywhere.
//!
//! An image that somebody asks for by a name of this catalog becomes blobs of a store: layers, configuration, manifest, and an index of the platforms
//! (OCI image specification). The same name gives the same digests as long as this program and the machine's BusyBox stay the same.
//!
//! ```text
//!  name:tag ──▶ recipe ──▶ plan: instructions, each with the files of a layer or with none ──▶ blobs ──▶ descriptor of the index
//!                            │
//!                            └── lowest of them all: the toolbox (this program, BusyBox, bash), made once and shared by every image
//! ```
//!
//! None of them is the image of that name on the Docker Hub. Each says so in its labels: for what it stands, how faithful it is, and what differs.
//! What cannot honestly be stood in for (a database, a language) is not made here: there are Dockerfiles for it, see [`built`].

use crate::oci::image::Store;
use crate::oci::image::error::Result;
use crate::oci::image::spec::{Descriptor, Index, media};
use crate::oci::reference::Reference;

mod bases;
pub mod built;
mod closure;
mod elf;
mod families;
mod hello;
mod layer;
mod plan;
pub mod recipe;
mod samples;
mod servers;
mod tree;

pub use recipe::{Fidelity, Recipe};

/// All recipes, in the order of the book's table.
pub fn recipes() -> impl Iterator<Item = &'static Recipe> {
    [bases::RECIPES, servers::RECIPES, samples::RECIPES, built::RECIPES].into_iter().flatten()
}

/// The recipe for a complete name, if the catalog has that name and that tag.
pub fn find(name: &Reference) -> Option<&'static Recipe> {
    let tag = name.tag()?;
    named(name).find(|recipe| recipe.fidelity != Fidelity::Built && recipe.tags.contains(&tag))
}

/// The recipes of a repository, whatever the tag.
pub fn named(name: &Reference) -> impl Iterator<Item = &'static Recipe> {
    let repository = name.repository();
    recipes().filter(move |recipe| recipe.repository().is_some_and(|own| own.repository() == repository))
}

/// Makes the image `name` in the store and gives the descriptor of its index; `None` if the catalog has no such name and tag.
///
/// It gets no name in the store, so the caller holds a [`Store::lease`] until it has given it one.
///
/// # Errors
/// This machine has no BusyBox, or the store cannot be written.
pub fn image(store: &Store, name: &Reference) -> Result<Option<Descriptor>> {
    let (Some(recipe), Some(tag)) = (find(name), name.tag()) else { return Ok(None) };
    let mut manifests = Vec::new();
    for platform in recipe.platforms() {
        let manifest = (recipe.plan)(tag, &platform).labelled(recipe, tag).write(store, &platform)?;
        manifests.push(Descriptor { platform: Some(platform), ..manifest });
    }
    let index = serde_json::to_vec(&Index::new(manifests)).map_err(|error| crate::oci::image::Error::invalid("index", error))?;
    store.put_blob(media::INDEX, &index).map(Some)
}

/// Makes the layer that nearly all images share, unless the store has it: for whoever will be asked for one of them soon.
///
/// # Errors
/// As [`image`].
pub fn prepare(store: &Store) -> Result<()> {
    layer::toolbox(store).map(drop)
}

#[cfg(test)]
mod tests;
