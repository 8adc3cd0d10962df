//! sprig's encodings: base64, base32, checksums, JSON, paths.
//! Nothing with keys or secrets.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::expr::builtins::{Call, Entry, json, parse};
use crate::expr::error::ExprError;
use crate::expr::gofmt;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("b64enc", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(STANDARD.encode(s.as_bytes()))
    }),
    // On malformed input sprig gives the error's text as the value; so do we.
    ("b64dec", 1, 1, |c| {
        let s = c.str(0)?;
        match STANDARD.decode(s.as_bytes()) {
            Ok(bytes) => c.text(String::from_utf8_lossy(&bytes)),
            Err(error) => c.text(error.to_string()),
        }
    }),
    ("b32enc", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(base32(s.as_bytes()))
    }),
    ("b32dec", 1, 1, |c| {
        let s = c.str(0)?;
        match base32_decode(&s) {
            Some(bytes) => c.text(String::from_utf8_lossy(&bytes)),
            None => c.text("illegal base32 data"),
        }
    }),
    ("sha1sum", 1, 1, |c| digest::<Sha1>(c)),
    ("sha256sum", 1, 1, |c| digest::<Sha256>(c)),
    ("sha512sum", 1, 1, |c| digest::<Sha512>(c)),
    ("adler32sum", 1, 1, |c| {
        let s = c.str(0)?;
        c.fuel().spend(s.len() as u64 / 16)?;
        let (mut a, mut b) = (1u32, 0u32);
        for byte in s.bytes() {
            a = (a + u32::from(byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        c.text(format!("{}", (b << 16) | a))
    }),
    ("toJson", 1, 1, |c| {
        let text = gofmt::json_text(&json(c, 0)?);
        c.text(text)
    }),
    ("toPrettyJson", 1, 1, |c| {
        let text = gofmt::json_pretty(&json(c, 0)?);
        c.text(text)
    }),
    ("toRawJson", 1, 1, |c| {
        let text = json(c, 0)?.to_string();
        c.text(text)
    }),
    ("fromJson", 1, 1, |c| {
        let text = c.str(0)?;
        let must = c.name.starts_with("sprig.must");
        match parse(c, &text) {
            Err(error) if !must && error.kind == crate::expr::ExprErrorKind::Value => Ok(Val::Nil),
            other => other,
        }
    }),
    ("base", 1, 1, |c| {
        let s = c.str(0)?;
        let trimmed = s.trim_end_matches('/');
        let name = match (s.is_empty(), trimmed.is_empty()) {
            (true, _) => ".",
            (false, true) => "/",
            (false, false) => trimmed.rsplit('/').next().unwrap_or(trimmed),
        };
        c.text(name)
    }),
    ("dir", 1, 1, |c| {
        let s = c.str(0)?;
        let head = s.rfind('/').map_or("", |at| s.get(..=at).unwrap_or_default());
        c.text(clean(head))
    }),
    ("clean", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(clean(&s))
    }),
    ("ext", 1, 1, |c| {
        let s = c.str(0)?;
        let name = s.rsplit('/').next().unwrap_or_default();
        c.text(name.rfind('.').map_or("", |at| name.get(at..).unwrap_or_default()))
    }),
    ("isAbs", 1, 1, is_abs),
];

/// A digest in hexadecimal.
fn digest<D: Digest>(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let s = c.str(0)?;
    c.fuel().spend(s.len() as u64 / 16)?;
    let mut hex = String::new();
    for byte in D::digest(s.as_bytes()).iter() {
        let _ = write!(hex, "{byte:02x}");
    }
    c.text(hex)
}

fn is_abs(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let s = c.str(0)?;
    Ok(Val::Bool(s.starts_with('/')))
}

/// The shortest path of the same meaning, as Go's `path.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut bits = 0u64;
        for i in 0..5 {
            bits = (bits << 8) | u64::from(chunk.get(i).copied().unwrap_or(0));
        }
        let used = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let index = usize::try_from((bits >> (35 - 5 * i)) & 31).unwrap_or(0);
            out.push(if i < used { BASE32.get(index).copied().map_or('=', char::from) } else { '=' });
        }
    }
    out
}

fn base32_decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(8) {
        return None;
    }
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u64, 0u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = BASE32.iter().position(|b| *b == byte)?;
        bits = (bits << 5) | value as u64;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(out)
}
