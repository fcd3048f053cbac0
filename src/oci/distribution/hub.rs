//! The bottle's Docker Hub: what is beside the registry there. Accounts that are made on the spot, tokens, private repositories, search.
//!
//! A stand-in for <https://hub.docker.com>: whoever logs in with a new name gets that account with that password. `library/...` are the course images, and
//! nobody may push there; `NAME/...` is for NAME to push, and for all to pull until NAME makes it private. Nothing of it leaves the bottle.
//!
//! ```text
//! accounts   name:$2y$...        one a line, bcrypt
//! private    name/repository     one a line
//! limit      PULLS [SECONDS]     the pull rate limit for those who are not logged in; those who are have twice as much
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::access::{Accounts, Action, basic};
use super::answer::{Code, Fault, text_answer};
use super::depot::Depot;
use super::limit::Rate;
use super::options::{Outcome, Pages};
use super::route::repository;
use super::tokens::{Issuer, Policy};
use super::wire::{pairs, query};
use crate::kernel::fs;
use crate::oci::reference::HUB;

/// Where the Hub gives its tokens, and for which service.
pub const REALM: &str = "https://auth.docker.io/token";
/// See above.
pub const SERVICE: &str = "registry.docker.io";
/// The folder of the official images: nobody's own.
const OFFICIAL: &str = "library";
/// What the real Hub grants, as its headers have it: pulls in six hours.
const USUAL: Rate = Rate { pulls: 100, window: Duration::from_secs(6 * 3600) };
/// The cost of bcrypt: passwords of a bottle guard nothing, and a login must not take long.
const COST: u32 = 5;

/// Tells whether there is a repository of a name.
pub type There = dyn Fn(&str) -> bool + Send + Sync;

/// The state of the Hub.
pub struct Hub {
    folder: PathBuf,
    accounts: Accounts,
    /// Whether there is a repository of that name.
    there: Box<There>,
    /// One makes an account at a time.
    making: Mutex<()>,
}

impl Hub {
    /// The Hub whose files are in `folder`, and whose repositories are those that are `there`.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path, there: Box<There>) -> Result<Arc<Self>, String> {
        fs::create_dir_all(folder, 0o700).map_err(|error| error.to_string())?;
        let accounts = folder.join("accounts");
        if !accounts.exists() {
            fs::replace(&accounts, b"", 0o600).map_err(|error| error.to_string())?;
        }
        let accounts = Accounts::open(&accounts, "Docker Hub")?;
        Ok(Arc::new(Hub { folder: folder.to_owned(), accounts, there, making: Mutex::default() }))
    }

    fn lines(&self, file: &str) -> Vec<String> {
        fs::read(&self.folder.join(file))
            .unwrap_or_default()
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    }

    /// The rate limit as it is now: the file may have changed since the last pull.
    pub fn rate(&self, logged_in: bool) -> Rate {
        let text = self.lines("limit").into_iter().next().unwrap_or_default();
        let mut words = text.split_whitespace().map(|word| word.parse::<u64>().ok());
        let pulls = words.next().flatten().and_then(|pulls| usize::try_from(pulls).ok()).unwrap_or(USUAL.pulls);
        let window = words.next().flatten().filter(|seconds| *seconds > 0).map_or(USUAL.window, Duration::from_secs);
        Rate { pulls: if logged_in { pulls.saturating_mul(2) } else { pulls }, window }
    }

    /// Sets the rate limit for those who are not logged in, from now on; `None` is the usual one.
    fn set_rate(&self, rate: Option<Rate>) -> Result<(), Fault> {
        let line = rate.map(|rate| format!("{} {}", rate.pulls, rate.window.as_secs()));
        self.write("limit", line.as_slice())
    }

    fn is_private(&self, repository: &str) -> bool {
        self.lines("private").iter().any(|line| line == repository)
    }

    /// Makes a repository private, or public again.
    fn set_private(&self, repository: &str, private: bool) -> Result<(), Fault> {
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = self.lines("private");
        lines.retain(|line| line != repository);
        if private {
            lines.push(repository.to_owned());
        }
        self.write("private", &lines)
    }

    fn write(&self, file: &str, lines: &[String]) -> Result<(), Fault> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::replace(&self.folder.join(file), text.as_bytes(), 0o600).map_err(|error| Fault::new(Code::Unknown, error.to_string()))
    }

    /// Makes the account, unless there is one of that name.
    fn sign_up(&self, name: &str, password: &str) -> bool {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(2..=30).contains(&name.len()) || !name.bytes().all(letters) || name == OFFICIAL || password.is_empty() {
            return false;
        }
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = self.lines("accounts");
        if lines.iter().any(|line| line.split(':').next() == Some(name)) {
            return false;
        }
        let Ok(hash) = tokio::task::block_in_place(|| bcrypt::hash(password, COST)) else { return false };
        lines.push(format!("{name}:{hash}"));
        self.write("accounts", &lines).is_ok()
    }
}

impl Policy for Hub {
    fn log_in(&self, name: &str, password: &str) -> bool {
        self.accounts.knows(name, password) || self.sign_up(name, password)
    }

    fn may(&self, who: Option<&str>, repository: &str, action: Action) -> bool {
        let owner = repository.split('/').next().filter(|owner| *owner != OFFICIAL && repository.contains('/'));
        let own = owner.is_some() && who == owner;
        match action {
            // Nobody is told a private repository from one that is not there.
            Action::Pull => own || !self.is_private(repository) && (self.there)(repository),
            Action::Push | Action::Delete => own,
        }
    }
}

/// The pages of the Hub.
pub struct HubPages {
    hub: Arc<Hub>,
    issuer: Arc<Issuer>,
    /// The official images, with what they are.
    official: Vec<(String, String)>,
}

impl HubPages {
    /// Pages for a hub, whose official images are `official`: name and description.
    pub fn new(hub: Arc<Hub>, issuer: Arc<Issuer>, official: Vec<(String, String)>) -> Self {
        HubPages { hub, issuer, official }
    }

    /// What people find: name, description, official; private repositories are their owner's.
    fn found(&self, depot: &Depot, term: &str, who: Option<&str>) -> Result<Vec<(String, String, bool)>, Fault> {
        let term = term.trim_start_matches("library/").to_ascii_lowercase();
        let fits = |name: &str, about: &str| name.contains(&term) || about.to_ascii_lowercase().contains(&term);
        let official = self.official.iter().map(|(name, about)| (name.clone(), about.clone(), !name.contains('/')));
        let mut found: Vec<(String, String, bool)> = official.filter(|(name, about, _)| fits(name, about)).collect();
        for name in depot.repositories()? {
            let shown = name.strip_prefix("library/").unwrap_or(&name).to_owned();
            if fits(&shown, "") && self.hub.may(who, &name, Action::Pull) && !found.iter().any(|(known, ..)| *known == shown) {
                found.push((shown, String::new(), name.starts_with("library/")));
            }
        }
        // The name that was typed comes first, then what begins with it.
        found.sort_by_key(|(name, ..)| (*name != term, !name.starts_with(&term), name.clone()));
        Ok(found)
    }

    fn search(&self, depot: &Depot, request: &Request<Incoming>, new: bool) -> Outcome {
        let query = query(request.uri().query().unwrap_or_default());
        let term = query.get(if new { "query" } else { "q" }).map_or("", String::as_str);
        let most = query.get(if new { "page_size" } else { "n" }).and_then(|n| n.parse::<usize>().ok()).unwrap_or(25).min(100);
        let who = self.who(request);
        let found = self.found(depot, term, who.as_deref())?;
        let count = found.len();
        let row = |(name, about, official): (String, String, bool)| {
            if new {
                json!({"repo_name": name, "short_description": about, "star_count": 0, "pull_count": 0, "repo_owner": "", "is_automated": false, "is_official": official})
            } else {
                json!({"name": name, "description": about, "star_count": 0, "is_official": official, "is_automated": false, "is_trusted": false})
            }
        };
        let rows: Vec<Value> = found.into_iter().take(most).map(row).collect();
        Ok(as_json(if new {
            json!({"count": count, "next": "", "previous": "", "results": rows})
        } else {
            json!({"num_pages": 1, "num_results": count, "page": 1, "page_size": most, "query": term, "results": rows})
        }))
    }

    fn who(&self, request: &Request<Incoming>) -> Option<String> {
        basic(request.headers()).filter(|(name, password)| self.hub.accounts.knows(name, password)).map(|(name, _)| name)
    }

    /// `/v2/repositories/OWNER/NAME/` and `.../privacy/`: one repository, and whether it is private.
    fn repository(&self, depot: &Depot, request: &Request<Incoming>, rest: &str) -> Outcome {
        let mut parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let privacy = parts.last() == Some(&"privacy");
        if privacy {
            parts.pop();
        }
        let unknown = || Fault::new(Code::NameUnknown, rest);
        let name = repository(&parts).map_err(|_| unknown())?;
        let who = self.who(request);
        if privacy {
            if *request.method() != Method::POST || !self.hub.may(who.as_deref(), &name, Action::Push) {
                return Err(Fault::new(Code::Denied, "only its owner makes a repository private: POST with Basic, ?is_private=true"));
            }
            let private = query(request.uri().query().unwrap_or_default()).get("is_private").is_none_or(|value| value != "false");
            self.hub.set_private(&name, private)?;
        } else if !self.hub.may(who.as_deref(), &name, Action::Pull) || depot.tags(&name)?.is_none() {
            return Err(unknown());
        }
        let (owner, short) = name.split_once('/').unwrap_or((OFFICIAL, &name));
        Ok(as_json(json!({"user": owner, "namespace": owner, "name": short, "is_private": self.hub.is_private(&name)})))
    }
}

/// `/limit` of the Hub's own pages: what the pull rate limit is; POST with `pulls` and `seconds` sets it, without them the usual one holds again. The real
/// Hub has no such page: it is for lessons.
fn limit(hub: &Hub, request: &Request<Incoming>) -> Outcome {
    if *request.method() == Method::POST {
        let query = query(request.uri().query().unwrap_or_default());
        let number = |name: &str| query.get(name).map(|text| text.parse::<u32>().map_err(|_| wrong_limit())).transpose();
        let rate = match (number("pulls")?, number("seconds")?) {
            (None, None) => None,
            (Some(pulls), Some(seconds @ 1..)) => Some(Rate { pulls: pulls as usize, window: Duration::from_secs(seconds.into()) }),
            (Some(pulls), None) => Some(Rate { pulls: pulls as usize, window: USUAL.window }),
            _ => return Err(wrong_limit()),
        };
        hub.set_rate(rate)?;
    }
    let shown = |rate: Rate| json!({"pulls": rate.pulls, "seconds": rate.window.as_secs()});
    Ok(as_json(json!({"anonymous": shown(hub.rate(false)), "logged_in": shown(hub.rate(true))})))
}

fn wrong_limit() -> Fault {
    Fault::new(Code::Unsupported, "a limit is ?pulls=NUMBER&seconds=NUMBER, or nothing for the usual one")
}

impl Pages for HubPages {
    fn page(&self, depot: &Depot, request: &Request<Incoming>) -> Option<Outcome> {
        let path = request.uri().path();
        match path {
            "/token" => {
                let parameters = pairs(request.uri().query().unwrap_or_default());
                Some(if *request.method() == Method::GET {
                    self.issuer.issue(request.headers(), &parameters)
                } else {
                    Err(Fault::new(Code::Unsupported, "tokens are asked for with GET"))
                })
            }
            "/limit" => Some(limit(&self.hub, request)),
            "/v1/_ping" => Some(Ok(as_json(json!(true)))),
            "/v1/search" => Some(self.search(depot, request, false)),
            "/v2/search/repositories" | "/v2/search/repositories/" => Some(self.search(depot, request, true)),
            "/" => {
                let text = format!("The Docker Hub of this bottle, a stand-in for {HUB}. Search it: /v1/search?q=alpine\n");
                Some(Ok(text_answer(StatusCode::OK, "text/plain; charset=utf-8", text)))
            }
            _ => path.strip_prefix("/v2/repositories/").map(|rest| self.repository(depot, request, rest)),
        }
    }
}

fn as_json(value: Value) -> super::answer::Answer {
    text_answer(StatusCode::OK, "application/json", value.to_string())
}
