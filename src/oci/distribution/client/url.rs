//! Addresses that a registry gives: whole ones, and such that begin at the host or at the last address (RFC 3986, 5.2).

use hyper::Uri;

/// The address `next`, seen from `base`. `None` if it is none, or of another kind than HTTP.
pub fn join(base: &str, next: &str) -> Option<Uri> {
    let lower = next.to_ascii_lowercase();
    let whole = if lower.starts_with("http://") || lower.starts_with("https://") {
        next.to_owned()
    } else if lower.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
        return None;
    } else {
        let (scheme, rest) = base.split_once("://")?;
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        if let Some(other) = next.strip_prefix("//") {
            format!("{scheme}://{other}")
        } else if next.starts_with('/') {
            format!("{scheme}://{authority}{next}")
        } else {
            let folder = path.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
            let slash = if folder.is_empty() { "" } else { "/" };
            format!("{scheme}://{authority}/{folder}{slash}{next}")
        }
    };
    let uri: Uri = whole.split('#').next()?.parse().ok()?;
    // A name before the host would be a password of a stranger's choice.
    let fine = uri.authority().is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    (fine && matches!(uri.scheme_str(), Some("http" | "https"))).then_some(uri)
}

/// Whether an address is of the same scheme, host and port as `base`: only there our credentials go.
pub fn same_origin(uri: &Uri, base: &str) -> bool {
    let Ok(base) = base.parse::<Uri>() else { return false };
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    uri.scheme_str() == base.scheme_str() && host(uri) == host(&base) && port(uri) == port(&base)
}

/// A value as a parameter of a URL.
pub fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:,".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_joined_as_browsers_do() {
        let table = [
            ("/v2/x/blobs/uploads/1?a=b", "https://r:5000/v2/x/blobs/uploads/1?a=b"),
            ("https://cdn.example/x?sig=1", "https://cdn.example/x?sig=1"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("2?x=http://y", "https://r:5000/v2/a/2?x=http://y"),
        ];
        for (next, whole) in table {
            assert_eq!(join("https://r:5000/v2/a/1?q=/z", next).map(|uri| uri.to_string()).as_deref(), Some(whole));
        }
        for wrong in ["file:///etc/passwd", "ftp://x/y", "https://name:secret@host/", "javascript:x", "https://", "http:x"] {
            assert!(join("https://r", wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn another_port_scheme_or_host_is_another_origin() {
        let same = |text: &str| same_origin(&text.parse().unwrap(), "https://r.example");
        assert!(same("https://R.example/x") && same("https://r.example:443/x"));
        assert!(
            !same("http://r.example/x") && !same("https://r.example:5000/") && !same("https://r.example.evil/") && !same("https://evil/")
        );
    }
}
