//! The token service: who shows a name and password gets a token for what they may do, good for a few minutes.
//!
//! ```text
//!  GET /v2/x/manifests/1            ─▶ 401, Bearer realm="https://auth.../token",service="...",scope="repository:x:pull"
//!  GET /token?service=..&scope=..   ─▶ {"token": "...", "expires_in": 300}       (with Basic, or as nobody)
//!  GET /v2/x/manifests/1  Bearer .. ─▶ 200
//! ```
//! A token is a random number that means nothing to anybody else: what it allows is remembered here, and forgotten when it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use hyper::{HeaderMap, StatusCode};
use serde_json::json;

use super::access::{Action, Who, basic};
use super::answer::{Answer, Code, Fault, text_answer};
use super::route::repository;
use crate::kernel::random;

/// How long a token holds.
const HOLDS: Duration = Duration::from_secs(300);
/// The most tokens that are remembered; the oldest are forgotten for new ones.
const MOST: usize = 10_000;
/// The most scopes of one token.
const SCOPES: usize = 32;

/// Whose word counts.
pub trait Policy: Send + Sync {
    /// Whether the name has this password. Whoever makes accounts on the spot makes one here.
    fn log_in(&self, name: &str, password: &str) -> bool;
    /// Whether somebody (nobody in particular without a name) may do this to a repository.
    fn may(&self, who: Option<&str>, repository: &str, action: Action) -> bool;
}

struct Token {
    who: Who,
    grants: Vec<(String, Action)>,
    until: Instant,
}

/// Gives tokens, and looks at them.
pub struct Issuer {
    realm: String,
    service: String,
    policy: Arc<dyn Policy>,
    tokens: Mutex<HashMap<String, Token>>,
}

impl Issuer {
    /// A service that is reached at `realm`, for the registry `service`.
    pub fn new(realm: &str, service: &str, policy: Arc<dyn Policy>) -> Self {
        Issuer { realm: realm.to_owned(), service: service.to_owned(), policy, tokens: Mutex::default() }
    }

    /// Answers a request for a token.
    ///
    /// # Errors
    /// Name and password are wrong.
    pub fn issue(&self, headers: &HeaderMap, parameters: &[(String, String)]) -> Result<Answer, Fault> {
        let who = match basic(headers) {
            None => Who::default(),
            Some((name, password)) if self.policy.log_in(&name, &password) => Who { name: Some(name) },
            Some(_) => return Err(Fault::new(Code::Unauthorized, "incorrect username or password")),
        };
        let scopes = parameters.iter().filter(|(name, _)| name == "scope").flat_map(|(_, value)| value.split(' ')).take(SCOPES);
        let grants =
            scopes.filter_map(read_scope).flat_map(|(name, actions)| actions.into_iter().map(move |action| (name.clone(), action)));
        let grants = grants.filter(|(name, action)| self.policy.may(who.name.as_deref(), name, *action)).collect();
        let token: String = random::bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
        self.remember(token.clone(), Token { who, grants, until: Instant::now() + HOLDS });
        let issued = jiff::Timestamp::now().to_string();
        let body = json!({"token": token, "access_token": token, "expires_in": HOLDS.as_secs(), "issued_at": issued});
        Ok(text_answer(StatusCode::OK, "application/json", body.to_string()))
    }

    fn remember(&self, text: String, token: Token) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MOST {
            let now = Instant::now();
            tokens.retain(|_, token| token.until > now);
        }
        if tokens.len() >= MOST {
            let oldest = tokens.iter().min_by_key(|(_, token)| token.until).map(|(text, _)| text.clone());
            oldest.and_then(|oldest| tokens.remove(&oldest));
        }
        tokens.insert(text, token);
    }

    /// Whether the token in these headers allows it. Without a repository any token does.
    ///
    /// # Errors
    /// 401 with the challenge.
    pub fn admit(&self, headers: &HeaderMap, repository: Option<&str>, action: Action) -> Result<Who, Fault> {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let token = shown.and_then(|shown| tokens.get(shown)).filter(|token| token.until > Instant::now());
        let allowed = token.filter(|token| {
            repository.is_none_or(|repository| {
                // A right may have gone meanwhile: a repository became private.
                let granted = token.grants.iter().any(|(name, granted)| name == repository && *granted == action);
                granted && self.policy.may(token.who.name.as_deref(), repository, action)
            })
        });
        allowed.map(|token| token.who.clone()).ok_or_else(|| self.challenge(repository, action, token.is_some()))
    }

    /// Whether somebody may do this to a repository.
    pub fn may(&self, who: &Who, repository: &str, action: Action) -> bool {
        self.policy.may(who.name.as_deref(), repository, action)
    }

    fn challenge(&self, repository: Option<&str>, action: Action, had_token: bool) -> Fault {
        let mut text = format!("Bearer realm=\"{}\",service=\"{}\"", self.realm, self.service);
        if let Some(repository) = repository {
            let actions = if action == Action::Push { "pull,push" } else { action.name() };
            text.push_str(&format!(",scope=\"repository:{repository}:{actions}\""));
        }
        if had_token {
            text.push_str(",error=\"insufficient_scope\"");
        }
        let detail = repository.map(|name| json!([{"Type": "repository", "Class": "", "Name": name, "Action": action.name()}]));
        Fault::new(Code::Unauthorized, detail.unwrap_or(serde_json::Value::Null)).with_header(WWW_AUTHENTICATE, text)
    }
}

/// `repository:NAME:ACTION,ACTION`; the name may have colons in front where it has a port.
fn read_scope(text: &str) -> Option<(String, Vec<Action>)> {
    let (name, actions) = text.strip_prefix("repository:")?.rsplit_once(':')?;
    let name = repository(&name.split('/').collect::<Vec<_>>()).ok()?;
    let action = |text: &str| match text {
        "pull" => vec![Action::Pull],
        "push" => vec![Action::Push],
        "delete" => vec![Action::Delete],
        "*" => vec![Action::Pull, Action::Push, Action::Delete],
        _ => Vec::new(),
    };
    Some((name, actions.split(',').flat_map(action).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_clients_write_them() {
        assert_eq!(read_scope("repository:library/alpine:pull"), Some(("library/alpine".into(), vec![Action::Pull])));
        assert_eq!(read_scope("repository:a:pull,push"), Some(("a".into(), vec![Action::Pull, Action::Push])));
        assert_eq!(read_scope("repository:a:what").map(|scope| scope.1), Some(vec![]));
        for wrong in ["registry:catalog:*", "repository:../x:pull", "repository:A:pull", "x", ""] {
            assert_eq!(read_scope(wrong), None, "{wrong}");
        }
    }
}
