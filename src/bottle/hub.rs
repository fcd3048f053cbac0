//! The Docker Hub of a bottle, as far as the bottle itself is concerned: an authority of its own that its hosts trust, the certificate of the Hub's names, and
//! the Hub itself as a daemon of the host `internet`.
//!
//! The authority's key signs that one certificate and is forgotten: it is in no file, and nothing else will ever be signed by it. The Hub itself is
//! `bottleship registry hub`, a program like any other; the bottle knows nothing of images.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde::{Deserialize, Serialize};

use super::Error;
use super::daemon::Program;
use super::protocol::place;
use crate::kernel::{self, fs};
use crate::net::Zone;

/// The names that are the Hub's.
const NAMES: &[&str] = &["registry-1.docker.io", "auth.docker.io", "index.docker.io", "docker.io", "hub.docker.com"];
/// Other registries of the simulated internet: the same program answers for them, without accounts, with what the catalog has of theirs.
const OTHERS: &[&str] = &["gcr.io", "ghcr.io", "quay.io", "registry.k8s.io"];
/// Where it keeps what was pushed, on the host `internet`.
const FOLDER: &str = "/var/lib/bottleship/hub";
/// The certificate and its key, in the `/run` of the host `internet`.
const CERTIFICATE: &str = "hub.crt";
const KEY: &str = "hub.key";
/// The files in which distributions keep the authorities that programs trust. A host's differ from boot to boot.
pub(super) const TRUST: &[&str] = &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
/// What stands before our authority in such a file, so that the next boot finds the place.
const MARK: &str = "# The authority of this bottle\n";

/// What the keeper makes for all hosts, in PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Authority {
    /// The authority's certificate.
    pub certificate: String,
    /// The certificate of the Hub's names and the other registries', and its key: for the host `internet` alone.
    pub site: Option<(String, String)>,
}

impl Authority {
    /// Makes an authority, has it sign for the Hub's names, and forgets its key.
    ///
    /// # Errors
    /// No key could be made.
    pub fn make(bottle: &str) -> Result<Self, Error> {
        let failed = |error: rcgen::Error| Error::Refused {
            doing: "make the bottle's authority".to_owned(),
            why: error.to_string(),
            errno: None,
            hint: None,
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, format!("Bottleship {bottle}: the authority of its internet"));
        let key = KeyPair::generate().map_err(failed)?;
        let authority = params.self_signed(&key).map_err(failed)?;
        let names: Vec<String> = NAMES.iter().chain(OTHERS).map(|name| (*name).to_owned()).collect();
        let mut site = CertificateParams::new(names).map_err(failed)?;
        site.distinguished_name.push(DnType::CommonName, NAMES[0]);
        let site_key = KeyPair::generate().map_err(failed)?;
        let signed = site.signed_by(&site_key, &Issuer::new(params, key)).map_err(failed)?;
        Ok(Authority { certificate: authority.pem(), site: Some((signed.pem(), site_key.serialize_pem())) })
    }

    /// The same for a host that is not the internet: without a key.
    pub fn without_key(&self) -> Self {
        Authority { certificate: self.certificate.clone(), site: None }
    }

    /// Has the programs of this host, whose root is `/` by now, trust it. Gives what it had to do without.
    pub fn install(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let files: Vec<&str> = TRUST.iter().copied().filter(|file| Path::new(file).exists()).collect();
        for file in if files.is_empty() { vec![TRUST[0]] } else { files } {
            notes.extend(self.trust(Path::new(file)).err().map(|error| format!("the bottle's authority is not trusted: {error}")));
        }
        if let Some((certificate, key)) = &self.site {
            let run = Path::new(place::IN_HOST);
            let written = fs::put(&run.join(CERTIFICATE), certificate.as_bytes(), 0o644)
                .and_then(|()| fs::put(&run.join(KEY), key.as_bytes(), 0o600));
            notes.extend(written.err().map(|error| format!("there is no Docker Hub: {error}")));
        }
        notes
    }

    /// Adds it to a file of authorities; the one of an earlier boot goes.
    fn trust(&self, file: &Path) -> kernel::Result<()> {
        let text = if file.exists() { fs::read(file)? } else { String::new() };
        let theirs = text.split(MARK).next().unwrap_or_default();
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder, 0o755)?;
        }
        fs::put(file, format!("{theirs}{MARK}{}", self.certificate).as_bytes(), 0o644)
    }
}

/// The Hub, for the host `internet`: its addresses are listened on from the boot on, and it comes when somebody connects, so that no boot waits for it.
pub const HUB: Program = Program { name: "hub", listen, argv, environment: |_, _| Vec::new(), says: false, log: "hub.log" };

/// Whether this host is to have the Hub: it has the certificate's key.
pub fn is_here() -> bool {
    Path::new(place::IN_HOST).join(KEY).exists()
}

fn listen() -> kernel::Result<Vec<OwnedFd>> {
    let zone = Zone::internet();
    // One address each: the program is told in this order which of them is whose.
    let addresses = NAMES.iter().chain(OTHERS).filter_map(|name| zone.addresses(name)?.first());
    let listen = |address| {
        let listener = TcpListener::bind((address, 443));
        listener.map(OwnedFd::from).map_err(|error| kernel::Error::from_io("bind", format!("{address}:443"), &error))
    };
    addresses.copied().map(listen).collect()
}

fn argv(listeners: usize) -> Vec<String> {
    let at = |name: &str| Path::new(place::IN_HOST).join(name).display().to_string();
    let count = listeners.to_string();
    let words =
        ["bottleship", "registry", "--root", FOLDER, "hub", "--certificate", &at(CERTIFICATE), "--key", &at(KEY), "--inherited", &count];
    let others = OTHERS.iter().flat_map(|name| ["--other", name]);
    words.into_iter().chain(others).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_of_an_earlier_boot_goes() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("certs/all.crt");
        std::fs::create_dir(place.path().join("certs")).unwrap();
        std::fs::write(&file, "theirs\n").unwrap();
        let (one, other) = (Authority::make("one").unwrap(), Authority::make("other").unwrap());
        one.trust(&file).unwrap();
        other.trust(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("theirs\n{MARK}{}", other.certificate));
        assert!(one.without_key().site.is_none());
    }
}
