//! Arguments: names, values, enums, locations of artifacts.
//! Does not check that the called template has such inputs.

use super::names::{self, NameRule};
use super::process::has_location_or_key;
use super::report::{Place, Reporter};
use crate::spec::{Arguments, Artifact, Parameter, ValueFrom};

/// Checks arguments. `place.trail` ends in `.arguments`; `may_be_empty`: values may be given later.
pub(super) fn check(reporter: &mut Reporter<'_>, arguments: &Arguments, may_be_empty: bool, place: &Place) {
    let list = place.field("parameters").named(".parameters");
    names::check_list(
        reporter,
        &list,
        NameRule::Parameter,
        arguments.parameters.iter().map(|p| p.name.as_str()),
    );
    let list = place.field("artifacts").named(".artifacts");
    names::check_list(
        reporter,
        &list,
        NameRule::Parameter,
        arguments.artifacts.iter().map(|a| a.name.as_str()),
    );
    for (index, parameter) in arguments.parameters.iter().enumerate() {
        check_parameter(
            reporter,
            parameter,
            may_be_empty,
            place,
            &place.field(&format!("parameters/{index}")),
        );
    }
    for (index, artifact) in arguments.artifacts.iter().enumerate() {
        check_artifact(reporter, artifact, &place.field(&format!("artifacts/{index}")));
    }
}

fn check_parameter(
    reporter: &mut Reporter<'_>,
    parameter: &Parameter,
    may_be_empty: bool,
    list: &Place,
    at: &Place,
) {
    let name = format!("{}.{}", list.trail, parameter.name);
    let at = Place { trail: String::new(), ..at.clone() };
    let empty = parameter.value_from.is_none() && parameter.value.is_none();
    if empty && !may_be_empty {
        reporter.error(&at, "argument-value", format!("{name}.value or {name}.valueFrom is required"));
    }
    if let Some(from) = &parameter.value_from
        && !is_argument_source(from)
    {
        let text = format!("{name}.valueFrom only allows: default, configMapKeyRef and supplied");
        reporter.error(&at.field("valueFrom"), "argument-source", text);
    }
    let Some(allowed) = &parameter.enumeration else { return };
    if allowed.is_empty() {
        reporter.error(&at.field("enum"), "enum", format!("{name}.enum should contain at least one value"));
    } else if let Some(value) = &parameter.value {
        if !allowed.contains(value) {
            let known: Vec<&str> = allowed.iter().map(|v| v.as_str()).collect();
            let text = format!("{name}.value should be present in {name}.enum list");
            reporter.error_hint(
                &at.field("value"),
                "enum",
                text,
                format!("choose one of: {}", known.join(", ")),
            );
        }
    } else if !may_be_empty && !empty {
        reporter.error(&at, "enum", format!("{name}.value is required"));
    }
}

fn is_argument_source(from: &ValueFrom) -> bool {
    let allowed = from.config_map_key_ref.is_some() || !from.event.is_empty() || from.supplied.is_some();
    let other = [&from.path, &from.json_path, &from.parameter, &from.expression];
    allowed && other.iter().all(|text| text.is_empty())
}

fn check_artifact(reporter: &mut Reporter<'_>, artifact: &Artifact, at: &Place) {
    let at = at.clone().named(&format!(".{}", artifact.name));
    if artifact.from.is_empty() && artifact.from_expression.is_empty() && !has_location_or_key(artifact) {
        reporter.error(&at, "artifact-source", ".from, artifact location, or key is required");
    }
    if !artifact.from.is_empty() && !artifact.from_expression.is_empty() {
        reporter.error(&at, "artifact-source", " shouldn't have both `from` and `fromExpression`");
    }
}
