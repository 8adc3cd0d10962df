//! A small client for REST APIs with a token: one base address, JSON in and out, no redirects, limits on everything.
//! Tries nothing twice: whether a step runs again is decided by its retryStrategy.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::{Failure, Result};

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How large an answer may be, in bytes.
const ANSWER_LIMIT: usize = 32 << 20;

/// How the other side is reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Header with the token, and the token.
    pub header: Option<(&'static str, String)>,
    /// Certificates are not checked.
    pub insecure: bool,
    /// Further certificates to trust, as PEM.
    pub ca: Option<String>,
}

/// A REST API at one base address. The token goes to that address and to no other (V29): redirects are errors.
#[derive(Debug)]
pub struct Api {
    what: &'static str,
    base: Url,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// What the other side said.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status of HTTP.
    pub status: u16,
    /// The body; a text when it is no JSON.
    pub body: Value,
}

impl Reply {
    /// 2xx.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The complaint in the body: `message` or `error` as GitLab, GitHub and Argo CD write them.
    pub fn complaint(&self) -> String {
        let found = ["message", "error_description", "error"].iter().find_map(|key| self.body.get(*key));
        let text = match found.unwrap_or(&self.body) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut text: String = text.chars().take(600).collect();
        // GitHub keeps the reason in `errors`.
        if let Some(errors) = self.body.get("errors") {
            text.push_str(&format!(" {errors}"));
        }
        text
    }
}

impl Api {
    /// A client for `base`; `what` names the other side in messages.
    ///
    /// # Errors
    /// The address is not http or https, or holds credentials; the token or the certificates are not usable.
    pub fn new(what: &'static str, base: &str, access: &Access) -> Result<Self> {
        let input = |text: String| Failure::Input(format!("{what}: {text}"));
        let mut url = Url::parse(base).map_err(|error| input(format!("address {base:?}: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(input(format!("address {base:?} is neither https nor http")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(input("no credentials in an address: use the token field".to_owned()));
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        // Somebody else may have chosen the provider already: it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        if let Some((name, token)) = &access.header {
            let mut value = HeaderValue::from_str(token)
                .map_err(|_| input("the token holds characters that no header may hold".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(REQUEST_LIMIT)
                .user_agent("runner")
                .default_headers(headers.clone())
                .tls_danger_accept_invalid_certs(access.insecure)
        };
        let own = match &access.ca {
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| input(format!("certificates: {error}")))?,
            None => Vec::new(),
        };
        // A machine without any certificates can still speak http, and believe those that it is given.
        let client = builder()
            .tls_certs_merge(own.clone())
            .build()
            .or_else(|_| builder().tls_certs_only(own).build())
            .map_err(|error| input(format!("http client: {}", runner_runners::error::chain(&error))))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Trouble(error.to_string()))?;
        Ok(Self { what, base: url, client, runtime })
    }

    /// Sends one request. `path` is in segments, each of which is encoded.
    ///
    /// # Errors
    /// [`Failure::Trouble`]: no answer. Every answer of the other side is a reply, also a refusal.
    pub fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if path.iter().any(|segment| segment.is_empty() || matches!(*segment, "." | "..")) {
            return Err(Failure::Input(format!("{}: {path:?} has an empty part", self.what)));
        }
        let shown = url.clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method.clone(), url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let trouble = |error: &dyn std::error::Error| {
            let mut text = format!("{}: {method} {shown}: {error}", self.what);
            let mut cause = error.source();
            while let Some(deeper) = cause {
                text.push_str(&format!(": {deeper}"));
                cause = deeper.source();
            }
            Failure::Trouble(text)
        };
        self.runtime.block_on(async {
            let mut response = request.send().await.map_err(|error| trouble(&error.without_url()))?;
            let status = response.status().as_u16();
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| trouble(&error.without_url()))? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > ANSWER_LIMIT {
                    return Err(Failure::Refused(format!(
                        "{}: {shown} answers with more than {ANSWER_LIMIT} bytes",
                        self.what
                    )));
                }
            }
            let body = serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
            Ok(Reply { status, body })
        })
    }

    /// Sends one request whose answer must be 2xx.
    ///
    /// # Errors
    /// No answer (may be tried again, as may 429 and 5xx), or a refusal with its complaint.
    pub fn expect(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value> {
        let reply = self.send(method.clone(), path, query, body)?;
        if reply.ok() { Ok(reply.body) } else { Err(self.refusal(&method, path, &reply)) }
    }

    /// What an answer that is not 2xx means.
    pub fn refusal(&self, method: &Method, path: &[&str], reply: &Reply) -> Failure {
        let text =
            format!("{}: {method} {}: {} {}", self.what, path.join("/"), reply.status, reply.complaint());
        match reply.status {
            300..400 => Failure::Refused(format!("{text} (redirects are not followed: correct the address)")),
            408 | 425 | 429 | 500.. => Failure::Trouble(text),
            _refused => Failure::Refused(text),
        }
    }
}
