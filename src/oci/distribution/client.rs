//! A client of registries: images from them into the store, and from the store to them.
//!
//! ```text
//!  name ─▶ registry or mirror ─▶ /v2/ (TLS? who am I?) ─▶ token ─▶ manifest ─▶ blobs ─▶ store
//! ```
//! A registry is a stranger. What it sends is bounded, and verified by digest before it has a name; what it says is shown without control letters; our
//! password goes to it and to the token service that it names, over TLS, and to nobody that it redirects us to. Without TLS only registries on this machine are
//! spoken to, and those that the person names. Errors are in the words of docker, because people search for them, with what to do.
//!
//! It is asynchronous, since layers come side by side; [`run`] is for callers that are not. It prints nothing: see [`progress`].

pub mod challenge;
pub mod connect;
pub mod credentials;
pub mod error;
pub mod login;
pub mod manifests;
pub mod progress;
pub mod pull;
pub mod push;
mod put;
pub mod remote;
pub mod search;
pub mod settings;
pub mod tags;
pub mod tokens;
pub mod trust;
pub mod url;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use connect::Connector;
use error::Why;
pub use error::{Error, Result};
use progress::Progress;
use remote::Remote;
use settings::Settings;

use crate::oci::reference::{HUB, Reference};

/// A client of all registries. Its connections and tokens are kept as long as it lives.
pub struct Client {
    connector: Arc<Connector>,
    progress: Arc<dyn Progress>,
    known: Mutex<HashMap<String, Arc<Remote>>>,
}

impl Client {
    /// A client that tells `progress` what it does.
    pub fn new(settings: Settings, progress: Arc<dyn Progress>) -> Self {
        Client { connector: Arc::new(Connector::new(settings)), progress, known: Mutex::default() }
    }

    /// The registry of a name.
    fn origin(&self, name: &Reference) -> Arc<Remote> {
        self.remote(name.host())
    }

    fn remote(&self, host: &str) -> Arc<Remote> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Remote::new(host, Arc::clone(&self.connector), Arc::clone(&self.progress)));
        Arc::clone(known.entry(host.to_owned()).or_insert_with(new))
    }

    /// Who is asked for a name, in this order: the mirrors of the Hub for what is on the Hub, and the registry itself.
    fn remotes(&self, name: &Reference) -> Result<Vec<Arc<Remote>>> {
        let mut remotes = Vec::new();
        if name.host() == HUB {
            for mirror in &self.connector.settings().mirrors {
                let made = Remote::mirror(mirror, Arc::clone(&self.connector), Arc::clone(&self.progress));
                remotes.push(Arc::new(made.map_err(|why| Error {
                    subject: name.repository(),
                    asked: String::new(),
                    why: Why::Config(why),
                })?));
            }
        }
        remotes.push(self.origin(name));
        Ok(remotes)
    }
}

/// Runs a future of this client to its end, for callers without a runtime of their own.
///
/// # Errors
/// The kernel gave no threads.
pub fn run<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    let done = runtime.block_on(future);
    // A name that is still being looked up must not keep us.
    runtime.shutdown_background();
    Ok(done)
}
