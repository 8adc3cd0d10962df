//! The rules of an EventBus, as Argo's ValidateEventBus.
//! Does not connect; any version text is accepted, since no operator looks it up here.

use super::report::{At, Report};
use crate::spec::EventBus;

pub(super) fn check(report: &mut Report<'_>, bus: &EventBus) {
    let root = At::root();
    let spec = root.key("spec");
    report.required(&root, "metadata.name", &bus.metadata.name);
    let kinds = [
        bus.spec.nats.is_some(),
        bus.spec.jetstream.is_some(),
        bus.spec.jetstream_exotic.is_some(),
        bus.spec.kafka.is_some(),
    ];
    match kinds.into_iter().filter(|set| *set).count() {
        0 => report.error(
            &spec,
            "bus-kind",
            "invalid spec: either \"nats\", \"jetstream\", \"jetstreamExotic\", or \"kafka\" needs to be specified",
        ),
        1 => {}
        _ => report.warning(&spec, "bus-kind", "an EventBus has one kind: only the first of them counts"),
    }
    if let Some(nats) = &bus.spec.nats {
        let at = spec.key("nats");
        match (&nats.native, &nats.exotic) {
            (Some(_), Some(_)) => report.error(
                &at,
                "bus-kind",
                "\"spec.nats.native\" and \"spec.nats.exotic\" can not be defined together",
            ),
            (None, None) => {
                report.error(&at, "bus-kind", "either \"native\" or \"exotic\" must be defined");
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if let Some(exotic) = &nats.exotic {
            let at = at.key("exotic");
            if exotic.cluster_id.is_empty() && !report.has(&at.key("clusterID")) {
                report.error(&at, "field-missing", "\"spec.nats.exotic.clusterID\" is missing");
            }
            if exotic.url.is_empty() {
                report.error(&at, "field-missing", "\"spec.nats.exotic.url\" is missing");
            }
        }
    }
    if let Some(jetstream) = &bus.spec.jetstream {
        let at = spec.key("jetstream");
        if jetstream.version.is_empty() {
            report.error(&at, "field-missing", "invalid spec: a version for jetstream needs to be specified");
        }
        if jetstream.replicas.is_some_and(|replicas| replicas == 2 || replicas <= 0) {
            let text = "invalid spec: a jetstream eventbus requires 1 replica or >= 3 replicas";
            report.error(&at.key("replicas"), "bus-replicas", text);
        }
    }
    let kafka = bus.spec.kafka.as_ref().map(|kafka| ("kafka", &kafka.url));
    let exotic = bus.spec.jetstream_exotic.as_ref().map(|exotic| ("jetstreamExotic", &exotic.url));
    for (kind, _) in [kafka, exotic].into_iter().flatten().filter(|(_, url)| url.is_empty()) {
        report.error(&spec.key(kind), "field-missing", format!("\"spec.{kind}.url\" is missing"));
    }
}
