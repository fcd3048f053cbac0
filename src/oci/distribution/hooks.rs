//! Webhooks: whoever wants to know of a push gets a POST, in the background, and again if it did not arrive (the distribution project's notifications).

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use serde_json::json;

use super::client::connect::Connector;
use super::client::error::Why;
use super::client::settings::Settings;
use super::options::{Listener, PushEvent};
use crate::kernel::random;

/// The media type of the envelope.
const EVENTS: &str = "application/vnd.docker.distribution.events.v1+json";

/// Addresses that hear of pushes.
pub struct Hooks {
    connector: Arc<Connector>,
    addresses: Vec<Uri>,
}

impl Hooks {
    /// Tells these addresses.
    ///
    /// # Errors
    /// One is no address.
    pub fn new(settings: Settings, addresses: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            text.parse::<Uri>().ok().filter(|uri| uri.authority().is_some()).ok_or_else(|| format!("the webhook `{text}` is no URL"))
        };
        Ok(Hooks { connector: Arc::new(Connector::new(settings)), addresses: addresses.iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl Listener for Hooks {
    fn pushed(&self, event: PushEvent) {
        let body = Bytes::from(envelope(&event).to_string());
        for address in self.addresses.iter().cloned() {
            tokio::spawn(deliver(Arc::clone(&self.connector), address, body.clone()));
        }
    }
}

fn envelope(event: &PushEvent) -> serde_json::Value {
    let id: String = random::bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"events": [{
        "id": id,
        "timestamp": jiff::Timestamp::now().to_string(),
        "action": "push",
        "target": {
            "mediaType": event.media_type,
            "size": event.size,
            "length": event.size,
            "digest": event.digest,
            "repository": event.repository,
            "url": format!("/v2/{}/manifests/{}", event.repository, event.digest),
            "tag": event.tag,
        },
        "actor": event.actor.as_ref().map(|name| json!({"name": name})).unwrap_or_else(|| json!({})),
    }]})
}

/// Until it has arrived, or patience ends.
async fn deliver(connector: Arc<Connector>, address: Uri, body: Bytes) {
    let patience = connector.settings().patience;
    for attempt in 1.. {
        let make = || {
            let path = address.path_and_query().map_or("/", |path| path.as_str());
            let request =
                Request::builder().method(Method::POST).uri(path).header(HOST, address.authority().map_or("", |host| host.as_str()));
            let request = request.header(CONTENT_TYPE, EVENTS).header(CONTENT_LENGTH, body.len());
            let full = Full::new(body.clone()).map_err(|never| match never {}).boxed();
            request.body(full).map_err(|error| Why::Config(error.to_string()))
        };
        let sent = connector.send(&address, patience.silence, &make).await;
        if sent.is_ok_and(|response| response.status().is_success()) {
            return;
        }
        let Some(pause) = patience.pause_after(attempt, None, random::bytes::<1>()[0]) else { return };
        tokio::time::sleep(pause).await;
    }
}
