//! Rewrites the spellings of Argo Workflows v3 into those of v4, as `argo convert`, by editing the text.
//! Does not touch anything else: comments, order and quotes of the file stay.
//!
//! The result is parsed again and compared with the same rewriting of the parsed values: a file for which the two differ
//! is refused, never written.

mod edit;
mod values;

use crate::diagnostic::{Diagnostic, Span};
use crate::parse::tree::Node;
use crate::parse::{Limits, Origin, parse_trees};
use edit::Editor;

pub use edit::Change;
pub(crate) use values::json as json_of;

/// What became of a file.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The new text; the old one when there was nothing to do.
    pub text: String,
    /// What was rewritten, in the order of the file.
    pub changes: Vec<Change>,
}

/// Converts a file of any number of documents.
///
/// # Errors
/// What is wrong with the file, or why it cannot be converted without changing its meaning.
pub fn convert(name: &str, text: &str) -> Result<Converted, Vec<Diagnostic>> {
    let (before, problems) = parse_trees(name, text, Limits::default());
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let offset = text.len() - text.trim_start_matches('\u{feff}').len();
    let body = text.get(offset..).unwrap_or_default();
    let mut editor = Editor::new(body);
    for origin in &before {
        if let Err((range, why)) = document(&mut editor, origin.root()) {
            let problem = Diagnostic::error("convert", why).at(Some(Span::new(origin.source(), range)));
            return Err(vec![problem.hint("write the value out here, then convert again")]);
        }
    }
    let (new, changes) = editor.finish();
    if changes.is_empty() {
        return Ok(Converted { text: text.to_owned(), changes });
    }
    let (after, problems) = parse_trees(name, &new, Limits::default());
    let mut wanted: Vec<_> = before.iter().map(|origin| values::json(origin.root())).collect();
    wanted.iter_mut().for_each(values::convert);
    let got: Vec<_> = after.iter().map(|origin| values::json(origin.root())).collect();
    if problems.iter().any(Diagnostic::is_error) || wanted != got {
        return Err(vec![refusal(before.first())]);
    }
    Ok(Converted { text: format!("{}{new}", text.get(..offset).unwrap_or_default()), changes })
}

fn refusal(origin: Option<&Origin>) -> Diagnostic {
    Diagnostic::error(
        "convert",
        "this file is written in a way that cannot be converted safely; it was left as it is",
    )
    .at(origin.map(|origin| origin.span(&[])))
    .hint("rename `schedule`, `mutex` and `semaphore` by hand to `schedules`, `mutexes` and `semaphores`")
}

type Edited = Result<(), (std::ops::Range<usize>, String)>;

fn document(editor: &mut Editor<'_>, root: &Node) -> Edited {
    let kind = root.get("kind").and_then(Node::text).unwrap_or_default();
    let Some(spec) = root.get("spec") else { return Ok(()) };
    match kind {
        "Workflow" | "WorkflowTemplate" | "ClusterWorkflowTemplate" => workflow(editor, spec),
        "CronWorkflow" => {
            editor.schedule(spec)?;
            editor.condition(spec)?;
            spec.get("workflowSpec").map_or(Ok(()), |inner| workflow(editor, inner))
        }
        _other => Ok(()),
    }
}

fn workflow(editor: &mut Editor<'_>, spec: &Node) -> Edited {
    editor.synchronization(spec)?;
    if let Some(defaults) = spec.get("templateDefaults") {
        template(editor, defaults)?;
    }
    let templates = spec.get("templates").and_then(Node::elements).unwrap_or_default();
    templates.iter().try_for_each(|one| template(editor, one))
}

fn template(editor: &mut Editor<'_>, node: &Node) -> Edited {
    editor.synchronization(node)?;
    let steps = node.get("steps").and_then(Node::elements).unwrap_or_default();
    let steps = steps.iter().flat_map(|group| group.elements().unwrap_or_default());
    let tasks = node.get("dag").and_then(|dag| dag.get("tasks")).and_then(Node::elements).unwrap_or_default();
    let mut inline = steps.chain(tasks).filter_map(|one| one.get("inline"));
    inline.try_for_each(|one| template(editor, one))
}

#[cfg(test)]
mod tests;
