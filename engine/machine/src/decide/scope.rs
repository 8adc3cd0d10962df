//! Local variables: what a step, task or template may refer to.
//! Does not replace anything itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runner_workflows::expr::{Fuel, Vars};
use runner_workflows::spec::{Artifact, Inputs, Outputs, Parameter, Template};
use serde_json::{Value, json};

use super::Turn;
use crate::globals::{build, outcome, rfc3339};
use crate::names::pod_name;
use crate::node::{Node, NodeIx, NodePhase, NodeType, Owner};
use crate::plan::{Call, Compiled, Plan, typed};
use crate::status::WorkflowStatus;
use crate::{Timestamp, globals, taint};

impl Turn<'_> {
    /// The variables inside a Steps or DAG node: globals, its inputs, and the results of the steps or tasks
    /// that are mentioned (of all, without a list).
    pub(super) fn boundary_vars(
        &mut self,
        boundary: NodeIx,
        compiled: &Compiled,
        mentions: Option<&BTreeSet<String>>,
    ) -> Result<Vars, String> {
        let globals = globals::globals(self.plan, self.status);
        let node = self.status.node(boundary).ok_or("the boundary is gone")?;
        let mut vars = Vars::child(&globals);
        globals::running(self.status, &mut vars, self.now);
        if node.exit_handler {
            outcome(self.status, &mut vars);
        }
        input_vars(&mut vars, &node.inputs, &compiled.template);
        vars.set("node.name", &node.name);
        if let Some((family, name)) = holder_of(self.plan, self.status, boundary) {
            vars.set(format!("{family}.name"), name);
        }
        for (name, value) in &node.captured {
            vars.set_value(name, value.clone());
        }
        taint::mark(&mut vars, &node.tainted);
        let every = || {
            let steps = compiled.steps.iter().flatten().map(|call| call.name.clone());
            let tasks =
                compiled.dag.iter().flat_map(|dag| dag.tasks.iter().map(|task| task.call.name.clone()));
            steps.chain(tasks).collect::<BTreeSet<_>>()
        };
        let all;
        let names = match mentions {
            Some(names) => names,
            None => {
                all = every();
                &all
            }
        };
        for name in names {
            self.call_vars(&mut vars, boundary, compiled, name)?;
        }
        Ok(vars)
    }

    /// Adds what one earlier step or task left: `steps.<name>.…`.
    pub(super) fn call_vars(
        &self,
        vars: &mut Vars,
        boundary: NodeIx,
        compiled: &Compiled,
        name: &str,
    ) -> Result<(), String> {
        let Some((call, node, children)) = self.call_nodes(boundary, compiled, name) else { return Ok(()) };
        if !children.is_empty() {
            aggregate(self.status, vars, call, &children)?;
        }
        if let Some(ix) = node {
            node_vars(self.status, vars, call.family, name, ix);
            self.skipped_vars(vars, compiled, call, ix);
        }
        Ok(())
    }

    /// The node of a step or task (its group, for a loop of steps) and the children of its loop.
    fn call_nodes<'c>(
        &self,
        boundary: NodeIx,
        compiled: &'c Compiled,
        name: &str,
    ) -> Option<(&'c Call, Option<NodeIx>, Vec<NodeIx>)> {
        let prefix = &self.status.node(boundary)?.name;
        if let Some(dag) = &compiled.dag {
            let task = dag.tasks.get(*dag.by_name.get(name)?)?;
            let ix = self.status.by_name(&format!("{prefix}.{name}"));
            let children = match ix.and_then(|ix| self.status.node(ix)) {
                Some(node) if node.node_type == NodeType::TaskGroup => node.children.clone(),
                Some(_) | None => Vec::new(),
            };
            return Some((&task.call, ix, children));
        }
        let found =
            compiled.steps.iter().enumerate().find_map(|(group, calls)| {
                calls.iter().position(|call| call.name == name).map(|at| (group, at))
            });
        let (group, at) = found?;
        let call = compiled.call(Some(group), at)?;
        if let Some(ix) = self.status.by_name(&format!("{prefix}[{group}].{name}")) {
            return Some((call, Some(ix), Vec::new()));
        }
        let group_ix = self.status.by_name(&format!("{prefix}[{group}]"))?;
        let children = self.status.node(group_ix)?.children.iter().copied().filter(|ix| {
            self.status.node(*ix).is_some_and(
                |node| matches!(node.owner, Owner::Group(_, step, Some(_)) if step as usize == at),
            )
        });
        Some((call, Some(group_ix), children.collect()))
    }

    /// Declared outputs of a skipped or omitted producer: its default, or absent.
    fn skipped_vars(&self, vars: &mut Vars, compiled: &Compiled, call: &Call, ix: NodeIx) {
        let Some(node) = self.status.node(ix) else { return };
        if node.outputs.is_some() || !matches!(node.phase, NodePhase::Skipped | NodePhase::Omitted) {
            return;
        }
        let template = match &call.inline {
            Some(inline) => Some(Arc::clone(&inline.template)),
            None => self
                .plan
                .lookup(&compiled.scope, &node.template_name, node.template_ref.as_ref())
                .ok()
                .map(|found| Arc::clone(&found.template)),
        };
        let Some(template) = template else { return };
        let prefix = format!("{}.{}.outputs", call.family, call.name);
        for parameter in &template.outputs.parameters {
            let name = format!("{prefix}.parameters.{}", parameter.name);
            match parameter.value_from.as_ref().and_then(|from| from.default.as_ref()) {
                Some(default) => vars.set(name, default.as_str()),
                None => vars.set_absent(name),
            }
        }
        if template.script.is_some() || template.outputs.result.is_some() {
            vars.set_absent(format!("{prefix}.result"));
        }
    }

    /// The artifact that `steps.a.outputs.artifacts.x`, `inputs.artifacts.x` or
    /// `workflow.outputs.artifacts.x` names. `Some(None)`: the producer was skipped.
    pub(super) fn artifact(
        &self,
        boundary: NodeIx,
        compiled: &Compiled,
        reference: &str,
    ) -> Option<Option<Artifact>> {
        if let Some(name) = reference.strip_prefix("workflow.outputs.artifacts.") {
            return self.status.outputs.artifact(name).cloned().map(Some);
        }
        if let Some(name) = reference.strip_prefix("inputs.artifacts.") {
            let inputs = &self.status.node(boundary)?.inputs;
            return inputs.artifacts.iter().find(|a| a.name == name).cloned().map(Some);
        }
        let (family, rest) = reference.split_once('.')?;
        let (name, artifact) = rest.split_once(".outputs.artifacts.")?;
        if family != "steps" && family != "tasks" {
            return None;
        }
        let (call, node, _) = self.call_nodes(boundary, compiled, name)?;
        let ix = last_attempt(self.status, node?);
        let node = self.status.node(ix)?;
        if let Some(found) = node.outputs.as_ref().and_then(|outputs| outputs.artifact(artifact)) {
            return Some(Some(found.clone()));
        }
        let skipped = matches!(node.phase, NodePhase::Skipped | NodePhase::Omitted);
        (skipped && call.family == "steps").then_some(None)
    }

    /// Whether the producer of an artifact declares it optional: then its absence is no error by itself.
    pub(super) fn is_optional_output(&self, boundary: NodeIx, compiled: &Compiled, reference: &str) -> bool {
        let of = || {
            let (_, rest) = reference.split_once('.')?;
            let (name, artifact) = rest.split_once(".outputs.artifacts.")?;
            let (_, node, _) = self.call_nodes(boundary, compiled, name)?;
            let template = self.plan.template_of(self.status, last_attempt(self.status, node?)).ok()?;
            template.template.outputs.artifact(artifact).map(|declared| declared.optional)
        };
        of().unwrap_or(false)
    }

    /// Adds artifacts as JSON objects, for `fromExpression`.
    pub(super) fn artifact_vars(
        &self,
        vars: &mut Vars,
        boundary: NodeIx,
        compiled: &Compiled,
        expression: &str,
    ) {
        let Some(node) = self.status.node(boundary) else { return };
        let mut add = |name: String, artifact: &Artifact| {
            vars.set_value(name, serde_json::to_value(artifact).unwrap_or(Value::Null));
        };
        for artifact in &node.inputs.artifacts {
            add(format!("inputs.artifacts.{}", artifact.name), artifact);
        }
        for artifact in &self.status.outputs.artifacts {
            add(format!("workflow.outputs.artifacts.{}", artifact.name), artifact);
        }
        let family = if compiled.dag.is_some() { "tasks" } else { "steps" };
        for name in crate::plan::mentions(expression, family).unwrap_or_default() {
            let Some((call, Some(ix), _)) = self.call_nodes(boundary, compiled, &name) else { continue };
            let Some(node) = self.status.node(last_attempt(self.status, ix)) else { continue };
            let prefix = format!("{}.{name}.outputs.artifacts", call.family);
            match &node.outputs {
                Some(outputs) => {
                    for artifact in &outputs.artifacts {
                        add(format!("{prefix}.{}", artifact.name), artifact);
                    }
                }
                None if call.family == "steps" => {
                    let template =
                        self.plan.lookup(&compiled.scope, &node.template_name, node.template_ref.as_ref());
                    for artifact in template.iter().flat_map(|t| t.template.outputs.artifacts.iter()) {
                        add(format!("{prefix}.{}", artifact.name), &Artifact::default());
                    }
                }
                None => {}
            }
        }
    }
}

/// The last attempt of a Retry node, otherwise the node itself.
pub(super) fn last_attempt(status: &WorkflowStatus, ix: NodeIx) -> NodeIx {
    let Some(node) = status.node(ix) else { return ix };
    if node.node_type != NodeType::Retry || node.memo.as_ref().is_some_and(|memo| memo.hit) {
        return ix;
    }
    let is_attempt = |ix: &&NodeIx| status.node(**ix).is_some_and(|n| !n.flag.unwrap_or_default().hooked);
    node.children.iter().rev().find(is_attempt).copied().unwrap_or(ix)
}

/// Adds `steps.<name>.…` of one node.
pub(super) fn node_vars(status: &WorkflowStatus, vars: &mut Vars, family: &str, name: &str, ix: NodeIx) {
    let outer_phase = status.node(ix).map(|node| node.phase);
    let Some(node) = status.node(last_attempt(status, ix)) else { return };
    let prefix = format!("{family}.{name}");
    vars.set(format!("{prefix}.id"), &node.id);
    if let Some(at) = node.started_at {
        vars.set(format!("{prefix}.startedAt"), rfc3339(at));
    }
    if let Some(at) = node.finished_at {
        vars.set(format!("{prefix}.finishedAt"), rfc3339(at));
    }
    if !node.pod_ip.is_empty() {
        vars.set(format!("{prefix}.ip"), &node.pod_ip);
    }
    vars.set(format!("{prefix}.status"), outer_phase.unwrap_or(node.phase).as_str());
    if !node.host.is_empty() {
        vars.set(format!("{prefix}.hostNodeName"), &node.host);
    }
    if let Some(outputs) = &node.outputs {
        output_vars(vars, &prefix, outputs);
    }
}

fn output_vars(vars: &mut Vars, prefix: &str, outputs: &Outputs) {
    if let Some(result) = &outputs.result {
        vars.set(format!("{prefix}.outputs.result"), result);
    }
    if let Some(code) = &outputs.exit_code {
        vars.set(format!("{prefix}.exitCode"), code);
    }
    for parameter in &outputs.parameters {
        if let Some(value) = &parameter.value {
            vars.set(format!("{prefix}.outputs.parameters.{}", parameter.name), value.as_str());
        }
    }
}

/// Results of a loop as JSON lists, in the order of the items; only children that succeeded count.
fn aggregate(
    status: &WorkflowStatus,
    vars: &mut Vars,
    call: &Call,
    children: &[NodeIx],
) -> Result<(), String> {
    let index = |node: &Node| match node.owner {
        Owner::Group(_, _, Some(item)) | Owner::TaskGroup(_, item) => item,
        _ => 0,
    };
    let mut nodes: Vec<&Node> = children
        .iter()
        .filter_map(|ix| status.node(*ix))
        .filter(|node| matches!(node.owner, Owner::Group(..) | Owner::TaskGroup(..)))
        .collect();
    nodes.sort_by_key(|node| index(node));
    let mut results = Vec::new();
    let mut rows = Vec::new();
    let mut columns: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // Skipped ones have outputs when they were taken over from an earlier run.
    let counts = |node: &&&Node| matches!(node.phase, NodePhase::Succeeded | NodePhase::Skipped);
    for node in nodes.iter().filter(counts) {
        let Some(outputs) = &node.outputs else { continue };
        let mut row = serde_json::Map::new();
        for parameter in &outputs.parameters {
            let value = parameter.value.as_ref().map_or("", |value| value.as_str());
            row.insert(parameter.name.clone(), Value::String(value.to_owned()));
            columns.entry(&parameter.name).or_default().push(value);
        }
        if !row.is_empty() {
            rows.push(Value::Object(row));
        }
        if let Some(result) = &outputs.result {
            let item: Value = serde_json::from_str(result).map_err(|e| {
                format!(
                    "the results of loop {} cannot be put into a list: the output of {} is not JSON ({e})",
                    call.name, node.display_name
                )
            })?;
            results.push(item);
        }
    }
    let prefix = format!("{}.{}.outputs", call.family, call.name);
    vars.set(format!("{prefix}.result"), Value::Array(results).to_string());
    vars.set(format!("{prefix}.parameters"), Value::Array(rows).to_string());
    for (name, values) in columns {
        vars.set(format!("{prefix}.parameters.{name}"), json_list(&values));
    }
    Ok(())
}

/// A JSON list of texts, or of what they hold when all of them are JSON maps or lists.
fn json_list(values: &[&str]) -> String {
    let parsed: Option<Vec<Value>> = values
        .iter()
        .map(|text| serde_json::from_str(text).ok().filter(|v: &Value| v.is_array() || v.is_object()))
        .collect();
    match parsed {
        Some(list) => Value::Array(list).to_string(),
        None => json!(values).to_string(),
    }
}

/// Adds `inputs.…` and the path placeholders of a template.
pub(super) fn input_vars(vars: &mut Vars, inputs: &Inputs, template: &Template) {
    for parameter in &inputs.parameters {
        if let Some(value) = &parameter.value {
            vars.set(format!("inputs.parameters.{}", parameter.name), value.as_str());
        }
    }
    let shown: &Vec<Parameter> = &inputs.parameters;
    vars.set("inputs.parameters", serde_json::to_string(shown).unwrap_or_default());
    for artifact in inputs.artifacts.iter().filter(|a| !a.path.is_empty()) {
        vars.set(format!("inputs.artifacts.{}.path", artifact.name), &artifact.path);
    }
    for artifact in template.outputs.artifacts.iter().filter(|a| !a.path.is_empty()) {
        vars.set(format!("outputs.artifacts.{}.path", artifact.name), &artifact.path);
    }
    for parameter in &template.outputs.parameters {
        if let Some(from) = parameter.value_from.as_ref().filter(|from| !from.path.is_empty()) {
            vars.set(format!("outputs.parameters.{}.path", parameter.name), &from.path);
        }
    }
}

/// Variables of a node of its own: its name, its pod, and what it was called as.
pub(super) fn own_vars(
    vars: &mut Vars,
    workflow: &str,
    name: &str,
    compiled: &Compiled,
    holder: Option<(&str, &str)>,
) {
    vars.set("node.name", name);
    let retried = compiled.template.retry_strategy.is_some();
    if compiled.kind.is_some_and(|kind| kind.is_pod()) && !retried {
        vars.set("pod.name", pod_name(workflow, name, &compiled.template.name));
    }
    if let Some((family, holder)) = holder {
        vars.set(format!("{family}.name"), holder);
    }
}

/// All variables of a leaf node's template, found again from what the status records.
pub(crate) fn leaf_vars(
    plan: &Plan,
    status: &WorkflowStatus,
    compiled: &Compiled,
    ix: NodeIx,
) -> Result<Vars, String> {
    let globals = match &status.index.globals {
        Some(known) => Arc::clone(known),
        None => Arc::new(build(plan, status)),
    };
    let node = status.node(ix).ok_or("the node is gone")?;
    let mut vars = Vars::child(&globals);
    globals::running(status, &mut vars, node.started_at.unwrap_or_default());
    if node.exit_handler || matches!(node.owner, Owner::WorkflowHook(_)) {
        outcome(status, &mut vars);
    }
    let outer = match node.owner {
        Owner::Retry(of) => of,
        _ => ix,
    };
    let holder = holder_of(plan, status, outer);
    own_vars(&mut vars, &status.name, &node.name, compiled, holder.as_ref().map(|(f, n)| (*f, n.as_str())));
    if let Owner::Retry(of) = node.owner {
        if compiled.kind.is_some_and(|kind| kind.is_pod()) {
            vars.set("pod.name", pod_name(&status.name, &node.name, &compiled.template.name));
        }
        super::retry::attempt_vars(status, &mut vars, of, Some(ix));
    }
    let inputs = match node.owner {
        Owner::Retry(of) if node.inputs == Inputs::default() => {
            status.node(of).map(|node| node.inputs.clone()).unwrap_or_default()
        }
        _ => node.inputs.clone(),
    };
    input_vars(&mut vars, &inputs, &compiled.template);
    let captured = match node.owner {
        Owner::Retry(of) => status.node(of).map(|node| &node.captured),
        _ => Some(&node.captured),
    };
    for (name, value) in captured.into_iter().flatten() {
        vars.set_value(name, value.clone());
    }
    taint::mark(&mut vars, &node.tainted);
    Ok(vars)
}

/// Family and display name of the step or task that a node was created for.
pub(super) fn holder_of(plan: &Plan, status: &WorkflowStatus, ix: NodeIx) -> Option<(&'static str, String)> {
    let site = crate::plan::call_site(status, ix)?;
    let (compiled, group, call) = plan.site(status, site).ok()?;
    let family = compiled.call(group, call)?.family;
    let node = status.node(ix)?;
    let boundary = node.boundary.and_then(|b| status.node(b)).map(|b| b.name.as_str());
    Some((family, crate::names::display_name(&node.name, boundary)))
}

/// The template with all variables replaced and the inputs put in.
pub(crate) fn render_template(compiled: &Compiled, vars: &Vars, inputs: &Inputs) -> Result<Template, String> {
    let mut template: Template = if compiled.body.is_literal() {
        Template { inputs: Inputs::default(), steps: None, dag: None, ..Template::clone(&compiled.template) }
    } else {
        let rendered = compiled.body.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?;
        if let Some(name) = rendered.absent.first() {
            return Err(format!(
                "unable to substitute {{{{{name}}}}}: output is an absent optional (skipped/omitted node with no default)"
            ));
        }
        taint::check_template(&compiled.template, &compiled.body, &rendered.value, vars)?;
        typed(rendered.value)?
    };
    template.inputs = inputs.clone();
    Ok(template)
}

/// When a run ended or is now, for durations.
pub(super) fn seconds_between(from: Option<Timestamp>, to: Option<Timestamp>) -> f64 {
    match (from, to) {
        (Some(from), Some(to)) => to.duration_since(from).as_secs_f64(),
        _ => 0.0,
    }
}
