//! What a client needs to be let in: values of Secrets, and TLS by certificates from Secrets.
//! Connects to nothing, and shows no secret.

use std::sync::Arc;

use runner_runners::Objects;
use runner_sensors::spec::TlsConfig;
use runner_workflows::spec::k8s::SecretKeySelector;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

/// Secrets of a namespace.
pub struct Access {
    objects: Arc<dyn Objects>,
    namespace: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Access {
    /// Secrets of this namespace.
    #[must_use]
    pub fn new(objects: Arc<dyn Objects>, namespace: String) -> Self {
        Self { objects, namespace }
    }

    /// The bytes of a secret.
    ///
    /// # Errors
    /// A sentence for people that names it, and what to do when it is missing.
    pub fn bytes(&self, selector: &SecretKeySelector) -> Result<Vec<u8>, String> {
        let found = self.objects.need_secret(&self.namespace, &selector.name, &selector.key);
        Ok(found.map_err(|error| error.to_string())?.expose().to_vec())
    }

    /// The text of a secret, without the end of a last line.
    ///
    /// # Errors
    /// As [`Self::bytes`], or when it is no text.
    pub fn text(&self, selector: &SecretKeySelector) -> Result<String, String> {
        let text = String::from_utf8(self.bytes(selector)?)
            .map_err(|_| format!("secret `{}`: `{}` is no text", selector.name, selector.key))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The text of a secret that may be left out.
    pub(crate) fn optional(&self, selector: Option<&SecretKeySelector>) -> Result<Option<String>, String> {
        selector.map(|selector| self.text(selector)).transpose()
    }

    /// TLS as the settings say, with its certificates.
    ///
    /// # Errors
    /// A secret that is missing, or only one of certificate and key.
    pub fn tls(&self, config: Option<&TlsConfig>) -> Result<Option<Tls>, String> {
        let Some(config) = config else { return Ok(None) };
        let read = |selector: &Option<SecretKeySelector>| {
            selector.as_ref().map(|selector| self.bytes(selector)).transpose()
        };
        let identity = match (read(&config.client_cert_secret)?, read(&config.client_key_secret)?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("tls: clientCertSecret and clientKeySecret belong together".to_owned());
            }
        };
        let insecure = config.insecure_skip_verify;
        Ok(Some(Tls { ca: read(&config.ca_cert_secret)?, identity, insecure }))
    }
}

/// TLS towards a broker.
#[derive(Clone)]
pub struct Tls {
    /// More authorities that are believed, PEM.
    pub(crate) ca: Option<Vec<u8>>,
    /// The client's certificate and key, PEM.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The server's certificate is not checked.
    pub(crate) insecure: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("insecure", &self.insecure).finish_non_exhaustive()
    }
}

impl Tls {
    /// The settings for rustls.
    ///
    /// # Errors
    /// A sentence for people: a certificate or key that cannot be read.
    pub fn client_config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> =
            if self.insecure { Arc::new(Anyone(Arc::clone(&provider))) } else { self.verifier(&provider)? };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let Some((certificate, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| format!("tls: clientCertSecret is no certificate: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "tls: clientKeySecret is no private key")?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| format!("tls: certificate and key of the client: {error}"))
    }

    /// With `caCertSecret` only its authorities are believed, as in Argo Events; else those of the system.
    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
        let Some(ca) = &self.ca else {
            let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
            return Ok(Arc::new(verifier.map_err(|error| format!("tls: {error}"))?));
        };
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            let certificate = certificate.map_err(|error| format!("tls: caCertSecret: {error}"))?;
            roots.add(certificate).map_err(|error| format!("tls: caCertSecret: {error}"))?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        Ok(verifier.build().map_err(|error| format!("tls: caCertSecret: {error}"))?)
    }
}

/// Believes any certificate (`insecureSkipVerify`), but checks that the server has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
