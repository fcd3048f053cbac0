//! Search, as `docker search` asks for it: version 1 of Docker's index, which the Hub still answers, and most other registries do not.

use hyper::Method;

use super::Client;
use super::error::{Error, Result, Why};
use super::remote::{Ask, LARGEST_ANSWER, clean, read, shown};
use super::url;
use crate::oci::reference::HUB;

/// Where the Hub is searched.
const INDEX: &str = "index.docker.io";

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name as people type it.
    pub name: String,
    /// What its owner says about it.
    pub description: String,
    /// How many people like it.
    pub stars: u64,
    /// Whether it is one of the Hub's own.
    pub official: bool,
}

impl Client {
    /// What the registry `host` finds for `term`, at most `most`, in its own order. Nobody in particular asks: what is private is not found.
    ///
    /// # Errors
    /// Nobody answers, or it knows no search.
    pub async fn search(&self, host: &str, term: &str, most: usize) -> Result<Vec<Found>> {
        let remote = self.remote(if host == HUB { INDEX } else { host });
        let base = remote.base().await.map_err(|(asked, why)| remote.error("", &asked, why))?;
        let target = format!("/v1/search?q={}&n={most}", url::encode(term));
        let none = || Error { subject: host.to_owned(), asked: String::new(), why: Why::Config(format!("`{host}` is no registry")) };
        let uri = url::join(&base, &target).ok_or_else(none)?;
        let wrong = |why: Why| remote.error("", &format!("GET {}", shown(&uri)), why);
        let response = remote.send(&uri, &Ask::new(Method::GET, &target, ""), None).await.map_err(wrong)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(wrong(Why::Status { status, said: "it knows no search".to_owned() }));
        }
        let text = read(response, LARGEST_ANSWER, remote.connector().settings().patience.silence).await.map_err(wrong)?;
        understood(&text, most).map_err(wrong)
    }
}

/// What an answer lists.
fn understood(text: &[u8], most: usize) -> std::result::Result<Vec<Found>, Why> {
    let answer: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| Why::Lie(format!("the answer to the search is no JSON: {error}")))?;
    let found = |one: &serde_json::Value| {
        let text = |key: &str| clean(one[key].as_str().unwrap_or_default());
        let name = Some(text("name")).filter(|name| !name.is_empty())?;
        let stars = one["star_count"].as_u64().unwrap_or(0);
        Some(Found { name, description: text("description"), stars, official: one["is_official"] == true })
    };
    Ok(answer["results"].as_array().into_iter().flatten().filter_map(found).take(most).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_without_a_name_and_control_letters_are_left_out() {
        let text = br#"{"results": [{"name": "a", "description": "x\u001b[31m", "star_count": 7, "is_official": true}, {"star_count": 1}, {"name": "b"}]}"#;
        let found = understood(text, 25).unwrap();
        let first = Found { name: "a".into(), description: "x [31m".into(), stars: 7, official: true };
        assert_eq!((found.len(), &found[0], found[1].name.as_str()), (2, &first, "b"));
        assert_eq!(understood(text, 1).unwrap().len(), 1);
        assert!(understood(b"<html>", 1).is_err());
    }
}
