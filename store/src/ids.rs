//! Identifiers of the store: validated where they come from outside, plain numbers where the store makes them.
//! Deliberately makes none up: random or time-based ids arrive from the caller.

use std::fmt;

use sha2::Digest as _;

use crate::{Error, Result, limits};

/// Position of a record in its stream. The first record has 1; 0 means "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first record: what a new stream is at.
    pub const ZERO: Self = Self(0);
}

/// Generation of a lease on one stream. Each claim makes a larger one; 0 means "never leased".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Never leased: what a stream created without an owner is at.
    pub const ZERO: Self = Self(0);
    /// The epoch of a stream that was created together with its first lease.
    pub const FIRST: Self = Self(1);
}

/// Position of a command in the inbox; larger is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CommandId(pub u64);

/// Name of a stream: `kind/segment` or `kind/segment/segment`, for example `workflow/<uid>`.
///
/// The kind is lower-case letters; a segment is letters, digits, `-`, `_`, `.` and is neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(String);

impl StreamId {
    /// Checks the shape described at the type.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the text has another shape.
    pub fn parse(text: &str) -> Result<Self> {
        let (kind, rest) = text.split_once('/').unwrap_or((text, ""));
        let kind_ok = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase());
        let segment_ok = |s: &str| {
            !s.is_empty()
                && s != "."
                && s != ".."
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        let segments = rest.split('/').count();
        if text.len() > limits::STREAM_ID_MAX_BYTES
            || !kind_ok
            || segments > 2
            || !rest.split('/').all(segment_ok)
        {
            let shown: String = text.chars().take(64).collect();
            return Err(Error::Invalid(format!("stream id {shown:?}")));
        }
        Ok(Self(text.to_owned()))
    }

    /// `workflow/<uid>`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the uid is not a valid segment.
    pub fn workflow(uid: &str) -> Result<Self> {
        Self::parse(&format!("workflow/{uid}"))
    }

    /// `cron/<namespace>/<name>`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a part is not a valid segment.
    pub fn cron(namespace: &str, name: &str) -> Result<Self> {
        Self::parse(&format!("cron/{namespace}/{name}"))
    }

    /// `sensor/<namespace>/<name>`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a part is not a valid segment.
    pub fn sensor(namespace: &str, name: &str) -> Result<Self> {
        Self::parse(&format!("sensor/{namespace}/{name}"))
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first slash.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(kind, _)| kind)
    }

    /// The part after the first slash: the uid of a workflow stream.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, key)| key)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of a blob: its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// From the 32 raw bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there are not exactly 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let array: [u8; 32] =
            bytes.try_into().map_err(|_| Error::Invalid(format!("digest of {} bytes", bytes.len())))?;
        Ok(Self(array))
    }

    /// The 32 raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn stream_ids_have_one_shape() {
        for good in ["workflow/abc", "cron/default/nightly-1", "sensor/a/b.c_d", "workflow/A-1"] {
            assert_eq!(StreamId::parse(good).unwrap().as_str(), good);
        }
        let long = format!("workflow/{}", "a".repeat(600));
        for bad in
            ["", "workflow", "workflow/", "/a", "Workflow/a", "w/../x", "w/a/b/c", "w/a b", "w/a\0", &long]
        {
            assert!(matches!(StreamId::parse(bad), Err(Error::Invalid(_))), "{bad}");
        }
        let id = StreamId::workflow("u-1").unwrap();
        assert_eq!((id.kind(), id.key()), ("workflow", "u-1"));
    }

    #[test]
    fn a_digest_prints_as_hex() {
        let digest = Digest::of(b"abc");
        assert!(digest.to_string().starts_with("ba7816bf8f01cfea"));
        assert_eq!(Digest::from_bytes(digest.as_bytes()).unwrap(), digest);
        assert!(Digest::from_bytes(b"short").is_err());
    }
}
