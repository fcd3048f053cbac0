//! From a Dockerfile to an image.
//!
//! [`dockerfile`] reads the language; the rest does what it says, as BuildKit does: stages are a graph of which only the needed part is built, in parallel where
//! it is independent; every step that changes files makes a layer, keyed by the content of all that it was made of; `RUN` runs in a container of
//! [`crate::oci::runtime`].
//!
//! ```text
//!  Dockerfile ── dockerfile ──▶ stages ── plan ──▶ order ── builder ──▶ a thread for each stage
//!  context ─── context, tree ─▶ digests of files ─┐             │ stage: metadata, copying, running
//!                                                  ├─ cache ◀────┤ workshop: overlay ─▶ layer in the store
//!  variables ── scope ──▶ expanded texts ─────────┘             ▼
//!  events ──▶ progress (plain, screen, json, classic)          image, output
//! ```
//!
//! Invariants: what a context or an image contains leads nowhere but into itself; a layer is there whole or not at all; nothing of a secret is kept; a build that
//! is killed leaves no process and no mount (see [`sandbox`]). Left out, and refused with a sentence: agents (`--mount=type=ssh`), Git repositories in `ADD`,
//! privileged steps, front ends from images (`# syntax=` is read and not fetched), images for other processors than this machine's where they `RUN`.

mod builder;
pub mod cache;
pub mod changes;
pub mod checks;
mod chmod;
mod container;
pub mod context;
mod copying;
pub mod dockerfile;
pub mod error;
pub mod events;
pub mod explain;
mod go;
pub mod ignore;
pub mod image;
mod metadata;
mod mounts;
pub mod options;
pub mod output;
pub mod pattern;
mod plan;
pub mod progress;
mod running;
pub mod sandbox;
mod scope;
mod stage;
mod state;
mod stubs;
mod tree;
mod triggers;
mod workshop;
mod write;

pub use builder::build;
pub use context::Context;
pub use error::{Error, Result};
pub use options::{Options, Outside, Secret};
pub use state::State;
pub use workshop::{Workshop, sweep_store};
