//! Names of images: `[host[:port]/]path[:tag][@digest]`.
//!
//! The grammar is that of the distribution project's reference package. What people type is *familiar*: `alpine` means `docker.io/library/alpine:latest`.
//! The first part is a host only if it could be nothing else: it has a dot or a colon, or is `localhost`, or has a capital letter.

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;

/// The host of Docker Hub, left out in familiar names.
pub const HUB: &str = "docker.io";
/// The old name of the same host.
const OLD_HUB: &str = "index.docker.io";
/// The folder of the Hub's official images, left out in familiar names.
const OFFICIAL: &str = "library/";
/// The tag that a name without tag and digest means.
pub const LATEST: &str = "latest";
/// The longest repository name, host and path together, in bytes.
const LONGEST_NAME: usize = 255;
/// The longest tag in bytes.
const LONGEST_TAG: usize = 128;

/// A complete name of an image: host and path always, tag and digest as given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    host: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no reference. The words are those that the Docker client's users know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoReference {
    /// It does not follow the grammar.
    Format,
    /// It would follow the grammar in lower case.
    Uppercase(String),
    /// Host and path are longer than 255 bytes.
    TooLong,
    /// It is 64 hexadecimal digits, which always means an image's id.
    LooksLikeId(String),
}

impl fmt::Display for NoReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoReference::Format => f.write_str("invalid reference format"),
            NoReference::Uppercase(name) => write!(f, "invalid reference format: repository name ({name}) must be lowercase"),
            NoReference::TooLong => write!(f, "repository name must not be more than {LONGEST_NAME} characters"),
            NoReference::LooksLikeId(name) => {
                write!(f, "invalid repository name ({name}), cannot specify 64-byte hexadecimal strings")
            }
        }
    }
}

impl std::error::Error for NoReference {}

impl Reference {
    /// A name from its parts, which are checked.
    ///
    /// # Errors
    /// A part does not follow the grammar.
    pub fn new(host: &str, path: &str, tag: Option<&str>, digest: Option<Digest>) -> Result<Self, NoReference> {
        if !is_host(host) || !is_path(path) || tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(NoReference::Format);
        }
        if host.len() + 1 + path.len() > LONGEST_NAME {
            return Err(NoReference::TooLong);
        }
        Ok(Reference { host: host.to_owned(), path: path.to_owned(), tag: tag.map(str::to_owned), digest })
    }

    /// The registry's host, with its port if one is given: `docker.io`, `127.0.0.1:5000`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository's path at its registry: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Host and path: `docker.io/library/alpine`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }

    /// Host and path as people write them: `alpine`, `bretfisher/httpenv`, `127.0.0.1:5000/app`.
    pub fn familiar_repository(&self) -> String {
        if self.host != HUB {
            return self.repository();
        }
        self.path.strip_prefix(OFFICIAL).filter(|rest| !rest.contains('/')).unwrap_or(&self.path).to_owned()
    }

    /// The whole as people write it: `alpine:latest`.
    pub fn familiar(&self) -> String {
        self.written(self.familiar_repository())
    }

    /// The same with the tag `latest` if it has neither tag nor digest.
    pub fn or_latest(self) -> Self {
        let tag = self.tag.or_else(|| self.digest.is_none().then(|| LATEST.to_owned()));
        Reference { tag, ..self }
    }

    fn written(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(self.repository()))
    }
}

impl FromStr for Reference {
    type Err = NoReference;

    /// Reads a familiar or a complete name. No tag is added: see [`Reference::or_latest`].
    fn from_str(text: &str) -> Result<Self, NoReference> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return Err(NoReference::LooksLikeId(text.to_owned()));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(|_| NoReference::Format)?)),
            None => (text, None),
        };
        // A colon after the last slash starts a tag; one before it belongs to a port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let (host, path) = split_host(name);
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) && is_path(&path.to_ascii_lowercase()) {
            return Err(NoReference::Uppercase(path));
        }
        Reference::new(host, &path, tag, digest)
    }
}

/// The host and the path that a familiar name means.
fn split_host(name: &str) -> (&str, String) {
    let (host, path) = match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (HUB, name),
    };
    let host = if host == OLD_HUB { HUB } else { host };
    let path = if host == HUB && !path.contains('/') { format!("{OFFICIAL}{path}") } else { path.to_owned() };
    (host, path)
}

/// `host` or `host:port`, where the host is a DNS name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => host.split('.').all(label),
    };
    name && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Components of lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_path(text: &str) -> bool {
    text.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let word = rest.iter().take_while(|byte| alphanumeric(**byte)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        let separator = rest.iter().take_while(|byte| !alphanumeric(**byte)).count();
        if separator == 0 {
            return rest.is_empty();
        }
        let (between, after) = rest.split_at(separator);
        if !(matches!(between, b"." | b"_" | b"__") || between.iter().all(|byte| *byte == b'-')) {
            return false;
        }
        rest = after;
    }
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    let rest = |byte: &u8| word(*byte) || matches!(byte, b'.' | b'-');
    bytes.len() <= LONGEST_TAG && bytes.first().is_some_and(|byte| word(*byte)) && bytes.iter().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn short_names_grow_to_the_hubs_and_shrink_again() {
        // typed, complete, familiar
        let table = [
            ("alpine", "docker.io/library/alpine", "alpine"),
            ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
            ("bretfisher/httpenv", "docker.io/bretfisher/httpenv", "bretfisher/httpenv"),
            ("index.docker.io/library/alpine", "docker.io/library/alpine", "alpine"),
            ("localhost/app", "localhost/app", "localhost/app"),
            ("127.0.0.1:5000/hello-world:1", "127.0.0.1:5000/hello-world:1", "127.0.0.1:5000/hello-world:1"),
            ("registry.mycompany.io:5000/a/b/c", "registry.mycompany.io:5000/a/b/c", "registry.mycompany.io:5000/a/b/c"),
            ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
            ("Registry/app", "Registry/app", "Registry/app"),
            ("a__b/c--d/e.f", "docker.io/a__b/c--d/e.f", "a__b/c--d/e.f"),
        ];
        for (typed, complete, familiar) in table {
            assert_eq!((read(typed).to_string().as_str(), read(typed).familiar().as_str()), (complete, familiar));
            assert_eq!(read(complete), read(typed));
        }
        assert_eq!(read("alpine").or_latest().familiar(), "alpine:latest");
    }

    #[test]
    fn a_digest_takes_the_place_of_latest() {
        let digest = Digest::of(b"");
        let pinned = read(&format!("alpine@{digest}")).or_latest();
        assert_eq!((pinned.tag(), pinned.digest()), (None, Some(&digest)));
        assert_eq!(read(&format!("alpine:3@{digest}")).familiar(), format!("alpine:3@{digest}"));
    }

    #[test]
    fn broken_names_are_refused_in_the_words_that_people_know() {
        for text in
            ["", ":", "a:", "a/", "/a", "a//b", "a..b", "a._b", "-a", "a-", "a:b:c", "a:-b", "a@b", "a b", "../a", "a/../b", "a___b", "é"]
        {
            assert_eq!(text.parse::<Reference>().unwrap_err(), NoReference::Format, "{text:?}");
        }
        assert_eq!(
            "MyApp".parse::<Reference>().unwrap_err().to_string(),
            "invalid reference format: repository name (library/MyApp) must be lowercase"
        );
        assert_eq!("a".repeat(300).parse::<Reference>().unwrap_err(), NoReference::TooLong);
        assert!(matches!("a".repeat(64).parse::<Reference>(), Err(NoReference::LooksLikeId(_))));
    }
}
