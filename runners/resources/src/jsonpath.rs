//! kubectl's JSONPath templates: text with `{paths}`, as in `-o jsonpath=…`.
//! Finding values is done by the JSONPath of expressions; this file knows the template around it and how values are shown.

use runner_workflows::expr::{ExprErrorKind, Fuel, query_json_path};
use serde_json::Value;

/// Renders a template over an object. A field that is not there is empty, as kubectl has it.
///
/// # Errors
/// A sentence for people: the template is not one.
pub(crate) fn render(template: &str, object: &Value) -> Result<String, String> {
    let mut fuel = Fuel::default();
    let pieces = pieces(template)?;
    let mut out = String::new();
    part(&pieces, object, &mut out, &mut fuel)?;
    Ok(out)
}

/// Whether a template can be read.
///
/// # Errors
/// As [`render`].
pub(crate) fn check(template: &str) -> Result<(), String> {
    pieces(template).map(|_| ())
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Path(String),
    Range(String, Vec<Self>),
}

fn part(pieces: &[Piece], object: &Value, out: &mut String, fuel: &mut Fuel) -> Result<(), String> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Path(path) => {
                let shown: Vec<String> = find(path, object, fuel)?.iter().map(show).collect();
                out.push_str(&shown.join(" "));
            }
            Piece::Range(path, inner) => {
                for item in find(path, object, fuel)? {
                    part(inner, &item, out, fuel)?;
                }
            }
        }
    }
    Ok(())
}

fn find(path: &str, object: &Value, fuel: &mut Fuel) -> Result<Vec<Value>, String> {
    let found = match query_json_path(object, path, fuel) {
        Ok(found) => found,
        Err(error) if error.kind == ExprErrorKind::Value => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    Ok(match found {
        Value::Array(items) if several(path) => items,
        one => vec![one],
    })
}

/// The path can have more than one hit.
fn several(path: &str) -> bool {
    let mut quoted = None;
    let mut bracket = false;
    let mut before = ' ';
    for c in path.chars() {
        match (quoted, c) {
            (Some(open), _) => {
                if c == open {
                    quoted = None;
                }
            }
            (None, '\'' | '"') => quoted = Some(c),
            (None, '[') => bracket = true,
            (None, ']') => bracket = false,
            (None, '*' | '?') => return true,
            (None, '.') if before == '.' => return true,
            (None, ',' | ':') if bracket => return true,
            (None, _) => {}
        }
        before = c;
    }
    false
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    // The pieces of each range that is open, with its path.
    let mut open: Vec<(Option<String>, Vec<Piece>)> = vec![(None, Vec::new())];
    let mut rest = template;
    while !rest.is_empty() {
        let Some(at) = rest.find('{') else {
            add(&mut open, Piece::Text(rest.to_owned()));
            break;
        };
        if at > 0 {
            add(&mut open, Piece::Text(rest[..at].to_owned()));
        }
        let end = close(&rest[at + 1..]).ok_or_else(|| format!("unclosed action in {template:?}"))?;
        let inner = rest[at + 1..at + 1 + end].trim();
        rest = &rest[at + 2 + end..];
        if let Some(text) = inner.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            add(&mut open, Piece::Text(unescape(text)));
        } else if let Some(path) = inner.strip_prefix("range ") {
            open.push((Some(normal(path.trim())), Vec::new()));
        } else if inner == "end" {
            match open.pop() {
                Some((Some(path), inner)) if !open.is_empty() => add(&mut open, Piece::Range(path, inner)),
                _other => return Err(format!("{{end}} without {{range}} in {template:?}")),
            }
        } else {
            add(&mut open, Piece::Path(normal(inner)));
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some((None, pieces)), true) => Ok(pieces),
        _other => Err(format!("{{range}} without {{end}} in {template:?}")),
    }
}

fn add(open: &mut [(Option<String>, Vec<Piece>)], piece: Piece) {
    if let Some((_, pieces)) = open.last_mut() {
        pieces.push(piece);
    }
}

/// Where the closing brace is: not one in quotes.
fn close(text: &str) -> Option<usize> {
    let mut quoted = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quoted {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quoted = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quoted = Some(c),
            None if c == '}' => return Some(at),
            None => {}
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (plain, false) => out.push(plain),
        }
    }
    out
}

/// kubectl's path as JSONPath: `$` in front, and keys with escaped dots in brackets.
fn normal(path: &str) -> String {
    let body = path.strip_prefix(['$', '@']).unwrap_or(path);
    let body =
        if body.is_empty() || body.starts_with(['.', '[']) { body.to_owned() } else { format!(".{body}") };
    let mut out = "$".to_owned();
    let mut chars = body.chars().peekable();
    let mut depth = 0_usize;
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                let mut key = String::new();
                let mut odd = false;
                while let Some(next) = chars.next_if(|next| !matches!(next, '.' | '[')) {
                    match next {
                        '\\' => {
                            odd = true;
                            key.extend(chars.next());
                        }
                        other => {
                            odd |= !(other.is_alphanumeric() || matches!(other, '_' | '*'));
                            key.push(other);
                        }
                    }
                }
                if odd {
                    out.pop();
                    out.push_str(&format!("['{}']", key.replace('\'', "\\'")));
                } else {
                    out.push_str(&key);
                }
            }
            _other => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_show_what_kubectl_shows() {
        let object = json!({
            "metadata": {"name": "x", "annotations": {"a.b/c": "d"}},
            "spec": {"list": ["p", "q"], "n": 3, "map": {"k": "v"}},
            "status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        for (template, shown) in [
            ("{.metadata.name}", "x"),
            ("{ .metadata.name }", "x"),
            ("{$.metadata.name}", "x"),
            (".metadata.name", ".metadata.name"),
            ("n={.spec.n}{\"\\n\"}", "n=3\n"),
            ("{.spec.list}", "[\"p\",\"q\"]"),
            ("{.spec.list[*]}", "p q"),
            ("{.spec.list[1]}", "q"),
            ("{.spec.map}", "{\"k\":\"v\"}"),
            ("{.metadata.annotations.a\\.b/c}", "d"),
            ("{.metadata.annotations['a.b/c']}", "d"),
            ("{.status.conditions[?(@.type==\"Ready\")].status}", "True"),
            ("{range .status.conditions[*]}{.type}={.status};{end}", "A=False;Ready=True;"),
            ("{.spec.gone.further}", ""),
            ("", ""),
        ] {
            assert_eq!(render(template, &object).unwrap(), shown, "{template}");
        }
    }

    #[test]
    fn broken_templates_are_refused() {
        for template in ["{.a", "{range .a}", "{end}", "{.a[}"] {
            assert!(render(template, &json!({})).is_err(), "{template}");
        }
    }
}
