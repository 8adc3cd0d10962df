//! Asks the product about single fields: a manifest that has a field and nothing else, read and judged.
//! Does not run anything: whether a field that is read also works is shown by the cases that use it.

use runner_workflows::effect::without_effect;
use runner_workflows::parse::{Limits, parse_file};
use serde_json::{Value, json};

use super::fields::Schema;

/// What the product says about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is read, and nothing is said against it.
    Read,
    /// It is read and has no effect with local steps; the reason.
    NoEffect(String),
    /// It is no field that the product knows.
    Unknown,
}

/// Asks about a field of a type that is found at `path` of a manifest: keys, `*` for a list, `?` for a map.
pub fn ask(kind: &str, path: &[&str], field: &str, property: &Value) -> Answer {
    let mut value = json!({ field: sample(property) });
    for key in path.iter().rev() {
        value = match *key {
            "*" => json!([value]),
            "?" => json!({ "x": value }),
            key => json!({ key: value }),
        };
    }
    if let Some(object) = value.as_object_mut() {
        object.insert("apiVersion".to_owned(), json!("argoproj.io/v1alpha1"));
        object.insert("kind".to_owned(), json!(kind));
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        metadata["name"] = json!("probe");
    }
    let (manifests, problems) = parse_file("probe.json", &value.to_string(), Limits::default());
    let quoted = format!("`{field}`");
    if problems.iter().any(|problem| problem.code == "unknown-field" && problem.message.contains(&quoted)) {
        return Answer::Unknown;
    }
    let notes = manifests.iter().flat_map(without_effect);
    let reason = notes.filter(|note| note.message.contains(&quoted)).find_map(|note| {
        note.message.split_once("because ").map(|(_, why)| why.to_owned()).or(Some(note.message.to_string()))
    });
    reason.map_or(Answer::Read, Answer::NoEffect)
}

/// A value of the type of a property, as small as it can be and not null.
fn sample(property: &Value) -> Value {
    match property.get("type").and_then(Value::as_str) {
        Some("string") => json!("x"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => {
            match property.get("items").and_then(|items| items.get("type")).and_then(Value::as_str) {
                Some("string") => json!(["x"]),
                _ => json!([]),
            }
        }
        Some("object") => json!({}),
        _ => match Schema::refers(property).map(|name| name.rsplit('.').next().unwrap_or(name)) {
            Some("IntOrString" | "Amount") => json!("1"),
            Some("ParallelSteps") => json!([]),
            _ => json!({}),
        },
    }
}
