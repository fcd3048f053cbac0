//! Pull: from a name to an image in the store.
//!
//! ```text
//! HEAD tag ── the digest that we have? ──▶ done
//!    └─▶ GET manifest (or index ─▶ manifest) ─▶ configuration and layers, three at a time ─▶ names
//! ```
//! Everything lands in the store under its digest or not at all. What broke off stays in the store's `ingest/`, and the next attempt, in this process or another,
//! goes on behind it. The names come last, so an image that has a name is whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use hyper::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Client;
use super::connect::chain;
use super::error::{Result, Why};
use super::manifests::{Chosen, choose, digest_of, in_pull_words, pull_scope, target};
use super::progress::{Event, Progress, Step};
use super::remote::{Ask, Remote, shown};
use crate::kernel::random;
use crate::oci::digest::Digest;
use crate::oci::image::blobs::Ingest;
use crate::oci::image::spec::{Descriptor, LARGEST_CONFIG, Platform};
use crate::oci::image::{Error as StoreError, Store};
use crate::oci::reference::Reference;

/// So many layers come at a time, as with docker.
const AT_A_TIME: usize = 3;
/// The largest layer that is taken, in bytes.
const LARGEST_LAYER: u64 = 64 << 30;
/// Progress is told after so many more bytes.
const TELL: u64 = 128 << 10;

/// An image that was pulled.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// What the name means now: a manifest or an index.
    pub target: Descriptor,
    /// Whether anything of it was new.
    pub newer: bool,
}

impl Client {
    /// Brings an image for `platform` into the store, and gives it its names.
    ///
    /// # Errors
    /// See [`super::error::Why`]. What has come stays for the next attempt.
    pub async fn pull(&self, store: &Store, name: &Reference, platform: &Platform) -> Result<Pulled> {
        let name = name.clone().or_latest();
        self.progress.event(Event::Pulling { target: target(&name), path: name.path().to_owned() });
        let remotes = self.remotes(&name)?;
        let last = remotes.len() - 1;
        for (at, remote) in remotes.into_iter().enumerate() {
            match self.pull_from(store, remote, &name, platform).await {
                Err(error) if at < last => self.progress.event(Event::Mirror(error.subject.clone(), error.to_string())),
                done => return done,
            }
        }
        // There is always the registry itself.
        Err(self.origin(&name).error(name.path(), "", Why::Config("no registry to ask".to_owned())))
    }

    async fn pull_from(&self, store: &Store, remote: Arc<Remote>, name: &Reference, platform: &Platform) -> Result<Pulled> {
        let ours = |error: StoreError| remote.error(name.path(), "", Why::store(error));
        let _lease = store.lease().map_err(ours)?;
        if let Some(target) = self.unchanged(store, &remote, name, platform).await? {
            self.give_names(store, name, &target).map_err(ours)?;
            return Ok(Pulled { target, newer: false });
        }
        let chosen = choose(&remote, name, platform).await?;
        let target = chosen.documents[0].descriptor.clone();
        let newer = self.parts(store, &remote, name, &chosen).await?;
        for document in chosen.documents.iter().rev() {
            put(store, &document.descriptor, &document.content).map_err(ours)?;
        }
        // Refuses what does not fit together, before it has a name.
        store.read_image(&target, platform).map_err(ours)?;
        let moved =
            store.entries().map_err(ours)?.iter().all(|entry| entry.name.as_ref() != Some(name) || entry.target.digest != target.digest);
        self.give_names(store, name, &target).map_err(ours)?;
        Ok(Pulled { target, newer: newer || moved })
    }

    /// What the name means, if the registry says that it is what we have, and we have all of it.
    async fn unchanged(&self, store: &Store, remote: &Remote, name: &Reference, platform: &Platform) -> Result<Option<Descriptor>> {
        let known = |entry: &crate::oci::image::names::Entry| entry.name.as_ref().is_some_and(|own| own.repository() == name.repository());
        let entries = store.entries().map_err(|error| remote.error(name.path(), "", Why::store(error)))?;
        let mut entries = entries.into_iter().filter(known).map(|entry| entry.target).peekable();
        if entries.peek().is_none() {
            return Ok(None);
        }
        let digest = match name.digest() {
            Some(digest) => Some(digest.clone()),
            None => digest_of(remote, name).await?,
        };
        let whole = |target: &Descriptor| {
            let image = store.read_image(target, platform).ok()?;
            image.manifest.layers.iter().all(|layer| store.has(&layer.digest)).then_some(())
        };
        Ok(entries.find(|target| Some(&target.digest) == digest.as_ref() && whole(target).is_some()))
    }

    /// Brings one blob of a repository into the store; its length is what the registry says.
    ///
    /// # Errors
    /// It is not there, or not what its digest says.
    pub async fn blob(remote: &Arc<Remote>, store: &Store, name: &Reference, digest: &Digest) -> Result<()> {
        let ask = Ask::new(Method::HEAD, format!("/v2/{}/blobs/{digest}", name.path()), &pull_scope(name.path()));
        let (response, _) = remote.ask(name.path(), &ask).await?;
        let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let size = length.filter(|length| *length <= LARGEST_LAYER);
        let size =
            size.ok_or_else(|| remote.error(name.path(), "", Why::Lie(format!("it does not say how long {digest} is, or too much"))))?;
        let part = Descriptor::new("application/octet-stream", digest.clone(), size);
        let transfer = Transfer {
            store: store.clone(),
            remote: Arc::clone(remote),
            name: name.clone(),
            part,
            progress: Arc::new(super::progress::Silent),
        };
        transfer.run().await.map(drop)
    }

    fn give_names(&self, store: &Store, name: &Reference, target: &Descriptor) -> std::result::Result<(), StoreError> {
        if name.digest().is_none() {
            store.set_name(name, target)?;
        }
        let by_digest = Reference::new(name.host(), name.path(), None, Some(target.digest.clone()))?;
        store.set_name(&by_digest, target)
    }

    /// Brings the configuration and the layers. True if one was new.
    async fn parts(&self, store: &Store, remote: &Arc<Remote>, name: &Reference, chosen: &Chosen) -> Result<bool> {
        let config = &chosen.manifest.config;
        let limit = |part: &Descriptor, most: u64| {
            let why = format!("the manifest promises {} bytes for {}, the limit is {most}", part.size, part.digest);
            if part.size > most { Err(remote.error(name.path(), "", Why::Lie(why))) } else { Ok(()) }
        };
        limit(config, LARGEST_CONFIG)?;
        chosen.manifest.layers.iter().try_for_each(|layer| limit(layer, LARGEST_LAYER))?;
        let (mut seen, slots, mut tasks) = (HashSet::new(), Arc::new(Semaphore::new(AT_A_TIME)), JoinSet::new());
        for (part, is_layer) in chosen.manifest.layers.iter().map(|layer| (layer, true)).chain([(config, false)]) {
            // The same layer twice is one blob.
            if !seen.insert(part.digest.clone()) {
                continue;
            }
            let progress = if is_layer { Arc::clone(&self.progress) } else { Arc::new(super::progress::Silent) as Arc<dyn Progress> };
            progress.event(Event::Layer(part.digest.clone(), Step::Waiting));
            let transfer = Transfer { store: store.clone(), remote: Arc::clone(remote), name: name.clone(), part: part.clone(), progress };
            let slots = Arc::clone(&slots);
            tasks.spawn(async move {
                // The configuration is small, and what comes next needs it.
                let _slot = if is_layer { slots.acquire().await.ok() } else { None };
                transfer.run().await
            });
        }
        let mut newer = false;
        while let Some(done) = tasks.join_next().await {
            // The first failure ends the others: they are dropped with the set, and what they have stays.
            newer |= done.map_err(|error| remote.error(name.path(), "", Why::Config(format!("a transfer ended: {error}"))))??;
        }
        Ok(newer)
    }
}

/// Puts a document under the digest that it was asked for by.
fn put(store: &Store, descriptor: &Descriptor, content: &[u8]) -> std::result::Result<(), StoreError> {
    if let Some(mut ingest) = store.ingest(descriptor)? {
        ingest.restart()?;
        ingest.write(content)?;
        ingest.commit()?;
    }
    Ok(())
}

/// One blob on its way into the store.
struct Transfer {
    store: Store,
    remote: Arc<Remote>,
    name: Reference,
    part: Descriptor,
    progress: Arc<dyn Progress>,
}

/// How an attempt ended that did not bring everything.
enum Broken {
    /// It may go on from where it is.
    Off(Why),
    /// It is of no use to try again.
    Final(super::Error),
}

impl Transfer {
    fn tell(&self, step: Step) {
        self.progress.event(Event::Layer(self.part.digest.clone(), step));
    }

    fn error(&self, why: Why) -> super::Error {
        self.remote.error(self.name.path(), &format!("GET {}", self.path()), why)
    }

    fn path(&self) -> String {
        format!("/v2/{}/blobs/{}", self.name.path(), self.part.digest)
    }

    /// Brings the blob; false if it was there.
    async fn run(self) -> Result<bool> {
        let patience = self.remote.connector().settings().patience;
        let mut attempt = 0;
        loop {
            // Somebody else may be bringing the same: waiting for a lock needs a thread of its own.
            let (store, part) = (self.store.clone(), self.part.clone());
            let begun = tokio::task::spawn_blocking(move || store.ingest(&part)).await;
            let begun = begun.map_err(|error| self.error(Why::Config(format!("a transfer ended: {error}"))))?;
            let Some(mut ingest) = begun.map_err(|error| self.error(Why::store(error)))? else {
                self.tell(Step::Exists);
                return Ok(false);
            };
            let before = ingest.written();
            let broken = match self.receive(&mut ingest).await {
                Ok(()) => return self.finish(ingest).await,
                Err(broken) => broken,
            };
            // As long as something comes there is hope.
            attempt = if ingest.written() > before { 1 } else { attempt + 1 };
            drop(ingest);
            let why = match broken {
                Broken::Final(error) => return Err(error),
                Broken::Off(why) => why,
            };
            let Some(pause) = patience.pause_after(attempt, None, random::bytes::<1>()[0]) else { return Err(self.error(why)) };
            self.progress.event(Event::Again(why.to_string(), u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)));
            tokio::time::sleep(pause).await;
        }
    }

    async fn finish(&self, ingest: Ingest) -> Result<bool> {
        // fsync takes its time.
        let stored = tokio::task::spawn_blocking(move || ingest.commit()).await;
        let stored = stored.map_err(|error| self.error(Why::Config(format!("a transfer ended: {error}"))))?;
        stored.map_err(|error| match error {
            StoreError::Damaged { found, .. } => {
                self.error(Why::Lie(format!("the content has the digest {found}, and {} was asked for", self.part.digest)))
            }
            other => self.error(Why::store(other)),
        })?;
        self.tell(Step::Downloaded);
        Ok(true)
    }

    /// Takes what the registry sends, from where we are.
    async fn receive(&self, ingest: &mut Ingest) -> std::result::Result<(), Broken> {
        let have = ingest.written();
        if have == self.part.size {
            return Ok(());
        }
        let mut ask = Ask::new(Method::GET, self.path(), &pull_scope(self.name.path()));
        if have > 0 {
            ask = ask.header(RANGE, format!("bytes={have}-"));
        }
        let (response, uri) = self.remote.ask(self.name.path(), &ask).await.map_err(|error| Broken::Final(self.in_words(error)))?;
        let store = |error| Broken::Final(self.error(Why::store(error)));
        let lie = |why: String| Broken::Final(self.remote.error(self.name.path(), &format!("GET {}", shown(&uri)), Why::Lie(why)));
        if have > 0 && !goes_on_at(&response, have) {
            // It sends everything, or some other part: only the whole is of use.
            if response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(lie(format!("it was asked to go on at byte {have} and sends another part")));
            }
            ingest.restart().map_err(store)?;
        } else if have == 0 && response.status() == StatusCode::PARTIAL_CONTENT && !goes_on_at(&response, 0) {
            return Err(lie("it sends a part, and all was asked for".to_owned()));
        }
        let (mut body, mut told) = (response.into_body(), 0);
        let silence: Duration = self.remote.connector().settings().patience.silence;
        loop {
            let frame = match tokio::time::timeout(silence, body.frame()).await {
                Err(_) => return Err(Broken::Off(Why::Unreachable(format!("nothing came for {} seconds", silence.as_secs())))),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(Broken::Off(Why::Unreachable(format!("the transfer broke off: {}", chain(&error))))),
                Ok(Some(Ok(frame))) => frame,
            };
            let Some(bytes) = frame.data_ref() else { continue };
            if let Err(error) = ingest.write(bytes) {
                let error = if matches!(error, StoreError::TooLarge { .. }) {
                    lie(format!("it sends more than the {} bytes that the manifest promised", self.part.size))
                } else {
                    store(error)
                };
                // What is too long is wrong from its beginning.
                ingest.restart().map_err(store)?;
                return Err(error);
            }
            if ingest.written() - told >= TELL {
                told = ingest.written();
                self.tell(Step::Downloading(told, self.part.size));
            }
        }
        if ingest.written() < self.part.size {
            return Err(Broken::Off(Why::Lie(format!(
                "the answer ends after {} of the {} bytes that the manifest promised",
                ingest.written(),
                self.part.size
            ))));
        }
        Ok(())
    }

    fn in_words(&self, mut error: super::Error) -> super::Error {
        if let Why::Status { status: 404, said } = &error.why {
            error.why = Why::Lie(format!("the manifest names the blob {}, and the registry does not have it: {said}", self.part.digest));
            return error;
        }
        in_pull_words(error, &self.name)
    }
}

/// Whether an answer is the part that begins at `from`.
fn goes_on_at(response: &hyper::Response<hyper::body::Incoming>, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let begins = range.and_then(|range| range.trim_start_matches("bytes ").split('-').next()?.trim().parse::<u64>().ok());
    response.status() == StatusCode::PARTIAL_CONTENT && begins == Some(from)
}
