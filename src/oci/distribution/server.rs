//! A registry: the end points of the distribution specification over HTTP.
//!
//! Requests are answered as they come, many at once. An upload is a file in the store's `ingest/` until its digest is known and right; then it is a
//! blob. What the conformance rules demand is tested rule by rule in `tests/it/registry.rs`.

use std::collections::HashMap;
use std::io::Seek as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RANGE};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpListener;

use super::access::{Action, Guard, Who};
use super::answer::{Answer, Code, Fault, FileBody, empty, text_answer};
use super::depot::Depot;
use super::limit::{Counter, Left};
use super::options::{Options, Outcome, PushEvent};
use super::route::{NoRoute, Route, Target, repository};
use super::wire::{DIGEST, created, header, linked, page, query, read_range, shown, upload_headers};
use crate::oci::digest::Digest;
use crate::oci::image::blobs::Ingest;
use crate::oci::image::spec::{LARGEST_MANIFEST, media};
use crate::oci::image::store::Lease;

/// The largest blob that is taken, in bytes.
const LARGEST_BLOB: u64 = 64 << 30;
/// The most uploads that are open at once; the oldest is dropped for a new one.
const MOST_UPLOADS: usize = 1000;

/// The header by which every answer of a registry is known.
const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// An upload that nobody touches for so long is dropped: it keeps garbage collection from its work.
const UPLOAD_EXPIRES: Duration = Duration::from_secs(3600);

/// A registry that answers requests.
pub struct Server {
    depot: Depot,
    uploads: Mutex<Uploads>,
    options: Options,
    pulls: Counter,
}

#[derive(Default)]
struct Uploads {
    next: u64,
    open: HashMap<String, Upload>,
}

/// An upload between two requests.
struct Upload {
    name: String,
    number: u64,
    ingest: Ingest,
    written: u64,
    touched: Instant,
    /// What has arrived stays until its manifest is there, or the upload ends.
    _lease: Lease,
}

impl Server {
    /// A registry of what `depot` holds.
    pub fn new(depot: Depot, options: Options) -> Arc<Self> {
        Arc::new(Server { depot, uploads: Mutex::default(), options, pulls: Counter::default() })
    }

    /// Answers whoever connects, until the listener fails.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn listen(self: Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        tokio::spawn(Arc::clone(&self).expire());
        loop {
            let (stream, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                // Somebody went away before we looked: that is not the listener's end.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            // Answers are small and waited for. A kernel that refuses only makes it slower.
            drop(stream.set_nodelay(true));
            let server = Arc::clone(&self);
            tokio::spawn(async move {
                let Some(config) = server.options.tls.clone() else { return server.serve(stream, from.ip()).await };
                if let Some(stream) = super::tls::accept(config, stream).await {
                    server.serve(stream, from.ip()).await;
                }
            });
        }
    }

    async fn serve<S>(self: Arc<Self>, stream: S, from: IpAddr)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(server.answer(request, from).await) }
        });
        let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        // A client that goes away in the middle is its own affair.
        drop(builder.serve_connection(TokioIo::new(stream), service).await);
    }

    /// Drops uploads that nobody goes on with.
    async fn expire(self: Arc<Self>) {
        loop {
            tokio::time::sleep(UPLOAD_EXPIRES / 4).await;
            self.drop_old(Instant::now());
        }
    }

    fn drop_old(&self, now: Instant) {
        let mut uploads = self.uploads();
        let old: Vec<String> = uploads
            .open
            .iter()
            .filter(|(_, upload)| now.duration_since(upload.touched) >= UPLOAD_EXPIRES)
            .map(|(id, _)| id.clone())
            .collect();
        for upload in old.iter().filter_map(|id| uploads.open.remove(id)) {
            // What cannot be removed is garbage that the collection finds.
            drop(upload.ingest.abandon());
        }
    }

    async fn answer(&self, request: Request<Incoming>, from: IpAddr) -> Answer {
        let head = request.method() == Method::HEAD;
        let page = self.options.pages.as_ref().and_then(|pages| pages.page(&self.depot, &request));
        let outcome = match page {
            Some(outcome) => outcome,
            None => self.outcome(request, from).await,
        };
        let mut answer = outcome.unwrap_or_else(|fault| fault.answer());
        answer.headers_mut().insert(VERSION, HeaderValue::from_static("registry/2.0"));
        if head && answer.status().is_client_error() {
            // The answer to HEAD has the headers alone.
            *answer.body_mut() = empty(StatusCode::OK).into_body();
        }
        answer
    }

    async fn outcome(&self, request: Request<Incoming>, from: IpAddr) -> Outcome {
        let route = Route::read(request.uri().path()).map_err(|wrong| match wrong {
            NoRoute::Unknown => Fault::new(Code::NameUnknown, "there is no such end point"),
            NoRoute::Name(name) => Fault::new(Code::NameInvalid, name),
            NoRoute::Digest(text) => Fault::new(Code::DigestInvalid, text),
            NoRoute::Tag(tag) => Fault::new(Code::TagInvalid, tag),
        })?;
        let action = match *request.method() {
            Method::GET | Method::HEAD if !matches!(route, Route::Upload(..)) => Action::Pull,
            Method::DELETE if !matches!(route, Route::Upload(..)) => Action::Delete,
            _ => Action::Push,
        };
        let who = self.options.guard.admit(request.headers(), route.repository(), action)?;
        if action == Action::Delete && self.options.keep {
            return Err(Fault::new(Code::Unsupported, "this registry deletes nothing: see REGISTRY_STORAGE_DELETE_ENABLED"));
        }
        if action == Action::Push && self.options.source.as_ref().is_some_and(|source| !source.takes_pushes()) {
            return Err(Fault::new(Code::Unsupported, "this registry takes no pushes: push to the one that it stands for"));
        }
        let query = query(request.uri().query().unwrap_or_default());
        let (method, headers) = (request.method().clone(), request.headers().clone());
        match (&method, route) {
            (&Method::GET | &Method::HEAD, Route::Base) => Ok(text_answer(StatusCode::OK, "application/json", "{}")),
            (&Method::GET | &Method::HEAD, Route::Blob(name, digest)) => {
                if let Some(source) = self.options.source.as_ref().filter(|_| !self.depot.has_blob(&name, &digest)) {
                    source.bring_blob(&self.depot, &name, &digest).await?;
                }
                self.blob(&name, &digest, &headers, method == Method::HEAD)
            }
            (&Method::DELETE, Route::Blob(name, digest)) => {
                self.depot.remove_blob(&name, &digest)?;
                Ok(empty(StatusCode::ACCEPTED))
            }
            (&Method::GET | &Method::HEAD, Route::Manifest(name, target)) => {
                if let Some(source) = &self.options.source {
                    source.bring(&self.depot, &name, &target).await?;
                }
                let left = self.count(&who, from, method == Method::GET)?;
                let mut answer = self.manifest(&name, &target)?;
                left.iter().for_each(|left| left.tell(&mut answer));
                Ok(answer)
            }
            (&Method::PUT, Route::Manifest(name, target)) => self.put_manifest(&name, &target, &who, request).await,
            (&Method::DELETE, Route::Manifest(name, target)) => {
                match target {
                    Target::Tag(tag) => self.depot.remove_tag(&name, &tag)?,
                    Target::Digest(digest) => self.depot.remove_manifest(&name, &digest)?,
                }
                Ok(empty(StatusCode::ACCEPTED))
            }
            (&Method::POST, Route::Uploads(name)) => self.begin(&name, &query, request).await,
            (&Method::PATCH, Route::Upload(name, id)) => self.part(&name, &id, &headers, request.into_body()).await,
            (&Method::PUT, Route::Upload(name, id)) => self.finish(&name, &id, &query, &headers, request.into_body()).await,
            (&Method::GET, Route::Upload(name, id)) => self.progress(&name, &id),
            (&Method::DELETE, Route::Upload(name, id)) => {
                let upload = self.take(&name, &id)?;
                upload.ingest.abandon()?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            (&Method::GET, Route::Tags(name)) => self.tags(&name, &query),
            (&Method::GET, Route::Referrers(name, digest)) => self.referrers(&name, &digest, &query),
            (&Method::GET, Route::Catalog) => {
                let mut names = self.depot.repositories()?;
                names.retain(|name| self.options.guard.may(&who, name, Action::Pull));
                let (page, link) = page(names, &query, "/v2/_catalog")?;
                Ok(linked(json!({"repositories": page}), link))
            }
            (method, _) => Err(Fault::new(Code::Unsupported, method.as_str())),
        }
    }

    fn blob(&self, name: &str, digest: &Digest, headers: &HeaderMap, head: bool) -> Outcome {
        if !self.depot.has_blob(name, digest) {
            return Err(Fault::new(Code::BlobUnknown, digest.to_string()));
        }
        let size = self.depot.store().blob_size(digest)?;
        let range = headers.get(RANGE).and_then(|range| range.to_str().ok()).and_then(|range| read_range(range, size));
        let (from, to) = match range {
            Some(None) => {
                let mut answer = empty(StatusCode::RANGE_NOT_SATISFIABLE);
                header(&mut answer, CONTENT_RANGE, &format!("bytes */{size}"));
                return Ok(answer);
            }
            Some(Some(part)) => part,
            None => (0, size),
        };
        let mut answer = empty(if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
        if range.is_some() {
            header(&mut answer, CONTENT_RANGE, &format!("bytes {from}-{}/{size}", to.saturating_sub(1)));
        }
        header(&mut answer, CONTENT_TYPE, "application/octet-stream");
        header(&mut answer, CONTENT_LENGTH, &(to - from).to_string());
        header(&mut answer, HeaderName::from_static("accept-ranges"), "bytes");
        header(&mut answer, DIGEST, &digest.to_string());
        if !head {
            let mut file = self.depot.store().open_blob(digest)?;
            file.seek(std::io::SeekFrom::Start(from)).map_err(|error| Fault::new(Code::Unknown, error.to_string()))?;
            *answer.body_mut() = FileBody::new(file, to - from).boxed();
        }
        Ok(answer)
    }

    fn manifest(&self, name: &str, target: &Target) -> Outcome {
        let unknown = || Fault::new(Code::ManifestUnknown, json!({"name": name, "reference": shown(target)}));
        let digest = match target {
            Target::Digest(digest) => digest.clone(),
            Target::Tag(tag) => self.depot.tag(name, tag)?.ok_or_else(unknown)?,
        };
        let pushed = self.depot.manifest(name, &digest)?.ok_or_else(unknown)?;
        let mut answer = text_answer(StatusCode::OK, &pushed.media_type, pushed.content);
        header(&mut answer, DIGEST, &digest.to_string());
        Ok(answer)
    }

    /// Counts a pull, where pulls are counted.
    fn count(&self, who: &Who, from: IpAddr, count: bool) -> Result<Option<Left>, Fault> {
        let Some(rate) = &self.options.rate else { return Ok(None) };
        let asker = who.name.clone().unwrap_or_else(|| from.to_string());
        self.pulls.pull(&asker, rate(who.name.is_some()), count, Instant::now()).map(Some)
    }

    async fn put_manifest(&self, name: &str, target: &Target, who: &Who, request: Request<Incoming>) -> Outcome {
        let (head, body) = request.into_parts();
        let headers = &head.headers;
        let read = Limited::new(body, LARGEST_MANIFEST as usize).collect().await;
        let content =
            read.map_err(|_| Fault::new(Code::SizeInvalid, format!("a manifest has at most {LARGEST_MANIFEST} bytes")))?.to_bytes();
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(media::MANIFEST);
        let media_type = media_type.split(';').next().unwrap_or(media_type).trim();
        let tag = match target {
            Target::Tag(tag) => Some(tag.as_str()),
            Target::Digest(digest) => {
                let found = Digest::of(&content);
                if digest.algorithm() == found.algorithm() && found != *digest {
                    return Err(Fault::new(Code::DigestInvalid, format!("the manifest has the digest {found}")));
                }
                None
            }
        };
        let _lease = self.depot.store().lease()?;
        let (digest, subject) = self.depot.push(name, media_type, &content, tag).map_err(|error| match error {
            crate::oci::image::Error::NoSuchBlob(digest) => Fault::new(Code::ManifestBlobUnknown, json!({"digest": digest})),
            other => other.into(),
        })?;
        let mut answer = empty(StatusCode::CREATED);
        header(&mut answer, LOCATION, &format!("/v2/{name}/manifests/{digest}"));
        header(&mut answer, DIGEST, &digest.to_string());
        if let Some(subject) = subject {
            header(&mut answer, HeaderName::from_static("oci-subject"), &subject.to_string());
        }
        if let Some(listener) = &self.options.listener {
            let (media_type, size) = (media_type.to_owned(), content.len());
            let (repository, tag, actor) = (name.to_owned(), tag.map(str::to_owned), who.name.clone());
            listener.pushed(PushEvent { repository, tag, digest, media_type, size, actor });
        }
        Ok(answer)
    }

    async fn begin(&self, name: &str, query: &HashMap<String, String>, request: Request<Incoming>) -> Outcome {
        let (head, body) = request.into_parts();
        if let Some(mounted) = self.mount(name, query, &head.headers)? {
            return Ok(mounted);
        }
        let lease = self.depot.store().lease()?;
        let ingest = self.depot.store().ingest_new(LARGEST_BLOB)?;
        let (id, number) = self.new_id();
        let upload = Upload { name: name.to_owned(), number, ingest, written: 0, touched: Instant::now(), _lease: lease };
        if let Some(digest) = query.get("digest") {
            // Everything in one request.
            return self.complete(upload, digest, body).await;
        }
        self.put_back(id.clone(), upload);
        let mut answer = empty(StatusCode::ACCEPTED);
        upload_headers(&mut answer, name, &id, 0);
        Ok(answer)
    }

    /// A blob that another repository has is not sent again.
    fn mount(&self, name: &str, query: &HashMap<String, String>, headers: &HeaderMap) -> Result<Option<Answer>, Fault> {
        let Some(digest) = query.get("mount").and_then(|digest| digest.parse::<Digest>().ok()) else { return Ok(None) };
        let from = query.get("from").map(|from| repository(&from.split('/').collect::<Vec<_>>()));
        let there = match from {
            // Who may not read there may not take from there.
            Some(Ok(from)) => self.options.guard.admit(headers, Some(&from), Action::Pull).is_ok() && self.depot.has_blob(&from, &digest),
            Some(Err(_)) => false,
            // Without a source any repository may be taken, where there is nobody who may not read one.
            None => {
                matches!(self.options.guard, Guard::Open)
                    && self.depot.repositories()?.iter().any(|from| self.depot.has_blob(from, &digest))
            }
        };
        if !there {
            return Ok(None);
        }
        self.depot.add_blob(name, &digest)?;
        Ok(Some(created(name, &digest)))
    }

    async fn part(&self, name: &str, id: &str, headers: &HeaderMap, body: Incoming) -> Outcome {
        let mut upload = self.take(name, id)?;
        if let Err(fault) = continues(&upload, headers) {
            let written = upload.written;
            self.put_back(id.to_owned(), upload);
            let mut answer = fault.answer();
            upload_headers(&mut answer, name, id, written);
            return Ok(answer);
        }
        let received = receive(&mut upload, body).await;
        let written = upload.written;
        self.put_back(id.to_owned(), upload);
        received?;
        let mut answer = empty(StatusCode::ACCEPTED);
        upload_headers(&mut answer, name, id, written);
        Ok(answer)
    }

    async fn finish(&self, name: &str, id: &str, query: &HashMap<String, String>, headers: &HeaderMap, body: Incoming) -> Outcome {
        let Some(digest) = query.get("digest") else { return Err(Fault::new(Code::DigestInvalid, "the parameter `digest` is missing")) };
        let upload = self.take(name, id)?;
        if headers.contains_key(CONTENT_RANGE)
            && let Err(fault) = continues(&upload, headers)
        {
            self.put_back(id.to_owned(), upload);
            return Err(fault);
        }
        self.complete(upload, digest, body).await
    }

    async fn complete(&self, mut upload: Upload, digest: &str, body: Incoming) -> Outcome {
        let digest: Digest = digest.parse().map_err(|_| Fault::new(Code::DigestInvalid, digest))?;
        receive(&mut upload, body).await?;
        upload.ingest.commit_as(&digest)?;
        self.depot.add_blob(&upload.name, &digest)?;
        Ok(created(&upload.name, &digest))
    }

    fn progress(&self, name: &str, id: &str) -> Outcome {
        let uploads = self.uploads();
        let upload = uploads.open.get(id).filter(|upload| upload.name == name).ok_or_else(|| Fault::new(Code::BlobUploadUnknown, id))?;
        let mut answer = empty(StatusCode::NO_CONTENT);
        upload_headers(&mut answer, name, id, upload.written);
        Ok(answer)
    }

    fn tags(&self, name: &str, query: &HashMap<String, String>) -> Outcome {
        let mut tags = self.depot.tags(name)?;
        if let Some(more) = self.options.source.as_ref().map(|source| source.tags(name)).filter(|more| !more.is_empty()) {
            let all = tags.get_or_insert_default();
            all.extend(more);
            all.sort();
            all.dedup();
        }
        let tags = tags.ok_or_else(|| Fault::new(Code::NameUnknown, json!({"name": name})))?;
        let (page, link) = page(tags, query, &format!("/v2/{name}/tags/list"))?;
        Ok(linked(json!({"name": name, "tags": page}), link))
    }

    fn referrers(&self, name: &str, digest: &Digest, query: &HashMap<String, String>) -> Outcome {
        let mut index = self.depot.referrers(name, digest)?;
        let wanted = query.get("artifactType");
        index.manifests.retain(|one| wanted.is_none_or(|wanted| one.artifact_type.as_ref() == Some(wanted)));
        let text = serde_json::to_string(&index).map_err(|error| Fault::new(Code::Unknown, error.to_string()))?;
        let mut answer = text_answer(StatusCode::OK, media::INDEX, text);
        if wanted.is_some() {
            header(&mut answer, HeaderName::from_static("oci-filters-applied"), "artifactType");
        }
        Ok(answer)
    }

    fn uploads(&self) -> MutexGuard<'_, Uploads> {
        // Nothing that panics is done under the lock.
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_id(&self) -> (String, u64) {
        let mut uploads = self.uploads();
        uploads.next += 1;
        // Nobody else may guess it: whoever knows it may write.
        let random = crate::kernel::random::bytes::<16>();
        let id = random.iter().map(|byte| format!("{byte:02x}")).collect();
        (id, uploads.next)
    }

    /// Takes an upload out, so that two requests cannot write to it at once.
    fn take(&self, name: &str, id: &str) -> Result<Upload, Fault> {
        let mut uploads = self.uploads();
        let known = uploads.open.get(id).is_some_and(|upload| upload.name == name);
        let upload = if known { uploads.open.remove(id) } else { None };
        upload.ok_or_else(|| Fault::new(Code::BlobUploadUnknown, id))
    }

    fn put_back(&self, id: String, mut upload: Upload) {
        upload.touched = Instant::now();
        let mut uploads = self.uploads();
        if uploads.open.len() >= MOST_UPLOADS {
            let oldest = uploads.open.iter().min_by_key(|(_, upload)| upload.number).map(|(id, _)| id.clone());
            oldest.and_then(|id| uploads.open.remove(&id));
        }
        uploads.open.insert(id, upload);
    }
}

/// Whether a part begins where the upload ends. Without a range it is taken for the rest.
fn continues(upload: &Upload, headers: &HeaderMap) -> Result<(), Fault> {
    let Some(range) = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok()) else { return Ok(()) };
    let range = range.trim_start_matches("bytes ").split('/').next().unwrap_or_default();
    let ends = range.split_once('-').and_then(|(from, to)| Some((from.trim().parse::<u64>().ok()?, to.trim().parse::<u64>().ok()?)));
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match ends {
        Some((from, to)) if from == upload.written && to >= from && length.is_none_or(|length| to - from + 1 == length) => Ok(()),
        _ => Err(Fault::new(Code::RangeInvalid, format!("{} bytes are here, the part is `{range}`", upload.written))),
    }
}

/// Writes what a request brings to the upload.
async fn receive(upload: &mut Upload, mut body: Incoming) -> Result<(), Fault> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::new(Code::BlobUploadInvalid, error.to_string()))?;
        if let Some(bytes) = frame.data_ref() {
            upload.ingest.write(bytes)?;
            upload.written += bytes.len() as u64;
        }
    }
    Ok(())
}
