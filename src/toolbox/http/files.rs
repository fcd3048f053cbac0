//! Files of a folder as a web server gives them out: types by ending, dates, tags, `304` for what the client has, parts of a file.

use std::path::Path;
use std::time::SystemTime;

use super::{Request, Response, date};
use crate::kernel::root::Root;

/// What a path in a folder turned out to be.
pub enum Found {
    /// A file.
    File(Response),
    /// A folder that was asked for without its slash.
    Folder,
    /// A folder without any of the index files.
    NoIndex,
    /// There is nothing.
    Missing,
    /// It may not be read.
    Forbidden,
}

/// Looks for the file of a path. It is resolved inside the folder by the kernel (openat2), so no `..` and no link leads out.
pub fn find(folder: &Path, path: &str, index: &[String], request: &Request) -> Found {
    let Ok(root) = Root::open(folder) else { return Found::Missing };
    let inner = path.trim_start_matches('/');
    if !path.ends_with('/') {
        // `name/.` is there only if `name` leads to a folder.
        let is_folder = root.look(&Path::new(inner).join(".")).is_ok();
        return if is_folder { Found::Folder } else { file(&root, inner, request) };
    }
    for name in index {
        match file(&root, &format!("{inner}{name}"), request) {
            Found::Missing => {}
            found => return found,
        }
    }
    let here = if inner.is_empty() { Path::new(".") } else { Path::new(inner) };
    if root.look(here).is_ok() { Found::NoIndex } else { Found::Missing }
}

fn refused(error: &crate::kernel::Error) -> Found {
    if error.errno == crate::kernel::error::Errno::EACCES { Found::Forbidden } else { Found::Missing }
}

fn file(root: &Root, inner: &str, request: &Request) -> Found {
    let content = match root.read(Path::new(inner)) {
        Ok(content) => content,
        Err(error) => return refused(&error),
    };
    let data = root.to_read(Path::new(inner)).ok().and_then(|file| std::fs::File::from(file).metadata().ok());
    let modified = data.and_then(|data| data.modified().ok()).unwrap_or(SystemTime::UNIX_EPOCH);
    let seconds = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // As nginx makes it: time and length in hex.
    let tag = format!("\"{seconds:x}-{:x}\"", content.len());
    let fresh = match request.header("if-none-match") {
        Some(known) => known.split(',').any(|one| one.trim() == tag || one.trim() == "*"),
        None => request.header("if-modified-since") == Some(date(modified).as_str()),
    };
    let response = Response { status: if fresh { 304 } else { 200 }, headers: Vec::new(), body: Vec::new() }
        .with("Content-Type", kind(inner))
        .with("Last-Modified", date(modified))
        .with("ETag", tag)
        .with("Accept-Ranges", "bytes");
    if fresh {
        return Found::File(response);
    }
    Found::File(match request.header("range").and_then(|text| range(text, content.len())) {
        Some((first, last)) => {
            let total = content.len();
            let part = Response { status: 206, body: content[first..=last].to_vec(), ..response };
            part.with("Content-Range", format!("bytes {first}-{last}/{total}"))
        }
        None => Response { body: content, ..response },
    })
}

/// The first and last byte of `bytes=a-b`, `bytes=a-`, `bytes=-n`; anything else means the whole.
fn range(text: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = match (first.parse::<usize>().ok(), last.parse::<usize>().ok()) {
        (Some(first), Some(last)) => (first, last.min(length.checked_sub(1)?)),
        (Some(first), None) if last.is_empty() => (first, length.checked_sub(1)?),
        (None, Some(count)) if first.is_empty() => (length.saturating_sub(count), length.checked_sub(1)?),
        _ => return None,
    };
    (first <= last).then_some((first, last))
}

/// The type of a file by its ending.
pub fn kind(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("html" | "htm") => "text/html",
        Some("css") => "text/css",
        Some("js" | "mjs") => "application/javascript",
        Some("json") => "application/json",
        Some("xml") => "text/xml",
        Some("txt") => "text/plain",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("svg") => "image/svg+xml",
        Some("ico") => "image/x-icon",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        Some("pdf") => "application/pdf",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> Request {
        let headers = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (method, target, version) = ("GET".to_owned(), "/".to_owned(), "HTTP/1.1".to_owned());
        Request { method, target, version, headers, body: Vec::new(), peer: ([127, 0, 0, 1], 1).into() }
    }

    fn status(found: Found) -> u16 {
        match found {
            Found::File(response) => response.status,
            Found::Folder => 301,
            Found::NoIndex | Found::Forbidden => 403,
            Found::Missing => 404,
        }
    }

    #[test]
    fn nothing_outside_the_folder_is_given_out() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("html");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::write(folder.join("index.html"), "hello").unwrap();
        std::fs::write(place.path().join("secret"), "no").unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        let index = ["index.html".to_owned()];
        let ask = |path: &str| status(find(&folder, path, &index, &request(&[])));
        let told = ["/", "/index.html", "/sub", "/sub/", "/none", "/none/", "/../secret", "/link", "/sub/../../secret"].map(ask);
        assert_eq!(told, [200, 200, 301, 403, 404, 404, 404, 404, 404]);
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a.txt"), "0123456789").unwrap();
        let get = |fields: &[(&str, &str)]| match find(place.path(), "/a.txt", &[], &request(fields)) {
            Found::File(response) => response,
            _ => panic!("it is there"),
        };
        let first = get(&[]);
        let (tag, modified) = (first.header("etag").unwrap().to_owned(), first.header("last-modified").unwrap().to_owned());
        assert_eq!(get(&[("If-None-Match", &tag)]).status, 304);
        assert_eq!(get(&[("If-Modified-Since", &modified)]).status, 304);
        assert_eq!(get(&[("If-None-Match", "\"other\"")]).status, 200);
        for (asked, expected) in [("bytes=2-4", "234"), ("bytes=7-", "789"), ("bytes=-2", "89"), ("bytes=8-99", "89")] {
            let part = get(&[("Range", asked)]);
            assert_eq!((part.status, String::from_utf8(part.body).unwrap().as_str()), (206, expected), "{asked}");
        }
        assert_eq!(get(&[("Range", "bytes=20-")]).status, 200);
        assert_eq!(get(&[("Range", "lines=1-2")]).status, 200);
    }
}
