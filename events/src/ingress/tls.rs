//! TLS of listeners whose event source brings a certificate (`serverCertSecret`, `serverKeySecret`).
//! Makes no certificates.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::endpoint::Tls;

/// What accepts TLS with this certificate.
///
/// # Errors
/// When certificate or key cannot be read or do not fit.
pub(super) fn acceptor(tls: &Tls) -> Result<tokio_rustls::TlsAcceptor, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&tls.certificate).collect();
    let chain = chain.map_err(|error| format!("serverCertSecret is no certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&tls.key)
        .map_err(|_| "serverKeySecret is no private key".to_owned())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| format!("certificate and key: {error}"))?;
    Ok(tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}
