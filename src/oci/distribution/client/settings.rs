//! What a client knows before it asks: which registries need no TLS, which have mirrors, whom it trusts, how patient it is.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::credentials::{Credentials, Login};

/// Names of hosts to addresses. A static program asks no C library, so somebody above says how.
pub trait Names: Send + Sync {
    /// The addresses of a name, those to be tried first in front.
    ///
    /// # Errors
    /// Nobody knows it, in the words for a person.
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String>;
}

/// How often and how long something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often a request is sent at most.
    pub attempts: u32,
    /// The pause before the second attempt; each further one is twice as long, and half of it is chance.
    pub pause: Duration,
    /// The longest pause, also where a registry asks for a longer one: then we give up.
    pub longest: Duration,
    /// How long a connection may be silent.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Patience { attempts: 5, pause: Duration::from_millis(250), longest: seconds(30), silence: seconds(60) }
    }
}

impl Patience {
    /// The pause after `attempt` attempts (from 1); `asked` is what the registry wants, `chance` any number.
    pub fn pause_after(&self, attempt: u32, asked: Option<Duration>, chance: u8) -> Option<Duration> {
        if attempt >= self.attempts || asked.is_some_and(|asked| asked > self.longest) {
            return None;
        }
        let full = self.pause.saturating_mul(1 << (attempt - 1).min(16)).min(self.longest);
        // Many clients that failed together do not come back together.
        let jittered = full / 2 + full.mul_f64(f64::from(chance) / 512.0);
        Some(asked.map_or(jittered, |asked| asked.max(jittered)))
    }
}

/// Everything that a client knows before it asks.
#[derive(Clone)]
pub struct Settings {
    /// Registries (`host` or `host:port`) that may do without TLS, or with a certificate of nobody.
    pub insecure: Vec<String>,
    /// Mirrors of Docker Hub, tried in this order: `https://host[:port]`.
    pub mirrors: Vec<String>,
    /// Files with certificates of authorities that are trusted besides the system's.
    pub authorities: Vec<PathBuf>,
    /// Folders with one folder per registry, and in it `*.crt`, as `/etc/docker/certs.d`.
    pub certificates: Vec<PathBuf>,
    /// Names and passwords.
    pub credentials: Option<Credentials>,
    /// One name and password for one registry (`docker.io`, `host:port`), instead of what the file says.
    pub login: Option<(String, Login)>,
    /// Who knows the addresses of names.
    pub names: Arc<dyn Names>,
    /// How patient we are.
    pub patience: Patience,
}

impl Settings {
    /// The usual ones: docker's own files, the system's authorities.
    pub fn usual(names: Arc<dyn Names>) -> Self {
        let own = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config/docker/certs.d"));
        Settings {
            insecure: Vec::new(),
            mirrors: Vec::new(),
            authorities: Vec::new(),
            certificates: std::iter::once(PathBuf::from("/etc/docker/certs.d")).chain(own).collect(),
            credentials: Credentials::usual(),
            login: None,
            names,
            patience: Patience::default(),
        }
    }

    /// Whether a registry may be spoken to without TLS: it is on this machine, or somebody said so.
    pub fn is_insecure(&self, authority: &str) -> bool {
        let host = host_of(authority);
        is_loopback(authority) || self.insecure.iter().any(|one| one == authority || one == host || is_in(host, one))
    }
}

/// `host` of `host[:port]`, an IPv6 address without its brackets.
pub fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Whether an address is in a network (`10.0.0.0/8`). A name is in none: its address may change.
fn is_in(host: &str, network: &str) -> bool {
    let Some((base, length)) = network.split_once('/') else { return false };
    let bits = |text: &str| match text.parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => Some((u128::from(u32::from(address)) << 96, 32)),
        IpAddr::V6(address) => Some((u128::from(address), 128)),
    };
    let (Some((host, one)), Some((base, other)), Ok(length)) = (bits(host), bits(base), length.parse::<u32>()) else { return false };
    one == other && length <= one && (length == 0 || (host ^ base) >> (128 - length) == 0)
}

/// 127.0.0.0/8, ::1, and the name that always means them.
pub fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_who_is_named_may_do_without_tls() {
        struct Nobody;
        impl Names for Nobody {
            fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, String> {
                Ok(Vec::new())
            }
        }
        let settings = Settings { insecure: vec!["lab:5000".into(), "plain".into()], ..Settings::usual(Arc::new(Nobody)) };
        for yes in ["127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "localhost:5000", "lab:5000", "plain:80", "plain"] {
            assert!(settings.is_insecure(yes), "{yes}");
        }
        for no in
            ["lab", "lab:5001", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:5000", "docker.io", "[::2]:5000", "0.0.0.0"]
        {
            assert!(!settings.is_insecure(no), "{no}");
        }
    }

    #[test]
    fn an_address_is_in_a_network_and_a_name_is_not() {
        for (host, network) in
            [("10.1.2.3", "10.0.0.0/8"), ("192.168.99.100", "192.168.99.0/24"), ("fd00::1", "fd00::/8"), ("8.8.8.8", "0.0.0.0/0")]
        {
            assert!(is_in(host, network), "{host} {network}");
        }
        for (host, network) in [
            ("11.1.2.3", "10.0.0.0/8"),
            ("lab", "0.0.0.0/0"),
            ("::1", "0.0.0.0/0"),
            ("10.0.0.1", "10.0.0.0/33"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "x/8"),
        ] {
            assert!(!is_in(host, network), "{host} {network}");
        }
    }

    #[test]
    fn pauses_grow_end_and_follow_the_registry() {
        let patience = Patience::default();
        assert_eq!(patience.pause_after(1, None, 0), Some(Duration::from_millis(125)));
        assert!(patience.pause_after(3, None, 255).unwrap() > patience.pause_after(2, None, 0).unwrap());
        assert_eq!(patience.pause_after(5, None, 0), None);
        assert_eq!(patience.pause_after(1, Some(Duration::from_secs(3)), 9), Some(Duration::from_secs(3)));
        assert_eq!(patience.pause_after(1, Some(Duration::from_secs(3600)), 9), None);
    }
}
