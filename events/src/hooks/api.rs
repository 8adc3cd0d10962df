//! Requests to the API of a provider: one base address, no redirects, and limits on everything.
//! Tries nothing twice and knows no provider.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use runner_runners::web;
use serde_json::Value;
use url::Url;

/// How long a request may take, with its answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How large an answer may be, in bytes. A page of a hundred webhooks has about 100 KiB.
const ANSWER_LIMIT: usize = 4 << 20;
/// How much of a complaint is shown, in characters.
const COMPLAINT_LIMIT: usize = 300;
/// How long is waited when a provider asks for patience and does not say how long, and at most.
const PATIENCE: Duration = Duration::from_secs(60);
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The provider cannot be reached, or has trouble itself.
    Away(String),
    /// It refuses, or it cannot be asked like this: somebody has to change something.
    Refused(String),
    /// It asks to be left alone for this time.
    Wait(Duration, String),
}

/// A header that lets in.
pub(super) type Credential = (HeaderName, HeaderValue);

/// What the provider said. Has no `Debug`: it may hold a token.
pub(super) struct Reply {
    pub(super) status: u16,
    /// The body; null when it is no JSON.
    pub(super) body: Value,
    /// There is a next page.
    pub(super) more: bool,
    /// It asks to be left alone for this time.
    pub(super) patience: Option<Duration>,
}

impl Reply {
    pub(super) fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The complaint in the body, of one line and without these secrets.
    pub(super) fn complaint(&self, secrets: &[&str]) -> String {
        let found = ["message", "error_description", "error"].iter().find_map(|key| self.body.get(*key));
        let mut text = match found.unwrap_or(&Value::Null) {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // GitHub keeps the reason here
        if let Some(errors) = self.body.get("errors") {
            text = format!("{text} {errors}");
        }
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        text.chars().filter(|c| !c.is_control()).take(COMPLAINT_LIMIT).collect()
    }
}

/// The client.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: reqwest::Client,
}

impl Api {
    /// A client. Like other clients it reaches no link-local address, where clouds serve credentials.
    ///
    /// # Errors
    /// A sentence for people: TLS cannot be set up.
    pub(super) fn new() -> Result<Self, String> {
        let builder = || {
            let wanted = web::Wanted { secret: true, timeout: Some(REQUEST_LIMIT), ..web::Wanted::default() };
            web::builder(wanted).redirect(reqwest::redirect::Policy::none())
        };
        // a machine without any certificates can still speak http
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        let client = client.map_err(|error| format!("http client: {}", web::chain(&error)))?;
        Ok(Self { client })
    }

    /// Sends one request to a path below the base, each segment of which is encoded, with a credential that goes nowhere
    /// else (V29).
    ///
    /// # Errors
    /// No answer, or one that is too large. Every other answer is a reply, also a refusal.
    pub(super) async fn send(
        &self,
        method: Method,
        base: &Url,
        path: &[&str],
        page: Option<u32>,
        credential: &Credential,
        body: Option<&Value>,
    ) -> Result<Reply, Trouble> {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let url = web::address(url.as_str(), web::Wanted::default().policy).map_err(Trouble::Refused)?;
        let shown = url.clone();
        let mut request = self.client.request(method.clone(), url);
        if let Some(page) = page {
            request = request.query(&[("per_page", PER_PAGE), ("page", page as usize)]);
        }
        let (name, value) = credential.clone();
        let mut value = value;
        value.set_sensitive(true);
        request = request.header(name, value).header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let away = |error: reqwest::Error| {
            Trouble::Away(format!("{method} {shown}: {}", web::chain(&error.without_url())))
        };
        let mut response = request.send().await.map_err(away)?;
        let status = response.status().as_u16();
        let next = is_followed(response.headers());
        let patience = patience(status, response.headers(), Timestamp::now());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_LIMIT {
                return Err(Trouble::Refused(format!(
                    "{method} {shown} answers with more than {ANSWER_LIMIT} bytes"
                )));
            }
        }
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let more = next || body.as_array().is_some_and(|items| items.len() >= PER_PAGE);
        Ok(Reply { status, body, more, patience })
    }
}

/// How many webhooks are on a page.
pub(super) const PER_PAGE: usize = 100;

/// Whether there is a page after this one. Where it is is not believed: it is asked for by its number.
fn is_followed(headers: &HeaderMap) -> bool {
    headers.get("link").and_then(|link| link.to_str().ok()).is_some_and(|link| link.contains("rel=\"next\""))
}

/// How long a provider wants to be left alone, if it says so.
fn patience(status: u16, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let after = number("retry-after");
    let spent = number("x-ratelimit-remaining") == Some(0);
    if status != 429 && !(status == 403 && (after.is_some() || spent)) {
        return None;
    }
    let reset = number("x-ratelimit-reset").or_else(|| number("ratelimit-reset"));
    let seconds = after.or_else(|| reset.map(|reset| reset.saturating_sub(now.as_second())));
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let wait = seconds.map_or(PATIENCE, |seconds| Duration::from_secs(seconds.max(1)));
    Some(wait.min(LONGEST_PATIENCE))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_provider_that_wants_patience_gets_it_within_bounds() {
        let now = Timestamp::from_second(1_000).unwrap();
        let wait =
            |status, all: &[_]| patience(status, &headers(all), now).map(|patience| patience.as_secs());
        assert_eq!(wait(429, &[]), Some(60));
        assert_eq!(wait(429, &[("retry-after", "7")]), Some(7));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1090")]), Some(90));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999")]), Some(3600));
        assert_eq!(wait(429, &[("x-ratelimit-reset", "5")]), Some(60), "it is over already");
        // a refusal is no matter of time
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "12")]), None);
        assert_eq!(wait(404, &[("retry-after", "7")]), None);
    }

    #[test]
    fn v33_a_complaint_shows_no_secret_and_is_bounded() {
        let long = "x".repeat(2000);
        let body = json!({"message": format!("bad token hunter2\u{1b}[31m {long}"), "errors": ["hunter2"]});
        let reply = Reply { status: 422, body, more: false, patience: None };
        let said = reply.complaint(&["hunter2", ""]);
        assert!(said.starts_with("bad token ***[31m xx"), "{said}");
        assert_eq!(said.chars().count(), COMPLAINT_LIMIT);
    }
}
