//! `test`, `match`, `capture`, `scan`, `sub` and `gsub`: regular expressions in linear time.
//! Look-around and back references of the original are not there: they cannot be bounded.

use regex::RegexBuilder;

use super::builtins::fields;
use super::value::J;

/// Most matches of one text.
const MATCHES: usize = 100_000;

/// Pattern and flags, which may come together as a list.
pub(super) fn arguments(pattern: &J, flags: &str) -> Result<(String, String), String> {
    let text = |value: &J| {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("{} is not a string", value.shown()))
    };
    match pattern {
        J::Arr(both) => {
            let pattern = both.inner.first().map(text).ok_or("the pattern is missing")??;
            let more = both.inner.get(1).and_then(J::as_str).unwrap_or_default();
            Ok((pattern, format!("{flags}{more}")))
        }
        other => Ok((text(other)?, flags.to_owned())),
    }
}

/// The matches as jq describes them: offset and length in characters, text, captures.
pub(super) fn matches(text: &str, pattern: &str, flags: &str) -> Result<Vec<J>, String> {
    let mut builder = RegexBuilder::new(pattern);
    let mut all = false;
    let mut not_empty = false;
    for flag in flags.chars() {
        match flag {
            'g' => all = true,
            'i' => drop(builder.case_insensitive(true)),
            'x' => drop(builder.ignore_whitespace(true)),
            's' => drop(builder.dot_matches_new_line(true)),
            'n' => not_empty = true,
            'l' | 'p' => {}
            other => return Err(format!("`{other}` is not a flag of regular expressions")),
        }
    }
    let regex = builder.build().map_err(|error| error.to_string())?;
    let names: Vec<Option<&str>> = regex.capture_names().collect();
    let mut out = Vec::new();
    for found in regex.captures_iter(text).take(if all { MATCHES } else { 1 }) {
        let Some(whole) = found.get(0) else { continue };
        if not_empty && whole.is_empty() {
            continue;
        }
        let captures: Result<Vec<J>, String> = (1..found.len())
            .map(|i| {
                let name = names.get(i).copied().flatten().map_or(J::Null, J::str);
                let (offset, length, string) = match found.get(i) {
                    Some(part) => {
                        (characters(text, part.start()), count(part.as_str()), J::str(part.as_str()))
                    }
                    None => (J::Int(-1), J::Int(0), J::Null),
                };
                fields(vec![("offset", offset), ("length", length), ("string", string), ("name", name)])
            })
            .collect();
        out.push(fields(vec![
            ("offset", characters(text, whole.start())),
            ("length", count(whole.as_str())),
            ("string", J::str(whole.as_str())),
            ("captures", J::list(captures?)?),
        ])?);
    }
    Ok(out)
}

fn characters(text: &str, offset: usize) -> J {
    count(text.get(..offset).unwrap_or_default())
}

fn count(text: &str) -> J {
    J::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
}

fn field(value: &J, name: &str) -> J {
    match value {
        J::Obj(map) => map.inner.get(name).cloned().unwrap_or(J::Null),
        _ => J::Null,
    }
}

/// The bytes of a match.
pub(super) fn range(text: &str, found: &J) -> (usize, usize) {
    let number = |name: &str| field(found, name).as_i64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let byte = |characters: usize| text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let from = number("offset");
    (byte(from), byte(from + number("length")))
}

/// The named captures of a match.
pub(super) fn captured(found: &J) -> Result<J, String> {
    let J::Arr(captures) = field(found, "captures") else { return fields(Vec::new()) };
    let named = captures.inner.iter().filter_map(|capture| match field(capture, "name") {
        J::Str(name) => Some((name, field(capture, "string"))),
        _ => None,
    });
    J::map(named.collect())
}

/// The captures of a match as a list, or its text when there are none.
pub(super) fn scanned(found: &J) -> Result<J, String> {
    match field(found, "captures") {
        J::Arr(captures) if !captures.inner.is_empty() => {
            J::list(captures.inner.iter().map(|capture| field(capture, "string")).collect())
        }
        _ => Ok(field(found, "string")),
    }
}
