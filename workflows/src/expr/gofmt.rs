//! Text of values as Go writes it: `encoding/json` and the `%v` of `fmt`.
//! It parses nothing back.

use std::fmt::Write as _;

use super::error::ExprError;
use super::fuel::Fuel;
use super::val::Val;
use super::{Value, limits};

/// The text a value leaves in a template: a string bare, everything else as compact JSON with sorted
/// keys, as Go marshals it.
pub fn bare_text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => json_text(other),
    }
}

/// Compact JSON as Go's `json.Marshal` writes it: sorted keys, `<`, `>`, `&` and the two Unicode line
/// separators escaped, whole floats without a fraction.
pub fn json_text(value: &Value) -> String {
    let mut out = String::new();
    write_json(value, None, 0, &mut out);
    out
}

/// Indented by two spaces, as Go's `json.MarshalIndent`; `escape` as in [`json_text`].
pub(crate) fn json_pretty(value: &Value) -> String {
    let mut out = String::new();
    write_json(value, Some("  "), 0, &mut out);
    out
}

fn write_json(value: &Value, indent: Option<&str>, depth: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => match n.as_i64() {
            Some(int) => push(out, format_args!("{int}")),
            None => match n.as_u64() {
                Some(int) => push(out, format_args!("{int}")),
                None => out.push_str(&json_float(n.as_f64().unwrap_or(0.0))),
            },
        },
        Value::String(s) => write_string(s, out),
        Value::Array(items) => {
            write_items(('[', ']'), items.iter().map(|v| (None, v)), indent, depth, out);
        }
        Value::Object(map) => {
            let items = map.iter().map(|(k, v)| (Some(k.as_str()), v));
            write_items(('{', '}'), items, indent, depth, out);
        }
    }
}

fn write_items<'a>(
    (open, close): (char, char),
    items: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    indent: Option<&str>,
    depth: usize,
    out: &mut String,
) {
    out.push(open);
    let mut first = true;
    for (key, item) in items {
        if !first {
            out.push(',');
        }
        first = false;
        newline(indent, depth + 1, out);
        if let Some(key) = key {
            write_string(key, out);
            out.push_str(if indent.is_some() { ": " } else { ":" });
        }
        write_json(item, indent, depth + 1, out);
    }
    if !first {
        newline(indent, depth, out);
    }
    out.push(close);
}

fn newline(indent: Option<&str>, depth: usize, out: &mut String) {
    if let Some(indent) = indent {
        out.push('\n');
        for _ in 0..depth {
            out.push_str(indent);
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push(out, format_args!("\\u{:04x}", c as u32)),
            c if (c as u32) < 0x20 => push(out, format_args!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A text in double quotes with Go's escapes (`strconv.Quote`).
pub(crate) fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => push(&mut out, format_args!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn push(out: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(args);
}

/// A float as Go's JSON encoder writes it: exponents below 1e-6 and from 1e21.
pub(crate) fn json_float(f: f64) -> String {
    let abs = f.abs();
    if abs != 0.0 && !(1e-6..1e21).contains(&abs) { exponent(f, false) } else { format!("{f}") }
}

/// A float as Go's `%v` writes it: exponents below 1e-4 and from 1e6, as `strconv` does for the
/// shortest form (`1e+06`).
pub(crate) fn v_float(f: f64) -> String {
    if f.is_nan() {
        return "NaN".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let abs = f.abs();
    if abs != 0.0 && !(1e-4..1e6).contains(&abs) { exponent(f, true) } else { format!("{f}") }
}

fn exponent(f: f64, two_digits: bool) -> String {
    let text = format!("{f:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    let pad = if two_digits && digits.len() < 2 { "0" } else { "" };
    format!("{mantissa}e{sign}{pad}{digits}")
}

/// A value as Go's `%v` writes it (`[a b]`, `map[k:v]`), charged to the fuel.
pub(crate) fn v_text(value: &Val, fuel: &mut Fuel) -> Result<String, ExprError> {
    let mut out = String::new();
    write_v(value, fuel, 0, &mut out)?;
    Ok(out)
}

fn write_v(value: &Val, fuel: &mut Fuel, depth: usize, out: &mut String) -> Result<(), ExprError> {
    if depth > limits::MAX_VALUE_DEPTH {
        return Err(ExprError::fuel("a value nests too deep"));
    }
    fuel.alloc(8)?;
    match value {
        Val::Nil => out.push_str("<nil>"),
        Val::Bool(b) => push(out, format_args!("{b}")),
        Val::Int(n) => push(out, format_args!("{n}")),
        Val::Float(f) => out.push_str(&v_float(*f)),
        Val::Str(s) => {
            fuel.alloc(s.len() as u64)?;
            out.push_str(s);
        }
        Val::Time(t) => out.push_str(&super::gotime::default_text(t)),
        Val::Duration(d) => out.push_str(&super::gotime::duration_text(*d)),
        Val::Scope(name) => out.push_str(name),
        Val::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                write_v(item, fuel, depth + 1, out)?;
            }
            out.push(']');
        }
        Val::Map(map) => {
            out.push_str("map[");
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                fuel.alloc(key.len() as u64)?;
                push(out, format_args!("{key}:"));
                write_v(item, fuel, depth + 1, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}
