//! Who may do what at a registry: everybody everything, whoever has an account (htpasswd), or whoever shows a token for it.
//!
//! An account is `name:$2y$...`, one per line, hashed by bcrypt as `htpasswd -B` writes it. Tokens are those of [`super::tokens`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::answer::{Code, Fault};
use super::tokens::Issuer;
use crate::kernel::fs;
use crate::oci::digest::Digest;

/// What is done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Reading.
    Pull,
    /// Writing.
    Push,
    /// Removing.
    Delete,
}

impl Action {
    /// Its name in a scope.
    pub fn name(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "push",
            Action::Delete => "delete",
        }
    }
}

/// Who asks, as far as we were told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// The account; nobody in particular without one.
    pub name: Option<String>,
}

/// Decides who may come in.
#[derive(Clone, Default)]
pub enum Guard {
    /// Everybody may do everything.
    #[default]
    Open,
    /// Whoever has an account may do everything.
    Accounts(Arc<Accounts>),
    /// Whoever has a token for it.
    Tokens(Arc<Issuer>),
}

impl Guard {
    /// Whether the sender of these headers may do `action` to `repository`; without a repository, whether they may come in at all.
    ///
    /// # Errors
    /// 401 with the challenge.
    pub fn admit(&self, headers: &HeaderMap, repository: Option<&str>, action: Action) -> Result<Who, Fault> {
        match self {
            Guard::Open => Ok(Who::default()),
            Guard::Accounts(accounts) => accounts.admit(headers),
            Guard::Tokens(issuer) => issuer.admit(headers, repository, action),
        }
    }

    /// Whether somebody who has come in may do `action` to a repository.
    pub fn may(&self, who: &Who, repository: &str, action: Action) -> bool {
        match self {
            Guard::Open | Guard::Accounts(_) => true,
            Guard::Tokens(issuer) => issuer.may(who, repository, action),
        }
    }
}

/// The accounts of a file.
pub struct Accounts {
    realm: String,
    file: PathBuf,
    /// Passwords that were right, by their hash, so that bcrypt, which is slow on purpose, is not asked for every layer.
    right: Mutex<HashMap<String, Digest>>,
}

impl Accounts {
    /// The accounts in `file`, which is read anew for every question: who is added may come in at once.
    ///
    /// # Errors
    /// The file cannot be read, or a line has another hash than bcrypt.
    pub fn open(file: &Path, realm: &str) -> Result<Self, String> {
        let accounts = Accounts { realm: realm.to_owned(), file: file.to_owned(), right: Mutex::default() };
        for (number, line) in accounts.read()?.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') && !line.split_once(':').is_some_and(|(_, hash)| hash.starts_with("$2")) {
                return Err(format!("{}:{}: it is not `name:` and a bcrypt hash: make it with `htpasswd -B`", file.display(), number + 1));
            }
        }
        Ok(accounts)
    }

    fn read(&self) -> Result<String, String> {
        fs::read(&self.file).map_err(|error| format!("read the accounts: {error}"))
    }

    fn admit(&self, headers: &HeaderMap) -> Result<Who, Fault> {
        let known = basic(headers).filter(|(name, password)| self.knows(name, password));
        known.map(|(name, _)| Who { name: Some(name) }).ok_or_else(|| {
            let challenge = format!("Basic realm=\"{}\"", self.realm);
            Fault::new(Code::Unauthorized, serde_json::Value::Null).with_header(WWW_AUTHENTICATE, challenge)
        })
    }

    /// Whether the name has this password.
    pub fn knows(&self, name: &str, password: &str) -> bool {
        let text = self.read().unwrap_or_default();
        let hash = text.lines().filter_map(|line| line.trim().split_once(':')).find(|(own, _)| *own == name).map(|(_, hash)| hash);
        let Some(hash) = hash else { return false };
        let shown = Digest::of(format!("{name}\0{hash}\0{password}").as_bytes());
        let key = format!("{name}\0{hash}");
        if self.right.lock().unwrap_or_else(PoisonError::into_inner).get(&key) == Some(&shown) {
            return true;
        }
        let right = tokio::task::block_in_place(|| bcrypt::verify(password, hash)).unwrap_or(false);
        if right {
            self.right.lock().unwrap_or_else(PoisonError::into_inner).insert(key, shown);
        }
        right
    }
}

/// Name and password of HTTP's Basic scheme.
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (name.to_owned(), password.to_owned()))
}
