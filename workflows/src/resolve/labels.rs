//! Labels by expression: `workflowMetadata.labelsFrom`, evaluated once at submit over the global variables.
//! Does not know variables of running nodes: there are none yet.

use crate::diagnostic::Diagnostic;
use crate::expr::{Fuel, Program, Value, Vars};
use crate::spec::{ObjectMeta, WorkflowSpec};

/// Adds the computed labels to the metadata. An expression must give text, as in Argo.
pub(super) fn compute(metadata: &mut ObjectMeta, spec: &WorkflowSpec) -> Vec<Diagnostic> {
    let Some(own) = spec.workflow_metadata.as_ref().filter(|own| !own.labels_from.is_empty()) else {
        return Vec::new();
    };
    let mut vars = Vars::new();
    vars.set("workflow.name", &metadata.name);
    vars.set("workflow.namespace", &metadata.namespace);
    vars.set("workflow.mainEntrypoint", &spec.entrypoint);
    for parameter in &spec.arguments.parameters {
        if let Some(value) = parameter.value.as_ref().or(parameter.default.as_ref()) {
            vars.set(format!("workflow.parameters.{}", parameter.name), value.as_str());
        }
    }
    let mut problems = Vec::new();
    for (name, from) in &own.labels_from {
        let value = Program::compile(&from.expression).and_then(|p| p.eval(&vars, &mut Fuel::default()));
        let why = match value {
            Ok(Value::String(text)) => {
                metadata.labels.insert(name.clone(), text);
                continue;
            }
            Ok(other) => format!("it gave {other}, which is not text"),
            Err(error) => error.to_string(),
        };
        let message = format!("spec.workflowMetadata.labelsFrom.{name}: `{}`: {why}", from.expression);
        problems.push(Diagnostic::error("label-expression", message).hint("convert numbers with string(…)"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{LabelValueFrom, Parameter, WorkflowMetadata};

    fn labelled(expression: &str) -> (ObjectMeta, Vec<Diagnostic>) {
        let from = LabelValueFrom { expression: expression.into() };
        let own = WorkflowMetadata { labels_from: [("l".to_owned(), from)].into(), ..Default::default() };
        let mut spec = WorkflowSpec { workflow_metadata: Some(own), ..Default::default() };
        spec.arguments.parameters.push(Parameter::literal("foo", "bar"));
        let mut metadata = ObjectMeta::default();
        let problems = compute(&mut metadata, &spec);
        (metadata, problems)
    }

    #[test]
    fn labels_come_from_parameters() {
        let (metadata, problems) = labelled("workflow.parameters.foo + '-x'");
        assert!(problems.is_empty());
        assert_eq!(metadata.labels["l"], "bar-x");
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert_eq!(labelled("1 + 1").1.len(), 1);
        assert_eq!(labelled("nothing.here").1.len(), 1);
    }
}
