//! The id under which a sender sends the same event again, per provider. Two requests with one id are one event.
//! Invents none, except for GitLab: any other sender without ids sends something new each time.

use hyper::HeaderMap;
use ring::digest;
use serde_json::Value;

use super::payload::Kind;

/// The sender's id of this event, if it has one.
#[must_use]
pub fn key(kind: Kind, headers: &HeaderMap, body: &Value) -> Option<String> {
    let header = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let field = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    match kind {
        Kind::Github => header("X-GitHub-Delivery"),
        Kind::Gitlab => header("Idempotency-Key")
            .or_else(|| header("webhook-id"))
            .or_else(|| header("X-Gitlab-Event-UUID"))
            // its token signs nothing: without an id the same body is the same event (V23)
            .or_else(|| Some(format!("body-{}", sha256(body.to_string().as_bytes())))),
        Kind::Bitbucket => header("X-Request-UUID"),
        Kind::BitbucketServer => header("X-Request-Id"),
        Kind::Slack => field("event_id"),
        Kind::Stripe => field("id"),
        Kind::Sns => field("MessageId"),
        Kind::Gerrit | Kind::StorageGrid => None,
        Kind::Webhook => webhook(&header, &field, body),
    }
}

/// Providers without a source of their own arrive at plain webhooks; they are known by their marks.
fn webhook(
    header: &dyn Fn(&str) -> Option<String>,
    field: &dyn Fn(&str) -> Option<String>,
    body: &Value,
) -> Option<String> {
    if let (Some(id), true) = (header("X-Webhook-Id"), header("X-Webhook-Subscription").is_some()) {
        return Some(id);
    }
    if let (Some(id), Some(source)) = (header("ce-id"), header("ce-source")) {
        return Some(format!("{source} {id}"));
    }
    if let (Some(_), Some(id), Some(source)) = (field("specversion"), field("id"), field("source")) {
        return Some(format!("{source} {id}"));
    }
    header("webhook-id").or_else(|| header("Idempotency-Key")).or_else(|| alerts(body))
}

/// A group of alerts (Alertmanager, Grafana) is sent again every `repeat_interval` while nothing changes. The times at
/// which its alerts started belong to the id: the same alert that fires again tomorrow is another event.
fn alerts(body: &Value) -> Option<String> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let (group, status) = (text(body, "groupKey")?, text(body, "status")?);
    let one = |alert: &Value| {
        let (print, status) = (text(alert, "fingerprint")?, text(alert, "status")?);
        let (start, end) = (text(alert, "startsAt")?, text(alert, "endsAt"));
        // the end of a firing alert is a guess that moves
        let end = if status == "resolved" { end.unwrap_or_default() } else { String::new() };
        Some(format!("{print} {status} {start} {end}"))
    };
    let all: Option<Vec<String>> = body.get("alerts")?.as_array()?.iter().map(one).collect();
    let mut all = all.filter(|all| !all.is_empty())?;
    all.sort();
    Some(format!("alerts-{}", sha256(format!("{group}|{}|{status}", all.join(",")).as_bytes())))
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
