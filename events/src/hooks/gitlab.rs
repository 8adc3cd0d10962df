//! Webhooks of GitLab: what is sent to make or change one, and in what one that is there differs from what is wanted.
//! Sends nothing.

use runner_sensors::forges::{GITLAB_ALWAYS, GITLAB_EVENTS, GITLAB_GROUP_EVENTS};
use serde_json::{Value, json};

use super::wanted::Place;

/// What is sent. `found` is the webhook that is changed: what is on there and not wanted is turned off.
pub(super) fn body(
    url: &str,
    secret: Option<&str>,
    fields: &[&'static str],
    verify: bool,
    found: Option<&Value>,
) -> Value {
    let mut body = json!({"url": url, "enable_ssl_verification": verify});
    for (i, (_, field)) in GITLAB_EVENTS.iter().chain(&GITLAB_GROUP_EVENTS).enumerate() {
        let on = fields.contains(field);
        if i < GITLAB_ALWAYS || on || found.is_some_and(|found| found[*field] == true) {
            body[*field] = json!(on);
        }
    }
    if let Some(secret) = secret {
        body["token"] = json!(secret);
    }
    body
}

/// The address that a webhook calls.
pub(super) fn address(found: &Value) -> &str {
    found["url"].as_str().unwrap_or_default()
}

/// In what a webhook differs. What this GitLab does not know is not compared; its token is never shown.
pub(super) fn differences(found: &Value, fields: &[&'static str], verify: bool) -> Vec<&'static str> {
    let differs = |field: &str, wanted: bool| found[field].as_bool().is_some_and(|there| there != wanted);
    let mut out = Vec::new();
    for (_, field) in GITLAB_EVENTS.iter().chain(&GITLAB_GROUP_EVENTS) {
        if differs(field, fields.contains(field)) {
            out.push(*field);
        }
    }
    if differs("enable_ssl_verification", verify) {
        out.push("enable_ssl_verification");
    }
    out
}

/// What a refusal means, and what to do.
pub(super) fn hint(place: &Place, status: u16) -> String {
    let needs = match place {
        Place::Group(_) => {
            "it needs the scope api and the role Owner, and groups have webhooks with Premium only"
        }
        _ => "it needs the scope api and the role Maintainer",
    };
    match status {
        301 | 302 | 307 | 308 => {
            format!("{place} has moved, or gitlabBaseURL is another one; redirects are not followed")
        }
        401 => "the token is not valid or has expired: renew accessToken".to_owned(),
        403 => format!("the token may not manage webhooks of {place}: {needs}"),
        404 => format!("there is no {place}, or the token does not see its webhooks: {needs}"),
        422 => "look at `events` and at the address; GitLab refuses addresses of its own network unless its administrator \
                allows them"
            .to_owned(),
        _ => String::new(),
    }
}
