//! Names as users type them: full name, unique prefix, `@latest`, `@-N`, `@failed`, `kind/name`.
//! Does not query: the caller passes what exists, newest first.

use crate::exit::{Code, Failure, Result};

/// What a name can mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Full name.
    pub name: String,
    /// Phase.
    pub phase: String,
}

/// The full name meant by `given` among `known`, which lists the newest first.
///
/// # Errors
/// Exit code 4 when nothing matches, 2 when a prefix fits several or the form is wrong.
pub fn resolve(given: &str, known: &[Known]) -> Result<String> {
    let name = strip_kind(given)?;
    if let Some(special) = name.strip_prefix('@') {
        return resolve_special(special, given, known);
    }
    if let Some(exact) = known.iter().find(|one| one.name == name) {
        return Ok(exact.name.clone());
    }
    if name.is_empty() {
        return Err(Failure::usage("a workflow name is empty"));
    }
    let fits: Vec<&str> =
        known.iter().map(|one| one.name.as_str()).filter(|one| one.starts_with(name)).collect();
    match fits.as_slice() {
        [] => Err(Failure::not_found(format!("no workflow `{name}`")).hint(near(name, known))),
        [one] => Ok((*one).to_owned()),
        several => {
            let shown = several.iter().take(10).copied().collect::<Vec<_>>().join(", ");
            let more = several.len().saturating_sub(10);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(Failure::usage(format!("`{name}` fits {} workflows: {shown}{more}", several.len()))
                .hint("type more of the name, or @latest"))
        }
    }
}

/// `workflow/x` and `wf/x` are `x`; other kinds have no place where a workflow is meant.
fn strip_kind(given: &str) -> Result<&str> {
    match given.split_once('/') {
        None | Some(("", _)) => Ok(given),
        Some(("wf" | "workflow" | "workflows", name)) => Ok(name),
        Some((kind, _)) => {
            Err(Failure::usage(format!("`{given}`: a workflow is meant here, not a `{kind}`")))
        }
    }
}

fn resolve_special(special: &str, given: &str, known: &[Known]) -> Result<String> {
    let none = |what: &str| Err(Failure::not_found(format!("`{given}`: there is no {what}")));
    let found = |one: Option<&Known>, what: &str| one.map_or_else(|| none(what), |one| Ok(one.name.clone()));
    match special {
        "latest" => found(known.first(), "workflow yet"),
        "failed" => {
            found(known.iter().find(|one| Code::of_phase(&one.phase) == Code::Failed), "failed workflow")
        }
        back => match back.strip_prefix('-').and_then(|n| n.parse::<usize>().ok()) {
            Some(n) if n > 0 => {
                found(known.get(n - 1), &format!("workflow that far back ({} in all)", known.len()))
            }
            Some(_) | None => Err(Failure::usage(format!("`{given}` is not known"))
                .hint("use @latest, @-1 (the last one), @-2 (the one before), @failed")),
        },
    }
}

fn near(name: &str, known: &[Known]) -> String {
    let close = known.iter().map(|one| (distance(name, &one.name), &one.name)).min();
    match close {
        Some((far, near)) if far <= 1 + name.len() / 4 => format!("did you mean `{near}`?"),
        Some(_) | None => "`runner list` shows what there is".to_owned(),
    }
}

/// Edits between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let change = row.get(j).copied().unwrap_or(0) + usize::from(x != *y);
            let left = next.last().copied().unwrap_or(0) + 1;
            let up = row.get(j + 1).copied().unwrap_or(0) + 1;
            next.push(change.min(left).min(up));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// A reference of `--from`: what to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A WorkflowTemplate.
    WorkflowTemplate(String),
    /// A ClusterWorkflowTemplate.
    ClusterWorkflowTemplate(String),
    /// A CronWorkflow.
    CronWorkflow(String),
}

/// Parses `kind/name` of `--from`, with Argo's short kinds.
///
/// # Errors
/// Exit code 2 when the kind is not one of the three.
pub fn parse_from(text: &str) -> Result<From> {
    let Some((kind, name)) = text.split_once('/').filter(|(_, name)| !name.is_empty()) else {
        return Err(Failure::usage(format!("--from {text}: write kind/name, for example wftmpl/build")));
    };
    match kind.to_ascii_lowercase().as_str() {
        "wftmpl" | "workflowtemplate" | "workflowtemplates" => Ok(From::WorkflowTemplate(name.to_owned())),
        "cwft" | "clusterworkflowtemplate" | "clusterworkflowtemplates" => {
            Ok(From::ClusterWorkflowTemplate(name.to_owned()))
        }
        "cwf" | "cronwf" | "cronworkflow" | "cronworkflows" => Ok(From::CronWorkflow(name.to_owned())),
        _ => Err(Failure::usage(format!("--from {text}: `{kind}` is not a kind to start from"))
            .hint("use workflowtemplate (wftmpl), clusterworkflowtemplate (cwft) or cronworkflow (cronwf)")),
    }
}
