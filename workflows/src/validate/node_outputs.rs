//! What a step or task brings into scope: its outputs, its times, its items.
//! Does not decide where that scope reaches.

use super::checker::Checker;
use super::scope::{ANY_ITEM, ANY_OUTPUT_ARTIFACT, ANY_OUTPUT_PARAMETER, Scope, has_result};
use crate::resolve::has_tag;
use crate::spec::{Item, Sequence, Template};

/// A step or task as variables name it.
pub(super) struct Node<'n> {
    /// `steps` or `tasks`.
    pub(super) prefix: &'static str,
    /// Its name.
    pub(super) name: &'n str,
}

impl Node<'_> {
    /// The variable `PREFIX.NAME.rest`.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}.{}.{rest}", self.prefix, self.name)
    }
}

impl Checker<'_> {
    /// Adds what a node offers to others. `aggregate`: the node is a loop over items.
    pub(super) fn add_outputs(
        &mut self,
        template: Option<&Template>,
        node: &Node<'_>,
        aggregate: bool,
        scope: &mut Scope,
    ) {
        for rest in ["id", "startedAt", "finishedAt", "hostNodeName"] {
            scope.add(node.path(rest));
        }
        let Some(template) = template else { return };
        if template.daemon == Some(true) {
            scope.add(node.path("ip"));
        }
        if has_result(template) {
            scope.add(node.path("outputs.result"));
            scope.add(node.path("exitCode"));
        }
        for parameter in &template.outputs.parameters {
            scope.add(node.path(&format!("outputs.parameters.{}", parameter.name)));
            self.add_global_output("parameters", &parameter.global_name, ANY_OUTPUT_PARAMETER, scope);
        }
        for artifact in &template.outputs.artifacts {
            scope.add(node.path(&format!("outputs.artifacts.{}", artifact.name)));
            self.add_global_output("artifacts", &artifact.global_name, ANY_OUTPUT_ARTIFACT, scope);
        }
        if aggregate {
            if template.script.is_some() || template.container_set.is_some() {
                scope.add(node.path("outputs.result"));
                scope.add(node.path("exitCode"));
            }
            scope.add(node.path("outputs.parameters"));
        }
    }

    fn add_global_output(&mut self, kind: &str, name: &str, any: &str, scope: &mut Scope) {
        if name.is_empty() {
            return;
        }
        if is_parameter(name) {
            scope.add(any);
            return;
        }
        let name = format!("workflow.outputs.{kind}.{name}");
        scope.add(name.as_str());
        self.add_global(name);
    }
}

/// True for text with a simple tag in it, whose value is known at run time only.
pub(super) fn is_parameter(text: &str) -> bool {
    has_tag(text)
}

/// Adds `item` variables of a loop.
///
/// # Errors
/// Says which rule of loops is broken.
pub(super) fn add_items(
    with_items: &[Item],
    with_param: &str,
    sequence: Option<&Sequence>,
    scope: &mut Scope,
) -> Result<(), &'static str> {
    let set = [!with_items.is_empty(), !with_param.is_empty(), sequence.is_some()];
    if set.into_iter().filter(|is_set| *is_set).count() > 1 {
        return Err("only one of withItems, withParam, withSequence can be specified");
    }
    for item in with_items {
        match item {
            Item::Array(list) => (0..list.len()).for_each(|index| scope.add(format!("item.[{index}]"))),
            Item::Object(map) => map.keys().for_each(|key| scope.add(format!("item.{key}"))),
            Item::Null | Item::Bool(_) | Item::Number(_) | Item::String(_) => scope.add("item"),
        }
    }
    if !with_param.is_empty() {
        scope.add("item");
        scope.add(ANY_ITEM);
    }
    if let Some(sequence) = sequence {
        if sequence.count.is_some() && sequence.end.is_some() {
            return Err("only one of count or end can be defined in withSequence");
        }
        scope.add("item");
    }
    Ok(())
}
