//! The graph of nodes as far as a DAG's verdict depends on it: a target that ran nothing takes the phase of the
//! last node before it that did. Does not know why nodes ended as they did.

use std::collections::BTreeMap;

use super::{Ambiguous, Answer, Oracle, Phase, Phases, Told};

/// What hangs below a node.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Nothing.
    Leaf,
    /// Attempts; what follows hangs on the last one, which this is.
    Retry(String),
    /// The last group that was reached, and its children.
    Steps(String, Vec<String>),
    /// A group with an error: what it has started is not known.
    Broken,
    /// Tasks: number, node, numbers of the tasks before; and the targets.
    Dag(Vec<(usize, String, Vec<usize>)>, Vec<usize>),
    /// Children of a task's loop.
    Loop(Vec<String>),
}

impl Oracle<'_> {
    fn own(&self, name: &str, incoming: &Phases) -> Phases {
        match self.told.nodes.get(name).map(|told| told.phase) {
            Some(phase) if phase.completed() => Phases::from([phase]),
            Some(_) | None => incoming.clone(),
        }
    }

    /// Phases with which a walk that enters a node can leave it. What follows a task directly hangs on the last
    /// attempt of a Retry node; what follows a template around it hangs on what is inside that attempt.
    fn exits(&self, name: &str, incoming: &Phases, direct: bool) -> Answer<Phases> {
        let own = self.own(name, incoming);
        match self.shapes.get(name) {
            None | Some(Shape::Leaf) => Ok(own),
            Some(Shape::Retry(last)) => {
                let own = self.after_retry(name, own)?;
                if direct { Ok(own) } else { self.exits(last, &own, false) }
            }
            Some(Shape::Broken) => Err(Ambiguous(format!("what {name} has started is not known"))),
            Some(Shape::Steps(group, children)) => {
                let group = self.own(group, &own);
                self.union(children, &group, false)
            }
            Some(Shape::Loop(children)) => self.union(children, &own, direct),
            Some(Shape::Dag(tasks, targets)) => {
                let incoming = self.incoming(name, &own)?;
                let mut out = Phases::new();
                for (number, node, _) in tasks {
                    if targets.contains(number) {
                        out.extend(self.exits(node, incoming.get(number).unwrap_or(&own), false)?);
                    }
                }
                Ok(out)
            }
        }
    }

    /// What follows a Retry node with hooks may hang on a hook instead of the last attempt.
    fn after_retry(&self, name: &str, own: Phases) -> Answer<Phases> {
        let hook =
            |node: &String| node.starts_with(&format!("{name}.hooks.")) || *node == format!("{name}.onExit");
        let bad = own.iter().any(|phase| phase.bad());
        let differs = |told: &Told| !own.contains(&told.phase) && (told.phase.bad() || bad);
        if self.told.nodes.iter().any(|(node, told)| hook(node) && differs(told)) {
            return Err(Ambiguous(format!("a hook of {name} ended otherwise than {name}")));
        }
        Ok(own)
    }

    fn union(&self, children: &[String], incoming: &Phases, direct: bool) -> Answer<Phases> {
        if children.is_empty() {
            return Ok(incoming.clone());
        }
        let mut out = Phases::new();
        for child in children {
            out.extend(self.exits(child, incoming, direct)?);
        }
        Ok(out)
    }

    /// Phases that each task of a DAG is entered with, from the DAG on.
    pub(super) fn incoming(&self, dag: &str, start: &Phases) -> Answer<BTreeMap<usize, Phases>> {
        let Some(Shape::Dag(tasks, _)) = self.shapes.get(dag) else { return Ok(BTreeMap::new()) };
        let mut incoming = BTreeMap::new();
        let mut leaving: BTreeMap<usize, Phases> = BTreeMap::new();
        for (number, node, needs) in tasks {
            let mut phases = Phases::new();
            for need in needs {
                phases.extend(leaving.get(need).into_iter().flatten().copied());
            }
            if needs.is_empty() {
                phases.clone_from(start);
            }
            // Only a task that ran nothing looks back: for the others an unclear past does not matter.
            let left = match self.exits(node, &phases, true) {
                Ok(left) => left,
                Err(_) if self.settled(tasks, *number) => Phases::from([Phase::Succeeded]),
                Err(why) => return Err(why),
            };
            leaving.insert(*number, left);
            incoming.insert(*number, phases);
        }
        Ok(incoming)
    }

    /// Whether all tasks that follow a task directly ran something.
    fn settled(&self, tasks: &[(usize, String, Vec<usize>)], number: usize) -> bool {
        let ran = |node: &String| self.told.nodes.get(node).is_some_and(|told| told.phase.completed());
        tasks.iter().filter(|(_, _, needs)| needs.contains(&number)).all(|(_, node, _)| ran(node))
    }
}
