//! What makes two deliveries the same.
//! Remembers none: who calls keeps the keys with their times.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use runner_workflows::expr::Value;
use sha2::{Digest, Sha256};

use super::config::Deduplication;
use super::event::DevctlEvent;

/// The key of an event. `delivery` is the id that the provider gave the delivery, if it gives one (GitHub's
/// `X-GitHub-Delivery`, SNS' message id, PagerDuty's `X-Webhook-Id`): it is the same when it is sent again.
#[must_use]
pub fn key(event: &DevctlEvent, delivery: &str) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    part(&event.source);
    part(&event.event_type);
    if delivery.is_empty() {
        for text in fields(event) {
            part(&text);
        }
    } else {
        part("delivery");
        part(delivery);
    }
    let mut out = String::new();
    for byte in hash.finalize().iter().take(16) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The fields that tell events of a source apart.
fn fields(event: &DevctlEvent) -> Vec<String> {
    let raw = &event.raw_payload;
    let text = |pointer: &str| raw.pointer(pointer).map_or_else(String::new, Value::to_string);
    match event.source.as_str() {
        "cloudwatch" => ["/AlarmArn", "/AlarmName", "/NewStateValue", "/StateChangeTime"].map(text).to_vec(),
        "grafana" => {
            let alerts = raw.get("alerts").and_then(Value::as_array);
            let mut prints: Vec<String> = alerts
                .into_iter()
                .flatten()
                .map(|alert| alert.get("fingerprint").map_or_else(|| alert.to_string(), Value::to_string))
                .collect();
            prints.sort();
            prints.extend([text("/groupKey"), text("/status")]);
            prints
        }
        "pagerduty" => vec![text("/event/id")],
        _ => vec![raw.to_string()],
    }
}

/// Whether an event is a duplicate of one with the same key that was seen at `seen`.
#[must_use]
pub fn is_duplicate(settings: &Deduplication, seen: Option<Timestamp>, now: Timestamp) -> bool {
    let window = SignedDuration::from_secs(i64::from(settings.window_seconds));
    settings.enabled && seen.is_some_and(|seen| now.duration_since(seen) < window)
}
