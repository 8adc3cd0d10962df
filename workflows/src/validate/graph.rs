//! The graph of a DAG's tasks: what each task waits for, a sound order, cycles, ancestors.
//! Does not evaluate `depends`.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::LazyLock;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;
use regex::Regex;

use crate::spec::DagTask;

/// A task name with a result, or a bare task name, in a `depends` text.
static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"([a-zA-Z0-9][-a-zA-Z0-9]*?)\.([A-Z][a-zA-Z]+)|([a-zA-Z0-9][-a-zA-Z0-9]*)").ok()
});

const RESULTS: [&str; 8] =
    ["Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned", "AnySucceeded", "AllFailed"];

/// What a task needs of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Its own result.
    Task,
    /// A result over its items.
    Items,
}

/// The graph.
pub(super) struct Graph<'a> {
    tasks: &'a [DagTask],
    index: BTreeMap<&'a str, usize>,
    needs: Vec<BTreeMap<String, Need>>,
    parents: Vec<Vec<usize>>,
    steps: Cell<usize>,
}

/// Steps that all questions about the ancestors of one graph may take.
const MAX_STEPS: usize = 20_000_000;

impl<'a> Graph<'a> {
    pub(super) fn new(tasks: &'a [DagTask]) -> Self {
        let mut index = BTreeMap::new();
        for (at, task) in tasks.iter().enumerate() {
            index.entry(task.name.as_str()).or_insert(at);
        }
        let needs: Vec<BTreeMap<String, Need>> = tasks.iter().map(needs_of).collect();
        let known = |names: &BTreeMap<String, Need>| {
            names.keys().filter_map(|n| index.get(n.as_str()).copied()).collect()
        };
        let parents = needs.iter().map(known).collect();
        Self { tasks, index, needs, parents, steps: Cell::new(0) }
    }

    /// What the task at an index waits for.
    pub(super) fn needs(&self, index: usize) -> impl Iterator<Item = (&String, &Need)> {
        self.needs.get(index).into_iter().flatten()
    }

    /// The task of that name.
    pub(super) fn task(&self, name: &str) -> Option<&'a DagTask> {
        self.tasks.get(self.index(name)?)
    }

    /// The index of the task of that name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Results in `depends` that do not exist.
    pub(super) fn unknown_results<'t>(&self, task: &'t DagTask) -> Vec<(&'t str, &'t str)> {
        let Some(names) = &*NAMES else { return Vec::new() };
        let pairs = names
            .captures_iter(&task.depends)
            .filter_map(|found| Some((found.get(1)?.as_str(), found.get(2)?.as_str())));
        pairs.filter(|(_, result)| !RESULTS.contains(result)).collect()
    }

    /// Indexes so that every task comes after those it waits for; tasks of a cycle come last.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut waiting: Vec<usize> = vec![0; self.tasks.len()];
        let mut next: Vec<Vec<usize>> = vec![Vec::new(); self.tasks.len()];
        for (from, to) in self.edges() {
            if let (Some(count), Some(list)) = (waiting.get_mut(to), next.get_mut(from)) {
                *count += 1;
                list.push(to);
            }
        }
        let mut queue: VecDeque<usize> =
            waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(at, _)| at).collect();
        let mut out = Vec::with_capacity(self.tasks.len());
        while let Some(at) = queue.pop_front() {
            out.push(at);
            for to in next.get(at).into_iter().flatten() {
                let Some(count) = waiting.get_mut(*to) else { continue };
                *count -= 1;
                if *count == 0 {
                    queue.push_back(*to);
                }
            }
        }
        let done: BTreeSet<usize> = out.iter().copied().collect();
        out.extend((0..self.tasks.len()).filter(|at| !done.contains(at)));
        out
    }

    /// Edges from a task to those that wait for it.
    fn edges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.needs
            .iter()
            .enumerate()
            .flat_map(move |(to, needs)| needs.keys().filter_map(move |name| Some((self.index(name)?, to))))
    }

    /// The cycles, each as names with the first one repeated at the end.
    pub(super) fn cycles(&self) -> Vec<Vec<&'a str>> {
        let mut graph = DiGraph::<usize, ()>::new();
        let nodes: Vec<_> = (0..self.tasks.len()).map(|at| graph.add_node(at)).collect();
        let mut itself = BTreeSet::new();
        for (from, to) in self.edges() {
            if let (Some(a), Some(b)) = (nodes.get(from), nodes.get(to)) {
                graph.add_edge(*a, *b, ());
            }
            if from == to {
                itself.insert(from);
            }
        }
        let mut out = Vec::new();
        for component in kosaraju_scc(&graph) {
            let members: BTreeSet<usize> = component.iter().map(|node| node.index()).collect();
            if let Some(first) = members.first().copied()
                && (members.len() > 1 || itself.contains(&first))
            {
                out.push(self.walk(first, &members));
            }
        }
        out.sort();
        out
    }

    /// A closed walk inside a component.
    fn walk(&self, first: usize, members: &BTreeSet<usize>) -> Vec<&'a str> {
        let mut path = vec![first];
        let mut at = first;
        loop {
            let step =
                self.needs(at).filter_map(|(name, _)| self.index(name)).find(|next| members.contains(next));
            let Some(next) = step else { break };
            if let Some(start) = path.iter().position(|seen| *seen == next) {
                path.drain(..start);
                path.push(next);
                break;
            }
            path.push(next);
            at = next;
        }
        path.into_iter().filter_map(|at| self.tasks.get(at)).map(|task| task.name.as_str()).collect()
    }

    /// True when `task` waits for `other`, directly or through others.
    ///
    /// All questions about one graph share a budget of steps; beyond it the answer is yes, which reports nothing.
    pub(super) fn is_ancestor(&self, other: &str, task: &str) -> bool {
        let (Some(goal), Some(start)) = (self.index(other), self.index(task)) else { return false };
        let mut seen = vec![false; self.tasks.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            let parents = self.parents.get(at).map(Vec::as_slice).unwrap_or_default();
            if parents.contains(&goal) {
                return true;
            }
            self.steps.set(self.steps.get().saturating_add(1 + parents.len()));
            if self.steps.get() > MAX_STEPS {
                return true;
            }
            for next in parents {
                if let Some(flag) = seen.get_mut(*next).filter(|flag| !**flag) {
                    *flag = true;
                    queue.push_back(*next);
                }
            }
        }
        false
    }
}

/// What a task waits for: the names in `depends`, else `dependencies`.
fn needs_of(task: &DagTask) -> BTreeMap<String, Need> {
    let mut out: BTreeMap<String, Need> = BTreeMap::new();
    if task.depends.is_empty() {
        out.extend(task.dependencies.iter().map(|name| (name.clone(), Need::Task)));
        return out;
    }
    let Some(names) = &*NAMES else { return out };
    for found in names.captures_iter(&task.depends) {
        match (found.get(1), found.get(2), found.get(3)) {
            (Some(name), Some(result), _) => {
                let items = matches!(result.as_str(), "AnySucceeded" | "AllFailed");
                let need = out.entry(name.as_str().to_owned()).or_insert(Need::Task);
                if items {
                    *need = Need::Items;
                }
            }
            (_, _, Some(name)) if !matches!(name.as_str(), "and" | "or" | "not") => {
                out.insert(name.as_str().to_owned(), Need::Task);
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Graph;
    use crate::spec::DagTask;

    fn task(name: &str, depends: &str) -> DagTask {
        DagTask { name: name.into(), depends: depends.into(), ..DagTask::default() }
    }

    #[test]
    fn f58_cycles_are_found_and_order_follows_dependencies() {
        let tasks = [task("c", "b && a.Failed"), task("b", "a"), task("a", "")];
        let graph = Graph::new(&tasks);
        assert_eq!(graph.order(), [2, 1, 0]);
        assert!(graph.cycles().is_empty());
        assert!(graph.is_ancestor("a", "c") && !graph.is_ancestor("c", "a"));

        let tasks = [task("a", "b.Succeeded"), task("b", "a"), task("self", "self")];
        let cycles = Graph::new(&tasks).cycles();
        assert_eq!(cycles, [vec!["a", "b", "a"], vec!["self", "self"]]);
    }
}
