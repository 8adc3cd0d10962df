//! TLS towards servers as a trigger's `tls` says: authorities and certificates from Secrets.
//! Without `caCertSecret` the authorities of the machine are believed.

use std::sync::Arc;

use runner_runners::web::{self, Wanted};
use runner_sensors::spec::TlsConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::{Failed, Hands};

impl Hands {
    /// A client of HTTP that believes and shows what `tls` says.
    pub(super) fn client_with(
        &self,
        tls: &TlsConfig,
        namespace: &str,
        wanted: Wanted,
    ) -> Result<reqwest::Client, Failed> {
        let bad = |error: reqwest::Error| Failed::never(format!("tls: {error}"));
        let mut builder = web::builder(wanted);
        if let Some(selector) = &tls.ca_cert_secret {
            let pem = self.secret(namespace, selector)?;
            builder =
                builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(bad)?);
        }
        if let Some((certificate, key)) = self.own_certificate(tls, namespace)? {
            let both = format!("{certificate}\n{key}\n");
            builder = builder.identity(reqwest::Identity::from_pem(both.as_bytes()).map_err(bad)?);
        }
        builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify).build().map_err(bad)
    }

    /// The same for protocols that take a configuration.
    pub(super) fn tls(&self, tls: &TlsConfig, namespace: &str) -> Result<rustls::ClientConfig, Failed> {
        if tls.insecure_skip_verify {
            return Err(Failed::never(
                "tls.insecureSkipVerify is not built in here: name the authority in tls.caCertSecret instead",
            ));
        }
        let bad = |error: &dyn std::fmt::Display| Failed::never(format!("tls: {error}"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| bad(&error))?;
        let builder = match &tls.ca_cert_secret {
            Some(selector) => {
                let mut roots = rustls::RootCertStore::empty();
                for certificate in chain(&self.secret(namespace, selector)?)? {
                    roots.add(certificate).map_err(|error| bad(&error))?;
                }
                builder.with_root_certificates(roots)
            }
            None => builder.with_platform_verifier().map_err(|error| bad(&error))?,
        };
        match self.own_certificate(tls, namespace)? {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|_| Failed::never("tls.clientKeySecret is no private key"))?;
                builder.with_client_auth_cert(chain(&certificate)?, key).map_err(|error| bad(&error))
            }
        }
    }

    fn own_certificate(&self, tls: &TlsConfig, namespace: &str) -> Result<Option<(String, String)>, Failed> {
        match (&tls.client_cert_secret, &tls.client_key_secret) {
            (Some(certificate), Some(key)) => {
                Ok(Some((self.secret(namespace, certificate)?, self.secret(namespace, key)?)))
            }
            (None, None) => Ok(None),
            _ => Err(Failed::never("tls.clientCertSecret and tls.clientKeySecret belong together")),
        }
    }
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, Failed> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok()
        .filter(|all| !all.is_empty())
        .ok_or_else(|| Failed::never("tls: a secret holds no certificate (PEM)"))
}
