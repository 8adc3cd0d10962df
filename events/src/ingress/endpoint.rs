//! Where requests may arrive and how they are believed: one endpoint per event of an EventSource that receives HTTP.
//! Opens no port and reads no request.

use std::collections::BTreeMap;

use hyper::Method;
use runner_runners::Objects;
use runner_sensors::kinds::{SourceConfig, SourceEvent};
use runner_sensors::spec::{EventSource, WebhookContext};
use runner_workflows::spec::k8s::SecretKeySelector;

use super::payload::Kind;
use super::verify::{Algorithm, Encoding, Scheme, Secret, Secrets, TOLERANCE_S};

/// Largest body unless the source says otherwise, in bytes; as in Argo Events.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Largest body whatever the source says (GitHub sends at most 25 MB).
pub const BODY_LIMIT_BYTES: usize = 32 * 1024 * 1024;
/// Annotation that names the scheme of a webhook: `runner/verify: grafana`, or for one event `runner/verify.EVENT`.
pub const VERIFY: &str = "runner/verify";
/// Annotation with the Secret of that scheme, `NAME/KEY`.
pub const SECRET: &str = "runner/secret";
/// What is put behind the key of a secret to name the one before it, which is good as well while both are there.
pub const PREVIOUS: &str = ".previous";

/// A place where requests arrive.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Namespace of the EventSource.
    pub namespace: String,
    /// Its name.
    pub source: String,
    /// The event in it.
    pub name: String,
    /// Shape of the data.
    pub kind: Kind,
    /// `type` of the events.
    pub event_type: &'static str,
    /// Port of its own listener; none when it is reached by its canonical path only.
    pub port: Option<u16>,
    /// Path there; a segment in braces stands for any.
    pub path: String,
    /// The method that it takes.
    pub method: Method,
    /// Who may send: a bearer token.
    pub auth: Option<Secrets>,
    /// Who may send: what the provider signs with.
    pub scheme: Scheme,
    /// Only messages of SNS for this topic, with its signature.
    pub sns: Option<Sns>,
    /// Largest body, in bytes.
    pub max_bytes: usize,
    /// Goes into the data.
    pub metadata: BTreeMap<String, String>,
    /// Only these types of events of Stripe.
    pub stripe_types: Vec<String>,
    /// Expression over the data: events for which it is not true are dropped.
    pub filter: Option<String>,
    /// Key and certificate of its listener, PEM.
    pub tls: Option<Tls>,
}

/// What is asked of messages of SNS.
#[derive(Clone, Debug)]
pub struct Sns {
    /// The topic.
    pub topic_arn: Option<String>,
    /// Whether the signature is checked; only `validateSignature: false` with a bearer token turns it off.
    pub signed: bool,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificates, PEM.
    pub certificate: Vec<u8>,
    /// Private key, PEM.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Endpoint {
    /// `/events/<namespace>/<source>/<event>`: where every endpoint is reached on the main listener.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("/events/{}/{}/{}", self.namespace, self.source, self.name)
    }

    /// Whether anybody may send.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.auth.is_none()
            && matches!(self.scheme, Scheme::Open)
            && !self.sns.as_ref().is_some_and(|sns| sns.signed)
    }

    /// Whether a path of its own port is meant for it.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        let (mut mine, mut given) = (self.path.split('/'), path.split('/'));
        loop {
            match (mine.next(), given.next()) {
                (None, None) => return true,
                (Some(mine), Some(given)) if mine == given => {}
                (Some(mine), Some(given))
                    if mine.starts_with('{') && mine.ends_with('}') && !given.is_empty() => {}
                (Some(_) | None, Some(_) | None) => return false,
            }
        }
    }
}

/// A secret, a certificate or a port that an endpoint cannot do without.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("EventSource {namespace}/{source_name}, event {event}: {what}")]
pub struct Unusable {
    /// Namespace.
    pub namespace: String,
    /// EventSource.
    pub source_name: String,
    /// Event.
    pub event: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// The endpoint of an event, if its type receives HTTP.
///
/// # Errors
/// When it must not be opened: a secret that is missing or empty (V21), a port that is none.
pub fn endpoint(
    source: &EventSource,
    event: &SourceEvent<'_>,
    namespace: &str,
    objects: &dyn Objects,
) -> Result<Option<Endpoint>, Unusable> {
    let Some(kind) = kind(event.config) else { return Ok(None) };
    let find = Find { source, event: event.name, namespace, objects };
    let context = event.webhook().unwrap_or_default();
    let port = match context.port.trim() {
        "" => None,
        text => Some(text.parse().map_err(|_| find.unusable(format!("`{text}` is no port")))?),
    };
    let endpoint = Endpoint {
        namespace: namespace.to_owned(),
        source: source.metadata.name.clone(),
        name: event.name.to_owned(),
        kind,
        event_type: event.kind.event_type(),
        port,
        path: if context.endpoint.is_empty() { "/".to_owned() } else { context.endpoint.clone() },
        method: method(&context, kind).map_err(|what| find.unusable(what))?,
        auth: context.auth_secret.as_ref().map(|selector| find.secrets(selector)).transpose()?,
        scheme: scheme(event.config, &find)?,
        sns: sns(event.config),
        max_bytes: max_bytes(&context),
        metadata: metadata(event.config, &context),
        stripe_types: stripe_types(event.config),
        filter: event.expression().map(str::to_owned),
        tls: tls(&context, &find)?,
    };
    if endpoint.sns.as_ref().is_some_and(|sns| !sns.signed) && endpoint.auth.is_none() {
        tracing::warn!(source = endpoint.source, event = endpoint.name, "messages of SNS are not verified");
    }
    Ok(Some(endpoint))
}

/// Whether an event's type receives HTTP.
#[must_use]
pub fn receives(event: &SourceEvent<'_>) -> bool {
    kind(event.config).is_some()
}

fn kind(config: SourceConfig<'_>) -> Option<Kind> {
    Some(match config {
        SourceConfig::Webhook(_) => Kind::Webhook,
        SourceConfig::Github(_) => Kind::Github,
        SourceConfig::Gitlab(_) => Kind::Gitlab,
        SourceConfig::Bitbucket(_) => Kind::Bitbucket,
        SourceConfig::BitbucketServer(_) => Kind::BitbucketServer,
        SourceConfig::Gerrit(_) => Kind::Gerrit,
        SourceConfig::Slack(_) => Kind::Slack,
        SourceConfig::Stripe(_) => Kind::Stripe,
        SourceConfig::Sns(_) => Kind::Sns,
        SourceConfig::StorageGrid(_) => Kind::StorageGrid,
        _ => return None,
    })
}

fn method(context: &WebhookContext, kind: Kind) -> Result<Method, String> {
    let text = context.method.trim().to_ascii_uppercase();
    if text.is_empty() || kind != Kind::Webhook {
        return Ok(Method::POST);
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is no HTTP method"))
}

fn max_bytes(context: &WebhookContext) -> usize {
    let given = context.max_payload_size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
    given.unwrap_or(BODY_MAX_BYTES).min(BODY_LIMIT_BYTES)
}

fn sns(config: SourceConfig<'_>) -> Option<Sns> {
    let SourceConfig::Sns(sns) = config else { return None };
    let topic_arn = (!sns.topic_arn.is_empty()).then(|| sns.topic_arn.clone());
    Some(Sns { topic_arn, signed: sns.validate_signature })
}

fn stripe_types(config: SourceConfig<'_>) -> Vec<String> {
    match config {
        SourceConfig::Stripe(stripe) => {
            stripe.event_filter.iter().filter(|wanted| *wanted != "*").cloned().collect()
        }
        _ => Vec::new(),
    }
}

fn metadata(config: SourceConfig<'_>, context: &WebhookContext) -> BTreeMap<String, String> {
    let own = match config {
        SourceConfig::Github(source) => &source.metadata,
        SourceConfig::Gitlab(source) => &source.metadata,
        SourceConfig::Bitbucket(source) => &source.metadata,
        SourceConfig::BitbucketServer(source) => &source.metadata,
        SourceConfig::Gerrit(source) => &source.metadata,
        SourceConfig::Slack(source) => &source.metadata,
        SourceConfig::Stripe(source) => &source.metadata,
        SourceConfig::Sns(source) => &source.metadata,
        SourceConfig::StorageGrid(source) => &source.metadata,
        _ => &context.metadata,
    };
    own.clone()
}

fn tls(context: &WebhookContext, find: &Find<'_>) -> Result<Option<Tls>, Unusable> {
    match (&context.server_cert_secret, &context.server_key_secret) {
        (Some(certificate), Some(key)) => {
            Ok(Some(Tls { certificate: find.value(certificate)?, key: find.value(key)? }))
        }
        (None, None) => Ok(None),
        _ => Err(find.unusable("serverCertSecret and serverKeySecret belong together".to_owned())),
    }
}

fn scheme(config: SourceConfig<'_>, find: &Find<'_>) -> Result<Scheme, Unusable> {
    if let Some(chosen) = find.annotated()? {
        return Ok(chosen);
    }
    let secrets = |selector: &Option<SecretKeySelector>| {
        selector.as_ref().map(|selector| find.secrets(selector)).transpose()
    };
    let hub = |secrets: Option<Secrets>| secrets.map_or(Scheme::Open, Scheme::Hub);
    Ok(match config {
        SourceConfig::Github(source) => hub(secrets(&source.webhook_secret)?),
        SourceConfig::BitbucketServer(source) => hub(secrets(&source.webhook_secret)?),
        SourceConfig::Gitlab(source) => match secrets(&source.secret_token)? {
            Some(secrets) => Scheme::Token { header: "X-Gitlab-Token", secrets },
            None => Scheme::Open,
        },
        SourceConfig::Slack(source) => match secrets(&source.signing_secret)? {
            Some(secrets) => Scheme::Slack { secrets, tolerance_s: TOLERANCE_S },
            None => Scheme::Open,
        },
        _ => Scheme::Open,
    })
}

/// An annotation of one event, else of the whole source.
fn annotation<'a>(source: &'a EventSource, event: &str, name: &str) -> Option<&'a str> {
    let annotations = &source.metadata.annotations;
    annotations.get(&format!("{name}.{event}")).or_else(|| annotations.get(name)).map(String::as_str)
}

/// The Secret of the scheme that annotations name for an event; nothing when they name none.
pub(crate) fn annotated(source: &EventSource, event: &str) -> Option<SecretKeySelector> {
    annotation(source, event, VERIFY).filter(|scheme| *scheme != "none")?;
    let (name, key) = annotation(source, event, SECRET)?.split_once('/')?;
    Some(SecretKeySelector { name: name.to_owned(), key: key.to_owned(), ..SecretKeySelector::default() })
}

/// Looks for secrets of one event.
struct Find<'a> {
    source: &'a EventSource,
    event: &'a str,
    namespace: &'a str,
    objects: &'a dyn Objects,
}

impl Find<'_> {
    fn unusable(&self, what: String) -> Unusable {
        Unusable {
            namespace: self.namespace.to_owned(),
            source_name: self.source.metadata.name.clone(),
            event: self.event.to_owned(),
            what,
        }
    }

    fn value(&self, selector: &SecretKeySelector) -> Result<Vec<u8>, Unusable> {
        let (name, key) = (&selector.name, &selector.key);
        let found = self.objects.secret_value(self.namespace, name, key);
        let found = found.map_err(|error| self.unusable(format!("secret {name}: {error}")))?;
        found.map(|value| value.expose().to_vec()).ok_or_else(|| {
            let hint = self.objects.secret_hint(self.namespace, name, Some(key));
            self.unusable(format!("secret `{name}` has no key `{key}`, so nobody could be believed. {hint}"))
        })
    }

    /// The secret, and the one before it under the same key with `.previous`.
    fn secrets(&self, selector: &SecretKeySelector) -> Result<Secrets, Unusable> {
        let (name, key) = (&selector.name, &selector.key);
        let current = Secret::new(&self.value(selector)?).ok_or_else(|| {
            self.unusable(format!("the secret `{name}` is empty at `{key}`: anybody could sign with it"))
        })?;
        let previous = self.objects.secret_value(self.namespace, name, &format!("{key}{PREVIOUS}"));
        let previous = previous.map_err(|error| self.unusable(format!("secret {name}: {error}")))?;
        Ok(Secrets::new(current, previous.and_then(|value| Secret::new(value.expose()))))
    }

    /// The scheme that annotations of the EventSource name.
    fn annotated(&self) -> Result<Option<Scheme>, Unusable> {
        let Some(scheme) = annotation(self.source, self.event, VERIFY) else { return Ok(None) };
        if scheme == "none" {
            return Ok(Some(Scheme::Open));
        }
        if annotation(self.source, self.event, SECRET).is_none() {
            return Err(self.unusable(format!("{VERIFY} needs {SECRET}: NAME/KEY")));
        }
        let selector = annotated(self.source, self.event)
            .ok_or_else(|| self.unusable(format!("{SECRET}: write NAME/KEY")))?;
        let secrets = self.secrets(&selector)?;
        named(scheme, secrets).map(Some).map_err(|what| self.unusable(what))
    }
}

/// A scheme by name: `bearer`, `github`, `gitlab`, `standard-webhooks`, `grafana`, `grafana:TIME-HEADER`, `pagerduty`,
/// `slack`, `stripe`, or `hmac-sha256:HEADER[:PREFIX]` (also `hmac-sha1`, `hmac-sha512`, and with `-base64`).
///
/// # Errors
/// When there is no such scheme.
pub fn named(name: &str, secrets: Secrets) -> Result<Scheme, String> {
    let tolerance_s = TOLERANCE_S;
    let mut parts = name.splitn(3, ':');
    let (first, second, third) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    Ok(match first {
        "bearer" | "alertmanager" | "argocd" | "backstage" => Scheme::Bearer(secrets),
        "github" => Scheme::Hub(secrets),
        "gitlab" => Scheme::Token { header: "X-Gitlab-Token", secrets },
        "standard-webhooks" => Scheme::Standard { secrets, tolerance_s },
        "grafana" => Scheme::Grafana {
            secrets,
            header: "X-Grafana-Alerting-Signature".to_owned(),
            timestamp_header: second.map(str::to_owned),
            tolerance_s,
        },
        "pagerduty" => Scheme::PagerDuty(secrets),
        "slack" => Scheme::Slack { secrets, tolerance_s },
        "stripe" => Scheme::Stripe { secrets, tolerance_s },
        hmac => {
            let (hash, encoding) = match hmac.strip_suffix("-base64") {
                Some(hash) => (hash, Encoding::Base64),
                None => (hmac, Encoding::Hex),
            };
            let algorithm = match hash {
                "hmac-sha1" => Algorithm::Sha1,
                "hmac-sha256" => Algorithm::Sha256,
                "hmac-sha512" => Algorithm::Sha512,
                _ => return Err(format!("`{name}` is no way to verify that is known")),
            };
            let header = second.filter(|header| !header.is_empty()).map(str::to_owned);
            let header = header.ok_or_else(|| format!("write {hash}:HEADER"))?;
            Scheme::Hmac { secrets, header, prefix: third.unwrap_or("").to_owned(), algorithm, encoding }
        }
    })
}
