//! The names that a bottle's internet knows.
//!
//! The internet of a bottle is simulated: its names are real ones, so that command lines can be typed as everywhere, but their addresses are from the
//! blocks that are set aside for documentation (RFC 5737), so that nobody takes one for the real thing. Only the public resolvers have their
//! true addresses, because people know these by heart.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// The two public resolvers that the simulated internet answers as.
pub const RESOLVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(1, 1, 1, 1)];

/// Names of sites that courses ping, fetch or pull from, in the order of their addresses: append, so that addresses stay.
const SITES: &[&str] = &[
    "example.com",
    "example.org",
    "example.net",
    "google.com",
    "docker.com",
    "docker.io",
    "registry-1.docker.io",
    "auth.docker.io",
    "index.docker.io",
    "hub.docker.com",
    "get.docker.com",
    "download.docker.com",
    "github.com",
    "raw.githubusercontent.com",
    "kubernetes.io",
    "k8s.io",
    "registry.k8s.io",
    "quay.io",
    "ghcr.io",
    "gcr.io",
    "helm.sh",
    "charts.helm.sh",
    "cloudflare.com",
    "wikipedia.org",
    "debian.org",
    "ubuntu.com",
    "bretfisher.com",
];

/// Names and their addresses. Names are lower case, without the dot at the end.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    names: BTreeMap<String, Vec<IpAddr>>,
}

impl Zone {
    /// The zone of the simulated internet: the sites with and without `www.`, and the resolvers.
    pub fn internet() -> Self {
        let mut zone = Zone::default();
        for (site, address) in SITES.iter().zip(site_addresses()) {
            zone.insert(site, address);
            zone.insert(&format!("www.{site}"), address);
        }
        zone.insert("dns.google", RESOLVERS[0]);
        zone.insert("one.one.one.one", RESOLVERS[1]);
        zone
    }

    /// Adds an address to a name.
    pub fn insert(&mut self, name: &str, address: impl Into<IpAddr>) {
        self.names.entry(canonical(name)).or_default().push(address.into());
    }

    /// The addresses of a name; `None` when there is no such name.
    pub fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.names.get(&canonical(name)).map(Vec::as_slice)
    }

    /// The first name that has `address`, preferring the shortest: what a reverse lookup shows.
    pub fn name_of(&self, address: impl Into<IpAddr>) -> Option<&str> {
        let address = address.into();
        let named = self.names.iter().filter(|(_, addresses)| addresses.contains(&address));
        named.map(|(name, _)| name.as_str()).min_by_key(|name| name.len())
    }

    /// Every address of IPv4 of the zone once, for the host that is to own them.
    pub fn all_addresses(&self) -> Vec<Ipv4Addr> {
        let mut all: Vec<Ipv4Addr> =
            self.names.values().flatten().filter_map(|one| if let IpAddr::V4(four) = one { Some(*four) } else { None }).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// 203.0.113.1 and on (TEST-NET-3).
fn site_addresses() -> impl Iterator<Item = Ipv4Addr> {
    (1..=254).map(|last| Ipv4Addr::new(203, 0, 113, last))
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_have_stable_addresses_of_the_documentation_block() {
        let zone = Zone::internet();
        assert_eq!(zone.addresses("Example.COM."), Some(&[IpAddr::from([203, 0, 113, 1])][..]));
        assert_eq!(zone.addresses("www.example.com"), zone.addresses("example.com"));
        assert_eq!(zone.name_of(RESOLVERS[0]), Some("dns.google"));
        assert_eq!(zone.addresses("no.such.name"), None);
        assert!(SITES.len() <= 254);
    }
}
