//! What a registry says when it is asked as `docker` on this host would ask it: with the host's names, the host's authorities and `certs.d`, and, if nothing else
//! is given, with the passwords that root keeps.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::WWW_AUTHENTICATE;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::oci::distribution::client::connect::Connector;
use crate::oci::distribution::client::credentials::Login;
use crate::oci::distribution::client::error::Why;
use crate::oci::distribution::client::manifests::{digest_of, pull_scope};
use crate::oci::distribution::client::progress::Silent;
use crate::oci::distribution::client::remote::{Ask, Remote};
use crate::oci::distribution::client::settings::{Patience, Settings};
use crate::oci::distribution::client::{Client, challenge, run};
use crate::oci::reference::Reference;
use crate::tools::images::usual_settings;

/// A fact has little time.
const SILENCE: Duration = Duration::from_secs(2);

/// Asks.
pub(super) fn ask(at: &str, login: Option<&(String, String)>, blob: Option<&str>) -> Result<Value, String> {
    let (name, whole) = target(at)?;
    let login = login.map(|(name, password)| Login { name: name.clone(), password: password.clone() });
    let patience = Patience { attempts: 1, silence: SILENCE, ..Patience::default() };
    let login_of = |login: &Login| (name.host().to_owned(), login.clone());
    let settings = Settings { login: login.as_ref().map(login_of), patience, ..usual_settings() };
    run(asked(&name, whole, settings, login, blob)).map_err(|error| format!("ask the registry: {error}"))
}

/// The name that is asked about, and whether it names more than the registry.
fn target(at: &str) -> Result<(Reference, bool), String> {
    // Only a name with a slash has a repository in it: `host:5000` alone would be read as the tag 5000 of `host`.
    let (name, whole) = if at.contains('/') { (at.parse::<Reference>(), true) } else { (Reference::new(at, "x", None, None), false) };
    name.map(|name| (name, whole)).map_err(|error| error.to_string())
}

async fn asked(name: &Reference, whole: bool, settings: Settings, login: Option<Login>, blob: Option<&str>) -> Value {
    let connector = Arc::new(Connector::new(settings.clone()));
    let remote = Remote::new(name.host(), connector, Arc::new(Silent));
    let base = match remote.base().await {
        Ok(base) => base,
        Err((_, why)) => return json!({ "answers": refusal(&why), "why": why.to_string(), "exists": false, "tags": [] }),
    };
    let mut document = json!({ "answers": "yes", "tls": base.starts_with("https:"), "auth": guard(&remote, &base).await });
    let client = Client::new(settings, Arc::new(Silent));
    if let Some(login) = &login {
        document["accepts"] = client.log_in(name.host(), login).await.is_ok().into();
    }
    if whole {
        about(&remote, &client, name, &mut document).await;
    }
    if let Some(digest) = blob {
        let head = Ask::new(Method::HEAD, format!("/v2/{}/blobs/{digest}", name.path()), &pull_scope(name.path()));
        document["blob"] = remote.ask(name.path(), &head).await.is_ok().into();
    }
    document
}

fn refusal(why: &Why) -> &'static str {
    if why.to_string().contains("refused") { "refused" } else { "no" }
}

/// How it wants to know who asks: `none`, `basic`, `bearer`.
async fn guard(remote: &Remote, base: &str) -> String {
    let Ok(uri) = format!("{base}/v2/").parse() else { return String::new() };
    match remote.send(&uri, &Ask::new(Method::GET, "", ""), None).await {
        Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
            let said = response.headers().get(WWW_AUTHENTICATE).and_then(|line| line.to_str().ok()).unwrap_or_default();
            challenge::read(said).first().map_or_else(|| "unknown".to_owned(), |one| one.scheme.clone())
        }
        Ok(_) => "none".to_owned(),
        Err(why) => why.to_string(),
    }
}

/// What is known of the name: its digest, and the tags beside it. HEAD does not count against a limit of pulls.
async fn about(remote: &Remote, client: &Client, name: &Reference, document: &mut Value) {
    let full = name.clone().or_latest();
    match digest_of(remote, &full).await {
        Ok(digest) => {
            document["exists"] = true.into();
            document["digest"] = digest.map(|digest| digest.to_string()).into();
        }
        Err(error) => {
            document["exists"] = false.into();
            document["why"] = error.why.to_string().into();
        }
    }
    document["tags"] = client.tags(&full).await.unwrap_or_default().into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_alone_and_a_name_in_it() {
        let (name, whole) = target("localhost:5000").unwrap();
        assert_eq!((name.host(), whole), ("localhost:5000", false));
        let (name, whole) = target("localhost:5000/app:1").unwrap();
        assert_eq!((name.host(), name.path(), name.tag(), whole), ("localhost:5000", "app", Some("1"), true));
        assert!(target("LOCAL host/App").is_err());
    }

    #[test]
    fn nobody_there_is_an_answer_too() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let document = ask(&format!("127.0.0.1:{port}/app:1"), None, None).unwrap();
        assert_eq!((&document["answers"], &document["exists"]), (&json!("refused"), &json!(false)));
    }
}
