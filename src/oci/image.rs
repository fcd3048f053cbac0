//! Images: a store of them, and the ways in and out.
//!
//! An image is a configuration and a list of layers, each a tar with the changes to the layer below (OCI image specification 1.1). Everything has the hash of
//! its content for a name, so a name cannot lie, equal content is kept once, and images share their layers.
//!
//! ```text
//!  registry, archive, builder ──▶ blobs (compressed, by digest) ──▶ layers (unpacked, by chain id) ──▶ overlay ──▶ container
//!                                 names, configurations                                              changes ──▶ diff ──▶ a new layer
//! ```
//!
//! Invariants: what is under its digest is whole; what a name points to is all there; what a stranger sent was verified and bounded; nothing a layer
//! contains leads out of the folder that it is unpacked to.

pub mod archive;
pub mod blobs;
pub mod compress;
pub mod error;
pub mod layers;
pub mod load;
pub mod make;
pub mod names;
pub mod overlay;
pub mod pack;
mod platform;
pub mod save;
pub mod sparse;
pub mod spec;
pub mod store;
pub mod survey;
pub mod sweep;
pub mod unpack;

pub use error::{Error, Result};
pub use names::Image;
pub use store::Store;

#[cfg(test)]
mod tests;
