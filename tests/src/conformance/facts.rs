//! Facts: statements about a workflow, its nodes, its pods or the command line, and whether they hold.
//! Does not bring the objects about: it judges JSON.

use serde_json::Value;

use super::path::find;
use super::select::select;

/// What facts are judged against.
pub trait Subject {
    /// The workflow of that number as the API shows it.
    fn workflow(&self, number: usize) -> Option<Value>;
    /// All pods, as `{name, phase, main: {args, ...}}`.
    fn pods(&self) -> Vec<Value>;
    /// Exit status and output of the last command line, as `{exit, output}`.
    fn cli(&self) -> Value;
}

/// Judges a list of facts; one text for each that does not hold.
pub fn judge(subject: &dyn Subject, facts: &[Value]) -> Vec<String> {
    facts
        .iter()
        .filter_map(|fact| match one(subject, fact) {
            Ok(None) => None,
            Ok(Some(why)) => Some(format!("{}: {why}", describe(fact))),
            Err(why) => Some(format!("{}: cannot be judged: {why}", describe(fact))),
        })
        .collect()
}

fn describe(fact: &Value) -> String {
    let text = |key: &str| fact.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut out = text("on").to_owned();
    if let Some(number) = fact.get("workflow").and_then(Value::as_u64) {
        out.push_str(&format!("#{number}"));
    }
    if let Some(select) = fact.get("select") {
        out.push_str(&format!(" {select}"));
    }
    out.push_str(&format!(" {} {}", text("path"), text("op")));
    if let Some(value) = fact.get("value") {
        out.push_str(&format!(" {value}"));
    }
    out
}

/// None when the fact holds, else why not.
fn one(subject: &dyn Subject, fact: &Value) -> Result<Option<String>, String> {
    let number = fact.get("workflow").and_then(Value::as_u64).unwrap_or_default();
    let number = usize::try_from(number).map_err(|error| error.to_string())?;
    match fact.get("on").and_then(Value::as_str).unwrap_or_default() {
        "workflow" => {
            let workflow = subject.workflow(number).unwrap_or(Value::Null);
            let name = workflow.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            holds(&workflow, fact, name)
        }
        "node" => {
            let Some(workflow) = subject.workflow(number) else {
                return Ok(Some("there is no such workflow".to_owned()));
            };
            on_nodes(&workflow, fact)
        }
        "pods" => on_pods(&subject.pods(), fact),
        "cli" => holds(&subject.cli(), fact, ""),
        other => Err(format!("unknown subject `{other}`")),
    }
}

fn on_nodes(workflow: &Value, fact: &Value) -> Result<Option<String>, String> {
    let name = workflow.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let chosen = select(workflow, fact.get("select").unwrap_or(&Value::Null))?;
    let path = fact.get("path").and_then(Value::as_str).unwrap_or_default();
    let op = fact.get("op").and_then(Value::as_str).unwrap_or_default();
    match op {
        "exists" if path.is_empty() => {
            // `each` speaks of all such nodes, if any.
            let fine = chosen.each || !chosen.nodes.is_empty();
            return Ok((!fine).then(|| format!("no such node; there are {}", names(workflow))));
        }
        "absent" if path.is_empty() => {
            return Ok((!chosen.nodes.is_empty()).then(|| "the node exists".to_owned()));
        }
        "count" => {
            let wanted = fact.get("value").and_then(Value::as_u64);
            let got = u64::try_from(chosen.nodes.len()).ok();
            return Ok((got != wanted).then(|| format!("there are {}", chosen.nodes.len())));
        }
        _ => {}
    }
    let mut failures = Vec::new();
    for node in &chosen.nodes {
        if let Some(why) = holds(node, fact, name)? {
            let label = node.get("name").and_then(Value::as_str).unwrap_or_default();
            failures.push(format!("{label}: {why}"));
        }
    }
    if chosen.each {
        return Ok((!failures.is_empty()).then(|| failures.join("; ")));
    }
    if chosen.nodes.is_empty() {
        return Ok(Some(format!("no such node; there are {}", names(workflow))));
    }
    let some = failures.len() < chosen.nodes.len();
    Ok((!some).then(|| failures.join("; ")))
}

fn on_pods(pods: &[Value], fact: &Value) -> Result<Option<String>, String> {
    let path = fact.get("path").and_then(Value::as_str).unwrap_or_default();
    let subject = if path == "items" || path.starts_with("items/") {
        serde_json::json!({ "items": pods })
    } else {
        let found: Vec<Value> = pods.iter().filter_map(|pod| find(pod, path).cloned()).collect();
        return compare(Some(&Value::Array(found)), fact, "");
    };
    holds(&subject, fact, "")
}

/// None when what lies at the fact's path in `value` is as it says, else why not.
pub fn holds(value: &Value, fact: &Value, workflow_name: &str) -> Result<Option<String>, String> {
    let path = fact.get("path").and_then(Value::as_str).unwrap_or_default();
    compare(find(value, path), fact, workflow_name)
}

fn compare(found: Option<&Value>, fact: &Value, workflow_name: &str) -> Result<Option<String>, String> {
    let op = fact.get("op").and_then(Value::as_str).unwrap_or_default();
    let mut wanted = fact.get("value").cloned().unwrap_or(Value::Null);
    if let Value::String(text) = &mut wanted {
        *text = text.replace("${workflow}", workflow_name);
    }
    let found = found.filter(|value| !value.is_null());
    let fine = match op {
        "eq" => equal(found, &wanted),
        "ne" => !equal(found, &wanted),
        "jsonEq" => json_equal(found, &wanted),
        "gt" | "ge" | "lt" | "le" => ordered(op, found, &wanted)?,
        "in" => wanted.as_array().is_some_and(|list| list.iter().any(|item| equal(found, item))),
        "contains" => contains(found, &wanted),
        "notContains" => !contains(found, &wanted),
        "hasPrefix" => text(found).starts_with(wanted.as_str().unwrap_or_default()),
        "hasSuffix" => text(found).ends_with(wanted.as_str().unwrap_or_default()),
        "matches" => regex::Regex::new(wanted.as_str().unwrap_or_default())
            .map_err(|error| error.to_string())?
            .is_match(&text(found)),
        "len" => length(found) == wanted.as_u64().unwrap_or_default(),
        "lenNot" => length(found) != wanted.as_u64().unwrap_or_default(),
        "empty" => empty(found),
        "notEmpty" => !empty(found),
        "null" | "absent" => absent(found),
        "notNull" | "exists" => !absent(found),
        "sameElements" => same_elements(found, &wanted),
        "completed" | "fulfilled" | "succeeded" | "failed" | "failedOrError" | "pending" | "suspended" => {
            in_phase(op, found) == wanted.as_bool().unwrap_or(true)
        }
        other => return Err(format!("unknown op `{other}`")),
    };
    Ok((!fine).then(|| match found {
        None => "it is absent".to_owned(),
        Some(value) => format!("it is {}", shorten(&value.to_string())),
    }))
}

/// Equal, where an absent value is the zero value of its type, as Go has it.
fn equal(found: Option<&Value>, wanted: &Value) -> bool {
    match found {
        Some(value) => value == wanted || numbers(value, wanted).is_some_and(|(a, b)| a == b),
        None => is_zero(wanted),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn numbers(a: &Value, b: &Value) -> Option<(f64, f64)> {
    Some((a.as_f64()?, b.as_f64()?))
}

fn json_equal(found: Option<&Value>, wanted: &Value) -> bool {
    let parse = |value: &Value| match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    };
    found.map(parse).unwrap_or(Value::Null) == parse(wanted)
}

fn ordered(op: &str, found: Option<&Value>, wanted: &Value) -> Result<bool, String> {
    let zero = Value::from(0);
    let ordering = match (found, wanted) {
        (Some(Value::String(a)), Value::String(b)) => a.as_str().cmp(b.as_str()),
        (None, Value::String(b)) => "".cmp(b.as_str()),
        (found, wanted) => {
            let pair = numbers(found.unwrap_or(&zero), wanted);
            let (a, b) = pair.ok_or_else(|| format!("{found:?} and {wanted} cannot be ordered"))?;
            a.total_cmp(&b)
        }
    };
    Ok(match op {
        "gt" => ordering.is_gt(),
        "ge" => ordering.is_ge(),
        "lt" => ordering.is_lt(),
        _ => ordering.is_le(),
    })
}

fn contains(found: Option<&Value>, wanted: &Value) -> bool {
    match found {
        Some(Value::Array(list)) => list.iter().any(|item| equal(Some(item), wanted)),
        Some(Value::Object(map)) => wanted.as_str().is_some_and(|key| map.contains_key(key)),
        other => text(other).contains(wanted.as_str().unwrap_or_default()),
    }
}

fn text(found: Option<&Value>) -> String {
    match found {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn length(found: Option<&Value>) -> u64 {
    let length = match found {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        Some(Value::String(text)) => text.len(),
        _ => 0,
    };
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn empty(found: Option<&Value>) -> bool {
    found.is_none_or(is_zero)
}

/// Absent, or an empty object or list, which Go's `omitempty` would have left out as well.
fn absent(found: Option<&Value>) -> bool {
    match found {
        None => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    }
}

fn same_elements(found: Option<&Value>, wanted: &Value) -> bool {
    let sorted = |value: Option<&Value>| {
        let mut list: Vec<String> =
            value.and_then(Value::as_array).into_iter().flatten().map(Value::to_string).collect();
        list.sort();
        list
    };
    sorted(found) == sorted(Some(wanted))
}

/// Whether an object (a node, or a whole workflow) or a phase is in a phase named in words.
fn in_phase(word: &str, found: Option<&Value>) -> bool {
    let Some(value) = found else { return false };
    let phase = match value {
        Value::String(phase) => phase.as_str(),
        other => find(other, "phase")
            .or_else(|| find(other, "status/phase"))
            .and_then(Value::as_str)
            .unwrap_or_default(),
    };
    match word {
        "completed" => matches!(phase, "Succeeded" | "Failed" | "Error"),
        "fulfilled" => matches!(phase, "Succeeded" | "Failed" | "Error" | "Skipped" | "Omitted"),
        "succeeded" => phase == "Succeeded",
        "failed" => phase == "Failed",
        "failedOrError" => matches!(phase, "Failed" | "Error"),
        "pending" => phase == "Pending",
        _ => suspended(value),
    }
}

/// Suspended as Argo's `IsWorkflowSuspended`: by its spec, or by a Suspend node that is Running.
fn suspended(value: &Value) -> bool {
    let active = |node: &Value| {
        node.get("type").and_then(Value::as_str) == Some("Suspend")
            && node.get("phase").and_then(Value::as_str) == Some("Running")
    };
    active(value)
        || find(value, "spec/suspend") == Some(&Value::Bool(true))
        || node_list(value).into_iter().any(active)
}

/// The nodes of a workflow object, in order of their ids.
pub fn node_list(workflow: &Value) -> Vec<&Value> {
    match find(workflow, "status/nodes") {
        Some(Value::Object(map)) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn names(workflow: &Value) -> String {
    let list: Vec<&str> = node_list(workflow)
        .into_iter()
        .filter_map(|node| node.get("displayName").and_then(Value::as_str))
        .collect();
    shorten(&list.join(", "))
}

fn shorten(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
