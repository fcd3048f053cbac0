//! What goes wrong between us and a registry, in the words that people search for, with what to do about it.

use std::fmt;

use crate::oci::image;

/// A request that did not give what was asked for.
#[derive(Debug)]
pub struct Error {
    /// The registry, or the repository in full: `127.0.0.1:5000/app`.
    pub subject: String,
    /// What was asked: `GET https://127.0.0.1:5000/v2/app/manifests/1`.
    pub asked: String,
    /// Why there is no answer that we take.
    pub why: Why,
}

/// The result of asking a registry.
pub type Result<T> = std::result::Result<T, Error>;

/// The kinds of failure, by what can be done about them.
#[derive(Debug)]
pub enum Why {
    /// Nobody was reached, or the connection broke.
    Unreachable(String),
    /// It answers without TLS where TLS was spoken.
    PlainHttp,
    /// Its certificate is not to be trusted; the text is Go's.
    Certificate(String),
    /// Our own files about registries are broken.
    Config(String),
    /// Reading and writing the repository is not for us.
    Denied {
        /// The repository as people write it.
        familiar: String,
        /// Whether we wanted to write.
        push: bool,
        /// What the registry said.
        said: String,
    },
    /// Name and password are wrong, or there are none.
    Unauthorized(String),
    /// There is no such tag or digest; the name as people write it.
    ManifestUnknown(String),
    /// Too much was asked for in too short a time.
    TooMany(String),
    /// Another answer that is none of success.
    Status {
        /// The HTTP status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The answer is not what the specification or an earlier answer promised.
    Lie(String),
    /// There is an image, and none for this machine.
    Platform {
        /// What was wanted.
        wanted: String,
        /// What there is.
        there: Vec<String>,
    },
    /// Our own store failed, or refused what came.
    Store(Box<image::Error>),
}

impl Why {
    /// Our own store failed.
    pub fn store(error: image::Error) -> Self {
        Why::Store(Box::new(error))
    }
}

impl Error {
    /// What the person at the keyboard can do.
    pub fn hint(&self) -> Option<String> {
        let host = self.subject.split('/').next().unwrap_or(&self.subject);
        Some(match &self.why {
            Why::Unreachable(why) if why.contains("no such host") => {
                format!("check the spelling of `{host}`, and that the name server in /etc/resolv.conf knows it")
            }
            Why::Unreachable(why) if why.contains("connection refused") => {
                format!("nothing listens there: start the registry `{host}`, or check the port")
            }
            Why::Unreachable(_) => "what has arrived is kept: try again, and it goes on from there".to_owned(),
            Why::PlainHttp => format!("give the registry a certificate, or allow it without one with `--insecure-registry {host}`"),
            Why::Certificate(_) => format!(
                "if you trust this registry, put its authority's certificate into /etc/docker/certs.d/{host}/ca.crt; `--insecure-registry {host}` does not look at certificates at all"
            ),
            Why::Denied { .. } => {
                format!("check the name; for a private repository log in first: bottleship images login{}", shown_host(host))
            }
            Why::Unauthorized(_) => {
                format!("log in with a name and password that `{host}` knows: bottleship images login{}", shown_host(host))
            }
            Why::ManifestUnknown(name) => format!(
                "`bottleship images tags {}` lists what there is",
                name.split(['@']).next().and_then(|name| name.rsplit_once(':')).map_or(name.as_str(), |(name, _)| name)
            ),
            Why::TooMany(_) => "log in for a higher limit, wait, or pull from a mirror".to_owned(),
            Why::Lie(_) => format!("`{host}` or something between it and us is broken or hostile: nothing of this answer was kept"),
            Why::Platform { there, .. } if !there.is_empty() => format!("ask for one of them: --platform {}", there[0]),
            Why::Store(error) => return error.hint(),
            Why::Config(_) | Why::Platform { .. } | Why::Status { .. } => return None,
        })
    }

    /// Whether it is worth to try again.
    pub fn passes(&self) -> bool {
        match &self.why {
            Why::Unreachable(why) => !why.contains("no such host") && !why.contains("refused"),
            Why::Status { status, .. } => *status >= 500 || *status == 408,
            Why::TooMany(_) => true,
            _ => false,
        }
    }
}

fn shown_host(host: &str) -> String {
    if host == crate::oci::reference::HUB { String::new() } else { format!(" {host}") }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Unreachable(why) | Why::Config(why) | Why::Lie(why) => f.write_str(why),
            Why::PlainHttp => f.write_str("http: server gave HTTP response to HTTPS client"),
            Why::Certificate(why) => write!(f, "tls: failed to verify certificate: {why}"),
            Why::Denied { familiar, push: false, said } => {
                write!(f, "pull access denied for {familiar}, repository does not exist or may require 'docker login': {said}")
            }
            Why::Denied { push: true, said, .. } => f.write_str(said),
            Why::Unauthorized(said) | Why::TooMany(said) => f.write_str(said),
            Why::ManifestUnknown(name) => write!(f, "manifest for {name} not found: manifest unknown: manifest unknown"),
            Why::Status { status, said } => write!(f, "the registry answered {status}: {said}"),
            Why::Platform { wanted, there } => {
                write!(f, "no matching manifest for {wanted} in the manifest list entries")?;
                if there.is_empty() { f.write_str(": it is for no platform at all") } else { write!(f, ": there are {}", there.join(", ")) }
            }
            Why::Store(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asked.is_empty() {
            write!(f, "{}: {}", self.subject, self.why)
        } else {
            write!(f, "{}: {}: {}", self.subject, self.asked, self.why)
        }
    }
}

impl std::error::Error for Error {}
