//! What an attempt runs: the node's template with everything replaced.
//! Does not start it.

use std::time::Duration;

use runner_workflows::spec::{Template, k8s};

use crate::Timestamp;
use crate::decide::{leaf_vars, render_template};
use crate::duration::parse_duration;
use crate::names::pod_name;
use crate::node::{NodeIx, Owner};
use crate::plan::{Plan, call_site};
use crate::status::WorkflowStatus;

/// Everything that a runner must know of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptPlan {
    /// The template, fully substituted; inputs carry values and locations.
    pub template: Template,
    /// Name of the pod.
    pub pod_name: String,
    /// Key that is the same for every re-execution of the node: `<uid>/<node id>`.
    pub step_key: String,
    /// How many executions under that key were started before this one: unique and growing, also over the
    /// tries of a retryStrategy and over retries by hand.
    pub execution: u32,
    /// Standard output is referred to as `outputs.result`.
    pub capture_result: bool,
    /// How long it may run from its start (`activeDeadlineSeconds`, and what is left of `timeout`).
    pub timeout: Option<Duration>,
    /// Keep the logs as an artifact.
    pub archive_logs: bool,
    /// The workflow's `volumeClaimTemplates`, with everything replaced.
    pub claims: Vec<k8s::PersistentVolumeClaim>,
}

/// Builds what an attempt runs. Pure: the same status gives the same plan, so a restarted engine adopts.
///
/// # Errors
/// A text for people when the template cannot be rendered.
pub fn attempt_plan(
    plan: &Plan,
    status: &WorkflowStatus,
    ix: NodeIx,
    now: Timestamp,
) -> Result<AttemptPlan, String> {
    let compiled = plan.template_of(status, ix)?;
    let node = status.node(ix).ok_or("the node is gone")?;
    let vars = leaf_vars(plan, status, &compiled, ix)?;
    let mut template = render_template(&compiled, &vars, &node.inputs)?;
    let spec = &plan.workflow.spec;
    let storage = plan.storage(&vars).map_err(|error| format!("volumes of the workflow: {error}"))?;
    let shared = storage.volumes.into_iter().zip(&spec.volumes);
    template
        .volumes
        .extend(shared.filter(|(_, raw)| !compiled.template.volumes.contains(raw)).map(|(v, _)| v));
    template.volumes.extend(status.claims.volumes());
    let name = if template.name.is_empty() { &compiled.template.name } else { &template.name };
    let retry_of = match node.owner {
        Owner::Retry(of) => of,
        _ => ix,
    };
    let capture_result = template.script.is_some() && call_site(status, retry_of).is_none()
        || captures(plan, status, retry_of);
    let active = template.active_deadline_seconds.as_ref().and_then(|s| s.as_int());
    let active = active.and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs);
    let started = status.node(retry_of).and_then(|n| n.started_at).unwrap_or(now);
    let total =
        parse_duration(&template.timeout).ok().filter(|_| !template.timeout.is_empty()).map(|total| {
            let left = total - now.duration_since(started);
            Duration::try_from(left).unwrap_or(Duration::from_millis(1))
        });
    let timeout = match (active, total) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let archive_logs = template
        .archive_location
        .as_ref()
        .and_then(|location| location.archive_logs)
        .or(spec.archive_logs)
        .unwrap_or(false);
    Ok(AttemptPlan {
        pod_name: pod_name(&status.name, &node.name, name),
        step_key: format!("{}/{}", status.uid, status.node(retry_of).map_or("", |n| n.id.as_str())),
        execution: execution(status, ix, retry_of),
        capture_result,
        timeout,
        archive_logs,
        claims: storage.claims,
        template,
    })
}

/// Number of an execution under its step key.
fn execution(status: &WorkflowStatus, ix: NodeIx, retry_of: NodeIx) -> u32 {
    let Some(node) = status.node(ix) else { return 0 };
    if ix == retry_of {
        return status.generation(&node.name);
    }
    let Some(retry) = status.node(retry_of) else { return 0 };
    let prefix = format!("{}(", retry.name);
    let undone: u32 = status
        .generations
        .range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix))
        .map(|(_, n)| n)
        .sum();
    let before = retry.children.iter().take_while(|child| **child != ix);
    let tries =
        before.filter(|child| status.node(**child).is_some_and(|n| n.flag.unwrap_or_default().retried));
    undone + u32::try_from(tries.count()).unwrap_or(u32::MAX)
}

/// Whether the enclosing template mentions the step's `outputs.result`, as Argo's `hasOutputResultRef`.
fn captures(plan: &Plan, status: &WorkflowStatus, ix: NodeIx) -> bool {
    let Some(site) = call_site(status, ix) else { return false };
    let Ok((compiled, group, call)) = plan.site(status, site) else { return false };
    let Some(call) = compiled.call(group, call) else { return false };
    compiled.results.contains(&call.name)
}
