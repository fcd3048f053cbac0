//! A registry as the cache of another one (`proxy.remoteurl`): what is asked for is fetched once, and kept. Nobody pushes here.
//!
//! A tag is looked up at the origin for every pull, so it is never old; when the origin cannot be reached, what is here is given.

use std::sync::Arc;

use super::answer::{Code, Fault};
use super::client::error::{Error, Why};
use super::client::manifests::{digest_of, fetch};
use super::client::progress::Silent;
use super::client::remote::Remote;
use super::client::{Client, connect::Connector, credentials::Login, settings::Settings};
use super::depot::Depot;
use super::options::{Bringing, Source};
use super::route::Target;
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;

/// The origin of a cache.
pub struct Origin {
    remote: Arc<Remote>,
}

impl Origin {
    /// The registry at `url`, asked as `login` or as nobody.
    ///
    /// # Errors
    /// It is no URL.
    pub fn new(settings: Settings, url: &str, login: Option<Login>) -> Result<Self, String> {
        let mut remote = Remote::mirror(url, Arc::new(Connector::new(settings)), Arc::new(Silent))?;
        remote.log_in_as(login);
        Ok(Origin { remote: Arc::new(remote) })
    }

    fn reference(&self, name: &str, target: &Target) -> Result<Reference, Fault> {
        let (tag, digest) = match target {
            Target::Tag(tag) => (Some(tag.as_str()), None),
            Target::Digest(digest) => (None, Some(digest.clone())),
        };
        Reference::new(&self.remote.host, name, tag, digest).map_err(|error| Fault::new(Code::NameInvalid, error.to_string()))
    }

    async fn bring_manifest(&self, depot: &Depot, name: &str, target: &Target) -> Result<(), Fault> {
        let reference = self.reference(name, target)?;
        let known = match target {
            Target::Digest(digest) => depot.manifest(name, digest)?.map(|_| digest.clone()),
            Target::Tag(tag) => depot.tag(name, tag)?,
        };
        if let (Some(known), Target::Tag(_)) = (&known, target) {
            match digest_of(&self.remote, &reference).await {
                Ok(Some(now)) if now == *known => return Ok(()),
                Ok(_) => {}
                // The origin is away: then what is here is the best there is.
                Err(Error { why: Why::Unreachable(_), .. }) => return Ok(()),
                Err(error) => return Err(fault(&error)),
            }
        } else if known.is_some() {
            return Ok(());
        }
        let _lease = depot.store().lease()?;
        let fetched = fetch(&self.remote, &reference).await.map_err(|error| fault(&error))?;
        let tag = if let Target::Tag(tag) = target { Some(tag.as_str()) } else { None };
        Ok(depot.cache(name, &fetched.descriptor, &fetched.content, tag)?)
    }
}

impl Source for Origin {
    fn bring<'a>(&'a self, depot: &'a Depot, name: &'a str, target: &'a Target) -> Bringing<'a> {
        Box::pin(self.bring_manifest(depot, name, target))
    }

    fn bring_blob<'a>(&'a self, depot: &'a Depot, name: &'a str, digest: &'a Digest) -> Bringing<'a> {
        Box::pin(async move {
            let reference = self.reference(name, &Target::Digest(digest.clone()))?;
            let _lease = depot.store().lease()?;
            Client::blob(&self.remote, depot.store(), &reference, digest).await.map_err(|error| fault(&error))?;
            Ok(depot.add_blob(name, digest)?)
        })
    }

    fn tags(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn takes_pushes(&self) -> bool {
        false
    }
}

fn fault(error: &Error) -> Fault {
    let code = match &error.why {
        Why::ManifestUnknown(_) | Why::Status { status: 404, .. } => Code::ManifestUnknown,
        Why::Denied { .. } | Why::Unauthorized(_) => Code::Denied,
        Why::TooMany(_) => Code::TooMany,
        _ => Code::Unknown,
    };
    Fault::new(code, error.to_string())
}
