//! The port every runner implements: ensure, cancel, logs, remove, release; and the values that pass through it.
//! Holds no behaviour: what an attempt means to a workflow is the machine's business.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use runner_workflows::spec::{ArtifactLocation, Outputs, Template, k8s};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Release};

/// A boxed future that may move between threads; keeps the port usable as `dyn Runner`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where a runner reports what happens to attempts.
pub type Sink = tokio::sync::mpsc::UnboundedSender<(AttemptId, Observation)>;

/// The name of one execution of one node: everything on disk is named after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptId {
    /// Unique id of the workflow.
    pub workflow_uid: String,
    /// Id of the node.
    pub node_id: String,
    /// Number of the attempt, from 0.
    pub attempt: u32,
}

impl AttemptId {
    /// The name used in paths: a hash, so that no user text enters a path (V9).
    ///
    /// Each field is length-prefixed, hence different ids cannot produce the same input of the hash.
    pub fn storage_name(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.workflow_uid.as_bytes(), self.node_id.as_bytes()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(self.attempt.to_le_bytes());
        hash.finalize().iter().take(20).fold(String::with_capacity(40), |mut text, byte| {
            text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
            text
        })
    }
}

impl std::fmt::Display for AttemptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.workflow_uid, self.node_id, self.attempt)
    }
}

/// Where artifacts without a location of their own are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ArtifactRepository {
    /// A directory on this machine.
    Local {
        /// The directory; created with mode 0700 when absent.
        root: PathBuf,
    },
    /// A store elsewhere, as Argo writes an artifact repository.
    Remote {
        /// Endpoint, bucket and secrets; keys are those of the artifacts.
        location: ArtifactLocation,
        /// Format of default keys with `{{workflow.name}}` and the like; empty means Argo's default.
        #[serde(default)]
        key_format: String,
    },
    /// The repository that a ConfigMap names (Argo's `artifactRepositoryRef`); runners look it up at the start
    /// of an attempt.
    Ref {
        /// Name of the ConfigMap.
        config_map: String,
        /// Key in it; empty when it has only one.
        key: String,
        /// Where archived logs and artifacts go when the ConfigMap names no store.
        otherwise: Box<ArtifactRepository>,
    },
}

/// Everything a runner needs to start one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptSpec {
    /// The name of the attempt.
    pub id: AttemptId,
    /// Name of the workflow.
    pub workflow: String,
    /// Namespace of the workflow.
    pub namespace: String,
    /// Name of the node, for messages.
    pub node_name: String,
    /// Name of the pod as Argo would call it.
    pub pod_name: String,
    /// The template, fully substituted: no tags; inputs carry values, input artifacts carry locations.
    pub template: Template,
    /// Whether `outputs.result` is wanted.
    pub capture_result: bool,
    /// Active deadline, counted from the start of the attempt.
    pub timeout: Option<Duration>,
    /// Identity of the node over all its executions, given to the step as `RUNNER_STEP_KEY` (P4).
    pub step_key: String,
    /// Volumes of the workflow and of the template.
    pub volumes: Vec<k8s::Volume>,
    /// The workflow's `volumeClaimTemplates`: runners that have claims make `<workflow>-<name>` of each before the
    /// first step that sees it.
    #[serde(default)]
    pub claims: Vec<k8s::PersistentVolumeClaim>,
    /// Where artifacts go.
    pub repository: ArtifactRepository,
    /// Prefix of default artifact keys: `<workflow>/<pod>`.
    pub default_key_prefix: String,
    /// A directory of the host that the step sees and may write, and in which it starts.
    pub share_cwd: Option<PathBuf>,
    /// Additional environment of the step, e.g. `TRACEPARENT`.
    pub env: Vec<(String, String)>,
    /// Keep the log of each main container as artifact `NAME-logs`.
    pub archive_logs: bool,
    /// What the workflow says about its pods; means something to runners that have pods.
    #[serde(default)]
    pub pod: crate::PodDefaults,
}

/// Variable that tells a step how many executions under its `RUNNER_STEP_KEY` were started before (P4). The
/// engine gives it in [`AttemptSpec::env`]; without that it is the attempt's number.
pub const ATTEMPT_VARIABLE: &str = "RUNNER_ATTEMPT";

/// How a step is kept apart from the host and from other steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Isolation {
    /// A private root: the host's files below, private writes above (mount namespace and overlay).
    Overlay,
    /// The host's root; declared paths are rewritten to a private directory in arguments and scripts.
    Remap,
}

/// What happened to an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// It does not run yet, or is paused, and why; told when that changes.
    Waiting {
        /// What it waits for, in Argo's form: `ImagePullBackOff: Back-off pulling image "x"`. Empty: for nothing any more.
        message: String,
    },
    /// It runs.
    Started {
        /// Since when.
        at: Timestamp,
        /// Name of the host.
        host: String,
        /// How it is kept apart; absent as long as it is not known.
        isolation: Option<Isolation>,
    },
    /// It reported progress, as Argo's `N/M`.
    Progress {
        /// Units done.
        done: i64,
        /// Units in all.
        total: i64,
    },
    /// It ended, and this is its record. Repeated for every `ensure` of a finished attempt.
    Finished(Exit),
    /// It was started, is not there any more, and left no record: the outcome is not known (P5).
    Lost {
        /// What was found.
        reason: String,
    },
    /// A daemon is ready to serve.
    Ready {
        /// Since when.
        at: Timestamp,
        /// Its address.
        ip: String,
    },
}

/// How an attempt ended, as the phase its node gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitPhase {
    /// Main ended with exit code 0 and all outputs were there.
    Succeeded,
    /// Main ended otherwise.
    Failed,
    /// Something around main failed: inputs, outputs, the start.
    Error,
}

/// Why an attempt ended, where the phase alone does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// The outcome is not known.
    Lost,
    /// The kernel killed it for exceeding its memory limit.
    OOMKilled,
    /// It ran longer than its deadline.
    Deadline,
    /// It was cancelled.
    Cancelled,
    /// Main could not be started, e.g. command not found.
    NotStarted,
    /// An input could not be placed.
    Input,
    /// An output could not be collected.
    Output,
    /// The cluster took its place away: its node ran short, or was emptied, or somebody more important came.
    Evicted,
    /// No node would have it for as long as it was willing to wait.
    Unschedulable,
    /// Its image could not be had.
    Image,
}

/// The record of an ended attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// The phase of the node.
    pub phase: ExitPhase,
    /// Argo's text, e.g. `main: Error (exit code 1)`; empty on success.
    pub message: String,
    /// Exit code of main; 128 + signal when a signal ended it; absent when it did not run.
    pub exit_code: Option<i32>,
    /// When the attempt started.
    pub started_at: Timestamp,
    /// When the attempt really ended, whoever noticed it later.
    pub finished_at: Timestamp,
    /// Parameters with values, artifacts with locations, result and exit code.
    pub outputs: Outputs,
    /// Why it ended.
    pub reason: Option<Reason>,
}

/// An output stream of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Remarks of the supervisor, such as the truncation marker.
    Supervisor,
}

/// Which lines of a log are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogQuery {
    /// Container; `main` when absent.
    pub container: Option<String>,
    /// Wait for more lines until the attempt ends.
    pub follow: bool,
    /// Only the last lines.
    pub tail: Option<usize>,
    /// Only lines at or after this time.
    pub since: Option<Timestamp>,
}

/// One line of a log. Bytes that are not UTF-8 are replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// When its first byte was read.
    pub at: Timestamp,
    /// Where it was written to.
    pub stream: Stream,
    /// The text without its line end; very long lines arrive in pieces.
    pub text: String,
}

/// Lines of a log as they come; ends after the last one.
pub struct LogStream {
    /// Filled by the runner.
    pub(crate) lines: tokio::sync::mpsc::Receiver<Result<LogLine, Error>>,
}

impl LogStream {
    /// A stream over a channel; for runners of other crates and for fakes.
    pub fn new(lines: tokio::sync::mpsc::Receiver<Result<LogLine, Error>>) -> Self {
        Self { lines }
    }

    /// The next line, or nothing after the last.
    pub async fn next(&mut self) -> Option<Result<LogLine, Error>> {
        self.lines.recv().await
    }

    /// All lines that are left.
    pub async fn collect(mut self) -> Result<Vec<LogLine>, Error> {
        let mut all = Vec::new();
        while let Some(line) = self.next().await {
            all.push(line?);
        }
        Ok(all)
    }
}

/// Runs attempts. All calls may be repeated; none of them waits for a step to end.
pub trait Runner: Send + Sync {
    /// Starts the attempt, or adopts what already runs or ran under its name.
    ///
    /// Returns once the attempt cannot be started a second time. Everything else is reported to the sink,
    /// including steps that cannot be started. An error means that nothing was started.
    fn ensure(&self, spec: AttemptSpec, sink: Sink) -> BoxFuture<'_, Result<(), Error>>;

    /// Asks the attempt to end: TERM, then after `grace` the whole tree is killed. Its end is observed
    /// through the sink of `ensure`. Cancelling what ended or never started does nothing.
    fn cancel(&self, id: &AttemptId, grace: Duration) -> BoxFuture<'_, Result<(), Error>>;

    /// The lines an attempt wrote, while it runs and afterwards.
    fn logs(&self, id: &AttemptId, query: LogQuery) -> BoxFuture<'_, Result<LogStream, Error>>;

    /// Forgets an ended attempt and its logs. Refused while it runs; removing what is not there succeeds.
    fn remove(&self, id: &AttemptId) -> BoxFuture<'_, Result<(), Error>>;

    /// Takes back what a run has that nothing needs any more, logs excepted. Returns once it will be gone, by us or
    /// by a later call of anybody over the same state: an empty one does what earlier ones have left over.
    fn release(&self, release: Release) -> BoxFuture<'_, Result<(), Error>>;
}
