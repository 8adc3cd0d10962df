//! What a run gives back to its runners at its end: volume claims that nothing will mount any more, and pods.
//! Decides nothing: `volumeClaimGC` and `podGC` were asked before.

use std::time::Duration;

use jiff::Timestamp;
use runner_workflows::spec::k8s::LabelSelector;

use crate::AttemptId;

/// What a run gives back. Asked for again, what is gone already is no error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Release {
    /// Unique id of the workflow: nothing of anybody else's is touched.
    pub workflow_uid: String,
    /// Namespace of the workflow.
    pub namespace: String,
    /// Names of volume claims that were made for the run.
    pub claims: Vec<String>,
    /// Pods and containers that go, while the logs of their steps stay.
    pub guests: Option<Guests>,
}

/// Pods and containers that go at the end of their run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guests {
    /// The attempts they belong to; all of them have ended.
    pub attempts: Vec<AttemptId>,
    /// Only those with these labels.
    pub selector: Option<LabelSelector>,
    /// When they go.
    pub due: Timestamp,
}

impl Guests {
    /// Those of a `podGC`, whose delay counts from the end of the run.
    #[must_use]
    pub fn of(gc: &runner_workflows::spec::PodGc, attempts: Vec<AttemptId>, ended_at: Timestamp) -> Self {
        let delay = crate::guest::go_duration(&gc.delete_delay_duration);
        Self { attempts, selector: gc.label_selector.clone(), due: after(ended_at, delay) }
    }
}

/// A time so much later; the time itself where the calendar ends.
fn after(at: Timestamp, delay: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(delay).ok().and_then(|delay| at.checked_add(delay).ok()).unwrap_or(at)
}
