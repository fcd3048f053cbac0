//! The URLs that curl takes, `http://user@host:port/path?query`, with the scheme left out if one likes.

use std::fmt;

use crate::toolbox::Failure;

/// A URL of scheme http.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path and query, beginning with `/`.
    pub target: String,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// 1 for a scheme that we do not speak, 3 for what is no URL.
    pub fn parse(text: &str) -> Result<Url, Failure> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => {
                let why = "this curl (bottleship's own, there is none on the machine) speaks http only: TLS comes with the registry part of the course";
                return Err(Failure::new(1, format_args!("Protocol \"https\" not supported: {why}")));
            }
            other => return Err(Failure::new(1, format_args!("Protocol \"{other}\" not supported"))),
        }
        let bad = || Failure::new(3, format_args!("URL using bad/illegal format or missing URL: {text}"));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
        let (host, port) = host_and_port(authority).ok_or_else(bad)?;
        let target = target.split('#').next().unwrap_or_default();
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        if host.is_empty() || text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(bad());
        }
        Ok(Url { host, port, target })
    }

    /// Puts `text` behind the query, or makes it the query.
    pub fn add_query(&mut self, text: &str) {
        if !text.is_empty() {
            let glue = if self.target.contains('?') { '&' } else { '?' };
            self.target = format!("{}{glue}{text}", self.target);
        }
    }

    /// Names what is uploaded to a folder after the file that it comes from.
    pub fn name_upload(&mut self, path: &str) {
        if self.target.ends_with('/') && path != "-" {
            self.target.push_str(path.rsplit('/').next().unwrap_or_default());
        }
    }

    /// Where a `Location:` header leads from here (RFC 3986, section 5, the forms that servers send).
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, place: &str) -> Result<Url, Failure> {
        if place.contains("://") {
            return Url::parse(place);
        }
        let mut url = self.clone();
        url.target = match place.strip_prefix("//") {
            Some(rest) => return Url::parse(&format!("http://{rest}")),
            None if place.starts_with('/') => place.to_owned(),
            None => {
                let path = self.target.split('?').next().unwrap_or("/");
                format!("{}{place}", &path[..=path.rfind('/').unwrap_or(0)])
            }
        };
        Ok(url)
    }

    /// The last part of the path, for -O; `None` where there is none.
    pub fn file_name(&self) -> Option<String> {
        let path = self.target.split('?').next()?;
        path.rsplit('/').next().filter(|name| !name.is_empty() && *name != "." && *name != "..").map(str::to_owned)
    }

    /// The value of the `Host` header: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }
}

fn host_and_port(authority: &str) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(six) => {
            let (host, rest) = six.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None | Some("") => 80,
        Some(port) => port.parse().ok()?,
    };
    Some((host.to_owned(), port))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        for (text, host, port, target) in [
            ("http://a.b/c?d#e", "a.b", 80, "/c?d"),
            ("localhost:8080", "localhost", 8080, "/"),
            ("http://me:secret@h/x", "h", 80, "/x"),
            ("http://[::1]:81?q", "::1", 81, "/?q"),
            ("HTTP://h:/", "h", 80, "/"),
        ] {
            assert_eq!(Url::parse(text), Ok(Url { host: host.into(), port, target: target.into() }), "{text}");
        }
        for (text, code) in [
            ("https://h/", 1),
            ("ftp://h", 1),
            ("http://", 3),
            ("http://h:x/", 3),
            ("http://h:99999/", 3),
            ("http://a b/", 3),
            ("http://[::1", 3),
        ] {
            assert_eq!(Url::parse(text).unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn redirects_are_relative_to_where_we_are() {
        let here = Url::parse("http://h:81/a/b?c").unwrap();
        for (place, there) in [("/x", "http://h:81/x"), ("y", "http://h:81/a/y"), ("http://o/", "http://o/"), ("//o/z", "http://o/z")] {
            assert_eq!(here.join(place).unwrap().to_string(), there);
        }
        assert_eq!((here.file_name(), Url::parse("h").unwrap().file_name()), (Some("b".to_owned()), None));
    }
}
