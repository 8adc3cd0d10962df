//! DAGs as the oracle understands them.
//! Tasks are visited in the order of writing, because a task depends on earlier ones only.

use std::collections::{BTreeMap, BTreeSet};

use super::super::model::{Dag, Dep, Needs, Task, Template};
use super::eval::{Bad, Scope};
use super::graph::Shape;
use super::steps::{Expanded, expand};
use super::{Ambiguous, Answer, Oracle, Outs, Past, Phase, Phases, Site};

impl Oracle<'_> {
    pub(super) fn dag(
        &mut self,
        template: &Template,
        dag: &Dag,
        name: &str,
        inputs: &BTreeMap<String, String>,
        site: &Site<'_>,
    ) -> Answer<(Phase, Outs)> {
        let targets = targets(dag);
        let wanted = wanted(dag, &targets);
        let mut past: BTreeMap<String, Past> = BTreeMap::new();
        let mut tasks = Vec::new();
        for (number, task) in dag.tasks.iter().enumerate() {
            if !wanted.contains(&number) {
                continue;
            }
            let node = format!("{name}.{}", task.call.name);
            let needs = task.needs.tasks();
            let mut after: Vec<String> =
                needs.iter().map(|n| format!("{name}.{}", dag.tasks[*n].call.name)).collect();
            if after.is_empty() {
                after.clone_from(&site.after);
            }
            let ended = self.task(dag, task, &node, &past, (inputs, site.status), &after)?;
            past.insert(task.call.name.clone(), ended);
            tasks.push((number, node, needs));
        }
        self.shapes.insert(name.to_owned(), Shape::Dag(tasks, targets.clone()));
        let verdict = self.verdict(dag, name, &targets)?;
        if verdict.bad() {
            return Ok((verdict, Outs::default()));
        }
        let scope = Scope { inputs, past: &past, status: site.status, ..Scope::of(self) };
        Ok(match self.outputs(template, &scope) {
            Some(outs) => (Phase::Succeeded, outs),
            None => (Phase::Error, Outs::default()),
        })
    }

    fn task(
        &mut self,
        dag: &Dag,
        task: &Task,
        node: &str,
        past: &BTreeMap<String, Past>,
        (inputs, status): (&BTreeMap<String, String>, Option<&str>),
        after: &[String],
    ) -> Answer<Past> {
        let call = &task.call;
        if !met(dag, &task.needs, past) {
            return Ok(self.nothing(node, call.template, Phase::Omitted, after));
        }
        let scope = Scope { inputs, past, status, ..Scope::of(self) };
        let expanded = match expand(call, node, &scope) {
            Ok(expanded) => expanded,
            Err(Bad) => {
                let past = self.nothing(node, call.template, Phase::Error, after);
                self.hooks(call, &past, status)?;
                return Ok(past);
            }
        };
        let is_loop = matches!(expanded, Expanded::Loop(_));
        let mut ended = self.perform(call, expanded, status, after)?;
        if is_loop {
            let children = ended.children.as_deref().unwrap_or_default();
            let names = children.iter().map(|child| child.name.clone()).collect();
            self.shapes.insert(node.to_owned(), Shape::Loop(names));
            self.record(node, ended.phase, &Outs::default(), &BTreeMap::new(), after);
            node.clone_into(&mut ended.name);
        }
        Ok(ended)
    }

    /// The phase of a DAG from its targets, in their order.
    fn verdict(&self, dag: &Dag, name: &str, targets: &[usize]) -> Answer<Phase> {
        let start = Phases::from([Phase::Succeeded]);
        let incoming = self.incoming(name, &start)?;
        let fail_fast = dag.fail_fast.unwrap_or(true);
        let mut result = Phase::Succeeded;
        for target in targets {
            let call = &dag.tasks[*target].call;
            let node = format!("{name}.{}", call.name);
            let own = self.told.nodes[&node].phase;
            let phase = if own.completed() {
                own
            } else {
                let phases = incoming.get(target).cloned().unwrap_or_default();
                match (phases.contains(&Phase::Failed), phases.contains(&Phase::Error)) {
                    (true, true) => return Err(Ambiguous(format!("{node} inherits Failed or Error"))),
                    (true, false) => Phase::Failed,
                    (false, true) => Phase::Error,
                    (false, false) => Phase::Succeeded,
                }
            };
            let covered = match phase {
                Phase::Failed => call.on_failed,
                Phase::Error => call.on_error,
                _ => true,
            };
            if !covered {
                result = phase;
                if fail_fast {
                    break;
                }
            }
        }
        Ok(result)
    }
}

/// The given targets, or the tasks that nobody depends on, by name.
fn targets(dag: &Dag) -> Vec<usize> {
    if !dag.targets.is_empty() {
        return dag.targets.clone();
    }
    let needed: BTreeSet<usize> = dag.tasks.iter().flat_map(|task| task.needs.tasks()).collect();
    let mut leaves: Vec<usize> = (0..dag.tasks.len()).filter(|task| !needed.contains(task)).collect();
    leaves.sort_by_key(|task| dag.tasks[*task].call.name.clone());
    leaves
}

/// The targets and everything they depend on.
fn wanted(dag: &Dag, targets: &[usize]) -> BTreeSet<usize> {
    let mut wanted = BTreeSet::new();
    let mut open = targets.to_vec();
    while let Some(task) = open.pop() {
        if wanted.insert(task) {
            open.extend(dag.tasks[task].needs.tasks());
        }
    }
    wanted
}

fn met(dag: &Dag, needs: &Needs, past: &BTreeMap<String, Past>) -> bool {
    match needs {
        Needs::List(list) => list.iter().all(|task| holds(dag, &Dep::Task(*task, None), past)),
        Needs::Depends(dep) => holds(dag, dep, past),
    }
}

fn holds(dag: &Dag, dep: &Dep, past: &BTreeMap<String, Past>) -> bool {
    match dep {
        Dep::Not(inner) => !holds(dag, inner, past),
        Dep::And(a, b) => holds(dag, a, past) && holds(dag, b, past),
        Dep::Or(a, b) => holds(dag, a, past) || holds(dag, b, past),
        Dep::Task(task, result) => {
            let call = &dag.tasks[*task].call;
            let Some(ended) = past.get(&call.name) else { return false };
            let phases = ended.children.as_ref().map(|list| list.iter().map(|c| c.phase).collect::<Vec<_>>());
            match result {
                None => match ended.phase {
                    Phase::Succeeded | Phase::Skipped => true,
                    Phase::Failed => call.on_failed,
                    Phase::Error => call.on_error,
                    Phase::Omitted => false,
                },
                Some("AnySucceeded") => phases.is_some_and(|p| p.contains(&Phase::Succeeded)),
                Some("AllFailed") => phases.is_some_and(|p| p.iter().all(|phase| *phase == Phase::Failed)),
                Some("Errored") => ended.phase == Phase::Error,
                Some(other) => ended.phase.text() == *other,
            }
        }
    }
}
