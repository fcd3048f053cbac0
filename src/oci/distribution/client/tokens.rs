//! Who we are for a registry: nobody, a name with a password (Basic), or a token that a token service gave us (Bearer).
//!
//! The token service is named by the registry. It gets our password, so it must be reached by TLS, unless the registry itself is on this machine.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::{Method, Uri};
use serde::Deserialize;

use super::challenge::Challenge;
use super::credentials::{Credentials, Login};
use super::error::Why;
use super::remote::{Ask, LARGEST_ANSWER, Remote, clean, read, said, shown};
use super::settings::is_loopback;
use super::url;

/// How long a token holds that does not say so.
const USUAL: u64 = 60;
/// A token is not used any more so long before its end: it has to arrive.
const MARGIN: Duration = Duration::from_secs(5);

/// What goes into the header `Authorization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access(String);

impl Access {
    /// The header.
    pub fn header(&self) -> &str {
        &self.0
    }
}

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Basic,
    Bearer { realm: String, service: String },
}

/// All that is known of our rights at one registry.
pub struct Tokens {
    host: String,
    credentials: Option<Credentials>,
    login: Option<Option<Login>>,
    way: Mutex<Option<Way>>,
    held: Mutex<HashMap<String, (Access, Instant)>>,
    /// One fetches, the others wait for it: three layers need one token.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Tokens {
    /// Nothing is known yet.
    pub fn new(host: &str, credentials: Option<Credentials>) -> Self {
        Tokens {
            host: host.to_owned(),
            credentials,
            login: None,
            way: Mutex::default(),
            held: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Uses this name and password, or none, instead of the file's.
    pub fn use_login(&mut self, login: Option<Login>) {
        self.login = Some(login);
    }

    fn login(&self) -> Result<Option<Login>, Why> {
        match (&self.login, &self.credentials) {
            (Some(login), _) => Ok(login.clone()),
            (None, Some(credentials)) => credentials.get(&self.host).map_err(Why::Config),
            (None, None) => Ok(None),
        }
    }

    /// Takes in that a request was refused. True if it may go better the next time.
    pub fn challenged(&self, challenges: &[Challenge], scope: &str, used: Option<&Access>) -> bool {
        let find = |scheme: &str| challenges.iter().find(|one| one.scheme == scheme);
        let parameter = |one: &Challenge, name: &str| one.parameters.get(name).cloned().unwrap_or_default();
        let way = match (find("bearer"), find("basic")) {
            (Some(bearer), _) => Way::Bearer { realm: parameter(bearer, "realm"), service: parameter(bearer, "service") },
            (None, Some(_)) => Way::Basic,
            (None, None) => return false,
        };
        let mut known = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        let news = known.as_ref() != Some(&way);
        *known = Some(way.clone());
        drop(known);
        // A token that was refused is not shown again. A password that was refused stays wrong.
        let dropped = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(scope).is_some();
        news || (dropped && used.is_some() && way != Way::Basic)
    }

    /// What to send along for a scope; `None` for nothing.
    ///
    /// # Errors
    /// The token service refused us, or is not to be trusted.
    pub async fn access(&self, remote: &Remote, scope: &str) -> Result<Option<Access>, Why> {
        let way = self.way.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match way {
            None => Ok(None),
            Some(Way::Basic) => Ok(self.login()?.map(|login| Access(login.basic()))),
            Some(Way::Bearer { realm, service }) => {
                if let Some(held) = self.held(scope) {
                    return Ok(Some(held));
                }
                let _one = self.fetching.lock().await;
                if let Some(held) = self.held(scope) {
                    return Ok(Some(held));
                }
                self.fetch(remote, &realm, &service, scope).await.map(Some)
            }
        }
    }

    fn held(&self, scope: &str) -> Option<Access> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(scope).filter(|(_, until)| *until > Instant::now()).map(|(access, _)| access.clone())
    }

    async fn fetch(&self, remote: &Remote, realm: &str, service: &str, scope: &str) -> Result<Access, Why> {
        let base: Uri = realm.parse().map_err(|_| Why::Lie(format!("it names a token service that is no address: `{}`", clean(realm))))?;
        let plain = base.scheme_str() == Some("http");
        let local = is_loopback(&remote.authority) && base.authority().is_some_and(|authority| is_loopback(authority.as_str()));
        let allowed =
            base.authority().is_some_and(|authority| remote.connector().settings().insecure.iter().any(|one| one == authority.as_str()));
        if url::join("", realm).is_none() || (plain && !local && !allowed) {
            return Err(Why::Lie(format!(
                "it names the token service `{}`, which is not reached by TLS: no password goes there",
                shown(&base)
            )));
        }
        let login = self.login()?;
        let mut target = format!("{realm}{}service={}", if realm.contains('?') { '&' } else { '?' }, url::encode(service));
        for one in scope.split_whitespace() {
            target.push_str(&format!("&scope={}", url::encode(one)));
        }
        if let Some(login) = &login {
            target.push_str(&format!("&account={}", url::encode(&login.name)));
        }
        let uri: Uri = target.parse().map_err(|_| Why::Lie(format!("it names a token service that is no address: `{}`", clean(realm))))?;
        let basic = login.map(|login| Access(login.basic()));
        let silence = remote.connector().settings().patience.silence;
        let response = remote.send(&uri, &Ask::new(Method::GET, "", ""), basic.as_ref()).await?;
        let status = response.status();
        let text = read(response, LARGEST_ANSWER, silence).await?;
        if !status.is_success() {
            let said = said(&text).unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned());
            return Err(match status.as_u16() {
                401 if basic.is_some() => Why::Unauthorized("unauthorized: incorrect username or password".to_owned()),
                401 | 403 => Why::Unauthorized(said),
                429 => Why::TooMany(format!("toomanyrequests: {said}")),
                status => Why::Status { status, said: format!("the token service {}: {said}", shown(&base)) },
            });
        }
        let given: Given = serde_json::from_slice(&text).map_err(|error| Why::Lie(format!("the token service gave no token: {error}")))?;
        let token =
            given.token.or(given.access_token).filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let access = Access(format!("Bearer {}", token.ok_or_else(|| Why::Lie("the token service gave no token".to_owned()))?));
        let until = Instant::now() + Duration::from_secs(given.expires_in.unwrap_or(USUAL).min(86_400)).saturating_sub(MARGIN);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.to_owned(), (access.clone(), until));
        Ok(access)
    }
}
