//! Outputs of Steps and DAG nodes, and the nodes that what follows hangs on.
//! Outputs of leaves come from their runner.

use std::collections::BTreeSet;

use runner_workflows::expr::Var;
use runner_workflows::spec::{AnyString, Outputs};

use super::Turn;
use super::calls::evaluate;
use crate::globals::text_of;
use crate::node::{NodeIx, NodeType};
use crate::plan::{Compiled, mentions};

impl Turn<'_> {
    /// Outputs that a Steps or DAG template declares, taken from its steps or tasks.
    pub(super) fn template_outputs(
        &mut self,
        ix: NodeIx,
        compiled: &Compiled,
    ) -> Result<Option<Outputs>, String> {
        let declared = &compiled.template.outputs;
        if declared.parameters.is_empty() && declared.artifacts.is_empty() {
            return Ok(None);
        }
        let family = if compiled.dag.is_some() { "tasks" } else { "steps" };
        let text = serde_json::to_string(declared).unwrap_or_default();
        let names: Option<BTreeSet<String>> = mentions(&text, family);
        let vars = self.boundary_vars(ix, compiled, names.as_ref())?;
        let mut outputs = Outputs::default();
        for parameter in &declared.parameters {
            let Some(from) = &parameter.value_from else {
                if parameter.value.is_some() {
                    outputs.parameters.push(parameter.clone());
                    continue;
                }
                return Err("output parameters must have a valueFrom specified".to_owned());
            };
            let value = if !from.expression.is_empty() {
                evaluate(&from.expression, &vars).or_else(|e| from.default.clone().map(|d| d.0).ok_or(e))?
            } else if from.parameter.is_empty() {
                from.default.clone().map(|d| d.0).unwrap_or_default()
            } else {
                let tag = from.parameter.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
                let default = from.default.as_ref().map(|d| d.0.clone());
                match vars.get(tag) {
                    Some(Var::Absent) => default.ok_or_else(|| {
                        format!(
                            "output parameter {:?}: {:?} is an absent optional (skipped/omitted node output with no default)",
                            parameter.name, from.parameter
                        )
                    })?,
                    Some(found) => text_of(found).unwrap_or_default(),
                    None => default.ok_or_else(|| format!("Unable to resolve: {}", from.parameter))?,
                }
            };
            let mut parameter = parameter.clone();
            parameter.value = Some(AnyString(value));
            parameter.value_from = None;
            outputs.parameters.push(parameter);
        }
        for artifact in &declared.artifacts {
            if artifact.from.is_empty() && artifact.from_expression.is_empty() {
                continue;
            }
            let global_name = artifact.global_name.clone();
            let found = self
                .resolve_artifact(ix, compiled, artifact.clone(), &vars)
                .map_err(|e| format!("unable to resolve outputs from scope: {e}"))?;
            if let Some(mut found) = found {
                found.global_name = global_name;
                outputs.artifacts.push(found);
            }
        }
        Ok(Some(outputs))
    }

    /// Outbound nodes of a Steps node as they are now: those of the children of its last group.
    pub(super) fn outbound_now(&self, ix: NodeIx) -> Vec<NodeIx> {
        let Some(node) = self.node(ix) else { return Vec::new() };
        if node.node_type != NodeType::Steps {
            return Vec::new();
        }
        let current = match self.status.index.runtimes.get(&ix) {
            Some(super::Runtime::Steps(current)) => *current,
            Some(_) | None => 0,
        };
        let mut group = None;
        for number in current.. {
            match self.status.by_name(&format!("{}[{number}]", node.name)) {
                Some(found) => group = Some(found),
                None => break,
            }
        }
        if group.is_none() && current > 0 {
            group = self.status.by_name(&format!("{}[{}]", node.name, current - 1));
        }
        let children = group.and_then(|group| self.node(group)).map(|group| group.children.clone());
        children.unwrap_or_default().into_iter().flat_map(|child| self.outbound(child)).collect()
    }

    /// The nodes that whatever follows this one hangs on, as Argo's `getOutboundNodes`.
    pub(super) fn outbound(&self, ix: NodeIx) -> Vec<NodeIx> {
        let mut found = Vec::new();
        let mut stack = vec![ix];
        while let Some(ix) = stack.pop() {
            let Some(node) = self.node(ix) else { continue };
            match node.node_type {
                NodeType::Skipped | NodeType::Suspend | NodeType::HTTP | NodeType::Plugin => found.push(ix),
                NodeType::Pod => {
                    let containers = self.containers(ix);
                    if containers.is_empty() {
                        found.push(ix);
                    } else {
                        stack.extend(containers.into_iter().rev());
                    }
                }
                NodeType::Container => {
                    let same =
                        |child: &&NodeIx| self.node(**child).is_some_and(|n| n.boundary == node.boundary);
                    let next: Vec<NodeIx> = node.children.iter().filter(same).copied().collect();
                    if next.is_empty() {
                        found.push(ix);
                    } else {
                        stack.extend(next.into_iter().rev());
                    }
                }
                NodeType::TaskGroup => {
                    if node.children.is_empty() {
                        found.push(ix);
                    }
                    stack.extend(node.children.iter().rev());
                }
                NodeType::Retry => found.push(node.children.last().copied().unwrap_or(ix)),
                NodeType::Steps | NodeType::DAG if node.memo.as_ref().is_some_and(|memo| memo.hit) => {
                    found.push(ix)
                }
                NodeType::Steps | NodeType::DAG | NodeType::StepGroup => {
                    stack.extend(node.outbound.iter().rev())
                }
            }
        }
        let mut seen = BTreeSet::new();
        found.retain(|ix| seen.insert(*ix));
        found
    }

    fn containers(&self, ix: NodeIx) -> Vec<NodeIx> {
        let children = self.node(ix).map(|node| node.children.clone()).unwrap_or_default();
        let of_set = |child: &NodeIx| {
            self.node(*child).is_some_and(|n| matches!(n.owner, crate::Owner::ContainerSet(_)))
        };
        children.into_iter().filter(of_set).collect()
    }
}
