//! The variables of metrics: those of the template, and how its node ended.
//! Does not evaluate metrics.

use runner_workflows::expr::Vars;

use crate::decide::leaf_vars;
use crate::globals;
use crate::node::{Node, NodeIx};
use crate::plan::Plan;
use crate::resources;
use crate::status::WorkflowStatus;

/// Variables for the metrics of the workflow: as for its root node, and the outcome of the run.
pub(super) fn of_workflow(plan: &Plan, status: &WorkflowStatus) -> Vars {
    let now = status.finished_at.or(status.started_at).unwrap_or_default();
    let root = status.root().and_then(|ix| Some((ix, status.node(ix)?)));
    let mut vars = match root.map(|(ix, _)| of_node(plan, status, ix, true)) {
        Some(Ok(vars)) => vars,
        Some(Err(_)) | None => {
            let mut vars = globals::build(plan, status);
            defaults(&mut vars);
            vars
        }
    };
    globals::outcome(status, &mut vars);
    globals::duration(status, &mut vars, now);
    if status.phase.completed() {
        vars.set("workflow.status", status.phase.as_str());
    }
    vars
}

/// Before a node says otherwise.
fn defaults(vars: &mut Vars) {
    vars.set("duration", "0");
    vars.set("status", "Pending");
    vars.set("resourcesDuration.cpu", "0");
    vars.set("resourcesDuration.memory", "0");
}

/// Variables for the metrics of a template (Argo's `prepareMetricScope`). Resource durations only when asked
/// for: those of a composite node are sums over what is below it.
pub(super) fn of_node(
    plan: &Plan,
    status: &WorkflowStatus,
    ix: NodeIx,
    with_resources: bool,
) -> Result<Vars, String> {
    let compiled = plan.template_of(status, ix)?;
    let node = status.node(ix).ok_or("the node is gone")?;
    let mut vars = leaf_vars(plan, status, &compiled, ix)?;
    defaults(&mut vars);
    if let (Some(from), Some(to)) = (node.started_at, node.finished_at) {
        vars.set("duration", format!("{:.6}", to.duration_since(from).as_secs_f64()));
    }
    vars.set("status", node.phase.as_str());
    if let Some(retries) = node.children.len().checked_sub(1) {
        vars.set("retries", retries.to_string());
    }
    outputs(&mut vars, node);
    if with_resources {
        for (name, seconds) in below(plan, status, ix) {
            vars.set(format!("resourcesDuration.{name}"), seconds.to_string());
        }
    }
    Ok(vars)
}

fn outputs(vars: &mut Vars, node: &Node) {
    let Some(outputs) = &node.outputs else { return };
    if let Some(result) = &outputs.result {
        vars.set("outputs.result", result);
    }
    if let Some(code) = &outputs.exit_code {
        vars.set("exitCode", code);
    }
    for parameter in &outputs.parameters {
        let value = parameter.value.as_ref().map_or("", |value| value.as_str());
        vars.set(format!("outputs.parameters.{}", parameter.name), value);
    }
}

/// Resource durations of a node and everything that it owns.
fn below(plan: &Plan, status: &WorkflowStatus, ix: NodeIx) -> resources::ResourcesDuration {
    let mut sum = resources::ResourcesDuration::new();
    for (pod, node) in status.nodes() {
        let mut at = Some(pod);
        while at.is_some_and(|here| here != ix) {
            at = at.and_then(|here| status.node(here)).and_then(|node| node.owner.node());
        }
        if at.is_some()
            && let Some(own) = resources::of_pod(plan, status, pod, node)
        {
            resources::add(&mut sum, &own);
        }
    }
    sum
}
