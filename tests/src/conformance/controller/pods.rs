//! Pods of the scripted executor: what the machine asked to start, and the phase a script gave it.
//! A fake: nothing is executed.

use std::collections::BTreeMap;

use runner_machine::{AttemptPlan, NodePhase, Observed, Timestamp};
use runner_workflows::spec::Outputs;
use serde_json::{Value, json};

/// Phase of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PodPhase {
    /// Made, not started.
    Pending,
    /// Started.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
}

impl PodPhase {
    /// The phase of that name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "Pending" => Some(Self::Pending),
            "Running" => Some(Self::Running),
            "Succeeded" => Some(Self::Succeeded),
            "Failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// One pod.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    /// Id of its node.
    pub(super) node: String,
    /// Number of the attempt.
    pub(super) attempt: u32,
    /// Name.
    pub(super) name: String,
    /// Phase.
    pub(super) phase: PodPhase,
    /// Phase that the machine knows.
    pub(super) reported: Option<PodPhase>,
    /// What it reports at its end, as the API's JSON.
    pub(super) outputs: Option<Value>,
    /// Exit code it reports.
    pub(super) exit_code: Option<i64>,
    /// Progress that its template's annotation gives it.
    pub(super) progress: Option<(u64, u64)>,
    /// Its template is a daemon's.
    pub(super) daemon: bool,
    /// Its main container.
    pub(super) main: Value,
}

fn progress(annotations: &BTreeMap<String, String>) -> Option<(u64, u64)> {
    let (done, all) = annotations.get("workflows.argoproj.io/progress")?.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

impl Pod {
    /// A new pod for an attempt.
    pub(super) fn new(node: &str, attempt: u32, plan: &AttemptPlan) -> Self {
        let template = serde_json::to_value(&plan.template).unwrap_or(Value::Null);
        let main =
            template.get("container").or_else(|| template.get("script")).cloned().unwrap_or(Value::Null);
        Self {
            node: node.to_owned(),
            attempt,
            name: plan.pod_name.clone(),
            phase: PodPhase::Pending,
            reported: Some(PodPhase::Pending),
            outputs: None,
            exit_code: None,
            progress: progress(&plan.template.metadata.annotations),
            daemon: plan.template.daemon == Some(true),
            main,
        }
    }

    /// The pod as facts see it.
    pub(super) fn json(&self) -> Value {
        json!({ "name": self.name, "phase": format!("{:?}", self.phase), "main": self.main })
    }

    /// What the machine is told of its present phase; none when there is nothing to tell.
    ///
    /// # Errors
    /// Outputs that are not Argo's.
    pub(super) fn observation(&self, now: Timestamp) -> Result<Option<Observed>, String> {
        let ended = |phase, message: &str, outputs| Observed::Finished {
            phase,
            message: message.to_owned(),
            outputs,
            started_at: None,
            finished_at: now,
        };
        Ok(match self.phase {
            PodPhase::Pending => None,
            PodPhase::Running if self.daemon => Some(Observed::Ready { at: now, ip: "10.0.0.1".to_owned() }),
            PodPhase::Running => Some(Observed::Running { at: now, host: String::new() }),
            PodPhase::Succeeded => Some(ended(NodePhase::Succeeded, "", self.outputs()?)),
            PodPhase::Failed => Some(ended(NodePhase::Failed, "Pod failed", self.outputs()?)),
        })
    }

    fn outputs(&self) -> Result<Outputs, String> {
        let mut outputs = self.outputs.clone().unwrap_or_else(|| json!({}));
        if let (Some(code), Some(map)) = (self.exit_code, outputs.as_object_mut()) {
            map.insert("exitCode".to_owned(), Value::String(code.to_string()));
        }
        serde_json::from_value(outputs).map_err(|error| format!("outputs of pod {}: {error}", self.name))
    }
}
