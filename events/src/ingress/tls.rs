//! TLS of listeners whose event source brings a certificate (`serverCertSecret`, `serverKeySecret`).
//! Makes no certificates.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::endpoint::Tls;

/// The certificate of a listener, which may be renewed while it listens.
#[derive(Default)]
pub(super) struct Slot(RwLock<(Option<Tls>, Option<tokio_rustls::TlsAcceptor>)>);

impl Slot {
    /// Takes another certificate. One that cannot be used leaves the one before in its place.
    ///
    /// # Errors
    /// When certificate or key cannot be read or do not fit.
    pub(super) fn renew(&self, tls: Option<Tls>) -> Result<(), String> {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).0 == tls {
            return Ok(());
        }
        let made = tls.as_ref().map(acceptor).transpose()?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (tls, made);
        Ok(())
    }

    /// What accepts the next connection; nothing when the listener speaks plain HTTP.
    pub(super) fn acceptor(&self) -> Option<tokio_rustls::TlsAcceptor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// What accepts TLS with this certificate.
///
/// # Errors
/// When certificate or key cannot be read or do not fit.
fn acceptor(tls: &Tls) -> Result<tokio_rustls::TlsAcceptor, String> {
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
