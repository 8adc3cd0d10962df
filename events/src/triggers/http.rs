//! Triggers `http`: one request, whose status says whether it worked.
//! Does not try again: the machine decides that.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use runner_runners::typed::HttpPolicy;
use runner_runners::web::{self, Wanted};
use runner_sensors::event::Events;
use runner_sensors::parameter;
use runner_sensors::spec::{HttpTrigger, SecureHeader};

use super::{Done, Failed, Hands, Order};

/// Time for the whole request unless the trigger says otherwise, as in Argo Events.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Hands {
    /// Any status of `policy.status.allow` is good; without it any 2xx, where Argo Events takes every status.
    pub(super) async fn http(
        &self,
        order: &Order,
        http: &HttpTrigger,
        events: &Events,
        allowed: &[i64],
    ) -> Result<Done, Failed> {
        let payload = parameter::payload(&http.payload, events).map_err(Failed::never)?;
        let method = if http.method.is_empty() { "POST" } else { &http.method };
        let method = reqwest::Method::from_bytes(method.as_bytes())
            .map_err(|_| Failed::never(format!("`{method}` is no HTTP method")))?;
        let timeout = http.timeout.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
        let wanted = self.wanted(order, http);
        let url = web::address(&http.url, wanted.policy)
            .map_err(|why| Failed::never(stranger(order, http, &why)))?;
        let client = match &http.tls {
            Some(tls) => self.client_with(tls, &order.namespace, wanted)?,
            None if wanted.policy == self.http && !wanted.secret => self.client.clone(),
            None => web::client(wanted).map_err(Failed::never)?,
        };
        let mut request = client
            .request(method.clone(), url)
            .timeout(timeout.map_or(TIMEOUT, Duration::from_secs))
            .headers(self.headers(order, http, events)?);
        if let Some(basic) = &http.basic_auth {
            let part = |selector: &Option<_>| {
                selector.as_ref().map(|selector| self.secret(&order.namespace, selector)).transpose()
            };
            request = request.basic_auth(part(&basic.username)?.unwrap_or_default(), part(&basic.password)?);
        }
        if let Some(payload) = payload {
            request = request.body(payload);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| {
            let why = web::chain(&error.without_url());
            Failed::now(format!("{method}: {}", stranger(order, http, &why)))
        })?;
        let status = answer.status();
        let good = if allowed.is_empty() {
            status.is_success()
        } else {
            allowed.contains(&i64::from(status.as_u16()))
        };
        let message = format!("{method} {} answered {status}", host(&http.url));
        if good { Ok(Done { message, workflow: None }) } else { Err(Failed::now(message)) }
    }

    /// What a request may reach: where an event says to which server it goes, no address of this network (V27). With
    /// secrets it follows no redirect to another server (V29).
    fn wanted(&self, order: &Order, http: &HttpTrigger) -> Wanted {
        let deny_private = self.http.deny_private || is_from_event(order, http);
        let secret = http.basic_auth.is_some() || !http.secure_headers.is_empty();
        Wanted { policy: HttpPolicy { deny_private, ..self.http }, secret, ..Wanted::default() }
    }

    fn headers(&self, order: &Order, http: &HttpTrigger, events: &Events) -> Result<HeaderMap, Failed> {
        let mut out = HeaderMap::new();
        let mut put = |name: &str, value: &str, secret: bool| {
            let bad = || Failed::never(format!("header `{name}` cannot be sent"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
            value.set_sensitive(secret);
            out.insert(key, value);
            Ok::<(), Failed>(())
        };
        put("Content-Type", "application/json", false)?;
        put("Idempotency-Key", &order.key, false)?;
        for (name, value) in &http.headers {
            put(name, value, false)?;
        }
        for header in &http.dynamic_headers {
            let Some(source) = &header.src else { continue };
            if let Some(value) = parameter::resolve(source, events).map_err(Failed::never)? {
                put(&header.dest, &value.text, false)?;
            }
        }
        for header in &http.secure_headers {
            put(&header.name, self.secure_header(order, header)?.trim_end(), true)?;
        }
        Ok(out)
    }

    /// The value of a header that stands in a Secret or a ConfigMap.
    pub(super) fn secure_header(&self, order: &Order, header: &SecureHeader) -> Result<String, Failed> {
        let from = header.value_from.as_ref();
        let secret = from.and_then(|from| from.secret_key_ref.as_ref());
        match (secret, from.and_then(|from| from.config_map_key_ref.as_ref())) {
            (Some(secret), _) => self.secret(&order.namespace, secret),
            (None, Some(map)) => {
                let found = self.objects.config_map(&order.namespace, &map.name);
                let found = found.map_err(|error| Failed::now(error.to_string()))?;
                let value = found.and_then(|mut data| data.remove(&map.key));
                let missing = || format!("ConfigMap `{}` has no key `{}`", map.name, map.key);
                value.ok_or_else(|| Failed::never(missing()))
            }
            (None, None) => Err(Failed::never(format!("header `{}` has no value", header.name))),
        }
    }

    pub(super) fn secret(
        &self,
        namespace: &str,
        selector: &runner_workflows::spec::k8s::SecretKeySelector,
    ) -> Result<String, Failed> {
        let (name, key) = (&selector.name, &selector.key);
        let found = self.objects.secret_value(namespace, name, key);
        let found = found.map_err(|error| Failed::now(error.to_string()))?;
        let hint = || self.objects.secret_hint(namespace, name, Some(key));
        let value =
            found.ok_or_else(|| Failed::never(format!("secret `{name}` has no key `{key}`. {}", hint())))?;
        let text = value.expose_text().ok_or_else(|| Failed::never(format!("secret `{name}` is no text")))?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// Whether the server of a request is another one than the trigger was written with: parameters put it there.
fn is_from_event(order: &Order, http: &HttpTrigger) -> bool {
    let written = order.firing.definition().and_then(|trigger| trigger.template.as_ref()?.http.as_ref());
    let origin = |text: &str| url::Url::parse(text).ok().map(|url| url.origin()).filter(|one| one.is_tuple());
    let written = written.and_then(|written| origin(&written.url));
    written.is_none() || written != origin(&http.url)
}

/// A failure, and what to do if it is because the event chose the server.
fn stranger(order: &Order, http: &HttpTrigger, why: &str) -> String {
    if is_from_event(order, http) && why.contains("not a public address") {
        let hint = "the event says to which server the request goes; write the server in the trigger, and take from the event \
                    only what comes behind it";
        return format!("{why}: {hint}");
    }
    why.to_owned()
}

/// The part of an address that may be shown: queries hold tokens.
fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
