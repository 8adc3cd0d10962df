//! Reading a value of a JSON text by path (gjson's syntax), within bounds.
//! Does not write: `dest` does.
//!
//! The paths are evaluated by the crate of gjson's author. It gets texts only that were parsed before, and paths of
//! bounded length: so it cannot be led outside its input.

mod wild;

use serde::de::IgnoredAny;

/// Most bytes of a path. The crate's time grows faster than the length: 1,955 bytes of nested selectors took it 0.3 s.
pub const PATH_LIMIT: usize = 1024;
/// Most bytes of a payload that paths, templates, filters and transforms work on.
pub const PAYLOAD_LIMIT: usize = 16 << 20;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Null.
    Null,
    /// False or true.
    Bool,
    /// A number.
    Number,
    /// Text.
    Text,
    /// A list or a map.
    Json,
}

/// A value that a path found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Its JSON text exactly as in the payload.
    pub raw: String,
    /// Text without quotes and escapes; everything else as its JSON text.
    pub text: String,
}

/// A JSON text that was checked.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a>(&'a str);

impl<'a> Payload<'a> {
    /// Checks a text.
    ///
    /// # Errors
    /// Why it is not JSON, or that it is too long or nests deeper than 128 levels.
    pub fn new(text: &'a str) -> Result<Self, String> {
        if text.len() > PAYLOAD_LIMIT {
            return Err(format!("the payload has {} bytes, more than {PAYLOAD_LIMIT}", text.len()));
        }
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.0
    }

    /// The value at a path; none when there is nothing, or when its wildcards would take too long on these texts.
    #[must_use]
    pub fn get(self, path: &str) -> Option<Found> {
        if check(path).is_err() || wild::too_wild(path, self.0) {
            return None;
        }
        let value = gjson::get(self.0, path);
        if !value.exists() {
            return None;
        }
        let raw = value.json().to_owned();
        let (kind, text) = match value.kind() {
            gjson::Kind::Null => (Kind::Null, String::new()),
            gjson::Kind::False | gjson::Kind::True => (Kind::Bool, raw.clone()),
            gjson::Kind::Number => (Kind::Number, number_text(&raw)),
            gjson::Kind::String => (Kind::Text, value.str().to_owned()),
            gjson::Kind::Array | gjson::Kind::Object => (Kind::Json, raw.clone()),
        };
        Some(Found { kind, raw, text })
    }
}

/// A number as gjson prints it: digits stay as they are written, everything else in the shortest form without exponent.
fn number_text(raw: &str) -> String {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return raw.to_owned();
    }
    raw.parse::<f64>().map_or_else(|_| raw.to_owned(), |number| number.to_string())
}

impl Found {
    /// The value as a boolean, as gjson's `Bool()`: text by what it says, numbers unless they are zero.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self.kind {
            Kind::Bool => self.raw == "true",
            Kind::Text => parse_bool(&self.text.to_lowercase()).unwrap_or(false),
            Kind::Number => self.number() != 0.0,
            Kind::Null | Kind::Json => false,
        }
    }

    /// The value as a number, as gjson's `Float()`: 1 for true, 0 for what is no number.
    #[must_use]
    pub fn number(&self) -> f64 {
        match self.kind {
            Kind::Bool => f64::from(u8::from(self.raw == "true")),
            Kind::Number => self.raw.parse().unwrap_or(0.0),
            Kind::Text => self.text.parse().unwrap_or(0.0),
            Kind::Null | Kind::Json => 0.0,
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.raw).unwrap_or(serde_json::Value::Null)
    }
}

/// Go's `strconv.ParseBool`.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Whether a path is within bounds.
///
/// # Errors
/// A sentence for people.
pub fn check(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    if path.len() > PATH_LIMIT {
        return Err(format!("the path has {} bytes, more than {PATH_LIMIT}", path.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{Kind, Payload};

    const DOC: &str = r#"{"a": {"k.d": 5}, "l": [ {"n":"x","v":[1, 2]}, {"n":"y","v":[3]} ], "f": 1.50, "z": null, "e": ""}"#;

    fn raw(path: &str) -> Option<String> {
        Payload::new(DOC).unwrap().get(path).map(|found| found.raw)
    }

    #[test]
    fn paths_find_what_gjson_finds() {
        assert_eq!(raw("l.0.n").as_deref(), Some("\"x\""));
        assert_eq!(raw("l.#").as_deref(), Some("2"));
        assert_eq!(raw("l.#.n").as_deref(), Some(r#"["x","y"]"#));
        assert_eq!(raw(r#"l.#(n=="y").v"#).as_deref(), Some("[3]"));
        assert_eq!(raw("l.#.v|@flatten").as_deref(), Some("[1, 2,3]"));
        assert_eq!(raw(r"a.k\.d").as_deref(), Some("5"));
        assert_eq!(raw("[f,e]").as_deref(), Some(r#"[1.50,""]"#));
        assert_eq!(raw("l.0.v").as_deref(), Some("[1, 2]"), "blanks stay as they are");
        assert_eq!(raw("nothing"), None);
        assert_eq!(raw(""), None);
    }

    #[test]
    fn values_convert_as_in_go() {
        let get = |path: &str| Payload::new(DOC).unwrap().get(path).unwrap();
        assert_eq!(get("f").text, "1.5");
        assert_eq!((get("z").kind, get("z").text), (Kind::Null, String::new()));
        assert!((get("f").number() - 1.5).abs() < f64::EPSILON);
        assert!(!get("e").truth());
    }

    #[test]
    fn f57_a_path_that_could_take_long_is_refused() {
        assert!(super::check(&"a".repeat(super::PATH_LIMIT)).is_ok());
        assert!(super::check(&"a".repeat(super::PATH_LIMIT + 1)).unwrap_err().contains("1025 bytes"));
        assert!(Payload::new(DOC).unwrap().get(&".[{}]".repeat(400)).is_none());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(Payload::new("{").is_err());
        assert!(Payload::new(&"[".repeat(100_000)).is_err());
    }
}
