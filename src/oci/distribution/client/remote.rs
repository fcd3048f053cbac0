//! One registry, as a client sees it: asked with the right token, asked again when it stumbles, followed where it sends us.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName, LOCATION, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::OnceCell;

use super::challenge;
use super::connect::{Body, Connector, chain};
use super::error::{Error, Result, Why};
use super::progress::{Event, Progress};
use super::tokens::{Access, Tokens};
use super::url;
use crate::kernel::random;
use crate::oci::digest::Digest;
use crate::oci::distribution::answer::FileBody;
use crate::oci::image::Store;
use crate::oci::reference::HUB;

/// The largest answer that is read into memory where it is no manifest, in bytes.
pub const LARGEST_ANSWER: usize = 4 << 20;
/// So many redirects are followed.
const HOPS: usize = 5;

/// What goes with a request.
#[derive(Clone)]
pub enum Payload {
    /// Nothing.
    Nothing,
    /// A document.
    Bytes(Bytes),
    /// A blob from this byte on; it is opened anew for every attempt.
    Blob(Store, Digest, u64, Option<Sent>),
}

/// Hears how many bytes of a blob were sent.
pub type Sent = Arc<dyn Fn(u64) + Send + Sync>;

/// A request to a registry.
#[derive(Clone)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// A path at the registry, or a whole URL that it gave.
    pub target: String,
    /// More headers.
    pub headers: Vec<(HeaderName, String)>,
    /// The body.
    pub payload: Payload,
    /// What it needs the right to: `repository:library/alpine:pull`; several with blanks between; or nothing.
    pub scope: String,
    /// Whether it may be sent again as it is after a failure.
    pub again: bool,
}

impl Ask {
    /// A request without body.
    pub fn new(method: Method, target: impl Into<String>, scope: &str) -> Self {
        Ask { method, target: target.into(), headers: Vec::new(), payload: Payload::Nothing, scope: scope.to_owned(), again: true }
    }

    /// With one more header.
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A registry, or a mirror of one.
pub struct Remote {
    /// Its name in references: `docker.io`.
    pub host: String,
    /// Where it answers: `registry-1.docker.io`.
    pub authority: String,
    connector: Arc<Connector>,
    progress: Arc<dyn Progress>,
    base: OnceCell<String>,
    tokens: Tokens,
}

impl Remote {
    /// The registry of that name.
    pub fn new(host: &str, connector: Arc<Connector>, progress: Arc<dyn Progress>) -> Self {
        let authority = if host == HUB { "registry-1.docker.io" } else { host };
        let mut tokens = Tokens::new(host, connector.settings().credentials.clone());
        if let Some((_, login)) = connector.settings().login.as_ref().filter(|(registry, _)| registry == host) {
            tokens.use_login(Some(login.clone()));
        }
        Remote { host: host.to_owned(), authority: authority.to_owned(), connector, progress, base: OnceCell::new(), tokens }
    }

    /// A mirror of it: other content than asked for by digest is believed from it as little, and it gets no password of the origin.
    ///
    /// # Errors
    /// The text is no URL.
    pub fn mirror(text: &str, connector: Arc<Connector>, progress: Arc<dyn Progress>) -> std::result::Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| format!("the mirror `{text}` is no URL"))?;
        let authority =
            uri.authority().map(ToString::to_string).ok_or_else(|| format!("the mirror `{text}` is no URL: use https://HOST"))?;
        Ok(Remote::new(&authority, connector, progress))
    }

    /// What the client was told.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Uses this name and password instead of the file's.
    pub fn log_in_as(&mut self, login: Option<super::credentials::Login>) {
        self.tokens.use_login(login);
    }

    /// An error about this registry, and a repository of it.
    pub fn error(&self, repository: &str, asked: &str, why: Why) -> Error {
        let subject = if repository.is_empty() { self.host.clone() } else { format!("{}/{repository}", self.host) };
        Error { subject, asked: asked.to_owned(), why }
    }

    /// Asks, and gives the head of the answer with the URL that answered, if it is one of success. Everything else is an error.
    ///
    /// # Errors
    /// No answer of success came in all attempts.
    pub async fn ask(&self, repository: &str, ask: &Ask) -> Result<(Response<Incoming>, Uri)> {
        let patience = self.connector.settings().patience;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (failed, asked_pause) = match self.once(ask).await {
                Ok((response, uri)) if response.status().is_success() => return Ok((response, uri)),
                Ok((response, uri)) => {
                    let pause = retry_after(&response);
                    let why = refusal(response, patience.silence).await;
                    (self.error(repository, &format!("{} {}", ask.method, shown(&uri)), why), pause)
                }
                Err((asked, why)) => (self.error(repository, &asked, why), None),
            };
            let pause = patience.pause_after(attempt, asked_pause, random::bytes::<1>()[0]);
            let Some(pause) = pause.filter(|_| ask.again && failed.passes()) else { return Err(failed) };
            self.progress.event(Event::Again(failed.why.to_string(), u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)));
            tokio::time::sleep(pause).await;
        }
    }

    /// One attempt, with its token and its redirects.
    async fn once(&self, ask: &Ask) -> std::result::Result<(Response<Incoming>, Uri), (String, Why)> {
        let base = self.base().await?;
        let told = |uri: &Uri| format!("{} {}", ask.method, shown(uri));
        let first = url::join(&base, &ask.target).ok_or_else(|| {
            (ask.target.clone(), Why::Lie(format!("the registry gave an address that is none: `{}`", clean(&ask.target))))
        })?;
        self.may_go(&base, &first).map_err(|why| (told(&first), why))?;
        let mut uri = first;
        let mut fresh = false;
        for _ in 0..HOPS {
            let ours = url::same_origin(&uri, &base);
            let access = if ours { self.tokens.access(self, &ask.scope).await.map_err(|why| (told(&uri), why))? } else { None };
            let response = self.send(&uri, ask, access.as_ref()).await.map_err(|why| (told(&uri), why))?;
            if ours && response.status() == StatusCode::UNAUTHORIZED && !fresh {
                // The token has run out, or the registry wants another one than we thought.
                fresh = true;
                if self.tokens.challenged(&challenges(&response), &ask.scope, access.as_ref()) {
                    continue;
                }
            }
            let next = response.headers().get(LOCATION).and_then(|next| next.to_str().ok());
            match next.filter(|_| response.status().is_redirection()) {
                None => return Ok((response, uri)),
                Some(next) => {
                    let from = uri.to_string();
                    uri = url::join(&from, next)
                        .ok_or_else(|| (told(&uri), Why::Lie(format!("it redirects to `{}`, which is no address", clean(next)))))?;
                    self.may_go(&from, &uri).map_err(|why| (told(&uri), why))?;
                }
            }
        }
        Err((told(&uri), Why::Lie(format!("it redirects more than {HOPS} times"))))
    }

    /// From TLS nothing leads back to plain HTTP, whoever says so.
    fn may_go(&self, from: &str, to: &Uri) -> std::result::Result<(), Why> {
        if to.scheme_str() == Some("https") || (from.starts_with("http://") && to.scheme_str() == Some("http")) {
            return Ok(());
        }
        Err(Why::Lie(format!("it sends us from TLS to `{}`", shown(to))))
    }

    /// Sends one request to one address.
    ///
    /// # Errors
    /// Nobody was reached.
    pub async fn send(&self, uri: &Uri, ask: &Ask, access: Option<&Access>) -> std::result::Result<Response<Incoming>, Why> {
        let length = match &ask.payload {
            Payload::Nothing => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Blob(store, digest, from, _) => store.blob_size(digest).map_err(Why::store)?.saturating_sub(*from),
        };
        let make = || {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            let mut request = Request::builder().method(ask.method.clone()).uri(path);
            request = request
                .header(HOST, uri.authority().map_or("", |host| host.as_str()))
                .header(USER_AGENT, concat!("bottleship/", env!("CARGO_PKG_VERSION")));
            for (name, value) in &ask.headers {
                request = request.header(name, value);
            }
            if let Some(access) = access {
                request = request.header(AUTHORIZATION, access.header());
            }
            if length > 0 || ask.method != Method::GET && ask.method != Method::HEAD {
                request = request.header(CONTENT_LENGTH, length);
            }
            request.body(body(&ask.payload, length)?).map_err(|error| Why::Lie(format!("that cannot be asked: {error}")))
        };
        // Sending takes time too: no slower than 16 KiB a second.
        let silence = self.connector.settings().patience.silence + Duration::from_secs(length >> 14);
        self.connector.send(uri, silence, &make).await
    }

    /// `https://AUTHORITY`, or `http://` where that is allowed and nothing else is spoken. Found out once, by the question whether it is a registry.
    pub async fn base(&self) -> std::result::Result<String, (String, Why)> {
        self.base.get_or_try_init(|| self.ping()).await.cloned()
    }

    async fn ping(&self) -> std::result::Result<String, (String, Why)> {
        let secure = format!("https://{}", self.authority);
        match self.ping_at(&secure).await {
            Err((_, Why::PlainHttp)) if self.connector.settings().is_insecure(&self.authority) => {}
            Err((_, Why::Unreachable(why))) if why.starts_with("tls:") && self.connector.settings().is_insecure(&self.authority) => {}
            Err(other) => return Err(other),
            Ok(()) => return Ok(secure),
        }
        let plain = format!("http://{}", self.authority);
        self.ping_at(&plain).await.map(|()| plain)
    }

    async fn ping_at(&self, base: &str) -> std::result::Result<(), (String, Why)> {
        let asked = format!("GET {base}/v2/");
        let uri: Uri =
            format!("{base}/v2/").parse().map_err(|_| (asked.clone(), Why::Config(format!("`{}` is no host", self.authority))))?;
        let response = self.send(&uri, &Ask::new(Method::GET, "", ""), None).await.map_err(|why| (asked.clone(), why))?;
        match response.status() {
            StatusCode::UNAUTHORIZED => {
                self.tokens.challenged(&challenges(&response), "", None);
                Ok(())
            }
            // One that stumbles is asked again by the request itself; one that has no such end point may still have the others.
            _ => Ok(()),
        }
    }
}

fn body(payload: &Payload, length: u64) -> std::result::Result<Body, Why> {
    Ok(match payload {
        Payload::Nothing => Empty::new().map_err(|never| match never {}).boxed(),
        Payload::Bytes(bytes) => Full::new(bytes.clone()).map_err(|never| match never {}).boxed(),
        Payload::Blob(store, digest, from, sent) => {
            use std::io::Seek as _;
            let mut file = store.open_blob(digest).map_err(Why::store)?;
            let at = file.seek(std::io::SeekFrom::Start(*from));
            at.map_err(|error| Why::store(crate::oci::image::Error::reading(format!("read the blob {digest}"))(error)))?;
            let (sent, mut done) = (sent.clone(), *from);
            let told = move |frame: hyper::body::Frame<Bytes>| {
                done += frame.data_ref().map_or(0, |data| data.len() as u64);
                sent.iter().for_each(|sent| sent(done));
                frame
            };
            let told = std::sync::Mutex::new(told);
            // The lock is for the type alone: frames come one after the other.
            FileBody::new(file, length)
                .map_frame(move |frame| (told.lock().unwrap_or_else(std::sync::PoisonError::into_inner))(frame))
                .boxed()
        }
    })
}

fn challenges(response: &Response<Incoming>) -> Vec<challenge::Challenge> {
    response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).flat_map(challenge::read).collect()
}

/// `Retry-After` in seconds; a date is not read, so our own pauses hold.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// It is longer, broke off, or stopped coming.
pub async fn read(response: Response<Incoming>, limit: usize, silence: Duration) -> std::result::Result<Bytes, Why> {
    let promised = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let long = || Why::Lie(format!("the answer is longer than {limit} bytes, the limit for its kind"));
    if promised.is_some_and(|length| length > limit as u64) {
        return Err(long());
    }
    match tokio::time::timeout(silence, Limited::new(response.into_body(), limit).collect()).await {
        Err(_) => Err(Why::Unreachable(format!("no more of the answer within {} seconds", silence.as_secs()))),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(long()),
        Ok(Err(error)) => Err(Why::Unreachable(format!("the answer broke off: {}", chain(error.as_ref())))),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// What a registry refused, by its status and its words.
async fn refusal(response: Response<Incoming>, silence: Duration) -> Why {
    let status = response.status().as_u16();
    let text = read(response, 64 << 10, silence).await.unwrap_or_default();
    let said = said(&text).unwrap_or_else(|| {
        StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("no reason given").to_owned()
    });
    match status {
        401 => Why::Unauthorized(if said.contains(':') { said } else { "unauthorized: authentication required".to_owned() }),
        429 => Why::TooMany(if said.starts_with("toomanyrequests") { said } else { format!("toomanyrequests: {said}") }),
        _ => Why::Status { status, said },
    }
}

/// `code: message` of the first error in an answer, as docker writes it.
pub fn said(text: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(text).ok()?;
    let first = value.get("errors").and_then(|errors| errors.get(0));
    let text = |name: &str| first.and_then(|first| first.get(name)).and_then(|value| value.as_str());
    match (text("code"), text("message")) {
        (Some(code), Some(message)) => Some(clean(&format!("{}: {message}", code.to_ascii_lowercase().replace('_', " ")))),
        (None, Some(message)) => Some(clean(message)),
        _ => value.get("details").or_else(|| value.get("message")).and_then(|value| value.as_str()).map(clean),
    }
}

/// A stranger's text: no control letters for the terminal, and no endless lines.
pub fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(500).collect()
}

/// A URL without what follows the question mark: there may be signatures and tokens in it.
pub fn shown(uri: &Uri) -> String {
    let text = uri.to_string();
    clean(text.split('?').next().unwrap_or(&text))
}
