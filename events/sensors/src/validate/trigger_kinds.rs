//! The rules of each kind of trigger, as Argo's validators of the same names.
//! Does not look at names, conditions and policies: `trigger` does.

use std::collections::BTreeSet;

use super::parameters;
use super::report::{At, Report};
use crate::spec::{ArtifactLocation, HttpTrigger, TriggerParameter, TriggerTemplate};

const WORKFLOW_OPERATIONS: [&str; 8] =
    ["submit", "submit-from", "suspend", "retry", "resume", "resubmit", "terminate", "stop"];
const OBJECT_OPERATIONS: [&str; 5] = ["", "create", "update", "patch", "delete"];
const PATCHES: [&str; 4] = [
    "",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const METHODS: [&str; 6] = ["", "GET", "DELETE", "PATCH", "POST", "PUT"];

struct Checker<'r, 'a, 'd> {
    report: &'r mut Report<'a>,
    dependencies: &'d BTreeSet<&'d str>,
}

pub(super) fn check(
    report: &mut Report<'_>,
    at: &At,
    template: &TriggerTemplate,
    dependencies: &BTreeSet<&str>,
) {
    let mut checker = Checker { report, dependencies };
    checker.objects(at, template);
    checker.messages(at, template);
    checker.clouds(at, template);
}

impl Checker<'_, '_, '_> {
    fn parameters(&mut self, at: &At, list: &[TriggerParameter]) {
        parameters::check(self.report, &at.key("parameters"), list, self.dependencies, false);
    }

    fn payload(&mut self, at: &At, list: &[TriggerParameter], required: bool) {
        if required && list.is_empty() {
            self.report.error(at, "field-missing", "payload parameters are not specified");
        }
        parameters::check(self.report, &at.key("payload"), list, self.dependencies, false);
    }

    fn text(&mut self, at: &At, field: &str, value: &str) {
        self.report.required(at, field, value);
    }

    fn source(&mut self, at: &At, source: Option<&ArtifactLocation>) {
        if source.is_none() {
            self.report.error(
                at,
                "field-missing",
                "the trigger does not contain an absolute action: `source` is required",
            );
        }
    }

    fn objects(&mut self, at: &At, template: &TriggerTemplate) {
        if let Some(trigger) = &template.argo_workflow {
            let at = at.key("argoWorkflow");
            self.source(&at, trigger.source.as_ref());
            if !WORKFLOW_OPERATIONS.contains(&trigger.operation.as_str()) {
                let text = format!(
                    "unknown operation type `{}`: it is one of {}",
                    trigger.operation,
                    WORKFLOW_OPERATIONS.join(", ")
                );
                self.report.error(&at.key("operation"), "operation", text);
            }
            self.parameters(&at, &trigger.parameters);
        }
        if let Some(trigger) = &template.k8s {
            let at = at.key("k8s");
            self.source(&at, trigger.source.as_ref());
            if !OBJECT_OPERATIONS.contains(&trigger.operation.as_str()) {
                let text = format!(
                    "unknown operation type `{}`: it is one of {}",
                    trigger.operation,
                    OBJECT_OPERATIONS[1..].join(", ")
                );
                self.report.error(&at.key("operation"), "operation", text);
            }
            if !PATCHES.contains(&trigger.patch_strategy.as_str()) {
                let text = format!(
                    "patchStrategy `{}` does not go with a resource: it is one of {}",
                    trigger.patch_strategy,
                    PATCHES[1..].join(", ")
                );
                self.report.warning(&at.key("patchStrategy"), "patch-strategy", text);
            }
            self.parameters(&at, &trigger.parameters);
        }
        if let Some(trigger) = &template.custom {
            let at = at.key("custom");
            self.text(&at, "serverURL", &trigger.server_url);
            if trigger.spec.is_empty() {
                self.report.missing(&at, "spec");
            }
            if trigger.secure
                && trigger
                    .cert_secret
                    .as_ref()
                    .is_some_and(|secret| secret.name.is_empty() || secret.key.is_empty())
            {
                self.report.error(
                    &at.key("certSecret"),
                    "field-missing",
                    "certSecret must have a name and a key",
                );
            }
            self.parameters(&at, &trigger.parameters);
            self.payload(&at, &trigger.payload, false);
        }
    }

    fn messages(&mut self, at: &At, template: &TriggerTemplate) {
        if let Some(trigger) = &template.http {
            self.http(&at.key("http"), trigger);
        }
        if let Some(trigger) = &template.slack {
            let at = at.key("slack");
            if trigger.slack_token.is_none() {
                self.report.error(
                    &at,
                    "field-missing",
                    "slack token can't be empty: `slackToken` is required",
                );
            }
            self.parameters(&at, &trigger.parameters);
        }
        if let Some(trigger) = &template.email {
            let at = at.key("email");
            if trigger.host.is_empty() {
                self.report.error(&at, "field-missing", "host can't be empty");
            }
            if trigger.port.is_some_and(|port| !(0..=65535).contains(&port)) {
                self.report.error(&at.key("port"), "port", "port should be between 0-65535");
            }
            self.parameters(&at, &trigger.parameters);
        }
        if let Some(trigger) = &template.nats {
            let at = at.key("nats");
            self.text(&at, "url", &trigger.url);
            self.text(&at, "subject", &trigger.subject);
            self.parameters(&at, &trigger.parameters);
            self.payload(&at, &trigger.payload, true);
        }
        if let Some(trigger) = &template.kafka {
            let at = at.key("kafka");
            super::effect::kafka(self.report, &at);
            self.text(&at, "url", &trigger.url);
            self.text(&at, "topic", &trigger.topic);
            self.parameters(&at, &trigger.parameters);
            self.payload(&at, &trigger.payload, true);
        }
        if let Some(trigger) = &template.pulsar {
            let at = at.key("pulsar");
            self.parameters(&at, &trigger.parameters);
            self.payload(&at, &trigger.payload, false);
        }
    }

    fn http(&mut self, at: &At, trigger: &HttpTrigger) {
        if trigger.url.is_empty() {
            self.report.error(at, "field-missing", "server URL is not specified");
        }
        if !METHODS.contains(&trigger.method.as_str()) {
            let text = "only GET, DELETE, PATCH, POST and PUT methods are supported";
            self.report.error(&at.key("method"), "method", text);
        }
        self.parameters(at, &trigger.parameters);
        parameters::check(self.report, &at.key("payload"), &trigger.payload, self.dependencies, true);
        parameters::check(
            self.report,
            &at.key("dynamicHeaders"),
            &trigger.dynamic_headers,
            self.dependencies,
            false,
        );
    }

    fn clouds(&mut self, at: &At, template: &TriggerTemplate) {
        if let Some(trigger) = &template.aws_lambda {
            let at = at.key("awsLambda");
            self.text(&at, "functionName", &trigger.function_name);
            self.text(&at, "region", &trigger.region);
            self.parameters(&at, &trigger.parameters);
            self.payload(&at, &trigger.payload, true);
        }
        if let Some(trigger) = &template.open_whisk {
            let at = at.key("openWhisk");
            self.text(&at, "actionName", &trigger.action_name);
            self.text(&at, "host", &trigger.host);
            self.parameters(&at, &trigger.parameters);
            self.payload(&at, &trigger.payload, true);
        }
        if let Some(trigger) = &template.azure_event_hubs {
            let at = at.key("azureEventHubs");
            self.parameters(&at, &trigger.parameters);
            self.payload(&at, &trigger.payload, false);
        }
        if let Some(trigger) = &template.azure_service_bus {
            let at = at.key("azureServiceBus");
            self.parameters(&at, &trigger.parameters);
            self.payload(&at, &trigger.payload, false);
        }
    }
}
