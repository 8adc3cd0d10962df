//! The RSA key inside an X.509 certificate, found by walking its outermost DER structure.
//! Judges no certificate: whoever fetched it knows from where.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const VERSION: u8 = 0xA0;

/// The PKCS#1 public key of a certificate in PEM.
pub(super) fn public_key(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let inside = text.split_once("-----BEGIN CERTIFICATE-----")?.1.split_once("-----END CERTIFICATE-----")?.0;
    let compact: String = inside.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = BASE64_STANDARD.decode(compact).ok()?;
    let (certificate, _) = tagged(&der, SEQUENCE)?;
    let (mut rest, _) = tagged(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = any(rest)?.2;
    }
    // serial number, algorithm, issuer, validity, subject
    for _ in 0..5 {
        rest = any(rest)?.2;
    }
    let (info, _) = tagged(rest, SEQUENCE)?;
    let (_, after_algorithm) = tagged(info, SEQUENCE)?;
    let (bits, _) = tagged(after_algorithm, BIT_STRING)?;
    bits.strip_prefix(&[0]).map(<[u8]>::to_vec)
}

/// Tag, content, and what follows.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7F);
        if count == 0 || count > 3 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn tagged(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = any(der)?;
    (tag == wanted).then_some((content, rest))
}
