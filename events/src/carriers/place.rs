//! Where an EventBus is: what its spec and its annotations say of a JetStream.
//! Connects to nothing.

use std::sync::Arc;

use runner_brokers::Access;
use runner_brokers::jetstream::{Place, STREAM as NAME};
use runner_runners::Objects;
use runner_sensors::spec::EventBus;
use runner_workflows::spec::k8s::SecretKeySelector;

/// Annotation: the address of the NATS that plays a bus of kind `jetstream`, which an operator would deploy.
pub const URL: &str = "runner/url";
/// Annotation: its access secret, `NAME/KEY`.
pub const SECRET: &str = "runner/secret";
/// Annotation: the name of the stream, when several buses share a server.
pub const STREAM: &str = "runner/stream";

/// The place of a bus; none when the store is the bus.
///
/// # Errors
/// A sentence for people.
pub(super) fn of(
    bus: &EventBus,
    namespace: &str,
    objects: &Arc<dyn Objects>,
) -> Result<Option<Place>, String> {
    let access = Access::new(Arc::clone(objects), namespace.to_owned());
    let annotation = |name: &str| bus.metadata.annotations.get(name).map(|text| text.trim());
    let name = annotation(STREAM).unwrap_or(NAME);
    if let Some(exotic) = &bus.spec.jetstream_exotic {
        let secret = exotic.access_secret.as_ref().map(|secret| access.text(secret)).transpose()?;
        let tls = access.tls(exotic.tls.as_ref())?;
        return Place::new(&exotic.url, secret.as_deref(), tls, name, &exotic.stream_config, None).map(Some);
    }
    let (Some(jetstream), Some(url)) = (&bus.spec.jetstream, annotation(URL)) else { return Ok(None) };
    let secret = match annotation(SECRET).map(|text| text.split_once('/')) {
        None => None,
        Some(None) => return Err(format!("{SECRET}: write NAME/KEY")),
        Some(Some((name, key))) => {
            let selector =
                SecretKeySelector { name: name.to_owned(), key: key.to_owned(), ..Default::default() };
            Some(access.text(&selector)?)
        }
    };
    let replicas = jetstream.replicas;
    Place::new(url, secret.as_deref(), None, name, &jetstream.stream_config, replicas).map(Some)
}
