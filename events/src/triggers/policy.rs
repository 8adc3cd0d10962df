//! `policy.k8s`: a trigger has worked once what it made has certain labels, such as
//! `workflows.argoproj.io/phase: Succeeded`. As Argo Events' policy of resource labels.
//! Cancels nothing when the time is over: the workflow goes on.

use std::collections::BTreeMap;

use runner_machine::WorkflowPhase;
use runner_sensors::machine::{attempts, wait};
use runner_sensors::spec::{Backoff, K8sResourcePolicy};

use super::{Failed, Hands};

/// Looks when the policy names no number, as in Argo Events.
const LOOKS: u32 = 5;

impl Hands {
    /// Waits until a workflow has the labels.
    pub(super) async fn labelled(
        &self,
        policy: &K8sResourcePolicy,
        workflow: &str,
        key: &str,
    ) -> Result<(), Failed> {
        let (namespace, name) = workflow.split_once('/').unwrap_or_default();
        let what = format!("workflow {workflow}");
        wait_for(policy, &what, key, || self.labels(namespace, name)).await
    }

    async fn labels(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>, Failed> {
        let seen = self.controller.load_status(namespace, name).await;
        let seen =
            seen.map_err(|error| Failed { retriable: error.is_retriable(), message: error.to_string() })?;
        let mut labels = seen.plan.workflow.metadata.labels.clone();
        let phase = seen.status.phase;
        let over = matches!(phase, WorkflowPhase::Succeeded | WorkflowPhase::Failed | WorkflowPhase::Error);
        labels.insert("workflows.argoproj.io/phase".to_owned(), phase.as_str().to_owned());
        labels.insert("workflows.argoproj.io/completed".to_owned(), over.to_string());
        Ok(labels)
    }
}

/// Looks at the labels of something until they are those of the policy, as often and as long as it says. Without
/// `errorOnBackoffTimeout` the end of the waiting is no failure.
pub(super) async fn wait_for<F>(
    policy: &K8sResourcePolicy,
    what: &str,
    key: &str,
    labels: impl Fn() -> F,
) -> Result<(), Failed>
where
    F: Future<Output = Result<BTreeMap<String, String>, Failed>>,
{
    if policy.labels.is_empty() {
        return Ok(());
    }
    let backoff: Option<&Backoff> = policy.backoff.as_ref();
    let looks = backoff.and_then(|backoff| backoff.steps).map_or(LOOKS, |_| attempts(backoff));
    for look in 1..=looks {
        let found = labels().await?;
        if policy.labels.iter().all(|(label, value)| found.get(label) == Some(value)) {
            return Ok(());
        }
        if look < looks {
            let pause = std::time::Duration::try_from(wait(backoff, look, key)).unwrap_or_default();
            tokio::time::sleep(pause).await;
        }
    }
    if policy.error_on_backoff_timeout {
        let wanted: Vec<String> =
            policy.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        let wanted = wanted.join(",");
        return Err(Failed::now(format!("{what} did not get the labels {wanted} in time (policy.k8s)")));
    }
    Ok(())
}
