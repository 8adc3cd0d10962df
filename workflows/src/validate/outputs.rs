//! Outputs of a template: names, sources, variables.
//! Does not compute them.

use super::artifacts;
use super::checker::Checker;
use super::names::{self, NameRule};
use super::node_outputs::is_parameter;
use super::report::Place;
use super::scope::{Scope, View, is_leaf};
use crate::spec::{Parameter, Template, TemplateKind, ValueFrom};

/// Checks the outputs of a template whose variables are in `scope`.
pub(super) fn check(
    checker: &mut Checker<'_>,
    template: &Template,
    scope: &Scope,
    kind: TemplateKind,
    place: &Place,
) {
    let outputs = &template.outputs;
    let list = place.field("outputs/parameters").named(".outputs.parameters");
    names::check_list(
        &mut checker.reporter,
        &list,
        NameRule::Parameter,
        outputs.parameters.iter().map(|p| p.name.as_str()),
    );
    let list = place.field("outputs/artifacts").named(".outputs.artifacts");
    names::check_list(
        &mut checker.reporter,
        &list,
        NameRule::Parameter,
        outputs.artifacts.iter().map(|a| a.name.as_str()),
    );
    if !matches!(kind, TemplateKind::Steps | TemplateKind::Dag) {
        // The variables of a leaf were all checked together.
    } else if let Ok(value) = serde_json::to_value(outputs) {
        let globals = std::mem::take(&mut checker.globals);
        let extra = Scope::default();
        let template_only = checker.template_only;
        let view = View { scope, extra: &extra, globals: &globals, on_demand: &|_| false, template_only };
        checker.check_variables(&value, &view, &place.field("outputs").named(".outputs"));
        checker.globals = globals;
    }
    for (index, artifact) in outputs.artifacts.iter().enumerate() {
        let at = place
            .field(&format!("outputs/artifacts/{index}"))
            .named(&format!(".outputs.artifacts.{}", artifact.name));
        let reporter = &mut checker.reporter;
        artifacts::check_path(reporter, artifact, is_leaf(template), &at);
        artifacts::check_location(reporter, artifact, &at);
        if !artifact.from.is_empty() && !artifact.from_expression.is_empty() {
            reporter.error(&at, "artifact-source", " shouldn't have both `from` and `fromExpression`");
        }
        check_global_name(checker, &artifact.global_name, &at);
    }
    for (index, parameter) in outputs.parameters.iter().enumerate() {
        let at = place
            .field(&format!("outputs/parameters/{index}"))
            .named(&format!(".outputs.parameters.{}", parameter.name));
        check_source(checker, parameter, kind, &at);
        check_global_name(checker, &parameter.global_name, &at);
    }
}

fn check_global_name(checker: &mut Checker<'_>, name: &str, at: &Place) {
    if !name.is_empty()
        && !is_parameter(name)
        && let Some(why) = NameRule::Parameter.broken(name)
    {
        let text = format!(".globalName: '{name}' is invalid");
        checker.reporter.error_hint(&at.field("globalName"), "name-invalid", text, why);
    }
}

fn check_source(checker: &mut Checker<'_>, parameter: &Parameter, kind: TemplateKind, at: &Place) {
    let from = match (&parameter.value_from, &parameter.value) {
        (Some(_), Some(_)) => {
            return checker.reporter.error(
                at,
                "output-source",
                " has both valueFrom and value specified, choose one",
            );
        }
        (None, Some(_)) => return,
        (None, None) => {
            return checker.reporter.error(
                at,
                "output-source",
                " does not have valueFrom or value specified",
            );
        }
        (Some(from), None) => from,
    };
    let field = at.field("valueFrom");
    match sources(from) {
        0 => {
            let text = " valueFrom type unspecified";
            let hint = "choose one of: path, jqFilter, jsonPath, parameter, expression, supplied";
            return checker.reporter.error_hint(&field, "output-source", text, hint);
        }
        1 => {}
        _ => {
            let text = " multiple valueFrom types specified";
            let hint = "choose one of: path, jqFilter, jsonPath, parameter, expression, supplied";
            return checker.reporter.error_hint(&field, "output-source", text, hint);
        }
    }
    let missing = match kind {
        TemplateKind::Container | TemplateKind::ContainerSet | TemplateKind::Script
            if from.path.is_empty() =>
        {
            "path"
        }
        TemplateKind::Resource if from.jq_filter.is_empty() && from.json_path.is_empty() => {
            "jqFilter or jsonPath"
        }
        TemplateKind::Dag | TemplateKind::Steps
            if from.parameter.is_empty() && from.expression.is_empty() =>
        {
            "parameter or expression"
        }
        _ => return,
    };
    let text = format!(".{missing} must be specified for {kind} templates");
    checker.reporter.error(&field, "output-source", text);
}

/// How many sources are set.
fn sources(from: &ValueFrom) -> usize {
    let texts = [&from.path, &from.jq_filter, &from.json_path, &from.parameter, &from.expression];
    texts.iter().filter(|text| !text.is_empty()).count() + usize::from(from.supplied.is_some())
}
