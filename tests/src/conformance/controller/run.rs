//! One workflow under the scripted controller: its object, its plan, its status, its pods.
//! Does not drive it: `drive` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use runner_machine::{Estimates, Fact, Input, Plan, Submit, Timestamp, WorkflowStatus, decide};
use runner_workflows::resolve::ResolvedWorkflow;
use runner_workflows::spec::Workflow;
use serde_json::{Value, json};

use super::pods::{Pod, PodPhase};

/// One workflow.
pub(super) struct Run {
    /// The manifest as given, named.
    pub(super) manifest: Value,
    /// The same, typed.
    pub(super) workflow: Workflow,
    /// It brings a status of its own.
    pub(super) snapshot: bool,
    /// The compiled spec, once it has been looked at.
    pub(super) plan: Option<Plan>,
    /// The status.
    pub(super) status: WorkflowStatus,
    /// Its status was just taken over: the next turn looks at everything.
    pub(super) taken_over: bool,
    /// Why it was refused, as Argo's status.
    pub(super) refused: Option<Value>,
    /// A test wrote this end into it: every pod it still starts ends like that at once.
    pub(super) ended: Option<PodPhase>,
    /// Its pods.
    pub(super) pods: Vec<Pod>,
    /// Nodes whose pods were made once; when they are gone they are lost.
    pub(super) made: BTreeSet<(String, u32)>,
    /// Everything decided.
    pub(super) facts: Vec<Fact>,
}

impl Run {
    /// A workflow that nobody has looked at.
    pub(super) fn new(manifest: Value, workflow: Workflow, snapshot: bool) -> Self {
        Self {
            manifest,
            workflow,
            snapshot,
            plan: None,
            status: WorkflowStatus::default(),
            taken_over: false,
            refused: None,
            ended: None,
            pods: Vec::new(),
            made: BTreeSet::new(),
            facts: Vec::new(),
        }
    }

    /// Name of the workflow.
    pub(super) fn name(&self) -> &str {
        &self.workflow.metadata.name
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> &str {
        if self.workflow.metadata.namespace.is_empty() {
            "default"
        } else {
            &self.workflow.metadata.namespace
        }
    }

    /// Compiles the spec and makes the first status: a fresh one, or that of the manifest.
    ///
    /// # Errors
    /// The machine's.
    pub(super) fn begin(&mut self, resolved: ResolvedWorkflow, now: Timestamp) -> Result<(), String> {
        let workflow = Arc::new(resolved);
        let plan = Plan::new(Arc::clone(&workflow)).map_err(|error| error.to_string())?;
        if self.snapshot {
            self.status = take_over(&plan, &self.manifest)?;
            self.plan = Some(plan);
            return Ok(());
        }
        let submit = Submit {
            name: self.name().to_owned(),
            namespace: self.namespace().to_owned(),
            uid: match self.workflow.metadata.uid.as_str() {
                "" => format!("uid-of-{}", self.name()),
                uid => uid.to_owned(),
            },
            workflow: ResolvedWorkflow::clone(&workflow),
            estimates: None,
            reuse: None,
        };
        self.plan = Some(plan);
        self.turn(Input::Submit(Box::new(submit)), now).map(|_| ())
    }

    /// One turn of the machine. The facts are kept and given back.
    ///
    /// # Errors
    /// The machine's refusal.
    pub(super) fn turn(&mut self, input: Input, now: Timestamp) -> Result<Vec<Fact>, String> {
        let Some(plan) = &self.plan else { return Err("the workflow was refused".to_owned()) };
        let facts = decide(plan, &mut self.status, input, now).map_err(|error| error.to_string())?;
        self.status.take_touched();
        self.facts.extend(facts.iter().cloned());
        Ok(facts)
    }

    /// The whole object as the API shows it.
    pub(super) fn object(&self) -> Value {
        let mut object = self.manifest.clone();
        let status = match (&self.refused, &self.plan) {
            (Some(refused), _) => refused.clone(),
            (None, Some(plan)) => {
                let mut status = self.status.clone();
                status.estimates = Some(one_second_each(&status));
                status.to_argo(plan)
            }
            (None, None) => object.get("status").cloned().unwrap_or_else(|| json!({})),
        };
        if let Some(map) = object.as_object_mut() {
            map.insert("status".to_owned(), status);
            if self.plan.is_some() {
                map.entry("spec").or_insert_with(|| json!({}))["suspend"] =
                    Value::Bool(self.status.suspended);
            }
        }
        object
    }
}

/// As upstream's test double, which estimates a second for everything; a fake of the earlier run.
fn one_second_each(status: &WorkflowStatus) -> Estimates {
    let nodes = status.nodes().map(|(_, node)| (node.name.clone(), 1));
    Estimates::of(&status.name, 1, nodes)
}

/// The machine's status of an object that carries Argo's: a fresh submission that takes over the nodes.
///
/// # Errors
/// The machine cannot read it.
pub(super) fn take_over(plan: &Plan, object: &Value) -> Result<WorkflowStatus, String> {
    let metadata = &plan.workflow.metadata;
    let text = |pointer: &str, other: &str| match object.pointer(pointer).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => text.to_owned(),
        Some(_) | None => other.to_owned(),
    };
    let now = metadata
        .creation_timestamp
        .as_ref()
        .and_then(|at| at.parse().ok())
        .unwrap_or_else(|| Timestamp::from_second(super::world::EPOCH).unwrap_or_default());
    let submit = Submit {
        name: text("/metadata/name", &metadata.name),
        namespace: text("/metadata/namespace", "default"),
        uid: text("/metadata/uid", "uid-of-a-snapshot"),
        workflow: ResolvedWorkflow::clone(&plan.workflow),
        estimates: None,
        reuse: None,
    };
    let mut status = WorkflowStatus::default();
    decide(plan, &mut status, Input::Submit(Box::new(submit)), now).map_err(|error| error.to_string())?;
    let argo = object.get("status").cloned().unwrap_or_else(|| json!({}));
    status.adopt_argo(plan, &argo, now)?;
    status.arm_suspensions(plan);
    Ok(status)
}
