//! What a provider sent to fields under the same names: CloudWatch, Grafana, GitHub, PagerDuty.
//! Does not check signatures and does not confirm subscriptions.

use jiff::Timestamp;
use runner_workflows::expr::Value;
use serde_json::{Map, json};

use super::event::DevctlEvent;

/// Sources that deliveries can come from.
pub const SOURCES: [&str; 4] = ["cloudwatch", "grafana", "github", "pagerduty"];

/// Makes an event of a delivery. `kind` is what the provider says in a header: GitHub's `X-GitHub-Event`.
///
/// # Errors
/// A sentence for people: an unknown source, or a payload that is not what the provider sends.
pub fn normalize(source: &str, kind: &str, payload: Value, at: Timestamp) -> Result<DevctlEvent, String> {
    if !payload.is_object() {
        return Err("the payload is not a JSON object".to_owned());
    }
    let (event_type, raw_payload, normalized) = match source {
        "github" => github(kind, payload)?,
        "cloudwatch" => cloudwatch(payload)?,
        "grafana" => grafana(payload),
        "pagerduty" => pagerduty(payload)?,
        _ => return Err("Unknown source".to_owned()),
    };
    Ok(DevctlEvent { source: source.to_owned(), event_type, timestamp: at, raw_payload, normalized })
}

type Parts = (String, Value, Map<String, Value>);

fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    value.pointer(pointer).filter(|value| !value.is_null())
}

/// The fields that are there.
fn fields(payload: &Value, names: &[(&str, &str)]) -> Map<String, Value> {
    let found =
        names.iter().filter_map(|(name, pointer)| Some(((*name).to_owned(), at(payload, pointer)?.clone())));
    found.collect()
}

fn github(kind: &str, payload: Value) -> Result<Parts, String> {
    if kind.is_empty() {
        return Err("the header X-GitHub-Event is missing".to_owned());
    }
    let names = [
        ("action", "/action"),
        ("repository", "/repository/full_name"),
        ("sender", "/sender/login"),
        ("ref", "/ref"),
        ("commit", "/head_commit/id"),
        ("number", "/number"),
        ("title", "/pull_request/title"),
        ("merged", "/pull_request/merged"),
        ("base_branch", "/pull_request/base/ref"),
        ("head_branch", "/pull_request/head/ref"),
        ("head_sha", "/pull_request/head/sha"),
    ];
    let mut normalized = fields(&payload, &names);
    if let Some(branch) =
        payload.get("ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("refs/heads/"))
    {
        normalized.insert("branch".to_owned(), json!(branch));
    }
    Ok((kind.to_owned(), payload, normalized))
}

/// The alarm is a text inside the notification of SNS; it may come alone as well.
fn cloudwatch(payload: Value) -> Result<Parts, String> {
    let alarm = match payload.get("Message") {
        Some(Value::String(text)) => {
            serde_json::from_str(text).map_err(|error| format!("the Message of SNS is no JSON: {error}"))?
        }
        Some(other) => other.clone(),
        None => payload,
    };
    if at(&alarm, "/AlarmName").is_none() {
        return Err("the message is not an alarm of CloudWatch: AlarmName is missing".to_owned());
    }
    let names = [
        ("alarm_name", "/AlarmName"),
        ("alarm_description", "/AlarmDescription"),
        ("alarm_arn", "/AlarmArn"),
        ("account_id", "/AWSAccountId"),
        ("region", "/Region"),
        ("new_state", "/NewStateValue"),
        ("old_state", "/OldStateValue"),
        ("reason", "/NewStateReason"),
        ("state_change_time", "/StateChangeTime"),
        ("metric_name", "/Trigger/MetricName"),
        ("namespace", "/Trigger/Namespace"),
        ("threshold", "/Trigger/Threshold"),
    ];
    let mut normalized = fields(&alarm, &names);
    let list = at(&alarm, "/Trigger/Dimensions").and_then(Value::as_array);
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    let dimensions: Map<String, Value> = list
        .into_iter()
        .flatten()
        .filter_map(|one| Some((text(one, "name")?, Value::String(text(one, "value")?))))
        .collect();
    normalized.insert("dimensions".to_owned(), Value::Object(dimensions));
    Ok(("alarm".to_owned(), alarm, normalized))
}

fn grafana(payload: Value) -> Parts {
    let names = [
        ("status", "/status"),
        ("title", "/title"),
        ("message", "/message"),
        ("receiver", "/receiver"),
        ("group_key", "/groupKey"),
    ];
    let mut normalized = fields(&payload, &names);
    // labels of all alerts win; one that is of the first alert only is still there
    let places = ["/commonLabels", "/groupLabels", "/alerts/0/labels"];
    for (name, places) in
        [("labels", places), ("annotations", ["/commonAnnotations", "/alerts/0/annotations", "/annotations"])]
    {
        let mut merged = Map::new();
        for map in places.iter().filter_map(|place| at(&payload, place)).filter_map(Value::as_object) {
            for (key, value) in map {
                merged.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        normalized.insert(name.to_owned(), Value::Object(merged));
    }
    ("alert".to_owned(), payload, normalized)
}

fn pagerduty(payload: Value) -> Result<Parts, String> {
    let kind = at(&payload, "/event/event_type").and_then(Value::as_str);
    let kind = kind.ok_or("the payload is not one of PagerDuty's: event.event_type is missing")?.to_owned();
    let names = [
        ("event_id", "/event/id"),
        ("occurred_at", "/event/occurred_at"),
        ("incident_id", "/event/data/id"),
        ("incident_number", "/event/data/number"),
        ("title", "/event/data/title"),
        ("status", "/event/data/status"),
        ("urgency", "/event/data/urgency"),
        ("priority", "/event/data/priority/summary"),
        ("service", "/event/data/service/summary"),
        ("url", "/event/data/html_url"),
    ];
    let normalized = fields(&payload, &names);
    Ok((kind, payload, normalized))
}
