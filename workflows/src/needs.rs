//! The Secrets and ConfigMaps that a manifest refers to, wherever in it.
//! Does not know whether they exist.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What a reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeedKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl NeedKind {
    /// The kind as in YAML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// One object that is referred to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// The keys that are named; empty when all of it is used.
    pub keys: BTreeSet<String>,
    /// Whether anything refers to it without `optional: true`.
    pub required: bool,
}

/// Every object referred to in a manifest's JSON form, by kind and name. Names with tags are known only at run time
/// and are given as they are written.
pub fn of(manifest: &Value) -> BTreeMap<(NeedKind, String), Need> {
    let mut out = BTreeMap::new();
    walk(manifest, &mut out);
    out
}

fn walk(value: &Value, out: &mut BTreeMap<(NeedKind, String), Need>) {
    match value {
        Value::Object(map) => {
            for (field, inner) in map {
                if let Some((kind, name)) = reference(field, inner) {
                    note(kind, name, inner, out);
                }
                walk(inner, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The fields of the specification that name another object: references by key, `envFrom`, volumes, and the credentials
/// of artifact repositories (`accessKeySecret` and everything else that ends so and has a name and a key).
fn reference<'v>(field: &str, inner: &'v Value) -> Option<(NeedKind, &'v str)> {
    let text = |key: &str| inner.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match field {
        "secretKeyRef" | "secretRef" => Some((NeedKind::Secret, text("name")?)),
        "configMapKeyRef" | "configMapRef" | "configMap" => Some((NeedKind::ConfigMap, text("name")?)),
        "secret" => Some((NeedKind::Secret, text("secretName").or_else(|| text("name"))?)),
        other if other.ends_with("Secret") || other.ends_with("ConfigMap") => {
            text("key")?;
            let kind = if other.ends_with("Secret") { NeedKind::Secret } else { NeedKind::ConfigMap };
            Some((kind, text("name")?))
        }
        _other => None,
    }
}

fn note(kind: NeedKind, name: &str, inner: &Value, out: &mut BTreeMap<(NeedKind, String), Need>) {
    let need = out.entry((kind, name.to_owned())).or_default();
    need.required |= inner.get("optional").and_then(Value::as_bool) != Some(true);
    need.keys.extend(inner.get("key").and_then(Value::as_str).map(str::to_owned));
    if let Some(Value::Array(items)) = inner.get("items") {
        need.keys.extend(items.iter().filter_map(|item| item.get("key")?.as_str()).map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_wherever_they_are() {
        let manifest = json!({"spec": {
            "volumes": [
                {"name": "a", "secret": {"secretName": "tls", "items": [{"key": "crt", "path": "x"}]}},
                {"name": "b", "configMap": {"name": "settings", "optional": true}},
            ],
            "synchronization": {"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "two"}}]},
            "templates": [{
                "container": {
                    "env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "forge", "key": "token"}}},
                        {"name": "secret", "value": "secretKeyRef"}],
                    "envFrom": [{"secretRef": {"name": "all"}}],
                },
                "outputs": {"artifacts": [{"s3": {"accessKeySecret": {"name": "forge", "key": "user"}}}]},
            }],
        }});
        let found = of(&manifest);
        let shown: Vec<String> = found
            .iter()
            .map(|((kind, name), need)| format!("{} {name} {:?} {}", kind.as_str(), need.keys, need.required))
            .collect();
        assert_eq!(
            shown,
            [
                "ConfigMap limits {\"two\"} true",
                "ConfigMap settings {} false",
                "Secret all {} true",
                "Secret forge {\"token\", \"user\"} true",
                "Secret tls {\"crt\"} true",
            ]
        );
    }
}
