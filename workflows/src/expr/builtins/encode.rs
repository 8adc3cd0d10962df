//! JSON, base64 and JSONPath functions.
//! Formatting of JSON text is in `gofmt.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Call, Entry};
use crate::expr::error::ExprError;
use crate::expr::fuel::Fuel;
use crate::expr::val::Val;
use crate::expr::{Value, gofmt, jsonpath};

pub(super) const FUNCTIONS: &[Entry] = &[
    ("toJSON", 1, 1, |c| {
        let json = json(c, 0)?;
        let text = gofmt::json_pretty(&json);
        c.text(text)
    }),
    ("toJson", 1, 1, |c| {
        let json = json(c, 0)?;
        let text = gofmt::json_text(&json);
        c.text(text)
    }),
    ("fromJSON", 1, 1, |c| {
        let text = c.str(0)?;
        parse(c, &text)
    }),
    ("toBase64", 1, 1, |c| {
        let text = c.str(0)?;
        c.text(STANDARD.encode(text.as_bytes()))
    }),
    ("fromBase64", 1, 1, |c| {
        let text = c.str(0)?;
        let bytes =
            STANDARD.decode(text.as_bytes()).map_err(|e| ExprError::value(format!("fromBase64: {e}")))?;
        c.text(String::from_utf8_lossy(&bytes))
    }),
    ("jsonpath", 2, 2, |c| {
        let path = c.str(1)?;
        let document = match c.arg(0) {
            Val::Str(text) => parse_json("jsonpath", &text, c.fuel())?,
            Val::Map(_) | Val::List(_) => json(c, 0)?,
            _ => return Err(c.wrong(0, "a string of JSON")),
        };
        jsonpath::query(&document, &path, c.fuel())
    }),
];

pub(crate) fn json(c: &mut Call<'_, '_>, i: usize) -> Result<Value, ExprError> {
    let value = c.arg(i);
    let json = value.to_json(c.fuel())?;
    Ok(json)
}

pub(crate) fn parse(c: &mut Call<'_, '_>, text: &str) -> Result<Val, ExprError> {
    let name = c.name.to_owned();
    let value = parse_json(&name, text, c.fuel())?;
    floats(&value, c.fuel())
}

/// JSON text as a value; the parser bounds the depth, the fuel the size.
pub(crate) fn parse_json(name: &str, text: &str, fuel: &mut Fuel) -> Result<Value, ExprError> {
    // A JSON value takes up to about 30 times its text ("[0,0,...").
    fuel.alloc((text.len() as u64).saturating_mul(4))?;
    serde_json::from_str(text).map_err(|e| {
        let short = super::numbers::quoted(text);
        ExprError::value(format!("{name}: {short} is not JSON: {e}"))
    })
}

/// As Go decodes JSON: every number that a float holds exactly is a float.
pub(crate) fn floats(value: &Value, fuel: &mut Fuel) -> Result<Val, ExprError> {
    fn walk(value: Val) -> Val {
        match value {
            #[expect(clippy::cast_precision_loss, reason = "checked to be exact")]
            Val::Int(n) if n.unsigned_abs() <= 1 << 53 => Val::Float(n as f64),
            Val::List(items) => Val::list(items.iter().cloned().map(walk).collect()),
            Val::Map(map) => Val::map(map.iter().map(|(k, v)| (k.clone(), walk(v.clone()))).collect()),
            other => other,
        }
    }
    let value = Val::from_json(value, fuel)?;
    Ok(walk(value))
}
