//! Values as text: plainly, and by `@json`, `@text`, `@csv`, `@tsv`, `@html`, `@uri`, `@sh`, `@base64`, `@base64d`.
//! Does not parse, `@base64d` apart.

use std::fmt::Write as _;

use super::value::J;

/// Text as it is, everything else as JSON.
pub(super) fn plain(value: &J) -> String {
    match value {
        J::Str(text) => text.to_string(),
        other => other.to_json().to_string(),
    }
}

pub(super) fn apply(name: &str, value: &J) -> Result<String, String> {
    let text = || plain(value);
    Ok(match name {
        "text" => text(),
        "json" => value.to_json().to_string(),
        "html" => text()
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('\'', "&#39;")
            .replace('"', "&quot;"),
        "uri" => uri(&text()),
        "sh" => match value {
            J::Arr(list) => {
                let words: Result<Vec<String>, String> = list.inner.iter().map(quoted).collect();
                words?.join(" ")
            }
            other => quoted(other)?,
        },
        "csv" => row(value, ",", |text| format!("\"{}\"", text.replace('"', "\"\"")))?,
        "tsv" => row(value, "\t", |text| {
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
        })?,
        "base64" => encode(text().as_bytes()),
        "base64d" => decode(&text())?,
        other => return Err(format!("@{other} is not a format")),
    })
}

fn quoted(value: &J) -> Result<String, String> {
    match value {
        J::Str(text) => Ok(format!("'{}'", text.replace('\'', "'\\''"))),
        J::Arr(_) | J::Obj(_) => Err(format!("{} can not be escaped for shell", value.shown())),
        other => Ok(plain(other)),
    }
}

fn uri(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn row(value: &J, between: &str, quote: impl Fn(&str) -> String) -> Result<String, String> {
    let J::Arr(list) = value else { return Err(format!("{} is not an array", value.shown())) };
    let cell = |value: &J| match value {
        J::Null => Ok(String::new()),
        J::Str(text) => Ok(quote(text)),
        J::Arr(_) | J::Obj(_) => Err(format!("{} is not a cell", value.shown())),
        other => Ok(plain(other)),
    };
    let cells: Result<Vec<String>, String> = list.inner.iter().map(cell).collect();
    Ok(cells?.join(between))
}

pub(super) fn encode(bytes: &[u8]) -> String {
    crate::base64::encode(bytes)
}

fn decode(text: &str) -> Result<String, String> {
    let bytes = crate::base64::decode(text).ok_or_else(|| "this is no base64".to_owned())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
