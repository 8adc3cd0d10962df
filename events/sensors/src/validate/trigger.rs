//! The rules of triggers: names, conditions, resets, policies, dead letters; as Argo's validateTrigger.
//! The rules of each kind are in `trigger_kinds`, those of parameters in `parameters`.

use std::collections::BTreeSet;

use super::parameters;
use super::report::{At, Report};
use super::trigger_kinds;
use crate::conditions::Conditions;
use crate::duration;
use crate::schedule::Schedule;
use crate::spec::{Backoff, Sensor, Trigger, TriggerTemplate};

pub(super) fn check_all(report: &mut Report<'_>, sensor: &Sensor, dependencies: &BTreeSet<&str>) {
    let at = At::root().keys("spec.triggers");
    if sensor.spec.triggers.is_empty() {
        report.error(&At::root().key("spec"), "no-triggers", "no triggers found");
    }
    let mut names = BTreeSet::new();
    for (i, trigger) in sensor.spec.triggers.iter().enumerate() {
        let at = at.index(i);
        check(report, &at, trigger, dependencies);
        let name = trigger.template.as_ref().map_or("", |template| template.name.as_str());
        if !name.is_empty() && !names.insert(name) {
            report.error(
                &at.keys("template.name"),
                "duplicate-trigger",
                format!("duplicate trigger name: {name}"),
            );
        }
    }
}

fn check(report: &mut Report<'_>, at: &At, trigger: &Trigger, dependencies: &BTreeSet<&str>) {
    let Some(template) = &trigger.template else {
        report.error(at, "field-missing", "trigger template can't be nil: `template` is required");
        return;
    };
    check_template(report, &at.key("template"), template, dependencies);
    parameters::check(report, &at.key("parameters"), &trigger.parameters, dependencies, false);
    policy(report, at, trigger);
    if let Some(retry) = &trigger.retry_strategy {
        backoff(report, &at.key("retryStrategy"), retry);
    }
    if let Some(limit) = &trigger.rate_limit {
        let at = at.key("rateLimit");
        if !matches!(limit.unit.as_str(), "" | "Second" | "Minute" | "Hour") {
            let text = format!("unknown unit `{}`: it is Second, Minute or Hour", limit.unit);
            report.error(&at.key("unit"), "rate-limit", text);
        }
        if limit.requests_per_unit.unwrap_or(0) < 1 {
            report.error(&at, "rate-limit", "`requestsPerUnit` must be at least 1");
        }
    }
    if let Some(dead) = &trigger.dlq_trigger {
        let at = at.key("dlqTrigger");
        if !trigger.at_least_once {
            let text = "to use dlqTrigger, trigger.atLeastOnce must be set to true";
            report.error(&at, "dlq-trigger", text);
        } else if !dead.at_least_once {
            let text = "atLeastOnce must be set to true within the dlqTrigger";
            report.error(&at, "dlq-trigger", text);
        }
        check(report, &at, dead, dependencies);
    }
}

fn check_template(
    report: &mut Report<'_>,
    at: &At,
    template: &TriggerTemplate,
    dependencies: &BTreeSet<&str>,
) {
    if template.name.is_empty() {
        report.error(at, "field-missing", "trigger must define a name");
    }
    match template.kinds().as_slice() {
        [] => {
            report.error(at, "trigger-kind", "the trigger does nothing: it needs a kind, e.g. `argoWorkflow`")
        }
        [_] => {}
        several => report.error(
            at,
            "trigger-kind",
            format!("a trigger has one kind, this has {}: make it several triggers", several.join(", ")),
        ),
    }
    if !template.conditions.trim().is_empty() {
        let place = at.key("conditions");
        match Conditions::parse(&template.conditions) {
            Err(message) => report.error(&place, "conditions", message),
            Ok(conditions) => {
                for name in conditions.names().iter().filter(|name| !dependencies.contains(name.as_str())) {
                    let text = format!(
                        "`{name}` is not a dependency of this sensor: it has {}",
                        dependencies.iter().copied().collect::<Vec<_>>().join(", ")
                    );
                    report.error(&place, "unknown-dependency", text);
                }
            }
        }
    }
    for (i, reset) in template.conditions_reset.iter().enumerate() {
        let at = at.key("conditionsReset").index(i);
        match &reset.by_time {
            None => report.error(&at, "conditions-reset", "invalid conditionsReset: `byTime` is required"),
            Some(time) => {
                let schedule = Schedule::parse(&time.cron, &time.timezone);
                report.good(
                    &at.key("byTime"),
                    "conditions-reset",
                    schedule.map_err(|error| error.to_string()),
                );
            }
        }
    }
    trigger_kinds::check(report, at, template, dependencies);
}

fn policy(report: &mut Report<'_>, at: &At, trigger: &Trigger) {
    let (Some(policy), Some(template)) = (&trigger.policy, &trigger.template) else { return };
    let at = at.key("policy");
    let object = template.k8s.is_some() || template.argo_workflow.is_some();
    if let Some(k8s) = &policy.k8s {
        let at = at.key("k8s");
        if object && k8s.labels.is_empty() {
            report.error(&at, "policy", "resource labels are not specified");
        }
        if let Some(wait) = &k8s.backoff {
            backoff(report, &at.key("backoff"), wait);
        }
        if !object {
            report.warning(&at, "no-effect", "`policy.k8s` is for triggers that create objects");
        }
    }
    if let Some(status) = &policy.status {
        let at = at.key("status");
        let request = template.http.is_some() || template.aws_lambda.is_some();
        if request && status.allow.is_empty() {
            report.error(&at, "policy", "list of allowed response status is not specified");
        }
        if !request && template.open_whisk.is_none() {
            report.warning(&at, "no-effect", "`policy.status` is for triggers that send requests");
        }
    }
}

fn backoff(report: &mut Report<'_>, at: &At, backoff: &Backoff) {
    if let Some(value) = &backoff.duration {
        report.good(&at.key("duration"), "duration", duration::of(value));
    }
    if backoff.steps.is_some_and(|steps| steps < 1) {
        report.warning(&at.key("steps"), "backoff", "`steps` below 1 counts as 1");
    }
}
