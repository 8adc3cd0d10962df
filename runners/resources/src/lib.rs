//! The work of `resource` templates: one object of a cluster is made, changed, read or removed, and waited for.
//! Knows no workflow and keeps nothing: what an earlier execution did is found in the cluster.
//!
//! The rules are those of Argo's executor, which calls kubectl: conditions are label selectors over gjson keys,
//! outputs are read by kubectl's JSONPath templates or by jq. What kubectl's flags mean is in `flags`.

mod action;
mod api;
mod condition;
mod flags;
mod jsonpath;
mod kinds;
mod manifest;
mod name;
mod outputs;
mod remove;
mod wait;

use runner_runners::typed::Order;

pub use condition::Condition;

/// Why the work was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The template cannot be meant, or there is no cluster: the same text fails every time.
    #[error("{0}")]
    Input(String),
    /// The cluster said no, or the object met its failure condition.
    #[error("{0}")]
    Refused(String),
}

/// Result of everything here that can fail.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// Does a resource template and gives its output parameters. `artifact` is the text of the artifact that
/// `manifestFrom` names.
///
/// # Errors
/// See [`Problem`].
pub async fn perform(order: &Order, artifact: Option<&str>) -> Result<Vec<(String, String)>> {
    let template = &order.template;
    let Some(resource) = template.resource.as_ref() else {
        return Err(Problem::Input("the template has no resource".to_owned()));
    };
    let delete = resource.action == "delete";
    let waits = !resource.success_condition.is_empty() || !resource.failure_condition.is_empty();
    if delete && (waits || !template.outputs.parameters.is_empty()) {
        return Err(Problem::Input(
            "successCondition, failureCondition and outputs are not supported for delete action".to_owned(),
        ));
    }
    let flags = flags::Flags::read(&resource.action, &resource.flags)?;
    let text = artifact.unwrap_or(&resource.manifest);
    let conditions = condition::Conditions::read(resource)?;
    outputs::check(&template.outputs)?;
    let objects = manifest::read(text)?;
    let api = api::Api::connect(order).await?;
    let work = action::Work { api: &api, order, resource, flags: &flags, conditions: &conditions };
    let found = work.act(objects).await?;
    let Some(found) = found else { return Ok(outputs::defaults(&template.outputs)) };
    wait::wait(&api, &found, &conditions).await?;
    outputs::read(&api, &found, &template.outputs).await
}

/// A line for the log of the step: standard error, because the step has no result on standard output.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    // Nobody is left to be told when standard error is gone.
    let _ = writeln!(std::io::stderr(), "{line}");
}
