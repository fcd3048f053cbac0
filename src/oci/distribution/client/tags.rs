//! What a repository has: its tags, page by page, and one manifest as it is.

use hyper::Method;
use hyper::header::LINK;

use super::Client;
use super::error::{Result, Why};
use super::manifests::{Fetched, fetch, in_pull_words, pull_scope};
use super::remote::{Ask, LARGEST_ANSWER, clean, read, shown};
use crate::oci::reference::Reference;

/// The most pages that are read, and the most tags that are kept.
const PAGES: usize = 1000;
const MOST: usize = 100_000;

impl Client {
    /// The tags of a repository, in the registry's order.
    ///
    /// # Errors
    /// There is no such repository, or it is not for us.
    pub async fn tags(&self, name: &Reference) -> Result<Vec<String>> {
        let (remote, mut tags) = (self.origin(name), Vec::new());
        let mut next = format!("/v2/{}/tags/list", name.path());
        for _ in 0..PAGES {
            let asked = Ask::new(Method::GET, &next, &pull_scope(name.path()));
            let (response, uri) = remote.ask(name.path(), &asked).await.map_err(|error| in_pull_words(error, name))?;
            let wrong = |why: Why| remote.error(name.path(), &format!("GET {}", shown(&uri)), why);
            let link = response.headers().get(LINK).and_then(|link| link.to_str().ok()).and_then(next_page);
            let text = read(response, LARGEST_ANSWER, remote.connector().settings().patience.silence).await.map_err(wrong)?;
            let page: serde_json::Value =
                serde_json::from_slice(&text).map_err(|error| wrong(Why::Lie(format!("the list of tags is no JSON: {error}"))))?;
            tags.extend(page["tags"].as_array().into_iter().flatten().filter_map(|tag| tag.as_str()).map(clean));
            match link {
                Some(link) if tags.len() < MOST => next = link,
                _ => return Ok(tags),
            }
        }
        Err(remote.error(name.path(), "", Why::Lie(format!("its list of tags has more than {PAGES} pages"))))
    }

    /// The manifest or index behind a name, as its bytes are.
    ///
    /// # Errors
    /// As pull.
    pub async fn manifest(&self, name: &Reference) -> Result<Fetched> {
        let name = name.clone().or_latest();
        fetch(&self.origin(&name), &name).await
    }
}

/// The address in `<ADDRESS>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::next_page;

    #[test]
    fn the_next_page_is_in_the_link() {
        assert_eq!(next_page(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#).as_deref(), Some("/v2/a/tags/list?last=b&n=2"));
        assert_eq!(next_page("nonsense"), None);
        assert_eq!(next_page("</x>; rel=\"prev\""), None);
    }
}
