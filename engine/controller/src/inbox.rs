//! What reaches the task of a workflow, and the form in which commands travel through the store.
//! Deliberately decides nothing: it turns words from outside into inputs of the machine.

use runner_machine::{AttemptState, Command, Input, MemoEntry, NodeIx, NodePhase, Observed};
use runner_runners::{Exit, ExitPhase, Observation};
use runner_store::{CommandId, Inbox, Store, StreamId};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::error::Result;
use crate::record::Answer;

/// Attempt of a node: what the machine calls it.
pub(crate) type Attempt = (NodeIx, u32);

/// Something for one workflow's task.
#[derive(Debug)]
pub(crate) enum Letter {
    /// There may be commands in the store's inbox.
    Commands,
    /// A lock that it waits for may be free.
    Locks,
    /// End: hand the lease back.
    Stop {
        /// Whether the next engine may go on at once.
        hand_over: bool,
    },
    /// What became of the start of an attempt.
    Started(Attempt, Start),
    /// The answer of a memoization cache.
    Memo(NodeIx, Option<MemoEntry>),
    /// A background task has nothing to report.
    Nothing,
}

/// What became of the start of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It runs or ran under its name; its end will be observed.
    Ensured,
    /// It was never started, and will not be.
    Never,
    /// It cannot be started.
    Refused(String),
}

/// Where letters for a task are put.
pub(crate) type Mailbox = UnboundedSender<Letter>;

/// A command as it travels through the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope {
    /// Who gave it.
    pub(crate) by: String,
    /// What.
    pub(crate) command: Command,
}

/// One input on its way into a turn.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Anything but a command.
    Input(Input),
    /// A command, with its id in the store.
    Command(CommandId, std::result::Result<Envelope, String>),
}

/// The commands that wait for a stream.
pub(crate) async fn commands(store: &dyn Store, stream: &StreamId) -> Result<Vec<Incoming>> {
    let waiting = Inbox::pending(store, stream).await?;
    let read = |body: &[u8]| serde_json::from_slice(body).map_err(|e| format!("not a command: {e}"));
    Ok(waiting.into_iter().map(|c| Incoming::Command(c.id, read(&c.body))).collect())
}

impl Answer {
    /// The answer to a command that was decided.
    pub(crate) fn new(id: CommandId, envelope: Option<&Envelope>, refused: Option<String>) -> Self {
        Self {
            command: id.0,
            name: envelope.map(|e| e.command.name().to_owned()).unwrap_or_default(),
            by: envelope.map(|e| e.by.clone()).unwrap_or_default(),
            refused,
        }
    }
}

/// What a runner saw, in the machine's words; and whether anything waits for it.
pub(crate) fn observed((node, attempt): Attempt, seen: Observation) -> (Input, Urgency) {
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let (what, urgency) = match seen {
        Observation::Waiting { message } => (Observed::Waiting { message }, Urgency::Lazy),
        Observation::Started { at, host, .. } => (Observed::Running { at, host }, Urgency::Lazy),
        Observation::Progress { done, total } => {
            (Observed::Progress(count(done), count(total)), Urgency::Lazy)
        }
        Observation::Ready { at, ip } => (Observed::Ready { at, ip }, Urgency::Ready),
        Observation::Lost { reason } => (Observed::Lost { reason }, Urgency::Ended),
        Observation::Finished(exit) => (finished(exit), Urgency::Ended),
    };
    (Input::Observed { node, attempt, what }, urgency)
}

/// How soon a sighting matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Nothing waits for it.
    Lazy,
    /// A daemon is ready: the workflow goes on while it keeps running.
    Ready,
    /// The attempt ended.
    Ended,
}

fn finished(exit: Exit) -> Observed {
    Observed::Finished {
        phase: match exit.phase {
            ExitPhase::Succeeded => NodePhase::Succeeded,
            ExitPhase::Failed => NodePhase::Failed,
            ExitPhase::Error => NodePhase::Error,
        },
        message: exit.message,
        outputs: exit.outputs,
        started_at: Some(exit.started_at),
        finished_at: exit.finished_at,
    }
}

/// An attempt that did not run: refused by its runner, or cancelled before it was started.
pub(crate) fn not_run((node, attempt): Attempt, start: Start, now: jiff::Timestamp) -> Option<Input> {
    let (phase, message) = match start {
        Start::Ensured => return None,
        Start::Never => (NodePhase::Failed, String::new()),
        Start::Refused(message) => (NodePhase::Error, message),
    };
    let outputs = runner_workflows::spec::Outputs::default();
    let what = Observed::Finished { phase, message, outputs, started_at: None, finished_at: now };
    Some(Input::Observed { node, attempt, what })
}

/// Whether an attempt was seen running by an earlier engine: it needs no room any more, it has it.
pub(crate) fn was_seen(state: &AttemptState) -> bool {
    match state {
        AttemptState::Running => true,
        AttemptState::Intended | AttemptState::Cancelling { .. } => false,
    }
}
