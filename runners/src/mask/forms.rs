//! The forms in which a secret value can appear in a text.
//! Looks at one place of a text only; going through it is the parent's.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::SHORTEST_BYTES;

/// Shortest line of a value of several lines that is looked for by itself.
const SHORTEST_LINE_BYTES: usize = 8;
/// Shortest piece of base64 that is looked for inside of a longer one.
const SHORTEST_INNER_BYTES: usize = 8;

/// One form of one value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    bytes: Vec<u8>,
    /// Encoders wrap their lines: line ends between the bytes do not count.
    wrapped: bool,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(super::MASK)
    }
}

/// How a form and a text go together.
pub(super) enum Meets {
    /// They differ.
    No,
    /// The text begins with the form and so many bytes.
    Whole(usize),
    /// The text ends, and all of it is a beginning of the form.
    Part,
}

impl Form {
    /// The first byte.
    pub(super) fn first(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// Compares with the beginning of a text.
    pub(super) fn meets(&self, text: &[u8]) -> Meets {
        if !self.wrapped {
            let length = self.bytes.len().min(text.len());
            return match (self.bytes[..length] == text[..length], length == self.bytes.len()) {
                (false, _) => Meets::No,
                (true, true) => Meets::Whole(length),
                (true, false) => Meets::Part,
            };
        }
        let mut wanted = self.bytes.iter();
        let mut next = wanted.next();
        for (at, byte) in text.iter().enumerate() {
            match next {
                None => return Meets::Whole(at),
                Some(byte_wanted) if byte_wanted == byte => next = wanted.next(),
                Some(_) if at > 0 && matches!(byte, b'\n' | b'\r') => {}
                Some(_) => return Meets::No,
            }
        }
        if next.is_none() { Meets::Whole(text.len()) } else { Meets::Part }
    }
}

/// All forms of a value; none when it is too short.
pub(super) fn of(value: &[u8]) -> Vec<Form> {
    let trimmed = value.trim_ascii_end();
    let mut out = Vec::new();
    if trimmed.len() < SHORTEST_BYTES {
        return out;
    }
    for whole in [value, trimmed] {
        plain(&mut out, whole.to_vec(), SHORTEST_BYTES);
        texts(&mut out, whole);
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            wrapped(&mut out, engine.encode(whole).into_bytes(), SHORTEST_BYTES);
        }
        inner(&mut out, whole);
        for upper in [false, true] {
            let hex = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
            wrapped(&mut out, whole.iter().map(hex).collect::<String>().into_bytes(), SHORTEST_BYTES);
        }
    }
    if trimmed.contains(&b'\n') {
        for line in trimmed.split(|byte| *byte == b'\n') {
            plain(&mut out, line.trim_ascii().to_vec(), SHORTEST_LINE_BYTES);
        }
    }
    out
}

fn plain(out: &mut Vec<Form>, bytes: Vec<u8>, shortest: usize) {
    if bytes.len() >= shortest {
        out.push(Form { bytes, wrapped: false });
    }
}

fn wrapped(out: &mut Vec<Form>, bytes: Vec<u8>, shortest: usize) {
    if bytes.len() >= shortest {
        out.push(Form { bytes, wrapped: true });
    }
}

/// As JSON and addresses write it.
fn texts(out: &mut Vec<Form>, value: &[u8]) {
    let Ok(text) = std::str::from_utf8(value) else { return };
    if let Ok(json) = serde_json::to_string(text) {
        let inner = json.get(1..json.len() - 1).unwrap_or_default();
        // Go's encoder also escapes these three
        let go = inner.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
        for form in [inner.to_owned(), inner.replace('/', "\\/"), go] {
            plain(out, form.into_bytes(), SHORTEST_BYTES);
        }
    }
    for lower in [false, true] {
        let percent = |byte: u8| if lower { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
        let encode = |space: Option<&str>| -> String {
            let one = |&byte: &u8| match byte {
                b' ' => space.map_or_else(|| percent(byte), str::to_owned),
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => percent(byte),
            };
            value.iter().map(one).collect()
        };
        plain(out, encode(None).into_bytes(), SHORTEST_BYTES);
        plain(out, encode(Some("+")).into_bytes(), SHORTEST_BYTES);
    }
}

/// The characters of base64 that the value alone decides, when something stands before and behind it
/// (`user:password`).
fn inner(out: &mut Vec<Form>, value: &[u8]) {
    for before in 0..3_usize {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        let (from, to) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&bytes).into_bytes();
            wrapped(out, text.get(from..to).unwrap_or_default().to_vec(), SHORTEST_INNER_BYTES);
        }
    }
}
