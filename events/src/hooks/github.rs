//! Webhooks of GitHub: what is sent to make or change one, and in what one that is there differs from what is wanted.
//! Sends nothing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::wanted::Place;

/// What is sent. Its config replaces the one that is there, with its secret.
pub(super) fn body(
    url: &str,
    secret: Option<&str>,
    (active, events): (bool, &[String]),
    (content_type, insecure): (&str, bool),
) -> Value {
    let mut config = json!({"url": url, "insecure_ssl": if insecure { "1" } else { "0" }});
    if !content_type.is_empty() {
        config["content_type"] = json!(content_type);
    }
    if let Some(secret) = secret {
        config["secret"] = json!(secret);
    }
    json!({"active": active, "events": events, "config": config})
}

/// The address that a webhook calls.
pub(super) fn address(found: &Value) -> &str {
    found["config"]["url"].as_str().unwrap_or_default()
}

/// In what a webhook differs. Of its secret GitHub shows only that there is one; one that is there although the source
/// has none does no harm.
pub(super) fn differences(
    found: &Value,
    has_secret: bool,
    (active, events): (bool, &[String]),
    (content_type, insecure): (&str, bool),
) -> Vec<&'static str> {
    let config = &found["config"];
    let there: BTreeSet<&str> =
        found["events"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let wanted: BTreeSet<&str> = events.iter().map(String::as_str).collect();
    let all = there.contains("*") && wanted.contains("*");
    let kind = if content_type.is_empty() { "form" } else { content_type };
    let is_insecure = match &config["insecure_ssl"] {
        Value::String(text) => text == "1",
        number => number.as_i64() == Some(1),
    };
    let is_signed = config["secret"].as_str().is_some_and(|secret| !secret.is_empty());
    let checks = [
        ("active", found["active"].as_bool() != Some(active)),
        ("events", there != wanted && !all),
        ("content_type", config["content_type"].as_str().unwrap_or("form") != kind),
        ("insecure_ssl", is_insecure != insecure),
        ("secret", has_secret && !is_signed),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// What a refusal means, and what to do.
pub(super) fn hint(place: &Place, status: u16) -> String {
    let (scope, right) = match place {
        Place::Organization(_) => ("admin:org_hook", "the permission Webhooks of the organization"),
        _ => ("admin:repo_hook", "the permission Webhooks of the repository"),
    };
    let needs = format!("it needs the scope {scope}, or {right} (read and write)");
    match status {
        301 | 302 | 307 | 308 => {
            format!("{place} has moved, or githubBaseURL is another one; redirects are not followed")
        }
        401 => "the token is not valid or has expired: renew apiToken or the key of githubApp".to_owned(),
        403 => format!("the token may not manage webhooks of {place}: {needs}"),
        404 => format!("there is no {place}, or the token does not see its webhooks: {needs}"),
        422 => "look at `events` and at the address".to_owned(),
        _ => String::new(),
    }
}
