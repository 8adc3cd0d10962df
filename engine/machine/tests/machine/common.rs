//! A scripted run of the machine: attempts end as the case says, in the order they were started.
//! A labelled fake of everything outside: no store, no runner, no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use runner_machine::{
    Action, AttemptPlan, Command, Fact, Input, Node, NodePhase, Observed, Plan, Submit, Timestamp,
    WorkflowPhase, WorkflowStatus, attempt_plan, decide, outstanding, replay,
};
use runner_workflows::parse::{Limits, Manifest, parse_file};
use runner_workflows::resolve::{Catalog, Submission, resolve};
use runner_workflows::spec::{Outputs, Parameter};

/// How the attempts of nodes end, by prefix of the display name; everything else succeeds.
pub(crate) type Outcomes = BTreeMap<&'static str, Outcome>;

/// One outcome.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) phase: NodePhase,
    pub(crate) exit_code: i32,
    pub(crate) result: Option<String>,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

pub(crate) fn fails() -> Outcome {
    Outcome { phase: NodePhase::Failed, exit_code: 1, result: None, parameters: Vec::new() }
}

pub(crate) fn errs() -> Outcome {
    Outcome { phase: NodePhase::Error, exit_code: 137, result: None, parameters: Vec::new() }
}

pub(crate) fn prints(text: &str) -> Outcome {
    Outcome {
        phase: NodePhase::Succeeded,
        exit_code: 0,
        result: Some(text.to_owned()),
        parameters: Vec::new(),
    }
}

pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) status: WorkflowStatus,
    pub(crate) facts: Vec<Fact>,
    pub(crate) now: Timestamp,
    pub(crate) outcomes: Outcomes,
    /// Display names in the order in which their attempts were started.
    pub(crate) started: Vec<String>,
    held: Vec<&'static str>,
    /// Whether locks can be had.
    locks: bool,
}

impl Run {
    pub(crate) fn new(spec: &str) -> Self {
        Self::of_event(spec, "")
    }

    /// A run of a trigger that filled in these variables.
    pub(crate) fn of_event(spec: &str, names: &str) -> Self {
        let yaml = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{name: wf, namespace: ns, annotations: \
             {{runner/from-events: '{names}'}}}}\nspec:\n{}",
            spec.lines().map(|line| format!("  {line}\n")).collect::<String>()
        );
        let (manifests, problems) = parse_file("case.yaml", &yaml, Limits::default());
        let Some(Manifest::Workflow(document)) = manifests.first() else { panic!("{problems:?}\n{yaml}") };
        let resolved = resolve(&document.object, &Submission::default(), &Catalog::default())
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        let plan = Plan::new(Arc::new(resolved.clone())).expect("a plan");
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let mut run = Self {
            plan,
            status: WorkflowStatus::default(),
            facts: Vec::new(),
            now,
            outcomes: Outcomes::new(),
            started: Vec::new(),
            held: Vec::new(),
            locks: true,
        };
        run.feed(Input::Submit(Box::new(Submit {
            name: "wf".into(),
            namespace: "ns".into(),
            uid: "uid-1".into(),
            workflow: resolved,
            estimates: None,
            reuse: None,
        })));
        run
    }

    pub(crate) fn on(mut self, name: &'static str, outcome: Outcome) -> Self {
        self.outcomes.insert(name, outcome);
        self
    }

    /// Attempts with this prefix never end by themselves.
    pub(crate) fn hold(mut self, name: &'static str) -> Self {
        self.held.push(name);
        self
    }

    /// All locks are somebody else's.
    pub(crate) fn never_locks(mut self) -> Self {
        self.locks = false;
        self
    }

    /// From here on everything ends by itself.
    pub(crate) fn held_nothing(&mut self) {
        self.held.clear();
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let facts = decide(&self.plan, &mut self.status, input, self.now).expect("accepted");
        self.facts.extend(facts);
    }

    pub(crate) fn command(&mut self, command: Command) -> Result<(), String> {
        let input = Input::Command { by: "test".into(), command };
        let facts = decide(&self.plan, &mut self.status, input, self.now).map_err(|e| e.to_string())?;
        self.facts.extend(facts);
        Ok(())
    }

    /// Runs until nothing is left that can end by itself. Time jumps to the next timer when only timers are left.
    pub(crate) fn go(&mut self) -> &mut Self {
        if self.status.phase == WorkflowPhase::Unknown {
            self.feed(Input::Begin);
        }
        for _ in 0..10_000 {
            if !self.step() && !self.sleep() {
                return self;
            }
        }
        panic!("the run does not end");
    }

    /// Lets everything that is due end; true when something happened.
    pub(crate) fn step(&mut self) -> bool {
        if self.status.phase == WorkflowPhase::Unknown {
            self.feed(Input::Begin);
        }
        let mut progress = false;
        for action in outstanding(&self.plan, &self.status) {
            let (node, attempt, cancelled) = match action {
                Action::Ensure { node, attempt } => (node, attempt, false),
                Action::Cancel { node, attempt } => (node, attempt, true),
                Action::Acquire { .. } if !self.locks => continue,
                Action::Acquire { node, .. } => {
                    self.feed(Input::LockAvailable(node));
                    progress = true;
                    continue;
                }
                Action::Recall { node, .. } => {
                    self.feed(Input::Memo { node, entry: None });
                    progress = true;
                    continue;
                }
                Action::Wake { .. } => continue,
            };
            let Some(display) = self.status.node(node).map(|n| n.display_name.clone()) else { continue };
            if !cancelled {
                if self.held.iter().any(|held| display.starts_with(held)) {
                    continue;
                }
                attempt_plan(&self.plan, &self.status, node, self.now).expect("a plan of the attempt");
                self.started.push(display.clone());
            }
            let outcome = self.outcome(&display);
            let phase = if cancelled { NodePhase::Failed } else { outcome.phase };
            let outputs = Outputs {
                exit_code: Some(outcome.exit_code.to_string()),
                result: outcome.result,
                parameters: outcome
                    .parameters
                    .iter()
                    .map(|(n, v)| Parameter::literal(*n, v.clone()))
                    .collect(),
                ..Outputs::default()
            };
            let message = if phase == NodePhase::Succeeded { String::new() } else { "it failed".to_owned() };
            let (started_at, finished_at) = (Some(self.now), self.now);
            let what = Observed::Finished { phase, message, outputs, started_at, finished_at };
            self.feed(Input::Observed { node, attempt, what });
            progress = true;
        }
        progress
    }

    fn outcome(&self, display: &str) -> Outcome {
        let exact = self.outcomes.get(display);
        let prefix = || {
            self.outcomes.iter().filter(|(name, _)| display.starts_with(**name)).map(|(_, o)| o).next_back()
        };
        exact.or_else(prefix).cloned().unwrap_or_else(|| prints("ok"))
    }

    fn sleep(&mut self) -> bool {
        let Some(at) = self.status.next_timer() else { return false };
        self.now = self.now.max(at);
        self.feed(Input::Tick);
        true
    }

    pub(crate) fn node(&self, display: &str) -> &Node {
        self.status
            .nodes()
            .map(|(_, node)| node)
            .find(|node| node.display_name == display)
            .unwrap_or_else(|| panic!("no node {display}; there are {:?}", self.names()))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.status.nodes().map(|(_, node)| node.display_name.clone()).collect()
    }

    pub(crate) fn phase(&self, display: &str) -> NodePhase {
        self.node(display).phase
    }

    pub(crate) fn attempt(&self, display: &str) -> AttemptPlan {
        let (ix, _) = self.status.nodes().find(|(_, n)| n.display_name == display).expect("the node");
        attempt_plan(&self.plan, &self.status, ix, self.now).expect("a plan of the attempt")
    }

    /// The end, after checking that replaying the journal gives the same status.
    pub(crate) fn ends(&mut self, phase: WorkflowPhase) -> &mut Self {
        self.go();
        assert_eq!(self.status.phase, phase, "{}: {:#?}", self.status.message, self.sketch());
        self.replays();
        self
    }

    pub(crate) fn replays(&self) {
        let json: Vec<Fact> = self
            .facts
            .iter()
            .map(|fact| serde_json::from_str(&serde_json::to_string(fact).expect("json")).expect("a fact"))
            .collect();
        let again = replay(&json).expect("legal facts");
        assert_eq!(again.to_argo(&self.plan), self.status.to_argo(&self.plan));
        let tainted = |status: &WorkflowStatus| -> Vec<_> {
            status.nodes().map(|(_, node)| node.tainted.clone()).collect()
        };
        assert_eq!(tainted(&again), tainted(&self.status));
    }

    pub(crate) fn sketch(&self) -> Vec<String> {
        self.status
            .nodes()
            .map(|(_, n)| format!("{} {} {} {}", n.name, n.node_type.as_str(), n.phase.as_str(), n.message))
            .collect()
    }
}

/// A template list: leaf `c` is a container, `s` a script; the rest is given.
pub(crate) fn with_leaves(rest: &str) -> String {
    format!(
        "{rest}\n- name: c\n  container: {{image: x, command: [run]}}\n- name: s\n  script: {{image: x, command: [sh], source: run}}\n- name: p\n  inputs: {{parameters: [{{name: v, default: none}}]}}\n  container: {{image: x, command: [run], args: ['{{{{inputs.parameters.v}}}}']}}\n"
    )
}
