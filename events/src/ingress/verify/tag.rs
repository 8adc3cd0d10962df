//! Secrets, and the two comparisons that are made with them: tags over bytes, and equality.
//! Deliberately offers no way to read a secret or to compare it byte by byte.

use std::fmt;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use ring::hmac;

/// Longest tag that is looked at, in characters; SHA-512 in hexadecimal has 128.
const LONGEST_TAG: usize = 256;

/// Hash function of an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1, for old senders.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    fn ring(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// How a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits.
    Hex,
    /// Base64, padded or not.
    Base64,
}

impl Encoding {
    /// The bytes; nothing when the text is empty, too long or of another form.
    #[must_use]
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        if text.is_empty() || text.len() > LONGEST_TAG {
            return None;
        }
        match self {
            Self::Hex => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
                let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
                    [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
                    _ => None,
                });
                pairs.collect()
            }
            Self::Base64 => {
                BASE64_STANDARD.decode(text).or_else(|_| BASE64_STANDARD_NO_PAD.decode(text)).ok()
            }
        }
    }
}

/// A shared secret. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// A secret; a line break at the end, as files have it, is not part of it. Nothing when it is empty (V21).
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let trimmed = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let trimmed = trimmed.strip_suffix(b"\r").unwrap_or(trimmed);
        (!trimmed.iter().all(u8::is_ascii_whitespace)).then(|| Self(trimmed.to_vec()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The secrets that are active: one, or two while it is being changed.
#[derive(Clone, Debug)]
pub struct Secrets {
    current: Secret,
    previous: Option<Secret>,
}

impl Secrets {
    /// One secret, and the one before it while senders may still use it.
    #[must_use]
    pub fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self { current, previous }
    }

    fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// Whether the tag is that of the parts, one after the other, under any of the secrets.
    #[must_use]
    pub fn signed(&self, algorithm: Algorithm, parts: &[&[u8]], tag: &[u8]) -> bool {
        let under = |secret: &Secret| {
            let key = hmac::Key::new(algorithm.ring(), &secret.0);
            let mut context = hmac::Context::with_key(&key);
            parts.iter().for_each(|part| context.update(part));
            equal(context.sign().as_ref(), tag)
        };
        // all are tried, so that the time does not tell which one fits
        self.all().fold(false, |any, secret| under(secret) | any)
    }

    /// Whether this is one of the secrets.
    #[must_use]
    pub fn equals(&self, given: &[u8]) -> bool {
        self.all().fold(false, |any, secret| equal(&secret.0, given) | any)
    }

    /// Keys of Standard Webhooks: what stands in base64 after `whsec_`; other texts are taken as they are.
    #[must_use]
    pub(super) fn standard_keys(&self) -> Self {
        let decoded = |secret: &Secret| {
            let text = secret.0.strip_prefix(b"whsec_")?;
            BASE64_STANDARD.decode(text).ok().map(Secret)
        };
        let key = |secret: &Secret| decoded(secret).unwrap_or_else(|| secret.clone());
        Self { current: key(&self.current), previous: self.previous.as_ref().map(key) }
    }
}

/// Compares tags of fixed length instead of the values, so that the time tells nothing about lengths or common
/// beginnings.
fn equal(ours: &[u8], given: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"equality");
    hmac::verify(&key, ours, hmac::sign(&key, given).as_ref()).is_ok()
}
