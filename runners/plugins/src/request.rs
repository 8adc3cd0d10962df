//! The plugin `http`: a request like that of an http template, with retries where they are safe and a guard for
//! addresses that are not trusted. Does not send what may act twice a second time.

use std::time::Duration;

use reqwest::{Method, Url};
use runner_runners::typed::HttpPolicy;
use runner_workflows::spec::{HttpHeader, HttpTemplate};
use serde::Deserialize;
use serde_json::json;

use crate::http::{self, Answer};
use crate::order::{Done, Failure, Step};
use crate::work::fields::{Flag, Span, Texts};

/// Most retries of a safe request inside one step.
const RETRIES: u32 = 10;
/// The first pause between two of them; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The fields under `plugin: {http: ...}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    /// Address.
    url: String,
    /// Method; GET when empty.
    #[serde(default)]
    method: String,
    /// Headers, as in an http template.
    #[serde(default)]
    headers: Vec<HttpHeader>,
    /// Body as text.
    #[serde(default)]
    body: String,
    /// Longest time of one request.
    timeout: Option<Span>,
    /// Expression over request and response; a 2xx status when empty.
    #[serde(default)]
    success_condition: String,
    /// Certificates are not checked.
    #[serde(default)]
    insecure: Flag,
    /// How often a safe request is sent again.
    retries: Option<serde_json::Value>,
    /// The address comes from outside, such as from an event: only public addresses are asked (V27).
    #[serde(default)]
    untrusted: Flag,
    /// The only hosts that may be asked.
    #[serde(default)]
    allowed_hosts: Texts,
}

/// Sends the request and judges the answer; gives `status`, `body` and `headers`.
///
/// # Errors
/// Error for fields that cannot be meant; Failed when there is no answer or it is not the wanted one.
pub(crate) fn run(step: &Step) -> Result<Done, Failure> {
    let fields: Fields = step.plugin_input()?;
    let retries = retries(fields.retries.as_ref())?;
    allowed(&fields)?;
    let configured = step.order().http;
    let policy = HttpPolicy { deny_private: configured.deny_private || fields.untrusted.0, ..configured };
    let name = if fields.method.is_empty() { "GET" } else { &fields.method };
    let safe = Method::from_bytes(name.as_bytes()).is_ok_and(|method| method.is_safe());
    if retries > 0 && !safe {
        return Err(Failure::error(format!(
            "plugin http: retries are for requests that change nothing; {name} may act twice: use a retryStrategy, \
             which sends the same Idempotency-Key"
        )));
    }
    let template = template(&fields);
    step.block_on(async {
        let answer = again(retries, || http::send_within(step, &template, policy)).await?;
        let headers = json!(answer.headers).to_string();
        let (status, body) = (answer.status.to_string(), answer.body.clone());
        let with = |done: Done| done.with("status", status).with("body", body).with("headers", headers);
        http::judge(&template, answer).map(with)
    })
}

/// Sends until there is an answer that is not about trouble on the way.
async fn again<W>(retries: u32, send: impl Fn() -> W) -> Result<Answer, Failure>
where
    W: Future<Output = Result<Answer, Failure>>,
{
    let (mut left, mut pause) = (retries, FIRST_PAUSE);
    loop {
        let outcome = send().await;
        let why = match &outcome {
            Ok(answer) if matches!(answer.status, 429 | 502..=504) => format!("status {}", answer.status),
            Err(failure) if failure.phase == runner_runners::ExitPhase::Failed => failure.message.clone(),
            Ok(_) | Err(_) => return outcome,
        };
        if left == 0 {
            return outcome;
        }
        left -= 1;
        crate::work::say(&format!("{why}; sending it again"));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn retries(given: Option<&serde_json::Value>) -> Result<u32, Failure> {
    let number = match given {
        None => return Ok(0),
        Some(serde_json::Value::String(text)) => text.parse::<u32>().ok(),
        Some(other) => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    number
        .filter(|number| *number <= RETRIES)
        .ok_or_else(|| Failure::error(format!("plugin http: retries is a number from 0 to {RETRIES}")))
}

fn allowed(fields: &Fields) -> Result<(), Failure> {
    let hosts = &fields.allowed_hosts.0;
    if hosts.is_empty() {
        return Ok(());
    }
    let host =
        Url::parse(&fields.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    if hosts.iter().any(|known| known.eq_ignore_ascii_case(&host)) {
        return Ok(());
    }
    Err(Failure::error(format!("plugin http: host {host:?} is not in allowedHosts")))
}

fn template(fields: &Fields) -> HttpTemplate {
    HttpTemplate {
        method: fields.method.clone(),
        url: fields.url.clone(),
        headers: fields.headers.clone(),
        timeout_seconds: fields
            .timeout
            .map(|span| i64::try_from(span.0.as_secs().max(1)).unwrap_or(i64::MAX)),
        success_condition: fields.success_condition.clone(),
        body: fields.body.clone(),
        body_from: None,
        insecure_skip_verify: fields.insecure.0,
    }
}
