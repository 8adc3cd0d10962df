//! Kafka: how to reach a cluster, for the source that consumes and the trigger that sends.
//! Neither consumes nor sends: the files beside it do.

mod send;
mod source;

use std::time::Duration;

use krafka::Kafka;
use krafka::auth::{AuthConfig, TlsConfig};
use runner_sensors::spec::{SaslConfig, TlsConfig as TlsFields};

use crate::{Access, Tls};

pub use send::{Message, Sender, Unsent};
pub(crate) use source::Source;

/// How long a connection may take, and an answer.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(10);

/// Where a cluster is and how to log in. `Debug` shows no secret.
pub(crate) struct Cluster {
    url: String,
    security: AuthConfig,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Cluster {
    /// `url` is a list of `HOST:PORT` with commas.
    fn new(
        url: &str,
        sasl: Option<&SaslConfig>,
        tls: Option<&TlsFields>,
        access: &Access,
    ) -> Result<Self, String> {
        if url.is_empty() {
            return Err("kafka: url is needed".to_owned());
        }
        let mut security = login(sasl, access)?;
        if let Some(tls) = access.tls(tls)? {
            security = security.with_tls(trust(tls));
        }
        Ok(Self { url: url.split(',').map(str::trim).collect::<Vec<_>>().join(","), security })
    }

    async fn connect(&self) -> Result<Kafka, String> {
        let builder = Kafka::builder(&self.url).client_id("runner").security(self.security.clone());
        let builder = builder.connect_timeout(CONNECT).request_timeout(ANSWER);
        builder.connect().await.map_err(self.failed("cannot connect"))
    }

    fn failed(&self, what: &'static str) -> impl Fn(krafka::KrafkaError) -> String {
        move |error| format!("kafka {}: {what}: {error}", self.url)
    }
}

/// As `sasl` says; without a mechanism PLAIN, as in Argo Events.
fn login(sasl: Option<&SaslConfig>, access: &Access) -> Result<AuthConfig, String> {
    let Some(sasl) = sasl else { return Ok(AuthConfig::plaintext()) };
    let user = access.optional(sasl.user_secret.as_ref())?.unwrap_or_default();
    let password = access.optional(sasl.password_secret.as_ref())?.unwrap_or_default();
    match sasl.mechanism.as_str() {
        "" | "PLAIN" => Ok(AuthConfig::sasl_plain(user, password)),
        "SCRAM-SHA-256" => Ok(AuthConfig::sasl_scram_sha256(user, password)),
        "SCRAM-SHA-512" => Ok(AuthConfig::sasl_scram_sha512(user, password)),
        other => Err(format!(
            "kafka: sasl.mechanism: {other} is not built in; use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        )),
    }
}

/// With `caCertSecret` only its authorities are believed, as in Argo Events; else those of the system.
fn trust(given: Tls) -> TlsConfig {
    let mut tls = match (given.insecure, given.ca) {
        (true, _) => TlsConfig::insecure(),
        (false, Some(ca)) => TlsConfig::new().with_ca_cert_pem(ca),
        (false, None) => TlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = given.identity {
        tls = tls.with_client_cert_pem(certificate, key);
    }
    tls
}

/// What is known of Kafka and not built in, of a source or a trigger.
///
/// # Errors
/// A sentence for people that names the field.
fn declined(schema_registry: bool, aws_msk_iam_auth: bool) -> Result<(), String> {
    if schema_registry {
        return Err(
            "kafka: schemaRegistry is not built in; use messages of JSON (jsonBody) or decode base64 \
                    bodies in a step"
                .to_owned(),
        );
    }
    if aws_msk_iam_auth {
        return Err(
            "kafka: awsMskIamAuth is not built in; use sasl with SCRAM-SHA-512, which MSK offers as well"
                .to_owned(),
        );
    }
    Ok(())
}
