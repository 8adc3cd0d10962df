//! From the text of a manifest to objects.
//! Does not know what the objects mean.

use runner_workflows::parse::{Limits, from_node, parse_trees};
use serde_json::Value;

use crate::{Problem, Result};

/// The documents of a manifest; empty ones are left out.
///
/// # Errors
/// The text is not YAML.
pub(crate) fn read(text: &str) -> Result<Vec<Value>> {
    let (documents, problems) = parse_trees("manifest", text, Limits::default());
    let wrong = |message: &str, line: Option<usize>| {
        let at = line.map(|line| format!("line {line} of ")).unwrap_or_default();
        Problem::Input(format!("{at}the manifest: {message}"))
    };
    if let Some(first) = problems.iter().find(|problem| problem.is_error()) {
        return Err(wrong(&first.message, first.span.as_ref().map(|span| span.line_column().0)));
    }
    let mut objects = Vec::new();
    for document in &documents {
        let (value, problems) = from_node::<Value>(document.source(), document.root());
        match value {
            Some(Value::Null) => {}
            Some(value) => objects.push(value),
            None => {
                let why = problems.first().map_or("it cannot be read", |problem| problem.message.as_ref());
                return Err(wrong(why, None));
            }
        }
    }
    Ok(objects)
}

/// `kind/name` of an object, for people.
pub(crate) fn label(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&object["kind"]).to_ascii_lowercase(), text(&object["metadata"]["name"]))
}

/// A text field, when it is there and not empty.
pub(crate) fn field<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    let found = path.iter().try_fold(object, |value, key| value.get(key))?;
    found.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn documents_become_objects_and_keep_their_types() {
        let found = read("a: 1\nb: 'yes'\nc: true\n---\n\n---\nx: [1.5, null]\n").unwrap();
        assert_eq!(
            found,
            [serde_json::json!({"a": 1, "b": "yes", "c": true}), serde_json::json!({"x": [1.5, null]})]
        );
        assert!(read("").unwrap().is_empty());
        assert!(read("a: [").unwrap_err().to_string().contains("manifest"));
        assert_eq!(read(r#"[{"op": "add"}]"#).unwrap(), [serde_json::json!([{"op": "add"}])]);
    }
}
