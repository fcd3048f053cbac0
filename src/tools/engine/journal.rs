//! What the engine of a host of a bottle tells the journal: each request that changes something, before it is served, and everything that `docker events` tells.
//! So `:zoom` can show what lies between a line that was typed and the kernel, and facts can ask what happened. Elsewhere there is no journal, and nothing is told.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use crate::engine::Engine;
use crate::engine::events;
use crate::journal::{Client, Event};

/// Where the journal of a bottle listens in its hosts.
const JOURNAL: &str = "/run/bottleship/journal.sock";
/// Requests that change nothing although they are no GET: whoever waits, looks at a stream or turns a window.
const IDLE: [&str; 5] = ["/wait", "/resize", "/attach", "/auth", "/session"];

/// Whether there is a journal here.
pub fn is_here() -> bool {
    Path::new(JOURNAL).exists()
}

/// Tells of requests, if there is somebody to tell.
pub fn watched(application: Router) -> Router {
    if is_here() { application.layer(from_fn(served)) } else { application }
}

async fn served(request: Request, next: Next) -> Response {
    if let Some(subject) = subject(request.method(), request.uri().path()) {
        // Told first, so that what it leads to comes after it. A journal that is gone is no reason to serve nobody.
        let _ = tokio::task::spawn_blocking(move || tell(&Event::new("engine", "api", subject))).await;
    }
    next.run(request).await
}

/// `POST /containers/create`, without the version; None for what changes nothing.
fn subject(method: &Method, path: &str) -> Option<String> {
    if [Method::GET, Method::HEAD].contains(method) || IDLE.iter().any(|end| path.ends_with(end)) {
        return None;
    }
    let bare = path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..])).unwrap_or(path);
    Some(format!("{method} {bare}"))
}

fn tell(event: &Event) {
    // As above.
    let _ = Client::connect(Path::new(JOURNAL)).and_then(|client| client.emit(event));
}

/// Tells what happens in the engine, until that ends.
pub async fn follow(engine: Arc<Engine>) {
    let (_, mut live) = engine.events.listen();
    loop {
        match live.recv().await {
            Ok(event) => {
                let event = journalled(&event);
                // As above.
                let _ = tokio::task::spawn_blocking(move || tell(&event)).await;
            }
            // So much at once that some of it is lost: what comes next is told again.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// `docker.container.die` about `container/web`.
fn journalled(event: &events::Event) -> Event {
    // `exec_start: sh -c ...`, `health_status: healthy`: what stands behind the colon is data.
    let (action, more) = event.action.split_once(": ").unwrap_or((&event.action, ""));
    let name = event.attributes.get("name").map_or(event.actor.as_str(), String::as_str);
    let mut told = Event::new("engine", &format!("docker.{}.{action}", event.kind), format!("{}/{name}", event.kind));
    told.data = json!({ "id": event.actor, "attributes": event.attributes });
    if !more.is_empty() {
        told.data["more"] = more.into();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_nothing_is_not_told() {
        let told = |method: Method, path: &str| subject(&method, path);
        assert_eq!(told(Method::POST, "/v1.50/containers/create").as_deref(), Some("POST /containers/create"));
        assert_eq!(told(Method::DELETE, "/volumes/x").as_deref(), Some("DELETE /volumes/x"));
        assert_eq!(
            (told(Method::GET, "/v1.50/info"), told(Method::HEAD, "/_ping"), told(Method::POST, "/v1.50/containers/x/wait")),
            (None, None, None)
        );
    }

    #[test]
    fn an_event_of_the_engine_is_one_of_the_journal() {
        let event = events::Event {
            kind: "container",
            action: "health_status: healthy".to_owned(),
            actor: "abc".to_owned(),
            attributes: [("name".to_owned(), "web".to_owned())].into(),
            nanoseconds: 0,
        };
        let told = journalled(&event);
        assert_eq!(
            (told.actor.as_str(), told.kind.as_str(), told.subject.as_str()),
            ("engine", "docker.container.health_status", "container/web")
        );
        assert_eq!((&told.data["more"], &told.data["attributes"]["name"]), (&json!("healthy"), &json!("web")));
    }
}
