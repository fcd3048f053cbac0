//! How a registry is to be, and the places where others join in: who may come, where content comes from, who hears of it.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;

use super::access::Guard;
use super::answer::{Answer, Fault};
use super::depot::Depot;
use super::limit::Rate;
use super::route::Target;
use crate::oci::digest::Digest;

/// An answer, or why there is none.
pub type Outcome = Result<Answer, Fault>;

/// Content that is made, or fetched, when somebody asks for it.
pub trait Source: Send + Sync {
    /// Brings what the tag or the digest of a repository means into the depot, if it can.
    ///
    /// # Errors
    /// It can, and failed.
    fn bring<'a>(&'a self, depot: &'a Depot, name: &'a str, target: &'a Target) -> Bringing<'a>;
    /// Brings a blob that the depot lacks.
    ///
    /// # Errors
    /// As [`Source::bring`].
    fn bring_blob<'a>(&'a self, depot: &'a Depot, name: &'a str, digest: &'a Digest) -> Bringing<'a>;
    /// The tags that it could bring.
    fn tags(&self, name: &str) -> Vec<String>;
    /// Whether people may push beside it.
    fn takes_pushes(&self) -> bool;
}

/// What a [`Source`] is doing.
pub type Bringing<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

/// Pages that a server has beside the registry: tokens, search.
pub trait Pages: Send + Sync {
    /// The answer to a request that is one of theirs.
    fn page(&self, depot: &Depot, request: &Request<Incoming>) -> Option<Outcome>;
}

/// Hears of what was pushed.
pub trait Listener: Send + Sync {
    /// A manifest has come.
    fn pushed(&self, event: PushEvent);
}

/// A manifest that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushEvent {
    /// The repository.
    pub repository: String,
    /// The tag, if it has one.
    pub tag: Option<String>,
    /// Its digest, media type and length.
    pub digest: Digest,
    /// See above.
    pub media_type: String,
    /// See above.
    pub size: usize,
    /// Who pushed it.
    pub actor: Option<String>,
}

/// How a registry is to be.
#[derive(Clone, Default)]
pub struct Options {
    /// Who may come in.
    pub guard: Guard,
    /// Deleting is refused.
    pub keep: bool,
    /// How many pulls are allowed, looked up for every pull; the argument says whether it is somebody with an account.
    pub rate: Option<Arc<dyn Fn(bool) -> Rate + Send + Sync>>,
    /// Where content comes from that is not there.
    pub source: Option<Arc<dyn Source>>,
    /// Pages beside the registry.
    pub pages: Option<Arc<dyn Pages>>,
    /// Who hears of pushes.
    pub listener: Option<Arc<dyn Listener>>,
    /// The certificate; without one there is no TLS.
    pub tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
}
