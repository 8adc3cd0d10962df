//! The rules of parameters: a source, a place, an operation; as Argo's validateTriggerParameter.
//! Does not resolve them.

use std::collections::BTreeSet;

use super::report::{At, Report};
use crate::spec::TriggerParameter;
use crate::{path, template};

/// Checks a list; `whole` allows a parameter without `dest`, which is the whole payload.
pub(super) fn check(
    report: &mut Report<'_>,
    at: &At,
    parameters: &[TriggerParameter],
    dependencies: &BTreeSet<&str>,
    whole: bool,
) {
    for (i, parameter) in parameters.iter().enumerate() {
        one(report, &at.index(i), parameter, dependencies, whole);
    }
}

fn one(
    report: &mut Report<'_>,
    at: &At,
    parameter: &TriggerParameter,
    dependencies: &BTreeSet<&str>,
    whole: bool,
) {
    if parameter.dest.is_empty() && !whole {
        report.error(at, "parameter", "parameter destination can't be empty: `dest` is required");
    }
    if !matches!(parameter.operation.as_str(), "" | "overwrite" | "append" | "prepend") {
        let text = format!(
            "parameter operation {} is invalid: it is overwrite, append or prepend",
            parameter.operation
        );
        report.error(&at.key("operation"), "parameter", text);
    }
    let Some(source) = &parameter.src else {
        report.error(at, "parameter", "parameter source can't be empty: `src` is required");
        return;
    };
    let at = at.key("src");
    if source.dependency_name.is_empty() {
        report.error(&at, "parameter", "parameter dependency name can't be empty");
    } else if !dependencies.contains(source.dependency_name.as_str()) {
        let name = &source.dependency_name;
        let text = if source.value.is_some() {
            format!("`{name}` is not a dependency of this sensor: `value` is always taken")
        } else {
            format!("`{name}` is not a dependency of this sensor: this parameter is always left out")
        };
        report.warning(&at.key("dependencyName"), "unknown-dependency", text);
    }
    for (field, text) in
        [("contextTemplate", &source.context_template), ("dataTemplate", &source.data_template)]
    {
        if !text.is_empty() {
            report.good(&at.key(field), "template", template::check(text));
        }
    }
    for (field, text) in [("contextKey", &source.context_key), ("dataKey", &source.data_key)] {
        if !text.is_empty() {
            report.good(&at.key(field), "path", path::check(text));
        }
    }
    let data = !source.data_key.is_empty() || !source.data_template.is_empty();
    let context = !source.context_key.is_empty() || !source.context_template.is_empty();
    if data && context {
        let text = "`contextKey` and `contextTemplate` do not count beside `dataKey` or `dataTemplate`";
        report.warning(&at, "no-effect", text);
    }
}
