//! Whether a delivery comes from who it says: pure functions over raw body, headers, secrets and the time.
//! Parses no body (except SNS, whose signature stands in it), reads no clock, fetches nothing.
//!
//! The algorithm is the source's, never the delivery's (V21). Values are compared in constant time, as tags of fixed
//! length (V22). Signed times may be off by a tolerance only (V23). Two secrets may be active, for rotation.

mod cert;
pub mod sns;
mod tag;

use hyper::HeaderMap;
use jiff::Timestamp;

pub use tag::{Algorithm, Encoding, Secret, Secrets};

/// How far a signed time may lie from ours, in seconds, unless the source says otherwise.
pub const TOLERANCE_S: i64 = 300;

/// How the sender proves who it is.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// Not at all: the source has no secret.
    Open,
    /// `Authorization: Bearer <secret>`.
    Bearer(Secrets),
    /// The secret itself in a header (GitLab) or, if absent there, in the query parameter `token`.
    Token {
        /// Which header.
        header: &'static str,
        /// What it must be.
        secrets: Secrets,
    },
    /// `X-Hub-Signature-256`; `X-Hub-Signature` (SHA-1) only where the stronger one is absent.
    Hub(Secrets),
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature` as of Standard Webhooks.
    Standard {
        /// Keys; `whsec_` and base64, or raw text.
        secrets: Secrets,
        /// Largest difference of the time, in seconds.
        tolerance_s: i64,
    },
    /// Grafana: hexadecimal HMAC of the body, or of `time:body` with a time header.
    Grafana {
        /// Keys.
        secrets: Secrets,
        /// Header of the signature.
        header: String,
        /// Header of the time.
        timestamp_header: Option<String>,
        /// Largest difference of the time, in seconds.
        tolerance_s: i64,
    },
    /// `X-PagerDuty-Signature: v1=…,v1=…`.
    PagerDuty(Secrets),
    /// `X-Slack-Signature` over `v0:time:body`.
    Slack {
        /// Keys.
        secrets: Secrets,
        /// Largest difference of the time, in seconds.
        tolerance_s: i64,
    },
    /// `Stripe-Signature: t=…,v1=…` over `time.body`.
    Stripe {
        /// Keys.
        secrets: Secrets,
        /// Largest difference of the time, in seconds.
        tolerance_s: i64,
    },
    /// Any other HMAC of the body in a header.
    Hmac {
        /// Keys.
        secrets: Secrets,
        /// Which header.
        header: String,
        /// What stands before the signature, such as `sha256=`.
        prefix: String,
        /// Hash function.
        algorithm: Algorithm,
        /// How the tag is written.
        encoding: Encoding,
    },
}

/// What a request brought.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Parameter `token` of the query.
    pub token: Option<&'a str>,
    /// Body, exactly as it came.
    pub body: &'a [u8],
    /// When it came.
    pub now: Timestamp,
}

/// Why a delivery is not believed. Says nothing about the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The proof is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// The proof is not in the form of its scheme.
    #[error("{0} is malformed")]
    Malformed(String),
    /// The proof is of another body, time or secret.
    #[error("{0} does not match")]
    Mismatch(String),
    /// The signed time is too far from ours.
    #[error("the signed time is more than {tolerance_s} s away from ours")]
    Stale {
        /// What would have been allowed.
        tolerance_s: i64,
    },
    /// An address in the message is none of the service.
    #[error("{0} is not an address of the service")]
    Address(String),
    /// It is rightly signed, but not for us.
    #[error("the message is for the topic {0}")]
    OtherTopic(String),
}

impl Refusal {
    /// Whether it is about who sends, rather than about the form of the request.
    #[must_use]
    pub fn is_about_identity(&self) -> bool {
        !matches!(self, Self::Malformed(_))
    }
}

/// Checks the proof.
///
/// # Errors
/// Why it is not believed.
pub fn verify(scheme: &Scheme, delivery: Delivery<'_>) -> Result<(), Refusal> {
    match scheme {
        Scheme::Open => Ok(()),
        Scheme::Bearer(secrets) => bearer(secrets, delivery),
        Scheme::Token { header, secrets } => token(header, secrets, delivery),
        Scheme::Hub(secrets) => hub(secrets, delivery),
        Scheme::Standard { secrets, tolerance_s } => standard(secrets, *tolerance_s, delivery),
        Scheme::Grafana { secrets, header, timestamp_header, tolerance_s } => {
            let signature = required(delivery.headers, header)?;
            let tag = hex(signature).ok_or_else(|| Refusal::Malformed(header.clone()))?;
            let mut parts: Vec<&[u8]> = Vec::new();
            if let Some(name) = timestamp_header {
                let time = required(delivery.headers, name)?;
                within(time, *tolerance_s, delivery.now, name)?;
                parts.extend([time.as_bytes(), b":"]);
            }
            parts.push(delivery.body);
            matched(secrets.signed(Algorithm::Sha256, &parts, &tag), header)
        }
        Scheme::PagerDuty(secrets) => {
            let header = "X-PagerDuty-Signature";
            let given = required(delivery.headers, header)?;
            let tags = versioned(given.split(','), "v1=", header)?;
            let ok = tags.iter().any(|tag| secrets.signed(Algorithm::Sha256, &[delivery.body], tag));
            matched(ok, header)
        }
        Scheme::Slack { secrets, tolerance_s } => slack(secrets, *tolerance_s, delivery),
        Scheme::Stripe { secrets, tolerance_s } => stripe(secrets, *tolerance_s, delivery),
        Scheme::Hmac { secrets, header, prefix, algorithm, encoding } => {
            let given = required(delivery.headers, header)?;
            let malformed = || Refusal::Malformed(header.clone());
            let text = given.strip_prefix(prefix.as_str()).ok_or_else(malformed)?;
            let tag = encoding.decode(text).ok_or_else(malformed)?;
            matched(secrets.signed(*algorithm, &[delivery.body], &tag), header)
        }
    }
}

fn bearer(secrets: &Secrets, delivery: Delivery<'_>) -> Result<(), Refusal> {
    let header = "Authorization";
    let given = match (delivery.headers.get(header), delivery.token) {
        (Some(value), _) => {
            let text = value.to_str().map_err(|_| Refusal::Malformed(header.to_owned()))?;
            let (word, token) = text.split_once(' ').ok_or_else(|| Refusal::Malformed(header.to_owned()))?;
            if !word.eq_ignore_ascii_case("bearer") {
                return Err(Refusal::Malformed(header.to_owned()));
            }
            token.trim()
        }
        (None, Some(token)) => token,
        (None, None) => return Err(Refusal::Missing(header.to_owned())),
    };
    matched(secrets.equals(given.as_bytes()), "the token")
}

fn token(header: &str, secrets: &Secrets, delivery: Delivery<'_>) -> Result<(), Refusal> {
    let given = match (delivery.headers.get(header), delivery.token) {
        (Some(value), _) => value.as_bytes(),
        (None, Some(token)) => token.as_bytes(),
        (None, None) => return Err(Refusal::Missing(header.to_owned())),
    };
    matched(secrets.equals(given), header)
}

fn hub(secrets: &Secrets, delivery: Delivery<'_>) -> Result<(), Refusal> {
    let strong = "X-Hub-Signature-256";
    let (header, prefix, algorithm) = if delivery.headers.contains_key(strong) {
        (strong, "sha256=", Algorithm::Sha256)
    } else {
        ("X-Hub-Signature", "sha1=", Algorithm::Sha1)
    };
    let given = delivery.headers.get(header).ok_or_else(|| Refusal::Missing(strong.to_owned()))?;
    let malformed = || Refusal::Malformed(header.to_owned());
    let text = given.to_str().ok().and_then(|text| text.strip_prefix(prefix)).ok_or_else(malformed)?;
    let tag = hex(text).ok_or_else(malformed)?;
    matched(secrets.signed(algorithm, &[delivery.body], &tag), header)
}

fn standard(secrets: &Secrets, tolerance_s: i64, delivery: Delivery<'_>) -> Result<(), Refusal> {
    let header = "webhook-signature";
    let given = required(delivery.headers, header)?;
    let id = required(delivery.headers, "webhook-id")?;
    let time = required(delivery.headers, "webhook-timestamp")?;
    within(time, tolerance_s, delivery.now, "webhook-timestamp")?;
    let tags = given.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let mut tags = tags.filter_map(|text| Encoding::Base64.decode(text)).peekable();
    if tags.peek().is_none() {
        return Err(Refusal::Malformed(header.to_owned()));
    }
    let keys = secrets.standard_keys();
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", delivery.body];
    matched(tags.any(|tag| keys.signed(Algorithm::Sha256, &parts, &tag)), header)
}

fn slack(secrets: &Secrets, tolerance_s: i64, delivery: Delivery<'_>) -> Result<(), Refusal> {
    let header = "X-Slack-Signature";
    let given = required(delivery.headers, header)?;
    let time = required(delivery.headers, "X-Slack-Request-Timestamp")?;
    within(time, tolerance_s, delivery.now, "X-Slack-Request-Timestamp")?;
    let tags = versioned(std::iter::once(given), "v0=", header)?;
    let parts = [b"v0:".as_slice(), time.as_bytes(), b":", delivery.body];
    matched(tags.iter().any(|tag| secrets.signed(Algorithm::Sha256, &parts, tag)), header)
}

fn stripe(secrets: &Secrets, tolerance_s: i64, delivery: Delivery<'_>) -> Result<(), Refusal> {
    let header = "Stripe-Signature";
    let given = required(delivery.headers, header)?;
    let time = given.split(',').find_map(|part| part.trim().strip_prefix("t="));
    let time = time.ok_or_else(|| Refusal::Malformed(header.to_owned()))?;
    within(time, tolerance_s, delivery.now, header)?;
    let tags =
        versioned(given.split(',').map(str::trim).filter(|part| part.starts_with("v1=")), "v1=", header)?;
    let parts = [time.as_bytes(), b".", delivery.body];
    matched(tags.iter().any(|tag| secrets.signed(Algorithm::Sha256, &parts, tag)), header)
}

/// The tags of one scheme version. Some senders list several while a secret is rotated; at most eight are looked at.
fn versioned<'a>(
    parts: impl Iterator<Item = &'a str>,
    prefix: &str,
    header: &str,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let found: Vec<_> = parts.take(8).filter_map(|part| part.trim().strip_prefix(prefix)).collect();
    let tags: Option<Vec<_>> = found.into_iter().map(hex).collect();
    match tags {
        Some(tags) if !tags.is_empty() => Ok(tags),
        Some(_) | None => Err(Refusal::Malformed(header.to_owned())),
    }
}

fn required<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let value = headers.get(name).ok_or_else(|| Refusal::Missing(name.to_owned()))?;
    value.to_str().map_err(|_| Refusal::Malformed(name.to_owned()))
}

/// Seconds since 1970 as text, not too far from now.
fn within(text: &str, tolerance_s: i64, now: Timestamp, what: &str) -> Result<(), Refusal> {
    let at: i64 = text.parse().map_err(|_| Refusal::Malformed(what.to_owned()))?;
    if at.abs_diff(now.as_second()) > tolerance_s.unsigned_abs() {
        return Err(Refusal::Stale { tolerance_s });
    }
    Ok(())
}

fn matched(ok: bool, what: &str) -> Result<(), Refusal> {
    if ok { Ok(()) } else { Err(Refusal::Mismatch(what.to_owned())) }
}

/// Bytes of hexadecimal digits, small or capital.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    Encoding::Hex.decode(text)
}

#[cfg(test)]
mod tests;
