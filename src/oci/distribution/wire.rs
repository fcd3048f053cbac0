//! The small things of the protocol: ranges, pages, parameters, and the headers that answers have.

use std::collections::HashMap;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LINK, LOCATION, RANGE};

use super::answer::{Answer, Code, Fault, empty, text_answer};
use super::route::Target;
use crate::oci::digest::Digest;

/// The most entries of a list in one answer.
const PAGE: usize = 1000;

/// The header that names the digest of what is answered.
pub const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The header that names an upload.
const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// The answer to a blob that has come.
pub fn created(name: &str, digest: &Digest) -> Answer {
    let mut answer = empty(StatusCode::CREATED);
    header(&mut answer, LOCATION, &format!("/v2/{name}/blobs/{digest}"));
    header(&mut answer, DIGEST, &digest.to_string());
    answer
}

/// Says where an upload is, and how far.
pub fn upload_headers(answer: &mut Answer, name: &str, id: &str, written: u64) {
    header(answer, LOCATION, &format!("/v2/{name}/blobs/uploads/{id}"));
    header(answer, UPLOAD, id);
    // The last byte that is here, so 0 for one byte and for none.
    header(answer, RANGE, &format!("0-{}", written.saturating_sub(1)));
}

/// Sets a header.
pub fn header(answer: &mut Answer, name: HeaderName, value: &str) {
    // Digests, numbers and checked names have no letters that a header cannot.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// A list as JSON, with the link to its next page.
pub fn linked(body: serde_json::Value, link: Option<String>) -> Answer {
    let mut answer = text_answer(StatusCode::OK, "application/json", body.to_string());
    if let Some(link) = link {
        header(&mut answer, LINK, &link);
    }
    answer
}

/// The part of a sorted list that was asked for with `n` and `last`, and the link to the next.
pub fn page(list: Vec<String>, query: &HashMap<String, String>, path: &str) -> Result<(Vec<String>, Option<String>), Fault> {
    let most = match query.get("n").map(|n| n.parse::<usize>()) {
        None => PAGE,
        Some(Ok(most)) => most.min(PAGE),
        Some(Err(_)) => return Err(Fault::new(Code::Unsupported, "`n` is no number")),
    };
    let mut rest = list.into_iter().filter(|one| query.get("last").is_none_or(|last| one > last));
    let page: Vec<String> = rest.by_ref().take(most).collect();
    let link = rest.next().and(page.last()).map(|last| format!("<{path}?last={last}&n={most}>; rel=\"next\""));
    Ok((page, link))
}

/// `bytes=FROM-TO`, `bytes=FROM-`, `bytes=-LAST`. `None`: not a range that we know, so everything; `Some(None)`: nothing of it is there.
pub fn read_range(text: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = (from.trim(), to.trim());
    if from.is_empty() {
        let last: u64 = to.parse().ok()?;
        return Some((last > 0 && size > 0).then(|| (size.saturating_sub(last), size)));
    }
    let from: u64 = from.parse().ok()?;
    let end = if to.is_empty() { size } else { to.parse::<u64>().ok()?.saturating_add(1).min(size) };
    Some((from < end).then_some((from, end)))
}

/// The parameters behind the question mark, decoded, in their order.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((first, more)) = rest.split_first() {
            let hex = more.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
            match (first, hex) {
                (b'%', Some(byte)) => {
                    bytes.push(byte);
                    rest = &more[2..];
                }
                (b'+', _) => {
                    bytes.push(b' ');
                    rest = more;
                }
                (byte, _) => {
                    bytes.push(*byte);
                    rest = more;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decode(key), decode(value))).collect()
}

/// The parameters behind the question mark, each name with its last value.
pub fn query(text: &str) -> HashMap<String, String> {
    pairs(text).into_iter().collect()
}

/// A tag or a digest as it was written.
pub fn shown(target: &Target) -> String {
    match target {
        Target::Tag(tag) => tag.clone(),
        Target::Digest(digest) => digest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        assert_eq!(read_range("bytes=0-3", 10), Some(Some((0, 4))));
        assert_eq!(read_range("bytes=4-", 10), Some(Some((4, 10))));
        assert_eq!(read_range("bytes=-3", 10), Some(Some((7, 10))));
        assert_eq!(read_range("bytes=8-99", 10), Some(Some((8, 10))));
        assert_eq!(read_range("bytes=10-", 10), Some(None));
        assert_eq!(read_range("lines=1-2", 10), None);
    }

    #[test]
    fn lists_come_in_pages() {
        let list = || vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let (first, link) = page(list(), &query("n=2"), "/x").unwrap();
        assert_eq!((first, link.as_deref()), (vec!["a".to_owned(), "b".to_owned()], Some("</x?last=b&n=2>; rel=\"next\"")));
        assert_eq!(page(list(), &query("n=2&last=b"), "/x").unwrap(), (vec!["c".to_owned()], None));
        assert_eq!(page(list(), &query("n=0"), "/x").unwrap(), (vec![], None));
        assert!(page(list(), &query("n=x"), "/x").is_err());
    }

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(query("digest=sha256%3Aab&x=a+b%")["digest"], "sha256:ab");
        assert_eq!(query("digest=sha256%3Aab&x=a+b%")["x"], "a b%");
    }
}
