//! What a plain scalar stands for: YAML as Kubernetes reads it (YAML 1.1 booleans and octal numbers).
//! Does not parse YAML syntax.
//!
//! The rules are those of Go's `sigs.k8s.io/yaml`, which reads every Argo manifest: `yes`, `on`, `y` are
//! booleans, `0644` is octal, `1_000` is a thousand, dates are text.

use super::tree::ScalarKind;

/// What an unquoted scalar stands for.
pub(super) fn resolve_plain(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarKind::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return ScalarKind::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return ScalarKind::Bool(false);
        }
        _ => {}
    }
    let number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    if number && text.len() <= 400 { resolve_number(text) } else { ScalarKind::Text }
}

/// A scalar with an explicit tag of the core schema (`!!str`, `!!int`, …).
pub(super) fn resolve_tagged(suffix: &str, text: &str) -> Result<ScalarKind, String> {
    let plain = resolve_plain(text);
    let fits = match (suffix, plain) {
        ("str" | "binary" | "timestamp", _) => return Ok(ScalarKind::Text),
        ("float", ScalarKind::Int(n)) => {
            #[expect(clippy::cast_precision_loss, reason = "the author asked for a float")]
            return Ok(ScalarKind::Float(n as f64));
        }
        ("null", ScalarKind::Null) | ("bool", ScalarKind::Bool(_)) | ("float", ScalarKind::Float(_)) => true,
        ("int", ScalarKind::Int(_) | ScalarKind::UInt(_)) => true,
        _ => false,
    };
    if fits { Ok(plain) } else { Err(format!("`{text}` is not a {suffix}")) }
}

fn resolve_number(text: &str) -> ScalarKind {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    if let Some(integer) = parse_integer(&plain) {
        return match (i64::try_from(integer), u64::try_from(integer)) {
            (Ok(n), _) => ScalarKind::Int(n),
            (Err(_), Ok(n)) => ScalarKind::UInt(n),
            #[expect(clippy::cast_precision_loss, reason = "beyond 64 bits only a float is left")]
            (Err(_), Err(_)) => ScalarKind::Float(integer as f64),
        };
    }
    if is_decimal_float(&plain)
        && let Ok(float) = plain.parse::<f64>()
        && float.is_finite()
    {
        return ScalarKind::Float(float);
    }
    ScalarKind::Text
}

/// An integer in Go's base-0 syntax: `0x`, `0o`, `0b`, and a leading `0` for octal.
fn parse_integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..)?),
        Some(b'+') => (false, text.get(1..)?),
        _ => (false, text),
    };
    let prefix = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (radix, digits) = match prefix.as_str() {
        "0x" => (16, digits.get(2..)?),
        "0o" => (8, digits.get(2..)?),
        "0b" => (2, digits.get(2..)?),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal_float(text: &str) -> bool {
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::super::tree::ScalarKind::{Bool, Float, Int, Null, Text, UInt};
    use super::{resolve_plain, resolve_tagged};

    #[test]
    fn plain_scalars_resolve_as_kubernetes_does() {
        let table = [
            ("", Null),
            ("~", Null),
            ("null", Null),
            ("yes", Bool(true)),
            ("on", Bool(true)),
            ("y", Bool(true)),
            ("Off", Bool(false)),
            ("tRue", Text),
            ("1", Int(1)),
            ("-7", Int(-7)),
            ("+3", Int(3)),
            ("0644", Int(420)),
            ("0o17", Int(15)),
            ("0x1F", Int(31)),
            ("0b101", Int(5)),
            ("1_000", Int(1000)),
            ("08", Float(8.0)),
            ("1.5", Float(1.5)),
            (".5", Float(0.5)),
            ("1.", Float(1.0)),
            ("1e3", Float(1000.0)),
            ("1e", Text),
            ("-", Text),
            ("--", Text),
            (".", Text),
            ("1.2.3", Text),
            ("2020-01-02", Text),
            ("10Mi", Text),
            ("18446744073709551615", UInt(u64::MAX)),
            ("0x", Text),
            ("1s", Text),
            ("+", Text),
        ];
        for (text, want) in table {
            assert_eq!(resolve_plain(text), want, "{text:?}");
        }
    }

    #[test]
    fn core_tags_are_obeyed_or_refused() {
        assert_eq!(resolve_tagged("str", "123"), Ok(Text));
        assert_eq!(resolve_tagged("float", "2"), Ok(Float(2.0)));
        assert!(resolve_tagged("int", "abc").is_err());
    }
}
