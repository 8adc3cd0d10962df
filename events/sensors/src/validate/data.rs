//! The rules of filters and transforms, and the texts in them that could only fail when an event comes.
//! Does not evaluate them.

use regex::Regex;
use runner_workflows::expr::when::Condition;

use super::report::{At, Report};
use crate::filter;
use crate::spec::{DataFilter, EventDependencyTransformer, ExprFilter, TimeFilter};
use crate::{jq, lua, path, template};

const TYPES: [&str; 3] = ["string", "number", "bool"];
const COMPARATORS: [&str; 7] = ["", "=", "!=", ">=", ">", "<=", "<"];

pub(super) fn check(report: &mut Report<'_>, at: &At, filter: &DataFilter) {
    if !COMPARATORS.contains(&filter.comparator.as_str()) {
        let text = format!(
            "comparator {} not supported: it is one of {}",
            filter.comparator,
            COMPARATORS[1..].join(" ")
        );
        report.error(&at.key("comparator"), "comparator", text);
    }
    if filter.path.is_empty() || filter.r#type.is_empty() || filter.value.is_empty() {
        let text = "one of data filters is not valid (type, path and value must be not empty)";
        report.error(at, "data-filter", text);
        return;
    }
    if filter.value.iter().any(String::is_empty) {
        let text = "one of data filters is not valid (value must be not empty)";
        report.error(&at.key("value"), "data-filter", text);
    }
    report.good(&at.key("path"), "path", path::check(&filter.path));
    if !filter.template.is_empty() {
        report.good(&at.key("template"), "template", template::check(&filter.template));
    }
    if !TYPES.contains(&filter.r#type.as_str()) {
        let known = TYPES.join(", ");
        let text = format!(
            "unsupported JSON type '{}': it is one of {known}, and no event ever passes",
            filter.r#type
        );
        report.warning(&at.key("type"), "data-filter", text);
    }
    values(report, at, filter);
}

fn values(report: &mut Report<'_>, at: &At, filter: &DataFilter) {
    for (i, value) in filter.value.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
        let result = match filter.r#type.as_str() {
            "string" => Regex::new(value).map(|_| ()).map_err(|error| format!("`{value}`: {error}")),
            "number" => {
                value.trim().parse::<f64>().map(|_| ()).map_err(|_| format!("`{value}` is not a number"))
            }
            "bool" => {
                path::parse_bool(value).map(|_| ()).ok_or_else(|| format!("`{value}` is not a boolean"))
            }
            _ => Ok(()),
        };
        report.good(&at.key("value").index(i), "data-filter", result);
    }
    let equality = matches!(filter.comparator.as_str(), "" | "=" | "!=");
    match filter.r#type.as_str() {
        "string" if !equality => {
            let text = format!(
                "text is compared by = and != only: with `{}` no event ever passes",
                filter.comparator
            );
            report.warning(&at.key("comparator"), "no-effect", text);
        }
        "bool" if !matches!(filter.comparator.as_str(), "" | "=") => {
            let text = format!("booleans are compared by = only: `{}` counts as =", filter.comparator);
            report.warning(&at.key("comparator"), "no-effect", text);
        }
        _ => {}
    }
}

pub(super) fn expression(report: &mut Report<'_>, at: &At, filter: &ExprFilter) {
    let place = at.key("expr");
    match Condition::compile(&filter.expr) {
        Err(error) => report.error(&place, "expr-filter", error.message),
        Ok(condition) => {
            let missing =
                condition.names().iter().find(|name| filter.fields.iter().all(|field| field.name != **name));
            if let Some(name) = missing {
                let text = format!(
                    "`{name}` is not one of the fields: the expression fails, and no event ever passes"
                );
                report.warning(&place, "expr-filter", text);
            }
        }
    }
    for (i, field) in filter.fields.iter().enumerate().filter(|(_, field)| !field.path.is_empty()) {
        report.good(&at.key("fields").index(i), "path", path::check(&field.path));
    }
}

pub(super) fn time(report: &mut Report<'_>, at: &At, time: &TimeFilter) {
    match filter::times(time) {
        Err(message) => report.error(at, "time-filter", message),
        Ok((start, stop, _)) if start == stop => {
            let text =
                format!("invalid event time filter: stop '{}' is equal to start '{}'", time.stop, time.start);
            report.error(at, "time-filter", text);
        }
        Ok(_) => {}
    }
}

pub(super) fn script(report: &mut Report<'_>, at: &At, source: &str) {
    report.good(at, "script", lua::check(source));
}

pub(super) fn transform(report: &mut Report<'_>, at: &At, transform: &EventDependencyTransformer) {
    if !transform.jq.is_empty() {
        report.good(&at.key("jq"), "jq", jq::check(&transform.jq));
        if !transform.script.is_empty() {
            report.warning(&at.key("script"), "no-effect", "`script` does not count beside `jq`");
        }
    } else if !transform.script.is_empty() {
        script(report, &at.key("script"), &transform.script);
    }
}
