//! The rules of a Sensor: dependencies and their filters, as Argo's ValidateSensor.
//! Triggers are in `trigger`.

use std::collections::{BTreeMap, BTreeSet};

use super::data;
use super::report::{At, Report};
use super::trigger;
use crate::spec::{EventBus, EventContext, EventDependency, EventDependencyFilter, ExprFilter, Sensor};

pub(super) fn check(report: &mut Report<'_>, sensor: &Sensor, bus: Option<&EventBus>) {
    let root = At::root();
    report.required(&root, "metadata.name", &sensor.metadata.name);
    let at = root.keys("spec.dependencies");
    if sensor.spec.dependencies.is_empty() {
        report.error(&root.key("spec"), "no-dependencies", "no event dependencies found");
    }
    let once = bus.is_some_and(|bus| bus.spec.nats.is_some());
    let mut names = BTreeSet::new();
    let mut events: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (i, dependency) in sensor.spec.dependencies.iter().enumerate() {
        let at = at.index(i);
        check_dependency(report, &at, dependency);
        if !dependency.name.is_empty() && !names.insert(dependency.name.as_str()) {
            let text = format!("dependency `{}` is there twice: only the last counts", dependency.name);
            report.warning(&at.key("name"), "duplicate-dependency", text);
        }
        let event = (dependency.event_source_name.as_str(), dependency.event_name.as_str());
        if events.insert(event, &dependency.name).is_some() && once {
            let text = format!(
                "event '{}' from EventSource '{}' is referenced for more than one dependency in this Sensor object",
                event.1, event.0
            );
            report.error(&at.key("eventName"), "duplicate-event", text);
        }
    }
    trigger::check_all(report, sensor, &names);
}

fn check_dependency(report: &mut Report<'_>, at: &At, dependency: &EventDependency) {
    let required = [
        ("a name: `name`", &dependency.name),
        ("the EventSourceName: `eventSourceName`", &dependency.event_source_name),
        ("the EventName: `eventName`", &dependency.event_name),
    ];
    for (what, _) in required.into_iter().filter(|(_, text)| text.is_empty()) {
        report.error(at, "field-missing", format!("event dependency must define {what} is required"));
    }
    operator(report, &at.key("filtersLogicalOperator"), &dependency.filters_logical_operator);
    if let Some(filter) = &dependency.filters {
        check_filter(report, &at.key("filters"), filter);
    }
    if let Some(transform) = &dependency.transform {
        let at = at.key("transform");
        data::transform(report, &at, transform);
    }
}

fn operator(report: &mut Report<'_>, at: &At, operator: &str) {
    if !matches!(operator, "" | "and" | "or") {
        let text = format!("logical operator {operator} not supported: it is `and` or `or`");
        report.error(at, "logical-operator", text);
    }
}

fn check_filter(report: &mut Report<'_>, at: &At, filter: &EventDependencyFilter) {
    operator(report, &at.key("exprLogicalOperator"), &filter.expr_logical_operator);
    operator(report, &at.key("dataLogicalOperator"), &filter.data_logical_operator);
    for (i, expr) in filter.exprs.iter().enumerate() {
        check_expr(report, &at.key("exprs").index(i), expr);
    }
    for (i, filter) in filter.data.iter().enumerate() {
        data::check(report, &at.key("data").index(i), filter);
    }
    if let Some(context) = &filter.context {
        check_context(report, &at.key("context"), context);
    }
    if let Some(time) = &filter.time {
        data::time(report, &at.key("time"), time);
    }
    if !filter.script.is_empty() {
        data::script(report, &at.key("script"), &filter.script);
    }
}

fn check_expr(report: &mut Report<'_>, at: &At, filter: &ExprFilter) {
    if filter.expr.is_empty() || filter.fields.is_empty() {
        let text = "one of expr filters is not valid (expr and fields must be not empty)";
        report.error(at, "expr-filter", text);
        return;
    }
    if filter.fields.iter().any(|field| field.path.is_empty() || field.name.is_empty()) {
        let text = "one of expr filters is not valid (path and name in a field must be not empty)";
        report.error(&at.key("fields"), "expr-filter", text);
    }
    data::expression(report, at, filter);
}

fn check_context(report: &mut Report<'_>, at: &At, context: &EventContext) {
    let used = [&context.r#type, &context.subject, &context.source, &context.datacontenttype];
    if used.iter().all(|text| text.is_empty()) {
        let text = "no fields specified in ctx filter (aka all events will be discarded)";
        report.error(at, "context-filter", text);
    }
    let unused = [("id", &context.id), ("time", &context.time), ("specversion", &context.specversion)];
    for (field, _) in unused.into_iter().filter(|(_, text)| !text.is_empty()) {
        let text = format!("`{field}` is not compared: only type, subject, source and datacontenttype are");
        report.warning(&at.key(field), "no-effect", text);
    }
}
