//! What a believed request becomes: the data that filters and parameters see, its own id, and a reply that some
//! senders want. As the webhook-like event sources of Argo Events shape it.
//! Believes anybody: `verify` has looked before.

use std::collections::BTreeMap;

use hyper::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::identity;

/// Values of these headers are proofs, not data.
const MASKED: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "x-gitlab-token", "x-api-key"];
/// What stands in their place, as in Argo Events.
const MASK: &str = "*** Masked Auth Secret ***";

/// Which event source an endpoint belongs to; decides about the shape of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `webhook`.
    Webhook,
    /// `github`.
    Github,
    /// `gitlab`.
    Gitlab,
    /// `bitbucket`.
    Bitbucket,
    /// `bitbucketserver`.
    BitbucketServer,
    /// `gerrit`.
    Gerrit,
    /// `slack`.
    Slack,
    /// `stripe`.
    Stripe,
    /// `sns`.
    Sns,
    /// `storageGrid`.
    StorageGrid,
}

/// A request, read to its end.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a Method,
    /// Query, undecoded.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: &'a [u8],
}

/// What it becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The data; nothing when the request is no event (a challenge).
    pub data: Option<Value>,
    /// The sender's own id, the same whenever it sends this event again.
    pub key: Option<String>,
    /// A reply that the sender wants instead of ours.
    pub reply: Option<String>,
}

/// A request that cannot be read. The text is for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Reads a request.
///
/// # Errors
/// When the body is not what the source promises.
pub fn read(
    kind: Kind,
    request: Request<'_>,
    metadata: &BTreeMap<String, String>,
) -> Result<Accepted, Unreadable> {
    let body = body(kind, request)?;
    if kind == Kind::Slack {
        return Ok(slack(body));
    }
    let key = identity::key(kind, request.headers, &body);
    let mut data = match kind {
        Kind::Webhook | Kind::Sns => json!({"header": headers(request.headers), "body": body}),
        Kind::Github => {
            json!({"headers": headers(request.headers), "body": with_github(body, request.headers)})
        }
        Kind::Gitlab | Kind::Bitbucket | Kind::BitbucketServer | Kind::Gerrit => {
            json!({"headers": headers(request.headers), "body": body})
        }
        Kind::Stripe => json!({"event": body}),
        Kind::StorageGrid => json!({"notification": body}),
        Kind::Slack => Value::Null,
    };
    if !metadata.is_empty()
        && let Some(data) = data.as_object_mut()
    {
        data.insert("metadata".to_owned(), json!(metadata));
    }
    Ok(Accepted { data: Some(data), key, reply: None })
}

fn body(kind: Kind, request: Request<'_>) -> Result<Value, Unreadable> {
    let form = content_type(request.headers) == "application/x-www-form-urlencoded";
    if form && let Some(body) = mislabelled(request.body) {
        return Ok(body);
    }
    if kind == Kind::Webhook && request.method == Method::GET {
        return Ok(pairs(request.query.as_bytes()));
    }
    if form && matches!(kind, Kind::Github | Kind::Slack) {
        let mut fields = url::form_urlencoded::parse(request.body);
        let found = fields.find(|(name, _)| name == "payload").map(|(_, value)| value.into_owned());
        return match found {
            Some(text) => parse(text.as_bytes()),
            None if kind == Kind::Slack => Ok(flat(request.body)),
            None => Err(Unreadable("the form has no field `payload`".to_owned())),
        };
    }
    if form {
        return Ok(pairs(request.body));
    }
    parse(request.body)
}

/// JSON that is called a form: what `curl -d '{…}'` sends. Argo Events would make it the name of a field. No form has the
/// text of an object or a list.
fn mislabelled(bytes: &[u8]) -> Option<Value> {
    let begins = bytes.trim_ascii_start().first();
    if matches!(begins, Some(b'{' | b'[')) { serde_json::from_slice(bytes).ok() } else { None }
}

fn parse(bytes: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice(bytes).map_err(|error| Unreadable(format!("the body is not JSON: {error}")))
}

fn content_type(headers: &HeaderMap) -> String {
    let given = headers.get(hyper::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    given.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// A query or a form as a map of lists, as Go has it.
fn pairs(text: &[u8]) -> Value {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(text) {
        out.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    json!(out)
}

/// A form whose names are used once.
fn flat(text: &[u8]) -> Value {
    let fields: BTreeMap<_, _> = url::form_urlencoded::parse(text).into_owned().collect();
    json!(fields)
}

/// Headers as lists under names in Go's capitalisation. Proofs are masked.
fn headers(given: &HeaderMap) -> Value {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in given {
        let text = if MASKED.contains(&name.as_str()) {
            MASK.to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        out.entry(canonical(name.as_str())).or_default().push(text);
    }
    json!(out)
}

/// `x-github-event` becomes `X-Github-Event`.
fn canonical(name: &str) -> String {
    let mut upper = true;
    let each = name.chars().map(|c| {
        let out = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        out
    });
    each.collect()
}

/// Argo Events puts two headers into the body of GitHub's events.
fn with_github(mut body: Value, headers: &HeaderMap) -> Value {
    if let Value::Object(map) = &mut body {
        for name in ["X-GitHub-Event", "X-GitHub-Delivery"] {
            let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
            map.insert(name.to_owned(), json!(value));
        }
    }
    body
}

/// Slack's events are the inner event alone, interactions and commands are themselves.
fn slack(body: Value) -> Accepted {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    match text("type").as_deref() {
        Some("url_verification") => {
            let challenge = text("challenge").unwrap_or_default();
            Accepted { data: None, key: None, reply: Some(challenge) }
        }
        Some("event_callback") => {
            let inner = body.get("event").cloned().unwrap_or_else(|| Value::Object(Map::new()));
            Accepted { key: text("event_id"), data: Some(inner), reply: None }
        }
        _ => Accepted { key: text("trigger_id"), data: Some(body), reply: None },
    }
}
