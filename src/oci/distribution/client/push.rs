//! Push: from the store to a registry.
//!
//! Blobs first, five at a time: is it there (HEAD)? has a neighbour repository it (mount)? else it is sent. Then the manifests, the innermost first, and the tag
//! with the last of them: nobody sees an image that is not all there. An upload that breaks off is asked how far it came, and goes on there.

use std::collections::HashSet;
use std::sync::Arc;

use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use hyper::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::error::{Error, Result, Why};
use super::manifests::target;
use super::progress::{Event, Progress, Silent, Step};
use super::remote::{Ask, Payload, Remote, Sent};
use super::{Client, url};
use crate::kernel::random;
use crate::oci::digest::Digest;
use crate::oci::image::spec::{Descriptor, Document, ImageConfig, LARGEST_CONFIG, LARGEST_MANIFEST, Manifest, Platform};
use crate::oci::image::{Error as StoreError, Store};
use crate::oci::reference::Reference;

/// So many blobs go at a time, as with docker.
const AT_A_TIME: usize = 5;
/// Smaller blobs go in one request: there is little to resume.
const SMALL: u64 = 1 << 20;
/// Progress is told after so many more bytes.
const TELL: u64 = 128 << 10;
/// Indexes in indexes are followed so deep.
const DEPTH: usize = 4;

/// What was pushed.
#[derive(Debug, Clone)]
pub struct Sending {
    /// The manifest or index that the tag points to now.
    pub target: Descriptor,
    /// Of an index only this platform's image was sent, because the store has no other.
    pub only: Option<Platform>,
}

/// A blob to be sent, and under which id it is shown; none for configurations.
struct Part {
    blob: Descriptor,
    shown: Option<Digest>,
}

impl Client {
    /// Sends the image of that name to its registry.
    ///
    /// # Errors
    /// The store does not have it, or the registry does not take it.
    pub async fn push(&self, store: &Store, name: &Reference, platform: &Platform) -> Result<Sending> {
        let name = name.clone().or_latest();
        let remote = self.origin(&name);
        let ours = |error: StoreError| remote.error(name.path(), "", Why::store(error));
        let _lease = store.lease().map_err(ours)?;
        let image = store.find(&name.to_string(), platform).map_err(ours)?;
        self.progress.event(Event::Pushing(name.repository()));
        let mut tree = Vec::new();
        let complete = collect(store, &image.target, 0, &mut tree).map_err(ours)?;
        if !complete {
            tree.clear();
            collect(store, &image.descriptor, 0, &mut tree).map_err(ours)?;
        }
        self.send_parts(store, &remote, &name, parts(store, &tree).map_err(ours)?).await?;
        let last = tree.len().saturating_sub(1);
        for (at, (descriptor, content, _)) in tree.iter().enumerate() {
            let reference = if at == last && name.digest().is_none() { target(&name) } else { descriptor.digest.to_string() };
            self.send_manifest(&remote, &name, descriptor, content.clone(), &reference).await?;
        }
        let target = if complete { image.target } else { image.descriptor };
        Ok(Sending { target, only: (!complete).then_some(image.config.platform) })
    }

    async fn send_manifest(
        &self,
        remote: &Remote,
        name: &Reference,
        descriptor: &Descriptor,
        content: Vec<u8>,
        reference: &str,
    ) -> Result<()> {
        let mut ask = Ask::new(Method::PUT, format!("/v2/{}/manifests/{reference}", name.path()), &push_scope(name.path()));
        ask = ask.header(CONTENT_TYPE, &descriptor.media_type);
        ask.payload = Payload::Bytes(content.into());
        remote.ask(name.path(), &ask).await.map(drop).map_err(|error| in_push_words(error, name))
    }

    async fn send_parts(&self, store: &Store, remote: &Arc<Remote>, name: &Reference, parts: Vec<Part>) -> Result<()> {
        let (slots, mut tasks) = (Arc::new(Semaphore::new(AT_A_TIME)), JoinSet::new());
        let neighbours = Arc::new(neighbours(store, name).map_err(|error| remote.error(name.path(), "", Why::store(error)))?);
        for part in parts {
            let progress = if part.shown.is_some() { Arc::clone(&self.progress) } else { Arc::new(Silent) as Arc<dyn Progress> };
            let shown = part.shown.unwrap_or_else(|| part.blob.digest.clone());
            progress.event(Event::Layer(shown.clone(), Step::Preparing));
            let upload = Upload {
                store: store.clone(),
                remote: Arc::clone(remote),
                name: name.clone(),
                blob: part.blob,
                shown,
                progress,
                neighbours: Arc::clone(&neighbours),
            };
            let slots = Arc::clone(&slots);
            tasks.spawn(async move {
                let _slot = slots.acquire().await;
                upload.run().await
            });
        }
        while let Some(done) = tasks.join_next().await {
            let done = done.map_err(|error| remote.error(name.path(), "", Why::Config(format!("a transfer ended: {error}"))))?;
            done.map_err(|error| in_push_words(error, name))?;
        }
        Ok(())
    }
}

type Tree = Vec<(Descriptor, Vec<u8>, Option<Manifest>)>;

/// A manifest and all below it, the innermost first. False if something is not in the store.
fn collect(store: &Store, target: &Descriptor, depth: usize, tree: &mut Tree) -> std::result::Result<bool, StoreError> {
    if depth > DEPTH {
        return Err(StoreError::invalid(format!("image `{}`", target.digest), "its indexes are nested too deep"));
    }
    if !store.has(&target.digest) {
        return Ok(false);
    }
    let content = store.read_blob(&target.digest, LARGEST_MANIFEST)?;
    let (document, mut complete) = (Document::read(Some(&target.media_type), &content)?, true);
    let manifest = match document {
        Document::Index(index) => {
            for child in &index.manifests {
                complete = complete && collect(store, child, depth + 1, tree)?;
            }
            None
        }
        Document::Manifest(manifest) => {
            complete = manifest.layers.iter().chain([&manifest.config]).all(|part| store.has(&part.digest) || !part.urls.is_empty());
            Some(manifest)
        }
    };
    tree.push((target.clone(), content, manifest));
    Ok(complete)
}

/// The blobs that some manifests need, each once.
fn parts(store: &Store, tree: &Tree) -> std::result::Result<Vec<Part>, StoreError> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for manifest in tree.iter().filter_map(|(_, _, manifest)| manifest.as_ref()) {
        // An artifact's configuration may be anything.
        let config = store.read_blob(&manifest.config.digest, LARGEST_CONFIG).ok().and_then(|text| ImageConfig::read(&text).ok());
        let diff_ids = config.map(|config| config.rootfs.diff_ids).unwrap_or_default();
        for (at, layer) in manifest.layers.iter().enumerate() {
            // What lies somewhere else by declaration is not sent.
            if seen.insert(layer.digest.clone()) && store.has(&layer.digest) {
                found.push(Part { blob: layer.clone(), shown: Some(diff_ids.get(at).unwrap_or(&layer.digest).clone()) });
            }
        }
        if seen.insert(manifest.config.digest.clone()) {
            found.push(Part { blob: manifest.config.clone(), shown: None });
        }
    }
    Ok(found)
}

/// The repositories of the same registry that may have blobs of ours, by what we pulled from or pushed to there.
fn neighbours(store: &Store, name: &Reference) -> std::result::Result<Vec<(String, HashSet<Digest>)>, StoreError> {
    let mut found: Vec<(String, HashSet<Digest>)> = Vec::new();
    for entry in store.entries()? {
        let Some(own) = entry.name.filter(|own| own.host() == name.host() && own.path() != name.path()) else { continue };
        let mut tree = Vec::new();
        if collect(store, &entry.target, 0, &mut tree).is_err() {
            continue;
        }
        let blobs = tree.into_iter().filter_map(|(_, _, manifest)| manifest).flat_map(|manifest| manifest.layers).map(|layer| layer.digest);
        found.push((own.path().to_owned(), blobs.collect()));
    }
    Ok(found)
}

/// The right to push to a repository.
pub fn push_scope(path: &str) -> String {
    format!("repository:{path}:pull,push")
}

/// What docker says where a push is refused.
pub fn in_push_words(mut error: Error, name: &Reference) -> Error {
    error.why = match error.why {
        Why::Unauthorized(said) if said.contains("incorrect") => Why::Unauthorized(said),
        Why::Unauthorized(_) | Why::Status { status: 403, .. } => Why::Denied {
            familiar: name.familiar_repository(),
            push: true,
            said: "denied: requested access to the resource is denied".to_owned(),
        },
        other => other,
    };
    error
}

/// One blob on its way to a registry.
struct Upload {
    store: Store,
    remote: Arc<Remote>,
    name: Reference,
    blob: Descriptor,
    shown: Digest,
    progress: Arc<dyn Progress>,
    neighbours: Arc<Vec<(String, HashSet<Digest>)>>,
}

impl Upload {
    fn tell(&self, step: Step) {
        self.progress.event(Event::Layer(self.shown.clone(), step));
    }

    fn ask(&self, method: Method, target: &str) -> Ask {
        Ask::new(method, target, &push_scope(self.name.path()))
    }

    async fn send(&self, ask: &Ask) -> Result<HeaderMap> {
        self.remote.ask(self.name.path(), ask).await.map(|(response, _)| response.headers().clone())
    }

    async fn run(self) -> Result<()> {
        let path = format!("/v2/{}/blobs/{}", self.name.path(), self.blob.digest);
        match self.send(&self.ask(Method::HEAD, &path)).await {
            Ok(_) => {
                self.tell(Step::Known);
                return Ok(());
            }
            Err(Error { why: Why::Status { status: 404, .. }, .. }) => {}
            Err(other) => return Err(other),
        }
        let patience = self.remote.connector().settings().patience;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.upload().await {
                Ok(step) => {
                    self.tell(step);
                    return Ok(());
                }
                Err(error) => {
                    let pause = patience.pause_after(attempt, None, random::bytes::<1>()[0]).filter(|_| error.passes());
                    let Some(pause) = pause else { return Err(error) };
                    self.progress.event(Event::Again(error.why.to_string(), u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)));
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// A new upload, to its end.
    async fn upload(&self) -> Result<Step> {
        let begin = format!("/v2/{}/blobs/uploads/", self.name.path());
        let from = self.neighbours.iter().find(|(_, blobs)| blobs.contains(&self.blob.digest)).map(|(path, _)| path);
        let mut ask = self.ask(Method::POST, &begin);
        if let Some(from) = from {
            ask = self.ask(Method::POST, &format!("{begin}?mount={}&from={}", self.blob.digest, url::encode(from)));
            ask.scope.push_str(&format!(" repository:{from}:pull"));
        }
        let begun = match self.remote.ask(self.name.path(), &ask).await {
            // We may not read there: then it is sent.
            Err(Error { why: Why::Unauthorized(_) | Why::Status { status: 400..=499, .. }, .. }) if from.is_some() => {
                self.remote.ask(self.name.path(), &self.ask(Method::POST, &begin)).await?.0
            }
            other => other?.0,
        };
        if let (StatusCode::CREATED, Some(from)) = (begun.status(), from) {
            return Ok(Step::Mounted(from.clone()));
        }
        let mut at = self.location(begun.headers())?;
        if self.blob.size > SMALL {
            at = self.send_bytes(at).await?;
        }
        let mut last = self.ask(Method::PUT, &format!("{at}{}digest={}", if at.contains('?') { '&' } else { '?' }, self.blob.digest));
        // After a failure nobody knows what has arrived: the whole upload begins anew.
        last.again = false;
        if self.blob.size <= SMALL {
            last.payload = Payload::Blob(self.store.clone(), self.blob.digest.clone(), 0, None);
            last = last.header(CONTENT_TYPE, "application/octet-stream");
        }
        self.send(&last).await?;
        Ok(Step::Pushed)
    }

    /// Sends the bytes, going on where the registry says that it stopped. Gives the address for the end.
    async fn send_bytes(&self, mut at: String) -> Result<String> {
        let (patience, mut from, mut attempt) = (self.remote.connector().settings().patience, 0, 0);
        loop {
            attempt += 1;
            let mut ask = self.ask(Method::PATCH, &at).header(CONTENT_TYPE, "application/octet-stream");
            if from > 0 {
                ask = ask.header(CONTENT_RANGE, format!("{from}-{}", self.blob.size - 1));
            }
            ask.payload = Payload::Blob(self.store.clone(), self.blob.digest.clone(), from, Some(self.teller()));
            ask.again = false;
            let error = match self.send(&ask).await {
                Ok(headers) => return self.location(&headers),
                Err(error) => error,
            };
            let pause = patience.pause_after(attempt, None, random::bytes::<1>()[0]).filter(|_| error.passes());
            let Some(pause) = pause else { return Err(error) };
            self.progress.event(Event::Again(error.why.to_string(), u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)));
            tokio::time::sleep(pause).await;
            let headers = self.send(&self.ask(Method::GET, &at)).await?;
            let arrived = headers.get(RANGE).and_then(|range| range.to_str().ok()?.rsplit_once('-')?.1.trim().parse::<u64>().ok());
            // `0-0` is one byte or none; to send the one again is refused, to begin anew is right for both.
            let reached = arrived.filter(|last| *last > 0).map_or(0, |last| last + 1);
            if reached == 0 || reached > self.blob.size {
                return Err(error);
            }
            if reached > from {
                attempt = 0;
            }
            from = reached;
            if headers.contains_key(LOCATION) {
                at = self.location(&headers)?;
            }
            if from == self.blob.size {
                return Ok(at);
            }
        }
    }

    fn teller(&self) -> Sent {
        let (progress, shown, size, told) =
            (Arc::clone(&self.progress), self.shown.clone(), self.blob.size, std::sync::atomic::AtomicU64::new(0));
        Arc::new(move |sent| {
            let before = told.load(std::sync::atomic::Ordering::Relaxed);
            if sent >= before + TELL || sent < before || sent == size {
                told.store(sent, std::sync::atomic::Ordering::Relaxed);
                progress.event(Event::Layer(shown.clone(), Step::Uploading(sent, size)));
            }
        })
    }

    fn location(&self, headers: &HeaderMap) -> Result<String> {
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok()).map(str::to_owned);
        location.ok_or_else(|| {
            self.remote.error(self.name.path(), "POST blobs/uploads", Why::Lie("it began an upload and does not say where".to_owned()))
        })
    }
}
