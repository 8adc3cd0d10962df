//! Fields that Argo Events knows and that have no effect here, with the reason.
//! Does not look at unknown fields: `load` reports those.

use runner_workflows::diagnostic::Diagnostic;

use super::report::{At, Report};
use crate::spec::{EventBus, EventSource, Sensor};

const POD: &str = "event sources and sensors run inside the engine, there is no pod to configure";
const COPIES: &str = "event sources and sensors run inside the engine, once";
const BUS: &str = "the bus is the engine's store, or a NATS that runs already: nothing is deployed";
const HOOKS: &str =
    "webhooks are not made at the provider: enter the address and the secret of this source there by hand";
const NOTHING: &str = "it has none in Argo Events either";

/// Settings of a pod. Environment, volumes and mounts are not among them: they take effect.
const POD_FIELDS: [&str; 14] = [
    "template.affinity",
    "template.imagePullSecrets",
    "template.metadata",
    "template.nodeSelector",
    "template.priority",
    "template.priorityClassName",
    "template.securityContext",
    "template.serviceAccountName",
    "template.tolerations",
    "template.container.imagePullPolicy",
    "template.container.resources",
    "template.container.securityContext",
    "replicas",
    "revisionHistoryLimit",
];
/// Settings with which a source would make its webhook at the provider, where that is not built in.
const HOOK_FIELDS: [(&str, &str); 6] = [
    ("bitbucket", "auth"),
    ("bitbucket", "deleteHookOnFinish"),
    ("bitbucketserver", "accessToken"),
    ("bitbucketserver", "deleteHookOnFinish"),
    ("gerrit", "deleteHookOnFinish"),
    ("stripe", "createWebhook"),
];
/// Settings of the servers that a bus would run on.
const BUS_FIELDS: [&str; 16] = [
    "affinity",
    "auth",
    "containerTemplate",
    "imagePullSecrets",
    "metadata",
    "metricsContainerTemplate",
    "nodeSelector",
    "persistence",
    "priority",
    "priorityClassName",
    "reloaderContainerTemplate",
    "securityContext",
    "serviceAccountName",
    "settings",
    "startArgs",
    "tolerations",
];

fn note(report: &mut Report<'_>, at: &At, field: &str, why: &str) {
    if report.has(at) {
        let name = field.rsplit('.').next().unwrap_or(field);
        report.push(at, Diagnostic::note("no-effect", format!("`{name}` has no effect here because {why}")));
    }
}

fn pod(report: &mut Report<'_>) {
    for field in POD_FIELDS {
        let why = if matches!(field, "replicas" | "revisionHistoryLimit") { COPIES } else { POD };
        note(report, &At::root().key("spec").keys(field), field, why);
    }
}

/// What of Kafka is known and refused when it is used, and what the client does without.
const KAFKA_REFUSED: [&str; 2] = ["schemaRegistry", "awsMskIamAuth"];
const KAFKA_NEEDLESS: [(&str, &str); 3] = [
    ("config", "it is a configuration of another client"),
    ("version", "the version is negotiated"),
    ("flushFrequency", "each message is sent at once"),
];

pub(super) fn kafka(report: &mut Report<'_>, at: &At) {
    for field in KAFKA_REFUSED {
        let at = at.key(field);
        if report.has(&at) {
            let text = format!("`{field}` is not built in: the source is not started, the trigger fails");
            report.warning(&at, "not-built-in", text);
        }
    }
    for (field, why) in KAFKA_NEEDLESS {
        note(report, &at.key(field), field, why);
    }
}

pub(super) fn event_source(report: &mut Report<'_>, source: &EventSource) {
    pod(report);
    for name in source.spec.kafka.keys() {
        kafka(report, &At::root().keys("spec.kafka").key(name));
    }
    if source.spec.service.is_some() {
        let why = "the engine itself listens on the ports: no service is made";
        note(report, &At::root().keys("spec.service"), "service", why);
    }
    // who may manage webhooks at the provider is named, and nothing is made there
    for event in source.spec.events() {
        for (kind, field) in HOOK_FIELDS {
            let at = At::root().key("spec").key(kind).key(event.name).key(field);
            note(report, &at, field, HOOKS);
        }
    }
}

pub(super) fn sensor(report: &mut Report<'_>, sensor: &Sensor) {
    pod(report);
    if sensor.spec.error_on_failed_round {
        note(report, &At::root().keys("spec.errorOnFailedRound"), "errorOnFailedRound", NOTHING);
    }
}

pub(super) fn event_bus(report: &mut Report<'_>, bus: &EventBus) {
    let spec = At::root().key("spec");
    for kind in ["jetstream", "nats.native"] {
        for field in BUS_FIELDS {
            note(report, &spec.keys(kind).key(field), field, BUS);
        }
    }
    if bus.spec.kafka.is_some() {
        note(
            report,
            &spec.key("kafka"),
            "kafka",
            "a Kafka bus is not built in: events go through the engine's store",
        );
    }
    if bus.spec.nats.is_some() {
        let why = "NATS Streaming is not built in: events go through the engine's store";
        note(report, &spec.key("nats"), "nats", why);
    }
}

#[cfg(test)]
mod tests {
    use runner_workflows::parse::Limits;

    use crate::load::read_file;
    use crate::validate::validate;

    #[test]
    fn what_of_kafka_has_no_effect_or_is_not_built_in_is_said_when_it_is_loaded() {
        let text = "apiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {name: es}\nspec:\n  kafka:\n    e:\n      \
            url: a:1\n      topic: t\n      partition: \"0\"\n      version: 2.5.0\n      config: 'a: b'\n      \
            schemaRegistry: {url: u, schemaId: 1}\n";
        let (objects, _, _) = read_file("es.yaml", text, Limits::default());
        let said: Vec<String> =
            objects.iter().flat_map(|object| validate(object, None)).map(|one| one.message).collect();
        for wanted in
            ["`schemaRegistry` is not built in", "`version` has no effect", "`config` has no effect"]
        {
            assert!(said.iter().any(|one| one.contains(wanted)), "{wanted}: {said:?}");
        }
    }
}
