//! Messages of AWS SNS: their form, their addresses, their RSA signature of version 1 (SHA-1) and 2 (SHA-256).
//! Fetches neither certificate nor confirmation: it only says which address may be fetched (V28).

use ring::signature;
use serde::Deserialize;
use url::Url;

use super::{Encoding, Refusal, cert};

/// A message as it is posted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Same for all tries to deliver it.
    pub message_id: String,
    /// Whose.
    pub topic_arn: String,
    /// Subject.
    #[serde(default)]
    pub subject: Option<String>,
    /// Content; JSON of an alarm is a text in here.
    pub message: String,
    /// When, as text: it is signed as text.
    pub timestamp: String,
    /// `1` or `2`.
    pub signature_version: String,
    /// Base64.
    pub signature: String,
    /// Where the certificate is.
    #[serde(rename = "SigningCertURL")]
    pub signing_cert_url: String,
    /// What confirms the subscription.
    #[serde(default, rename = "SubscribeURL")]
    pub subscribe_url: Option<String>,
    /// Part of a confirmation.
    #[serde(default)]
    pub token: Option<String>,
}

impl Message {
    /// Reads a message and judges its addresses and its topic, before anything is fetched.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Address`]; [`Refusal::OtherTopic`] comes with the signature.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let message: Self =
            serde_json::from_slice(body).map_err(|_| Refusal::Malformed("the SNS message".to_owned()))?;
        let certificate = is_service(&message.signing_cert_url)
            .filter(|url| url.path().ends_with(".pem") && url.query().is_none());
        if certificate.is_none() {
            return Err(Refusal::Address("SigningCertURL".to_owned()));
        }
        Ok(message)
    }

    /// Checks the signature by the certificate (PEM), then the topic and the address of a confirmation.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, certificate: &[u8], topic_arn: Option<&str>) -> Result<(), Refusal> {
        let algorithm: &dyn signature::VerificationAlgorithm = match self.signature_version.as_str() {
            "1" => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &signature::RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(Refusal::Malformed("SignatureVersion".to_owned())),
        };
        let key = cert::public_key(certificate)
            .ok_or_else(|| Refusal::Malformed("the certificate of the service".to_owned()))?;
        // longer than tags: an RSA signature of 4096 bits
        let tag = decode(&self.signature).ok_or_else(|| Refusal::Malformed("Signature".to_owned()))?;
        signature::UnparsedPublicKey::new(algorithm, key)
            .verify(self.signed_text()?.as_bytes(), &tag)
            .map_err(|_| Refusal::Mismatch("Signature".to_owned()))?;
        if topic_arn.is_some_and(|wanted| wanted != self.topic_arn) {
            return Err(Refusal::OtherTopic(self.topic_arn.clone()));
        }
        if self.is_confirmation() && self.confirmation().is_none() {
            return Err(Refusal::Address("SubscribeURL".to_owned()));
        }
        Ok(())
    }

    /// Whether the service asks to confirm the subscription.
    #[must_use]
    pub fn is_confirmation(&self) -> bool {
        self.kind == "SubscriptionConfirmation"
    }

    /// The address that confirms the subscription, if it is one of the service.
    #[must_use]
    pub fn confirmation(&self) -> Option<Url> {
        self.subscribe_url.as_deref().and_then(is_service)
    }

    /// Names and values in the order in which the service signs them, each on a line.
    fn signed_text(&self) -> Result<String, Refusal> {
        let missing = |what: &str| Refusal::Missing(what.to_owned());
        let subscribe = self.subscribe_url.as_deref();
        let mut lines: Vec<(&str, &str)> = vec![("Message", &self.message), ("MessageId", &self.message_id)];
        match self.kind.as_str() {
            "Notification" => {
                lines.extend(self.subject.as_deref().map(|subject| ("Subject", subject)));
                lines.push(("Timestamp", &self.timestamp));
            }
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
                lines.push(("SubscribeURL", subscribe.ok_or_else(|| missing("SubscribeURL"))?));
                lines.push(("Timestamp", &self.timestamp));
                lines.push(("Token", self.token.as_deref().ok_or_else(|| missing("Token"))?));
            }
            _ => return Err(Refusal::Malformed("Type".to_owned())),
        }
        lines.extend([("TopicArn", self.topic_arn.as_str()), ("Type", self.kind.as_str())]);
        Ok(lines.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect())
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    if text.len() <= 128 {
        return Encoding::Base64.decode(text);
    }
    if text.len() > 4096 { None } else { base64::prelude::BASE64_STANDARD.decode(text).ok() }
}

/// The address, if it is `https://sns.<region>.amazonaws.com[.cn]` without user, port or anything odd.
fn is_service(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none()
        && url.fragment().is_none();
    let host = url.host_str()?;
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_prefix("sns.")?.strip_suffix(".amazonaws.com")?;
    let ok = !region.is_empty()
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (plain && ok).then_some(url)
}
