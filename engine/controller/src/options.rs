//! Settings of a controller, with their defaults.
//! Deliberately reads no file and no environment: the binary does.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runner_runners::ArtifactRepository;

use crate::collect::DeleteArtifact;
use crate::gate::{Auto, Gate};
use crate::owner;

/// Tells whether the process behind a lease's owner text is provably dead. `false` means: not known.
pub type IsDead = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Told, with the store's words, that the store cannot be written any more in this process (F18).
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// The archive of workflows: rows that lists leave out, with everything that belongs to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    /// How long after its end a workflow is kept there, as Argo's `archiveTTL`; for ever without it.
    pub keep: Option<Duration>,
}

/// How a controller behaves.
#[derive(Clone)]
pub struct Options {
    /// Name in leases; unique among all processes that ever open the store.
    pub owner: String,
    /// Take over workflows whose owner is gone, and run the ones that wait for an engine. Without it only
    /// workflows submitted or adopted here are run.
    pub adopt: bool,
    /// Proof of death of another owner; without it a lease is waited out.
    pub is_dead: Option<IsDead>,
    /// Life of a lease. Renewed after a third of it; after two thirds without success the workflow is dropped.
    pub ttl: Duration,
    /// How often other processes' commands, locks and abandoned workflows are looked for. Nothing is looked for
    /// without it (a single process, a simulator).
    pub poll: Option<Duration>,
    /// How long sightings that nothing waits for (running, progress) are held back, so that they share a
    /// commit with what follows.
    pub linger: Duration,
    /// Steps that may run at once, over all workflows of this process.
    pub max_running: usize,
    /// Time between TERM and KILL of a cancelled step.
    pub grace: Duration,
    /// Where artifacts without a location go.
    pub repository: ArtifactRepository,
    /// Deletes artifacts that `artifactGC` wants to be gone; nothing is deleted without it.
    pub delete_artifact: Option<DeleteArtifact>,
    /// A workflow with nothing to do for this long is put away; only with `adopt`, which also wakes it.
    pub unload_after: Duration,
    /// How often finished workflows are looked at for their time to live; never without it.
    pub gc_every: Option<Duration>,
    /// Workflows whose time to live is over are archived; without it they are deleted.
    pub archive: Option<Archive>,
    /// How long [`crate::Controller::command`] waits for an answer.
    pub answer_within: Duration,
    /// Called when the store can be written no more; without it only [`crate::Controller::trouble`] tells.
    pub on_fatal: Option<OnFatal>,
    /// Asked before each effect.
    pub gate: Arc<dyn Gate>,
}

impl Options {
    /// Defaults, with artifacts below `state_dir`.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        let state_dir = state_dir.into();
        Self {
            owner: owner::this_process(),
            adopt: false,
            is_dead: Some(Arc::new(owner::is_dead)),
            ttl: Duration::from_secs(15),
            poll: Some(Duration::from_millis(50)),
            linger: Duration::from_millis(50),
            max_running: 64,
            grace: Duration::from_secs(30),
            repository: ArtifactRepository::Local { root: state_dir.join("artifacts") },
            delete_artifact: None,
            unload_after: Duration::from_secs(60),
            gc_every: Some(Duration::from_secs(600)),
            archive: None,
            answer_within: Duration::from_secs(10),
            on_fatal: None,
            gate: Arc::new(Auto),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("owner", &self.owner)
            .field("adopt", &self.adopt)
            .field("ttl", &self.ttl)
            .field("poll", &self.poll)
            .field("max_running", &self.max_running)
            .finish_non_exhaustive()
    }
}

/// Streams claimed at once; a large takeover is paced (F35).
pub(crate) const CLAIM_BATCH: usize = 64;
/// Journals replayed at once.
pub(crate) const LOADS: usize = 32;
/// Failures of the store, one after the other and of the kind that does not pass, after which it is given up: the
/// first one leaves open whether the write is durable, the next one shows that no more are taken.
pub(crate) const FATAL_FAILURES: u32 = 2;
/// Panics of one workflow's task before it is put aside (F13).
pub(crate) const STRIKES: u32 = 3;
/// Longest wait between two tries of something that failed.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Time within which leases are handed over at shutdown (F72).
pub(crate) const HAND_OVER: Duration = Duration::from_secs(5);
/// Time from the end of a workflow to its deletion by a shorter `ttlStrategy`: those who follow it see its end.
pub(crate) const LAST_LOOK: Duration = Duration::from_secs(2);
/// How often abandoned workflows are looked for, while polling.
pub(crate) const CLAIM_EVERY: Duration = Duration::from_millis(500);
/// Shortest time between two snapshots of one subscription.
pub(crate) const SNAPSHOT_EVERY: Duration = Duration::from_millis(50);
