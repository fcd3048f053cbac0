//! Whose certificates we believe: the system's authorities, those that were added, and per registry what lies in `certs.d/HOST/`.
//!
//! The course's first certificate is mostly one that signs itself (`openssl req -x509`). Such a one is an authority and a server's at once; rustls refuses
//! that, Go does not. It is taken here if the very same certificate was put into `certs.d` by the person: then nothing is left to be proved but the name and
//! that the server has the key.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::settings::Settings;
use crate::kernel::fs;

mod validity;

/// Where distributions keep the authorities that the system trusts.
const SYSTEM: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// How TLS is spoken with a registry (`host[:port]`). With `blind` any certificate is taken.
///
/// # Errors
/// A file that was put there for us cannot be read.
pub fn config(settings: &Settings, authority: &str, blind: bool) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let own = own_files(settings, authority)?;
    let pinned: Vec<CertificateDer<'static>> =
        own.iter().filter(|file| file.ends_with(".crt")).map(|file| certificates(file)).collect::<Result<Vec<_>, _>>()?.concat();
    // rustls does not look at the dates of an authority, nor we at those of a certificate that is its own.
    let now = UnixTime::now().as_secs();
    let (pinned, over): (Vec<_>, Vec<_>) = pinned.into_iter().partition(|one| validity::holds(one, now));
    let inner = if blind { None } else { verifier(settings, &pinned, &provider)? };
    let verifier = Arc::new(Verifier { inner, pinned, over: !over.is_empty(), blind, provider: Arc::clone(&provider) });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match own.iter().find(|file| file.ends_with(".cert")) {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let key = format!("{}.key", file.trim_end_matches(".cert"));
            let key = PrivateKeyDer::from_pem_slice(&read(&key)?).map_err(|error| format!("read the key `{key}`: {error}"))?;
            builder.with_client_auth_cert(certificates(file)?, key).map_err(|error| format!("use the certificate `{file}`: {error}"))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn verifier(
    settings: &Settings,
    pinned: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, String> {
    let mut roots = RootCertStore::empty();
    let system =
        std::env::var("SSL_CERT_FILE").ok().or_else(|| SYSTEM.iter().find(|file| Path::new(file).exists()).map(|file| (*file).to_owned()));
    for file in system.into_iter().chain(settings.authorities.iter().map(|file| file.display().to_string())) {
        roots.add_parsable_certificates(certificates(&file)?);
    }
    roots.add_parsable_certificates(pinned.iter().cloned());
    if roots.is_empty() {
        return Ok(None);
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    built.map(Some).map_err(|error| format!("use the authorities: {error}"))
}

/// The files in `certs.d/HOST/`. The name was checked as part of a reference, so it leads nowhere else.
fn own_files(settings: &Settings, authority: &str) -> Result<Vec<String>, String> {
    // Docker Hub's folder has the name that people know.
    let name = if authority == "registry-1.docker.io" { crate::oci::reference::HUB } else { authority };
    let folders = settings.certificates.iter().map(|folder| folder.join(name)).filter(|folder| folder.is_dir());
    let mut files = Vec::new();
    for folder in folders {
        let names = fs::list(&folder).map_err(|error| format!("look for certificates of `{authority}`: {error}"))?;
        files.extend(names.iter().map(|name| folder.join(name).display().to_string()));
    }
    Ok(files)
}

fn read(file: &str) -> Result<Vec<u8>, String> {
    fs::read_bytes(Path::new(file)).map_err(|error| format!("read a certificate: {error}"))
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    read.map_err(|error| format!("read the certificates of `{file}`: {error}"))
}

#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    pinned: Vec<CertificateDer<'static>>,
    /// Whether there was one more, whose time is over or has not come.
    over: bool,
    blind: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.blind {
            return Ok(ServerCertVerified::assertion());
        }
        if self.pinned.iter().any(|pinned| pinned == end) {
            rustls::client::verify_server_name(&ParsedCertificate::try_from(end)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let none = if self.over { CertificateError::Expired } else { CertificateError::UnknownIssuer };
        let Some(inner) = &self.inner else { return Err(none.into()) };
        let verified = inner.verify_server_cert(end, between, name, ocsp, now);
        match verified {
            // Whoever has put an authority there wants to know that it is too old, and not that nobody knows it.
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) if self.over => Err(CertificateError::Expired.into()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, end, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, end, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, in the words of Go, which people search for.
pub fn in_go_words(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::Other(_) => "x509: certificate signed by unknown authority".to_owned(),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => "x509: certificate has expired or is not yet valid".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("x509: certificate is valid for {}, not {}", presented.join(", "), expected.to_str())
        }
        CertificateError::NotValidForName => "x509: certificate is not valid for this name".to_owned(),
        other => format!("x509: {other}"),
    }
}
