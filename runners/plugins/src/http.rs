//! Http templates: one request, a condition over its answer, the body as the result (as Argo's agent).
//! Sends a request once; a retryStrategy may send it again, under the same Idempotency-Key.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use runner_runners::typed::HttpPolicy;
use runner_runners::web::{self, Wanted};
use runner_workflows::expr::{Fuel, Program, Value, Vars};
use runner_workflows::spec::HttpTemplate;

use crate::order::{Done, Failure, Step};

/// Most bytes of a body: it becomes a value of the workflow.
const BODY_BYTES: usize = 1 << 20;

/// What the other side answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers, by names as Go spells them (`Content-Type`).
    pub headers: BTreeMap<String, Vec<String>>,
    /// The body; bytes that are no UTF-8 are replaced.
    pub body: String,
}

/// Sends the request of the template and judges the answer.
///
/// # Errors
/// Failed with Argo's messages: no answer, an answer outside 2xx, a condition that is false.
pub fn run(step: &Step) -> Result<Done, Failure> {
    let http = step.order().template.http.as_ref();
    let http = http.ok_or_else(|| Failure::error("the template has no http"))?;
    let answer = step.block_on(send(step, http))?;
    judge(http, answer)
}

/// Sends a request as an http template describes it.
///
/// # Errors
/// Failed when there is no answer, Error when the request cannot be made.
pub async fn send(step: &Step, http: &HttpTemplate) -> Result<Answer, Failure> {
    send_within(step, http, step.order().http).await
}

/// The same with what may be reached.
pub(crate) async fn send_within(
    step: &Step,
    http: &HttpTemplate,
    policy: HttpPolicy,
) -> Result<Answer, Failure> {
    let url = web::address(&http.url, policy).map_err(Failure::failed)?;
    let name = if http.method.is_empty() { "GET" } else { &http.method };
    let method = Method::from_bytes(name.as_bytes())
        .map_err(|_| Failure::failed(format!("net/http: invalid method {name:?}")))?;
    let (headers, secret) = headers(step, http, &method)?;
    let timeout = http.timeout_seconds.and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs);
    let client = web::client(Wanted { policy, insecure: http.insecure_skip_verify, secret, timeout });
    let client = client.map_err(Failure::error)?;
    let request = client.request(method, url.clone()).headers(headers);
    let request = with_body(request, http)?;
    let failed = |error: reqwest::Error| Failure::failed(describe(name, &url, &error));
    let mut response = request.send().await.map_err(failed)?;
    let mut answer = Answer { status: response.status().as_u16(), ..Answer::default() };
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        answer.headers.entry(canonical(name.as_str())).or_default().push(value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > BODY_BYTES {
            return Err(Failure::failed(format!("the response body has more than {BODY_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    answer.body = String::from_utf8_lossy(&body).into_owned();
    Ok(answer)
}

fn with_body(request: RequestBuilder, http: &HttpTemplate) -> Result<RequestBuilder, Failure> {
    if let Some(bytes) = http.body_from.as_ref().and_then(|from| from.bytes.as_ref()) {
        let decoded = base64::engine::general_purpose::STANDARD.decode(bytes.trim());
        return decoded
            .map(|bytes| request.body(bytes))
            .map_err(|error| Failure::failed(format!("bodyFrom.bytes is not base64: {error}")));
    }
    Ok(if http.body.is_empty() { request } else { request.body(http.body.clone()) })
}

/// Headers of the request, and whether one of them is a secret.
fn headers(step: &Step, http: &HttpTemplate, method: &Method) -> Result<(HeaderMap, bool), Failure> {
    let mut headers = HeaderMap::new();
    let mut secret = false;
    for header in &http.headers {
        let source = header.value_from.as_ref().and_then(|from| from.secret_key_ref.as_ref());
        let text = match source {
            Some(key) => step.secret(&key.name, &key.key)?.unwrap_or_default(),
            None => header.value.clone(),
        };
        // The value itself is not quoted: it may be a secret.
        let bad = |what: &str| {
            Failure::failed(format!("net/http: invalid header field {what} for {:?}", header.name))
        };
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| bad("name"))?;
        let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| bad("value"))?;
        value.set_sensitive(source.is_some());
        secret |= source.is_some();
        headers.append(name, value);
    }
    if !method.is_safe() && !headers.contains_key("idempotency-key") {
        let key = HeaderValue::from_str(&step.order().step_key);
        headers.insert("idempotency-key", key.map_err(|_| Failure::error("the step key is not printable"))?);
    }
    Ok((headers, secret))
}

/// A transport error in the shape of Go's: `Get "http://…": connection refused`.
fn describe(method: &str, url: &Url, error: &reqwest::Error) -> String {
    let mut name = method.to_ascii_lowercase();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let why = if error.is_timeout() {
        "context deadline exceeded".to_owned()
    } else {
        let error: &dyn std::error::Error = error;
        error.source().map_or_else(|| error.to_string(), web::chain)
    };
    format!("{name} {:?}: {why}", url.as_str())
}

/// Go's spelling of a header: `content-type` becomes `Content-Type`.
fn canonical(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|c| {
            let c = if start { c.to_ascii_uppercase() } else { c };
            start = c == '-';
            c
        })
        .collect()
}

pub(crate) fn judge(http: &HttpTemplate, answer: Answer) -> Result<Done, Failure> {
    let status = answer.status;
    if http.success_condition.is_empty() {
        return match status {
            200..=299 => Ok(Done::result(answer.body)),
            _other => Err(Failure::failed(format!("received non-2xx response code: {status}"))
                .with_outputs(Done::result(answer.body))),
        };
    }
    match condition(http, &answer) {
        Ok(true) => Ok(Done::result(answer.body)),
        Ok(false) => {
            let message = format!("successCondition '{}' evaluated false", http.success_condition);
            Err(Failure::failed(message).with_outputs(Done::result(answer.body)))
        }
        Err(why) => Err(Failure::failed(why)),
    }
}

/// The condition over `request` and `response`; headers of secrets are empty in it, as in Argo.
fn condition(http: &HttpTemplate, answer: &Answer) -> Result<bool, String> {
    let mut sent: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for header in &http.headers {
        sent.entry(canonical(&header.name.to_ascii_lowercase())).or_default().push(&header.value);
    }
    let request = serde_json::json!({
        "method": http.method, "url": http.url, "body": http.body, "headers": sent,
        "bodyBytes": http.body_from.as_ref().and_then(|from| from.bytes.clone()),
    });
    let response: Value =
        serde_json::json!({"statusCode": answer.status, "body": answer.body, "headers": answer.headers});
    let mut vars = Vars::new();
    vars.set_value("request", request);
    vars.set_value("response", response);
    let program = Program::compile(&http.success_condition).map_err(|error| error.to_string())?;
    program.eval_bool(&vars, &mut Fuel::default()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let headers = BTreeMap::from([("Content-Type".to_owned(), vec!["text/plain".to_owned()])]);
        Answer { status, headers, body: body.to_owned() }
    }

    fn with(condition: &str) -> HttpTemplate {
        HttpTemplate { success_condition: condition.into(), method: "POST".into(), ..HttpTemplate::default() }
    }

    #[test]
    fn only_2xx_succeeds_without_a_condition() {
        assert_eq!(judge(&with(""), answer(204, "b")).unwrap(), Done::result("b"));
        let failure = judge(&with(""), answer(404, "gone")).unwrap_err();
        assert_eq!(failure.message, "received non-2xx response code: 404");
        assert_eq!(failure.outputs.result.as_deref(), Some("gone"));
    }

    #[test]
    fn a_condition_sees_request_and_response() {
        let met = [
            "response.body contains \"google\"",
            "response.statusCode == 404",
            "response.headers[\"Content-Type\"][0] == \"text/plain\"",
            "request.method == 'POST' && response.statusCode < 500",
        ];
        for text in met {
            assert!(judge(&with(text), answer(404, "a google page")).is_ok(), "{text}");
        }
        let failure = judge(&with("response.statusCode == 200"), answer(404, "")).unwrap_err();
        assert_eq!(failure.message, "successCondition 'response.statusCode == 200' evaluated false");
    }

    #[test]
    fn headers_are_spelt_as_go_spells_them() {
        assert_eq!(canonical("x-request-id"), "X-Request-Id");
    }
}
