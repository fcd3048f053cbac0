//! TLS on the side of the server: its certificate and key, and certificates made on the spot for registries of our own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::kernel::fs;

/// How long a client may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a server needs for TLS: its certificate, with those between it and its authority, and its key.
///
/// # Errors
/// A file cannot be read, or the key is not the certificate's.
pub fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    config_for(certificate, key, None)
}

/// The same for a server that takes only clients with a certificate of this authority, if one is given.
///
/// # Errors
/// As [`config`]; or the authority's file has no certificate.
pub fn config_for(certificate: &Path, key: &Path, clients: Option<&Path>) -> Result<Arc<ServerConfig>, String> {
    let read = |path: &Path| fs::read_bytes(path).map_err(|error| format!("read the certificate or its key: {error}"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(certificate)?).collect();
    let chain = chain.map_err(|error| format!("read the certificate `{}`: {error}", certificate.display()))?;
    let own = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| format!("read the key `{}`: {error}", key.display()))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&read(authority)?).filter_map(Result::ok));
            if added == 0 {
                return Err(format!("read the authority `{}`: there is no certificate in it", authority.display()));
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| format!("use the authority `{}`: {error}", authority.display()))?)
        }
    };
    let mut config =
        builder.with_single_cert(chain, own).map_err(|error| format!("use the certificate `{}`: {error}", certificate.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Begins TLS with a client. `None` if it does not want to.
pub async fn accept(config: Arc<ServerConfig>, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    let peeked = tokio::time::timeout(HANDSHAKE, stream.peek(&mut first)).await.ok()?.ok()?;
    // A TLS record of a handshake begins with 22, and a request with a letter.
    if peeked == 1 && first[0].is_ascii_uppercase() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let text = "HTTP/1.0 400 Bad Request\r\nconnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        // Whoever does not read it has gone.
        drop(stream.write_all(text.as_bytes()).await);
        drop(stream.shutdown().await);
        // Closed with something unread, the kernel would take our answer back (a reset).
        let mut rest = (&mut stream).take(64 << 10);
        drop(tokio::time::timeout(HANDSHAKE, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await);
        return None;
    }
    tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await.ok()?.ok()
}
