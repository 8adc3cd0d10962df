//! Writing a value into JSON by path (sjson's syntax): where the parameters of triggers go.
//! Does not read by path beyond what conditions in a path need.

use serde_json::{Map, Value};

use crate::path::{self, Payload};

/// Furthest element that a path may create in a list: the gap is filled with nulls.
pub const INDEX_LIMIT: usize = 10_000;
/// Most parts of a path.
const PARTS_LIMIT: usize = 64;

#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// A key, or an index of a list.
    Name(String),
    /// A key even if it is a number (`:1`).
    Key(String),
    /// A key with `*` and `?`.
    Pattern(String),
    /// `#(…)`: the first element that fits, or (`#(…)#`) every one.
    Query(String, bool),
}

/// Sets the value at a path. Missing maps and lists are created; `-1` appends to a list. A path with a condition or a
/// wildcard replaces what exists and creates nothing.
///
/// # Errors
/// A sentence for people: no path, a name where a list needs a number, a number far beyond the list, `@` and `|`.
pub fn set(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    path::check(path)?;
    let parts = parse(path)?;
    let simple = parts.iter().all(|part| matches!(part, Part::Name(_) | Part::Key(_)));
    if simple {
        put(target, &parts, value, path)
    } else {
        replace(target, &parts, &value);
        Ok(())
    }
}

fn parse(path: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = path;
    loop {
        let (part, behind) = if rest.starts_with("#(") { query(rest, path)? } else { name(rest, path)? };
        parts.push(part);
        if parts.len() > PARTS_LIMIT {
            return Err(format!("the path has more than {PARTS_LIMIT} parts"));
        }
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(parts),
        }
    }
}

/// A part up to the next dot, without its escapes.
fn name<'a>(text: &'a str, path: &str) -> Result<(Part, Option<&'a str>), String> {
    let (forced, text) = match text.strip_prefix(':') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut out = String::new();
    let mut pattern = false;
    let mut behind = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                if let Some((_, next)) = chars.next() {
                    out.push(next);
                }
            }
            '.' => {
                behind = text.get(at + 1..);
                break;
            }
            '*' | '?' => {
                pattern = true;
                out.push(c);
            }
            '|' | '@' | '#' if !forced => {
                return Err(format!("`{c}` in `{path}` reads only: a value cannot be put there"));
            }
            c => out.push(c),
        }
    }
    let part = if forced {
        Part::Key(out)
    } else if pattern {
        Part::Pattern(out)
    } else {
        Part::Name(out)
    };
    Ok((part, behind))
}

/// `#(…)` or `#(…)#` with what follows.
fn query<'a>(text: &'a str, path: &str) -> Result<(Part, Option<&'a str>), String> {
    let unclosed = || format!("`#(` in `{path}` is not closed");
    let inside = text.get(2..).ok_or_else(unclosed)?;
    let (mut depth, mut quoted, mut escaped) = (1_usize, false, false);
    for (at, c) in inside.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match c {
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let condition = inside.get(..at).unwrap_or_default().to_owned();
            let behind = inside.get(at + 1..).unwrap_or_default();
            let (all, behind) = match behind.strip_prefix('#') {
                Some(behind) => (true, behind),
                None => (false, behind),
            };
            let behind = match behind.strip_prefix('.') {
                Some(behind) => Some(behind),
                None if behind.is_empty() => None,
                None => return Err(format!("after `#({condition})` in `{path}` comes a dot or nothing")),
            };
            return Ok((Part::Query(condition, all), behind));
        }
    }
    Err(unclosed())
}

fn put(target: &mut Value, parts: &[Part], value: Value, path: &str) -> Result<(), String> {
    let Some((first, rest)) = parts.split_first() else {
        *target = value;
        return Ok(());
    };
    let (name, number) = match first {
        Part::Name(name) => (name, index(name)),
        Part::Key(name) | Part::Pattern(name) | Part::Query(name, _) => (name, None),
    };
    if !target.is_object() && !target.is_array() {
        *target = if number.is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    match target {
        Value::Array(list) => {
            let at = match number {
                Some(Index::At(at)) => at,
                Some(Index::Append) => list.len(),
                None => return Err(format!("`{name}` in `{path}`: an element of a list needs a number")),
            };
            if at >= list.len() {
                if at - list.len() > INDEX_LIMIT {
                    return Err(format!(
                        "`{name}` in `{path}` is more than {INDEX_LIMIT} elements behind the list"
                    ));
                }
                list.resize(at + 1, Value::Null);
            }
            match list.get_mut(at) {
                Some(slot) => put(slot, rest, value, path),
                None => Ok(()),
            }
        }
        Value::Object(map) => put(map.entry(name.clone()).or_insert(Value::Null), rest, value, path),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

enum Index {
    At(usize),
    Append,
}

fn index(name: &str) -> Option<Index> {
    if name == "-1" {
        return Some(Index::Append);
    }
    let digits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| Index::At(name.parse().unwrap_or(usize::MAX)))
}

/// Replaces every value that the path fits; false when it fits nothing.
fn replace(target: &mut Value, parts: &[Part], value: &Value) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        *target = value.clone();
        return true;
    };
    match (first, target) {
        (Part::Query(condition, all), Value::Array(list)) => {
            let mut found = false;
            for element in list.iter_mut().filter(|element| fits(element, condition)) {
                found |= replace(element, rest, value);
                if !all {
                    return found;
                }
            }
            found
        }
        (Part::Pattern(pattern), Value::Object(map)) => {
            let slot = map.iter_mut().find(|(key, _)| wildcard(pattern, key));
            slot.is_some_and(|(_, slot)| replace(slot, rest, value))
        }
        (Part::Name(name) | Part::Key(name), Value::Object(map)) => match map.get_mut(name) {
            Some(slot) => replace(slot, rest, value),

            None => false,
        },
        (Part::Name(name), Value::Array(list)) => match index(name) {
            Some(Index::At(at)) => list.get_mut(at).is_some_and(|slot| replace(slot, rest, value)),
            Some(Index::Append) | None => false,
        },
        _ => false,
    }
}

/// Whether an element fits the condition of `#(…)`: gjson itself says so.
fn fits(element: &Value, condition: &str) -> bool {
    let text = format!("[{element}]");
    Payload::new(&text).is_ok_and(|list| list.get(&format!("#({condition})")).is_some())
}

/// `*` for any text and `?` for one character, in linear time and space.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use super::{set, wildcard};

    fn with(mut target: Value, path: &str, value: Value) -> Value {
        set(&mut target, path, value).unwrap();
        target
    }

    #[test]
    fn paths_write_as_sjson_does() {
        assert_eq!(with(json!({}), "a.b", json!(1)), json!({"a": {"b": 1}}));
        assert_eq!(with(json!({"a": [1]}), "a.2", json!(3)), json!({"a": [1, null, 3]}));
        assert_eq!(with(json!({"to": ["x"]}), "to.-1", json!("y")), json!({"to": ["x", "y"]}));
        assert_eq!(with(Value::Null, "0.n", json!("y")), json!([{"n": "y"}]));
        assert_eq!(with(json!({}), ":0", json!("y")), json!({"0": "y"}));
        assert_eq!(with(json!({"a": "text"}), "a.b", json!(1)), json!({"a": {"b": 1}}));
        assert_eq!(with(json!({}), r"a\.b", json!(1)), json!({"a.b": 1}));
        assert_eq!(with(json!({"a": {"0": 1}}), "a.0", json!(2)), json!({"a": {"0": 2}}));
    }

    #[test]
    fn conditions_replace_and_create_nothing() {
        let list = json!({"p": [{"name": "a", "value": 1}, {"name": "b", "value": 2}]});
        let out = with(list.clone(), r#"p.#(name=="b").value"#, json!(9));
        assert_eq!(out, json!({"p": [{"name": "a", "value": 1}, {"name": "b", "value": 9}]}));
        assert_eq!(with(list.clone(), r#"p.#(name=="c").value"#, json!(9)), list);
        let out = with(list, r#"p.#(name!="c")#.value"#, json!(0));
        assert_eq!(out, json!({"p": [{"name": "a", "value": 0}, {"name": "b", "value": 0}]}));
        assert_eq!(with(json!({"abc": 1}), "a*", json!(2)), json!({"abc": 2}));
    }

    #[test]
    fn impossible_paths_are_refused() {
        for path in ["", "a.99999999999", "a.b", "a|b", "a.@keys", "a.#(x"] {
            assert!(set(&mut json!({"a": [1]}), path, json!(1)).is_err(), "{path}");
        }
    }

    #[test]
    fn wildcards_end_in_time() {
        assert!(wildcard("a*c?", "abbbcd"));
        assert!(!wildcard("a*c?", "abbbc"));
        assert!(!wildcard(&"*a".repeat(500), &"a".repeat(400)));
    }
}
