//! Docker's Engine API over HTTP: versions, routes, headers.
//!
//! A client may put the version that it speaks before every path (`/v1.43/images/json`). Almost everything has looked the same since [`OLDEST`]; where it has
//! not, the handler asks for the [`Version`].

mod archives;
mod body;
mod build;
mod containers;
mod copying;
mod images;
mod layer;
mod networks;
mod registry;
mod streams;
mod system;
mod volumes;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, delete, get, post};
use tower_service::Service as _;

use super::Engine;
use super::error::Fault;

/// The newest version of the API that is spoken.
pub const NEWEST: &str = "1.50";
/// The oldest.
pub const OLDEST: &str = "1.24";

/// The version of the API that a request is written in: its major and minor number. A request that names none means the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    fn read(text: &str) -> Self {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        Version(major.parse().unwrap_or(u32::MAX), minor.parse().unwrap_or(u32::MAX))
    }
}

impl<S: Sync> FromRequestParts<S> for Version {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Version>().copied().unwrap_or_else(|| Version::read(NEWEST)))
    }
}

/// The application of one engine: to be served on any listener.
pub fn routes(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/_ping", get(system::ping))
        .route("/version", get(system::version))
        .route("/info", get(system::info))
        .route("/events", get(system::events))
        .route("/system/df", get(system::usage))
        .route("/images/json", get(images::list))
        .route("/images/prune", post(images::prune))
        .route("/images/create", post(archives::create))
        .route("/images/load", post(archives::load))
        .route("/images/get", get(archives::save))
        .route("/images/search", get(images::search))
        .route("/images/{*rest}", any(images::one))
        .route("/build", post(build::build))
        .route("/build/prune", post(images::prune_builds))
        .route("/auth", post(registry::log_in))
        .route("/distribution/{*rest}", get(images::distribution))
        .route("/containers/json", get(containers::all))
        .route("/containers/create", post(containers::create))
        .route("/containers/prune", post(containers::prune))
        .route("/containers/{name}", delete(containers::remove))
        .route("/containers/{name}/json", get(containers::inspect))
        .route("/containers/{name}/start", post(containers::start))
        .route("/containers/{name}/stop", post(containers::stop))
        .route("/containers/{name}/restart", post(containers::restart))
        .route("/containers/{name}/kill", post(containers::kill))
        .route("/containers/{name}/pause", post(containers::pause))
        .route("/containers/{name}/unpause", post(containers::unpause))
        .route("/containers/{name}/rename", post(containers::rename))
        .route("/containers/{name}/wait", post(containers::wait))
        .route("/containers/{name}/top", get(containers::top))
        .route("/containers/{name}/changes", get(layer::changes))
        .route("/containers/{name}/export", get(layer::export))
        .route("/commit", post(layer::commit))
        .route("/containers/{name}/attach", post(streams::attach))
        .route("/containers/{name}/resize", post(streams::resize))
        .route("/containers/{name}/archive", get(copying::send).put(copying::take))
        .route("/containers/{name}/stats", get(containers::stats))
        .route("/containers/{name}/update", post(containers::update))
        .route("/containers/{name}/logs", get(streams::read_logs))
        .route("/containers/{name}/exec", post(streams::make_exec))
        .route("/exec/{id}/start", post(streams::start_exec))
        .route("/exec/{id}/json", get(streams::inspect_exec))
        .route("/exec/{id}/resize", post(streams::resize_exec))
        .route("/volumes", get(volumes::all))
        .route("/volumes/create", post(volumes::create))
        .route("/volumes/prune", post(volumes::prune))
        .route("/volumes/{name}", get(volumes::inspect).delete(volumes::remove))
        .route("/plugins", get(plugins))
        .route("/networks", get(networks::all))
        .route("/networks/create", post(networks::create))
        .route("/networks/prune", post(networks::prune))
        .route("/networks/{name}", get(networks::inspect).delete(networks::remove))
        .route("/networks/{name}/connect", post(networks::connect))
        .route("/networks/{name}/disconnect", post(networks::disconnect))
        .fallback(unknown)
        .with_state(engine)
}

/// The application with the version taken off its paths, and the headers that every answer has.
pub fn service(engine: Arc<Engine>) -> Router {
    let inner = routes(engine);
    // The path is changed before it is routed, so this stands around the router and not in it.
    Router::new().fallback(move |request: Request| {
        let mut inner = inner.clone();
        async move {
            let answer = match unversioned(request.map(body::drained)) {
                // Its error type has no values.
                Ok(request) => inner.call(request).await.unwrap_or_else(|never| match never {}),
                Err(fault) => fault.into_response(),
            };
            let mut answer = worded(answer).await;
            dress(&mut answer);
            answer
        }
    })
}

/// The most of an error's plain text that is taken over, in bytes.
const LONGEST_ERROR: usize = 4 << 10;

/// Errors that the framework tells in its own way (a body that is no JSON, a query that is none, a method that a path does not have) as clients look for them.
async fn worded(answer: Response) -> Response {
    let status = answer.status();
    let is_json = answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return Fault::not_found("page not found").into_response();
    }
    let text = axum::body::to_bytes(answer.into_body(), LONGEST_ERROR).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let message = if text.trim().is_empty() { status.canonical_reason().unwrap_or("the request failed") } else { text.trim() };
    // dockerd tells one kind of mistakes in requests from the others by its message alone.
    let status = if matches!(status.as_u16(), 415 | 422) { StatusCode::BAD_REQUEST } else { status };
    Fault { status, message: message.to_owned() }.into_response()
}

fn dress(answer: &mut Response) {
    let server = concat!("Docker/", env!("CARGO_PKG_VERSION"), " (linux)");
    for (name, value) in [
        ("api-version", NEWEST),
        ("docker-experimental", "false"),
        ("ostype", "linux"),
        ("server", server),
        ("bottleship", env!("CARGO_PKG_VERSION")),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// The request without the version in its path.
fn unversioned(mut request: Request) -> Result<Request, Fault> {
    let path = request.uri().path();
    let Some((version, rest)) = version_of(path) else { return Ok(request) };
    check(version)?;
    let version = Version::read(version);
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    let uri: Uri = format!("{rest}{query}").parse().map_err(|_| Fault::bad(format!("`{path}` is no path")))?;
    *request.uri_mut() = uri;
    request.extensions_mut().insert(version);
    Ok(request)
}

fn version_of(path: &str) -> Option<(&str, &str)> {
    let after = path.strip_prefix("/v")?;
    let end = after.find('/').unwrap_or(after.len());
    let (version, rest) = after.split_at(end);
    let (major, minor) = version.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(major) && digits(minor)).then_some((version, rest))
}

fn check(version: &str) -> Result<(), Fault> {
    if Version::read(version) < Version::read(OLDEST) {
        return Err(Fault::bad(format!(
            "client version {version} is too old. Minimum supported API version is {OLDEST}, please upgrade your client to a newer version"
        )));
    }
    if Version::read(version) > Version::read(NEWEST) {
        return Err(Fault::bad(format!("client version {version} is too new. Maximum supported API version is {NEWEST}")));
    }
    Ok(())
}

/// `GET /plugins`: there are none to be had.
async fn plugins() -> axum::Json<[(); 0]> {
    axum::Json([])
}

/// What is asked of one thing of a kind that there is none of: it is not there.
fn none_of(path: &str) -> Option<Fault> {
    let mut words = path.split('/').skip(1);
    let (kind, name, verb) = (words.next()?, words.next()?, words.next());
    let said = match (kind, verb) {
        ("plugins", Some("json")) => format!("plugin \"{name}\" not found"),
        _ => return None,
    };
    Some(Fault::not_found(said))
}

/// What would make this engine one of a swarm. To send whoever asks for that back to `docker swarm init` would send them in a circle.
fn no_swarm(path: &str) -> Option<Fault> {
    let (status, message) = match path {
        "/swarm/init" | "/swarm/join" => {
            (StatusCode::NOT_IMPLEMENTED, "swarm mode is not part of this engine: it runs the containers of one host")
        }
        "/swarm/leave" => (StatusCode::SERVICE_UNAVAILABLE, "This node is not part of a swarm"),
        _ => return None,
    };
    Some(Fault { status, message: message.to_owned() })
}

/// Swarm's answers tell an engine that is in no swarm from one that does not know the path.
async fn unknown(State(engine): State<Arc<Engine>>, Query(asked): Query<HashMap<String, String>>, request: Request) -> Response {
    let path = request.uri().path();
    if let ["", "containers", name, alias] = path.split('/').collect::<Vec<_>>()[..]
        && request.method() == Method::DELETE
        && images::flag(&asked, "link")
    {
        return containers::unlink(engine, name, alias).await.into_response();
    }
    if let Some(fault) = none_of(path).filter(|_| request.method() == Method::GET) {
        return fault.into_response();
    }
    if request.method() == Method::POST
        && let Some(fault) = no_swarm(path)
    {
        return fault.into_response();
    }
    let first = path.split('/').nth(1).unwrap_or_default();
    let fault = match first {
        "swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs" => Fault {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."
                .to_owned(),
        },
        "containers" | "exec" | "volumes" | "networks" | "plugins" | "commit" | "session" | "grpc" => {
            Fault::not_here(&format!("{} {path}", request.method()))
        }
        _ => Fault::not_found("page not found"),
    };
    fault.into_response()
}

/// An answer whose lines are JSON documents that come as they are made.
fn json_lines(lines: body::Lines) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], lines.into_body()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_taken_off_the_path() {
        assert_eq!(version_of("/v1.43/images/json"), Some(("1.43", "/images/json")));
        for path in ["/images/json", "/v1/x", "/v1.x/images", "/volumes", "/vx.1/images"] {
            assert_eq!(version_of(path), None, "{path}");
        }
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(check("1.24").is_ok() && check("1.43").is_ok() && check(NEWEST).is_ok());
        assert!(check("1.9").unwrap_err().message.starts_with("client version 1.9 is too old. Minimum supported API version is 1.24"));
        assert!(check("1.100").unwrap_err().message.contains("is too new"));
        assert!(check("99999999999.0").unwrap_err().message.contains("is too new"));
    }
}
