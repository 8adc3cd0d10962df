//! Certificates of SNS, fetched from addresses of the service only and kept; subscriptions confirmed by their address.
//! Follows no redirect and fetches nothing before addresses (and, to confirm, the signature) were judged (V28).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::endpoint::Sns;
use super::verify::sns::Message;

/// Largest certificate, in bytes.
const CERTIFICATE_MAX_BYTES: usize = 64 * 1024;
/// Time for the service to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Certificates that are kept.
const KEPT: usize = 16;

/// How addresses are fetched; a test has its own.
pub trait Fetch: Send + Sync + std::fmt::Debug {
    /// The body of an answer of 200, at most `max_bytes` of it.
    fn get<'a>(
        &'a self,
        url: &'a str,
        max_bytes: usize,
    ) -> runner_store::BoxFuture<'a, Result<Vec<u8>, String>>;
}

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For the sender.
    pub text: String,
    /// Whether sending it again can help.
    pub retriable: bool,
}

/// What is known of the service.
#[derive(Debug)]
pub struct Confirmations {
    fetch: Arc<dyn Fetch>,
    certificates: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Confirmations {
    /// With a way to fetch.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, certificates: Mutex::default() }
    }

    /// Judges a message. True when it was a confirmation that was carried out: then it is no event.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn judge(&self, body: &[u8], wanted: &Sns) -> Result<bool, Refused> {
        let refused = |why: super::verify::Refusal| Refused { text: why.to_string(), retriable: false };
        let message = Message::parse(body).map_err(refused)?;
        if wanted.signed || message.is_confirmation() {
            let certificate = self.certificate(&message.signing_cert_url).await?;
            message.verify(&certificate, wanted.topic_arn.as_deref()).map_err(refused)?;
        }
        if !message.is_confirmation() {
            return Ok(false);
        }
        if let Some(url) = message.confirmation() {
            self.fetch.get(url.as_str(), CERTIFICATE_MAX_BYTES).await.map_err(failed)?;
            tracing::info!(topic = message.topic_arn, "subscription confirmed");
        }
        Ok(true)
    }

    async fn certificate(&self, url: &str) -> Result<Vec<u8>, Refused> {
        let kept = self.certificates.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let found = self.fetch.get(url, CERTIFICATE_MAX_BYTES).await.map_err(failed)?;
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if certificates.len() >= KEPT {
            certificates.pop_first();
        }
        certificates.insert(url.to_owned(), found.clone());
        Ok(found)
    }
}

fn failed(why: String) -> Refused {
    Refused { text: format!("the service could not be asked: {why}"), retriable: true }
}

/// Fetches over HTTPS, without redirects.
#[derive(Debug)]
pub struct Https(reqwest::Client);

impl Https {
    /// A client of its own.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, String> {
        let with = |client: reqwest::ClientBuilder| {
            client.https_only(true).redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT)
        };
        crate::client::build(with).map(Self)
    }
}

impl Fetch for Https {
    fn get<'a>(
        &'a self,
        url: &'a str,
        max_bytes: usize,
    ) -> runner_store::BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let mut answer = self.0.get(url).send().await.map_err(|error| error.without_url().to_string())?;
            if !answer.status().is_success() {
                return Err(format!("it answered {}", answer.status()));
            }
            let mut body = Vec::new();
            while let Some(part) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
                if body.len() + part.len() > max_bytes {
                    return Err("its answer is too long".to_owned());
                }
                body.extend_from_slice(&part);
            }
            Ok(body)
        })
    }
}
