//! The OCI distribution specification: how images travel.
//!
//! A registry keeps blobs and manifests by digest, per repository, and tags that point to manifests. Everything is HTTP: pushing is uploading blobs and
//! then the manifest that names them, pulling is the reverse. [`server`] is a registry, [`client`] asks one.
//!
//! ```text
//!  push: POST /v2/NAME/blobs/uploads/ ─▶ PATCH ... ─▶ PUT ?digest=   (each blob)   ─▶ PUT /v2/NAME/manifests/TAG
//!  pull: GET /v2/NAME/manifests/TAG ─▶ GET /v2/NAME/blobs/DIGEST     (each blob)
//! ```

pub mod access;
pub mod answer;
pub mod client;
pub mod depot;
pub mod hooks;
pub mod hub;
pub mod limit;
pub mod mirror;
pub mod options;
pub mod route;
pub mod server;
pub mod tls;
pub mod tokens;
pub mod wire;
