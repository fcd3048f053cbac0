//! The Engine API from the client's side: requests, answers, streams.
//!
//! Every request is a connection of its own: an engine is on this machine or near. The version is asked for once, with `/_ping`, and is the lower one of the
//! engine's and ours.

mod connection;

use std::io::{self, Read, Write};
use std::sync::OnceLock;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::failure::{Failure, Result};
use super::place::Place;
pub use connection::feed;

/// The newest version that this client speaks.
pub const NEWEST: &str = "1.50";
/// The oldest.
pub const OLDEST: &str = "1.24";
/// A longer line of an answer is an error: no document is so long.
const LONGEST_LINE: usize = 64 << 20;

/// What is sent.
pub type Sent = BoxBody<Bytes, io::Error>;

/// A client of one engine.
pub struct Api {
    place: Place,
    runtime: Runtime,
    hello: OnceLock<Hello>,
}

/// What an engine says of itself before anything else.
#[derive(Debug, Clone, Default)]
pub struct Hello {
    /// The newest version of the API that it speaks.
    pub version: String,
    /// Whether it is Bottleship's: then it has what others have not.
    pub ours: bool,
}

/// A question: method, path, query, more.
pub struct Ask<'a> {
    method: Method,
    path: &'a str,
    query: Vec<(&'a str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Sent,
}

impl<'a> Ask<'a> {
    fn new(method: Method, path: &'a str) -> Self {
        let body = Empty::new().map_err(|never| match never {}).boxed();
        Ask { method, path, query: Vec::new(), headers: Vec::new(), body }
    }

    /// GET.
    pub fn get(path: &'a str) -> Self {
        Ask::new(Method::GET, path)
    }

    /// POST.
    pub fn post(path: &'a str) -> Self {
        Ask::new(Method::POST, path)
    }

    /// PUT.
    pub fn put(path: &'a str) -> Self {
        Ask::new(Method::PUT, path)
    }

    /// HEAD.
    pub fn head(path: &'a str) -> Self {
        Ask::new(Method::HEAD, path)
    }

    /// DELETE.
    pub fn delete(path: &'a str) -> Self {
        Ask::new(Method::DELETE, path)
    }

    /// With a parameter.
    pub fn with(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// With a parameter, if there is one.
    pub fn maybe(self, name: &'a str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a switch, if it is on.
    pub fn switch(self, name: &'a str, on: bool) -> Self {
        if on { self.with(name, "1") } else { self }
    }

    /// With filters as the command line has them.
    pub fn filters(self, filters: &[String]) -> Self {
        if filters.is_empty() { self } else { self.with("filters", filters_json(filters)) }
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a JSON document.
    pub fn json(mut self, document: &Value) -> Self {
        self.body = Full::new(Bytes::from(document.to_string())).map_err(|never| match never {}).boxed();
        self.header("content-type", "application/json")
    }

    /// With a body that comes piece by piece.
    pub fn body(mut self, body: Sent, kind: &'static str) -> Self {
        self.body = body;
        self.header("content-type", kind)
    }
}

/// `{"label":{"a=b":true}}`, as docker sends filters.
pub fn filters_json(filters: &[String]) -> String {
    let mut all = serde_json::Map::new();
    for (name, value) in filters.iter().filter_map(|filter| filter.split_once('=')) {
        let values = all.entry(name.trim().to_lowercase()).or_insert_with(|| Value::Object(serde_json::Map::new()));
        values[value.trim()] = Value::Bool(true);
    }
    Value::Object(all).to_string()
}

impl Api {
    /// A client of the engine at a place. Nothing is sent yet.
    ///
    /// # Errors
    /// The kernel gives no more descriptors.
    pub fn new(place: Place) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Api { place, runtime, hello: OnceLock::new() })
    }

    /// One more client of the same engine, for another thread.
    ///
    /// # Errors
    /// The kernel gives no more descriptors.
    pub fn again(&self) -> Result<Self> {
        let again = Api::new(self.place.clone())?;
        Ok(Api { hello: self.hello.clone(), ..again })
    }

    /// Runs something that waits.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// What the engine says of itself.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn hello(&self) -> Result<&Hello> {
        if let Some(hello) = self.hello.get() {
            return Ok(hello);
        }
        let answer = self.wait(self.send(Ask::get("/_ping"), ""))?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let version = Some(header("api-version")).filter(|version| !version.is_empty()).unwrap_or_else(|| OLDEST.to_owned());
        let hello = Hello { version, ours: !header("bottleship").is_empty() };
        Ok(self.hello.get_or_init(|| hello))
    }

    /// The version that is spoken.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn version(&self) -> Result<String> {
        if let Ok(wanted) = std::env::var("DOCKER_API_VERSION")
            && !wanted.is_empty()
        {
            return Ok(wanted.trim_start_matches('v').to_owned());
        }
        let theirs = &self.hello()?.version;
        let number = |text: &str| text.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
        Ok(if number(theirs) < number(NEWEST) { theirs.clone() } else { NEWEST.to_owned() })
    }

    /// Asks, and gives the answer once its head is there.
    ///
    /// # Errors
    /// Nobody answers, or the answer is no.
    pub fn ask(&self, ask: Ask<'_>) -> Result<Answer<'_>> {
        let version = format!("/v{}", self.version()?);
        let answer = self.wait(self.send(ask, &version))?;
        let status = answer.status().as_u16();
        let mut answer = Answer { api: self, parts: answer, left: Bytes::new(), stop: None };
        if status >= 400 {
            let said = answer.text()?;
            return Err(Failure::daemon(status, &message(&said, status)));
        }
        Ok(answer)
    }

    /// Asks, and gives the document of the answer.
    ///
    /// # Errors
    /// Nobody answers, or the answer is no, or it is no document.
    pub fn json(&self, ask: Ask<'_>) -> Result<Value> {
        let text = self.ask(ask)?.text()?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("the engine's answer is no JSON: {error}")))
    }

    /// Asks for a connection that carries bytes both ways from then on.
    ///
    /// # Errors
    /// Nobody answers, or the answer is no.
    pub fn hijack(&self, ask: Ask<'_>) -> Result<Upgraded> {
        self.hello()?;
        self.wait(async {
            let version = format!("/v{}", self.version()?);
            let ask = ask.header("connection", "Upgrade").header("upgrade", "tcp");
            let answer = self.send(ask, &version).await?;
            let status = answer.status().as_u16();
            if status != 101 && status != 200 {
                return Err(Failure::daemon(status, &message(&all(answer).await?, status)));
            }
            hyper::upgrade::on(answer).await.map_err(|error| Failure::new(format!("take the connection over: {error}")))
        })
    }

    /// Asks while something else goes on; the engine must have said hello before. Gives the answer's document.
    ///
    /// # Errors
    /// Nobody answers, or the answer is no.
    pub async fn meanwhile(&self, ask: Ask<'_>) -> Result<Value> {
        let version = format!("/v{}", self.version()?);
        let answer = self.send(ask, &version).await?;
        let status = answer.status().as_u16();
        let said = all(answer).await?;
        if status >= 400 {
            return Err(Failure::daemon(status, &message(&said, status)));
        }
        Ok(serde_json::from_str(&said).unwrap_or(Value::Null))
    }

    async fn send(&self, ask: Ask<'_>, version: &str) -> Result<Response<Incoming>> {
        let query = if ask.query.is_empty() { String::new() } else { format!("?{}", encoded(&ask.query)) };
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("{version}{}{query}", ask.path))
            .header(HOST, self.place.authority())
            .header(USER_AGENT, concat!("Docker-Client/bottleship-", env!("CARGO_PKG_VERSION"), " (linux)"));
        for (name, value) in ask.headers {
            request = if name == "content-type" { request.header(CONTENT_TYPE, value) } else { request.header(name, value) };
        }
        let request = request.body(ask.body).map_err(|error| Failure::new(format!("make the request: {error}")))?;
        connection::send(&self.place, request).await
    }
}

impl Api {
    /// As [`Api::meanwhile`], and tells as soon as the request is taken: the head of the answer is here, its body may be long in coming.
    ///
    /// # Errors
    /// Nobody answers, or the answer is no.
    pub async fn meanwhile_told(&self, ask: Ask<'_>, taken: tokio::sync::oneshot::Sender<()>) -> Result<Value> {
        let version = format!("/v{}", self.version()?);
        let answer = self.send(ask, &version).await?;
        // Whoever waits for that may have had enough.
        let _ = taken.send(());
        let status = answer.status().as_u16();
        let said = all(answer).await?;
        if status >= 400 {
            Err(Failure::daemon(status, &message(&said, status)))
        } else {
            Ok(serde_json::from_str(&said).unwrap_or(Value::Null))
        }
    }
}

/// The whole body of an answer.
async fn all(answer: Response<Incoming>) -> Result<String> {
    let broken = |error: hyper::Error| Failure::new(format!("unexpected end of the engine's answer: {error}"));
    let bytes = answer.into_body().collect().await.map_err(broken)?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn encoded(query: &[(&str, String)]) -> String {
    serde_urlencoded::to_string(query).unwrap_or_default()
}

fn message(said: &str, status: u16) -> String {
    let document: Option<Value> = serde_json::from_str(said).ok();
    let message = document.and_then(|document| document["message"].as_str().map(str::to_owned));
    message.unwrap_or_else(|| if said.trim().is_empty() { format!("status {status}") } else { said.trim().to_owned() })
}

/// An answer whose body comes piece by piece.
pub struct Answer<'a> {
    api: &'a Api,
    parts: Response<Incoming>,
    left: Bytes,
    /// Ends it from this side, if somebody may do that.
    stop: Option<watch::Receiver<bool>>,
}

impl Answer<'_> {
    /// The same, and it also ends when `stop` says so.
    pub fn until(self, stop: watch::Receiver<bool>) -> Self {
        Answer { stop: Some(stop), ..self }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers().get(name)?.to_str().ok()
    }

    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let body = self.parts.body_mut();
            let frame = match &mut self.stop {
                None => self.api.wait(body.frame()),
                Some(stop) => self.api.wait(async {
                    tokio::select! {
                        frame = body.frame() => frame,
                        // Who could stop it may be gone: then nobody does.
                        Ok(_) = stop.wait_for(|stopped| *stopped) => None,
                    }
                }),
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(io::Error::other(format!("unexpected end of the engine's answer: {error}"))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// The connection breaks.
    pub fn text(&mut self) -> Result<String> {
        let mut all = Vec::new();
        self.read_to_end(&mut all)?;
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    /// Writes the body somewhere, piece by piece.
    ///
    /// # Errors
    /// The connection breaks, or the place takes no more.
    pub fn copy(&mut self, to: &mut dyn Write) -> Result {
        io::copy(self, to)?;
        Ok(to.flush()?)
    }

    /// The next JSON document of a body with one a line.
    ///
    /// # Errors
    /// The connection breaks, or a line is no document.
    pub fn document(&mut self) -> Result<Option<Value>> {
        let mut line = Vec::new();
        loop {
            match self.left.iter().position(|byte| *byte == b'\n') {
                Some(end) => line.extend_from_slice(&self.left.split_to(end + 1)),
                None => {
                    line.extend_from_slice(&std::mem::take(&mut self.left));
                    if line.len() > LONGEST_LINE {
                        return Err(Failure::new("a line of the engine's answer is too long"));
                    }
                    match self.piece()? {
                        Some(piece) => self.left = piece,
                        None if line.trim_ascii().is_empty() => return Ok(None),
                        None => {}
                    }
                    if !self.left.is_empty() {
                        continue;
                    }
                }
            }
            if line.trim_ascii().is_empty() {
                line.clear();
                continue;
            }
            return serde_json::from_slice(&line)
                .map(Some)
                .map_err(|error| Failure::new(format!("the engine's answer is no JSON: {error}")));
        }
    }
}

impl Read for Answer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            match self.piece()? {
                Some(piece) => self.left = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.left.len());
        buffer[..count].copy_from_slice(&self.left.split_to(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_sent_as_docker_sends_them() {
        let filters = ["label=a=b".to_owned(), "label=c".to_owned(), "Dangling=true".to_owned()];
        assert_eq!(filters_json(&filters), r#"{"label":{"a=b":true,"c":true},"dangling":{"true":true}}"#);
    }

    #[test]
    fn an_error_is_what_the_engine_says() {
        assert_eq!(message(r#"{"message":"no"}"#, 400), "no");
        assert_eq!(message("plain words\n", 400), "plain words");
        assert_eq!(message("", 502), "status 502");
    }
}
