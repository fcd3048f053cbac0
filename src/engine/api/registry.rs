//! What asks a registry: pull, push, login, and a look at a manifest.
//!
//! The client sends name and password with each request, in `X-Registry-Auth`; the engine keeps none.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::body::{Lines, Teller};
use super::json_lines;
use crate::engine::Engine;
use crate::engine::error::Fault;
use crate::engine::filters::Filters;
use crate::oci::distribution::client::credentials::Login;
use crate::oci::distribution::client::error::Why;
use crate::oci::distribution::client::progress::{Event, Progress, Silent, Step, There};
use crate::oci::distribution::client::search::Found;
use crate::oci::distribution::client::{Client, Error};
use crate::oci::image::archive::Limits;
use crate::oci::image::spec::{Descriptor, Platform};
use crate::oci::reference::{HUB, Reference};

/// Docker's clients pad base64 or do not.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Who somebody is at a registry, as clients send it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Account {
    username: String,
    password: String,
    auth: String,
    serveraddress: String,
}

impl Account {
    /// From the header of a request; nobody in particular where there is none.
    fn read(headers: &HeaderMap) -> Result<Self, Fault> {
        let Some(text) = headers.get("x-registry-auth") else { return Ok(Account::default()) };
        let wrong = || Fault::bad("invalid X-Registry-Auth header: it is not base64url of a JSON document");
        let bytes = BASE64.decode(text.as_bytes()).map_err(|_| wrong())?;
        // Old clients send nothing, or `null`, for nobody.
        if bytes.is_empty() || bytes == b"null" {
            return Ok(Account::default());
        }
        serde_json::from_slice(&bytes).map_err(|_| wrong())
    }

    fn login(&self) -> Option<Login> {
        if self.username.is_empty() {
            return Login::read(&self.auth);
        }
        Some(Login { name: self.username.clone(), password: self.password.clone() })
    }
}

impl Engine {
    fn client(&self, host: &str, login: Option<Login>, progress: Arc<dyn Progress>) -> Client {
        let mut settings = self.registries();
        settings.login = login.map(|login| (host.to_owned(), login));
        Client::new(settings, progress)
    }
}

fn refused(error: &Error) -> Fault {
    let status = match &error.why {
        Why::Denied { .. } | Why::ManifestUnknown(_) | Why::Platform { .. } => StatusCode::NOT_FOUND,
        Why::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        Why::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Fault { status, message: in_docker_words(error) }
}

/// As dockerd tells it: what a registry refuses stands alone, what kept us from asking follows the request in Go's words.
fn in_docker_words(error: &Error) -> String {
    let alone = matches!(
        error.why,
        Why::Denied { .. } | Why::Unauthorized(_) | Why::ManifestUnknown(_) | Why::TooMany(_) | Why::Platform { .. } | Why::Store(_)
    );
    match error.asked.split_once(' ') {
        _ if alone => error.why.to_string(),
        Some((method, url)) => {
            let (first, rest) = method.split_at(1.min(method.len()));
            format!("{first}{} \"{url}\": {}", rest.to_ascii_lowercase(), error.why)
        }
        None => error.to_string(),
    }
}

/// Tells progress in Docker's lines. What comes before anything is certain waits, so that a refusal can still be the answer's status.
struct Told {
    lines: mpsc::UnboundedSender<Value>,
    there: There,
}

impl Progress for Told {
    fn event(&self, event: Event) {
        let line = match event {
            Event::Pulling { target, path } => json!({"status": format!("Pulling from {path}"), "id": target}),
            Event::Pushing(repository) => json!({"status": format!("The push refers to repository [{repository}]")}),
            Event::Layer(digest, step) if !self.there.shows(&digest, &step) => return,
            Event::Layer(digest, step) => {
                let (status, bytes) = step.words();
                let detail = bytes.map_or_else(|| json!({}), |(now, all)| json!({"current": now, "total": all}));
                json!({"status": status, "progressDetail": detail, "id": digest.short()})
            }
            Event::Again(why, pause) => {
                json!({"status": format!("{why}: trying again in {}.{} seconds", pause / 1000, pause % 1000 / 100)})
            }
            Event::Mirror(mirror, why) => json!({"status": format!("the mirror {mirror} did not help: {why}")}),
        };
        // Nobody reads any more: the work goes on, as docker's does.
        let _ = self.lines.send(line);
    }
}

/// The lines of a piece of work as an answer; its failure as the status as long as no layer was spoken of.
async fn answered(
    mut lines: mpsc::UnboundedReceiver<Value>,
    work: impl Future<Output = Result<Vec<Value>, Fault>> + Send + 'static,
) -> Result<Response, Fault> {
    let mut work = tokio::spawn(work);
    let mut held = Vec::new();
    let done = loop {
        tokio::select! {
            Some(line) = lines.recv() => {
                let certain = line["progressDetail"].is_object();
                held.push(line);
                if certain {
                    break None;
                }
            }
            done = &mut work => break Some(finished(done)?),
        }
    };
    let (teller, answer) = Lines::new();
    tokio::spawn(async move {
        if !all(&teller, &held).await {
            return;
        }
        let last = match done {
            Some(last) => Ok(last),
            None => {
                let mut open = true;
                loop {
                    tokio::select! {
                        biased;
                        line = lines.recv(), if open => match line {
                            Some(line) => drop(teller.say(&line).await),
                            None => open = false,
                        },
                        done = &mut work => break finished(done),
                    }
                }
            }
        };
        // What was told before the end was seen.
        while let Ok(line) = lines.try_recv() {
            teller.say(&line).await;
        }
        match last {
            Ok(last) => drop(all(&teller, &last).await),
            Err(fault) => drop(teller.say(&json!({"errorDetail": {"message": fault.message}, "error": fault.message})).await),
        }
    });
    Ok(json_lines(answer))
}

async fn all(teller: &Teller, lines: &[Value]) -> bool {
    for line in lines {
        if !teller.say(line).await {
            return false;
        }
    }
    true
}

fn finished(done: Result<Result<Vec<Value>, Fault>, tokio::task::JoinError>) -> Result<Vec<Value>, Fault> {
    done.unwrap_or_else(|error| Err(Fault::internal(format!("the work ended without a result: {error}"))))
}

/// `POST /images/create?fromImage=NAME&tag=TAG`.
///
/// # Errors
/// The registry has no such image for us, or cannot be reached.
pub async fn pull(engine: Arc<Engine>, asked: &HashMap<String, String>, headers: &HeaderMap) -> Result<Response, Fault> {
    let text = |key: &str| asked.get(key).filter(|text| !text.is_empty()).map(String::as_str);
    let name = named(text("fromImage").unwrap_or_default(), text("tag"))?;
    let wanted = match text("platform") {
        Some(text) => platform(text)?,
        None => engine.platform.clone(),
    };
    let login = Account::read(headers)?.login();
    let (sender, lines) = mpsc::unbounded_channel();
    let told = Arc::new(Told { lines: sender, there: There::default() });
    let work = async move {
        let client = engine.client(name.host(), login, Arc::clone(&told) as Arc<dyn Progress>);
        let pulled = client.pull(&engine.store, &name, &wanted).await.map_err(|error| refused(&error))?;
        let (target, shown, newer, full) = (pulled.target.clone(), Arc::clone(&told), pulled.newer, name.to_string());
        let other = engine
            .work(move |engine| {
                let image = engine.store.read_image(&target, &wanted)?;
                let unpacked = engine.store.unpack_image(&image, Limits::default(), &mut |digest, done| {
                    // Of an image that is up to date docker shows no layer.
                    if newer {
                        shown.event(Event::Layer(digest.clone(), if done { Step::Extracted } else { Step::Extracting }));
                    }
                });
                unpacked?;
                Ok((!image.is_for(&wanted)).then(|| image.other_platform(&full, &wanted)))
            })
            .await?;
        engine.events.image("pull", &name.familiar(), &name.familiar_repository());
        let status = if pulled.newer { "Downloaded newer image" } else { "Image is up to date" };
        let mut last = vec![
            json!({"status": format!("Digest: {}", pulled.target.digest)}),
            json!({"status": format!("Status: {status} for {}", name.familiar())}),
        ];
        // A registry gives a single image to everybody, whatever platform it is asked for.
        last.extend(other.map(|other| json!({"status": format!("WARNING: {other}")})));
        Ok(last)
    };
    answered(lines, work).await
}

/// A platform as people write it.
///
/// # Errors
/// It is none.
pub fn platform(text: &str) -> Result<Platform, Fault> {
    Platform::read(text).ok_or_else(|| Fault::bad(format!("{text:?} is an invalid platform: use os/architecture[/variant]")))
}

/// The name of an image to pull; a tag may be a digest.
fn named(name: &str, tag: Option<&str>) -> Result<Reference, Fault> {
    let text = match tag {
        Some(digest) if digest.contains(':') => format!("{name}@{digest}"),
        Some(tag) => format!("{name}:{tag}"),
        None => name.to_owned(),
    };
    Ok(text.parse::<Reference>()?.or_latest())
}

/// `POST /images/NAME/push?tag=TAG`.
///
/// # Errors
/// There is no such image, or the registry does not take it.
pub async fn push(engine: Arc<Engine>, name: &str, asked: &HashMap<String, String>, headers: &HeaderMap) -> Result<Response, Fault> {
    let name = named(name, asked.get("tag").filter(|tag| !tag.is_empty()).map(String::as_str))?;
    let login = Account::read(headers)?.login();
    let wanted = name.clone();
    engine
        .work(move |engine| {
            let missing = || Fault::not_found(format!("An image does not exist locally with the tag: {}", wanted.familiar_repository()));
            engine.store.find(&wanted.to_string(), &engine.platform).map(drop).map_err(|_| missing())
        })
        .await?;
    let (sender, lines) = mpsc::unbounded_channel();
    let told = Arc::new(Told { lines: sender, there: There::default() });
    let work = async move {
        let client = engine.client(name.host(), login, told);
        let sent = client.push(&engine.store, &name, &engine.platform).await.map_err(|error| refused(&error))?;
        engine.events.image("push", &name.familiar(), &name.familiar_repository());
        let (published, target) = (name.clone(), sent.target.clone());
        engine.work(move |engine| engine.remember_digest(&published, &target)).await?;
        let (tag, digest, size) = (name.tag().unwrap_or_default(), sent.target.digest.to_string(), sent.target.size);
        let mut last = vec![json!({"status": format!("{tag}: digest: {digest} size: {size}")})];
        last.extend(sent.only.map(|only| json!({"status": format!("Note: only {only} of the index is here, so only it was pushed")})));
        last.push(json!({"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest, "Size": size}}));
        Ok(last)
    };
    answered(lines, work).await
}

impl Engine {
    /// What was pushed can be named by its digest from now on. Of an index only the image for this platform may have gone out: then that is the digest by which
    /// the registry knows it, and the name is one more of the image here.
    fn remember_digest(&self, name: &Reference, target: &Descriptor) -> Result<(), Fault> {
        let image = self.store.find(&name.to_string(), &self.platform)?;
        // The tag may have moved meanwhile.
        if [&image.target.digest, &image.descriptor.digest].contains(&&target.digest) {
            let by_digest = Reference::new(name.host(), name.path(), None, Some(target.digest.clone()))?;
            self.store.set_name(&by_digest, &image.target)?;
        }
        Ok(())
    }
}

/// `POST /auth`: does the registry take this name and password?
///
/// # Errors
/// It does not.
pub async fn log_in(State(engine): State<Arc<Engine>>, Json(account): Json<Account>) -> Result<Json<Value>, Fault> {
    let address = account.serveraddress.trim_start_matches("https://").trim_start_matches("http://");
    let host = match address.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" => HUB,
        host => host,
    };
    let login = account.login().ok_or_else(|| Fault::bad("a login needs a name and a password"))?;
    let client = engine.client(host, None, Arc::new(Silent));
    client.log_in(host, &login).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({"Status": "Login Succeeded", "IdentityToken": ""})))
}

/// `GET /distribution/NAME/json`: what a name means at its registry.
///
/// # Errors
/// The registry has no such image for us.
pub async fn look(engine: Arc<Engine>, name: &str, headers: &HeaderMap) -> Result<Response, Fault> {
    let name = named(name, None)?;
    let client = engine.client(name.host(), Account::read(headers)?.login(), Arc::new(Silent));
    let fetched = client.manifest(&name).await.map_err(|error| refused(&error))?;
    let document: Value = serde_json::from_slice(&fetched.content).map_err(|error| Fault::internal(error.to_string()))?;
    let listed = document["manifests"].as_array().into_iter().flatten().map(|one| one["platform"].clone());
    let platforms: Vec<Value> = listed.filter(Value::is_object).collect();
    Ok(Json(json!({"Descriptor": fetched.descriptor, "Platforms": platforms})).into_response())
}

/// So many results `docker search` asks for at most, and so many where nobody says how many.
const MOST_FOUND: usize = 100;
const USUALLY_FOUND: usize = 25;

/// `GET /images/search?term=TERM`: what a registry's search finds, the Hub's where none is named.
///
/// # Errors
/// The registry has no search, or cannot be reached.
pub async fn search(engine: Arc<Engine>, asked: &HashMap<String, String>) -> Result<Response, Fault> {
    let term = asked.get("term").map(|term| term.trim()).filter(|term| !term.is_empty());
    let term = term.ok_or_else(|| Fault::bad("a search needs a term"))?;
    let filters = Filters::read(asked.get("filters").map(String::as_str), &["is-automated", "is-official", "stars"])?;
    let (official, automated) = (filters.flag("is-official")?, filters.flag("is-automated")?);
    let wrong = |text: &str| Fault::bad(format!("invalid filter 'stars={text}'"));
    let stars = filters.values("stars").iter().map(|text| text.parse::<u64>().map_err(|_| wrong(text))).collect::<Result<Vec<_>, _>>()?;
    let most = match asked.get("limit").filter(|text| !matches!(text.as_str(), "" | "0")) {
        None => USUALLY_FOUND,
        Some(text) => text
            .parse()
            .ok()
            .filter(|most| (1..=MOST_FOUND).contains(most))
            .ok_or_else(|| Fault::bad(format!("limit {text} is outside the range of [1, {MOST_FOUND}]")))?,
    };
    let (host, term) = searched(term);
    let found = engine.client(host, None, Arc::new(Silent)).search(host, term, most).await.map_err(|error| refused(&error))?;
    let fits = |one: &Found| {
        official.is_none_or(|official| official == one.official) && stars.iter().all(|least| one.stars >= *least) && automated != Some(true)
    };
    let rows = found.into_iter().filter(fits).map(|one| {
        json!({"name": one.name, "description": one.description, "star_count": one.stars, "is_official": one.official, "is_automated": false})
    });
    Ok(Json(Value::Array(rows.collect())).into_response())
}

/// Where a term is searched for, and what: `HOST/TERM` names a registry if it looks like one.
fn searched(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
            (if ["docker.io", "index.docker.io"].contains(&host) { HUB } else { host }, rest)
        }
        _ => (HUB, term),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(axum::http::HeaderName::from_static("x-registry-auth"), text.parse().unwrap())])
    }

    #[test]
    fn accounts_come_in_the_spellings_of_all_clients() {
        let padded = base64::engine::general_purpose::URL_SAFE.encode(r#"{"username":"me","password":"secret?>"}"#);
        for text in [padded.as_str(), padded.trim_end_matches('=')] {
            let login = Account::read(&header(text)).unwrap().login().unwrap();
            assert_eq!((login.name.as_str(), login.password.as_str()), ("me", "secret?>"));
        }
        let nobody = base64::engine::general_purpose::URL_SAFE.encode("{}");
        assert!(Account::read(&header(&nobody)).unwrap().login().is_none());
        assert!(Account::read(&HeaderMap::new()).unwrap().login().is_none());
        assert_eq!(Account::read(&header("***")).unwrap_err().status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn refusals_are_in_docker_words() {
        let error = |why: Why| Error { subject: "reg:5000/app".to_owned(), asked: "GET https://reg:5000/v2/".to_owned(), why };
        assert_eq!(
            in_docker_words(&error(Why::PlainHttp)),
            "Get \"https://reg:5000/v2/\": http: server gave HTTP response to HTTPS client"
        );
        let unknown = error(Why::ManifestUnknown("app:9".to_owned()));
        assert_eq!(in_docker_words(&unknown), "manifest for app:9 not found: manifest unknown: manifest unknown");
    }

    #[test]
    fn a_search_goes_where_its_term_says() {
        assert_eq!(searched("alpine"), (HUB, "alpine"));
        assert_eq!(searched("ann/app"), (HUB, "ann/app"));
        assert_eq!(searched("docker.io/ann/app"), (HUB, "ann/app"));
        assert_eq!(searched("localhost:5000/app"), ("localhost:5000", "app"));
    }

    #[test]
    fn a_tag_may_be_a_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(named("app", Some(&digest)).unwrap().familiar(), format!("app@{digest}"));
        assert_eq!(named("app", None).unwrap().familiar(), "app:latest");
        assert!(named("App", None).is_err());
    }
}
