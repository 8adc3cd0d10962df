//! The checksum kept with each record, so that a damaged row is reported and never acted upon.
//! Deliberately not a defence against somebody who may write the database.

use sha2::{Digest as _, Sha256};

/// Covers the place, the kind, the time and the body: a row that was moved or changed does not fit any more.
pub(crate) fn of_record(stream: &str, seq: u64, kind: &str, at_nanoseconds: i64, body: &[u8]) -> u32 {
    let mut hash = Sha256::new();
    hash.update(stream.as_bytes());
    hash.update([0]);
    hash.update(seq.to_be_bytes());
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(at_nanoseconds.to_be_bytes());
    hash.update(body);
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, ..] = digest;
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::of_record;

    #[test]
    fn every_part_counts() {
        let base = of_record("w/a", 1, "K", 5, b"body");
        assert_eq!(base, of_record("w/a", 1, "K", 5, b"body"));
        for other in [
            of_record("w/b", 1, "K", 5, b"body"),
            of_record("w/a", 2, "K", 5, b"body"),
            of_record("w/a", 1, "L", 5, b"body"),
            of_record("w/a", 1, "K", 6, b"body"),
            of_record("w/a", 1, "K", 5, b"bodz"),
        ] {
            assert_ne!(base, other);
        }
    }
}
