//! Serving the page: who is let in, and the stream of documents.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http_body_util::channel::Channel;
use hyper::body::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::look::Looker;

/// Only our own files, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// A comment so often, so that a browser that has gone away is noticed.
const ALIVE: Duration = Duration::from_secs(15);

/// The newest document.
type News = watch::Receiver<Arc<str>>;

/// Serves until Ctrl-C or the bottle's end.
///
/// # Errors
/// The address is taken, or not ours.
pub fn serve(address: SocketAddr, token: &str, looker: Looker) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (tell, news) = watch::channel(Arc::<str>::from("{}"));
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let over = look_on(looker, tell);
        println!("http://{address}/{token}/");
        io::stdout().flush()?;
        let end = async move {
            tokio::select! {
                // That there is no Ctrl-C to hear is no reason to end.
                Ok(()) = tokio::signal::ctrl_c() => {}
                _ = over => {}
            }
        };
        tokio::select! {
            served = axum::serve(listener, application(address, token, news)) => served,
            // Streams never end by themselves, so nobody is waited for.
            () = end => Ok(()),
        }
    })
}

/// Looks at the bottle in a thread of its own; ready when it has ended.
fn look_on(mut looker: Looker, tell: watch::Sender<Arc<str>>) -> tokio::sync::oneshot::Receiver<()> {
    let (ended, over) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        while let Some(document) = looker.next() {
            tell.send_if_modified(|last| {
                let new = **last != *document;
                if new {
                    *last = document.into();
                }
                new
            });
        }
        // Nobody listens where Ctrl-C came first.
        let _ = ended.send(());
    });
    over
}

fn application(address: SocketAddr, token: &str, news: News) -> Router {
    let page = |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    let inside = Router::new()
        .route("/", page("text/html; charset=utf-8", include_str!("page.html")))
        .route("/page.css", page("text/css; charset=utf-8", include_str!("page.css")))
        .route("/page.js", page("text/javascript; charset=utf-8", include_str!("page.js")))
        .route("/state", get(state))
        .route("/events", get(events))
        .with_state(news);
    Router::new().nest(&format!("/{token}/"), inside).layer(from_fn(guarded)).layer(from_fn_with_state(Arc::new(names(address)), for_us))
}

/// The names that a browser may know us by. Whoever made it come here by another one is a page from elsewhere.
fn names(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let mut names = vec![address.to_string()];
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        names.extend(["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")));
    }
    // A browser leaves the usual port out.
    if port == 80 {
        let short: Vec<String> = names.iter().filter_map(|name| name.strip_suffix(":80").map(str::to_owned)).collect();
        names.extend(short);
    }
    names
}

async fn for_us(State(names): State<Arc<Vec<String>>>, request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if names.iter().any(|name| name.eq_ignore_ascii_case(asked)) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "This is no name of this page.\n").into_response()
}

async fn guarded(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    answer
}

async fn state(State(news): State<News>) -> Response {
    let document = news.borrow().to_string();
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

/// Server-sent events (HTML standard, 9.2): the document as it is, then at every change.
async fn events(State(mut news): State<News>) -> Response {
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
    news.mark_changed();
    tokio::spawn(async move {
        loop {
            let piece = tokio::select! {
                changed = news.changed() => match changed {
                    Ok(()) => format!("data: {}\n\n", *news.borrow_and_update()),
                    Err(_) => return,
                },
                () = tokio::time::sleep(ALIVE) => ":\n\n".to_owned(),
            };
            if sender.send_data(piece.into()).await.is_err() {
                return;
            }
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::new(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_names_of_this_machine_and_no_other() {
        let names_of = |text: &str| names(text.parse().unwrap());
        let loopback = names_of("127.0.0.1:8080");
        for name in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"] {
            assert!(loopback.iter().any(|known| known == name), "{name}");
        }
        assert!(!loopback.iter().any(|known| known.contains("evil") || known == "127.0.0.1" || known == "localhost:80"), "{loopback:?}");
        assert_eq!(names_of("10.0.0.1:9000"), ["10.0.0.1:9000"]);
        assert!(names_of("127.0.0.1:80").contains(&"localhost".to_owned()));
    }
}
